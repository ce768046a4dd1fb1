//! The publishing connection: drains the outbox, a bounded number in flight, and says whether the daemon is there.
//!
//! It is a connection of its own, never that of the ingest, and begins clean: what a broker has not acknowledged goes
//! back to the outbox and is sent again on the next connection. Callers push and go on; a slow or dead broker must
//! never make them wait.

use super::outbox::{Entry, Outbox, OutboxCounters, OutboxLimits, Pushed, Settled};
use crate::mqtt::{Backoff, Clock, Dialer, Endpoint, Event, Link, Outgoing, PublishResult, Qos, SendError, Why, Will};
use bytes::Bytes;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// The token of the daemon's own status; the outbox counts from 1.
const STATUS_TOKEN: u64 = 0;
/// The media type of everything in the outbox.
const CONTENT_TYPE: &str = "application/json";
/// What stands on the status topic while the daemon is connected.
const ONLINE: &str = "online";
/// What stands there after an orderly stop, and as the last will.
const OFFLINE: &str = "offline";

/// What the publishing connection does.
#[derive(Debug, Clone)]
pub struct EgressSettings {
    /// The broker. The client id must differ from the ingest's; `clean_start` is always taken as true.
    pub endpoint: Endpoint,
    /// The retained topic that says `online` or `offline`, such as `chargetally/v1/status`.
    pub status_topic: String,
    /// How much may wait.
    pub limits: OutboxLimits,
    /// The most entries that may be unacknowledged at once; the broker may allow fewer. At least 1.
    pub in_flight_max: usize,
    /// The first delay before connecting again.
    pub retry_first_ms: u64,
    /// The longest delay before connecting again.
    pub retry_last_ms: u64,
}

impl EgressSettings {
    /// The defaults for an endpoint and a status topic.
    pub fn new(endpoint: Endpoint, status_topic: impl Into<String>) -> Self {
        Self {
            endpoint,
            status_topic: status_topic.into(),
            limits: OutboxLimits { entries_max: 100_000, bytes_max: 256 * 1024 * 1024 },
            in_flight_max: 64,
            retry_first_ms: 1_000,
            retry_last_ms: 60_000,
        }
    }
}

/// Where the publishing connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EgressState {
    /// No connection yet.
    Connecting,
    /// The broker accepted the connection.
    Connected,
    /// The last connection ended, or the last attempt failed, for this reason; another follows.
    Disconnected(Why),
    /// The settings cannot work, or the stop is complete.
    Stopped(Option<String>),
}

/// How much waits and what became of the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EgressReport {
    /// Entries waiting or in flight.
    pub entries: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Since the start.
    pub counters: OutboxCounters,
}

#[derive(Debug)]
struct Shared {
    outbox: Mutex<Outbox>,
    pushed: Notify,
}

impl Shared {
    /// The outbox is whole between any two statements, so a panic elsewhere does not spoil it.
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes entries in for publishing; cheap to clone.
#[derive(Debug, Clone)]
pub struct Publisher(Arc<Shared>);

impl Publisher {
    /// Puts an entry into the outbox. Never waits for the broker.
    pub fn publish(&self, entry: Entry) -> Pushed {
        let pushed = self.0.outbox().push(entry);
        self.0.pushed.notify_one();
        pushed
    }

    /// How much waits and what became of the rest.
    pub fn report(&self) -> EgressReport {
        let outbox = self.0.outbox();
        EgressReport { entries: outbox.entries(), bytes: outbox.bytes(), counters: outbox.counters() }
    }

    /// A publisher that no connection drains: a test does, by [`Publisher::outbox`].
    #[cfg(test)]
    pub(crate) fn unconnected(limits: OutboxLimits) -> Self {
        Self(Arc::new(Shared { outbox: Mutex::new(Outbox::new(limits)), pushed: Notify::new() }))
    }

    /// What waits.
    #[cfg(test)]
    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.0.outbox()
    }
}

/// Steers the task. Dropping it ends the connection without farewell: the broker then publishes the last will.
#[derive(Debug)]
pub struct EgressHandle {
    /// Takes entries in.
    pub publisher: Publisher,
    /// Where the connection stands.
    pub state: watch::Receiver<EgressState>,
    stop: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
}

