//! What happens to connectors and stations: who comes, what they do, what breaks. It must never look at what was transmitted,
//! so that the same seed gives the same physical life whatever the transmission. Only here do states change.

use super::calendar::{Curve, civil, price_fen};
use super::fleet::{Due, Fleet};
use super::incidents::{ALARMS, POWER_LOSS, fault, is_normal, lone_alarm, start_failure_reason, user_reason};
use super::model::{Episode, State, Visit};
use super::payload::Stop;
use super::rng::Draws;
use super::truth::Count;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

impl Fleet {
    /// A connector's regular sample, arriving at `at_ms`: it lives on for an interval, then says how it is.
    pub(super) fn tick(&mut self, index: u32, at_ms: i64) {
        let slot = index as usize;
        let interval_ms = i64::from(self.plan.interval_ms);
        let gun = &mut self.guns[slot];
        if gun.state == State::Offline {
            return;
        }
        let now_ms = at_ms - i64::from(gun.latency_ms);
        gun.advance(now_ms);
        if gun.state.flows() {
            if gun.satisfied() {
                return match gun.state {
                    State::Discharging => self.recharge(index, now_ms),
                    _ => self.full(index, now_ms),
                };
            }
            let equipment = gun.equipment as usize;
            gun.set_power(self.built.equipment[equipment].rated_w / self.active[equipment].max(1));
        }
        gun.warm(self.hazards.ambient_ddeg);
        let draw = gun.draws.bits();
        let hazards = &self.hazards;
        if gun.state == State::Available && !gun.expected {
            let arrival = hazards.arrival[gun.curve.index()];
            let fault_below = arrival.saturating_add(hazards.fault);
            if draw < arrival {
                gun.expected = true;
                let come_ms = now_ms + gun.draws.between(1, interval_ms.max(2));
                let (station, epoch) = (gun.station, gun.epoch);
                self.set_timer(station, come_ms, Due::State { gun: index, epoch });
            } else if draw < fault_below {
                return self.break_down(index, now_ms);
            } else if draw < fault_below.saturating_add(hazards.maintenance) {
                return self.close(index, now_ms);
            }
        } else if gun.state.flows() {
            // Under load equipment fails eight times as often.
            let fault_below = hazards.fault.saturating_mul(8);
            if draw < fault_below {
                return self.break_down(index, now_ms);
            } else if draw - fault_below < hazards.episode && gun.episode.is_none() {
                self.begin_episode(index, now_ms);
            } else if gun.episode.is_some_and(|(_, until_ms, _)| until_ms <= now_ms) && self.end_episode(index, now_ms)
            {
                return;
            }
        }
        self.lone_alarm(index, now_ms);
        self.sample(index, now_ms);
    }

    /// A timer is due; `at_ms` is the arrival time of what follows from it.
    pub(super) fn due(&mut self, due: Due, at_ms: i64) {
        match due {
            Due::State { gun, epoch } => {
                let now_ms = at_ms - i64::from(self.guns[gun as usize].latency_ms);
                if self.guns[gun as usize].epoch == epoch {
                    self.state_over(gun, now_ms);
                }
            }
            Due::AlarmOver { gun } => {
                let now_ms = at_ms - i64::from(self.guns[gun as usize].latency_ms);
                if !matches!(self.guns[gun as usize].state, State::Faulted | State::Offline) {
                    self.clear_alarm(gun, now_ms);
                }
            }
            Due::Outage { station } => self.outage(station, at_ms - self.built.stations[station as usize].latency_ms),
            Due::Will { station, outage } => {
                let link = &self.links[station as usize];
                if self.down[station as usize] && link.outage == outage {
                    self.station_status(station, false);
                }
            }
            Due::Back { station } => self.back(station, at_ms - self.built.stations[station as usize].latency_ms),
            Due::Backlog { station } => self.send_backlog(station),
        }
    }

