//! Who there is: operators, stations and connectors, their registrations, and the slots that their contributions are
//! booked under. A registration that comes late claims what was booked while nobody knew where it belonged.

use super::ids::{IdPlace, Ids};
use super::minutes::MinuteRuns;
use super::spec::Spec;
use super::{Limit, NOWHERE, Shard, Verdict};
use crate::book::SlotIndex;
use crate::config::SourceIndex;
use crate::observation::StationKey;
use crate::rare::Rare;
use crate::region::Area;
use crate::registration::{Access, Equipment, Registration, Scene, StationState};
use crate::reliability::{Faults, Outages};
use crate::safety::ConnectorMonitor;
use crate::scope::{Attribution, AttributionIndex, NOBODY, Named, OperatorIndex, PowerClass, StationIndex};
use crate::sessions::ConnectorSessions;
use crate::slim::Slim;
use crate::time::{ArrivalTime, EventTime};
use crate::timeline::Timeline;

/// Rated power from which a public connector counts as rapid, W (SI 2023/1168).
const RAPID_W_MIN: u32 = 50_000;

/// Whose a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The station as a whole.
    Station,
    Connector(u32),
    /// Nobody comes back to it.
    Past,
}

/// Where something of an owner is booked, and whether a registration may yet claim it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotEntry {
    /// Where it counts.
    pub attribution: AttributionIndex,
    /// Whose it is, in scope or not.
    pub station: StationIndex,
    pub owner: Owner,
    pub claimable: bool,
}

/// A station.
pub(super) struct Station {
    pub operator: u32,
    pub id: Box<str>,
    pub master: Option<Master>,
    /// The ids of its connectors, and which of those in service they name.
    pub ids: Ids,
    /// All connectors, those decommissioned too.
    pub all: Vec<u32>,
    /// Where what concerns the station as a whole is booked.
    pub slot: SlotIndex,
    /// All slots that are its, in order.
    pub slots: Vec<SlotIndex>,
    /// Whether it ever sent anything on an alarm topic.
    pub alarm_feed: bool,
    /// What its closed minutes amounted to.
    pub minutes: MinuteRuns,
}

/// A station's master data, without its equipment.
pub(super) struct Master {
    pub at_ms: i64,
    pub name: Box<str>,
    pub area: Option<Area>,
    pub access: Option<Access>,
    pub scene: Option<Scene>,
    pub state: StationState,
}

/// A connector.
pub(super) struct Connector {
    pub station: u32,
    /// Where its id stands among those of its station.
    pub id: IdPlace,
    pub slot: SlotIndex,
    /// Whether any sample was ever taken in.
    pub heard: bool,
    /// Whether an alarm of its own may stand, or have stood, that a good sample ends: only then is one looked for.
    pub noticed: bool,
    pub timeline: Timeline,
    pub outages: Outages,
    pub faults: Rare<Faults>,
    pub spec: Option<Spec>,
    /// Newest event time at which energy flowed, ms.
    pub last_flow_ms: Slim<i64>,
    /// Only where it ever sent vitals.
    pub monitor: Option<Box<ConnectorMonitor>>,
    /// Only where it ever sent session events.
    pub sessions: Option<Box<ConnectorSessions>>,
    /// Where it stands in the queue of charging connectors that may fall silent, ms.
    pub silence_due_ms: Slim<i64>,
}

/// There are millions.
const _: () = assert!(size_of::<Connector>() <= 296);

/// Makes room for one more, and for an eighth of what is there: of millions, half empty is too much.
fn make_room<T>(all: &mut Vec<T>) {
    if all.len() == all.capacity() {
        all.reserve_exact(all.len() / 8 + 16);
    }
}

impl Station {
    /// The connector with this id, the newest where there were several; it may have left service.
    pub(super) fn find(&self, connector: &str) -> Option<u32> {
        self.ids.find(connector)
    }

    /// Whether the station counts as a facility.
    pub(super) fn is_facility(&self) -> bool {
        self.master.as_ref().is_some_and(|master| master.state.is_facility())
    }

