//! Settings as a person writes them, right and wrong: what is meant, and exactly which problems are reported.

use std::fs;
use std::path::Path;

use chargetally_core::rollup::Tariff;
use chargetally_core::scope::Level;
use chargetally_core::window::WindowKind;
use proptest::prelude::*;

use super::meant::{root, valley_period};
use super::*;

/// The problems of one file with this text, each without the file's path.
fn problems_of(text: &str) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.toml");
    fs::write(&path, text).expect("written");
    match load(std::slice::from_ref(&path)) {
        Ok(_) => Vec::new(),
        Err(error) => {
            let prefix = format!("{}:", path.display());
            error.problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
        }
    }
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems_of(text), expected, "{text}");
}

fn meant(text: &str) -> Settings {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.toml");
    fs::write(&path, text).expect("written");
    match load(&[path]) {
        Ok(loaded) => loaded.settings,
        Err(error) => panic!("{error}"),
    }
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

#[test]
fn nothing_written_means_the_defaults() {
    let loaded = load(&[]).expect("no file is fine");
    assert_eq!(loaded.settings, meant(""));
    assert_eq!(loaded.settings, Settings::default());
    let settings = loaded.settings;
    assert_eq!(settings.mqtt.url.to_string(), "mqtt://127.0.0.1:1883");
    assert_eq!(settings.mqtt.session_expiry.as_ms(), 3 * 86_400_000);
    assert_eq!(settings.sources.len(), 1);
    assert_eq!(settings.sources[0].hold.as_duration(), std::time::Duration::from_secs(180));
    assert_eq!(settings.time.late_limit.as_ms(), 72 * 3_600_000);
    assert_eq!(settings.publish.levels, Level::ALL);
    assert_eq!(settings.publish.windows, WindowKind::ALL);
    assert_eq!(settings.alarms.contradiction(), None);
}

#[test]
fn the_shipped_file_says_exactly_the_defaults_and_names_every_key() {
    let shipped = load(&[shipped("chargetally.toml")]).expect("the shipped file is right");
    assert_eq!(shipped.settings, Settings::default());
    for entry in &shipped.entries {
        assert!(entry.at.is_some(), "{} {} is not in the shipped file", entry.header, entry.key);
    }
    let defaults = load(&[]).expect("defaults").entries;
    let values = |entries: &[Entry]| -> Vec<String> { entries.iter().map(|entry| entry.value.clone()).collect() };
    assert_eq!(values(&shipped.entries), values(&defaults));
}

#[test]
fn the_shipped_file_explains_every_key() {
    let text = fs::read_to_string(shipped("chargetally.toml")).expect("the shipped file");
    let policy = text.find("[targets]").expect("targets")..text.find("[reference]").expect("reference");
    let mut explained = false;
    let mut offset = 0;
    for line in text.lines() {
        // Keys that follow each other without a blank share the comment above them; a table's starts anew.
        match line {
            comment if comment.starts_with('#') => explained = true,
            header if header.starts_with('[') => explained = false,
            "" => {}
            key => assert!(explained || policy.contains(&offset), "{key} has no comment"),
        }
        offset += line.len() + 1;
    }
}

#[test]
fn every_example_is_right_and_changes_something() {
    for name in ["province", "operator", "gateway", "ocpp"] {
        let loaded = load(&[shipped(&format!("examples/{name}.toml"))]);
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
        assert_ne!(loaded.settings, Settings::default(), "{name}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    check("[mqtt]\nulr = \"x\"", &["2: mqtt.ulr: is no known key of [mqtt]; did you mean url?"]);
    check("\n[mqtt]\nkeep_alive = 30", &["3: mqtt.keep_alive: is no known key of [mqtt]; did you mean keep_alive_s?"]);
    check("[time]\nhold_s = 30", &["2: time.hold_s: is no known key of [time]: it belongs to [[source]]"]);
    check("[run]\nqqq = 1", &["2: run.qqq: is no known key of [run]"]);
    check("[[source]]\nroots = \"a\"", &["2: source[0].roots: is no known key of [[source]]; did you mean root?"]);
    check("[mqqt]\nurl = \"x\"", &["1: mqqt: is no known table; did you mean mqtt?"]);
    check("[[sources]]\nname = \"x\"", &["1: sources: is no known table; did you mean source?"]);
    check("\"mqtt.url\" = \"mqtt://h\"", &["1: mqtt.url: is no known table"]);
}

#[test]
fn a_value_of_the_wrong_type_is_refused_and_never_converted() {
    check("[limits]\nstations = 60.7", &["2: limits.stations: must be a whole number and is a number with a fraction"]);
    check("[limits]\nstations = 60.0", &["2: limits.stations: must be a whole number and is a number with a fraction"]);
    check("[mqtt]\nkeep_alive_s = '90'", &["2: mqtt.keep_alive_s: must be a whole number and is a string"]);
    check("[mqtt]\nkeep_alive_s = true", &["2: mqtt.keep_alive_s: must be a whole number and is true or false"]);
    check(
        "[mqtt]\npersistent_session = 1",
        &["2: mqtt.persistent_session: must be true or false and is a whole number"],
    );
    check("[mqtt]\npersistent_session = 'yes'", &["2: mqtt.persistent_session: must be true or false and is a string"]);
    check("[mqtt]\nprotocol = 5", &["2: mqtt.protocol: must be a string and is a whole number"]);
    check("[alarms]\ncell_warn_v = '4.1'", &["2: alarms.cell_warn_v: must be a number and is a string"]);
    check("[publish]\nlevels = 'nation'", &["2: publish.levels: must be a list of strings and is a string"]);
    check("[publish]\nwindows = ['1m', 15]", &["2: publish.windows[1]: must be a string and is a whole number"]);
    check("mqtt = 5", &["1: mqtt: must be a table, [mqtt], and is a whole number"]);
    check("[source]\nname = 'x'", &["1: source: must be tables, [[source]], and is a table"]);
    check("[mqtt.url]\nhost = 'x'", &["2: mqtt.url: must be a string and is a table"]);
}

#[test]
fn an_absurd_value_is_refused_with_what_would_be_right() {
    check("[mqtt]\nkeep_alive_s = 0", &["2: mqtt.keep_alive_s: is 0 and must be from 1 to 3600"]);
    check("[mqtt]\nreceive_maximum = 65536", &["2: mqtt.receive_maximum: is 65536 and must be from 1 to 65535"]);
    check("[limits]\nstations = -1", &["2: limits.stations: is -1 and must be from 1 to 10000000"]);
    check("[limits]\nstations = 99999999999999999999", &["2: limits.stations: does not fit into 64 bits"]);
    check("[targets]\nvalley_share_min = 60", &["2: targets.valley_share_min: is 60 and must be from 0 to 1"]);
    check("[targets]\nvalley_share_min = nan", &["2: targets.valley_share_min: is NaN and must be from 0 to 1"]);
    check("[alarms]\nhysteresis_pct = inf", &["2: alarms.hysteresis_pct: is inf and must be from 0.1 to 50"]);
    check("[mqtt]\nprotocol = '4'", &["2: mqtt.protocol: is \"4\" and must be one of auto 5 3.1.1"]);
    check(
        "[publish]\nlevels = [\n  'nation',\n  'town',\n]",
        &["4: publish.levels[1]: is \"town\" and must be one of nation province city county operator station"],
    );
    check("[publish]\nwindows = ['1h', '1h']", &["2: publish.windows[1]: \"1h\" stands there twice"]);
    check(
        "[time]\nzone = 'Mars/Base'",
        &["2: time.zone: is \"Mars/Base\" and must be the IANA name of a time zone like \"Asia/Shanghai\""],
    );
    check(
        "[targets]\ndate = '2027-13-01'",
        &["2: targets.date: is \"2027-13-01\" and must be a date like \"2027-12-31\""],
    );
    check("[mqtt]\nclient_id = ''", &["2: mqtt.client_id: must be from 1 to 128 bytes without control characters"]);
    check("source = []", &["1: source: there are 0 of them; from 1 to 32 are allowed"]);
    check(
        "[run]\nlog = 'chargetally=loud'",
        &["2: run.log: is \"chargetally=loud\" and must be a log filter like \"info\" or \"warn,chargetally=debug\""],
    );
    check("[state]\ndirectory = 'var/lib'", &["2: state.directory: must be an absolute path, or empty"]);
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    check("[mqtt]\npassword_file = '/p'", &["2: mqtt.password_file: is set without a username"]);
    check("[mqtt]\nurl = 'mqtts://h'\ncert_file = '/c'", &["3: mqtt.cert_file: is set without key_file"]);
    check("[mqtt]\nca_file = '/c'", &["2: mqtt.ca_file: is set, and url is not mqtts://"]);
    check("[mqtt]\nsession_expiry_s = 0", &["2: mqtt.session_expiry_s: is 0, and persistent_session is true"]);
    check("[alarms]\ncell_warn_v = 0", &["2: alarms.cell_warn_v: must be at least 0.001"]);
    check(
        "[indicators]\nsafety_general_above = 0.5",
        &["2: indicators.safety_general_above: must be below safety_serious_above"],
    );
    check("[alarms]\nbattery_temp_warn_c = 70", &["2: alarms.battery_temp_warn_c: must be below battery_temp_alarm_c"]);
    check(
        "[alarms]\ninsulation_warn_ohm_per_v = 50",
        &["2: alarms.insulation_warn_ohm_per_v: must be above insulation_alarm_ohm_per_v"],
    );
    check(
        "[[source]]\nexpected_interval_s = 180",
        &["2: source[0].expected_interval_s: is not shorter than hold_s: every connector would be unobserved \
         between two samples"],
    );
    check(
        "[[source]]\nroot = 'chargetally'",
        &["2: source[0].root: overlaps publish.root: the daemon would read what it writes"],
    );
    check(
        "[[source]]\n[[source]]\nname = 'b'\nroot = 'ev/v1/53'",
        &["4: source[1].root: overlaps the root of source \"native\": messages would count twice"],
    );
    check(
        "[[source]]\n[[source]]\nroot = 'ev/v10'",
        &["3: source[1].name: \"native\" is the name of another source already"],
    );
    check(
        "[[source]]\ndialect = 'sparkplug'\nhost = 'a'\n[[source]]\nname = 'b'\ndialect = 'sparkplug'\nroot = 'b'\nhost = 'b'",
        &["8: source[1].host: another source has one already, and a connection has one last will"],
    );
    check("[[source]]\ndialect = 'sparkplug'\nhost = 'a/b'", &["3: source[0].host: is no id that a topic can hold"]);
    check(
        "[state]\nretention_1m_days = 2",
        &["2: state.retention_1m_days: is shorter than time.late_limit_h: late messages could not be counted"],
    );
    check(
        "[targets]\ndate = '2025-12-31'",
        &["2: targets.date: is not after baseline.date: there would be no time to reach anything"],
    );
    check("[limits]\nconnectors = 10", &["2: limits.connectors_per_station: is more than connectors"]);
}

#[test]
fn all_problems_are_reported_at_once() {
    check(
        "[mqtt]\nkeep_alive_s = 0\nurl = 'http://x'\nfoo = 1\n[time]\nzone = 3\n[nonsense]\n",
        &[
            "3: mqtt.url: must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]",
            "2: mqtt.keep_alive_s: is 0 and must be from 1 to 3600",
            "6: time.zone: must be a string and is a whole number",
            "7: nonsense: is no known table",
            "4: mqtt.foo: is no known key of [mqtt]",
        ],
    );
}

#[test]
fn what_is_no_toml_is_named_with_its_line_and_the_rest_is_still_checked() {
    let problems = problems_of("[mqtt]\nkeep_alive_s = 0\nurl = \n[time]\nlate_limit_h = 0\n");
    assert!(problems[0].starts_with("3: is no TOML: "), "{problems:?}");
    assert!(problems.contains(&"2: mqtt.keep_alive_s: is 0 and must be from 1 to 3600".to_owned()), "{problems:?}");
    assert!(problems.contains(&"5: time.late_limit_h: is 0 and must be from 1 to 744".to_owned()), "{problems:?}");
    let twice = problems_of("[mqtt]\nkeep_alive_s = 5\nkeep_alive_s = 6\n");
    assert!(twice[0].starts_with("3: is no TOML: duplicate key"), "{twice:?}");
}

#[test]
fn files_that_cannot_be_read_are_problems_like_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    fs::write(path("latin1.toml"), b"\n[mqtt]\nclient_id = \"\xe9\"\n").expect("written");
    fs::write(path("long.toml"), "#".repeat((1 << 20) + 1)).expect("written");
    std::os::unix::fs::symlink(path("loop.toml"), path("loop.toml")).expect("a link to itself");
    let names = ["missing.toml", "latin1.toml", "long.toml", "loop.toml"];
    let error = load(&names.map(path)).expect_err("none can be read");
    let shown: Vec<String> = error.problems.iter().map(Problem::to_string).collect();
    let prefix = format!("{}/", directory.path().display());
    let shown: Vec<String> = shown.iter().map(|line| line.replace(&prefix, "")).collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    assert_eq!(shown[0], "missing.toml: cannot be read: No such file or directory (os error 2)");
    assert_eq!(shown[1], "latin1.toml: is not UTF-8 in line 3");
    assert_eq!(shown[2], "long.toml: is longer than 1048576 bytes");
    assert!(shown[3].starts_with("loop.toml: cannot be read: "), "{shown:?}");
}

#[test]
fn later_files_go_before_earlier_ones_key_by_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("d")).expect("a directory");
    fs::write(path("d/20-site.toml"), "[mqtt]\nkeep_alive_s = 20\n[[source]]\nname = 'b'\n").expect("written");
    fs::write(path("d/10-base.toml"), "[mqtt]\nkeep_alive_s = 10\nclient_id = 'base'\n[[source]]\nqos = 0\n")
        .expect("written");
    fs::write(path("d/30-not-this.conf"), "[mqtt]\nkeep_alive_s = 30\n").expect("written");
    fs::write(path("last.toml"), "[publish]\nlevels = []\n").expect("written");
    let loaded = load(&[path("d"), path("last.toml")]).expect("fine");
    let settings = &loaded.settings;
    assert_eq!(settings.mqtt.keep_alive.as_ms(), 20_000);
    assert_eq!(settings.mqtt.client_id, "base");
    assert_eq!(settings.publish.levels, []);
    // An array of tables is replaced as a whole: the QoS of the earlier file is gone with its table.
    assert_eq!((settings.sources[0].name.as_str(), settings.sources[0].qos), ("b", 1));
    let at = |header: &str, key: &str| {
        let entry = loaded.entries.iter().find(|entry| entry.header == header && entry.key == key);
        entry.expect("a known key").at.clone()
    };
    assert_eq!(at("[mqtt]", "keep_alive_s"), Some(format!("{}:2", path("d/20-site.toml").display())));
    assert_eq!(at("[mqtt]", "client_id"), Some(format!("{}:3", path("d/10-base.toml").display())));
    assert_eq!(at("[mqtt]", "url"), None);
    let reversed = load(&[path("d/20-site.toml"), path("d/10-base.toml")]).expect("fine");
    assert_eq!(reversed.settings.mqtt.keep_alive.as_ms(), 10_000);
}

