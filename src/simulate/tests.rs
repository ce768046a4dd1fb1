//! Whole fleets, run for a bounded span, against their own truth.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;

mod payloads;

/// 2026-01-05T00:00:00+08:00, a Monday.
const MONDAY_MS: i64 = 1_767_542_400_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn plan(connectors: u32, duration_ms: i64) -> FleetPlan {
    let mut plan = FleetPlan::demo(11, connectors, MONDAY_MS);
    plan.duration_ms = Some(duration_ms);
    plan.warm_up_ms = 0;
    plan.interval_ms = 60_000;
    plan
}

/// Runs the whole plan, giving each message to `see`.
fn run(plan: FleetPlan, mut see: impl FnMut(&SimMessage)) -> Fleet {
    let mut fleet = Fleet::new(plan).expect("a valid plan");
    let mut message = SimMessage::default();
    while fleet.next_into(&mut message) {
        see(&message);
    }
    fleet
}

fn json(message: &SimMessage) -> Value {
    serde_json::from_slice(&message.payload)
        .unwrap_or_else(|error| panic!("{error} in {}: {}", message.topic, String::from_utf8_lossy(&message.payload)))
}

/// The samples of a telemetry message.
fn samples(message: &SimMessage) -> Vec<Value> {
    match json(message) {
        Value::Array(samples) => samples,
        sample => vec![sample],
    }
}

fn ts_ms(value: &Value) -> i64 {
    match &value["ts"] {
        Value::String(text) => text.parse::<jiff::Timestamp>().expect("RFC 3339").as_millisecond(),
        number => number.as_i64().expect("ms"),
    }
}

fn wh(value: &Value) -> u64 {
    (value.as_f64().expect("kWh") * 1_000.0).round() as u64
}

#[test]
fn the_same_plan_gives_the_same_bytes_and_another_seed_does_not() {
    let collect = |seed| {
        let mut plan = plan(60, 2 * HOUR_MS);
        plan.seed = seed;
        let mut all = Vec::new();
        let fleet = run(plan, |message| all.push(message.clone()));
        (all, fleet.truth())
    };
    let (first, second, other) = (collect(1), collect(1), collect(2));
    assert_eq!(first, second);
    assert_ne!(first.0, other.0);
}

#[test]
fn owned_messages_are_those_written_over_a_buffer() {
    let mut buffered = Vec::new();
    run(plan(20, HOUR_MS), |message| buffered.push(message.clone()));
    let owned: Vec<SimMessage> = Fleet::new(plan(20, HOUR_MS)).expect("a valid plan").collect();
    assert_eq!(owned, buffered);
}

#[test]
fn messages_come_in_order_of_arrival_within_the_span() {
    let mut last_ms = MONDAY_MS;
    let fleet = run(plan(200, 12 * HOUR_MS), |message| {
        assert!(message.arrival_ms >= last_ms, "{} after {last_ms}", message.arrival_ms);
        last_ms = message.arrival_ms;
    });
    assert!(last_ms < MONDAY_MS + 12 * HOUR_MS);
    assert!(last_ms > MONDAY_MS + 12 * HOUR_MS - 30_000);
    assert_eq!(fleet.now_ms(), MONDAY_MS + 12 * HOUR_MS);
}

#[test]
fn what_is_transmitted_does_not_change_what_happens() {
    let states = |transmission: Transmission| {
        let mut plan = plan(150, DAY_MS);
        plan.transmission = transmission;
        let truth = run(plan, |_| {}).truth();
        State::ALL.map(|state| truth.nation.state_ms(state))
    };
    let noisy =
        Transmission { lost_ppm: 100_000, out_of_order_ppm: 50_000, repeated_ppm: 50_000, ..Transmission::default() };
    assert_eq!(states(Transmission::perfect()), states(noisy));
}

#[test]
fn state_times_add_up_to_the_connectors_time_in_every_scope() {
    let truth = run(plan(150, DAY_MS), |_| {}).truth();
    let scopes =
        truth.province.values().chain(truth.county.values()).chain(truth.station.values()).chain([&truth.nation]);
    for figures in scopes {
        let total: u64 = State::ALL.iter().map(|&state| figures.state_ms(state)).sum();
        assert_eq!(total, figures.connectors * DAY_MS as u64);
    }
    for state in State::ALL {
        assert!(truth.nation.state_ms(state) > 0, "nobody was {}", state.name());
    }
}

