//! Service efficiency (服务效率, domain 8.B): how much of time, power and energy is put to use. "Utilisation" never
//! stands alone: each ratio's name says of what, and where its denominator is not the strict one, which.

use crate::histogram::{DURATION_MS, ENERGY_J, percentile};
use crate::state::State;
use crate::tally::EventCounts;
use crate::time::EventTime;
use crate::unit::{J_PER_KWH, kwh_from_joules};

use super::Kind::{Integer, Number, Stations, Time};
use super::value::{NullReason, Value, rate, ratio, share};
use super::{Inputs, StationList, indicators};

/// J per ms and kW are the same; J per ms of a connector-day are this many kWh.
const KWH_PER_DAY_OF_KW: f64 = 24.0;
const MS_PER_DAY: f64 = 86_400_000.0;
const MS_PER_HOUR: f64 = 3_600_000.0;
const MS_PER_MIN: f64 = 60_000.0;
const MINUTE_S: f64 = 60.0;
const QUARTER_S: f64 = 900.0;

/// Time in some states over a denominator.
fn time_share<'a>(i: &Inputs<'a>, states: &[State], whole_ms: i64) -> Value<'a> {
    let part = states.iter().map(|&state| i.in_state(state)).sum();
    ratio(part, whole_ms, i.policy.minimums.service_ms)
}

const TAKEN: [State; 4] = [State::Charging, State::Discharging, State::Occupied, State::Reserved];
const PLUGGED: [State; 3] = [State::Charging, State::Discharging, State::Occupied];

pub(super) fn idle_occupation<'a>(i: &Inputs<'a>) -> Value<'a> {
    let occupied = i.in_state(State::Occupied);
    ratio(occupied, i.in_state(State::Charging) + occupied, i.policy.minimums.service_ms)
}

/// The cell's upper bound at a percentile, in another unit.
pub(super) fn percentile_in<'a>(
    i: &Inputs<'a>,
    bounds: &[i64],
    cells: impl Fn(&EventCounts) -> &[i64],
    percent: i64,
    per_unit: f64,
) -> Value<'a> {
    let Some(events) = i.tally.events.get() else { return Value::Null(NullReason::NoDenominator) };
    let cells = cells(events);
    let total: i64 = cells.iter().sum();
    if total <= 0 {
        Value::Null(NullReason::NoDenominator)
    } else if total < i.policy.minimums.percentile_values {
        Value::Null(NullReason::Insufficient)
    } else {
        // In the open cell at the end there is no upper bound to name.
        let bound = percentile(bounds, cells, percent);
        Value::number_or(bound.map(|bound| bound as f64 / per_unit), NullReason::Undefined)
    }
}

/// Mean power over a peak's length, where a peak was kept.
fn peak_kw<'a>(joules: i64, start: Option<EventTime>, length_s: f64) -> Value<'a> {
    Value::number_or(start.map(|_| joules as f64 / length_s / 1000.0), NullReason::NotRecorded)
}

fn peak_time<'a>(start: Option<EventTime>) -> Value<'a> {
    start.map_or(Value::Null(NullReason::NotRecorded), Value::Time)
}

pub(super) fn listed<'a>(list: Option<StationList<'a>>) -> Value<'a> {
    list.map_or(Value::Null(NullReason::NotRecorded), Value::Stations)
}

pub(super) fn list_total<'a>(list: Option<StationList<'a>>) -> Value<'a> {
    Value::integer_or(list.map(|list| list.total), NullReason::NotRecorded)
}

