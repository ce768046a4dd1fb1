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
pub struct Area(pub u32);
impl Area {
    pub fn county(self) -> u32 {
        self.0
    }
    pub fn setting(self) -> Option<Setting> {
        None
    }
}
