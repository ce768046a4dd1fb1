//! Meter values of both families of OCPP: readings with measurand, unit, phase, place and context, folded into one
//! reading for each point in time. The value of 1.6 is a text, that of 2.x a number with a multiplier; what else differs
//! are names. Readings that say nothing here are passed over; must never take an interval for a register.

use std::borrow::Cow;

use chargetally_core::observation::Vitals;
use chargetally_core::time::EventTime;
use serde::de::MapAccess;

use super::members::{From, Members};
use crate::dialect::json::Value;
use crate::dialect::mapping::spec::{CONNECTOR_TEMP, CURRENT, EXPORT, IMPORT, POWER, SOC, VOLTAGE, integer};
use crate::dialect::{Reason, Reject};

/// Kinds of electrical quantities that are read.
const KINDS: usize = 7;
/// Multipliers of 2.x are powers of ten up to this one, and down to its negative.
const MULTIPLIER_MAX: f64 = 12.0;

/// What a reading is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An electrical quantity.
    Electrical(Electrical),
    Soc,
    /// What the vehicle shows to its driver (2.1): only where nothing better is said.
    ShownSoc,
    Temperature,
    /// Nothing here.
    Other,
}

/// The electrical quantities; the number is the place in [`Amounts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Electrical {
    Import = 0,
    Export = 1,
    PowerIn = 2,
    PowerOut = 3,
    Voltage = 4,
    CurrentIn = 5,
    CurrentOut = 6,
}

impl Kind {
    fn of(measurand: &str) -> Self {
        Self::Electrical(match measurand {
            "Energy.Active.Import.Register" => Electrical::Import,
            "Energy.Active.Export.Register" => Electrical::Export,
            "Power.Active.Import" => Electrical::PowerIn,
            "Power.Active.Export" => Electrical::PowerOut,
            "Voltage" => Electrical::Voltage,
            "Current.Import" => Electrical::CurrentIn,
            "Current.Export" => Electrical::CurrentOut,
            "SoC" => return Self::Soc,
            "Display.PresentSOC" => return Self::ShownSoc,
            "Temperature" => return Self::Temperature,
            _ => return Self::Other,
        })
    }

    /// The quantity's place, and from a number of this unit to its integer: the factor and what is then added. `None`
    /// for a unit that the quantity cannot have.
    fn conversion(self, unit: Option<&str>) -> Option<(usize, f64, f64)> {
        let place = match self {
            Self::Electrical(Electrical::Import) => IMPORT,
            Self::Electrical(Electrical::Export) => EXPORT,
            Self::Electrical(Electrical::PowerIn | Electrical::PowerOut) => POWER,
            Self::Electrical(Electrical::Voltage) => VOLTAGE,
            Self::Electrical(Electrical::CurrentIn | Electrical::CurrentOut) => CURRENT,
            Self::Soc | Self::ShownSoc => SOC,
            Self::Temperature => CONNECTOR_TEMP,
            Self::Other => return None,
        };
        let (factor, offset) = match (place, unit) {
            (IMPORT | EXPORT, None | Some("Wh")) => (3_600.0, 0.0),
            (IMPORT | EXPORT, Some("kWh")) => (3_600_000.0, 0.0),
            (POWER, None | Some("W")) => (1.0, 0.0),
            (POWER, Some("kW")) => (1_000.0, 0.0),
            (VOLTAGE, None | Some("V")) | (CURRENT, None | Some("A")) => (1_000.0, 0.0),
            (SOC, None | Some("Percent" | "%")) => (10.0, 0.0),
            // The schema of 1.6 was published with the first spelling.
            (CONNECTOR_TEMP, None | Some("Celcius" | "Celsius")) => (1_000.0, 0.0),
            (CONNECTOR_TEMP, Some("Fahrenheit")) => (5_000.0 / 9.0, -160_000.0 / 9.0),
            (CONNECTOR_TEMP, Some("K")) => (1_000.0, -273_150.0),
            _ => return None,
        };
        Some((place, factor, offset))
    }
}

/// Where it was measured, as far as that matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Location {
    /// At the connector, or on its cable.
    #[default]
    Outlet,
    /// Where the station takes its power from.
    Inlet,
    /// Elsewhere: in the cabinet, in the vehicle, at the grid.
    Elsewhere,
}

/// Of which conductors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Of all together.
    #[default]
    All,
    /// Of one line, alone or against neutral.
    Line(usize),
    /// Between two lines, or of neutral.
    Other,
}

