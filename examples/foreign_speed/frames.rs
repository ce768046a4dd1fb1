//! What gateways relay in frames of which no two are alike: OCPP, whose messages have ids, and Sparkplug, whose messages
//! are numbered. A repeated frame would be known as one and cost less. Sparkplug has no JSON; what it is compared with is
//! one JSON object with the same values.

use std::hint::black_box;

use chargetally::dialect::{Dialect, Limits};
use chargetally::settings::{DialectName, usual_source};
use chargetally::setup;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{ARRIVAL, best_ns};

const OCPP_1_6: &str = concat!(
    r#"[2,"19223201","MeterValues",{"connectorId":1,"transactionId":634,"meterValue":[{"timestamp":"2026-11-22T21:23:41Z","#,
    r#""sampledValue":[{"value":"95.70","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"kWh"},"#,
    r#"{"value":"7958","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"},"#,
    r#"{"value":"229.8","measurand":"Voltage","phase":"L1-N","unit":"V"},"#,
    r#"{"value":"41.2","measurand":"Temperature","unit":"Celsius","location":"Cable"}]}]}]"#
);

const OCPP_2_1: &str = concat!(
    r#"[2,"19223201","TransactionEvent",{"eventType":"Updated","timestamp":"2026-11-22T21:23:41Z","#,
    r#""triggerReason":"MeterValuePeriodic","seqNo":17,"transactionInfo":{"transactionId":"a7c1","chargingState":"Charging"},"#,
    r#""evse":{"id":1,"connectorId":1},"meterValue":[{"timestamp":"2026-11-22T21:23:41Z","sampledValue":["#,
    r#"{"value":95700,"measurand":"Energy.Active.Import.Register","unitOfMeasure":{"unit":"Wh"}},"#,
    r#"{"value":7958,"measurand":"Power.Active.Import","unitOfMeasure":{"unit":"W"}},"#,
    r#"{"value":229.8,"measurand":"Voltage","phase":"L1-N","unitOfMeasure":{"unit":"V"}}]}]}]"#
);

const SPARKPLUG_JSON: &str = concat!(
    r#"{"timestamp":1795411421000,"seq":17,"power":60.3755,"energy":1534234.0,"status":"Charging","temperature":45.25,"#,
    r#""current":151.2}"#
);

/// Measures all of them.
pub fn compare() {
    let framed = |payload: &str| -> Vec<Vec<u8>> {
        let frame = |id: u32| payload.replacen("19223201", &format!("{:08}", 19_223_201 + id), 1).into_bytes();
        (0..1_000).map(frame).collect()
    };
    let ocpp = || decoder(DialectName::Ocpp);
    of_frames::<PlainFrame>("ocpp-1.6-meter-values", ocpp(), "cs/in/ocpp1.6/cs001", &framed(OCPP_1_6), OCPP_1_6);
    of_frames::<PlainFrame2>("ocpp-2.1-transaction-event", ocpp(), "cs/in/ocpp2.1/cs002", &framed(OCPP_2_1), OCPP_2_1);
    let mut sparkplug = decoder(DialectName::Sparkplug);
    decode(&mut sparkplug, "spBv1.0/CN-YN/NBIRTH/station-7", &payload(0, &[named("bdSeq", None, &integer(11, 3))]));
    decode(&mut sparkplug, "spBv1.0/CN-YN/DBIRTH/station-7/gun-1", &payload(1, &births()));
    // After the number 255 comes 0, so that the frames can be sent round and round.
    let frames: Vec<Vec<u8>> = (0..=255_u8).map(|number| payload(number.wrapping_add(2), &data())).collect();
    of_frames::<PlainSparkplug>(
        "sparkplug-device-data",
        sparkplug,
        "spBv1.0/CN-YN/DDATA/station-7/gun-1",
        &frames,
        SPARKPLUG_JSON,
    );
}

fn decoder(dialect: DialectName) -> Dialect {
    setup::dialect(&usual_source(dialect).expect("a dialect that works by its defaults"))
}

/// Decodes one message; returns how many observations it made.
fn decode(dialect: &mut Dialect, topic: &str, payload: &[u8]) -> usize {
    let mut told = 0;
    let read = dialect.decode(topic, black_box(payload), ARRIVAL, false, &Limits::default(), &mut |_, seen| {
        _ = black_box(&seen);
        told += 1;
    });
    assert!(read.is_ok(), "{topic}: {read:?}");
    told
}

