//! The test vectors of the domain reference (section 10), each to its last printed digit. They were computed by
//! another program; nothing here may be adjusted to what the code gives (one was rounded twice there, and says so).

use chargetally_core::census::Census;
use chargetally_core::indicator::inequality::{Pair, Spread};
use chargetally_core::indicator::{
    Group, Indicator, Inputs, Insulation, Policy, Value, catalogue, insulation_of, nevi_uptime, ohm_per_volt,
};
use chargetally_core::scope::Level;
use chargetally_core::state::State;
use chargetally_core::tally::Tally;
use chargetally_core::time::Bucket;
use chargetally_core::unit::piece_of;
use chargetally_core::window::{Calendar, WindowKind};

const HOUR_MS: i64 = 3_600_000;
const KWH_J: i64 = 3_600_000;

fn indicator(path: &str) -> &'static Indicator {
    catalogue().find(|indicator| indicator.path() == path).unwrap_or_else(|| panic!("no indicator {path}"))
}

fn figure(path: &str, tally: &Tally, census: &Census) -> f64 {
    let (calendar, policy) = (Calendar::fixed(8 * HOUR_MS), Policy::default());
    let window = calendar.window(WindowKind::Day, Bucket::holding_ms(1_767_225_600_000));
    let inputs = Inputs { census: Some(census), ..Inputs::new(Level::Nation, window, &calendar, &policy, tally) };
    match (indicator(path).compute)(&inputs) {
        Value::Number(number) => number,
        other => panic!("{path} is {other:?}"),
    }
}

#[track_caller]
fn check(actual: f64, expected: f64, decimals: i32) {
    let half = 0.5 * 10_f64.powi(-decimals) * (1.0 + 1e-6);
    assert!((actual - expected).abs() <= half, "{actual} is not {expected} to {decimals} decimals");
}

fn spread(x: &[i64], w: &[i64]) -> Spread {
    Spread::of(x.iter().zip(w).map(|(&x, &w)| Pair { x, w })).expect("there is something to share out")
}

#[test]
fn one_to_four_over_equal_needs() {
    let s = spread(&[1, 2, 3, 4], &[1; 4]);
    check(s.gini(), 0.25, 9);
    check(s.theil_t(), 0.106_440_135, 9);
    check(s.theil_l().unwrap(), 0.121_777_274, 9);
    check(s.hoover(), 0.2, 9);
    check(s.variation(), 0.447_213_595, 9);
}

#[test]
fn one_has_all_over_equal_needs() {
    let s = spread(&[0, 0, 0, 10], &[1; 4]);
    check(s.gini(), 0.75, 9);
    check(s.gini() * 4.0 / 3.0, 1.0, 9);
    check(s.theil_t(), 1.386_294_361, 9);
    assert_eq!(s.theil_l(), None);
    check(s.hoover(), 0.75, 9);
}

#[test]
fn uneven_over_uneven_needs() {
    let (x, w) = ([120, 300, 80, 500], [10, 20, 15, 25]);
    let s = spread(&x, &w);
    check(s.gini(), 0.207_142_857, 9);
    check(s.theil_t(), 0.083_128_073, 9);
    check(s.theil_l().unwrap(), 0.101_931_125, 9);
    check(s.hoover(), 0.157_142_857, 9);
    check(s.variation(), 0.381_663_028, 9);
    for (index, quotient) in [0.84, 1.05, 0.373_333, 1.4].into_iter().enumerate() {
        check(s.location_quotient(Pair { x: x[index], w: w[index] }).unwrap(), quotient, 6);
    }
    let theil = s.theil_by(|index| index as u32 / 2);
    check(theil.between, 0.000_150_258, 9);
    check(theil.within, 0.082_977_815, 9);
    check(theil.between + theil.within, s.theil_t(), 12);
}

#[test]
fn one_of_the_smallest_need_has_all() {
    check(spread(&[0, 0, 0, 5], &[20, 15, 25, 10]).gini(), 0.857_142_857, 9);
}

/// 0-8 idle, 8-9 occupied, 9-10.5 charging, 10.5-11 occupied, 11-12 offline, 12-13 faulted, 13-24 idle; 45 kWh at a
/// connector of 60 kW.
fn one_day() -> Tally {
    let mut tally = Tally { import_j: 45 * KWH_J, charging_import_j: 45 * KWH_J, ..Tally::default() };
    for (state, half_hours) in [
        (State::Available, 16),
        (State::Occupied, 2),
        (State::Charging, 3),
        (State::Occupied, 1),
        (State::Offline, 2),
        (State::Faulted, 2),
        (State::Available, 22),
    ] {
        tally.state_ms[state.index()] += half_hours * HOUR_MS / 2;
    }
    tally.rated_j = 60_000 * tally.service_ms() / 1000;
    tally
}

