//! The subscribing connection: poll, batch, acknowledge when told; nothing else.
//!
//! One task owns the connection. It hands batches over a bounded channel and stops reading when that is full, so that
//! back-pressure reaches the socket and nothing is shed here. Who takes the batches may take a few messages on this task
//! ([`AtOnce`]), where waking another one would cost more. A QoS 1 message is acknowledged only after
//! [`IngestHandle::acknowledge_through`] named its batch, or it was taken durably. It must never decode, never publish, and
//! never await a request on the task that polls.

mod settings;

pub use settings::{DatedWill, IngestSettings};

use crate::mqtt::{
    AckToken, Backoff, Clock, ConfigError, Dialer, Endpoint, Event, Filter, FilterResult, Incoming, Link, ServerLimits,
    Version, Why,
};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Events of the connection that may wait behind batches before reading stops.
const EVENTS_WAITING_MAX: usize = 8;

/// Messages in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Counts up from 1 over the life of the daemon, across connections.
    pub id: u64,
    /// At least one.
    pub messages: Vec<Incoming>,
    bytes: usize,
}

impl Batch {
    /// Of topics and payloads, bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
impl Batch {
    /// A batch as the subscribing connection hands it over.
    pub(crate) fn new(id: u64, messages: Vec<Incoming>) -> Self {
        let bytes = messages.iter().map(Incoming::size_bytes).sum();
        Self { id, messages, bytes }
    }
}

/// What happens on the subscribing connection, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngestEvent {
    /// The broker accepted the connection.
    Connected {
        /// When it was begun, as its last will has it: ms since the Unix epoch.
        begun_ms: i64,
        /// The protocol version that is spoken.
        version: Version,
        /// Whether the broker kept our session.
        session_present: bool,
        /// Whether what was subscribed to before still is: then no [`IngestEvent::Subscribed`] follows.
        resumed: bool,
        /// What the broker allows.
        limits: ServerLimits,
    },
    /// The broker granted every filter.
    Subscribed(Vec<FilterResult>),
    /// The broker refused these filters, and granted the others.
    Refused(Vec<FilterResult>),
    /// Messages came.
    Batch(Batch),
    /// The connection is over or was never made; another attempt follows.
    Disconnected {
        /// Why.
        why: Why,
        /// When the next attempt is made: ms from now.
        retry_in_ms: u64,
    },
    /// The last event. The settings cannot work where there is an error, else the stop was asked for.
    Stopped(Option<String>),
}

/// A short way for batches of a few messages, beside the channel.
pub trait AtOnce: Send {
    /// Takes a batch in without waiting for anything, or leaves it to whoever takes the events.
    fn take(&mut self, batch: &Batch) -> Taken;
    /// An event goes over the channel: nothing may pass it.
    fn handing_over(&mut self);
}

/// What became of a batch on its short way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is to go over the channel.
    No,
    /// It may be acknowledged once [`IngestHandle::acknowledge_through`] names it.
    Noted,
    /// It may be acknowledged.
    Durably,
}

/// Steers the task. Dropping it stops the task as [`IngestHandle::stop`] does.
#[derive(Debug)]
pub struct IngestHandle {
    acknowledged: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl IngestHandle {
    /// Everything up to and including the batch is durable: its messages may be acknowledged. Never waits; an id lower
    /// than one given before changes nothing.
    pub fn acknowledge_through(&self, batch_id: u64) {
        self.acknowledged.send_if_modified(|through| {
            let rises = batch_id > *through;
            *through = batch_id.max(*through);
            rises
        });
    }

    /// Asks for an orderly end: what was acknowledged by now is sent, then a DISCONNECT. [`IngestEvent::Stopped`] is
    /// the last event; take events until then.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for the task to end, after a stop and once its events are taken.
    pub async fn stopped(mut self) {
        self.stop();
        // The task can end only by itself or by a bug's panic, which the runtime has reported.
        let _ = (&mut self.task).await;
    }
}

/// Starts the subscribing connection on the current runtime; all batches come over the channel.
pub fn spawn(settings: IngestSettings, clock: Clock) -> (IngestHandle, mpsc::Receiver<IngestEvent>) {
    spawn_with(settings, clock, None)
}

/// Starts the subscribing connection on the current runtime, with a short way for few messages.
pub fn spawn_with(
    settings: IngestSettings,
    clock: Clock,
    at_once: Option<Box<dyn AtOnce>>,
) -> (IngestHandle, mpsc::Receiver<IngestEvent>) {
    let (out, events) = mpsc::channel(settings.events_max.max(1));
    let (acknowledged, acknowledged_seen) = watch::channel(0);
    let (stop, stop_seen) = watch::channel(false);
    // Nothing is ever published here.
    let endpoint = Endpoint { publishes_in_flight_max: 1, ..settings.endpoint.clone() };
    let ingest = Ingest {
        dialer: Dialer::new(endpoint, None, clock),
        backoff: Backoff::new(settings.retry_first_ms, settings.retry_last_ms),
        settings,
        clock,
        begun_ms: 0,
        out,
        at_once,
        acknowledged: acknowledged_seen,
        stop: stop_seen,
        last_batch: 0,
        waiting: VecDeque::new(),
        unacknowledged: VecDeque::new(),
        subscribed: false,
    };
    let task = tokio::spawn(ingest.run());
    (IngestHandle { acknowledged, stop, task }, events)
}

/// Whether the task goes on after a connection.
enum Next {
    Dial,
    Stop,
}

struct Ingest {
    settings: IngestSettings,
    dialer: Dialer,
    clock: Clock,
    /// When the connection was begun, ms since the Unix epoch.
    begun_ms: i64,
    backoff: Backoff,
    out: mpsc::Sender<IngestEvent>,
    at_once: Option<Box<dyn AtOnce>>,
    acknowledged: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    last_batch: u64,
    /// What is to be handed over; only the last one may be a batch that is still open.
    waiting: VecDeque<IngestEvent>,
    /// Acknowledgements to send, by batch, in order. The protocol has 65,535 packet ids, so no more can be here.
    unacknowledged: VecDeque<(u64, Vec<AckToken>)>,
    /// Whether every filter was granted since the broker last forgot us.
    subscribed: bool,
}

impl Ingest {
    async fn run(mut self) {
        let error = loop {
            self.begun_ms = (self.clock)();
            let link = match &self.settings.will {
                Some(will) => self.dialer.dial_with(&will.at(self.begun_ms)),
                None => self.dialer.dial(),
            };
            let link = match link {
                Ok(link) => link,
                Err(error) => break Some(config_text(&error)),
            };
            match self.serve(link).await {
                Next::Dial => {}
                Next::Stop => break None,
            }
        };
        self.waiting.push_back(IngestEvent::Stopped(error));
        let deadline = crate::clock::monotonic().instant() + self.stop_time();
        self.hand_over_until(deadline).await;
    }

