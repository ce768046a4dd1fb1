//! Reading off the registry and the timelines what stands at a window's end. A census is the same whenever it is
//! taken; a snapshot is what the moment shows.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::Shard;
use super::registry::{Connector, SlotEntry, Station};
use super::spec::Spec;
use crate::book::SlotIndex;
use crate::census::{Census, Snapshot};
use crate::region::Setting;
use crate::registration::{Access, Current, Scene, StationState};
use crate::scope::{AttributionIndex, Named, StationIndex};
use crate::sessions::ConnectorSessions;
use crate::state::State;
use crate::tally::Merge;
use crate::time::{Bucket, EventTime};
use crate::window::{CivilDay, Window, WindowKind, days_from_civil};

/// From this rated power on a connector is high-power, W (发改办能源〔2025〕632号).
const HIGH_POWER_W_MIN: u32 = 250_000;
/// The least rated power of new connectors in highway service areas, W (发改能源〔2025〕1250号).
const HIGHWAY_W_MIN: u32 = 60_000;
/// Direct-current equipment below this upper voltage is due for renewal, V (domain A13).
const RENEWAL_V_MIN: u32 = 800;
/// A connector without energy flow for this long is dormant, ms (domain B14).
const DORMANT_MS: i64 = 30 * MS_PER_DAY;
const MS_PER_DAY: i64 = 86_400_000;

/// What a shard counts for one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Count {
    /// By attribution, in order.
    pub census: Vec<(AttributionIndex, Census)>,
    /// By attribution, in order; empty unless the window has just closed.
    pub snapshot: Vec<(AttributionIndex, Snapshot)>,
    /// Stations with dormant connectors and how many those are, in order; empty unless a day has just closed.
    pub dormant: Vec<(StationIndex, i64)>,
    /// Connectors that counted elsewhere at the window's beginning: under the first attribution then, under the second
    /// at its end. In order.
    pub moved: Vec<(AttributionIndex, AttributionIndex)>,
    /// Townships with at least one facility open to the public, in order, repeated where there are several.
    pub townships: Vec<u32>,
}

/// A count of one window, station by station.
pub(super) struct Counting {
    window: Window,
    with_snapshot: bool,
    at: CensusTime,
    census: FxHashMap<AttributionIndex, Census>,
    snapshot: FxHashMap<AttributionIndex, Snapshot>,
    dormant: BTreeMap<StationIndex, i64>,
    moved: Vec<(AttributionIndex, AttributionIndex)>,
    townships: Vec<u32>,
}

impl Counting {
    /// Nothing is counted yet.
    pub(super) fn of(window: Window, with_snapshot: bool, shard: &Shard) -> Self {
        let calendar = &shard.config.calendar;
        let (start_ms, end_ms) = (window.start.start_ms(), window.end.start_ms());
        let last_day = calendar.civil_day(end_ms - 1);
        let new_year = days_from_civil(CivilDay { month: 1, day: 1, ..last_day }) * MS_PER_DAY;
        let at = CensusTime {
            start_ms,
            end_ms,
            // A recording may end within the window; what begins after that is in none.
            passed_ms: end_ms.min(shard.closed.start_ms()),
            last: Bucket::from_number(window.end.number() - 1),
            last_day,
            year_start_ms: new_year - calendar.offset_ms(new_year),
        };
        Self {
            window,
            with_snapshot,
            at,
            census: FxHashMap::default(),
            snapshot: FxHashMap::default(),
            dormant: BTreeMap::new(),
            moved: Vec::new(),
            townships: Vec::new(),
        }
    }

    /// Adds a station as it is now.
    pub(super) fn add_station(&mut self, shard: &Shard, index: u32) {
        let station = shard.station(index);
        let mut first = true;
        let mut serves = false;
        for connector in station.all.iter().map(|&index| &shard.connectors[index as usize]) {
            serves |= connector.timeline.serves_before(self.at.end_ms);
            self.count(shard, station, connector, &mut first);
            if self.with_snapshot {
                self.show(shard, station, connector);
            }
        }
        let open = || station.master.as_ref().filter(|master| master.access == Some(Access::Public));
        if serves && station.is_facility() {
            self.townships.extend(open().and_then(|master| master.area?.township()));
        }
    }

