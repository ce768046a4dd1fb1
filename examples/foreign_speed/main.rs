//! Measures how fast messages of each dialect are decoded, in one thread, each beside the time that parsing its JSON
//! into a struct takes: `cargo run --release --no-default-features --example foreign_speed`. With the words `count CASE
//! decode|parse ROUNDS` it only does so many rounds, for a tool that counts instructions. Judges nothing.

#![expect(clippy::disallowed_methods, reason = "an example that measures reads the clock itself")]

mod cases;
mod frames;

use std::hint::black_box;
use std::time::Instant;

use chargetally::dialect::{Dialect, Limits};
use chargetally::settings::usual_source;
use chargetally::setup;
use chargetally_core::time::ArrivalTime;

use self::cases::{Case, cases};

const ARRIVAL: ArrivalTime = ArrivalTime::from_ms(1_795_411_421_000);
const BATCHES: u32 = 60;
const BATCH: u32 = 5_000;

/// A dialect that has seen its first message.
struct Decoder<'c> {
    case: &'c Case,
    dialect: Dialect,
    limits: Limits,
    now_ms: i64,
}

impl<'c> Decoder<'c> {
    fn new(case: &'c Case) -> Self {
        let source = usual_source(case.dialect).expect("a dialect that works by its defaults");
        Self { case, dialect: setup::dialect(&source), limits: Limits::default(), now_ms: ARRIVAL.ms() }
    }

    /// All messages of the case, each a second after the one before.
    fn round(&mut self) {
        for (topic, payload) in self.case.messages {
            self.now_ms += 1_000;
            let (arrival, payload) = (ArrivalTime::from_ms(self.now_ms), black_box(payload.as_bytes()));
            let read = self.dialect.decode(topic, payload, arrival, false, &self.limits, &mut |_, seen| {
                _ = black_box(&seen);
            });
            assert!(read.is_ok(), "{}: {read:?}", self.case.name);
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let cases = cases();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["frames"] => frames::compare(),
        [] => {
            cases.iter().for_each(compare);
            frames::compare();
        }
        ["list"] => cases.iter().for_each(|case| println!("{}", case.name)),
        ["count", name, what, rounds] => {
            let case = cases.iter().find(|case| case.name == name).expect("one of the cases");
            let rounds: u32 = rounds.parse().expect("a number of rounds");
            match what {
                "decode" => {
                    let mut decoder = Decoder::new(case);
                    (0..rounds).for_each(|_| decoder.round());
                }
                _ => (0..rounds).for_each(|_| (case.parse)(black_box(case.json.as_bytes()))),
            }
        }
        _ => panic!("nothing, or `frames`, or `list`, or `count CASE decode|parse ROUNDS`"),
    }
}

fn compare(case: &Case) {
    let mut decoder = Decoder::new(case);
    let decode_ns = best_ns(|| decoder.round());
    let parse_ns = best_ns(|| (case.parse)(black_box(case.json.as_bytes())));
    let ratio = decode_ns / parse_ns;
    println!(
        "{}, {} messages, {} bytes: decoded in {decode_ns:.0} ns, parsed in {parse_ns:.0} ns: {ratio:.2}",
        case.name,
        case.messages.len(),
        case.messages.iter().map(|(_, payload)| payload.len()).sum::<usize>()
    );
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
