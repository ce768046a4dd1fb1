//! The fleet's clockwork: which connector samples next, which timer is due, which held-up message arrives. It must never
//! let a message out before one that arrives earlier.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::areas::{COUNTIES, CountyArea};
use super::calendar::{Curve, civil, day_kind, hazard_every};
use super::make_up::{Built, build};
use super::model::Gun;
use super::payload::operator_id;
use super::plan::{FleetPlan, PlanError};
use super::rng::Draws;
use super::text::Times;
use super::transmit::{Held, Link};
use super::truth::{Ledger, Truth};

/// A message as it arrives at the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SimMessage {
    /// When it arrives, ms since the epoch.
    pub arrival_ms: i64,
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// 0 or 1.
    pub qos: u8,
    /// Published as retained.
    pub retain: bool,
    /// The payload is well-formed JSON; false for a station's bare `online` and `offline` and for malformed ones.
    pub json: bool,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A connector's state has lasted long enough; stale where the connector's epoch has moved on.
    State {
        /// The connector.
        gun: u32,
        /// Its epoch when the timer was set.
        epoch: u32,
    },
    /// A connector's alarm without a fault is over.
    AlarmOver {
        /// The connector.
        gun: u32,
    },
    /// A station loses its link or its power.
    Outage {
        /// The station.
        station: u32,
    },
    /// A silent station's will is due; stale where the station's outage is another one.
    Will {
        /// The station.
        station: u32,
        /// Number of its outage.
        outage: u32,
    },
    /// A station is back.
    Back {
        /// The station.
        station: u32,
    },
    /// A station sends what it kept during an outage.
    Backlog {
        /// The station.
        station: u32,
    },
}

/// Probabilities per sample, in 2^-32.
#[derive(Debug, Clone, Default)]
pub(super) struct Hazards {
    /// Of an arrival, by curve; of the current hour.
    pub arrival: [u32; Curve::ALL.len()],
    /// Of a fault.
    pub fault: u32,
    /// Of a maintenance.
    pub maintenance: u32,
    /// Of an alarm without a fault.
    pub alarm: u32,
    /// Of an episode in a charging connector's telemetry.
    pub episode: u32,
    /// When the hour ends.
    until_ms: i64,
    /// Temperature of the air, tenths of a degree.
    pub ambient_ddeg: i32,
    /// Hour of the day.
    pub hour: u8,
}

/// A simulated fleet; see the module's documentation.
pub struct Fleet {
    pub(super) plan: FleetPlan,
    pub(super) built: Built,
    pub(super) guns: Vec<Gun>,
    /// Telemetry topic of each connector.
    pub(super) topics: Vec<Box<str>>,
    pub(super) ledgers: Vec<Ledger>,
    pub(super) station_ledgers: Vec<Ledger>,
    /// Whether each station is cut off.
    pub(super) down: Vec<bool>,
    pub(super) links: Vec<Link>,
    /// Connectors with a vehicle taking or giving energy, by equipment.
    pub(super) active: Vec<u32>,
    pub(super) hazards: Hazards,
    /// Draws of the stations' outages and of the transmission.
    pub(super) station_draws: Draws,
    pub(super) noise: Draws,
    pub(super) held: BinaryHeap<Reverse<Held>>,
    pub(super) ready: VecDeque<SimMessage>,
    pub(super) spare: Vec<SimMessage>,
    pub(super) times: Times,
    pub(super) sequence: u64,
    pub(super) now_ms: i64,
    /// Before the span: things happen, nothing is sent or counted.
    pub(super) silent: bool,
    timers: BinaryHeap<Reverse<(i64, u64, Due)>>,
    /// Each connector with the offset of its samples within the interval, by that offset.
    ring: Vec<(u32, u32)>,
    cursor: usize,
    lap_ms: i64,
    /// Stations whose registration has been sent.
    registered: usize,
    done: bool,
}

impl Fleet {
    /// Builds the fleet on the built-in counties.
    ///
    /// # Errors
    /// Where the plan does not pass its check.
    pub fn new(plan: FleetPlan) -> Result<Self, PlanError> {
        Self::with_counties(plan, &COUNTIES)
    }

