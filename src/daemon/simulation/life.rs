//! One life of the daemon, from its start to its end or its crash: the house, and around it what the driver and the
//! connections hold for it. It does what the driver does, at the times that the world gives.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use chargetally_core::config::Config;
use chargetally_core::rollup::RollupConfig;
use chargetally_core::scope::Level;
use chargetally_core::time::ArrivalTime;
use chargetally_core::window::WindowKind;

use super::broker::Heard;
use crate::daemon::DaemonError;
use crate::daemon::house::House;
use crate::daemon::keeper::{Keeper, Opened};
use crate::daemon::outgoing::Outgoing;
use crate::daemon::works::Works;
use crate::dialect::Dialect;
use crate::engine::{EngineConfig, Notice, Notices, Spread};
use crate::ingest::Batch;
use crate::mqtt::{AckToken, Incoming};
use crate::publish::assemble::Assembler;
use crate::publish::egress::Publisher;
use crate::publish::outbox::{Entry, OutboxLimits, Settled};
use crate::settings::Settings;
use crate::setup::{self, ReferenceTables};
use crate::simulate::rng::Draws;
use crate::store::{Limits, faults};
use crate::topic::Root;

/// Windows whose summaries the history keeps as they were given out.
pub(super) const KEPT_WHOLE: [WindowKind; 3] = [WindowKind::Hour, WindowKind::Day, WindowKind::Month];
/// Batches that wait for the driver at most.
const CHANNEL_MAX: usize = 4;
/// Messages of one batch at most.
const BATCH_MAX: usize = 8;
/// What the store gathers at most, bytes: more than the house's own limit and a batch together.
pub(super) const BUFFER_BYTES: usize = 16 << 10;
const SYNC_WAIT_MS: u64 = 50;
const MINUTE_MS: i64 = 60_000;

/// What all lives have in common.
pub(super) struct Plant {
    config: EngineConfig,
    pub(super) assembler: Assembler,
}

impl Plant {
    /// Gives out summaries of these levels; closes are spread over time where that is asked for.
    pub(super) fn new(levels: &[Level], spread: Option<Spread>) -> Self {
        let settings = Settings::default();
        let config = setup::engine(&settings, true).expect("no table to read");
        let core = Config { late_limit_ms: 3 * 3_600_000, ..(*config.core).clone() };
        let rollup = RollupConfig {
            levels: levels.to_vec(),
            windows: WindowKind::ALL.to_vec(),
            revise_every_ms: 50_000,
            ..config.rollup.clone()
        };
        let assembler = setup::assembler(&settings, &ReferenceTables::default());
        Self { config: EngineConfig { core: Arc::new(core), rollup, spread, ..config }, assembler }
    }

    pub(super) fn dialects(&self) -> Vec<Dialect> {
        self.config.dialects.clone()
    }

    /// For a run that keeps everything in memory.
    pub(super) fn undisturbed(&self, workers: usize) -> EngineConfig {
        self.keeping(workers, [i64::MAX / 4; 5])
    }

    /// For a life that leaves old windows to the store.
    fn forgetful(&self, workers: usize) -> EngineConfig {
        self.keeping(workers, [MINUTE_MS, MINUTE_MS, MINUTE_MS, MINUTE_MS, i64::MAX / 4])
    }

    fn keeping(&self, workers: usize, keep_ms: [i64; 5]) -> EngineConfig {
        let rollup = RollupConfig { keep_ms, ..self.config.rollup.clone() };
        EngineConfig { workers, rollup, ..self.config.clone() }
    }
}

/// What the subscribing connection tells the driver, in order.
enum Event {
    Batch(Batch),
    /// The connection is up, or it is down.
    Hears(bool),
}