    /// Adds a connector, which may have left service already; where its id stands.
    pub(super) fn add(&mut self, connector: &str, index: u32, in_service: bool) -> IdPlace {
        self.all.push(index);
        self.ids.add(connector, in_service.then_some(index))
    }
}

impl Shard {
    /// How many connectors there are, those that left service too.
    #[must_use]
    pub fn connectors(&self) -> usize {
        self.connectors.len()
    }

    pub(super) fn station(&self, index: u32) -> &Station {
        &self.stations[index as usize]
    }

    /// A station's connectors in service.
    pub(super) fn serving(&self, station: u32) -> Vec<u32> {
        let serves = |&index: &u32| !self.connectors[index as usize].timeline.has_ended();
        self.station(station).ids.current().filter(serves).collect()
    }

    pub(super) fn find_station(&self, key: StationKey<'_>) -> Option<u32> {
        let operator = *self.operator_ids.get(key.operator)?;
        self.station_ids[operator as usize].get(key.station).copied()
    }

    /// The connector that telemetry speaks of; made known where it is not yet and the limits allow it.
    pub(super) fn known_or_new(&mut self, key: StationKey<'_>, connector: &str) -> Result<u32, Limit> {
        let station = self.known_or_new_station(key)?;
        match self.stations[station as usize].ids.find_next(connector) {
            Some(index) => Ok(index),
            None => self.new_connector(station, connector, None),
        }
    }

    /// The station that a message other than a registration speaks of.
    pub(super) fn known_or_new_station(&mut self, key: StationKey<'_>) -> Result<u32, Limit> {
        match self.find_station(key) {
            Some(station) => Ok(station),
            None if self.unregistered_stations >= self.config.limits.unregistered_stations => {
                Err(Limit::UnregisteredStations)
            }
            None => self.new_station(key),
        }
    }

    fn new_station(&mut self, key: StationKey<'_>) -> Result<u32, Limit> {
        if self.stations.len() >= self.config.limits.stations {
            return Err(Limit::Stations);
        }
        let index = self.add_station(key);
        let attribution = Attribution { whole: true, ..self.attribution(index, None) };
        self.stations[index as usize].slot = self.push_slot(attribution, Owner::Station, true);
        self.dirty.mark(StationIndex(index));
        Ok(index)
    }

    /// Adds a station of which nothing is known but its key.
    pub(super) fn add_station(&mut self, key: StationKey<'_>) -> u32 {
        let index = u32::try_from(self.stations.len()).unwrap_or(u32::MAX);
        let operator = match self.operator_ids.get(key.operator) {
            Some(&operator) => operator,
            None => {
                let operator = self.operators.len() as u32;
                self.operators.push(key.operator.into());
                self.operator_ids.insert(key.operator.into(), operator);
                self.station_ids.push(Default::default());
                operator
            }
        };
        self.station_ids[operator as usize].insert(key.station.into(), index);
        self.unregistered_stations += 1;
        self.stations.push(Station {
            operator,
            id: key.station.into(),
            master: None,
            ids: Ids::default(),
            all: Vec::new(),
            slot: NOWHERE,
            slots: Vec::new(),
            alarm_feed: false,
            minutes: MinuteRuns::default(),
        });
        self.reported.stations_changed.push(index);
        index
    }

    fn new_connector(&mut self, station: u32, id: &str, spec: Option<Spec>) -> Result<u32, Limit> {
        if self.connectors.len() >= self.config.limits.connectors {
            return Err(Limit::Connectors);
        }
        if self.station(station).all.len() >= self.config.limits.connectors_per_station {
            return Err(Limit::ConnectorsPerStation);
        }
        let index = self.connectors.len() as u32;
        let slot = match &spec {
            Some(spec) => self.push_slot(self.attribution(station, Some(spec)), Owner::Connector(index), false),
            None => self.push_slot(self.attribution(station, None), Owner::Connector(index), true),
        };
        let id = self.stations[station as usize].add(id, index, true);
        make_room(&mut self.connectors);
        self.connectors.push(Connector {
            station,
            id,
            slot,
            heard: false,
            noticed: false,
            timeline: Timeline::default(),
            outages: Outages::default(),
            faults: Rare::default(),
            spec,
            last_flow_ms: Slim::NONE,
            monitor: None,
            sessions: None,
            silence_due_ms: Slim::NONE,
        });
        Ok(index)
    }

