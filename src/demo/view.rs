//! The demo's screen: the nation's indicators, provinces, alarms and formulas, drawn from a [`Board`]. It draws what it
//! is given into whatever frame there is, from 80 columns by 24 rows on, and must never wait or compute a figure.

use chargetally_core::indicator::catalogue;
use chargetally_core::window::WindowKind;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table};
use serde_json::Value;

use super::board::Board;

/// From this height on, the nation's page has alarms and provinces below it.
const TALL_ROWS: u16 = 36;
/// Rows of the two columns of indicators.
const HEADLINE_ROWS: u16 = 16;

/// The pages, in the order of the tab key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Page {
    Nation,
    Provinces,
    Alarms,
    Indicators,
}

impl Page {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nation, Self::Provinces, Self::Alarms, Self::Indicators];

    const fn name(self) -> &'static str {
        ["nation", "provinces", "alarms", "indicators"][self as usize]
    }

    /// The one after it, the first after the last.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

/// What is shown beside the board.
#[derive(Debug, Clone)]
pub struct Screen {
    /// The page.
    pub page: Page,
    /// The window whose figures are shown; `None` takes the newest of a quarter, or of a minute before there is one.
    pub window: Option<WindowKind>,
    /// Rows that the page is scrolled by.
    pub scroll: usize,
    /// Simulated time, as it is to be shown.
    pub time: String,
    /// Simulated seconds per second.
    pub speed: f64,
    /// Messages of the fleet in the last second.
    pub messages_per_s: u64,
    /// Where the broker listens.
    pub broker: std::net::SocketAddr,
    /// Stations and connectors of the fleet.
    pub fleet: (usize, u32),
}

impl Screen {
    /// The window to show of this board.
    #[must_use]
    pub fn shown(&self, board: &Board) -> WindowKind {
        let newest = if board.nation(WindowKind::Quarter).is_some() { WindowKind::Quarter } else { WindowKind::Minute };
        self.window.unwrap_or(newest)
    }
}

