//! `simulate` into files: a recording of what a simulated fleet sends, and the truth beside it. It must never publish
//! anything; sources for a broker stand on `Fleet::next_into`.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::simulate::record::Recorder;
use crate::simulate::{Fleet, FleetPlan, PlanError, SimMessage};

/// Messages between two updates of the progress bar.
const PROGRESS_EVERY: u64 = 8_192;
/// Size of the recording's buffer, bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Lines of the recording.
    pub messages: u64,
    /// Its size.
    pub bytes: u64,
    /// Connectors of the fleet.
    pub connectors: u32,
    /// Its stations.
    pub stations: usize,
}

/// Why nothing complete was written.
#[derive(Debug)]
pub enum SimulateError {
    /// The plan makes no fleet.
    Plan(PlanError),
    /// The plan has no end, and a file needs one.
    Endless,
    /// A file could not be written.
    Write(PathBuf, io::Error),
}

impl fmt::Display for SimulateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(_) => write!(f, "the fleet's plan is not valid"),
            Self::Endless => write!(f, "a recording needs a duration"),
            Self::Write(path, _) => write!(f, "cannot write {}", path.display()),
        }
    }
}

impl std::error::Error for SimulateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Plan(error) => Some(error),
            Self::Endless => None,
            Self::Write(_, error) => Some(error),
        }
    }
}

/// Simulates the plan's whole span into `recording` (NDJSON, a message a line) and `truth` (JSON), with a progress bar on
/// stderr where `progress` asks for one and stderr is a terminal.
///
/// # Errors
/// Where the plan is not valid or has no end, or a file cannot be written; the files are then incomplete.
pub fn to_file(plan: FleetPlan, recording: &Path, truth: &Path, progress: bool) -> Result<Written, SimulateError> {
    let Some(duration_ms) = plan.duration_ms else { return Err(SimulateError::Endless) };
    let (start_ms, zone_offset_ms) = (plan.start_ms, plan.zone_offset_ms);
    let mut fleet = Fleet::new(plan).map_err(SimulateError::Plan)?;
    let bar = bar(u64::try_from(duration_ms).unwrap_or(0), progress);
    let broken = |path: &Path| {
        let path = path.to_owned();
        move |error| SimulateError::Write(path, error)
    };
    let file = File::create(recording).map_err(broken(recording))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    let mut recorder = Recorder::new(zone_offset_ms, start_ms);
    let (mut message, mut line) = (SimMessage::default(), Vec::new());
    let mut written =
        Written { messages: 0, bytes: 0, connectors: fleet.plan().connectors, stations: fleet.built().stations.len() };
    while fleet.next_into(&mut message) {
        line.clear();
        recorder.line(&mut line, &message);
        out.write_all(&line).map_err(broken(recording))?;
        written.messages += 1;
        written.bytes += line.len() as u64;
        if written.messages.is_multiple_of(PROGRESS_EVERY) {
            bar.set_position(u64::try_from(message.arrival_ms - start_ms).unwrap_or(0));
            bar.set_message(format!("{} messages", written.messages));
        }
    }
    out.flush().map_err(broken(recording))?;
    let text = fleet.truth().to_json().map_err(io::Error::from).map_err(broken(truth))?;
    std::fs::write(truth, text).map_err(broken(truth))?;
    bar.finish_and_clear();
    Ok(written)
}

fn bar(length: u64, progress: bool) -> ProgressBar {
    let target = if progress { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    match ProgressStyle::with_template("simulating {wide_bar} {percent:>3} % {msg} {eta}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-05T00:00:00+08:00, a Monday.
    const MONDAY_MS: i64 = 1_767_542_400_000;

    #[test]
    fn a_recording_has_a_json_line_a_message_and_the_truth_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (recording, truth) = (folder.path().join("fleet.ndjson"), folder.path().join("truth.json"));
        let mut plan = FleetPlan::national(5, 40, MONDAY_MS);
        plan.duration_ms = Some(600_000);
        let written = to_file(plan, &recording, &truth, false).expect("two files");
        let text = std::fs::read_to_string(&recording).expect("the recording");
        assert_eq!(text.lines().count() as u64, written.messages);
        assert_eq!(text.len() as u64, written.bytes);
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(value["tst"].as_str().is_some_and(|tst| tst.ends_with("000Z+0800")), "{line}");
            assert!(
                value["payload"].is_object() || value["payload"].is_array() || value["payload"].is_string(),
                "{line}"
            );
        }
        let truth: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&truth).expect("the truth")).expect("JSON");
        assert_eq!(truth["nation"]["connectors"], 40);
        assert_eq!(truth["nation"]["messages"]["delivered"].as_u64(), Some(written.messages));
    }

    #[test]
    fn an_endless_plan_makes_no_file() {
        let mut plan = FleetPlan::national(5, 4, MONDAY_MS);
        plan.duration_ms = None;
        let nowhere = Path::new("/nonexistent/recording");
        assert!(matches!(to_file(plan, nowhere, nowhere, false), Err(SimulateError::Endless)));
    }
}
