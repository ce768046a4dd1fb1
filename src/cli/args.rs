//! The arguments of every command, with the help that `--help` and the manual pages show.
//!
//! Arguments only: what a command does with them is in the command's own module. A value that clap can check is
//! refused here, so that a command sees typed values and no raw strings.

use std::path::PathBuf;

use chargetally_core::scope::Level;
use chargetally_core::window::WindowKind;
use clap::{Args, ValueEnum};
use clap_complete::Shell;
use jiff::Timestamp;

use crate::settings::{self, BrokerUrl};

/// Where the settings come from.
#[derive(Debug, Clone, Default, Args)]
pub struct SettingsFiles {
    /// A settings file, or a directory whose *.toml are read in name order; a later one goes before an earlier
    /// one. Without any, every setting has its default.
    #[arg(long, value_name = "FILE|DIR")]
    pub config: Vec<PathBuf>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chargetally run --config /etc/chargetally
  chargetally run --config base.toml --config site.toml --log debug")]
pub struct Run {
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsFiles,
    /// What to log, instead of run.log: a level or a filter like warn,chargetally=debug.
    #[arg(long, value_name = "FILTER", value_parser = log_filter)]
    pub log: Option<String>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chargetally check --config /etc/chargetally
  chargetally check --config site.toml --files --quiet && echo fine

The output is a settings file that means the same; passwords are never part of it.
Exit code 78 where anything is wrong; then every problem is listed with file, line and key.")]
pub struct Check {
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsFiles,
    /// Also open the files that the settings name (password, certificates, tables), as the daemon will.
    #[arg(long)]
    pub files: bool,
    /// Print nothing where all is well.
    #[arg(long, short)]
    pub quiet: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chargetally demo
  chargetally demo --stations 500 --speed 60 --minutes 5

With --minutes it ends by itself and compares the figures with what the simulator knows to have
happened.
Where standard output is no terminal, a line is printed every simulated quarter of an hour.")]
pub struct Demo {
    /// About how many stations the simulated fleet has.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub stations: u32,
    /// The same seed gives the same fleet and the same messages.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Simulated seconds per second.
    #[arg(long, value_name = "FACTOR", default_value_t = 60.0, value_parser = speed)]
    pub speed: f64,
    /// Ends after this many minutes; without it, when interrupted.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub minutes: Option<u32>,
}

/// How a broker is logged in to.
#[derive(Debug, Clone, Default, Args)]
pub struct Login {
    /// The user to log in as.
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// The file with that user's password.
    #[arg(long, value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// Certificates of the authorities to trust with mqtts://; without it, the system's.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chargetally simulate --broker mqtt://127.0.0.1:1883 --connectors 1000 --truth truth.json
  chargetally simulate --out day.ndjson --truth truth.json --start 2026-05-01T00:00Z --duration 1d

A running daemon refuses event times ahead of its clock: with --speed above 1, begin in the past.
Published until interrupted where there is no --duration; then the truth is written too.")]
pub struct Simulate {
    /// Publish to this broker.
    #[arg(long, value_name = "URL", value_parser = BrokerUrl::parse, required_unless_present = "out")]
    pub broker: Option<BrokerUrl>,
    /// How to log in to the broker.
    #[command(flatten)]
    pub login: Login,
    /// Write the messages as a recording.
    #[arg(long, value_name = "FILE", conflicts_with = "broker", requires = "duration")]
    pub out: Option<PathBuf>,
    /// Write what really happened, which the summaries can be held against.
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// The same seed gives the same fleet and the same messages.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Connectors of the fleet.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub connectors: u32,
    /// Seconds between two samples of a connector.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=900))]
    pub interval_s: u32,
    /// First event time; without it, now.
    #[arg(long, value_name = "RFC3339")]
    pub start: Option<Timestamp>,
    /// How much time is simulated: 90s, 15m, 24h, 7d.
    #[arg(long, value_name = "SPAN", value_parser = span_ms)]
    pub duration: Option<u64>,
    /// Simulated seconds per second when publishing; 0 is as fast as possible.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed_or_zero)]
    pub speed: f64,
    /// What goes wrong, instead of what usually does; several with commas between.
    #[arg(long, value_enum, value_name = "NAMES", value_delimiter = ',')]
    pub faults: Vec<Fault>,
}

/// What can go wrong in a simulated fleet, each to the usual degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// Nothing.
    None,
    /// All of it.
    All,
    /// Samples never arrive.
    Lost,
    /// Samples arrive late.
    Late,
    /// Samples are overtaken by newer ones.
    Disordered,
    /// Messages arrive twice.
    Repeated,
    /// Payloads are malformed.
    Malformed,
    /// Stations' clocks are off.
    Skewed,
    /// Stations lose their link or their power.
    Outages,
    /// Connectors fail.
    Failures,
    /// Connectors are under maintenance.
    Maintenance,
    /// Sessions do not start.
    FailedStarts,
    /// Telemetry shows heat, bad insulation or weak cells.
    Unsafe,
    /// Equipment raises alarms.
    Alarms,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chargetally bench
  chargetally bench --connectors 1000000 --seconds 20 --levels nation,province,city,county
  chargetally bench --qos 1 --state /var/tmp --json
  chargetally bench --rate 50000

The sender is built in and runs on the same processors; its time is shown apart. A message's delay
is from its leaving the sender to its acknowledgement, at QoS 0 of one message in 1,024; an alarm's
to the alarm that the daemon publishes. At full speed both show how much is under way, not how long
the work takes: for that, set a rate.
Exit code 1 where the daemon accepted something else than was sent.")]
pub struct Bench {
    /// Connectors of the made-up fleet, ten to a station.
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::bench::CONNECTORS_MAX)))]
    pub connectors: u32,
    /// Messages a second; 0 is as many as are taken.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rate: u64,
    /// What the stations speak.
    #[arg(long, value_enum, value_name = "NAME", default_value_t = BenchDialect::Native)]
    pub dialect: BenchDialect,
    /// At which QoS messages are sent.
    #[arg(long, value_name = "0|1", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    /// How long each of the three receivers is sent to.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = bench_seconds)]
    pub seconds: f64,
    /// Shards of the daemon; 0 means one per core.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub shards: u16,
    /// Levels that the daemon gives out; without it, all.
    #[arg(long, value_name = "LEVELS", value_delimiter = ',', value_parser = settings::level)]
    pub levels: Vec<Level>,
    /// Keep a store under this directory, as a daemon does; without it, everything is in memory.
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What the stations of a benchmark speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchDialect {
    /// The project's own topics and JSON.
    Native,
}

/// How long a receiver is measured, s.
fn bench_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=3_600.0).contains(&seconds) { Ok(seconds) } else { Err("0.1 to 3600".to_owned()) }
}

