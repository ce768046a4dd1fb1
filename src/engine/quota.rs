//! What one source may send: a bound for each, so that a broken or hostile one does no harm to the others. It is kept
//! before messages are spread over workers, so that it does not depend on their number. What is kept out is counted and
//! shown as what is refused.

use std::hash::{Hash, Hasher};

use chargetally_core::observation::StationKey;
use rustc_hash::{FxHashSet, FxHasher};

use super::stats::Stats;
use super::worker::{Notice, RejectedSample, Sampler, Voice};
use crate::batch::Message;
use crate::dialect::{Dialect, Limits, Reason, Reject};

/// What one source may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Messages in one second of arrival; 0 for any number. What the broker replays is not counted: its store bounds it.
    pub messages_per_s: u32,
    /// Longest payload, bytes.
    pub payload_bytes_max: usize,
    /// Different stations since the start; 0 for any number.
    pub stations_max: usize,
}

impl Quota {
    /// No bounds of its own.
    pub const NONE: Self = Self { messages_per_s: 0, payload_bytes_max: usize::MAX, stations_max: 0 };
}

/// Holds all sources to their quotas, and counts and shows what they keep out.
#[derive(Debug)]
pub(super) struct Gates {
    by_source: Vec<Gate>,
    kept_out: Stats,
    sampler: Sampler,
    samples_per_s: u32,
}

impl Gates {
    /// Gates for so many sources; those without a quota have no bounds. Of what they keep out they give so many samples a
    /// second, as each worker does of what it refuses.
    pub(super) fn new(sources: usize, quotas: &[Quota], samples_per_s: u32) -> Self {
        let gate = |source| Gate::new(quotas.get(source).copied().unwrap_or(Quota::NONE));
        Self {
            by_source: (0..sources).map(gate).collect(),
            kept_out: Stats::default(),
            sampler: Sampler::default(),
            samples_per_s,
        }
    }

    /// Whether a message of this dialect is let in.
    pub(super) fn admit(&mut self, message: &Message<'_>, dialect: &Dialect, limits: &Limits, voice: &Voice) -> bool {
        let gate = &mut self.by_source[usize::from(message.source.0)];
        let Err(reason) = gate.admit(message, || dialect.station_of(message.topic, limits)) else { return true };
        self.kept_out.messages += 1;
        self.kept_out.reject(reason);
        if let Some(count) = self.sampler.admit(message.arrival, self.samples_per_s) {
            let sample = RejectedSample::of(message, Reject::whole(reason), dialect, count);
            voice.say(Notice::Rejected(Box::new(sample)));
        }
        false
    }

    /// What they kept out.
    pub(super) const fn kept_out(&self) -> &Stats {
        &self.kept_out
    }
}

/// Holds a source to its quota.
#[derive(Clone, Debug)]
struct Gate {
    quota: Quota,
    second: i64,
    count: u32,
    /// Hashes of the stations that were let in.
    stations: FxHashSet<u64>,
}

impl Gate {
    fn new(quota: Quota) -> Self {
        Self { quota, second: i64::MIN, count: 0, stations: FxHashSet::default() }
    }

    /// Lets a message in, or says why not; `key` finds the station that it is about.
    fn admit<'a>(&mut self, message: &Message<'_>, key: impl FnOnce() -> Option<StationKey<'a>>) -> Result<(), Reason> {
        let Quota { messages_per_s, payload_bytes_max, stations_max } = self.quota;
        if messages_per_s > 0 && !message.retained {
            let second = message.arrival.ms().div_euclid(1000);
            if second != self.second {
                (self.second, self.count) = (second, 0);
            }
            if self.count >= messages_per_s {
                return Err(Reason::TooManyMessages);
            }
            self.count += 1;
        }
        if message.payload.len() > payload_bytes_max {
            return Err(Reason::TooLarge);
        }
        if stations_max > 0
            && let Some(key) = key()
        {
            let mut hasher = FxHasher::default();
            key.hash(&mut hasher);
            let hash = hasher.finish();
            if !self.stations.contains(&hash) {
                if self.stations.len() >= stations_max {
                    return Err(Reason::TooManyStations);
                }
                self.stations.insert(hash);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chargetally_core::config::SourceIndex;
    use chargetally_core::time::ArrivalTime;

    use super::*;

    fn admit(gate: &mut Gate, at_ms: i64, station: &str, payload: &[u8], retained: bool) -> Result<(), Reason> {
        let arrival = ArrivalTime::from_ms(at_ms);
        let message = Message { arrival, source: SourceIndex(0), topic: "t", payload, retained };
        gate.admit(&message, || Some(StationKey { operator: "o", station }))
    }

    #[test]
    fn a_source_has_so_many_messages_in_each_second_and_replays_are_not_counted() {
        let mut gate = Gate::new(Quota { messages_per_s: 2, ..Quota::NONE });
        assert_eq!(admit(&mut gate, 0, "a", b"", false), Ok(()));
        assert_eq!(admit(&mut gate, 500, "a", b"", true), Ok(()));
        assert_eq!(admit(&mut gate, 999, "a", b"", false), Ok(()));
        assert_eq!(admit(&mut gate, 999, "a", b"", false), Err(Reason::TooManyMessages));
        assert_eq!(admit(&mut gate, 999, "a", b"", true), Ok(()));
        assert_eq!(admit(&mut gate, 1_000, "a", b"", false), Ok(()));
    }

    #[test]
    fn a_source_has_so_many_stations_and_payloads_of_such_a_length() {
        let mut gate = Gate::new(Quota { stations_max: 2, payload_bytes_max: 3, ..Quota::NONE });
        assert_eq!(admit(&mut gate, 0, "a", b"123", false), Ok(()));
        assert_eq!(admit(&mut gate, 0, "b", b"", false), Ok(()));
        assert_eq!(admit(&mut gate, 0, "c", b"", false), Err(Reason::TooManyStations));
        assert_eq!(admit(&mut gate, 0, "a", b"", false), Ok(()));
        assert_eq!(admit(&mut gate, 0, "a", b"1234", false), Err(Reason::TooLarge));
    }
}
