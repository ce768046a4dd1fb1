//! From what the store holds back to what the daemon was: the shards, the windows that stood in memory, and later, one by
//! one, windows that no longer do. Content that is not as it was written is an error, never a figure.

use std::error::Error;

use chargetally_core::pack::{Damaged, Pack, Reader as Unpacker};
use chargetally_core::rollup::{Record, Rollup, WindowMeta};
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::{Calendar, Window, WindowKind};

use tracing::warn;

use super::keeper::KeepError;
use crate::engine::{BadStation, Engine, EngineConfig, Recall, Resuming};
use crate::store::{Place, Reader, Store};

/// The row of `sums` that is of the window as a whole.
pub(super) const WINDOW_LEVEL: &str = "window";
/// The rows of `meta`: the daemon as a whole, the windows that stand in memory, and the remainder of each worker.
pub(super) const META_DAEMON: &str = "daemon";
pub(super) const META_STANDING: &str = "standing";
pub(super) const META_REMAINDER: &str = "remainder/";
/// And what a source's dialect remembers of a station, by source and station.
pub(super) const META_MEMORY: &str = "memory/";
const VERSION: u8 = 1;

/// What the checkpoint knows of the daemon as a whole.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    /// When the daemon first took anything in.
    pub first: ArrivalTime,
    pub newest: ArrivalTime,
    pub published: Bucket,
    pub remainders: u32,
}

impl Pack for Whole {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self { first, newest, published, remainders } = self;
        out.push(VERSION);
        (first.ms(), newest.ms()).pack(out);
        published.pack(out);
        remainders.pack(out);
    }
    fn unpack(reader: &mut Unpacker<'_>) -> Result<Self, Damaged> {
        if reader.byte()? != VERSION {
            return Err(Damaged { what: "version" });
        }
        let (first, newest): (i64, i64) = Pack::unpack(reader)?;
        Ok(Self {
            first: ArrivalTime::from_ms(first),
            newest: ArrivalTime::from_ms(newest),
            published: Pack::unpack(reader)?,
            remainders: Pack::unpack(reader)?,
        })
    }
}

pub(super) fn read_whole(store: &Store) -> Result<Option<Whole>, KeepError> {
    let mut whole = None;
    store.load_meta(|key, value| {
        if key == META_DAEMON {
            whole = Some(unpacked::<Whole>(value));
        }
    })?;
    whole.transpose().map_err(|bad| store.damaged(format!("the daemon's state: {bad}")).into())
}

/// Makes the engine that the checkpoint tells of.
pub(super) fn resume(
    store: &Store,
    config: EngineConfig,
    whole: Whole,
    calendar: &Calendar,
) -> Result<Engine, KeepError> {
    let (mut remainders, mut standing) = (Vec::new(), None);
    store.load_meta(|key, value| {
        if key.starts_with(META_REMAINDER) {
            remainders.push(value.to_vec());
        } else if key == META_STANDING {
            standing = Some(unpacked::<Vec<(u8, Bucket)>>(value));
        }
    })?;
    let bad_state = |bad: Damaged| store.damaged(format!("the state of the shards: {bad}"));
    let mut resuming = Resuming::new(config, whole.newest, &remainders).map_err(bad_state)?;
    let taken = resuming.stations(|intake| store.load_stations(|_, block| intake.station(block)));
    let (loaded, taken) = taken.map_err(KeepError::Start)?;
    loaded?;
    taken.map_err(|BadStation { code, bad }| store.damaged(format!("the state of {code:?}: {bad}")))?;
    store.load_meta(|key, memory| {
        let place = key.strip_prefix(META_MEMORY).and_then(|place| place.split_once('/'));
        let Some((source, code)) = place else { return };
        let taken = source
            .parse()
            .map_err(|_| Damaged { what: "source" })
            .and_then(|source| resuming.memory(source, code, memory));
        if let Err(error) = taken {
            warn!(source, station = code, %error, "what a source remembered of a station does not fit it any more");
        }
    })?;
    let mut engine = resuming.start().map_err(KeepError::Start)?;
    let standing = standing.transpose().map_err(bad_state)?.unwrap_or_default();
    for (kind, start) in standing {
        let kind = WindowKind::ALL.get(usize::from(kind)).copied();
        let Some(kind) = kind else { return Err(store.damaged("a window of no kind").into()) };
        let window = calendar.window(kind, start);
        let mut rows = Vec::new();
        store.load_sums(kind.name(), start_s(window), |level, code, state| {
            rows.push((level.to_owned(), code.to_owned(), state.to_vec()));
        })?;
        restore(engine.rollup_mut(), window, &rows).map_err(|what| store.damaged(what))?;
    }
    Ok(engine)
}

/// Windows that are no longer in memory, by a connection of its own that sees what checkpoints have written.
pub(super) struct History {
    pub reader: Reader,
    pub calendar: Calendar,
}

impl Recall for History {
    fn recall(&mut self, rollup: &mut Rollup, window: Window) -> Result<(), Box<dyn Error + Send + Sync>> {
        let window = self.calendar.window(window.kind, window.start);
        let mut rows = Vec::new();
        self.reader.load_sums(window.kind.name(), start_s(window), |level, code, state| {
            rows.push((level.to_owned(), code.to_owned(), state.to_vec()));
        })?;
        restore(rollup, window, &rows).map_err(|what| self.reader.damaged(what))?;
        Ok(())
    }
}

/// Puts back a window from its rows; where there are none, there was never anything in it.
fn restore(rollup: &mut Rollup, window: Window, rows: &[(String, String, Vec<u8>)]) -> Result<(), String> {
    let (mut meta, mut records) = (WindowMeta::default(), Vec::with_capacity(rows.len()));
    let name = || format!("the sums of {} at {}", window.kind.name(), start_s(window));
    for (level, code, state) in rows {
        let bad = |bad: Damaged| format!("{} of {level}/{code}: {bad}", name());
        if level == WINDOW_LEVEL {
            meta = unpacked::<WindowMeta>(state).map_err(bad)?;
        } else {
            let scope = rollup.scope_of(level, code);
            let scope = scope.ok_or_else(|| format!("{} are of {level}/{code}, which nobody knows", name()))?;
            records.push((scope, unpacked::<Record>(state).map_err(bad)?));
        }
    }
    if meta.records as usize != records.len() {
        return Err(format!("{} have {} records where there must be {}", name(), records.len(), meta.records));
    }
    rollup.restore_window(window, meta, records);
    Ok(())
}

pub(super) fn place<'a>(window: Window, level: &'a str, code: &'a str) -> Place<'a> {
    Place { window: window.kind.name(), start_s: start_s(window), level, code }
}

fn start_s(window: Window) -> i64 {
    window.start.start_ms().div_euclid(1_000)
}

pub(super) fn packed<T: Pack>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.pack(&mut bytes);
    bytes
}

fn unpacked<T: Pack>(bytes: &[u8]) -> Result<T, Damaged> {
    let mut reader = Unpacker::new(bytes);
    let value = T::unpack(&mut reader)?;
    reader.finish()?;
    Ok(value)
}