/// Arguments of `record`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chargetally record --broker mqtt://127.0.0.1:1883 day.ndjson
  chargetally record --broker mqtts://broker.example --topic 'ev/v1/53/#' yunnan.ndjson
  chargetally record --broker mqtt://127.0.0.1 - | gzip > day.ndjson.gz

Records until it is interrupted.")]
pub struct Record {
    /// The broker to subscribe at.
    #[arg(long, value_name = "URL", value_parser = BrokerUrl::parse)]
    pub broker: BrokerUrl,
    /// How to log in to the broker.
    #[command(flatten)]
    pub login: Login,
    /// Topic filters to subscribe to.
    #[arg(long, value_name = "FILTER", default_value = "ev/v1/#")]
    pub topic: Vec<String>,
    /// Write over FILE where it exists.
    #[arg(long)]
    pub force: bool,
    /// The recording to write, a message a line; - is standard output.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chargetally replay day.ndjson --levels nation,province --windows 1h,1d
  chargetally replay part-*.ndjson --out summaries.ndjson --truth truth.json
  zcat day.ndjson.gz | chargetally replay - --levels nation --windows 1d

Reads what `record`, `simulate --out` and `mosquitto_sub -F %j` write. With --truth, exit code 1
where a figure that has to be the same is not.")]
pub struct Replay {
    /// Recordings, taken in this order; - is standard input.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Where the summaries go, the last revision of each, one a line; without it, to standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Levels to give out, instead of publish.levels.
    #[arg(long, value_name = "LEVELS", value_delimiter = ',', value_parser = settings::level)]
    pub levels: Vec<Level>,
    /// Windows to give out, instead of publish.windows.
    #[arg(long, value_name = "WINDOWS", value_delimiter = ',', value_parser = settings::window)]
    pub windows: Vec<WindowKind>,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsFiles,
    /// Shards, instead of run.shards; the figures are the same for any number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=256))]
    pub shards: Option<u16>,
    /// Compare with what really happened, as `simulate` wrote it, in a table.
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = "\
A day is told by its hours, a month by its days, a year by its months; the period's own summary
comes last.

Examples:
  chargetally report --period 2026-05 --config /etc/chargetally > may.csv
  chargetally replay may.ndjson --out may-summaries.ndjson
  chargetally report may-summaries.ndjson --period 2026-05 > may.csv
  chargetally report summaries.ndjson --period 2026-05-01 --format json --out day.json")]
pub struct Report {
    /// Summaries, one JSON object a line, as `replay` writes them and the broker gives them out; `-` is standard
    /// input. Of several revisions of one window the last counts. Without any, the history is read.
    #[arg(value_name = "FILE", conflicts_with_all = ["state", "config"])]
    pub files: Vec<PathBuf>,
    /// The store whose history is read where there are no files; a daemon may be running.
    #[command(flatten)]
    pub store: StateDirectory,
    /// A day (2026-05-01), a month (2026-05) or a year (2026), of the zone that the summaries are written in.
    #[arg(long, value_name = "PERIOD", value_parser = crate::cli::report::Period::parse)]
    pub period: crate::cli::report::Period,
    /// Levels to report on; without it, all.
    #[arg(long, value_name = "LEVELS", value_delimiter = ',', value_parser = settings::level)]
    pub levels: Vec<Level>,
    /// What to write.
    #[arg(long, value_enum, default_value_t = ReportFormat::Csv)]
    pub format: ReportFormat,
    /// Where the report goes; without it, to standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// A table.
    Csv,
    /// The summaries themselves.
    Json,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chargetally explain --config site.toml --topic evcc/loadpoints/1/chargePower --payload 7360.5
  chargetally explain --topic ev/v1/53/op/st/status --payload offline --retained

Several --topic, each with its --payload, are taken one after the other, as values live on.
Exit code 65 where a message is refused or no source reads its topic.")]
pub struct Explain {
    /// The topic of a message.
    #[arg(long, value_name = "TOPIC", required = true)]
    pub topic: Vec<String>,
    /// Its payload, as text.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub payload: Vec<String>,
    /// A file with its payload, for one that is no text; only with a single --topic.
    #[arg(long, value_name = "FILE", conflicts_with = "payload")]
    pub payload_file: Option<PathBuf>,
    /// Take the messages for some that the broker replayed from its retained store.
    #[arg(long)]
    pub retained: bool,
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsFiles,
}

/// Arguments of `sniff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chargetally sniff --broker mqtt://127.0.0.1:1883 > site.toml
  chargetally sniff --broker mqtts://broker.example --topic 'site7/#' --seconds 60

Listens only; what it prints is a settings file for what it recognised.
Exit code 69 where it recognised nothing.")]
pub struct Sniff {
    /// The broker to listen at.
    #[arg(long, value_name = "URL", value_parser = BrokerUrl::parse)]
    pub broker: BrokerUrl,
    /// How to log in to the broker.
    #[command(flatten)]
    pub login: Login,
    /// Topic filters to listen to.
    #[arg(long, value_name = "FILTER", default_value = "#")]
    pub topic: Vec<String>,
    /// How long to listen.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
}

/// Which store a command is about.
#[derive(Debug, Clone, Default, Args)]
pub struct StateDirectory {
    /// The directory of the store, instead of state.directory.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub state: Option<PathBuf>,
    /// The settings, for state.directory.
    #[command(flatten)]
    pub settings: SettingsFiles,
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chargetally backup --state /var/lib/chargetally /backup/chargetally.db

The daemon may be running. To restore, stop it and put the copy in place of the store's file.")]
pub struct Backup {
    /// The store.
    #[command(flatten)]
    pub store: StateDirectory,
    /// The copy to write; it must not exist.
    #[arg(value_name = "TARGET")]
    pub target: PathBuf,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chargetally verify --state /var/lib/chargetally

History and sums are read whole: 2 s a million summaries. Beside a running daemon nothing else is.
Exit code 65 where anything is not as it was written.")]
pub struct Verify {
    /// The store.
    #[command(flatten)]
    pub store: StateDirectory,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chargetally completions bash > /usr/share/bash-completion/completions/chargetally")]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Where the pages go; made where it is missing.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

fn log_filter(text: &str) -> Result<String, String> {
    crate::logging::check_filter(text).map(|()| text.to_owned())
}

fn speed_or_zero(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| (0.0..=100_000.0).contains(factor));
    factor.ok_or_else(|| "must be a number from 0 to 100000".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let factor = speed_or_zero(text)?;
    if factor > 0.0 { Ok(factor) } else { Err("must be above 0".to_owned()) }
}

/// Milliseconds of a span like `90s`, `15m`, `24h` or `7d`.
fn span_ms(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("must be a whole number with ms, s, m, h or d, like 24h".to_owned()),
    };
    let span_ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms));
    span_ms.filter(|&ms| ms > 0).ok_or_else(|| "must be a whole number above 0 with its unit, like 24h".to_owned())
}
