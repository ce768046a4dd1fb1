//! The messages of OCPP that say something here, each with the members that are read of it. 1.6 and 2.x name the same
//! action and differ in shape, so that a message holds what either may have, and its shape tells the family. Who is
//! charging is never read: tokens and cards stay outside.

use std::borrow::Cow;

use chargetally_core::state::Status;
use chargetally_core::time::EventTime;
use serde::de::MapAccess;

use super::members::{From, Members};
use super::meter::{MeterValue, Reading};
use super::words;
use crate::dialect::json::Value;
use crate::dialect::mapping::spec::{IMPORT, integer};
use crate::dialect::{Limits, Reason, Reject};

/// What a frame says.
#[derive(Debug)]
pub(super) enum Message<'a> {
    /// Nothing: a command of the central system, or an action that is not known.
    Nothing,
    /// That the station lives.
    Alive,
    Status(StatusNotification<'a>),
    Meter(MeterValues<'a>),
    Start(StartTransaction),
    Stop(StopTransaction<'a>),
    Event(TransactionEvent<'a>),
    Notify(NotifyEvent<'a>),
    /// A call was answered.
    Answer(Answer<'a>),
    /// A call was answered with an error.
    Failure,
}

/// An id of a transaction: an integer in 1.6, a text in 2.x.
fn transaction_id<'a>(value: Value<'a>, limits: &Limits) -> Result<Option<Cow<'a, str>>, Reject> {
    const NAME: &str = "transactionId";
    let id = if value.is_number() { Some(Cow::Borrowed(value.json())) } else { value.text(NAME)? };
    match id {
        Some(id) if id.len() > limits.id_bytes_max => Err(Reject::field(Reason::IdTooLong, NAME)),
        // Stations that know of no transaction write one of these.
        id => Ok(id.filter(|id| !matches!(&**id, "" | "0" | "-1"))),
    }
}

/// A register in Wh, as J.
fn register_j(value: Value<'_>, name: &'static str) -> Result<Option<i64>, Reject> {
    const J_PER_WH: f64 = 3_600.0;
    if value.is_null() {
        return Ok(None);
    }
    integer(value.decimal(name)?, IMPORT, J_PER_WH, 0.0).map(Some)
}

/// The word for a connector's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub status: Status,
    /// Whether somebody is about to charge (1.6).
    pub is_preparing: bool,
}

fn told(value: Value<'_>, name: &'static str, read: fn(&str) -> Option<Status>) -> Result<Option<Told>, Reject> {
    value.one_of(name, |word| read(word).map(|status| Told { status, is_preparing: word == "Preparing" }))
}

/// `StatusNotification`.
#[derive(Debug, Default)]
pub(super) struct StatusNotification<'a> {
    pub at: Option<EventTime>,
    pub connector: Option<u32>,
    /// 2.x.
    pub evse: Option<u32>,
    /// 1.6: `status`.
    pub old: Option<Told>,
    /// 2.x: `connectorStatus`.
    pub new: Option<Told>,
    pub error: Option<Cow<'a, str>>,
    pub vendor_error: Option<Cow<'a, str>>,
    pub info: Option<Cow<'a, str>>,
}

impl<'a> Members<'a> for StatusNotification<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        let bytes_max = from.limits().text_bytes_max;
        match key {
            "timestamp" => self.at = from.leaf(|value| value.time("timestamp"))?,
            "connectorId" => self.connector = from.leaf(|value| value.count("connectorId"))?,
            "evseId" => self.evse = from.leaf(|value| value.count("evseId"))?,
            "status" => self.old = from.leaf(|value| told(value, "status", words::status_16))?,
            "connectorStatus" => self.new = from.leaf(|value| told(value, "connectorStatus", words::status_2x))?,
            "errorCode" => self.error = from.leaf(|value| value.short("errorCode", bytes_max))?,
            "vendorErrorCode" => self.vendor_error = from.leaf(|value| value.short("vendorErrorCode", bytes_max))?,
            "info" => self.info = from.leaf(|value| value.short("info", bytes_max))?,
            _ => return from.skip(),
        }
        Ok(())
    }
}

