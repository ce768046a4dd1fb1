//! What dialects of sessions remember of their stations: which station a connector belongs to, and of each connector its
//! energy, its last status and the alarms that stand. Bounded by [`STATIONS_MAX`], [`ALARMS_MAX`] and the message limits;
//! taken out and back by station. Knows no payload.

use std::collections::BTreeMap;

use chargetally_core::alarm::AlarmClass;
use chargetally_core::observation::StationKey;
use chargetally_core::pack::{Damaged, Pack, Reader};
use chargetally_core::state::Status;

use super::mapping::memory::{STATIONS_MAX, status_at, status_place};
use super::meter::SessionMeter;
use super::{Limits, Reason, Reject};

/// Codes of alarms that stand at one connector at most; of more, none is remembered.
const ALARMS_MAX: usize = 64;
/// The form of packed memory.
const VERSION: u8 = 1;
/// A counter that falls by less than this is the same, J: 0.05 kWh.
const DROP_J_MIN: i64 = 180_000;

/// What is remembered of all stations.
#[derive(Clone, Debug, Default)]
pub struct Stations {
    operators: BTreeMap<Box<str>, Operator>,
    count: usize,
    dirty: Vec<(Box<str>, Box<str>)>,
}

#[derive(Clone, Debug, Default)]
struct Operator {
    stations: BTreeMap<Box<str>, Station>,
    /// Station by connector.
    places: BTreeMap<Box<str>, Box<str>>,
}

/// What is remembered of one station.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Station {
    connectors: BTreeMap<Box<str>, Connector>,
    alarms: Alarms,
    is_dirty: bool,
}

/// What is remembered of one connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connector {
    /// The energy of its sessions, and the order of its samples.
    pub meter: SessionMeter,
    /// Its last status.
    pub status: Option<Status>,
    /// When the last status was made, by its own word, and under which time it was told, ms.
    pub status_at: Option<(i64, i64)>,
    /// The alarms that stand.
    pub alarms: Alarms,
    /// What it gave back.
    pub export: Fold,
}

/// Alarms that stand, by code: several codes are of one class, which stands until the last of them is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    codes: BTreeMap<Box<str>, AlarmClass>,
}

/// A counter that may begin anew at any time, as a register that only rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    register_j: i64,
    last_j: Option<i64>,
    /// Up to when sums were added, ms.
    until_ms: Option<i64>,
}

impl Alarms {
    /// Whether none stands.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Whether a code is known to stand.
    #[must_use]
    pub fn stands(&self, code: &str) -> bool {
        self.codes.contains_key(code)
    }

    /// Takes in that a code is raised or over; whether that is to be told.
    pub fn take(&mut self, code: &str, class: AlarmClass, raised: bool) -> bool {
        if raised {
            if self.codes.len() < ALARMS_MAX && !self.codes.contains_key(code) {
                self.codes.insert(code.into(), class);
            }
            return true;
        }
        self.codes.remove(code);
        self.codes.values().all(|&other| other != class)
    }
}

impl Fold {
    /// Takes a reading of the counter; the register then, J.
    pub fn read(&mut self, counter_j: i64) -> i64 {
        let gained_j = match self.last_j {
            Some(last_j) if counter_j >= last_j => counter_j - last_j,
            Some(last_j) if last_j - counter_j < DROP_J_MIN => return self.register_j,
            _ => counter_j,
        };
        self.last_j = Some(counter_j);
        self.register_j = self.register_j.saturating_add(gained_j);
        self.register_j
    }

    /// Takes a sum up to a point in time; the register then, J. `None` where that was added before, or the counter itself
    /// is known.
    pub fn add(&mut self, sum_j: i64, until_ms: i64) -> Option<i64> {
        if self.last_j.is_some() || self.until_ms.is_some_and(|known_ms| until_ms <= known_ms) {
            return None;
        }
        self.until_ms = Some(until_ms);
        self.register_j = self.register_j.saturating_add(sum_j);
        Some(self.register_j)
    }
}

impl Stations {
    /// The station that a connector of an operator belongs to.
    #[must_use]
    pub fn station_of(&self, operator: &str, connector: &str) -> Option<&str> {
        self.operators.get(operator)?.places.get(connector).map(|station| &**station)
    }