#[test]
fn what_check_prints_is_a_settings_file_that_means_the_same() {
    let loaded = load(&[shipped("examples/operator.toml")]).expect("right");
    let printed = Merged(&loaded.entries).to_string();
    assert!(printed.contains("operator.toml:6\n"), "{printed}");
    assert!(printed.contains("# default\n"), "{printed}");
    assert_eq!(meant(&printed), loaded.settings);
}

#[test]
fn no_secret_is_ever_shown() {
    let word = "hunter2";
    for text in [
        format!("[mqtt]\npassword = '{word}'"),
        format!("[mqtt]\npassword_file = '{word}'"),
        format!("[mqtt]\npassword_file = 'credential:{word}/'"),
        format!("[mqtt]\nurl = 'mqtt://user:{word}@host'"),
        format!("[mqtt]\nurl = '{word}'"),
        format!("[mqtt]\nkey_file = ['{word}']"),
    ] {
        let problems = problems_of(&text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!problems[0].contains(word), "{problems:?}");
    }
    check(
        "[mqtt]\npassword = 'x'",
        &["2: mqtt.password: is no known key of [mqtt]: put the password into a file and name it in password_file"],
    );
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("pw"), format!("{word}\n")).expect("written");
    let secret = FileRef::Credential("pw".to_owned()).read_secret(Some(directory.path())).expect("readable");
    assert_eq!(secret.expose(), word);
    assert_eq!(format!("{secret:?}"), "[secret]");
}

