//! Shows a running demo, on a terminal or as lines, until it is over. It must leave the terminal as it found it, and
//! never keep the demo from going on.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chargetally_core::window::{Calendar, WindowKind};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::Value;

use super::board::Board;
use super::fleet::Shared;
use super::view::{self, Page, Screen, worded};
use super::{Options, pace};
use crate::clock::{Monotonic, monotonic};
use crate::publish::stamp::Stamp;

/// How often the screen is drawn and the course of the demo looked at.
const TURN: Duration = Duration::from_millis(100);
/// Over how long the messages are counted for their rate, ms.
const RATE_MS: u64 = 1_000;

/// The columns of a demo that is not on screen: what they are called, and where their figures stand.
const COLUMNS: [(&str, &str, &str); 7] = [
    ("connectors", "facilities", "facilities_connectors"),
    ("to vehicles", "efficiency", "energy_import_kwh"),
    ("to the grid", "vgi", "energy_export_kwh"),
    ("time util.", "efficiency", "time_utilisation"),
    ("available", "service", "availability_strict"),
    ("sessions ok", "service", "session_success_rate"),
    ("accepted", "quality", "acceptance"),
];

/// What there is to show.
pub struct Show<'a> {
    /// The demo's options.
    pub options: &'a Options,
    /// Where the broker listens.
    pub broker: SocketAddr,
    /// Stations and connectors of the fleet.
    pub size: (usize, u32),
    /// What is known.
    pub shared: &'a Shared,
}

impl Show<'_> {
    /// Shows until `over` says so or somebody quits.
    ///
    /// # Errors
    /// Those of the terminal or of `out`.
    pub fn until(&self, out: &mut dyn Write, over: impl FnMut() -> bool) -> io::Result<()> {
        if self.options.on_screen {
            let mut terminal = ratatui::try_init()?;
            let shown = self.on_screen(&mut terminal, over);
            ratatui::try_restore()?;
            shown
        } else {
            self.as_lines(out, over)
        }
    }

    fn on_screen(&self, terminal: &mut ratatui::DefaultTerminal, mut over: impl FnMut() -> bool) -> io::Result<()> {
        let mut rate = Rate { since: monotonic(), sent: 0, per_s: 0 };
        let mut screen = Screen {
            page: Page::Nation,
            window: None,
            scroll: 0,
            time: String::new(),
            speed: self.options.speed,
            messages_per_s: 0,
            broker: self.broker,
            fleet: self.size,
        };
        while !over() {
            rate.count(self.shared.sent.load(Ordering::Relaxed));
            (screen.time, screen.messages_per_s) = (local(pace::now_ms()), rate.per_s);
            {
                let board = self.shared.board();
                terminal.draw(|frame| view::draw(frame, &board, &screen))?;
            }
            if event::poll(TURN)?
                && let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && pressed(key, &mut screen)
            {
                break;
            }
        }
        Ok(())
    }

    fn as_lines(&self, out: &mut dyn Write, mut over: impl FnMut() -> bool) -> io::Result<()> {
        let (stations, connectors) = self.size;
        writeln!(out, "{stations} stations, {connectors} connectors, {} s a second", self.options.speed)?;
        let (host, port, root) = (self.broker.ip(), self.broker.port(), crate::topic::OUT_ROOT);
        writeln!(out, "mosquitto_sub -h {host} -p {port} -t '{root}/#' -v\n")?;
        write!(out, "{:<17}", "quarter from")?;
        COLUMNS.iter().try_for_each(|(title, ..)| write!(out, "{title:>14}"))?;
        writeln!(out, "{:>8}", "alarms")?;
        let mut last = Value::Null;
        while !over() {
            let line = new_line(&self.shared.board(), &mut last);
            if let Some(line) = line {
                writeln!(out, "{line}")?;
                out.flush()?;
            }
            std::thread::sleep(TURN / 4);
        }
        Ok(())
    }
}

/// The line of the newest quarter of an hour, where it is another than `last`.
pub(super) fn new_line(board: &Board, last: &mut Value) -> Option<String> {
    let summary = board.nation(WindowKind::Quarter)?;
    let start = &summary["window"]["start"];
    if start == last {
        return None;
    }
    *last = start.clone();
    let start: String = start.as_str().unwrap_or_default().chars().take(16).collect();
    let mut line = format!("{:<17}", start.replace('T', " "));
    for (_, group, name) in COLUMNS {
        line.push_str(&format!("{:>14}", worded(Some(summary), group, name)));
    }
    line.push_str(&format!("{:>8}", board.alarms().len()));
    Some(line)
}

/// Does what a key is for; true where it is to quit.
pub(super) fn pressed(key: KeyEvent, screen: &mut Screen) -> bool {
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return true,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
        KeyCode::Tab => (screen.page, screen.scroll) = (screen.page.next(), 0),
        KeyCode::Char(digit @ '1'..='4') => {
            (screen.page, screen.scroll) = (Page::ALL[usize::from(digit as u8 - b'1')], 0);
        }
        KeyCode::Char('w') => {
            screen.window = match screen.window {
                None => Some(WindowKind::Minute),
                Some(window) => WindowKind::ALL.into_iter().find(|next| *next as u8 == window as u8 + 1),
            };
        }
        KeyCode::Up => screen.scroll = screen.scroll.saturating_sub(1),
        KeyCode::Down => screen.scroll = (screen.scroll + 1).min(SCROLL_MAX),
        _ => {}
    }
    false
}

/// Rows that a page can be scrolled by.
const SCROLL_MAX: usize = 10_000;

struct Rate {
    since: Monotonic,
    sent: u64,
    per_s: u64,
}

impl Rate {
    fn count(&mut self, sent: u64) {
        let now = monotonic();
        let passed_ms = now.since_ms(self.since);
        if passed_ms >= RATE_MS {
            self.per_s = (sent - self.sent) * 1_000 / passed_ms;
            (self.since, self.sent) = (now, sent);
        }
    }
}

/// A time in the demo's zone, to the second.
pub(super) fn local(at_ms: i64) -> String {
    let calendar = Calendar::fixed(super::ZONE_MS);
    let whole_s_ms = at_ms.div_euclid(1_000) * 1_000;
    Stamp { at_ms: whole_s_ms, calendar: &calendar }.to_string().chars().take(19).collect::<String>().replace('T', " ")
}
