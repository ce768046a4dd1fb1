//! The world of one seed: stations, broker, clock and disk, each failing by its draws, around one daemon that lives
//! several times. When all has been mended and everything has arrived, it is compared with what nothing disturbed.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use chargetally_core::time::ArrivalTime;

use super::broker::{Heard, Sender};
use super::fleet::{Fleet, Habits, Published};
use super::life::{Acknowledged, BUFFER_BYTES, Life, Plant};
use crate::clock::{Monotonic, monotonic, simulate_monotonic};
use crate::daemon::DaemonError;
use crate::daemon::keeper::BYTES_MAX;
use crate::simulate::rng::Draws;
use crate::store::faults::{self, Plan, Told, Unfinished};
use crate::store::{FILE_NAME, StoreError};

/// When every seed begins: four minutes before a day and a month of China.
pub(super) const BEGIN_MS: i64 = 1_769_875_200_000 - 4 * MINUTE_MS;
const MINUTE_MS: i64 = 60_000;
/// How far the clock goes wrong. Ahead it leaves what is under way within the three hours that may be late.
const CLOCK_AHEAD_MS: i64 = 150 * MINUTE_MS;
const CLOCK_BEHIND_MS: i64 = 6 * 60 * MINUTE_MS;
/// Steps until everything has settled, at most.
const SETTLING_STEPS_MAX: usize = 3_000;
/// What a batch and a few steps take in the journal at most, bytes.
const BATCH_BYTES: usize = 3 << 10;
/// A house takes a batch as long as there is room, so that it passes its limit by as much.
const _: () = assert!(BYTES_MAX + BATCH_BYTES <= BUFFER_BYTES);

/// Which faults a seed has, permille of its steps.
#[derive(Debug, Clone, Copy)]
struct Weather {
    crash: u32,
    crash_while_writing: u32,
    full_disk: u32,
    link_down: u32,
    egress_down: u32,
    clock_step: u32,
    is_clock_behind: bool,
    repeat: u32,
    delay: u32,
}

pub(super) struct World<'p> {
    plant: &'p Plant,
    draws: Draws,
    weather: Weather,
    now_ms: i64,
    clock_ahead_ms: i64,
    /// The latest time that the clock has shown.
    latest_ms: i64,
    monotonic_begin: Monotonic,
    lanes: Vec<VecDeque<Rc<Published>>>,
    lanes_open_ms: Vec<i64>,
    sender: Sender,
    heard: Heard,
    root: PathBuf,
    lives: u32,
    life: Option<Life>,
    first: ArrivalTime,
    down_until_ms: i64,
    link_down_until_ms: i64,
    egress_down_until_ms: i64,
    full_until_ms: Option<i64>,
    tick_due_ms: i64,
    /// Payloads that the journal holds, and the batches of it that were read for that.
    durable: HashSet<Box<[u8]>>,
    batches_read: usize,
    promised: crate::store::Seq,
}

/// What a seed leaves to be compared.
pub(super) struct Left {
    pub(super) heard: Heard,
    pub(super) journal: Vec<Told>,
    pub(super) first: ArrivalTime,
    pub(super) now_ms: i64,
    pub(super) directory: PathBuf,
    /// Everything that stations sent, in order.
    pub(super) sent: Vec<Rc<Published>>,
    /// Whether arrivals alone change figures in this seed.
    pub(super) arrivals_matter: bool,
    pub(super) lives: u32,
}

impl<'p> World<'p> {
    /// Runs a seed in the folder `root` until everything has settled.
    pub(super) fn run(plant: &'p Plant, seed: u64, root: PathBuf) -> Result<Left, String> {
        let mut draws = Draws::new(seed, 0);
        let weather = Weather::of(&mut draws);
        let habits = Habits {
            begin_ms: BEGIN_MS,
            span_ms: draws.between(3 * MINUTE_MS, 8 * MINUTE_MS),
            unkept_permille: [0, 0, 200][draws.below(3) as usize],
            has_last_wills: draws.chance_permille(200),
        };
        let fleet = Fleet::new(&mut draws, habits);
        let in_flight_max = draws.between(1, 20) as usize;
        faults::watch();
        let mut world = Self {
            plant,
            draws,
            weather,
            now_ms: BEGIN_MS,
            clock_ahead_ms: 0,
            latest_ms: BEGIN_MS,
            monotonic_begin: monotonic(),
            lanes: vec![VecDeque::new(); fleet.stations],
            lanes_open_ms: vec![BEGIN_MS; fleet.stations],
            sender: Sender::new(in_flight_max),
            heard: Heard::default(),
            root,
            lives: 0,
            life: None,
            first: ArrivalTime::from_ms(BEGIN_MS),
            down_until_ms: BEGIN_MS,
            link_down_until_ms: BEGIN_MS,
            egress_down_until_ms: BEGIN_MS,
            full_until_ms: None,
            tick_due_ms: BEGIN_MS,
            durable: HashSet::new(),
            batches_read: 0,
            promised: crate::store::Seq::default(),
        };
        world.set_clock();
        let outcome = world.live(&fleet, habits.begin_ms + habits.span_ms);
        world.life = None;
        simulate_monotonic(None);
        let journal = faults::finish();
        outcome?;
        let mut sent = fleet.registrations;
        sent.extend(fleet.messages);
        Ok(Left {
            first: world.first,
            now_ms: world.wall_ms(),
            directory: world.directory(),
            heard: world.heard,
            journal,
            sent,
            arrivals_matter: weather.is_clock_behind || habits.has_last_wills,
            lives: world.lives,
        })
    }

