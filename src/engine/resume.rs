//! Taking an engine's state out for a checkpoint, and beginning again from one. The bytes are the core's; where they are
//! kept is somebody else's business.

use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};

use chargetally_core::observation::StationKey;
use chargetally_core::pack::Damaged;
use chargetally_core::rollup::{station_code, station_of_code};
use chargetally_core::shard::{Shard, packed_key, unpack_remainders};
use chargetally_core::time::{ArrivalTime, Bucket};
use rustc_hash::FxHasher;

use super::worker::Job;
use super::{Engine, EngineConfig, EngineError};
use crate::dialect::Dialect;

/// Packed stations that wait for the store at most, for each worker.
const PACKED_MAX: usize = 64;

/// A piece of an engine's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packed {
    /// A station that changed: its code, and its state.
    Station(String, Vec<u8>),
    /// What of a worker belongs to no station.
    Remainder(usize, Vec<u8>),
    /// What a source's dialect remembers of a station by its code; nothing where it has forgotten it. It is given once.
    Memory(usize, String, Vec<u8>),
}

/// Packed stations go to their worker's thread when they hold this much, bytes.
const LOT_BYTES: usize = 256 * 1024;
/// So many lots wait for a thread at most; then the reading waits for it.
const LOTS_MAX: usize = 4;

/// A station that cannot be gone on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadStation {
    /// Its code, as far as it can be read.
    pub code: String,
    /// What is wrong with it.
    pub bad: Damaged,
}

impl BadStation {
    fn new(block: &[u8], bad: Damaged) -> Self {
        let code = packed_key(block).map_or_else(|_| String::new(), |key| station_code(key.operator, key.station));
        Self { code, bad }
    }
}

/// Packed stations of one worker, one behind the other.
#[derive(Default)]
struct Lot {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Lot {
    fn push(&mut self, block: &[u8]) {
        self.bytes.extend_from_slice(block);
        self.ends.push(self.bytes.len());
    }