indicators! { Efficiency:
    "B1" "time_utilisation", Number, "1";
    "charging time utilisation, strict", "时间利用率(严格)";
    "state_ms.charging / (service time - planned), with planned = state_ms.unavailable unless \
     policy.unavailable_is_planned is off", "MOT and NDRC trigger: 40 % [V, name], CAUPD [M]"
    => |i| time_share(i, &[State::Charging], i.strict_ms());

    "B1" "time_utilisation_lenient", Number, "1";
    "charging time utilisation, of observed time", "时间利用率(宽松)";
    "state_ms.charging / (service time - planned - offline - unobserved)", "own [D]"
    => |i| time_share(i, &[State::Charging], i.lenient_ms());

    "B1" "time_utilisation_calendar", Number, "1";
    "charging time utilisation, of all time in service", "时间利用率(日历)";
    "state_ms.charging / sum of state_ms", "own [D]"
    => |i| time_share(i, &[State::Charging], i.calendar_ms());

    "B2" "occupancy", Number, "1";
    "occupancy, reserved time included", "占用率(含预约)";
    "state_ms (charging + discharging + occupied + reserved) / (service time - planned)", "EVCU Occupied Utilization [V]"
    => |i| time_share(i, &TAKEN, i.strict_ms());

    "B2" "occupancy_plugged", Number, "1";
    "occupancy by a vehicle", "占用率(车辆)";
    "state_ms (charging + discharging + occupied) / (service time - planned)", "EVCU Occupied Utilization [V]"
    => |i| time_share(i, &PLUGGED, i.strict_ms());

    "B2" "occupancy_lenient", Number, "1";
    "occupancy, of observed time", "占用率(宽松)";
    "state_ms (charging + discharging + occupied + reserved) / (service time - planned - offline - unobserved)", "own [D]"
    => |i| time_share(i, &TAKEN, i.lenient_ms());

    "B2" "occupancy_calendar", Number, "1";
    "occupancy, of all time in service", "占用率(日历)";
    "state_ms (charging + discharging + occupied + reserved) / sum of state_ms", "own [D]"
    => |i| time_share(i, &TAKEN, i.calendar_ms());

    "B3" "energy_utilisation", Number, "1";
    "energy utilisation (capacity factor)", "功率利用率(容量因子)";
    "import_j / rated_j: delivered over what the ratings allow in all time in service", "EVCU Capacity Factor [V]"
    => |i| ratio(i.tally.import_j, i.tally.rated_j, 0);

    "B4" "power_delivered_avg_kw", Number, "kW";
    "average delivered charging power", "平均充电功率(实际)";
    "charging_import_j / state_ms.charging", "own [D]; not A7, which is of ratings"
    => |i| ratio(i.tally.charging_import_j, i.in_state(State::Charging), i.policy.minimums.service_ms);

    "B5" "power_delivery_ratio", Number, "1";
    "delivered power over demanded power", "功率满足率";
    "demand_import_j / demand_j: where the vehicle's demand is known, at most the rating", "own [D]"
    => |i| if i.tally.demand_j > 0 {
        ratio(i.tally.demand_import_j, i.tally.demand_j, 0)
    } else {
        Value::Null(NullReason::NotInFeed)
    };

    "B5" "power_delivery_ratio_rated", Number, "1";
    "delivered power over rated power while charging", "功率满足率(按额定)";
    "charging import / rated power over charging time: the ratings are summed over all time in service only", "own [D]"
    => |_| Value::Null(NullReason::NotRecorded);

    "B6" "turnover_per_connector_day", Number, "sessions/connector-day";
    "turnover", "周转率";
    "sessions_effective (at least 60 s and 0.1 kWh) / ((service time - planned) in days)", "CAUPD [M]"
    => |i| rate(MS_PER_DAY, i.count(|e| e.sessions_effective), i.strict_ms(), i.policy.minimums.rate_service_ms);

    "B7" "energy_per_connector_day_kwh", Number, "kWh/connector-day";
    "energy per connector and day", "单枪日均充电量";
    "import_j in kWh / ((service time - planned) in days)", "own [D]"
    => |i| rate(KWH_PER_DAY_OF_KW, i.tally.import_j, i.strict_ms(), i.policy.minimums.service_ms);

    "B7" "energy_import_kwh", Number, "kWh";
    "energy delivered to vehicles", "充电总电量";
    "import_j / 3.6e6", "EVCIPA [V2]"
    => |i| Value::number(kwh_from_joules(i.tally.import_j));

    "B8" "idle_occupation_share", Number, "1";
    "share of plugged time without energy flow", "占位率";
    "state_ms.occupied / (state_ms.charging + state_ms.occupied)", "EVCU Idle Utilization [V]"
    => idle_occupation;

    "B8" "overstay_share", Number, "1";
    "share of plugged time beyond 10 min without energy flow", "超时占位率";
    "overstay_ms / (state_ms.charging + state_ms.occupied)", "idle-fee practice [D]"
    => |i| {
        let plugged = i.in_state(State::Charging) + i.in_state(State::Occupied);
        ratio(i.tally.overstay_ms, plugged, i.policy.minimums.service_ms)
    };

    "B9" "full_station_share", Number, "1";
    "time in which stations were full", "满站率";
    "full_ms / station_ms: every working connector taken", "EVCU Site Congestion Rate [V]"
    => |i| ratio(i.tally.full_ms, i.tally.station_ms, i.policy.minimums.service_ms);

    "B9" "congested_stations", Stations, "stations";
    "stations that were full for long", "拥堵场站";
    "stations above the settings' full_station_share, worst first", "own [D]"
    => |i| listed(i.lists.congested);

    "B10" "full_station_faulty_h", Number, "h";
    "hours in which stations were full and had a connector down", "故障致拥堵时长";
    "full_faulty_ms in hours", "own [D]"
    => |i| if i.tally.station_ms > 0 {
        Value::number(i.tally.full_faulty_ms as f64 / MS_PER_HOUR)
    } else {
        Value::Null(NullReason::NoDenominator)
    };

    "B11" "power_peak_kw", Number, "kW";
    "coincident peak power", "最大同时充电功率";
    "greatest import of a base bucket over the scope / 60 s", "own [D]"
    => |i| peak_kw(i.peaks.minute_j, i.peaks.minute_start, MINUTE_S);

    "B11" "power_peak_at", Time, "RFC 3339";
    "when the coincident peak began", "最大功率时刻";
    "start of that base bucket", "own [D]"
    => |i| peak_time(i.peaks.minute_start);

    "B11" "power_peak_15min_kw", Number, "kW";
    "coincident peak of quarters of an hour", "最大15分钟平均功率";
    "greatest import of a quarter of an hour over the scope / 900 s", "own [D]"
    => |i| peak_kw(i.peaks.quarter_j, i.peaks.quarter_start, QUARTER_S);

    "B11" "simultaneity", Number, "1";
    "peak simultaneous load ratio", "同时率";
    "greatest quarter's mean power / census.rated_w", "own [D]"
    => |i| match i.peaks.quarter_start {
        Some(_) => i.with_census(|c| ratio(i.peaks.quarter_j, c.rated_w, 0).map(|s| s / QUARTER_S)),
        None => Value::Null(NullReason::NotRecorded),
    };

    "B12" "session_energy_avg_kwh", Number, "kWh";
    "mean energy of a session", "单次平均充电量";
    "session_j / sessions_metered", "own [D]"
    => |i| rate(1.0 / J_PER_KWH, i.count(|e| e.session_j), i.count(|e| e.sessions_metered),
                i.policy.minimums.sessions);

    "B12" "session_energy_p50_kwh", Number, "kWh";
    "median energy of a session", "单次充电量中位数";
    "upper bound of the cell of session_energies that holds 50 %", "own [D]"
    => |i| percentile_in(i, &ENERGY_J, |e| &e.session_energies, 50, J_PER_KWH);

    "B12" "session_energy_p90_kwh", Number, "kWh";
    "energy that nine sessions in ten do not exceed", "单次充电量P90";
    "upper bound of the cell of session_energies that holds 90 %", "own [D]"
    => |i| percentile_in(i, &ENERGY_J, |e| &e.session_energies, 90, J_PER_KWH);

    "B12" "session_duration_avg_min", Number, "min";
    "mean duration of a session", "单次平均时长";
    "session_ms / sessions_timed", "own [D]"
    => |i| rate(1.0 / MS_PER_MIN, i.count(|e| e.session_ms), i.count(|e| e.sessions_timed),
                i.policy.minimums.sessions);

    "B12" "session_duration_p50_min", Number, "min";
    "median duration of a session", "单次时长中位数";
    "upper bound of the cell of session_durations that holds 50 %", "own [D]"
    => |i| percentile_in(i, &DURATION_MS, |e| &e.session_durations, 50, MS_PER_MIN);

    "B12" "session_duration_p90_min", Number, "min";
    "duration that nine sessions in ten do not exceed", "单次时长P90";
    "upper bound of the cell of session_durations that holds 90 %", "own [D]"
    => |i| percentile_in(i, &DURATION_MS, |e| &e.session_durations, 90, MS_PER_MIN);

    "B13" "highway_upgrade_stations", Stations, "stations";
    "highway stations above 40 % time utilisation on holidays", "节假日高利用率服务区充电站";
    "stations in highway service areas whose time_utilisation on a holiday exceeds the trigger, worst first",
    "NDRC/NEA notice 632 and MOT [V]"
    => |i| listed(i.lists.highway_upgrade);

    "B13" "highway_upgrade_stations_count", Integer, "stations";
    "number of highway stations to be upgraded first", "优先扩容服务区充电站数";
    "length of the whole list", "NDRC/NEA notice 632 and MOT [V]"
    => |i| list_total(i.lists.highway_upgrade);

    "B14" "dormant_connectors", Integer, "connectors";
    "facilities without energy flow for 30 days", "僵尸桩(枪)";
    "snapshot.dormant", "EVCU stations without use [V]"
    => |i| i.with_snapshot(|s| Value::Integer(s.dormant));

    "B14" "dormant_silent_connectors", Integer, "connectors";
    "the part of them that is silent too", "僵尸桩(离线)";
    "snapshot.dormant_silent", "own [D]"
    => |i| i.with_snapshot(|s| Value::Integer(s.dormant_silent));

    "B14" "dormant_share", Number, "1";
    "share of facilities without energy flow for 30 days", "僵尸桩占比";
    "snapshot.dormant / census.facilities", "EVCU [V]"
    => |i| i.with_snapshot(|s| i.with_census(|c| ratio(s.dormant, c.facilities, 0)));

    "B14" "dormant_stations", Stations, "stations";
    "stations with dormant connectors", "僵尸桩场站";
    "stations with snapshot.dormant > 0, worst first", "own [D]"
    => |i| listed(i.lists.dormant);

    "B15" "valley_charging_share", Number, "1";
    "share of energy charged in valley periods", "低谷充电电量占比";
    "valley_import_j / tariff_import_j (E5)", "V2G pilot notice: 60 %, private 80 % [V]"
    => super::vgi::valley_share;

    "B16" "price_avg_cny_per_kwh", Number, "CNY/kWh";
    "average price, energy-weighted", "平均充电价格";
    "(energy_fee_fen + service_fee_fen) / 100 / priced_j in kWh", "consumer rights [V, topic]"
    => |i| rate(J_PER_KWH / 100.0, i.count(|e| e.energy_fee_fen + e.service_fee_fen), i.count(|e| e.priced_j), 1);

    "B16" "energy_price_avg_cny_per_kwh", Number, "CNY/kWh";
    "average price of energy", "平均电费";
    "energy_fee_fen / 100 / priced_j in kWh", "consumer rights [V, topic]"
    => |i| rate(J_PER_KWH / 100.0, i.count(|e| e.energy_fee_fen), i.count(|e| e.priced_j), 1);

    "B16" "service_price_avg_cny_per_kwh", Number, "CNY/kWh";
    "average service fee", "平均服务费";
    "service_fee_fen / 100 / priced_j in kWh", "consumer rights [V, topic]"
    => |i| rate(J_PER_KWH / 100.0, i.count(|e| e.service_fee_fen), i.count(|e| e.priced_j), 1);

    "B16" "price_transparency", Number, "1";
    "share of sessions that state their price", "价格透明率(按次)";
    "sessions_priced / sum of stops", "own [D]: sessions stand in for stations"
    => |i| share(i.count(|e| e.sessions_priced), i.count(|e| e.stops.iter().sum()), i.policy.minimums.sessions);

    "B17" "queue_proxy", Number, "1";
    "queue proxy", "排队代理指标";
    "full-station time weighted by the arrivals of the next hour: no feed counts those who wait or turn away", "own [D]"
    => |_| Value::Null(NullReason::NotInFeed);
}
