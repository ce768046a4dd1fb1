//! The embedded store: journal, checkpoint and history in one SQLite file, owned by one thread.
//!
//! What comes in is appended to the journal and synced before it is acknowledged. From time to time a
//! [`Checkpoint`] replaces the state of what changed and ends the journal up to it, in one transaction that also keeps
//! the summaries given out. [`history`] is what people and reports query; a [`Reader`] does so beside the daemon, and
//! [`Store::prune`] keeps it within its limits. The store knows nothing of MQTT or of the core: blobs are opaque. It reads no
//! clock, and it never gives out content that is not as it was written: every blob has a checksum.

mod checkpoint;
mod codec;
pub mod entry;
mod error;
#[cfg(test)]
pub(crate) mod faults;
pub mod history;
mod journal;
mod open;
mod prune;
mod reader;
mod schema;
mod squeeze;
mod sums;
#[cfg(test)]
mod tests;
mod wal;

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub use checkpoint::{BLOB_BYTES_MAX, Checkpoint, KEY_BYTES_MAX};
pub use entry::{BadBatch, JournalEntry, Message, Packer, Tick, unpack};
pub use error::{REMEDY, StoreError};
pub use history::{Codes, Figures, Range, RecordRow};
pub use open::{Recovered, set_aside};
pub use prune::{PRUNE_RECORDS_MAX, Pruned};
pub use reader::Reader;
pub use schema::APPLICATION_ID;
pub use sums::Place;

/// The store's file in its directory.
pub const FILE_NAME: &str = "chargetally.db";
/// The file whose lock says that a process has the directory open.
pub const LOCK_NAME: &str = "chargetally.lock";

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// Number of a journal batch, from 1; 0 is before all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(u64);

impl Seq {
    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Numbers begin at 1 and grow by 1, so that they never leave the range of SQLite's integers.
    const fn sql(self) -> i64 {
        self.0.cast_signed()
    }

    fn from_sql(value: i64) -> Option<Self> {
        u64::try_from(value).ok().map(Self)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long the records of one window are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// The window's name, as in [`RecordRow::window`].
    pub window: String,
    /// The window's greatest length.
    pub length_ms: u64,
    /// How long after their end; `None` means for ever.
    pub keep_ms: Option<u64>,
    /// How long what their sums stand at is kept, beyond what late messages may change; `None` means for ever.
    pub keep_sums_ms: Option<u64>,
}

/// The named limits of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that are gathered for one sync at most; a single larger entry still passes.
    pub buffer_bytes_max: usize,
    /// Windows, the shortest first: the order in which a file that is too large is reduced. Others are kept for ever.
    pub windows: Vec<Keep>,
    /// Records of windows that ended less than this ago are never deleted: late messages may change them still.
    pub protect_ms: u64,
    /// The greatest size of the file; `None` means any. Beside it stands the write-ahead log: normally 16 MiB, while a
    /// checkpoint is written as large as that, and for as long as another process reads without end larger still.
    pub bytes_max: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        let keep = |window: &str, length_ms, days: Option<u64>| Keep {
            window: window.to_owned(),
            length_ms,
            keep_ms: days.map(|days| days * DAY_MS),
            // Sums over several months are told from the months'.
            keep_sums_ms: (window != "1mo").then_some(0),
        };
        Self {
            buffer_bytes_max: 32 << 20,
            windows: vec![
                keep("1m", MINUTE_MS, Some(2)),
                keep("15m", 15 * MINUTE_MS, Some(40)),
                keep("1h", 60 * MINUTE_MS, Some(400)),
                keep("1d", 25 * 60 * MINUTE_MS, None),
                keep("1mo", 31 * DAY_MS + 60 * MINUTE_MS, None),
            ],
            protect_ms: 3 * DAY_MS,
            bytes_max: None,
        }
    }
}

/// How large the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Bytes of the file, without its write-ahead log.
    pub file_bytes: u64,
    /// Bytes of it that are in use.
    pub used_bytes: u64,
    /// Batches in the journal.
    pub journal_batches: u64,
    /// Bytes of these batches.
    pub journal_bytes: u64,
    /// Stations in the checkpoint.
    pub stations: u64,
}