    /// Builds the fleet on other counties, ascending by code.
    ///
    /// # Errors
    /// Where the plan does not pass its check or there is no county.
    pub fn with_counties(plan: FleetPlan, counties: &[CountyArea]) -> Result<Self, PlanError> {
        plan.check()?;
        if counties.is_empty() {
            return Err(PlanError { name: "counties", value: 0, low: 1, high: i64::MAX });
        }
        let built = build(&plan, counties);
        let begin_ms = plan.start_ms - plan.warm_up_ms;
        let mut draws = Draws::new(plan.seed, 2);
        let mut ring: Vec<(u32, u32)> = (0..plan.connectors).map(|gun| (draws.below(plan.interval_ms), gun)).collect();
        ring.sort_unstable();
        let guns: Vec<Gun> = (0..plan.connectors).map(|index| gun(&plan, &built, index, begin_ms)).collect();
        let topics = (0..plan.connectors).map(|index| topic(&plan, &built, index)).collect();
        let hazards = Hazards {
            fault: hazard_every(plan.behaviour.fault_every_ms, plan.interval_ms),
            maintenance: hazard_every(plan.behaviour.maintenance_every_ms, plan.interval_ms),
            alarm: hazard_every(plan.behaviour.alarm_every_ms, plan.interval_ms),
            episode: hazard_every(plan.behaviour.episode_every_ms, plan.interval_ms),
            until_ms: i64::MIN,
            ..Hazards::default()
        };
        let mut fleet = Self {
            ledgers: vec![Ledger::default(); guns.len()],
            station_ledgers: vec![Ledger::default(); built.stations.len()],
            down: vec![false; built.stations.len()],
            links: vec![Link::default(); built.stations.len()],
            active: vec![0; built.equipment.len()],
            station_draws: Draws::new(plan.seed, 3),
            noise: Draws::new(plan.seed, 4),
            held: BinaryHeap::new(),
            ready: VecDeque::new(),
            spare: Vec::new(),
            times: Times::new(plan.zone_offset_ms),
            sequence: 0,
            now_ms: begin_ms,
            silent: true,
            timers: BinaryHeap::new(),
            cursor: 0,
            lap_ms: begin_ms,
            registered: 0,
            done: false,
            plan,
            built,
            guns,
            topics,
            hazards,
            ring,
        };
        for station in 0..fleet.built.stations.len() as u32 {
            fleet.plan_outage(station, begin_ms);
        }
        Ok(fleet)
    }

    /// The next message; `None` once the span is over.
    pub fn next_message(&mut self) -> Option<SimMessage> {
        let mut message = SimMessage::default();
        self.next_into(&mut message).then_some(message)
    }

    /// Writes the next message over `message`, reusing its buffers; false once the span is over.
    pub fn next_into(&mut self, message: &mut SimMessage) -> bool {
        while !self.done || !self.ready.is_empty() {
            if let Some(mut next) = self.ready.pop_front() {
                std::mem::swap(message, &mut next);
                self.recycle(next);
                return true;
            }
            self.step();
        }
        false
    }

    /// What happened up to now; the whole truth once the span is over. Counts include a message from the moment at which the
    /// one before it in the same instant was taken.
    pub fn truth(&self) -> Truth {
        let mut ledgers = self.ledgers.clone();
        let end_ms = self.now_ms.max(self.plan.start_ms);
        for (gun, ledger) in self.guns.iter().zip(&mut ledgers) {
            let since_ms = gun.since_ms.max(self.plan.start_ms);
            ledger.spend(gun.state, u64::try_from(end_ms - since_ms).unwrap_or(0));
        }
        Truth::of(&self.plan, &self.built, end_ms, &ledgers, &self.station_ledgers)
    }

    /// Messages that arrive at the same time as the one that was taken last: the truth counts them already.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The plates of the fleet.
    pub fn built(&self) -> &Built {
        &self.built
    }

    /// Its plan.
    pub fn plan(&self) -> &FleetPlan {
        &self.plan
    }

