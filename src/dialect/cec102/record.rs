//! The objects of T/CEC 102 that tell what happens, read member by member: charge status, order, alarm, BMS and sums of
//! discharge; statuses have a file of their own. Spellings of the standard and of those who corrected it are both taken. `Vin`, `PlateNo` and
//! `Phone` are no members of any of these: they must never be read.

use std::borrow::Cow;

use chargetally_core::observation::Vitals;
use chargetally_core::time::EventTime;
use chargetally_core::unit::J_PER_KWH;

use crate::dialect::json::{Members, Quantity, Record, Value, object, objects};
use crate::dialect::native;
use crate::dialect::{Limits, Reason, Reject, lenient};

const KWH_MAX: f64 = 1e9;
const FEE_MAX: f64 = 1e7;

const fn quantity(name: &'static str, min: f64, max: f64, scale: f64) -> Quantity {
    Quantity { name, min, max, scale }
}

const TOTAL: Quantity = quantity("TotalPower", 0.0, KWH_MAX, J_PER_KWH);
const DETAIL: Quantity = quantity("DetailPower", 0.0, KWH_MAX, J_PER_KWH);
pub(super) const DISCHARGE: Quantity = quantity("DischargeElectricity", 0.0, KWH_MAX, J_PER_KWH);
const ENERGY_FEE: Quantity = quantity("TotalElecMoney", 0.0, FEE_MAX, 100.0);
const SERVICE_FEE: Quantity = quantity("TotalSeviceMoney", 0.0, FEE_MAX, 100.0);
const CURRENTS: [&str; 3] = ["CurrentA", "CurrentB", "CurrentC"];
const VOLTAGES: [&str; 3] = ["VoltageA", "VoltageB", "VoltageC"];
const AMPERES_MAX: f64 = 3000.0;
const VOLTS_MAX: f64 = 2000.0;
/// Above this a voltage between the phases of alternating current is one between two lines, V (domain 9.13).
const PHASE_V_MAX: f64 = 300.0;

/// All objects of an array, or the one object that stands where an array should.
pub(super) fn list<'a, R: Record<'a>>(
    value: Value<'a>,
    name: &'static str,
    limits: &Limits,
    len_max: (usize, Reason),
) -> Result<Vec<R>, Reject> {
    match value.json().as_bytes().first() {
        Some(b'[') => objects(value.json(), limits, len_max),
        Some(b'{') => Ok(vec![object(value.json(), limits)?]),
        _ if value.is_null() => Ok(Vec::new()),
        _ => Err(Reject::field(Reason::WrongType, name)),
    }
}

/// An object with or without a wrapper around it, `{"ts", "seq", "data"}` or the answer's `{"Ret", "Msg", "Data"}`.
#[derive(Default)]
pub(super) struct Wrapped<'a, R> {
    /// The wrapper's time, to be read by the source's zone.
    pub at: Option<Value<'a>>,
    /// What is in it.
    pub inner: R,
}

impl<'a, R: Record<'a>> Record<'a> for Wrapped<'a, R> {
    const DEPTH: usize = 1;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "ts" => self.at = Some(value),
            "seq" | "Seq" => {}
            // A text is the encrypted envelope of the standard's HTTPS: whoever bridges it to MQTT has to open it.
            "data" | "Data" => match value.json().as_bytes().first() {
                Some(b'{') => self.inner = object(value.json(), limits)?,
                _ => return Err(Reject::field(Reason::WrongType, "data")),
            },
            _ => return self.inner.member(key, value, limits),
        }
        Ok(true)
    }

    fn enter(&mut self, key: &str) -> Option<&mut dyn Members<'a>> {
        match key {
            "data" | "Data" => {
                self.inner = R::default();
                Some(&mut self.inner)
            }
            _ => self.inner.enter(key),
        }
    }
}

/// Currents and voltages of up to three phases; direct current stands in the first.
#[derive(Default)]
pub(super) struct Phases {
    amperes: [Option<f64>; 3],
    volts: [Option<f64>; 3],
}

