//! The history: the last revision of every summary, as rows that people can query too.
//!
//! The store knows neither windows nor levels: names are text, summaries are opaque. What is in integer columns is there
//! for people and for SQL. Every row has a checksum over all of its
//! columns, and one that does not fit is an error, never a figure.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::types::{ToSql, ValueRef};
use rusqlite::{Connection, Row, Rows, params, params_from_iter};

use super::error::StoreError;

/// Greater than every code that begins with what stands before it.
const AFTER_ALL: char = char::MAX;

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// The integer columns of a record, for SQL; additive over windows and scopes except `connectors` and `rated_w`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Figures {
            $($(#[$doc])* pub $name: i64,)+
        }

        impl Figures {
            /// The columns' names, in the order of [`to_array`](Self::to_array).
            pub const COLUMNS: [&'static str; [$(stringify!($name)),+].len()] = [$(stringify!($name)),+];

            /// The values in the order of [`COLUMNS`](Self::COLUMNS).
            #[must_use]
            pub const fn to_array(&self) -> [i64; Self::COLUMNS.len()] {
                [$(self.$name),+]
            }

            /// The inverse of [`to_array`](Self::to_array).
            #[must_use]
            pub const fn from_array(values: [i64; Self::COLUMNS.len()]) -> Self {
                let [$($name),+] = values;
                Self { $($name),+ }
            }
        }
    };
}

figures! {
    /// Connectors whose timeline touches the window.
    connectors,
    /// Energy imported, J.
    import_j,
    /// Energy exported, J.
    export_j,
    /// Energy imported by intervals in `charging`, J.
    charging_import_j,
    /// Rated power at the window's end, W.
    rated_w,
    /// Rated power times in-service time, J.
    rated_j,
    /// Time charging, ms.
    charging_ms,
    /// Time discharging, ms.
    discharging_ms,
    /// Time occupied, ms.
    occupied_ms,
    /// Time reserved, ms.
    reserved_ms,
    /// Time available, ms.
    available_ms,
    /// Time faulted, ms.
    faulted_ms,
    /// Time unavailable, ms.
    unavailable_ms,
    /// Time offline, ms.
    offline_ms,
    /// Time unobserved, ms.
    unobserved_ms,
    /// Sessions attempted.
    sessions_attempted,
    /// Sessions started.
    sessions_started,
    /// Sessions completed.
    sessions_completed,
    /// Sessions failed.
    sessions_failed,
    /// Alarms raised of level personal.
    alarms_personal,
    /// Alarms raised of level equipment.
    alarms_equipment,
    /// Alarms raised of level notice.
    alarms_notice,
}

/// The last revision of the summary of one window and scope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordRow {
    /// The window's name, such as "15m"; never empty.
    pub window: String,
    /// The window's start, seconds since the Unix epoch, UTC.
    pub start_s: i64,
    /// The scope's level, such as "city".
    pub level: String,
    /// The scope's code, such as "5301" or "operator/station"; may be empty.
    pub code: String,
    /// The revision.
    pub revision: u32,
    /// Local time minus UTC at the start, seconds: for the views in local time.
    pub utc_offset_s: i32,
    /// When the revision was given out, ms since the Unix epoch, UTC.
    pub published_ms: i64,
    /// What SQL can see.
    pub figures: Figures,
    /// The summary as it was published (JSON), for those windows that keep it.
    pub summary: Option<String>,
}

/// Which codes of a level are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codes<'a> {
    /// All of them.
    All,
    /// This one.
    One(&'a str),
    /// Those that begin so.
    Prefix(&'a str),
}

/// A part of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<'a> {
    /// The window's name.
    pub window: &'a str,
    /// The first start, seconds since the Unix epoch, UTC.
    pub from_s: i64,
    /// The end of the starts, itself not included.
    pub to_s: i64,
    /// The level; `None` means all levels, with all codes.
    pub level: Option<(&'a str, Codes<'a>)>,
}

/// Finds the starts one by one, and in each only the rows that are asked for: a scope's rows over a long range would
/// otherwise be looked for in those of all scopes.
const SELECT_SCOPES: &str = "
    WITH RECURSIVE moment(start) AS (
        SELECT min(start) FROM record WHERE window = ?1 AND start >= ?2 AND start < ?3
        UNION ALL
        SELECT (SELECT min(later.start) FROM record AS later
                WHERE later.window = ?1 AND later.start > moment.start AND later.start < ?3)
        FROM moment WHERE moment.start IS NOT NULL)
    SELECT record.* FROM moment CROSS JOIN record
    ON record.window = ?1 AND record.start = moment.start
        AND record.level = ?4 AND record.code >= ?5 AND record.code <= ?6
    WHERE moment.start IS NOT NULL";

const SELECT_ALL: &str =
    "SELECT * FROM record WHERE window = ?1 AND start >= ?2 AND start < ?3 ORDER BY start, level, code";

