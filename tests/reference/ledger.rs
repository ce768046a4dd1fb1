//! Takes the messages of a recording one by one and writes down what they change. It must not add anything up:
//! counters are kept as single bookings, so that the first registration can still hold for the whole past.

use super::input::{Body, Message, Place};
use super::life::{Classes, Life, Sample, Verdict};
use super::payload::{AlarmEvent, RegisteredConnector, Registration, SessionEvent, Telemetry};
use super::{Options, minute_of};
use std::collections::{BTreeMap, BTreeSet};

/// `(operator, station)`.
pub type StationKey = (String, String);

/// Whose scopes a counter is booked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody known: the nation and the unknown region.
    Nobody,
    /// A station, but no connector that is known.
    Station(StationKey),
    /// A connector, by its place in `lives`.
    Life(usize),
}

/// One count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The time whose minute it counts in, ms since the epoch.
    pub time_ms: i64,
    /// Whose.
    pub who: Who,
    /// Its name in `Figures`.
    pub name: String,
}

/// A station, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Station {
    /// Whether it was ever registered or sent something that was accepted.
    pub known: bool,
    /// `(from, 6-digit county)`; the first entry holds for the whole past.
    pub counties: Vec<(i64, Option<String>)>,
    /// `(from, classes)` of a connector that its registration does not name, likewise.
    pub kinds: Vec<(i64, Classes)>,
    /// Time and connectors of the registration in force.
    registration: Option<(i64, BTreeSet<String>)>,
    /// The present life of each connector.
    current: BTreeMap<String, usize>,
    /// By connector (or none) and class: whether it is raised, and when it was last cleared.
    alarms: BTreeMap<(Option<String>, String), (bool, Option<i64>)>,
}

/// All that was written down.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// As given.
    pub options: Options,
    /// All stations.
    pub stations: BTreeMap<StationKey, Station>,
    /// All lives of all connectors.
    pub lives: Vec<Life>,
    /// All counts.
    pub bookings: Vec<Booking>,
    /// By life and session: the booking of its stop, and whether that was a normal one.
    stops: BTreeMap<(usize, String), (usize, bool)>,
    /// The newest arrival so far, ms since the epoch.
    pub newest_arrival_ms: Option<i64>,
}

