//! The broker's side of a benchmark: accepts MQTT connections on loopback, answers what our client asks, takes what it
//! publishes, and hands the subscribing connection to the sender. It forwards nothing from one client to another, keeps
//! nothing, and must never listen anywhere but on loopback.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::delays::Delays;
use super::load::Version;
use crate::clock::{Monotonic, monotonic};
use crate::topic::{OutTopic, Root};

/// The largest packet that a client may send.
const PACKET_BYTES_MAX: usize = 16 << 20;
/// Connections at most over the life of a broker: more are made by something else than a benchmark.
const CONNECTIONS_MAX: usize = 64;
/// Room for what is read at once, bytes.
const READ_BYTES: usize = 64 * 1024;
/// Unacknowledged messages at most, whatever the client takes: packet ids are given anew after 65,535.
const IN_FLIGHT_MAX: u32 = 60_000;
/// What a client that says nothing takes unacknowledged.
const RECEIVE_MAXIMUM: u16 = u16::MAX;

/// The subscribing connection.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    /// Whole packets are written while it is held.
    pub out: Arc<Mutex<TcpStream>>,
    pub version: Version,
    pub in_flight_max: u32,
}

/// What broker and sender know together.
#[derive(Debug)]
pub(super) struct Shared {
    began: Monotonic,
    subscriber: Mutex<Option<Subscriber>>,
    subscribed: Condvar,
    in_flight: Mutex<u32>,
    acknowledged: Condvar,
    /// By packet id: when the message left, µs since the beginning.
    left_us: Vec<AtomicU64>,
    /// From a message's leaving to its acknowledgement.
    ingest: Mutex<Delays>,
    /// Alarms that have not come out yet, by the topic at which they will: when they left, µs.
    alarms_due: Mutex<HashMap<String, u64>>,
    /// From an alarm's leaving to its coming out.
    alarm: Mutex<Delays>,
    /// The newest counters that the daemon gave out.
    counters: Mutex<Option<Vec<u8>>>,
    counters_topic: String,
    closed: AtomicBool,
    /// Whether a client has said something since.
    cut: AtomicBool,
}

