//! Energy over a timeline (semantics, section 3): by register once one was ever sent, however long the messages stay
//! away; by power before that, between neighbours no further apart than the hold.

use super::{Desk, Direction, Reading, State, Timeline, mean_power_energy_j};
use crate::time::EventTime;

/// Stands in for the rating of a connector that has none, W.
const UNRATED_W: i64 = 1_000_000;
/// What a register may rise by whatever the time, J (0.1 kWh).
const SLACK_J: i128 = 360_000;
/// A register may rise by 12/10 of what the rating delivers.
const RATING_TENTHS: i128 = 12;

/// The last sample in event time that carried a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say what they hold and in which unit")]
pub struct Chain {
    pub at_ms: i64,
    pub register_j: i64,
    pub state: State,
    pub power_w: Option<i64>,
}

/// What a register did between two samples.
enum Movement {
    Delivered(i64),
    Reset,
    Jump,
}

impl Timeline {
    /// Books the energy of the interval that ends in a reading newer than all others.
    pub(super) fn deliver(&mut self, reading: &Reading, desk: &mut Desk<'_>) {
        let imported = self.step(Direction::Import, reading, desk);
        self.step(Direction::Export, reading, desk);
        self.book_demand(reading, imported, desk);
    }

    /// One step of one direction's chain. Returns what was delivered and since when, where anything could be known.
    fn step(&mut self, direction: Direction, reading: &Reading, desk: &mut Desk<'_>) -> Option<(i64, i64)> {
        let (chain, register_j) = match direction {
            Direction::Import => (self.import, reading.import_j),
            Direction::Export => (self.export.as_deref().copied(), reading.export_j),
        };
        let delivered = match (chain, register_j) {
            (Some(chain), Some(register_j)) => self.step_by_register(direction, &chain, register_j, reading, desk),
            (None, None) if self.last_ms != super::NEVER => {
                let total_j = directed(direction, self.mean_energy_since_last(reading, desk.hold_ms)?);
                let charging = self.state == State::Charging;
                desk.book.energy(desk.slot, direction, total_j, self.last_ms, reading.at_ms, charging);
                Some((total_j, self.last_ms))
            }
            _ => None,
        };
        if let Some(register_j) = register_j {
            let chain = Chain { at_ms: reading.at_ms, register_j, state: reading.state, power_w: reading.power_w };
            match direction {
                Direction::Import => self.import = Some(chain),
                Direction::Export => self.export = Some(Box::new(chain)),
            }
        }
        delivered
    }

    fn step_by_register(
        &self,
        direction: Direction,
        chain: &Chain,
        register_j: i64,
        reading: &Reading,
        desk: &mut Desk<'_>,
    ) -> Option<(i64, i64)> {
        let dt_ms = reading.at_ms - chain.at_ms;
        let bucket = EventTime::from_ms(reading.at_ms).bucket();
        let total_j = match self.movement(register_j - chain.register_j, dt_ms) {
            Movement::Delivered(total_j) => total_j,
            Movement::Reset => {
                desk.book.at(bucket, desk.slot).events.get_mut().meter_reset += 1;
                if dt_ms > desk.hold_ms {
                    return None;
                }
                directed(direction, mean_power_energy_j(chain.power_w?, reading.power_w?, dt_ms))
            }
            Movement::Jump => {
                desk.book.at(bucket, desk.slot).events.get_mut().meter_jump += 1;
                return None;
            }
        };
        let charging = chain.state == State::Charging && dt_ms <= desk.hold_ms;
        desk.book.energy(desk.slot, direction, total_j, chain.at_ms, reading.at_ms, charging);
        Some((total_j, chain.at_ms))
    }

    /// Judges a register's difference: delivered, gone down, or further up than the rating allows.
    fn movement(&self, difference_j: i64, dt_ms: i64) -> Movement {
        if difference_j < 0 {
            return Movement::Reset;
        }
        let rated_w = self.rating.now_w().filter(|&rated_w| rated_w > 0).map_or(UNRATED_W, i64::from);
        let allowed = i128::from(rated_w) * RATING_TENTHS * i128::from(dt_ms);
        if (i128::from(difference_j) - SLACK_J) * 10_000 <= allowed {
            Movement::Delivered(difference_j)
        } else {
            Movement::Jump
        }
    }

    /// Mean-power energy between the newest sample and a reading, J, where both carry power and are near enough.
    fn mean_energy_since_last(&self, reading: &Reading, hold_ms: i64) -> Option<i64> {
        let dt_ms = reading.at_ms - self.last_ms;
        (dt_ms <= hold_ms).then_some(())?;
        Some(mean_power_energy_j(self.power_w?, reading.power_w?, dt_ms))
    }

    /// Books what the vehicle asked for while charging, beside what it got in the same interval (domain B5).
    fn book_demand(&self, reading: &Reading, imported: Option<(i64, i64)>, desk: &mut Desk<'_>) {
        let (Some(demand_w), Some((imported_j, since_ms))) = (self.demand_w, imported) else { return };
        let dt_ms = reading.at_ms - self.last_ms;
        if self.state != State::Charging || since_ms != self.last_ms || dt_ms > desk.hold_ms {
            return;
        }
        let asked_w = self.rating.now_w().map_or(demand_w, |rated_w| demand_w.min(i64::from(rated_w)));
        let bucket = EventTime::from_ms(reading.at_ms).bucket();
        desk.book.demand(bucket, desk.slot, asked_w.max(0) * dt_ms / 1000, imported_j);
    }

    /// Books (or with `sign` -1 takes back) the mean-power energy between two neighbours, in each direction that has
    /// no register.
    pub(super) fn deliver_between(
        &self,
        left: &super::Neighbour,
        right: &super::Neighbour,
        desk: &mut Desk<'_>,
        sign: i64,
    ) {
        let dt_ms = right.at_ms - left.at_ms;
        let (Some(left_w), Some(right_w)) = (left.power_w, right.power_w) else { return };
        if dt_ms > desk.hold_ms {
            return;
        }
        let mean_j = mean_power_energy_j(left_w, right_w, dt_ms);
        for (direction, chain) in
            [(Direction::Import, self.import), (Direction::Export, self.export.as_deref().copied())]
        {
            if chain.is_none() {
                let total_j = sign * directed(direction, mean_j);
                let charging = left.state == State::Charging;
                desk.book.energy(desk.slot, direction, total_j, left.at_ms, right.at_ms, charging);
            }
        }
    }
}

/// The part of a signed energy that flows in a direction: positive is import, negative export.
fn directed(direction: Direction, signed_j: i64) -> i64 {
    match direction {
        Direction::Import => signed_j.max(0),
        Direction::Export => (-signed_j).max(0),
    }
}
