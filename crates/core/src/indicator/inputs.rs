//! All that the indicators of one scope and window are computed from. Whoever closes a window fills it in; what is
//! not known stays absent and becomes a null with a reason, never a 0. Everything is borrowed: nothing is copied per
//! summary.

use crate::census::{Census, Snapshot};
use crate::scope::{Level, Part};
use crate::state::State;
use crate::tally::{EventCounts, Tally};
use crate::time::EventTime;
use crate::window::{Calendar, CivilDay, Window, days_from_civil};

use super::policy::Policy;
use super::value::{NullReason, Value};

/// What one scope's indicators over one window are computed from.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The scope's level; of a breakdown's value, that of the whole that it is a part of.
    pub level: Level,
    /// The breakdown's value that these inputs are of, if they are.
    pub part: Option<Part>,
    /// The window.
    pub window: Window,
    /// The civil calendar that the window is laid on.
    pub calendar: &'a Calendar,
    /// What the settings decide.
    pub policy: &'a Policy,
    /// What happened in the window.
    pub tally: &'a Tally,
    /// What stands at its end.
    pub census: Option<&'a Census>,
    /// What only the moment of closing knew.
    pub snapshot: Option<&'a Snapshot>,
    /// Coincident peaks of import within the window.
    pub peaks: Peaks,
    /// The scope's tallies of the last twelve months, as far as they are kept.
    pub year: Option<Span<'a>>,
    /// The scope's tallies since the plan's base day, as far as they are kept.
    pub plan: Option<Span<'a>>,
    /// What was built since the plan's base day.
    pub since_base: SinceBase,
    /// Days from the daemon's first observation to the window's end.
    pub observed_days: i64,
    /// Tables about this scope that no station sends.
    pub reference: Reference,
    /// The nation's capacity and need, to compare this scope with.
    pub nation: Option<NationRatio>,
    /// All counties of the scope, also those without any station; empty below the province and for a part.
    pub counties: &'a [CountyRow],
    /// Township coverage by province; empty where no station's area names a township, and below the province.
    pub townships: &'a [TownshipRow],
    /// Capacity and need in urban surroundings.
    pub urban: Option<SettingRow>,
    /// Capacity and need in rural surroundings.
    pub rural: Option<SettingRow>,
    /// Stations that somebody should look at.
    pub lists: Lists<'a>,
}

/// The greatest imports of the scope, after adding over it; absent times mean that no peak was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    /// Import of the greatest base bucket, J.
    pub minute_j: i64,
    /// When that bucket began.
    pub minute_start: Option<EventTime>,
    /// Import of the greatest quarter of an hour, J.
    pub quarter_j: i64,
    /// When that quarter began.
    pub quarter_start: Option<EventTime>,
}

/// A sum of tallies over several months, and how many of them there were.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Span<'a> {
    pub tally: &'a Tally,
    pub months_available: i64,
}

/// What was built since the plan's base day, where that is tracked; otherwise absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SinceBase {
    /// New direct-current connectors in urban surroundings.
    pub urban_dc: Option<i64>,
    /// The part of them of 250 kW and more.
    pub urban_high_power: Option<i64>,
    /// New or rebuilt connectors of 60 kW and more in highway service areas.
    pub highway_60kw: Option<i64>,
    /// New direct-current connectors in townships that had no public station.
    pub township_dc: Option<i64>,
    /// New connectors that can give energy back.
    pub v2g: Option<i64>,
    /// Communities whose charging one party builds and runs (统建统服).
    pub residential_pilots: Option<i64>,
}

/// What the need for charging is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedBasis {
    /// Electric vehicles registered.
    EvStock,
    /// Resident population.
    Population,
}

impl NeedBasis {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EvStock => "ev_stock",
            Self::Population => "population",
        }
    }
}

/// Tables about the scope that no station sends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reference {
    /// Electric vehicles registered in the scope.
    pub ev_stock: Option<i64>,
    /// Its resident population.
    pub population: Option<i64>,
    /// Highway service areas in the scope.
    pub service_areas: Option<i64>,
    /// The part of them with at least one working connector.
    pub service_areas_covered: Option<i64>,
    /// Built-up area, km2.
    pub built_up_km2: Option<f64>,
    /// What `need` means, here and in the counties.
    pub need_basis: Option<NeedBasis>,
    /// The scope's own need.
    pub need: Option<i64>,
}

/// The nation's public rated power and need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NationRatio {
    pub public_rated_w: i64,
    pub need: i64,
}

/// One county's sums, for the layout indicators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountyRow {
    /// 6-digit code.
    pub county: u32,
    /// Rated power of its public and dedicated facilities, W.
    pub public_rated_w: i64,
    /// Energy delivered in the window, J.
    pub import_j: i64,
    /// Its facilities.
    pub facilities: i64,
    /// The public and dedicated ones of them.
    pub public: i64,
    /// Time in service in the window, ms.
    pub service_ms: i64,
    /// Time in `charging` in the window, ms.
    pub charging_ms: i64,
    /// Its need, in the basis of [`Reference::need_basis`].
    pub need: Option<i64>,
}

