//! Watches the vitals of one connector: sample by sample, in order of event time, it says which alarms begin, grow
//! graver and end, and what is to be counted. It keeps a few hundred bytes whatever comes in, so it is kept beside
//! the timelines and only for connectors that have something to watch.

use super::indicator::{Bad, Grade, INDICATORS, Indicator, Persistence, Reading, Turn, Watch};
use super::thresholds::{Pair, Thresholds};
use crate::alarm::{AlarmClass, Level};
use crate::observation::{Sample, Vitals};
use crate::pack::pack_fields;
use crate::rare::Rare;
use crate::slim::Slim;
use crate::state::State;
use crate::tally::EventCounts;
use crate::time::EventTime;

const DAY_MS: i64 = 86_400_000;
const FULL_PERMILLE: i64 = 1_000;

/// What the connector's timeline knows at the time of a sample.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The state that the sample says.
    pub state: State,
    /// Rated power, W, where registered.
    pub rated_w: Option<u32>,
    /// For how long a sample speaks for its connector, ms.
    pub hold_ms: i64,
}

/// An alarm found in telemetry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DerivedAlarm {
    /// What it is about.
    pub class: AlarmClass,
    /// The event time of the sample.
    pub at: EventTime,
    /// Raised, or cleared. Raised again while it stands: graver, or a reminder on a new day.
    pub raised: bool,
    /// Which limit was passed; `Warn` where it is cleared.
    pub grade: Grade,
    /// The level of that grade.
    pub level: Level,
    /// The value, in the unit in which alarms are told: °C, °C/min, V, %, A, min, ohm/V or kW.
    pub value: Option<f64>,
    /// The limit that it passed (or came back behind), in the same unit.
    pub threshold: Option<f64>,
}

/// What a sample shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// For the alarm book.
    Alarm(DerivedAlarm),
    /// The connector was above its warning temperature for so long, from `at` on, within one base bucket.
    ConnectorHot {
        /// Where the stretch begins.
        at: EventTime,
        /// How long it is.
        ms: i64,
    },
    /// The first battery datum of a charging episode.
    BatteryEpisode {
        /// The event time of the sample.
        at: EventTime,
    },
    /// The first early warning of thermal runaway, at alarm grade, of a charging episode.
    RunawayEpisode {
        /// The event time of the sample.
        at: EventTime,
    },
}

impl Finding {
    /// The bucket's point in time.
    #[must_use]
    pub const fn at(&self) -> EventTime {
        match *self {
            Self::Alarm(DerivedAlarm { at, .. })
            | Self::ConnectorHot { at, .. }
            | Self::BatteryEpisode { at }
            | Self::RunawayEpisode { at } => at,
        }
    }

    /// Adds it to the counts of its bucket. Alarms add nothing here; the alarm book counts them.
    pub fn add_to(&self, counts: &mut EventCounts) {
        match *self {
            Self::Alarm(_) => {}
            Self::ConnectorHot { ms, .. } => counts.connector_hot_ms += ms,
            Self::BatteryEpisode { .. } => counts.bms_episodes += 1,
            Self::RunawayEpisode { .. } => counts.runaway_episodes += 1,
        }
    }
}

/// A value at an earlier point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Past {
    at: EventTime,
    value: i64,
}

impl Past {
    fn age_ms(&self, at: EventTime) -> i64 {
        at.ms().saturating_sub(self.at.ms())
    }
}

/// What was already counted of a charging episode: from the first sample in `charging` to the next one that is not.
/// Silence does not end it, for it says nothing about the vehicle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Episode {
    battery_known: bool,
    runaway_warned: bool,
}

/// What is remembered of the vehicle that is plugged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Vehicle {
    soc: Option<Past>,
    /// What a rise is taken from: at least the shortest time old, once there is one.
    temp_old: Option<Past>,
    /// What follows it in that place.
    temp_young: Option<Past>,
    full_since: Option<EventTime>,
}

