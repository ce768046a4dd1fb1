//! A mapping as it is meant: which topics there are, which values stand in their payloads, and what each of them says.
//! Settings and presets are read into this; it holds no wrong value, and knows neither files nor messages.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chargetally_core::alarm::AlarmClass;
use chargetally_core::state::Status;
use chargetally_core::unit::rounded;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::scalar::{Pointer, Scalar};
use super::template::{Part, Template};
use crate::dialect::json::{Quantity, TIME_MS};
use crate::dialect::{Reason, Reject, native};
use crate::rfc3339;

/// Fields of one mapping at most.
pub const FIELDS_MAX: usize = 128;
/// Entries of one field's table of values at most.
pub const VALUES_MAX: usize = 256;
/// Quantities that a connector has.
pub const QUANTITIES: usize = QUANTITY_UNITS.len();

/// A unit: its name, how many of the quantity's own unit it makes, and what lies between their zeros.
pub type Unit = (&'static str, f64, f64);

const ENERGY_UNITS: &[Unit] = &[("kWh", 1.0, 0.0), ("Wh", 1e-3, 0.0), ("MWh", 1e3, 0.0), ("J", 1.0 / 3.6e6, 0.0)];
const POWER_UNITS: &[Unit] = &[("kW", 1.0, 0.0), ("W", 1e-3, 0.0), ("MW", 1e3, 0.0)];
const TEMP_UNITS: &[Unit] = &[("C", 1.0, 0.0), ("F", 5.0 / 9.0, -160.0 / 9.0), ("K", 1.0, -273.15)];
const VOLT_UNITS: &[Unit] = &[("V", 1.0, 0.0), ("mV", 1e-3, 0.0)];
const AMPERE_UNITS: &[Unit] = &[("A", 1.0, 0.0), ("dA", 0.1, 0.0), ("mA", 1e-3, 0.0)];
const OHM_UNITS: &[Unit] = &[("kOhm", 1.0, 0.0), ("Ohm", 1e-3, 0.0), ("MOhm", 1e3, 0.0)];
const SHARE_UNITS: &[Unit] = &[("%", 1.0, 0.0), ("1", 100.0, 0.0)];

/// The quantities by their place in a connector's memory, each with its units, its own first.
const QUANTITY_UNITS: [(&Quantity, &[Unit]); 13] = [
    (&native::POWER, POWER_UNITS),
    (&native::IMPORT, ENERGY_UNITS),
    (&native::EXPORT, ENERGY_UNITS),
    (&native::DEMAND, POWER_UNITS),
    (&native::VOLTAGE, VOLT_UNITS),
    (&native::CURRENT, AMPERE_UNITS),
    (&native::CONNECTOR_TEMP, TEMP_UNITS),
    (&native::SOC, SHARE_UNITS),
    (&native::BATTERY_TEMP_MAX, TEMP_UNITS),
    (&native::BATTERY_TEMP_MIN, TEMP_UNITS),
    (&native::CELL_MAX, VOLT_UNITS),
    (&native::CELL_MIN, VOLT_UNITS),
    (&native::INSULATION, OHM_UNITS),
];

/// The place of the power.
pub const POWER: usize = 0;
/// The place of the register of energy taken.
pub const IMPORT: usize = 1;
/// The place of the register of energy given back.
pub const EXPORT: usize = 2;
/// The place of the voltage.
pub const VOLTAGE: usize = 4;
/// The place of the current.
pub const CURRENT: usize = 5;
/// The place of the connector's temperature.
pub const CONNECTOR_TEMP: usize = 6;
/// The place of the battery's charge.
pub const SOC: usize = 7;

/// The words of the wire and of OCPP for a status, each with the wire's own.
pub const STATUSES: &[(&str, &str)] = &[
    ("available", "available"),
    ("occupied", "occupied"),
    ("charging", "charging"),
    ("discharging", "discharging"),
    ("reserved", "reserved"),
    ("faulted", "faulted"),
    ("unavailable", "unavailable"),
    ("offline", "offline"),
    ("Available", "available"),
    ("Preparing", "occupied"),
    ("Occupied", "occupied"),
    ("Charging", "charging"),
    ("SuspendedEV", "occupied"),
    ("SuspendedEVSE", "occupied"),
    ("Finishing", "occupied"),
    ("Reserved", "reserved"),
    ("Unavailable", "unavailable"),
    ("Faulted", "faulted"),
];

/// A quantity's place and its units, by its name on the wire.
#[must_use]
pub fn quantity(name: &str) -> Option<(usize, &'static [Unit])> {
    let place = QUANTITY_UNITS.iter().position(|(quantity, _)| quantity.name == name)?;
    Some((place, QUANTITY_UNITS[place].1))
}

/// The names of all quantities.
pub fn quantity_names() -> impl Iterator<Item = &'static str> {
    QUANTITY_UNITS.iter().map(|(quantity, _)| quantity.name)
}

