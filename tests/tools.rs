//! `simulate` and `replay` as a shell sees them: a recording made and aggregated again must give back what happened.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn chargetally(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chargetally"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn done(arguments: &[&str]) -> Output {
    let output = chargetally(arguments).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// A recording of a fleet, and the truth beside it.
struct Recorded {
    folder: tempfile::TempDir,
}

impl Recorded {
    fn of(arguments: &[&str]) -> Self {
        let recorded = Self { folder: tempfile::tempdir().expect("a folder") };
        let (recording, truth) = (recorded.path("fleet.ndjson"), recorded.path("truth.json"));
        let files = ["simulate", "--out", name(&recording), "--truth", name(&truth)];
        let start = ["--start", "2026-01-05T06:00:00+08:00"];
        done(&[&files[..], &start, arguments].concat());
        recorded
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn truth(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("truth.json")).expect("the truth")).expect("JSON")
    }
}

fn name(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn summaries(bytes: &[u8]) -> Vec<Value> {
    text(bytes).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn sum(summaries: &[Value], pointer: &str) -> i64 {
    summaries.iter().map(|summary| summary.pointer(pointer).and_then(Value::as_i64).expect("a number")).sum()
}

#[test]
fn what_a_fleet_did_is_what_the_replay_of_its_recording_says() {
    for faults in [&[][..], &["--faults", "none"], &["--faults", "all"]] {
        let day = Recorded::of(&[&["--connectors", "60", "--duration", "5h"][..], faults].concat());
        let (recording, truth) = (day.path("fleet.ndjson"), day.path("truth.json"));
        let files = ["replay", name(&recording), "--truth", name(&truth)];
        let output = done(&[&files[..], &["--levels", "nation", "--windows", "1h,1d"]].concat());
        let hours: Vec<Value> =
            summaries(&output.stdout).into_iter().filter(|summary| summary["window"]["name"] == "1h").collect();
        let nation = &day.truth()["nation"];
        assert!(nation["import_j"].as_i64().is_some_and(|energy_j| energy_j > 0));
        for figure in ["import_j", "export_j", "sessions_attempted", "sessions_started", "sessions_completed"] {
            assert_eq!(Some(sum(&hours, &format!("/tally/{figure}"))), nation[figure].as_i64(), "{figure} {faults:?}");
        }
        let table = text(&output.stderr);
        assert!(table.contains("energy to vehicles, J") && !table.contains("WRONG"), "{table}");
        assert!(table.lines().all(|line| line.starts_with("chargetally:") || line.chars().count() <= 80), "{table}");
    }
}

#[test]
fn a_truth_of_another_day_is_told_from_the_right_one() {
    let day = Recorded::of(&["--connectors", "20", "--duration", "3h"]);
    let recording = day.path("fleet.ndjson");
    let mut truth = day.truth();
    let wrong = truth["nation"]["import_j"].as_i64().expect("a number") + 1;
    truth["nation"]["import_j"] = wrong.into();
    fs::write(day.path("truth.json"), truth.to_string()).expect("written");
    let (truth, out) = (day.path("truth.json"), day.path("out"));
    let output = chargetally(&["replay", name(&recording), "--truth", name(&truth), "--out", name(&out)])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout).matches("WRONG").count(), 1, "{}", text(&output.stdout));
    assert!(text(&output.stderr).ends_with("chargetally: the figures differ from the truth\n"));
    fs::write(&truth, "{}").expect("written");
    let output = chargetally(&["replay", name(&recording), "--truth", name(&truth)]).output().expect("the binary runs");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(65), 0));
}

