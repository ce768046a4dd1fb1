//! The only place that reads a clock.
//!
//! Everything else is handed the time as an argument, so that it can be tested and replayed. The wall clock
//! gives arrival times and may jump; the monotonic one gives deadlines and never goes back.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, UTC, by the system's wall clock; negative before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this module is the one that reads the clocks")]
pub fn wall_ms() -> i64 {
    since_epoch_ms(SystemTime::now())
}

/// A point of the monotonic clock, for deadlines and for measuring.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this module is the one that reads the clocks")]
pub fn monotonic() -> Monotonic {
    #[cfg(test)]
    if let Some(simulated) = SIMULATED.get() {
        return simulated;
    }
    Monotonic(Instant::now())
}

#[cfg(test)]
thread_local! {
    /// What the monotonic clock shows to this thread, where a test owns its time.
    static SIMULATED: std::cell::Cell<Option<Monotonic>> = const { std::cell::Cell::new(None) };
}

/// From now on the monotonic clock shows this to the calling thread; `None` gives it the real one back.
#[cfg(test)]
pub(crate) fn simulate_monotonic(point: Option<Monotonic>) {
    SIMULATED.set(point);
}

/// A point of the monotonic clock. Two of them have a distance; none of them is a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(Instant);

impl Monotonic {
    /// Whole milliseconds from `earlier` to this point, 0 where `earlier` is the later one.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        let elapsed_ms = self.0.saturating_duration_since(earlier.0).as_millis();
        u64::try_from(elapsed_ms).unwrap_or(u64::MAX)
    }

    /// Whole microseconds from `earlier` to this point, 0 where `earlier` is the later one.
    #[must_use]
    pub fn since_us(self, earlier: Self) -> u64 {
        let elapsed_us = self.0.saturating_duration_since(earlier.0).as_micros();
        u64::try_from(elapsed_us).unwrap_or(u64::MAX)
    }

    /// The point `span` after this one; this one itself where the clock cannot express the sum.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.checked_add(span).unwrap_or(self.0))
    }

    /// The runtime's kind of the same point, for its timers.
    #[must_use]
    pub fn instant(self) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.0)
    }
}

fn since_epoch_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_zero_and_the_time_before_it_is_negative() {
        assert_eq!(since_epoch_ms(UNIX_EPOCH), 0);
        assert_eq!(since_epoch_ms(UNIX_EPOCH + Duration::from_millis(1_500)), 1_500);
        assert_eq!(since_epoch_ms(UNIX_EPOCH - Duration::from_millis(1_500)), -1_500);
    }

    #[test]
    fn the_wall_clock_stands_between_2024_and_2100() {
        let now_ms = wall_ms();
        assert!((1_704_067_200_000..4_102_444_800_000).contains(&now_ms), "{now_ms}");
    }

    #[test]
    fn monotonic_time_is_a_distance_that_never_goes_below_zero() {
        let start = monotonic();
        let later = start.after(Duration::from_millis(250));
        assert_eq!((later.since_ms(start), start.since_ms(later)), (250, 0));
        assert_eq!((later.since_us(start), start.since_us(later)), (250_000, 0));
        assert!(monotonic() >= start);
        assert_eq!(start.after(Duration::MAX), start);
    }
}
