//! Reads one table of merged settings key by key: it checks types and ranges, gathers every problem instead of
//! stopping at the first, remembers where each value came from, and at the end names the keys nobody asked for.
//!
//! The calls that read a key are the only list of known keys there is; nothing else may name them a second time.

mod nested;

use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;

use config::{Map, Value, ValueKind};

use super::meant::Millis;

/// Least likeness of a known key that is worth suggesting: 1 less the share of letters that differ.
const SLIPS_LIKENESS_MIN: f64 = 0.66;
/// Least likeness, 0 to 1, of a known key that begins like the wrong one.
const BEGINNING_LIKENESS_MIN: f64 = 0.85;

/// Something in the settings that is not right, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    at: Option<String>,
    key: String,
    what: String,
}

impl Problem {
    pub(super) fn new(at: Option<&str>, key: &str, what: String) -> Self {
        Self { at: at.map(str::to_owned), key: key.to_owned(), what }
    }

    pub(super) fn of_file(path: &Path, what: String) -> Self {
        Self { at: Some(path.display().to_string()), key: String::new(), what }
    }

    pub(super) fn of_syntax(at: String, message: &str) -> Self {
        Self { at: Some(at), key: String::new(), what: format!("is no TOML: {}", message.replace('\n', ", ")) }
    }

    pub(super) fn of_merging(error: &config::ConfigError) -> Self {
        Self { at: None, key: String::new(), what: format!("the files cannot be merged: {error}") }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.at, self.key.as_str()) {
            (Some(at), "") => write!(f, "{at}: {}", self.what),
            (Some(at), key) => write!(f, "{at}: {key}: {}", self.what),
            (None, "") => f.write_str(&self.what),
            (None, key) => write!(f, "{key}: {}", self.what),
        }
    }
}

/// One key as it is meant, for `chargetally check` to print. A secret is never in it, only the name of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The table's header as TOML writes it: `[mqtt]`, `[[source]]`.
    pub header: String,
    /// Place within an array of tables, 0 in a plain table.
    pub index: usize,
    /// The key within its table.
    pub key: &'static str,
    /// The value as TOML.
    pub value: String,
    /// `file:line`, or `None` for the default.
    pub at: Option<String>,
}

struct Unknown {
    at: Option<String>,
    header: String,
    table: String,
    key: String,
}

/// The merged settings while they are being read.
pub(super) struct Reader {
    values: Map<String, Value>,
    tables: Vec<&'static str>,
    problems: Vec<Problem>,
    entries: Vec<Entry>,
    unknown: Vec<Unknown>,
}

impl Reader {
    pub(super) fn new(values: Map<String, Value>, problems: Vec<Problem>) -> Self {
        Self { values, tables: Vec::new(), problems, entries: Vec::new(), unknown: Vec::new() }
    }

