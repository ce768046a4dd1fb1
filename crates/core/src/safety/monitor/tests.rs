//! What the samples of one connector show.

use proptest::prelude::*;

use super::*;

const RATED_W: u32 = 120_000;
const HOLD_MS: i64 = 180_000;

/// One sample: at so many seconds, in a state, with vitals; power and demand in W.
#[derive(Clone, Copy)]
struct Shown {
    at_ms: i64,
    state: State,
    vitals: Vitals,
    power_w: Option<i64>,
    demand_w: Option<i64>,
}

fn shown(at_s: i64, vitals: Vitals) -> Shown {
    Shown { at_ms: at_s * 1_000, state: State::Charging, vitals, power_w: None, demand_w: None }
}

fn sample(shown: Shown) -> (Situation, Sample<'static>) {
    let situation = Situation { state: shown.state, rated_w: Some(RATED_W), hold_ms: HOLD_MS };
    let sample = Sample {
        at: EventTime::from_ms(shown.at_ms),
        status: None,
        power_w: shown.power_w,
        import_j: None,
        export_j: None,
        demand_w: shown.demand_w,
        vitals: shown.vitals,
        session: None,
    };
    (situation, sample)
}

fn findings(samples: impl IntoIterator<Item = Shown>) -> Vec<Finding> {
    let mut monitor = ConnectorMonitor::default();
    let mut found = Vec::new();
    for shown in samples {
        let (situation, sample) = sample(shown);
        monitor.observe(&situation, &sample, &Thresholds::default(), &mut |finding| found.push(finding));
    }
    found
}

fn alarms(samples: impl IntoIterator<Item = Shown>) -> Vec<DerivedAlarm> {
    findings(samples)
        .into_iter()
        .filter_map(|finding| match finding {
            Finding::Alarm(alarm) => Some(alarm),
            _ => None,
        })
        .collect()
}

/// Time in s, raised or not, and level of each alarm of a class.
fn course(class: AlarmClass, samples: impl IntoIterator<Item = Shown>) -> Vec<(i64, bool, Level)> {
    alarms(samples)
        .into_iter()
        .filter(|alarm| alarm.class == class)
        .map(|alarm| (alarm.at.ms() / 1_000, alarm.raised, alarm.level))
        .collect()
}

fn counts(samples: impl IntoIterator<Item = Shown>) -> EventCounts {
    let mut counts = EventCounts::default();
    for finding in findings(samples) {
        finding.add_to(&mut counts);
    }
    counts
}

fn battery_temp(mc: i64) -> Vitals {
    Vitals { battery_temp_max_mc: Some(mc), ..Vitals::default() }
}

fn connector_temp(mc: i64) -> Vitals {
    Vitals { connector_temp_mc: Some(mc), ..Vitals::default() }
}

#[test]
fn each_limit_raises_its_alarm_at_its_level() {
    use Level::{Equipment, Notice, Personal};
    let none = Vitals::default();
    let spread = |max: i64, min: i64| Vitals { battery_temp_min_mc: Some(min), ..battery_temp(max) };
    let cell = |mv: i64| Vitals { cell_mv_max: Some(mv), ..none };
    let cells = |max: i64, min: i64| Vitals { cell_mv_min: Some(min), ..cell(max) };
    let insulation = |ohm: i64| Vitals { insulation_ohm: Some(ohm), voltage_mv: Some(400_000), ..none };
    let cases = [
        (battery_temp(54_999), None),
        (battery_temp(55_000), Some((AlarmClass::BatteryOvertemp, Equipment, 55.0, 55.0))),
        (battery_temp(65_000), Some((AlarmClass::BatteryOvertemp, Personal, 65.0, 65.0))),
        (spread(34_999, 20_000), None),
        (spread(35_000, 20_000), Some((AlarmClass::BatteryTempSpread, Notice, 15.0, 15.0))),
        (spread(45_000, 20_000), Some((AlarmClass::BatteryTempSpread, Equipment, 25.0, 20.0))),
        (cell(4_329), None),
        (cell(4_330), Some((AlarmClass::CellOvervoltage, Equipment, 4.33, 4.33))),
        (cell(4_350), Some((AlarmClass::CellOvervoltage, Personal, 4.35, 4.35))),
        (cells(3_700, 3_551), None),
        (cells(3_700, 3_550), Some((AlarmClass::CellSpread, Notice, 0.15, 0.15))),
        (cells(3_700, 3_400), Some((AlarmClass::CellSpread, Equipment, 0.3, 0.3))),
        (connector_temp(79_999), None),
        (connector_temp(80_000), Some((AlarmClass::ConnectorOvertemp, Equipment, 80.0, 80.0))),
        (connector_temp(90_000), Some((AlarmClass::ConnectorOvertemp, Personal, 90.0, 90.0))),
        (insulation(200_001), None),
        (insulation(200_000), Some((AlarmClass::Insulation, Equipment, 500.0, 500.0))),
        (insulation(40_001), Some((AlarmClass::Insulation, Equipment, 101.0, 500.0))),
        (insulation(40_000), Some((AlarmClass::Insulation, Personal, 100.0, 100.0))),
        (Vitals { voltage_mv: Some(99_999), ..insulation(0) }, None),
    ];
    for (vitals, expected) in cases {
        let found: Vec<_> = alarms([shown(0, vitals), shown(30, vitals)])
            .into_iter()
            .map(|alarm| (alarm.class, alarm.level, alarm.value.unwrap(), alarm.threshold.unwrap()))
            .collect();
        assert_eq!(found, Vec::from_iter(expected), "{vitals:?}");
    }
}

