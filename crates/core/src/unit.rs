//! Integers inside: energy in J, power in W, time in ms. Sums of integers do not depend on their order, so two runs
//! over the same input agree to the last unit. Floats exist only where the wire is read and written.

/// One kilowatt-hour in J.
pub const J_PER_KWH: f64 = 3_600_000.0;

/// A reading in kWh as J: `round(r x 3 600 000)`, half away from zero (semantics, section 3).
///
/// `None` where the value is not finite or beyond what 63 bits hold.
#[must_use]
pub fn joules_from_kwh(kwh: f64) -> Option<i64> {
    rounded(kwh * J_PER_KWH)
}

/// A reading in kW as W: `round(p x 1000)`, half away from zero (semantics, section 3).
#[must_use]
pub fn watts_from_kw(kw: f64) -> Option<i64> {
    rounded(kw * 1000.0)
}

/// `value` rounded half away from zero, where it is finite and within +-2^53 (exact in a float).
#[must_use]
pub fn rounded(value: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let rounded = value.round();
    (rounded.abs() <= EXACT_MAX).then_some(rounded as i64)
}

/// J in kWh, for the wire.
#[must_use]
pub fn kwh_from_joules(joules: i64) -> f64 {
    joules as f64 / J_PER_KWH
}

/// W in kW, for the wire.
#[must_use]
pub fn kw_from_watts(watts: i64) -> f64 {
    watts as f64 / 1000.0
}

/// Energy of an interval whose two ends carry power, J: `trunc((p1 + p2) x dt / 2000)` (semantics, section 3).
#[must_use]
pub fn mean_power_energy_j(p1_w: i64, p2_w: i64, dt_ms: i64) -> i64 {
    // |p| < 2^53 W would overflow 64 bits over a long interval; 128 bits cannot.
    ((i128::from(p1_w) + i128::from(p2_w)) * i128::from(dt_ms) / 2000) as i64
}

/// The share of `total` that a piece of `piece_ms` out of `dt_ms` gets: truncated, so that the last piece takes the
/// remainder and all pieces add up exactly (semantics, section 3).
#[must_use]
pub fn piece_of(total: i64, piece_ms: i64, dt_ms: i64) -> i64 {
    (i128::from(total) * i128::from(piece_ms) / i128::from(dt_ms)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_round_half_away_from_zero() {
        assert_eq!(watts_from_kw(7.0005), Some(7001));
        assert_eq!(watts_from_kw(-7.0005), Some(-7001));
        assert_eq!(joules_from_kwh(0.001), Some(3600));
        assert_eq!(watts_from_kw(f64::NAN), None);
        assert_eq!(watts_from_kw(1e300), None);
    }

    #[test]
    fn mean_power_truncates_towards_zero() {
        assert_eq!(mean_power_energy_j(1, 0, 1000), 0);
        assert_eq!(mean_power_energy_j(-3, 0, 1000), -1);
        assert_eq!(mean_power_energy_j(60_000, 60_000, 30_000), 1_800_000);
    }
}