    /// Adds the alarms that stand at the window's end.
    pub(super) fn add_alarms(&mut self, shard: &Shard) {
        shard.alarms.standing(EventTime::from_ms(self.at.end_ms), |station, standing| {
            let shown = Snapshot { open_alarms: standing.open, open_alarm_ms: standing.open_ms, ..Snapshot::default() };
            let slot = shard.station(station.0).slot;
            self.snapshot.entry(shard.number_at(slot)).or_default().merge(&shown);
        });
    }

    /// Counts a connector; the `first` of its station that is in service counts the station.
    fn count(&mut self, shard: &Shard, station: &Station, connector: &Connector, first: &mut bool) {
        let at = &self.at;
        if !connector.timeline.touches(at.start_ms, at.passed_ms) {
            return;
        }
        let mut census = Census { connectors: 1, ..Census::default() };
        if connector.timeline.serves_before(at.end_ms) {
            count_connector(&mut census, station, connector, at);
            if std::mem::take(first) {
                count_station(&mut census, station);
            }
        }
        let number = shard.number_at(shard.book.owner_at(at.last, connector.slot));
        self.census.entry(number).or_default().merge(&census);
        self.follow_moves(shard, connector);
    }

    /// A connector that changed hands within the window: each attribution that it left, with the one at the end.
    fn follow_moves(&mut self, shard: &Shard, connector: &Connector) {
        if shard.book.succession(connector.slot).is_none() {
            return;
        }
        let Window { start, end, .. } = self.window;
        let begun = connector.timeline.start_ms().map_or(start, Bucket::holding_ms).max(start);
        let at_end = shard.book.owner_at(self.at.last, connector.slot);
        let (mut slot, mut since) = (at_end, end);
        while let Some((from, before)) = shard.book.succession(slot)
            && begun < from
            && from < since
        {
            self.moved.push((shard.number_at(before), shard.number_at(at_end)));
            (slot, since) = (before, from);
        }
    }

    /// Takes the snapshot of a connector at the window's end.
    fn show(&mut self, shard: &Shard, station: &Station, connector: &Connector) {
        let end_ms = self.at.end_ms;
        if !connector.timeline.serves_before(end_ms) {
            return;
        }
        let mut snapshot = Snapshot::default();
        show_use(&mut snapshot, station, connector, end_ms, self.at.last_day);
        show_flexibility(&mut snapshot, connector, end_ms);
        let failing = |sessions: &ConnectorSessions| sessions.repeated_failure(EventTime::from_ms(end_ms));
        snapshot.repeated_failure = i64::from(connector.sessions.as_deref().is_some_and(failing));
        if let Some(since_ms) = connector.faults.get().open_since_ms() {
            snapshot.open_faults = 1;
            snapshot.open_fault_ms = (end_ms - since_ms).max(0);
        }
        if self.window.kind == WindowKind::Month {
            shard.show_uptime(&mut snapshot, connector, self.window);
        }
        let SlotEntry { attribution, station, .. } = shard.slots[connector.slot.0 as usize];
        self.snapshot.entry(attribution).or_default().merge(&snapshot);
        if self.window.kind == WindowKind::Day && snapshot.dormant > 0 {
            *self.dormant.entry(station).or_default() += snapshot.dormant;
        }
    }

    /// What was counted.
    pub(super) fn finish(self) -> Count {
        let Self { census, snapshot, dormant, mut moved, mut townships, .. } = self;
        moved.sort_unstable();
        townships.sort_unstable();
        Count {
            census: in_order(census),
            snapshot: in_order(snapshot),
            dormant: dormant.into_iter().collect(),
            moved,
            townships,
        }
    }
}

