//! Opening a store: the lock, the look at what a crash left, the version, and what is found in it.
//!
//! Nothing is repaired silently: a file that is not as it was written is refused, and only [`set_aside`], called because a
//! person asked for it, moves it away.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::error::StoreError;
use super::schema::{self, Migration};
use super::{FILE_NAME, Journal, LOCK_NAME, Limits, Packer, Seq, Store, wal};

const OPEN: &str = "open the store";
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// How long a statement waits for another process's lock; a reader never takes one that a writer waits for.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// Tables that figures come from; the history is checked as it is read.
const CHECKED_TABLES: [&str; 4] = ["journal", "station", "meta", "checkpoint"];

/// What was found at opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// Whether the store is new.
    pub created: bool,
    /// The version that the file had, where it was brought to this program's.
    pub migrated_from: Option<u32>,
    /// The last batch in the checkpoint: replay what comes after it. 0 where there is no checkpoint.
    pub checkpoint_seq: Seq,
    /// The last durable batch.
    pub last_seq: Seq,
    /// Batches to replay.
    pub journal_batches: u64,
    /// Bytes of these batches.
    pub journal_bytes: u64,
    /// Stations in the checkpoint.
    pub stations: u64,
}

impl Store {
    /// Opens the store in `directory`, which is made where it does not exist, and says what it holds.
    ///
    /// # Errors
    /// See [`StoreError`]; a store that is damaged, newer or foreign is left as it is.
    pub fn open(directory: &Path, limits: Limits) -> Result<(Self, Recovered), StoreError> {
        Self::open_with(directory, limits, schema::MIGRATIONS)
    }

    pub(super) fn open_with(
        directory: &Path,
        limits: Limits,
        migrations: &[Migration],
    ) -> Result<(Self, Recovered), StoreError> {
        let lock = lock(directory)?;
        let file = directory.join(FILE_NAME);
        let existed = look(&file)?;
        let mut connection = connect(&file, migrations.len())?;
        let found = schema::migrate(&mut connection, &file, migrations)?;
        if !existed {
            super::sync_directory(directory).map_err(|error| StoreError::from_io(OPEN, directory, error))?;
        }
        let mut store = Self {
            connection,
            file,
            limits,
            packer: Packer::default(),
            squeezed: Vec::new(),
            journal: Journal::default(),
            checkpoint: super::checkpoint::Standing::default(),
            _lock: lock,
        };
        if found > 0 {
            for table in CHECKED_TABLES {
                store.quick_check(&format!("PRAGMA quick_check({table})"))?;
            }
        }
        store.checkpoint = store.read_standing()?;
        store.journal = store.read_journal()?;
        let recovered = Recovered {
            created: found == 0,
            migrated_from: (found > 0 && found as usize != migrations.len()).then_some(found),
            checkpoint_seq: store.checkpoint.seq,
            last_seq: store.journal.last,
            journal_batches: store.journal.batches,
            journal_bytes: store.journal.bytes,
            stations: u64::try_from(store.checkpoint.stations.count).unwrap_or_default(),
        };
        Ok((store, recovered))
    }

