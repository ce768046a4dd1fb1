//! Which stations differ from what was packed of them last. Closing base buckets changes no quiet station in a way that
//! cannot be found again from what was packed, so it marks none, except that every station takes its turn: the time
//! over which things have to be found again stays short.

use crate::scope::StationIndex;
use crate::time::Bucket;

/// Within so many base buckets every station has its turn to be packed anew.
pub(super) const TURN_BUCKETS: i32 = 30;

/// The marked stations.
#[derive(Clone, Debug, Default)]
pub(super) struct Dirty {
    marks: Vec<bool>,
    marked: Vec<u32>,
}

impl Dirty {
    /// Something of this station changed. What belongs to no station is not marked.
    pub(super) fn mark(&mut self, station: StationIndex) {
        let index = station.0 as usize;
        if station.0 == u32::MAX {
            return;
        }
        if index >= self.marks.len() {
            self.marks.resize(index + 1, false);
        }
        if !std::mem::replace(&mut self.marks[index], true) {
            self.marked.push(station.0);
        }
    }

    /// Marks, of so many stations, those whose turn comes by the closing of the base buckets in `[from, until)`.
    pub(super) fn take_turns(&mut self, from: Bucket, until: Bucket, stations: usize) {
        let buckets = until.number().saturating_sub(from.number()).min(TURN_BUCKETS);
        for bucket in 1..=buckets {
            let first = (from.number() + bucket).rem_euclid(TURN_BUCKETS) as usize;
            for station in (first..stations).step_by(TURN_BUCKETS as usize) {
                self.mark(StationIndex(station as u32));
            }
        }
    }

    /// The marked stations, in order.
    pub(super) fn stations(&self) -> Vec<StationIndex> {
        let mut stations: Vec<StationIndex> = self.marked.iter().copied().map(StationIndex).collect();
        stations.sort_unstable();
        stations
    }

    /// Forgets all marks.
    pub(super) fn clear(&mut self) {
        for station in self.marked.drain(..) {
            self.marks[station as usize] = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(from: i32, until: i32) -> Vec<u32> {
        let mut dirty = Dirty::default();
        dirty.take_turns(Bucket::from_number(from), Bucket::from_number(until), 65);
        dirty.stations().iter().map(|station| station.0).collect()
    }

    #[test]
    fn every_station_has_one_turn_in_a_round() {
        let mut seen: Vec<u32> = (100..100 + TURN_BUCKETS).flat_map(|bucket| turns(bucket, bucket + 1)).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..65).collect::<Vec<_>>());
        assert_eq!(turns(-3, 10_000), (0..65).collect::<Vec<_>>());
        assert_eq!(turns(59, 60), [0, 30, 60]);
    }

    #[test]
    fn a_mark_stands_once_until_it_is_cleared() {
        let mut dirty = Dirty::default();
        for station in [7, 2, 7, u32::MAX] {
            dirty.mark(StationIndex(station));
        }
        assert_eq!(dirty.stations(), [StationIndex(2), StationIndex(7)]);
        dirty.clear();
        assert_eq!(dirty.stations(), []);
        dirty.mark(StationIndex(7));
        assert_eq!(dirty.stations(), [StationIndex(7)]);
    }
}
