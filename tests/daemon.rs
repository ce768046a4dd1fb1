//! The daemon against a real Mosquitto: native messages in, every summary out, alarms at once, and what happens when
//! things go wrong. Time runs sixty times faster than the wall's for most of them, so that a minute's window closes
//! within a second.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufWriter, Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chargetally::daemon::{self, DaemonError, Stop, Surroundings};
use chargetally::mqtt::{Incoming, Link, Protocol, Qos};
use chargetally::notify::Notifier;
use chargetally::settings::{self, Settings};
use serde_json::{Value, json};
use support::mosquitto::Mosquitto;
use support::{connect, message, publish, subscribe};

/// How much faster time runs.
const FASTER: i64 = 60;
/// How long anything may take in a test.
const PATIENCE: Duration = Duration::from_secs(40);

fn wall_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis()).expect("in range")
}

/// The fast clock; all tests of this file share it.
fn fast_ms() -> i64 {
    static START: OnceLock<(i64, Instant)> = OnceLock::new();
    let (start_ms, at) = START.get_or_init(|| (wall_ms(), Instant::now()));
    start_ms + FASTER * i64::try_from(at.elapsed().as_millis()).expect("in range")
}

/// A daemon on a thread of its own.
struct Daemon {
    stop: Stop,
    thread: Option<JoinHandle<Result<(), DaemonError>>>,
}

impl Daemon {
    fn start(port: u16, more: &str) -> Self {
        let settings = settings_for(port, more);
        let stop = Stop::new();
        let asked = stop.clone();
        let surroundings = Surroundings { clock: fast_ms, notifier: Notifier::from_environment(), tick_ms: 20 };
        let thread = std::thread::spawn(move || daemon::run(&settings, &asked, surroundings));
        Self { stop, thread: Some(thread) }
    }

    fn end(mut self) {
        self.stop.ask();
        let begun = Instant::now();
        self.thread.take().expect("running").join().expect("no panic").expect("an orderly end");
        assert!(begun.elapsed() < Duration::from_secs(5), "the end took {:?}", begun.elapsed());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            let _failed_already = thread.join();
        }
    }
}

fn settings_for(port: u16, more: &str) -> Settings {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("test.toml");
    let text =
        format!("[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n[state]\ndirectory = \"\"\n[run]\nshards = 2\n{more}",);
    std::fs::write(&file, text).expect("written");
    settings::load(&[file]).expect("good settings").settings
}

/// Somebody who listens to all that the daemon says.
struct Listener {
    link: Link,
    newest: BTreeMap<String, Value>,
    /// All that was said of stations' minutes, for those who ask after the fact.
    minutes: Vec<(String, Value)>,
}

impl Listener {
    async fn start(port: u16) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("listener-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut link = connect(port, &name, Protocol::V5, None).await;
        subscribe(&mut link, "chargetally/v1/#", Qos::AtLeastOnce).await;
        Self { link, newest: BTreeMap::new(), minutes: Vec::new() }
    }

    /// Waits for a message on a topic that fits, and returns it.
    async fn wait(&mut self, topic: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            if let Some(value) = self.newest.get(topic).filter(|value| fits(value)) {
                return value.clone();
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "nothing that fits came on {topic}; newest there: {:?}; topics: {:?}",
                self.newest.get(topic),
                self.newest.keys().collect::<Vec<_>>(),
            );
            if let Some(incoming) = next(&mut self.link, Duration::from_millis(200)).await {
                let topic = incoming.topic().expect("text").to_owned();
                let value = serde_json::from_slice(&incoming.payload)
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&incoming.payload).into_owned()));
                if topic.contains("/1m/station/") {
                    self.minutes.push((topic.clone(), value.clone()));
                }
                self.newest.insert(topic, value);
            }
        }
    }

    /// As [`wait`](Self::wait), for what a station's minutes said at any time.
    async fn wait_for_minute(&mut self, topic: &str, fits: impl Fn(&Value) -> bool) {
        if !self.minutes.iter().any(|(said, value)| said == topic && fits(value)) {
            self.wait(topic, fits).await;
        }
    }
}

async fn next(link: &mut Link, patience: Duration) -> Option<Incoming> {
    tokio::time::timeout(patience, support::receive(link)).await.ok()
}

fn info(connectors: &[&str]) -> Value {
    let connectors: Vec<Value> =
        connectors.iter().map(|id| json!({"id": id, "rated_kw": 120, "current": "dc"})).collect();
    json!({
        "name": "五华充电站", "area": "530102001", "access": "public", "scene": "highway_service_area",
        "equipment": [{"id": "e1", "rated_kw": 240, "connectors": connectors}],
    })
}

