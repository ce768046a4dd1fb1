//! Nasty little recordings from a seed: late and repeated registrations, resets and jumps, gaps and backfill,
//! duplicates and disorder, times on every edge. The same seed and knobs must always give the same lines, and
//! nothing here may rest on a point that the pages leave open, unless a knob says so.

use super::MINUTE_MS;
use super::vector::{line, rfc3339};
use proptest::prelude::{Strategy, any};
use serde_json::{Value, json};

const HOLD_MS: i64 = 3 * MINUTE_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// 2026-03-31 23:40 in Asia/Shanghai: a day's and a month's end are near.
const BEGIN_MS: i64 = 1_774_971_600_000;
const AREAS: [&str; 5] = ["530102", "530102001", "530103201", "440305007003", "532901450"];
const STATUSES: [&str; 9] =
    ["charging", "charging", "charging", "available", "occupied", "reserved", "faulted", "unavailable", "discharging"];

/// What a recording may hold.
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    /// Messages beside the first registrations.
    pub messages: usize,
    /// Some lines carry no arrival time.
    pub without_tst: bool,
    /// Registrations sent again with connectors gone, come back, rated otherwise; empty ones.
    pub registrations: bool,
    /// Redelivery of samples older than the connector's newest one.
    pub old_duplicates: bool,
    /// Session events.
    pub sessions: bool,
    /// Alarms given by the station.
    pub alarms: bool,
    /// Messages that cannot be read.
    pub unreadable: bool,
}

impl Knobs {
    /// Everything but alarms.
    pub fn all(messages: usize) -> Self {
        Self {
            messages,
            without_tst: true,
            registrations: true,
            old_duplicates: true,
            sessions: true,
            alarms: false,
            unreadable: true,
        }
    }
}

/// A strategy over seeds; on failure, hand the lines to `compare::shrink`.
pub fn recordings(knobs: Knobs) -> impl Strategy<Value = Vec<String>> {
    any::<u64>().prop_map(move |seed| generate(seed, knobs)).no_shrink()
}

/// Numbers that look like chance (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: i64) -> i64 {
        (self.next() % bound.unsigned_abs().max(1)) as i64
    }

    fn percent(&mut self, share: i64) -> bool {
        self.below(100) < share
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as i64) as usize]
    }
}

/// A connector's device.
struct Device {
    station: usize,
    id: String,
    /// Newest event time that it sent.
    newest_ms: i64,
    /// Event times that it sent, in its present life.
    sent_ms: Vec<i64>,
    /// Registers, Wh; none where it has none.
    import_wh: Option<i64>,
    export_wh: Option<i64>,
    status: &'static str,
    session: usize,
}

