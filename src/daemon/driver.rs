//! The driver: takes what the connections bring, feeds the engine, looks at the clock, and says what is due. It is
//! the only task that touches the engine, and the watchdog is fed by its turns.

use std::time::Duration;

use chargetally_core::time::{ArrivalTime, Bucket};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::outgoing::Outgoing;
use super::{DaemonError, Stop, Surroundings};
use crate::batch::Message;
use crate::clock::{Monotonic, monotonic};
use crate::dialect::{Dialect, source_of};
use crate::engine::{Engine, WorkerGone};
use crate::ingest::{Batch, IngestEvent, IngestHandle};
use crate::mqtt::{ServerLimits, Version};
use crate::publish::assemble::Assembler;
use crate::publish::egress::{EgressHandle, EgressState};

/// How long the connections may take to send what waits when the daemon ends.
const DRAIN: Duration = Duration::from_millis(1_500);
/// How long messages are still taken in after the stop was asked for.
const LAST_MESSAGES: Duration = Duration::from_millis(1_000);
/// How often the status line is renewed.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// The driver and all that it drives.
pub(super) struct Driver {
    /// None only while the driver ends.
    engine: Option<Engine>,
    dialects: Vec<Dialect>,
    assembler: Assembler,
    outgoing: Outgoing,
    egress: Option<EgressHandle>,
    egress_connected: bool,
    ingest: IngestHandle,
    events: mpsc::Receiver<IngestEvent>,
    surroundings: Surroundings,
    subscribed: bool,
    ready: bool,
    /// What changed in base buckets before it was given out.
    published: Bucket,
    /// Messages whose topic belongs to no source or is no text.
    foreign: u64,
    messages: u64,
    watchdog_due: Option<Monotonic>,
    status_due: Monotonic,
}

enum Turn {
    Event(Option<IngestEvent>),
    Egress,
    Tick,
    Stop,
}

impl Driver {
    pub(super) fn new(
        engine: Engine,
        dialects: Vec<Dialect>,
        assembler: Assembler,
        outgoing: Outgoing,
        egress: EgressHandle,
        (ingest, events): (IngestHandle, mpsc::Receiver<IngestEvent>),
        surroundings: Surroundings,
    ) -> Self {
        let published = engine.closed();
        let watchdog_due = surroundings.notifier.watchdog_interval().map(|_| monotonic());
        Self {
            engine: Some(engine),
            dialects,
            assembler,
            outgoing,
            egress: Some(egress),
            egress_connected: false,
            ingest,
            events,
            surroundings,
            subscribed: false,
            ready: false,
            published,
            foreign: 0,
            messages: 0,
            watchdog_due,
            status_due: monotonic(),
        }
    }

