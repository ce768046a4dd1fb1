//! One alarm from its first raising to its end, and what it adds to the counts. The alarm book decides which reports
//! belong to it; nothing here looks for another alarm.

use super::change::{AlarmChange, AlarmKey, AlarmSink, Origins};
use super::indicator::Grade;
use crate::alarm::{AlarmClass, AlarmSource, Level};
use crate::histogram::{DURATION_MS, cell};
use crate::pack::{Damaged, Pack, Reader, pack_fields};
use crate::time::EventTime;

/// Longest sender's code that is kept, bytes.
const CODE_BYTES_MAX: usize = 64;
/// Longest sender's note that is kept, bytes.
const NOTE_BYTES_MAX: usize = 256;

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Given,
    Derived,
}

/// One saying about an alarm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report<'a> {
    pub(super) at: EventTime,
    pub(super) origin: Origin,
    pub(super) raised: bool,
    pub(super) level: Level,
    pub(super) grade: Grade,
    pub(super) value: Option<f64>,
    pub(super) threshold: Option<f64>,
    pub(super) code: Option<&'a str>,
    pub(super) note: Option<&'a str>,
}

impl Report<'_> {
    /// What this daemon says, without details.
    pub(super) const fn derived(at: EventTime, raised: bool, level: Level) -> Self {
        Self {
            at,
            origin: Origin::Derived,
            raised,
            level,
            grade: Grade::Warn,
            value: None,
            threshold: None,
            code: None,
            note: None,
        }
    }
}

/// What one origin said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Side {
    /// The level, while it says that the alarm stands.
    level: Option<Level>,
    /// The newest event time that it spoke of.
    newest: Option<EventTime>,
}

impl Side {
    /// One that says that it is over.
    const fn cleared(at: EventTime) -> Self {
        Self { level: None, newest: Some(at) }
    }

    /// Whether a raising at `at` is news: at the same time as a clearing, the clearing wins.
    pub(super) fn admits_raise(&self, at: EventTime) -> bool {
        self.newest.is_none_or(|newest| at > newest || (at == newest && self.level.is_some()))
    }

    /// Whether a clearing at `at` is news.
    pub(super) fn admits_clear(&self, at: EventTime) -> bool {
        self.newest.is_none_or(|newest| at >= newest)
    }
}

/// How an alarm ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was cleared, so long after it was raised.
    Cleared { ms: i64 },
    /// Nobody said so; its duration is not known.
    Lapsed,
}

/// An alarm from its first raising on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Episode {
    /// When it was first raised.
    pub(super) since: EventTime,
    /// Its level now, or the last one.
    pub(super) level: Level,
    /// The newest event time that anybody spoke of.
    pub(super) news: EventTime,
    given: Side,
    derived: Side,
    /// The level that it was counted at when it was raised; its end is counted there too.
    counted_level: Level,
    /// The gravest grade that was counted.
    counted_grade: Option<Grade>,
    /// How its end was counted, if it ended before.
    counted_end: Option<Ended>,
    /// Who spoke last, for when nobody speaks any more.
    last_origins: Origins,
    value: Option<f64>,
    threshold: Option<f64>,
    code: Option<Box<str>>,
    note: Option<Box<str>>,
}

impl Episode {
    /// One that begins with this report.
    pub(super) fn begin(report: &Report<'_>) -> Self {
        let mut episode = Self {
            since: report.at,
            level: report.level,
            news: report.at,
            given: Side::default(),
            derived: Side::default(),
            counted_level: report.level,
            counted_grade: None,
            counted_end: None,
            last_origins: Origins::default(),
            value: None,
            threshold: None,
            code: None,
            note: None,
        };
        episode.take_raise(report);
        episode
    }

    /// What one origin said last.
    pub(super) const fn side(&self, origin: Origin) -> &Side {
        match origin {
            Origin::Given => &self.given,
            Origin::Derived => &self.derived,
        }
    }

    const fn side_mut(&mut self, origin: Origin) -> &mut Side {
        match origin {
            Origin::Given => &mut self.given,
            Origin::Derived => &mut self.derived,
        }
    }

    /// Takes over what the origin other than `origin` said last of the alarm before.
    pub(super) const fn inherit_other(&mut self, before: &Self, origin: Origin) {
        match origin {
            Origin::Given => self.derived = before.derived,
            Origin::Derived => self.given = before.given,
        }
    }

    /// From `at` on, or since it last spoke, this origin does not say that it stands.
    pub(super) fn end_side(&mut self, origin: Origin, at: EventTime) {
        let side = self.side_mut(origin);
        *side = Side::cleared(side.newest.map_or(at, |newest| newest.max(at)));
    }

    /// Who says that it stands.
    pub(super) const fn origins(&self) -> Origins {
        Origins { given: self.given.level.is_some(), derived: self.derived.level.is_some() }
    }

    /// An origin says that it stands.
    pub(super) fn take_raise(&mut self, report: &Report<'_>) {
        let side = self.side_mut(report.origin);
        *side = Side { level: Some(report.level), newest: Some(report.at) };
        self.news = self.news.max(report.at);
        self.value = report.value.or(self.value);
        self.threshold = report.threshold.or(self.threshold);
        if let Some(code) = report.code {
            self.code = Some(shortened(code, CODE_BYTES_MAX));
        }
        if let Some(note) = report.note {
            self.note = Some(shortened(note, NOTE_BYTES_MAX));
        }
        self.settle();
    }

    /// An origin says that it is over.
    pub(super) fn take_clear(&mut self, report: &Report<'_>) {
        *self.side_mut(report.origin) = Side::cleared(report.at);
        self.news = self.news.max(report.at);
        self.value = report.value.or(self.value);
        self.settle();
    }

