//! Whom a figure speaks of: the levels and their members, and the breakdowns within a level. Every contribution
//! carries an attribution, from which the scopes that it counts in follow.

use crate::region::Setting;
use crate::registration::{Access, Current, Scene};

/// The levels at which summaries are given out (semantics, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum Level {
    Nation,
    Province,
    City,
    County,
    Operator,
    Station,
}

impl Level {
    /// All levels, widest first.
    pub const ALL: [Self; 6] = [Self::Nation, Self::Province, Self::City, Self::County, Self::Operator, Self::Station];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nation => "nation",
            Self::Province => "province",
            Self::City => "city",
            Self::County => "county",
            Self::Operator => "operator",
            Self::Station => "station",
        }
    }

    /// The level with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// One member of a level. Code 0 stands for the region of stations that were never registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Scope {
    Nation,
    Province(u8),
    City(u16),
    County(u32),
    Operator(OperatorIndex),
    Station(StationIndex),
    /// One value of a breakdown, within a province or (`None`) the nation.
    Part {
        province: Option<u8>,
        part: Part,
    },
}

/// An operator, densely numbered over the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperatorIndex(pub u32);

/// A station, densely numbered over the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StationIndex(pub u32);

/// No known station, or one that is not in scope.
pub const NOBODY: StationIndex = StationIndex(u32::MAX);

/// One value of one breakdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum Part {
    Scene(Named<Scene>),
    Access(Named<Access>),
    Setting(Named<Setting>),
    PowerClass(Named<PowerClass>),
    Current(Named<Current>),
}

/// A property of registered equipment, or why it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Named<T> {
    /// As registered.
    Known(T),
    /// Registered, but without this property.
    Unknown,
    /// Never registered.
    Unregistered,
}

impl<T: Copy> Named<T> {
    /// The property, where it is known.
    #[must_use]
    pub fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown | Self::Unregistered => None,
        }
    }

    /// Of a registered thing: what was given, if anything was.
    #[must_use]
    pub fn registered(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Self::Known)
    }

    fn name_by(self, name: impl Fn(T) -> &'static str) -> &'static str {
        match self {
            Self::Known(value) => name(value),
            Self::Unknown => "unknown",
            Self::Unregistered => "unregistered",
        }
    }
}

/// Classes of rated power, with their upper bounds included (semantics, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PowerClass {
    UpTo7Kw,
    UpTo30Kw,
    UpTo60Kw,
    UpTo120Kw,
    UpTo250Kw,
    UpTo480Kw,
    Above480Kw,
}

impl PowerClass {
    /// The class of a rating.
    #[must_use]
    pub const fn of_w(rated_w: u32) -> Self {
        match rated_w {
            0..=7_000 => Self::UpTo7Kw,
            7_001..=30_000 => Self::UpTo30Kw,
            30_001..=60_000 => Self::UpTo60Kw,
            60_001..=120_000 => Self::UpTo120Kw,
            120_001..=250_000 => Self::UpTo250Kw,
            250_001..=480_000 => Self::UpTo480Kw,
            _ => Self::Above480Kw,
        }
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpTo7Kw => "up_to_7_kw",
            Self::UpTo30Kw => "up_to_30_kw",
            Self::UpTo60Kw => "up_to_60_kw",
            Self::UpTo120Kw => "up_to_120_kw",
            Self::UpTo250Kw => "up_to_250_kw",
            Self::UpTo480Kw => "up_to_480_kw",
            Self::Above480Kw => "above_480_kw",
        }
    }
}

impl Part {
    /// The breakdown's name on the wire.
    #[must_use]
    pub const fn breakdown(self) -> &'static str {
        match self {
            Self::Scene(_) => "scene",
            Self::Access(_) => "access",
            Self::Setting(_) => "setting",
            Self::PowerClass(_) => "power_class",
            Self::Current(_) => "current",
        }
    }

    /// The value's name on the wire.
    #[must_use]
    pub fn value(self) -> &'static str {
        match self {
            Self::Scene(scene) => scene.name_by(Scene::name),
            Self::Access(access) => access.name_by(Access::name),
            Self::Setting(setting) => setting.name_by(Setting::name),
            Self::PowerClass(class) => class.name_by(PowerClass::name),
            Self::Current(current) => current.name_by(Current::name),
        }
    }
}

/// An [`Attribution`], densely numbered within a shard. All connectors of a station that count alike share one; where
/// single stations are not in scope, those of all stations do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributionIndex(pub u32);

/// Where a contribution counts. Immutable: what changes hands gets another attribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Attribution {
    /// [`NOBODY`] where single stations are not in scope.
    pub station: StationIndex,
    pub operator: OperatorIndex,
    /// 6-digit code; 0 where the station was never registered or gave no area.
    pub county: u32,
    pub scene: Named<Scene>,
    pub access: Named<Access>,
    pub setting: Named<Setting>,
    pub power_class: Named<PowerClass>,
    pub current: Named<Current>,
    /// Public and of 50 kW or more: what the British reliability rule speaks of.
    pub rapid: bool,
    /// Concerns the station as a whole, which has no power class and no kind of current of its own.
    pub whole: bool,
}

impl Attribution {
    /// The 4-digit city; 0 where unknown.
    #[must_use]
    pub const fn city(&self) -> u16 {
        (self.county / 100) as u16
    }

    /// The 2-digit province; 0 where unknown.
    #[must_use]
    pub const fn province(&self) -> u8 {
        (self.county / 10_000) as u8
    }

    /// The breakdown values that it counts in.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        let of_station = [Part::Scene(self.scene), Part::Access(self.access), Part::Setting(self.setting)];
        let of_connector = [Part::PowerClass(self.power_class), Part::Current(self.current)];
        of_station.into_iter().chain(of_connector.into_iter().filter(|_| !self.whole))
    }
}
