//! `chargetally replay`: recordings in, summaries out, at full speed and with the daemon's own engine. It keeps no
//! state, connects to nothing, and never leaves half an output behind.

mod truth;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{WholeFile, cannot_write};
use super::{args, check, print, say};
use crate::clock;
use crate::error::{Exit, Failure};
use crate::publish::assemble::Assembler;
use crate::replay::{Outcome, Replay, ReplayError};
use crate::settings::Settings;
use crate::setup;

/// Bytes of a recording that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Replays.
///
/// # Errors
/// [`Exit::Config`] where the settings are wrong, [`Exit::NoInput`] and [`Exit::Data`] for files that cannot be read,
/// [`Exit::CannotCreate`] for ones that cannot be written, [`Exit::Differs`] where the truth is another.
pub fn run(args: &args::Replay) -> Result<(), Failure> {
    let settings = settings(args)?;
    let truth = args.truth.as_deref().map(truth::read).transpose()?;
    let input_bytes = input_bytes(args)?;
    if let Some(path) = &args.out {
        WholeFile::probe(path).map_err(|error| cannot_write(path, error))?;
    }
    let config = |error| Failure::new(Exit::Config, "a table that the settings name cannot be used").because(error);
    let tables = setup::reference(&settings).map_err(|error| config(error.to_string()))?;
    let engine = setup::engine(&settings, false).map_err(|error| config(error.to_string()))?;
    let mut assembler = setup::assembler(&settings, &tables);

    let begin = clock::monotonic();
    let mut replay = Replay::new(engine);
    read_all(&mut replay, args, input_bytes)?;
    let outcome = write(replay, &mut assembler, args.out.as_deref())?;
    let took_ms = clock::monotonic().since_ms(begin);
    for line in told(&outcome, took_ms, &settings) {
        say(&line);
    }
    let Some(truth) = truth else { return Ok(()) };
    let comparison = truth::compare(&truth, &outcome);
    if args.out.is_some() {
        print(&comparison.table)?;
    } else {
        // Standard output is the summaries'.
        let _unheard = io::stderr().write_all(comparison.table.as_bytes());
    }
    if comparison.differs { Err(Failure::new(Exit::Differs, "the figures differ from the truth")) } else { Ok(()) }
}

fn settings(args: &args::Replay) -> Result<Settings, Failure> {
    let mut settings = check::load(&args.settings)?.settings;
    if !args.levels.is_empty() {
        settings.publish.levels.clone_from(&args.levels);
    }
    if !args.windows.is_empty() {
        settings.publish.windows.clone_from(&args.windows);
    }
    if let Some(shards) = args.shards {
        settings.run.shards = shards.into();
    }
    Ok(settings)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Bytes of all recordings together; `None` where one of them does not say. All are there, so that a wrong name does
/// not show only after hours.
fn input_bytes(args: &args::Replay) -> Result<Option<u64>, Failure> {
    let mut sum = Some(0);
    for path in &args.files {
        let bytes = if is_stdin(path) {
            None
        } else {
            let there = fs::metadata(path).map_err(|error| cannot_open(path, error))?;
            there.is_file().then_some(there.len())
        };
        sum = sum.zip(bytes).map(|(sum, bytes)| sum + bytes);
    }
    Ok(sum)
}

fn cannot_open(path: &Path, error: io::Error) -> Failure {
    Failure::new(Exit::NoInput, format!("cannot open {}", path.display())).because(error)
}

fn read_all(replay: &mut Replay, args: &args::Replay, input_bytes: Option<u64>) -> Result<(), Failure> {
    let bar = bar(input_bytes);
    let mut before = 0;
    for path in &args.files {
        let input: Box<dyn Read> = if is_stdin(path) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| cannot_open(path, error))?)
        };
        let mut read = 0;
        let done = replay.read(input, |bytes| {
            read = bytes;
            bar.set_position(before + bytes);
        });
        done.map_err(|error| failure(error, Some(path)))?;
        before += read;
    }
    bar.finish_and_clear();
    Ok(())
}

