//! When energy is cheap: the valley periods of the provinces' time-of-use tariffs. The table comes from the settings;
//! where it says nothing about a province, nothing is known.

/// A valley period of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValleyPeriod {
    /// 2-digit province; `None` holds where no province has a period of its own.
    pub province: Option<u8>,
    /// Months in which it holds, 1 to 12; empty means all.
    pub months: Vec<u8>,
    /// First minute of the local day.
    pub from_minute: u16,
    /// First minute after it; less than or equal to `from_minute` where it reaches over midnight.
    pub to_minute: u16,
}

/// All valley periods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tariff {
    periods: Vec<ValleyPeriod>,
}

impl Tariff {
    /// A tariff of these periods.
    #[must_use]
    pub fn new(periods: Vec<ValleyPeriod>) -> Self {
        Self { periods }
    }

    /// Whether a minute of the local day lies in a valley; `None` where nothing is known about the province and month.
    #[must_use]
    pub fn is_valley(&self, province: u8, month: u8, minute: u16) -> Option<bool> {
        let own = self.periods.iter().any(|period| period.province == Some(province));
        let wanted = if own { Some(province) } else { None };
        let mut known = None;
        for period in self.periods.iter().filter(|period| period.province == wanted) {
            if period.months.is_empty() || period.months.contains(&month) {
                known = Some(known == Some(true) || period.holds(minute));
            }
        }
        known
    }
}

impl ValleyPeriod {
    fn holds(&self, minute: u16) -> bool {
        if self.from_minute < self.to_minute {
            (self.from_minute..self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.to_minute
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(province: Option<u8>, months: &[u8], from_minute: u16, to_minute: u16) -> ValleyPeriod {
        ValleyPeriod { province, months: months.to_vec(), from_minute, to_minute }
    }

    #[test]
    fn a_period_may_reach_over_midnight() {
        let tariff = Tariff::new(vec![period(None, &[], 23 * 60, 7 * 60)]);
        assert_eq!(tariff.is_valley(31, 1, 0), Some(true));
        assert_eq!(tariff.is_valley(31, 1, 7 * 60), Some(false));
        assert_eq!(tariff.is_valley(31, 1, 23 * 60), Some(true));
    }

    #[test]
    fn a_province_with_periods_of_its_own_takes_no_others() {
        let tariff = Tariff::new(vec![period(None, &[], 0, 420), period(Some(37), &[6, 7], 660, 840)]);
        assert_eq!(tariff.is_valley(37, 6, 700), Some(true));
        assert_eq!(tariff.is_valley(37, 6, 0), Some(false));
        assert_eq!(tariff.is_valley(37, 1, 0), None);
        assert_eq!(tariff.is_valley(11, 1, 0), Some(true));
        assert_eq!(Tariff::default().is_valley(11, 1, 0), None);
    }
}