impl Vehicle {
    /// Notes a battery temperature and says what a rise is taken from.
    fn follow_temperature(&mut self, now: Past, rise_ms_min: i64) -> Option<Past> {
        match self.temp_young {
            None => self.temp_young = Some(now),
            Some(young) if young.age_ms(now.at) >= rise_ms_min => {
                self.temp_old = Some(young);
                self.temp_young = Some(now);
            }
            Some(_) => {}
        }
        self.temp_old
    }
}

/// The watches of one connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorMonitor {
    last_at: Slim<EventTime>,
    /// Most of the time nothing is bad, and nothing was.
    watches: Rare<[Watch; INDICATORS]>,
    vehicle: Rare<Vehicle>,
    /// The last temperature reading of the connector, where it was above the warning limit.
    hot_at: Slim<EventTime>,
    episode: Option<Episode>,
}

/// Every connector that says its temperature has one.
const _: () = assert!(size_of::<ConnectorMonitor>() <= 40);

/// What a sample says about one indicator.
enum Heard {
    Value(Reading),
    /// Nothing; what stood still stands.
    Silence,
    /// There is nothing left that could be bad.
    Nothing,
}

impl Heard {
    fn is_bad(&self) -> bool {
        matches!(self, Self::Value(reading) if reading.is_bad())
    }
}

impl ConnectorMonitor {
    /// Whether this sample gives reason to watch its connector from now on.
    #[must_use]
    pub fn is_needed(situation: &Situation, sample: &Sample<'_>, thresholds: &Thresholds) -> bool {
        sample.vitals != Vitals::default()
            || matches!(power_reading(situation, sample, thresholds), Heard::Value(reading) if reading.value > reading.limits.warn)
    }

    /// Takes in an accepted sample that is newer than all before it; one that is not changes nothing.
    pub fn observe(
        &mut self,
        situation: &Situation,
        sample: &Sample<'_>,
        thresholds: &Thresholds,
        sink: &mut impl FnMut(Finding),
    ) {
        let at = sample.at;
        let dt_ms = self.last_at.get().map(|last| at.ms().saturating_sub(last.ms()));
        if dt_ms.is_some_and(|dt_ms| dt_ms <= 0) {
            return;
        }
        match dt_ms {
            Some(dt_ms) if dt_ms <= situation.hold_ms => {
                if !self.watches.is_default() {
                    self.watches.change(|watches| watches.iter_mut().for_each(|watch| watch.pass(dt_ms)));
                }
            }
            _ => self.break_off(),
        }
        if is_vehicle_gone(situation.state) && !has_battery_datum(&sample.vitals) {
            self.forget_vehicle();
        }
        self.follow_heat(situation, sample, thresholds, sink);
        let is_new_day =
            self.last_at.get().is_some_and(|last| last.ms().div_euclid(DAY_MS) != at.ms().div_euclid(DAY_MS));
        // Most samples: nothing is bad, and nothing was. Then only a bad reading changes a watch.
        let is_quiet = self.watches.is_default();
        let has_battery = !is_quiet || has_battery_datum(&sample.vitals);
        for indicator in Indicator::ALL {
            if indicator.is_of_battery() && !has_battery {
                continue;
            }
            let heard = self.read(indicator, situation, sample, thresholds);
            if is_quiet && !heard.is_bad() {
                continue;
            }
            if let Some(alarm) = self.judge(indicator, &heard, at, is_new_day, thresholds) {
                sink(Finding::Alarm(alarm));
            }
        }
        self.follow_episode(situation.state, sample, sink);
        self.last_at = Some(at).into();
    }

    /// Whether an alarm of this class stands by what was observed.
    #[must_use]
    pub fn is_standing(&self, class: AlarmClass) -> bool {
        let watches = self.watches.get();
        Indicator::ALL
            .into_iter()
            .any(|indicator| indicator.class() == class && watches[indicator as usize].grade().is_some())
    }