#[test]
fn a_secret_comes_from_a_file_or_a_credential() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pw");
    let read = |content: &[u8]| {
        fs::write(&file, content).expect("written");
        let secret = FileRef::Path(file.clone()).read_secret(None);
        secret.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
    };
    assert_eq!(read(b"a b \r\n"), Ok("a b ".to_owned()));
    assert_eq!(read(b"\n"), Err("the file is empty".to_owned()));
    assert_eq!(read(b"\xff"), Err("the secret is not UTF-8".to_owned()));
    assert_eq!(read(&[b'x'; 64 * 1024 + 1]), Err("the file is too long for a secret".to_owned()));
    let nowhere = FileRef::Credential("pw".to_owned()).read_secret(None).expect_err("no directory");
    assert!(nowhere.to_string().contains("$CREDENTIALS_DIRECTORY is not set"));
}

#[test]
fn the_files_that_settings_name_are_opened_when_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("t.toml");
    let text = "[mqtt]\nurl = 'mqtts://h'\nca_file = '/nowhere/ca'\n[reference]\nregions_csv = '/nowhere/r.csv'\n";
    fs::write(&path, text).expect("written");
    let loaded = load(std::slice::from_ref(&path)).expect("well-formed");
    let error = loaded.settings.check_files(&loaded.entries).expect_err("both are missing");
    let missing = "cannot be read: No such file or directory (os error 2)";
    let expected = format!("{0}:3: mqtt.ca_file: {missing}\n{0}:5: reference.regions_csv: {missing}", path.display());
    assert_eq!(error.to_string(), expected);
    let valley = directory.path().join("valley.csv");
    fs::write(&valley, "province,months,from,to\n99,,23:00,07:00\n").expect("written");
    fs::write(&path, format!("[reference]\nvalley_csv = '{}'\n", valley.display())).expect("written");
    let loaded = load(std::slice::from_ref(&path)).expect("well-formed");
    let error = loaded.settings.check_files(&loaded.entries).expect_err("no such province").to_string();
    let place = format!("{}:2: reference.valley_csv: {}, line 2, column province", path.display(), valley.display());
    assert!(error.starts_with(&place), "{error}");
    let defaults = load(&[]).expect("defaults");
    assert_eq!(defaults.settings.check_files(&defaults.entries), Ok(()));
}

