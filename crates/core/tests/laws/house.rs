//! A small house around the core for the tests of its laws: shards, a rollup and a store in memory, driven by arrival
//! times alone. Everything that comes out is kept by name, so that runs with other numbers can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::fleet::Step;
use chargetally_core::census::{Census, Snapshot};
use chargetally_core::config::{Config, Limits, Source, SourceIndex};
use chargetally_core::pack::{Pack, Reader};
use chargetally_core::rollup::{
    self, CensusBook, Names, Peak, Publication, Record, Rollup, RollupConfig, Tariff, WindowMeta,
};
use chargetally_core::scope::{Level, Part, StationIndex};
use chargetally_core::shard::{AlarmEvent, Shard, packed_key, unpack_remainders};
use chargetally_core::tally::Tally;
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::{Window, WindowKind};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

/// When every run begins, ms: half an hour before a civil day of China and a month end.
pub const BEGIN_MS: i64 = 1_769_873_400_000;

/// What was given out last, by window and scope.
pub type Figures = BTreeMap<(Window, &'static str, String), Shown>;

/// What came out of a run.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    pub figures: Figures,
    pub alarms: Vec<String>,
    pub standing: Vec<String>,
}

/// What a checkpoint holds.
#[derive(Default)]
struct Store {
    stations: BTreeMap<(String, String), Vec<u8>>,
    remainders: Vec<Vec<u8>>,
    metas: BTreeMap<Window, Vec<u8>>,
    records: BTreeMap<(Window, &'static str, String), Vec<u8>>,
}

pub struct House {
    config: Arc<Config>,
    pub shards: Vec<Shard>,
    pub rollup: Rollup,
    store: Store,
    pub figures: Figures,
    alarms: Vec<String>,
    now_ms: i64,
}

pub fn config() -> Config {
    Config {
        sources: vec![Source::default(), Source { hold_ms: 120_000, prolong: true }],
        limits: Limits { duplicate_memory: 8, sessions_per_connector: 3, ..Limits::default() },
        ..Config::default()
    }
}

fn rollup_config(config: &Config) -> RollupConfig {
    RollupConfig {
        calendar: config.calendar.clone(),
        levels: Level::ALL.to_vec(),
        windows: WindowKind::ALL.to_vec(),
        keep_ms: [i64::MAX / 4; 5],
        revise_every_ms: 0,
        tariff: Tariff::default(),
        plan_from: Bucket::from_number(0),
    }
}

impl Outcome {
    /// Leaves out what is as of an occasion to hand over: snapshots, taken at the first close at which a window is
    /// known, and the minutes of whole stations, which go with the connectors that changed since the close before.
    pub fn forget_occasions(&mut self) {
        self.each_own(|own| {
            own.snapshot = Snapshot::default();
        });
        for shown in self.figures.values_mut() {
            let sums =
                shown.plan.iter_mut().map(|(sum, _)| sum).chain(shown.twelve_months.iter_mut().map(|(sum, _)| sum));
            sums.chain(shown.highway.iter_mut().map(|(_, tally)| tally)).for_each(forget_station_minutes);
        }
    }

    /// Leaves all but the window's own sums: a census tells of the registry, and sums over other windows of those, as of
    /// the giving out.
    pub fn keep_sums_only(&mut self) {
        self.forget_occasions();
        // Whose time was taken back altogether is given out once more only where it was given out before.
        self.figures.retain(|_, shown| shown.own.tally.service_ms() != 0);
        self.each_own(|own| own.census = Census::default());
        for shown in self.figures.values_mut() {
            shown.plan = None;
            shown.twelve_months = None;
            shown.townships.clear();
            // Where a station is listed follows its present registration.
            shown.full.clear();
            shown.highway.clear();
        }
    }

    /// Leaves out the lists of stations on highways.
    pub fn forget_highways(&mut self) {
        self.figures.values_mut().for_each(|shown| shown.highway.clear());
    }

    fn each_own(&mut self, change: impl Fn(&mut Own)) {
        for shown in self.figures.values_mut() {
            let parts = shown.parts.iter_mut().map(|(_, own)| own);
            let counties = shown.counties.iter_mut().map(|(_, own)| own);
            parts.chain(counties).chain([&mut shown.own]).for_each(&change);
        }
    }
}

fn forget_station_minutes(tally: &mut Tally) {
    (tally.station_ms, tally.full_ms, tally.full_faulty_ms) = (0, 0, 0);
}

/// So many cases, kept nowhere.
pub fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(count) }
}

impl House {
    pub fn new(shards: usize) -> Self {
        Self::with_levels(shards, &Level::ALL)
    }

    /// One that gives out these levels alone.
    pub fn with_levels(shards: usize, levels: &[Level]) -> Self {
        let config = Arc::new(Config { stations_in_scope: levels.contains(&Level::Station), ..config() });
        let from = ArrivalTime::from_ms(BEGIN_MS);
        let shards: Vec<Shard> = (0..shards).map(|_| Shard::new(Arc::clone(&config), from)).collect();
        let rollup = RollupConfig { levels: levels.to_vec(), ..rollup_config(&config) };
        let rollup = Rollup::new(rollup, shards.len(), shards[0].closed());
        Self {
            config,
            shards,
            rollup,
            store: Store::default(),
            figures: Figures::new(),
            alarms: Vec::new(),
            now_ms: BEGIN_MS,
        }
    }

