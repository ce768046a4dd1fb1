//! What the numbers of T/CEC 102 and of its supervision extension mean. Operators have numbers of their own; what the
//! settings say about those goes before what stands here. Holds tables only.

use std::collections::BTreeMap;

use chargetally_core::alarm::{AlarmClass, Level};
use chargetally_core::observation::StopReason;
use chargetally_core::registration::{Access, Current, Scene, StationState};
use chargetally_core::state::Status;

/// Entries of one table of the settings at most.
pub const CODES_MAX: usize = 1_000;

/// What the settings say about codes: by the code, or by `OPERATOR:CODE` for one operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// `StopReason`.
    pub stop_reasons: BTreeMap<Box<str>, StopReason>,
    /// `AlarmCode`.
    pub alarms: BTreeMap<Box<str>, AlarmClass>,
    /// `StationType`.
    pub accesses: BTreeMap<Box<str>, Access>,
    /// `Construction`.
    pub scenes: BTreeMap<Box<str>, Scene>,
    /// `EquipmentType`.
    pub equipment: BTreeMap<Box<str>, EquipmentKind>,
}

/// What a piece of equipment gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum EquipmentKind {
    Dc,
    Ac,
    /// Direct current in both directions.
    V2g,
    Other,
}

impl EquipmentKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Dc, Self::Ac, Self::V2g, Self::Other];

    /// Its name in the settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dc => "dc",
            Self::Ac => "ac",
            Self::V2g => "v2g",
            Self::Other => "other",
        }
    }

    /// The current, where the kind says it.
    #[must_use]
    pub const fn current(self) -> Option<Current> {
        match self {
            Self::Dc | Self::V2g => Some(Current::Dc),
            Self::Ac => Some(Current::Ac),
            Self::Other => None,
        }
    }
}

fn own<T: Copy>(table: &BTreeMap<Box<str>, T>, operator: &str, code: &str) -> Option<T> {
    if table.is_empty() {
        return None;
    }
    table.get(&*format!("{operator}:{code}")).or_else(|| table.get(code)).copied()
}

impl Codes {
    /// Why a session stopped; a number that nobody explained is some other reason.
    #[must_use]
    pub fn stop_reason(&self, operator: &str, code: i64) -> StopReason {
        own(&self.stop_reasons, operator, &code.to_string()).unwrap_or(match code {
            0 => StopReason::Local,
            1 => StopReason::Remote,
            2 => StopReason::StoppedByEv,
            3 => StopReason::EquipmentFault,
            4 => StopReason::EvDisconnected,
            _ => StopReason::Other,
        })
    }

    /// What an alarm is about; a code that nobody explained is something else.
    #[must_use]
    pub fn alarm(&self, operator: &str, code: &str) -> AlarmClass {
        own(&self.alarms, operator, code).unwrap_or_else(|| alarm_class(code))
    }

    /// Who may charge at a station of this type.
    #[must_use]
    pub fn access(&self, operator: &str, code: i64) -> Option<Access> {
        own(&self.accesses, operator, &code.to_string()).or(match code {
            1 | 105 => Some(Access::Public),
            50 => Some(Access::Private),
            100..=104 | 106 => Some(Access::Dedicated),
            _ => None,
        })
    }

    /// The surroundings of a station.
    #[must_use]
    pub fn scene(&self, operator: &str, code: i64) -> Option<Scene> {
        own(&self.scenes, operator, &code.to_string()).or(match code {
            1 => Some(Scene::Residential),
            2 => Some(Scene::PublicInstitution),
            3 => Some(Scene::Enterprise),
            4 => Some(Scene::Office),
            5 => Some(Scene::IndustrialPark),
            6 => Some(Scene::TransportHub),
            7 => Some(Scene::CultureSports),
            8 => Some(Scene::UrbanGreen),
            9 => Some(Scene::LargeBuilding),
            10 => Some(Scene::Roadside),
            11 => Some(Scene::HighwayServiceArea),
            // 风景区, 公交场站, 加油加气站, 出租车 in Zhejiang.
            12..=15 | 255 => Some(Scene::Other),
            _ => None,
        })
    }

    /// What equipment of this type gives.
    #[must_use]
    pub fn equipment(&self, operator: &str, code: i64) -> EquipmentKind {
        own(&self.equipment, operator, &code.to_string()).unwrap_or(match code {
            1 => EquipmentKind::Dc,
            2 => EquipmentKind::Ac,
            _ => EquipmentKind::Other,
        })
    }
}

/// A connector's status; `None` for a number that the standard does not have.
#[must_use]
pub const fn status(code: i64) -> Option<Status> {
    Some(match code {
        0 => Status::Offline,
        1 => Status::Available,
        2 => Status::Occupied,
        3 => Status::Charging,
        4 => Status::Reserved,
        255 => Status::Faulted,
        _ => return None,
    })
}

/// Whether a station is in business.
#[must_use]
pub const fn station_state(code: i64) -> StationState {
    match code {
        1 => StationState::UnderConstruction,
        5 => StationState::Closed,
        6 => StationState::Maintenance,
        _ => StationState::Operating,
    }
}

/// The current of a connector of this type, where the type says it.
#[must_use]
pub const fn connector_current(code: i64) -> Option<Current> {
    match code {
        1..=3 => Some(Current::Ac),
        4 => Some(Current::Dc),
        _ => None,
    }
}

/// How grave an alarm is. Other numbers are of other scales, which run in other directions.
#[must_use]
pub const fn alarm_level(code: i64) -> Option<Level> {
    match code {
        1 => Some(Level::Personal),
        2 => Some(Level::Equipment),
        3 => Some(Level::Notice),
        _ => None,
    }
}

/// The alarm codes of the supervision extension.
fn alarm_class(code: &str) -> AlarmClass {
    match code.parse::<u32>().unwrap_or(0) {
        1 | 11 | 117 => AlarmClass::ContactorWeld,
        2 => AlarmClass::EmergencyStop,
        3 => AlarmClass::Meter,
        4 | 5 | 7 => AlarmClass::InsulationMonitorLost,
        6 | 121 => AlarmClass::Insulation,
        8 => AlarmClass::PowerLoss,
        9 | 206 => AlarmClass::SmokeFire,
        10 => AlarmClass::Breaker,
        12 => AlarmClass::Fuse,
        13 => AlarmClass::ConnectorLock,
        14 => AlarmClass::Fan,
        15 => AlarmClass::SurgeArrester,
        16 | 28 | 109 => AlarmClass::ControlPilot,
        17 => AlarmClass::ChargerOvertemp,
        18 | 115 | 116 => AlarmClass::ConnectorOvertemp,
        19 => AlarmClass::GunNotReturned,
        20 | 101 => AlarmClass::BmsComm,
        21 | 24 => AlarmClass::Precharge,
        22 | 25 => AlarmClass::VoltageMismatch,
        23 | 30 | 31 => AlarmClass::PowerModule,
        26 => AlarmClass::DoorOpen,
        27 => AlarmClass::BackendComm,
        29 => AlarmClass::HvRelay,
        102 => AlarmClass::ReversePolarity,
        103 | 105 => AlarmClass::BatteryLink,
        104 | 112 | 119 => AlarmClass::PackOvervoltage,
        106 | 118 => AlarmClass::Undervoltage,
        107 => AlarmClass::CellOvervoltage,
        111 | 114 | 122 => AlarmClass::Overcurrent,
        120 => AlarmClass::BatteryOvertemp,
        201..=205 => AlarmClass::Distribution,
        _ => AlarmClass::Other,
    }
}
