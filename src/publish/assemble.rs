//! From what the rollup gives out to the summary that goes over the wire: adds the names of regions, the tables that
//! no station sends, and the lists of stations that somebody should look at. It computes no figure itself.

use std::collections::BTreeSet;

use chargetally_core::indicator::{
    CountyRow, Inputs, Lists, NationRatio, NeedBasis, Peaks, Policy, Reference, SettingRow, Span, StationList,
    TownshipRow,
};
use chargetally_core::region::{
    NATION, Names as RegionNames, ReferenceData, Region, Setting, city_name, counties_of, county_name,
    is_policy_township, province_name, provinces, township_count,
};
use chargetally_core::rollup::{CensusBook, Figures, Names, Peak, Publication};
use chargetally_core::scope::{Level, Named, Part, Scope, StationIndex};
use chargetally_core::state::State;
use chargetally_core::tally::Tally;
use chargetally_core::time::{ArrivalTime, EventTime};
use chargetally_core::window::{Calendar, CivilDay, WindowKind};

use super::summary::{Place, Summary};
use crate::topic::ScopeName;

/// Stations in each list at most; the list says how many there are beyond.
const LIST_MAX: usize = 100;
const MS_PER_DAY: i64 = 86_400_000;

/// What summaries are assembled with.
#[derive(Clone, Debug)]
pub struct Assembler {
    /// The civil calendar that windows lie on.
    pub calendar: Calendar,
    /// What the settings decide.
    pub policy: Policy,
    /// Tables about regions.
    pub reference: ReferenceData,
    /// What those measure the need for charging by, as [`need_basis`] finds it.
    pub basis: Option<NeedBasis>,
    /// Days on which highway service areas are looked at.
    pub holidays: BTreeSet<CivilDay>,
    /// From which time utilisation on a holiday a highway service area should be upgraded.
    pub holiday_utilisation_min: f64,
    /// The tables that figures rest on, each with its version.
    pub versions: Vec<(String, String)>,
    /// When the daemon first took anything in.
    pub first: ArrivalTime,
}

/// A summary, ready to be sent, and the scope that its topic names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled<'a> {
    /// For the topic.
    pub scope: ScopeName<'a>,
    /// JSON.
    pub payload: Vec<u8>,
}

/// Code, name and Chinese name of a scope.
#[derive(Default)]
struct Called {
    code: Option<String>,
    name: Option<String>,
    name_zh: Option<String>,
}

impl Assembler {
    /// The summary of one publication.
    #[must_use]
    pub fn summary<'a>(&self, names: &'a Names, publication: &Publication<'_>, census: &CensusBook) -> Assembled<'a> {
        let scope = scope_name(names, publication.scope);
        let called = called(names, publication.scope);
        let wide = matches!(publication.scope, Scope::Nation | Scope::Province(_));
        let counties = if wide { self.county_rows(publication) } else { Vec::new() };
        let townships = if wide { township_rows(publication.scope, census) } else { Vec::new() };
        let station_lists = self.station_lists(names, publication);
        let setting = |wanted| setting_row(publication, wanted);

        let mut inputs = self.inputs_of(publication, &publication.figures);
        inputs.year = publication
            .twelve_months
            .as_ref()
            .map(|(tally, months)| Span { tally, months_available: i64::from(*months) });
        inputs.plan =
            publication.plan.as_ref().map(|(tally, months)| Span { tally, months_available: i64::from(*months) });
        inputs.reference = self.reference_of(publication);
        inputs.nation = self.nation_ratio(census);
        inputs.counties = &counties;
        inputs.townships = &townships;
        if wide {
            inputs.urban = setting(Setting::Urban);
            inputs.rural = setting(Setting::Rural);
        }
        inputs.lists = station_lists.as_lists();
        let parts: Vec<Inputs<'_>> = publication
            .parts
            .iter()
            .map(|part| Inputs { part: Some(part.part), ..self.inputs_of(publication, &part.figures) })
            .collect();
        let versions: Vec<(&str, &str)> =
            self.versions.iter().map(|(table, version)| (table.as_str(), version.as_str())).collect();
        let summary = Summary {
            place: Place {
                code: called.code.as_deref(),
                name: called.name.as_deref(),
                name_zh: called.name_zh.as_deref(),
            },
            revision: publication.revision,
            inputs,
            parts: &parts,
            versions: &versions,
        };
        Assembled { scope, payload: summary.to_json() }
    }

