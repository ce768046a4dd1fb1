//! The settings' defaults mean what the parts of the program take as theirs, and each key reaches where it works.

use std::fs;
use std::path::Path;

use chargetally_core::indicator::Policy;
use chargetally_core::region::Region;
use chargetally_core::safety::Thresholds;
use chargetally_core::window::{Window, WindowKind};
use jiff::civil::date;

use super::*;
use crate::settings;

fn meant(text: &str) -> Settings {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.toml");
    fs::write(&path, text).expect("written");
    settings::load(&[path]).unwrap_or_else(|error| panic!("{error}")).settings
}

fn engine_of(text: &str) -> EngineConfig {
    engine(&meant(text), false).unwrap_or_else(|error| panic!("{error}"))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a known zone")
}

fn at_ms(zone: &TimeZone, year: i16, month: i8, day: i8) -> i64 {
    let midnight = date(year, month, day).to_zoned(zone.clone()).expect("a day of the calendar");
    midnight.timestamp().as_millisecond()
}

#[test]
fn the_defaults_are_those_of_the_core() {
    let EngineConfig { core, rollup, dialects, quotas, limits, workers, rejected_samples_per_s, spread } =
        engine_of("[run]\nshards = 1");
    assert_eq!(quotas, [crate::engine::Quota::NONE]);
    let expected = Config::default();
    assert_eq!(core.grace_ms, expected.grace_ms);
    assert_eq!(core.future_skew_ms, expected.future_skew_ms);
    assert_eq!(core.late_limit_ms, expected.late_limit_ms);
    assert_eq!(core.sources, expected.sources);
    assert_eq!(core.limits, expected.limits);
    assert_eq!(core.thresholds, Thresholds::default());
    assert_eq!(core.calendar, rollup.calendar);
    assert_eq!(limits, dialect::Limits::default());
    assert_eq!((dialects.len(), workers, rejected_samples_per_s), (1, 1, 1));
    assert_eq!(spread, None);
    assert_eq!(rollup.windows, WindowKind::ALL);
    assert_eq!(rollup.revise_every_ms, 60_000);
    assert_eq!(rollup.tariff, Tariff::default());
    assert_eq!(policy(&Settings::default()), Policy::default());
    let none = reference(&Settings::default()).expect("no file to read");
    assert_eq!((none.version.as_ref(), none.figures.is_empty(), none.holidays.len()), ("default", true, 0));
}

#[test]
fn the_plan_begins_on_the_morning_after_its_base_day_in_the_zone() {
    let shanghai = zone("Asia/Shanghai");
    let plan_from = |text: &str| engine_of(text).rollup.plan_from.start_ms();
    assert_eq!(plan_from(""), at_ms(&shanghai, 2026, 1, 1));
    assert_eq!(plan_from("[baseline]\ndate = '2026-02-28'"), at_ms(&shanghai, 2026, 3, 1));
    assert_eq!(plan_from("[time]\nzone = 'UTC'"), at_ms(&TimeZone::UTC, 2026, 1, 1));
}

#[test]
fn the_calendar_follows_the_clock_of_its_zone() {
    let (china, berlin) = (zone("Asia/Shanghai"), zone("Europe/Berlin"));
    let cases = [
        (&china, date(2026, 3, 29), 24),
        // The last summer time of China began on 14 April 1991 at 02:00.
        (&china, date(1991, 4, 14), 23),
        (&berlin, date(2026, 3, 29), 23),
        (&berlin, date(2026, 10, 25), 25),
        (&berlin, date(2099, 3, 29), 23),
        (&berlin, date(2026, 3, 30), 24),
    ];
    for (zone, day, hours) in cases {
        let calendar = calendar(zone);
        let start_ms = at_ms(zone, day.year(), day.month(), day.day());
        let window: Window = calendar.window(WindowKind::Day, Bucket::holding_ms(start_ms + 12 * HOUR_MS));
        assert_eq!((window.start.start_ms(), window.length_ms()), (start_ms, hours * HOUR_MS), "{day}");
    }
    for name in ["UTC", "Etc/GMT-8", "Asia/Kathmandu", "America/St_Johns", "Asia/Shanghai"] {
        let (zone, days) = (zone(name), 20_454..20_454 + 366);
        let calendar = calendar(&zone);
        for at_ms in days.map(|day| day * DAY_MS) {
            let timestamp = Timestamp::from_millisecond(at_ms).expect("in range");
            let expected = i64::from(zone.to_offset(timestamp).seconds()) * 1_000;
            assert_eq!(calendar.offset_ms(at_ms), expected, "{name} {timestamp}");
        }
    }
}