/// What the journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Journal {
    last: Seq,
    batches: u64,
    bytes: u64,
}

/// The open store. Only one in all processes can have a directory open.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    file: PathBuf,
    limits: Limits,
    packer: Packer,
    /// Room for a batch as it is written.
    squeezed: Vec<u8>,
    journal: Journal,
    checkpoint: checkpoint::Standing,
    /// Held for as long as the store is open; the system releases it with the process, whatever its end.
    _lock: File,
}

impl Store {
    /// Gives the records of a range in order of start, level and code, until `each` breaks.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first record that is not as it was written.
    pub fn query(&self, range: &Range<'_>, each: impl FnMut(RecordRow) -> ControlFlow<()>) -> Result<(), StoreError> {
        history::query(&self.connection, &self.file, range, each)
    }

    /// Bytes of the durable batches that no checkpoint holds, as they are stored.
    #[must_use]
    pub const fn journal_bytes(&self) -> u64 {
        self.journal.bytes
    }

    /// The error that says what in this store is not as it was written: for content that the store holds and does not
    /// understand.
    pub fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::damaged(&self.file, what)
    }

    /// Gives level, code and state of the sums of a window, in order of level and code.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first row that is not as it was written.
    pub fn load_sums(&self, window: &str, start_s: i64, each: impl FnMut(&str, &str, &[u8])) -> Result<(), StoreError> {
        sums::load_sums(&self.connection, &self.file, window, start_s, each)
    }

    /// How large the store is now.
    ///
    /// # Errors
    /// What keeps the file from being read.
    pub fn size(&self) -> Result<Size, StoreError> {
        let file_bytes = self.pragma("page_count")? * self.pragma("page_size")?;
        Ok(Size {
            file_bytes: u64::try_from(file_bytes).unwrap_or_default(),
            used_bytes: self.used_bytes()?,
            journal_batches: self.journal.batches,
            journal_bytes: self.journal.bytes,
            stations: u64::try_from(self.checkpoint.stations.count).unwrap_or_default(),
        })
    }

    /// Reads the whole file, the sums and the history too, and finds whether it is sound; this takes long where it is large.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first thing found.
    pub fn check_all(&self) -> Result<(), StoreError> {
        self.quick_check("PRAGMA integrity_check(1)")?;
        self.load_stations(|_, _| ())?;
        self.load_meta(|_, _| ())?;
        self.replay(self.checkpoint.seq, |_, _| ())?;
        sums::check(&self.connection, &self.file)?;
        history::check(&self.connection, &self.file)
    }

    /// Writes what the write-ahead log holds into the file and closes it. Dropping the store does the same without a word
    /// of what failed; nothing durable is lost either way.
    ///
    /// # Errors
    /// What kept the file from being written. The log then remains beside it and is read at the next start.
    pub fn close(self) -> Result<(), StoreError> {
        let Self { connection, file, .. } = self;
        connection.close().map_err(|(_, error)| StoreError::from_sqlite("close the store", &file, error))
    }

    fn used_bytes(&self) -> Result<u64, StoreError> {
        let pages = self.pragma("page_count")? - self.pragma("freelist_count")?;
        Ok(u64::try_from(pages * self.pragma("page_size")?).unwrap_or_default())
    }

    fn pragma(&self, name: &str) -> Result<i64, StoreError> {
        self.connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|error| StoreError::from_sqlite("read the store's size", &self.file, error))
    }

    fn quick_check(&self, sql: &str) -> Result<(), StoreError> {
        let found: String = self
            .connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(|error| StoreError::from_sqlite("check the store", &self.file, error))?;
        if found == "ok" { Ok(()) } else { Err(StoreError::damaged(&self.file, found.replace('\n', "; "))) }
    }
}

/// Makes a rename or a new file in `directory` durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    File::open(directory)?.sync_all()
}
