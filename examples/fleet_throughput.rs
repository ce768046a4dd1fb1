//! How fast the simulated fleet gives its messages: `fleet_throughput [CONNECTORS [HOURS]]`, by default a day of 100
//! connectors. It prints what it measured and asserts nothing.

#![expect(clippy::disallowed_methods, reason = "an example that measures reads the clock itself")]

use std::time::Instant;

use chargetally::simulate::{Count, Fleet, FleetPlan, SimMessage};

/// 2026-01-05T00:00:00+08:00, a Monday.
const MONDAY_MS: i64 = 1_767_542_400_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let connectors: u32 = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let hours: i64 = arguments.next().map_or(Ok(24), |text| text.parse())?;
    let mut plan = FleetPlan::national(1, connectors, MONDAY_MS);
    plan.duration_ms = Some(hours * 3_600_000);
    let begin = Instant::now();
    let mut fleet = Fleet::new(plan)?;
    let built = begin.elapsed();
    let begin = Instant::now();
    let mut message = SimMessage::default();
    let (mut messages, mut bytes) = (0_u64, 0_u64);
    while fleet.next_into(&mut message) {
        messages += 1;
        bytes += (message.topic.len() + message.payload.len()) as u64;
    }
    let spent = begin.elapsed();
    let nation = fleet.truth().nation;
    println!("{connectors} connectors, {} stations, built in {built:.2?}", nation.stations);
    println!(
        "{messages} messages, {bytes} bytes in {spent:.2?}: {:.0} messages/s",
        messages as f64 / spent.as_secs_f64()
    );
    println!("{} sessions started, {} kWh", nation.count(Count::Started), nation.import_j / 3_600_000);
    Ok(())
}