struct Station {
    operator: String,
    id: String,
    /// Whether it ever registers.
    registers: bool,
    area: &'static str,
    /// Newest `ts` of its registrations.
    registered_ms: i64,
    /// What it lists: connector id, own rating in kW, current.
    listed: Vec<(String, Option<i64>, Option<&'static str>)>,
}

struct World {
    chance: Chance,
    knobs: Knobs,
    arrival_ms: i64,
    stations: Vec<Station>,
    devices: Vec<Device>,
    lines: Vec<String>,
}

/// The lines of the recording that belongs to a seed.
pub fn generate(seed: u64, knobs: Knobs) -> Vec<String> {
    let mut world = World {
        chance: Chance(seed),
        knobs,
        arrival_ms: BEGIN_MS,
        stations: Vec::new(),
        devices: Vec::new(),
        lines: Vec::new(),
    };
    world.arrival_ms += world.chance.below(30 * MINUTE_MS);
    world.build();
    for _ in 0..knobs.messages {
        world.step();
    }
    world.lines
}

impl World {
    fn build(&mut self) {
        for station in 0..1 + self.chance.below(3) as usize {
            let operator = self.chance.pick(&["op-a", "op-b"]).to_owned();
            let registers = self.chance.percent(80);
            let area = self.chance.pick(&AREAS);
            let mut listed = Vec::new();
            for connector in 0..1 + self.chance.below(4) {
                let id = format!("c{connector}");
                if self.chance.percent(85) {
                    let rated_kw = self.chance.pick(&[None, Some(7), Some(60), Some(120), Some(481)]);
                    let current = self.chance.pick(&[None, Some("ac"), Some("dc")]);
                    listed.push((id.clone(), rated_kw, current));
                }
                let (import, export) = (self.chance.percent(60), self.chance.percent(25));
                self.devices.push(Device {
                    station,
                    id,
                    newest_ms: self.arrival_ms - self.chance.below(10 * MINUTE_MS),
                    sent_ms: Vec::new(),
                    import_wh: import.then(|| self.chance.below(100_000)),
                    export_wh: export.then(|| self.chance.below(100_000)),
                    status: "available",
                    session: 0,
                });
            }
            let registered_ms = self.arrival_ms - self.chance.pick(&[0, 1, HOUR_MS, 2_000 * HOUR_MS]);
            self.stations.push(Station { operator, id: format!("s{station}"), registers, area, registered_ms, listed });
            if registers && self.chance.percent(60) {
                self.send_registration(station);
            }
        }
    }

    fn step(&mut self) {
        self.arrival_ms += match self.chance.below(40) {
            0 => self.chance.pick(&[HOLD_MS, HOLD_MS + 1, 20 * MINUTE_MS]),
            1 => MINUTE_MS - self.arrival_ms.rem_euclid(MINUTE_MS),
            2..10 => 0,
            _ => self.chance.below(6_000),
        };
        let device = self.chance.below(self.devices.len() as i64) as usize;
        match self.chance.below(100) {
            0..62 => self.in_order(device),
            62..68 => self.duplicate(device),
            68..74 => self.disorder(device),
            74..80 => self.backfill(device),
            80..84 => self.untimely(device),
            84..88 => self.status(device),
            88..92 => self.registration(device),
            92..97 if self.knobs.sessions => self.session(device),
            97..98 if self.knobs.alarms => self.alarm(device),
            98..100 if self.knobs.unreadable => self.unreadable(device),
            _ => self.in_order(device),
        }
    }

    fn topic(&self, station: usize) -> String {
        let Station { operator, id, area, .. } = &self.stations[station];
        format!("ev/v1/{}/{operator}/{id}", &area[..2])
    }

    fn send(&mut self, topic: &str, retain: bool, payload: Value) {
        self.lines.push(line(Some(self.arrival_ms), topic, retain, payload));
    }

    fn send_telemetry(&mut self, device: usize, payload: Value) {
        let topic = format!("{}/{}/telemetry", self.topic(self.devices[device].station), self.devices[device].id);
        let payload = if self.chance.percent(10) { Value::String(payload.to_string()) } else { payload };
        self.send(&topic, false, payload);
    }

    /// A time as ms or as text.
    fn time(&mut self, time_ms: i64) -> Value {
        if self.chance.percent(30) { json!(rfc3339(time_ms)) } else { json!(time_ms) }
    }

    /// Sends the next sample of a device at the present time or a little before.
    fn in_order(&mut self, device: usize) {
        let newest_ms = self.devices[device].newest_ms;
        let now_ms = self.arrival_ms;
        let edge_ms = now_ms - now_ms.rem_euclid(MINUTE_MS);
        let wanted_ms = match self.chance.below(12) {
            0 => newest_ms + HOLD_MS,
            1 => newest_ms + HOLD_MS + 1,
            2 => newest_ms + HOLD_MS - 1,
            3 => newest_ms + 1,
            4 => edge_ms,
            5 => edge_ms - 1,
            6 => newest_ms + MINUTE_MS,
            7 => now_ms + self.chance.below(2 * MINUTE_MS + 1),
            _ => now_ms - self.chance.below(3_000),
        };
        let time_ms = if newest_ms < wanted_ms && wanted_ms <= now_ms + 2 * MINUTE_MS { wanted_ms } else { now_ms };
        let sample = self.sample(device, time_ms, true);
        if self.knobs.without_tst && time_ms <= now_ms && self.chance.percent(8) {
            let topic = format!("{}/{}/telemetry", self.topic(self.devices[device].station), self.devices[device].id);
            self.lines.push(line(None, &topic, false, sample));
        } else {
            self.send_telemetry(device, sample);
        }
    }