    /// Where a connector of a station counts, or (with no spec) one that no registration names.
    pub(super) fn attribution(&self, station: u32, spec: Option<&Spec>) -> Attribution {
        let entry = self.station(station);
        let master = entry.master.as_ref();
        fn of<T: Copy>(master: Option<&Master>, get: impl Fn(&Master) -> Option<T>) -> Named<T> {
            master.map_or(Named::Unregistered, |master| Named::registered(get(master)))
        }
        let access = of(master, |master| master.access);
        let rated_w = spec.and_then(Spec::rated_w);
        Attribution {
            station: StationIndex(station),
            operator: OperatorIndex(entry.operator),
            county: master.and_then(|master| master.area).map_or(0, |area| area.county()),
            scene: of(master, |master| master.scene),
            access,
            setting: of(master, |master| master.area.and_then(|area| area.setting())),
            power_class: spec
                .map_or(Named::Unregistered, |spec| Named::registered(spec.rated_w().map(PowerClass::of_w))),
            current: spec.map_or(Named::Unregistered, |spec| Named::registered(spec.current)),
            rapid: access.known() == Some(Access::Public) && rated_w.is_some_and(|rated_w| rated_w >= RAPID_W_MIN),
            whole: false,
        }
    }

    /// The slot of an owner that is claimed for good and has this attribution.
    pub(super) fn slot(&mut self, owner: Owner, attribution: Attribution) -> SlotIndex {
        let number = self.number(attribution);
        let is_it = |slot: &&SlotIndex| {
            let entry = &self.slots[slot.0 as usize];
            entry.owner == owner && entry.attribution == number && !entry.claimable
        };
        let known = self.station(attribution.station.0).slots.iter().find(is_it).copied();
        known.unwrap_or_else(|| self.push_slot(attribution, owner, false))
    }

    /// A new slot of an owner.
    pub(super) fn push_slot(&mut self, attribution: Attribution, owner: Owner, claimable: bool) -> SlotIndex {
        let slot = SlotIndex(self.slots.len() as u32);
        let station = attribution.station;
        self.stations[station.0 as usize].slots.push(slot);
        let attribution = self.number(attribution);
        make_room(&mut self.slots);
        self.slots.push(SlotEntry { attribution, station, owner, claimable });
        slot
    }

    /// The number of an attribution, a new one where there is none yet. Stations that are not in scope share theirs: there
    /// are few then, however many stations there are.
    fn number(&mut self, attribution: Attribution) -> AttributionIndex {
        let on_highway = attribution.scene == Named::Known(Scene::HighwayServiceArea);
        let in_scope = self.config.stations_in_scope || on_highway;
        let station = if in_scope { attribution.station } else { NOBODY };
        let attribution = Attribution { station, ..attribution };
        *self.attribution_ids.entry(attribution).or_insert_with(|| {
            self.attributions.push(attribution);
            AttributionIndex((self.attributions.len() - 1) as u32)
        })
    }

