//! Reads the reference figures of regions (vehicles, inhabitants, highway service areas) from a CSV file. It says where
//! and how a file is wrong, and never takes a part of a file that has a fault.
//!
//! ```csv
//! # version: 2025-12
//! area,ev_stock,population,highway_service_areas
//! 53,1000000,46700000,180
//! 530102,,1140000,
//! ```
//! `area` is `nation` or the code of a province, city or county; an empty cell is unknown. Further columns are faults,
//! missing ones (but for `area`) are unknown for every region. Lines that begin with `#` are remarks.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chargetally_core::region::{Figures, ReferenceBuilder, ReferenceData, ReferenceFault, Region, RegionError};

/// The largest file read; some 3,400 areas with their figures take 200 kB.
pub const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How far the version may stretch; it is repeated in every summary.
pub const VERSION_BYTES_MAX: usize = 64;

const VERSION_MARK: &str = "version:";

/// What is wrong with a file of reference figures, and where.
#[derive(Debug)]
pub struct ReferenceError {
    /// The file, where the text came from one.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column by its name.
    pub column: Option<&'static str>,
    /// The fault itself.
    pub problem: Problem,
}

/// The faults a file of reference figures can have. `Display` adds what to do about each.
#[derive(Debug)]
pub enum Problem {
    /// It cannot be read.
    Read(io::Error),
    /// It has more than [`FILE_BYTES_MAX`] bytes.
    TooLong,
    /// It is no CSV.
    Csv(csv::Error),
    /// The header has no `area`.
    NoAreaColumn,
    /// The header has a column that is none of ours.
    UnknownColumn(String),
    /// The header has a column twice.
    ColumnTwice,
    /// A row has another number of cells than the header.
    Cells {
        /// As many as the header.
        expected: usize,
        /// As many as the row.
        found: usize,
    },
    /// The area is none.
    Area(String, RegionError),
    /// The figure is below zero.
    Negative(String),
    /// The figure is no whole number.
    NotWhole(String),
    /// The region is given twice, or a figure is too large.
    Refused(ReferenceFault),
    /// The version is longer than [`VERSION_BYTES_MAX`].
    VersionTooLong,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}", file.display())?,
            None => f.write_str("reference figures")?,
        }
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ReferenceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Read(error) => Some(error),
            Problem::Csv(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(_) => f.write_str("cannot be read; give a readable UTF-8 file or leave the setting out"),
            Self::TooLong => write!(f, "is longer than {FILE_BYTES_MAX} bytes; keep one row for each area"),
            Self::Csv(_) => f.write_str("is no CSV; save it with commas and in UTF-8"),
            Self::NoAreaColumn => {
                write!(f, "the header has no column 'area'; begin with the line '{}'", COLUMNS.join(","))
            }
            Self::UnknownColumn(name) => {
                write!(f, "unknown column '{name}'; remove it (known: {})", COLUMNS.join(", "))
            }
            Self::ColumnTwice => f.write_str("the header has this column twice; remove one"),
            Self::Cells { expected, found } => {
                write!(f, "{found} cells where the header has {expected}; an unknown figure is an empty cell")
            }
            Self::Area(text, RegionError::Retired(current)) => {
                write!(f, "'{text}' is out of use; add its figures to those of {current}")
            }
            Self::Area(text, error) => write!(f, "'{text}': {error}; correct it or remove the row"),
            Self::Negative(text) => write!(f, "'{text}' is below zero; write 0 or more, or leave the cell empty"),
            Self::NotWhole(text) => {
                write!(f, "'{text}' is no whole number; write digits only, or leave the cell empty if it is unknown")
            }
            Self::Refused(ReferenceFault::Duplicate(_)) => f.write_str("this region was given before; keep one row"),
            Self::Refused(fault) => write!(f, "{fault}; check the unit"),
            Self::VersionTooLong => write!(f, "the version is longer than {VERSION_BYTES_MAX} bytes; shorten it"),
        }
    }
}

const COLUMNS: [&str; 4] = ["area", "ev_stock", "population", "highway_service_areas"];

/// Reads a file.
///
/// # Errors
/// The file cannot be read, or anything that [`parse`] refuses; the error names the file.
pub fn read(file: &Path) -> Result<ReferenceData, ReferenceError> {
    load(file).and_then(|text| parse(&text)).map_err(|error| ReferenceError { file: Some(file.to_owned()), ..error })
}

fn load(file: &Path) -> Result<String, ReferenceError> {
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| whole(Problem::Read(error)))?;
    let length =
        opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| whole(Problem::Read(error)))?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(whole(Problem::TooLong));
    }
    Ok(text)
}

