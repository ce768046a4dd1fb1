//! Runs that nothing disturbs, to compare with: one over what the disturbed one journalled, entry by entry, and one
//! over its messages alone, each once and in the order in which stations sent them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use chargetally_core::time::ArrivalTime;

use super::broker::{SummaryKey, summary_key};
use super::fleet::Published;
use super::life::{KEPT_WHOLE, Plant};
use crate::daemon::house::redo;
use crate::daemon::outgoing::Outgoing;
use crate::daemon::works::{GivenOut, RecordKey, Works, record};
use crate::engine::{Engine, Notice};
use crate::publish::assemble::Assembler;
use crate::publish::egress::Publisher;
use crate::publish::outbox::{Entry, OutboxLimits};
use crate::store::faults::Told;
use crate::store::{Figures, RecordRow};
use crate::topic::Root;

/// What came out of an undisturbed run.
#[derive(Default)]
pub(super) struct Outcome {
    /// The history.
    pub(super) records: BTreeMap<RecordKey, RecordRow>,
    /// Every summary that was given out.
    pub(super) summaries: HashMap<SummaryKey, Bytes>,
    /// The last one of each topic.
    pub(super) retained: BTreeMap<String, Entry>,
    /// Topics of the alarms that stand at the end.
    pub(super) standing: BTreeSet<String>,
    /// Topic and beginning of every alarm that was raised, ms.
    pub(super) raised: BTreeSet<(String, i64)>,
}

fn outgoing() -> Outgoing {
    let limits = OutboxLimits { entries_max: 1_000, bytes_max: 1 << 20 };
    Outgoing::new(Root::default_out(), None, Publisher::unconnected(limits))
}

/// Does everything that the journal told, once and without a store.
pub(super) fn repeat(plant: &Plant, journal: &[Told], first: ArrivalTime, workers: usize) -> Result<Outcome, String> {
    let told = |error| format!("the undisturbed run: {error}");
    let engine = Engine::start(plant.undisturbed(workers), first).map_err(|error| error.to_string())?;
    let published = engine.closed();
    let assembler = Assembler { first, ..plant.assembler.clone() };
    let mut works = Works::new(engine, assembler, plant.dialects(), published, KEPT_WHOLE.to_vec());
    let outgoing = outgoing();
    let mut outcome = Outcome::default();
    for entry in journal {
        let mut given = GivenOut::default();
        redo(&mut works, &outgoing, entry.entry(), &mut given).map_err(told)?;
        outcome.give(given);
    }
    // An answer from all workers means that all they had to say has been said.
    works.stats().map_err(told)?;
    for notice in works.engine.notices().collect::<Vec<_>>() {
        if let Notice::Alarm(event) = notice
            && event.change.raised
        {
            outcome.raised.insert((outgoing.alarm_topic(&event), event.change.since.ms()));
        }
    }
    works.engine.repeat_alarms().map_err(told)?;
    works.stats().map_err(told)?;
    for notice in works.engine.notices().collect::<Vec<_>>() {
        if let Notice::Alarm(event) = notice {
            outcome.standing.insert(outgoing.alarm_topic(&event));
        }
    }
    Ok(outcome)
}

impl Outcome {
    fn give(&mut self, given: GivenOut) {
        self.records.extend(given.records);
        for entry in given.entries {
            if let Some(key) = summary_key(&entry) {
                self.summaries.insert(key, entry.payload.bytes());
            }
            if entry.retain {
                self.retained.insert(entry.topic.clone(), entry);
            }
        }
    }
}

/// The last figures of all windows that have ended by `now_ms`, where each of these messages comes once, when it
/// was sent.
pub(super) fn plainly<'a>(
    plant: &Plant,
    messages: impl Iterator<Item = &'a Published>,
    first: ArrivalTime,
    now_ms: i64,
    workers: usize,
) -> Result<BTreeMap<RecordKey, Figures>, String> {
    let told = |error| format!("the plain run: {error}");
    let engine = Engine::start(plant.undisturbed(workers), first).map_err(|error| error.to_string())?;
    let published = engine.closed();
    let assembler = plant.assembler.clone();
    let calendar = assembler.calendar.clone();
    let mut works = Works::new(engine, assembler, plant.dialects(), published, Vec::new());
    for message in messages {
        let arrival = ArrivalTime::from_ms(message.at_ms);
        works.take(arrival, Some(&message.topic), message.payload.as_bytes(), false).map_err(told)?;
    }
    let now = ArrivalTime::from_ms(now_ms);
    works.engine.advance(now).map_err(told)?;
    works.close_again().map_err(told)?;
    let mut figures = BTreeMap::new();
    works
        .engine
        .publish_due(now, true, |names, publication, census| {
            let row = record(names, publication, census.of(publication.scope), &calendar, now);
            figures.extend(row.map(|(key, row)| (key, row.figures)));
        })
        .map_err(told)?;
    Ok(figures)
}
