//! The JSON that proxies of YKC (云快充) make of its frames, one topic a frame: real time data 0x13, transaction record 0x3B,
//! the answer to a remote start 0x33, and signs of life. A pile is a station, its guns are the connectors. Energy is said
//! by transaction and told as a register. Must never read the vehicle's number or the card's.

pub mod codes;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use chargetally_core::observation::{
    AlarmReport, Observation, Sample, SessionEvent, SessionStep, SessionStop, StationKey, Vitals,
};
use chargetally_core::pack::Damaged;
use chargetally_core::state::Status;
use chargetally_core::time::{ArrivalTime, EventTime};

use self::codes::{FAULT_CODES, fault, is_failed_start, stop_reason};
use self::record::FrameRecord;
use super::json::object;
use super::lenient::Zone;
use super::mapping::register::Register;
use super::mapping::template::{Part, Template};
use super::meter::{SessionReading, Told};
use super::stations::{Alarms, Connector, Stations};
use super::{Limits, Reason, Reject, privacy};
use crate::topic::{TopicError, check_id};

/// Members whose values may be shown where a message is refused.
const SHOWN: [&str; 26] = [
    "ts",
    "tradeSeq",
    "id",
    "gunId",
    "gun",
    "status",
    "gunStatus",
    "reset",
    "plugged",
    "ov",
    "oc",
    "lineTemp",
    "soc",
    "bpTopTemp",
    "accumulatedChargingTime",
    "remainingTime",
    "chargingDegrees",
    "lossyChargingDegrees",
    "hardwareFailure",
    "startAt",
    "endAt",
    "totalElectricCharge",
    "lossyTotalElectricCharge",
    "stopReason",
    "result",
    "reason",
];

/// What a transaction takes before its record alone says that it started, J: 0.1 kWh (domain C8).
const STARTED_J_MIN: i64 = 360_000;
const MINUTE_MS: i64 = 60_000;

/// What a source of this dialect is told by the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What stands before the frame, the last level of its topics.
    pub prefixes: Vec<Template>,
    /// Who runs piles whose topics do not say it.
    pub operator: Box<str>,
    /// The zone of times without an offset.
    pub zone: Zone,
}

/// YKC at work.
#[derive(Clone, Debug)]
pub struct Ykc {
    spec: Arc<Spec>,
    stations: Stations,
    register: Option<Arc<Register>>,
    /// Places in the register of the stations that were heard of.
    heard_of: BTreeSet<usize>,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// Login, heartbeat and whatever else says only that the pile lives.
    Life,
    RealTime,
    StartAnswer,
    Transaction,
}

#[derive(Clone, Copy)]
struct Topic<'t> {
    operator: &'t str,
    station: Option<&'t str>,
    connector: Option<&'t str>,
    frame: Frame,
}

impl Frame {
    fn of(name: &str) -> Option<Self> {
        let name = name.strip_prefix("0x").unwrap_or(name);
        Some(match name {
            "01" | "1" | "03" | "3" | "05" | "5" | "35" | "91" => Self::Life,
            "13" => Self::RealTime,
            "33" => Self::StartAnswer,
            "3B" | "3b" => Self::Transaction,
            _ => return None,
        })
    }
}

impl Spec {
    fn parse<'a>(&'a self, topic: &'a str) -> Option<Topic<'a>> {
        let slash = topic.bytes().rposition(|byte| byte == b'/')?;
        let (head, last) = (&topic[..slash], &topic[slash + 1..]);
        let frame = Frame::of(last)?;
        let parts = self.prefixes.iter().find_map(|prefix| prefix.matches(head))?;
        let operator = parts.operator.unwrap_or(&self.operator);
        Some(Topic { operator, station: parts.station, connector: parts.connector.map(gun), frame })
    }
}

/// A gun's number: proxies write it with and without a zero before it.
fn gun(number: &str) -> &str {
    match number.trim_start_matches('0') {
        "" => number,
        trimmed => trimmed,
    }
}

impl Ykc {
    /// The dialect as the settings want it, which has seen nothing yet.
    #[must_use]
    pub fn new(spec: Arc<Spec>) -> Self {
        Self { spec, stations: Stations::default(), register: None, heard_of: BTreeSet::new() }
    }

