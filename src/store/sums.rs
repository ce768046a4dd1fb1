//! What the sums of windows stand at, so that a window that left memory can be given back when late data changes it. The
//! store knows neither windows nor scopes: names are text, states are opaque, and every row has a checksum.

use std::path::Path;

use rusqlite::{Connection, params};

use super::error::StoreError;

/// Whose sums these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The window's name, such as "15m"; never empty.
    pub window: &'a str,
    /// The window's start, seconds since the Unix epoch, UTC.
    pub start_s: i64,
    /// The scope's level.
    pub level: &'a str,
    /// The scope's code; may be empty.
    pub code: &'a str,
}

/// Inserts or replaces a row.
pub(super) fn put_sums(connection: &Connection, place: &Place<'_>, state: &[u8]) -> rusqlite::Result<()> {
    let Place { window, start_s, level, code } = *place;
    connection
        .prepare_cached("INSERT OR REPLACE INTO sums VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![window, start_s, level, code, sums_crc(place, state), state])
        .map(drop)
}

/// Gives level, code and state of all rows of a window, in order of level and code.
pub(super) fn load_sums(
    connection: &Connection,
    file: &Path,
    window: &str,
    start_s: i64,
    mut each: impl FnMut(&str, &str, &[u8]),
) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite("read the sums of a window", file, error);
    let mut select = connection
        .prepare_cached("SELECT level, code, crc, state FROM sums WHERE window = ?1 AND start = ?2")
        .map_err(sqlite)?;
    let mut rows = select.query(params![window, start_s]).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        let (level, code) = (row.get_ref(0).map_err(sqlite)?, row.get_ref(1).map_err(sqlite)?);
        let (level, code) = (level.as_str().unwrap_or_default(), code.as_str().unwrap_or_default());
        let crc: i64 = row.get(2).map_err(sqlite)?;
        let state = row.get_ref(3).map_err(sqlite)?.as_blob().unwrap_or_default();
        if crc != sums_crc(&Place { window, start_s, level, code }, state) {
            let what = format!("the sums of {window} at {start_s} of {level}/{code} have a wrong checksum");
            return Err(StoreError::damaged(file, what));
        }
        each(level, code, state);
    }
    Ok(())
}

fn sums_crc(place: &Place<'_>, state: &[u8]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    for text in [place.window, place.level, place.code] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.update(&place.start_s.to_le_bytes());
    hasher.update(state);
    i64::from(hasher.finalize())
}
