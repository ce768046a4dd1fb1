//! Measures of how evenly a resource is spread over a need (domain section 7): Gini, Theil, Hoover, variation. They
//! are taken once, over all counties, from integer sums; floats begin at the last division. They are no ratios that
//! could be averaged or merged. Units without need are left out; where nothing is to be shared out, there is no value.

use std::cmp::Ordering;

/// One unit's resource and need, in any units, both not negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The resource: power, energy, time.
    pub x: i64,
    /// The need: vehicles, people, time in service.
    pub w: i64,
}

/// Units with need, and the sums of resource and need; the only way to the measures.
#[derive(Clone, Debug)]
pub struct Spread {
    pairs: Vec<Pair>,
    x_sum: f64,
    w_sum: f64,
}

/// Theil's T taken apart: what lies between the groups, and what within them. The two add up to T.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Theil {
    pub between: f64,
    pub within: f64,
}

impl Spread {
    /// The units with need; `None` where there is no need or nothing to share out.
    #[must_use]
    pub fn of(pairs: impl IntoIterator<Item = Pair>) -> Option<Self> {
        let pairs: Vec<Pair> =
            pairs.into_iter().filter(|pair| pair.w > 0).map(|Pair { x, w }| Pair { x: x.max(0), w }).collect();
        let x_sum: i128 = pairs.iter().map(|pair| i128::from(pair.x)).sum();
        let w_sum: i128 = pairs.iter().map(|pair| i128::from(pair.w)).sum();
        (x_sum > 0 && w_sum > 0).then_some(Self { pairs, x_sum: x_sum as f64, w_sum: w_sum as f64 })
    }

    fn shares(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.pairs.iter().map(|pair| (pair.x as f64 / self.x_sum, pair.w as f64 / self.w_sum))
    }

    /// Resource per need of every unit, ascending.
    fn by_ratio(&self) -> Vec<Pair> {
        let mut sorted = self.pairs.clone();
        // Cross-multiplied in integers: the order does not hang on a rounded quotient.
        sorted.sort_unstable_by(|a, b| {
            match (i128::from(a.x) * i128::from(b.w)).cmp(&(i128::from(b.x) * i128::from(a.w))) {
                Ordering::Equal => a.w.cmp(&b.w),
                other => other,
            }
        });
        sorted
    }

    /// The weighted Gini coefficient (F1): 0 where all have alike, towards 1 where one has all.
    #[must_use]
    pub fn gini(&self) -> f64 {
        let mut below = 0.0;
        let mut area = 0.0;
        for pair in self.by_ratio() {
            let p = pair.x as f64 / self.x_sum;
            area += pair.w as f64 / self.w_sum * (2.0 * below + p);
            below += p;
        }
        (1.0 - area).max(0.0)
    }

    /// Theil's T (F2): 0 where all have alike; units without resource add nothing.
    #[must_use]
    pub fn theil_t(&self) -> f64 {
        self.shares().filter(|&(p, _)| p > 0.0).map(|(p, q)| p * (p / q).ln()).sum::<f64>().max(0.0)
    }

    /// Theil's L (F3); `None` where a unit with need has nothing.
    #[must_use]
    pub fn theil_l(&self) -> Option<f64> {
        if self.pairs.iter().any(|pair| pair.x == 0) {
            return None;
        }
        Some(self.shares().map(|(p, q)| q * (q / p).ln()).sum::<f64>().max(0.0))
    }

    /// Hoover's index (F5): the share of the resource that would have to move.
    #[must_use]
    pub fn hoover(&self) -> f64 {
        self.shares().map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
    }

    /// The coefficient of variation of resource per need, weighted by need (F9).
    #[must_use]
    pub fn variation(&self) -> f64 {
        // r / mean = p / q, so that the deviation is sum of q (p/q - 1)^2.
        self.shares().map(|(p, q)| q * (p / q - 1.0).powi(2)).sum::<f64>().sqrt()
    }

    /// A unit's resource per need over that of all (F8): the location quotient.
    #[must_use]
    pub fn location_quotient(&self, pair: Pair) -> Option<f64> {
        (pair.w > 0).then(|| pair.x as f64 / pair.w as f64 / (self.x_sum / self.w_sum))
    }

    /// The greatest resource per need over the least; `None` where the least is nothing (F10).
    #[must_use]
    pub fn max_min(&self) -> Option<f64> {
        let sorted = self.by_ratio();
        quotient(*sorted.last()?, *sorted.first()?)
    }

    /// The 90th over the 10th percentile (nearest rank) of resource per need (F10).
    #[must_use]
    pub fn p90_p10(&self) -> Option<f64> {
        let sorted = self.by_ratio();
        let rank = |percent: usize| (sorted.len() * percent).div_ceil(100).max(1) - 1;
        quotient(*sorted.get(rank(90))?, *sorted.get(rank(10))?)
    }

    /// Theil's T by groups of units (F4); `group` names a unit's group by its place among those given to [`Self::of`]
    /// that have need.
    #[must_use]
    pub fn theil_by(&self, group: impl Fn(usize) -> u32) -> Theil {
        let mut members: Vec<(u32, Pair)> =
            self.pairs.iter().enumerate().map(|(index, &pair)| (group(index), pair)).collect();
        members.sort_unstable_by_key(|&(group, pair)| (group, pair.w, pair.x));
        let (mut between, mut within) = (0.0, 0.0);
        for chunk in members.chunk_by(|a, b| a.0 == b.0) {
            // A group that has nothing adds nothing, neither between nor within.
            if let Some(spread) = Self::of(chunk.iter().map(|&(_, pair)| pair)) {
                let (p, q) = (spread.x_sum / self.x_sum, spread.w_sum / self.w_sum);
                between += p * (p / q).ln();
                within += p * spread.theil_t();
            }
        }
        Theil { between: between.max(0.0), within }
    }
}

fn quotient(high: Pair, low: Pair) -> Option<f64> {
    (low.x > 0).then(|| (high.x as f64 / high.w as f64) / (low.x as f64 / low.w as f64))
}

/// Half the sum of differences between two resources' shares over the same units (F11); `None` where one of them is
/// nothing.
#[must_use]
pub fn mismatch(pairs: impl IntoIterator<Item = (i64, i64)> + Clone) -> Option<f64> {
    let (a_sum, b_sum) = pairs
        .clone()
        .into_iter()
        .fold((0_i128, 0_i128), |(a, b), (x, y)| (a + i128::from(x.max(0)), b + i128::from(y.max(0))));
    if a_sum <= 0 || b_sum <= 0 {
        return None;
    }
    let (a_sum, b_sum) = (a_sum as f64, b_sum as f64);
    Some(pairs.into_iter().map(|(x, y)| (x.max(0) as f64 / a_sum - y.max(0) as f64 / b_sum).abs()).sum::<f64>() / 2.0)
}
