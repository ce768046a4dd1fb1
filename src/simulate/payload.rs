//! The native dialect's payloads, written by hand into a buffer. Every key is one of docs' wire page; it must never
//! write one that is not, and never a sample's time twice for one connector (the caller sees to that).

use super::make_up::{Built, Station};
use super::model::{Episode, Gun, State};
use super::text::{Times, fixed, int, padded};

/// How an operator's gateways write what the dialect leaves open.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Times as RFC 3339 text instead of ms.
    pub text_times: bool,
    /// Discharging is reported as `charging` with a negative power.
    pub signed_charging: bool,
    /// After an outage the backlog is sent before new samples.
    pub backlog_first: bool,
}

impl Style {
    /// The habits of the operator of that index.
    pub fn of(operator: u32) -> Self {
        Self { text_times: operator % 3 != 1, signed_charging: operator % 4 == 2, backlog_first: operator % 5 != 3 }
    }
}

/// The identifier of an operator, 9 characters.
pub fn operator_id(operator: u32) -> String {
    format!("SIM{:06}", operator + 1)
}

/// Appends `"ts":` and the time.
fn ts(out: &mut Vec<u8>, times: &mut Times, style: Style, ts_ms: i64) {
    out.extend_from_slice(b"{\"ts\":");
    if style.text_times {
        out.push(b'"');
        times.local(out, ts_ms, true);
        out.push(b'"');
    } else {
        int(out, ts_ms);
    }
}