/// A poisoned lock is of a thread that panicked, which has been reported; what it holds is only numbers.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Time since the beginning, µs.
    pub fn now_us(&self) -> u64 {
        monotonic().since_us(self.began)
    }

    /// Waits for somebody to subscribe.
    pub fn subscriber(&self, limit: Duration) -> Option<Subscriber> {
        let waiting = lock(&self.subscriber);
        let waited = self.subscribed.wait_timeout_while(waiting, limit, |there| there.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Takes room for unacknowledged messages, up to `wanted`; waits a little where there is none. 0: none yet.
    pub fn take_room(&self, in_flight_max: u32, wanted: u32) -> u32 {
        let waiting = lock(&self.in_flight);
        let full = |in_flight: &mut u32| *in_flight >= in_flight_max;
        let waited = self.acknowledged.wait_timeout_while(waiting, Duration::from_millis(100), full);
        let mut in_flight = waited.unwrap_or_else(PoisonError::into_inner).0;
        let taken = wanted.min(in_flight_max.saturating_sub(*in_flight));
        *in_flight += taken;
        taken
    }

    /// Messages that have not been acknowledged.
    pub fn in_flight(&self) -> u32 {
        *lock(&self.in_flight)
    }

    /// A message with this packet id leaves.
    pub fn leaves(&self, packet_id: u16, at_us: u64) {
        self.left_us[usize::from(packet_id)].store(at_us, Ordering::Relaxed);
    }

    /// An alarm leaves that is to come out at this topic.
    pub fn alarm_leaves(&self, topic: String, at_us: u64) {
        lock(&self.alarms_due).insert(topic, at_us);
    }

    /// How many alarms have not come out yet.
    pub fn alarms_due(&self) -> usize {
        lock(&self.alarms_due).len()
    }

    /// Takes the delays up to now: of messages and of alarms.
    pub fn take_delays(&self) -> (Delays, Delays) {
        (std::mem::take(&mut *lock(&self.ingest)), std::mem::take(&mut *lock(&self.alarm)))
    }

    /// From now on nobody is answered: clients lose their connection when they say something.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether a client has lost its connection so.
    pub fn has_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// The newest counters that the daemon gave out.
    pub fn counters(&self) -> Option<Vec<u8>> {
        lock(&self.counters).clone()
    }

    fn acknowledge(&self, packet_ids: &[u16]) {
        let now_us = self.now_us();
        let mut ingest = lock(&self.ingest);
        for &id in packet_ids {
            ingest.add(now_us.saturating_sub(self.left_us[usize::from(id)].load(Ordering::Relaxed)));
        }
        drop(ingest);
        let mut in_flight = lock(&self.in_flight);
        *in_flight = in_flight.saturating_sub(u32::try_from(packet_ids.len()).unwrap_or(u32::MAX));
        self.acknowledged.notify_one();
    }

    fn published(&self, topic: &str, payload: &[u8]) {
        if topic == self.counters_topic {
            *lock(&self.counters) = Some(payload.to_vec());
        } else if let Some(left_us) = lock(&self.alarms_due).remove(topic) {
            let delay_us = self.now_us().saturating_sub(left_us);
            lock(&self.alarm).add(delay_us);
        }
    }
}

/// The listening side. Dropping it ends the accepting of connections; those that stand end with their clients, or when
/// they say something.
#[derive(Debug)]
pub(super) struct Broker {
    pub address: SocketAddr,
    pub shared: Arc<Shared>,
}

impl Broker {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// Where the system gives no port or no thread.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            began: monotonic(),
            subscriber: Mutex::new(None),
            subscribed: Condvar::new(),
            in_flight: Mutex::new(0),
            acknowledged: Condvar::new(),
            left_us: (0..=u16::MAX).map(|_| AtomicU64::new(0)).collect(),
            ingest: Mutex::default(),
            alarms_due: Mutex::default(),
            alarm: Mutex::default(),
            counters: Mutex::default(),
            counters_topic: Root::default_out().format_out(&OutTopic::Counters),
            closed: AtomicBool::new(false),
            cut: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("bench-broker".into()).spawn(move || accept(&listener, &theirs))?;
        Ok(Self { address, shared })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shared.close();
        // Wakes the accepting thread up; where that fails, it ends with the process.
        let _woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().take(CONNECTIONS_MAX) {
        if shared.closed.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        // A client whose connection fails makes another one, or ends; that shows in what is measured.
        let serve = move || drop(Connection::new(stream, shared).map(Connection::serve));
        if std::thread::Builder::new().name("bench-reader".into()).spawn(serve).is_err() {
            return;
        }
    }
}

struct Connection {
    input: TcpStream,
    out: Arc<Mutex<TcpStream>>,
    shared: Arc<Shared>,
    version: Version,
    receive_maximum: u16,
    /// Answers that are written when all that was read is understood.
    answers: Vec<u8>,
    acknowledged: Vec<u16>,
}

/// Why a connection is over.
enum Over {
    Ended,
    Malformed,
}

impl Connection {
    fn new(input: TcpStream, shared: Arc<Shared>) -> io::Result<Self> {
        input.set_nodelay(true)?;
        let out = Arc::new(Mutex::new(input.try_clone()?));
        let (version, receive_maximum) = (Version::V311, RECEIVE_MAXIMUM);
        Ok(Self { input, out, shared, version, receive_maximum, answers: Vec::new(), acknowledged: Vec::new() })
    }

    fn serve(mut self) {
        let mut buffer = Vec::with_capacity(READ_BYTES);
        let mut chunk = vec![0; READ_BYTES];
        while let Ok(count @ 1..) = self.input.read(&mut chunk) {
            if self.shared.closed.load(Ordering::Acquire) {
                self.shared.cut.store(true, Ordering::Release);
                break;
            }
            buffer.extend_from_slice(&chunk[..count]);
            let Ok(used) = self.understand(&buffer) else { break };
            buffer.drain(..used);
            if !self.acknowledged.is_empty() {
                self.shared.acknowledge(&self.acknowledged);
                self.acknowledged.clear();
            }
            if !self.answers.is_empty() {
                let written = lock(&self.out).write_all(&self.answers);
                self.answers.clear();
                if written.is_err() {
                    break;
                }
            }
        }
        // Whoever writes to it still is to find that out.
        let _ = self.input.shutdown(std::net::Shutdown::Both);
    }

    /// Understands all packets that are here whole; returns how many bytes they are.
    fn understand(&mut self, bytes: &[u8]) -> Result<usize, Over> {
        let mut used = 0;
        while let Some(packet) = packet(&bytes[used..])? {
            self.answer(packet.head, packet.body)?;
            used += packet.bytes;
        }
        Ok(used)
    }

    fn answer(&mut self, head: u8, body: &[u8]) -> Result<(), Over> {
        let is_v5 = self.version == Version::V5;
        match head >> 4 {
            1 => self.connect(body),
            3 => self.publish(head, body),
            4 => {
                self.acknowledged.push(u16_at(body, 0)?);
                Ok(())
            }
            8 => self.subscribe(body),
            10 => {
                let id = u16_at(body, 0)?.to_be_bytes();
                let rest: &[u8] = if is_v5 { &[4, id[0], id[1], 0, 0] } else { &[2, id[0], id[1]] };
                self.answers.push(0xB0);
                self.answers.extend_from_slice(rest);
                Ok(())
            }
            12 => {
                self.answers.extend_from_slice(&[0xD0, 0]);
                Ok(())
            }
            14 => Err(Over::Ended),
            _ => Err(Over::Malformed),
        }
    }

    fn connect(&mut self, body: &[u8]) -> Result<(), Over> {
        let name_bytes = usize::from(u16_at(body, 0)?);
        let level = *body.get(2 + name_bytes).ok_or(Over::Malformed)?;
        if level < 5 {
            self.answers.extend_from_slice(&[0x20, 2, 0, 0]);
            return Ok(());
        }
        self.version = Version::V5;
        // Level, flags and keep-alive stand before the properties.
        let properties = body.get(2 + name_bytes + 4..).ok_or(Over::Malformed)?;
        self.receive_maximum = receive_maximum(properties)?.unwrap_or(RECEIVE_MAXIMUM);
        self.answers.extend_from_slice(&[0x20, 3, 0, 0, 0]);
        Ok(())
    }

    fn subscribe(&mut self, body: &[u8]) -> Result<(), Over> {
        let id = u16_at(body, 0)?;
        let mut rest = &body[2..];
        if self.version == Version::V5 {
            let (bytes, length) = length(rest)?.ok_or(Over::Malformed)?;
            rest = rest.get(bytes + length..).ok_or(Over::Malformed)?;
        }
        let mut granted = Vec::new();
        while !rest.is_empty() {
            let filter_bytes = usize::from(u16_at(rest, 0)?);
            granted.push((rest.get(2 + filter_bytes).ok_or(Over::Malformed)? & 3).min(1));
            rest = &rest[3 + filter_bytes..];
        }
        let properties: &[u8] = if self.version == Version::V5 { &[0] } else { &[] };
        let length = 2 + properties.len() + granted.len();
        if length > 127 {
            return Err(Over::Malformed);
        }
        self.answers.extend_from_slice(&[0x90, length as u8]);
        self.answers.extend_from_slice(&id.to_be_bytes());
        self.answers.extend_from_slice(properties);
        self.answers.extend_from_slice(&granted);
        // The answer is to be there before the first message.
        let written = lock(&self.out).write_all(&self.answers);
        self.answers.clear();
        written.map_err(|_| Over::Ended)?;
        *lock(&self.shared.subscriber) = Some(Subscriber {
            out: Arc::clone(&self.out),
            version: self.version,
            in_flight_max: u32::from(self.receive_maximum).min(IN_FLIGHT_MAX),
        });
        self.shared.subscribed.notify_all();
        Ok(())
    }

    fn publish(&mut self, head: u8, body: &[u8]) -> Result<(), Over> {
        let topic_bytes = usize::from(u16_at(body, 0)?);
        let topic = body.get(2..2 + topic_bytes).ok_or(Over::Malformed)?;
        let topic = std::str::from_utf8(topic).map_err(|_| Over::Malformed)?;
        let mut rest = &body[2 + topic_bytes..];
        if head & 0x06 != 0 {
            let id = u16_at(rest, 0)?.to_be_bytes();
            self.answers.extend_from_slice(&[0x40, 2, id[0], id[1]]);
            rest = &rest[2..];
        }
        if self.version == Version::V5 {
            let (bytes, length) = length(rest)?.ok_or(Over::Malformed)?;
            rest = rest.get(bytes + length..).ok_or(Over::Malformed)?;
        }
        self.shared.published(topic, rest);
        Ok(())
    }
}

/// A packet: its first byte, its body, and its length.
struct Packet<'a> {
    head: u8,
    body: &'a [u8],
    bytes: usize,
}

