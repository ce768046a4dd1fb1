//! What Sparkplug metrics mean. The specification fixes no names for chargers, so these are the usual ones; a metric of
//! any other name is known and says nothing. A birth certificate binds names and units to aliases.

use std::borrow::Cow;

use chargetally_core::alarm::AlarmClass;
use chargetally_core::pack::{Damaged, Pack, Reader};

use super::wire::{Metric, Value};
use crate::dialect::mapping::memory::ConnectorMemory;
use crate::dialect::mapping::spec::{QUANTITIES, STATUSES, conversion, integer, quantity};
use crate::dialect::native::status_from_name;
use crate::dialect::{Limits, Reason, Reject};

/// Names of metrics in small letters without spaces, underscores and hyphens, with the quantity of the wire and the unit
/// that is meant where a metric has none.
const NAMED: &[(&str, &str, &str)] = &[
    ("power", "power_kw", "W"),
    ("power/active", "power_kw", "W"),
    ("power/active/import", "power_kw", "W"),
    ("activepower", "power_kw", "W"),
    ("energy", "import_kwh", "Wh"),
    ("energy/import", "import_kwh", "Wh"),
    ("energy/active/import", "import_kwh", "Wh"),
    ("energyimport", "import_kwh", "Wh"),
    ("energy/export", "export_kwh", "Wh"),
    ("energy/active/export", "export_kwh", "Wh"),
    ("energyexport", "export_kwh", "Wh"),
    ("power/demand", "power_demand_kw", "W"),
    ("voltage", "voltage_v", "V"),
    ("current", "current_a", "A"),
    ("temperature/cable", "connector_temp_c", "C"),
    ("temperature/connector", "connector_temp_c", "C"),
    ("soc", "soc_pct", "%"),
    ("battery/soc", "soc_pct", "%"),
    ("battery/temperature/max", "battery_temp_max_c", "C"),
    ("battery/temperature/min", "battery_temp_min_c", "C"),
    ("battery/cell/max", "cell_v_max", "V"),
    ("battery/cell/min", "cell_v_min", "V"),
    ("insulation", "insulation_kohm", "kOhm"),
];

/// What a metric says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// Nothing here.
    Nothing,
    /// A quantity: its place, and from the metric's number to its integer.
    Quantity {
        /// Its place in a connector's memory.
        place: usize,
        /// From the number to its integer.
        factor: f64,
        /// Added after that.
        offset: f64,
    },
    /// The connector's status, as a word.
    Status,
    /// A fault's code; 0 and the empty text mean that all is well.
    Fault,
    /// The session's id.
    Session,
}

impl Meaning {
    /// What a metric of this name and unit says.
    ///
    /// # Errors
    /// [`Reason::UnknownValue`] where the unit is none that the quantity can have.
    pub fn of(name: &str, unit: Option<&str>) -> Result<Self, Reject> {
        let plain: String = name.chars().filter(|c| !matches!(c, ' ' | '_' | '-')).collect::<String>().to_lowercase();
        match plain.as_str() {
            "status" | "state" | "connector/status" => return Ok(Self::Status),
            "fault/code" | "faultcode" | "error/code" | "errorcode" => return Ok(Self::Fault),
            "session" | "session/id" | "sessionid" => return Ok(Self::Session),
            _ => {}
        }
        let Some(&(_, wire, usual)) = NAMED.iter().find(|(named, ..)| *named == plain) else {
            return Ok(Self::Nothing);
        };
        let Some((place, units)) = quantity(wire) else { return Ok(Self::Nothing) };
        let written = unit.map(|unit| unit.trim_start_matches(['°', '℃']).trim());
        let written = match written {
            None => usual,
            Some("" | "degC" | "Cel" | "celsius" | "Celsius") => "C",
            Some("Ω" | "ohm") => "Ohm",
            Some("kΩ" | "kohm") => "kOhm",
            Some(unit) => unit,
        };
        let unit = units.iter().find(|unit| unit.0 == written).ok_or(Reject::field(Reason::UnknownValue, "engUnit"))?;
        let (factor, offset) = conversion(place, *unit, 1.0, 0.0);
        Ok(Self::Quantity { place, factor, offset })
    }

