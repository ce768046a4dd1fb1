//! The stretches of a timeline in which nothing was observed and which a late sample may still fill (semantics,
//! section 4).

use super::{Desk, Placed, Reading, State, Timeline};
use crate::pack::{Damaged, Pack, Reader, pack_fields};

/// How many gaps a connector remembers; the earliest is forgotten first.
pub const GAPS_MAX: usize = 8;

/// A sample next to a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its event time.
    pub at_ms: i64,
    /// The state it says.
    pub state: State,
    /// Its power, W.
    pub power_w: Option<i64>,
}

/// A stretch `[from, to)` that stands as `unobserved` or `offline`, with the samples before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Gap {
    pub from_ms: i64,
    pub to_ms: i64,
    pub state: State,
    /// None where the timeline began with a registration and no sample.
    pub left: Option<Neighbour>,
    pub right: Neighbour,
}

/// The known gaps of one connector, in order of event time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps(Vec<Gap>);

impl Gaps {
    pub(super) fn remember(&mut self, gap: Gap) {
        let place = self.0.partition_point(|known| known.from_ms < gap.from_ms);
        // Most connectors have one at most: no room for more is kept.
        self.0.reserve_exact(1);
        self.0.insert(place, gap);
        if self.0.len() > GAPS_MAX {
            self.0.remove(0);
        }
    }

    /// Takes out the gap that a point falls into.
    fn take(&mut self, at_ms: i64) -> Option<Gap> {
        let place = self.0.iter().position(|gap| gap.from_ms <= at_ms && at_ms < gap.to_ms)?;
        Some(self.0.remove(place))
    }

    /// Whether a sample stood at this very time beside a gap.
    fn has_neighbour_at(&self, at_ms: i64) -> bool {
        self.0.iter().any(|gap| gap.right.at_ms == at_ms || gap.left.is_some_and(|left| left.at_ms == at_ms))
    }
}

pack_fields!(Neighbour { at_ms, state, power_w });
pack_fields!(Gap { from_ms, to_ms, state, left, right });

impl Pack for Gaps {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let gaps = Vec::unpack(reader)?;
        if gaps.len() <= GAPS_MAX { Ok(Self(gaps)) } else { Err(Damaged { what: "gaps" }) }
    }
}

impl Timeline {
    /// A reading older than the newest: accepted where it falls into a known gap.
    pub(super) fn fill(&mut self, reading: &Reading, desk: &mut Desk<'_>) -> Placed {
        let at_ms = reading.at_ms;
        if self.gaps.has_neighbour_at(at_ms) {
            return Placed::Duplicate;
        }
        let Some(gap) = self.gaps.take(at_ms) else { return Placed::OutOfOrder };
        let filler = Neighbour { at_ms, state: reading.state, power_w: reading.power_w };

        let speaks_until_ms = match reading.state {
            State::Offline => gap.to_ms,
            _ => at_ms.saturating_add(desk.hold_ms).min(gap.to_ms),
        };
        // What the gap stood for ends at the filler; beyond its hold nothing is known, even where the gap was offline.
        desk.state(gap.state, at_ms, gap.to_ms, at_ms, -1);
        desk.state(reading.state, at_ms, speaks_until_ms, at_ms, 1);
        desk.state(State::Unobserved, speaks_until_ms, gap.to_ms, at_ms, 1);

        if let Some(left) = gap.left {
            self.deliver_between(&left, &gap.right, desk, -1);
            self.deliver_between(&left, &filler, desk, 1);
        }
        self.deliver_between(&filler, &gap.right, desk, 1);

        if gap.from_ms < at_ms {
            self.gaps.remember(Gap { to_ms: at_ms, right: filler, ..gap });
        }
        let (rest_from_ms, rest_state) = match reading.state {
            State::Offline => (at_ms, State::Offline),
            _ => (speaks_until_ms, State::Unobserved),
        };
        if rest_from_ms < gap.to_ms {
            self.gaps.remember(Gap { from_ms: rest_from_ms, state: rest_state, left: Some(filler), ..gap });
        }
        Placed::InGap
    }
}
