//! The open alarms of a shard, each once, whoever says that it stands. An alarm is counted when it is first raised
//! and once when it ends; what the station gives and what telemetry shows are two origins of the same alarm, which
//! ends when neither says so any more. Iteration is in the order of the keys, so nothing depends on a hash; the book
//! never grows beyond its limits.

mod pack;

pub(crate) use pack::StationAlarms;

use std::collections::{BTreeMap, BTreeSet};

use super::change::{AlarmChange, AlarmKey, AlarmSink};
use super::episode::{Ended, Episode, Origin, Report, count_end, count_milestones, count_passed, count_raise};
use super::indicator::Grade;
use super::monitor::DerivedAlarm;
use super::thresholds::Thresholds;
use crate::alarm::{AlarmClass, Level};
use crate::observation::AlarmReport;
use crate::scope::StationIndex;
use crate::time::EventTime;

/// How much the book holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLimits {
    /// Open alarms; what would be one more is refused and counted.
    pub open_max: usize,
    /// Ended alarms remembered for telling repetitions; the one that ended first is forgotten first.
    pub ended_max: usize,
}

impl Default for BookLimits {
    fn default() -> Self {
        Self { open_max: 100_000, ended_max: 100_000 }
    }
}

/// The open alarms of one station at a point in time, by level in the order of [`Level::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many there are.
    pub open: [i64; 3],
    /// How long they have been open, summed up, ms.
    pub open_ms: [i64; 3],
}

/// An alarm that is over, or (`episode` is `None`) a clearing that came before its raising.
#[derive(Clone, Debug)]
struct Past {
    at: EventTime,
    episode: Option<Episode>,
}

/// The alarms of a shard.
#[derive(Clone, Debug)]
pub struct AlarmBook {
    merge_ms: i64,
    expire_ms: i64,
    limits: BookLimits,
    open: BTreeMap<AlarmKey, Episode>,
    ended: BTreeMap<AlarmKey, Past>,
    /// The keys of `ended`, the one that ended first in front.
    ended_order: BTreeSet<(EventTime, AlarmKey)>,
    refused: u64,
}

impl AlarmBook {
    /// An empty book.
    #[must_use]
    pub fn new(thresholds: &Thresholds, limits: BookLimits) -> Self {
        Self {
            merge_ms: thresholds.merge_ms,
            expire_ms: thresholds.expire_ms,
            limits,
            open: BTreeMap::new(),
            ended: BTreeMap::new(),
            ended_order: BTreeSet::new(),
            refused: 0,
        }
    }

    /// Takes in what a station says. Its level wins over the class's own.
    pub fn given(
        &mut self,
        station: StationIndex,
        connector: Option<u32>,
        alarm: &AlarmReport<'_>,
        sink: &mut impl AlarmSink,
    ) {
        let level = alarm.level.unwrap_or(alarm.class.default_level());
        // A station does not say which limit was passed; only the gravest level of a hot connector tells.
        let is_beyond_stop = alarm.class == AlarmClass::ConnectorOvertemp && level == Level::Personal;
        let report = Report {
            at: alarm.at,
            origin: Origin::Given,
            raised: alarm.raised,
            level,
            grade: if is_beyond_stop { Grade::Alarm } else { Grade::Warn },
            value: alarm.value,
            threshold: None,
            code: alarm.code,
            note: alarm.note,
        };
        self.report(AlarmKey { station, connector, class: alarm.class }, &report, sink);
    }

    /// Takes in what a monitor found.
    pub fn derived(&mut self, station: StationIndex, connector: u32, alarm: &DerivedAlarm, sink: &mut impl AlarmSink) {
        let report = Report {
            grade: alarm.grade,
            value: alarm.value,
            threshold: alarm.threshold,
            ..Report::derived(alarm.at, alarm.raised, alarm.level)
        };
        self.report(AlarmKey { station, connector: Some(connector), class: alarm.class }, &report, sink);
    }

    /// A connector (or the whole station) fell silent while it was charging.
    pub fn communication_lost(
        &mut self,
        station: StationIndex,
        connector: Option<u32>,
        at: EventTime,
        sink: &mut impl AlarmSink,
    ) {
        self.noticed(AlarmKey { station, connector, class: AlarmClass::CommunicationLost }, at, true, None, sink);
    }

    /// It is heard of again. Costs a look-up where nothing was lost.
    pub fn communication_restored(
        &mut self,
        station: StationIndex,
        connector: Option<u32>,
        at: EventTime,
        sink: &mut impl AlarmSink,
    ) {
        self.noticed(AlarmKey { station, connector, class: AlarmClass::CommunicationLost }, at, false, None, sink);
    }

