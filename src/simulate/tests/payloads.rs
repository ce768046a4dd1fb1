//! What the messages of a whole fleet say: keys, ranges, registrations.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Every key of a message of the kind, as the wire page lists them.
fn allowed(topic: &str) -> &'static [&'static str] {
    match topic.rsplit('/').next() {
        Some("telemetry") => &[
            "ts",
            "status",
            "power_kw",
            "import_kwh",
            "export_kwh",
            "voltage_v",
            "current_a",
            "power_demand_kw",
            "connector_temp_c",
            "soc_pct",
            "battery_temp_max_c",
            "battery_temp_min_c",
            "cell_v_max",
            "cell_v_min",
            "insulation_kohm",
            "session",
        ],
        Some("session") => {
            &["ts", "session", "event", "reason", "energy_kwh", "billed_kwh", "energy_fee", "service_fee", "disputed"]
        }
        Some("alarm") => &["ts", "class", "level", "state", "code", "value", "note"],
        Some("info") => &["ts", "name", "area", "access", "scene", "state", "lng", "lat", "equipment"],
        _ => &[],
    }
}

#[test]
fn every_payload_is_json_with_keys_of_the_wire_page_and_sane_values() {
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    let mut keys: BTreeSet<String> = BTreeSet::new();
    run(plan(300, DAY_MS), |message| {
        if message.topic.ends_with("/status") {
            assert!(message.retain && (message.payload == b"online" || message.payload == b"offline"));
            kinds.insert(String::from_utf8_lossy(&message.payload).into_owned());
            return;
        }
        assert!(message.json);
        let levels: Vec<&str> = message.topic.split('/').collect();
        assert!(levels[2].len() == 2 && levels[3].len() == 9, "{}", message.topic);
        for value in samples(message) {
            let object = value.as_object().expect("an object");
            for key in object.keys() {
                assert!(allowed(&message.topic).contains(&key.as_str()), "{key} in {}", message.topic);
                keys.insert(key.clone());
            }
            assert!((ts_ms(&value) - message.arrival_ms) < 120_000, "{}", message.topic);
            for (key, low, high) in [
                ("soc_pct", 0.0, 100.0),
                ("voltage_v", 100.0, 1_500.0),
                ("current_a", -1_000.0, 1_500.0),
                ("connector_temp_c", -40.0, 90.0),
                ("battery_temp_max_c", 0.0, 65.0),
                ("cell_v_max", 2.5, 4.35),
                ("insulation_kohm", 20.0, 20_000.0),
            ] {
                if let Some(number) = value.get(key) {
                    let number = number.as_f64().expect("a number");
                    assert!((low..=high).contains(&number), "{key} = {number} in {}", message.topic);
                }
            }
        }
        kinds.insert(levels[levels.len() - 1].to_owned());
    });
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    assert_eq!(kinds, ["alarm", "info", "offline", "online", "session", "telemetry"]);
    for key in allowed("telemetry").iter().chain(allowed("session")) {
        assert!(keys.contains(*key), "{key} was never sent");
    }
}

#[test]
fn registrations_name_the_whole_fleet_before_anything_else() {
    let (mut connectors, mut rated_kw, mut others) = (0, 0.0, false);
    let fleet = run(plan(250, HOUR_MS), |message| {
        if !message.topic.ends_with("/info") {
            others |= !message.retain;
            return;
        }
        if message.arrival_ms > MONDAY_MS {
            return;
        }
        assert!(!others, "a registration came after a sample");
        let info = json(message);
        let area = info["area"].as_str().expect("a code");
        assert!(matches!(area.len(), 6 | 9 | 12) && message.topic.contains(&format!("/{}/", &area[..2])), "{area}");
        for equipment in info["equipment"].as_array().into_iter().flatten() {
            for plate in equipment["connectors"].as_array().into_iter().flatten() {
                connectors += 1;
                rated_kw += plate["rated_kw"].as_f64().unwrap_or(0.0);
            }
        }
    });
    let nation = fleet.truth().nation;
    assert_eq!((connectors, (rated_kw * 1_000.0).round() as u64), (nation.connectors, nation.rated_w));
}

#[test]
fn a_reader_of_perfect_telemetry_finds_the_truth_s_state_times() {
    let mut plan = plan(200, DAY_MS);
    plan.transmission = Transmission::perfect();
    plan.behaviour.outage_every_ms = 0;
    let mut open: BTreeMap<String, (i64, String)> = BTreeMap::new();
    let mut found_ms: BTreeMap<String, i64> = BTreeMap::new();
    let mut samples_read = 0;
    let truth = run(plan, |message| {
        if !message.topic.ends_with("/telemetry") {
            return;
        }
        samples_read += 1;
        let sample = json(message);
        let (at_ms, gives) = (ts_ms(&sample), sample["power_kw"].as_f64().unwrap_or(0.0) < 0.0);
        let status = sample["status"].as_str().unwrap_or("");
        let state = if status == "charging" && gives { "discharging" } else { status };
        if let Some((since_ms, before)) = open.insert(message.topic.clone(), (at_ms, state.to_owned())) {
            *found_ms.entry(before).or_default() += at_ms - since_ms;
        }
    })
    .truth();
    for (since_ms, state) in open.into_values() {
        *found_ms.entry(state).or_default() += MONDAY_MS + DAY_MS - since_ms;
    }
    for state in State::ALL {
        let found = found_ms.get(state.name()).copied().unwrap_or(0);
        let missing_ms = truth.nation.state_ms(state) as i64 - found;
        // Before its first sample a connector is available; two changes in one ms are sampled 1 ms apart.
        let tolerance_ms = if state == State::Available { 0..=200 * 60_000 } else { -100..=100 };
        assert!(tolerance_ms.contains(&missing_ms), "{}: {missing_ms} of {found}", state.name());
    }
    assert_eq!(truth.nation.count(Count::SamplesDelivered), samples_read);
}
