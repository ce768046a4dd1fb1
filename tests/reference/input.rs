//! Reading a recording: one line to one message, with its arrival time where the line has one. It must not judge
//! order or time; that is the ledger's business.

use super::payload::{self, AlarmEvent, Registration, SessionEvent, Telemetry};
use serde_json::Value;

/// Whom a topic names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `(operator, station)`.
    Station(String, String),
    /// `(operator, station, connector)`.
    Connector(String, String, String),
    /// No topic of the native dialect.
    Elsewhere,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// One or several samples, in the payload's order.
    Telemetry(Vec<Telemetry>),
    /// A step in the life of a session.
    Session(SessionEvent),
    /// An alarm given by the station.
    Alarm(AlarmEvent),
    /// A registration.
    Info(Registration),
    /// The retained registration was taken back (empty payload).
    InfoCleared,
    /// The station's last will.
    Offline,
    /// The station is there again.
    Online,
    /// Nothing that can be read.
    Unreadable,
}

/// One line of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// `tst`, or else the message's own event time, ms since the epoch; nothing where neither is known.
    pub arrival_ms: Option<i64>,
    /// Whom it is about.
    pub place: Place,
    /// Whether the broker had kept it.
    pub retain: bool,
    /// What it says.
    pub body: Body,
}

/// Reads one line of a recording; nothing where the line itself is no record of a message.
pub fn read_line(line: &str, root: &str) -> Option<Message> {
    let record: Value = serde_json::from_str(line).ok()?;
    let topic = record.get("topic")?.as_str()?;
    let retain = match record.get("retain") {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_i64() == Some(1),
        _ => false,
    };
    let (place, leaf) = read_topic(topic, root);
    let body = match record.get("payload") {
        Some(json @ (Value::Object(_) | Value::Array(_))) => read_json(leaf, json),
        _ => read_text(leaf, payload_text(&record).as_deref()),
    };
    let arrival_ms = record.get("tst").and_then(payload::time_ms).or_else(|| own_time_ms(&body));
    Some(Message { arrival_ms, place, retain, body })
}

/// The event time that stands in for the arrival time: the newest one, where the message has several.
fn own_time_ms(body: &Body) -> Option<i64> {
    match body {
        Body::Telemetry(samples) => samples.iter().map(|sample| sample.ts_ms).max(),
        Body::Session(event) => Some(event.ts_ms),
        Body::Alarm(event) => Some(event.ts_ms),
        Body::Info(registration) => registration.ts_ms,
        Body::InfoCleared | Body::Offline | Body::Online | Body::Unreadable => None,
    }
}

fn read_topic<'a>(topic: &'a str, root: &str) -> (Place, &'a str) {
    let Some(rest) = topic.strip_prefix(root).and_then(|rest| rest.strip_prefix('/')) else {
        return (Place::Elsewhere, "");
    };
    let parts: Vec<&str> = rest.split('/').collect();
    match parts[..] {
        [_, operator, station, leaf @ ("info" | "status" | "alarm")] => {
            (Place::Station(operator.to_owned(), station.to_owned()), leaf)
        }
        [_, operator, station, connector, leaf @ ("telemetry" | "session" | "alarm")] => {
            (Place::Connector(operator.to_owned(), station.to_owned(), connector.to_owned()), leaf)
        }
        _ => (Place::Elsewhere, ""),
    }
}

/// The payload as the text that was on the wire; nothing where it is not text at all.
fn payload_text(record: &Value) -> Option<String> {
    if let Some(Value::String(encoded)) = record.get("payload_base64") {
        return String::from_utf8(base64(encoded)?).ok();
    }
    match record.get("payload") {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(((bits >> count) & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// A payload that came as text (`None`: as bytes that are no text).
fn read_text(leaf: &str, text: Option<&str>) -> Body {
    match (leaf, text) {
        ("status", Some("offline")) => Body::Offline,
        ("status", Some("online")) => Body::Online,
        ("info", Some("")) => Body::InfoCleared,
        (_, Some(text)) => serde_json::from_str::<Value>(text).map_or(Body::Unreadable, |json| read_json(leaf, &json)),
        (_, None) => Body::Unreadable,
    }
}

fn read_json(leaf: &str, json: &Value) -> Body {
    let body = match leaf {
        "telemetry" => payload::telemetry(json).map(Body::Telemetry),
        "session" => payload::session(json).map(Body::Session),
        "alarm" => payload::alarm(json).map(Body::Alarm),
        "info" => payload::registration(json).map(Body::Info),
        _ => None,
    };
    body.unwrap_or(Body::Unreadable)
}
