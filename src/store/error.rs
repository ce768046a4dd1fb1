//! Why the store could not do what it was asked to, grouped by what the caller may do about it.
//!
//! `Display` says what and where and never prints its sources. Nothing here is ever caused by the content of a
//! message: blobs are opaque.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ffi;
use rusqlite::{Error as Sqlite, ErrorCode};

use super::LOCK_NAME;

/// What a person may do about a damaged store.
pub const REMEDY: &str = "restore a backup in its place, or set the file aside to begin anew (history and open windows \
                          of that file are then missing)";

/// What went wrong in the store.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// Stored content is not what was written. A person must act: [`set_aside`](super::set_aside) moves the file away.
    Damaged {
        /// What was found.
        what: String,
        /// The damaged file.
        file: PathBuf,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The file was written by a newer version of this program.
    Newer {
        /// The file.
        file: PathBuf,
        /// Version of its schema.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
    },
    /// The file is a database of another program.
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// Another process has opened this directory.
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// Another connection holds the database locked for writing; later it may work.
    Busy {
        /// What was to be done.
        doing: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// The disk, or the file's greatest size, is full. Nothing of the step was done; it may be done again later.
    NoSpace {
        /// What was to be done.
        doing: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// The file or its directory may not be written to. Nothing of the step was done; it may be done again later.
    ReadOnly {
        /// What was to be done.
        doing: &'static str,
        /// The file or directory.
        file: PathBuf,
        /// What the system said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The disk failed. Nothing of the step counts as done; it may be done again later.
    Io {
        /// What was to be done.
        doing: &'static str,
        /// The file or directory.
        file: PathBuf,
        /// What the system said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The journal's buffer is full: sync, then append again. Nothing was taken.
    BufferFull {
        /// Bytes in the buffer.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The caller asked for what cannot be: a bug in this program.
    Bug {
        /// What was asked.
        what: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without a person changing the store's content: the driver stops
    /// acknowledging, says so, and tries again.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::NoSpace { .. }
                | Self::ReadOnly { .. }
                | Self::Io { .. }
                | Self::InUse { .. }
                | Self::BufferFull { .. }
        )
    }

    pub(super) fn damaged(file: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), file: file.to_owned(), remedy: REMEDY }
    }

    pub(super) fn bug(what: impl Into<String>) -> Self {
        Self::Bug { what: what.into() }
    }

    pub(super) fn from_io(doing: &'static str, file: &Path, source: io::Error) -> Self {
        let file = file.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { doing, file },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { doing, file, source: source.into() }
            }
            _ => Self::Io { doing, file, source: source.into() },
        }
    }

    pub(super) fn from_sqlite(doing: &'static str, file: &Path, source: Sqlite) -> Self {
        let owned = file.to_owned();
        let Sqlite::SqliteFailure(failure, _) = &source else {
            // A value of another type than the schema has, a schema that somebody changed, or an error of ours.
            return match source {
                Sqlite::FromSqlConversionFailure(..)
                | Sqlite::InvalidColumnType(..)
                | Sqlite::IntegralValueOutOfRange(..)
                | Sqlite::Utf8Error(..)
                | Sqlite::SqlInputError { .. }
                | Sqlite::InvalidColumnName(..)
                | Sqlite::QueryReturnedNoRows => Self::damaged(file, format!("{source} ({doing})")),
                source => Self::bug(format!("{doing}: {source}")),
            };
        };
        match (failure.code, failure.extended_code) {
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::NoSpace { doing, file: owned },
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Self::Busy { doing, file: owned },
            (ErrorCode::ReadOnly | ErrorCode::PermissionDenied, _) => {
                Self::ReadOnly { doing, file: owned, source: source.into() }
            }
            (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)
            | (_, ffi::SQLITE_IOERR_DATA | ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_SHORT_READ) => {
                Self::damaged(file, format!("{source} ({doing})"))
            }
            (ErrorCode::SystemIoFailure, _) => {
                refused(doing, file).unwrap_or_else(|| Self::Io { doing, file: owned, source: source.into() })
            }
            (ErrorCode::CannotOpen | ErrorCode::OutOfMemory, _) => {
                Self::Io { doing, file: owned, source: source.into() }
            }
            // Triggered neither by content nor by the disk: wrong SQL, or a file that somebody changed by hand.
            _ => Self::damaged(file, format!("{source} ({doing})")),
        }
    }
}

/// Whether a failure is that nothing beside `file` may be written any more: SQLite only tells that something failed. The
/// database itself is not opened to find out: closing it again would release SQLite's locks.
fn refused(doing: &'static str, file: &Path) -> Option<StoreError> {
    let said = fs::File::options().write(true).open(file.with_file_name(LOCK_NAME)).err()?;
    let error = StoreError::from_io(doing, file, said);
    matches!(error, StoreError::ReadOnly { .. }).then_some(error)
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { what, file, remedy } => {
                write!(f, "the store {} is damaged: {what}; {remedy}", file.display())
            }
            Self::Newer { file, found, known } => write!(
                f,
                "the store {} has version {found}, and this program reads up to version {known}: run the newer program",
                file.display()
            ),
            Self::Foreign { file } => write!(f, "{} is another program's database", file.display()),
            Self::InUse { directory } => write!(f, "another process has opened the store in {}", directory.display()),
            Self::Busy { doing, file } => {
                write!(f, "cannot {doing}: another process holds {} locked", file.display())
            }
            Self::NoSpace { doing, file } => write!(f, "cannot {doing}: no space left for {}", file.display()),
            Self::ReadOnly { doing, file, .. } => {
                write!(
                    f,
                    "cannot {doing}: {} may not be written to: mount it for writing, or give it to the daemon's user",
                    file.display()
                )
            }
            Self::Io { doing, file, .. } => write!(f, "cannot {doing}: {} failed", file.display()),
            Self::BufferFull { bytes, bytes_max } => {
                write!(f, "the journal's buffer is full: {bytes} of {bytes_max} bytes")
            }
            Self::Bug { what } => write!(f, "bug in the store: {what}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ReadOnly { source, .. } | Self::Io { source, .. } => Some(&**source),
            _ => None,
        }
    }
}
