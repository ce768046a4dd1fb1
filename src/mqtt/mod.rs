//! The seam to MQTT: our own words for connections, messages and their acknowledgement.
//!
//! Everything that the rest of the daemon knows of MQTT is here; the client crates are named in `v5` and `v311` only
//! and must never show through. Two habits keep the known stalls of the clients out (docs/decisions/0001):
//! one task per connection does nothing but poll, and nothing in this module awaits a request to that task.
//! A [`Link`] is one network connection, never more: when it is over the owner dials another, so that no
//! half-forgotten state of the old connection can leak into the new one.

mod backoff;
mod dialer;
mod endpoint;
mod link;
mod message;
#[cfg(feature = "tls")]
mod tls;
mod v311;
mod v5;

pub use backoff::Backoff;
pub use dialer::Dialer;
pub use endpoint::{Credentials, Endpoint, Protocol, Secret, TlsFiles, Version, Will};
pub use link::{ConfigError, Link, SendError};
pub use message::{
    AckToken, Clock, Event, Filter, FilterResult, Incoming, Outgoing, PublishResult, Qos, ServerLimits, Why,
};
