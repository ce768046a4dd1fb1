//! Giving windows out: which are due, and what each scope's record says together with the census of the window.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::{Peak, Record, Rollup};
use crate::census::{Census, Snapshot};
use crate::registration::Scene;
use crate::scope::{Attribution, AttributionIndex, Level, NOBODY, Part, Scope, StationIndex};
use crate::shard::Count;
use crate::tally::{Merge, Tally};
use crate::time::Bucket;
use crate::window::{Window, WindowKind};

/// What stands for one scope and window, ready to compute from.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Figures<'a> {
    pub tally: &'a Tally,
    pub census: &'a Census,
    pub snapshot: &'a Snapshot,
    pub minute_peak: Peak,
    pub quarter_peak: Peak,
}

/// What stands for one value of a breakdown.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PartFigures<'a> {
    pub part: Part,
    pub figures: Figures<'a>,
}

/// One summary to give out.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Publication<'a> {
    pub scope: Scope,
    pub window: Window,
    pub revision: u32,
    pub figures: Figures<'a>,
    /// The breakdowns, at the nation and its provinces, in order.
    pub parts: Vec<PartFigures<'a>>,
    /// The counties within, at the nation and its provinces, in order of their codes.
    pub counties: Vec<(u32, Figures<'a>)>,
    /// Stations that were full at some time, the longest first.
    pub full_stations: Vec<(StationIndex, i64)>,
    /// In windows of a day: stations in highway service areas with their tallies of the day.
    pub highway_stations: Vec<(StationIndex, &'a Tally)>,
    /// In windows of a day: stations with dormant connectors and how many, the most first.
    pub dormant_stations: Vec<(StationIndex, i64)>,
    /// The sum of this scope's months from the plan's base day up to this one, and how many there were, in windows of a
    /// month.
    pub plan: Option<(Tally, u32)>,
    /// The sum of up to twelve months that end with this window's, and how many there were, in windows of a month.
    pub twelve_months: Option<(Tally, u32)>,
}

/// The census of one window, by scope.
#[derive(Clone, Debug, Default)]
pub struct CensusBook {
    census: FxHashMap<Scope, Census>,
    snapshot: FxHashMap<Scope, Snapshot>,
    /// Stations with dormant connectors, and with how many.
    dormant: Vec<(StationIndex, i64)>,
    townships: BTreeSet<u32>,
}

impl CensusBook {
    /// What was counted of a scope, where anything was.
    #[must_use]
    pub fn of(&self, scope: Scope) -> Option<&Census> {
        self.census.get(&scope)
    }

    /// Townships with at least one facility open to the public, by code.
    #[must_use]
    pub fn townships(&self) -> &BTreeSet<u32> {
        &self.townships
    }

    /// Adds what one slot of a shard counted.
    fn add(&mut self, attribution: &Attribution, census: &Census) {
        for scope in scopes_of(attribution) {
            self.census.entry(scope).or_default().merge(census);
        }
    }

    /// Adds what one slot of a shard showed.
    fn add_snapshot(&mut self, attribution: &Attribution, snapshot: &Snapshot) {
        for scope in scopes_of(attribution) {
            self.snapshot.entry(scope).or_default().merge(snapshot);
        }
    }
}

/// All scopes that an attribution counts in.
fn scopes_of(attribution: &Attribution) -> impl Iterator<Item = Scope> {
    let province = attribution.province();
    let regions = [
        Scope::Nation,
        Scope::Province(province),
        Scope::City(attribution.city()),
        Scope::County(attribution.county),
        Scope::Operator(attribution.operator),
    ];
    // Nobody's where the station is not in scope.
    let station = (attribution.station != NOBODY).then_some(Scope::Station(attribution.station));
    let parts = attribution
        .parts()
        .flat_map(move |part| [Scope::Part { province: Some(province), part }, Scope::Part { province: None, part }]);
    regions.into_iter().chain(station).chain(parts)
}

impl Rollup {
    /// The closed windows that have something to give out by now, oldest first: new ones, and those that changed and
    /// were last given out long enough ago. `settled` gives out changed ones at once.
    #[must_use]
    pub fn due(&self, now_ms: i64, settled: bool) -> Vec<Window> {
        let mut due: Vec<Window> = self
            .windows
            .iter()
            .filter(|((kind, _), book)| {
                let rested = book
                    .published_at_ms
                    .is_none_or(|published_at_ms| published_at_ms + self.config.revise_every_ms <= now_ms);
                book.dirty && !book.incomplete && (rested || settled) && self.config.windows.contains(kind)
            })
            .map(|(&(kind, start), _)| self.config.calendar.window(kind, start))
            .filter(|window| window.end <= self.closed)
            .collect();
        due.sort_unstable_by_key(|window| (window.end, window.kind));
        due
    }

    /// All windows that are wanted and kept whole, those that have not ended yet too, oldest first: for the end of a
    /// recording. Each of them is to be given out once more.
    pub fn all(&mut self) -> Vec<Window> {
        let mut all = Vec::new();
        for (&(kind, start), book) in &mut self.windows {
            if self.config.windows.contains(&kind) && !book.incomplete {
                book.all_dirty = true;
                all.push(self.config.calendar.window(kind, start));
            }
        }
        all.sort_unstable_by_key(|window| (window.end, window.kind));
        all
    }

    /// The windows that end by `closed` and whose snapshot is still to be taken, oldest first.
    #[must_use]
    pub fn unseen(&self, closed: Bucket) -> Vec<Window> {
        let mut unseen: Vec<Window> = self
            .windows
            .iter()
            .filter(|((kind, _), book)| !book.shown && !book.incomplete && self.config.windows.contains(kind))
            .map(|(&(kind, start), _)| self.config.calendar.window(kind, start))
            .filter(|window| window.end <= closed)
            .collect();
        unseen.sort_unstable_by_key(|window| (window.end, window.kind));
        unseen
    }

    /// The wanted windows whose end comes by closing the base buckets from `closed` up to `until`, where those are few; most
    /// of them are [unseen](Self::unseen) then.
    #[must_use]
    pub fn ending(&self, closed: Bucket, until: Bucket) -> Vec<Window> {
        const FEW: i32 = 3;
        if until.number().saturating_sub(closed.number()) > FEW {
            return Vec::new();
        }
        let ends = |number: i32| {
            let last = Bucket::from_number(number);
            let window = move |&kind: &WindowKind| self.config.calendar.window(kind, last);
            self.config.windows.iter().map(window).filter(move |window| window.end == last.next())
        };
        (closed.number()..until.number()).flat_map(ends).collect()
    }

    /// Keeps what the moment of closing shows of a window.
    pub fn keep_snapshot(&mut self, window: Window, seen: &CensusBook) {
        let Some(book) = self.windows.get_mut(&(window.kind, window.start)) else { return };
        book.shown = true;
        if window.kind == WindowKind::Day {
            book.dormant = seen.dormant.clone();
        }
        book.unsaved = true;
        for (scope, record) in book.records.unpack_all() {
            record.unsaved |= record.snapshot.is_none();
            record.snapshot.get_or_insert_with(|| Box::new(seen.snapshot.get(scope).cloned().unwrap_or_default()));
        }
    }

    /// Adds what a shard counted for a window.
    pub fn count_all(&self, shard: usize, count: &Count, book: &mut CensusBook) {
        for (attribution, census) in &count.census {
            self.count(shard, *attribution, census, book);
        }
        for (attribution, snapshot) in &count.snapshot {
            self.show(shard, *attribution, snapshot, book);
        }
        // Who changed hands touches the window in the scopes of both; in those that they share, once.
        for &(left, joined) in &count.moved {
            if let (Some(left), Some(joined)) = (self.attribution(shard, left), self.attribution(shard, joined)) {
                let kept: Vec<Scope> = scopes_of(joined).collect();
                for scope in scopes_of(left).filter(|scope| !kept.contains(scope)) {
                    book.census.entry(scope).or_default().connectors += 1;
                }
            }
        }
        let known = |&(station, dormant)| Some((self.names.station_of(shard, station)?, dormant));
        book.dormant.extend(count.dormant.iter().filter_map(known));
        book.townships.extend(&count.townships);
    }

    /// Adds a shard's count of one attribution to the census of a window.
    fn count(&self, shard: usize, attribution: AttributionIndex, census: &Census, book: &mut CensusBook) {
        if let Some(attribution) = self.attribution(shard, attribution) {
            book.add(attribution, census);
        }
    }

    /// Adds a shard's snapshot of one attribution to the census of a window.
    fn show(&self, shard: usize, attribution: AttributionIndex, snapshot: &Snapshot, book: &mut CensusBook) {
        if let Some(attribution) = self.attribution(shard, attribution) {
            book.add_snapshot(attribution, snapshot);
        }
    }

    /// Gives out what changed in a window, scope by scope in order: each once, with the next revision.
    pub fn publish(
        &mut self,
        window: Window,
        now_ms: i64,
        census: &CensusBook,
        mut sink: impl FnMut(&super::Names, &Publication<'_>),
    ) {
        for scope in self.take_changed(window, now_ms) {
            if let Some(publication) = self.publication(scope, window, census) {
                sink(&self.names, &publication);
            }
        }
        self.pack_window(window);
    }

    /// A window was given out: packs its records, for a while nobody touches them.
    pub fn pack_window(&mut self, window: Window) {
        if let Some(book) = self.windows.get_mut(&(window.kind, window.start)) {
            book.records.pack_all();
        }
    }

    /// The scopes of a window that changed, in order, each now in its next revision: what [`Rollup::publication`] is
    /// then to be asked for, in any order and from any number of threads.
    pub fn take_changed(&mut self, window: Window, now_ms: i64) -> Vec<Scope> {
        let key = (window.kind, window.start);
        let Some(book) = self.windows.get_mut(&key) else { return Vec::new() };
        book.records.unpack_all();
        self.find_stale_peaks(window);
        let Some(book) = self.windows.get_mut(&key) else { return Vec::new() };
        book.published_at_ms = Some(now_ms);
        book.dirty = false;
        book.unsaved = true;
        let all_dirty = std::mem::take(&mut book.all_dirty);
        let mut changed = Vec::new();
        for (&scope, record) in book.records.unpack_all() {
            if !std::mem::take(&mut record.dirty) && !all_dirty {
                continue;
            }
            record.unsaved = true;
            // What has no time in service and was never given out is nobody's figure.
            if record.tally.service_ms() == 0 && record.revision.is_none() {
                continue;
            }
            record.revision = Some(record.revision.map_or(0, |revision| revision + 1));
            changed.push(scope);
        }
        changed.retain(|&scope| level_of(scope).is_some_and(|level| self.config.levels.contains(&level)));
        changed.sort_unstable_by(|&one, &other| self.scope_order(one, other));
        changed
    }

    /// A scope's tally of a window, where both are kept; to be asked after [`take_changed`](Self::take_changed).
    #[must_use]
    pub fn tally(&self, scope: Scope, window: Window) -> Option<&Tally> {
        Some(&self.windows.get(&(window.kind, window.start))?.records.unpacked().get(&scope)?.tally)
    }

    /// What stands for a scope in a window; `None` where neither is kept. To be asked after
    /// [`take_changed`](Self::take_changed).
    #[must_use]
    pub fn publication<'a>(&'a self, scope: Scope, window: Window, census: &'a CensusBook) -> Option<Publication<'a>> {
        let book = self.windows.get(&(window.kind, window.start))?;
        let records = book.records.unpacked();
        let record = records.get(&scope)?;
        let wide = matches!(scope, Scope::Nation | Scope::Province(_));
        let province = if let Scope::Province(province) = scope { Some(province) } else { None };
        let mut parts = Vec::new();
        let mut counties = Vec::new();
        if wide {
            for (&other, record) in records {
                match other {
                    Scope::Part { province: within, part } if within == province => {
                        parts.push(PartFigures { part, figures: figures(other, record, census) });
                    }
                    Scope::County(county) if province.is_none_or(|province| county / 10_000 == u32::from(province)) => {
                        counties.push((county, figures(other, record, census)));
                    }
                    _ => {}
                }
            }
            parts.retain(|part| part.figures.tally.service_ms() != 0);
            counties.retain(|(_, figures)| figures.tally.service_ms() != 0);
            parts.sort_unstable_by_key(|part| part.part);
            counties.sort_unstable_by_key(|&(county, _)| county);
        }
        let within = |station: StationIndex| self.holds(scope, station);
        let mut full_stations: Vec<(StationIndex, i64)> = book
            .full_ms
            .iter()
            .map(|(&station, &full_ms)| (station, full_ms))
            .filter(|&(station, full_ms)| full_ms > 0 && within(station))
            .collect();
        full_stations
            .sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| self.station_order(one.0, other.0)));
        let mut dormant_stations: Vec<(StationIndex, i64)> =
            book.dormant.iter().copied().filter(|&(station, _)| within(station)).collect();
        dormant_stations
            .sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| self.station_order(one.0, other.0)));
        let mut highway_stations = Vec::new();
        if window.kind == WindowKind::Day && !matches!(scope, Scope::Station(_)) {
            for (&other, record) in records {
                if let Scope::Station(station) = other
                    && within(station)
                    && self.names.station(station).scene == Some(Scene::HighwayServiceArea)
                {
                    highway_stations.push((station, &record.tally));
                }
            }
            highway_stations.sort_unstable_by(|one, other| self.station_order(one.0, other.0));
        }
        Some(Publication {
            scope,
            window,
            revision: record.revision.unwrap_or(0),
            figures: figures(scope, record, census),
            parts,
            counties,
            full_stations,
            highway_stations,
            dormant_stations,
            plan: self.since_plan(scope, window),
            twelve_months: (window.kind == WindowKind::Month).then(|| self.months(scope, window, 12)),
        })
    }

    /// Scopes in their order, operators and stations in that of their names: their indices follow from which shard
    /// spoke first.
    fn scope_order(&self, one: Scope, other: Scope) -> std::cmp::Ordering {
        match (one, other) {
            (Scope::Station(one), Scope::Station(other)) => self.station_order(one, other),
            (Scope::Operator(one), Scope::Operator(other)) => self.names.operator(one).cmp(self.names.operator(other)),
            _ => one.cmp(&other),
        }
    }

    /// Stations in the order of their names, which is the same whatever the number of shards.
    fn station_order(&self, one: StationIndex, other: StationIndex) -> std::cmp::Ordering {
        let (one, other) = (self.names.station(one), self.names.station(other));
        (&one.operator, &one.id).cmp(&(&other.operator, &other.id))
    }

    fn holds(&self, scope: Scope, station: StationIndex) -> bool {
        let facts = self.names.station(station);
        let county = facts.area.map_or(0, |area| area.county());
        match scope {
            Scope::Nation => true,
            Scope::Province(province) => county / 10_000 == u32::from(province),
            Scope::City(city) => county / 100 == u32::from(city),
            Scope::County(code) => county == code,
            Scope::Operator(operator) => self.names.operator(operator) == facts.operator.as_ref(),
            Scope::Station(own) => own == station,
            Scope::Part { .. } => false,
        }
    }

    /// The sum of a scope's months since the plan's base day, up to the one that holds a window's last bucket.
    fn since_plan(&self, scope: Scope, window: Window) -> Option<(Tally, u32)> {
        // In a shorter window the sum would depend on when within its month it is given out.
        if window.kind != WindowKind::Month {
            return None;
        }
        let (mut sum, mut found) = (Tally::default(), 0);
        let months = (WindowKind::Month, self.config.plan_from)..(WindowKind::Month, window.end);
        for (_, book) in self.windows.range(months) {
            if let Some(record) = book.records.get(scope) {
                sum.merge(&record.tally);
                found += 1;
            }
        }
        Some((sum, found))
    }

    /// The sum of a scope's last so many months up to one, and how many of them are kept.
    fn months(&self, scope: Scope, last: Window, count: u32) -> (Tally, u32) {
        let (mut sum, mut found, mut month) = (Tally::default(), 0, last);
        for _ in 0..count {
            let book = self.windows.get(&(WindowKind::Month, month.start));
            if let Some(record) = book.and_then(|book| book.records.get(scope)) {
                sum.merge(&record.tally);
                found += 1;
            }
            let before = Bucket::from_number(month.start.number() - 1);
            month = self.config.calendar.window(WindowKind::Month, before);
        }
        (sum, found)
    }

    /// Where energy was taken back, the peaks are found anew from the base buckets and quarters within.
    fn find_stale_peaks(&mut self, window: Window) {
        let key = (window.kind, window.start);
        let Some(book) = self.windows.get(&key) else { return };
        let stale: Vec<Scope> =
            book.records.unpacked().iter().filter(|(_, record)| record.peaks_stale).map(|(&scope, _)| scope).collect();
        for scope in stale {
            let minute_peak = self.greatest(WindowKind::Minute, window, scope);
            // No quarter of an hour lies within a minute.
            let quarter_peak = match window.kind {
                WindowKind::Minute => Peak::default(),
                _ => self.greatest(WindowKind::Quarter, window, scope),
            };
            if let Some(record) = self.windows.get_mut(&key).map(|book| book.records.entry(scope)) {
                record.minute_peak = minute_peak;
                record.quarter_peak = quarter_peak;
                record.peaks_stale = false;
            }
        }
    }

    fn greatest(&self, kind: WindowKind, within: Window, scope: Scope) -> Peak {
        let mut peak = Peak::default();
        for (&(_, start), book) in self.windows.range((kind, within.start)..(kind, within.end)) {
            if let Some(record) = book.records.get(scope) {
                peak.raise(record.tally.import_j, start);
            }
        }
        peak
    }
}

fn figures<'a>(scope: Scope, record: &'a Record, census: &'a CensusBook) -> Figures<'a> {
    static NOBODY: std::sync::LazyLock<(Census, Snapshot)> = std::sync::LazyLock::new(Default::default);
    Figures {
        tally: &record.tally,
        census: census.census.get(&scope).unwrap_or(&NOBODY.0),
        snapshot: record.snapshot.as_deref().unwrap_or(&NOBODY.1),
        minute_peak: record.minute_peak,
        quarter_peak: record.quarter_peak,
    }
}

/// The level that a scope belongs to; breakdowns belong to none.
fn level_of(scope: Scope) -> Option<Level> {
    Some(match scope {
        Scope::Nation => Level::Nation,
        Scope::Province(_) => Level::Province,
        Scope::City(_) => Level::City,
        Scope::County(_) => Level::County,
        Scope::Operator(_) => Level::Operator,
        Scope::Station(_) => Level::Station,
        Scope::Part { .. } => return None,
    })
}
