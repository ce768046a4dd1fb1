//! Local hours, days and the day curves of arrivals. Integer arithmetic on ms since the epoch and a fixed zone offset;
//! it must never read a clock or a zone database.

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The kind of a civil day, by which curves differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayKind {
    /// Monday to Friday.
    Workday,
    /// Saturday and Sunday.
    Weekend,
    /// A statutory holiday.
    Holiday,
}

/// A civil time in the fleet's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Year, month 1 to 12, day 1 to 31.
    pub date: (i64, u8, u8),
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

/// The civil time at `ms` since the epoch in the zone `offset_ms` east of UTC.
pub fn civil(ms: i64, offset_ms: i32) -> Civil {
    let local = ms + i64::from(offset_ms);
    let of_day = local.rem_euclid(DAY_MS);
    Civil {
        date: date_of(local.div_euclid(DAY_MS)),
        hour: (of_day / HOUR_MS) as u8,
        minute: (of_day / 60_000 % 60) as u8,
    }
}

/// Year, month, day of a day number since 1970-01-01, proleptic Gregorian. The year is counted from March, so that the
/// leap day comes last.
fn date_of(day: i64) -> (i64, u8, u8) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u8, day_of_month as u8)
}

/// The kind of the civil day that holds `ms`. Holidays: New Year's Day, Labour Day, National Day, each with the days around
/// it, and the Spring Festival of 2026 (15 to 23 February); other lunar ones are left out.
pub fn day_kind(ms: i64, offset_ms: i32) -> DayKind {
    let (year, month, day) = civil(ms, offset_ms).date;
    let holiday = match month {
        1 => day == 1,
        2 => year == 2026 && (15..=23).contains(&day),
        5 => day <= 5,
        10 => day <= 7,
        _ => false,
    };
    if holiday {
        return DayKind::Holiday;
    }
    // 1970-01-01 was a Thursday; counted from Monday that is 3.
    let weekday = ((ms + i64::from(offset_ms)).div_euclid(DAY_MS) + 3).rem_euclid(7);
    if weekday >= 5 { DayKind::Weekend } else { DayKind::Workday }
}

/// Who comes when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// At home: after work and when the night tariff begins.
    Home,
    /// In town: over noon, in the evening and when the night tariff begins.
    Town,
    /// At work: in the morning.
    Work,
    /// On the motorway: by day, much more on holidays.
    Highway,
    /// Buses, taxis, vans: between shifts.
    Depot,
    /// In towns and townships: evenings, few.
    Rural,
}

/// Arrivals in each hour of the day, parts of their sum.
const HOME: [u32; 24] = [6, 3, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4, 5, 4, 4, 5, 8, 16, 26, 28, 24, 20, 16, 12];
const TOWN: [u32; 24] = [14, 8, 5, 4, 3, 3, 5, 8, 10, 11, 13, 18, 20, 17, 14, 13, 13, 14, 16, 17, 16, 14, 14, 18];
const WORK: [u32; 24] = [1, 1, 1, 1, 1, 1, 4, 18, 34, 24, 12, 8, 9, 12, 8, 5, 4, 3, 2, 2, 1, 1, 1, 1];
const HIGHWAY: [u32; 24] = [2, 2, 1, 1, 1, 2, 4, 8, 13, 18, 23, 26, 26, 24, 23, 23, 21, 18, 14, 10, 7, 5, 4, 3];
const DEPOT: [u32; 24] = [16, 14, 8, 5, 3, 3, 4, 5, 6, 8, 12, 18, 20, 16, 10, 8, 8, 8, 9, 10, 12, 18, 22, 20];
const RURAL: [u32; 24] = [3, 2, 1, 1, 1, 2, 3, 5, 7, 8, 9, 10, 11, 9, 8, 9, 11, 14, 18, 20, 16, 11, 7, 4];

impl Curve {
    /// Every curve, in the order of `index`.
    pub const ALL: [Self; 6] = [Self::Home, Self::Town, Self::Work, Self::Highway, Self::Depot, Self::Rural];

