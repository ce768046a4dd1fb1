//! Opening: what is new, what is refused, how versions follow each other, and who may open.

use std::fs;

use super::*;
use crate::store::schema::{self, MIGRATIONS};

fn change(directory: &Path, sql: &str) {
    let connection = Connection::open(directory.join(FILE_NAME)).expect("the file opens");
    connection.execute_batch(sql).expect("the statement runs");
}

fn refusal(directory: &Path) -> StoreError {
    Store::open(directory, Limits::default()).expect_err("the store is refused")
}

#[test]
fn a_new_store_is_empty_and_an_old_one_is_as_it_was_left() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("deep/state");
    let (mut store, recovered) = Store::open(&path, Limits::default()).expect("the store opens");
    assert!(recovered.created && recovered.migrated_from.is_none() && recovered.last_seq == Seq::default());
    append(&mut store, 1, b"one");
    assert_eq!(store.sync().expect("durable").get(), 1);
    checkpoint(&mut store, &[("op/a", b"state a"), ("op/b", b"state b")], &[record("1h", 0, "nation", "")]);
    append(&mut store, 2, b"two");
    store.append(&JournalEntry::Tick(Tick { now_ms: 77, what: 3, detail: b"x" })).expect("there is room");
    assert_eq!(store.sync().expect("durable").get(), 2);
    append(&mut store, 3, b"never synced");
    let before = content(&store).expect("it reads");
    drop(store);
    let (store, recovered) = Store::open(&path, Limits::default()).expect("the store opens again");
    assert_eq!(content(&store).expect("it reads"), before);
    assert_eq!((recovered.checkpoint_seq.get(), recovered.last_seq.get(), recovered.journal_batches), (1, 2, 1));
    assert_eq!((recovered.created, recovered.stations), (false, 2));
    let topics: Vec<_> = before.entries.iter().map(|(_, topic, _)| topic.as_str()).collect();
    assert_eq!(topics, ["ev/v1/53/op/st2/1/telemetry", "tick 77 3"]);
}

#[test]
fn a_store_can_be_given_to_the_thread_that_owns_it() {
    fn check<T: Send + 'static>() {}
    check::<Store>();
    check::<Reader>();
    check::<StoreError>();
}

#[test]
fn stations_that_are_set_again_or_deleted_are_counted_right() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    checkpoint(&mut store, &[("a", b"1"), ("b", b"2"), ("a", b"3")], &[]);
    let seq = store.last_seq();
    let mut next = store.begin_checkpoint(seq).expect("it begins");
    next.delete_station("b").expect("deleted");
    next.delete_station("never there").expect("nothing to do");
    next.meta("tick", None).expect("removed");
    next.station("c", b"").expect("an empty state is one too");
    next.commit().expect("durable");
    drop(store);
    let content = content(&open(directory.path())).expect("it reads");
    let expected = [("a".to_owned(), b"3".to_vec()), ("c".to_owned(), vec![])];
    assert_eq!((content.stations, content.meta.len()), (expected.into(), 0));
}

#[test]
fn a_checkpoint_that_is_dropped_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    append(&mut store, 1, b"one");
    let seq = store.sync().expect("durable");
    let before = content(&store).expect("it reads");
    let mut dropped = store.begin_checkpoint(seq).expect("it begins");
    dropped.station("a", b"1").expect("written");
    drop(dropped);
    assert_eq!(content(&store).expect("it reads"), before);
}

#[test]
fn what_cannot_be_asked_is_a_bug_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    append(&mut store, 1, b"one");
    let seq = store.sync().expect("durable");
    assert!(matches!(store.begin_checkpoint(seq.next()), Err(StoreError::Bug { .. })));
    assert!(matches!(store.replay(seq.next(), |_, _| ()), Err(StoreError::Bug { .. })));
    let mut failed = store.begin_checkpoint(seq).expect("it begins");
    assert!(matches!(failed.station("", b""), Err(StoreError::Bug { .. })));
    assert!(matches!(failed.station("a", b""), Err(StoreError::Bug { .. })), "after a failure nothing more is taken");
    assert!(matches!(failed.commit(), Err(StoreError::Bug { .. })));
    assert_eq!(store.checkpoint_seq(), Seq::default());
    assert_eq!(content(&store).expect("it reads").entries.len(), 1);
}