/// Reads the text of a file.
///
/// # Errors
/// The first fault, with its line and column; see [`Problem`].
pub fn parse(text: &str) -> Result<ReferenceData, ReferenceError> {
    let text = text.trim_start_matches('\u{feff}');
    let version = version(text)?;
    let mut reader = reader_of(text);
    let mut rows = reader.records();
    let Some(header) = rows.next() else { return Err(whole(Problem::NoAreaColumn)) };
    let header = header.map_err(no_csv)?;
    let columns = header_columns(&header, line_of(text, &header))?;
    let mut builder = ReferenceBuilder::default();
    for row in rows {
        let row = row.map_err(no_csv)?;
        take_row(&mut builder, &columns, &row, line_of(text, &row))?;
    }
    Ok(builder.build(version))
}

/// The version on the first line, if that is a remark which begins with `version:`.
fn version(text: &str) -> Result<String, ReferenceError> {
    let remark = text.lines().next().and_then(|line| line.trim_start().strip_prefix('#'));
    let version = remark.and_then(|remark| remark.trim().strip_prefix(VERSION_MARK)).unwrap_or_default().trim();
    if version.len() > VERSION_BYTES_MAX {
        return Err(ReferenceError { line: Some(1), ..whole(Problem::VersionTooLong) });
    }
    Ok(version.to_owned())
}

/// The columns in the order of the file, each as an index of [`COLUMNS`].
fn header_columns(header: &csv::StringRecord, line: u64) -> Result<Vec<usize>, ReferenceError> {
    let mut columns = Vec::with_capacity(COLUMNS.len());
    for cell in header {
        let Some(column) = COLUMNS.iter().position(|&name| name == cell) else {
            return Err(at(line, None, Problem::UnknownColumn(cell.to_owned())));
        };
        if columns.contains(&column) {
            return Err(at(line, Some(column), Problem::ColumnTwice));
        }
        columns.push(column);
    }
    if columns.contains(&0) { Ok(columns) } else { Err(at(line, None, Problem::NoAreaColumn)) }
}

fn take_row(
    builder: &mut ReferenceBuilder,
    columns: &[usize],
    row: &csv::StringRecord,
    line: u64,
) -> Result<(), ReferenceError> {
    if row.len() != columns.len() {
        return Err(at(line, None, Problem::Cells { expected: columns.len(), found: row.len() }));
    }
    let mut region = None;
    let mut figures = [None; COLUMNS.len()];
    for (&column, cell) in columns.iter().zip(row) {
        if column == 0 {
            let read = Region::parse(cell).map_err(|error| Problem::Area(cell.to_owned(), error));
            region = Some(read.map_err(|problem| at(line, Some(column), problem))?);
        } else {
            figures[column] = figure(cell).map_err(|problem| at(line, Some(column), problem))?;
        }
    }
    let Some(region) = region else { return Err(at(line, None, Problem::NoAreaColumn)) };
    let [_, ev_stock, population, highway_service_areas] = figures;
    builder
        .insert(region, Figures { ev_stock, population, highway_service_areas })
        .map_err(|fault| at(line, refused_column(fault, &figures), Problem::Refused(fault)))
}

fn refused_column(fault: ReferenceFault, figures: &[Option<u64>]) -> Option<usize> {
    match fault {
        ReferenceFault::Duplicate(_) => Some(0),
        ReferenceFault::TooLarge(figure) => figures.iter().position(|&one| one == Some(figure)),
    }
}

/// A cell's figure; `None` for an empty one.
fn figure(cell: &str) -> Result<Option<u64>, Problem> {
    if cell.is_empty() {
        return Ok(None);
    }
    if cell.starts_with('-') {
        return Err(Problem::Negative(cell.to_owned()));
    }
    if !cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::NotWhole(cell.to_owned()));
    }
    // Only a number of more than 19 digits fails here; the builder refuses it for its size.
    Ok(Some(cell.parse().unwrap_or(u64::MAX)))
}

fn whole(problem: Problem) -> ReferenceError {
    ReferenceError { file: None, line: None, column: None, problem }
}

fn no_csv(error: csv::Error) -> ReferenceError {
    let line = error.position().map(csv::Position::line);
    ReferenceError { line, ..whole(Problem::Csv(error)) }
}

fn at(line: u64, column: Option<usize>, problem: Problem) -> ReferenceError {
    let column = column.and_then(|column| COLUMNS.get(column).copied());
    ReferenceError { file: None, line: Some(line), column, problem }
}

/// Reads the rows of a table that the settings name: the header is a row too, and what begins with `#` is a remark.
pub(super) fn reader_of(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
}

