//! The built-in table of administrative areas: parses the committed files once and answers look-ups by binary search.
//! It never changes at run time, never reads a file, and knows nothing of stations.

use std::sync::LazyLock;

use super::{Names, TownshipKind, Townships};

const PROVINCES: &str = include_str!("provinces.tsv");
const CITIES: &str = include_str!("cities.tsv");
const COUNTIES: &str = include_str!("counties.tsv");

/// What the table says of a county-level code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountyKind {
    /// A county, district or county-level city in force: the denominator of county coverage.
    County,
    /// A prefecture-level city without counties (Dongguan, Zhongshan, Danzhou, Jiayuguan), standing for itself.
    CityWithoutCounties,
    /// A development zone or the like that only the statistical list knows; in no denominator of counties.
    StatisticalZone,
}

/// One county-level area in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct County {
    /// The six-digit code.
    pub code: u32,
    /// What kind of county-level area it is.
    pub kind: CountyKind,
    /// Its names.
    pub names: Names,
    /// The townships below it, those of retired codes that it took over included.
    pub townships: Townships,
}

/// One province-level area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Province {
    /// The two-digit code.
    pub code: u8,
    /// Its names.
    pub names: Names,
    /// How many counties it has (its cities without counties and statistical zones are not among them).
    pub counties: u32,
    /// The townships below it.
    pub townships: Townships,
}

/// One prefecture-level area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct City {
    /// The four-digit code.
    pub code: u16,
    /// Its names.
    pub names: Names,
}

/// The parsed table; every list is sorted by code.
pub(super) struct Table {
    pub provinces: Vec<Province>,
    pub cities: Vec<City>,
    pub counties: Vec<County>,
    /// Retired code, code in force.
    pub retired: Vec<(u32, u32)>,
    /// Nine-digit codes, as the statistical list writes them.
    pub townships: Vec<u32>,
}

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

impl Table {
    /// Parses the committed files. They are part of the program: the tests read each line of them, and a line that
    /// does not parse is left out here rather than brought to a panic.
    fn read() -> Self {
        let mut table = Self {
            provinces: PROVINCES.lines().filter_map(province_line).collect(),
            cities: CITIES.lines().filter_map(city_line).collect(),
            counties: Vec::with_capacity(3_000),
            retired: Vec::with_capacity(500),
            townships: Vec::with_capacity(42_000),
        };
        for line in COUNTIES.lines() {
            table.take_county_line(line);
        }
        table.count();
        table
    }

    fn take_county_line(&mut self, line: &'static str) -> Option<()> {
        let mut fields = line.split('\t');
        let code: u32 = fields.next()?.parse().ok()?;
        let kind = match fields.next()? {
            "c" => Some(CountyKind::County),
            "d" => Some(CountyKind::CityWithoutCounties),
            "z" => Some(CountyKind::StatisticalZone),
            target => {
                self.retired.push((code, target.parse().ok()?));
                None
            }
        };
        let names = names(&mut fields)?;
        if let Some(kind) = kind {
            self.counties.push(County { code, kind, names, townships: Townships::default() });
        }
        for run in fields.next()?.split(',').filter(|run| !run.is_empty()) {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
            self.townships.extend((first..=last).map(|number| code * 1_000 + number));
        }
        Some(())
    }

    /// Adds the townships up into their counties and provinces.
    fn count(&mut self) {
        for &code in &self.townships {
            let written = code / 1_000;
            let county = current(&self.retired, written);
            let kind = TownshipKind::of(code);
            if let Ok(at) = self.counties.binary_search_by_key(&county, |county| county.code) {
                self.counties[at].townships.add(kind);
            }
            if let Ok(at) = self.provinces.binary_search_by_key(&province_of(written), |province| province.code) {
                self.provinces[at].townships.add(kind);
            }
        }
        for county in self.counties.iter().filter(|county| county.kind == CountyKind::County) {
            if let Ok(at) = self.provinces.binary_search_by_key(&province_of(county.code), |province| province.code) {
                self.provinces[at].counties += 1;
            }
        }
    }

    pub(super) fn province(&self, code: u8) -> Option<&Province> {
        self.provinces.binary_search_by_key(&code, |province| province.code).ok().map(|at| &self.provinces[at])
    }