    /// Its place in `ALL`.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Weights of the day's hours.
    pub fn hours(self) -> &'static [u32; 24] {
        match self {
            Self::Home => &HOME,
            Self::Town => &TOWN,
            Self::Work => &WORK,
            Self::Highway => &HIGHWAY,
            Self::Depot => &DEPOT,
            Self::Rural => &RURAL,
        }
    }

    /// Vehicles that come to an always idle connector on such a day, thousandths.
    pub fn arrivals_milli(self, kind: DayKind) -> u32 {
        let [workday, weekend, holiday] = match self {
            Self::Home => [450, 500, 350],
            Self::Town => [3_200, 3_600, 3_000],
            Self::Work => [1_500, 300, 150],
            Self::Highway => [2_500, 4_500, 14_000],
            Self::Depot => [4_000, 3_800, 3_600],
            Self::Rural => [700, 800, 1_800],
        };
        match kind {
            DayKind::Workday => workday,
            DayKind::Weekend => weekend,
            DayKind::Holiday => holiday,
        }
    }

    /// The probability, in 2^-32, that a vehicle comes to an idle connector within `interval_ms` of the given hour.
    pub fn hazard(self, kind: DayKind, hour: u8, interval_ms: u32, activity_permille: u32) -> u32 {
        let hours = self.hours();
        let total = u128::from(hours.iter().sum::<u32>());
        let weight = u128::from(hours[usize::from(hour) % 24]);
        let numerator =
            (u128::from(self.arrivals_milli(kind)) * weight * u128::from(interval_ms) * u128::from(activity_permille))
                << 32;
        u32::try_from(numerator / (total * 3_600_000 * 1_000 * 1_000)).unwrap_or(u32::MAX)
    }
}

/// The probability, in 2^-32, of something that happens every `every_ms` on average, within `interval_ms`; 0 for never.
pub fn hazard_every(every_ms: i64, interval_ms: u32) -> u32 {
    match u64::try_from(every_ms) {
        Ok(every_ms) if every_ms > 0 => u32::try_from((u64::from(interval_ms) << 32) / every_ms).unwrap_or(u32::MAX),
        _ => 0,
    }
}

/// Electricity price in fen per kWh by time of use: valley 23 to 7, peak 10 to 12 and 17 to 21, else flat.
pub fn price_fen(hour: u8) -> u64 {
    match hour {
        23 | 0..=6 => 35,
        10..=11 | 17..=20 => 115,
        _ => 70,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EAST_8: i32 = 8 * 3_600_000;

    #[test]
    fn civil_times_of_known_instants() {
        // 2026-01-01T00:00:00+08:00 and the leap day of 2024.
        let new_year_ms = 1_767_196_800_000;
        assert_eq!(civil(new_year_ms, EAST_8), Civil { date: (2026, 1, 1), hour: 0, minute: 0 });
        assert_eq!(civil(new_year_ms - 1, EAST_8), Civil { date: (2025, 12, 31), hour: 23, minute: 59 });
        assert_eq!(civil(1_709_164_800_000, 0).date, (2024, 2, 29));
        assert_eq!(civil(0, 0).date, (1970, 1, 1));
    }

    #[test]
    fn days_are_told_apart() {
        let new_year_ms = 1_767_196_800_000;
        let kind = |days: i64| day_kind(new_year_ms + days * DAY_MS, EAST_8);
        assert_eq!(kind(0), DayKind::Holiday);
        assert_eq!(kind(1), DayKind::Workday, "2 January 2026 is a Friday");
        assert_eq!(kind(2), DayKind::Weekend);
        assert_eq!(kind(4), DayKind::Workday);
        assert_eq!(kind(47), DayKind::Holiday, "17 February 2026 is in the Spring Festival");
    }

    #[test]
    fn a_days_hazards_add_up_to_its_arrivals() {
        for curve in Curve::ALL {
            let per_day: u64 =
                (0..24).map(|hour| u64::from(curve.hazard(DayKind::Workday, hour, 30_000, 1_000)) * 120).sum();
            let milli = (per_day * 1_000) >> 32;
            let want = u64::from(curve.arrivals_milli(DayKind::Workday));
            assert!(milli.abs_diff(want) <= 2, "{curve:?}: {milli} of {want}");
        }
    }

    #[test]
    fn curves_peak_when_their_users_come() {
        let peak = |curve: Curve| (0..24).max_by_key(|&hour| curve.hours()[hour]).unwrap_or(0);
        assert!((18..=20).contains(&peak(Curve::Home)));
        assert!((7..=9).contains(&peak(Curve::Work)));
        assert!((11..=13).contains(&peak(Curve::Highway)));
        assert!(Curve::Highway.arrivals_milli(DayKind::Holiday) > 2 * Curve::Highway.arrivals_milli(DayKind::Weekend));
    }

    #[test]
    fn a_mean_time_becomes_a_probability() {
        assert_eq!(hazard_every(0, 30_000), 0);
        assert_eq!(hazard_every(30_000, 15_000), 1 << 31);
        assert_eq!(hazard_every(1, 30_000), u32::MAX);
    }
}
