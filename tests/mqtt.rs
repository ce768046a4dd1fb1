//! The MQTT seam, the ingest and the publishing connection against a real Mosquitto, and against a broker that says
//! what no real one can be made to say.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use chargetally::ingest::{self, Batch, IngestEvent, IngestHandle, IngestSettings};
use chargetally::mqtt::{Credentials, Endpoint, Filter, Protocol, Qos, Secret, Version, Why};
use chargetally::publish::egress::{self, EgressHandle, EgressSettings, EgressState};
use chargetally::publish::outbox::{Entry, OutboxLimits, Priority, Pushed};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::mosquitto::Mosquitto;
use support::{connect, endpoint, fake_broker, message, now_ms, publish, receive, subscribe, within};
use tokio::sync::mpsc::Receiver;

const BOTH: [Protocol; 2] = [Protocol::V5, Protocol::V311];

fn subscriber(endpoint: Endpoint) -> (IngestHandle, Receiver<IngestEvent>) {
    let filters = vec![Filter::new("ev/#", Qos::AtLeastOnce)];
    let settings = IngestSettings { retry_first_ms: 20, retry_last_ms: 200, ..IngestSettings::new(endpoint, filters) };
    ingest::spawn(settings, now_ms)
}

fn publisher(endpoint: Endpoint) -> EgressHandle {
    let settings =
        EgressSettings { retry_first_ms: 20, retry_last_ms: 200, ..EgressSettings::new(endpoint, "out/status") };
    egress::spawn(settings, now_ms)
}

async fn event(events: &mut Receiver<IngestEvent>) -> IngestEvent {
    within("ingest event", events.recv()).await.expect("the ingest goes on")
}

async fn until_subscribed(events: &mut Receiver<IngestEvent>) {
    while !matches!(event(events).await, IngestEvent::Subscribed(_)) {}
}

async fn until_connected(events: &mut Receiver<IngestEvent>) -> (Version, bool) {
    loop {
        if let IngestEvent::Connected { version, session_present, .. } = event(events).await {
            return (version, session_present);
        }
    }
}

async fn until_disconnected(events: &mut Receiver<IngestEvent>) -> Why {
    loop {
        if let IngestEvent::Disconnected { why, .. } = event(events).await {
            return why;
        }
    }
}

async fn batch(events: &mut Receiver<IngestEvent>) -> Batch {
    loop {
        if let IngestEvent::Batch(batch) = event(events).await {
            return batch;
        }
    }
}

/// Takes batches until so many messages have come; gives their payloads, whether each was a duplicate, and the last id.
async fn payloads(events: &mut Receiver<IngestEvent>, count: usize) -> (Vec<(String, bool)>, u64) {
    let (mut seen, mut last) = (Vec::new(), 0);
    while seen.len() < count {
        let batch = batch(events).await;
        last = batch.id;
        let texts =
            batch.messages.iter().map(|one| (String::from_utf8_lossy(&one.payload).into_owned(), one.duplicate));
        seen.extend(texts);
    }
    (seen, last)
}

/// Stops the ingest and takes what it still hands over.
async fn stop(handle: IngestHandle, mut events: Receiver<IngestEvent>) {
    handle.stop();
    while event(&mut events).await != IngestEvent::Stopped(None) {}
    within("end of the ingest", handle.stopped()).await;
}

async fn until_state(handle: &mut EgressHandle, wanted: impl Fn(&EgressState) -> bool) -> EgressState {
    within("state of the egress", handle.state.wait_for(wanted)).await.expect("the egress goes on").clone()
}

fn summary(topic: &str, payload: &str) -> Entry {
    Entry {
        topic: topic.into(),
        payload: payload.as_bytes().to_vec().into(),
        retain: true,
        priority: Priority::Routine,
        expiry_s: Some(600),
        schema: "chargetally.summary/1".into(),
    }
}

