//! Aggregating a recording at full speed: the same engine as the daemon's, driven by the arrival times that the
//! recording states, or by the messages' own event times where it states none. It reads what it is given and writes
//! what it is told to; it knows of no file, terminal or clock.

use std::fmt;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chargetally_core::census::Census;
use chargetally_core::config::SourceIndex;
use chargetally_core::observation::{Observation, StationKey};
use chargetally_core::scope::Scope;
use chargetally_core::tally::{Merge, Tally};
use chargetally_core::time::{ArrivalTime, EventTime};

use crate::batch::Message;
use crate::dialect::{Dialect, Limits, source_of};
use crate::engine::{Engine, EngineConfig, EngineError, Finished, Stats};
use crate::publish::assemble::Assembler;
use crate::recording::{LINE_BYTES_MAX, RecordedMessage, RecordingError, RecordingReader};

/// How far behind the newest arrival a message may be dated, ms: a recording with one wrong date must not make
/// centuries of windows.
const ARRIVAL_SPAN_MS_MAX: i64 = 400 * 86_400_000;

/// Event times of accepted samples remembered per connector: three days of one a second, and more.
const DUPLICATE_MEMORY: usize = 300_000;
/// Tallies of connectors not registered yet that are remembered.
const UNCLAIMED_TALLIES: usize = 10_000_000;

/// Summaries that are held in memory before they are written.
const SCOPES_AT_ONCE: usize = 512;
/// Scopes that a thread takes at once.
const SCOPES_A_PIECE: usize = 4;

/// The nation over the whole recording.
#[derive(Clone, Debug, Default)]
pub struct Nation {
    /// The sum of all its windows of the shortest wanted kind.
    pub tally: Tally,
    /// Who was counted at the end of the last of them.
    pub census: Census,
}

/// What a replay found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Lines of all recordings.
    pub lines: u64,
    /// Lines that hold no message.
    pub malformed: u64,
    /// Lines that are empty; some recorders write one for a payload that is not JSON.
    pub blank: u64,
    /// Messages whose topic belongs to no source.
    pub foreign: u64,
    /// Messages dated more than 400 days before one that came earlier in the file.
    pub misdated: u64,
    /// Summaries written.
    pub summaries: u64,
    /// What became of the messages.
    pub stats: Stats,
    /// The nation; none where no connector had any time.
    pub nation: Option<Nation>,
}

/// Why a replay could not go on.
#[derive(Debug)]
pub enum ReplayError {
    /// A recording cannot be read.
    Read(io::Error),
    /// The summaries cannot be written.
    Write(io::Error),
    /// The workers cannot be started.
    Start(io::Error),
    /// A bug.
    Worker(EngineError),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(_) => f.write_str("the recording cannot be read"),
            Self::Write(_) => f.write_str("the summaries cannot be written"),
            Self::Start(_) => f.write_str("the workers cannot be started"),
            Self::Worker(_) => f.write_str("the replay has failed by a bug of this program"),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) | Self::Write(error) | Self::Start(error) => Some(error),
            Self::Worker(error) => Some(error),
        }
    }
}

impl From<EngineError> for ReplayError {
    fn from(error: EngineError) -> Self {
        Self::Worker(error)
    }
}

/// A replay under way.
pub struct Replay {
    config: EngineConfig,
    dialects: Vec<Dialect>,
    limits: Limits,
    engine: Option<Engine>,
    first: Option<ArrivalTime>,
    newest: ArrivalTime,
    outcome: Outcome,
}

impl Replay {
    /// A replay in which everything is kept to the end.
    #[must_use]
    pub fn new(mut config: EngineConfig) -> Self {
        config.rollup.keep_ms = [i64::MAX; 5];
        // A replay may remember what a daemon of a nation cannot: every sample within the late limit, to tell repeated
        // ones from ones out of order, and everything that a late registration may claim.
        let limits = &mut Arc::make_mut(&mut config.core).limits;
        limits.duplicate_memory = DUPLICATE_MEMORY;
        limits.unclaimed_tallies = UNCLAIMED_TALLIES;
        config.rejected_samples_per_s = 0;
        Self {
            dialects: config.dialects.clone(),
            limits: config.limits,
            config,
            engine: None,
            first: None,
            newest: ArrivalTime::from_ms(i64::MIN),
            outcome: Outcome::default(),
        }
    }

    /// Takes in a recording; `progress` is told now and then how many bytes of it were read.
    ///
    /// # Errors
    /// Where it cannot be read. Lines that hold no message are counted and passed over.
    pub fn read(&mut self, input: impl Read, mut progress: impl FnMut(u64)) -> Result<(), ReplayError> {
        /// How often progress is told, lines.
        const PROGRESS_LINES: u64 = 8192;
        let mut reader = RecordingReader::new(input, LINE_BYTES_MAX);
        loop {
            match reader.read_message() {
                Ok(Some(message)) => self.take(&message)?,
                Ok(None) => break,
                Err(RecordingError::Io(error)) => return Err(ReplayError::Read(error)),
                Err(RecordingError::LineTooLong { .. } | RecordingError::Malformed { .. }) => {
                    self.outcome.malformed += 1;
                }
            }
            if reader.lines().is_multiple_of(PROGRESS_LINES) {
                progress(reader.bytes());
            }
        }
        progress(reader.bytes());
        self.outcome.lines += reader.lines();
        self.outcome.blank += reader.blank_lines();
        Ok(())
    }