    /// The stations of an operator.
    pub fn of_operator(&self, operator: &str) -> impl Iterator<Item = &str> {
        self.operators.get(operator).into_iter().flat_map(|operator| operator.stations.keys()).map(|station| &**station)
    }

    /// What is remembered of a connector, which is then taken to change.
    ///
    /// # Errors
    /// Where a limit is reached.
    pub fn connector(
        &mut self,
        key: StationKey<'_>,
        connector: &str,
        limits: &Limits,
    ) -> Result<&mut Connector, Reject> {
        if !self.is_dirty_with(key, connector) {
            let station = self.station(key)?;
            if !station.connectors.contains_key(connector) {
                if station.connectors.len() >= limits.connectors_max {
                    return Err(Reject::field(Reason::TooManyParts, "connector"));
                }
                station.connectors.insert(connector.into(), Connector::default());
                self.place(key, connector);
            }
        }
        let station = station_mut(&mut self.operators, key).ok_or(Reject::whole(Reason::TooManyStations))?;
        station.connectors.get_mut(connector).ok_or(Reject::field(Reason::TooManyParts, "connector"))
    }

    /// Whether a connector is known and its station is taken to have changed: then there is nothing to prepare, as with
    /// nearly every message.
    fn is_dirty_with(&self, key: StationKey<'_>, connector: &str) -> bool {
        let station = self.operators.get(key.operator).and_then(|operator| operator.stations.get(key.station));
        station.is_some_and(|station| station.is_dirty && station.connectors.contains_key(connector))
    }

    /// The alarms of a station as a whole.
    ///
    /// # Errors
    /// Where a limit is reached.
    pub fn alarms(&mut self, key: StationKey<'_>) -> Result<&mut Alarms, Reject> {
        Ok(&mut self.station(key)?.alarms)
    }

    /// A registration names a station's connectors: those that it does not name are gone.
    ///
    /// # Errors
    /// Where a limit is reached.
    pub fn register(&mut self, key: StationKey<'_>, connectors: &[&str], limits: &Limits) -> Result<(), Reject> {
        for connector in connectors {
            self.connector(key, connector, limits)?;
        }
        let station = self.station(key)?;
        let gone: Vec<Box<str>> =
            station.connectors.keys().filter(|id| !connectors.contains(&&***id)).cloned().collect();
        for id in gone {
            station_mut(&mut self.operators, key).map(|station| station.connectors.remove(&id));
            self.displace(key, &id);
        }
        Ok(())
    }

    fn place(&mut self, key: StationKey<'_>, connector: &str) {
        let Some(operator) = self.operators.get_mut(key.operator) else { return };
        let before = operator.places.insert(connector.into(), key.station.into());
        // A connector is unique within its operator: one that moves takes nothing with it.
        if let Some(before) = before.filter(|before| **before != *key.station)
            && let Some(station) = operator.stations.get_mut(&before)
        {
            station.connectors.remove(connector);
            if !std::mem::replace(&mut station.is_dirty, true) {
                self.dirty.push((key.operator.into(), before));
            }
        }
    }

    fn displace(&mut self, key: StationKey<'_>, connector: &str) {
        let Some(operator) = self.operators.get_mut(key.operator) else { return };
        if operator.places.get(connector).is_some_and(|station| **station == *key.station) {
            operator.places.remove(connector);
        }
    }

    fn station(&mut self, key: StationKey<'_>) -> Result<&mut Station, Reject> {
        let StationKey { operator, station } = key;
        if station_mut(&mut self.operators, key).is_none() {
            if self.count >= STATIONS_MAX {
                return Err(Reject::whole(Reason::TooManyStations));
            }
            self.count += 1;
            self.operators.entry(operator.into()).or_default().stations.insert(station.into(), Station::default());
        }
        let full = Reject::whole(Reason::TooManyStations);
        let found = station_mut(&mut self.operators, key).ok_or(full)?;
        if !found.is_dirty {
            found.is_dirty = true;
            self.dirty.push((operator.into(), station.into()));
        }
        Ok(found)
    }

