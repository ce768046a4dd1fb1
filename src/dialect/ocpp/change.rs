//! How a connector's status and transaction change: what a status report, a charging state, the begin and the end of a
//! transaction do to what is remembered, and what is told of each. Knows no frame and no other connector.

use chargetally_core::observation::{Observation, StationKey, StopReason};
use chargetally_core::state::Status;

use super::memory::{Connector, MOVED_MS_MAX, Transaction};
use super::message::Told;
use super::meter::Reading;
use super::teller::Teller;

impl Connector {
    /// Takes a status that is the newest, and tells it where its time is known.
    pub(super) fn report<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        told: Told,
        at_ms: Option<i64>,
        teller: &mut Teller<'_, S>,
    ) {
        let begins_to_prepare = told.is_preparing && !self.is_preparing && self.transaction.is_none();
        self.reported = Some(told.status);
        self.is_preparing = told.is_preparing;
        if matches!(told.status, Status::Available | Status::Reserved) {
            self.flow = None;
            self.attempt = None;
        }
        let Some(at_ms) = at_ms else { return };
        if begins_to_prepare {
            let session = at_ms.to_string();
            self.tell_attempt(at_ms, &session, teller);
            self.attempt = Some(session.into());
        }
        let reading = self.reading_of_begin(told.status, at_ms);
        self.tell(at_ms, &reading, teller);
    }

    /// The register with which the transaction began, where it begins to charge at that very moment: told with the status
    /// once more, so that what flows up to the first reading flowed while charging.
    fn reading_of_begin(&self, status: Status, at_ms: i64) -> Reading {
        let begun = self.transaction.as_ref().filter(|running| {
            let is_same_moment = at_ms.abs_diff(running.start_ms) <= MOVED_MS_MAX.unsigned_abs();
            status == Status::Charging && is_same_moment && !running.is_started && self.import_j == running.meter_j
        });
        begun.map_or_else(Reading::default, |running| Reading::of_register(None, running.meter_j))
    }

    /// A transaction begins.
    pub(super) fn begin(&mut self, transaction: Transaction) {
        if matches!(self.reported, Some(Status::Available | Status::Reserved)) {
            self.reported = None;
        }
        self.attempt = None;
        self.is_preparing = false;
        self.transaction = Some(transaction);
    }

    /// A message names the transaction that runs: it may have begun before anybody listened, or its answer was not seen.
    pub(super) fn join(&mut self, id: &str, at_ms: Option<i64>) {
        if self.ended.as_deref() == Some(id) {
            return;
        }
        match &mut self.transaction {
            Some(running) if running.id.is_none() => running.id = Some(id.into()),
            Some(running) if running.id.as_deref() == Some(id) => {}
            _ => {
                let start_ms = at_ms.unwrap_or(i64::MAX);
                // When energy began to flow is not known and must not be made up.
                let joined =
                    Transaction { id: Some(id.into()), session: id.into(), start_ms, meter_j: None, is_started: true };
                self.transaction = Some(joined);
            }
        }
    }

    /// Takes the charging state of 2.x.
    pub(super) fn take_state(&mut self, state: Option<Option<Status>>) {
        let Some(flow) = state else { return };
        self.flow = flow;
        if flow.is_some() && matches!(self.reported, Some(Status::Available | Status::Reserved)) {
            self.reported = None;
        }
    }

    /// A transaction is over: its last reading, and how it ended.
    pub(super) fn end<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        at_ms: i64,
        last: &Reading,
        reason: StopReason,
        id: Option<&str>,
        teller: &mut Teller<'_, S>,
    ) {
        self.flow = None;
        if matches!(self.reported, None | Some(Status::Charging)) {
            let is_gone = self.reported.is_none() && reason == StopReason::EvDisconnected;
            self.reported = Some(if is_gone { Status::Available } else { Status::Occupied });
        }
        let mut ended = self.transaction.take();
        if let Some(ended) = &mut ended {
            ended.meter_j = ended.meter_j.or(last.begin_j);
        }
        self.tell(at_ms, last, teller);
        let Some(ended) = ended else { return };
        self.ended = ended.id.clone().or_else(|| id.map(Into::into));
        let end_j = last.amounts(self.has_outlet).import_j.or(self.import_j);
        self.tell_stop(&ended, at_ms, reason, end_j, teller);
    }

    /// Tells a reading that came before the event that brings it, unless it was told while the transaction ran.
    pub(super) fn tell_if_new<S: FnMut(StationKey<'_>, Observation<'_>)>(
        &mut self,
        at_ms: i64,
        reading: &Reading,
        teller: &mut Teller<'_, S>,
    ) {
        if self.told_ms.is_none_or(|told_ms| at_ms > told_ms) {
            self.tell(at_ms, reading, teller);
        } else if let Some(running) = &mut self.transaction {
            running.meter_j = running.meter_j.or(reading.begin_j);
        }
    }
}
