//! Taking in a message allocates nothing once its connector is known and its minute has begun: from the topic and the
//! payload, over the batch that carries them to a worker, to the tally. Counted by an allocator that counts.

use std::sync::Arc;

use allocation_counter::AllocationInfo;
use chargetally::batch::{Batch, Message};
use chargetally::dialect::native::Native;
use chargetally::dialect::{Dialect, Limits};
use chargetally::settings::{DialectName, Settings, usual_source};
use chargetally::setup;
use chargetally::topic::Root;
use chargetally_core::config::SourceIndex;
use chargetally_core::shard::{Shard, Verdict};
use chargetally_core::time::{ArrivalTime, Bucket};

/// 2026-11-23T00:00:00Z.
const START_MS: i64 = 1_795_392_000_000;
const CONNECTORS: i64 = 20;
/// More samples of each than are remembered of their times.
const ROUNDS: i64 = 200;
const EVERY_MS: i64 = 5_000;

struct Station {
    dialect: Dialect,
    limits: Limits,
    shard: Shard,
    batch: Batch,
    accepted: u64,
}

impl Station {
    fn new() -> Self {
        let settings = Settings::default();
        let core = setup::engine(&settings, false).expect("the defaults need no table").core;
        Self {
            dialect: Dialect::Native(Native::new(Root::default_in())),
            limits: setup::limits(&settings),
            shard: Shard::new(Arc::clone(&core), ArrivalTime::from_ms(START_MS)),
            batch: Batch::default(),
            accepted: 0,
        }
    }

    /// Puts messages through a batch and into the shard.
    fn take(&mut self, messages: &[(String, String)], arrival: ArrivalTime) {
        for (topic, payload) in messages {
            let (source, payload) = (SourceIndex(0), payload.as_bytes());
            self.batch.push(&Message { arrival, source, topic, payload, retained: false });
        }
        let Self { dialect, limits, shard, batch, accepted } = self;
        for message in batch.iter() {
            let Message { arrival, source, topic, payload, retained } = message;
            let mut sink = |key: chargetally_core::observation::StationKey<'_>,
                            said: chargetally_core::observation::Observation<'_>| {
                *accepted += u64::from(shard.handle(arrival, source, key, said) == Verdict::Accepted);
            };
            dialect.decode(topic, payload, arrival, retained, limits, &mut sink).expect("well-formed");
        }
        batch.clear();
    }
}

/// What every connector sends in one round.
fn round(round: i64) -> (Vec<(String, String)>, ArrivalTime) {
    let at_ms = START_MS + round * EVERY_MS;
    let messages = (0..CONNECTORS).map(|connector| {
        let topic = format!("{}/53/OP1/S1/{connector:02}/telemetry", Root::default_in().as_str());
        let state = if connector % 2 == 0 { "charging" } else { "available" };
        let payload = format!(
            r#"{{"ts":{at_ms},"status":"{state}","power_kw":60.5,"import_kwh":{}.25,"voltage_v":400.1,"current_a":151.2,
            "connector_temp_c":31.5,"soc_pct":54.2,"battery_temp_max_c":31,"cell_v_max":3.742,"session":"A1"}}"#,
            10_000 + round
        );
        (topic, payload)
    });
    (messages.collect(), ArrivalTime::from_ms(at_ms))
}

#[test]
fn a_known_connectors_message_allocates_nothing() {
    let mut station = Station::new();
    for number in 0..ROUNDS {
        let (messages, arrival) = round(number);
        station.take(&messages, arrival);
        station.shard.close(Bucket::holding_ms(arrival.ms() - 60_000));
    }
    // The first round of a minute makes its tallies, in the room that closed ones left.
    let (mut measured, in_minute) = (AllocationInfo::default(), 60_000 / EVERY_MS);
    for number in ROUNDS..ROUNDS + 3 * in_minute {
        let (messages, arrival) = round(number);
        let used = allocation_counter::measure(|| station.take(&messages, arrival));
        measured.count_total += used.count_total;
        measured.bytes_total += used.bytes_total;
        station.shard.close(Bucket::holding_ms(arrival.ms() - 60_000));
    }
    assert_eq!(station.accepted, ((ROUNDS + 3 * in_minute) * CONNECTORS) as u64, "all of it was taken in");
    assert_eq!((measured.count_total, measured.bytes_total), (0, 0));
}

/// How often a dialect allocates for a message that it has seen before, some seconds later.
fn decode_allocations(dialect: DialectName, topic: &str, payload: &str) -> u64 {
    let source = usual_source(dialect).expect("a dialect that works by its defaults");
    let (mut dialect, limits) = (setup::dialect(&source), Limits::default());
    let mut told = 0;
    let mut take = |at_ms: i64| {
        let arrival = ArrivalTime::from_ms(START_MS + at_ms);
        dialect.decode(topic, payload.as_bytes(), arrival, false, &limits, &mut |_, _| told += 1).expect("well-formed");
    };
    take(0);
    let used = allocation_counter::measure(|| take(5_000));
    assert!(told > 1, "{topic} is told");
    used.count_total
}

#[test]
fn other_dialects_allocate_at_most_once_for_a_known_connectors_message() {
    let status = r#"{"ConnectorStatusInfo":{"ConnectorID":"5301020001230701","Status":3,"ParkStatus":50}}"#;
    let wrapped = format!(r#"{{"seq":7,"data":{status}}}"#);
    let real_time =
        r#"{"tradeSeq":"53010200000007012611230000000001","id":"53010200000007","gunId":"01","status":3,"ov":3952}"#;
    let meter = r#"{"power":7350.5,"energy_rel":2.5,"energy_abs":812.25}"#;
    let cec_topic = "cec/v1/MA5DA0053/530102000123/status";
    for (dialect, topic, payload, expected) in [
        (DialectName::Cec102, cec_topic, status, 0),
        (DialectName::Cec102, cec_topic, &wrapped, 0),
        (DialectName::Ykc, "charge/ykc/53010200000007/1/13", real_time, 0),
        (DialectName::Evcc, "evcc/loadpoints/1/chargePower", "7350.5", 0),
        (DialectName::Homie, "homie/5/box-3/gun1/status", "Charging", 0),
        // What a payload says is gathered before any of it counts.
        (DialectName::Warp, "warp2/XyZ/meter/values", meter, 1),
    ] {
        assert_eq!(decode_allocations(dialect, topic, payload), expected, "{topic} {payload}");
    }
}

#[test]
fn the_counter_counts() {
    let used = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8; 100])));
    assert_eq!((used.count_total, used.bytes_total), (1, 100));
}
