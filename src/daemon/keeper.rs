//! What the daemon keeps on disk, and when: the journal before anything is acknowledged or said, a checkpoint when all that
//! was said has reached the broker, and the history. It decides nothing about figures, and it never goes on from content
//! that is not as it was written.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use chargetally_core::pack::{Damaged, Pack, Reader as Unpacker};
use chargetally_core::rollup::{Record, Rollup, WindowMeta};
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::{Calendar, Window, WindowKind};
use tracing::{info, warn};

use super::works::{GivenOut, RecordKey, Works};
use crate::clock::{Monotonic, monotonic};
use crate::engine::{Engine, EngineConfig, EngineError, Packed, Recall, Resuming};
use crate::mqtt::Incoming;
use crate::publish::outbox::Entry;
use crate::store::{JournalEntry, Limits, Message, Place, Reader, RecordRow, Recovered, Store, StoreError, Tick};

/// The driver looked at its clock.
pub(super) const TICK: u32 = 0;
/// What came late was handed over, for a checkpoint.
pub(super) const CLOSE: u32 = 1;

/// Entries that are made durable at once where nothing more is waiting, so that a broker that lets few messages stand
/// unacknowledged does not wait for us.
const ENTRIES_AT_ONCE: usize = 16;
/// Gathered bytes that are made durable at once.
const BYTES_AT_ONCE: usize = 4 << 20;
/// Gathered bytes beyond which no more messages are taken until the store takes some.
const BYTES_MAX: usize = 24 << 20;
/// Of the time between two checkpoints at most one part in so many goes into the checkpoint.
const CHECKPOINT_SHARE: u64 = 10;
/// A journal that is longer is ended by a checkpoint even where the broker has not taken everything, bytes.
const JOURNAL_BYTES_MAX: u64 = 256 << 20;

/// The row of `sums` that is of the window as a whole.
const WINDOW_LEVEL: &str = "window";
const META_DAEMON: &str = "daemon";
const META_STANDING: &str = "standing";
const META_REMAINDER: &str = "remainder/";
const VERSION: u8 = 1;

/// Why the store ends the daemon.
#[derive(Debug)]
pub(super) enum KeepError {
    Store(StoreError),
    Engine(EngineError),
    /// The system gives no threads.
    Start(std::io::Error),
}

impl From<StoreError> for KeepError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<EngineError> for KeepError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// What the checkpoint knows of the daemon as a whole.
#[derive(Clone, Copy)]
struct Whole {
    /// When the daemon first took anything in.
    first: ArrivalTime,
    newest: ArrivalTime,
    published: Bucket,
    remainders: u32,
}

impl Pack for Whole {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self { first, newest, published, remainders } = self;
        out.push(VERSION);
        (first.ms(), newest.ms()).pack(out);
        published.pack(out);
        remainders.pack(out);
    }
    fn unpack(reader: &mut Unpacker<'_>) -> Result<Self, Damaged> {
        if reader.byte()? != VERSION {
            return Err(Damaged { what: "version" });
        }
        let (first, newest): (i64, i64) = Pack::unpack(reader)?;
        Ok(Self {
            first: ArrivalTime::from_ms(first),
            newest: ArrivalTime::from_ms(newest),
            published: Pack::unpack(reader)?,
            remainders: Pack::unpack(reader)?,
        })
    }
}

/// The store, and what waits for it.
pub(super) struct Keeper {
    store: Store,
    first: ArrivalTime,
    sync_wait_ms: u64,
    /// Entries that are gathered.
    gathered: usize,
    gathered_since: Monotonic,
    synced: Monotonic,
    /// The last batch of messages that is gathered.
    batch: Option<u64>,
    /// Said once it is durable.
    entries: BTreeMap<String, Entry>,
    /// Kept with the next checkpoint.
    records: BTreeMap<RecordKey, RecordRow>,
    /// Whether anything was given out since the last checkpoint.
    owed: bool,
    not_before: Monotonic,
    remainders: u32,
    /// Whether the store takes nothing at the moment.
    failing: bool,
    over_limit: bool,
    prune_more: bool,
}

/// What may be done now that it is durable.
pub(super) struct Durable {
    /// The last batch that may be acknowledged.
    pub batch: Option<u64>,
    pub entries: BTreeMap<String, Entry>,
}

/// What a daemon with a store begins with.
pub(super) struct Opened {
    pub keeper: Keeper,
    pub engine: Engine,
    pub published: Bucket,
    pub first: ArrivalTime,
    /// Whether there was anything to go on from.
    pub resumed: bool,
}

