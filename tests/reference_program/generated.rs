//! Generated recordings: sums that must agree, what the generator reaches, and the comparison itself.

use super::*;
use proptest::prelude::*;
use reference::generate::recordings;

#[test]
fn states_fill_the_connectors_time_and_scopes_and_windows_add_up() {
    for seed in 0..40 {
        let figures = replay(&generate(seed, Knobs::all(150)).join("\n"), &Options::default());
        let total = |window: &str, level: &str, name: &str| -> i128 {
            let of_level = figures.iter().filter(|((kind, _, scope), _)| kind == window && scope.starts_with(level));
            of_level.map(|(_, figures)| figures.get(name)).sum()
        };
        let names = STATES.map(|state| format!("state_ms.{state}"));
        for name in names.iter().map(String::as_str).chain(["import_j", "export_j", "charging_import_j", "rated_j"]) {
            let nation = total("1m", "nation", name);
            for window in reference::WINDOWS {
                for level in ["nation", "province", "city", "county", "operator", "station"] {
                    assert_eq!(total(window, level, name), nation, "seed {seed}: {name} in {window} over {level}");
                }
            }
        }
        for (key, figures) in figures.iter().filter(|((window, ..), _)| window == "1m") {
            let (time_ms, connectors) = (figures.connector_time_ms(), figures.get("connectors"));
            assert!(time_ms <= 60_000 * connectors, "seed {seed}: {key:?}");
            for (value, part) in &figures.by {
                assert!(part.get("connectors") <= connectors, "seed {seed}: {key:?} {value:?}");
            }
        }
    }
}

#[test]
fn the_generator_reaches_every_count_and_every_state() {
    let mut all = Figures::default();
    for seed in 0..60 {
        let lines = generate(seed, Knobs { alarms: true, ..Knobs::all(200) });
        assert_eq!(lines, generate(seed, Knobs { alarms: true, ..Knobs::all(200) }));
        let options = Options { windows: vec!["1mo"], ..Options::default() };
        for ((_, _, scope), figures) in replay(&lines.join("\n"), &options) {
            if scope == "nation" {
                all.add(&figures);
            }
        }
    }
    let tally = all.to_json();
    for (name, value) in tally.as_object().expect("an object") {
        match value {
            Value::Object(group) => {
                group.iter().for_each(|(part, value)| assert_ne!(*value, json!(0), "{name}.{part}"));
            }
            plain => assert_ne!(*plain, json!(0), "{name}"),
        }
    }
}

#[test]
fn the_comparison_passes_what_agrees_and_names_what_does_not() {
    let figures = replay(&generate(7, Knobs::all(120)).join("\n"), &Options::default());
    let output = compare::to_ndjson(&figures);
    assert_eq!(compare::compare(&output, &figures), Ok(()));
    let mut other = figures.clone();
    let key = figures.keys().next().expect("a window").clone();
    other.get_mut(&key).expect("the window").book("import_j", 1);
    let told = compare::compare(&output, &other).expect_err("one J too many");
    assert!(told.contains("1 differences") && told.contains("import_j is") && told.contains(&key.2), "{told}");
    other.remove(&key);
    assert!(compare::compare(&output, &other).expect_err("one too many").contains("not expected"));
    assert!(compare::compare("", &figures).expect_err("nothing there").contains("not given out"));
    assert!(compare::compare("{}", &figures).is_err());
}

#[test]
fn shrinking_keeps_only_the_lines_that_matter() {
    let lines = generate(3, Knobs::all(100));
    let wanted = [lines[20].clone(), lines[70].clone()];
    let kept = compare::shrink(&lines, |some| wanted.iter().all(|line| some.contains(line)));
    assert_eq!(kept, wanted);
}

#[test]
fn twenty_thousand_messages_are_no_burden() {
    let lines = generate(11, Knobs { messages: 20_000, ..Knobs::all(0) });
    let options = Options { windows: vec!["1h", "1d"], ..Options::default() };
    let figures = replay(&lines.join("\n"), &options);
    let accepted: i128 =
        figures.iter().filter(|((w, _, s), _)| w == "1d" && s == "nation").map(|(_, f)| f.get("accepted")).sum();
    assert!(accepted > 10_000, "{accepted}");
}

/// What a recording says of states, energies and sessions, without the counts of messages.
fn content(lines: &[String]) -> BTreeMap<Key, BTreeMap<&'static str, i128>> {
    let figures = replay(&lines.join("\n"), &Options { windows: vec!["15m"], ..Options::default() });
    let of_messages = ["duplicate", "late", "future", "out_of_order", "rejected"];
    let counts = figures.into_iter().map(|(key, mut figures)| {
        figures.counts.retain(|name, _| !of_messages.contains(name));
        (key, figures.counts)
    });
    counts.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn telemetry_and_sessions_that_come_twice_change_nothing(lines in recordings(Knobs::all(80))) {
        let repeats = |line: &String| if line.contains("/telemetry") || line.contains("/session") { 2 } else { 1 };
        let doubled: Vec<String> = lines.iter().flat_map(|line| std::iter::repeat_n(line.clone(), repeats(line))).collect();
        prop_assert!(doubled.len() > lines.len());
        prop_assert_eq!(content(&doubled), content(&lines));
    }
}
