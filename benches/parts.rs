//! The parts of a message's way, one by one: `cargo bench`. Whole runs are `chargetally bench`.

use std::sync::Arc;

use chargetally::dialect::native::Native;
use chargetally::dialect::{Dialect, Limits};
use chargetally::settings::Settings;
use chargetally::setup;
use chargetally::topic::Root;
use chargetally_core::config::SourceIndex;
use chargetally_core::observation::{Observation, Sample, StationKey};
use chargetally_core::scope::StationIndex;
use chargetally_core::shard::Shard;
use chargetally_core::state::Status;
use chargetally_core::time::{ArrivalTime, Bucket, EventTime};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

/// 2026-11-23T00:00:00Z.
const START_MS: i64 = 1_795_392_000_000;
const CONNECTORS_PER_STATION: usize = 10;
const AVAILABLE: &str =
    r#"{"ts":1795392000000,"status":"available","power_kw":0.000,"import_kwh":10000000.000,"connector_temp_c":24.5}"#;
const CHARGING: &str = r#"{"ts":"2026-11-23T00:00:00.000Z","status":"charging","power_kw":62.400,"import_kwh":10000000.000,"connector_temp_c":38.5,"voltage_v":412.5,"current_a":151.3,"power_demand_kw":70.000,"soc_pct":54.2,"battery_temp_max_c":31,"battery_temp_min_c":28,"cell_v_max":3.742,"cell_v_min":3.721,"insulation_kohm":3712,"session":"BENCH0000000000010000000001"}"#;

fn main() {
    divan::main();
}

/// One native message, from topic and payload to what it says.
#[divan::bench(args = [("available", AVAILABLE), ("charging", CHARGING)])]
fn decode(bencher: Bencher<'_, '_>, (_, payload): (&str, &str)) {
    let mut dialect = Dialect::Native(Native::new(Root::default_in()));
    let topic = format!("{}/53/BENCH0001/S0000001/01/telemetry", Root::default_in().as_str());
    let (limits, arrival) = (Limits::default(), ArrivalTime::from_ms(START_MS));
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        let mut sink = |key: StationKey<'_>, said: Observation<'_>| {
            black_box((key, said));
        };
        dialect.decode(black_box(&topic), black_box(payload.as_bytes()), arrival, false, &limits, &mut sink)
    });
}

/// A shard and the names of what it holds.
struct Fleet {
    shard: Shard,
    stations: Vec<String>,
    connectors: Vec<String>,
    round_ms: i64,
}

impl Fleet {
    fn new(connectors: usize) -> Self {
        let config = setup::engine(&Settings::default(), false).expect("the defaults need no table").core;
        let mut fleet = Self {
            shard: Shard::new(Arc::clone(&config), ArrivalTime::from_ms(START_MS)),
            stations: (0..connectors / CONNECTORS_PER_STATION).map(|number| format!("S{number:07}")).collect(),
            connectors: (0..CONNECTORS_PER_STATION).map(|number| format!("{number:02}")).collect(),
            round_ms: 0,
        };
        fleet.send(1_000);
        fleet
    }

    /// A sample of every connector, so long after the last.
    fn send(&mut self, after_ms: i64) {
        self.round_ms += after_ms;
        let at_ms = START_MS + self.round_ms;
        for station in &self.stations {
            for connector in &self.connectors {
                let sample = Sample {
                    at: EventTime::from_ms(at_ms),
                    status: Some(Status::Available),
                    power_w: Some(0),
                    import_j: Some(36_000_000_000),
                    export_j: None,
                    demand_w: None,
                    vitals: Default::default(),
                    session: None,
                };
                let key = StationKey { operator: "BENCH0001", station };
                black_box(self.shard.handle(
                    ArrivalTime::from_ms(at_ms),
                    SourceIndex(0),
                    key,
                    Observation::Sample { connector, sample },
                ));
            }
        }
    }
}

/// A sample of each connector into a shard; an item is a sample.
#[divan::bench(args = [100, 10_000], sample_count = 20, sample_size = 1)]
fn apply(bencher: Bencher<'_, '_>, connectors: usize) {
    bencher
        .counter(ItemsCount::new(connectors))
        .with_inputs(|| Fleet::new(connectors))
        .bench_local_refs(|fleet| fleet.send(1_000));
}

/// Closing a minute; an item is a connector.
#[divan::bench(args = [10_000], sample_count = 20, sample_size = 1)]
fn close(bencher: Bencher<'_, '_>, connectors: usize) {
    bencher.counter(ItemsCount::new(connectors)).with_inputs(|| Fleet::new(connectors).shard).bench_local_values(
        |mut shard| {
            let report = shard.close(Bucket::holding_ms(START_MS).next());
            (shard, report)
        },
    );
}

/// Packing all stations for a checkpoint; an item is a connector.
#[divan::bench(args = [10_000], sample_count = 20, sample_size = 1)]
fn pack(bencher: Bencher<'_, '_>, connectors: usize) {
    let fleet = Fleet::new(connectors);
    let stations: Vec<StationIndex> = (0..fleet.stations.len() as u32).map(StationIndex).collect();
    bencher.counter(ItemsCount::new(connectors)).bench_local(|| {
        let mut bytes = 0;
        fleet.shard.pack_stations(&stations, |_, packed| bytes += packed.len());
        bytes
    });
}
