//! The only thing that goes in: what one message says, in our units, borrowed from the message. A dialect makes
//! these; it has already checked types and ranges, so nothing here can be malformed, only late, repeated or wrong.

use crate::alarm::{AlarmClass, Level};
use crate::registration::Registration;
use crate::state::Status;
use crate::time::EventTime;

/// A station, by the operator that runs it and the id that is unique within that operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct StationKey<'a> {
    pub operator: &'a str,
    pub station: &'a str,
}

/// What one message, or one element of an array in it, says.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation<'a> {
    /// A connector's status, power, registers and vitals at a point in time.
    Sample {
        /// Which connector of the station.
        connector: &'a str,
        /// What was measured.
        sample: Sample<'a>,
    },
    /// Something happened to a charging session.
    Session {
        /// Which connector of the station.
        connector: &'a str,
        /// What happened.
        event: SessionEvent<'a>,
    },
    /// An alarm that the station itself gives.
    Alarm {
        /// Which connector, or the station as a whole.
        connector: Option<&'a str>,
        /// What it says.
        alarm: AlarmReport<'a>,
    },
    /// The station's master data; replaces what was registered before.
    Registration(Registration),
    /// The station's registration was withdrawn: all its connectors are decommissioned.
    Deregistration {
        /// When; `None` where the message carries no time, so that its arrival stands in.
        at: Option<EventTime>,
    },
    /// The station is not reachable: its last will, or an explicit word. Holds for all its connectors.
    StationOffline {
        /// When; `None` where the message carries no time, so that its arrival stands in.
        at: Option<EventTime>,
        /// Whether the broker replayed it from its retained store, so that it speaks of no particular moment.
        retained: bool,
    },
    /// The station is reachable. Says nothing about the state of its connectors.
    StationOnline,
}

impl Observation<'_> {
    /// The event time that the message states; `None` where it states none.
    #[must_use]
    pub fn at(&self) -> Option<EventTime> {
        match self {
            Self::Sample { sample, .. } => Some(sample.at),
            Self::Session { event, .. } => Some(event.at),
            Self::Alarm { alarm, .. } => Some(alarm.at),
            Self::Registration(registration) => registration.at,
            Self::Deregistration { at } | Self::StationOffline { at, .. } => *at,
            Self::StationOnline => None,
        }
    }
}

/// One measurement of a connector. Energy in J, power in W; registers are cumulative.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say what they hold and in which unit")]
pub struct Sample<'a> {
    pub at: EventTime,
    pub status: Option<Status>,
    pub power_w: Option<i64>,
    pub import_j: Option<i64>,
    pub export_j: Option<i64>,
    /// What the vehicle asks for.
    pub demand_w: Option<i64>,
    pub vitals: Vitals,
    pub session: Option<&'a str>,
}

/// What a sample says about the health of charger and battery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say what they hold and in which unit: mv mV, ma mA, mc 0.001 °C")]
pub struct Vitals {
    pub voltage_mv: Option<i64>,
    pub current_ma: Option<i64>,
    pub connector_temp_mc: Option<i64>,
    pub soc_permille: Option<i64>,
    pub battery_temp_max_mc: Option<i64>,
    pub battery_temp_min_mc: Option<i64>,
    pub cell_mv_max: Option<i64>,
    pub cell_mv_min: Option<i64>,
    pub insulation_ohm: Option<i64>,
}

/// An event in a charging session's life.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SessionEvent<'a> {
    pub at: EventTime,
    pub session: &'a str,
    pub step: SessionStep,
}

/// What happened to the session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SessionStep {
    /// Somebody asked for energy.
    Attempt,
    /// Energy began to flow.
    Start,
    /// The session ended.
    Stop(SessionStop),
}

/// How a session ended and what was billed. Money is in fen (0.01 CNY).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names say what they hold and in which unit")]
pub struct SessionStop {
    pub reason: Option<StopReason>,
    pub energy_j: Option<i64>,
    pub billed_j: Option<i64>,
    pub energy_fee_fen: Option<i64>,
    pub service_fee_fen: Option<i64>,
    pub disputed: bool,
}

macro_rules! stop_reasons {
    ($($variant:ident $name:literal,)*) => {
        /// Why a session ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names are the wire's own words")]
        pub enum StopReason {
            $($variant,)*
        }

        impl StopReason {
            /// All reasons, in the order of the wire page.
            pub const ALL: [Self; 15] = [$(Self::$variant,)*];

            /// Its name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

stop_reasons! {
    Local "local",
    Remote "remote",
    EvDisconnected "ev_disconnected",
    SocLimit "soc_limit",
    EnergyLimit "energy_limit",
    TimeLimit "time_limit",
    StoppedByEv "stopped_by_ev",
    EmergencyStop "emergency_stop",
    EquipmentFault "equipment_fault",
    PowerLoss "power_loss",
    Insulation "insulation",
    OverTemperature "over_temperature",
    OverCurrent "over_current",
    OverVoltage "over_voltage",
    Other "other",
}

impl StopReason {
    /// The reason with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// Whether the session ended as its user or vehicle wished (domain C9).
    ///
    /// Pulling the plug counts as normal at an alternating-current connector only: a direct-current connector is
    /// locked while it delivers.
    #[must_use]
    pub const fn is_normal(self, direct_current: bool) -> bool {
        match self {
            Self::Local | Self::Remote | Self::SocLimit | Self::EnergyLimit | Self::TimeLimit | Self::StoppedByEv => {
                true
            }
            Self::EvDisconnected => !direct_current,
            _ => false,
        }
    }

    /// Whether a protection ended the session (domain D3).
    #[must_use]
    pub const fn is_safety(self) -> bool {
        matches!(
            self,
            Self::EmergencyStop | Self::Insulation | Self::OverTemperature | Self::OverCurrent | Self::OverVoltage
        )
    }
}

/// An alarm given by a station.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct AlarmReport<'a> {
    pub at: EventTime,
    pub class: AlarmClass,
    /// The sender's level; the class's own where it gives none.
    pub level: Option<Level>,
    /// Raised, or cleared.
    pub raised: bool,
    pub code: Option<&'a str>,
    pub value: Option<f64>,
    pub note: Option<&'a str>,
}
