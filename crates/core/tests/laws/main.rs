//! The four laws of the core (architecture, invariant 2) and the conservation of time and energy (invariant 3), over
//! random fleets.

mod conservation;
mod fleet;
mod house;
mod pieces;
mod restart;

use chargetally_core::scope::Level;
use chargetally_core::tally::{EventCounts, Merge, Tally};
use fleet::{Step, step, steps};
use house::{House, Outcome, check_equal, run, run_in};
use proptest::prelude::*;

fn alone(steps: &[(Step, bool)]) -> Vec<Step> {
    steps.iter().map(|(step, _)| step.clone()).collect()
}

/// Runs with more occasions to hand over and to give out than time alone brings.
fn run_in_batches(steps: &[(Step, bool)], publishes: bool) -> Outcome {
    let mut house = House::new(1);
    for (step, occasion) in steps {
        house.step(step);
        if *occasion {
            house.close();
        }
        if *occasion && publishes {
            house.publish();
        }
    }
    house.end()
}

proptest! {
    #![proptest_config(house::cases(24))]

    #[test]
    fn the_same_input_gives_the_same_output(steps in steps(80)) {
        check_equal(&run(&steps, 2), &run(&steps, 2))?;
    }

    #[test]
    fn batching_is_invisible(steps in prop::collection::vec((step(), any::<bool>()), 1..80)) {
        let (mut one, mut other) = (run(&alone(&steps), 1), run_in_batches(&steps, false));
        one.forget_occasions();
        other.forget_occasions();
        check_equal(&one, &other)?;
    }

    #[test]
    fn giving_out_in_between_changes_no_sums(steps in prop::collection::vec((step(), any::<bool>()), 1..80)) {
        let (mut one, mut other) = (run(&alone(&steps), 1), run_in_batches(&steps, true));
        one.keep_sums_only();
        other.keep_sums_only();
        check_equal(&one, &other)?;
    }

    #[test]
    fn sharding_is_invisible(steps in steps(80)) {
        let one = run(&steps, 1);
        check_equal(&one, &run(&steps, 2))?;
        check_equal(&one, &run(&steps, 7))?;
    }

    #[test]
    fn leaving_single_stations_out_changes_no_other_figure(steps in steps(80)) {
        let levels = Level::ALL.into_iter().filter(|&level| level != Level::Station).collect::<Vec<_>>();
        let (mut all, mut without) = (run(&steps, 2), run_in(House::with_levels(2, &levels), &steps));
        all.figures.retain(|(_, level, _), _| *level != Level::Station.name());
        // A station whose scene changes within a day is listed with the part of the day in which it was on a highway.
        all.forget_highways();
        without.forget_highways();
        check_equal(&all, &without)?;
    }
}

fn tally() -> impl Strategy<Value = Tally> {
    let entry = -1_000_000..1_000_000_i64;
    (prop::collection::vec(entry.clone(), 24), prop::option::of(prop::collection::vec(entry, 4))).prop_map(
        |(entries, events)| {
            let mut tally = Tally::default();
            tally.state_ms.copy_from_slice(&entries[..9]);
            tally.latency.copy_from_slice(&entries[9..19]);
            (tally.import_j, tally.export_j, tally.rated_j) = (entries[19], entries[20], entries[21]);
            (tally.accepted, tally.station_ms) = (entries[22], entries[23]);
            if let Some(events) = events {
                let counts: &mut EventCounts = tally.events.get_mut();
                (counts.duplicate, counts.failures, counts.session_ms) = (events[0], events[1], events[2]);
                counts.stops[3] = events[3];
            }
            tally
        },
    )
}

fn merged(one: &Tally, other: &Tally) -> Tally {
    let mut sum = one.clone();
    sum.merge(other);
    sum
}

proptest! {
    #[test]
    fn merge_is_a_commutative_monoid_with_inverses(a in tally(), b in tally(), c in tally()) {
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(&merged(&a, &Tally::default()), &a);
        prop_assert_eq!(&merged(&Tally::default(), &a), &a);
        let mut opposite = a.clone();
        opposite.negate();
        prop_assert!(merged(&a, &opposite).is_zero());
        prop_assert_eq!(merged(&a, &opposite), Tally::default());
    }
}
