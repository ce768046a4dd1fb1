//! The quantities that are watched, one reading of each, and how long a reading must stand before it counts. Nothing
//! here knows a connector; that is the monitor's.

use super::thresholds::Pair;
use crate::alarm::{AlarmClass, Level};
use crate::pack::{pack_enum, pack_fields};

/// How far a value went: beyond its warning limit, or beyond its alarm limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Grade {
    Warn,
    Alarm,
}

/// What is watched (the W numbers are those of domain section 5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Indicator {
    /// W1.
    BatteryTemp = 0,
    /// W2.
    BatterySpread,
    /// W3.
    BatteryRise,
    /// W4.
    CellVoltage,
    /// W5.
    CellSpread,
    /// W6.
    SocJump,
    /// W7.
    OverRequest,
    /// W9.
    AfterFull,
    /// W10.
    Insulation,
    /// W11.
    ConnectorTemp,
    /// Power beyond what the connector is rated for.
    PowerAboveRating,
}

/// How many there are.
pub(super) const INDICATORS: usize = Indicator::ALL.len();

impl Indicator {
    /// All of them, each at its own index.
    pub(super) const ALL: [Self; 11] = [
        Self::BatteryTemp,
        Self::BatterySpread,
        Self::BatteryRise,
        Self::CellVoltage,
        Self::CellSpread,
        Self::SocJump,
        Self::OverRequest,
        Self::AfterFull,
        Self::Insulation,
        Self::ConnectorTemp,
        Self::PowerAboveRating,
    ];

    /// The alarm that it raises.
    pub(super) const fn class(self) -> AlarmClass {
        match self {
            Self::BatteryTemp => AlarmClass::BatteryOvertemp,
            Self::BatterySpread => AlarmClass::BatteryTempSpread,
            Self::BatteryRise => AlarmClass::BatteryTempRise,
            Self::CellVoltage => AlarmClass::CellOvervoltage,
            Self::CellSpread => AlarmClass::CellSpread,
            Self::SocJump => AlarmClass::SocJump,
            Self::OverRequest => AlarmClass::Overcurrent,
            Self::AfterFull => AlarmClass::ChargeAfterFull,
            Self::Insulation => AlarmClass::Insulation,
            Self::ConnectorTemp => AlarmClass::ConnectorOvertemp,
            Self::PowerAboveRating => AlarmClass::PowerAboveRating,
        }
    }

    /// The level at this grade: the class's own for an alarm and one less for a warning; a connector at its stop
    /// temperature is a matter of persons (domain 5.5).
    pub(super) const fn level(self, grade: Grade) -> Level {
        match (self, grade) {
            (Self::ConnectorTemp, Grade::Alarm) => Level::Personal,
            (Self::ConnectorTemp, Grade::Warn) => Level::Equipment,
            (_, Grade::Alarm) => self.class().default_level(),
            (_, Grade::Warn) => match self.class().default_level() {
                Level::Personal => Level::Equipment,
                Level::Equipment | Level::Notice => Level::Notice,
            },
        }
    }

    /// Whether it warns of thermal runaway (domain D7: W1 to W5 and W9).
    pub(super) const fn is_runaway_warning(self) -> bool {
        matches!(
            self,
            Self::BatteryTemp
                | Self::BatterySpread
                | Self::BatteryRise
                | Self::CellVoltage
                | Self::CellSpread
                | Self::AfterFull
        )
    }

    /// Whether nothing but what the battery says has any part in it.
    pub(super) const fn is_of_battery(self) -> bool {
        matches!(
            self,
            Self::BatteryTemp
                | Self::BatterySpread
                | Self::BatteryRise
                | Self::CellVoltage
                | Self::CellSpread
                | Self::SocJump
        )
    }

    /// Whether a single reading is enough: it already speaks of a stretch of time or of two samples.
    pub(super) const fn is_sustained(self) -> bool {
        matches!(self, Self::SocJump | Self::AfterFull)
    }

    /// A value in the unit in which alarms are told: °C, °C/min, V, %, A, min, ohm/V, kW.
    pub(super) fn told(self, value: i64) -> f64 {
        let value = value as f64;
        match self {
            Self::SocJump => value / 10.0,
            Self::AfterFull => value / 60_000.0,
            Self::Insulation => value,
            _ => value / 1000.0,
        }
    }
}

