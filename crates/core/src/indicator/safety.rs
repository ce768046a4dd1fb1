//! Safety (安全, domain 8.D): alarms by level, what protection stopped, early warnings. Unknown is not safe: where no
//! station sends alarms and none was derived, rates are null (`not_assessed`) and the grade says so.

use crate::alarm::{AlarmSource, Level};
use crate::histogram::DURATION_MS;
use crate::observation::StopReason;

use super::Kind::{Integer, Number, Word};
use super::efficiency::percentile_in;
use super::value::{NullReason, Value, rate, ratio};
use super::{Inputs, indicators};

const MS_PER_DAY: f64 = 86_400_000.0;
const MS_PER_MIN: f64 = 60_000.0;
/// A station-month, for rates per month: 30 days.
const MS_PER_MONTH: f64 = 30.0 * MS_PER_DAY;

/// The bounds of GB/T 18487.1, ohm per volt: at or below the first charging stops, at or below the second it alarms.
const INSULATION_FAULT_OHM_PER_V: f64 = 100.0;
const INSULATION_ABNORMAL_OHM_PER_V: f64 = 500.0;

/// What an insulation resistance means (GB/T 18487.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insulation {
    /// Above 500 ohm per volt.
    Normal,
    /// Alarm; charging may continue.
    Abnormal,
    /// Charging must stop.
    Fault,
}

/// Insulation resistance per volt of the greatest output voltage; `None` without a voltage.
#[must_use]
pub fn ohm_per_volt(insulation_ohm: i64, voltage_mv: i64) -> Option<f64> {
    (voltage_mv > 0).then(|| insulation_ohm as f64 * 1000.0 / voltage_mv as f64)
}

/// The class of an insulation resistance per volt.
#[must_use]
pub fn insulation_of(ohm_per_volt: f64) -> Insulation {
    if ohm_per_volt > INSULATION_ABNORMAL_OHM_PER_V {
        Insulation::Normal
    } else if ohm_per_volt > INSULATION_FAULT_OHM_PER_V {
        Insulation::Abnormal
    } else {
        Insulation::Fault
    }
}

/// The grade of a scope's safety (domain D12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafetyGrade {
    /// 重大: an alarm of the personal level is open.
    Major,
    /// 较大.
    Serious,
    /// 一般.
    General,
    /// 低.
    Low,
    /// Nothing was looked at.
    NotAssessed,
}

impl SafetyGrade {
    /// The names on the wire, in the order of the grades.
    pub const NAMES: &[&str] = &["major", "serious", "general", "low", "not_assessed"];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Whether anybody would have told us: a station with an alarm feed, or an alarm that was raised.
fn is_assessed(i: &Inputs<'_>) -> bool {
    i.census.is_some_and(|c| c.stations_with_alarm_feed > 0) || i.count(|e| e.alarms_raised.iter().sum()) > 0
}

fn if_assessed<'a>(i: &Inputs<'a>, value: Value<'a>) -> Value<'a> {
    if is_assessed(i) { value } else { Value::Null(NullReason::NotAssessed) }
}

fn raised(i: &Inputs<'_>, level: Level) -> i64 {
    i.count(|e| e.alarms_raised[level as usize])
}

fn per_10k_sessions<'a>(i: &Inputs<'a>, events: i64) -> Value<'a> {
    rate(1e4, events, i.count(|e| e.sessions_started), i.policy.minimums.rate_sessions)
}

fn per_1000_connector_days<'a>(i: &Inputs<'a>, events: i64) -> Value<'a> {
    rate(1000.0 * MS_PER_DAY, events, i.calendar_ms(), i.policy.minimums.rate_service_ms)
}

/// The safety score, 0 (nothing) to 1 (every level at its reference or above).
pub(super) fn safety_score<'a>(i: &Inputs<'a>) -> Value<'a> {
    if !is_assessed(i) {
        return Value::Null(NullReason::NotAssessed);
    }
    let grading = &i.policy.grading;
    let mut score = 0.0;
    for level in Level::ALL {
        let reference = grading.references_per_1000_connector_days[level as usize];
        let value = per_1000_connector_days(i, raised(i, level));
        let Some(rate) = value.as_f64() else { return value };
        score += grading.weights[level as usize] * (rate / reference).min(1.0);
    }
    Value::number(score)
}