    /// Puts a connector into a state from `now_ms` on, and a timer on it. The caller takes the sample.
    fn enter(&mut self, index: u32, state: State, now_ms: i64, for_ms: Option<i64>) {
        let slot = index as usize;
        let gun = &mut self.guns[slot];
        gun.advance(now_ms);
        let since_ms = gun.since_ms.max(self.plan.start_ms);
        self.ledgers[slot].spend(gun.state, u64::try_from(now_ms - since_ms).unwrap_or(0));
        let flowed = gun.state.flows();
        (gun.state, gun.since_ms, gun.power_w, gun.expected) = (state, now_ms, 0, false);
        gun.epoch = gun.epoch.wrapping_add(1);
        let (station, epoch, equipment) = (gun.station, gun.epoch, gun.equipment);
        if flowed != state.flows() {
            let active = &mut self.active[equipment as usize];
            *active = if flowed { active.saturating_sub(1) } else { *active + 1 };
            self.share_power(equipment, now_ms);
        } else if flowed {
            self.share_power(equipment, now_ms);
        }
        if let Some(for_ms) = for_ms {
            self.set_timer(station, now_ms + for_ms.max(SECOND_MS), Due::State { gun: index, epoch });
        }
    }

    /// Divides a cabinet's power among its connectors that charge or discharge.
    fn share_power(&mut self, equipment: u32, now_ms: i64) {
        let cabinet = self.built.equipment[equipment as usize];
        let share_w = cabinet.rated_w / self.active[equipment as usize].max(1);
        let (first, count) = cabinet.connectors;
        for gun in &mut self.guns[first as usize..(first + count) as usize] {
            if gun.state.flows() {
                gun.advance(now_ms);
                gun.set_power(share_w);
            }
        }
    }

    fn state_over(&mut self, index: u32, now_ms: i64) {
        let gun = &mut self.guns[index as usize];
        match gun.state {
            State::Available => {
                let reserves = gun.curve != Curve::Home && gun.draws.chance_permille(60);
                if reserves {
                    let wait_ms = gun.draws.between(3 * MINUTE_MS, 25 * MINUTE_MS);
                    self.enter(index, State::Reserved, now_ms, Some(wait_ms));
                    self.sample(index, now_ms);
                } else {
                    self.plug_in(index, now_ms);
                }
            }
            State::Reserved if gun.draws.chance_permille(800) => self.plug_in(index, now_ms),
            State::Reserved | State::Unavailable => self.free(index, now_ms),
            State::Occupied if gun.preparing => self.try_start(index, now_ms),
            State::Occupied => self.free(index, now_ms),
            State::Charging => {
                let reason = user_reason(&mut gun.draws);
                self.stop(index, now_ms, reason, Some((20 * SECOND_MS, 90 * SECOND_MS)));
            }
            State::Discharging => self.recharge(index, now_ms),
            State::Faulted => {
                self.clear_alarm(index, now_ms);
                self.free(index, now_ms);
            }
            State::Offline => {}
        }
    }

    fn free(&mut self, index: u32, now_ms: i64) {
        self.enter(index, State::Available, now_ms, None);
        self.sample(index, now_ms);
    }

    fn close(&mut self, index: u32, now_ms: i64) {
        let for_ms = self.guns[index as usize].draws.skewed_ms(20 * MINUTE_MS, 8 * HOUR_MS);
        self.enter(index, State::Unavailable, now_ms, Some(for_ms));
        self.sample(index, now_ms);
    }

    /// A vehicle is plugged in and somebody asks for a session.
    fn plug_in(&mut self, index: u32, now_ms: i64) {
        let offset_ms = self.plan.zone_offset_ms;
        let gun = &mut self.guns[index as usize];
        let (curve, dc) = (gun.curve, gun.dc);
        gun.visit = visit(&mut gun.draws, curve, dc, now_ms, offset_ms);
        gun.visit.begin_wms = (gun.import_wms, gun.export_wms);
        self.attempt(index, now_ms);
        self.sample(index, now_ms);
    }

    fn attempt(&mut self, index: u32, now_ms: i64) {
        let gun = &mut self.guns[index as usize];
        gun.session = gun.session.wrapping_add(1);
        gun.preparing = true;
        let for_ms = gun.draws.between(5 * SECOND_MS, 45 * SECOND_MS);
        self.enter(index, State::Occupied, now_ms, Some(for_ms));
        self.session_event(index, now_ms, "attempt", None, Count::Attempted);
    }

