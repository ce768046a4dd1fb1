//! Closing base buckets: what connectors hold is booked up to the edge, and what stands in the book for closed
//! buckets is handed over. What late data changed in buckets closed before goes along.

use rustc_hash::FxHashMap;

use super::Shard;
use super::minutes::Minute;
use super::registry::SlotEntry;
use crate::book::{Booked, SlotIndex};
use crate::region::Area;
use crate::registration::Scene;
use crate::scope::{Attribution, AttributionIndex, NOBODY, StationIndex};
use crate::tally::{Merge, Tally};
use crate::time::{BASE_BUCKET_MS, Bucket};

/// What the slots of one attribution gained (or lost) together in one base bucket since they were last handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Change {
    pub bucket: Bucket,
    pub attribution: AttributionIndex,
    pub tally: Tally,
}

/// Changes, summed by base bucket and attribution.
#[derive(Default)]
pub(super) struct Sums {
    changes: Vec<Change>,
    places: FxHashMap<(Bucket, AttributionIndex), usize>,
    /// Where the last one was added: a station's connectors mostly follow on one another.
    last: usize,
}

impl Sums {
    /// The sum of a base bucket and attribution, to add to.
    fn at(&mut self, bucket: Bucket, attribution: AttributionIndex) -> &mut Tally {
        let is_it = |change: &Change| change.bucket == bucket && change.attribution == attribution;
        if !self.changes.get(self.last).is_some_and(is_it) {
            self.last = *self.places.entry((bucket, attribution)).or_insert(self.changes.len());
        }
        if self.last == self.changes.len() {
            self.changes.push(Change { bucket, attribution, tally: Tally::default() });
        }
        &mut self.changes[self.last].tally
    }

    /// Those that are not nothing, in order.
    fn finish(mut self) -> Vec<Change> {
        self.changes.retain(|change| !change.tally.is_zero());
        self.changes.sort_unstable_by_key(|change| (change.bucket, change.attribution));
        self.changes
    }
}

/// What a station's minute gained.
pub(super) type Gain = (StationIndex, Bucket, Minute);

/// What stations' minutes gained, in the order in which slots gave it.
#[derive(Default)]
pub(super) struct Gains(Vec<Gain>);

impl Gains {
    /// What belongs to no station is nobody's minute.
    fn add(&mut self, station: StationIndex, bucket: Bucket, gain: Minute) {
        if gain == Minute::default() || station == NOBODY {
            return;
        }
        match self.0.last_mut() {
            Some(last) if (last.0, last.1) == (station, bucket) => last.2 = last.2.plus(gain),
            _ => self.0.push((station, bucket, gain)),
        }
    }

    /// The first station of those, and how many are its.
    pub(super) fn next(gains: &[Gain]) -> Option<(StationIndex, usize)> {
        let &(station, ..) = gains.first()?;
        Some((station, gains.iter().take_while(|gain| gain.0 == station).count()))
    }

    /// By station and base bucket, each once, in order.
    pub(super) fn finish(mut self) -> Vec<Gain> {
        // Slots mostly follow on one another as their stations do: a stable sort makes use of that.
        self.0.sort_by_key(|&(station, bucket, _)| (station, bucket));
        self.0.dedup_by(|next, kept| {
            let same = (next.0, next.1) == (kept.0, kept.1);
            if same {
                kept.2 = kept.2.plus(next.2);
            }
            same
        });
        self.0
    }
}

/// What is handed over at a close, as far as it has come.
#[derive(Default)]
pub(super) struct HandedOver {
    pub sums: Sums,
    pub gains: Gains,
    pub full_ms: Vec<(Bucket, StationIndex, i64)>,
}

/// What others need to know about a station.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct StationFacts {
    pub station: StationIndex,
    pub operator: Box<str>,
    pub id: Box<str>,
    /// Its registered name; empty where none was given.
    pub name: Box<str>,
    pub area: Option<Area>,
    pub scene: Option<Scene>,
}

