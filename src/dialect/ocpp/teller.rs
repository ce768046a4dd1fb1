//! From what a connector remembers and a message says to observations: samples, steps of sessions, alarms. A sample is
//! told where the connector's status is known; what is older than what was told already says nothing about now. Must
//! never read a measurement as a word about whether the connector is free.

use chargetally_core::alarm::AlarmClass;
use chargetally_core::observation::{
    AlarmReport, Observation, Sample, SessionEvent, SessionStep, SessionStop, StationKey, StopReason,
};
use chargetally_core::state::Status;
use chargetally_core::time::{ArrivalTime, EventTime};

use super::memory::{Connector, FLOW_W_MIN, Transaction};
use super::meter::Reading;
use super::words::Fault;

/// Energy from which on a session has delivered, J: 0.1 kWh (domain C8).
const DELIVERED_J_MIN: i64 = 360_000;

/// Tells what a message says of a station.
pub(super) struct Teller<'t, S> {
    key: StationKey<'t>,
    arrival: ArrivalTime,
    retained: bool,
    sink: &'t mut S,
    has_told: bool,
}

/// What a fault is told with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remark<'a> {
    pub code: Option<&'a str>,
    pub note: Option<&'a str>,
}

impl<'t, S: FnMut(StationKey<'_>, Observation<'_>)> Teller<'t, S> {
    pub fn new(key: StationKey<'t>, arrival: ArrivalTime, retained: bool, sink: &'t mut S) -> Self {
        Self { key, arrival, retained, sink, has_told: false }
    }

    /// When something was, ms: as it is stated, or as it arrives; `None` for what the broker replays without a time.
    pub fn when(&self, at: Option<EventTime>) -> Option<i64> {
        let arrived = (!self.retained).then_some(self.arrival.ms());
        at.map(EventTime::ms).or(arrived)
    }

    /// Tells that the station lives, unless a sample told it or the message is an old one.
    pub fn alive(&mut self) {
        if !self.has_told && !self.retained {
            (self.sink)(self.key, Observation::StationOnline);
        }
    }

    fn sample(&mut self, connector: &str, sample: Sample<'_>) {
        self.has_told = true;
        (self.sink)(self.key, Observation::Sample { connector, sample });
    }

    fn step(&mut self, connector: &str, session: &str, at_ms: i64, step: SessionStep) {
        let event = SessionEvent { at: EventTime::from_ms(at_ms), session, step };
        (self.sink)(self.key, Observation::Session { connector, event });
    }

    /// Tells an alarm that is over, then one that stands.
    pub fn faults(
        &mut self,
        connector: Option<&str>,
        at_ms: i64,
        over: Option<AlarmClass>,
        stands: Option<Fault>,
        remark: Remark<'_>,
    ) {
        let at = EventTime::from_ms(at_ms);
        let report =
            |class, raised| AlarmReport { at, class, level: None, raised, code: None, value: None, note: None };
        if let Some(class) = over {
            (self.sink)(self.key, Observation::Alarm { connector, alarm: report(class, false) });
        }
        if let Some(Fault { class, level }) = stands {
            let Remark { code, note } = remark;
            let alarm = AlarmReport { level, code, note, ..report(class, true) };
            (self.sink)(self.key, Observation::Alarm { connector, alarm });
        }
    }

    /// Tells the newest sample of a connector once more, so that the message counts as the repetition that it is.
    pub fn again(&mut self, connector: &Connector) {
        if let (Some(at_ms), Some(status)) = (connector.told_ms, connector.status(None, false)) {
            self.sample(&connector.name, empty_sample(at_ms, Some(status)));
        }
    }
}

fn empty_sample(at_ms: i64, status: Option<Status>) -> Sample<'static> {
    Sample {
        at: EventTime::from_ms(at_ms),
        status,
        power_w: None,
        import_j: None,
        export_j: None,
        demand_w: None,
        vitals: chargetally_core::observation::Vitals::default(),
        session: None,
    }
}