    /// The inputs that whole scopes and their parts have in common.
    fn inputs_of<'a>(&'a self, publication: &Publication<'a>, figures: &Figures<'a>) -> Inputs<'a> {
        let level = level_of(publication.scope);
        let window = publication.window;
        Inputs {
            census: Some(figures.census),
            snapshot: Some(figures.snapshot),
            peaks: peaks(figures.minute_peak, figures.quarter_peak),
            observed_days: (window.end.start_ms() - self.first.ms()).max(0) / MS_PER_DAY,
            ..Inputs::new(level, window, &self.calendar, &self.policy, figures.tally)
        }
    }

    fn need(&self, region: Region) -> Option<i64> {
        let need = match self.basis? {
            NeedBasis::EvStock => self.reference.ev_stock(region),
            NeedBasis::Population => self.reference.population(region),
        };
        need.and_then(|need| i64::try_from(need).ok())
    }

    fn reference_of(&self, publication: &Publication<'_>) -> Reference {
        let Some(region) = region_of(publication.scope) else { return Reference::default() };
        let whole = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
        let service_areas = whole(self.reference.highway_service_areas(region));
        Reference {
            ev_stock: whole(self.reference.ev_stock(region)),
            population: whole(self.reference.population(region)),
            service_areas,
            service_areas_covered: service_areas.map(|_| publication.figures.census.highway_stations),
            built_up_km2: None,
            need_basis: self.basis,
            need: self.need(region),
        }
    }

    fn nation_ratio(&self, census: &CensusBook) -> Option<NationRatio> {
        let need = self.need(Region::Nation)?;
        Some(NationRatio { public_rated_w: census.of(Scope::Nation)?.public_rated_w, need })
    }

    /// All counties of the scope, also those from which nothing was heard.
    fn county_rows(&self, publication: &Publication<'_>) -> Vec<CountyRow> {
        let wanted = if let Scope::Province(province) = publication.scope { Some(province) } else { None };
        provinces()
            .iter()
            .filter(|province| wanted.is_none_or(|wanted| wanted == province.code))
            .flat_map(|province| counties_of(province.code))
            .map(|county| {
                let found = publication.counties.binary_search_by_key(&county.code, |&(code, _)| code);
                let row = CountyRow {
                    county: county.code,
                    need: self.need(Region::County(county.code)),
                    ..CountyRow::default()
                };
                match found {
                    Ok(place) => county_row(row, &publication.counties[place].1),
                    Err(_) => row,
                }
            })
            .collect()
    }

    fn station_lists(&self, names: &Names, publication: &Publication<'_>) -> StationLists {
        let name = |station: StationIndex| -> Box<str> {
            let facts = names.station(station);
            format!("{}/{}", facts.operator, facts.id).into()
        };
        let listed = |stations: Vec<StationIndex>| NamedList {
            total: stations.len() as i64,
            stations: stations.into_iter().take(LIST_MAX).map(name).collect(),
        };
        let is_day = publication.window.kind == WindowKind::Day;
        let day = self.calendar.civil_day(publication.window.start.start_ms());
        let highway_upgrade = (is_day && self.holidays.contains(&day)).then(|| {
            let mut busy: Vec<(StationIndex, f64)> = publication
                .highway_stations
                .iter()
                .map(|&(station, tally)| (station, time_utilisation(tally)))
                .filter(|&(_, utilisation)| utilisation > self.holiday_utilisation_min)
                .collect();
            busy.sort_by(|one, other| other.1.total_cmp(&one.1));
            listed(busy.into_iter().map(|(station, _)| station).collect())
        });
        let stations = |found: &[(StationIndex, i64)]| listed(found.iter().map(|&(station, _)| station).collect());
        StationLists {
            highway_upgrade,
            congested: Some(stations(&publication.full_stations)),
            dormant: is_day.then(|| stations(&publication.dormant_stations)),
        }
    }
}

/// What the need for charging is measured by: registered vehicles where the tables have them for any county, else
/// residents where they have those.
#[must_use]
pub fn need_basis(reference: &ReferenceData) -> Option<NeedBasis> {
    let known = |of: &dyn Fn(Region) -> Option<u64>| {
        let counties = || provinces().iter().flat_map(|province| counties_of(province.code));
        counties().any(|county| of(Region::County(county.code)).is_some())
    };
    if known(&|region| reference.ev_stock(region)) {
        Some(NeedBasis::EvStock)
    } else if known(&|region| reference.population(region)) {
        Some(NeedBasis::Population)
    } else {
        None
    }
}

struct NamedList {
    total: i64,
    stations: Vec<Box<str>>,
}

struct StationLists {
    highway_upgrade: Option<NamedList>,
    congested: Option<NamedList>,
    dormant: Option<NamedList>,
}

impl StationLists {
    fn as_lists(&self) -> Lists<'_> {
        fn list(named: &Option<NamedList>) -> Option<StationList<'_>> {
            named.as_ref().map(|named| StationList { total: named.total, stations: &named.stations })
        }
        Lists {
            highway_upgrade: list(&self.highway_upgrade),
            congested: list(&self.congested),
            dormant: list(&self.dormant),
        }
    }
}

