//! The table of what the messages of each family say (`docs/dialects/samples.md`), made from `tests/samples`: a field is
//! used where the message without it, or with something else in its place, says something else. What each file holds is
//! read by the settings in its head. With `UPDATE_SAMPLES=1` for one run the table is written anew.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use chargetally::dialect::describe::Described;
use chargetally::dialect::sparkplug::wire;
use chargetally::dialect::{Dialect, Limits};
use chargetally::sniff::Sniffer;
use chargetally::{settings, setup};
use chargetally_core::time::ArrivalTime;
use serde_json::Value;

/// 2026-11-23T05:23:41Z.
const START_MS: i64 = 1_795_411_421_000;
/// The time between two messages, ms.
const STEP_MS: i64 = 2_000;
/// What the table says of a message that is not even subscribed to.
const NOT_READ: &str = "not read";
/// Other things that may stand in a field's place; none of them is what a sample has.
const OTHERS: [&str; 3] = [r#"{"?":0}"#, "null", "999999999"];

const HEAD: &str = "# What of each family's messages is used

Made by `tests/samples.rs` from the messages in `tests/samples`, which have the shapes of real ones; the test fails where this
table is out of date. A field is *used* where its message says something else without it, or refuses what stands in its
place. A status that was said before and values that live on are told again with what is new. Discovery messages of Home
Assistant speak of what a program publishes, not of chargers: they belong to no family.
";

/// A message of a file.
struct Message {
    topic: String,
    payload: Vec<u8>,
}

/// A file: the settings of its source, and its messages in order.
fn read(path: &Path) -> (Dialect, Vec<Message>) {
    let text = fs::read_to_string(path).expect("readable");
    let head: String =
        text.lines().filter_map(|line| line.strip_prefix("#= ")).map(|line| format!("{line}\n")).collect();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("source.toml");
    fs::write(&file, format!("[[source]]\n{head}")).expect("written");
    let loaded = settings::load(&[file]).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let messages = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (topic, payload) = line.split_once(' ').expect("a topic and a payload");
        let payload = payload.strip_prefix("hex:").map_or(payload.as_bytes().to_vec(), unhex);
        Message { topic: topic.to_owned(), payload }
    });
    (setup::dialect(&loaded.settings.sources[0]), messages.collect())
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16).expect("hexadecimal digits"))
        .collect()
}

/// What a message says, or why it is refused, after what was said before.
fn told(dialect: &mut Dialect, topic: &str, payload: &[u8], at_ms: i64) -> Vec<String> {
    if !dialect.owns(topic) {
        return vec![NOT_READ.to_owned()];
    }
    let mut told = Vec::new();
    let decoded =
        dialect.decode(topic, payload, ArrivalTime::from_ms(at_ms), false, &Limits::default(), &mut |key, said| {
            told.push(Described(key, &said).to_string());
        });
    match decoded {
        Err(reject) => vec![format!("refused: {reject}")],
        Ok(()) => told,
    }
}

/// Pointers to every value of a document that is no object or array with something in it.
fn leaves(value: &Value, pointer: &str, out: &mut Vec<String>) {
    let nested: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    if nested.is_empty() {
        out.push(pointer.to_owned());
    }
    for (name, value) in nested {
        leaves(value, &format!("{pointer}/{name}"), out);
    }
}

/// The document without what a pointer names.
fn without(document: &Value, pointer: &str) -> Value {
    let mut document = document.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer below the root");
    match document.pointer_mut(parent) {
        Some(Value::Object(members)) => drop(members.remove(name)),
        Some(Value::Array(items)) => drop(items.remove(name.parse().expect("a place"))),
        _ => unreachable!("{pointer} leads to something"),
    }
    document
}

/// What a payload's parts are called, each with the payload as it is with the part gone or otherwise.
fn variants(payload: &[u8]) -> Vec<(String, Vec<Vec<u8>>)> {
    match serde_json::from_slice::<Value>(payload) {
        Ok(document) if document.is_object() || document.is_array() => {
            let mut pointers = Vec::new();
            leaves(&document, "", &mut pointers);
            pointers.retain(|pointer| !pointer.is_empty());
            let variants = pointers.into_iter().map(|pointer| {
                let replaced = OTHERS.iter().map(|other| {
                    let mut document = document.clone();
                    *document.pointer_mut(&pointer).expect("it leads to something") =
                        serde_json::from_str(other).expect("JSON");
                    document
                });
                let all = replaced.chain([without(&document, &pointer)]);
                let all = all.map(|document| serde_json::to_vec(&document).expect("JSON")).collect();
                (pointer.trim_start_matches('/').to_owned(), all)
            });
            variants.collect()
        }
        _ => metrics(payload).unwrap_or_else(|| vec![("the payload".to_owned(), vec![b"\"?\"".to_vec(), Vec::new()])]),
    }
}