#[test]
fn more_power_than_rated_raises_an_alarm_and_no_rating_none() {
    let class = AlarmClass::PowerAboveRating;
    let with = |at_s, power_w| Shown { power_w: Some(power_w), ..shown(at_s, Vitals::default()) };
    assert_eq!(course(class, [with(0, 132_000), with(30, 132_000)]), []);
    assert_eq!(course(class, [with(0, 132_001), with(30, 132_001)]), [(30, true, Level::Notice)]);
    assert_eq!(course(class, [with(0, -144_001), with(30, -144_001)]), [(30, true, Level::Equipment)]);

    let thresholds = Thresholds::default();
    for (power_w, rated_w, needed) in
        [(132_001, Some(RATED_W), true), (132_000, Some(RATED_W), false), (9_000_000, None, false)]
    {
        let (situation, sample) = sample(with(0, power_w));
        let situation = Situation { rated_w, ..situation };
        assert_eq!(ConnectorMonitor::is_needed(&situation, &sample, &thresholds), needed, "{power_w} {rated_w:?}");
    }
    let (situation, sample) = sample(shown(0, battery_temp(20_000)));
    assert!(ConnectorMonitor::is_needed(&situation, &sample, &thresholds));
}

#[test]
fn current_beyond_the_demand_must_be_more_than_one_ampere() {
    let class = AlarmClass::Overcurrent;
    let with = |at_s, demand_w, current_ma| Shown {
        demand_w: Some(demand_w),
        ..shown(at_s, Vitals { voltage_mv: Some(400_000), current_ma: Some(current_ma), ..Vitals::default() })
    };
    // Demand in W at 400 V, current in ma.
    for (demand_w, current_ma, expected) in [
        (40_000, 102_500, None),
        (40_000, 102_501, Some(Level::Notice)),
        (40_000, 105_001, Some(Level::Equipment)),
        (4_000, 11_000, None),
        (4_000, 11_001, Some(Level::Equipment)),
        (0, 1_001, Some(Level::Equipment)),
    ] {
        let found = course(class, [with(0, demand_w, current_ma), with(10, demand_w, current_ma)]);
        assert_eq!(found, Vec::from_iter(expected.map(|level| (10, true, level))), "{demand_w} W {current_ma} mA");
    }
    let idle = Shown { state: State::Occupied, ..with(20, 0, 2_000) };
    let found = course(class, [with(0, 0, 2_000), with(10, 0, 2_000), idle]);
    assert_eq!(found, [(10, true, Level::Equipment), (20, false, Level::Notice)]);
}

#[test]
fn a_single_reading_raises_nothing() {
    let class = AlarmClass::ConnectorOvertemp;
    let course_of =
        |temps: &[(i64, i64)]| course(class, temps.iter().map(|&(at_s, mc)| shown(at_s, connector_temp(mc))));
    assert_eq!(course_of(&[(0, 95_000), (10, 50_000), (20, 95_000), (30, 50_000)]), []);
    assert_eq!(course_of(&[(0, 95_000), (181, 95_000)]), [], "a silence lies between them");
    assert_eq!(course_of(&[(0, 85_000), (10, 95_000)]), [(10, true, Level::Equipment)]);
    assert_eq!(
        course_of(&[(0, 85_000), (10, 95_000), (20, 95_000), (30, 85_000), (40, 75_999)]),
        [(10, true, Level::Equipment), (20, true, Level::Personal), (40, false, Level::Equipment)]
    );
}

#[test]
fn on_a_fast_feed_two_seconds_must_pass() {
    let samples = (0..12).map(|index| Shown { at_ms: index * 250, ..shown(0, connector_temp(85_000)) });
    let raised: Vec<i64> = alarms(samples).iter().map(|alarm| alarm.at.ms()).collect();
    assert_eq!(raised, [2_000]);
}

