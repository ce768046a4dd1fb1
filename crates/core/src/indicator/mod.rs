//! Every indicator that a summary gives: what it is called, how it is computed and where it comes from, in one table
//! that the computing and the listing share. Pure functions of [`Inputs`]: numerators and denominators are integers
//! and are divided last; what is not known is null with a reason and never 0. No function here may keep state,
//! read a clock or average ratios.

mod coverage;
mod efficiency;
mod facilities;
pub mod inequality;
mod inputs;
mod layout;
mod policy;
mod quality;
mod safety;
mod service;
pub mod targets;
mod value;
mod vgi;

pub use inputs::{
    CountyRow, Inputs, Lists, NationRatio, NeedBasis, Peaks, Reference, SettingRow, SinceBase, Span, StationList,
    TownshipRow,
};
pub use policy::{Grading, Minimums, Plan, Policy, StarWeights, Target};
pub use safety::{Insulation, SafetyGrade, insulation_of, ohm_per_volt};
pub use service::{nevi_uptime, star_of_score};
pub use value::{NullReason, Value};

/// The objects of a summary that hold indicators, in their order there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum Group {
    Facilities = 0,
    Coverage = 1,
    Efficiency = 2,
    Service = 3,
    Safety = 4,
    Vgi = 5,
    Layout = 6,
    Targets = 7,
    Quality = 8,
}

impl Group {
    /// All groups, in the order of a summary.
    pub const ALL: [Self; 9] = [
        Self::Facilities,
        Self::Coverage,
        Self::Efficiency,
        Self::Service,
        Self::Safety,
        Self::Vgi,
        Self::Layout,
        Self::Targets,
        Self::Quality,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facilities => "facilities",
            Self::Coverage => "coverage",
            Self::Efficiency => "efficiency",
            Self::Service => "service",
            Self::Safety => "safety",
            Self::Vgi => "vgi",
            Self::Layout => "layout",
            Self::Targets => "targets",
            Self::Quality => "quality",
        }
    }

    /// Its indicators, in the order of a summary.
    #[must_use]
    pub const fn indicators(self) -> &'static [Indicator] {
        match self {
            Self::Facilities => facilities::INDICATORS,
            Self::Coverage => coverage::INDICATORS,
            Self::Efficiency => efficiency::INDICATORS,
            Self::Service => service::INDICATORS,
            Self::Safety => safety::INDICATORS,
            Self::Vgi => vgi::INDICATORS,
            Self::Layout => layout::INDICATORS,
            Self::Targets => targets::INDICATORS,
            Self::Quality => quality::INDICATORS,
        }
    }
}

/// What kind of value an indicator has where it is not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number of any sort.
    Number,
    /// A whole number.
    Integer,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A point in time, RFC 3339 on the wire.
    Time,
    /// A list of stations, each as `operator/station`.
    Stations,
}

/// One indicator: a row of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Indicator {
    /// Its number in the domain reference (`B1`); variants of one indicator share it.
    pub id: &'static str,
    /// The object of the summary that holds it.
    pub group: Group,
    /// Its key there: lower snake case, the unit last.
    pub name: &'static str,
    /// What kind of value it has.
    pub kind: Kind,
    /// Its unit; `1` for a ratio.
    pub unit: &'static str,
    /// What it is called in English.
    pub name_en: &'static str,
    /// What it is called in Chinese.
    pub name_zh: &'static str,
    /// How it is computed, in the words of `tally`, `census` and the settings.
    pub formula: &'static str,
    /// Who defined it, with the evidence tag: `[V]` read in the primary text, `[V2]` in a secondary source,
    /// `[M]` from memory, `[D]` this project's own.
    pub source: &'static str,
    /// The computation itself.
    pub compute: for<'a> fn(&Inputs<'a>) -> Value<'a>,
}

impl Indicator {
    /// Its path in a summary, as `group.name`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}.{}", self.group.name(), self.name)
    }
}

/// Every indicator, in the order of a summary.
pub fn catalogue() -> impl Iterator<Item = &'static Indicator> {
    Group::ALL.into_iter().flat_map(|group| group.indicators())
}

/// Declares the table of one group.
macro_rules! indicators {
    ($group:ident: $(
        $id:literal $name:expr, $kind:expr, $unit:literal;
        $en:expr, $zh:expr;
        $formula:expr, $source:expr => $compute:expr;
    )*) => {
        /// The indicators of this group, in the order of a summary.
        pub const INDICATORS: &[$crate::indicator::Indicator] = &[$(
            $crate::indicator::Indicator {
                id: $id,
                group: $crate::indicator::Group::$group,
                name: $name,
                kind: $kind,
                unit: $unit,
                name_en: $en,
                name_zh: $zh,
                formula: $formula,
                source: $source,
                compute: $compute,
            },
        )*];
    };
}
use indicators;
