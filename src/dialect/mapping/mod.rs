//! Topics and payloads of any form, as a mapping in the settings or a preset describes them: no code for a family of
//! chargers whose messages are single values or plain JSON. A message is read whole before anything of it counts. Must
//! never take a message that the broker replayed, and that states no time, for something that happened now.

mod document;
pub mod memory;
pub mod register;
pub mod scalar;
pub mod spec;
pub mod template;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use chargetally_core::observation::{Observation, StationKey};
use chargetally_core::pack::Damaged;
use chargetally_core::time::{ArrivalTime, EventTime};

use self::document::Document;
use self::memory::{ConnectorMemory, StationMemory};
use self::register::Register;
use self::scalar::Scalar;
use self::spec::{Said, Spec, Target, Topic};
use self::template::{Part, Parts};
use super::remembered::ByStation;
use super::{Limits, Reason, Reject};
use crate::topic::{TopicError, check_id};

/// A mapping at work.
#[derive(Clone, Debug)]
pub struct Mapping {
    spec: Arc<Spec>,
    tells_status: bool,
    memory: ByStation<StationMemory>,
    register: Option<Arc<Register>>,
    /// Places in the register of the stations that were heard of.
    heard_of: BTreeSet<usize>,
}

/// Whom a message speaks of.
#[derive(Clone, Copy)]
struct Whom<'t> {
    key: StationKey<'t>,
    connector: &'t str,
}

/// When a message speaks of.
#[derive(Clone, Copy)]
struct When {
    /// Its own time, or its arrival.
    at_ms: i64,
    stated: Option<EventTime>,
    /// Whether it says something about a moment: not where it was replayed and states none.
    is_dated: bool,
    retained: bool,
}

/// What a message is taken in with.
struct Teller<'d> {
    memory: &'d mut ByStation<StationMemory>,
    /// Whether some field can tell the status.
    tells_status: bool,
}

impl Mapping {
    /// A mapping that has seen nothing yet.
    #[must_use]
    pub fn new(spec: Arc<Spec>) -> Self {
        Self {
            tells_status: spec.tells_status(),
            spec,
            memory: ByStation::default(),
            register: None,
            heard_of: BTreeSet::new(),
        }
    }

    /// The same mapping, which registers each station of the register when it first hears of it.
    #[must_use]
    pub fn with_register(self, register: Arc<Register>) -> Self {
        Self { register: Some(register), ..self }
    }

    /// What it maps.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Whether a topic has one of its forms.
    #[must_use]
    pub fn owns(&self, topic: &str) -> bool {
        self.spec.find(topic).is_some()
    }

    /// The fields that it reads of a topic: where each stands, empty for all of the payload, and what it says.
    pub fn fields_of(&self, topic: &str) -> Vec<(String, &'static str)> {
        let found = self.spec.find(topic);
        let fields = found.iter().flat_map(|(form, _)| &form.fields);
        let place = |field: &spec::Field| field.pointer.as_ref().map(ToString::to_string).unwrap_or_default();
        fields.map(|field| (place(field), field.target.name())).collect()
    }

    /// The station that a topic names, or that the mapping names for it.
    #[must_use]
    pub fn station_of<'a>(&'a self, topic: &'a str, limits: &Limits) -> Option<StationKey<'a>> {
        let (_, parts) = self.spec.find(topic)?;
        whom(&self.spec, &parts, limits).ok().map(|whom| whom.key)
    }

    /// The filters that match its topics.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        let mut filters: Vec<String> = self.spec.topics.iter().map(|topic| topic.template.filter()).collect();
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
        let Self { spec, memory, tells_status, register, heard_of } = self;
        let (form, parts) = spec.find(topic).ok_or(Reject::whole(Reason::BadTopic))?;
        let whom = whom(spec, &parts, limits)?;
        if payload.len() > limits.payload_bytes_max {
            return Err(Reject::whole(Reason::TooLarge));
        }
        let text = std::str::from_utf8(payload).map_err(|_| Reject::whole(Reason::NotUtf8))?;
        let said = read(form, text, limits)?;
        check_identity(&said, &whom)?;
        let stated = said.iter().find_map(|said| match said {
            Said::Time(ms) => Some(EventTime::from_ms(*ms)),
            _ => None,
        });
        let at_ms = stated.map_or(arrival.ms(), EventTime::ms);
        if let Some((place, registration)) = register.as_ref().and_then(|register| register.station(whom.key))
            && heard_of.insert(place)
        {
            sink(whom.key, Observation::Registration(registration.clone()));
        }
        let when = When { at_ms, stated, is_dated: stated.is_some() || !retained, retained };
        let mut teller = Teller { memory, tells_status: *tells_status };
        teller.take(&said, whom, when, limits, sink)
    }

    /// See [`super::Dialect::changed_memory`].
    pub fn changed_memory(&mut self, sink: &mut impl FnMut(StationKey<'_>, &[u8])) {
        self.memory.changed(|key, station| sink(key, &station.packed()));
    }

    /// See [`super::Dialect::restore_memory`].
    ///
    /// # Errors
    /// [`Damaged`] where the bytes are none that it gives.
    pub fn restore_memory(&mut self, key: StationKey<'_>, packed: &[u8]) -> Result<(), Damaged> {
        self.memory.restore(key, StationMemory::unpacked(packed)?);
        Ok(())
    }
}

