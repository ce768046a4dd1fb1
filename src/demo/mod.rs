//! `chargetally demo` as a library: an embedded broker on loopback, a simulated fleet, a daemon that is handed in, and a
//! view that reads the daemon's topics as any user would. It needs no file and no network, and must never publish
//! anywhere but on its own broker.
//!
//! One clock serves all ([`pace`]): it runs faster than the wall's, and stands still before the daemon listens and at
//! the end of a span until all of it was delivered, so that no machine is too slow for equal figures. The end of a
//! span is a civil midnight: then the day's summary holds all of it.

pub mod board;
pub mod compare;
mod course;
mod fleet;
pub mod pace;
mod show;
pub mod svg;
pub mod view;

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use chargetally_core::scope::Level;

use crate::broker::{BrokerError, EmbeddedBroker};
use crate::mqtt::Clock;
use crate::settings::{BrokerUrl, Millis, Settings};
use crate::simulate::{Fleet, FleetPlan, PlanError};
use board::Board;
use compare::Completeness;
use course::Course;
use fleet::Shared;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MINUTE_MS: i64 = 60_000;
/// The demo's zone, that of the settings' default: China has had no other offset since 1991.
const ZONE_MS: i64 = 8 * HOUR_MS;
/// Local time at which a demo without an end begins.
const MORNING_MS: i64 = 7 * HOUR_MS;
/// How often a connector of the demo's fleet sends, ms.
const SAMPLES_EVERY_MS: u32 = 30_000;
/// Connectors of a station in the first guess at a fleet's size.
const CONNECTORS_PER_STATION: u32 = 4;
/// Guesses at the number of connectors that makes the wanted number of stations.
const GUESSES: u32 = 4;
/// How long the daemon and the clients may take to end; what is left ends with the process.
const END_LIMIT: Duration = Duration::from_millis(600);
const PAUSE: Duration = Duration::from_millis(10);

/// What demo to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// About how many stations.
    pub stations: u32,
    /// Another seed is another fleet.
    pub seed: u64,
    /// Simulated seconds per second, above 0.
    pub speed: f64,
    /// Ends after this many minutes of real time; `None` when it is told to.
    pub minutes: Option<u32>,
    /// Draw on the terminal; else a line for every quarter of an hour.
    pub on_screen: bool,
    /// A time of the day that is simulated, ms since the epoch.
    pub today_ms: i64,
}

/// A daemon that runs on a thread of its own.
pub struct Daemon {
    ask: Box<dyn Fn() + Send>,
    thread: JoinHandle<Result<(), String>>,
}

impl Daemon {
    /// Runs `body` on a thread of its own; `ask` has it end soon.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn spawn<E: fmt::Display>(
        ask: impl Fn() + Send + 'static,
        body: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> io::Result<Self> {
        let thread = std::thread::Builder::new()
            .name("daemon".to_owned())
            .spawn(move || body().map_err(|error| error.to_string()))?;
        Ok(Self { ask: Box::new(ask), thread })
    }

    fn is_over(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Why a demo could not start or go on.
#[derive(Debug)]
pub enum DemoError {
    /// No such fleet can be made.
    Plan(PlanError),
    /// The broker did not start.
    Broker(BrokerError),
    /// The system gives no threads or no runtime.
    Start(io::Error),
    /// The terminal or standard output failed.
    Show(io::Error),
    /// The daemon ended by itself.
    Daemon(String),
    /// The connection between fleet, broker and view broke.
    Connection,
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Broker(error) => error.fmt(f),
            Self::Start(_) => f.write_str("the demo's threads cannot be started"),
            Self::Show(_) => f.write_str("the terminal cannot be written to"),
            Self::Daemon(why) => write!(f, "the daemon has ended: {why}"),
            Self::Connection => f.write_str("the connection to the embedded broker has broken"),
        }
    }
}

impl std::error::Error for DemoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) | Self::Show(error) => Some(error),
            Self::Broker(error) => error.source(),
            Self::Plan(_) | Self::Daemon(_) | Self::Connection => None,
        }
    }
}

/// How a demo ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The comparison with the truth, for people.
    pub report: String,
    /// Whether everything that must be equal is.
    pub holds: bool,
}

/// Runs a demo to its end; `out` gets the lines of one that is not on screen.
///
/// # Errors
/// Where it cannot start, or one of its parts ends by itself.
pub fn run(
    options: &Options,
    spawn: impl FnOnce(Settings, Clock) -> io::Result<Daemon>,
    out: &mut dyn Write,
) -> Result<Outcome, DemoError> {
    let speed = options.speed;
    let fleet = Fleet::new(plan(options)).map_err(DemoError::Plan)?;
    let (start_ms, end_ms) = (fleet.plan().start_ms, fleet.plan().duration_ms.map(|_| fleet.plan().end_ms()));
    let size = (fleet.built().stations.len(), fleet.plan().connectors);
    let broker = EmbeddedBroker::start().map_err(DemoError::Broker)?;
    let settings = settings(broker.addr());
    let filter = format!("{}/#", settings.publish.root.as_str());
    let shared = Shared::new(Board::new(settings.publish.root.clone()));
    // Nothing of the fleet is due before its start.
    pace::start(start_ms - 1, speed, start_ms - 1);
    let clients = clients(fleet, broker.addr(), filter, Arc::clone(&shared))?;
    let daemon = spawn(settings, pace::now_ms).map_err(DemoError::Start)?;
    let mut course = Course::new(speed, (start_ms, end_ms));
    let shown = show::Show { options, broker: broker.addr(), size, shared: &shared }.until(out, || {
        if daemon.is_over() || shared.broken.load(Ordering::Relaxed) {
            return true;
        }
        shared.stop.load(Ordering::Relaxed) || course.step(&shared)
    });
    let settled = course.is_settled();
    let outcome = compared(&shared, (start_ms, end_ms), settled);
    shared.stop.store(true, Ordering::Relaxed);
    let failed = end(daemon, &clients, &shared);
    shown.map_err(DemoError::Show)?;
    failed.map_or(Ok(outcome), Err)
}

