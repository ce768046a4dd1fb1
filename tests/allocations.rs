//! Taking in a message allocates nothing once its connector is known and its minute has begun: from the topic and the
//! payload, over the batch that carries them to a worker, to the tally. Counted by an allocator that counts.

use std::sync::Arc;

use allocation_counter::AllocationInfo;
use chargetally::batch::{Batch, Message};
use chargetally::dialect::native::Native;
use chargetally::dialect::{Dialect, Limits};
use chargetally::settings::Settings;
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

#[test]
fn the_counter_counts() {
    let used = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8; 100])));
    assert_eq!((used.count_total, used.bytes_total), (1, 100));
}
