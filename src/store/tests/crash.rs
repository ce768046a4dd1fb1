//! Crashes: whatever part of the log had reached the disk, a restart finds exactly the steps that had been made durable.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

/// Steps that the template goes through: syncs and, among them, checkpoints.
const STEPS: usize = 24;
/// Set for the process that will be killed: the store's directory.
const VICTIM: &str = "CHARGETALLY_TEST_VICTIM";
const KILLS: u64 = 25;

/// A store's files while it was open, and what was durable after each step.
struct Template {
    database: Vec<u8>,
    log: Vec<u8>,
    /// The log's length after the step, and what a restart must find.
    steps: Vec<(usize, Content)>,
}

fn template() -> Template {
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = open(directory.path());
    append(&mut store, 0, b"before");
    store.sync().expect("durable");
    drop(store);
    let mut store = open(directory.path());
    let log_len = || fs::metadata(log_of(directory.path())).map_or(0, |log| log.len() as usize);
    let mut steps = vec![(log_len(), content(&store).expect("it reads"))];
    for step in 1..=STEPS {
        if step % 6 == 5 {
            let state = vec![step as u8; 300 * step];
            let stations: [(&str, &[u8]); 2] = [("op/a", &state), ("op/b", b"b")];
            checkpoint(&mut store, &stations, &[record("1h", step as i64 * 3_600, "nation", "")]);
        } else {
            for number in 0..step {
                append(&mut store, number as i64, &vec![step as u8; 150 * number]);
            }
            store.sync().expect("durable");
        }
        steps.push((log_len(), content(&store).expect("it reads")));
    }
    let file = fs::read(directory.path().join(FILE_NAME)).expect("the file");
    Template { database: file, log: fs::read(log_of(directory.path())).expect("the log"), steps }
}

fn restart(database: &[u8], log: &[u8]) -> Result<Content, StoreError> {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join(FILE_NAME), database).expect("written");
    fs::write(log_of(directory.path()), log).expect("written");
    let (store, _) = Store::open(directory.path(), Limits::default())?;
    content(&store)
}

#[test]
fn a_log_cut_at_any_byte_holds_exactly_the_steps_before() {
    let template = template();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
    let ends: Vec<usize> = template.steps.iter().map(|(end, _)| *end).collect();
    // Anywhere, and just beside the ends of steps.
    let cuts = prop_oneof![
        0..=template.log.len(),
        (prop::sample::select(ends), -2_isize..=2).prop_map(|(end, off)| end.saturating_add_signed(off)),
    ];
    runner
        .run(&cuts, |cut| {
            let cut = cut.min(template.log.len());
            let (_, expected) = template.steps.iter().rfind(|(end, _)| *end <= cut).unwrap_or(&template.steps[0]);
            let found = restart(&template.database, &template.log[..cut]).expect("a torn end is no damage");
            prop_assert!(found == *expected, "cut at {cut}: {} is not {}", found.last_seq, expected.last_seq);
            Ok(())
        })
        .expect("every cut");
}

#[test]
fn a_log_whose_last_step_reached_the_disk_in_part_only_holds_the_steps_before() {
    let template = template();
    let [.., (begin, before), (end, after)] = &template.steps[..] else { panic!("there are steps") };
    // Pages reach the disk in any order: leave each one out in turn.
    for at in (*begin..*end).step_by(512) {
        let mut log = template.log.clone();
        let hole = at..(at + 512).min(*end);
        log[hole].fill(0);
        let found = restart(&template.database, &log).expect("a torn end is no damage");
        // A hole where nothing but zeros would have been is none.
        let expected = if log == template.log { after } else { before };
        assert!(found == *expected, "hole at {at}");
    }
}

#[test]
fn a_byte_flipped_in_the_log_is_found_except_in_the_last_step() {
    let template = template();
    let last_step = template.steps[STEPS - 1].0;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, ..ProptestConfig::default() });
    runner
        .run(&(0..template.log.len(), 1_u8..), |(at, flip)| {
            let mut log = template.log.clone();
            log[at] ^= flip;
            match restart(&template.database, &log) {
                Err(StoreError::Damaged { .. }) => {}
                Err(other) => prop_assert!(false, "{other}"),
                Ok(found) => {
                    prop_assert!(at >= last_step, "a flip at {at} of {last_step} was not seen");
                    prop_assert!(found == template.steps[STEPS - 1].1, "only the last step may be taken for torn");
                }
            }
            Ok(())
        })
        .expect("every flip");
}

/// Appends and syncs for ever, says so after each sync, and checkpoints now and then.
fn victim(directory: &Path) -> ! {
    let mut store = open(directory);
    let mut total = u64::from_le_bytes(counted(&store).0.try_into().expect("eight bytes"))
        + content(&store).expect("it reads").entries.len() as u64;
    let mut out = io::stdout();
    loop {
        for _ in 0..=total % 7 {
            append(&mut store, total as i64, &total.to_le_bytes());
            total += 1;
        }
        let seq = store.sync().expect("durable");
        writeln!(out, "synced {total}").and_then(|()| out.flush()).expect("somebody listens");
        if seq.get().is_multiple_of(9) {
            let mut checkpoint = store.begin_checkpoint(seq).expect("it begins");
            checkpoint.meta("total", Some(&total.to_le_bytes())).expect("written");
            checkpoint.station("op/a", &vec![1; (total % 9_000) as usize]).expect("written");
            checkpoint.station("op/total", &total.to_le_bytes()).expect("written");
            checkpoint.commit().expect("durable");
        }
    }
}

/// The number of entries in the checkpoint, as meta and as a station have it.
fn counted(store: &Store) -> (Vec<u8>, Vec<u8>) {
    let content = content(store).expect("it reads");
    let zero = || 0_u64.to_le_bytes().to_vec();
    (
        content.meta.get("total").cloned().unwrap_or_else(zero),
        content.stations.get("op/total").cloned().unwrap_or_else(zero),
    )
}

#[test]
fn a_process_killed_at_any_instant_has_everything_it_said_was_durable() {
    if let Some(directory) = std::env::var_os(VICTIM) {
        victim(Path::new(&directory));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let name = "store::tests::crash::a_process_killed_at_any_instant_has_everything_it_said_was_durable";
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env(VICTIM, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the victim starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut durable = 0;
        let mut heard = 0;
        let wanted = 1 + round * 5 % 37;
        while heard < wanted {
            let line = lines.next().expect("the victim goes on").expect("text");
            if let Some((_, total)) = line.split_once("synced ") {
                durable = total.parse().expect("a number");
                heard += 1;
            }
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        // What it said before it died may stand in the pipe still.
        for line in lines.map_while(Result::ok) {
            if let Some((_, total)) = line.split_once("synced ") {
                durable = total.parse().unwrap_or(durable);
            }
        }
        let store = open(directory.path());
        let (meta, station) = counted(&store);
        assert_eq!(meta, station, "meta and stations are of one checkpoint");
        let mut total = u64::from_le_bytes(meta.try_into().expect("eight bytes"));
        for (_, _, payload) in content(&store).expect("it reads").entries {
            assert_eq!(payload, total.to_le_bytes(), "no entry is missing and none is there twice");
            total += 1;
        }
        assert!(total >= durable, "round {round}: {total} of {durable}");
    }
}
