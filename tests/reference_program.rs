//! The reference program against cases that were worked out by hand. If it is wrong, everything that is held
//! against it is worth nothing.

mod reference;

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

#[test]
fn a_sample_speaks_for_no_longer_than_hold() {
    let exact = run(&[charging(0), charging(3 * MIN)]);
    exact.check_hour(&[("state_ms.charging", 4 * 60_000), ("state_ms.unobserved", 0), ("accepted", 2)]);
    let beyond = run(&[charging(0), charging(3 * MIN + 1)]);
    // The recording ends with minute 3, and the second sample begins 1 ms into it.
    beyond.check_hour(&[("state_ms.charging", 239_999), ("state_ms.unobserved", 1)]);
    beyond.check_minute(3 * MIN, &[("state_ms.charging", 59_999), ("state_ms.unobserved", 1), ("accepted", 1)]);
    assert!(beyond.find("1m", 4 * MIN, "nation").is_none());
}

#[test]
fn states_follow_status_and_power() {
    let samples = [
        (json!({ "status": "charging", "power_kw": -0.001 }), "discharging"),
        (json!({ "status": "reserved", "power_kw": 9 }), "reserved"),
        (json!({ "power_kw": 0.0505 }), "charging"),
        (json!({ "power_kw": 0.05 }), "available"),
        (json!({ "power_kw": -0.0504 }), "available"),
        (json!({ "power_kw": -0.0505 }), "discharging"),
        (json!({ "status": null }), "available"),
    ];
    let lines: Vec<String> = samples
        .iter()
        .enumerate()
        .map(|(minute, (sample, _))| telemetry(minute as i64 * MIN, sample.clone()))
        .collect();
    let result = run(&lines);
    for (minute, (_, state)) in samples.iter().enumerate() {
        result.check_minute(minute as i64 * MIN, &[(&format!("state_ms.{state}"), 60_000)]);
    }
}

#[test]
fn register_energy_is_split_at_the_minute_and_the_last_piece_takes_the_rest() {
    let result = run(&[
        telemetry(30 * S, json!({ "status": "charging", "import_kwh": 5.0, "export_kwh": 1.0 })),
        telemetry(91 * S, json!({ "status": "available", "import_kwh": 5.01, "export_kwh": 1.0 })),
    ]);
    // 36 000 J over 61 s, 30 s of them in the first minute: trunc(17 704.9).
    result.check_minute(0, &[("import_j", 17_704), ("charging_import_j", 17_704), ("connectors", 1)]);
    result.check_minute(MIN, &[("import_j", 18_296), ("charging_import_j", 18_296), ("export_j", 0)]);
    let hour = result.find("1h", 0, "nation").expect("the hour");
    assert_eq!((hour.power_peak_j, hour.power_peak_at_ms), (18_296, Some(T0_MS + MIN)));
}

#[test]
fn register_energy_crosses_a_gap_but_does_not_count_as_charging_there() {
    let result = run(&[
        telemetry(0, json!({ "status": "charging", "import_kwh": 5.0 })),
        telemetry(2 * MIN, json!({ "status": "charging" })),
        telemetry(10 * MIN, json!({ "status": "charging", "import_kwh": 6.0 })),
    ]);
    result.check_hour(&[("import_j", 3_600_000), ("charging_import_j", 0), ("state_ms.unobserved", 5 * 60_000)]);
    result.check_minute(9 * MIN, &[("import_j", 360_000), ("state_ms.unobserved", 60_000)]);
}

#[test]
fn mean_power_counts_up_to_hold_and_by_its_sign() {
    let result = run(&[
        telemetry(0, json!({ "power_kw": 7.0 })),
        telemetry(3 * MIN, json!({ "power_kw": 8.001 })),
        telemetry(6 * MIN + 1, json!({ "power_kw": 8.0 })),
        telemetry(7 * MIN + 1, json!({ "power_kw": -9.0 })),
        telemetry(7 * MIN + 4, json!({ "power_kw": -9.001 })),
    ]);
    // (7 000 + 8 001) x 180 000 / 2 000; nothing over hold + 1; (8 000 - 9 000) x 60 000 / 2 000 out;
    // trunc(18 001 x 3 / 2 000) = 27 out.
    result.check_hour(&[("import_j", 1_350_090), ("charging_import_j", 1_350_090), ("export_j", 30_000 + 27)]);
    // A third of it in each minute; the export begins 1 ms into minute 6 and its last ms lies in minute 7:
    // trunc(30 000 x 59 999 / 60 000) = 29 999.
    result.check_minute(0, &[("import_j", 450_030)]);
    result.check_minute(6 * MIN, &[("export_j", 29_999)]);
    result.check_minute(7 * MIN, &[("export_j", 1 + 27)]);
}

