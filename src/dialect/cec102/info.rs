//! StationInfo: a station's master data, alone or in a page of `StationInfos`. Rare and large next to everything else,
//! so it may allocate. Telephone numbers, addresses and whatever else is not needed is never read.

use std::borrow::Cow;

use chargetally_core::region::Area;
use chargetally_core::registration::{ConnectorSpec, Current, Equipment, Registration};
use chargetally_core::time::EventTime;

use super::codes::{Codes, EquipmentKind, connector_current, station_state};
use super::record::list;
use crate::dialect::json::{Quantity, Record, Value};
use crate::dialect::lenient;
use crate::dialect::{Limits, Reason, Reject};
use crate::rfc3339;

/// Stations of one page at most.
const STATIONS_MAX: usize = 1_000;

const POWER: Quantity = Quantity { name: "Power", min: 0.0, max: 100_000.0, scale: 1000.0 };
const VOLTAGE: Quantity = Quantity { name: "VoltageUpperLimits", min: 0.0, max: 10_000.0, scale: 1.0 };

/// The stations of a message: its own fields are those of a bare StationInfo.
#[derive(Default)]
pub(super) struct InfoRecord<'a> {
    bare: StationRecord<'a>,
    page: Option<Vec<StationRecord<'a>>>,
}

impl<'a> Record<'a> for InfoRecord<'a> {
    const DEPTH: usize = 2;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "StationInfos" | "StationInfo" => {
                self.page = Some(list(value, "StationInfos", limits, (STATIONS_MAX, Reason::TooLongArray))?);
                Ok(true)
            }
            _ => self.bare.member(key, value, limits),
        }
    }
}

impl<'a> InfoRecord<'a> {
    /// All stations; where the message names none by that key, it is one itself.
    pub(super) fn stations(self) -> Vec<StationRecord<'a>> {
        self.page.unwrap_or_else(|| vec![self.bare])
    }
}

#[derive(Default)]
pub(super) struct StationRecord<'a> {
    pub(super) station: Option<Cow<'a, str>>,
    pub(super) operator: Option<Cow<'a, str>>,
    name: Box<str>,
    area: Option<Area>,
    township: Option<Area>,
    kind: Option<i64>,
    state: Option<i64>,
    scene: Option<i64>,
    equipment: Option<Vec<EquipmentRecord>>,
}

impl<'a> Record<'a> for StationRecord<'a> {
    const DEPTH: usize = 4;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "StationID" => self.station = lenient::id(value, "StationID", limits)?,
            "OperatorID" => self.operator = lenient::id(value, "OperatorID", limits)?,
            "StationName" => {
                self.name = lenient::short(value, "StationName", limits.text_bytes_max)?.unwrap_or_default().into();
            }
            "AreaCode" => self.area = area(value, "AreaCode")?,
            "AreaCodeCountryside" => self.township = area(value, "AreaCodeCountryside")?,
            "StationType" => self.kind = lenient::whole(value, "StationType")?,
            "StationStatus" => self.state = lenient::whole(value, "StationStatus")?,
            "Construction" => self.scene = lenient::whole(value, "Construction")?,
            "EquipmentInfos" => {
                let len_max = (limits.equipment_max, Reason::TooManyParts);
                self.equipment = Some(list(value, "EquipmentInfos", limits, len_max)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// An area by its first 12, 9 or 6 digits; senders pad codes to 20.
fn area(value: Value<'_>, name: &'static str) -> Result<Option<Area>, Reject> {
    let Some(digits) = lenient::text(value, name)? else { return Ok(None) };
    let length = [12, 9, 6].into_iter().find(|&length| digits.len() >= length);
    let cut = length.and_then(|length| digits.get(..length)).unwrap_or(&digits);
    Area::parse(cut).map(Some).map_err(|_| Reject::field(Reason::BadArea, name))
}

impl StationRecord<'_> {
    /// The registration that it says.
    pub(super) fn registration(
        &self,
        at: Option<EventTime>,
        operator: &str,
        codes: &Codes,
        limits: &Limits,
    ) -> Result<Registration, Reject> {
        let missing = Reject::field(Reason::MissingField, "EquipmentInfos");
        let records = self.equipment.as_ref().ok_or(missing)?;
        let mut equipment = Vec::with_capacity(records.len());
        for record in records {
            let id = record.id.clone().ok_or(Reject::field(Reason::MissingField, "EquipmentID"))?;
            let kind = record.kind.map_or(EquipmentKind::Other, |kind| codes.equipment(operator, kind));
            let connectors =
                record.connectors.iter().map(|connector| connector.spec(kind)).collect::<Result<_, _>>()?;
            equipment.push(Equipment {
                id,
                rated_w: record.rated_w,
                production_day: record.production_day,
                connectors,
            });
        }
        let connectors = || equipment.iter().flat_map(|piece| &piece.connectors);
        if connectors().count() > limits.connectors_max {
            return Err(Reject::field(Reason::TooManyParts, "ConnectorInfos"));
        }
        check_distinct(connectors().map(|connector| &*connector.id), "ConnectorID")?;
        check_distinct(equipment.iter().map(|piece| &*piece.id), "EquipmentID")?;
        Ok(Registration {
            at,
            name: self.name.clone(),
            area: self.township.or(self.area),
            access: self.kind.and_then(|kind| codes.access(operator, kind)),
            scene: self.scene.and_then(|scene| codes.scene(operator, scene)),
            state: station_state(self.state.unwrap_or(0)),
            equipment,
        })
    }
}

fn check_distinct<'a>(ids: impl Iterator<Item = &'a str>, name: &'static str) -> Result<(), Reject> {
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    match ids.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(Reject::field(Reason::DuplicateId, name)),
        false => Ok(()),
    }
}