impl Ledger {
    /// An empty one.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            stations: BTreeMap::new(),
            lives: Vec::new(),
            bookings: Vec::new(),
            stops: BTreeMap::new(),
            newest_arrival_ms: None,
        }
    }

    /// Takes the next message of the recording. Where nothing says when it arrived, it came with the newest so far.
    pub fn take(&mut self, message: &Message) {
        let Some(arrival_ms) = message.arrival_ms.or(self.newest_arrival_ms) else { return };
        self.newest_arrival_ms = self.newest_arrival_ms.max(Some(arrival_ms));
        let (station, connector) = match &message.place {
            Place::Station(operator, station) => ((operator.clone(), station.clone()), None),
            Place::Connector(operator, station, connector) => {
                ((operator.clone(), station.clone()), Some(connector.as_str()))
            }
            Place::Elsewhere => return self.book(arrival_ms, Who::Nobody, "rejected"),
        };
        match (&message.body, connector) {
            (Body::Telemetry(samples), Some(connector)) => {
                for telemetry in samples {
                    self.sample(&station, connector, telemetry.ts_ms, arrival_ms, read_sample(telemetry));
                }
            }
            (Body::Session(event), Some(connector)) => self.session(&station, connector, arrival_ms, event),
            (Body::Alarm(event), _) => self.alarm(&station, connector, arrival_ms, event),
            (Body::Info(registration), None) => self.register(&station, arrival_ms, registration),
            (Body::InfoCleared, None) => self.clear(&station, arrival_ms),
            (Body::Offline, None) => self.offline(&station, arrival_ms, message.retain),
            (Body::Online, None) => {}
            _ => self.refuse(&station, connector, arrival_ms, "rejected"),
        }
    }

    fn book(&mut self, time_ms: i64, who: Who, name: &str) {
        self.bookings.push(Booking { time_ms, who, name: name.to_owned() });
    }

    /// Who is meant at this moment: nobody, if the station was never known before.
    fn who(&self, station: &StationKey, connector: Option<&str>) -> Who {
        match self.stations.get(station) {
            Some(known) if known.known => match connector.and_then(|connector| known.current.get(connector)) {
                Some(life) => Who::Life(*life),
                None => Who::Station(station.clone()),
            },
            _ => Who::Nobody,
        }
    }

    fn refuse(&mut self, station: &StationKey, connector: Option<&str>, arrival_ms: i64, name: &str) {
        let who = self.who(station, connector);
        self.book(arrival_ms, who, name);
    }

    /// The name under which an event of this time is refused, if it is.
    fn untimely(&self, time_ms: i64, arrival_ms: i64) -> Option<&'static str> {
        if time_ms - arrival_ms > self.options.future_skew_ms {
            Some("future")
        } else if arrival_ms - time_ms > self.options.late_limit_ms {
            Some("late")
        } else {
            None
        }
    }

    /// The present life of a connector, which becomes known if it was not.
    fn life_of(&mut self, station: &StationKey, connector: &str) -> usize {
        let known = self.stations.entry(station.clone()).or_default();
        known.known = true;
        *known.current.entry(connector.to_owned()).or_insert_with(|| {
            self.lives.push(Life { station: station.clone(), ..Life::default() });
            self.lives.len() - 1
        })
    }

    fn sample(&mut self, station: &StationKey, connector: &str, time_ms: i64, arrival_ms: i64, sample: Sample) {
        if let Some(name) = self.untimely(time_ms, arrival_ms) {
            return self.refuse(station, Some(connector), arrival_ms, name);
        }
        let life = self.life_of(station, connector);
        match self.lives[life].offer(time_ms, sample, &self.options) {
            Verdict::Accepted(faults) => {
                self.book(time_ms, Who::Life(life), "accepted");
                for fault in faults {
                    self.book(time_ms, Who::Life(life), fault);
                }
            }
            Verdict::Refused(name) => self.book(arrival_ms, Who::Life(life), name),
        }
    }

    fn offline(&mut self, station: &StationKey, arrival_ms: i64, retain: bool) {
        let Some(known) = self.stations.get(station) else { return };
        let current: Vec<(String, usize)> = known.current.iter().map(|(id, life)| (id.clone(), *life)).collect();
        for (connector, life) in current {
            let life = &self.lives[life];
            if life.end_ms.is_none() && (!retain || life.is_unobserved(arrival_ms, &self.options)) {
                let sample = Sample { state: "offline", power_w: None, import_j: None, export_j: None };
                self.sample(station, &connector, arrival_ms, arrival_ms, sample);
            }
        }
    }

    fn session(&mut self, station: &StationKey, connector: &str, arrival_ms: i64, event: &SessionEvent) {
        if let Some(name) = self.untimely(event.ts_ms, arrival_ms) {
            return self.refuse(station, Some(connector), arrival_ms, name);
        }
        let life = self.life_of(station, connector);
        let dc = self.lives[life]
            .classes
            .last()
            .is_some_and(|(_, classes)| classes.values.get("current") == Some(&Some("dc".to_owned())));
        let seen = self.lives[life].sessions.entry(event.session.clone()).or_default();
        if !seen.insert(event.event.clone()) {
            return self.book(arrival_ms, Who::Life(life), "duplicate");
        }
        let normal = match event.reason.as_deref() {
            None => true,
            Some("local" | "remote" | "soc_limit" | "energy_limit" | "time_limit" | "stopped_by_ev") => true,
            Some("ev_disconnected") => !dc,
            Some(_) => false,
        };
        let begun = seen.contains("start") || !seen.contains("attempt");
        let outcome = |normal: bool| if normal && begun { "sessions_completed" } else { "sessions_failed" };
        // Steps come in any order: what a stop amounts to is known when all of them are.
        let key = (life, event.session.clone());
        if let Some((stop, normal)) = self.stops.get(&key) {
            self.bookings[*stop].name = outcome(*normal).to_owned();
        }
        let name = match event.event.as_str() {
            "attempt" => "sessions_attempted",
            "start" => "sessions_started",
            _ => outcome(normal),
        };
        self.book(event.ts_ms, Who::Life(life), "accepted");
        self.book(event.ts_ms, Who::Life(life), name);
        if event.event == "stop" {
            self.stops.insert(key, (self.bookings.len() - 1, normal));
        }
    }

    fn alarm(&mut self, station: &StationKey, connector: Option<&str>, arrival_ms: i64, event: &AlarmEvent) {
        if let Some(name) = self.untimely(event.ts_ms, arrival_ms) {
            return self.refuse(station, connector, arrival_ms, name);
        }
        if let Some(connector) = connector {
            self.life_of(station, connector);
        }
        let known = self.stations.entry(station.clone()).or_default();
        known.known = true;
        let (raised, cleared_ms) =
            known.alarms.entry((connector.map(str::to_owned), event.class.clone())).or_insert((false, None));
        let goes_on = cleared_ms.is_some_and(|cleared_ms| event.ts_ms - cleared_ms <= 60_000);
        let counts = match (event.raised, *raised) {
            (true, false) if !goes_on => Some(format!("alarms_raised.{}", event.level)),
            (false, true) => Some("alarms_cleared".to_owned()),
            _ => None,
        };
        if !event.raised && *raised {
            *cleared_ms = Some(event.ts_ms);
        }
        *raised = event.raised;
        let who = self.who(station, connector);
        self.book(event.ts_ms, who.clone(), "accepted");
        if let Some(name) = counts {
            self.book(event.ts_ms, who, &name);
        }
    }

    fn register(&mut self, station: &StationKey, arrival_ms: i64, registration: &Registration) {
        let ts_ms = registration.ts_ms.unwrap_or(arrival_ms);
        if ts_ms - arrival_ms > self.options.future_skew_ms {
            return self.refuse(station, None, arrival_ms, "future");
        }
        let newest_arrival_ms = self.newest_arrival_ms.unwrap_or(arrival_ms);
        let known = self.stations.entry(station.clone()).or_default();
        if known.registration.as_ref().is_some_and(|(current_ms, _)| ts_ms < *current_ms) {
            return;
        }
        known.known = true;
        // The first base bucket whose end and grace have not passed yet.
        let open_ms = minute_of(newest_arrival_ms - self.options.grace_ms);
        let from_ms = if known.counties.is_empty() { i64::MIN } else { open_ms };
        known.counties.push((from_ms, registration.area.as_ref().map(|area| area[..6].to_owned())));
        let unnamed = RegisteredConnector::default();
        let mut kind = classes_of(registration, &unnamed);
        for breakdown in ["power_class", "current"] {
            kind.values.insert(breakdown, Some("unregistered".to_owned()));
        }
        known.kinds.push((from_ms, kind));
        let listed: BTreeSet<String> = registration.connectors.iter().map(|connector| connector.id.clone()).collect();
        let (_, before) = known.registration.replace((ts_ms, listed.clone())).unwrap_or_default();
        for connector in before.difference(&listed) {
            let life = self.life_of(station, connector);
            self.lives[life].decommission(ts_ms);
        }
        for connector in &registration.connectors {
            let life = self.living(station, &connector.id);
            let classes = classes_of(registration, connector);
            self.lives[life].register(connector, classes, (ts_ms, arrival_ms, open_ms), &self.options);
        }
    }

    /// The present life of a connector, or a new one where that has ended.
    fn living(&mut self, station: &StationKey, connector: &str) -> usize {
        let life = self.life_of(station, connector);
        if self.lives[life].end_ms.is_none() {
            return life;
        }
        self.lives.push(Life { station: station.clone(), reborn: true, ..Life::default() });
        let reborn = self.lives.len() - 1;
        if let Some(known) = self.stations.get_mut(station) {
            known.current.insert(connector.to_owned(), reborn);
        }
        reborn
    }

    fn clear(&mut self, station: &StationKey, arrival_ms: i64) {
        let Some(known) = self.stations.get_mut(station) else { return };
        known.registration = None;
        for life in known.current.values() {
            self.lives[*life].decommission(arrival_ms);
        }
    }
}