#[test]
fn the_first_register_reading_ends_energy_by_power() {
    let result = run(&[
        telemetry(0, json!({ "power_kw": 6.0 })),
        telemetry(MIN, json!({ "power_kw": 6.0 })),
        telemetry(2 * MIN, json!({ "power_kw": 6.0, "import_kwh": 1.0 })),
        telemetry(3 * MIN, json!({ "power_kw": 6.0 })),
        telemetry(4 * MIN, json!({ "power_kw": 6.0, "import_kwh": 1.1 })),
    ]);
    result.check_minute(0, &[("import_j", 360_000)]);
    result.check_minute(MIN, &[("import_j", 0)]);
    result.check_minute(2 * MIN, &[("import_j", 180_000)]);
    result.check_hour(&[("import_j", 360_000 + 360_000)]);
}

#[test]
fn a_register_that_goes_down_goes_by_power_and_one_that_jumps_delivers_nothing() {
    let reset = run(&[
        telemetry(0, json!({ "status": "charging", "power_kw": 6.0, "import_kwh": 9.0 })),
        telemetry(MIN, json!({ "status": "charging", "power_kw": 12.0, "import_kwh": 0.0 })),
        telemetry(2 * MIN, json!({ "status": "charging", "import_kwh": 0.1 })),
        telemetry(3 * MIN, json!({ "status": "charging", "power_kw": 6.0, "import_kwh": 0.0 })),
    ]);
    // 9 kW for a minute; 0.1 kWh; nothing, for the third had no power.
    reset.check_hour(&[("import_j", 540_000 + 360_000), ("meter_reset", 2), ("charging_import_j", 900_000)]);
    reset.check_minute(MIN, &[("meter_reset", 1)]);
    // 60 kW x 1.2 x 60 s + 0.1 kWh = 4 680 000 J = 1.3 kWh.
    let edge = |kwh: f64| {
        run(&[
            info(0, 0, &["c1"]),
            telemetry(0, json!({ "import_kwh": 0.0 })),
            telemetry(MIN, json!({ "import_kwh": kwh })),
        ])
    };
    edge(1.3).check_hour(&[("import_j", 4_680_000), ("meter_jump", 0)]);
    edge(1.300001).check_hour(&[("import_j", 0), ("meter_jump", 1)]);
}

#[test]
fn without_a_rating_a_megawatt_stands_in() {
    // 1 MW x 1.2 x 60 s + 0.1 kWh = 20.1 kWh.
    let edge =
        |kwh: f64| run(&[telemetry(0, json!({ "import_kwh": 0.0 })), telemetry(MIN, json!({ "import_kwh": kwh }))]);
    edge(20.1).check_hour(&[("import_j", 72_360_000), ("meter_jump", 0), ("rated_j", 0)]);
    edge(20.100001).check_hour(&[("import_j", 0), ("meter_jump", 1)]);
}

#[test]
fn a_gap_is_filled_once_and_only_where_nothing_held() {
    let result = run(&[
        telemetry(0, json!({ "status": "available", "power_kw": 0 })),
        telemetry(20 * MIN, json!({ "status": "available", "power_kw": 0 })),
        arriving(20 * MIN, 2 * MIN, json!({ "status": "charging" })),
        arriving(20 * MIN, 10 * MIN, json!({ "status": "charging", "power_kw": 6 })),
        arriving(20 * MIN, 12 * MIN, json!({ "status": "faulted" })),
        arriving(20 * MIN, 10 * MIN, json!({ "status": "charging", "power_kw": 6 })),
        arriving(20 * MIN, 18 * MIN, json!({ "status": "occupied", "power_kw": 3 })),
        arriving(20 * MIN, 3 * MIN, json!({ "status": "reserved" })),
    ]);
    // Minute 2 and 12 lie in what other samples held; 10, 18 and 3 fill; 10 again is a duplicate.
    result.check_hour(&[
        ("accepted", 5),
        ("out_of_order", 2),
        ("duplicate", 1),
        ("state_ms.available", (3 + 1) * 60_000),
        ("state_ms.reserved", 3 * 60_000),
        ("state_ms.charging", 3 * 60_000),
        ("state_ms.occupied", 2 * 60_000),
        ("state_ms.unobserved", (4 + 5) * 60_000),
        // From 18 to 20: mean of 3 kW and 0 for two minutes.
        ("import_j", 180_000),
    ]);
    result.check_minute(20 * MIN, &[("out_of_order", 2), ("duplicate", 1), ("accepted", 1)]);
    result.check_minute(18 * MIN, &[("accepted", 1), ("import_j", 90_000)]);
}

