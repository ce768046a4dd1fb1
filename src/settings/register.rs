//! Reads the master data of stations that send none from a CSV file, a row for each connector. It says where and how a
//! file is wrong, and never takes a part of a file that has a fault.
//!
//! ```csv
//! station,connector,name,area,access,scene,rated_kw,current,v2g
//! house-7,1,五华充电站,530102001,public,roadside,11,ac,
//! house-7,2,,,,,22,ac,yes
//! ```
//! `operator` may be a column too; without it, or where it is empty, it is the source's. What is said of a station as a
//! whole stands in any of its rows. Lines that begin with `#` are remarks.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use chargetally_core::region::Area;
use chargetally_core::registration::{Access, ConnectorSpec, Current, Equipment, Registration, Scene, StationState};
use chargetally_core::unit::watts_from_kw;

use super::reference::{line_of, reader_of};
use crate::dialect::mapping::register::Register;
use crate::topic::{ID_BYTES_MAX, check_id};

/// The largest file read; a million connectors take some 60 MB.
pub const FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Greatest rating, kW.
const RATED_KW_MAX: f64 = 10_000.0;

const COLUMNS: [&str; 10] =
    ["operator", "station", "connector", "name", "area", "access", "scene", "rated_kw", "current", "v2g"];

/// What is wrong with a register, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterError {
    /// The file, where the text came from one.
    pub file: Option<PathBuf>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The fault, and what to do about it.
    pub what: String,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}", file.display())?,
            None => f.write_str("register")?,
        }
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for RegisterError {}

/// Reads a file; stations without an operator are this one's.
///
/// # Errors
/// The file cannot be read, or anything that [`parse`] refuses; the error names the file.
pub fn read(file: &Path, operator: &str) -> Result<Register, RegisterError> {
    load(file)
        .and_then(|text| parse(&text, operator))
        .map_err(|error| RegisterError { file: Some(file.into()), ..error })
}

fn load(file: &Path) -> Result<String, RegisterError> {
    let mut text = String::new();
    let unreadable = |error: std::io::Error| {
        whole(format!("cannot be read ({error}); give a readable UTF-8 file or leave the setting out"))
    };
    let length = File::open(file)
        .and_then(|opened| opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    if length as u64 > FILE_BYTES_MAX {
        return Err(whole(format!("is longer than {FILE_BYTES_MAX} bytes; keep one row for each connector")));
    }
    Ok(text)
}

/// Reads the text of a file.
///
/// # Errors
/// The first fault, with its line.
pub fn parse(text: &str, operator: &str) -> Result<Register, RegisterError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = reader_of(text);
    let mut rows = reader.records();
    let begin = || whole(format!("has no header; begin with the line '{}'", COLUMNS[1..].join(",")));
    let header = rows.next().ok_or_else(begin)?.map_err(|error| no_csv(&error))?;
    let columns = columns(&header).map_err(|what| at(line_of(text, &header), what))?;
    let mut stations = BTreeMap::new();
    for row in rows {
        let row = row.map_err(|error| no_csv(&error))?;
        take_row(&mut stations, &columns, &row, operator).map_err(|what| at(line_of(text, &row), what))?;
    }
    Ok(Register::new(stations))
}

/// The columns in the order of the file, each as an index of [`COLUMNS`].
fn columns(header: &csv::StringRecord) -> Result<Vec<usize>, String> {
    let mut columns = Vec::with_capacity(COLUMNS.len());
    for cell in header {
        let column = COLUMNS.iter().position(|&name| name == cell);
        let column =
            column.ok_or_else(|| format!("unknown column '{cell}'; remove it (known: {})", COLUMNS.join(", ")))?;
        if columns.contains(&column) {
            return Err(format!("the column '{cell}' is there twice; remove one"));
        }
        columns.push(column);
    }
    match [1, 2].into_iter().find(|column| !columns.contains(column)) {
        Some(missing) => Err(format!("the header has no column '{}'; add it", COLUMNS[missing])),
        None => Ok(columns),
    }
}

type Stations = BTreeMap<(Box<str>, Box<str>), Registration>;

fn take_row(stations: &mut Stations, columns: &[usize], row: &csv::StringRecord, operator: &str) -> Result<(), String> {
    if row.len() != columns.len() {
        let what = "an unknown value is an empty cell";
        return Err(format!("{} cells where the header has {}; {what}", row.len(), columns.len()));
    }
    let mut cells = [""; COLUMNS.len()];
    for (&column, cell) in columns.iter().zip(row) {
        cells[column] = cell;
    }
    let [own_operator, station, connector, name, area, access, scene, rated_kw, current, v2g] = cells;
    let id = |column: usize, text: &str| match check_id(text, ID_BYTES_MAX) {
        Ok(id) => Ok(Box::from(id)),
        Err(_) => Err(wrong(column, text, "write 1 to 64 bytes without / + # or control characters")),
    };
    let operator = if own_operator.is_empty() { operator } else { own_operator };
    let key = (id(0, operator)?, id(1, station)?);
    let connector: Box<str> = id(2, connector)?;
    let registration = stations.entry(key).or_insert_with(|| Registration {
        at: None,
        name: "".into(),
        area: None,
        access: None,
        scene: None,
        state: StationState::Operating,
        equipment: Vec::new(),
    });
    take_station(registration, [name, area, access, scene])?;
    if registration.equipment.iter().any(|piece| piece.id == connector) {
        return Err(format!("connector '{connector}' of station '{station}' was given before; keep one row"));
    }
    let rated_w = rating(rated_kw)?;
    let spec = ConnectorSpec {
        id: connector.clone(),
        rated_w,
        current: match current {
            "" => None,
            "ac" => Some(Current::Ac),
            "dc" => Some(Current::Dc),
            _ => return Err(wrong(8, current, "write ac or dc, or leave the cell empty")),
        },
        v_max: None,
        v2g: match v2g {
            "" | "no" | "false" | "0" => false,
            "yes" | "true" | "1" => true,
            _ => return Err(wrong(9, v2g, "write yes or no, or leave the cell empty")),
        },
        discharge_w: None,
    };
    registration.equipment.push(Equipment { id: connector, rated_w, production_day: None, connectors: vec![spec] });
    Ok(())
}

