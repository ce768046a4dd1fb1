//! The figures of `replay` against those of the slow reference program: every window and scope, on any number of
//! workers, for recordings as nasty as the generator can make them.

mod reference;

use std::collections::BTreeSet;
use std::sync::Arc;

use chargetally::dialect::native::Native;
use chargetally::dialect::{Dialect, Limits};
use chargetally::engine::EngineConfig;
use chargetally::publish::assemble::Assembler;
use chargetally::replay::Replay;
use chargetally::topic::Root;
use chargetally_core::config::Config;
use chargetally_core::indicator::Policy;
use chargetally_core::region::ReferenceData;
use chargetally_core::rollup::{RollupConfig, Tariff};
use chargetally_core::scope::Level;
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::WindowKind;
use reference::generate::{Knobs, generate};
use reference::{Options, compare, vector};

fn engine(workers: usize) -> EngineConfig {
    let core = Config::default();
    EngineConfig {
        rollup: RollupConfig {
            calendar: core.calendar.clone(),
            levels: Level::ALL.to_vec(),
            windows: WindowKind::ALL.to_vec(),
            keep_ms: [0; 5],
            revise_every_ms: 60_000,
            tariff: Tariff::default(),
            plan_from: Bucket::holding_ms(1_767_196_800_000),
        },
        core: Arc::new(core),
        quotas: Vec::new(),
        dialects: vec![Dialect::Native(Native::new(Root::default_in()))],
        limits: Limits::default(),
        workers,
        rejected_samples_per_s: 0,
        spread: None,
    }
}

fn summaries(recording: &str, workers: usize) -> String {
    let config = engine(workers);
    let mut assembler = Assembler {
        calendar: config.rollup.calendar.clone(),
        policy: Policy::default(),
        reference: ReferenceData::default(),
        basis: None,
        holidays: BTreeSet::new(),
        holiday_utilisation_min: 0.4,
        versions: Vec::new(),
        first: ArrivalTime::from_ms(0),
    };
    let mut replay = Replay::new(config);
    replay.read(recording.as_bytes(), |_| {}).expect("readable");
    let mut out = Vec::new();
    replay.finish(&mut assembler, &mut out).expect("written");
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// Holds a recording's summaries against the reference; on failure, says what the smallest such recording is.
fn check(lines: &[String], workers: usize) {
    let differs = |lines: &[String]| {
        let recording = lines.join("\n");
        let expected = reference::replay(&recording, &Options::default());
        compare::compare(&summaries(&recording, workers), &expected).err()
    };
    if let Some(differences) = differs(lines) {
        let shortest = compare::shrink(lines, |some| differs(some).is_some());
        let difference = differs(&shortest).unwrap_or(differences);
        panic!("{difference}\nfor the recording\n{}", shortest.join("\n"));
    }
}

#[test]
fn plain_recordings_agree_with_the_reference() {
    for seed in 0..10 {
        let knobs = Knobs {
            without_tst: false,
            registrations: false,
            old_duplicates: false,
            sessions: false,
            unreadable: false,
            ..Knobs::all(120)
        };
        check(&generate(seed, knobs), 1);
    }
}

#[test]
fn nasty_recordings_agree_with_the_reference() {
    for seed in 100..140 {
        check(&generate(seed, Knobs::all(150)), 1 + (seed % 3) as usize);
    }
}

#[test]
fn the_day_of_the_test_vectors_agrees_with_the_reference() {
    let day: Vec<String> = vector::day(1_767_196_800_000).lines().map(str::to_owned).collect();
    check(&day, 2);
}

#[test]
fn any_number_of_workers_gives_the_same_summaries() {
    let recording = generate(7, Knobs::all(600)).join("\n");
    let alone = summaries(&recording, 1);
    assert!(alone.lines().count() > 100);
    for workers in [2, 7] {
        assert!(summaries(&recording, workers) == alone, "{workers} workers give other summaries than one");
    }
}
