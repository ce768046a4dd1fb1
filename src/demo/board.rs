//! What a subscriber of the daemon's topics knows: the newest summaries, the alarms that stand, a short history. It is
//! told by messages alone, as any user would be; it must never ask the daemon, and never fail for a message.

use std::collections::{BTreeMap, VecDeque};

use chargetally_core::window::WindowKind;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::topic::{ID_BYTES_MAX, OutTopic, Root, ScopeName};

/// Minutes of history at most.
pub const HISTORY_MAX: usize = 240;
/// Alarms kept at most; more are counted only by the daemon.
const ALARMS_MAX: usize = 10_000;
/// Minutes whose tallies are kept one by one; older ones are added up, and no longer revised.
const MINUTES_MAX: usize = 6_000;

/// The integers of a summary that the comparison needs; they add up over windows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub struct Sums {
    pub import_j: i64,
    pub export_j: i64,
    pub state_ms: BTreeMap<String, i64>,
    pub sessions_attempted: i64,
    pub sessions_started: i64,
    pub sessions_completed: i64,
    pub sessions_failed: i64,
    pub alarms_raised: BTreeMap<String, i64>,
}

impl Sums {
    /// Adds another window's.
    pub fn add(&mut self, other: &Self) {
        self.import_j += other.import_j;
        self.export_j += other.export_j;
        self.sessions_attempted += other.sessions_attempted;
        self.sessions_started += other.sessions_started;
        self.sessions_completed += other.sessions_completed;
        self.sessions_failed += other.sessions_failed;
        for (sum, more) in [(&mut self.state_ms, &other.state_ms), (&mut self.alarms_raised, &other.alarms_raised)] {
            for (name, value) in more {
                *sum.entry(name.clone()).or_default() += value;
            }
        }
    }
}

/// A window of the nation as the comparison needs it.
#[derive(Debug, Clone)]
struct Closed {
    end_ms: i64,
    sums: Sums,
}

/// An alarm that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub struct OpenAlarm {
    pub since: String,
    pub level: String,
    pub class: String,
    pub origin: String,
    /// Operator, station and connector, with slashes.
    pub place: String,
}

/// The minutes of the nation.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Mean power to vehicles, kW.
    pub power_kw: VecDeque<u64>,
    /// Time utilisation, thousandths.
    pub utilisation_permille: VecDeque<u64>,
}

/// Everything known.
#[derive(Debug, Clone)]
pub struct Board {
    root: Root,
    nation: [Option<Value>; WindowKind::ALL.len()],
    provinces: [BTreeMap<u8, Value>; WindowKind::ALL.len()],
    /// By topic.
    alarms: BTreeMap<String, OpenAlarm>,
    /// The last minutes.
    pub history: History,
    history_end_ms: i64,
    minutes: BTreeMap<i64, Closed>,
    /// Minutes that are no longer kept one by one.
    older: Sums,
    days: BTreeMap<i64, Closed>,
    /// Whether the daemon says that it is there.
    pub online: bool,
    /// Messages taken.
    pub messages: u64,
    /// Messages of stations that the daemon says it has taken.
    pub heard: u64,
    /// Messages that could not be understood.
    pub refused: u64,
}