/// What a row says of its station as a whole: its name, area, access and scene.
fn take_station(registration: &mut Registration, [name, area, access, scene]: [&str; 4]) -> Result<(), String> {
    if !name.is_empty() {
        registration.name = name.into();
    }
    if !area.is_empty() {
        registration.area =
            Some(Area::parse(area).map_err(|_| wrong(4, area, "write a GB/T 2260 code of 6, 9 or 12 digits"))?);
    }
    let names = |all: &[&str]| format!("write one of {}", all.join(" "));
    if !access.is_empty() {
        let found = Access::ALL.into_iter().find(|one| one.name() == access);
        registration.access = Some(found.ok_or_else(|| wrong(5, access, &names(&Access::ALL.map(Access::name))))?);
    }
    if !scene.is_empty() {
        let found = Scene::ALL.into_iter().find(|one| one.name() == scene);
        registration.scene = Some(found.ok_or_else(|| wrong(6, scene, &names(&Scene::ALL.map(Scene::name))))?);
    }
    Ok(())
}

/// A rating, W; one of nothing is none.
fn rating(cell: &str) -> Result<Option<u32>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    let kw = cell.parse::<f64>().ok().filter(|kw| (0.0..=RATED_KW_MAX).contains(kw));
    let rated_w = kw.and_then(watts_from_kw).and_then(|rated_w| u32::try_from(rated_w).ok());
    match rated_w {
        Some(rated_w) => Ok(Some(rated_w).filter(|&rated_w| rated_w > 0)),
        None => Err(wrong(7, cell, "write a number of kW from 0 to 10000, or leave the cell empty")),
    }
}

fn wrong(column: usize, cell: &str, remedy: &str) -> String {
    format!("column {}: '{cell}' cannot be; {remedy}", COLUMNS[column])
}

fn whole(what: String) -> RegisterError {
    RegisterError { file: None, line: None, what }
}

fn no_csv(error: &csv::Error) -> RegisterError {
    let line = error.position().map(csv::Position::line);
    RegisterError { line, ..whole("is no CSV; save it with commas and in UTF-8".to_owned()) }
}

fn at(line: u64, what: String) -> RegisterError {
    RegisterError { line: Some(line), ..whole(what) }
}

#[cfg(test)]
mod tests {
    use chargetally_core::observation::StationKey;

    use super::*;

    #[track_caller]
    fn check_fault(text: &str, expected: &str) {
        assert_eq!(parse(text, "me").expect_err("a fault").to_string(), format!("register{expected}"));
    }

    #[test]
    fn rows_become_stations_with_their_connectors() {
        let text = "station,connector,name,area,access,scene,rated_kw,current,v2g,operator\n# remark\n\
                    s,1,五华充电站,530102001,public,roadside,11,ac,,\ns,2,,,,,0,dc,yes,\nt,1,,,,,,,,other\n";
        let register = parse(text, "me").expect("a good file");
        let station = |operator, station| register.station(StationKey { operator, station });
        let (_, first) = station("me", "s").expect("a station");
        assert_eq!(
            (&*first.name, first.access, first.scene),
            ("五华充电站", Some(Access::Public), Some(Scene::Roadside))
        );
        assert_eq!(first.area, Area::parse("530102001").ok());
        let connectors: Vec<_> = first.equipment.iter().map(|piece| &piece.connectors[0]).collect();
        assert_eq!(connectors.len(), 2);
        assert_eq!(
            (connectors[0].rated_w, connectors[0].current, connectors[0].v2g),
            (Some(11_000), Some(Current::Ac), false)
        );
        assert_eq!((connectors[1].rated_w, connectors[1].current, connectors[1].v2g), (None, Some(Current::Dc), true));
        assert!(station("other", "t").is_some());
        assert!(station("me", "t").is_none());
    }

    #[test]
    fn each_fault_names_line_and_remedy() {
        check_fault(
            "",
            ": has no header; begin with the line 'station,connector,name,area,access,scene,rated_kw,current,v2g'",
        );
        check_fault("station\n", ", line 1: the header has no column 'connector'; add it");
        check_fault("station,connector,station\n", ", line 1: the column 'station' is there twice; remove one");
        check_fault(
            "station,connector\n# remark\na,1,2\n",
            ", line 3: 3 cells where the header has 2; an unknown value is an empty cell",
        );
        check_fault(
            "station,connector\na,1\na,1\n",
            ", line 3: connector '1' of station 'a' was given before; keep one row",
        );
        check_fault(
            "station,connector,rated_kw\na,1,much\n",
            ", line 2: column rated_kw: 'much' cannot be; write a number of kW from 0 to 10000, or leave the cell empty",
        );
        check_fault(
            "station,connector,current\na,1,three\n",
            ", line 2: column current: 'three' cannot be; write ac or dc, or leave the cell empty",
        );
        check_fault(
            "station,connector\na/b,1\n",
            ", line 2: column station: 'a/b' cannot be; write 1 to 64 bytes without / + # or control characters",
        );
    }
}
