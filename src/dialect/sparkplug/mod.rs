//! Sparkplug B: a group is an operator, an edge node a station, its devices are the connectors. Births bind aliases, data
//! are read by them, deaths end them; where a sequence has a gap or an alias is not known, the node is asked to say
//! everything anew. Data are taken all the same across a gap, for every value in them stands for itself.

pub mod host;
pub mod metric;
#[cfg(test)]
mod tests;
pub mod wire;

use std::collections::BTreeMap;

use chargetally_core::observation::{Observation, Sample, StationKey, Vitals};
use chargetally_core::pack::{Damaged, Pack, Reader};
use chargetally_core::state::Status;
use chargetally_core::time::{ArrivalTime, EventTime};

use self::metric::{Meaning, Reading};
use self::wire::{Metric, Payload, Value};
use super::mapping::memory::{ConnectorMemory, STATIONS_MAX};
use super::{Limits, Reason, Reject, Request};
use crate::topic::{Root, TopicError, check_id};

/// Aliases, and names, of one node at most; those beyond are not known.
const ALIASES_MAX: usize = 16_384;
/// Requests that wait to be taken at most, one for a node; the oldest stay, and nodes beyond are asked at their next message.
const REQUESTS_MAX: usize = 64;
/// A node is asked again after this long at the earliest, ms.
const ASK_EVERY_MS: i64 = 60_000;
/// The connector that a node's own metrics are about.
const NODE_CONNECTOR: &str = "1";
/// Times that can be meant: the years 2000 to 2100, ms since the Unix epoch.
const TIME_MS: std::ops::RangeInclusive<u64> = 946_684_800_000..=4_133_980_799_999;
/// The form of packed memory.
const VERSION: u8 = 2;

/// Sparkplug B under one root.
#[derive(Clone, Debug)]
pub struct Sparkplug {
    root: Root,
    /// Whether nodes may be asked.
    may_ask: bool,
    /// By group, then by edge node.
    memory: BTreeMap<Box<str>, BTreeMap<Box<str>, Node>>,
    nodes: usize,
    dirty: Vec<(Box<str>, Box<str>)>,
    requests: Vec<Request>,
}

/// What is remembered of an edge node.
#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    connectors: BTreeMap<Box<str>, ConnectorMemory>,
    /// What births bound, by device, empty for the node itself.
    births: BTreeMap<Box<str>, Birth>,
    /// The birth that its last will has to name.
    bd_seq: Option<u64>,
    seq: Option<u8>,
    asked_ms: Option<i64>,
    is_dirty: bool,
}

/// What the birth of a device bound.
#[derive(Clone, Debug, Default, PartialEq)]
struct Birth {
    aliases: BTreeMap<u64, Meaning>,
    /// For metrics that say something: their units stand in the birth alone.
    names: BTreeMap<Box<str>, Meaning>,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NodeBirth,
    NodeDeath,
    NodeData,
    DeviceBirth,
    DeviceDeath,
    DeviceData,
}

struct Topic<'t> {
    key: StationKey<'t>,
    /// Empty for the node itself.
    device: &'t str,
    kind: Kind,
}

impl Sparkplug {
    /// The dialect with its topics under `root`; `may_ask` is whether nodes may be asked to say everything anew.
    #[must_use]
    pub const fn new(root: Root, may_ask: bool) -> Self {
        Self { root, may_ask, memory: BTreeMap::new(), nodes: 0, dirty: Vec::new(), requests: Vec::new() }
    }

