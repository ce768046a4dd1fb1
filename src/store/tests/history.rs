//! The history: queries against a slow reference, retention, the size limit, backups, and people with `sqlite3`.

use std::fs;
use std::process::Command;

use proptest::prelude::*;

use super::*;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

fn put(store: &mut Store, records: &[RecordRow]) {
    checkpoint(store, &[], records);
}

fn prune_all(store: &mut Store, now_ms: i64) -> Pruned {
    let mut sum = Pruned::default();
    for _ in 0..1_000 {
        let step = store.prune(now_ms).expect("pruned");
        assert!(step.expired + step.evicted <= PRUNE_RECORDS_MAX.unsigned_abs(), "a step is small");
        sum.expired += step.expired;
        sum.evicted += step.evicted;
        sum.over_limit = step.over_limit;
        if !step.more {
            return sum;
        }
    }
    panic!("pruning never ends");
}

#[test]
fn every_range_and_code_finds_what_a_slow_search_finds() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    let mut all = Vec::new();
    for hour in [0, 1, 2, 5, 6, 30, 31] {
        for (level, code) in [
            ("city", "5301"),
            ("city", "5303"),
            ("city", "6101"),
            ("nation", ""),
            ("station", "op/1"),
            ("station", "op/10"),
        ] {
            all.push(record("1h", hour * HOUR_S, level, code));
        }
    }
    all.push(record("1d", 0, "city", "5301"));
    put(&mut store, &all);
    all.sort_by(|a, b| (a.start_s, &a.level, &a.code).cmp(&(b.start_s, &b.level, &b.code)));
    let code = prop::sample::select(vec!["", "5", "53", "5301", "op/1", "op/10", "none"]);
    let level = prop::sample::select(vec!["city", "nation", "station", "none"]);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, ..ProptestConfig::default() });
    runner
        .run(&(-1_i64..40, -1_i64..40, prop::option::of((level, 0..3, code))), |(from, to, scope)| {
            let scope = scope
                .map(|(level, kind, code)| (level, [Codes::All, Codes::One(code), Codes::Prefix(code)][kind as usize]));
            let range = Range { window: "1h", from_s: from * HOUR_S, to_s: to * HOUR_S, level: scope };
            let expected: Vec<_> = all
                .iter()
                .filter(|row| row.window == "1h" && (range.from_s..range.to_s).contains(&row.start_s))
                .filter(|row| match scope {
                    None => true,
                    Some((level, Codes::All)) => row.level == level,
                    Some((level, Codes::One(code))) => row.level == level && row.code == code,
                    Some((level, Codes::Prefix(prefix))) => row.level == level && row.code.starts_with(prefix),
                })
                .cloned()
                .collect();
            let mut found = Vec::new();
            store
                .query(&range, |row| {
                    found.push(row);
                    ControlFlow::Continue(())
                })
                .expect("it reads");
            prop_assert_eq!(found, expected);
            Ok(())
        })
        .expect("every range");
}

#[test]
fn a_revision_replaces_the_one_before_and_breaking_ends_a_query() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    let first = record("1h", 0, "nation", "");
    let second = RecordRow { revision: 1, summary: Some("{\"ü\":1}".to_owned()), ..first.clone() };
    put(&mut store, &[first, record("1h", HOUR_S, "nation", "")]);
    put(&mut store, std::slice::from_ref(&second));
    let mut seen = Vec::new();
    let range = Range { window: "1h", from_s: 0, to_s: DAY_S, level: None };
    store
        .query(&range, |row| {
            seen.push(row);
            ControlFlow::Break(())
        })
        .expect("it reads");
    assert_eq!(seen, [second]);
}

#[test]
fn retention_deletes_what_is_over_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    let mut records = Vec::new();
    for day in 0..100 {
        for window in ["1m", "15m", "1h", "1d", "own"] {
            records.push(record(window, day * DAY_S, "nation", ""));
        }
    }
    put(&mut store, &records);
    let now_s = 100 * DAY_S;
    let pruned = prune_all(&mut store, now_s * 1_000);
    let starts = |window| {
        rows(&store, window, None).expect("it reads").iter().map(|row| row.start_s / DAY_S).collect::<Vec<_>>()
    };
    assert_eq!(starts("1m"), [97, 98, 99], "two days are asked for, but three are protected for late messages");
    assert_eq!(starts("15m"), (60..100).collect::<Vec<_>>());
    assert_eq!((starts("1h").len(), starts("1d").len(), starts("own").len()), (100, 100, 100));
    assert_eq!(pruned, Pruned { expired: 97 + 60, ..Pruned::default() });
}

fn minutes(from: i64, count: i64) -> Vec<RecordRow> {
    let scope = |minute, station| RecordRow { ..record("1m", minute * 60, "station", &format!("op/{station:04}")) };
    (from..from + count).flat_map(|minute| (0..50).map(move |station| scope(minute, station))).collect()
}

