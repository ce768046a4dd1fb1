//! Target progress (目标完成度, domain A15): what is there against what the three-year plan aims at (P1 to P13), and the
//! gap to its pace. Goals are the nation's: other levels have none. What this daemon does not see is not there for it,
//! so progress is of the connected part.

use crate::registration::Access;
use crate::scope::{Named, Part};
use crate::unit::kw_from_watts;
use crate::window::days_from_civil;

use super::Inputs;
use super::Kind::Number;
use super::coverage::{service_area_coverage, township_coverage};
use super::policy::{GOALS, Target};
use super::service::{availability_strict, nevi_share_above, uk_reliability_year};
use super::value::{NullReason, Value, ratio};
use super::vgi::{discharge_since_base, valley_share};

/// What is there, in the goal's unit, by goal.
const ACTUALS: [for<'a> fn(&Inputs<'a>) -> Value<'a>; GOALS] = [
    |i| i.counted(|c| c.facilities),
    |i| i.with_census(|c| Value::number(kw_from_watts(c.public_rated_w))),
    |i| Value::integer_or(i.reference.ev_stock, NullReason::NoReferenceData),
    |i| Value::integer_or(i.since_base.urban_dc, NullReason::NotRecorded),
    |i| Value::integer_or(i.since_base.urban_high_power, NullReason::NotRecorded),
    |i| Value::integer_or(i.since_base.highway_60kw, NullReason::NotRecorded),
    service_area_coverage,
    |i| Value::integer_or(i.since_base.township_dc, NullReason::NotRecorded),
    township_coverage,
    |_| Value::Null(NullReason::NotInFeed),
    |i| Value::integer_or(i.since_base.residential_pilots, NullReason::NotInFeed),
    |i| match i.since_base.v2g {
        Some(count) => Value::Integer(count),
        None => i.counted(|c| c.v2g),
    },
    discharge_since_base,
];

fn target(i: &Inputs<'_>, goal: usize) -> Target {
    i.policy.plan.targets[goal]
}

/// How much of the target is reached: actual / target.
fn progress<'a, const GOAL: usize>(i: &Inputs<'a>) -> Value<'a> {
    i.if_nation(|i| {
        let actual = ACTUALS[GOAL](i);
        let Some(number) = actual.as_f64() else { return actual };
        match target(i, GOAL).target {
            Some(target) if target > 0.0 => Value::number(number / target),
            _ => Value::Null(NullReason::NoReferenceData),
        }
    })
}

/// What a steady pace from base to target demands at the end of the window's last civil day:
/// `base + (target - base) x (t - t0) / (t1 - t0)`, days, held at the ends.
fn required<'a, const GOAL: usize>(i: &Inputs<'a>) -> Value<'a> {
    i.if_nation(|i| {
        let plan = &i.policy.plan;
        let Target { base: Some(base), target: Some(target) } = target(i, GOAL) else {
            return Value::Null(NullReason::NoReferenceData);
        };
        let (from, to) = (days_from_civil(plan.base_day), days_from_civil(plan.target_day));
        let elapsed = ratio((i.last_day() - from).clamp(0, (to - from).max(0)), to - from, 0);
        elapsed.map(|share| base + (target - base) * share)
    })
}

/// How far what is there lies above (or, negative, below) that pace.
fn pace_gap<'a, const GOAL: usize>(i: &Inputs<'a>) -> Value<'a> {
    i.if_nation(|i| {
        let actual = ACTUALS[GOAL](i);
        let Some(number) = actual.as_f64() else { return actual };
        required::<GOAL>(i).map(|required| number - required)
    })
}

/// How far a ratio lies above (or, negative, below) what it must reach.
fn above<'a>(value: Value<'a>, least: f64) -> Value<'a> {
    value.map(|number| number - least)
}

fn valley_share_gap<'a>(i: &Inputs<'a>) -> Value<'a> {
    let is_private = i.part == Some(Part::Access(Named::Known(Access::Private)));
    let least = if is_private { i.policy.valley_share_private_min } else { i.policy.valley_share_min };
    above(valley_share(i), least)
}

