//! OCPP 1.6, 2.0.1 and 2.1 as gateways relay it over MQTT: frames of charging stations, bare or in an object, on topics
//! that name the station. A station is a charging station of OCPP, and which family it speaks is told by the shape of each
//! message. Answers are taken where the gateway relays them; without them a transaction is known by its connector. Who
//! charges is never read. Must never take a measurement for a word about whether a connector is free.

mod change;
mod frame;
mod members;
mod memory;
mod message;
pub mod meter;
mod take;
mod teller;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::Arc;

use chargetally_core::observation::{Observation, StationKey};
use chargetally_core::pack::Damaged;
use chargetally_core::time::ArrivalTime;
use rustc_hash::FxHasher;

use self::memory::Station;
use self::teller::Teller;
use super::mapping::memory::STATIONS_MAX;
use super::mapping::register::Register;
use super::mapping::template::Template;
use super::{Limits, Reason, Reject};
use crate::topic::{TopicError, check_id};

/// Forms of topics of one source at most.
pub const TOPICS_MAX: usize = 16;

/// Where frames are, and who runs the stations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The forms of their topics, each of which names the station.
    pub topics: Vec<Template>,
    /// Who runs stations whose topics do not say it.
    pub operator: Box<str>,
}

/// OCPP at work.
#[derive(Clone, Debug)]
pub struct Ocpp {
    spec: Arc<Spec>,
    /// By operator, then by station.
    memory: BTreeMap<Box<str>, BTreeMap<Box<str>, Station>>,
    stations: usize,
    dirty: Vec<(Box<str>, Box<str>)>,
    register: Option<Arc<Register>>,
    /// Places in the register of the stations that were heard of.
    heard_of: BTreeSet<usize>,
}

impl Ocpp {
    /// The dialect, which has seen nothing yet.
    #[must_use]
    pub const fn new(spec: Arc<Spec>) -> Self {
        Self {
            spec,
            memory: BTreeMap::new(),
            stations: 0,
            dirty: Vec::new(),
            register: None,
            heard_of: BTreeSet::new(),
        }
    }

    /// The same, which registers each station of the register when it first hears of it.
    #[must_use]
    pub fn with_register(self, register: Arc<Register>) -> Self {
        Self { register: Some(register), ..self }
    }

    /// Whether a topic has one of its forms.
    #[must_use]
    pub fn owns(&self, topic: &str) -> bool {
        self.spec.topics.iter().any(|form| form.matches(topic).is_some())
    }

    /// The station that a topic names.
    #[must_use]
    pub fn station_of<'a>(&'a self, topic: &'a str, limits: &Limits) -> Option<StationKey<'a>> {
        whom(&self.spec, topic, limits).ok()
    }

    /// The filters that match its topics.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        let mut filters: Vec<String> = self.spec.topics.iter().map(Template::filter).collect();
        filters.sort_unstable();
        filters.dedup();
        filters
    }

    /// See [`super::Dialect::decode`].
    ///
    /// # Errors
    /// [`Reject`] where the message cannot be read whole.
    pub fn decode(
        &mut self,
        topic: &str,
        payload: &[u8],
        arrival: ArrivalTime,
        retained: bool,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let spec = Arc::clone(&self.spec);
        let key = whom(&spec, topic, limits)?;
        if payload.len() > limits.payload_bytes_max {
            return Err(Reject::whole(Reason::TooLarge));
        }
        if payload.is_empty() {
            // Somebody clears what the broker retained.
            return Ok(());
        }
        let text = std::str::from_utf8(payload).map_err(|_| Reject::whole(Reason::NotUtf8))?;
        let frame = frame::read(text, limits)?;
        if frame.station.as_deref().is_some_and(|named| named != key.station) {
            return Err(Reject::field(Reason::IdentityMismatch, "station"));
        }
        let registered = self.register.as_ref().and_then(|register| register.station(key));
        if let Some((place, registration)) = registered
            && self.heard_of.insert(place)
        {
            sink(key, Observation::Registration(registration.clone()));
        }
        let mut teller = Teller::new(key, arrival, retained, sink);
        if !frame.message.needs_memory() {
            // A frame that only tells that the station lives need not be remembered.
            return Station::default().take(frame, limits, &mut teller);
        }
        if frame.message.is_answer() && !self.find(key).is_some_and(|station| station.waits_for(&frame.id)) {
            return Ok(());
        }
        let station = self.station(key)?;
        if frame.message.is_dated() && station.is_repeated(digest(payload)) {
            station.repeat(&frame.message, &mut teller);
            return Ok(());
        }
        station.take(frame, limits, &mut teller)
    }

    fn find(&mut self, key: StationKey<'_>) -> Option<&mut Station> {
        self.memory.get_mut(key.operator)?.get_mut(key.station)
    }

    /// What is remembered of a station, which is then taken to change.
    fn station(&mut self, key: StationKey<'_>) -> Result<&mut Station, Reject> {
        let StationKey { operator, station } = key;
        if self.find(key).is_none() {
            if self.stations >= STATIONS_MAX {
                return Err(Reject::whole(Reason::TooManyStations));
            }
            self.stations += 1;
            self.memory.entry(operator.into()).or_default().insert(station.into(), Station::default());
        }
        let Self { memory, dirty, .. } = self;
        let found = memory.get_mut(operator).and_then(|stations| stations.get_mut(station));
        let found = found.ok_or(Reject::whole(Reason::TooManyStations))?;
        if !found.is_dirty {
            found.is_dirty = true;
            dirty.push((operator.into(), station.into()));
        }
        Ok(found)
    }

    /// See [`super::Dialect::changed_memory`].
    pub fn changed_memory(&mut self, sink: &mut impl FnMut(StationKey<'_>, &[u8])) {
        for (operator, station) in std::mem::take(&mut self.dirty) {
            let key = StationKey { operator: &operator, station: &station };
            if let Some(memory) = self.find(key) {
                memory.is_dirty = false;
                sink(key, &memory.packed());
            }
        }
    }

    /// See [`super::Dialect::restore_memory`].
    ///
    /// # Errors
    /// [`Damaged`] where the bytes are none that it gives.
    pub fn restore_memory(&mut self, key: StationKey<'_>, packed: &[u8]) -> Result<(), Damaged> {
        let memory = Station::unpacked(packed)?;
        if self.find(key).is_none() {
            if self.stations >= STATIONS_MAX {
                return Ok(());
            }
            self.stations += 1;
        }
        self.memory.entry(key.operator.into()).or_default().insert(key.station.into(), memory);
        Ok(())
    }
}

/// The station that a topic names.
fn whom<'a>(spec: &'a Spec, topic: &'a str, limits: &Limits) -> Result<StationKey<'a>, Reject> {
    let parts = spec.topics.iter().find_map(|form| form.matches(topic)).ok_or(Reject::whole(Reason::BadTopic))?;
    let station = parts.station.ok_or(Reject::whole(Reason::BadTopic))?;
    let operator = parts.operator.unwrap_or(&spec.operator);
    for id in [operator, station] {
        check_id(id, limits.id_bytes_max).map_err(|error| {
            Reject::whole(match error {
                TopicError::Form => Reason::BadId,
                TopicError::IdTooLong => Reason::IdTooLong,
            })
        })?;
    }
    Ok(StationKey { operator, station })
}

/// What tells a frame from others.
fn digest(payload: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(payload);
    hasher.finish()
}