impl Connector {
    /// Tells a reading, and with it the status as it is known now.
    pub fn tell<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        at_ms: i64,
        reading: &Reading,
        teller: &mut Teller<'_, S>,
    ) {
        if let Some(running) = &mut self.transaction
            && running.meter_j.is_none()
        {
            running.meter_j = reading.begin_j;
        }
        if !self.is_now(at_ms) {
            self.tell_past(at_ms, reading, teller);
            return;
        }
        self.has_outlet |= reading.has_outlet();
        let amounts = reading.amounts(self.has_outlet);
        let (import_j, is_rising) = self.take_register(amounts.import_j);
        let Some(status) = self.status(amounts.power_w, is_rising) else { return };
        let at = EventTime::from_ms(self.place(at_ms));
        let session = self.transaction.as_ref().map(|running| &*running.session);
        let sample = Sample {
            at,
            status: Some(status),
            power_w: amounts.power_w,
            import_j,
            export_j: amounts.export_j,
            demand_w: None,
            vitals: reading.vitals(&amounts),
            session,
        };
        teller.sample(&self.name, sample);
        let flows = matches!(status, Status::Charging | Status::Discharging)
            || amounts.power_w.is_some_and(|power_w| power_w.abs() > FLOW_W_MIN);
        self.tell_flow(at_ms, flows, teller);
    }

    /// Tells a reading of a moment before what was told last: what the status was then is not known any more, unless
    /// energy flowed or a transaction runs that was there before.
    fn tell_past<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &self,
        at_ms: i64,
        reading: &Reading,
        teller: &mut Teller<'_, S>,
    ) {
        let amounts = reading.amounts(self.has_outlet);
        let flows = amounts.power_w.is_some_and(|power_w| power_w.abs() > FLOW_W_MIN);
        let is_within = self.transaction.as_ref().is_some_and(|running| running.start_ms <= at_ms);
        let status = match (flows, is_within) {
            (true, _) => Status::Charging,
            (false, true) => Status::Occupied,
            (false, false) => return,
        };
        let sample = Sample {
            power_w: amounts.power_w,
            import_j: amounts.import_j,
            export_j: amounts.export_j,
            vitals: reading.vitals(&amounts),
            ..empty_sample(at_ms, Some(status))
        };
        teller.sample(&self.name, sample);
    }

    /// Tells a status of a moment before what was told last.
    pub fn tell_past_status<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &self,
        at_ms: i64,
        status: Status,
        teller: &mut Teller<'_, S>,
    ) {
        teller.sample(&self.name, empty_sample(at_ms, Some(status)));
    }

    /// Tells that energy begins to flow, once for each transaction.
    fn tell_flow<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        at_ms: i64,
        flows: bool,
        teller: &mut Teller<'_, S>,
    ) {
        let import_j = self.import_j;
        let Some(running) = &mut self.transaction else { return };
        let has_risen = running.meter_j.zip(import_j).is_some_and(|(begin_j, now_j)| now_j > begin_j);
        if (flows || has_risen) && !running.is_started {
            running.is_started = true;
            teller.step(&self.name, &running.session, at_ms, SessionStep::Start);
        }
    }

    /// Tells that somebody asks for energy.
    pub fn tell_attempt<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &self,
        at_ms: i64,
        session: &str,
        teller: &mut Teller<'_, S>,
    ) {
        teller.step(&self.name, session, at_ms, SessionStep::Attempt);
    }

    /// Tells that a transaction is over.
    pub fn tell_stop<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &self,
        ended: &Transaction,
        at_ms: i64,
        reason: StopReason,
        meter_j: Option<i64>,
        teller: &mut Teller<'_, S>,
    ) {
        let energy_j = ended.meter_j.zip(meter_j).map(|(begin_j, end_j)| end_j.saturating_sub(begin_j));
        let energy_j = energy_j.filter(|energy_j| *energy_j >= 0);
        // Who tells nothing between begin and end has delivered all the same.
        if !ended.is_started && energy_j.is_some_and(|energy_j| energy_j >= DELIVERED_J_MIN) {
            teller.step(&self.name, &ended.session, ended.start_ms, SessionStep::Start);
        }
        let stop = SessionStop { reason: Some(reason), energy_j, ..SessionStop::default() };
        teller.step(&self.name, &ended.session, at_ms, SessionStep::Stop(stop));
    }
}
