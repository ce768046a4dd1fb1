//! Reliability and service quality (可靠性与服务品质, domain 8.C): whether what stands there works, and whether who
//! comes gets what he came for. The three rules of reliability (own strict, United States, United Kingdom) treat
//! silence differently and must never be compared without their names.

use crate::histogram::START_MS;
use crate::observation::StopReason;
use crate::state::State;

use super::Kind::{Integer, Number};
use super::efficiency::{idle_occupation, percentile_in};
use super::safety::safety_score;
use super::value::{NullReason, Value, rate, ratio, share};
use super::{Inputs, indicators};

const MS_PER_HOUR: f64 = 3_600_000.0;
const MS_PER_S: f64 = 1000.0;
const PPM: f64 = 1e6;

/// Minutes of a year by the letter of 23 CFR 680.116, leap year or not.
const NEVI_YEAR_MIN: f64 = 525_600.0;

/// One port's annual uptime (domain 4.1): `(525 600 - (outage - excluded)) / 525 600`, minutes.
#[must_use]
pub fn nevi_uptime(outage_min: i64, excluded_min: i64) -> f64 {
    (NEVI_YEAR_MIN - (outage_min - excluded_min) as f64) / NEVI_YEAR_MIN
}

/// Stars by score, 0 to 100 (the bands of the star rating, 2024): 90, 80, 70, 60.
#[must_use]
pub fn star_of_score(score: f64) -> i64 {
    match score {
        s if s >= 90.0 => 5,
        s if s >= 80.0 => 4,
        s if s >= 70.0 => 3,
        s if s >= 60.0 => 2,
        _ => 1,
    }
}

fn up_share<'a>(i: &Inputs<'a>, whole_ms: i64) -> Value<'a> {
    ratio(i.up_ms(), whole_ms, i.policy.minimums.service_ms)
}

pub(super) fn availability_strict<'a>(i: &Inputs<'a>) -> Value<'a> {
    up_share(i, i.strict_ms())
}

pub(super) fn uk_reliability<'a>(down_ms: i64, rapid_ms: i64) -> Value<'a> {
    ratio(rapid_ms - down_ms, rapid_ms, 0)
}

pub(super) fn uk_reliability_year<'a>(i: &Inputs<'a>) -> Value<'a> {
    i.year.map_or(Value::Null(NullReason::NotRecorded), |year| {
        uk_reliability(year.tally.rapid_down_ms, year.tally.rapid_ms)
    })
}

pub(super) fn nevi_share_above<'a>(i: &Inputs<'a>) -> Value<'a> {
    i.with_snapshot(|s| ratio(s.uptime_ports_up, s.uptime_ports, 0))
}

fn session_success<'a>(i: &Inputs<'a>) -> Value<'a> {
    let attempted = i.count(|e| e.sessions_attempted);
    share(i.count(|e| e.sessions_completed), attempted, i.policy.minimums.attempts)
}

/// The weighted score behind the star proxy, 0 to 100; null as soon as one part is.
fn star_score<'a>(i: &Inputs<'a>) -> Value<'a> {
    let weights = i.policy.star;
    let safety = safety_score(i).map(|score| 1.0 - score);
    let parts = [
        (weights.availability, availability_strict(i)),
        (weights.session_success, session_success(i)),
        (weights.idle_occupation, idle_occupation(i).map(|idle| 1.0 - idle)),
        (weights.safety, safety),
    ];
    let (mut sum, mut weight_sum) = (0.0, 0.0);
    for (weight, part) in parts {
        let Some(number) = part.as_f64() else { return part };
        sum += weight * number;
        weight_sum += weight;
    }
    Value::number(100.0 * sum / weight_sum)
}

/// Stops of one kind per thousand started sessions.
fn per_mille_started<'a>(i: &Inputs<'a>, stops: i64) -> Value<'a> {
    rate(1000.0, stops, i.count(|e| e.sessions_started), i.policy.minimums.rate_sessions)
}