/// One province's townships (镇 and 乡), and how many of them have a working public connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TownshipRow {
    pub province: u8,
    pub covered: i64,
    pub total: i64,
}

/// Capacity and need of the scope's urban or rural surroundings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SettingRow {
    pub public_rated_w: i64,
    pub need: Option<i64>,
    pub service_ms: i64,
    pub charging_ms: i64,
}

/// Stations that somebody should look at, where they were looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lists<'a> {
    /// In highway service areas, above the policy's time utilisation on a holiday (domain B13).
    pub highway_upgrade: Option<StationList<'a>>,
    /// Full for longer than the settings allow (domain B9).
    pub congested: Option<StationList<'a>>,
    /// With dormant connectors (domain B14).
    pub dormant: Option<StationList<'a>>,
}

/// The worst of some stations; whoever fills it limits its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationList<'a> {
    /// How many there are, also beyond the list.
    pub total: i64,
    /// Their names, each as `operator/station`, worst first.
    pub stations: &'a [Box<str>],
}

impl<'a> Inputs<'a> {
    /// Inputs of which only the tally is known.
    #[must_use]
    pub fn new(level: Level, window: Window, calendar: &'a Calendar, policy: &'a Policy, tally: &'a Tally) -> Self {
        Self {
            level,
            part: None,
            window,
            calendar,
            policy,
            tally,
            census: None,
            snapshot: None,
            peaks: Peaks::default(),
            year: None,
            plan: None,
            since_base: SinceBase::default(),
            observed_days: 0,
            reference: Reference::default(),
            nation: None,
            counties: &[],
            townships: &[],
            urban: None,
            rural: None,
            lists: Lists::default(),
        }
    }

    /// Time in one state, ms.
    pub(super) fn in_state(&self, state: State) -> i64 {
        self.tally.in_state(state)
    }

    /// The calendar denominator, ms: all time in service.
    pub(super) fn calendar_ms(&self) -> i64 {
        self.tally.service_ms()
    }

    /// The strict denominator, ms: all time in service that nobody had planned to be without (domain 8.0, `T_sched`).
    pub(super) fn strict_ms(&self) -> i64 {
        if self.policy.unavailable_is_planned {
            self.calendar_ms() - self.in_state(State::Unavailable)
        } else {
            self.calendar_ms()
        }
    }

    /// The lenient denominator, ms: the strict one without what was offline or not observed.
    pub(super) fn lenient_ms(&self) -> i64 {
        self.strict_ms() - self.in_state(State::Offline) - self.in_state(State::Unobserved)
    }

    /// Time in which a connector was working, used or not, ms.
    pub(super) fn up_ms(&self) -> i64 {
        [State::Available, State::Occupied, State::Charging, State::Discharging, State::Reserved]
            .into_iter()
            .map(|state| self.in_state(state))
            .sum()
    }

    /// One of the rarer counts; 0 where none was ever touched.
    pub(super) fn count(&self, field: impl Fn(&EventCounts) -> i64) -> i64 {
        self.tally.events.get().map_or(0, field)
    }

    /// A value from the census, or null where none was kept.
    pub(super) fn with_census(&self, value: impl Fn(&'a Census) -> Value<'a>) -> Value<'a> {
        self.census.map_or(Value::Null(NullReason::NotRecorded), value)
    }

    /// A count of the census.
    pub(super) fn counted(&self, field: impl Fn(&'a Census) -> i64) -> Value<'a> {
        self.with_census(|census| Value::Integer(field(census)))
    }

    /// A value from the snapshot, or null where none was kept.
    pub(super) fn with_snapshot(&self, value: impl Fn(&'a Snapshot) -> Value<'a>) -> Value<'a> {
        self.snapshot.map_or(Value::Null(NullReason::NotRecorded), value)
    }

    /// The last civil day of the window, days since the Unix epoch.
    pub(super) fn last_day(&self) -> i64 {
        let day: CivilDay = self.calendar.civil_day(self.window.end.start_ms() - 1);
        days_from_civil(day)
    }

    /// A value of the wide levels only: null below the province, and for a part.
    pub(super) fn if_wide(&self, value: impl Fn(&Self) -> Value<'a>) -> Value<'a> {
        if matches!(self.level, Level::Nation | Level::Province) && self.part.is_none() {
            value(self)
        } else {
            Value::Null(NullReason::NotApplicableAtLevel)
        }
    }

    /// A value of the nation only.
    pub(super) fn if_nation(&self, value: impl Fn(&Self) -> Value<'a>) -> Value<'a> {
        if self.level == Level::Nation && self.part.is_none() {
            value(self)
        } else {
            Value::Null(NullReason::NotApplicableAtLevel)
        }
    }
}