impl Drop for EgressHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl EgressHandle {
    /// Drains the outbox, publishes `offline` and disconnects; gives up on what is left once `drain` has passed.
    /// Returns how many entries were left.
    pub async fn stop(mut self, drain: Duration) -> usize {
        self.stop.send_replace(Some(crate::clock::monotonic().instant() + drain));
        // The task ends by itself, or by a bug's panic which the runtime has reported.
        let _ = (&mut self.task).await;
        self.publisher.report().entries
    }
}

/// Starts the publishing connection on the current runtime.
pub fn spawn(settings: EgressSettings, clock: Clock) -> EgressHandle {
    let outbox = Mutex::new(Outbox::new(settings.limits));
    let shared = Arc::new(Shared { outbox, pushed: Notify::new() });
    let (stop, stop_seen) = watch::channel(None);
    let (state, state_seen) = watch::channel(EgressState::Connecting);
    let endpoint = Endpoint { clean_start: true, session_expiry_s: 0, ..settings.endpoint.clone() };
    let will =
        Will { topic: settings.status_topic.clone(), payload: Bytes::from_static(OFFLINE.as_bytes()), retain: true };
    let egress = Egress {
        dialer: Dialer::new(endpoint, Some(will), clock),
        backoff: Backoff::new(settings.retry_first_ms, settings.retry_last_ms),
        settings,
        shared: Arc::clone(&shared),
        state,
        stop: stop_seen,
    };
    let task = tokio::spawn(egress.run());
    EgressHandle { publisher: Publisher(shared), state: state_seen, stop, task }
}

struct Egress {
    settings: EgressSettings,
    dialer: Dialer,
    backoff: Backoff,
    shared: Arc<Shared>,
    state: watch::Sender<EgressState>,
    stop: watch::Receiver<Option<Instant>>,
}

/// What one connection has going.
#[derive(Debug, Default)]
struct Going {
    connected: bool,
    /// Outbox entries sent and not yet answered.
    in_flight: usize,
    /// Publications of the status sent and not yet answered.
    status_in_flight: usize,
    /// `offline` was sent.
    farewell: bool,
}

impl Egress {
    async fn run(mut self) {
        let error = loop {
            let mut link = match self.dialer.dial() {
                Ok(link) => link,
                Err(error) => break Some(error.source().map_or(error.to_string(), |from| format!("{error}: {from}"))),
            };
            let why = self.serve(&mut link).await;
            drop(link);
            self.shared.outbox().return_in_flight();
            let Some(why) = why else { break None };
            let at_once = self.dialer.ended(&why);
            tracing::debug!(%why, "publishing connection ended");
            self.state.send_replace(EgressState::Disconnected(why));
            let delay = if at_once { Duration::ZERO } else { self.backoff.next_delay() };
            if self.wait(delay).await {
                break None;
            }
        };
        self.state.send_replace(EgressState::Stopped(error));
    }

    /// Waits for the next attempt. True: the stop's deadline passed meanwhile, or there is nothing left to send.
    async fn wait(&mut self, delay: Duration) -> bool {
        let until = crate::clock::monotonic().instant() + delay;
        let mut stop = self.stop.clone();
        tokio::select! {
            () = sleep_until(until) => {}
            deadline = stopping(&mut stop) => {
                if self.shared.outbox().is_empty() {
                    return true;
                }
                sleep_until(until.min(deadline)).await;
            }
        }
        let deadline = *self.stop.borrow();
        deadline.is_some_and(|deadline| crate::clock::monotonic().instant() >= deadline)
    }

    /// Serves one connection to its end. `None`: the stop is complete, or its deadline has passed.
    async fn serve(&mut self, link: &mut Link) -> Option<Why> {
        let mut going = Going::default();
        let shared = Arc::clone(&self.shared);
        let mut stop = self.stop.clone();
        loop {
            let deadline = *self.stop.borrow();
            if going.connected {
                self.send(link, &mut going, deadline.is_some());
            }
            tokio::select! {
                biased;
                event = link.next() => match event {
                    Event::Disconnected(Why::Requested) => return None,
                    Event::Disconnected(why) => return Some(why),
                    Event::Connected { .. } => self.connected(link, &mut going),
                    Event::Published { token, result } => self.settle(link, &mut going, token, &result),
                    Event::Message(_) | Event::Subscribed(_) => {}
                },
                () = shared.pushed.notified() => {}
                // Too late for a farewell: the broker says `offline` itself once the connection drops.
                () = sleep_until(deadline.unwrap_or_else(|| crate::clock::monotonic().instant())), if deadline.is_some() => return None,
                _ = stopping(&mut stop), if deadline.is_none() => {}
            }
        }
    }

