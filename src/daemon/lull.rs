//! A short rest of the connections' thread after messages that nobody waits for an answer to: what comes meanwhile is read
//! at once, and one waking serves many (docs/performance.md). Messages that are acknowledged get none, since a sender may
//! wait for that with the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::ingest::Batch;

/// How long. An alarm may come so much later, twice: where it is read and where it is given out.
const LULL: Duration = Duration::from_millis(1);

/// Whether the thread is to rest when it has nothing more to do.
#[derive(Debug, Default)]
pub(super) struct Lull(AtomicBool);

impl Lull {
    /// Messages came. The rest is had once.
    pub(super) fn after(&self, batch: &Batch) {
        let answered = batch.messages.iter().any(|message| message.ack.is_some());
        self.0.store(!answered, Ordering::Relaxed);
    }

    /// The thread has nothing more to do.
    pub(super) fn keep(&self) {
        if self.0.swap(false, Ordering::Relaxed) {
            std::thread::sleep(LULL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{AckToken, Incoming, Qos};

    #[test]
    fn a_rest_is_had_once_and_only_where_nobody_waits() {
        let message = |ack: Option<AckToken>| Incoming {
            topic: "t".into(),
            payload: "{}".into(),
            qos: if ack.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce },
            retain: false,
            duplicate: false,
            arrival_ms: 0,
            ack,
        };
        let lull = Lull::default();
        let is_asked = || lull.0.load(Ordering::Relaxed);
        lull.after(&Batch::new(1, vec![message(None), message(None)]));
        assert!(is_asked());
        lull.keep();
        assert!(!is_asked());
        lull.after(&Batch::new(2, vec![message(None)]));
        lull.after(&Batch::new(3, vec![message(None), message(Some(AckToken::new(1, 7)))]));
        assert!(!is_asked(), "a sender may wait");
    }
}