    /// The same, which registers each station of the register when it first hears of it.
    #[must_use]
    pub fn with_register(self, register: Arc<Register>) -> Self {
        Self { register: Some(register), ..self }
    }

    /// Whether a topic is one of its own.
    #[must_use]
    pub fn owns(&self, topic: &str) -> bool {
        self.spec.parse(topic).is_some()
    }

    /// The pile that a topic names; where it names none, its operator with an empty station.
    #[must_use]
    pub fn station_of<'a>(&'a self, topic: &'a str, limits: &Limits) -> Option<StationKey<'a>> {
        let Topic { operator, station, .. } = self.spec.parse(topic)?;
        for id in [Some(operator), station].into_iter().flatten() {
            check_id(id, limits.id_bytes_max).ok()?;
        }
        Some(StationKey { operator, station: station.unwrap_or_default() })
    }

    /// Whether some of its topics name no station.
    #[must_use]
    pub fn speaks_of_operators(&self) -> bool {
        !self.spec.prefixes.iter().all(|prefix| prefix.parts().any(|part| part == Part::Station))
    }

    /// The filters that match its topics.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        self.spec.prefixes.iter().map(|prefix| format!("{}/+", prefix.filter())).collect()
    }

    /// What of a payload may be shown.
    #[must_use]
    pub fn shown(payload: &[u8], bytes_max: usize) -> Vec<u8> {
        privacy::blanked(payload, &SHOWN, bytes_max)
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
        let Self { spec, stations, register, heard_of } = self;
        let topic = spec.parse(topic).ok_or(Reject::whole(Reason::BadTopic))?;
        if payload.len() > limits.payload_bytes_max {
            return Err(Reject::whole(Reason::TooLarge));
        }
        let text = std::str::from_utf8(payload).map_err(|_| Reject::whole(Reason::NotUtf8))?;
        if text.is_empty() {
            return Ok(());
        }
        let record: FrameRecord<'_> = object(text, limits)?;
        let (station, connector) = whom(topic, &record, limits)?;
        let key = StationKey { operator: topic.operator, station };
        let stated = record.at.map_or(Ok(None), |at| spec.zone.time(at, "ts"))?;
        let arrived = (!retained).then_some(EventTime::from_ms(arrival.ms()));
        let now = stated.or(arrived);
        let spoken = if topic.frame == Frame::Life {
            None
        } else {
            let connector = connector.ok_or(Reject::field(Reason::MissingField, "gunId"))?;
            Some((connector, stations.connector(key, connector, limits)?))
        };
        if let Some((place, registration)) = register.as_ref().and_then(|register| register.station(key))
            && heard_of.insert(place)
        {
            sink(key, Observation::Registration(registration.clone()));
        }
        let Some((connector, memory)) = spoken else {
            if now.is_some() {
                sink(key, Observation::StationOnline);
            }
            return Ok(());
        };
        let teller = Teller { key, connector, memory, record: &record, now, arrival };
        match topic.frame {
            Frame::Life => Ok(()),
            Frame::RealTime => teller.real_time(sink),
            Frame::StartAnswer => start_answer(key, connector, &record, now, sink),
            Frame::Transaction => teller.transaction(&spec.zone, sink),
        }
    }

    /// See [`super::Dialect::changed_memory`].
    pub fn changed_memory(&mut self, sink: &mut impl FnMut(StationKey<'_>, &[u8])) {
        self.stations.changed_memory(sink);
    }

    /// See [`super::Dialect::restore_memory`].
    ///
    /// # Errors
    /// [`Damaged`] where the bytes are none that it gives.
    pub fn restore_memory(&mut self, key: StationKey<'_>, packed: &[u8]) -> Result<(), Damaged> {
        self.stations.restore_memory(key, packed)
    }
}

/// What a frame is told with.
struct Teller<'m> {
    key: StationKey<'m>,
    connector: &'m str,
    memory: &'m mut Connector,
    record: &'m FrameRecord<'m>,
    /// When it was made, or came; `None` where neither is known.
    now: Option<EventTime>,
    arrival: ArrivalTime,
}

