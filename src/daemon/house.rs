//! Works, store and what goes out, held together: what is noted in the journal is done in the same order, and nothing is
//! acknowledged or said before it is durable. It knows neither connections nor clocks of its own; the driver does.

use chargetally_core::time::ArrivalTime;

use super::DaemonError;
use super::keeper::{self, Durable, Keeper};
use super::outgoing::Outgoing;
use super::works::{GivenOut, Works};
use crate::clock::Monotonic;
use crate::engine::EngineError;
use crate::ingest::Batch;
use crate::publish::outbox::Entry;
use crate::store::JournalEntry;

/// So many messages are taken in at once where they arrive, without waking the driver.
const FEW_MESSAGES: usize = 128;
/// As long as they hold no more than this, bytes.
const FEW_BYTES: usize = 64 * 1024;

pub(super) struct House {
    pub works: Works,
    /// None keeps everything in memory only.
    pub keeper: Option<Keeper>,
    pub outgoing: Outgoing,
}

impl House {
    /// Does once more what the journal tells.
    pub(super) fn replay(&mut self) -> Result<(), DaemonError> {
        let Self { works, keeper, outgoing } = self;
        let Some(keeper) = keeper else { return Ok(()) };
        keeper.replay(|entry, given| {
            redo(works, outgoing, entry, given)?;
            // What the journal tells is durable.
            for entry in given.take_entries() {
                outgoing.send(entry);
            }
            Ok(())
        })?;
        works.engine.flush()?;
        self.sync().map(drop)
    }

    /// Whether taking in a batch keeps nobody waiting: few messages, and no window is closed by their time.
    pub(super) fn takes_at_once(&self, batch: &Batch) -> bool {
        let few = batch.messages.len() <= FEW_MESSAGES && batch.bytes() <= FEW_BYTES;
        let closes = |arrival_ms| self.works.engine.closes_by(ArrivalTime::from_ms(arrival_ms));
        few && self.takes_more() && !batch.messages.iter().any(|message| closes(message.arrival_ms))
    }

    /// Takes in a batch. Returns the last batch that may be acknowledged now, where that is another one.
    pub(super) fn take(&mut self, batch: &Batch) -> Result<Option<u64>, DaemonError> {
        for message in &batch.messages {
            if let Some(keeper) = &mut self.keeper {
                keeper.note_message(message)?;
            }
            let arrival = ArrivalTime::from_ms(message.arrival_ms);
            self.works.take(arrival, message.topic(), &message.payload, message.retain)?;
        }
        self.works.engine.flush()?;
        if let Some(keeper) = &mut self.keeper {
            keeper.note_batch(batch.id);
            return Ok(None);
        }
        Ok(Some(batch.id))
    }

    /// Time has passed. Returns whether anything was closed and given out.
    pub(super) fn tick(&mut self, now: ArrivalTime) -> Result<bool, DaemonError> {
        let mut given = GivenOut::default();
        if let Some(keeper) = &mut self.keeper {
            if !keeper.takes_more() {
                return Ok(false);
            }
            keeper.note_step(now, keeper::TICK)?;
        }
        let closed = self.works.tick(now, &self.outgoing, &mut given)?;
        match &mut self.keeper {
            Some(keeper) => keeper.give(given),
            None => {
                self.send(given.entries);
                if closed {
                    self.works.engine.rollup_mut().forget();
                }
            }
        }
        Ok(closed)
    }

    /// Completes a close that is spread over time, so that the next tick gives out what it comes to.
    pub(super) fn complete(&mut self, now: ArrivalTime) -> Result<(), DaemonError> {
        if !self.works.engine.is_closing() {
            return Ok(());
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.note_step(now, keeper::CLOSE)?;
        }
        Ok(self.works.close_again()?)
    }

    /// Messages are heard from now on, or they are not.
    pub(super) fn listen(&mut self, now: ArrivalTime, hears: bool) -> Result<(), DaemonError> {
        if let Some(keeper) = &mut self.keeper {
            keeper.note_step(now, if hears { keeper::HEARING } else { keeper::DEAF })?;
        }
        Ok(self.works.engine.listen(hears.then_some(now))?)
    }