/// A mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Its topics in the order in which they were written.
    pub topics: Vec<Topic>,
    /// Who runs stations whose topics do not say it.
    pub operator: Box<str>,
    /// The station whose topics do not say it.
    pub station: Option<Box<str>>,
    /// The connector whose topics do not say it.
    pub connector: Box<str>,
}

/// Messages of one form.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// The form of their topics.
    pub template: Template,
    /// What stands in their payloads.
    pub fields: Vec<Field>,
}

/// One value of a payload, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Where it stands; the whole payload where not given.
    pub pointer: Option<Pointer>,
    /// What it says.
    pub target: Target,
    /// Values that mean that there is none.
    pub absent: Vec<Box<str>>,
    /// Values that say nothing: what was known before goes on.
    pub ignore: Vec<Box<str>>,
}

/// What a value says.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// How much of something there is.
    Quantity {
        /// Which: its place in a connector's memory.
        place: usize,
        /// From the written number to the quantity's integer unit.
        factor: f64,
        /// Added after that.
        offset: f64,
    },
    /// The connector's status.
    Status(Table<Option<Status>>),
    /// Something that is so or not.
    Flag(Flag, Table<Option<bool>>),
    /// Whether the station is reachable.
    Online(Table<Option<bool>>),
    /// Nothing but that the station lives.
    Alive,
    /// A fault, by its code; none where the code means that all is well.
    Alarm(Table<Option<AlarmClass>>),
    /// The session's id.
    Session,
    /// When the payload was made.
    Time(TimeForm),
    /// An id that has to be the one that the topic names.
    Identity(Part),
}

/// What is so or not at a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Flag {
    Charging = 0,
    Plugged = 1,
    Faulted = 2,
}

/// What written values mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Table<T> {
    /// By the text that is written.
    pub values: BTreeMap<Box<str>, T>,
    /// Every other value; without it they are refused.
    pub otherwise: Option<T>,
}

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub enum TimeForm {
    /// With its offset.
    Rfc3339,
    /// A number of these parts of a second since the Unix epoch.
    Unix {
        /// 1 for seconds, 1000 for milliseconds.
        per_s: i64,
    },
    /// A civil time of this zone.
    Local(TimeZone),
}

/// One thing that a message says.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "they are the targets with their values")]
pub enum Said<'a> {
    Quantity(usize, Option<i64>),
    Status(Option<Status>),
    Flag(Flag, Option<bool>),
    Online(bool),
    Alive,
    /// The class, and the code as it was written.
    Alarm(Option<AlarmClass>, Cow<'a, str>),
    Session(Option<Cow<'a, str>>),
    Time(i64),
    Identity(Part, Cow<'a, str>),
}

impl Spec {
    /// Whether any field can tell a connector's status.
    #[must_use]
    pub fn tells_status(&self) -> bool {
        let tells =
            |target: &Target| matches!(target, Target::Status(_) | Target::Flag(Flag::Charging | Flag::Plugged, _));
        self.topics.iter().flat_map(|topic| &topic.fields).any(|field| tells(&field.target))
    }
}

impl Target {
    /// Its name in refusals: that of the wire where it has one.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Quantity { place, .. } => QUANTITY_UNITS[*place].0.name,
            Self::Status(_) => "status",
            Self::Flag(Flag::Charging, _) => "charging",
            Self::Flag(Flag::Plugged, _) => "plugged",
            Self::Flag(Flag::Faulted, _) => "faulted",
            Self::Online(_) => "online",
            Self::Alive => "alive",
            Self::Alarm(_) => "alarm",
            Self::Session => "session",
            Self::Time(_) => "ts",
            Self::Identity(Part::Operator) => "operator",
            Self::Identity(Part::Connector) => "connector",
            Self::Identity(_) => "station",
        }
    }
}

