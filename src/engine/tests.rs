//! Sources whose topics name no station: whatever the number of workers, and over a restart with another number of them,
//! the same is said as by one worker that was never stopped.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use chargetally_core::config::SourceIndex;
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::WindowKind;

use super::resume::{Intake, Packed, Resuming};
use super::{Engine, EngineConfig, Notice, Quota, RejectedSample, Spread};
use crate::batch::Message;
use crate::dialect::{Reason, Reject};
use crate::{settings, setup};

/// 2026-11-23T13:20:00+08:00.
const START_MS: i64 = 1_795_411_200_000;
const MINUTE_MS: i64 = 60_000;
/// The minute that begins after the restart.
const RESTART: i64 = 3;

fn config(workers: usize) -> EngineConfig {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.toml");
    let text = format!("[publish]\nwindows = ['1m']\n[run]\nshards = {workers}\n[[source]]\ndialect = 'cec102'\n");
    std::fs::write(&path, text).expect("written");
    let settings = settings::load(&[path]).expect("good settings").settings;
    setup::engine(&settings, false).expect("no tables")
}

/// Charge statuses of six stations of two operators in these minutes, on topics of the operators.
fn feed(engine: &mut Engine, minutes: std::ops::Range<i64>) {
    feed_in_lots(engine, minutes, |_| false);
}

/// The same, handed to the workers wherever `goes` says so of a message's number.
fn feed_in_lots(engine: &mut Engine, minutes: std::ops::Range<i64>, goes: impl Fn(usize) -> bool) {
    let mut pushed = 0;
    let mut push = |at_ms: i64, topic: &str, payload: &str| {
        let (arrival, source) = (ArrivalTime::from_ms(START_MS + at_ms), SourceIndex(0));
        let message = Message { arrival, source, topic, payload: payload.as_bytes(), retained: false };
        engine.push(&message).expect("taken");
        pushed += 1;
        if goes(pushed) {
            engine.flush().expect("workers");
        }
    };
    for number in 0..6_i64 {
        let topic = |kind: &str| format!("cec/v1/op-{}/{kind}", number % 2);
        if minutes.start == 0 {
            let info = format!(
                r#"{{"StationID":"st-{number}","EquipmentInfos":[{{"EquipmentID":"e","Power":120,"ConnectorInfos":[{{"ConnectorID":"gun-{number}","ConnectorType":4,"Power":120}}]}}]}}"#
            );
            push(0, &topic("info"), &info);
        }
    }
    for minute in minutes {
        for number in 0..6_i64 {
            let topic = format!("cec/v1/op-{}/charge", number % 2);
            let kwh = 0.5 * (minute + 1) as f64 + 0.01 * number as f64;
            let charge = format!(
                r#"{{"StartChargeSeq":"s-{number}","StartChargeSeqStat":2,"ConnectorID":"gun-{number}","ConnectorStatus":3,"StartTime":"2026-11-23 13:20:00","EndTime":"2026-11-23 13:{}:30","TotalPower":{kwh}}}"#,
                20 + minute
            );
            push(minute * MINUTE_MS + 30_000, &topic, &charge);
        }
    }
}

/// Energy, connectors and stations of every minute from the restart on.
fn finish(mut engine: Engine) -> BTreeMap<i64, (i64, i64, i64)> {
    let mut told = BTreeMap::new();
    let restart = Bucket::holding_ms(START_MS + RESTART * MINUTE_MS);
    let stats = engine.stats().expect("workers");
    assert_eq!(stats.rejects.iter().sum::<u64>(), 0, "nothing is refused");
    engine
        .finish(|window| {
            if let (true, Some((tally, census))) = (window.window.start >= restart, window.nation())
                && window.window.kind == WindowKind::Minute
            {
                told.insert(window.window.start.start_ms(), (tally.import_j, census.connectors, census.stations));
            }
            ControlFlow::Continue(())
        })
        .expect("an end");
    told
}

