//! Deterministic simulation: the house on a test clock, with a broker and a disk that crash, reorder, repeat and delay by
//! seed. Whatever fails and whenever, the last figures are those of a run that nothing disturbed. No socket, no real
//! time: the same seed takes the same course every time.
//!
//! `CHARGETALLY_SEED=N` runs one seed, `CHARGETALLY_SEEDS=N` so many from 0 on.

mod broker;
mod fleet;
mod life;
mod reference;
mod world;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use chargetally_core::scope::Level;
use chargetally_core::window::WindowKind;

use self::broker::summary_key;
use self::fleet::Published;
use self::life::Plant;
use self::world::{Left, World};
use super::works::RecordKey;
use crate::engine::Spread;
use crate::store::faults::Told;
use crate::store::{Figures, Range, Reader, RecordRow};

/// Seeds that every run of the tests takes.
const SEEDS: u64 = 150;
/// And so many that nobody has taken before.
const FRESH_SEEDS: u64 = 50;
/// Seeds that run beside each other at most.
const THREADS_MAX: usize = 4;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn whatever_fails_and_whenever_the_last_figures_are_those_of_an_undisturbed_run() {
    let seeds: Vec<u64> = match (number("CHARGETALLY_SEED"), number("CHARGETALLY_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (0..count).collect(),
        (None, None) => {
            let fresh = crate::clock::wall_ms().unsigned_abs();
            (0..SEEDS).chain(fresh..fresh + FRESH_SEEDS).collect()
        }
    };
    // Most of the time goes into writing summaries, the most by far into those of the nation: few seeds have them.
    let (many, few) = ([Level::Nation, Level::Operator, Level::Station], [Level::Station]);
    // For half of them the few connectors are so many that a close takes seconds.
    let spread = Some(Spread { connectors_min: 0, ms_per_million: 1_500_000_000 });
    let plants = [None, spread].map(|spread| [Plant::new(&many, spread), Plant::new(&few, spread)]);
    let plant_of = |seed: u64| &plants[usize::from(seed % 32 >= 16)][usize::from(!seed.is_multiple_of(16))];
    // In memory where the system has such a place: the disk that fails is simulated, the real one only takes time.
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a directory");
    let next = AtomicUsize::new(0);
    let run = || {
        let (mut lives, mut failed) = (0, Vec::new());
        while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let folder = root.path().join(seed.to_string());
            fs::create_dir(&folder).expect("a directory");
            match catch_unwind(AssertUnwindSafe(|| check(plant_of(seed), seed, &folder))) {
                Ok(Ok(lived)) => lives += lived,
                Ok(Err(what)) => failed.push(format!("seed {seed}: {what}")),
                Err(_) => failed.push(format!("seed {seed}: a panic, told above")),
            }
            fs::remove_dir_all(&folder).expect("removed");
        }
        (lives, failed)
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX));
    let (mut lives, mut failed) = (0, Vec::new());
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        for thread in running {
            let (more_lives, more_failed) = thread.join().expect("a panic of a seed is caught");
            lives += more_lives;
            failed.extend(more_failed);
        }
    });
    assert!(
        failed.is_empty(),
        "{} of {} seeds failed; CHARGETALLY_SEED=N runs one of them alone:\n{}",
        failed.len(),
        seeds.len(),
        failed.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(seeds.len() < 20 || lives > seeds.len() as u64, "the daemon was hardly ever ended");
}

/// Runs a seed and compares; returns how often the daemon was ended.
fn check(plant: &Plant, seed: u64, folder: &Path) -> Result<u64, String> {
    let left = World::run(plant, seed, folder.to_owned())?;
    let workers = 1 + (seed % 3) as usize;
    let expected = reference::repeat(plant, &left.journal, left.first, workers)?;
    let records = history(&left)?;
    same("the history", &records, &expected.records)?;
    check_heard(&left, &expected)?;
    if !left.arrivals_matter {
        let plain = reference::plainly(plant, taken_in(&left).into_iter(), left.first, left.now_ms, 4 - workers)?;
        let figures: BTreeMap<RecordKey, Figures> =
            records.iter().map(|(key, row)| (key.clone(), without_alarms(row.figures))).collect();
        let plain = plain.into_iter().map(|(key, figures)| (key, without_alarms(figures))).collect();
        same("the figures of the plain run", &figures, &plain)?;
    }
    Ok(u64::from(left.lives))
}