impl Phases {
    pub(super) fn member(&mut self, key: &str, value: Value<'_>) -> Result<bool, Reject> {
        let (place, is_current) = match key {
            "CurrentA" => (0, true),
            "CurrentB" => (1, true),
            "CurrentC" => (2, true),
            "VoltageA" => (0, false),
            "VoltageB" => (1, false),
            "VoltageC" => (2, false),
            _ => return Ok(false),
        };
        if is_current {
            self.amperes[place] = lenient::number(value, CURRENTS[place], -AMPERES_MAX, AMPERES_MAX)?;
        } else {
            self.volts[place] = lenient::number(value, VOLTAGES[place], 0.0, VOLTS_MAX)?;
        }
        Ok(true)
    }

    /// Power, W.
    pub(super) fn watts(&self) -> Option<f64> {
        let (_, _) = self.amperes[0].zip(self.volts[0])?;
        let pairs = self.amperes.iter().zip(&self.volts);
        let apparent: f64 = pairs.map(|(amperes, volts)| amperes.unwrap_or(0.0) * volts.unwrap_or(0.0)).sum();
        let is_between_lines = self.volts.iter().all(|volts| volts.is_some_and(|volts| volts > PHASE_V_MAX));
        Some(if is_between_lines { apparent / 3.0_f64.sqrt() } else { apparent })
    }

    pub(super) fn vitals(&self, vitals: &mut Vitals) {
        let thousandth = |value: Option<f64>| value.and_then(|value| chargetally_core::unit::rounded(value * 1000.0));
        vitals.voltage_mv = thousandth(self.volts[0]).or(vitals.voltage_mv);
        vitals.current_ma = thousandth(self.amperes[0]).or(vitals.current_ma);
    }
}

/// Charge status, start result and order: what is said of one session.
#[derive(Default)]
pub(super) struct SessionRecord<'a> {
    pub station: Option<Cow<'a, str>>,
    pub connector: Option<Cow<'a, str>>,
    pub session: Option<Cow<'a, str>>,
    pub stage: Option<i64>,
    pub status: Option<i64>,
    phases: Phases,
    vitals: Vitals,
    /// Times as they are written, to be read by the source's zone.
    pub began: Option<Value<'a>>,
    pub ended: Option<Value<'a>>,
    pub energy_j: Option<i64>,
    pub details: Option<Value<'a>>,
    pub energy_fee_fen: Option<i64>,
    pub service_fee_fen: Option<i64>,
    pub stop_reason: Option<i64>,
    pub confirm: Option<i64>,
}

impl<'a> Record<'a> for SessionRecord<'a> {
    const DEPTH: usize = 2;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "StationID" => self.station = lenient::id(value, "StationID", limits)?,
            "ConnectorID" => self.connector = lenient::id(value, "ConnectorID", limits)?,
            "StartChargeSeq" => self.session = lenient::id(value, "StartChargeSeq", limits)?,
            "StartChargeSeqStat" => self.stage = lenient::whole(value, "StartChargeSeqStat")?,
            "ConnectorStatus" => self.status = lenient::whole(value, "ConnectorStatus")?,
            "Soc" | "SOC" => self.vitals.soc_permille = lenient::quantity(value, &native::SOC)?,
            "StartTime" | "StarTime" => self.began = Some(value),
            "EndTime" => self.ended = Some(value),
            "TotalPower" => self.energy_j = lenient::quantity(value, &TOTAL)?,
            "ChargeDetails" => self.details = Some(value),
            "TotalElecMoney" | "ElecMoney" | "ElectMoney" => {
                self.energy_fee_fen = lenient::quantity(value, &ENERGY_FEE)?.or(self.energy_fee_fen);
            }
            "TotalSeviceMoney" | "TotalServiceMoney" | "SeviceMoney" | "ServiceMoney" => {
                self.service_fee_fen = lenient::quantity(value, &SERVICE_FEE)?.or(self.service_fee_fen);
            }
            "StopReason" => self.stop_reason = lenient::whole(value, "StopReason")?,
            "ConfirmResult" => self.confirm = lenient::whole(value, "ConfirmResult")?,
            _ => return self.phases.member(key, value),
        }
        Ok(true)
    }
}