pub(super) struct Life {
    pub(super) house: House,
    publisher: Publisher,
    /// What the driver has not taken yet.
    channel: VecDeque<Event>,
    last_batch: u64,
    /// Batches and what of them is to be acknowledged.
    unacknowledged: VecDeque<(u64, Vec<AckToken>, Vec<Bytes>)>,
    speaker: Notices,
    /// What workers have said, and when the speaker comes to say it.
    notices: VecDeque<(i64, Notice)>,
    repeat_alarms: bool,
    is_publishing: bool,
    /// Sent to the broker, which has it, and not acknowledged yet.
    in_flight: VecDeque<u64>,
    pub(super) first: ArrivalTime,
}

/// What may be acknowledged: tokens, and the payloads of all that came with them.
#[derive(Default)]
pub(super) struct Acknowledged {
    pub(super) tokens: Vec<AckToken>,
    pub(super) payloads: Vec<Bytes>,
}

impl Life {
    pub(super) fn begin(plant: &Plant, directory: &Path, workers: usize, now_ms: i64) -> Result<Self, DaemonError> {
        let limits = Limits { buffer_bytes_max: BUFFER_BYTES, ..Limits::default() };
        let now = ArrivalTime::from_ms(now_ms);
        let opened = Keeper::open(directory, limits, SYNC_WAIT_MS, plant.forgetful(workers), now)?;
        let Opened { keeper, engine, published, first, resumed } = opened;
        let publisher = Publisher::unconnected(OutboxLimits { entries_max: 10_000, bytes_max: 64 << 20 });
        let outgoing = Outgoing::new(Root::default_out(), None, publisher.clone());
        let assembler = Assembler { first, ..plant.assembler.clone() };
        let mut works = Works::new(engine, assembler, plant.dialects(), published, KEPT_WHOLE.to_vec());
        let speaker = works.engine.take_notices().expect("nobody took them before");
        faults::recovered(keeper.last_seq());
        let mut house = House { works, keeper: Some(keeper), outgoing };
        house.replay()?;
        // The driver begins so: nothing is heard before the first connection.
        house.listen(now, false)?;
        Ok(Self {
            house,
            publisher,
            channel: VecDeque::new(),
            last_batch: 0,
            unacknowledged: VecDeque::new(),
            speaker,
            notices: VecDeque::new(),
            repeat_alarms: resumed,
            is_publishing: false,
            in_flight: VecDeque::new(),
            first,
        })
    }

    /// How many messages the subscribing connection takes now.
    pub(super) fn room(&self) -> usize {
        let batches = self.channel.iter().filter(|event| matches!(event, Event::Batch(_)));
        if batches.count() < CHANNEL_MAX { BATCH_MAX } else { 0 }
    }

    /// The subscribing connection hands over what came.
    pub(super) fn receive(&mut self, messages: Vec<Incoming>) {
        if messages.is_empty() {
            return;
        }
        self.last_batch += 1;
        let tokens = messages.iter().filter_map(|message| message.ack).collect();
        let payloads = messages.iter().map(|message| message.payload.clone()).collect();
        self.unacknowledged.push_back((self.last_batch, tokens, payloads));
        self.channel.push_back(Event::Batch(Batch::new(self.last_batch, messages)));
    }

    /// The subscribing connection is up, or it is down: the driver learns it after everything that came before.
    pub(super) fn linked(&mut self, hears: bool) {
        self.channel.push_back(Event::Hears(hears));
    }