    /// Works until the stop is asked for, or something makes going on impossible.
    pub(super) async fn run(&mut self, stop: &Stop) -> Result<(), DaemonError> {
        let mut tick = tokio::time::interval(Duration::from_millis(self.surroundings.tick_ms));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut egress_state = self.egress.as_ref().map(|egress| egress.state.clone());
        loop {
            let egress_changes = async {
                match &mut egress_state {
                    Some(state) => state.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            let turn = tokio::select! {
                biased;
                () = stop.asked() => Turn::Stop,
                _ = egress_changes => Turn::Egress,
                _ = tick.tick() => Turn::Tick,
                event = self.events.recv() => Turn::Event(event),
            };
            match turn {
                Turn::Stop => return Ok(()),
                Turn::Tick => self.tick()?,
                Turn::Egress => {
                    let state = egress_state.as_mut().map(|state| state.borrow_and_update().clone());
                    self.egress_changed(state)?;
                }
                Turn::Event(Some(event)) => self.take(event)?,
                Turn::Event(None) => return Err(DaemonError::Connection("the subscribing task has ended".to_owned())),
            }
            self.feed_watchdog();
        }
    }

    /// Ends in order: what has arrived is taken in, what is due is said, what waits is sent. Returns how much could not
    /// be sent any more.
    pub(super) async fn end(&mut self, stop: &Stop) -> usize {
        if !stop.is_again() {
            self.surroundings.notifier.stopping();
        }
        self.ingest.stop();
        let last = tokio::time::timeout(LAST_MESSAGES, async {
            while let Some(event) = self.events.recv().await {
                if matches!(event, IngestEvent::Stopped(_)) || self.take(event).is_err() {
                    break;
                }
            }
        });
        // What did not come in time is delivered again by the broker at the next start.
        let _in_time = last.await;
        if self.tick().and_then(|()| self.say_counters()).is_err() {
            error!("the last summaries could not be given out");
        }
        drop(self.engine.take());
        match self.egress.take() {
            Some(egress) => egress.stop(DRAIN).await,
            None => 0,
        }
    }

    fn now(&self) -> ArrivalTime {
        ArrivalTime::from_ms((self.surroundings.clock)())
    }

    fn tick(&mut self) -> Result<(), DaemonError> {
        let now = self.now();
        let Some(engine) = &mut self.engine else { return Ok(()) };
        // Messages close base buckets as well, by their arrival.
        if !engine.advance(now)? {
            engine.tick(now)?;
        }
        if engine.closed() > self.published {
            self.published = engine.closed();
            let (assembler, outgoing) = (&self.assembler, &self.outgoing);
            let mut given_out = 0_u64;
            engine.publish_due(now, false, |names, publication, census| {
                outgoing.summary(publication.window, assembler.summary(names, publication, census));
                given_out += 1;
            })?;
            engine.rollup_mut().forget();
            let stats = engine.stats()?;
            outgoing.counters(now, &assembler.calendar, &stats, self.foreign);
            debug!(closed_ms = engine.closed().start_ms(), summaries = given_out, "base buckets closed");
        }
        self.tell_status()?;
        Ok(())
    }

    fn say_counters(&mut self) -> Result<(), DaemonError> {
        let now = self.now();
        if let Some(engine) = &mut self.engine {
            let stats = engine.stats()?;
            self.outgoing.counters(now, &self.assembler.calendar, &stats, self.foreign);
        }
        Ok(())
    }

    fn take(&mut self, event: IngestEvent) -> Result<(), DaemonError> {
        match event {
            IngestEvent::Batch(batch) => self.take_batch(&batch)?,
            IngestEvent::Connected { version, session_present, limits } => {
                told_connected(version, session_present, limits);
            }
            IngestEvent::Subscribed(filters) => {
                info!(filters = filters.len(), "subscribed");
                self.subscribed = true;
                self.tell_ready();
            }
            IngestEvent::Refused(filters) => {
                for filter in filters.iter().filter(|filter| filter.outcome.is_err()) {
                    error!(filter = filter.filter, outcome = ?filter.outcome, "the broker refuses a subscription");
                }
            }
            IngestEvent::Disconnected { why, retry_in_ms } => {
                self.subscribed = false;
                warn!(%why, retry_in_ms, "the subscribing connection is down");
            }
            IngestEvent::Stopped(Some(why)) => return Err(DaemonError::Connection(why)),
            IngestEvent::Stopped(None) => {}
        }
        Ok(())
    }

    fn take_batch(&mut self, batch: &Batch) -> Result<(), WorkerGone> {
        let Some(engine) = &mut self.engine else { return Ok(()) };
        for message in &batch.messages {
            self.messages += 1;
            let owned = message.topic().and_then(|topic| Some((topic, source_of(&self.dialects, topic)?)));
            let Some((topic, source)) = owned else {
                self.foreign += 1;
                continue;
            };
            engine.push(&Message {
                arrival: ArrivalTime::from_ms(message.arrival_ms),
                source,
                topic,
                payload: &message.payload,
                retained: message.retain,
            })?;
        }
        engine.flush()?;
        self.ingest.acknowledge_through(batch.id);
        Ok(())
    }

    fn egress_changed(&mut self, state: Option<EgressState>) -> Result<(), DaemonError> {
        match state {
            Some(EgressState::Connected) => {
                info!("the publishing connection is up");
                // The broker may have lost what it had retained; alarms that stand must be seen.
                if self.egress_connected
                    && let Some(engine) = &mut self.engine
                {
                    engine.repeat_alarms()?;
                }
                self.egress_connected = true;
                self.tell_ready();
            }
            Some(EgressState::Disconnected(why)) => warn!(%why, "the publishing connection is down"),
            Some(EgressState::Stopped(Some(why))) => return Err(DaemonError::Connection(why)),
            Some(EgressState::Stopped(None) | EgressState::Connecting) | None => {}
        }
        Ok(())
    }

    /// Ready means: subscribed, and able to publish.
    fn tell_ready(&mut self) {
        if self.subscribed && self.egress_connected && !self.ready {
            self.ready = true;
            self.surroundings.notifier.ready("subscribed, waiting for messages");
            info!("ready");
        }
    }

    fn feed_watchdog(&mut self) {
        let Some(interval) = self.surroundings.notifier.watchdog_interval() else { return };
        let now = monotonic();
        if self.watchdog_due.is_none_or(|due| now >= due) {
            self.surroundings.notifier.watchdog();
            self.watchdog_due = Some(now.after(interval / 2));
        }
    }

    fn tell_status(&mut self) -> Result<(), WorkerGone> {
        let now = monotonic();
        if now < self.status_due || !self.ready {
            return Ok(());
        }
        self.status_due = now.after(STATUS_EVERY);
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let stats = engine.stats()?;
        let unsent = self.egress.as_ref().map_or(0, |egress| egress.publisher.report().entries);
        let link = if self.subscribed { "subscribed" } else { "waiting for the broker" };
        let limits: Vec<&str> = stats.limits_reached().map(|(name, _)| name).collect();
        let reached = if limits.is_empty() { String::new() } else { format!(", limit reached: {}", limits.join(" ")) };
        self.surroundings.notifier.status(&format!(
            "{link}; {} messages, {} accepted, {} rejected; {unsent} to send{reached}",
            self.messages,
            stats.accepted,
            stats.rejected() + self.foreign,
        ));
        debug!(messages = self.messages, accepted = stats.accepted, rejected = stats.rejected(), unsent, "status");
        Ok(())
    }
}

/// What a broker must be able to have in flight for the throughput of a province, messages.
const RECEIVE_MAXIMUM_LEAST: u16 = 1_000;

fn told_connected(version: Version, session_present: bool, limits: ServerLimits) {
    info!(?version, session_present, receive_maximum = limits.receive_maximum, "the subscribing connection is up");
    if !limits.retain_available {
        warn!("the broker keeps no retained messages: registrations are heard only when stations send them anew");
    }
    if limits.receive_maximum < RECEIVE_MAXIMUM_LEAST {
        warn!(
            receive_maximum = limits.receive_maximum,
            "the broker takes few unacknowledged messages at once; its max_inflight_messages bounds the throughput"
        );
    }
}
