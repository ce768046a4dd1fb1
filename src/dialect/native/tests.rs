//! Tables of messages and what they say, or why they are refused; and noise.

use chargetally_core::registration::{Access, ConnectorSpec, Current, Equipment, Registration, Scene, StationState};
use chargetally_core::time::ArrivalTime;
use proptest::prelude::*;

use super::*;
use crate::dialect::Dialect;

const TELEMETRY: &str = "ev/v1/53/op/st/c1/telemetry";
const SESSION: &str = "ev/v1/53/op/st/c1/session";
const ALARM: &str = "ev/v1/53/op/st/c1/alarm";
const STATION_ALARM: &str = "ev/v1/53/op/st/alarm";
const INFO: &str = "ev/v1/53/op/st/info";
const STATUS: &str = "ev/v1/53/op/st/status";

/// 2026-11-23T05:23:41.214+08:00.
const AT: EventTime = EventTime::from_ms(1_795_382_621_214);

/// Decodes a message and gives each observation to `see`.
fn decode(
    topic: &str,
    payload: &[u8],
    limits: &Limits,
    mut see: impl FnMut(StationKey<'_>, Observation<'_>),
) -> Result<(), Reject> {
    let arrival = ArrivalTime::from_ms(0);
    Dialect::Native(Native::new(Root::default_in())).decode(topic, payload, arrival, true, limits, &mut see)
}

fn check(topic: &str, payload: &str, expected: &[Observation<'_>]) {
    let mut seen = 0;
    let read = decode(topic, payload.as_bytes(), &Limits::default(), |key, observation| {
        assert_eq!(key, StationKey { operator: "op", station: "st" });
        assert_eq!(Some(&observation), expected.get(seen), "{payload}");
        seen += 1;
    });
    assert_eq!((read, seen), (Ok(()), expected.len()), "{payload}");
}

fn check_reject(topic: &str, payload: impl AsRef<[u8]>, expected: &str) {
    check_limited(&Limits::default(), topic, payload, expected);
}

fn check_limited(limits: &Limits, topic: &str, payload: impl AsRef<[u8]>, expected: &str) {
    let payload = payload.as_ref();
    let shown = String::from_utf8_lossy(payload);
    let read = decode(topic, payload, limits, |_, _| panic!("{shown} yields an observation"));
    assert_eq!(read.expect_err(&shown).to_string(), expected, "{shown}");
}

fn empty_sample() -> Sample<'static> {
    Sample {
        at: AT,
        status: None,
        power_w: None,
        import_j: None,
        export_j: None,
        demand_w: None,
        vitals: Vitals::default(),
        session: None,
    }
}

fn sampled(sample: Sample<'_>) -> Observation<'_> {
    Observation::Sample { connector: "c1", sample }
}

const FULL: &str = r#"{"ts":"2026-11-23T05:23:41.2149+08:00","status":"discharging","power_kw":-7.0005,
 "import_kwh":182736.412,"export_kwh":0,"voltage_v":612.4,"current_a":-95.3,"power_demand_kw":60,
 "connector_temp_c":41.5,"soc_pct":63.5,"battery_temp_max_c":35,"battery_temp_min_c":-3.5,"cell_v_max":4.151,
 "cell_v_min":4.1,"insulation_kohm":1250,"session":"S\u0031","unknown":{"a":[1,{"b":"]}\""}]}}"#;

fn full() -> Observation<'static> {
    sampled(Sample {
        status: Some(Status::Discharging),
        power_w: Some(-7001),
        import_j: Some(657_851_083_200),
        export_j: Some(0),
        demand_w: Some(60_000),
        vitals: Vitals {
            voltage_mv: Some(612_400),
            current_ma: Some(-95_300),
            connector_temp_mc: Some(41_500),
            soc_permille: Some(635),
            battery_temp_max_mc: Some(35_000),
            battery_temp_min_mc: Some(-3500),
            cell_mv_max: Some(4151),
            cell_mv_min: Some(4100),
            insulation_ohm: Some(1_250_000),
        },
        session: Some("S1"),
        ..empty_sample()
    })
}