fn telemetry(ts: i64, status: &str, power_kw: f64, import_kwh: f64) -> Value {
    json!({"ts": ts, "status": status, "power_kw": power_kw, "import_kwh": import_kwh})
}

async fn send(link: &mut Link, topic: &str, payload: &Value, retain: bool) {
    publish(link, &message(topic, &payload.to_string(), Qos::AtLeastOnce, retain)).await;
}

const CONNECTOR: &str = "ev/v1/53/op1/st1/c1/telemetry";

/// The next minute's edge of the fast clock, with a little room before it.
async fn fresh_minute() -> i64 {
    loop {
        let now = fast_ms();
        if now % 60_000 < 15_000 {
            return now - now % 60_000;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_level_gets_its_summary_and_the_last_will_tells_of_the_end() {
    let broker = Mosquitto::start();
    let daemon = Daemon::start(broker.port(), "");
    let mut listener = Listener::start(broker.port()).await;
    listener.wait("chargetally/v1/status", |status| status == "online").await;
    let mut station = connect(broker.port(), "station", Protocol::V5, None).await;
    send(&mut station, "ev/v1/53/op1/st1/info", &info(&["c1", "c2"]), true).await;
    let minute = fresh_minute().await;
    // One minute of charging at 60 kW, told by register.
    send(&mut station, CONNECTOR, &telemetry(minute, "charging", 60.0, 100.0), false).await;
    send(&mut station, CONNECTOR, &telemetry(minute + 60_000, "charging", 60.0, 101.0), false).await;
    let scopes = ["nation", "province/53", "city/5301", "county/530102", "operator/op1", "station/op1/st1"];
    for scope in scopes {
        let topic = format!("chargetally/v1/summary/1m/{scope}");
        let summary = listener.wait(&topic, |summary| summary["tally"]["import_j"] == 3_600_000).await;
        assert_eq!(summary["schema"], "chargetally.summary/1");
        assert_eq!(summary["tally"]["connectors"], 2, "{scope}");
        assert_eq!(summary["tally"]["state_ms"]["charging"], 60_000, "{scope}");
        assert_eq!(summary["efficiency"]["power_peak_kw"], 60.0, "{scope}");
        assert_eq!(summary["window"]["name"], "1m");
    }
    for window in ["15m", "1h"] {
        let topic = format!("chargetally/v1/summary/{window}/nation");
        listener.wait(&topic, |summary| summary["tally"]["import_j"].as_i64() >= Some(3_600_000)).await;
        if window == "15m" {
            // Waiting for a whole hour of the fast clock is left to the first window that ends.
            break;
        }
    }
    // What is retained is there for somebody who comes later.
    let mut late = Listener::start(broker.port()).await;
    late.wait("chargetally/v1/summary/1m/station/op1/st1", |summary| summary["tally"].is_object()).await;
    daemon.end();
    listener.wait("chargetally/v1/status", |status| status == "offline").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_is_said_at_once_and_cleared_when_over() {
    let broker = Mosquitto::start();
    let daemon = Daemon::start(broker.port(), "");
    let mut listener = Listener::start(broker.port()).await;
    listener.wait("chargetally/v1/status", |status| status == "online").await;
    let mut station = connect(broker.port(), "station", Protocol::V5, None).await;
    send(&mut station, "ev/v1/53/op1/st1/info", &info(&["c1"]), true).await;
    let hot =
        |ts: i64, celsius: i64| json!({"ts": ts, "status": "charging", "power_kw": 60, "connector_temp_c": celsius});
    let now = fast_ms();
    for step in 0..3 {
        send(&mut station, CONNECTOR, &hot(now + step * 10_000, 95), false).await;
    }
    let topic = "chargetally/v1/alarm/53/op1/st1/c1/connector_overtemp";
    let raised = listener.wait(topic, |alarm| alarm["state"] == "raised").await;
    assert_eq!((&raised["level"], &raised["origin"]), (&json!("personal"), &json!("derived")));
    for step in 3..6 {
        send(&mut station, CONNECTOR, &hot(now + step * 10_000, 40), false).await;
    }
    // The end is said, and the retained alarm is taken away: an empty payload.
    listener.wait(topic, |alarm| alarm["state"] == "cleared" || alarm == "").await;
    listener.wait(topic, |alarm| alarm == "").await;
    daemon.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_dies_and_comes_back_is_found_again() {
    let mut broker = Mosquitto::start();
    let daemon = Daemon::start(broker.port(), "");
    let mut listener = Listener::start(broker.port()).await;
    listener.wait("chargetally/v1/status", |status| status == "online").await;
    broker.kill();
    broker.restart();
    let mut listener = Listener::start(broker.port()).await;
    listener.wait("chargetally/v1/status", |status| status == "online").await;
    let mut station = connect(broker.port(), "station", Protocol::V5, None).await;
    // The subscription may follow the publishing connection by a moment: send until it is heard.
    let begun = Instant::now();
    send(&mut station, "ev/v1/53/op1/st1/info", &info(&["c1"]), true).await;
    while !listener.newest.contains_key("chargetally/v1/summary/1m/station/op1/st1") {
        assert!(begun.elapsed() < PATIENCE, "no summary after the broker came back");
        send(&mut station, CONNECTOR, &telemetry(fast_ms(), "available", 0.0, 1.0), false).await;
        if let Some(incoming) = next(&mut listener.link, Duration::from_millis(200)).await {
            let topic = incoming.topic().expect("text").to_owned();
            listener.newest.insert(topic, Value::Null);
        }
    }
    daemon.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_that_comes_late_claims_what_came_before() {
    let broker = Mosquitto::start();
    let daemon = Daemon::start(broker.port(), "[publish]\nrevise_every_s = 1\n");
    let mut listener = Listener::start(broker.port()).await;
    listener.wait("chargetally/v1/status", |status| status == "online").await;
    let mut station = connect(broker.port(), "station", Protocol::V5, None).await;
    let minute = fresh_minute().await;
    send(&mut station, CONNECTOR, &telemetry(minute, "charging", 60.0, 100.0), false).await;
    send(&mut station, CONNECTOR, &telemetry(minute + 60_000, "charging", 60.0, 101.0), false).await;
    let unknown = "chargetally/v1/summary/1m/county/unknown";
    let start_of = |summary: &Value| summary["window"]["start"].clone();
    let first = listener.wait(unknown, |summary| summary["tally"]["import_j"] == 3_600_000).await;
    send(&mut station, "ev/v1/53/op1/st1/info", &info(&["c1"]), true).await;
    let county = "chargetally/v1/summary/1m/county/530102";
    let claimed = listener.wait(county, |summary| summary["tally"]["import_j"] == 3_600_000).await;
    assert_eq!(start_of(&claimed), start_of(&first));
    let emptied = listener
        .wait(unknown, |summary| start_of(summary) == start_of(&first) && summary["tally"]["import_j"] == 0)
        .await;
    assert_eq!(emptied["window"]["revision"], first["window"]["revision"].as_i64().expect("a number") + 1);
    daemon.end();
}

/// Broken messages of every kind, by turns, and the reason for which each is to be refused.
fn broken(index: usize) -> (String, Vec<u8>, &'static str) {
    let topic = CONNECTOR.to_owned();
    let ts = fast_ms();
    match index % 10 {
        0 => (topic, vec![0xff, 0x00, 0xfe, b'x'], "not_utf8"),
        // The broker withholds what is longer than the whole packet may be; this is just longer than its payload.
        1 => (topic, vec![b' '; 258 * 1024], "too_large"),
        2 => (topic, [&b"{\"x\":"[..], &[b'['; 200], &[b']'; 200], b"}"].concat(), "too_deep"),
        3 => (topic, format!(r#"{{"ts":{ts},"power_kw":"many"}}"#).into_bytes(), "wrong_type"),
        4 => ("ev/v1/5x/op1/st1/c1/telemetry".to_owned(), b"{}".to_vec(), "bad_topic"),
        5 => (topic, format!(r#"{{"ts":{ts},"power_kw":NaN}}"#).into_bytes(), "not_json"),
        6 => (topic, br#"{"ts":"2099-01-01T00:00:00Z","status":"charging"}"#.to_vec(), "future"),
        7 => (topic, format!(r#"{{"ts":{ts},"import_kwh":-5}}"#).into_bytes(), "out_of_range"),
        8 => (topic, format!(r#"{{"ts":{ts},"status":"flying"}}"#).into_bytes(), "unknown_value"),
        _ => (topic, br#"{"status":"charging"}"#.to_vec(), "missing_ts"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_broken_messages_changes_no_figure_and_each_is_counted() {
    const FLOOD: usize = 100_000;
    let broker = Mosquitto::start_with("allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 1000\n");
    let daemon = Daemon::start(broker.port(), "[time]\nfuture_skew_s = 3600\n");
    let mut listener = Listener::start(broker.port()).await;
    listener.wait("chargetally/v1/status", |status| status == "online").await;
    let mut station = connect(broker.port(), "station", Protocol::V5, None).await;
    send(&mut station, "ev/v1/53/op1/st1/info", &info(&["c1"]), true).await;
    let minute = fresh_minute().await;
    send(&mut station, CONNECTOR, &telemetry(minute, "charging", 60.0, 100.0), false).await;
    let mut attacker = connect(broker.port(), "attacker", Protocol::V5, None).await;
    let before_kb = resident_kb();
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for index in 0..FLOOD {
        // The largest ones are few: what they cost is the broker's business.
        let index = if index % 10 == 1 && index > 1_000 { 0 } else { index };
        let (topic, payload, reason) = broken(index);
        *expected.entry(reason).or_default() += 1;
        let payload =
            chargetally::mqtt::Outgoing { payload: payload.into(), ..message(&topic, "", Qos::AtLeastOnce, false) };
        publish(&mut attacker, &payload).await;
    }
    let after_kb = resident_kb();
    send(&mut station, CONNECTOR, &telemetry(minute + 60_000, "charging", 60.0, 101.0), false).await;
    let counters = listener
        .wait("chargetally/v1/counters", |counters| counters["messages"].as_u64() >= Some(FLOOD as u64 + 3))
        .await;
    assert_eq!(counters["future"].as_u64(), expected.remove("future"));
    let counted: BTreeMap<String, u64> = serde_json::from_value(counters["rejected"].clone()).expect("counts");
    let expected: BTreeMap<String, u64> =
        expected.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect();
    assert_eq!(counted, expected);
    let station = "chargetally/v1/summary/1m/station/op1/st1";
    listener.wait_for_minute(station, |summary| summary["tally"]["import_j"] == 3_600_000).await;
    assert!(after_kb < before_kb + 64 * 1024, "resident memory grew from {before_kb} to {after_kb} kB");
    daemon.end();
    let rejected = listener.newest.get("chargetally/v1/rejected").expect("a sample of what was refused");
    assert!(rejected["reason"].is_string(), "{rejected}");
}

/// Resident memory of this process, which holds the daemon, kB.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("a number")
}

/// Publishes at QoS 0 as fast as the broker takes it: MQTT 3.1.1 by hand, for no client is as careless.
fn shout(port: u16, topics: impl Iterator<Item = String>, payload: &[u8]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    // CONNECT: protocol MQTT level 4, clean session, no keep-alive, client id "a".
    stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a")?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack)?;
    assert_eq!(connack, [0x20, 2, 0, 0]);
    let mut out = BufWriter::new(stream);
    for topic in topics {
        let length = 2 + topic.len() + payload.len();
        assert!(length < 128, "one byte says the length");
        out.write_all(&[0x30, u8::try_from(length).expect("short"), 0, u8::try_from(topic.len()).expect("short")])?;
        out.write_all(topic.as_bytes())?;
        out.write_all(payload)?;
    }
    out.write_all(&[0xe0, 0])?;
    out.flush()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_stations_run_into_a_limit_that_says_so() {
    const STATIONS: usize = 1_000_000;
    let broker = Mosquitto::start_with("allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 1000\n");
    let more = "[limits]\nunregistered_stations = 1000\n[publish]\nlevels = [\"nation\"]\nwindows = [\"1m\"]\n";
    let daemon = Daemon::start(broker.port(), more);
    let mut listener = Listener::start(broker.port()).await;
    listener.wait("chargetally/v1/status", |status| status == "online").await;
    let port = broker.port();
    let payload = json!({"ts": fast_ms(), "status": "available"}).to_string();
    let attack = tokio::task::spawn_blocking(move || {
        let topics = (0..STATIONS).map(|index| format!("ev/v1/53/op1/made-up-{index}/c1/telemetry"));
        shout(port, topics, payload.as_bytes()).expect("the broker takes all");
    });
    attack.await.expect("no panic");
    let counters = listener
        .wait("chargetally/v1/counters", |counters| counters["messages"].as_u64() >= Some(STATIONS as u64 * 6 / 10))
        .await;
    assert_eq!(counters["accepted"], 1000, "{counters}");
    assert!(counters["limits_reached"]["unregistered_stations"].as_u64() > Some(STATIONS as u64 / 2), "{counters}");
    daemon.end();
}