/// One `sampledValue`.
#[derive(Default)]
struct Sampled<'a> {
    value: Option<Value<'a>>,
    measurand: Option<Cow<'a, str>>,
    phase: Phase,
    location: Location,
    unit: Unit<'a>,
    /// Whether the value is data to be verified, not a number (1.6).
    is_signed: bool,
    /// Whether it stood when the transaction began.
    is_of_begin: bool,
}

/// `unitOfMeasure` (2.x), or `unit` (1.6).
#[derive(Default)]
struct Unit<'a> {
    name: Option<Cow<'a, str>>,
    multiplier: Option<f64>,
}

impl<'a> Members<'a> for Unit<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        match key {
            "unit" => self.name = from.leaf(|value| value.text("unit"))?,
            "multiplier" => {
                self.multiplier = from.leaf(|value| value.number("multiplier", -MULTIPLIER_MAX, MULTIPLIER_MAX))?;
            }
            _ => return from.skip(),
        }
        Ok(())
    }
}

impl<'a> Members<'a> for Sampled<'a> {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        match key {
            "value" => self.value = from.leaf(|value| Ok(Some(value).filter(|value| !value.is_null())))?,
            "measurand" => self.measurand = from.leaf(|value| value.text("measurand"))?,
            "unit" => self.unit.name = from.leaf(|value| value.text("unit"))?,
            "unitOfMeasure" => self.unit = from.object()?.unwrap_or_default(),
            "phase" => {
                self.phase = from.leaf(|value| Ok(value.text("phase")?.map_or(Phase::All, |text| phase(&text))))?;
            }
            "location" => {
                self.location =
                    from.leaf(|value| Ok(value.text("location")?.map_or(Location::Outlet, |text| location(&text))))?;
            }
            "context" => {
                let context = from.leaf(|value| value.text("context"))?;
                self.is_of_begin = context.as_deref() == Some("Transaction.Begin");
            }
            "format" => self.is_signed = from.leaf(|value| value.text("format"))?.as_deref() == Some("SignedData"),
            _ => return from.skip(),
        }
        Ok(())
    }
}

fn phase(text: &str) -> Phase {
    match text {
        "" => Phase::All,
        "L1" | "L1-N" => Phase::Line(0),
        "L2" | "L2-N" => Phase::Line(1),
        "L3" | "L3-N" => Phase::Line(2),
        _ => Phase::Other,
    }
}

fn location(text: &str) -> Location {
    match text {
        "" | "Outlet" | "Cable" => Location::Outlet,
        "Inlet" => Location::Inlet,
        _ => Location::Elsewhere,
    }
}

impl Sampled<'_> {
    /// What it is about and how much; `None` where it says nothing here.
    fn amount(&self) -> Result<Option<(Kind, i64)>, Reject> {
        let kind = self.measurand.as_deref().map_or(Kind::Electrical(Electrical::Import), Kind::of);
        let is_of_battery = matches!(kind, Kind::Soc | Kind::ShownSoc);
        let is_elsewhere = !is_of_battery && (self.location == Location::Elsewhere || self.phase == Phase::Other);
        if kind == Kind::Other || is_elsewhere || self.is_signed {
            return Ok(None);
        }
        let unit = self.unit.name.as_deref().filter(|unit| !unit.is_empty());
        let conversion = kind.conversion(unit).ok_or(Reject::field(Reason::UnknownValue, "unit"))?;
        let (place, factor, offset) = conversion;
        let value = self.value.ok_or(Reject::field(Reason::MissingField, "value"))?;
        let number = value.decimal("value")?;
        let factor = self.unit.multiplier.map_or(factor, |power| factor * 10_f64.powf(power));
        integer(number, place, factor, offset).map(|amount| Some((kind, amount)))
    }
}

/// A quantity that may be told as a whole or phase by phase.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    whole: Option<i64>,
    lines: [Option<i64>; 3],
}

impl Parts {
    fn set(&mut self, phase: Phase, amount: i64) {
        match phase {
            Phase::Line(line) => self.lines[line] = Some(amount),
            Phase::All | Phase::Other => self.whole = Some(amount),
        }
    }

    /// The whole, or the sum of the lines.
    fn sum(&self) -> Option<i64> {
        let told = || self.lines.iter().flatten();
        self.whole
            .or_else(|| told().next().is_some().then(|| told().fold(0_i64, |sum, line| sum.saturating_add(*line))))
    }

    /// The whole, or the greatest of the lines.
    fn greatest(&self) -> Option<i64> {
        self.whole.or_else(|| self.lines.into_iter().flatten().max())
    }
}

