//! The physics of one connector in integer event time: power, energy, the vehicle's battery and temperatures. Power is
//! constant between two calls of `advance`, and energy is its exact integral in W ms (1/1000 J), so that what the
//! registers say can be checked. It must never know about messages.

use super::calendar::Curve;
use super::make_up::{Connector, Station};
use super::rng::Draws;

/// W ms in 0.001 kWh, the resolution of the registers.
pub const WMS_PER_WH: u64 = 3_600_000;

/// What a connector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Energy flows into a vehicle.
    Charging,
    /// Energy flows from a vehicle into the grid.
    Discharging,
    /// A vehicle is plugged in, no energy flows.
    Occupied,
    /// Kept for somebody.
    Reserved,
    /// Free.
    Available,
    /// Broken.
    Faulted,
    /// Closed for maintenance.
    Unavailable,
    /// The station has no power.
    Offline,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Charging,
        Self::Discharging,
        Self::Occupied,
        Self::Reserved,
        Self::Available,
        Self::Faulted,
        Self::Unavailable,
        Self::Offline,
    ];

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Charging => "charging",
            Self::Discharging => "discharging",
            Self::Occupied => "occupied",
            Self::Reserved => "reserved",
            Self::Available => "available",
            Self::Faulted => "faulted",
            Self::Unavailable => "unavailable",
            Self::Offline => "offline",
        }
    }

    /// Whether energy flows.
    pub fn flows(self) -> bool {
        matches!(self, Self::Charging | Self::Discharging)
    }
}

/// Something unsafe that only the telemetry shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Episode {
    /// Contacts above 80 degrees.
    ConnectorHeat,
    /// Insulation between 100 and 500 ohm per volt.
    Insulation,
    /// A battery above 55 degrees.
    BatteryHeat,
    /// Cells more than 0.15 V apart.
    CellSpread,
}

impl Episode {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::ConnectorHeat, Self::Insulation, Self::BatteryHeat, Self::CellSpread];

    /// Its name in the truth.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConnectorHeat => "connector_overtemp",
            Self::Insulation => "insulation",
            Self::BatteryHeat => "battery_overtemp",
            Self::CellSpread => "cell_spread",
        }
    }
}

/// A vehicle and what it came for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Visit {
    /// Usable size of its battery, Wh.
    pub capacity_wh: u32,
    /// The most that it takes, W.
    pub power_max_w: u32,
    /// Voltage of its battery when half full, V.
    pub pack_v: u32,
    /// Iron-phosphate cells (flat and lower voltage).
    pub lfp: bool,
    /// State of charge at arrival, where it stops discharging, and where it stops charging, per thousand.
    pub soc_permille: (u32, u32, u32),
    /// Registers at the begin of the session, W ms.
    pub begin_wms: (u64, u64),
    /// When it wants to leave.
    pub leave_ms: i64,
    /// Price of electricity when the session started, fen per kWh.
    pub price_fen: u64,
    /// Whether energy has flowed in this session.
    pub started: bool,
}

/// One connector, alive.
#[derive(Debug, Clone)]
pub struct Gun {
    /// Its own draws: what happens to it does not depend on other connectors or on messages.
    pub draws: Draws,
    /// Energy to vehicles since it was built, W ms.
    pub import_wms: u64,
    /// Energy from vehicles since it was built, W ms.
    pub export_wms: u64,
    /// Up to when energy is counted.
    pub advanced_ms: i64,
    /// Since when it is in its state.
    pub since_ms: i64,
    /// Event time of its newest sample, before its station's clock error.
    pub sampled_ms: i64,
    /// Power now, W; negative into the grid.
    pub power_w: i32,
    /// Index of its station.
    pub station: u32,
    /// Index of its equipment.
    pub equipment: u32,
    /// Index of its operator.
    pub operator: u32,
    /// From an event to the arrival of the message about it, ms.
    pub latency_ms: i32,
    /// Its station's clock minus the true time, ms.
    pub skew_ms: i32,
    /// Rated power, W.
    pub rated_w: u32,
    /// Rated discharging power, W.
    pub discharge_w: u32,
    /// Changes with every state, so that a timer of an earlier state is known as stale.
    pub epoch: u32,
    /// Number of its newest session.
    pub session: u32,
    /// Temperature of its contacts, tenths of a degree.
    pub contact_ddeg: i32,
    /// What it is doing.
    pub state: State,
    /// When its users come.
    pub curve: Curve,
    /// Direct current.
    pub dc: bool,
    /// Somebody is on the way.
    pub expected: bool,
    /// The vehicle that occupies it is about to start, not to leave.
    pub preparing: bool,
    /// The alarm that it has raised and not cleared, as an index of the alarm table.
    pub alarm: Option<u8>,
    /// What its telemetry shows, until when, and how strongly (0 to 99).
    pub episode: Option<(Episode, i64, u8)>,
    /// Its vehicle.
    pub visit: Visit,
}

