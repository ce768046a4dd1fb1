//! The words of OCPP and what they mean here: statuses, reasons of stopping, and faults: by the error codes of 1.6, by the
//! common error codes (MREC) that stations write into vendor and technical codes, and by the components of 2.x.

use chargetally_core::alarm::{AlarmClass, Level};
use chargetally_core::observation::StopReason;
use chargetally_core::state::Status;

/// A status of 1.6, and `Occupied`, which its predecessor had.
pub(super) fn status_16(word: &str) -> Option<Status> {
    Some(match word {
        "Available" => Status::Available,
        "Preparing" | "SuspendedEV" | "SuspendedEVSE" | "Finishing" | "Occupied" => Status::Occupied,
        "Charging" => Status::Charging,
        "Reserved" => Status::Reserved,
        "Unavailable" => Status::Unavailable,
        "Faulted" => Status::Faulted,
        _ => return None,
    })
}

/// A connector's status in 2.x.
pub(super) fn status_2x(word: &str) -> Option<Status> {
    Some(match word {
        "Available" => Status::Available,
        "Occupied" => Status::Occupied,
        "Reserved" => Status::Reserved,
        "Unavailable" => Status::Unavailable,
        "Faulted" => Status::Faulted,
        _ => return None,
    })
}

/// A charging state of 2.x. `Idle` says that no vehicle is connected, which the connector's own status tells better.
pub(super) fn charging_state(word: &str) -> Option<Option<Status>> {
    Some(match word {
        "Charging" => Some(Status::Charging),
        "EVConnected" | "SuspendedEV" | "SuspendedEVSE" => Some(Status::Occupied),
        "Idle" => None,
        _ => return None,
    })
}

/// Why a transaction ended. A reason that is left out is `Local`, as the specifications have it; of words that are not
/// known nothing more can be said than that there was a reason.
pub(super) fn stop_reason(word: Option<&str>) -> StopReason {
    match word {
        None | Some("" | "Local" | "MasterPass") => StopReason::Local,
        Some("Remote" | "UnlockCommand") => StopReason::Remote,
        Some("EVDisconnected") => StopReason::EvDisconnected,
        Some("StoppedByEV") => StopReason::StoppedByEv,
        Some("SOCLimitReached") => StopReason::SocLimit,
        Some("EnergyLimitReached" | "LocalOutOfCredit") => StopReason::EnergyLimit,
        Some("TimeLimitReached") => StopReason::TimeLimit,
        Some("EmergencyStop") => StopReason::EmergencyStop,
        Some("PowerLoss" | "PowerQuality") => StopReason::PowerLoss,
        Some("Reboot") => StopReason::EquipmentFault,
        Some("GroundFault") => StopReason::Insulation,
        Some("OvercurrentFault") => StopReason::OverCurrent,
        Some(_) => StopReason::Other,
    }
}

/// What is wrong: its class, and its level where it is not the class's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub class: AlarmClass,
    pub level: Option<Level>,
}

impl Fault {
    const fn of(class: AlarmClass) -> Self {
        Self { class, level: None }
    }
}

/// The fault that a status of 1.6 tells; `None` where all is well. A common code in the vendor's says more than the
/// error code.
pub(super) fn fault_16(error: &str, vendor: Option<&str>) -> Option<Fault> {
    let class = match error {
        "NoError" | "" => return None,
        "ConnectorLockFailure" => AlarmClass::ConnectorLock,
        "EVCommunicationError" => AlarmClass::BmsComm,
        "GroundFailure" => AlarmClass::GroundFault,
        "HighTemperature" => AlarmClass::ChargerOvertemp,
        "InternalError" => AlarmClass::PowerModule,
        "OverCurrentFailure" => AlarmClass::Overcurrent,
        "OverVoltage" => AlarmClass::PackOvervoltage,
        "PowerMeterFailure" => AlarmClass::Meter,
        "PowerSwitchFailure" => AlarmClass::ContactorWeld,
        "ReaderFailure" => AlarmClass::Reader,
        "UnderVoltage" => AlarmClass::Undervoltage,
        "WeakSignal" => AlarmClass::BackendComm,
        _ => AlarmClass::Other,
    };
    Some(vendor.and_then(common_fault).unwrap_or(Fault::of(class)))
}

/// The fault that a common error code (MREC) means: `CX001` to `CX026`.
pub(super) fn common_fault(code: &str) -> Option<Fault> {
    let digits = code.strip_prefix("CX").filter(|digits| digits.len() == 3)?;
    let class = match digits {
        "001" => AlarmClass::ConnectorLock,
        "002" => AlarmClass::GroundFault,
        "003" => AlarmClass::ChargerOvertemp,
        "004" => AlarmClass::Overcurrent,
        "005" | "024" => AlarmClass::PackOvervoltage,
        "006" => AlarmClass::Undervoltage,
        "007" | "013" => AlarmClass::BackendComm,
        "008" => AlarmClass::EmergencyStop,
        "011" | "022" => AlarmClass::Insulation,
        "012" => AlarmClass::Precharge,
        "014" => AlarmClass::ControlPilot,
        "015" => AlarmClass::PowerLoss,
        "016" => AlarmClass::HvRelay,
        "017" => AlarmClass::ContactorWeld,
        "018" => AlarmClass::ConnectorOvertemp,
        // Charging was stopped for it.
        "019" => return Some(Fault { class: AlarmClass::ConnectorOvertemp, level: Some(Level::Personal) }),
        "020" | "023" => AlarmClass::Proximity,
        "025" => AlarmClass::Latch,
        "009" | "010" | "021" | "026" => AlarmClass::Other,
        _ => return None,
    };
    Some(Fault::of(class))
}

