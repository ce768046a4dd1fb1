//! `chargetally report`: the figures of a day, a month or a year, from summaries, as a table or as the summaries
//! themselves. It computes nothing: every figure is one that a summary holds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;

use chargetally_core::indicator::{Kind, catalogue};
use chargetally_core::scope::Level;
use chargetally_core::window::WindowKind;
use serde_json::Value;

use super::args::{self, ReportFormat};
use super::output::WholeFile;
use super::stored;
use crate::error::{Exit, Failure};
use crate::rfc3339::parse_day;
use crate::store::{Codes, Range, Reader};

/// Longest line of summaries, bytes: the nation's with all breakdowns, and room.
const LINE_BYTES_MAX: u64 = 16 * 1024 * 1024;

const DAY_S: i64 = 24 * 3_600;
/// More than local time ever differs from UTC, s.
const ZONE_S: i64 = DAY_S;

/// Integers of the tally that a table shows.
const TALLY: [&str; 14] = [
    "connectors",
    "import_j",
    "export_j",
    "charging_import_j",
    "rated_w",
    "rated_j",
    "sessions_attempted",
    "sessions_started",
    "sessions_completed",
    "sessions_failed",
    "alarms_cleared",
    "accepted",
    "meter_reset",
    "meter_jump",
];

/// What a report is about: a day, a month or a year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// How its windows' starts begin, in local time.
    prefix: String,
    /// Starts of its windows, s since the Unix epoch: all of them, and some of its neighbours' as local time may differ.
    starts_s: (i64, i64),
    /// The windows that it is told by.
    parts: WindowKind,
    /// The window that is the period itself, where there is one.
    whole: Option<WindowKind>,
}

/// Window's place in time and its length, and the scope: what identifies a summary.
type Key = (String, usize, usize, String);

impl Period {
    /// A period as people write it: `2026-05-01`, `2026-05` or `2026`.
    ///
    /// # Errors
    /// What it should look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let filled = match text.len() {
            4 => format!("{text}-01-01"),
            7 => format!("{text}-01"),
            _ => text.to_owned(),
        };
        let Some(day) = parse_day(&filled) else {
            return Err("must be a day like 2026-05-01, a month like 2026-05 or a year like 2026".to_owned());
        };
        let (parts, whole, days_max) = match text.len() {
            4 => (WindowKind::Month, None, 366),
            7 => (WindowKind::Day, Some(WindowKind::Month), 31),
            _ => (WindowKind::Hour, Some(WindowKind::Day), 1),
        };
        let from_s = i64::from(day) * DAY_S;
        let starts_s = (from_s - ZONE_S, from_s + days_max * DAY_S + ZONE_S);
        Ok(Self { prefix: text.to_owned(), starts_s, parts, whole })
    }

    fn holds(&self, kind: WindowKind, start: &str) -> bool {
        (kind == self.parts || Some(kind) == self.whole) && start.starts_with(&self.prefix)
    }
}

/// Reads, chooses and writes.
///
/// # Errors
/// Where the input cannot be read or is no summary, where nothing of the period is in it, or where the report cannot be
/// written.
pub fn run(args: &args::Report) -> Result<(), Failure> {
    let mut chosen = BTreeMap::new();
    let mut figures_only = 0;
    for path in &args.files {
        read(path, args, &mut chosen)?;
    }
    if args.files.is_empty() {
        figures_only = query(args, &mut chosen)?;
    }
    if chosen.is_empty() {
        let mut what = format!("no summary of the period {} is in the input", args.period.prefix);
        if figures_only > 0 {
            what.push_str(": the history has figures only, for state.summaries does not name its windows");
        }
        return Err(Failure::new(Exit::Data, what));
    }
    match &args.out {
        None => write(&chosen, args.format, &mut io::stdout().lock()).map_err(Failure::stdout),
        Some(path) => {
            let failed = |error| {
                Failure::new(Exit::CannotCreate, format!("{} cannot be written", path.display())).because(error)
            };
            let mut file = WholeFile::create(path).map_err(failed)?;
            write(&chosen, args.format, &mut file).map_err(failed)?;
            file.finish().map_err(failed)
        }
    }
}

