//! What no compiler checks: how files begin and how long they are, what may not be named where, and that the documents
//! name what exists. It reads the checkout it was built from, and must never pass because it found nothing to read.

use std::fs;
use std::path::Path;

use chargetally::cli::indicators::{Format, render};

/// Lines of a source file at most.
const LINES_MAX: usize = 500;

/// Where topics are spelled although they are not `src/topic.rs`, and why.
const TOPICS_SPELLED: [(&str, &str); 3] = [
    ("src/settings/", "the keys' defaults are written as a settings file would write them"),
    ("src/cli/args.rs", "the help shows what a person types"),
    ("src/simulate/plan.rs", "a plan is pure data and states its own default root"),
];

/// Arrows that must not exist (ARCHITECTURE.md): under the first path, nothing names the second module.
const NO_ARROWS: [(&str, &str); 8] = [
    ("src/ingest.rs", "publish"),
    ("src/publish/", "ingest"),
    ("src/dialect/", "engine"),
    ("src/dialect/", "publish"),
    ("src/mqtt/", "engine"),
    ("src/engine/", "mqtt"),
    ("src/store/", "mqtt"),
    ("src/simulate/", "engine"),
];

/// Crates that one place alone may name.
const HELD_CRATES: [(&str, &str); 4] = [
    ("rumqttc_", "src/mqtt/"),
    ("rmqtt::", "src/broker.rs"),
    ("rusqlite", "src/store/"),
    ("sd_notify", "src/notify.rs"),
];

/// A text file of the checkout.
struct Source {
    /// Its path below the root, with `/` between.
    name: String,
    text: String,
}

impl Source {
    /// Its lines of code with their numbers: neither comments nor a test module at the end of the file.
    fn code(&self) -> Vec<(usize, &str)> {
        let mut code = Vec::new();
        let mut lines = self.text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            let begins_tests = |next: &str| next.starts_with("mod ") && next.ends_with('{');
            if line == "#[cfg(test)]" && lines.peek().is_some_and(|(_, next)| begins_tests(next)) {
                break;
            }
            if !line.trim_start().starts_with("//") {
                code.push((index + 1, line));
            }
        }
        code
    }

    fn is_test(&self) -> bool {
        self.name.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    fn is_under(&self, path: &str) -> bool {
        self.name == path || (path.ends_with('/') && self.name.starts_with(path))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All files with this extension under a folder of the checkout, in order of their names.
fn sources(folder: &str, extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    gather(&root().join(folder), extension, &mut found);
    assert!(!found.is_empty(), "no *.{extension} under {folder}");
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn gather(folder: &Path, extension: &str, found: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            gather(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            let below = path.strip_prefix(root()).expect("a path below the root");
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push(Source { name: below.to_string_lossy().replace('\\', "/"), text });
        }
    }
}

/// Fails with every line of code that `is_wrong` finds in these files.
fn check_no_line<'a>(files: impl Iterator<Item = &'a Source>, is_wrong: impl Fn(&str) -> bool, law: &str) {
    let mut looked_at = 0;
    let mut found = Vec::new();
    for file in files {
        looked_at += 1;
        for (number, line) in file.code() {
            if is_wrong(line) {
                found.push(format!("{}:{number}: {}", file.name, line.trim()));
            }
        }
    }
    assert!(looked_at > 0, "nothing to look at for: {law}");
    assert!(found.is_empty(), "{law}:\n{}", found.join("\n"));
}

/// Whether a line names a module of the crate, by itself or in a group (`use crate::{a, b}`).
fn names_module(line: &str, module: &str) -> bool {
    line.split("crate::").skip(1).any(|rest| match rest.strip_prefix('{') {
        Some(group) => group.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == module),
        None => {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            &rest[..end] == module
        }
    })
}

