//! Settings as they are written: files and directories of TOML, read with the line of every key and merged by
//! the `config` crate, the later over the earlier.
//!
//! This stage knows TOML and files, never what a key means. It hands on values that still carry the type they
//! were written with, because `config` itself would turn 60.7 into 61 and '90' into 90.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Map, Source, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::reader::Problem;

/// Files that are read at most, over all `--config` arguments.
const FILES_MAX: usize = 256;
/// Bytes of one settings file that are read at most.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads the files in the order given, a directory as its `*.toml` in name order, and merges them. What cannot
/// be read or is no TOML is added to `problems` and left out.
pub(super) fn merge(paths: &[PathBuf], problems: &mut Vec<Problem>) -> Map<String, Value> {
    let mut builder = Config::builder();
    let mut places = Map::new();
    for path in files_of(paths, problems) {
        match read_text(&path) {
            Ok(text) => {
                let written = Written::parse(&path, &text, problems);
                let place = |(key, value): (&String, &Value)| Some((key.clone(), value.origin()?.to_owned()));
                places.extend(written.values.iter().filter_map(place));
                builder = builder.add_source(written);
            }
            Err(what) => problems.push(Problem::of_file(&path, what)),
        }
    }
    let mut values = match builder.build().map(|merged| merged.cache.kind) {
        Ok(ValueKind::Table(values)) => values,
        Ok(_) => Map::new(),
        Err(error) => {
            problems.push(Problem::of_merging(&error));
            Map::new()
        }
    };
    for (key, value) in &mut values {
        // Merging leaves a table without its place; the last file that has the table gives it back.
        if value.origin().is_none() {
            let kind = std::mem::replace(&mut value.kind, ValueKind::Nil);
            *value = Value::new(places.get(key), kind);
        }
    }
    values
}

/// The values of one text, with `name:line` as their origins.
pub(super) fn parse(name: &str, text: &str, problems: &mut Vec<Problem>) -> Map<String, Value> {
    Written::parse(Path::new(name), text, problems).values
}

fn files_of(paths: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        match toml_files_in(path) {
            Ok(found) => files.extend(found),
            Err(error) => problems.push(Problem::of_file(path, format!("cannot be read: {error}"))),
        }
    }
    if files.len() > FILES_MAX {
        let what = format!("is one of {} files; at most {FILES_MAX} are read", files.len());
        problems.push(Problem::of_file(&files[FILES_MAX], what));
        files.truncate(FILES_MAX);
    }
    files
}

fn toml_files_in(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_text(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is longer than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..good].iter().filter(|&&byte| byte == b'\n').count();
        format!("is not UTF-8 in line {line}")
    })
}

/// One parsed file: its values, each with `file:line` as its origin.
#[derive(Debug, Clone)]
struct Written {
    values: Map<String, Value>,
}

impl Written {
    fn parse(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Self {
        let lines = Lines::new(path, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let at = lines.origin(error.span().map_or(0, |span| span.start));
            problems.push(Problem::of_syntax(at, error.message()));
        }
        let mut values = lines.table(table.get_ref(), "", problems);
        // `config` reads a top-level key as a path, so that one with a dot in it would become a table.
        values.retain(|key, value| {
            let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !plain {
                problems.push(Problem::new(value.origin(), key, "is no known table".to_owned()));
            }
            plain
        });
        Self { values }
    }
}

impl Source for Written {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.values.clone())
    }
}

/// Where the lines of one file begin.
struct Lines<'a> {
    path: &'a Path,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(path: &'a Path, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(index, _)| index + 1)).collect();
        Self { path, starts }
    }

    fn origin(&self, offset: usize) -> String {
        let line = self.starts.partition_point(|&start| start <= offset);
        format!("{}:{line}", self.path.display())
    }

    fn table(&self, table: &DeTable<'_>, parent: &str, problems: &mut Vec<Problem>) -> Map<String, Value> {
        let mut values = Map::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
            let at = self.origin(key.span().start);
            values.insert(name.to_owned(), self.value(value.get_ref(), &at, &path, problems));
        }
        values
    }

    fn value(&self, value: &DeValue<'_>, at: &str, path: &str, problems: &mut Vec<Problem>) -> Value {
        let kind = match value {
            DeValue::String(text) => ValueKind::String(text.to_string()),
            DeValue::Boolean(flag) => ValueKind::Boolean(*flag),
            DeValue::Datetime(time) => ValueKind::String(time.to_string()),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(integer) => ValueKind::I64(integer),
                Err(_) => {
                    problems.push(Problem::new(Some(at), path, "does not fit into 64 bits".to_owned()));
                    ValueKind::Nil
                }
            },
            DeValue::Float(digits) => ValueKind::Float(digits.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Table(table) => ValueKind::Table(self.table(table, path, problems)),
            DeValue::Array(array) => {
                let mut items = Vec::with_capacity(array.len());
                for (index, item) in array.iter().enumerate() {
                    let at = self.origin(item.span().start);
                    items.push(self.value(item.get_ref(), &at, &format!("{path}[{index}]"), problems));
                }
                ValueKind::Array(items)
            }
        };
        Value::new(Some(&at.to_owned()), kind)
    }
}