    fn try_start(&mut self, index: u32, now_ms: i64) {
        let failure_permille = self.plan.behaviour.start_failure_permille;
        let (offset_ms, hour) = (self.plan.zone_offset_ms, self.hazards.hour);
        let gun = &mut self.guns[index as usize];
        gun.preparing = false;
        if gun.draws.chance_permille(failure_permille) {
            return self.fail_start(index, now_ms);
        }
        gun.visit.started = true;
        gun.visit.price_fen = price_fen(hour);
        gun.visit.begin_wms = (gun.import_wms, gun.export_wms);
        let gives = gun.discharge_w > 0 && (16..22).contains(&hour) && gun.draws.chance_permille(700);
        let (state, for_ms) = if gives {
            // Until half past ten in the evening, so that the battery fills in the valley hours.
            let local = civil(now_ms, offset_ms);
            let left_min = 22 * 60 + 30 - (i64::from(local.hour) * 60 + i64::from(local.minute));
            gun.visit.soc_permille.0 = gun.visit.soc_permille.0.max(700);
            gun.visit.leave_ms = gun.visit.leave_ms.max(now_ms + 10 * HOUR_MS);
            (State::Discharging, left_min * MINUTE_MS)
        } else {
            (State::Charging, gun.visit.leave_ms - now_ms)
        };
        self.enter(index, state, now_ms, Some(for_ms.max(3 * MINUTE_MS)));
        self.session_event(index, now_ms, "start", None, Count::Started);
        self.sample(index, now_ms);
    }

    fn fail_start(&mut self, index: u32, now_ms: i64) {
        let gun = &mut self.guns[index as usize];
        let reason = start_failure_reason(&mut gun.draws);
        let next = gun.draws.below(100);
        let stop = Stop { reason, energy_wh: 0, billed_wh: 0, price_fen: 0, disputed: false };
        self.session_event(index, now_ms, "stop", Some(&stop), Count::Failed);
        if next < 45 {
            self.attempt(index, now_ms);
        } else if next < 52 {
            return self.break_down(index, now_ms);
        } else {
            let for_ms = self.guns[index as usize].draws.between(20 * SECOND_MS, 120 * SECOND_MS);
            self.enter(index, State::Occupied, now_ms, Some(for_ms));
        }
        self.sample(index, now_ms);
    }

    /// A vehicle that gave energy begins to take it.
    fn recharge(&mut self, index: u32, now_ms: i64) {
        let for_ms = self.guns[index as usize].visit.leave_ms - now_ms;
        self.enter(index, State::Charging, now_ms, Some(for_ms.max(MINUTE_MS)));
        self.sample(index, now_ms);
    }

    /// The battery is where the user wanted it; the vehicle stays for a while.
    fn full(&mut self, index: u32, now_ms: i64) {
        let gun = &mut self.guns[index as usize];
        let reason = if gun.visit.soc_permille.2 >= 1_000 { "stopped_by_ev" } else { "soc_limit" };
        let stays_ms = match gun.curve {
            Curve::Home | Curve::Work | Curve::Depot => (gun.visit.leave_ms - now_ms).max(MINUTE_MS),
            Curve::Highway => gun.draws.between(MINUTE_MS, 10 * MINUTE_MS),
            Curve::Town | Curve::Rural => gun.draws.skewed_ms(MINUTE_MS, 50 * MINUTE_MS),
        };
        self.stop(index, now_ms, reason, Some((stays_ms, stays_ms + 1)));
    }

    /// Ends the session; the vehicle stays for a time drawn from `stays_ms`, where given.
    fn stop(&mut self, index: u32, now_ms: i64, reason: &'static str, stays_ms: Option<(i64, i64)>) {
        let gun = &mut self.guns[index as usize];
        gun.advance(now_ms);
        let energy_wh = gun.session_wh().0;
        // Now and then the bill does not agree with the meter, and somebody objects.
        let billed_wh = if gun.draws.chance_permille(4) { energy_wh + energy_wh / 20 } else { energy_wh };
        let disputed = gun.draws.chance_permille(2);
        let stop = Stop { reason, energy_wh, billed_wh, price_fen: gun.visit.price_fen, disputed };
        let count = if is_normal(reason, gun.dc) { Count::Completed } else { Count::Aborted };
        gun.episode = None;
        gun.preparing = false;
        self.session_event(index, now_ms, "stop", Some(&stop), count);
        if let Some((low_ms, high_ms)) = stays_ms {
            let for_ms = self.guns[index as usize].draws.between(low_ms, high_ms);
            self.enter(index, State::Occupied, now_ms, Some(for_ms));
            self.sample(index, now_ms);
        }
    }

