//! `chargetally completions` and `chargetally man`: what a package ships beside the binary, written from the same
//! description of the command line that parses the arguments.

use std::fs;
use std::path::Path;

use clap_complete::Shell;

use super::{command, manual, print};
use crate::error::{Exit, Failure};

/// Prints the completions of a shell.
///
/// # Errors
/// [`Failure::stdout`].
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "chargetally", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes `chargetally.1`, a page for each command that is not hidden, and `chargetally.toml.5` into `directory`, which is made where
/// it is missing.
///
/// # Errors
/// [`Exit::CannotCreate`] where a page cannot be written.
pub fn man(directory: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let what = format!("cannot write the manual pages into {}", directory.display());
        Failure::new(Exit::CannotCreate, what).because(error)
    };
    fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(command(), directory).map_err(failed)?;
    let page = manual::settings_page(manual::SHIPPED, env!("CARGO_PKG_VERSION"));
    fs::write(directory.join("chargetally.toml.5"), page).map_err(failed)
}
