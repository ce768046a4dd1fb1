//! The event times of the latest accepted samples, to tell repeated ones from ones out of order. Samples follow one
//! another in seconds, so each is kept as the bytes of its distance to the next newer one: one to three instead of eight.

use std::collections::VecDeque;

use crate::pack::{Damaged, Pack, Reader};
use crate::varint::{BYTES_MAX, MORE, coded, decoded, join, split};

/// How many bytes more are taken when there is no room: little is kept that is not used.
const GROWTH: usize = 16;

/// Event times, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    newest_ms: i64,
    count: u32,
    /// The distances, from the newest to the oldest, as [`coded`]. There is one distance fewer than there are times.
    distances: VecDeque<u8>,
}

impl Remembered {
    /// The latest of all.
    pub(super) fn newest_ms(&self) -> Option<i64> {
        (self.count > 0).then_some(self.newest_ms)
    }

    /// Whether this time is one of them.
    pub(super) fn contains(&self, at_ms: i64) -> bool {
        self.newest_first().take_while(|&known_ms| known_ms >= at_ms).any(|known_ms| known_ms == at_ms)
    }

    /// Adds a time that is not one of them; of more than `max` the oldest is forgotten, before the new one is added.
    pub(super) fn insert(&mut self, at_ms: i64, max: usize) {
        if max == 0 {
            return;
        }
        while self.count as usize >= max {
            self.forget_oldest();
        }
        if self.newest_ms().is_none_or(|newest_ms| newest_ms < at_ms) {
            self.push_newest(at_ms);
            return;
        }
        let mut times: Vec<i64> = self.newest_first().collect();
        let place = times.partition_point(|&known_ms| known_ms > at_ms);
        times.insert(place, at_ms);
        self.distances.clear();
        self.count = 0;
        times.into_iter().rev().for_each(|at_ms| self.push_newest(at_ms));
    }

    /// Adds a time later than all others.
    fn push_newest(&mut self, at_ms: i64) {
        if self.count > 0 {
            let mut bytes = [0; BYTES_MAX];
            let bytes = split(coded(at_ms.abs_diff(self.newest_ms)), &mut bytes);
            if self.distances.capacity() - self.distances.len() < bytes.len() {
                self.distances.reserve_exact(GROWTH);
            }
            bytes.iter().rev().for_each(|&byte| self.distances.push_front(byte));
        }
        self.newest_ms = at_ms;
        self.count += 1;
    }

    fn forget_oldest(&mut self) {
        // The last byte of a distance bears no mark; those before it do.
        self.distances.pop_back();
        while self.distances.back().is_some_and(|byte| byte & MORE != 0) {
            self.distances.pop_back();
        }
        self.count -= 1;
    }

    fn newest_first(&self) -> impl Iterator<Item = i64> {
        let mut bytes = self.distances.iter().copied();
        let mut at_ms = self.newest_ms;
        (0..self.count).map(move |place| {
            if place > 0 {
                at_ms = at_ms.wrapping_sub_unsigned(decoded(join(&mut bytes)));
            }
            at_ms
        })
    }
}

/// The oldest, and each next one's distance.
impl Pack for Remembered {
    fn pack(&self, out: &mut Vec<u8>) {
        let mut distances: Vec<i64> = self.newest_first().collect();
        distances.reverse();
        for place in (1..distances.len()).rev() {
            distances[place] = distances[place].wrapping_sub(distances[place - 1]);
        }
        distances.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let mut remembered = Self::default();
        let mut at_ms = 0_i64;
        for distance_ms in Vec::<i64>::unpack(reader)? {
            at_ms = at_ms.wrapping_add(distance_ms);
            if remembered.newest_ms().is_some_and(|newest_ms| newest_ms >= at_ms) {
                return Err(Damaged { what: "event times" });
            }
            remembered.push_newest(at_ms);
        }
        Ok(remembered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_knows_what_a_set_of_the_latest_would(
            steps in prop::collection::vec((-3_i64..9, 0_u32..40), 0..300),
            max in 1_usize..20,
        ) {
            let (mut remembered, mut expected) = (Remembered::default(), BTreeSet::new());
            let mut latest_ms = 1_700_000_000_000_i64;
            for (sign, size) in steps {
                let at_ms = latest_ms + sign * if size % 3 == 0 { 1_000 * (1_i64 << (size / 2)) } else { 1_i64 << size };
                prop_assert_eq!(remembered.contains(at_ms), expected.contains(&at_ms));
                if !expected.contains(&at_ms) {
                    if expected.len() >= max {
                        expected.pop_first();
                    }
                    expected.insert(at_ms);
                    remembered.insert(at_ms, max);
                }
                latest_ms = expected.last().copied().unwrap_or(latest_ms);
                prop_assert!(remembered.newest_first().eq(expected.iter().rev().copied()));
            }
            let mut packed = Vec::new();
            remembered.pack(&mut packed);
            prop_assert_eq!(Remembered::unpack(&mut Reader::new(&packed)), Ok(remembered));
        }
    }

    #[test]
    fn samples_up_to_a_minute_apart_take_a_byte_each_where_they_tell_seconds() {
        for (distance_ms, bytes) in
            [(1_000, 1), (63_000, 1), (64_000, 2), (8_191_000, 2), (30_001, 3), (63, 1), (8_191, 2)]
        {
            let mut remembered = Remembered::default();
            (0..1_000).for_each(|place| remembered.insert(place * distance_ms, 128));
            assert_eq!((remembered.count, remembered.distances.len()), (128, bytes * 127), "{distance_ms}");
            assert!(remembered.distances.capacity() <= bytes * 127 + GROWTH, "{}", remembered.distances.capacity());
        }
    }
}
