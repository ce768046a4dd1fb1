//! The limits that vitals are judged by: plain integers, read from the settings once. Letters in parentheses say where
//! a default comes from: (V) a standard or a maker's platform, (M) a secondary source, (D) chosen by this project.

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// Two limits of one quantity: where it deserves a warning and where it is an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Pair {
    pub warn: i64,
    pub alarm: i64,
}

impl Pair {
    /// The two limits.
    #[must_use]
    pub const fn new(warn: i64, alarm: i64) -> Self {
        Self { warn, alarm }
    }
}

/// All limits of this module (domain, sections 5.2 and 5.7). Units: mc 0.001 °C, mv mV, ma mA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// W1, warmest battery sensor: 55 / 65 °C (D). One platform stops at 70 °C (V); the alarm comes before that.
    pub battery_temp_mc: Pair,
    /// W2, warmest less coolest battery sensor: 15 / 20 °C (D, V).
    pub battery_spread_mc: Pair,
    /// W3, rise of the warmest sensor, per minute: 3 / 5 °C (D).
    pub battery_rise_mc_per_min: Pair,
    /// Shortest time over which a rise is taken: 60 s (D); sensors speak in whole degrees.
    pub battery_rise_ms_min: i64,
    /// W4, highest cell voltage: 4.33 / 4.35 V (V). Packs of iron phosphate cells want 3.63 / 3.65 V (M).
    pub cell_mv: Pair,
    /// W5, highest less lowest cell voltage: 0.15 / 0.3 V (D, V).
    pub cell_spread_mv: Pair,
    /// W6, change of the state of charge between two samples, permille: above 50 / above 150 (D, V).
    pub soc_jump_permille: Pair,
    /// Samples further apart than this show no jump: 60 s (D).
    pub soc_jump_ms_max: i64,
    /// W7, current above what the vehicle asks for, permille of that: above 25 / above 50 (D).
    pub over_request_permille: Pair,
    /// Less excess current than this is no over-request: 1 A (D).
    pub over_request_ma_min: i64,
    /// W9, time of charging on at a full battery: 5 / 15 min (D).
    pub after_full_ms: Pair,
    /// Less current than this is no charging on: 5 A (D).
    pub after_full_ma_min: i64,
    /// W10, insulation per volt, ohm: at or below 500 / at or below 100 (V, GB/T 18487.1).
    pub insulation_ohm_per_v: Pair,
    /// Below this voltage insulation per volt is not judged: 100 V (D); an idle output would always look sound.
    pub insulation_mv_min: i64,
    /// W11, connector temperature: 80 / 90 °C (D, M).
    pub connector_temp_mc: Pair,
    /// Power as a share of the rating, permille: above 1100 / above 1200 (D). Meters of class 2 and short overshoot
    /// stay below the first; the second is where this project takes no register movement either.
    pub power_permille: Pair,
    /// So many readings in a row make an alarm: 2 (D).
    pub persistence_samples: u8,
    /// And they span at least this long: 2 s (D); it matters on fast feeds only.
    pub persistence_ms: u16,
    /// A value must come back this far behind its warning limit to end the alarm, permille of the limit: 50 (D).
    pub hysteresis_permille: i64,
    /// Raised again within this time after it was cleared, it is the same alarm: 60 s (D).
    pub merge_ms: i64,
    /// An alarm without news for this long has lost its clearing and is closed as expired: 30 days (D).
    pub expire_ms: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            battery_temp_mc: Pair::new(55_000, 65_000),
            battery_spread_mc: Pair::new(15_000, 20_000),
            battery_rise_mc_per_min: Pair::new(3_000, 5_000),
            battery_rise_ms_min: MINUTE_MS,
            cell_mv: Pair::new(4_330, 4_350),
            cell_spread_mv: Pair::new(150, 300),
            soc_jump_permille: Pair::new(50, 150),
            soc_jump_ms_max: MINUTE_MS,
            over_request_permille: Pair::new(25, 50),
            over_request_ma_min: 1_000,
            after_full_ms: Pair::new(5 * MINUTE_MS, 15 * MINUTE_MS),
            after_full_ma_min: 5_000,
            insulation_ohm_per_v: Pair::new(500, 100),
            insulation_mv_min: 100_000,
            connector_temp_mc: Pair::new(80_000, 90_000),
            power_permille: Pair::new(1_100, 1_200),
            persistence_samples: 2,
            persistence_ms: 2_000,
            hysteresis_permille: 50,
            merge_ms: MINUTE_MS,
            expire_ms: 30 * DAY_MS,
        }
    }
}

impl Thresholds {
    /// The field that makes no sense, where there is one: a warning beyond its alarm, or a limit that is not positive.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        let rising = [
            ("battery_temp_mc", self.battery_temp_mc),
            ("battery_spread_mc", self.battery_spread_mc),
            ("battery_rise_mc_per_min", self.battery_rise_mc_per_min),
            ("cell_mv", self.cell_mv),
            ("cell_spread_mv", self.cell_spread_mv),
            ("soc_jump_permille", self.soc_jump_permille),
            ("over_request_permille", self.over_request_permille),
            ("after_full_ms", self.after_full_ms),
            ("connector_temp_mc", self.connector_temp_mc),
            ("power_permille", self.power_permille),
        ];
        let insulation = self.insulation_ohm_per_v;
        let positive = [
            ("battery_rise_ms_min", self.battery_rise_ms_min),
            ("soc_jump_ms_max", self.soc_jump_ms_max),
            ("over_request_ma_min", self.over_request_ma_min),
            ("after_full_ma_min", self.after_full_ma_min),
            ("insulation_mv_min", self.insulation_mv_min),
            ("persistence_samples", i64::from(self.persistence_samples)),
            ("hysteresis_permille", self.hysteresis_permille),
            ("merge_ms", self.merge_ms),
            ("expire_ms", self.expire_ms),
        ];
        let rising = rising.into_iter().find(|(_, pair)| pair.warn <= 0 || pair.alarm < pair.warn);
        let positive = positive.into_iter().find(|&(_, value)| value <= 0);
        rising
            .map(|(name, _)| name)
            .or((insulation.alarm <= 0 || insulation.warn < insulation.alarm).then_some("insulation_ohm_per_v"))
            .or(positive.map(|(name, _)| name))
            .or((self.hysteresis_permille >= 1_000).then_some("hysteresis_permille"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense_and_nonsense_is_named() {
        let sound = Thresholds::default();
        assert_eq!(sound.contradiction(), None);
        let cases = [
            (Thresholds { cell_mv: Pair::new(4_400, 4_350), ..sound }, "cell_mv"),
            (Thresholds { insulation_ohm_per_v: Pair::new(100, 500), ..sound }, "insulation_ohm_per_v"),
            (Thresholds { persistence_samples: 0, ..sound }, "persistence_samples"),
            (Thresholds { hysteresis_permille: 1_000, ..sound }, "hysteresis_permille"),
            (Thresholds { merge_ms: -1, ..sound }, "merge_ms"),
        ];
        for (thresholds, field) in cases {
            assert_eq!(thresholds.contradiction(), Some(field));
        }
    }
}
