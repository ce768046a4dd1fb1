//! How long to wait before the next attempt to connect: doubling, bounded and jittered.
//!
//! It computes durations only; it must never sleep itself.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Exponential back-off. Each delay lies between half and the whole of its step, so that a fleet of daemons does not
/// come back to a restarted broker in one wave.
#[derive(Debug, Clone)]
pub struct Backoff {
    first_ms: u64,
    last_ms: u64,
    step_ms: u64,
    random: u64,
}

impl Backoff {
    /// From `first_ms` doubling up to `last_ms`; both are taken as at least 1 ms, and the last as at least the first.
    pub fn new(first_ms: u64, last_ms: u64) -> Self {
        Self::with_seed(first_ms, last_ms, RandomState::new().hash_one(0_u8))
    }

    fn with_seed(first_ms: u64, last_ms: u64, seed: u64) -> Self {
        let first_ms = first_ms.max(1);
        Self { first_ms, last_ms: last_ms.max(first_ms), step_ms: first_ms, random: seed | 1 }
    }

    /// The next delay; each is drawn from a step twice as long as the one before, up to the last.
    pub fn next_delay(&mut self) -> Duration {
        let step_ms = self.step_ms;
        self.step_ms = step_ms.saturating_mul(2).min(self.last_ms);
        let floor_ms = step_ms / 2;
        Duration::from_millis(floor_ms + self.draw() % (step_ms - floor_ms + 1))
    }

    /// Begins again at the first step: to be called once a connection has been accepted.
    pub fn reset(&mut self) {
        self.step_ms = self.first_ms;
    }

    /// A step of the xorshift generator: jitter needs spread, not secrecy.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_last_and_stay_within_half_and_whole_of_their_step() {
        for seed in 0..200 {
            let mut backoff = Backoff::with_seed(1_000, 60_000, seed);
            for step_ms in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
                let delay_ms = backoff.next_delay().as_millis();
                assert!((step_ms / 2..=step_ms).contains(&delay_ms), "{delay_ms} ms at a step of {step_ms} ms");
            }
            backoff.reset();
            assert!(backoff.next_delay().as_millis() <= 1_000, "a reset begins at the first step");
        }
    }

    #[test]
    fn zero_and_reversed_limits_are_made_sensible() {
        let mut backoff = Backoff::new(0, 0);
        assert!(backoff.next_delay().as_millis() <= 1);
        let mut backoff = Backoff::new(500, 10);
        backoff.next_delay();
        assert!(backoff.next_delay().as_millis() <= 500);
    }
}