impl Keeper {
    /// Opens the store and makes an engine that goes on from its checkpoint, or a new one. The journal is still to be
    /// [replayed](Self::replay).
    pub(super) fn open(
        directory: &Path,
        limits: Limits,
        sync_wait_ms: u64,
        config: EngineConfig,
        now: ArrivalTime,
    ) -> Result<Opened, KeepError> {
        let (store, recovered) = Store::open(directory, limits)?;
        let calendar = config.rollup.calendar.clone();
        let whole = read_whole(&store)?;
        told_recovered(&recovered);
        let (mut engine, published, first) = match whole {
            Some(whole) => (resume(&store, config, whole, &calendar)?, whole.published, whole.first),
            None if recovered.journal_batches > 0 => {
                return Err(store.damaged("there is a journal and no checkpoint").into());
            }
            None => {
                let engine = Engine::start(config, now).map_err(KeepError::Start)?;
                let closed = engine.closed();
                (engine, closed, now)
            }
        };
        engine.recall_from(Box::new(History { reader: Reader::open(directory)?, calendar }));
        let mut keeper = Self {
            store,
            first,
            sync_wait_ms,
            gathered: 0,
            gathered_since: monotonic(),
            synced: monotonic(),
            batch: None,
            entries: BTreeMap::new(),
            records: BTreeMap::new(),
            owed: false,
            not_before: monotonic(),
            remainders: whole.map_or(0, |whole| whole.remainders),
            failing: false,
            over_limit: false,
            prune_more: false,
        };
        if whole.is_none() {
            // A journal is never without a checkpoint to begin from.
            keeper.write(&mut engine, published)?;
        }
        Ok(Opened { keeper, engine, published, first, resumed: whole.is_some() })
    }

