//! The journal: what came in since the checkpoint, durable before it is acknowledged.
//!
//! Entries are gathered in memory; one [`Store::sync`] commits all of them as one blob, squeezed where that makes it
//! smaller, under the next number and returns when the disk has it. Where it fails the entries stay gathered, nothing counts as durable, and the same call may be made
//! again. Batches are numbered without gaps, so that a missing one is seen.

use rusqlite::params;

use super::entry::{JournalEntry, Packer, unpack};
use super::error::StoreError;
use super::squeeze::{squeeze, unsqueeze};
use super::{Seq, Store};

impl Store {
    /// Gathers an entry for the next [`sync`](Self::sync). It is not durable before.
    ///
    /// # Errors
    /// [`StoreError::BufferFull`]: nothing was taken; sync first.
    pub fn append(&mut self, entry: &JournalEntry<'_>) -> Result<(), StoreError> {
        let bytes = self.packer.len_bytes();
        let bytes_max = self.limits.buffer_bytes_max;
        // A single entry is always taken: else one large message could never pass.
        if bytes > 0 && bytes.saturating_add(Packer::bytes_at_most(entry)) > bytes_max {
            return Err(StoreError::BufferFull { bytes, bytes_max });
        }
        self.packer.push(entry);
        #[cfg(test)]
        super::faults::gathered(entry);
        Ok(())
    }

    /// Bytes that are gathered and not yet durable.
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        self.packer.len_bytes()
    }

    /// Makes everything that was appended durable, in one commit, and gives the number of the last durable batch; without
    /// anything appended it only does the latter.
    ///
    /// # Errors
    /// What keeps the commit from being durable. The entries are kept: the same call may be made again.
    pub fn sync(&mut self) -> Result<Seq, StoreError> {
        if self.packer.entries() == 0 {
            return Ok(self.journal.last);
        }
        let seq = self.journal.last.next();
        #[cfg(test)]
        super::faults::write(&self.file)?;
        let batch = squeeze(self.packer.batch(), &mut self.squeezed);
        self.connection
            .prepare_cached("INSERT INTO journal (seq, crc, batch) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![seq.sql(), batch_crc(seq, batch), batch]))
            .map_err(|error| StoreError::from_sqlite("write the journal", &self.file, error))?;
        #[cfg(test)]
        super::faults::journalled(seq)?;
        self.journal.last = seq;
        self.journal.batches += 1;
        self.journal.bytes += batch.len() as u64;
        self.packer.clear();
        Ok(seq)
    }

    /// Number of the last durable batch.
    #[must_use]
    pub const fn last_seq(&self) -> Seq {
        self.journal.last
    }

    /// Gives the entries of all durable batches after `after`, in order, each with its batch's number. Normally `after` is
    /// the checkpoint's number.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where a batch is missing or does not read as it was written; what was given out
    /// before must then not be used. [`StoreError::Bug`] where batches after `after` are in the checkpoint already.
    pub fn replay(&self, after: Seq, mut each: impl FnMut(Seq, JournalEntry<'_>)) -> Result<(), StoreError> {
        let sqlite = |error| StoreError::from_sqlite("read the journal", &self.file, error);
        if after < self.checkpoint.seq || after > self.journal.last {
            return Err(StoreError::bug(format!("replay after {after} of a journal from {}", self.checkpoint.seq)));
        }
        let mut select = self
            .connection
            .prepare("SELECT seq, crc, batch FROM journal WHERE seq > ?1 ORDER BY seq")
            .map_err(sqlite)?;
        let mut rows = select.query([after.sql()]).map_err(sqlite)?;
        let (mut last, mut room) = (after, Vec::new());
        while let Some(row) = rows.next().map_err(sqlite)? {
            let seq: i64 = row.get(0).map_err(sqlite)?;
            let crc: i64 = row.get(1).map_err(sqlite)?;
            let batch = row.get_ref(2).map_err(sqlite)?.as_blob().unwrap_or_default();
            let expected = last.next();
            if seq != expected.sql() {
                return Err(StoreError::damaged(&self.file, format!("journal batch {expected} is missing")));
            }
            last = expected;
            if crc != batch_crc(expected, batch) {
                return Err(StoreError::damaged(&self.file, format!("journal batch {expected} has a wrong checksum")));
            }
            let bad = |bad| StoreError::damaged(&self.file, format!("journal batch {expected}: {bad}"));
            for entry in unsqueeze(batch, &mut room).and_then(unpack).map_err(bad)? {
                each(expected, entry.map_err(bad)?);
            }
        }
        if last != self.journal.last {
            return Err(StoreError::damaged(&self.file, format!("journal batch {} is missing", last.next())));
        }
        Ok(())
    }
}

fn batch_crc(seq: Seq, batch: &[u8]) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seq.get().to_le_bytes());
    hasher.update(batch);
    i64::from(hasher.finalize())
}
