//! What sessions add to the tallies, in whatever order their steps arrive.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::observation::StopReason;
use crate::tally::Merge;

const KWH_J: i64 = 3_600_000;

/// Buckets with what was booked in them.
type Books = BTreeMap<i32, EventCounts>;

fn step(session: &str, at_s: i64, step: SessionStep) -> SessionEvent<'_> {
    SessionEvent { at: EventTime::from_ms(at_s * 1_000), session, step }
}

fn stopped(reason: Option<StopReason>, energy_j: Option<i64>) -> SessionStep {
    SessionStep::Stop(SessionStop { reason, energy_j, ..SessionStop::default() })
}

fn take(sessions: &mut ConnectorSessions, books: &mut Books, event: &SessionEvent<'_>) -> Taken {
    sessions.observe(event, true, REMEMBERED_DEFAULT, &mut |at, add| {
        add(books.entry(at.bucket().number()).or_default());
    })
}

fn total(events: &[SessionEvent<'_>]) -> EventCounts {
    let (mut sessions, mut books) = (ConnectorSessions::default(), Books::new());
    for event in events {
        take(&mut sessions, &mut books, event);
    }
    let mut sum = EventCounts::default();
    for counts in books.values() {
        sum.merge(counts);
    }
    sum
}

#[test]
fn a_session_that_goes_well_adds_all_its_figures() {
    let stop = SessionStop {
        reason: Some(StopReason::SocLimit),
        energy_j: Some(20 * KWH_J),
        billed_j: Some(20 * KWH_J + 72_000),
        energy_fee_fen: Some(1_500),
        service_fee_fen: Some(500),
        disputed: true,
    };
    let sum = total(&[
        step("a", 0, SessionStep::Attempt),
        step("a", 12, SessionStep::Start),
        step("a", 12 + 1_800, SessionStep::Stop(stop)),
    ]);
    let mut expected = EventCounts {
        sessions_attempted: 1,
        sessions_started: 1,
        sessions_completed: 1,
        sessions_effective: 1,
        sessions_timed: 1,
        session_ms: 1_800_000,
        sessions_metered: 1,
        session_j: 20 * KWH_J,
        starts_timed: 1,
        start_ms: 12_000,
        sessions_billed: 1,
        sessions_billed_consistent: 1,
        sessions_disputed: 1,
        sessions_priced: 1,
        priced_j: 20 * KWH_J,
        energy_fee_fen: 1_500,
        service_fee_fen: 500,
        ..EventCounts::default()
    };
    expected.stops[3] = 1;
    expected.session_durations[4] = 1;
    expected.session_energies[6] = 1;
    expected.start_delays[3] = 1;
    assert_eq!(sum, expected);
}

#[test]
fn the_outcome_follows_from_the_reason_and_from_what_came_before() {
    use StopReason::{EquipmentFault, EvDisconnected, Local};
    // Attempt and start seen, reason; completed, failed, abnormal.
    let cases = [
        (true, true, None, [1, 0, 0]),
        (true, true, Some(Local), [1, 0, 0]),
        (false, true, Some(Local), [1, 0, 0]),
        (false, false, Some(Local), [1, 0, 0]),
        (true, false, Some(Local), [0, 1, 0]),
        (true, false, None, [0, 1, 0]),
        (true, true, Some(EquipmentFault), [0, 1, 1]),
        (false, false, Some(EquipmentFault), [0, 1, 0]),
        (true, true, Some(EvDisconnected), [0, 1, 1]),
    ];
    for (attempted, started, reason, expected) in cases {
        let mut events = Vec::new();
        events.extend(attempted.then_some(step("a", 0, SessionStep::Attempt)));
        events.extend(started.then_some(step("a", 5, SessionStep::Start)));
        events.push(step("a", 600, stopped(reason, None)));
        let sum = total(&events);
        let outcome = [sum.sessions_completed, sum.sessions_failed, sum.sessions_abnormal];
        assert_eq!(outcome, expected, "{attempted} {started} {reason:?}");
    }
}

#[test]
fn pulling_the_plug_ends_an_alternating_current_session_well() {
    let mut completed = 0;
    ConnectorSessions::default().observe(
        &step("a", 600, stopped(Some(StopReason::EvDisconnected), None)),
        false,
        REMEMBERED_DEFAULT,
        &mut |_, add| {
            let mut counts = EventCounts::default();
            add(&mut counts);
            completed += counts.sessions_completed;
        },
    );
    assert_eq!(completed, 1);
}

#[test]
fn short_or_empty_sessions_are_not_effective() {
    // Duration in s, energy in J.
    let cases = [(60, Some(360_000), 1), (59, Some(360_000), 0), (60, Some(359_999), 0), (3_600, None, 0)];
    for (duration_s, energy_j, expected) in cases {
        let sum = total(&[step("a", 0, SessionStep::Start), step("a", duration_s, stopped(None, energy_j))]);
        assert_eq!(sum.sessions_effective, expected, "{duration_s} s {energy_j:?} J");
    }
}

#[test]
fn bills_beyond_the_tolerance_are_counted_but_not_consistent() {
    for (billed_j, consistent) in [(KWH_J + 72_000, 1), (KWH_J - 72_000, 1), (KWH_J + 72_001, 0), (0, 0)] {
        let stop = SessionStop { energy_j: Some(KWH_J), billed_j: Some(billed_j), ..SessionStop::default() };
        let sum = total(&[step("a", 100, SessionStep::Stop(stop))]);
        assert_eq!((sum.sessions_billed, sum.sessions_billed_consistent), (1, consistent), "{billed_j} J");
    }
}

#[test]
fn times_that_run_backwards_are_dropped() {
    let sum = total(&[
        step("a", 10, SessionStep::Attempt),
        step("a", 9, SessionStep::Start),
        step("a", 8, stopped(None, Some(KWH_J))),
    ]);
    assert_eq!((sum.starts_timed, sum.start_ms, sum.sessions_timed, sum.session_ms), (0, 0, 0, 0));
    assert_eq!((sum.sessions_started, sum.sessions_completed), (1, 1));
}

#[test]
fn the_same_step_of_the_same_session_is_a_duplicate() {
    let (mut sessions, mut books) = (ConnectorSessions::default(), Books::new());
    for (event, expected) in [
        (step("a", 0, SessionStep::Start), Taken::Accepted),
        (step("a", 0, SessionStep::Start), Taken::Duplicate),
        (step("a", 7, SessionStep::Start), Taken::Duplicate),
        (step("b", 7, SessionStep::Start), Taken::Accepted),
        (step("a", 90, stopped(None, None)), Taken::Accepted),
        (step("a", 90, stopped(Some(StopReason::Other), None)), Taken::Duplicate),
    ] {
        assert_eq!(take(&mut sessions, &mut books, &event), expected, "{event:?}");
    }
    let started: i64 = books.values().map(|counts| counts.sessions_started).sum();
    assert_eq!(started, 2);
    assert_eq!(sessions.last_session_at(), Some(EventTime::from_ms(90_000)));
}

#[test]
fn a_late_step_touches_only_the_buckets_that_it_changes() {
    let (mut sessions, mut touched) = (ConnectorSessions::default(), Vec::new());
    for event in
        [step("a", 0, SessionStep::Attempt), step("a", 600, stopped(None, None)), step("a", 60, SessionStep::Start)]
    {
        touched.clear();
        sessions.observe(&event, true, REMEMBERED_DEFAULT, &mut |at, _| touched.push(at.bucket().number()));
    }
    assert_eq!(touched, [1, 10]);
}

#[test]
fn only_the_latest_sessions_are_remembered() {
    let mut sessions = ConnectorSessions::default();
    let names: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
    for (index, name) in (0..).zip(&names) {
        sessions.observe(&step(name, index, SessionStep::Start), true, 3, &mut |_, _| {});
        assert!(sessions.sessions.len() <= 3);
    }
    let mut taken = |name| sessions.observe(&step(name, 20, SessionStep::Start), true, 3, &mut |_, _| {});
    assert_eq!(taken("s19"), Taken::Duplicate);
    assert_eq!(taken("s17"), Taken::Duplicate);
    assert_eq!(taken("s16"), Taken::Accepted);
}

#[test]
fn three_failed_attempts_in_a_day_without_success_are_repeated_failure() {
    const HOUR_S: i64 = 3_600;
    let failed = |name, hour: i64| {
        [
            step(name, hour * HOUR_S, SessionStep::Attempt),
            step(name, hour * HOUR_S + 9, stopped(Some(StopReason::Other), None)),
        ]
    };
    let at = |hour: i64| EventTime::from_ms(hour * HOUR_S * 1_000);
    let judge = |events: &[SessionEvent<'_>], remembered_max, now| {
        let mut sessions = ConnectorSessions::default();
        for event in events {
            sessions.observe(event, true, remembered_max, &mut |_, _| {});
        }
        sessions.repeated_failure(now)
    };
    let three = [failed("a", 1), failed("b", 2), failed("c", 3)].concat();
    assert!(judge(&three, 8, at(4)));
    assert!(!judge(&three, 8, at(26)), "the first is more than a day old");
    assert!(!judge(&three, 8, at(2)), "the last was still to come");
    assert!(!judge(&three[..4], 8, at(4)), "two are not three");

    let success = [step("ok", 2 * HOUR_S + 60, SessionStep::Start)];
    assert!(!judge(&[&three[..], &success].concat(), 8, at(4)), "one succeeded");
    let forgotten = [&success[..], &three[4..], &failed("d", 4), &failed("e", 5), &failed("f", 6)].concat();
    assert!(!judge(&forgotten, 3, at(7)), "one succeeded, even where it is not remembered");

    let silent: Vec<_> = ["a", "b", "c", "d"]
        .into_iter()
        .zip(1..)
        .map(|(name, hour)| step(name, hour * HOUR_S, SessionStep::Attempt))
        .collect();
    assert!(judge(&silent, 8, at(5)), "three were asked for again");
    assert!(!judge(&silent[..3], 8, at(5)), "the last may still start");
}

fn arbitrary_stop() -> impl Strategy<Value = SessionStop> {
    let energy = || proptest::option::of(0..100 * KWH_J);
    let fee = || proptest::option::of(0..10_000_i64);
    (proptest::option::of(0..StopReason::ALL.len()), energy(), energy(), fee(), fee(), any::<bool>()).prop_map(
        |(reason, energy_j, billed_j, energy_fee_fen, service_fee_fen, disputed)| SessionStop {
            reason: reason.map(|index| StopReason::ALL[index]),
            energy_j,
            billed_j,
            energy_fee_fen,
            service_fee_fen,
            disputed,
        },
    )
}

proptest! {
    /// Up to four sessions, each with any of its steps at any time, told in any order: the same books.
    #[test]
    fn the_order_of_arrival_does_not_change_the_books(
        (told, shuffled) in proptest::collection::vec(
            (
                proptest::option::of(0_i64..10_000),
                proptest::option::of(0_i64..10_000),
                proptest::option::of((0_i64..10_000, arbitrary_stop())),
            ),
            1..5,
        )
        .prop_map(|sessions| {
            let mut events = Vec::new();
            for (index, (attempt, start, stop)) in sessions.into_iter().enumerate() {
                let name = ["a", "b", "c", "d"][index];
                events.extend(attempt.map(|at_s| step(name, at_s, SessionStep::Attempt)));
                events.extend(start.map(|at_s| step(name, at_s, SessionStep::Start)));
                events.extend(stop.map(|(at_s, stop)| step(name, at_s, SessionStep::Stop(stop))));
            }
            events
        })
        .prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        let booked = |events: &[SessionEvent<'_>]| {
            let (mut sessions, mut books) = (ConnectorSessions::default(), Books::new());
            for event in events {
                prop_assert_eq!(take(&mut sessions, &mut books, event), Taken::Accepted);
                prop_assert_eq!(take(&mut sessions, &mut books, event), Taken::Duplicate);
            }
            Ok((books, sessions.last_session_at(), sessions.repeated_failure(EventTime::from_ms(10_000_000))))
        };
        let (told, shuffled) = (booked(&told)?, booked(&shuffled)?);
        prop_assert_eq!(&told, &shuffled);
        for counts in told.0.values() {
            let entries = [counts.sessions_completed, counts.sessions_failed, counts.sessions_abnormal];
            prop_assert!(entries.into_iter().all(|count| count >= 0), "{:?}", counts);
        }
    }
}
