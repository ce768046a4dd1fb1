//! The demo's clock: wall time that runs faster, for the daemon and the fleet alike. It is one for the whole process,
//! because a daemon's clock is a plain function; it must never go back.

use std::sync::{PoisonError, RwLock};

use crate::clock::{Monotonic, monotonic};

static PACE: RwLock<Option<Pace>> = RwLock::new(None);

/// Where simulated time started, and how fast it runs.
#[derive(Debug, Clone, Copy)]
struct Pace {
    since: Monotonic,
    start_ms: i64,
    factor: f64,
    /// Time stands still here until it is released.
    hold_ms: i64,
}

impl Pace {
    fn at(&self, now: Monotonic) -> i64 {
        #[expect(clippy::cast_precision_loss, reason = "a demo ends long before 2^53 ms")]
        let passed_ms = (now.since_ms(self.since) as f64 * self.factor) as i64;
        self.start_ms.saturating_add(passed_ms).min(self.hold_ms)
    }
}

/// Starts simulated time at `start_ms`, `factor` seconds a second; it stands still at `hold_ms`.
pub fn start(start_ms: i64, factor: f64, hold_ms: i64) {
    let pace = Pace { since: monotonic(), start_ms, factor, hold_ms };
    *PACE.write().unwrap_or_else(PoisonError::into_inner) = Some(pace);
}

/// Lets time go on from where it is, without an end.
pub fn release(factor: f64) {
    let start_ms = now_ms();
    start(start_ms, factor, i64::MAX);
}

/// Simulated time, ms since the epoch; the wall clock's before any start.
#[must_use]
pub fn now_ms() -> i64 {
    let pace = *PACE.read().unwrap_or_else(PoisonError::into_inner);
    pace.map_or_else(crate::clock::wall_ms, |pace| pace.at(monotonic()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_is_a_minute_until_time_is_held() {
        let since = monotonic();
        let pace = Pace { since, start_ms: 1_000, factor: 60.0, hold_ms: 100_000 };
        let at = |ms| pace.at(since.after(Duration::from_millis(ms)));
        assert_eq!([at(0), at(500), at(1_000), at(5_000)], [1_000, 31_000, 61_000, 100_000]);
    }
}