    fn parse<'t>(&self, topic: &'t str, limits: &Limits) -> Result<Topic<'t>, TopicError> {
        let below = topic.strip_prefix(self.root.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let mut levels = below.ok_or(TopicError::Form)?.split('/');
        let mut next = || levels.next();
        let (Some(operator), Some(kind), Some(station), device) = (next(), next(), next(), next()) else {
            return Err(TopicError::Form);
        };
        let kind = match (kind, device) {
            ("NBIRTH", None) => Kind::NodeBirth,
            ("NDEATH", None) => Kind::NodeDeath,
            ("NDATA", None) => Kind::NodeData,
            ("DBIRTH", Some(_)) => Kind::DeviceBirth,
            ("DDEATH", Some(_)) => Kind::DeviceDeath,
            ("DDATA", Some(_)) => Kind::DeviceData,
            _ => return Err(TopicError::Form),
        };
        if next().is_some() {
            return Err(TopicError::Form);
        }
        for id in [Some(operator), Some(station), device].into_iter().flatten() {
            check_id(id, limits.id_bytes_max)?;
        }
        Ok(Topic { key: StationKey { operator, station }, device: device.unwrap_or_default(), kind })
    }

    /// Whether a topic is one of a node or a device that sends.
    #[must_use]
    pub fn owns(&self, topic: &str) -> bool {
        !matches!(self.parse(topic, &Limits { id_bytes_max: usize::MAX, ..Limits::default() }), Err(TopicError::Form))
    }

    /// The node that a topic names.
    #[must_use]
    pub fn station_of<'a>(&self, topic: &'a str, limits: &Limits) -> Option<StationKey<'a>> {
        self.parse(topic, limits).ok().map(|topic| topic.key)
    }

    /// The filters that match its topics.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        let node = ["NBIRTH", "NDEATH", "NDATA"].map(|kind| format!("{}/+/{kind}/+", self.root.as_str()));
        let device = ["DBIRTH", "DDEATH", "DDATA"].map(|kind| format!("{}/+/{kind}/+/+", self.root.as_str()));
        node.into_iter().chain(device).collect()
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
        let topic = self.parse(topic, limits).map_err(|error| {
            Reject::whole(match error {
                TopicError::Form => Reason::BadTopic,
                TopicError::IdTooLong => Reason::IdTooLong,
            })
        })?;
        if payload.len() > limits.payload_bytes_max {
            return Err(Reject::whole(Reason::TooLarge));
        }
        if payload.is_empty() {
            // Sparkplug retains nothing; somebody clears what should not have been there.
            return Ok(());
        }
        let payload = Payload::read(payload, limits)?;
        match topic.kind {
            Kind::NodeDeath => {
                self.node_death(&topic, &payload, retained, sink)?;
                return Ok(());
            }
            Kind::DeviceDeath => return self.device_death(&topic, &payload, arrival, limits, sink),
            Kind::NodeBirth | Kind::NodeData | Kind::DeviceBirth | Kind::DeviceData => {}
        }
        let outcome = self.values(&topic, &payload, arrival, limits, sink);
        let is_alias_missing = outcome == Err(Reject::field(Reason::UnknownAlias, "alias"));
        let key = topic.key;
        let node = self.node(key)?;
        let has_gap = node.take_seq(topic.kind, payload.seq);
        let is_due = node.asked_ms.is_none_or(|asked| arrival.ms().saturating_sub(asked) >= ASK_EVERY_MS);
        if (has_gap || is_alias_missing) && self.may_ask && is_due && !retained {
            let topic = format!("{}/{}/NCMD/{}", self.root.as_str(), key.operator, key.station);
            let is_waiting = self.requests.iter().any(|request| request.topic == topic);
            if !is_waiting && self.requests.len() < REQUESTS_MAX {
                let payload = wire::rebirth_request(u64::try_from(arrival.ms()).unwrap_or_default());
                self.requests.push(Request { topic, payload });
                self.node(key)?.asked_ms = Some(arrival.ms());
            }
        }
        outcome
    }

    /// The values of a birth or of data: all are read before the first is remembered.
    fn values(
        &mut self,
        topic: &Topic<'_>,
        payload: &Payload<'_>,
        arrival: ArrivalTime,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let is_birth = matches!(topic.kind, Kind::NodeBirth | Kind::DeviceBirth);
        let payload_ms = payload.timestamp.map(in_range).transpose()?;
        let node = self.node(topic.key)?;
        let birth = node.births.get(topic.device);
        let mut bound = Vec::new();
        let mut readings = Vec::with_capacity(payload.metrics.len());
        for metric in &payload.metrics {
            let meaning = match (metric.name, metric.alias) {
                (Some(name), _) if is_birth || metric.unit.is_some() => Meaning::of(name, metric.unit)?,
                (Some(name), _) => match birth.and_then(|birth| birth.names.get(name)) {
                    Some(&meaning) => meaning,
                    None => Meaning::of(name, None)?,
                },
                (None, Some(alias)) => {
                    let known = birth.and_then(|birth| birth.aliases.get(&alias)).copied();
                    known.ok_or(Reject::field(Reason::UnknownAlias, "alias"))?
                }
                (None, None) => return Err(Reject::field(Reason::MissingField, "name")),
            };
            if let (true, Some(name)) = (is_birth, metric.name) {
                bound.push((metric.alias, name, meaning));
            }
            let at_ms = metric.timestamp.map(in_range).transpose()?.or(payload_ms).unwrap_or(arrival.ms());
            readings.extend(meaning.read(metric, limits)?.map(|reading| (at_ms, reading)));
        }
        readings.sort_by_key(|&(at_ms, _)| at_ms);
        let connector = if topic.device.is_empty() { NODE_CONNECTOR } else { topic.device };
        let is_new = !node.connectors.contains_key(connector);
        if !readings.is_empty() && is_new && node.connectors.len() >= limits.connectors_max {
            return Err(Reject::field(Reason::TooManyParts, "connector"));
        }
        node.take_birth(topic, payload, &bound);
        if topic.kind == Kind::NodeBirth {
            sink(topic.key, Observation::StationOnline);
        }
        if !readings.is_empty() {
            let memory = node.connector(connector);
            if is_birth {
                memory.forget_told();
            }
            tell(memory, &readings, topic.key, connector, sink);
        }
        Ok(())
    }

    /// The will of a node is written when it connects, so that its time is that of the birth; its arrival counts.
    fn node_death(
        &mut self,
        topic: &Topic<'_>,
        payload: &Payload<'_>,
        retained: bool,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let node = self.node(topic.key)?;
        // The will of an earlier connection says nothing about this one.
        if let (Some(born), Some(died)) = (node.bd_seq, bd_seq(payload))
            && born != died
        {
            return Ok(());
        }
        node.births.clear();
        node.seq = None;
        node.connectors.values_mut().for_each(ConnectorMemory::forget_told);
        sink(topic.key, Observation::StationOffline { at: None, retained });
        Ok(())
    }

    fn device_death(
        &mut self,
        topic: &Topic<'_>,
        payload: &Payload<'_>,
        arrival: ArrivalTime,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let at_ms = payload.timestamp.map(in_range).transpose()?.unwrap_or(arrival.ms());
        let node = self.node(topic.key)?;
        node.take_seq(topic.kind, payload.seq);
        node.forget(topic.device);
        if node.connectors.len() >= limits.connectors_max && !node.connectors.contains_key(topic.device) {
            return Err(Reject::field(Reason::TooManyParts, "connector"));
        }
        let memory = node.connector(topic.device);
        memory.forget_told();
        let sample = Sample {
            at: EventTime::from_ms(at_ms),
            status: Some(Status::Offline),
            power_w: None,
            import_j: None,
            export_j: None,
            demand_w: None,
            vitals: Vitals::default(),
            session: None,
        };
        sink(topic.key, Observation::Sample { connector: topic.device, sample });
        Ok(())
    }

    /// What is remembered of a node, which is then taken to change.
    fn node(&mut self, key: StationKey<'_>) -> Result<&mut Node, Reject> {
        let StationKey { operator, station } = key;
        if !self.memory.get(operator).is_some_and(|nodes| nodes.contains_key(station)) {
            if self.nodes >= STATIONS_MAX {
                return Err(Reject::whole(Reason::TooManyStations));
            }
            self.nodes += 1;
            self.memory.entry(operator.into()).or_default().insert(station.into(), Node::default());
        }
        let node = self.memory.get_mut(operator).and_then(|nodes| nodes.get_mut(station));
        let node = node.expect("a node that is not known was made above");
        if !node.is_dirty {
            node.is_dirty = true;
            self.dirty.push((operator.into(), station.into()));
        }
        Ok(node)
    }

    /// See [`super::Dialect::take_requests`].
    pub fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// See [`super::Dialect::changed_memory`].
    pub fn changed_memory(&mut self, sink: &mut impl FnMut(StationKey<'_>, &[u8])) {
        for (operator, station) in std::mem::take(&mut self.dirty) {
            let node = self.memory.get_mut(&operator).and_then(|nodes| nodes.get_mut(&station));
            if let Some(node) = node {
                node.is_dirty = false;
                let mut packed = vec![VERSION];
                node.pack(&mut packed);
                sink(StationKey { operator: &operator, station: &station }, &packed);
            }
        }
    }

    /// See [`super::Dialect::restore_memory`].
    ///
    /// # Errors
    /// [`Damaged`] where the bytes are none that it gives.
    pub fn restore_memory(&mut self, key: StationKey<'_>, packed: &[u8]) -> Result<(), Damaged> {
        let mut reader = Reader::of_version(packed, VERSION)?;
        let node = Node::unpack(&mut reader)?;
        reader.finish()?;
        let nodes = self.memory.entry(key.operator.into()).or_default();
        if nodes.insert(key.station.into(), node).is_none() {
            self.nodes += 1;
        }
        Ok(())
    }
}