fn bar(length: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    let template = match length {
        Some(_) => "replaying {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta}",
        None => "replaying {spinner} {bytes}, {bytes_per_sec}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn write(replay: Replay, assembler: &mut Assembler, path: Option<&Path>) -> Result<Outcome, Failure> {
    let Some(path) = path else {
        let mut out = BufWriter::with_capacity(READ_BYTES, io::stdout().lock());
        return replay.finish(assembler, &mut out).map_err(|error| match error {
            ReplayError::Write(error) => Failure::stdout(error),
            other => failure(other, None),
        });
    };
    let mut out = WholeFile::create(path).map_err(|error| cannot_write(path, error))?;
    let outcome = replay.finish(assembler, &mut out).map_err(|error| match error {
        ReplayError::Write(error) => cannot_write(path, error),
        other => failure(other, None),
    })?;
    out.finish().map_err(|error| cannot_write(path, error))?;
    Ok(outcome)
}

fn failure(error: ReplayError, input: Option<&Path>) -> Failure {
    let exit = match &error {
        ReplayError::Read(_) => Exit::NoInput,
        ReplayError::Write(_) => Exit::CannotCreate,
        ReplayError::Start(_) => Exit::Unavailable,
        ReplayError::Worker(_) => Exit::Bug,
    };
    let what = match input {
        Some(path) => format!("cannot replay {}", path.display()),
        None => "cannot replay".to_owned(),
    };
    Failure::new(exit, what).because(error)
}

/// What became of the recording: a line of counts, and one for each thing that somebody may want to look into.
fn told(outcome: &Outcome, took_ms: u64, settings: &Settings) -> Vec<String> {
    let stats = &outcome.stats;
    let messages = outcome.lines - outcome.malformed - outcome.blank;
    let rate = u128::from(messages) * 1_000 / u128::from(took_ms.max(1));
    let mut line = format!(
        "{messages} messages, {} summaries, {}.{:03} s, {rate} messages/s: accepted {}",
        outcome.summaries,
        took_ms / 1_000,
        took_ms % 1_000,
        stats.accepted
    );
    let counts = [
        ("duplicate", stats.duplicate),
        ("late", stats.late),
        ("future", stats.future),
        ("out_of_order", stats.out_of_order),
        ("decommissioned", stats.decommissioned),
    ];
    let rejects: Vec<_> = stats.reject_reasons().map(|(reason, count)| (format!("rejected {reason}"), count)).collect();
    let limits: Vec<_> = stats.limits_reached().map(|(name, count)| (format!("over limit {name}"), count)).collect();
    let counts = counts.map(|(name, count)| (name.to_owned(), count)).into_iter().chain(rejects).chain(limits);
    for (name, count) in counts.filter(|&(_, count)| count > 0) {
        // Writing to a string cannot fail.
        let _ = write!(line, ", {name} {count}");
    }
    let mut lines = vec![line];
    let mut hint = |count: u64, what: String| {
        if count > 0 {
            lines.push(format!("{count} {what}"));
        }
    };
    hint(
        outcome.malformed,
        "lines hold no message: a recording is a JSON object a line, with topic and payload".into(),
    );
    hint(
        outcome.blank,
        "lines are blank: `mosquitto_sub -F %J` leaves one for a payload that is not JSON; use %j, or chargetally record"
            .into(),
    );
    let roots: Vec<String> = settings.sources.iter().map(|source| source.root.as_str().to_owned()).collect();
    hint(
        outcome.foreign,
        format!("messages belong to no source; the settings have sources below {}", roots.join(", ")),
    );
    hint(outcome.misdated, "messages are dated more than 400 days before one that came earlier".into());
    hint(stats.alarms_refused, "alarms found no room: limits.open_alarms is reached".into());
    lines
}