#[test]
fn the_truth_s_energy_is_what_a_reader_of_the_arrived_registers_finds() {
    let mut plan = plan(200, DAY_MS);
    plan.transmission = Transmission {
        lost_ppm: 50_000,
        late_ppm: 20_000,
        out_of_order_ppm: 20_000,
        repeated_ppm: 20_000,
        ..Transmission::default()
    };
    // Per connector: first import and export that arrived, newest time, its import and export.
    type Chain = ((u64, u64), i64, (u64, u64));
    let mut chains: BTreeMap<String, Chain> = BTreeMap::new();
    let (mut out_of_order, mut delivered, mut duplicates) = (0, 0, 0);
    let mut seen: BTreeSet<(String, i64)> = BTreeSet::new();
    let truth = run(plan, |message| {
        if !message.topic.ends_with("/telemetry") {
            return;
        }
        for sample in samples(message) {
            let at_ms = ts_ms(&sample);
            let registers = (wh(&sample["import_kwh"]), sample.get("export_kwh").map_or(0, wh));
            if !seen.insert((message.topic.clone(), at_ms)) {
                duplicates += 1;
                continue;
            }
            delivered += 1;
            let chain = chains.entry(message.topic.clone()).or_insert((registers, at_ms, registers));
            if at_ms >= chain.1 {
                (chain.1, chain.2) = (at_ms, registers);
            } else {
                out_of_order += 1;
            }
        }
    })
    .truth();
    let import_wh: u64 = chains.values().map(|(first, _, last)| last.0 - first.0).sum();
    let export_wh: u64 = chains.values().map(|(first, _, last)| last.1 - first.1).sum();
    assert_eq!((truth.nation.import_j, truth.nation.export_j), (import_wh * 3_600, export_wh * 3_600));
    assert!(import_wh > 1_000_000 && export_wh > 1_000, "{import_wh} {export_wh}");
    assert!(out_of_order > 0);
    let count = |count| truth.nation.count(count);
    assert_eq!((count(Count::SamplesDelivered), count(Count::SamplesRepeated)), (delivered, duplicates));
    let by_province: u64 = truth.province.values().map(|figures| figures.import_j).sum();
    let by_operator: u64 = truth.operator.values().map(|figures| figures.import_j).sum();
    assert_eq!((by_province, by_operator), (truth.nation.import_j, truth.nation.import_j));
}

#[test]
fn registers_grow_no_faster_than_the_rating_and_agree_with_the_reported_power() {
    let mut plan = plan(120, DAY_MS);
    plan.transmission = Transmission::perfect();
    plan.behaviour.outage_every_ms = 0;
    let fleet = Fleet::new(plan.clone()).expect("a valid plan");
    let rated_w: BTreeMap<String, u32> = fleet
        .built()
        .connectors
        .iter()
        .zip(&fleet.topics)
        .map(|(plate, topic)| (topic.to_string(), plate.rated_w))
        .collect();
    let mut last: BTreeMap<String, (i64, u64, f64)> = BTreeMap::new();
    let mut checked = 0;
    run(plan, |message| {
        if !message.topic.ends_with("/telemetry") {
            return;
        }
        let sample = json(message);
        let (at_ms, import_wh, power_kw) =
            (ts_ms(&sample), wh(&sample["import_kwh"]), sample["power_kw"].as_f64().unwrap_or(0.0));
        let rated_w = f64::from(rated_w[&message.topic]);
        assert!(power_kw.abs() * 1_000.0 <= rated_w);
        if let Some((then_ms, then_wh, then_kw)) = last.insert(message.topic.clone(), (at_ms, import_wh, power_kw)) {
            let hours = (at_ms - then_ms) as f64 / 3_600_000.0;
            let grown_wh = (import_wh - then_wh) as f64;
            assert!(grown_wh <= rated_w * hours + 1.0, "{}", message.topic);
            // Power is constant between samples unless a neighbour on the cabinet comes or goes meanwhile.
            if (grown_wh - then_kw.max(0.0) * 1_000.0 * hours).abs() <= 1.0 {
                checked += 1;
            } else {
                checked -= 20;
            }
        }
    });
    assert!(checked > 100_000, "only {checked} intervals agree");
}