    /// Whether everything that came was taken in and may be acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.channel.is_empty() && self.unacknowledged.is_empty()
    }

    /// The driver takes what comes next, where there is anything and the house takes any.
    pub(super) fn take(&mut self, now_ms: i64) -> Result<Acknowledged, DaemonError> {
        if !self.house.takes_more() {
            return Ok(Acknowledged::default());
        }
        let durable = match self.channel.pop_front() {
            None => return Ok(Acknowledged::default()),
            Some(Event::Batch(batch)) => self.house.take(&batch)?,
            Some(Event::Hears(hears)) => {
                self.house.listen(ArrivalTime::from_ms(now_ms), hears)?;
                None
            }
        };
        // What the workers say of it is to be there at the same point in every run of the seed.
        self.house.works.stats()?;
        Ok(self.acknowledge(durable))
    }

    /// The driver looks at its clock.
    pub(super) fn tick(&mut self, now_ms: i64) -> Result<Acknowledged, DaemonError> {
        let now = ArrivalTime::from_ms(now_ms);
        let closed = self.house.tick(now)?;
        let mut durable = if closed || self.house.is_failing() { self.house.sync()? } else { None };
        durable = self.house.tidy(now)?.or(durable);
        Ok(self.acknowledge(durable))
    }

    /// The driver makes the journal durable where it is time.
    pub(super) fn sync_where_due(&mut self) -> Result<Acknowledged, DaemonError> {
        if !self.house.is_due(self.channel.is_empty()) {
            return Ok(Acknowledged::default());
        }
        self.sync()
    }

    pub(super) fn sync(&mut self) -> Result<Acknowledged, DaemonError> {
        let durable = self.house.sync()?;
        Ok(self.acknowledge(durable))
    }

    fn acknowledge(&mut self, durable: Option<u64>) -> Acknowledged {
        let mut acknowledged = Acknowledged::default();
        let through = durable.unwrap_or(0);
        while self.unacknowledged.front().is_some_and(|&(id, ..)| id <= through) {
            if let Some((_, tokens, payloads)) = self.unacknowledged.pop_front() {
                acknowledged.tokens.extend(tokens);
                acknowledged.payloads.extend(payloads);
            }
        }
        acknowledged
    }

    /// Workers say what they have to say, and the speaker gives it out a while later.
    pub(super) fn speak(&mut self, draws: &mut Draws, now_ms: i64) -> Result<(), DaemonError> {
        self.house.works.stats()?;
        for notice in self.speaker.try_iter() {
            let after_ms = if draws.chance_permille(800) { 0 } else { draws.between(0, 2_000) };
            self.notices.push_back((now_ms + after_ms, notice));
        }
        while self.notices.front().is_some_and(|&(due_ms, _)| due_ms <= now_ms) {
            if let Some((_, Notice::Alarm(event))) = self.notices.pop_front() {
                self.house.outgoing.alarm(&event, &self.house.works.assembler.calendar);
            }
            self.speaker.said();
        }
        Ok(())
    }

    pub(super) const fn is_publishing(&self) -> bool {
        self.is_publishing
    }

    /// The publishing connection is up: what the driver does then.
    pub(super) fn connect(&mut self) -> Result<(), DaemonError> {
        self.is_publishing = true;
        if std::mem::replace(&mut self.repeat_alarms, true) {
            self.house.works.engine.repeat_alarms()?;
        }
        Ok(())
    }

    /// The publishing connection is down; the broker may have got what it has not acknowledged.
    pub(super) fn disconnect(&mut self) {
        self.is_publishing = false;
        self.in_flight.clear();
        self.publisher.outbox().return_in_flight();
    }

    /// The publishing connection sends what waits, and the broker acknowledges some of it.
    pub(super) fn publish(&mut self, draws: &mut Draws, heard: &mut Heard) -> Result<(), String> {
        if !self.is_publishing {
            return Ok(());
        }
        let mut outbox = self.publisher.outbox();
        for _ in 0..draws.between(0, 24) {
            if self.in_flight.len() >= 16 {
                break;
            }
            let Some((token, entry)) = outbox.take_next() else { break };
            let entry: Entry = entry.clone();
            heard.hear(&entry)?;
            self.in_flight.push_back(token);
        }
        for _ in 0..draws.between(0, 24) {
            let Some(token) = self.in_flight.pop_front() else { break };
            outbox.settle(token, Settled::Published);
        }
        Ok(())
    }

    /// Whether the broker has everything that was said.
    pub(super) fn is_heard(&self) -> bool {
        self.house.outgoing.unsent() == 0 && self.notices.is_empty()
    }
}
