//! One connector's state and energy over event time (semantics, sections 2 to 4). Contributions are booked as soon as
//! they are known and taken back when a later message says otherwise, so that what stands in the book is always what
//! the accepted samples say up to the last closed base bucket. Only the newest sample, the two register chains and
//! the known gaps are remembered; nothing here knows who the connector is or where it stands.

mod energy;
mod gap;
mod pack;
mod rating;
mod remembered;

pub use energy::Chain;
pub use gap::{GAPS_MAX, Gap};

use crate::book::{Book, Direction, SlotIndex};
use crate::observation::Sample;
use crate::reliability::{Outages, is_outage};
use crate::slim::Slim;
use crate::state::State;
use crate::time::Bucket;
use crate::unit::mean_power_energy_j;
use crate::window::Calendar;
use energy::Register;
use gap::{Gaps, Neighbour};
use rating::Rating;
use remembered::Remembered;

/// No sample yet, or no start yet.
const NEVER: i64 = i64::MIN;
/// Not decommissioned.
const OPEN: i64 = i64::MAX;

/// In one of so many base buckets gaps are looked at, whether they are too old to be filled.
const GAPS_LOOK_BUCKETS: i32 = 60;

/// What of a sample a timeline needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say what they hold and in which unit")]
pub struct Reading {
    pub at_ms: i64,
    pub state: State,
    pub power_w: Option<i64>,
    pub import_j: Option<i64>,
    pub export_j: Option<i64>,
    pub demand_w: Option<i64>,
}

/// What became of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is the newest now.
    Newest {
        /// By how much the import register went down, J, where it did.
        fallen_j: Option<i64>,
    },
    /// It filled a part of a known gap.
    InGap,
    /// The same event time again.
    Duplicate,
    /// Older than the newest, and in no known gap.
    OutOfOrder,
    /// At or after the end of the timeline.
    AfterEnd,
}

/// Where and how a timeline books.
pub struct Desk<'a> {
    /// The book.
    pub book: &'a mut Book,
    /// The connector's outages by month.
    pub outages: &'a mut Outages,
    /// The civil months of those.
    pub calendar: &'a Calendar,
    /// The connector's slot.
    pub slot: SlotIndex,
    /// Everything before the start of this base bucket is booked in full.
    pub closed: Bucket,
    /// How long a sample speaks for its connector, ms.
    pub hold_ms: i64,
    /// What is older than its arrival by more than this is refused, ms.
    pub late_limit_ms: i64,
    /// How many event times of accepted samples are remembered, to tell repeated ones from ones out of order.
    pub remembered_max: usize,
}

impl Desk<'_> {
    /// Books time in a state over `[from, to)`, and what of it is an outage; `sign` -1 takes it back.
    fn state(&mut self, state: State, from_ms: i64, to_ms: i64, run_since_ms: i64, sign: i64) {
        self.book.state(self.slot, state, from_ms, to_ms, run_since_ms, sign);
        if is_outage(state) {
            self.outages.add(self.calendar, from_ms, to_ms, sign);
        }
    }
}

/// One connector's timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    start_ms: i64,
    end_ms: i64,
    last_ms: i64,
    held_until_ms: i64,
    run_since_ms: i64,
    state: State,
    /// Whether any registration named it.
    registered: bool,
    power_w: Slim<i64>,
    /// Power of the very first sample, W.
    first_power_w: Slim<i64>,
    demand_w: Slim<i64>,
    rating: Rating,
    import: Register,
    /// Few connectors give energy back.
    export: Option<Box<Chain>>,
    gaps: Gaps,
    remembered: Remembered,
}

impl From<&Sample<'_>> for Reading {
    fn from(sample: &Sample<'_>) -> Self {
        Self {
            at_ms: sample.at.ms(),
            state: State::of_sample(sample.status, sample.power_w),
            power_w: sample.power_w,
            import_j: sample.import_j,
            export_j: sample.export_j,
            demand_w: sample.demand_w,
        }
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            start_ms: NEVER,
            end_ms: OPEN,
            last_ms: NEVER,
            held_until_ms: NEVER,
            run_since_ms: NEVER,
            state: State::Unobserved,
            registered: false,
            power_w: Slim::NONE,
            first_power_w: Slim::NONE,
            demand_w: Slim::NONE,
            rating: Rating::default(),
            import: Register::default(),
            export: None,
            gaps: Gaps::default(),
            remembered: Remembered::default(),
        }
    }
}

