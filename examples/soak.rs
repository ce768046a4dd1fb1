//! Lets the daemon live through a week within minutes: a simulated fleet sends through a real Mosquitto, and the daemon, a
//! process of its own with its store on disk, is told a wall clock that runs as much faster. Then it says whether memory
//! and file descriptors stayed flat and whether anything was logged that a person must act on; exit code 1 where not.
//!
//!     cargo run --release --example soak [DAYS [SPEED [CONNECTORS]]]     7 days, 1000 times as fast (10 minutes), 100
//!
//! Memory is compared between the last day and the fourth: until then, windows that late messages may still change
//! (`late_limit_h`, 72 h) fill it. A daemon that cannot keep up with the clock takes no checkpoints and forgets nothing, so
//! the sender says how late it was. It must never measure its own process.

#![expect(clippy::disallowed_methods, reason = "an example that measures reads the clock itself")]

#[path = "../tests/support/mosquitto.rs"]
#[allow(dead_code, reason = "the tests take more of it")]
mod mosquitto;

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chargetally::daemon::{self, Stop, Surroundings};
use chargetally::mqtt::{Dialer, Endpoint, Event, Link, Outgoing, Qos, SendError};
use chargetally::notify::Notifier;
use chargetally::settings::LogFormat;
use chargetally::simulate::{Fleet, FleetPlan, SimMessage};
use chargetally::{logging, settings};
use mosquitto::Mosquitto;

const DAY_MS: i64 = 86_400_000;
/// The day, counted from 1, that the last one is compared with.
const SETTLED_DAY: usize = 4;
/// How much the median memory of a day may grow, per cent.
const GROWTH_PCT_MAX: f64 = 2.0;
/// How far descriptors of the settled days may lie apart: a checkpoint opens its file for a moment.
const DESCRIPTORS_APART_MAX: usize = 2;
/// Looks at the process in a simulated day.
const LOOKS_A_DAY: i64 = 240;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The clock of both processes: real time since the start, so many times faster.
static COURSE: OnceLock<(i64, i64)> = OnceLock::new();

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn fast_ms() -> i64 {
    let &(start_ms, speed) = COURSE.get_or_init(|| (0, 1));
    start_ms + (wall_ms() - start_ms) * speed
}

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, start_ms, speed, settings] = arguments.as_slice()
        && word == "daemon"
    {
        COURSE.get_or_init(|| (start_ms.parse().unwrap_or(0), speed.parse().unwrap_or(1)));
        return be_daemon(Path::new(settings)).map(|()| ExitCode::SUCCESS);
    }
    let number = |index: usize, default: i64| arguments.get(index).map_or(Ok(default), |text| text.parse());
    soak(number(0, 7)?, number(1, 1_000)?, u32::try_from(number(2, 100)?)?)
}

/// The daemon as `chargetally run` has it, but for the clock and how often it looks at it.
fn be_daemon(file: &Path) -> Result<()> {
    let settings = settings::load(&[file.to_owned()])?.settings;
    logging::init("info", LogFormat::Text);
    let stop = Stop::new();
    stop.on_signals()?;
    daemon::run(
        &settings,
        &stop,
        Surroundings { clock: fast_ms, notifier: Notifier::from_environment(), tick_ms: 20 },
    )?;
    Ok(())
}

/// Every setting at its default but the levels: a thousand times as fast, seventeen minutes end in a second, and all six
/// levels of each would keep a core busy with summaries alone.
fn settings_text(port: u16, state: &Path) -> String {
    let state = state.display();
    format!(
        "[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n[state]\ndirectory = \"{state}\"\n\
         [publish]\nlevels = [\"nation\", \"province\"]\n"
    )
}