    fn blocks(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// Takes in stations while others are still read: each worker's are unpacked on a thread of its own.
pub struct Intake {
    /// By worker: what is gathered, and where it goes.
    lots: Vec<(Lot, SyncSender<Lot>)>,
    by_operator: bool,
    /// The first one that is of no worker.
    bad: Option<BadStation>,
}

impl Intake {
    /// Takes in a station. What is wrong with it is told at the end.
    pub fn station(&mut self, block: &[u8]) {
        let worker = match packed_key(block) {
            Ok(key) => worker_of(key, self.lots.len(), self.by_operator),
            Err(bad) => {
                self.bad.get_or_insert_with(|| BadStation::new(block, bad));
                return;
            }
        };
        let (lot, to) = &mut self.lots[worker];
        lot.push(block);
        if lot.bytes.len() >= LOT_BYTES {
            // A thread that has ended has found a station that is bad, and tells of it.
            let _ended = to.send(std::mem::take(lot));
        }
    }

    fn end(self) -> Result<(), BadStation> {
        for (lot, to) in self.lots {
            let _ended = to.send(lot);
        }
        self.bad.map_or(Ok(()), Err)
    }
}

/// Unpacks what comes, in its order, until nothing more does or something is bad.
fn take_in(shard: &mut Shard, lots: &mpsc::Receiver<Lot>) -> Result<(), BadStation> {
    for lot in lots {
        for block in lot.blocks() {
            shard.unpack_station(block).map_err(|bad| BadStation::new(block, bad))?;
        }
    }
    Ok(())
}

/// An engine that is to go on from a checkpoint: it is given its stations, and then started.
pub struct Resuming {
    config: EngineConfig,
    newest: ArrivalTime,
    shards: Vec<Shard>,
    /// By worker and source.
    dialects: Vec<Vec<Dialect>>,
    by_operator: bool,
}

impl Resuming {
    /// Begins from what a checkpoint holds beside the stations: the newest arrival, and the remainders of all workers that
    /// there were then.
    ///
    /// # Errors
    /// A remainder is damaged.
    pub fn new(config: EngineConfig, newest: ArrivalTime, remainders: &[Vec<u8>]) -> Result<Self, Damaged> {
        let mut shards: Vec<Shard> =
            (0..config.workers).map(|_| Shard::new(Arc::clone(&config.core), newest)).collect();
        unpack_remainders(&mut shards, remainders)?;
        let dialects = vec![config.dialects.clone(); config.workers];
        let by_operator = by_operator(&config.dialects);
        Ok(Self { config, newest, shards, dialects, by_operator })
    }

    /// Takes in all stations that `read` gives, while it goes on reading. Gives what `read` gives, and as the inner result
    /// whether all stations are sound.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn stations<T>(&mut self, read: impl FnOnce(&mut Intake) -> T) -> io::Result<(T, Result<(), BadStation>)> {
        let by_operator = self.by_operator;
        std::thread::scope(|scope| {
            let (mut lots, mut threads) = (Vec::new(), Vec::new());
            for (index, shard) in self.shards.iter_mut().enumerate() {
                let (to, taken) = mpsc::sync_channel(LOTS_MAX);
                let thread = std::thread::Builder::new().name(format!("resume-{index}"));
                threads.push(thread.spawn_scoped(scope, move || take_in(shard, &taken))?);
                lots.push((Lot::default(), to));
            }
            let mut intake = Intake { lots, by_operator, bad: None };
            let given = read(&mut intake);
            let mut outcome = intake.end();
            for thread in threads {
                // A thread that panicked has met a bug; the panic goes on here.
                outcome = outcome.and(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            Ok((given, outcome))
        })
    }

    /// Takes in what a source's dialect remembered of a station.
    ///
    /// # Errors
    /// It is damaged, or of a source that speaks another dialect now.
    pub fn memory(&mut self, source: usize, code: &str, packed: &[u8]) -> Result<(), Damaged> {
        let (operator, station) = station_of_code(code).ok_or(Damaged { what: "station" })?;
        let key = StationKey { operator: &operator, station };
        let worker = worker_of(key, self.shards.len(), self.by_operator);
        let dialect = self.dialects[worker].get_mut(source).ok_or(Damaged { what: "source" })?;
        dialect.restore_memory(key, packed)
    }

    /// Starts the workers. The windows of the checkpoint are still to be given to the rollup.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn start(self) -> io::Result<Engine> {
        let Self { config, newest, mut shards, dialects, .. } = self;
        let earliest = Bucket::holding_ms(newest.ms() - config.core.grace_ms);
        let closed = shards.iter().map(Shard::closed).max().unwrap_or(earliest);
        let reports: Vec<_> = std::thread::scope(|scope| {
            let closing: Vec<_> = shards.iter_mut().map(|shard| scope.spawn(|| shard.close(closed))).collect();
            let joined = closing.into_iter().map(|closing| closing.join());
            joined.map(|report| report.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut engine = Engine::with_shards(config, newest, closed, shards.into_iter().zip(dialects))?;
        for (worker, report) in reports.into_iter().enumerate() {
            engine.rollup.absorb(worker, report);
        }
        Ok(engine)
    }
}

/// Whether stations are spread over workers by operator: where any dialect needs it, all have to, for two sources may
/// speak of one station.
pub(super) fn by_operator(dialects: &[Dialect]) -> bool {
    dialects.iter().any(Dialect::speaks_of_operators)
}

/// The worker that owns a station.
pub(super) fn worker_of(key: StationKey<'_>, workers: usize, by_operator: bool) -> usize {
    let mut hasher = FxHasher::default();
    if by_operator {
        key.operator.hash(&mut hasher);
    } else {
        key.hash(&mut hasher);
    }
    (hasher.finish() % workers.max(1) as u64) as usize
}

impl Engine {
    /// Gives all state of the workers that changed since the last [`saved`](Self::saved). To be asked right after
    /// [`close`](Self::close), with nothing taken in in between. The sink's first error ends it.
    ///
    /// # Errors
    /// [`EngineError::WorkerGone`], or the sink's, as the inner result.
    pub fn pack<E>(&mut self, mut sink: impl FnMut(Packed) -> Result<(), E>) -> Result<Result<(), E>, EngineError> {
        let (pieces, packed) = mpsc::sync_channel(PACKED_MAX);
        self.tell_all(|| Job::Pack { pieces: pieces.clone() })?;
        drop(pieces);
        let (mut outcome, mut remainders) = (Ok(()), 0);
        for piece in packed {
            remainders += usize::from(matches!(piece, Packed::Remainder(..)));
            outcome = outcome.and_then(|()| sink(piece));
        }
        if remainders == self.handles.len() { Ok(outcome) } else { Err(EngineError::WorkerGone) }
    }

    /// What was packed last is safe: the workers and the rollup forget that it had changed.
    ///
    /// # Errors
    /// [`EngineError::WorkerGone`].
    pub fn saved(&mut self) -> Result<(), EngineError> {
        self.rollup.clear_changed();
        self.tell_all(|| Job::Saved)
    }
}

/// What a worker does when it is told to pack. Where nobody listens any more, packing goes on for nothing, which is
/// rare and does no harm.
pub(super) fn pack(index: usize, shard: &Shard, dialects: &mut [Dialect], pieces: &SyncSender<Packed>) {
    for (source, dialect) in dialects.iter_mut().enumerate() {
        dialect.changed_memory(&mut |key: StationKey<'_>, memory: &[u8]| {
            let code = station_code(key.operator, key.station);
            let _gone = pieces.send(Packed::Memory(source, code, memory.to_vec()));
        });
    }
    shard.pack_stations(&shard.dirty_stations(), |key, block| {
        let _gone = pieces.send(Packed::Station(station_code(key.operator, key.station), block.to_vec()));
    });
    let _gone = pieces.send(Packed::Remainder(index, shard.pack_remainder()));
}
