//! Where contributions are booked until their base bucket closes: one tally per base bucket and slot. A slot is an
//! attribution of one owner that a shard has numbered. Bookings may take back what was booked before; whatever their
//! order, the sums are the same.
//!
//! The next few base buckets have a page each, on which every slot has a light tally; what does not fit one, and what
//! belongs to other base buckets, stands in whole tallies beside. What a slot did is the sum of the two.

mod apart;
mod light;
mod page;

pub use apart::Apart;

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use crate::state::State;
use crate::tally::{Merge, Tally};
use crate::time::{BASE_BUCKET_MS, Bucket};
use crate::unit::piece_of;
use light::Light;
use page::{Page, Spare};

/// An uninterrupted `occupied` stretch counts as overstay beyond this, ms (domain B8).
pub const OVERSTAY_AFTER_MS: i64 = 600_000;

/// How many base buckets have a page at once: what lies within the grace, and what clocks a little ahead say.
const PAGES_MAX: usize = 4;

/// An attribution of one owner, densely numbered within a shard.
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

/// What stood under one base bucket and slot, or a part of it.
pub struct Booked<'a>(Form<'a>);

enum Form<'a> {
    Light(&'a Light),
    Whole(&'a Tally),
}

impl Booked<'_> {
    /// The times in states, ms; a state may come several times.
    pub fn state_times(&self, mut each: impl FnMut(State, i64)) {
        match self.0 {
            Form::Light(light) => light.state_times().into_iter().for_each(|(state, ms)| each(state, ms)),
            Form::Whole(tally) => State::ALL.into_iter().for_each(|state| each(state, tally.in_state(state))),
        }
    }

    /// Adds it to a tally.
    pub fn add_to(&self, tally: &mut Tally) {
        match self.0 {
            Form::Light(light) => light.add_to(tally),
            Form::Whole(whole) => tally.merge(whole),
        }
    }

    /// It alone.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.add_to(&mut tally);
        tally
    }
}

/// Bookings that have not been handed over yet.
#[derive(Clone, Debug)]
pub struct Book {
    /// What is booked into.
    bookings: Bookings,
    /// What was [set apart](Self::set_apart).
    apart: Bookings,
    /// From which base bucket on a slot counts, and under which its owner counted before.
    successions: FxHashMap<SlotIndex, (Bucket, SlotIndex)>,
    spare: Spare,
}

/// Bookings, wherever they belong.
#[derive(Clone, Debug)]
struct Bookings {
    /// The base bucket of the first page.
    first: Bucket,
    /// By base bucket and slot.
    pages: VecDeque<Page>,
    /// By base bucket and slot, what has no page or did not fit there.
    whole: BTreeMap<Bucket, Wholes>,
}

/// Whole tallies by slot, boxed: a table with room to spare is to be small.
type Wholes = FxHashMap<SlotIndex, Box<Tally>>;

impl Bookings {
    /// None, with the first page for this base bucket.
    fn starting_at(first: Bucket) -> Self {
        Self { first, pages: VecDeque::new(), whole: BTreeMap::new() }
    }

    /// The place of a base bucket's page.
    fn page_of(&self, bucket: Bucket) -> Option<usize> {
        let place = i64::from(bucket.number()) - i64::from(self.first.number());
        usize::try_from(place).ok().filter(|&place| place < PAGES_MAX)
    }

    /// The base bucket of a page.
    fn bucket_of(&self, place: usize) -> Bucket {
        Bucket::from_number(self.first.number() + place as i32)
    }

    /// The whole tally that stands under exactly this base bucket and slot.
    fn whole(&mut self, bucket: Bucket, slot: SlotIndex) -> &mut Tally {
        if !self.whole.contains_key(&bucket) {
            // As many as there were in the minute before come into the next one, and a large table grows slowly.
            let usual = self.whole.get(&Bucket::from_number(bucket.number() - 1)).map_or(0, FxHashMap::len);
            self.whole.insert(bucket, Wholes::with_capacity_and_hasher(usual, Default::default()));
        }
        self.whole.entry(bucket).or_default().entry(slot).or_default()
    }
}

impl Default for Book {
    fn default() -> Self {
        Self::starting_at(Bucket::from_number(0))
    }
}

impl Book {
    /// An empty book whose first page is for this base bucket: the first that is open.
    #[must_use]
    pub fn starting_at(first: Bucket) -> Self {
        let none = Bookings::starting_at(first);
        Self { bookings: none.clone(), apart: none, successions: FxHashMap::default(), spare: Spare::default() }
    }

    /// The whole tally of one base bucket and slot, to add to what has no place in a light one.
    pub fn at(&mut self, bucket: Bucket, slot: SlotIndex) -> &mut Tally {
        let slot = self.owner_now(bucket, slot);
        self.bookings.whole(bucket, slot)
    }

