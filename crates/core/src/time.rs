//! Points in time, kept apart by kind: when something was measured and when the daemon got it. No operator mixes
//! the two; where the contract compares them, a named method does. This file must never read a clock.

/// Length of the base bucket, ms: every window is a whole number of these.
pub const BASE_BUCKET_MS: i64 = 60_000;

/// When something was measured: ms since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(i64);

/// When the daemon got a message: ms since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrivalTime(i64);

/// A base bucket: the minute `[start, end)`, numbered from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(i32);

impl EventTime {
    /// The point `ms` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// The base bucket that holds this point.
    #[must_use]
    pub const fn bucket(self) -> Bucket {
        Bucket::holding_ms(self.0)
    }

    /// How far this point lies after `arrival`, ms; negative when it lies before.
    #[must_use]
    pub const fn ahead_of_ms(self, arrival: ArrivalTime) -> i64 {
        self.0 - arrival.0
    }
}

impl ArrivalTime {
    /// The point `ms` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// The event time of a message that carries none (semantics, section 1): its arrival stands in.
    #[must_use]
    pub const fn as_event_time(self) -> EventTime {
        EventTime(self.0)
    }

    /// The base bucket that holds this point; refused input is counted there.
    #[must_use]
    pub const fn bucket(self) -> Bucket {
        Bucket::holding_ms(self.0)
    }
}

impl Bucket {
    /// The bucket that holds the point `ms` after the Unix epoch.
    #[must_use]
    pub const fn holding_ms(ms: i64) -> Self {
        Self(ms.div_euclid(BASE_BUCKET_MS) as i32)
    }

    /// The bucket with this number (minutes since the Unix epoch).
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Minutes since the Unix epoch.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// First ms of the bucket.
    #[must_use]
    pub const fn start_ms(self) -> i64 {
        self.0 as i64 * BASE_BUCKET_MS
    }

    /// First ms after the bucket.
    #[must_use]
    pub const fn end_ms(self) -> i64 {
        self.start_ms() + BASE_BUCKET_MS
    }

    /// The bucket that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_before_the_epoch_round_downwards() {
        assert_eq!(Bucket::holding_ms(-1).number(), -1);
        assert_eq!(Bucket::holding_ms(0).number(), 0);
        assert_eq!(Bucket::holding_ms(59_999).number(), 0);
        assert_eq!(Bucket::holding_ms(60_000).start_ms(), 60_000);
    }
}
