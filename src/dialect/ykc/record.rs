//! What the frames of YKC hold, as the proxies spell it, member by member. The vehicle's number and the card's are no
//! members of it: they must never be read.

use std::borrow::Cow;

use chargetally_core::observation::Vitals;

use crate::dialect::json::{Quantity, Record, Value};
use crate::dialect::{Limits, Reject, lenient};

/// J in 0.0001 kWh, the unit of all energy.
const J_PER_UNIT: f64 = 360.0;
const ENERGY_MAX: f64 = 1e11;

const fn quantity(name: &'static str, min: f64, max: f64, scale: f64) -> Quantity {
    Quantity { name, min, max, scale }
}

const VOLTAGE: Quantity = quantity("ov", 0.0, 20_000.0, 100.0);
const CURRENT: Quantity = quantity("oc", -30_000.0, 30_000.0, 100.0);
const LINE_TEMP: Quantity = quantity("lineTemp", 0.0, 255.0, 1000.0);
const BATTERY_TEMP: Quantity = quantity("bpTopTemp", 0.0, 255.0, 1000.0);
const SOC: Quantity = quantity("soc", 0.0, 100.0, 10.0);
const ENERGY: Quantity = quantity("chargingDegrees", 0.0, ENERGY_MAX, J_PER_UNIT);
const TOTAL: Quantity = quantity("totalElectricCharge", 0.0, ENERGY_MAX, J_PER_UNIT);
const PART: Quantity = quantity("electricCharge", 0.0, ENERGY_MAX, J_PER_UNIT);
/// Temperatures are counted from here, 0.001 °C; what stands there itself is none.
const TEMP_ZERO_MC: i64 = 50_000;

/// All members of all frames.
#[derive(Default)]
pub(super) struct FrameRecord<'a> {
    pub at: Option<Value<'a>>,
    pub station: Option<Cow<'a, str>>,
    pub connector: Option<Cow<'a, str>>,
    pub trade: Option<Cow<'a, str>>,
    pub status: Option<i64>,
    pub plugged: Option<i64>,
    pub faults: Option<i64>,
    pub minutes: Option<i64>,
    pub energy_j: Option<i64>,
    pub parts_j: i64,
    pub vitals: Vitals,
    pub began: Option<Value<'a>>,
    pub ended: Option<Value<'a>>,
    pub stop_reason: Option<i64>,
    pub result: Option<bool>,
}

impl<'a> Record<'a> for FrameRecord<'a> {
    const DEPTH: usize = 1;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        let vitals = &mut self.vitals;
        match key {
            "ts" => self.at = Some(value),
            "id" | "Id" => self.station = lenient::id(value, "id", limits)?,
            "gunId" | "gun" => self.connector = lenient::id(value, "gunId", limits)?,
            "tradeSeq" => {
                let trade = lenient::id(value, "tradeSeq", limits)?;
                self.trade = trade.filter(|trade| trade.bytes().any(|byte| byte != b'0'));
            }
            "status" => self.status = lenient::whole(value, "status")?,
            "plugged" => self.plugged = lenient::whole(value, "plugged")?,
            "hardwareFailure" => self.faults = lenient::whole(value, "hardwareFailure")?,
            "accumulatedChargingTime" => {
                let minutes = lenient::number(value, "accumulatedChargingTime", 0.0, 100_000.0)?;
                self.minutes = minutes.map(|minutes| minutes as i64);
            }
            "ov" => vitals.voltage_mv = lenient::quantity(value, &VOLTAGE)?,
            "oc" => vitals.current_ma = lenient::quantity(value, &CURRENT)?,
            "lineTemp" => vitals.connector_temp_mc = temperature(value, &LINE_TEMP)?,
            "bpTopTemp" => vitals.battery_temp_max_mc = temperature(value, &BATTERY_TEMP)?,
            "soc" => vitals.soc_permille = lenient::quantity(value, &SOC)?,
            "chargingDegrees" => self.energy_j = lenient::quantity(value, &ENERGY)?,
            "totalElectricCharge" => self.energy_j = lenient::quantity(value, &TOTAL)?,
            "sharpElectricCharge" | "peakElectricCharge" | "flatElectricCharge" | "valleyElectricCharge" => {
                self.parts_j += lenient::quantity(value, &PART)?.unwrap_or(0);
            }
            "startAt" => self.began = Some(value),
            "endAt" => self.ended = Some(value),
            "stopReason" => self.stop_reason = lenient::whole(value, "stopReason")?,
            "result" => self.result = success(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn temperature(value: Value<'_>, quantity: &Quantity) -> Result<Option<i64>, Reject> {
    let counted = lenient::quantity(value, quantity)?;
    Ok(counted.filter(|&counted| counted > 0).map(|counted| counted - TEMP_ZERO_MC))
}

fn success(value: Value<'_>) -> Result<Option<bool>, Reject> {
    match value.json() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Ok(lenient::whole(value, "result")?.map(|result| result != 0)),
    }
}