    /// A sample; with `moving`, the device goes on to this time and its registers move.
    fn sample(&mut self, device: usize, time_ms: i64, moving: bool) -> Value {
        if self.chance.percent(35) {
            self.devices[device].status = self.chance.pick(&STATUSES);
        }
        let status = self.devices[device].status;
        let mut fields = json!({ "ts": self.time(time_ms) });
        if self.chance.percent(80) {
            fields["status"] = json!(if self.chance.percent(3) { "offline" } else { status });
        } else if self.chance.percent(20) {
            fields["status"] = Value::Null;
        }
        if self.chance.percent(80) {
            let power_w = match status {
                "charging" => self.chance.pick(&[7_000, 59_999, 30_123, -4_500, 51, 50]),
                "discharging" => self.chance.pick(&[-7_001, -50, -51]),
                _ => self.chance.pick(&[0, 0, 0, 49, 51, -51]),
            };
            fields["power_kw"] = json!(power_w as f64 / 1_000.0);
        }
        if self.chance.percent(30) {
            fields["soc_pct"] = json!(self.chance.below(101));
            fields["not_known"] = json!({ "a": [1, null] });
        }
        let dt_ms = (time_ms - self.devices[device].newest_ms).max(0);
        for name in ["import_kwh", "export_kwh"] {
            let moved_wh = self.movement(dt_ms);
            let here = &mut self.devices[device];
            let register = if name == "import_kwh" { &mut here.import_wh } else { &mut here.export_wh };
            if let Some(register_wh) = register {
                if moving {
                    *register_wh = (*register_wh + moved_wh).max(0);
                }
                let register_kwh = *register_wh as f64 / 1_000.0;
                if self.chance.percent(80) {
                    fields[name] = json!(register_kwh);
                }
            }
        }
        let here = &mut self.devices[device];
        here.sent_ms.push(time_ms);
        here.newest_ms = here.newest_ms.max(time_ms);
        fields
    }

    /// How far a register moves, Wh: as expected, or down, or too far.
    fn movement(&mut self, dt_ms: i64) -> i64 {
        match self.chance.below(40) {
            0 => -1 - self.chance.below(100_000),
            1 => 1_000_000,
            2 => 100 + dt_ms * 72 / 3_600,
            3 => 101 + dt_ms * 72 / 3_600,
            _ => self.chance.below(2 + dt_ms * 60 / 3_600),
        }
    }

    fn duplicate(&mut self, device: usize) {
        let sent = &self.devices[device].sent_ms;
        let Some(last) = sent.len().checked_sub(1) else { return self.in_order(device) };
        let from = if self.knobs.old_duplicates { 0 } else { last };
        let index = from + self.chance.below((last - from + 1) as i64) as usize;
        let time_ms = self.devices[device].sent_ms[index];
        let newest_ms = self.devices[device].newest_ms;
        if self.knobs.old_duplicates || time_ms == newest_ms {
            let sample = self.sample(device, time_ms, false);
            self.send_telemetry(device, sample);
        }
    }

