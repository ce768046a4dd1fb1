//! Adds up what the ledger holds: cuts every piece at the minute, gives it to every scope that its connector counts
//! in, and joins minutes to windows. It must not decide what was accepted; the ledger has done that.

use super::figures::Figures;
use super::ledger::{Ledger, Who};
use super::life::{Chain, Life, at};
use super::{Key, MINUTE_MS, Options, minute_of};
use jiff::{ToSpan, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// The breakdowns.
const BREAKDOWNS: [&str; 5] = ["scene", "access", "setting", "power_class", "current"];

/// A scope such as "county/530102", with one value of one breakdown or without.
type Part = (String, Option<(String, String)>);

/// What was added up for one part, and which connectors had time in it.
#[derive(Clone, Debug, Default)]
struct Cell {
    figures: Figures,
    lives: BTreeSet<usize>,
}

/// The figures of every window and scope with connector time.
pub fn account(ledger: &Ledger) -> BTreeMap<Key, Figures> {
    let Some(newest_ms) = ledger.newest_arrival_ms else { return BTreeMap::new() };
    let end_ms = minute_of(newest_ms) + MINUTE_MS;
    let mut minutes: BTreeMap<(i64, Part), Cell> = BTreeMap::new();
    let mut lived: Vec<BTreeSet<i64>> = Vec::new();
    for (index, life) in ledger.lives.iter().enumerate() {
        let own = life_minutes(life, end_ms, &ledger.options);
        for (minute_ms, figures) in &own {
            for part in parts_of(ledger, life, *minute_ms) {
                let cell = minutes.entry((*minute_ms, part)).or_default();
                cell.figures.add(figures);
                if figures.connector_time_ms() > 0 {
                    cell.lives.insert(index);
                }
            }
        }
        let with_time = own.iter().filter(|(_, figures)| figures.connector_time_ms() > 0);
        lived.push(with_time.map(|(minute_ms, _)| *minute_ms).collect());
    }
    for booking in ledger.bookings.iter().filter(|booking| booking.time_ms < end_ms) {
        let minute_ms = minute_of(booking.time_ms);
        let parts = match &booking.who {
            Who::Life(life) => parts_of(ledger, &ledger.lives[*life], minute_ms),
            Who::Station(station) => station_parts(ledger, station, minute_ms, None),
            Who::Nobody => nobody_parts(),
        };
        for part in parts {
            minutes.entry((minute_ms, part)).or_default().figures.book(&booking.name, 1);
        }
    }
    let mut result = BTreeMap::new();
    for window in &ledger.options.windows {
        result.extend(window_figures(ledger, window, &minutes, &lived, end_ms));
    }
    result
}

/// A connector's own figures, minute by minute, before `end_ms`.
fn life_minutes(life: &Life, end_ms: i64, options: &Options) -> BTreeMap<i64, Figures> {
    let mut minutes: BTreeMap<i64, Figures> = BTreeMap::new();
    for (from_ms, to_ms, state) in life.states(end_ms, options) {
        for (minute_ms, from_ms, to_ms) in cut(from_ms, to_ms) {
            let name = format!("state_ms.{state}");
            minutes.entry(minute_ms).or_default().book(&name, i128::from(to_ms - from_ms));
        }
    }
    for (minute_ms, rated_j) in rated_energy(life, end_ms) {
        minutes.entry(minute_ms).or_default().book("rated_j", rated_j);
    }
    for (minute_ms, energy_j, charging) in energy_pieces(&life.import, life, options) {
        let figures = minutes.entry(minute_ms).or_default();
        figures.book("import_j", energy_j);
        figures.book("charging_import_j", if charging { energy_j } else { 0 });
    }
    for (minute_ms, energy_j, _) in energy_pieces(&life.export, life, options) {
        minutes.entry(minute_ms).or_default().book("export_j", energy_j);
    }
    minutes.retain(|minute_ms, _| *minute_ms < end_ms);
    minutes
}

/// `(minute, J, whether it counts for the average delivered power)` of everything that a chain delivered.
fn energy_pieces(chain: &Chain, life: &Life, options: &Options) -> Vec<(i64, i128, bool)> {
    let mut pieces = Vec::new();
    for energy in chain.energies() {
        let dt_ms = energy.to_ms - energy.from_ms;
        let charging = life.samples[&energy.from_ms].state == "charging" && dt_ms <= options.hold_ms;
        let cuts = cut(energy.from_ms, energy.to_ms);
        let mut rest_j = energy.energy_j;
        for (index, (minute_ms, from_ms, to_ms)) in cuts.iter().enumerate() {
            let share_j = energy.energy_j * i128::from(to_ms - from_ms) / i128::from(dt_ms);
            let piece_j = if index + 1 == cuts.len() { rest_j } else { share_j };
            rest_j -= piece_j;
            pieces.push((*minute_ms, piece_j, charging));
        }
    }
    pieces
}

/// `(minute, J)`: rated power times the time in service, for each piece of a minute with one rating.
fn rated_energy(life: &Life, end_ms: i64) -> Vec<(i64, i128)> {
    let Some(start_ms) = life.start_ms else { return Vec::new() };
    let end_ms = life.end_ms.map_or(end_ms, |retired_ms| retired_ms.min(end_ms));
    let changes = life.ratings.iter().map(|(from_ms, _)| *from_ms);
    let mut edges: BTreeSet<i64> = changes.filter(|from_ms| start_ms < *from_ms && *from_ms < end_ms).collect();
    edges.extend([start_ms, end_ms.max(start_ms)]);
    let edges: Vec<i64> = edges.into_iter().collect();
    let mut pieces = Vec::new();
    for edge in edges.windows(2) {
        for (minute_ms, from_ms, to_ms) in cut(edge[0], edge[1]) {
            pieces.push((minute_ms, i128::from(rating_at(life, from_ms)) * i128::from(to_ms - from_ms) / 1_000));
        }
    }
    pieces
}

/// W; 0 where unknown.
fn rating_at(life: &Life, time_ms: i64) -> i64 {
    at(&life.ratings, time_ms).copied().flatten().unwrap_or(0)
}

/// `[from, to)` cut at the minutes: `(minute, from, to)`.
fn cut(from_ms: i64, to_ms: i64) -> Vec<(i64, i64, i64)> {
    let mut pieces = Vec::new();
    let mut from_ms = from_ms;
    while from_ms < to_ms {
        let minute_ms = minute_of(from_ms);
        let next_ms = to_ms.min(minute_ms + MINUTE_MS);
        pieces.push((minute_ms, from_ms, next_ms));
        from_ms = next_ms;
    }
    pieces
}

/// All that a connector counts in, in a minute.
fn parts_of(ledger: &Ledger, life: &Life, minute_ms: i64) -> Vec<Part> {
    let station = || ledger.stations.get(&life.station).and_then(|known| at(&known.kinds, minute_ms));
    let classes = at(&life.classes, minute_ms).or_else(station);
    let values = BREAKDOWNS.map(|breakdown| {
        let value = match classes {
            None => "unregistered",
            Some(classes) => classes.values[breakdown].as_deref().unwrap_or("unknown"),
        };
        (breakdown.to_owned(), value.to_owned())
    });
    station_parts(ledger, &life.station, minute_ms, Some(&values))
}

/// The scopes of a station in a minute, and the given values of the breakdowns within the widest two.
fn station_parts(
    ledger: &Ledger,
    station: &(String, String),
    minute_ms: i64,
    values: Option<&[(String, String); 5]>,
) -> Vec<Part> {
    let (operator, id) = station;
    let county = ledger.stations.get(station).and_then(|known| at(&known.counties, minute_ms)).cloned().flatten();
    let digits = |count: usize| county.as_ref().map_or("unknown", |county| &county[..count]);
    let mut parts = vec![
        ("nation".to_owned(), None),
        (format!("province/{}", digits(2)), None),
        (format!("city/{}", digits(4)), None),
        (format!("county/{}", digits(6)), None),
        (format!("operator/{operator}"), None),
        (format!("station/{operator}/{id}"), None),
    ];
    for value in values.into_iter().flatten() {
        parts.push(("nation".to_owned(), Some(value.clone())));
        parts.push((format!("province/{}", digits(2)), Some(value.clone())));
    }
    parts
}

/// What counts for nobody known.
fn nobody_parts() -> Vec<Part> {
    ["nation", "province/unknown", "city/unknown", "county/unknown"].map(|scope| (scope.to_owned(), None)).to_vec()
}

/// All windows of one name: minutes added up, connectors and ratings counted, peaks found.
fn window_figures(
    ledger: &Ledger,
    window: &str,
    minutes: &BTreeMap<(i64, Part), Cell>,
    lived: &[BTreeSet<i64>],
    end_ms: i64,
) -> BTreeMap<Key, Figures> {
    let mut spans: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut span = |minute_ms: i64| {
        *spans.entry(minute_ms).or_insert_with(|| window_span(window, minute_ms, &ledger.options.zone))
    };
    let mut cells: BTreeMap<(i64, Part), Cell> = BTreeMap::new();
    for ((minute_ms, part), cell) in minutes {
        let sum = cells.entry((span(*minute_ms).0, part.clone())).or_default();
        sum.figures.add(&cell.figures);
        sum.lives.extend(&cell.lives);
        let import_j = cell.figures.get("import_j");
        if import_j > sum.figures.power_peak_j {
            (sum.figures.power_peak_j, sum.figures.power_peak_at_ms) = (import_j, Some(*minute_ms));
        }
    }
    for (life, lived) in ledger.lives.iter().zip(lived) {
        let touched: BTreeSet<(i64, i64)> = lived.iter().map(|minute_ms| span(*minute_ms)).collect();
        for (start_ms, window_end_ms) in touched {
            let begun = life.start_ms.is_some_and(|life_ms| life_ms < window_end_ms.min(end_ms));
            if begun && life.end_ms.is_none_or(|retired_ms| window_end_ms <= retired_ms) {
                let rated_w = i128::from(rating_at(life, window_end_ms - 1));
                for part in parts_of(ledger, life, window_end_ms - MINUTE_MS) {
                    cells.entry((start_ms, part)).or_default().figures.book("rated_w", rated_w);
                }
            }
        }
    }
    gather(window, cells)
}

/// Puts the breakdowns into their scopes, and drops what has no connector time.
fn gather(window: &str, cells: BTreeMap<(i64, Part), Cell>) -> BTreeMap<Key, Figures> {
    let mut result: BTreeMap<Key, Figures> = BTreeMap::new();
    // A scope sorts before its breakdowns.
    for ((start_ms, (scope, value)), mut cell) in cells {
        if cell.figures.connector_time_ms() == 0 {
            continue;
        }
        cell.figures.book("connectors", cell.lives.len() as i128);
        let key = (window.to_owned(), start_ms, scope);
        match value {
            None => {
                result.insert(key, cell.figures);
            }
            Some(value) => {
                result.entry(key).or_default().by.insert(value, cell.figures);
            }
        }
    }
    result
}

/// `[start, end)` of the window that holds the minute, ms since the epoch.
fn window_span(window: &str, minute_ms: i64, zone: &str) -> (i64, i64) {
    let fixed = |length_ms: i64| {
        let start_ms = minute_ms.div_euclid(length_ms) * length_ms;
        (start_ms, start_ms + length_ms)
    };
    match window {
        "1m" => fixed(MINUTE_MS),
        "15m" => fixed(15 * MINUTE_MS),
        "1h" => fixed(60 * MINUTE_MS),
        _ => civil_span(window, minute_ms, zone).expect("the zone is known and the time within its calendar"),
    }
}

fn civil_span(window: &str, minute_ms: i64, zone: &str) -> Result<(i64, i64), jiff::Error> {
    let local = jiff::Timestamp::from_millisecond(minute_ms)?.to_zoned(TimeZone::get(zone)?);
    let (start, next) = match window {
        "1d" => (local.start_of_day()?, local.checked_add(1.day())?.start_of_day()?),
        _ => {
            let first = local.first_of_month()?;
            (first.start_of_day()?, first.checked_add(1.month())?.start_of_day()?)
        }
    };
    Ok((start.timestamp().as_millisecond(), next.timestamp().as_millisecond()))
}
