//! Layout balance (布局均衡, domain section 7): how evenly charging is spread over those who need it. Taken at nation
//! and province from the counties' integer sums; a county is a unit even where it has nothing. Need comes from a
//! reference table only, and `need_basis` says which.

use crate::scope::Level;

use super::Kind::{Integer, Number, Word};
use super::inequality::{Pair, Spread, Theil, mismatch};
use super::value::{NullReason, Value, ratio};
use super::{CountyRow, Inputs, NeedBasis, SettingRow, indicators};

const NEED_BASES: &[&str] = &[NeedBasis::EvStock.name(), NeedBasis::Population.name()];

fn has_need(row: &&CountyRow) -> bool {
    row.need.is_some_and(|need| need > 0)
}

/// A measure of a resource over the counties' need.
fn over_need<'a>(i: &Inputs<'a>, x: impl Fn(&CountyRow) -> i64, measure: impl Fn(&Spread) -> Value<'a>) -> Value<'a> {
    i.if_wide(|i| {
        if !i.counties.iter().any(|row| has_need(&row)) {
            return Value::Null(NullReason::NoReferenceData);
        }
        let pairs = i.counties.iter().filter_map(|row| row.need.map(|w| Pair { x: x(row), w }));
        Spread::of(pairs).map_or(Value::Null(NullReason::NoDenominator), |spread| measure(&spread))
    })
}

fn capacity<'a>(i: &Inputs<'a>, measure: impl Fn(&Spread) -> Value<'a>) -> Value<'a> {
    over_need(i, |row| row.public_rated_w, measure)
}

fn energy<'a>(i: &Inputs<'a>, measure: impl Fn(&Spread) -> Value<'a>) -> Value<'a> {
    over_need(i, |row| row.import_j, measure)
}

/// A measure of charging time over time in service: how evenly what stands is used.
fn utilisation<'a>(i: &Inputs<'a>, measure: impl Fn(&Spread) -> Value<'a>) -> Value<'a> {
    i.if_wide(|i| {
        let pairs = i.counties.iter().map(|row| Pair { x: row.charging_ms, w: row.service_ms });
        Spread::of(pairs).map_or(Value::Null(NullReason::NoDenominator), |spread| measure(&spread))
    })
}

/// Theil's T between and within provinces: of the nation only.
fn by_province<'a>(i: &Inputs<'a>, part: impl Fn(Theil) -> Value<'a>) -> Value<'a> {
    i.if_nation(|i| {
        let provinces: Vec<u32> = i.counties.iter().filter(has_need).map(|row| row.county / 10_000).collect();
        capacity(i, |spread| part(spread.theil_by(|index| provinces[index])))
    })
}

fn location_quotient<'a>(i: &Inputs<'a>) -> Value<'a> {
    if i.part.is_some() || !matches!(i.level, Level::Province | Level::City | Level::County) {
        return Value::Null(NullReason::NotApplicableAtLevel);
    }
    let (Some(nation), Some(need)) = (i.nation, i.reference.need) else {
        return Value::Null(NullReason::NoReferenceData);
    };
    i.with_census(|c| {
        let whole = Spread::of([Pair { x: nation.public_rated_w, w: nation.need }]);
        let own = Pair { x: c.public_rated_w, w: need };
        Value::number_or(whole.and_then(|whole| whole.location_quotient(own)), NullReason::NoDenominator)
    })
}

/// One setting's ratio over the other's.
fn urban_rural<'a>(i: &Inputs<'a>, of: impl Fn(&SettingRow) -> Option<(i64, i64)>) -> Value<'a> {
    i.if_wide(|i| {
        let (Some(urban), Some(rural)) = (i.urban, i.rural) else { return Value::Null(NullReason::NotRecorded) };
        let (Some((x_urban, w_urban)), Some((x_rural, w_rural))) = (of(&urban), of(&rural)) else {
            return Value::Null(NullReason::NoReferenceData);
        };
        let (urban, rural) = (ratio(x_urban, w_urban, 0), ratio(x_rural, w_rural, 0));
        match (urban.as_f64(), rural.as_f64()) {
            (Some(urban), Some(rural)) if rural > 0.0 => Value::number(urban / rural),
            _ => Value::Null(NullReason::NoDenominator),
        }
    })
}