/// Chooses from the history, in short queries: one that lasts keeps the daemon's log from being taken over. Returns how
/// many records of the period have no summary.
fn query(args: &args::Report, chosen: &mut BTreeMap<Key, Value>) -> Result<u64, Failure> {
    let reader = Reader::open(&stored::directory(&args.store)?).map_err(stored::failure)?;
    let (from_s, to_s) = args.period.starts_s;
    let levels = args.levels.iter().map(|level| Some((level.name(), Codes::All)));
    let levels: Vec<_> = if args.levels.is_empty() { vec![None] } else { levels.collect() };
    let mut figures_only = 0;
    for window in [Some(args.period.parts), args.period.whole].into_iter().flatten() {
        for day_s in (from_s..to_s).step_by(DAY_S.unsigned_abs() as usize) {
            for &level in &levels {
                let range = Range { window: window.name(), from_s: day_s, to_s: day_s + DAY_S, level };
                let mut wrong = None;
                let each = |row: crate::store::RecordRow| {
                    match &row.summary {
                        None => figures_only += 1,
                        Some(text) => wrong = choose(text.as_bytes(), args, chosen).err(),
                    }
                    if wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                reader.query(&range, each).map_err(stored::failure)?;
                if let Some(what) = wrong {
                    let what =
                        format!("a record of {} that starts at {day_s} or after is no summary: {what}", window.name());
                    return Err(stored::failure(reader.damaged(what)));
                }
            }
        }
    }
    Ok(figures_only)
}

fn read(path: &Path, args: &args::Report, chosen: &mut BTreeMap<Key, Value>) -> Result<(), Failure> {
    let unreadable = |error| Failure::new(Exit::NoInput, format!("{} cannot be read", path.display())).because(error);
    let mut input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::with_capacity(1 << 20, File::open(path).map_err(unreadable)?))
    };
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        line.clear();
        let length = io::Read::take(&mut input, LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(unreadable)?;
        if length == 0 {
            return Ok(());
        }
        number += 1;
        if !line.trim_ascii().is_empty() {
            choose(&line, args, chosen).map_err(|what| {
                Failure::new(Exit::Data, format!("line {number} of {} is no summary: {what}", path.display()))
            })?;
        }
    }
}

/// Keeps a summary if the report is about it, and if it is the last revision so far.
fn choose(line: &[u8], args: &args::Report, chosen: &mut BTreeMap<Key, Value>) -> Result<(), &'static str> {
    let summary: Value = serde_json::from_slice(line).map_err(|_| "it is not JSON")?;
    let text = |path: &str| summary.pointer(path).and_then(Value::as_str);
    if text("/schema") != Some(crate::publish::summary::SCHEMA) {
        return Err("its schema is another one");
    }
    let kind = text("/window/name").and_then(WindowKind::from_name).ok_or("it names no window")?;
    let level = text("/scope/level").and_then(Level::from_name).ok_or("it names no level")?;
    let start = text("/window/start").ok_or("its window has no start")?;
    let wanted = args.levels.is_empty() || args.levels.contains(&level);
    if !wanted || !args.period.holds(kind, start) {
        return Ok(());
    }
    // The whole period comes after its parts.
    let place = if Some(kind) == args.period.whole { "~".to_owned() } else { start.to_owned() };
    let code = text("/scope/code").unwrap_or_default().to_owned();
    let key = (place, kind as usize, level as usize, code);
    let revision = |summary: &Value| summary.pointer("/window/revision").and_then(Value::as_u64);
    if chosen.get(&key).is_none_or(|known| revision(known) <= revision(&summary)) {
        chosen.insert(key, summary);
    }
    Ok(())
}

