//! Facilities (设施, domain 8.A): what stands at the window's end. All counts are of the facilities that are connected
//! to this daemon, not of all that exist. The average of ratings (A7) is no delivered power; that is B4.

use crate::scope::Level;
use crate::unit::kw_from_watts;

use super::Kind::{Integer, Number};
use super::value::{NullReason, Value, ratio};
use super::{Inputs, indicators};

fn private<'a>(i: &Inputs<'a>) -> Value<'a> {
    i.with_census(|c| {
        let narrow = matches!(i.level, Level::County | Level::Station);
        if narrow && (1..i.policy.private_connectors_min).contains(&c.private) {
            Value::Null(NullReason::Suppressed)
        } else {
            Value::Integer(c.private)
        }
    })
}

/// The daemon sees everything for the first time once: before it has watched long enough, that is not "new".
fn if_settled<'a>(i: &Inputs<'a>, value: Value<'a>) -> Value<'a> {
    if i.observed_days < i.policy.first_seen_days_min { Value::Null(NullReason::Insufficient) } else { value }
}

pub(super) fn highway_new_high_power_share<'a>(i: &Inputs<'a>) -> Value<'a> {
    if_settled(i, i.with_census(|c| ratio(c.new_highway_high_power, c.new_highway, 0)))
}

indicators! { Facilities:
    "A1" "facilities_connectors", Integer, "connectors";
    "charging facilities, connected ones only", "充电设施总数(枪，仅已接入)";
    "census.facilities: connectors in service of stations in operation or under maintenance", "NEA [V]"
    => |i| i.counted(|c| c.facilities);

    "A2" "public_connectors", Integer, "connectors";
    "public charging facilities, dedicated ones included", "公共充电设施(含专用)";
    "census.public + census.dedicated", "NEA [V], inclusion of dedicated [M]"
    => |i| i.counted(|c| c.public + c.dedicated);

    "A2" "public_open_connectors", Integer, "connectors";
    "charging facilities open to everybody", "公用充电设施";
    "census.public", "NEA [V], exclusion of dedicated [M]"
    => |i| i.counted(|c| c.public);

    "A2" "dedicated_connectors", Integer, "connectors";
    "charging facilities of fleets", "专用充电设施";
    "census.dedicated", "NEA [V]"
    => |i| i.counted(|c| c.dedicated);

    "A3" "private_connectors", Integer, "connectors";
    "private charging facilities", "私人充电设施";
    "census.private; suppressed for a county or station with 1 to policy.private_connectors_min - 1 of them", "NEA [V]"
    => private;

    "A4" "dc_connectors", Integer, "connectors";
    "direct-current facilities", "直流充电设施";
    "census.dc", "EVCIPA [V2]"
    => |i| i.counted(|c| c.dc);

    "A4" "ac_connectors", Integer, "connectors";
    "alternating-current facilities", "交流充电设施";
    "census.ac", "EVCIPA [V2]"
    => |i| i.counted(|c| c.ac);

    "A4" "dc_share", Number, "1";
    "share of direct current", "直流占比";
    "census.dc / (census.dc + census.ac)", "EVCIPA [V2]"
    => |i| i.with_census(|c| ratio(c.dc, c.dc + c.ac, 0));

    "A5" "high_power_connectors", Integer, "connectors";
    "high-power facilities, 250 kW and more", "大功率充电设施(≥250 kW)";
    "census.high_power", "NDRC/NEA notice 632 of 2025 [V]"
    => |i| i.counted(|c| c.high_power);

    "A5" "high_power_share_of_dc", Number, "1";
    "high-power share of direct-current facilities", "大功率占直流比例";
    "census.high_power / census.dc", "NDRC/NEA notice 632 of 2025 [V]"
    => |i| i.with_census(|c| ratio(c.high_power, c.dc, 0));

    "A6" "public_rated_power_kw", Number, "kW";
    "rated power of public facilities", "公共充电设施额定总功率";
    "census.public_rated_w / 1000; equipment that shares its power counts once", "NEA [V]"
    => |i| i.with_census(|c| Value::number(kw_from_watts(c.public_rated_w)));

    "A7" "public_rated_power_avg_kw", Number, "kW";
    "average rated power of public facilities (not delivered power)", "公共充电设施平均功率(额定)";
    "census.public_rated_w / 1000 / (census.public + census.dedicated)", "NEA: 46.53 at the end of 2025 [V]"
    => |i| i.with_census(|c| ratio(c.public_rated_w, c.public + c.dedicated, 0).map(|w| w / 1000.0));

    "A1" "rated_power_kw", Number, "kW";
    "rated power of all connectors in service", "在用充电枪额定功率合计";
    "census.rated_w / 1000, as registered per connector", "own [D]"
    => |i| i.with_census(|c| Value::number(kw_from_watts(c.rated_w)));

    "A8" "highway_connectors", Integer, "connectors";
    "facilities in highway service areas", "高速公路服务区充电设施";
    "census.highway", "NEA [V]"
    => |i| i.counted(|c| c.highway);

    "A8" "highway_stations", Integer, "stations";
    "stations in highway service areas", "高速公路服务区充电站";
    "census.highway_stations", "NEA [V]"
    => |i| i.counted(|c| c.highway_stations);

    "A9" "highway_60kw_share", Number, "1";
    "share of 60 kW and more in highway service areas", "高速服务区≥60 kW占比";
    "census.highway_60kw / census.highway", "three-year plan P6 [V]"
    => |i| i.with_census(|c| ratio(c.highway_60kw, c.highway, 0));

    "A10" "highway_new_high_power_share", Number, "1";
    "high-power share of this year's new highway facilities", "高速服务区新增大功率占比";
    "census.new_highway_high_power / census.new_highway, by the civil year in which the daemon first saw them; \
     null until it has watched for policy.first_seen_days_min days", "Ministry of Transport 2025-12-23: at least 25 % [V]"
    => highway_new_high_power_share;

    "A10" "new_this_year_connectors", Integer, "connectors";
    "facilities first seen this year", "本年新增充电设施";
    "census.new_this_year; null until the daemon has watched for policy.first_seen_days_min days", "EVCIPA increment [V2]"
    => |i| if_settled(i, i.counted(|c| c.new_this_year));

    "A11" "residential_connectors", Integer, "connectors";
    "facilities in residential areas", "居民区充电设施";
    "census.residential", "three-year plan P10, P11 [V]"
    => |i| i.counted(|c| c.residential);

    "A11" "rural_connectors", Integer, "connectors";
    "facilities in rural surroundings", "农村地区充电设施";
    "census.rural: the scene says so, or the township's type", "three-year plan [V], rule [D]"
    => |i| i.counted(|c| c.rural);

    "A12" "v2g_connectors", Integer, "connectors";
    "facilities that can give energy back", "双向充放电设施";
    "census.v2g (E3)", "three-year plan P12 [V]"
    => |i| i.counted(|c| c.v2g);

    "A13" "renewal_backlog_connectors", Integer, "connectors";
    "facilities due for renewal", "待更新老旧设备";
    "census.renewal: older than 8 years, or direct current below 800 V, or public alternating current",
    "three-year plan P14 [V]"
    => |i| i.counted(|c| c.renewal);

    "A13" "renewal_backlog_share", Number, "1";
    "share of facilities due for renewal", "待更新老旧设备占比";
    "census.renewal / census.facilities", "three-year plan P14 [V]"
    => |i| i.with_census(|c| ratio(c.renewal, c.facilities, 0));

    "A13" "aged_connectors", Integer, "connectors";
    "facilities older than 8 years", "超8年设备";
    "census.aged", "three-year plan P14 [V]"
    => |i| i.counted(|c| c.aged);

    "A13" "low_voltage_connectors", Integer, "connectors";
    "direct-current facilities below 800 V", "800 V以下直流设备";
    "census.low_voltage", "three-year plan P14 [V]"
    => |i| i.counted(|c| c.low_voltage);

    "A13" "public_ac_connectors", Integer, "connectors";
    "alternating-current facilities in public stations", "公共交流设备";
    "census.public_ac", "three-year plan P14 [V]"
    => |i| i.counted(|c| c.public_ac);

    "A13" "undated_connectors", Integer, "connectors";
    "facilities with no production date", "无生产日期设备";
    "census.undated: neither old nor new", "own [D]"
    => |i| i.counted(|c| c.undated);

    "A14" "evs_per_connector", Number, "vehicles/connector";
    "electric vehicles per facility", "车桩比";
    "reference.ev_stock / census.facilities", "EVCIPA [V2]"
    => |i| match i.reference.ev_stock {
        Some(stock) => i.with_census(|c| ratio(stock, c.facilities, 0)),
        None => Value::Null(NullReason::NoReferenceData),
    };

    "A14" "public_rated_power_per_ev_kw", Number, "kW/vehicle";
    "public rated power per electric vehicle", "车均公共充电功率";
    "census.public_rated_w / 1000 / reference.ev_stock", "AFIR: 1.3 [V2]; plan implies 3.75 [D]"
    => |i| match i.reference.ev_stock {
        Some(stock) => i.with_census(|c| ratio(c.public_rated_w, stock, 0).map(|w| w / 1000.0)),
        None => Value::Null(NullReason::NoReferenceData),
    };
}