/// The first packet, where it is here whole.
fn packet(bytes: &[u8]) -> Result<Option<Packet<'_>>, Over> {
    let Some((&head, rest)) = bytes.split_first() else { return Ok(None) };
    let Some((length_bytes, body_bytes)) = length(rest)? else { return Ok(None) };
    if body_bytes > PACKET_BYTES_MAX {
        return Err(Over::Malformed);
    }
    let body = rest.get(length_bytes..length_bytes + body_bytes);
    Ok(body.map(|body| Packet { head, body, bytes: 1 + length_bytes + body_bytes }))
}

/// A length as MQTT writes it, where it is here whole: how many bytes it takes, and what it says.
fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Over> {
    let mut length = 0;
    for (place, &byte) in bytes.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((place + 1, length)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(Over::Malformed) }
}

fn u16_at(bytes: &[u8], place: usize) -> Result<u16, Over> {
    match bytes.get(place..place + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err(Over::Malformed),
    }
}

/// The receive maximum among the properties of a CONNECT; what stands after one that is not known is not read.
fn receive_maximum(properties: &[u8]) -> Result<Option<u16>, Over> {
    let (bytes, length) = length(properties)?.ok_or(Over::Malformed)?;
    let mut rest = properties.get(bytes..bytes + length).ok_or(Over::Malformed)?;
    while let Some((&name, value)) = rest.split_first() {
        let value_bytes = match name {
            0x21 => return u16_at(value, 0).map(Some),
            0x11 | 0x27 => 4,
            0x17 | 0x19 => 1,
            0x22 => 2,
            _ => return Ok(None),
        };
        rest = value.get(value_bytes..).ok_or(Over::Malformed)?;
    }
    Ok(None)
}