    /// Reads the plain table `name`; where it is not written, all of its defaults.
    pub(super) fn table<T>(&mut self, name: &'static str, read: impl Fn(&mut Section<'_>) -> T) -> T {
        self.tables.push(name);
        let values = match self.values.remove(name) {
            None => Map::new(),
            Some(value) => self.table_of(value, name),
        };
        self.section(format!("[{name}]"), name.to_owned(), 0, values, read)
    }

    /// Reads the array of tables `name`; where it is not written, one table of defaults.
    pub(super) fn tables<T>(
        &mut self,
        name: &'static str,
        count_max: usize,
        read: impl Fn(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        self.tables.push(name);
        let written = match self.values.remove(name) {
            None => vec![Map::new()],
            Some(value) => self.tables_of(value, name, count_max),
        };
        let mut read_tables = Vec::with_capacity(written.len());
        for (index, values) in written.into_iter().enumerate() {
            let path = format!("{name}[{index}]");
            read_tables.push(self.section(format!("[[{name}]]"), path, index, values, &read));
        }
        read_tables
    }

    /// Adds a problem that concerns several keys, at the place of `key` in the table with this path.
    pub(super) fn refuse(&mut self, header: &str, index: usize, key: &str, path: &str, what: String) {
        let mut table = self.entries.iter().filter(|entry| entry.header == header && entry.index == index);
        let own = table.clone().find(|entry| entry.key == key).and_then(|entry| entry.at.clone());
        // A default that clashes with what is written has no place of its own.
        let at = own.or_else(|| table.find_map(|entry| entry.at.clone()));
        self.problems.push(Problem { at, key: path.to_owned(), what });
    }

    /// All problems, with the unknown keys that are left, and all keys.
    pub(super) fn finish(mut self) -> (Vec<Problem>, Vec<Entry>) {
        let mut left: Vec<(String, Value)> = self.values.drain().collect();
        left.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, value) in left {
            let what = format!("is no known table{}", suggestion(&name, self.tables.iter().copied()));
            let at = origin_of(&value);
            self.problems.push(Problem { at, key: name, what });
        }
        for unknown in &self.unknown {
            let what = self.unknown_key(unknown);
            let key = format!("{}.{}", unknown.table, unknown.key);
            self.problems.push(Problem { at: unknown.at.clone(), key, what });
        }
        (self.problems, self.entries)
    }

    fn unknown_key(&self, unknown: &Unknown) -> String {
        let header = unknown.header.as_str();
        if unknown.key == "password" {
            let where_to = "put the password into a file and name it in password_file";
            return format!("is no known key of {header}: {where_to}");
        }
        let (own, others): (Vec<&Entry>, Vec<&Entry>) = self.entries.iter().partition(|entry| entry.header == header);
        if let Some(home) = others.iter().find(|entry| entry.key == unknown.key) {
            return format!("is no known key of {header}: it belongs to {}", home.header);
        }
        let hint = suggestion(&unknown.key, own.iter().map(|entry| entry.key));
        format!("is no known key of {header}{hint}")
    }

    fn section<T>(
        &mut self,
        header: String,
        path: String,
        index: usize,
        values: Map<String, Value>,
        read: impl Fn(&mut Section<'_>) -> T,
    ) -> T {
        let mut section = Section { reader: self, header, path, index, values };
        let meant = read(&mut section);
        section.close();
        meant
    }

    fn table_of(&mut self, value: Value, path: &str) -> Map<String, Value> {
        let at = origin_of(&value);
        match value.kind {
            ValueKind::Table(values) => values,
            ref other => {
                let what = format!("must be a table, [{path}], and is {}", name_of(other));
                self.problems.push(Problem::new(at.as_deref(), path, what));
                Map::new()
            }
        }
    }

    fn tables_of(&mut self, value: Value, name: &str, count_max: usize) -> Vec<Map<String, Value>> {
        let at = origin_of(&value);
        let refusal = match value.kind {
            ValueKind::Array(items) if (1..=count_max).contains(&items.len()) => {
                return items.into_iter().map(|item| self.table_of(item, name)).collect();
            }
            ValueKind::Array(items) => {
                format!("there are {} of them; from 1 to {count_max} are allowed", items.len())
            }
            ref other => format!("must be tables, [[{name}]], and is {}", name_of(other)),
        };
        self.problems.push(Problem { at, key: name.to_owned(), what: refusal });
        vec![Map::new()]
    }
}

/// One table while it is being read.
pub(super) struct Section<'a> {
    reader: &'a mut Reader,
    header: String,
    path: String,
    index: usize,
    values: Map<String, Value>,
}

