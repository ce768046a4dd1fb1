//! What a connector reports (its status) and what it is over time (its state). A status is a claim of one message;
//! a state fills a stretch of the connector's timeline and one of them always holds.

/// The status that a message reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum Status {
    Available,
    Occupied,
    Charging,
    Discharging,
    Reserved,
    Faulted,
    Unavailable,
    Offline,
}

/// The state of a connector over a stretch of time (semantics, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Energy flows to the vehicle.
    Charging = 0,
    /// Energy flows from the vehicle to the grid.
    Discharging = 1,
    /// A vehicle is plugged in, but no energy flows.
    Occupied = 2,
    /// Held for somebody.
    Reserved = 3,
    /// Ready for the next vehicle.
    Available = 4,
    /// Broken by its own account.
    Faulted = 5,
    /// Taken out of service.
    Unavailable = 6,
    /// We were told that it is not reachable.
    Offline = 7,
    /// We know nothing.
    Unobserved = 8,
}

/// Below this magnitude a power reading, W, is no flow (semantics, section 2).
const FLOW_W_MIN: i64 = 50;

impl State {
    /// All states, in the order of the wire's `state_ms`.
    pub const ALL: [Self; 9] = [
        Self::Charging,
        Self::Discharging,
        Self::Occupied,
        Self::Reserved,
        Self::Available,
        Self::Faulted,
        Self::Unavailable,
        Self::Offline,
        Self::Unobserved,
    ];

    /// Its place in `state_ms`.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Charging => "charging",
            Self::Discharging => "discharging",
            Self::Occupied => "occupied",
            Self::Reserved => "reserved",
            Self::Available => "available",
            Self::Faulted => "faulted",
            Self::Unavailable => "unavailable",
            Self::Offline => "offline",
            Self::Unobserved => "unobserved",
        }
    }

    /// The state that a sample with this status and power says (semantics, section 2).
    #[must_use]
    pub fn of_sample(status: Option<Status>, power_w: Option<i64>) -> Self {
        let power_w = power_w.unwrap_or(0);
        match status {
            Some(Status::Charging) if power_w < 0 => Self::Discharging,
            Some(Status::Charging) => Self::Charging,
            Some(Status::Available) => Self::Available,
            Some(Status::Occupied) => Self::Occupied,
            Some(Status::Discharging) => Self::Discharging,
            Some(Status::Reserved) => Self::Reserved,
            Some(Status::Faulted) => Self::Faulted,
            Some(Status::Unavailable) => Self::Unavailable,
            Some(Status::Offline) => Self::Offline,
            None if power_w > FLOW_W_MIN => Self::Charging,
            None if power_w < -FLOW_W_MIN => Self::Discharging,
            None => Self::Available,
        }
    }

    /// Whether the stretch may still be filled by a late sample: nothing was observed in it.
    #[must_use]
    pub const fn is_gap(self) -> bool {
        matches!(self, Self::Offline | Self::Unobserved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_decides_where_no_status_is_sent() {
        assert_eq!(State::of_sample(None, Some(51)), State::Charging);
        assert_eq!(State::of_sample(None, Some(50)), State::Available);
        assert_eq!(State::of_sample(None, Some(-51)), State::Discharging);
        assert_eq!(State::of_sample(None, None), State::Available);
    }

    #[test]
    fn charging_backwards_is_discharging() {
        assert_eq!(State::of_sample(Some(Status::Charging), Some(-1)), State::Discharging);
        assert_eq!(State::of_sample(Some(Status::Charging), Some(0)), State::Charging);
        assert_eq!(State::of_sample(Some(Status::Occupied), Some(-1)), State::Occupied);
    }

    #[test]
    fn states_stand_at_their_own_index() {
        for (index, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state.index(), index);
        }
    }
}