#[tokio::test]
async fn messages_arrive_with_topic_payload_flags_and_arrival_time_in_both_versions() {
    let broker = Mosquitto::start();
    for protocol in BOTH {
        let mut station = connect(broker.port(), "station", protocol, None).await;
        publish(&mut station, &message("ev/kept", "kept", Qos::AtLeastOnce, true)).await;
        let before_ms = now_ms();
        let (handle, mut events) = subscriber(endpoint(broker.port(), "subscriber", protocol));
        until_subscribed(&mut events).await;
        let kept = batch(&mut events).await.messages.remove(0);
        assert_eq!((kept.topic(), kept.retain, &kept.payload[..]), (Some("ev/kept"), true, &b"kept"[..]));
        publish(&mut station, &message("ev/live", "live", Qos::AtLeastOnce, false)).await;
        let live = batch(&mut events).await.messages.remove(0);
        assert_eq!((live.topic(), live.retain, live.qos), (Some("ev/live"), false, Qos::AtLeastOnce));
        assert!((before_ms..=now_ms()).contains(&live.arrival_ms), "{} is no time of this test", live.arrival_ms);
        stop(handle, events).await;
    }
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_what_was_does_not() {
    for protocol in BOTH {
        let broker = Mosquitto::start();
        let (handle, mut events) = subscriber(endpoint(broker.port(), "subscriber", protocol));
        until_subscribed(&mut events).await;
        let mut station = connect(broker.port(), "station", protocol, None).await;
        publish(&mut station, &message("ev/1", "first", Qos::AtLeastOnce, false)).await;
        let first = batch(&mut events).await;
        handle.acknowledge_through(first.id);
        publish(&mut station, &message("ev/1", "second", Qos::AtLeastOnce, false)).await;
        assert_eq!(payloads(&mut events, 1).await.0, [("second".to_owned(), false)]);
        stop(handle, events).await;

        let (handle, mut events) = subscriber(endpoint(broker.port(), "subscriber", protocol));
        assert!(until_connected(&mut events).await.1, "the broker kept the session");
        let (again, last) = payloads(&mut events, 1).await;
        assert_eq!(again, [("second".to_owned(), true)], "only the unacknowledged one, marked as a duplicate");
        handle.acknowledge_through(last);
        stop(handle, events).await;

        let (handle, mut events) = subscriber(endpoint(broker.port(), "subscriber", protocol));
        until_subscribed(&mut events).await;
        publish(&mut station, &message("ev/1", "third", Qos::AtLeastOnce, false)).await;
        assert_eq!(payloads(&mut events, 1).await.0, [("third".to_owned(), false)], "nothing comes a third time");
        stop(handle, events).await;
    }
}

#[tokio::test]
async fn acknowledgements_free_the_window_for_many_more_messages_than_fit_it() {
    for protocol in BOTH {
        let broker = Mosquitto::start();
        let small = Endpoint { receive_maximum: 5, ..endpoint(broker.port(), "subscriber", protocol) };
        let (handle, mut events) = subscriber(small);
        until_subscribed(&mut events).await;
        let mut station = connect(broker.port(), "station", protocol, None).await;
        for number in 0..200 {
            publish(&mut station, &message("ev/n", &number.to_string(), Qos::AtLeastOnce, false)).await;
        }
        let mut seen = Vec::new();
        while seen.len() < 200 {
            let batch = batch(&mut events).await;
            seen.extend(batch.messages.iter().map(|one| String::from_utf8_lossy(&one.payload).into_owned()));
            handle.acknowledge_through(batch.id);
        }
        assert_eq!(seen, (0..200).map(|number| number.to_string()).collect::<Vec<_>>());
        stop(handle, events).await;
    }
}

#[tokio::test]
async fn a_broker_that_was_killed_and_forgot_us_is_subscribed_to_again() {
    for protocol in BOTH {
        let mut broker = Mosquitto::start();
        let (handle, mut events) = subscriber(endpoint(broker.port(), "subscriber", protocol));
        until_subscribed(&mut events).await;
        broker.kill();
        until_disconnected(&mut events).await;
        broker.restart();
        until_subscribed(&mut events).await;
        let mut station = connect(broker.port(), "station", protocol, None).await;
        publish(&mut station, &message("ev/1", "after", Qos::AtLeastOnce, false)).await;
        assert_eq!(payloads(&mut events, 1).await.0, [("after".to_owned(), false)]);
        stop(handle, events).await;
    }
}

#[tokio::test]
async fn a_wrong_password_is_named_as_such_in_both_versions() {
    let passwords = Mosquitto::password_file("meter", "right");
    let lines = "allow_anonymous false\npassword_file {dir}/passwords\n";
    let broker = Mosquitto::start_with_files(lines, &[("passwords", &passwords)]);
    for protocol in BOTH {
        for (password, good) in [("wrong", false), ("right", true)] {
            let credentials = Some(Credentials { user: "meter".into(), password: Secret::new(password) });
            let endpoint = Endpoint { credentials, ..endpoint(broker.port(), "subscriber", protocol) };
            let (handle, mut events) = subscriber(endpoint);
            if good {
                until_subscribed(&mut events).await;
            } else {
                let why = until_disconnected(&mut events).await;
                assert!(matches!(why, Why::NotAuthorised(_)), "{why:?}");
                assert!(why.to_string().starts_with("broker refused the credentials"), "{why}");
            }
            stop(handle, events).await;
        }
    }
}

#[tokio::test]
async fn a_refused_filter_is_reported_by_name_and_the_granted_ones_still_deliver() {
    const RULES: &str = r#"{"defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true,
        "subscribe": false, "unsubscribe": true}, "clients": [], "anonymousGroup": "anybody",
        "groups": [{"groupname": "anybody", "roles": [{"rolename": "reader"}]}],
        "roles": [{"rolename": "reader", "acls": [
            {"acltype": "subscribePattern", "topic": "ev/#", "priority": 0, "allow": true}]}]}"#;
    let plugin = std::fs::read_dir("/usr/lib")
        .expect("/usr/lib can be read")
        .filter_map(Result::ok)
        .map(|entry| entry.path().join("mosquitto_dynamic_security.so"))
        .find(|path| path.exists())
        .expect("the plug-in comes with mosquitto: sudo apt-get install -y mosquitto mosquitto-clients");
    let lines =
        format!("allow_anonymous true\nplugin {}\nplugin_opt_config_file {{dir}}/rules.json\n", plugin.display());
    let broker = Mosquitto::start_with_files(&lines, &[("rules.json", RULES)]);
    for protocol in BOTH {
        let filters = vec![Filter::new("ev/#", Qos::AtLeastOnce), Filter::new("secret/#", Qos::AtLeastOnce)];
        let settings = IngestSettings::new(endpoint(broker.port(), "subscriber", protocol), filters);
        let (handle, mut events) = ingest::spawn(settings, now_ms);
        let refused = loop {
            match event(&mut events).await {
                IngestEvent::Refused(refused) => break refused,
                IngestEvent::Subscribed(all) => panic!("not every filter may be granted: {all:?}"),
                _ => {}
            }
        };
        assert_eq!(refused.iter().map(|one| one.filter.as_str()).collect::<Vec<_>>(), ["secret/#"]);
        assert!(refused[0].outcome.is_err());
        let mut station = connect(broker.port(), "station", protocol, None).await;
        publish(&mut station, &message("ev/1", "granted", Qos::AtLeastOnce, false)).await;
        assert_eq!(payloads(&mut events, 1).await.0, [("granted".to_owned(), false)]);
        stop(handle, events).await;
    }
}

