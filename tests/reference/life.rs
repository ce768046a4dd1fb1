//! One connector from the start of its timeline to its decommissioning: which samples it accepts, and the energy
//! between them. It must keep everything that it accepted; nothing is folded together before the end.

use super::Options;
use super::payload::RegisteredConnector;
use std::collections::{BTreeMap, BTreeSet};

/// An accepted sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// One of the states but `unobserved`.
    pub state: &'static str,
    /// W; negative to the grid.
    pub power_w: Option<i64>,
    /// Import register, J.
    pub import_j: Option<i64>,
    /// Export register, J.
    pub export_j: Option<i64>,
}

/// Energy delivered over `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Energy {
    /// ms since the epoch.
    pub from_ms: i64,
    /// ms since the epoch.
    pub to_ms: i64,
    /// J.
    pub energy_j: i128,
}

/// The way of one direction's energy.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The newest sample that carried the register: event time, register in J, power in W.
    register: Option<(i64, i64, Option<i64>)>,
    /// What was delivered by register, or in place of a register that went down.
    by_register: Vec<Energy>,
    /// What was delivered by power, by `(from, to)` of the two samples.
    by_power: BTreeMap<(i64, i64), i128>,
}

/// What became of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts; with it `meter_reset` and `meter_jump`, as many as there were.
    Accepted(Vec<&'static str>),
    /// It does not, and is counted under this name.
    Refused(&'static str),
}

/// What the breakdowns go by; `None` where it was registered without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    /// By the breakdown's name.
    pub values: BTreeMap<&'static str, Option<String>>,
}

/// One connector's life.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// `(operator, station)`.
    pub station: (String, String),
    /// Start of the timeline, ms since the epoch; none while it was only heard of.
    pub start_ms: Option<i64>,
    /// Whether an earlier life of the same connector had ended before.
    pub reborn: bool,
    /// Decommissioned at, ms since the epoch.
    pub end_ms: Option<i64>,
    /// All accepted samples by event time.
    pub samples: BTreeMap<i64, Sample>,
    /// Stretches `[from, to)` that may still be filled.
    pub gaps: BTreeSet<(i64, i64)>,
    /// Import.
    pub import: Chain,
    /// Export.
    pub export: Chain,
    /// `(from, rating in W)`; the last one whose `from` has come holds.
    pub ratings: Vec<(i64, Option<i64>)>,
    /// `(from, classes)`, likewise; empty where it stands in no registration.
    pub classes: Vec<(i64, Classes)>,
    /// The session events that were seen, by session.
    pub sessions: BTreeMap<String, BTreeSet<String>>,
}

/// The entry of a history that holds at a time: the last of those whose time has come.
pub fn at<T>(history: &[(i64, T)], time_ms: i64) -> Option<&T> {
    history.iter().rev().find(|(from_ms, _)| *from_ms <= time_ms).map(|(_, value)| value)
}

impl Life {
    /// Takes a sample that is neither late nor future.
    pub fn offer(&mut self, time_ms: i64, sample: Sample, options: &Options) -> Verdict {
        if self.samples.contains_key(&time_ms) {
            return Verdict::Refused("duplicate");
        }
        if self.end_ms.is_some_and(|end_ms| time_ms >= end_ms) {
            return Verdict::Refused("rejected");
        }
        match self.samples.last_key_value().map(|(newest_ms, newest)| (*newest_ms, newest.clone())) {
            None => self.first(time_ms, sample, options),
            Some((newest_ms, newest)) if newest_ms < time_ms => {
                let held_ms = if newest.state == "offline" { newest_ms } else { newest_ms + options.hold_ms };
                self.add_gap(held_ms, time_ms, options);
                self.in_order(time_ms, sample, options)
            }
            Some(_) => self.fill(time_ms, sample, options),
        }
    }

    fn first(&mut self, time_ms: i64, sample: Sample, options: &Options) -> Verdict {
        match self.start_ms {
            Some(start_ms) if time_ms < start_ms && self.reborn => return Verdict::Refused("out_of_order"),
            Some(start_ms) if start_ms < time_ms => self.add_gap(start_ms, time_ms, options),
            _ => self.start_ms = Some(time_ms),
        }
        self.in_order(time_ms, sample, options)
    }

