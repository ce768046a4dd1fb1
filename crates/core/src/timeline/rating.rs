//! A connector's rated power over time.

use super::NEVER;
use crate::pack::{Damaged, Pack, Reader};

/// Ratings that are remembered; of more, the earliest are taken as one.
const RATINGS_MAX: usize = 16;

/// A connector's rated power over time, W; 0 where a registration gave none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rating {
    /// The first one, which holds for the whole past. None where there was no registration.
    first_w: Option<u32>,
    /// Ratings seldom change.
    changes: Option<Box<Changes>>,
}

/// `(from, W)`, at least one, in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Changes(Vec<(i64, u32)>);

impl Rating {
    /// Each rating and since when it holds, in order of time.
    fn history(&self) -> impl Iterator<Item = (i64, u32)> {
        let changes = self.changes.iter().flat_map(|changes| changes.0.iter().copied());
        self.first_w.map(|first_w| (NEVER, first_w)).into_iter().chain(changes)
    }

    /// What was said last, W.
    pub(super) fn last_w(&self) -> Option<u32> {
        match &self.changes {
            Some(changes) => changes.0.last().map(|&(_, rated_w)| rated_w),
            None => self.first_w,
        }
    }

    /// The rating that holds now, W.
    pub(super) fn now_w(&self) -> Option<u32> {
        self.last_w().filter(|&rated_w| rated_w > 0)
    }

    /// The rating that held at a point in time, W.
    pub(super) fn at_w(&self, at_ms: i64) -> Option<u32> {
        if self.changes.is_none() {
            return self.now_w();
        }
        let begun = self.history().take_while(|&(from_ms, _)| from_ms <= at_ms);
        begun.last().map(|(_, rated_w)| rated_w).filter(|&rated_w| rated_w > 0)
    }

    /// Rated energy over `[from, to)`, J: truncated per piece of constant rating.
    pub(super) fn energy_j(&self, from_ms: i64, to_ms: i64) -> i64 {
        if self.changes.is_none() {
            return i64::from(self.first_w.unwrap_or(0)) * (to_ms - from_ms).max(0) / 1000;
        }
        let ends = self.history().skip(1).map(|(from_ms, _)| from_ms).chain([i64::MAX]);
        self.history()
            .zip(ends)
            .map(|((since_ms, rated_w), until_ms)| {
                let piece_ms = to_ms.min(until_ms) - from_ms.max(since_ms);
                i64::from(rated_w) * piece_ms.max(0) / 1000
            })
            .sum()
    }

    /// Another rating holds from a point in time on, which is not before the last change.
    pub(super) fn change(&mut self, from_ms: i64, rated_w: u32) {
        let Some(first_w) = &mut self.first_w else {
            self.first_w = Some(rated_w);
            return;
        };
        let changes = &mut self.changes.get_or_insert_default().0;
        match changes.last_mut() {
            Some(last) if last.0 >= from_ms => last.1 = rated_w,
            _ => changes.push((from_ms, rated_w)),
        }
        if changes.len() >= RATINGS_MAX {
            *first_w = changes.remove(0).1;
        }
    }
}

/// As `(from, W)` one after the other, the first without a beginning.
impl Pack for Rating {
    fn pack(&self, out: &mut Vec<u8>) {
        let history: Vec<(Option<i64>, u32)> =
            self.history().map(|(from_ms, rated_w)| ((from_ms != NEVER).then_some(from_ms), rated_w)).collect();
        history.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let damaged = Damaged { what: "ratings" };
        let mut rating = Self::default();
        let mut changes = Vec::new();
        for (place, (from_ms, rated_w)) in Vec::<(Option<i64>, u32)>::unpack(reader)?.into_iter().enumerate() {
            match (place, from_ms) {
                (0, None) => rating.first_w = Some(rated_w),
                (1.., Some(from_ms)) => changes.push((from_ms, rated_w)),
                _ => return Err(damaged),
            }
        }
        let sound = changes.len() < RATINGS_MAX && changes.is_sorted_by(|one, other| one.0 < other.0);
        rating.changes = (!changes.is_empty()).then(|| Box::new(Changes(changes)));
        if sound { Ok(rating) } else { Err(damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_changes_the_earliest_are_taken_as_one() {
        let mut rating = Rating::default();
        assert_eq!((rating.now_w(), rating.at_w(5), rating.energy_j(0, 10_000)), (None, None, 0));
        for place in 0..40_u32 {
            rating.change(i64::from(place) * 1_000, place + 1);
        }
        let history: Vec<(i64, u32)> = rating.history().collect();
        assert_eq!(history.len(), RATINGS_MAX);
        assert_eq!((history[0], history[1], history[15]), ((NEVER, 25), (25_000, 26), (39_000, 40)));
        assert_eq!((rating.at_w(-1), rating.at_w(24_999), rating.at_w(25_000)), (Some(25), Some(25), Some(26)));
        assert_eq!(rating.energy_j(24_500, 26_500), 25 / 2 + 26 + 27 / 2);
        let mut packed = Vec::new();
        rating.pack(&mut packed);
        assert_eq!(Rating::unpack(&mut Reader::new(&packed)), Ok(rating));
    }

    #[test]
    fn a_change_at_the_time_of_the_last_one_replaces_it() {
        let mut rating = Rating::default();
        rating.change(1_000, 7_000);
        rating.change(2_000, 8_000);
        rating.change(2_000, 9_000);
        assert_eq!(rating.history().collect::<Vec<_>>(), [(NEVER, 7_000), (2_000, 9_000)]);
        rating.change(3_000, 0);
        assert_eq!((rating.now_w(), rating.last_w(), rating.at_w(2_500)), (None, Some(0), Some(9_000)));
    }
}