    fn read_journal(&self) -> Result<Journal, StoreError> {
        let sqlite = |error| StoreError::from_sqlite("read the journal", &self.file, error);
        let sql =
            "SELECT count(*), ifnull(min(seq), 0), ifnull(max(seq), 0), ifnull(sum(length(batch)), 0) FROM journal";
        let numbers: [i64; 4] = self
            .connection
            .query_row(sql, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
            .map_err(sqlite)?;
        let [batches, first, last, bytes] = numbers.map(|number| u64::try_from(number).unwrap_or(u64::MAX));
        if batches == 0 {
            return Ok(Journal { last: self.checkpoint.seq, batches: 0, bytes: 0 });
        }
        let after = self.checkpoint.seq.get();
        if first != after + 1 || last.checked_sub(after) != Some(batches) {
            let what =
                format!("the journal has {batches} batches from {first} to {last} after the checkpoint at {after}");
            return Err(StoreError::damaged(&self.file, what));
        }
        Ok(Journal { last: Seq(last), batches, bytes })
    }
}

/// Moves the store's file, with its write-ahead log, aside, so that the next opening begins anew; gives the new name, which
/// ends in `.damaged-` and `now_ms` (ms since the Unix epoch, UTC). Call it only because a person asked for it.
///
/// # Errors
/// Where another process has the store open, or the files cannot be moved.
pub fn set_aside(directory: &Path, now_ms: i64) -> Result<PathBuf, StoreError> {
    const DOING: &str = "set the store aside";
    let _lock = lock(directory)?;
    let aside = |suffix: &str| directory.join(format!("{FILE_NAME}.damaged-{now_ms}{suffix}"));
    let mut moved = false;
    // The database first: a log without one is refused, but a database without its log would be read as an older one.
    for suffix in ["", "-wal", "-shm"] {
        let from = directory.join(format!("{FILE_NAME}{suffix}"));
        let to = aside(suffix);
        if to.exists() {
            return Err(StoreError::from_io(DOING, &to, io::Error::from(io::ErrorKind::AlreadyExists)));
        }
        match fs::rename(&from, &to) {
            Ok(()) => moved = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::from_io(DOING, &from, error)),
        }
    }
    if !moved {
        let file = directory.join(FILE_NAME);
        return Err(StoreError::from_io(DOING, &file, io::Error::from(io::ErrorKind::NotFound)));
    }
    super::sync_directory(directory).map_err(|error| StoreError::from_io(DOING, directory, error))?;
    Ok(aside(""))
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    const DOING: &str = "lock the store's directory";
    fs::create_dir_all(directory)
        .map_err(|error| StoreError::from_io("make the store's directory", directory, error))?;
    let path = directory.join(LOCK_NAME);
    let io = |error| StoreError::from_io(DOING, &path, error);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { directory: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Whether there is a file with something in it; refuses one that is no database, or whose log is damaged.
fn look(file: &Path) -> Result<bool, StoreError> {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    let io = |error| StoreError::from_io(OPEN, file, error);
    let mut magic = [0; MAGIC.len()];
    let existed = match File::open(file) {
        Ok(opened) => {
            let length = opened.metadata().map_err(io)?.len();
            if length > 0 && !((&opened).read_exact(&mut magic).is_ok() && magic == *MAGIC) {
                return Err(StoreError::damaged(file, "it does not begin as a database does"));
            }
            length > 0
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(io(error)),
    };
    if !existed && log.metadata().is_ok_and(|log| log.len() > 0) {
        return Err(StoreError::damaged(&log, "there is a write-ahead log and no database"));
    }
    match wal::inspect(&log).map_err(|error| StoreError::from_io(OPEN, &log, error))? {
        wal::Verdict::Sound => Ok(existed),
        wal::Verdict::Damaged { frame } => {
            Err(StoreError::damaged(&log, format!("frame {frame} of the write-ahead log has a wrong checksum")))
        }
    }
}

fn connect(file: &Path, known: usize) -> Result<Connection, StoreError> {
    let sqlite = |error| StoreError::from_sqlite(OPEN, file, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY_WAIT).map_err(sqlite)?;
    // SQLite opens what it may not write to for reading, without a word.
    if connection.is_readonly(MAIN_DB).map_err(sqlite)? {
        let source = io::Error::from(io::ErrorKind::PermissionDenied).into();
        return Err(StoreError::ReadOnly { doing: OPEN, file: file.to_owned(), source });
    }
    // Refuse before the first statement that might write.
    schema::accept(&connection, file, u32::try_from(known).unwrap_or(u32::MAX))?;
    connection
        .execute_batch(
            // Page size and auto_vacuum take effect in an empty file only. The cache is 512 KiB: what a checkpoint writes is
            // larger than any cache, and is not read again. The log is taken over into the file at 16 MiB, and cut to
            // 64 MiB where it grew beyond that.
            "PRAGMA page_size = 8192;
             PRAGMA auto_vacuum = INCREMENTAL;
             PRAGMA cache_size = -512;
             PRAGMA temp_store = MEMORY;
             PRAGMA trusted_schema = OFF;
             PRAGMA cell_size_check = ON;",
        )
        .map_err(sqlite)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(sqlite)?;
    if mode != "wal" {
        let source = format!("the journal mode is {mode}").into();
        return Err(StoreError::Io { doing: OPEN, file: file.to_owned(), source });
    }
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 2048;
             PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(sqlite)?;
    Ok(connection)
}