/// Gathers readings.
fn push(readings: &mut Vec<Reading>, value: &MeterValue) -> Result<(), Reject> {
    let reading = value.reading();
    if !reading.is_empty() {
        readings.push(reading);
    }
    Ok(())
}

/// `MeterValues`.
#[derive(Debug, Default)]
pub(super) struct MeterValues<'a> {
    /// 1.6.
    pub connector: Option<u32>,
    /// 2.x.
    pub evse: Option<u32>,
    /// 1.6.
    pub transaction: Option<Cow<'a, str>>,
    pub readings: Vec<Reading>,
}

impl<'a> Members<'a> for MeterValues<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        let limits = from.limits();
        match key {
            "connectorId" => self.connector = from.leaf(|value| value.count("connectorId"))?,
            "evseId" => self.evse = from.leaf(|value| value.count("evseId"))?,
            "transactionId" => self.transaction = from.leaf(|value| transaction_id(value, limits))?,
            "meterValue" => return from.each(|value: MeterValue| push(&mut self.readings, &value)),
            _ => return from.skip(),
        }
        Ok(())
    }
}

/// `StartTransaction` (1.6).
#[derive(Debug, Default)]
pub(super) struct StartTransaction {
    pub at: Option<EventTime>,
    pub connector: Option<u32>,
    pub meter_j: Option<i64>,
}

impl<'a> Members<'a> for StartTransaction {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        match key {
            "timestamp" => self.at = from.leaf(|value| value.time("timestamp"))?,
            "connectorId" => self.connector = from.leaf(|value| value.count("connectorId"))?,
            "meterStart" => self.meter_j = from.leaf(|value| register_j(value, "meterStart"))?,
            _ => return from.skip(),
        }
        Ok(())
    }
}

/// `StopTransaction` (1.6).
#[derive(Debug, Default)]
pub(super) struct StopTransaction<'a> {
    pub at: Option<EventTime>,
    pub transaction: Option<Cow<'a, str>>,
    pub meter_j: Option<i64>,
    pub reason: Option<Cow<'a, str>>,
    pub readings: Vec<Reading>,
}

impl<'a> Members<'a> for StopTransaction<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        let limits = from.limits();
        match key {
            "timestamp" => self.at = from.leaf(|value| value.time("timestamp"))?,
            "transactionId" => self.transaction = from.leaf(|value| transaction_id(value, limits))?,
            "meterStop" => self.meter_j = from.leaf(|value| register_j(value, "meterStop"))?,
            "reason" => self.reason = from.leaf(|value| value.text("reason"))?,
            "transactionData" => return from.each(|value: MeterValue| push(&mut self.readings, &value)),
            _ => return from.skip(),
        }
        Ok(())
    }
}

/// What a transaction event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Started,
    Updated,
    Ended,
}

/// `TransactionEvent` (2.x).
#[derive(Debug, Default)]
pub(super) struct TransactionEvent<'a> {
    pub at: Option<EventTime>,
    pub step: Option<Step>,
    pub info: TransactionInfo<'a>,
    pub evse: Evse,
    pub readings: Vec<Reading>,
}

/// `transactionInfo`.
#[derive(Debug, Default)]
pub(super) struct TransactionInfo<'a> {
    pub id: Option<Cow<'a, str>>,
    /// What the charging state says of the connector, where there is one.
    pub state: Option<Option<Status>>,
    pub reason: Option<Cow<'a, str>>,
}

/// `evse`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evse {
    pub id: Option<u32>,
    pub connector: Option<u32>,
}

impl<'a> Members<'a> for TransactionEvent<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        match key {
            "timestamp" => self.at = from.leaf(|value| value.time("timestamp"))?,
            "eventType" => {
                self.step = from.leaf(|value| {
                    value.one_of("eventType", |word| match word {
                        "Started" => Some(Step::Started),
                        "Updated" => Some(Step::Updated),
                        "Ended" => Some(Step::Ended),
                        _ => None,
                    })
                })?;
            }
            "transactionInfo" => self.info = from.object()?.unwrap_or_default(),
            "evse" => self.evse = from.object()?.unwrap_or_default(),
            "meterValue" => return from.each(|value: MeterValue| push(&mut self.readings, &value)),
            _ => return from.skip(),
        }
        Ok(())
    }
}

