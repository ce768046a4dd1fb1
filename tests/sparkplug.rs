//! An edge node of Sparkplug B, written with the Python package `pysparkplug`, through a real Mosquitto into the daemon: it
//! waits for the daemon as its primary host, is asked for a birth after a gap, and dies by its last will; energy and states
//! come out right. Where Python or its packages are missing the test fails and says what to install.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chargetally::daemon::{self, DaemonError, Stop, Surroundings};
use chargetally::mqtt::{Link, Protocol, Qos};
use chargetally::notify::Notifier;
use chargetally::settings;
use serde_json::Value;
use support::mosquitto::Mosquitto;
use support::python::{python, run};
use support::{connect, now_ms, receive, subscribe, within};

/// How much faster time runs for the daemon: a minute closes within a second.
const FASTER: i64 = 60;
/// How long the figures may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// The id that the daemon has as a host application, and where it says so.
const HOST: &str = "counts";
const STATE_TOPIC: &str = "spBv1.0/STATE/counts";
/// The client id of the connection that subscribes.
const CLIENT_ID: &str = "counter";

/// The daemon's clock.
fn fast_ms() -> i64 {
    static START: OnceLock<(i64, Instant)> = OnceLock::new();
    let (start_ms, at) = START.get_or_init(|| (now_ms(), Instant::now()));
    start_ms + FASTER * i64::try_from(at.elapsed().as_millis()).expect("in range")
}

fn daemon(port: u16) -> (Stop, JoinHandle<Result<(), DaemonError>>) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("test.toml");
    let text = format!(
        "[mqtt]\nurl = 'mqtt://127.0.0.1:{port}'\nclient_id = '{CLIENT_ID}'\n[state]\ndirectory = ''\n[run]\nshards = 2\n\
         [publish]\nlevels = ['station']\nwindows = ['1m']\ngrace_s = 0\nrevise_every_s = 1\n\
         [[source]]\nname = 'plant'\ndialect = 'sparkplug'\nhost = '{HOST}'\n"
    );
    std::fs::write(&file, text).expect("written");
    let settings = settings::load(&[file]).expect("good settings").settings;
    let stop = Stop::new();
    let asked = stop.clone();
    let surroundings = Surroundings { clock: fast_ms, notifier: Notifier::from_environment(), tick_ms: 20 };
    (stop, std::thread::spawn(move || daemon::run(&settings, &asked, surroundings)))
}

/// The next state of the host: whether it is online, and since when.
async fn next_state(link: &mut Link) -> (bool, i64) {
    let incoming = receive(link).await;
    assert_eq!(incoming.topic(), Some(STATE_TOPIC));
    let state: Value = serde_json::from_slice(&incoming.payload).expect("JSON");
    (state["online"].as_bool().expect("a flag"), state["timestamp"].as_i64().expect("a time"))
}

/// What the course of `tests/sparkplug/edge_node.py` adds up to: paths into the tally, with their sums.
const EXPECTED: [(&str, i64); 7] = [
    // Eleven steps of 180 Wh, one of them lost and made up for by the next.
    ("/import_j", 11 * 180 * 3_600),
    ("/state_ms/charging", 620_000),
    ("/state_ms/occupied", 80_000),
    ("/rejected", 0),
    ("/meter_reset", 0),
    ("/meter_jump", 0),
    ("/late", 0),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_node_that_waits_for_its_host_loses_a_message_and_dies_comes_out_right() {
    let python = python("sparkplug");
    let broker = Mosquitto::start();
    let (stop, running) = daemon(broker.port());
    let begin_ms = (fast_ms() / 60_000 - 25) * 60_000;
    let mut link = connect(broker.port(), "listener", Protocol::V5, None).await;
    subscribe(&mut link, "chargetally/v1/summary/1m/station/cpo-1/py-node", Qos::AtLeastOnce).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sparkplug/edge_node.py");
    let port = broker.port().to_string();
    let course = tokio::task::spawn_blocking(move || {
        run(Command::new(python).arg(script).args([&port, &begin_ms.to_string(), HOST]));
    });
    course.await.expect("the node does its course");
    let begun = Instant::now();
    let mut minutes = BTreeMap::<String, Value>::new();
    let sum = |minutes: &BTreeMap<String, Value>, path: &str| -> i64 {
        minutes.values().map(|tally| tally.pointer(path).and_then(Value::as_i64).expect("a figure")).sum()
    };
    let is_right = |minutes: &BTreeMap<String, Value>| {
        // Its death is that of the station from then on.
        sum(minutes, "/state_ms/offline") > 0 && EXPECTED.iter().all(|(path, expected)| sum(minutes, path) == *expected)
    };
    while !is_right(&minutes) {
        let sums = EXPECTED.map(|(path, expected)| (path, sum(&minutes, path), expected));
        assert!(begun.elapsed() < PATIENCE, "{sums:#?} offline {}", sum(&minutes, "/state_ms/offline"));
        let Ok(incoming) = tokio::time::timeout(Duration::from_secs(5), receive(&mut link)).await else { continue };
        let summary: Value = serde_json::from_slice(&incoming.payload).expect("JSON");
        let start = summary["window"]["start"].as_str().expect("a start").to_owned();
        minutes.insert(start, summary["tally"].clone());
    }
    stop.ask();
    running.join().expect("no panic").expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_of_the_host_is_that_of_its_subscribing_connection() {
    let broker = Mosquitto::start();
    let mut link = connect(broker.port(), "listener", Protocol::V5, None).await;
    subscribe(&mut link, STATE_TOPIC, Qos::AtLeastOnce).await;
    let (stop, running) = daemon(broker.port());
    let (is_online, first_ms) = next_state(&mut link).await;
    assert!(is_online, "a host that has subscribed is online");
    // Whoever takes over its client id ends its connection without a farewell.
    drop(connect(broker.port(), CLIENT_ID, Protocol::V5, None).await);
    assert_eq!(next_state(&mut link).await, (false, first_ms), "the last will has the time of its connection");
    let again_ms = within("the host is online again", async {
        loop {
            if let (true, at_ms) = next_state(&mut link).await {
                return at_ms;
            }
        }
    })
    .await;
    assert!(again_ms > first_ms, "{again_ms} is the time of another connection than {first_ms}");
    stop.ask();
    assert_eq!(next_state(&mut link).await, (false, again_ms), "an orderly stop says so");
    running.join().expect("no panic").expect("an orderly end");
    let mut late = connect(broker.port(), "late", Protocol::V5, None).await;
    late.subscribe(&[chargetally::mqtt::Filter::new(STATE_TOPIC, Qos::AtLeastOnce)]).expect("the request is queued");
    assert_eq!(next_state(&mut late).await, (false, again_ms), "whoever comes later is told as well");
}
