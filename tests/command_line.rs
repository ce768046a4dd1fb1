//! The binary as a shell sees it: exit codes, what goes to which stream, and a reader that goes away.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

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
