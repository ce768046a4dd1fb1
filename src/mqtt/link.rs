//! One network connection to a broker: a task that only polls the client, and a handle that never awaits that task.
//!
//! Requests (subscribe, publish, acknowledge, disconnect) are put on the client's bounded queues without waiting, and
//! fail when these are full; events come back over a bounded channel, so that a slow owner stops the polling and with
//! it the socket. The link must never reconnect: after [`Event::Disconnected`] it is over.

use super::{
    AckToken, Clock, Endpoint, Event, Filter, FilterResult, Incoming, Outgoing, PublishResult, Qos, ServerLimits,
    Version, Why, Will, v5, v311,
};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Events between the polling task and the owner of the link; beyond it, polling stops.
const EVENTS_MAX: usize = 1024;
/// Events that go to the owner at once where so many are there already: one at a time costs more than the rest of it.
const EVENTS_AT_ONCE: usize = 64;
/// Requests waiting for the polling task: room for an acknowledgement of every packet id there is, and some.
pub(super) const REQUESTS_MAX: usize = 65_536 + 1_024;
/// Requests that the polling task writes before it flushes: acknowledgements come in runs, and a system call for each costs
/// more than everything else about them.
pub(super) const REQUESTS_AT_ONCE: usize = 256;
/// Bytes of a PUBLISH packet that are neither topic, payload nor property: header, lengths and packet id, and more.
const PUBLISH_OVERHEAD_BYTES: usize = 64;
/// A filter that nobody subscribes to: taking it back is the least request that every broker answers.
pub(super) const PULSE_FILTER: &str = "chargetally/none";
/// How long an orderly disconnect may wait for what is in flight.
const DISCONNECT_DRAIN: Duration = Duration::from_secs(1);

/// The endpoint cannot work until a person changes the settings.
#[derive(Debug)]
pub enum ConfigError {
    /// The settings ask for TLS and this build has none.
    TlsNotBuiltIn,
    /// A file for TLS cannot be read.
    TlsFile {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// The trust store or a value does not fit.
    Invalid(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TlsNotBuiltIn => out.write_str("tls is configured, but this build has the feature `tls` off"),
            Self::TlsFile { path, .. } => write!(out, "cannot read the tls file {}", path.display()),
            Self::Invalid(text) => write!(out, "mqtt connection settings do not fit: {text}"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TlsFile { source, .. } => Some(source),
            Self::TlsNotBuiltIn | Self::Invalid(_) => None,
        }
    }
}

/// A request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// As much is in flight as may be: try again after the next event.
    Full,
    /// The link is over.
    Closed,
    /// The topic or filter is no valid one, or the acknowledgement is of another link: never try again.
    Invalid,
    /// The broker does not take packets of this size: never try again.
    TooLarge,
}

impl fmt::Display for SendError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Full => "too much is in flight",
            Self::Closed => "the connection is over",
            Self::Invalid => "not a valid request on this connection",
            Self::TooLarge => "larger than the broker takes",
        })
    }
}

impl std::error::Error for SendError {}

/// What the polling task reports; packet ids are not yet tokens.
#[derive(Debug)]
pub(super) enum Wire {
    Connected {
        session_present: bool,
        limits: ServerLimits,
    },
    SubAck(Vec<Result<Qos, String>>),
    Message(Incoming),
    /// A QoS 1 publish left, in the order of the requests.
    Sent(u16),
    Acked(u16, PublishResult),
    Closed(Why),
}

/// What the polling task needs to build an [`Incoming`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) link: u64,
    pub(super) clock: Clock,
}

/// The polling task's end of the events: what is there already goes together, and nothing is kept back while the task
/// waits.
#[derive(Debug)]
pub(super) struct Events {
    out: mpsc::Sender<Vec<Wire>>,
    gathered: Vec<Wire>,
}

impl Events {
    fn new() -> (Self, mpsc::Receiver<Vec<Wire>>) {
        let (out, events) = mpsc::channel(EVENTS_MAX / EVENTS_AT_ONCE);
        (Self { out, gathered: Vec::new() }, events)
    }

    /// Waits for what the client has next, after handing over what is gathered. `None`: nobody takes it any more. The
    /// future stays where it is: it is large, and moving it costs as much as reading a message.
    pub(super) async fn wait<T>(&mut self, mut next: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let here = poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await;
        match here {
            Poll::Ready(event) => Some(event),
            Poll::Pending if self.hand_over().await => Some(next.await),
            Poll::Pending => None,
        }
    }

