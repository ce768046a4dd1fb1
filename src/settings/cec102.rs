//! The keys of a source of T/CEC 102: where its topics name whom, in which zone its times are, and what the numbers of
//! its operators mean.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use chargetally_core::alarm::AlarmClass;
use chargetally_core::observation::StopReason;
use chargetally_core::registration::{Access, Scene};

use super::mapping::{Defaults, placed};
use super::meant::zone;
use super::reader::Section;
use crate::dialect::cec102::Spec;
use crate::dialect::cec102::codes::{CODES_MAX, Codes, EquipmentKind};
use crate::dialect::lenient::Zone;
use crate::dialect::mapping::template::{Part, Template};
use crate::topic::{Root, check_id};

/// Where its topics begin.
pub(super) const ROOT: &str = "cec/v1";
/// A status is sent when it changes, a charge status every 50 s.
pub(super) const DEFAULTS: Defaults = Defaults { hold_s: 300, prolong: true };
/// The usual forms of what stands before the last level.
const PREFIXES: [&str; 2] = ["{root}/{operator}/{station}", "{root}/{operator}"];
/// Forms at most.
const PREFIXES_MAX: usize = 8;
/// Longest id in the settings, bytes.
const ID_BYTES_MAX: usize = 64;

pub(super) fn spec(t: &mut Section<'_>, root: &Root) -> Arc<Spec> {
    let id = |text: &str| match text {
        "" => Ok(None),
        text => match check_id(text, ID_BYTES_MAX) {
            Ok(id) => Ok(Some(Box::from(id))),
            Err(_) => Err(format!("must be an id of 1 to {ID_BYTES_MAX} bytes without / + # or control characters")),
        },
    };
    let prefixes = prefixes(t, &PREFIXES, root);
    let operator = t.text("operator", "", id);
    let station = t.text("station", "", id);
    let names_operator = |prefix: &Template| prefix.parts().any(|part| part == Part::Operator);
    if operator.is_none() && !prefixes.iter().all(names_operator) {
        let what = "has a form that names no {operator}: put it there, or give the source an operator";
        t.refuse("prefixes", what.to_owned());
    }
    if prefixes.iter().any(|prefix| prefix.parts().any(|part| part == Part::Connector)) {
        t.refuse("prefixes", "names a {connector}, which stands in the payloads of this dialect".to_owned());
    }
    let zone = t.text("zone", "Asia/Shanghai", zone);
    let codes = Codes {
        stop_reasons: codes(t, "stop_reasons", &StopReason::ALL.map(|reason| (reason.name(), reason))),
        alarms: codes(
            t,
            "alarm_codes",
            &AlarmClass::ALL.iter().map(|&class| (class.name(), class)).collect::<Vec<_>>(),
        ),
        accesses: codes(t, "station_types", &Access::ALL.map(|access| (access.name(), access))),
        scenes: codes(t, "constructions", &Scene::ALL.map(|scene| (scene.name(), scene))),
        equipment: codes(t, "equipment_types", &EquipmentKind::ALL.map(|kind| (kind.name(), kind))),
    };
    Arc::new(Spec { prefixes, operator, station, zone: Zone::new(zone), codes })
}

/// The forms of what stands before the last level of topics.
pub(super) fn prefixes(t: &mut Section<'_>, usual: &[&str], root: &Root) -> Vec<Template> {
    let written = Cell::new(0);
    let prefixes = t.list("prefixes", usual, PREFIXES_MAX, |text| {
        written.set(written.get() + 1);
        // Sources are told apart by their roots.
        let is_under = text.strip_prefix("{root}").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_under { placed(text, "", root) } else { Err("must begin with {root}".to_owned()) }
    });
    if written.get() == 0 {
        t.refuse("prefixes", "is empty: the source would read nothing".to_owned());
    }
    prefixes
}

/// A table of numbers, or `OPERATOR:NUMBER`, and what they mean.
fn codes<T: Copy>(t: &mut Section<'_>, key: &'static str, meanings: &[(&'static str, T)]) -> BTreeMap<Box<str>, T> {
    let mut codes = BTreeMap::new();
    for (code, meaning) in t.texts(key, CODES_MAX) {
        match meanings.iter().find(|(name, _)| *name == meaning) {
            Some(&(_, meant)) => _ = codes.insert(Box::from(code), meant),
            None => {
                let names: Vec<&str> = meanings.iter().map(|&(name, _)| name).collect();
                t.refuse(key, format!("has {code:?} = {meaning:?}; a code means one of {}", names.join(" ")));
            }
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::settings::{Merged, load};

    /// The problems of a source of this dialect with these keys, and what was loaded where there are none.
    fn check(dialect: &str, keys: &str, expected: &[&str]) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("t.toml");
        fs::write(&path, format!("[[source]]\ndialect = '{dialect}'\n{keys}")).expect("written");
        match load(std::slice::from_ref(&path)) {
            Ok(loaded) => {
                assert!(expected.is_empty(), "{keys} is taken");
                let again = directory.path().join("again.toml");
                fs::write(&again, Merged(&loaded.entries).to_string()).expect("written");
                let reloaded = load(&[again]).unwrap_or_else(|error| panic!("{error}\n{}", Merged(&loaded.entries)));
                assert_eq!(reloaded.settings, loaded.settings, "{keys}");
            }
            Err(error) => {
                let error = error.to_string().replace(&format!("{}:", path.display()), "");
                assert_eq!(error.lines().collect::<Vec<_>>(), expected, "{keys}");
            }
        }
    }

    #[test]
    fn sources_say_whom_topics_name_and_what_numbers_mean() {
        check("cec102", "", &[]);
        check("cec102", "stop_reasons = { 7 = 'other', 'op:8' = 'insulation' }\nequipment_types = { 5 = 'v2g' }", &[]);
        check("cec102", "root = 'a'\nprefixes = ['{root}/{station}']\noperator = 'op'\nzone = 'UTC'", &[]);
        check("ykc", "prefixes = ['{root}/{any}/{station}']\noperator = 'op'", &[]);
        let no_operator = "has a form that names no {operator}: put it there, or give the source an operator";
        check("cec102", "prefixes = ['{root}/{station}']", &[&format!("3: source[0].prefixes: {no_operator}")]);
        check("cec102", "prefixes = ['x/{operator}']", &["3: source[0].prefixes[0]: must begin with {root}"]);
        check("ykc", "prefixes = []", &["3: source[0].prefixes: is empty: the source would read nothing"]);
        check(
            "cec102",
            "constructions = { 3 = 'moon' }\nconnector = '1'",
            &[
                "3: source[0].constructions: has \"3\" = \"moon\"; a code means one of residential public_institution \
                 enterprise office industrial_park transport_hub culture_sports urban_green large_building roadside \
                 highway_service_area rural other",
                "4: source[0].connector: is no known key of [[source]]",
            ],
        );
        check(
            "cec102",
            "operator = 'a/b'",
            &["3: source[0].operator: must be an id of 1 to 64 bytes without / + # or control characters"],
        );
    }
}
