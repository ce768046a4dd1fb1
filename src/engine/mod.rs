//! From messages to windows: the engine spreads messages over workers by station, closes base buckets at the same
//! point of every worker's stream, and adds up what they hand over. It does no IO and reads no clock: replay, daemon
//! and simulation drive the same engine, and the same input gives the same figures on any number of workers.

mod closing;
mod handle;
mod quota;
mod resume;
mod stats;
#[cfg(test)]
mod tests;
mod worker;

pub use closing::Spread;
pub use quota::Quota;
pub use resume::{BadStation, Intake, Packed, Resuming};
pub use stats::Stats;
pub use worker::{Notice, Notices, RejectedSample};

use std::error::Error;
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};

use chargetally_core::census::Census;
use chargetally_core::config::Config;
use chargetally_core::rollup::{CensusBook, Names, Publication, Rollup, RollupConfig};
use chargetally_core::scope::Scope;
use chargetally_core::shard::Shard;
use chargetally_core::tally::Tally;
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::Window;
use rustc_hash::FxHasher;

use crate::batch::{Batch, Message};
use crate::dialect::{Dialect, Limits};
use closing::Begun;
use handle::Handle;
use quota::Gates;
use worker::{Job, Sampler, Voice, Worker};

/// A batch goes to its worker when it holds this much, bytes.
const BATCH_BYTES: usize = 256 * 1024;
/// How an engine is set up.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct EngineConfig {
    pub core: Arc<Config>,
    pub rollup: RollupConfig,
    /// By source.
    pub dialects: Vec<Dialect>,
    /// What each source may send; those beyond the list have no bounds of their own.
    pub quotas: Vec<Quota>,
    pub limits: Limits,
    /// At least 1.
    pub workers: usize,
    pub rejected_samples_per_s: u32,
    /// How closes are spread over time, where they are.
    pub spread: Option<Spread>,
}

/// What one window has to give out at the end of a recording. Several threads may ask it at once.
#[derive(Clone, Copy)]
pub struct Finished<'a> {
    rollup: &'a Rollup,
    /// The window.
    pub window: Window,
    /// The scopes in order.
    pub scopes: &'a [Scope],
    /// Who was counted in the window.
    pub census: &'a CensusBook,
}

impl<'a> Finished<'a> {
    /// What places, operators and stations are called.
    #[must_use]
    pub fn names(&self) -> &'a Names {
        self.rollup.names()
    }

    /// The nation's tally and who was counted there, whether or not it is to be given out.
    #[must_use]
    pub fn nation(&self) -> Option<(&'a Tally, &'a Census)> {
        self.rollup.tally(Scope::Nation, self.window).zip(self.census.of(Scope::Nation))
    }

    /// What one of the scopes has to say; `None` where it has no connector time.
    #[must_use]
    pub fn publication(&self, scope: Scope) -> Option<Publication<'a>> {
        let publication = self.rollup.publication(scope, self.window, self.census)?;
        (publication.figures.tally.service_ms() > 0).then_some(publication)
    }
}

/// Why an engine cannot go on.
#[derive(Debug)]
pub enum EngineError {
    /// A worker has ended, which only a bug can bring about: its panic has been told already.
    WorkerGone,
    /// A window that is kept in memory no longer cannot be read back.
    Recall(Box<dyn Error + Send + Sync>),
}

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::WorkerGone => f.write_str("a worker has ended unexpectedly"),
            Self::Recall(_) => f.write_str("a window that late data changes cannot be read back"),
        }
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::WorkerGone => None,
            Self::Recall(error) => Some(&**error),
        }
    }
}

/// Gives windows back to a rollup that keeps them in memory no longer, from wherever they are kept.
pub trait Recall: Send {
    /// Gives back what is kept of one window; nothing where there was never anything.
    ///
    /// # Errors
    /// Whatever keeps it from being read: then no figure of it may be told.
    fn recall(&mut self, rollup: &mut Rollup, window: Window) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// The engine.
pub struct Engine {
    handles: Vec<Handle>,
    spent: Receiver<Batch>,
    voice: Voice,
    notices: Option<Notices>,
    dialects: Vec<Dialect>,
    /// Whether stations are spread over workers by operator.
    by_operator: bool,
    gates: Gates,
    limits: Limits,
    rollup: Rollup,
    recall: Option<Box<dyn Recall>>,
    grace_ms: i64,
    /// All base buckets before it are closed.
    closed: Bucket,
    newest: ArrivalTime,
    /// A close that has begun.
    begun: Option<Begun>,
    spread: Option<Spread>,
    /// What was counted of windows at the last close and has not been given out yet.
    counted: Vec<(Window, CensusBook)>,
}

impl Engine {
    /// Starts the workers. `from` is the earliest time that anything will arrive.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn start(config: EngineConfig, from: ArrivalTime) -> std::io::Result<Self> {
        let shards: Vec<Shard> = (0..config.workers).map(|_| Shard::new(Arc::clone(&config.core), from)).collect();
        let closed = Bucket::holding_ms(from.ms() - config.core.grace_ms);
        let dialects = vec![config.dialects.clone(); config.workers];
        Self::with_shards(config, from, closed, shards.into_iter().zip(dialects))
    }

