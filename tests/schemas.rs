//! The schemas under `schemas/` against what they describe: summaries written from random inputs, records, hand-written
//! input messages good and bad, and the channels of the wire page. Where the summary's schema is out of date, set
//! `UPDATE_SCHEMAS=1` for one run: it is made from the catalogue.

use std::fs;
use std::path::{Path, PathBuf};

use chargetally::engine::Stats;
use chargetally::publish::record::{Alarm, AlarmRecord, CountersRecord, Origin, RejectedRecord};
use chargetally::publish::schema;
use chargetally::publish::summary::{Place, Summary};
use chargetally_core::alarm::AlarmClass;
use chargetally_core::census::{Census, Snapshot};
use chargetally_core::indicator::{
    CountyRow, Group, Inputs, NeedBasis, Peaks, Policy, Reference, Span, StationList, TownshipRow,
};
use chargetally_core::registration::{Access, Current};
use chargetally_core::scope::{Level, Named, Part};
use chargetally_core::tally::{Merge, Tally};
use chargetally_core::time::{ArrivalTime, Bucket, EventTime};
use chargetally_core::window::{Calendar, WindowKind};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

fn read(file: &str) -> Value {
    let text = fs::read_to_string(schemas().join(file)).expect(file);
    serde_json::from_str(&text).expect(file)
}

fn validator(file: &str) -> Validator {
    let schema = read(file);
    jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|error| panic!("{file}: {error}"));
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).expect(file)
}

#[track_caller]
fn check(validator: &Validator, instance: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_summary_schema_is_that_of_the_catalogue() {
    let wanted = format!("{}\n", serde_json::to_string_pretty(&schema::summary()).expect("a schema serialises"));
    let path = schemas().join("summary.schema.json");
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        fs::write(&path, &wanted).expect("the schema can be written");
    }
    let found = fs::read_to_string(&path).expect("schemas/summary.schema.json");
    assert!(found == wanted, "schemas/summary.schema.json is out of date: run this test once with UPDATE_SCHEMAS=1");
}

/// Every null of every group has a reason, every reason a null, and no other number is beside.
fn check_nulls(record: &Value, groups: &[Group]) {
    for group in groups {
        let object = record[group.name()].as_object().expect("a group is an object");
        let reasons = object["null_reasons"].as_object().expect("null_reasons");
        for (name, value) in object {
            assert_eq!(value.is_null(), reasons.contains_key(name), "{}.{name}", group.name());
        }
        assert!(reasons.keys().all(|name| object.contains_key(name)), "{}", group.name());
    }
}

