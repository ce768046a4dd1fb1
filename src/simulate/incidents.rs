//! What can go wrong and why a session ends: the closed tables the model draws from. Classes that the daemon may derive from
//! telemetry (heat, insulation, cells) are left out here, so that alarms that stations give and derived ones can be
//! counted apart.

use super::rng::Draws;

/// How serious an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Danger to persons.
    Personal,
    /// Danger to equipment.
    Equipment,
    /// To be known.
    Notice,
}

impl Level {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Equipment => "equipment",
            Self::Notice => "notice",
        }
    }
}

/// An alarm that equipment raises.
#[derive(Debug, Clone, Copy)]
pub struct Alarm {
    /// Normalised class.
    pub class: &'static str,
    /// Its level.
    pub level: Level,
    /// The equipment's own code.
    pub code: &'static str,
    /// Why a session ends by it.
    pub reason: &'static str,
    /// How often it stands behind a fault, in parts of the table's sum.
    fault_weight: u32,
    /// How often it comes without a fault, in parts of the table's sum.
    lone_weight: u32,
}

const fn alarm(
    class: &'static str,
    level: Level,
    code: &'static str,
    reason: &'static str,
    weights: (u32, u32),
) -> Alarm {
    Alarm { class, level, code, reason, fault_weight: weights.0, lone_weight: weights.1 }
}

/// The alarms of connectors. Codes are those of the Shenzhen list where it has one.
pub const ALARMS: [Alarm; 9] = [
    alarm("power_module", Level::Notice, "23", "equipment_fault", (24, 30)),
    alarm("bms_comm", Level::Equipment, "101", "equipment_fault", (22, 15)),
    alarm("charger_overtemp", Level::Equipment, "17", "equipment_fault", (16, 20)),
    alarm("emergency_stop", Level::Personal, "2", "emergency_stop", (14, 0)),
    alarm("overcurrent", Level::Equipment, "111", "over_current", (8, 0)),
    alarm("ground_fault", Level::Personal, "G1", "equipment_fault", (6, 0)),
    alarm("surge_arrester", Level::Equipment, "15", "equipment_fault", (4, 15)),
    alarm("insulation_monitor_lost", Level::Equipment, "7", "equipment_fault", (4, 12)),
    alarm("smoke_fire", Level::Personal, "9", "equipment_fault", (2, 8)),
];

/// The alarm of a station whose power failed.
pub const POWER_LOSS: Alarm = alarm("power_loss", Level::Notice, "8", "power_loss", (0, 0));

/// The alarm behind a fault, as an index of `ALARMS`.
pub fn fault(draws: &mut Draws) -> u8 {
    draws.weighted(&ALARMS.map(|alarm| alarm.fault_weight)) as u8
}

/// An alarm without a fault, as an index of `ALARMS`.
pub fn lone_alarm(draws: &mut Draws) -> u8 {
    draws.weighted(&ALARMS.map(|alarm| alarm.lone_weight)) as u8
}

/// Why a user ends a session before the battery is full.
pub fn user_reason(draws: &mut Draws) -> &'static str {
    ["remote", "local", "ev_disconnected", "time_limit", "energy_limit"][draws.weighted(&[50, 30, 5, 8, 7])]
}

/// Why an attempt leads to no session.
pub fn start_failure_reason(draws: &mut Draws) -> &'static str {
    ["other", "ev_disconnected", "equipment_fault", "insulation", "time_limit"][draws.weighted(&[40, 25, 20, 5, 10])]
}

/// Whether a started session that ended so counts as completed (domain rule C9): somebody or the battery wanted it to end;
/// a pulled plug counts on alternating current only.
pub fn is_normal(reason: &str, dc: bool) -> bool {
    match reason {
        "local" | "remote" | "soc_limit" | "energy_limit" | "time_limit" | "stopped_by_ev" => true,
        "ev_disconnected" => !dc,
        _ => false,
    }
}
