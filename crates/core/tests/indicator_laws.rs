//! Laws that hold for every indicator whatever the numbers: no figure is infinite or "not a number", shares of a whole
//! stay within it, a figure of a merged tally comes from merged sums, and what is not known is null with the right
//! reason.

use chargetally_core::census::{Census, Snapshot};
use chargetally_core::indicator::inequality::{Pair, Spread};
use chargetally_core::indicator::{
    CountyRow, Inputs, Lists, NationRatio, NeedBasis, NullReason, Peaks, Policy, Reference, SettingRow, Span,
    StationList, TownshipRow, Value, catalogue,
};
use chargetally_core::scope::Level;
use chargetally_core::state::State;
use chargetally_core::tally::{Merge, Tally};
use chargetally_core::time::{Bucket, EventTime};
use chargetally_core::window::{Calendar, CivilDay, Window, WindowKind, days_from_civil};
use proptest::prelude::*;

const DAY_MS: i64 = 86_400_000;

fn calendar() -> Calendar {
    Calendar::fixed(8 * 3_600_000)
}

fn day_of(year: i32, month: u8, day: u8) -> Window {
    let start_ms = days_from_civil(CivilDay { year, month, day }) * DAY_MS - 8 * 3_600_000;
    calendar().window(WindowKind::Day, Bucket::holding_ms(start_ms))
}

fn value_of<'a>(path: &str, inputs: &Inputs<'a>) -> Value<'a> {
    let indicator = catalogue().find(|indicator| indicator.path() == path).expect("the path is in the catalogue");
    (indicator.compute)(inputs)
}

/// Zero often, for it is zeros that divide badly.
fn amount(max: i64) -> impl Strategy<Value = i64> {
    prop_oneof![2 => Just(0), 1 => 1..=10_i64, 3 => 0..=max]
}

/// Several of them; a vector, for arrays of strategies do not fit a test thread's stack.
fn amounts(count: usize, max: i64) -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(amount(max), count)
}

fn any_tally() -> impl Strategy<Value = Tally> {
    let times = amounts(9, 50 * DAY_MS);
    let sums = amounts(16, 1_000_000_000_000);
    let counts = amounts(32, 100_000);
    (times, sums, counts, any::<bool>()).prop_map(|(times, s, c, has_events)| {
        let state_ms = std::array::from_fn(|index| times[index]);
        let mut tally = Tally { state_ms, ..Tally::default() };
        [tally.import_j, tally.export_j, tally.charging_import_j, tally.rated_j] = [s[0], s[1], s[2], s[3]];
        [tally.demand_j, tally.demand_import_j, tally.tariff_import_j, tally.valley_import_j] =
            [s[4], s[5], s[6], s[7]];
        [tally.overstay_ms, tally.station_ms, tally.full_ms, tally.full_faulty_ms] = [s[8], s[9], s[10], s[11]];
        [tally.rapid_ms, tally.rapid_down_ms, tally.accepted] = [s[12], s[13], c[0]];
        tally.latency[3] = c[1];
        tally.latency[9] = c[2];
        if has_events {
            let events = tally.events.get_mut();
            [events.sessions_attempted, events.sessions_started, events.sessions_completed] = [c[3], c[4], c[5]];
            [events.sessions_failed, events.sessions_abnormal, events.sessions_effective] = [c[6], c[7], c[8]];
            [events.sessions_timed, events.sessions_metered, events.starts_timed] = [c[9], c[10], c[11]];
            [events.sessions_billed, events.sessions_billed_consistent, events.sessions_priced] = [c[12], c[13], c[14]];
            [events.bms_episodes, events.runaway_episodes, events.failures, events.repairs] =
                [c[15], c[16], c[17], c[18]];
            events.alarms_raised = [c[19], c[20], c[21]];
            events.alarms_by_source = [c[21], c[22], c[23]];
            events.clearances = [c[24], c[25], c[26]];
            events.clearance_ms = [s[14], s[15], s[0]];
            events.stops[8] = c[27];
            events.stops[0] = c[28];
            events.session_durations[12] = c[29];
            events.session_energies[2] = c[30];
            events.rejected = c[31];
            [events.session_ms, events.session_j, events.start_ms, events.priced_j] = [s[1], s[2], s[3], s[4]];
        }
        tally
    })
}

