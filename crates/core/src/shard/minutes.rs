//! A station's minutes by what they mean for somebody who wants to charge, remembered as far back as late data can
//! reach. Neighbouring minutes are mostly alike, so only the changes are kept, as the few bytes of what became different:
//! most changes are one connector's.

use std::collections::VecDeque;

use crate::pack::{Damaged, Pack, Reader, pack_fields};
use crate::state::State;
use crate::time::Bucket;
use crate::varint::{BYTES_MAX, coded, decoded, join, split};

/// How many bytes more are taken when there is no room: little is kept that is not used.
const GROWTH: usize = 32;
/// No more time than this stands in a minute, ms: differences and sums stay far within 64 bits.
const TIME_MS_MAX: u64 = 1 << 56;
/// In the first byte of a change: the parts of a minute that differ.
const PARTS_MASK: u8 = 0b0000_1111;
/// In the first byte of a change: the sum of all parts is the same, so the last one that differs is not told.
const SUM_STAYS: u8 = 0b0001_0000;
/// Where in the first byte of a change the length of the run stands that ends by it, buckets; 0 where it follows.
const LENGTH_SHIFT: u32 = 5;

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
    /// Adds time in a state, ms, by meaning.
    pub(super) fn add(&mut self, state: State, ms: i64) {
        *match state {
            State::Available => &mut self.available_ms,
            State::Charging | State::Discharging | State::Occupied | State::Reserved => &mut self.taken_ms,
            State::Faulted | State::Unavailable | State::Offline => &mut self.down_ms,
            State::Unobserved => &mut self.unknown_ms,
        } += ms;
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            available_ms: self.available_ms + other.available_ms,
            taken_ms: self.taken_ms + other.taken_ms,
            down_ms: self.down_ms + other.down_ms,
            unknown_ms: self.unknown_ms + other.unknown_ms,
        }
    }

    const fn parts(self) -> [i64; 4] {
        let Self { available_ms, taken_ms, down_ms, unknown_ms } = self;
        [available_ms, taken_ms, down_ms, unknown_ms]
    }

    const fn of_parts([available_ms, taken_ms, down_ms, unknown_ms]: [i64; 4]) -> Self {
        Self { available_ms, taken_ms, down_ms, unknown_ms }
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

/// The minutes of one station, as runs of equal ones in few bytes.
#[derive(Clone, Debug)]
pub(super) struct MinuteRuns {
    /// Where the first run begins, and what it is of.
    first: (Bucket, Minute),
    /// Where the last run begins, and what it is of.
    last: (Bucket, Minute),
    /// First bucket after the last run; nothing is in it or later ones.
    until: Option<Bucket>,
    /// From the first run to the last: how long each one is, and what differs in the next.
    changes: VecDeque<u8>,
}

/// The same, to be read and changed anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Runs {
    /// `(first bucket, minute)`, in order; each run reaches to the next.
    runs: Vec<(Bucket, Minute)>,
    until: Option<Bucket>,
}

impl Runs {
    /// What stands for a bucket.
    fn get(&self, bucket: Bucket) -> Minute {
        if self.until.is_none_or(|until| bucket >= until) {
            return Minute::default();
        }
        let after = self.runs.partition_point(|&(first, _)| first <= bucket);
        after.checked_sub(1).map_or_else(Minute::default, |place| self.runs[place].1)
    }

    /// Puts a minute in place of what stands for a bucket.
    fn set(&mut self, bucket: Bucket, minute: Minute) {
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
}

impl Default for MinuteRuns {
    fn default() -> Self {
        let nothing = (Bucket::from_number(0), Minute::default());
        Self { first: nothing, last: nothing, until: None, changes: VecDeque::new() }
    }
}

impl MinuteRuns {
    /// Adds to minutes what they gained, in order of time; `sink` is told of each what it amounted to before and now.
    pub(super) fn gain(&mut self, gains: &[(Bucket, Minute)], mut sink: impl FnMut(Bucket, Judgement, Judgement)) {
        let is_news = self.until.is_none_or(|until| gains.first().is_none_or(|&(bucket, _)| bucket >= until));
        if is_news {
            for &(bucket, gain) in gains {
                self.append(bucket, gain);
                sink(bucket, Minute::default().judge(), gain.judge());
            }
            return;
        }
        let mut plain = self.plain();
        for &(bucket, gain) in gains {
            let before = plain.get(bucket);
            let after = before.plus(gain);
            plain.set(bucket, after);
            sink(bucket, before.judge(), after.judge());
        }
        *self = Self::of(&plain);
    }