    /// The equipment fails; a running session ends with it.
    fn break_down(&mut self, index: u32, now_ms: i64) {
        let gun = &mut self.guns[index as usize];
        let cause = fault(&mut gun.draws);
        let repair_ms = gun.draws.skewed_ms(10 * MINUTE_MS, 30 * HOUR_MS);
        let raises = gun.alarm.is_none();
        if gun.state.flows() {
            self.stop(index, now_ms, ALARMS[usize::from(cause)].reason, None);
        }
        self.enter(index, State::Faulted, now_ms, Some(repair_ms));
        if raises {
            self.guns[index as usize].alarm = Some(cause);
            self.gun_alarm(index, now_ms, cause, true);
        }
        self.sample(index, now_ms);
    }

    /// Now and then something reports trouble and goes on working.
    fn lone_alarm(&mut self, index: u32, now_ms: i64) {
        let gun = &mut self.guns[index as usize];
        if gun.alarm.is_some() || gun.draws.bits() >= self.hazards.alarm {
            return;
        }
        let alarm = lone_alarm(&mut gun.draws);
        let for_ms = gun.draws.skewed_ms(2 * MINUTE_MS, 3 * HOUR_MS);
        gun.alarm = Some(alarm);
        let station = gun.station;
        self.gun_alarm(index, now_ms, alarm, true);
        self.set_timer(station, now_ms + for_ms, Due::AlarmOver { gun: index });
    }

    fn clear_alarm(&mut self, index: u32, now_ms: i64) {
        if let Some(alarm) = self.guns[index as usize].alarm.take() {
            self.gun_alarm(index, now_ms, alarm, false);
        }
    }

    fn begin_episode(&mut self, index: u32, now_ms: i64) {
        let interval_ms = i64::from(self.plan.interval_ms);
        let gun = &mut self.guns[index as usize];
        // Alternating current has no battery data: there only the contacts can be seen.
        let kind = if gun.dc { Episode::ALL[gun.draws.weighted(&[40, 25, 20, 15])] } else { Episode::ConnectorHeat };
        // Contacts need about ten samples to heat up; two samples beyond a threshold make an alarm.
        let samples = gun.draws.between(14, 40);
        let strength = gun.draws.below(100) as u8;
        gun.episode = Some((kind, now_ms + samples * interval_ms, strength));
        if !self.silent {
            self.ledgers[index as usize].add(Count::of_episode(kind));
        }
    }

    /// The episode passes, or it makes the equipment stop; true in that case.
    fn end_episode(&mut self, index: u32, now_ms: i64) -> bool {
        let gun = &mut self.guns[index as usize];
        let Some((kind, ..)) = gun.episode.take() else { return false };
        if !gun.draws.chance_permille(150) {
            return false;
        }
        let reason = match kind {
            Episode::ConnectorHeat | Episode::BatteryHeat => "over_temperature",
            Episode::Insulation => "insulation",
            Episode::CellSpread => "over_voltage",
        };
        self.stop(index, now_ms, reason, Some((MINUTE_MS, 10 * MINUTE_MS)));
        true
    }

    /// Draws when a station's next outage comes.
    pub(super) fn plan_outage(&mut self, station: u32, from_ms: i64) {
        let every_ms = self.plan.behaviour.outage_every_ms;
        if every_ms > 0 {
            let share = i64::from(self.station_draws.below(2_000));
            self.set_timer(station, from_ms + MINUTE_MS + every_ms / 1_000 * share, Due::Outage { station });
        }
    }

