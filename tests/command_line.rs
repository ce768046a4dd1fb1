//! The binary as a shell sees it: exit codes, what goes to which stream, and a reader that goes away.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use chargetally::store::{FILE_NAME, Figures, Limits, RecordRow, Store};

fn chargetally(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chargetally"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn outcome(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn help_is_a_result_and_a_wrong_command_line_is_none() {
    let (code, stdout, stderr) = outcome(chargetally(&["--help"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.contains("Usage: chargetally <COMMAND>") && stdout.contains("78  wrong settings"));
    let (code, stdout, stderr) = outcome(chargetally(&["chek"]));
    assert_eq!((code, stdout.as_str()), (Some(64), ""));
    assert!(stderr.contains("check"), "{stderr}");
}

#[test]
fn check_prints_the_settings_and_says_nothing_else() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples/gateway.toml");
    let (code, stdout, stderr) = outcome(chargetally(&["check", "--config", shipped.to_str().expect("text")]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let line = stdout.lines().find(|line| line.starts_with("max_payload_kb = 64 "));
    assert!(line.is_some_and(|line| line.ends_with("config/examples/gateway.toml:7")), "{stdout}");
}

#[test]
fn wrong_settings_end_with_78_and_every_problem() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("wrong.toml");
    fs::write(&path, "[mqtt]\nkeep_alive_s = '30'\n[run]\nshard = 2\n").expect("written");
    let path = path.to_str().expect("text");
    let (code, stdout, stderr) = outcome(chargetally(&["check", "--config", path]));
    assert_eq!((code, stdout.as_str()), (Some(78), ""));
    let expected = format!(
        "chargetally: the settings have 2 problems\n  \
         {path}:2: mqtt.keep_alive_s: must be a whole number and is a string\n  \
         {path}:4: run.shard: is no known key of [run]; did you mean shards?\n"
    );
    assert_eq!(stderr, expected);
}

#[test]
fn a_reader_that_went_away_ends_the_program_quietly() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    for arguments in [&["check"][..], &["--help"], &["completions", "bash"]] {
        let mut command = chargetally(arguments);
        command.stdout(writer.try_clone().expect("the same pipe")).stderr(Stdio::piped());
        let output = command.spawn().and_then(|child| child.wait_with_output()).expect("the binary runs");
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{arguments:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut command = chargetally(&["check"]);
    command.stdout(full).stderr(Stdio::piped());
    let output = command.spawn().and_then(|child| child.wait_with_output()).expect("the binary runs");
    assert_eq!(output.status.code(), Some(73));
    assert!(output.stderr.starts_with(b"chargetally: cannot write to standard output\n"));
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, stdout, stderr) = outcome(chargetally(&["completions", shell]));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(stdout.contains("config") && stdout.contains("quiet"), "{shell}");
    }
}

#[test]
fn explain_shows_what_a_message_says_or_why_it_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("site.toml");
    fs::write(&path, "[[source]]\nname = 'home'\ndialect = 'evcc'\n").expect("written");
    let config = ["explain", "--config", path.to_str().expect("text")];
    let messages = [
        "--topic",
        "evcc/loadpoints/1/charging",
        "--payload",
        "true",
        "--topic",
        "evcc/loadpoints/1/chargePower",
        "--payload",
        "-7360.5",
    ];
    let (code, stdout, stderr) = outcome(chargetally(&[&config[..], &messages].concat()));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let told: Vec<&str> = stdout.lines().collect();
    assert_eq!(told.len(), 8, "{stdout}");
    assert_eq!(told[1], "    source \"home\", dialect evcc");
    assert_eq!(told[2], "    the payload is read as charging");
    assert!(told[3].starts_with("    sample evcc/evcc/1 ") && told[3].ends_with(" status=charging"), "{stdout}");
    assert!(told[7].ends_with(" status=charging power_kw=-7.361"), "{stdout}");

    let wrong = ["--topic", "evcc/loadpoints/1/charging", "--payload", "perhaps"];
    let (code, stdout, stderr) = outcome(chargetally(&[&config[..], &wrong].concat()));
    assert_eq!(code, Some(65), "{stderr}");
    assert!(stdout.ends_with("    refused: unknown_value: charging\n"), "{stdout}");

    let foreign = ["--topic", "/go-eCharger/123456/car", "--payload", "2"];
    let (code, stdout, _) = outcome(chargetally(&[&config[..], &foreign].concat()));
    assert_eq!(code, Some(65));
    assert!(stdout.contains("dialect = \"go-e\""), "{stdout}");
    let (code, _, _) = outcome(chargetally(&["explain", "--topic", "a"]));
    assert_eq!(code, Some(64));
}

/// 2026-05-02T00:00+08:00.
const MAY_2_S: i64 = 1_777_651_200;

fn summary(window: &str, start: &str, import_j: i64) -> String {
    format!(
        r#"{{"schema":"chargetally.summary/1","scope":{{"level":"nation","code":null}},"tally":{{"import_j":{import_j}}},"window":{{"name":"{window}","start":"{start}","end":"{start}","revision":0}}}}"#
    )
}