    fn with_shards(
        config: EngineConfig,
        newest: ArrivalTime,
        closed: Bucket,
        shards: impl Iterator<Item = (Shard, Vec<Dialect>)>,
    ) -> std::io::Result<Self> {
        let EngineConfig { core, rollup, dialects, quotas, limits, workers, rejected_samples_per_s, spread } = config;
        let (spent_sender, spent) = mpsc::channel();
        let (voice, notices) = Voice::new();
        let mut handles = Vec::with_capacity(workers);
        for (index, (shard, dialects)) in shards.enumerate() {
            let worker = Worker {
                index,
                shard,
                dialects,
                limits,
                voice: voice.clone(),
                rejected_samples_per_s,
                stats: Stats::default(),
                sampler: Sampler::default(),
            };
            handles.push(Handle::start(worker, spent_sender.clone())?);
        }
        Ok(Self {
            handles,
            spent,
            voice,
            notices: Some(notices),
            gates: Gates::new(dialects.len(), &quotas, rejected_samples_per_s),
            by_operator: resume::by_operator(&dialects),
            dialects,
            limits,
            rollup: Rollup::new(rollup, workers, closed),
            recall: None,
            grace_ms: core.grace_ms,
            closed,
            newest,
            begun: None,
            spread,
            counted: Vec::new(),
        })
    }

    /// From now on windows that are kept in memory no longer are given back when late data changes them.
    pub fn recall_from(&mut self, recall: Box<dyn Recall>) {
        self.recall = Some(recall);
    }

