//! What a benchmark measured, for people and for programs. It must never show a figure that was not measured.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Delays, Measured, Options, Receiver};

/// A table for people, at most 80 columns wide.
#[must_use]
pub fn table(options: &Options, machine: &str, measured: &[Measured]) -> String {
    let mut text = String::new();
    let qos = u8::from(options.at_least_once);
    let rate = if options.rate == 0 { "as fast as taken".to_owned() } else { format!("{} msg/s", options.rate) };
    let store = if options.state.is_some() { "store on disk" } else { "in memory" };
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{machine}");
    let _ =
        writeln!(text, "{} connectors, QoS {qos}, {rate}, {} s each, {store}\n", options.connectors, options.seconds);
    let _ = writeln!(text, "{:<21}{:>12}{:>12}{:>12}{:>12}", "", "msg/s", "CPU ns/msg", "sender ns", "RSS MB");
    for of in measured {
        let sender = of.sender_cpu_ns.map(|ns| ns as f64 / of.messages as f64);
        let resident = of.resident_bytes.map(|(after, _)| after as f64 / 1e6);
        let _ = writeln!(
            text,
            "{:<21}{:>12.0}{:>12}{:>12}{:>12}",
            of.receiver.name(),
            of.per_second(),
            shown(of.cpu_ns_each()),
            shown(sender),
            shown(resident)
        );
    }
    let _ = writeln!(text, "\n{:<21}{:>12}{:>12}{:>12}{:>12}", "delay", "p50 ms", "p99 ms", "max ms", "of");
    for of in measured {
        delay_line(&mut text, of.receiver.name(), &of.ingest);
    }
    for of in measured.iter().filter(|of| of.receiver == Receiver::Daemon) {
        delay_line(&mut text, "alarm, to its output", &of.alarm);
        if let Some(cpu) = &of.cpu_ns {
            let _ = writeln!(text, "\nCPU of the daemon's threads, ns/msg");
            for (name, &ns) in cpu {
                let each = ns as f64 / of.messages as f64;
                if each >= 1.0 {
                    let _ = writeln!(text, "  {name:<19}{each:>12.0}");
                }
            }
        }
    }
    text.push('\n');
    if let Some(ratio) = against_parse(measured) {
        let _ = writeln!(text, "CPU of the daemon: {ratio:.2} x receive and parse");
    }
    for of in measured {
        if let Some(counters) = of.counters {
            let _ = writeln!(text, "sent {}, taken in {}, accepted {}", of.sent, counters.messages, counters.accepted);
        }
    }
    text
}

/// The daemon's processor time for a message over that of receiving and parsing.
fn against_parse(measured: &[Measured]) -> Option<f64> {
    let of = |receiver| measured.iter().find(|of| of.receiver == receiver)?.cpu_ns_each();
    Some(of(Receiver::Daemon)? / of(Receiver::Parse)?)
}

fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.0}"))
}

fn delay_line(text: &mut String, name: &str, delays: &Delays) {
    let ms = |us: Option<u64>| us.map_or_else(|| "-".to_owned(), |us| format!("{:.2}", us as f64 / 1000.0));
    let [p50, p99, max] = [delays.quantile_us(500), delays.quantile_us(990), delays.max_us()].map(ms);
    let _ = writeln!(text, "{name:<21}{p50:>12}{p99:>12}{max:>12}{:>12}", delays.count());
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    machine: &'a str,
    connectors: u32,
    qos: u8,
    rate_per_s: u64,
    seconds: f64,
    store: bool,
    cpu_over_parse: Option<f64>,
    receivers: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    receiver: &'static str,
    messages: u64,
    seconds: f64,
    messages_per_s: f64,
    cpu_ns_per_message: Option<f64>,
    cpu_ns_by_thread: Option<&'a std::collections::BTreeMap<String, u64>>,
    sender_cpu_ns: Option<u64>,
    resident_bytes: Option<u64>,
    resident_bytes_before: Option<u64>,
    ingest_delay: DelayEntry,
    alarm_delay: DelayEntry,
    sent: u64,
    taken_in: Option<u64>,
    accepted: Option<u64>,
}

#[derive(Serialize)]
struct DelayEntry {
    count: u64,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
    max_us: Option<u64>,
}

impl DelayEntry {
    fn of(delays: &Delays) -> Self {
        let [p50_us, p99_us] = [500, 990].map(|permille| delays.quantile_us(permille));
        Self { count: delays.count(), p50_us, p99_us, max_us: delays.max_us() }
    }
}

/// One JSON object, for programs.
///
/// # Errors
/// None that a figure can bring about.
pub fn json(options: &Options, machine: &str, measured: &[Measured]) -> serde_json::Result<String> {
    let receivers = measured.iter().map(|of| Entry {
        receiver: of.receiver.name(),
        messages: of.messages,
        seconds: of.seconds,
        messages_per_s: of.per_second(),
        cpu_ns_per_message: of.cpu_ns_each(),
        cpu_ns_by_thread: of.cpu_ns.as_ref(),
        sender_cpu_ns: of.sender_cpu_ns,
        resident_bytes: of.resident_bytes.map(|(after, _)| after),
        resident_bytes_before: of.resident_bytes.map(|(_, before)| before),
        ingest_delay: DelayEntry::of(&of.ingest),
        alarm_delay: DelayEntry::of(&of.alarm),
        sent: of.sent,
        taken_in: of.counters.map(|counters| counters.messages),
        accepted: of.counters.map(|counters| counters.accepted),
    });
    serde_json::to_string_pretty(&Report {
        schema: "chargetally.bench/1",
        machine,
        connectors: options.connectors,
        qos: options.at_least_once.into(),
        rate_per_s: options.rate,
        seconds: options.seconds,
        store: options.state.is_some(),
        cpu_over_parse: against_parse(measured),
        receivers: receivers.collect(),
    })
    .map(|text| text + "\n")
}
