//! From base buckets to windows and from stations to the nation. What the shards hand over is added to every window
//! and scope that it belongs to; windows whose end has been closed are given out, and again when late data changes
//! them. Sums only: whatever the order of changes, the last revision is the same.

mod code;
mod names;
mod pack;
mod publish;
mod records;
mod tariff;

pub use code::{ScopeCode, station_code, station_of_code};
pub use names::Names;
pub use pack::WindowMeta;
pub use publish::{CensusBook, Figures, PartFigures, Publication};
pub use tariff::{Tariff, ValleyPeriod};

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use crate::census::Snapshot;
use crate::scope::{Attribution, AttributionIndex, Level, NOBODY, Scope, StationIndex};
use crate::shard::{Change, Report};
use crate::state::State;
use crate::tally::{Merge, Tally};
use crate::time::Bucket;
use crate::window::{Calendar, Window, WindowKind};
use records::Records;

/// So long after its end a window is rarely touched, ms.
const RESTING_MS: i64 = 300_000;

/// What is kept and given out.
#[derive(Clone, Debug)]
pub struct RollupConfig {
    /// Civil days and months.
    pub calendar: Calendar,
    /// The levels that are wanted; others are not kept.
    pub levels: Vec<Level>,
    /// The windows that are wanted. Minutes and quarters are always kept, for the peaks.
    pub windows: Vec<WindowKind>,
    /// How long a window is kept after its end, ms, by [`WindowKind`].
    pub keep_ms: [i64; 5],
    /// At most this often a window is given out again, ms.
    pub revise_every_ms: i64,
    /// When energy is cheap.
    pub tariff: Tariff,
    /// First base bucket after the base day of the plan that progress is reported against.
    pub plan_from: Bucket,
}

/// The greatest sub-interval of a window by energy: how much and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peak {
    /// Import within the sub-interval, J.
    pub import_j: i64,
    /// First base bucket of the sub-interval; `None` where nothing was imported.
    pub start: Option<Bucket>,
}

/// What stands for one scope in one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The sums.
    pub tally: Tally,
    /// The greatest base bucket.
    pub minute_peak: Peak,
    /// The greatest quarter of an hour.
    pub quarter_peak: Peak,
    /// What the moment of closing showed; `None` before the first publication.
    pub snapshot: Option<Box<Snapshot>>,
    /// The last revision that was given out.
    pub revision: Option<u32>,
    /// Whether anything changed since.
    dirty: bool,
    /// Whether energy was taken back, so that the peaks have to be found anew.
    peaks_stale: bool,
    /// Whether it differs from what was saved of it last.
    unsaved: bool,
}

/// One window of all scopes.
#[derive(Clone, Debug, Default)]
struct WindowBook {
    records: Records,
    /// Time in which stations were full, ms, where there was any.
    full_ms: FxHashMap<StationIndex, i64>,
    /// Stations with dormant connectors, in windows of a day.
    dormant: Vec<(StationIndex, i64)>,
    published_at_ms: Option<i64>,
    /// Whether the snapshot was taken.
    shown: bool,
    dirty: bool,
    /// Whether every record is to be given out, changed or not.
    all_dirty: bool,
    /// It was kept no longer and came back without its content: what stands here is not the whole.
    incomplete: bool,
    /// Whether it differs, or any of its records, from what was saved of it last.
    unsaved: bool,
}

/// Changes of base buckets by scope, not yet added to the windows.
type Staged = BTreeMap<Bucket, FxHashMap<Scope, Tally>>;

/// All windows and scopes.
pub struct Rollup {
    config: RollupConfig,
    names: Names,
    /// By shard and the number that it gave.
    attributions: Vec<Vec<Attribution>>,
    windows: BTreeMap<(WindowKind, Bucket), WindowBook>,
    staged: Staged,
    staged_full: Vec<(Bucket, StationIndex, i64)>,
    closed: Bucket,
    /// Changes that came for windows kept no longer.
    lost_changes: u64,
}

impl Peak {
    /// The greater of two; of equals the earlier, so that the order of comparison does not matter.
    fn raise(&mut self, import_j: i64, start: Bucket) {
        let greater = import_j > self.import_j;
        let earlier = import_j == self.import_j && self.start.is_some_and(|known| start < known);
        if import_j > 0 && (greater || earlier) {
            *self = Self { import_j, start: Some(start) };
        }
    }
}

impl Rollup {
    /// An empty rollup over so many shards, with base buckets before `closed` counting as closed.
    #[must_use]
    pub fn new(config: RollupConfig, shards: usize, closed: Bucket) -> Self {
        Self {
            config,
            names: Names::new(shards),
            attributions: vec![Vec::new(); shards],
            windows: BTreeMap::new(),
            staged: Staged::new(),
            staged_full: Vec::new(),
            closed,
            lost_changes: 0,
        }
    }

