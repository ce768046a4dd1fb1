//! Disks: full and back, and read-only. Nothing that was durable is lost, and the same call succeeds once there is room.
//!
//! Those tests that need a small file system mount one in a mount namespace of their own, which ends with them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::*;

/// Set for the run inside of the namespace: the mounted directory.
const MOUNTED: &str = "CHARGETALLY_TEST_MOUNTED";

/// The directory of a small file system, inside of a second run of the same test; `None` in the first run, which makes the
/// second and has seen it succeed.
fn mounted(test: &str) -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os(MOUNTED) {
        return Some(directory.into());
    }
    let directory = tempfile::tempdir().expect("a directory");
    let is_root = fs::metadata("/proc/self").expect("proc").uid() == 0;
    let output = Command::new("unshare")
        .args(if is_root { &["--mount"][..] } else { &["--user", "--map-root-user", "--mount"] })
        .args(["sh", "-c", "mount -t tmpfs -o size=6m tmpfs \"$1\" && exec \"$2\" \"$3\" --exact --nocapture", "sh"])
        .arg(directory.path())
        .arg(std::env::current_exe().expect("this test"))
        .arg(format!("store::tests::disk::{test}"))
        .env(MOUNTED, directory.path())
        .output()
        .expect("unshare is missing: apt-get install util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "this test mounts a small tmpfs: run it as root, or allow user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1)\n{said}\n{errors}"
    );
    None
}

/// Appends and syncs until there is no space; gives the number of durable batches. The entries of the failed sync are kept.
fn fill(store: &mut Store) -> u64 {
    for number in 0..2_000 {
        // Nothing that the journal could make smaller.
        let mut noise = i64::unsigned_abs(number) + 1;
        let payload = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (noise >> 56) as u8
        });
        append(store, number, &payload.take(20_000).collect::<Vec<_>>());
        match store.sync() {
            Ok(_) => {}
            Err(error @ StoreError::NoSpace { .. }) => {
                assert!(error.may_pass() && error.to_string().contains("no space left"), "{error}");
                assert!(store.pending_bytes() > 20_000, "nothing was forgotten");
                return store.last_seq().get();
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("the disk never became full");
}

#[test]
fn a_full_disk_stops_the_journal_and_room_lets_it_go_on() {
    let Some(disk) = mounted("a_full_disk_stops_the_journal_and_room_lets_it_go_on") else { return };
    fs::write(disk.join("ballast"), vec![1; 2 << 20]).expect("there is room");
    let directory = disk.join("state");
    let mut store = open(&directory);
    checkpoint(&mut store, &[("op/a", b"before")], &[]);
    let durable = fill(&mut store);
    assert!(durable > 10);
    append(&mut store, 9_999, b"appended while the disk is full");
    assert!(matches!(store.sync(), Err(StoreError::NoSpace { .. })), "it stays full");
    let seq = store.last_seq();
    let mut refused = store.begin_checkpoint(seq).expect("beginning takes no room");
    let result = refused.station("op/a", &vec![1; 3 << 20]).and_then(|()| refused.commit());
    assert!(matches!(result, Err(StoreError::NoSpace { .. })), "{result:?}");
    assert_eq!(store.checkpoint_seq(), Seq::default(), "the checkpoint before stands");
    let found = content(&store).expect("it reads while the disk is full");
    assert_eq!((found.entries.len() as u64, found.stations["op/a"].as_slice()), (durable, &b"before"[..]));

    fs::remove_file(disk.join("ballast")).expect("room again");
    assert_eq!(store.sync().expect("durable").get(), durable + 1);
    let expected = content(&store).expect("it reads");
    assert_eq!(expected.entries.len() as u64, durable + 2, "the kept entry and the one appended after it");
    drop(store);
    let store = open(&directory);
    assert!(content(&store).expect("it reads") == expected);
    store.check_all().expect("sound");
}

#[test]
fn a_process_that_ends_on_a_full_disk_loses_nothing_durable() {
    let Some(disk) = mounted("a_process_that_ends_on_a_full_disk_loses_nothing_durable") else { return };
    let mut store = open(&disk.join("state"));
    let durable = fill(&mut store);
    // As a kill would: neither closed nor dropped in order. What it held open is not seen by the copy.
    let copy = tempfile::tempdir().expect("a directory outside");
    for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
        fs::copy(disk.join("state").join(&name), copy.path().join(&name)).expect("copied");
    }
    let copied = open(copy.path());
    assert_eq!(copied.last_seq().get(), durable);
    assert_eq!(content(&copied).expect("it reads").entries.len() as u64, durable);
}

#[test]
fn a_file_system_that_is_read_only_is_told_apart() {
    let Some(disk) = mounted("a_file_system_that_is_read_only_is_told_apart") else { return };
    let directory = disk.join("state");
    let mut store = open(&directory);
    append(&mut store, 1, b"one");
    store.sync().expect("durable");
    drop(store);
    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk).status().expect("mount runs");
    assert!(status.success());
    let error = Store::open(&directory, Limits::default()).expect_err("it cannot be written to");
    assert!(matches!(error, StoreError::ReadOnly { .. }) && error.may_pass(), "{error:?}");
    assert!(std::error::Error::source(&error).is_some(), "it says what the system said");
    let error = Store::open(&disk.join("new"), Limits::default()).expect_err("nothing can be made");
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    let status = Command::new("mount").args(["-o", "remount,rw"]).arg(&disk).status().expect("mount runs");
    assert!(status.success());
    assert_eq!(content(&open(&directory)).expect("it reads").entries.len(), 1);
}

#[test]
fn a_file_that_may_only_be_read_is_told_apart() {
    let Some(disk) = mounted("a_file_that_may_only_be_read_is_told_apart") else { return };
    drop(open(&disk));
    let mount = |arguments: &[&str]| {
        let status = Command::new("mount").args(arguments).arg(disk.join(FILE_NAME)).status().expect("mount runs");
        assert!(status.success(), "{arguments:?}");
    };
    mount(&["--bind", disk.join(FILE_NAME).to_str().expect("text")]);
    mount(&["-o", "remount,bind,ro"]);
    let error = Store::open(&disk, Limits::default()).expect_err("it cannot be written to");
    assert!(matches!(error, StoreError::ReadOnly { .. }) && error.may_pass(), "{error:?}");
}

#[test]
fn the_files_greatest_size_is_no_space_too_and_passes() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    let limit = |store: &Store, pages: i64| {
        let sql = format!("PRAGMA max_page_count = {pages}");
        store.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a limit");
    };
    limit(&store, 60);
    let durable = fill(&mut store);
    limit(&store, 1_000_000);
    assert_eq!(store.sync().expect("durable").get(), durable + 1);
    drop(store);
    assert_eq!(content(&open(directory.path())).expect("it reads").entries.len() as u64, durable + 1);
}

#[test]
fn another_connection_that_writes_is_busy_and_passes() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    store.connection.busy_timeout(std::time::Duration::from_millis(10)).expect("a shorter wait");
    let other = Connection::open(directory.path().join(FILE_NAME)).expect("a second connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("it holds the lock");
    append(&mut store, 1, b"one");
    let error = store.sync().expect_err("it is locked");
    assert!(matches!(error, StoreError::Busy { .. }) && error.may_pass(), "{error:?}");
    other.execute_batch("ROLLBACK").expect("it lets go");
    assert_eq!(store.sync().expect("durable").get(), 1);
}