    pub(super) fn city(&self, code: u16) -> Option<&City> {
        self.cities.binary_search_by_key(&code, |city| city.code).ok().map(|at| &self.cities[at])
    }

    pub(super) fn county(&self, code: u32) -> Option<&County> {
        self.counties.binary_search_by_key(&code, |county| county.code).ok().map(|at| &self.counties[at])
    }

    /// The county-level areas with codes from `first` up to, not including, `end`.
    pub(super) fn counties_between(&self, first: u32, end: u32) -> &[County] {
        let from = self.counties.partition_point(|county| county.code < first);
        let to = self.counties.partition_point(|county| county.code < end);
        self.counties.get(from..to).unwrap_or_default()
    }

    pub(super) fn knows_township(&self, code: u32) -> bool {
        self.townships.binary_search(&code).is_ok()
    }
}

/// The code in force for a code that may be retired; any other code is given back as it is.
pub(super) fn current(retired: &[(u32, u32)], code: u32) -> u32 {
    retired.binary_search_by_key(&code, |&(old, _)| old).map_or(code, |at| retired[at].1)
}

/// The first two of a county code's six digits.
pub(super) fn province_of(county: u32) -> u8 {
    u8::try_from(county / 10_000).unwrap_or(0)
}

/// The first four of a county code's six digits.
pub(super) fn city_of(county: u32) -> u16 {
    u16::try_from(county / 100).unwrap_or(0)
}

fn names(fields: &mut std::str::Split<'static, char>) -> Option<Names> {
    let name_zh = fields.next()?;
    Some(Names { name_zh, name: fields.next()? })
}

fn province_line(line: &'static str) -> Option<Province> {
    let mut fields = line.split('\t');
    let code = fields.next()?.parse().ok()?;
    Some(Province { code, names: names(&mut fields)?, counties: 0, townships: Townships::default() })
}

fn city_line(line: &'static str) -> Option<City> {
    let mut fields = line.split('\t');
    let code = fields.next()?.parse().ok()?;
    Some(City { code, names: names(&mut fields)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_the_committed_files_is_lost() {
        assert_eq!(TABLE.provinces.len(), PROVINCES.lines().count());
        assert_eq!(TABLE.cities.len(), CITIES.lines().count());
        assert_eq!(TABLE.counties.len() + TABLE.retired.len(), COUNTIES.lines().count());
        assert_eq!((TABLE.provinces.len(), TABLE.cities.len(), TABLE.townships.len()), (34, 342, 41_351));
    }

    #[test]
    fn every_list_rises_strictly_by_code() {
        assert!(TABLE.provinces.is_sorted_by(|a, b| a.code < b.code));
        assert!(TABLE.cities.is_sorted_by(|a, b| a.code < b.code));
        assert!(TABLE.counties.is_sorted_by(|a, b| a.code < b.code));
        assert!(TABLE.retired.is_sorted_by(|a, b| a.0 < b.0));
        assert!(TABLE.townships.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn every_county_lies_in_a_known_city_and_has_both_names() {
        for county in &TABLE.counties {
            assert!(TABLE.city(city_of(county.code)).is_some(), "{}", county.code);
            assert!(!county.names.name_zh.is_empty() && !county.names.name_zh.is_ascii(), "{}", county.code);
            assert!(county.names.name.starts_with(|first: char| first.is_uppercase()), "{}", county.code);
            assert!(county.names.name.chars().all(|c| c.is_ascii() || c == 'ü'), "{}", county.names.name);
        }
    }

    #[test]
    fn every_retired_code_leads_to_one_in_force_in_one_step() {
        for &(old, new) in &TABLE.retired {
            assert!(TABLE.county(old).is_none(), "{old} is in force");
            assert!(TABLE.county(new).is_some(), "{old} leads to {new}, which is unknown");
            assert_eq!(province_of(old), province_of(new), "{old} and {new} are in two provinces");
        }
    }

    #[test]
    fn the_committed_table_stays_small() {
        assert!(PROVINCES.len() + CITIES.len() + COUNTIES.len() < 250_000);
    }
}
