//! What became of messages: counters that a worker keeps and the engine adds up. They start at zero with the process;
//! figures that must survive a restart are in the tallies.

use chargetally_core::shard::{Limit, Verdict};

use crate::dialect::Reason;

/// Counters of one worker, or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say what is counted")]
pub struct Stats {
    pub messages: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub late: u64,
    pub future: u64,
    pub out_of_order: u64,
    pub decommissioned: u64,
    /// Observations refused because a limit was reached, by limit.
    pub limits: [u64; 4],
    /// Messages refused by the dialect, by reason.
    pub rejects: Vec<u64>,
    pub alarms_refused: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            messages: 0,
            accepted: 0,
            duplicate: 0,
            late: 0,
            future: 0,
            out_of_order: 0,
            decommissioned: 0,
            limits: [0; 4],
            rejects: vec![0; Reason::ALL.len()],
            alarms_refused: 0,
        }
    }
}

impl Stats {
    pub(super) fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Accepted => &mut self.accepted,
            Verdict::Duplicate => &mut self.duplicate,
            Verdict::Late => &mut self.late,
            Verdict::Future => &mut self.future,
            Verdict::OutOfOrder => &mut self.out_of_order,
            Verdict::Decommissioned => &mut self.decommissioned,
            Verdict::Limit(limit) => &mut self.limits[limit as usize],
        };
        *counter += 1;
    }

    pub(super) fn reject(&mut self, reason: Reason) {
        self.rejects[reason as usize] += 1;
    }

    /// Adds another worker's counters.
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.late += other.late;
        self.future += other.future;
        self.out_of_order += other.out_of_order;
        self.decommissioned += other.decommissioned;
        for (mine, theirs) in self.limits.iter_mut().zip(other.limits) {
            *mine += theirs;
        }
        for (mine, theirs) in self.rejects.iter_mut().zip(&other.rejects) {
            *mine += theirs;
        }
        self.alarms_refused += other.alarms_refused;
    }

    /// Messages refused by dialects for any reason.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejects.iter().sum()
    }

    /// The limits that were reached, by name, with how often.
    pub fn limits_reached(&self) -> impl Iterator<Item = (&'static str, u64)> {
        const LIMITS: [Limit; 4] =
            [Limit::Stations, Limit::UnregisteredStations, Limit::Connectors, Limit::ConnectorsPerStation];
        LIMITS.into_iter().map(|limit| (limit.name(), self.limits[limit as usize])).filter(|&(_, count)| count > 0)
    }

    /// The reasons for which messages were refused, by name, with how often.
    pub fn reject_reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Reason::ALL.iter().map(|&reason| (reason.name(), self.rejects[reason as usize])).filter(|&(_, count)| count > 0)
    }
}
