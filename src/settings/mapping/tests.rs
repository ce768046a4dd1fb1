//! Mappings as a person writes them, right and wrong, and the presets that are part of the program.

use std::fs;

use super::*;
use crate::settings::{Merged, load};

/// The problems of a source with this text, without the file's path; lines count from its first.
fn problems_of(text: &str) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.toml");
    fs::write(&path, text).expect("written");
    match load(std::slice::from_ref(&path)) {
        Ok(_) => Vec::new(),
        Err(error) => {
            error.to_string().replace(&format!("{}:", path.display()), "").lines().map(str::to_owned).collect()
        }
    }
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems_of(text), expected, "{text}");
}

/// The problems of a mapping with one field.
fn check_field(text: &str, expected: &[&str]) {
    check(&format!("[[source]]\ndialect = 'mapping'\n[[source.mapping.field]]\n{text}"), expected);
}

#[test]
fn every_preset_can_be_read() {
    let presets: Vec<_> = DialectName::ALL.iter().filter_map(|&dialect| Some((dialect, preset(dialect)?))).collect();
    assert_eq!(presets.len(), 9);
    for (dialect, preset) in presets {
        assert_eq!(preset.fields.is_empty(), dialect == DialectName::Mapping, "{dialect}");
        Root::parse(&preset.root).unwrap_or_else(|error| panic!("{dialect}: {error}"));
        if dialect != DialectName::Mapping {
            assert_eq!(problems_of(&format!("[[source]]\ndialect = '{dialect}'")), [""; 0], "{dialect}");
        }
    }
}

#[test]
fn a_field_says_something_known_about_a_topic() {
    check_field("to = 'power_kw'", &[]);
    let names = OTHER_TARGETS.iter().copied().chain(quantity_names()).collect::<Vec<_>>().join(" ");
    check_field(
        "to = 'watts'",
        &[&format!("4: source[0].mapping.field[0].to: is \"watts\" and must be one of {names}")],
    );
    check_field(
        "to = 'power_kw'\nunit = 'hp'",
        &["5: source[0].mapping.field[0].unit: is \"hp\" and must be one of kW W MW"],
    );
    check_field(
        "to = 'power_kw'\nvalues = { a = 'b' }",
        &["5: source[0].mapping.field[0].values: is no known key of [[source.mapping.field]]"],
    );
    check_field(
        "to = 'status'\nvalues = { a = 'asleep' }",
        &["5: source[0].mapping.field[0].values: has \"a\" = \"asleep\", which is nothing that the field can mean"],
    );
    check_field(
        "to = 'alarm'",
        &["4: source[0].mapping.field[0].values: is missing: it says what the written values mean"],
    );
    check_field(
        "to = 'ts'\nformat = 'iso'",
        &["5: source[0].mapping.field[0].format: is \"iso\" and must be one of rfc3339 unix_s unix_ms local"],
    );
    check_field(
        "to = 'soc_pct'\npointer = 'soc'",
        &["5: source[0].mapping.field[0].pointer: is \"soc\" and must be a JSON pointer like \"/meter/power\""],
    );
}

#[test]
fn a_topic_names_its_station_once_and_has_one_meaning() {
    check(
        "[[source]]\ndialect = 'mapping'\nprefix = 'a'\n[[source.mapping.field]]\ntopic = 'b'\nto = 'power_kw'",
        &[
            "2: source[0].mapping.field[0].topic: makes the topic \"a/b\", which names no station: put {station} into it or \
           into prefix, or give the source a station",
        ],
    );
    check(
        "[[source]]\ndialect = 'mapping'\nprefix = 'a'\nstation = 's'\n[[source.mapping.field]]\nto = 'power_kw'",
        &[],
    );
    check_field(
        "topic = '{connector}/x'\nto = 'power_kw'\n[[source.mapping.field]]\ntopic = '1/{any}'\nto = 'soc_pct'",
        &["2: source[0].mapping.field[1].topic: makes the topic \"chargers/{station}/1/{any}\", which could be \
           \"chargers/{station}/{connector}/x\" too"],
    );
    check(
        "[[source]]\ndialect = 'mapping'",
        &["2: source[0].mapping.field: is missing: a mapping needs a [[source.mapping.field]] at least"],
    );
}