    /// The level is the gravest of those that stand.
    fn settle(&mut self) {
        let gravest = match (self.given.level, self.derived.level) {
            (Some(given), Some(derived)) => Some(given.min(derived)),
            (given, derived) => given.or(derived),
        };
        self.level = gravest.unwrap_or(self.level);
        if self.origins().any() {
            self.last_origins = self.origins();
        }
    }

    /// When it was over: the later of this clearing and the other origin's; never before it began.
    pub(super) fn cleared_at(&self, at: EventTime) -> EventTime {
        [self.given.newest, self.derived.newest].into_iter().flatten().fold(at.max(self.since), Ord::max)
    }

    /// What to publish of it.
    pub(super) fn change(&self, key: AlarmKey, at: EventTime, raised: bool) -> AlarmChange {
        AlarmChange {
            key,
            level: self.level,
            origins: self.last_origins,
            raised,
            lapsed: false,
            since: self.since,
            at,
            value: self.value,
            threshold: self.threshold,
            code: self.code.clone(),
            note: self.note.clone(),
        }
    }
}

impl Origins {
    /// Whether anybody says so.
    #[must_use]
    pub const fn any(self) -> bool {
        self.given || self.derived
    }
}

/// As much of `text` as `bytes_max` holds, in whole characters.
fn shortened(text: &str, bytes_max: usize) -> Box<str> {
    text[..text.floor_char_boundary(bytes_max)].into()
}

/// Counts an alarm that was not open before.
pub(super) fn count_raise(key: AlarmKey, level: Level, at: EventTime, sink: &mut impl AlarmSink) {
    let AlarmKey { connector, class, .. } = key;
    let is_of_supply =
        class.source() == AlarmSource::Distribution || (class == AlarmClass::SmokeFire && connector.is_none());
    sink.count(key, at, &|counts| {
        counts.alarms_raised[level as usize] += 1;
        counts.alarms_by_source[class.source() as usize] += 1;
        counts.emergency_stops += i64::from(class == AlarmClass::EmergencyStop);
        // Smoke in the station's supply room is told of the station as a whole (domain D10).
        counts.distribution_alarms += i64::from(is_of_supply);
    });
}

/// Counts an alarm that was over at `end_at` when its raising was heard of: there is nothing to publish any more.
pub(super) fn count_passed(
    key: AlarmKey,
    report: &Report<'_>,
    end_at: EventTime,
    sink: &mut impl AlarmSink,
) -> Episode {
    let mut episode = Episode::begin(report);
    count_raise(key, report.level, report.at, sink);
    count_milestones(key, &mut episode, report.grade, report.at, sink);
    count_end(key, &mut episode, Ended::Cleared { ms: end_at.ms() - report.at.ms() }, end_at, sink);
    *episode.side_mut(report.origin) = Side::cleared(end_at);
    episode
}

/// Counts, once in an alarm's life, that insulation was abnormal or failed (domain D4) and that a connector passed its
/// stop temperature (D5).
pub(super) fn count_milestones(
    key: AlarmKey,
    episode: &mut Episode,
    grade: Grade,
    at: EventTime,
    sink: &mut impl AlarmSink,
) {
    if Some(grade) <= episode.counted_grade {
        return;
    }
    episode.counted_grade = Some(grade);
    match (key.class, grade) {
        (AlarmClass::Insulation, Grade::Warn) => sink.count(key, at, &|counts| counts.insulation_abnormal += 1),
        (AlarmClass::Insulation, Grade::Alarm) => sink.count(key, at, &|counts| counts.insulation_fault += 1),
        (AlarmClass::ConnectorOvertemp, Grade::Alarm) => {
            sink.count(key, at, &|counts| counts.connector_overtemps += 1);
        }
        _ => {}
    }
}

/// Counts the end of an alarm. One that goes on after it was counted as cleared is not counted again: only its
/// duration is put right.
pub(super) fn count_end(key: AlarmKey, episode: &mut Episode, how: Ended, at: EventTime, sink: &mut impl AlarmSink) {
    let level = episode.counted_level as usize;
    match (episode.counted_end, how) {
        (None, Ended::Cleared { ms }) => sink.count(key, at, &|counts| {
            counts.alarms_cleared += 1;
            counts.clearances[level] += 1;
            counts.clearance_ms[level] += ms;
            counts.clearance_durations[cell(&DURATION_MS, ms)] += 1;
        }),
        (Some(Ended::Cleared { ms: before }), Ended::Cleared { ms }) if before != ms => {
            sink.count(key, at, &|counts| {
                counts.clearance_ms[level] += ms - before;
                counts.clearance_durations[cell(&DURATION_MS, before)] -= 1;
                counts.clearance_durations[cell(&DURATION_MS, ms)] += 1;
            });
        }
        (None, Ended::Lapsed) => sink.count(key, at, &|counts| counts.alarms_cleared += 1),
        (Some(_), _) => return,
    }
    episode.counted_end = Some(how);
}

impl Pack for Ended {
    fn pack(&self, out: &mut Vec<u8>) {
        let ms = match self {
            Self::Cleared { ms } => Some(*ms),
            Self::Lapsed => None,
        };
        ms.pack(out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Option::unpack(reader)?.map_or(Self::Lapsed, |ms| Self::Cleared { ms }))
    }
}

pack_fields!(Side { level, newest });
pack_fields!(Origins { given, derived });
pack_fields!(Episode {
    since,
    level,
    news,
    given,
    derived,
    counted_level,
    counted_grade,
    counted_end,
    last_origins,
    value,
    threshold,
    code,
    note,
});
