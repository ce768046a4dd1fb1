//! What the integration tests share. Nothing here may be used by the daemon itself.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]
#![allow(dead_code, reason = "each test program takes only what it needs")]

pub mod fake_broker;
pub mod mosquitto;
pub mod python;

use chargetally::mqtt::{Dialer, Endpoint, Event, Filter, Incoming, Link, Outgoing, Protocol, Qos, Will};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a test waits for what must happen.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The wall clock, in ms since the Unix epoch.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
    i64::try_from(since.as_millis()).expect("the clock stands before the year 292 million")
}

/// Waits for something, but not for ever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("not within {LIMIT:?}: {what}"))
}

/// An endpoint on loopback.
pub fn endpoint(port: u16, client_id: &str, protocol: Protocol) -> Endpoint {
    Endpoint { protocol, ..Endpoint::new("127.0.0.1", port, client_id) }
}

/// A message to publish.
pub fn message(topic: &str, payload: &str, qos: Qos, retain: bool) -> Outgoing {
    Outgoing {
        topic: topic.into(),
        payload: payload.to_owned().into(),
        qos,
        retain,
        expiry_s: None,
        content_type: None,
        user_properties: Vec::new(),
    }
}

/// Connects a clean client and waits until the broker has accepted it.
pub async fn connect(port: u16, client_id: &str, protocol: Protocol, will: Option<Will>) -> Link {
    let endpoint = Endpoint { clean_start: true, session_expiry_s: 0, ..endpoint(port, client_id, protocol) };
    let mut link = Dialer::new(endpoint, will, now_ms).dial().expect("the endpoint is in order");
    let event = within("connection", link.next()).await;
    assert!(matches!(event, Event::Connected { .. }), "{client_id} connects: {event:?}");
    link
}

/// Subscribes and waits for the answer.
pub async fn subscribe(link: &mut Link, filter: &str, qos: Qos) {
    link.subscribe(&[Filter::new(filter, qos)]).expect("the request is queued");
    match within("subscription", link.next()).await {
        Event::Subscribed(results) => assert!(results.iter().all(|result| result.outcome.is_ok()), "{results:?}"),
        event => panic!("a SUBACK comes before anything else: {event:?}"),
    }
}

/// Publishes at QoS 1 and waits until the broker has it.
pub async fn publish(link: &mut Link, message: &Outgoing) {
    link.publish(1, message).expect("the request is queued");
    loop {
        if let Event::Published { .. } = within("publication", link.next()).await {
            return;
        }
    }
}

/// The next message.
pub async fn receive(link: &mut Link) -> Incoming {
    loop {
        match within("message", link.next()).await {
            Event::Message(message) => return message,
            Event::Disconnected(why) => panic!("connection ended: {why}"),
            _ => {}
        }
    }
}
