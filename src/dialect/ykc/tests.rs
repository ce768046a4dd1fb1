//! A transaction from its start to its record, as golden text; faults that come and go; what is refused; and noise.

use proptest::prelude::*;

use super::*;
use crate::dialect::Dialect;
use crate::dialect::describe::Described;
use crate::settings::{DialectName, usual_source};
use crate::setup;

/// 2026-11-23T05:23:41Z.
const START_MS: i64 = 1_795_411_421_000;

fn dialect() -> Dialect {
    setup::dialect(&usual_source(DialectName::Ykc).expect("its defaults"))
}

/// What messages say, one after the other: lines of `+MS [r] REST-OF-TOPIC PAYLOAD`.
fn check(messages: &str) -> String {
    let (mut told, mut now_ms, mut dialect) = (String::new(), START_MS, dialect());
    for line in messages.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (after, rest) = line.split_once(' ').expect("a time");
        now_ms += after.trim_start_matches('+').parse::<i64>().expect("a number");
        let (retained, rest) = rest.strip_prefix("r ").map_or((false, rest), |rest| (true, rest));
        let (topic, payload) = rest.split_once(' ').unwrap_or((rest, ""));
        told += &format!("{line}\n");
        let (topic, arrival) = (format!("charge/ykc/{topic}"), ArrivalTime::from_ms(now_ms));
        let limits = Limits::default();
        let decoded =
            dialect.decode(&topic, payload.as_bytes(), arrival, retained, &limits, &mut |key, observation| {
                told += &format!("    {}\n", Described(key, &observation));
            });
        if let Err(reject) = decoded {
            told += &format!("    refused: {reject}\n");
        }
    }
    told
}

#[test]
fn a_transaction_is_told_from_its_start_to_its_record() {
    insta::assert_snapshot!(check(
        r#"+0 53010200000007/01 {"id":"53010200000007","elcType":0,"guns":2,"sim":"89860000000000000000"}
           +1000 53010200000007/1/03 {"id":"53010200000007","gun":"01","gunStatus":0}
           +1000 53010200000007/1/13 {"tradeSeq":"00000000000000000000000000000000","id":"53010200000007","gunId":"01","status":2,"reset":0,"plugged":1,"ov":0,"oc":0,"lineTemp":72,"soc":0,"bpTopTemp":0,"accumulatedChargingTime":0,"chargingDegrees":0,"hardwareFailure":0}
           +1000 53010200000007/1/33 {"tradeSeq":"53010200000007012611230000000001","id":"53010200000007","gunId":"01","result":true,"reason":0}
           +15000 53010200000007/1/13 {"tradeSeq":"53010200000007012611230000000001","id":"53010200000007","gunId":"01","status":3,"plugged":1,"ov":4000,"oc":1500,"lineTemp":80,"soc":40,"bpTopTemp":78,"accumulatedChargingTime":0,"chargingDegrees":1500,"hardwareFailure":0}
           +15000 53010200000007/1/13 {"tradeSeq":"53010200000007012611230000000001","id":"53010200000007","gunId":"01","status":3,"plugged":1,"ov":4000,"oc":1500,"lineTemp":81,"soc":40,"bpTopTemp":78,"accumulatedChargingTime":0,"chargingDegrees":4000,"hardwareFailure":0}
           +9000 53010200000007/1/13 {"tradeSeq":"53010200000007012611230000000001","id":"53010200000007","gunId":"01","status":2,"plugged":1,"ov":0,"oc":0,"lineTemp":81,"soc":0,"bpTopTemp":0,"chargingDegrees":5000,"hardwareFailure":0}
           +3000 53010200000007/1/3B {"tradeSeq":"53010200000007012611230000000001","id":"53010200000007","gunId":"01","startAt":1795411425,"endAt":1795411461000,"sharpElectricCharge":0,"peakElectricCharge":5000,"flatElectricCharge":0,"valleyElectricCharge":0,"totalElectricCharge":5000,"consumptionAmount":6000,"vin":"LSVAA4182E2184847","stopReason":65,"physicalCardNumber":"1234567812345678"}
           +3000 53010200000007/1/3B {"tradeSeq":"53010200000007012611230000000001","id":"53010200000007","gunId":"01","startAt":1795411425,"endAt":1795411461000,"peakElectricCharge":5000,"totalElectricCharge":5000,"stopReason":65}
           +9000 53010200000007/1/13 {"tradeSeq":"","id":"53010200000007","gunId":"01","status":2,"plugged":0,"hardwareFailure":0}
           +1000 53010200000007/2/33 {"tradeSeq":"53010200000007022611230000000002","gunId":"02","result":0,"reason":5}
           +1000 r 53010200000007/2/13 {"status":2}"#
    ));
}