/// The fault that a component's variable tells in 2.x, while it is true; `None` where the two tell no fault.
pub(super) fn component_fault(component: &str, variable: &str) -> Option<Fault> {
    let class = match (component, variable) {
        ("EmergencyStopSensor", "Active" | "Tripped" | "Problem") => AlarmClass::EmergencyStop,
        ("FloodSensor", "Active" | "Tripped" | "Problem") => AlarmClass::Water,
        ("TiltSensor", "Active" | "Tripped" | "Problem") => AlarmClass::Tilt,
        ("CaseAccessSensor", "Active" | "Tripped" | "Problem") => AlarmClass::DoorOpen,
        ("RCD", "Operated" | "Tripped" | "Problem") => AlarmClass::GroundFault,
        ("GroundIsolationProtection", "Active" | "Tripped") => AlarmClass::Insulation,
        ("GroundIsolationProtection", "Problem") => AlarmClass::InsulationMonitorLost,
        ("OverCurrentProtection", "Operated" | "Tripped" | "Problem") => AlarmClass::Overcurrent,
        ("UpstreamProtectionTrigger", "Active" | "Tripped" | "Problem") => AlarmClass::Breaker,
        ("PowerContactor", "Tripped" | "Problem") => AlarmClass::ContactorWeld,
        ("AcDcConverter", "Tripped" | "Overload" | "Problem") => AlarmClass::PowerModule,
        ("ConnectorPlugRetentionLock" | "EVRetentionLock", "Tripped" | "Problem") => AlarmClass::ConnectorLock,
        ("CPPWMController", "Problem") => AlarmClass::ControlPilot,
        ("AirCoolingSystem" | "LiquidCoolingSystem", "Problem") => AlarmClass::Fan,
        ("ControlMetering" | "FiscalMetering", "Problem") => AlarmClass::Meter,
        ("TokenReader", "Problem") => AlarmClass::Reader,
        ("DataLink", "Problem") => AlarmClass::BackendComm,
        ("ElectricalFeed", "Problem") => AlarmClass::PowerLoss,
        ("DistributionPanel", "Problem") => AlarmClass::Distribution,
        (_, "Problem") => AlarmClass::Other,
        // EVerest names what its enclosure senses by these.
        (_, "TiltDetected") => AlarmClass::Tilt,
        (_, "WaterIngressDetected") => AlarmClass::Water,
        (_, "EnclosureOpen") => AlarmClass::DoorOpen,
        _ => return None,
    };
    Some(Fault::of(class))
}

/// Whether only stations call this: then it is a sign of life.
pub(super) fn is_of_station(action: &str) -> bool {
    matches!(
        action,
        "Authorize"
            | "BatterySwap"
            | "BootNotification"
            | "ClearedChargingLimit"
            | "ClosePeriodicEventStream"
            | "DiagnosticsStatusNotification"
            | "FirmwareStatusNotification"
            | "Get15118EVCertificate"
            | "GetCertificateChainStatus"
            | "GetCertificateStatus"
            | "Heartbeat"
            | "LogStatusNotification"
            | "NotifyChargingLimit"
            | "NotifyCustomerInformation"
            | "NotifyDERAlarm"
            | "NotifyDERStartStop"
            | "NotifyDisplayMessages"
            | "NotifyEVChargingNeeds"
            | "NotifyEVChargingSchedule"
            | "NotifyMonitoringReport"
            | "NotifyPeriodicEventStream"
            | "NotifyPriorityCharging"
            | "NotifyReport"
            | "NotifySettlement"
            | "OpenPeriodicEventStream"
            | "PublishFirmwareStatusNotification"
            | "PullDynamicScheduleUpdate"
            | "ReportChargingProfiles"
            | "ReportDERControl"
            | "ReservationStatusUpdate"
            | "SecurityEventNotification"
            | "SignCertificate"
            | "SignedFirmwareStatusNotification"
            | "VatNumberValidation"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_codes_mean_what_their_list_says_and_go_before_the_error_code() {
        let class = |code: &str| common_fault(code).map(|fault| fault.class);
        assert_eq!(class("CX008"), Some(AlarmClass::EmergencyStop));
        assert_eq!(class("CX011"), Some(AlarmClass::Insulation));
        assert_eq!(common_fault("CX019").and_then(|fault| fault.level), Some(Level::Personal));
        for number in 1..=26 {
            assert!(class(&format!("CX{number:03}")).is_some(), "{number}");
        }
        for none in ["CX000", "CX027", "CX1", "E17", "", "CX0011"] {
            assert_eq!(class(none), None, "{none}");
        }
        let told = |error, vendor| fault_16(error, vendor).map(|fault| fault.class);
        assert_eq!(told("OtherError", Some("CX014")), Some(AlarmClass::ControlPilot));
        assert_eq!(told("HighTemperature", Some("E17")), Some(AlarmClass::ChargerOvertemp));
        assert_eq!(told("Newfangled", None), Some(AlarmClass::Other));
        assert_eq!(told("NoError", Some("CX014")), None);
    }

    #[test]
    fn a_reason_that_is_left_out_is_local_and_one_not_known_is_other() {
        assert_eq!(stop_reason(None), StopReason::Local);
        assert_eq!(stop_reason(Some("GroundFault")), StopReason::Insulation);
        assert_eq!(stop_reason(Some("DeAuthorized")), StopReason::Other);
        assert_eq!(stop_reason(Some("Newfangled")), StopReason::Other);
    }
}