fn grade(i: &Inputs<'_>) -> SafetyGrade {
    if i.snapshot.is_some_and(|s| s.open_alarms[Level::Personal as usize] > 0) {
        return SafetyGrade::Major;
    }
    match safety_score(i).as_f64() {
        None => SafetyGrade::NotAssessed,
        Some(score) if score > i.policy.grading.serious_above => SafetyGrade::Serious,
        Some(score) if score > i.policy.grading.general_above => SafetyGrade::General,
        Some(_) => SafetyGrade::Low,
    }
}

fn open_alarms<'a>(i: &Inputs<'a>, level: Level) -> Value<'a> {
    i.with_snapshot(|s| Value::Integer(s.open_alarms[level as usize]))
}

fn clearance_avg<'a>(i: &Inputs<'a>, level: Level) -> Value<'a> {
    let cleared = i.count(|e| e.clearances[level as usize]);
    rate(1.0 / MS_PER_MIN, i.count(|e| e.clearance_ms[level as usize]), cleared, 0)
}

fn source_share<'a>(i: &Inputs<'a>, source: AlarmSource) -> Value<'a> {
    let all = i.count(|e| e.alarms_by_source.iter().sum());
    ratio(i.count(|e| e.alarms_by_source[source as usize]), all, 0)
}

fn safety_stops(i: &Inputs<'_>) -> i64 {
    i.count(|e| StopReason::ALL.iter().filter(|r| r.is_safety()).map(|&r| e.stops[r as usize]).sum())
}

