//! The native dialect: the topics and JSON of the wire page, section 1. Unknown fields are ignored; a known one of the
//! wrong type, out of range or with an unknown value refuses the message. `null` is the same as absent. An empty
//! payload withdraws the registration on `info`; on any other topic it only clears what the broker retained, which says
//! nothing about the station. Has no state, and must not guess what a sender may have meant.

mod info;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use chargetally_core::alarm::{AlarmClass, Level};
use chargetally_core::observation::{
    AlarmReport, Observation, Sample, SessionEvent, SessionStep, SessionStop, StationKey, StopReason, Vitals,
};
use chargetally_core::state::Status;
use chargetally_core::time::EventTime;
use chargetally_core::unit::J_PER_KWH;

use super::json::{Quantity, Record, Value, object, objects};
use super::{Limits, Reason, Reject};
use crate::topic::{InKind, Root, TopicError};

/// Greatest power in either direction, kW: beyond any megawatt charger.
const KW_MAX: f64 = 10_000.0;
/// Greatest reading of an energy register, kWh.
const KWH_MAX: f64 = 1e9;
/// Greatest fee of one session, CNY.
const FEE_MAX: f64 = 1e7;
/// Lowest and highest temperature of chargers and batteries, °C (domain G3).
const TEMP_C: (f64, f64) = (-50.0, 205.0);

const fn quantity(name: &'static str, min: f64, max: f64, scale: f64) -> Quantity {
    Quantity { name, min, max, scale }
}

pub(super) const POWER: Quantity = quantity("power_kw", -KW_MAX, KW_MAX, 1000.0);
pub(super) const DEMAND: Quantity = quantity("power_demand_kw", -KW_MAX, KW_MAX, 1000.0);
pub(super) const IMPORT: Quantity = quantity("import_kwh", 0.0, KWH_MAX, J_PER_KWH);
pub(super) const EXPORT: Quantity = quantity("export_kwh", 0.0, KWH_MAX, J_PER_KWH);
// Domain G3 gives 1500 V and 1000 A; megawatt charging goes beyond both.
pub(super) const VOLTAGE: Quantity = quantity("voltage_v", 0.0, 2000.0, 1000.0);
pub(super) const CURRENT: Quantity = quantity("current_a", -3000.0, 3000.0, 1000.0);
pub(super) const CONNECTOR_TEMP: Quantity = quantity("connector_temp_c", TEMP_C.0, TEMP_C.1, 1000.0);
pub(super) const SOC: Quantity = quantity("soc_pct", 0.0, 100.0, 10.0);
pub(super) const BATTERY_TEMP_MAX: Quantity = quantity("battery_temp_max_c", TEMP_C.0, TEMP_C.1, 1000.0);
pub(super) const BATTERY_TEMP_MIN: Quantity = quantity("battery_temp_min_c", TEMP_C.0, TEMP_C.1, 1000.0);
pub(super) const CELL_MAX: Quantity = quantity("cell_v_max", 0.0, 24.0, 1000.0);
pub(super) const CELL_MIN: Quantity = quantity("cell_v_min", 0.0, 24.0, 1000.0);
pub(super) const INSULATION: Quantity = quantity("insulation_kohm", 0.0, 1e9, 1000.0);
const ENERGY: Quantity = quantity("energy_kwh", 0.0, KWH_MAX, J_PER_KWH);
const BILLED: Quantity = quantity("billed_kwh", 0.0, KWH_MAX, J_PER_KWH);
const ENERGY_FEE: Quantity = quantity("energy_fee", 0.0, FEE_MAX, 100.0);
const SERVICE_FEE: Quantity = quantity("service_fee", 0.0, FEE_MAX, 100.0);

/// The native dialect under one root.
#[derive(Clone, Debug)]
pub struct Native {
    root: Root,
}

impl Native {
    /// The dialect with its topics under `root`.
    #[must_use]
    pub const fn new(root: Root) -> Self {
        Self { root }
    }