/// What a shard hands over when base buckets close.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Stations that are new or whose registration changed.
    pub stations: Vec<StationFacts>,
    /// Operators that are new, in the order of their numbers.
    pub operators: Vec<Box<str>>,
    /// Attributions that are new, in the order of their numbers.
    pub attributions: Vec<Attribution>,
    /// Changes of closed base buckets: those booked, those judged of whole stations, and moves between
    /// attributions. Those of stations that are not in scope are one where they count alike.
    pub changes: Vec<Change>,
    /// By how much the time grew (or shrank) in which stations were full, ms.
    pub full_ms: Vec<(Bucket, StationIndex, i64)>,
}

/// How much of the registry was reported.
#[derive(Clone, Debug, Default)]
pub(super) struct Reported {
    operators: usize,
    attributions: usize,
    pub(super) stations_changed: Vec<u32>,
}

impl Shard {
    /// Closes all base buckets before `until` and hands over what changed. Closing again, or an earlier bucket, hands
    /// over what late data changed since.
    pub fn close(&mut self, until: Bucket) -> Report {
        self.begin_close(until, &[]);
        self.finish_close().report
    }

    /// Takes note of what stood in the book for a closed base bucket.
    pub(super) fn hand_over(&mut self, bucket: Bucket, slot: SlotIndex, booked: &Booked<'_>, handed: &mut HandedOver) {
        let SlotEntry { attribution, station, claimable, .. } = self.slots[slot.0 as usize];
        if claimable {
            self.remember_unclaimed(bucket, slot, &booked.tally());
        }
        let mut minute = Minute::default();
        booked.state_times(|state, ms| minute.add(state, ms));
        handed.gains.add(station, bucket, minute);
        booked.add_to(handed.sums.at(bucket, attribution));
    }

    /// What is handed over, with all else that is new.
    pub(super) fn report(&mut self, handed: HandedOver) -> Report {
        let HandedOver { sums, full_ms, .. } = handed;
        let mut changes = sums.finish();
        changes.append(&mut self.moves);
        let mut changed = std::mem::take(&mut self.reported.stations_changed);
        changed.sort_unstable();
        changed.dedup();
        let stations = changed
            .into_iter()
            .map(|index| {
                let station = self.station(index);
                let master = station.master.as_ref();
                StationFacts {
                    station: StationIndex(index),
                    operator: self.operators[station.operator as usize].clone(),
                    id: station.id.clone(),
                    name: master.map(|master| master.name.clone()).unwrap_or_default(),
                    area: master.and_then(|master| master.area),
                    scene: master.and_then(|master| master.scene),
                }
            })
            .collect();
        let operators = self.operators[self.reported.operators..].to_vec();
        let attributions = self.attributions[self.reported.attributions..].to_vec();
        self.reported.operators = self.operators.len();
        self.reported.attributions = self.attributions.len();
        Report { stations, operators, attributions, changes, full_ms }
    }

    /// Adds to the sums what follows from all connectors of a station together: whether it was open, and whether every
    /// working connector was taken throughout the minute (domain B9, B10; measured in whole base buckets). It is booked
    /// where the station as a whole counted then.
    pub(super) fn judge_minutes(
        &mut self,
        station: StationIndex,
        gained: &[(Bucket, Minute)],
        handed: &mut HandedOver,
    ) {
        let mut judged = Vec::new();
        self.stations[station.0 as usize].minutes.gain(gained, |bucket, was, is| {
            let tally = Tally {
                station_ms: BASE_BUCKET_MS * (is.open - was.open),
                full_ms: BASE_BUCKET_MS * (is.full - was.full),
                full_faulty_ms: BASE_BUCKET_MS * (is.full_faulty - was.full_faulty),
                ..Tally::default()
            };
            if !tally.is_zero() {
                judged.push((bucket, tally));
            }
        });
        for (bucket, tally) in judged {
            if tally.full_ms != 0 {
                handed.full_ms.push((bucket, station, tally.full_ms));
            }
            let owner = self.book.owner_at(bucket, self.station(station.0).slot);
            self.remember_unclaimed(bucket, owner, &tally);
            handed.sums.at(bucket, self.slots[owner.0 as usize].attribution).merge(&tally);
        }
    }
}
