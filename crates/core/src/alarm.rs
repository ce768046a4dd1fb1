//! What an alarm says: its class, its level and where in the chain from grid to battery it arose. Codes of other
//! parties are mapped to these at the door; raw level numbers are never compared, for the scales in use run in
//! opposite directions.

use std::fmt;

/// How grave an alarm is (the levels of the Shenzhen supervision protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// 人身安全级: people may come to harm.
    Personal = 0,
    /// 设备安全级: equipment may come to harm.
    Equipment = 1,
    /// 告警提示级: somebody should know.
    Notice = 2,
}

/// Where an alarm arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AlarmSource {
    /// The charger itself (充电系统).
    Charger = 0,
    /// The vehicle's battery (电池系统).
    Battery = 1,
    /// The station's supply (配电系统).
    Distribution = 2,
}

impl Level {
    /// All levels, gravest first.
    pub const ALL: [Self; 3] = [Self::Personal, Self::Equipment, Self::Notice];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Equipment => "equipment",
            Self::Notice => "notice",
        }
    }

    /// The level with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

impl AlarmSource {
    /// All sources, in the order of the tally.
    pub const ALL: [Self; 3] = [Self::Charger, Self::Battery, Self::Distribution];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charger => "charger",
            Self::Battery => "battery",
            Self::Distribution => "distribution",
        }
    }
}

macro_rules! alarm_classes {
    ($($variant:ident $name:literal $level:ident $source:ident,)*) => {
        /// What an alarm is about, whatever its sender calls it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names are the wire's own words")]
        pub enum AlarmClass {
            $($variant,)*
        }

        impl AlarmClass {
            /// All classes, in the order of this list.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its level where the sender gives none.
            #[must_use]
            pub const fn default_level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }

            /// Where alarms of this class arise.
            #[must_use]
            pub const fn source(self) -> AlarmSource {
                match self { $(Self::$variant => AlarmSource::$source,)* }
            }
        }
    };
}

alarm_classes! {
    Insulation "insulation" Personal Charger,
    InsulationMonitorLost "insulation_monitor_lost" Equipment Charger,
    GroundFault "ground_fault" Personal Charger,
    EmergencyStop "emergency_stop" Personal Charger,
    SmokeFire "smoke_fire" Personal Charger,
    ContactorWeld "contactor_weld" Personal Charger,
    HvRelay "hv_relay" Personal Battery,
    DoorOpen "door_open" Personal Charger,
    Tilt "tilt" Personal Charger,
    Water "water" Personal Charger,
    ConnectorOvertemp "connector_overtemp" Equipment Charger,
    BatteryOvertemp "battery_overtemp" Personal Battery,
    BatteryTempRise "battery_temp_rise" Personal Battery,
    BatteryTempSpread "battery_temp_spread" Equipment Battery,
    CellOvervoltage "cell_overvoltage" Personal Battery,
    PackOvervoltage "pack_overvoltage" Personal Battery,
    CellSpread "cell_spread" Equipment Battery,
    SocJump "soc_jump" Notice Battery,
    Overcurrent "overcurrent" Equipment Charger,
    ChargeAfterFull "charge_after_full" Equipment Battery,
    PowerAboveRating "power_above_rating" Equipment Charger,
    ReversePolarity "reverse_polarity" Personal Battery,
    ConnectorLock "connector_lock" Equipment Charger,
    Latch "latch" Equipment Charger,
    ControlPilot "control_pilot" Equipment Charger,
    Proximity "proximity" Equipment Charger,
    ChargerOvertemp "charger_overtemp" Equipment Charger,
    SurgeArrester "surge_arrester" Equipment Charger,
    Fuse "fuse" Equipment Charger,
    Breaker "breaker" Equipment Charger,
    PowerModule "power_module" Notice Charger,
    Precharge "precharge" Equipment Charger,
    VoltageMismatch "voltage_mismatch" Equipment Charger,
    BmsComm "bms_comm" Equipment Battery,
    Meter "meter" Notice Charger,
    Reader "reader" Notice Charger,
    BackendComm "backend_comm" Notice Charger,
    CommunicationLost "communication_lost" Equipment Charger,
    RegisterBackward "register_backward" Notice Charger,
    PowerLoss "power_loss" Notice Charger,
    Distribution "distribution" Equipment Distribution,
    BatteryLink "battery_link" Notice Battery,
    Undervoltage "undervoltage" Notice Battery,
    GunNotReturned "gun_not_returned" Notice Charger,
    Fan "fan" Notice Charger,
    Other "other" Notice Charger,
}

impl AlarmClass {
    /// The class with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.name() == name)
    }
}

impl fmt::Display for AlarmClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_class() {
        for &class in AlarmClass::ALL {
            assert_eq!(AlarmClass::from_name(class.name()), Some(class));
        }
        for level in Level::ALL {
            assert_eq!(Level::from_name(level.name()), Some(level));
        }
    }
}