#[derive(Default)]
struct EquipmentRecord {
    id: Option<Box<str>>,
    kind: Option<i64>,
    rated_w: Option<u32>,
    production_day: Option<i32>,
    connectors: Vec<ConnectorRecord>,
}

impl<'a> Record<'a> for EquipmentRecord {
    const DEPTH: usize = 6;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "EquipmentID" => self.id = lenient::id(value, "EquipmentID", limits)?.map(Into::into),
            "EquipmentType" => self.kind = lenient::whole(value, "EquipmentType")?,
            "Power" | "EquipmentPower" => self.rated_w = positive(value, &POWER)?.or(self.rated_w),
            // A date that cannot be one is as good as none; it is no reason to do without the station.
            "ProductionDate" => {
                let text = lenient::text(value, "ProductionDate")?;
                self.production_day = text.and_then(|text| rfc3339::parse_day(text.get(..10)?));
            }
            "ConnectorInfos" => {
                let len_max = (limits.connectors_max, Reason::TooManyParts);
                self.connectors = list(value, "ConnectorInfos", limits, len_max)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct ConnectorRecord {
    id: Option<Box<str>>,
    kind: Option<i64>,
    rated_w: Option<u32>,
    v_max: Option<u32>,
}

impl<'a> Record<'a> for ConnectorRecord {
    const DEPTH: usize = 8;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "ConnectorID" => self.id = lenient::id(value, "ConnectorID", limits)?.map(Into::into),
            "ConnectorType" => self.kind = lenient::whole(value, "ConnectorType")?,
            "Power" => self.rated_w = positive(value, &POWER)?,
            "VoltageUpperLimits" => self.v_max = positive(value, &VOLTAGE)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl ConnectorRecord {
    fn spec(&self, equipment: EquipmentKind) -> Result<ConnectorSpec, Reject> {
        let current: Option<Current> = self.kind.and_then(connector_current).or(equipment.current());
        Ok(ConnectorSpec {
            id: self.id.clone().ok_or(Reject::field(Reason::MissingField, "ConnectorID"))?,
            rated_w: self.rated_w,
            current,
            v_max: self.v_max,
            v2g: equipment == EquipmentKind::V2g,
            discharge_w: None,
        })
    }
}

/// A rating; senders write 0 for one that they do not know.
fn positive(value: Value<'_>, quantity: &Quantity) -> Result<Option<u32>, Reject> {
    let amount = lenient::quantity(value, quantity)?;
    Ok(amount.and_then(|amount| u32::try_from(amount).ok()).filter(|&amount| amount > 0))
}
