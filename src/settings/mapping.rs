//! `[[source.mapping.field]]` and the presets: what is written about topics and payloads, read into a mapping. A preset
//! is a file of the same keys that is part of the program; a source may change its prefix and ids, not its fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use chargetally_core::alarm::AlarmClass;

use super::meant::{DialectName, zone};
use super::reader::{Reader, Section};
use super::written;
use crate::dialect::mapping::scalar::Pointer;
use crate::dialect::mapping::spec::{
    FIELDS_MAX, Field, Flag, STATUSES, Spec, Table, Target, TimeForm, Topic, VALUES_MAX, conversion, quantity,
    quantity_names,
};
use crate::dialect::mapping::template::{self, Part, Template};
use crate::dialect::native::status_from_name;
use crate::dialect::ocpp;
use crate::topic::{Root, check_id};

/// Longest text that stands for a value, bytes.
const VALUE_BYTES_MAX: usize = 256;
/// Values that mean that there is none at most.
const ABSENT_MAX: usize = 16;
/// Longest id in the settings, bytes.
const ID_BYTES_MAX: usize = 64;
/// What a factor or an offset may be.
const NUMBERS: std::ops::RangeInclusive<f64> = -1e12..=1e12;

/// What a source of this dialect has where the settings do not say otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub hold_s: u64,
    pub prolong: bool,
}

impl Defaults {
    /// For dialects that are no mapping.
    pub const OTHERS: Self = Self { hold_s: 180, prolong: false };
    /// For OCPP: stations report on change, and let hear of themselves at the interval of their heartbeat.
    pub const OCPP: Self = Self { hold_s: 900, prolong: true };
}

/// Where gateways relay frames of OCPP: from the station, and to it.
const OCPP_TOPICS: [&str; 2] = ["{root}/in/{any}/{station}", "{root}/out/{any}/{station}"];

/// A mapping as it is written, before it is known where its topics begin.
pub(super) struct Preset {
    pub root: String,
    pub defaults: Defaults,
    prefix: String,
    operator: String,
    station: String,
    connector: String,
    fields: Vec<Written>,
}

/// A field as it is written; its topic may be relative to the prefix.
#[derive(Clone)]
struct Written {
    topic: String,
    /// `None` where it is wrong, which has been reported.
    field: Option<Field>,
}

/// The preset of a dialect that is a mapping; `None` for one that is not.
pub(super) fn preset(dialect: DialectName) -> Option<Preset> {
    let text = match dialect {
        DialectName::Evcc => include_str!("../dialect/presets/evcc.toml"),
        DialectName::Openwb => include_str!("../dialect/presets/openwb.toml"),
        DialectName::GoE => include_str!("../dialect/presets/go-e.toml"),
        DialectName::Openevse => include_str!("../dialect/presets/openevse.toml"),
        DialectName::Smartevse => include_str!("../dialect/presets/smartevse.toml"),
        DialectName::Warp => include_str!("../dialect/presets/warp.toml"),
        DialectName::Homie => include_str!("../dialect/presets/homie.toml"),
        DialectName::Everest => include_str!("../dialect/presets/everest.toml"),
        DialectName::Mapping => include_str!("../dialect/presets/mapping.toml"),
        _ => return None,
    };
    let mut problems = Vec::new();
    let mut values = written::parse(dialect.name(), text, &mut problems);
    values = [("preset".to_owned(), config::Value::new(None, config::ValueKind::Table(values)))].into_iter().collect();
    let mut reader = Reader::new(values, problems);
    let preset = reader.table("preset", |t| Preset {
        root: t.text("root", "", |text| Ok(text.to_owned())),
        prefix: t.text("prefix", "{root}", |text| Ok(text.to_owned())),
        operator: t.text("operator", dialect.name(), |text| Ok(text.to_owned())),
        station: t.text("station", "", |text| Ok(text.to_owned())),
        connector: t.text("connector", "1", |text| Ok(text.to_owned())),
        defaults: Defaults { hold_s: t.whole("hold_s", 180, 1..=86_400), prolong: t.flag("prolong", false) },
        fields: t.rows("field", FIELDS_MAX, field),
    });
    let (problems, _) = reader.finish();
    // Every preset is read by a test, so that this cannot come to pass in a program that was let out.
    assert!(problems.is_empty(), "the preset {dialect} is wrong: {}", problems[0]);
    Some(preset)
}