/// A tally in which each entry is some multiple of `unit`, among them zero.
fn some_tally(unit: i64, counts: &[i64]) -> Tally {
    let mut tally = Tally::default();
    for (index, cell) in tally.state_ms.iter_mut().enumerate() {
        *cell = unit * counts[index];
    }
    (tally.import_j, tally.rated_j, tally.charging_import_j) = (counts[9] * unit, counts[10] * unit, counts[11] * unit);
    (tally.station_ms, tally.full_ms, tally.rapid_ms) = (counts[12] * unit, counts[13], counts[14]);
    tally.latency[2] = counts[15];
    if counts[16] > 0 {
        let events = tally.events.get_mut();
        (events.sessions_attempted, events.sessions_started) = (counts[16], counts[17]);
        (events.alarms_raised, events.failures, events.session_j) = ([counts[18]; 3], counts[19], counts[9]);
        events.session_durations[4] = counts[17];
    }
    tally
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn summaries_of_any_inputs_match_their_schema(
        counts in prop::collection::vec(prop_oneof![Just(0_i64), 0..=20_i64, 0..=1_000_000_i64], 20),
        level in 0_usize..6, has in any::<[bool; 4]>(),
    ) {
        let validator = jsonschema::draft202012::new(&schema::summary()).expect("a valid schema");
        let (calendar, policy) = (Calendar::fixed(8 * 3_600_000), Policy::default());
        let tally = some_tally(60_000, &counts);
        let census = Census {
            connectors: counts[0], rated_w: counts[1], facilities: counts[2], public: counts[3], private: counts[4],
            stations: counts[5], stations_with_alarm_feed: counts[6], dc: counts[7], ..Census::default()
        };
        let snapshot = Snapshot { open_faults: counts[8], adjustable: counts[9], ..Snapshot::default() };
        let counties: Vec<CountyRow> = (0..10)
            .map(|k| CountyRow { county: 530_101 + k, public_rated_w: counts[k as usize], need: Some(5), ..CountyRow::default() })
            .collect();
        let townships = [TownshipRow { province: 53, covered: 3, total: 9 }];
        let stations = ["OP/S1".into(), "OP/S2".into()];
        let window = calendar.window(WindowKind::Month, Bucket::from_number(29_000_000));
        let mut inputs = Inputs::new(Level::ALL[level], window, &calendar, &policy, &tally);
        if has[0] { (inputs.census, inputs.snapshot) = (Some(&census), Some(&snapshot)); }
        if has[1] {
            (inputs.counties, inputs.townships) = (&counties, &townships);
            inputs.reference = Reference { need_basis: Some(NeedBasis::Population), ev_stock: Some(9), ..Reference::default() };
        }
        if has[2] {
            inputs.peaks = Peaks { minute_j: 5, minute_start: Some(EventTime::from_ms(7)), ..Peaks::default() };
            inputs.year = Some(Span { tally: &tally, months_available: 12 });
            inputs.lists.congested = Some(StationList { total: 2, stations: &stations });
        }
        let part = |part| Inputs { part: Some(part), ..inputs };
        let parts = if has[3] {
            vec![
                part(Part::Current(Named::Known(Current::Dc))),
                part(Part::Access(Named::Known(Access::Public))),
                part(Part::Access(Named::Unregistered)),
            ]
        } else {
            vec![]
        };
        let place = Place { code: Some("53"), name: Some("Yunnan"), name_zh: Some("云南省") };
        let summary = Summary { place, revision: 2, inputs, parts: &parts, versions: &[("policy", &policy.version)] };
        let record: Value = serde_json::from_slice(&summary.to_json()).expect("JSON");
        check(&validator, &record);
        check_nulls(&record, &Group::ALL);
        let tallied = record["tally"]["state_ms"].as_object().expect("state_ms");
        prop_assert_eq!(tallied.values().filter_map(Value::as_i64).sum::<i64>(), tally.service_ms());
        prop_assert_eq!(record["by"].as_object().map(serde_json::Map::len), Some(if has[3] { 5 } else { 0 }));
        for values in record["by"].as_object().expect("by").values() {
            for value in values.as_object().expect("values").values() {
                check_nulls(value, &[Group::Facilities, Group::Efficiency, Group::Service, Group::Safety]);
            }
        }
    }
}

#[test]
fn a_summary_has_the_names_of_the_wire_page() {
    let (calendar, policy) = (Calendar::fixed(8 * 3_600_000), Policy::default());
    let mut tally = some_tally(60_000, &[7; 20]);
    let same = tally.clone();
    tally.merge(&same);
    let census = Census { connectors: 3, rated_w: 180_000, ..Census::default() };
    let window = calendar.window(WindowKind::Day, Bucket::holding_ms(1_767_196_800_000));
    let inputs = Inputs { census: Some(&census), ..Inputs::new(Level::Nation, window, &calendar, &policy, &tally) };
    let summary = Summary { place: Place::default(), revision: 0, inputs, parts: &[], versions: &[] };
    let record: Value = serde_json::from_slice(&summary.to_json()).expect("JSON");
    assert_eq!(record["schema"], "chargetally.summary/1");
    assert_eq!(record["scope"], json!({ "level": "nation", "code": null, "name": null, "name_zh": null }));
    assert_eq!(
        record["window"],
        json!({ "name": "1d", "start": "2026-01-01T00:00:00+08:00", "end": "2026-01-02T00:00:00+08:00", "revision": 0 })
    );
    for name in [
        "connectors",
        "import_j",
        "export_j",
        "charging_import_j",
        "rated_w",
        "rated_j",
        "sessions_attempted",
        "sessions_started",
        "sessions_completed",
        "sessions_failed",
        "alarms_cleared",
        "accepted",
        "duplicate",
        "late",
        "future",
        "out_of_order",
        "rejected",
        "meter_reset",
        "meter_jump",
    ] {
        assert!(record["tally"][name].is_i64(), "tally.{name}");
    }
    let states = "charging discharging occupied reserved available faulted unavailable offline unobserved";
    for state in states.split(' ') {
        assert_eq!(record["tally"]["state_ms"][state], 14 * 60_000, "{state}");
    }
    for level in ["personal", "equipment", "notice"] {
        assert_eq!(record["tally"]["alarms_raised"][level], 14, "{level}");
    }
    for path in ["efficiency/time_utilisation", "efficiency/power_delivered_avg_kw", "service/availability_strict"] {
        assert!(record.pointer(&format!("/{path}")).is_some_and(Value::is_number), "{path}");
    }
}