    /// Gives the journal to the works once more. What it says is to be said again: nobody knows what of it was heard.
    pub(super) fn replay(
        &mut self,
        mut each: impl FnMut(JournalEntry<'_>, &mut GivenOut) -> Result<(), EngineError>,
    ) -> Result<(), KeepError> {
        let mut given = GivenOut::default();
        let mut outcome = Ok(());
        self.store.replay(self.store.checkpoint_seq(), |_, entry| {
            if outcome.is_ok() {
                outcome = each(entry, &mut given);
            }
        })?;
        outcome?;
        self.give(given);
        Ok(())
    }

    /// Notes a message in the journal; it is not durable yet.
    pub(super) fn note_message(&mut self, message: &Incoming) -> Result<(), KeepError> {
        // A topic that is no text belongs to nobody, which is counted and changes nothing else.
        let Some(topic) = message.topic() else { return Ok(()) };
        self.note(&JournalEntry::Message(Message {
            arrival_ms: message.arrival_ms,
            source: 0,
            qos: u8::from(message.ack.is_some()),
            retain: message.retain,
            topic,
            payload: &message.payload,
        }))
    }

    /// A batch was noted whole.
    pub(super) fn note_batch(&mut self, id: u64) {
        self.batch = Some(id);
    }

    /// Notes a step of the driver; it is not durable yet.
    pub(super) fn note_step(&mut self, now: ArrivalTime, what: u32) -> Result<(), KeepError> {
        self.note(&JournalEntry::Tick(Tick { now_ms: now.ms(), what, detail: &[] }))
    }

    fn note(&mut self, entry: &JournalEntry<'_>) -> Result<(), KeepError> {
        if self.gathered == 0 {
            self.gathered_since = monotonic();
        }
        self.store.append(entry)?;
        self.gathered += 1;
        Ok(())
    }

    /// What was given out is said once everything before it is durable, and kept with the next checkpoint.
    pub(super) fn give(&mut self, given: GivenOut) {
        let GivenOut { entries, records } = given;
        self.owed |= !records.is_empty();
        self.entries.extend(entries);
        self.records.extend(records);
    }

    /// Whether more messages may be taken.
    pub(super) fn takes_more(&self) -> bool {
        self.store.pending_bytes() < BYTES_MAX
    }

    /// When what is gathered has to be made durable at the latest, where anything must be.
    pub(super) fn due(&self) -> Option<Monotonic> {
        let waiting = self.batch.is_some() || !self.entries.is_empty();
        let wait = std::time::Duration::from_millis(self.sync_wait_ms);
        // Seldom messages are not kept waiting; many share one sync.
        (waiting && !self.failing).then(|| self.synced.after(wait).min(self.gathered_since.after(wait)))
    }

    /// Whether to make everything durable now; `idle` says that nothing more is waiting to be taken.
    pub(super) fn is_due(&self, idle: bool) -> bool {
        let Some(due) = self.due() else { return false };
        let enough = self.store.pending_bytes() >= BYTES_AT_ONCE || !self.entries.is_empty();
        enough || (idle && self.gathered >= ENTRIES_AT_ONCE) || monotonic() >= due
    }

    /// Makes everything noted durable, and says what may be done now. `None` where the store takes nothing at the moment,
    /// which is told once: everything is kept, nothing is acknowledged, and the same is to be tried again.
    pub(super) fn sync(&mut self) -> Result<Option<Durable>, KeepError> {
        match self.store.sync() {
            Ok(_) => {}
            Err(error) if error.may_pass() => {
                self.fails(&error);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        if std::mem::take(&mut self.failing) {
            info!("the store takes messages again");
        }
        self.gathered = 0;
        self.synced = monotonic();
        Ok(Some(Durable { batch: self.batch.take(), entries: std::mem::take(&mut self.entries) }))
    }

    /// Whether the store takes nothing at the moment.
    pub(super) const fn is_failing(&self) -> bool {
        self.failing
    }

    /// Whether a checkpoint is to be taken; `drained` says that the broker has everything that was said.
    pub(super) fn wants_checkpoint(&self, drained: bool) -> bool {
        let (bytes, now) = (self.store.journal_bytes(), monotonic());
        let forced = bytes > JOURNAL_BYTES_MAX;
        !self.failing && ((self.owed && drained) || forced) && now >= self.not_before
    }

    /// Takes a checkpoint: to be called when everything noted is durable, and right after a close. Returns whether it
    /// stands; where not, the one before does, and the journal goes on.
    pub(super) fn checkpoint(&mut self, works: &mut Works) -> Result<bool, KeepError> {
        let began = monotonic();
        let published = works.published();
        let written = self.write(&mut works.engine, published);
        let took_ms = monotonic().since_ms(began);
        self.not_before = monotonic().after(std::time::Duration::from_millis(took_ms * CHECKPOINT_SHARE));
        match written {
            Ok(()) => {
                self.owed = false;
                self.prune_more = true;
                works.engine.rollup_mut().forget();
                Ok(true)
            }
            Err(KeepError::Store(error)) if error.may_pass() => {
                self.fails(&error);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// One short step towards the limits of the history, where there is any to take.
    pub(super) fn prune(&mut self, now: ArrivalTime) -> Result<(), KeepError> {
        if !self.prune_more || self.failing {
            return Ok(());
        }
        match self.store.prune(now.ms()) {
            Ok(pruned) => {
                if pruned.evicted > 0 {
                    warn!(records = pruned.evicted, "the history is larger than state.max_mb: its oldest records go");
                }
                if pruned.over_limit && !self.over_limit {
                    warn!("the store is larger than state.max_mb, and nothing in it may be deleted");
                }
                self.over_limit = pruned.over_limit;
                self.prune_more = pruned.more;
                Ok(())
            }
            Err(error) if error.may_pass() => {
                self.fails(&error);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Closes the store.
    pub(super) fn close(self) -> Result<(), StoreError> {
        self.store.close()
    }

    fn fails(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.failing, true) {
            warn!(%error, "the store takes nothing: messages are not acknowledged and summaries wait until it does");
        }
    }

    fn write(&mut self, engine: &mut Engine, published: Bucket) -> Result<(), KeepError> {
        let seq = self.store.last_seq();
        let mut checkpoint = self.store.begin_checkpoint(seq)?;
        let mut remainders = 0_u32;
        engine.pack(|piece| match piece {
            Packed::Station(code, state) => checkpoint.station(&code, &state),
            Packed::Remainder(worker, state) => {
                remainders += 1;
                checkpoint.meta(&format!("{META_REMAINDER}{worker}"), Some(&state))
            }
        })??;
        for gone in remainders..self.remainders {
            checkpoint.meta(&format!("{META_REMAINDER}{gone}"), None)?;
        }
        let rollup = engine.rollup();
        for (window, meta) in rollup.changed_windows() {
            checkpoint.sums(&place(window, WINDOW_LEVEL, ""), &packed(&meta))?;
        }
        for (window, scope, record) in rollup.changed_records() {
            let Some(code) = rollup.names().scope_code(scope) else { continue };
            checkpoint.sums(&place(window, code.kind, &code.code), &packed(record))?;
        }
        for record in self.records.values() {
            checkpoint.record(record)?;
        }
        let standing: Vec<(u8, Bucket)> =
            rollup.standing().map(|window| (window.kind as u8, window.start)).collect();
        checkpoint.meta(META_STANDING, Some(&packed(&standing)))?;
        let whole = Whole { first: self.first, newest: engine.newest(), published, remainders };
        checkpoint.meta(META_DAEMON, Some(&packed(&whole)))?;
        checkpoint.commit()?;
        self.remainders = remainders;
        self.records.clear();
        engine.saved()?;
        Ok(())
    }
}

fn told_recovered(recovered: &Recovered) {
    let Recovered { created, migrated_from, journal_batches, journal_bytes, stations, .. } = *recovered;
    if created {
        info!("a new store was made");
    } else {
        info!(stations, journal_batches, journal_bytes, migrated_from, "the store was opened");
    }
}

fn read_whole(store: &Store) -> Result<Option<Whole>, KeepError> {
    let mut whole = None;
    store.load_meta(|key, value| {
        if key == META_DAEMON {
            whole = Some(unpacked::<Whole>(value));
        }
    })?;
    whole.transpose().map_err(|bad| store.damaged(format!("the daemon's state: {bad}")).into())
}

/// Makes the engine that the checkpoint tells of.
fn resume(store: &Store, config: EngineConfig, whole: Whole, calendar: &Calendar) -> Result<Engine, KeepError> {
    let (mut remainders, mut standing) = (Vec::new(), None);
    store.load_meta(|key, value| {
        if key.starts_with(META_REMAINDER) {
            remainders.push(value.to_vec());
        } else if key == META_STANDING {
            standing = Some(unpacked::<Vec<(u8, Bucket)>>(value));
        }
    })?;
    let bad_state = |bad: Damaged| store.damaged(format!("the state of the shards: {bad}"));
    let mut resuming = Resuming::new(config, whole.newest, &remainders).map_err(bad_state)?;
    let mut outcome = Ok(());
    store.load_stations(|key, block| {
        if outcome.is_ok() {
            outcome = resuming.station(block).map_err(|bad| store.damaged(format!("the state of {key:?}: {bad}")));
        }
    })?;
    outcome?;
    let mut engine = resuming.start().map_err(KeepError::Start)?;
    let standing = standing.transpose().map_err(bad_state)?.unwrap_or_default();
    for (kind, start) in standing {
        let kind = WindowKind::ALL.get(usize::from(kind)).copied();
        let Some(kind) = kind else { return Err(store.damaged("a window of no kind").into()) };
        let window = calendar.window(kind, start);
        let mut rows = Vec::new();
        store.load_sums(kind.name(), start_s(window), |level, code, state| {
            rows.push((level.to_owned(), code.to_owned(), state.to_vec()));
        })?;
        restore(engine.rollup_mut(), window, &rows).map_err(|what| store.damaged(what))?;
    }
    Ok(engine)
}

/// Windows that are no longer in memory, by a connection of its own that sees what checkpoints have written.
struct History {
    reader: Reader,
    calendar: Calendar,
}

impl Recall for History {
    fn recall(&mut self, rollup: &mut Rollup, window: Window) -> Result<(), Box<dyn Error + Send + Sync>> {
        let window = self.calendar.window(window.kind, window.start);
        let mut rows = Vec::new();
        self.reader.load_sums(window.kind.name(), start_s(window), |level, code, state| {
            rows.push((level.to_owned(), code.to_owned(), state.to_vec()));
        })?;
        restore(rollup, window, &rows).map_err(|what| self.reader.damaged(what))?;
        Ok(())
    }
}

/// Puts back a window from its rows; where there are none, there was never anything in it.
fn restore(rollup: &mut Rollup, window: Window, rows: &[(String, String, Vec<u8>)]) -> Result<(), String> {
    let (mut meta, mut records) = (WindowMeta::default(), Vec::with_capacity(rows.len()));
    let name = || format!("the sums of {} at {}", window.kind.name(), start_s(window));
    for (level, code, state) in rows {
        let bad = |bad: Damaged| format!("{} of {level}/{code}: {bad}", name());
        if level == WINDOW_LEVEL {
            meta = unpacked::<WindowMeta>(state).map_err(bad)?;
        } else {
            let scope = rollup.scope_of(level, code);
            let scope = scope.ok_or_else(|| format!("{} are of {level}/{code}, which nobody knows", name()))?;
            records.push((scope, unpacked::<Record>(state).map_err(bad)?));
        }
    }
    if meta.records as usize != records.len() {
        return Err(format!("{} have {} records where there must be {}", name(), records.len(), meta.records));
    }
    rollup.restore_window(window, meta, records);
    Ok(())
}

fn place<'a>(window: Window, level: &'a str, code: &'a str) -> Place<'a> {
    Place { window: window.kind.name(), start_s: start_s(window), level, code }
}

fn start_s(window: Window) -> i64 {
    window.start.start_ms().div_euclid(1_000)
}

fn packed<T: Pack>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.pack(&mut bytes);
    bytes
}

fn unpacked<T: Pack>(bytes: &[u8]) -> Result<T, Damaged> {
    let mut reader = Unpacker::new(bytes);
    let value = T::unpack(&mut reader)?;
    reader.finish()?;
    Ok(value)
}
