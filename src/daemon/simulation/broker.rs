//! A broker by plan: on one side it keeps what stations sent until it is acknowledged, a bounded number under way at
//! once, and sends it again in order on the next connection; on the other it retains what the daemon says, and keeps a
//! record of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use bytes::Bytes;

use super::fleet::Published;
use crate::mqtt::{AckToken, Incoming, Qos};
use crate::publish::outbox::Entry;

/// The broker's side of the subscribing connection.
pub(super) struct Sender {
    /// Counts the connections.
    link: u64,
    is_connected: bool,
    in_flight_max: usize,
    /// What was sent and not acknowledged, in order, by packet id.
    in_flight: VecDeque<(u16, Rc<Published>)>,
    /// What is still to be sent, in order.
    waiting: VecDeque<Rc<Published>>,
    last_packet: u16,
}

impl Sender {
    pub(super) fn new(in_flight_max: usize) -> Self {
        Self {
            link: 0,
            is_connected: false,
            in_flight_max,
            in_flight: VecDeque::new(),
            waiting: VecDeque::new(),
            last_packet: 0,
        }
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// A station sent something: what is not to be kept is lost while nobody is there.
    pub(super) fn publish(&mut self, message: Rc<Published>) {
        if message.is_kept || self.is_connected {
            self.waiting.push_back(message);
        }
    }

    pub(super) fn connect(&mut self) {
        self.link += 1;
        self.is_connected = true;
    }

    /// What is under way is to be sent again, before everything else.
    pub(super) fn disconnect(&mut self) {
        self.is_connected = false;
        while let Some((_, message)) = self.in_flight.pop_back() {
            self.waiting.push_front(message);
        }
        self.waiting.retain(|message| message.is_kept);
    }

    /// Sends the next messages, so many at most.
    pub(super) fn send(&mut self, count: usize, arrival_ms: i64) -> Vec<Incoming> {
        let mut sent = Vec::new();
        while self.is_connected && sent.len() < count {
            let Some(next) = self.waiting.front() else { break };
            if next.is_kept && self.in_flight.len() >= self.in_flight_max {
                break;
            }
            let Some(message) = self.waiting.pop_front() else { break };
            let ack = message.is_kept.then(|| {
                self.last_packet = self.last_packet % u16::MAX + 1;
                self.in_flight.push_back((self.last_packet, Rc::clone(&message)));
                AckToken::new(self.link, self.last_packet)
            });
            sent.push(Incoming {
                topic: Bytes::copy_from_slice(message.topic.as_bytes()),
                payload: Bytes::copy_from_slice(message.payload.as_bytes()),
                qos: if message.is_kept { Qos::AtLeastOnce } else { Qos::AtMostOnce },
                retain: false,
                duplicate: false,
                arrival_ms,
                ack,
            });
        }
        sent
    }

    /// A message was acknowledged; what another link gave out means nothing.
    pub(super) fn acknowledged(&mut self, token: AckToken) {
        if token.link() == self.link && self.is_connected {
            self.in_flight.retain(|&(packet, _)| AckToken::new(self.link, packet) != token);
        }
    }
}

/// Which summary a payload is: topic, start and revision.
pub(super) type SummaryKey = (String, String, String);

/// Which summary this is, where it is one.
pub(super) fn summary_key(entry: &Entry) -> Option<SummaryKey> {
    if entry.schema != crate::publish::summary::SCHEMA {
        return None;
    }
    let bytes = entry.payload.bytes();
    let text = std::str::from_utf8(&bytes).ok()?;
    let cut = |name: &str| {
        let from = text.find(name)? + name.len();
        let length = text[from..].find([',', '}'])?;
        Some(text[from..from + length].to_owned())
    };
    Some((entry.topic.clone(), cut("\"start\":")?, cut("\"revision\":")?))
}

/// What the broker heard from the daemon.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) retained: BTreeMap<String, Entry>,
    /// Every summary.
    pub(super) summaries: HashMap<SummaryKey, Bytes>,
    /// Every alarm's topic and payload.
    pub(super) alarms: Vec<(String, Bytes)>,
}

impl Heard {
    /// Takes in a message.
    ///
    /// # Errors
    /// It is a summary that was said before, with another content.
    pub(super) fn hear(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.retain {
            if entry.payload.bytes().is_empty() {
                self.retained.remove(&entry.topic);
            } else {
                self.retained.insert(entry.topic.clone(), entry.clone());
            }
        }
        if let Some(key) = summary_key(entry) {
            let before = self.summaries.insert(key.clone(), entry.payload.bytes());
            if before.is_some_and(|before| before != entry.payload.bytes()) {
                return Err(format!("{key:?} was said twice with different content"));
            }
        } else if entry.schema == crate::publish::record::ALARM_SCHEMA && !entry.payload.bytes().is_empty() {
            self.alarms.push((entry.topic.clone(), entry.payload.bytes()));
        }
        Ok(())
    }
}