#[test]
fn one_connector_over_one_day() {
    let (tally, census) = (one_day(), Census::default());
    assert_eq!(tally.service_ms(), 24 * HOUR_MS);
    let percent = |path: &str| 100.0 * figure(path, &tally, &census);
    check(percent("efficiency.time_utilisation"), 6.25, 6);
    check(percent("efficiency.time_utilisation_lenient"), 6.521_739, 6);
    check(percent("efficiency.occupancy"), 12.5, 6);
    check(percent("efficiency.energy_utilisation"), 3.125, 6);
    check(figure("efficiency.power_delivered_avg_kw", &tally, &census), 30.0, 6);
    check(percent("efficiency.idle_occupation_share"), 50.0, 6);
    check(percent("service.availability_strict"), 91.666_667, 6);
    check(percent("service.availability_lenient"), 95.652_174, 6);
}

#[test]
fn time_out_of_service_by_plan_leaves_the_strict_denominator_only() {
    let mut tally = one_day();
    tally.state_ms[State::Unavailable.index()] += 24 * HOUR_MS;
    let census = Census::default();
    check(figure("service.availability_strict", &tally, &census), 22.0 / 24.0, 12);
    check(figure("service.availability_calendar", &tally, &census), 22.0 / 48.0, 12);
    check(figure("efficiency.time_utilisation_calendar", &tally, &census), 1.5 / 48.0, 12);
}

#[test]
fn a_session_over_midnight_is_split_by_time() {
    let (total, minutes) = (37_500 * KWH_J / 1000, 75);
    let before = piece_of(total, 30 * 60_000, minutes * 60_000);
    check(before as f64 / KWH_J as f64, 15.0, 9);
    check((total - before) as f64 / KWH_J as f64, 22.5, 9);
}

#[test]
fn time_between_failures_and_to_repair() {
    let mut tally = Tally::default();
    tally.state_ms[State::Faulted.index()] = 36 * HOUR_MS;
    tally.state_ms[State::Available.index()] = (7200 - 36) * HOUR_MS;
    let events = tally.events.get_mut();
    (events.failures, events.repairs) = (6, 6);
    check(figure("service.mtbf_h", &tally, &Census::default()), 1194.0, 9);
    check(figure("service.mttr_h", &tally, &Census::default()), 6.0, 9);
}

#[test]
fn uptime_by_the_rule_of_the_united_states() {
    check(100.0 * nevi_uptime(20_000, 5_000), 97.146_119, 6);
}

#[test]
fn reliability_by_the_rule_of_the_united_kingdom() {
    let tally = Tally { rapid_ms: 3 * 8760 * HOUR_MS, rapid_down_ms: (40 + 100) * HOUR_MS, ..Tally::default() };
    let reliability = figure("service.uk_reliability", &tally, &Census::default());
    // The reference prints 99.467276: it rounded 99.4672755 once more. The exact value is 1307/1314.
    check(100.0 * reliability, 99.467_275_5, 7);
    check(reliability, 1307.0 / 1314.0, 15);
}

#[test]
fn capacity_factor_of_a_day() {
    let tally = Tally { import_j: 18_500 * KWH_J / 1000, rated_j: 60_000 * 86_400, ..Tally::default() };
    check(100.0 * figure("efficiency.energy_utilisation", &tally, &Census::default()), 1.284_722, 6);
}

#[test]
fn insulation_that_alarms_but_may_go_on() {
    let per_volt = ohm_per_volt(250_000, 750_000).unwrap();
    check(per_volt, 333.33, 2);
    assert_eq!(insulation_of(per_volt), Insulation::Abnormal);
    assert_eq!(insulation_of(500.1), Insulation::Normal);
    assert_eq!(insulation_of(500.0), Insulation::Abnormal);
    assert_eq!(insulation_of(100.0), Insulation::Fault);
}

#[test]
fn average_rated_power_of_the_nation() {
    let census = Census { public_rated_w: 220_000_000_000, public: 4_717_000, ..Census::default() };
    check(figure("facilities.public_rated_power_avg_kw", &Tally::default(), &census), 46.64, 2);
}

#[test]
fn every_indicator_of_the_reference_is_in_the_catalogue() {
    for (letter, count) in [('A', 15), ('B', 17), ('C', 17), ('D', 13), ('E', 11), ('F', 16), ('G', 6)] {
        for number in 1..=count {
            let id = format!("{letter}{number}");
            assert!(
                catalogue().any(|indicator| indicator.id == id || indicator.id.starts_with(&format!("{id}-"))),
                "{id} is missing"
            );
        }
    }
    for goal in 1..=13 {
        let id = format!("A15-P{goal}");
        assert_eq!(catalogue().filter(|indicator| indicator.id == id).count(), 3, "{id}");
    }
}

#[test]
fn names_are_unique_snake_case_and_stand_under_their_group() {
    let mut paths: Vec<String> = catalogue().map(Indicator::path).collect();
    paths.sort();
    for pair in paths.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
    for group in Group::ALL {
        for indicator in group.indicators() {
            assert_eq!(indicator.group, group, "{}", indicator.name);
            assert!(
                indicator.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
                "{}",
                indicator.name
            );
            for text in [indicator.name_en, indicator.name_zh, indicator.formula, indicator.source, indicator.unit] {
                assert!(!text.is_empty(), "{}", indicator.name);
            }
            assert!(
                ["[V", "[V2", "[M", "[D", "standard"].iter().any(|tag| indicator.source.contains(tag)),
                "{}: {}",
                indicator.name,
                indicator.source
            );
        }
    }
}