    /// Takes one event. False: nobody takes it any more.
    pub(super) async fn push(&mut self, wire: Wire) -> bool {
        if self.gathered.capacity() == 0 {
            self.gathered.reserve_exact(EVENTS_AT_ONCE);
        }
        self.gathered.push(wire);
        self.gathered.len() < EVENTS_AT_ONCE || self.hand_over().await
    }

    /// Takes the last event.
    pub(super) async fn end(mut self, why: Why) {
        self.gathered.push(Wire::Closed(why));
        // Nobody left to tell is no fault: the owner dropped the link.
        let _ = self.hand_over().await;
    }

    async fn hand_over(&mut self) -> bool {
        self.gathered.is_empty() || self.out.send(std::mem::take(&mut self.gathered)).await.is_ok()
    }
}

/// Tells when to show the broker that we are alive although messages come so fast that the client never gets to its
/// ping: it reads first whenever there is something to read (docs/decisions/0001).
#[derive(Debug)]
pub(super) struct Pulse {
    keep_alive: Option<Duration>,
    last_out: Instant,
    /// Whether something left since the clock was last looked at.
    has_left: bool,
    /// Events until it is looked at again.
    turns: u32,
}

/// The clock is looked at once in so many events: where messages come faster than the client gets to its ping, that is
/// soon enough.
const PULSE_TURNS: u32 = 64;

impl Pulse {
    pub(super) fn new(keep_alive_s: u16) -> Self {
        let keep_alive = (keep_alive_s > 0).then(|| Duration::from_secs(u64::from(keep_alive_s)));
        Self { keep_alive, last_out: crate::clock::monotonic().instant(), has_left: false, turns: 0 }
    }

    /// Something left for the broker.
    pub(super) const fn beat(&mut self) {
        self.has_left = true;
    }

    /// Whether nothing has left for the length of the keep-alive; says so once per keep-alive.
    pub(super) fn is_due(&mut self) -> bool {
        self.turns += 1;
        if self.turns < PULSE_TURNS {
            return false;
        }
        self.turns = 0;
        let now = crate::clock::monotonic().instant();
        let silent = !std::mem::take(&mut self.has_left);
        let due = silent && self.keep_alive.is_some_and(|limit| now.duration_since(self.last_out) >= limit);
        if due || !silent {
            self.last_out = now;
        }
        due
    }
}

#[derive(Debug)]
enum Client {
    V5(v5::Client),
    V311(v311::Client),
}

/// One connection. Dropping it closes the socket at once, without a DISCONNECT: the broker then sends the last will.
#[derive(Debug)]
pub struct Link {
    id: u64,
    version: Version,
    client: Client,
    events: mpsc::Receiver<Vec<Wire>>,
    /// What of the events is here and not yet asked for.
    here: std::vec::IntoIter<Wire>,
    poller: JoinHandle<()>,
    limits: ServerLimits,
    publishes_in_flight_max: u16,
    filters: Vec<Filter>,
    /// Tokens of QoS 1 publishes that have no packet id yet, in order.
    submitted: VecDeque<u64>,
    in_flight: HashMap<u16, u64>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.poller.abort();
    }
}

impl Link {
    pub(super) fn open(
        endpoint: &Endpoint,
        will: Option<&Will>,
        version: Version,
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        static LINKS: AtomicU64 = AtomicU64::new(0);
        let id = LINKS.fetch_add(1, Ordering::Relaxed);
        let stamp = Stamp { link: id, clock };
        let (sender, events) = Events::new();
        let pulse = Pulse::new(endpoint.keep_alive_s);
        let (client, poller) = match version {
            Version::V5 => {
                let (client, poll) = v5::open(endpoint, will)?;
                let poller = tokio::spawn(v5::drive(poll, client.clone(), stamp, pulse, sender));
                (Client::V5(client), poller)
            }
            Version::V311 => {
                let (client, poll) = v311::open(endpoint, will)?;
                let poller = tokio::spawn(v311::drive(poll, client.clone(), stamp, pulse, sender));
                (Client::V311(client), poller)
            }
        };
        Ok(Self {
            id,
            version,
            client,
            events,
            here: Vec::new().into_iter(),
            poller,
            limits: ServerLimits::PROTOCOL,
            publishes_in_flight_max: endpoint.publishes_in_flight_max.max(1),
            filters: Vec::new(),
            submitted: VecDeque::new(),
            in_flight: HashMap::new(),
        })
    }

    /// The version this link speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The next event. It may be abandoned at any time without losing one.
    pub async fn next(&mut self) -> Event {
        loop {
            let wire = match self.here.next() {
                Some(wire) => Some(wire),
                None => match self.events.recv().await {
                    Some(more) => {
                        self.here = more.into_iter();
                        continue;
                    }
                    None => None,
                },
            };
            if let Some(event) = self.understand(wire) {
                return event;
            }
        }
    }

