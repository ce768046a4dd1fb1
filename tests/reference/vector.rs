//! Recordings whose figures are known beforehand, written line by line. They must hold no chance.

use super::MINUTE_MS;
use serde_json::{Value, json};

/// A line of a recording; without `tst` where no arrival time is given.
pub fn line(arrival_ms: Option<i64>, topic: &str, retain: bool, payload: impl Into<Value>) -> String {
    let mut record = json!({ "topic": topic, "qos": 1, "retain": i32::from(retain), "payload": payload.into() });
    if let Some(arrival_ms) = arrival_ms {
        record["tst"] = json!(rfc3339(arrival_ms));
    }
    record.to_string()
}

/// UTC, with ms where there are any.
pub fn rfc3339(time_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(time_ms).expect("a time of this age").to_string()
}

/// A minute of the state that the day's timeline has at this minute of the day.
fn state_of_day(minute: i64) -> &'static str {
    match minute {
        480..540 | 630..660 => "occupied",
        540..630 => "charging",
        660..720 => "offline",
        720..780 => "faulted",
        _ => "available",
    }
}

/// The day of domain.md, section 10: 0-8 idle, 8-9 occupied, 9-10.5 charging, 10.5-11 occupied, 11-12 offline,
/// 12-13 faulted, 13-24 idle; one 60 kW connector in county 530102, 45 kWh by register. A sample a minute; the
/// offline hour is told by the last will. `midnight_ms` is the local midnight that it begins at.
pub fn day(midnight_ms: i64) -> String {
    let station = "ev/v1/53/op/st";
    let mut lines = vec![line(
        Some(midnight_ms),
        &format!("{station}/info"),
        true,
        json!({
            "ts": midnight_ms - 86_400_000, "name": "day", "area": "530102001", "access": "public", "scene": "roadside",
            "equipment": [{ "id": "e1", "rated_kw": 60, "connectors": [{ "id": "c1", "current": "dc" }] }],
        }),
    )];
    for minute in 0..1_440 {
        let ts_ms = midnight_ms + minute * MINUTE_MS;
        let state = state_of_day(minute);
        if state == "offline" {
            if minute == 660 {
                lines.push(line(Some(ts_ms), &format!("{station}/status"), false, json!("offline")));
            }
            continue;
        }
        let delivered_min = (minute - 540).clamp(0, 90);
        let sample = json!({
            "ts": ts_ms, "status": state, "power_kw": if state == "charging" { 30.0 } else { 0.0 },
            "import_kwh": 1_000.0 + 0.5 * delivered_min as f64,
        });
        lines.push(line(Some(ts_ms), &format!("{station}/c1/telemetry"), false, sample));
    }
    lines.join("\n") + "\n"
}
