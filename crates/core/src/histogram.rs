//! Fixed cells for what percentiles are taken from. The same cells everywhere, so that histograms of shards, scopes
//! and windows add up. A percentile is the upper bound of the cell that holds it, so it is never flattered.

/// Upper bounds of the latency cells, ms; one more cell holds what is above.
pub const LATENCY_MS: [i64; 9] = [100, 500, 1_000, 2_000, 5_000, 10_000, 60_000, 600_000, 3_600_000];
/// Upper bounds of the duration cells, ms; one more cell holds what is above.
pub const DURATION_MS: [i64; 12] = [
    60_000, 300_000, 600_000, 1_200_000, 1_800_000, 2_700_000, 3_600_000, 5_400_000, 7_200_000, 14_400_000, 28_800_000,
    86_400_000,
];
/// Upper bounds of the session energy cells, J (0.1, 1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120 kWh); one more above.
pub const ENERGY_J: [i64; 12] = [
    360_000,
    3_600_000,
    7_200_000,
    18_000_000,
    36_000_000,
    54_000_000,
    72_000_000,
    108_000_000,
    144_000_000,
    216_000_000,
    288_000_000,
    432_000_000,
];
/// Upper bounds of the cells from attempt to start, ms; one more cell holds what is above.
pub const START_MS: [i64; 9] = [1_000, 5_000, 10_000, 15_000, 20_000, 30_000, 45_000, 60_000, 120_000];

/// Cells of the latency histogram.
pub const LATENCY_CELLS: usize = LATENCY_MS.len() + 1;
/// Cells of the duration histograms.
pub const DURATION_CELLS: usize = DURATION_MS.len() + 1;
/// Cells of the energy histogram.
pub const ENERGY_CELLS: usize = ENERGY_J.len() + 1;
/// Cells of the histogram from attempt to start.
pub const START_CELLS: usize = START_MS.len() + 1;

/// The cell that a value falls into: the first whose upper bound is not below it.
#[must_use]
pub fn cell(bounds: &[i64], value: i64) -> usize {
    bounds.partition_point(|&bound| bound < value)
}

/// The upper bound of the cell that holds the given share (0 to 100 %) of all values; `None` where there are none or
/// where it lies in the open cell at the end.
#[must_use]
pub fn percentile(bounds: &[i64], cells: &[i64], percent: i64) -> Option<i64> {
    let total: i64 = cells.iter().sum();
    if total <= 0 {
        return None;
    }
    let wanted = (total * percent + 99) / 100;
    let mut seen = 0;
    for (index, &count) in cells.iter().enumerate() {
        seen += count;
        if seen >= wanted.max(1) {
            return bounds.get(index).copied();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_the_bound_belongs_below_it() {
        assert_eq!(cell(&LATENCY_MS, 100), 0);
        assert_eq!(cell(&LATENCY_MS, 101), 1);
        assert_eq!(cell(&LATENCY_MS, 4_000_000), LATENCY_CELLS - 1);
    }

    #[test]
    fn a_percentile_is_the_upper_bound_of_its_cell() {
        let mut cells = [0; START_CELLS];
        cells[0] = 9;
        cells[4] = 1;
        assert_eq!(percentile(&START_MS, &cells, 90), Some(1_000));
        assert_eq!(percentile(&START_MS, &cells, 91), Some(20_000));
        assert_eq!(percentile(&START_MS, &[0; START_CELLS], 50), None);
    }
}