#[test]
fn limits_are_shared_out_among_the_shards_rounded_up() {
    let text = "[run]\nshards = 3\n[limits]\nstations = 100\nconnectors = 300\nconnectors_per_station = 50\n\
        unregistered_stations = 0\nopen_alarms = 1\nunclaimed_tallies = 4\nsessions_per_connector = 5\n\
        duplicate_memory = 16\n";
    let config = engine_of(text);
    let expected = config::Limits {
        stations: 34,
        unregistered_stations: 0,
        connectors: 100,
        connectors_per_station: 50,
        duplicate_memory: 16,
        unclaimed_tallies: 2,
        sessions_per_connector: 5,
        open_alarms: 1,
    };
    assert_eq!((config.core.limits, config.workers), (expected, 3));
    assert!((1..=WORKERS_MAX).contains(&engine_of("").workers));
}

#[test]
fn sources_and_dialects_stand_in_the_order_of_the_settings() {
    let config = engine_of(
        "[[source]]\nroot = 'a'\nhold_s = 900\nprolong = true\n\
         [[source]]\nname = 'b'\nroot = 'b/c'\nhold_s = 60\nexpected_interval_s = 15\n",
    );
    let sources =
        [config::Source { hold_ms: 900_000, prolong: true }, config::Source { hold_ms: 60_000, prolong: false }];
    assert_eq!(config.core.sources, sources);
    let filters: Vec<String> = config.dialects.iter().flat_map(|dialect| dialect.filters(&[], None)).collect();
    assert!(filters.iter().any(|filter| filter.starts_with("a/")), "{filters:?}");
    let of_second = config.dialects[1].filters(&[], None);
    assert!(of_second.iter().all(|filter| filter.starts_with("b/c/")), "{of_second:?}");
}

#[test]
fn windows_stay_as_long_as_they_may_change_or_can_be_given_back() {
    let settings = meant("[time]\nlate_limit_h = 10");
    assert_eq!(keep(&settings, false), [12 * HOUR_MS, 12 * HOUR_MS, 12 * HOUR_MS, 12 * HOUR_MS, 400 * DAY_MS]);
    assert_eq!(keep(&settings, true), [2 * HOUR_MS, 6 * HOUR_MS, DAY_MS, 3 * DAY_MS, 400 * DAY_MS]);
}

#[test]
fn every_threshold_comes_from_its_own_key() {
    let defaults = Thresholds::default();
    let check = |key: &str, value: &str, expected: Thresholds| {
        assert_eq!(meant(&format!("[alarms]\n{key} = {value}")).alarms, expected, "{key}");
    };
    let changed = |change: fn(&mut Thresholds)| {
        let mut thresholds = defaults;
        change(&mut thresholds);
        thresholds
    };
    check("battery_temp_warn_c", "54.5", changed(|t| t.battery_temp_mc.warn = 54_500));
    check("battery_temp_spread_alarm_c", "21", changed(|t| t.battery_spread_mc.alarm = 21_000));
    check("battery_temp_rise_warn_c_per_min", "2.0", changed(|t| t.battery_rise_mc_per_min.warn = 2_000));
    check("battery_temp_rise_span_s", "90", changed(|t| t.battery_rise_ms_min = 90_000));
    check("cell_alarm_v", "4.4", changed(|t| t.cell_mv.alarm = 4_400));
    check("cell_spread_warn_v", "0.1", changed(|t| t.cell_spread_mv.warn = 100));
    check("soc_jump_warn_pct", "4.5", changed(|t| t.soc_jump_permille.warn = 45));
    check("soc_jump_span_s", "30", changed(|t| t.soc_jump_ms_max = 30_000));
    check("over_request_alarm_pct", "7.5", changed(|t| t.over_request_permille.alarm = 75));
    check("over_request_current_a", "2", changed(|t| t.over_request_ma_min = 2_000));
    check("power_warn_pct", "5", changed(|t| t.power_permille.warn = 1_050));
    check("power_alarm_pct", "30", changed(|t| t.power_permille.alarm = 1_300));
    check("charge_after_full_warn_min", "1", changed(|t| t.after_full_ms.warn = 60_000));
    check("charge_after_full_current_a", "0.5", changed(|t| t.after_full_ma_min = 500));
    check("insulation_warn_ohm_per_v", "600", changed(|t| t.insulation_ohm_per_v.warn = 600));
    check("insulation_voltage_v", "200", changed(|t| t.insulation_mv_min = 200_000));
    check("connector_temp_alarm_c", "95", changed(|t| t.connector_temp_mc.alarm = 95_000));
    check("persistence_samples", "3", changed(|t| t.persistence_samples = 3));
    check("persistence_ms", "0", changed(|t| t.persistence_ms = 0));
    check("hysteresis_pct", "2.5", changed(|t| t.hysteresis_permille = 25));
    check("merge_s", "5", changed(|t| t.merge_ms = 5_000));
    check("expire_days", "2", changed(|t| t.expire_ms = 2 * DAY_MS));
}

