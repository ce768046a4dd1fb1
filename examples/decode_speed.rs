//! Measures how fast messages are decoded and recordings read, in one thread: `cargo run --release --example
//! decode_speed`. Prints figures and judges none of them.

#![expect(clippy::disallowed_methods, reason = "an example that measures reads the clock itself")]

use std::hint::black_box;
use std::time::Instant;

use chargetally::dialect::{Dialect, Limits, native::Native};
use chargetally::recording::{LINE_BYTES_MAX, RecordingReader};
use chargetally::rfc3339;
use chargetally::topic::{ID_BYTES_MAX, Root};
use chargetally_core::time::ArrivalTime;

/// The payloads carry their own times.
const ARRIVAL: ArrivalTime = ArrivalTime::from_ms(1_795_382_621_300);
const ROUNDS: u32 = 2_000_000;
const TOPIC: &str = "ev/v1/53/MA5DA0053/530102000123/530102000123-07/telemetry";
const PAYLOAD: &str = concat!(
    r#"{"ts":"2026-11-23T05:23:41.214+08:00","status":"charging","power_kw":58.37,"import_kwh":182736.412,"#,
    r#""voltage_v":612.4,"current_a":95.3,"connector_temp_c":41.5,"soc_pct":63,"session":"5301020001230701"}"#
);

fn main() {
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