impl Board {
    /// Knows nothing yet; `root` is that of the daemon's topics.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self {
            root,
            nation: Default::default(),
            provinces: Default::default(),
            alarms: BTreeMap::new(),
            history: History::default(),
            history_end_ms: i64::MIN,
            minutes: BTreeMap::new(),
            older: Sums::default(),
            days: BTreeMap::new(),
            online: false,
            messages: 0,
            heard: 0,
            refused: 0,
        }
    }

    /// Takes a message of the daemon.
    pub fn take(&mut self, topic: &str, payload: &[u8]) {
        self.messages += 1;
        let root = self.root.clone();
        let understood = match root.parse_out(topic, ID_BYTES_MAX) {
            Ok(OutTopic::Summary { window, scope: ScopeName::Nation }) => self.take_nation(window, payload),
            Ok(OutTopic::Summary { window, scope: ScopeName::Province(code) }) => {
                let summary = serde_json::from_slice(payload).ok();
                summary.map(|summary| drop(self.provinces[window as usize].insert(code, summary)))
            }
            Ok(OutTopic::Alarm { .. }) => self.take_alarm(topic, payload),
            Ok(OutTopic::Status) => {
                self.online = payload == b"online";
                Some(())
            }
            Ok(OutTopic::Counters) => {
                let counters = serde_json::from_slice::<Value>(payload).ok();
                counters.and_then(|counters| counters["messages"].as_u64()).map(|messages| self.heard = messages)
            }
            Ok(OutTopic::Summary { .. } | OutTopic::Rejected) => Some(()),
            Err(_) => None,
        };
        self.refused += u64::from(understood.is_none());
    }

    fn take_nation(&mut self, window: WindowKind, payload: &[u8]) -> Option<()> {
        let summary: Value = serde_json::from_slice(payload).ok()?;
        let start_ms = time_ms(&summary["window"]["start"])?;
        let closed =
            Closed { end_ms: time_ms(&summary["window"]["end"])?, sums: Sums::deserialize(&summary["tally"]).ok()? };
        if window == WindowKind::Minute {
            self.remember(closed.end_ms, &summary);
            self.minutes.insert(start_ms, closed);
            if self.minutes.len() > MINUTES_MAX
                && let Some((_, oldest)) = self.minutes.pop_first()
            {
                self.older.add(&oldest.sums);
            }
        } else if window == WindowKind::Day {
            self.days.insert(start_ms, closed);
        }
        // A revision of an older window does not hide the newest one.
        let slot = &mut self.nation[window as usize];
        let newest_ms = slot.as_ref().and_then(|newest| time_ms(&newest["window"]["start"]));
        if newest_ms.is_none_or(|newest_ms| newest_ms <= start_ms) {
            *slot = Some(summary);
        }
        Some(())
    }

    fn remember(&mut self, end_ms: i64, summary: &Value) {
        if end_ms <= self.history_end_ms {
            return;
        }
        self.history_end_ms = end_ms;
        let energy_kwh = summary["efficiency"]["energy_import_kwh"].as_f64().unwrap_or(0.0);
        let utilisation = summary["efficiency"]["time_utilisation"].as_f64().unwrap_or(0.0);
        let History { power_kw, utilisation_permille } = &mut self.history;
        // A minute's kWh times 60 are its mean kW; negative or absurd values become the ends of the range.
        power_kw.push_back((energy_kwh * 60.0).round() as u64);
        utilisation_permille.push_back((utilisation * 1_000.0).round() as u64);
        for values in [power_kw, utilisation_permille] {
            while values.len() > HISTORY_MAX {
                values.pop_front();
            }
        }
    }

    fn take_alarm(&mut self, topic: &str, payload: &[u8]) -> Option<()> {
        if payload.is_empty() {
            self.alarms.remove(topic);
            return Some(());
        }
        let record: Value = serde_json::from_slice(payload).ok()?;
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        if record["state"] == "cleared" {
            self.alarms.remove(topic);
        } else if self.alarms.len() < ALARMS_MAX {
            let connector = record["connector"].as_str().map_or_else(String::new, |connector| format!("/{connector}"));
            let alarm = OpenAlarm {
                since: text("since"),
                level: text("level"),
                class: text("class"),
                origin: text("origin"),
                place: format!("{}/{}{connector}", text("operator"), text("station")),
            };
            self.alarms.insert(topic.to_owned(), alarm);
        }
        Some(())
    }

    /// The nation's newest summary of a window.
    #[must_use]
    pub fn nation(&self, window: WindowKind) -> Option<&Value> {
        self.nation[window as usize].as_ref()
    }

    /// The newest summaries of a window by province, the most imported energy first.
    #[must_use]
    pub fn provinces(&self, window: WindowKind) -> Vec<&Value> {
        let mut found: Vec<&Value> = self.provinces[window as usize].values().collect();
        found.sort_by_key(|summary| std::cmp::Reverse(summary["tally"]["import_j"].as_i64().unwrap_or(0)));
        found
    }

    /// The alarms that stand, the newest first.
    #[must_use]
    pub fn alarms(&self) -> Vec<&OpenAlarm> {
        let mut found: Vec<&OpenAlarm> = self.alarms.values().collect();
        found.sort_by(|one, other| (&other.since, &one.place).cmp(&(&one.since, &other.place)));
        found
    }

    /// What the days that lie within the span add up to, where they cover it to its end.
    #[must_use]
    pub fn by_days(&self, start_ms: i64, end_ms: i64) -> Option<Sums> {
        let within = || self.days.range(..end_ms).map(|(_, day)| day).filter(|day| day.end_ms > start_ms);
        within().any(|day| day.end_ms == end_ms).then(|| {
            let mut sums = Sums::default();
            within().for_each(|day| sums.add(&day.sums));
            sums
        })
    }

    /// What all closed minutes add up to as far as their revisions were seen, and the end of the last one, ms.
    #[must_use]
    pub fn by_minutes(&self) -> Option<(Sums, i64)> {
        let end_ms = self.minutes.values().next_back()?.end_ms;
        let mut sums = self.older.clone();
        self.minutes.values().for_each(|minute| sums.add(&minute.sums));
        Some((sums, end_ms))
    }
}

fn time_ms(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}
