//! The embedded broker: retained messages, last wills, rate, and its end.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]
#![cfg(feature = "demo-broker")]

mod support;

use chargetally::broker::EmbeddedBroker;
use chargetally::mqtt::{Event, Protocol, Qos, SendError, Will};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{connect, message, publish, receive, subscribe, within};

const BOTH: [Protocol; 2] = [Protocol::V5, Protocol::V311];

#[tokio::test]
async fn retained_messages_are_replayed_at_subscription_and_cleared_by_an_empty_one() {
    let broker = EmbeddedBroker::start().expect("the broker starts");
    for protocol in BOTH {
        let mut station = connect(broker.addr().port(), "station", protocol, None).await;
        for number in 0..20 {
            publish(&mut station, &message(&format!("ev/{number}/info"), "{}", Qos::AtLeastOnce, true)).await;
        }
        publish(&mut station, &message("ev/7/info", "", Qos::AtLeastOnce, true)).await;
        let mut watcher = connect(broker.addr().port(), "watcher", protocol, None).await;
        subscribe(&mut watcher, "ev/+/info", Qos::AtMostOnce).await;
        let mut topics = std::collections::BTreeSet::new();
        while topics.len() < 19 {
            let message = receive(&mut watcher).await;
            assert!(message.retain, "it was there before the subscription");
            topics.insert(message.topic().map(str::to_owned));
        }
        assert!(!topics.contains(&Some("ev/7/info".to_owned())));
    }
}

#[tokio::test]
async fn the_last_will_comes_at_an_abrupt_end_and_not_after_a_disconnect() {
    let broker = EmbeddedBroker::start().expect("the broker starts");
    for protocol in BOTH {
        let mut watcher = connect(broker.addr().port(), "watcher", protocol, None).await;
        subscribe(&mut watcher, "ev/+/status", Qos::AtLeastOnce).await;
        let will = |station: &str| {
            Some(Will { topic: format!("ev/{station}/status"), payload: "offline".into(), retain: false })
        };
        let mut orderly = connect(broker.addr().port(), "orderly", protocol, will("orderly")).await;
        orderly.disconnect().expect("the request is queued");
        while !matches!(within("disconnect", orderly.next()).await, Event::Disconnected(_)) {}
        drop(connect(broker.addr().port(), "abrupt", protocol, will("abrupt")).await);
        let message = receive(&mut watcher).await;
        assert_eq!((message.topic(), &message.payload[..]), (Some("ev/abrupt/status"), &b"offline"[..]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_carries_twenty_thousand_messages_a_second() {
    const COUNT: usize = 60_000;
    let broker = EmbeddedBroker::start().expect("the broker starts");
    let mut watcher = connect(broker.addr().port(), "watcher", Protocol::V5, None).await;
    subscribe(&mut watcher, "ev/#", Qos::AtMostOnce).await;
    let mut station = connect(broker.addr().port(), "station", Protocol::V5, None).await;
    let begun = Instant::now();
    let sender = tokio::spawn(async move {
        let telemetry = message("ev/v1/53/op/station/1/telemetry", &"x".repeat(200), Qos::AtMostOnce, false);
        let mut sent = 0;
        while sent < COUNT {
            match station.publish(0, &telemetry) {
                Ok(()) => sent += 1,
                Err(SendError::Full) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error) => panic!("{error}"),
            }
        }
        station
    });
    for _ in 0..COUNT {
        receive(&mut watcher).await;
    }
    let elapsed = begun.elapsed();
    drop(sender.await.expect("the sender ends"));
    println!("{:.0} messages/s", COUNT as f64 / elapsed.as_secs_f64());
    assert!(elapsed < Duration::from_secs(3), "{COUNT} messages took {elapsed:?}");
}

#[tokio::test]
async fn it_is_gone_within_a_second_of_being_dropped() {
    let broker = EmbeddedBroker::start().expect("the broker starts");
    let addr = broker.addr();
    assert!(addr.ip().is_loopback());
    let mut client = connect(addr.port(), "client", Protocol::V5, None).await;
    let begun = Instant::now();
    tokio::task::spawn_blocking(move || drop(broker)).await.expect("the drop ends");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(matches!(within("end", client.next()).await, Event::Disconnected(_)));
    assert!(TcpStream::connect(addr).is_err(), "nobody listens any more");
}