    fn stop_time(&self) -> Duration {
        Duration::from_millis(self.settings.stop_ms)
    }

    /// Serves one connection to its end, and waits as long as the next one asks for.
    async fn serve(&mut self, mut link: Link) -> Next {
        let (out, mut stop) = (self.out.clone(), self.stop.clone());
        let mut connected = false;
        let why = loop {
            let free = self.waiting.len() < EVENTS_WAITING_MAX && !self.batch_is_full();
            tokio::select! {
                biased;
                () = stopping(&mut stop) => {
                    if connected {
                        self.end(&mut link).await;
                    }
                    return Next::Stop;
                }
                changed = self.acknowledged.changed() => {
                    if changed.is_err() {
                        return Next::Stop;
                    }
                    self.acknowledge(&link);
                }
                permit = out.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => self.hand_over(permit),
                    Err(_) => return Next::Stop,
                },
                event = link.next(), if free => {
                    let mut event = Some(event);
                    while let Some(some) = event {
                        connected |= matches!(some, Event::Connected { .. });
                        if let Event::Disconnected(why) = some {
                            event = Some(Event::Disconnected(why));
                            break;
                        }
                        self.take(some, &mut link);
                        let full = self.waiting.len() >= EVENTS_WAITING_MAX || self.batch_is_full();
                        event = if full { None } else { link.try_next() };
                    }
                    if let Some(Event::Disconnected(why)) = event {
                        break why;
                    }
                    self.take_at_once(&link);
                }
            }
        };
        drop(link);
        self.ended(why).await
    }

    /// What the connection said, other than that it is over.
    fn take(&mut self, event: Event, link: &mut Link) {
        match event {
            Event::Message(message) => self.add(message),
            Event::Connected { session_present, limits } => {
                self.dialer.connected();
                self.backoff.reset();
                let version = link.version();
                // On the first connection the filters may be others than those of the session that was kept.
                let resumed = session_present && self.subscribed;
                let begun_ms = self.begun_ms;
                self.waiting.push_back(IngestEvent::Connected { begun_ms, version, session_present, resumed, limits });
                if !resumed {
                    self.subscribed = false;
                    self.subscribe(link);
                }
            }
            Event::Subscribed(results) => {
                let (granted, refused): (Vec<_>, Vec<_>) =
                    results.into_iter().partition(|result| result.outcome.is_ok());
                self.subscribed = refused.is_empty();
                let event =
                    if refused.is_empty() { IngestEvent::Subscribed(granted) } else { IngestEvent::Refused(refused) };
                self.waiting.push_back(event);
            }
            Event::Published { .. } | Event::Disconnected(_) => {}
        }
    }

    fn subscribe(&mut self, link: &mut Link) {
        if let Err(error) = link.subscribe(&self.settings.filters) {
            let refuse =
                |filter: &Filter| FilterResult { filter: filter.filter.clone(), outcome: Err(error.to_string()) };
            let refused = self.settings.filters.iter().map(refuse).collect();
            self.waiting.push_back(IngestEvent::Refused(refused));
        }
    }

