//! Energy over a timeline (semantics, section 3): by register once one was ever sent, however long the messages stay
//! away; by power before that, between neighbours no further apart than the hold.

use super::{Desk, Direction, Reading, State, Timeline, mean_power_energy_j};
use crate::slim::Slim;
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

/// The newest register of one direction. As a rule the newest sample carried it, and then only its value is kept here.
#[derive(Clone, Debug, Default)]
pub(super) struct Register {
    /// What the newest sample said, J.
    newest_j: Slim<i64>,
    /// Where the newest sample said nothing: what the last one said that did. Its room is kept for the next time.
    behind: Option<Box<Chain>>,
}

impl PartialEq for Register {
    fn eq(&self, other: &Self) -> bool {
        self.newest_j == other.newest_j && (!self.newest_j.is_none() || self.behind == other.behind)
    }
}

impl Eq for Register {}

impl Register {
    /// The register of a chain, where there is one, beside the time of the newest sample.
    pub(super) fn of(chain: Option<Chain>, newest_ms: i64) -> Self {
        match chain {
            Some(chain) if chain.at_ms == newest_ms => Self { newest_j: Some(chain.register_j).into(), behind: None },
            chain => Self { newest_j: Slim::NONE, behind: chain.map(Box::new) },
        }
    }

    /// Another sample is the newest now, with this register or without; `chain` is what held before.
    pub(super) fn follow(&mut self, chain: Option<Chain>, register_j: Option<i64>) {
        if let Some(chain) = chain
            && register_j.is_none()
            && !self.newest_j.is_none()
        {
            match &mut self.behind {
                Some(room) => **room = chain,
                room => *room = Some(Box::new(chain)),
            }
        }
        self.newest_j = register_j.into();
    }
}

/// What a register did between two samples.
enum Movement {
    Delivered(i64),
    Reset,
    Jump,
}

impl Timeline {
    /// The last sample that carried an import register.
    pub(super) fn import_chain(&self) -> Option<Chain> {
        let Register { newest_j, behind } = &self.import;
        match newest_j.get() {
            Some(register_j) => {
                Some(Chain { at_ms: self.last_ms, register_j, state: self.state, power_w: self.power_w.get() })
            }
            None => behind.as_deref().copied(),
        }
    }

    /// Books the energy of the interval that ends in a reading newer than all others.
    pub(super) fn deliver(&self, reading: &Reading, desk: &mut Desk<'_>) {
        let imported = self.step(Direction::Import, reading, desk);
        self.step(Direction::Export, reading, desk);
        self.book_demand(reading, imported, desk);
    }

    /// Keeps the registers of a reading that becomes the newest.
    pub(super) fn follow_registers(&mut self, reading: &Reading) {
        let Reading { at_ms, state, power_w, import_j, export_j, .. } = *reading;
        let chain = self.import_chain();
        self.import.follow(chain, import_j);
        if let Some(register_j) = export_j {
            self.export = Some(Box::new(Chain { at_ms, register_j, state, power_w }));
        }
    }

    /// One step of one direction's chain. Returns what was delivered and since when, where anything could be known.
    fn step(&self, direction: Direction, reading: &Reading, desk: &mut Desk<'_>) -> Option<(i64, i64)> {
        let (chain, register_j) = match direction {
            Direction::Import => (self.import_chain(), reading.import_j),
            Direction::Export => (self.export.as_deref().copied(), reading.export_j),
        };
        match (chain, register_j) {
            (Some(chain), Some(register_j)) => self.step_by_register(direction, &chain, register_j, reading, desk),
            (None, None) if self.last_ms != super::NEVER => {
                let total_j = directed(direction, self.mean_energy_since_last(reading, desk.hold_ms)?);
                let charging = self.state == State::Charging;
                desk.book.energy(desk.slot, direction, total_j, self.last_ms, reading.at_ms, charging);
                Some((total_j, self.last_ms))
            }
            _ => None,
        }
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
        Some(mean_power_energy_j(self.power_w.get()?, reading.power_w?, dt_ms))
    }

    /// Books what the vehicle asked for while charging, beside what it got in the same interval (domain B5).
    fn book_demand(&self, reading: &Reading, imported: Option<(i64, i64)>, desk: &mut Desk<'_>) {
        let (Some(demand_w), Some((imported_j, since_ms))) = (self.demand_w.get(), imported) else { return };
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
            [(Direction::Import, self.import_chain()), (Direction::Export, self.export.as_deref().copied())]
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