    fn live(&mut self, fleet: &Fleet, end_ms: i64) -> Result<(), String> {
        self.begin(fleet)?;
        let mut next = 0;
        while self.now_ms < end_ms {
            self.pass();
            while let Some(message) = fleet.messages.get(next).filter(|message| message.at_ms <= self.now_ms) {
                self.lanes[message.station].push_back(Rc::clone(message));
                if self.draws.chance_permille(self.weather.repeat) {
                    self.lanes[message.station].push_back(Rc::clone(message));
                }
                next += 1;
            }
            self.change_weather();
            self.turn()?;
        }
        self.settle()
    }

    /// Registrations come before anything fails.
    fn begin(&mut self, fleet: &Fleet) -> Result<(), String> {
        self.start()?;
        self.connect();
        for registration in &fleet.registrations {
            self.sender.publish(Rc::clone(registration));
        }
        while !self.is_quiet() {
            self.exchange()?;
            self.act(Life::sync)?;
        }
        Ok(())
    }

    /// A while goes by.
    fn pass(&mut self) {
        self.now_ms += self.draws.between(100, 5_000);
        self.set_clock();
    }

    fn wall_ms(&self) -> i64 {
        self.now_ms + self.clock_ahead_ms
    }

    fn set_clock(&mut self) {
        let since_ms = u64::try_from(self.now_ms - BEGIN_MS).unwrap_or_default();
        simulate_monotonic(Some(self.monotonic_begin.after(Duration::from_millis(since_ms))));
        self.latest_ms = self.latest_ms.max(self.wall_ms());
    }

    fn directory(&self) -> PathBuf {
        self.root.join(self.lives.to_string())
    }