impl Shard {
    /// Takes the census of a window, and its snapshot if the window has just closed. What a close that is under way still
    /// has to do makes no difference to it.
    #[must_use]
    pub fn take_census(&self, window: Window, with_snapshot: bool) -> Count {
        let mut counting = Counting::of(window, with_snapshot, self);
        (0..self.stations.len() as u32).for_each(|station| counting.add_station(self, station));
        if with_snapshot {
            counting.add_alarms(self);
        }
        counting.finish()
    }

    /// The number of the attribution under which a slot counts.
    fn number_at(&self, slot: SlotIndex) -> AttributionIndex {
        self.slots[slot.0 as usize].attribution
    }

    /// Uptime over the twelve civil months that end with the window (domain C4).
    fn show_uptime(&self, snapshot: &mut Snapshot, connector: &Connector, window: Window) {
        let calendar = &self.config.calendar;
        let Some(begun_ms) = connector.timeline.start_ms() else { return };
        let mut from = window;
        let mut months = i64::from(begun_ms <= window.start.start_ms());
        if months == 0 {
            return;
        }
        for _ in 1..12 {
            let before = Bucket::from_number(from.start.number() - 1);
            from = calendar.window(WindowKind::Month, before);
            months += i64::from(begun_ms <= from.start.start_ms());
        }
        let ppm = connector.outages.uptime_ppm(from.start.start_ms(), window.end.start_ms());
        snapshot.uptime_ports = 1;
        snapshot.uptime_ports_up = i64::from(ppm > 970_000);
        snapshot.uptime_ppm = ppm;
        snapshot.uptime_months = months;
    }
}

fn in_order<T>(counted: FxHashMap<AttributionIndex, T>) -> Vec<(AttributionIndex, T)> {
    let mut ordered: Vec<_> = counted.into_iter().collect();
    ordered.sort_unstable_by_key(|&(attribution, _)| attribution);
    ordered
}

/// The points in time that a census needs.
struct CensusTime {
    start_ms: i64,
    end_ms: i64,
    /// Up to where the window has passed, ms.
    passed_ms: i64,
    /// The last base bucket of the window.
    last: Bucket,
    /// The last civil day of the window.
    last_day: CivilDay,
    /// When the civil year of that day began, ms.
    year_start_ms: i64,
}

fn count_station(census: &mut Census, station: &Station) {
    census.stations = 1;
    census.stations_with_alarm_feed = i64::from(station.alarm_feed);
    let highway = station.master.as_ref().is_some_and(|master| master.scene == Some(Scene::HighwayServiceArea));
    census.highway_stations = i64::from(highway && station.is_facility());
}

fn count_connector(census: &mut Census, station: &Station, connector: &Connector, at: &CensusTime) {
    census.in_service = 1;
    census.rated_w = i64::from(connector.timeline.rated_w_at(at.end_ms - 1).unwrap_or(0));
    let Some(spec) = &connector.spec else {
        census.unregistered = 1;
        return;
    };
    census.registered = 1;
    census.heard = i64::from(connector.heard);
    if station.is_facility() {
        count_facility(census, station, connector, spec, at);
    }
}