impl Node {
    /// What is remembered of a connector.
    fn connector(&mut self, id: &str) -> &mut ConnectorMemory {
        if !self.connectors.contains_key(id) {
            self.connectors.insert(id.into(), ConnectorMemory::default());
        }
        self.connectors.get_mut(id).expect("a connector that is not known was made above")
    }

    /// Takes what a birth binds; data bind nothing.
    fn take_birth(&mut self, topic: &Topic<'_>, payload: &Payload<'_>, bound: &[(Option<u64>, &str, Meaning)]) {
        match topic.kind {
            Kind::NodeBirth => {
                self.births.clear();
                self.bd_seq = bd_seq(payload);
            }
            Kind::DeviceBirth => self.forget(topic.device),
            _ => return,
        }
        let room = |counted: fn(&Birth) -> usize| ALIASES_MAX.saturating_sub(self.births.values().map(counted).sum());
        let (aliases_max, names_max) = (room(|birth| birth.aliases.len()), room(|birth| birth.names.len()));
        let mut birth = Birth::default();
        for &(alias, name, meaning) in bound {
            if let Some(alias) = alias.filter(|_| birth.aliases.len() < aliases_max) {
                birth.aliases.insert(alias, meaning);
            }
            if meaning != Meaning::Nothing && birth.names.len() < names_max {
                birth.names.insert(name.into(), meaning);
            }
        }
        if birth != Birth::default() {
            self.births.insert(topic.device.into(), birth);
        }
    }