/// The keys of a source that say where its frames of OCPP are, and who runs its stations.
pub(super) fn ocpp(t: &mut Section<'_>, root: &Root) -> Arc<ocpp::Spec> {
    let operator = t.text("operator", DialectName::Ocpp.name(), id);
    let written = t.list("topics", &OCPP_TOPICS, ocpp::TOPICS_MAX, |text| Ok(text.to_owned()));
    if written.is_empty() {
        t.refuse("topics", "is empty: nothing would be read".to_owned());
    }
    let mut topics = Vec::with_capacity(written.len());
    for text in &written {
        let template = placed(text, "", root).and_then(|template| {
            let has = |part: Part| template.parts().any(|found| found == part);
            if has(Part::Connector) {
                Err(format!("makes the topic \"{template}\"; which connector it is stands in the frame"))
            } else if !has(Part::Station) {
                Err(format!("makes the topic \"{template}\", which names no station: put {{station}} into it"))
            } else {
                Ok(template)
            }
        });
        match template {
            Ok(template) => topics.push(template),
            Err(what) => t.refuse("topics", what),
        }
    }
    Arc::new(ocpp::Spec { topics, operator })
}

/// An id as it stands in the settings.
fn id(text: &str) -> Result<Box<str>, String> {
    match check_id(text, ID_BYTES_MAX) {
        Ok(id) => Ok(Box::from(id)),
        Err(_) => Err(format!("must be an id of 1 to {ID_BYTES_MAX} bytes without / + # or control characters")),
    }
}

/// The mapping of a source: the keys that say whom its messages speak of, and its fields.
pub(super) fn mapping(t: &mut Section<'_>, dialect: DialectName, root: &Root, preset: Preset) -> Arc<Spec> {
    let prefix = t.text("prefix", &preset.prefix, |text| placed(text, "", root).map(|_| text.to_owned()));
    let mut spec = Spec {
        operator: t.text("operator", &preset.operator, id),
        station: t.text("station", &preset.station, |text| if text.is_empty() { Ok(None) } else { id(text).map(Some) }),
        connector: t.text("connector", &preset.connector, id),
        topics: Vec::new(),
    };
    if dialect == DialectName::Mapping {
        let fields = t.inner("mapping", |t| t.rows("field", FIELDS_MAX, field));
        if fields.is_empty() {
            t.refuse("mapping.field", "is missing: a mapping needs a [[source.mapping.field]] at least".to_owned());
        }
        place(t, &mut spec, fields, &prefix, root, "mapping.field");
    } else {
        place(t, &mut spec, preset.fields, &prefix, root, "prefix");
    }
    Arc::new(spec)
}

/// Gives the fields their topics and gathers those of the same topic.
fn place(t: &mut Section<'_>, spec: &mut Spec, fields: Vec<Written>, prefix: &str, root: &Root, key: &'static str) {
    for (index, written) in fields.into_iter().enumerate() {
        let Some(field) = written.field else { continue };
        let at = if key == "prefix" { key.to_owned() } else { format!("{key}[{index}].topic") };
        let template = match placed(prefix, &written.topic, root) {
            Ok(template) => template,
            Err(what) => {
                t.refuse(&at, what);
                continue;
            }
        };
        if spec.station.is_none() && template.parts().all(|part| part != Part::Station) {
            let remedy = "put {station} into it or into prefix, or give the source a station";
            t.refuse(&at, format!("makes the topic \"{template}\", which names no station: {remedy}"));
        } else if let Some(topic) = spec.topics.iter_mut().find(|topic| topic.template == template) {
            topic.fields.push(field);
        } else if let Some(other) = spec.topics.iter().find(|topic| topic.template.overlaps(&template)) {
            t.refuse(&at, format!("makes the topic \"{template}\", which could be \"{}\" too", other.template));
        } else {
            spec.topics.push(Topic { template, fields: vec![field] });
        }
    }
}

/// A field's topic: below the prefix, or by itself where it begins with the root.
pub(super) fn placed(prefix: &str, topic: &str, root: &Root) -> Result<Template, String> {
    const ROOT: &str = "{root}";
    let text = match topic {
        "" => prefix.to_owned(),
        topic if topic.contains(ROOT) => topic.to_owned(),
        topic => format!("{prefix}/{topic}"),
    };
    if text.len() > template::BYTES_MAX {
        return Err(format!("makes a topic of more than {} bytes", template::BYTES_MAX));
    }
    Template::parse(&text.replace(ROOT, root.as_str()))
}

/// One `[[source.mapping.field]]`.
fn field(t: &mut Section<'_>) -> Written {
    let topic = t.text("topic", "", |text| {
        if text.len() > template::BYTES_MAX { Err("is too long for a topic".to_owned()) } else { Ok(text.to_owned()) }
    });
    let pointer = t.text("pointer", "", |text| if text.is_empty() { Ok(None) } else { Pointer::parse(text).map(Some) });
    let to = t.text("to", "", |text| Ok(text.to_owned()));
    let target = target(t, &to);
    let text = |text: &str| {
        let fits = text.len() <= VALUE_BYTES_MAX;
        if fits { Ok(Box::from(text)) } else { Err(format!("must not be longer than {VALUE_BYTES_MAX} bytes")) }
    };
    let absent = t.list("absent", &[], ABSENT_MAX, text);
    let ignore = t.list("ignore", &[], ABSENT_MAX, text);
    Written { topic, field: target.map(|target| Field { pointer, target, absent, ignore }) }
}