#[tokio::test]
async fn a_broker_without_mqtt_5_is_spoken_3_1_1_to_without_delay() {
    const V5_REFUSALS: [&[u8]; 3] = [&[0x20, 3, 0, 0x84, 0], &[0x20, 2, 0, 1], &[]];
    for refusal in V5_REFUSALS {
        let (port, served) = fake_broker::serve(2, move |number, connection| {
            let connect = connection.read().expect("a CONNECT comes");
            assert_eq!(connect.protocol_level(), if number == 0 { 5 } else { 4 });
            if number == 0 {
                connection.write(refusal);
                return;
            }
            connection.write(&[0x20, 2, 0, 0]);
            let subscribe = connection.read().expect("a SUBSCRIBE comes");
            assert_eq!(subscribe.first, 0x82);
            connection.write(&[0x90, 3, subscribe.body[0], subscribe.body[1], 1]);
            while connection.read().is_some() {}
        });
        let filters = vec![Filter::new("ev/#", Qos::AtLeastOnce)];
        let settings = IngestSettings {
            retry_first_ms: 3_600_000,
            retry_last_ms: 3_600_000,
            ..IngestSettings::new(endpoint(port, "subscriber", Protocol::Auto), filters)
        };
        let (handle, mut events) = ingest::spawn(settings, now_ms);
        assert_eq!(until_connected(&mut events).await.0, Version::V311, "after the answer {refusal:02x?} to MQTT 5");
        until_subscribed(&mut events).await;
        stop(handle, events).await;
        served.join().expect("the fake broker saw what it expected");
    }
}

