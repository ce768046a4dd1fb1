//! The mergeable content of one base bucket or window: integers that add up over scopes and over time. A tally is a
//! commutative group under `merge` (entries are signed, so that what late data takes back is a tally too), with the
//! all-zero tally as its identity. Nothing that does not add up over time may stand here; that is the census's.

use crate::histogram::{DURATION_CELLS, ENERGY_CELLS, LATENCY_CELLS, START_CELLS};
use crate::pack::{Damaged, Pack, Reader};

/// Anything whose values add up entry by entry.
pub trait Merge {
    /// Adds `other` to this.
    fn merge(&mut self, other: &Self);
    /// Turns every entry into its opposite.
    fn negate(&mut self);
    /// Whether every entry is zero.
    fn is_zero(&self) -> bool;
}

impl Merge for i64 {
    fn merge(&mut self, other: &Self) {
        *self += other;
    }
    fn negate(&mut self) {
        *self = -*self;
    }
    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl<const N: usize> Merge for [i64; N] {
    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.iter_mut().zip(other) {
            *mine += theirs;
        }
    }
    fn negate(&mut self) {
        for entry in self {
            *entry = -*entry;
        }
    }
    fn is_zero(&self) -> bool {
        self.iter().all(|&entry| entry == 0)
    }
}

/// Declares a struct of mergeable integers with `Merge` and `Pack` over all its fields.
macro_rules! mergeable {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$doc:meta])* pub $field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$doc])* pub $field: $ty,)* }

        impl $crate::tally::Merge for $name {
            fn merge(&mut self, other: &Self) {
                $($crate::tally::Merge::merge(&mut self.$field, &other.$field);)*
            }
            fn negate(&mut self) {
                $($crate::tally::Merge::negate(&mut self.$field);)*
            }
            fn is_zero(&self) -> bool {
                true $(&& $crate::tally::Merge::is_zero(&self.$field))*
            }
        }

        $crate::pack::pack_fields!($name { $($field),* });
    };
}
pub(crate) use mergeable;

mergeable! {
    /// What happened in one scope and stretch of time.
    pub struct Tally {
        /// Time in each state, ms, in the order of [`State::ALL`](crate::state::State::ALL). Adds up to the time in
        /// which connectors were in service.
        pub state_ms: [i64; 9],
        /// Energy delivered to vehicles, J.
        pub import_j: i64,
        /// Energy taken from vehicles, J.
        pub export_j: i64,
        /// Import of intervals no longer than the hold that start in `charging`, J.
        pub charging_import_j: i64,
        /// Rated power times time in service, J; truncated per connector and base bucket.
        pub rated_j: i64,
        /// What vehicles asked for while charging, at most the rating, J; only where the demand is known.
        pub demand_j: i64,
        /// Import of the intervals that `demand_j` covers, J.
        pub demand_import_j: i64,
        /// Import in base buckets for which the tariff's periods are known, J.
        pub tariff_import_j: i64,
        /// The part of `tariff_import_j` in valley periods, J.
        pub valley_import_j: i64,
        /// Time beyond the first 10 min of each uninterrupted `occupied` stretch, ms.
        pub overstay_ms: i64,
        /// Time of stations with at least one connector in service, ms, in whole base buckets.
        pub station_ms: i64,
        /// Time in which every working connector of a station was taken, ms, in whole base buckets.
        pub full_ms: i64,
        /// The part of `full_ms` in which at least one connector was down, ms.
        pub full_faulty_ms: i64,
        /// Time in service of public connectors of 50 kW and more, ms.
        pub rapid_ms: i64,
        /// The part of `rapid_ms` that was faulted or unavailable, ms.
        pub rapid_down_ms: i64,
        /// Observations taken in.
        pub accepted: i64,
        /// How long accepted observations took to get here; cells of [`crate::histogram::LATENCY_MS`].
        pub latency: [i64; LATENCY_CELLS],
        /// What does not happen every minute.
        pub events: Events,
    }
}

/// The rarer entries of a tally, on the heap only where there are any.
#[derive(Clone, Debug, Default)]
pub struct Events(Option<Box<EventCounts>>);

