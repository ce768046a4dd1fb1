//! Windows as bytes, record by record, so that a checkpoint rewrites only what changed.
//!
//! To restore: give fresh shards their blocks, let the new rollup absorb one report of each (closing up to where they
//! stand), so that all stations are known, then give it window by window with [`Rollup::restore_window`].

use std::borrow::Cow;

use super::{Peak, Record, Rollup, WindowBook};
use crate::pack::{Damaged, Pack, Reader, pack_fields};
use crate::scope::{Scope, StationIndex};
use crate::window::Window;

/// The form of a record and of a window's meta data.
const VERSION: u8 = 1;

pack_fields!(Peak { import_j, start });

/// A station by operator and id, and the time in which it was full, ms.
pub type FullStation = ((Box<str>, Box<str>), i64);

/// What is known of a window besides its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowMeta {
    /// When it was given out last, ms; `None` where it never was.
    pub published_at_ms: Option<i64>,
    /// Whether anything changed since.
    pub dirty: bool,
    /// Whether the snapshot was taken.
    pub shown: bool,
    /// Whether it came back without its content.
    pub incomplete: bool,
    /// How many records it has: fewer are a damaged store.
    pub records: u32,
    /// Time in which stations were full, ms, by operator and station, in order.
    pub full_ms: Vec<FullStation>,
    /// Stations with dormant connectors and how many, likewise; in windows of a day.
    pub dormant: Vec<FullStation>,
}

impl Pack for WindowMeta {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self { published_at_ms, dirty, shown, incomplete, records, full_ms, dormant } = self;
        out.push(VERSION);
        published_at_ms.pack(out);
        (*dirty, *shown, *incomplete).pack(out);
        records.pack(out);
        full_ms.pack(out);
        dormant.pack(out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        check_version(reader)?;
        let published_at_ms = Pack::unpack(reader)?;
        let (dirty, shown, incomplete) = Pack::unpack(reader)?;
        let records = Pack::unpack(reader)?;
        let (full_ms, dormant) = Pack::unpack(reader)?;
        Ok(Self { published_at_ms, dirty, shown, incomplete, records, full_ms, dormant })
    }
}

/// A record that is read back counts as saved.
impl Pack for Record {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self { tally, minute_peak, quarter_peak, snapshot, revision, dirty, peaks_stale, unsaved: _ } = self;
        out.push(VERSION);
        tally.pack(out);
        minute_peak.pack(out);
        quarter_peak.pack(out);
        snapshot.pack(out);
        revision.pack(out);
        (*dirty, *peaks_stale).pack(out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        check_version(reader)?;
        let (tally, minute_peak, quarter_peak) = Pack::unpack(reader)?;
        let (snapshot, revision) = Pack::unpack(reader)?;
        let (dirty, peaks_stale) = Pack::unpack(reader)?;
        Ok(Self { tally, minute_peak, quarter_peak, snapshot, revision, dirty, peaks_stale, unsaved: false })
    }
}

fn check_version(reader: &mut Reader<'_>) -> Result<(), Damaged> {
    if reader.byte()? == VERSION { Ok(()) } else { Err(Damaged { what: "version" }) }
}

impl Rollup {
    /// The windows that differ, or any of whose records, from what was saved of them last, in order. To be asked when
    /// everything absorbed has been applied.
    pub fn changed_windows(&self) -> impl Iterator<Item = (Window, WindowMeta)> {
        debug_assert!(self.staged.is_empty(), "saved between absorbing and applying");
        self.unsaved_books().map(|(window, book)| (window, self.meta(book)))
    }

    /// The records that differ from what was saved of them last: windows in order, scopes within in none.
    pub fn changed_records(&self) -> impl Iterator<Item = (Window, Scope, Cow<'_, Record>)> {
        debug_assert!(self.staged.is_empty(), "saved between absorbing and applying");
        self.unsaved_books()
            .flat_map(|(window, book)| book.records.unsaved().map(move |(scope, record)| (window, scope, record)))
    }

    /// What changed is safe in the store.
    pub fn clear_changed(&mut self) {
        for book in self.windows.values_mut().filter(|book| book.unsaved) {
            book.unsaved = false;
            book.records.clear_unsaved();
        }
    }

    /// Puts back a window as it was saved. Stations must have been reported; time of those that are not known is
    /// nobody's and is left out.
    pub fn restore_window(
        &mut self,
        window: Window,
        meta: WindowMeta,
        records: impl IntoIterator<Item = (Scope, Record)>,
    ) {
        let WindowMeta { published_at_ms, dirty, shown, incomplete, records: _, full_ms, dormant } = meta;
        let known = |((operator, station), figure): FullStation| match self.names.station_scope(&operator, &station) {
            Some(Scope::Station(station)) => Some((station, figure)),
            _ => None,
        };
        let book = WindowBook {
            full_ms: full_ms.into_iter().filter_map(known).collect(),
            dormant: dormant.into_iter().filter_map(known).collect(),
            records: records.into_iter().collect(),
            published_at_ms,
            shown,
            dirty,
            all_dirty: false,
            incomplete,
            unsaved: false,
        };
        self.windows.insert((window.kind, window.start), book);
    }

    /// The scope with this name; see [`Names::scope_of`](super::Names::scope_of).
    pub fn scope_of(&mut self, kind: &str, code: &str) -> Option<Scope> {
        self.names.scope_of(kind, code)
    }

    fn unsaved_books(&self) -> impl Iterator<Item = (Window, &WindowBook)> {
        let unsaved = self.windows.iter().filter(|(_, book)| book.unsaved);
        unsaved.map(|(&(kind, start), book)| (self.config.calendar.window(kind, start), book))
    }

    fn meta(&self, book: &WindowBook) -> WindowMeta {
        let named = |station: StationIndex, figure: i64| {
            let facts = self.names.station(station);
            ((facts.operator.clone(), facts.id.clone()), figure)
        };
        let mut full_ms: Vec<_> = book.full_ms.iter().map(|(&station, &full_ms)| named(station, full_ms)).collect();
        full_ms.sort_unstable();
        let mut dormant: Vec<_> = book.dormant.iter().map(|&(station, count)| named(station, count)).collect();
        dormant.sort_unstable();
        WindowMeta {
            published_at_ms: book.published_at_ms,
            dirty: book.dirty,
            shown: book.shown,
            incomplete: book.incomplete,
            records: book.records.len() as u32,
            full_ms,
            dormant,
        }
    }
}