impl SessionRecord<'_> {
    pub(super) fn watts(&self) -> Option<f64> {
        self.phases.watts()
    }

    pub(super) fn vitals(&self) -> Vitals {
        let mut vitals = self.vitals;
        self.phases.vitals(&mut vitals);
        vitals
    }

    /// The energy of all billing periods together, J; `None` where there are none.
    pub(super) fn billed_j(&self, limits: &Limits) -> Result<Option<i64>, Reject> {
        let Some(details) = self.details else { return Ok(None) };
        let len_max = (limits.array_len_max, Reason::TooLongArray);
        let details: Vec<DetailRecord> = list(details, "ChargeDetails", limits, len_max)?;
        Ok(details.iter().map(|detail| detail.energy_j).reduce(|one, other| Some(one? + other?)).flatten())
    }
}

#[derive(Default)]
struct DetailRecord {
    energy_j: Option<i64>,
}

impl<'a> Record<'a> for DetailRecord {
    const DEPTH: usize = 4;

    fn member(&mut self, key: &str, value: Value<'a>, _limits: &Limits) -> Result<bool, Reject> {
        match key {
            "DetailPower" => self.energy_j = lenient::quantity(value, &DETAIL)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// BmsInfo: what the battery says of itself.
#[derive(Default)]
pub(super) struct BmsRecord {
    pub vitals: Vitals,
    pub is_there: bool,
}

impl<'a> Record<'a> for BmsRecord {
    const DEPTH: usize = 6;

    fn member(&mut self, key: &str, value: Value<'a>, _limits: &Limits) -> Result<bool, Reject> {
        let vitals = &mut self.vitals;
        match key {
            "Soc" | "SOC" => vitals.soc_permille = lenient::quantity(value, &native::SOC)?,
            "VoltageH" => vitals.cell_mv_max = lenient::quantity(value, &native::CELL_MAX)?,
            "VoltageL" => vitals.cell_mv_min = lenient::quantity(value, &native::CELL_MIN)?,
            "TemptureH" | "TemperatureH" | "TempertureH" => {
                vitals.battery_temp_max_mc = lenient::quantity(value, &native::BATTERY_TEMP_MAX)?;
            }
            "TemptureL" | "TemperatureL" | "TempertureL" => {
                vitals.battery_temp_min_mc = lenient::quantity(value, &native::BATTERY_TEMP_MIN)?;
            }
            "TatalVoltage" | "TotalVoltage" => vitals.voltage_mv = lenient::quantity(value, &native::VOLTAGE)?,
            "TotalCurrent" => vitals.current_ma = lenient::quantity(value, &native::CURRENT)?,
            _ => return Ok(false),
        }
        self.is_there = true;
        Ok(true)
    }
}

/// One alarm, or one BMS object, of a message: both name a connector and may carry BmsInfo.
#[derive(Default)]
pub(super) struct AlarmRecord<'a> {
    pub station: Option<Cow<'a, str>>,
    pub operator: Option<Cow<'a, str>>,
    pub connector: Option<Cow<'a, str>>,
    pub state: Option<i64>,
    pub code: Option<Cow<'a, str>>,
    pub level: Option<i64>,
    pub at: Option<Value<'a>>,
    pub note: Option<Cow<'a, str>>,
    pub bms: BmsRecord,
}

impl<'a> Record<'a> for AlarmRecord<'a> {
    const DEPTH: usize = 4;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "StationID" => self.station = lenient::id(value, "StationID", limits)?,
            "OperatorID" => self.operator = lenient::id(value, "OperatorID", limits)?,
            "ConnectorID" => self.connector = lenient::id(value, "ConnectorID", limits)?,
            "AlarmStatus" => self.state = lenient::whole(value, "AlarmStatus")?,
            "AlarmCode" => self.code = lenient::short(value, "AlarmCode", limits.id_bytes_max)?,
            "AlarmLevel" => self.level = lenient::whole(value, "AlarmLevel")?,
            "AlarmTime" => self.at = Some(value),
            "NoteString" => self.note = lenient::short(value, "NoteString", limits.text_bytes_max)?,
            "BmsInfo" if !value.is_null() => {
                let infos: Vec<BmsRecord> = list(value, "BmsInfo", limits, (1, Reason::TooLongArray))?;
                self.bms = infos.into_iter().next().unwrap_or_default();
            }
            "BmsInfo" => {}
            _ => return self.bms.member(key, value, limits),
        }
        Ok(true)
    }
}