    /// See [`super::Dialect::changed_memory`].
    pub fn changed_memory(&mut self, sink: &mut impl FnMut(StationKey<'_>, &[u8])) {
        for (operator, station) in std::mem::take(&mut self.dirty) {
            let key = StationKey { operator: &operator, station: &station };
            if let Some(found) = station_mut(&mut self.operators, key) {
                found.is_dirty = false;
                let mut packed = vec![VERSION];
                found.pack(&mut packed);
                sink(key, &packed);
            }
        }
    }

    /// See [`super::Dialect::restore_memory`].
    ///
    /// # Errors
    /// [`Damaged`] where the bytes are none that it gives.
    pub fn restore_memory(&mut self, key: StationKey<'_>, packed: &[u8]) -> Result<(), Damaged> {
        let mut reader = Reader::of_version(packed, VERSION)?;
        let station = Station::unpack(&mut reader)?;
        reader.finish()?;
        if station_mut(&mut self.operators, key).is_none() {
            if self.count >= STATIONS_MAX {
                return Ok(());
            }
            self.count += 1;
        }
        let operator = self.operators.entry(key.operator.into()).or_default();
        for connector in station.connectors.keys() {
            operator.places.insert(connector.clone(), key.station.into());
        }
        operator.stations.insert(key.station.into(), station);
        Ok(())
    }
}

fn station_mut<'s>(operators: &'s mut BTreeMap<Box<str>, Operator>, key: StationKey<'_>) -> Option<&'s mut Station> {
    operators.get_mut(key.operator)?.stations.get_mut(key.station)
}

impl Pack for Station {
    fn pack(&self, out: &mut Vec<u8>) {
        self.connectors.pack(out);
        self.alarms.codes.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self { connectors: Pack::unpack(reader)?, alarms: Alarms { codes: Pack::unpack(reader)? }, is_dirty: false })
    }
}

impl Pack for Connector {
    fn pack(&self, out: &mut Vec<u8>) {
        self.meter.pack(out);
        self.status.map(status_place).pack(out);
        self.status_at.pack(out);
        self.alarms.codes.pack(out);
        self.export.register_j.pack(out);
        self.export.last_j.pack(out);
        self.export.until_ms.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            meter: Pack::unpack(reader)?,
            status: Option::<u8>::unpack(reader)?.map(status_at).transpose()?,
            status_at: Pack::unpack(reader)?,
            alarms: Alarms { codes: Pack::unpack(reader)? },
            export: Fold {
                register_j: Pack::unpack(reader)?,
                last_j: Pack::unpack(reader)?,
                until_ms: Pack::unpack(reader)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: StationKey<'_> = StationKey { operator: "op", station: "st-1" };

    #[test]
    fn a_counter_that_begins_anew_goes_on_rising() {
        let mut fold = Fold::default();
        let registers = [5_000_000, 5_500_000, 5_400_000, 400_000, 900_000].map(|counter_j| fold.read(counter_j));
        assert_eq!(registers, [5_000_000, 5_500_000, 5_500_000, 5_900_000, 6_400_000]);
        assert_eq!(fold.add(1_000_000, 1), None);
    }

    #[test]
    fn sums_are_added_once() {
        let mut fold = Fold::default();
        assert_eq!(fold.add(1_000, 10), Some(1_000));
        assert_eq!(fold.add(1_000, 10), None);
        assert_eq!(fold.add(500, 20), Some(1_500));
    }

    #[test]
    fn a_connector_belongs_to_the_station_that_named_it_last() {
        let (mut stations, limits) = (Stations::default(), Limits::default());
        stations.register(KEY, &["a", "b"], &limits).expect("room");
        assert_eq!(stations.station_of("op", "a"), Some("st-1"));
        stations.register(KEY, &["a"], &limits).expect("room");
        assert_eq!(stations.station_of("op", "b"), None);
        let other = StationKey { station: "st-2", ..KEY };
        stations.connector(other, "a", &limits).expect("room");
        assert_eq!(stations.station_of("op", "a"), Some("st-2"));
        assert_eq!(stations.of_operator("op").collect::<Vec<_>>(), ["st-1", "st-2"]);
    }

    #[test]
    fn a_station_has_so_many_connectors() {
        let (mut stations, limits) = (Stations::default(), Limits { connectors_max: 1, ..Limits::default() });
        stations.connector(KEY, "a", &limits).expect("room");
        let full = stations.connector(KEY, "b", &limits).err();
        assert_eq!(full, Some(Reject::field(Reason::TooManyParts, "connector")));
        assert_eq!(stations.station_of("op", "b"), None);
    }
}
