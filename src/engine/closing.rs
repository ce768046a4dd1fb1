//! Closing base buckets: at the same point of every worker's stream, and, where there are many connectors, spread over time,
//! so that messages need not wait for it. When a close begins and when it is completed follows from the times that the engine
//! is told alone; what is done of it in between, by which worker, changes no figure.

use std::sync::Arc;

use chargetally_core::rollup::CensusBook;
use chargetally_core::shard::{Closed, Count};
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::Window;

use super::worker::Job;
use super::{Engine, EngineError};

/// How closes are spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// As long as there are fewer connectors than this, a close is done at once.
    pub connectors_min: usize,
    /// From then on it takes so long for a million connectors, ms.
    pub ms_per_million: u32,
}

impl Spread {
    /// What a daemon does. A close takes a processor about 0.3 µs a connector (docs/performance.md): at this pace messages keep
    /// most of it meanwhile.
    pub const USUAL: Self = Self { connectors_min: 50_000, ms_per_million: 1_000 };

    /// How long a close of so many connectors takes, ms.
    fn duration_ms(self, connectors: usize) -> i64 {
        let duration_ms = connectors as u64 * u64::from(self.ms_per_million) / 1_000_000;
        if connectors < self.connectors_min { 0 } else { i64::try_from(duration_ms).unwrap_or(i64::MAX) }
    }
}

/// A close that has begun.
#[derive(Debug)]
pub(super) struct Begun {
    /// All base buckets before it are being closed.
    until: Bucket,
    /// What the workers count meanwhile.
    windows: Arc<[Window]>,
    /// When it is completed at the latest, ms.
    due_ms: i64,
}

impl Engine {
    /// Time has passed: begins to close the base buckets whose end and grace lie behind, and completes a close whose time
    /// has come. Returns whether any was completed.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn advance(&mut self, now: ArrivalTime) -> Result<bool, EngineError> {
        let closes = self.closes_by(now);
        self.newest = self.newest.max(now);
        if !closes {
            return Ok(false);
        }
        let mut completed = self.complete()?;
        let until = self.closable();
        if until > self.closed {
            self.flush()?;
            self.tell_all(|| Job::Tick(now))?;
            self.begin(until)?;
            if self.closes_by(now) {
                completed |= self.complete()?;
            }
        }
        Ok(completed)
    }

    /// Closes all base buckets before `until` and adds what changed to the windows, all at once.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn close(&mut self, until: Bucket) -> Result<(), EngineError> {
        self.complete()?;
        self.begin(until)?;
        self.complete().map(drop)
    }

    /// Whether [`advance`](Self::advance) would close anything.
    #[must_use]
    pub fn closes_by(&self, now: ArrivalTime) -> bool {
        let newest = self.newest.max(now);
        let until = Bucket::holding_ms(newest.ms() - self.grace_ms);
        self.begun.as_ref().map_or(until > self.closed, |begun| until > begun.until || newest.ms() >= begun.due_ms)
    }

    /// All base buckets before it are closed.
    #[must_use]
    pub fn closed(&self) -> Bucket {
        self.closed
    }

    /// Whether a close has begun and is not completed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.begun.is_some()
    }

    /// Up to where base buckets could be closed by now.
    fn closable(&self) -> Bucket {
        Bucket::holding_ms(self.newest.ms() - self.grace_ms)
    }

    fn begin(&mut self, until: Bucket) -> Result<(), EngineError> {
        self.flush()?;
        let until = until.max(self.closed);
        let windows: Arc<[Window]> = self.rollup.ending(self.closed, until).into();
        let connectors = self.ask_all(|reply| Job::BeginClose { until, windows: Arc::clone(&windows), reply })?;
        let spread_ms = self.spread.map_or(0, |spread| spread.duration_ms(connectors.into_iter().sum()));
        self.begun = Some(Begun { until, windows, due_ms: self.newest.ms().saturating_add(spread_ms) });
        Ok(())
    }

    /// Completes a close that has begun: adds what changed to the windows. Returns whether there was any.
    fn complete(&mut self) -> Result<bool, EngineError> {
        let Some(Begun { until, windows, .. }) = self.begun.take() else { return Ok(false) };
        self.flush()?;
        let closed = self.ask_all(|reply| Job::FinishClose { reply })?;
        self.closed = until;
        let mut counts = Vec::with_capacity(closed.len());
        for (worker, Closed { report, counts: counted }) in closed.into_iter().enumerate() {
            self.rollup.absorb(worker, report);
            counts.push(counted);
        }
        if let Some(recall) = &mut self.recall {
            for window in self.rollup.missing() {
                recall.recall(&mut self.rollup, window).map_err(EngineError::Recall)?;
            }
        }
        self.rollup.apply(self.closed);
        self.look(self.closed, |window| {
            let place = windows.iter().position(|&counted| counted == window)?;
            Some(counts.iter().map(|counted| &counted[place]).collect())
        })?;
        self.rollup.pack_away(false);
        Ok(true)
    }

    /// Takes the snapshots of windows that end by `until`, of which some may have been counted.
    pub(super) fn look<'a>(
        &mut self,
        until: Bucket,
        counted: impl Fn(Window) -> Option<Vec<&'a Count>>,
    ) -> Result<(), EngineError> {
        for window in self.rollup.unseen(until) {
            let seen = match counted(window) {
                Some(counts) => self.book_of(counts.into_iter()),
                None => self.count(window, true)?,
            };
            self.rollup.keep_snapshot(window, &seen);
            if window.end <= self.closed {
                self.counted.push((window, seen));
            }
        }
        Ok(())
    }

    /// What the workers counted together, in their order.
    pub(super) fn book_of<'a>(&self, counts: impl Iterator<Item = &'a Count>) -> CensusBook {
        let mut book = CensusBook::default();
        for (worker, count) in counts.enumerate() {
            self.rollup.count_all(worker, count, &mut book);
        }
        book
    }
}
