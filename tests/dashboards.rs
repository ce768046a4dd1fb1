//! The dashboards against a store: every query gives rows, and what it computes is what the summary says. The figures are
//! those of a replay of a simulated day, kept in a store as the daemon keeps them; the questions are put by the
//! `sqlite3` program, as another program would put them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chargetally::store::{FILE_NAME, Figures, Limits, RecordRow, Store};
use serde_json::{Map, Value};

/// 2026-05-02T00:00+08:00, ms.
const DAY_MS: i64 = 1_777_651_200_000;

type Row = Map<String, Value>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chargetally(directory: &Path, arguments: &[&str]) {
    let program = env!("CARGO_BIN_EXE_chargetally");
    let output = Command::new(program).args(arguments).current_dir(directory).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn integer(summary: &Value, path: &str) -> i64 {
    summary.pointer(path).and_then(Value::as_i64).unwrap_or_else(|| panic!("{path} in {summary}"))
}

fn row(summary: &Value, text: &str) -> RecordRow {
    let ms = |state: &str| integer(summary, &format!("/tally/state_ms/{state}"));
    let tally = |name: &str| integer(summary, &format!("/tally/{name}"));
    let alarms = |level: &str| integer(summary, &format!("/tally/alarms_raised/{level}"));
    let word = |path: &str| summary.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let window = word("/window/name");
    let hour = word("/window/start")[11..13].parse::<i64>().expect("an hour");
    RecordRow {
        start_s: DAY_MS / 1_000 + hour * 3_600,
        summary: (window == "1d").then(|| text.to_owned()),
        window,
        level: word("/scope/level"),
        code: word("/scope/code"),
        utc_offset_s: 28_800,
        published_ms: DAY_MS,
        figures: Figures {
            connectors: tally("connectors"),
            import_j: tally("import_j"),
            export_j: tally("export_j"),
            charging_import_j: tally("charging_import_j"),
            rated_w: tally("rated_w"),
            rated_j: tally("rated_j"),
            charging_ms: ms("charging"),
            discharging_ms: ms("discharging"),
            occupied_ms: ms("occupied"),
            reserved_ms: ms("reserved"),
            available_ms: ms("available"),
            faulted_ms: ms("faulted"),
            unavailable_ms: ms("unavailable"),
            offline_ms: ms("offline"),
            unobserved_ms: ms("unobserved"),
            sessions_attempted: tally("sessions_attempted"),
            sessions_started: tally("sessions_started"),
            sessions_completed: tally("sessions_completed"),
            sessions_failed: tally("sessions_failed"),
            alarms_personal: alarms("personal"),
            alarms_equipment: alarms("equipment"),
            alarms_notice: alarms("notice"),
        },
        ..RecordRow::default()
    }
}

/// A store with the hours and the day of a simulated fleet, and the summary of the nation's day.
fn stored(directory: &Path) -> (Store, Value) {
    let simulated = ["--connectors", "60", "--start", "2026-05-02T00:00:00+08:00", "--duration", "24h"];
    chargetally(directory, &[&["simulate", "--out", "day.ndjson", "--interval-s", "60"][..], &simulated].concat());
    let wanted = ["--levels", "nation,province", "--windows", "1h,1d"];
    chargetally(directory, &[&["replay", "day.ndjson", "--out", "summaries.ndjson"][..], &wanted].concat());
    let summaries = fs::read_to_string(directory.join("summaries.ndjson")).expect("summaries");
    let (mut store, _) = Store::open(directory, Limits::default()).expect("a store");
    let seq = store.last_seq();
    let mut checkpoint = store.begin_checkpoint(seq).expect("a checkpoint");
    let mut day = Value::Null;
    for text in summaries.lines() {
        let summary: Value = serde_json::from_str(text).expect("JSON");
        if !summary
            .pointer("/window/start")
            .and_then(Value::as_str)
            .is_some_and(|start| start.starts_with("2026-05-02"))
        {
            continue;
        }
        let row = row(&summary, text);
        checkpoint.record(&row).expect("a record");
        if (row.window.as_str(), row.level.as_str()) == ("1d", "nation") {
            day = summary;
        }
    }
    checkpoint.commit().expect("durable");
    (store, day)
}

/// Asks as a reader beside the daemon does, with the dashboard's variables filled in.
fn ask(store: &Path, query: &str, window: &str) -> Vec<Row> {
    let until_ms = (DAY_MS + 86_400_000).to_string();
    let query = query
        .replace("$__from", &DAY_MS.to_string())
        .replace("$__to", &until_ms)
        .replace("$window", window)
        .replace("$level", "nation")
        .replace("$code", "");
    assert!(!query.contains('$') || query.contains("'$."), "a variable that nobody fills in: {query}");
    let output = Command::new("sqlite3").args(["-readonly", "-json"]).arg(store).arg(&query).output();
    let output = output.expect("the program sqlite3");
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    if output.stdout.is_empty() { Vec::new() } else { serde_json::from_slice(&output.stdout).expect("JSON") }
}

/// The queries of a dashboard's panels by title.
fn queries(dashboard: &Value) -> BTreeMap<String, String> {
    let panels = dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row");
    let query = |panel: &Value| {
        let target = &panel["targets"][0];
        assert_eq!(target["queryText"], target["rawQueryText"], "{}", panel["title"]);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&panel["title"]), text(&target["queryText"]))
    };
    panels.map(query).collect()
}

#[test]
fn every_query_gives_rows_and_the_figures_of_the_summary() {
    let directory = tempfile::tempdir().expect("a directory");
    let (open, day) = stored(directory.path());
    let file: PathBuf = directory.path().join(FILE_NAME);
    let text = fs::read_to_string(root().join("dashboards/grafana-national.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let queries = queries(&dashboard);
    assert!(queries.len() >= 15, "{queries:?}");
    for (title, query) in &queries {
        let rows = ask(&file, query, "1h");
        let wanted = if query.contains("start AS time") { 24 } else { 1 };
        assert!(rows.len() >= wanted, "{title}: {} rows", rows.len());
        let told = rows.iter().flatten().any(|(name, value)| name != "time" && !value.is_null());
        assert!(told, "{title} tells nothing: {rows:?}");
    }
    for variable in dashboard["templating"]["list"].as_array().expect("variables") {
        if variable["type"] == "query" {
            assert!(!ask(&file, variable["query"].as_str().expect("a query"), "1h").is_empty(), "{variable}");
        }
    }
    for (title, column, path) in [
        ("Utilisation", "time utilisation", "/efficiency/time_utilisation"),
        ("Utilisation", "energy utilisation", "/efficiency/energy_utilisation"),
        ("Availability", "strict", "/service/availability_strict"),
        ("Availability", "lenient", "/service/availability_lenient"),
        ("Energy", "import", "/efficiency/energy_import_kwh"),
        ("Of the goal of 28 million", "share", "/targets/facilities_progress"),
        ("Of the goal of 300 GW", "share", "/targets/public_capacity_progress"),
        ("Latest day: quality of the data", "unknown time", "/quality/unknown_time_share"),
    ] {
        let rows = ask(&file, &queries[title], "1d");
        let found = rows[0][column].as_f64().unwrap_or_else(|| panic!("{title}: {rows:?}"));
        let expected = day.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}"));
        assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{title}, {column}: {found}, {path} {expected}");
    }
    drop(open);
}
