//! The sending side of a benchmark: pumps the load's messages into the subscribing connection, as fast as it takes them
//! or at a rate, on the thread that calls it. It must never send what it does not count.

use std::io::{self, Write};
use std::sync::PoisonError;
use std::time::Duration;

use super::broker::{Shared, Subscriber};
use super::load::{Delivery, Load};
use crate::clock::{self, Monotonic, monotonic};

/// What is written at once, bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// Of messages at QoS 0 one in so many goes at QoS 1, so that its acknowledgement tells the delay.
const TIMED_EVERY: u64 = 1024;
/// An alarm is sent so often, µs.
const ALARM_EVERY_US: u64 = 10_000;
/// Event times run ahead of the clock by this at most, ms; then the sender waits.
const AHEAD_MS_MAX: i64 = 30_000;
/// How long one paces without sending.
const PAUSE: Duration = Duration::from_micros(500);
/// Alarms that are sent at the end, to see all workers through.
const LAST_ALARMS: u32 = 64;

/// How a flood goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flood {
    pub seconds: f64,
    /// Messages a second; 0 for as many as are taken.
    pub rate: u64,
}

/// Sends to one subscriber.
pub(super) struct Sender<'a> {
    shared: &'a Shared,
    to: Subscriber,
    load: Load,
    at_least_once: bool,
    chunk: Vec<u8>,
    /// When the chunk was begun, µs.
    chunk_us: u64,
    packet_id: u16,
    /// Messages that may be sent before room has to be asked for again.
    room: u32,
    sent: u64,
    alarms: u32,
    next: u32,
    round: u64,
    round_ms: i64,
}

impl<'a> Sender<'a> {
    pub fn new(shared: &'a Shared, to: Subscriber, connectors: u32, at_least_once: bool) -> Self {
        let load = Load::new(to.version, connectors);
        Self {
            shared,
            to,
            load,
            at_least_once,
            chunk: Vec::with_capacity(CHUNK_BYTES + 4096),
            chunk_us: 0,
            packet_id: 0,
            room: 0,
            sent: 0,
            alarms: 0,
            next: 0,
            round: 0,
            round_ms: clock::wall_ms(),
        }
    }

    /// Messages sent so far.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Sends every station's registration and one sample of every connector.
    ///
    /// # Errors
    /// Where the connection is over.
    pub fn introduce(&mut self) -> io::Result<()> {
        let at_ms = clock::wall_ms();
        for station in 0..self.load.stations() {
            let delivery = self.delivery()?;
            self.load.registration(&mut self.chunk, station, at_ms, delivery);
            self.count()?;
        }
        for _ in 0..self.load.connectors() {
            self.sample()?;
        }
        self.flush()
    }

    /// Sends samples, and now and then an alarm.
    ///
    /// # Errors
    /// Where the connection is over.
    pub fn flood(&mut self, flood: Flood) -> io::Result<()> {
        let Flood { seconds, rate } = flood;
        let (began, first) = (monotonic(), self.sent);
        let mut alarm_due_us = 0;
        loop {
            let elapsed_us = monotonic().since_us(began);
            if elapsed_us as f64 >= seconds * 1e6 {
                break;
            }
            if elapsed_us >= alarm_due_us {
                alarm_due_us = elapsed_us + ALARM_EVERY_US;
                self.alarm()?;
            }
            let due = if rate == 0 { u64::MAX } else { first + (elapsed_us as f64 * rate as f64 / 1e6) as u64 };
            if self.sent >= due {
                self.flush()?;
                std::thread::sleep(PAUSE);
                continue;
            }
            // Some messages between two looks at the clock.
            for _ in 0..256.min(due - self.sent) {
                self.sample()?;
            }
            if rate > 0 {
                self.flush()?;
            }
        }
        self.flush()
    }

    /// Sends alarms of different stations, behind everything that was sent before.
    ///
    /// # Errors
    /// Where the connection is over.
    pub fn last_alarms(&mut self) -> io::Result<()> {
        for _ in 0..LAST_ALARMS {
            self.alarm()?;
        }
        self.flush()
    }

    /// Waits until everything at QoS 1 is acknowledged. False: not in time.
    pub fn wait_acknowledged(&self, began: Monotonic, limit_ms: u64) -> bool {
        while self.shared.in_flight() > self.room {
            if monotonic().since_ms(began) > limit_ms {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        true
    }

    fn sample(&mut self) -> io::Result<()> {
        if self.next == 0 {
            self.round += 1;
            // Event times of one connector must differ, however fast it is its turn again.
            self.round_ms = clock::wall_ms().max(self.round_ms + 1);
            while self.round_ms - clock::wall_ms() > AHEAD_MS_MAX {
                self.flush()?;
                std::thread::sleep(PAUSE);
            }
        }
        let index = self.next;
        self.next = if index + 1 == self.load.connectors() { 0 } else { index + 1 };
        let delivery = self.delivery()?;
        self.load.sample(&mut self.chunk, index, self.round, self.round_ms, delivery);
        self.count()
    }

    fn alarm(&mut self) -> io::Result<()> {
        let number = self.alarms;
        self.alarms += 1;
        // A step that shares no factor with the number of stations spreads them over all workers.
        let spread = (u64::from(number) * 7_919 % u64::from(self.load.connectors())) as u32;
        let round = number / self.load.connectors();
        let delivery = self.delivery()?;
        let number = round * self.load.connectors() + spread;
        let topic = self.load.alarm(&mut self.chunk, number, clock::wall_ms(), delivery);
        self.shared.alarm_leaves(topic, self.shared.now_us());
        self.count()?;
        self.flush()
    }

    /// How the next message goes.
    fn delivery(&mut self) -> io::Result<Delivery> {
        if self.chunk.is_empty() {
            self.chunk_us = self.shared.now_us();
        }
        if !self.at_least_once && !self.sent.is_multiple_of(TIMED_EVERY) {
            return Ok(Delivery::AtMostOnce);
        }
        if self.room == 0 {
            let wanted = if self.at_least_once { 256 } else { 1 };
            self.room = self.shared.take_room(self.to.in_flight_max, wanted);
            if self.room == 0 && !self.at_least_once {
                return Ok(Delivery::AtMostOnce);
            }
            while self.room == 0 {
                // What is acknowledged late may be late because it was not sent yet.
                self.flush()?;
                self.room = self.shared.take_room(self.to.in_flight_max, wanted);
            }
        }
        self.room -= 1;
        self.packet_id = if self.packet_id == u16::MAX { 1 } else { self.packet_id + 1 };
        self.shared.leaves(self.packet_id, self.chunk_us);
        Ok(Delivery::AtLeastOnce(self.packet_id))
    }

    fn count(&mut self) -> io::Result<()> {
        self.sent += 1;
        if self.chunk.len() >= CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.chunk.is_empty() {
            self.to.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&self.chunk)?;
            self.chunk.clear();
        }
        Ok(())
    }
}