#[test]
fn a_filler_after_an_offline_sample_takes_the_place_of_the_power_between() {
    let result = run(&[
        telemetry(0, json!({ "status": "offline", "power_kw": 6 })),
        telemetry(3 * MIN, json!({ "status": "charging", "power_kw": 6 })),
        arriving(3 * MIN, MIN, json!({ "status": "charging", "power_kw": 12 })),
    ]);
    // 9 kW for one minute and 9 kW for two, where 6 kW for three had been.
    result.check_hour(&[("import_j", 540_000 + 1_080_000), ("charging_import_j", 1_080_000), ("accepted", 3)]);
    result.check_hour(&[("state_ms.offline", 60_000), ("state_ms.charging", 3 * 60_000)]);
}

#[test]
fn an_offline_filler_lasts_to_the_end_of_its_gap_and_can_itself_be_filled() {
    let result = run(&[
        charging(0),
        charging(20 * MIN),
        arriving(20 * MIN, 5 * MIN, json!({ "status": "offline" })),
        arriving(20 * MIN, 15 * MIN, json!({ "status": "occupied" })),
    ]);
    result.check_hour(&[
        ("state_ms.charging", 4 * 60_000),
        ("state_ms.unobserved", (2 + 2) * 60_000),
        ("state_ms.offline", 10 * 60_000),
        ("state_ms.occupied", 3 * 60_000),
    ]);
}

#[test]
fn the_registers_of_a_filler_are_not_read() {
    let result = run(&[
        telemetry(0, json!({ "import_kwh": 1.0 })),
        telemetry(10 * MIN, json!({ "import_kwh": 2.0 })),
        arriving(10 * MIN, 5 * MIN, json!({ "import_kwh": 0.5, "power_kw": 60 })),
        telemetry(11 * MIN, json!({ "import_kwh": 2.1, "power_kw": 60 })),
    ]);
    result.check_hour(&[("import_j", 3_600_000 + 360_000), ("meter_reset", 0), ("accepted", 4)]);
}

#[test]
fn only_eight_gaps_are_remembered_and_the_oldest_is_forgotten() {
    let mut lines: Vec<String> = (0..10).map(|step| charging(step * 5 * MIN)).collect();
    // Gaps at minutes 3, 8, .. 43: nine of them.
    lines.push(arriving(45 * MIN, 4 * MIN, json!({ "status": "faulted" })));
    lines.push(arriving(45 * MIN, 9 * MIN, json!({ "status": "faulted" })));
    run(&lines).check_hour(&[("out_of_order", 1), ("state_ms.faulted", 60_000)]);
}

#[test]
fn a_registration_starts_the_timeline_and_the_wait_for_the_first_sample_is_a_gap() {
    let result = run(&[
        info(30 * S, -1_000 * 3_600_000, &["c1", "c2"]),
        charging(10 * MIN),
        arriving(10 * MIN, 5 * MIN, json!({ "status": "occupied" })),
    ]);
    // c1: 4.5 min unobserved, 3 occupied, 2 unobserved, 1 charging; c2: 10.5 min unobserved.
    result.check_hour(&[
        ("connectors", 2),
        ("state_ms.unobserved", (270 + 120 + 630) * 1_000),
        ("state_ms.occupied", 180_000),
        ("state_ms.charging", 60_000),
        ("rated_w", 120_000),
        ("rated_j", 120_000 * 630),
    ]);
    let earlier = run(&[charging(0), info(MIN, 0, &["c1"]), arriving(MIN, -MIN, json!({}))]);
    earlier.check_hour(&[("state_ms.charging", 2 * 60_000), ("out_of_order", 1), ("rated_j", 60_000 * 120)]);
}