fn write(chosen: &BTreeMap<Key, Value>, format: ReportFormat, out: &mut impl Write) -> io::Result<()> {
    match format {
        ReportFormat::Json => {
            serde_json::to_writer(&mut *out, &chosen.values().collect::<Vec<_>>())?;
            out.write_all(b"\n")?;
        }
        ReportFormat::Csv => write_csv(chosen, out)?,
    }
    out.flush()
}

fn write_csv(chosen: &BTreeMap<Key, Value>, out: &mut impl Write) -> io::Result<()> {
    let numbers: Vec<String> = catalogue()
        .filter(|indicator| !matches!(indicator.kind, Kind::Stations))
        .map(chargetally_core::indicator::Indicator::path)
        .collect();
    let mut table = csv::Writer::from_writer(out);
    let named = ["window", "start", "end", "revision", "level", "code", "name", "name_zh"];
    let tally = TALLY.map(|name| format!("tally.{name}"));
    table.write_record(named.iter().copied().chain(tally.iter().chain(&numbers).map(String::as_str)))?;
    for summary in chosen.values() {
        let head = ["/window/name", "/window/start", "/window/end", "/window/revision"];
        let scope = ["/scope/level", "/scope/code", "/scope/name", "/scope/name_zh"];
        let cells = head.into_iter().chain(scope).map(|path| cell(summary.pointer(path)));
        let tally = TALLY.iter().map(|name| cell(summary["tally"].get(name)));
        let numbers = numbers.iter().map(|path| {
            let (group, name) = path.split_once('.').unwrap_or((path, ""));
            cell(summary[group].get(name))
        });
        table.write_record(cells.chain(tally).chain(numbers))?;
    }
    table.flush()
}

/// A value as a cell of a table; what is not known stays empty.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(period: &str, lines: &[Value], format: ReportFormat) -> String {
        let args = args::Report {
            files: Vec::new(),
            store: args::StateDirectory::default(),
            period: Period::parse(period).expect("a period"),
            levels: Vec::new(),
            format,
            out: None,
        };
        let mut chosen = BTreeMap::new();
        for line in lines {
            choose(line.to_string().as_bytes(), &args, &mut chosen).expect("a summary");
        }
        let mut out = Vec::new();
        write(&chosen, format, &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    fn summary(window: &str, start: &str, revision: u64, import_j: i64) -> Value {
        json!({
            "schema": "chargetally.summary/1",
            "scope": {"level": "nation", "code": null, "name": "China", "name_zh": "全国"},
            "window": {"name": window, "start": start, "end": start, "revision": revision},
            "tally": {"import_j": import_j},
            "efficiency": {"time_utilisation": 0.25},
        })
    }

    #[test]
    fn a_month_is_told_by_its_days_in_their_last_revisions() {
        let lines = [
            summary("1mo", "2026-05-01T00:00:00+08:00", 0, 9),
            summary("1d", "2026-05-02T00:00:00+08:00", 1, 2),
            summary("1d", "2026-05-02T00:00:00+08:00", 0, 1),
            summary("1d", "2026-06-01T00:00:00+08:00", 0, 5),
            summary("1h", "2026-05-02T00:00:00+08:00", 0, 7),
        ];
        let table = report("2026-05", &lines, ReportFormat::Csv);
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let column = reader.headers().expect("headers").iter().position(|name| name == "tally.import_j");
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("rows");
        let import: Vec<&str> = rows.iter().map(|row| &row[column.expect("a column")]).collect();
        assert_eq!(import, ["2", "9"]);
        assert!(table.contains("time_utilisation") && table.contains("0.25"));
        let json: Value = serde_json::from_str(&report("2026-05", &lines, ReportFormat::Json)).expect("JSON");
        assert_eq!(json.as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn a_period_is_a_day_a_month_or_a_year() {
        for good in ["2026", "2026-02", "2028-02-29"] {
            assert!(Period::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "26", "2026-13", "2026-02-30", "2026-5", "may"] {
            assert!(Period::parse(bad).is_err(), "{bad}");
        }
    }
}
