//! Reference figures of regions that no station can report: electric vehicles in use, inhabitants, highway service
//! areas. It holds what it was given and adds it up over regions; it never guesses a figure that is missing.

use std::collections::BTreeMap;
use std::fmt;

use super::{CountyKind, Region, cities_of, counties_of_city, provinces};

/// The figures of one region; `None` is unknown, which is not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Electric vehicles in use.
    pub ev_stock: Option<u64>,
    /// Resident inhabitants.
    pub population: Option<u64>,
    /// Service areas on highways.
    pub highway_service_areas: Option<u64>,
}

/// The largest figure accepted; that many regions added up stay below `u64::MAX`.
pub const FIGURE_MAX: u64 = 1_000_000_000_000;

/// Why the builder refuses a region's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceFault {
    /// The region has figures already.
    Duplicate(Region),
    /// A figure above [`FIGURE_MAX`].
    TooLarge(u64),
}

impl fmt::Display for ReferenceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate(region) => write!(f, "region {region} has figures already"),
            Self::TooLarge(figure) => write!(f, "{figure} is more than any region can have ({FIGURE_MAX})"),
        }
    }
}

impl std::error::Error for ReferenceFault {}

/// Collects figures region by region.
#[derive(Clone, Debug, Default)]
pub struct ReferenceBuilder {
    given: BTreeMap<Region, Figures>,
}

impl ReferenceBuilder {
    /// Takes the figures of one region.
    ///
    /// # Errors
    /// The region was given before, or a figure is beyond [`FIGURE_MAX`].
    pub fn insert(&mut self, region: Region, figures: Figures) -> Result<(), ReferenceFault> {
        if self.given.contains_key(&region) {
            return Err(ReferenceFault::Duplicate(region));
        }
        let all = [figures.ev_stock, figures.population, figures.highway_service_areas];
        if let Some(figure) = all.into_iter().flatten().find(|&figure| figure > FIGURE_MAX) {
            return Err(ReferenceFault::TooLarge(figure));
        }
        self.given.insert(region, figures);
        Ok(())
    }

    /// Adds everything up, once; `version` says which edition of the figures this is and goes into each summary.
    #[must_use]
    pub fn build(self, version: String) -> ReferenceData {
        let ev_stock = add_up(&self.given, |figures| figures.ev_stock);
        let population = add_up(&self.given, |figures| figures.population);
        let highway_service_areas = add_up(&self.given, |figures| figures.highway_service_areas);
        ReferenceData { version, ev_stock, population, highway_service_areas }
    }
}

/// The figures of all regions, those of cities, provinces and the nation added up where they were not given.
///
/// A sum is made only where each of its parts is known: of a province, all its cities; of a city, all its counties
/// (a statistical zone counts if given, and is not required); of the nation, the 31 provinces that have counties in
/// the list. A part of a province's vehicles presented as all of them would make its chargers look plentiful.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceData {
    version: String,
    ev_stock: BTreeMap<Region, u64>,
    population: BTreeMap<Region, u64>,
    highway_service_areas: BTreeMap<Region, u64>,
}

impl ReferenceData {
    /// The edition of the figures, empty if none was given.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Electric vehicles in use.
    #[must_use]
    pub fn ev_stock(&self, region: Region) -> Option<u64> {
        self.ev_stock.get(&region).copied()
    }

    /// Resident inhabitants.
    #[must_use]
    pub fn population(&self, region: Region) -> Option<u64> {
        self.population.get(&region).copied()
    }

    /// Service areas on highways.
    #[must_use]
    pub fn highway_service_areas(&self, region: Region) -> Option<u64> {
        self.highway_service_areas.get(&region).copied()
    }

    /// Whether it has no figure at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ev_stock.is_empty() && self.population.is_empty() && self.highway_service_areas.is_empty()
    }
}

fn add_up(given: &BTreeMap<Region, Figures>, pick: impl Fn(&Figures) -> Option<u64>) -> BTreeMap<Region, u64> {
    let mut known: BTreeMap<Region, u64> =
        given.iter().filter_map(|(&region, figures)| Some((region, pick(figures)?))).collect();
    if known.is_empty() {
        return known;
    }
    for province in provinces() {
        for city in cities_of(province.code) {
            let sum = city_sum(city.code, &known);
            fill(&mut known, Region::City(city.code), sum);
        }
        let cities = cities_of(province.code).map(|city| known.get(&Region::City(city.code)).copied());
        let sum = sum_of_all(cities);
        fill(&mut known, Region::Province(province.code), sum);
    }
    let counted = provinces().iter().filter(|province| province.counties > 0);
    let sum = sum_of_all(counted.map(|province| known.get(&Region::Province(province.code)).copied()));
    fill(&mut known, Region::Nation, sum);
    // A city without counties is its own county: what is known of the one is known of the other.
    for county in provinces().iter().flat_map(|province| super::counties_of(province.code)) {
        if county.kind == CountyKind::CityWithoutCounties {
            let city = known.get(&Region::City(super::city_of(county.code))).copied();
            fill(&mut known, Region::County(county.code), city);
        }
    }
    known
}

