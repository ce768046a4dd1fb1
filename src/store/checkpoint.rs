//! The checkpoint: the state of the stations that changed, everything else that belongs to it, and the summaries given out,
//! in one transaction that also ends the journal up to it.
//!
//! Rows are pushed one at a time and go to the disk when SQLite's cache is full, so that memory stays bounded whatever the
//! number of stations. Until [`Checkpoint::commit`] returns, the checkpoint before stands. Number and digest of
//! the rows are kept beside them, so that a row that vanished or became an older one again is seen when they are loaded.

use std::cell::Cell;

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::error::StoreError;
use super::history::{RecordRow, put_record};
use super::sums::{Place, put_sums};
use super::{Seq, Store};

/// The most bytes of a key, such as "operator/station".
pub const KEY_BYTES_MAX: usize = 1_024;
/// The most bytes of one station's state, or of one value of meta.
pub const BLOB_BYTES_MAX: usize = 64 << 20;

/// What the checkpoint that stands says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Standing {
    pub(super) seq: Seq,
    pub(super) stations: Rows,
    pub(super) metas: Rows,
}

/// How many rows there must be, and the sum of their checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rows {
    pub(super) count: i64,
    pub(super) digest: i64,
}

impl Rows {
    const fn put(&mut self, before: Option<i64>, after: Option<i64>) {
        if let Some(crc) = before {
            self.count -= 1;
            self.digest = self.digest.wrapping_sub(crc);
        }
        if let Some(crc) = after {
            self.count += 1;
            self.digest = self.digest.wrapping_add(crc);
        }
    }
}

/// A checkpoint that is being written; dropped before [`commit`](Self::commit) it has changed nothing.
#[derive(Debug)]
pub struct Checkpoint<'store> {
    transaction: Transaction<'store>,
    file: &'store std::path::Path,
    standing: &'store mut Standing,
    journal: &'store mut super::Journal,
    next: Standing,
    /// After an error SQLite may have rolled back already; what came then would be committed row by row.
    failed: Cell<bool>,
}

impl Store {
    /// Begins a checkpoint that holds everything up to and including the journal's batch `seq`.
    ///
    /// # Errors
    /// [`StoreError::Bug`] where `seq` is not durable yet or is older than the checkpoint that stands; else what keeps
    /// the database from being written.
    pub fn begin_checkpoint(&mut self, seq: Seq) -> Result<Checkpoint<'_>, StoreError> {
        if seq < self.checkpoint.seq || seq > self.journal.last {
            return Err(StoreError::bug(format!(
                "a checkpoint at {seq}, outside of {} to {}",
                self.checkpoint.seq, self.journal.last
            )));
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| StoreError::from_sqlite("begin a checkpoint", &self.file, error))?;
        let next = Standing { seq, ..self.checkpoint };
        Ok(Checkpoint {
            transaction,
            file: &self.file,
            standing: &mut self.checkpoint,
            journal: &mut self.journal,
            next,
            failed: Cell::new(false),
        })
    }

    /// The number of the last batch in the checkpoint that stands; 0 where there is none.
    #[must_use]
    pub const fn checkpoint_seq(&self) -> Seq {
        self.checkpoint.seq
    }

    /// Gives every station's key and state, in the order in which the stations came first, and checks that all are there.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: what was given out before must then not be used.
    pub fn load_stations(&self, each: impl FnMut(&str, &[u8])) -> Result<(), StoreError> {
        self.load("SELECT key, crc, state FROM station ORDER BY id", "stations", self.checkpoint.stations, each)
    }

    /// Gives every key and value of meta, by key, and checks that all are there.
    ///
    /// # Errors
    /// [`StoreError::Damaged`]: what was given out before must then not be used.
    pub fn load_meta(&self, each: impl FnMut(&str, &[u8])) -> Result<(), StoreError> {
        self.load("SELECT key, crc, value FROM meta ORDER BY key", "meta", self.checkpoint.metas, each)
    }

    fn load(&self, sql: &str, name: &str, expected: Rows, mut each: impl FnMut(&str, &[u8])) -> Result<(), StoreError> {
        let sqlite = |error| StoreError::from_sqlite("read the checkpoint", &self.file, error);
        let mut select = self.connection.prepare(sql).map_err(sqlite)?;
        let mut rows = select.query([]).map_err(sqlite)?;
        let mut found = Rows::default();
        while let Some(row) = rows.next().map_err(sqlite)? {
            let key = row.get_ref(0).map_err(sqlite)?.as_str().unwrap_or_default();
            let crc: i64 = row.get(1).map_err(sqlite)?;
            let blob = row.get_ref(2).map_err(sqlite)?.as_blob().unwrap_or_default();
            if crc != row_crc(key, blob) {
                let what = format!("{name}: the checksum of {key:?} is wrong");
                return Err(StoreError::damaged(&self.file, what));
            }
            found.put(None, Some(crc));
            each(key, blob);
        }
        if found == expected {
            return Ok(());
        }
        let what = format!("{name}: {} rows where there must be {}, or older ones", found.count, expected.count);
        Err(StoreError::damaged(&self.file, what))
    }

    /// Reads what the checkpoint says of itself.
    pub(super) fn read_standing(&self) -> Result<Standing, StoreError> {
        let sqlite = |error| StoreError::from_sqlite("read the checkpoint", &self.file, error);
        let row: Option<[i64; 6]> = self
            .connection
            .query_row("SELECT seq, stations, station_digest, metas, meta_digest, crc FROM checkpoint", [], |row| {
                Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?])
            })
            .optional()
            .map_err(sqlite)?;
        let Some([seq, stations, station_digest, metas, meta_digest, crc]) = row else {
            return Ok(Standing::default());
        };
        let standing = Standing {
            seq: Seq::from_sql(seq).ok_or_else(|| StoreError::damaged(&self.file, "the checkpoint's number"))?,
            stations: Rows { count: stations, digest: station_digest },
            metas: Rows { count: metas, digest: meta_digest },
        };
        if crc != standing_crc(&standing) {
            return Err(StoreError::damaged(&self.file, "the checkpoint has a wrong checksum"));
        }
        Ok(standing)
    }
}

