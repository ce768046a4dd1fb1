//! The driver: takes what the connections bring, feeds the engine, looks at the clock, and says what is due. Beside it only
//! the short way of a few messages touches the engine; the watchdog is fed by its turns.

use std::sync::Arc;
use std::time::Duration;

use chargetally_core::time::ArrivalTime;
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::house::House;
use super::shortcut::SharedHouse;
use super::{DaemonError, Stop, Surroundings};
use crate::clock::{Monotonic, monotonic};
use crate::ingest::{IngestEvent, IngestHandle};
use crate::mqtt::{ServerLimits, Version};
use crate::publish::egress::{EgressHandle, EgressState};

/// How long the connections may take to send what waits when the daemon ends.
const DRAIN: Duration = Duration::from_millis(1_500);
/// How long messages are still taken in after the stop was asked for.
const LAST_MESSAGES: Duration = Duration::from_millis(1_000);
/// How often the status line is renewed.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// The driver and all that it drives.
pub(super) struct Driver {
    house: Arc<SharedHouse>,
    egress: Option<EgressHandle>,
    egress_connected: bool,
    ingest: IngestHandle,
    events: mpsc::Receiver<IngestEvent>,
    surroundings: Surroundings,
    subscribed: bool,
    /// When the last connection of the subscriber was begun, ms since the Unix epoch.
    begun_ms: Option<i64>,
    ready: bool,
    /// Alarms that stood when the daemon began are to be said once more.
    repeat_alarms: bool,
    watchdog_due: Option<Monotonic>,
    status_due: Monotonic,
}

enum Turn {
    Event(Option<IngestEvent>),
    Egress,
    Tick,
    /// The journal has waited long enough, or begins to wait.
    Due,
    Stop,
}

impl Driver {
    pub(super) fn new(
        house: Arc<SharedHouse>,
        egress: EgressHandle,
        (ingest, events): (IngestHandle, mpsc::Receiver<IngestEvent>),
        surroundings: Surroundings,
        resumed: bool,
    ) -> Self {
        let watchdog_due = surroundings.notifier.watchdog_interval().map(|_| monotonic());
        Self {
            house,
            egress: Some(egress),
            egress_connected: false,
            ingest,
            events,
            surroundings,
            subscribed: false,
            begun_ms: None,
            ready: false,
            repeat_alarms: resumed,
            watchdog_due,
            status_due: monotonic(),
        }
    }