#[tokio::test]
async fn a_slow_consumer_slows_the_broker_down_and_loses_nothing_at_qos_0() {
    const COUNT: usize = 30_000;
    for protocol in BOTH {
        let (port, served) = fake_broker::serve(1, move |_, connection| {
            let level = connection.read().expect("a CONNECT comes").protocol_level();
            connection.write(if level == 5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] });
            let subscribe = connection.read().expect("a SUBSCRIBE comes");
            let id = [subscribe.body[0], subscribe.body[1]];
            connection.write(if level == 5 { &[0x90, 4] } else { &[0x90, 3] });
            connection.write(&id);
            connection.write(if level == 5 { &[0, 0] } else { &[0] });
            for number in 0..COUNT {
                let properties: &[u8] = if level == 5 { &[0] } else { &[] };
                let payload = format!("{number:06}");
                let length = u8::try_from(2 + 4 + properties.len() + payload.len()).expect("a short packet");
                connection.write(&[&[0x30, length, 0, 4], &b"ev/1"[..], properties, payload.as_bytes()].concat());
            }
            while connection.read().is_some() {}
        });
        let filters = vec![Filter::new("ev/#", Qos::AtMostOnce)];
        let settings = IngestSettings {
            batch_messages_max: 100,
            events_max: 1,
            ..IngestSettings::new(endpoint(port, "subscriber", protocol), filters)
        };
        let (handle, mut events) = ingest::spawn(settings, now_ms);
        until_subscribed(&mut events).await;
        let mut seen = Vec::new();
        while seen.len() < COUNT {
            let batch = batch(&mut events).await;
            assert!((1..=100).contains(&batch.messages.len()), "a batch of {}", batch.messages.len());
            seen.extend(batch.messages.into_iter().map(|one| one.payload));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let expected = (0..COUNT).map(|number| format!("{number:06}").into_bytes());
        assert!(seen.iter().map(|one| one.to_vec()).eq(expected), "all messages, in order, once");
        stop(handle, events).await;
        served.join().expect("the fake broker saw what it expected");
    }
}

