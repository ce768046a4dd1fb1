//! Chargers that do not speak the native dialect, with a real Mosquitto between them and the daemon: energy and states
//! come out right, what is missing is asked for, and `sniff` recognises what is there.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chargetally::daemon::{self, DaemonError, Stop, Surroundings};
use chargetally::mqtt::{Link, Outgoing, Protocol, Qos};
use chargetally::notify::Notifier;
use chargetally::settings;
use serde_json::Value;
use support::mosquitto::Mosquitto;
use support::{connect, message, now_ms, publish, receive, subscribe};

/// How much faster time runs for the daemon.
const FASTER: i64 = 60;
/// How long anything may take in a test.
const PATIENCE: Duration = Duration::from_secs(40);

/// The daemon's clock.
fn fast_ms() -> i64 {
    static START: OnceLock<(i64, Instant)> = OnceLock::new();
    let (start_ms, at) = START.get_or_init(|| (now_ms(), Instant::now()));
    start_ms + FASTER * i64::try_from(at.elapsed().as_millis()).expect("in range")
}

/// A daemon on a thread of its own, stopped when dropped.
struct Daemon {
    stop: Stop,
    thread: Option<JoinHandle<Result<(), DaemonError>>>,
}

impl Daemon {
    fn start(port: u16, source: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("test.toml");
        let fixed = "[state]\ndirectory = \"\"\n[run]\nshards = 2\n[publish]\nrevise_every_s = 1";
        let text = format!("[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n{fixed}\n[[source]]\n{source}\n");
        std::fs::write(&file, text).expect("written");
        let settings = settings::load(&[file]).expect("good settings").settings;
        let stop = Stop::new();
        let asked = stop.clone();
        let surroundings = Surroundings { clock: fast_ms, notifier: Notifier::from_environment(), tick_ms: 20 };
        let thread = std::thread::spawn(move || daemon::run(&settings, &asked, surroundings));
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("no panic").expect("an orderly end");
            }
        }
    }
}

async fn listener(port: u16, filter: &str) -> Link {
    let mut link = connect(port, "listener", Protocol::V5, None).await;
    subscribe(&mut link, filter, Qos::AtLeastOnce).await;
    link
}

/// Waits until the daemon says that it runs, and a little longer for its subscription.
async fn wait_until_online(port: u16) {
    let mut link = connect(port, "waiting", Protocol::V5, None).await;
    subscribe(&mut link, "chargetally/v1/status", Qos::AtLeastOnce).await;
    while receive(&mut link).await.payload != "online" {}
    tokio::time::sleep(Duration::from_millis(500)).await;
}

/// The tallies of a station's minutes, by their start.
#[derive(Debug, Default)]
struct Minutes(BTreeMap<String, Value>);

impl Minutes {
    /// Takes in summaries until they say what is expected.
    async fn until(link: &mut Link, is_enough: impl Fn(&Self) -> bool) -> Self {
        let begun = Instant::now();
        let mut minutes = Self::default();
        while !is_enough(&minutes) {
            assert!(begun.elapsed() < PATIENCE, "{minutes:#?}");
            let incoming = receive(link).await;
            let summary: Value = serde_json::from_slice(&incoming.payload).expect("JSON");
            let start = summary["window"]["start"].as_str().expect("a start").to_owned();
            minutes.0.insert(start, summary["tally"].clone());
        }
        minutes
    }

    fn sum(&self, path: &str) -> i64 {
        self.0.values().filter_map(|tally| tally.pointer(path)?.as_i64()).sum()
    }

    /// More than a minute of charging, and nothing amiss.
    fn check_charging(&self) {
        assert!(self.sum("/state_ms/charging") > 60_000, "{self:#?}");
        for amiss in ["/meter_jump", "/meter_reset", "/rejected", "/future", "/late"] {
            assert_eq!(self.sum(amiss), 0, "{amiss}: {self:#?}");
        }
    }
}