impl Teller<'_> {
    /// Takes in what a message says, and tells what follows from it.
    fn take(
        &mut self,
        said: &AllSaid<'_>,
        whom: Whom<'_>,
        when: When,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let tells_status = self.tells_status;
        let speaks_of_connector = said.iter().any(is_of_connector);
        if speaks_of_connector {
            let mut stray;
            let memory = self.memory.changing(whom.key)?.connectors.or_new(whom.connector, limits.connectors_max)?;
            let is_newest = when.stated.is_none_or(|at| memory.advance(at.ms()));
            let memory = if is_newest {
                memory
            } else {
                stray = ConnectorMemory::default();
                &mut stray
            };
            said.iter().for_each(|said| remember(memory, said, when.is_dated));
            if when.is_dated {
                if let Some(sample) = memory.sample(when.at_ms, tells_status) {
                    sink(whom.key, Observation::Sample { connector: whom.connector, sample });
                }
                if is_newest {
                    for alarm in memory.alarms(when.at_ms) {
                        sink(whom.key, Observation::Alarm { connector: Some(whom.connector), alarm });
                    }
                }
            }
        }
        for said in said.iter() {
            match said {
                Said::Online(false) => {
                    if let Some(station) = self.memory.find_mut(whom.key) {
                        station.connectors.values_mut().for_each(ConnectorMemory::forget_told);
                    }
                    sink(whom.key, Observation::StationOffline { at: when.stated, retained: when.retained });
                }
                Said::Online(true) | Said::Alive if !when.retained => sink(whom.key, Observation::StationOnline),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Spec {
    /// The form that a topic has, and what it names.
    fn find<'s, 't>(&'s self, topic: &'t str) -> Option<(&'s Topic, Parts<'t>)> {
        self.topics.iter().find_map(|form| Some((form, form.template.matches(topic)?)))
    }
}

fn whom<'a>(spec: &'a Spec, parts: &Parts<'a>, limits: &Limits) -> Result<Whom<'a>, Reject> {
    let station = parts.station.or(spec.station.as_deref()).ok_or(Reject::whole(Reason::BadTopic))?;
    let operator = parts.operator.unwrap_or(&spec.operator);
    let connector = parts.connector.unwrap_or(&spec.connector);
    for id in [operator, station, connector] {
        check_id(id, limits.id_bytes_max).map_err(|error| {
            Reject::whole(match error {
                TopicError::Form => Reason::BadId,
                TopicError::IdTooLong => Reason::IdTooLong,
            })
        })?;
    }
    Ok(Whom { key: StationKey { operator, station }, connector })
}

/// What a message says, in order: mostly one thing.
#[derive(Default)]
struct AllSaid<'a> {
    first: Option<Said<'a>>,
    rest: Vec<Said<'a>>,
}

impl<'a> AllSaid<'a> {
    fn push(&mut self, said: Said<'a>) {
        match self.first {
            None => self.first = Some(said),
            Some(_) => self.rest.push(said),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Said<'a>> {
        self.first.iter().chain(&self.rest)
    }
}

/// Everything that a payload says, or why it cannot be read. An empty payload deletes: it says that there is no value.
fn read<'a>(form: &Topic, text: &'a str, limits: &Limits) -> Result<AllSaid<'a>, Reject> {
    if form.fields.iter().any(|field| field.pointer.is_some()) {
        let mut room = Document::room();
        return read_from(&Document::of(text, &mut room, limits), form, text, limits);
    }
    read_from(&Document::none(), form, text, limits)
}

fn read_from<'a>(
    document: &Document<'a, '_>,
    form: &Topic,
    text: &'a str,
    limits: &Limits,
) -> Result<AllSaid<'a>, Reject> {
    let is_deletion = text.is_empty();
    let mut all = AllSaid::default();
    for field in &form.fields {
        if is_deletion && matches!(field.target, Target::Alive) {
            continue;
        }
        let value = match &field.pointer {
            _ if is_deletion => Scalar::Absent,
            // Where a document leaves a field out, it says nothing about it; a null says that there is no value.
            Some(pointer) => match document.find(pointer, limits)? {
                Some(value) => value,
                None => continue,
            },
            None => scalar::whole(text),
        };
        if let Some(text) = value.text()
            && text.len() > limits.text_bytes_max
        {
            return Err(Reject::field(Reason::TooLongText, field.target.name()));
        }
        if let Some(said) = field.read(value)? {
            all.push(said);
        }
    }
    for said in all.iter() {
        if let Said::Session(Some(id)) = said
            && id.len() > limits.id_bytes_max
        {
            return Err(Reject::field(Reason::IdTooLong, "session"));
        }
    }
    Ok(all)
}

fn check_identity(said: &AllSaid<'_>, whom: &Whom<'_>) -> Result<(), Reject> {
    for said in said.iter() {
        let Said::Identity(part, id) = said else { continue };
        let (named, field) = match part {
            Part::Operator => (whom.key.operator, "operator"),
            Part::Connector => (whom.connector, "connector"),
            Part::Station | Part::Any => (whom.key.station, "station"),
        };
        if *id != named {
            return Err(Reject::field(Reason::IdentityMismatch, field));
        }
    }
    Ok(())
}

const fn is_of_connector(said: &Said<'_>) -> bool {
    matches!(said, Said::Quantity(..) | Said::Status(_) | Said::Flag(..) | Said::Alarm(..) | Said::Session(_))
}

fn remember(memory: &mut ConnectorMemory, said: &Said<'_>, is_dated: bool) {
    match said {
        Said::Quantity(place, value) => memory.set_quantity(*place, *value, is_dated),
        Said::Status(status) => memory.set_status(*status),
        Said::Flag(flag, value) => memory.set_flag(*flag, *value),
        Said::Alarm(class, code) => memory.set_alarm(*class, code),
        Said::Session(id) => memory.set_session(id.as_ref().map(Cow::as_ref)),
        Said::Online(_) | Said::Alive | Said::Time(_) | Said::Identity(..) => {}
    }
}
