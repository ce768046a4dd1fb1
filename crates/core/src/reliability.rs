//! Failures and outages of one connector: episodes of fault that count as failures, and the monthly outage that the
//! rolling twelve-month uptime is taken from. Nothing here looks at a clock; everything follows from samples.

use crate::pack::{Damaged, Pack, Reader, pack_fields};
use crate::slim::Slim;
use crate::state::State;
use crate::tally::EventCounts;
use crate::time::EventTime;
use crate::window::{Calendar, WindowKind};

/// A fault shorter than this is no failure, ms (domain C6).
const FAILURE_MS_MIN: i64 = 60_000;
/// A fault that begins sooner than this after the last one ended belongs to the same failure, ms (domain C6).
const FAILURE_MERGE_MS: i64 = 300_000;
/// Months of outage that are remembered: the rolling twelve and the current one.
const MONTHS_MAX: usize = 13;
/// The minutes of a year as the American rule has them, leap year or not (23 CFR 680.116).
const MINUTES_PER_YEAR: i64 = 525_600;

/// The fault that a connector is in, or was in last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    since_ms: Option<i64>,
    counted: bool,
    ended_ms: Option<i64>,
}

impl Faults {
    /// Takes in the state of a sample newer than all others. Counts a failure once its fault has lasted long enough,
    /// at the time it began; counts a repair when it ends.
    pub fn observe(&mut self, at_ms: i64, state: State, mut count: impl FnMut(EventTime, fn(&mut EventCounts))) {
        if let Some(since_ms) = self.since_ms
            && !self.counted
            && at_ms - since_ms >= FAILURE_MS_MIN
        {
            self.counted = true;
            let goes_on = self.ended_ms.is_some_and(|ended_ms| since_ms - ended_ms < FAILURE_MERGE_MS);
            if !goes_on {
                count(EventTime::from_ms(since_ms), |counts| counts.failures += 1);
            }
        }
        match (self.since_ms, state) {
            (None, State::Faulted) => *self = Self { since_ms: Some(at_ms), counted: false, ..*self },
            (Some(_), State::Faulted | State::Offline) | (None, _) => {}
            (Some(_), _) => {
                if self.counted {
                    count(EventTime::from_ms(at_ms), |counts| counts.repairs += 1);
                    self.ended_ms = Some(at_ms);
                }
                self.since_ms = None;
            }
        }
    }

    /// Since when a fault is open, ms.
    #[must_use]
    pub fn open_since_ms(&self) -> Option<i64> {
        self.since_ms
    }
}

/// Outage of one connector by civil month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outages {
    /// Start of the newest month with any, ms.
    newest_ms: Slim<i64>,
    /// What it amounts to, ms.
    newest_sum_ms: i64,
    /// Most connectors have one in the month of their registration only.
    earlier: Option<Box<Months>>,
}

/// `(start of the month, outage)` in ms, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Months(Vec<(i64, i64)>);

/// Whether a state is an outage by the American rule: hardware and software must both be online and ready. What is
/// taken out of service on purpose is excluded there.
#[must_use]
pub const fn is_outage(state: State) -> bool {
    matches!(state, State::Faulted | State::Offline | State::Unobserved)
}

impl Outages {
    /// Adds outage over `[from, to)`; `sign` -1 takes it back.
    pub fn add(&mut self, calendar: &Calendar, from_ms: i64, to_ms: i64, sign: i64) {
        let mut at_ms = from_ms;
        while at_ms < to_ms {
            let month = calendar.window(WindowKind::Month, EventTime::from_ms(at_ms).bucket());
            let until_ms = month.end.start_ms().min(to_ms);
            self.add_to(month.start.start_ms(), sign * (until_ms - at_ms));
            at_ms = until_ms;
        }
    }

    fn add_to(&mut self, month_ms: i64, outage_ms: i64) {
        match self.newest_ms.get() {
            Some(newest_ms) if newest_ms == month_ms => self.newest_sum_ms += outage_ms,
            Some(newest_ms) if newest_ms > month_ms => self.add_earlier(month_ms, outage_ms),
            newest => {
                if let Some(newest_ms) = newest {
                    self.add_earlier(newest_ms, self.newest_sum_ms);
                }
                self.newest_ms = Some(month_ms).into();
                self.newest_sum_ms = outage_ms;
            }
        }
    }