indicators! { Safety:
    "D1" "alarms_personal_per_10k_sessions", Number, "1/10000 sessions";
    "alarms of the personal level", "人身安全级告警率";
    "10000 x alarms_raised.personal / sessions_started", "Shenzhen levels [V]"
    => |i| if_assessed(i, per_10k_sessions(i, raised(i, Level::Personal)));

    "D1" "alarms_equipment_per_10k_sessions", Number, "1/10000 sessions";
    "alarms of the equipment level", "设备安全级告警率";
    "10000 x alarms_raised.equipment / sessions_started", "Shenzhen levels [V]"
    => |i| if_assessed(i, per_10k_sessions(i, raised(i, Level::Equipment)));

    "D1" "alarms_notice_per_10k_sessions", Number, "1/10000 sessions";
    "alarms of the notice level", "告警提示级告警率";
    "10000 x alarms_raised.notice / sessions_started", "Shenzhen levels [V]"
    => |i| if_assessed(i, per_10k_sessions(i, raised(i, Level::Notice)));

    "D1" "alarms_personal_per_1000_connector_days", Number, "1/1000 connector-days";
    "alarms of the personal level, by time in service", "人身安全级告警(千枪日)";
    "1000 x alarms_raised.personal / (sum of state_ms in days)", "Shenzhen levels [V]"
    => |i| if_assessed(i, per_1000_connector_days(i, raised(i, Level::Personal)));

    "D1" "alarms_equipment_per_1000_connector_days", Number, "1/1000 connector-days";
    "alarms of the equipment level, by time in service", "设备安全级告警(千枪日)";
    "1000 x alarms_raised.equipment / (sum of state_ms in days)", "Shenzhen levels [V]"
    => |i| if_assessed(i, per_1000_connector_days(i, raised(i, Level::Equipment)));

    "D1" "alarms_notice_per_1000_connector_days", Number, "1/1000 connector-days";
    "alarms of the notice level, by time in service", "告警提示级告警(千枪日)";
    "1000 x alarms_raised.notice / (sum of state_ms in days)", "Shenzhen levels [V]"
    => |i| if_assessed(i, per_1000_connector_days(i, raised(i, Level::Notice)));

    "D2" "open_alarms_personal", Integer, "alarms";
    "open alarms of the personal level", "未恢复人身安全级告警";
    "snapshot.open_alarms.personal", "Shenzhen AlarmStatus [V]"
    => |i| open_alarms(i, Level::Personal);

    "D2" "open_alarms_equipment", Integer, "alarms";
    "open alarms of the equipment level", "未恢复设备安全级告警";
    "snapshot.open_alarms.equipment", "Shenzhen AlarmStatus [V]"
    => |i| open_alarms(i, Level::Equipment);

    "D2" "open_alarms_notice", Integer, "alarms";
    "open alarms of the notice level", "未恢复告警提示级告警";
    "snapshot.open_alarms.notice", "Shenzhen AlarmStatus [V]"
    => |i| open_alarms(i, Level::Notice);

    "D2" "open_alarm_age_avg_min", Number, "min";
    "mean age of open alarms", "未恢复告警平均时长";
    "sum of snapshot.open_alarm_ms / sum of snapshot.open_alarms", "own [D]"
    => |i| i.with_snapshot(|s| {
        rate(1.0 / MS_PER_MIN, s.open_alarm_ms.iter().sum(), s.open_alarms.iter().sum(), 0)
    });

    "D2" "clearance_personal_avg_min", Number, "min";
    "mean time to clear alarms of the personal level", "人身安全级平均处置时长";
    "clearance_ms.personal / clearances.personal", "Shenzhen AlarmStatus [V]"
    => |i| clearance_avg(i, Level::Personal);

    "D2" "clearance_equipment_avg_min", Number, "min";
    "mean time to clear alarms of the equipment level", "设备安全级平均处置时长";
    "clearance_ms.equipment / clearances.equipment", "Shenzhen AlarmStatus [V]"
    => |i| clearance_avg(i, Level::Equipment);

    "D2" "clearance_notice_avg_min", Number, "min";
    "mean time to clear alarms of the notice level", "告警提示级平均处置时长";
    "clearance_ms.notice / clearances.notice", "Shenzhen AlarmStatus [V]"
    => |i| clearance_avg(i, Level::Notice);

    "D2" "clearance_p90_min", Number, "min";
    "time to clear that nine alarms in ten do not exceed", "处置时长P90";
    "upper bound of the cell of clearance_durations that holds 90 %", "own [D]"
    => |i| percentile_in(i, &DURATION_MS, |e| &e.clearance_durations, 90, MS_PER_MIN);

    "D3" "safety_stops_per_1000_sessions", Number, "1/1000 sessions";
    "sessions that a protection ended", "安全停机率";
    "1000 x stops (emergency_stop + insulation + over_temperature + over_current + over_voltage) / sessions_started",
    "GB/T 27930, YKC, OCPP [V]"
    => |i| rate(1000.0, safety_stops(i), i.count(|e| e.sessions_started), i.policy.minimums.rate_sessions);

    "D4" "insulation_abnormal_per_10k_sessions", Number, "1/10000 sessions";
    "insulation between 100 and 500 ohm per volt", "绝缘异常率";
    "10000 x insulation_abnormal / sessions_started", "GB/T 18487.1 [V]"
    => |i| if_assessed(i, per_10k_sessions(i, i.count(|e| e.insulation_abnormal)));

    "D4" "insulation_fault_per_10k_sessions", Number, "1/10000 sessions";
    "insulation at or below 100 ohm per volt", "绝缘故障率";
    "10000 x insulation_fault / sessions_started", "GB/T 18487.1 [V]"
    => |i| if_assessed(i, per_10k_sessions(i, i.count(|e| e.insulation_fault)));

    "D5" "connector_hot_min", Number, "min";
    "time with a connector above its warning temperature", "枪温超限时长";
    "connector_hot_ms in minutes", "80 °C [D]"
    => |i| if_assessed(i, Value::number(i.count(|e| e.connector_hot_ms) as f64 / MS_PER_MIN));

    "D5" "connector_overtemps", Integer, "events";
    "times that a connector went above its stop temperature", "枪温超限次数";
    "connector_overtemps", "90 °C [M]"
    => |i| if_assessed(i, Value::Integer(i.count(|e| e.connector_overtemps)));

    "D6" "emergency_stops_per_10k_sessions", Number, "1/10000 sessions";
    "emergency stops", "急停率";
    "10000 x emergency_stops / sessions_started", "alarm codes [V]"
    => |i| if_assessed(i, per_10k_sessions(i, i.count(|e| e.emergency_stops)));

    "D7" "runaway_warnings_per_1000_sessions", Number, "1/1000 sessions";
    "charging episodes with an early warning of thermal runaway", "热失控预警率";
    "1000 x runaway_episodes / bms_episodes", "domain 5.7: W1 to W13 [D], some bounds [V]"
    => |i| {
        let episodes = i.count(|e| e.bms_episodes);
        if episodes == 0 && i.count(|e| e.sessions_started) > 0 {
            Value::Null(NullReason::NotAssessed)
        } else {
            rate(1000.0, i.count(|e| e.runaway_episodes), episodes, i.policy.minimums.rate_sessions)
        }
    };

    "D7" "bms_coverage", Number, "1";
    "charging episodes with battery data, per session", "电池数据接入率";
    "bms_episodes / sessions_started; above 1 where sessions are not reported or are interrupted", "own [D]"
    => |i| ratio(i.count(|e| e.bms_episodes), i.count(|e| e.sessions_started), i.policy.minimums.sessions);

    "D8" "alarms_charger_share", Number, "1";
    "share of alarms from the charger", "充电系统告警占比";
    "alarms_by_source.charger / sum of alarms_by_source", "Shenzhen AlarmType [V]"
    => |i| source_share(i, AlarmSource::Charger);

    "D8" "alarms_battery_share", Number, "1";
    "share of alarms from the battery", "电池系统告警占比";
    "alarms_by_source.battery / sum of alarms_by_source", "Shenzhen AlarmType [V]"
    => |i| source_share(i, AlarmSource::Battery);

    "D8" "alarms_distribution_share", Number, "1";
    "share of alarms from the supply", "配电系统告警占比";
    "alarms_by_source.distribution / sum of alarms_by_source", "Shenzhen AlarmType [V]"
    => |i| source_share(i, AlarmSource::Distribution);

    "D9" "inspected_stations_share", Number, "1";
    "stations filed and inspected in time", "备案·巡检率";
    "stations with an inspection event within the settings' days / stations: no dialect carries these events",
    "Shenzhen event codes [V]"
    => |_| Value::Null(NullReason::NotInFeed);

    "D10" "distribution_alarms_per_station_month", Number, "1/station-month";
    "alarms of the station's supply", "配电安全告警率";
    "distribution_alarms / (station_ms in months of 30 days)", "Shenzhen [V, fields]"
    => |i| if_assessed(i, rate(MS_PER_MONTH, i.count(|e| e.distribution_alarms), i.tally.station_ms,
                               i.policy.minimums.rate_service_ms));

    "D11" "aged_active_connectors", Integer, "connectors";
    "facilities older than 8 years that are in use", "超8年在用设备";
    "snapshot.aged_active", "three-year plan [V]"
    => |i| i.with_snapshot(|s| Value::Integer(s.aged_active));

    "D12" "safety_score", Number, "0-1";
    "safety score, 0 is best", "安全评分(0最优)";
    "sum over levels of weight x min(1, alarms per 1000 connector-days / reference)", "own [D]"
    => safety_score;

    "D12" "safety_grade", Word(SafetyGrade::NAMES), "grade";
    "safety grade", "安全分级";
    "major with an open alarm of the personal level, else by safety_score: serious, general, low; not_assessed where \
     nothing was looked at, or for less than policy.minimums.rate_service_ms", "bands' names [V], formula [D]"
    => |i| Value::Word(grade(i).name());

    "D13" "alarm_feed_coverage", Number, "1";
    "stations that ever sent on an alarm topic", "告警接入率";
    "census.stations_with_alarm_feed / census.stations", "own [D]"
    => |i| i.with_census(|c| ratio(c.stations_with_alarm_feed, c.stations, 0));
}