    /// Works until the stop is asked for, or something makes going on impossible.
    pub(super) async fn run(&mut self, stop: &Stop) -> Result<(), DaemonError> {
        self.listen(false)?;
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
            let (takes_more, due) = self.house.with(|house| (house.takes_more(), house.due())).unwrap_or((false, None));
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.instant()).await,
                    None => std::future::pending().await,
                }
            };
            let turn = tokio::select! {
                biased;
                () = stop.asked() => Turn::Stop,
                _ = egress_changes => Turn::Egress,
                _ = tick.tick() => Turn::Tick,
                event = self.events.recv(), if takes_more => Turn::Event(event),
                () = due => Turn::Due,
                () = self.house.noted() => Turn::Due,
            };
            match turn {
                Turn::Stop => return Ok(()),
                Turn::Tick => self.tick()?,
                Turn::Due => {}
                Turn::Egress => {
                    let state = egress_state.as_mut().map(|state| state.borrow_and_update().clone());
                    self.egress_changed(state)?;
                }
                Turn::Event(Some(event)) => {
                    self.take(event)?;
                    self.house.taken();
                }
                Turn::Event(None) => return Err(DaemonError::Connection("the subscribing task has ended".to_owned())),
            }
            self.sync_where_due()?;
            self.feed_watchdog();
        }
    }

    /// Makes the journal durable where it is time, and acknowledges what it holds then.
    fn sync_where_due(&mut self) -> Result<(), DaemonError> {
        let idle = self.events.is_empty();
        let durable = self.house.with(|house| if house.is_due(idle) { house.sync() } else { Ok(None) });
        self.acknowledge(durable.transpose()?.flatten());
        Ok(())
    }

    /// Makes the journal durable while the daemon ends; what cannot be is delivered again.
    fn sync_now(&mut self) {
        match self.house.with(House::sync).unwrap_or(Ok(None)) {
            Ok(batch) => self.acknowledge(batch),
            Err(error) => error!(%error, "the journal could not be written"),
        }
    }

    fn acknowledge(&self, batch: Option<u64>) {
        if let Some(batch) = batch {
            self.ingest.acknowledge_through(batch);
        }
    }

    /// Ends in order: what has arrived is taken in, what is due is said, what waits is sent. Returns how much could not
    /// be sent any more.
    pub(super) async fn end(&mut self, stop: &Stop) -> usize {
        if !stop.is_again() {
            self.surroundings.notifier.stopping();
        }
        self.sync_now();
        self.ingest.stop();
        let last = tokio::time::timeout(LAST_MESSAGES, async {
            while let Some(event) = self.events.recv().await {
                if matches!(event, IngestEvent::Stopped(_)) || self.take(event).is_err() {
                    break;
                }
                self.house.taken();
                self.sync_now();
            }
        });
        // What did not come in time is delivered again by the broker at the next start.
        let _in_time = last.await;
        self.subscribed = false;
        self.tell_host();
        let now = self.now();
        let completed = self.house.with(|house| house.complete(now)).unwrap_or(Ok(()));
        let said = completed.and_then(|()| self.tick()).and_then(|()| self.say_counters());
        self.sync_now();
        if let Err(error) = said {
            error!(%error, "the last summaries could not be given out");
        }
        let left = match self.egress.take() {
            Some(egress) => egress.stop(DRAIN).await,
            None => 0,
        };
        if let Some(mut house) = self.house.leave() {
            // What the broker did not take is said again at the next start: then the journal has to be kept.
            let kept = if left == 0 { house.checkpoint(now).map(drop) } else { Ok(()) };
            let closed = house.keeper.map_or(Ok(()), |keeper| keeper.close().map_err(DaemonError::Store));
            if let Err(error) = kept.and(closed) {
                warn!(%error, "the store could not be closed in order; its journal is read at the next start");
            }
        }
        left
    }

    fn now(&self) -> ArrivalTime {
        ArrivalTime::from_ms((self.surroundings.clock)())
    }

    fn tick(&mut self) -> Result<(), DaemonError> {
        let now = self.now();
        let ticked = self.house.with(|house| {
            let closed = house.tick(now)?;
            // What was given out waits for nothing but the disk; and a disk that was full is asked again.
            let durable = if closed || house.is_failing() { house.sync()? } else { None };
            Ok::<_, DaemonError>((closed, house.tidy(now)?.or(durable)))
        });
        let Some((closed, durable)) = ticked.transpose()? else { return Ok(()) };
        self.acknowledge(durable);
        if closed {
            self.say_counters()?;
        }
        self.tell_status()
    }

    fn say_counters(&mut self) -> Result<(), DaemonError> {
        let now = self.now();
        let said = self.house.with(|House { works, outgoing, .. }| {
            let stats = works.stats()?;
            outgoing.counters(now, &works.assembler.calendar, &stats, works.foreign);
            Ok(())
        });
        said.unwrap_or(Ok(()))
    }

    fn take(&mut self, event: IngestEvent) -> Result<(), DaemonError> {
        match event {
            IngestEvent::Batch(batch) => {
                let durable = self.house.with(|house| house.take(&batch));
                self.acknowledge(durable.transpose()?.flatten());
            }
            IngestEvent::Connected { begun_ms, version, session_present, resumed, limits } => {
                told_connected(version, session_present, limits);
                self.begun_ms = Some(begun_ms);
                self.subscribed = resumed;
                // Of a session that was kept the subscription stands, and no other answer follows.
                if resumed {
                    self.tell_host();
                }
                self.listen(true)?;
            }
            IngestEvent::Subscribed(filters) => {
                info!(filters = filters.len(), "subscribed");
                self.subscribed = true;
                self.tell_host();
                self.tell_ready();
            }
            IngestEvent::Refused(filters) => {
                for filter in filters.iter().filter(|filter| filter.outcome.is_err()) {
                    error!(filter = filter.filter, outcome = ?filter.outcome, "the broker refuses a subscription");
                }
            }
            IngestEvent::Disconnected { why, retry_in_ms } => {
                self.subscribed = false;
                self.tell_host();
                self.listen(false)?;
                warn!(%why, retry_in_ms, "the subscribing connection is down");
            }
            IngestEvent::Stopped(Some(why)) => return Err(DaemonError::Connection(why)),
            IngestEvent::Stopped(None) => {}
        }
        Ok(())
    }

    fn listen(&mut self, hears: bool) -> Result<(), DaemonError> {
        let now = self.now();
        self.house.with(|house| house.listen(now, hears)).unwrap_or(Ok(()))
    }

    /// Says on a Sparkplug tree whether its host is there: subscribed, that is. Before the first connection nothing was
    /// said that could be taken back.
    fn tell_host(&self) {
        if let Some(begun_ms) = self.begun_ms {
            self.house.with(|house| house.outgoing.host(self.subscribed, begun_ms));
        }
    }

    fn egress_changed(&mut self, state: Option<EgressState>) -> Result<(), DaemonError> {
        match state {
            Some(EgressState::Connected) => {
                info!("the publishing connection is up");
                // The broker may have lost what it had retained; alarms that stand must be seen.
                if std::mem::replace(&mut self.repeat_alarms, true) {
                    self.house.with(|house| house.works.engine.repeat_alarms()).transpose()?;
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

    fn tell_status(&mut self) -> Result<(), DaemonError> {
        let now = monotonic();
        if now < self.status_due || !self.ready {
            return Ok(());
        }
        self.status_due = now.after(STATUS_EVERY);
        let counted = self.house.with(|house| {
            let stats = house.works.stats()?;
            let House { works, outgoing, .. } = house;
            Ok::<_, DaemonError>((stats, works.messages, works.foreign, outgoing.unsent(), house.is_failing()))
        });
        let Some((stats, messages, foreign, unsent, is_failing)) = counted.transpose()? else { return Ok(()) };
        let link = match (is_failing, self.subscribed) {
            (true, _) => "the store takes nothing, nothing is acknowledged",
            (false, true) => "subscribed",
            (false, false) => "waiting for the broker",
        };
        let limits: Vec<&str> = stats.limits_reached().map(|(name, _)| name).collect();
        let reached = if limits.is_empty() { String::new() } else { format!(", limit reached: {}", limits.join(" ")) };
        self.surroundings.notifier.status(&format!(
            "{link}; {messages} messages, {} accepted, {} rejected; {unsent} to send{reached}",
            stats.accepted,
            stats.rejected() + foreign,
        ));
        debug!(messages, accepted = stats.accepted, rejected = stats.rejected(), unsent, "status");
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
