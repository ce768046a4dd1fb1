//! Coverage (覆盖, domain A8c and F6, F7, F13, F15, F16): where at least one connector stands, and where none does.
//! A county or township without any is a row of the inputs, or it would not be missed.

use super::Kind::{Integer, Number};
use super::value::{NullReason, Value, ratio};
use super::{Inputs, TownshipRow, indicators};

fn over_counties<'a>(i: &Inputs<'a>, value: impl Fn(&Inputs<'a>) -> Value<'a>) -> Value<'a> {
    i.if_wide(|i| if i.counties.is_empty() { Value::Null(NullReason::NoReferenceData) } else { value(i) })
}

fn over_townships<'a>(i: &Inputs<'a>, value: impl Fn(&'a [TownshipRow]) -> Value<'a>) -> Value<'a> {
    i.if_wide(|i| if i.townships.is_empty() { Value::Null(NullReason::NotInFeed) } else { value(i.townships) })
}

pub(super) fn township_coverage<'a>(i: &Inputs<'a>) -> Value<'a> {
    over_townships(i, |rows| {
        let covered = rows.iter().map(|row| row.covered).sum();
        ratio(covered, rows.iter().map(|row| row.total).sum(), 0)
    })
}

pub(super) fn service_area_coverage<'a>(i: &Inputs<'a>) -> Value<'a> {
    match (i.reference.service_areas_covered, i.reference.service_areas) {
        (Some(covered), Some(areas)) => ratio(covered, areas, 0),
        _ => Value::Null(NullReason::NoReferenceData),
    }
}

indicators! { Coverage:
    "F6" "township_coverage", Number, "1";
    "township coverage", "乡镇覆盖率";
    "towns and townships (镇, 乡) with a working public connector / all of them; known only where stations give a \
     township in their area code", "NEA [V]"
    => township_coverage;

    "F6" "townships_covered", Integer, "townships";
    "townships with a working public connector", "已覆盖乡镇数";
    "sum of townships.covered", "NEA [V]"
    => |i| over_townships(i, |rows| Value::Integer(rows.iter().map(|row| row.covered).sum()));

    "F6" "townships_total", Integer, "townships";
    "townships", "乡镇总数";
    "sum of townships.total", "NBS list of 2023 [V]"
    => |i| over_townships(i, |rows| Value::Integer(rows.iter().map(|row| row.total).sum()));

    "F6" "provinces_fully_covered", Integer, "provinces";
    "provinces in which every township is covered", "乡乡全覆盖省份数";
    "count of provinces with covered = total > 0", "NEA: 19 at the end of 2025 [V]"
    => |i| over_townships(i, |rows| {
        Value::Integer(rows.iter().filter(|row| row.total > 0 && row.covered >= row.total).count() as i64)
    });

    "F7" "county_coverage", Number, "1";
    "county coverage", "县域覆盖率";
    "counties with a public or dedicated facility / all counties of the scope", "NEA: 97 % in June 2025 [V2]"
    => |i| over_counties(i, |i| {
        let covered = i.counties.iter().filter(|row| row.public > 0).count();
        ratio(covered as i64, i.counties.len() as i64, 0)
    });

    "F13" "zero_service_counties", Integer, "counties";
    "counties without any public facility", "空白县";
    "count of counties with no public or dedicated facility", "own [D]"
    => |i| over_counties(i, |i| {
        Value::Integer(i.counties.iter().filter(|row| row.public <= 0).count() as i64)
    });

    "A8" "highway_service_area_coverage", Number, "1";
    "highway service areas with charging", "高速公路服务区覆盖率";
    "reference.service_areas_covered / reference.service_areas; the two sides of a service area are two unless the \
     register says otherwise", "NEA: above 98 % at the end of 2025 [V]"
    => service_area_coverage;

    "F15" "service_radius_coverage_900m", Number, "1";
    "built-up area within 900 m of a charger", "900 m服务半径覆盖率";
    "covered built-up area / built-up area: needs maps that this daemon does not have", "CAUPD [M]"
    => |_| Value::Null(NullReason::NoReferenceData);

    "F16" "public_density_per_km2", Number, "connectors/km2";
    "public facilities per built-up area", "公用桩密度";
    "census.public / reference.built_up_km2", "CAUPD [M]"
    => |i| match i.reference.built_up_km2 {
        Some(area) if area > 0.0 => i.with_census(|c| Value::number(c.public as f64 / area)),
        Some(_) => Value::Null(NullReason::NoDenominator),
        None => Value::Null(NullReason::NoReferenceData),
    };
}
