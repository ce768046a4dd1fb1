//! Tests only: a disk that fails by plan, for all stores of the calling thread. It is asked before everything that is
//! written and after every commit, and may say that the disk is full, or end the process there: the caller of the store
//! then gets an error that nothing survives. It keeps what was journalled, as the truth to compare with.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::{JournalEntry, Message, Seq, Tick};

/// What the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Plan {
    /// What it is told.
    #[default]
    Sound,
    /// It has no room after so many more points at which something is written or was committed.
    Full {
        /// Points that are passed before.
        points: u32,
    },
    /// The process ends after so many more points at which something is written or was committed.
    Crash {
        /// Points that are passed before.
        points: u32,
    },
}

/// A journal's entry, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Message { arrival_ms: i64, retain: bool, topic: Box<str>, payload: Box<[u8]> },
    Step { now_ms: i64, what: u32, detail: Box<[u8]> },
}

impl Told {
    /// The entry that was journalled; its quality of service is not kept.
    pub(crate) fn entry(&self) -> JournalEntry<'_> {
        match self {
            Self::Message { arrival_ms, retain, topic, payload } => {
                JournalEntry::Message(Message { arrival_ms: *arrival_ms, qos: 0, retain: *retain, topic, payload })
            }
            Self::Step { now_ms, what, detail } => JournalEntry::Tick(Tick { now_ms: *now_ms, what: *what, detail }),
        }
    }
}

/// A transaction that was written when the process ended, so that any part of it may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// The write-ahead log.
    pub(crate) log: PathBuf,
    /// Its length before.
    pub(crate) bytes_before: u64,
}

#[derive(Debug, Default)]
struct Disk {
    is_watched: bool,
    plan: Plan,
    written: Option<Unfinished>,
    unfinished: Option<Unfinished>,
    gathered: Vec<Told>,
    journal: Vec<(Seq, Vec<Told>)>,
}

thread_local! {
    static DISK: RefCell<Disk> = RefCell::default();
}

/// From now on the calling thread's stores are watched, from an empty journal on.
pub(crate) fn watch() {
    DISK.set(Disk { is_watched: true, ..Disk::default() });
}

/// The calling thread's stores are no longer watched. Returns all that was journalled.
pub(crate) fn finish() -> Vec<Told> {
    DISK.take().journal.into_iter().flat_map(|(_, entries)| entries).collect()
}

/// What the disk does from now on.
pub(crate) fn set(plan: Plan) {
    DISK.with_borrow_mut(|disk| disk.plan = plan);
}

/// The process has ended: what was only gathered is gone. Gives the transaction that may be torn.
pub(crate) fn crashed() -> Option<Unfinished> {
    DISK.with_borrow_mut(|disk| {
        disk.gathered.clear();
        disk.plan = Plan::Sound;
        disk.written = None;
        disk.unfinished.take()
    })
}

/// What was found when the store was opened again: batches after it were torn.
pub(crate) fn recovered(last: Seq) {
    DISK.with_borrow_mut(|disk| disk.journal.retain(|&(seq, _)| seq <= last));
}

/// Gives the entries of the batches that were journalled, from the one at `from` on; returns how many there are.
pub(crate) fn journal(from: usize, each: impl FnMut(&Told)) -> usize {
    DISK.with_borrow(|disk| {
        disk.journal.iter().skip(from).flat_map(|(_, entries)| entries).for_each(each);
        disk.journal.len()
    })
}

/// Number of the last batch that was journalled.
pub(crate) fn last() -> Seq {
    DISK.with_borrow(|disk| disk.journal.last().map_or(Seq::default(), |&(seq, _)| seq))
}

pub(super) fn gathered(entry: &JournalEntry<'_>) {
    DISK.with_borrow_mut(|disk| {
        if disk.is_watched {
            disk.gathered.push(match entry {
                JournalEntry::Message(message) => Told::Message {
                    arrival_ms: message.arrival_ms,
                    retain: message.retain,
                    topic: message.topic.into(),
                    payload: message.payload.into(),
                },
                JournalEntry::Tick(tick) => {
                    Told::Step { now_ms: tick.now_ms, what: tick.what, detail: tick.detail.into() }
                }
            });
        }
    });
}

/// Something is about to be written to the store in `file`.
pub(super) fn write(file: &Path) -> Result<(), StoreError> {
    DISK.with_borrow_mut(|disk| {
        if !disk.is_watched {
            return Ok(());
        }
        if disk.plan == (Plan::Full { points: 0 }) {
            return Err(StoreError::NoSpace { doing: "write", file: file.to_owned() });
        }
        disk.pass()?;
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        let log = PathBuf::from(log);
        let bytes_before = fs::metadata(&log).map_or(0, |log| log.len());
        disk.written = Some(Unfinished { log, bytes_before });
        Ok(())
    })
}

/// What was written last is committed now.
pub(super) fn committed() -> Result<(), StoreError> {
    DISK.with_borrow_mut(Disk::commit)
}

/// What was gathered is committed now, under this number.
pub(super) fn journalled(seq: Seq) -> Result<(), StoreError> {
    DISK.with_borrow_mut(|disk| {
        if disk.is_watched {
            let entries = std::mem::take(&mut disk.gathered);
            disk.journal.push((seq, entries));
        }
        disk.commit()
    })
}

impl Disk {
    fn commit(&mut self) -> Result<(), StoreError> {
        self.pass().inspect_err(|_| self.unfinished = self.written.take())
    }

    fn pass(&mut self) -> Result<(), StoreError> {
        match &mut self.plan {
            Plan::Crash { points: 0 } => Err(StoreError::bug("the process was ended by plan")),
            Plan::Crash { points } | Plan::Full { points } => {
                *points = points.saturating_sub(1);
                Ok(())
            }
            Plan::Sound => Ok(()),
        }
    }
}