impl Section<'_> {
    /// A whole number within `range`.
    pub(super) fn whole(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let (value, at) = self.take(key);
        let meant = match value {
            None => default,
            Some(ValueKind::I64(written)) => match u64::try_from(written).ok().filter(|n| range.contains(n)) {
                Some(number) => number,
                None => {
                    let (low, high) = range.into_inner();
                    self.refuse_value(key, at.as_deref(), out_of_range(written, low, high));
                    default
                }
            },
            Some(other) => {
                self.refuse_value(key, at.as_deref(), wrong_type("a whole number", &other));
                default
            }
        };
        self.enter(key, meant.to_string(), at);
        meant
    }

    /// A [`Section::whole`] of a narrower type; `range` must fit into it.
    pub(super) fn count<T>(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> T
    where
        T: TryFrom<u64>,
        T::Error: fmt::Debug,
    {
        T::try_from(self.whole(key, default, range)).expect("the range of a count fits its type")
    }

    /// A span of time that is written as a whole number of `unit_ms` milliseconds.
    pub(super) fn span(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>, unit_ms: u64) -> Millis {
        Millis::new(self.whole(key, default, range) * unit_ms)
    }

    /// A number within `range`; whole numbers may be written without a point.
    pub(super) fn number(&mut self, key: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let (value, at) = self.take(key);
        let written = match value {
            None => default,
            Some(ValueKind::Float(number)) => number,
            #[expect(clippy::cast_precision_loss, reason = "every range ends far below 2^53")]
            Some(ValueKind::I64(number)) => number as f64,
            Some(other) => {
                self.refuse_value(key, at.as_deref(), wrong_type("a number", &other));
                default
            }
        };
        let meant = if range.contains(&written) {
            written
        } else {
            let (low, high) = range.into_inner();
            self.refuse_value(key, at.as_deref(), out_of_range(written, low, high));
            default
        };
        self.enter(key, toml::Value::Float(meant).to_string(), at);
        meant
    }

    /// A number within `range`, kept as a whole number of its 1/`per_unit` parts.
    pub(super) fn fixed(&mut self, key: &'static str, default: f64, range: RangeInclusive<f64>, per_unit: f64) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "the range is small, and the product rounded")]
        let parts = (self.number(key, default, range) * per_unit).round() as i64;
        parts
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let (value, at) = self.take(key);
        let meant = match value {
            None => default,
            Some(ValueKind::Boolean(flag)) => flag,
            Some(other) => {
                self.refuse_value(key, at.as_deref(), wrong_type("true or false", &other));
                default
            }
        };
        self.enter(key, meant.to_string(), at);
        meant
    }

    /// A string that `parse` turns into what it means. Its error completes the sentence "KEY ..".
    pub(super) fn text<T>(&mut self, key: &'static str, default: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let (value, at) = self.take(key);
        let parsed = match value {
            None => None,
            Some(ValueKind::String(text)) => match parse(&text) {
                Ok(meant) => Some((text, meant)),
                Err(what) => {
                    self.refuse_value(key, at.as_deref(), what);
                    None
                }
            },
            Some(other) => {
                self.refuse_value(key, at.as_deref(), wrong_type("a string", &other));
                None
            }
        };
        let (text, meant) = parsed.unwrap_or_else(|| (default.to_owned(), default_of(key, default, &parse)));
        self.enter(key, toml::Value::String(text).to_string(), at);
        meant
    }

    /// A list of at most `count_max` different strings, each turned into what it means by `parse`.
    pub(super) fn list<T: PartialEq>(
        &mut self,
        key: &'static str,
        default: &[&str],
        count_max: usize,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let (value, at) = self.take(key);
        let written = match value {
            None => None,
            Some(ValueKind::Array(items)) if items.len() <= count_max => Some(items),
            Some(ValueKind::Array(items)) => {
                let what = format!("has {} entries; at most {count_max} are allowed", items.len());
                self.refuse_value(key, at.as_deref(), what);
                None
            }
            Some(other) => {
                self.refuse_value(key, at.as_deref(), wrong_type("a list of strings", &other));
                None
            }
        };
        let (texts, meant) = match written {
            Some(items) => self.items(key, items, &parse),
            None => default.iter().map(|&text| (text.to_owned(), default_of(key, text, &parse))).unzip(),
        };
        let shown = texts.into_iter().map(toml::Value::String).collect();
        self.enter(key, toml::Value::Array(shown).to_string(), at);
        meant
    }

    /// Adds a problem that concerns several keys of this table, at the place of `key`.
    pub(super) fn refuse(&mut self, key: &str, what: String) {
        let path = format!("{}.{key}", self.path);
        self.reader.refuse(&self.header, self.index, key, &path, what);
    }

    fn items<T: PartialEq>(
        &mut self,
        key: &str,
        items: Vec<Value>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> (Vec<String>, Vec<T>) {
        let (mut texts, mut meant) = (Vec::new(), Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("{key}[{index}]");
            let at = origin_of(&item);
            let parsed = match item.kind {
                ValueKind::String(text) => parse(&text).map(|value| (text, value)),
                other => Err(wrong_type("a string", &other)),
            };
            match parsed {
                Ok((text, value)) if meant.contains(&value) => {
                    self.refuse_value(&place, at.as_deref(), format!("{text:?} stands there twice"));
                }
                Ok((text, value)) => {
                    texts.push(text);
                    meant.push(value);
                }
                Err(what) => self.refuse_value(&place, at.as_deref(), what),
            }
        }
        (texts, meant)
    }

    fn take(&mut self, key: &'static str) -> (Option<ValueKind>, Option<String>) {
        match self.values.remove(key) {
            None => (None, None),
            Some(value) => {
                let at = origin_of(&value);
                // What could not be read as TOML has been reported, and counts as not written.
                (Some(value.kind).filter(|kind| *kind != ValueKind::Nil), at)
            }
        }
    }

    fn enter(&mut self, key: &'static str, value: String, at: Option<String>) {
        let (header, index) = (self.header.clone(), self.index);
        self.reader.entries.push(Entry { header, index, key, value, at });
    }

    fn refuse_value(&mut self, key: &str, at: Option<&str>, what: String) {
        let key = format!("{}.{key}", self.path);
        self.reader.problems.push(Problem::new(at, &key, what));
    }

    fn close(self) {
        let mut left: Vec<(String, Value)> = self.values.into_iter().collect();
        left.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, value) in left {
            let at = origin_of(&value);
            let (header, table) = (self.header.clone(), self.path.clone());
            self.reader.unknown.push(Unknown { at, header, table, key });
        }
    }
}

