//! `chargetally demo`: what a person sees of [`crate::demo`]. It only words the outcome; the daemon is handed in.

use std::io::{self, IsTerminal};

use super::{args, print};
use crate::daemon::{self, Stop, Surroundings};
use crate::demo::{self, Daemon, DemoError, Options};
use crate::error::{Exit, Failure};
use crate::mqtt::Clock;
use crate::notify::Notifier;
use crate::settings::Settings;

/// Runs the demo around the daemon that `spawn` starts.
///
/// # Errors
/// Where it cannot start, a part of it ends by itself, or a figure that must be equal to the truth is not.
pub fn run(args: &args::Demo, spawn: impl FnOnce(Settings, Clock) -> io::Result<Daemon>) -> Result<(), Failure> {
    let options = Options {
        stations: args.stations,
        seed: args.seed,
        speed: args.speed,
        minutes: args.minutes,
        on_screen: io::stdout().is_terminal(),
        today_ms: crate::clock::wall_ms(),
    };
    let outcome = demo::run(&options, spawn, &mut io::stdout()).map_err(|error| match error {
        DemoError::Show(error) => Failure::stdout(error),
        DemoError::Plan(_) => Failure::new(Exit::Usage, "the demo cannot be made like that").because(error),
        error => Failure::new(Exit::Unavailable, "the demo cannot go on").because(error),
    })?;
    print(&outcome.report)?;
    if outcome.holds { Ok(()) } else { Err(Failure::new(Exit::Bug, "figures that must be equal to the truth are not")) }
}

/// Starts the daemon on a thread of its own, with the demo's clock.
///
/// # Errors
/// Where the system gives no thread.
pub fn daemon(settings: Settings, clock: Clock) -> io::Result<Daemon> {
    let stop = Stop::new();
    let asked = stop.clone();
    Daemon::spawn(
        move || asked.ask(),
        move || {
            let notifier = Notifier::from_environment();
            daemon::run(&settings, &stop, Surroundings { clock, notifier, tick_ms: 200 })
        },
    )
}