impl Timeline {
    /// A registration names the connector. By the first one its timeline starts at the arrival, unless it has started
    /// before that; a first sample from a clock that runs ahead may have to give way.
    pub fn register(&mut self, arrival_ms: i64, desk: &mut Desk<'_>) {
        if std::mem::replace(&mut self.registered, true) {
            return;
        }
        let (start_ms, closed_ms) = (self.start_ms, desk.closed.start_ms());
        if start_ms == NEVER {
            self.rebook_rating(arrival_ms, closed_ms, desk, |timeline| timeline.start_ms = arrival_ms);
            self.book_tail(arrival_ms, closed_ms, desk, 1);
        } else if arrival_ms < start_ms && self.end_ms == OPEN {
            self.rebook_rating(arrival_ms, start_ms, desk, |timeline| timeline.start_ms = arrival_ms);
            desk.state(State::Unobserved, arrival_ms, start_ms, arrival_ms, 1);
            let right = Neighbour { at_ms: start_ms, state: self.state, power_w: self.first_power_w.get() };
            let gap = Gap { from_ms: arrival_ms, to_ms: start_ms, state: State::Unobserved, left: None, right };
            self.gaps.remember(gap);
        }
    }

    /// Takes in a reading. Duplicates, readings out of order and readings after the end change nothing.
    pub fn observe(&mut self, reading: &Reading, desk: &mut Desk<'_>) -> Placed {
        let at_ms = reading.at_ms;
        // What is newer than all that is remembered, as most is, needs no search.
        let may_be_known = self.remembered.newest_ms().is_some_and(|newest_ms| at_ms <= newest_ms);
        if at_ms == self.last_ms || (may_be_known && self.remembered.contains(at_ms)) {
            return Placed::Duplicate;
        }
        if at_ms >= self.end_ms {
            return Placed::AfterEnd;
        }
        if at_ms < self.last_ms {
            let placed = self.fill(reading, desk);
            if placed == Placed::InGap {
                self.remembered.insert(at_ms, desk.remembered_max);
            }
            return placed;
        }
        let fallen_j = match (self.import_chain(), reading.import_j) {
            (Some(chain), Some(register_j)) if register_j < chain.register_j => Some(chain.register_j - register_j),
            _ => None,
        };
        self.append(reading, desk);
        self.remembered.insert(at_ms, desk.remembered_max);
        Placed::Newest { fallen_j }
    }

    /// A reading newer than all others: it ends what the newest one said and speaks from now on.
    fn append(&mut self, reading: &Reading, desk: &mut Desk<'_>) {
        let (at_ms, closed_ms) = (reading.at_ms, desk.closed.start_ms());
        if self.start_ms == NEVER || at_ms < self.start_ms {
            // The first sample lies before the registration's arrival: the timeline starts at the sample.
            if self.start_ms != NEVER {
                self.book_tail(self.start_ms, closed_ms, desk, -1);
            }
            let until_ms = if self.start_ms == NEVER { closed_ms } else { self.start_ms };
            self.rebook_rating(at_ms, until_ms, desk, |timeline| timeline.start_ms = at_ms);
        } else {
            self.book_tail(closed_ms, at_ms, desk, 1);
            self.book_tail(at_ms, closed_ms, desk, -1);
            self.remember_gap(reading);
        }
        self.deliver(reading, desk);
        self.follow_registers(reading);
        let unbroken = self.state == reading.state && at_ms <= self.held_until_ms;
        if !unbroken || self.last_ms == NEVER {
            self.run_since_ms = at_ms;
        }
        if self.last_ms == NEVER {
            self.first_power_w = reading.power_w.into();
        }
        self.last_ms = at_ms;
        self.held_until_ms = at_ms.saturating_add(desk.hold_ms);
        self.state = reading.state;
        self.power_w = reading.power_w.into();
        self.demand_w = reading.demand_w.into();
        self.book_tail(at_ms, closed_ms, desk, 1);
    }

