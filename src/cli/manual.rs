//! The manual page of the settings file, chargetally.toml(5), written from the shipped file in which every key is
//! explained. It adds nothing to what stands there, so that page and file cannot differ.

/// The shipped settings file.
pub const SHIPPED: &str = include_str!("../../config/chargetally.toml");

const HEAD: &str = "\
.SH NAME
chargetally.toml \\- settings of chargetally
.SH SYNOPSIS
.I /etc/chargetally/*.toml
.SH DESCRIPTION
";

const TAIL: &str = "\
.SH FILES
.TP
.I /etc/chargetally/*.toml
Settings of the service, merged in the order of their names.
.TP
.I /etc/chargetally/NAME/*.toml
Settings of the instance chargetally@NAME.
.SH \"SEE ALSO\"
.BR chargetally (1),
.BR chargetally\\-check (1)
";

/// The page in roff, for this version of the program.
#[must_use]
pub fn settings_page(settings: &str, version: &str) -> String {
    let mut page = format!(".TH chargetally.toml 5 \"\" \"chargetally {version}\"\n{HEAD}");
    let mut said: Vec<&str> = Vec::new();
    let mut lines = settings.lines().peekable();
    let mut is_head = true;
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix('#') {
            said.push(comment.strip_prefix(' ').unwrap_or(comment));
        } else if line.starts_with('[') {
            page.push_str(&format!(".SH \"{}\"\n", escaped(line)));
            prose(&mut page, &said);
            said.clear();
            is_head = false;
        } else if line.is_empty() {
            // What stands before an empty line is about all that follows; what stands right above a table or a key
            // is about that.
            if is_head {
                prose(&mut page, &said);
                said.clear();
            }
        } else {
            page.push_str(&format!(".TP\n.B {}\n", escaped(line)));
            while let Some(next) = lines.next_if(|next| next.contains(" = ") && !next.starts_with('#')) {
                page.push_str(&format!(".TQ\n.B {}\n", escaped(next)));
            }
            prose(&mut page, &said);
            said.clear();
        }
    }
    page + TAIL
}

/// Paragraphs; lines that are indented are shown as they are.
fn prose(page: &mut String, lines: &[&str]) {
    let mut is_shown = false;
    for line in lines {
        let shows = line.starts_with("    ");
        if shows != is_shown {
            page.push_str(if shows { ".PP\n.EX\n" } else { ".EE\n" });
            is_shown = shows;
        }
        if line.is_empty() {
            page.push_str(".PP\n");
        } else {
            page.push_str(&escaped(line));
            page.push('\n');
        }
    }
    if is_shown {
        page.push_str(".EE\n");
    }
}

/// A text that roff prints as it is.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_above_what_is_said_of_it_and_keys_that_share_it_stand_together() {
        let page = settings_page("# Head.\n\n# Of all.\n[one]\n# Of a-b.\na = \"x\"\nb = 2\n", "1.2.3");
        let (_, body) = page.split_once(".SH DESCRIPTION\n").expect("a description");
        let expected = "Head.\n.SH \"[one]\"\nOf all.\n.TP\n.B a = \\(dqx\\(dq\n.TQ\n.B b = 2\nOf a\\-b.\n.SH FILES\n";
        assert!(body.starts_with(expected), "{body}");
    }

    #[test]
    fn every_table_and_key_of_the_shipped_file_is_on_the_page() {
        let page = settings_page(SHIPPED, "0");
        let mut keys = 0;
        for line in SHIPPED.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            assert!(page.contains(&escaped(line)), "{line}");
            keys += 1;
        }
        assert!(keys > 100, "{keys}");
        let commands = |line: &&str| line.starts_with('.') && !line.starts_with("..");
        assert!(page.lines().filter(commands).all(|line| {
            [".TH ", ".SH ", ".TP", ".TQ", ".B ", ".PP", ".EX", ".EE", ".I ", ".BR "]
                .iter()
                .any(|c| line.starts_with(c))
        }));
    }
}
