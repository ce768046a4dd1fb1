//! Holds the daemon's summaries (NDJSON) against the reference's figures and names the first differences. It must
//! compare integers as integers, and must not pass where there is nothing to compare.

use super::Key;
use super::figures::Figures;
use serde_json::Value;
use std::collections::BTreeMap;

/// How many differences are named.
const DIFFERENCES_MAX: usize = 12;
/// Counts that depend on the derived alarms.
const ALARM_NAMES: [&str; 2] = ["alarms_raised", "alarms_cleared"];
/// Counts that need not belong to a connector, and so to no breakdown.
const MESSAGE_NAMES: [&str; 9] = [
    "alarms_raised",
    "alarms_cleared",
    "accepted",
    "duplicate",
    "late",
    "future",
    "out_of_order",
    "rejected",
    "connectors",
];

/// What is compared beside the tally.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// Alarms: only where the daemon derives none of its own from telemetry.
    pub alarms: bool,
    /// The breakdowns' times, energies, ratings and sessions, where a summary has them.
    pub by: bool,
    /// `efficiency.power_peak_kw`, where a summary has it.
    pub peaks: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self { alarms: false, by: true, peaks: true }
    }
}

/// Compares with the usual checks: all but alarms.
pub fn compare(ndjson_output: &str, expected: &BTreeMap<Key, Figures>) -> Result<(), String> {
    compare_with(ndjson_output, expected, Checks::default())
}

/// Compares every window and scope of the two, in both directions. `expected` must hold the same windows and levels
/// that the output was asked for.
pub fn compare_with(ndjson_output: &str, expected: &BTreeMap<Key, Figures>, checks: Checks) -> Result<(), String> {
    let found = read_summaries(ndjson_output)?;
    let mut differences = Vec::new();
    for (key, figures) in expected {
        match found.get(key) {
            None => differences.push(format!("{}: expected, but not given out", name_of(key))),
            Some(summary) => compare_summary(&name_of(key), summary, figures, checks, &mut differences),
        }
    }
    for key in found.keys().filter(|key| !expected.contains_key(*key)) {
        differences.push(format!("{}: given out, but not expected", name_of(key)));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let count = differences.len();
    differences.truncate(DIFFERENCES_MAX);
    Err(format!("{count} differences, the first of them:\n{}", differences.join("\n")))
}

fn name_of((window, start_ms, scope): &Key) -> String {
    let start = jiff::Timestamp::from_millisecond(*start_ms).map_or_else(|_| start_ms.to_string(), |at| at.to_string());
    format!("{window} {start} {scope}")
}

/// The summaries by key, the highest revision of each.
fn read_summaries(ndjson: &str) -> Result<BTreeMap<Key, Value>, String> {
    let mut summaries: BTreeMap<Key, (u64, Value)> = BTreeMap::new();
    for (index, line) in ndjson.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let summary: Value =
            serde_json::from_str(line).map_err(|error| format!("line {}: no JSON: {error}", index + 1))?;
        let key = key_of(&summary).ok_or_else(|| format!("line {}: no window or scope in {line}", index + 1))?;
        let revision = summary["window"]["revision"].as_u64().unwrap_or(0);
        if summaries.get(&key).is_none_or(|(before, _)| *before <= revision) {
            summaries.insert(key, (revision, summary));
        }
    }
    Ok(summaries.into_iter().map(|(key, (_, summary))| (key, summary)).collect())
}

fn key_of(summary: &Value) -> Option<Key> {
    let window = summary["window"]["name"].as_str()?;
    let start: jiff::Timestamp = summary["window"]["start"].as_str()?.parse().ok()?;
    let level = summary["scope"]["level"].as_str()?;
    let scope = match summary["scope"]["code"].as_str() {
        Some(code) if level != "nation" => format!("{level}/{code}"),
        _ => level.to_owned(),
    };
    Some((window.to_owned(), start.as_millisecond(), scope))
}