    /// Puts a minute after all others.
    fn append(&mut self, bucket: Bucket, minute: Minute) {
        match self.until {
            None => {
                self.first = (bucket, minute);
                self.last = self.first;
            }
            Some(until) => {
                if until < bucket {
                    self.begin_run(until, Minute::default());
                }
                self.begin_run(bucket, minute);
            }
        }
        self.until = Some(bucket.next());
    }

    /// From a bucket on, which is after the last run's beginning, minutes are as this one.
    fn begin_run(&mut self, bucket: Bucket, minute: Minute) {
        let (since, before) = std::mem::replace(&mut self.last, (bucket, minute));
        if before == minute {
            self.last.0 = since;
            return;
        }
        let (before, after) = (before.parts(), minute.parts());
        let sum_stays = before.iter().sum::<i64>() == after.iter().sum();
        let length = bucket.number().abs_diff(since.number());
        let short = u8::try_from(length).ok().filter(|&length| length < 8).unwrap_or(0);
        let mut head = short << LENGTH_SHIFT | if sum_stays { SUM_STAYS } else { 0 };
        let (mut bytes, mut len) = ([0; 6 * BYTES_MAX], 1);
        let mut put = |number: u64| {
            let mut room = [0; BYTES_MAX];
            let number = split(number, &mut room);
            bytes[len..len + number.len()].copy_from_slice(number);
            len += number.len();
        };
        if short == 0 {
            put(u64::from(length));
        }
        let differing = (0..4).filter(|&part| before[part] != after[part]);
        let last_one = differing.clone().next_back();
        for part in differing {
            head |= 1 << part;
            if !(sum_stays && Some(part) == last_one) {
                put(code_of(after[part] - before[part]));
            }
        }
        bytes[0] = head;
        if self.changes.capacity() - self.changes.len() < len {
            self.changes.reserve_exact(len + GROWTH);
        }
        self.changes.extend(&bytes[..len]);
    }

    /// Forgets the minutes before a bucket, but for the run that reaches up to it.
    pub(super) fn forget_before(&mut self, horizon: Bucket) {
        while self.first.0 < self.last.0 {
            let mut bytes = self.changes.iter().copied();
            let second = next_run(self.first, &mut bytes);
            if second.0 > horizon {
                return;
            }
            let read = self.changes.len() - bytes.len();
            self.changes.drain(..read);
            self.first = second;
        }
    }

    fn plain(&self) -> Runs {
        let mut runs = Vec::new();
        let mut bytes = self.changes.iter().copied();
        let mut run = self.first;
        runs.extend(self.until.map(|_| run));
        while bytes.len() > 0 {
            run = next_run(run, &mut bytes);
            runs.push(run);
        }
        Runs { runs, until: self.until }
    }

    fn of(plain: &Runs) -> Self {
        let mut packed = Self::default();
        let Some((&first, rest)) = plain.runs.split_first() else { return packed };
        (packed.first, packed.last, packed.until) = (first, first, plain.until);
        for &(bucket, minute) in rest {
            packed.begin_run(bucket, minute);
        }
        packed
    }

