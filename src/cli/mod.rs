//! The command line: which commands there are, what runs them, and how each of them ends.
//!
//! Results go to standard output and everything else to standard error. A command returns a [`Failure`] instead of
//! ending the process; a panic in one is a bug and ends with exit code 70.

pub mod args;
mod bench;
mod check;
mod connect;
#[cfg(feature = "demo-broker")]
pub mod demo;
mod explain;
mod generate;
pub mod indicators;
mod manual;
mod output;
mod record;
mod reload;
mod replay;
pub mod report;
mod run;
pub mod simulate;
mod sniff;
mod stored;

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Exit, Failure, report};

/// Turns the MQTT messages of EV charging stations into exact service-efficiency and safety indicators.
#[derive(Debug, Parser)]
#[command(name = "chargetally", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
   0  done
   1  figures that were compared differ
  64  wrong command line
  65  an input file is not what it should be
  66  an input file cannot be opened
  69  something needed is not there now; trying again may help
  70  a bug in this program
  73  output cannot be written
  78  wrong settings";

/// The commands. Each has its arguments in [`args`] and a line in [`Command::run`].
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon: subscribe, aggregate, publish.
    Run(args::Run),
    /// Watch it work: an embedded broker, a simulated fleet, the daemon, and a view of the nation.
    #[cfg(feature = "demo-broker")]
    Demo(args::Demo),
    /// Aggregate recordings at full speed and write the summaries.
    Replay(args::Replay),
    /// Write what a broker's stations send into a recording.
    Record(args::Record),
    /// Play a made-up fleet of stations, to a broker or into a recording.
    Simulate(args::Simulate),
    /// Write the figures of a day, a month or a year as a table.
    Report(args::Report),
    /// Write a copy of the store, while the daemon runs or not.
    Backup(args::Backup),
    /// Find out whether the store is as it was written.
    Verify(args::Verify),
    /// Check the settings and print them, every key with where it came from.
    Check(args::Check),
    /// Show what a message decodes to, or why it is refused.
    Explain(args::Explain),
    /// Listen at a broker, recognise what speaks there, and print settings for it.
    Sniff(args::Sniff),
    /// Measure how fast this machine takes messages in.
    Bench(args::Bench),
    /// List every indicator: its name, unit, formula and source.
    Indicators(indicators::Indicators),
    /// Print the completions of a shell.
    Completions(args::Completions),
    /// Write the manual pages into a directory.
    #[command(hide = true)]
    Man(args::Man),
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Run(args) => run::run(&args),
            #[cfg(feature = "demo-broker")]
            Self::Demo(args) => demo::run(&args, demo::daemon),
            Self::Replay(args) => replay::run(&args),
            Self::Record(args) => record::run(&args),
            Self::Simulate(args) => simulate::run(&args),
            Self::Report(args) => report::run(&args),
            Self::Backup(args) => stored::backup(&args),
            Self::Verify(args) => stored::verify(&args),
            Self::Check(args) => check::run(&args),
            Self::Explain(args) => explain::run(&args),
            Self::Sniff(args) => sniff::run(&args),
            Self::Bench(args) => bench::run(&args),
            Self::Indicators(args) => print(&indicators::render(args.format)),
            Self::Completions(args) => generate::completions(args.shell),
            Self::Man(args) => generate::man(&args.directory),
        }
    }
}

/// Runs the program with these arguments, the first of which is its own name, and reports to `stderr` why it
/// failed, if it did.
pub fn main(arguments: impl IntoIterator<Item = OsString>, stderr: &mut dyn Write) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    ended(|| cli.command.run(), stderr)
}

fn ended(run: impl FnOnce() -> Result<(), Failure>, stderr: &mut dyn Write) -> Exit {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => Exit::Done,
        Ok(Err(failure)) => {
            // Where standard error is gone too, the exit code alone has to tell.
            let _unreported = report(&failure, stderr);
            failure.exit()
        }
        // The panic hook has said where and why.
        Err(_panic) => Exit::Bug,
    }
}

/// The command line with everything that belongs to it, for the manual pages and the completions.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Writes a command's result to standard output.
///
/// # Errors
/// [`Failure::stdout`]: quiet where the reader is gone.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(Failure::stdout)
}

/// Writes a line about a command's course to standard error.
fn say(line: &str) {
    // Where nobody listens any more, the results still count.
    let _unheard = writeln!(io::stderr(), "chargetally: {line}");
}

/// Help and version are results; everything else that clap has to say is about a wrong command line.
fn usage(error: &clap::Error) -> Exit {
    let printed = error.print();
    match (error.use_stderr(), printed) {
        (true, _) => Exit::Usage,
        (false, Ok(())) => Exit::Done,
        (false, Err(failed)) => Failure::stdout(failed).exit(),
    }
}

#[cfg(test)]
mod tests;