fn city_sum(city: u16, known: &BTreeMap<Region, u64>) -> Option<u64> {
    let counties = counties_of_city(city).iter().filter_map(|county| {
        let figure = known.get(&Region::County(county.code)).copied();
        (figure.is_some() || county.kind != CountyKind::StatisticalZone).then_some(figure)
    });
    sum_of_all(counties)
}

/// The sum if there is at least one part and each is known.
fn sum_of_all(parts: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    parts.reduce(|sum, part| Some(sum?.saturating_add(part?))).flatten()
}

fn fill(known: &mut BTreeMap<Region, u64>, region: Region, sum: Option<u64>) {
    if let Some(sum) = sum {
        known.entry(region).or_insert(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evs(ev_stock: u64) -> Figures {
        Figures { ev_stock: Some(ev_stock), ..Figures::default() }
    }

    fn build(given: &[(Region, u64)]) -> ReferenceData {
        let mut builder = ReferenceBuilder::default();
        for &(region, figure) in given {
            builder.insert(region, evs(figure)).expect("a new region");
        }
        builder.build("2025".to_owned())
    }

    #[test]
    fn a_city_is_the_sum_of_its_counties_once_all_are_known() {
        let all: Vec<_> = counties_of_city(5301).iter().map(|county| (Region::County(county.code), 10)).collect();
        assert_eq!(all.len(), 14);
        assert_eq!(build(&all).ev_stock(Region::City(5301)), Some(140));
        assert_eq!(build(&all[1..]).ev_stock(Region::City(5301)), None);
        assert_eq!(build(&all).population(Region::City(5301)), None);
        assert_eq!(build(&all).ev_stock(Region::Province(53)), None);
    }

    #[test]
    fn a_figure_of_its_own_goes_before_the_sum() {
        let mut all: Vec<_> = counties_of_city(5301).iter().map(|county| (Region::County(county.code), 10)).collect();
        all.push((Region::City(5301), 150));
        assert_eq!(build(&all).ev_stock(Region::City(5301)), Some(150));
    }

    #[test]
    fn statistical_zones_are_added_if_given_and_not_required() {
        let counties = counties_of_city(1301).iter().filter(|county| county.kind == CountyKind::County);
        let mut given: Vec<_> = counties.map(|county| (Region::County(county.code), 1)).collect();
        let sum = given.len() as u64;
        assert_eq!(build(&given).ev_stock(Region::City(1301)), Some(sum));
        given.push((Region::County(130_171), 5));
        assert_eq!(build(&given).ev_stock(Region::City(1301)), Some(sum + 5));
    }

    #[test]
    fn the_nation_is_the_sum_of_the_31_provinces() {
        let counted = provinces().iter().filter(|province| province.counties > 0);
        let given: Vec<_> = counted.map(|province| (Region::Province(province.code), 2)).collect();
        assert_eq!(build(&given).ev_stock(Region::Nation), Some(62));
        assert_eq!(build(&given[..30]).ev_stock(Region::Nation), None);
    }

    #[test]
    fn all_counties_together_make_every_higher_figure() {
        let counties = provinces().iter().flat_map(|province| super::super::counties_of(province.code));
        let counted = counties.filter(|county| county.kind != CountyKind::StatisticalZone);
        let given: Vec<_> = counted.map(|county| (Region::County(county.code), 3)).collect();
        let data = build(&given);
        assert_eq!(data.ev_stock(Region::Nation), Some((2_845 + 4) * 3));
        assert_eq!(data.ev_stock(Region::Province(53)), Some(129 * 3));
    }

    #[test]
    fn a_city_without_counties_is_known_by_either_code() {
        assert_eq!(build(&[(Region::County(441_900), 7)]).ev_stock(Region::City(4419)), Some(7));
        assert_eq!(build(&[(Region::City(4419), 7)]).ev_stock(Region::County(441_900)), Some(7));
    }

    #[test]
    fn a_region_is_given_once_and_within_bounds() {
        let mut builder = ReferenceBuilder::default();
        assert_eq!(builder.insert(Region::Province(53), evs(1)), Ok(()));
        let again = builder.insert(Region::Province(53), evs(1));
        assert_eq!(again, Err(ReferenceFault::Duplicate(Region::Province(53))));
        let huge = builder.insert(Region::Province(11), evs(u64::MAX));
        assert_eq!(huge, Err(ReferenceFault::TooLarge(u64::MAX)));
    }
}
