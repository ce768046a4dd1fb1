//! The stretches of a timeline in which nothing was observed and which a late sample may still fill (semantics,
//! section 4).

use super::{Desk, NEVER, Placed, Reading, State, Timeline};
use crate::pack::{Damaged, Pack, Reader, pack_fields};
use crate::slim::Slim;

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
pub(super) struct Gaps(Vec<Kept>);

/// A gap in little room: the sample after it stands at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    from_ms: i64,
    to_ms: i64,
    /// [`NEVER`] where there is no sample before it.
    left_ms: i64,
    left_w: Slim<i64>,
    right_w: Slim<i64>,
    left_state: State,
    state: State,
    right_state: State,
}

impl From<Gap> for Kept {
    fn from(Gap { from_ms, to_ms, state, left, right }: Gap) -> Self {
        Self {
            from_ms,
            to_ms,
            left_ms: left.map_or(NEVER, |left| left.at_ms),
            left_w: left.and_then(|left| left.power_w).into(),
            right_w: right.power_w.into(),
            left_state: left.map_or(State::Unobserved, |left| left.state),
            state,
            right_state: right.state,
        }
    }
}

impl From<Kept> for Gap {
    fn from(kept: Kept) -> Self {
        let Kept { from_ms, to_ms, left_ms, left_w, right_w, left_state, state, right_state } = kept;
        let left = Neighbour { at_ms: left_ms, state: left_state, power_w: left_w.get() };
        Self {
            from_ms,
            to_ms,
            state,
            left: (left_ms != NEVER).then_some(left),
            right: Neighbour { at_ms: to_ms, state: right_state, power_w: right_w.get() },
        }
    }
}

impl Gaps {
    pub(super) fn remember(&mut self, gap: Gap) {
        debug_assert_eq!(gap.to_ms, gap.right.at_ms, "a gap ends where the next sample stands");
        let place = self.0.partition_point(|known| known.from_ms < gap.from_ms);
        // Most connectors have one at most: no room for more is kept.
        self.0.reserve_exact(1);
        self.0.insert(place, gap.into());
        if self.0.len() > GAPS_MAX {
            self.0.remove(0);
        }
    }

    /// Forgets gaps that end before a point: no sample as old as that is taken any more.
    pub(super) fn forget_before(&mut self, horizon_ms: i64) {
        if self.0.iter().any(|gap| gap.to_ms < horizon_ms) {
            self.0.retain(|gap| gap.to_ms >= horizon_ms);
            self.0.shrink_to_fit();
        }
    }

    /// Takes out the gap that a point falls into.
    fn take(&mut self, at_ms: i64) -> Option<Gap> {
        let place = self.0.iter().position(|gap| gap.from_ms <= at_ms && at_ms < gap.to_ms)?;
        Some(self.0.remove(place).into())
    }

    /// Whether a sample stood at this very time beside a gap.
    fn has_neighbour_at(&self, at_ms: i64) -> bool {
        at_ms != NEVER && self.0.iter().any(|gap| gap.to_ms == at_ms || gap.left_ms == at_ms)
    }
}

pack_fields!(Neighbour { at_ms, state, power_w });
pack_fields!(Gap { from_ms, to_ms, state, left, right });

impl Pack for Gaps {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.iter().copied().map(Gap::from).collect::<Vec<_>>().pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let gaps: Vec<Gap> = Vec::unpack(reader)?;
        if gaps.len() <= GAPS_MAX && gaps.iter().all(|gap| gap.to_ms == gap.right.at_ms) {
            Ok(Self(gaps.into_iter().map(Kept::from).collect()))
        } else {
            Err(Damaged { what: "gaps" })
        }
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
