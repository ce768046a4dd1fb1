//! `[alarms]`: from which value on something measured is worth a warning or an alarm.
//!
//! Thresholds are written in the field's units and kept as integers of a small unit, so that comparing them never
//! rounds. Sources: GB/T 18487.1 for the insulation; the rest are the project's own choices, and say so in the
//! shipped settings file.

use super::meant::Millis;
use super::reader::Section;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: f64 = 60_000.0;
const DAY_MS: u64 = 86_400 * SECOND_MS;

/// Two thresholds of one quantity, in the unit that the field's name ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WarnAlarm {
    /// From here on a warning.
    pub warn: i64,
    /// From here on an alarm.
    pub alarm: i64,
}

/// When a measured value is worth a warning or an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarms {
    /// W1: greatest temperature in the battery, 1/1000 °C.
    pub battery_temp_mc: WarnAlarm,
    /// W2: greatest less least temperature in the battery, 1/1000 °C.
    pub battery_temp_spread_mc: WarnAlarm,
    /// W3: rise of the greatest temperature, 1/1000 °C per minute.
    pub battery_temp_rise_mc_per_min: WarnAlarm,
    /// W4: greatest voltage of a cell, mV.
    pub cell_mv: WarnAlarm,
    /// W5: greatest less least voltage of the cells, mV.
    pub cell_spread_mv: WarnAlarm,
    /// W6: change of the state of charge between two samples, 1/100 %.
    pub soc_jump_bp: WarnAlarm,
    /// W7: delivered beyond what the vehicle asked for, 1/100 %.
    pub over_request_bp: WarnAlarm,
    /// W8: voltage beyond the greatest rated one, 1/100 %.
    pub over_voltage_bp: WarnAlarm,
    /// W9: current still flowing at 100 % state of charge, ms.
    pub charge_after_full_ms: WarnAlarm,
    /// W10: insulation resistance per volt, Ω/V; here *lower* is worse.
    pub insulation_ohm_per_v: WarnAlarm,
    /// W11: temperature of the connector, 1/1000 °C.
    pub connector_temp_mc: WarnAlarm,
    /// Consecutive samples beyond a threshold before it counts.
    pub persistence_samples: u32,
    /// How far a value has to come back before the alarm clears, 1/100 % of the threshold.
    pub hysteresis_bp: i64,
    /// Alarms of one class and connector that follow each other this closely are one.
    pub merge: Millis,
    /// A raised alarm that was never cleared expires after this.
    pub expire: Millis,
}

pub(super) fn alarms(t: &mut Section<'_>) -> Alarms {
    let alarms = Alarms {
        battery_temp_mc: pair(t, ["battery_temp_warn_c", "battery_temp_alarm_c"], [55.0, 65.0], 200.0, 1e3),
        battery_temp_spread_mc: pair(
            t,
            ["battery_temp_spread_warn_c", "battery_temp_spread_alarm_c"],
            [15.0, 20.0],
            100.0,
            1e3,
        ),
        battery_temp_rise_mc_per_min: pair(
            t,
            ["battery_temp_rise_warn_c_per_min", "battery_temp_rise_alarm_c_per_min"],
            [3.0, 5.0],
            100.0,
            1e3,
        ),
        cell_mv: pair(t, ["cell_warn_v", "cell_alarm_v"], [4.33, 4.35], 6.0, 1e3),
        cell_spread_mv: pair(t, ["cell_spread_warn_v", "cell_spread_alarm_v"], [0.15, 0.3], 5.0, 1e3),
        soc_jump_bp: pair(t, ["soc_jump_warn_pct", "soc_jump_alarm_pct"], [5.0, 15.0], 100.0, 1e2),
        over_request_bp: pair(t, ["over_request_warn_pct", "over_request_alarm_pct"], [2.5, 5.0], 100.0, 1e2),
        over_voltage_bp: pair(t, ["over_voltage_warn_pct", "over_voltage_alarm_pct"], [0.0, 1.0], 100.0, 1e2),
        charge_after_full_ms: pair(
            t,
            ["charge_after_full_warn_min", "charge_after_full_alarm_min"],
            [5.0, 15.0],
            1_440.0,
            MINUTE_MS,
        ),
        insulation_ohm_per_v: WarnAlarm {
            warn: t.fixed("insulation_warn_ohm_per_v", 500.0, 0.0..=100_000.0, 1.0),
            alarm: t.fixed("insulation_alarm_ohm_per_v", 100.0, 0.0..=100_000.0, 1.0),
        },
        connector_temp_mc: pair(t, ["connector_temp_warn_c", "connector_temp_alarm_c"], [80.0, 90.0], 200.0, 1e3),
        persistence_samples: t.count("persistence_samples", 2, 1..=100),
        hysteresis_bp: t.fixed("hysteresis_pct", 5.0, 0.0..=50.0, 1e2),
        merge: t.span("merge_s", 60, 0..=86_400, SECOND_MS),
        expire: t.span("expire_days", 30, 1..=3_650, DAY_MS),
    };
    if alarms.insulation_ohm_per_v.warn <= alarms.insulation_ohm_per_v.alarm {
        t.refuse("insulation_warn_ohm_per_v", "must be above insulation_alarm_ohm_per_v".to_owned());
    }
    alarms
}

fn pair(t: &mut Section<'_>, keys: [&'static str; 2], defaults: [f64; 2], high: f64, per_unit: f64) -> WarnAlarm {
    let warn = t.fixed(keys[0], defaults[0], 0.0..=high, per_unit);
    let alarm = t.fixed(keys[1], defaults[1], 0.0..=high, per_unit);
    if warn >= alarm {
        t.refuse(keys[0], format!("must be below {}", keys[1]));
    }
    WarnAlarm { warn, alarm }
}
