//! Provisional: replaced by the region table.
/// Town or country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// A street office's area (街道).
    Urban,
    /// A town's or township's (镇, 乡).
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
/// An area code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Area(pub u64);
/// Why a text is no area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaError;
impl Area {
    /// An area of 6, 9 or 12 digits.
    ///
    /// # Errors
    /// Where the text is anything else.
    pub fn parse(digits: &str) -> Result<Self, AreaError> {
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        let scale = match digits.len() {
            6 if all => 1_000_000,
            9 if all => 1000,
            12 if all => 1,
            _ => return Err(AreaError),
        };
        digits.parse::<u64>().map(|code| Self(code * scale)).map_err(|_| AreaError)
    }
    /// The 2-digit province.
    #[must_use]
    pub const fn province(&self) -> u8 {
        (self.0 / 10_000_000_000) as u8
    }
}