impl Field {
    /// What a value says; `None` where it says nothing.
    ///
    /// # Errors
    /// [`Reject`] where it is none that the field can have.
    pub fn read<'a>(&self, value: Scalar<'a>) -> Result<Option<Said<'a>>, Reject> {
        let name = self.target.name();
        if value.text().is_some_and(|text| self.ignore.iter().any(|ignored| **ignored == *text)) {
            return Ok(None);
        }
        let value = match value.text() {
            Some(text) if self.absent.iter().any(|absent| **absent == *text) => Scalar::Absent,
            _ => value,
        };
        let wrong_type = Reject::field(Reason::WrongType, name);
        if value == Scalar::Composite && !matches!(self.target, Target::Alive) {
            return Err(wrong_type);
        }
        Ok(match (&self.target, value) {
            (Target::Alive, _) => Some(Said::Alive),
            (&Target::Quantity { place, factor, offset }, value) => {
                let number = value.text().map(|text| amount(text, place, factor, offset)).transpose()?;
                Some(Said::Quantity(place, number))
            }
            (Target::Status(table), value) => Some(Said::Status(table.read(&value, name)?.flatten())),
            (Target::Flag(flag, table), value) => Some(Said::Flag(*flag, table.read(&value, name)?.flatten())),
            (Target::Online(table), value) => table.read(&value, name)?.flatten().map(Said::Online),
            (Target::Alarm(table), value) => {
                let class = table.read(&value, name)?.flatten();
                Some(Said::Alarm(class, into_text(value).unwrap_or_default()))
            }
            (Target::Session, value) => Some(Said::Session(into_text(value).filter(|id| !id.is_empty()))),
            (Target::Time(_), Scalar::Absent) | (Target::Identity(_), Scalar::Absent) => None,
            (Target::Time(form), value) => Some(Said::Time(form.read(value.text().ok_or(wrong_type)?)?)),
            (Target::Identity(part), value) => Some(Said::Identity(*part, into_text(value).ok_or(wrong_type)?)),
        })
    }
}

fn into_text(value: Scalar<'_>) -> Option<Cow<'_, str>> {
    match value {
        Scalar::Text(text) => Some(text),
        Scalar::Bare(text) => Some(Cow::Borrowed(text)),
        Scalar::Absent | Scalar::Composite => None,
    }
}

fn amount(text: &str, place: usize, factor: f64, offset: f64) -> Result<i64, Reject> {
    let quantity = QUANTITY_UNITS[place].0;
    let number = text.trim_ascii().parse::<f64>().map_err(|_| Reject::field(Reason::WrongType, quantity.name))?;
    integer(number, place, factor, offset)
}

/// A number as the quantity's integer, by what [`conversion`] gives.
///
/// # Errors
/// [`Reason::OutOfRange`].
pub fn integer(number: f64, place: usize, factor: f64, offset: f64) -> Result<i64, Reject> {
    let quantity = QUANTITY_UNITS[place].0;
    let amount = number * factor + offset;
    let range = quantity.min * quantity.scale..=quantity.max * quantity.scale;
    let out_of_range = Reject::field(Reason::OutOfRange, quantity.name);
    if range.contains(&amount) { rounded(amount).ok_or(out_of_range) } else { Err(out_of_range) }
}

/// From a written number to the integer unit of the quantity at `place`: the factor and what is then added, where a
/// number of `unit` is `written x scale + offset`.
#[must_use]
pub fn conversion(place: usize, unit: Unit, scale: f64, offset: f64) -> (f64, f64) {
    let (_, per_unit, zero) = unit;
    let integer_scale = QUANTITY_UNITS[place].0.scale;
    // Multiplied in this order, the common pairs of units give whole factors: W to W is 1, kWh to J is 3 600 000.
    let factor = integer_scale * per_unit;
    let factor = if (factor - factor.round()).abs() < 1e-9 { factor.round() } else { factor };
    (factor * scale, offset * factor + zero * integer_scale)
}

impl<T: Copy> Table<T> {
    /// What a value means; `None` where there is none.
    fn read(&self, value: &Scalar<'_>, name: &'static str) -> Result<Option<T>, Reject> {
        let Some(text) = value.text() else { return Ok(None) };
        let text = text.trim_ascii();
        match self.values.get(text).copied().or(self.otherwise) {
            Some(meant) => Ok(Some(meant)),
            None => Err(Reject::field(Reason::UnknownValue, name)),
        }
    }
}

impl TimeForm {
    fn read(&self, text: &str) -> Result<i64, Reject> {
        let bad = Reject::field(Reason::BadTime, "ts");
        let ms = match self {
            Self::Rfc3339 => rfc3339::parse_ms(text).ok_or(bad)?,
            Self::Unix { per_s } => {
                let parts = text.parse::<f64>().map_err(|_| bad)?;
                #[expect(clippy::cast_precision_loss, reason = "1 or 1000")]
                let ms = parts * (1000.0 / *per_s as f64);
                rounded(ms).ok_or(Reject::field(Reason::OutOfRange, "ts"))?
            }
            Self::Local(zone) => {
                let civil: DateTime = text.parse().map_err(|_| bad)?;
                zone.to_timestamp(civil).map_err(|_| bad)?.as_millisecond()
            }
        };
        if TIME_MS.contains(&ms) { Ok(ms) } else { Err(Reject::field(Reason::OutOfRange, "ts")) }
    }
}
