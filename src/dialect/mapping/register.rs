//! Master data of stations that send none: what is registered of a station when it is first heard of. It is read once,
//! at the start, and shared by all workers.

use std::collections::BTreeMap;

use chargetally_core::observation::StationKey;
use chargetally_core::registration::Registration;

/// Stations by operator and id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Register {
    operators: BTreeMap<Box<str>, Stations>,
}

/// Stations by id, each with its place in the register.
type Stations = BTreeMap<Box<str>, (usize, Registration)>;

impl Register {
    /// A register of these stations.
    #[must_use]
    pub fn new(stations: BTreeMap<(Box<str>, Box<str>), Registration>) -> Self {
        let mut register = Self::default();
        for (place, ((operator, station), registration)) in stations.into_iter().enumerate() {
            register.operators.entry(operator).or_default().insert(station, (place, registration));
        }
        register
    }

    /// What is registered of a station, and its place in the register.
    #[must_use]
    pub fn station(&self, key: StationKey<'_>) -> Option<(usize, &Registration)> {
        let (place, registration) = self.operators.get(key.operator)?.get(key.station)?;
        Some((*place, registration))
    }
}
