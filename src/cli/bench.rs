//! `chargetally bench`: how fast this machine takes messages in. It needs no broker, no settings and no network.

use std::path::Path;

use super::{args, print, say};
use crate::bench::{self, BenchError, Measured, Options, Receiver};
use crate::error::{Exit, Failure};

/// Measures and prints.
///
/// # Errors
/// [`Exit::Unavailable`] where it could not be measured, [`Exit::Differs`] where the daemon took in something else than
/// was sent.
pub fn run(args: &args::Bench) -> Result<(), Failure> {
    let args::BenchDialect::Native = args.dialect;
    let folder = args.state.as_deref().map(own_folder).transpose()?;
    let options = Options {
        connectors: args.connectors,
        rate: args.rate,
        at_least_once: args.qos == 1,
        seconds: args.seconds,
        shards: args.shards,
        levels: args.levels.clone(),
        state: folder.clone(),
    };
    let machine = bench::machine();
    let measured = measure(&options, args.json);
    if let Some(folder) = folder {
        // It is this benchmark's own, and worth nothing; a failure to remove it is not worth a word.
        let _left = std::fs::remove_dir_all(folder);
    }
    let measured = measured?;
    if args.json {
        let text = bench::json(&options, &machine, &measured)
            .map_err(|error| Failure::new(Exit::Bug, "the figures cannot be written as JSON").because(error))?;
        print(&text)?;
    } else {
        print(&bench::table(&options, &machine, &measured))?;
    }
    if measured.iter().all(Measured::is_exact) {
        Ok(())
    } else {
        Err(Failure::new(Exit::Differs, "the daemon took in something else than was sent"))
    }
}

fn measure(options: &Options, is_quiet: bool) -> Result<Vec<Measured>, Failure> {
    let failed = |error: BenchError| Failure::new(Exit::Unavailable, "nothing could be measured").because(error);
    let mut all = Vec::new();
    for receiver in Receiver::ALL {
        if !is_quiet {
            say(&format!("measuring {}", receiver.name()));
        }
        let options = options.clone();
        let name = format!("{}sender", bench::SENDER_THREADS);
        let sender = std::thread::Builder::new().name(name).spawn(move || bench::measure(receiver, &options));
        let measured = sender.map_err(|error| failed(error.into()))?.join();
        let panicked = |_| Failure::new(Exit::Bug, "the sender has ended unexpectedly");
        all.push(measured.map_err(panicked)?.map_err(failed)?);
    }
    Ok(all)
}

/// A folder of this benchmark's own, so that no store of a daemon is touched.
fn own_folder(parent: &Path) -> Result<std::path::PathBuf, Failure> {
    let folder = parent.join(format!("chargetally-bench-{}", std::process::id()));
    let failed = |error| Failure::new(Exit::CannotCreate, format!("cannot create {}", folder.display())).because(error);
    std::fs::create_dir(&folder).map_err(failed)?;
    Ok(folder)
}