    /// Where its topics begin.
    #[must_use]
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// See [`super::Dialect::decode`].
    ///
    /// # Errors
    /// [`Reject`] where the message cannot be read whole.
    pub fn decode(
        &self,
        topic: &str,
        payload: &[u8],
        retained: bool,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        let topic = self.root.parse_in(topic, limits.id_bytes_max).map_err(|error| {
            Reject::whole(match error {
                TopicError::Form => Reason::BadTopic,
                TopicError::IdTooLong => Reason::IdTooLong,
            })
        })?;
        if payload.len() > limits.payload_bytes_max {
            return Err(Reject::whole(Reason::TooLarge));
        }
        let key = StationKey { operator: topic.operator, station: topic.station };
        let text = std::str::from_utf8(payload).map_err(|_| Reject::whole(Reason::NotUtf8))?;
        if text.is_empty() {
            if topic.kind == InKind::Info {
                sink(key, Observation::Deregistration { at: None });
            }
            return Ok(());
        }
        match topic.kind {
            InKind::Telemetry { connector } => telemetry(key, connector, text, limits, sink),
            InKind::Session { connector } => {
                let record: SessionRecord<'_> = object(text, limits)?;
                sink(key, Observation::Session { connector, event: record.event()? });
                Ok(())
            }
            InKind::StationAlarm => alarm(key, None, text, limits, sink),
            InKind::ConnectorAlarm { connector } => alarm(key, Some(connector), text, limits, sink),
            InKind::Info => {
                sink(key, Observation::Registration(info::registration(text, topic.province, limits)?));
                Ok(())
            }
            InKind::Status => {
                sink(key, status(text, retained)?);
                Ok(())
            }
        }
    }
}

fn telemetry(
    key: StationKey<'_>,
    connector: &str,
    text: &str,
    limits: &Limits,
    sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
) -> Result<(), Reject> {
    if text.trim_ascii_start().starts_with('[') {
        let records: Vec<TelemetryRecord<'_>> = objects(text, limits, (limits.array_len_max, Reason::TooLongArray))?;
        // All or nothing: the last element is checked before the first is given.
        for record in &records {
            record.sample()?;
        }
        for record in &records {
            sink(key, Observation::Sample { connector, sample: record.sample()? });
        }
    } else {
        let record: TelemetryRecord<'_> = object(text, limits)?;
        sink(key, Observation::Sample { connector, sample: record.sample()? });
    }
    Ok(())
}

#[derive(Default)]
struct TelemetryRecord<'a> {
    at: Option<EventTime>,
    status: Option<Status>,
    power_w: Option<i64>,
    import_j: Option<i64>,
    export_j: Option<i64>,
    demand_w: Option<i64>,
    vitals: Vitals,
    session: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> for TelemetryRecord<'a> {
    const DEPTH: usize = 2;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        let vitals = &mut self.vitals;
        match key {
            "ts" => self.at = value.time("ts")?,
            "status" => self.status = value.one_of("status", status_from_name)?,
            "power_kw" => self.power_w = value.quantity(&POWER)?,
            "import_kwh" => self.import_j = value.quantity(&IMPORT)?,
            "export_kwh" => self.export_j = value.quantity(&EXPORT)?,
            "voltage_v" => vitals.voltage_mv = value.quantity(&VOLTAGE)?,
            "current_a" => vitals.current_ma = value.quantity(&CURRENT)?,
            "power_demand_kw" => self.demand_w = value.quantity(&DEMAND)?,
            "connector_temp_c" => vitals.connector_temp_mc = value.quantity(&CONNECTOR_TEMP)?,
            "soc_pct" => vitals.soc_permille = value.quantity(&SOC)?,
            "battery_temp_max_c" => vitals.battery_temp_max_mc = value.quantity(&BATTERY_TEMP_MAX)?,
            "battery_temp_min_c" => vitals.battery_temp_min_mc = value.quantity(&BATTERY_TEMP_MIN)?,
            "cell_v_max" => vitals.cell_mv_max = value.quantity(&CELL_MAX)?,
            "cell_v_min" => vitals.cell_mv_min = value.quantity(&CELL_MIN)?,
            "insulation_kohm" => vitals.insulation_ohm = value.quantity(&INSULATION)?,
            "session" => self.session = session_id(value, limits)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl TelemetryRecord<'_> {
    fn sample(&self) -> Result<Sample<'_>, Reject> {
        Ok(Sample {
            at: self.at.ok_or(Reject::field(Reason::MissingTs, "ts"))?,
            status: self.status,
            power_w: self.power_w,
            import_j: self.import_j,
            export_j: self.export_j,
            demand_w: self.demand_w,
            vitals: self.vitals,
            // Many senders write an empty id between sessions.
            session: self.session.as_deref().filter(|session| !session.is_empty()),
        })
    }
}

/// The status with this name on the wire.
pub(crate) fn status_from_name(name: &str) -> Option<Status> {
    Some(match name {
        "available" => Status::Available,
        "occupied" => Status::Occupied,
        "charging" => Status::Charging,
        "discharging" => Status::Discharging,
        "reserved" => Status::Reserved,
        "faulted" => Status::Faulted,
        "unavailable" => Status::Unavailable,
        "offline" => Status::Offline,
        _ => return None,
    })
}

