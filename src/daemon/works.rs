//! What the daemon does with messages and time, one after the other: the part of the driver that the same input always
//! takes through the same states. After a crash the journal is given to it once more, and it says the same again.

use std::collections::{BTreeMap, HashMap};

use chargetally_core::alarm::Level;
use chargetally_core::census::Census;
use chargetally_core::rollup::{Names, Publication};
use chargetally_core::state::State;
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::{Calendar, Window, WindowKind};

use super::outgoing::Outgoing;
use crate::batch::Message;
use crate::dialect::{Dialect, source_of};
use crate::engine::{Engine, EngineError, Stats};
use crate::publish::assemble::Assembler;
use crate::publish::outbox::Entry;
use crate::publish::payload::Pattern;
use crate::store::{Figures, RecordRow};

/// Which record of the history a row is: window, start, level, code.
pub(super) type RecordKey = (String, i64, String, String);

/// What was given out and is to be said and kept: entries in their order, and the newest of each record.
#[derive(Default)]
pub(super) struct GivenOut {
    pub entries: Vec<Entry>,
    pub records: BTreeMap<RecordKey, RecordRow>,
    /// What the summaries of one turn are packed after.
    pattern: Pattern,
    /// Where in `entries` a topic stands last.
    places: HashMap<String, usize>,
}

impl GivenOut {
    /// Takes the entries out, in their order.
    pub(super) fn take_entries(&mut self) -> Vec<Entry> {
        self.places.clear();
        std::mem::take(&mut self.entries)
    }

    /// An older window of the same topic is said too, but only the newest is what the broker retains.
    fn say(&mut self, entry: Entry) {
        if entry.retain
            && let Some(older) = self.places.insert(entry.topic.clone(), self.entries.len())
        {
            self.entries[older].retain = false;
        }
        self.entries.push(entry);
    }
}

/// Engine and assembler, and how far they have come.
pub(super) struct Works {
    pub engine: Engine,
    pub assembler: Assembler,
    dialects: Vec<Dialect>,
    /// What changed in base buckets before it was given out.
    published: Bucket,
    /// Windows whose summaries are kept as they were given out.
    kept_whole: Vec<WindowKind>,
    /// Messages whose topic belongs to no source or is no text.
    pub foreign: u64,
    pub messages: u64,
}

impl Works {
    pub(super) fn new(
        engine: Engine,
        assembler: Assembler,
        dialects: Vec<Dialect>,
        published: Bucket,
        kept_whole: Vec<WindowKind>,
    ) -> Self {
        Self { engine, assembler, dialects, published, kept_whole, foreign: 0, messages: 0 }
    }

    /// Takes in a message; one without a topic that is text belongs to nobody.
    pub(super) fn take(
        &mut self,
        arrival: ArrivalTime,
        topic: Option<&str>,
        payload: &[u8],
        retained: bool,
    ) -> Result<(), EngineError> {
        self.messages += 1;
        let owned = topic.and_then(|topic| Some((topic, source_of(&self.dialects, topic)?)));
        let Some((topic, source)) = owned else {
            self.foreign += 1;
            return Ok(());
        };
        self.engine.push(&Message { arrival, source, topic, payload, retained })
    }

    /// Time has passed: closes what is due, and where anything was closed since, gives out what changed. Returns whether it
    /// did.
    pub(super) fn tick(
        &mut self,
        now: ArrivalTime,
        outgoing: &Outgoing,
        given: &mut GivenOut,
    ) -> Result<bool, EngineError> {
        // Messages close base buckets as well, by their arrival, and some came after that.
        if !self.engine.advance(now)? {
            self.engine.tick(now)?;
            if self.engine.closed() <= self.published {
                return Ok(false);
            }
            if !self.engine.is_closing() {
                self.close_again()?;
            }
        }
        self.published = self.engine.closed();
        let closed = self.published;
        let Self { engine, assembler, kept_whole, .. } = self;
        engine.publish_due(now, false, |names, publication, census| {
            let assembled = assembler.summary(names, publication, census);
            let row = record(names, publication, census.of(publication.scope), &assembler.calendar, now);
            if let Some((key, mut row)) = row {
                if kept_whole.contains(&publication.window.kind) {
                    row.summary = String::from_utf8(assembled.payload.clone()).ok();
                }
                given.records.insert(key, row);
            }
            let entry = outgoing.summary(publication.window, assembled, &mut given.pattern);
            let retain = stands(publication.window, publication.revision, &assembler.calendar, closed);
            given.say(Entry { retain, ..entry });
        })?;
        engine.rollup_mut().pack_away(true);
        Ok(true)
    }

