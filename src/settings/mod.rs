//! The settings, in stages: what is written (TOML files, merged, the later over the earlier) is read key by key
//! into what is meant (types that can hold no wrong value).
//!
//! Every key has a default, so that no file at all is a valid setting. All problems are reported together, each
//! with file, line and key. The environment changes nothing here, except that systemd's credentials are found by
//! `$CREDENTIALS_DIRECTORY`. After [`load`] nobody sees a raw string where a type exists, and this module never
//! opens the files that the settings name, except in [`Settings::check_files`].

mod alarms;
mod cec102;
mod mapping;
mod meant;
mod policy;
mod reader;
mod service;
mod written;
mod ykc;

pub mod reference;
pub mod register;
pub mod tariff;

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

use chargetally_core::safety::Thresholds;
use config::{Map, Value};

pub use meant::{
    BrokerUrl, DialectName, FileRef, LogFormat, Millis, Protocol, Secret, credentials_directory, level, window,
};
pub use policy::{Baseline, Indicators, Reference, Targets};
pub use reader::{Entry, Problem};
pub use service::{Limits, Mqtt, Publish, Retention, Run, SOURCES_MAX, Source, State, Time};

use reader::Reader;

/// All settings, as they are meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The broker and how it is spoken to.
    pub mqtt: Mqtt,
    /// Where messages come from; at least one.
    pub sources: Vec<Source>,
    /// What is published, and how much may wait for it.
    pub publish: Publish,
    /// Civil time and how wrong a clock may be.
    pub time: Time,
    /// The bounds of every table that grows with the input.
    pub limits: Limits,
    /// When a measured value is worth a warning or an alarm.
    pub alarms: Thresholds,
    /// How indicators are computed and graded.
    pub indicators: Indicators,
    /// What policy wants to be reached.
    pub targets: Targets,
    /// Where the count towards the targets starts.
    pub baseline: Baseline,
    /// Reference data that no message carries.
    pub reference: Reference,
    /// What is kept on disk.
    pub state: State,
    /// Threads and logs.
    pub run: Run,
}

/// Settings together with where each of them came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What is meant.
    pub settings: Settings,
    /// Every key there is, in the order of the tables.
    pub entries: Vec<Entry>,
}

/// Everything that is wrong with the settings, a problem a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

/// Reads, merges and checks the settings files, a directory as its `*.toml` in name order. Tables are merged key
/// by key; a list, and all `[[source]]` tables together, replace what was there before.
///
/// # Errors
/// All problems of all files.
pub fn load(paths: &[PathBuf]) -> Result<Loaded, SettingsError> {
    let mut problems = Vec::new();
    let values = written::merge(paths, &mut problems);
    read(values, problems)
}

fn read(values: Map<String, Value>, problems: Vec<Problem>) -> Result<Loaded, SettingsError> {
    let mut reader = Reader::new(values, problems);
    let settings = Settings {
        mqtt: reader.table("mqtt", service::mqtt),
        sources: reader.tables("source", SOURCES_MAX, service::source),
        publish: reader.table("publish", service::publish),
        time: reader.table("time", service::time),
        limits: reader.table("limits", service::limits),
        alarms: reader.table("alarms", alarms::alarms),
        indicators: reader.table("indicators", policy::indicators),
        targets: reader.table("targets", policy::targets),
        baseline: reader.table("baseline", policy::baseline),
        reference: reader.table("reference", policy::reference),
        state: reader.table("state", service::state),
        run: reader.table("run", service::run),
    };
    settings.check_together(&mut reader);
    let (problems, entries) = reader.finish();
    if problems.is_empty() { Ok(Loaded { settings, entries }) } else { Err(SettingsError { problems }) }
}

/// The source of this dialect as it stands where the settings say no more; `None` for one that needs more.
#[must_use]
pub fn usual_source(dialect: DialectName) -> Option<Source> {
    source_with(dialect, &[])
}

/// The source of this dialect where the settings say only these keys of its table.
#[must_use]
pub fn source_with(dialect: DialectName, keys: &[(&str, &str)]) -> Option<Source> {
    let text = |text: &str| Value::new(None, config::ValueKind::from(text));
    let written = keys.iter().map(|&(key, value)| (key.to_owned(), text(value)));
    let table = written.chain([("dialect".to_owned(), text(dialect.name()))]).collect();
    let sources = Value::new(None, config::ValueKind::Array(vec![Value::new(None, config::ValueKind::Table(table))]));
    let loaded = read(Map::from([("source".to_owned(), sources)]), Vec::new()).ok()?;
    loaded.settings.sources.into_iter().next()
}