    /// Books what is known to hold for closed base buckets: `[from, to)`, which must follow on what is booked.
    pub fn settle(&mut self, from: Bucket, to: Bucket, desk: &mut Desk<'_>) {
        if self.start_ms == NEVER {
            return;
        }
        // However many are settled at once, it comes to the same.
        let look = Bucket::from_number((to.number() - 1).div_euclid(GAPS_LOOK_BUCKETS) * GAPS_LOOK_BUCKETS);
        if look >= from {
            self.gaps.forget_before(look.start_ms().saturating_sub(desk.late_limit_ms));
        }
        self.book_tail(from.start_ms().max(self.last_ms), to.start_ms(), desk, 1);
        for (bucket, ..) in crate::book::pieces(from.start_ms().max(self.start_ms), to.start_ms().min(self.end_ms)) {
            desk.book.rated(bucket, desk.slot, self.rated_j(bucket));
        }
    }

    /// A message of the same station says that the newest sample still holds (sources that report on change).
    pub fn prolong(&mut self, at_ms: i64, desk: &mut Desk<'_>) {
        let held_until_ms = at_ms.saturating_add(desk.hold_ms);
        let alive = self.last_ms != NEVER && self.last_ms <= at_ms && at_ms <= self.held_until_ms;
        if alive && held_until_ms > self.held_until_ms {
            let (lapse_ms, closed_ms) = (self.held_until_ms, desk.closed.start_ms());
            self.book_tail(lapse_ms, closed_ms, desk, -1);
            self.held_until_ms = held_until_ms;
            self.book_tail(lapse_ms, closed_ms, desk, 1);
        }
    }

    /// The connector leaves service at `at_ms`, or at its newest sample where that is later: a sample proves that it
    /// was still there.
    pub fn decommission(&mut self, at_ms: i64, desk: &mut Desk<'_>) {
        if self.start_ms == NEVER || self.end_ms != OPEN {
            return;
        }
        let end_ms = at_ms.max(self.last_ms).max(self.start_ms);
        let closed_ms = desk.closed.start_ms();
        self.book_tail(end_ms, closed_ms, desk, -1);
        self.rebook_rating(end_ms, closed_ms, desk, |timeline| timeline.end_ms = end_ms);
    }

    /// The rated power is `rated_w` from `from_ms` on; a first rating holds for the whole past too.
    pub fn rate(&mut self, rated_w: Option<u32>, from_ms: i64, desk: &mut Desk<'_>) {
        let rated_w = rated_w.unwrap_or(0);
        let known = self.rating.last_w();
        if known == Some(rated_w) {
            return;
        }
        if !self.has_started() {
            self.rating.change(from_ms, rated_w);
            return;
        }
        let counts_from_ms = if known.is_none() { self.start_ms } else { from_ms };
        let closed_ms = desk.closed.start_ms();
        self.rebook_rating(counts_from_ms, closed_ms, desk, |timeline| timeline.rating.change(from_ms, rated_w));
    }

    /// Books (or with `sign` -1 takes back) what the newest sample says about `[from, to)`.
    fn book_tail(&self, from_ms: i64, to_ms: i64, desk: &mut Desk<'_>, sign: i64) {
        if self.start_ms == NEVER {
            return;
        }
        let (from_ms, to_ms) = (from_ms.max(self.start_ms), to_ms.min(self.end_ms));
        let run_since_ms = self.run_since_ms;
        let mut book = |state, from_ms: i64, to_ms: i64| {
            if from_ms < to_ms {
                desk.state(state, from_ms, to_ms, run_since_ms, sign);
            }
        };
        if self.last_ms == NEVER {
            book(State::Unobserved, from_ms, to_ms);
        } else if self.state == State::Offline {
            book(State::Offline, from_ms.max(self.last_ms), to_ms);
        } else {
            book(self.state, from_ms.max(self.last_ms), to_ms.min(self.held_until_ms));
            book(State::Unobserved, from_ms.max(self.held_until_ms), to_ms);
        }
    }

    /// The rated energy of the part of a base bucket that the timeline covers, J: truncated per piece of constant
    /// rating, so that it adds up over scopes and windows.
    fn rated_j(&self, bucket: Bucket) -> i64 {
        self.rating.energy_j(bucket.start_ms().max(self.start_ms), bucket.end_ms().min(self.end_ms))
    }