    fn take(&mut self, message: &RecordedMessage<'_>) -> Result<(), ReplayError> {
        let Some(source) = source_of(&self.dialects, &message.topic) else {
            self.outcome.foreign += 1;
            return Ok(());
        };
        let arrival = message.arrival.or_else(|| self.own_time(source, message)).unwrap_or(self.newest);
        if arrival.ms() == i64::MIN || arrival.ms() < self.newest.ms().saturating_sub(ARRIVAL_SPAN_MS_MAX) {
            self.outcome.misdated += 1;
            return Ok(());
        }
        self.newest = self.newest.max(arrival);
        let engine = match &mut self.engine {
            Some(engine) => engine,
            None => {
                self.first = Some(arrival);
                let engine = Engine::start(self.config.clone(), arrival).map_err(ReplayError::Start)?;
                self.engine.insert(engine)
            }
        };
        engine.push(&Message {
            arrival,
            source,
            topic: &message.topic,
            payload: &message.payload,
            retained: message.retained,
        })?;
        // Nobody looks at the notices of a replay; alarms stand in its tallies.
        engine.notices().for_each(drop);
        Ok(())
    }

    /// The newest event time that a message states, for recordings that do not say when it arrived.
    fn own_time(&mut self, source: SourceIndex, message: &RecordedMessage<'_>) -> Option<ArrivalTime> {
        let mut newest: Option<EventTime> = None;
        let dialect = &mut self.dialects[usize::from(source.0)];
        let decoded = dialect.decode(
            &message.topic,
            &message.payload,
            self.newest,
            message.retained,
            &self.limits,
            &mut |_: StationKey<'_>, observation: Observation<'_>| newest = newest.max(observation.at()),
        );
        decoded.ok()?;
        newest.map(|at| ArrivalTime::from_ms(at.ms()))
    }

    /// Ends the replay: every window of every wanted scope, in its last revision, one JSON object a line.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn finish(mut self, assembler: &mut Assembler, out: &mut impl Write) -> Result<Outcome, ReplayError> {
        let Some(mut engine) = self.engine.take() else { return Ok(self.outcome) };
        assembler.first = self.first.unwrap_or(self.newest);
        let outcome = &mut self.outcome;
        let finest = self.config.rollup.windows.iter().min();
        let mut failed = None;
        engine.finish(|window| {
            if Some(&window.window.kind) == finest
                && let Some((tally, census)) = window.nation()
            {
                let nation = outcome.nation.get_or_insert_default();
                nation.tally.merge(tally);
                nation.census = census.clone();
            }
            match write_window(window, assembler, self.config.workers, out) {
                Ok(count) => {
                    outcome.summaries += count;
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or_else(|| out.flush(), Err).map_err(ReplayError::Write)?;
        self.outcome.stats = engine.stats()?;
        Ok(self.outcome)
    }
}

/// Writes a window's summaries in the order of their scopes; so many threads make them.
fn write_window(window: &Finished<'_>, assembler: &Assembler, threads: usize, out: &mut impl Write) -> io::Result<u64> {
    let mut count = 0;
    for scopes in window.scopes.chunks(SCOPES_AT_ONCE) {
        for piece in pieces(window, scopes, assembler, threads) {
            out.write_all(&piece.lines)?;
            count += piece.count;
        }
    }
    Ok(count)
}

/// The lines of a few scopes that follow each other.
struct Piece {
    place: usize,
    lines: Vec<u8>,
    count: u64,
}

/// The lines of scopes, in their order. Threads take the next few scopes whenever they are done with some.
fn pieces(window: &Finished<'_>, scopes: &[Scope], assembler: &Assembler, threads: usize) -> Vec<Piece> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(scopes) = scopes.chunks(SCOPES_A_PIECE).nth(place) else { return done };
            let mut piece = Piece { place, lines: Vec::new(), count: 0 };
            for publication in scopes.iter().filter_map(|&scope| window.publication(scope)) {
                let summary = assembler.summary(window.names(), &publication, window.census);
                piece.lines.extend_from_slice(&summary.payload);
                piece.lines.push(b'\n');
                piece.count += 1;
            }
            done.push(piece);
        }
    };
    let helpers = threads.min(scopes.len().div_ceil(SCOPES_A_PIECE)).saturating_sub(1);
    let mut pieces: Vec<Piece> = std::thread::scope(|all| {
        let helpers: Vec<_> = (0..helpers).map(|_| all.spawn(work)).collect();
        let mut pieces = work();
        for helper in helpers {
            match helper.join() {
                Ok(theirs) => pieces.extend(theirs),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        pieces
    });
    pieces.sort_unstable_by_key(|piece| piece.place);
    pieces
}
