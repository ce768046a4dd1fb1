//! What fleet to simulate: its size, make-up, behaviour and transmission. Pure data with a check; a plan that passes
//! `check` must never make the simulation panic.

use std::fmt;

use serde::Serialize;

use crate::topic::IN_ROOT;

/// The most connectors a fleet may have.
pub const CONNECTORS_MAX: u32 = 5_000_000;
/// The longest and shortest interval between two samples of a connector, ms.
pub const INTERVAL_MS: std::ops::RangeInclusive<u32> = 1_000..=900_000;
/// The most operators a fleet may have.
pub const OPERATORS_MAX: u32 = 64;
/// How far a simulated clock may be off, ms; below the daemon's default limit for the future (2 min), so that a skewed
/// station's messages are all accepted.
pub const SKEW_MS_MAX: u32 = 110_000;

/// Everything that decides a simulated fleet. The same plan gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetPlan {
    /// Any number; another seed is another fleet.
    pub seed: u64,
    /// Number of connectors, exactly.
    pub connectors: u32,
    /// Begin of the span, ms since the epoch.
    pub start_ms: i64,
    /// Length of the span, ms; `None` goes on for ever.
    pub duration_ms: Option<i64>,
    /// How long the fleet has been living, unseen, before the span begins; with 0 every connector starts idle.
    pub warm_up_ms: i64,
    /// The stations' local time minus UTC, ms.
    pub zone_offset_ms: i32,
    /// Time between two samples of a connector, ms.
    pub interval_ms: u32,
    /// First topic levels, without a trailing slash.
    pub topic_root: String,
    /// What the fleet consists of.
    pub make_up: MakeUp,
    /// What happens to it.
    pub behaviour: Behaviour,
    /// What happens to its messages.
    pub transmission: Transmission,
}

/// Shares of the fleet, per thousand connectors unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MakeUp {
    /// Public ones, dedicated ones included (the NEA's December 2025 figure is 235: 4.717 of 20.092 million).
    pub public_permille: u32,
    /// Of the public ones: those of fleets such as buses and taxis.
    pub dedicated_permille: u32,
    /// Of the public ones: those in highway service areas (15: 71 500 of 4.717 million).
    pub highway_permille: u32,
    /// Of the public ones: those in towns and townships.
    pub rural_permille: u32,
    /// Of the public ones: direct current.
    pub dc_permille: u32,
    /// Of all that could: able to discharge into the grid.
    pub v2g_permille: u32,
    /// Number of operators; the first are the largest.
    pub operators: u32,
}

/// How busy and how faulty the fleet is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Behaviour {
    /// Arrivals relative to the built-in day curves, per thousand.
    pub activity_permille: u32,
    /// Attempts that do not lead to a session, per thousand.
    pub start_failure_permille: u32,
    /// Mean time between faults of an idle connector, ms; 0 for none.
    pub fault_every_ms: i64,
    /// Mean time between maintenances of a connector, ms; 0 for none.
    pub maintenance_every_ms: i64,
    /// Mean time between outages of a station, ms; 0 for none.
    pub outage_every_ms: i64,
    /// Mean charging time between telemetry episodes (heat, insulation, cells) of a connector, ms; 0 for none.
    pub episode_every_ms: i64,
    /// Mean time between alarms that a connector's equipment raises without failing, ms; 0 for none.
    pub alarm_every_ms: i64,
}

/// Shares of telemetry messages, per million, and of stations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transmission {
    /// Lost for good (they go at QoS 0).
    pub lost_ppm: u32,
    /// Held up by a few seconds, arriving before the connector's next one.
    pub late_ppm: u32,
    /// Held up for so long that the connector's next one overtakes them.
    pub out_of_order_ppm: u32,
    /// Arriving twice; applies to session and alarm messages as well.
    pub repeated_ppm: u32,
    /// Replaced by a malformed payload that every decoder must refuse.
    pub malformed_ppm: u32,
    /// Stations whose clock is off, per thousand.
    pub skewed_permille: u32,
    /// By how much at most, ms, to either side.
    pub skew_ms_max: u32,
    /// From a gateway's silence to its last will, ms.
    pub will_after_ms: i64,
}

impl Transmission {
    /// Nothing is lost, late, repeated, malformed or skewed.
    pub fn perfect() -> Self {
        Self {
            lost_ppm: 0,
            late_ppm: 0,
            out_of_order_ppm: 0,
            repeated_ppm: 0,
            malformed_ppm: 0,
            skewed_permille: 0,
            skew_ms_max: 0,
            will_after_ms: 90_000,
        }
    }
}

impl Default for Transmission {
    fn default() -> Self {
        Self {
            lost_ppm: 2_000,
            late_ppm: 3_000,
            out_of_order_ppm: 500,
            repeated_ppm: 1_000,
            malformed_ppm: 0,
            skewed_permille: 20,
            skew_ms_max: 90_000,
            will_after_ms: 90_000,
        }
    }
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            activity_permille: 1_000,
            start_failure_permille: 40,
            fault_every_ms: 40 * DAY_MS,
            maintenance_every_ms: 90 * DAY_MS,
            outage_every_ms: 10 * DAY_MS,
            episode_every_ms: 60 * HOUR_MS,
            alarm_every_ms: 30 * DAY_MS,
        }
    }
}

