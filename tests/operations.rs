//! The operations guide names every line that the daemon logs at WARN and ERROR, and no line that it does not log.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn gather(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the checkout") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" {
            gather(&path, texts);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            texts.push(fs::read_to_string(&path).expect("a source file"));
        }
    }
}

/// The level and message of each such call in a source text. The message is the last text of the call.
fn lines_logged(text: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (call, level) in [("warn!(", "WARN"), ("error!(", "ERROR")] {
        for rest in text.split(call).skip(1) {
            let (mut depth, mut is_text, mut is_escaped) = (1, false, false);
            let (mut message, mut current) = (None, String::new());
            for c in rest.chars() {
                match c {
                    _ if is_escaped => is_escaped = false,
                    '\\' if is_text => is_escaped = true,
                    '"' => {
                        if is_text {
                            message = Some(std::mem::take(&mut current));
                        }
                        is_text = !is_text;
                    }
                    _ if is_text => current.push(c),
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            found.push((level, message.unwrap_or_else(|| panic!("a line without a message: {call}{rest:.80}"))));
        }
    }
    found
}

#[test]
fn messages_are_found_in_calls_of_one_line_and_of_several() {
    let text = "warn!(%why, \"one (1) down\");\n tracing::error!(\n  x = f(\"a\"),\n  \"two\"\n );";
    let expected = [("WARN", "one (1) down".to_owned()), ("ERROR", "two".to_owned())];
    assert_eq!(lines_logged(text), expected);
}

#[test]
fn the_guide_names_every_line_at_warn_and_error_and_no_other() {
    let mut texts = Vec::new();
    gather(&root().join("src"), &mut texts);
    let logged: BTreeSet<_> = texts.iter().flat_map(|text| lines_logged(text)).collect();
    assert!(logged.len() > 5, "{logged:?}");
    let guide = fs::read_to_string(root().join("docs/operations.md")).expect("the guide");
    let rows = guide.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let level = ["WARN", "ERROR"].into_iter().find(|level| cells.clone().next() == Some(level))?;
        Some((level, cells.nth(1)?.trim_matches('`').to_owned()))
    });
    let explained: BTreeSet<_> = rows.collect();
    let missing: Vec<_> = logged.difference(&explained).collect();
    assert!(missing.is_empty(), "docs/operations.md does not say what to do about: {missing:#?}");
    let gone: Vec<_> = explained.difference(&logged).collect();
    assert!(gone.is_empty(), "docs/operations.md explains what is never logged: {gone:#?}");
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let mut texts = Vec::new();
    for folder in ["src", "tests", "crates"] {
        gather_all(&root().join(folder), &mut texts);
    }
    let model = fs::read_to_string(root().join("docs/security.md")).expect("the threat model");
    let named: Vec<&str> = model
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| word.matches('_').count() >= 3 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        let head = format!("fn {name}()");
        assert!(texts.iter().any(|text| text.contains(&head)), "there is no test {name}");
    }
}

fn gather_all(folder: &Path, texts: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of the checkout") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather_all(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(&path).expect("a source file"));
        }
    }
}