    /// Faults begin and end.
    fn change_weather(&mut self) {
        let Self { draws, weather, now_ms, .. } = self;
        let now_ms = *now_ms;
        if self.full_until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
            self.full_until_ms = None;
            faults::set(Plan::Sound);
        }
        if draws.chance_permille(weather.full_disk) && self.full_until_ms.is_none() {
            self.full_until_ms = Some(now_ms + draws.between(2_000, 240_000));
            faults::set(Plan::Full { points: [0, draws.below(40)][draws.below(2) as usize] });
        }
        if draws.chance_permille(weather.crash_while_writing) && self.full_until_ms.is_none() {
            faults::set(Plan::Crash { points: draws.below(40) });
        }
        if draws.chance_permille(weather.link_down) {
            self.link_down_until_ms = now_ms + draws.between(0, 90_000);
            self.sender.disconnect();
            if let Some(life) = &mut self.life {
                life.linked(false);
            }
        }
        if draws.chance_permille(weather.egress_down) {
            self.egress_down_until_ms = now_ms + draws.between(0, 180_000);
            if let Some(life) = &mut self.life {
                life.disconnect();
            }
        }
        if draws.chance_permille(weather.clock_step) {
            let lowest_ms = if weather.is_clock_behind { -CLOCK_BEHIND_MS } else { 0 };
            self.clock_ahead_ms = [0, draws.between(lowest_ms, CLOCK_AHEAD_MS)][draws.below(2) as usize];
        }
        for open_ms in &mut self.lanes_open_ms {
            if draws.chance_permille(weather.delay) {
                *open_ms = now_ms + draws.between(0, 60_000);
            }
        }
        self.set_clock();
    }

    /// Everybody does what is to be done now.
    fn turn(&mut self) -> Result<(), String> {
        for (lane, open_ms) in self.lanes.iter_mut().zip(&self.lanes_open_ms) {
            while *open_ms <= self.now_ms
                && let Some(message) = lane.pop_front()
            {
                self.sender.publish(message);
            }
        }
        if self.draws.chance_permille(self.weather.crash) && self.life.is_some() {
            self.crash()?;
        }
        if self.life.is_none() {
            if self.now_ms < self.down_until_ms {
                return Ok(());
            }
            self.start()?;
        }
        if self.link_down_until_ms <= self.now_ms && !self.sender.is_connected() && self.life.is_some() {
            self.connect();
        }
        self.exchange()?;
        if self.now_ms >= self.tick_due_ms {
            self.tick_due_ms = self.now_ms + self.draws.between(500, 15_000);
            let wall_ms = self.wall_ms();
            self.act(|life| life.tick(wall_ms))?;
        }
        self.act(Life::sync_where_due)?;
        self.say()
    }

    fn connect(&mut self) {
        self.sender.connect();
        if let Some(life) = &mut self.life {
            life.linked(true);
        }
    }

    /// Messages come in, and some are taken.
    fn exchange(&mut self) -> Result<(), String> {
        let arrival_ms = self.wall_ms();
        if let Some(life) = &mut self.life {
            let count = life.room().min(self.draws.below(10) as usize);
            life.receive(self.sender.send(count, arrival_ms));
        }
        for _ in 0..self.draws.below(3) {
            self.act(|life| life.take(arrival_ms))?;
        }
        Ok(())
    }

    /// What was given out goes to the broker.
    fn say(&mut self) -> Result<(), String> {
        let Some(life) = &mut self.life else { return Ok(()) };
        let bad = |error: DaemonError| error.to_string();
        if self.egress_down_until_ms <= self.now_ms && !life.is_publishing() {
            life.connect().map_err(bad)?;
        }
        if self.draws.chance_permille(400) {
            life.speak(&mut self.draws, self.now_ms).map_err(bad)?;
        }
        life.publish(&mut self.draws, &mut self.heard)
    }

    fn start(&mut self) -> Result<(), String> {
        let workers = self.draws.between(1, 4) as usize;
        match Life::begin(self.plant, &self.directory(), workers, self.wall_ms()) {
            Ok(life) => {
                if faults::last() < self.promised {
                    return Err(format!("{} was durable, and only {} was found", self.promised, faults::last()));
                }
                if self.lives == 0 {
                    self.first = life.first;
                }
                self.life = Some(life);
                self.promised = faults::last();
                Ok(())
            }
            Err(error) => self.ended_by(&error),
        }
    }

    /// The driver does something, and what may be acknowledged then is.
    fn act(&mut self, what: impl FnOnce(&mut Life) -> Result<Acknowledged, DaemonError>) -> Result<(), String> {
        let Some(life) = &mut self.life else { return Ok(()) };
        let acknowledged = match what(life) {
            Ok(acknowledged) => acknowledged,
            Err(error) => return self.ended_by(&error),
        };
        self.promised = faults::last();
        let durable = &mut self.durable;
        self.batches_read = faults::journal(self.batches_read, |entry| {
            if let Told::Message { payload, .. } = entry {
                durable.insert(payload.clone());
            }
        });
        if let Some(lost) = acknowledged.payloads.iter().find(|payload| !self.durable.contains(&payload[..])) {
            return Err(format!("acknowledged and not durable: {}", String::from_utf8_lossy(lost)));
        }
        acknowledged.tokens.into_iter().for_each(|token| self.sender.acknowledged(token));
        let pending = life.house.keeper.as_ref().map_or(0, |keeper| keeper.pending_bytes());
        if pending > BYTES_MAX + BATCH_BYTES {
            return Err(format!("{pending} bytes wait for the disk"));
        }
        Ok(())
    }

    /// The daemon could not go on: where that was planned it is started again later.
    fn ended_by(&mut self, error: &DaemonError) -> Result<(), String> {
        match error {
            DaemonError::Store(StoreError::Bug { what }) if what.contains("by plan") => self.crash(),
            // It does not start without room on the disk; whoever started it tries again.
            DaemonError::Store(StoreError::NoSpace { .. }) if self.life.is_none() => self.crash(),
            error => {
                let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
                Err(format!("the daemon gave up: {error}: {source}"))
            }
        }
    }

    /// The process is gone from one moment to the next, and what stood on the disk then is what the next one finds.
    fn crash(&mut self) -> Result<(), String> {
        let io = |error: std::io::Error| format!("the files of a crash: {error}");
        let before = self.directory();
        let unfinished = faults::crashed();
        if self.full_until_ms.is_some() {
            faults::set(Plan::Full { points: 0 });
        }
        self.lives += 1;
        let after = self.directory();
        fs::create_dir(&after).map_err(io)?;
        let log = format!("{FILE_NAME}-wal");
        for name in [FILE_NAME, &log] {
            if before.join(name).exists() {
                fs::copy(before.join(name), after.join(name)).map_err(io)?;
            }
        }
        if let Some(Unfinished { log: of, bytes_before }) = unfinished
            && of == before.join(&log)
            && after.join(&log).exists()
            && self.draws.chance_permille(700)
        {
            self.tear(&after.join(&log), bytes_before).map_err(io)?;
        }
        if self.life.take().is_some() {
            self.sender.disconnect();
        }
        fs::remove_dir_all(&before).map_err(io)?;
        let down_ms = if self.draws.chance_permille(200) { 240_000 } else { 10_000 };
        self.down_until_ms = self.now_ms + self.draws.between(0, down_ms);
        Ok(())
    }

    /// Of what was written last some did not reach the disk: its end, or a piece of it.
    fn tear(&mut self, log: &std::path::Path, bytes_before: u64) -> std::io::Result<()> {
        let mut bytes = fs::read(log)?;
        let from = usize::try_from(bytes_before).unwrap_or(usize::MAX).min(bytes.len());
        let written = bytes.len() - from;
        let at = from + self.draws.below(u32::try_from(written).unwrap_or(u32::MAX)) as usize;
        if self.draws.chance_permille(500) {
            bytes.truncate(at);
        } else {
            let piece = at..bytes.len().min(at + 512);
            bytes[piece].fill(0);
        }
        fs::write(log, bytes)
    }

    fn is_quiet(&self) -> bool {
        let is_idle = self.life.as_ref().is_some_and(|life| life.is_idle());
        is_idle && self.sender.is_done() && self.lanes.iter().all(VecDeque::is_empty)
    }

    /// Everything is mended, everything arrives, and all windows are given out.
    fn settle(&mut self) -> Result<(), String> {
        self.weather = Weather::FAIR;
        self.full_until_ms = None;
        faults::set(Plan::Sound);
        self.lanes_open_ms.fill(self.now_ms);
        (self.link_down_until_ms, self.egress_down_until_ms, self.down_until_ms) =
            (self.now_ms, self.now_ms, self.now_ms);
        self.clock_ahead_ms = 0;
        self.wait_for("messages to arrive", Self::is_quiet)?;
        // Two minutes: in the second all windows have rested since they were given out last. By half minutes, so that a close
        // that is spread over time is completed too.
        self.now_ms = self.latest_ms + MINUTE_MS;
        let mut steps = 4_i32;
        while steps > 0 || self.life.as_ref().is_some_and(|life| life.house.works.engine.is_closing()) {
            steps -= 1;
            self.now_ms += MINUTE_MS / 2;
            self.set_clock();
            let wall_ms = self.wall_ms();
            self.act(|life| life.tick(wall_ms))?;
            self.act(Life::sync)?;
        }
        let end_ms = self.now_ms;
        for _ in 0..SETTLING_STEPS_MAX {
            self.now_ms += 2_000;
            self.say()?;
            let Some(life) = &mut self.life else { break };
            life.speak(&mut self.draws, self.now_ms).map_err(|error| error.to_string())?;
            if life.is_heard() {
                break;
            }
        }
        self.now_ms = end_ms;
        let now = ArrivalTime::from_ms(self.wall_ms());
        let Some(life) = &mut self.life else { return Err("the daemon does not live at the end".to_owned()) };
        if !life.is_heard() {
            return Err("what was given out is never heard".to_owned());
        }
        life.house.checkpoint(now).map_err(|error| error.to_string())?;
        Ok(())
    }

    fn wait_for(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), String> {
        for _ in 0..SETTLING_STEPS_MAX {
            if is_so(self) {
                return Ok(());
            }
            self.pass();
            self.turn()?;
        }
        Err(format!("waited in vain for {what}"))
    }
}

impl Weather {
    const FAIR: Self = Self {
        crash: 0,
        crash_while_writing: 0,
        full_disk: 0,
        link_down: 0,
        egress_down: 0,
        clock_step: 0,
        is_clock_behind: false,
        repeat: 0,
        delay: 0,
    };

    /// Each seed has some of the faults.
    fn of(draws: &mut Draws) -> Self {
        let mut sometimes = |permille: u32| if draws.chance_permille(500) { permille } else { 0 };
        Self {
            crash: sometimes(8),
            crash_while_writing: sometimes(25),
            full_disk: sometimes(8),
            link_down: sometimes(15),
            egress_down: sometimes(15),
            clock_step: sometimes(4) / 4 * if draws.chance_permille(300) { 4 } else { 0 },
            is_clock_behind: draws.chance_permille(300),
            repeat: 40,
            delay: 10,
        }
    }
}