fn default_of<T>(key: &str, default: &str, parse: impl Fn(&str) -> Result<T, String>) -> T {
    parse(default).unwrap_or_else(|what| panic!("the default {default:?} of {key} {what}"))
}

/// The place of a value, or, for a merged table, which has none of its own, that of its first key.
fn origin_of(value: &Value) -> Option<String> {
    let inner = || match &value.kind {
        ValueKind::Array(items) => items.iter().find_map(origin_of),
        ValueKind::Table(values) => values.values().filter_map(origin_of).min(),
        _ => None,
    };
    value.origin().map(str::to_owned).or_else(inner)
}

fn suggestion<'k>(wrong: &str, known: impl Iterator<Item = &'k str>) -> String {
    // The one knows slips of the finger in short names, the other a common beginning of long ones.
    let likeness = |key: &&'k str| {
        let slips = strsim::normalized_damerau_levenshtein(wrong, key) - SLIPS_LIKENESS_MIN;
        let beginning = strsim::jaro_winkler(wrong, key) - BEGINNING_LIKENESS_MIN;
        slips.max(beginning)
    };
    let nearest = known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|key| likeness(key) >= 0.0) {
        Some(key) => format!("; did you mean {key}?"),
        None => String::new(),
    }
}

fn out_of_range(written: impl fmt::Display, low: impl fmt::Display, high: impl fmt::Display) -> String {
    format!("is {written} and must be from {low} to {high}")
}

fn wrong_type(right: &str, written: &ValueKind) -> String {
    format!("must be {right} and is {}", name_of(written))
}

fn name_of(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a whole number",
        ValueKind::Float(_) => "a number with a fraction",
        ValueKind::String(_) => "a string",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    }
}