#[test]
fn any_number_of_shards_and_files_and_standard_input_give_the_same_summaries() {
    let day = Recorded::of(&["--connectors", "40", "--duration", "2h"]);
    let recording = day.path("fleet.ndjson");
    let alone = done(&["replay", name(&recording), "--windows", "15m,1h", "--shards", "1"]).stdout;
    assert!(summaries(&alone).len() > 500);
    let many = done(&["replay", name(&recording), "--windows", "15m,1h", "--shards", "5"]).stdout;
    assert!(many == alone, "five shards give other summaries than one");
    let whole = fs::read_to_string(&recording).expect("the recording");
    let middle = whole[..whole.len() / 2].rfind('\n').expect("lines") + 1;
    let part = day.path("part.ndjson");
    fs::write(&part, &whole[..middle]).expect("written");
    let rest = day.path("rest.ndjson");
    fs::write(&rest, &whole[middle..]).expect("written");
    let rest = fs::File::open(rest).expect("the rest");
    let parts = chargetally(&["replay", name(&part), "-", "--windows", "15m,1h"])
        .stdin(rest)
        .output()
        .expect("the binary runs");
    assert!(parts.stdout == alone, "two parts give other summaries than the whole");
}

#[test]
fn broken_lines_are_counted_and_named_and_do_no_harm() {
    let day = Recorded::of(&["--connectors", "10", "--duration", "2h", "--faults", "none"]);
    let good = fs::read_to_string(day.path("fleet.ndjson")).expect("the recording");
    let mut lines: Vec<&str> = good.lines().collect();
    lines.insert(100, "{\"topic\":");
    lines.insert(50, "");
    lines.insert(10, "\u{1}");
    lines.push("{\"tst\":\"2026-01-05T08:00:00Z\",\"topic\":\"elsewhere\",\"payload\":{}}");
    let broken = day.path("broken.ndjson");
    fs::write(&broken, lines.join("\n")).expect("written");
    let options = ["--levels", "nation", "--windows", "1h"];
    let recording = day.path("fleet.ndjson");
    let expected = done(&[&["replay", name(&recording)][..], &options].concat()).stdout;
    let output = done(&[&["replay", name(&broken)][..], &options].concat());
    assert!(output.stdout == expected, "broken lines change the summaries");
    let told = text(&output.stderr);
    for hint in
        ["2 lines hold no message", "1 lines are blank: `mosquitto_sub -F %J`", "1 messages belong to no source"]
    {
        assert!(told.contains(hint), "{hint}: {told}");
    }
    assert!(told.contains("sources below ev/v1"), "{told}");
}

#[test]
fn an_output_that_cannot_be_finished_is_not_left_behind() {
    let day = Recorded::of(&["--connectors", "10", "--duration", "1h"]);
    let recording = day.path("fleet.ndjson");
    let count = || fs::read_dir(day.folder.path()).expect("readable").count();
    let before = count();
    let nowhere = day.path("nowhere/out");
    for out in [name(&nowhere), "/dev/full"] {
        let output = chargetally(&["replay", name(&recording), "--out", out]).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(73), "{out}: {}", text(&output.stderr));
    }
    let missing = day.path("missing");
    let out = day.path("out");
    let output = chargetally(&["replay", name(&recording), name(&missing), "--out", name(&out)]).output();
    assert_eq!(output.expect("the binary runs").status.code(), Some(66));
    assert_eq!(count(), before);
    done(&["replay", name(&recording), "--out", name(&out), "--levels", "nation", "--windows", "1d"]);
    assert_eq!(count(), before + 1);
    assert_eq!(summaries(&fs::read(out).expect("the summaries")).len(), 1);
}

#[test]
fn a_reader_of_summaries_that_goes_away_is_no_failure() {
    let day = Recorded::of(&["--connectors", "20", "--duration", "1h"]);
    let recording = day.path("fleet.ndjson");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = chargetally(&["replay", name(&recording)]);
    command.stdout(writer).stderr(Stdio::piped());
    let output = command.spawn().and_then(|child| child.wait_with_output()).expect("the binary runs");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn an_empty_recording_has_no_summaries() {
    let output = done(&["replay", "/dev/null"]);
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).starts_with("chargetally: 0 messages, 0 summaries"), "{}", text(&output.stderr));
}

#[test]
fn options_that_make_no_fleet_are_refused() {
    for wrong in [
        &["--connectors", "10"][..],
        &["--duration", "1h", "--faults", "none,lost"],
        &["--duration", "1h", "--start", "1960-01-01T00:00:00Z"],
    ] {
        let arguments = [&["simulate", "--out", "/dev/null"][..], wrong].concat();
        let output = chargetally(&arguments).output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(64), "{wrong:?}: {}", text(&output.stderr));
    }
}
