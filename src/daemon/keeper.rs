//! What the daemon keeps on disk, and when: the journal before anything is acknowledged or said, a checkpoint when all that
//! was said has reached the broker, and the history. It decides nothing about figures, and it never goes on from content
//! that is not as it was written.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use chargetally_core::time::{ArrivalTime, Bucket};
use tracing::{info, warn};

use super::recovery::{
    History, META_DAEMON, META_MEMORY, META_REMAINDER, META_STANDING, WINDOW_LEVEL, Whole, packed, place, read_whole,
    resume,
};
use super::works::{GivenOut, RecordKey, Works};
use crate::clock::{Monotonic, monotonic};
use crate::engine::{Engine, EngineConfig, EngineError, Packed};
use crate::mqtt::Incoming;
use crate::publish::outbox::Entry;
use crate::store::{JournalEntry, Limits, Message, Reader, RecordRow, Recovered, Store, StoreError, Tick};

/// The driver looked at its clock.
pub(super) const TICK: u32 = 0;
/// What came late was handed over, for a checkpoint.
pub(super) const CLOSE: u32 = 1;
/// Messages are heard from now on.
pub(super) const HEARING: u32 = 2;
/// Messages are not heard from now on.
pub(super) const DEAF: u32 = 3;

/// Entries that are made durable at once where nothing more is waiting, so that a broker that lets few messages stand
/// unacknowledged does not wait for us.
const ENTRIES_AT_ONCE: usize = 16;
/// Gathered bytes that are made durable at once.
const BYTES_AT_ONCE: usize = if SMALL { 512 } else { 4 << 20 };
/// Gathered bytes beyond which no more messages are taken until the store takes some.
pub(super) const BYTES_MAX: usize = if SMALL { 2 << 10 } else { 24 << 20 };
/// Of the time between two checkpoints at most one part in so many goes into the checkpoint.
const CHECKPOINT_SHARE: u64 = 10;
/// A journal that is longer is ended by a checkpoint even where the broker has not taken everything, bytes as stored: less
/// than a million messages of 300 bytes, so that a start has to repeat no more.
const JOURNAL_BYTES_MAX: u64 = if SMALL { 16 << 10 } else { 64 << 20 };
/// In the simulation a few hundred messages are to reach all limits.
const SMALL: bool = cfg!(test);

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
    entries: Vec<Entry>,
    /// Kept with the next checkpoint.
    records: BTreeMap<RecordKey, RecordRow>,
    /// What dialects have handed over of their memories, by its place in the store: kept until a checkpoint stands.
    memories: BTreeMap<String, Vec<u8>>,
    /// Since when messages are heard, or are not. No checkpoint holds it, so that the journal after one begins with it.
    listening: Option<(ArrivalTime, u32)>,
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
    pub entries: Vec<Entry>,
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
        let began = monotonic();
        let (store, recovered) = Store::open(directory, limits)?;
        let calendar = config.rollup.calendar.clone();
        let whole = read_whole(&store)?;
        told_recovered(&recovered, began);
        let (mut engine, published, first) = match whole {
            Some(whole) => {
                let began = monotonic();
                let engine = resume(&store, config, whole, &calendar)?;
                info!(took_ms = monotonic().since_ms(began), "the checkpoint was taken in");
                (engine, whole.published, whole.first)
            }
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
            entries: Vec::new(),
            records: BTreeMap::new(),
            memories: BTreeMap::new(),
            listening: None,
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
        let (mut given, mut entries, began) = (GivenOut::default(), 0_u64, monotonic());
        let mut outcome = Ok(());
        self.store.replay(self.store.checkpoint_seq(), |_, entry| {
            if outcome.is_ok() {
                outcome = each(entry, &mut given);
                entries += 1;
            }
        })?;
        outcome?;
        if entries > 0 {
            info!(entries, took_ms = monotonic().since_ms(began), "the journal was repeated");
        }
        self.give(given);
        Ok(())
    }

    /// Notes a message in the journal; it is not durable yet.
    pub(super) fn note_message(&mut self, message: &Incoming) -> Result<(), KeepError> {
        // A topic that is no text belongs to nobody, which is counted and changes nothing else.
        let Some(topic) = message.topic() else { return Ok(()) };
        self.note(&JournalEntry::Message(Message {
            arrival_ms: message.arrival_ms,
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
        if matches!(what, HEARING | DEAF) {
            self.listening = Some((now, what));
        }
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
        let GivenOut { entries, records, .. } = given;
        self.owed |= !records.is_empty();
        if self.failing {
            // What waits for a disk for long is bounded: of each topic the newest that the broker retains, and the newest
            // that it does not, which must not push the other one out.
            let fresh: HashSet<(&str, bool)> =
                entries.iter().map(|entry| (entry.topic.as_str(), entry.retain)).collect();
            self.entries.retain(|entry| {
                let topic = entry.topic.as_str();
                !fresh.contains(&(topic, true)) && (entry.retain || !fresh.contains(&(topic, false)))
            });
        }
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
        !self.failing && ((self.owed && drained) || self.is_too_long()) && monotonic() >= self.not_before
    }

    /// Whether the journal is so long that a checkpoint ends it whatever the broker has taken.
    pub(super) fn is_too_long(&self) -> bool {
        self.store.journal_bytes() > JOURNAL_BYTES_MAX
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
                if let Some((since, what)) = self.listening {
                    self.note_step(since, what)?;
                }
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

    /// The last batch of the journal that is durable.
    #[cfg(test)]
    pub(super) fn last_seq(&self) -> crate::store::Seq {
        self.store.last_seq()
    }

    /// Bytes that are gathered and not yet durable.
    #[cfg(test)]
    pub(super) fn pending_bytes(&self) -> usize {
        self.store.pending_bytes()
    }

    /// Closes the store.
    pub(super) fn close(self) -> Result<(), StoreError> {
        self.store.close()
    }

    fn fails(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.failing, true) {
            let cause = std::error::Error::source(error).map(tracing::field::display);
            warn!(%error, cause, "the store takes nothing: messages are not acknowledged and summaries wait until it does");
        }
    }

    fn write(&mut self, engine: &mut Engine, published: Bucket) -> Result<(), KeepError> {
        let seq = self.store.last_seq();
        let mut checkpoint = self.store.begin_checkpoint(seq)?;
        let (mut remainders, memories) = (0_u32, &mut self.memories);
        engine.pack(|piece| match piece {
            Packed::Memory(source, code, memory) => {
                memories.insert(format!("{META_MEMORY}{source}/{code}"), memory);
                Ok(())
            }
            Packed::Station(code, state) => checkpoint.station(&code, &state),
            Packed::Remainder(worker, state) => {
                remainders += 1;
                checkpoint.meta(&format!("{META_REMAINDER}{worker}"), Some(&state))
            }
        })??;
        for gone in remainders..self.remainders {
            checkpoint.meta(&format!("{META_REMAINDER}{gone}"), None)?;
        }
        for (place, memory) in &self.memories {
            checkpoint.meta(place, (!memory.is_empty()).then_some(memory))?;
        }
        let rollup = engine.rollup();
        for (window, meta) in rollup.changed_windows() {
            checkpoint.sums(&place(window, WINDOW_LEVEL, ""), &packed(&meta))?;
        }
        for (window, scope, record) in rollup.changed_records() {
            let Some(code) = rollup.names().scope_code(scope) else { continue };
            checkpoint.sums(&place(window, code.kind, &code.code), &packed(&*record))?;
        }
        for record in self.records.values() {
            checkpoint.record(record)?;
        }
        let standing: Vec<(u8, Bucket)> = rollup.standing().map(|window| (window.kind as u8, window.start)).collect();
        checkpoint.meta(META_STANDING, Some(&packed(&standing)))?;
        let whole = Whole { first: self.first, newest: engine.newest(), published, remainders };
        checkpoint.meta(META_DAEMON, Some(&packed(&whole)))?;
        checkpoint.commit()?;
        self.remainders = remainders;
        self.records.clear();
        self.memories.clear();
        engine.saved()?;
        Ok(())
    }
}

fn told_recovered(recovered: &Recovered, began: Monotonic) {
    let took_ms = monotonic().since_ms(began);
    let Recovered { created, migrated_from, journal_batches, journal_bytes, stations, .. } = *recovered;
    if created {
        info!("a new store was made");
    } else {
        info!(stations, journal_batches, journal_bytes, migrated_from, took_ms, "the store was opened");
    }
}
