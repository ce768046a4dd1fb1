//! What the alarm book says: changes to publish at once, and whom an alarm belongs to. The daemon gives these out; it
//! decides nothing about them.

use crate::alarm::{AlarmClass, Level};
use crate::scope::StationIndex;
use crate::tally::EventCounts;
use crate::time::EventTime;

/// What an alarm is about and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AlarmKey {
    pub station: StationIndex,
    /// The connector's dense index, or the station as a whole.
    pub connector: Option<u32>,
    pub class: AlarmClass,
}

/// Who says that an alarm stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origins {
    /// The station itself.
    pub given: bool,
    /// This daemon, from telemetry.
    pub derived: bool,
}

/// A change of an open alarm, for publication at once.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmChange {
    /// Which alarm.
    pub key: AlarmKey,
    /// Its level now: the gravest of its origins; where it ended, the last one.
    pub level: Level,
    /// Who says that it stands; where it ended, who said so last.
    pub origins: Origins,
    /// Whether it stands now.
    pub raised: bool,
    /// Whether it ended without anybody saying so: no news for too long, or its connector was taken out of service.
    pub lapsed: bool,
    /// When it was raised.
    pub since: EventTime,
    /// The event time of this change.
    pub at: EventTime,
    /// The value last told; for derived alarms in °C, °C/min, V, %, A, min, ohm/V or kW.
    pub value: Option<f64>,
    /// The limit that it passed, for derived alarms, in the same unit.
    pub threshold: Option<f64>,
    /// The sender's own code.
    pub code: Option<Box<str>>,
    /// The sender's own words.
    pub note: Option<Box<str>>,
}

/// Who takes what the alarm book says.
pub trait AlarmSink {
    /// To be given out at once.
    fn publish(&mut self, change: AlarmChange);

    /// `add` is to be applied to the counts of the base bucket that holds `at`, wherever the alarm's connector, or its
    /// station, counts.
    fn count(&mut self, key: AlarmKey, at: EventTime, add: &dyn Fn(&mut EventCounts));
}