#[test]
fn a_full_buffer_refuses_and_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let limits = Limits { buffer_bytes_max: 1_000, ..Limits::default() };
    let (mut store, _) = Store::open(directory.path(), limits).expect("the store opens");
    let large = vec![7; 5_000];
    append(&mut store, 1, &large);
    let tick = JournalEntry::Tick(Tick { now_ms: 1, what: 1, detail: b"" });
    let refused = store.append(&tick).expect_err("the buffer is full");
    assert!(matches!(refused, StoreError::BufferFull { bytes: 5_000.., bytes_max: 1_000 }) && refused.may_pass());
    store.sync().expect("durable");
    store.append(&tick).expect("there is room again");
    store.sync().expect("durable");
    assert_eq!(content(&store).expect("it reads").entries.len(), 2);
}

#[test]
fn a_second_opener_is_refused_until_the_first_has_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open(directory.path());
    assert!(matches!(refusal(directory.path()), StoreError::InUse { .. }));
    assert!(matches!(set_aside(directory.path(), 5), Err(StoreError::InUse { .. })));
    drop(first);
    drop(open(directory.path()));
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    change(directory.path(), "PRAGMA user_version = 99");
    let before = fs::read(directory.path().join(FILE_NAME)).expect("the file");
    let error = refusal(directory.path());
    assert!(matches!(error, StoreError::Newer { found: 99, known: 1, .. }), "{error}");
    assert!(matches!(Reader::open(directory.path()), Err(StoreError::Newer { found: 99, .. })));
    assert!(fs::read(directory.path().join(FILE_NAME)).expect("the file") == before, "the file was written to");
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    change(directory.path(), "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    let before = fs::read(directory.path().join(FILE_NAME)).expect("the file");
    assert!(matches!(refusal(directory.path()), StoreError::Foreign { .. }));
    assert!(fs::read(directory.path().join(FILE_NAME)).expect("the file") == before, "the file was written to");
}

#[test]
fn a_store_of_version_1_is_brought_to_version_2_with_all_it_holds() {
    const NEXT: &[schema::Migration] = &[MIGRATIONS[0], "ALTER TABLE journal ADD COLUMN note TEXT"];
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    append(&mut store, 1, b"one");
    store.sync().expect("durable");
    let before = content(&store).expect("it reads");
    drop(store);
    let (store, recovered) = Store::open_with(directory.path(), Limits::default(), NEXT).expect("it is migrated");
    assert_eq!(recovered.migrated_from, Some(1));
    assert_eq!(content(&store).expect("it reads"), before);
    store
        .connection
        .query_row("SELECT note FROM journal", [], |row| row.get::<_, Option<String>>(0))
        .expect("the column");
    drop(store);
    let (_, recovered) = Store::open_with(directory.path(), Limits::default(), NEXT).expect("it opens");
    assert_eq!(recovered.migrated_from, None);
    assert!(matches!(refusal(directory.path()), StoreError::Newer { found: 2, known: 1, .. }));
}

#[test]
fn a_migration_that_fails_leaves_the_version_before() {
    const BROKEN: &[schema::Migration] = &[MIGRATIONS[0], "CREATE TABLE half (x); CREATE TABLE journal (x)"];
    let directory = tempfile::tempdir().expect("a directory");
    drop(open(directory.path()));
    Store::open_with(directory.path(), Limits::default(), BROKEN).expect_err("the second step fails");
    let (store, recovered) = Store::open(directory.path(), Limits::default()).expect("version 1 still opens");
    assert!(!recovered.created);
    store.connection.prepare("SELECT * FROM half").expect_err("nothing of the step is there");
}

#[test]
fn a_damaged_store_is_set_aside_only_on_request() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join(FILE_NAME);
    fs::write(&file, b"this is no database, but it may be somebody's data").expect("written");
    let error = refusal(directory.path());
    let StoreError::Damaged { file: named, remedy, .. } = &error else { panic!("{error}") };
    assert_eq!((named, *remedy), (&file, REMEDY));
    assert!(!error.may_pass() && error.to_string().contains("set the file aside"));
    assert!(file.exists(), "it was left where it is");
    let aside = set_aside(directory.path(), 1_790_000_000_123).expect("it is moved");
    assert_eq!(aside, directory.path().join("chargetally.db.damaged-1790000000123"));
    assert!(fs::read(&aside).expect("the file").starts_with(b"this is no database"));
    assert!(Store::open(directory.path(), Limits::default()).expect("a new store").1.created);
}

#[test]
fn a_log_without_its_database_is_refused_and_can_be_set_aside() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(log_of(directory.path()), [1; 100]).expect("written");
    assert!(matches!(refusal(directory.path()), StoreError::Damaged { .. }));
    let aside = set_aside(directory.path(), 7).expect("it is moved");
    assert_eq!(fs::read(format!("{}-wal", aside.display())).expect("the log"), [1; 100]);
    drop(open(directory.path()));
    let empty = tempfile::tempdir().expect("a directory");
    set_aside(empty.path(), 7).expect_err("there is nothing to set aside");
}
