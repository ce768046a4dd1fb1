//! The usual case of a tally, in 40 bytes: what one connector does in one base bucket. Most connectors are in one or two
//! states within a minute, send a few messages that took about the same time to arrive, and take energy but give
//! none. What does not fit here is told so, and stands in a whole tally beside; the two add up.

use crate::state::State;
use crate::tally::Tally;

/// The usual entries of a tally. Where `state_ms` or `accepted` is 0, the name beside it means nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Light {
    state_ms: [i32; 2],
    import_j: i32,
    charging_import_j: i32,
    rated_j: i32,
    overstay_ms: i32,
    demand_j: i32,
    demand_import_j: i32,
    accepted: [u16; 2],
    /// Four bits each.
    states: u8,
    bms_episodes: u8,
    latency_cells: [u8; 2],
}

const _: () = assert!(size_of::<Light>() == 40 && State::ALL.len() <= 16);

/// Adds where the sum fits, and says whether it did.
fn add(entry: &mut i32, more: i64) -> bool {
    let sum = i64::from(*entry).checked_add(more).and_then(|sum| i32::try_from(sum).ok());
    sum.map(|sum| *entry = sum).is_some()
}

impl Light {
    /// What stands in a whole tally, where all of it fits here.
    pub(super) fn of(tally: &Tally) -> Option<Self> {
        let mut light = Self::default();
        let mut states = State::ALL.into_iter().filter(|&state| tally.in_state(state) != 0);
        let fits = states.all(|state| light.add_state(state, tally.in_state(state)))
            && light.add_import(tally.import_j)
            && light.add_charging_import(tally.charging_import_j)
            && light.add_rated(tally.rated_j)
            && light.add_overstay(tally.overstay_ms)
            && light.add_demand(tally.demand_j)
            && light.add_demand_import(tally.demand_import_j)
            && light.accept_all(&tally.latency)
            && light.add_bms_episodes(tally.events.get().map_or(0, |counts| counts.bms_episodes));
        // What has no entry here, or does not add up as it is booked, is told by what is missing.
        let mut told = Tally::default();
        light.add_to(&mut told);
        (fits && told == *tally).then_some(light)
    }

    fn accept_all(&mut self, latency: &[i64]) -> bool {
        let mut places = self.accepted.iter_mut().zip(&mut self.latency_cells);
        let mut cells = latency.iter().enumerate().filter(|(_, count)| **count != 0);
        cells.all(|(cell, &count)| match (places.next(), u16::try_from(count), u8::try_from(cell)) {
            (Some((place, name)), Ok(count), Ok(cell)) => {
                (*place, *name) = (count, cell);
                true
            }
            _ => false,
        })
    }

    fn add_bms_episodes(&mut self, count: i64) -> bool {
        u8::try_from(count).is_ok_and(|count| {
            self.bms_episodes = count;
            true
        })
    }

    /// Time in a state, ms.
    pub(super) fn add_state(&mut self, state: State, ms: i64) -> bool {
        let number = state.index() as u8;
        let named = |place: &usize| self.state_ms[*place] != 0 && self.state_number(*place) == number;
        let Some(place) = (0..2).find(named).or_else(|| (0..2).find(|&place| self.state_ms[place] == 0)) else {
            return false;
        };
        self.states = (self.states & !(0xF << (4 * place))) | (number << (4 * place));
        add(&mut self.state_ms[place], ms)
    }

    fn state_number(&self, place: usize) -> u8 {
        (self.states >> (4 * place)) & 0xF
    }

    pub(super) fn add_overstay(&mut self, ms: i64) -> bool {
        add(&mut self.overstay_ms, ms)
    }

    pub(super) fn add_import(&mut self, joules: i64) -> bool {
        add(&mut self.import_j, joules)
    }

    pub(super) fn add_charging_import(&mut self, joules: i64) -> bool {
        add(&mut self.charging_import_j, joules)
    }

    pub(super) fn add_rated(&mut self, joules: i64) -> bool {
        add(&mut self.rated_j, joules)
    }

    pub(super) fn add_demand(&mut self, joules: i64) -> bool {
        add(&mut self.demand_j, joules)
    }

    pub(super) fn add_demand_import(&mut self, joules: i64) -> bool {
        add(&mut self.demand_import_j, joules)
    }

    /// An observation that was taken in, by the cell of how long it took to get here.
    pub(super) fn accept(&mut self, latency_cell: usize) -> bool {
        let Ok(cell) = u8::try_from(latency_cell) else { return false };
        let named = |place: &usize| self.accepted[*place] != 0 && self.latency_cells[*place] == cell;
        let Some(place) = (0..2).find(named).or_else(|| (0..2).find(|&place| self.accepted[place] == 0)) else {
            return false;
        };
        self.latency_cells[place] = cell;
        let sum = self.accepted[place].checked_add(1);
        sum.map(|sum| self.accepted[place] = sum).is_some()
    }

    /// A charging episode with battery data: there are few a day, but all that go on begin with the first sample.
    pub(super) fn add_bms_episode(&mut self) -> bool {
        let sum = self.bms_episodes.checked_add(1);
        sum.map(|sum| self.bms_episodes = sum).is_some()
    }

    /// Whether nothing stands here.
    pub(super) fn is_zero(&self) -> bool {
        let Self {
            state_ms,
            import_j,
            charging_import_j,
            rated_j,
            overstay_ms,
            demand_j,
            demand_import_j,
            accepted,
            ..
        } = self;
        *state_ms == [0; 2]
            && *accepted == [0; 2]
            && self.bms_episodes == 0
            && (*import_j | *charging_import_j | *rated_j | *overstay_ms | *demand_j | *demand_import_j) == 0
    }

