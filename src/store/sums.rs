//! What the sums of windows stand at, so that a window that left memory can be given back when late data changes it. The
//! store knows neither windows nor scopes: names are text, states are opaque, and every row has a checksum.

use std::path::Path;

use rusqlite::{Connection, Row, params};

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
    let mut select =
        connection.prepare_cached("SELECT * FROM sums WHERE window = ?1 AND start = ?2").map_err(sqlite)?;
    let mut rows = select.query(params![window, start_s]).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        let (place, state) = sound(file, row)?;
        each(place.level, place.code, state);
    }
    Ok(())
}

/// Reads the sums of all windows in the order in which they lie in the file, and whether that is their order: who looks
/// for a window's sums does not see a row whose key was damaged.
pub(super) fn check(connection: &Connection, file: &Path) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite("check the sums", file, error);
    let found: String = connection.query_row("PRAGMA integrity_check(sums)", [], |row| row.get(0)).map_err(sqlite)?;
    if found != "ok" {
        return Err(StoreError::damaged(file, found.replace('\n', "; ")));
    }
    let mut select = connection.prepare("SELECT * FROM sums").map_err(sqlite)?;
    let mut rows = select.query([]).map_err(sqlite)?;
    while let Some(row) = rows.next().map_err(sqlite)? {
        sound(file, row)?;
    }
    Ok(())
}

/// Whose sums a row holds and what they stand at, where it is as it was written.
fn sound<'a>(file: &Path, row: &'a Row<'_>) -> Result<(Place<'a>, &'a [u8]), StoreError> {
    let sqlite = |error| StoreError::from_sqlite("read the sums of a window", file, error);
    let text = |at| row.get_ref(at).map(|value| value.as_str().unwrap_or_default()).map_err(sqlite);
    let place = Place { window: text(0)?, start_s: row.get(1).map_err(sqlite)?, level: text(2)?, code: text(3)? };
    let crc: i64 = row.get(4).map_err(sqlite)?;
    let state = row.get_ref(5).map_err(sqlite)?.as_blob().unwrap_or_default();
    if crc != sums_crc(&place, state) {
        let Place { window, start_s, level, code } = place;
        let what = format!("the sums of {window} at {start_s} of {level}/{code} have a wrong checksum");
        return Err(StoreError::damaged(file, what));
    }
    Ok((place, state))
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