fn compare_summary(name: &str, summary: &Value, figures: &Figures, checks: Checks, differences: &mut Vec<String>) {
    let skipped: &[&str] = if checks.alarms { &[] } else { &ALARM_NAMES };
    compare_tally(name, &summary["tally"], figures, skipped, differences);
    if checks.peaks
        && let Some(peak_kw) = summary["efficiency"]["power_peak_kw"].as_f64()
    {
        let expected_kw = figures.power_peak_j as f64 / 60_000.0;
        if (peak_kw - expected_kw).abs() > 1e-6 * expected_kw.max(1.0) {
            differences.push(format!("{name}: power_peak_kw is {peak_kw}, expected {expected_kw}"));
        }
    }
    if !checks.by || !summary["by"].is_object() {
        return;
    }
    for ((breakdown, value), part) in &figures.by {
        let name = format!("{name} by {breakdown} {value}");
        let given = &summary["by"][breakdown][value];
        let tally = if given["tally"].is_object() { &given["tally"] } else { given };
        if tally.is_object() {
            // A breakdown may show fewer integers; those that it shows must agree.
            let absent = absent_names(tally, part);
            let skipped: Vec<&str> = MESSAGE_NAMES.into_iter().chain(absent.iter().map(String::as_str)).collect();
            compare_tally(&name, tally, part, &skipped, differences);
        } else {
            differences.push(format!("{name}: expected, but not given out"));
        }
    }
}

fn absent_names(tally: &Value, figures: &Figures) -> Vec<String> {
    let expected = figures.to_json();
    let names = expected.as_object().into_iter().flat_map(|fields| fields.keys());
    names.filter(|name| tally.get(name.as_str()).is_none()).cloned().collect()
}

fn compare_tally(name: &str, tally: &Value, figures: &Figures, skipped: &[&str], differences: &mut Vec<String>) {
    let expected = figures.to_json();
    for (field, expected) in expected.as_object().into_iter().flatten() {
        if skipped.contains(&field.as_str()) {
            continue;
        }
        match expected {
            Value::Object(group) => {
                for (part, expected) in group {
                    let found = &tally[field][part];
                    if found != expected {
                        differences.push(format!("{name}: {field}.{part} is {found}, expected {expected}"));
                    }
                }
            }
            plain => {
                let found = &tally[field];
                if found != plain {
                    differences.push(format!("{name}: {field} is {found}, expected {plain}"));
                }
            }
        }
    }
}

/// Leaves out lines as long as `fails` still holds of the rest.
pub fn shrink(lines: &[String], fails: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut kept = lines.to_vec();
    let mut chunk = kept.len() / 2;
    while chunk > 0 {
        let mut from = 0;
        while from < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(from..(from + chunk).min(kept.len()));
            if fails(&fewer) {
                kept = fewer;
            } else {
                from += chunk;
            }
        }
        chunk /= 2;
    }
    kept
}

/// The figures as summaries on the wire, as far as `compare` reads them: one line each.
pub fn to_ndjson(figures: &BTreeMap<Key, Figures>) -> String {
    let mut lines = String::new();
    for ((window, start_ms, scope), figures) in figures {
        let start = jiff::Timestamp::from_millisecond(*start_ms).map_or_else(|_| String::new(), |at| at.to_string());
        let (level, code) = scope.split_once('/').unwrap_or((scope, ""));
        let mut by = serde_json::Map::new();
        for ((breakdown, value), part) in &figures.by {
            let values = by.entry(breakdown.clone()).or_insert_with(|| serde_json::json!({}));
            values[value] = serde_json::json!({ "tally": part.to_json() });
        }
        let summary = serde_json::json!({
            "scope": { "level": level, "code": code },
            "window": { "name": window, "start": start, "revision": 0 },
            "tally": figures.to_json(),
            "efficiency": { "power_peak_kw": figures.power_peak_j as f64 / 60_000.0 },
            "by": by,
        });
        lines.push_str(&summary.to_string());
        lines.push('\n');
    }
    lines
}
