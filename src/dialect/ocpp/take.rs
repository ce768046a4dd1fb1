//! Takes the messages in, one function for each action: finds the connector that it speaks of, has it remember what
//! changed, and has that told. A message is refused before anything of it is remembered, or not at all.

use std::borrow::Cow;

use chargetally_core::observation::{Observation, StationKey};
use chargetally_core::state::Status;

use super::frame::Frame;
use super::memory::{Connector, Port, Station, Transaction};
use super::message::{
    Event, Evse, Message, MeterValues, NotifyEvent, StartTransaction, StatusNotification, Step, StopTransaction, Told,
    TransactionEvent,
};
use super::meter::Reading;
use super::teller::{Remark, Teller};
use super::words;
use crate::dialect::{Limits, Reason, Reject};

const UNKNOWN_TRANSACTION: Reject = Reject::field(Reason::UnknownTransaction, "transactionId");

fn missing(name: &'static str) -> Reject {
    Reject::field(Reason::MissingField, name)
}

/// What a status notification says is the same in both families once its shape is known.
struct Report {
    port: Port,
    told: Told,
}

impl StatusNotification<'_> {
    /// Whom it speaks of, and what it says.
    fn report(&self) -> Result<Report, Reject> {
        let connector = || self.connector.ok_or(missing("connectorId"));
        if let Some(told) = self.new {
            let evse = self.evse.ok_or(missing("evseId"))?;
            return Ok(Report { port: Port { evse, connector: connector()? }, told });
        }
        let told = self.old.ok_or(missing("status"))?;
        Ok(Report { port: Port { evse: 0, connector: connector()? }, told })
    }
}

impl Message<'_> {
    /// Whether it states its time itself: then the same bytes once more are a repetition.
    pub(super) fn is_dated(&self) -> bool {
        let all = |readings: &[Reading]| !readings.is_empty() && readings.iter().all(|reading| reading.at.is_some());
        match self {
            Self::Status(status) => status.at.is_some(),
            Self::Meter(values) => all(&values.readings),
            Self::Start(start) => start.at.is_some(),
            Self::Stop(stop) => stop.at.is_some(),
            Self::Event(event) => event.at.is_some(),
            Self::Notify(notify) => !notify.events.is_empty() && notify.events.iter().all(|event| event.at.is_some()),
            Self::Nothing | Self::Alive | Self::Answer(_) | Self::Failure => false,
        }
    }

    /// Whether it answers a call.
    pub(super) const fn is_answer(&self) -> bool {
        matches!(self, Self::Answer(_) | Self::Failure)
    }

    /// Whether it has to do with what is remembered of the station.
    pub(super) const fn needs_memory(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Alive)
    }
}