    /// The next event, if one is here already.
    pub fn try_next(&mut self) -> Option<Event> {
        loop {
            let Some(wire) = self.here.next() else {
                self.here = self.events.try_recv().ok()?.into_iter();
                continue;
            };
            if let Some(event) = self.understand(Some(wire)) {
                return Some(event);
            }
        }
    }

    /// How many more QoS 1 publishes may be sent now.
    pub fn publish_room(&self) -> usize {
        let in_flight_max = self.limits.receive_maximum.min(self.publishes_in_flight_max);
        usize::from(in_flight_max).saturating_sub(self.submitted.len() + self.in_flight.len())
    }

    /// Asks for messages, once per link: the answer is [`Event::Subscribed`].
    ///
    /// # Errors
    /// Where a filter is none or the request cannot be queued.
    pub fn subscribe(&mut self, filters: &[Filter]) -> Result<(), SendError> {
        if !self.filters.is_empty() || filters.is_empty() {
            return Err(SendError::Invalid);
        }
        match &self.client {
            Client::V5(client) => client.subscribe(filters)?,
            Client::V311(client) => client.subscribe(filters)?,
        }
        self.filters = filters.to_vec();
        Ok(())
    }

    /// Publishes; at QoS 1 the answer is [`Event::Published`] with the same token.
    ///
    /// # Errors
    /// [`SendError::Full`] while as much is in flight as the broker allows; the others for good.
    pub fn publish(&mut self, token: u64, message: &Outgoing) -> Result<(), SendError> {
        if message.qos == Qos::AtLeastOnce && self.publish_room() == 0 {
            return Err(SendError::Full);
        }
        let properties: usize = message.user_properties.iter().map(|(name, value)| name.len() + value.len() + 5).sum();
        let content_type = message.content_type.as_ref().map_or(0, |text| text.len() + 3);
        let size = message.topic.len() + message.payload.len() + properties + content_type + PUBLISH_OVERHEAD_BYTES;
        if size > usize::try_from(self.limits.packet_bytes_max).unwrap_or(usize::MAX) {
            return Err(SendError::TooLarge);
        }
        let retain = message.retain && self.limits.retain_available;
        match &self.client {
            Client::V5(client) => client.publish(message, retain)?,
            Client::V311(client) => client.publish(message, retain)?,
        }
        if message.qos == Qos::AtLeastOnce {
            self.submitted.push_back(token);
        }
        Ok(())
    }

    /// Acknowledges a received message. To be called in the order in which the messages came.
    ///
    /// # Errors
    /// [`SendError::Invalid`] for a message of another link: the broker will send it again.
    pub fn acknowledge(&self, ack: AckToken) -> Result<(), SendError> {
        if ack.link != self.id {
            return Err(SendError::Invalid);
        }
        match &self.client {
            Client::V5(client) => client.acknowledge(ack.packet_id),
            Client::V311(client) => client.acknowledge(ack.packet_id),
        }
    }

    /// Asks for an orderly end, after what was requested before it. [`Event::Disconnected`] tells when it is reached;
    /// the owner bounds its waiting and drops the link.
    ///
    /// # Errors
    /// Where the request cannot be queued; dropping the link ends it in any case.
    pub fn disconnect(&self) -> Result<(), SendError> {
        match &self.client {
            Client::V5(client) => client.disconnect(DISCONNECT_DRAIN),
            Client::V311(client) => client.disconnect(DISCONNECT_DRAIN),
        }
    }

    fn understand(&mut self, wire: Option<Wire>) -> Option<Event> {
        Some(match wire {
            Some(Wire::Message(message)) => Event::Message(message),
            Some(Wire::Connected { session_present, limits }) => {
                self.limits = limits;
                Event::Connected { session_present, limits }
            }
            Some(Wire::SubAck(outcomes)) => {
                let asked = std::mem::take(&mut self.filters);
                Event::Subscribed(
                    asked
                        .into_iter()
                        .zip(outcomes)
                        .map(|(asked, outcome)| FilterResult { filter: asked.filter, outcome })
                        .collect(),
                )
            }
            Some(Wire::Sent(packet_id)) => {
                if let Some(token) = self.submitted.pop_front() {
                    self.in_flight.insert(packet_id, token);
                }
                return None;
            }
            Some(Wire::Acked(packet_id, result)) => {
                let token = self.in_flight.remove(&packet_id)?;
                Event::Published { token, result }
            }
            Some(Wire::Closed(why)) => Event::Disconnected(why),
            None => Event::Disconnected(Why::Network("the connection is over".into())),
        })
    }
}
