//! The tables that come from policy and statistics rather than from this program: `[indicators]`, `[targets]`,
//! `[baseline]` and `[reference]`. Nothing else in the program may hold one of these figures.

use std::path::PathBuf;

use chargetally_core::indicator::{Grading, Minimums, StarWeights};
use chargetally_core::rollup::ValleyPeriod;
use chargetally_core::window::CivilDay;

use super::meant::{absolute, date, name, valley_period};
use super::reader::Section;

/// More of anything than there will be.
const COUNT_MAX: u64 = 1_000_000_000_000;
/// Denominators that can be asked for at most.
const MINIMUM_MAX: u64 = 1_000_000_000;
/// Holidays that can be listed: ten years of them.
const HOLIDAYS_MAX: usize = 500;
/// Valley periods of a day at most.
const PERIODS_MAX: usize = 8;
const HOUR_MS: i64 = 3_600_000;
const SHARE: std::ops::RangeInclusive<f64> = 0.0..=1.0;

/// `[indicators]`: how much there must be before a figure is given, and how figures are graded.
#[derive(Debug, Clone, PartialEq)]
pub struct Indicators {
    /// How much there must be before a figure is given.
    pub minimums: Minimums,
    /// Whether `unavailable` counts as planned.
    pub unavailable_is_planned: bool,
    /// Days that the daemon must have watched before what is first seen counts as newly built.
    pub first_seen_days_min: i64,
    /// A county's or station's private connectors are given only from this many on.
    pub private_connectors_min: i64,
    /// How stations are graded for safety.
    pub grading: Grading,
    /// What the proxy of the star rating is made of.
    pub star: StarWeights,
}

pub(super) fn indicators(t: &mut Section<'_>) -> Indicators {
    let minimum = |t: &mut Section<'_>, key, default| i64::from(t.count::<u32>(key, default, 0..=MINIMUM_MAX));
    let hours = |t: &mut Section<'_>, key, default| i64::from(t.count::<u32>(key, default, 0..=87_600)) * HOUR_MS;
    let indicators = Indicators {
        minimums: Minimums {
            service_ms: hours(t, "min_service_h", 0),
            attempts: minimum(t, "min_attempts", 10),
            sessions: minimum(t, "min_sessions", 10),
            rate_sessions: minimum(t, "min_rate_sessions", 30),
            rate_service_ms: hours(t, "min_rate_service_h", 24),
            failures: minimum(t, "min_failures", 3),
            percentile_values: minimum(t, "min_percentile_values", 10),
        },
        unavailable_is_planned: t.flag("unavailable_is_planned", true),
        first_seen_days_min: minimum(t, "first_seen_days", 60),
        private_connectors_min: minimum(t, "min_private_connectors", 10),
        grading: grading(t),
        star: StarWeights {
            availability: t.number("star_weight_availability", 0.35, SHARE),
            session_success: t.number("star_weight_session_success", 0.35, SHARE),
            idle_occupation: t.number("star_weight_idle_occupation", 0.1, SHARE),
            safety: t.number("star_weight_safety", 0.2, SHARE),
        },
    };
    let StarWeights { availability, session_success, idle_occupation, safety } = indicators.star;
    if availability + session_success + idle_occupation + safety <= 0.0 {
        t.refuse("star_weight_availability", "is 0, and so are the other star weights".to_owned());
    }
    indicators
}

fn grading(t: &mut Section<'_>) -> Grading {
    const REFERENCE: std::ops::RangeInclusive<f64> = 0.001..=100_000.0;
    let grading = Grading {
        weights: [
            t.number("safety_weight_level_1", 0.6, SHARE),
            t.number("safety_weight_level_2", 0.3, SHARE),
            t.number("safety_weight_level_3", 0.1, SHARE),
        ],
        references_per_1000_connector_days: [
            t.number("safety_reference_level_1", 1.0, REFERENCE),
            t.number("safety_reference_level_2", 5.0, REFERENCE),
            t.number("safety_reference_level_3", 20.0, REFERENCE),
        ],
        serious_above: t.number("safety_serious_above", 0.5, SHARE),
        general_above: t.number("safety_general_above", 0.2, SHARE),
    };
    if grading.general_above >= grading.serious_above {
        t.refuse("safety_general_above", "must be below safety_serious_above".to_owned());
    }
    grading
}