impl Station {
    /// Takes in a frame, and tells what follows from it.
    ///
    /// # Errors
    /// [`Reject`] where it cannot be known whom it speaks of, or there is no room for it.
    pub(super) fn take<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        frame: Frame<'_>,
        limits: &Limits,
        teller: &mut Teller<'_, S>,
    ) -> Result<(), Reject> {
        match frame.message {
            Message::Nothing => return Ok(()),
            Message::Failure => {
                self.answered(&frame.id);
                return Ok(());
            }
            Message::Answer(answer) => {
                if let Some(port) = self.answered(&frame.id)
                    && let Some(id) = answer.transaction
                    && let Some(running) = self.connectors.get_mut(&port).and_then(|it| it.transaction.as_mut())
                {
                    running.id.get_or_insert_with(|| id.into());
                }
                return Ok(());
            }
            Message::Alive => {}
            Message::Status(status) => self.status(&status, limits, teller)?,
            Message::Meter(values) => self.meter_values(values, limits, teller)?,
            Message::Start(start) => self.start(&start, &frame.id, limits, teller)?,
            Message::Stop(stop) => self.stop(stop, limits, teller)?,
            Message::Event(event) => self.event(event, limits, teller)?,
            Message::Notify(notify) => self.notify(&notify, limits, teller)?,
        }
        teller.alive();
        Ok(())
    }

    /// Tells that a frame came once more.
    pub(super) fn repeat<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &self,
        message: &Message<'_>,
        teller: &mut Teller<'_, S>,
    ) {
        let old = |connector: Option<u32>| connector.map(|connector| Port { evse: 0, connector });
        let port = match message {
            Message::Status(status) => status.report().ok().map(|report| report.port),
            Message::Meter(values) => {
                values.evse.map_or_else(|| old(values.connector), |evse| Some(self.port_of_evse(evse)))
            }
            Message::Start(start) => old(start.connector),
            Message::Event(event) => event.evse.id.map(|evse| self.port_of_evse(evse)),
            _ => None,
        };
        if let Some(connector) = port.and_then(|port| self.connectors.get(&port)) {
            teller.again(connector);
        }
    }

    fn status<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        status: &StatusNotification<'_>,
        limits: &Limits,
        teller: &mut Teller<'_, S>,
    ) -> Result<(), Reject> {
        let Report { port, told } = status.report()?;
        let error = status.error.as_deref();
        let vendor = status.vendor_error.as_deref().filter(|code| !code.is_empty());
        let fault = error.and_then(|error| words::fault_16(error, vendor));
        let remark = Remark { code: vendor.or(error), note: status.info.as_deref().filter(|info| !info.is_empty()) };
        let at_ms = teller.when(status.at);
        if port.connector == 0 {
            // The station as a whole: each of its connectors tells its own status.
            if error.is_some() {
                let over = self.standing.take("", fault, None);
                at_ms.into_iter().for_each(|at_ms| teller.faults(None, at_ms, over, fault, remark));
            }
            return Ok(());
        }
        let connector = self.connector(port, limits)?;
        let is_newest = status.at.is_none_or(|at| connector.advance(at.ms()));
        if !is_newest {
            at_ms.into_iter().for_each(|at_ms| connector.tell_past_status(at_ms, told.status, teller));
            return Ok(());
        }
        connector.report(told, at_ms, teller);
        if error.is_some() {
            let over = connector.standing.take("", fault, None);
            at_ms.into_iter().for_each(|at_ms| teller.faults(Some(&connector.name), at_ms, over, fault, remark));
        }
        Ok(())
    }

    fn meter_values<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        mut values: MeterValues<'_>,
        limits: &Limits,
        teller: &mut Teller<'_, S>,
    ) -> Result<(), Reject> {
        let port = match (values.evse, values.connector) {
            // The main meter of the station.
            (Some(0), _) | (None, Some(0)) => return Ok(()),
            (Some(evse), _) => self.port_of_evse(evse),
            (None, Some(connector)) => Port { evse: 0, connector },
            (None, None) => return Err(missing("connectorId")),
        };
        let connector = self.connector(port, limits)?;
        values.readings.sort_by_key(|reading| reading.at);
        if let Some(id) = values.transaction.as_deref() {
            let first = values.readings.first().and_then(|reading| teller.when(reading.at));
            connector.join(id, first);
        }
        for reading in &values.readings {
            if let Some(at_ms) = teller.when(reading.at) {
                connector.tell(at_ms, reading, teller);
            }
        }
        Ok(())
    }

    fn start<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        start: &StartTransaction,
        call: &str,
        limits: &Limits,
        teller: &mut Teller<'_, S>,
    ) -> Result<(), Reject> {
        let port = match start.connector {
            None => return Err(missing("connectorId")),
            Some(0) => return Err(Reject::field(Reason::OutOfRange, "connectorId")),
            Some(connector) => Port { evse: 0, connector },
        };
        let connector = self.connector(port, limits)?;
        let Some(at_ms) = teller.when(start.at) else { return Ok(()) };
        let is_known = connector.transaction.as_ref().is_some_and(|running| running.start_ms == at_ms);
        if !is_known {
            let session = connector.attempt.take().unwrap_or_else(|| {
                let session = at_ms.to_string();
                connector.tell_attempt(at_ms, &session, teller);
                session.into()
            });
            connector.begin(Transaction {
                id: None,
                session,
                start_ms: at_ms,
                meter_j: start.meter_j,
                is_started: false,
            });
            connector.tell(at_ms, &Reading::of_register(start.at, start.meter_j), teller);
        }
        // A station that was not answered asks again under another id.
        self.wait_for(call, port, limits.id_bytes_max);
        Ok(())
    }

    fn stop<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        mut stop: StopTransaction<'_>,
        limits: &Limits,
        teller: &mut Teller<'_, S>,
    ) -> Result<(), Reject> {
        let id = stop.transaction.as_deref();
        if id.is_some_and(|id| self.connectors.values().any(|connector| connector.ended.as_deref() == Some(id))) {
            return Ok(());
        }
        let by_id = id.and_then(|id| self.port_of_transaction(id));
        let port = by_id.or_else(|| self.port_of_stop(stop.meter_j)).ok_or(UNKNOWN_TRANSACTION)?;
        let connector = self.connector(port, limits)?;
        let Some(at_ms) = teller.when(stop.at) else { return Ok(()) };
        if let Some(id) = id {
            connector.join(id, Some(at_ms));
        }
        stop.readings.sort_by_key(|reading| reading.at);
        let mut last = Reading::of_register(stop.at, stop.meter_j);
        for reading in &stop.readings {
            match reading.at.map(|at| at.ms()) {
                Some(ms) if ms == at_ms => {
                    last = *reading;
                    last.outlet.import_j = stop.meter_j.or(last.outlet.import_j);
                }
                // What was told while it ran is there already.
                Some(ms) if connector.told_ms.is_none_or(|told_ms| ms > told_ms) && ms < at_ms => {
                    connector.tell(ms, reading, teller);
                }
                _ => {}
            }
        }
        connector.end(at_ms, &last, words::stop_reason(stop.reason.as_deref()), id, teller);
        Ok(())
    }

    fn event<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        mut event: TransactionEvent<'_>,
        limits: &Limits,
        teller: &mut Teller<'_, S>,
    ) -> Result<(), Reject> {
        let step = event.step.ok_or(missing("eventType"))?;
        let id = event.info.id.take().ok_or(missing("transactionId"))?;
        let port = self.port_of_event(event.evse, &id)?;
        let connector = self.connector(port, limits)?;
        let Some(at_ms) = teller.when(event.at) else { return Ok(()) };
        if connector.ended.as_deref() == Some(&*id) {
            return Ok(());
        }
        event.readings.sort_by_key(|reading| reading.at);
        let is_running = connector.transaction.as_ref().is_some_and(|running| running.id.as_deref() == Some(&*id));
        if step == Step::Started && !is_running {
            connector.tell_attempt(at_ms, &id, teller);
            let first = event.readings.first();
            let meter_j = first.and_then(|reading| reading.begin_j.or(reading.outlet.import_j));
            let session = Box::from(&*id);
            connector.begin(Transaction { id: Some(id.into()), session, start_ms: at_ms, meter_j, is_started: false });
        } else if !is_running {
            connector.join(&id, Some(at_ms));
        }
        let mut own = Reading { at: event.at, ..Reading::default() };
        let mut later = Vec::new();
        for reading in event.readings {
            match teller.when(reading.at) {
                Some(ms) if ms < at_ms => connector.tell_if_new(ms, &reading, teller),
                Some(ms) if ms > at_ms && step != Step::Ended => later.push((ms, reading)),
                _ => own = reading,
            }
        }
        if connector.advance(at_ms) {
            connector.take_state(event.info.state);
        }
        if step == Step::Ended {
            connector.end(at_ms, &own, words::stop_reason(event.info.reason.as_deref()), None, teller);
            return Ok(());
        }
        connector.tell(at_ms, &own, teller);
        later.iter().for_each(|(ms, reading)| connector.tell(*ms, reading, teller));
        Ok(())
    }

    /// The connector that a transaction event is about: the EVSE is told once, with the first event.
    fn port_of_event(&self, evse: Evse, id: &str) -> Result<Port, Reject> {
        match (evse.id, evse.connector) {
            (Some(0), _) => Err(Reject::field(Reason::OutOfRange, "evse")),
            (Some(evse), Some(connector)) => Ok(Port { evse, connector }),
            (Some(evse), None) => Ok(self.port_of_transaction(id).unwrap_or_else(|| self.port_of_evse(evse))),
            (None, _) => {
                let has_ended = |connector: &Connector| connector.ended.as_deref() == Some(id);
                let ended = || self.connectors.iter().find(|(_, connector)| has_ended(connector));
                let mut ports = self.connectors.keys();
                let only = ports.next().filter(|_| ports.next().is_none()).copied();
                let known = self.port_of_transaction(id).or_else(|| ended().map(|(port, _)| *port)).or(only);
                known.ok_or(UNKNOWN_TRANSACTION)
            }
        }
    }

    fn notify<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        notify: &NotifyEvent<'_>,
        limits: &Limits,
        teller: &mut Teller<'_, S>,
    ) -> Result<(), Reject> {
        // All connectors are found before the first is told of.
        let mut ports = Vec::with_capacity(notify.events.len());
        for event in &notify.events {
            let evse = event.component.evse;
            let number = evse.id.filter(|evse| *evse > 0);
            let port = number.map(|evse_id| match evse.connector {
                Some(connector) => Port { evse: evse_id, connector },
                None => self.port_of_evse(evse_id),
            });
            let is_told = event.availability()?.is_some() || event.fault().is_some();
            if let Some(port) = port.filter(|_| is_told) {
                self.connector(port, limits)?;
            }
            ports.push(port);
        }
        for (event, port) in notify.events.iter().zip(ports) {
            let at_ms = teller.when(event.at);
            if let (Some(status), Some(port)) = (event.availability()?, port) {
                let connector = self.connector(port, limits)?;
                if event.at.is_none_or(|at| connector.advance(at.ms())) {
                    connector.report(Told { status, is_preparing: false }, at_ms, teller);
                } else if let Some(at_ms) = at_ms {
                    connector.tell_past_status(at_ms, status, teller);
                }
                continue;
            }
            let Some(fault) = event.fault() else { continue };
            let stands = event.stands().then_some(fault);
            let key = event.key();
            let remark = Remark { code: Some(event.code.as_deref().unwrap_or(&key)), note: event.info.as_deref() };
            let (name, standing) = match port {
                None => (None, &mut self.standing),
                Some(port) => {
                    let connector = self.connector(port, limits)?;
                    (Some(connector.name.clone()), &mut connector.standing)
                }
            };
            let over = standing.take(&key, stands, Some(fault.class));
            at_ms.into_iter().for_each(|at_ms| teller.faults(name.as_deref(), at_ms, over, stands, remark));
        }
        Ok(())
    }
}