/// The state that a telemetry sample speaks of.
fn read_sample(telemetry: &Telemetry) -> Sample {
    let power_w = telemetry.power_w;
    let state = match telemetry.status.as_deref() {
        Some("charging") if power_w.is_some_and(|power_w| power_w < 0) => "discharging",
        Some(status) => super::figures::STATES.into_iter().find(|state| *state == status).unwrap_or("available"),
        None if power_w.is_some_and(|power_w| power_w > 50) => "charging",
        None if power_w.is_some_and(|power_w| power_w < -50) => "discharging",
        None => "available",
    };
    Sample { state, power_w, import_j: telemetry.import_j, export_j: telemetry.export_j }
}

fn classes_of(registration: &Registration, connector: &RegisteredConnector) -> Classes {
    let township = registration.area.as_ref().and_then(|area| area.get(6..9)?.parse::<u32>().ok());
    let setting = match township {
        Some(1..=99) => Some("urban"),
        Some(100..=399) => Some("rural"),
        _ => None,
    };
    let power_class = connector.rated_w.map(|rated_w| match rated_w {
        ..=7_000 => "up_to_7_kw",
        7_001..=30_000 => "up_to_30_kw",
        30_001..=60_000 => "up_to_60_kw",
        60_001..=120_000 => "up_to_120_kw",
        120_001..=250_000 => "up_to_250_kw",
        250_001..=480_000 => "up_to_480_kw",
        _ => "above_480_kw",
    });
    let values = [
        ("scene", registration.scene.clone()),
        ("access", registration.access.clone()),
        ("setting", setting.map(str::to_owned)),
        ("power_class", power_class.map(str::to_owned)),
        ("current", connector.current.clone()),
    ];
    Classes { values: values.into_iter().collect() }
}