    /// What a metric's value says; `None` where it says nothing.
    ///
    /// # Errors
    /// [`Reject`] where the value is none that it can have.
    pub fn read<'a>(self, metric: &Metric<'a>, limits: &Limits) -> Result<Option<Reading<'a>>, Reject> {
        let null = metric.is_null || metric.value == Value::None;
        Ok(Some(match self {
            Self::Nothing => return Ok(None),
            Self::Quantity { place, factor, offset } => {
                let number = if null { None } else { metric.number("metric")? };
                let amount = number.map(|number| integer(number, place, factor, offset)).transpose()?;
                Reading::Quantity(place, amount)
            }
            Self::Status if null => Reading::Status(None),
            Self::Status => {
                let Value::Text(word) = metric.value else { return Err(Reject::field(Reason::WrongType, "status")) };
                let name = STATUSES.iter().find(|(written, _)| *written == word).map(|(_, name)| *name);
                let status = name.and_then(status_from_name).ok_or(Reject::field(Reason::UnknownValue, "status"))?;
                Reading::Status(Some(status))
            }
            Self::Fault if null => Reading::Fault(Cow::Borrowed("")),
            Self::Fault => match metric.value {
                Value::Text(code) => Reading::Fault(Cow::Borrowed(if code == "0" { "" } else { code })),
                Value::Boolean(raised) => Reading::Fault(Cow::Borrowed(if raised { "true" } else { "" })),
                _ => match metric.number("fault")? {
                    Some(code) if code != 0.0 => Reading::Fault(Cow::Owned(code.to_string())),
                    _ => Reading::Fault(Cow::Borrowed("")),
                },
            },
            Self::Session => match metric.value {
                _ if null => Reading::Session(None),
                Value::Text(id) if id.len() > limits.id_bytes_max => {
                    return Err(Reject::field(Reason::IdTooLong, "session"));
                }
                Value::Text(id) => Reading::Session(Some(Cow::Borrowed(id)).filter(|id| !id.is_empty())),
                _ => Reading::Session(metric.number("session")?.map(|id| Cow::Owned(id.to_string()))),
            },
        }))
    }
}

/// What a metric's value says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading<'a> {
    /// How much there is, by the quantity's place.
    Quantity(usize, Option<i64>),
    /// The connector's status.
    Status(Option<chargetally_core::state::Status>),
    /// The fault that stands; empty where there is none.
    Fault(Cow<'a, str>),
    /// The session's id.
    Session(Option<Cow<'a, str>>),
}

impl Reading<'_> {
    /// Has a connector remember it.
    pub fn remember(&self, memory: &mut ConnectorMemory) {
        match self {
            Self::Quantity(place, value) => memory.set_quantity(*place, *value, true),
            Self::Status(status) => memory.set_status(*status),
            // What the codes mean is known to the maker alone.
            Self::Fault(code) => memory.set_alarm((!code.is_empty()).then_some(AlarmClass::Other), code),
            Self::Session(id) => memory.set_session(id.as_deref()),
        }
    }
}

impl Pack for Meaning {
    fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nothing => out.push(0),
            Self::Quantity { place, factor, offset } => {
                out.extend_from_slice(&[1, *place as u8]);
                factor.pack(out);
                offset.pack(out);
            }
            Self::Status => out.push(2),
            Self::Fault => out.push(3),
            Self::Session => out.push(4),
        }
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        const DAMAGED: Damaged = Damaged { what: "metric" };
        Ok(match reader.byte()? {
            0 => Self::Nothing,
            1 => {
                let place = usize::from(reader.byte()?);
                if place >= QUANTITIES {
                    return Err(DAMAGED);
                }
                Self::Quantity { place, factor: f64::unpack(reader)?, offset: f64::unpack(reader)? }
            }
            2 => Self::Status,
            3 => Self::Fault,
            4 => Self::Session,
            _ => return Err(DAMAGED),
        })
    }
}
