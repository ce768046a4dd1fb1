//! One station's alarms as bytes: those that stand and those that ended lately. Connectors are written as places among
//! the station's own, for their numbers hold within one shard and one run only.

use std::collections::BTreeMap;

use super::{AlarmBook, AlarmKey, Episode, Past};
use crate::alarm::AlarmClass;
use crate::pack::{Damaged, Pack, Reader, pack_fields};
use crate::scope::StationIndex;

pack_fields!(Past { at, episode });

/// An alarm of a station: the place of its connector among the station's, and its class.
type Place = (Option<u32>, AlarmClass);

/// The alarms of one station, read back.
pub(crate) struct StationAlarms {
    open: BTreeMap<Place, Episode>,
    ended: BTreeMap<Place, Past>,
}

impl AlarmBook {
    /// Appends the alarms of a station whose connectors have these numbers, in ascending order.
    pub(crate) fn pack_station(&self, station: StationIndex, connectors: &[u32], out: &mut Vec<u8>) {
        pack_of(&self.open, station, connectors, out);
        pack_of(&self.ended, station, connectors, out);
    }

    /// Takes back the alarms of a station whose connectors have these numbers now.
    ///
    /// What stood stands, even beyond the limit on open alarms: fewer shards may share what more have held.
    pub(crate) fn take_back(&mut self, station: StationIndex, connectors: &[u32], alarms: StationAlarms) {
        let key = |(place, class): Place| {
            let connector = place.map(|place| connectors.get(place as usize).copied().unwrap_or(u32::MAX));
            AlarmKey { station, connector, class }
        };
        self.open.extend(alarms.open.into_iter().map(|(place, episode)| (key(place), episode)));
        for (place, past) in alarms.ended {
            self.remember(key(place), past);
        }
    }
}

impl StationAlarms {
    /// Reads the alarms of a station with so many connectors.
    pub(crate) fn unpack(reader: &mut Reader<'_>, connectors: usize) -> Result<Self, Damaged> {
        let open: Vec<(Place, Episode)> = Pack::unpack(reader)?;
        let ended: Vec<(Place, Past)> = Pack::unpack(reader)?;
        let alarms = Self { open: open.into_iter().collect(), ended: ended.into_iter().collect() };
        let knows = |&(place, _): &Place| place.is_none_or(|place| (place as usize) < connectors);
        if alarms.open.keys().chain(alarms.ended.keys()).all(knows) {
            Ok(alarms)
        } else {
            Err(Damaged { what: "connector of an alarm" })
        }
    }
}

fn pack_of<T: Pack>(alarms: &BTreeMap<AlarmKey, T>, station: StationIndex, connectors: &[u32], out: &mut Vec<u8>) {
    let first = AlarmKey { station, connector: None, class: AlarmClass::ALL[0] };
    let of_station: Vec<_> = alarms
        .range(first..)
        .take_while(|(key, _)| key.station == station)
        .filter_map(|(key, alarm)| {
            let place = match key.connector {
                Some(connector) => Some(connectors.binary_search(&connector).ok()? as u32),
                None => None,
            };
            Some((place, key.class, alarm))
        })
        .collect();
    (of_station.len() as u64).pack(out);
    for (place, class, alarm) in of_station {
        place.pack(out);
        class.pack(out);
        alarm.pack(out);
    }
}