    /// After a silence: nothing that spans samples goes on, but what stands still stands.
    fn break_off(&mut self) {
        self.watches.change(|watches| watches.iter_mut().for_each(Watch::break_off));
        self.forget_vehicle();
    }

    fn forget_vehicle(&mut self) {
        self.vehicle = Rare::default();
    }

    fn judge(
        &mut self,
        indicator: Indicator,
        heard: &Heard,
        at: EventTime,
        is_new_day: bool,
        thresholds: &Thresholds,
    ) -> Option<DerivedAlarm> {
        let needed = if indicator.is_sustained() {
            Persistence { samples: 1, span_ms: 0 }
        } else {
            Persistence { samples: thresholds.persistence_samples, span_ms: thresholds.persistence_ms }
        };
        let (turn, standing) = self.watches.change(|watches| {
            let watch = &mut watches[indicator as usize];
            let turn = match heard {
                Heard::Silence => None,
                Heard::Nothing => watch.end(),
                Heard::Value(reading) => watch.judge(reading, needed, thresholds.hysteresis_permille),
            };
            (turn, watch.grade())
        });
        let reading = match heard {
            Heard::Value(reading) => Some(reading),
            Heard::Silence | Heard::Nothing => None,
        };
        let reminder = standing.filter(|_| is_new_day).map(Turn::Rise);
        let (raised, grade) = match turn.or(reminder)? {
            Turn::Rise(grade) => (true, grade),
            Turn::Over => (false, Grade::Warn),
        };
        Some(DerivedAlarm {
            class: indicator.class(),
            at,
            raised,
            grade,
            level: indicator.level(grade),
            value: reading.map(|reading| indicator.told(reading.value)),
            threshold: reading.map(|reading| indicator.told(reading.limit(grade))),
        })
    }

    fn read(
        &mut self,
        indicator: Indicator,
        situation: &Situation,
        sample: &Sample<'_>,
        thresholds: &Thresholds,
    ) -> Heard {
        let vitals = &sample.vitals;
        let least = |value: Option<i64>, limits: Pair| value.map(|value| Reading { value, limits, bad: Bad::AtLeast });
        let battery = |reading: Option<Reading>| match reading {
            Some(reading) => Heard::Value(reading),
            None if is_vehicle_gone(situation.state) && !has_battery_datum(vitals) => Heard::Nothing,
            None => Heard::Silence,
        };
        match indicator {
            Indicator::BatteryTemp => battery(least(vitals.battery_temp_max_mc, thresholds.battery_temp_mc)),
            Indicator::BatterySpread => battery(least(
                difference(vitals.battery_temp_max_mc, vitals.battery_temp_min_mc),
                thresholds.battery_spread_mc,
            )),
            Indicator::BatteryRise => {
                battery(least(self.rise_mc_per_min(sample, thresholds), thresholds.battery_rise_mc_per_min))
            }
            Indicator::CellVoltage => battery(least(vitals.cell_mv_max, thresholds.cell_mv)),
            Indicator::CellSpread => {
                battery(least(difference(vitals.cell_mv_max, vitals.cell_mv_min), thresholds.cell_spread_mv))
            }
            Indicator::SocJump => battery(self.soc_jump(sample, thresholds)),
            Indicator::OverRequest => over_request(situation, sample, thresholds),
            Indicator::AfterFull => self.after_full(situation, sample, thresholds),
            Indicator::Insulation => insulation(vitals, thresholds).map_or(Heard::Silence, Heard::Value),
            Indicator::ConnectorTemp => {
                least(vitals.connector_temp_mc, thresholds.connector_temp_mc).map_or(Heard::Silence, Heard::Value)
            }
            Indicator::PowerAboveRating => power_reading(situation, sample, thresholds),
        }
    }

