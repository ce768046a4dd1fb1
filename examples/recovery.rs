//! How long the daemon takes to go on from its store: `recovery [CONNECTORS [SECONDS [FOLDER]]]`, by default a million
//! connectors and two seconds of messages in the journal, in a new folder of its own under the system's temporary one,
//! which is removed at the end. Summaries are given out at all levels but the station's, as anybody with so many has it.
//! It prints what it measured and asserts nothing.

use std::path::PathBuf;

use chargetally::bench::{RecoveryOptions, machine, recovery};
use chargetally_core::scope::Level;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let connectors: u32 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(2.0), |text| text.parse())?;
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let state = parent.join(format!("chargetally-recovery-{}", std::process::id()));
    std::fs::create_dir(&state)?;
    // The daemon says how long each step takes.
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_target(false).init();
    let levels = vec![Level::Nation, Level::Province, Level::City, Level::County, Level::Operator];
    let measured = recovery(&RecoveryOptions { connectors, seconds, shards: 0, levels, state: state.clone() });
    std::fs::remove_dir_all(state)?;
    println!("{connectors} connectors; {}", machine());
    for (from, start) in ["checkpoint", "checkpoint and journal"].iter().zip(measured?) {
        println!(
            "from {from}: {:.2} s; {} stations, file {} MB, journal {} MB, {} messages sent before",
            start.seconds,
            start.stations,
            start.file_bytes / 1_000_000,
            start.journal_bytes / 1_000_000,
            start.sent
        );
    }
    Ok(())
}