/// What the broker heard is what the undisturbed run said.
fn check_heard(left: &Left, expected: &reference::Outcome) -> Result<(), String> {
    for (key, payload) in &left.heard.summaries {
        if expected.summaries.get(key) != Some(payload) {
            return Err(format!("{key:?} was said, and is not what the journal tells"));
        }
    }
    let retained: BTreeMap<_, _> =
        left.heard.retained.iter().filter(|(_, entry)| entry.schema == crate::publish::summary::SCHEMA).collect();
    same("the summaries that stand", &retained, &expected.retained.iter().collect())?;
    for (topic, entry) in retained {
        let Some((_, stands, _)) = summary_key(entry) else { continue };
        let newest = left.heard.summaries.keys().filter(|(other, ..)| other == topic).map(|(_, start, _)| start).max();
        if newest.is_some_and(|newest| *newest > stands) {
            return Err(format!("{topic} holds the window of {stands}, and that of {newest:?} was said"));
        }
    }
    let standing: BTreeSet<String> = left
        .heard
        .retained
        .iter()
        .filter(|(_, entry)| entry.schema == crate::publish::record::ALARM_SCHEMA)
        .map(|(topic, _)| topic.clone())
        .collect();
    if standing != expected.standing {
        return Err(format!("alarms stand at the broker: {standing:?}; with the daemon: {:?}", expected.standing));
    }
    let heard: HashSet<&str> = left.heard.alarms.iter().map(|(topic, _)| topic.as_str()).collect();
    match expected.raised.iter().find(|(topic, _)| !heard.contains(topic.as_str())) {
        Some(lost) => Err(format!("{lost:?} was raised, and nobody heard of it")),
        None => Ok(()),
    }
}

/// The records of the store at the end.
fn history(left: &Left) -> Result<BTreeMap<RecordKey, RecordRow>, String> {
    let mut records = BTreeMap::new();
    let reader = Reader::open(&left.directory).map_err(|error| error.to_string())?;
    for kind in WindowKind::ALL {
        let range = Range { window: kind.name(), from_s: i64::MIN, to_s: i64::MAX, level: None };
        reader
            .query(&range, |row| {
                records.insert((row.window.clone(), row.start_s, row.level.clone(), row.code.clone()), row);
                ControlFlow::Continue(())
            })
            .map_err(|error| error.to_string())?;
    }
    Ok(records)
}

/// The messages that the daemon took in, each once, in the order in which they were sent.
fn taken_in(left: &Left) -> Vec<&Published> {
    let taken: HashSet<(&str, &[u8])> = left
        .journal
        .iter()
        .filter_map(|entry| match entry {
            Told::Message { topic, payload, .. } => Some((&**topic, &**payload)),
            Told::Step { .. } => None,
        })
        .collect();
    let sent = left.sent.iter().map(|message| &**message);
    sent.filter(|message| taken.contains(&(message.topic.as_str(), message.payload.as_bytes()))).collect()
}

/// Alarms for silence follow the clock, not what stations send.
fn without_alarms(figures: Figures) -> Figures {
    Figures { alarms_personal: 0, alarms_equipment: 0, alarms_notice: 0, ..figures }
}

/// Finds the first difference.
fn same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) -> Result<(), String> {
    for key in found.keys().chain(expected.keys()) {
        let (ours, theirs) = (found.get(key), expected.get(key));
        if ours != theirs {
            let (ours, theirs) = (format!("{ours:?}"), format!("{theirs:?}"));
            let from = ours.bytes().zip(theirs.bytes()).take_while(|(one, other)| one == other).count();
            let from = ours.floor_char_boundary(from.saturating_sub(80));
            let near = |text: &str| text.chars().skip(from).take(300).collect::<String>();
            return Err(format!("{what}, {key:?}:\n  found    {}\n  expected {}", near(&ours), near(&theirs)));
        }
    }
    Ok(())
}
