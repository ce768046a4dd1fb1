//! `chargetally backup` and `chargetally verify`, and how every command finds the store that it reads.
//!
//! Nothing here changes a figure. Beside a running daemon it only reads; where none runs, `verify` opens the store as
//! the daemon does at its start.

use std::path::PathBuf;

use super::{args, check, say};
use crate::error::{Exit, Failure};
use crate::store::{FILE_NAME, Limits, Reader, Store, StoreError};

/// The directory of the store: as told, else that of the settings.
///
/// # Errors
/// Where the settings are wrong, or keep nothing on disk.
pub fn directory(args: &args::StateDirectory) -> Result<PathBuf, Failure> {
    match &args.state {
        Some(directory) => Ok(directory.clone()),
        None => check::load(&args.settings)?.settings.state.directory.ok_or_else(|| {
            Failure::new(Exit::Config, "state.directory is empty: there is no store; name one with --state")
        }),
    }
}

/// How a store that cannot be read ends a command.
pub fn failure(error: StoreError) -> Failure {
    match &error {
        StoreError::Damaged { .. } => {
            let what =
                "the store is not as it was written; with state.set_aside_damaged = true the daemon sets it aside";
            Failure::new(Exit::Data, what).because(error)
        }
        error if !error.may_pass() => Failure::new(Exit::Data, "the store cannot be read").because(error.to_string()),
        StoreError::Io { .. } => Failure::new(Exit::NoInput, "the store cannot be read").because(error),
        _ => Failure::new(Exit::Unavailable, "the store cannot be read now").because(error),
    }
}

/// Writes a copy.
///
/// # Errors
/// Where the store cannot be read or the copy cannot be written.
pub fn backup(args: &args::Backup) -> Result<(), Failure> {
    let reader = Reader::open(&directory(&args.store)?).map_err(failure)?;
    reader.backup(&args.target).map_err(|error| match error {
        StoreError::Damaged { .. } => failure(error),
        error => {
            let what = format!("{} cannot be written", args.target.display());
            Failure::new(Exit::CannotCreate, what).because(error)
        }
    })?;
    say(&format!("{} is a whole copy of the store", args.target.display()));
    Ok(())
}

/// Reads everything and says whether it is sound.
///
/// # Errors
/// The first thing that is not as it was written, or what keeps the store from being read.
pub fn verify(args: &args::Verify) -> Result<(), Failure> {
    let directory = directory(&args.store)?;
    // Opening it as the daemon does would make a store where there is none.
    let reader = Reader::open(&directory).map_err(failure)?;
    let file = directory.join(FILE_NAME);
    match Store::open(&directory, Limits::default()) {
        Ok((store, _)) => {
            drop(reader);
            store.check_all().map_err(failure)?;
            store.close().map_err(failure)?;
            say(&format!("{} is sound", file.display()));
        }
        Err(StoreError::InUse { .. }) => {
            reader.check().map_err(failure)?;
            let others = "journal and checkpoint are not read while a daemon has it open";
            say(&format!("history and sums in {} are sound; {others}", file.display()));
        }
        Err(error) => return Err(failure(error)),
    }
    Ok(())
}