#[test]
fn published_alarms_and_refusals_match_their_schemas() {
    let calendar = Calendar::fixed(8 * 3_600_000);
    let alarms = validator("alarm.schema.json");
    for (&class, cleared) in AlarmClass::ALL.iter().flat_map(|class| [(class, false), (class, true)]) {
        let alarm = Alarm {
            class,
            level: class.default_level(),
            since: EventTime::from_ms(1_767_196_800_123),
            cleared_at: cleared.then(|| EventTime::from_ms(1_767_196_900_000)),
            origin: Origin::Derived,
            value: Some(91.5),
            threshold: None,
            code: Some("18"),
            note: None,
            province: if cleared { 53 } else { 0 },
            operator: "OP",
            station: "S1",
            connector: None,
            at: EventTime::from_ms(1_767_196_900_000),
        };
        check(&alarms, &serde_json::to_value(AlarmRecord::new(&alarm, &calendar)).expect("JSON"));
    }
    let rejected = validator("rejected.schema.json");
    let record = RejectedRecord::new(ArrivalTime::from_ms(5), &calendar, "not_json", "ev/v1/x", b"\xff", 1);
    check(&rejected, &serde_json::to_value(record).expect("JSON"));
    let counters = validator("counters.schema.json");
    let record = CountersRecord::new(ArrivalTime::from_ms(5), &calendar, &Stats::default(), 1, 2);
    check(&counters, &serde_json::to_value(record).expect("JSON"));
}

/// Hand-written messages: those that must pass, and those that must not.
fn check_messages(file: &str, good: &[Value], bad: &[Value]) {
    let validator = validator(file);
    for message in good {
        check(&validator, message);
    }
    for message in bad {
        assert!(!validator.is_valid(message), "{file} lets pass {message}");
    }
}

#[test]
fn telemetry_as_the_wire_page_has_it() {
    let full = json!({
        "ts": "2026-01-01T08:00:00+08:00", "status": "charging", "power_kw": 58.2, "import_kwh": 120.75,
        "export_kwh": 0, "voltage_v": 720.5, "current_a": 80.8, "power_demand_kw": 60, "connector_temp_c": 41,
        "soc_pct": 55, "battery_temp_max_c": 36, "battery_temp_min_c": 31, "cell_v_max": 3.95, "cell_v_min": 3.9,
        "insulation_kohm": 1200, "session": "s-1", "something_new": [1]
    });
    check_messages(
        "telemetry.schema.json",
        &[
            full.clone(),
            json!({ "ts": 1_767_225_600_000_i64, "power_kw": -7.5 }),
            json!([full, { "ts": 1_767_225_600_000_i64 }]),
            json!([]),
        ],
        &[
            json!({ "status": "available" }),
            json!({ "ts": "2026-01-01T08:00:00" }),
            json!({ "ts": 1_767_225_600 }),
            json!({ "ts": 1_767_225_600_000_i64, "status": "Charging" }),
            json!({ "ts": 1_767_225_600_000_i64, "soc_pct": 101 }),
            json!({ "ts": 1_767_225_600_000_i64, "power_kw": "7" }),
            json!([{ "ts": 1_767_225_600_000_i64 }, {}]),
            json!("online"),
        ],
    );
}

