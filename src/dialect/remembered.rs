//! Finds what a dialect remembers: of stations by the names of operator and station, of connectors by their names within
//! one. A name is looked up once for a message, and nothing is allocated for one that is known. Bounded by
//! [`STATIONS_MAX`] and by what the caller allows of connectors; knows neither topics nor payloads.

use std::hash::Hasher;

use chargetally_core::observation::StationKey;
use chargetally_core::pack::{Damaged, Pack, Reader};
use rustc_hash::{FxHashMap, FxHasher};

use super::mapping::memory::STATIONS_MAX;
use super::{Reason, Reject};
use crate::scan;

/// What is remembered of each station, and of which it changed.
#[derive(Clone, Debug)]
pub struct ByStation<T> {
    /// The newest place in `stations` of each hash of operator and station.
    places: FxHashMap<u64, usize>,
    stations: Vec<Entry<T>>,
    /// Places of those that changed, each once.
    dirty: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    operator: Box<str>,
    station: Box<str>,
    /// The place of another one with the same hash.
    next: Option<usize>,
    is_dirty: bool,
    memory: T,
}

/// Things by name, few of them, in the order of the names. Packed as a map of them would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByName<T>(Vec<(Box<str>, T)>);

impl<T> Default for ByStation<T> {
    fn default() -> Self {
        Self { places: FxHashMap::default(), stations: Vec::new(), dirty: Vec::new() }
    }
}

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> ByStation<T> {
    fn place(&self, key: StationKey<'_>) -> Option<usize> {
        let mut place = *self.places.get(&hash(key))?;
        loop {
            let entry = &self.stations[place];
            if scan::same(entry.station.as_bytes(), key.station.as_bytes())
                && scan::same(entry.operator.as_bytes(), key.operator.as_bytes())
            {
                return Some(place);
            }
            place = entry.next?;
        }
    }

    /// What is remembered of a station, which is not taken to change.
    pub fn find_mut(&mut self, key: StationKey<'_>) -> Option<&mut T> {
        self.place(key).map(|place| self.at_mut(place))
    }

    /// What is remembered of a station, which is then taken to change.
    ///
    /// # Errors
    /// Where the station is new and there are as many as may be.
    pub fn changing(&mut self, key: StationKey<'_>) -> Result<&mut T, Reject> {
        self.changing_place(key).map(|place| self.at_mut(place))
    }

    /// The same, as a place: places stay as they are.
    ///
    /// # Errors
    /// As [`Self::changing`].
    pub fn changing_place(&mut self, key: StationKey<'_>) -> Result<usize, Reject> {
        let place = match self.place(key) {
            Some(place) => place,
            None => self.insert(key, T::default()).ok_or(Reject::whole(Reason::TooManyStations))?,
        };
        self.mark(place);
        Ok(place)
    }

    /// What is remembered of a station that is known, which is then taken to change.
    pub fn changing_known(&mut self, key: StationKey<'_>) -> Option<&mut T> {
        let place = self.place(key)?;
        self.mark(place);
        Some(self.at_mut(place))
    }

    /// What is remembered at a place.
    pub fn at_mut(&mut self, place: usize) -> &mut T {
        &mut self.stations[place].memory
    }

    fn mark(&mut self, place: usize) {
        if !std::mem::replace(&mut self.stations[place].is_dirty, true) {
            self.dirty.push(place);
        }
    }

    /// The place of a station that is not known yet; `None` where there is no room.
    fn insert(&mut self, key: StationKey<'_>, memory: T) -> Option<usize> {
        let place = self.stations.len();
        if place >= STATIONS_MAX {
            return None;
        }
        let StationKey { operator, station } = key;
        let next = self.places.insert(hash(key), place);
        self.stations.push(Entry { operator: operator.into(), station: station.into(), next, is_dirty: false, memory });
        Some(place)
    }

    /// The stations of an operator, in the order of their names.
    #[must_use]
    pub fn of_operator(&self, operator: &str) -> Vec<&str> {
        let stations = self.stations.iter().filter(|entry| *entry.operator == *operator);
        let mut names: Vec<&str> = stations.map(|entry| &*entry.station).collect();
        names.sort_unstable();
        names
    }

    /// Gives what is remembered of every station that changed since this was last asked.
    pub fn changed(&mut self, mut sink: impl FnMut(StationKey<'_>, &T)) {
        for place in std::mem::take(&mut self.dirty) {
            let Entry { operator, station, is_dirty, memory, .. } = &mut self.stations[place];
            *is_dirty = false;
            sink(StationKey { operator, station }, memory);
        }
    }

    /// Takes back what was remembered of a station; where there is no room, nothing is. Whether there was.
    pub fn restore(&mut self, key: StationKey<'_>, memory: T) -> bool {
        match self.place(key) {
            Some(place) => {
                self.stations[place].memory = memory;
                true
            }
            None => self.insert(key, memory).is_some(),
        }
    }
}

fn hash(key: StationKey<'_>) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key.operator.as_bytes());
    hasher.write(key.station.as_bytes());
    hasher.finish()
}

impl<T> ByName<T> {
    /// Where the thing of a name stands, or would stand.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| scan::compare(other.as_bytes(), name.as_bytes()))
    }

    /// What stands at a place that [`Self::place`] gave.
    pub fn at_mut(&mut self, place: usize) -> &mut T {
        &mut self.0[place].1
    }

    /// Puts a thing at the place where [`Self::place`] said that it would stand.
    pub fn insert_at(&mut self, place: usize, name: &str, thing: T) {
        self.0.insert(place, (name.into(), thing));
    }

    /// Takes the thing of a name away.
    pub fn remove(&mut self, name: &str) {
        if let Ok(place) = self.place(name) {
            self.0.remove(place);
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The things, in the order of their names.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().map(|(_, thing)| thing)
    }
}

impl<T: Default> ByName<T> {
    /// The thing of a name, made where there is none and `room` allows as many.
    ///
    /// # Errors
    /// Where it does not.
    pub fn or_new(&mut self, name: &str, room: usize) -> Result<&mut T, Reject> {
        let place = match self.place(name) {
            Ok(place) => place,
            Err(_) if self.len() >= room => return Err(Reject::field(Reason::TooManyParts, "connector")),
            Err(place) => {
                self.insert_at(place, name, T::default());
                place
            }
        };
        Ok(self.at_mut(place))
    }
}

impl<T: Pack> Pack for ByName<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let things: Vec<(Box<str>, T)> = Pack::unpack(reader)?;
        if things.is_sorted_by(|(one, _), (other, _)| one < other) {
            Ok(Self(things))
        } else {
            Err(Damaged { what: "order of keys" })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn key(station: &str) -> StationKey<'_> {
        StationKey { operator: "op", station }
    }

    #[test]
    fn a_station_that_changed_is_given_once() {
        let mut memory: ByStation<u32> = ByStation::default();
        for station in ["b", "a", "b"] {
            *memory.changing(key(station)).expect("room") += 1;
        }
        *memory.find_mut(key("a")).expect("known") += 10;
        let mut given = Vec::new();
        memory.changed(|key, &count| given.push((key.station.to_owned(), count)));
        assert_eq!(given, [("b".to_owned(), 2), ("a".to_owned(), 11)]);
        memory.changed(|key, _| panic!("{} did not change", key.station));
        assert_eq!(memory.of_operator("op"), ["a", "b"]);
        assert!(memory.of_operator("other").is_empty());
    }

    #[test]
    fn what_is_restored_stands_in_place_of_what_was_known() {
        let mut memory: ByStation<u32> = ByStation::default();
        *memory.changing(key("a")).expect("room") = 1;
        assert!(memory.restore(key("a"), 5) && memory.restore(key("b"), 6));
        assert_eq!(memory.find_mut(key("a")), Some(&mut 5));
        assert_eq!(memory.find_mut(key("b")), Some(&mut 6));
        assert_eq!(memory.find_mut(key("c")), None);
    }

    #[test]
    fn stations_of_one_hash_are_told_apart() {
        let mut memory: ByStation<u32> = ByStation::default();
        for (station, number) in ["a", "b", "c"].into_iter().zip(1..) {
            *memory.changing(key(station)).expect("room") = number;
        }
        // As if all three had the hash of the last one.
        (memory.stations[2].next, memory.stations[1].next) = (Some(1), Some(0));
        let newest = memory.places[&hash(key("c"))];
        for station in ["a", "b"] {
            memory.places.insert(hash(key(station)), newest);
        }
        let found = ["a", "b", "c"].map(|station| memory.find_mut(key(station)).copied());
        assert_eq!(found, [Some(1), Some(2), Some(3)]);
        memory.places.insert(hash(key("d")), newest);
        assert_eq!(memory.find_mut(key("d")), None);
        *memory.changing(key("d")).expect("room") = 4;
        assert_eq!(memory.find_mut(key("d")).copied(), Some(4));
        assert_eq!(memory.stations[3].next, Some(2));
    }

    #[test]
    fn there_is_room_for_so_many_stations_and_those_known_stay_known() {
        let mut memory: ByStation<()> = ByStation::default();
        for number in 0..STATIONS_MAX {
            memory.changing(key(&number.to_string())).expect("room");
        }
        assert_eq!(memory.changing(key("one more")).err(), Some(Reject::whole(Reason::TooManyStations)));
        assert!(!memory.restore(key("one more"), ()) && memory.changing(key("7")).is_ok());
    }

    #[test]
    fn things_by_name_are_packed_as_a_map_of_them() {
        let names = ["b", "c", "a"];
        let mut things: ByName<i64> = ByName::default();
        for (name, number) in names.into_iter().zip(1..) {
            *things.or_new(name, 3).expect("room") = number;
        }
        assert_eq!(things.or_new("d", 3).err(), Some(Reject::field(Reason::TooManyParts, "connector")));
        assert_eq!(things.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        let map: BTreeMap<Box<str>, i64> = names.into_iter().map(Box::from).zip(1..).collect();
        let (mut packed, mut as_map) = (Vec::new(), Vec::new());
        things.pack(&mut packed);
        map.pack(&mut as_map);
        assert_eq!(packed, as_map);
        assert_eq!(ByName::unpack(&mut Reader::new(&packed)), Ok(things.clone()));
        things.0.swap(0, 1);
        packed.clear();
        things.pack(&mut packed);
        assert!(ByName::<i64>::unpack(&mut Reader::new(&packed)).is_err());
    }
}
