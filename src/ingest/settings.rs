//! What the subscribing connection is told: where to connect, what to subscribe to, and its limits.

use crate::mqtt::{Endpoint, Filter, Will};

/// What the subscribing connection does.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// The broker.
    pub endpoint: Endpoint,
    /// What to subscribe to; at least one.
    pub filters: Vec<Filter>,
    /// What the broker is to say when the connection is lost.
    pub will: Option<DatedWill>,
    /// The most messages of one batch; at least 1.
    pub batch_messages_max: usize,
    /// A batch is closed once it holds this many bytes of topics and payloads.
    pub batch_bytes_max: usize,
    /// The most events (mostly batches) handed over and not yet taken; at least 1.
    pub events_max: usize,
    /// The first delay before connecting again.
    pub retry_first_ms: u64,
    /// The longest delay before connecting again.
    pub retry_last_ms: u64,
    /// How long an orderly stop may wait for acknowledgements and the disconnect.
    pub stop_ms: u64,
}

impl IngestSettings {
    /// The defaults for an endpoint and filters.
    pub fn new(endpoint: Endpoint, filters: Vec<Filter>) -> Self {
        Self {
            endpoint,
            filters,
            will: None,
            batch_messages_max: 512,
            batch_bytes_max: 1024 * 1024,
            events_max: 16,
            retry_first_ms: 1_000,
            retry_last_ms: 60_000,
            stop_ms: 2_000,
        }
    }
}

/// A last will, retained, that says when its connection was begun.
#[derive(Debug, Clone)]
pub struct DatedWill {
    /// A topic name without wildcards.
    pub topic: String,
    /// The payload for a time, ms since the Unix epoch.
    pub payload: fn(i64) -> Vec<u8>,
}

impl DatedWill {
    pub(super) fn at(&self, begun_ms: i64) -> Will {
        Will { topic: self.topic.clone(), payload: (self.payload)(begun_ms).into(), retain: true }
    }
}