    /// Whether no time in them is greater than this, ms.
    pub(super) fn is_sound(&self, ms_max: u64) -> bool {
        self.plain().runs.iter().flat_map(|(_, minute)| minute.parts()).all(|ms| ms.unsigned_abs() <= ms_max)
    }
}

/// A difference, of which [`TIME_MS_MAX`] leaves enough bits free, with its sign in the lowest one.
fn code_of(difference_ms: i64) -> u64 {
    coded(difference_ms.unsigned_abs()) << 1 | u64::from(difference_ms < 0)
}

/// The difference, ms, of which this is the [code](code_of).
fn difference_of(code: u64) -> i64 {
    let difference_ms = decoded(code >> 1) as i64;
    if code & 1 == 1 { difference_ms.wrapping_neg() } else { difference_ms }
}

/// The run that follows on one, by the bytes that say how.
fn next_run((since, before): (Bucket, Minute), bytes: &mut impl Iterator<Item = u8>) -> (Bucket, Minute) {
    let head = bytes.next().unwrap_or_default();
    let length = match head >> LENGTH_SHIFT {
        0 => join(bytes) as i32,
        short => i32::from(short),
    };
    let mut parts = before.parts();
    let mut differing = (0..4).filter(|part| head & PARTS_MASK & (1 << part) != 0).peekable();
    let mut change_of_others = 0;
    while let Some(part) = differing.next() {
        let change = if head & SUM_STAYS != 0 && differing.peek().is_none() {
            -change_of_others
        } else {
            difference_of(join(bytes))
        };
        parts[part] += change;
        change_of_others += change;
    }
    (Bucket::from_number(since.number().wrapping_add(length)), Minute::of_parts(parts))
}

pack_fields!(Minute { available_ms, taken_ms, down_ms, unknown_ms });
pack_fields!(Runs { runs, until });

impl Pack for MinuteRuns {
    fn pack(&self, out: &mut Vec<u8>) {
        self.plain().pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let plain = Runs::unpack(reader)?;
        let Runs { runs, until } = &plain;
        let ends = runs.last().is_none_or(|&(last, _)| until.is_some_and(|until| last < until));
        let bounded = |(_, minute): &(Bucket, Minute)| minute.parts().iter().all(|ms| ms.unsigned_abs() <= TIME_MS_MAX);
        if ends && runs.is_sorted_by(|one, other| one.0 < other.0) && runs.iter().all(bounded) {
            Ok(Self::of(&plain))
        } else {
            Err(Damaged { what: "minutes" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn minute(available_ms: i64, taken_ms: i64) -> Minute {
        Minute { available_ms, taken_ms, ..Minute::default() }
    }

    fn any_minute() -> impl Strategy<Value = Minute> {
        let ms = prop_oneof![
            4 => (0..4_i64).prop_map(|whole| whole * 60_000),
            2 => 0..600_000_i64,
            1 => -(1_i64 << 40)..1 << 40,
        ];
        prop::array::uniform4(ms).prop_map(Minute::of_parts)
    }

    proptest! {
        #[test]
        fn they_remember_what_a_plain_map_would(
            steps in prop::collection::vec((prop::collection::btree_map(0..40_i32, any_minute(), 1..5), 0..3_i32), 0..60),
        ) {
            let (mut minutes, mut plain) = (MinuteRuns::default(), BTreeMap::<i32, Minute>::new());
            let mut horizon = 0;
            for (gains, passed) in steps {
                let gains: BTreeMap<i32, Minute> = gains.into_iter().filter(|&(number, _)| number >= horizon).collect();
                let told: Vec<_> =
                    gains.iter().map(|(&number, &minute)| (Bucket::from_number(number), minute)).collect();
                let mut judged = Vec::new();
                minutes.gain(&told, |bucket, was, is| judged.push((bucket.number(), was, is)));
                let expected: Vec<_> = gains
                    .into_iter()
                    .map(|(number, gain)| {
                        let before = plain.get(&number).copied().unwrap_or_default();
                        plain.insert(number, before.plus(gain));
                        (number, before.judge(), before.plus(gain).judge())
                    })
                    .collect();
                prop_assert_eq!(judged, expected);
                horizon += passed;
                minutes.forget_before(Bucket::from_number(horizon));
                let runs = minutes.plain();
                for number in horizon..45 {
                    let expected = plain.get(&number).copied().unwrap_or_default();
                    prop_assert_eq!(runs.get(Bucket::from_number(number)), expected, "bucket {}", number);
                }
                prop_assert!(runs.runs.iter().skip(1).all(|&(first, _)| first.number() > horizon));
                prop_assert!(runs.runs.windows(2).all(|pair| pair[0].1 != pair[1].1));
                let mut packed = Vec::new();
                minutes.pack(&mut packed);
                let again = MinuteRuns::unpack(&mut Reader::new(&packed)).expect("what was packed");
                prop_assert_eq!(again.plain(), runs);
            }
        }

        #[test]
        fn no_bytes_make_them_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(minutes) = MinuteRuns::unpack(&mut Reader::new(&bytes)) {
                prop_assert!(minutes.is_sound(TIME_MS_MAX));
            }
        }
    }

    #[test]
    fn a_quiet_day_takes_no_bytes_and_a_vehicle_a_few() {
        let mut minutes = MinuteRuns::default();
        let mut close =
            |number: i32, minute: Minute| minutes.gain(&[(Bucket::from_number(number), minute)], |_, _, _| ());
        for number in 0..1440 {
            close(number, minute(600_000, 0));
        }
        close(1440, minute(577_012, 22_988));
        close(1441, minute(540_000, 60_000));
        close(1442, minute(540_000, 60_000));
        close(1443, minute(587_000, 13_000));
        close(1444, minute(600_000, 0));
        assert_eq!(minutes.plain().runs.len(), 5);
        assert!(minutes.changes.len() <= 6 + 4 + 3 + 3, "{} bytes", minutes.changes.len());
        minutes.forget_before(Bucket::from_number(1442));
        assert_eq!(minutes.plain().runs[0], (Bucket::from_number(1441), minute(540_000, 60_000)));
        assert_eq!(minutes.plain().get(Bucket::from_number(1444)), minute(600_000, 0));
    }
}