/// A store with a day and its month, and with an hour of which there are figures only.
fn stored(directory: &Path) -> Store {
    let (mut store, _) = Store::open(directory, Limits::default()).expect("a store");
    let seq = store.last_seq();
    let mut checkpoint = store.begin_checkpoint(seq).expect("a checkpoint");
    let day = summary("1d", "2026-05-02T00:00:00+08:00", 2);
    let month = summary("1mo", "2026-05-01T00:00:00+08:00", 9);
    for (window, start_s, summary) in
        [("1d", MAY_2_S, Some(day)), ("1mo", MAY_2_S - 86_400, Some(month)), ("1h", MAY_2_S, None)]
    {
        let row = RecordRow {
            window: window.to_owned(),
            start_s,
            level: "nation".to_owned(),
            utc_offset_s: 8 * 3_600,
            figures: Figures { import_j: 2, ..Figures::default() },
            summary,
            ..RecordRow::default()
        };
        checkpoint.record(&row).expect("a record");
    }
    checkpoint.commit().expect("durable");
    store
}

#[test]
fn a_report_is_read_from_the_history_while_the_store_is_open() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = stored(directory.path());
    let state = directory.path().to_str().expect("text");
    let settings = directory.path().join("settings.toml");
    fs::write(&settings, format!("[state]\ndirectory = '{state}'\n")).expect("written");
    let by_settings = ["--config", settings.to_str().expect("text")];
    for source in [["--state", state], by_settings] {
        let arguments = [&["report", "--period", "2026-05", "--format", "json"][..], &source].concat();
        let (code, stdout, stderr) = outcome(chargetally(&arguments));
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        let day = summary("1d", "2026-05-02T00:00:00+08:00", 2);
        let month = summary("1mo", "2026-05-01T00:00:00+08:00", 9);
        let told: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
        let expected: serde_json::Value = serde_json::from_str(&format!("[{day},{month}]")).expect("JSON");
        assert_eq!(told, expected);
    }
    let (code, _, stderr) = outcome(chargetally(&["report", "--period", "2026-06", "--state", state]));
    assert_eq!(code, Some(65));
    assert!(stderr.contains("no summary of the period 2026-06"), "{stderr}");
    drop(open);
}

#[test]
fn a_backup_is_a_store_that_reports_the_same() {
    let (directory, copy) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let open = stored(directory.path());
    let state = directory.path().to_str().expect("text");
    let target = copy.path().join(FILE_NAME);
    let target = target.to_str().expect("text");
    assert_eq!(outcome(chargetally(&["backup", "--state", state, target])).0, Some(0));
    let (code, _, stderr) = outcome(chargetally(&["backup", "--state", state, target]));
    assert_eq!(code, Some(73), "a copy is never written over: {stderr}");
    let report = |state: &str| outcome(chargetally(&["report", "--period", "2026-05", "--state", state]));
    let copied = report(copy.path().to_str().expect("text"));
    assert_eq!((copied.0, &copied), (Some(0), &report(state)));
    drop(open);
}

#[test]
fn a_state_directory_that_is_read_only_ends_the_daemon_with_69_and_the_remedy() {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = directory.path().join("settings.toml");
    let state = directory.path().join("state");
    fs::create_dir(&state).expect("a directory");
    let text = format!("[mqtt]\nurl = 'mqtt://127.0.0.1:1'\n[state]\ndirectory = '{}'\n", state.display());
    fs::write(&settings, text).expect("written");
    // Mode bits do not bind root: a mount in a namespace of the process's own binds everybody.
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .args(["mount -t tmpfs -o size=1m,ro tmpfs \"$1\" && shift && exec \"$@\"", "sh"])
        .arg(&state)
        .args([env!("CARGO_BIN_EXE_chargetally"), "run", "--config"])
        .arg(settings)
        .stdin(Stdio::null());
    let (code, stdout, stderr) = outcome(command);
    assert_eq!((code, stdout.as_str()), (Some(69), ""), "{stderr}");
    let lock = state.join("chargetally.lock");
    let expected = format!(
        "chargetally: the daemon has ended\n  the store (state.directory) cannot be used\n  \
         cannot lock the store's directory: {} may not be written to: mount it for writing, or give it to the \
         daemon's user\n  Read-only file system (os error 30)\n",
        lock.display()
    );
    assert_eq!(stderr, expected);
}

#[test]
fn verify_tells_a_sound_store_from_a_damaged_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let state = directory.path().to_str().expect("text").to_owned();
    let verify = || outcome(chargetally(&["verify", "--state", &state]));
    assert_eq!(verify().0, Some(66), "there is no store");
    let open = stored(directory.path());
    let (code, _, stderr) = verify();
    assert!(code == Some(0) && stderr.contains("history and sums in"), "{stderr}");
    open.close().expect("closed");
    let (code, _, stderr) = verify();
    assert!(code == Some(0) && stderr.contains("is sound"), "{stderr}");
    let file = directory.path().join(FILE_NAME);
    let mut bytes = fs::read(&file).expect("read");
    let needle = b"\"import_j\":9";
    let place = bytes.windows(needle.len()).position(|part| part == needle).expect("the month's summary");
    bytes[place + needle.len() - 1] = b'8';
    fs::write(&file, bytes).expect("written");
    let (code, _, stderr) = verify();
    assert_eq!(code, Some(65), "{stderr}");
    assert!(stderr.contains("damaged") && stderr.contains("state.set_aside_damaged"), "{stderr}");
}