impl<'a> Members<'a> for TransactionInfo<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        let limits = from.limits();
        match key {
            "transactionId" => self.id = from.leaf(|value| transaction_id(value, limits))?,
            "chargingState" => self.state = from.leaf(|value| value.one_of("chargingState", words::charging_state))?,
            "stoppedReason" => self.reason = from.leaf(|value| value.text("stoppedReason"))?,
            _ => return from.skip(),
        }
        Ok(())
    }
}

impl<'a> Members<'a> for Evse {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        match key {
            "id" => self.id = from.leaf(|value| value.count("evse"))?,
            "connectorId" => self.connector = from.leaf(|value| value.count("connectorId"))?,
            _ => return from.skip(),
        }
        Ok(())
    }
}

/// `NotifyEvent` (2.x).
#[derive(Debug, Default)]
pub(super) struct NotifyEvent<'a> {
    pub events: Vec<Event<'a>>,
}

impl<'a> Members<'a> for NotifyEvent<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        match key {
            "eventData" => from.each(|event: Event<'a>| {
                self.events.push(event);
                Ok(())
            }),
            _ => from.skip(),
        }
    }
}

/// An element of `eventData`.
#[derive(Debug, Default)]
pub(super) struct Event<'a> {
    pub at: Option<EventTime>,
    pub actual: Option<Cow<'a, str>>,
    pub is_cleared: bool,
    pub code: Option<Cow<'a, str>>,
    pub info: Option<Cow<'a, str>>,
    pub component: Part<'a>,
    pub variable: Part<'a>,
}

/// `component` or `variable`.
#[derive(Debug, Default)]
pub(super) struct Part<'a> {
    pub name: Cow<'a, str>,
    pub instance: Option<Cow<'a, str>>,
    pub evse: Evse,
}

impl<'a> Members<'a> for Event<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        let bytes_max = from.limits().text_bytes_max;
        match key {
            "timestamp" => self.at = from.leaf(|value| value.time("timestamp"))?,
            "actualValue" => self.actual = from.leaf(|value| value.text("actualValue"))?,
            "cleared" => self.is_cleared = from.leaf(|value| value.boolean("cleared"))?.unwrap_or_default(),
            "techCode" => self.code = from.leaf(|value| value.short("techCode", bytes_max))?,
            "techInfo" => self.info = from.leaf(|value| value.short("techInfo", bytes_max))?,
            "component" => self.component = from.object()?.unwrap_or_default(),
            "variable" => self.variable = from.object()?.unwrap_or_default(),
            _ => return from.skip(),
        }
        Ok(())
    }
}

impl<'a> Members<'a> for Part<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        let bytes_max = from.limits().text_bytes_max;
        match key {
            "name" => self.name = from.leaf(|value| value.short("name", bytes_max))?.unwrap_or_default(),
            "instance" => self.instance = from.leaf(|value| value.short("instance", bytes_max))?,
            "evse" => self.evse = from.object()?.unwrap_or_default(),
            _ => return from.skip(),
        }
        Ok(())
    }
}

/// The answer to a call: only that to `StartTransaction` says something here.
#[derive(Debug, Default)]
pub(super) struct Answer<'a> {
    pub transaction: Option<Cow<'a, str>>,
}

impl<'a> Members<'a> for Answer<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        let limits = from.limits();
        match key {
            // Other answers may have such a member of any type.
            "transactionId" => {
                self.transaction = from.leaf(|value| {
                    let is_id = value.is_number() || value.json().starts_with('"');
                    if is_id { transaction_id(value, limits) } else { Ok(None) }
                })?;
            }
            _ => return from.skip(),
        }
        Ok(())
    }
}

/// A call or an answer without anything that is read.
#[derive(Debug, Default)]
pub(super) struct Unread;

impl<'a> Members<'a> for Unread {
    fn member<A: MapAccess<'a>>(&mut self, _key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        from.skip()
    }
}
