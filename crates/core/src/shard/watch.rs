//! What must not wait for a window's end: alarms that stations give, alarms found in telemetry, and connectors that
//! fall silent while they charge. Sessions are kept here too, for they are told by events as alarms are.

use std::cmp::Reverse;

use super::dirty::Dirty;
use super::registry::{Connector, Station};
use super::{Shard, Verdict};
use crate::book::Book;
use crate::config::SourceIndex;
use crate::observation::{AlarmReport, Sample, SessionEvent, SessionStep, StationKey};
use crate::registration::Current;
use crate::safety::{AlarmChange, AlarmKey, AlarmSink, ConnectorMonitor, Finding, Situation};
use crate::scope::StationIndex;
use crate::sessions::{ConnectorSessions, Taken};
use crate::slim::Slim;
use crate::state::State;
use crate::tally::EventCounts;
use crate::time::{ArrivalTime, EventTime};

/// An alarm that was raised, changed or cleared, with the names of whom it concerns.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AlarmEvent {
    pub operator: Box<str>,
    pub station: Box<str>,
    /// None where the alarm concerns the station as a whole.
    pub connector: Option<Box<str>>,
    /// 2-digit province; 0 where the station gave no area.
    pub province: u8,
    pub change: AlarmChange,
}

/// Where the alarm book's words go: counts into the book, changes out.
struct Desk<'a> {
    book: &'a mut Book,
    stations: &'a [Station],
    connectors: &'a [Connector],
    operators: &'a [Box<str>],
    out: &'a mut Vec<AlarmEvent>,
    dirty: &'a mut Dirty,
}

impl AlarmSink for Desk<'_> {
    fn publish(&mut self, change: AlarmChange) {
        self.dirty.mark(change.key.station);
        let station = &self.stations[change.key.station.0 as usize];
        let area = station.master.as_ref().and_then(|master| master.area);
        self.out.push(AlarmEvent {
            operator: self.operators[station.operator as usize].clone(),
            station: station.id.clone(),
            connector: change.key.connector.map(|index| station.ids.at(self.connectors[index as usize].id).into()),
            province: area.map_or(0, |area| area.province()),
            change,
        });
    }

    fn count(&mut self, key: AlarmKey, at: EventTime, add: &dyn Fn(&mut EventCounts)) {
        let slot = match key.connector {
            Some(index) => self.connectors[index as usize].slot,
            None => self.stations[key.station.0 as usize].slot,
        };
        add(self.book.at(at.bucket(), slot).events.get_mut());
    }
}

/// Borrows the alarm book and the desk it speaks at, which are different fields of a shard.
macro_rules! alarms_and_desk {
    ($shard:ident) => {{
        let Shard { alarms, book, stations, connectors, operators, alarm_events, dirty, .. } = $shard;
        (alarms, Desk { book, stations, connectors, operators, out: alarm_events, dirty })
    }};
}

impl Shard {
    /// The alarms that were raised, changed or cleared since this was last asked.
    pub fn take_alarms(&mut self) -> Vec<AlarmEvent> {
        std::mem::take(&mut self.alarm_events)
    }

    /// All alarms that stand, as they were last given out: for a broker that lost what it had retained.
    #[must_use]
    pub fn open_alarms(&mut self) -> Vec<AlarmEvent> {
        let mut standing = Vec::new();
        let changes: Vec<AlarmChange> = self.alarms.open().collect();
        let Self { book, stations, connectors, operators, .. } = self;
        // Saying again what stands changes nothing.
        let dirty = &mut Dirty::default();
        let mut desk = Desk { book, stations, connectors, operators, out: &mut standing, dirty };
        for change in changes {
            desk.publish(change);
        }
        standing
    }

    /// Alarms that found no room.
    #[must_use]
    pub fn alarms_refused(&self) -> u64 {
        self.alarms.refused()
    }

    /// From when on messages are heard, or that they are not: a station is silent only where somebody listens. What was
    /// sent while nobody did gets the longest hold to arrive before silence is judged again. A new shard listens.
    pub fn listen(&mut self, since: Option<ArrivalTime>) {
        let hold_ms = self.config.sources.iter().map(|source| source.hold_ms).max().unwrap_or(0);
        self.silence_from_ms = since.map_or(i64::MAX, |since| since.ms().saturating_add(hold_ms));
    }

    /// Finds what has come to pass by `now` without any message: connectors silent while they charge, and alarms that
    /// had no news for too long.
    pub fn tick(&mut self, now: ArrivalTime) {
        if now.ms() >= self.silence_from_ms {
            self.judge_silence(now);
        }
        let horizon = EventTime::from_ms(now.ms() - self.config.late_limit_ms);
        if horizon.bucket() > self.lapse_checked {
            self.lapse_checked = horizon.bucket();
            let (alarms, mut desk) = alarms_and_desk!(self);
            alarms.lapse(horizon, &mut desk);
        }
    }

    fn judge_silence(&mut self, now: ArrivalTime) {
        while let Some(&Reverse((due_ms, index))) = self.silence_due.peek() {
            if due_ms > now.ms() {
                break;
            }
            self.silence_due.pop();
            let connector = &mut self.connectors[index as usize];
            connector.silence_due_ms = Slim::NONE;
            let held_until_ms = connector.timeline.held_until_ms();
            let station = StationIndex(connector.station);
            if connector.timeline.has_ended() || !connector.timeline.says_charging() {
                continue;
            }
            if held_until_ms > now.ms() {
                connector.silence_due_ms = Some(held_until_ms).into();
                self.silence_due.push(Reverse((held_until_ms, index)));
                continue;
            }
            connector.noticed = true;
            self.dirty.mark(station);
            let (alarms, mut desk) = alarms_and_desk!(self);
            alarms.communication_lost(station, Some(index), EventTime::from_ms(held_until_ms), &mut desk);
        }
    }

