//! A station's master data, in our terms: where it stands, whom it serves, and what its equipment can do. It enters
//! as an observation and replaces what was registered before; nothing here changes on its own.

use crate::region::Area;
use crate::time::EventTime;

/// Who may charge there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum Access {
    Public,
    Dedicated,
    Private,
}

/// The surroundings of a station (建设场所).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum Scene {
    Residential,
    PublicInstitution,
    Enterprise,
    Office,
    IndustrialPark,
    TransportHub,
    CultureSports,
    UrbanGreen,
    LargeBuilding,
    Roadside,
    HighwayServiceArea,
    Rural,
    Other,
}

/// Whether the station is in business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum StationState {
    Operating,
    Maintenance,
    UnderConstruction,
    Closed,
}

/// The kind of current that a connector gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum Current {
    Ac,
    Dc,
}

impl Access {
    /// All kinds of access.
    pub const ALL: [Self; 3] = [Self::Public, Self::Dedicated, Self::Private];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Dedicated => "dedicated",
            Self::Private => "private",
        }
    }
}

impl Scene {
    /// All scenes, in the order of the wire page.
    pub const ALL: [Self; 13] = [
        Self::Residential,
        Self::PublicInstitution,
        Self::Enterprise,
        Self::Office,
        Self::IndustrialPark,
        Self::TransportHub,
        Self::CultureSports,
        Self::UrbanGreen,
        Self::LargeBuilding,
        Self::Roadside,
        Self::HighwayServiceArea,
        Self::Rural,
        Self::Other,
    ];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Residential => "residential",
            Self::PublicInstitution => "public_institution",
            Self::Enterprise => "enterprise",
            Self::Office => "office",
            Self::IndustrialPark => "industrial_park",
            Self::TransportHub => "transport_hub",
            Self::CultureSports => "culture_sports",
            Self::UrbanGreen => "urban_green",
            Self::LargeBuilding => "large_building",
            Self::Roadside => "roadside",
            Self::HighwayServiceArea => "highway_service_area",
            Self::Rural => "rural",
            Self::Other => "other",
        }
    }
}

impl StationState {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Operating, Self::Maintenance, Self::UnderConstruction, Self::Closed];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operating => "operating",
            Self::Maintenance => "maintenance",
            Self::UnderConstruction => "under_construction",
            Self::Closed => "closed",
        }
    }

    /// Whether the station counts as a facility (domain A1: in use or under maintenance).
    #[must_use]
    pub const fn is_facility(self) -> bool {
        matches!(self, Self::Operating | Self::Maintenance)
    }
}

impl Current {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ac => "ac",
            Self::Dc => "dc",
        }
    }
}

/// A station's master data at a point in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Registration {
    /// When it began to hold; `None` where the message carries no time, so that its arrival stands in.
    pub at: Option<EventTime>,
    /// What people call it; empty where not given.
    pub name: Box<str>,
    /// Where it stands, where that is given.
    pub area: Option<Area>,
    /// Who may charge there.
    pub access: Option<Access>,
    /// Its surroundings.
    pub scene: Option<Scene>,
    /// Whether it is in business; operating where not given.
    pub state: StationState,
    /// Its charging equipment.
    pub equipment: Vec<Equipment>,
}

/// One piece of charging equipment (充电桩): a cabinet with one or several connectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equipment {
    /// Unique within the station.
    pub id: Box<str>,
    /// What the cabinet can deliver over all its connectors, W; connectors may share it.
    pub rated_w: Option<u32>,
    /// Days since the Unix epoch on which it was made.
    pub production_day: Option<i32>,
    /// Its connectors (充电枪).
    pub connectors: Vec<ConnectorSpec>,
}

/// One connector as registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorSpec {
    /// Unique within the operator.
    pub id: Box<str>,
    /// Rated power, W; where it is not given, the equipment's stands in if this is its only connector.
    pub rated_w: Option<u32>,
    /// The kind of current.
    pub current: Option<Current>,
    /// Upper voltage limit, V.
    pub v_max: Option<u32>,
    /// Whether it can give energy back to the grid.
    pub v2g: bool,
    /// Rated power towards the grid, W.
    pub discharge_w: Option<u32>,
}
