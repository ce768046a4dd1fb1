//! `chargetally simulate`: what a simulated fleet sends, to a broker or as a recording, and the truth beside it. What
//! happens in the fleet is decided in `crate::simulate` alone; here it only goes out.

mod live;

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::{self, Fault};
use super::output::write_whole;
use super::say;
use crate::clock;
use crate::error::{Exit, Failure};
use crate::simulate::record::Recorder;
use crate::simulate::{Behaviour, Fleet, FleetPlan, PlanError, SimMessage, Transmission};

/// Messages between two updates of the progress bar.
const PROGRESS_EVERY: u64 = 8_192;
/// Size of the recording's buffer, bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// Messages of a million that are malformed where that is asked for.
const MALFORMED_PPM: u32 = 1_000;

/// Simulates.
///
/// # Errors
/// [`Exit::Usage`] where the options make no fleet, [`Exit::CannotCreate`] where a file cannot be written,
/// [`Exit::Unavailable`] where the broker cannot be used.
pub fn run(args: &args::Simulate) -> Result<(), Failure> {
    let plan = plan(args, clock::wall_ms())?;
    match (&args.broker, &args.out) {
        (Some(broker), _) => live::publish(plan, broker, args),
        (None, Some(out)) => {
            let written = to_file(plan, out, args.truth.as_deref(), true).map_err(failure)?;
            let Written { messages, bytes, connectors, stations } = written;
            say(&format!("{messages} messages, {bytes} bytes, of {connectors} connectors at {stations} stations"));
            Ok(())
        }
        (None, None) => Err(Failure::new(Exit::Usage, "neither --broker nor --out is given")),
    }
}

fn failure(error: SimulateError) -> Failure {
    match error {
        SimulateError::Plan(error) => Failure::new(Exit::Usage, "the options make no fleet").because(error),
        SimulateError::Endless => Failure::new(Exit::Usage, SimulateError::Endless.to_string()),
        SimulateError::Write(path, error) => super::output::cannot_write(&path, error),
    }
}

/// The fleet that is asked for.
///
/// # Errors
/// [`Exit::Usage`] where it cannot be.
fn plan(args: &args::Simulate, now_ms: i64) -> Result<FleetPlan, Failure> {
    let wrong = |what: &str| Failure::new(Exit::Usage, what.to_owned());
    let start_ms = args.start.map_or(now_ms, |start| start.as_millisecond());
    let mut plan = FleetPlan::national(args.seed, args.connectors, start_ms);
    plan.interval_ms = args.interval_s * 1_000;
    plan.duration_ms = args.duration.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
    if !args.faults.is_empty() {
        let alone = args.faults.len() == 1;
        if !alone && args.faults.iter().any(|fault| matches!(fault, Fault::None | Fault::All)) {
            return Err(wrong("--faults has none or all beside other names"));
        }
        restrict(&mut plan, &args.faults);
    }
    plan.check().map_err(|error| failure(SimulateError::Plan(error)))?;
    Ok(plan)
}

/// Leaves only these things to go wrong.
fn restrict(plan: &mut FleetPlan, faults: &[Fault]) {
    let wanted = |fault| faults.contains(&fault) || faults.contains(&Fault::All);
    let usual = Transmission { malformed_ppm: MALFORMED_PPM, ..plan.transmission.clone() };
    let t = &mut plan.transmission;
    *t = Transmission { will_after_ms: usual.will_after_ms, ..Transmission::perfect() };
    if wanted(Fault::Lost) {
        t.lost_ppm = usual.lost_ppm;
    }
    if wanted(Fault::Late) {
        t.late_ppm = usual.late_ppm;
    }
    if wanted(Fault::Disordered) {
        t.out_of_order_ppm = usual.out_of_order_ppm;
    }
    if wanted(Fault::Repeated) {
        t.repeated_ppm = usual.repeated_ppm;
    }
    if wanted(Fault::Malformed) {
        t.malformed_ppm = usual.malformed_ppm;
    }
    if wanted(Fault::Skewed) {
        (t.skewed_permille, t.skew_ms_max) = (usual.skewed_permille, usual.skew_ms_max);
    }
    let Behaviour {
        start_failure_permille,
        fault_every_ms,
        maintenance_every_ms,
        outage_every_ms,
        episode_every_ms,
        alarm_every_ms,
        activity_permille: _,
    } = &mut plan.behaviour;
    for (fault, every_ms) in [
        (Fault::Failures, fault_every_ms),
        (Fault::Maintenance, maintenance_every_ms),
        (Fault::Outages, outage_every_ms),
        (Fault::Unsafe, episode_every_ms),
        (Fault::Alarms, alarm_every_ms),
    ] {
        if !wanted(fault) {
            *every_ms = 0;
        }
    }
    if !wanted(Fault::FailedStarts) {
        *start_failure_permille = 0;
    }
}

/// Writes what happened in the fleet up to now.
///
/// # Errors
/// [`Exit::CannotCreate`].
fn write_truth(fleet: &Fleet, path: &Path) -> Result<(), Failure> {
    let text = fleet.truth().to_json().map_err(|error| super::output::cannot_write(path, error.into()))?;
    write_whole(path, text.as_bytes())
}

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

/// Simulates the plan's whole span into `recording` (NDJSON, a message a line) and, where it is wanted, `truth` (JSON),
/// with a progress bar on stderr where `progress` asks for one and stderr is a terminal.
///
/// # Errors
/// Where the plan is not valid or has no end, or a file cannot be written; the files are then incomplete.
pub fn to_file(
    plan: FleetPlan,
    recording: &Path,
    truth: Option<&Path>,
    progress: bool,
) -> Result<Written, SimulateError> {
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
    if let Some(truth) = truth {
        let text = fleet.truth().to_json().map_err(io::Error::from).map_err(broken(truth))?;
        std::fs::write(truth, text).map_err(broken(truth))?;
    }
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
        let written = to_file(plan, &recording, Some(&truth), false).expect("two files");
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
        assert!(matches!(to_file(plan, nowhere, None, false), Err(SimulateError::Endless)));
    }
}