    fn connected(&mut self, link: &mut Link, going: &mut Going) {
        going.connected = true;
        self.dialer.connected();
        self.backoff.reset();
        match link.publish(STATUS_TOKEN, &self.status(ONLINE)) {
            Ok(()) => going.status_in_flight += 1,
            Err(error) => tracing::warn!(%error, "status not published"),
        }
        self.state.send_replace(EgressState::Connected);
    }

    fn settle(&self, link: &Link, going: &mut Going, token: u64, result: &PublishResult) {
        if token == STATUS_TOKEN {
            going.status_in_flight = going.status_in_flight.saturating_sub(1);
            // The answer to `online` may still be under way when `offline` is sent: leave at the last of them.
            if going.farewell && going.status_in_flight == 0 {
                // Where it cannot be queued the deadline ends the connection.
                let _ = link.disconnect();
            }
            return;
        }
        going.in_flight = going.in_flight.saturating_sub(1);
        let settled = match result {
            PublishResult::Accepted => Settled::Published,
            PublishResult::Refused(reason) => {
                tracing::warn!(reason, "broker refused a publication");
                Settled::Refused
            }
        };
        self.shared.outbox().settle(token, settled);
    }

    /// Sends what may be in flight; on the way out, the farewell after the last entry.
    fn send(&self, link: &mut Link, going: &mut Going, stop: bool) {
        let mut outbox = self.shared.outbox();
        while going.in_flight < self.settings.in_flight_max.max(1) && link.publish_room() > 0 {
            let Some((token, entry)) = outbox.take_next() else { break };
            match link.publish(token, &outgoing(entry)) {
                Ok(()) => going.in_flight += 1,
                Err(SendError::Full | SendError::Closed) => {
                    outbox.return_one(token);
                    break;
                }
                Err(error @ (SendError::Invalid | SendError::TooLarge)) => {
                    tracing::warn!(%error, topic = entry.topic, "publication dropped");
                    outbox.settle(token, Settled::Refused);
                }
            }
        }
        let done = stop && outbox.is_empty();
        drop(outbox);
        if done {
            self.farewell(link, going);
        }
    }

    fn farewell(&self, link: &mut Link, going: &mut Going) {
        if !going.farewell && link.publish(STATUS_TOKEN, &self.status(OFFLINE)).is_ok() {
            going.farewell = true;
            going.status_in_flight += 1;
        }
    }

    fn status(&self, payload: &'static str) -> Outgoing {
        Outgoing {
            topic: self.settings.status_topic.clone(),
            payload: Bytes::from_static(payload.as_bytes()),
            qos: Qos::AtLeastOnce,
            retain: true,
            expiry_s: None,
            content_type: Some("text/plain".into()),
            user_properties: Vec::new(),
        }
    }
}

fn outgoing(entry: &Entry) -> Outgoing {
    let schema = (!entry.schema.is_empty()).then(|| ("schema".to_owned(), entry.schema.clone()));
    Outgoing {
        topic: entry.topic.clone(),
        payload: entry.payload.bytes(),
        qos: Qos::AtLeastOnce,
        retain: entry.retain,
        expiry_s: entry.expiry_s,
        content_type: Some(CONTENT_TYPE.into()),
        user_properties: schema.into_iter().collect(),
    }
}

/// Returns the deadline once a stop is asked for.
async fn stopping(stop: &mut watch::Receiver<Option<Instant>>) -> Instant {
    match stop.wait_for(Option::is_some).await {
        Ok(deadline) => (*deadline).unwrap_or_else(|| crate::clock::monotonic().instant()),
        // The handle is gone, and with it this task soon.
        Err(_) => crate::clock::monotonic().instant(),
    }
}
