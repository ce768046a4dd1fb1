//! A second, read-only view of the store: the history for the API and for reports, and backups, while the daemon writes.
//!
//! It takes no lock that a writer waits for, and never writes to the store.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::history::{self, RecordRow};
use super::{FILE_NAME, Range, schema, sums};

const BUSY_WAIT: Duration = Duration::from_secs(5);

/// A read-only view of a store's directory.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    file: PathBuf,
}

impl Reader {
    /// Opens the store in `directory` for reading; whether a daemon has it open does not matter.
    ///
    /// # Errors
    /// Where there is no store, or one that this program cannot read.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        const DOING: &str = "open the store for reading";
        let file = directory.join(FILE_NAME);
        if let Err(error) = file.metadata() {
            return Err(StoreError::from_io(DOING, &file, error));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = |error| StoreError::from_sqlite(DOING, &file, error);
        let connection = Connection::open_with_flags(&file, flags).map_err(sqlite)?;
        connection.busy_timeout(BUSY_WAIT).map_err(sqlite)?;
        let known = u32::try_from(schema::MIGRATIONS.len()).unwrap_or(u32::MAX);
        let stamp = schema::accept(&connection, &file, known)?;
        if stamp.version != known {
            let what = format!(
                "{} has version {}: start the daemon once to bring it to {known}",
                file.display(),
                stamp.version
            );
            return Err(StoreError::Io { doing: DOING, file, source: what.into() });
        }
        Ok(Self { connection, file })
    }

    /// Gives the records of a range in order of start, level and code, until `each` breaks.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first record that is not as it was written.
    pub fn query(&self, range: &Range<'_>, each: impl FnMut(RecordRow) -> ControlFlow<()>) -> Result<(), StoreError> {
        history::query(&self.connection, &self.file, range, each)
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

    /// Reads the whole history, and the sums that late data is added to, and finds whether they are sound; this takes
    /// about 2 s for a million records.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first thing found.
    pub fn check(&self) -> Result<(), StoreError> {
        sums::check(&self.connection, &self.file)?;
        history::check(&self.connection, &self.file)
    }

    /// Writes a whole and compact copy of the store, as of now, to `target`, which must not exist; it can be put in place of
    /// the store's file while no daemon runs.
    ///
    /// # Errors
    /// What keeps the store from being read or the copy from being written; an incomplete copy is removed.
    pub fn backup(&self, target: &Path) -> Result<(), StoreError> {
        const DOING: &str = "write a backup";
        if target.exists() {
            let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
            return Err(StoreError::from_io(DOING, target, source));
        }
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let result = self.copy_to(&part, DOING).and_then(|()| {
            let io = |error| StoreError::from_io(DOING, target, error);
            File::open(&part).and_then(|copy| copy.sync_all()).map_err(io)?;
            std::fs::rename(&part, target).map_err(io)?;
            super::sync_directory(target.parent().unwrap_or(Path::new("/"))).map_err(io)
        });
        if result.is_err() {
            // What remains of a copy that failed; that it may not be there is no second failure.
            let _ = std::fs::remove_file(&part);
        }
        result
    }

    fn copy_to(&self, part: &Path, doing: &'static str) -> Result<(), StoreError> {
        let text = part.to_str().ok_or_else(|| {
            StoreError::from_io(doing, part, std::io::Error::new(std::io::ErrorKind::InvalidFilename, "no UTF-8 path"))
        })?;
        match std::fs::remove_file(part) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::from_io(doing, part, error)),
        }
        self.connection
            .execute("VACUUM INTO ?1", [text])
            .map(drop)
            .map_err(|error| StoreError::from_sqlite(doing, part, error))
    }
}