#[test]
fn sessions_and_alarms_as_the_wire_page_has_them() {
    check_messages(
        "session.schema.json",
        &[
            json!({ "ts": 1_767_225_600_000_i64, "session": "s", "event": "attempt" }),
            json!({
                "ts": "2026-01-01T00:00:00Z", "session": "s", "event": "stop", "reason": "soc_limit", "energy_kwh": 31.2,
                "billed_kwh": 31.2, "energy_fee": 20.1, "service_fee": 12.0, "disputed": false
            }),
        ],
        &[
            json!({ "ts": 1_767_225_600_000_i64, "event": "start" }),
            json!({ "ts": 1_767_225_600_000_i64, "session": "s", "event": "pause" }),
            json!({ "ts": 1_767_225_600_000_i64, "session": "s", "event": "stop", "reason": "bored" }),
            json!({ "ts": 1_767_225_600_000_i64, "session": "s", "event": "stop", "disputed": "no" }),
        ],
    );
    check_messages(
        "alarm-in.schema.json",
        &[
            json!({ "ts": 1_767_225_600_000_i64, "class": "insulation", "state": "raised" }),
            json!({
                "ts": 1_767_225_600_000_i64, "class": "connector_overtemp", "level": "personal", "state": "cleared", "code": "18",
                "value": 92.5, "note": "fan replaced"
            }),
        ],
        &[
            json!({ "ts": 1_767_225_600_000_i64, "class": "INSULATION", "state": "raised" }),
            json!({ "class": "insulation", "state": "raised" }),
            json!({ "ts": 1_767_225_600_000_i64, "class": "insulation", "state": "raised", "level": 1 }),
        ],
    );
    let classes = read("alarm-in.schema.json")["properties"]["class"]["enum"].clone();
    assert_eq!(classes, json!(AlarmClass::ALL.iter().map(|class| class.name()).collect::<Vec<_>>()));
}

#[test]
fn master_data_as_the_wire_page_has_it() {
    check_messages(
        "info.schema.json",
        &[json!({
            "ts": "2026-01-01T00:00:00+08:00", "name": "示例充电站", "area": "530102001", "access": "public",
            "scene": "highway_service_area", "state": "operating", "lng": 102.7, "lat": 25.0,
            "equipment": [{
                "id": "E1", "rated_kw": 120, "production_date": "2020-02-29",
                "connectors": [{ "id": "C1", "rated_kw": 60, "current": "dc", "v_max": 750, "v2g": false, "discharge_kw": 0 }]
            }]
        })],
        &[
            json!({ "ts": 1_767_225_600_000_i64, "area": "5301" }),
            json!({ "ts": 1_767_225_600_000_i64, "scene": "moon" }),
            json!({ "ts": 1_767_225_600_000_i64, "equipment": [{ "connectors": [] }] }),
            json!({ "ts": 1_767_225_600_000_i64, "equipment": [{ "id": "E1", "connectors": [{ "id": "C1", "current": "DC" }] }] }),
        ],
    );
}

/// Every `$ref` of a document, with the file that it stands in.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                found.push(reference.clone());
            }
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_of_the_asyncapi_document_resolves() {
    let document = read("asyncapi.json");
    assert_eq!(document["asyncapi"], "3.0.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 40, "only {} references", found.len());
    for reference in found {
        match reference.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{reference}"),
            None => assert!(read(&reference)["$id"].is_string(), "{reference}"),
        }
    }
    for (name, channel) in document["channels"].as_object().expect("channels") {
        let address = channel["address"].as_str().expect("address");
        let named: Vec<&str> =
            address.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}')).collect();
        let declared = channel["parameters"].as_object().map_or(0, serde_json::Map::len);
        assert_eq!(declared, named.len(), "{name}");
        assert!(named.iter().all(|parameter| channel["parameters"].get(parameter).is_some()), "{name}");
    }
}

#[test]
fn every_channel_of_the_wire_page_is_in_the_asyncapi_document() {
    let document = read("asyncapi.json");
    let channels = document["channels"].as_object().expect("channels");
    let mut found: Vec<&str> = channels.values().filter_map(|channel| channel["address"].as_str()).collect();
    let mut wanted = vec![
        "ev/v1/{province}/{operator}/{station}/info",
        "ev/v1/{province}/{operator}/{station}/status",
        "ev/v1/{province}/{operator}/{station}/alarm",
        "ev/v1/{province}/{operator}/{station}/{connector}/telemetry",
        "ev/v1/{province}/{operator}/{station}/{connector}/session",
        "ev/v1/{province}/{operator}/{station}/{connector}/alarm",
        "chargetally/v1/summary/{window}/nation",
        "chargetally/v1/summary/{window}/province/{province}",
        "chargetally/v1/summary/{window}/city/{city}",
        "chargetally/v1/summary/{window}/county/{county}",
        "chargetally/v1/summary/{window}/operator/{operator}",
        "chargetally/v1/summary/{window}/station/{operator}/{station}",
        "chargetally/v1/alarm/{province}/{operator}/{station}/{connector}/{class}",
        "chargetally/v1/rejected",
        "chargetally/v1/counters",
        "chargetally/v1/status",
    ];
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}
