//! The `chargetally` binary: arguments in, an exit code out. Nothing else lives here.

use std::process::ExitCode;

fn main() -> ExitCode {
    chargetally::cli::main(std::env::args_os(), &mut std::io::stderr()).into()
}
