//! Measures how fast messages are decoded and recordings read, in one thread: `cargo run --release --example
//! decode_speed`. Prints figures and judges none of them.

#![expect(clippy::disallowed_methods, reason = "an example that measures reads the clock itself")]

use std::hint::black_box;
use std::time::Instant;

use chargetally::dialect::{Dialect, Limits, native::Native};
use chargetally::recording::{LINE_BYTES_MAX, RecordingReader};
use chargetally::rfc3339;
use chargetally::settings::{DialectName, usual_source};
use chargetally::setup;
use chargetally::topic::{ID_BYTES_MAX, Root};
use chargetally_core::time::ArrivalTime;
use serde::de::DeserializeOwned;

/// The payloads carry their own times.
const ARRIVAL: ArrivalTime = ArrivalTime::from_ms(1_795_382_621_300);
const ROUNDS: u32 = 2_000_000;
const TOPIC: &str = "ev/v1/53/MA5DA0053/530102000123/530102000123-07/telemetry";
const PAYLOAD: &str = concat!(
    r#"{"ts":"2026-11-23T05:23:41.214+08:00","status":"charging","power_kw":58.37,"import_kwh":182736.412,"#,
    r#""voltage_v":612.4,"current_a":95.3,"connector_temp_c":41.5,"soc_pct":63,"session":"5301020001230701"}"#
);

const OCPP_TOPIC: &str = "cs/in/ocpp1.6/cs001";
const OCPP_PAYLOAD: &str = concat!(
    r#"[2,"19223201","MeterValues",{"connectorId":1,"transactionId":634,"meterValue":[{"timestamp":"2026-11-22T21:23:41Z","#,
    r#""sampledValue":[{"value":"95.70","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"kWh"},"#,
    r#"{"value":"7958","context":"Sample.Periodic","measurand":"Power.Active.Import","unit":"W"},"#,
    r#"{"value":"229.8","measurand":"Voltage","phase":"L1-N","unit":"V"},"#,
    r#"{"value":"41.2","measurand":"Temperature","unit":"Celsius","location":"Cable"}]}]}]"#
);

const OCPP_2_TOPIC: &str = "cs/in/ocpp2.1/cs002";
const OCPP_2_PAYLOAD: &str = concat!(
    r#"[2,"19223201","TransactionEvent",{"eventType":"Updated","timestamp":"2026-11-22T21:23:41Z","#,
    r#""triggerReason":"MeterValuePeriodic","seqNo":17,"transactionInfo":{"transactionId":"a7c1","chargingState":"Charging"},"#,
    r#""evse":{"id":1,"connectorId":1},"meterValue":[{"timestamp":"2026-11-22T21:23:41Z","sampledValue":["#,
    r#"{"value":95700,"measurand":"Energy.Active.Import.Register","unitOfMeasure":{"unit":"Wh"}},"#,
    r#"{"value":7958,"measurand":"Power.Active.Import","unitOfMeasure":{"unit":"W"}},"#,
    r#"{"value":229.8,"measurand":"Voltage","phase":"L1-N","unitOfMeasure":{"unit":"V"}}]}]}]"#
);

fn main() {
    ocpp::<PlainFrame>("1.6", OCPP_TOPIC, OCPP_PAYLOAD);
    ocpp::<PlainFrame2>("2.1", OCPP_2_TOPIC, OCPP_2_PAYLOAD);
    println!("payload of {} bytes, {ROUNDS} rounds", PAYLOAD.len());
    per_round("rfc 3339", || rfc3339::parse_ms(black_box("2026-11-23T05:23:41.214+08:00")).unwrap_or_default());
    let root = Root::default_in();
    per_round("topic", || i64::from(root.parse_in(black_box(TOPIC), ID_BYTES_MAX).is_ok()));
    let (mut dialect, limits) = (Dialect::Native(Native::new(root)), Limits::default());
    per_round("telemetry decode", || {
        let mut seen = 0;
        let read =
            dialect.decode(TOPIC, black_box(PAYLOAD.as_bytes()), ARRIVAL, false, &limits, &mut |_, observation| {
                black_box(&observation);
                seen += 1;
            });
        seen + i64::from(read.is_ok())
    });
    let small = br#"{"ts":1795382621214,"status":"charging","power_kw":58.3,"import_kwh":182736.41}"#;
    per_round("small telemetry decode", || {
        i64::from(
            dialect
                .decode(TOPIC, black_box(small), ARRIVAL, false, &limits, &mut |_, seen| _ = black_box(&seen))
                .is_ok(),
        )
    });
    let line = format!(
        r#"{{"tst":"2026-11-23T05:23:41.314559Z+0800","topic":"{TOPIC}","qos":1,"retain":0,"payloadlen":{},"payload":{PAYLOAD}}}"#,
        PAYLOAD.len()
    ) + "\n";
    let file = line.repeat(1000);
    for decoding in [false, true] {
        let name = format!("recording of 1000 lines of {} bytes, decoding {decoding}", line.len());
        per_batch(&name, 200, 1, || {
            let mut lines = 0;
            let mut reader = RecordingReader::new(file.as_bytes(), LINE_BYTES_MAX);
            while let Ok(Some(message)) = reader.read_message() {
                if decoding {
                    let (topic, payload) = (&message.topic, &message.payload);
                    let read = dialect.decode(topic, payload, ARRIVAL, message.retained, &limits, &mut |_, seen| {
                        _ = black_box(&seen);
                    });
                    assert!(read.is_ok());
                }
                lines += 1;
            }
            lines
        });
    }
}

