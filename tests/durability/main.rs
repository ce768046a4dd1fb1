//! The daemon as a process that is killed, robbed of its disk and cut off its broker, against a real Mosquitto: what it
//! keeps in the end is what an undisturbed daemon beside it keeps, to the unit. Time runs twenty times faster than the
//! wall's, so that a minute's window closes, and a checkpoint is taken, every three seconds.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod process;
mod proxy;
mod sender;
#[path = "../support/mod.rs"]
mod support;

use std::fs::File;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chargetally::daemon::{self, Stop, Surroundings};
use chargetally::notify::Notifier;
use chargetally::settings;
use chargetally::simulate::FleetPlan;
use process::{Daemon, REGISTERED_MS, told};
use proxy::Proxy;
use sender::{Signals, send};
use support::mosquitto::Mosquitto;
use support::now_ms;

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

/// Ends the sender, also where the test fails.
struct EndOnDrop<'a>(&'a Signals);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.hold.store(false, Ordering::Relaxed);
        self.0.end.store(true, Ordering::Relaxed);
    }
}

/// What a trial came to.
struct Outcome {
    sent: u64,
    took: Duration,
    records: usize,
    energy_j: i64,
}

/// What a trial is made of.
#[derive(Default)]
struct Trial {
    connectors: u32,
    /// The disturbed daemon's disk is so small, MiB.
    disk_mb: Option<u32>,
    /// The disturbed daemon's disk can be made slow, or read-only.
    may_fail: bool,
    /// The disturbed daemon has a broker of its own, with these lines in its configuration.
    own_broker: Option<&'static str>,
}

/// What can be disturbed.
struct Stage<'a> {
    /// The disturbed daemon's broker, behind the proxy.
    broker: &'a mut Mosquitto,
    proxy: &'a Proxy,
    daemon: &'a mut Daemon,
    signals: &'a Signals,
}