    /// W3: against a reading that is at least the shortest time old, and about twice that at most.
    fn rise_mc_per_min(&mut self, sample: &Sample<'_>, thresholds: &Thresholds) -> Option<i64> {
        let now = Past { at: sample.at, value: sample.vitals.battery_temp_max_mc? };
        let old = self.vehicle.change(|vehicle| vehicle.follow_temperature(now, thresholds.battery_rise_ms_min))?;
        Some(times_over(now.value.checked_sub(old.value)?, 60_000, old.age_ms(now.at).max(1)))
    }

    /// W6.
    fn soc_jump(&mut self, sample: &Sample<'_>, thresholds: &Thresholds) -> Option<Reading> {
        let now = Past { at: sample.at, value: sample.vitals.soc_permille? };
        let before = self.vehicle.change(|vehicle| vehicle.soc.replace(now))?;
        let value = if before.age_ms(now.at) <= thresholds.soc_jump_ms_max {
            now.value.saturating_sub(before.value).saturating_abs()
        } else {
            0
        };
        Some(Reading { value, limits: thresholds.soc_jump_permille, bad: Bad::Above })
    }

    /// W9: for how long the battery was charged on although it was full.
    fn after_full(&mut self, situation: &Situation, sample: &Sample<'_>, thresholds: &Thresholds) -> Heard {
        if situation.state != State::Charging {
            self.vehicle.change(|vehicle| vehicle.full_since = None);
            return Heard::Nothing;
        }
        let (Some(soc), Some(current_ma)) = (sample.vitals.soc_permille, sample.vitals.current_ma) else {
            return Heard::Silence;
        };
        if soc < FULL_PERMILLE || current_ma <= thresholds.after_full_ma_min {
            self.vehicle.change(|vehicle| vehicle.full_since = None);
            return Heard::Nothing;
        }
        let since = self.vehicle.change(|vehicle| *vehicle.full_since.get_or_insert(sample.at));
        let value = sample.at.ms().saturating_sub(since.ms());
        // The stretch that raised the alarm may have been broken off by a silence; the battery is still full.
        if value < thresholds.after_full_ms.warn {
            return Heard::Silence;
        }
        Heard::Value(Reading { value, limits: thresholds.after_full_ms, bad: Bad::AtLeast })
    }

    fn follow_heat(
        &mut self,
        situation: &Situation,
        sample: &Sample<'_>,
        thresholds: &Thresholds,
        sink: &mut impl FnMut(Finding),
    ) {
        let Some(temp_mc) = sample.vitals.connector_temp_mc else { return };
        if let Some(from) = self.hot_at.get()
            && sample.at.ms().saturating_sub(from.ms()) <= situation.hold_ms
        {
            let mut piece_at = from;
            while piece_at < sample.at {
                let end_ms = piece_at.bucket().end_ms().min(sample.at.ms());
                sink(Finding::ConnectorHot { at: piece_at, ms: end_ms - piece_at.ms() });
                piece_at = EventTime::from_ms(end_ms);
            }
        }
        self.hot_at = (temp_mc > thresholds.connector_temp_mc.warn).then_some(sample.at).into();
    }

    fn follow_episode(&mut self, state: State, sample: &Sample<'_>, sink: &mut impl FnMut(Finding)) {
        if state != State::Charging {
            self.episode = None;
            return;
        }
        let watches = self.watches.get();
        let is_warned = || {
            Indicator::ALL.into_iter().any(|indicator| {
                indicator.is_runaway_warning() && watches[indicator as usize].grade() == Some(Grade::Alarm)
            })
        };
        let episode = self.episode.get_or_insert_default();
        if !episode.battery_known && has_battery_datum(&sample.vitals) {
            episode.battery_known = true;
            sink(Finding::BatteryEpisode { at: sample.at });
        }
        // Only of episodes with battery data: one is the other's share.
        if !episode.runaway_warned && episode.battery_known && is_warned() {
            episode.runaway_warned = true;
            sink(Finding::RunawayEpisode { at: sample.at });
        }
    }
}