#[test]
fn a_connector_that_is_gone_leaves_at_the_registrations_time_and_comes_back_as_another() {
    let result = run(&[
        info(0, 0, &["c1", "c2"]),
        charging(0),
        info(2 * MIN, MIN + 30 * S, &["c2"]),
        arriving(2 * MIN, MIN + 30 * S, json!({ "status": "charging" })),
        arriving(2 * MIN, MIN + 29 * S, json!({ "status": "faulted" })),
        info(4 * MIN, 4 * MIN, &["c1", "c2"]),
        charging(4 * MIN + 30 * S),
    ]);
    // Three timelines: c2 throughout (5 min), c1 for 90 s, c1 again from minute 4 on.
    result.check_hour(&[
        ("connectors", 3),
        ("rejected", 1),
        ("state_ms.charging", (89 + 30) * 1_000),
        ("state_ms.faulted", 1_000),
        ("state_ms.unobserved", (300 + 30) * 1_000),
        ("rated_w", 120_000),
        ("rated_j", 60_000 * (300 + 90 + 60)),
    ]);
    result.check_minute(MIN, &[("connectors", 2), ("rated_w", 60_000), ("rated_j", 60_000 * 90)]);
    result.check_minute(3 * MIN, &[("connectors", 1), ("rated_w", 60_000)]);
}

#[test]
fn a_decommissioning_waits_for_what_was_accepted_and_older_registrations_do_nothing() {
    let result = run(&[
        info(0, 0, &["c1"]),
        charging(2 * MIN),
        info(3 * MIN, MIN, &[]),
        info(3 * MIN, 30 * S, &["c1", "c2"]),
        arriving(3 * MIN, MIN, json!({ "status": "occupied" })),
    ]);
    // c1 ends at minute 2, with the sample that it sent then; until then it can still be filled.
    let expected = [("connectors", 1), ("state_ms.unobserved", 60_000), ("state_ms.occupied", 60_000), ("accepted", 2)];
    result.check_hour(&expected);
    result.check_hour(&[("state_ms.charging", 0), ("rated_w", 0), ("rated_j", 60_000 * 120)]);
    let cleared = [charging(0), line(Some(T0_MS + MIN), &format!("{STATION}/info"), true, json!("")), charging(MIN)];
    run(&cleared).check_hour(&[("state_ms.charging", 60_000), ("rejected", 1)]);
}

#[test]
fn a_change_of_rating_counts_from_its_time_on() {
    let result =
        run(&[rated_info(0, 0, &["c1"], 60), charging(0), rated_info(40 * S, 20 * S + 1, &["c1"], 7), charging(MIN)]);
    // 60 000 x 20.001 and 7 000 x 39.999.
    result.check_minute(0, &[("rated_j", 1_200_060 + 279_993), ("rated_w", 7_000)]);
    // The class changes with the first base bucket that was still open: at 40 s, the one that it lies in.
    let nation = result.find("1m", 0, "nation").expect("the minute");
    let values: Vec<&str> =
        nation.by.keys().filter(|(name, _)| name == "power_class").map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["up_to_7_kw"]);
}

#[test]
fn a_last_will_lasts_until_the_next_sample_and_a_retained_one_spares_what_holds() {
    let told =
        run(&[charging(0), status(MIN, false, "offline"), charging(10 * MIN), status(10 * MIN, false, "online")]);
    told.check_hour(&[("state_ms.charging", 2 * 60_000), ("state_ms.offline", 9 * 60_000), ("accepted", 3)]);
    let held = run(&[charging(0), status(MIN, true, "offline"), charging(2 * MIN), status(5 * MIN, true, "offline")]);
    // At minute 1 it holds; at minute 5 its hold has just passed.
    held.check_hour(&[("state_ms.charging", 5 * 60_000), ("state_ms.offline", 60_000), ("accepted", 3)]);
    let again = run(&[charging(0), status(0, false, "offline")]);
    again.check_hour(&[("state_ms.charging", 60_000), ("duplicate", 1), ("accepted", 1)]);
}

