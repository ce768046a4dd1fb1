//! The smaller records that go out: an alarm, a sample of refused input, the counters, the daemon's own status. They are written at
//! once, one message each, and hold no more of a foreign payload than a named limit.

use std::collections::BTreeMap;

use chargetally_core::alarm::{AlarmClass, Level};
use chargetally_core::time::{ArrivalTime, EventTime};
use chargetally_core::window::Calendar;
use serde::{Serialize, Serializer};

use super::stamp::Stamp;
use crate::engine::Stats;

/// The alarm record's name and version.
pub const ALARM_SCHEMA: &str = "chargetally.alarm/1";
/// The rejected record's name and version.
pub const REJECTED_SCHEMA: &str = "chargetally.rejected/1";
/// The counters record's name and version.
pub const COUNTERS_SCHEMA: &str = "chargetally.counters/1";

/// How much of a refused payload is shown, bytes.
pub const REJECTED_PAYLOAD_BYTES_MAX: usize = 512;

/// Whether an alarm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum AlarmState {
    Raised,
    Cleared,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The station itself.
    Given,
    /// This daemon, from the station's telemetry.
    Derived,
}

/// What there is to say about one alarm.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Alarm<'a> {
    pub class: AlarmClass,
    pub level: Level,
    /// When it was raised.
    pub since: EventTime,
    /// When it ended, where it has.
    pub cleared_at: Option<EventTime>,
    pub origin: Origin,
    /// What was measured, and the bound that it passed.
    pub value: Option<f64>,
    pub threshold: Option<f64>,
    /// The sender's own code and words.
    pub code: Option<&'a str>,
    pub note: Option<&'a str>,
    /// 2-digit code; 0 where the station was never registered.
    pub province: u8,
    pub operator: &'a str,
    pub station: &'a str,
    /// None where it is of the station as a whole.
    pub connector: Option<&'a str>,
    /// When what is said here became true: raised, or cleared.
    pub at: EventTime,
}

/// An alarm as it goes over the wire.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AlarmRecord<'a> {
    schema: &'static str,
    ts: Stamp<'a>,
    #[serde(serialize_with = "class_name")]
    class: AlarmClass,
    #[serde(serialize_with = "level_name")]
    level: Level,
    source: &'static str,
    state: AlarmState,
    since: Stamp<'a>,
    cleared_at: Option<Stamp<'a>>,
    origin: Origin,
    value: Option<f64>,
    threshold: Option<f64>,
    code: Option<&'a str>,
    note: Option<&'a str>,
    province: Province,
    operator: &'a str,
    station: &'a str,
    connector: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
struct Province(u8);

impl Serialize for Province {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 0 {
            serializer.serialize_str("unknown")
        } else {
            serializer.collect_str(&format_args!("{:02}", self.0))
        }
    }
}

fn class_name<S: Serializer>(class: &AlarmClass, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(class.name())
}

fn level_name<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.name())
}

impl<'a> AlarmRecord<'a> {
    /// The record of an alarm, with times in this zone.
    #[must_use]
    pub fn new(alarm: &Alarm<'a>, calendar: &'a Calendar) -> Self {
        let stamp = |at: EventTime| Stamp { at_ms: at.ms(), calendar };
        Self {
            schema: ALARM_SCHEMA,
            ts: stamp(alarm.at),
            class: alarm.class,
            level: alarm.level,
            source: alarm.class.source().name(),
            state: if alarm.cleared_at.is_some() { AlarmState::Cleared } else { AlarmState::Raised },
            since: stamp(alarm.since),
            cleared_at: alarm.cleared_at.map(stamp),
            origin: alarm.origin,
            value: alarm.value.filter(|value| value.is_finite()),
            threshold: alarm.threshold.filter(|value| value.is_finite()),
            code: alarm.code,
            note: alarm.note,
            province: Province(alarm.province),
            operator: alarm.operator,
            station: alarm.station,
            connector: alarm.connector,
        }
    }
}

/// A sample of refused input as it goes over the wire.
#[derive(Clone, Debug, Serialize)]
pub struct RejectedRecord<'a> {
    schema: &'static str,
    ts: Stamp<'a>,
    reason: &'a str,
    topic: &'a str,
    payload: String,
    payload_bytes: usize,
    truncated: bool,
    count: u64,
}