fn count_facility(census: &mut Census, station: &Station, connector: &Connector, spec: &Spec, at: &CensusTime) {
    let Some(master) = &station.master else { return };
    let one = |holds: bool| i64::from(holds);
    let public = master.access == Some(Access::Public);
    let dedicated = master.access == Some(Access::Dedicated);
    let highway = master.scene == Some(Scene::HighwayServiceArea);
    let dc = spec.current == Some(Current::Dc);
    let ac = spec.current == Some(Current::Ac);
    let rated_w = spec.rated_w().unwrap_or(0);
    let high_power = rated_w >= HIGH_POWER_W_MIN;
    let rural = master.scene == Some(Scene::Rural)
        || Named::registered(master.area.and_then(|area| area.setting())) == Named::Known(Setting::Rural);
    let new = connector.timeline.start_ms().is_some_and(|start_ms| start_ms >= at.year_start_ms);
    let aged = spec.aged_from_day().is_some_and(|day| day < days_from_civil(at.last_day));
    let low_voltage = dc && spec.v_max().is_some_and(|v_max| v_max < RENEWAL_V_MIN);

    census.facilities = 1;
    census.public = one(public);
    census.dedicated = one(dedicated);
    census.private = one(master.access == Some(Access::Private));
    census.dc = one(dc);
    census.ac = one(ac);
    census.high_power = one(high_power);
    census.public_rated_w = if public || dedicated { i64::from(spec.equipment_w) } else { 0 };
    census.highway = one(highway);
    census.highway_60kw = one(highway && rated_w >= HIGHWAY_W_MIN);
    census.highway_high_power = one(highway && high_power);
    census.residential = one(master.scene == Some(Scene::Residential));
    census.rural = one(rural);
    census.v2g = one(spec.v2g);
    census.discharge_rated_w = if spec.v2g { i64::from(spec.discharge_w().unwrap_or(rated_w)) } else { 0 };
    census.aged = one(aged);
    census.undated = one(spec.aged_from_day().is_none());
    census.low_voltage = one(low_voltage);
    census.public_ac = one(public && ac);
    census.renewal = one(aged || low_voltage || (public && ac));
    census.new_this_year = one(new);
    census.new_highway = one(new && highway);
    census.new_highway_high_power = one(new && highway && high_power);
}

/// Whether the connector is used at all (domain B14, D11).
fn show_use(snapshot: &mut Snapshot, station: &Station, connector: &Connector, end_ms: i64, day: CivilDay) {
    let operating = station.master.as_ref().is_some_and(|master| master.state == StationState::Operating);
    let (Some(spec), Some(start_ms)) = (&connector.spec, connector.timeline.start_ms()) else { return };
    let used = connector.last_flow_ms.get().is_some_and(|flow_ms| flow_ms > end_ms - DORMANT_MS);
    let dormant = operating && !used && start_ms <= end_ms - DORMANT_MS;
    let state = connector.timeline.state_at(end_ms - 1);
    snapshot.dormant = i64::from(dormant);
    snapshot.dormant_silent = i64::from(dormant && state.is_gap());
    let aged = spec.aged_from_day().is_some_and(|aged_from| aged_from < days_from_civil(day));
    snapshot.aged_active = i64::from(aged && used && station.is_facility());
}

/// By how much the connector's load could change at once (domain E6, E7; up means less net load).
fn show_flexibility(snapshot: &mut Snapshot, connector: &Connector, end_ms: i64) {
    let timeline = &connector.timeline;
    if timeline.last_ms().is_none_or(|last_ms| last_ms > end_ms) {
        return;
    }
    let state = timeline.state_at(end_ms - 1);
    let Some(power_w) = timeline.power_w() else { return };
    let (Some(spec), false) = (&connector.spec, state.is_gap()) else { return };
    let rated_w = spec.rated_w().map(i64::from);
    let plugged = matches!(state, State::Charging | State::Discharging | State::Occupied);
    let discharge_w = if spec.v2g && plugged { spec.discharge_w().or(spec.rated_w()).map_or(0, i64::from) } else { 0 };
    snapshot.adjustable = 1;
    snapshot.adjustable_up_w = match state {
        State::Charging => power_w.max(0) + discharge_w,
        State::Discharging => (discharge_w + power_w.min(0)).max(0),
        State::Occupied => discharge_w,
        _ => 0,
    };
    let could_w = match (rated_w, timeline.demand_w()) {
        (Some(rated_w), Some(demand_w)) => rated_w.min(demand_w),
        (Some(rated_w), None) => rated_w,
        (None, _) => power_w,
    };
    snapshot.adjustable_down_w = if state == State::Charging { (could_w - power_w).max(0) } else { 0 };
}