fn session_id<'a>(value: Value<'a>, limits: &Limits) -> Result<Option<Cow<'a, str>>, Reject> {
    match value.text("session")? {
        Some(id) if id.len() > limits.id_bytes_max => Err(Reject::field(Reason::IdTooLong, "session")),
        id => Ok(id),
    }
}

#[derive(Clone, Copy)]
enum Step {
    Attempt,
    Start,
    Stop,
}

#[derive(Default)]
struct SessionRecord<'a> {
    at: Option<EventTime>,
    session: Option<Cow<'a, str>>,
    step: Option<Step>,
    stop: SessionStop,
}

impl<'a> Record<'a> for SessionRecord<'a> {
    const DEPTH: usize = 1;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        let stop = &mut self.stop;
        match key {
            "ts" => self.at = value.time("ts")?,
            "session" => self.session = session_id(value, limits)?,
            "event" => {
                self.step = value.one_of("event", |name| match name {
                    "attempt" => Some(Step::Attempt),
                    "start" => Some(Step::Start),
                    "stop" => Some(Step::Stop),
                    _ => None,
                })?;
            }
            "reason" => stop.reason = value.one_of("reason", StopReason::from_name)?,
            "energy_kwh" => stop.energy_j = value.quantity(&ENERGY)?,
            "billed_kwh" => stop.billed_j = value.quantity(&BILLED)?,
            "energy_fee" => stop.energy_fee_fen = value.quantity(&ENERGY_FEE)?,
            "service_fee" => stop.service_fee_fen = value.quantity(&SERVICE_FEE)?,
            "disputed" => stop.disputed = value.boolean("disputed")?.unwrap_or_default(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl SessionRecord<'_> {
    fn event(&self) -> Result<SessionEvent<'_>, Reject> {
        let at = self.at.ok_or(Reject::field(Reason::MissingTs, "ts"))?;
        let session = self.session.as_deref().ok_or(Reject::field(Reason::MissingField, "session"))?;
        if session.is_empty() {
            return Err(Reject::field(Reason::Empty, "session"));
        }
        let step = match self.step.ok_or(Reject::field(Reason::MissingField, "event"))? {
            Step::Attempt => SessionStep::Attempt,
            Step::Start => SessionStep::Start,
            Step::Stop => SessionStep::Stop(self.stop),
        };
        Ok(SessionEvent { at, session, step })
    }
}

#[derive(Default)]
struct AlarmRecord<'a> {
    at: Option<EventTime>,
    class: Option<AlarmClass>,
    level: Option<Level>,
    raised: Option<bool>,
    code: Option<Cow<'a, str>>,
    value: Option<f64>,
    note: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> for AlarmRecord<'a> {
    const DEPTH: usize = 1;

    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject> {
        match key {
            "ts" => self.at = value.time("ts")?,
            "class" => self.class = value.one_of("class", AlarmClass::from_name)?,
            "level" => self.level = value.one_of("level", Level::from_name)?,
            "state" => {
                self.raised = value.one_of("state", |name| match name {
                    "raised" => Some(true),
                    "cleared" => Some(false),
                    _ => None,
                })?;
            }
            "code" => self.code = value.short("code", limits.text_bytes_max)?,
            "value" => self.value = value.number("value", f64::MIN, f64::MAX)?,
            "note" => self.note = value.short("note", limits.text_bytes_max)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn alarm(
    key: StationKey<'_>,
    connector: Option<&str>,
    text: &str,
    limits: &Limits,
    sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
) -> Result<(), Reject> {
    let record: AlarmRecord<'_> = object(text, limits)?;
    let alarm = AlarmReport {
        at: record.at.ok_or(Reject::field(Reason::MissingTs, "ts"))?,
        class: record.class.ok_or(Reject::field(Reason::MissingField, "class"))?,
        level: record.level,
        // Who sends an alarm and does not say that it is over means that it is on.
        raised: record.raised.unwrap_or(true),
        code: record.code.as_deref(),
        value: record.value,
        note: record.note.as_deref(),
    };
    sink(key, Observation::Alarm { connector, alarm });
    Ok(())
}

/// A station's status: a bare word, in quotes or not, and with white space around it or not.
fn status(text: &str, retained: bool) -> Result<Observation<'static>, Reject> {
    let word = text.trim_ascii();
    let word = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(word);
    match word {
        "online" => Ok(Observation::StationOnline),
        "offline" => Ok(Observation::StationOffline { at: None, retained }),
        "" => Err(Reject::whole(Reason::Empty)),
        _ => Err(Reject::whole(Reason::UnknownValue)),
    }
}
