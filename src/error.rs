//! Why a command ended, grouped by what the caller may do about it, and the one printer of it.
//!
//! Bad data never comes here: it is counted where it is met. A [`Failure`] ends a command, and its
//! [`Exit`] is the process's exit code (sysexits.h, and diff's 1), so that a service manager can tell a wrong setting,
//! which only a person can mend, from a broker that is away for a while. `Display` never prints the
//! sources of an error; [`report`] alone walks the chain.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// Sources of one error that are printed at most; a chain that is longer is cut.
const CHAIN_MAX: usize = 16;

/// The exit codes of the program: those of sysexits.h that it uses, and that of diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done; also where the reader of standard output went away.
    Done,
    /// 1: two things that were compared differ.
    Differs,
    /// 64: the command line is wrong.
    Usage,
    /// 65: a file that was given as input is not what it should be.
    Data,
    /// 66: a file that was given as input cannot be opened.
    NoInput,
    /// 69: something that this program needs is not there now; trying again later may help.
    Unavailable,
    /// 70: a bug in this program.
    Bug,
    /// 73: an output file cannot be created or written.
    CannotCreate,
    /// 78: the settings are wrong; trying again does not help.
    Config,
}

impl Exit {
    /// The code that the process returns.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Differs => 1,
            Self::Usage => 64,
            Self::Data => 65,
            Self::NoInput => 66,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::CannotCreate => 73,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do what it was asked to do.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure that says `what` could not be done, in lower case and without a full stop.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), source: None }
    }

    /// The same failure with its cause, which [`report`] prints after it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Writing to standard output failed: quiet and no failure at all where its reader went away.
    #[must_use]
    pub fn stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::new(Exit::Done, String::new())
        } else {
            Self::new(Exit::CannotCreate, "cannot write to standard output").because(error)
        }
    }

    /// The exit code that the process should end with.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// Writes a failure and its causes to `out`, a line each; nothing at all where the exit code is 0.
///
/// # Errors
/// Those of `out`.
pub fn report(failure: &Failure, out: &mut dyn Write) -> io::Result<()> {
    if failure.exit == Exit::Done {
        return Ok(());
    }
    writeln!(out, "chargetally: {failure}")?;
    let mut cause = failure.source();
    for _ in 0..CHAIN_MAX {
        let Some(error) = cause else { break };
        for line in error.to_string().lines() {
            writeln!(out, "  {line}")?;
        }
        cause = error.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(failure: &Failure) -> String {
        let mut out = Vec::new();
        report(failure, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn the_printer_walks_the_chain_and_display_does_not() {
        let inner = Failure::new(Exit::Bug, "inner").because(io::Error::other("innermost"));
        let failure = Failure::new(Exit::Unavailable, "outer").because(inner);
        assert_eq!(failure.to_string(), "outer");
        assert_eq!(printed(&failure), "chargetally: outer\n  inner\n  innermost\n");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::stdout(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit(), printed(&failure).as_str()), (Exit::Done, ""));
        let full = Failure::stdout(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(full.exit().code(), 73);
        assert!(printed(&full).starts_with("chargetally: cannot write to standard output\n"));
    }

    #[test]
    fn the_exit_codes_are_those_of_sysexits() {
        let codes = [Exit::Usage, Exit::Data, Exit::NoInput, Exit::Unavailable, Exit::Bug, Exit::CannotCreate];
        assert_eq!(codes.map(Exit::code), [64, 65, 66, 69, 70, 73]);
        assert_eq!((Exit::Done.code(), Exit::Config.code()), (0, 78));
    }
}
