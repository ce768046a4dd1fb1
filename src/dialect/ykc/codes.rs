//! The fault bits and stop reasons of YKC (云快充). Holds tables only.

use chargetally_core::alarm::AlarmClass;
use chargetally_core::observation::StopReason;

/// The codes of the bits of the hardware fault, from the lowest, which is 1.
pub const FAULT_CODES: [&str; 16] =
    ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];

/// What a bit of the hardware fault is about.
#[must_use]
pub const fn fault(bit: u32) -> AlarmClass {
    match bit {
        1 => AlarmClass::EmergencyStop,
        2 => AlarmClass::PowerModule,
        3 => AlarmClass::ChargerOvertemp,
        4 => AlarmClass::SurgeArrester,
        5 => AlarmClass::BackendComm,
        6 => AlarmClass::InsulationMonitorLost,
        7 => AlarmClass::Meter,
        8 => AlarmClass::Reader,
        10 => AlarmClass::Fan,
        11 => AlarmClass::Fuse,
        12 => AlarmClass::ContactorWeld,
        13 => AlarmClass::DoorOpen,
        _ => AlarmClass::Other,
    }
}

/// Why a session stopped. From 0x4A on it did not end as anybody wished.
#[must_use]
pub const fn stop_reason(code: i64) -> StopReason {
    match code {
        0x40 => StopReason::Remote,
        0x41 => StopReason::SocLimit,
        0x42 | 0x43 => StopReason::EnergyLimit,
        0x44 => StopReason::TimeLimit,
        0x45..=0x49 => StopReason::Local,
        0x4b | 0x6b => StopReason::EvDisconnected,
        0x50 | 0x72 => StopReason::EmergencyStop,
        0x57 => StopReason::Insulation,
        0x53 | 0x74 | 0x7c | 0x7e => StopReason::OverTemperature,
        0x7a => StopReason::OverCurrent,
        0x79 | 0x7b | 0x7d => StopReason::OverVoltage,
        0x83 => StopReason::PowerLoss,
        0x4a | 0x4c | 0x4d | 0x4f | 0x51 | 0x55 | 0x56 | 0x58 | 0x60..=0x64 => StopReason::EquipmentFault,
        0x6a | 0x6c | 0x6d | 0x6f..=0x71 | 0x73 | 0x75..=0x78 => StopReason::EquipmentFault,
        _ => StopReason::Other,
    }
}

/// Whether a session that stopped for this never took energy.
#[must_use]
pub const fn is_failed_start(code: i64) -> bool {
    matches!(code, 0x4a..=0x64)
}
