//! From what a station has to say to what arrives: lost, late, repeated, malformed, or kept through an outage and sent
//! afterwards. Every arrival is booked here and nowhere else. It must never change what physically happens.

use std::cmp::{Ordering, Reverse};

use super::fleet::{Due, Fleet, SimMessage, station_topic};
use super::incidents::{ALARMS, Alarm, Level};
use super::payload::{self, Stop, Style};
use super::truth::{Count, Sample};

/// Samples in one array of a backlog.
const BACKLOG_SAMPLES_PER_MESSAGE: u32 = 60;
/// Arrays that a gateway keeps for one connector; what comes later is lost.
const BACKLOG_MESSAGES_MAX: usize = 8;
/// Session and alarm messages that a gateway keeps; what comes later is lost.
const QUEUED_MAX: usize = 4_096;
/// Message buffers kept for reuse.
const SPARE_MAX: usize = 64;

/// A message on its way, held up.
#[derive(Debug)]
pub(super) struct Held {
    pub arrival_ms: i64,
    sequence: u64,
    message: SimMessage,
    station: u32,
    connector: Option<u32>,
    sample: Option<Sample>,
    copy: bool,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.arrival_ms, self.sequence).cmp(&(other.arrival_ms, other.sequence))
    }
}

/// An array of samples that waits for the link.
#[derive(Debug, Clone)]
struct Backlog {
    message: SimMessage,
    first: Sample,
    last: Sample,
    samples: u32,
}

/// A message of QoS 1 that waits for the link.
#[derive(Debug, Clone)]
struct Queued {
    message: SimMessage,
    connector: Option<u32>,
    count: Option<Count>,
}

/// What a station's gateway keeps.
#[derive(Debug, Clone, Default)]
pub(super) struct Link {
    /// Number of outages so far.
    pub outage: u32,
    /// Since when the station has no power, event time; `None` where it only lost its link, or nothing.
    pub dark_since_ms: Option<i64>,
    queue: Vec<Queued>,
    backlog: Vec<Backlog>,
}

impl Fleet {
    /// An empty message of QoS 1 that arrives now.
    fn fresh(&mut self) -> SimMessage {
        let mut message = self.spare.pop().unwrap_or_default();
        message.topic.clear();
        message.payload.clear();
        (message.arrival_ms, message.qos, message.retain, message.json) = (self.now_ms, 1, false, true);
        message
    }

