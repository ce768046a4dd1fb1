//! What the daemon says: summaries, alarms and samples of refused input, each to its topic. Saying never waits.

use std::io;
use std::thread::JoinHandle;

use chargetally_core::safety::Origins;
use chargetally_core::shard::AlarmEvent;
use chargetally_core::time::{ArrivalTime, EventTime};
use chargetally_core::window::{Calendar, Window, WindowKind};
use serde::Serialize;
use tracing::debug;

use crate::dialect::Request;
use crate::dialect::sparkplug::host;
use crate::engine::{Notice, Notices, RejectedSample, Stats};
use crate::publish::assemble::Assembled;
use crate::publish::egress::Publisher;
use crate::publish::outbox::{Entry, Priority};
use crate::publish::payload::{Pattern, Payload};
use crate::publish::record::{
    ALARM_SCHEMA, Alarm, AlarmRecord, COUNTERS_SCHEMA, CountersRecord, Origin, REJECTED_SCHEMA, RejectedRecord,
};
use crate::publish::summary::SCHEMA as SUMMARY_SCHEMA;
use crate::topic::{OutTopic, Root};

/// Where the daemon's words go.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    root: Root,
    /// Where to say whether the daemon is there as a Sparkplug host application.
    host: Option<String>,
    publisher: Publisher,
}

/// How long a broker need keep a request to a station, s.
const REQUEST_EXPIRY_S: u32 = 60;

/// How long a broker need keep a summary, s: as long as anybody would take it for the present one.
const fn expiry_s(kind: WindowKind) -> u32 {
    match kind {
        WindowKind::Minute => 3_600,
        WindowKind::Quarter => 6 * 3_600,
        WindowKind::Hour => 2 * 86_400,
        WindowKind::Day => 40 * 86_400,
        WindowKind::Month => 400 * 86_400,
    }
}

impl Outgoing {
    pub(super) fn new(root: Root, host: Option<String>, publisher: Publisher) -> Self {
        Self { root, host, publisher }
    }

    /// A summary as it goes out, to be retained where nothing newer stands on its topic.
    pub(super) fn summary(&self, window: Window, assembled: Assembled<'_>, pattern: &mut Pattern) -> Entry {
        let topic = self.root.format_out(&OutTopic::Summary { window: window.kind, scope: assembled.scope });
        Entry {
            topic,
            payload: pattern.payload(assembled.payload),
            retain: true,
            priority: Priority::Routine,
            expiry_s: Some(expiry_s(window.kind)),
            schema: SUMMARY_SCHEMA.to_owned(),
        }
    }

    /// Gives out what is safe to be said.
    pub(super) fn send(&self, entry: Entry) {
        self.publisher.publish(entry);
    }

    /// How much waits for the broker.
    pub(super) fn unsent(&self) -> usize {
        self.publisher.report().entries
    }

    /// Gives out an alarm: retained while it stands. What ends is said once, and its topic is cleared.
    pub(super) fn alarm(&self, event: &AlarmEvent, calendar: &Calendar) {
        let AlarmEvent { operator, station, connector, province, change } = event;
        let topic = self.alarm_topic(event);
        let record = AlarmRecord::new(
            &Alarm {
                class: change.key.class,
                level: change.level,
                since: change.since,
                cleared_at: cleared_at(event),
                origin: origin(change.origins),
                value: change.value,
                threshold: change.threshold,
                code: change.code.as_deref(),
                note: change.note.as_deref(),
                province: *province,
                operator,
                station,
                connector: connector.as_deref(),
                at: change.at,
            },
            calendar,
        );
        self.say(topic.clone(), &record, change.raised, Priority::Alarm, ALARM_SCHEMA);
        if !change.raised {
            self.publisher.publish(Entry {
                topic,
                payload: Payload::EMPTY,
                retain: true,
                priority: Priority::Alarm,
                expiry_s: None,
                schema: ALARM_SCHEMA.to_owned(),
            });
        }
    }

    /// The topic that an alarm is retained on.
    pub(super) fn alarm_topic(&self, event: &AlarmEvent) -> String {
        let AlarmEvent { operator, station, connector, province, change } = event;
        self.root.format_out(&OutTopic::Alarm {
            province: *province,
            operator,
            station,
            connector: connector.as_deref(),
            class: change.key.class,
        })
    }

    fn rejected(&self, sample: &RejectedSample, calendar: &Calendar) {
        let RejectedSample { arrival, reject, topic, payload, payload_bytes, count } = sample;
        let record = RejectedRecord::new(*arrival, calendar, reject.reason.name(), topic, payload, *count)
            .cut_from(*payload_bytes);
        self.say(self.root.format_out(&OutTopic::Rejected), &record, false, Priority::Routine, REJECTED_SCHEMA);
    }

    /// Sends what a dialect wants a station to be asked; an answer that comes much later helps nobody.
    fn request(&self, request: Request) {
        debug!(topic = request.topic, "station asked to say everything anew");
        self.publisher.publish(Entry {
            topic: request.topic,
            payload: request.payload.into(),
            retain: false,
            priority: Priority::Routine,
            expiry_s: Some(REQUEST_EXPIRY_S),
            schema: String::new(),
        });
    }

    /// Says, retained, whether the daemon is there as a Sparkplug host application, if it is to be one; `begun_ms` is that
    /// of the last will.
    pub(super) fn host(&self, is_online: bool, begun_ms: i64) {
        let Some(topic) = self.host.clone() else { return };
        let payload = if is_online { host::online(begun_ms) } else { host::offline(begun_ms) };
        self.publisher.publish(Entry {
            topic,
            payload: payload.into(),
            retain: true,
            priority: Priority::Alarm,
            expiry_s: None,
            schema: String::new(),
        });
    }

    /// Gives out the counters, retained.
    pub(super) fn counters(&self, now: ArrivalTime, calendar: &Calendar, stats: &Stats, foreign: u64) {
        let unsent = self.unsent();
        let record = CountersRecord::new(now, calendar, stats, foreign, unsent);
        self.say(self.root.format_out(&OutTopic::Counters), &record, true, Priority::Routine, COUNTERS_SCHEMA);
    }

    fn say(&self, topic: String, record: &impl Serialize, retain: bool, priority: Priority, schema: &str) {
        // These records hold strings and numbers only; there is nothing in them that cannot be written.
        let Ok(payload) = serde_json::to_vec(record) else { return };
        self.publisher.publish(Entry {
            topic,
            payload: payload.into(),
            retain,
            priority,
            expiry_s: None,
            schema: schema.to_owned(),
        });
    }

    /// Starts the thread that gives out what workers say, at once and beside everything else. It ends with the engine.
    pub(super) fn speak(&self, notices: Option<Notices>, calendar: Calendar) -> io::Result<JoinHandle<()>> {
        let outgoing = self.clone();
        std::thread::Builder::new().name("speaker".to_owned()).spawn(move || {
            let Some(notices) = notices else { return };
            notices.say(|notice| match notice {
                Notice::Alarm(event) => outgoing.alarm(&event, &calendar),
                Notice::Rejected(sample) => outgoing.rejected(&sample, &calendar),
                Notice::Request(request) => outgoing.request(request),
            });
        })
    }
}

fn cleared_at(event: &AlarmEvent) -> Option<EventTime> {
    (!event.change.raised).then_some(event.change.at)
}

/// What the station says itself goes before what was derived here.
fn origin(origins: Origins) -> Origin {
    if origins.given { Origin::Given } else { Origin::Derived }
}
