//! Reading the native dialect's payloads from JSON. A known field of the wrong type makes the whole payload
//! unreadable (`None`), an unknown field is passed over, and `null` counts as absent. It must not know the past.

use serde_json::{Map, Value};

/// One telemetry sample, as sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// Event time, ms since the epoch.
    pub ts_ms: i64,
    /// As sent.
    pub status: Option<String>,
    /// W, rounded half away from zero; negative to the grid.
    pub power_w: Option<i64>,
    /// Import register, J.
    pub import_j: Option<i64>,
    /// Export register, J.
    pub export_j: Option<i64>,
}

/// One session event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEvent {
    /// Event time, ms since the epoch.
    pub ts_ms: i64,
    /// The session's id.
    pub session: String,
    /// attempt, start or stop.
    pub event: String,
    /// Why it stopped.
    pub reason: Option<String>,
}

/// One alarm event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmEvent {
    /// Event time, ms since the epoch.
    pub ts_ms: i64,
    /// As sent.
    pub class: String,
    /// personal, equipment or notice: as sent, or else the class's default.
    pub level: String,
    /// Whether it was raised (or cleared).
    pub raised: bool,
}

/// A station's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// ms since the epoch, where it was sent.
    pub ts_ms: Option<i64>,
    /// 6, 9 or 12 digits.
    pub area: Option<String>,
    /// As sent.
    pub access: Option<String>,
    /// As sent.
    pub scene: Option<String>,
    /// In the payload's order.
    pub connectors: Vec<RegisteredConnector>,
}

/// A connector in a registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisteredConnector {
    /// Its id in the topics.
    pub id: String,
    /// Its own rating, or that of the equipment whose only connector it is; W.
    pub rated_w: Option<i64>,
    /// ac or dc.
    pub current: Option<String>,
}

const STATUSES: [&str; 8] =
    ["available", "occupied", "charging", "discharging", "reserved", "faulted", "unavailable", "offline"];
const TELEMETRY_NUMBERS: [&str; 11] = [
    "voltage_v",
    "current_a",
    "power_demand_kw",
    "connector_temp_c",
    "soc_pct",
    "battery_temp_max_c",
    "battery_temp_min_c",
    "cell_v_max",
    "cell_v_min",
    "insulation_kohm",
    "power_kw",
];
const REASONS: [&str; 15] = [
    "local",
    "remote",
    "ev_disconnected",
    "soc_limit",
    "energy_limit",
    "time_limit",
    "stopped_by_ev",
    "emergency_stop",
    "equipment_fault",
    "power_loss",
    "insulation",
    "over_temperature",
    "over_current",
    "over_voltage",
    "other",
];
const SCENES: [&str; 13] = [
    "residential",
    "public_institution",
    "enterprise",
    "office",
    "industrial_park",
    "transport_hub",
    "culture_sports",
    "urban_green",
    "large_building",
    "roadside",
    "highway_service_area",
    "rural",
    "other",
];
/// Classes of alarm by their default level (domain.md 5.5), a name for each part of a class that lists several.
const PERSONAL: [&str; 13] = [
    "insulation",
    "ground_fault",
    "emergency_stop",
    "smoke_fire",
    "contactor_weld",
    "hv_relay",
    "door_open",
    "tilt",
    "water",
    "battery_overtemp",
    "cell_overvoltage",
    "pack_overvoltage",
    "reverse_polarity",
];
const EQUIPMENT: [&str; 15] = [
    "insulation_monitor_lost",
    "connector_overtemp",
    "overcurrent",
    "connector_lock",
    "latch",
    "control_pilot",
    "proximity",
    "charger_overtemp",
    "surge_arrester",
    "fuse",
    "breaker",
    "precharge",
    "voltage_mismatch",
    "bms_comm",
    "distribution",
];
const NOTICE: [&str; 10] = [
    "power_module",
    "meter_comm",
    "reader_comm",
    "backend_comm",
    "power_loss",
    "battery_link",
    "undervoltage",
    "gun_not_returned",
    "fan",
    "other",
];

/// An RFC 3339 time with an offset, or whole ms since the epoch.
pub fn time_ms(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}

/// The samples of a telemetry payload: one object or an array of them.
pub fn telemetry(value: &Value) -> Option<Vec<Telemetry>> {
    match value {
        Value::Array(elements) => elements.iter().map(one_telemetry).collect(),
        other => one_telemetry(other).map(|sample| vec![sample]),
    }
}

fn one_telemetry(value: &Value) -> Option<Telemetry> {
    let fields = value.as_object()?;
    for name in TELEMETRY_NUMBERS {
        number(fields, name)?;
    }
    text(fields, "session")?;
    Some(Telemetry {
        ts_ms: time_ms(present(fields, "ts")?)?,
        status: one_of(fields, "status", &STATUSES)?,
        power_w: scaled(fields, "power_kw", 1_000.0)?,
        import_j: scaled(fields, "import_kwh", 3_600_000.0)?,
        export_j: scaled(fields, "export_kwh", 3_600_000.0)?,
    })
}