    /// Takes in one step: first what time alone brings, then the message.
    pub fn step(&mut self, step: &Step) {
        self.pass(step.after_ms);
        let key = step.key();
        let home = home_of(key.operator, key.station, self.shards.len());
        let arrival = ArrivalTime::from_ms(self.now_ms);
        match step.observation(arrival) {
            Some(observation) => {
                self.shards[home].handle(arrival, SourceIndex(step.source), key, observation);
            }
            None => self.shards[home].reject(arrival, Some(key)),
        }
        self.take_alarms();
    }

    /// Time passes: base buckets close one by one, each when its grace is over.
    pub fn pass(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        loop {
            let due_ms = self.shards[0].closed().end_ms() + self.config.grace_ms;
            if due_ms > until_ms {
                break;
            }
            self.now_ms = self.now_ms.max(due_ms);
            self.tick();
            self.close();
        }
        self.now_ms = until_ms;
        self.tick();
    }

    fn tick(&mut self) {
        for shard in &mut self.shards {
            shard.tick(ArrivalTime::from_ms(self.now_ms));
        }
        self.take_alarms();
    }

    /// Hands over what has changed up to now.
    pub fn close(&mut self) {
        let until = Bucket::holding_ms(self.now_ms - self.config.grace_ms);
        for (index, shard) in self.shards.iter_mut().enumerate() {
            let report = shard.close(until);
            self.rollup.absorb(index, report);
        }
        self.rollup.apply(until);
        self.rollup.pack_away(true);
        for window in self.rollup.unseen(self.shards[0].closed()) {
            let seen = self.count(window, true);
            self.rollup.keep_snapshot(window, &seen);
        }
    }

    fn count(&self, window: Window, with_snapshot: bool) -> CensusBook {
        let mut book = CensusBook::default();
        for (index, shard) in self.shards.iter().enumerate() {
            self.rollup.count_all(index, &shard.take_census(window, with_snapshot), &mut book);
        }
        book
    }

    fn take_alarms(&mut self) {
        self.alarms.extend(self.shards.iter_mut().flat_map(Shard::take_alarms).map(|event| told(&event)));
    }

    /// Gives out all closed windows that changed.
    pub fn publish(&mut self) {
        for window in self.rollup.due(self.now_ms, true) {
            let census = self.count(window, false);
            let figures = &mut self.figures;
            self.rollup.publish(window, self.now_ms, &census, |names, publication| {
                let code = names.scope_code(publication.scope).expect("scopes have names");
                figures.insert((window, code.kind, code.code), shown(names, publication, &census));
            });
        }
    }

    /// Stores what changed since the last checkpoint.
    pub fn checkpoint(&mut self) {
        self.close();
        self.store.remainders.clear();
        for shard in &mut self.shards {
            let stations = &mut self.store.stations;
            shard.pack_stations(&shard.dirty_stations(), |key, block| {
                stations.insert((key.operator.to_owned(), key.station.to_owned()), block.to_vec());
            });
            shard.clear_dirty();
            self.store.remainders.push(shard.pack_remainder());
        }
        for (window, meta) in self.rollup.changed_windows() {
            self.store.metas.insert(window, packed(&meta));
        }
        for (window, scope, record) in self.rollup.changed_records() {
            let code = self.rollup.names().scope_code(scope).expect("scopes have names");
            self.store.records.insert((window, code.kind, code.code), packed(&*record));
        }
        self.rollup.clear_changed();
    }

    /// Ends everything and begins again from the store, with so many shards.
    pub fn restart(&mut self, shards: usize) {
        self.checkpoint();
        let from = ArrivalTime::from_ms(self.now_ms);
        let mut fresh: Vec<Shard> = (0..shards).map(|_| Shard::new(Arc::clone(&self.config), from)).collect();
        unpack_remainders(&mut fresh, &self.store.remainders).expect("the store is sound");
        for block in self.store.stations.values() {
            let key = packed_key(block).expect("the store is sound");
            let home = home_of(key.operator, key.station, shards);
            fresh[home].unpack_station(block).expect("the store is sound");
        }
        let mut rollup = Rollup::new(rollup_config(&self.config), shards, fresh[0].closed());
        for (index, shard) in fresh.iter_mut().enumerate() {
            let report = shard.close(shard.closed());
            assert_eq!(report.changes, [], "what is handed over has been handed over before");
            rollup.absorb(index, report);
        }
        for (&window, meta) in &self.store.metas {
            let mut records = Vec::new();
            for ((_, kind, code), bytes) in
                self.store.records.range((window, "", String::new())..).take_while(|((of, ..), _)| *of == window)
            {
                let scope = rollup.scope_of(kind, code).expect("scopes have names");
                records.push((scope, unpacked::<Record>(bytes)));
            }
            rollup.restore_window(window, unpacked::<WindowMeta>(meta), records);
        }
        (self.shards, self.rollup) = (fresh, rollup);
    }