#[test]
fn readings_without_the_value_neither_raise_nor_clear() {
    let samples = [
        shown(0, connector_temp(85_000)),
        shown(10, Vitals::default()),
        shown(20, connector_temp(85_000)),
        shown(30, Vitals::default()),
    ];
    assert_eq!(course(AlarmClass::ConnectorOvertemp, samples), [(20, true, Level::Equipment)]);
}

#[test]
fn a_fast_rise_is_seen_over_a_minute_or_more() {
    let class = AlarmClass::BatteryTempRise;
    let heating = |mc_per_min: i64, every_s: i64| {
        let samples =
            (0..=300 / every_s).map(move |n| shown(n * every_s, battery_temp(20_000 + n * every_s * mc_per_min / 60)));
        course(class, samples)
    };
    assert_eq!(heating(2_900, 15), []);
    assert_eq!(heating(3_000, 15), [(75, true, Level::Equipment)]);
    assert_eq!(heating(5_000, 15), [(75, true, Level::Personal)]);
    assert_eq!(heating(5_000, 60), [(120, true, Level::Personal)]);
}

#[test]
fn a_jump_of_the_state_of_charge_needs_no_second_one() {
    let soc = |at_s, permille| shown(at_s, Vitals { soc_permille: Some(permille), ..Vitals::default() });
    let class = AlarmClass::SocJump;
    assert_eq!(course(class, [soc(0, 500), soc(60, 550)]), []);
    assert_eq!(
        course(class, [soc(0, 500), soc(60, 551), soc(90, 552)]),
        [(60, true, Level::Notice), (90, false, Level::Notice)]
    );
    assert_eq!(course(class, [soc(0, 500), soc(61, 900)]), [], "too far apart to be a jump");
    let gone = Shown { state: State::Available, ..shown(10, Vitals::default()) };
    assert_eq!(course(class, [soc(0, 500), gone, soc(20, 900)]), [], "another vehicle");
}

#[test]
fn charging_on_after_full_raises_an_alarm_in_time() {
    let full = |at_s, current_ma| {
        shown(at_s, Vitals { soc_permille: Some(1_000), current_ma: Some(current_ma), ..Vitals::default() })
    };
    let class = AlarmClass::ChargeAfterFull;
    let going_on = || (0..=30).map(|minute| full(minute * 60, 5_001));
    assert_eq!(course(class, going_on()), [(300, true, Level::Notice), (900, true, Level::Equipment)]);
    assert_eq!(course(class, going_on().map(|shown| Shown { state: State::Occupied, ..shown })), []);
    assert_eq!(course(class, (0..=30).map(|minute| full(minute * 60, 5_000))), []);
    let ended = going_on().take(8).chain([full(480, 0)]);
    assert_eq!(course(class, ended), [(300, true, Level::Notice), (480, false, Level::Notice)]);
    assert_eq!(counts(going_on()).runaway_episodes, 1);
}

#[test]
fn what_was_wrong_with_a_battery_is_over_when_the_vehicle_leaves() {
    let gone = |at_s| Shown { state: State::Available, ..shown(at_s, Vitals::default()) };
    let hot = [shown(0, battery_temp(70_000)), shown(10, battery_temp(70_000)), gone(20), gone(30)];
    assert_eq!(course(AlarmClass::BatteryOvertemp, hot), [(10, true, Level::Personal), (20, false, Level::Equipment)]);
    let stays = [shown(0, connector_temp(85_000)), shown(10, connector_temp(85_000)), gone(20)];
    assert_eq!(course(AlarmClass::ConnectorOvertemp, stays), [(10, true, Level::Equipment)]);
    let still_told = Shown { state: State::Available, ..shown(20, battery_temp(70_000)) };
    let hot_when_idle = [shown(0, battery_temp(70_000)), shown(10, battery_temp(70_000)), still_told];
    assert_eq!(course(AlarmClass::BatteryOvertemp, hot_when_idle), [(10, true, Level::Personal)]);
}

#[test]
fn a_standing_alarm_is_told_again_on_a_new_day() {
    const DAY_S: i64 = 86_400;
    let samples =
        [DAY_S - 30, DAY_S - 20, DAY_S - 10, DAY_S, DAY_S + 10].map(|at_s| shown(at_s, connector_temp(85_000)));
    let level = Level::Equipment;
    assert_eq!(course(AlarmClass::ConnectorOvertemp, samples), [(DAY_S - 20, true, level), (DAY_S, true, level)]);
}