/// Runs two daemons under the same load, disturbs one of them, and holds what both keep in the end against each other.
fn against_undisturbed(trial: &Trial, disturb: impl FnOnce(Stage<'_>)) -> Outcome {
    let mut brokers = vec![Mosquitto::start_with(BROKER)];
    brokers.extend(trial.own_broker.map(|lines| Mosquitto::start_with(&format!("{BROKER}{lines}"))));
    let ports: Vec<u16> = brokers.iter().map(Mosquitto::port).collect();
    let broker = brokers.last_mut().expect("one at least");
    let proxy = Proxy::to(broker.port());
    let since_ms = now_ms();
    let mut steady = Daemon::new(ports[0], "steady", since_ms);
    let mut other = Daemon::new(proxy.port(), "disturbed", since_ms);
    other.disk_mb = trial.disk_mb;
    other.may_fail = trial.may_fail;
    steady.start();
    other.start();
    steady.await_ready();
    other.await_ready();
    let start_ms = fast(since_ms);
    let plan = FleetPlan { interval_ms: 12_000, ..FleetPlan::demo(7, trial.connectors, start_ms) };
    let signals = Signals::default();
    let began = Instant::now();
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(&ports, plan, since_ms, &signals));
        let ends = EndOnDrop(&signals);
        // Into the span that is compared.
        while fast(since_ms) < start_ms + REGISTERED_MS + 60_000 {
            std::thread::sleep(Duration::from_millis(100));
        }
        disturb(Stage { broker, proxy: &proxy, daemon: &mut other, signals: &signals });
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

#[test]
fn a_daemon_killed_500_times_keeps_what_an_undisturbed_one_keeps() {
    const KILLS: u32 = 500;
    let Outcome { sent, took, records, energy_j } =
        against_undisturbed(&Trial { connectors: 3_300, ..Trial::default() }, |Stage { daemon, .. }| {
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
    let trial = Trial { connectors: 1_000, disk_mb: Some(160), ..Trial::default() };
    against_undisturbed(&trial, |Stage { daemon, .. }| {
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
fn a_disk_that_is_slow_for_simulated_minutes_loses_nothing() {
    let trial = Trial { connectors: 1_000, may_fail: true, ..Trial::default() };
    against_undisturbed(&trial, |Stage { daemon, .. }| {
        let slow = daemon.slow_disk();
        File::create(&slow).expect("a file");
        std::thread::sleep(Duration::from_secs(8));
        assert!(daemon.runs(), "{}", daemon.log());
        let waits = std::fs::metadata(&slow).expect("the file").len();
        std::fs::remove_file(&slow).expect("it is removed");
        assert!(waits >= 5, "the disk was slow {waits} times");
    });
}

#[test]
fn a_disk_that_turns_read_only_is_told_and_loses_nothing_once_it_can_be_written() {
    let trial = Trial { connectors: 1_000, may_fail: true, ..Trial::default() };
    against_undisturbed(&trial, |Stage { daemon, .. }| {
        let read_only = daemon.read_only_disk();
        daemon.mark_log();
        File::create(&read_only).expect("a file");
        daemon.await_log("the store takes nothing");
        std::thread::sleep(Duration::from_secs(6));
        assert!(daemon.runs(), "{}", daemon.log());
        let refused = std::fs::metadata(&read_only).expect("the file").len();
        assert!(refused >= 5, "the disk refused {refused} times");
        let log = daemon.log();
        assert!(log.contains("may not be written to") && log.contains("Read-only file system"), "{log}");
        assert!(!log.contains("the store takes messages again"), "{log}");
        std::fs::remove_file(&read_only).expect("it is removed");
        daemon.await_log("the store takes messages again");
    });
}

#[test]
fn a_process_that_does_not_run_for_simulated_minutes_loses_nothing() {
    against_undisturbed(&Trial { connectors: 1_000, ..Trial::default() }, |Stage { daemon, .. }| {
        // A process that does not run reads nothing: the broker keeps what it is not told to have arrived.
        daemon.signal("STOP");
        std::thread::sleep(Duration::from_secs(6));
        daemon.signal("CONT");
    });
}

#[test]
fn an_end_in_the_middle_of_the_work_is_orderly_and_loses_nothing() {
    against_undisturbed(&Trial { connectors: 1_000, ..Trial::default() }, |Stage { daemon, .. }| {
        let mut dice = Dice(0xe4d);
        for _ in 0..12 {
            daemon.await_ready();
            std::thread::sleep(Duration::from_millis(dice.below(900)));
            daemon.stop();
            daemon.start();
        }
    });
}

#[test]
fn an_end_on_a_slow_disk_is_orderly_though_asked_for_twice_and_loses_nothing() {
    let trial = Trial { connectors: 1_000, may_fail: true, ..Trial::default() };
    against_undisturbed(&trial, |Stage { daemon, .. }| {
        let (slow, mut dice) = (daemon.slow_disk(), Dice(0xc4ec));
        for _ in 0..6 {
            daemon.await_ready();
            // Long enough for a checkpoint to come, each of whose syncs takes 200 ms: the end is asked for in between.
            File::create(&slow).expect("a file");
            std::thread::sleep(Duration::from_millis(3_000 + dice.below(1_000)));
            daemon.signal("TERM");
            // Once more, into the syncs and the checkpoint of the end itself.
            std::thread::sleep(Duration::from_millis(dice.below(600)));
            daemon.stop();
            assert!(std::fs::metadata(&slow).expect("the file").len() > 0, "the disk was not slow");
            std::fs::remove_file(&slow).expect("it is removed");
            daemon.start();
        }
    });
}

#[test]
fn a_network_that_swallows_everything_or_breaks_loses_nothing() {
    let trial = Trial { connectors: 1_000, ..Trial::default() };
    against_undisturbed(&trial, |Stage { proxy, daemon, .. }| {
        daemon.mark_log();
        proxy.swallow(true);
        // Nobody is told: that the broker does not answer any more is found by the keep-alive.
        daemon.await_log("the subscribing connection is down");
        proxy.swallow(false);
        proxy.cut();
        daemon.await_log("the subscribing connection is up");
        for _ in 0..3 {
            daemon.mark_log();
            proxy.cut();
            daemon.await_log("the subscribing connection is up");
        }
    });
}

#[test]
fn a_broker_that_restarts_with_what_it_persisted_loses_nothing() {
    let trial = Trial { connectors: 1_000, own_broker: Some("persistence true\n"), ..Trial::default() };
    against_undisturbed(&trial, |Stage { broker, proxy, daemon, .. }| {
        for _ in 0..2 {
            // What the broker takes while the daemon cannot be reached is the broker's to keep.
            proxy.swallow(true);
            proxy.cut();
            std::thread::sleep(Duration::from_secs(2));
            broker.stop();
            broker.restart();
            daemon.mark_log();
            proxy.swallow(false);
            proxy.cut();
            daemon.await_log("the subscribing connection is up");
        }
    });
}

#[test]
fn a_broker_that_forgets_the_session_is_subscribed_to_anew() {
    let trial = Trial { connectors: 1_000, own_broker: Some("persistence false\n"), ..Trial::default() };
    against_undisturbed(&trial, |Stage { broker, daemon, signals, .. }| {
        // What is sent while such a broker has no subscription is lost to anybody: the stations wait meanwhile.
        signals.hold.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_secs(2));
        daemon.mark_log();
        broker.kill();
        std::thread::sleep(Duration::from_secs(1));
        broker.restart();
        daemon.await_log(" subscribed");
        signals.hold.store(false, Ordering::Relaxed);
    });
}