fn soak(days: i64, speed: i64, connectors: u32) -> Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let broker =
        Mosquitto::start_with("allow_anonymous true\nmax_inflight_messages 65535\nmax_queued_messages 1000000\n");
    let (port, state) = (broker.port(), directory.path().join("state"));
    fs::create_dir(&state)?;
    let file = directory.path().join("soak.toml");
    fs::write(&file, settings_text(port, &state))?;
    let start_ms = wall_ms();
    COURSE.get_or_init(|| (start_ms, speed));
    let log = directory.path().join("log");
    let mut daemon = Process::start(start_ms, speed, &file, &log)?;
    while !fs::read_to_string(&log)?.contains("ready") {
        daemon.must_live()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    // The fleet begins a little ahead, so that its first messages are not late.
    let mut plan = FleetPlan::national(1, connectors, fast_ms() + speed * 200);
    plan.duration_ms = Some(days * DAY_MS);
    println!("{connectors} connectors, {days} days, {speed} times as fast");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sent, looks) = runtime.block_on(send(plan, port, &mut daemon))?;
    daemon.must_live()?;
    daemon.end()?;
    let log = fs::read_to_string(&log)?;
    let stored: u64 =
        fs::read_dir(&state)?.filter_map(|entry| entry.ok()?.metadata().ok()).map(|file| file.len()).sum();
    println!("{sent} messages sent; store {:.1} MiB at the end", stored as f64 / 1_048_576.0);
    Ok(if judge(&looks, &log) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One look at the daemon's process.
struct Look {
    /// Simulated days since the start, whole.
    day: usize,
    resident_kib: u64,
    descriptors: usize,
}

/// The daemon's process, killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

impl Process {
    fn start(start_ms: i64, speed: i64, settings: &Path, log: &Path) -> Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(["daemon", &start_ms.to_string(), &speed.to_string()])
            .arg(settings)
            .stdin(Stdio::null())
            .stderr(File::create(log)?)
            .spawn()?;
        Ok(Self(child))
    }

    fn must_live(&mut self) -> Result<()> {
        match self.0.try_wait()? {
            Some(status) => Err(format!("the daemon ended by itself: {status}").into()),
            None => Ok(()),
        }
    }

    fn end(&mut self) -> Result<()> {
        Command::new("kill").arg(self.0.id().to_string()).status()?;
        let status = self.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the daemon ended with {status}").into()) }
    }

    fn look(&self, day: usize) -> Result<Look> {
        let process = format!("/proc/{}", self.0.id());
        let status = fs::read_to_string(format!("{process}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let resident_kib = resident.ok_or("no VmRSS")?.parse()?;
        Ok(Look { day, resident_kib, descriptors: fs::read_dir(format!("{process}/fd"))?.count() })
    }
}

/// Sends all that the fleet has to say when its time comes, looking at the daemon meanwhile.
async fn send(plan: FleetPlan, port: u16, daemon: &mut Process) -> Result<(u64, Vec<Look>)> {
    let start_ms = plan.start_ms;
    let mut fleet = Fleet::new(plan)?;
    let mut link = Dialer::new(Endpoint::new("127.0.0.1", port, "soak-fleet"), None, wall_ms).dial()?;
    while !matches!(link.next().await, Event::Connected { .. }) {}
    let mut message = SimMessage::default();
    let (mut sent, mut looks, mut look_ms) = (0, Vec::new(), start_ms);
    let mut greatest_lag_ms = 0;
    while fleet.next_into(&mut message) {
        while fast_ms() < message.arrival_ms {
            take(&mut link, Duration::from_millis(1)).await?;
        }
        greatest_lag_ms = greatest_lag_ms.max(fast_ms() - message.arrival_ms);
        while look_ms <= message.arrival_ms {
            look_ms += DAY_MS / LOOKS_A_DAY;
            daemon.must_live()?;
            looks.push(daemon.look(usize::try_from((message.arrival_ms - start_ms) / DAY_MS)?)?);
        }
        publish(&mut link, &mut message, sent).await?;
        sent += 1;
    }
    // What is under way, and the windows that it closes.
    take(&mut link, Duration::from_secs(2)).await?;
    println!("the sender was late by {:.0} simulated s at most", greatest_lag_ms as f64 / 1_000.0);
    Ok((sent, looks))
}

/// Lets the connection work for so long at most, or until it has said something.
async fn take(link: &mut Link, patience: Duration) -> Result<()> {
    match tokio::time::timeout(patience, link.next()).await {
        Ok(Event::Disconnected(why)) => Err(format!("the fleet's connection ended: {why}").into()),
        _ => Ok(()),
    }
}

async fn publish(link: &mut Link, message: &mut SimMessage, token: u64) -> Result<()> {
    let outgoing = Outgoing {
        topic: std::mem::take(&mut message.topic),
        payload: std::mem::take(&mut message.payload).into(),
        qos: if message.qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce },
        retain: message.retain,
        expiry_s: None,
        content_type: None,
        user_properties: Vec::new(),
    };
    while let Err(error) = link.publish(token, &outgoing) {
        match error {
            SendError::Full => take(link, Duration::from_millis(1)).await?,
            error => return Err(format!("not sent: {error}").into()),
        }
    }
    Ok(())
}

/// Prints what was seen day by day, and whether it stayed flat.
fn judge(looks: &[Look], log: &str) -> bool {
    println!("| day | memory, median MiB | least | most | file descriptors |\n|---:|---:|---:|---:|---:|");
    let days = looks.last().map_or(0, |look| look.day + 1);
    let mut medians = Vec::new();
    for day in 0..days {
        let mut of_day: Vec<u64> = looks.iter().filter(|look| look.day == day).map(|look| look.resident_kib).collect();
        of_day.sort_unstable();
        let descriptors = || looks.iter().filter(|look| look.day == day).map(|look| look.descriptors);
        let (Some(&least), Some(&most)) = (of_day.first(), of_day.last()) else { continue };
        let median = of_day[of_day.len() / 2];
        medians.push(median);
        let [median, least, most] = [median, least, most].map(|kib| kib as f64 / 1_024.0);
        let (fewest, many) = (descriptors().min().unwrap_or(0), descriptors().max().unwrap_or(0));
        println!("| {} | {median:.1} | {least:.1} | {most:.1} | {fewest} to {many} |", day + 1);
    }
    let lines = |level: &str| log.lines().filter(|line| line.contains(level)).count();
    let (errors, warnings) = (lines("ERROR"), lines("WARN"));
    println!("lines at ERROR: {errors}, at WARN: {warnings}");
    for line in log.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).take(10) {
        println!("  {line}");
    }
    let settled = || looks.iter().filter(|look| look.day + 1 >= SETTLED_DAY).map(|look| look.descriptors);
    let apart = settled().max().unwrap_or(0) - settled().min().unwrap_or(0);
    let (Some(&from), Some(&to)) = (medians.get(SETTLED_DAY - 1), medians.last()) else {
        println!("too few days to compare: at least {} are needed", SETTLED_DAY + 1);
        return false;
    };
    let growth_pct = (to as f64 - from as f64) / from as f64 * 100.0;
    println!("memory from day {SETTLED_DAY} to day {days}: {growth_pct:+.2} %; file descriptors {apart} apart");
    errors == 0 && growth_pct <= GROWTH_PCT_MAX && apart <= DESCRIPTORS_APART_MAX
}
