//! The keys of a source of YKC: where its topics name whom, and in which zone its times are.

use std::sync::Arc;

use super::cec102::prefixes;
use super::mapping::Defaults;
use super::meant::zone;
use super::reader::Section;
use crate::dialect::lenient::Zone;
use crate::dialect::ykc::Spec;
use crate::topic::{Root, check_id};

/// Where its topics begin.
pub(super) const ROOT: &str = "charge/ykc";
/// A pile at rest sends every five minutes.
pub(super) const DEFAULTS: Defaults = Defaults { hold_s: 600, prolong: false };
/// The usual forms of what stands before the frame.
const PREFIXES: [&str; 2] = ["{root}/{station}/{connector}", "{root}/{station}"];
/// Longest id in the settings, bytes.
const ID_BYTES_MAX: usize = 64;

pub(super) fn spec(t: &mut Section<'_>, root: &Root) -> Arc<Spec> {
    let prefixes = prefixes(t, &PREFIXES, root);
    let operator = t.text("operator", "ykc", |text| match check_id(text, ID_BYTES_MAX) {
        Ok(id) => Ok(Box::from(id)),
        Err(_) => Err(format!("must be an id of 1 to {ID_BYTES_MAX} bytes without / + # or control characters")),
    });
    let zone = t.text("zone", "Asia/Shanghai", zone);
    Arc::new(Spec { prefixes, operator, zone: Zone::new(zone) })
}
