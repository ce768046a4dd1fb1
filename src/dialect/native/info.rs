//! A station's master data, `info` on the wire: read whole, checked for contradictions, and turned into the core's
//! registration. Rare and large next to telemetry, so it may allocate; it must hold to the limits all the same.

use chargetally_core::region::Area;
use chargetally_core::registration::{Access, ConnectorSpec, Current, Equipment, Registration, Scene, StationState};
use chargetally_core::time::EventTime;

use super::{KW_MAX, quantity};
use crate::dialect::json::{Quantity, Record, Value, object, objects};
use crate::dialect::{Limits, Reason, Reject};
use crate::rfc3339;
use crate::topic::{TopicError, check_id};

const RATED: Quantity = quantity("rated_kw", 0.0, KW_MAX, 1000.0);
const DISCHARGE: Quantity = quantity("discharge_kw", 0.0, KW_MAX, 1000.0);
const V_MAX: Quantity = quantity("v_max", 0.0, 2000.0, 1.0);

/// The registration that an `info` payload says, for a station whose topic names `province`.
pub(super) fn registration(text: &str, province: u8, limits: &Limits) -> Result<Registration, Reject> {
    let record: InfoRecord = object(text, limits)?;
    if record.area.as_ref().is_some_and(|area| area.province() != province) {
        return Err(Reject::field(Reason::IdentityMismatch, "area"));
    }
    let mut equipment = Vec::with_capacity(record.equipment.len());
    for piece in record.equipment {
        let mut connectors = Vec::with_capacity(piece.connectors.len());
        for connector in piece.connectors {
            connectors.push(ConnectorSpec {
                id: connector.id.ok_or(Reject::field(Reason::MissingField, "connectors.id"))?,
                rated_w: connector.rated_w,
                current: connector.current,
                v_max: connector.v_max,
                v2g: connector.v2g,
                discharge_w: connector.discharge_w,
            });
        }
        equipment.push(Equipment {
            id: piece.id.ok_or(Reject::field(Reason::MissingField, "equipment.id"))?,
            rated_w: piece.rated_w,
            production_day: piece.production_day,
            connectors,
        });
    }
    let connectors = || equipment.iter().flat_map(|piece| &piece.connectors);
    if connectors().count() > limits.connectors_max {
        return Err(Reject::field(Reason::TooManyParts, "connectors"));
    }
    check_distinct(connectors().map(|connector| &*connector.id), "connectors.id")?;
    check_distinct(equipment.iter().map(|piece| &*piece.id), "equipment.id")?;
    Ok(Registration {
        at: record.at,
        name: record.name,
        area: record.area,
        access: record.access,
        scene: record.scene,
        state: record.state.unwrap_or(StationState::Operating),
        equipment,
    })
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
struct InfoRecord {
    at: Option<EventTime>,
    name: Box<str>,
    area: Option<Area>,
    access: Option<Access>,
    scene: Option<Scene>,
    state: Option<StationState>,
    equipment: Vec<EquipmentRecord>,
}

impl<'a> Record<'a> for InfoRecord {
    const DEPTH: usize = 1;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "ts" => self.at = value.time("ts")?,
            "name" => self.name = value.short("name", limits.text_bytes_max)?.unwrap_or_default().into(),
            "area" => {
                let bad = Reject::field(Reason::BadArea, "area");
                self.area = value.text("area")?.map(|digits| Area::parse(&digits).map_err(|_| bad)).transpose()?;
            }
            "access" => self.access = value.one_of("access", |name| named(&Access::ALL, Access::name, name))?,
            "scene" => self.scene = value.one_of("scene", |name| named(&Scene::ALL, Scene::name, name))?,
            "state" => {
                self.state = value.one_of("state", |name| named(&StationState::ALL, StationState::name, name))?;
            }
            "lng" => _ = value.number("lng", -180.0, 180.0)?,
            "lat" => _ = value.number("lat", -90.0, 90.0)?,
            "equipment" => {
                let len_max = (limits.equipment_max, Reason::TooManyParts);
                self.equipment = match value.array("equipment")? {
                    Some(array) => objects(array, limits, len_max)?,
                    None => Vec::new(),
                };
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct EquipmentRecord {
    id: Option<Box<str>>,
    rated_w: Option<u32>,
    production_day: Option<i32>,
    connectors: Vec<ConnectorRecord>,
}

impl<'a> Record<'a> for EquipmentRecord {
    const DEPTH: usize = 3;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "id" => self.id = id(value, "equipment.id", limits)?,
            "rated_kw" => self.rated_w = rating(value)?,
            "production_date" => {
                let bad = Reject::field(Reason::BadTime, "production_date");
                let text = value.text("production_date")?;
                self.production_day = text.map(|text| rfc3339::parse_day(&text).ok_or(bad)).transpose()?;
            }
            "connectors" => {
                let len_max = (limits.connectors_max, Reason::TooManyParts);
                self.connectors = match value.array("connectors")? {
                    Some(array) => objects(array, limits, len_max)?,
                    None => Vec::new(),
                };
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct ConnectorRecord {
    id: Option<Box<str>>,
    rated_w: Option<u32>,
    current: Option<Current>,
    v_max: Option<u32>,
    v2g: bool,
    discharge_w: Option<u32>,
}

impl<'a> Record<'a> for ConnectorRecord {
    const DEPTH: usize = 5;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "id" => self.id = id(value, "connectors.id", limits)?,
            "rated_kw" => self.rated_w = rating(value)?,
            "current" => {
                let kinds = [Current::Ac, Current::Dc];
                self.current = value.one_of("current", |name| named(&kinds, Current::name, name))?;
            }
            "v_max" => self.v_max = small(value, &V_MAX)?,
            "v2g" => self.v2g = value.boolean("v2g")?.unwrap_or_default(),
            "discharge_kw" => self.discharge_w = small(value, &DISCHARGE)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn named<T: Copy>(all: &[T], name_of: impl Fn(T) -> &'static str, name: &str) -> Option<T> {
    all.iter().copied().find(|&value| name_of(value) == name)
}

/// A quantity whose range is known to be within 32 bits without a sign.
/// A rating, W; gateways send 0 for one that they do not know, so a rating of nothing is none.
fn rating(value: Value<'_>) -> Result<Option<u32>, Reject> {
    Ok(small(value, &RATED)?.filter(|&rated_w| rated_w > 0))
}

fn small(value: Value<'_>, quantity: &Quantity) -> Result<Option<u32>, Reject> {
    Ok(value.quantity(quantity)?.and_then(|amount| u32::try_from(amount).ok()))
}

/// An id that can stand in a topic.
fn id(value: Value<'_>, name: &'static str, limits: &Limits) -> Result<Option<Box<str>>, Reject> {
    let Some(id) = value.text(name)? else { return Ok(None) };
    match check_id(&id, limits.id_bytes_max) {
        Ok(id) => Ok(Some(id.into())),
        Err(TopicError::IdTooLong) => Err(Reject::field(Reason::IdTooLong, name)),
        Err(TopicError::Form) if id.is_empty() => Err(Reject::field(Reason::Empty, name)),
        Err(TopicError::Form) => Err(Reject::field(Reason::BadId, name)),
    }
}
