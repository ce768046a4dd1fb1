//! The daemon as a process that is killed, robbed of its disk and given wrong clocks, against a real Mosquitto: what it
//! keeps in the end is what an undisturbed daemon beside it keeps, to the unit. Time runs twenty times faster than the
//! wall's, so that a minute's window closes, and a checkpoint is taken, every three seconds.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chargetally::daemon::{self, Stop, Surroundings};
use chargetally::mqtt::{Event, Outgoing, Protocol, Qos, SendError};
use chargetally::notify::Notifier;
use chargetally::settings::{self, Settings};
use chargetally::simulate::{Fleet, FleetPlan, SimMessage};
use chargetally::store::{Figures, Range, Reader};
use support::mosquitto::Mosquitto;
use support::{connect, now_ms};

/// How much faster time runs.
const FASTER: i64 = 20;
/// How long anything may take that is not measured by its own count.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where the fast clock began, ms since the epoch, for a daemon of its own process.
const CLOCK_SINCE: &str = "CHARGETALLY_TEST_CLOCK_SINCE";
const SETTINGS: &str = "CHARGETALLY_TEST_SETTINGS";
/// Everything is let through at once, and nothing is dropped.
const BROKER: &str = "allow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 0\n";

fn fast_ms() -> i64 {
    let since_ms: i64 = std::env::var(CLOCK_SINCE).expect("set").parse().expect("a number");
    since_ms + FASTER * (now_ms() - since_ms)
}

/// No test, but the daemon that tests run as a process of its own: one that can be killed.
#[test]
#[ignore = "the process that other tests start"]
fn daemon_process() {
    let file = std::env::var_os(SETTINGS).expect("started by a test");
    let settings = settings::load(&[file.into()]).expect("good settings").settings;
    chargetally::logging::init(&settings.run.log, settings.run.log_format);
    let stop = Stop::new();
    stop.on_signals().expect("signals");
    let surroundings = Surroundings { clock: fast_ms, notifier: Notifier::from_environment(), tick_ms: 20 };
    daemon::run(&settings, &stop, surroundings).expect("an orderly end");
}

/// A daemon's settings and store, in a directory of its own, and its process where it runs.
struct Daemon {
    directory: tempfile::TempDir,
    since_ms: i64,
    process: Option<Child>,
    /// Where in the log this process begins.
    log_from: usize,
}

