//! The ground the simulated stations stand on: a share, a centre and a few real counties for each of the 31
//! provinces. County names and codes are those that the 2023 statistical divisions and the current GB/T 2260 list agree
//! on; the township numbers are one real sub-district (街道), town (镇) and township (乡) of each, where it has one.
//! It must never be taken for the full register: a fleet may be given any other list of counties instead.

/// A county that a simulated station may stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountyArea {
    /// GB/T 2260 code, 6 digits.
    pub code: u32,
    /// Chinese name.
    pub name: &'static str,
    /// Digits 7 to 9 of one 街道, one 镇 and one 乡 of the county; 0 where it has none.
    pub townships: [u16; 3],
}

/// A province with what the make-up needs of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Province {
    /// GB/T 2260 code, 2 digits.
    pub code: u32,
    /// Share of the nation's connectors, in parts of the table's sum; a plausible figure, not a statistic.
    pub weight: u32,
    /// Longitude of its capital, hundredths of a degree.
    pub lng_cdeg: i32,
    /// Latitude of its capital, hundredths of a degree.
    pub lat_cdeg: i32,
}

const fn province(code: u32, weight: u32, lng_cdeg: i32, lat_cdeg: i32) -> Province {
    Province { code, weight, lng_cdeg, lat_cdeg }
}

const fn county(code: u32, name: &'static str, townships: [u16; 3]) -> CountyArea {
    CountyArea { code, name, townships }
}

/// The 31 provinces that the national figures cover.
pub const PROVINCES: [Province; 31] = [
    province(11, 40, 11640, 3990),
    province(12, 18, 11720, 3910),
    province(13, 40, 11450, 3805),
    province(14, 26, 11255, 3785),
    province(15, 14, 11165, 4080),
    province(21, 18, 12340, 4180),
    province(22, 11, 12530, 4385),
    province(23, 12, 12665, 4575),
    province(31, 45, 12145, 3120),
    province(32, 80, 11880, 3205),
    province(33, 82, 12015, 3025),
    province(34, 50, 11725, 3185),
    province(35, 38, 11930, 2605),
    province(36, 27, 11590, 2870),
    province(37, 66, 11700, 3665),
    province(41, 52, 11365, 3475),
    province(42, 52, 11430, 3055),
    province(43, 38, 11295, 2820),
    province(44, 165, 11325, 2310),
    province(45, 35, 10835, 2280),
    province(46, 18, 11030, 2000),
    province(50, 26, 10655, 2955),
    province(51, 46, 10405, 3065),
    province(52, 22, 10670, 2660),
    province(53, 28, 10270, 2505),
    province(54, 2, 9110, 2965),
    province(61, 34, 10895, 3425),
    province(62, 14, 10380, 3605),
    province(63, 4, 10180, 3660),
    province(64, 6, 10625, 3845),
    province(65, 16, 8760, 4380),
];