    /// A sample that is newer than all others.
    fn in_order(&mut self, time_ms: i64, sample: Sample, options: &Options) -> Verdict {
        let previous = self.samples.last_key_value().map(|(time_ms, sample)| (*time_ms, sample.power_w));
        let rated_w = self.ratings.last().and_then(|(_, rated_w)| *rated_w);
        let mut faults = Vec::new();
        let (sign, here) = (1, (time_ms, sample.power_w));
        faults.extend(self.import.in_order(previous, here, sample.import_j, sign, rated_w, options));
        faults.extend(self.export.in_order(previous, here, sample.export_j, -sign, rated_w, options));
        self.samples.insert(time_ms, sample);
        Verdict::Accepted(faults)
    }

    /// A sample that is older than the newest: into a gap, or out of order.
    fn fill(&mut self, time_ms: i64, sample: Sample, options: &Options) -> Verdict {
        let found = self.gaps.iter().copied().find(|(from_ms, to_ms)| *from_ms <= time_ms && time_ms < *to_ms);
        let Some((from_ms, to_ms)) = found else { return Verdict::Refused("out_of_order") };
        self.gaps.remove(&(from_ms, to_ms));
        let held_ms = if sample.state == "offline" { time_ms } else { time_ms + options.hold_ms };
        self.add_gap(from_ms, time_ms, options);
        self.add_gap(held_ms, to_ms, options);
        let power = |(time_ms, sample): (&i64, &Sample)| (*time_ms, sample.power_w);
        let left = self.samples.range(..time_ms).next_back().map(power);
        let right = self.samples.range(time_ms..).next().map(power);
        self.import.fill(left, (time_ms, sample.power_w), right, 1, options);
        self.export.fill(left, (time_ms, sample.power_w), right, -1, options);
        self.samples.insert(time_ms, sample);
        Verdict::Accepted(Vec::new())
    }

    fn add_gap(&mut self, from_ms: i64, to_ms: i64, options: &Options) {
        if from_ms < to_ms {
            self.gaps.insert((from_ms, to_ms));
        }
        while self.gaps.len() > options.gaps_max {
            self.gaps.pop_first();
        }
    }

    /// The connector stands in a registration that arrived now. `from_ms` is where the change of classes begins.
    pub fn register(
        &mut self,
        listed: &RegisteredConnector,
        classes: Classes,
        (ts_ms, arrival_ms, from_ms): (i64, i64, i64),
        options: &Options,
    ) {
        if !self.classes.is_empty() {
            self.classes.push((from_ms, classes));
            self.ratings.push((ts_ms, listed.rated_w));
            return;
        }
        self.classes.push((i64::MIN, classes));
        self.ratings.push((i64::MIN, listed.rated_w));
        match self.start_ms {
            Some(start_ms) if arrival_ms < start_ms => {
                self.add_gap(arrival_ms, start_ms, options);
                self.start_ms = Some(arrival_ms);
            }
            Some(_) => {}
            None => self.start_ms = Some(arrival_ms),
        }
    }

    /// Ends the timeline, but not before what was already accepted.
    pub fn decommission(&mut self, time_ms: i64) {
        if self.end_ms.is_none() {
            let newest_ms = self.samples.last_key_value().map(|(newest_ms, _)| *newest_ms);
            let at_least_ms = newest_ms.max(self.start_ms).unwrap_or(time_ms);
            self.end_ms = Some(time_ms.max(at_least_ms));
        }
    }

    /// Its states over `[start, end of the timeline or until_ms)`, in order, without holes.
    pub fn states(&self, until_ms: i64, options: &Options) -> Vec<(i64, i64, &'static str)> {
        let Some(start_ms) = self.start_ms else { return Vec::new() };
        let end_ms = self.end_ms.map_or(until_ms, |end_ms| end_ms.min(until_ms));
        let times: Vec<i64> = self.samples.keys().copied().collect();
        let mut pieces = vec![(start_ms, times.first().copied().unwrap_or(end_ms), "unobserved")];
        for (index, (time_ms, sample)) in self.samples.iter().enumerate() {
            let next_ms = times.get(index + 1).copied().unwrap_or(end_ms.max(*time_ms));
            if sample.state == "offline" {
                pieces.push((*time_ms, next_ms, "offline"));
            } else {
                let held_ms = next_ms.min(time_ms + options.hold_ms);
                pieces.push((*time_ms, held_ms, sample.state));
                pieces.push((held_ms, next_ms, "unobserved"));
            }
        }
        let cut = pieces.into_iter().map(|(from_ms, to_ms, state)| (from_ms, to_ms.min(end_ms), state));
        cut.filter(|(from_ms, to_ms, _)| from_ms < to_ms).collect()
    }

