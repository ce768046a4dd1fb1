//! Tests of the store: what it keeps, what it refuses, and that it keeps it whatever happens to the process or the disk.

mod batches;
mod crash;
mod damage;
mod disk;
mod history;
mod opening;

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// Everything that a restart reads, in one value to compare.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Content {
    checkpoint_seq: u64,
    last_seq: u64,
    stations: BTreeMap<String, Vec<u8>>,
    meta: BTreeMap<String, Vec<u8>>,
    entries: Vec<(u64, String, Vec<u8>)>,
    records: Vec<RecordRow>,
}

fn open(directory: &Path) -> Store {
    Store::open(directory, Limits::default()).expect("the store opens").0
}

fn append(store: &mut Store, number: i64, payload: &[u8]) {
    let topic = format!("ev/v1/53/op/st{number}/1/telemetry");
    let message = Message { arrival_ms: number, qos: 1, retain: false, topic: &topic, payload };
    store.append(&JournalEntry::Message(message)).expect("there is room");
}

fn content(store: &Store) -> Result<Content, StoreError> {
    let mut content = Content {
        checkpoint_seq: store.checkpoint_seq().get(),
        last_seq: store.last_seq().get(),
        ..Content::default()
    };
    store.load_stations(|key, state| drop(content.stations.insert(key.to_owned(), state.to_owned())))?;
    store.load_meta(|key, value| drop(content.meta.insert(key.to_owned(), value.to_owned())))?;
    store.replay(store.checkpoint_seq(), |seq, entry| {
        content.entries.push(match entry {
            JournalEntry::Message(message) => (seq.get(), message.topic.to_owned(), message.payload.to_owned()),
            JournalEntry::Tick(tick) => {
                (seq.get(), format!("tick {} {}", tick.now_ms, tick.what), tick.detail.to_owned())
            }
        });
    })?;
    for window in ["1m", "1h", "1d"] {
        content.records.extend(rows(store, window, None)?);
    }
    Ok(content)
}

fn rows(store: &Store, window: &str, level: Option<(&str, Codes<'_>)>) -> Result<Vec<RecordRow>, StoreError> {
    let mut rows = Vec::new();
    store.query(&Range { window, from_s: i64::MIN, to_s: i64::MAX, level }, |row| {
        rows.push(row);
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

fn record(window: &str, start_s: i64, level: &str, code: &str) -> RecordRow {
    RecordRow {
        window: window.to_owned(),
        start_s,
        level: level.to_owned(),
        code: code.to_owned(),
        revision: 0,
        utc_offset_s: 8 * 3_600,
        published_ms: start_s * 1_000 + 90_000,
        figures: Figures { connectors: 2, import_j: 7_200_000, charging_ms: 1_800_000, ..Figures::default() },
        summary: None,
    }
}

/// One checkpoint of everything so far, with these stations and records.
fn checkpoint(store: &mut Store, stations: &[(&str, &[u8])], records: &[RecordRow]) {
    let seq = store.last_seq();
    let mut checkpoint = store.begin_checkpoint(seq).expect("the checkpoint begins");
    for (key, state) in stations {
        checkpoint.station(key, state).expect("a station is written");
    }
    for record in records {
        checkpoint.record(record).expect("a record is written");
    }
    checkpoint.meta("tick", Some(&seq.get().to_le_bytes())).expect("meta is written");
    checkpoint.commit().expect("the checkpoint is durable");
}

/// The write-ahead log's path.
fn log_of(directory: &Path) -> PathBuf {
    directory.join(format!("{FILE_NAME}-wal"))
}
