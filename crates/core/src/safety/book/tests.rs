//! Which alarms are open, what is told of them, and what is counted.

use proptest::prelude::*;

use super::*;
use crate::alarm::Level::{Equipment, Notice, Personal};
use crate::safety::Origins;
use crate::tally::EventCounts;

const STATION: StationIndex = StationIndex(7);
const CONNECTOR: Option<u32> = Some(3);
const DAY_S: i64 = 86_400;

/// What the book said.
#[derive(Default)]
struct Told {
    changes: Vec<AlarmChange>,
    counts: EventCounts,
    /// When something was counted, s.
    booked_s: Vec<i64>,
}

impl AlarmSink for Told {
    fn publish(&mut self, change: AlarmChange) {
        self.changes.push(change);
    }
    fn count(&mut self, _key: AlarmKey, at: EventTime, add: &dyn Fn(&mut EventCounts)) {
        add(&mut self.counts);
        self.booked_s.push(at.ms() / 1_000);
    }
}

/// One saying: who (`'g'`iven, `'d'`erived), when in s, raised or not, level.
type Saying = (char, i64, bool, Level);

fn time(at_s: i64) -> EventTime {
    EventTime::from_ms(at_s * 1_000)
}

fn say(book: &mut AlarmBook, told: &mut Told, class: AlarmClass, (who, at_s, raised, level): Saying) {
    let at = time(at_s);
    if who == 'g' {
        let report = AlarmReport { at, class, level: Some(level), raised, code: None, value: None, note: None };
        book.given(STATION, CONNECTOR, &report, told);
    } else {
        let grade = if level == Personal { Grade::Alarm } else { Grade::Warn };
        let alarm = DerivedAlarm { class, at, raised, grade, level, value: Some(1.0), threshold: Some(2.0) };
        book.derived(STATION, 3, &alarm, told);
    }
}

fn book() -> AlarmBook {
    AlarmBook::new(&Thresholds::default(), BookLimits::default())
}

fn after(class: AlarmClass, sayings: &[Saying]) -> (AlarmBook, Told) {
    let (mut book, mut told) = (book(), Told::default());
    for &saying in sayings {
        say(&mut book, &mut told, class, saying);
    }
    (book, told)
}

/// The published course: time in s, raised or not, level.
fn course(told: &Told) -> Vec<(i64, bool, Level)> {
    told.changes.iter().map(|change| (change.at.ms() / 1_000, change.raised, change.level)).collect()
}

