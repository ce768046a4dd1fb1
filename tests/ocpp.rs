//! Charge points of OCPP 1.6, 2.0.1 and 2.1 whose frames the Python package `ocpp` builds and validates and a real client
//! publishes, through a real Mosquitto into the daemon: energy, states, sessions and alarms come out right, and the same
//! in each family. Where Python or its packages are missing the test fails and says what to install.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chargetally::daemon::{self, Stop, Surroundings};
use chargetally::mqtt::{Protocol, Qos};
use chargetally::notify::Notifier;
use chargetally::settings;
use serde_json::Value;
use support::mosquitto::Mosquitto;
use support::python::{python, run};
use support::{connect, now_ms, receive, subscribe};

/// How much faster time runs for the daemon: a minute closes within a second.
const FASTER: i64 = 60;
/// How long the figures may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// The daemon's clock.
fn fast_ms() -> i64 {
    static START: OnceLock<(i64, Instant)> = OnceLock::new();
    let (start_ms, at) = START.get_or_init(|| (now_ms(), Instant::now()));
    start_ms + FASTER * i64::try_from(at.elapsed().as_millis()).expect("in range")
}

/// What the course of `tests/ocpp/charge_point.py` adds up to: paths into the tally, with their sums.
const EXPECTED: [(&str, i64); 9] = [
    // Ten steps of 180 Wh.
    ("/import_j", 10 * 180 * 3_600),
    ("/state_ms/charging", 620_000),
    ("/state_ms/occupied", 80_000),
    ("/sessions_attempted", 1),
    ("/sessions_started", 1),
    ("/sessions_completed", 1),
    ("/alarms_raised/equipment", 1),
    ("/rejected", 0),
    ("/meter_reset", 0),
];

async fn check_family(port: u16, family: &'static str, python: PathBuf) {
    let begin_ms = (fast_ms() / 60_000 - 25) * 60_000;
    let topic = format!("chargetally/v1/summary/1m/station/cpo-1/py-{family}");
    let mut link = connect(port, &format!("listener-{family}"), Protocol::V5, None).await;
    subscribe(&mut link, &topic, Qos::AtLeastOnce).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ocpp/charge_point.py");
    let charging = tokio::task::spawn_blocking(move || {
        run(Command::new(python).arg(script).args([&port.to_string(), family, &begin_ms.to_string()]));
    });
    charging.await.expect("the charge point charges");
    let begun = Instant::now();
    let mut minutes = BTreeMap::<String, Value>::new();
    let sum = |minutes: &BTreeMap<String, Value>, path: &str| -> i64 {
        minutes.values().map(|tally| tally.pointer(path).and_then(Value::as_i64).expect("a figure")).sum()
    };
    while EXPECTED.iter().any(|(path, expected)| sum(&minutes, path) != *expected) {
        let sums = EXPECTED.map(|(path, expected)| (path, sum(&minutes, path), expected));
        assert!(begun.elapsed() < PATIENCE, "{family}: {sums:#?}");
        let Ok(incoming) = tokio::time::timeout(Duration::from_secs(5), receive(&mut link)).await else { continue };
        let summary: Value = serde_json::from_slice(&incoming.payload).expect("JSON");
        let start = summary["window"]["start"].as_str().expect("a start").to_owned();
        minutes.insert(start, summary["tally"].clone());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_family_of_ocpp_comes_out_with_the_same_energy_states_sessions_and_alarms() {
    let python = python("ocpp");
    let broker = Mosquitto::start();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("test.toml");
    let text = format!(
        "[mqtt]\nurl = 'mqtt://127.0.0.1:{}'\n[state]\ndirectory = ''\n[run]\nshards = 2\n\
         [publish]\nlevels = ['station']\nwindows = ['1m']\ngrace_s = 0\nrevise_every_s = 1\n\
         [[source]]\nname = 'gateway'\ndialect = 'ocpp'\noperator = 'cpo-1'\n",
        broker.port()
    );
    std::fs::write(&file, text).expect("written");
    let settings = settings::load(&[file]).expect("good settings").settings;
    let stop = Stop::new();
    let asked = stop.clone();
    let surroundings = Surroundings { clock: fast_ms, notifier: Notifier::from_environment(), tick_ms: 20 };
    let running = std::thread::spawn(move || daemon::run(&settings, &asked, surroundings));
    let mut link = connect(broker.port(), "waiting", Protocol::V5, None).await;
    subscribe(&mut link, "chargetally/v1/status", Qos::AtLeastOnce).await;
    while receive(&mut link).await.payload != "online" {}
    tokio::time::sleep(Duration::from_millis(500)).await;
    for family in ["1.6", "2.0.1", "2.1"] {
        check_family(broker.port(), family, python.clone()).await;
    }
    stop.ask();
    running.join().expect("no panic").expect("an orderly end");
}
