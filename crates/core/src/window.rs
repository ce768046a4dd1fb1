//! Windows: whole numbers of base buckets, laid on the civil calendar of one time zone. The zone's offsets come in
//! as a table, so that this file needs neither a time-zone database nor a clock.

use crate::time::{BASE_BUCKET_MS, Bucket};

const MS_PER_DAY: i64 = 86_400_000;

/// The lengths of window that are published (semantics, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum WindowKind {
    /// 1 minute: the base bucket itself.
    Minute = 0,
    /// 15 minutes: the grid's settlement interval.
    Quarter = 1,
    /// 1 hour.
    Hour = 2,
    /// One civil day.
    Day = 3,
    /// One civil month.
    Month = 4,
}

impl WindowKind {
    /// All kinds, shortest first.
    pub const ALL: [Self; 5] = [Self::Minute, Self::Quarter, Self::Hour, Self::Day, Self::Month];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::Quarter => "15m",
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::Month => "1mo",
        }
    }

    /// The kind with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One window: the base buckets `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Its length's name.
    pub kind: WindowKind,
    /// First base bucket.
    pub start: Bucket,
    /// First base bucket after it.
    pub end: Bucket,
}

impl Window {
    /// Length, ms.
    #[must_use]
    pub const fn length_ms(self) -> i64 {
        self.end.start_ms() - self.start.start_ms()
    }

    /// Whether the base bucket lies within.
    #[must_use]
    pub fn holds(self, bucket: Bucket) -> bool {
        self.start <= bucket && bucket < self.end
    }
}

/// The civil calendar of one time zone: its UTC offsets over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// `(from, offset)`: from this ms on, local time is UTC plus the offset, ms. Sorted; the first entry holds for
    /// all earlier times too.
    offsets: Vec<(i64, i64)>,
}

/// A day of the civil calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CivilDay {
    pub year: i32,
    pub month: u8,
    pub day: u8,
}

impl Calendar {
    /// A zone with one fixed offset from UTC, ms.
    #[must_use]
    pub fn fixed(offset_ms: i64) -> Self {
        Self { offsets: vec![(i64::MIN, offset_ms)] }
    }

    /// A zone whose offset changes: `(from, offset)` in ms, in order of time. Empty means UTC.
    #[must_use]
    pub fn with_transitions(mut offsets: Vec<(i64, i64)>) -> Self {
        offsets.sort_unstable();
        if offsets.is_empty() {
            offsets.push((i64::MIN, 0));
        }
        Self { offsets }
    }

    /// Offset of local time from UTC at a point in time, ms.
    #[must_use]
    pub fn offset_ms(&self, at_ms: i64) -> i64 {
        let after = self.offsets.partition_point(|&(from, _)| from <= at_ms);
        self.offsets[after.saturating_sub(1)].1
    }

    /// The civil day that holds a point in time.
    #[must_use]
    pub fn civil_day(&self, at_ms: i64) -> CivilDay {
        civil_from_days((at_ms + self.offset_ms(at_ms)).div_euclid(MS_PER_DAY))
    }

    /// Minutes since local midnight at a point in time.
    #[must_use]
    pub fn minute_of_day(&self, at_ms: i64) -> u16 {
        ((at_ms + self.offset_ms(at_ms)).rem_euclid(MS_PER_DAY) / BASE_BUCKET_MS) as u16
    }

    /// The point at which a civil day (days since the Unix epoch) begins, ms.
    #[must_use]
    pub fn day_start_ms(&self, day: i64) -> i64 {
        let local = day * MS_PER_DAY;
        // The offset that holds at the answer is what counts; one more round settles it around a transition.
        let guess = local - self.offset_ms(local);
        local - self.offset_ms(guess)
    }

    /// The window of a kind that holds a base bucket.
    #[must_use]
    pub fn window(&self, kind: WindowKind, bucket: Bucket) -> Window {
        let fixed = |minutes: i32| {
            let start = bucket.number().div_euclid(minutes) * minutes;
            (Bucket::from_number(start), Bucket::from_number(start + minutes))
        };
        let civil = |from_day: i64, to_day: i64| {
            (Bucket::holding_ms(self.day_start_ms(from_day)), Bucket::holding_ms(self.day_start_ms(to_day)))
        };
        let at_ms = bucket.start_ms();
        let local_day = (at_ms + self.offset_ms(at_ms)).div_euclid(MS_PER_DAY);
        let (start, end) = match kind {
            WindowKind::Minute => fixed(1),
            WindowKind::Quarter => fixed(15),
            WindowKind::Hour => fixed(60),
            WindowKind::Day => civil(local_day, local_day + 1),
            WindowKind::Month => {
                let CivilDay { year, month, .. } = civil_from_days(local_day);
                let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                civil(
                    days_from_civil(CivilDay { year, month, day: 1 }),
                    days_from_civil(CivilDay { year: next_year, month: next_month, day: 1 }),
                )
            }
        };
        Window { kind, start, end }
    }
}

/// Days since the Unix epoch of a day of the proleptic Gregorian calendar (years counted from March, eras of 400).
#[must_use]
pub fn days_from_civil(day: CivilDay) -> i64 {
    let month = i64::from(day.month);
    let year = i64::from(day.year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day.day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The day of the proleptic Gregorian calendar, from days since the Unix epoch.
#[must_use]
pub fn civil_from_days(days: i64) -> CivilDay {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u8;
    let month = (if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 }) as u8;
    CivilDay { year: (year_of_era + era * 400 + i64::from(month <= 2)) as i32, month, day }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn china() -> Calendar {
        Calendar::fixed(8 * 3_600_000)
    }

    #[test]
    fn civil_days_go_there_and_back() {
        for days in [-719_468, -1, 0, 59, 60, 11_016, 20_454, 20_819] {
            assert_eq!(days_from_civil(civil_from_days(days)), days);
        }
        assert_eq!(civil_from_days(0), CivilDay { year: 1970, month: 1, day: 1 });
        assert_eq!(days_from_civil(CivilDay { year: 2026, month: 1, day: 1 }), 20_454);
    }

    #[test]
    fn a_day_in_china_begins_at_sixteen_hundred_utc() {
        // 2026-01-01T00:00+08:00 is 2025-12-31T16:00Z.
        let midnight = Bucket::holding_ms(20_454 * MS_PER_DAY - 8 * 3_600_000);
        let day = china().window(WindowKind::Day, midnight);
        assert_eq!(day.start, midnight);
        assert_eq!(day.length_ms(), MS_PER_DAY);
        let before = china().window(WindowKind::Month, Bucket::from_number(midnight.number() - 1));
        assert_eq!(before.end, midnight);
        assert_eq!(before.length_ms(), 31 * MS_PER_DAY);
    }

    #[test]
    fn a_day_of_changing_clocks_is_shorter() {
        // Central European time: 2026-03-29 loses an hour at 01:00 UTC.
        let change = days_from_civil(CivilDay { year: 2026, month: 3, day: 29 }) * MS_PER_DAY + 3_600_000;
        let calendar = Calendar::with_transitions(vec![(i64::MIN, 3_600_000), (change, 7_200_000)]);
        let day = calendar.window(WindowKind::Day, Bucket::holding_ms(change));
        assert_eq!(day.length_ms(), 23 * 3_600_000);
        assert_eq!(calendar.minute_of_day(day.start.start_ms()), 0);
        assert_eq!(calendar.window(WindowKind::Day, day.end).length_ms(), MS_PER_DAY);
    }
}