    /// Whether nothing is known of it at the time.
    pub fn is_unobserved(&self, time_ms: i64, options: &Options) -> bool {
        let states = self.states(time_ms + 1, options);
        states.last().is_none_or(|(_, to_ms, state)| *to_ms <= time_ms || *state == "unobserved")
    }
}

impl Chain {
    /// All that was delivered.
    pub fn energies(&self) -> Vec<Energy> {
        let by_power = self.by_power.iter();
        let by_power = by_power.map(|((from_ms, to_ms), energy_j)| Energy {
            from_ms: *from_ms,
            to_ms: *to_ms,
            energy_j: *energy_j,
        });
        self.by_register.iter().copied().chain(by_power).collect()
    }

    /// Goes on to a sample newer than all others. `sign` is 1 for import and -1 for export.
    fn in_order(
        &mut self,
        previous: Option<(i64, Option<i64>)>,
        here: (i64, Option<i64>),
        register_j: Option<i64>,
        sign: i128,
        rated_w: Option<i64>,
        options: &Options,
    ) -> Option<&'static str> {
        let Some(register_j) = register_j else {
            if self.register.is_none() {
                self.join(previous, here, sign, options);
            }
            return None;
        };
        let (from_ms, from_j, from_w) = self.register.replace((here.0, register_j, here.1))?;
        let (to_ms, dt_ms) = (here.0, i128::from(here.0 - from_ms));
        let moved_j = i128::from(register_j) - i128::from(from_j);
        // rated x 1.2 x dt + 0.1 kWh, times 10 000 to stay with integers.
        let most = i128::from(rated_w.unwrap_or(1_000_000)) * 12 * dt_ms + 360_000 * 10_000;
        if moved_j < 0 {
            let energy_j = mean_power((from_ms, from_w), here, sign, options).unwrap_or(0);
            self.by_register.push(Energy { from_ms, to_ms, energy_j });
            Some("meter_reset")
        } else if moved_j * 10_000 <= most {
            self.by_register.push(Energy { from_ms, to_ms, energy_j: moved_j });
            None
        } else {
            Some("meter_jump")
        }
    }

    /// A sample between two others: by power, unless a register was ever sent.
    fn fill(
        &mut self,
        left: Option<(i64, Option<i64>)>,
        here: (i64, Option<i64>),
        right: Option<(i64, Option<i64>)>,
        sign: i128,
        options: &Options,
    ) {
        if self.register.is_some() {
            return;
        }
        if let (Some(left), Some(right)) = (left, right) {
            self.by_power.remove(&(left.0, right.0));
        }
        self.join(left, here, sign, options);
        if let Some(right) = right {
            self.join(Some(here), right, sign, options);
        }
    }

    /// Delivers by power between two neighbours.
    fn join(&mut self, left: Option<(i64, Option<i64>)>, right: (i64, Option<i64>), sign: i128, options: &Options) {
        if let Some(left) = left
            && let Some(energy_j) = mean_power(left, right, sign, options)
        {
            self.by_power.insert((left.0, right.0), energy_j);
        }
    }
}

/// The mean of two powers times the time between, J, as far as it goes in the direction of `sign`; nothing where
/// a power is missing or the two are further apart than hold.
fn mean_power(
    (from_ms, from_w): (i64, Option<i64>),
    (to_ms, to_w): (i64, Option<i64>),
    sign: i128,
    options: &Options,
) -> Option<i128> {
    let dt_ms = to_ms - from_ms;
    if dt_ms > options.hold_ms {
        return None;
    }
    let energy_j = (i128::from(from_w?) + i128::from(to_w?)) * i128::from(dt_ms) / 2_000;
    Some((energy_j * sign).max(0))
}