    /// A connector's energy register went down by `fallen_j`.
    pub fn register_backward(
        &mut self,
        station: StationIndex,
        connector: u32,
        at: EventTime,
        fallen_j: i64,
        sink: &mut impl AlarmSink,
    ) {
        let key = AlarmKey { station, connector: Some(connector), class: AlarmClass::RegisterBackward };
        self.noticed(key, at, true, Some(crate::unit::kwh_from_joules(fallen_j)), sink);
    }

    /// The register runs forward again. Costs a look-up where it never ran backward.
    pub fn register_forward(
        &mut self,
        station: StationIndex,
        connector: u32,
        at: EventTime,
        sink: &mut impl AlarmSink,
    ) {
        let key = AlarmKey { station, connector: Some(connector), class: AlarmClass::RegisterBackward };
        self.noticed(key, at, false, None, sink);
    }

    fn noticed(&mut self, key: AlarmKey, at: EventTime, raised: bool, value: Option<f64>, sink: &mut impl AlarmSink) {
        let report = Report { value, ..Report::derived(at, raised, key.class.default_level()) };
        self.report(key, &report, sink);
    }

    /// Closes alarms that had no news for too long before `now`, each at the time when it lapsed.
    ///
    /// `now` is a point before which no report is accepted any more; news that came later than this call would find
    /// its alarm ended.
    pub fn lapse(&mut self, now: EventTime, sink: &mut impl AlarmSink) {
        let due: Vec<(AlarmKey, EventTime)> = self
            .open
            .iter()
            .map(|(&key, episode)| (key, self.lapses_at(episode)))
            .filter(|&(_, at)| at <= now)
            .collect();
        for (key, at) in due {
            self.end(key, at, Ended::Lapsed, sink);
        }
    }

    /// Closes the alarms of a connector, or of a whole station with all its connectors, that left service at `at`.
    pub fn withdraw(
        &mut self,
        station: StationIndex,
        connector: Option<u32>,
        at: EventTime,
        sink: &mut impl AlarmSink,
    ) {
        let first = AlarmKey { station, connector, class: AlarmClass::ALL[0] };
        let keys: Vec<AlarmKey> = self
            .open
            .range(first..)
            .map(|(&key, _)| key)
            .take_while(|key| key.station == station && (connector.is_none() || key.connector == connector))
            .collect();
        for key in keys {
            let since = self.open.get(&key).map_or(at, |episode| episode.since);
            self.end(key, at.max(since), Ended::Lapsed, sink);
        }
    }

    /// The open alarms of each station that has any, as they stand at `at`, in the order of the stations.
    pub fn standing(&self, at: EventTime, mut each: impl FnMut(StationIndex, Standing)) {
        let mut current: Option<(StationIndex, Standing)> = None;
        for (key, episode) in &self.open {
            if episode.since > at || self.lapses_at(episode) <= at {
                continue;
            }
            if let Some((station, standing)) = current.filter(|(station, _)| *station != key.station) {
                each(station, standing);
                current = None;
            }
            let (_, standing) = current.get_or_insert((key.station, Standing::default()));
            let level = episode.level as usize;
            standing.open[level] += 1;
            standing.open_ms[level] += at.ms() - episode.since.ms();
        }
        if let Some((station, standing)) = current {
            each(station, standing);
        }
    }

    /// All open alarms as they were last published, for a broker that lost them.
    pub fn open(&self) -> impl Iterator<Item = AlarmChange> {
        self.open.iter().map(|(&key, episode)| episode.change(key, episode.news, true))
    }