    /// The times in its states, ms; a state may come twice.
    pub(super) fn state_times(&self) -> [(State, i64); 2] {
        [0, 1].map(|place| (State::ALL[usize::from(self.state_number(place))], i64::from(self.state_ms[place])))
    }

    /// Adds what stands here to a whole tally.
    pub(super) fn add_to(&self, tally: &mut Tally) {
        for (state, ms) in self.state_times() {
            tally.state_ms[state.index()] += ms;
        }
        if self.bms_episodes > 0 {
            tally.events.get_mut().bms_episodes += i64::from(self.bms_episodes);
        }
        tally.import_j += i64::from(self.import_j);
        tally.charging_import_j += i64::from(self.charging_import_j);
        tally.rated_j += i64::from(self.rated_j);
        tally.overstay_ms += i64::from(self.overstay_ms);
        tally.demand_j += i64::from(self.demand_j);
        tally.demand_import_j += i64::from(self.demand_import_j);
        for (&cell, &count) in self.latency_cells.iter().zip(&self.accepted) {
            tally.latency[usize::from(cell)] += i64::from(count);
            tally.accepted += i64::from(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::LATENCY_CELLS;
    use crate::tally::Merge;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        State(usize, i64),
        Import(i64),
        ChargingImport(i64),
        Rated(i64),
        Overstay(i64),
        Demand(i64),
        DemandImport(i64),
        Accept(usize),
        BmsEpisode,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let amount = || prop_oneof![-70_000..70_000_i64, any::<i64>().prop_map(|amount| amount / 1_000)];
        let step = prop_oneof![
            (0..State::ALL.len(), amount()).prop_map(|(state, ms)| Step::State(state, ms)),
            amount().prop_map(Step::Import),
            amount().prop_map(Step::ChargingImport),
            amount().prop_map(Step::Rated),
            amount().prop_map(Step::Overstay),
            amount().prop_map(Step::Demand),
            amount().prop_map(Step::DemandImport),
            (0..LATENCY_CELLS).prop_map(Step::Accept),
            Just(Step::BmsEpisode),
        ];
        prop::collection::vec(step, 0..60)
    }

    proptest! {
        #[test]
        fn what_fits_and_what_does_not_add_up_to_what_was_booked(steps in steps()) {
            let (mut light, mut beside, mut all) = (Light::default(), Tally::default(), Tally::default());
            for step in steps {
                let whole = |tally: &mut Tally| match step {
                    Step::State(state, ms) => tally.state_ms[state] += ms,
                    Step::Import(joules) => tally.import_j += joules,
                    Step::ChargingImport(joules) => tally.charging_import_j += joules,
                    Step::Rated(joules) => tally.rated_j += joules,
                    Step::Overstay(ms) => tally.overstay_ms += ms,
                    Step::Demand(joules) => tally.demand_j += joules,
                    Step::DemandImport(joules) => tally.demand_import_j += joules,
                    Step::BmsEpisode => tally.events.get_mut().bms_episodes += 1,
                    Step::Accept(cell) => {
                        tally.accepted += 1;
                        tally.latency[cell] += 1;
                    }
                };
                let fits = match step {
                    Step::State(state, ms) => light.add_state(State::ALL[state], ms),
                    Step::Import(joules) => light.add_import(joules),
                    Step::ChargingImport(joules) => light.add_charging_import(joules),
                    Step::Rated(joules) => light.add_rated(joules),
                    Step::Overstay(ms) => light.add_overstay(ms),
                    Step::Demand(joules) => light.add_demand(joules),
                    Step::DemandImport(joules) => light.add_demand_import(joules),
                    Step::Accept(cell) => light.accept(cell),
                    Step::BmsEpisode => light.add_bms_episode(),
                };
                whole(&mut all);
                if !fits {
                    whole(&mut beside);
                }
            }
            let is_zero = light.is_zero();
            let alone = Some(light).filter(|_| beside.is_zero());
            light.add_to(&mut beside);
            // What fitted once fits again, unless entries that cancel out had taken its place; nothing is changed by it.
            if let Some(again) = Light::of(&all) {
                let mut tally = Tally::default();
                again.add_to(&mut tally);
                prop_assert_eq!(&tally, &all);
            } else {
                prop_assert!(alone.is_none(), "{:?} does not fit again", alone);
            }
            prop_assert_eq!(&beside, &all);
            prop_assert!(!is_zero || light.is_zero());
        }
    }

    #[test]
    fn of_what_may_happen_at_any_rate_nothing_is_lost() {
        let (mut light, mut beside) = (Light::default(), 0);
        for _ in 0..70_000 {
            beside += i64::from(!light.accept(3));
            beside += i64::from(!light.add_bms_episode());
        }
        let mut tally = Tally::default();
        light.add_to(&mut tally);
        assert_eq!(tally.accepted + tally.events.get_mut().bms_episodes + beside, 140_000);
    }

    #[test]
    fn a_minute_of_two_states_fits_and_a_third_does_not() {
        let mut light = Light::default();
        assert!(light.add_state(State::Charging, 40_000) && light.add_state(State::Occupied, 20_000));
        assert!(!light.add_state(State::Available, 1));
        assert!(light.add_state(State::Occupied, -20_000) && light.add_state(State::Available, 20_000));
        let mut tally = Tally::default();
        light.add_to(&mut tally);
        let states = [State::Charging, State::Occupied, State::Available].map(|state| tally.in_state(state));
        assert_eq!(states, [40_000, 0, 20_000]);
        assert!(!light.is_zero());
    }
}
