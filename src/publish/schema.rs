//! The JSON Schema of a summary (2020-12), made from the catalogue and from the record itself, so that it cannot name
//! what is not there. The files under `schemas/` are checked against it; this file writes none.

use chargetally_core::census::{Census, Snapshot};
use chargetally_core::indicator::{Group, Indicator, Inputs, Kind, NullReason, Policy};
use chargetally_core::registration::Access;
use chargetally_core::scope::{Level, Named, Part};
use chargetally_core::tally::Tally;
use chargetally_core::time::Bucket;
use chargetally_core::window::{Calendar, WindowKind};
use serde_json::{Map, Value, json};

use super::summary::{BREAKDOWNS, PART_GROUPS, Place, SCHEMA, Summary};

/// Where the schemas name themselves.
const BASE: &str = "urn:chargetally:schema:";

/// The schema of `chargetally.summary/1`.
#[must_use]
pub fn summary() -> Value {
    let sample = sample();
    let mut properties = Map::new();
    properties.insert("schema".into(), json!({ "const": SCHEMA }));
    properties.insert("scope".into(), json!({ "$ref": "#/$defs/scope" }));
    properties.insert("window".into(), json!({ "$ref": "#/$defs/window" }));
    properties.insert(
        "versions".into(),
        json!({
            "description": "The tables that figures rest on, each with its version.",
            "type": "object",
            "additionalProperties": { "type": "string" }
        }),
    );
    properties.insert("tally".into(), json!({ "$ref": "#/$defs/tally" }));
    properties.insert("census".into(), json!({ "anyOf": [{ "$ref": "#/$defs/census" }, { "type": "null" }] }));
    properties.insert("snapshot".into(), json!({ "anyOf": [{ "$ref": "#/$defs/snapshot" }, { "type": "null" }] }));
    for group in Group::ALL {
        properties.insert(group.name().into(), reference(group.name()));
    }
    properties.insert("by".into(), breakdowns());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{BASE}summary:1"),
        "title": "Summary of one scope and window",
        "description": "A ratio whose denominator is zero or too small is null, never 0; each null of a group stands \
                        with its reason in null_reasons. Fields may be added; none is renamed.",
        "type": "object",
        "required": properties.keys().collect::<Vec<_>>(),
        "properties": properties,
        "$defs": definitions(&sample),
    })
}

/// A summary with every part that one can have, from which the records' fields are read.
fn sample() -> Value {
    let (calendar, policy, tally) = (Calendar::fixed(0), Policy::default(), Tally::default());
    let (census, snapshot) = (Census::default(), Snapshot::default());
    let window = calendar.window(WindowKind::Day, Bucket::from_number(0));
    let inputs = Inputs {
        census: Some(&census),
        snapshot: Some(&snapshot),
        ..Inputs::new(Level::Nation, window, &calendar, &policy, &tally)
    };
    let parts = [Inputs { part: Some(Part::Access(Named::Known(Access::Public))), ..inputs }];
    let summary = Summary { place: Place::default(), revision: 0, inputs, parts: &parts, versions: &[] };
    serde_json::to_value(summary).expect("a summary always serialises")
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

/// A record of integers: flat ones, objects of them and arrays of them.
fn integers(sample: &Value) -> Value {
    match sample {
        Value::Object(fields) => json!({
            "type": "object",
            "required": fields.keys().collect::<Vec<_>>(),
            "properties": fields.iter().map(|(name, value)| (name.clone(), integers(value))).collect::<Map<_, _>>(),
        }),
        Value::Array(cells) => json!({
            "type": "array", "items": { "type": "integer" }, "minItems": cells.len(), "maxItems": cells.len()
        }),
        _ => json!({ "type": "integer" }),
    }
}

fn definitions(sample: &Value) -> Value {
    let mut definitions = Map::new();
    let mut tally = integers(&sample["tally"]);
    for of_the_census in ["connectors", "rated_w"] {
        tally["properties"][of_the_census] = json!({ "type": ["integer", "null"] });
    }
    definitions.insert("tally".into(), tally);
    definitions.insert("census".into(), integers(&sample["census"]));
    definitions.insert("snapshot".into(), integers(&sample["snapshot"]));
    definitions.insert("scope".into(), scope());
    definitions.insert("window".into(), window());
    definitions.insert("part".into(), part());
    definitions.insert("null_reason".into(), json!({ "enum": NullReason::ALL.map(NullReason::name) }));
    for group in Group::ALL {
        definitions.insert(group.name().into(), group_schema(group));
    }
    Value::Object(definitions)
}

fn scope() -> Value {
    json!({
        "type": "object",
        "required": ["level", "code", "name", "name_zh"],
        "properties": {
            "level": { "enum": Level::ALL.map(Level::name) },
            "code": { "type": ["string", "null"] },
            "name": { "type": ["string", "null"] },
            "name_zh": { "type": ["string", "null"] }
        }
    })
}

fn window() -> Value {
    json!({
        "type": "object",
        "required": ["name", "start", "end", "revision"],
        "properties": {
            "name": { "enum": WindowKind::ALL.map(WindowKind::name) },
            "start": { "type": "string", "format": "date-time" },
            "end": { "type": "string", "format": "date-time" },
            "revision": { "type": "integer", "minimum": 0 }
        }
    })
}

fn group_schema(group: Group) -> Value {
    let indicators = group.indicators();
    let names: Vec<&str> = indicators.iter().map(|indicator| indicator.name).collect();
    let mut properties: Map<String, Value> =
        indicators.iter().map(|indicator| (indicator.name.into(), indicator_schema(indicator))).collect();
    properties.insert(
        "null_reasons".into(),
        json!({
            "description": "Why each null of this group is null.",
            "type": "object",
            "propertyNames": { "enum": names },
            "additionalProperties": { "$ref": "#/$defs/null_reason" }
        }),
    );
    json!({ "type": "object", "required": properties.keys().collect::<Vec<_>>(), "properties": properties })
}

fn indicator_schema(indicator: &Indicator) -> Value {
    let mut schema = match indicator.kind {
        Kind::Number => json!({ "type": ["number", "null"] }),
        Kind::Integer => json!({ "type": ["integer", "null"] }),
        Kind::Word(words) => {
            json!({ "enum": words.iter().copied().map(Value::from).chain([Value::Null]).collect::<Vec<_>>() })
        }
        Kind::Time => json!({ "type": ["string", "null"], "format": "date-time" }),
        Kind::Stations => json!({ "type": ["array", "null"], "items": { "type": "string" } }),
    };
    schema["title"] = format!("{} / {}", indicator.name_en, indicator.name_zh).into();
    schema["description"] =
        format!("{} [{}] = {} ({})", indicator.id, indicator.unit, indicator.formula, indicator.source).into();
    schema
}

fn part() -> Value {
    let mut properties = Map::new();
    properties.insert("tally".into(), reference("tally"));
    for group in PART_GROUPS {
        properties.insert(group.name().into(), reference(group.name()));
    }
    json!({ "type": "object", "required": properties.keys().collect::<Vec<_>>(), "properties": properties })
}

fn breakdowns() -> Value {
    let values = json!({ "type": "object", "additionalProperties": { "$ref": "#/$defs/part" } });
    json!({
        "description": "By breakdown and value; empty below the province.",
        "type": "object",
        "properties": BREAKDOWNS.iter().map(|&name| (name.into(), values.clone())).collect::<Map<_, _>>(),
        "additionalProperties": false
    })
}