fn undisturbed(workers: usize) -> BTreeMap<i64, (i64, i64, i64)> {
    let mut engine = Engine::start(config(workers), ArrivalTime::from_ms(START_MS)).expect("threads");
    feed(&mut engine, 0..RESTART);
    feed(&mut engine, RESTART..6);
    finish(engine)
}

fn restarted(workers: usize, workers_after: usize) -> BTreeMap<i64, (i64, i64, i64)> {
    let mut engine = Engine::start(config(workers), ArrivalTime::from_ms(START_MS)).expect("threads");
    feed(&mut engine, 0..RESTART);
    engine.flush().expect("workers");
    engine.close(Bucket::holding_ms(START_MS + (RESTART - 1) * MINUTE_MS)).expect("workers");
    let (mut stations, mut memories, mut remainders) = (Vec::new(), Vec::new(), Vec::new());
    let packed = engine.pack(|piece| {
        match piece {
            Packed::Station(_, block) => stations.push(block),
            Packed::Memory(source, code, memory) => memories.push((source, code, memory)),
            Packed::Remainder(_, block) => remainders.push(block),
        }
        Ok::<(), ()>(())
    });
    assert_eq!(packed.expect("workers"), Ok(()));
    assert_eq!(memories.len(), 6, "every station is remembered");
    let mut resuming = Resuming::new(config(workers_after), engine.newest(), &remainders).expect("its own bytes");
    let read = |intake: &mut Intake| stations.iter().for_each(|block| intake.station(block));
    let ((), taken) = resuming.stations(read).expect("threads");
    taken.expect("its own bytes");
    for (source, code, memory) in &memories {
        resuming.memory(*source, code, memory).expect("its own bytes");
    }
    let mut engine = resuming.start().expect("threads");
    feed(&mut engine, RESTART..6);
    finish(engine)
}

#[test]
fn stations_that_topics_do_not_name_stay_whole_over_workers_and_restarts() {
    let expected = undisturbed(1);
    assert_eq!(expected.len(), 3, "{expected:?}");
    for (start_ms, (import_j, connectors, stations)) in &expected {
        assert!(*import_j > 0 && (*connectors, *stations) == (6, 6), "{start_ms}: {expected:?}");
    }
    assert_eq!(undisturbed(4), expected);
    assert_eq!(restarted(4, 4), expected);
    assert_eq!(restarted(1, 4), expected);
    assert_eq!(restarted(4, 3), expected);
}

#[test]
fn what_few_messages_and_many_say_is_the_same() {
    let told = |workers, lot: usize| {
        let mut engine = Engine::start(config(workers), ArrivalTime::from_ms(START_MS)).expect("threads");
        feed_in_lots(&mut engine, 0..39, |pushed| pushed.is_multiple_of(lot));
        finish(engine)
    };
    // Some lots are few messages, others are not; where a worker is still busy, few take the long way too.
    let expected = told(1, usize::MAX);
    assert_eq!(expected.len(), 36);
    for (workers, lot) in [(1, 1), (1, 7), (3, 1), (3, 7), (3, 100), (3, usize::MAX)] {
        assert_eq!(told(workers, lot), expected, "{workers} workers, lots of {lot}");
    }
}

#[test]
fn what_a_spread_close_says_is_the_same_and_it_is_completed_in_its_time() {
    let spread = Some(Spread { connectors_min: 0, ms_per_million: 2_000_000_000 });
    let told = |workers, spread, lot: usize| {
        let config = EngineConfig { spread, ..config(workers) };
        let mut engine = Engine::start(config, ArrivalTime::from_ms(START_MS)).expect("threads");
        feed_in_lots(&mut engine, 0..39, |pushed| pushed.is_multiple_of(lot));
        finish(engine)
    };
    let expected = told(1, None, usize::MAX);
    for (workers, lot) in [(1, usize::MAX), (1, 1), (3, usize::MAX), (3, 5)] {
        assert_eq!(told(workers, spread, lot), expected, "{workers} workers, lots of {lot}");
    }

    let config = EngineConfig { spread, ..config(2) };
    let grace_ms = config.core.grace_ms;
    let mut engine = Engine::start(config, ArrivalTime::from_ms(START_MS)).expect("threads");
    feed(&mut engine, 0..3);
    let after = |ms: i64| ArrivalTime::from_ms(START_MS + 3 * MINUTE_MS + grace_ms + ms);
    // Six connectors, two seconds each.
    let advanced: Vec<bool> =
        [0, 11_999, 12_000, 12_001].map(|ms| engine.advance(after(ms)).expect("workers")).to_vec();
    assert_eq!((advanced, engine.closed().start_ms()), (vec![true, false, true, false], START_MS + 3 * MINUTE_MS));
}

