//! A screen as a picture: each run of cells of one style is a piece of text in an SVG file. The same screen gives the
//! same bytes.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// Size of a character cell, in the picture's units.
const CELL: (u32, u32) = (9, 18);
/// Space around the screen.
const MARGIN: u32 = 10;
const BACKGROUND: &str = "#14181f";
const FOREGROUND: &str = "#d7dde5";

/// The picture of a screen.
#[must_use]
pub fn picture(buffer: &Buffer) -> String {
    let area = buffer.area;
    let width = u32::from(area.width) * CELL.0 + 2 * MARGIN;
    let height = u32::from(area.height) * CELL.1 + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"15\" xml:space=\"preserve\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n"
    );
    for y in 0..area.height {
        let mut x = 0;
        while x < area.width {
            let first = &buffer[(area.x + x, area.y + y)];
            let mut text = String::new();
            let start = x;
            while x < area.width && look(&buffer[(area.x + x, area.y + y)]) == look(first) {
                text.push_str(buffer[(area.x + x, area.y + y)].symbol());
                x += 1;
            }
            run(&mut svg, (start, y, x - start), first, &text);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn look(cell: &Cell) -> (Color, Modifier) {
    (cell.fg, cell.modifier)
}

fn run(svg: &mut String, (x, y, cells): (u16, u16, u16), cell: &Cell, text: &str) {
    let reversed = cell.modifier.contains(Modifier::REVERSED);
    if text.trim().is_empty() && !reversed {
        return;
    }
    let (left, top) = (MARGIN + u32::from(x) * CELL.0, MARGIN + u32::from(y) * CELL.1);
    let length = u32::from(cells) * CELL.0;
    let mut fill = colour(cell.fg);
    if reversed {
        let _ =
            writeln!(svg, "<rect x=\"{left}\" y=\"{top}\" width=\"{length}\" height=\"{}\" fill=\"{fill}\"/>", CELL.1);
        fill = BACKGROUND;
    }
    let weight = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let faint = if cell.modifier.contains(Modifier::DIM) { " opacity=\"0.65\"" } else { "" };
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let baseline = top + 14;
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{baseline}\" textLength=\"{length}\" fill=\"{fill}\"{weight}{faint}>{escaped}</text>"
    );
}

fn colour(colour: Color) -> &'static str {
    match colour {
        Color::Cyan => "#56c8d8",
        Color::Green => "#7fd07f",
        Color::Yellow => "#e5c15c",
        Color::Red => "#ff6b6b",
        _ => FOREGROUND,
    }
}
