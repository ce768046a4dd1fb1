//! The figures of one window and scope, under the wire's own names. They must hold integers only.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The nine states.
pub const STATES: [&str; 9] =
    ["charging", "discharging", "occupied", "reserved", "available", "faulted", "unavailable", "offline", "unobserved"];
/// The levels of alarms.
pub const ALARM_LEVELS: [&str; 3] = ["personal", "equipment", "notice"];
/// The plain integers of `tally`.
pub const PLAIN: [&str; 19] = [
    "connectors",
    "import_j",
    "export_j",
    "charging_import_j",
    "rated_w",
    "rated_j",
    "sessions_attempted",
    "sessions_started",
    "sessions_completed",
    "sessions_failed",
    "alarms_cleared",
    "accepted",
    "duplicate",
    "late",
    "future",
    "out_of_order",
    "rejected",
    "meter_reset",
    "meter_jump",
];

/// The states' and the alarm levels' integers, as they are named here.
const GROUPED: [&str; 12] = [
    "state_ms.charging",
    "state_ms.discharging",
    "state_ms.occupied",
    "state_ms.reserved",
    "state_ms.available",
    "state_ms.faulted",
    "state_ms.unavailable",
    "state_ms.offline",
    "state_ms.unobserved",
    "alarms_raised.personal",
    "alarms_raised.equipment",
    "alarms_raised.notice",
];

/// One window's and scope's integers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// By name; states as `state_ms.charging`, levels of alarms as `alarms_raised.personal`; what is absent is 0.
    pub counts: BTreeMap<&'static str, i128>,
    /// Import of the greatest base bucket, J.
    pub power_peak_j: i128,
    /// Start of the first such base bucket, ms since the epoch; nothing where no energy was imported.
    pub power_peak_at_ms: Option<i64>,
    /// At nation and province: the same by `(breakdown, value)`.
    pub by: BTreeMap<(String, String), Figures>,
}

impl Figures {
    /// One integer by its name.
    pub fn get(&self, name: &str) -> i128 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Adds to one integer. A name that is none of those above is a mistake in this program.
    pub fn book(&mut self, name: &str, amount: i128) {
        let known = PLAIN.into_iter().chain(GROUPED).find(|known| *known == name).expect("a name of the tally");
        if amount != 0 {
            *self.counts.entry(known).or_insert(0) += amount;
        }
    }

    /// Adds all integers of another.
    pub fn add(&mut self, other: &Self) {
        for (name, amount) in &other.counts {
            *self.counts.entry(name).or_insert(0) += amount;
        }
    }

    /// The sum of the times of all states, ms.
    pub fn connector_time_ms(&self) -> i128 {
        self.counts.iter().filter(|(name, _)| name.starts_with("state_ms.")).map(|(_, time_ms)| time_ms).sum()
    }

    /// The wire's `tally`.
    pub fn to_json(&self) -> Value {
        let mut tally = Map::new();
        for name in PLAIN {
            tally.insert(name.to_owned(), integer(self.get(name)));
        }
        tally.insert("state_ms".to_owned(), self.group("state_ms", &STATES));
        tally.insert("alarms_raised".to_owned(), self.group("alarms_raised", &ALARM_LEVELS));
        Value::Object(tally)
    }

    fn group(&self, group: &str, names: &[&str]) -> Value {
        names.iter().map(|name| ((*name).to_owned(), integer(self.get(&format!("{group}.{name}"))))).collect()
    }
}

fn integer(amount: i128) -> Value {
    i64::try_from(amount).map_or_else(|_| json!(amount.to_string()), |amount| json!(amount))
}
