//! Where a connector is at which time: states, gaps, registrations, last wills.

use super::*;

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
    let at_the_edge = run(&[info(0, 0, &["c1"]), charging(0), info(2 * MIN, MIN, &[])]);
    at_the_edge.check_minute(0, &[("rated_w", 60_000), ("connectors", 1)]);
    assert!(at_the_edge.find("1m", MIN, "nation").is_none());
    let cleared = [charging(0), line(Some(T0_MS + MIN), &format!("{STATION}/info"), true, json!("")), charging(MIN)];
    run(&cleared).check_hour(&[("state_ms.charging", 60_000), ("rejected", 1)]);
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
