//! Closing base buckets piece by piece, while messages go on being taken in. A close means what it would if everything were
//! done the moment it begins: what a station's connectors hold is booked up to the edge, and the station counted, before
//! anything that is said of it later; what stood in the book then is set apart from what is booked later. So how the pieces
//! fall changes no figure. A registration, which may claim what was booked, waits until all is handed over.

use super::Shard;
use super::census::{Count, Counting};
use super::close::{Gain, Gains, HandedOver, Report};
use crate::book::Apart;
use crate::config::SourceIndex;
use crate::observation::{Observation, StationKey};
use crate::time::Bucket;
use crate::window::Window;

/// About so many connectors' worth of work is the judging of a station's minutes.
const JUDGING_COST: usize = 4;

/// What a close hands over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closed {
    /// What changed.
    pub report: Report,
    /// What was counted of the windows that were asked for, in their order.
    pub counts: Vec<Count>,
}

/// A close that has begun.
pub(super) struct Closing {
    from: Bucket,
    until: Bucket,
    /// So many stations are to be settled and counted,
    stations: u32,
    /// of which those before this one are,
    next: u32,
    /// and these, since something was said of them.
    ahead: Vec<bool>,
    counts: Vec<Counting>,
    /// What follows when all are settled.
    handing: Option<Handing>,
}

/// Bookings on their way out.
pub(super) struct Handing {
    /// None when all bookings are handed over.
    apart: Option<Apart>,
    handed: HandedOver,
    /// What stations' minutes gained then, in order,
    gains: Vec<Gain>,
    /// and how many of those are judged.
    judged: usize,
}

impl Handing {
    pub(super) fn of(apart: Apart) -> Self {
        Self { apart: Some(apart), handed: HandedOver::default(), gains: Vec::new(), judged: 0 }
    }

    fn is_done(&self) -> bool {
        self.apart.is_none() && self.judged == self.gains.len()
    }
}

impl Shard {
    /// Begins to close all base buckets before `until`, and to count the windows, which are to end by then, with their
    /// snapshots. What is taken in from now on comes after the close. A close that was begun before must be finished.
    pub fn begin_close(&mut self, until: Bucket, windows: &[Window]) {
        debug_assert!(self.closing.is_none(), "begun twice");
        let from = self.closed;
        let until = until.max(from);
        let stations = if until > from || !windows.is_empty() { self.stations.len() } else { 0 };
        self.dirty.take_turns(from, until, stations);
        self.closed = until;
        self.book.set_apart(until);
        let mut counts: Vec<Counting> = windows.iter().map(|&window| Counting::of(window, true, self)).collect();
        counts.iter_mut().for_each(|counting| counting.add_alarms(self));
        self.closing = Some(Box::new(Closing {
            from,
            until,
            stations: stations as u32,
            next: 0,
            ahead: vec![false; stations],
            counts,
            handing: None,
        }));
    }

    /// Whether a close has begun that has something left to do before it is [finished](Self::finish_close).
    #[must_use]
    pub fn has_to_close(&self) -> bool {
        self.closing.as_ref().is_some_and(|closing| !closing.is_done())
    }

    /// Goes on with a close by the work of about so many connectors. Returns whether there is more to do.
    pub fn go_on_closing(&mut self, connectors: usize) -> bool {
        let Some(mut closing) = self.closing.take() else { return false };
        let mut left = connectors;
        while left > 0 && closing.next < closing.stations {
            let station = closing.next;
            closing.next += 1;
            left = left.saturating_sub(self.station(station).all.len() + 1);
            self.close_station(station, &mut closing);
        }
        if left > 0 {
            let handing = match &mut closing.handing {
                Some(handing) => handing,
                none => {
                    self.forget_unclaimed(closing.until);
                    none.insert(Handing::of(self.book.take_apart()))
                }
            };
            self.go_on_handing_over(handing, left);
        }
        let has_more = !closing.is_done();
        self.closing = Some(closing);
        has_more
    }

    /// Does what is left of a close and gives what it comes to.
    pub fn finish_close(&mut self) -> Closed {
        while self.go_on_closing(usize::MAX) {}
        let Some(closing) = self.closing.take() else { return Closed::default() };
        let counts = closing.counts.into_iter().map(Counting::finish).collect();
        let report = closing.handing.map(|handing| self.report(handing.handed)).unwrap_or_default();
        Closed { report, counts }
    }

    /// Has done of a close what must come before an observation.
    pub(super) fn close_before(&mut self, key: StationKey<'_>, observation: &Observation<'_>) {
        if matches!(observation, Observation::Registration(_) | Observation::Deregistration { .. }) {
            while self.go_on_closing(usize::MAX) {}
        } else if let Some(station) = self.find_station(key)
            && let Some(mut closing) = self.closing.take()
        {
            self.close_station(station, &mut closing);
            self.closing = Some(closing);
        }
    }

    /// Settles a station's connectors and counts them, where that is still to be done.
    fn close_station(&mut self, station: u32, closing: &mut Closing) {
        // One that was not there when the close began has nothing to be closed.
        if closing.ahead.get_mut(station as usize).is_none_or(|done| std::mem::replace(done, true)) {
            return;
        }
        let Closing { from, until, .. } = *closing;
        if from < until {
            self.book.turn();
            for place in 0..self.station(station).all.len() {
                let index = self.station(station).all[place];
                // The hold stands in the timeline already; the source plays no part in settling.
                let (timeline, mut desk) = self.desk(index, SourceIndex::default());
                timeline.settle(from, until, &mut desk);
            }
            self.book.turn();
            let horizon = self.horizon(until);
            self.stations[station as usize].minutes.forget_before(horizon);
        }
        closing.counts.iter_mut().for_each(|counting| counting.add_station(self, station));
    }

    /// Hands over bookings, and judges stations' minutes when all are. Returns whether there is more to do.
    pub(super) fn go_on_handing_over(&mut self, handing: &mut Handing, slots: usize) -> bool {
        let Handing { apart, handed, gains, judged } = handing;
        if let Some(mut going) = apart.take() {
            if going.hand_over(slots, |bucket, slot, booked| self.hand_over(bucket, slot, &booked, handed)) {
                *apart = Some(going);
            } else {
                self.book.take_back(going);
                *gains = std::mem::take(&mut handed.gains).finish();
            }
            return !handing.is_done();
        }
        let mut left = slots;
        let mut gained = Vec::new();
        while left > 0
            && let Some((station, count)) = Gains::next(&gains[*judged..])
        {
            gained.clear();
            gained.extend(gains[*judged..*judged + count].iter().map(|&(_, bucket, gain)| (bucket, gain)));
            *judged += count;
            self.judge_minutes(station, &gained, handed);
            left = left.saturating_sub(JUDGING_COST);
        }
        !handing.is_done()
    }

    /// Before it nothing late is taken any more, when all before `closed` is closed.
    pub(super) fn horizon(&self, closed: Bucket) -> Bucket {
        Bucket::holding_ms(closed.start_ms() - self.config.late_limit_ms)
    }

    /// Forgets what claimable slots handed over that no late data can reach any more.
    fn forget_unclaimed(&mut self, closed: Bucket) {
        let horizon = self.horizon(closed);
        for tallies in self.unclaimed.values_mut() {
            let kept = tallies.split_off(&horizon);
            self.unclaimed_len -= tallies.len();
            *tallies = kept;
        }
        self.unclaimed.retain(|_, tallies| !tallies.is_empty());
    }
}

impl Closing {
    fn is_done(&self) -> bool {
        self.handing.as_ref().is_some_and(Handing::is_done)
    }
}
