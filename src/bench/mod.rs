//! `chargetally bench` as a library: how fast this machine takes messages in, from a socket on loopback to exact
//! figures, beside what receiving alone and parsing alone take. The sender speaks MQTT itself, on threads whose time is
//! counted apart, so that no broker stands in between. It must never publish anywhere but to itself, and never tell a
//! speed for messages that were not all taken in.

mod broker;
mod delays;
mod load;
mod receiver;
mod recovery;
mod report;
mod sender;
mod usage;

pub use delays::Delays;
pub use load::CONNECTORS_MAX;
pub use receiver::Receiver;
pub use recovery::{RecoveryOptions, Start, recovery};
pub use report::{json, table};
pub use usage::{SENDER_THREADS, Usage, machine, resident_bytes};

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chargetally_core::scope::Level;
use serde::Deserialize;

use crate::clock::monotonic;
use broker::Broker;
use receiver::Running;
use sender::{Flood, Sender};

/// How long a receiver may take to subscribe, ms.
const SUBSCRIBE_MS: u64 = 20_000;
/// How long a receiver may take to do what was sent, ms: a slow disk, or millions of registrations.
const CATCH_UP_MS: u64 = 120_000;
const PAUSE: Duration = Duration::from_micros(500);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connectors of the made-up fleet.
    pub connectors: u32,
    /// Messages a second; 0 for as many as are taken.
    pub rate: u64,
    /// Whether all messages go at QoS 1; else at QoS 0.
    pub at_least_once: bool,
    /// How long each receiver is sent to, s.
    pub seconds: f64,
    /// The daemon's shards; 0 for one per core.
    pub shards: u16,
    /// The levels that the daemon gives out; where there are none, its default.
    pub levels: Vec<Level>,
    /// Where the daemon keeps its store; `None` keeps everything in memory.
    pub state: Option<PathBuf>,
}

/// What was measured of one receiver.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Who received.
    pub receiver: Receiver,
    /// Messages of the measured stretch: samples and alarms, not the registrations before it.
    pub messages: u64,
    /// From the first of them to when the receiver had done all of them, s.
    pub seconds: f64,
    /// Processor time of the stretch by thread, ns, without the sender's; `None` where the kernel does not tell.
    pub cpu_ns: Option<BTreeMap<String, u64>>,
    /// The sender's processor time of the stretch, ns.
    pub sender_cpu_ns: Option<u64>,
    /// Memory of the whole process at the end of the stretch, bytes, and before the receiver was started.
    pub resident_bytes: Option<(u64, u64)>,
    /// From a message's leaving the sender to its acknowledgement.
    pub ingest: Delays,
    /// From an alarm's leaving the sender to its coming out.
    pub alarm: Delays,
    /// Messages sent over its whole life, and what it says became of them.
    pub sent: u64,
    /// See there; only the daemon tells.
    pub counters: Option<Counters>,
}

/// What the daemon says became of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the wire")]
pub struct Counters {
    pub messages: u64,
    pub foreign: u64,
    pub accepted: u64,
    pub duplicate: u64,
    pub late: u64,
    pub future: u64,
    pub out_of_order: u64,
    pub decommissioned: u64,
}

impl Measured {
    /// Messages a second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// The receiver's processor time for one message, ns.
    #[must_use]
    pub fn cpu_ns_each(&self) -> Option<f64> {
        let total: u64 = self.cpu_ns.as_ref()?.values().sum();
        Some(total as f64 / self.messages as f64)
    }

    /// Whether everything that was sent was taken in, each message once.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.counters.is_none_or(|counters| counters.messages == self.sent && counters.accepted == self.sent)
    }
}

/// Why nothing could be measured.
#[derive(Debug)]
pub enum BenchError {
    /// The system does not give what is needed.
    System(io::Error),
    /// The receiver did not subscribe.
    Silent(Receiver),
    /// The receiver did not do all that was sent in time.
    Stuck(Receiver),
    /// The receiver ended by itself.
    Ended(Receiver, Box<dyn Error + Send + Sync>),
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(_) => f.write_str("the system does not give what a benchmark needs"),
            Self::Silent(receiver) => {
                write!(f, "{} did not subscribe within {} s", receiver.name(), SUBSCRIBE_MS / 1000)
            }
            Self::Stuck(receiver) => {
                write!(f, "{} did not do all that it was sent within {} s", receiver.name(), CATCH_UP_MS / 1000)
            }
            Self::Ended(receiver, _) => write!(f, "{} has ended", receiver.name()),
        }
    }
}

