//! Checks of areas, names and denominators against figures computed independently of the table's generator.

use proptest::prelude::*;

use super::*;

/// Province, counties, 街道, 镇, 乡, 类似乡级.
const EXPECTED: [(u8, u32, u32, u32, u32, u32); 31] = [
    (11, 16, 221, 107, 15, 6),
    (12, 16, 124, 125, 3, 47),
    (13, 167, 305, 1330, 611, 119),
    (14, 117, 217, 631, 430, 74),
    (15, 103, 243, 509, 270, 203),
    (21, 100, 507, 639, 201, 59),
    (22, 60, 364, 432, 181, 98),
    (23, 121, 438, 575, 333, 357),
    (31, 16, 107, 106, 2, 19),
    (32, 95, 494, 689, 17, 287),
    (33, 90, 488, 619, 258, 22),
    (34, 104, 285, 1014, 226, 160),
    // The list's 350527000 stands for all of Kinmen and is no street office: 202, where a plain count gives 203.
    (35, 84, 202, 653, 251, 63),
    (36, 100, 188, 832, 560, 187),
    (37, 136, 684, 1072, 57, 40),
    (41, 157, 696, 1183, 588, 119),
    (42, 103, 339, 760, 160, 216),
    (43, 122, 426, 1134, 388, 60),
    (44, 122, 482, 1117, 11, 147),
    (45, 111, 135, 806, 312, 31),
    (46, 25, 21, 180, 21, 21),
    (50, 37, 245, 625, 161, 0),
    (51, 183, 459, 2016, 626, 10),
    (52, 88, 365, 831, 314, 0),
    (53, 129, 223, 667, 539, 32),
    (54, 74, 25, 142, 534, 4),
    (61, 107, 328, 973, 17, 17),
    (62, 86, 131, 892, 338, 42),
    (63, 44, 42, 140, 222, 18),
    (64, 22, 50, 103, 90, 16),
    (65, 110, 232, 475, 462, 236),
];

#[test]
fn every_province_has_the_expected_denominators() {
    for (province, counties, street, town, township, similar) in EXPECTED {
        assert_eq!(county_count(province), counties, "{province}");
        assert_eq!(township_count(province), Townships { street, town, township, similar }, "{province}");
    }
    for province in [71, 81, 82] {
        assert_eq!((county_count(province), township_count(province).total()), (0, 0), "{province}");
    }
}

#[test]
fn the_nation_has_the_published_denominators() {
    let nation = township_count_nation();
    assert_eq!(county_count_nation(), 2_845);
    assert_eq!((nation.town, nation.township, nation.policy()), (21_377, 8_198, 29_575));
    assert_eq!((nation.street, nation.similar), (9_066, 2_710));
}

#[test]
fn townships_add_up_alike_over_cities_and_over_provinces() {
    for province in provinces() {
        let cities = cities_of(province.code).map(|city| township_count_city(city.code));
        assert_eq!(cities.fold(Townships::default(), Townships::plus), province.townships, "{}", province.code);
    }
}

#[test]
fn known_codes_have_their_names() {
    let check = |names: Option<Names>, name, name_zh| assert_eq!(names, Some(Names { name, name_zh }));
    check(province_name(53), "Yunnan", "云南省");
    check(province_name(15), "Inner Mongolia", "内蒙古自治区");
    check(province_name(61), "Shaanxi", "陕西省");
    check(province_name(54), "Tibet", "西藏自治区");
    check(province_name(81), "Hong Kong", "香港特别行政区");
    check(city_name(5301), "Kunming", "昆明市");
    check(city_name(5325), "Honghe Prefecture", "红河哈尼族彝族自治州");
    check(city_name(6101), "Xi'an", "西安市");
    check(city_name(1101), "Beijing", "北京市");
    check(city_name(4111), "Luohe", "漯河市");
    check(city_name(3415), "Lu'an", "六安市");
    check(county_name(530_102), "Wuhua District", "五华区");
    check(county_name(530_125), "Yiliang County", "宜良县");
    check(county_name(110_101), "Dongcheng District", "东城区");
    check(county_name(130_726), "Yuxian County", "蔚县");
    check(county_name(460_400), "Danzhou", "儋州市");
    check(county_name(441_900), "Dongguan", "东莞市");
    check(county_name(620_200), "Jiayuguan", "嘉峪关市");
    check(county_name(500_157), "Liangjiang New Area", "两江新区");
    check(county_name(130_171), "Shijiazhuang High-Tech Zone", "石家庄高新技术产业开发区");
    check(Region::Nation.names(), "China", "全国");
    assert_eq!((province_name(99), city_name(5399), county_name(530_199)), (None, None, None));
}

#[test]
fn an_area_gives_each_level_of_its_code() {
    let area = Area::parse("530102").expect("an area");
    assert_eq!((area.county(), area.city(), area.province(), area.township()), (530_102, 5301, 53, None));
    assert_eq!(Area::parse("110101").map(Area::city), Ok(1101));
    assert_eq!(Area::parse("460400").map(|area| (area.county(), area.city())), Ok((460_400, 4604)));
}

#[test]
fn the_township_digits_tell_the_setting() {
    let check = |digits: &str, kind: Option<TownshipKind>, setting: Option<Setting>| {
        let area = Area::parse(digits).expect("an area");
        assert_eq!((area.township_kind(), area.setting()), (kind, setting), "{digits}");
    };
    check("530102001", Some(TownshipKind::Street), Some(Setting::Urban));
    check("530102100", Some(TownshipKind::Town), Some(Setting::Rural));
    check("530102199001", Some(TownshipKind::Town), Some(Setting::Rural));
    check("530102200", Some(TownshipKind::Township), Some(Setting::Rural));
    check("530102399", Some(TownshipKind::Township), Some(Setting::Rural));
    check("530102400", Some(TownshipKind::Similar), None);
    check("530102600", None, None);
    check("530102", None, None);
    check("530102000000", None, None);
}