impl<'a> RejectedRecord<'a> {
    /// The record of a message refused at `at`, standing for `count` refused for this reason since the last one.
    ///
    /// Bytes that are no text are replaced; more than [`REJECTED_PAYLOAD_BYTES_MAX`] are cut.
    #[must_use]
    pub fn new(
        at: ArrivalTime,
        calendar: &'a Calendar,
        reason: &'a str,
        topic: &'a str,
        payload: &[u8],
        count: u64,
    ) -> Self {
        let mut shown = &payload[..payload.len().min(REJECTED_PAYLOAD_BYTES_MAX)];
        let truncated = shown.len() < payload.len();
        if truncated {
            // A character that the limit cuts in two is left out rather than replaced.
            if let Err(error) = std::str::from_utf8(shown)
                && error.error_len().is_none()
            {
                shown = &shown[..error.valid_up_to()];
            }
        }
        Self {
            schema: REJECTED_SCHEMA,
            ts: Stamp { at_ms: at.ms(), calendar },
            reason,
            topic,
            payload: String::from_utf8_lossy(shown).into_owned(),
            payload_bytes: payload.len(),
            truncated,
            count,
        }
    }
}

impl RejectedRecord<'_> {
    /// Says that the payload given was only the beginning of one of so many bytes.
    #[must_use]
    pub fn cut_from(self, payload_bytes: usize) -> Self {
        Self { truncated: self.truncated || payload_bytes > self.payload_bytes, payload_bytes, ..self }
    }
}

/// The daemon's counters since its start, as they go over the wire: what became of all input, and what was said.
#[derive(Clone, Debug, Serialize)]
pub struct CountersRecord<'a> {
    schema: &'static str,
    ts: Stamp<'a>,
    messages: u64,
    foreign: u64,
    accepted: u64,
    duplicate: u64,
    late: u64,
    future: u64,
    out_of_order: u64,
    decommissioned: u64,
    /// Messages refused, by reason; reasons that never occurred are left out.
    rejected: BTreeMap<&'static str, u64>,
    /// Observations refused because a limit of the settings was reached, by limit.
    limits_reached: BTreeMap<&'static str, u64>,
    alarms_refused: u64,
    unsent: usize,
}

impl<'a> CountersRecord<'a> {
    /// The record of what stands at a point in time. `foreign` are messages whose topic belongs to no source, `unsent`
    /// what waits for the broker.
    #[must_use]
    pub fn new(at: ArrivalTime, calendar: &'a Calendar, stats: &Stats, foreign: u64, unsent: usize) -> Self {
        Self {
            schema: COUNTERS_SCHEMA,
            ts: Stamp { at_ms: at.ms(), calendar },
            messages: stats.messages,
            foreign,
            accepted: stats.accepted,
            duplicate: stats.duplicate,
            late: stats.late,
            future: stats.future,
            out_of_order: stats.out_of_order,
            decommissioned: stats.decommissioned,
            rejected: stats.reject_reasons().collect(),
            limits_reached: stats.limits_reached().collect(),
            alarms_refused: stats.alarms_refused,
            unsent,
        }
    }
}

/// The daemon's own status: the whole payload, as its last will leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum DaemonStatus {
    Online,
    Offline,
}

impl DaemonStatus {
    /// The payload, plain text.
    #[must_use]
    pub const fn payload(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_says_when_it_ended_only_once_it_has() {
        let calendar = Calendar::fixed(8 * 3_600_000);
        let mut alarm = Alarm {
            class: AlarmClass::Insulation,
            level: Level::Personal,
            since: EventTime::from_ms(1_767_196_800_000),
            cleared_at: None,
            origin: Origin::Derived,
            value: Some(90.0),
            threshold: Some(100.0),
            code: None,
            note: None,
            province: 5,
            operator: "OP",
            station: "S1",
            connector: Some("C1"),
            at: EventTime::from_ms(1_767_196_800_000),
        };
        let raised = serde_json::to_value(AlarmRecord::new(&alarm, &calendar)).unwrap();
        assert_eq!(raised["state"], "raised");
        assert_eq!(raised["province"], "05");
        assert_eq!(raised["source"], "charger");
        assert_eq!(raised["cleared_at"], serde_json::Value::Null);
        alarm.cleared_at = Some(EventTime::from_ms(1_767_196_860_000));
        let cleared = serde_json::to_value(AlarmRecord::new(&alarm, &calendar)).unwrap();
        assert_eq!(cleared["state"], "cleared");
        assert_eq!(cleared["cleared_at"], "2026-01-01T00:01:00+08:00");
    }

    #[test]
    fn a_long_payload_is_cut_between_characters() {
        let calendar = Calendar::fixed(0);
        let payload = "充".repeat(300);
        let record = RejectedRecord::new(ArrivalTime::from_ms(0), &calendar, "not_json", "t", payload.as_bytes(), 7);
        assert_eq!(record.payload, "充".repeat(170));
        assert!(record.truncated);
        assert_eq!(record.payload_bytes, 900);
        let short = RejectedRecord::new(ArrivalTime::from_ms(0), &calendar, "not_json", "t", b"\xff{", 1);
        assert_eq!(short.payload, "\u{fffd}{");
        assert!(!short.truncated);
    }
}