#[test]
fn hot_time_is_booked_where_it_belongs() {
    let temps = [(50, 80_001), (70, 80_000), (80, 85_000), (90, 85_000), (400, 85_000), (410, 20_000)];
    let hot: Vec<_> = findings(temps.map(|(at_s, mc)| shown(at_s, connector_temp(mc))))
        .into_iter()
        .filter_map(|finding| match finding {
            Finding::ConnectorHot { at, ms } => Some((at.ms(), ms)),
            _ => None,
        })
        .collect();
    assert_eq!(hot, [(50_000, 10_000), (60_000, 10_000), (80_000, 10_000), (400_000, 10_000)]);
}

#[test]
fn a_charging_episode_counts_once() {
    let hot = |at_s| shown(at_s, battery_temp(70_000));
    let idle = |at_s| Shown { state: State::Occupied, ..shown(at_s, Vitals::default()) };
    let cool = |at_s| shown(at_s, battery_temp(20_000));
    let blind = |at_s| shown(at_s, connector_temp(20_000));
    let cases: [(&str, Vec<Shown>, i64, i64); 6] = [
        ("no battery data", vec![blind(0), blind(10)], 0, 0),
        ("battery data", vec![blind(0), cool(10), cool(20)], 1, 0),
        ("hot for long", vec![hot(0), hot(10), hot(20), hot(30)], 1, 1),
        ("two episodes", vec![cool(0), idle(10), cool(20), cool(30)], 2, 0),
        ("a silence in between", vec![cool(0), cool(600)], 1, 0),
        ("hot from the start", vec![hot(0), hot(10), idle(20), hot(30)], 2, 2),
    ];
    for (name, samples, battery, runaway) in cases {
        let counts = counts(samples);
        assert_eq!((counts.bms_episodes, counts.runaway_episodes), (battery, runaway), "{name}");
    }
}

#[test]
fn a_sample_that_is_not_newer_changes_nothing() {
    let late = [shown(10, connector_temp(85_000)), shown(10, connector_temp(85_000)), shown(5, connector_temp(85_000))];
    assert_eq!(findings(late), []);
}

#[test]
fn extreme_values_do_not_overflow() {
    for extreme in [i64::MIN, -1, 0, 1, i64::MAX] {
        let vitals = Vitals {
            voltage_mv: Some(extreme),
            current_ma: Some(extreme),
            connector_temp_mc: Some(extreme),
            soc_permille: Some(extreme),
            battery_temp_max_mc: Some(extreme),
            battery_temp_min_mc: Some(extreme.saturating_neg()),
            cell_mv_max: Some(extreme),
            cell_mv_min: Some(extreme.saturating_neg()),
            insulation_ohm: Some(extreme),
        };
        let samples = (0..10).map(|n| Shown {
            power_w: Some(extreme),
            demand_w: Some(extreme),
            ..shown(n * 60, if n % 2 == 0 { vitals } else { battery_temp(0) })
        });
        assert!(findings(samples).len() < 100);
    }
}

proptest! {
    /// A value that stays within 5 % of its limit raises the alarm once and never clears it.
    #[test]
    fn hysteresis_does_not_chatter(temps in proptest::collection::vec(76_000_i64..=84_000, 2..200)) {
        let samples = temps.iter().zip(0..).map(|(&mc, n)| shown(n * 10, connector_temp(mc)));
        let course = course(AlarmClass::ConnectorOvertemp, samples);
        let was_persistent = temps.windows(2).any(|pair| pair.iter().all(|&mc| mc >= 80_000));
        prop_assert_eq!(course.len(), usize::from(was_persistent));
        prop_assert!(course.iter().all(|&(_, raised, _)| raised));
    }

    /// Whatever comes, raising and clearing alternate, and levels only grow graver in between.
    #[test]
    fn every_raise_is_matched_by_at_most_one_clear(
        samples in proptest::collection::vec((1_i64..200, 40_000_i64..100_000, 0_u8..4), 0..200)
    ) {
        let mut at_s = 0;
        let samples: Vec<Shown> = samples.into_iter().map(|(dt_s, mc, kind)| {
            at_s += dt_s;
            let vitals = if kind == 0 { Vitals::default() } else { battery_temp(mc) };
            let state = if kind == 1 { State::Available } else { State::Charging };
            Shown { state, ..shown(at_s, vitals) }
        }).collect();
        let mut standing: Option<Level> = None;
        for (_, raised, level) in course(AlarmClass::BatteryOvertemp, samples) {
            if raised {
                prop_assert!(standing.is_none_or(|before| level <= before));
                standing = Some(level);
            } else {
                prop_assert!(standing.take().is_some());
            }
        }
    }
}
