//! What travels over a connection, in our own words: messages in and out, subscriptions, and why a connection ended.
//!
//! Plain data; it must never hold a type of an MQTT client crate.

use bytes::Bytes;
use std::fmt;

/// Reads the wall clock: milliseconds since the Unix epoch. Passed in, so that tests and replays own time.
pub type Clock = fn() -> i64;

/// Delivery guarantee. Exactly-once is left out: the daemon tells duplicates itself, by connector and event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
}

/// A topic filter to subscribe to, with the highest QoS wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// May contain the wildcards `+` and `#`.
    pub filter: String,
    /// The highest QoS at which messages are to come.
    pub qos: Qos,
    /// Whether the broker is to keep back its retained messages where the session has this filter already: they were
    /// taken then, and what changed since is in the session (MQTT 5 only; an older broker sends them again).
    pub retained_once: bool,
}

impl Filter {
    /// A filter at the given QoS.
    pub fn new(filter: impl Into<String>, qos: Qos) -> Self {
        Self { filter: filter.into(), qos, retained_once: false }
    }
}

/// The broker's answer to one filter of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterResult {
    /// The filter as it was asked for.
    pub filter: String,
    /// The granted QoS, or the broker's reason to refuse.
    pub outcome: Result<Qos, String>,
}

/// Stands for one received QoS 1 message that has not been acknowledged; valid on the link it came from only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckToken {
    pub(super) link: u64,
    pub(super) packet_id: u16,
}

#[cfg(test)]
impl AckToken {
    /// A token as a link gives it.
    pub(crate) const fn new(link: u64, packet_id: u16) -> Self {
        Self { link, packet_id }
    }

    /// The link that it is valid on.
    pub(crate) const fn link(self) -> u64 {
        self.link
    }
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The topic's bytes, as they came.
    pub topic: Bytes,
    /// The payload's bytes, as they came.
    pub payload: Bytes,
    /// The QoS of this delivery.
    pub qos: Qos,
    /// Whether the broker had it in store before we subscribed.
    pub retain: bool,
    /// Whether the broker has sent it before, as far as it knows.
    pub duplicate: bool,
    /// When it was taken from the connection: ms since the Unix epoch.
    pub arrival_ms: i64,
    /// To be given back once what it says is durable; `None` at QoS 0.
    pub ack: Option<AckToken>,
}

impl Incoming {
    /// The topic as text, or `None` where the broker let something through that is no UTF-8.
    pub fn topic(&self) -> Option<&str> {
        std::str::from_utf8(&self.topic).ok()
    }

    /// What the message counts for against a limit in bytes.
    pub fn size_bytes(&self) -> usize {
        self.topic.len() + self.payload.len()
    }
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// A topic name without wildcards.
    pub topic: String,
    /// The payload.
    pub payload: Bytes,
    /// The QoS to send it at.
    pub qos: Qos,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// How long it is worth keeping, in seconds; said on MQTT 5 only.
    pub expiry_s: Option<u32>,
    /// The payload's media type; said on MQTT 5 only.
    pub content_type: Option<String>,
    /// Name and value pairs; said on MQTT 5 only.
    pub user_properties: Vec<(String, String)>,
}

/// What the broker allows on this connection. MQTT 3.1.1 says none of it, so the protocol's own limits stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// The most QoS 1 messages that we may have unacknowledged.
    pub receive_maximum: u16,
    /// The largest packet that it takes, in bytes.
    pub packet_bytes_max: u32,
    /// Whether it keeps retained messages.
    pub retain_available: bool,
}

impl ServerLimits {
    /// The protocol's own limits: what holds where a broker says nothing.
    pub const PROTOCOL: Self =
        Self { receive_maximum: u16::MAX, packet_bytes_max: 268_435_455, retain_available: true };
}

/// The broker's answer to a QoS 1 publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishResult {
    /// The broker has it.
    Accepted,
    /// The broker refused it and will refuse it again.
    Refused(String),
}

/// What happens on a link, in order. `Disconnected` is the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The broker accepted the connection.
    Connected {
        /// Whether it still knows our subscriptions and what we have not acknowledged.
        session_present: bool,
        /// What it allows.
        limits: ServerLimits,
    },
    /// The answer to a subscription, filter by filter.
    Subscribed(Vec<FilterResult>),
    /// A message came.
    Message(Incoming),
    /// A QoS 1 publish was answered.
    Published {
        /// The token that the publish was made with.
        token: u64,
        /// What the broker said.
        result: PublishResult,
    },
    /// The link is over.
    Disconnected(Why),
}

/// Why a connection ended or never came to be. The text is for people; the kind says what a caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// We asked for it.
    Requested,
    /// The broker does not speak the protocol version.
    UnsupportedVersion(String),
    /// The broker refused the user name or password, or forbids this client: a person must act.
    NotAuthorised(String),
    /// The broker refused the connection for another reason.
    Refused(String),
    /// The broker hung up, or answered with what is no MQTT, before it accepted the connection.
    NoHandshake(String),
    /// The network failed, before or during the connection.
    Network(String),
    /// TLS failed: certificates, names or versions.
    Tls(String),
    /// Another client connected with our client id, and the broker ended our session for it: a person must act.
    TakenOver,
    /// One of the two broke the protocol, or the broker ended the connection and said why.
    Protocol(String),
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => out.write_str("disconnected on request"),
            Self::UnsupportedVersion(text) => write!(out, "broker does not speak this MQTT version: {text}"),
            Self::NotAuthorised(text) => write!(out, "broker refused the credentials: {text}"),
            Self::Refused(text) => write!(out, "broker refused the connection: {text}"),
            Self::NoHandshake(text) => write!(out, "broker did not complete the handshake: {text}"),
            Self::Network(text) => write!(out, "network failed: {text}"),
            Self::Tls(text) => write!(out, "tls failed: {text}"),
            Self::TakenOver => out.write_str("another client connected with the same client id"),
            Self::Protocol(text) => write!(out, "connection ended: {text}"),
        }
    }
}
