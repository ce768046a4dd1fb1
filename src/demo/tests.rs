//! The demo's view and comparison on messages as the daemon publishes them.

use std::collections::BTreeSet;

use chargetally_core::config::SourceIndex;
use chargetally_core::region::ReferenceData;
use chargetally_core::shard::AlarmEvent;
use chargetally_core::time::ArrivalTime;
use chargetally_core::window::{Calendar, WindowKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use serde_json::Value;

use super::board::Board;
use super::view::{self, LEFT, Page, RIGHT, Screen, worded};
use super::*;
use crate::batch::Message;
use crate::engine::{Engine, Notice};
use crate::publish::assemble::Assembler;
use crate::publish::stamp::Stamp;
use crate::setup;
use crate::topic::{OutTopic, Root};

/// 2026-05-01T12:00:00+08:00.
const NOON_MS: i64 = 1_777_608_000_000;

fn options(minutes: Option<u32>, speed: f64) -> Options {
    Options { stations: 12, seed: 7, speed, minutes, on_screen: false, today_ms: NOON_MS }
}

fn assembler(settings: &Settings, config: &crate::engine::EngineConfig, first: ArrivalTime) -> Assembler {
    Assembler {
        calendar: config.rollup.calendar.clone(),
        policy: setup::policy(settings),
        reference: ReferenceData::default(),
        basis: None,
        holidays: BTreeSet::new(),
        holiday_utilisation_min: 0.4,
        versions: Vec::new(),
        first,
    }
}

/// What a daemon would publish of `minutes` of a fleet of `stations`, as a board knows it; nothing is timed.
fn board_of(stations: u32, minutes: i64) -> (Board, (usize, u32)) {
    let mut plan = plan(&Options { stations, ..options(None, 60.0) });
    // The evening, so that vehicles feed the grid as well.
    plan.start_ms += 11 * HOUR_MS;
    plan.duration_ms = Some(minutes * MINUTE_MS);
    let (start, end) = (ArrivalTime::from_ms(plan.start_ms), ArrivalTime::from_ms(plan.end_ms() + 40_000));
    let fleet = Fleet::new(plan).expect("a fleet");
    let size = (fleet.built().stations.len(), fleet.plan().connectors);
    let settings = settings(SocketAddr::from(([127, 0, 0, 1], 1_883)));
    let config = setup::engine(&settings, false).expect("no tables");
    let assembler = assembler(&settings, &config, start);
    let calendar = assembler.calendar.clone();
    let mut engine = Engine::start(config, start).expect("threads");
    let root = Root::default_out();
    let mut board = Board::new(root.clone());
    board.take(&root.format_out(&OutTopic::Status), b"online");
    let mut publish = |engine: &mut Engine, now| {
        let sink = |names: &_, publication: &chargetally_core::rollup::Publication<'_>, census: &_| {
            let assembled = assembler.summary(names, publication, census);
            let topic = OutTopic::Summary { window: publication.window.kind, scope: assembled.scope };
            board.take(&root.format_out(&topic), &assembled.payload);
        };
        engine.publish_due(now, true, sink).expect("published");
    };
    for message in fleet {
        let arrival = ArrivalTime::from_ms(message.arrival_ms);
        if engine.advance(arrival).expect("workers") {
            publish(&mut engine, arrival);
        }
        let (topic, payload, retained) = (message.topic.as_str(), message.payload.as_slice(), false);
        engine.push(&Message { arrival, source: SourceIndex(0), topic, payload, retained }).expect("workers");
    }
    engine.advance(end).expect("workers");
    publish(&mut engine, end);
    for notice in engine.notices() {
        if let Notice::Alarm(event) = notice {
            say(&mut board, &event, &calendar);
        }
    }
    (board, size)
}

/// Tells the board of an alarm, as the daemon's topics would.
fn say(board: &mut Board, event: &AlarmEvent, calendar: &Calendar) {
    let change = &event.change;
    let (operator, station, connector) = (&*event.operator, &*event.station, event.connector.as_deref());
    let (province, class) = (event.province, change.key.class);
    let topic = OutTopic::Alarm { province, operator, station, connector, class };
    let record = serde_json::json!({
        "class": class.name(), "level": change.level.name(),
        "state": if change.raised { "raised" } else { "cleared" },
        "since": Stamp { at_ms: change.since.ms(), calendar }.to_string(),
        "operator": operator, "station": station, "connector": connector,
    });
    board.take(&Root::default_out().format_out(&topic), record.to_string().as_bytes());
}

/// Two alarms of one station; the later one is of its second connector.
fn two_alarms(board: &mut Board) {
    for (connector, class) in [("01", "insulation"), ("02", "overload")] {
        let topic = format!("{}/alarm/53/OP/S1/{connector}/insulation", Root::default_out().as_str());
        let record = serde_json::json!({
            "class": class, "level": "personal", "state": "raised", "operator": "OP", "station": "S1",
            "since": format!("2026-05-01T23:{connector}:00+08:00"), "connector": connector,
        });
        board.take(&topic, record.to_string().as_bytes());
    }
}

