//! What a benchmark measures: the daemon itself, and beside it what it can be no faster than: the same client that
//! throws everything away, and the same client and the same parser. Each runs on threads that are named as the daemon's.

use std::error::Error;
use std::hint::black_box;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use chargetally_core::config::SourceIndex;
use chargetally_core::time::ArrivalTime;

use super::Options;
use crate::clock;
use crate::daemon::{self, Stop, Surroundings};
use crate::dialect::{Dialect, Limits, source_of};
use crate::ingest::{self, IngestEvent};
use crate::settings::{BrokerUrl, Settings};
use crate::setup;

/// Who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receiver {
    /// The daemon's client, whose messages are thrown away.
    Discard,
    /// The daemon's client and parser, whose observations are thrown away.
    Parse,
    /// The daemon.
    Daemon,
}

impl Receiver {
    /// All, in the order in which they are measured.
    pub const ALL: [Self; 3] = [Self::Discard, Self::Parse, Self::Daemon];

    /// Its name in what is printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discard => "receive and discard",
            Self::Parse => "receive and parse",
            Self::Daemon => "daemon",
        }
    }
}

/// How a receiver ended.
type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// A receiver on a thread of its own.
pub(super) struct Running {
    stop: Stop,
    /// What it has done so far; only the daemon tells otherwise.
    pub done: Arc<AtomicU64>,
    thread: JoinHandle<Outcome>,
}

/// The daemon's settings: everything at its default but for the broker, the limits that such a fleet needs, and the store.
pub(super) fn settings(broker: SocketAddr, receiver: Receiver, options: &Options) -> Settings {
    let connectors = options.connectors as usize;
    let mut settings = Settings::default();
    settings.mqtt.url = BrokerUrl { tls: false, host: broker.ip().to_string(), port: broker.port() };
    settings.mqtt.persistent_session = false;
    settings.state.directory = options.state.clone().filter(|_| receiver == Receiver::Daemon);
    settings.run.shards = options.shards.into();
    if !options.levels.is_empty() {
        settings.publish.levels.clone_from(&options.levels);
    }
    let limits = &mut settings.limits;
    limits.connectors = limits.connectors.max(connectors * 2);
    limits.stations = limits.stations.max(connectors);
    settings
}

/// Starts a receiver.
///
/// # Errors
/// Where the system gives no thread.
pub(super) fn start(receiver: Receiver, settings: Settings) -> io::Result<Running> {
    let (stop, done) = (Stop::new(), Arc::new(AtomicU64::new(0)));
    let (asked, counted) = (stop.clone(), Arc::clone(&done));
    let thread = std::thread::Builder::new().name("driver".into()).spawn(move || match receiver {
        Receiver::Daemon => Ok(daemon::run(&settings, &asked, Surroundings::real())?),
        Receiver::Discard | Receiver::Parse => Ok(baseline(&settings, receiver == Receiver::Parse, &asked, &counted)?),
    })?;
    Ok(Running { stop, done, thread })
}

impl Running {
    /// Asks for an end, and waits for it.
    ///
    /// # Errors
    /// Why it could not go on.
    pub fn end(self) -> Outcome {
        self.stop.ask();
        self.thread.join().unwrap_or_else(|_| Err("it panicked".into()))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// The daemon's ingest on a runtime like the daemon's.
fn baseline(settings: &Settings, parses: bool, stop: &Stop, done: &AtomicU64) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("connections")
        .enable_all()
        .build()?;
    let mut dialects: Vec<Dialect> = settings.sources.iter().map(setup::dialect).collect();
    let limits = setup::limits(settings);
    let entered = runtime.enter();
    let (handle, mut events) = ingest::spawn(setup::ingest(settings, None, &dialects, false), clock::wall_ms);
    drop(entered);
    runtime.block_on(async {
        loop {
            let event = tokio::select! {
                biased;
                () = stop.asked() => break,
                event = events.recv() => event,
            };
            match event {
                Some(IngestEvent::Batch(batch)) => {
                    for message in batch.messages.iter().filter(|_| parses) {
                        let arrival = ArrivalTime::from_ms(message.arrival_ms);
                        let topic = message.topic().unwrap_or_default();
                        decode(&mut dialects, topic, &message.payload, arrival, message.retain, &limits);
                    }
                    done.fetch_add(batch.messages.len() as u64, Ordering::Release);
                    handle.acknowledge_through(batch.id);
                }
                Some(IngestEvent::Stopped(_)) | None => break,
                Some(_) => {}
            }
        }
        events.close();
        handle.stopped().await;
    });
    runtime.shutdown_background();
    Ok(())
}

fn decode(
    dialects: &mut [Dialect],
    topic: &str,
    payload: &[u8],
    arrival: ArrivalTime,
    retained: bool,
    limits: &Limits,
) {
    let Some(SourceIndex(source)) = source_of(dialects, topic) else { return };
    let decoded = dialects[usize::from(source)].decode(topic, payload, arrival, retained, limits, &mut |key, said| {
        black_box((key, said));
    });
    // A refusal is as good an answer as another one.
    let _ = black_box(decoded);
}
