//! The demo's two clients of its broker: one sends what the simulated fleet sends, at the pace of the demo's clock, the
//! other reads what the daemon publishes. They share a thread and nothing else with the daemon.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::board::Board;
use super::pace;
use crate::mqtt::{Dialer, Endpoint, Event, Filter, Link, Outgoing, Qos, SendError};
use crate::simulate::{Figures, Fleet, SimMessage};

/// Minutes of which the truth is remembered.
const TRUTHS_MAX: usize = 16;
/// How long the clients look away when there is nothing to do.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a connection may take to come about.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Messages sent before the events of the connection are looked at again.
const BURST: usize = 256;
const MINUTE_MS: i64 = 60_000;

/// What the demo's threads know together.
#[derive(Debug)]
pub struct Shared {
    board: Mutex<Board>,
    truths: Mutex<VecDeque<(i64, Figures)>>,
    /// Messages sent.
    pub sent: AtomicU64,
    /// The fleet's span is over and everything was delivered.
    pub delivered: AtomicBool,
    /// Somebody wants the demo to end.
    pub stop: AtomicBool,
    /// A connection of the demo has ended: nothing moves any more.
    pub broken: AtomicBool,
}

impl Shared {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(board: Board) -> Arc<Self> {
        Arc::new(Self {
            board: Mutex::new(board),
            truths: Mutex::new(VecDeque::new()),
            sent: AtomicU64::new(0),
            delivered: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        })
    }

    /// The board.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What had truly happened at the latest remembered minute that is not after `end_ms`; the earliest remembered one
    /// where all are.
    #[must_use]
    pub fn truth_at(&self, end_ms: i64) -> Option<(i64, Figures)> {
        let truths = self.truths.lock().unwrap_or_else(PoisonError::into_inner);
        truths.iter().rev().find(|(at_ms, _)| *at_ms <= end_ms).or(truths.front()).cloned()
    }

    fn remember(&self, at_ms: i64, truth: Figures) {
        let mut truths = self.truths.lock().unwrap_or_else(PoisonError::into_inner);
        truths.push_back((at_ms, truth));
        if truths.len() > TRUTHS_MAX {
            truths.pop_front();
        }
    }
}

/// Runs both clients until `shared.stop`; returns early where a connection breaks, which `shared.broken` then tells.
pub async fn run(fleet: Fleet, broker: SocketAddr, filter: String, shared: Arc<Shared>) {
    let outcome = tokio::select! {
        outcome = send(fleet, broker, &shared) => outcome,
        outcome = read(broker, filter, &shared) => outcome,
        () = stopped(&shared) => Some(()),
    };
    shared.broken.fetch_or(outcome.is_none(), Ordering::Relaxed);
}

/// Waits for `shared.stop`, which SIGINT and SIGTERM set as well.
async fn stopped(shared: &Shared) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::select! {
            _ = interrupt.recv() => shared.stop.store(true, Ordering::Relaxed),
            _ = terminate.recv() => shared.stop.store(true, Ordering::Relaxed),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn connect(broker: SocketAddr, name: &str) -> Option<Link> {
    let mut endpoint = Endpoint::new(broker.ip().to_string(), broker.port(), name);
    (endpoint.clean_start, endpoint.session_expiry_s) = (true, 0);
    endpoint.packet_bytes_max = 4 * 1024 * 1024;
    let mut link = Dialer::new(endpoint, None, pace::now_ms).dial().ok()?;
    let connected = async {
        loop {
            match link.next().await {
                Event::Connected { .. } => break true,
                Event::Disconnected(_) => break false,
                _ => {}
            }
        }
    };
    tokio::time::timeout(CONNECT_LIMIT, connected).await.ok()?.then_some(link)
}

async fn read(broker: SocketAddr, filter: String, shared: &Shared) -> Option<()> {
    let mut link = connect(broker, "demo-view").await?;
    link.subscribe(&[Filter::new(filter, Qos::AtLeastOnce)]).ok()?;
    loop {
        match link.next().await {
            Event::Message(message) => {
                if let Some(topic) = message.topic() {
                    shared.board().take(topic, &message.payload);
                }
                if let Some(ack) = message.ack {
                    link.acknowledge(ack).ok()?;
                }
            }
            Event::Disconnected(_) => return None,
            _ => {}
        }
    }
}

/// Sends the fleet's messages when they are due; after the last one it waits to be stopped.
async fn send(mut fleet: Fleet, broker: SocketAddr, shared: &Shared) -> Option<()> {
    let mut link = connect(broker, "demo-fleet").await?;
    let mut unanswered = 0_usize;
    let mut next_minute_ms = fleet.plan().start_ms + MINUTE_MS;
    let mut message = SimMessage::default();
    while fleet.next_into(&mut message) {
        if message.arrival_ms >= next_minute_ms {
            let minute_ms = message.arrival_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
            shared.remember(minute_ms, fleet.truth().nation);
            next_minute_ms = minute_ms + MINUTE_MS;
        }
        while pace::now_ms() < message.arrival_ms {
            unanswered = unanswered.saturating_sub(answers(&mut link)?);
            tokio::time::sleep(PAUSE).await;
        }
        let outgoing = outgoing(&message);
        while let Err(error) = link.publish(0, &outgoing) {
            if error != SendError::Full {
                return None;
            }
            unanswered = unanswered.saturating_sub(answers(&mut link)?);
            tokio::task::yield_now().await;
        }
        unanswered += usize::from(outgoing.qos == Qos::AtLeastOnce);
        if shared.sent.fetch_add(1, Ordering::Relaxed).is_multiple_of(BURST as u64) {
            unanswered = unanswered.saturating_sub(answers(&mut link)?);
            tokio::task::yield_now().await;
        }
    }
    let truth = fleet.truth();
    shared.remember(truth.end_ms, truth.nation);
    while unanswered > 0 {
        unanswered = unanswered.saturating_sub(answers(&mut link)?);
        tokio::time::sleep(PAUSE).await;
    }
    shared.delivered.store(true, Ordering::Release);
    std::future::pending().await
}

fn outgoing(message: &SimMessage) -> Outgoing {
    Outgoing {
        topic: message.topic.clone(),
        payload: message.payload.clone().into(),
        // Telemetry goes at QoS 1 as well: what the fleet does not lose on purpose has to arrive.
        qos: Qos::AtLeastOnce,
        retain: message.retain,
        expiry_s: None,
        content_type: None,
        user_properties: Vec::new(),
    }
}

/// Publishes answered since this was last asked; `None` where the link is over.
fn answers(link: &mut Link) -> Option<usize> {
    let mut answered = 0;
    while let Some(event) = link.try_next() {
        match event {
            Event::Published { .. } => answered += 1,
            Event::Disconnected(_) => return None,
            _ => {}
        }
    }
    Some(answered)
}
