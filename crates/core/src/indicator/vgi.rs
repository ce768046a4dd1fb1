//! Vehicle-grid interaction (车网互动, domain section 6). Up means less net load, down means more. Sign conventions of
//! the senders end at the door; here export is what vehicles gave.

use crate::unit::kwh_from_joules;

use super::Kind::{Integer, Number};
use super::value::{NullReason, Value, ratio};
use super::{Inputs, Span, indicators};

pub(super) fn valley_share<'a>(i: &Inputs<'a>) -> Value<'a> {
    if i.tally.tariff_import_j > 0 {
        ratio(i.tally.valley_import_j, i.tally.tariff_import_j, 0)
    } else if i.tally.import_j > 0 {
        Value::Null(NullReason::NoReferenceData)
    } else {
        Value::Null(NullReason::NoDenominator)
    }
}

fn exported<'a>(span: Option<Span<'a>>) -> Value<'a> {
    Value::number_or(span.map(|span| kwh_from_joules(span.tally.export_j)), NullReason::NotRecorded)
}

pub(super) fn discharge_since_base<'a>(i: &Inputs<'a>) -> Value<'a> {
    exported(i.plan)
}

fn adjustable<'a>(i: &Inputs<'a>, watts: impl Fn(&crate::census::Snapshot) -> i64) -> Value<'a> {
    i.with_snapshot(|s| {
        if s.adjustable > 0 { Value::number(watts(s) as f64 / 1000.0) } else { Value::Null(NullReason::NoDenominator) }
    })
}

/// What a grid operator's call and its answer would be needed for.
const NO_CALLS: Value<'static> = Value::Null(NullReason::NotInFeed);

indicators! { Vgi:
    "E1" "energy_export_kwh", Number, "kWh";
    "reverse-discharge energy", "反向放电量";
    "export_j / 3.6e6", "three-year plan P13 [V]"
    => |i| Value::number(kwh_from_joules(i.tally.export_j));

    "E1" "energy_export_year_kwh", Number, "kWh";
    "reverse-discharge energy of the last twelve months kept", "近12个月反向放电量";
    "year.export_j / 3.6e6, over vgi.year_months_available months", "V2G pilot notice: 100000 kWh a year [V]"
    => |i| exported(i.year);

    "E1" "year_months_available", Integer, "months";
    "months behind the yearly figures", "年度数据月数";
    "months of the last twelve that are kept", "own [D]"
    => |i| Value::integer_or(i.year.map(|year| year.months_available), NullReason::NotRecorded);

    "E1" "energy_export_since_base_kwh", Number, "kWh";
    "reverse-discharge energy since the plan's base day", "累计反向放电量";
    "plan.export_j / 3.6e6", "three-year plan P13 [V]"
    => discharge_since_base;

    "E2" "export_import_ratio", Number, "1";
    "discharged over charged energy", "放充比";
    "export_j / import_j", "own [D]"
    => |i| ratio(i.tally.export_j, i.tally.import_j, 0);

    "E3" "v2g_connectors", Integer, "connectors";
    "facilities that can give energy back", "双向充电设施数";
    "census.v2g", "three-year plan P12 [V]"
    => |i| i.counted(|c| c.v2g);

    "E4" "discharge_rated_power_kw", Number, "kW";
    "rated power towards the grid", "放电总功率";
    "census.discharge_rated_w / 1000", "V2G pilot notice: 500 kW a project [V]"
    => |i| i.with_census(|c| Value::number(c.discharge_rated_w as f64 / 1000.0));

    "E5" "valley_charging_share", Number, "1";
    "share of energy charged in valley periods", "低谷充电电量占比";
    "valley_import_j / tariff_import_j: where the tariff's periods are known", "V2G pilot notice: 60 %, private 80 % [V]"
    => valley_share;

    "E6" "adjustable_up_kw", Number, "kW";
    "by how much net load could fall", "可上调容量(放电/减载)";
    "snapshot.adjustable_up_w / 1000", "demand-response practice [M]"
    => |i| adjustable(i, |s| s.adjustable_up_w);

    "E7" "adjustable_down_kw", Number, "kW";
    "by how much net load could rise", "可下调容量(增载)";
    "snapshot.adjustable_down_w / 1000", "demand-response practice [M]"
    => |i| adjustable(i, |s| s.adjustable_down_w);

    "E8" "response_rate", Number, "1";
    "delivered over called power of grid calls", "响应率";
    "mean change of power / called change: no dialect carries calls", "demand-response practice [M]"
    => |_| NO_CALLS;

    "E9" "response_time_s", Number, "s";
    "time until 90 % of the called power", "响应时间";
    "first t with 90 % of the call - time of the call: no dialect carries calls", "demand-response practice [M]"
    => |_| NO_CALLS;

    "E10" "participation_rate", Number, "1";
    "connectors that answered a call", "参与率";
    "responding / called connectors: no dialect carries calls", "demand-response practice [M]"
    => |_| NO_CALLS;

    "E11" "round_trip_efficiency", Number, "1";
    "round-trip efficiency", "充放电效率";
    "export / (import - capacity x change of charge): no dialect carries the battery's capacity", "own [D]"
    => |_| Value::Null(NullReason::NotInFeed);
}
