//! Closing base buckets: what connectors hold is booked up to the edge, and what stands in the book for closed
//! buckets is handed over. What late data changed in buckets closed before goes along.

use std::collections::BTreeMap;

use super::Shard;
use super::minutes::Minute;
use super::registry::Station;
use crate::book::SlotIndex;
use crate::config::SourceIndex;
use crate::region::Area;
use crate::registration::Scene;
use crate::scope::{Attribution, StationIndex};
use crate::tally::{Merge, Tally};
use crate::time::{BASE_BUCKET_MS, Bucket};

/// What one slot's tally in one base bucket gained (or lost) since it was last handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Change {
    pub bucket: Bucket,
    pub slot: SlotIndex,
    pub tally: Tally,
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
    /// Slots that are new, in the order of their numbers.
    pub slots: Vec<Attribution>,
    /// Changes of closed base buckets: those booked, those judged of whole stations, and moves between slots.
    pub changes: Vec<Change>,
}

/// How much of the registry was reported.
#[derive(Clone, Debug, Default)]
pub(super) struct Reported {
    operators: usize,
    slots: usize,
    pub(super) stations_changed: Vec<u32>,
}

impl Shard {
    /// Closes all base buckets before `until` and hands over what changed. Closing again, or an earlier bucket, hands
    /// over what late data changed since.
    pub fn close(&mut self, until: Bucket) -> Report {
        if until > self.closed {
            let from = self.closed;
            for index in 0..self.connectors.len() as u32 {
                // The hold stands in the timeline already; the source plays no part in settling.
                let (timeline, mut desk) = self.desk(index, SourceIndex::default());
                timeline.settle(from, until, &mut desk);
            }
            self.dirty.take_turns(from, until, self.stations.len());
            self.closed = until;
            self.forget_before(until);
        }
        let mut changes: Vec<Change> = self
            .book
            .take_before(self.closed)
            .into_iter()
            .map(|(bucket, slot, tally)| Change { bucket, slot, tally })
            .collect();
        self.judge_station_minutes(&mut changes);
        for change in &changes {
            self.remember_unclaimed(change);
        }
        changes.append(&mut self.moves);
        self.report(changes)
    }

    fn report(&mut self, changes: Vec<Change>) -> Report {
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
        let slots = self.slots[self.reported.slots..].iter().map(|entry| entry.attribution).collect();
        self.reported.operators = self.operators.len();
        self.reported.slots = self.slots.len();
        Report { stations, operators, slots, changes }
    }

    /// Adds to the changes what follows from all connectors of a station together: whether it was open, and whether
    /// every working connector was taken throughout the minute (domain B9, B10; measured in whole base buckets). It
    /// is booked where the station as a whole counted then.
    pub(super) fn judge_station_minutes(&mut self, changes: &mut Vec<Change>) {
        let mut gained: BTreeMap<(Bucket, u32), Minute> = BTreeMap::new();
        for change in changes.iter() {
            let minute = Minute::of(&change.tally);
            if minute != Minute::default() {
                let station = self.slots[change.slot.0 as usize].attribution.station.0;
                let gain = gained.entry((change.bucket, station)).or_default();
                *gain = gain.plus(minute);
            }
        }
        for ((bucket, station), gain) in gained {
            let Self { stations, book, .. } = &mut *self;
            let Station { minutes, slot, .. } = &mut stations[station as usize];
            let before = minutes.get(bucket);
            let after = before.plus(gain);
            minutes.set(bucket, after);
            let (was, is) = (before.judge(), after.judge());
            let tally = Tally {
                station_ms: BASE_BUCKET_MS * (is.open - was.open),
                full_ms: BASE_BUCKET_MS * (is.full - was.full),
                full_faulty_ms: BASE_BUCKET_MS * (is.full_faulty - was.full_faulty),
                ..Tally::default()
            };
            if !tally.is_zero() {
                changes.push(Change { bucket, slot: book.owner_at(bucket, *slot), tally });
            }
        }
    }

    /// Forgets what no late data can reach any more.
    fn forget_before(&mut self, closed: Bucket) {
        let horizon = Bucket::holding_ms(closed.start_ms() - self.config.late_limit_ms);
        for station in &mut self.stations {
            station.minutes.forget_before(horizon);
        }
        for tallies in self.unclaimed.values_mut() {
            let kept = tallies.split_off(&horizon);
            self.unclaimed_len -= tallies.len();
            *tallies = kept;
        }
        self.unclaimed.retain(|_, tallies| !tallies.is_empty());
    }
}