impl Gun {
    /// A connector fresh from its plate, with some energy on its registers.
    pub fn new(seed: u64, index: u32, plate: &Connector, station: &Station, now_ms: i64) -> Self {
        let mut draws = Draws::new(seed, (1 << 40) + u64::from(index));
        let import_wh = u64::from(draws.below(plate.rated_w)) * 1_000;
        let export_wh = if plate.discharge_w > 0 { u64::from(draws.below(500_000)) } else { 0 };
        Self {
            import_wms: import_wh * WMS_PER_WH,
            export_wms: export_wh * WMS_PER_WH,
            advanced_ms: now_ms,
            since_ms: now_ms,
            sampled_ms: i64::MIN,
            power_w: 0,
            station: plate.station,
            equipment: plate.equipment,
            rated_w: plate.rated_w,
            discharge_w: plate.discharge_w,
            epoch: 0,
            session: 0,
            contact_ddeg: 150,
            state: State::Available,
            curve: station.curve,
            operator: station.operator,
            latency_ms: station.latency_ms as i32,
            skew_ms: station.skew_ms as i32,
            dc: plate.dc,
            expected: false,
            preparing: false,
            alarm: None,
            episode: None,
            visit: Visit::default(),
            draws,
        }
    }

    /// Counts the energy up to `now_ms`; does nothing where that is past.
    pub fn advance(&mut self, now_ms: i64) {
        let dt_ms = now_ms - self.advanced_ms;
        if dt_ms <= 0 {
            return;
        }
        self.advanced_ms = now_ms;
        let energy_wms = u64::from(self.power_w.unsigned_abs()) * dt_ms as u64;
        if self.power_w > 0 {
            self.import_wms += energy_wms;
        } else {
            self.export_wms += energy_wms;
        }
    }

    /// What the import and export registers show, 0.001 kWh.
    pub fn registers_wh(&self) -> (u64, u64) {
        (self.import_wms / WMS_PER_WH, self.export_wms / WMS_PER_WH)
    }

    /// Energy of the running session as the registers tell it, Wh: import, export.
    pub fn session_wh(&self) -> (u64, u64) {
        let (import_wh, export_wh) = self.registers_wh();
        let (import_wms, export_wms) = self.visit.begin_wms;
        (import_wh - import_wms / WMS_PER_WH, export_wh - export_wms / WMS_PER_WH)
    }

    /// The vehicle's state of charge, per thousand: 7 % of the energy is lost each way.
    pub fn soc_permille(&self) -> u32 {
        let v = &self.visit;
        let gained_wh = (self.import_wms - v.begin_wms.0) / WMS_PER_WH;
        let drawn_wh = (self.export_wms - v.begin_wms.1) / WMS_PER_WH;
        let capacity_wh = i64::from(v.capacity_wh.max(1));
        let change = (gained_wh as i64 * 930 - drawn_wh as i64 * 1_075) / capacity_wh;
        (i64::from(v.soc_permille.0) + change).clamp(0, 1_000) as u32
    }

    /// What the vehicle would take at this state of charge, W.
    pub fn demand_w(&self, soc_permille: u32) -> u32 {
        let share = u64::from(taper_permille(soc_permille, self.dc));
        (u64::from(self.visit.power_max_w) * share / 1_000) as u32
    }

    /// Sets the power for the time from now on; `share_w` is this connector's part of its equipment's power.
    pub fn set_power(&mut self, share_w: u32) {
        let limit_w = self.rated_w.min(share_w);
        let wobble = 985 + u64::from(self.draws.below(16));
        let size_w = match self.state {
            State::Charging => self.demand_w(self.soc_permille()).min(limit_w),
            State::Discharging => self.discharge_w.min(self.visit.power_max_w).min(limit_w),
            _ => 0,
        };
        let size_w = (u64::from(size_w) * wobble / 1_000) as i32;
        self.power_w = if self.state == State::Discharging { -size_w } else { size_w };
    }

