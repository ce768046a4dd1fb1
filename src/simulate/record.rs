//! Messages as lines of a recording, in the form that `mosquitto_sub -F '%J'` prints: its own time stamp (local time with
//! microseconds, `Z` and the zone), topic, qos, retain, length, and the payload as JSON, or as a string where it is none.

use super::fleet::SimMessage;
use super::text::{Times, int, padded};

/// Writes recordings.
#[derive(Debug, Clone)]
pub struct Recorder {
    times: Times,
    retained_until_ms: i64,
}

impl Recorder {
    /// A recorder in the zone `zone_offset_ms` east of UTC (whole minutes). Retained messages that arrive up to
    /// `retained_until_ms` are marked so, like those that a subscriber gets when it comes; later ones are live, and a
    /// broker passes live ones on unmarked.
    pub fn new(zone_offset_ms: i32, retained_until_ms: i64) -> Self {
        Self { times: Times::new(zone_offset_ms), retained_until_ms }
    }

    /// Appends one line, with its line feed.
    pub fn line(&mut self, out: &mut Vec<u8>, message: &SimMessage) {
        out.extend_from_slice(b"{\"tst\":\"");
        self.times.local(out, message.arrival_ms, false);
        out.extend_from_slice(b"000Z");
        let zone = self.times.zone();
        out.extend_from_slice(&[zone[0], zone[1], zone[2], zone[4], zone[5]]);
        out.extend_from_slice(b"\",\"topic\":");
        string(out, &message.topic);
        out.extend_from_slice(b",\"qos\":");
        int(out, i64::from(message.qos));
        let retained = message.retain && message.arrival_ms <= self.retained_until_ms;
        out.extend_from_slice(if retained { b",\"retain\":1" } else { b",\"retain\":0" });
        out.extend_from_slice(b",\"payloadlen\":");
        int(out, i64::try_from(message.payload.len()).unwrap_or(i64::MAX));
        out.extend_from_slice(b",\"payload\":");
        if message.json {
            out.extend_from_slice(&message.payload);
        } else {
            string(out, &String::from_utf8_lossy(&message.payload));
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Appends a JSON string.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => {
                out.extend_from_slice(b"\\u00");
                padded(out, u64::from(byte >> 4), 1);
                out.push(b"0123456789abcdef"[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &SimMessage) -> String {
        let mut out = Vec::new();
        Recorder::new(8 * 3_600_000, 1_767_196_800_000).line(&mut out, message);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn a_json_payload_stands_as_it_is() {
        let message = SimMessage {
            arrival_ms: 1_767_196_800_123,
            topic: "ev/v1/11/SIM000001/S1/01/telemetry".to_owned(),
            payload: b"{\"ts\":1}".to_vec(),
            qos: 0,
            retain: false,
            json: true,
        };
        let want = "{\"tst\":\"2026-01-01T00:00:00.123000Z+0800\",\"topic\":\"ev/v1/11/SIM000001/S1/01/telemetry\",\
                    \"qos\":0,\"retain\":0,\"payloadlen\":8,\"payload\":{\"ts\":1}}\n";
        assert_eq!(line(&message), want);
    }

    #[test]
    fn other_payloads_are_strings_and_only_early_retained_ones_are_marked() {
        let mut message = SimMessage {
            arrival_ms: 1_767_196_800_000,
            topic: "t".to_owned(),
            payload: b"{\"a\\\n".to_vec(),
            qos: 1,
            retain: true,
            json: false,
        };
        let value: serde_json::Value = serde_json::from_str(&line(&message)).unwrap_or_default();
        assert_eq!((value["payload"].as_str(), value["retain"].as_i64()), (Some("{\"a\\\n"), Some(1)));
        message.arrival_ms += 1;
        let value: serde_json::Value = serde_json::from_str(&line(&message)).unwrap_or_default();
        assert_eq!(value["retain"].as_i64(), Some(0));
    }
}
