//! What happens to sessions, and what alarms, batteries and sums of discharge say. Every message is read whole and its
//! station is known before anything of it is remembered or told.

use chargetally_core::observation::{
    AlarmReport, Observation, Sample, SessionEvent, SessionStep, SessionStop, StationKey, Vitals,
};
use chargetally_core::state::Status;
use chargetally_core::time::EventTime;
use chargetally_core::unit::rounded;

use super::codes::{alarm_level, status};
use super::record::{AlarmRecord, AlarmsRecord, DischargeRecord, SessionRecord, Wrapped, time};
use super::{Came, Spec, Teller, Topic};
use crate::dialect::lenient;
use crate::dialect::meter::{SessionReading, Told};
use crate::dialect::{Limits, Reason, Reject};
use crate::rfc3339;

/// What a session takes before its order alone says that it started, J: 0.1 kWh (domain C8).
const STARTED_J_MIN: i64 = 360_000;
/// A current below this is none, mA (domain 9.14).
const FLOW_MA_MIN: i64 = 500;
const DAY_MS: i64 = 86_400_000;

/// The stages of a session, StartChargeSeqStat.
const STARTING: i64 = 1;
const STARTED: std::ops::RangeInclusive<i64> = 2..=4;

/// Whom and when a message about a session speaks of.
struct Spoken<'a> {
    connector: &'a str,
    session: &'a str,
    began: Option<EventTime>,
    at: EventTime,
}

impl<'a> Spoken<'a> {
    fn of(
        record: &'a SessionRecord<'_>,
        spec: &Spec,
        stated: Option<EventTime>,
        came: Came,
    ) -> Result<Option<Self>, Reject> {
        let missing = |name| Reject::field(Reason::MissingField, name);
        let connector = record.connector.as_deref().ok_or(missing("ConnectorID"))?;
        let session = record.session.as_deref().ok_or(missing("StartChargeSeq"))?;
        let began = time(record.began, "StartTime", &spec.zone)?;
        let ended = time(record.ended, "EndTime", &spec.zone)?;
        let at = came.when(ended.or(stated));
        Ok(at.map(|at| Self { connector, session, began: began.filter(|&began| began <= at), at }))
    }

    const fn reading(&self, energy_j: Option<i64>, is_final: bool) -> SessionReading<'a> {
        let began_ms = match self.began {
            Some(began) => Some(began.ms()),
            None => None,
        };
        SessionReading { session: self.session, began_ms, at_ms: self.at.ms(), energy_j, is_final }
    }

    const fn event(&self, at: EventTime, step: SessionStep) -> SessionEvent<'a> {
        SessionEvent { at, session: self.session, step }
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

