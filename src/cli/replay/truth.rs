//! Holding a replay against the truth of the simulated fleet that was recorded (docs/simulated-fleet.md). It compares
//! the nation over the whole recording, in integers, and mends nothing.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use chargetally_core::state::State;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Deserialize;

use crate::error::{Exit, Failure};
use crate::replay::Outcome;

/// The schema that is understood.
const SCHEMA: &str = "chargetally.truth/1";
/// Width of the table, columns: that of a plain terminal.
const TABLE_COLUMNS: u16 = 80;

/// What is read of a truth.
#[derive(Debug, Clone, Deserialize)]
pub struct Truth {
    schema: String,
    nation: Nation,
}

#[derive(Debug, Clone, Deserialize)]
struct Nation {
    connectors: i64,
    rated_w: i64,
    import_j: i64,
    export_j: i64,
    sessions_attempted: i64,
    sessions_started: i64,
    sessions_completed: i64,
    sessions_aborted: i64,
    sessions_failed: i64,
    messages: Messages,
    state_ms: States,
}

#[derive(Debug, Clone, Deserialize)]
struct Messages {
    malformed: i64,
}

#[derive(Debug, Clone, Deserialize)]
struct States {
    charging: i64,
}

/// Reads a truth.
///
/// # Errors
/// [`Exit::NoInput`] where it cannot be opened, [`Exit::Data`] where it is none.
pub fn read(path: &Path) -> Result<Truth, Failure> {
    let file = File::open(path)
        .map_err(|error| Failure::new(Exit::NoInput, format!("cannot open {}", path.display())).because(error))?;
    let data = || Failure::new(Exit::Data, format!("{} holds no truth of a simulated fleet", path.display()));
    let truth: Truth = serde_json::from_reader(BufReader::new(file)).map_err(|error| data().because(error))?;
    if truth.schema == SCHEMA { Ok(truth) } else { Err(data().because(format!("its schema is not {SCHEMA}"))) }
}

/// How a replay stands against the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// 80 columns, ending with a line feed.
    pub table: String,
    /// Whether a figure differs that must not.
    pub differs: bool,
}

/// A figure, in the truth and in the summaries.
struct Row {
    what: &'static str,
    truth: i64,
    found: i64,
    exact: bool,
}

/// Compares.
#[must_use]
pub fn compare(truth: &Truth, outcome: &Outcome) -> Comparison {
    let rows = rows(&truth.nation, outcome);
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(TABLE_COLUMNS)
        .set_header(["nation", "truth", "summaries", "difference", ""]);
    for row in &rows {
        let verdict = match (row.exact, row.found == row.truth) {
            (_, true) => "equal",
            (true, false) => "WRONG",
            (false, false) => "near",
        };
        table.add_row([
            row.what.to_owned(),
            row.truth.to_string(),
            row.found.to_string(),
            (row.found - row.truth).to_string(),
            verdict.to_owned(),
        ]);
    }
    for column in 1..=3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Comparison { table: format!("{table}\n"), differs: rows.iter().any(|row| row.exact && row.found != row.truth) }
}

fn rows(truth: &Nation, outcome: &Outcome) -> Vec<Row> {
    let nation = outcome.nation.clone().unwrap_or_default();
    let (tally, events) = (&nation.tally, nation.tally.events.counts());
    let exact = |what, truth, found| Row { what, truth, found, exact: true };
    let rejected = i64::try_from(outcome.stats.rejected()).unwrap_or(i64::MAX);
    vec![
        exact("connectors", truth.connectors, nation.census.connectors),
        exact("rated power, W", truth.rated_w, nation.census.rated_w),
        exact("energy to vehicles, J", truth.import_j, tally.import_j),
        exact("energy from vehicles, J", truth.export_j, tally.export_j),
        exact("sessions attempted", truth.sessions_attempted, events.sessions_attempted),
        exact("sessions started", truth.sessions_started, events.sessions_started),
        exact("sessions completed", truth.sessions_completed, events.sessions_completed),
        exact("sessions aborted", truth.sessions_aborted, events.sessions_abnormal),
        exact("sessions never started", truth.sessions_failed, events.sessions_failed - events.sessions_abnormal),
        exact("messages rejected", truth.messages.malformed, rejected),
        Row {
            what: "time charging, ms",
            truth: truth.state_ms.charging,
            found: tally.in_state(State::Charging),
            exact: false,
        },
    ]
}