impl Event<'_> {
    /// The status that it tells: of a connector, as 2.1 may tell it instead of by a status notification.
    fn availability(&self) -> Result<Option<Status>, Reject> {
        if self.component.name != "Connector" || self.variable.name != "AvailabilityState" {
            return Ok(None);
        }
        let word = self.actual.as_deref().ok_or(missing("actualValue"))?;
        words::status_2x(word).map(Some).ok_or(Reject::field(Reason::UnknownValue, "actualValue"))
    }

    /// The fault that it is about, whether it stands or is over.
    fn fault(&self) -> Option<words::Fault> {
        let by_code = self.code.as_deref().and_then(words::common_fault);
        by_code.or_else(|| words::component_fault(&self.component.name, &self.variable.name))
    }

    fn stands(&self) -> bool {
        !self.is_cleared && !self.actual.as_deref().is_some_and(|actual| actual.eq_ignore_ascii_case("false"))
    }

    /// What tells of the fault: the component and its variable.
    fn key(&self) -> String {
        let name = |name: &str, instance: &Option<Cow<'_, str>>| match instance {
            Some(instance) => format!("{name}:{instance}"),
            None => name.to_owned(),
        };
        let Self { component, variable, .. } = self;
        format!("{}/{}", name(&component.name, &component.instance), name(&variable.name, &variable.instance))
    }
}
