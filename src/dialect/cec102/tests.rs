//! A charging day in the standard's objects, as golden text; the shapes and habits of senders; what must not be seen;
//! and noise.

use chargetally_core::unit::kwh_from_joules;
use proptest::prelude::*;

use super::*;
use crate::dialect::Dialect;
use crate::dialect::describe::Described;
use crate::settings;
use crate::setup;

/// 2026-11-23T13:23:41+08:00.
const START_MS: i64 = 1_795_411_421_000;

fn dialect(keys: &str) -> Dialect {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.toml");
    std::fs::write(&path, format!("[[source]]\ndialect = 'cec102'\n{keys}")).expect("written");
    let loaded = settings::load(&[path]).unwrap_or_else(|error| panic!("{error}"));
    setup::dialect(&loaded.settings.sources[0])
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

fn check(keys: &str, messages: &str) -> String {
    told(&mut dialect(keys), messages)
}

/// A connector that is known, on topics that name no station.
fn known() -> Dialect {
    let mut dialect = dialect("");
    let said = told(
        &mut dialect,
        r#"+0 cec/v1/MA5DA0053/st-1/status {"ConnectorStatusInfo":{"ConnectorID":"gun-1","Status":1}}"#,
    );
    assert!(!said.contains("refused"), "{said}");
    dialect
}

#[test]
fn a_charging_day_is_told_in_full() {
    insta::assert_snapshot!(check(
        "",
        r#"+0 cec/v1/MA5DA0053/st-1/info {"StationID":"st-1","OperatorID":"MA5DA0053","EquipmentOwnerID":"MA5DA0053","StationName":"翠湖","CountryCode":"CN","AreaCode":"530102","ServiceTel":"087100000000","StationType":1,"StationStatus":50,"ParkNums":2,"StationLng":102.7,"StationLat":25.05,"Construction":11,"BusineHours":"全天","EquipmentInfos":[{"EquipmentID":"eq-1","ProductionDate":"2021-06-30","EquipmentType":1,"Power":120.0,"ConnectorInfos":[{"ConnectorID":"gun-1","ConnectorType":4,"VoltageUpperLimits":750,"VoltageLowerLimits":200,"Current":250,"Power":"120.0","NationalStandard":2},{"ConnectorID":"gun-2","ConnectorType":4,"VoltageUpperLimits":750,"Power":0}]}]}
           +1000 cec/v1/MA5DA0053/st-1/status {"ConnectorStatusInfo":{"ConnectorID":"gun-1","Status":2,"ParkStatus":50,"LockStatus":10}}
           +500 cec/v1/MA5DA0053/st-1/start {"StartChargeSeq":"MA5DA0053202611230000000001","StartChargeSeqStat":1,"ConnectorID":"gun-1","StartTime":"2026-11-23 13:23:42"}
           +8000 cec/v1/MA5DA0053/notification_stationStatus {"ConnectorStatusInfo":{"ConnectorID":"gun-1","Status":3,"ParkStatus":50,"LockStatus":50}}
           +50000 cec/v1/MA5DA0053/notification_equip_charge_status {"StartChargeSeq":"MA5DA0053202611230000000001","StartChargeSeqStat":2,"ConnectorID":"gun-1","ConnectorStatus":3,"CurrentA":150.5,"VoltageA":400.0,"Soc":40,"StartTime":"2026-11-23 13:23:50","EndTime":"2026-11-23 13:24:40","TotalPower":0.83,"ElecMoney":0.5,"SeviceMoney":0.4,"TotalMoney":0.9,"SumPeriod":0,"Vin":"LSVAA4182E2184847"}
           +50000 cec/v1/MA5DA0053/st-1/charge {"ts":"2026-11-23T13:25:31+08:00","seq":7,"data":{"StartChargeSeq":"MA5DA0053202611230000000001","StartChargeSeqStat":"2","ConnectorID":"gun-1","ConnectorStatus":"3","CurrentA":"150.5","VoltageA":"400.0","Soc":"41","StartTime":"2026-11-23 13:23:50","EndTime":"2026-11-23 13:25:30","TotalPower":"1.67"}}
           +20000 cec/v1/MA5DA0053/st-1/status {"ConnectorStatusInfos":[{"ConnectorID":"gun-1","Status":2},{"ConnectorID":"gun-2","Status":255}]}
           +9000 cec/v1/MA5DA0053/st-1/order {"StartChargeSeq":"MA5DA0053202611230000000001","ConnectorID":"gun-1","StartTime":"2026-11-23 13:23:50","EndTime":"2026-11-23 13:25:50","TotalPower":2.0,"TotalElecMoney":1.2,"TotalSeviceMoney":0.8,"TotalMoney":2.0,"StopReason":2,"SumPeriod":2,"ChargeDetails":[{"DetailPower":1.5},{"DetailPower":0.5}],"Phone":13800000000}
           +1000 cec/v1/MA5DA0053/st-1/status {"StationStatusInfos":[{"StationID":"st-1","ConnectorStatusInfos":[{"ConnectorID":"gun-1","Status":1}]}]}
           +1000 cec/v1/MA5DA0053/st-1/status offline
           +1000 r cec/v1/MA5DA0053/st-1/info"#
    ));
}

#[test]
fn alarms_batteries_and_discharge_of_the_supervision_extension_are_told() {
    insta::assert_snapshot!(check(
        "",
        r#"+0 cec/v1/MA5DA0053/st-1/alarm {"AlarmInfos":[{"StationID":"st-1","OperatorID":"MA5DA0053","ConnectorID":"gun-1","AlarmStatus":"1","AlarmCode":"107","AlarmType":"2","AlarmLevel":"2","AlarmTime":"2026-11-23 13:23:40","NoteString":"cell 12","BmsInfo":{"Soc":55,"VoltageH":3.95,"VoltageL":3.9,"TemptureH":41,"TemptureL":36,"TatalVoltage":380.5,"TotalCurrent":80}}]}
           +1000 cec/v1/MA5DA0053/st-1/alarm {"AlarmInfos":[{"ConnectorID":"gun-1","AlarmStatus":1,"AlarmCode":16,"AlarmTime":"2026-11-23 13:23:42"},{"ConnectorID":"gun-1","AlarmStatus":1,"AlarmCode":28,"AlarmTime":"2026-11-23 13:23:42"}]}
           +1000 cec/v1/MA5DA0053/st-1/alarm {"ConnectorID":"gun-1","AlarmStatus":0,"AlarmCode":16,"AlarmTime":"2026-11-23 13:23:43"}
           +1000 cec/v1/MA5DA0053/st-1/alarm {"ConnectorID":"gun-1","AlarmStatus":0,"AlarmCode":28,"AlarmTime":"2026-11-23 13:23:44"}
           +1000 cec/v1/MA5DA0053/st-1/alarm {"AlarmInfos":[{"StationID":"st-1","ConnectorID":"","AlarmStatus":1,"AlarmCode":"204","AlarmLevel":2,"AlarmTime":"2026-11-23 13:23:45"}]}
           +1000 cec/v1/MA5DA0053/st-1/bms {"ConnectorID":"gun-1","BmsInfo":{"Soc":56,"VoltageH":3.96,"VoltageL":3.9,"TemptureH":42,"TemptureL":36}}
           +1000 cec/v1/MA5DA0053/st-1/status {"ConnectorStatusInfo":{"ConnectorID":"gun-1","Status":3,"CurrentA":-50,"VoltageA":400,"SOC":70,"ConnectorTemp":41.5,"DischargeElectricity":12.5}}
           +60000 cec/v1/MA5DA0053/st-1/status {"ConnectorStatusInfo":{"ConnectorID":"gun-1","Status":3,"CurrentA":-50,"VoltageA":400,"SOC":69,"DischargeElectricity":12.8}}
           +1000 cec/v1/MA5DA0053/st-1/discharge {"StationID":"st-1","StartTime":"2026-11-22","EndTime":"2026-11-22","StationDischargeElectricity":5,"EquipmentStatsInfos":[{"EquipmentID":"eq-1","ConnectorStatsInfos":[{"ConnectorID":"gun-1","ConnectorDischargeElectricity":5}]}]}
           +1000 cec/v1/MA5DA0053/st-1/status {"ConnectorStatusInfo":{"ConnectorID":"gun-2","Status":1}}
           +1000 cec/v1/MA5DA0053/st-1/discharge {"StationID":"st-1","StartTime":"2026-11-22","EndTime":"2026-11-22","EquipmentStatsInfos":[{"ConnectorStatsInfos":[{"ConnectorID":"gun-2","ConnectorDischargeElectricity":5}]}]}
           +1000 cec/v1/MA5DA0053/st-1/discharge {"StationID":"st-1","StartTime":"2026-11-22","EndTime":"2026-11-22","EquipmentStatsInfos":[{"ConnectorStatsInfos":[{"ConnectorID":"gun-2","ConnectorDischargeElectricity":5}]}]}"#
    ));
}

#[test]
fn what_cannot_be_read_whole_is_refused_and_says_why() {
    insta::assert_snapshot!(check(
        "",
        r#"+0 cec/v1/MA5DA0053/status {"ConnectorStatusInfo":{"ConnectorID":"gun-9","Status":1}}
           +0 cec/v1/MA5DA0053/st-1/status {"ConnectorStatusInfo":{"ConnectorID":"gun-1","Status":7}}
           +0 cec/v1/MA5DA0053/st-1/status {"ConnectorStatusInfo":{"Status":1}}
           +0 cec/v1/MA5DA0053/st-1/status {"StationStatusInfo":{"StationID":"st-2","ConnectorStatusInfos":[{"ConnectorID":"gun-1","Status":1}]}}
           +0 cec/v1/MA5DA0053/st-1/status {}
           +0 cec/v1/MA5DA0053/st-1/status {"ConnectorStatusInfo":5}
           +0 cec/v1/MA5DA0053/st-1/status sleeping
           +0 cec/v1/MA5DA0053/st-1/status {"data":"V2x5c2s0"}
           +0 cec/v1/MA5DA0053/st-1/info {"StationID":"st-1","OperatorID":"395815801","EquipmentInfos":[]}
           +0 cec/v1/MA5DA0053/st-1/info {"StationID":"st-2","EquipmentInfos":[]}
           +0 cec/v1/MA5DA0053/st-1/info {"StationID":"st-1","AreaCode":"990000","EquipmentInfos":[]}
           +0 cec/v1/MA5DA0053/st-1/info {"StationID":"st-1"}
           +0 cec/v1/MA5DA0053/st-1/info {"StationID":"st-1","EquipmentInfos":[{"EquipmentID":"e","ConnectorInfos":[{"ConnectorID":"g"},{"ConnectorID":"g"}]}]}
           +0 cec/v1/MA5DA0053/st-1/charge {"ConnectorID":"gun-1","StartChargeSeq":"s","EndTime":"13:23"}
           +0 cec/v1/MA5DA0053/st-1/charge {"ConnectorID":"gun-1","StartChargeSeq":"s","TotalPower":-1}
           +0 cec/v1/MA5DA0053/st-1/charge {"ConnectorID":"gun-1","StartChargeSeq":"s","Soc":101}
           +0 cec/v1/MA5DA0053/st-1/charge {"ConnectorID":"gun-1"}
           +0 cec/v1/MA5DA0053/st-1/order {"ConnectorID":"gun-1","StartChargeSeq":"s","EndTime":"1999-01-01 00:00:00"}
           +0 cec/v1/MA5DA0053/st-1/alarm {"ConnectorID":"gun-1"}
           +0 cec/v1/MA5DA0053/st-1/alarm {"ConnectorID":"gun-1","AlarmCode":1,"AlarmStatus":7}
           +0 cec/v1/MA5DA0053/st-1/discharge {"StationID":"st-1"}
           +0 cec/v1/MA5DA0053/st-1/query_token {}"#
    ));
}

#[test]
fn operators_may_have_numbers_of_their_own() {
    insta::assert_snapshot!(check(
        "zone = 'UTC'\nstop_reasons = { 7 = 'emergency_stop', 'MA5DA0053:8' = 'insulation', '395815801:9' = 'local' }
         alarm_codes = { 900 = 'smoke_fire' }\nequipment_types = { 5 = 'v2g' }\nprefixes = ['{root}/{operator}/{station}']",
        r#"+0 cec/v1/MA5DA0053/st-1/order {"ConnectorID":"g","StartChargeSeq":"a","EndTime":"2026-11-23 05:23:41","StopReason":7}
           +0 cec/v1/MA5DA0053/st-1/order {"ConnectorID":"g","StartChargeSeq":"b","EndTime":"2026-11-23 05:23:42","StopReason":8}
           +0 cec/v1/MA5DA0053/st-1/order {"ConnectorID":"g","StartChargeSeq":"c","EndTime":"2026-11-23 05:23:43","StopReason":9}
           +0 cec/v1/MA5DA0053/st-1/alarm {"ConnectorID":"g","AlarmCode":"900","AlarmTime":"2026-11-23 05:23:44"}"#
    ));
}

/// The energy, kWh, that the samples of one connector say between their first and their last register.
fn energy_kwh(dialect: &mut Dialect, messages: &[(i64, &str, String)]) -> f64 {
    let mut registers = Vec::new();
    for (after_ms, topic, payload) in messages {
        let arrival = ArrivalTime::from_ms(START_MS + after_ms);
        let mut take = |_: StationKey<'_>, observation: Observation<'_>| {
            if let Observation::Sample { sample: Sample { import_j: Some(import_j), at, .. }, .. } = observation {
                registers.push((at.ms(), import_j));
            }
        };
        dialect.decode(topic, payload.as_bytes(), arrival, false, &Limits::default(), &mut take).expect("read");
    }
    assert!(registers.windows(2).all(|pair| pair[0].1 <= pair[1].1), "a register falls: {registers:?}");
    assert!(registers.windows(2).all(|pair| pair[0].0 <= pair[1].0), "time runs backwards: {registers:?}");
    kwh_from_joules(registers.last().map_or(0, |last| last.1) - registers.first().map_or(0, |first| first.1))
}

fn charge(session: u32, second: u32, kwh: f64) -> (i64, &'static str, String) {
    let payload = format!(
        r#"{{"StartChargeSeq":"s{session}","StartChargeSeqStat":2,"ConnectorID":"gun-1","StartTime":"2026-11-23 13:{session:02}:00","EndTime":"2026-11-23 13:{session:02}:{second:02}","TotalPower":{kwh}}}"#
    );
    (i64::from(session * 60 + second) * 1000, "cec/v1/MA5DA0053/charge", payload)
}

fn order(session: u32, second: u32, kwh: f64) -> (i64, &'static str, String) {
    let payload = format!(
        r#"{{"StartChargeSeq":"s{session}","ConnectorID":"gun-1","StartTime":"2026-11-23 13:{session:02}:00","EndTime":"2026-11-23 13:{session:02}:{second:02}","TotalPower":{kwh},"StopReason":0}}"#
    );
    (i64::from(session * 60 + second) * 1000 + 900, "cec/v1/MA5DA0053/order", payload)
}

#[test]
fn the_energy_of_sessions_adds_up_once_whatever_is_lost_repeated_or_late() {
    let check = |messages: &[(i64, &'static str, String)], expected: f64| {
        let kwh = energy_kwh(&mut known(), messages);
        assert!((kwh - expected).abs() < 1e-9, "{kwh} and not {expected}: {messages:#?}");
    };
    let whole =
        [charge(25, 10, 0.1), charge(25, 20, 0.3), order(25, 30, 0.5), charge(27, 10, 0.2), order(27, 20, 0.25)];
    check(&whole, 0.75);
    check(&[order(25, 30, 0.5), order(27, 20, 0.25)], 0.75);
    check(&[charge(25, 20, 0.3), charge(27, 10, 0.2)], 0.5);
    let repeated: Vec<_> = whole.iter().flat_map(|message| [message.clone(), message.clone()]).collect();
    check(&repeated, 0.75);
    check(&[charge(25, 20, 0.3), charge(27, 10, 0.2), order(25, 30, 0.5)], 0.7);
    check(&[charge(25, 20, 0.3), charge(25, 10, 0.1), order(25, 30, 0.5)], 0.5);
    check(&[charge(25, 10, 0.3), charge(25, 20, 0.28), charge(25, 30, 0.31)], 0.31);
    check(&[charge(25, 10, 5.0), charge(25, 20, 0.1), charge(25, 30, 0.4)], 5.3);
}

#[test]
fn nothing_of_a_person_is_seen_where_a_message_is_refused() {
    let dialect = dialect("");
    for payload in [
        r#"{"StartChargeSeq":"s","ConnectorID":"gun-1","Vin":"LSVAA4182E2184847","PlateNo":"云A12345","Phone":13800000000,"TotalPower":"x"}"#,
        r#"{"data":{"Vin":"LSVAA4182E2184847","PlateNo":"云A12345","Phone":"13800000000"}"#,
        r#"{"Vin":"LSVAA4182E2184847" "Phone":13800000000,"PlateNo":["云A12345"]"#,
        r#"LSVAA4182E2184847 13800000000 云A12345"#,
    ] {
        let shown = String::from_utf8(dialect.shown(payload.as_bytes(), 512)).expect("text");
        for secret in ["LSVAA", "A12345", "13800"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let shown = dialect.shown(br#"{"ConnectorID":"gun-1","Status":7}"#, 512);
    assert_eq!(String::from_utf8(shown).as_deref(), Ok(r#"{"ConnectorID":"gun-1","Status":7}"#));
}

#[test]
fn memory_is_taken_out_and_back() {
    let mut first = known();
    energy_kwh(&mut first, &[charge(25, 10, 0.1)]);
    let mut packed = Vec::new();
    first.changed_memory(&mut |key, bytes| packed.push((key.station.to_owned(), bytes.to_vec())));
    assert_eq!(packed.len(), 1);
    first.changed_memory(&mut |_, _| panic!("nothing changed since"));
    let mut second = dialect("");
    let key = StationKey { operator: "MA5DA0053", station: &packed[0].0 };
    second.restore_memory(key, &packed[0].1).expect("its own bytes");
    let (_, topic, payload) = charge(25, 20, 0.3);
    let line = format!("+200000 {topic} {payload}");
    assert_eq!(told(&mut second, &line), told(&mut first, &line));
    for end in 0..packed[0].1.len() {
        assert!(second.restore_memory(key, &packed[0].1[..end]).is_err(), "{end}");
    }
}

#[test]
fn messages_that_need_the_same_memory_have_the_same_operator() {
    let limits = Limits::default();
    let dialect = dialect("");
    assert!(dialect.speaks_of_operators());
    let key = |topic| dialect.station_of(topic, &limits).map(|key| (key.operator.to_owned(), key.station.to_owned()));
    assert_eq!(key("cec/v1/op/st/status"), Some(("op".to_owned(), "st".to_owned())));
    assert_eq!(key("cec/v1/op/status"), Some(("op".to_owned(), String::new())));
    assert_eq!(key("cec/v1/op/st/query_token"), None);
    assert!(!self::dialect("prefixes = ['{root}/{operator}/{station}']").speaks_of_operators());
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(
        kind in "info|status|charge|start|order|alarm|bms|discharge",
        cut in 0_usize..400,
        noise in "\\PC{0,12}",
        at in 0_usize..400,
    ) {
        let good = r#"{"ts":1795411421000,"data":{"StationID":"st-1","OperatorID":"op","ConnectorID":"g","StartChargeSeq":"s","Status":3,"StartTime":"2026-11-23 13:23:50","EndTime":"2026-11-23 13:25:30","TotalPower":1.67,"AlarmCode":"5","AlarmInfos":[{"ConnectorID":"g","BmsInfo":{"Soc":5}}],"ConnectorStatusInfos":[{"ConnectorID":"g","Status":"3"}],"EquipmentInfos":[{"EquipmentID":"e","ConnectorInfos":[]}]}}"#;
        let mut dialect = dialect("");
        let mut text = good.to_owned();
        text.truncate(text.floor_char_boundary(cut.max(1)));
        let at = text.floor_char_boundary(at.min(text.len()));
        text.insert_str(at, &noise);
        for payload in [text.as_str(), &noise, good] {
            for topic in [format!("cec/v1/op/st-1/{kind}"), format!("cec/v1/op/{kind}")] {
                let arrival = ArrivalTime::from_ms(START_MS);
                let _refused = dialect.decode(&topic, payload.as_bytes(), arrival, false, &Limits::default(), &mut |_, _| ());
                let _shown = dialect.shown(payload.as_bytes(), 100);
            }
        }
    }
}
