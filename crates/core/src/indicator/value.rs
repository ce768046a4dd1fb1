//! What an indicator's function gives back: a finite number, a word, a time, a list, or null with its reason. The
//! divisions stand here and nowhere else, so that no indicator can give infinity, "not a number" or an unexplained
//! null.

use crate::time::EventTime;

use super::inputs::StationList;

/// Why an indicator has no value. A closed set: consumers may branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NullReason {
    /// There was nothing to divide by: no time, no session, no energy.
    NoDenominator,
    /// There was something, but less than the settings demand for a figure worth reading.
    Insufficient,
    /// No message of any dialect carries what it is computed from.
    NotInFeed,
    /// It needs a table (vehicles, population, service areas, calendar) that nobody supplied.
    NoReferenceData,
    /// It has no meaning at this level or for a part of it.
    NotApplicableAtLevel,
    /// Nothing was looked at, so that 0 would claim safety that nobody saw.
    NotAssessed,
    /// It could be known, but was not kept for this window.
    NotRecorded,
    /// The window cuts what belongs together: more ended in it than began.
    CutByWindow,
    /// The formula has no value for these numbers.
    Undefined,
    /// So few that it would speak of single households.
    Suppressed,
}

impl NullReason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::NoDenominator,
        Self::Insufficient,
        Self::NotInFeed,
        Self::NoReferenceData,
        Self::NotApplicableAtLevel,
        Self::NotAssessed,
        Self::NotRecorded,
        Self::CutByWindow,
        Self::Undefined,
        Self::Suppressed,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoDenominator => "no_denominator",
            Self::Insufficient => "insufficient",
            Self::NotInFeed => "not_in_feed",
            Self::NoReferenceData => "no_reference_data",
            Self::NotApplicableAtLevel => "not_applicable_at_level",
            Self::NotAssessed => "not_assessed",
            Self::NotRecorded => "not_recorded",
            Self::CutByWindow => "cut_by_window",
            Self::Undefined => "undefined",
            Self::Suppressed => "suppressed",
        }
    }
}

/// An indicator's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A finite number; made by [`Value::number`].
    Number(f64),
    /// A count.
    Integer(i64),
    /// A word of a closed set.
    Word(&'static str),
    /// A point in time.
    Time(EventTime),
    /// Stations, each as `operator/station`.
    Stations(StationList<'a>),
    /// No value, and why.
    Null(NullReason),
}

impl Value<'_> {
    /// A number; null where it is not finite.
    #[must_use]
    pub fn number(value: f64) -> Self {
        if value.is_finite() { Self::Number(value) } else { Self::Null(NullReason::Undefined) }
    }

    /// A number, or null for this reason where there is none.
    #[must_use]
    pub fn number_or(value: Option<f64>, reason: NullReason) -> Self {
        value.map_or(Self::Null(reason), Self::number)
    }

    /// A count, or null for this reason where there is none.
    #[must_use]
    pub fn integer_or(value: Option<i64>, reason: NullReason) -> Self {
        value.map_or(Self::Null(reason), Self::Integer)
    }

    /// The value as a number, where it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Number(number) => Some(number),
            Self::Integer(count) => Some(count as f64),
            _ => None,
        }
    }

    /// The same, with a number taken through `f`.
    #[must_use]
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        self.as_f64().map_or(self, |number| Self::number(f(number)))
    }
}

/// `numerator / denominator`; null where the denominator is not positive or below `denominator_min`.
pub(super) fn ratio<'a>(numerator: i64, denominator: i64, denominator_min: i64) -> Value<'a> {
    if denominator <= 0 {
        Value::Null(NullReason::NoDenominator)
    } else if denominator < denominator_min {
        Value::Null(NullReason::Insufficient)
    } else {
        Value::number(numerator as f64 / denominator as f64)
    }
}

/// Like [`ratio`], of a part and its whole: null where the window cuts the two apart.
pub(super) fn share<'a>(part: i64, whole: i64, whole_min: i64) -> Value<'a> {
    if whole > 0 && part > whole { Value::Null(NullReason::CutByWindow) } else { ratio(part, whole, whole_min) }
}

/// Like [`ratio`], times `factor`: events per ten thousand, a unit's conversion.
pub(super) fn rate<'a>(factor: f64, numerator: i64, denominator: i64, denominator_min: i64) -> Value<'a> {
    ratio(numerator, denominator, denominator_min).map(|value| value * factor)
}