    /// Arrival time that the simulation has come to, ms since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Does the next thing that happens; it may make any number of messages ready.
    fn step(&mut self) {
        if !self.silent && self.registered < self.built.stations.len() {
            self.registered += 1;
            return self.register(self.registered as u32 - 1, self.plan.start_ms);
        }
        let (offset_ms, gun) = self.ring[self.cursor];
        let tick_ms = self.lap_ms + i64::from(offset_ms);
        let timer_ms = self.timers.peek().map_or(i64::MAX, |Reverse((at_ms, ..))| *at_ms);
        let held_ms = self.held.peek().map_or(i64::MAX, |Reverse(held)| held.arrival_ms);
        let at_ms = tick_ms.min(timer_ms).min(held_ms);
        if self.silent && at_ms >= self.plan.start_ms {
            (self.silent, self.now_ms) = (false, self.plan.start_ms);
            return;
        }
        if at_ms >= self.plan.end_ms() {
            (self.done, self.now_ms) = (true, self.plan.end_ms());
            return;
        }
        self.now_ms = at_ms;
        if at_ms >= self.hazards.until_ms {
            self.turn_hour(at_ms);
        }
        if timer_ms == at_ms {
            if let Some(Reverse((_, _, due))) = self.timers.pop() {
                self.due(due, at_ms);
            }
        } else if held_ms == at_ms {
            self.release();
        } else {
            self.cursor += 1;
            if self.cursor == self.ring.len() {
                self.cursor = 0;
                self.lap_ms += i64::from(self.plan.interval_ms);
            }
            self.tick(gun, at_ms);
        }
    }

    /// Has `due` happen when what a station does at `event_ms` arrives.
    pub(super) fn set_timer(&mut self, station: u32, event_ms: i64, due: Due) {
        let latency_ms = self.built.stations[station as usize].latency_ms;
        self.sequence += 1;
        self.timers.push(Reverse((event_ms + latency_ms, self.sequence, due)));
    }

    fn turn_hour(&mut self, at_ms: i64) {
        const HOUR_MS: i64 = 3_600_000;
        let offset_ms = self.plan.zone_offset_ms;
        let local_ms = at_ms + i64::from(offset_ms);
        self.hazards.until_ms = (local_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS - i64::from(offset_ms);
        let now = civil(at_ms, offset_ms);
        let kind = day_kind(at_ms, offset_ms);
        for curve in Curve::ALL {
            self.hazards.arrival[curve.index()] =
                curve.hazard(kind, now.hour, self.plan.interval_ms, self.plan.behaviour.activity_permille);
        }
        // Warmest at 14 h and in July, 12 degrees from night to day and 24 from winter to summer.
        let from_noon = (i32::from(now.hour) - 14).rem_euclid(24);
        let from_july = (i32::from(now.date.1) - 7).rem_euclid(12);
        self.hazards.ambient_ddeg = 320 - 10 * from_noon.min(24 - from_noon) - 40 * from_july.min(12 - from_july);
        self.hazards.hour = now.hour;
    }
}

impl Iterator for Fleet {
    type Item = SimMessage;

    fn next(&mut self) -> Option<SimMessage> {
        self.next_message()
    }
}

fn gun(plan: &FleetPlan, built: &Built, index: u32, now_ms: i64) -> Gun {
    let plate = &built.connectors[index as usize];
    let station = &built.stations[plate.station as usize];
    Gun::new(plan.seed, index, plate, station, now_ms)
}

fn topic(plan: &FleetPlan, built: &Built, index: u32) -> Box<str> {
    let station_index = built.connectors[index as usize].station;
    let station = &built.stations[station_index as usize];
    let number = index - station.connectors.0 + 1;
    format!("{}{number:02}/telemetry", station_topic(plan, built, station_index)).into_boxed_str()
}

/// The first levels of a station's topics, with a trailing slash.
pub(super) fn station_topic(plan: &FleetPlan, built: &Built, station: u32) -> String {
    let station = &built.stations[station as usize];
    format!("{}/{:02}/{}/{}/", plan.topic_root, station.county.code / 10_000, operator_id(station.operator), station.id)
}
