//! A short rest of the connections' thread while many messages come that nobody waits for an answer to: what comes meanwhile
//! is read at once, and one waking serves many (docs/performance.md). Messages that are acknowledged get none, since a
//! sender may wait for that with the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ingest::Batch;

/// How long. An alarm may come so much later, twice: where it is read and where it is given out.
const LULL: Duration = Duration::from_millis(1);
/// Below so many messages in a millisecond a rest gathers too few to be worth another waking.
const WORTH_PER_MS: u64 = 4;
/// Over how long they are counted, ms.
const COUNTED_MS: i64 = 10;

/// Whether the thread is to rest when it has nothing more to do.
#[derive(Debug, Default)]
pub(super) struct Lull(AtomicBool);

impl Lull {
    /// The thread has nothing more to do. The rest is had once.
    pub(super) fn keep(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            std::thread::sleep(LULL);
        }
    }
}

/// How fast messages come, and whether a rest is worth it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    lull: Arc<Lull>,
    since_ms: i64,
    messages: u64,
    is_fast: bool,
}

impl Pace {
    pub(super) fn new(lull: Arc<Lull>) -> Self {
        Self { lull, ..Self::default() }
    }

    /// Messages came. What was not taken at once is many already, or is waited for.
    pub(super) fn after(&mut self, batch: &Batch, taken_at_once: bool) {
        let Some(newest) = batch.messages.last() else { return };
        let passed_ms = newest.arrival_ms - self.since_ms;
        self.messages += batch.messages.len() as u64;
        // A clock that was put back begins anew.
        if !(0..COUNTED_MS).contains(&passed_ms) {
            self.is_fast = self.messages >= WORTH_PER_MS * passed_ms.unsigned_abs();
            (self.since_ms, self.messages) = (newest.arrival_ms, 0);
        }
        let answered = batch.messages.iter().any(|message| message.ack.is_some());
        self.lull.0.store(self.is_fast && taken_at_once && !answered, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{AckToken, Incoming, Qos};

    const START_MS: i64 = 1_795_411_200_000;

    fn batch(messages: usize, at_ms: i64, ack: Option<AckToken>) -> Batch {
        let message = Incoming {
            topic: "t".into(),
            payload: "{}".into(),
            qos: if ack.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce },
            retain: false,
            duplicate: false,
            arrival_ms: START_MS + at_ms,
            ack,
        };
        Batch::new(1, vec![message; messages])
    }

    /// How many rests are asked for in 100 ms.
    fn rests(every_ms: usize, messages: usize, ack: Option<AckToken>) -> usize {
        let lull = Arc::new(Lull::default());
        let mut pace = Pace::new(Arc::clone(&lull));
        let mut is_asked = |at_ms| {
            pace.after(&batch(messages, at_ms, ack), messages < 200);
            lull.0.swap(false, Ordering::Relaxed)
        };
        (0..100).step_by(every_ms).filter(|&at_ms| is_asked(at_ms)).count()
    }

    #[test]
    fn many_messages_that_nobody_answers_are_rested_after() {
        assert!(rests(1, 4, None) >= 90);
        assert!(rests(2, 20, None) >= 45);
        assert_eq!(rests(1, 3, None), 0, "too few");
        assert_eq!(rests(5, 19, None), 0, "too few");
        assert_eq!(rests(1, 200, None), 0, "others have them");
        assert_eq!(rests(1, 100, Some(AckToken::new(1, 7))), 0, "a sender may wait");
    }

    #[test]
    fn a_rest_is_had_once() {
        let lull = Lull(AtomicBool::new(true));
        lull.keep();
        assert!(!lull.0.load(Ordering::Relaxed));
    }
}