    /// Adds a tally: as a light one where it fits and nothing else stands there, for it takes a tenth of the room.
    pub fn put(&mut self, bucket: Bucket, slot: SlotIndex, tally: &Tally) {
        let slot = self.owner_now(bucket, slot);
        let room = self.light(bucket, slot).filter(|light| light.is_zero());
        match room.and_then(|room| Light::of(tally).map(|light| *room = light)) {
            Some(()) => {}
            None => self.bookings.whole(bucket, slot).merge(tally),
        }
    }

    /// Adds to the light tally where there is one and it fits, else to the whole one.
    fn add(
        &mut self,
        bucket: Bucket,
        slot: SlotIndex,
        light: impl FnOnce(&mut Light) -> bool,
        whole: impl FnOnce(&mut Tally),
    ) {
        let slot = self.owner_now(bucket, slot);
        if !self.light(bucket, slot).is_some_and(light) {
            whole(self.bookings.whole(bucket, slot));
        }
    }

    /// The light tally of a base bucket and slot, where the bucket is one that has a page.
    fn light(&mut self, bucket: Bucket, slot: SlotIndex) -> Option<&mut Light> {
        let Self { bookings, spare, .. } = self;
        let place = bookings.page_of(bucket)?;
        while bookings.pages.len() <= place {
            bookings.pages.push_back(spare.page());
        }
        Some(bookings.pages[place].at(slot, spare))
    }

    /// Takes out what stands under a slot in base buckets from `since` on, in no order.
    fn lift(&mut self, slot: SlotIndex, since: Option<Bucket>) -> Vec<(Bucket, Tally)> {
        let is_wanted = |bucket: Bucket| since.is_none_or(|since| bucket >= since);
        let mut lifted = Vec::new();
        for (&bucket, tallies) in self.bookings.whole.iter_mut().filter(|(bucket, _)| is_wanted(**bucket)) {
            lifted.extend(tallies.remove(&slot).map(|tally| (bucket, *tally)));
        }
        self.bookings.whole.retain(|_, tallies| !tallies.is_empty());
        for place in 0..self.bookings.pages.len() {
            let bucket = self.bookings.bucket_of(place);
            let light = self.bookings.pages[place].get_mut(slot).filter(|light| is_wanted(bucket) && !light.is_zero());
            if let Some(light) = light.map(std::mem::take) {
                let mut tally = Tally::default();
                light.add_to(&mut tally);
                lifted.push((bucket, tally));
            }
        }
        lifted
    }