    /// Whether the battery is where the visit wanted it.
    pub fn satisfied(&self) -> bool {
        let (_, floor, target) = self.visit.soc_permille;
        match self.state {
            State::Charging => self.soc_permille() >= target,
            State::Discharging => self.soc_permille() <= floor,
            _ => false,
        }
    }

    /// Lets the contacts follow the load, once per sample; `ambient_ddeg` in tenths of a degree.
    pub fn warm(&mut self, ambient_ddeg: i32) {
        let load = i64::from(self.power_w.unsigned_abs()) * 1_000 / i64::from(self.rated_w.max(1));
        let aim_ddeg = match self.episode {
            Some((Episode::ConnectorHeat, _, strength)) => 835 + i32::from(strength) / 2,
            _ => ambient_ddeg + (load * load * 350 / 1_000_000) as i32,
        };
        self.contact_ddeg += (aim_ddeg - self.contact_ddeg) / 4;
    }
}

/// How much of its greatest power a vehicle takes at a state of charge, per thousand.
fn taper_permille(soc: u32, dc: bool) -> u32 {
    match (dc, soc) {
        (true, 0..=99) => 700,
        (true, 100..=499) => 1_000,
        (true, 500..=799) => 1_000 - (soc - 500) * 3 / 2,
        (true, 800..=949) => 550 - (soc - 800) * 8 / 3,
        (true, 950..) => 150 - (soc.min(1_000) - 950) * 2,
        (false, 0..=959) => 1_000,
        (false, 960..) => 1_000 - (soc.min(1_000) - 960) * 20,
    }
}

#[cfg(test)]
mod tests {
    use super::super::areas::COUNTIES;
    use super::super::make_up::Access;
    use super::*;

    fn gun(rated_w: u32, dc: bool) -> Gun {
        let plate = Connector { station: 0, equipment: 0, rated_w, dc, v_max: 750, discharge_w: 0 };
        let station = Station {
            id: "S1".to_owned(),
            operator: 0,
            county: COUNTIES[0],
            area: "110101".to_owned(),
            access: Access::Public,
            scene: "roadside",
            curve: Curve::Town,
            place_udeg: (0, 0),
            connectors: (0, 1),
            latency_ms: 0,
            skew_ms: 0,
        };
        let mut gun = Gun::new(1, 0, &plate, &station, 0);
        gun.visit = Visit {
            capacity_wh: 60_000,
            power_max_w: 100_000,
            pack_v: 380,
            soc_permille: (200, 0, 950),
            ..Visit::default()
        };
        gun.visit.begin_wms = (gun.import_wms, gun.export_wms);
        gun.state = State::Charging;
        gun
    }

    #[test]
    fn registers_are_the_exact_integral_of_power() {
        let mut gun = gun(60_000, true);
        let begin_wms = gun.import_wms;
        let (mut now_ms, mut integral_wms) = (0_i64, 0_u64);
        for step in 1..500 {
            gun.set_power(u32::MAX);
            let dt_ms = 1_000 + step * 37 % 20_000;
            integral_wms += gun.power_w as u64 * dt_ms as u64;
            now_ms += dt_ms;
            gun.advance(now_ms);
        }
        assert!(integral_wms > 10_000 * WMS_PER_WH);
        assert_eq!(gun.import_wms - begin_wms, integral_wms);
        assert_eq!(gun.registers_wh().0, gun.import_wms / WMS_PER_WH);
    }

    #[test]
    fn power_keeps_below_plate_share_and_vehicle() {
        let mut gun = gun(60_000, true);
        for share_w in [u32::MAX, 30_000, 7_000] {
            gun.set_power(share_w);
            let limit_w = share_w.min(60_000) as i32;
            assert!(gun.power_w <= limit_w && gun.power_w >= limit_w * 98 / 100, "{} of {limit_w}", gun.power_w);
        }
    }

    #[test]
    fn power_tapers_as_the_battery_fills_and_never_stops_short() {
        for dc in [false, true] {
            let curve: Vec<u32> = (100..=1_000).map(|soc| taper_permille(soc, dc)).collect();
            assert!(curve.windows(2).all(|pair| pair[1] <= pair[0]));
            assert!(curve.iter().all(|&share| share >= 50));
        }
    }
}
