//! The fleet's side: the same messages to one broker or two, each sent again until it is acknowledged, as stations do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chargetally::mqtt::{Dialer, Endpoint, Event, Link, Outgoing, Protocol, Qos, SendError};
use chargetally::simulate::{Fleet, FleetPlan, SimMessage};

use super::support::{endpoint, now_ms};
use super::{PATIENCE, fast};

/// What others tell the sender.
#[derive(Default)]
pub struct Signals {
    /// Send no more.
    pub end: AtomicBool,
    /// Wait, for nobody listens.
    pub hold: AtomicBool,
}

/// The way to one broker.
struct Lane {
    port: u16,
    link: Option<Link>,
    /// What the broker has not acknowledged, in the order in which it was sent.
    unanswered: VecDeque<(u64, Outgoing)>,
    next_token: u64,
}

impl Lane {
    fn new(port: u16) -> Self {
        Self { port, link: None, unanswered: VecDeque::new(), next_token: 0 }
    }

    /// Waits for a connection, and sends anew what was not acknowledged on the one before.
    async fn open(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.link.is_none() {
            assert!(Instant::now() < deadline, "no connection to the broker");
            let endpoint =
                Endpoint { clean_start: true, session_expiry_s: 0, ..endpoint(self.port, "fleet", Protocol::V5) };
            let mut link = Dialer::new(endpoint, None, now_ms).dial().expect("the endpoint is in order");
            match tokio::time::timeout(Duration::from_secs(2), link.next()).await {
                Ok(Event::Connected { .. }) => self.link = Some(link),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        let again = std::mem::take(&mut self.unanswered);
        for (token, outgoing) in again {
            self.submit(token, outgoing).await;
        }
    }

    /// Takes note of what the broker has acknowledged, and of a connection that ended.
    fn listen(&mut self) {
        while let Some(event) = self.link.as_mut().and_then(Link::try_next) {
            match event {
                Event::Published { token, .. } => self.unanswered.retain(|&(known, _)| known != token),
                Event::Disconnected(_) => self.link = None,
                _ => {}
            }
        }
    }

    async fn submit(&mut self, token: u64, outgoing: Outgoing) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.listen();
            let Some(link) = &mut self.link else { break };
            match link.publish(token, &outgoing) {
                Ok(()) => break,
                Err(SendError::Full) => tokio::task::yield_now().await,
                Err(_) => self.link = None,
            }
            assert!(Instant::now() < deadline, "the broker takes nothing");
        }
        self.unanswered.push_back((token, outgoing));
    }

    async fn publish(&mut self, outgoing: Outgoing) {
        self.next_token += 1;
        self.submit(self.next_token, outgoing).await;
        self.keep_up().await;
    }

    async fn keep_up(&mut self) {
        self.listen();
        while self.link.is_none() {
            Box::pin(self.open()).await;
        }
    }

    /// Waits until everything is acknowledged.
    async fn drain(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.unanswered.is_empty() {
            assert!(Instant::now() < deadline, "{} messages did not reach the broker", self.unanswered.len());
            self.keep_up().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Sends what a fleet sends, at the pace of the fast clock, to all brokers until told to end. Returns the number of
/// messages.
pub fn send(ports: &[u16], plan: FleetPlan, since_ms: i64, signals: &Signals) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut lanes: Vec<Lane> = ports.iter().map(|&port| Lane::new(port)).collect();
        let mut fleet = Fleet::new(plan).expect("a fleet");
        let (mut message, mut sent) = (SimMessage::default(), 0_u64);
        while !signals.end.load(Ordering::Relaxed) && fleet.next_into(&mut message) {
            // A last will has no time of its own: it counts from its arrival, which is not the same for any two daemons.
            if message.topic.ends_with("/status") {
                continue;
            }
            while fast(since_ms) < message.arrival_ms || signals.hold.load(Ordering::Relaxed) {
                for lane in &mut lanes {
                    lane.listen();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let outgoing = Outgoing {
                topic: message.topic.clone(),
                payload: message.payload.clone().into(),
                qos: Qos::AtLeastOnce,
                retain: message.retain,
                expiry_s: None,
                content_type: None,
                user_properties: Vec::new(),
            };
            for lane in &mut lanes {
                lane.keep_up().await;
                lane.publish(outgoing.clone()).await;
            }
            sent += 1;
        }
        for lane in &mut lanes {
            lane.drain().await;
        }
        sent
    })
}