/// What is said; what is published; how often raised, how often cleared, and the ms of clearance.
type Case = (&'static str, Vec<Saying>, Vec<(i64, bool, Level)>, [i64; 3]);

fn check(cases: Vec<Case>) {
    for (name, sayings, published, expected) in cases {
        let (_, told) = after(AlarmClass::Fuse, &sayings);
        assert_eq!(course(&told), published, "{name}");
        let counts = &told.counts;
        let counted = [counts.alarms_raised.iter().sum(), counts.alarms_cleared, counts.clearance_ms.iter().sum()];
        assert_eq!(counted, expected, "{name}");
        assert_eq!(counts.clearances.iter().sum::<i64>(), counts.alarms_cleared, "{name}");
        assert_eq!(counts.clearance_durations.iter().sum::<i64>(), counts.alarms_cleared, "{name}");
        assert!(counts.clearance_durations.iter().all(|&count| count >= 0), "{name}");
    }
}

#[test]
fn an_alarm_counts_once_from_its_raising_to_its_end() {
    check(vec![
        (
            "once",
            vec![('g', 0, true, Notice), ('g', 50, false, Notice)],
            vec![(0, true, Notice), (50, false, Notice)],
            [1, 1, 50_000],
        ),
        (
            "raised again while it stands",
            vec![('g', 0, true, Notice), ('g', 10, true, Notice), ('g', 10, true, Notice), ('g', 5, true, Notice)],
            vec![(0, true, Notice)],
            [1, 0, 0],
        ),
        (
            "cleared twice",
            vec![('g', 0, true, Notice), ('g', 50, false, Notice), ('g', 50, false, Notice), ('g', 60, false, Notice)],
            vec![(0, true, Notice), (50, false, Notice)],
            [1, 1, 50_000],
        ),
        (
            "raised again within the minute",
            vec![('g', 0, true, Notice), ('g', 50, false, Notice), ('g', 110, true, Notice), ('g', 200, false, Notice)],
            vec![(0, true, Notice), (50, false, Notice), (110, true, Notice), (200, false, Notice)],
            [1, 1, 200_000],
        ),
        (
            "raised again after the minute",
            vec![('g', 0, true, Notice), ('g', 50, false, Notice), ('g', 111, true, Notice), ('g', 200, false, Notice)],
            vec![(0, true, Notice), (50, false, Notice), (111, true, Notice), (200, false, Notice)],
            [2, 2, 139_000],
        ),
    ]);
}

#[test]
fn what_comes_out_of_order_neither_hides_nor_holds_an_alarm() {
    check(vec![
        (
            "a clearing that is older than the raising",
            vec![('g', 20, true, Notice), ('g', 10, false, Notice)],
            vec![(20, true, Notice)],
            [1, 0, 0],
        ),
        (
            "both at the same time",
            vec![('g', 20, true, Notice), ('g', 20, false, Notice), ('g', 20, true, Notice), ('g', 20, false, Notice)],
            vec![(20, true, Notice), (20, false, Notice)],
            [1, 1, 0],
        ),
        ("a clearing of nothing", vec![('g', 20, false, Notice)], vec![], [0, 0, 0]),
        (
            "a clearing that overtook its raising",
            vec![('g', 20, false, Notice), ('g', 5, true, Notice)],
            vec![],
            [1, 1, 15_000],
        ),
        (
            "a clearing that overtook its raising, seen by telemetry as well",
            vec![('g', 20, false, Notice), ('d', 25, true, Notice), ('g', 5, true, Notice), ('d', 30, false, Notice)],
            vec![(25, true, Notice), (30, false, Notice)],
            [1, 1, 5_000],
        ),
        (
            "a clearing that overtook a later raising",
            vec![('g', 0, true, Notice), ('g', 9, false, Notice), ('g', 40, false, Notice), ('g', 30, true, Notice)],
            vec![(0, true, Notice), (9, false, Notice)],
            [1, 1, 9_000],
        ),
    ]);
}

#[test]
fn the_gravest_origin_gives_the_level_and_the_last_one_ends_it() {
    check(vec![
        (
            "graver, and less so",
            vec![
                ('g', 0, true, Notice),
                ('g', 9, true, Personal),
                ('g', 19, true, Equipment),
                ('g', 29, false, Equipment),
            ],
            vec![(0, true, Notice), (9, true, Personal), (19, true, Equipment), (29, false, Equipment)],
            [1, 1, 29_000],
        ),
        (
            "two origins end when both say so",
            vec![
                ('d', 0, true, Equipment),
                ('g', 10, true, Personal),
                ('d', 20, false, Equipment),
                ('g', 30, false, Personal),
            ],
            vec![(0, true, Equipment), (10, true, Personal), (20, true, Personal), (30, false, Personal)],
            [1, 1, 30_000],
        ),
        (
            "the level falls to that of the origin that is left",
            vec![
                ('d', 0, true, Equipment),
                ('g', 10, true, Personal),
                ('g', 20, false, Personal),
                ('d', 30, false, Equipment),
            ],
            vec![(0, true, Equipment), (10, true, Personal), (20, true, Equipment), (30, false, Equipment)],
            [1, 1, 30_000],
        ),
        (
            "one origin ends late by its own clock",
            vec![('d', 0, true, Notice), ('g', 5, true, Notice), ('d', 40, false, Notice), ('g', 30, false, Notice)],
            vec![(0, true, Notice), (5, true, Notice), (40, true, Notice), (40, false, Notice)],
            [1, 1, 40_000],
        ),
        (
            "a station's word that comes after telemetry is well again still stands",
            vec![('d', 0, true, Notice), ('d', 40, false, Notice), ('g', 38, true, Notice)],
            vec![(0, true, Notice), (40, false, Notice), (38, true, Notice)],
            [1, 1, 40_000],
        ),
    ]);
}

#[test]
fn an_alarm_keeps_what_its_sender_said() {
    let (mut book, mut told) = (book(), Told::default());
    let long = "漏".repeat(200);
    let report = AlarmReport {
        at: time(1),
        class: AlarmClass::GroundFault,
        level: None,
        raised: true,
        code: Some("0x4A"),
        value: Some(0.5),
        note: Some(&long),
    };
    book.given(STATION, None, &report, &mut told);
    let change = &told.changes[0];
    assert_eq!(change.key, AlarmKey { station: STATION, connector: None, class: AlarmClass::GroundFault });
    assert_eq!(change.level, Personal, "the class's own level where none is given");
    assert_eq!((change.code.as_deref(), change.value, change.since), (Some("0x4A"), Some(0.5), time(1)));
    assert_eq!(change.note.as_deref(), Some(&long[..255]), "whole characters within the limit");
    assert_eq!(change.origins, Origins { given: true, derived: false });
    assert_eq!(book.open().collect::<Vec<_>>(), told.changes);
}

#[test]
fn an_alarm_is_counted_by_level_source_and_kind() {
    let at_connector = |class| after(class, &[('g', 0, true, Equipment)]).1.counts;
    let counts = at_connector(AlarmClass::BmsComm);
    assert_eq!((counts.alarms_raised, counts.alarms_by_source), ([0, 1, 0], [0, 1, 0]));
    assert_eq!(at_connector(AlarmClass::EmergencyStop).emergency_stops, 1);
    assert_eq!(at_connector(AlarmClass::Distribution).distribution_alarms, 1);
    assert_eq!(at_connector(AlarmClass::SmokeFire).distribution_alarms, 0, "smoke in a charger");

    let (mut book, mut told) = (book(), Told::default());
    let smoke = AlarmReport {
        at: time(0),
        class: AlarmClass::SmokeFire,
        level: None,
        raised: true,
        code: None,
        value: None,
        note: None,
    };
    book.given(STATION, None, &smoke, &mut told);
    assert_eq!(told.counts.distribution_alarms, 1, "smoke in the supply room");
}

#[test]
fn insulation_and_stop_temperature_count_once_in_an_alarms_life() {
    let insulation = |sayings: &[Saying]| {
        let counts = after(AlarmClass::Insulation, sayings).1.counts;
        (counts.insulation_abnormal, counts.insulation_fault)
    };
    assert_eq!(insulation(&[('d', 0, true, Equipment)]), (1, 0));
    assert_eq!(insulation(&[('d', 0, true, Equipment), ('d', 9, true, Personal), ('d', 19, true, Personal)]), (1, 1));
    assert_eq!(insulation(&[('d', 0, true, Personal), ('g', 9, true, Notice)]), (0, 1));
    assert_eq!(insulation(&[('g', 0, true, Personal)]), (1, 0), "a station does not say how bad it is");
    let merged = [('d', 0, true, Personal), ('d', 9, false, Equipment), ('d', 29, true, Personal)];
    assert_eq!(insulation(&merged), (0, 1));

    let overtemps = |sayings: &[Saying]| after(AlarmClass::ConnectorOvertemp, sayings).1.counts.connector_overtemps;
    assert_eq!(overtemps(&[('d', 0, true, Equipment)]), 0);
    assert_eq!(overtemps(&[('d', 0, true, Equipment), ('d', 9, true, Personal), ('g', 19, true, Personal)]), 1);
    assert_eq!(overtemps(&[('g', 0, true, Personal)]), 1);
}

#[test]
fn an_alarm_without_news_lapses_at_its_time_whoever_notices() {
    let begin = [('g', 0, true, Equipment), ('g', 100, true, Equipment)];
    let due_s = 100 + 30 * DAY_S;
    let (mut book, mut told) = after(AlarmClass::Fuse, &begin);
    book.lapse(time(due_s - 1), &mut told);
    assert_eq!(book.open_count(), 1);
    book.lapse(time(due_s + 500), &mut told);
    assert_eq!(book.open_count(), 0);
    let last = told.changes.last().unwrap();
    assert_eq!((last.raised, last.lapsed, last.at), (false, true, time(due_s)));
    assert_eq!((told.counts.alarms_cleared, told.counts.clearances), (1, [0; 3]), "its duration is not known");

    // Noticed by a report instead of by the call: the same.
    let (_, by_report) = after(AlarmClass::Fuse, &[begin[0], begin[1], ('g', due_s + 500, true, Equipment)]);
    say(&mut book, &mut told, AlarmClass::Fuse, ('g', due_s + 500, true, Equipment));
    assert_eq!(told.changes, by_report.changes);
    assert_eq!((told.counts, told.booked_s), (by_report.counts, by_report.booked_s));
}

#[test]
fn there_is_no_room_beyond_the_limits() {
    let mut book = AlarmBook::new(&Thresholds::default(), BookLimits { open_max: 2, ended_max: 1 });
    let mut told = Told::default();
    for class in [AlarmClass::Fuse, AlarmClass::Breaker, AlarmClass::Tilt] {
        say(&mut book, &mut told, class, ('g', 0, true, Notice));
    }
    assert_eq!((book.open_count(), book.refused(), told.changes.len()), (2, 1, 2));
    assert_eq!(told.counts.alarms_raised, [0, 0, 2]);
    for class in [AlarmClass::Fuse, AlarmClass::Breaker] {
        say(&mut book, &mut told, class, ('g', 10, false, Notice));
    }
    assert_eq!((book.ended.len(), book.ended_order.len()), (1, 1));
    say(&mut book, &mut told, AlarmClass::Breaker, ('g', 20, true, Notice));
    assert_eq!(told.counts.alarms_raised, [0, 0, 2], "remembered: the same alarm goes on");
    say(&mut book, &mut told, AlarmClass::Fuse, ('g', 20, true, Notice));
    assert_eq!(told.counts.alarms_raised, [0, 0, 3], "forgotten: another alarm");
}

#[test]
fn open_alarms_are_counted_by_station_and_level_with_their_ages() {
    let (mut book, mut told) = (book(), Told::default());
    let report = |class, level, at_s| AlarmReport {
        at: time(at_s),
        class,
        level: Some(level),
        raised: true,
        code: None,
        value: None,
        note: None,
    };
    book.given(StationIndex(9), None, &report(AlarmClass::Water, Personal, 10), &mut told);
    book.given(StationIndex(2), Some(5), &report(AlarmClass::Fuse, Notice, 20), &mut told);
    book.given(StationIndex(2), None, &report(AlarmClass::Tilt, Notice, 30), &mut told);
    book.given(StationIndex(2), Some(1), &report(AlarmClass::Meter, Equipment, 999), &mut told);
    let mut standing = Vec::new();
    book.standing(time(100), |station, counts| standing.push((station.0, counts)));
    assert_eq!(
        standing,
        [
            (2, Standing { open: [0, 0, 2], open_ms: [0, 0, 150_000] }),
            (9, Standing { open: [1, 0, 0], open_ms: [90_000, 0, 0] }),
        ]
    );
}

#[test]
fn alarms_end_with_their_connector_or_station() {
    let report =
        |class| AlarmReport { at: time(10), class, level: None, raised: true, code: None, value: None, note: None };
    let filled = || {
        let (mut book, mut told) = (book(), Told::default());
        book.given(STATION, None, &report(AlarmClass::Water), &mut told);
        book.given(STATION, Some(1), &report(AlarmClass::Fuse), &mut told);
        book.given(STATION, Some(2), &report(AlarmClass::Fuse), &mut told);
        book.given(StationIndex(8), None, &report(AlarmClass::Water), &mut told);
        (book, Told::default())
    };
    for (connector, left, ended_at_s) in [(Some(1), 3, 50), (Some(2), 3, 5), (Some(6), 4, 50), (None, 1, 50)] {
        let (mut book, mut told) = filled();
        book.withdraw(STATION, connector, time(ended_at_s), &mut told);
        assert_eq!(book.open_count(), left, "{connector:?}");
        assert_eq!(told.counts.alarms_cleared, 4 - left as i64);
        assert!(told.changes.iter().all(|change| change.lapsed && change.at == time(ended_at_s.max(10))));
    }
}

#[test]
fn what_the_timeline_notices_is_an_alarm_too() {
    let (mut book, mut told) = (book(), Told::default());
    book.communication_restored(STATION, CONNECTOR, time(5), &mut told);
    book.communication_lost(STATION, CONNECTOR, time(10), &mut told);
    book.communication_restored(STATION, CONNECTOR, time(300), &mut told);
    book.register_backward(STATION, 3, time(400), 7_200_000, &mut told);
    book.register_forward(STATION, 3, time(430), &mut told);
    book.register_forward(STATION, 3, time(460), &mut told);
    let said: Vec<_> =
        told.changes.iter().map(|change| (change.key.class, change.raised, change.at.ms() / 1_000)).collect();
    assert_eq!(
        said,
        [
            (AlarmClass::CommunicationLost, true, 10),
            (AlarmClass::CommunicationLost, false, 300),
            (AlarmClass::RegisterBackward, true, 400),
            (AlarmClass::RegisterBackward, false, 430),
        ]
    );
    assert_eq!(told.changes[2].value, Some(2.0), "kWh");
    assert_eq!((told.counts.alarms_raised, told.counts.alarms_cleared), ([0, 1, 1], 2));
}

/// Sayings of one origin in the order of their times: gaps in s, raised or not, level.
fn sayings() -> impl Strategy<Value = Vec<Saying>> {
    let level = prop_oneof![Just(Personal), Just(Equipment), Just(Notice)];
    proptest::collection::vec((0_i64..120, any::<bool>(), level, prop_oneof![Just('g'), Just('d')]), 0..60).prop_map(
        |steps| {
            let mut at_s = 0;
            steps
                .into_iter()
                .map(|(gap_s, raised, level, who)| {
                    at_s += gap_s + 1;
                    (who, at_s, raised, level)
                })
                .collect()
        },
    )
}

/// Telemetry is taken in in order; only what stations say may come in any.
fn derived_in_order(mut sayings: Vec<Saying>) -> Vec<Saying> {
    let mut derived: Vec<Saying> = sayings.iter().copied().filter(|saying| saying.0 == 'd').collect();
    derived.sort_by_key(|saying| saying.1);
    for (place, saying) in sayings.iter_mut().filter(|saying| saying.0 == 'd').zip(derived) {
        *place = saying;
    }
    sayings
}

proptest! {
    /// Against a slow count: an episode begins where somebody raises what nobody says stands, more than a minute after
    /// it was last over.
    #[test]
    fn alarms_raised_are_the_distinct_episodes(sayings in sayings()) {
        let (mut given, mut derived, mut over_s) = (false, false, None);
        let mut episodes = 0;
        for &(who, at_s, raised, _) in &sayings {
            let was_open = given || derived;
            *(if who == 'g' { &mut given } else { &mut derived }) = raised;
            let is_open = given || derived;
            if is_open && !was_open && over_s.is_none_or(|over_s| at_s - over_s > 60) {
                episodes += 1;
            }
            if was_open && !is_open {
                over_s = Some(at_s);
            }
        }
        let (book, told) = after(AlarmClass::Fuse, &sayings);
        prop_assert_eq!(told.counts.alarms_raised.iter().sum::<i64>(), episodes);
        prop_assert_eq!(book.open_count() == 1, given || derived);
    }

    /// Whatever is said, a station's words in any order: each raise is matched by at most one clear, at the same level, told
    /// changes alternate between standing and over, and a repetition of everything newest changes nothing.
    #[test]
    fn every_raise_is_matched_by_at_most_one_clear(sayings in sayings().prop_shuffle().prop_map(derived_in_order)) {
        let (mut book, mut told) = after(AlarmClass::Fuse, &sayings);
        let counts = &told.counts;
        for level in 0..3 {
            prop_assert!((0..=counts.alarms_raised[level]).contains(&counts.clearances[level]));
            prop_assert!(counts.clearance_ms[level] >= 0);
        }
        prop_assert_eq!(counts.alarms_cleared, counts.clearances.iter().sum::<i64>());
        prop_assert_eq!(counts.clearance_durations.iter().sum::<i64>(), counts.alarms_cleared);
        let mut stands = false;
        for change in &told.changes {
            prop_assert!(change.raised || stands, "over, although it did not stand");
            stands = change.raised;
        }
        prop_assert_eq!(stands, book.open_count() == 1);

        let before = (told.changes.len(), told.counts.clone());
        for who in ['g', 'd'] {
            let newest = sayings.iter().filter(|saying| saying.0 == who).max_by_key(|saying| saying.1).copied();
            if let Some(saying) = newest {
                say(&mut book, &mut told, AlarmClass::Fuse, saying);
            }
        }
        prop_assert_eq!(before, (told.changes.len(), told.counts.clone()));
    }
}