    /// A registration: makes the station known, replaces its master data, names its connectors and decommissions those
    /// that it no longer names. One that is older than what stands is ignored.
    pub(super) fn register(
        &mut self,
        arrival: ArrivalTime,
        source: SourceIndex,
        key: StationKey<'_>,
        registration: Registration,
    ) -> Verdict {
        let at = registration.at.unwrap_or_else(|| arrival.as_event_time());
        if at.ahead_of_ms(arrival) > self.config.future_skew_ms {
            return self.refuse(arrival, key, None, Verdict::Future);
        }
        let station = match self.find_station(key).map_or_else(|| self.new_station(key), Ok) {
            Ok(station) => station,
            Err(limit) => return self.refuse(arrival, key, None, Verdict::Limit(limit)),
        };
        let Registration { name, area, access, scene, state, equipment, .. } = registration;
        match &self.station(station).master {
            Some(master) if master.at_ms > at.ms() => return Verdict::OutOfOrder,
            Some(_) => {}
            None => self.unregistered_stations -= 1,
        }
        let first = self.station(station).master.is_none();
        self.stations[station as usize].master = Some(Master { at_ms: at.ms(), name, area, access, scene, state });
        self.reported.stations_changed.push(station);
        self.dirty.mark(StationIndex(station));
        for gone in self.decommission(station, source, at, Some(&equipment)) {
            // What it was stays as it was last named; where it was is where its station is.
            let county = self.attribution(station, None).county;
            let named = self.attribution_at(self.connectors[gone as usize].slot);
            let slot = self.slot(Owner::Connector(gone), Attribution { county, ..named });
            self.move_connector(gone, slot, first);
        }
        let mut verdict = Verdict::Accepted;
        for cabinet in &equipment {
            for connector in &cabinet.connectors {
                let spec = Spec::of(connector, cabinet);
                if let Err(limit) = self.name(arrival, source, station, &connector.id, spec, (at, first)) {
                    verdict = Verdict::Limit(limit);
                }
            }
        }
        self.reattribute(station, first);
        match verdict {
            Verdict::Accepted => verdict,
            refused => self.refuse(arrival, key, None, refused),
        }
    }

    /// The registration is withdrawn: every connector leaves service.
    pub(super) fn deregister(
        &mut self,
        arrival: ArrivalTime,
        source: SourceIndex,
        key: StationKey<'_>,
        at: Option<EventTime>,
    ) -> Verdict {
        let at = at.unwrap_or_else(|| arrival.as_event_time());
        if let Some(station) = self.find_station(key) {
            self.dirty.mark(StationIndex(station));
            self.decommission(station, source, at, None);
        }
        Verdict::Accepted
    }

    /// Decommissions the connectors that a registration names no more, or all where there is none any more. Connectors
    /// that were never named stay as long as there is a registration: it has said nothing about them.
    fn decommission(
        &mut self,
        station: u32,
        source: SourceIndex,
        at: EventTime,
        registered: Option<&[Equipment]>,
    ) -> Vec<u32> {
        let ids = &self.station(station).ids;
        let stays = |index: &u32| {
            let Some(equipment) = registered else { return false };
            let connector = &self.connectors[*index as usize];
            let named = equipment
                .iter()
                .flat_map(|cabinet| &cabinet.connectors)
                .any(|named| *named.id == *ids.at(connector.id));
            connector.spec.is_none() || named
        };
        let gone: Vec<u32> = self.serving(station).into_iter().filter(|index| !stays(index)).collect();
        for &index in &gone {
            let (timeline, mut desk) = self.desk(index, source);
            timeline.decommission(at.ms(), &mut desk);
            self.unwatch(index, at);
        }
        gone
    }

    /// A registration names a connector.
    fn name(
        &mut self,
        arrival: ArrivalTime,
        source: SourceIndex,
        station: u32,
        id: &str,
        spec: Spec,
        (at, first): (EventTime, bool),
    ) -> Result<(), Limit> {
        let known =
            self.station(station).find(id).filter(|&index| !self.connectors[index as usize].timeline.has_ended());
        let index = match known {
            Some(index) => index,
            None => self.new_connector(station, id, Some(spec))?,
        };
        let slot = self.slot(Owner::Connector(index), self.attribution(station, Some(&spec)));
        self.connectors[index as usize].spec = Some(spec);
        self.move_connector(index, slot, first);
        let (timeline, mut desk) = self.desk(index, source);
        timeline.register(arrival.ms(), &mut desk);
        timeline.rate(spec.rated_w(), at.ms(), &mut desk);
        Ok(())
    }
}
