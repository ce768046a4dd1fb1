//! The daemon as a process that is killed, robbed of its disk and given wrong clocks, against a real Mosquitto: what it
//! keeps in the end is what an undisturbed daemon beside it keeps, to the unit. Time runs twenty times faster than the
//! wall's, so that a minute's window closes, and a checkpoint is taken, every three seconds.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chargetally::daemon::{self, Stop, Surroundings};
use chargetally::mqtt::{Event, Outgoing, Protocol, Qos, SendError};
use chargetally::notify::Notifier;
use chargetally::settings;
use chargetally::simulate::{Fleet, FleetPlan, SimMessage};
use chargetally::store::{FILE_NAME, Figures, Range, Reader};
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

/// Simulated time, where it began at this point of the wall's.
fn fast(since_ms: i64) -> i64 {
    since_ms + FASTER * (now_ms() - since_ms)
}

fn fast_ms() -> i64 {
    fast(std::env::var(CLOCK_SINCE).expect("set").parse().expect("a number"))
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
    /// The store is on a disk of its own that is so small, MiB, in a namespace of the process's own.
    disk_mb: Option<u32>,
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
        Self { directory, since_ms, process: None, log_from: 0, disk_mb: None }
    }

    fn start(&mut self) {
        self.log_from = self.log().len();
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let program = std::env::current_exe().expect("this program");
        let mut command = match self.disk_mb {
            None => Command::new(program),
            Some(mb) => {
                let mut command = Command::new("unshare");
                let state = self.directory.path().join("state");
                std::fs::create_dir_all(&state).expect("a directory");
                let script = format!("mount -t tmpfs -o size={mb}m tmpfs \"$1\" && shift && exec \"$@\"");
                command
                    .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
                    .arg(state)
                    .arg(program);
                command
            }
        };
        let process = command
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
        self.await_log(" ready");
    }

    /// Waits until this process has logged something.
    fn await_log(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log()[self.log_from..].contains(words) {
            assert!(self.runs() && Instant::now() < deadline, "it does not say {words:?}: {}", self.log());
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
        self.signal("TERM");
        let mut process = self.process.take().expect("running");
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

    /// Its store's directory, as the test sees it.
    fn state(&self) -> PathBuf {
        let state = self.directory.path().join("state");
        match (&self.process, self.disk_mb) {
            (Some(process), Some(_)) => {
                let within = state.strip_prefix("/").expect("an absolute path");
                Path::new("/proc").join(process.id().to_string()).join("root").join(within)
            }
            _ => state,
        }
    }

    /// What it keeps. A disk in another namespace is read by a process there: SQLite resolves a path on its own.
    fn history(&self, span_ms: (i64, i64)) -> History {
        let (Some(process), Some(_)) = (&self.process, self.disk_mb) else { return history(&self.state(), span_ms) };
        let copy = tempfile::tempdir_in(self.directory.path()).expect("a directory");
        let target = copy.path().join(FILE_NAME);
        let status = Command::new("nsenter")
            .args(["--target", &process.id().to_string(), "--user", "--mount", "--preserve-credentials", "sqlite3"])
            .args(["-readonly", "-cmd", ".timeout 5000"])
            .arg(self.directory.path().join("state").join(FILE_NAME))
            .arg(format!("VACUUM INTO '{}'", target.display()))
            .status();
        assert!(status.expect("nsenter").success(), "{}", self.log());
        history(copy.path(), span_ms)
    }

    fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("running").id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill").success());
    }

    fn log_path(&self) -> PathBuf {
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
fn send(port: u16, plan: FleetPlan, since_ms: i64, end: &AtomicBool) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut link = connect(port, "fleet", Protocol::V5, None).await;
        let mut fleet = Fleet::new(plan).expect("a fleet");
        let (mut message, mut sent, mut answered) = (SimMessage::default(), 0_u64, 0_u64);
        while !end.load(Ordering::Relaxed) && fleet.next_into(&mut message) {
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
                if fast(since_ms) >= message.arrival_ms {
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
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a trial came to.
struct Outcome {
    sent: u64,
    took: Duration,
    records: usize,
    energy_j: i64,
}

/// Runs two daemons under the same load, disturbs one of them, and holds what both keep in the end against each other.
fn against_undisturbed(
    connectors: u32,
    disk_mb: Option<u32>,
    disturb: impl FnOnce(&mut Mosquitto, &mut Daemon),
) -> Outcome {
    let mut broker = Mosquitto::start_with(BROKER);
    let since_ms = now_ms();
    let mut steady = Daemon::new(broker.port(), "steady", since_ms);
    let mut other = Daemon::new(broker.port(), "disturbed", since_ms);
    other.disk_mb = disk_mb;
    steady.start();
    other.start();
    steady.await_ready();
    other.await_ready();
    let start_ms = fast(since_ms);
    let plan = FleetPlan { interval_ms: 12_000, ..FleetPlan::demo(7, connectors, start_ms) };
    let (end, port) = (AtomicBool::new(false), broker.port());
    let began = Instant::now();
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(port, plan, since_ms, &end));
        let ends = EndOnDrop(&end);
        // Until all registrations are there.
        std::thread::sleep(Duration::from_secs(5));
        disturb(&mut broker, &mut other);
        // Until there are some windows that begin after the registrations.
        let least_ms = REGISTERED_MS + 8 * 60_000;
        while fast(since_ms) < start_ms + least_ms {
            std::thread::sleep(Duration::from_millis(100));
        }
        drop(ends);
        sender.join().expect("the fleet")
    });
    let (took, end_ms) = (began.elapsed(), fast(since_ms));
    let kept = |daemon: &Daemon| daemon.history((start_ms + REGISTERED_MS, end_ms));
    // Until both have taken everything, and have given out what was late.
    let deadline = Instant::now() + PATIENCE;
    std::thread::sleep(Duration::from_secs(12));
    while kept(&steady) != kept(&other) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(500));
    }
    let (one, two) = (kept(&steady), kept(&other));
    let differing: Vec<_> = one.keys().chain(two.keys()).filter(|key| one.get(key) != two.get(key)).collect();
    let shown: Vec<String> = differing.iter().take(12).map(|key| told(key, one.get(key), two.get(key))).collect();
    let (shown, log) = (shown.join("\n"), other.log());
    assert!(differing.is_empty(), "{} of {} records differ:\n{shown}\n{log}", differing.len(), one.len());
    let energy_j: i64 = one.iter().filter(|(key, _)| key.0 == "1m" && key.2 == "nation").map(|(_, f)| f.import_j).sum();
    assert!(energy_j > 0 && one.len() > 100, "{energy_j} J in {} records", one.len());
    steady.stop();
    other.stop();
    Outcome { sent, took, records: one.len(), energy_j }
}

