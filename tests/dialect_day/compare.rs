//! The figures of a recording, and how far two tellings of the same day may lie apart. Every integer of a tally is
//! compared, unless the bounds of a family say by name why it cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chargetally::replay::Replay;
use chargetally::{settings, setup};
use serde_json::Value;

/// Every integer of a tally by its path, by window.
pub struct Figures(BTreeMap<String, BTreeMap<String, i64>>);

impl Figures {
    /// What a recording comes to.
    pub fn of(recording: &[u8], source: &str, folder: &Path) -> Self {
        let text = format!(
            "[mqtt]\nurl = 'mqtt://127.0.0.1'\n[run]\nshards = 2\n[publish]\nlevels = ['station']\n\
             windows = ['15m', '1d']\n[[source]]\nname = 'station'\n{source}\n"
        );
        let file = folder.join("day.toml");
        std::fs::write(&file, text).expect("written");
        let settings = settings::load(&[file]).expect("good settings").settings;
        let tables = setup::reference(&settings).expect("no tables");
        let mut replay = Replay::new(setup::engine(&settings, false).expect("a good register"));
        replay.read(recording, |_| {}).expect("readable");
        let mut out = Vec::new();
        let outcome = replay.finish(&mut setup::assembler(&settings, &tables), &mut out).expect("written");
        assert_eq!((outcome.malformed, outcome.foreign, outcome.misdated), (0, 0, 0), "{outcome:#?}");
        let mut windows = BTreeMap::new();
        for line in String::from_utf8(out).expect("JSON").lines() {
            let summary: Value = serde_json::from_str(line).expect("JSON");
            if summary["scope"]["code"] != "op/st" {
                continue;
            }
            let text = |name: &str| summary["window"][name].as_str().expect("text").to_owned();
            let mut leaves = BTreeMap::new();
            gather(String::new(), &summary["tally"], &mut leaves);
            windows.insert(format!("{} {}", text("name"), text("start")), leaves);
        }
        Self(windows)
    }

    /// A figure of the whole day.
    pub fn of_day(&self, path: &str) -> i64 {
        let days: Vec<_> = self.0.iter().filter(|(window, _)| window.starts_with("1d ")).collect();
        assert_eq!(days.len(), 1, "{:?}", self.0.keys());
        *days[0].1.get(path).unwrap_or_else(|| panic!("no {path} in {:?}", days[0].1.keys()))
    }
}

fn gather(path: String, value: &Value, leaves: &mut BTreeMap<String, i64>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| gather(format!("{path}/{name}"), value, leaves));
        }
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(place, value)| gather(format!("{path}/{place}"), value, leaves));
        }
        Value::Number(number) => drop(leaves.insert(path, number.as_i64().expect("tallies hold integers"))),
        _ => {}
    }
}

/// What counts messages, of which each family sends as many as it likes.
const OF_MESSAGES: [&str; 2] = ["/accepted", "/latency/"];
/// Sessions of the day that deliver. No two of them deliver in the same quarter of an hour.
const SESSIONS: i64 = 5;
/// The greatest power of the day, kW: what a millisecond more or less delivers, J.
const J_PER_MS: i64 = 110;
/// The windows in which the station cannot be heard, or which it had to be heard in again.
const SILENT: [&str; 4] =
    ["1d 2026-11-23T00:00", "15m 2026-11-23T20:00", "15m 2026-11-23T20:15", "15m 2026-11-23T20:30"];
/// Where nothing tells of the silence, the three connectors go on for as long as the source's samples hold, ms, and
/// each of the last heartbeats prolonged that of all.
const HELD_MS: i64 = 3 * 900_000;
/// And since one of them was charging, the silence itself is an alarm (`communication_lost`), which is over after it.
const OF_LOST: [&str; 4] =
    ["/alarms_by_source/charger", "/alarms_raised/equipment", "/alarms_cleared", "/clearances/equipment"];

/// How far a family's figures may lie from the native ones.
pub struct Bounds {
    /// The finest step in which it tells energy, J. A register is off by half of that at most, and so are both ends of
    /// what flowed in a window.
    resolution_j: i64,
    /// How often in a quarter of an hour a sample is put a millisecond after another one of the same second.
    moved: i64,
    /// Whether it can say that the station is out of reach.
    tells_silence: bool,
    /// What it cannot tell: then it must tell nothing.
    untold: &'static [&'static str],
    /// Reasons of stopping for which it has another word.
    reasons: &'static [(&'static str, &'static str)],
}