indicators! { Service:
    "C1" "availability_strict", Number, "1";
    "equipment availability, silence counts against", "设备可用率(严格)";
    "state_ms (available + occupied + charging + discharging + reserved) / (service time - planned)",
    "target 98 %: NDRC/NEA notice 632 [V]; formula [D]"
    => availability_strict;

    "C1" "availability_lenient", Number, "1";
    "equipment availability, of observed time", "设备可用率(宽松)";
    "state_ms (available + occupied + charging + discharging + reserved) / (service time - planned - offline \
     - unobserved)", "own [D]"
    => |i| up_share(i, i.lenient_ms());

    "C1" "availability_calendar", Number, "1";
    "equipment availability, planned outage counts against too", "设备可用率(日历)";
    "state_ms (available + occupied + charging + discharging + reserved) / sum of state_ms", "own [D]"
    => |i| up_share(i, i.calendar_ms());

    "C2" "online_rate", Number, "1";
    "online rate", "在线率";
    "(service time - planned - offline - unobserved) / (service time - planned)", "own [D]"
    => |i| ratio(i.lenient_ms(), i.strict_ms(), i.policy.minimums.service_ms);

    "C3" "fault_time_share", Number, "1";
    "share of observed time in fault", "故障率(时间)";
    "state_ms.faulted / (service time - planned - unobserved)", "own [D]; Shenzhen counts records [V]"
    => |i| {
        let observed = i.strict_ms() - i.in_state(State::Unobserved);
        ratio(i.in_state(State::Faulted), observed, i.policy.minimums.service_ms)
    };

    "C4" "nevi_uptime_avg", Number, "1";
    "mean annual uptime by port (NEVI rule)", "年均在线率(NEVI)";
    "snapshot.uptime_ppm / snapshot.uptime_ports; per port (525600 - (outage - excluded)) / 525600 over the months \
     available", "23 CFR 680.116 [V], exclusions [M]"
    => |i| i.with_snapshot(|s| ratio(s.uptime_ppm, s.uptime_ports, 0).map(|ppm| ppm / PPM));

    "C4" "nevi_ports_above_97_share", Number, "1";
    "share of ports above 97 % (NEVI rule)", "在线率超97%端口占比(NEVI)";
    "snapshot.uptime_ports_up / snapshot.uptime_ports", "23 CFR 680.116 [V]"
    => nevi_share_above;

    "C4" "nevi_months_available_avg", Number, "months";
    "months of record behind the NEVI uptime", "NEVI可用月数";
    "snapshot.uptime_months / snapshot.uptime_ports", "own [D]"
    => |i| i.with_snapshot(|s| ratio(s.uptime_months, s.uptime_ports, 0));

    "C5" "uk_reliability", Number, "1";
    "reliability of rapid connectors in this window (United Kingdom)", "英国可靠性(本窗口)";
    "1 - rapid_down_ms / rapid_ms: public, 50 kW and more; silence counts as reliable", "SI 2023/1168 reg. 7 [V]"
    => |i| uk_reliability(i.tally.rapid_down_ms, i.tally.rapid_ms);

    "C5" "uk_reliability_year", Number, "1";
    "reliability of rapid connectors over the year (United Kingdom)", "英国可靠性(年度)";
    "the same over the months kept of the last year", "SI 2023/1168 reg. 7: at least 99 % [V]"
    => uk_reliability_year;

    "C5" "uk_reliability_excluding_ineligible", Number, "1";
    "the same with silent time taken out of both sides", "英国可靠性(剔除不适用)";
    "1 - rapid_down_ms / (rapid_ms - rapid silent time): the latter is not kept", "SI 2023/1168, other reading [D]"
    => |_| Value::Null(NullReason::NotRecorded);

    "C6" "mtbf_h", Number, "h";
    "mean time between failures", "平均无故障时间";
    "(service time - planned - state_ms.faulted) / failures", "standard; failure: 60 s and more, merged below 5 min [D]"
    => |i| rate(1.0 / MS_PER_HOUR, i.strict_ms() - i.in_state(State::Faulted), i.count(|e| e.failures),
                i.policy.minimums.failures);

    "C7" "mttr_h", Number, "h";
    "mean time to repair", "平均修复时间";
    "state_ms.faulted / repairs", "standard"
    => |i| rate(1.0 / MS_PER_HOUR, i.in_state(State::Faulted), i.count(|e| e.repairs), i.policy.minimums.failures);

    "C7" "open_faults", Integer, "connectors";
    "faults still open", "未修复故障";
    "snapshot.open_faults", "own [D]"
    => |i| i.with_snapshot(|s| Value::Integer(s.open_faults));

    "C7" "open_fault_age_avg_h", Number, "h";
    "mean age of open faults", "未修复故障平均时长";
    "snapshot.open_fault_ms / snapshot.open_faults", "own [D]"
    => |i| i.with_snapshot(|s| rate(1.0 / MS_PER_HOUR, s.open_fault_ms, s.open_faults, 0));

    "C8" "start_success_rate", Number, "1";
    "share of attempts in which energy began to flow", "启动成功率";
    "sessions_started / sessions_attempted", "CSR [V], ChargeX [M]"
    => |i| share(i.count(|e| e.sessions_started), i.count(|e| e.sessions_attempted), i.policy.minimums.attempts);

    "C9" "completion_success_rate", Number, "1";
    "share of started sessions that ended as wished", "正常结束率";
    "sessions_completed / sessions_started", "CSR [V]"
    => |i| share(i.count(|e| e.sessions_completed), i.count(|e| e.sessions_started), i.policy.minimums.sessions);

    "C10" "session_success_rate", Number, "1";
    "share of attempts that ended as wished", "充电成功率";
    "sessions_completed / sessions_attempted (C8 x C9 on counts)", "CSR [V]"
    => session_success;

    "C11" "start_time_avg_s", Number, "s";
    "mean time from attempt to start", "平均启动时长";
    "start_ms / starts_timed", "ChargeX [V2]"
    => |i| rate(1.0 / MS_PER_S, i.count(|e| e.start_ms), i.count(|e| e.starts_timed), i.policy.minimums.sessions);

    "C11" "start_time_p90_s", Number, "s";
    "time to start that nine in ten do not exceed", "启动时长P90";
    "upper bound of the cell of start_delays that holds 90 %", "ChargeX [V2]"
    => |i| percentile_in(i, &START_MS, |e| &e.start_delays, 90, MS_PER_S);

    "C12" "abnormal_stop_rate", Number, "1";
    "share of started sessions that ended otherwise", "异常停机率";
    "sessions_abnormal / sessions_started", "YKC stop codes [V]"
    => |i| share(i.count(|e| e.sessions_abnormal), i.count(|e| e.sessions_started), i.policy.minimums.sessions);

    "C13" "equipment_fault_stops_per_1000_sessions", Number, "1/1000 sessions";
    "sessions that a fault of the equipment ended", "设备故障停机率";
    "1000 x stops.equipment_fault / sessions_started", "T/CEC 102 StopReason 3 [V]"
    => |i| per_mille_started(i, i.count(|e| e.stops[StopReason::EquipmentFault as usize]));

    "C14" "dispute_rate", Number, "1";
    "share of bills in dispute", "订单争议率";
    "sessions_disputed / sum of stops", "T/CEC 102 ConfirmResult [V]"
    => |i| share(i.count(|e| e.sessions_disputed), i.count(|e| e.stops.iter().sum()), i.policy.minimums.sessions);

    "C15" "metering_consistency", Number, "1";
    "share of bills whose energy agrees with the meter", "计量一致性";
    "sessions_billed_consistent (within 0.02 kWh) / sessions_billed", "own [D]"
    => |i| {
        let billed = i.count(|e| e.sessions_billed);
        if billed == 0 && i.count(|e| e.sessions_metered) > 0 {
            Value::Null(NullReason::NotInFeed)
        } else {
            share(i.count(|e| e.sessions_billed_consistent), billed, i.policy.minimums.sessions)
        }
    };

    "C16" "repeated_failure_connectors", Integer, "connectors";
    "connectors with three failed attempts and no success in 24 h", "连续失败枪";
    "snapshot.repeated_failure", "own [D]"
    => |i| i.with_snapshot(|s| Value::Integer(s.repeated_failure));

    "C17" "star_proxy_score", Number, "0-100";
    "proxy of the star rating's score (not the official one)", "星级代理得分(非官方)";
    "100 x weighted mean of C1 strict, C10, 1 - B8 and 1 - the safety score", "bands [V2], weights [D]"
    => star_score;

    "C17" "star_proxy", Integer, "stars";
    "proxy of the star rating (not the official one)", "星级代理(非官方)";
    "5 from a score of 90, 4 from 80, 3 from 70, 2 from 60, else 1", "bands [V2], weights [D]"
    => |i| match star_score(i).as_f64() {
        Some(score) => Value::Integer(star_of_score(score)),
        None => star_score(i),
    };
}