fn key_text(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn key_fixed(out: &mut Vec<u8>, key: &str, value: i64, decimals: u32) {
    out.extend_from_slice(key.as_bytes());
    fixed(out, value, decimals);
}

/// A session's identifier: operator, connector, number; 27 characters as in T/CEC 102.
fn session_id(out: &mut Vec<u8>, operator: u32, connector: u32, number: u32) {
    out.extend_from_slice(b",\"session\":\"SIM");
    padded(out, u64::from(operator) + 1, 6);
    padded(out, u64::from(connector), 8);
    padded(out, u64::from(number), 10);
    out.push(b'"');
}

/// Appends one sample of a connector.
pub fn telemetry(out: &mut Vec<u8>, times: &mut Times, style: Style, who: (u32, u32), gun: &Gun, ts_ms: i64) {
    ts(out, times, style, ts_ms);
    let shown = if style.signed_charging && gun.state == State::Discharging { State::Charging } else { gun.state };
    key_text(out, ",\"status\":\"", shown.name());
    let (import_wh, export_wh) = gun.registers_wh();
    key_fixed(out, ",\"power_kw\":", i64::from(gun.power_w), 3);
    key_fixed(out, ",\"import_kwh\":", import_wh as i64, 3);
    if gun.discharge_w > 0 {
        key_fixed(out, ",\"export_kwh\":", export_wh as i64, 3);
    }
    key_fixed(out, ",\"connector_temp_c\":", i64::from(gun.contact_ddeg), 1);
    if gun.state.flows() {
        electrical(out, gun);
    }
    if matches!(gun.state, State::Charging | State::Discharging | State::Occupied) && gun.session > 0 {
        session_id(out, who.0, who.1, gun.session);
    }
    out.push(b'}');
}

/// Voltage and current, and on direct current what the battery says.
fn electrical(out: &mut Vec<u8>, gun: &Gun) {
    let soc = gun.soc_permille();
    let size_w = i64::from(gun.power_w.unsigned_abs());
    // The last digits of the register stand in for noise: they cost no draw.
    let noise = (gun.import_wms / 1_000 % 7) as i64;
    if !gun.dc {
        let three = gun.rated_w > 7_000;
        let volt_dv = 2_185 + noise * 5;
        key_fixed(out, ",\"voltage_v\":", volt_dv, 1);
        key_fixed(out, ",\"current_a\":", size_w * 100 / (volt_dv * if three { 3 } else { 1 }), 1);
        return;
    }
    let v = &gun.visit;
    let volt_dv = i64::from(v.pack_v) * (9_500 + i64::from(soc)) / 1_000;
    let current_da = size_w * 100 / volt_dv.max(1);
    key_fixed(out, ",\"voltage_v\":", volt_dv, 1);
    key_fixed(out, ",\"current_a\":", if gun.power_w < 0 { -current_da } else { current_da }, 1);
    if gun.state == State::Charging {
        key_fixed(out, ",\"power_demand_kw\":", i64::from(gun.demand_w(soc)), 3);
    }
    key_fixed(out, ",\"soc_pct\":", i64::from(soc), 1);
    let (kind, strength) = gun.episode.map_or((None, 0), |(kind, _, strength)| (Some(kind), i64::from(strength)));
    let warm_c = 24 + size_w * 10 / i64::from(gun.rated_w.max(1)) + i64::from(soc / 200);
    let hottest_c = if kind == Some(Episode::BatteryHeat) { 57 + strength / 20 } else { warm_c };
    out.extend_from_slice(b",\"battery_temp_max_c\":");
    int(out, hottest_c);
    out.extend_from_slice(b",\"battery_temp_min_c\":");
    int(out, hottest_c - 3 - noise / 3);
    let cell_mv = if v.lfp { 3_200 + i64::from(soc) / 5 } else { 3_450 + i64::from(soc) * 7 / 10 };
    let spread_mv = if kind == Some(Episode::CellSpread) { 165 + strength } else { 12 + noise * 3 };
    key_fixed(out, ",\"cell_v_max\":", cell_mv, 3);
    key_fixed(out, ",\"cell_v_min\":", cell_mv - spread_mv, 3);
    // Ohm per volt: above 500 is normal, from 100 to 500 an alarm without a stop.
    let ohm_per_v = if kind == Some(Episode::Insulation) { 200 + 2 * strength } else { 8_000 + noise * 900 };
    out.extend_from_slice(b",\"insulation_kohm\":");
    int(out, volt_dv * ohm_per_v / 10_000);
}

/// What a session message says beside its event.
#[derive(Debug, Clone, Copy)]
pub struct Stop {
    /// The reason's name on the wire.
    pub reason: &'static str,
    /// Energy to the vehicle, Wh.
    pub energy_wh: u64,
    /// Energy billed, Wh.
    pub billed_wh: u64,
    /// Price of electricity, fen per kWh.
    pub price_fen: u64,
    /// The user objects.
    pub disputed: bool,
}

/// The service fee, fen per kWh.
const SERVICE_FEN: u64 = 45;

/// Writes a session message: `event` attempt or start, or stop with its particulars.
pub fn session(
    out: &mut Vec<u8>,
    times: &mut Times,
    style: Style,
    who: (u32, u32, u32),
    ts_ms: i64,
    event: &str,
    stop: Option<&Stop>,
) {
    ts(out, times, style, ts_ms);
    session_id(out, who.0, who.1, who.2);
    key_text(out, ",\"event\":\"", event);
    if let Some(stop) = stop {
        key_text(out, ",\"reason\":\"", stop.reason);
        key_fixed(out, ",\"energy_kwh\":", stop.energy_wh as i64, 3);
        key_fixed(out, ",\"billed_kwh\":", stop.billed_wh as i64, 3);
        key_fixed(out, ",\"energy_fee\":", (stop.billed_wh * stop.price_fen / 1_000) as i64, 2);
        key_fixed(out, ",\"service_fee\":", (stop.billed_wh * SERVICE_FEN / 1_000) as i64, 2);
        out.extend_from_slice(if stop.disputed { b",\"disputed\":true" } else { b",\"disputed\":false" });
    }
    out.push(b'}');
}

/// Writes an alarm message.
pub fn alarm(
    out: &mut Vec<u8>,
    times: &mut Times,
    style: Style,
    ts_ms: i64,
    alarm: &super::incidents::Alarm,
    raised: bool,
) {
    ts(out, times, style, ts_ms);
    key_text(out, ",\"class\":\"", alarm.class);
    key_text(out, ",\"level\":\"", alarm.level.name());
    key_text(out, ",\"state\":\"", if raised { "raised" } else { "cleared" });
    key_text(out, ",\"code\":\"", alarm.code);
    out.push(b'}');
}

/// Writes a station's registration.
pub fn info(out: &mut Vec<u8>, times: &mut Times, style: Style, built: &Built, station: &Station, ts_ms: i64) {
    ts(out, times, style, ts_ms);
    out.extend_from_slice(b",\"name\":\"");
    out.extend_from_slice(station.county.name.as_bytes());
    key_text(out, "充电站 ", &station.id);
    key_text(out, ",\"area\":\"", &station.area);
    key_text(out, ",\"access\":\"", station.access.name());
    key_text(out, ",\"scene\":\"", station.scene);
    key_text(out, ",\"state\":\"", "operating");
    key_fixed(out, ",\"lng\":", i64::from(station.place_udeg.0), 6);
    key_fixed(out, ",\"lat\":", i64::from(station.place_udeg.1), 6);
    out.extend_from_slice(b",\"equipment\":[");
    let mut next = station.connectors.0;
    let mut number = 0;
    while next < station.connector_range().end {
        let equipment = &built.equipment[built.connectors[next as usize].equipment as usize];
        if number > 0 {
            out.push(b',');
        }
        number += 1;
        out.extend_from_slice(b"{\"id\":\"E");
        padded(out, number, 2);
        key_fixed(out, "\",\"rated_kw\":", i64::from(equipment.rated_w), 3);
        out.extend_from_slice(b",\"production_date\":\"");
        padded(out, u64::from(equipment.produced.0), 4);
        out.push(b'-');
        padded(out, u64::from(equipment.produced.1), 2);
        out.extend_from_slice(b"-01\",\"connectors\":[");
        for index in next..next + equipment.connectors.1 {
            if index > next {
                out.push(b',');
            }
            plate(out, built, station, index);
        }
        out.extend_from_slice(b"]}");
        next += equipment.connectors.1;
    }
    out.extend_from_slice(b"]}");
}

fn plate(out: &mut Vec<u8>, built: &Built, station: &Station, index: u32) {
    let plate = &built.connectors[index as usize];
    out.extend_from_slice(b"{\"id\":\"");
    padded(out, u64::from(index - station.connectors.0) + 1, 2);
    key_fixed(out, "\",\"rated_kw\":", i64::from(plate.rated_w), 3);
    key_text(out, ",\"current\":\"", if plate.dc { "dc" } else { "ac" });
    out.extend_from_slice(b",\"v_max\":");
    int(out, i64::from(plate.v_max));
    if plate.discharge_w > 0 {
        key_fixed(out, ",\"v2g\":true,\"discharge_kw\":", i64::from(plate.discharge_w), 3);
    } else {
        out.extend_from_slice(b",\"v2g\":false");
    }
    out.push(b'}');
}