#[test]
fn too_late_and_too_early_begin_one_millisecond_beyond_the_limit() {
    let late_ms = 72 * 60 * MIN;
    let result = run(&[
        info(0, 0, &["c1"]),
        arriving(0, -late_ms - 1, json!({})),
        arriving(0, 2 * MIN + 1, json!({})),
        arriving(0, 2 * MIN, json!({ "status": "charging" })),
        charging(4 * MIN),
    ]);
    result.check_minute(0, &[("late", 1), ("future", 1), ("accepted", 0)]);
    result.check_hour(&[("accepted", 2), ("state_ms.unobserved", 120_000), ("state_ms.charging", 180_000)]);
    let just = run(&[arriving(0, -late_ms, json!({ "status": "charging" }))]);
    just.check_at("1h", -late_ms, "nation", &[("accepted", 1), ("state_ms.charging", 180_000)]);
}

#[test]
fn refusals_belong_to_the_unknown_region_until_the_station_is_known() {
    let bad = |at_ms| telemetry(at_ms, json!({ "status": "resting" }));
    let result = run(&[
        bad(0),
        charging(0),
        bad(S),
        info(2 * S, 0, &["c1"]),
        line(Some(T0_MS), "ev/v1/53/op/other/x/telemetry", false, json!({ "ts": T0_MS })),
        line(Some(T0_MS), "ev/v1/53/op/third/x/telemetry", false, json!([{ "ts": T0_MS }, {}])),
    ]);
    // The registration holds for the whole past of its station; op/other stays unknown, and has a connector there.
    for scope in ["province/53", "city/5301", "county/530102", "station/op/st"] {
        result.check_at("1m", 0, scope, &[("rejected", 1), ("accepted", 1), ("connectors", 1)]);
    }
    for scope in ["province/unknown", "city/unknown", "county/unknown"] {
        result.check_at("1m", 0, scope, &[("rejected", 2), ("accepted", 1), ("connectors", 1)]);
    }
    result.check_at("1m", 0, "operator/op", &[("rejected", 1), ("accepted", 2)]);
    result.check_at("1m", 0, "nation", &[("rejected", 3), ("accepted", 2), ("connectors", 2)]);
    let by = &result.find("1m", 0, "nation").expect("the minute").by;
    for (breakdown, value) in [
        ("scene", "roadside"),
        ("access", "public"),
        ("setting", "rural"),
        ("power_class", "up_to_60_kw"),
        ("current", "dc"),
    ] {
        assert_eq!(by[&(breakdown.to_owned(), value.to_owned())].get("connectors"), 1);
        assert_eq!(by[&(breakdown.to_owned(), "unregistered".to_owned())].get("connectors"), 1);
    }
}

#[test]
fn a_change_of_region_counts_from_the_first_open_minute() {
    let moved = |at_ms: i64, area: &str| {
        let payload =
            json!({ "ts": T0_MS + at_ms, "area": area, "equipment": [{ "id": "e", "connectors": [{ "id": "c1" }] }] });
        line(Some(T0_MS + at_ms), &format!("{STATION}/info"), true, payload)
    };
    let at = |arrival_ms| run(&[moved(0, "530102"), charging(0), moved(arrival_ms, "440305"), charging(2 * MIN)]);
    // Minute 0 is closed at 1:30.
    let before = at(90 * S - 1);
    before.check_at("1m", 0, "county/440305", &[("state_ms.charging", 60_000)]);
    assert!(before.find("1m", 0, "county/530102").is_none());
    let after = at(90 * S);
    after.check_at("1m", 0, "county/530102", &[("state_ms.charging", 60_000)]);
    after.check_at("1h", 0, "county/440305", &[("state_ms.charging", 120_000), ("connectors", 1)]);
    after.check_at("1h", 0, "nation", &[("state_ms.charging", 180_000), ("connectors", 1)]);
}

