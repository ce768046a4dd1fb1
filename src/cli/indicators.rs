//! `chargetally indicators`: lists every indicator that a summary holds, from the table that computes them. It reads
//! nothing and knows nothing but that table.

use std::fmt::Write as _;

use chargetally_core::indicator::{Group, Indicator, Kind, catalogue};
use clap::{Args, ValueEnum};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;

/// Width of the table, columns: that of a plain terminal.
const TABLE_COLUMNS: u16 = 80;

/// Arguments of `chargetally indicators`.
#[derive(Args, Clone, Copy, Debug)]
#[command(after_help = "\
Examples:
  chargetally indicators
  chargetally indicators --format markdown > INDICATORS.md")]
pub struct Indicators {
    /// How to write the list.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// How the list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table, 80 columns wide.
    Table,
    /// An array of objects.
    Json,
    /// A document with one table for each group.
    Markdown,
}

/// The whole list, ending with a line feed.
#[must_use]
pub fn render(format: Format) -> String {
    match format {
        Format::Table => table(),
        Format::Json => json(),
        Format::Markdown => markdown(),
    }
}

fn table() -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(TABLE_COLUMNS)
        .set_header(["id", "path, unit", "what it is, how it is computed, who says so"]);
    for indicator in catalogue() {
        table.add_row([
            // The goals' ids do not fit beside the rest.
            indicator.id.replace('-', "\n"),
            format!("{}.\n{}\n[{}]", indicator.group.name(), broken(indicator.name), indicator.unit),
            format!("{}\n{}\n= {}\n({})", indicator.name_en, indicator.name_zh, indicator.formula, indicator.source),
        ]);
    }
    for (index, columns) in [5, 32, 41].into_iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(columns)));
        }
    }
    format!("{table}\n")
}

/// A long name, broken after an underscore so that it can be put together again by eye.
fn broken(name: &str) -> String {
    const NAME_COLUMNS: usize = 28;
    let mut lines = String::new();
    let mut line = 0;
    for word in name.split_inclusive('_') {
        if line + word.len() > NAME_COLUMNS {
            lines.push_str("\n  ");
            line = 2;
        }
        lines.push_str(word);
        line += word.len();
    }
    lines
}

/// An indicator as JSON writes it.
#[derive(Serialize)]
struct Row {
    id: &'static str,
    path: String,
    group: &'static str,
    name: &'static str,
    kind: &'static str,
    unit: &'static str,
    name_en: &'static str,
    name_zh: &'static str,
    formula: &'static str,
    source: &'static str,
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "number",
        Kind::Integer => "integer",
        Kind::Word(_) => "word",
        Kind::Time => "time",
        Kind::Stations => "stations",
    }
}

impl From<&Indicator> for Row {
    fn from(indicator: &Indicator) -> Self {
        Self {
            id: indicator.id,
            path: indicator.path(),
            group: indicator.group.name(),
            name: indicator.name,
            kind: kind_name(indicator.kind),
            unit: indicator.unit,
            name_en: indicator.name_en,
            name_zh: indicator.name_zh,
            formula: indicator.formula,
            source: indicator.source,
        }
    }
}

fn json() -> String {
    let rows: Vec<Row> = catalogue().map(Row::from).collect();
    let mut text = serde_json::to_string_pretty(&rows).expect("strings under string keys always serialise");
    text.push('\n');
    text
}

fn markdown() -> String {
    let mut text = String::from(
        "# Indicators\n\n\
         A ratio is given as a number (0.0625 is 6.25 %). What is null stands with its reason in the group's\n\
         `null_reasons`. Evidence: [V] read in the primary text, [V2] in a secondary source, [M] from memory,\n\
         [D] this project's own.\n",
    );
    for group in Group::ALL {
        let _ = write!(text, "\n## {}\n\n", group.name());
        text.push_str("| id | path | name | 名称 | unit | formula | source |\n|---|---|---|---|---|---|---|\n");
        for indicator in group.indicators() {
            let cell = |cell: &str| cell.replace('|', "\\|");
            let _ = writeln!(
                text,
                "| {} | `{}` | {} | {} | {} | {} | {} |",
                indicator.id,
                indicator.path(),
                cell(indicator.name_en),
                cell(indicator.name_zh),
                cell(indicator.unit),
                cell(indicator.formula),
                cell(indicator.source),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn the_table_fits_a_plain_terminal_and_names_every_indicator() {
        let text = render(Format::Table);
        for line in text.lines() {
            assert!(line.width() <= usize::from(TABLE_COLUMNS), "{line}");
        }
        // A path is broken over lines: its words, in their order, with nothing but frame and spaces in between.
        let left: String = text.lines().map(|line| line.chars().skip(6).take(32).collect::<String>()).collect();
        let left: String = left.chars().filter(|c| !c.is_whitespace()).collect();
        for indicator in catalogue() {
            let path = format!("{}[{}]", indicator.path(), indicator.unit.replace(' ', ""));
            assert!(left.contains(&path), "{path}");
        }
    }

    #[test]
    fn json_lists_the_table_of_the_code_in_its_order() {
        let rows: Vec<serde_json::Value> = serde_json::from_str(&render(Format::Json)).unwrap();
        let paths: Vec<&str> = rows.iter().filter_map(|row| row["path"].as_str()).collect();
        assert_eq!(paths, catalogue().map(Indicator::path).collect::<Vec<_>>());
        assert!(rows.iter().all(|row| row.as_object().is_some_and(|row| row.len() == 10)));
    }

    #[test]
    fn markdown_has_one_row_of_seven_cells_for_each_indicator() {
        let text = render(Format::Markdown);
        let rows: Vec<&str> = text.lines().filter(|line| line.contains("| `")).collect();
        assert_eq!(rows.len(), catalogue().count());
        for row in rows {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
        }
    }
}