impl Teller<'_> {
    fn real_time(self, sink: &mut impl FnMut(StationKey<'_>, Observation<'_>)) -> Result<(), Reject> {
        let Self { key, connector, memory, record, now, arrival } = self;
        let status = match record.status.ok_or(Reject::field(Reason::MissingField, "status"))? {
            0 => Status::Offline,
            1 => Status::Faulted,
            2 if record.plugged == Some(1) => Status::Occupied,
            2 => Status::Available,
            3 => Status::Charging,
            _ => return Err(Reject::field(Reason::UnknownValue, "status")),
        };
        let Some(now) = now else {
            // Replayed without a time: it says what was, and nothing about when.
            memory.status = memory.status.or(Some(status));
            return Ok(());
        };
        memory.status = Some(status);
        let is_charging = status == Status::Charging;
        let session = record.trade.as_deref().filter(|_| is_charging);
        let empty = Told { at_ms: 0, register_j: None, opening: None, is_news: true };
        let told = if let Some(session) = session {
            // Minutes are full ones: it began up to one before that.
            let began_ms = record.minutes.map(|minutes| now.ms() - minutes * MINUTE_MS - MINUTE_MS / 2);
            let reading =
                SessionReading { session, began_ms, at_ms: now.ms(), energy_j: record.energy_j, is_final: false };
            memory.meter.read(&reading, arrival.ms())
        } else {
            let at_ms = memory.meter.place(now.ms(), arrival.ms());
            let register_j = memory.meter.register_at_rest().filter(|_| status != Status::Offline);
            Told { at_ms, register_j, ..empty }
        };
        if let (Some((at_ms, register_j)), Some(_)) = (told.opening, session) {
            let sample = Sample { session, ..sample(at_ms, status, Some(register_j)) };
            sink(key, Observation::Sample { connector, sample });
        }
        if let Some(session) = session
            && memory.meter.start(session)
        {
            let at = EventTime::from_ms(now.ms() - record.minutes.unwrap_or(0) * MINUTE_MS);
            let event = SessionEvent { at, session, step: SessionStep::Start };
            sink(key, Observation::Session { connector, event });
        }
        if told.is_news {
            let vitals = record.vitals;
            let power_w = vitals.voltage_mv.zip(vitals.current_ma).map(|(mv, ma)| (mv / 100) * (ma / 100) / 100);
            // Without a vehicle the fields of battery and output hold nothing.
            let at_rest = Vitals { connector_temp_mc: vitals.connector_temp_mc, ..Vitals::default() };
            let sample = Sample {
                power_w: power_w.filter(|_| is_charging),
                vitals: if is_charging { vitals } else { at_rest },
                session,
                ..sample(told.at_ms, status, told.register_j)
            };
            sink(key, Observation::Sample { connector, sample });
        }
        if let Some(faults) = record.faults.filter(|&faults| faults != 0 || !memory.alarms.is_empty()) {
            tell_faults(&mut memory.alarms, faults, EventTime::from_ms(told.at_ms), key, connector, sink);
        }
        Ok(())
    }

    fn transaction(self, zone: &Zone, sink: &mut impl FnMut(StationKey<'_>, Observation<'_>)) -> Result<(), Reject> {
        let Self { key, connector, memory, record, now, arrival } = self;
        let session = record.trade.as_deref().ok_or(Reject::field(Reason::MissingField, "tradeSeq"))?;
        let began = record.began.map_or(Ok(None), |began| zone.time(began, "startAt"))?;
        let ended = record.ended.map_or(Ok(None), |ended| zone.time(ended, "endAt"))?;
        let Some(at) = ended.or(now) else { return Ok(()) };
        let code = record.stop_reason;
        let stop = SessionStop {
            reason: code.map(stop_reason),
            energy_j: record.energy_j,
            billed_j: Some(record.parts_j).filter(|&parts_j| parts_j > 0),
            ..SessionStop::default()
        };
        let is_known = memory.meter.knows(session);
        let began = began.filter(|&began| began <= at);
        let began_ms = began.map(EventTime::ms);
        let reading = SessionReading { session, began_ms, at_ms: at.ms(), energy_j: record.energy_j, is_final: true };
        let told = memory.meter.read(&reading, arrival.ms());
        if let Some((at_ms, register_j)) = told.opening {
            let sample = Sample { session: Some(session), ..sample(at_ms, Status::Charging, Some(register_j)) };
            sink(key, Observation::Sample { connector, sample });
        }
        let took_energy = record.energy_j.is_some_and(|energy_j| energy_j >= STARTED_J_MIN);
        let has_started = took_energy && !code.is_some_and(is_failed_start);
        if (memory.meter.start(session) || !is_known) && has_started {
            let event = SessionEvent { at: began.unwrap_or(at), session, step: SessionStep::Start };
            sink(key, Observation::Session { connector, event });
        }
        if told.is_news {
            let status = memory.status.filter(|&status| status != Status::Charging);
            let status = if memory.meter.open_session().is_some() { memory.status } else { status };
            let sample = sample(told.at_ms, status.unwrap_or(Status::Occupied), told.register_j);
            sink(key, Observation::Sample { connector, sample });
        }
        let event = SessionEvent { at, session, step: SessionStep::Stop(stop) };
        sink(key, Observation::Session { connector, event });
        Ok(())
    }
}