#[test]
fn sessions_end_well_or_badly() {
    let event = |at_ms, session: &str, event: &str, reason: Option<&str>| session_event(at_ms, session, event, reason);
    let result = run(&[
        info(0, 0, &["c1"]),
        charging(0),
        event(S, "a", "attempt", None),
        event(2 * S, "a", "start", None),
        event(2 * S, "a", "start", None),
        event(3 * S, "a", "stop", Some("soc_limit")),
        event(4 * S, "b", "attempt", None),
        event(5 * S, "b", "stop", Some("local")),
        event(6 * S, "c", "stop", None),
        event(7 * S, "d", "start", None),
        event(8 * S, "d", "stop", Some("ev_disconnected")),
        event(9 * S, "e", "stop", Some("emergency_stop")),
    ]);
    // a and c end well; b never started, d was pulled from a DC connector, e was an emergency.
    result.check_minute(
        0,
        &[
            ("sessions_attempted", 2),
            ("sessions_started", 2),
            ("sessions_completed", 2),
            ("sessions_failed", 3),
            ("duplicate", 1),
            ("accepted", 10),
        ],
    );
    let unheard =
        run(&[event(0, "a", "start", None), status(MIN, false, "offline"), status(2 * MIN, false, "offline")]);
    unheard.check_hour(&[("state_ms.offline", 120_000), ("sessions_started", 0 + 1)]);
}

fn session_event(at_ms: i64, name: &str, event: &str, reason: Option<&str>) -> String {
    session(at_ms, json!({ "session": name, "event": event, "reason": reason }))
}

#[test]
fn alarms_are_raised_once_and_a_flicker_is_the_same_alarm() {
    let alarm = |at_ms: i64, state: &str| {
        let payload = json!({ "ts": T0_MS + at_ms, "class": "overcurrent", "state": state });
        line(Some(T0_MS + at_ms), &format!("{STATION}/c1/alarm"), false, payload)
    };
    let lines = [
        charging(0),
        alarm(0, "cleared"),
        alarm(S, "raised"),
        alarm(2 * S, "raised"),
        alarm(3 * S, "cleared"),
        alarm(30 * S, "raised"),
        alarm(40 * S, "cleared"),
        alarm(102 * S, "raised"),
    ];
    run(&lines).check_hour(&[
        ("alarms_raised.equipment", 2),
        ("alarms_raised.personal", 0),
        ("alarms_cleared", 2),
        ("accepted", 8),
    ]);
}

#[test]
fn a_recording_is_read_as_mosquitto_writes_it_and_without_arrival_times() {
    let written = [
        r#"{"tst":"2026-03-31T10:00:00.000900+0800","topic":"ev/v1/53/op/st/c1/telemetry","qos":0,"retain":0,"payloadlen":1,"payload":{"ts":"2026-03-31T02:00:00Z","status":"charging"}}"#,
        r#"{"topic":"ev/v1/53/op/st/c1/telemetry","payload":"{\"ts\":\"2026-03-31T10:01:00.5+08:00\",\"status\":\"occupied\"}"}"#,
        // {"ts":1774922490000,"status":"reserved"}
        r#"{"topic":"ev/v1/53/op/st/c1/telemetry","payload_base64":"eyJ0cyI6MTc3NDkyMjQ5MDAwMCwic3RhdHVzIjoicmVzZXJ2ZWQifQ=="}"#,
    ];
    let result = run(&written.map(str::to_owned));
    result.check_hour(&[("state_ms.charging", 60_500), ("state_ms.occupied", 29_500), ("state_ms.reserved", 30_000)]);
}

#[test]
fn the_day_of_the_domain_page_comes_out_as_written_there() {
    let midnight_ms = T0_MS - 10 * 60 * MIN;
    let result = Result(replay(&vector::day(midnight_ms), &Options::default()));
    for scope in ["nation", "province/53", "city/5301", "county/530102", "operator/op", "station/op/st"] {
        result.check_at(
            "1d",
            midnight_ms - T0_MS,
            scope,
            &[
                ("connectors", 1),
                ("state_ms.available", 19 * 3_600_000),
                ("state_ms.occupied", 3 * 1_800_000),
                ("state_ms.charging", 3 * 1_800_000),
                ("state_ms.offline", 3_600_000),
                ("state_ms.faulted", 3_600_000),
                ("state_ms.unobserved", 0),
                ("import_j", 162_000_000),
                ("charging_import_j", 162_000_000),
                ("rated_w", 60_000),
                ("rated_j", 60_000 * 86_400),
                ("accepted", 1_440 - 60 + 1),
            ],
        );
    }
    // 45 kWh in 1.5 h are 30 kW on the average and in every minute.
    let day = result.find("1d", midnight_ms - T0_MS, "nation").expect("the day");
    assert_eq!((day.power_peak_j, day.power_peak_at_ms), (30_000 * 60, Some(midnight_ms + 540 * MIN)));
    result.check_at("1h", 60 * MIN * (9 - 10), "nation", &[("import_j", 30 * 3_600_000)]);
}

