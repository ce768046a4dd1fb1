//! Damage: a byte that changed in the file is an error or changes nothing, and never gives another figure.

use std::fs;

use proptest::prelude::*;

use super::*;

/// A closed store with some of everything, as its file's bytes.
fn sample() -> (Vec<u8>, Content) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    append(&mut store, 1, b"in the checkpoint");
    store.sync().expect("durable");
    let states: Vec<(String, Vec<u8>)> =
        (0..60_usize).map(|number| (format!("op/station{number}"), vec![number as u8; 40 * number])).collect();
    let stations: Vec<_> = states.iter().map(|(key, state)| (key.as_str(), state.as_slice())).collect();
    let records: Vec<_> = (0..60).map(|hour| record("1h", hour * 3_600, "city", "5301")).collect();
    checkpoint(&mut store, &stations, &records);
    let seq = store.last_seq();
    let mut sums = store.begin_checkpoint(seq).expect("the checkpoint begins");
    for hour in 0..60_i64 {
        let place = Place { window: "1h", start_s: hour * 3_600, level: "county", code: "530102" };
        sums.sums(&place, &[hour as u8; 50]).expect("sums are written");
    }
    sums.commit().expect("the checkpoint is durable");
    for number in 2..8 {
        append(&mut store, number, &vec![number as u8; 2_000]);
        store.sync().expect("durable");
    }
    let content = content(&store).expect("it reads");
    store.close().expect("closed");
    (fs::read(directory.path().join(FILE_NAME)).expect("the file"), content)
}

fn read_all(database: &[u8]) -> Result<Content, StoreError> {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join(FILE_NAME), database).expect("written");
    let (store, _) = Store::open(directory.path(), Limits::default())?;
    let content = content(&store)?;
    store.check_all()?;
    Ok(content)
}

#[test]
fn a_byte_flipped_anywhere_in_the_file_never_gives_another_figure() {
    let (database, expected) = sample();
    assert!(read_all(&database).expect("sound") == expected);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 400, ..ProptestConfig::default() });
    let places = prop_oneof![3 => 0..database.len(), 1 => 0..100_usize];
    runner
        .run(&(places, 1_u8..), |(at, flip)| {
            let mut changed = database.clone();
            changed[at] ^= flip;
            match read_all(&changed) {
                Ok(found) => prop_assert!(found == expected, "a flip at {at} changed what is read"),
                Err(
                    StoreError::Damaged { .. }
                    | StoreError::Newer { .. }
                    | StoreError::Foreign { .. }
                    | StoreError::ReadOnly { .. },
                ) => {}
                Err(other) => prop_assert!(false, "a flip at {at}: {other:?}"),
            }
            Ok(())
        })
        .expect("every flip");
}

#[test]
fn a_record_whose_key_was_damaged_is_found_though_queries_pass_it_by() {
    let (database, _) = sample();
    // The record's header ends with its key's first column; 1h becomes qh, which stands out of order.
    let mut places =
        database.windows(9).enumerate().filter(|(_, bytes)| bytes.starts_with(b"1h") && bytes.ends_with(b"city"));
    let (at, _) = places.nth(30).expect("records of city");
    let mut changed = database.clone();
    changed[at] ^= 0x40;
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join(FILE_NAME), &changed).expect("written");
    let error = Reader::open(directory.path()).and_then(|reader| reader.check()).expect_err("the reader finds it");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    let (store, _) = Store::open(directory.path(), Limits::default()).expect("the journal and the states are sound");
    assert!(matches!(store.check_all(), Err(StoreError::Damaged { .. })));
}

/// A store that opens, and in which the reader beside a daemon and the owner find the same damage.
fn check_finds(changed: &[u8], expected: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join(FILE_NAME), changed).expect("written");
    let beside = Reader::open(directory.path()).and_then(|reader| reader.check()).expect_err("the reader finds it");
    let (store, _) = Store::open(directory.path(), Limits::default()).expect("the journal and the states are sound");
    for error in [beside, store.check_all().expect_err("its owner finds it")] {
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
    }
}