fn any_census() -> impl Strategy<Value = Census> {
    amounts(16, 1_000_000).prop_map(|c| Census {
        connectors: c[0],
        in_service: c[1],
        rated_w: c[2],
        registered: c[3],
        heard: c[4],
        stations: c[5],
        stations_with_alarm_feed: c[6],
        facilities: c[7],
        public: c[8],
        private: c[9],
        dc: c[10],
        ac: c[11],
        public_rated_w: c[12],
        highway: c[13],
        new_highway: c[14],
        renewal: c[15],
        ..Census::default()
    })
}

fn any_counties() -> impl Strategy<Value = Vec<CountyRow>> {
    let row = (1_u32..=65, amount(1_000_000_000), amount(1_000_000), prop::option::of(amount(1_000_000)));
    prop::collection::vec(row, 0..40).prop_map(|rows| {
        rows.into_iter()
            .map(|(province, public_rated_w, other, need)| CountyRow {
                county: province * 10_000 + 101,
                public_rated_w,
                import_j: other * 1000,
                facilities: other,
                public: other / 2,
                service_ms: other * 10,
                charging_ms: other,
                need,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_value_is_finite_or_null_with_a_reason(
        tally in any_tally(), census in any_census(), counties in any_counties(),
        counts in amounts(16, 1_000_000), absent in any::<[bool; 4]>(), level in 0_usize..6,
    ) {
        let (calendar, policy) = (calendar(), Policy::default());
        let snapshot = Snapshot {
            dormant: counts[0], open_alarms: [counts[1], counts[2], counts[3]], open_alarm_ms: [counts[4]; 3],
            open_faults: counts[5], open_fault_ms: counts[6], adjustable: counts[7], uptime_ports: counts[8],
            uptime_ppm: counts[9], ..Snapshot::default()
        };
        let stations = ["OP/one".into()];
        let mut inputs = Inputs::new(Level::ALL[level], day_of(2026, 6, 30), &calendar, &policy, &tally);
        if !absent[0] {
            inputs.census = Some(&census);
            inputs.snapshot = Some(&snapshot);
        }
        if !absent[1] {
            inputs.counties = &counties;
            inputs.urban = Some(SettingRow { public_rated_w: counts[10], need: Some(counts[11]), ..SettingRow::default() });
            inputs.rural = inputs.urban;
            inputs.nation = Some(NationRatio { public_rated_w: counts[12], need: counts[13] });
        }
        if !absent[2] {
            inputs.reference = Reference {
                ev_stock: Some(counts[14]), need: Some(counts[15]), need_basis: Some(NeedBasis::EvStock),
                built_up_km2: Some(counts[0] as f64), service_areas: Some(counts[1]),
                service_areas_covered: Some(counts[2]), population: None,
            };
        }
        if !absent[3] {
            inputs.year = Some(Span { tally: &tally, months_available: 3 });
            inputs.plan = inputs.year;
            inputs.lists = Lists {
                congested: Some(StationList { total: 1, stations: &stations }), ..Lists::default()
            };
            inputs.peaks = Peaks { minute_j: counts[3], minute_start: Some(EventTime::from_ms(0)), ..Peaks::default() };
        }
        for indicator in catalogue() {
            if let Value::Number(number) = (indicator.compute)(&inputs) {
                prop_assert!(number.is_finite(), "{} is {number}", indicator.path());
            }
        }
    }

    #[test]
    fn shares_of_time_stay_between_nothing_and_all(tally in any_tally()) {
        let (calendar, policy) = (calendar(), Policy::default());
        let inputs = Inputs::new(Level::County, day_of(2026, 6, 30), &calendar, &policy, &tally);
        for path in [
            "efficiency.time_utilisation", "efficiency.time_utilisation_lenient", "efficiency.time_utilisation_calendar",
            "efficiency.occupancy", "efficiency.occupancy_lenient", "efficiency.idle_occupation_share",
            "service.availability_strict", "service.availability_lenient", "service.availability_calendar",
            "service.online_rate", "service.fault_time_share", "quality.unknown_time_share",
            "service.start_success_rate", "service.completion_success_rate", "safety.safety_score",
        ] {
            if let Some(number) = value_of(path, &inputs).as_f64() {
                prop_assert!((0.0..=1.0).contains(&number), "{path} is {number}");
            }
        }
    }

    #[test]
    fn the_figure_of_a_merged_tally_is_merged_first_and_divided_last(one in any_tally(), two in any_tally()) {
        let (calendar, policy) = (calendar(), Policy::default());
        let mut both = one.clone();
        both.merge(&two);
        let inputs = Inputs::new(Level::Nation, day_of(2026, 6, 30), &calendar, &policy, &both);
        let charging = one.in_state(State::Charging) + two.in_state(State::Charging);
        let planned = one.in_state(State::Unavailable) + two.in_state(State::Unavailable);
        let scheduled = one.service_ms() + two.service_ms() - planned;
        let expected = if scheduled > 0 {
            Value::Number(charging as f64 / scheduled as f64)
        } else {
            Value::Null(NullReason::NoDenominator)
        };
        prop_assert_eq!(value_of("efficiency.time_utilisation", &inputs), expected);
        let rated = one.rated_j + two.rated_j;
        if rated > 0 {
            let expected = Value::Number((one.import_j + two.import_j) as f64 / rated as f64);
            prop_assert_eq!(value_of("efficiency.energy_utilisation", &inputs), expected);
        }
    }

    #[test]
    fn the_parts_of_theil_add_up_and_order_does_not_matter(
        pairs in prop::collection::vec((amount(1_000_000), amount(1_000_000)), 1..50), groups in 1_u32..8,
    ) {
        let pairs: Vec<Pair> = pairs.into_iter().map(|(x, w)| Pair { x, w }).collect();
        let Some(spread) = Spread::of(pairs.iter().copied()) else { return Ok(()) };
        let theil = spread.theil_by(|index| index as u32 % groups);
        prop_assert!((theil.between + theil.within - spread.theil_t()).abs() < 1e-9);
        prop_assert!((0.0..1.0).contains(&spread.gini()));
        prop_assert!((0.0..=1.0).contains(&spread.hoover()));
        prop_assert!(spread.hoover() <= spread.gini() + 1e-9);
        let reversed = Spread::of(pairs.iter().rev().copied()).expect("the same pairs");
        prop_assert!((spread.gini() - reversed.gini()).abs() < 1e-12);
    }
}

#[test]
fn a_fair_spread_has_no_inequality() {
    let s = Spread::of((1..=9).map(|k| Pair { x: 7 * k, w: k })).expect("there is something to share out");
    assert!(s.gini() < 1e-12 && s.theil_t() < 1e-12 && s.hoover() < 1e-12 && s.variation() < 1e-12);
    assert_eq!(s.max_min(), Some(1.0));
    assert_eq!(s.p90_p10(), Some(1.0));
}

#[test]
fn nothing_known_is_null_throughout_and_never_zero() {
    let (calendar, policy, tally) = (calendar(), Policy::default(), Tally::default());
    let inputs = Inputs::new(Level::Nation, day_of(2026, 6, 30), &calendar, &policy, &tally);
    let mut given: Vec<String> = catalogue()
        .filter(|indicator| !matches!((indicator.compute)(&inputs), Value::Null(_)))
        .map(|indicator| indicator.path())
        .collect();
    given.retain(|path| !path.ends_with("_required") && !path.contains("_required_"));
    // Sums of what was reported, and the grade that says so itself.
    assert_eq!(
        given,
        ["efficiency.energy_import_kwh", "safety.safety_grade", "vgi.energy_export_kwh", "quality.unmapped_codes"]
    );
    assert_eq!(value_of("safety.safety_grade", &inputs), Value::Word("not_assessed"));
}

#[test]
fn silence_about_alarms_is_not_safety() {
    let (calendar, policy) = (calendar(), Policy::default());
    let mut tally = Tally::default();
    tally.state_ms[State::Available.index()] = 1000 * DAY_MS;
    tally.events.get_mut().sessions_started = 5000;
    let mut census = Census { stations: 10, ..Census::default() };
    let rate = "safety.alarms_personal_per_10k_sessions";
    let window = day_of(2026, 6, 30);
    let silent = Inputs { census: Some(&census), ..Inputs::new(Level::City, window, &calendar, &policy, &tally) };
    assert_eq!(value_of(rate, &silent), Value::Null(NullReason::NotAssessed));
    assert_eq!(value_of("safety.safety_grade", &silent), Value::Word("not_assessed"));
    census.stations_with_alarm_feed = 1;
    let fed = Inputs { census: Some(&census), ..Inputs::new(Level::City, window, &calendar, &policy, &tally) };
    assert_eq!(value_of(rate, &fed), Value::Number(0.0));
    assert_eq!(value_of("safety.safety_grade", &fed), Value::Word("low"));
    let snapshot = Snapshot { open_alarms: [1, 0, 0], ..Snapshot::default() };
    let open = Inputs { snapshot: Some(&snapshot), ..fed };
    assert_eq!(value_of("safety.safety_grade", &open), Value::Word("major"));
}

#[test]
fn rates_of_few_events_are_withheld() {
    let (calendar, policy) = (calendar(), Policy::default());
    let mut tally = Tally::default();
    tally.state_ms[State::Available.index()] = 60_000;
    let events = tally.events.get_mut();
    (events.sessions_attempted, events.sessions_started, events.failures) = (9, 9, 2);
    let inputs = Inputs::new(Level::Station, day_of(2026, 6, 30), &calendar, &policy, &tally);
    for path in ["service.start_success_rate", "service.mtbf_h", "safety.safety_stops_per_1000_sessions"] {
        assert_eq!(value_of(path, &inputs), Value::Null(NullReason::Insufficient), "{path}");
    }
    // A share of time needs no minimum: one minute of one connector is one minute observed.
    assert_eq!(value_of("service.availability_strict", &inputs), Value::Number(1.0));
}

#[test]
fn a_share_that_the_window_cuts_is_withheld() {
    let (calendar, policy) = (calendar(), Policy::default());
    let mut tally = Tally::default();
    let events = tally.events.get_mut();
    (events.sessions_attempted, events.sessions_started) = (20, 21);
    let inputs = Inputs::new(Level::Nation, day_of(2026, 6, 30), &calendar, &policy, &tally);
    assert_eq!(value_of("service.start_success_rate", &inputs), Value::Null(NullReason::CutByWindow));
}

#[test]
fn few_private_connectors_of_a_county_are_suppressed() {
    let (calendar, policy, tally) = (calendar(), Policy::default(), Tally::default());
    let census = Census { private: 9, ..Census::default() };
    let at =
        |level| Inputs { census: Some(&census), ..Inputs::new(level, day_of(2026, 6, 30), &calendar, &policy, &tally) };
    let path = "facilities.private_connectors";
    assert_eq!(value_of(path, &at(Level::County)), Value::Null(NullReason::Suppressed));
    assert_eq!(value_of(path, &at(Level::Province)), Value::Integer(9));
}

#[test]
fn the_plan_is_paced_between_its_days() {
    let (calendar, policy, tally) = (calendar(), Policy::default(), Tally::default());
    let census = Census { facilities: 20_092_000, ..Census::default() };
    let at =
        |window| Inputs { census: Some(&census), ..Inputs::new(Level::Nation, window, &calendar, &policy, &tally) };
    let required = "targets.facilities_required_connectors";
    let gap = "targets.facilities_pace_gap_connectors";
    assert_eq!(value_of(required, &at(day_of(2025, 12, 31))), Value::Number(20_092_000.0));
    assert_eq!(value_of(gap, &at(day_of(2025, 12, 31))), Value::Number(0.0));
    // Half of the 730 days.
    assert_eq!(value_of(required, &at(day_of(2026, 12, 31))), Value::Number(24_046_000.0));
    assert_eq!(value_of(gap, &at(day_of(2026, 12, 31))), Value::Number(-3_954_000.0));
    assert_eq!(value_of(required, &at(day_of(2027, 12, 31))), Value::Number(28_000_000.0));
    assert_eq!(value_of(required, &at(day_of(2029, 1, 1))), Value::Number(28_000_000.0));
    let progress = value_of("targets.facilities_progress", &at(day_of(2025, 12, 31)));
    assert_eq!(progress, Value::Number(20_092_000.0 / 28_000_000.0));
    let province = Inputs { level: Level::Province, ..at(day_of(2026, 12, 31)) };
    assert_eq!(value_of(gap, &province), Value::Null(NullReason::NotApplicableAtLevel));
}

#[test]
fn townships_add_up_over_provinces() {
    let (calendar, policy, tally) = (calendar(), Policy::default(), Tally::default());
    let rows = [
        TownshipRow { province: 11, covered: 122, total: 122 },
        TownshipRow { province: 53, covered: 603, total: 1206 },
    ];
    let inputs =
        Inputs { townships: &rows, ..Inputs::new(Level::Nation, day_of(2026, 6, 30), &calendar, &policy, &tally) };
    assert_eq!(value_of("coverage.township_coverage", &inputs), Value::Number(725.0 / 1328.0));
    assert_eq!(value_of("coverage.provinces_fully_covered", &inputs), Value::Integer(1));
}
