//! What dialects of sessions remember of their stations: which station a connector belongs to, and of each connector its
//! energy, its last status and the alarms that stand. Bounded by [`ByStation`], [`ALARMS_MAX`] and the message limits;
//! taken out and back by station. Knows no payload.

use std::collections::BTreeMap;

use chargetally_core::alarm::AlarmClass;
use chargetally_core::observation::StationKey;
use chargetally_core::pack::{Damaged, Pack, Reader};
use chargetally_core::state::Status;
use rustc_hash::FxHashMap;

use super::mapping::memory::{status_at, status_place};
use super::meter::SessionMeter;
use super::remembered::{ByName, ByStation};
use super::{Limits, Reject};

/// Codes of alarms that stand at one connector at most; of more, none is remembered.
const ALARMS_MAX: usize = 64;
/// The form of packed memory.
const VERSION: u8 = 1;
/// A counter that falls by less than this is the same, J: 0.05 kWh.
const DROP_J_MIN: i64 = 180_000;

/// What is remembered of all stations.
#[derive(Clone, Debug, Default)]
pub struct Stations {
    by_name: ByStation<Station>,
    /// Stations by operator and connector.
    of_connectors: FxHashMap<Box<str>, FxHashMap<Box<str>, Box<str>>>,
}

/// What is remembered of one station.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Station {
    connectors: ByName<Connector>,
    alarms: Alarms,
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
        self.of_connectors.get(operator)?.get(connector).map(|station| &**station)
    }

    /// The stations of an operator, in the order of their names.
    #[must_use]
    pub fn of_operator(&self, operator: &str) -> Vec<&str> {
        self.by_name.of_operator(operator)
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
        let place = self.by_name.changing_place(key)?;
        let connectors = &mut self.by_name.at_mut(place).connectors;
        let found = connectors.place(connector);
        if found.is_err() {
            connectors.or_new(connector, limits.connectors_max)?;
            self.belongs(key, connector);
        }
        // A new one stands where it was looked for.
        let (Ok(at) | Err(at)) = found;
        Ok(self.by_name.at_mut(place).connectors.at_mut(at))
    }

    /// The alarms of a station as a whole.
    ///
    /// # Errors
    /// Where a limit is reached.
    pub fn alarms(&mut self, key: StationKey<'_>) -> Result<&mut Alarms, Reject> {
        Ok(&mut self.by_name.changing(key)?.alarms)
    }

    /// A registration names a station's connectors: those that it does not name are gone.
    ///
    /// # Errors
    /// Where a limit is reached.
    pub fn register(&mut self, key: StationKey<'_>, connectors: &[&str], limits: &Limits) -> Result<(), Reject> {
        for connector in connectors {
            self.connector(key, connector, limits)?;
        }
        let station = self.by_name.changing(key)?;
        let gone: Vec<Box<str>> =
            station.connectors.names().filter(|id| !connectors.contains(id)).map(Box::from).collect();
        gone.iter().for_each(|id| station.connectors.remove(id));
        gone.iter().for_each(|id| self.belongs_no_more(key, id));
        Ok(())
    }

    fn belongs(&mut self, key: StationKey<'_>, connector: &str) {
        let stations = self.of_connectors.entry(key.operator.into()).or_default();
        let before = stations.insert(connector.into(), key.station.into());
        // A connector is unique within its operator: one that moves takes nothing with it.
        if let Some(before) = before.filter(|before| **before != *key.station)
            && let Some(station) = self.by_name.changing_known(StationKey { station: &before, ..key })
        {
            station.connectors.remove(connector);
        }
    }

    fn belongs_no_more(&mut self, key: StationKey<'_>, connector: &str) {
        let Some(stations) = self.of_connectors.get_mut(key.operator) else { return };
        if stations.get(connector).is_some_and(|station| **station == *key.station) {
            stations.remove(connector);
        }
    }

    /// See [`super::Dialect::changed_memory`].
    pub fn changed_memory(&mut self, sink: &mut impl FnMut(StationKey<'_>, &[u8])) {
        self.by_name.changed(|key, station| {
            let mut packed = vec![VERSION];
            station.pack(&mut packed);
            sink(key, &packed);
        });
    }

    /// See [`super::Dialect::restore_memory`].
    ///
    /// # Errors
    /// [`Damaged`] where the bytes are none that it gives.
    pub fn restore_memory(&mut self, key: StationKey<'_>, packed: &[u8]) -> Result<(), Damaged> {
        let mut reader = Reader::of_version(packed, VERSION)?;
        let station = Station::unpack(&mut reader)?;
        reader.finish()?;
        let names: Vec<Box<str>> = station.connectors.names().map(Box::from).collect();
        if self.by_name.restore(key, station) {
            let stations = self.of_connectors.entry(key.operator.into()).or_default();
            stations.extend(names.into_iter().map(|connector| (connector, Box::from(key.station))));
        }
        Ok(())
    }
}

impl Pack for Station {
    fn pack(&self, out: &mut Vec<u8>) {
        self.connectors.pack(out);
        self.alarms.codes.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self { connectors: Pack::unpack(reader)?, alarms: Alarms { codes: Pack::unpack(reader)? } })
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
    use crate::dialect::Reason;

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
        assert_eq!(stations.of_operator("op"), ["st-1", "st-2"]);
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
