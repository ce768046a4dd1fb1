//! A station's minutes by what they mean for somebody who wants to charge, remembered as far back as late data can
//! reach. Neighbouring minutes are mostly alike, so only the changes are kept.

use crate::pack::pack_fields;
use crate::state::State;
use crate::tally::Tally;
use crate::time::Bucket;

/// Time of a station's connectors within one base bucket, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Minute {
    /// Ready for the next vehicle.
    pub available_ms: i64,
    /// Charging, plugged in or reserved.
    pub taken_ms: i64,
    /// Told to be out of order, out of service or out of reach.
    pub down_ms: i64,
    /// Nothing known.
    pub unknown_ms: i64,
}

/// What a station's minute amounts to: 1 or 0 each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// At least one connector was in service.
    pub open: i64,
    /// Every working connector was taken throughout (domain B9).
    pub full: i64,
    /// Full, and at least one connector was down (domain B10).
    pub full_faulty: i64,
}

impl Minute {
    /// The state times of a tally, by meaning.
    pub(super) fn of(tally: &Tally) -> Self {
        let mut minute = Self::default();
        for state in State::ALL {
            let part = match state {
                State::Available => &mut minute.available_ms,
                State::Charging | State::Discharging | State::Occupied | State::Reserved => &mut minute.taken_ms,
                State::Faulted | State::Unavailable | State::Offline => &mut minute.down_ms,
                State::Unobserved => &mut minute.unknown_ms,
            };
            *part += tally.in_state(state);
        }
        minute
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            available_ms: self.available_ms + other.available_ms,
            taken_ms: self.taken_ms + other.taken_ms,
            down_ms: self.down_ms + other.down_ms,
            unknown_ms: self.unknown_ms + other.unknown_ms,
        }
    }

    pub(super) fn judge(self) -> Judgement {
        let full = self.taken_ms > 0 && self.available_ms == 0 && self.unknown_ms == 0;
        Judgement {
            open: i64::from(self != Self::default()),
            full: i64::from(full),
            full_faulty: i64::from(full && self.down_ms > 0),
        }
    }
}

/// The minutes of one station, as runs of equal ones.
#[derive(Clone, Debug, Default)]
pub(super) struct MinuteRuns {
    /// `(first bucket, minute)`, in order; each run reaches to the next.
    runs: Vec<(Bucket, Minute)>,
    /// First bucket after the last run; nothing is in it or later ones.
    until: Option<Bucket>,
}

impl MinuteRuns {
    /// What stands for a bucket.
    pub(super) fn get(&self, bucket: Bucket) -> Minute {
        if self.until.is_none_or(|until| bucket >= until) {
            return Minute::default();
        }
        let after = self.runs.partition_point(|&(first, _)| first <= bucket);
        after.checked_sub(1).map_or_else(Minute::default, |place| self.runs[place].1)
    }

    /// Puts a minute in place of what stands for a bucket.
    pub(super) fn set(&mut self, bucket: Bucket, minute: Minute) {
        let until = self.until.unwrap_or(bucket);
        let following = (bucket.next() < until).then(|| self.get(bucket.next()));
        if bucket > until {
            self.begin_run(until, Minute::default());
        }
        self.begin_run(bucket, minute);
        if let Some(following) = following {
            self.begin_run(bucket.next(), following);
        }
        self.until = Some(until.max(bucket.next()));
    }

    /// Starts a run at a bucket, in place of one that starts there, and joins it with its equals.
    fn begin_run(&mut self, bucket: Bucket, minute: Minute) {
        let place = self.runs.partition_point(|&(first, _)| first < bucket);
        if self.runs.get(place).is_some_and(|&(first, _)| first == bucket) {
            self.runs[place].1 = minute;
        } else {
            self.runs.insert(place, (bucket, minute));
        }
        let joins_next = self.runs.get(place + 1).is_some_and(|&(_, next)| next == minute);
        let next_starts_here = self.runs.get(place + 1).is_some_and(|&(first, _)| first == bucket.next());
        if joins_next && next_starts_here {
            self.runs.remove(place + 1);
        }
        if place > 0 && self.runs[place - 1].1 == minute {
            self.runs.remove(place);
        }
    }

    /// Whether the runs are in order and no time in them is greater than this, ms.
    pub(super) fn is_sound(&self, ms_max: u64) -> bool {
        let times = |minute: &Minute| [minute.available_ms, minute.taken_ms, minute.down_ms, minute.unknown_ms];
        self.runs.is_sorted_by(|one, other| one.0 < other.0)
            && self.runs.iter().flat_map(|(_, minute)| times(minute)).all(|ms| ms.unsigned_abs() <= ms_max)
    }

    /// Forgets the minutes before a bucket.
    pub(super) fn forget_before(&mut self, horizon: Bucket) {
        let keep_from = self.runs.partition_point(|&(first, _)| first <= horizon).saturating_sub(1);
        self.runs.drain(..keep_from);
    }
}

pack_fields!(Minute { available_ms, taken_ms, down_ms, unknown_ms });
pack_fields!(MinuteRuns { runs, until });

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn minute(taken_ms: i64) -> Minute {
        Minute { taken_ms, ..Minute::default() }
    }

    proptest! {
        #[test]
        fn runs_remember_what_a_plain_map_would(steps in prop::collection::vec((0..40_i32, 0..3_i64), 0..120)) {
            let mut runs = MinuteRuns::default();
            let mut plain = BTreeMap::new();
            for (number, value) in steps {
                runs.set(Bucket::from_number(number), minute(value));
                plain.insert(number, minute(value));
            }
            for number in 0..45 {
                let expected = plain.get(&number).copied().unwrap_or_default();
                prop_assert_eq!(runs.get(Bucket::from_number(number)), expected, "bucket {}", number);
            }
        }
    }

    #[test]
    fn a_quiet_day_is_one_run() {
        let mut runs = MinuteRuns::default();
        for number in 0..1440 {
            runs.set(Bucket::from_number(number), minute(60_000));
        }
        assert_eq!(runs.runs.len(), 1);
        runs.set(Bucket::from_number(700), minute(1));
        assert_eq!(runs.runs.len(), 3);
        runs.forget_before(Bucket::from_number(800));
        assert_eq!(runs.runs.len(), 1);
        assert_eq!(runs.get(Bucket::from_number(900)), minute(60_000));
    }
}