impl Daemon {
    fn new(port: u16, client: &str, since_ms: i64) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\nclient_id = \"{client}\"\n\
             [publish]\nroot = \"{client}/v1\"\nlevels = [\"nation\", \"province\"]\n[state]\ndirectory = \"{}\"\n[run]\nshards = 2\nlog = \"info\"\n",
            directory.path().join("state").display()
        );
        std::fs::write(directory.path().join("test.toml"), text).expect("written");
        Self { directory, since_ms, process: None, log_from: 0 }
    }

    fn start(&mut self) {
        self.log_from = self.log().len();
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "daemon_process", "--nocapture"])
            .env(CLOCK_SINCE, self.since_ms.to_string())
            .env(SETTINGS, self.directory.path().join("test.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(process.expect("it starts"));
    }

    /// Waits until this process says that it is ready.
    fn await_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log()[self.log_from..].contains("ready") {
            assert!(self.runs() && Instant::now() < deadline, "it is not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ended_already = process.kill();
            let _reaped = process.wait();
        }
    }

    /// Whether it still runs.
    fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().expect("a child").is_none())
    }

    /// Asks it to end, and waits until it has.
    fn stop(&mut self) {
        let mut process = self.process.take().expect("running");
        let asked = Command::new("kill").arg(process.id().to_string()).status();
        assert!(asked.expect("kill").success());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.try_wait().expect("a child") {
                assert!(status.success(), "{status}: {}", self.log());
                return;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn state(&self) -> std::path::PathBuf {
        self.directory.path().join("state")
    }

    fn log_path(&self) -> std::path::PathBuf {
        self.directory.path().join("log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

type History = BTreeMap<(String, i64, String, String), Figures>;

/// Simulated time after which all registrations have arrived, ms.
const REGISTERED_MS: i64 = 300_000;

/// All records of windows within a span. What a registration brings counts from its arrival, which is not the same for
/// any two daemons: the span begins after that.
fn history(state: &Path, (from_ms, until_ms): (i64, i64)) -> History {
    let reader = Reader::open(state).expect("a store");
    let mut records = History::new();
    for (window, length_s) in [("1m", 60), ("15m", 900), ("1h", 3_600)] {
        let range = Range { window, from_s: from_ms / 1_000, to_s: until_ms / 1_000 - length_s, level: None };
        reader
            .query(&range, |row| {
                // That a connector went silent is heard only by who listens: a daemon that was away raises fewer alarms.
                let figures = Figures { alarms_personal: 0, alarms_equipment: 0, alarms_notice: 0, ..row.figures };
                records.insert((row.window, row.start_s, row.level, row.code), figures);
                ControlFlow::Continue(())
            })
            .expect("sound records");
    }
    records
}

fn settings_of(daemon: &Daemon) -> Settings {
    settings::load(&[daemon.directory.path().join("test.toml")]).expect("good settings").settings
}

/// Where two records differ.
fn told(key: &(String, i64, String, String), one: Option<&Figures>, other: Option<&Figures>) -> String {
    let (Some(one), Some(other)) = (one, other) else {
        return format!("{key:?}: steady {}, killed {}", one.is_some(), other.is_some());
    };
    let figures = Figures::COLUMNS.iter().zip(one.to_array().into_iter().zip(other.to_array()));
    let unequal = figures.filter(|(_, (one, other))| one != other);
    format!("{key:?}: {}", unequal.map(|(name, pair)| format!("{name} {pair:?} ")).collect::<String>())
}

/// A small generator of numbers, for instants that differ from kill to kill and not from run to run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Sends what a fleet sends, at the pace of the fast clock, until told to end. Returns the number of messages.
fn send(port: u16, plan: FleetPlan, since_ms: i64, end: &std::sync::atomic::AtomicBool) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut link = connect(port, "fleet", Protocol::V5, None).await;
        let mut fleet = Fleet::new(plan).expect("a fleet");
        let (mut message, mut sent, mut answered) = (SimMessage::default(), 0_u64, 0_u64);
        while !end.load(std::sync::atomic::Ordering::Relaxed) && fleet.next_into(&mut message) {
            // A last will has no time of its own: it counts from its arrival, which is not the same for any two daemons.
            if message.topic.ends_with("/status") {
                continue;
            }
            loop {
                while let Some(event) = link.try_next() {
                    match event {
                        Event::Published { .. } => answered += 1,
                        Event::Disconnected(why) => panic!("the fleet's connection has ended: {why}"),
                        _ => {}
                    }
                }
                if since_ms + FASTER * (now_ms() - since_ms) >= message.arrival_ms {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let outgoing = Outgoing {
                topic: message.topic.clone(),
                payload: message.payload.clone().into(),
                qos: Qos::AtLeastOnce,
                retain: message.retain,
                expiry_s: None,
                content_type: None,
                user_properties: Vec::new(),
            };
            while let Err(error) = link.publish(0, &outgoing) {
                assert_eq!(error, SendError::Full);
                tokio::task::yield_now().await;
                while let Some(event) = link.try_next() {
                    answered += u64::from(matches!(event, Event::Published { .. }));
                }
            }
            sent += 1;
        }
        let deadline = Instant::now() + PATIENCE;
        while answered < sent {
            assert!(Instant::now() < deadline, "{answered} of {sent} messages reached the broker");
            if let Some(event) = link.try_next() {
                answered += u64::from(matches!(event, Event::Published { .. }));
            } else {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        sent
    })
}

/// Ends the sender, also where the test fails.
struct EndOnDrop<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Kills one of two daemons so often, under load, and holds what both keep in the end against each other.
fn kill_often(kills: u32, connectors: u32) {
    let broker = Mosquitto::start_with(BROKER);
    let since_ms = now_ms();
    let mut steady = Daemon::new(broker.port(), "steady", since_ms);
    let mut killed = Daemon::new(broker.port(), "killed", since_ms);
    steady.start();
    killed.start();
    std::thread::sleep(Duration::from_secs(2));
    let start_ms = since_ms + FASTER * (now_ms() - since_ms);
    let plan = FleetPlan { interval_ms: 12_000, ..FleetPlan::demo(7, connectors, start_ms) };
    let end = std::sync::atomic::AtomicBool::new(false);
    let began = Instant::now();
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(broker.port(), plan, since_ms, &end));
        let ends = EndOnDrop(&end);
        // Until all registrations are there.
        std::thread::sleep(Duration::from_secs(5));
        let mut dice = Dice(0x5eed_cafe);
        for kill in 0..kills {
            // Some do not live to be ready; the others work for a while.
            if dice.below(3) > 0 {
                killed.await_ready();
            }
            std::thread::sleep(Duration::from_millis(dice.below(400)));
            assert!(killed.runs(), "it has ended by itself before kill {kill}: {}", killed.log());
            killed.kill();
            killed.start();
        }
        drop(ends);
        sender.join().expect("the fleet")
    });
    let took = began.elapsed();
    let end_ms = since_ms + FASTER * (now_ms() - since_ms);
    // Until both have taken everything, and have given out what was late.
    let deadline = Instant::now() + PATIENCE;
    let settled = |daemon: &Daemon| history(&daemon.state(), (start_ms + REGISTERED_MS, end_ms));
    while settled(&steady) != settled(&killed) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
    }
    std::thread::sleep(Duration::from_secs(3));
    steady.stop();
    killed.stop();
    let (one, other) = (settled(&steady), settled(&killed));
    let differing: Vec<_> = one.keys().chain(other.keys()).filter(|key| one.get(key) != other.get(key)).collect();
    let shown: Vec<String> = differing.iter().take(12).map(|key| told(key, one.get(key), other.get(key))).collect();
    assert!(
        differing.is_empty(),
        "{} of {} records differ:\n{}\n{}",
        differing.len(),
        one.len(),
        shown.join("\n"),
        killed.log()
    );
    let energy_j: i64 = one.iter().filter(|(key, _)| key.0 == "1m" && key.2 == "nation").map(|(_, f)| f.import_j).sum();
    assert!(energy_j > 0 && one.len() > 100, "{energy_j} J in {} records", one.len());
    println!(
        "{kills} kills in {:.0} s, {sent} messages ({:.0}/s), {} records and {energy_j} J equal",
        took.as_secs_f64(),
        sent as f64 / took.as_secs_f64(),
        one.len()
    );
    assert_eq!(settings_of(&killed).state.directory, Some(killed.state()));
}

#[test]
fn a_daemon_killed_again_and_again_keeps_what_an_undisturbed_one_keeps() {
    kill_often(500, 3_300);
}
