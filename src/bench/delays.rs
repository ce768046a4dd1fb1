//! How long things took: counts in cells that are at most a sixteenth wide, so that any number of delays takes the same
//! memory, and the greatest one as it was. It must never round a delay down to less than fifteen sixteenths of it.

/// Cells for each power of two.
const PARTS: u64 = 16;
const PART_BITS: u32 = PARTS.ilog2();
const CELLS: usize = (64 - PART_BITS as usize + 1) * PARTS as usize;

/// Delays, µs.
#[derive(Clone, Debug)]
pub struct Delays {
    counts: Box<[u64; CELLS]>,
    count: u64,
    max_us: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self { counts: Box::new([0; CELLS]), count: 0, max_us: 0 }
    }
}

impl Delays {
    /// Adds one.
    pub fn add(&mut self, delay_us: u64) {
        self.counts[cell(delay_us)] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(delay_us);
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The greatest; `None` where there is none.
    #[must_use]
    pub fn max_us(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max_us)
    }

    /// The least delay that so many per mille of all do not exceed; `None` where there is none.
    #[must_use]
    pub fn quantile_us(&self, permille: u64) -> Option<u64> {
        let rank = (self.count * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        let place = self.counts.iter().position(|&count| {
            seen += count;
            seen >= rank
        })?;
        Some(upper_us(place).min(self.max_us))
    }
}

/// Below 16 µs each value has a cell of its own; above, each power of two has 16.
const fn cell(delay_us: u64) -> usize {
    if delay_us < PARTS {
        return delay_us as usize;
    }
    let shift = delay_us.ilog2() - PART_BITS;
    (shift as u64 * PARTS + (delay_us >> shift)) as usize
}

/// The greatest delay of a cell, µs.
const fn upper_us(place: usize) -> u64 {
    let place = place as u64;
    if place < PARTS {
        return place;
    }
    let shift = place / PARTS - 1;
    (((PARTS + place % PARTS) as u128 + 1) << shift).saturating_sub(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_holds_what_is_at_most_its_upper_end_and_more_than_that_of_the_one_before() {
        for delay_us in (0..5_000).chain([u64::MAX, 1 << 40, (1 << 40) - 1]) {
            let place = cell(delay_us);
            assert!(place < CELLS && delay_us <= upper_us(place), "{delay_us}");
            assert!(place == 0 || delay_us > upper_us(place - 1), "{delay_us}");
        }
    }

    #[test]
    fn quantiles_are_near_and_the_greatest_is_exact() {
        let mut delays = Delays::default();
        assert_eq!((delays.quantile_us(500), delays.max_us()), (None, None));
        for delay_us in 1..=10_000 {
            delays.add(delay_us);
        }
        for (permille, exact) in [(500, 5_000), (990, 9_900), (1000, 10_000)] {
            let near = delays.quantile_us(permille).expect("some");
            assert!((exact..=exact + exact / 16).contains(&near), "{permille}: {near}");
        }
        assert_eq!((delays.count(), delays.max_us()), (10_000, Some(10_000)));
    }
}