impl Teller<'_> {
    pub(super) fn charge(
        &mut self,
        topic: Topic<'_>,
        came: Came,
        message: &Wrapped<'_, SessionRecord<'_>>,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let record = &message.inner;
        let stated = time(message.at, "ts", &self.spec.zone)?;
        let Some(told) = Spoken::of(record, self.spec, stated, came)? else { return Ok(()) };
        let written =
            record.status.map(|code| status(code).ok_or(Reject::field(Reason::UnknownValue, "ConnectorStatus")));
        let written = written.transpose()?;
        let connector = told.connector;
        let station = self.station_for(topic, record.station.as_deref(), Some(connector))?;
        let key = StationKey { operator: topic.operator, station: &station };
        let memory = self.stations.connector(key, connector, limits)?;
        let status = match (written, record.stage) {
            (Some(status), _) => status,
            (None, Some(2 | 3)) => Status::Charging,
            (None, Some(1 | 4)) => Status::Occupied,
            (None, _) => memory.status.unwrap_or(Status::Charging),
        };
        let is_new = !memory.meter.knows(told.session);
        let Told { at_ms, register_j, opening, is_news } =
            memory.meter.read(&told.reading(record.energy_j, false), came.arrival.ms());
        if let Some((at_ms, register_j)) = opening {
            let sample = Sample { session: Some(told.session), ..sample(at_ms, Status::Charging, Some(register_j)) };
            sink(key, Observation::Sample { connector, sample });
        }
        let began = told.began.unwrap_or(told.at);
        if record.stage == Some(STARTING) && is_new {
            sink(key, Observation::Session { connector, event: told.event(began, SessionStep::Attempt) });
        }
        let has_started = record.stage.is_some_and(|stage| STARTED.contains(&stage))
            || (record.stage.is_none() && record.energy_j.is_some_and(|energy_j| energy_j > 0));
        if has_started && memory.meter.start(told.session) {
            sink(key, Observation::Session { connector, event: told.event(began, SessionStep::Start) });
        }
        if is_news {
            // What is older than what is known says nothing about now.
            if register_j.is_some() {
                memory.status = Some(status);
            }
            let is_charging = status == Status::Charging;
            let sample = Sample {
                power_w: record.watts().filter(|_| is_charging).and_then(rounded),
                vitals: record.vitals(),
                session: Some(told.session),
                ..sample(at_ms, status, register_j)
            };
            sink(key, Observation::Sample { connector, sample });
        }
        Ok(())
    }

    pub(super) fn order(
        &mut self,
        topic: Topic<'_>,
        came: Came,
        message: &Wrapped<'_, SessionRecord<'_>>,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let record = &message.inner;
        let stated = time(message.at, "ts", &self.spec.zone)?;
        let Some(told) = Spoken::of(record, self.spec, stated, came)? else { return Ok(()) };
        let stop = SessionStop {
            reason: record.stop_reason.map(|code| self.spec.codes.stop_reason(topic.operator, code)),
            energy_j: record.energy_j,
            billed_j: record.billed_j(limits)?,
            energy_fee_fen: record.energy_fee_fen,
            service_fee_fen: record.service_fee_fen,
            disputed: record.confirm == Some(1),
        };
        let connector = told.connector;
        let station = self.station_for(topic, record.station.as_deref(), Some(connector))?;
        let key = StationKey { operator: topic.operator, station: &station };
        let memory = self.stations.connector(key, connector, limits)?;
        let is_known = memory.meter.knows(told.session);
        let was_open = memory.meter.open_session() == Some(told.session);
        let arrival_ms = came.arrival.ms();
        let Told { mut at_ms, mut register_j, opening, is_news } =
            memory.meter.read(&told.reading(record.energy_j, true), arrival_ms);
        if let Some((at_ms, register_j)) = opening {
            let sample = Sample { session: Some(told.session), ..sample(at_ms, Status::Charging, Some(register_j)) };
            sink(key, Observation::Sample { connector, sample });
        }
        let took_energy = record.energy_j.is_some_and(|energy_j| energy_j >= STARTED_J_MIN);
        if (memory.meter.start(told.session) || !is_known) && took_energy {
            let began = told.began.unwrap_or(told.at);
            sink(key, Observation::Session { connector, event: told.event(began, SessionStep::Start) });
        }
        let ends_charging = was_open && memory.status == Some(Status::Charging);
        if ends_charging && !is_news {
            at_ms = memory.meter.place(told.at.ms(), arrival_ms);
            register_j = memory.meter.register_at_rest();
        }
        if is_news || ends_charging {
            if memory.meter.open_session().is_none() && matches!(memory.status, None | Some(Status::Charging)) {
                // Nothing flows any more, and nobody has said yet that the vehicle left.
                memory.status = Some(Status::Occupied);
            }
            let status = memory.status.unwrap_or(Status::Occupied);
            sink(key, Observation::Sample { connector, sample: sample(at_ms, status, register_j) });
        }
        sink(key, Observation::Session { connector, event: told.event(told.at, SessionStep::Stop(stop)) });
        Ok(())
    }

    pub(super) fn alarms(
        &mut self,
        topic: Topic<'_>,
        came: Came,
        message: Wrapped<'_, AlarmsRecord<'_>>,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let stated = time(message.at, "ts", &self.spec.zone)?;
        let mut read = Vec::new();
        for item in message.inner.items() {
            if item.operator.as_deref().is_some_and(|operator| operator != topic.operator) {
                return Err(Reject::field(Reason::IdentityMismatch, "OperatorID"));
            }
            if item.code.is_none() && !item.bms.is_there {
                return Err(Reject::field(Reason::MissingField, "AlarmCode"));
            }
            if item.code.is_none() && item.connector.is_none() {
                return Err(Reject::field(Reason::MissingField, "ConnectorID"));
            }
            if !matches!(item.state, None | Some(0 | 1)) {
                return Err(Reject::field(Reason::UnknownValue, "AlarmStatus"));
            }
            let at = time(item.at, "AlarmTime", &self.spec.zone)?.or(stated);
            let station = self.station_for(topic, item.station.as_deref(), item.connector.as_deref())?;
            let key = StationKey { operator: topic.operator, station: &station };
            if let Some(connector) = item.connector.as_deref() {
                self.stations.connector(key, connector, limits)?;
            } else {
                self.stations.alarms(key)?;
            }
            read.push((station, at, item));
        }
        for (station, stated, item) in &read {
            let Some(at) = came.when(*stated) else { continue };
            let key = StationKey { operator: topic.operator, station };
            self.alarm(key, item, at, limits, sink)?;
            if let Some(connector) = item.connector.as_deref().filter(|_| item.bms.is_there) {
                self.battery(key, connector, item.bms.vitals, at, came, limits, sink)?;
            }
        }
        Ok(())
    }

    fn alarm(
        &mut self,
        key: StationKey<'_>,
        item: &AlarmRecord<'_>,
        at: EventTime,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let Some(code) = item.code.as_deref() else { return Ok(()) };
        let connector = item.connector.as_deref();
        let class = self.spec.codes.alarm(key.operator, code);
        // Who sends an alarm and does not say that it is over means that it is on.
        let raised = item.state != Some(0);
        let standing = match connector {
            Some(connector) => &mut self.stations.connector(key, connector, limits)?.alarms,
            None => self.stations.alarms(key)?,
        };
        if standing.take(code, class, raised) {
            let alarm = AlarmReport {
                at,
                class,
                level: item.level.and_then(alarm_level),
                raised,
                code: Some(code),
                value: None,
                note: item.note.as_deref(),
            };
            sink(key, Observation::Alarm { connector, alarm });
        }
        Ok(())
    }

    /// What the battery says of itself, as a sample of the status that is known.
    #[expect(clippy::too_many_arguments, reason = "a sample is told with everything that is known about it")]
    fn battery(
        &mut self,
        key: StationKey<'_>,
        connector: &str,
        vitals: Vitals,
        at: EventTime,
        came: Came,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let memory = self.stations.connector(key, connector, limits)?;
        let flows = vitals.current_ma.is_some_and(|current_ma| current_ma.abs() >= FLOW_MA_MIN);
        let guess = if flows { Status::Charging } else { Status::Occupied };
        let status = *memory.status.get_or_insert(guess);
        let at_ms = memory.meter.place(at.ms(), came.arrival.ms());
        let session = memory.meter.open_session();
        let sample = Sample { vitals, session, ..sample(at_ms, status, None) };
        sink(key, Observation::Sample { connector, sample });
        Ok(())
    }

    /// What connectors gave back over some days, where they do not count it themselves.
    pub(super) fn discharge(
        &mut self,
        topic: Topic<'_>,
        came: Came,
        message: &Wrapped<'_, DischargeRecord<'_>>,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let record = &message.inner;
        let missing = |name| Reject::field(Reason::MissingField, name);
        let stated = time(message.at, "ts", &self.spec.zone)?;
        let ended = record.ended.ok_or(missing("EndTime"))?;
        // The end of a sum is a day, or a time of day.
        let written = lenient::text(ended, "EndTime")?.ok_or(missing("EndTime"))?;
        let until_ms = match rfc3339::parse_day(&written) {
            Some(day) => i64::from(day) * DAY_MS,
            None => self.spec.zone.time(ended, "EndTime")?.ok_or(missing("EndTime"))?.ms(),
        };
        let mut read = Vec::with_capacity(record.connectors.len());
        for item in &record.connectors {
            let connector = item.connector.as_deref().ok_or(missing("ConnectorID"))?;
            let energy_j = item.energy_j.ok_or(missing("DischargeElectricity"))?;
            let station = self.station_for(topic, record.station.as_deref(), Some(connector))?;
            self.stations.connector(StationKey { operator: topic.operator, station: &station }, connector, limits)?;
            read.push((station, connector, energy_j));
        }
        let Some(at) = came.when(stated) else { return Ok(()) };
        for (station, connector, energy_j) in &read {
            let key = StationKey { operator: topic.operator, station };
            let memory = self.stations.connector(key, connector, limits)?;
            let register_j = memory.export.add(*energy_j, until_ms);
            let (Some(register_j), Some(status)) = (register_j, memory.status) else { continue };
            let at_ms = memory.meter.place(at.ms(), came.arrival.ms());
            let sample = Sample { export_j: Some(register_j), ..sample(at_ms, status, None) };
            sink(key, Observation::Sample { connector, sample });
        }
        Ok(())
    }
}