/// On which side of its limit a value is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// At the limit or above it.
    AtLeast,
    /// Above the limit.
    Above,
    /// At the limit or below it.
    AtMost,
}

/// One value with the limits that hold for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) value: i64,
    pub(super) limits: Pair,
    pub(super) bad: Bad,
}

impl Reading {
    fn reaches(&self, limit: i64) -> bool {
        match self.bad {
            Bad::AtLeast => self.value >= limit,
            Bad::Above => self.value > limit,
            Bad::AtMost => self.value <= limit,
        }
    }

    /// Whether it reaches any limit.
    pub(super) fn is_bad(&self) -> bool {
        self.reaches(self.limits.warn) || self.reaches(self.limits.alarm)
    }

    /// Whether the value has come back so far that an alarm ends.
    fn is_over(&self, hysteresis_permille: i64) -> bool {
        let margin = self.limits.warn.saturating_abs().saturating_mul(hysteresis_permille) / 1_000;
        match self.bad {
            Bad::AtLeast | Bad::Above => self.value < self.limits.warn.saturating_sub(margin),
            Bad::AtMost => self.value > self.limits.warn.saturating_add(margin),
        }
    }

    /// The limit of a grade.
    pub(super) const fn limit(&self, grade: Grade) -> i64 {
        match grade {
            Grade::Warn => self.limits.warn,
            Grade::Alarm => self.limits.alarm,
        }
    }
}

/// For how long a value must be bad.
#[derive(Clone, Copy, Debug)]
pub(super) struct Persistence {
    pub(super) samples: u8,
    pub(super) span_ms: u16,
}

/// Readings in a row beyond one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Streak {
    /// From the first to the last reading, ms; stays at its greatest value.
    span_ms: u16,
    samples: u8,
}

impl Streak {
    fn note(&mut self, is_bad: bool) {
        if is_bad {
            self.samples = self.samples.saturating_add(1);
        } else {
            *self = Self::default();
        }
    }

    fn pass(&mut self, ms: u16) {
        if self.samples > 0 {
            self.span_ms = self.span_ms.saturating_add(ms);
        }
    }

    const fn lasts(self, needed: Persistence) -> bool {
        self.samples >= needed.samples && self.span_ms >= needed.span_ms
    }
}

/// What a reading changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Rise(Grade),
    Over,
}

/// One indicator of one connector over time. Its grade only rises until the alarm is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    warn: Streak,
    alarm: Streak,
    grade: Option<Grade>,
}

impl Watch {
    /// Where it stands.
    pub(super) const fn grade(&self) -> Option<Grade> {
        self.grade
    }

    /// Time went by since the last sample.
    pub(super) fn pass(&mut self, dt_ms: i64) {
        let ms = u16::try_from(dt_ms).unwrap_or(u16::MAX);
        self.warn.pass(ms);
        self.alarm.pass(ms);
    }

    /// Nothing was heard for a while: what comes next is not in a row with what was.
    pub(super) fn break_off(&mut self) {
        self.warn = Streak::default();
        self.alarm = Streak::default();
    }

    /// Takes in a reading.
    pub(super) fn judge(&mut self, reading: &Reading, needed: Persistence, hysteresis_permille: i64) -> Option<Turn> {
        self.warn.note(reading.reaches(reading.limits.warn));
        self.alarm.note(reading.reaches(reading.limits.alarm));
        let grade = if self.alarm.lasts(needed) {
            Some(Grade::Alarm)
        } else if self.warn.lasts(needed) {
            Some(Grade::Warn)
        } else {
            None
        };
        if grade > self.grade {
            self.grade = grade;
            return grade.map(Turn::Rise);
        }
        if reading.is_over(hysteresis_permille) { self.end() } else { None }
    }

    /// Nothing is left to watch.
    pub(super) fn end(&mut self) -> Option<Turn> {
        let was_open = self.grade.is_some();
        *self = Self::default();
        was_open.then_some(Turn::Over)
    }
}

pack_enum!(Grade { Warn, Alarm });
pack_fields!(Streak { span_ms, samples });
pack_fields!(Watch { warn, alarm, grade });