    /// Who the numbers stand for.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Changes that came for windows kept no longer, and that no store could restore.
    #[must_use]
    pub fn lost_changes(&self) -> u64 {
        self.lost_changes
    }

    /// Takes in what one shard handed over; [`apply`](Self::apply) adds it to the windows.
    pub fn absorb(&mut self, shard: usize, report: Report) {
        let Report { stations, operators, attributions, changes, full_ms } = report;
        self.names.learn(shard, &operators, stations);
        for attribution in attributions {
            let attribution = self.names.globalise(shard, attribution);
            self.attributions[shard].push(attribution);
        }
        for Change { bucket, attribution, mut tally } in changes {
            let attribution = self.attributions[shard][attribution.0 as usize];
            self.derive(&attribution, bucket, &mut tally);
            self.stage(&attribution, bucket, &tally);
        }
        for (bucket, station, full_ms) in full_ms {
            if let Some(station) = self.names.station_of(shard, station) {
                self.staged_full.push((bucket, station, full_ms));
            }
        }
    }

    /// An attribution that a shard has numbered, with numbers of the whole process.
    #[must_use]
    pub fn attribution(&self, shard: usize, number: AttributionIndex) -> Option<&Attribution> {
        self.attributions[shard].get(number.0 as usize)
    }

    /// Entries that follow from the attribution.
    fn derive(&self, attribution: &Attribution, bucket: Bucket, tally: &mut Tally) {
        if attribution.rapid {
            tally.rapid_ms = tally.service_ms();
            tally.rapid_down_ms = tally.in_state(State::Faulted) + tally.in_state(State::Unavailable);
        }
        if tally.import_j != 0
            && let Some(valley) = self.config.tariff.is_valley(
                attribution.province(),
                self.config.calendar.civil_day(bucket.start_ms()).month,
                self.config.calendar.minute_of_day(bucket.start_ms()),
            )
        {
            tally.tariff_import_j = tally.import_j;
            tally.valley_import_j = if valley { tally.import_j } else { 0 };
        }
    }

    fn stage(&mut self, attribution: &Attribution, bucket: Bucket, tally: &Tally) {
        let scopes = self.staged.entry(bucket).or_default();
        let mut add = |scope| scopes.entry(scope).or_default().merge(tally);
        let province = Some(attribution.province());
        for part in attribution.parts() {
            add(Scope::Part { province, part });
        }
        add(Scope::County(attribution.county));
        if attribution.operator.0 != u32::MAX {
            add(Scope::Operator(attribution.operator));
            // Nobody's where the station is not in scope.
            if attribution.station != NOBODY {
                add(Scope::Station(attribution.station));
            }
        }
    }

