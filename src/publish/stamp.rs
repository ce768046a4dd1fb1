//! Points in time as the wire writes them: RFC 3339 with the offset of the configured zone, to the second, or to the
//! millisecond where there is a part of one. This file must never read a clock.

use std::fmt;

use chargetally_core::window::Calendar;
use serde::{Serialize, Serializer};

/// A point in time in a zone, ready to be written.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// ms since the Unix epoch.
    pub at_ms: i64,
    /// The zone to write it in.
    pub calendar: &'a Calendar,
}

impl fmt::Display for Stamp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MS_PER_DAY: i64 = 86_400_000;
        let offset_ms = self.calendar.offset_ms(self.at_ms);
        let day = self.calendar.civil_day(self.at_ms);
        let ms_of_day = (self.at_ms + offset_ms).rem_euclid(MS_PER_DAY);
        let (second, ms) = (ms_of_day / 1000, ms_of_day % 1000);
        write!(f, "{:04}-{:02}-{:02}T", day.year, day.month, day.day)?;
        write!(f, "{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)?;
        if ms != 0 {
            write!(f, ".{ms:03}")?;
        }
        // RFC 3339 knows whole minutes only; zones of this century have no others.
        let offset_min = (offset_ms / 60_000).abs();
        let sign = if offset_ms < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", offset_min / 60, offset_min % 60)
    }
}

impl Serialize for Stamp<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_point_is_written_in_its_zone() {
        let china = Calendar::fixed(8 * 3_600_000);
        assert_eq!(Stamp { at_ms: 1_767_196_800_000, calendar: &china }.to_string(), "2026-01-01T00:00:00+08:00");
        assert_eq!(Stamp { at_ms: 1_767_196_800_007, calendar: &china }.to_string(), "2026-01-01T00:00:00.007+08:00");
        let newfoundland = Calendar::fixed(-(3 * 60 + 30) * 60_000);
        assert_eq!(Stamp { at_ms: 0, calendar: &newfoundland }.to_string(), "1969-12-31T20:30:00-03:30");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(at_ms in -62_000_000_000_000_i64..250_000_000_000_000, offset_min in -720_i64..840) {
            let calendar = Calendar::fixed(offset_min * 60_000);
            let text = Stamp { at_ms, calendar: &calendar }.to_string();
            let back: jiff::Timestamp = text.parse().expect("RFC 3339");
            prop_assert_eq!(back.as_millisecond(), at_ms);
        }
    }
}