    /// A station loses its link, or with it its power.
    fn outage(&mut self, station: u32, now_ms: i64) {
        let will_after_ms = self.plan.transmission.will_after_ms;
        let dark = self.station_draws.chance_permille(300);
        let (low_ms, high_ms) = if dark { (5 * MINUTE_MS, 4 * HOUR_MS) } else { (2 * MINUTE_MS, 2 * HOUR_MS) };
        let for_ms = self.station_draws.skewed_ms(low_ms, high_ms).max(will_after_ms + SECOND_MS);
        self.down[station as usize] = true;
        let link = &mut self.links[station as usize];
        link.outage += 1;
        link.dark_since_ms = dark.then_some(now_ms);
        let outage = link.outage;
        self.set_timer(station, now_ms + will_after_ms, Due::Will { station, outage });
        self.set_timer(station, now_ms + for_ms, Due::Back { station });
        if !dark {
            return;
        }
        for index in self.built.stations[station as usize].connector_range() {
            let state = self.guns[index as usize].state;
            if state.flows() {
                self.stop(index, now_ms, "power_loss", None);
            } else if self.guns[index as usize].preparing && state == State::Occupied {
                let stop = Stop { reason: "power_loss", energy_wh: 0, billed_wh: 0, price_fen: 0, disputed: false };
                self.guns[index as usize].preparing = false;
                self.session_event(index, now_ms, "stop", Some(&stop), Count::Failed);
            }
            self.enter(index, State::Offline, now_ms, None);
        }
    }

    /// A station comes back.
    fn back(&mut self, station: u32, now_ms: i64) {
        let dark_since_ms = self.links[station as usize].dark_since_ms.take();
        self.reconnect(station, now_ms);
        if let Some(since_ms) = dark_since_ms {
            self.station_alarm(station, since_ms, &POWER_LOSS, true);
            self.station_alarm(station, now_ms, &POWER_LOSS, false);
            for index in self.built.stations[station as usize].connector_range() {
                self.clear_alarm(index, now_ms);
                self.free(index, now_ms);
            }
        }
        self.plan_outage(station, now_ms);
    }
}

/// Draws a vehicle and how long it stays.
fn visit(draws: &mut Draws, curve: Curve, dc: bool, now_ms: i64, offset_ms: i32) -> Visit {
    let heavy = curve == Curve::Depot && draws.chance_permille(500);
    let capacity_wh = if heavy { draws.between(140_000, 350_000) } else { draws.between(35_000, 100_000) } as u32;
    let fast = draws.chance_permille(120);
    let power_max_w = match (dc, fast) {
        (false, _) => [3_300, 6_600, 6_600, 7_000, 11_000, 22_000][draws.below(6) as usize],
        (true, true) => draws.between(180_000, 450_000) as u32,
        (true, false) => draws.between(60_000, 150_000) as u32,
    };
    let local_hour = i64::from(civil(now_ms, offset_ms).hour);
    let stay_ms = match (curve, dc) {
        // Until between half past six and nine of the next morning.
        (Curve::Home, _) => {
            let hours = if local_hour < 5 { 6 - local_hour } else { 30 - local_hour };
            hours * HOUR_MS + draws.between(30 * MINUTE_MS, 180 * MINUTE_MS)
        }
        (Curve::Work, false) => draws.between(3 * HOUR_MS, 9 * HOUR_MS),
        (Curve::Depot, false) => draws.between(3 * HOUR_MS, 8 * HOUR_MS),
        (Curve::Highway, _) => draws.between(12 * MINUTE_MS, 60 * MINUTE_MS),
        (_, true) => draws.skewed_ms(15 * MINUTE_MS, 150 * MINUTE_MS),
        (_, false) => draws.between(HOUR_MS, 6 * HOUR_MS),
    };
    let target = if draws.chance_permille(450) { 1_000 } else { draws.between(800, 960) as u32 };
    Visit {
        capacity_wh,
        power_max_w,
        pack_v: if fast || heavy { draws.between(620, 720) } else { draws.between(320, 400) } as u32,
        lfp: draws.chance_permille(600),
        soc_permille: (draws.between(80, 600) as u32, draws.between(300, 500) as u32, target),
        begin_wms: (0, 0),
        leave_ms: now_ms + stay_ms,
        price_fen: 0,
        started: false,
    }
}