/// The daemon's time as clocks in China show it.
fn civil_now() -> String {
    let now = jiff::Timestamp::from_millisecond(fast_ms()).expect("a time");
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").expect("a zone");
    now.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

async fn say(link: &mut Link, topic: &str, payload: &str) {
    publish(link, &message(topic, payload, Qos::AtLeastOnce, false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_t_cec_102_comes_out_right_on_topics_that_name_no_station() {
    let broker = Mosquitto::start();
    let mut platform = connect(broker.port(), "platform", Protocol::V5, None).await;
    let info = r#"{"StationID":"st-1","OperatorID":"MA5DA0053","StationName":"a","AreaCode":"530102","StationType":1,"StationStatus":50,"Construction":1,"EquipmentInfos":[{"EquipmentID":"e","EquipmentType":1,"Power":120,"ConnectorInfos":[{"ConnectorID":"gun-1","ConnectorType":4,"Power":120}]}]}"#;
    publish(&mut platform, &message("cec/v1/MA5DA0053/info", info, Qos::AtLeastOnce, true)).await;
    let _daemon = Daemon::start(broker.port(), "dialect = 'cec102'\nname = 'platform'");
    let mut link = listener(broker.port(), "chargetally/v1/summary/1m/station/MA5DA0053/st-1").await;
    let mut rejected = connect(broker.port(), "looking", Protocol::V5, None).await;
    subscribe(&mut rejected, "chargetally/v1/rejected", Qos::AtLeastOnce).await;
    wait_until_online(broker.port()).await;
    let topic = |name: &str| format!("cec/v1/MA5DA0053/notification_{name}");
    let status = |status: u8| format!(r#"{{"ConnectorStatusInfo":{{"ConnectorID":"gun-1","Status":{status}}}}}"#);
    say(&mut platform, &topic("stationStatus"), &status(2)).await;
    let began = civil_now();
    say(&mut platform, &topic("stationStatus"), &status(3)).await;
    let session = r#""StartChargeSeq":"MA5DA0053000000000000000001","ConnectorID":"gun-1""#;
    for step in 1..=20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (now, kwh) = (civil_now(), 0.045 * f64::from(step));
        let payload = format!(
            r#"{{{session},"StartChargeSeqStat":2,"ConnectorStatus":3,"StartTime":"{began}","EndTime":"{now}","TotalPower":"{kwh:.3}"}}"#
        );
        say(&mut platform, &topic("equip_charge_status"), &payload).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let ended = civil_now();
    say(&mut platform, &topic("stationStatus"), &status(2)).await;
    let order = format!(r#"{{{session},"StartTime":"{began}","EndTime":"{ended}","TotalPower":1.000,"StopReason":2}}"#);
    say(&mut platform, &topic("charge_order_info"), &order).await;
    let minutes = Minutes::until(&mut link, |it| {
        it.sum("/import_j") == 3_600_000 && it.sum("/state_ms/occupied") > 0 && it.sum("/sessions_completed") == 1
    })
    .await;
    minutes.check_charging();
    assert_eq!(minutes.sum("/sessions_started"), 1, "{minutes:#?}");
    let secret = r#"{"ConnectorID":"gun-1","Vin":"LSVAA4182E2184847"}"#;
    say(&mut platform, &topic("equip_charge_status"), secret).await;
    let shown = String::from_utf8(receive(&mut rejected).await.payload.to_vec()).expect("text");
    assert!(shown.contains("gun-1") && !shown.contains("LSVAA"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_a_ykc_pile_comes_out_right() {
    let broker = Mosquitto::start();
    let mut proxy = connect(broker.port(), "proxy", Protocol::V5, None).await;
    let _daemon = Daemon::start(broker.port(), "dialect = 'ykc'\nname = 'piles'");
    let mut link = listener(broker.port(), "chargetally/v1/summary/1m/station/ykc/53010200000007").await;
    wait_until_online(broker.port()).await;
    let topic = |frame: &str| format!("charge/ykc/53010200000007/1/{frame}");
    say(&mut proxy, &topic("13"), r#"{"tradeSeq":"000","gunId":"01","status":2,"plugged":1,"hardwareFailure":0}"#)
        .await;
    let began_ms = fast_ms();
    for step in 1..=20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (minutes, units) = ((fast_ms() - began_ms) / 60_000, 450 * step);
        let payload = format!(
            r#"{{"tradeSeq":"7","gunId":"01","status":3,"plugged":1,"accumulatedChargingTime":{minutes},"chargingDegrees":{units},"hardwareFailure":0}}"#
        );
        say(&mut proxy, &topic("13"), &payload).await;
    }
    let ended_ms = fast_ms();
    let record = format!(
        r#"{{"tradeSeq":"7","gunId":"01","startAt":{began_ms},"endAt":{ended_ms},"totalElectricCharge":10000,"stopReason":65}}"#
    );
    say(&mut proxy, &topic("13"), r#"{"tradeSeq":"7","gunId":"01","status":1,"plugged":1,"hardwareFailure":8}"#).await;
    say(&mut proxy, &topic("3B"), &record).await;
    let minutes = Minutes::until(&mut link, |it| {
        it.sum("/import_j") == 3_600_000 && it.sum("/state_ms/faulted") > 0 && it.sum("/sessions_completed") == 1
    })
    .await;
    minutes.check_charging();
    assert_eq!(minutes.sum("/alarms_raised/equipment"), 1, "{minutes:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_energy_and_the_states_of_an_everest_come_out_right() {
    let broker = Mosquitto::start();
    let mut everest = connect(broker.port(), "everest", Protocol::V5, None).await;
    let _daemon = Daemon::start(broker.port(), "dialect = 'everest'\nname = 'lab'");
    let mut link = listener(broker.port(), "chargetally/v1/summary/1m/station/everest/everest").await;
    wait_until_online(broker.port()).await;
    let event = "everest_api/1/evse_board_support/evse_1/m2e/event";
    say(&mut everest, event, r#"{"event":"B"}"#).await;
    say(&mut everest, event, r#"{"event":"PowerOn"}"#).await;
    for step in 0..=20 {
        let now = jiff::Timestamp::from_millisecond(fast_ms()).expect("a time");
        let values = format!(
            r#"{{"timestamp":"{now}","power_W":{{"total":11000}},"energy_Wh_import":{{"total":{}}}}}"#,
            50_000 + 50 * step
        );
        say(&mut everest, "everest_api/1/powermeter/evse_1/m2e/powermeter_values", &values).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    say(&mut everest, event, r#"{"event":"PowerOff"}"#).await;
    let minutes =
        Minutes::until(&mut link, |it| it.sum("/import_j") == 3_600_000 && it.sum("/state_ms/occupied") > 0).await;
    minutes.check_charging();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_energy_and_the_states_of_an_evcc_come_out_right() {
    let broker = Mosquitto::start();
    let mut evcc = connect(broker.port(), "evcc", Protocol::V5, None).await;
    let topic = |name: &str| format!("evcc/loadpoints/1/{name}");
    // What stood at the broker before: a reading of a week ago must not count as energy of today.
    for (name, value) in [("connected", "true"), ("charging", "false"), ("chargeTotalImport", "17")] {
        publish(&mut evcc, &message(&topic(name), value, Qos::AtLeastOnce, true)).await;
    }
    let _daemon = Daemon::start(broker.port(), "dialect = 'evcc'\nname = 'home'");
    let mut link = listener(broker.port(), "chargetally/v1/summary/1m/station/evcc/evcc").await;
    wait_until_online(broker.port()).await;
    for step in 0..=20 {
        let register = format!("{:.2}", 100.0 + 0.05 * f64::from(step));
        let burst = [("chargePower", "11000"), ("chargeTotalImport", &register), ("charging", "true")];
        for (name, value) in burst {
            publish(&mut evcc, &message(&topic(name), value, Qos::AtLeastOnce, true)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (name, value) in [("chargePower", "0"), ("charging", "false")] {
        publish(&mut evcc, &message(&topic(name), value, Qos::AtLeastOnce, true)).await;
    }
    let minutes =
        Minutes::until(&mut link, |it| it.sum("/import_j") == 3_600_000 && it.sum("/state_ms/occupied") > 0).await;
    minutes.check_charging();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sparkplug_node_that_was_born_before_the_daemon_is_asked_to_say_everything_anew() {
    let broker = Mosquitto::start();
    let _daemon = Daemon::start(broker.port(), "dialect = 'sparkplug'\nname = 'plant'");
    let mut link = listener(broker.port(), "spBv1.0/CN-YN/NCMD/+").await;
    wait_until_online(broker.port()).await;
    let mut node = connect(broker.port(), "node", Protocol::V5, None).await;
    // Sequence number 5, one metric: alias 10, a double.
    let payload = [&[0x18, 5, 0x12, 13, 0x10, 10, 0x20, 10, 0x69][..], &7.5_f64.to_le_bytes()].concat();
    let data =
        Outgoing { payload: payload.into(), ..message("spBv1.0/CN-YN/DDATA/st-1/gun-1", "", Qos::AtMostOnce, false) };
    publish(&mut node, &Outgoing { qos: Qos::AtLeastOnce, ..data }).await;
    let asked = receive(&mut link).await;
    assert_eq!(asked.topic(), Some("spBv1.0/CN-YN/NCMD/st-1"));
    let name = b"Node Control/Rebirth";
    assert!(asked.payload.windows(name.len()).any(|window| window == name), "{:?}", asked.payload);
    assert!(!asked.retain);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sniffing_prints_settings_that_the_daemon_takes() {
    let broker = Mosquitto::start();
    let mut speaker = connect(broker.port(), "speaker", Protocol::V5, None).await;
    for (topic, payload) in [
        ("evcc/loadpoints/1/charging", "true"),
        ("site7/openWB/chargepoint/3/get/plug_state", "true"),
        ("/go-eCharger/204711/car", "2"),
        ("cec/v1/MA5DA0053/st-1/status", r#"{"ConnectorStatusInfo":{"ConnectorID":"gun-1","Status":1}}"#),
        ("charge/ykc/53010200000007/1/13", r#"{"status":2}"#),
        ("everest_api/1/evse_board_support/evse_1/m2e/event", r#"{"event":"A"}"#),
        ("zigbee2mqtt/lamp", "{}"),
    ] {
        publish(&mut speaker, &message(topic, payload, Qos::AtLeastOnce, true)).await;
    }
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    let chargetally = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chargetally"));
        command.args(arguments).stdin(Stdio::null()).output().expect("the binary runs")
    };
    let sniffed = chargetally(&["sniff", "--broker", &url, "--seconds", "2"]);
    let text = String::from_utf8(sniffed.stdout).expect("text");
    assert_eq!(sniffed.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&sniffed.stderr));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("site.toml");
    std::fs::write(&file, &text).expect("written");
    let checked = chargetally(&["check", "--config", file.to_str().expect("text")]);
    assert_eq!(checked.status.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&checked.stderr));
    let loaded = settings::load(&[file]).expect("good settings").settings;
    let sources: Vec<_> =
        loaded.sources.iter().map(|source| (source.dialect.name(), source.root.as_str().to_owned())).collect();
    let families = [
        ("evcc", "evcc"),
        ("openwb", "site7/openWB"),
        ("go-e", "go-eCharger"),
        ("cec102", "cec/v1"),
        ("ykc", "charge/ykc"),
        ("everest", "everest_api"),
    ];
    for expected in families {
        assert!(sources.contains(&(expected.0, expected.1.to_owned())), "{expected:?} is not in {text}");
    }
    assert_eq!(sources.len(), families.len(), "{text}");

    let nothing = chargetally(&["sniff", "--broker", &url, "--seconds", "1", "--topic", "zigbee2mqtt/#"]);
    assert_eq!(nothing.status.code(), Some(69));
}