/// Indicators of a headline: object and key of the summary, and what they are called here.
pub type Headline = (&'static str, &'static [(&'static str, &'static str, &'static str)]);

/// The left column.
pub const LEFT: [Headline; 3] = [
    (
        "facilities",
        &[
            ("facilities", "facilities_connectors", "connectors"),
            ("facilities", "public_connectors", "public connectors"),
            ("facilities", "dc_share", "direct current"),
            ("facilities", "rated_power_kw", "rated power"),
        ],
    ),
    (
        "service efficiency",
        &[
            ("efficiency", "time_utilisation", "time utilisation"),
            ("efficiency", "energy_utilisation", "energy utilisation"),
            ("efficiency", "occupancy", "occupancy"),
            ("efficiency", "energy_import_kwh", "energy to vehicles"),
            ("efficiency", "power_peak_kw", "peak power"),
        ],
    ),
    (
        "data quality",
        &[
            ("quality", "acceptance", "accepted samples"),
            ("quality", "completeness", "completeness"),
            ("quality", "unknown_time_share", "unknown time"),
        ],
    ),
];

/// The right column.
pub const RIGHT: [Headline; 3] = [
    (
        "reliability",
        &[
            ("service", "availability_strict", "availability"),
            ("service", "session_success_rate", "session success"),
            ("service", "start_success_rate", "start success"),
            ("service", "online_rate", "online rate"),
            ("service", "open_faults", "open faults"),
        ],
    ),
    (
        "safety",
        &[
            ("safety", "open_alarms_personal", "open alarms, personal"),
            ("safety", "open_alarms_equipment", "open alarms, equipment"),
            ("safety", "open_alarms_notice", "open alarms, notice"),
            ("safety", "safety_score", "safety score"),
        ],
    ),
    (
        "vehicle to grid",
        &[
            ("vgi", "v2g_connectors", "V2G connectors"),
            ("vgi", "energy_export_kwh", "energy to the grid"),
            ("vgi", "adjustable_up_kw", "adjustable, up"),
        ],
    ),
];

/// A value with its unit, as a person reads it: a ratio in percent, and a dash for what is not known.
#[must_use]
pub fn worded(summary: Option<&Value>, group: &str, name: &str) -> String {
    let value = summary.map_or(&Value::Null, |summary| &summary[group][name]);
    let of = |wanted: &str| catalogue().find(|known| known.group.name() == group && known.name == wanted);
    let unit = of(name).map_or("", |indicator| indicator.unit);
    match (value, unit) {
        (Value::Null, _) => "-".to_owned(),
        (Value::String(word), _) => word.clone(),
        (Value::Array(list), _) => list.len().to_string(),
        (Value::Number(number), "1") => {
            number.as_f64().map_or_else(String::new, |share| format!("{:.1} %", share * 100.0))
        }
        (Value::Number(number), unit) => {
            let unit = if unit.contains(['k', 'm', 'h']) && unit.len() <= 4 { unit } else { "" };
            let text = number.as_i64().map_or_else(
                || number.as_f64().map_or_else(String::new, |value| format!("{value:.1}")),
                |whole| whole.to_string(),
            );
            format!("{text} {unit}").trim_end().to_owned()
        }
        (other, _) => other.to_string(),
    }
}

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, board: &Board, screen: &Screen) {
    let [header, body, footer] =
        Layout::vertical([Constraint::Length(3), Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
    let window = screen.shown(board);
    draw_header(frame, header, board, screen, window);
    match screen.page {
        Page::Nation => draw_nation(frame, body, board, screen, window),
        Page::Provinces => draw_provinces(frame, body, board, window, screen.scroll),
        Page::Alarms => draw_alarms(frame, body, board, window, screen.scroll),
        Page::Indicators => draw_indicators(frame, body, board, window, screen.scroll),
    }
    let keys = " q quit   tab or 1-4 page   w window   up/down scroll";
    frame.render_widget(Paragraph::new(keys).style(Style::new().dim()), footer);
}

fn draw_header(frame: &mut Frame<'_>, area: Rect, board: &Board, screen: &Screen, window: WindowKind) {
    let (stations, connectors) = screen.fleet;
    let first = Line::from(vec![
        Span::from(" chargetally demo ").bold().reversed(),
        Span::from(format!(" {} x{} ", screen.time, screen.speed)).bold(),
        Span::from(format!(" {stations} stations, {connectors} connectors, {} msg/s", screen.messages_per_s)),
    ]);
    let (host, port) = (screen.broker.ip(), screen.broker.port());
    let second = format!(" mosquitto_sub -h {host} -p {port} -t '{}/#' -v", crate::topic::OUT_ROOT);
    let mut third = vec![Span::from(" ")];
    for (place, page) in Page::ALL.into_iter().enumerate() {
        let tab = Span::from(format!(" {} {} ", place + 1, page.name()));
        third.push(if page == screen.page { tab.reversed() } else { tab });
    }
    third.push(Span::from(format!("  {}", window_text(board, window))).fg(Color::Cyan));
    frame.render_widget(Paragraph::new(vec![first, Line::from(second).dim(), Line::from(third)]), area);
}

/// Which window is shown, and in which revision.
fn window_text(board: &Board, window: WindowKind) -> String {
    let Some(summary) = board.nation(window) else {
        let wait = if board.online { "not closed yet" } else { "the daemon is starting" };
        return format!("{}: {wait}", window.name());
    };
    // RFC 3339: the eleventh to sixteenth character are hours and minutes.
    let clock = |key: &str| summary["window"][key].as_str().and_then(|text| text.get(11..16)).unwrap_or("-");
    let revision = &summary["window"]["revision"];
    format!("{} {}-{} revision {revision}", window.name(), clock("start"), clock("end"))
}

fn draw_nation(frame: &mut Frame<'_>, area: Rect, board: &Board, screen: &Screen, window: WindowKind) {
    let tall = frame.area().height >= TALL_ROWS;
    let rest = if tall { Constraint::Min(8) } else { Constraint::Length(0) };
    let curves = if tall { Constraint::Length(6) } else { Constraint::Min(3) };
    let [top, history, below] = Layout::vertical([Constraint::Length(HEADLINE_ROWS), curves, rest]).areas(area);
    let halves = [Constraint::Percentage(50); 2];
    let [left, right] = Layout::horizontal(halves).areas(top);
    draw_headlines(frame, left, board.nation(window), &LEFT);
    draw_headlines(frame, right, board.nation(window), &RIGHT);
    let [left, right] = Layout::horizontal(halves).spacing(1).areas(history);
    draw_curve(frame, left, "power [kW], by minute", &board.history.power_kw, Color::Green);
    draw_curve(frame, right, "time utilisation [0.1 %]", &board.history.utilisation_permille, Color::Yellow);
    if tall {
        let [left, right] = Layout::horizontal(halves).spacing(1).areas(below);
        draw_provinces(frame, left, board, window, screen.scroll);
        draw_alarms(frame, right, board, window, screen.scroll);
    }
}

fn draw_headlines(frame: &mut Frame<'_>, area: Rect, summary: Option<&Value>, headlines: &[Headline]) {
    let mut lines = Vec::new();
    for (title, indicators) in headlines {
        lines.push(Line::from(format!(" {title}")).bold().fg(Color::Cyan));
        for (group, name, label) in *indicators {
            let value = worded(summary, group, name);
            let colour = if name.starts_with("open_alarms_p") && value != "0" && value != "-" {
                Color::Red
            } else {
                Color::Reset
            };
            lines.push(Line::from(vec![
                Span::from(format!("  {label:<23}")),
                Span::from(format!("{value:>13}")).bold().fg(colour),
            ]));
        }
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_curve(frame: &mut Frame<'_>, area: Rect, title: &str, values: &std::collections::VecDeque<u64>, colour: Color) {
    let now = values.back().map_or_else(String::new, |value| format!(", now {value}"));
    let [head, curve] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    frame.render_widget(Paragraph::new(format!(" {title}{now}")).style(Style::new().dim()), head);
    // The newest values that fit.
    let skipped = values.len().saturating_sub(usize::from(curve.width));
    let shown: Vec<u64> = values.iter().skip(skipped).copied().collect();
    frame.render_widget(Sparkline::default().data(&shown).style(Style::new().fg(colour)), curve);
}

fn draw_provinces(frame: &mut Frame<'_>, area: Rect, board: &Board, window: WindowKind, scroll: usize) {
    let rows = board.provinces(window).into_iter().skip(scroll).map(|summary| {
        let name = summary["scope"]["name"].as_str().or(summary["scope"]["code"].as_str()).unwrap_or("-");
        let value = |group, name| Cell::from(Line::from(worded(Some(summary), group, name)).right_aligned());
        Row::new([
            Cell::from(format!(" {name}")),
            value("facilities", "facilities_connectors"),
            value("efficiency", "energy_import_kwh"),
            value("efficiency", "time_utilisation"),
            value("service", "availability_strict"),
        ])
    });
    let widths = [
        Constraint::Min(10),
        Constraint::Length(6),
        Constraint::Length(10),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    let head = [" province", "conn.", "energy", "time util", "available"];
    let table = Table::new(rows, widths).header(Row::new(head).fg(Color::Cyan).bold());
    frame.render_widget(table, area);
}

fn draw_alarms(frame: &mut Frame<'_>, area: Rect, board: &Board, window: WindowKind, scroll: usize) {
    let [alarms, congested] = Layout::vertical([Constraint::Min(4), Constraint::Length(4)]).areas(area);
    let open = board.alarms();
    let rows = open.iter().skip(scroll).map(|alarm| {
        let style = if alarm.level == "personal" { Style::new().fg(Color::Red) } else { Style::new() };
        let since = alarm.since.get(11..19).unwrap_or(&alarm.since);
        Row::new([format!(" {since}"), alarm.level.clone(), alarm.class.clone(), alarm.place.clone()]).style(style)
    });
    let widths = [Constraint::Length(9), Constraint::Length(9), Constraint::Fill(2), Constraint::Fill(3)];
    let head = [" since".to_owned(), "level".to_owned(), format!("alarm ({} stand)", open.len()), "where".to_owned()];
    frame.render_widget(Table::new(rows, widths).header(Row::new(head).fg(Color::Cyan).bold()), alarms);
    let list = board.nation(window).and_then(|summary| summary["efficiency"]["congested_stations"].as_array());
    let names: Vec<&str> = list.into_iter().flatten().filter_map(Value::as_str).collect();
    let text = if names.is_empty() { "none".to_owned() } else { names.join("  ") };
    let block = Block::new().title(Line::from(format!(" congested stations ({})", names.len())).fg(Color::Cyan).bold());
    let wrap = ratatui::widgets::Wrap { trim: true };
    frame.render_widget(Paragraph::new(format!(" {text}")).wrap(wrap).block(block), congested);
}

fn draw_indicators(frame: &mut Frame<'_>, area: Rect, board: &Board, window: WindowKind, scroll: usize) {
    let summary = board.nation(window);
    let lines = catalogue().skip(scroll).flat_map(|indicator| {
        let (group, name) = (indicator.group.name(), indicator.name);
        let head = Line::from(vec![
            Span::from(format!(" {:<6}{group}.{name} = ", indicator.id)),
            Span::from(worded(summary, group, name)).bold(),
        ]);
        [head, Line::from(format!("       {}", indicator.formula)).dim()]
    });
    let lines: Vec<Line<'_>> = lines.take(usize::from(area.height)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}
