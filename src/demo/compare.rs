//! The daemon's figures against what the simulator knows to have happened: which must be equal, which come near, and
//! why. It compares and words; it must never round a difference away.

use std::fmt::Write as _;

use super::board::Sums;
use crate::simulate::{Count, Figures, State};

/// What is expected of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// To the last unit.
    Equal,
    /// Close to the truth, for the reason given below the table.
    Near,
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Row {
    pub name: &'static str,
    pub daemon: i64,
    pub truth: i64,
    pub expected: Expected,
}

impl Row {
    /// Whether it is as expected; what only comes near is not judged.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.expected == Expected::Near || self.daemon == self.truth
    }

    /// The difference in percent of the truth; none where the truth is 0.
    #[must_use]
    pub fn difference_pct(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
        let percent = (self.daemon - self.truth) as f64 * 100.0 / self.truth as f64;
        (self.truth != 0).then_some(percent)
    }
}

/// How complete the daemon's side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// Everything was delivered, and the last revisions have been published.
    Settled,
    /// The demo was interrupted: the minutes that had been published by then.
    Interrupted,
}

/// The figures side by side.
#[must_use]
pub fn rows(sums: &Sums, truth: &Figures, completeness: Completeness) -> Vec<Row> {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let count = |count| signed(truth.count(count));
    let exact = if completeness == Completeness::Settled { Expected::Equal } else { Expected::Near };
    let row = |name, daemon, truth, expected| Row { name, daemon, truth, expected };
    // Every stop is counted once; those of sessions whose start was before the demo are failed ones for the daemon.
    let ended = sums.sessions_completed + sums.sessions_failed;
    let truly_ended = count(Count::Completed) + count(Count::Aborted) + count(Count::Failed);
    let raised: i64 = sums.alarms_raised.values().sum();
    let truly_raised = count(Count::RaisedPersonal) + count(Count::RaisedEquipment) + count(Count::RaisedNotice);
    let mut rows = vec![
        row("energy import [J]", sums.import_j, signed(truth.import_j), exact),
        row("energy export [J]", sums.export_j, signed(truth.export_j), exact),
        row("sessions attempted", sums.sessions_attempted, count(Count::Attempted), exact),
        row("sessions started", sums.sessions_started, count(Count::Started), exact),
        row("sessions ended", ended, truly_ended, exact),
        row("alarms raised", raised, truly_raised, Expected::Near),
    ];
    rows.extend(State::ALL.into_iter().map(|state| {
        let daemon = sums.state_ms.get(state.name()).copied().unwrap_or(0);
        row(state.name(), daemon / 1_000, signed(truth.state_ms(state)) / 1_000, Expected::Near)
    }));
    rows.push(row("unobserved", sums.state_ms.get("unobserved").copied().unwrap_or(0) / 1_000, 0, Expected::Near));
    rows
}

/// First row of [`rows`] that is a time in a state.
const STATE_ROWS: usize = 6;

/// The comparison in plain words, ending with a line feed.
#[must_use]
pub fn report(rows: &[Row], span: &str, completeness: Completeness) -> String {
    let mut out = format!("The nation, {span}: the daemon against the simulator's own truth\n\n");
    let _ = writeln!(out, "{:<22}{:>18}{:>18}{:>11}", "", "daemon", "truth", "difference");
    for (place, row) in rows.iter().enumerate() {
        if place == STATE_ROWS {
            out.push_str("time in state [s]\n");
        }
        let indent = if place >= STATE_ROWS { "  " } else { "" };
        let difference = match (row.daemon == row.truth, row.difference_pct()) {
            (true, _) => "none".to_owned(),
            (false, Some(percent)) => format!("{percent:+.3} %"),
            (false, None) => format!("{:+}", row.daemon - row.truth),
        };
        let verdict = match (row.expected, row.holds()) {
            (Expected::Equal, true) => "  equal",
            (Expected::Equal, false) => "  NOT EQUAL",
            (Expected::Near, _) => "",
        };
        let name = format!("{indent}{}", row.name);
        let _ = writeln!(out, "{name:<22}{:>18}{:>18}{difference:>11}{verdict}", row.daemon, row.truth);
    }
    out.push('\n');
    out.push_str(match completeness {
        Completeness::Settled => SETTLED,
        Completeness::Interrupted => INTERRUPTED,
    });
    out
}

const SETTLED: &str = "\
Must be equal: energy, for registers telescope over lost, late and repeated samples; sessions, for their messages
come at QoS 1 and count once. Near: alarms, for the daemon adds those that it derives from telemetry by itself; times
in states, for a lost sample may shift a change by an interval, each connector is unobserved up to its first sample,
and a station without power is offline for the daemon only from its last will on.
";

const INTERRUPTED: &str = "\
The demo was interrupted, so nothing has to be equal: the daemon's side is what had been published, without what was
still to be revised, and the truth was taken at about the same minute. With --minutes the demo ends by itself, waits
for the last revisions and shows what is equal to the last unit.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn energy(import_j: i64) -> Sums {
        Sums { import_j, ..Sums::default() }
    }

    #[test]
    fn a_joule_too_many_is_not_equal_where_everything_is_settled() {
        let mut truth = Figures::default();
        truth.import_j = 3_600;
        let equal = rows(&energy(3_600), &truth, Completeness::Settled);
        assert!(equal.iter().all(Row::holds));
        let wrong = rows(&energy(3_601), &truth, Completeness::Settled);
        assert!(!wrong[0].holds());
        let text = report(&wrong, "a minute", Completeness::Settled);
        assert!(text.contains("NOT EQUAL") && text.contains("+0.028 %"), "{text}");
        let interrupted = rows(&energy(3_601), &truth, Completeness::Interrupted);
        assert!(interrupted.iter().all(Row::holds));
        assert!(!report(&interrupted, "a minute", Completeness::Interrupted).contains("NOT EQUAL"));
    }

    #[test]
    fn every_state_has_its_row() {
        let text = report(
            &rows(&Sums::default(), &Figures::default(), Completeness::Settled),
            "nothing",
            Completeness::Settled,
        );
        for state in State::ALL {
            assert!(text.contains(&format!("\n  {}", state.name())), "{text}");
        }
        assert!(text.contains("\n  unobserved"));
    }
}