/// The pile and the gun that a message speaks of: topic and payload must agree.
fn whom<'r>(
    topic: Topic<'r>,
    record: &'r FrameRecord<'_>,
    limits: &Limits,
) -> Result<(&'r str, Option<&'r str>), Reject> {
    let station = match (topic.station, record.station.as_deref()) {
        (Some(station), Some(named)) if station != named => {
            return Err(Reject::field(Reason::IdentityMismatch, "id"));
        }
        (named, other) => named.or(other).ok_or(Reject::field(Reason::MissingField, "id"))?,
    };
    let connector = match (topic.connector, record.connector.as_deref().map(gun)) {
        (Some(connector), Some(named)) if connector != named => {
            return Err(Reject::field(Reason::IdentityMismatch, "gunId"));
        }
        (named, other) => named.or(other),
    };
    for id in [Some(topic.operator), Some(station), connector].into_iter().flatten() {
        check_id(id, limits.id_bytes_max).map_err(|error| {
            Reject::whole(match error {
                TopicError::Form => Reason::BadId,
                TopicError::IdTooLong => Reason::IdTooLong,
            })
        })?;
    }
    Ok((station, connector))
}

/// Somebody asked for energy, and the pile said whether it will give it.
fn start_answer(
    key: StationKey<'_>,
    connector: &str,
    record: &FrameRecord<'_>,
    now: Option<EventTime>,
    sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
) -> Result<(), Reject> {
    let session = record.trade.as_deref().ok_or(Reject::field(Reason::MissingField, "tradeSeq"))?;
    let result = record.result.ok_or(Reject::field(Reason::MissingField, "result"))?;
    let Some(at) = now else { return Ok(()) };
    let event = SessionEvent { at, session, step: SessionStep::Attempt };
    sink(key, Observation::Session { connector, event });
    if !result {
        let stop =
            SessionStop { reason: Some(chargetally_core::observation::StopReason::Other), ..SessionStop::default() };
        let event = SessionEvent { at, session, step: SessionStep::Stop(stop) };
        sink(key, Observation::Session { connector, event });
    }
    Ok(())
}

/// The fault bits that changed since the last message.
fn tell_faults(
    alarms: &mut Alarms,
    faults: i64,
    at: EventTime,
    key: StationKey<'_>,
    connector: &str,
    sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
) {
    if faults == 0 && alarms.is_empty() {
        return;
    }
    for (bit, code) in (1..).zip(FAULT_CODES) {
        let (raised, class) = (faults >> (bit - 1) & 1 == 1, fault(bit));
        if raised != alarms.stands(code) && alarms.take(code, class, raised) {
            let alarm = AlarmReport { at, class, level: None, raised, code: Some(code), value: None, note: None };
            sink(key, Observation::Alarm { connector: Some(connector), alarm });
        }
    }
}

fn sample(at_ms: i64, status: Status, import_j: Option<i64>) -> Sample<'static> {
    Sample {
        at: EventTime::from_ms(at_ms),
        status: Some(status),
        power_w: None,
        import_j,
        export_j: None,
        demand_w: None,
        vitals: Vitals::default(),
        session: None,
    }
}
