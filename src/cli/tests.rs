//! The command line as a person types it: what is accepted, and which exit code each way of ending returns.

use clap::Args;

use super::*;

fn exit_of(arguments: &[&str]) -> (Exit, String) {
    let mut stderr = Vec::new();
    let program = std::iter::once("chargetally").chain(arguments.iter().copied());
    let exit = main(program.map(OsString::from), &mut stderr);
    (exit, String::from_utf8(stderr).expect("text"))
}

fn parse<T: Args>(arguments: &str) -> Result<T, String> {
    let command = || T::augment_args(clap::Command::new("x").no_binary_name(true));
    command().debug_assert();
    let matches = command().try_get_matches_from(arguments.split_whitespace());
    matches.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| error.to_string())
}

#[test]
fn the_description_of_the_command_line_is_consistent() {
    command().debug_assert();
}

#[test]
fn the_help_of_each_command_fits_100_columns() {
    for shown in command().get_subcommands_mut().filter(|shown| shown.get_name() != "help") {
        // What stands after the options must not be broken where an example goes on.
        let examples = shown.get_after_help().map(ToString::to_string).unwrap_or_default();
        let help = shown.render_long_help().to_string() + &examples;
        for line in help.lines() {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 100, "{}: {line}", shown.get_name());
        }
    }
}

#[test]
fn every_way_of_ending_has_its_exit_code() {
    for (arguments, exit) in [
        (&["--help"][..], Exit::Done),
        (&["--version"], Exit::Done),
        (&["check", "--help"], Exit::Done),
        (&["check", "--quiet"], Exit::Done),
        (&[], Exit::Usage),
        (&["chek"], Exit::Usage),
        (&["check", "--confg", "x"], Exit::Usage),
        (&["completions", "tcsh"], Exit::Usage),
        (&["check", "--config", "/nowhere/chargetally.toml"], Exit::Config),
        (&["man", "/proc/chargetally"], Exit::CannotCreate),
    ] {
        assert_eq!(exit_of(arguments).0, exit, "{arguments:?}");
    }
}

#[test]
fn a_panic_is_a_bug_and_a_closed_pipe_is_none() {
    let mut stderr = Vec::new();
    assert_eq!(ended(|| panic!("a panic that this test wants"), &mut stderr).code(), 70);
    let closed = || Err(Failure::stdout(io::Error::from(io::ErrorKind::BrokenPipe)));
    assert_eq!(ended(closed, &mut stderr), Exit::Done);
    assert!(stderr.is_empty());
}

#[test]
fn wrong_settings_are_listed_on_standard_error() {
    let (exit, stderr) = exit_of(&["check", "--config", "/nowhere/a.toml", "--config", "/nowhere/b.toml"]);
    assert_eq!(exit, Exit::Config);
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{stderr}");
    assert_eq!(lines[0], "chargetally: the settings have 2 problems");
    assert!(lines[1].starts_with("  /nowhere/a.toml: cannot be read: "), "{stderr}");
    assert!(lines[2].starts_with("  /nowhere/b.toml: cannot be read: "), "{stderr}");
}

#[test]
fn a_simulation_needs_somewhere_to_put_its_messages() {
    assert!(parse::<args::Simulate>("").is_err_and(|error| error.contains("--broker")));
    let simulate = parse::<args::Simulate>(
        "--out a.ndjson --truth t.ndjson --seed 7 --connectors 12 --interval-s 15 \
         --start 2026-05-01T00:00:00+08:00 --duration 36h --speed 0 --faults lost,failed-starts",
    )
    .expect("all arguments");
    assert_eq!((simulate.seed, simulate.connectors, simulate.interval_s), (7, 12, 15));
    assert_eq!(simulate.start.map(|start| start.as_millisecond()), Some(1_777_564_800_000));
    assert_eq!(simulate.duration, Some(36 * 3_600_000));
    assert_eq!(simulate.faults, [args::Fault::Lost, args::Fault::FailedStarts]);
    for wrong in ["0h", "h", "24", "1.5h", "99999999999999999d"] {
        let arguments = format!("--out a --duration {wrong}");
        assert!(parse::<args::Simulate>(&arguments).is_err(), "{wrong}");
    }
    for wrong in
        ["--connectors 0", "--interval-s 901", "--faults gaps", "--broker mqtt://127.0.0.1", "--password-file p"]
    {
        assert!(parse::<args::Simulate>(&format!("--out a --duration 1h {wrong}")).is_err(), "{wrong}");
    }
    assert!(parse::<args::Simulate>("--out a").is_err_and(|error| error.contains("--duration")));
    assert!(parse::<args::Simulate>("--broker http://127.0.0.1").is_err());
}

#[test]
fn a_replay_takes_lists_with_commas() {
    let replay = parse::<args::Replay>("a b --levels nation,county --windows 1h,1mo --shards 4").expect("fine");
    assert_eq!(replay.files.len(), 2);
    assert_eq!(replay.levels, [chargetally_core::scope::Level::Nation, chargetally_core::scope::Level::County]);
    assert_eq!(
        replay.windows,
        [chargetally_core::window::WindowKind::Hour, chargetally_core::window::WindowKind::Month]
    );
    assert_eq!(replay.shards, Some(4));
    assert!(parse::<args::Replay>("").is_err());
    assert!(parse::<args::Replay>("a --levels town").is_err_and(|error| error.contains("nation province")));
}

#[test]
fn the_other_commands_take_their_arguments() {
    let run = parse::<args::Run>("--config a --config b --log warn,chargetally=debug").expect("run");
    assert_eq!((run.settings.config.len(), run.log.as_deref()), (2, Some("warn,chargetally=debug")));
    assert!(parse::<args::Run>("--log chargetally=loud").is_err());
    let demo = parse::<args::Demo>("--stations 5 --speed 60 --minutes 2").expect("demo");
    assert_eq!((demo.stations, demo.seed, demo.minutes), (5, 1, Some(2)));
    assert!(parse::<args::Demo>("--speed 0").is_err());
    let record = parse::<args::Record>("--broker mqtt://[::1]:1884 a.ndjson").expect("record");
    assert_eq!((record.broker.host.as_str(), record.broker.port), ("::1", 1884));
    assert_eq!(record.topic, ["ev/v1/#"]);
    let report = parse::<args::Report>("a.ndjson --period 2026-05 --format json").expect("report");
    assert_eq!(report.format, args::ReportFormat::Json);
    let indicators = parse::<indicators::Indicators>("--format markdown").expect("indicators");
    assert_eq!(indicators.format, indicators::Format::Markdown);
}

#[test]
fn the_manual_has_a_page_for_every_command_that_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let pages = directory.path().join("man1");
    generate::man(&pages).expect("written");
    for shown in command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let page = pages.join(format!("chargetally-{}.1", shown.get_name()));
        let text = std::fs::read_to_string(&page).expect("a page");
        assert!(text.contains(".TH chargetally"), "{}", page.display());
    }
    let root = std::fs::read_to_string(pages.join("chargetally.1")).expect("the page of the program");
    assert!(root.contains("wrong settings") && root.contains("chargetally\\-check(1)"));
    assert!(!pages.join("chargetally-man.1").exists());
}