impl Settings {
    /// What concerns more than one table.
    fn check_together(&self, reader: &mut Reader) {
        for (index, source) in self.sources.iter().enumerate() {
            let mut refuse = |key: &str, what: String| {
                reader.refuse("[[source]]", index, key, &format!("source[{index}].{key}"), what);
            };
            if self.sources[..index].iter().any(|other| other.name == source.name) {
                refuse("name", format!("{:?} is the name of another source already", source.name));
            }
            if let Some(other) = self.sources[..index].iter().find(|other| other.overlaps(source)) {
                let what = format!("overlaps the root of source {:?}: messages would count twice", other.name);
                refuse("root", what);
            }
            if source.host.is_some() && self.sources[..index].iter().any(|other| other.host.is_some()) {
                refuse("host", "another source has one already, and a connection has one last will".to_owned());
            }
            if source.may_read(&self.publish.root) {
                refuse("root", "overlaps publish.root: the daemon would read what it writes".to_owned());
            }
        }
        if self.targets.date <= self.baseline.date {
            let what = "is not after baseline.date: there would be no time to reach anything".to_owned();
            reader.refuse("[targets]", 0, "date", "targets.date", what);
        }
        let late_limit = self.time.late_limit;
        for (key, retention) in self.state.retention.by_key() {
            if retention < late_limit {
                let what = "is shorter than time.late_limit_h: late messages could not be counted".to_owned();
                reader.refuse("[state]", 0, key, &format!("state.{key}"), what);
            }
        }
    }

    /// Opens the files that the settings name, as the daemon will.
    ///
    /// # Errors
    /// A problem for each file that cannot be read.
    pub fn check_files(&self, entries: &[Entry]) -> Result<(), SettingsError> {
        let credentials = credentials_directory();
        let mut problems = Vec::new();
        let mut check = |header: &str, key: &str, error: Option<std::io::Error>| {
            let Some(error) = error else { return };
            let entry = entries.iter().find(|entry| entry.header == header && entry.key == key);
            let at = entry.and_then(|entry| entry.at.as_deref());
            let path = format!("{}.{key}", header.trim_matches(['[', ']']));
            problems.push(Problem::new(at, &path, format!("cannot be read: {error}")));
        };
        let mqtt = &self.mqtt;
        let password = mqtt.password_file.as_ref().and_then(|f| f.read_secret(credentials.as_deref()).err());
        check("[mqtt]", "password_file", password);
        for (key, file) in [("ca_file", &mqtt.ca_file), ("cert_file", &mqtt.cert_file), ("key_file", &mqtt.key_file)] {
            let opened = file.as_ref().map(|f| f.locate(credentials.as_deref()).and_then(File::open));
            check("[mqtt]", key, opened.and_then(Result::err));
        }
        let reference = &self.reference;
        let (mut wrong_tables, mut wrong_registers) = (Vec::new(), Vec::new());
        for source in &self.sources {
            if let (Some(path), Some(operator)) = (&source.register, source.operator()) {
                let read = register::read(path, operator).map(drop);
                wrong_registers.extend(read.err().map(|error| error.to_string()));
            }
        }
        for (key, path) in [("regions_csv", &reference.regions_csv), ("valley_csv", &reference.valley_csv)] {
            let Some(path) = path else { continue };
            let opened = File::open(path);
            if opened.is_ok() {
                let read = if key == "regions_csv" {
                    reference::read(path).map(drop).map_err(|error| error.to_string())
                } else {
                    tariff::read(path).map(drop).map_err(|error| error.to_string())
                };
                wrong_tables.extend(read.err().map(|what| (key, what)));
            }
            check("[reference]", key, opened.err());
        }
        for (key, what) in wrong_tables {
            let entry = entries.iter().find(|entry| entry.header == "[reference]" && entry.key == key);
            let at = entry.and_then(|entry| entry.at.as_deref());
            problems.push(Problem::new(at, &format!("reference.{key}"), what));
        }
        for what in wrong_registers {
            let entry = entries.iter().find(|entry| entry.header == "[[source]]" && entry.key == "register_csv");
            problems.push(Problem::new(entry.and_then(|entry| entry.at.as_deref()), "source.register_csv", what));
        }
        if problems.is_empty() { Ok(()) } else { Err(SettingsError { problems }) }
    }
}

impl Default for Settings {
    /// What stands where no file says otherwise.
    fn default() -> Self {
        match read(Map::new(), Vec::new()) {
            Ok(loaded) => loaded.settings,
            Err(error) => panic!("the defaults are wrong: {error}"),
        }
    }
}

/// Prints every key with its value and where it came from, as a settings file that means the same.
pub struct Merged<'a>(pub &'a [Entry]);

impl fmt::Display for Merged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ORIGIN_COLUMN: usize = 46;
        let mut table = None;
        for entry in self.0 {
            let this = (entry.header.as_str(), entry.index);
            if table != Some(this) {
                let blank = if table.is_some() { "\n" } else { "" };
                writeln!(f, "{blank}{}", entry.header)?;
                table = Some(this);
            }
            let line = format!("{} = {}", entry.key, entry.value);
            let at = entry.at.as_deref().unwrap_or("default");
            writeln!(f, "{line:ORIGIN_COLUMN$} # {at}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