/// Measures frames, sent in turn, beside the parsing of one JSON text.
fn of_frames<Parsed: DeserializeOwned>(name: &str, mut dialect: Dialect, topic: &str, frames: &[Vec<u8>], json: &str) {
    let mut in_turn = frames.iter().cycle();
    let decode_ns = best_ns(|| {
        let frame = in_turn.next().expect("frames without end");
        assert!(decode(&mut dialect, topic, frame) > 0, "{name} says something");
    });
    let parse_ns = best_ns(|| {
        let parsed: Result<Parsed, _> = serde_json::from_slice(black_box(json.as_bytes()));
        assert!(black_box(parsed).is_ok(), "{name} is what the struct says");
    });
    let (bytes, ratio) = (frames[0].len(), decode_ns / parse_ns);
    println!("{name}, {bytes} bytes: decoded in {decode_ns:.0} ns, parsed in {parse_ns:.0} ns: {ratio:.2}");
}

/// The metrics of a device's birth.
fn births() -> Vec<Vec<u8>> {
    vec![
        named("Power", Some(10), &double(0.0)),
        named("Energy/Import", Some(11), &double(1_534_234.0)),
        named("Status", Some(12), &bytes(15, b"Available")),
        named("Temperature/Cable", Some(13), &double(24.5)),
        named("Current", Some(14), &double(0.0)),
    ]
}

/// The same metrics some time later, by alias.
fn data() -> Vec<Vec<u8>> {
    let later = |alias, value: &[u8]| [integer(2, alias), integer(3, at_ms()), value.to_vec()].concat();
    vec![
        later(10, &double(60.3755)),
        later(11, &double(1_534_234.0)),
        later(12, &bytes(15, b"Charging")),
        later(13, &double(45.25)),
        later(14, &double(151.2)),
    ]
}

fn at_ms() -> u64 {
    ARRIVAL.ms().unsigned_abs()
}

/// A payload with this number.
fn payload(number: u8, metrics: &[Vec<u8>]) -> Vec<u8> {
    let metrics = metrics.iter().flat_map(|metric| bytes(2, metric));
    integer(1, at_ms()).into_iter().chain(metrics).chain(integer(3, u64::from(number))).collect()
}

fn named(name: &str, alias: Option<u64>, value: &[u8]) -> Vec<u8> {
    let alias = alias.map(|alias| integer(2, alias)).unwrap_or_default();
    [bytes(1, name.as_bytes()), alias, value.to_vec()].concat()
}

fn integer(field: u8, value: u64) -> Vec<u8> {
    let mut out = vec![field << 3];
    varint(value, &mut out);
    out
}

fn double(value: f64) -> Vec<u8> {
    [&[13 << 3 | 1], &value.to_le_bytes()[..]].concat()
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainFrame(u8, String, String, PlainValues);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainValues {
    connector_id: u32,
    transaction_id: Option<i64>,
    meter_value: Vec<PlainValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainValue {
    timestamp: String,
    sampled_value: Vec<PlainSample>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainSample {
    value: String,
    context: Option<String>,
    measurand: Option<String>,
    phase: Option<String>,
    location: Option<String>,
    unit: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainFrame2(u8, String, String, PlainEvent);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainEvent {
    event_type: String,
    timestamp: String,
    trigger_reason: String,
    seq_no: u32,
    transaction_info: PlainTransaction,
    evse: PlainEvse,
    meter_value: Vec<PlainValue2>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainTransaction {
    transaction_id: String,
    charging_state: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainEvse {
    id: u32,
    connector_id: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainValue2 {
    timestamp: String,
    sampled_value: Vec<PlainSample2>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainSample2 {
    value: f64,
    measurand: Option<String>,
    phase: Option<String>,
    unit_of_measure: Option<PlainUnit>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainUnit {
    unit: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is parsed and thrown away")]
struct PlainSparkplug {
    timestamp: u64,
    seq: u8,
    power: f64,
    energy: f64,
    status: String,
    temperature: f64,
    current: f64,
}