impl Error for BenchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            Self::Ended(_, error) => Some(&**error),
            Self::Silent(_) | Self::Stuck(_) => None,
        }
    }
}

impl From<io::Error> for BenchError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Measures one receiver. The calling thread becomes the sender, whose name should begin with [`SENDER_THREADS`].
///
/// # Errors
/// [`BenchError`].
pub fn measure(receiver: Receiver, options: &Options) -> Result<Measured, BenchError> {
    let resident_before = resident_bytes();
    let broker = Broker::start()?;
    let settings = receiver::settings(broker.address, receiver, options);
    let running = receiver::start(receiver, settings)?;
    let subscribed = broker.shared.subscriber(Duration::from_millis(SUBSCRIBE_MS));
    let Some(subscriber) = subscribed else {
        let silent = BenchError::Silent(receiver);
        return Err(running.end().err().map_or(silent, |error| BenchError::Ended(receiver, error)));
    };
    let mut sender = Sender::new(&broker.shared, subscriber, options.connectors, options.at_least_once);
    let stretch = stretch(receiver, options, &broker, &mut sender, &running);
    let sent = sender.sent();
    let ended = running.end();
    let mut measured = match (stretch, ended) {
        // Why a receiver has ended says more than that the connection has.
        (_, Err(error)) => return Err(BenchError::Ended(receiver, error)),
        (stretch, Ok(())) => stretch?,
    };
    measured.sent = sent;
    measured.resident_bytes = measured.resident_bytes.map(|(after, _)| (after, resident_before.unwrap_or(after)));
    measured.counters = broker.shared.counters().and_then(|counters| serde_json::from_slice(&counters).ok());
    Ok(measured)
}

fn stretch(
    receiver: Receiver,
    options: &Options,
    broker: &Broker,
    sender: &mut Sender<'_>,
    running: &Running,
) -> Result<Measured, BenchError> {
    let shared = &broker.shared;
    sender.introduce()?;
    see_through(receiver, broker, sender, running)?;
    let _of_before = shared.take_delays();
    let (before, began, first) = (Usage::now(), monotonic(), sender.sent());
    sender.flood(Flood { seconds: options.seconds, rate: options.rate })?;
    see_through(receiver, broker, sender, running)?;
    let (after, seconds) = (Usage::now(), monotonic().since_us(began) as f64 / 1e6);
    let (ingest, alarm) = shared.take_delays();
    let spent = after.zip(before).map(|(after, before)| after.since(&before));
    let of_sender = |name: &str| name.starts_with(SENDER_THREADS);
    let total =
        |spent: &BTreeMap<String, u64>| spent.iter().filter(|(name, _)| of_sender(name)).map(|(_, ns)| ns).sum();
    Ok(Measured {
        receiver,
        messages: sender.sent() - first,
        seconds,
        sender_cpu_ns: spent.as_ref().map(total),
        cpu_ns: spent.map(|spent| spent.into_iter().filter(|(name, _)| !of_sender(name)).collect()),
        resident_bytes: resident_bytes().map(|bytes| (bytes, bytes)),
        ingest,
        alarm,
        sent: 0,
        counters: None,
    })
}

/// Waits until everything that was sent is done: by a baseline's own count, and by the daemon's giving out alarms that
/// were sent behind everything else, at stations of all its workers.
fn see_through(
    receiver: Receiver,
    broker: &Broker,
    sender: &mut Sender<'_>,
    running: &Running,
) -> Result<(), BenchError> {
    sender.last_alarms()?;
    let began = monotonic();
    let is_done = |sender: &Sender<'_>| match receiver {
        Receiver::Daemon => broker.shared.alarms_due() == 0,
        Receiver::Discard | Receiver::Parse => running.done.load(Ordering::Acquire) >= sender.sent(),
    };
    while !is_done(sender) {
        if running.has_ended() || monotonic().since_ms(began) > CATCH_UP_MS {
            return Err(BenchError::Stuck(receiver));
        }
        std::thread::sleep(PAUSE);
    }
    if !sender.wait_acknowledged(began, CATCH_UP_MS) {
        return Err(BenchError::Stuck(receiver));
    }
    Ok(())
}
