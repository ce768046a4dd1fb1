//! The short way of a few messages: where the driver has nothing to do, the connection's own task takes them in, and no
//! thread is woken for them (docs/performance.md). Everything else goes to the driver, and nothing passes what waits for
//! it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::house::House;
use super::lull::Pace;
use crate::ingest::{AtOnce, Batch, Taken};

/// The house, for whoever has something for it.
pub(super) struct SharedHouse {
    /// None once the driver has ended. Poisoned by a bug alone: then nothing is done with it any more.
    house: Mutex<Option<House>>,
    /// Events that were handed to the driver and are not taken in yet.
    under_way: AtomicUsize,
    /// Messages were noted that the driver has to make durable.
    noted: Notify,
}

impl SharedHouse {
    pub(super) fn new(house: House) -> Arc<Self> {
        let (under_way, noted) = (AtomicUsize::new(0), Notify::new());
        Arc::new(Self { house: Mutex::new(Some(house)), under_way, noted })
    }

    /// Does something with the house, if it is still there.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut House) -> T) -> Option<T> {
        self.house.lock().ok()?.as_mut().map(work)
    }

    /// Takes the house away, to close it.
    pub(super) fn leave(&self) -> Option<House> {
        self.house.lock().ok()?.take()
    }

    /// The driver has taken in one event.
    pub(super) fn taken(&self) {
        self.under_way.fetch_sub(1, Ordering::Release);
    }

    /// Until messages were noted that wait for the disk.
    pub(super) async fn noted(&self) {
        self.noted.notified().await;
    }
}

/// The connection's way to the house.
pub(super) struct Shortcut {
    pub house: Arc<SharedHouse>,
    pub pace: Pace,
}

impl Shortcut {
    fn take_in(&self, batch: &Batch) -> Taken {
        let shared = &self.house;
        if shared.under_way.load(Ordering::Acquire) != 0 {
            return Taken::No;
        }
        let Ok(mut house) = shared.house.try_lock() else { return Taken::No };
        let Some(house) = house.as_mut().filter(|house| house.takes_at_once(batch)) else { return Taken::No };
        let has_waited = house.due().is_some();
        match house.take(batch) {
            Ok(Some(_)) => Taken::Durably,
            Ok(None) => {
                if !has_waited || house.is_due(true) {
                    shared.noted.notify_one();
                }
                Taken::Noted
            }
            // The driver meets the same, and ends the daemon.
            Err(_) => Taken::No,
        }
    }
}

impl AtOnce for Shortcut {
    fn take(&mut self, batch: &Batch) -> Taken {
        let taken = self.take_in(batch);
        self.pace.after(batch, taken != Taken::No);
        taken
    }

    fn handing_over(&mut self) {
        self.house.under_way.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use chargetally_core::time::ArrivalTime;

    use super::*;
    use crate::daemon::keeper::{Keeper, Opened};
    use crate::daemon::outgoing::Outgoing;
    use crate::daemon::works::Works;
    use crate::engine::{Engine, EngineConfig};
    use crate::mqtt::{Incoming, Qos};
    use crate::publish::egress::Publisher;
    use crate::publish::outbox::OutboxLimits;
    use crate::setup::ReferenceTables;
    use crate::store::Limits;
    use crate::topic::Root;
    use crate::{settings, setup};

    /// 2026-11-23T13:20:00+08:00.
    const START_MS: i64 = 1_795_411_200_000;

    fn batch(id: u64, messages: usize, arrival_ms: i64) -> Batch {
        let message = Incoming {
            topic: "ev/v1/32/op/st/c1/status".into(),
            payload: "{}".into(),
            qos: Qos::AtMostOnce,
            retain: false,
            duplicate: false,
            arrival_ms,
            ack: None,
        };
        Batch::new(id, vec![message; messages])
    }

    fn config() -> (settings::Settings, EngineConfig) {
        let settings = settings::load(&[]).expect("the defaults").settings;
        let config = setup::engine(&settings, false).expect("no tables");
        (settings, config)
    }

    fn house(settings: &settings::Settings, engine: Engine, keeper: Option<Keeper>) -> Arc<SharedHouse> {
        let assembler = setup::assembler(settings, &ReferenceTables::default());
        let published = engine.closed();
        let dialects = settings.sources.iter().map(setup::dialect).collect();
        let works = Works::new(engine, assembler, dialects, published, Vec::new());
        let publisher = Publisher::unconnected(OutboxLimits { entries_max: 10, bytes_max: 1 << 20 });
        SharedHouse::new(House { works, keeper, outgoing: Outgoing::new(Root::default_out(), None, publisher) })
    }

    fn in_memory() -> Arc<SharedHouse> {
        let (settings, config) = config();
        let engine = Engine::start(config, ArrivalTime::from_ms(START_MS)).expect("threads");
        house(&settings, engine, None)
    }

    fn shortcut(house: &Arc<SharedHouse>) -> Shortcut {
        Shortcut { house: Arc::clone(house), pace: Pace::default() }
    }

    fn messages(house: &SharedHouse) -> u64 {
        house.with(|house| house.works.messages).expect("a house")
    }

    #[test]
    fn few_messages_are_taken_where_the_driver_is_idle_and_none_pass_what_it_has() {
        let house = in_memory();
        let mut shortcut = shortcut(&house);
        assert_eq!(shortcut.take(&batch(1, 3, START_MS)), Taken::Durably);
        assert_eq!(messages(&house), 3);
        shortcut.handing_over();
        assert_eq!(shortcut.take(&batch(3, 1, START_MS)), Taken::No, "an earlier event is under way");
        house.taken();
        assert_eq!(shortcut.take(&batch(3, 1, START_MS)), Taken::Durably);
        let busy = house.house.lock().expect("not poisoned");
        assert_eq!(shortcut.take(&batch(4, 1, START_MS)), Taken::No, "the driver has it");
        drop(busy);
        assert_eq!(messages(&house), 4);
    }

    #[test]
    fn what_takes_long_is_left_to_the_driver() {
        let house = in_memory();
        let mut shortcut = shortcut(&house);
        assert_eq!(shortcut.take(&batch(1, 129, START_MS)), Taken::No, "many");
        assert_eq!(shortcut.take(&batch(1, 1, START_MS + 3_600_000)), Taken::No, "windows close");
        assert_eq!(messages(&house), 0);
        assert_eq!(shortcut.take(&batch(1, 128, START_MS)), Taken::Durably);
        assert!(house.leave().is_some());
        assert_eq!(shortcut.take(&batch(2, 1, START_MS)), Taken::No, "nobody is there any more");
    }

    #[tokio::test]
    async fn what_has_to_be_durable_is_only_noted_and_the_driver_told_once() {
        let (settings, config) = config();
        let directory = tempfile::tempdir().expect("a directory");
        let now = ArrivalTime::from_ms(START_MS);
        let opened = Keeper::open(directory.path(), Limits::default(), 60_000, config, now).expect("a new store");
        let Opened { keeper, engine, .. } = opened;
        let house = house(&settings, engine, Some(keeper));
        let mut shortcut = shortcut(&house);
        let told = async || tokio::time::timeout(std::time::Duration::ZERO, house.noted()).await.is_ok();
        assert!(!told().await);
        assert_eq!(shortcut.take(&batch(1, 2, START_MS)), Taken::Noted);
        assert!(told().await);
        assert_eq!(shortcut.take(&batch(2, 2, START_MS)), Taken::Noted);
        assert!(!told().await, "it knows when they are due");
        let durable = house.with(House::sync).expect("a house").expect("a good disk");
        assert_eq!(durable, Some(2));
    }
}