    fn owner_now(&self, bucket: Bucket, slot: SlotIndex) -> SlotIndex {
        if self.successions.is_empty() { slot } else { self.owner_at(bucket, slot) }
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
        let moved = self.lift(before, Some(from));
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
        for (bucket, tally) in moved {
            self.bookings.whole(bucket, slot).merge(&tally);
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

    /// What stands under one base bucket and slot.
    #[must_use]
    pub fn get(&self, bucket: Bucket, slot: SlotIndex) -> Tally {
        let Bookings { pages, whole, .. } = &self.bookings;
        let mut tally = whole
            .get(&bucket)
            .and_then(|tallies| tallies.get(&slot))
            .map(|tally| (**tally).clone())
            .unwrap_or_default();
        let page = self.bookings.page_of(bucket).and_then(|place| pages.get(place));
        if let Some(light) = page.and_then(|page| page.get(slot)) {
            light.add_to(&mut tally);
        }
        tally
    }

    /// The base buckets for which anything may stand, each once, in order.
    #[must_use]
    pub fn buckets(&self) -> Vec<Bucket> {
        let Bookings { pages, whole, .. } = &self.bookings;
        let paged = (0..pages.len()).map(|place| self.bookings.bucket_of(place));
        let mut buckets: Vec<Bucket> = paged.chain(whole.keys().copied()).collect();
        buckets.sort_unstable();
        buckets.dedup();
        buckets
    }

    /// Takes out all bookings in base buckets before `closed`, in no order; of one base bucket and slot there may be two
    /// parts. The pages are for the base buckets from `closed` on then.
    pub fn drain_before(&mut self, closed: Bucket, mut sink: impl FnMut(Bucket, SlotIndex, Booked<'_>)) {
        self.set_apart(closed);
        let mut apart = self.take_apart();
        while apart.hand_over(usize::MAX, &mut sink) {}
        self.take_back(apart);
    }

    /// Takes out all bookings in base buckets before `closed`, ordered by bucket and slot.
    pub fn take_before(&mut self, closed: Bucket) -> Vec<(Bucket, SlotIndex, Tally)> {
        let mut sums: BTreeMap<(Bucket, SlotIndex), Tally> = BTreeMap::new();
        self.drain_before(closed, |bucket, slot, booked| booked.add_to(sums.entry((bucket, slot)).or_default()));
        sums.into_iter()
            .filter(|(_, tally)| !tally.is_zero())
            .map(|((bucket, slot), tally)| (bucket, slot, tally))
            .collect()
    }

    /// Books everything that stands under `from` under `to` instead.
    pub fn rename(&mut self, from: SlotIndex, to: SlotIndex) {
        for (bucket, tally) in self.lift(from, None) {
            self.put(bucket, to, &tally);
        }
    }

    /// What is booked under a slot in base buckets from `since` on belongs to another.
    pub fn rename_from(&mut self, since: Bucket, from: SlotIndex, to: SlotIndex) {
        for (bucket, tally) in self.lift(from, Some(since)) {
            self.bookings.whole(bucket, to).merge(&tally);
        }
    }

    /// Books an observation that was taken in, by the cell of how long it took to get here.
    pub fn accepted(&mut self, bucket: Bucket, slot: SlotIndex, latency_cell: usize) {
        self.add(
            bucket,
            slot,
            |light| light.accept(latency_cell),
            |tally| {
                tally.accepted += 1;
                tally.latency[latency_cell] += 1;
            },
        );
    }

    /// Books rated energy, J; a negative amount takes back.
    pub fn rated(&mut self, bucket: Bucket, slot: SlotIndex, rated_j: i64) {
        self.add(bucket, slot, |light| light.add_rated(rated_j), |tally| tally.rated_j += rated_j);
    }

    /// Books what a vehicle asked for, J, and what it got in the same interval, J.
    pub fn demand(&mut self, bucket: Bucket, slot: SlotIndex, demand_j: i64, import_j: i64) {
        self.add(bucket, slot, |light| light.add_demand(demand_j), |tally| tally.demand_j += demand_j);
        let whole = |tally: &mut Tally| tally.demand_import_j += import_j;
        self.add(bucket, slot, |light| light.add_demand_import(import_j), whole);
    }

    /// Books the first battery datum of a charging episode.
    pub fn bms_episode(&mut self, bucket: Bucket, slot: SlotIndex) {
        self.add(bucket, slot, Light::add_bms_episode, |tally| tally.events.get_mut().bms_episodes += 1);
    }

    /// Books time in a state over `[from, to)`; `sign` -1 takes it back. `run_since_ms` is when the state began
    /// without interruption: what overstay is counted from.
    pub fn state(&mut self, slot: SlotIndex, state: State, from_ms: i64, to_ms: i64, run_since_ms: i64, sign: i64) {
        for (bucket, from_ms, to_ms) in pieces(from_ms, to_ms) {
            let ms = sign * (to_ms - from_ms);
            self.add(bucket, slot, |light| light.add_state(state, ms), |tally| tally.state_ms[state.index()] += ms);
            let over_from = from_ms.max(run_since_ms.saturating_add(OVERSTAY_AFTER_MS));
            if state == State::Occupied && over_from < to_ms {
                let over_ms = sign * (to_ms - over_from);
                self.add(bucket, slot, |light| light.add_overstay(over_ms), |tally| tally.overstay_ms += over_ms);
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
            if direction == Direction::Export {
                self.at(bucket, slot).export_j += piece_j;
                return;
            }
            self.add(bucket, slot, |light| light.add_import(piece_j), |tally| tally.import_j += piece_j);
            if charging {
                let whole = |tally: &mut Tally| tally.charging_import_j += piece_j;
                self.add(bucket, slot, |light| light.add_charging_import(piece_j), whole);
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
        book.accepted(first, slot, 0);
        book.accepted(second, slot, 1);
        book.at(first, slot).export_j += 4;
        let taken = book.take_before(second);
        let parts: Vec<_> = taken.iter().map(|(_, _, tally)| (tally.accepted, tally.export_j)).collect();
        assert_eq!((parts, book.buckets(), book.get(first, slot)), (vec![(1, 4)], vec![second], Tally::default()));
        book.rename(slot, SlotIndex(4));
        assert_eq!((book.get(second, SlotIndex(4)).accepted, book.get(second, slot)), (1, Tally::default()));
        assert_eq!(book.take_before(Bucket::from_number(9)).len(), 1);
        assert_eq!(book.take_before(Bucket::from_number(9)), []);
    }

    #[test]
    fn base_buckets_without_a_page_are_booked_too() {
        let slot = SlotIndex(0);
        let mut book = Book::starting_at(Bucket::from_number(100));
        for number in [1, 99, 100, 103, 104, 9_000] {
            book.state(slot, State::Charging, number * 60_000 + 1, number * 60_000 + 11, 0, 1);
        }
        let taken = book.take_before(Bucket::from_number(103));
        let of = |taken: Vec<(Bucket, SlotIndex, Tally)>| -> Vec<(i32, i64)> {
            taken.iter().map(|(bucket, _, tally)| (bucket.number(), tally.service_ms())).collect()
        };
        assert_eq!(of(taken), [(1, 10), (99, 10), (100, 10)]);
        assert_eq!(of(book.take_before(Bucket::from_number(10_000))), [(103, 10), (104, 10), (9_000, 10)]);
    }

    #[test]
    fn the_last_piece_takes_the_remainder() {
        let mut got = Vec::new();
        spread(100, 59_000, 121_000, |bucket, piece| got.push((bucket.number(), piece)));
        assert_eq!(got, [(0, 1), (1, 96), (2, 3)]);
    }
}
