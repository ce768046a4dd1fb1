//! `record` and `simulate --broker` with a real Mosquitto between them: what was sent is what was recorded, and its
//! replay says what happened.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use support::LIMIT;
use support::mosquitto::{Mosquitto, free_port};

/// So that nothing is dropped however fast messages come.
const UNLIMITED: &str = "max_queued_messages 0\nmax_queued_bytes 0\n";

fn chargetally(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chargetally"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn outcome(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("the binary runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A command in the background, killed where the test gives it up.
struct Running(Option<Child>);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(Some(command.spawn().expect("the binary runs")))
    }

    /// Asks it to stop as Ctrl-C or a service manager does, and waits for its end.
    fn stop(mut self, signal: &str) -> Output {
        let child = self.0.take().expect("it runs");
        let status = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill can be run");
        assert!(status.success(), "it was still there to be stopped");
        child.wait_with_output().expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn name(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn lines(path: &Path) -> usize {
    fs::read(path).map_or(0, |bytes| bytes.iter().filter(|&&byte| byte == b'\n').count())
}

/// The time so many minutes ago.
fn minutes_ago(minutes: u64) -> String {
    let then = SystemTime::now() - Duration::from_secs(60 * minutes);
    jiff::Timestamp::try_from(then).expect("a time").to_string()
}

/// Starts `record` and waits until it is subscribed.
fn record(broker: &Mosquitto, url: &str, file: &Path, more: &[&str]) -> Running {
    let before = broker.log().matches("as chargetally-record-").count();
    let recorder = Running::start(&mut chargetally(&[&["record", "--broker", url, name(file)][..], more].concat()));
    wait_until("the recorder is connected", || broker.log().matches("as chargetally-record-").count() > before);
    wait_until("the recorder is subscribed", || {
        broker.log().contains("ev/v1/# (QoS 1)") || broker.log().contains("1 ev/v1/#")
    });
    recorder
}

#[test]
fn what_a_fleet_publishes_is_recorded_whole_and_replays_to_the_truth() {
    let broker = Mosquitto::start_with(&format!("allow_anonymous true\nlog_type all\n{UNLIMITED}"));
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    let folder = tempfile::tempdir().expect("a folder");
    let (file, truth) = (folder.path().join("live.ndjson"), folder.path().join("truth.json"));
    let recorder = record(&broker, &url, &file, &[]);
    let start = minutes_ago(125);
    let fleet = ["--connectors", "40", "--duration", "2h", "--speed", "0", "--start", &start, "--faults", "all"];
    let files = ["simulate", "--broker", &url, "--truth", name(&truth)];
    let (code, stderr) = outcome(&mut chargetally(&[&files[..], &fleet].concat()));
    assert_eq!(code, Some(0), "{stderr}");
    let nation: Value = serde_json::from_slice::<Value>(&fs::read(&truth).expect("the truth")).expect("JSON");
    let sent = nation["nation"]["messages"]["delivered"].as_u64().expect("a number");
    assert!(sent > 5_000, "{sent}");
    wait_until("everything is recorded", || lines(&file) as u64 == sent);
    let ended = recorder.stop("-TERM");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{told}");
    assert!(told.contains(&format!("{sent} messages with ")), "{told}");
    assert_eq!(lines(&file) as u64, sent);
    let replay = ["replay", name(&file), "--truth", name(&truth), "--levels", "nation", "--windows", "1h"];
    let (code, stderr) = outcome(&mut chargetally(&replay));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("energy to vehicles, J"), "{stderr}");

    let again = ["record", "--broker", &url, name(&file)];
    let (code, stderr) = outcome(&mut chargetally(&again));
    assert_eq!(code, Some(73));
    assert!(stderr.contains("--force"), "{stderr}");
    assert_eq!(lines(&file) as u64, sent, "the recording is as it was");
}

#[test]
fn a_fleet_that_is_interrupted_tells_the_truth_up_to_then() {
    let broker = Mosquitto::start_with(&format!("allow_anonymous true\nlog_type all\n{UNLIMITED}"));
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    let folder = tempfile::tempdir().expect("a folder");
    let (file, truth) = (folder.path().join("live.ndjson"), folder.path().join("truth.json"));
    let recorder = record(&broker, &url, &file, &[]);
    let start = minutes_ago(600);
    let fleet = ["--connectors", "100", "--speed", "600", "--start", &start];
    let files = ["simulate", "--broker", &url, "--truth", name(&truth)];
    let simulator = Running::start(&mut chargetally(&[&files[..], &fleet].concat()));
    wait_until("the fleet is under way", || lines(&file) > 4_000);
    let ended = simulator.stop("-INT");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let told: Value = serde_json::from_slice(&fs::read(&truth).expect("the truth")).expect("JSON");
    let sent = told["nation"]["messages"]["delivered"].as_u64().expect("a number");
    wait_until("everything is recorded", || lines(&file) as u64 == sent);
    assert_eq!(recorder.stop("-INT").status.code(), Some(0));
    let replay = ["replay", name(&file), "--truth", name(&truth), "--levels", "nation", "--windows", "1h"];
    let (code, stderr) = outcome(&mut chargetally(&replay));
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn a_user_is_let_in_with_the_password_of_a_file_and_nobody_else() {
    let passwords = Mosquitto::password_file("meter", "hunter2");
    let lines = format!("allow_anonymous false\npassword_file {{dir}}/passwords\nlog_type all\n{UNLIMITED}");
    let broker = Mosquitto::start_with_files(&lines, &[("passwords", &passwords)]);
    let url = format!("mqtt://127.0.0.1:{}", broker.port());
    let folder = tempfile::tempdir().expect("a folder");
    let (right, wrong) = (folder.path().join("right"), folder.path().join("wrong"));
    fs::write(&right, "hunter2\n").expect("written");
    fs::write(&wrong, "hunter3\n").expect("written");
    let file = folder.path().join("live.ndjson");
    for command in [&["record", name(&file)][..], &["simulate", "--duration", "1m"]] {
        let login = ["--broker", &url, "--username", "meter", "--password-file", name(&wrong)];
        let force: &[&str] = if command[0] == "record" { &["--force"] } else { &[] };
        let (code, stderr) = outcome(&mut chargetally(&[command, &login, force].concat()));
        assert_eq!(code, Some(69), "{stderr}");
        assert!(stderr.contains("credentials") && !stderr.contains("hunter"), "{stderr}");
    }
    let login = ["--username", "meter", "--password-file", name(&right)];
    let recorder = record(&broker, &url, &file, &[&login[..], &["--force"]].concat());
    let fleet = ["simulate", "--broker", &url, "--connectors", "5", "--duration", "2m", "--speed", "0"];
    let start = minutes_ago(10);
    let (code, stderr) = outcome(&mut chargetally(&[&fleet[..], &login, &["--start", &start]].concat()));
    assert_eq!(code, Some(0), "{stderr}");
    wait_until("messages are recorded", || self::lines(&file) > 10);
    assert_eq!(recorder.stop("-TERM").status.code(), Some(0));
}

#[test]
fn a_broker_that_is_not_there_ends_both_commands_at_once() {
    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("live.ndjson");
    for command in [&["record", name(&file)][..], &["simulate"]] {
        let (code, stderr) = outcome(&mut chargetally(&[command, &["--broker", &url]].concat()));
        assert_eq!(code, Some(69), "{stderr}");
        assert!(stderr.contains(&format!("the broker at {url} cannot be used")), "{stderr}");
    }
}
