//! The daemon: messages come from the broker, go through the engine, and summaries and alarms go back. One thread
//! drives the engine; the connections live on a runtime of their own, so that closing a window never keeps a socket
//! waiting. Few messages take a short way past it. Nothing here computes a figure.

mod driver;
mod house;
mod keeper;
mod lull;
mod outgoing;
mod recovery;
mod shortcut;
#[cfg(test)]
mod simulation;
mod stop;
mod works;

pub use stop::Stop;

use std::fmt;
use std::io;
use std::sync::Arc;

use chargetally_core::time::{ArrivalTime, Bucket};
use tracing::{error, info};

use crate::engine::{Engine, EngineConfig, EngineError, Spread};
use crate::mqtt::Clock;
use crate::notify::Notifier;
use crate::publish::assemble::Assembler;
use crate::publish::egress;
use crate::settings::Settings;
use crate::settings::reference::ReferenceError;
use crate::store::{self, StoreError};
use crate::{ingest, setup};
use driver::Driver;
use house::House;
use keeper::{KeepError, Keeper, Opened};
use lull::{Lull, Pace};
use outgoing::Outgoing;
use shortcut::{SharedHouse, Shortcut};
use works::Works;

/// What the daemon needs from the outside, which tests and the demo replace.
#[derive(Debug)]
pub struct Surroundings {
    /// The wall clock, ms since the Unix epoch.
    pub clock: Clock,
    /// The service manager.
    pub notifier: Notifier,
    /// How often the driver looks at the clock where nothing arrives, ms of real time.
    pub tick_ms: u64,
}

impl Surroundings {
    /// The real clock, and the service manager that started us, if one did.
    #[must_use]
    pub fn real() -> Self {
        Self { clock: crate::clock::wall_ms, notifier: Notifier::from_environment(), tick_ms: 500 }
    }
}

/// Why the daemon could not start or go on.
#[derive(Debug)]
pub enum DaemonError {
    /// A table of regions that the settings name has a fault.
    Reference(ReferenceError),
    /// Another table that the settings name has a fault.
    Table(setup::TableError),
    /// A secret that the settings name cannot be read.
    Secret(io::Error),
    /// The system gives no threads or no runtime.
    Start(io::Error),
    /// A connection cannot work with these settings.
    Connection(String),
    /// The store cannot be used.
    Store(StoreError),
    /// A window cannot be read back, or a bug.
    Engine(EngineError),
}

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(_) => f.write_str("the table of regions (reference.regions_csv) cannot be used"),
            Self::Table(setup::TableError::Tariff(_)) => {
                f.write_str("the table of valley periods (reference.valley_csv) cannot be used")
            }
            Self::Table(setup::TableError::Register(_)) => {
                f.write_str("the register of a source (register_csv) cannot be used")
            }
            Self::Secret(_) => f.write_str("the password (mqtt.password_file) cannot be read"),
            Self::Start(_) => f.write_str("the daemon cannot be started"),
            Self::Connection(why) => write!(f, "the broker cannot be used with these settings: {why}"),
            Self::Store(_) => f.write_str("the store (state.directory) cannot be used"),
            Self::Engine(_) => f.write_str("the figures cannot go on"),
        }
    }
}

impl std::error::Error for DaemonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Reference(error) => Some(error),
            Self::Table(error) => Some(error),
            Self::Secret(error) | Self::Start(error) => Some(error),
            Self::Connection(_) => None,
            Self::Store(error) => Some(error),
            Self::Engine(error) => Some(error),
        }
    }
}

impl From<EngineError> for DaemonError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<KeepError> for DaemonError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Store(error) => Self::Store(error),
            KeepError::Engine(error) => Self::Engine(error),
            KeepError::Start(error) => Self::Start(error),
        }
    }
}

/// Runs the daemon until it is asked to stop.
///
/// # Errors
/// Where it cannot start, or cannot go on. A broker that is away is no error: it is waited for.
pub fn run(settings: &Settings, stop: &Stop, surroundings: Surroundings) -> Result<(), DaemonError> {
    let tables = setup::reference(settings).map_err(DaemonError::Reference)?;
    let mut config = setup::engine(settings, settings.state.directory.is_some()).map_err(DaemonError::Table)?;
    config.spread = Some(Spread::USUAL);
    let password = setup::password(settings).map_err(DaemonError::Secret)?;
    let lull = Arc::new(Lull::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("connections")
        .enable_all()
        .on_thread_park({
            let lull = Arc::clone(&lull);
            move || lull.keep()
        })
        .build()
        .map_err(DaemonError::Start)?;

    let now = ArrivalTime::from_ms((surroundings.clock)());
    let dialects = config.dialects.clone();
    let calendar = config.rollup.calendar.clone();
    let workers = config.workers;
    let Begun { engine, keeper, published, first, resumed } = begin(settings, config, now)?;
    let assembler = Assembler { first, ..setup::assembler(settings, &tables) };

    let entered = runtime.enter();
    let egress = egress::spawn(setup::egress(settings, password.clone()), surroundings.clock);
    let outgoing = Outgoing::new(settings.publish.root.clone(), setup::host_topic(settings), egress.publisher.clone());
    let mut works = Works::new(engine, assembler, dialects.clone(), published, settings.state.summaries.clone());
    let speaker = outgoing.speak(works.engine.take_notices(), calendar).map_err(DaemonError::Start)?;
    let mut house = House { works, keeper, outgoing };
    house.replay()?;
    // Nothing may come in before what came in earlier has been taken in once more.
    let house = SharedHouse::new(house);
    let shortcut = Shortcut { house: Arc::clone(&house), pace: Pace::new(lull) };
    let ingest = setup::ingest(settings, password, &dialects, resumed);
    let ingest = ingest::spawn_with(ingest, surroundings.clock, Some(Box::new(shortcut)));
    drop(entered);
    info!(broker = %settings.mqtt.url, sources = dialects.len(), workers, "started");

    let mut driver = Driver::new(house, egress, ingest, surroundings, resumed);
    let outcome = runtime.block_on(driver.run(stop));
    let left = runtime.block_on(driver.end(stop));
    // The speaker ends with the engine; it can only have panicked, which has been reported.
    let _panicked = speaker.join();
    runtime.shutdown_background();
    info!(unsent = left, "stopped");
    outcome
}

/// What a daemon begins with.
struct Begun {
    engine: Engine,
    keeper: Option<Keeper>,
    published: Bucket,
    first: ArrivalTime,
    /// Whether it goes on from what was kept.
    resumed: bool,
}

fn begin(settings: &Settings, config: EngineConfig, now: ArrivalTime) -> Result<Begun, DaemonError> {
    let Some(directory) = &settings.state.directory else {
        let engine = Engine::start(config, now).map_err(DaemonError::Start)?;
        let published = engine.closed();
        return Ok(Begun { engine, keeper: None, published, first: now, resumed: false });
    };
    let open = |config| Keeper::open(directory, setup::store(settings), settings.state.sync_wait.as_ms(), config, now);
    let opened = match open(config.clone()) {
        Err(KeepError::Store(error @ StoreError::Damaged { .. })) if settings.state.set_aside_damaged => {
            let aside = store::set_aside(directory, now.ms()).map_err(DaemonError::Store)?;
            error!(%error, aside = %aside.display(), "the damaged store was set aside, and a new one is begun");
            open(config)
        }
        opened => opened,
    }?;
    let Opened { keeper, engine, published, first, resumed } = opened;
    Ok(Begun { engine, keeper: Some(keeper), published, first, resumed })
}
