//! The shipped units, judged by systemd itself: they are well-formed, as closed as they claim to be, and start
//! commands that the binary understands.
//!
//! Nothing is started. Where `systemd-analyze` is missing the tests fail and name the package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Greatest exposure, in tenths, that `systemd-analyze security` may find. What is left is the network that the
/// daemon is there for.
const EXPOSURE_MAX_TENTHS: u32 = 10;

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn unit(name: &str) -> String {
    fs::read_to_string(shipped(&format!("systemd/{name}"))).expect("a shipped unit")
}

fn systemd_analyze(arguments: &[&str], unit: &Path) -> Output {
    let output = Command::new("systemd-analyze").args(arguments).arg(unit).output();
    output.expect("systemd-analyze is needed: apt-get install systemd")
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// The units as they would be installed, with the binary that was built for this test.
fn installed() -> (tempfile::TempDir, [PathBuf; 2]) {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = [("chargetally.service", "chargetally.service"), ("chargetally@.service", "chargetally@site.service")]
        .map(|(source, name)| {
            let path = directory.path().join(name);
            let content = unit(source).replace("/usr/bin/chargetally", env!("CARGO_BIN_EXE_chargetally"));
            fs::write(&path, content).expect("written");
            path
        });
    (directory, paths)
}

/// The values of a directive, in order.
fn values<'u>(unit: &'u str, directive: &str) -> Vec<&'u str> {
    let value = |line: &'u str| line.strip_prefix(directive)?.strip_prefix('=');
    unit.lines().filter_map(value).collect()
}

#[test]
fn both_units_are_well_formed() {
    let (_directory, paths) = installed();
    for path in paths {
        let output = systemd_analyze(&["verify", "--man=no"], &path);
        let complaints = text(&output);
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(output.status.success() && !complaints.contains(&*name), "{complaints}");
    }
}

#[test]
fn both_units_are_closed_but_for_the_network() {
    let (_directory, paths) = installed();
    let threshold = format!("--threshold={EXPOSURE_MAX_TENTHS}");
    for path in paths {
        let output = systemd_analyze(&["security", "--offline=true", "--no-pager", &threshold], &path);
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).contains("Overall exposure level"), "{}", text(&output));
    }
}

#[test]
fn the_threshold_would_find_an_open_unit() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("chargetally.service");
    fs::write(&path, unit("chargetally.service").replace("CapabilityBoundingSet=\n", "")).expect("written");
    let threshold = format!("--threshold={EXPOSURE_MAX_TENTHS}");
    let output = systemd_analyze(&["security", "--offline=true", "--no-pager", &threshold], &path);
    assert!(!output.status.success(), "{}", text(&output));
}

#[test]
fn the_daemon_keeps_what_it_needs_to_work() {
    for name in ["chargetally.service", "chargetally@.service"] {
        let unit = unit(name);
        assert_eq!(values(&unit, "RestrictAddressFamilies"), ["AF_INET AF_INET6 AF_UNIX"]);
        assert_eq!(values(&unit, "IPAddressAllow"), ["localhost"]);
        assert_eq!(values(&unit, "Type"), ["notify"]);
        assert_eq!(values(&unit, "NotifyAccess"), ["main"]);
        assert_eq!(values(&unit, "DynamicUser"), ["yes"]);
        let stop_s: u32 = values(&unit, "TimeoutStopSec")[0].parse().expect("seconds");
        let watchdog_s: u32 = values(&unit, "WatchdogSec")[0].parse().expect("seconds");
        assert!(stop_s <= 10 && watchdog_s == 30);
    }
}

#[test]
fn the_template_differs_from_the_plain_unit_only_by_its_instance() {
    let directives = |unit: String| -> Vec<String> {
        let kept = unit.lines().filter(|line| !line.starts_with('#') && !line.starts_with("Description="));
        kept.map(str::to_owned).collect()
    };
    let instance = unit("chargetally@.service").replace("/%i", "").replace("-%i", "");
    assert_eq!(directives(instance), directives(unit("chargetally.service")));
}

#[test]
fn the_command_before_the_start_accepts_the_shipped_settings_and_refuses_wrong_ones() {
    let directory = tempfile::tempdir().expect("a directory");
    let unit = unit("chargetally.service");
    let command = values(&unit, "ExecStartPre")[0];
    let mut words = command.split(' ');
    assert_eq!(words.next(), Some("/usr/bin/chargetally"));
    let arguments: Vec<&str> = words.collect();
    let run = || {
        let of_directory = |word: &&str| match *word {
            "/etc/chargetally" => directory.path().as_os_str().to_owned(),
            word => word.into(),
        };
        Command::new(env!("CARGO_BIN_EXE_chargetally"))
            .args(arguments.iter().map(of_directory))
            .output()
            .expect("the binary runs")
    };
    fs::copy(shipped("config/chargetally.toml"), directory.path().join("chargetally.toml")).expect("copied");
    let right = run();
    assert_eq!((right.status.code(), text(&right).as_str()), (Some(0), ""));
    fs::write(directory.path().join("site.toml"), "[mqtt]\nkeep_alive_s = 0\n").expect("written");
    let wrong = run();
    assert_eq!(wrong.status.code(), Some(78));
    assert!(text(&wrong).contains("site.toml:2: mqtt.keep_alive_s: is 0 and must be from 1 to 3600"));
}