/// The fleet of a demo: its span ends at the coming midnight, or does not end and begins in the morning.
fn plan(options: &Options) -> FleetPlan {
    let midnight_ms = (options.today_ms + ZONE_MS).div_euclid(DAY_MS) * DAY_MS - ZONE_MS;
    let duration_ms = options.minutes.map(|minutes| {
        let span_min = (f64::from(minutes) * options.speed).round().max(1.0);
        (span_min as i64).saturating_mul(MINUTE_MS)
    });
    let start_ms =
        duration_ms.map_or(midnight_ms + MORNING_MS, |duration_ms| (midnight_ms + DAY_MS).saturating_sub(duration_ms));
    let mut plan = FleetPlan::demo(options.seed, options.stations.saturating_mul(CONNECTORS_PER_STATION), start_ms);
    (plan.duration_ms, plan.interval_ms) = (duration_ms, SAMPLES_EVERY_MS);
    // A clock that is ahead would put the last energy of a span into the day after it.
    plan.transmission.skewed_permille = 0;
    for _ in 0..GUESSES {
        // What makes no fleet is refused with its reason when the fleet is made.
        let Ok(fleet) = Fleet::new(FleetPlan { warm_up_ms: 0, ..plan.clone() }) else { break };
        let built = fleet.built().stations.len() as u64;
        let better = u64::from(plan.connectors) * u64::from(options.stations) / built.max(1);
        plan.connectors = u32::try_from(better).unwrap_or(u32::MAX).max(1);
    }
    plan
}

/// The daemon's settings: everything at its default but for the broker, and nothing on disk.
fn settings(broker: SocketAddr) -> Settings {
    let mut settings = Settings::default();
    settings.mqtt.url = BrokerUrl { tls: false, host: broker.ip().to_string(), port: broker.port() };
    settings.mqtt.persistent_session = false;
    settings.state.directory = None;
    settings.run.shards = 1;
    for source in &mut settings.sources {
        source.expected_interval = Some(Millis::new(SAMPLES_EVERY_MS.into()));
    }
    settings.publish.levels = vec![Level::Nation, Level::Province, Level::Operator];
    settings
}

/// Starts the demo's own clients on a thread with a runtime of their own.
fn clients(fleet: Fleet, broker: SocketAddr, filter: String, shared: Arc<Shared>) -> Result<JoinHandle<()>, DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DemoError::Start)?;
    std::thread::Builder::new()
        .name("demo-clients".to_owned())
        .spawn(move || runtime.block_on(fleet::run(fleet, broker, filter, shared)))
        .map_err(DemoError::Start)
}

fn compared(shared: &Shared, (start_ms, end_ms): (i64, Option<i64>), settled: bool) -> Outcome {
    let board = shared.board();
    let by_days = end_ms.filter(|_| settled).and_then(|end_ms| Some((board.by_days(start_ms, end_ms)?, end_ms)));
    let completeness = if by_days.is_some() { Completeness::Settled } else { Completeness::Interrupted };
    let Some((sums, until_ms)) = by_days.or_else(|| board.by_minutes()) else {
        return Outcome {
            report: "The demo ended before the first minute had been published.\n".to_owned(),
            holds: true,
        };
    };
    let Some((_, truth)) = shared.truth_at(until_ms) else {
        return Outcome { report: "The demo ended before a minute of the fleet had passed.\n".to_owned(), holds: true };
    };
    let span = format!("{} to {}", show::local(start_ms), show::local(until_ms));
    let rows = compare::rows(&sums, &truth, completeness);
    let report = compare::report(&rows, &span, completeness);
    Outcome { report, holds: rows.iter().all(compare::Row::holds) }
}

/// Ends the threads, those that are slow with the process. Tells what had ended by itself.
fn end(daemon: Daemon, clients: &JoinHandle<()>, shared: &Shared) -> Option<DemoError> {
    let by_itself = daemon.is_over();
    (daemon.ask)();
    let since = crate::clock::monotonic();
    let over = |daemon: &Daemon| daemon.is_over() && clients.is_finished();
    while !over(&daemon) && u128::from(crate::clock::monotonic().since_ms(since)) < END_LIMIT.as_millis() {
        std::thread::sleep(PAUSE);
    }
    if by_itself {
        let why = match daemon.thread.join() {
            Ok(Ok(())) => "nobody asked it to".to_owned(),
            Ok(Err(error)) => error,
            Err(_panic) => "by a bug".to_owned(),
        };
        return Some(DemoError::Daemon(why));
    }
    shared.broken.load(Ordering::Relaxed).then_some(DemoError::Connection)
}

#[cfg(test)]
mod tests;