    /// The windows that staged changes belong to and that are kept no longer: what a store has of them is to be given to
    /// [`restore_window`](Self::restore_window) before [`apply`](Self::apply); those that it has not are new.
    #[must_use]
    pub fn missing(&self) -> Vec<Window> {
        let mut missing = Vec::new();
        for &bucket in self.staged.keys() {
            for kind in WindowKind::ALL {
                let window = self.config.calendar.window(kind, bucket);
                if self.wants(kind) && !self.is_kept(window) && !self.windows.contains_key(&(kind, window.start)) {
                    missing.push(window);
                }
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// The windows that stand in memory, in order.
    pub fn standing(&self) -> impl Iterator<Item = Window> {
        self.windows.keys().map(|&(kind, start)| self.config.calendar.window(kind, start))
    }

    /// Adds what was absorbed to the windows, all base buckets before `closed` being closed now.
    pub fn apply(&mut self, closed: Bucket) {
        for (bucket, mut scopes) in std::mem::take(&mut self.staged) {
            roll_up(&mut scopes);
            keep_changed(&mut scopes);
            self.apply_bucket(bucket, &scopes);
        }
        for (bucket, station, full_ms) in std::mem::take(&mut self.staged_full) {
            for kind in WindowKind::ALL {
                let window = self.config.calendar.window(kind, bucket);
                if let Some(book) = self.windows.get_mut(&(kind, window.start)) {
                    *book.full_ms.entry(station).or_default() += full_ms;
                    book.unsaved = true;
                }
            }
        }
        // Last, for what is missing was found before: a long time may close at once, and its windows are whole.
        self.closed = self.closed.max(closed);
    }

    fn apply_bucket(&mut self, bucket: Bucket, scopes: &FxHashMap<Scope, Tally>) {
        let mut minutes: FxHashMap<Scope, i64> = FxHashMap::default();
        let mut quarters: FxHashMap<Scope, (i64, Bucket)> = FxHashMap::default();
        for kind in WindowKind::ALL {
            if !self.wants(kind) {
                continue;
            }
            let window = self.config.calendar.window(kind, bucket);
            let kept = self.is_kept(window);
            let book = self
                .windows
                .entry((kind, window.start))
                .or_insert_with(|| WindowBook { incomplete: !kept, ..WindowBook::default() });
            book.dirty = true;
            book.unsaved = true;
            self.lost_changes += u64::from(book.incomplete);
            for (&scope, tally) in scopes {
                if !keeps(&self.config.levels, kind, scope) {
                    continue;
                }
                let record = book.records.entry(scope);
                record.tally.merge(tally);
                record.dirty = true;
                record.unsaved = true;
                record.peaks_stale |= tally.import_j < 0;
                if kind == WindowKind::Minute {
                    minutes.insert(scope, record.tally.import_j);
                }
                if kind == WindowKind::Quarter {
                    quarters.insert(scope, (record.tally.import_j, window.start));
                }
                if let Some(&import_j) = minutes.get(&scope) {
                    record.minute_peak.raise(import_j, bucket);
                }
                if let Some(&(import_j, start)) = quarters.get(&scope) {
                    record.quarter_peak.raise(import_j, start);
                }
            }
        }
    }

    /// Packs the records of windows that ended a while ago, or of all windows, into few bytes. Nothing else changes; whoever
    /// touches them unpacks them.
    pub fn pack_away(&mut self, all: bool) {
        let resting_from_ms = self.closed.start_ms() - RESTING_MS;
        let calendar = &self.config.calendar;
        for (&(kind, start), book) in &mut self.windows {
            if all || calendar.window(kind, start).end.start_ms() <= resting_from_ms {
                book.records.pack_all();
            }
        }
    }

    /// Forgets windows whose time to be kept has passed, once they stand as given out.
    pub fn forget(&mut self) {
        let calendar = &self.config.calendar;
        let (closed_ms, keep_ms) = (self.closed.start_ms(), self.config.keep_ms);
        self.windows.retain(|&(kind, start), book| {
            let end_ms = calendar.window(kind, start).end.start_ms();
            book.dirty || end_ms.saturating_add(keep_ms[kind as usize]) >= closed_ms
        });
    }

    /// Whether a window is recent enough to stand in memory with all its content.
    fn is_kept(&self, window: Window) -> bool {
        let keep_ms = self.config.keep_ms[window.kind as usize];
        window.end.start_ms().saturating_add(keep_ms) >= self.closed.start_ms()
    }

    fn wants(&self, kind: WindowKind) -> bool {
        matches!(kind, WindowKind::Minute | WindowKind::Quarter) || self.config.windows.contains(&kind)
    }
}

/// Whether a scope's records are kept: its level is wanted, or something wanted is found from them.
fn keeps(levels: &[Level], kind: WindowKind, scope: Scope) -> bool {
    match scope {
        Scope::Nation => true,
        Scope::Province(_) => levels.contains(&Level::Province) || levels.contains(&Level::Nation),
        Scope::City(_) => levels.contains(&Level::City),
        // The layout of a province or the nation is found from its counties.
        Scope::County(_) => [Level::County, Level::Province, Level::Nation].iter().any(|level| levels.contains(level)),
        Scope::Operator(_) => levels.contains(&Level::Operator),
        // Days of stations on highways are kept for the upgrade list.
        Scope::Station(_) => levels.contains(&Level::Station) || kind == WindowKind::Day,
        Scope::Part { province: Some(_), .. } => levels.contains(&Level::Province),
        Scope::Part { province: None, .. } => levels.contains(&Level::Nation),
    }
}

/// Drops what adds up to nothing, except where something within changed hands: summaries of the nation and its
/// provinces show what is within, so they are given out again though their own sums stay the same.
fn keep_changed(scopes: &mut FxHashMap<Scope, Tally>) {
    let changed = scopes.iter().filter(|(_, tally)| !tally.is_zero()).filter_map(|(&scope, _)| match scope {
        Scope::Part { province, .. } => province,
        Scope::County(county) => Some((county / 10_000) as u8),
        _ => None,
    });
    let provinces: BTreeSet<u8> = changed.collect();
    scopes.retain(|scope, tally| match scope {
        Scope::Nation => !provinces.is_empty() || !tally.is_zero(),
        Scope::Province(province) => provinces.contains(province) || !tally.is_zero(),
        _ => !tally.is_zero(),
    });
}

/// Adds counties to cities, provinces and the nation, and provinces' parts to the nation's.
fn roll_up(scopes: &mut FxHashMap<Scope, Tally>) {
    let mut wider: FxHashMap<Scope, Tally> = FxHashMap::default();
    for (&scope, tally) in scopes.iter() {
        let mut add = |scope| wider.entry(scope).or_default().merge(tally);
        match scope {
            Scope::County(county) => {
                add(Scope::City((county / 100) as u16));
                add(Scope::Province((county / 10_000) as u8));
                add(Scope::Nation);
            }
            Scope::Part { province: Some(_), part } => add(Scope::Part { province: None, part }),
            _ => {}
        }
    }
    scopes.extend(wider);
}
