//! Reads the valley periods of time-of-use tariffs from a CSV file. It says where and how a file is wrong, and never
//! takes a part of a file that has a fault.
//!
//! ```csv
//! province,months,from,to
//! ,,23:00,07:00
//! 37,6-8,11:00,14:00
//! 37,"1-5,9-12",10:00,15:00
//! ```
//! `province` is a 2-digit code, or empty for all provinces without rows of their own; `months` are months and ranges
//! of months with commas between them (`11-2` reaches over the new year), or empty for all; `from` and `to` are local
//! times, `to` up to 24:00, and earlier than `from` where the period reaches over midnight. Lines that begin with `#`
//! are remarks.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chargetally_core::region::provinces;
use chargetally_core::rollup::ValleyPeriod;

use super::meant::valley_period;
use super::reference::{line_of, reader_of};

/// The largest file read.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Periods at most: every base bucket of every connector is looked up in them.
pub const PERIODS_MAX: usize = 2_000;

/// What is wrong with a file of valley periods, and where.
#[derive(Debug)]
pub struct TariffError {
    /// The file, where the text came from one.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column by its name.
    pub column: Option<&'static str>,
    /// The fault itself.
    pub problem: Problem,
}

/// The faults a file of valley periods can have. `Display` adds what to do about each.
#[derive(Debug)]
pub enum Problem {
    /// It cannot be read.
    Read(io::Error),
    /// It has more than [`FILE_BYTES_MAX`] bytes.
    TooLong,
    /// It has more than [`PERIODS_MAX`] periods.
    TooMany,
    /// It is no CSV.
    Csv(csv::Error),
    /// The first line is not the header.
    Header,
    /// A row has another number of cells than the header.
    Cells(usize),
    /// There is no province with this code.
    Province(String),
    /// These are no months.
    Months(String),
    /// These times make no period.
    Period(String),
}

impl fmt::Display for TariffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}", file.display())?,
            None => f.write_str("valley periods")?,
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

impl std::error::Error for TariffError {
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
            Self::TooLong => write!(f, "is longer than {FILE_BYTES_MAX} bytes; keep one row for each period"),
            Self::TooMany => write!(f, "has more than {PERIODS_MAX} periods; join those of several months in one row"),
            Self::Csv(_) => f.write_str("is no CSV; save it with commas and in UTF-8"),
            Self::Header => write!(f, "is not the header; begin with the line '{}'", COLUMNS.join(",")),
            Self::Cells(found) => {
                write!(f, "{found} cells where the header has {}; put several months in quotes", COLUMNS.len())
            }
            Self::Province(text) => {
                write!(f, "'{text}' is no province; write its 2-digit code, or leave the cell empty for all others")
            }
            Self::Months(text) => {
                write!(f, "'{text}' are no months; write them like '6-8' or '1,7-8', or leave the cell empty for all")
            }
            Self::Period(text) => {
                write!(f, "'{text}' is no part of a day; write two different times like 23:00 and 07:00")
            }
        }
    }
}

const COLUMNS: [&str; 4] = ["province", "months", "from", "to"];

/// Reads a file.
///
/// # Errors
/// The file cannot be read, or anything that [`parse`] refuses; the error names the file.
pub fn read(file: &Path) -> Result<Vec<ValleyPeriod>, TariffError> {
    load(file).and_then(|text| parse(&text)).map_err(|error| TariffError { file: Some(file.to_owned()), ..error })
}

fn load(file: &Path) -> Result<String, TariffError> {
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| whole(Problem::Read(error)))?;
    let length =
        opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| whole(Problem::Read(error)))?;
    if length as u64 > FILE_BYTES_MAX { Err(whole(Problem::TooLong)) } else { Ok(text) }
}

/// Reads the text of a file.
///
/// # Errors
/// The first fault, with its line and column; see [`Problem`].
pub fn parse(text: &str) -> Result<Vec<ValleyPeriod>, TariffError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = reader_of(text);
    let mut rows = reader.records();
    let header = rows.next().ok_or_else(|| whole(Problem::Header))?.map_err(no_csv)?;
    if !header.iter().eq(COLUMNS) {
        return Err(at(line_of(text, &header), None, Problem::Header));
    }
    let mut periods = Vec::new();
    for row in rows {
        let row = row.map_err(no_csv)?;
        let line = line_of(text, &row);
        if periods.len() >= PERIODS_MAX {
            return Err(at(line, None, Problem::TooMany));
        }
        periods.push(period(&row, line)?);
    }
    Ok(periods)
}

fn period(row: &csv::StringRecord, line: u64) -> Result<ValleyPeriod, TariffError> {
    let cells: Vec<&str> = row.iter().collect();
    let &[province_cell, months_cell, from, to] = cells.as_slice() else {
        return Err(at(line, None, Problem::Cells(row.len())));
    };
    let refuse = |column: usize, problem: fn(String) -> Problem, cell: &str| {
        at(line, Some(COLUMNS[column]), problem(cell.to_owned()))
    };
    let province = province(province_cell).ok_or_else(|| refuse(0, Problem::Province, province_cell))?;
    let months = months(months_cell).ok_or_else(|| refuse(1, Problem::Months, months_cell))?;
    let times = format!("{from}-{to}");
    let period = valley_period(&times).map_err(|_| refuse(2, Problem::Period, &times))?;
    Ok(ValleyPeriod { province, months, ..period })
}