/// The metrics of a Sparkplug payload, each with the payload as it is without it and with another value's end.
fn metrics(payload: &[u8]) -> Option<Vec<(String, Vec<Vec<u8>>)>> {
    let read = wire::Payload::read(payload, &Limits::default()).ok().filter(|read| !read.metrics.is_empty())?;
    let names = read.metrics.iter().map(|metric| match (metric.name, metric.alias) {
        (Some(name), _) => name.to_owned(),
        (None, alias) => format!("alias {}", alias.unwrap_or_default()),
    });
    let (mut at, mut spans) = (0, Vec::new());
    while at < payload.len() {
        let begin = at;
        let tag = varint(payload, &mut at);
        let length = varint(payload, &mut at);
        if tag & 7 == 2 {
            at += usize::try_from(length).expect("a length");
        }
        if tag >> 3 == 2 {
            spans.push(begin..at);
        }
    }
    assert_eq!(spans.len(), read.metrics.len());
    let variants = spans.into_iter().map(|span| {
        let mut other = payload.to_vec();
        other[span.end - 1] ^= 1;
        vec![[&payload[..span.start], &payload[span.end..]].concat(), other]
    });
    Some(names.zip(variants).collect())
}

fn varint(payload: &[u8], at: &mut usize) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = payload[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

/// A list for a cell of the table.
fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" ")
}

fn section(path: &Path) -> String {
    let (mut dialect, messages) = read(path);
    let name = path.file_stem().and_then(|stem| stem.to_str()).expect("text");
    let name = name.split_once('-').expect("a number before the name").1;
    let mut text = format!("\n## {name}\n\n| topic | used | not used | says |\n|---|---|---|---|\n");
    let mut unread = Vec::new();
    let mut at_ms = START_MS;
    for Message { topic, payload } in &messages {
        at_ms += STEP_MS;
        let before = dialect.clone();
        let says = told(&mut dialect, topic, payload, at_ms);
        if says == [NOT_READ] {
            unread.push(topic.clone());
            continue;
        }
        // What a message leaves behind shows in what the same message says after it, much later.
        let later = |dialect: &mut Dialect| told(dialect, topic, payload, at_ms + 60_000);
        let remembered = later(&mut dialect.clone());
        let (mut used, mut unused) = (Vec::new(), Vec::new());
        for (part, variants) in variants(payload) {
            let differs = |variant: &Vec<u8>| {
                let mut dialect = before.clone();
                told(&mut dialect, topic, variant, at_ms) != says || later(&mut dialect) != remembered
            };
            let mapped = match &dialect {
                Dialect::Mapping(mapping) => mapping.fields_of(topic).iter().any(|(place, _)| {
                    place.trim_start_matches('/') == part || place.is_empty() && part == "the payload"
                }),
                _ => false,
            };
            if mapped || variants.iter().any(differs) { used.push(part) } else { unused.push(part) }
        }
        let says = if says.is_empty() { "nothing by itself".to_owned() } else { list(&says) };
        let _written = writeln!(text, "| `{topic}` | {} | {} | {says} |", list(&used), list(&unused));
    }
    if !unread.is_empty() {
        let _written = writeln!(text, "\nNot subscribed to: {}.", list(&unread));
    }
    text
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn the_table_of_samples_says_what_the_code_does() {
    let wanted: String = [HEAD.to_owned()].into_iter().chain(files().iter().map(|path| section(path))).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dialects/samples.md");
    if std::env::var_os("UPDATE_SAMPLES").is_some() {
        fs::write(&path, &wanted).expect("written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/dialects/samples.md is out of date: run this test once with UPDATE_SAMPLES=1");
}

#[test]
fn every_family_has_samples_that_say_something() {
    let mut spoken = Vec::new();
    for path in files() {
        let (mut dialect, messages) = read(&path);
        let said = messages.iter().enumerate().flat_map(|(place, message)| {
            let at_ms = START_MS + STEP_MS * i64::try_from(place).expect("few");
            told(&mut dialect, &message.topic, &message.payload, at_ms)
        });
        let samples = said.filter(|said| said.starts_with("sample ")).count();
        assert!(samples > 0, "{} has no sample", path.display());
        spoken.push(path.file_stem().and_then(|stem| stem.to_str()).expect("text").to_owned());
    }
    for family in settings::DialectName::ALL.iter().map(|family| family.name()) {
        let is_there = spoken.iter().any(|name| name.ends_with(&format!("-{family}")));
        assert!(is_there || ["native", "mapping"].contains(&family), "{family} has no file in tests/samples");
    }
}

#[test]
fn each_family_is_recognised_by_its_samples_and_by_no_other_name() {
    for path in files() {
        let (_, messages) = read(&path);
        let mut sniffer = Sniffer::new(Limits::default());
        for Message { topic, payload } in &messages {
            sniffer.take(topic, payload, ArrivalTime::from_ms(START_MS), false);
        }
        let broker = settings::BrokerUrl::parse("mqtt://127.0.0.1").expect("a URL");
        let text = sniffer.settings(&broker, [("username", None), ("password_file", None), ("ca_file", None)], 1);
        let found: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("dialect = ")).collect();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("text");
        let family = name.split_once('-').expect("a number before the name").1;
        let is_mapping = fs::read_to_string(&path).expect("readable").contains("#= dialect = \"mapping\"");
        let expected = if is_mapping { Vec::new() } else { vec![format!("\"{family}\"")] };
        assert_eq!(found, expected, "{text}");
    }
}
