//! `chargetally bench` as a person runs it: short, and exact. How fast it is depends on the machine and is not tested.

use std::process::Command;

use serde_json::Value;

fn bench(arguments: &[&str]) -> Value {
    let ran = Command::new(env!("CARGO_BIN_EXE_chargetally")).arg("bench").args(arguments).output().expect("it runs");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{arguments:?}: {:?}\n{told}", ran.status);
    serde_json::from_slice(&ran.stdout).expect("JSON")
}

/// Holds a run to this: every message that was sent was taken in once, and everything that is told was measured.
fn check(arguments: &[&str], stations: u64, connectors: u64) {
    let report = bench(arguments);
    let receivers = report["receivers"].as_array().expect("receivers");
    let names: Vec<_> = receivers.iter().map(|of| of["receiver"].as_str().expect("a name")).collect();
    assert_eq!(names, ["receive and discard", "receive and parse", "daemon"]);
    for of in receivers {
        let (messages, sent) = (of["messages"].as_u64().expect("count"), of["sent"].as_u64().expect("count"));
        // Before the stretch that is measured come registrations, a sample of each connector, and the first alarms.
        assert_eq!(sent - messages, stations + connectors + 64, "{of}");
        assert!(of["cpu_ns_per_message"].as_f64().is_some_and(|ns| ns > 0.0), "{of}");
        assert!(of["ingest_delay"]["count"].as_u64().is_some_and(|count| count > 0), "{of}");
    }
    let daemon = &receivers[2];
    assert_eq!((&daemon["taken_in"], &daemon["accepted"]), (&daemon["sent"], &daemon["sent"]));
    let alarms = &daemon["alarm_delay"];
    assert!(alarms["count"].as_u64().is_some_and(|count| count >= 64), "{alarms}");
    assert!(alarms["p50_us"].as_u64() <= alarms["p99_us"].as_u64(), "{alarms}");
    assert!(alarms["p99_us"].as_u64() <= alarms["max_us"].as_u64(), "{alarms}");
}

#[test]
fn every_message_is_counted_once_at_qos_0() {
    check(&["--json", "--seconds", "1", "--connectors", "1005", "--rate", "5000"], 101, 1005);
}

#[test]
fn every_message_is_counted_once_at_qos_1_with_a_store_and_nothing_is_left_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().to_str().expect("text");
    let arguments =
        ["--json", "--seconds", "1", "--connectors", "100", "--rate", "5000", "--qos", "1", "--state", state];
    check(&arguments, 10, 100);
    assert_eq!(std::fs::read_dir(folder.path()).expect("there").count(), 0);
}

#[test]
fn the_table_fits_80_columns() {
    let ran = Command::new(env!("CARGO_BIN_EXE_chargetally"))
        .args(["bench", "--seconds", "0.2", "--connectors", "50", "--rate", "2000"])
        .output()
        .expect("it runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let table = String::from_utf8(ran.stdout).expect("text");
    assert!(table.contains("receive and parse") && table.contains("alarm, to its output"), "{table}");
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}
