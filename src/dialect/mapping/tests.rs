//! What the messages of each family say, as golden text; the rules by which values live on; and noise.

use std::fs;

use chargetally_core::time::ArrivalTime;
use proptest::prelude::*;

use super::*;
use crate::dialect::Dialect;
use crate::dialect::describe::Described;
use crate::settings;

/// 2026-11-23T05:23:41Z.
const START_MS: i64 = 1_795_411_421_000;

/// The dialect that a source with these settings speaks.
fn dialect(source: &str) -> Dialect {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.toml");
    fs::write(&path, format!("[[source]]\n{source}")).expect("written");
    let loaded = settings::load(&[path]).unwrap_or_else(|error| panic!("{error}"));
    let spec = loaded.settings.sources[0].mapping.clone().expect("a mapping");
    Dialect::Mapping(Mapping::new(spec))
}

/// What messages say, one after the other: lines of `+MS [r] TOPIC PAYLOAD`, the time after the one before, `r` for those
/// that the broker replayed.
fn told(dialect: &mut Dialect, messages: &str) -> String {
    let mut told = String::new();
    let mut now_ms = START_MS;
    for line in messages.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (after, rest) = line.split_once(' ').expect("a time");
        now_ms += after.trim_start_matches('+').parse::<i64>().expect("a number");
        let (retained, rest) = rest.strip_prefix("r ").map_or((false, rest), |rest| (true, rest));
        let (topic, payload) = rest.split_once(' ').unwrap_or((rest, ""));
        told += &format!("{line}\n");
        let arrival = ArrivalTime::from_ms(now_ms);
        let limits = Limits::default();
        let decoded = dialect.decode(topic, payload.as_bytes(), arrival, retained, &limits, &mut |key, observation| {
            told += &format!("    {}\n", Described(key, &observation));
        });
        if let Err(reject) = decoded {
            told += &format!("    refused: {reject}\n");
        }
    }
    told
}

fn check(source: &str, messages: &str) -> String {
    told(&mut dialect(source), messages)
}

#[test]
fn evcc_tells_its_loadpoints() {
    insta::assert_snapshot!(check(
        "dialect = 'evcc'",
        "+0 r evcc/status online
         +0 r evcc/loadpoints/1/connected true
         +0 r evcc/loadpoints/1/charging false
         +0 r evcc/loadpoints/1/chargePower 0
         +0 r evcc/loadpoints/1/chargeTotalImport 15229.1
         +5000 evcc/updated 1795411426
         +0 evcc/loadpoints/1/chargePower 10807.645
         +0 evcc/loadpoints/1/chargeTotalImport 15229.13
         +1 evcc/loadpoints/1/charging true
         +0 evcc/loadpoints/1/vehicleSoc 54
         +0 evcc/loadpoints/1/chargePower 10807.645
         +10000 evcc/loadpoints/1/chargePower 10811.2
         +0 evcc/loadpoints/1/vehicleSoc
         +0 evcc/loadpoints/2/connected false
         +0 evcc/loadpoints/2/charging maybe
         +0 evcc/loadpoints/2/chargePower lots
         +9000 evcc/status offline
         +9000 evcc/loadpoints/1/chargePower 10811.2"
    ));
}

#[test]
fn openwb_tells_its_charge_points() {
    insta::assert_snapshot!(check(
        "dialect = 'openwb'\nstation = 'house-7'",
        "+0 r openWB/chargepoint/3/get/plug_state true
         +0 r openWB/chargepoint/3/get/charge_state true
         +0 r openWB/chargepoint/3/get/imported 1234567.0
         +4000 openWB/chargepoint/3/get/power 10807.6
         +3 openWB/chargepoint/3/get/voltages [230.2, 229.9, 230.4]
         +3 openWB/chargepoint/3/get/currents [16.11, 16.1, 16.09]
         +3 openWB/chargepoint/3/get/imported 1234597.5
         +3 openWB/chargepoint/3/get/exported 0
         +10000 openWB/chargepoint/3/get/fault_state 2
         +10000 openWB/chargepoint/3/get/fault_state 0
         +10 openWB/chargepoint/3/get/charge_state false
         +10 openWB/chargepoint/3/get/power 0
         +60000 openWB/chargepoint/3/get/frequency 50.02
         +10 openWB/chargepoint/3/get/plug_state false
         +10 openWB/chargepoint/get/power 10807.6"
    ));
}