/// One `meterValue`: readings of one point in time.
#[derive(Default)]
pub(super) struct MeterValue {
    at: Option<EventTime>,
    outlet: [Parts; KINDS],
    inlet: [Parts; KINDS],
    begin: Parts,
    soc_permille: Option<i64>,
    shown_soc_permille: Option<i64>,
    temp_mc: Option<i64>,
}

impl<'a> Members<'a> for MeterValue {
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error> {
        match key {
            "timestamp" => self.at = from.leaf(|value| value.time("timestamp"))?,
            "sampledValue" => return from.each(|sampled: Sampled<'a>| self.take(&sampled)),
            _ => return from.skip(),
        }
        Ok(())
    }
}

impl MeterValue {
    fn take(&mut self, sampled: &Sampled<'_>) -> Result<(), Reject> {
        let Some((kind, amount)) = sampled.amount()? else { return Ok(()) };
        match kind {
            Kind::Electrical(Electrical::Import) if sampled.is_of_begin && sampled.location == Location::Outlet => {
                self.begin.set(sampled.phase, amount);
            }
            Kind::Electrical(quantity) => {
                let place = if sampled.location == Location::Inlet { &mut self.inlet } else { &mut self.outlet };
                place[quantity as usize].set(sampled.phase, amount);
            }
            Kind::Soc => self.soc_permille = Some(amount),
            Kind::ShownSoc => self.shown_soc_permille = Some(amount),
            Kind::Temperature => self.temp_mc = self.temp_mc.max(Some(amount)),
            Kind::Other => {}
        }
        Ok(())
    }

    /// What it says in the end.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            at: self.at,
            outlet: Amounts::of(&self.outlet),
            inlet: Amounts::of(&self.inlet),
            begin_j: self.begin.sum(),
            soc_permille: self.soc_permille.or(self.shown_soc_permille),
            temp_mc: self.temp_mc,
        }
    }
}

/// What was measured at one place. Energy in J, power in W, the others in thousandths of V and A.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say what they hold and in which unit")]
pub struct Amounts {
    pub import_j: Option<i64>,
    pub export_j: Option<i64>,
    /// To the vehicle; negative from it.
    pub power_w: Option<i64>,
    pub voltage_mv: Option<i64>,
    pub current_ma: Option<i64>,
}

impl Amounts {
    fn of(parts: &[Parts; KINDS]) -> Self {
        let part = |quantity: Electrical| parts[quantity as usize];
        let net = |taken: Option<i64>, given: Option<i64>| match (taken, given) {
            (None, None) => None,
            (taken, given) => Some(taken.unwrap_or(0).saturating_sub(given.unwrap_or(0))),
        };
        Self {
            import_j: part(Electrical::Import).sum(),
            export_j: part(Electrical::Export).sum(),
            power_w: net(part(Electrical::PowerIn).sum(), part(Electrical::PowerOut).sum()),
            voltage_mv: part(Electrical::Voltage).greatest(),
            current_ma: net(part(Electrical::CurrentIn).greatest(), part(Electrical::CurrentOut).greatest()),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What was measured at one point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// When; `None` where the message does not say.
    pub at: Option<EventTime>,
    /// At the connector.
    pub outlet: Amounts,
    /// Where the station takes its power from: counts only while nothing is told of the connector.
    pub inlet: Amounts,
    /// The register as the transaction began, J.
    pub begin_j: Option<i64>,
    /// Charge of the battery.
    pub soc_permille: Option<i64>,
    /// The hottest place at the connector.
    pub temp_mc: Option<i64>,
}

impl Reading {
    /// A reading of the register alone.
    #[must_use]
    pub fn of_register(at: Option<EventTime>, import_j: Option<i64>) -> Self {
        Self { at, outlet: Amounts { import_j, ..Amounts::default() }, ..Self::default() }
    }

    /// Whether anything was measured at the connector itself.
    #[must_use]
    pub fn has_outlet(&self) -> bool {
        !self.outlet.is_empty() || self.begin_j.is_some()
    }

    /// What counts, where it is known whether the connector itself is ever told of.
    #[must_use]
    pub fn amounts(&self, has_outlet: bool) -> Amounts {
        let amounts = if has_outlet || self.has_outlet() { self.outlet } else { self.inlet };
        Amounts { import_j: amounts.import_j.or(self.begin_j), ..amounts }
    }

    /// The vitals that go with these amounts.
    #[must_use]
    pub fn vitals(&self, amounts: &Amounts) -> Vitals {
        Vitals {
            voltage_mv: amounts.voltage_mv,
            current_ma: amounts.current_ma,
            connector_temp_mc: self.temp_mc,
            soc_permille: self.soc_permille,
            ..Vitals::default()
        }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self { at: self.at, ..Self::default() }
    }
}
