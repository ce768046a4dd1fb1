//! Statuses of T/CEC 102 in their three shapes, read member by member: one connector's, bare or held by the message; a
//! list; and lists by station. Most messages are one status, which is read once and not moved.

use std::borrow::Cow;

use chargetally_core::observation::Vitals;

use super::record::{DISCHARGE, Phases, list};
use crate::dialect::json::{Members, Record, Value};
use crate::dialect::{Limits, Reason, Reject, lenient, native};

/// ConnectorStatusInfo, with what the supervision extension adds.
#[derive(Default)]
pub(super) struct StatusRecord<'a> {
    pub station: Option<Cow<'a, str>>,
    pub connector: Option<Cow<'a, str>>,
    pub status: Option<i64>,
    phases: Phases,
    vitals: Vitals,
    /// What was given back since whenever the connector counts from, J.
    pub discharged_j: Option<i64>,
}

impl<'a> Record<'a> for StatusRecord<'a> {
    const DEPTH: usize = 6;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "ConnectorID" => self.connector = lenient::id(value, "ConnectorID", limits)?,
            "Status" => self.status = lenient::whole(value, "Status")?,
            "SOC" | "Soc" => self.vitals.soc_permille = lenient::quantity(value, &native::SOC)?,
            "ConnectorTemp" => self.vitals.connector_temp_mc = lenient::quantity(value, &native::CONNECTOR_TEMP)?,
            "DischargeElectricity" => self.discharged_j = lenient::quantity(value, &DISCHARGE)?,
            _ => return self.phases.member(key, value),
        }
        Ok(true)
    }
}

impl StatusRecord<'_> {
    pub(super) fn watts(&self) -> Option<f64> {
        self.phases.watts()
    }

    pub(super) fn vitals(&self) -> Vitals {
        let mut vitals = self.vitals;
        self.phases.vitals(&mut vitals);
        vitals
    }
}

/// A status message in any of its shapes.
#[derive(Default)]
pub(super) struct StatusesRecord<'a> {
    pub station: Option<Cow<'a, str>>,
    /// One item in no list: the message itself, or what it holds.
    single: StatusRecord<'a>,
    is_held: bool,
    /// Whether the message itself said anything of it.
    is_told: bool,
    /// Any other number of items.
    items: Vec<StatusRecord<'a>>,
}

impl<'a> Record<'a> for StatusesRecord<'a> {
    const DEPTH: usize = 2;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        let len_max = (limits.array_len_max, Reason::TooLongArray);
        match key {
            "StationID" => self.station = lenient::id(value, "StationID", limits)?,
            "ConnectorStatusInfo" | "ConnectorStatusInfos" => {
                let items = list(value, "ConnectorStatusInfos", limits, len_max)?;
                self.hold_more(items);
            }
            "StationStatusInfo" | "StationStatusInfos" => {
                let stations: Vec<StationStatusRecord<'a>> = list(value, "StationStatusInfos", limits, len_max)?;
                for station in stations {
                    let named = station.station;
                    let items = station.items.into_iter();
                    self.hold_more(items.map(|item| StatusRecord { station: named.clone(), ..item }).collect());
                    if self.items.len() > limits.array_len_max {
                        return Err(Reject::whole(Reason::TooLongArray));
                    }
                }
            }
            // Beside what it holds, the message itself is no item, and still has to be well-formed.
            _ if self.is_held => return StatusRecord::default().member(key, value, limits),
            _ => {
                self.is_told = true;
                return self.single.member(key, value, limits);
            }
        }
        Ok(true)
    }

    fn enter(&mut self, key: &str) -> Option<&mut dyn Members<'a>> {
        if !matches!(key, "ConnectorStatusInfo" | "ConnectorStatusInfos") || self.is_held || !self.items.is_empty() {
            return None;
        }
        if std::mem::take(&mut self.is_told) {
            self.single = StatusRecord::default();
        }
        self.is_held = true;
        Some(&mut self.single)
    }
}

impl<'a> StatusesRecord<'a> {
    fn hold_more(&mut self, items: Vec<StatusRecord<'a>>) {
        if std::mem::take(&mut self.is_held) {
            self.items.push(std::mem::take(&mut self.single));
        }
        if self.items.is_empty() {
            self.items = items;
        } else {
            self.items.extend(items);
        }
    }

    /// The items; the message itself is one where it holds none.
    pub(super) fn items(&self) -> &[StatusRecord<'a>] {
        if self.is_held || (self.items.is_empty() && self.single.connector.is_some()) {
            std::slice::from_ref(&self.single)
        } else {
            &self.items
        }
    }
}

#[derive(Default)]
struct StationStatusRecord<'a> {
    station: Option<Cow<'a, str>>,
    items: Vec<StatusRecord<'a>>,
}

impl<'a> Record<'a> for StationStatusRecord<'a> {
    const DEPTH: usize = 4;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "StationID" => self.station = lenient::id(value, "StationID", limits)?,
            "ConnectorStatusInfo" | "ConnectorStatusInfos" => {
                let len_max = (limits.array_len_max, Reason::TooLongArray);
                self.items = list(value, "ConnectorStatusInfos", limits, len_max)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