fn target(t: &mut Section<'_>, to: &str) -> Option<Target> {
    if let Some((place, units)) = quantity(to) {
        let unit = t.text("unit", units[0].0, |text| {
            let found = units.iter().find(|unit| unit.0 == text).copied();
            let names = || units.iter().map(|unit| unit.0).collect::<Vec<_>>().join(" ");
            found.ok_or_else(|| format!("is {text:?} and must be one of {}", names()))
        });
        let scale = t.number("scale", 1.0, NUMBERS);
        let (factor, offset) = conversion(place, unit, scale, t.number("offset", 0.0, NUMBERS));
        return Some(Target::Quantity { place, factor, offset });
    }
    Some(match to {
        "status" => Target::Status(table(t, STATUSES, |name| match name {
            NONE => Some(None),
            name => status_from_name(name).map(Some),
        })),
        "charging" => Target::Flag(Flag::Charging, table(t, FLAGS, yes_or_no)),
        "plugged" => Target::Flag(Flag::Plugged, table(t, FLAGS, yes_or_no)),
        "faulted" => Target::Flag(Flag::Faulted, table(t, FLAGS, yes_or_no)),
        "online" => Target::Online(table(t, &[("online", "online"), ("offline", "offline")], |name| match name {
            "online" => Some(Some(true)),
            "offline" => Some(Some(false)),
            NONE => Some(None),
            _ => None,
        })),
        "alive" => Target::Alive,
        "alarm" => Target::Alarm(table(t, &[], |name| match name {
            NONE => Some(None),
            name => AlarmClass::from_name(name).map(Some),
        })),
        "session" => Target::Session,
        "ts" => Target::Time(time(t)),
        "station" => Target::Identity(Part::Station),
        "connector" => Target::Identity(Part::Connector),
        "operator" => Target::Identity(Part::Operator),
        _ => {
            let names: Vec<&str> = OTHER_TARGETS.iter().copied().chain(quantity_names()).collect();
            t.refuse("to", format!("is {to:?} and must be one of {}", names.join(" ")));
            return None;
        }
    })
}

const OTHER_TARGETS: [&str; 12] = [
    "status",
    "charging",
    "plugged",
    "faulted",
    "online",
    "alive",
    "alarm",
    "session",
    "ts",
    "station",
    "connector",
    "operator",
];

/// What stands for "nothing" among the meanings of values.
const NONE: &str = "none";

const FLAGS: &[(&str, &str)] = &[
    ("true", "true"),
    ("false", "false"),
    ("1", "true"),
    ("0", "false"),
    ("on", "true"),
    ("off", "false"),
    ("yes", "true"),
    ("no", "false"),
];

fn yes_or_no(name: &str) -> Option<Option<bool>> {
    match name {
        "true" => Some(Some(true)),
        "false" => Some(Some(false)),
        NONE => Some(None),
        _ => None,
    }
}

/// The keys `values` and `otherwise`; where there are no values, `usual` are meant.
fn table<T: Copy>(t: &mut Section<'_>, usual: &[(&str, &str)], mean: impl Fn(&str) -> Option<T>) -> Table<T> {
    let written = t.texts("values", VALUES_MAX);
    let otherwise = t.text("otherwise", "", |text| match text {
        "" => Ok(None),
        text => mean(text).map(Some).ok_or_else(|| format!("is {text:?}, which is nothing that the field can mean")),
    });
    let mut values = BTreeMap::new();
    for (text, meaning) in &written {
        match mean(meaning) {
            Some(meant) => _ = values.insert(text.as_str().into(), meant),
            None => t.refuse("values", format!("has {text:?} = {meaning:?}, which is nothing that the field can mean")),
        }
    }
    if written.is_empty() {
        values = usual.iter().filter_map(|&(text, meaning)| Some((text.into(), mean(meaning)?))).collect();
        if values.is_empty() && otherwise.is_none() {
            t.refuse("values", "is missing: it says what the written values mean".to_owned());
        }
    }
    Table { values, otherwise }
}

/// The keys `format` and `zone`.
fn time(t: &mut Section<'_>) -> TimeForm {
    let local = t.text("zone", "Asia/Shanghai", zone);
    t.text("format", "rfc3339", |text| match text {
        "rfc3339" => Ok(TimeForm::Rfc3339),
        "unix_s" => Ok(TimeForm::Unix { per_s: 1 }),
        "unix_ms" => Ok(TimeForm::Unix { per_s: 1000 }),
        "local" => Ok(TimeForm::Local(local.clone())),
        _ => Err(format!("is {text:?} and must be one of rfc3339 unix_s unix_ms local")),
    })
}

#[cfg(test)]
mod tests;
