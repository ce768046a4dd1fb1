//! Conservation: in every base bucket the state times add up to the time in service, and energy over all buckets is
//! what the register moved by. One connector alone, so that both are known from outside.

use chargetally_core::book::{Book, SlotIndex};
use chargetally_core::reliability::Outages;
use chargetally_core::state::State;
use chargetally_core::tally::{Merge, Tally};
use chargetally_core::time::Bucket;
use chargetally_core::timeline::{Desk, Placed, Reading, Timeline};
use chargetally_core::window::Calendar;
use proptest::prelude::*;

const SLOT: SlotIndex = SlotIndex(1);
const HOLD_MS: i64 = 180_000;

/// One connector alone, with everything that it hands over.
struct Alone {
    timeline: Timeline,
    book: Book,
    outages: Outages,
    closed: Bucket,
}

impl Alone {
    fn new() -> Self {
        let (timeline, book) = (Timeline::default(), Book::default());
        Self { timeline, book, outages: Outages::default(), closed: Bucket::from_number(0) }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Timeline, &mut Desk<'_>) -> T) -> T {
        let mut desk = Desk {
            book: &mut self.book,
            outages: &mut self.outages,
            calendar: &Calendar::fixed(0),
            slot: SLOT,
            closed: self.closed,
            hold_ms: HOLD_MS,
            late_limit_ms: i64::MAX,
            remembered_max: 16,
        };
        act(&mut self.timeline, &mut desk)
    }

    fn close(&mut self, until: Bucket) {
        if until > self.closed {
            let from = self.closed;
            self.with(|timeline, desk| timeline.settle(from, until, desk));
            self.closed = until;
        }
    }

    fn total(&mut self) -> Tally {
        let mut total = Tally::default();
        for (bucket, _, tally) in self.book.take_before(Bucket::from_number(i32::MAX)) {
            assert!(tally.state_ms.iter().all(|&ms| (0..=60_000).contains(&ms)), "{bucket:?} {tally:?}");
            assert!(tally.service_ms() <= 60_000, "{bucket:?} {tally:?}");
            total.merge(&tally);
        }
        total
    }
}

#[derive(Clone, Debug)]
enum Event {
    Sample { back_ms: i64, state: State, power_w: Option<i64>, rise_j: i64 },
    Register,
    Prolong,
    Decommission,
}

fn event() -> impl Strategy<Value = Event> {
    let state = prop::sample::select(vec![State::Charging, State::Occupied, State::Faulted, State::Offline]);
    let back_ms = prop_oneof![5 => Just(0_i64), 2 => 1..600_000_i64];
    let power_w = prop::option::of(0..120_000_i64);
    prop_oneof![
        12 => (back_ms, state, power_w, 0..360_000_i64).prop_map(|(back_ms, state, power_w, rise_j)| {
            Event::Sample { back_ms, state, power_w, rise_j }
        }),
        1 => Just(Event::Register),
        2 => Just(Event::Prolong),
        1 => Just(Event::Decommission),
    ]
}

proptest! {
    #![proptest_config(super::house::cases(256))]

    #[test]
    fn state_times_add_up_to_the_time_in_service_and_energy_to_what_the_register_moved_by(
        events in prop::collection::vec((0..400_000_i64, event(), any::<bool>()), 1..60),
    ) {
        let mut alone = Alone::new();
        let mut now_ms = 3_600_000;
        let (mut first_j, mut register_j) = (None, 5_000_000);
        for (after_ms, event, closes) in events {
            now_ms += after_ms;
            match event {
                Event::Sample { back_ms, state, power_w, rise_j } => {
                    let (at_ms, read_j) = (now_ms - back_ms, register_j + rise_j);
                    let reading =
                        Reading { at_ms, state, power_w, import_j: Some(read_j), export_j: None, demand_w: None };
                    let placed = alone.with(|timeline, desk| timeline.observe(&reading, desk));
                    if let Placed::Newest { .. } = placed {
                        register_j = read_j;
                        first_j.get_or_insert(read_j);
                    }
                }
                Event::Register => alone.with(|timeline, desk| timeline.register(now_ms, desk)),
                Event::Prolong => alone.with(|timeline, desk| timeline.prolong(now_ms, desk)),
                Event::Decommission => alone.with(|timeline, desk| timeline.decommission(now_ms, desk)),
            }
            if closes {
                alone.close(Bucket::holding_ms(now_ms - 30_000));
            }
        }
        let until = Bucket::holding_ms(now_ms).next();
        alone.close(until);
        let (start_ms, end_ms) = (alone.timeline.start_ms(), alone.timeline.end_ms());
        let service_ms = start_ms.map_or(0, |start_ms| end_ms.unwrap_or(until.start_ms()) - start_ms);
        let total = alone.total();
        prop_assert_eq!(total.service_ms(), service_ms);
        prop_assert_eq!(total.import_j, first_j.map_or(0, |first_j| register_j - first_j));
    }
}