    /// Hands over what came late for base buckets that are closed already: a checkpoint is taken right after it.
    pub(super) fn close_again(&mut self) -> Result<(), EngineError> {
        self.engine.close(self.engine.closed())
    }

    /// How far what changed was given out.
    pub(super) const fn published(&self) -> Bucket {
        self.published
    }

    /// The counters, once everything taken in is done.
    pub(super) fn stats(&mut self) -> Result<Stats, EngineError> {
        self.engine.stats()
    }
}

/// Whether the broker is to retain a summary: not a revision of a window after which the next one has been given out, for
/// it would stand in that one's place (docs/decisions/0011).
fn stands(window: Window, revision: u32, calendar: &Calendar, closed: Bucket) -> bool {
    revision == 0 || calendar.window(window.kind, window.end).end > closed
}

/// What the history keeps of a publication.
pub(super) fn record(
    names: &Names,
    publication: &Publication<'_>,
    census: Option<&Census>,
    calendar: &Calendar,
    now: ArrivalTime,
) -> Option<(RecordKey, RecordRow)> {
    let scope = names.scope_code(publication.scope)?;
    let tally = publication.figures.tally;
    let ms = |state| tally.in_state(state);
    let events = tally.events.counts();
    let [personal, equipment, notice] = [Level::Personal, Level::Equipment, Level::Notice];
    let start_ms = publication.window.start.start_ms();
    let row = RecordRow {
        window: publication.window.kind.name().to_owned(),
        start_s: start_ms.div_euclid(1_000),
        level: scope.kind.to_owned(),
        code: scope.code,
        revision: publication.revision,
        utc_offset_s: i32::try_from(calendar.offset_ms(start_ms) / 1_000).unwrap_or_default(),
        published_ms: now.ms(),
        figures: Figures {
            connectors: census.map_or(0, |census| census.connectors),
            import_j: tally.import_j,
            export_j: tally.export_j,
            charging_import_j: tally.charging_import_j,
            rated_w: census.map_or(0, |census| census.rated_w),
            rated_j: tally.rated_j,
            charging_ms: ms(State::Charging),
            discharging_ms: ms(State::Discharging),
            occupied_ms: ms(State::Occupied),
            reserved_ms: ms(State::Reserved),
            available_ms: ms(State::Available),
            faulted_ms: ms(State::Faulted),
            unavailable_ms: ms(State::Unavailable),
            offline_ms: ms(State::Offline),
            unobserved_ms: ms(State::Unobserved),
            sessions_attempted: events.sessions_attempted,
            sessions_started: events.sessions_started,
            sessions_completed: events.sessions_completed,
            sessions_failed: events.sessions_failed,
            alarms_personal: events.alarms_raised[personal as usize],
            alarms_equipment: events.alarms_raised[equipment as usize],
            alarms_notice: events.alarms_raised[notice as usize],
        },
        summary: None,
    };
    Some(((row.window.clone(), row.start_s, row.level.clone(), row.code.clone()), row))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_revision_stands_until_the_next_window_of_its_kind_has_ended() {
        // 2026-11-24T00:00:00+08:00.
        let midnight_ms = 1_795_449_600_000;
        let calendar = Calendar::fixed(8 * HOUR_MS);
        let closed = |after_ms: i64| Bucket::holding_ms(midnight_ms + after_ms);
        let check = |kind, back_ms: i64, after_ms: i64, expected: bool| {
            let window = calendar.window(kind, Bucket::holding_ms(midnight_ms - back_ms));
            assert_eq!(stands(window, 1, &calendar, closed(after_ms)), expected, "{kind:?} {back_ms} {after_ms}");
            assert!(stands(window, 0, &calendar, closed(after_ms)));
        };
        check(WindowKind::Minute, 60_000, 0, true);
        check(WindowKind::Minute, 60_000, 60_000, false);
        check(WindowKind::Minute, 120_000, 0, false);
        check(WindowKind::Hour, HOUR_MS, HOUR_MS - 60_000, true);
        check(WindowKind::Hour, HOUR_MS, HOUR_MS, false);
        check(WindowKind::Day, HOUR_MS, 24 * HOUR_MS - 60_000, true);
        check(WindowKind::Day, HOUR_MS, 24 * HOUR_MS, false);
        check(WindowKind::Day, 25 * HOUR_MS, 0, false);
        check(WindowKind::Month, 24 * 24 * HOUR_MS, 6 * 24 * HOUR_MS, true);
        check(WindowKind::Month, 24 * 24 * HOUR_MS, 7 * 24 * HOUR_MS, false);
    }
}