mergeable! {
    /// Counts of what does not happen every minute.
    pub struct EventCounts {
        /// Same connector and event time again.
        pub duplicate: i64,
        /// Refused: too far behind its arrival.
        pub late: i64,
        /// Refused: too far ahead of its arrival.
        pub future: i64,
        /// Refused: older than the newest sample and in no known gap.
        pub out_of_order: i64,
        /// Refused at the door: not decodable, or against a limit.
        pub rejected: i64,
        /// Codes that the dialect has no mapping for.
        pub unmapped: i64,
        /// Energy registers that went down.
        pub meter_reset: i64,
        /// Energy registers that jumped further than the rating allows.
        pub meter_jump: i64,
        /// Sessions that somebody asked for.
        pub sessions_attempted: i64,
        /// Sessions in which energy began to flow.
        pub sessions_started: i64,
        /// Sessions that ended as user or vehicle wished.
        pub sessions_completed: i64,
        /// Sessions that ended otherwise or never started.
        pub sessions_failed: i64,
        /// The part of `sessions_failed` that had started.
        pub sessions_abnormal: i64,
        /// Stops by reason, in the order of [`StopReason::ALL`](crate::observation::StopReason::ALL).
        pub stops: [i64; 15],
        /// Sessions of at least 60 s and 0.1 kWh: what turnover counts.
        pub sessions_effective: i64,
        /// Stops for which the start is known too.
        pub sessions_timed: i64,
        /// Their durations, ms.
        pub session_ms: i64,
        /// Cells of [`crate::histogram::DURATION_MS`].
        pub session_durations: [i64; DURATION_CELLS],
        /// Stops that state an energy.
        pub sessions_metered: i64,
        /// The stated energies, J.
        pub session_j: i64,
        /// Cells of [`crate::histogram::ENERGY_J`].
        pub session_energies: [i64; ENERGY_CELLS],
        /// Sessions for which both the attempt and the start are known.
        pub starts_timed: i64,
        /// From attempt to start, ms.
        pub start_ms: i64,
        /// Cells of [`crate::histogram::START_MS`].
        pub start_delays: [i64; START_CELLS],
        /// Stops that state an energy and a billed energy.
        pub sessions_billed: i64,
        /// The part of `sessions_billed` whose two energies agree within 0.02 kWh.
        pub sessions_billed_consistent: i64,
        /// Sessions whose bill is disputed.
        pub sessions_disputed: i64,
        /// Stops that state what was paid for energy and service.
        pub sessions_priced: i64,
        /// Energy of `sessions_priced`, J.
        pub priced_j: i64,
        /// Paid for energy, fen (0.01 CNY).
        pub energy_fee_fen: i64,
        /// Paid for service, fen (0.01 CNY).
        pub service_fee_fen: i64,
        /// Charging episodes with battery data.
        pub bms_episodes: i64,
        /// Charging episodes with at least one early warning of thermal runaway at alarm level.
        pub runaway_episodes: i64,
        /// Alarms by level, in the order of [`Level::ALL`](crate::alarm::Level::ALL).
        pub alarms_raised: [i64; 3],
        /// Alarms by source, in the order of [`AlarmSource::ALL`](crate::alarm::AlarmSource::ALL).
        pub alarms_by_source: [i64; 3],
        /// Alarms that ended.
        pub alarms_cleared: i64,
        /// Alarms that ended and whose duration is known, by level.
        pub clearances: [i64; 3],
        /// Their durations by level, ms.
        pub clearance_ms: [i64; 3],
        /// Clearance times over all levels; cells of [`crate::histogram::DURATION_MS`].
        pub clearance_durations: [i64; DURATION_CELLS],
        /// Insulation between 100 and 500 ohm per volt.
        pub insulation_abnormal: i64,
        /// Insulation at or below 100 ohm per volt.
        pub insulation_fault: i64,
        /// Emergency stops, as alarms.
        pub emergency_stops: i64,
        /// Alarms of the station's supply: smoke, transformer, overload.
        pub distribution_alarms: i64,
        /// Time with a connector above its warning temperature, ms.
        pub connector_hot_ms: i64,
        /// Times that a connector went above its stop temperature.
        pub connector_overtemps: i64,
        /// Failures: a working connector faulted for at least 60 s; faults less than 5 min apart are one.
        pub failures: i64,
        /// Failures that ended.
        pub repairs: i64,
    }
}

impl Events {
    /// The counts, where any was ever touched.
    #[must_use]
    pub fn get(&self) -> Option<&EventCounts> {
        self.0.as_deref()
    }

    /// The counts, to add to.
    pub fn get_mut(&mut self) -> &mut EventCounts {
        self.0.get_or_insert_default()
    }

    /// A copy of the counts; all zero where none was touched.
    #[must_use]
    pub fn counts(&self) -> EventCounts {
        self.get().cloned().unwrap_or_default()
    }
}

impl PartialEq for Events {
    fn eq(&self, other: &Self) -> bool {
        match (self.get(), other.get()) {
            (Some(mine), Some(theirs)) => mine == theirs,
            (Some(one), None) | (None, Some(one)) => one.is_zero(),
            (None, None) => true,
        }
    }
}

impl Eq for Events {}

impl Merge for Events {
    fn merge(&mut self, other: &Self) {
        if let Some(theirs) = other.get() {
            self.get_mut().merge(theirs);
        }
    }
    fn negate(&mut self) {
        if let Some(counts) = self.0.as_deref_mut() {
            counts.negate();
        }
    }
    fn is_zero(&self) -> bool {
        self.get().is_none_or(Merge::is_zero)
    }
}

impl Pack for Events {
    fn pack(&self, out: &mut Vec<u8>) {
        // What was touched and is zero again equals what was never touched.
        let counts = self.get().filter(|counts| !counts.is_zero());
        counts.is_some().pack(out);
        if let Some(counts) = counts {
            counts.pack(out);
        }
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Option::unpack(reader).map(Self)
    }
}

impl Tally {
    /// Time in which connectors were in service, ms: what the state times add up to.
    #[must_use]
    pub fn service_ms(&self) -> i64 {
        self.state_ms.iter().sum()
    }

    /// Time in one state, ms.
    #[must_use]
    pub fn in_state(&self, state: crate::state::State) -> i64 {
        self.state_ms[state.index()]
    }
}