impl Bounds {
    /// `TotalPower` has two decimals of a kWh.
    pub const CEC102: Self = Self { resolution_j: 36_000, moved: 0, tells_silence: true, untold: &[], reasons: &[] };
    /// `meterStart` and `meterStop` are whole Wh; changes of status and of the transaction are of the same second. It has
    /// no word for a vehicle that had enough, nor for equipment that breaks down.
    pub const OCPP16: Self = Self {
        resolution_j: 3_600,
        moved: 3,
        tells_silence: false,
        untold: &[],
        reasons: &[("/stops/stopped_by_ev", "/stops/local"), ("/stops/equipment_fault", "/stops/other")],
    };
    /// The station writes tenths of a Wh.
    pub const OCPP21: Self = Self {
        resolution_j: 360,
        moved: 1,
        tells_silence: false,
        untold: &[],
        reasons: &[("/stops/equipment_fault", "/stops/other")],
    };
    /// A double holds every joule; nothing is said of what sessions do, nor of ratings.
    pub const SPARKPLUG: Self = Self {
        resolution_j: 0,
        moved: 0,
        tells_silence: true,
        untold: &["/session", "/start", "/stops/", "/rated_", "/rapid_"],
        reasons: &[],
    };
    /// Energy is told in 0.0001 kWh; of reasons on the vehicle's side there is only that it is full.
    pub const YKC: Self = Self {
        resolution_j: 360,
        moved: 0,
        tells_silence: true,
        untold: &[],
        reasons: &[("/stops/stopped_by_ev", "/stops/soc_limit")],
    };

    /// How far a figure of a window may lie apart.
    fn of(&self, window: &str, path: &str) -> i64 {
        let times = if window.starts_with("1d ") { SESSIONS } else { 1 };
        let is_unheard = !self.tells_silence && SILENT.iter().any(|silent| window.starts_with(silent));
        match path {
            _ if path.ends_with("import_j") => times * (self.resolution_j + self.moved * J_PER_MS),
            "/session_j" => times * self.resolution_j,
            _ if path.starts_with("/state_ms/") && is_unheard => HELD_MS,
            "/clearance_ms/equipment" if is_unheard => 2_460_000,
            _ if path.starts_with("/clearance_durations/") && is_unheard => 1,
            _ if OF_LOST.contains(&path) && is_unheard => 1,
            _ if path.starts_with("/state_ms/") || path == "/rapid_down_ms" => times * self.moved,
            _ => 0,
        }
    }

    /// What the native figures of a window are in the words of this family.
    fn translated(&self, leaves: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
        let mut leaves = leaves.clone();
        let silence = (!self.tells_silence).then_some(("/state_ms/offline", "/state_ms/unobserved"));
        for &(from, to) in self.reasons.iter().chain(&silence) {
            let count = leaves.insert(from.to_owned(), 0).unwrap_or(0);
            *leaves.entry(to.to_owned()).or_default() += count;
        }
        for (path, expected) in &mut leaves {
            if self.untold.iter().any(|untold| path.starts_with(untold)) {
                *expected = 0;
            }
        }
        leaves
    }
}

/// Holds a telling of the day against the native one, figure by figure.
pub fn check(expected: &Figures, told: &Figures, bounds: &Bounds) {
    let windows = |figures: &Figures| figures.0.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(windows(told), windows(expected));
    assert_eq!(expected.0.len(), 96 + 1, "a day and its quarters of an hour");
    let mut differences = Vec::new();
    for (window, seen) in &told.0 {
        let expected = bounds.translated(&expected.0[window]);
        let paths: BTreeSet<&String> = expected.keys().chain(seen.keys()).collect();
        for path in paths.into_iter().filter(|path| !OF_MESSAGES.iter().any(|of| path.starts_with(of))) {
            let of = |leaves: &BTreeMap<String, i64>| leaves.get(path).copied().unwrap_or(0);
            let (expected, seen, bound) = (of(&expected), of(seen), bounds.of(window, path));
            if (seen - expected).abs() > bound {
                differences.push(format!("{window} {path}: {seen} instead of {expected} within {bound}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
