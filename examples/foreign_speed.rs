//! Measures how fast messages of other dialects are decoded, in one thread, each beside the time that parsing its JSON
//! into a struct takes: `cargo run --release --no-default-features --example foreign_speed`. Judges nothing.

#![expect(clippy::disallowed_methods, reason = "an example that measures reads the clock itself")]

use std::hint::black_box;
use std::time::Instant;

use chargetally::dialect::Limits;
use chargetally::settings::{DialectName, usual_source};
use chargetally::setup;
use chargetally_core::time::ArrivalTime;
use serde::Deserialize;

const ARRIVAL: ArrivalTime = ArrivalTime::from_ms(1_795_411_421_000);
const BATCHES: u32 = 60;
const BATCH: u32 = 5_000;

const STATUS: &str =
    r#"{"ConnectorStatusInfo":{"ConnectorID":"5301020001230701","Status":3,"ParkStatus":50,"LockStatus":50}}"#;
const CHARGE: &str = concat!(
    r#"{"StartChargeSeq":"MA5DA0053202611230000000001","StartChargeSeqStat":2,"ConnectorID":"5301020001230701","#,
    r#""ConnectorStatus":3,"CurrentA":150.5,"VoltageA":400.0,"Soc":40,"StartTime":"2026-11-23 13:03:50","#,
    r#""EndTime":"2026-11-23 13:23:40","TotalPower":20.83,"ElecMoney":16.5,"SeviceMoney":10.4,"TotalMoney":26.9,"#,
    r#""SumPeriod":1,"ChargeDetails":[{"DetailStartTime":"2026-11-23 13:03:50","DetailEndTime":"2026-11-23 13:23:40","#,
    r#""ElecPrice":0.8,"SevicePrice":0.45,"DetailPower":20.83,"DetailElecMoney":16.5,"DetailSeviceMoney":10.4}]}"#
);
const REAL_TIME: &str = concat!(
    r#"{"tradeSeq":"53010200000007012611230000000001","id":"53010200000007","gunId":"01","status":3,"reset":0,"plugged":1,"#,
    r#""ov":3952,"oc":1523,"lineTemp":95,"lineCode":"0000000000000000","soc":54,"bpTopTemp":88,"#,
    r#""accumulatedChargingTime":23,"remainingTime":31,"chargingDegrees":231234,"lossyChargingDegrees":231234,"#,
    r#""chargedAmount":289042,"hardwareFailure":0}"#
);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Statuses<'a> {
    #[serde(borrow)]
    connector_status_info: Status<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Status<'a> {
    #[serde(rename = "ConnectorID")]
    connector_id: &'a str,
    status: u32,
    park_status: u32,
    lock_status: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Charge<'a> {
    start_charge_seq: &'a str,
    start_charge_seq_stat: u32,
    #[serde(rename = "ConnectorID")]
    connector_id: &'a str,
    connector_status: u32,
    current_a: f64,
    voltage_a: f64,
    soc: f64,
    start_time: &'a str,
    end_time: &'a str,
    total_power: f64,
    elec_money: f64,
    sevice_money: f64,
    total_money: f64,
    sum_period: u32,
    #[serde(borrow)]
    charge_details: Vec<Detail<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct Detail<'a> {
    detail_start_time: &'a str,
    detail_end_time: &'a str,
    elec_price: f64,
    sevice_price: f64,
    detail_power: f64,
    detail_elec_money: f64,
    detail_sevice_money: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct RealTime<'a> {
    trade_seq: &'a str,
    id: &'a str,
    gun_id: &'a str,
    status: u32,
    reset: u32,
    plugged: u32,
    ov: u32,
    oc: u32,
    line_temp: u32,
    line_code: &'a str,
    soc: u32,
    bp_top_temp: u32,
    accumulated_charging_time: u32,
    remaining_time: u32,
    charging_degrees: u64,
    lossy_charging_degrees: u64,
    charged_amount: u64,
    hardware_failure: u32,
}

fn main() {
    let cec = "cec/v1/MA5DA0053/530102000123";
    compare::<Statuses<'_>>("T/CEC 102 status", DialectName::Cec102, &format!("{cec}/status"), STATUS);
    compare::<Charge<'_>>("T/CEC 102 charge status", DialectName::Cec102, &format!("{cec}/charge"), CHARGE);
    compare::<RealTime<'_>>("YKC real time", DialectName::Ykc, "charge/ykc/53010200000007/1/13", REAL_TIME);
}

fn compare<'a, T: Deserialize<'a>>(name: &str, dialect: DialectName, topic: &str, payload: &'a str) {
    let source = usual_source(dialect).expect("a dialect that works by its defaults");
    let (mut dialect, limits) = (setup::dialect(&source), Limits::default());
    let mut now_ms = ARRIVAL.ms();
    let decode_ns = best_ns(|| {
        now_ms += 1_000;
        let (arrival, payload) = (ArrivalTime::from_ms(now_ms), black_box(payload.as_bytes()));
        let read = dialect.decode(topic, payload, arrival, false, &limits, &mut |_, seen| _ = black_box(&seen));
        assert!(read.is_ok());
    });
    let parse_ns = best_ns(|| {
        let parsed = serde_json::from_slice::<T>(black_box(payload.as_bytes()));
        assert!(black_box(parsed).is_ok());
    });
    let ratio = decode_ns / parse_ns;
    println!("{name}, {} bytes: decoded in {decode_ns:.0} ns, parsed in {parse_ns:.0} ns: {ratio:.2}", payload.len());
}

/// The best of many batches: what others do on the machine only ever adds.
fn best_ns(mut round: impl FnMut()) -> f64 {
    let mut best_ns = f64::INFINITY;
    for _ in 0..BATCHES {
        let started = Instant::now();
        for _ in 0..BATCH {
            round();
        }
        best_ns = best_ns.min(started.elapsed().as_nanos() as f64 / f64::from(BATCH));
    }
    best_ns
}