    /// Keeps a message's buffers for reuse.
    pub(super) fn recycle(&mut self, message: SimMessage) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(message);
        }
    }

    /// An empty message on one of a station's own topics.
    fn station_message(&mut self, station: u32, topic: &str) -> SimMessage {
        let mut message = self.fresh();
        message.topic.push_str(&station_topic(&self.plan, &self.built, station));
        message.topic.push_str(topic);
        message
    }

    /// An empty message on one of a connector's topics.
    fn connector_message(&mut self, index: u32, topic: &str) -> SimMessage {
        let mut message = self.fresh();
        message.topic.push_str(self.topics[index as usize].trim_end_matches("telemetry"));
        message.topic.push_str(topic);
        message
    }

    /// A connector takes a sample at event time `event_ms` and tries to send it.
    pub(super) fn sample(&mut self, index: u32, event_ms: i64) {
        let slot = index as usize;
        let gun = &mut self.guns[slot];
        let at_ms = event_ms.max(gun.sampled_ms.saturating_add(1));
        gun.sampled_ms = at_ms;
        if self.silent {
            return;
        }
        let sample = Sample { connector: index, at_ms, registers_wh: gun.registers_wh() };
        let station = gun.station;
        self.ledgers[slot].add(Count::SamplesSent);
        if self.down[station as usize] {
            return self.keep(station, sample);
        }
        let t = &self.plan.transmission;
        let (lost, malformed) = (t.lost_ppm, t.lost_ppm + t.malformed_ppm);
        let (late, overtaken, repeated) = (t.late_ppm, t.late_ppm + t.out_of_order_ppm, t.repeated_ppm);
        let draw = self.noise.below(1_000_000);
        if draw < lost {
            return self.ledgers[slot].add(Count::SamplesLost);
        }
        let mut message = self.fresh();
        message.qos = 0;
        message.topic.push_str(&self.topics[slot]);
        self.write_sample(&mut message.payload, &sample);
        if draw < malformed {
            return self.spoil(message, index);
        }
        let draw = self.noise.below(1_000_000);
        let copied = self.noise.chance_ppm(repeated);
        if draw < overtaken {
            let interval_ms = i64::from(self.plan.interval_ms);
            let delay_ms = if draw < late {
                self.noise.between(500, (interval_ms * 6 / 10).max(501))
            } else {
                self.noise.between(interval_ms + 100, 2 * interval_ms)
            };
            return self.hold(message, delay_ms, station, Some(index), Some(sample), false);
        }
        if copied {
            self.repeat(&message, station, Some(index), Some(sample));
        }
        let ledger = &mut self.ledgers[slot];
        ledger.add(Count::Messages);
        ledger.add(Count::SamplesDelivered);
        ledger.take(&sample);
        self.ready.push_back(message);
    }

    fn write_sample(&mut self, out: &mut Vec<u8>, sample: &Sample) {
        let gun = &self.guns[sample.connector as usize];
        let who = (gun.operator, sample.connector);
        payload::telemetry(
            out,
            &mut self.times,
            Style::of(gun.operator),
            who,
            gun,
            sample.at_ms + i64::from(gun.skew_ms),
        );
    }

    /// Sends something that every decoder must refuse.
    fn spoil(&mut self, mut message: SimMessage, index: u32) {
        let text: &[u8] = match self.noise.below(4) {
            0 => b"{\"status\":\"available\",\"power_kw\":0.0}",
            1 => b"{\"ts\":1767196800000,\"soc_pct\":999.0}",
            2 => b"{\"ts\":1767196800000,\"power_kw\":\"n/a\"}",
            _ => &[],
        };
        // Without a time, out of range, of the wrong type, or cut off in the middle.
        if text.is_empty() {
            message.payload.truncate(message.payload.len() / 2);
        } else {
            message.payload.clear();
            message.payload.extend_from_slice(text);
        }
        message.json = false;
        let ledger = &mut self.ledgers[index as usize];
        ledger.add(Count::Messages);
        ledger.add(Count::Malformed);
        ledger.add(Count::SamplesMalformed);
        self.ready.push_back(message);
    }

    fn hold(
        &mut self,
        mut message: SimMessage,
        delay_ms: i64,
        station: u32,
        connector: Option<u32>,
        sample: Option<Sample>,
        copy: bool,
    ) {
        let arrival_ms = self.now_ms + delay_ms;
        message.arrival_ms = arrival_ms;
        self.sequence += 1;
        let sequence = self.sequence;
        self.held.push(Reverse(Held { arrival_ms, sequence, message, station, connector, sample, copy }));
    }

    fn repeat(&mut self, message: &SimMessage, station: u32, connector: Option<u32>, sample: Option<Sample>) {
        let delay_ms = self.noise.between(20, 5_000);
        self.hold(message.clone(), delay_ms, station, connector, sample, true);
    }

    /// The first held-up message arrives.
    pub(super) fn release(&mut self) {
        let Some(Reverse(held)) = self.held.pop() else { return };
        let ledger = match held.connector {
            Some(index) => &mut self.ledgers[index as usize],
            None => &mut self.station_ledgers[held.station as usize],
        };
        ledger.add(Count::Messages);
        match (&held.sample, held.copy) {
            (Some(sample), false) => {
                ledger.add(Count::SamplesDelivered);
                let newest = ledger.take(sample);
                ledger.add(if newest { Count::Late } else { Count::OutOfOrder });
            }
            (sample, _) => {
                ledger.add(Count::Repeated);
                if sample.is_some() {
                    ledger.add(Count::SamplesRepeated);
                }
            }
        }
        self.ready.push_back(held.message);
    }

    /// A cut-off station keeps a sample, or loses it where it keeps enough.
    fn keep(&mut self, station: u32, sample: Sample) {
        let index = sample.connector;
        let slot = index as usize;
        let mut link = std::mem::take(&mut self.links[station as usize]);
        let mine = |backlog: &&mut Backlog| backlog.first.connector == index;
        let arrays = link.backlog.iter().filter(|backlog| backlog.first.connector == index).count();
        let open =
            link.backlog.iter_mut().rev().find(mine).filter(|backlog| backlog.samples < BACKLOG_SAMPLES_PER_MESSAGE);
        if let Some(backlog) = open {
            backlog.message.payload.push(b',');
            self.write_sample(&mut backlog.message.payload, &sample);
            backlog.last = sample;
            backlog.samples += 1;
        } else if arrays < BACKLOG_MESSAGES_MAX {
            let mut message =
                SimMessage { topic: self.topics[slot].to_string(), qos: 1, json: true, ..SimMessage::default() };
            message.payload.push(b'[');
            self.write_sample(&mut message.payload, &sample);
            link.backlog.push(Backlog { message, first: sample, last: sample, samples: 1 });
        } else {
            self.ledgers[slot].add(Count::SamplesLost);
        }
        self.links[station as usize] = link;
    }

    /// Sends what a station kept of its samples.
    pub(super) fn send_backlog(&mut self, station: u32) {
        if self.down[station as usize] {
            return;
        }
        for mut kept in std::mem::take(&mut self.links[station as usize].backlog) {
            kept.message.payload.push(b']');
            kept.message.arrival_ms = self.now_ms;
            let ledger = &mut self.ledgers[kept.first.connector as usize];
            ledger.add(Count::Messages);
            ledger.add(Count::Backfilled);
            ledger.add_n(Count::SamplesDelivered, kept.samples);
            ledger.take(&kept.first);
            ledger.take(&kept.last);
            self.ready.push_back(kept.message);
        }
    }

    /// Sends a message of QoS 1, now or when the link is back; `count` is booked when it arrives.
    fn assure(&mut self, message: SimMessage, station: u32, connector: Option<u32>, count: Option<Count>) {
        if self.down[station as usize] {
            let queue = &mut self.links[station as usize].queue;
            if queue.len() < QUEUED_MAX {
                queue.push(Queued { message, connector, count });
            }
            return;
        }
        if self.noise.chance_ppm(self.plan.transmission.repeated_ppm) && !message.retain {
            self.repeat(&message, station, connector, None);
        }
        self.arrive(message, station, connector, count);
    }

    fn arrive(&mut self, message: SimMessage, station: u32, connector: Option<u32>, count: Option<Count>) {
        let ledger = match connector {
            Some(index) => &mut self.ledgers[index as usize],
            None => &mut self.station_ledgers[station as usize],
        };
        ledger.add(Count::Messages);
        if let Some(count) = count {
            ledger.add(count);
        }
        self.ready.push_back(message);
    }

    /// A session's event; `stop` with it where it ends.
    pub(super) fn session_event(&mut self, index: u32, event_ms: i64, event: &str, stop: Option<&Stop>, count: Count) {
        if self.silent {
            return;
        }
        let gun = &self.guns[index as usize];
        let (station, operator, number, skew_ms) = (gun.station, gun.operator, gun.session, i64::from(gun.skew_ms));
        let mut message = self.connector_message(index, "session");
        let who = (operator, index, number);
        payload::session(
            &mut message.payload,
            &mut self.times,
            Style::of(operator),
            who,
            event_ms + skew_ms,
            event,
            stop,
        );
        self.assure(message, station, Some(index), Some(count));
    }

    /// A connector raises or clears an alarm of the table.
    pub(super) fn gun_alarm(&mut self, index: u32, event_ms: i64, alarm: u8, raised: bool) {
        if self.silent {
            return;
        }
        let message = self.connector_message(index, "alarm");
        let station = self.guns[index as usize].station;
        self.alarm(message, event_ms, (station, Some(index)), &ALARMS[usize::from(alarm) % ALARMS.len()], raised);
    }

    /// A station raises or clears an alarm of its own.
    pub(super) fn station_alarm(&mut self, station: u32, event_ms: i64, alarm: &Alarm, raised: bool) {
        if self.silent {
            return;
        }
        let message = self.station_message(station, "alarm");
        self.alarm(message, event_ms, (station, None), alarm, raised);
    }

    fn alarm(&mut self, mut message: SimMessage, event_ms: i64, who: (u32, Option<u32>), alarm: &Alarm, raised: bool) {
        let station = &self.built.stations[who.0 as usize];
        let (style, ts_ms) = (Style::of(station.operator), event_ms + station.skew_ms);
        payload::alarm(&mut message.payload, &mut self.times, style, ts_ms, alarm, raised);
        let count = match (raised, alarm.level) {
            (false, _) => Count::Cleared,
            (true, Level::Personal) => Count::RaisedPersonal,
            (true, Level::Equipment) => Count::RaisedEquipment,
            (true, Level::Notice) => Count::RaisedNotice,
        };
        self.assure(message, who.0, who.1, Some(count));
    }

    /// A station's retained status, sent by itself or, as its will, by the broker.
    pub(super) fn station_status(&mut self, station: u32, online: bool) {
        if self.silent {
            return;
        }
        let mut message = self.station_message(station, "status");
        message.payload.extend_from_slice(if online { b"online" } else { b"offline" });
        (message.retain, message.json) = (true, false);
        self.arrive(message, station, None, None);
    }

    /// A station says what it is.
    pub(super) fn register(&mut self, station: u32, event_ms: i64) {
        if self.silent {
            return;
        }
        let online = !self.down[station as usize];
        self.station_status(station, online);
        let mut message = self.station_message(station, "info");
        message.retain = true;
        let plate = &self.built.stations[station as usize];
        let (style, ts_ms) = (Style::of(plate.operator), event_ms + plate.skew_ms);
        payload::info(&mut message.payload, &mut self.times, style, &self.built, plate, ts_ms);
        self.arrive(message, station, None, None);
    }

    /// A station's link is back at event time `event_ms`: it says so and sends what it kept.
    pub(super) fn reconnect(&mut self, station: u32, event_ms: i64) {
        self.down[station as usize] = false;
        self.register(station, event_ms);
        for mut queued in std::mem::take(&mut self.links[station as usize].queue) {
            queued.message.arrival_ms = self.now_ms;
            self.arrive(queued.message, station, queued.connector, queued.count);
        }
        if Style::of(self.built.stations[station as usize].operator).backlog_first {
            self.send_backlog(station);
        } else {
            let later_ms = event_ms + i64::from(self.plan.interval_ms) + 2_000;
            self.set_timer(station, later_ms, Due::Backlog { station });
        }
    }
}