impl Checkpoint<'_> {
    /// Sets a station's state; `key` is its "operator/station".
    ///
    /// # Errors
    /// What keeps the row from being written; drop the checkpoint then.
    pub fn station(&mut self, key: &str, state: &[u8]) -> Result<(), StoreError> {
        self.check(key, state)?;
        let crc = row_crc(key, state);
        let known = self.known_station(key)?;
        let written = match known {
            Some((id, _)) => self
                .transaction
                .prepare_cached("UPDATE station SET crc = ?2, state = ?3 WHERE id = ?1")
                .and_then(|mut update| update.execute(params![id, crc, state])),
            None => self
                .transaction
                .prepare_cached("INSERT INTO station (key, crc, state) VALUES (?1, ?2, ?3)")
                .and_then(|mut insert| insert.execute(params![key, crc, state])),
        };
        written.map_err(|error| self.sqlite(error))?;
        self.next.stations.put(known.map(|(_, crc)| crc), Some(crc));
        Ok(())
    }

    /// Forgets a station, where it is known.
    ///
    /// # Errors
    /// What keeps the row from being deleted; drop the checkpoint then.
    pub fn delete_station(&mut self, key: &str) -> Result<(), StoreError> {
        self.check(key, &[])?;
        if let Some((id, crc)) = self.known_station(key)? {
            self.transaction
                .prepare_cached("DELETE FROM station WHERE id = ?1")
                .and_then(|mut delete| delete.execute([id]))
                .map_err(|error| self.sqlite(error))?;
            self.next.stations.put(Some(crc), None);
        }
        Ok(())
    }

    /// Sets a value of meta, or with `None` removes it.
    ///
    /// # Errors
    /// What keeps the row from being written; drop the checkpoint then.
    pub fn meta(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        self.check(key, value.unwrap_or_default())?;
        let before: Option<i64> = self
            .transaction
            .prepare_cached("SELECT crc FROM meta WHERE key = ?1")
            .and_then(|mut select| select.query_row([key], |row| row.get(0)).optional())
            .map_err(|error| self.sqlite(error))?;
        let after = value.map(|value| row_crc(key, value));
        match value {
            Some(value) => self
                .transaction
                .prepare_cached("INSERT OR REPLACE INTO meta (key, crc, value) VALUES (?1, ?2, ?3)")
                .and_then(|mut insert| insert.execute(params![key, after, value])),
            None => self
                .transaction
                .prepare_cached("DELETE FROM meta WHERE key = ?1")
                .and_then(|mut delete| delete.execute([key])),
        }
        .map_err(|error| self.sqlite(error))?;
        self.next.metas.put(before, after);
        Ok(())
    }

    /// Sets a summary's record; the one of the same window, start and scope is replaced.
    ///
    /// # Errors
    /// What keeps the row from being written; drop the checkpoint then.
    pub fn record(&mut self, record: &RecordRow) -> Result<(), StoreError> {
        self.check(&record.window, record.summary.as_deref().unwrap_or_default().as_bytes())?;
        put_record(&self.transaction, record).map_err(|error| self.sqlite(error))
    }

    /// Sets what a scope's sums of a window stand at.
    ///
    /// # Errors
    /// What keeps the row from being written; drop the checkpoint then.
    pub fn sums(&mut self, place: &Place<'_>, state: &[u8]) -> Result<(), StoreError> {
        self.check(place.window, state)?;
        put_sums(&self.transaction, place, state).map_err(|error| self.sqlite(error))
    }

    /// Makes the checkpoint durable and deletes the journal's batches that it holds.
    ///
    /// # Errors
    /// What keeps the commit from being durable: the checkpoint before stands, and the journal is whole.
    pub fn commit(self) -> Result<(), StoreError> {
        if self.failed.get() {
            return Err(StoreError::bug("a checkpoint that failed was committed"));
        }
        let Self { transaction, file, standing, journal, next, .. } = self;
        let sqlite = |error| StoreError::from_sqlite("write a checkpoint", file, error);
        let (batches, bytes): (u64, u64) = transaction
            .query_row(
                "SELECT count(*), ifnull(sum(length(batch)), 0) FROM journal WHERE seq <= ?1",
                [next.seq.sql()],
                |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs())),
            )
            .map_err(sqlite)?;
        transaction.execute("DELETE FROM journal WHERE seq <= ?1", [next.seq.sql()]).map_err(sqlite)?;
        transaction
            .execute(
                "INSERT OR REPLACE INTO checkpoint (id, seq, stations, station_digest, metas, meta_digest, crc)
                 VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    next.seq.sql(),
                    next.stations.count,
                    next.stations.digest,
                    next.metas.count,
                    next.metas.digest,
                    standing_crc(&next)
                ],
            )
            .map_err(sqlite)?;
        #[cfg(test)]
        super::faults::write(file)?;
        transaction.commit().map_err(sqlite)?;
        #[cfg(test)]
        super::faults::committed()?;
        *standing = next;
        journal.batches = journal.batches.saturating_sub(batches);
        journal.bytes = journal.bytes.saturating_sub(bytes);
        Ok(())
    }

    fn known_station(&self, key: &str) -> Result<Option<(i64, i64)>, StoreError> {
        self.transaction
            .prepare_cached("SELECT id, crc FROM station WHERE key = ?1")
            .and_then(|mut select| select.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(|error| self.sqlite(error))
    }

    fn check(&self, key: &str, blob: &[u8]) -> Result<(), StoreError> {
        if self.failed.get() {
            return Err(StoreError::bug("a checkpoint that failed was written to"));
        }
        if key.is_empty() || key.len() > KEY_BYTES_MAX || blob.len() > BLOB_BYTES_MAX {
            self.failed.set(true);
            let what = format!("a row with a key of {} and a value of {} bytes", key.len(), blob.len());
            return Err(StoreError::bug(what));
        }
        #[cfg(test)]
        super::faults::write(self.file).inspect_err(|_| self.failed.set(true))?;
        Ok(())
    }

    fn sqlite(&self, error: rusqlite::Error) -> StoreError {
        self.failed.set(true);
        StoreError::from_sqlite("write a checkpoint", self.file, error)
    }
}

fn row_crc(key: &str, blob: &[u8]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key.as_bytes());
    hasher.update(blob);
    i64::from(hasher.finalize())
}

fn standing_crc(standing: &Standing) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    let Standing { seq, stations, metas } = standing;
    for number in [seq.sql(), stations.count, stations.digest, metas.count, metas.digest] {
        hasher.update(&number.to_le_bytes());
    }
    i64::from(hasher.finalize())
}
