//! `chargetally run`: the daemon, until it is told to stop.

use super::reload::Reload;
use super::{args, check};
use crate::daemon::{self, DaemonError, Stop, Surroundings};
use crate::engine::EngineError;
use crate::error::{Exit, Failure};
use crate::logging;

/// Runs the daemon.
///
/// # Errors
/// [`Exit::Config`] where the settings or what they name cannot work, [`Exit::Unavailable`] where the system does not
/// give what is needed, [`Exit::Bug`] where a worker ended.
pub fn run(args: &args::Run) -> Result<(), Failure> {
    let mut settings = check::load(&args.settings)?.settings;
    logging::init(args.log.as_deref().unwrap_or(&settings.run.log), settings.run.log_format);
    let stop = Stop::new();
    let unavailable = |error| Failure::new(Exit::Unavailable, "the daemon cannot be started".to_owned()).because(error);
    stop.on_signals().map_err(unavailable)?;
    let reload = Reload::on_hangup(&args.settings, &stop).map_err(unavailable)?;
    loop {
        daemon::run(&settings, &stop, Surroundings::real()).map_err(failure)?;
        match reload.next(&stop) {
            Some(next) => settings = next,
            None => return Ok(()),
        }
    }
}

/// How a daemon that cannot run ends.
fn failure(error: DaemonError) -> Failure {
    let exit = match &error {
        DaemonError::Reference(_) | DaemonError::Table(_) | DaemonError::Secret(_) | DaemonError::Connection(_) => {
            Exit::Config
        }
        DaemonError::Start(_) => Exit::Unavailable,
        DaemonError::Store(error) if error.may_pass() => Exit::Unavailable,
        DaemonError::Store(_) | DaemonError::Engine(EngineError::Recall(_)) => Exit::Data,
        DaemonError::Engine(EngineError::WorkerGone) => Exit::Bug,
    };
    Failure::new(exit, "the daemon has ended".to_owned()).because(error)
}