#[test]
fn a_daemon_killed_500_times_keeps_what_an_undisturbed_one_keeps() {
    const KILLS: u32 = 500;
    let Outcome { sent, took, records, energy_j } = against_undisturbed(3_300, None, |_, daemon| {
        let mut dice = Dice(0x5eed_cafe);
        for kill in 0..KILLS {
            // Some do not live to be ready; the others work for a while.
            if dice.below(3) > 0 {
                daemon.await_ready();
            }
            std::thread::sleep(Duration::from_millis(dice.below(400)));
            assert!(daemon.runs(), "it has ended by itself before kill {kill}: {}", daemon.log());
            daemon.kill();
            daemon.start();
        }
    });
    let per_s = sent as f64 / took.as_secs_f64();
    println!("{KILLS} kills in {took:.0?}, {sent} messages ({per_s:.0}/s), {records} records and {energy_j} J equal");
}

#[test]
fn a_full_disk_is_told_and_loses_nothing_once_there_is_room_again() {
    against_undisturbed(1_000, Some(160), |_, daemon| {
        let filler = daemon.state().join("filler");
        let mut file = File::create(&filler).expect("a file on the small disk");
        while file.write_all(&[0; 65_536]).is_ok() {}
        drop(file);
        daemon.await_log("the store takes nothing");
        std::thread::sleep(Duration::from_secs(3));
        assert!(daemon.runs(), "{}", daemon.log());
        std::fs::remove_file(&filler).expect("it is removed");
        daemon.await_log("the store takes messages again");
    });
}

#[test]
fn a_network_that_is_cut_for_simulated_minutes_loses_nothing() {
    against_undisturbed(1_000, None, |_, daemon| {
        // A process that does not run reads nothing: the broker keeps what it is not told to have arrived.
        daemon.signal("STOP");
        std::thread::sleep(Duration::from_secs(6));
        daemon.signal("CONT");
    });
}

#[test]
fn an_end_in_the_middle_of_the_work_is_orderly_and_loses_nothing() {
    against_undisturbed(1_000, None, |_, daemon| {
        let mut dice = Dice(0xe4d);
        for _ in 0..12 {
            daemon.await_ready();
            std::thread::sleep(Duration::from_millis(dice.below(900)));
            daemon.stop();
            daemon.start();
        }
    });
}