#[test]
fn states_fill_the_connectors_time_and_scopes_and_windows_add_up() {
    for seed in 0..40 {
        let figures = replay(&generate(seed, Knobs::all(150)).join("\n"), &Options::default());
        let total = |window: &str, level: &str, name: &str| -> i128 {
            let of_level = figures.iter().filter(|((kind, _, scope), _)| kind == window && scope.starts_with(level));
            of_level.map(|(_, figures)| figures.get(name)).sum()
        };
        let names = STATES.map(|state| format!("state_ms.{state}"));
        for name in names.iter().map(String::as_str).chain(["import_j", "export_j", "charging_import_j", "rated_j"]) {
            let nation = total("1m", "nation", name);
            for window in reference::WINDOWS {
                for level in ["nation", "province", "city", "county", "operator", "station"] {
                    assert_eq!(total(window, level, name), nation, "seed {seed}: {name} in {window} over {level}");
                }
            }
        }
        for (key, figures) in figures.iter().filter(|((window, ..), _)| window == "1m") {
            let (time_ms, connectors) = (figures.connector_time_ms(), figures.get("connectors"));
            assert!(time_ms <= 60_000 * connectors, "seed {seed}: {key:?}");
            for (value, part) in &figures.by {
                assert!(part.get("connectors") <= connectors, "seed {seed}: {key:?} {value:?}");
            }
        }
    }
}

#[test]
fn the_generator_reaches_every_count_and_every_state() {
    let mut all = Figures::default();
    for seed in 0..60 {
        let lines = generate(seed, Knobs { alarms: true, ..Knobs::all(200) });
        assert_eq!(lines, generate(seed, Knobs { alarms: true, ..Knobs::all(200) }));
        let options = Options { windows: vec!["1mo"], ..Options::default() };
        for ((_, _, scope), figures) in replay(&lines.join("\n"), &options) {
            if scope == "nation" {
                all.add(&figures);
            }
        }
    }
    let tally = all.to_json();
    for (name, value) in tally.as_object().expect("an object") {
        match value {
            Value::Object(group) => {
                group.iter().for_each(|(part, value)| assert_ne!(*value, json!(0), "{name}.{part}"));
            }
            plain => assert_ne!(*plain, json!(0), "{name}"),
        }
    }
}

#[test]
fn the_comparison_passes_what_agrees_and_names_what_does_not() {
    let figures = replay(&generate(7, Knobs::all(120)).join("\n"), &Options::default());
    let output = compare::to_ndjson(&figures);
    assert_eq!(compare::compare(&output, &figures), Ok(()));
    let mut other = figures.clone();
    let key = figures.keys().next().expect("a window").clone();
    other.get_mut(&key).expect("the window").book("import_j", 1);
    let told = compare::compare(&output, &other).expect_err("one J too many");
    assert!(told.contains("1 differences") && told.contains("import_j is") && told.contains(&key.2), "{told}");
    other.remove(&key);
    assert!(compare::compare(&output, &other).expect_err("one too many").contains("not expected"));
    assert!(compare::compare("", &figures).expect_err("nothing there").contains("not given out"));
    assert!(compare::compare("{}", &figures).is_err());
}

#[test]
fn shrinking_keeps_only_the_lines_that_matter() {
    let lines = generate(3, Knobs::all(100));
    let wanted = [lines[20].clone(), lines[70].clone()];
    let kept = reference::generate::shrink(&lines, |some| wanted.iter().all(|line| some.contains(line)));
    assert_eq!(kept, wanted);
}

#[test]
fn twenty_thousand_messages_are_no_burden() {
    let began = std::time::Instant::now();
    let lines = generate(11, Knobs { messages: 20_000, ..Knobs::all(0) });
    let options = Options { windows: vec!["1h", "1d"], ..Options::default() };
    let figures = replay(&lines.join("\n"), &options);
    let accepted: i128 =
        figures.iter().filter(|((w, _, s), _)| w == "1d" && s == "nation").map(|(_, f)| f.get("accepted")).sum();
    assert!(accepted > 10_000, "{accepted}");
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}
