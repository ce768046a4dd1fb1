//! `[alarms]`: from which value on something measured is worth a warning or an alarm.
//!
//! Thresholds are written in the field's units and kept as the core's integers of a small unit, so that comparing
//! them never rounds. Sources: GB/T 18487.1 for the insulation; the rest are the project's own choices, and say so in
//! the shipped settings file.

use chargetally_core::safety::{Pair, Thresholds};

use super::reader::Section;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: f64 = 60_000.0;
const DAY_MS: i64 = 86_400 * SECOND_MS;
/// What stands for the whole rating, permille.
const RATING_PERMILLE: i64 = 1_000;

pub(super) fn alarms(t: &mut Section<'_>) -> Thresholds {
    let over_rating = pair(t, ["power_warn_pct", "power_alarm_pct"], [10.0, 20.0], 100.0, 10.0);
    let alarms = Thresholds {
        battery_temp_mc: pair(t, ["battery_temp_warn_c", "battery_temp_alarm_c"], [55.0, 65.0], 200.0, 1e3),
        battery_spread_mc: pair(
            t,
            ["battery_temp_spread_warn_c", "battery_temp_spread_alarm_c"],
            [15.0, 20.0],
            100.0,
            1e3,
        ),
        battery_rise_mc_per_min: pair(
            t,
            ["battery_temp_rise_warn_c_per_min", "battery_temp_rise_alarm_c_per_min"],
            [3.0, 5.0],
            100.0,
            1e3,
        ),
        battery_rise_ms_min: seconds(t, "battery_temp_rise_span_s", 60, 3_600),
        cell_mv: pair(t, ["cell_warn_v", "cell_alarm_v"], [4.33, 4.35], 6.0, 1e3),
        cell_spread_mv: pair(t, ["cell_spread_warn_v", "cell_spread_alarm_v"], [0.15, 0.3], 5.0, 1e3),
        soc_jump_permille: pair(t, ["soc_jump_warn_pct", "soc_jump_alarm_pct"], [5.0, 15.0], 100.0, 10.0),
        soc_jump_ms_max: seconds(t, "soc_jump_span_s", 60, 3_600),
        over_request_permille: pair(t, ["over_request_warn_pct", "over_request_alarm_pct"], [2.5, 5.0], 100.0, 10.0),
        over_request_ma_min: t.fixed("over_request_current_a", 1.0, 0.1..=1_000.0, 1e3),
        after_full_ms: pair(
            t,
            ["charge_after_full_warn_min", "charge_after_full_alarm_min"],
            [5.0, 15.0],
            1_440.0,
            MINUTE_MS,
        ),
        after_full_ma_min: t.fixed("charge_after_full_current_a", 5.0, 0.1..=1_000.0, 1e3),
        insulation_ohm_per_v: Pair {
            warn: t.fixed("insulation_warn_ohm_per_v", 500.0, 1.0..=100_000.0, 1.0),
            alarm: t.fixed("insulation_alarm_ohm_per_v", 100.0, 1.0..=100_000.0, 1.0),
        },
        insulation_mv_min: t.fixed("insulation_voltage_v", 100.0, 1.0..=2_000.0, 1e3),
        connector_temp_mc: pair(t, ["connector_temp_warn_c", "connector_temp_alarm_c"], [80.0, 90.0], 200.0, 1e3),
        power_permille: Pair::new(RATING_PERMILLE + over_rating.warn, RATING_PERMILLE + over_rating.alarm),
        persistence_samples: t.count("persistence_samples", 2, 1..=100),
        persistence_ms: t.count("persistence_ms", 2_000, 0..=60_000),
        hysteresis_permille: t.fixed("hysteresis_pct", 5.0, 0.1..=50.0, 10.0),
        merge_ms: seconds(t, "merge_s", 60, 86_400),
        expire_ms: t.count::<u32>("expire_days", 30, 1..=3_650).into(),
    };
    let alarms = Thresholds { expire_ms: alarms.expire_ms * DAY_MS, ..alarms };
    if alarms.insulation_ohm_per_v.warn <= alarms.insulation_ohm_per_v.alarm {
        t.refuse("insulation_warn_ohm_per_v", "must be above insulation_alarm_ohm_per_v".to_owned());
    }
    alarms
}

/// A warning's and an alarm's limit, kept as whole numbers of 1/`per_unit`; the first must lie above 0 and below the
/// second.
fn pair(t: &mut Section<'_>, keys: [&'static str; 2], defaults: [f64; 2], high: f64, per_unit: f64) -> Pair {
    let warn = t.fixed(keys[0], defaults[0], 0.0..=high, per_unit);
    let alarm = t.fixed(keys[1], defaults[1], 0.0..=high, per_unit);
    if warn >= alarm {
        t.refuse(keys[0], format!("must be below {}", keys[1]));
    } else if warn <= 0 {
        t.refuse(keys[0], format!("must be at least {}", 1.0 / per_unit));
    }
    Pair { warn, alarm }
}

/// A span in whole seconds, at least one, ms.
fn seconds(t: &mut Section<'_>, key: &'static str, default_s: u64, most_s: u32) -> i64 {
    i64::from(t.count::<u32>(key, default_s, 1..=most_s.into())) * SECOND_MS
}
