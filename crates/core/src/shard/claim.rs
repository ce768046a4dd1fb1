//! Where a connector's time counts when a registration says something new about it: what it claims of its past, and what
//! stays where it was.

use super::Shard;
use super::close::Change;
use super::registry::Owner;
use crate::book::SlotIndex;
use crate::scope::Attribution;
use crate::tally::{Merge, Tally};
use crate::time::Bucket;

impl Shard {
    /// Connectors that the registration does not name, and the station itself, follow its region and kind.
    pub(super) fn reattribute(&mut self, station: u32, first: bool) {
        let attribution = self.attribution(station, None);
        let whole = Attribution { whole: true, ..attribution };
        let old = self.station(station).slot;
        if self.attribution_at(old) != whole {
            let new = self.slot(Owner::Station, whole);
            self.claim(old, new);
            self.stations[station as usize].slot = new;
        }
        for index in self.serving(station) {
            let connector = &self.connectors[index as usize];
            let stale = self.attribution_at(connector.slot) != attribution;
            if connector.spec.is_none() && stale {
                let slot = self.push_slot(attribution, Owner::Connector(index), true);
                if first {
                    self.move_connector(index, slot, first);
                } else {
                    let old = std::mem::replace(&mut self.connectors[index as usize].slot, slot);
                    self.book.succeed(slot, old, self.closed);
                }
            }
        }
    }

    /// A connector counts under another slot. A first registration says where all its past belongs; a later one says
    /// what a connector was that is named for the first time, but not where: that is where its station was.
    pub(super) fn move_connector(&mut self, index: u32, slot: SlotIndex, first: bool) {
        let old = std::mem::replace(&mut self.connectors[index as usize].slot, slot);
        if old == slot {
            return;
        }
        if first || !self.slots[old.0 as usize].claimable {
            self.claim(old, slot);
        } else {
            self.claim_in_place(index, old, slot);
        }
    }

    /// What was booked under a claimable slot belongs to another: what is still open is renamed, what was handed over
    /// is taken back there and booked here. One that is claimed for good gives up only what is still open: a change
    /// counts from the first open base bucket on.
    fn claim(&mut self, from: SlotIndex, to: SlotIndex) {
        if self.slots[from.0 as usize].claimable {
            self.take_over(from, to);
        } else {
            self.book.succeed(to, from, self.closed);
        }
    }

    /// A connector's claimable slots, the present one and those before it, become slots of its own kind in the region
    /// that each of them had; from the first open base bucket on it counts under `to`.
    fn claim_in_place(&mut self, index: u32, from: SlotIndex, to: SlotIndex) {
        self.book.rename_from(self.closed, from, to);
        let (mut later, mut since, mut slot) = (to, self.closed, from);
        loop {
            let county = self.attribution_at(slot).county;
            let kind = self.attribution_at(to);
            let own = self.slot(Owner::Connector(index), Attribution { county, ..kind });
            self.take_over(slot, own);
            if own != later {
                self.book.restore_succession(later, own, since);
            }
            match self.book.succession(slot) {
                Some((began, before)) if self.slots[before.0 as usize].claimable && began < since => {
                    (later, since, slot) = (own, began, before);
                }
                _ => break,
            }
        }
    }

    /// Moves everything that a claimable slot has booked and handed over to another.
    fn take_over(&mut self, from: SlotIndex, to: SlotIndex) {
        self.book.rename(from, to);
        let Some(handed_over) = self.unclaimed.remove(&from) else { return };
        self.unclaimed_len -= handed_over.len();
        let [left, gained] = [from, to].map(|slot| self.slots[slot.0 as usize].attribution);
        for (&bucket, tally) in &handed_over {
            let mut taken_back = tally.clone();
            taken_back.negate();
            self.moves.push(Change { bucket, attribution: left, tally: taken_back });
            self.moves.push(Change { bucket, attribution: gained, tally: tally.clone() });
        }
        if self.slots[to.0 as usize].claimable {
            let kept = self.unclaimed.entry(to).or_default();
            let before = kept.len();
            for (bucket, tally) in handed_over {
                kept.entry(bucket).or_default().merge(&tally);
            }
            self.unclaimed_len += kept.len() - before;
        }
    }

    /// Remembers what a claimable slot hands over.
    pub(super) fn remember_unclaimed(&mut self, bucket: Bucket, slot: SlotIndex, tally: &Tally) {
        if self.slots[slot.0 as usize].claimable && self.unclaimed_len < self.config.limits.unclaimed_tallies {
            let tallies = self.unclaimed.entry(slot).or_default();
            let before = tallies.len();
            tallies.entry(bucket).or_default().merge(tally);
            self.unclaimed_len += tallies.len() - before;
        }
    }
}