#[tokio::test]
async fn publications_arrive_retained_and_the_status_says_online_then_offline() {
    let broker = Mosquitto::start();
    for protocol in BOTH {
        let mut watcher = connect(broker.port(), "watcher", protocol, None).await;
        let mut handle = publisher(endpoint(broker.port(), "publisher", protocol));
        until_state(&mut handle, |state| *state == EgressState::Connected).await;
        for number in 0..300 {
            handle.publisher.publish(summary(&format!("out/s/{number}"), "{}"));
        }
        within("empty outbox", async {
            while handle.publisher.report().entries > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(handle.publisher.report().counters.published, 300);
        subscribe(&mut watcher, "out/#", Qos::AtLeastOnce).await;
        let mut topics = std::collections::BTreeSet::new();
        while topics.len() < 301 {
            let message = receive(&mut watcher).await;
            assert!(message.retain, "it was there before the subscription");
            if message.topic() == Some("out/status") {
                assert_eq!(&message.payload[..], b"online");
            }
            topics.insert(message.topic().map(str::to_owned));
            watcher.acknowledge(message.ack.expect("QoS 1")).expect("the link is up");
        }
        assert_eq!(within("stop", handle.stop(Duration::from_secs(5))).await, 0);
        let farewell = receive(&mut watcher).await;
        assert_eq!((farewell.topic(), &farewell.payload[..]), (Some("out/status"), &b"offline"[..]));
    }
}

#[tokio::test]
async fn the_last_will_says_offline_when_the_publisher_vanishes() {
    let broker = Mosquitto::start();
    for protocol in BOTH {
        let mut handle = publisher(endpoint(broker.port(), "publisher", protocol));
        until_state(&mut handle, |state| *state == EgressState::Connected).await;
        let mut watcher = connect(broker.port(), "watcher", protocol, None).await;
        subscribe(&mut watcher, "out/status", Qos::AtLeastOnce).await;
        while &receive(&mut watcher).await.payload[..] != b"online" {}
        drop(handle);
        assert_eq!(&receive(&mut watcher).await.payload[..], b"offline");
    }
}

#[tokio::test]
async fn mqtt_5_properties_arrive_at_a_subscriber_of_another_make() {
    let broker = Mosquitto::start();
    let mut handle = publisher(endpoint(broker.port(), "publisher", Protocol::Auto));
    until_state(&mut handle, |state| *state == EgressState::Connected).await;
    handle.publisher.publish(summary("out/s", "{\"a\":1}"));
    let port = broker.port().to_string();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("mosquitto_sub")
            .args(["-V", "5", "-h", "127.0.0.1", "-p", &port, "-t", "out/s", "-C", "1", "-W", "15", "-q", "1"])
            .args(["-F", "%C|%E|%P|%p"])
            .stdin(Stdio::null())
            .output()
    });
    let output = within("mosquitto_sub", output).await.expect("the task ends").expect("mosquitto_sub can be run");
    let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let parts: Vec<_> = printed.split('|').collect();
    assert_eq!((parts[0], parts[2], parts[3]), ("application/json", "schema:chargetally.summary/1", "{\"a\":1}"));
    let expiry_s: u32 = parts[1].parse().expect("an expiry");
    assert!((580..=600).contains(&expiry_s), "{expiry_s} s are left of 600 s");
    assert_eq!(handle.stop(Duration::from_secs(5)).await, 0);
}

#[tokio::test]
async fn what_waited_while_the_broker_was_dead_arrives_when_it_is_back() {
    for protocol in BOTH {
        let mut broker = Mosquitto::start();
        let mut handle = publisher(endpoint(broker.port(), "publisher", protocol));
        until_state(&mut handle, |state| *state == EgressState::Connected).await;
        broker.kill();
        until_state(&mut handle, |state| matches!(state, EgressState::Disconnected(_))).await;
        for payload in ["old", "new"] {
            handle.publisher.publish(summary("out/s", payload));
        }
        broker.restart();
        let mut watcher = connect(broker.port(), "watcher", protocol, None).await;
        subscribe(&mut watcher, "out/s", Qos::AtLeastOnce).await;
        assert_eq!(&receive(&mut watcher).await.payload[..], b"new", "the newest payload of a retained topic");
        assert_eq!(handle.publisher.report().counters.replaced, 1);
        assert_eq!(handle.stop(Duration::from_secs(5)).await, 0);
    }
}

