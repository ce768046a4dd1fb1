//! The tables that come from policy and statistics rather than from this program: `[targets]`, `[baseline]` and
//! `[reference]`. Nothing else in the program may hold one of these figures.

use std::path::PathBuf;

use jiff::civil::Date;

use super::meant::{DayPeriod, absolute, date, name};
use super::reader::Section;

/// More of anything than there will be.
const COUNT_MAX: u64 = 1_000_000_000_000;
/// Holidays that can be listed: ten years of them.
const HOLIDAYS_MAX: usize = 500;
/// Valley periods of a day at most.
const PERIODS_MAX: usize = 8;

/// `[targets]`: what is to be reached by a date. Shares are from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the shipped settings file explains each figure with its source")]
pub struct Targets {
    /// The date by which the targets are to be reached.
    pub date: Date,
    pub facilities_total: u64,
    pub public_capacity_kw: u64,
    pub ev_served: u64,
    pub urban_new_dc_guns: u64,
    pub urban_new_highpower: u64,
    pub highway_new_guns_ge60: u64,
    pub township_new_dc_guns: u64,
    pub v2g_new_facilities: u64,
    pub v2g_discharge_kwh: u64,
    pub residential_pilots: u64,
    pub highpower_kw_min: f64,
    pub highpower_availability_min: f64,
    pub holiday_util_trigger: f64,
    pub daily_time_util_trigger: f64,
    pub highway_new_highpower_share_min: f64,
    pub valley_share_min: f64,
    pub valley_share_private_min: f64,
    pub v2g_project_kw_min: u64,
    pub v2g_project_kwh_min: u64,
    pub nevi_uptime_min: f64,
    pub uk_rapid_reliability_min: f64,
}

pub(super) fn targets(t: &mut Section<'_>) -> Targets {
    const SHARE: std::ops::RangeInclusive<f64> = 0.0..=1.0;
    Targets {
        date: t.text("date", "2027-12-31", date),
        facilities_total: t.whole("facilities_total", 28_000_000, 0..=COUNT_MAX),
        public_capacity_kw: t.whole("public_capacity_kw", 300_000_000, 0..=COUNT_MAX),
        ev_served: t.whole("ev_served", 80_000_000, 0..=COUNT_MAX),
        urban_new_dc_guns: t.whole("urban_new_dc_guns", 1_600_000, 0..=COUNT_MAX),
        urban_new_highpower: t.whole("urban_new_highpower", 100_000, 0..=COUNT_MAX),
        highway_new_guns_ge60: t.whole("highway_new_guns_ge60", 40_000, 0..=COUNT_MAX),
        township_new_dc_guns: t.whole("township_new_dc_guns", 14_000, 0..=COUNT_MAX),
        v2g_new_facilities: t.whole("v2g_new_facilities", 5_000, 0..=COUNT_MAX),
        v2g_discharge_kwh: t.whole("v2g_discharge_kwh", 20_000_000, 0..=COUNT_MAX),
        residential_pilots: t.whole("residential_pilots", 1_000, 0..=COUNT_MAX),
        highpower_kw_min: t.number("highpower_kw_min", 250.0, 1.0..=10_000.0),
        highpower_availability_min: t.number("highpower_availability_min", 0.98, SHARE),
        holiday_util_trigger: t.number("holiday_util_trigger", 0.40, SHARE),
        daily_time_util_trigger: t.number("daily_time_util_trigger", 0.40, SHARE),
        highway_new_highpower_share_min: t.number("highway_new_highpower_share_min", 0.25, SHARE),
        valley_share_min: t.number("valley_share_min", 0.60, SHARE),
        valley_share_private_min: t.number("valley_share_private_min", 0.80, SHARE),
        v2g_project_kw_min: t.whole("v2g_project_kw_min", 500, 0..=COUNT_MAX),
        v2g_project_kwh_min: t.whole("v2g_project_kwh_min", 100_000, 0..=COUNT_MAX),
        nevi_uptime_min: t.number("nevi_uptime_min", 0.97, SHARE),
        uk_rapid_reliability_min: t.number("uk_rapid_reliability_min", 0.99, SHARE),
    }
}

/// `[baseline]`: the published figures that the count towards the targets starts from.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the shipped settings file explains each figure with its source")]
pub struct Baseline {
    /// The date that the figures are of.
    pub date: Date,
    pub total: u64,
    pub public: u64,
    pub private: u64,
    pub public_kw: u64,
    pub private_kva: u64,
    pub avg_public_kw: f64,
    pub highway: u64,
    pub highway_sa_coverage: f64,
    pub provinces_full_township: u64,
}

pub(super) fn baseline(t: &mut Section<'_>) -> Baseline {
    let baseline = Baseline {
        date: t.text("date", "2025-12-31", date),
        total: t.whole("total", 20_092_000, 0..=COUNT_MAX),
        public: t.whole("public", 4_717_000, 0..=COUNT_MAX),
        private: t.whole("private", 15_375_000, 0..=COUNT_MAX),
        public_kw: t.whole("public_kw", 220_000_000, 0..=COUNT_MAX),
        private_kva: t.whole("private_kva", 134_000_000, 0..=COUNT_MAX),
        avg_public_kw: t.number("avg_public_kw", 46.53, 0.0..=10_000.0),
        highway: t.whole("highway", 71_500, 0..=COUNT_MAX),
        highway_sa_coverage: t.number("highway_sa_coverage", 0.98, 0.0..=1.0),
        provinces_full_township: t.whole("provinces_full_township", 19, 0..=34),
    };
    if baseline.public > baseline.total {
        t.refuse("public", "is more than total".to_owned());
    }
    baseline
}

/// `[reference]`: reference data that no message carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Names this edition of the reference data; every summary repeats it.
    pub version: String,
    /// A table of regions; `None` takes the built-in one.
    pub regions_csv: Option<PathBuf>,
    /// Public holidays.
    pub holidays: Vec<Date>,
    /// The tariff's valley periods, everywhere the same; empty where they are not known.
    pub valley_periods: Vec<DayPeriod>,
    /// A table of valley periods by province and month; it goes before `valley_periods`.
    pub valley_csv: Option<PathBuf>,
}

pub(super) fn reference(t: &mut Section<'_>) -> Reference {
    Reference {
        version: t.text("version", "default", |text| name(text, 64)),
        regions_csv: t.text("regions_csv", "", absolute),
        holidays: t.list("holidays", &[], HOLIDAYS_MAX, date),
        valley_periods: t.list("valley_periods", &[], PERIODS_MAX, DayPeriod::parse),
        valley_csv: t.text("valley_csv", "", absolute),
    }
}
