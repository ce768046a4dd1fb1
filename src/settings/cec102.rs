//! The keys of a source of T/CEC 102: where its topics name whom, in which zone its times are, and what the numbers of
//! its operators mean.

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
    let prefixes = t.list("prefixes", usual, PREFIXES_MAX, |text| {
        // Sources are told apart by their roots.
        let is_under = text.strip_prefix("{root}").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_under { placed(text, "", root) } else { Err("must begin with {root}".to_owned()) }
    });
    if prefixes.is_empty() {
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