#[tokio::test]
async fn a_publication_that_was_not_acknowledged_is_sent_again_on_the_next_connection() {
    for level in [4_u8, 5] {
        let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let (port, served) = fake_broker::serve(2, move |number, connection| {
            assert_eq!(connection.read().expect("a CONNECT comes").protocol_level(), level);
            connection.write(if level == 5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] });
            while let Some(packet) = connection.read() {
                if packet.first & 0xf0 != 0x30 {
                    continue;
                }
                let topic_end = 2 + usize::from(packet.body[1]);
                let topic = String::from_utf8_lossy(&packet.body[2..topic_end]).into_owned();
                if topic == "out/s" {
                    sent.send(number).expect("the test listens");
                    if number == 0 {
                        return;
                    }
                }
                connection.write(&[0x40, 2, packet.body[topic_end], packet.body[topic_end + 1]]);
            }
        });
        let protocol = if level == 5 { Protocol::V5 } else { Protocol::V311 };
        let handle = publisher(endpoint(port, "publisher", protocol));
        handle.publisher.publish(summary("out/s", "{}"));
        assert_eq!(within("first sending", seen.recv()).await, Some(0));
        assert_eq!(within("second sending", seen.recv()).await, Some(1));
        assert_eq!(within("stop", handle.stop(Duration::from_secs(5))).await, 0);
        served.join().expect("the fake broker saw what it expected");
    }
}

#[tokio::test]
async fn a_broker_that_never_answers_makes_nobody_wait() {
    let (port, served) = fake_broker::serve(1, |_, connection| while connection.read().is_some() {});
    let limits = OutboxLimits { entries_max: 100, bytes_max: 1_000_000 };
    let settings =
        EgressSettings { limits, ..EgressSettings::new(endpoint(port, "publisher", Protocol::V5), "out/status") };
    let handle = egress::spawn(settings, now_ms);
    let begun = Instant::now();
    for number in 0..10_000 {
        assert_eq!(handle.publisher.publish(summary(&format!("out/{number}"), "{}")), Pushed::Queued);
        tokio::task::yield_now().await;
    }
    let report = handle.publisher.report();
    assert_eq!((report.entries, report.counters.dropped), (100, 9_900));
    assert_eq!(handle.stop(Duration::from_millis(200)).await, 100, "what was left is said");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    served.join().expect("the fake broker ends with its connection");
}

#[tokio::test]
async fn the_keep_alive_holds_under_a_flood_that_the_consumer_cannot_follow() {
    let (port, served) = fake_broker::serve(1, |_, connection| {
        connection.read().expect("a CONNECT comes");
        connection.write(&[0x20, 3, 0, 0, 0]);
        let subscribe = connection.read().expect("a SUBSCRIBE comes");
        connection.write(&[0x90, 4, subscribe.body[0], subscribe.body[1], 0, 0]);
        let mut reader = connection.share();
        let signs_of_life = std::thread::spawn(move || {
            let begun = Instant::now();
            let signs = (0..2).filter_map(|_| reader.read()).count();
            (signs, begun.elapsed())
        });
        let packet = [&[0x30, 207, 1, 0, 4], &b"ev/1"[..], &[0], &[b'x'; 200]].concat().repeat(32);
        while !signs_of_life.is_finished() {
            connection.write(&packet);
        }
        let (signs, elapsed) = signs_of_life.join().expect("the reader ends");
        assert_eq!(signs, 2, "the client says that it is alive");
        assert!(elapsed < Duration::from_secs(4), "two signs at a keep-alive of 1 s took {elapsed:?}");
    });
    let flooded = Endpoint { keep_alive_s: 1, ..endpoint(port, "subscriber", Protocol::V5) };
    let filters = vec![Filter::new("ev/#", Qos::AtMostOnce)];
    let settings = IngestSettings { batch_messages_max: 50, events_max: 1, ..IngestSettings::new(flooded, filters) };
    let (handle, mut events) = ingest::spawn(settings, now_ms);
    until_subscribed(&mut events).await;
    while !served.is_finished() {
        batch(&mut events).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    served.join().expect("the client showed that it is alive in time");
    stop(handle, events).await;
}