/// The counties used unless the caller brings its own, ascending by code.
pub const COUNTIES: [CountyArea; 136] = [
    county(110101, "东城区", [1, 0, 0]),
    county(110108, "海淀区", [1, 0, 0]),
    county(110111, "房山区", [1, 101, 208]),
    county(110114, "昌平区", [1, 104, 0]),
    county(110116, "怀柔区", [1, 102, 211]),
    county(120101, "和平区", [1, 0, 0]),
    county(120106, "红桥区", [1, 0, 0]),
    county(120114, "武清区", [1, 101, 0]),
    county(120118, "静海区", [1, 100, 200]),
    county(120119, "蓟州区", [1, 100, 203]),
    county(130102, "长安区", [1, 100, 0]),
    county(130107, "井陉矿区", [1, 100, 200]),
    county(130303, "山海关区", [1, 100, 0]),
    county(130702, "桥东区", [1, 101, 202]),
    county(140105, "小店区", [1, 100, 200]),
    county(140214, "云冈区", [1, 101, 200]),
    county(140502, "城区", [1, 100, 0]),
    county(150102, "新城区", [1, 101, 0]),
    county(150121, "土默特左旗", [0, 100, 207]),
    county(150205, "石拐区", [1, 101, 0]),
    county(150404, "松山区", [1, 100, 200]),
    county(210102, "和平区", [1, 0, 0]),
    county(210123, "康平县", [1, 101, 203]),
    county(210304, "立山区", [1, 0, 0]),
    county(210811, "老边区", [1, 101, 0]),
    county(210881, "盖州市", [1, 102, 216]),
    county(220102, "南关区", [1, 0, 200]),
    county(220105, "二道区", [1, 100, 270]),
    county(220202, "昌邑区", [1, 100, 200]),
    county(220403, "西安区", [1, 100, 0]),
    county(230102, "道里区", [1, 101, 0]),
    county(230103, "南岗区", [1, 101, 201]),
    county(230303, "恒山区", [2, 0, 200]),
    county(230605, "红岗区", [8, 100, 0]),
    county(230623, "林甸县", [0, 100, 200]),
    county(310101, "黄浦区", [2, 0, 0]),
    county(310109, "虹口区", [9, 0, 0]),
    county(310115, "浦东新区", [4, 103, 0]),
    county(310151, "崇明区", [0, 101, 201]),
    county(320102, "玄武区", [2, 0, 0]),
    county(320303, "云龙区", [1, 0, 0]),
    county(320706, "海州区", [1, 100, 0]),
    county(320722, "东海县", [1, 101, 200]),
    county(321283, "泰兴市", [1, 100, 200]),
    county(330102, "上城区", [1, 0, 0]),
    county(330111, "富阳区", [1, 100, 200]),
    county(330206, "北仑区", [1, 0, 0]),
    county(330602, "越城区", [1, 108, 0]),
    county(330726, "浦江县", [1, 101, 200]),
    county(340102, "瑶海区", [1, 100, 0]),
    county(340404, "谢家集区", [1, 100, 200]),
    county(340811, "宜秀区", [1, 100, 200]),
    county(350102, "鼓楼区", [1, 100, 0]),
    county(350111, "晋安区", [1, 100, 201]),
    county(350211, "集美区", [1, 102, 0]),
    county(350503, "丰泽区", [1, 0, 0]),
    county(350622, "云霄县", [0, 100, 200]),
    county(360102, "东湖区", [2, 100, 0]),
    county(360112, "新建区", [1, 101, 204]),
    county(360302, "安源区", [1, 100, 0]),
    county(360702, "章贡区", [1, 100, 0]),
    county(360803, "青原区", [1, 100, 201]),
    county(370102, "历下区", [1, 0, 0]),
    county(370304, "博山区", [1, 102, 0]),
    county(370522, "利津县", [1, 101, 201]),
    county(370705, "奎文区", [1, 0, 0]),
    county(371328, "蒙阴县", [1, 101, 201]),
    county(410102, "中原区", [1, 0, 0]),
    county(410122, "中牟县", [1, 101, 208]),
    county(410402, "新华区", [1, 100, 0]),
    county(410811, "山阳区", [1, 0, 0]),
    county(411081, "禹州市", [1, 100, 204]),
    county(420102, "江岸区", [2, 0, 0]),
    county(420116, "黄陂区", [1, 0, 201]),
    county(420281, "大冶市", [1, 100, 200]),
    county(420506, "夷陵区", [1, 101, 201]),
    county(430102, "芙蓉区", [1, 0, 0]),
    county(430181, "浏阳市", [1, 102, 201]),
    county(430304, "岳塘区", [1, 0, 0]),
    county(430611, "君山区", [1, 101, 0]),
    county(430922, "桃江县", [0, 101, 208]),
    county(440103, "荔湾区", [1, 0, 0]),
    county(440222, "始兴县", [0, 100, 204]),
    county(440309, "龙华区", [1, 0, 0]),
    county(440803, "霞山区", [1, 0, 0]),
    county(441625, "东源县", [0, 100, 200]),
    county(450102, "兴宁区", [1, 101, 0]),
    county(450123, "隆安县", [0, 100, 201]),
    county(450303, "叠彩区", [1, 0, 200]),
    county(450703, "钦北区", [1, 100, 0]),
    county(451026, "那坡县", [0, 100, 200]),
    county(460105, "秀英区", [1, 100, 0]),
    county(460106, "龙华区", [1, 100, 0]),
    county(460107, "琼山区", [1, 101, 0]),
    county(469001, "五指山市", [0, 100, 200]),
    county(469026, "昌江黎族自治县", [0, 100, 200]),
    county(500101, "万州区", [1, 109, 201]),
    county(500110, "綦江区", [1, 100, 0]),
    county(500119, "南川区", [1, 100, 207]),
    county(510104, "锦江区", [17, 0, 0]),
    county(510311, "沿滩区", [1, 100, 204]),
    county(510402, "东区", [1, 100, 0]),
    county(511302, "顺庆区", [1, 104, 200]),
    county(520102, "南明区", [16, 0, 200]),
    county(520111, "花溪区", [4, 101, 201]),
    county(520115, "观山湖区", [1, 100, 0]),
    county(520303, "汇川区", [1, 102, 0]),
    county(520621, "江口县", [1, 101, 202]),
    county(530102, "五华区", [1, 0, 0]),
    county(530113, "东川区", [1, 102, 201]),
    county(530114, "呈贡区", [1, 0, 0]),
    county(530402, "红塔区", [1, 0, 201]),
    county(532301, "楚雄市", [0, 101, 201]),
    county(540102, "城关区", [2, 0, 0]),
    county(540104, "达孜区", [0, 100, 200]),
    county(540202, "桑珠孜区", [1, 0, 200]),
    county(610102, "新城区", [1, 0, 0]),
    county(610118, "鄠邑区", [1, 0, 0]),
    county(610222, "宜君县", [1, 101, 201]),
    county(610502, "临渭区", [1, 100, 0]),
    county(610630, "宜川县", [1, 101, 200]),
    county(620102, "城关区", [1, 0, 0]),
    county(620103, "七里河区", [1, 100, 201]),
    county(620302, "金川区", [1, 100, 0]),
    county(620602, "凉州区", [1, 100, 0]),
    county(621023, "华池县", [0, 100, 202]),
    county(630102, "城东区", [1, 100, 0]),
    county(630105, "城北区", [1, 100, 0]),
    county(630106, "湟中区", [0, 100, 200]),
    county(640104, "兴庆区", [1, 100, 200]),
    county(640202, "大武口区", [1, 100, 0]),
    county(650102, "天山区", [2, 0, 0]),
    county(650104, "新市区", [1, 100, 200]),
    county(650106, "头屯河区", [1, 0, 0]),
    county(650203, "克拉玛依区", [1, 0, 200]),
    county(653121, "疏附县", [0, 100, 201]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_province_has_two_counties_in_ascending_order() {
        for pair in COUNTIES.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} before {}", pair[0].code, pair[1].code);
        }
        for province in PROVINCES {
            let n = COUNTIES.iter().filter(|county| county.code / 10_000 == province.code).count();
            assert!(n >= 2, "province {} has {n} counties", province.code);
        }
    }

    #[test]
    fn township_numbers_lie_in_the_range_of_their_kind() {
        for county in COUNTIES {
            let [street, town, township] = county.townships;
            assert!(street < 100 && (town == 0 || (100..200).contains(&town)), "{}", county.code);
            assert!(township == 0 || (200..400).contains(&township), "{}", county.code);
            assert!(county.townships != [0, 0, 0], "{}", county.code);
        }
    }
}