#[test]
fn urls_of_brokers_are_read_in_all_their_forms() {
    let parsed = |text: &str| BrokerUrl::parse(text).map(|url| (url.tls, url.host, url.port));
    assert_eq!(parsed("mqtt://h"), Ok((false, "h".to_owned(), 1883)));
    assert_eq!(parsed("mqtts://h/"), Ok((true, "h".to_owned(), 8883)));
    assert_eq!(parsed("mqtt://10.0.0.1:99"), Ok((false, "10.0.0.1".to_owned(), 99)));
    assert_eq!(parsed("mqtt://[::1]"), Ok((false, "::1".to_owned(), 1883)));
    assert_eq!(parsed("mqtts://[fe80::1]:8"), Ok((true, "fe80::1".to_owned(), 8)));
    for wrong in [
        "",
        "h:1883",
        "mqtt://",
        "mqtt://:1",
        "mqtt://h:",
        "mqtt://h:0",
        "mqtt://h:65536",
        "mqtt://[::1",
        "mqtt://[::1]9",
        "mqtt://h/path",
        "mqtt://h h",
        "tcp://h",
        "mqtt://h:1:2",
    ] {
        assert!(parsed(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn valley_periods_may_pass_midnight() {
    let night = valley_period("23:00-07:00").expect("a period");
    let tariff = Tariff::new(vec![night]);
    let valley = [1379, 1380, 0, 419, 420].map(|minute| tariff.is_valley(53, 1, minute));
    assert_eq!(valley, [false, true, true, true, false].map(Some));
    let evening = valley_period("22:00-24:00").expect("a period");
    assert_eq!((evening.from_minute, evening.to_minute), (1320, 1440));
    assert_eq!(valley_period("22:00-00:00"), Ok(evening));
    for wrong in ["", "23:00", "24:00-01:00", "07:00-07:00", "7:00-8:00", "07:60-08:00", "07:00-25:00", "+7:00-08:00"] {
        assert!(valley_period(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn roots_overlap_where_one_holds_the_other() {
    let parsed = |text: &str| root(text).expect("a root");
    assert!(parsed("ev/v1").overlaps(&parsed("ev/v1")));
    assert!(parsed("ev").overlaps(&parsed("ev/v1")) && parsed("ev/v1").overlaps(&parsed("ev")));
    assert!(!parsed("ev/v1").overlaps(&parsed("ev/v10")) && !parsed("a").overlaps(&parsed("b")));
    for wrong in ["", "/a", "a/", "a//b", "a/+", "#", "$SYS", "a\u{0}b"] {
        assert!(root(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn no_key_takes_an_odd_value_without_meaning_or_refusing_it() {
    let odd = [
        "-1",
        "0",
        "1",
        "9223372036854775807",
        "-9223372036854775808",
        "1e308",
        "-0.0",
        "nan",
        "''",
        "'x'",
        "true",
        "[]",
        "['x']",
        "[[1]]",
        "{}",
        "{ x = 1 }",
        "1979-05-27",
        "07:32:00",
    ];
    let defaults = load(&[]).expect("defaults").entries;
    assert!(defaults.len() > 100, "{}", defaults.len());
    for entry in &defaults {
        let table = entry.header.trim_matches(['[', ']']);
        for value in odd {
            let text = format!("{}\n{} = {value}", entry.header, entry.key);
            let problems = problems_of(&text);
            let here = |problem: &String| problem.contains(table) && problem.contains(": ");
            assert!(problems.iter().all(here), "{text}: {problems:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics_the_reader(text in "\\PC{0,200}") {
        let _problems = problems_of(&text);
    }

    #[test]
    fn a_broker_url_is_read_back_as_it_was_written(tls: bool, host in "[a-z][a-z0-9.-]{0,20}", port in 1u16..) {
        let url = BrokerUrl { tls, host, port };
        prop_assert_eq!(BrokerUrl::parse(&url.to_string()), Ok(url));
    }
}