#[test]
fn policy_takes_its_numbers_from_its_tables() {
    let policy = policy(&meant(
        "[[source]]\nroot = 'a'\n[[source]]\nname = 'b'\nroot = 'b'\nexpected_interval_s = 15\n\
         [indicators]\nmin_service_h = 720\nmin_rate_service_h = 48\nmin_failures = 2\nunavailable_is_planned = false\n\
         safety_weight_level_3 = 0.2\nsafety_reference_level_1 = 2\nstar_weight_safety = 0.5\n\
         [targets]\nversion = '2026-05'\ndate = '2028-06-30'\nv2g_discharge_kwh = 5\ntownship_coverage = 0.9\n\
         [baseline]\ndate = '2026-06-30'\ntotal = 7\n",
    ));
    assert_eq!(policy.version.as_ref(), "2026-05");
    assert_eq!(policy.expected_interval_ms, Some(15_000));
    assert_eq!((policy.minimums.service_ms, policy.minimums.rate_service_ms), (30 * DAY_MS, 2 * DAY_MS));
    assert_eq!((policy.minimums.failures, policy.unavailable_is_planned), (2, false));
    assert_eq!(policy.grading.weights, [0.6, 0.3, 0.2]);
    assert_eq!(policy.grading.references_per_1000_connector_days, [2.0, 5.0, 20.0]);
    assert_eq!(policy.star.safety, 0.5);
    assert_eq!(policy.plan.base_day, CivilDay { year: 2026, month: 6, day: 30 });
    assert_eq!(policy.plan.target_day, CivilDay { year: 2028, month: 6, day: 30 });
    assert_eq!(policy.plan.targets[0], Target { base: Some(7.0), target: Some(28_000_000.0) });
    assert_eq!(policy.plan.targets[8], Target { base: None, target: Some(0.9) });
    assert_eq!(policy.plan.targets[12], Target { base: Some(0.0), target: Some(5.0) });
    assert_eq!(policy.national_facilities, 7);
}

#[test]
fn a_table_of_valley_periods_goes_before_the_list() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("valley.csv");
    let tariff_of = |rows: &str| {
        fs::write(&file, format!("province,months,from,to\n{rows}")).expect("written");
        let text = format!("[reference]\nvalley_periods = ['00:00-08:00']\nvalley_csv = '{}'", file.display());
        engine_of(&text).rollup.tariff
    };
    let own = tariff_of("37,6-8,11:00,14:00\n");
    let known = [(37, 6, 700), (37, 6, 0), (37, 1, 0), (11, 1, 0)].map(|(p, m, at)| own.is_valley(p, m, at));
    assert_eq!(known, [Some(true), Some(false), None, Some(true)]);
    let all = tariff_of(",,22:00,06:00\n");
    assert_eq!([(11, 7 * 60), (11, 23 * 60)].map(|(p, at)| all.is_valley(p, 1, at)), [Some(false), Some(true)]);
    fs::write(&file, "province\n").expect("written");
    let wrong = meant(&format!("[reference]\nvalley_csv = '{}'", file.display()));
    let error = engine(&wrong, true).expect_err("no header");
    let expected =
        format!("{}, line 1: is not the header; begin with the line 'province,months,from,to'", file.display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn reference_data_come_from_the_file_and_holidays_from_the_list() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("regions.csv");
    let settings = |file: &Path| {
        let holidays = "holidays = ['2026-10-02', '2026-10-01']";
        meant(&format!("[reference]\nversion = 'own'\n{holidays}\nregions_csv = '{}'", file.display()))
    };
    let missing = reference(&settings(&file)).expect_err("no file yet");
    assert!(missing.to_string().starts_with(&format!("{}: cannot be read", file.display())));
    fs::write(&file, "area,ev_stock\n53,1000\n").expect("written");
    let unnamed = reference(&settings(&file)).expect("a good file");
    assert_eq!((unnamed.version.as_ref(), unnamed.figures.ev_stock(Region::Province(53))), ("own", Some(1_000)));
    assert_eq!(unnamed.holidays.first(), Some(&CivilDay { year: 2026, month: 10, day: 1 }));
    assert_eq!(unnamed.holidays.len(), 2);
    fs::write(&file, "# version: 2026-05\narea,ev_stock\n53,1000\n").expect("written");
    assert_eq!(reference(&settings(&file)).expect("a good file").version.as_ref(), "2026-05");
}