#[test]
fn sessions_and_alarms_arrive_as_the_truth_counts_them() {
    let mut sets: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut alarms: BTreeMap<String, BTreeSet<(String, i64)>> = BTreeMap::new();
    let truth = run(plan(300, DAY_MS), |message| {
        if message.topic.ends_with("/session") {
            let value = json(message);
            let name = match value["event"].as_str() {
                Some("attempt") => "attempt",
                Some("start") => "start",
                Some("stop") => "stop",
                event => panic!("{event:?}"),
            };
            sets.entry(name).or_default().insert(value["session"].to_string());
        } else if message.topic.ends_with("/alarm") {
            let value = json(message);
            let kind = format!("{} {}", value["state"].as_str().unwrap_or(""), value["level"].as_str().unwrap_or(""));
            alarms
                .entry(kind)
                .or_default()
                .insert((message.topic.clone() + value["class"].as_str().unwrap_or(""), ts_ms(&value)));
        }
    })
    .truth();
    let count = |count| truth.nation.count(count);
    let size = |name| sets.get(name).map_or(0, BTreeSet::len) as u64;
    assert_eq!(size("attempt"), count(Count::Attempted));
    assert_eq!(size("start"), count(Count::Started));
    assert_eq!(size("stop"), count(Count::Completed) + count(Count::Aborted) + count(Count::Failed));
    assert!(count(Count::Started) > 300 && count(Count::Failed) > 5 && count(Count::Aborted) > 0);
    let raised = |level: &str| alarms.get(&format!("raised {level}")).map_or(0, BTreeSet::len) as u64;
    assert_eq!(
        [raised("personal"), raised("equipment"), raised("notice")],
        [count(Count::RaisedPersonal), count(Count::RaisedEquipment), count(Count::RaisedNotice)]
    );
    let cleared: u64 =
        alarms.iter().filter(|(kind, _)| kind.starts_with("cleared")).map(|(_, set)| set.len() as u64).sum();
    assert_eq!(cleared, count(Count::Cleared));
}

#[test]
fn samples_are_delivered_lost_malformed_or_still_on_their_way() {
    let mut plan = plan(200, 12 * HOUR_MS);
    plan.transmission.malformed_ppm = 10_000;
    let mut broken = 0;
    let truth = run(plan, |message| {
        if !message.json && !message.retain {
            broken += 1;
        }
    })
    .truth();
    let count = |count| truth.nation.count(count);
    let accounted = count(Count::SamplesDelivered) + count(Count::SamplesLost) + count(Count::SamplesMalformed);
    let on_their_way = count(Count::SamplesSent) - accounted;
    assert!(on_their_way < count(Count::SamplesSent) / 50, "{on_their_way}");
    assert_eq!(broken, count(Count::Malformed));
    assert!(broken > 1_000 && count(Count::Backfilled) > 0 && count(Count::Late) > 0 && count(Count::OutOfOrder) > 0);
}

#[test]
fn the_national_make_up_follows_the_statistics() {
    let fleet = Fleet::new(FleetPlan::national(3, 100_000, MONDAY_MS)).expect("a valid plan");
    let built = fleet.built();
    let station = |plate: &Connector| &built.stations[plate.station as usize];
    let permille = |n: usize, of: usize| n * 1_000 / of.max(1);
    let public: Vec<&Connector> =
        built.connectors.iter().filter(|plate| station(plate).access != Access::Private).collect();
    assert_eq!(built.connectors.len(), 100_000);
    assert!(permille(public.len(), 100_000).abs_diff(235) <= 1);
    let highway = public.iter().filter(|plate| station(plate).scene == "highway_service_area").count();
    assert!(permille(highway, public.len()).abs_diff(15) <= 1, "{highway}");
    let dc = public.iter().filter(|plate| plate.dc).count();
    assert!(permille(dc, public.len()).abs_diff(400) <= 25, "{dc} of {}", public.len());
    let rural: Vec<_> = public.iter().filter(|plate| station(plate).scene == "rural").collect();
    assert!(permille(rural.len(), public.len()).abs_diff(120) <= 2);
    for plate in rural {
        let township: u32 = station(plate).area[6..9].parse().expect("a township");
        assert!((100..400).contains(&township), "{}", station(plate).area);
    }
    // NEA, December 2025: 46.53 kW rated power per public connector; shared cabinets are counted once.
    let cabinets: BTreeSet<u32> = public.iter().map(|plate| plate.equipment).collect();
    let rated_w: u64 = cabinets.iter().map(|&index| u64::from(built.equipment[index as usize].rated_w)).sum();
    let mean_w = rated_w / public.len() as u64;
    assert!((40_000..54_000).contains(&mean_w), "{mean_w} W");
    let provinces: BTreeSet<u32> = built.stations.iter().map(|station| station.county.code / 10_000).collect();
    assert_eq!(provinces.len(), 31);
    assert!(built.stations.iter().all(|station| (1..=20).contains(&station.connectors.1)));
    assert!(built.connectors.iter().any(|plate| plate.discharge_w > 0));
    assert!(built.connectors.iter().any(|plate| plate.rated_w >= 250_000));
}