impl FleetPlan {
    /// A fleet made up like the nation at the end of 2025 (NEA), samples every 30 s, one day.
    pub fn national(seed: u64, connectors: u32, start_ms: i64) -> Self {
        Self {
            seed,
            connectors,
            start_ms,
            duration_ms: Some(DAY_MS),
            warm_up_ms: 0,
            zone_offset_ms: 8 * 3_600_000,
            interval_ms: 30_000,
            topic_root: IN_ROOT.to_owned(),
            make_up: MakeUp {
                public_permille: 235,
                dedicated_permille: 80,
                highway_permille: 15,
                rural_permille: 120,
                dc_permille: 400,
                v2g_permille: 10,
                operators: 12,
            },
            behaviour: Behaviour::default(),
            transmission: Transmission::default(),
        }
    }

    /// A fleet for showing: mostly public, with many service areas, V2G and incidents, already busy at its start.
    pub fn demo(seed: u64, connectors: u32, start_ms: i64) -> Self {
        let mut plan = Self::national(seed, connectors, start_ms);
        plan.duration_ms = None;
        plan.warm_up_ms = 6 * HOUR_MS;
        plan.make_up = MakeUp {
            public_permille: 750,
            dedicated_permille: 80,
            highway_permille: 150,
            rural_permille: 150,
            dc_permille: 600,
            v2g_permille: 60,
            operators: 12,
        };
        plan.behaviour.fault_every_ms = 10 * DAY_MS;
        plan.behaviour.outage_every_ms = 2 * DAY_MS;
        plan.behaviour.episode_every_ms = 12 * HOUR_MS;
        plan.behaviour.alarm_every_ms = 5 * DAY_MS;
        plan
    }

    /// The end of the span, ms since the epoch; the greatest time there is where it has none.
    pub fn end_ms(&self) -> i64 {
        self.duration_ms.map_or(i64::MAX, |duration_ms| self.start_ms + duration_ms)
    }

    /// Refuses values that make no fleet.
    ///
    /// # Errors
    /// The first value out of its range, by name.
    pub fn check(&self) -> Result<(), PlanError> {
        let permille = |name, value: u32| within(name, i64::from(value), 0, 1_000);
        let ppm = |name, value: u32| within(name, i64::from(value), 0, 1_000_000);
        // Times up to the year 2200, so that no sum below can overflow.
        within("start_ms", self.start_ms, 0, 7_258_118_400_000)?;
        within("connectors", i64::from(self.connectors), 1, i64::from(CONNECTORS_MAX))?;
        within("duration_ms", self.duration_ms.unwrap_or(1), 1, 36_500 * DAY_MS)?;
        within("warm_up_ms", self.warm_up_ms, 0, self.start_ms.min(30 * DAY_MS))?;
        within("zone_offset_ms", i64::from(self.zone_offset_ms) / 60_000, -18 * 60, 18 * 60)?;
        within("zone_offset_ms below a minute", i64::from(self.zone_offset_ms) % 60_000, 0, 0)?;
        let interval_ms = i64::from(self.interval_ms);
        within("interval_ms", interval_ms, i64::from(*INTERVAL_MS.start()), i64::from(*INTERVAL_MS.end()))?;
        let m = &self.make_up;
        permille("public_permille", m.public_permille)?;
        permille(
            "dedicated_permille + highway_permille + rural_permille",
            m.dedicated_permille.saturating_add(m.highway_permille).saturating_add(m.rural_permille),
        )?;
        permille("dc_permille", m.dc_permille)?;
        permille("v2g_permille", m.v2g_permille)?;
        within("operators", i64::from(m.operators), 1, i64::from(OPERATORS_MAX))?;
        let b = &self.behaviour;
        within("activity_permille", i64::from(b.activity_permille), 0, 100_000)?;
        permille("start_failure_permille", b.start_failure_permille)?;
        for (name, every_ms) in [
            ("fault_every_ms", b.fault_every_ms),
            ("maintenance_every_ms", b.maintenance_every_ms),
            ("outage_every_ms", b.outage_every_ms),
            ("episode_every_ms", b.episode_every_ms),
            ("alarm_every_ms", b.alarm_every_ms),
        ] {
            within(name, every_ms, 0, 36_500 * DAY_MS)?;
        }
        let t = &self.transmission;
        ppm("lost_ppm + malformed_ppm", t.lost_ppm.saturating_add(t.malformed_ppm))?;
        ppm("late_ppm + out_of_order_ppm", t.late_ppm.saturating_add(t.out_of_order_ppm))?;
        ppm("repeated_ppm", t.repeated_ppm)?;
        permille("skewed_permille", t.skewed_permille)?;
        within("skew_ms_max", i64::from(t.skew_ms_max), 0, i64::from(SKEW_MS_MAX))?;
        within("will_after_ms", t.will_after_ms, 1_000, HOUR_MS)?;
        let clean = |c: char| !c.is_control() && !matches!(c, '+' | '#' | '"' | '\\');
        if self.topic_root.is_empty() || !self.topic_root.chars().all(clean) {
            return Err(PlanError {
                name: "topic_root",
                value: i64::try_from(self.topic_root.len()).unwrap_or(0),
                low: 1,
                high: 0,
            });
        }
        Ok(())
    }
}

fn within(name: &'static str, value: i64, low: i64, high: i64) -> Result<(), PlanError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(PlanError { name, value, low, high }) }
}

/// A value of a plan that makes no fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// The value's name in the plan.
    pub name: &'static str,
    /// What it is.
    pub value: i64,
    /// The least that it may be.
    pub low: i64,
    /// The most that it may be; below `low` where the value is a text.
    pub high: i64,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.high < self.low {
            write!(f, "{} must be non-empty and hold no wildcard, quote or control character", self.name)
        } else {
            write!(f, "{} is {}, not between {} and {}", self.name, self.value, self.low, self.high)
        }
    }
}

impl std::error::Error for PlanError {}
