//! The law of restarts: what is packed, read back and goes on equals what never stopped, whatever the number of shards
//! before and after; and no bytes whatever break the reading.

use std::sync::Arc;

use crate::fleet::{Step, step, steps};
use crate::house::{self, BEGIN_MS, House, check_equal};
use chargetally_core::shard::{Shard, packed_key, unpack_remainders};
use chargetally_core::time::ArrivalTime;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// What happens before a step.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    Checkpoint,
    Restart(usize),
}

fn before() -> impl Strategy<Value = Before> {
    prop_oneof![
        12 => Just(Before::Nothing),
        1 => Just(Before::Checkpoint),
        1 => (1..4_usize).prop_map(Before::Restart),
    ]
}

fn after(steps: &[Step]) -> House {
    let mut house = House::new(1);
    for step in steps {
        house.step(step);
    }
    house.close();
    house
}

fn fresh(house: &House) -> Shard {
    let mut shards = vec![Shard::new(Arc::new(house::config()), ArrivalTime::from_ms(BEGIN_MS))];
    unpack_remainders(&mut shards, &[house.shards[0].pack_remainder()]).expect("a remainder");
    shards.remove(0)
}

proptest! {
    #![proptest_config(house::cases(48))]

    #[test]
    fn going_on_from_a_checkpoint_equals_never_having_stopped(
        steps in prop::collection::vec((step(), before()), 1..60),
    ) {
        let (mut steady, mut restarted) = (House::new(1), House::new(2));
        for (step, before) in &steps {
            match *before {
                Before::Nothing => {}
                Before::Checkpoint => restarted.checkpoint(),
                Before::Restart(shards) => restarted.restart(shards),
            }
            if !matches!(before, Before::Nothing) {
                steady.close();
            }
            steady.step(step);
            restarted.step(step);
        }
        restarted.restart(3);
        steady.close();
        check_equal(&steady.end(), &restarted.end())?;
    }

    #[test]
    fn a_station_packed_again_after_it_was_read_gives_the_same_bytes(steps in steps(60)) {
        let house = after(&steps);
        let blocks = house.blocks();
        prop_assert_eq!(&blocks, &house.blocks());
        let mut shard = fresh(&house);
        for block in &blocks {
            prop_assert_eq!(shard.unpack_station(block), Ok(()));
        }
        let again: Vec<Vec<u8>> = shard.all_stations().map(|station| shard.pack_station(station)).collect();
        prop_assert_eq!(again, blocks);
        prop_assert_eq!(shard.dirty_stations(), [], "what was just read needs no writing");
    }

    #[test]
    fn damaged_blocks_are_refused_or_read_but_never_panic(
        steps in steps(40),
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
    ) {
        let house = after(&steps);
        for block in house.blocks() {
            let end = cut.index(block.len());
            prop_assert!(fresh(&house).unpack_station(&block[..end]).is_err(), "cut off after {} bytes", end);
            let mut flipped = block.clone();
            for (place, mask) in &flips {
                flipped[place.index(block.len())] ^= mask;
            }
            let mut shard = fresh(&house);
            let before = shard.all_stations().count();
            if shard.unpack_station(&flipped).is_err() {
                prop_assert_eq!(shard.all_stations().count(), before, "a refused block changes nothing");
            }
        }
    }

    #[test]
    fn random_bytes_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut shards = vec![Shard::new(Arc::new(house::config()), ArrivalTime::from_ms(BEGIN_MS))];
        let _ = packed_key(&bytes);
        let _ = shards[0].unpack_station(&bytes);
        let _ = unpack_remainders(&mut shards, &[&bytes]);
    }
}

#[test]
fn a_quiet_station_is_written_once_in_half_an_hour_and_a_busy_one_each_time() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let steps = steps(200).new_tree(&mut runner).expect("steps").current();
    let mut house = after(&steps);
    house.checkpoint();
    let count = house.shards[0].all_stations().count();
    let mut written = vec![0; count];
    for _ in 0..30 {
        house.pass(60_000);
        house.close();
        for station in house.shards[0].dirty_stations() {
            written[station.0 as usize] += 1;
        }
        house.checkpoint();
    }
    assert!(count >= 4 && written.iter().all(|&times| (1..=3).contains(&times)), "{written:?}");
    house.step(&steps[0]);
    house.close();
    assert_eq!(house.shards[0].dirty_stations().len(), 1);
}

#[test]
fn a_station_is_taken_in_once() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let house = after(&steps(60).new_tree(&mut runner).expect("steps").current());
    let block = house.blocks().remove(0);
    let mut shard = fresh(&house);
    assert!(shard.unpack_station(&block).is_ok());
    assert!(shard.unpack_station(&block).is_err());
    assert_eq!(shard.all_stations().count(), 1);
}