    /// Older than the newest: into a gap if there happens to be one.
    fn disorder(&mut self, device: usize) {
        // Not as the first sample of a life: the pages leave open what comes from before a second life.
        if self.devices[device].sent_ms.is_empty() {
            return self.in_order(device);
        }
        let back_ms = self.chance.pick(&[1, 1_000, HOLD_MS - 1, HOLD_MS, HOLD_MS + 1, 20 * MINUTE_MS, HOUR_MS]);
        let back_ms = 1 + self.chance.below(back_ms);
        let time_ms = self.devices[device].newest_ms - back_ms;
        if !self.knobs.old_duplicates && self.devices[device].sent_ms.contains(&time_ms) {
            return;
        }
        let sample = self.sample(device, time_ms, false);
        self.send_telemetry(device, sample);
    }

    /// A gap and then what was meant to be in it, in any order, perhaps with something newer.
    fn backfill(&mut self, device: usize) {
        let before_ms = self.devices[device].newest_ms;
        self.arrival_ms += self.chance.pick(&[HOLD_MS, HOLD_MS + 1, 10 * MINUTE_MS, 25 * MINUTE_MS]);
        self.in_order(device);
        let span_ms = self.devices[device].newest_ms - before_ms;
        let mut elements = Vec::new();
        for _ in 0..1 + self.chance.below(6) {
            let into_ms = match self.chance.below(6) {
                0 => HOLD_MS,
                1 => HOLD_MS - 1,
                2 => span_ms - 1,
                _ => self.chance.below(span_ms.max(1)),
            };
            let time_ms = before_ms + into_ms.clamp(1, span_ms.max(1));
            if self.knobs.old_duplicates || !self.devices[device].sent_ms.contains(&time_ms) {
                elements.push(self.sample(device, time_ms, false));
            }
        }
        if self.chance.percent(30) {
            self.arrival_ms += 1_000;
            let next_ms = self.arrival_ms.max(self.devices[device].newest_ms + 1);
            if next_ms <= self.arrival_ms + 2 * MINUTE_MS {
                elements.push(self.sample(device, next_ms, true));
            }
        }
        self.send_telemetry(device, Value::Array(elements));
    }

    /// Just within or beyond the limits of early and late.
    fn untimely(&mut self, device: usize) {
        let late_ms = 72 * HOUR_MS;
        let ahead_ms = self.chance.pick(&[2 * MINUTE_MS + 1, 24 * HOUR_MS, -late_ms - 1, -late_ms - HOUR_MS]);
        let time_ms = self.arrival_ms + ahead_ms;
        let sample = json!({ "ts": self.time(time_ms), "status": "charging", "power_kw": 7 });
        self.send_telemetry(device, sample);
    }

    fn status(&mut self, device: usize) {
        let station = self.devices[device].station;
        let topic = format!("{}/status", self.topic(station));
        let (offline, kept) = (self.chance.percent(70), self.chance.percent(30));
        // A kept will spares what holds; whether a sample from ahead of now holds now is left open.
        let mut devices = self.devices.iter().filter(|device| device.station == station);
        let retain = kept && devices.all(|device| device.newest_ms <= self.arrival_ms);
        self.send(&topic, retain, json!(if offline { "offline" } else { "online" }));
        if offline {
            let arrival_ms = self.arrival_ms;
            for device in self.devices.iter_mut().filter(|device| device.station == station) {
                // It may be sent again at this very time, but not counted as sent: nobody knows whether it held.
                device.newest_ms = device.newest_ms.max(arrival_ms);
            }
        }
    }

    fn send_registration(&mut self, station: usize) {
        let here = &self.stations[station];
        let mut equipment = Vec::new();
        for (number, (id, rated_kw, current)) in here.listed.iter().enumerate() {
            let connector = json!({ "id": id, "rated_kw": rated_kw, "current": current });
            // Every other one takes its rating from the equipment whose only connector it is.
            let only = json!({ "id": id, "current": current });
            equipment.push(if number % 2 == 0 {
                json!({ "id": format!("e{number}"), "connectors": [connector] })
            } else {
                json!({ "id": format!("e{number}"), "rated_kw": rated_kw, "connectors": [only] })
            });
        }
        let payload = json!({
            "ts": here.registered_ms, "name": "nasty", "area": here.area, "access": "public",
            "scene": "residential", "equipment": equipment,
        });
        let topic = format!("{}/info", self.topic(station));
        self.send(&topic, true, payload);
    }