    /// Lets all open base buckets close, and shows what came of it all.
    pub fn end(mut self) -> Outcome {
        self.pass(10 * 60_000);
        self.close();
        self.publish();
        self.alarms.sort_unstable();
        let mut standing: Vec<String> = self.shards.iter_mut().flat_map(Shard::open_alarms).map(|e| told(&e)).collect();
        standing.sort_unstable();
        Outcome { figures: self.figures, alarms: self.alarms, standing }
    }

    /// All stations of all shards, packed.
    pub fn blocks(&self) -> Vec<Vec<u8>> {
        let pack = |shard: &Shard, station: StationIndex| shard.pack_station(station);
        self.shards.iter().flat_map(|shard| shard.all_stations().map(move |station| pack(shard, station))).collect()
    }
}

/// Finds the first difference of two outcomes; revisions count the occasions, which may differ.
pub fn check_equal(one: &Outcome, other: &Outcome) -> Result<(), TestCaseError> {
    prop_assert_eq!(&one.alarms, &other.alarms);
    prop_assert_eq!(&one.standing, &other.standing);
    prop_assert_eq!(one.figures.keys().collect::<Vec<_>>(), other.figures.keys().collect::<Vec<_>>());
    for (key, figures) in &one.figures {
        let theirs = Shown { revision: figures.revision, ..other.figures[key].clone() };
        if *figures != theirs {
            return Err(TestCaseError::fail(first_difference(key, figures, &theirs)));
        }
    }
    Ok(())
}

fn first_difference(key: &(Window, &str, String), one: &Shown, other: &Shown) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let differing = one.lines().zip(other.lines()).enumerate().filter(|(_, (one, other))| one != other);
    let lines: Vec<String> =
        differing.take(6).map(|(line, (one, other))| format!("{line}: {one} <> {other}")).collect();
    format!("{key:?}\n{}", lines.join("\n"))
}

/// Runs all steps with so many shards.
pub fn run(steps: &[Step], shards: usize) -> Outcome {
    run_in(House::new(shards), steps)
}

/// Takes in all steps and gives out.
pub fn run_in(mut house: House, steps: &[Step]) -> Outcome {
    for step in steps {
        house.step(step);
    }
    house.end()
}

fn home_of(operator: &str, station: &str, shards: usize) -> usize {
    let digest = operator.bytes().chain(station.bytes()).fold(7_usize, |digest, byte| digest * 31 + usize::from(byte));
    digest % shards
}

fn packed<T: Pack>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.pack(&mut bytes);
    bytes
}

fn unpacked<T: Pack>(bytes: &[u8]) -> T {
    let mut reader = Reader::new(bytes);
    let value = T::unpack(&mut reader).expect("the store is sound");
    reader.finish().expect("the store is sound");
    value
}

fn told(event: &AlarmEvent) -> String {
    let AlarmEvent { operator, station, connector, province, change } = event;
    let mut change = format!("{change:?}");
    // The key holds numbers of one run; the names stand beside it.
    let end = change.find("class:").expect("a change shows its key");
    change.drain(..end);
    format!("{operator}/{station}/{connector:?} {province} {change}")
}

/// Figures of their own, out of the rollup.
#[derive(Clone, Debug, PartialEq)]
pub struct Own {
    tally: Tally,
    census: Census,
    snapshot: Snapshot,
    minute_peak: Peak,
    quarter_peak: Peak,
}

/// A publication of its own, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    revision: u32,
    own: Own,
    parts: Vec<(Part, Own)>,
    counties: Vec<(u32, Own)>,
    full: Vec<(String, i64)>,
    highway: Vec<(String, Tally)>,
    plan: Option<(Tally, u32)>,
    twelve_months: Option<(Tally, u32)>,
    townships: BTreeSet<u32>,
}

fn own(figures: &rollup::Figures<'_>) -> Own {
    let rollup::Figures { tally, census, snapshot, minute_peak, quarter_peak } = *figures;
    Own { tally: tally.clone(), census: census.clone(), snapshot: snapshot.clone(), minute_peak, quarter_peak }
}

fn shown(names: &Names, publication: &Publication<'_>, census: &CensusBook) -> Shown {
    let name = |station: StationIndex| format!("{}/{}", names.station(station).operator, names.station(station).id);
    let highway = publication.highway_stations.iter();
    Shown {
        revision: publication.revision,
        own: own(&publication.figures),
        parts: publication.parts.iter().map(|part| (part.part, own(&part.figures))).collect(),
        counties: publication.counties.iter().map(|(county, figures)| (*county, own(figures))).collect(),
        full: publication.full_stations.iter().map(|&(station, full_ms)| (name(station), full_ms)).collect(),
        highway: highway.map(|&(station, tally)| (name(station), tally.clone())).collect(),
        plan: publication.plan.clone(),
        twelve_months: publication.twelve_months.clone(),
        townships: census.townships().clone(),
    }
}