    /// Applies a change that alters the rated energy of the closed base buckets touching `[from, to)`.
    fn rebook_rating(&mut self, from_ms: i64, to_ms: i64, desk: &mut Desk<'_>, change: impl FnOnce(&mut Self)) {
        let closed_ms = desk.closed.start_ms();
        let last = Bucket::holding_ms(to_ms.min(closed_ms - 1));
        let first = Bucket::holding_ms(from_ms.max(0));
        let before: Vec<i64> = if self.start_ms == NEVER {
            vec![0; usize::try_from(last.number() - first.number() + 1).unwrap_or(0)]
        } else {
            (first.number()..=last.number()).map(|number| self.rated_j(Bucket::from_number(number))).collect()
        };
        change(self);
        for (number, before_j) in (first.number()..=last.number()).zip(before) {
            let bucket = Bucket::from_number(number);
            let difference_j = self.rated_j(bucket) - before_j;
            if difference_j != 0 {
                desk.book.rated(bucket, desk.slot, difference_j);
            }
        }
    }

    fn remember_gap(&mut self, reading: &Reading) {
        let left = (self.last_ms != NEVER).then_some(Neighbour {
            at_ms: self.last_ms,
            state: self.state,
            power_w: self.power_w.get(),
        });
        let (from_ms, state) = match left {
            None => (self.start_ms, State::Unobserved),
            Some(Neighbour { state: State::Offline, .. }) => (self.last_ms, State::Offline),
            Some(_) => (self.held_until_ms, State::Unobserved),
        };
        if from_ms < reading.at_ms {
            let right = Neighbour { at_ms: reading.at_ms, state: reading.state, power_w: reading.power_w };
            self.gaps.remember(Gap { from_ms, to_ms: reading.at_ms, state, left, right });
        }
    }
}

impl Timeline {
    /// Whether the timeline has begun.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.start_ms != NEVER
    }

    /// Whether the timeline has an end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end_ms != OPEN
    }

    /// When the timeline begins, ms, where it has begun.
    #[must_use]
    pub fn start_ms(&self) -> Option<i64> {
        self.has_started().then_some(self.start_ms)
    }

    /// When the timeline ends, ms, where it has an end.
    #[must_use]
    pub fn end_ms(&self) -> Option<i64> {
        self.has_ended().then_some(self.end_ms)
    }

    /// Whether any part of the timeline lies in `[from, to)`.
    #[must_use]
    pub fn touches(&self, from_ms: i64, to_ms: i64) -> bool {
        self.has_started() && self.start_ms < to_ms && self.end_ms > from_ms && self.start_ms < self.end_ms
    }

    /// Whether the connector is in service just before `at_ms`.
    #[must_use]
    pub fn serves_before(&self, at_ms: i64) -> bool {
        self.has_started() && self.start_ms < at_ms && self.end_ms >= at_ms
    }

    /// Event time of the newest sample, ms.
    #[must_use]
    pub fn last_ms(&self) -> Option<i64> {
        (self.last_ms != NEVER).then_some(self.last_ms)
    }

    /// Until when the newest sample speaks, ms.
    #[must_use]
    pub fn held_until_ms(&self) -> i64 {
        self.held_until_ms
    }

    /// The state that holds at a point not before the newest sample.
    #[must_use]
    pub fn state_at(&self, at_ms: i64) -> State {
        if self.last_ms == NEVER || (self.state != State::Offline && at_ms >= self.held_until_ms) {
            State::Unobserved
        } else {
            self.state
        }
    }

    /// Whether the newest sample says that energy flows to a vehicle.
    #[must_use]
    pub fn says_charging(&self) -> bool {
        self.last_ms != NEVER && self.state == State::Charging
    }

    /// Since when that state has held without interruption, ms.
    #[must_use]
    pub fn run_since_ms(&self) -> i64 {
        self.run_since_ms
    }

    /// Power of the newest sample, W.
    #[must_use]
    pub fn power_w(&self) -> Option<i64> {
        self.power_w.get()
    }

    /// Demand of the newest sample, W.
    #[must_use]
    pub fn demand_w(&self) -> Option<i64> {
        self.demand_w.get()
    }

    /// Rated power, W, that holds at a point in time; `None` where no registration gave one.
    #[must_use]
    pub fn rated_w_at(&self, at_ms: i64) -> Option<u32> {
        self.rating.at_w(at_ms)
    }
}
