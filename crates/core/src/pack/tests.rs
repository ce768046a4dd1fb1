//! Values go through bytes unchanged, and no bytes whatever make the reader panic or allocate without reason.

use proptest::prelude::*;

use super::*;
use crate::tally::{EventCounts, Tally};

fn packed<T: Pack>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.pack(&mut out);
    out
}

fn unpacked<T: Pack>(bytes: &[u8]) -> Result<T, Damaged> {
    let mut reader = Reader::new(bytes);
    let value = T::unpack(&mut reader)?;
    reader.finish().map(|()| value)
}

fn check<T: Pack + PartialEq + fmt::Debug>(value: &T) {
    let bytes = packed(value);
    assert_eq!(unpacked::<T>(&bytes).as_ref(), Ok(value));
    for end in 0..bytes.len() {
        assert!(unpacked::<T>(&bytes[..end]).is_err(), "{value:?} cut off after {end} bytes");
    }
}

type Everything = (Vec<(i64, Option<u32>)>, BTreeMap<i32, String>, (VecDeque<bool>, [i64; 3], Box<str>));

fn everything() -> impl Strategy<Value = Everything> {
    (
        prop::collection::vec((any::<i64>(), any::<Option<u32>>()), 0..8),
        prop::collection::btree_map(any::<i32>(), ".{0,6}", 0..5),
        (prop::collection::vec(any::<bool>(), 0..5), any::<[i64; 3]>(), ".{0,9}"),
    )
        .prop_map(|(pairs, map, (flags, array, text))| (pairs, map, (flags.into(), array, text.into())))
}

proptest! {
    #[test]
    fn what_is_packed_is_read_back(value in everything()) {
        let bytes = packed(&value);
        prop_assert_eq!(unpacked::<Everything>(&bytes), Ok(value));
    }

    #[test]
    fn any_bytes_are_damaged_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = unpacked::<Everything>(&bytes);
        let _ = unpacked::<Tally>(&bytes);
        let _ = unpacked::<(f64, Area, Named<Scene>)>(&bytes);
    }
}

#[test]
fn the_ends_of_the_integers_survive() {
    check(&(i64::MIN, i64::MAX));
    check(&(u64::MAX, u32::MAX));
    check(&(i32::MIN, i32::MAX, u16::MAX));
    check(&(-0.0_f64, f64::MAX));
}

#[test]
fn enums_survive_and_unknown_places_are_damaged() {
    for state in State::ALL {
        check(&state);
    }
    for scene in Scene::ALL {
        check(&Named::Known(scene));
    }
    for &class in AlarmClass::ALL {
        check(&class);
    }
    for reason in StopReason::ALL {
        check(&SessionStop { reason: Some(reason), energy_j: Some(1), ..SessionStop::default() });
    }
    assert!(unpacked::<State>(&[9]).is_err());
    assert!(unpacked::<bool>(&[2]).is_err());
}

#[test]
fn an_area_survives_with_and_without_its_township() {
    for digits in ["530102", "530102001", "310115100000"] {
        check(&Area::parse(digits).unwrap());
    }
}

#[test]
fn a_quiet_minute_is_small_and_one_with_events_survives() {
    let mut tally = Tally { accepted: 6, ..Tally::default() };
    tally.state_ms[4] = 60_000;
    assert!(packed(&tally).len() <= 40, "{} bytes", packed(&tally).len());
    check(&tally);
    *tally.events.get_mut() = EventCounts { failures: -3, stops: [7; 15], ..EventCounts::default() };
    check(&tally);
}

#[test]
fn a_length_beyond_the_bytes_is_refused_before_it_is_believed() {
    let mut bytes = packed(&u64::MAX);
    bytes.extend([0; 64]);
    assert_eq!(unpacked::<Vec<[i64; 64]>>(&bytes), Err(Damaged { what: "length" }));
    // As many elements as bytes: room is made as they are read, not as they are announced.
    let reader = Reader::new(&[0; 100]);
    assert_eq!(reader.room::<[i64; 64]>(100), 0);
    assert_eq!(reader.room::<u8>(100), 100);
}

#[test]
fn an_integer_too_long_is_damaged() {
    assert!(unpacked::<u64>(&[0xff; 10]).is_err());
    assert!(unpacked::<u64>(&[0x80; 11]).is_err());
    assert!(unpacked::<u16>(&packed(&70_000_u32)).is_err());
}

#[test]
fn another_version_is_damaged() {
    assert!(Reader::of_version(&[2], 1).is_err());
    assert!(Reader::of_version(&[], 1).is_err());
    assert!(Reader::of_version(&[1], 1).is_ok());
}