fn screen(size: (usize, u32), page: Page) -> Screen {
    Screen {
        page,
        window: None,
        scroll: 0,
        time: "2026-05-01 19:05:10".to_owned(),
        speed: 60.0,
        messages_per_s: 812,
        broker: SocketAddr::from(([127, 0, 0, 1], 40_123)),
        fleet: size,
    }
}

fn drawn(board: &Board, screen: &Screen, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test's terminal");
    terminal.draw(|frame| view::draw(frame, board, screen)).expect("drawn");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let row = |y| (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..buffer.area.height).map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_headline_stands_on_the_smallest_screen_with_its_value() {
    let (board, size) = board_of(12, 32);
    let summary = board.nation(WindowKind::Quarter).expect("a quarter");
    for place in [(80, 24), (120, 40)] {
        let shown = text(&drawn(&board, &screen(size, Page::Nation), place));
        for (group, name, label) in LEFT.into_iter().chain(RIGHT).flat_map(|(_, indicators)| indicators) {
            assert!(summary[*group].get(*name).is_some(), "{group}.{name} is no indicator");
            let wanted = format!("{label:<23}{:>13}", worded(Some(summary), group, name));
            assert!(shown.contains(&wanted), "{wanted:?} is missing at {place:?}:\n{shown}");
        }
        assert!(shown.contains("-p 40123") && shown.contains("q quit"), "{shown}");
    }
    assert_eq!(board.refused, 0);
}

#[test]
fn every_page_is_drawn_at_any_size_and_scroll() {
    let (mut board, size) = board_of(12, 17);
    two_alarms(&mut board);
    let standing = format!("({} stand)", board.alarms().len());
    let nothing = Board::new(Root::default_out());
    for page in Page::ALL {
        for place in [(1, 1), (20, 5), (80, 24), (120, 40), (300, 90)] {
            for scroll in [0, 3, 10_000] {
                let screen = Screen { scroll, ..screen(size, page) };
                drawn(&board, &screen, place);
                drawn(&nothing, &screen, place);
            }
        }
    }
    let alarms = text(&drawn(&board, &screen(size, Page::Alarms), (80, 24)));
    assert!(alarms.contains(&standing) && alarms.contains("OP/S1/02") && alarms.contains("congested stations"));
    let provinces = board.provinces(WindowKind::Quarter);
    let first = provinces[0]["scope"]["name"].as_str().expect("a name");
    let table = text(&drawn(&board, &screen(size, Page::Provinces), (80, 24)));
    assert!(table.lines().nth(4).is_some_and(|line| line.starts_with(&format!(" {first}"))), "{table}");
    let formulas = text(&drawn(&board, &screen(size, Page::Indicators), (80, 24)));
    assert!(formulas.contains("facilities.") && formulas.contains(" = "), "{formulas}");
}

#[test]
fn an_alarm_that_is_cleared_stands_no_longer() {
    let (mut board, _) = board_of(4, 3);
    let before = board.alarms().len();
    two_alarms(&mut board);
    assert_eq!((board.alarms().len(), board.alarms()[0].place.as_str()), (before + 2, "OP/S1/02"));
    let topic = format!("{}/alarm/53/OP/S1/01/insulation", Root::default_out().as_str());
    board.take(&topic, b"{\"state\":\"cleared\"}");
    board.take(&topic, b"");
    assert_eq!(board.alarms().len(), before + 1);
    board.take(&topic, b"{");
    board.take("somewhere/else", b"");
    assert_eq!((board.alarms().len(), board.refused), (before + 1, 2));
}

#[test]
fn a_quarter_makes_one_line() {
    let (board, _) = board_of(4, 17);
    let mut last = Value::Null;
    let line = show::new_line(&board, &mut last).expect("a line");
    assert!(line.starts_with("2026-05-01 18:00"), "{line}");
    assert_eq!(show::new_line(&board, &mut last), None);
}

/// The picture for the README, and the screen as text, as they stand in the repository. `UPDATE_DEMO=1` writes them.
#[test]
fn the_picture_in_the_documentation_is_what_is_drawn() {
    let (board, size) = board_of(100, 62);
    let screen = Screen { window: Some(WindowKind::Hour), ..screen(size, Page::Nation) };
    let buffer = drawn(&board, &screen, (100, 40));
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, content) in [("docs/demo.svg", svg::picture(&buffer)), ("src/demo/screen.txt", text(&buffer) + "\n")] {
        let path = root.join(file);
        if std::env::var_os("UPDATE_DEMO").is_some() {
            std::fs::write(&path, &content).expect("written");
        }
        let kept = std::fs::read_to_string(&path).expect("the file is part of the repository");
        assert!(kept == content, "{file} is out of date: run this test with UPDATE_DEMO=1");
    }
}

#[test]
fn a_span_ends_at_midnight_and_an_endless_demo_begins_in_the_morning() {
    let five = plan(&options(Some(5), 60.0));
    assert_eq!((five.duration_ms, show::local(five.end_ms())), (Some(5 * HOUR_MS), "2026-05-02 00:00:00".to_owned()));
    let endless = plan(&options(None, 60.0));
    assert_eq!((endless.duration_ms, show::local(endless.start_ms)), (None, "2026-05-01 07:00:00".to_owned()));
    let stations = Fleet::new(endless).expect("a fleet").built().stations.len();
    assert!((9..=15).contains(&stations), "{stations} stations instead of about 12");
}