/// The line that a row begins on. The reader's own position lies before the remarks and empty lines that it skipped.
pub(super) fn line_of(text: &str, row: &csv::StringRecord) -> u64 {
    let Some(position) = row.position() else { return 1 };
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let skipped = rest.lines().take_while(|line| line.is_empty() || line.starts_with('#')).count();
    position.line() + skipped as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "area,ev_stock,population,highway_service_areas\n";

    #[track_caller]
    fn check_fault(text: &str, expected: &str) {
        let error = parse(text).expect_err("a fault");
        assert_eq!(error.to_string(), format!("reference figures{expected}"));
    }

    #[test]
    fn a_file_gives_its_version_and_figures() {
        let data = parse(&format!("# version: 2025-12\n{HEADER}530102,1200,1140000,\n53,,46700000,180\n"));
        let data = data.expect("a good file");
        let wuhua = Region::County(530_102);
        assert_eq!(data.version(), "2025-12");
        assert_eq!((data.ev_stock(wuhua), data.population(wuhua)), (Some(1_200), Some(1_140_000)));
        assert_eq!(data.highway_service_areas(wuhua), None);
        assert_eq!(data.highway_service_areas(Region::Province(53)), Some(180));
        assert_eq!(data.ev_stock(Region::Province(53)), None);
    }

    #[test]
    fn columns_come_in_any_order_and_may_be_left_out() {
        let data = parse("\u{feff}population , area\r\n 5 , 4419 \r\n").expect("a good file");
        assert_eq!(data.population(Region::City(4419)), Some(5));
        assert_eq!(data.version(), "");
        assert!(parse("area\n").is_ok_and(|data| data.is_empty()));
    }

    #[test]
    fn each_fault_names_line_column_and_remedy() {
        check_fault(
            "",
            ": the header has no column 'area'; begin with the line \
            'area,ev_stock,population,highway_service_areas'",
        );
        check_fault(
            "area,cars\n",
            ", line 1: unknown column 'cars'; remove it \
            (known: area, ev_stock, population, highway_service_areas)",
        );
        check_fault(
            "area,population,population\n",
            ", line 1, column population: the header has this column twice; \
            remove one",
        );
        check_fault(
            &format!("{HEADER}53,1,2\n"),
            ", line 2: 3 cells where the header has 4; an unknown figure is \
            an empty cell",
        );
        check_fault(
            &format!("{HEADER}\n# remark\n53,-1,,\n"),
            ", line 4, column ev_stock: '-1' is below zero; \
            write 0 or more, or leave the cell empty",
        );
        check_fault(
            &format!("{HEADER}53,1,2.5,\n"),
            ", line 2, column population: '2.5' is no whole number; write \
            digits only, or leave the cell empty if it is unknown",
        );
        check_fault(
            &format!("{HEADER}530199,1,,\n"),
            ", line 2, column area: '530199': no province, city or county \
            has this code; correct it or remove the row",
        );
        check_fault(
            &format!("{HEADER}500105,1,,\n"),
            ", line 2, column area: '500105' is out of use; add its \
            figures to those of 500157",
        );
        check_fault(
            &format!("{HEADER}53,1,,\n530000,1,,\n"),
            ", line 3, column area: this region was given before; \
            keep one row",
        );
        check_fault(
            &format!("{HEADER}53,,,99999999999999999999999\n"),
            ", line 2, column highway_service_areas: \
            18446744073709551615 is more than any region can have (1000000000000); check the unit",
        );
        check_fault(
            &format!("# version: {}\n", "x".repeat(65)),
            ", line 1: the version is longer than 64 bytes; \
            shorten it",
        );
    }

    #[test]
    fn the_line_is_that_of_the_file_whatever_ends_or_precedes_it() {
        for end in ["\n", "\r\n"] {
            let lines = ["# version: 1", "# remark", "area,population", "", "53,1", "# remark", "", "5301,x"];
            let expected = ", line 8, column population: 'x' is no whole number; write digits only, or leave the cell \
                empty if it is unknown";
            check_fault(&lines.join(end), expected);
            check_fault(
                &["# remark", "", "cars"].join(end),
                ", line 3: unknown column 'cars'; remove it \
                (known: area, ev_stock, population, highway_service_areas)",
            );
        }
    }

    #[test]
    fn a_fault_in_a_file_names_the_file() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("reference.csv");
        let missing = read(&file).expect_err("no file yet");
        assert!(missing.to_string().starts_with(&format!("{}: cannot be read", file.display())));
        std::fs::write(&file, format!("{HEADER}53,x,,\n")).expect("a written file");
        let fault = read(&file).expect_err("a fault");
        assert!(fault.to_string().starts_with(&format!("{}, line 2, column ev_stock: 'x'", file.display())));
        std::fs::write(&file, format!("{HEADER}53,7,,\n")).expect("a written file");
        assert_eq!(read(&file).expect("a good file").ev_stock(Region::Province(53)), Some(7));
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("reference.csv");
        let length = usize::try_from(FILE_BYTES_MAX).expect("a small limit") + 1;
        std::fs::write(&file, "#".repeat(length)).expect("a written file");
        assert!(matches!(read(&file), Err(ReferenceError { problem: Problem::TooLong, .. })));
    }
}