    fn add_earlier(&mut self, month_ms: i64, outage_ms: i64) {
        let months = &mut self.earlier.get_or_insert_default().0;
        let place = months.partition_point(|&(start_ms, _)| start_ms < month_ms);
        match months.get_mut(place) {
            Some((start_ms, sum_ms)) if *start_ms == month_ms => *sum_ms += outage_ms,
            _ => months.insert(place, (month_ms, outage_ms)),
        }
        if months.len() >= MONTHS_MAX {
            months.remove(0);
        }
    }

    /// Months and what outage they have, ms, in order.
    fn months(&self) -> impl Iterator<Item = (i64, i64)> {
        let earlier = self.earlier.iter().flat_map(|months| months.0.iter().copied());
        earlier.chain(self.newest_ms.get().map(|newest_ms| (newest_ms, self.newest_sum_ms)))
    }

    /// Uptime over the twelve months from `from_ms` up to `to_ms`, in millionths of the year's 525,600 minutes.
    #[must_use]
    pub fn uptime_ppm(&self, from_ms: i64, to_ms: i64) -> i64 {
        let within = self.months().filter(|&(start_ms, _)| from_ms <= start_ms && start_ms < to_ms);
        let outage_ms: i64 = within.map(|(_, outage_ms)| outage_ms).sum();
        1_000_000 - (outage_ms / 60_000 * 1_000_000 / MINUTES_PER_YEAR).min(1_000_000)
    }
}

pack_fields!(Faults { since_ms, counted, ended_ms });

/// As `(start of the month, outage)` in ms, in order.
impl Pack for Outages {
    fn pack(&self, out: &mut Vec<u8>) {
        self.months().collect::<Vec<_>>().pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let mut months: Vec<(i64, i64)> = Pack::unpack(reader)?;
        if months.len() > MONTHS_MAX || !months.is_sorted_by(|one, other| one.0 < other.0) {
            return Err(Damaged { what: "outages" });
        }
        let Some((newest_ms, newest_sum_ms)) = months.pop() else { return Ok(Self::default()) };
        let earlier = (!months.is_empty()).then(|| Box::new(Months(months)));
        Ok(Self { newest_ms: Some(newest_ms).into(), newest_sum_ms, earlier })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_of(samples: &[(i64, State)]) -> (i64, i64) {
        let mut faults = Faults::default();
        let mut counts = EventCounts::default();
        for &(minute, state) in samples {
            faults.observe(minute * 60_000, state, |_, count| count(&mut counts));
        }
        (counts.failures, counts.repairs)
    }

    #[test]
    fn a_fault_of_a_minute_is_a_failure_and_its_end_a_repair() {
        assert_eq!(counts_of(&[(0, State::Available), (1, State::Faulted), (2, State::Available)]), (1, 1));
        assert_eq!(counts_of(&[(1, State::Faulted), (2, State::Faulted), (9, State::Faulted)]), (1, 0));
    }

    #[test]
    fn faults_close_to_one_another_are_one_failure() {
        use State::{Available, Faulted};
        let close = [(0, Faulted), (2, Available), (5, Faulted), (8, Available)];
        assert_eq!(counts_of(&close).0, 1);
        let apart = [(0, Faulted), (2, Available), (7, Faulted), (9, Available)];
        assert_eq!(counts_of(&apart).0, 2);
    }

    #[test]
    fn thirteen_months_are_remembered_in_whatever_order_they_come() {
        let mut outages = Outages::default();
        for month in [5_i64, 3, 20, 4, 19, 20, 2, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9] {
            outages.add_to(month * 1_000, month);
        }
        let mut expected: Vec<_> = [5_i64].into_iter().chain(9..=19).map(|month| (month * 1_000, month)).collect();
        expected.push((20_000, 40));
        assert_eq!(outages.months().collect::<Vec<_>>(), expected);
        let mut packed = Vec::new();
        outages.pack(&mut packed);
        assert_eq!(Outages::unpack(&mut Reader::new(&packed)), Ok(outages));
    }

    #[test]
    fn uptime_follows_the_american_constant() {
        let mut outages = Outages::default();
        let utc = Calendar::fixed(0);
        outages.add(&utc, 0, 15_000 * 60_000, 1);
        // 20 000 min of outage of which 5 000 are excluded: 97.146119 %.
        assert_eq!(outages.uptime_ppm(0, 365 * 86_400_000), 971_462);
    }
}