#[test]
fn telemetry_is_read_in_our_units() {
    check(TELEMETRY, FULL, &[full()]);
    for ts in ["1795382621214", "1795382621214.0", "1.795382621214e12", "\"2026-11-22t21:23:41.214z\""] {
        check(TELEMETRY, &format!(r#" {{"ts":{ts}}} "#), &[sampled(empty_sample())]);
    }
}

#[test]
fn null_is_the_same_as_absent() {
    let text = r#"{"ts":1795382621214,"status":null,"power_kw":null,"soc_pct":null,"session":null}"#;
    check(TELEMETRY, text, &[sampled(empty_sample())]);
    check(TELEMETRY, r#"{"ts":1795382621214,"session":""}"#, &[sampled(empty_sample())]);
    check_reject(TELEMETRY, r#"{"ts":null}"#, "missing_ts: ts");
}

#[test]
fn of_a_member_that_comes_twice_the_last_one_counts() {
    let expected = sampled(Sample { power_w: Some(2000), ..empty_sample() });
    let text = r#"{"ts":1795382621213,"power_kw":1,"power_kw":2,"ts":1795382621214}"#;
    check(TELEMETRY, text, &[expected]);
}

#[test]
fn powers_round_half_away_from_zero_to_the_last_unit() {
    for (text, power_w) in [("7.0005", 7001), ("-7.0005", -7001), ("0.0004999999999999999", 0), ("1e1", 10_000)] {
        let expected = sampled(Sample { power_w: Some(power_w), ..empty_sample() });
        check(TELEMETRY, &format!(r#"{{"ts":1795382621214,"power_kw":{text}}}"#), &[expected]);
    }
}

#[test]
fn an_array_of_telemetry_is_taken_whole_or_not_at_all() {
    check(TELEMETRY, "[]", &[]);
    check(TELEMETRY, &format!(" [{FULL} , {{\"ts\":1795382621214}}]"), &[full(), sampled(empty_sample())]);
    check_reject(TELEMETRY, format!("[{FULL},{{}}]"), "missing_ts: ts");
    check_reject(TELEMETRY, format!("[{FULL},{FULL}"), "not_json");
    check_reject(TELEMETRY, format!("[{FULL},1]"), "wrong_type");
    check_reject(TELEMETRY, format!("[{FULL}]x"), "not_json");
    let limits = Limits { array_len_max: 2, ..Limits::default() };
    check_limited(&limits, TELEMETRY, format!("[{FULL},{FULL},{FULL}]"), "too_long_array");
}

#[test]
fn telemetry_of_wrong_type_or_out_of_range_is_refused() {
    for (member, expected) in [
        (r#""power_kw":"7""#, "wrong_type: power_kw"),
        (r#""power_kw":true"#, "wrong_type: power_kw"),
        (r#""power_kw":[7]"#, "wrong_type: power_kw"),
        (r#""power_kw":10000.1"#, "out_of_range: power_kw"),
        (r#""power_kw":-1e400"#, "out_of_range: power_kw"),
        (r#""import_kwh":-0.1"#, "out_of_range: import_kwh"),
        (r#""export_kwh":1000000001"#, "out_of_range: export_kwh"),
        (r#""voltage_v":-1"#, "out_of_range: voltage_v"),
        (r#""voltage_v":2001"#, "out_of_range: voltage_v"),
        (r#""current_a":-3001"#, "out_of_range: current_a"),
        (r#""power_demand_kw":10001"#, "out_of_range: power_demand_kw"),
        (r#""connector_temp_c":205.5"#, "out_of_range: connector_temp_c"),
        (r#""battery_temp_max_c":-51"#, "out_of_range: battery_temp_max_c"),
        (r#""battery_temp_min_c":"x""#, "wrong_type: battery_temp_min_c"),
        (r#""soc_pct":100.1"#, "out_of_range: soc_pct"),
        (r#""cell_v_max":25"#, "out_of_range: cell_v_max"),
        (r#""cell_v_min":-1"#, "out_of_range: cell_v_min"),
        (r#""insulation_kohm":-1"#, "out_of_range: insulation_kohm"),
        (r#""status":"Charging""#, "unknown_value: status"),
        (r#""status":3"#, "wrong_type: status"),
        (r#""session":12"#, "wrong_type: session"),
        (r#""session":"\ud800""#, "not_json: session"),
        (r#""power_kw":NaN"#, "not_json"),
        (r#""power_kw":07"#, "not_json"),
        (r#""power_kw":1,"#, "not_json"),
    ] {
        check_reject(TELEMETRY, format!(r#"{{"ts":1795382621214,{member}}}"#), expected);
    }
    check_reject(
        TELEMETRY,
        format!(r#"{{"ts":1795382621214,"session":"{}"}}"#, "x".repeat(65)),
        "id_too_long: session",
    );
}

#[test]
fn times_that_cannot_be_meant_are_refused() {
    for (ts, expected) in [
        ("\"2026-11-23T05:23:41\"", "bad_time: ts"),
        ("\"2026-11-23T05:23:41Z+0800\"", "bad_time: ts"),
        ("\"\"", "bad_time: ts"),
        ("\"1999-12-31T23:59:59.999Z\"", "out_of_range: ts"),
        ("\"2101-01-01T00:00:00Z\"", "out_of_range: ts"),
        ("1795382621", "out_of_range: ts"),
        ("99999999999999999999", "out_of_range: ts"),
        ("1e999", "out_of_range: ts"),
        ("1795382621214.5", "wrong_type: ts"),
        ("true", "wrong_type: ts"),
    ] {
        check_reject(TELEMETRY, format!(r#"{{"ts":{ts}}}"#), expected);
    }
}

#[test]
fn what_is_no_message_at_all_is_refused() {
    check_reject("ev/v1/53/op/st/c1/other", "{}", "bad_topic");
    check_reject(&TELEMETRY.replace("op", &"x".repeat(65)), "{}", "id_too_long");
    check_reject(TELEMETRY, b"{\"session\":\"\xff\"}", "not_utf8");
    check_reject(TELEMETRY, " ", "not_json");
    check_reject(TELEMETRY, "5", "wrong_type");
    check_reject(TELEMETRY, "\"x\"", "wrong_type");
    check_reject(TELEMETRY, "{\"ts\":1795382621214", "not_json");
    check_reject(TELEMETRY, "{\"ts\":1795382621214}{}", "not_json");
    let limits = Limits { payload_bytes_max: 30, ..Limits::default() };
    check_limited(&limits, TELEMETRY, FULL, "too_large");
}

#[test]
fn nesting_is_bounded_in_what_is_ignored_too() {
    let nested = |depth: usize| format!(r#"{{"ts":1795382621214,"x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    check(TELEMETRY, &nested(14), &[sampled(empty_sample())]);
    check_reject(TELEMETRY, nested(15), "too_deep");
    check_reject(TELEMETRY, nested(100_000), "too_deep");
    check_reject(TELEMETRY, "[".repeat(200_000), "wrong_type");
}

#[test]
fn sessions_are_read() {
    let event = |step| Observation::Session { connector: "c1", event: SessionEvent { at: AT, session: "S/1", step } };
    let text = |tail: &str| format!(r#"{{"ts":1795382621214,"session":"S/1",{tail}}}"#);
    check(SESSION, &text(r#""event":"attempt""#), &[event(SessionStep::Attempt)]);
    check(SESSION, &text(r#""event":"start""#), &[event(SessionStep::Start)]);
    check(SESSION, &text(r#""event":"stop""#), &[event(SessionStep::Stop(SessionStop::default()))]);
    let stop = SessionStop {
        reason: Some(StopReason::SocLimit),
        energy_j: Some(90_000_000),
        billed_j: Some(89_999_964),
        energy_fee_fen: Some(2_513),
        service_fee_fen: Some(1_000),
        disputed: true,
    };
    let tail = r#""event":"stop","reason":"soc_limit","energy_kwh":25,"billed_kwh":24.99999,"energy_fee":25.125,
        "service_fee":10,"disputed":true"#;
    check(SESSION, &text(tail), &[event(SessionStep::Stop(stop))]);
    for (payload, expected) in [
        (r#"{"session":"S","event":"start"}"#, "missing_ts: ts"),
        (r#"{"ts":1795382621214,"event":"start"}"#, "missing_field: session"),
        (r#"{"ts":1795382621214,"session":"","event":"start"}"#, "empty: session"),
        (r#"{"ts":1795382621214,"session":"S"}"#, "missing_field: event"),
        (r#"{"ts":1795382621214,"session":"S","event":"pause"}"#, "unknown_value: event"),
        (r#"{"ts":1795382621214,"session":"S","event":"stop","reason":"bored"}"#, "unknown_value: reason"),
        (r#"{"ts":1795382621214,"session":"S","event":"start","disputed":1}"#, "wrong_type: disputed"),
        (r#"{"ts":1795382621214,"session":"S","event":"stop","energy_kwh":-1}"#, "out_of_range: energy_kwh"),
        (r#"{"ts":1795382621214,"session":"S","event":"stop","billed_kwh":"1"}"#, "wrong_type: billed_kwh"),
        (r#"{"ts":1795382621214,"session":"S","event":"stop","energy_fee":-0.01}"#, "out_of_range: energy_fee"),
        (r#"{"ts":1795382621214,"session":"S","event":"stop","service_fee":1e8}"#, "out_of_range: service_fee"),
        (r#"[{"ts":1795382621214,"session":"S","event":"start"}]"#, "wrong_type"),
    ] {
        check_reject(SESSION, payload, expected);
    }
}

#[test]
fn alarms_are_read_for_a_connector_and_for_a_station() {
    let bare = AlarmReport {
        at: AT,
        class: AlarmClass::SmokeFire,
        level: None,
        raised: true,
        code: None,
        value: None,
        note: None,
    };
    let text = r#"{"ts":1795382621214,"class":"smoke_fire"}"#;
    check(ALARM, text, &[Observation::Alarm { connector: Some("c1"), alarm: bare }]);
    check(STATION_ALARM, text, &[Observation::Alarm { connector: None, alarm: bare }]);
    let text = r#"{"ts":1795382621214,"class":"fan","level":"equipment","state":"cleared","code":"E1","value":-2.5,"note":"n\n"}"#;
    let alarm = AlarmReport {
        at: AT,
        class: AlarmClass::Fan,
        level: Some(Level::Equipment),
        raised: false,
        code: Some("E1"),
        value: Some(-2.5),
        note: Some("n\n"),
    };
    check(ALARM, text, &[Observation::Alarm { connector: Some("c1"), alarm }]);
    for (payload, expected) in [
        (r#"{"class":"fan"}"#, "missing_ts: ts"),
        (r#"{"ts":1795382621214}"#, "missing_field: class"),
        (r#"{"ts":1795382621214,"class":"boredom"}"#, "unknown_value: class"),
        (r#"{"ts":1795382621214,"class":"fan","level":1}"#, "wrong_type: level"),
        (r#"{"ts":1795382621214,"class":"fan","level":"grave"}"#, "unknown_value: level"),
        (r#"{"ts":1795382621214,"class":"fan","state":"on"}"#, "unknown_value: state"),
        (r#"{"ts":1795382621214,"class":"fan","code":7}"#, "wrong_type: code"),
        (r#"{"ts":1795382621214,"class":"fan","value":"7"}"#, "wrong_type: value"),
    ] {
        check_reject(ALARM, payload, expected);
    }
    let long = format!(r#"{{"ts":1795382621214,"class":"fan","note":"{}"}}"#, "x".repeat(1025));
    check_reject(ALARM, long, "too_long_text: note");
}

#[test]
fn a_status_is_a_word() {
    let offline = Observation::StationOffline { at: None, retained: true };
    for text in ["offline", "\"offline\"", "offline\n"] {
        check(STATUS, text, std::slice::from_ref(&offline));
    }
    check(STATUS, "online", &[Observation::StationOnline]);
    let mut retained_seen = None;
    let read = Native::new(Root::default_in()).decode(STATUS, b"offline", false, &Limits::default(), &mut |_, seen| {
        retained_seen = match seen {
            Observation::StationOffline { retained, .. } => Some(retained),
            _ => None,
        };
    });
    assert_eq!((read, retained_seen), (Ok(()), Some(false)));
    check_reject(STATUS, "Offline", "unknown_value");
    check_reject(STATUS, "{}", "unknown_value");
    check_reject(STATUS, "\"\"", "empty");
    check_reject(STATUS, b"\xff", "not_utf8");
}

#[test]
fn an_empty_payload_withdraws_a_registration_and_says_nothing_elsewhere() {
    check(INFO, "", &[Observation::Deregistration { at: None }]);
    for topic in [TELEMETRY, SESSION, ALARM, STATION_ALARM, STATUS] {
        check(topic, "", &[]);
    }
}

const STATION: &str = r#"{"ts":1795382621214,"name":"春城站","area":"530102001","access":"public","scene":"rural",
 "state":"maintenance","lng":102.7,"lat":25.04,"equipment":[{"id":"E1","rated_kw":120,"production_date":"1970-01-02",
 "connectors":[{"id":"c1","rated_kw":60.5,"current":"dc","v_max":1000,"v2g":true,"discharge_kw":15},{"id":"c2"}]},
 {"id":"E2"}]}"#;

#[test]
fn master_data_is_read() {
    let bare = |id: &str| ConnectorSpec {
        id: id.into(),
        rated_w: None,
        current: None,
        v_max: None,
        v2g: false,
        discharge_w: None,
    };
    let c1 = ConnectorSpec {
        rated_w: Some(60_500),
        current: Some(Current::Dc),
        v_max: Some(1000),
        v2g: true,
        discharge_w: Some(15_000),
        ..bare("c1")
    };
    let e1 = Equipment {
        id: "E1".into(),
        rated_w: Some(120_000),
        production_day: Some(1),
        connectors: vec![c1, bare("c2")],
    };
    let e2 = Equipment { id: "E2".into(), rated_w: None, production_day: None, connectors: Vec::new() };
    let registration = Registration {
        at: Some(AT),
        name: "春城站".into(),
        area: chargetally_core::region::Area::parse("530102001").ok(),
        access: Some(Access::Public),
        scene: Some(Scene::Rural),
        state: StationState::Maintenance,
        equipment: vec![e1, e2],
    };
    assert!(registration.area.is_some());
    check(INFO, STATION, &[Observation::Registration(registration)]);
    let nothing = Registration {
        at: None,
        name: "".into(),
        area: None,
        access: None,
        scene: None,
        state: StationState::Operating,
        equipment: Vec::new(),
    };
    check(INFO, "{}", &[Observation::Registration(nothing)]);
}

#[test]
fn master_data_that_contradicts_itself_or_the_topic_is_refused() {
    for (from, to, expected) in [
        (r#""530102001""#, r#""440102001""#, "identity_mismatch: area"),
        (r#""530102001""#, r#""5301""#, "bad_area: area"),
        (r#""530102001""#, "530102001", "wrong_type: area"),
        (r#""c2""#, r#""c1""#, "duplicate_id: connectors.id"),
        (r#""E2""#, r#""E1""#, "duplicate_id: equipment.id"),
        (r#""E2""#, r#""""#, "empty: equipment.id"),
        (r#""c2""#, r#""c/2""#, "bad_id: connectors.id"),
        (r#""id":"c2""#, "", "missing_field: connectors.id"),
        (r#""id":"E2""#, "", "missing_field: equipment.id"),
        (r#""rated_kw":60.5"#, r#""rated_kw":-1"#, "out_of_range: rated_kw"),
        (r#""v_max":1000"#, r#""v_max":2001"#, "out_of_range: v_max"),
        (r#""discharge_kw":15"#, r#""discharge_kw":-15"#, "out_of_range: discharge_kw"),
        (r#""v2g":true"#, r#""v2g":"yes""#, "wrong_type: v2g"),
        (r#""dc""#, r#""hvdc""#, "unknown_value: current"),
        ("1970-01-02", "1970-02-30", "bad_time: production_date"),
        (r#""public""#, r#""open""#, "unknown_value: access"),
        (r#""rural""#, r#""moon""#, "unknown_value: scene"),
        (r#""maintenance""#, r#""asleep""#, "unknown_value: state"),
        ("102.7", "180.1", "out_of_range: lng"),
        ("25.04", "\"25\"", "wrong_type: lat"),
        (r#"[{"id":"E1""#, r#"[1,{"id":"E1""#, "wrong_type"),
        ("\"春城站\"", "7", "wrong_type: name"),
    ] {
        assert!(STATION.contains(from), "{from}");
        check_reject(INFO, STATION.replacen(from, to, 1), expected);
    }
    check_reject(INFO, r#"{"equipment":{}}"#, "wrong_type: equipment");
    check_reject(INFO, r#"{"equipment":[{"id":"E","connectors":"c1"}]}"#, "wrong_type: connectors");
    check_reject(INFO, STATION.replacen("E1", &"x".repeat(65), 1), "id_too_long: equipment.id");
    check_limited(&Limits { equipment_max: 1, ..Limits::default() }, INFO, STATION, "too_many_parts");
    check_limited(&Limits { connectors_max: 1, ..Limits::default() }, INFO, STATION, "too_many_parts");
    let spread = r#"{"equipment":[{"id":"E","connectors":[{"id":"a"}]},{"id":"F","connectors":[{"id":"b"}]}]}"#;
    check_limited(&Limits { connectors_max: 1, ..Limits::default() }, INFO, spread, "too_many_parts: connectors");
}

/// Decodes and returns how much was seen; a refused message must have shown nothing.
fn decode_anything(topic: &str, payload: &[u8]) -> Result<(), TestCaseError> {
    let mut seen = 0;
    let read = decode(topic, payload, &Limits::default(), |_, _| seen += 1);
    prop_assert!(read.is_ok() || seen == 0);
    Ok(())
}

proptest! {
    #[test]
    fn no_payload_makes_it_panic(
        payload in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..200, topic in 0_usize..6,
        sample in 0_usize..3,
    ) {
        let topic = [TELEMETRY, SESSION, ALARM, STATION_ALARM, INFO, STATUS][topic];
        decode_anything(topic, &payload)?;
        // A few bytes of a good message are replaced, and another is cut off.
        let good = [FULL, STATION, r#"[{"ts":1795382621214,"session":"S"},{"ts":"2026-11-22T21:23:41Z"}]"#][sample];
        let mut bytes = good.as_bytes().to_vec();
        let at = at % bytes.len();
        for (byte, noise) in bytes[at..].iter_mut().zip(payload.iter().take(3)) {
            *byte = *noise;
        }
        decode_anything(topic, &bytes)?;
        decode_anything(topic, &good.as_bytes()[..at])?;
    }

    #[test]
    fn what_is_accepted_is_json_to_others_too(text in r#"[\[{]("ts":1795382621214|"x":|[\[\]{}:, 1e."\\-]){0,12}[\]}]"#) {
        let read = decode(TELEMETRY, text.as_bytes(), &Limits::default(), |_, _| {});
        if read.is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn numbers_are_read_as_the_nearest_float(kwh in 0.0_f64..1e9) {
        let text = format!(r#"{{"ts":1795382621214,"import_kwh":{kwh}}}"#);
        let expected = chargetally_core::unit::joules_from_kwh(kwh);
        check(TELEMETRY, &text, &[sampled(Sample { import_j: expected, ..empty_sample() })]);
    }
}