/// A session payload.
pub fn session(value: &Value) -> Option<SessionEvent> {
    let fields = value.as_object()?;
    for name in ["energy_kwh", "billed_kwh", "energy_fee", "service_fee"] {
        number(fields, name)?;
    }
    boolean(fields, "disputed")?;
    Some(SessionEvent {
        ts_ms: time_ms(present(fields, "ts")?)?,
        session: text(fields, "session")??,
        event: one_of(fields, "event", &["attempt", "start", "stop"])??,
        reason: one_of(fields, "reason", &REASONS)?,
    })
}

/// An alarm payload.
pub fn alarm(value: &Value) -> Option<AlarmEvent> {
    let fields = value.as_object()?;
    text(fields, "code")?;
    text(fields, "note")?;
    number(fields, "value")?;
    let class = text(fields, "class")??;
    let default_level = match class.as_str() {
        name if PERSONAL.contains(&name) => "personal",
        name if EQUIPMENT.contains(&name) => "equipment",
        name if NOTICE.contains(&name) => "notice",
        _ => return None,
    };
    let level = one_of(fields, "level", &["personal", "equipment", "notice"])?;
    Some(AlarmEvent {
        ts_ms: time_ms(present(fields, "ts")?)?,
        class,
        level: level.unwrap_or_else(|| default_level.to_owned()),
        raised: one_of(fields, "state", &["raised", "cleared"])?? == "raised",
    })
}

/// A registration payload.
pub fn registration(value: &Value) -> Option<Registration> {
    let fields = value.as_object()?;
    text(fields, "name")?;
    number(fields, "lng")?;
    number(fields, "lat")?;
    one_of(fields, "state", &["operating", "maintenance", "under_construction", "closed"])?;
    let area = text(fields, "area")?;
    if area.as_ref().is_some_and(|area| !is_area(area)) {
        return None;
    }
    let mut connectors = Vec::new();
    for equipment in list(fields, "equipment")? {
        connectors.extend(equipment_connectors(equipment)?);
    }
    Some(Registration {
        ts_ms: match present(fields, "ts") {
            Some(ts) => Some(time_ms(ts)?),
            None => None,
        },
        area,
        access: one_of(fields, "access", &["public", "dedicated", "private"])?,
        scene: one_of(fields, "scene", &SCENES)?,
        connectors,
    })
}

fn is_area(area: &str) -> bool {
    [6, 9, 12].contains(&area.len()) && area.bytes().all(|byte| byte.is_ascii_digit())
}

fn equipment_connectors(value: &Value) -> Option<Vec<RegisteredConnector>> {
    let fields = value.as_object()?;
    text(fields, "id")??;
    text(fields, "production_date")?;
    let equipment_w = scaled(fields, "rated_kw", 1_000.0)?;
    let elements = list(fields, "connectors")?;
    let mut connectors = Vec::new();
    for element in elements {
        let fields = element.as_object()?;
        number(fields, "v_max")?;
        number(fields, "discharge_kw")?;
        boolean(fields, "v2g")?;
        let own_w = scaled(fields, "rated_kw", 1_000.0)?;
        connectors.push(RegisteredConnector {
            id: text(fields, "id")??,
            rated_w: own_w.or(if elements.len() == 1 { equipment_w } else { None }),
            current: one_of(fields, "current", &["ac", "dc"])?,
        });
    }
    Some(connectors)
}

/// The field, unless it is absent or null.
fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

// The outer `Option` of these readers says whether the field is readable, the inner one whether it is there.

fn text(fields: &Map<String, Value>, name: &str) -> Option<Option<String>> {
    match present(fields, name) {
        None => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(_) => None,
    }
}

fn number(fields: &Map<String, Value>, name: &str) -> Option<Option<f64>> {
    match present(fields, name) {
        None => Some(None),
        Some(Value::Number(number)) => number.as_f64().map(Some),
        Some(_) => None,
    }
}

fn boolean(fields: &Map<String, Value>, name: &str) -> Option<Option<bool>> {
    match present(fields, name) {
        None => Some(None),
        Some(Value::Bool(flag)) => Some(Some(*flag)),
        Some(_) => None,
    }
}

fn one_of(fields: &Map<String, Value>, name: &str, words: &[&str]) -> Option<Option<String>> {
    match text(fields, name)? {
        Some(word) if !words.contains(&word.as_str()) => None,
        other => Some(other),
    }
}

fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a [Value]> {
    match present(fields, name) {
        None => Some(&[]),
        Some(Value::Array(elements)) => Some(elements),
        Some(_) => None,
    }
}

/// A number times a factor, rounded half away from zero (which is what `f64::round` does).
fn scaled(fields: &Map<String, Value>, name: &str, factor: f64) -> Option<Option<i64>> {
    Some(number(fields, name)?.map(|number| (number * factor).round() as i64))
}