#[test]
fn sources_of_different_families_stand_beside_each_other_but_not_over_each_other() {
    check("[[source]]\n[[source]]\nname = 'b'\ndialect = 'evcc'\n[[source]]\nname = 'c'\ndialect = 'go-e'", &[]);
    check(
        "[[source]]\nname = 'a'\ndialect = 'evcc'\n[[source]]\nname = 'b'\ndialect = 'evcc'",
        &["5: source[1].root: overlaps the root of source \"a\": messages would count twice"],
    );
    check(
        "[[source]]\nname = 'a'\ndialect = 'evcc'\n[[source]]\nname = 'b'\ndialect = 'evcc'\nroot = 'site7/evcc'",
        &[],
    );
    check(
        "[[source]]\ndialect = 'mapping'\nprefix = '{any}/v1/{station}'\n[[source.mapping.field]]\nto = 'power_kw'",
        &["2: source[0].root: overlaps publish.root: the daemon would read what it writes"],
    );
    check("[[source]]\nprefix = 'x'", &["2: source[0].prefix: is no known key of [[source]]"]);
}

#[test]
fn frames_of_ocpp_are_where_the_settings_say() {
    check("[[source]]\ndialect = 'ocpp'", &[]);
    check("[[source]]\ndialect = 'ocpp'\noperator = 'MA5DA0053'\ntopics = ['gw/{operator}/{station}']", &[]);
    check("[[source]]\ndialect = 'ocpp'\ntopics = []", &["3: source[0].topics: is empty: nothing would be read"]);
    check(
        "[[source]]\ndialect = 'ocpp'\nroot = 'a'\ntopics = ['{root}/in', '{root}/{station}/{connector}']",
        &[
            "4: source[0].topics: makes the topic \"a/in\", which names no station: put {station} into it",
            "4: source[0].topics: makes the topic \"a/{station}/{connector}\"; which connector it is stands in the frame",
        ],
    );
    check(
        "[[source]]\nname = 'a'\ndialect = 'ocpp'\n[[source]]\nname = 'b'\ndialect = 'ocpp'\ntopics = ['cs/in/{station}/x']",
        &["5: source[1].root: overlaps the root of source \"a\": messages would count twice"],
    );
    check("[[source]]\ndialect = 'ocpp'\nprefix = 'x'", &["3: source[0].prefix: is no known key of [[source]]"]);
}

#[test]
fn what_check_prints_of_a_mapping_means_the_same() {
    let text = "[[source]]\ndialect = 'mapping'\n[[source.mapping.field]]\ntopic = 'gun/{connector}'\npointer = '/s'\n\
                to = 'status'\nvalues = { 'not there' = 'available', 2 = 'charging' }\notherwise = 'none'\n\
                absent = ['-']\n[[source.mapping.field]]\ntopic = 'power'\nto = 'power_kw'\nscale = 2\n\
                [[source]]\nname = 'home'\ndialect = 'evcc'\nroot = 'a/b'\nstation = 'home'";
    let directory = tempfile::tempdir().expect("a directory");
    let (path, again) = (directory.path().join("t.toml"), directory.path().join("u.toml"));
    fs::write(&path, text).expect("written");
    let loaded = load(&[path]).unwrap_or_else(|error| panic!("{error}"));
    fs::write(&again, Merged(&loaded.entries).to_string()).expect("written");
    let reloaded = load(&[again]).unwrap_or_else(|error| panic!("{error}\n{}", Merged(&loaded.entries)));
    assert_eq!(reloaded.settings, loaded.settings);
    assert_eq!(loaded.settings.sources[0].mapping.as_ref().map(|mapping| mapping.topics.len()), Some(2));
}

#[test]
fn the_page_of_each_preset_names_all_of_its_fields() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dialects");
    for (dialect, source) in
        DialectName::ALL.iter().filter_map(|&name| Some((name, crate::settings::usual_source(name)?)))
    {
        let Some(mapping) = source.mapping else { continue };
        let page = fs::read_to_string(folder.join(format!("{dialect}.md"))).expect("its page");
        for topic in &mapping.topics {
            for field in &topic.fields {
                let place = field.pointer.as_ref().map_or("all".to_owned(), |pointer| format!("`{pointer}`"));
                let row = format!("| `{}` | {place} | `{}` |", topic.template, field.target.name());
                assert!(page.contains(&row), "{dialect}.md has no row that begins with {row}");
            }
        }
    }
}