    /// Forgets what a device's birth bound.
    fn forget(&mut self, device: &str) {
        self.births.remove(device);
    }

    /// Takes a sequence number: whether one before it is missing.
    fn take_seq(&mut self, kind: Kind, seq: Option<u64>) -> bool {
        let Some(seq) = seq.and_then(|seq| u8::try_from(seq).ok()) else { return false };
        let expected = self.seq.map(|last| last.wrapping_add(1));
        self.seq = Some(seq);
        kind != Kind::NodeBirth && expected != Some(seq)
    }
}

/// Remembers readings in the order of their times, and tells what follows from those of each.
fn tell(
    memory: &mut ConnectorMemory,
    readings: &[(i64, Reading<'_>)],
    key: StationKey<'_>,
    connector: &str,
    sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
) {
    for group in readings.chunk_by(|(one, _), (other, _)| one == other) {
        let Some(&(at_ms, _)) = group.first() else { continue };
        let is_newest = memory.advance(at_ms);
        let mut stray = None;
        let target = if is_newest { &mut *memory } else { stray.insert(ConnectorMemory::default()) };
        group.iter().for_each(|(_, reading)| reading.remember(target));
        if let Some(sample) = target.sample(at_ms, false) {
            sink(key, Observation::Sample { connector, sample });
        }
        if is_newest {
            for alarm in target.alarms(at_ms) {
                sink(key, Observation::Alarm { connector: Some(connector), alarm });
            }
        }
    }
}

fn bd_seq(payload: &Payload<'_>) -> Option<u64> {
    let metric = payload.metrics.iter().find(|metric: &&Metric<'_>| metric.name == Some("bdSeq"))?;
    match metric.value {
        Value::Int(value) => Some(u64::from(value)),
        Value::Long(value) => Some(value),
        _ => None,
    }
}

fn in_range(ms: u64) -> Result<i64, Reject> {
    let out_of_range = Reject::field(Reason::OutOfRange, "timestamp");
    if TIME_MS.contains(&ms) { i64::try_from(ms).map_err(|_| out_of_range) } else { Err(out_of_range) }
}

impl Pack for Node {
    fn pack(&self, out: &mut Vec<u8>) {
        self.connectors.pack(out);
        self.births.pack(out);
        self.bd_seq.pack(out);
        self.seq.pack(out);
        self.asked_ms.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            connectors: Pack::unpack(reader)?,
            births: Pack::unpack(reader)?,
            bd_seq: Pack::unpack(reader)?,
            seq: Pack::unpack(reader)?,
            asked_ms: Pack::unpack(reader)?,
            is_dirty: false,
        })
    }
}

impl Pack for Birth {
    fn pack(&self, out: &mut Vec<u8>) {
        self.aliases.pack(out);
        self.names.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self { aliases: Pack::unpack(reader)?, names: Pack::unpack(reader)? })
    }
}