    fn batch_is_full(&self) -> bool {
        match self.waiting.back() {
            Some(IngestEvent::Batch(batch)) => {
                batch.messages.len() >= self.settings.batch_messages_max.max(1)
                    || batch.bytes >= self.settings.batch_bytes_max
            }
            _ => false,
        }
    }

    fn add(&mut self, message: Incoming) {
        let bytes = message.size_bytes();
        if !matches!(self.waiting.back(), Some(IngestEvent::Batch(_))) {
            self.last_batch += 1;
            let batch = Batch { id: self.last_batch, messages: Vec::new(), bytes: 0 };
            self.waiting.push_back(IngestEvent::Batch(batch));
        }
        if let Some(token) = message.ack {
            match self.unacknowledged.back_mut() {
                Some((id, tokens)) if *id == self.last_batch => tokens.push(token),
                _ => self.unacknowledged.push_back((self.last_batch, vec![token])),
            }
        }
        if let Some(IngestEvent::Batch(batch)) = self.waiting.back_mut() {
            batch.bytes += bytes;
            batch.messages.push(message);
        }
    }

    /// The short way of what is here, where nothing else waits.
    fn take_at_once(&mut self, link: &Link) {
        let (Some(at_once), Some(IngestEvent::Batch(batch)), 1) =
            (&mut self.at_once, self.waiting.front(), self.waiting.len())
        else {
            return;
        };
        let id = batch.id;
        let taken = at_once.take(batch);
        if taken != Taken::No {
            self.waiting.clear();
        }
        if taken == Taken::Durably {
            self.acknowledge_through(link, id);
        }
    }

    /// The next event goes over the channel.
    fn hand_over(&mut self, permit: mpsc::Permit<'_, IngestEvent>) {
        let Some(event) = self.waiting.pop_front() else { return };
        if let Some(at_once) = &mut self.at_once {
            at_once.handing_over();
        }
        permit.send(event);
    }

    /// Sends what may be acknowledged by now.
    fn acknowledge(&mut self, link: &Link) {
        let through = *self.acknowledged.borrow_and_update();
        self.acknowledge_through(link, through);
    }

    /// Acknowledges up to a batch. A token that cannot be sent is of a link that is over.
    fn acknowledge_through(&mut self, link: &Link, through: u64) {
        while self.unacknowledged.front().is_some_and(|&(id, _)| id <= through) {
            for token in self.unacknowledged.pop_front().into_iter().flat_map(|(_, tokens)| tokens) {
                if let Err(error) = link.acknowledge(token) {
                    tracing::debug!(%error, "acknowledgement not sent, the broker will send the message again");
                }
            }
        }
    }

    /// The orderly end: the events taken so far are handed over, what is acknowledged meanwhile is sent, then DISCONNECT.
    async fn end(&mut self, link: &mut Link) {
        let deadline = crate::clock::monotonic().instant() + self.stop_time();
        self.acknowledge(link);
        if link.disconnect().is_err() {
            return;
        }
        loop {
            tokio::select! {
                event = link.next() => match event {
                    Event::Disconnected(_) => break,
                    // QoS 0 that was under way is still worth handing over; QoS 1 will be sent again.
                    Event::Message(message) if message.ack.is_none() && !self.batch_is_full() => self.add(message),
                    _ => {}
                },
                () = sleep_until(deadline) => break,
            }
        }
    }

    async fn ended(&mut self, why: Why) -> Next {
        // The broker sends again what was not acknowledged; the packet ids of a link that is over mean nothing.
        self.unacknowledged.clear();
        let at_once = self.dialer.ended(&why);
        let delay = if at_once { Duration::ZERO } else { self.backoff.next_delay() };
        let retry_in_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.waiting.push_back(IngestEvent::Disconnected { why, retry_in_ms });
        let mut stop = self.stop.clone();
        let until = crate::clock::monotonic().instant() + delay;
        tokio::select! {
            () = stopping(&mut stop) => Next::Stop,
            open = self.hand_over_until(until) => {
                if !open {
                    return Next::Stop;
                }
                sleep_until(until).await;
                Next::Dial
            }
        }
    }

    /// Hands over what waits, until all is gone or the deadline has passed. False: nobody takes events any more.
    async fn hand_over_until(&mut self, deadline: Instant) -> bool {
        let out = self.out.clone();
        while !self.waiting.is_empty() {
            let left = deadline.saturating_duration_since(crate::clock::monotonic().instant());
            match timeout(left, out.reserve()).await {
                Err(_) => break,
                Ok(Err(_)) => return false,
                Ok(Ok(permit)) => self.hand_over(permit),
            }
        }
        true
    }
}

/// Returns once a stop is asked for or the handle is gone.
async fn stopping(stop: &mut watch::Receiver<bool>) {
    // An error means that the handle was dropped, which is a stop.
    let _ = stop.wait_for(|&stop| stop).await;
}

/// The error and what it comes from, in one line.
fn config_text(error: &ConfigError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