    /// Takes in one message, after closing the base buckets whose time has passed by its arrival.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn push(&mut self, message: &Message<'_>) -> Result<(), EngineError> {
        if message.arrival > self.newest {
            self.advance(message.arrival)?;
        }
        let source = usize::from(message.source.0);
        if !self.gates.admit(message, &self.dialects[source], &self.limits, &self.voice) {
            return Ok(());
        }
        let worker = self.worker_of(message);
        let handle = &mut self.handles[worker];
        handle.open.push(message);
        if handle.open.bytes() >= BATCH_BYTES {
            handle.send_open(|| self.spent.try_recv().unwrap_or_default())?;
        }
        Ok(())
    }

    /// Hands all messages taken in so far to their workers.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn flush(&mut self) -> Result<(), EngineError> {
        for handle in &mut self.handles {
            if !handle.open.is_empty() {
                handle.send_open(|| self.spent.try_recv().unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Finds what has come to pass without any message; what is found comes as notices.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn tick(&mut self, now: ArrivalTime) -> Result<(), EngineError> {
        self.flush()?;
        self.tell_all(|| Job::Tick(now))
    }

    /// Ends a recording: closes everything up to the end of the base bucket that holds the last arrival, and gives out
    /// every window that has connector time before that (semantics, section 5), oldest first, as long as the sink goes
    /// on.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn finish(&mut self, mut sink: impl FnMut(&Finished<'_>) -> ControlFlow<()>) -> Result<(), EngineError> {
        self.tick(self.newest)?;
        self.close(self.newest.bucket().next())?;
        self.look(Bucket::from_number(i32::MAX), |_| None)?;
        for window in self.rollup.all() {
            let census = self.count(window, false)?;
            let scopes = self.rollup.take_changed(window, self.newest.ms());
            if sink(&Finished { rollup: &self.rollup, window, scopes: &scopes, census: &census }).is_break() {
                break;
            }
            self.rollup.pack_window(window);
        }
        Ok(())
    }

    /// Gives out what is due by `now`: windows in order of time, in each the scopes in order. `settled` gives out
    /// changed windows at once, however recently they were given out.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn publish_due(
        &mut self,
        now: ArrivalTime,
        settled: bool,
        mut sink: impl FnMut(&Names, &Publication<'_>, &CensusBook),
    ) -> Result<(), EngineError> {
        for window in self.rollup.due(now.ms(), settled) {
            let census = match self.counted.iter().position(|(counted, _)| *counted == window) {
                Some(place) => self.counted.swap_remove(place).1,
                None => self.count(window, false)?,
            };
            self.rollup.publish(window, now.ms(), &census, |names, publication| sink(names, publication, &census));
        }
        self.counted.clear();
        Ok(())
    }

    /// From when on messages are heard, or that they are not: a station is silent only where somebody listens.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn listen(&mut self, since: Option<ArrivalTime>) -> Result<(), EngineError> {
        self.flush()?;
        self.tell_all(|| Job::Listen(since))
    }

    /// Has all alarms that stand given out once more, as notices.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn repeat_alarms(&mut self) -> Result<(), EngineError> {
        self.tell_all(|| Job::RepeatAlarms)
    }

    /// What workers have said since this was last asked; nothing once the receiver was taken.
    pub fn notices(&self) -> impl Iterator<Item = Notice> {
        self.notices.iter().flat_map(|notices| notices.try_iter().inspect(|_| notices.said()))
    }

    /// The receiving end of what workers say, for a thread that gives alarms out at once. It ends with the engine.
    pub fn take_notices(&mut self) -> Option<Notices> {
        self.notices.take()
    }

    /// How much of what workers have said nobody has given out yet. After a close nothing more comes of what was taken in.
    #[must_use]
    pub fn unsaid(&self) -> usize {
        self.voice.unsaid()
    }

    /// The counters of all workers, once they have done all that they were given.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn stats(&mut self) -> Result<Stats, EngineError> {
        self.flush()?;
        let mut sum = self.gates.kept_out().clone();
        for stats in self.ask_all(|reply| Job::Stats { reply })? {
            sum.add(&stats);
        }
        Ok(sum)
    }

    /// The newest arrival or point in time that it was told.
    #[must_use]
    pub fn newest(&self) -> ArrivalTime {
        self.newest
    }

    /// The windows and scopes.
    #[must_use]
    pub fn rollup(&self) -> &Rollup {
        &self.rollup
    }

    /// The windows and scopes, to forget old ones.
    pub fn rollup_mut(&mut self) -> &mut Rollup {
        &mut self.rollup
    }

    /// The census of a window; a snapshot is taken of the part of it that has passed.
    fn count(&self, window: Window, with_snapshot: bool) -> Result<CensusBook, EngineError> {
        let window = if with_snapshot { Window { end: window.end.min(self.closed), ..window } } else { window };
        let counts = self.ask_all(|reply| Job::Count { window, with_snapshot, reply })?;
        Ok(self.book_of(counts.iter()))
    }

    fn worker_of(&self, message: &Message<'_>) -> usize {
        if self.handles.len() == 1 {
            return 0;
        }
        match self.dialects[usize::from(message.source.0)].station_of(message.topic, &self.limits) {
            Some(key) => resume::worker_of(key, self.handles.len(), self.by_operator),
            None => {
                let mut hasher = FxHasher::default();
                message.topic.hash(&mut hasher);
                (hasher.finish() % self.handles.len() as u64) as usize
            }
        }
    }

    fn tell_all(&self, job: impl Fn() -> Job) -> Result<(), EngineError> {
        self.handles.iter().try_for_each(|handle| handle.tell(job()))
    }

    /// Asks all workers and waits for all answers, in the order of the workers.
    fn ask_all<T>(&self, job: impl Fn(SyncSender<(usize, T)>) -> Job) -> Result<Vec<T>, EngineError> {
        let (reply, answers) = mpsc::sync_channel(self.handles.len());
        self.tell_all(|| job(reply.clone()))?;
        drop(reply);
        let mut answers: Vec<(usize, T)> = answers.iter().collect();
        answers.sort_unstable_by_key(|&(worker, _)| worker);
        if answers.len() == self.handles.len() {
            Ok(answers.into_iter().map(|(_, answer)| answer).collect())
        } else {
            Err(EngineError::WorkerGone)
        }
    }
}

impl Drop for Engine {
    /// Ends the workers: they stop when nobody can give them a job any more.
    fn drop(&mut self) {
        self.handles.drain(..).for_each(Handle::end);
    }
}