    /// What is done now and then, after a tick: a checkpoint when the broker has everything that was said, and a step of
    /// pruning. Returns the last batch that may be acknowledged now, where that is another one.
    pub(super) fn tidy(&mut self, now: ArrivalTime) -> Result<Option<u64>, DaemonError> {
        let drained = self.is_heard();
        let Some(keeper) = &mut self.keeper else { return Ok(None) };
        keeper.prune(now)?;
        // A checkpoint would complete a close that is spread over time, and have messages wait for it.
        if self.works.engine.is_closing() || !keeper.wants_checkpoint(drained) {
            return Ok(None);
        }
        self.checkpoint(now)
    }

    /// Whether the broker has everything that was given out up to now. What workers have said goes to the outbox before it
    /// counts as said, so that is asked last.
    fn is_heard(&self) -> bool {
        self.works.engine.unsaid() == 0 && self.outgoing.unsent() == 0
    }

    /// Takes a checkpoint now, if the store takes anything, and unless something is left to be said: what a checkpoint
    /// holds is not said again at the next start, and an alarm whose end nobody heard of would stand for ever.
    pub(super) fn checkpoint(&mut self, now: ArrivalTime) -> Result<Option<u64>, DaemonError> {
        let Some(keeper) = &mut self.keeper else { return Ok(None) };
        keeper.note_step(now, keeper::CLOSE)?;
        self.works.close_again()?;
        let Some(durable) = keeper.sync()? else { return Ok(None) };
        let is_too_long = keeper.is_too_long();
        // Only now: the close has brought everything to an end that was still under way in the workers.
        let is_heard = durable.entries.is_empty() && self.is_heard();
        if let Some(keeper) = self.keeper.as_mut().filter(|_| is_heard || is_too_long) {
            keeper.checkpoint(&mut self.works)?;
        }
        Ok(self.said(durable))
    }

    /// Whether the journal has to be made durable; `idle` says that nothing more is waiting to be taken.
    pub(super) fn is_due(&self, idle: bool) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| keeper.is_due(idle))
    }

    /// When the journal has to be made durable at the latest, where anything waits for it.
    pub(super) fn due(&self) -> Option<Monotonic> {
        self.keeper.as_ref().and_then(Keeper::due)
    }

    /// Whether messages may be taken: not while the store has taken none for long.
    pub(super) fn takes_more(&self) -> bool {
        self.keeper.as_ref().is_none_or(Keeper::takes_more)
    }

    /// Whether the store takes nothing at the moment.
    pub(super) fn is_failing(&self) -> bool {
        self.keeper.as_ref().is_some_and(Keeper::is_failing)
    }

    /// Makes everything durable and says what waited for it. Returns the last batch that may be acknowledged now, where
    /// that is another one.
    pub(super) fn sync(&mut self) -> Result<Option<u64>, DaemonError> {
        let Some(keeper) = &mut self.keeper else { return Ok(None) };
        let Some(durable) = keeper.sync()? else { return Ok(None) };
        Ok(self.said(durable))
    }

    fn said(&self, durable: Durable) -> Option<u64> {
        let Durable { batch, entries } = durable;
        self.send(entries);
        batch
    }

    fn send(&self, entries: Vec<Entry>) {
        for entry in entries {
            self.outgoing.send(entry);
        }
    }
}

/// Does what a journal's entry tells, as it was done when it was noted.
pub(super) fn redo(
    works: &mut Works,
    outgoing: &Outgoing,
    entry: JournalEntry<'_>,
    given: &mut GivenOut,
) -> Result<(), EngineError> {
    match entry {
        JournalEntry::Message(message) => {
            let arrival = ArrivalTime::from_ms(message.arrival_ms);
            works.take(arrival, Some(message.topic), message.payload, message.retain)
        }
        JournalEntry::Tick(tick) => {
            let now = ArrivalTime::from_ms(tick.now_ms);
            match tick.what {
                keeper::CLOSE => works.close_again(),
                keeper::HEARING => works.engine.listen(Some(now)),
                keeper::DEAF => works.engine.listen(None),
                _ => works.tick(now, outgoing, given).map(drop),
            }
        }
    }
}
