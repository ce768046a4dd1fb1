//! Where contributions are booked until their base bucket closes: one tally per base bucket and slot. A slot is an
//! attribution that a shard has numbered. Bookings may take back what was booked before; whatever their order, the
//! sums are the same.

use rustc_hash::FxHashMap;

use crate::state::State;
use crate::tally::{Merge, Tally};
use crate::time::{BASE_BUCKET_MS, Bucket};
use crate::unit::piece_of;

/// An uninterrupted `occupied` stretch counts as overstay beyond this, ms (domain B8).
pub const OVERSTAY_AFTER_MS: i64 = 600_000;

/// An attribution, densely numbered within a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIndex(pub u32);

/// Which way energy flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the vehicle.
    Import,
    /// To the grid.
    Export,
}

/// Bookings that have not been handed over yet.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Where in `tallies` the tally of a base bucket and slot stands.
    places: FxHashMap<(Bucket, SlotIndex), u32>,
    /// Apart from their places, so that looking for one touches little memory, and what was handed over is used again.
    tallies: Vec<Tally>,
    /// Places in `tallies` that nothing stands at.
    free: Vec<u32>,
    /// What was asked for last: most of what is booked at once goes to one tally.
    last: Option<((Bucket, SlotIndex), u32)>,
    /// From which base bucket on a slot counts, and under which its owner counted before.
    successions: FxHashMap<SlotIndex, (Bucket, SlotIndex)>,
}

impl Book {
    /// The tally of one base bucket and slot, to add to.
    pub fn at(&mut self, bucket: Bucket, slot: SlotIndex) -> &mut Tally {
        let slot = if self.successions.is_empty() { slot } else { self.owner_at(bucket, slot) };
        self.owned_by((bucket, slot))
    }

    /// The tally that stands under exactly this base bucket and slot.
    fn owned_by(&mut self, key: (Bucket, SlotIndex)) -> &mut Tally {
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => *self.places.entry(key).or_insert_with(|| {
                self.free.pop().unwrap_or_else(|| {
                    self.tallies.push(Tally::default());
                    // A tally is hundreds of bytes: memory ends before the numbers do.
                    (self.tallies.len() - 1) as u32
                })
            }),
        };
        self.last = Some((key, place));
        &mut self.tallies[place as usize]
    }

    /// Takes out what stands under keys of a kind, in no order.
    fn extract(&mut self, is_wanted: impl Fn(Bucket, SlotIndex) -> bool) -> Vec<((Bucket, SlotIndex), Tally)> {
        self.last = None;
        let Self { places, tallies, free, .. } = self;
        let taken = places.extract_if(|&(bucket, slot), _| is_wanted(bucket, slot));
        taken
            .map(|(key, place)| {
                free.push(place);
                (key, std::mem::take(&mut tallies[place as usize]))
            })
            .collect()
    }

    /// The slot under which the present owner of a slot counts in a base bucket.
    #[must_use]
    pub fn owner_at(&self, bucket: Bucket, mut slot: SlotIndex) -> SlotIndex {
        let mut since = None;
        while let Some(&(from, before)) = self.successions.get(&slot)
            && bucket < from
            && since.is_none_or(|since| from < since)
        {
            since = Some(from);
            slot = before;
        }
        slot
    }

    /// From `from` on a slot stands in place of another, which keeps what lies before. What is booked already follows.
    pub fn succeed(&mut self, slot: SlotIndex, before: SlotIndex, from: Bucket) {
        let moved = self.extract(|bucket, owner| owner == before && bucket >= from);
        // A slot that began to count no earlier than this one never counted at all.
        let mut predecessor = before;
        while let Some(&(began, earlier)) = self.successions.get(&predecessor)
            && began >= from
            && predecessor != slot
        {
            predecessor = earlier;
        }
        if predecessor != slot {
            self.successions.insert(slot, (from, predecessor));
        }
        for ((bucket, _), tally) in moved {
            self.owned_by((bucket, slot)).merge(&tally);
        }
    }

    /// Takes back, as it stood, what [`succession`](Self::succession) told of a slot; no booking moves.
    pub fn restore_succession(&mut self, slot: SlotIndex, before: SlotIndex, from: Bucket) {
        self.successions.insert(slot, (from, before));
    }

    /// What [`succeed`](Self::succeed) said of a slot last.
    #[must_use]
    pub fn succession(&self, slot: SlotIndex) -> Option<(Bucket, SlotIndex)> {
        self.successions.get(&slot).copied()
    }

    /// The tally of one base bucket and slot, where any stands.
    #[must_use]
    pub fn get(&self, bucket: Bucket, slot: SlotIndex) -> Option<&Tally> {
        self.places.get(&(bucket, slot)).map(|&place| &self.tallies[place as usize])
    }

    /// Whether anything stands in a base bucket before this one.
    #[must_use]
    pub fn holds_before(&self, closed: Bucket) -> bool {
        self.places.keys().any(|&(bucket, _)| bucket < closed)
    }

    /// The latest base bucket for which anything stands.
    #[must_use]
    pub fn latest(&self) -> Option<Bucket> {
        self.places.keys().map(|&(bucket, _)| bucket).max()
    }

    /// How many tallies stand here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing stands here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Takes out all bookings in base buckets before `closed`, ordered by bucket and slot.
    pub fn take_before(&mut self, closed: Bucket) -> Vec<(Bucket, SlotIndex, Tally)> {
        let mut taken: Vec<_> = self
            .extract(|bucket, _| bucket < closed)
            .into_iter()
            .filter(|(_, tally)| !tally.is_zero())
            .map(|((bucket, slot), tally)| (bucket, slot, tally))
            .collect();
        taken.sort_unstable_by_key(|&(bucket, slot, _)| (bucket, slot));
        taken
    }

    /// Books everything that stands under `from` under `to` instead.
    pub fn rename(&mut self, from: SlotIndex, to: SlotIndex) {
        let moved = self.extract(|_, slot| slot == from);
        for ((bucket, _), tally) in moved {
            self.at(bucket, to).merge(&tally);
        }
    }

    /// What is booked under a slot in base buckets from `since` on belongs to another.
    pub fn rename_from(&mut self, since: Bucket, from: SlotIndex, to: SlotIndex) {
        let moved = self.extract(|bucket, slot| slot == from && bucket >= since);
        for ((bucket, _), tally) in moved {
            self.owned_by((bucket, to)).merge(&tally);
        }
    }

    /// Books time in a state over `[from, to)`; `sign` -1 takes it back. `run_since_ms` is when the state began
    /// without interruption: what overstay is counted from.
    pub fn state(&mut self, slot: SlotIndex, state: State, from_ms: i64, to_ms: i64, run_since_ms: i64, sign: i64) {
        for (bucket, from_ms, to_ms) in pieces(from_ms, to_ms) {
            let tally = self.at(bucket, slot);
            tally.state_ms[state.index()] += sign * (to_ms - from_ms);
            if state == State::Occupied {
                let over_from = from_ms.max(run_since_ms.saturating_add(OVERSTAY_AFTER_MS));
                tally.overstay_ms += sign * (to_ms - over_from).max(0);
            }
        }
    }

    /// Books energy, spread evenly over `[from, to)` with the remainder in the last piece; a negative amount takes
    /// back. `charging` says that the interval also counts as charging import.
    pub fn energy(
        &mut self,
        slot: SlotIndex,
        direction: Direction,
        total_j: i64,
        from_ms: i64,
        to_ms: i64,
        charging: bool,
    ) {
        if total_j == 0 {
            return;
        }
        spread(total_j, from_ms, to_ms, |bucket, piece_j| {
            let tally = self.at(bucket, slot);
            match direction {
                Direction::Import => tally.import_j += piece_j,
                Direction::Export => tally.export_j += piece_j,
            }
            if charging && direction == Direction::Import {
                tally.charging_import_j += piece_j;
            }
        });
    }
}