/// A message of alarms or of BMS objects; one that stands alone is the message itself.
#[derive(Default)]
pub(super) struct AlarmsRecord<'a> {
    items: Option<Vec<AlarmRecord<'a>>>,
    bare: AlarmRecord<'a>,
}

impl<'a> Record<'a> for AlarmsRecord<'a> {
    const DEPTH: usize = 2;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "AlarmInfos" | "AlarmInfo" | "BmsInfos" => {
                let len_max = (limits.array_len_max, Reason::TooLongArray);
                self.items = Some(list(value, "AlarmInfos", limits, len_max)?);
                Ok(true)
            }
            _ => self.bare.member(key, value, limits),
        }
    }
}

impl<'a> AlarmsRecord<'a> {
    pub(super) fn items(self) -> Vec<AlarmRecord<'a>> {
        let Self { items, bare } = self;
        items.unwrap_or_else(|| vec![bare])
    }
}

/// What a station gave back over some days, by equipment and connector.
#[derive(Default)]
pub(super) struct DischargeRecord<'a> {
    pub station: Option<Cow<'a, str>>,
    pub ended: Option<Value<'a>>,
    pub connectors: Vec<DischargedRecord<'a>>,
}

impl<'a> Record<'a> for DischargeRecord<'a> {
    const DEPTH: usize = 2;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "StationID" => self.station = lenient::id(value, "StationID", limits)?,
            "EndTime" => self.ended = Some(value),
            "EquipmentStatsInfos" | "EquipmentStatsInfo" => {
                let len_max = (limits.equipment_max, Reason::TooManyParts);
                let pieces: Vec<PieceRecord<'a>> = list(value, "EquipmentStatsInfos", limits, len_max)?;
                self.connectors = pieces.into_iter().flat_map(|piece| piece.connectors).collect();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct PieceRecord<'a> {
    connectors: Vec<DischargedRecord<'a>>,
}

impl<'a> Record<'a> for PieceRecord<'a> {
    const DEPTH: usize = 4;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "ConnectorStatsInfos" | "ConnectorStatsInfo" => {
                let len_max = (limits.connectors_max, Reason::TooManyParts);
                self.connectors = list(value, "ConnectorStatsInfos", limits, len_max)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
pub(super) struct DischargedRecord<'a> {
    pub connector: Option<Cow<'a, str>>,
    pub energy_j: Option<i64>,
}

impl<'a> Record<'a> for DischargedRecord<'a> {
    const DEPTH: usize = 6;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "ConnectorID" => self.connector = lenient::id(value, "ConnectorID", limits)?,
            "ConnectorDischargeElectricity" | "DischargeElectricity" => {
                self.energy_j = lenient::quantity(value, &DISCHARGE)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The time of a member that was kept aside.
pub(super) fn time(
    value: Option<Value<'_>>,
    name: &'static str,
    zone: &lenient::Zone,
) -> Result<Option<EventTime>, Reject> {
    value.map_or(Ok(None), |value| zone.time(value, name))
}
