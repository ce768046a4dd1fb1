//! Random draws for the simulated fleet: a permuted congruential generator and integer-only helpers, so that the same seed
//! gives the same fleet on every machine. It must never touch floating point or the system's entropy.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng as _;

/// The increment of SplitMix64; spreads neighbouring seeds apart.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of draws.
#[derive(Debug, Clone)]
pub struct Draws(Pcg32);

impl Draws {
    /// Stream `stream` of `seed`; different streams are independent of each other.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(Pcg32::new(mix(seed ^ mix(stream)), stream))
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number in [0, n); 0 where n is 0.
    pub fn below(&mut self, n: u32) -> u32 {
        // Multiply and shift; its bias of n / 2^32 is far below anything that a fleet shows.
        ((u64::from(self.bits()) * u64::from(n)) >> 32) as u32
    }

    /// A number in [low, high); `low` where the range is empty.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u32::try_from(high.saturating_sub(low).max(0)).unwrap_or(u32::MAX);
        low + i64::from(self.below(width))
    }

    /// True in `ppm` of a million cases. It draws even where that is 0, so that a share does not shift what comes after it.
    pub fn chance_ppm(&mut self, ppm: u32) -> bool {
        self.below(1_000_000) < ppm
    }

    /// True in `permille` of a thousand cases; draws in any case.
    pub fn chance_permille(&mut self, permille: u32) -> bool {
        self.below(1_000) < permille
    }

    /// The index of one of `weights`, each as likely as its share; 0 where all are 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, &weight) in weights.iter().enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        0
    }

    /// A right-skewed duration between `low` and `high` ms: most are short, a few are long.
    pub fn skewed_ms(&mut self, low: i64, high: i64) -> i64 {
        let u = u64::from(self.below(1_000));
        // The cube of a uniform draw has a mean of a quarter.
        let cube = (u * u * u / 1_000_000) as i64;
        low + (high - low).max(0) * cube / 1_000
    }
}

fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(GOLDEN);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_the_same_for_the_same_seed_and_differ_between_streams() {
        let take = |seed, stream| {
            let mut draws = Draws::new(seed, stream);
            [draws.bits(), draws.bits(), draws.bits()]
        };
        assert_eq!(take(7, 1), take(7, 1));
        assert_ne!(take(7, 1), take(7, 2));
        assert_ne!(take(7, 1), take(8, 1));
    }

    #[test]
    fn draws_stay_in_their_ranges() {
        let mut draws = Draws::new(1, 1);
        for _ in 0..10_000 {
            assert!(draws.below(7) < 7);
            assert!((-5..9).contains(&draws.between(-5, 9)));
            assert!((10..=500).contains(&draws.skewed_ms(10, 500)));
            assert!(draws.weighted(&[0, 3, 0, 1]) % 2 == 1);
        }
        assert_eq!(draws.between(4, 4), 4);
    }
}
