//! The reference program against cases that were worked out by hand. If it is wrong, everything that is held
//! against it is worth nothing.

mod booking;
mod energy;
mod generated;
#[path = "../reference/mod.rs"]
mod reference;
mod timeline;

use reference::figures::{Figures, STATES};
use reference::generate::{Knobs, generate};
use reference::vector::line;
use reference::{Key, Options, compare, replay, vector};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// 2026-03-31 10:00 in Asia/Shanghai.
const T0_MS: i64 = 1_774_922_400_000;
const S: i64 = 1_000;
const MIN: i64 = 60_000;
const STATION: &str = "ev/v1/53/op/st";

/// A message that arrives when it happens.
fn telemetry(at_ms: i64, fields: Value) -> String {
    arriving(at_ms, at_ms, fields)
}

/// A sample of connector c1, at `at_ms` after `T0_MS`, that arrives at `arrival_ms` after it.
fn arriving(arrival_ms: i64, at_ms: i64, mut fields: Value) -> String {
    fields["ts"] = json!(T0_MS + at_ms);
    line(Some(T0_MS + arrival_ms), &format!("{STATION}/c1/telemetry"), false, fields)
}

fn charging(at_ms: i64) -> String {
    telemetry(at_ms, json!({ "status": "charging" }))
}

fn session(at_ms: i64, fields: Value) -> String {
    let mut fields = fields;
    fields["ts"] = json!(T0_MS + at_ms);
    line(Some(T0_MS + at_ms), &format!("{STATION}/c1/session"), false, fields)
}

/// A registration of the connectors, each of its own equipment of 60 kW.
fn info(arrival_ms: i64, ts_ms: i64, connectors: &[&str]) -> String {
    rated_info(arrival_ms, ts_ms, connectors, 60)
}

fn rated_info(arrival_ms: i64, ts_ms: i64, connectors: &[&str], rated_kw: i64) -> String {
    let equipment =
        |id: &&str| json!({ "id": id, "rated_kw": rated_kw, "connectors": [{ "id": id, "current": "dc" }] });
    let equipment: Vec<Value> = connectors.iter().map(equipment).collect();
    let payload = json!({
        "ts": T0_MS + ts_ms, "area": "530102101", "access": "public", "scene": "roadside", "equipment": equipment,
    });
    line(Some(T0_MS + arrival_ms), &format!("{STATION}/info"), true, payload)
}

fn status(arrival_ms: i64, retain: bool, word: &str) -> String {
    line(Some(T0_MS + arrival_ms), &format!("{STATION}/status"), retain, json!(word))
}

/// Figures by window name, start in ms after `T0_MS` and scope.
struct Result(BTreeMap<Key, Figures>);

fn run(lines: &[String]) -> Result {
    Result(replay(&lines.join("\n"), &Options::default()))
}

impl Result {
    fn find(&self, window: &str, at_ms: i64, scope: &str) -> Option<&Figures> {
        self.0.get(&(window.to_owned(), T0_MS + at_ms, scope.to_owned()))
    }

    fn check_at(&self, window: &str, at_ms: i64, scope: &str, expected: &[(&str, i128)]) {
        let figures = self.find(window, at_ms, scope).unwrap_or_else(|| panic!("no {window} {at_ms} {scope}"));
        for (name, expected) in expected {
            assert_eq!(figures.get(name), *expected, "{name} in {window} {at_ms} {scope}: {:?}", figures.counts);
        }
    }

    /// The station's hour from 10:00.
    fn check_hour(&self, expected: &[(&str, i128)]) {
        self.check_at("1h", 0, "station/op/st", expected);
    }

    /// One minute of the station.
    fn check_minute(&self, at_ms: i64, expected: &[(&str, i128)]) {
        self.check_at("1m", at_ms, "station/op/st", expected);
    }
}