/// `[targets]`: what is to be reached by a date. Shares are from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the shipped settings file explains each figure with its source")]
pub struct Targets {
    /// Names this edition of targets, baseline and indicators; every summary repeats it.
    pub version: String,
    /// The date by which the targets are to be reached.
    pub date: CivilDay,
    pub facilities_total: u64,
    pub public_capacity_kw: u64,
    pub ev_served: u64,
    pub urban_new_dc_guns: u64,
    pub urban_new_highpower: u64,
    pub highway_new_guns_ge60: u64,
    pub highway_sa_coverage: f64,
    pub township_new_dc_guns: u64,
    pub township_coverage: f64,
    pub residential_parking_ready: f64,
    pub residential_pilots: u64,
    pub v2g_new_facilities: u64,
    pub v2g_discharge_kwh: u64,
    pub highpower_availability_min: f64,
    pub holiday_util_trigger: f64,
    pub highway_new_highpower_share_min: f64,
    pub valley_share_min: f64,
    pub valley_share_private_min: f64,
    pub uk_rapid_reliability_min: f64,
}

pub(super) fn targets(t: &mut Section<'_>) -> Targets {
    Targets {
        version: t.text("version", "default", |text| name(text, 64)),
        date: t.text("date", "2027-12-31", date),
        facilities_total: t.whole("facilities_total", 28_000_000, 0..=COUNT_MAX),
        public_capacity_kw: t.whole("public_capacity_kw", 300_000_000, 0..=COUNT_MAX),
        ev_served: t.whole("ev_served", 80_000_000, 0..=COUNT_MAX),
        urban_new_dc_guns: t.whole("urban_new_dc_guns", 1_600_000, 0..=COUNT_MAX),
        urban_new_highpower: t.whole("urban_new_highpower", 100_000, 0..=COUNT_MAX),
        highway_new_guns_ge60: t.whole("highway_new_guns_ge60", 40_000, 0..=COUNT_MAX),
        highway_sa_coverage: t.number("highway_sa_coverage", 1.0, SHARE),
        township_new_dc_guns: t.whole("township_new_dc_guns", 14_000, 0..=COUNT_MAX),
        township_coverage: t.number("township_coverage", 1.0, SHARE),
        residential_parking_ready: t.number("residential_parking_ready", 1.0, SHARE),
        residential_pilots: t.whole("residential_pilots", 1_000, 0..=COUNT_MAX),
        v2g_new_facilities: t.whole("v2g_new_facilities", 5_000, 0..=COUNT_MAX),
        v2g_discharge_kwh: t.whole("v2g_discharge_kwh", 20_000_000, 0..=COUNT_MAX),
        highpower_availability_min: t.number("highpower_availability_min", 0.98, SHARE),
        holiday_util_trigger: t.number("holiday_util_trigger", 0.40, SHARE),
        highway_new_highpower_share_min: t.number("highway_new_highpower_share_min", 0.25, SHARE),
        valley_share_min: t.number("valley_share_min", 0.60, SHARE),
        valley_share_private_min: t.number("valley_share_private_min", 0.80, SHARE),
        uk_rapid_reliability_min: t.number("uk_rapid_reliability_min", 0.99, SHARE),
    }
}

/// `[baseline]`: the published figures that the count towards the targets starts from.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the shipped settings file explains each figure with its source")]
pub struct Baseline {
    /// The date that the figures are of.
    pub date: CivilDay,
    pub total: u64,
    pub public_kw: u64,
    pub ev_served: u64,
    pub highway_sa_coverage: f64,
}

pub(super) fn baseline(t: &mut Section<'_>) -> Baseline {
    Baseline {
        date: t.text("date", "2025-12-31", date),
        total: t.whole("total", 20_092_000, 0..=COUNT_MAX),
        public_kw: t.whole("public_kw", 220_000_000, 0..=COUNT_MAX),
        ev_served: t.whole("ev_served", 40_000_000, 0..=COUNT_MAX),
        highway_sa_coverage: t.number("highway_sa_coverage", 0.98, SHARE),
    }
}

/// `[reference]`: reference data that no message carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Names this edition of the reference data; every summary repeats it.
    pub version: String,
    /// A table of regions' figures; `None` knows none.
    pub regions_csv: Option<PathBuf>,
    /// Public holidays.
    pub holidays: Vec<CivilDay>,
    /// The tariff's valley periods, everywhere the same; empty where they are not known.
    pub valley_periods: Vec<ValleyPeriod>,
    /// A table of valley periods by province and month; it goes before `valley_periods`.
    pub valley_csv: Option<PathBuf>,
}

pub(super) fn reference(t: &mut Section<'_>) -> Reference {
    Reference {
        version: t.text("version", "default", |text| name(text, 64)),
        regions_csv: t.text("regions_csv", "", absolute),
        holidays: t.list("holidays", &[], HOLIDAYS_MAX, date),
        valley_periods: t.list("valley_periods", &[], PERIODS_MAX, valley_period),
        valley_csv: t.text("valley_csv", "", absolute),
    }
}
