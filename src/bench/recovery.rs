//! How long a daemon takes from its start until it subscribes, where it has to go on from a store: from a checkpoint
//! alone, and from a checkpoint with a journal behind it. The store is made by daemons that took the benchmark's
//! messages in, over a socket on loopback, and the daemon that is timed is the same one, connecting included. What is
//! read was just written, so that it comes from the system's memory, not from the disk. It must never touch a store
//! that it did not make.

use std::path::PathBuf;
use std::time::Duration;

use chargetally_core::scope::Level;

use super::broker::Broker;
use super::receiver::{self, Running};
use super::sender::{Flood, Sender};
use super::{BenchError, CATCH_UP_MS, Options, PAUSE, Receiver};
use crate::clock::monotonic;
use crate::store::{Limits, Store};

/// How long a daemon may take until it subscribes.
const START_MAX: Duration = Duration::from_secs(600);

/// What store to make.
#[derive(Clone, Debug)]
pub struct RecoveryOptions {
    /// Connectors of the made-up fleet.
    pub connectors: u32,
    /// How long messages are sent whose journal is left behind, s.
    pub seconds: f64,
    /// The daemon's shards; 0 for one per core.
    pub shards: u16,
    /// The levels that the daemon gives out; where there are none, its default.
    pub levels: Vec<Level>,
    /// A folder with nothing in it, for the store.
    pub state: PathBuf,
}

/// A start from a store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// Stations in the checkpoint.
    pub stations: u64,
    /// Messages that were sent after the daemon before had started.
    pub sent: u64,
    /// Bytes of the journal, as stored.
    pub journal_bytes: u64,
    /// Bytes of the store's file, without its log.
    pub file_bytes: u64,
    /// From the daemon's start until it has subscribed, s.
    pub seconds: f64,
}

/// Makes a store, and starts from it twice: from its checkpoint, and from a checkpoint and a journal.
///
/// # Errors
/// [`BenchError`].
pub fn recovery(options: &RecoveryOptions) -> Result<[Start; 2], BenchError> {
    // The first one takes in every connector, and ends in order: everything is in its checkpoint.
    let (life, _) = Life::begin(options)?;
    let sent = life.send(options, |sender| {
        sender.introduce()?;
        life.see_acknowledged(sender)
    })?;
    life.end()?;
    let from_checkpoint = found(options, sent)?;
    let (life, seconds) = Life::begin(options)?;
    let from_checkpoint = Start { seconds, ..from_checkpoint };
    // The second one cannot say its last words, so that it leaves its journal.
    let flood = Flood { seconds: options.seconds, rate: 0 };
    let sent = life.send(options, |sender| {
        sender.flood(flood)?;
        life.see_acknowledged(sender)?;
        life.broker.shared.close();
        Ok(sender.last_alarms()?)
    })?;
    life.see_cut()?;
    life.end()?;
    let from_both = found(options, sent)?;
    let (life, seconds) = Life::begin(options)?;
    life.end()?;
    Ok([from_checkpoint, Start { seconds, ..from_both }])
}

/// What a daemon will find.
fn found(options: &RecoveryOptions, sent: u64) -> Result<Start, BenchError> {
    let unusable = |error| BenchError::Ended(Receiver::Daemon, Box::new(error));
    let (store, recovered) = Store::open(&options.state, Limits::default()).map_err(unusable)?;
    let file_bytes = store.size().map_err(unusable)?.file_bytes;
    store.close().map_err(unusable)?;
    let (stations, journal_bytes) = (recovered.stations, recovered.journal_bytes);
    Ok(Start { stations, sent, journal_bytes, file_bytes, seconds: 0.0 })
}

/// A daemon with a broker of its own.
struct Life {
    broker: Broker,
    running: Running,
}

impl Life {
    /// Starts a daemon, and gives how long it took until it subscribed, s.
    fn begin(options: &RecoveryOptions) -> Result<(Self, f64), BenchError> {
        let broker = Broker::start()?;
        let options = Options {
            connectors: options.connectors,
            rate: 0,
            at_least_once: true,
            seconds: options.seconds,
            shards: options.shards,
            levels: options.levels.clone(),
            state: Some(options.state.clone()),
        };
        let settings = receiver::settings(broker.address, Receiver::Daemon, &options);
        let began = monotonic();
        let running = receiver::start(Receiver::Daemon, settings)?;
        let subscriber = broker.shared.subscriber(START_MAX);
        let seconds = monotonic().since_us(began) as f64 / 1e6;
        let life = Self { broker, running };
        if subscriber.is_none() {
            life.end()?;
            return Err(BenchError::Silent(Receiver::Daemon));
        }
        Ok((life, seconds))
    }

    /// Sends at QoS 1; gives how many messages these were.
    fn send(
        &self,
        options: &RecoveryOptions,
        what: impl FnOnce(&mut Sender<'_>) -> Result<(), BenchError>,
    ) -> Result<u64, BenchError> {
        let shared = &self.broker.shared;
        let subscriber = shared.subscriber(Duration::ZERO).ok_or(BenchError::Silent(Receiver::Daemon))?;
        let mut sender = Sender::new(shared, subscriber, options.connectors, true);
        what(&mut sender)?;
        Ok(sender.sent())
    }

    /// Waits until everything that was sent is acknowledged, so durable.
    fn see_acknowledged(&self, sender: &Sender<'_>) -> Result<(), BenchError> {
        let in_time = sender.wait_acknowledged(monotonic(), CATCH_UP_MS);
        if in_time { Ok(()) } else { Err(BenchError::Stuck(Receiver::Daemon)) }
    }

    /// Waits until the daemon has something to tell, which is to nobody.
    fn see_cut(&self) -> Result<(), BenchError> {
        let began = monotonic();
        while !self.broker.shared.has_cut() {
            if self.running.has_ended() || monotonic().since_ms(began) > CATCH_UP_MS {
                return Err(BenchError::Stuck(Receiver::Daemon));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Ends the daemon in order.
    fn end(self) -> Result<(), BenchError> {
        self.running.end().map_err(|error| BenchError::Ended(Receiver::Daemon, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_finds_every_station_in_the_checkpoint_and_what_came_after_it_in_the_journal() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().to_owned();
        // Nothing but the last alarms: in tests a longer journal is ended by a checkpoint at once.
        let options = RecoveryOptions { connectors: 60, seconds: 0.0, shards: 2, levels: Vec::new(), state };
        let [from_checkpoint, from_both] = recovery(&options).expect("both start");
        assert_eq!((from_checkpoint.stations, from_checkpoint.sent), (6, 66), "six registrations, sixty samples");
        assert_eq!(from_checkpoint.journal_bytes, 0, "an orderly end leaves no journal");
        assert_eq!((from_both.stations, from_both.sent), (6, 64));
        assert!(from_both.journal_bytes > 0, "{from_both:?}");
        assert!(from_checkpoint.seconds > 0.0 && from_both.seconds > 0.0);
    }
}