/// The sample, and where in it the scope of one hour's sums begins.
fn sums_in_sample() -> (Vec<u8>, usize) {
    let (database, _) = sample();
    let mut places = database.windows(12).enumerate().filter(|(_, bytes)| *bytes == b"county530102");
    let (at, _) = places.nth(30).expect("sums of county");
    (database, at)
}

#[test]
fn sums_whose_state_was_damaged_are_found() {
    let (mut database, at) = sums_in_sample();
    // Past the scope's 12 bytes and a checksum of 6 at most, within the 50 bytes of state.
    database[at + 42] ^= 0x01;
    check_finds(&database, "of county/530102 have a wrong checksum");
}

#[test]
fn sums_under_another_scope_are_found() {
    let (mut database, at) = sums_in_sample();
    database[at + 11] ^= 0x01;
    check_finds(&database, "of county/530103 have a wrong checksum");
}

#[test]
fn sums_whose_key_was_damaged_are_found_though_queries_pass_them_by() {
    let (mut database, at) = sums_in_sample();
    // Between window and scope is only the start; 1h becomes qh, which stands out of order.
    let window = database[at - 6..at].windows(2).position(|bytes| bytes == b"1h").expect("the window");
    database[at - 6 + window] ^= 0x40;
    check_finds(&database, "not in PRIMARY KEY order for sums");
}

#[test]
fn a_file_cut_short_is_refused() {
    let (database, _) = sample();
    for pages in 1..database.len() / 8_192 {
        let error = read_all(&database[..pages * 8_192]).expect_err("pages are missing");
        assert!(matches!(error, StoreError::Damaged { .. }), "{pages} pages: {error:?}");
    }
}

/// Changes a stored value as a disk or a person might, with valid SQL, and expects the refusal to name it.
fn check(sql: &str, expected: &str) {
    let (database, _) = sample();
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join(FILE_NAME), database).expect("written");
    let connection = Connection::open(directory.path().join(FILE_NAME)).expect("the file opens");
    assert_eq!(connection.execute(sql, []).expect("the statement runs"), 1, "{sql}");
    drop(connection);
    let result = Store::open(directory.path(), Limits::default()).and_then(|(store, _)| content(&store));
    let error = result.expect_err("the change is found");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains(expected), "{error} does not say {expected:?}");
}

#[test]
fn a_changed_journal_batch_is_found() {
    check("UPDATE journal SET batch = zeroblob(length(batch)) WHERE seq = 4", "journal batch 4 has a wrong checksum");
}

#[test]
fn a_missing_journal_batch_is_found() {
    check("DELETE FROM journal WHERE seq = 4", "the journal has 5 batches from 2 to 7");
}

#[test]
fn a_changed_station_is_found() {
    check("UPDATE station SET state = x'00' WHERE key = 'op/station7'", "the checksum of \"op/station7\" is wrong");
}

#[test]
fn a_missing_station_is_found() {
    check("DELETE FROM station WHERE key = 'op/station7'", "stations: 59 rows where there must be 60");
}

#[test]
fn a_station_under_anothers_key_is_found() {
    check("UPDATE station SET key = 'op/x' WHERE key = 'op/station7'", "the checksum of \"op/x\" is wrong");
}

#[test]
fn a_changed_meta_value_is_found() {
    check("UPDATE meta SET value = x'00'", "meta: the checksum of \"tick\" is wrong");
}

#[test]
fn a_changed_checkpoint_is_found() {
    check("UPDATE checkpoint SET stations = 59", "the checkpoint has a wrong checksum");
}

#[test]
fn a_changed_figure_is_found() {
    check("UPDATE record SET import_j = import_j + 1 WHERE start = 7200", "the record of 1h at 7200 of city/5301");
}