    /// The first registration if it is still missing, the same again, or one that differs.
    fn registration(&mut self, device: usize) {
        let station = self.devices[device].station;
        if !self.stations[station].registers {
            return self.in_order(device);
        }
        if self.knobs.registrations && self.chance.percent(50) {
            // Odd ms keep changes of rating off the windows' very ends.
            let ts_ms = (self.arrival_ms - self.chance.below(90_000)) | 1;
            self.stations[station].registered_ms = self.stations[station].registered_ms.max(ts_ms);
            self.change(station);
        }
        self.send_registration(station);
    }

    fn change(&mut self, station: usize) {
        let listed = self.stations[station].listed.len() as i64;
        match self.chance.below(4) {
            0 if listed > 0 => {
                let gone = self.chance.below(listed) as usize;
                self.stations[station].listed.remove(gone);
            }
            1 => {
                let own: Vec<usize> =
                    (0..self.devices.len()).filter(|index| self.devices[*index].station == station).collect();
                let device = self.chance.pick(&own);
                let id = self.devices[device].id.clone();
                if self.stations[station].listed.iter().all(|(listed, ..)| *listed != id) {
                    self.stations[station].listed.push((id, Some(30), Some("ac")));
                    // What it sent before may belong to an earlier life: nothing of it is sent again.
                    let here = &mut self.devices[device];
                    here.sent_ms.clear();
                    here.newest_ms = here.newest_ms.max(self.arrival_ms);
                }
            }
            2 if listed > 0 => {
                let index = self.chance.below(listed) as usize;
                self.stations[station].listed[index].1 = self.chance.pick(&[None, Some(15), Some(250)]);
            }
            3 => self.stations[station].area = self.chance.pick(&AREAS),
            _ => {}
        }
    }

    fn session(&mut self, device: usize) {
        if self.chance.percent(40) {
            self.devices[device].session += 1;
        }
        let Device { station, id, session, .. } = &self.devices[device];
        let topic = format!("{}/{id}/session", self.topic(*station));
        let mut fields = json!({ "session": format!("n{session}") });
        let event = self.chance.pick(&["attempt", "start", "stop"]);
        let ahead_ms = self.chance.pick(&[0, -1_000, -HOUR_MS, 2 * MINUTE_MS, 2 * MINUTE_MS + 1]);
        fields["ts"] = self.time(self.arrival_ms + ahead_ms);
        fields["event"] = json!(event);
        if event == "stop" && self.chance.percent(80) {
            let reason = self.chance.pick(&["local", "remote", "ev_disconnected", "emergency_stop", "soc_limit"]);
            fields["reason"] = json!(reason);
        }
        self.send(&topic, false, fields);
    }

    fn alarm(&mut self, device: usize) {
        let Device { station, id, .. } = &self.devices[device];
        let topic = format!("{}/{id}/alarm", self.topic(*station));
        let class = self.chance.pick(&["insulation", "overcurrent", "power_loss"]);
        let state = self.chance.pick(&["raised", "cleared"]);
        let fields = json!({ "ts": self.time(self.arrival_ms), "class": class, "state": state });
        self.send(&topic, false, fields);
    }

    fn unreadable(&mut self, device: usize) {
        let payload = match self.chance.below(5) {
            0 => json!("{\"ts\":"),
            1 => json!({ "status": "charging" }),
            2 => json!({ "ts": self.arrival_ms, "power_kw": "7" }),
            3 => json!({ "ts": self.arrival_ms, "status": "resting" }),
            _ => json!([{ "ts": self.arrival_ms }, { "ts": true }]),
        };
        self.send_telemetry(device, payload);
    }
}