#[test]
fn retired_codes_become_those_in_force() {
    let check = |old: &str, new: u32| assert_eq!(Area::parse(old).map(Area::county), Ok(new), "{old}");
    check("500105", 500_157);
    check("500112", 500_157);
    check("620201", 620_200);
    check("110103", 110_101);
    check("310108", 310_106);
    check("120223", 120_118);
    check("441900", 441_900);
    // Shijiazhuang's Qiaodong has gone; Zhangjiakou's district of the same name is another place.
    check("130103", 130_103);
    assert_eq!(county_name(500_105), county_name(500_157));
}

#[test]
fn townships_of_a_retired_county_stay_listed_and_count_for_its_successor() {
    let area = Area::parse("500112007000").expect("an area");
    assert_eq!((area.county(), area.township()), (500_157, Some(500_112_007)));
    assert!(is_known_township(500_112_007));
    assert!(county(500_157).is_some_and(|county| county.townships.total() > 30));
    assert!(county(620_200).is_some_and(|county| county.townships.total() > 0));
}

#[test]
fn a_policy_township_is_a_listed_town_or_township() {
    assert!(is_policy_township(110_111_101));
    assert!(!is_policy_township(110_101_001), "a street office");
    assert!(!is_policy_township(110_101_199), "not in the list");
    let policy = TABLE.townships.iter().filter(|&&code| is_policy_township(code)).count();
    assert_eq!(policy, 29_575);
}

#[test]
fn statistical_zones_are_known_but_in_no_denominator() {
    let zones = counties_of(13).iter().filter(|county| county.kind == CountyKind::StatisticalZone).count();
    let counted = counties_of(13).iter().filter(|county| county.kind == CountyKind::County).count();
    assert_eq!((zones > 0, counted), (true, 167));
    assert!(county(130_171).is_some_and(|county| county.kind == CountyKind::StatisticalZone));
    let alone = TABLE.counties.iter().filter(|county| county.kind == CountyKind::CityWithoutCounties);
    assert_eq!(alone.map(|county| county.code).collect::<Vec<_>>(), [441_900, 442_000, 460_400, 620_200]);
}

#[test]
fn a_code_that_cannot_be_an_area_is_refused_with_its_reason() {
    assert_eq!(Area::parse(""), Err(AreaError::Length(0)));
    assert_eq!(Area::parse("53010"), Err(AreaError::Length(5)));
    assert_eq!(Area::parse("5301020"), Err(AreaError::Length(7)));
    assert_eq!(Area::parse("53010a"), Err(AreaError::NotDigits));
    assert_eq!(Area::parse("+53010"), Err(AreaError::NotDigits));
    assert_eq!(Area::parse("五华"), Err(AreaError::NotDigits));
    assert_eq!(Area::parse("990102"), Err(AreaError::UnknownProvince(99)));
    assert_eq!(Area::parse("000000"), Err(AreaError::UnknownProvince(0)));
}

#[test]
fn an_unknown_county_of_a_known_province_is_accepted_without_a_name() {
    let area = Area::parse("710101").expect("an area");
    assert_eq!((area.county(), area.province(), county_name(area.county())), (710_101, 71, None));
}

#[test]
fn a_region_is_read_in_each_of_its_forms() {
    assert_eq!(Region::parse("nation"), Ok(Region::Nation));
    assert_eq!(Region::parse("53"), Ok(Region::Province(53)));
    assert_eq!(Region::parse("530000"), Ok(Region::Province(53)));
    assert_eq!(Region::parse("5301"), Ok(Region::City(5301)));
    assert_eq!(Region::parse("530100"), Ok(Region::City(5301)));
    assert_eq!(Region::parse("530102"), Ok(Region::County(530_102)));
    assert_eq!(Region::parse("441900"), Ok(Region::County(441_900)));
    assert_eq!(Region::parse("500105"), Err(RegionError::Retired(500_157)));
    assert_eq!(Region::parse("530199"), Err(RegionError::Unknown));
    assert_eq!(Region::parse("99"), Err(RegionError::Unknown));
    assert_eq!(Region::parse("5301021"), Err(RegionError::Form));
    assert_eq!(Region::parse("+5"), Err(RegionError::Form));
}

#[test]
fn every_region_of_the_table_survives_a_round_trip() {
    let provinces = TABLE.provinces.iter().map(|province| Region::Province(province.code));
    let cities = TABLE.cities.iter().map(|city| Region::City(city.code));
    let counties = TABLE.counties.iter().map(|county| Region::County(county.code));
    for region in provinces.chain(cities).chain(counties) {
        assert_eq!(Region::parse(&region.to_string()), Ok(region));
        assert!(region.names().is_some());
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in ".{0,14}") {
        let _ = Area::parse(&text);
        let _ = Region::parse(&text);
    }

    #[test]
    fn an_area_survives_a_round_trip(digits in "(11|13|44|50|53|62|71)([0-9]{4}|[0-9]{7}|[0-9]{10})") {
        let area = Area::parse(&digits).expect("a known province");
        prop_assert_eq!(Area::parse(&area.to_string()), Ok(area));
        prop_assert_eq!(u32::from(area.city()), area.county() / 100);
        prop_assert_eq!(u16::from(area.province()), area.city() / 100);
        prop_assert_eq!(area.township_kind().is_some(), area.setting().is_some()
            || area.township_kind() == Some(TownshipKind::Similar));
    }
}