    /// How many alarms are open.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// How many alarms found no room.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    fn lapses_at(&self, episode: &Episode) -> EventTime {
        EventTime::from_ms(episode.news.ms().saturating_add(self.expire_ms))
    }

    fn report(&mut self, key: AlarmKey, report: &Report<'_>, sink: &mut impl AlarmSink) {
        let lapsed = self.open.get(&key).map(|episode| self.lapses_at(episode)).filter(|&at| at <= report.at);
        if let Some(at) = lapsed {
            self.end(key, at, Ended::Lapsed, sink);
        }
        match (report.raised, self.open.contains_key(&key)) {
            (true, true) => self.raise_again(key, report, sink),
            (true, false) => self.raise(key, report, sink),
            (false, true) => self.clear(key, report, sink),
            (false, false) => self.remember_early_clear(key, report),
        }
    }

    /// An alarm that stands is raised again: by the other origin, at another level, or just once more.
    fn raise_again(&mut self, key: AlarmKey, report: &Report<'_>, sink: &mut impl AlarmSink) {
        let Some(episode) = self.open.get_mut(&key) else { return };
        if !episode.side(report.origin).admits_raise(report.at) {
            return;
        }
        let (level, origins) = (episode.level, episode.origins());
        episode.take_raise(report);
        count_milestones(key, episode, report.grade, report.at, sink);
        if (episode.level, episode.origins()) != (level, origins) {
            sink.publish(episode.change(key, report.at, true));
        }
    }

    fn raise(&mut self, key: AlarmKey, report: &Report<'_>, sink: &mut impl AlarmSink) {
        match self.ended.get_mut(&key) {
            Some(past) if past.episode.is_none() && report.origin == Origin::Given && report.at <= past.at => {
                past.episode = Some(count_passed(key, report, past.at, sink));
                return;
            }
            // What this origin says is older than what it said last.
            Some(Past { episode: Some(same), .. }) if !same.side(report.origin).admits_raise(report.at) => return,
            _ => {}
        }
        if self.open.len() >= self.limits.open_max {
            self.refused += 1;
            return;
        }
        let mut episode = match self.forget(key) {
            Some(Past { at, episode: Some(mut same) }) if report.at.ms() - at.ms() <= self.merge_ms => {
                same.take_raise(report);
                same
            }
            past => {
                count_raise(key, report.level, report.at, sink);
                let mut episode = Episode::begin(report);
                // What the other origin said last still stands against what it said before that.
                match past {
                    Some(Past { episode: Some(before), .. }) => episode.inherit_other(&before, report.origin),
                    Some(Past { at, episode: None }) if report.origin == Origin::Derived => {
                        episode.end_side(Origin::Given, at);
                    }
                    _ => {}
                }
                episode
            }
        };
        count_milestones(key, &mut episode, report.grade, report.at, sink);
        sink.publish(episode.change(key, report.at, true));
        self.open.insert(key, episode);
    }

    fn clear(&mut self, key: AlarmKey, report: &Report<'_>, sink: &mut impl AlarmSink) {
        let Some(episode) = self.open.get_mut(&key) else { return };
        if !episode.side(report.origin).admits_clear(report.at) {
            return;
        }
        let (level, origins) = (episode.level, episode.origins());
        episode.take_clear(report);
        if !episode.origins().any() {
            let at = episode.cleared_at(report.at);
            let ms = at.ms() - episode.since.ms();
            self.end(key, at, Ended::Cleared { ms }, sink);
        } else if (episode.level, episode.origins()) != (level, origins) {
            sink.publish(episode.change(key, report.at, true));
        }
    }

    /// An origin says that what does not stand is over. What it says of earlier times is out of date from now on, and
    /// where a station says so of an alarm never heard of, the raising may still be on the way.
    fn remember_early_clear(&mut self, key: AlarmKey, report: &Report<'_>) {
        match self.ended.get_mut(&key) {
            Some(Past { episode: Some(same), .. }) => same.end_side(report.origin, report.at),
            Some(past) if past.at >= report.at => {}
            _ if report.origin == Origin::Given => self.remember(key, Past { at: report.at, episode: None }),
            _ => {}
        }
    }

    fn end(&mut self, key: AlarmKey, at: EventTime, how: Ended, sink: &mut impl AlarmSink) {
        let Some(mut episode) = self.open.remove(&key) else { return };
        count_end(key, &mut episode, how, at, sink);
        let mut change = episode.change(key, at, false);
        change.lapsed = how == Ended::Lapsed;
        sink.publish(change);
        if how == Ended::Lapsed {
            episode.end_side(Origin::Given, at);
            episode.end_side(Origin::Derived, at);
        }
        self.remember(key, Past { at, episode: Some(episode) });
    }

    fn remember(&mut self, key: AlarmKey, past: Past) {
        self.forget(key);
        self.ended_order.insert((past.at, key));
        self.ended.insert(key, past);
        while self.ended.len() > self.limits.ended_max {
            let Some((_, oldest)) = self.ended_order.pop_first() else { break };
            self.ended.remove(&oldest);
        }
    }

    fn forget(&mut self, key: AlarmKey) -> Option<Past> {
        let past = self.ended.remove(&key)?;
        self.ended_order.remove(&(past.at, key));
        Some(past)
    }
}

#[cfg(test)]
mod tests;
