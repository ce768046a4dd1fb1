//! What the core is told once, at its start: times and limits, all of them already validated.

use crate::window::Calendar;

/// How the core works.
#[derive(Clone, Debug)]
pub struct Config {
    /// Civil days and months.
    pub calendar: Calendar,
    /// How long after its end a base bucket is closed, ms.
    pub grace_ms: i64,
    /// How far ahead of its arrival an observation may lie, ms.
    pub future_skew_ms: i64,
    /// How far behind its arrival an observation may lie, ms.
    pub late_limit_ms: i64,
    /// The sources that observations come from; at least one.
    pub sources: Vec<Source>,
    /// What may be held at most.
    pub limits: Limits,
    /// Whether figures of single stations are wanted; those of stations on highways always are.
    pub stations_in_scope: bool,
    /// When vitals become alarms.
    pub thresholds: crate::safety::Thresholds,
}

/// How the messages of one source are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// How long a sample speaks for its connector, ms.
    pub hold_ms: i64,
    /// Whether any message of a station prolongs what its connectors' newest samples say.
    pub prolong: bool,
}

/// A source's place in [`Config::sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceIndex(pub u8);

/// What one shard holds at most; reaching a limit is counted and visible, never fatal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Limits {
    pub stations: usize,
    /// Stations that only ever sent telemetry.
    pub unregistered_stations: usize,
    pub connectors: usize,
    pub connectors_per_station: usize,
    /// Event times of accepted samples remembered per connector.
    pub duplicate_memory: usize,
    /// Tallies remembered of connectors that no registration names yet, so that one can claim them later.
    pub unclaimed_tallies: usize,
    /// Sessions remembered per connector.
    pub sessions_per_connector: usize,
    /// Alarms that stand at once.
    pub open_alarms: usize,
}

impl Default for Source {
    fn default() -> Self {
        Self { hold_ms: 180_000, prolong: false }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stations: 1_000_000,
            unregistered_stations: 10_000,
            connectors: 10_000_000,
            connectors_per_station: 1_000,
            duplicate_memory: 128,
            unclaimed_tallies: 200_000,
            sessions_per_connector: crate::sessions::REMEMBERED_DEFAULT,
            open_alarms: 100_000,
        }
    }
}

impl Default for Config {
    /// The defaults of semantics, section 1 to 5, on the calendar of China.
    fn default() -> Self {
        Self {
            calendar: Calendar::fixed(8 * 3_600_000),
            grace_ms: 30_000,
            future_skew_ms: 120_000,
            late_limit_ms: 72 * 3_600_000,
            sources: vec![Source::default()],
            limits: Limits::default(),
            stations_in_scope: true,
            thresholds: crate::safety::Thresholds::default(),
        }
    }
}