indicators! { Layout:
    "F1" "need_basis", Word(NEED_BASES), "-";
    "what need is measured by", "需求口径";
    "reference.need_basis: electric vehicles, or population where their stock is not known", "own [D]"
    => |i| i.reference.need_basis.map_or(Value::Null(NullReason::NoReferenceData), |basis| Value::Word(basis.name()));

    "F1" "gini_capacity", Number, "1";
    "Gini coefficient of public rated power per need", "公共充电功率基尼系数";
    "1 - sum of q_k (2 C_(k-1) + p_k) over counties by rising x/w; x public_rated_w, w need", "standard [D]"
    => |i| capacity(i, |s| Value::number(s.gini()));

    "F1" "gini_energy", Number, "1";
    "Gini coefficient of delivered energy per need", "充电电量基尼系数";
    "the same with x import_j", "standard [D]"
    => |i| energy(i, |s| Value::number(s.gini()));

    "F2" "theil_t_capacity", Number, "1";
    "Theil index T of public rated power per need", "公共充电功率泰尔指数T";
    "sum of p ln(p/q) over counties", "standard [D]"
    => |i| capacity(i, |s| Value::number(s.theil_t()));

    "F3" "theil_l_capacity", Number, "1";
    "Theil index L of public rated power per need", "公共充电功率泰尔指数L";
    "sum of q ln(q/p) over counties; null (undefined) where a county with need has nothing", "standard [D]"
    => |i| capacity(i, |s| Value::number_or(s.theil_l(), NullReason::Undefined));

    "F3" "counties_without_capacity", Integer, "counties";
    "counties with need and no public rated power", "有需求无功率县";
    "count of counties with w > 0 and x = 0", "own [D]"
    => |i| capacity(i, |_| {
        Value::Integer(i.counties.iter().filter(has_need).filter(|row| row.public_rated_w <= 0).count() as i64)
    });

    "F4" "theil_between_provinces", Number, "1";
    "Theil index T between provinces", "省际泰尔指数";
    "sum of P ln(P/Q) over provinces", "standard [D]"
    => |i| by_province(i, |t| Value::number(t.between));

    "F4" "theil_within_provinces", Number, "1";
    "Theil index T within provinces", "省内泰尔指数";
    "sum of P x T of the province over provinces", "standard [D]"
    => |i| by_province(i, |t| Value::number(t.within));

    "F4" "theil_between_share", Number, "1";
    "share of the imbalance that lies between provinces", "省际差异占比";
    "between / (between + within)", "standard [D]"
    => |i| by_province(i, |t| {
        let whole = t.between + t.within;
        if whole > 0.0 { Value::number(t.between / whole) } else { Value::Null(NullReason::NoDenominator) }
    });

    "F5" "hoover_capacity", Number, "1";
    "Hoover index of public rated power per need", "公共充电功率胡佛指数";
    "half the sum of |p - q| over counties: the share that would have to move", "standard [D]"
    => |i| capacity(i, |s| Value::number(s.hoover()));

    "F5" "hoover_energy", Number, "1";
    "Hoover index of delivered energy per need", "充电电量胡佛指数";
    "the same with x import_j", "standard [D]"
    => |i| energy(i, |s| Value::number(s.hoover()));

    "F8" "location_quotient", Number, "1";
    "location quotient: public rated power per need, against the nation's", "区位商";
    "(census.public_rated_w / need) / (nation's public_rated_w / nation's need)", "standard [D]"
    => location_quotient;

    "F9" "variation_capacity", Number, "1";
    "weighted coefficient of variation of public rated power per need", "公共充电功率变异系数(加权)";
    "sqrt(sum of q (r - mean)^2) / mean, r = x/w", "standard [D]"
    => |i| capacity(i, |s| Value::number(s.variation()));

    "F10" "max_min_ratio_capacity", Number, "1";
    "greatest over least public rated power per need", "极值比";
    "max r / min r; null (undefined) where the least is nothing", "standard [D]"
    => |i| capacity(i, |s| Value::number_or(s.max_min(), NullReason::Undefined));

    "F10" "p90_p10_ratio_capacity", Number, "1";
    "90th over 10th percentile of public rated power per need", "P90/P10";
    "nearest ranks over counties; null (undefined) where the 10th is nothing", "standard [D]"
    => |i| capacity(i, |s| Value::number_or(s.p90_p10(), NullReason::Undefined));

    "F11" "supply_use_mismatch", Number, "1";
    "mismatch between where power stands and where energy is drawn", "供需错配指数";
    "half the sum of |share of public_rated_w - share of import_j| over counties", "own [D]"
    => |i| i.if_wide(|i| {
        let pairs = i.counties.iter().map(|row| (row.public_rated_w, row.import_j));
        Value::number_or(mismatch(pairs), NullReason::NoDenominator)
    });

    "F12" "variation_time_utilisation", Number, "1";
    "variation of time utilisation between counties", "时间利用率变异系数";
    "weighted coefficient of variation of charging_ms / service_ms, weight service_ms", "own [D]"
    => |i| utilisation(i, |s| Value::number(s.variation()));

    "F12" "gini_time_utilisation", Number, "1";
    "Gini coefficient of time utilisation between counties", "时间利用率基尼系数";
    "weighted Gini of charging_ms over service_ms", "own [D]"
    => |i| utilisation(i, |s| Value::number(s.gini()));

    "F14" "urban_rural_capacity_ratio", Number, "1";
    "public rated power per need, urban over rural", "城乡差(功率)";
    "(urban public_rated_w / need) / (rural public_rated_w / need)", "own [D]"
    => |i| urban_rural(i, |row| row.need.map(|need| (row.public_rated_w, need)));

    "F14" "urban_rural_time_utilisation_ratio", Number, "1";
    "time utilisation, urban over rural", "城乡差(时间利用率)";
    "(urban charging_ms / service_ms) / (rural charging_ms / service_ms)", "own [D]"
    => |i| urban_rural(i, |row| Some((row.charging_ms, row.service_ms)));
}