#[test]
fn a_go_e_charger_tells_what_it_does() {
    insta::assert_snapshot!(check(
        "dialect = 'go-e'",
        "+0 /go-eCharger/204711/rbt 9563735
         +10 /go-eCharger/204711/nrg [229,230,231,0,0,0,0,0,0,0,0,0,0,0,0,0]
         +10 /go-eCharger/204711/car 3
         +10 /go-eCharger/204711/err null
         +10 /go-eCharger/204711/tma [24.125,28.25]
         +900 /go-eCharger/204711/car 2
         +10 /go-eCharger/204711/nrg [229,230,231,0,16.1,16.0,16.1,3690,3680,3719,0,11089,100,100,100,0]
         +10 /go-eCharger/204711/eto 1534234
         +900 /go-eCharger/204711/err 8
         +10 /go-eCharger/204711/car 5
         +900 /go-eCharger/204711/err 9
         +900 /go-eCharger/204711/err 0
         +10 /go-eCharger/204711/car null
         +10 /go-eCharger/204711/car 9
         +10 /go-eCharger/204711/nrg [1,2
         +10 /go-eCharger/204711/rssi -44"
    ));
}

#[test]
fn an_open_evse_tells_what_it_does() {
    insta::assert_snapshot!(check(
        "dialect = 'openevse'",
        "+0 r openevse/announce/3f0c {\"state\":\"connected\",\"id\":\"c44f33aa3f0c\",\"name\":\"openevse-3f0c\"}
         +0 openevse-3f0c/amp 16000
         +0 openevse-3f0c/wh 12345
         +0 openevse-3f0c/temp1 312
         +0 openevse-3f0c/temp2 -2560
         +0 openevse-3f0c/state 3
         +30000 openevse-3f0c/temp1 -2560
         +0 openevse-3f0c/temp1 false
         +0 openevse-3f0c/wh 12478
         +0 openevse-3f0c/state 6
         +0 openevse-3f0c/state 254
         +0 openevse/announce/3f0c {\"state\":\"disconnected\",\"id\":\"c44f33aa3f0c\"}"
    ));
}

#[test]
fn a_smart_evse_tells_what_it_does() {
    insta::assert_snapshot!(check(
        "dialect = 'smartevse'",
        "+0 r SmartEVSE-5012/connected online
         +0 r SmartEVSE-5012/State Charging
         +0 SmartEVSE-5012/EVChargePower 10807
         +0 SmartEVSE-5012/EVCurrentL1 161
         +0 SmartEVSE-5012/EVTotalEnergyCharged 1534234
         +10000 SmartEVSE-5012/State Charging Stopped
         +10000 SmartEVSE-5012/Error RCM Tripped
         +10000 SmartEVSE-5012/Error None
         +10000 SmartEVSE-5012/ESPUptime 86400
         +10000 SmartEVSE-5012/connected offline"
    ));
}

#[test]
fn a_warp_charger_tells_what_it_does() {
    insta::assert_snapshot!(check(
        "dialect = 'warp'",
        "+0 warp2/XyZ/evse/state {\"iec61851_state\":2,\"charger_state\":3,\"error_state\":0}
         +10 warp2/XyZ/meter/values {\"power\":10807.6,\"energy_rel\":4.612,\"energy_abs\":1534.234}
         +1000 warp2/XyZ/meter/values {\"power\":10803.1,\"energy_abs\":null}
         +1000 warp2/XyZ/evse/state {\"charger_state\":4,\"error_state\":3}
         +1000 warp2/XyZ/evse/state {\"charger_state\":0,\"error_state\":0}
         +1000 warp2/XyZ/evse/state []
         +1000 warp2/XyZ/evse/state {\"charger_state\":{}}"
    ));
}

#[test]
fn a_homie_device_tells_its_nodes() {
    insta::assert_snapshot!(check(
        "dialect = 'homie'",
        "+0 r homie/5/station-0001/$state ready
         +0 r homie/5/station-0001/connector1/power 60375.5
         +0 r homie/5/station-0001/connector1/status Charging
         +5000 homie/5/station-0001/connector1/power 60380
         +5000 homie/5/station-0001/connector1/status Preparing
         +5000 homie/5/station-0001/connector1/status Sleepy
         +5000 homie/5/station-0001/$state lost"
    ));
}

const OWN: &str = "dialect = 'mapping'
root = 'plant'
prefix = '{root}/{operator}/{station}'

[[source.mapping.field]]
topic = 'gun/{connector}'
pointer = '/t'
to = 'ts'
format = 'local'

[[source.mapping.field]]
topic = 'gun/{connector}'
pointer = '/id'
to = 'connector'

[[source.mapping.field]]
topic = 'gun/{connector}'
pointer = '/p'
to = 'power_kw'
scale = 0.5
offset = 1

[[source.mapping.field]]
topic = 'gun/{connector}'
pointer = '/s'
to = 'status'
values = { A = 'available', C = 'charging' }

[[source.mapping.field]]
topic = 'gun/{connector}'
pointer = '/temp'
to = 'connector_temp_c'
unit = 'F'

[[source.mapping.field]]
topic = 'gun/{connector}'
pointer = '/session'
to = 'session'
";

#[test]
fn a_mapping_of_ones_own_reads_times_units_and_ids() {
    insta::assert_snapshot!(check(
        OWN,
        "+0 plant/op/st/gun/1 {\"t\":\"2026-11-23 13:23:40\",\"id\":1,\"p\":\"14\",\"s\":\"C\",\"temp\":113,\"session\":\"x\"}
         +0 r plant/op/st/gun/1 {\"t\":\"2026-11-23 13:23:41.5\",\"p\":16}
         +0 plant/op/st/gun/1 {\"t\":\"2026-11-23T13:23:40\",\"s\":\"A\"}
         +0 plant/op/st/gun/1 {\"t\":\"2026-11-23T13:23:42\"}
         +0 plant/op/st/gun/1 {\"t\":\"2026-11-23T13:23:42\",\"id\":\"2\",\"s\":\"A\"}
         +0 plant/op/st/gun/1 {\"t\":\"yesterday\"}
         +0 plant/op/st/gun/1 {\"p\":1e9}
         +0 plant/op/st/gun/1 {\"p\":true}
         +0 plant/op/st/gun/1/x {}"
    ));
}

#[test]
fn a_replayed_value_counts_but_says_nothing_about_now() {
    let mut dialect = dialect("dialect = 'evcc'");
    let replayed = told(&mut dialect, "+0 r evcc/loadpoints/1/charging true\n+0 r evcc/loadpoints/1/chargePower 7000");
    assert!(!replayed.contains("sample"), "{replayed}");
    let live = told(&mut dialect, "+9000 evcc/loadpoints/1/vehicleSoc 50");
    assert!(live.contains("05:23:50.000Z status=charging power_kw=7 soc_pct=50"), "{live}");
}

#[test]
fn a_state_is_not_guessed_from_the_power_while_the_status_is_not_known() {
    let mut dialect = dialect("dialect = 'evcc'");
    assert!(!told(&mut dialect, "+0 evcc/loadpoints/1/chargePower 0").contains("sample"));
    assert!(told(&mut dialect, "+0 evcc/loadpoints/1/chargePower 7000").contains("sample"));
}

#[test]
fn an_old_reading_of_a_register_is_not_told_again() {
    let mut dialect = dialect("dialect = 'evcc'");
    let first = told(&mut dialect, "+0 evcc/loadpoints/1/connected true\n+0 evcc/loadpoints/1/chargeTotalImport 5");
    assert_eq!(first.matches("import_kwh=5").count(), 1, "{first}");
    let replayed =
        told(&mut dialect, "+0 r evcc/loadpoints/1/chargeTotalImport 6\n+9000 evcc/loadpoints/1/chargePower 1");
    assert!(!replayed.contains("import_kwh"), "{replayed}");
    assert!(!told(&mut dialect, "+9000 evcc/loadpoints/1/chargePower 7000").contains("import_kwh"));
}

#[test]
fn values_that_repeat_within_a_second_are_told_once() {
    let mut dialect = dialect("dialect = 'go-e'");
    let burst = "+0 /go-eCharger/1/car 2\n".repeat(8) + &"+125 /go-eCharger/1/tma [30.5, 20]\n".repeat(16);
    let told = told(&mut dialect, &burst);
    assert_eq!(told.matches("sample").count(), 3, "{told}");
}

#[test]
fn memory_survives_being_packed() {
    let messages = "+0 evcc/loadpoints/1/connected true
                    +0 evcc/loadpoints/1/charging true
                    +0 evcc/loadpoints/1/chargeTotalImport 5
                    +0 evcc/loadpoints/2/vehicleSoc 5";
    let mut before = dialect("dialect = 'evcc'");
    told(&mut before, messages);
    let mut after = dialect("dialect = 'evcc'");
    let mut packed = Vec::new();
    before.changed_memory(&mut |key, bytes| {
        packed.push((key.operator.to_owned(), key.station.to_owned(), bytes.to_vec()));
    });
    assert_eq!(packed.len(), 1);
    for (operator, station, bytes) in &packed {
        after.restore_memory(StationKey { operator, station }, bytes).expect("what was packed");
        for cut in 0..bytes.len() {
            assert!(after.clone().restore_memory(StationKey { operator, station }, &bytes[..cut]).is_err(), "{cut}");
        }
    }
    before.changed_memory(&mut |key, _| panic!("{key:?} did not change"));
    let later = "+500 evcc/loadpoints/1/chargePower 7000\n+0 evcc/loadpoints/2/connected true";
    assert_eq!(told(&mut after, later), told(&mut before, later));
}

#[test]
fn a_station_of_the_register_is_registered_when_it_is_first_heard_of() {
    let rows = "station,connector,area,rated_kw\nevcc,1,530102001,11\nevcc,2,,22\nother,1,,7\n";
    let register = Arc::new(settings::register::parse(rows, "evcc").expect("a register"));
    let Dialect::Mapping(mapping) = dialect("dialect = 'evcc'") else { panic!("evcc is a mapping") };
    let mut dialect = Dialect::Mapping(mapping.with_register(register));
    let first = told(&mut dialect, "+0 r evcc/loadpoints/1/connected true\n+9 evcc/loadpoints/1/connected true");
    let registered = "registration evcc/evcc name=\"\" state=operating area=530102001 equipment=2 connectors=2";
    assert_eq!(first.matches(registered).count(), 1, "{first}");
    assert!(first.find("registration") < first.find("sample"), "{first}");
    assert!(!told(&mut dialect, "+9 evcc/status online").contains("registration"));
}

#[test]
fn a_station_has_no_more_connectors_than_the_limit() {
    let mut dialect = dialect("dialect = 'evcc'");
    let limits = Limits { connectors_max: 2, ..Limits::default() };
    let mut refused = 0;
    for connector in 0..5 {
        let topic = format!("evcc/loadpoints/{connector}/connected");
        let decoded = dialect.decode(&topic, b"true", ArrivalTime::from_ms(START_MS), false, &limits, &mut |_, _| {});
        refused += u32::from(decoded == Err(Reject::field(Reason::TooManyParts, "connector")));
    }
    assert_eq!(refused, 3);
}

/// Topics of all families, and payloads that some of them have.
const TOPICS: [&str; 8] = [
    "evcc/loadpoints/1/charging",
    "evcc/loadpoints/1/chargePower",
    "openWB/chargepoint/3/get/voltages",
    "/go-eCharger/1/nrg",
    "openevse/announce/1",
    "warp2/a/evse/state",
    "homie/5/a/b/status",
    "plant/op/st/gun/1",
];

const PAYLOADS: [&str; 6] = [
    "true",
    "[229,230,231,0,16.1,16.0,16.1,3690,3680,3719,0,11089,100,100,100,0]",
    r#"{"charger_state":3,"error_state":0,"state":"connected"}"#,
    r#"{"t":"2026-11-23 13:23:40","id":1,"p":"14","s":"C","temp":113,"session":"x"}"#,
    "-1.5e308",
    "Charging",
];

fn all() -> Vec<Dialect> {
    let presets = ["evcc", "openwb", "go-e", "openevse", "smartevse", "warp", "homie"];
    let mut all: Vec<Dialect> = presets.iter().map(|name| dialect(&format!("dialect = '{name}'"))).collect();
    all.push(dialect(OWN));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn noise_is_refused_or_read_and_never_more(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        payload in 0..PAYLOADS.len(),
        cut in any::<prop::sample::Index>(),
        flip in any::<u8>(),
        retained in any::<bool>(),
        arrival in any::<i64>(),
    ) {
        let mut mutated = PAYLOADS[payload].as_bytes().to_vec();
        let place = cut.index(mutated.len());
        mutated[place] ^= flip;
        for dialect in &mut all() {
            for topic in TOPICS {
                for payload in [&bytes, &mutated] {
                    let mut count = 0;
                    let arrival = ArrivalTime::from_ms(arrival);
                    let decoded = dialect.decode(topic, payload, arrival, retained, &Limits::default(), &mut |_, _| count += 1);
                    prop_assert!(decoded.is_ok() || count == 0);
                    prop_assert!(count <= 3);
                }
            }
            let mut station = None;
            dialect.changed_memory(&mut |_, packed| station = Some(packed.len()));
            prop_assert!(station.unwrap_or_default() < 4_000);
        }
    }

    #[test]
    fn noise_is_no_memory_or_is_read_within_its_size(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let key = StationKey { operator: "o", station: "s" };
        let mut dialect = dialect("dialect = 'evcc'");
        let _read = dialect.restore_memory(key, &bytes);
    }
}

#[test]
fn everest_tells_what_board_meter_and_monitor_say() {
    insta::assert_snapshot!(check(
        "dialect = 'everest'\nstation = 'lab-3'",
        r#"+0 everest_api/1/evse_board_support/evse_1/m2e/event {"event":"A"}
           +1000 everest_api/1/evse_board_support/evse_1/m2e/event {"event":"B"}
           +1000 everest_api/1/evse_board_support/evse_1/m2e/event {"event":"C"}
           +1000 everest_api/1/evse_board_support/evse_1/m2e/event {"event":"PowerOn"}
           +1000 everest_api/1/powermeter/evse_1/m2e/powermeter_values {"current_A":{"L1":16.0},"energy_Wh_import":{"L1":1500,"total":4611.5},"meter_id":"M","power_W":{"total":10807.6},"timestamp":"2026-11-23T05:23:45Z","voltage_V":{"L1":230.5}}
           +1000 everest_api/1/evse_board_support/evse_1/m2e/raise_error {"type":"MREC19CableOverTempStop","sub_type":"","message":"hot"}
           +1000 everest_api/1/evse_board_support/evse_1/m2e/clear_error {"type":"MREC19CableOverTempStop","sub_type":"","message":""}
           +1000 everest_api/1/isolation_monitor/evse_1/m2e/isolation_measurement {"resistance_F_Ohm":900000,"voltage_V":400}
           +1000 everest_api/1/evse_board_support/evse_1/m2e/event {"event":"A"}
           +1000 everest_api/1/evse_board_support/evse_1/m2e/event {"event":"PowerOff"}
           +1000 everest_api/1/evse_board_support/evse_1/m2e/event {"event":"F"}
           +1000 everest_api/1/evse_board_support/evse_1/m2e/communication_check true
           +1000 everest_api/gun_2/var/session_info {"charged_energy_wh":0,"datetime":"2026-11-23T05:23:52.747Z","latest_total_w":0.0,"permanent_fault":false,"state":"Unplugged"}
           +1000 everest_api/gun_2/var/session_info {"datetime":"2026-11-23T05:23:53.747Z","permanent_fault":false,"state":"Charging"}
           +1000 everest_api/gun_2/var/powermeter {"energy_Wh_import":{"total":4611.5},"power_W":{"total":10807.6},"timestamp":1795411435.5,"voltage_V":{"L1":223.5},"current_A":{"L1":16.1}}
           +1000 everest_api/gun_2/var/session_info {"datetime":"2026-11-23T05:23:56Z","state":"Dreaming"}
           +1000 everest_api/1/evse_manager_consumer/evse_1/m2e/pause_charging {}"#
    ));
}
