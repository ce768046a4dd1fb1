//! `chargetally check`: reads the settings as the daemon will, and prints what they mean or all that is wrong.
//!
//! It changes nothing, and connects to nothing; what it prints is a settings file that means the same, and never
//! holds a secret.

use super::{args, print};
use crate::error::{Exit, Failure};
use crate::settings::{self, Loaded, Merged, SettingsError};

/// Checks and prints.
///
/// # Errors
/// [`Exit::Config`] with every problem.
pub fn run(args: &args::Check) -> Result<(), Failure> {
    let loaded = load(&args.settings)?;
    if args.files {
        loaded.settings.check_files(&loaded.entries).map_err(|error| refused(&error))?;
    }
    if args.quiet { Ok(()) } else { print(&Merged(&loaded.entries).to_string()) }
}

/// Loads the settings for any command that needs them.
///
/// # Errors
/// [`Exit::Config`] with every problem.
pub fn load(args: &args::SettingsFiles) -> Result<Loaded, Failure> {
    settings::load(&args.config).map_err(|error| refused(&error))
}

fn refused(error: &SettingsError) -> Failure {
    let what = match error.problems.len() {
        1 => "the settings have a problem".to_owned(),
        count => format!("the settings have {count} problems"),
    };
    Failure::new(Exit::Config, what).because(error.clone())
}
