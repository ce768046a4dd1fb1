//! T/CEC 102 (中电联) and its supervision extension over MQTT: the standard's JSON objects, bare or in a wrapper that
//! gives them a time. Energy is said by session and told as a register; a connector's station is remembered where topics
//! do not name it. Must never read, keep or show what a person could be known by.

pub mod codes;
mod event;
mod info;
mod record;
mod statuses;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use chargetally_core::observation::{Observation, Sample, StationKey};
use chargetally_core::pack::Damaged;
use chargetally_core::state::Status;
use chargetally_core::time::{ArrivalTime, EventTime};
use chargetally_core::unit::rounded;

use self::codes::{Codes, status};
use self::info::InfoRecord;
use self::record::{Wrapped, time};
use self::statuses::{StatusRecord, StatusesRecord};
use super::json::{Record, object, object_into};
use super::lenient::Zone;
use super::mapping::template::{Part, Template};
use super::stations::Stations;
use super::{Limits, Reason, Reject, privacy};
use crate::topic::{TopicError, check_id};

/// Members whose values may be shown where a message is refused.
const SHOWN: [&str; 44] = [
    "ts",
    "seq",
    "Ret",
    "StationID",
    "OperatorID",
    "EquipmentID",
    "ConnectorID",
    "StartChargeSeq",
    "StartChargeSeqStat",
    "ConnectorStatus",
    "Status",
    "ParkStatus",
    "LockStatus",
    "StartTime",
    "EndTime",
    "TotalPower",
    "CurrentA",
    "CurrentB",
    "CurrentC",
    "VoltageA",
    "VoltageB",
    "VoltageC",
    "Soc",
    "SOC",
    "SumPeriod",
    "DetailPower",
    "DetailStartTime",
    "DetailEndTime",
    "StopReason",
    "ConfirmResult",
    "AreaCode",
    "AreaCodeCountryside",
    "StationType",
    "StationStatus",
    "Construction",
    "EquipmentType",
    "ConnectorType",
    "Power",
    "AlarmStatus",
    "AlarmCode",
    "AlarmType",
    "AlarmLevel",
    "AlarmTime",
    "TotalElecMoney",
];

/// What a source of this dialect is told by the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What stands before the last level of its topics; a topic has one of these forms.
    pub prefixes: Vec<Template>,
    /// Who runs stations whose topics do not say it.
    pub operator: Option<Box<str>>,
    /// The station whose topics do not say it.
    pub station: Option<Box<str>>,
    /// The zone of times without an offset.
    pub zone: Zone,
    /// What numbers mean.
    pub codes: Codes,
}

/// T/CEC 102 at work.
#[derive(Clone, Debug)]
pub struct Cec102 {
    spec: Arc<Spec>,
    stations: Stations,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Info,
    Status,
    Charge,
    Start,
    Order,
    Alarm,
    Bms,
    Discharge,
}

#[derive(Clone, Copy)]
struct Topic<'t> {
    operator: &'t str,
    station: Option<&'t str>,
    kind: Kind,
}

/// What a message is taken in with.
struct Teller<'d> {
    spec: &'d Spec,
    stations: &'d mut Stations,
}

/// When a message came, and whether the broker replayed it.
#[derive(Clone, Copy)]
struct Came {
    arrival: ArrivalTime,
    retained: bool,
}

impl Came {
    /// The time of something that states none: its arrival, or none where it was replayed.
    fn when(self, stated: Option<EventTime>) -> Option<EventTime> {
        stated.or((!self.retained).then_some(EventTime::from_ms(self.arrival.ms())))
    }
}

impl Kind {
    /// By the last level of a topic: a short word, or the standard's name of the interface.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "info" | "query_stations_info" | "notification_stationInfo" => Self::Info,
            "status" | "notification_stationStatus" | "query_station_status" => Self::Status,
            "charge" | "notification_equip_charge_status" | "query_equip_charge_status" => Self::Charge,
            "start" | "notification_start_charge_result" => Self::Start,
            "order" | "notification_charge_order_info" => Self::Order,
            "alarm" | "alarmInfo" | "notification_alarmInfo" => Self::Alarm,
            "bms" | "bmsInfo" | "notification_bmsInfo" => Self::Bms,
            "discharge" | "query_station_discharge_stats" | "notification_station_discharge_stats" => Self::Discharge,
            _ => return None,
        })
    }
}

impl Spec {
    fn parse<'a>(&'a self, topic: &'a str) -> Option<Topic<'a>> {
        let slash = topic.bytes().rposition(|byte| byte == b'/')?;
        let (head, last) = (&topic[..slash], &topic[slash + 1..]);
        let kind = Kind::of(last)?;
        let parts = self.prefixes.iter().find_map(|prefix| prefix.matches(head))?;
        let operator = parts.operator.or(self.operator.as_deref())?;
        Some(Topic { operator, station: parts.station.or(self.station.as_deref()), kind })
    }
}