#[test]
fn the_size_limit_holds_by_dropping_the_oldest_of_the_shortest_windows() {
    const BYTES_MAX: u64 = 14 << 20;
    let directory = tempfile::tempdir().expect("a directory");
    let limits = Limits { bytes_max: Some(BYTES_MAX), protect_ms: 60 * 60_000, ..Limits::default() };
    let (mut store, _) = Store::open(directory.path(), limits).expect("it opens");
    let days: Vec<_> = (0..40).map(|hour| record("1h", hour * HOUR_S, "nation", "")).collect();
    put(&mut store, &days);
    let mut evicted = 0;
    for hour in 0..40 {
        put(&mut store, &minutes(hour * 60, 60));
        let pruned = prune_all(&mut store, (hour + 1) * HOUR_S * 1_000);
        evicted += pruned.evicted;
        let size = store.size().expect("a size");
        assert!(size.file_bytes <= BYTES_MAX && !pruned.over_limit, "hour {hour}: {size:?}");
    }
    assert!(evicted > 10_000, "{evicted}");
    let minutes = rows(&store, "1m", None).expect("it reads");
    let first_s = minutes[0].start_s;
    assert!(first_s > 10 * HOUR_S && first_s < 38 * HOUR_S, "{first_s}");
    assert_eq!(minutes.last().map(|row| row.start_s), Some(40 * HOUR_S - 60), "the newest are there");
    assert_eq!(rows(&store, "1h", None).expect("it reads").len(), 40, "longer windows go last");
    store.close().expect("closed");
    assert!(fs::metadata(directory.path().join(FILE_NAME)).expect("the file").len() <= BYTES_MAX);
}

#[test]
fn a_size_limit_below_what_is_needed_says_that_it_does_not_hold() {
    let directory = tempfile::tempdir().expect("a directory");
    let limits = Limits { bytes_max: Some(1 << 20), ..Limits::default() };
    let (mut store, _) = Store::open(directory.path(), limits).expect("it opens");
    put(&mut store, &minutes(0, 120));
    let pruned = prune_all(&mut store, 3 * HOUR_S * 1_000);
    assert_eq!(pruned, Pruned { over_limit: true, ..Pruned::default() });
    assert_eq!(rows(&store, "1m", None).expect("it reads").len(), 6_000);
}

#[test]
fn a_reader_beside_the_writer_sees_what_is_committed() {
    let directory = tempfile::tempdir().expect("a directory");
    Reader::open(directory.path()).expect_err("there is no store yet");
    let mut store = open(directory.path());
    put(&mut store, &[record("1h", 0, "nation", "")]);
    let reader = Reader::open(directory.path()).expect("it opens");
    let seq = store.last_seq();
    let mut writing = store.begin_checkpoint(seq).expect("it begins");
    writing.record(&record("1h", HOUR_S, "nation", "")).expect("written");
    let count = || {
        let mut count = 0;
        let range = Range { window: "1h", from_s: 0, to_s: DAY_S, level: Some(("nation", Codes::All)) };
        reader
            .query(&range, |_| {
                count += 1;
                ControlFlow::Continue(())
            })
            .expect("it reads");
        count
    };
    assert_eq!(count(), 1, "the reader neither waits nor sees what is not committed");
    writing.commit().expect("durable");
    assert_eq!(count(), 2);
}

#[test]
fn a_backup_taken_while_the_store_is_open_is_a_whole_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(&directory.path().join("state"));
    append(&mut store, 1, b"one");
    store.sync().expect("durable");
    checkpoint(&mut store, &[("op/a", b"state")], &[record("1h", 0, "nation", "")]);
    append(&mut store, 2, b"two");
    store.sync().expect("durable");
    let expected = content(&store).expect("it reads");
    let restored = directory.path().join("restored");
    fs::create_dir(&restored).expect("a directory");
    let reader = Reader::open(&directory.path().join("state")).expect("it opens");
    reader.backup(&restored.join(FILE_NAME)).expect("a backup");
    reader.backup(&restored.join(FILE_NAME)).expect_err("a backup overwrites nothing");
    append(&mut store, 3, b"after the backup");
    store.sync().expect("durable");
    let (copy, recovered) = Store::open(&restored, Limits::default()).expect("the backup opens");
    assert!(!recovered.created);
    assert!(content(&copy).expect("it reads") == expected);
    copy.check_all().expect("sound");
    let names: Vec<_> =
        fs::read_dir(&restored).expect("a directory").map(|entry| entry.expect("a name").file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{names:?}");
}

#[test]
fn people_can_query_the_history_with_sqlite3_while_the_store_is_open() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    let start_s = 1_790_000_000 / DAY_S * DAY_S - 8 * HOUR_S;
    let mut row = record("1d", start_s, "province", "53");
    row.figures.alarms_personal = 4;
    put(&mut store, &[row]);
    let query = |sql: &str| {
        let output = Command::new("sqlite3")
            .arg("-readonly")
            .arg(directory.path().join(FILE_NAME))
            .arg(sql)
            .output()
            .expect("sqlite3 is missing: apt-get install sqlite3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let found = query("SELECT start_utc, start_local, code, import_kwh, charging_h, alarms_personal FROM days");
    assert_eq!(found, "2026-09-20T16:00:00Z|2026-09-21 00:00:00|53|2.0|0.5|4\n");
    assert_eq!(query("SELECT count(*) FROM months"), "0\n");
    assert_eq!(query("SELECT sum(import_kwh) FROM history WHERE level = 'province'"), "2.0\n");
}

#[test]
fn the_columns_of_the_figures_are_those_of_the_table() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path());
    let select = store.connection.prepare("SELECT * FROM record").expect("the table");
    let columns: Vec<_> = select.column_names().collect();
    assert_eq!(columns[7..7 + Figures::COLUMNS.len()], Figures::COLUMNS);
    assert_eq!(columns[7 + Figures::COLUMNS.len()..], ["summary", "crc"]);
    let values: Vec<i64> = (1..).take(Figures::COLUMNS.len()).collect();
    let figures = Figures::from_array(values.clone().try_into().expect("as many"));
    assert_eq!((figures.connectors, figures.to_array().to_vec()), (1, values));
}
