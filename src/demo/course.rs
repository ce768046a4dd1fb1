//! The course of a demo: waiting for the daemon, running, and at the end of a span waiting for its last revisions. A
//! closed list of stages that only goes forward.

use std::sync::atomic::Ordering;

use super::fleet::Shared;
use super::pace;
use crate::clock::{Monotonic, monotonic};
use crate::notify;

/// Between the last message at the broker and the daemon's having taken it, ms.
const DRAIN_MS: u64 = 1_000;
/// Simulated time from the last message's being taken to the last revision: grace, two intervals of revising, and some.
const REVISIONS_MS: i64 = 240_000;
/// Real time that the last revisions get at least, ms: the daemon looks at the clock now and then only.
const SETTLE_MS: u64 = 3_000;
/// Real time after which the comparison goes without the last day's summary, ms.
const SETTLE_MS_MAX: u64 = 60_000;
/// Simulated seconds per second after the span, at least.
const SETTLE_SPEED_MIN: f64 = 60.0;

#[derive(Debug, Clone, Copy)]
enum Stage {
    Starting,
    Running,
    Draining(Monotonic),
    /// Since when, and at which simulated time the daemon had taken everything that was sent.
    Settling(Monotonic, Option<i64>),
    Settled,
    GivenUp,
}

/// Where a demo stands.
#[derive(Debug)]
pub struct Course {
    stage: Stage,
    speed: f64,
    /// Begin of the span, and its end where it has one.
    span_ms: (i64, Option<i64>),
}

impl Course {
    /// At the very beginning, with the clock held before the span.
    pub fn new(speed: f64, span_ms: (i64, Option<i64>)) -> Self {
        Self { stage: Stage::Starting, speed, span_ms }
    }

    /// Whether the last revisions are in.
    pub fn is_settled(&self) -> bool {
        matches!(self.stage, Stage::Settled)
    }

    /// Goes on to the next stage where it is time; true once there is nothing to wait for any more.
    pub fn step(&mut self, shared: &Shared) -> bool {
        let now = monotonic();
        let (start_ms, end_ms) = self.span_ms;
        self.stage = match self.stage {
            // The daemon is subscribed, and the view sees what it publishes.
            Stage::Starting if notify::has_said_ready() && shared.board().online => {
                // The last millisecond of the span: nothing of it may seem to arrive after it.
                pace::start(start_ms, self.speed, end_ms.map_or(i64::MAX, |end_ms| end_ms - 1));
                Stage::Running
            }
            Stage::Running if shared.delivered.load(Ordering::Acquire) => Stage::Draining(now),
            Stage::Draining(since) if now.since_ms(since) >= DRAIN_MS => {
                pace::release(self.speed.max(SETTLE_SPEED_MIN));
                Stage::Settling(now, None)
            }
            Stage::Settling(since, taken_ms) => {
                let is_taken = shared.board().heard >= shared.sent.load(Ordering::Relaxed);
                let taken_ms = taken_ms.or_else(|| is_taken.then(pace::now_ms));
                Self::settled(shared, self.span_ms, now.since_ms(since), taken_ms)
                    .unwrap_or(Stage::Settling(since, taken_ms))
            }
            stage => stage,
        };
        matches!(self.stage, Stage::Settled | Stage::GivenUp)
    }

    /// The stage after the wait for the last revisions, where it is over.
    fn settled(
        shared: &Shared,
        (start_ms, end_ms): (i64, Option<i64>),
        waited_ms: u64,
        taken_ms: Option<i64>,
    ) -> Option<Stage> {
        let Some(end_ms) = end_ms else { return Some(Stage::GivenUp) };
        let is_revised = taken_ms.is_some_and(|taken_ms| pace::now_ms() >= taken_ms.max(end_ms) + REVISIONS_MS);
        let enough = waited_ms >= SETTLE_MS && is_revised;
        if enough && shared.board().by_days(start_ms, end_ms).is_some() {
            return Some(Stage::Settled);
        }
        (waited_ms >= SETTLE_MS_MAX).then_some(Stage::GivenUp)
    }
}