#[test]
fn a_station_that_cannot_be_gone_on_from_is_named() {
    let mut engine = Engine::start(config(2), ArrivalTime::from_ms(START_MS)).expect("threads");
    feed(&mut engine, 0..RESTART);
    engine.close(Bucket::holding_ms(START_MS + (RESTART - 1) * MINUTE_MS)).expect("workers");
    let (mut stations, mut remainders) = (Vec::new(), Vec::new());
    let packed = engine.pack(|piece| {
        match piece {
            Packed::Station(code, block) => stations.push((code, block)),
            Packed::Remainder(_, block) => remainders.push(block),
            Packed::Memory(..) => {}
        }
        Ok::<(), ()>(())
    });
    assert_eq!(packed.expect("workers"), Ok(()));
    let (cut_code, cut) = stations.last_mut().expect("six stations");
    cut.pop();
    let cut_code = cut_code.clone();
    let mut resuming = Resuming::new(config(2), engine.newest(), &remainders).expect("its own bytes");
    let read = |intake: &mut Intake| stations.iter().for_each(|(_, block)| intake.station(block));
    let ((), taken) = resuming.stations(read).expect("threads");
    assert_eq!(taken.expect_err("one is cut").code, cut_code);
    let mut resuming = Resuming::new(config(2), engine.newest(), &remainders).expect("its own bytes");
    let ((), taken) = resuming.stations(|intake| intake.station(b"no station")).expect("threads");
    assert_eq!(taken.expect_err("no station").code, "", "nothing is known of it");
}

#[test]
fn what_a_quota_keeps_out_is_counted_and_shown() {
    let mut config = config(2);
    config.quotas = vec![Quota { messages_per_s: 1, ..Quota::NONE }];
    config.rejected_samples_per_s = 1;
    let mut engine = Engine::start(config, ArrivalTime::from_ms(START_MS)).expect("threads");
    let payload = br#"{"ConnectorID":"gun-1","Status":3,"PlateNo":"A12345"}"#;
    for at_ms in [0, 100, 200, 300, 1_000, 1_100] {
        let arrival = ArrivalTime::from_ms(START_MS + at_ms);
        let topic = "cec/v1/op/st/status";
        let message = Message { arrival, source: SourceIndex(0), topic, payload, retained: false };
        engine.push(&message).expect("taken");
    }
    let stats = engine.stats().expect("workers");
    assert_eq!((stats.messages, stats.rejected()), (6, 4));
    let samples: Vec<RejectedSample> = engine
        .notices()
        .filter_map(|notice| match notice {
            Notice::Rejected(sample) => Some(*sample),
            _ => None,
        })
        .collect();
    let told: Vec<_> = samples.iter().map(|sample| (sample.arrival.ms() - START_MS, sample.count)).collect();
    assert_eq!(told, [(100, 1), (1_100, 3)]);
    for sample in samples {
        assert_eq!(sample.reject, Reject::whole(Reason::TooManyMessages));
        assert_eq!((&*sample.topic, sample.payload_bytes), ("cec/v1/op/st/status", payload.len()));
        assert_eq!(String::from_utf8_lossy(&sample.payload), r#"{"ConnectorID":"gun-1","Status":3,"PlateNo":"-"}"#);
    }
}