    /// When [`tick`](Self::tick) has something to find next, ms; `None` where nothing is awaited.
    #[must_use]
    pub fn next_tick_ms(&self) -> Option<i64> {
        self.silence_due.peek().map(|&Reverse((due_ms, _))| due_ms)
    }

    /// Watches over a sample that is the newest of its connector now. `fallen_j` is by how much the import register
    /// went down.
    pub(super) fn watch(&mut self, index: u32, source: SourceIndex, sample: &Sample<'_>, fallen_j: Option<i64>) {
        let hold_ms = self.config.sources[usize::from(source.0)].hold_ms;
        let connector = &mut self.connectors[index as usize];
        let state = State::of_sample(sample.status, sample.power_w);
        let rated_w = connector.timeline.rated_w_at(sample.at.ms());
        let (station, slot) = (StationIndex(connector.station), connector.slot);
        if state == State::Charging && connector.silence_due_ms.is_none() {
            let due_ms = connector.timeline.held_until_ms();
            connector.silence_due_ms = Some(due_ms).into();
            self.silence_due.push(Reverse((due_ms, index)));
        }

        connector.noticed |= fallen_j.is_some();
        let may_end = connector.noticed;
        let mut found = Vec::new();
        let situation = Situation { state, rated_w, hold_ms };
        if connector.monitor.is_none() && ConnectorMonitor::is_needed(&situation, sample, &self.config.thresholds) {
            connector.monitor = Some(Box::default());
        }
        if let Some(monitor) = &mut connector.monitor {
            let book = &mut self.book;
            monitor.observe(&situation, sample, &self.config.thresholds, &mut |finding| match finding {
                Finding::Alarm(alarm) => found.push(alarm),
                Finding::BatteryEpisode { at } => book.bms_episode(at.bucket(), slot),
                other => other.add_to(book.at(other.at().bucket(), slot).events.get_mut()),
            });
        }
        let (alarms, mut desk) = alarms_and_desk!(self);
        for alarm in &found {
            alarms.derived(station, index, alarm, &mut desk);
        }
        match fallen_j {
            Some(fallen_j) => alarms.register_backward(station, index, sample.at, fallen_j, &mut desk),
            None if may_end && sample.import_j.is_some() => {
                alarms.register_forward(station, index, sample.at, &mut desk);
            }
            None => {}
        }
        if may_end {
            alarms.communication_restored(station, Some(index), sample.at, &mut desk);
        }
    }

    /// The connector left service: its alarms go with it.
    pub(super) fn unwatch(&mut self, index: u32, at: EventTime) {
        let connector = &mut self.connectors[index as usize];
        connector.monitor = None;
        let station = StationIndex(connector.station);
        let (alarms, mut desk) = alarms_and_desk!(self);
        alarms.withdraw(station, Some(index), at, &mut desk);
    }

    /// An alarm that a station gives.
    pub(super) fn alarm(
        &mut self,
        arrival: ArrivalTime,
        key: StationKey<'_>,
        connector: Option<&str>,
        alarm: &AlarmReport<'_>,
    ) -> Verdict {
        if let Some(verdict) = self.untimely(alarm.at, arrival) {
            return self.refuse(arrival, key, connector, verdict);
        }
        let known = match connector {
            Some(connector) => self.known_or_new(key, connector).map(Some),
            None => self.known_or_new_station(key).map(|_| None),
        };
        let index = match known {
            Ok(index) => index,
            Err(limit) => return self.refuse(arrival, key, connector, Verdict::Limit(limit)),
        };
        let Some(station) = self.find_station(key) else { return Verdict::Accepted };
        self.stations[station as usize].alarm_feed = true;
        let slot = match index {
            Some(index) => {
                let connector = &mut self.connectors[index as usize];
                connector.noticed = true;
                connector.slot
            }
            None => self.station(station).slot,
        };
        let (alarms, mut desk) = alarms_and_desk!(self);
        alarms.given(StationIndex(station), index, alarm, &mut desk);
        self.count((StationIndex(station), slot), alarm.at, arrival, Verdict::Accepted)
    }

    /// A step of a session. It makes the connector known, but starts no timeline: it says nothing about its state.
    pub(super) fn session(
        &mut self,
        arrival: ArrivalTime,
        key: StationKey<'_>,
        connector: &str,
        event: &SessionEvent<'_>,
    ) -> Verdict {
        if let Some(verdict) = self.untimely(event.at, arrival) {
            return self.refuse(arrival, key, Some(connector), verdict);
        }
        let index = match self.known_or_new(key, connector) {
            Ok(index) => index,
            Err(limit) => return self.refuse(arrival, key, Some(connector), Verdict::Limit(limit)),
        };
        let entry = &mut self.connectors[index as usize];
        let (book, slot, station) = (&mut self.book, entry.slot, StationIndex(entry.station));
        let direct_current = entry.spec.is_some_and(|spec| spec.current == Some(Current::Dc));
        let sessions: &mut ConnectorSessions = entry.sessions.get_or_insert_default();
        let taken =
            sessions.observe(event, direct_current, self.config.limits.sessions_per_connector, &mut |at, add| {
                add(book.at(at.bucket(), slot).events.get_mut());
            });
        if event.step == SessionStep::Start {
            entry.last_flow_ms = entry.last_flow_ms.get().max(Some(event.at.ms())).into();
        }
        let verdict = match taken {
            Taken::Accepted => Verdict::Accepted,
            Taken::Duplicate => Verdict::Duplicate,
        };
        self.count((station, slot), event.at, arrival, verdict)
    }
}