#[test]
fn sessions_start_when_their_users_come_and_holidays_fill_the_motorways() {
    let starts = |start_ms: i64, scene: &str| {
        let mut plan = plan(1_000, DAY_MS);
        plan.start_ms = start_ms;
        plan.interval_ms = 120_000;
        plan.make_up.public_permille = 600;
        let fleet = Fleet::new(plan.clone()).expect("a valid plan");
        let stations: BTreeSet<&str> = fleet
            .built()
            .stations
            .iter()
            .filter(|station| station.scene == scene)
            .map(|station| station.id.as_str())
            .collect();
        let mut hours = [0_u32; 24];
        run(plan, |message| {
            if message.topic.ends_with("/session") && stations.contains(message.topic.split('/').nth(4).unwrap_or("")) {
                let value = json(message);
                if value["event"] == "start" {
                    hours[((ts_ms(&value) - start_ms) / HOUR_MS).clamp(0, 23) as usize] += 1;
                }
            }
        });
        hours
    };
    let sum = |hours: &[u32]| hours.iter().sum::<u32>();
    let home = starts(MONDAY_MS, "residential");
    assert!(sum(&home[17..23]) > 2 * sum(&home[8..14]), "{home:?}");
    let highway = starts(MONDAY_MS, "highway_service_area");
    assert!(sum(&highway[9..18]) > 3 * sum(&highway[0..6]), "{highway:?}");
    // 2026-10-01.
    let national_day_ms = MONDAY_MS + 269 * DAY_MS;
    assert!(sum(&starts(national_day_ms, "highway_service_area")) > 2 * sum(&highway));
}

#[test]
fn vehicles_discharge_in_the_evening_peak_only_at_their_start() {
    let mut hours = BTreeSet::new();
    let mut both = BTreeSet::new();
    let mut last: BTreeMap<String, bool> = BTreeMap::new();
    run(plan(400, DAY_MS), |message| {
        if message.topic.ends_with("/telemetry") {
            for sample in samples(message) {
                let gives = sample["power_kw"].as_f64().unwrap_or(0.0) < 0.0;
                if gives && last.insert(message.topic.clone(), true) != Some(true) {
                    hours.insert((ts_ms(&sample) - MONDAY_MS) / HOUR_MS);
                    both.insert(sample["status"].as_str().unwrap_or("").to_owned());
                } else if !gives {
                    last.insert(message.topic.clone(), false);
                }
            }
        }
    });
    assert!(!hours.is_empty() && hours.iter().all(|hour| (16..=22).contains(hour)), "{hours:?}");
    assert!(both.contains("discharging"));
}

#[test]
fn a_shared_cabinet_never_gives_more_than_its_rating() {
    let mut fleet = Fleet::new(plan(300, DAY_MS)).expect("a valid plan");
    let mut message = SimMessage::default();
    let (mut steps, mut shared) = (0_u64, 0_u64);
    while fleet.next_into(&mut message) {
        steps += 1;
        if !steps.is_multiple_of(500) {
            continue;
        }
        for cabinet in &fleet.built().equipment {
            let (first, count) = cabinet.connectors;
            let guns = &fleet.guns[first as usize..(first + count) as usize];
            let power_w: u32 = guns.iter().map(|gun| gun.power_w.unsigned_abs()).sum();
            assert!(power_w <= cabinet.rated_w, "{power_w} of {}", cabinet.rated_w);
            shared += u64::from(guns.iter().filter(|gun| gun.power_w != 0).count() > 1);
        }
    }
    assert!(shared > 0);
}

#[test]
fn a_fleet_that_warmed_up_is_busy_from_its_first_sample_and_counts_its_span_only() {
    let mut plan = plan(300, HOUR_MS);
    plan.start_ms = MONDAY_MS + 12 * HOUR_MS;
    plan.warm_up_ms = 6 * HOUR_MS;
    let mut charging = 0;
    let truth = run(plan.clone(), |message| {
        assert!(message.arrival_ms >= plan.start_ms);
        if message.topic.ends_with("/telemetry") && message.arrival_ms < plan.start_ms + 60_000 {
            charging += u32::from(samples(message)[0]["status"] == "charging");
        }
    })
    .truth();
    assert!(charging > 10, "{charging}");
    let total: u64 = State::ALL.iter().map(|&state| truth.nation.state_ms(state)).sum();
    assert_eq!(total, 300 * HOUR_MS as u64);
}

#[test]
fn a_plan_that_makes_no_fleet_is_refused_by_name() {
    let check = |change: fn(&mut FleetPlan), want: &str| {
        let mut plan = FleetPlan::national(1, 10, MONDAY_MS);
        change(&mut plan);
        assert_eq!(plan.check().err().map(|error| error.name), Some(want));
    };
    check(|plan| plan.connectors = 0, "connectors");
    check(|plan| plan.interval_ms = 10, "interval_ms");
    check(|plan| plan.transmission.skew_ms_max = 200_000, "skew_ms_max");
    check(|plan| plan.make_up.operators = 0, "operators");
    check(|plan| plan.topic_root = "ev/#".to_owned(), "topic_root");
    check(|plan| plan.zone_offset_ms = 90_001, "zone_offset_ms below a minute");
    assert_eq!(FleetPlan::demo(1, 10, MONDAY_MS).check(), Ok(()));
}
