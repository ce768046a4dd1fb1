//! Keeps the history within its retention and its size, in steps that are short enough for the thread that journals.
//!
//! What is older than its window's retention goes first. Where the file is still larger than its limit, the oldest records
//! of the shortest window go, then those of the next, but never what late messages may still change. Where that is not
//! enough the limit does not hold, and the outcome says so: nothing that is still needed is deleted to please a number.

use rusqlite::{OptionalExtension, params};

use super::error::StoreError;
use super::{Keep, Store};

/// Records that one step deletes at most.
pub const PRUNE_RECORDS_MAX: i64 = 2_000;
/// Free pages that one step gives back to the file system at most.
const VACUUM_PAGES_MAX: i64 = 512;
/// Free pages that stay in the file, for the journal to write into.
const FREE_PAGES_KEPT: i64 = 1_024;

/// What one step of pruning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Records deleted because their retention was over.
    pub expired: u64,
    /// Records deleted before their retention was over, because the file was larger than its limit: a person should know.
    pub evicted: u64,
    /// Whether there is more to do: call again soon.
    pub more: bool,
    /// Whether the file is larger than its limit and nothing is left that may be deleted: a person should know.
    pub over_limit: bool,
}

/// What is kept by window.
#[derive(Debug, Clone, Copy)]
enum Table {
    Record,
    Sums,
}

impl Table {
    /// To find the first row that one step leaves, to delete what is before it, and to delete all before a start.
    const fn statements(self) -> (&'static str, &'static str, &'static str) {
        macro_rules! of {
            ($table:literal) => {
                (
                    concat!(
                        "SELECT start, level, code FROM ",
                        $table,
                        " WHERE window = ?1 AND start < ?2 ORDER BY start, level, code LIMIT 1 OFFSET ?3"
                    ),
                    concat!("DELETE FROM ", $table, " WHERE window = ?1 AND (start, level, code) < (?2, ?3, ?4)"),
                    concat!("DELETE FROM ", $table, " WHERE window = ?1 AND start < ?2"),
                )
            };
        }
        match self {
            Self::Record => of!("record"),
            Self::Sums => of!("sums"),
        }
    }
}

impl Store {
    /// One short step towards retention and size limit at the time `now_ms` (ms since the Unix epoch, UTC).
    ///
    /// # Errors
    /// What keeps the database from being written; the step may be repeated.
    pub fn prune(&mut self, now_ms: i64) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        for index in 0..self.limits.windows.len() {
            let keep = &self.limits.windows[index];
            let Some(keep_ms) = keep.keep_ms else { continue };
            let cutoff_s = cutoff_s(now_ms, keep, keep_ms.max(self.limits.protect_ms));
            let window = keep.window.clone();
            pruned.expired = self.delete_oldest(Table::Record, &window, cutoff_s)?;
            if pruned.expired > 0 {
                pruned.more = true;
                return Ok(pruned);
            }
        }
        for index in 0..self.limits.windows.len() {
            let keep = &self.limits.windows[index];
            let Some(keep_ms) = keep.keep_sums_ms else { continue };
            let cutoff_s = cutoff_s(now_ms, keep, keep_ms.max(self.limits.protect_ms));
            let window = keep.window.clone();
            if self.delete_oldest(Table::Sums, &window, cutoff_s)? > 0 {
                pruned.more = true;
                return Ok(pruned);
            }
        }
        if self.is_over_limit()? {
            pruned.evicted = self.evict(now_ms)?;
            pruned.more = pruned.evicted > 0;
            pruned.over_limit = pruned.evicted == 0;
        }
        if self.give_back()? {
            pruned.more = true;
        }
        Ok(pruned)
    }

    fn evict(&mut self, now_ms: i64) -> Result<u64, StoreError> {
        for index in 0..self.limits.windows.len() {
            let keep = &self.limits.windows[index];
            let cutoff_s = cutoff_s(now_ms, keep, self.limits.protect_ms);
            let window = keep.window.clone();
            let evicted = self.delete_oldest(Table::Record, &window, cutoff_s)?;
            if evicted > 0 {
                return Ok(evicted);
            }
        }
        Ok(0)
    }

    /// Deletes some of the oldest records of a window that start before `cutoff_s`.
    fn delete_oldest(&mut self, table: Table, window: &str, cutoff_s: i64) -> Result<u64, StoreError> {
        let (select, delete_some, delete_all) = table.statements();
        #[cfg(test)]
        super::faults::write(&self.file)?;
        let sqlite = |error| StoreError::from_sqlite("prune the history", &self.file, error);
        let end: Option<(i64, String, String)> = self
            .connection
            .prepare_cached(select)
            .and_then(|mut select| {
                select
                    .query_row(params![window, cutoff_s, PRUNE_RECORDS_MAX], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })
                    .optional()
            })
            .map_err(sqlite)?;
        let deleted = match end {
            Some((start, level, code)) => self
                .connection
                .prepare_cached(delete_some)
                .and_then(|mut delete| delete.execute(params![window, start, level, code])),
            None => self
                .connection
                .prepare_cached(delete_all)
                .and_then(|mut delete| delete.execute(params![window, cutoff_s])),
        };
        deleted.map(|count| count as u64).map_err(sqlite)
    }

    fn is_over_limit(&self) -> Result<bool, StoreError> {
        let Some(bytes_max) = self.limits.bytes_max else { return Ok(false) };
        let free_bytes = u64::try_from(FREE_PAGES_KEPT * self.pragma("page_size")?).unwrap_or_default();
        // What is kept free is within the limit, where the limit is large enough to have such a part.
        Ok(self.used_bytes()? > bytes_max.saturating_sub(free_bytes).max(bytes_max / 2))
    }

    /// Whether more pages are to be given back.
    fn give_back(&mut self) -> Result<bool, StoreError> {
        let spare = self.pragma("freelist_count")? - FREE_PAGES_KEPT;
        if spare <= 0 {
            return Ok(false);
        }
        let sqlite = |error| StoreError::from_sqlite("shrink the store", &self.file, error);
        let pages = spare.min(VACUUM_PAGES_MAX);
        let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})")).map_err(sqlite)?;
        let mut rows = vacuum.query([]).map_err(sqlite)?;
        while rows.next().map_err(sqlite)?.is_some() {}
        Ok(spare > pages)
    }
}

/// Windows that start before this have ended for at least `keep_ms`.
fn cutoff_s(now_ms: i64, keep: &Keep, keep_ms: u64) -> i64 {
    let back_ms = i64::try_from(keep_ms.saturating_add(keep.length_ms)).unwrap_or(i64::MAX);
    now_ms.saturating_sub(back_ms).div_euclid(1_000)
}