/// Gives the rows of a range in order of start, level and code, until `each` breaks.
pub(super) fn query(
    connection: &Connection,
    file: &Path,
    range: &Range<'_>,
    mut each: impl FnMut(RecordRow) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite("read the history", file, error);
    let Range { window, from_s, to_s, level } = range;
    let upper;
    let mut arguments: Vec<&dyn ToSql> = vec![window, from_s, to_s];
    let sql = match level {
        None => SELECT_ALL,
        Some((level, codes)) => {
            let (first, last) = match codes {
                Codes::All => ("", AFTER_ALL.to_string()),
                Codes::One(code) => (*code, (*code).to_owned()),
                Codes::Prefix(prefix) => (*prefix, format!("{prefix}{AFTER_ALL}")),
            };
            upper = (first, last);
            arguments.extend([level as &dyn ToSql, &upper.0, &upper.1]);
            SELECT_SCOPES
        }
    };
    let mut select = connection.prepare_cached(sql).map_err(sqlite)?;
    let mut rows = select.query(params_from_iter(arguments)).map_err(sqlite)?;
    give(file, &mut rows, &mut each)
}

/// Reads every record in the order in which they lie in the file, and whether that is their order: a query that looks for
/// its rows does not see one whose key was damaged, for it looks elsewhere.
pub(super) fn check(connection: &Connection, file: &Path) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite("check the history", file, error);
    let found: String = connection.query_row("PRAGMA integrity_check(record)", [], |row| row.get(0)).map_err(sqlite)?;
    if found != "ok" {
        return Err(StoreError::damaged(file, found.replace('\n', "; ")));
    }
    let mut select = connection.prepare("SELECT * FROM record").map_err(sqlite)?;
    let mut rows = select.query([]).map_err(sqlite)?;
    give(file, &mut rows, &mut |_| ControlFlow::Continue(()))
}

fn give(
    file: &Path,
    rows: &mut Rows<'_>,
    each: &mut impl FnMut(RecordRow) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let sqlite = |error| StoreError::from_sqlite("read the history", file, error);
    while let Some(row) = rows.next().map_err(sqlite)? {
        let (record, crc) = read_record(row).map_err(sqlite)?;
        if crc != record_crc(&record) {
            let what = format!(
                "the record of {} at {} of {}/{} has a wrong checksum",
                record.window, record.start_s, record.level, record.code
            );
            return Err(StoreError::damaged(file, what));
        }
        if each(record).is_break() {
            break;
        }
    }
    Ok(())
}

/// Inserts the record or replaces that of the same window, start and scope.
pub(super) fn put_record(connection: &Connection, record: &RecordRow) -> rusqlite::Result<()> {
    let crc = record_crc(record);
    let figures = record.figures.to_array();
    let mut arguments: Vec<&dyn ToSql> = vec![
        &record.window,
        &record.start_s,
        &record.level,
        &record.code,
        &record.revision,
        &record.utc_offset_s,
        &record.published_ms,
    ];
    arguments.extend(figures.iter().map(|figure| figure as &dyn ToSql));
    arguments.extend(params![record.summary, crc]);
    let marks = vec!["?"; arguments.len()].join(",");
    let mut insert = connection.prepare_cached(&format!("INSERT OR REPLACE INTO record VALUES ({marks})"))?;
    insert.execute(params_from_iter(arguments)).map(drop)
}

const FIGURES_AT: usize = 7;
const SUMMARY_AT: usize = FIGURES_AT + Figures::COLUMNS.len();

fn read_record(row: &Row<'_>) -> rusqlite::Result<(RecordRow, i64)> {
    let mut figures = [0; Figures::COLUMNS.len()];
    for (figure, at) in figures.iter_mut().zip(FIGURES_AT..) {
        *figure = row.get(at)?;
    }
    let summary = match row.get_ref(SUMMARY_AT)? {
        ValueRef::Null => None,
        _ => Some(row.get(SUMMARY_AT)?),
    };
    let record = RecordRow {
        window: row.get(0)?,
        start_s: row.get(1)?,
        level: row.get(2)?,
        code: row.get(3)?,
        revision: row.get(4)?,
        utc_offset_s: row.get(5)?,
        published_ms: row.get(6)?,
        figures: Figures::from_array(figures),
        summary,
    };
    Ok((record, row.get(SUMMARY_AT + 1)?))
}

fn record_crc(record: &RecordRow) -> i64 {
    let mut hasher = crc32fast::Hasher::new();
    for text in [record.window.as_str(), &record.level, &record.code] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let head = [record.start_s, i64::from(record.revision), i64::from(record.utc_offset_s), record.published_ms];
    for number in head.into_iter().chain(record.figures.to_array()) {
        hasher.update(&number.to_le_bytes());
    }
    if let Some(summary) = &record.summary {
        hasher.update(&[1]);
        hasher.update(summary.as_bytes());
    }
    i64::from(hasher.finalize())
}