#[test]
fn faults_are_raised_and_cleared_bit_by_bit() {
    insta::assert_snapshot!(check(
        r#"+0 53010200000007/1/13 {"status":1,"hardwareFailure":9}
           +15000 53010200000007/1/13 {"status":1,"hardwareFailure":25}
           +15000 53010200000007/1/13 {"status":1,"hardwareFailure":"24"}
           +15000 53010200000007/1/13 {"status":1}
           +15000 53010200000007/1/13 {"status":2,"hardwareFailure":0}
           +1000 53010200000007/1/3B {"tradeSeq":"1","startAt":1795411425,"endAt":1795411461,"totalElectricCharge":0,"stopReason":80}"#
    ));
}

#[test]
fn what_cannot_be_read_whole_is_refused_and_says_why() {
    insta::assert_snapshot!(check(
        r#"+0 53010200000007/1/13 {"id":"53010200000008","status":2}
           +0 53010200000007/1/13 {"gunId":"02","status":2}
           +0 53010200000007/13 {"status":2}
           +0 53010200000007/1/13 {"status":4}
           +0 53010200000007/1/13 {}
           +0 53010200000007/1/13 {"status":3,"ov":-1}
           +0 53010200000007/1/13 {"status":3,"soc":101}
           +0 53010200000007/1/3B {"tradeSeq":"0000"}
           +0 53010200000007/1/3B {"tradeSeq":"1","endAt":"yesterday"}
           +0 53010200000007/1/33 {"tradeSeq":"1"}
           +0 53010200000007/1/58 {}"#
    ));
}

#[test]
fn nothing_of_a_person_is_seen_where_a_message_is_refused() {
    let payload = br#"{"tradeSeq":"1","vin":"LSVAA4182E2184847","physicalCardNumber":1234567812345678,"status":9}"#;
    let shown = String::from_utf8(dialect().shown(payload, 512)).expect("text");
    assert_eq!(shown, r#"{"tradeSeq":"1","vin":"-","physicalCardNumber":"-","status":9}"#);
}

#[test]
fn every_bit_and_every_reason_means_something() {
    assert!((1..=13).filter(|&bit| bit != 9).all(|bit| fault(bit) != chargetally_core::alarm::AlarmClass::Other));
    for code in 0..=0xff {
        let is_normal = stop_reason(code).is_normal(true);
        assert_eq!(is_normal, (0x40..0x4a).contains(&code), "{code:#x}");
    }
}

proptest! {
    #[test]
    fn no_message_makes_it_panic(frame in "01|13|33|3B", cut in 0_usize..300, noise in "\\PC{0,12}", at in 0_usize..300) {
        let good = r#"{"ts":1795411421000,"tradeSeq":"7","id":"5","gunId":"01","status":3,"plugged":1,"ov":4000,"oc":1500,"lineTemp":80,"soc":40,"accumulatedChargingTime":3,"chargingDegrees":1500,"hardwareFailure":9,"startAt":1795411425,"endAt":1795411461,"stopReason":80,"result":false}"#;
        let mut text = good.to_owned();
        text.truncate(text.floor_char_boundary(cut));
        let at = text.floor_char_boundary(at.min(text.len()));
        text.insert_str(at, &noise);
        let mut dialect = dialect();
        for payload in [text.as_str(), &noise, good] {
            for topic in [format!("charge/ykc/5/1/{frame}"), format!("charge/ykc/5/{frame}")] {
                let arrival = ArrivalTime::from_ms(START_MS);
                let _refused = dialect.decode(&topic, payload.as_bytes(), arrival, false, &Limits::default(), &mut |_, _| ());
            }
        }
    }
}