macro_rules! goals {
    ($($goal:literal $id:literal $name:literal $suffix:literal $unit:literal, $en:literal, $zh:literal, $what:literal;)*
     ratios: $($ratio_id:literal $ratio_name:literal, $ratio_en:literal, $ratio_zh:literal, $formula:literal,
               $source:literal => $compute:expr;)*) => {
        /// Names of the goals P1 to P13, as the settings write them.
        pub const GOAL_NAMES: [&str; GOALS] = [$($name,)*];

        /// The indicators of this group, in the order of a summary.
        pub const INDICATORS: &[super::Indicator] = &[
            $(
                super::Indicator {
                    id: concat!("A15-", $id),
                    group: super::Group::Targets,
                    name: concat!($name, "_progress"),
                    kind: Number,
                    unit: "1",
                    name_en: concat!($en, ": share of the target reached"),
                    name_zh: concat!($zh, "：目标完成度"),
                    formula: concat!($what, " / target"),
                    source: "three-year plan, NDRC 1250 of 2025 [V]",
                    compute: progress::<$goal>,
                },
                super::Indicator {
                    id: concat!("A15-", $id),
                    group: super::Group::Targets,
                    name: concat!($name, "_required", $suffix),
                    kind: Number,
                    unit: $unit,
                    name_en: concat!($en, ": what a steady pace demands by now"),
                    name_zh: concat!($zh, "：按进度应达到"),
                    formula: "base + (target - base) x (t - base day) / (target day - base day), in civil days",
                    source: "pace rule [D]; base NEA, end of 2025 [V] where published",
                    compute: required::<$goal>,
                },
                super::Indicator {
                    id: concat!("A15-", $id),
                    group: super::Group::Targets,
                    name: concat!($name, "_pace_gap", $suffix),
                    kind: Number,
                    unit: $unit,
                    name_en: concat!($en, ": ahead of (negative: behind) a steady pace"),
                    name_zh: concat!($zh, "：进度差"),
                    formula: concat!($what, " - what a steady pace demands by now"),
                    source: "pace rule [D]",
                    compute: pace_gap::<$goal>,
                },
            )*
            $(
                super::Indicator {
                    id: $ratio_id,
                    group: super::Group::Targets,
                    name: $ratio_name,
                    kind: Number,
                    unit: "1",
                    name_en: $ratio_en,
                    name_zh: $ratio_zh,
                    formula: $formula,
                    source: $source,
                    compute: $compute,
                },
            )*
        ];
    };
}

goals! {
    0 "P1" "facilities" "_connectors" "connectors", "charging facilities", "充电设施", "census.facilities";
    1 "P2" "public_capacity" "_kw" "kW", "public charging capacity", "公共充电容量", "census.public_rated_w / 1000";
    2 "P3" "evs_served" "_vehicles" "vehicles", "electric vehicles served", "满足电动汽车充电需求", "reference.ev_stock";
    3 "P4" "urban_new_dc" "_connectors" "connectors", "new urban direct-current connectors", "城市新增直流枪",
        "built since the base day";
    4 "P5" "urban_new_high_power" "_connectors" "connectors", "new urban high-power connectors", "城市新增大功率枪",
        "built since the base day";
    5 "P6" "highway_new_60kw" "_connectors" "connectors", "new highway connectors of 60 kW and more",
        "高速服务区新建改建超快结合枪", "built since the base day";
    6 "P7" "highway_service_area_coverage" "" "1", "highway service areas with charging", "高速服务区覆盖",
        "coverage.highway_service_area_coverage";
    7 "P8" "township_new_dc" "_connectors" "connectors", "direct-current connectors in townships that had none",
        "无桩乡镇新增直流枪", "built since the base day";
    8 "P9" "township_coverage" "" "1", "township coverage", "乡镇覆盖", "coverage.township_coverage";
    9 "P10" "new_residential_parking" "" "1", "parking in new residential areas built or reserved for charging",
        "新建居住区车位建设或预留", "share of parking: no dialect carries it";
    10 "P11" "residential_pilots" "_communities" "communities", "communities whose charging one party builds and runs",
        "统建统服小区", "counted outside and supplied";
    11 "P12" "v2g" "_connectors" "connectors", "new facilities that can give energy back", "新增双向充放电设施",
        "since_base.v2g, or census.v2g where that is not tracked";
    12 "P13" "v2g_discharge" "_kwh" "kWh", "reverse discharge since the base day", "反向放电量", "plan.export_j / 3.6e6";

    ratios:
    "C1" "availability_strict_gap", "strict availability above (negative: below) 98 %", "设备可用率与目标差",
        "service.availability_strict - policy.availability_min", "NDRC/NEA notice 632 [V]"
        => |i| above(availability_strict(i), i.policy.availability_min);
    "A10" "highway_new_high_power_share_gap", "high-power share of new highway facilities above (negative: below) 25 %",
        "高速新增大功率占比与目标差",
        "facilities.highway_new_high_power_share - policy.highway_new_high_power_share_min", "MOT 2025-12-23 [V]"
        => |i| above(super::facilities::highway_new_high_power_share(i), i.policy.highway_new_high_power_share_min);
    "E5" "valley_charging_share_gap", "valley share above (negative: below) 60 %, at private connectors 80 %",
        "低谷充电占比与目标差",
        "vgi.valley_charging_share - policy.valley_share_min (private: valley_share_private_min)",
        "V2G pilot notice [V]" => valley_share_gap;
    "C4" "nevi_ports_above_97_share_gap", "ports above 97 % (NEVI rule), short of all of them", "NEVI达标端口差",
        "service.nevi_ports_above_97_share - 1", "23 CFR 680.116 [V]" => |i| above(nevi_share_above(i), 1.0);
    "C5" "uk_reliability_year_gap", "reliability of rapid connectors above (negative: below) 99 %", "英国可靠性与目标差",
        "service.uk_reliability_year - policy.uk_reliability_min", "SI 2023/1168 [V]"
        => |i| above(uk_reliability_year(i), i.policy.uk_reliability_min);
}