#[test]
fn a_named_module_is_found_by_itself_and_in_a_group() {
    assert!(names_module("use crate::publish::outbox::Entry;", "publish"));
    assert!(names_module("use crate::{ingest, setup};", "ingest"));
    assert!(names_module("    crate::ingest::spawn()", "ingest"));
    assert!(!names_module("use crate::published::Entry;", "publish"));
    assert!(!names_module("use crate::{ingest, setup};", "set"));
    assert!(!names_module("use other::publish;", "publish"));
}

#[test]
fn code_is_read_without_comments_and_without_tests_at_the_end() {
    let text = "//! Head.\n#[cfg(test)]\nmod tests;\nfn one() {}\n    // two\n#[cfg(test)]\nmod more {\n    three\n}\n";
    let source = Source { name: "src/a.rs".to_owned(), text: text.to_owned() };
    assert_eq!(source.code(), [(2, "#[cfg(test)]"), (3, "mod tests;"), (4, "fn one() {}")]);
}

#[test]
fn every_file_says_what_it_is_and_is_short_enough_to_be_read() {
    let mut wrong = Vec::new();
    for folder in ["src", "crates", "tests", "examples"] {
        for Source { name, text } in sources(folder, "rs") {
            if !text.starts_with("//! ") {
                wrong.push(format!("{name} does not begin with //!"));
            }
            let lines = text.lines().count();
            if lines > LINES_MAX {
                wrong.push(format!("{name} has {lines} lines; {LINES_MAX} are the most"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_depends_on_nothing_but_a_hash() {
    let manifest = read("crates/core/Cargo.toml");
    let table = manifest.split("\n[").find_map(|table| table.strip_prefix("dependencies]\n")).expect("[dependencies]");
    let names: Vec<&str> = table
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split(['=', '.', ' ']).next())
        .collect();
    assert_eq!(names, ["rustc-hash"], "the core takes another crate only with a decision record");
    for other in ["[build-dependencies]", "[target."] {
        assert!(!manifest.contains(other), "the core has {other}");
    }
}

#[test]
fn the_core_has_no_clock_no_io_no_thread_no_lock_and_no_log() {
    let forbidden = [
        "std::time",
        "std::fs",
        "std::net",
        "std::io",
        "std::env",
        "std::process",
        "std::thread",
        "Mutex",
        "RwLock",
        "Condvar",
        "println!",
        "print!",
        "dbg!",
        "tracing",
        "tokio",
        "serde",
        "std::collections::Hash",
        "chargetally::",
    ];
    let core = sources("crates/core/src", "rs");
    let is_wrong = |line: &str| forbidden.iter().any(|word| line.contains(word));
    check_no_line(core.iter(), is_wrong, "the core is pure");
}

#[test]
fn topics_are_spelled_in_one_place() {
    let files = sources("src", "rs");
    let allowed = |file: &Source| {
        let is_listed = TOPICS_SPELLED.iter().any(|(path, _reason)| file.is_under(path));
        file.name == "src/topic.rs" || file.is_test() || is_listed
    };
    let is_wrong = |line: &str| ["ev/v1", "chargetally/v1"].iter().any(|root| line.contains(root));
    check_no_line(files.iter().filter(|file| !allowed(file)), is_wrong, "only src/topic.rs spells topics");
}

#[test]
fn only_the_clock_reads_a_clock() {
    let files = sources("src", "rs");
    let readers = ["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"];
    let is_wrong = |line: &str| readers.iter().any(|reader| line.contains(reader));
    let others = files.iter().filter(|file| file.name != "src/clock.rs" && !file.is_test());
    check_no_line(others, is_wrong, "only src/clock.rs reads a clock");
}

#[test]
fn arrows_that_must_not_exist_do_not() {
    let files = sources("src", "rs");
    for (from, to) in NO_ARROWS {
        let within = files.iter().filter(|file| file.is_under(from) && !file.is_test());
        check_no_line(within, |line| names_module(line, to), &format!("{from} knows nothing of crate::{to}"));
    }
    let inner = files.iter().filter(|file| !file.is_under("src/cli/") && file.name != "src/main.rs");
    check_no_line(inner, |line| names_module(line, "cli"), "nothing but main knows the command line");
}

#[test]
fn crates_behind_a_seam_are_named_there_alone() {
    let files = sources("src", "rs");
    for (name, home) in HELD_CRATES {
        let outside = files.iter().filter(|file| !file.is_under(home) && !file.is_test());
        check_no_line(outside, |line| line.contains(name), &format!("{name} is named in {home} alone"));
        let inside = files.iter().filter(|file| file.is_under(home));
        assert!(inside.flat_map(Source::code).any(|(_, line)| line.contains(name)), "{home} does not name {name}");
    }
}

/// The lines between fences in a document.
fn fenced(text: &str) -> Vec<&str> {
    let mut is_within = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_within = !is_within;
        } else if is_within {
            lines.push(line.trim());
        }
    }
    lines
}

#[test]
fn the_readmes_two_commands_exist() {
    let readme = read("README.md");
    let commands = fenced(&readme);
    for command in ["cargo run --release -- demo", "./test.sh"] {
        assert!(commands.contains(&command), "README.md does not show {command}");
    }
    let script = fs::metadata(root().join("test.sh")).expect("test.sh");
    assert!(script.is_file());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert!(script.permissions().mode() & 0o111 != 0, "test.sh cannot be run");
    }
    if cfg!(feature = "demo-broker") {
        let known = chargetally::cli::command();
        assert!(known.get_subcommands().any(|command| command.get_name() == "demo"), "there is no demo");
    }
}

#[test]
fn every_command_line_of_the_readme_is_understood() {
    let readme = read("README.md");
    let mut seen = 0;
    for line in fenced(&readme).into_iter().filter(|line| line.starts_with("chargetally ")) {
        let own = line.split([';', '|', '>']).next().unwrap_or(line);
        let own = own.split(" #").next().unwrap_or(own);
        let words = own.split_whitespace().map(|word| word.trim_matches('\''));
        let outcome = chargetally::cli::command().try_get_matches_from(words);
        assert!(outcome.is_ok(), "{line}: {}", outcome.err().map(|error| error.to_string()).unwrap_or_default());
        seen += 1;
    }
    assert!(seen > 0, "README.md shows no command");
}

#[test]
fn the_list_of_indicators_is_that_of_the_code() {
    let listed = read("docs/indicators.md");
    let made = "chargetally indicators --format markdown";
    assert!(listed.ends_with(&render(Format::Markdown)), "docs/indicators.md is out of date: {made}");
    assert!(
        listed.lines().next().is_some_and(|line| line.contains(made)),
        "docs/indicators.md does not say how it is made"
    );
}

#[test]
fn documents_lead_to_files_that_exist() {
    let mut documents = sources("docs", "md");
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SAFETY.md"] {
        documents.push(Source { name: name.to_owned(), text: read(name) });
    }
    let mut wrong = Vec::new();
    for Source { name, text } in &documents {
        let folder = Path::new(name).parent().unwrap_or(Path::new(""));
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            let is_elsewhere = target.is_empty() || target.contains("://");
            if !is_elsewhere && !root().join(folder).join(target).exists() {
                wrong.push(format!("{name} leads to {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_test_that_guards_a_constraint_exists() {
    let safety = read("SAFETY.md");
    let rows: Vec<&str> = safety.lines().filter(|line| line.starts_with("| C")).collect();
    assert!(!rows.is_empty(), "SAFETY.md has no constraint");
    for row in rows {
        let guards: Vec<&str> = row.split('`').filter(|part| part.contains("::")).collect();
        assert!(!guards.is_empty(), "nothing guards: {row}");
        for guard in guards {
            let (file, name) = guard.split_once("::").unwrap_or_default();
            let text = read(file);
            let (before, _) = text.split_once(&format!("fn {name}(")).unwrap_or_default();
            // The attribute stands between the item before and the function.
            let attributes = before.rsplit(['}', ';']).next().unwrap_or_default();
            assert!(attributes.contains("#[test]") || attributes.contains("::test"), "{guard} is no test");
            assert!(!attributes.contains("#[ignore"), "{guard} does not run");
        }
    }
}