/// Time utilisation of a station's day (domain B1, without what was out of service on purpose); 0 where it had none.
fn time_utilisation(tally: &Tally) -> f64 {
    let scheduled_ms = tally.service_ms() - tally.in_state(State::Unavailable);
    if scheduled_ms > 0 { tally.in_state(State::Charging) as f64 / scheduled_ms as f64 } else { 0.0 }
}

fn county_row(row: CountyRow, figures: &Figures<'_>) -> CountyRow {
    CountyRow {
        public_rated_w: figures.census.public_rated_w,
        import_j: figures.tally.import_j,
        facilities: figures.census.facilities,
        public: figures.census.public + figures.census.dedicated,
        service_ms: figures.tally.service_ms(),
        charging_ms: figures.tally.in_state(State::Charging),
        ..row
    }
}

/// Coverage of townships by province; empty where no station's area names a township.
fn township_rows(scope: Scope, census: &CensusBook) -> Vec<TownshipRow> {
    if census.townships().is_empty() {
        return Vec::new();
    }
    let wanted = if let Scope::Province(province) = scope { Some(province) } else { None };
    provinces()
        .iter()
        .map(|province| province.code)
        .filter(|&province| wanted.is_none_or(|wanted| wanted == province))
        .map(|province| {
            let first = u32::from(province) * 10_000_000;
            let covered = census.townships().range(first..first + 10_000_000);
            TownshipRow {
                province,
                covered: covered.filter(|&&township| is_policy_township(township)).count() as i64,
                total: i64::from(township_count(province).policy()),
            }
        })
        .collect()
}

fn setting_row(publication: &Publication<'_>, wanted: Setting) -> Option<SettingRow> {
    let part = publication.parts.iter().find(|part| part.part == Part::Setting(Named::Known(wanted)))?;
    Some(SettingRow {
        public_rated_w: part.figures.census.public_rated_w,
        need: None,
        service_ms: part.figures.tally.service_ms(),
        charging_ms: part.figures.tally.in_state(State::Charging),
    })
}

fn peaks(minute: Peak, quarter: Peak) -> Peaks {
    let start = |peak: Peak| peak.start.map(|bucket| EventTime::from_ms(bucket.start_ms()));
    Peaks {
        minute_j: minute.import_j,
        minute_start: start(minute),
        quarter_j: quarter.import_j,
        quarter_start: start(quarter),
    }
}

fn level_of(scope: Scope) -> Level {
    match scope {
        Scope::Nation | Scope::Part { .. } => Level::Nation,
        Scope::Province(_) => Level::Province,
        Scope::City(_) => Level::City,
        Scope::County(_) => Level::County,
        Scope::Operator(_) => Level::Operator,
        Scope::Station(_) => Level::Station,
    }
}

fn region_of(scope: Scope) -> Option<Region> {
    match scope {
        Scope::Nation => Some(Region::Nation),
        Scope::Province(province) if province != 0 => Some(Region::Province(province)),
        Scope::City(city) if city != 0 => Some(Region::City(city)),
        Scope::County(county) if county != 0 => Some(Region::County(county)),
        _ => None,
    }
}

/// A scope as its topic names it. Parts have no topic of their own; they stand in the nation's or a province's.
fn scope_name(names: &Names, scope: Scope) -> ScopeName<'_> {
    match scope {
        Scope::Nation | Scope::Part { .. } => ScopeName::Nation,
        Scope::Province(province) => ScopeName::Province(province),
        Scope::City(city) => ScopeName::City(city),
        Scope::County(county) => ScopeName::County(county),
        Scope::Operator(operator) => ScopeName::Operator(names.operator(operator)),
        Scope::Station(station) => {
            let facts = names.station(station);
            ScopeName::Station { operator: &facts.operator, station: &facts.id }
        }
    }
}

fn called(names: &Names, scope: Scope) -> Called {
    let region = |width: usize, code: u32, names: Option<RegionNames>| Called {
        code: Some(if code == 0 { "unknown".to_owned() } else { format!("{code:0width$}") }),
        name: names.map(|names| names.name.to_owned()),
        name_zh: names.map(|names| names.name_zh.to_owned()),
    };
    match scope {
        Scope::Nation | Scope::Part { .. } => {
            Called { code: None, name: Some(NATION.name.to_owned()), name_zh: Some(NATION.name_zh.to_owned()) }
        }
        Scope::Province(code) => region(2, code.into(), province_name(code)),
        Scope::City(code) => region(4, code.into(), city_name(code)),
        Scope::County(code) => region(6, code, county_name(code)),
        Scope::Operator(operator) => Called { code: Some(names.operator(operator).to_owned()), ..Called::default() },
        Scope::Station(station) => {
            let facts = names.station(station);
            let given = (!facts.name.is_empty()).then(|| facts.name.to_string());
            let (name, name_zh) = if facts.name.is_ascii() { (given, None) } else { (None, given) };
            Called { code: Some(format!("{}/{}", facts.operator, facts.id)), name, name_zh }
        }
    }
}
