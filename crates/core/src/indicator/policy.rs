//! The numbers that somebody decided: what a plan aims at, how small a denominator may be, how a score is weighed.
//! They come from the settings; the defaults are those of the domain reference. Nothing here is measured.

use crate::window::CivilDay;

/// Goals of the three-year plan that progress is reported against.
pub const GOALS: usize = 13;

/// What the settings say about indicators.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Echoed in each summary.
    pub version: Box<str>,
    /// How much there must be before a figure is given.
    pub minimums: Minimums,
    /// Whether `unavailable` counts as planned and so leaves the strict denominator (domain 4.6 and 8.0). Where it
    /// does not, it counts as down, as it always does in the calendar variants and in the British rule.
    pub unavailable_is_planned: bool,
    /// How often a connector is expected to send, ms; where absent, completeness is null.
    pub expected_interval_ms: Option<i64>,
    /// The three-year plan.
    pub plan: Plan,
    /// Charging facilities of the whole nation by the latest official count.
    pub national_facilities: i64,
    /// Availability that high-power equipment must reach.
    pub availability_min: f64,
    /// Share of new highway connectors that must be high-power ones.
    pub highway_new_high_power_share_min: f64,
    /// Share of energy that should be charged in valley periods.
    pub valley_share_min: f64,
    /// The same at private connectors.
    pub valley_share_private_min: f64,
    /// Reliability that a network of rapid connectors must reach (United Kingdom).
    pub uk_reliability_min: f64,
    /// How stations are graded for safety.
    pub grading: Grading,
    /// What the proxy of the star rating is made of.
    pub star: StarWeights,
    /// Days that the daemon must have watched before what is first seen counts as newly built.
    pub first_seen_days_min: i64,
    /// A county's or station's private connectors are given only from this many on.
    pub private_connectors_min: i64,
}

/// How much there must be before a figure is given; below, it is null with the reason `insufficient`.
///
/// Shares of time need none: they rest on every millisecond observed, and a short window of a small scope is what
/// somebody asks for who watches one station (docs/decisions/0003).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimums {
    /// Time in service for shares of time, ms.
    pub service_ms: i64,
    /// Attempts, for shares of attempts.
    pub attempts: i64,
    /// Sessions, orders or stops, for shares of these and for means.
    pub sessions: i64,
    /// Sessions, for events per thousand or ten thousand of them.
    pub rate_sessions: i64,
    /// Time in service, for events per connector-day, ms.
    pub rate_service_ms: i64,
    /// Failures or repairs, for the mean time between or to them.
    pub failures: i64,
    /// Values, for a percentile.
    pub percentile_values: i64,
}

/// The three-year plan: where it began, where it should end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// The day whose evening the base values speak of.
    pub base_day: CivilDay,
    /// The day whose evening the targets speak of.
    pub target_day: CivilDay,
    /// Base and target by goal, in the order of [`super::targets::GOAL_NAMES`].
    pub targets: [Target; GOALS],
}

/// One goal's numbers, in the goal's own unit; absent where no figure was published.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Target {
    pub base: Option<f64>,
    pub target: Option<f64>,
}

/// How the safety score is made: `sum over levels of weight x min(1, rate / reference)`, at most 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grading {
    /// Weights by level, gravest first.
    pub weights: [f64; 3],
    /// Alarms per 1000 connector-days at which a level's part is full, gravest first.
    pub references_per_1000_connector_days: [f64; 3],
    /// Above this score the grade is `serious`.
    pub serious_above: f64,
    /// Above this score the grade is `general`.
    pub general_above: f64,
}

/// Weights of the star proxy; they are divided by their sum.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct StarWeights {
    pub availability: f64,
    pub session_success: f64,
    pub idle_occupation: f64,
    pub safety: f64,
}

impl Default for Minimums {
    fn default() -> Self {
        Self {
            service_ms: 0,
            attempts: 10,
            sessions: 10,
            rate_sessions: 30,
            rate_service_ms: 86_400_000,
            failures: 3,
            percentile_values: 10,
        }
    }
}

impl Default for Grading {
    fn default() -> Self {
        Self {
            weights: [0.6, 0.3, 0.1],
            references_per_1000_connector_days: [1.0, 5.0, 20.0],
            serious_above: 0.5,
            general_above: 0.2,
        }
    }
}

impl Default for StarWeights {
    fn default() -> Self {
        Self { availability: 0.35, session_success: 0.35, idle_occupation: 0.1, safety: 0.2 }
    }
}

impl Default for Plan {
    fn default() -> Self {
        let target = |base, target| Target { base, target: Some(target) };
        Self {
            base_day: CivilDay { year: 2025, month: 12, day: 31 },
            target_day: CivilDay { year: 2027, month: 12, day: 31 },
            targets: [
                target(Some(20_092_000.0), 28_000_000.0),
                target(Some(220_000_000.0), 300_000_000.0),
                target(Some(40_000_000.0), 80_000_000.0),
                target(Some(0.0), 1_600_000.0),
                target(Some(0.0), 100_000.0),
                target(Some(0.0), 40_000.0),
                target(Some(0.98), 1.0),
                target(Some(0.0), 14_000.0),
                target(None, 1.0),
                target(None, 1.0),
                target(Some(0.0), 1_000.0),
                target(Some(0.0), 5_000.0),
                target(Some(0.0), 20_000_000.0),
            ],
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: "default".into(),
            minimums: Minimums::default(),
            unavailable_is_planned: true,
            expected_interval_ms: None,
            plan: Plan::default(),
            national_facilities: 20_092_000,
            availability_min: 0.98,
            highway_new_high_power_share_min: 0.25,
            valley_share_min: 0.60,
            valley_share_private_min: 0.80,
            uk_reliability_min: 0.99,
            grading: Grading::default(),
            star: StarWeights::default(),
            first_seen_days_min: 60,
            private_connectors_min: 10,
        }
    }
}
