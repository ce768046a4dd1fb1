//! The law of pieces: a close that goes on while messages are taken in hands over what one does that is done at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fleet::{Step, Word, step};
use crate::house::{self, BEGIN_MS};
use chargetally_core::config::{Config, SourceIndex};
use chargetally_core::scope::AttributionIndex;
use chargetally_core::shard::{Closed, Count, Report, Shard};
use chargetally_core::tally::{Merge, Tally};
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::{Window, WindowKind};
use proptest::prelude::*;

/// By base bucket and attribution.
type Sums = BTreeMap<(Bucket, AttributionIndex), Tally>;

/// A shard, and the sum of all that it handed over.
struct Side {
    shard: Shard,
    sums: Sums,
}

impl Side {
    fn new(config: &Arc<Config>) -> Self {
        Self { shard: Shard::new(Arc::clone(config), ArrivalTime::from_ms(BEGIN_MS)), sums: BTreeMap::new() }
    }

    fn take(&mut self, now_ms: i64, step: &Step) {
        let arrival = ArrivalTime::from_ms(now_ms);
        match step.observation(arrival) {
            Some(observation) => {
                self.shard.handle(arrival, SourceIndex(step.source), step.key(), observation);
            }
            None => self.shard.reject(arrival, Some(step.key())),
        }
    }

    fn add(&mut self, report: &Report) {
        for change in &report.changes {
            self.sums.entry((change.bucket, change.attribution)).or_default().merge(&change.tally);
        }
    }

    /// The sums that are not nothing, and all stations as they are kept.
    fn come_to(mut self, until: Bucket) -> (Sums, Vec<Vec<u8>>) {
        let report = self.shard.close(until);
        self.add(&report);
        self.sums.retain(|_, tally| !tally.is_zero());
        let blocks = self.shard.all_stations().map(|station| self.shard.pack_station(station)).collect();
        (self.sums, blocks)
    }
}

/// The windows that end between two base buckets.
fn windows(config: &Config, from: Bucket, until: Bucket) -> Vec<Window> {
    let ends = |window: &Window| from < window.end && window.end <= until;
    let of = |kind| config.calendar.window(kind, Bucket::from_number(until.number() - 1));
    WindowKind::ALL.into_iter().map(of).filter(ends).collect()
}

fn check_equal(pieces: &Closed, whole: &Report, counts: &[Count]) -> Result<(), TestCaseError> {
    prop_assert_eq!(&pieces.report.changes, &whole.changes);
    prop_assert_eq!(&pieces.report.full_ms, &whole.full_ms);
    prop_assert_eq!(&pieces.counts, counts);
    Ok(())
}

proptest! {
    #![proptest_config(house::cases(192))]

    /// Each step comes with the work that is done of an open close before it, and whether the close is finished then.
    #[test]
    fn a_close_in_pieces_hands_over_what_one_at_once_does(
        steps in prop::collection::vec((step(), 0..6_usize, prop::bool::weighted(0.2)), 1..120),
    ) {
        let config = Arc::new(house::config());
        let (mut whole, mut pieces) = (Side::new(&config), Side::new(&config));
        let mut expected: Option<(Report, Vec<Count>)> = None;
        let finish = |pieces: &mut Side, whole: Option<(Report, Vec<Count>)>| {
            let closed = pieces.shard.finish_close();
            pieces.add(&closed.report);
            whole.map_or(Ok(()), |(report, counts)| check_equal(&closed, &report, &counts))
        };
        let (mut now_ms, mut claimed) = (BEGIN_MS, false);
        for (step, work, ends) in &steps {
            now_ms += step.after_ms;
            let until = Bucket::holding_ms(now_ms - config.grace_ms);
            let closed = whole.shard.closed();
            if until > closed {
                finish(&mut pieces, expected.take())?;
                let windows = windows(&config, closed, until);
                let report = whole.shard.close(until);
                whole.add(&report);
                let counts = windows.iter().map(|&window| whole.shard.take_census(window, true)).collect();
                expected = (!std::mem::take(&mut claimed)).then_some((report, counts));
                pieces.shard.begin_close(until, &windows);
            } else if *ends {
                finish(&mut pieces, expected.take())?;
            }
            pieces.shard.go_on_closing(*work);
            // What a registration claims while a close is open goes along with it, not with the next one.
            if matches!(step.word, Word::Registration { .. }) {
                (expected, claimed) = (None, true);
            }
            whole.take(now_ms, step);
            pieces.take(now_ms, step);
        }
        finish(&mut pieces, expected.take())?;
        let until = Bucket::holding_ms(now_ms).next();
        let ((sums, blocks), (of_pieces, blocks_of_pieces)) = (whole.come_to(until), pieces.come_to(until));
        prop_assert_eq!(of_pieces, sums);
        prop_assert_eq!(blocks_of_pieces, blocks);
    }
}