/// The frames that charge points send most, decoded as they arrive and, to compare, parsed into plain structs.
fn ocpp<Frame: DeserializeOwned>(version: &str, topic: &str, payload: &str) {
    let Some(source) = usual_source(DialectName::Ocpp) else { return };
    let (mut dialect, limits) = (setup::dialect(&source), Limits::default());
    // A repetition would be known as one and cost less: each round has a frame of its own.
    let frames: Vec<String> =
        (0..1_000).map(|id| payload.replacen("19223201", &format!("{:08}", 19_223_201 + id), 1)).collect();
    let mut next = 0;
    let mut frame = || {
        next = (next + 1) % frames.len();
        frames[next].as_bytes()
    };
    per_round(&format!("ocpp {version} frame of {} bytes, parsed into structs", payload.len()), || {
        let read: Result<Frame, _> = serde_json::from_slice(black_box(frame()));
        i64::from(black_box(read).is_ok())
    });
    per_round(&format!("ocpp {version} frame, decoded"), || {
        let mut seen = 0;
        let read = dialect.decode(topic, black_box(frame()), ARRIVAL, false, &limits, &mut |_, observation| {
            black_box(&observation);
            seen += 1;
        });
        seen + i64::from(read.is_ok())
    });
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainFrame(u8, String, String, PlainValues);

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainValues {
    connector_id: u32,
    transaction_id: Option<i64>,
    meter_value: Vec<PlainValue>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainValue {
    timestamp: String,
    sampled_value: Vec<PlainSample>,
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainSample {
    value: String,
    context: Option<String>,
    measurand: Option<String>,
    phase: Option<String>,
    location: Option<String>,
    unit: Option<String>,
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainFrame2(u8, String, String, PlainEvent);

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainEvent {
    event_type: String,
    timestamp: String,
    trigger_reason: String,
    seq_no: u32,
    transaction_info: PlainTransaction,
    evse: PlainEvse,
    meter_value: Vec<PlainValue2>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainTransaction {
    transaction_id: String,
    charging_state: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainEvse {
    id: u32,
    connector_id: Option<u32>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainValue2 {
    timestamp: String,
    sampled_value: Vec<PlainSample2>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainSample2 {
    value: f64,
    measurand: Option<String>,
    phase: Option<String>,
    unit_of_measure: Option<PlainUnit>,
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "what is parsed is only compared by its time")]
struct PlainUnit {
    unit: Option<String>,
}

fn per_round(name: &str, round: impl FnMut() -> i64) {
    const BATCH: u32 = 20_000;
    per_batch(name, ROUNDS / BATCH, BATCH, round);
}

/// Prints the best of many batches: what others do on the machine only ever adds.
fn per_batch(name: &str, batches: u32, batch: u32, mut round: impl FnMut() -> i64) {
    let (mut sum, mut best_ns) = (0_i64, f64::INFINITY);
    for _ in 0..batches {
        let started = Instant::now();
        for _ in 0..batch {
            sum = sum.wrapping_add(round());
        }
        best_ns = best_ns.min(started.elapsed().as_nanos() as f64 / f64::from(batch));
    }
    println!("{name}: {best_ns:.0} ns ({sum})");
}
