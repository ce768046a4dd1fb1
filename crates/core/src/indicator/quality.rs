//! Data quality (数据质量, domain 8.G): how far the other groups can be believed. The share of unknown time and the
//! coverage of the register stand in every summary.

use crate::histogram::{LATENCY_MS, percentile};
use crate::state::State;

use super::Kind::{Integer, Number};
use super::value::{NullReason, Value, ratio, share};
use super::{Inputs, indicators};

/// A percentile of the latencies, ms.
fn latency<'a>(i: &Inputs<'a>, percent: i64) -> Value<'a> {
    let total: i64 = i.tally.latency.iter().sum();
    if total <= 0 {
        Value::Null(NullReason::NoDenominator)
    } else if total < i.policy.minimums.percentile_values {
        Value::Null(NullReason::Insufficient)
    } else {
        Value::integer_or(percentile(&LATENCY_MS, &i.tally.latency, percent), NullReason::Undefined)
    }
}

/// What was decodable, whether or not it came in time.
fn decoded(i: &Inputs<'_>) -> i64 {
    i.tally.accepted + i.count(|e| e.duplicate + e.late + e.future + e.out_of_order)
}

indicators! { Quality:
    "G1" "completeness", Number, "1";
    "completeness", "完整率";
    "accepted x policy.expected_interval_ms / (service time - planned); above 1 where connectors send more often",
    "own [D]"
    => |i| match i.policy.expected_interval_ms {
        Some(interval_ms) => {
            ratio(i.tally.accepted, i.strict_ms(), i.policy.minimums.service_ms).map(|r| r * interval_ms as f64)
        }
        None => Value::Null(NullReason::NoReferenceData),
    };

    "G2" "latency_p50_ms", Integer, "ms";
    "median latency", "时延P50";
    "upper bound of the cell of latency (arrival - event time) that holds 50 %", "own [D]"
    => |i| latency(i, 50);

    "G2" "latency_p95_ms", Integer, "ms";
    "latency that 95 % do not exceed", "时延P95";
    "upper bound of the cell of latency that holds 95 %", "own [D]"
    => |i| latency(i, 95);

    "G3" "field_validity", Number, "1";
    "share of messages that pass schema and range", "合格率";
    "(accepted + duplicate + late + future + out_of_order) / (the same + rejected)", "own [D]"
    => |i| ratio(decoded(i), decoded(i) + i.count(|e| e.rejected), 0);

    "G3" "acceptance", Number, "1";
    "share of messages that were taken in", "接收率";
    "accepted / (accepted + duplicate + late + future + out_of_order + rejected)", "own [D]"
    => |i| ratio(i.tally.accepted, decoded(i) + i.count(|e| e.rejected), 0);

    "G4" "unknown_time_share", Number, "1";
    "share of time about which nothing is known", "未知时长占比";
    "state_ms.unobserved / (service time - planned)", "own [D]"
    => |i| ratio(i.in_state(State::Unobserved), i.strict_ms(), i.policy.minimums.service_ms);

    "G5" "unmapped_codes", Integer, "codes";
    "codes outside the known lists", "未映射代码数";
    "unmapped", "own [D]"
    => |i| Value::Integer(i.count(|e| e.unmapped));

    "G6" "register_coverage", Number, "1";
    "connectors heard, of those registered", "在册接入率";
    "census.heard / census.registered", "own [D]"
    => |i| i.with_census(|c| share(c.heard, c.registered, 0));

    "G6" "unregistered_connectors", Integer, "connectors";
    "connectors heard that no registration names", "未登记枪数";
    "census.unregistered", "own [D]"
    => |i| i.counted(|c| c.unregistered);

    "G6" "national_share", Number, "1";
    "facilities connected, of all in the nation", "全国接入占比";
    "census.facilities / policy.national_facilities", "NEA: 20.092 million at the end of 2025 [V]"
    => |i| i.if_nation(|i| i.with_census(|c| ratio(c.facilities, i.policy.national_facilities, 0)));
}
