//! The slow, obvious reference program: what a recording means, computed in the plainest way that the pages on
//! semantics and wire allow. It keeps every accepted sample, lists every piece of state and energy, cuts them at
//! the minute and adds up. It must never use the daemon's own types or arithmetic: only then does agreement mean
//! something. Speed is no concern here.
#![allow(dead_code, reason = "each integration test that includes this module uses its own part of it")]

pub mod account;
pub mod compare;
pub mod figures;
pub mod generate;
pub mod input;
pub mod ledger;
pub mod life;
pub mod payload;
pub mod vector;

use figures::Figures;
use std::collections::BTreeMap;

/// One minute, ms: the base bucket.
pub const MINUTE_MS: i64 = 60_000;
/// All windows' names, shortest first.
pub const WINDOWS: [&str; 5] = ["1m", "15m", "1h", "1d", "1mo"];

/// `(window name, start in ms since the epoch, scope such as "county/530102")`.
pub type Key = (String, i64, String);

/// What the figures depend on beside the recording.
#[derive(Clone, Debug)]
pub struct Options {
    /// Root of the topics.
    pub root: String,
    /// How long a sample speaks for its connector, ms.
    pub hold_ms: i64,
    /// How far an event may be ahead of its arrival, ms.
    pub future_skew_ms: i64,
    /// How far an event may be behind its arrival, ms.
    pub late_limit_ms: i64,
    /// How long after its end a base bucket is closed, ms.
    pub grace_ms: i64,
    /// How many gaps a connector remembers.
    pub gaps_max: usize,
    /// Time zone of the civil days and months.
    pub zone: String,
    /// The windows that are wanted, of `WINDOWS`.
    pub windows: Vec<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: "ev/v1".to_owned(),
            hold_ms: 3 * MINUTE_MS,
            future_skew_ms: 2 * MINUTE_MS,
            late_limit_ms: 72 * 60 * MINUTE_MS,
            grace_ms: 30_000,
            gaps_max: 8,
            zone: "Asia/Shanghai".to_owned(),
            windows: WINDOWS.to_vec(),
        }
    }
}

/// Reads a recording (NDJSON, a message a line) and gives the figures of every window and scope with connector time.
pub fn replay(lines: &str, options: &Options) -> BTreeMap<Key, Figures> {
    let mut ledger = ledger::Ledger::new(options.clone());
    for line in lines.lines() {
        if let Some(message) = input::read_line(line, &options.root) {
            ledger.take(&message);
        }
    }
    account::account(&ledger)
}

/// The start of the minute that holds the time, ms.
pub fn minute_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(MINUTE_MS) * MINUTE_MS
}