/// The province of a cell, `None` within for an empty one; `None` where there is no such province.
fn province(cell: &str) -> Option<Option<u8>> {
    if cell.is_empty() {
        return Some(None);
    }
    let code = cell.parse::<u8>().ok().filter(|_| cell.len() == 2)?;
    provinces().iter().any(|province| province.code == code).then_some(Some(code))
}

/// The months of a cell, in the order of the year and each once; empty for all of them.
fn months(cell: &str) -> Option<Vec<u8>> {
    let mut held = [false; 12];
    for part in cell.split(',').map(str::trim).filter(|_| !cell.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut month, last) = (month(first)?, month(last)?);
        held[month] = true;
        while month != last {
            month = (month + 1) % 12;
            held[month] = true;
        }
    }
    Some((1..=12).zip(held).filter_map(|(month, held)| held.then_some(month)).collect())
}

/// A month, from 0.
fn month(text: &str) -> Option<usize> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<usize>().ok().filter(|month| digits && (1..=12).contains(month)).map(|month| month - 1)
}

fn whole(problem: Problem) -> TariffError {
    TariffError { file: None, line: None, column: None, problem }
}

fn no_csv(error: csv::Error) -> TariffError {
    let line = error.position().map(csv::Position::line);
    TariffError { line, ..whole(Problem::Csv(error)) }
}

fn at(line: u64, column: Option<&'static str>, problem: Problem) -> TariffError {
    TariffError { file: None, line: Some(line), column, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "province,months,from,to\n";

    #[track_caller]
    fn check_fault(text: &str, expected: &str) {
        let error = parse(text).expect_err("a fault");
        assert_eq!(error.to_string(), format!("valley periods{expected}"));
    }

    #[test]
    fn rows_become_periods() {
        let text = format!("# 2026\n{HEADER},,23:00,07:00\n37,6-8,11:00,14:00\n37,\"11-2, 5\",22:00,24:00\n");
        let period = |province, months: &[u8], from_minute, to_minute| ValleyPeriod {
            province,
            months: months.to_vec(),
            from_minute,
            to_minute,
        };
        let expected = [
            period(None, &[], 1_380, 420),
            period(Some(37), &[6, 7, 8], 660, 840),
            period(Some(37), &[1, 2, 5, 11, 12], 1_320, 1_440),
        ];
        assert_eq!(parse(&text).expect("a good file"), expected);
        assert_eq!(parse(HEADER).expect("a file without rows"), []);
    }

    #[test]
    fn each_fault_names_line_column_and_remedy() {
        check_fault("", ": is not the header; begin with the line 'province,months,from,to'");
        check_fault(
            "# a\nprovince,from\n",
            ", line 2: is not the header; begin with the line 'province,months,from,to'",
        );
        check_fault(
            &format!("{HEADER}37,1,7,11:00,14:00\n"),
            ", line 2: 5 cells where the header has 4; put several months in quotes",
        );
        for wrong in ["99", "3", "+3", "037", "x"] {
            check_fault(
                &format!("{HEADER}# remark\n\n{wrong},,11:00,14:00\n"),
                &format!(
                    ", line 4, column province: '{wrong}' is no province; write its 2-digit code, or leave the cell \
                     empty for all others"
                ),
            );
        }
        for wrong in ["0", "13", "6-", "June", "+6", "6--8"] {
            check_fault(
                &format!("{HEADER}37,{wrong},11:00,14:00\n"),
                &format!(
                    ", line 2, column months: '{wrong}' are no months; write them like '6-8' or '1,7-8', or leave the \
                     cell empty for all"
                ),
            );
        }
        for (from, to) in [("11:00", "11:00"), ("24:00", "01:00"), ("7:00", "08:00"), ("", "07:00")] {
            check_fault(
                &format!("{HEADER},,07:00,08:00\n,,{from},{to}\n"),
                &format!(
                    ", line 3, column from: '{from}-{to}' is no part of a day; write two different times like 23:00 \
                     and 07:00"
                ),
            );
        }
    }

    #[test]
    fn a_file_beyond_a_limit_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join("valley.csv");
        let missing = read(&file).expect_err("no file yet");
        assert!(missing.to_string().starts_with(&format!("{}: cannot be read; give", file.display())));
        std::fs::write(&file, format!("{HEADER}{}", ",,23:00,07:00\n".repeat(PERIODS_MAX))).expect("written");
        assert_eq!(read(&file).expect("as many as may be").len(), PERIODS_MAX);
        std::fs::write(&file, format!("{HEADER}{}", ",,23:00,07:00\n".repeat(PERIODS_MAX + 1))).expect("written");
        assert!(matches!(read(&file), Err(TariffError { line: Some(2_002), problem: Problem::TooMany, .. })));
        let length = usize::try_from(FILE_BYTES_MAX).expect("a small limit") + 1;
        std::fs::write(&file, "#".repeat(length)).expect("written");
        assert!(matches!(read(&file), Err(TariffError { problem: Problem::TooLong, .. })));
    }
}