impl Cec102 {
    /// The dialect as the settings want it, which has seen nothing yet.
    #[must_use]
    pub fn new(spec: Arc<Spec>) -> Self {
        Self { spec, stations: Stations::default() }
    }

    /// Whether a topic is one of its own.
    #[must_use]
    pub fn owns(&self, topic: &str) -> bool {
        self.spec.parse(topic).is_some()
    }

    /// The station that a topic names; where it names none, its operator with an empty station.
    #[must_use]
    pub fn station_of<'a>(&'a self, topic: &'a str, limits: &Limits) -> Option<StationKey<'a>> {
        let Topic { operator, station, .. } = self.spec.parse(topic)?;
        check_ids(operator, station, limits).ok()?;
        Some(StationKey { operator, station: station.unwrap_or_default() })
    }

    /// Whether some of its topics name no station, so that all of an operator's have to be read together.
    #[must_use]
    pub fn speaks_of_operators(&self) -> bool {
        let names_station = |prefix: &Template| prefix.parts().any(|part| part == Part::Station);
        self.spec.station.is_none() && !self.spec.prefixes.iter().all(names_station)
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
        let Self { spec, stations } = self;
        let topic = spec.parse(topic).ok_or(Reject::whole(Reason::BadTopic))?;
        check_ids(topic.operator, topic.station, limits)?;
        if payload.len() > limits.payload_bytes_max {
            return Err(Reject::whole(Reason::TooLarge));
        }
        let text = std::str::from_utf8(payload).map_err(|_| Reject::whole(Reason::NotUtf8))?;
        if text.is_empty() {
            // Whoever clears what the broker retained withdraws a registration; of the rest nothing follows.
            if let (Kind::Info, Some(station)) = (topic.kind, topic.station) {
                sink(StationKey { operator: topic.operator, station }, Observation::Deregistration { at: None });
            }
            return Ok(());
        }
        let (came, mut teller) = (Came { arrival, retained }, Teller { spec, stations });
        match topic.kind {
            Kind::Info => teller.info(topic, read(text, limits)?, limits, sink),
            Kind::Status if text.trim_ascii_start().as_bytes().first() != Some(&b'{') => {
                teller.reachable(topic, text, retained, sink)
            }
            Kind::Status => {
                let mut message = Wrapped::default();
                object_into(&mut message, text, limits)?;
                teller.statuses(topic, came, &message, limits, sink)
            }
            Kind::Charge | Kind::Start => {
                let mut message = Wrapped::default();
                object_into(&mut message, text, limits)?;
                teller.charge(topic, came, &message, limits, sink)
            }
            Kind::Order => teller.order(topic, came, &read(text, limits)?, limits, sink),
            Kind::Alarm | Kind::Bms => teller.alarms(topic, came, read(text, limits)?, limits, sink),
            Kind::Discharge => teller.discharge(topic, came, &read(text, limits)?, limits, sink),
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

impl Teller<'_> {
    fn info(
        &mut self,
        topic: Topic<'_>,
        message: Wrapped<'_, InfoRecord<'_>>,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let at = time(message.at, "ts", &self.spec.zone)?;
        let mut registrations = Vec::new();
        for station in message.inner.stations() {
            if station.operator.as_ref().is_some_and(|operator| *operator != *topic.operator) {
                return Err(Reject::field(Reason::IdentityMismatch, "OperatorID"));
            }
            let named = station.station.clone().ok_or(Reject::field(Reason::MissingField, "StationID"))?;
            if topic.station.is_some_and(|station| *station != *named) {
                return Err(Reject::field(Reason::IdentityMismatch, "StationID"));
            }
            let registration = station.registration(at, topic.operator, &self.spec.codes, limits)?;
            registrations.push((named, registration));
        }
        for (station, registration) in &registrations {
            let pieces = registration.equipment.iter();
            let ids: Vec<&str> = pieces.flat_map(|piece| &piece.connectors).map(|connector| &*connector.id).collect();
            self.stations.register(StationKey { operator: topic.operator, station }, &ids, limits)?;
        }
        for (station, registration) in registrations {
            sink(StationKey { operator: topic.operator, station: &station }, Observation::Registration(registration));
        }
        Ok(())
    }

    /// A last will or a word of a gateway: about the station that the topic names, or about all that are known.
    fn reachable(
        &self,
        topic: Topic<'_>,
        text: &str,
        retained: bool,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let word = text.trim_ascii();
        let word = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(word);
        let observation = match word {
            "online" => Observation::StationOnline,
            "offline" => Observation::StationOffline { at: None, retained },
            _ if word.starts_with('[') => return Err(Reject::whole(Reason::WrongType)),
            _ => return Err(Reject::whole(Reason::UnknownValue)),
        };
        let operator = topic.operator;
        match topic.station {
            Some(station) => sink(StationKey { operator, station }, observation),
            None => {
                for station in self.stations.of_operator(operator) {
                    sink(StationKey { operator, station }, observation.clone());
                }
            }
        }
        Ok(())
    }

    fn statuses(
        &mut self,
        topic: Topic<'_>,
        came: Came,
        message: &Wrapped<'_, StatusesRecord<'_>>,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let stated = time(message.at, "ts", &self.spec.zone)?;
        let (station, items) = (&message.inner.station, message.inner.items());
        if items.is_empty() {
            return Err(Reject::field(Reason::MissingField, "ConnectorStatusInfo"));
        }
        if let [item] = items {
            let (station, connector, status) = self.told_of(topic, station.as_deref(), item)?;
            let key = StationKey { operator: topic.operator, station: &station };
            return self.status(key, connector, status, item, stated, came, limits, sink);
        }
        // There has to be room for all of them before the first is told.
        let mut read = Vec::with_capacity(items.len());
        for item in items {
            let (station, connector, status) = self.told_of(topic, station.as_deref(), item)?;
            self.stations.connector(StationKey { operator: topic.operator, station: &station }, connector, limits)?;
            read.push((station, connector, status, item));
        }
        for (station, connector, status, item) in read {
            let key = StationKey { operator: topic.operator, station: &station };
            self.status(key, connector, status, item, stated, came, limits, sink)?;
        }
        Ok(())
    }

    /// The station and the connector that a status is about, and what it is.
    fn told_of<'t, 'i>(
        &self,
        topic: Topic<'t>,
        station: Option<&str>,
        item: &'i StatusRecord<'_>,
    ) -> Result<(Cow<'t, str>, &'i str, Status), Reject> {
        let connector = item.connector.as_deref().ok_or(Reject::field(Reason::MissingField, "ConnectorID"))?;
        let code = item.status.ok_or(Reject::field(Reason::MissingField, "Status"))?;
        let status = status(code).ok_or(Reject::field(Reason::UnknownValue, "Status"))?;
        let named = item.station.as_deref().or(station);
        Ok((self.station_for(topic, named, Some(connector))?, connector, status))
    }

    #[expect(clippy::too_many_arguments, reason = "a status is told with everything that is known about it")]
    fn status(
        &mut self,
        key: StationKey<'_>,
        connector: &str,
        status: Status,
        item: &StatusRecord<'_>,
        stated: Option<EventTime>,
        came: Came,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let memory = self.stations.connector(key, connector, limits)?;
        let Some(at) = came.when(stated) else {
            // Replayed without a time: it says what the status was, and nothing about when.
            memory.status = memory.status.or(Some(status));
            return Ok(());
        };
        let repeated = memory.status_at.filter(|&(stated_ms, _)| stated.is_some() && stated_ms == at.ms());
        let told_ms = match repeated {
            Some((_, told_ms)) if memory.status == Some(status) => told_ms,
            _ => memory.meter.place(at.ms(), came.arrival.ms()),
        };
        memory.status_at = stated.map(|at| (at.ms(), told_ms));
        memory.status = Some(status);
        let is_charging = status == Status::Charging;
        let at_rest = !is_charging && status != Status::Offline;
        let sample = Sample {
            at: EventTime::from_ms(told_ms),
            status: Some(status),
            power_w: item.watts().filter(|_| is_charging).and_then(rounded),
            import_j: memory.meter.register_at_rest().filter(|_| at_rest),
            export_j: item.discharged_j.map(|counter_j| memory.export.read(counter_j)),
            demand_w: None,
            vitals: item.vitals(),
            session: memory.meter.open_session().filter(|_| is_charging),
        };
        sink(key, Observation::Sample { connector, sample });
        Ok(())
    }

    /// The station that a message speaks of: topic and payload must agree, and where neither names one, the connector
    /// has to be known.
    fn station_for<'t>(
        &self,
        topic: Topic<'t>,
        named: Option<&str>,
        connector: Option<&str>,
    ) -> Result<Cow<'t, str>, Reject> {
        match (topic.station, named) {
            (Some(station), Some(named)) if station != named => {
                Err(Reject::field(Reason::IdentityMismatch, "StationID"))
            }
            (Some(station), _) => Ok(Cow::Borrowed(station)),
            (None, Some(named)) => Ok(Cow::Owned(named.to_owned())),
            (None, None) => {
                let known = connector.and_then(|connector| self.stations.station_of(topic.operator, connector));
                known
                    .map(|station| Cow::Owned(station.to_owned()))
                    .ok_or(Reject::field(Reason::UnknownStation, "ConnectorID"))
            }
        }
    }
}

fn read<'a, R: Record<'a>>(text: &'a str, limits: &Limits) -> Result<Wrapped<'a, R>, Reject> {
    object(text, limits)
}

fn check_ids(operator: &str, station: Option<&str>, limits: &Limits) -> Result<(), Reject> {
    for id in [Some(operator), station].into_iter().flatten() {
        check_id(id, limits.id_bytes_max).map_err(|error| {
            Reject::whole(match error {
                TopicError::Form => Reason::BadId,
                TopicError::IdTooLong => Reason::IdTooLong,
            })
        })?;
    }
    Ok(())
}
