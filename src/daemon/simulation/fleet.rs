//! The stations of one seed and what they send, each message with the time at which it is sent: everything that moves
//! figures, a few messages a minute.

use std::fmt::Write as _;
use std::rc::Rc;

use crate::simulate::rng::Draws;
use crate::topic::{InKind, InTopic, Root};

const PROVINCE: u8 = 53;
const OPERATOR: &str = "op";
/// How far apart a connector's samples are, ms.
const PACE_MS: (i64, i64) = (15_000, 60_000);

/// A message as a station sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) at_ms: i64,
    /// Which station; its messages stay in order.
    pub(super) station: usize,
    pub(super) topic: String,
    pub(super) payload: String,
    /// Whether the broker keeps it until it is acknowledged.
    pub(super) is_kept: bool,
}

/// What one seed's stations send.
pub(super) struct Fleet {
    pub(super) stations: usize,
    /// Sent before anything else.
    pub(super) registrations: Vec<Rc<Published>>,
    /// In order of time.
    pub(super) messages: Vec<Rc<Published>>,
}

/// How the stations of a seed behave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub(super) begin_ms: i64,
    pub(super) span_ms: i64,
    /// Messages that the broker does not keep, permille.
    pub(super) unkept_permille: u32,
    /// Whether stations go offline by their last wills, whose time is that of their arrival.
    pub(super) has_last_wills: bool,
}

struct Connector {
    id: String,
    at_ms: i64,
    register_wh: i64,
    status: &'static str,
    power_w: i64,
    session: Option<u32>,
}

impl Fleet {
    pub(super) fn new(draws: &mut Draws, habits: Habits) -> Self {
        let stations = [1, 1, 2, 3][draws.below(4) as usize];
        let mut fleet = Self { stations, registrations: Vec::new(), messages: Vec::new() };
        for station in 0..stations {
            let connectors = draws.between(1, 3);
            fleet.register(station, connectors, habits.begin_ms);
            for connector in 0..connectors {
                fleet.run(draws, habits, station, connector);
            }
            if habits.has_last_wills {
                let at_ms = habits.begin_ms + draws.between(60_000, habits.span_ms);
                fleet.put(station, InKind::Status, at_ms, "offline".to_owned(), true);
            }
        }
        fleet.messages.sort_by_key(|message| message.at_ms);
        fleet
    }

    fn register(&mut self, station: usize, connectors: i64, at_ms: i64) {
        let mut text = format!(
            r#"{{"ts":{at_ms},"name":"s{station}","area":"53010{}","access":"public","scene":"{}","equipment":["#,
            2 + station % 2,
            ["highway_service_area", "residential"][station % 2],
        );
        for connector in 0..connectors {
            let comma = if connector == 0 { "" } else { "," };
            write!(
                text,
                r#"{comma}{{"id":"e{connector}","rated_kw":120,"connectors":[{{"id":"c{connector}","rated_kw":120,"current":"dc"}}]}}"#
            )
            .expect("text takes everything");
        }
        text.push_str("]}");
        self.put(station, InKind::Info, at_ms, text, true);
        self.registrations.extend(self.messages.pop());
    }

    /// A connector's samples, sessions and alarms, one after the other.
    fn run(&mut self, draws: &mut Draws, habits: Habits, station: usize, connector: i64) {
        let mut own = Connector {
            id: format!("c{connector}"),
            at_ms: habits.begin_ms + 1_000,
            register_wh: draws.between(0, 1_000_000),
            status: "available",
            power_w: 0,
            session: None,
        };
        let mut number = 0;
        let mut raised = false;
        loop {
            own.at_ms += match draws.below(20) {
                0 => draws.between(185_000, 300_000),
                _ => draws.between(PACE_MS.0, PACE_MS.1),
            };
            if own.at_ms >= habits.begin_ms + habits.span_ms {
                return;
            }
            if draws.chance_permille(150) {
                own.turn(draws, &mut number, |id, at_ms, text| {
                    self.put(station, InKind::Session { connector: id }, at_ms, text, true);
                });
            }
            if draws.chance_permille(60) {
                raised = !raised;
                let state = if raised { "raised" } else { "cleared" };
                let text = format!(r#"{{"ts":{},"class":"ground_fault","state":"{state}"}}"#, own.at_ms);
                self.put(station, InKind::ConnectorAlarm { connector: &own.id }, own.at_ms, text, true);
            }
            let text = own.sample(draws);
            let is_kept = !draws.chance_permille(habits.unkept_permille);
            self.put(station, InKind::Telemetry { connector: &own.id }, own.at_ms, text, is_kept);
        }
    }

    fn put(&mut self, station: usize, kind: InKind<'_>, at_ms: i64, payload: String, is_kept: bool) {
        let name = format!("s{station}");
        let topic = InTopic { province: PROVINCE, operator: OPERATOR, station: &name, kind };
        let topic = Root::default_in().format_in(&topic);
        self.messages.push(Rc::new(Published { at_ms, station, topic, payload, is_kept }));
    }
}

impl Connector {
    /// Begins or ends a session, or changes the status.
    fn turn(&mut self, draws: &mut Draws, number: &mut u32, mut say: impl FnMut(&str, i64, String)) {
        let at_ms = self.at_ms;
        if let Some(session) = self.session.take() {
            let text =
                format!(r#"{{"ts":{at_ms},"session":"n{session}","event":"stop","reason":"local","energy_kwh":3.5}}"#);
            say(&self.id, at_ms, text);
            (self.status, self.power_w) = ("available", 0);
            return;
        }
        match draws.below(6) {
            0 => self.status = "faulted",
            1 => self.status = "offline",
            2 => self.status = "occupied",
            _ => {
                *number += 1;
                self.session = Some(*number);
                say(&self.id, at_ms, format!(r#"{{"ts":{at_ms},"session":"n{number}","event":"start"}}"#));
                (self.status, self.power_w) = ("charging", draws.between(10_000, 110_000));
            }
        }
    }

    fn sample(&mut self, draws: &mut Draws) -> String {
        self.register_wh += self.power_w * 30 / 3_600;
        let mut text = format!(
            r#"{{"ts":{},"status":"{}","power_kw":{}.{:03},"import_kwh":{}.{:03}"#,
            self.at_ms,
            self.status,
            self.power_w / 1_000,
            self.power_w % 1_000,
            self.register_wh / 1_000,
            self.register_wh % 1_000,
        );
        if draws.chance_permille(100) {
            let hot = draws.between(60, 95);
            write!(text, r#","connector_temp_c":{hot}"#).expect("text takes everything");
        }
        text.push('}');
        text
    }
}
