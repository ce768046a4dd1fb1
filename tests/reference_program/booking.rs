//! What is counted, where, and for whom: refusals, regions, sessions, alarms; and how a recording is read.

use super::*;

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
    unheard.check_hour(&[("state_ms.offline", 120_000), ("sessions_started", 1)]);
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
