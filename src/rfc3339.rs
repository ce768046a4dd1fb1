//! RFC 3339 times to ms since the Unix epoch and back, without allocation: every message carries one. Knows no time
//! zone but the offset that is written, and must never read a clock.

use chargetally_core::window::{CivilDay, civil_from_days, days_from_civil};

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// The point that an RFC 3339 text names, ms since the Unix epoch; `None` where it is not one.
///
/// Any number of fraction digits is read and truncated to ms; `t` and `z` may be small. A leap second is read as the
/// last ms of the second before it, and only where UTC has room for one (23:59:60).
#[must_use]
pub fn parse_ms(text: &str) -> Option<i64> {
    let (local, rest) = local_ms(text.as_bytes())?;
    match rest {
        [b'Z' | b'z'] => local.at_offset(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => local.at_offset(offset_minutes(*sign, [*h1, *h2, *m1, *m2])?),
        _ => None,
    }
}

/// Like [`parse_ms`], and what `mosquitto_sub` prints as well: the offset without a colon, even after a `Z` that then
/// means nothing (`2026-11-23T05:23:41.214559Z+0800` is 21:23:41 UTC of the day before).
#[must_use]
pub fn parse_recorded_ms(text: &str) -> Option<i64> {
    let (local, rest) = local_ms(text.as_bytes())?;
    match rest {
        [b'Z', sign @ (b'+' | b'-'), h1, h2, m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            local.at_offset(offset_minutes(*sign, [*h1, *h2, *m1, *m2])?)
        }
        _ => parse_ms(text),
    }
}

/// A civil date and time without an offset, `YYYY-MM-DD HH:MM:SS` or with a `T` between, as if it were UTC: ms since the
/// Unix epoch. A fraction of the second may follow.
#[must_use]
pub fn parse_civil_ms(text: &str) -> Option<i64> {
    let mut head = [0; 23];
    let bytes = text.as_bytes();
    let head = head.get_mut(..bytes.len())?;
    head.copy_from_slice(bytes);
    if head.get(10) == Some(&b' ') {
        head[10] = b'T';
    }
    match local_ms(head)? {
        (local, []) if !local.leap => Some(local.ms),
        _ => None,
    }
}

/// Days since the Unix epoch of a `YYYY-MM-DD`.
#[must_use]
pub fn parse_day(text: &str) -> Option<i32> {
    match text.as_bytes() {
        bytes if bytes.len() == 10 => day(bytes).and_then(|days| i32::try_from(days).ok()),
        _ => None,
    }
}

/// The point as RFC 3339 in UTC with ms, appended to `out`. Years run from 0 to 9999; what lies beyond is clamped.
pub fn write_ms(out: &mut Vec<u8>, ms: i64) {
    const FIRST_MS: i64 = -62_167_219_200_000;
    const LAST_MS: i64 = 253_402_300_799_999;
    let ms = ms.clamp(FIRST_MS, LAST_MS);
    let CivilDay { year, month, day } = civil_from_days(ms.div_euclid(DAY_MS));
    let in_day = ms.rem_euclid(DAY_MS) as u64;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    put(&mut text[0..4], u64::from(year.unsigned_abs()));
    put(&mut text[5..7], u64::from(month));
    put(&mut text[8..10], u64::from(day));
    put(&mut text[11..13], in_day / 3_600_000);
    put(&mut text[14..16], in_day / 60_000 % 60);
    put(&mut text[17..19], in_day / 1000 % 60);
    put(&mut text[20..23], in_day % 1000);
    out.extend_from_slice(&text);
}

fn put(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// A date and time of day whose offset is not known yet.
struct Local {
    ms: i64,
    leap: bool,
}

impl Local {
    fn at_offset(self, minutes: i64) -> Option<i64> {
        let ms = self.ms - minutes * MINUTE_MS;
        // A leap second was read as the last ms of second 59: the UTC day must end with it.
        (!self.leap || ms.rem_euclid(DAY_MS) == DAY_MS - 1).then_some(ms)
    }
}

fn local_ms(text: &[u8]) -> Option<(Local, &[u8])> {
    let (head, mut rest) = text.split_at_checked(19)?;
    if !matches!(head[10], b'T' | b't') || head[13] != b':' || head[16] != b':' {
        return None;
    }
    let days = day(&head[..10])?;
    let hour = two(head[11], head[12])?;
    let minute = two(head[14], head[15])?;
    let second = two(head[17], head[18])?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut fraction_ms = 0;
    if let [b'.', fraction @ ..] = rest {
        let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        for (digit, worth_ms) in fraction[..count].iter().zip([100, 10, 1]) {
            fraction_ms += i64::from(digit - b'0') * worth_ms;
        }
        rest = &fraction[count..];
    }
    let leap = second == 60;
    let in_minute_ms = if leap { 59_999 } else { second * 1000 + fraction_ms };
    Some((Local { ms: days * DAY_MS + (hour * 60 + minute) * MINUTE_MS + in_minute_ms, leap }, rest))
}

/// Days since the Unix epoch of ten bytes `YYYY-MM-DD`.
fn day(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    let leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap_year => 29,
        2 => 28,
        _ => return None,
    };
    if day < 1 || day > days_in_month {
        return None;
    }
    Some(days_from_civil(CivilDay { year: year as i32, month: month as u8, day: day as u8 }))
}

fn offset_minutes(sign: u8, [h1, h2, m1, m2]: [u8; 4]) -> Option<i64> {
    let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let total = hours * 60 + minutes;
    Some(if sign == b'-' { -total } else { total })
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse_ms(text), expected, "{text}");
    }

    #[test]
    fn times_are_read_at_their_offset() {
        check("1970-01-01T00:00:00Z", Some(0));
        check("1970-01-01T08:00:00+08:00", Some(0));
        check("1969-12-31T20:30:00-03:30", Some(0));
        check("1970-01-01t00:00:00z", Some(0));
        check("2026-11-23T05:23:41.214559999+08:00", Some(1_795_382_621_214));
        check("2000-02-29T00:00:00.5-00:00", Some(951_782_400_500));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T05:23:41",
            "2026-11-23 05:23:41Z",
            "2026-11-23T05:23:41.Z",
            "2026-11-23T05:23:41,5Z",
            "2026-11-23T05:23:41+0800",
            "2026-11-23T05:23:41Z+0800",
            "2026-11-23T05:23:41+24:00",
            "2026-11-23T05:23:41+08:60",
            "2026-11-23T24:00:00Z",
            "2026-11-23T05:60:00Z",
            "2026-11-23T05:23:61Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "2026-13-10T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-1-01T00:00:00Z",
            "+026-01-01T00:00:00Z",
            "2026-11-23T05:23:41Z ",
            " 2026-11-23T05:23:41Z",
            "2026-11-23T05:2٣:41Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_leap_second_is_the_last_millisecond_before_it() {
        check("2016-12-31T23:59:60Z", Some(1_483_228_799_999));
        check("2017-01-01T07:59:60.25+08:00", Some(1_483_228_799_999));
        check("2016-12-31T22:59:60Z", None);
    }

    #[test]
    fn mosquitto_writes_a_z_that_means_nothing() {
        let expected = parse_ms("2026-11-22T21:23:41.214Z");
        assert!(expected.is_some());
        for text in [
            "2026-11-23T05:23:41.214559Z+0800",
            "2026-11-23T05:23:41.214559+0800",
            "2026-11-23T05:23:41.214+08:00",
            "2026-11-22T17:53:41.214634Z-0330",
            "2026-11-22T21:23:41.214442Z+0000",
        ] {
            assert_eq!(parse_recorded_ms(text), expected, "{text}");
        }
        assert_eq!(parse_recorded_ms("2026-11-23T05:23:41Z+08"), None);
    }

    #[test]
    fn civil_times_are_read_as_if_they_were_utc() {
        let expected = parse_ms("2026-11-23T05:23:41Z");
        for text in ["2026-11-23 05:23:41", "2026-11-23T05:23:41", "2026-11-23 05:23:41.000"] {
            assert_eq!(parse_civil_ms(text), expected, "{text}");
        }
        for text in
            ["", "2026-11-23", "2026-11-23 05:23", "2026-11-23 05:23:41Z", "2026-11-23 05:23:60", "2026-02-30 00:00:00"]
        {
            assert_eq!(parse_civil_ms(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_read() {
        assert_eq!(parse_day("1970-01-02"), Some(1));
        assert_eq!(parse_day("2024-02-29"), Some(19_782));
        assert_eq!(parse_day("2023-02-29"), None);
        assert_eq!(parse_day("2023-02-2"), None);
        assert_eq!(parse_day("2023-02-281"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in -62_167_219_200_000_i64..=253_402_300_799_999) {
            let mut text = Vec::new();
            write_ms(&mut text, ms);
            let text = String::from_utf8(text).expect("ASCII");
            prop_assert_eq!(parse_ms(&text), Some(ms));
            let jiff: jiff::Timestamp = text.parse().expect("jiff reads it");
            prop_assert_eq!(jiff.as_millisecond(), ms);
        }

        #[test]
        fn jiff_reads_the_same_point(
            year in 0_u32..=9999, month in 0_u32..=13, day in 0_u32..=32, hour in 0_u32..=24, minute in 0_u32..=60,
            second in 0_u32..60, fraction in "(\\.[0-9]{1,9})?", offset in "Z|z|[+-][01][0-9]:[0-5][0-9]",
            t in "T|t",
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}{t}{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
            let expected = text.parse::<jiff::Timestamp>().ok();
            // jiff rounds towards zero before the epoch, where we round downwards.
            let expected = expected.map(|at| at.as_nanosecond().div_euclid(1_000_000) as i64);
            if expected.is_some() || !(1..=9998).contains(&year) {
                prop_assert!(expected.is_none() || parse_ms(&text) == expected, "{text}");
            } else {
                prop_assert_eq!(parse_ms(&text), None, "{}", text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", cut in 0_usize..30) {
            let _ = (parse_ms(&text), parse_recorded_ms(&text), parse_day(&text));
            let good = "2026-11-23T05:23:41.214559Z+0800";
            let _ = (parse_ms(&good[..cut]), parse_recorded_ms(&good[cut..]));
        }
    }
}