/// Cuts `[from, to)` at the edges of base buckets.
pub fn pieces(from_ms: i64, to_ms: i64) -> impl Iterator<Item = (Bucket, i64, i64)> {
    let mut at_ms = from_ms;
    std::iter::from_fn(move || {
        (at_ms < to_ms).then(|| {
            let bucket = Bucket::holding_ms(at_ms);
            let piece = (bucket, at_ms, bucket.end_ms().min(to_ms));
            at_ms = piece.2;
            piece
        })
    })
}

/// Spreads a total evenly over `[from, to)`: each piece but the last is truncated, the last takes the remainder
/// (semantics, section 3).
pub fn spread(total: i64, from_ms: i64, to_ms: i64, mut book: impl FnMut(Bucket, i64)) {
    let dt_ms = to_ms - from_ms;
    let mut left = total;
    for (bucket, piece_from_ms, piece_to_ms) in pieces(from_ms, to_ms) {
        let piece = if piece_to_ms == to_ms { left } else { piece_of(total, piece_to_ms - piece_from_ms, dt_ms) };
        left -= piece;
        if piece != 0 {
            book(bucket, piece);
        }
    }
}

const _: () = assert!(OVERSTAY_AFTER_MS % BASE_BUCKET_MS == 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_at_bucket_edges() {
        let cut: Vec<_> = pieces(59_000, 120_001).map(|(bucket, from, to)| (bucket.number(), from, to)).collect();
        assert_eq!(cut, [(0, 59_000, 60_000), (1, 60_000, 120_000), (2, 120_000, 120_001)]);
        assert_eq!(pieces(5, 5).count(), 0);
    }

    #[test]
    fn what_was_taken_out_leaves_nothing_behind_where_the_next_one_stands() {
        let (mut book, slot) = (Book::default(), SlotIndex(3));
        let (first, second) = (Bucket::from_number(1), Bucket::from_number(2));
        book.at(first, slot).accepted += 1;
        book.at(second, slot).accepted += 2;
        book.at(first, slot).accepted += 4;
        let taken: Vec<_> = book.take_before(second).into_iter().map(|(_, _, tally)| tally.accepted).collect();
        assert_eq!((taken, book.len(), book.get(first, slot)), (vec![5], 1, None));
        assert_eq!(book.at(first, slot), &Tally::default());
        book.rename(slot, SlotIndex(4));
        assert_eq!(book.get(second, SlotIndex(4)).map(|tally| tally.accepted), Some(2));
        assert_eq!((book.get(second, slot), book.len()), (None, 2));
    }

    #[test]
    fn the_last_piece_takes_the_remainder() {
        let mut got = Vec::new();
        spread(100, 59_000, 121_000, |bucket, piece| got.push((bucket.number(), piece)));
        assert_eq!(got, [(0, 1), (1, 96), (2, 3)]);
    }
}
