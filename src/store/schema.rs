//! The tables of the store, their version, and the steps from one version to the next.
//!
//! A step is written once and never changed: a file in the field has gone through it. Each runs in one transaction with
//! the version that it leads to. A file of a newer version, or of another program, is refused before anything is written.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;

/// `PRAGMA application_id`: "ChgT".
pub const APPLICATION_ID: i32 = 0x4368_6754;

/// A step to the next version, as SQL.
pub(super) type Migration = &'static str;

/// The steps, from an empty file on; the version of the schema is their number.
pub(super) const MIGRATIONS: &[Migration] = &[V1];

const _: () = assert!(!MIGRATIONS.is_empty() && MIGRATIONS.len() < 1_000);

const V1: Migration = "
-- Batches of messages that no checkpoint holds yet. crc: CRC-32 of seq and batch.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    crc INTEGER NOT NULL,
    batch BLOB NOT NULL
) STRICT;

-- The state of each station as of the checkpoint. crc: CRC-32 of key and state.
CREATE TABLE station (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    crc INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;

-- Everything else that belongs to the checkpoint. crc: CRC-32 of key and value.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    crc INTEGER NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The one checkpoint: the last journal batch in it, and number and digest (sum of the CRCs) of what must be there.
CREATE TABLE checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    stations INTEGER NOT NULL,
    station_digest INTEGER NOT NULL,
    metas INTEGER NOT NULL,
    meta_digest INTEGER NOT NULL,
    crc INTEGER NOT NULL
) STRICT;

-- What the sums of each window stand at, for as long as late data may change them. state: opaque; the row of level
-- 'window' is of the window as a whole. start: seconds since the Unix epoch, UTC. crc: CRC-32 of the other columns.
CREATE TABLE sums (
    window TEXT NOT NULL,
    start INTEGER NOT NULL,
    level TEXT NOT NULL,
    code TEXT NOT NULL,
    crc INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (window, start, level, code)
) STRICT, WITHOUT ROWID;

-- The last revision of every summary. start: seconds since the Unix epoch, UTC. crc: CRC-32 of the other columns.
CREATE TABLE record (
    window TEXT NOT NULL,
    start INTEGER NOT NULL,
    level TEXT NOT NULL,
    code TEXT NOT NULL,
    revision INTEGER NOT NULL,
    utc_offset_s INTEGER NOT NULL,
    published_ms INTEGER NOT NULL,
    connectors INTEGER NOT NULL,
    import_j INTEGER NOT NULL,
    export_j INTEGER NOT NULL,
    charging_import_j INTEGER NOT NULL,
    rated_w INTEGER NOT NULL,
    rated_j INTEGER NOT NULL,
    charging_ms INTEGER NOT NULL,
    discharging_ms INTEGER NOT NULL,
    occupied_ms INTEGER NOT NULL,
    reserved_ms INTEGER NOT NULL,
    available_ms INTEGER NOT NULL,
    faulted_ms INTEGER NOT NULL,
    unavailable_ms INTEGER NOT NULL,
    offline_ms INTEGER NOT NULL,
    unobserved_ms INTEGER NOT NULL,
    sessions_attempted INTEGER NOT NULL,
    sessions_started INTEGER NOT NULL,
    sessions_completed INTEGER NOT NULL,
    sessions_failed INTEGER NOT NULL,
    alarms_personal INTEGER NOT NULL,
    alarms_equipment INTEGER NOT NULL,
    alarms_notice INTEGER NOT NULL,
    summary TEXT,
    crc INTEGER NOT NULL,
    PRIMARY KEY (window, start, level, code)
) STRICT, WITHOUT ROWID;

-- The records for human eyes: times as text, energy in kWh, durations in hours.
CREATE VIEW history AS
SELECT window,
    strftime('%Y-%m-%dT%H:%M:%SZ', start, 'unixepoch') AS start_utc,
    strftime('%Y-%m-%d %H:%M:%S', start + utc_offset_s, 'unixepoch') AS start_local,
    level, code, revision,
    strftime('%Y-%m-%d %H:%M:%S', published_ms / 1000 + utc_offset_s, 'unixepoch') AS published_local,
    connectors,
    import_j / 3600000.0 AS import_kwh,
    export_j / 3600000.0 AS export_kwh,
    charging_import_j / 3600000.0 AS charging_import_kwh,
    rated_w / 1000.0 AS rated_kw,
    rated_j / 3600000.0 AS rated_kwh,
    charging_ms / 3600000.0 AS charging_h,
    discharging_ms / 3600000.0 AS discharging_h,
    occupied_ms / 3600000.0 AS occupied_h,
    reserved_ms / 3600000.0 AS reserved_h,
    available_ms / 3600000.0 AS available_h,
    faulted_ms / 3600000.0 AS faulted_h,
    unavailable_ms / 3600000.0 AS unavailable_h,
    offline_ms / 3600000.0 AS offline_h,
    unobserved_ms / 3600000.0 AS unobserved_h,
    sessions_attempted, sessions_started, sessions_completed, sessions_failed,
    alarms_personal, alarms_equipment, alarms_notice,
    summary
FROM record;

-- The days and months alone, newest first.
CREATE VIEW days AS SELECT * FROM history WHERE window = '1d' ORDER BY start_utc DESC, level, code;
CREATE VIEW months AS SELECT * FROM history WHERE window = '1mo' ORDER BY start_utc DESC, level, code;
";

/// What stands in the file's header.
pub(super) struct Stamp {
    pub(super) application_id: i32,
    pub(super) version: u32,
}

/// Reads the stamp, without writing anything.
pub(super) fn stamp(connection: &Connection, file: &Path) -> Result<Stamp, StoreError> {
    let read = |name| {
        connection
            .query_row(name, [], |row| row.get::<_, i32>(0))
            .map_err(|error| StoreError::from_sqlite("read the store's version", file, error))
    };
    let application_id = read("PRAGMA application_id")?;
    let version = read("PRAGMA user_version")?;
    let version = u32::try_from(version).map_err(|_| StoreError::damaged(file, "its version is negative"))?;
    Ok(Stamp { application_id, version })
}

/// Refuses files of newer versions and of other programs; a file with nothing in it is ours.
pub(super) fn accept(connection: &Connection, file: &Path, known: u32) -> Result<Stamp, StoreError> {
    let stamp = stamp(connection, file)?;
    if stamp.application_id == APPLICATION_ID {
        if stamp.version > known {
            return Err(StoreError::Newer { file: file.to_owned(), found: stamp.version, known });
        }
        if stamp.version == 0 {
            return Err(StoreError::damaged(file, "it has our mark and no version"));
        }
        return Ok(stamp);
    }
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|error| StoreError::from_sqlite("read the store's tables", file, error))?;
    if stamp.application_id == 0 && stamp.version == 0 && tables == 0 {
        return Ok(stamp);
    }
    Err(StoreError::Foreign { file: file.to_owned() })
}

/// Goes through the steps that are still missing, and gives the version that the file had before.
pub(super) fn migrate(connection: &mut Connection, file: &Path, migrations: &[Migration]) -> Result<u32, StoreError> {
    let known = u32::try_from(migrations.len()).map_err(|_| StoreError::bug("too many migrations"))?;
    let found = accept(connection, file, known)?.version;
    for (version, step) in (1..=known).zip(migrations).skip(found as usize) {
        let sqlite = |error| StoreError::from_sqlite("bring the store to this version", file, error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
        transaction.execute_batch(step).map_err(sqlite)?;
        transaction
            .execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};"))
            .map_err(sqlite)?;
        transaction.commit().map_err(sqlite)?;
    }
    Ok(found)
}