/// Whether the state says that no vehicle is there.
const fn is_vehicle_gone(state: State) -> bool {
    matches!(state, State::Available | State::Reserved)
}

const fn has_battery_datum(vitals: &Vitals) -> bool {
    vitals.soc_permille.is_some()
        || vitals.battery_temp_max_mc.is_some()
        || vitals.battery_temp_min_mc.is_some()
        || vitals.cell_mv_max.is_some()
        || vitals.cell_mv_min.is_some()
}

fn difference(high: Option<i64>, low: Option<i64>) -> Option<i64> {
    Some(high?.saturating_sub(low?))
}

/// `value x share / 1000`.
fn permille_of(value: i64, permille: i64) -> i64 {
    times_over(value, permille, 1_000)
}

/// `value x factor / divisor`, towards zero; at the end of the range where it does not fit.
fn times_over(value: i64, factor: i64, divisor: i64) -> i64 {
    match value.checked_mul(factor) {
        // A division of twice the width takes several times as long.
        Some(product) => product / divisor,
        None => {
            let exact = i128::from(value) * i128::from(factor) / i128::from(divisor);
            exact.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
        }
    }
}

/// W7: excess current, ma, over what the demanded power takes at the present voltage.
fn over_request(situation: &Situation, sample: &Sample<'_>, thresholds: &Thresholds) -> Heard {
    if situation.state != State::Charging {
        return Heard::Nothing;
    }
    let (Some(demand_w), Some(voltage_mv), Some(current_ma)) =
        (sample.demand_w, sample.vitals.voltage_mv, sample.vitals.current_ma)
    else {
        return Heard::Silence;
    };
    if voltage_mv <= 0 || demand_w < 0 {
        return Heard::Silence;
    }
    let demand_ma = times_over(demand_w, 1_000_000, voltage_mv);
    let limit = |permille| permille_of(demand_ma, permille).max(thresholds.over_request_ma_min);
    let share = thresholds.over_request_permille;
    Heard::Value(Reading {
        value: current_ma.saturating_sub(demand_ma),
        limits: Pair::new(limit(share.warn), limit(share.alarm)),
        bad: Bad::Above,
    })
}

/// W10: ohm per volt, rounded up so that a whole limit is compared exactly. The measured voltage stands in for the
/// greatest output voltage that the standard speaks of, which no telemetry carries.
fn insulation(vitals: &Vitals, thresholds: &Thresholds) -> Option<Reading> {
    let (ohm, voltage_mv) = (vitals.insulation_ohm?, vitals.voltage_mv?);
    if voltage_mv < thresholds.insulation_mv_min.max(1) || ohm < 0 {
        return None;
    }
    let value = (i128::from(ohm) * 1_000 + i128::from(voltage_mv) - 1) / i128::from(voltage_mv);
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    Some(Reading { value, limits: thresholds.insulation_ohm_per_v, bad: Bad::AtMost })
}

fn power_reading(situation: &Situation, sample: &Sample<'_>, thresholds: &Thresholds) -> Heard {
    let Some(rated_w) = situation.rated_w.filter(|&rated_w| rated_w > 0) else { return Heard::Nothing };
    let value = match sample.power_w {
        Some(power_w) => power_w.saturating_abs(),
        None if matches!(situation.state, State::Charging | State::Discharging) => return Heard::Silence,
        None => return Heard::Nothing,
    };
    let share = thresholds.power_permille;
    let limit = |permille| permille_of(i64::from(rated_w), permille);
    let limits = Pair::new(limit(share.warn), limit(share.alarm));
    Heard::Value(Reading { value, limits, bad: Bad::Above })
}

pack_fields!(Past { at, value });
pack_fields!(Episode { battery_known, runaway_warned });
pack_fields!(Vehicle { soc, temp_old, temp_young, full_since });
pack_fields!(ConnectorMonitor { last_at, watches, vehicle, hot_at, episode });

#[cfg(test)]
mod tests;
