//! Numbers and times as text, written straight into a byte buffer. It must never allocate per value.

use super::calendar::civil;

/// Appends an integer.
pub fn int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `value` / 10^`decimals` with exactly that many decimals (1 to 6).
pub fn fixed(out: &mut Vec<u8>, value: i64, decimals: u32) {
    let scale = 10_u64.pow(decimals);
    let size = value.unsigned_abs();
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(size / scale).as_bytes());
    out.push(b'.');
    padded(out, size % scale, decimals);
}

/// Appends the last `digits` digits of `value`, with leading zeros.
pub fn padded(out: &mut Vec<u8>, value: u64, digits: u32) {
    let mut scale = 10_u64.pow(digits);
    for _ in 0..digits {
        scale /= 10;
        out.push(b'0' + (value / scale % 10) as u8);
    }
}

/// Times in the fleet's zone as RFC 3339; remembers the minute that it last wrote.
#[derive(Debug, Clone)]
pub struct Times {
    offset_ms: i32,
    minute: i64,
    prefix: [u8; 17],
    suffix: [u8; 6],
}

impl Times {
    /// Times of the zone `offset_ms` east of UTC (whole minutes).
    pub fn new(offset_ms: i32) -> Self {
        let minutes = offset_ms / 60_000;
        let mut suffix = Vec::with_capacity(6);
        suffix.push(if minutes < 0 { b'-' } else { b'+' });
        padded(&mut suffix, u64::from(minutes.unsigned_abs() / 60), 2);
        suffix.push(b':');
        padded(&mut suffix, u64::from(minutes.unsigned_abs() % 60), 2);
        let mut times = Self { offset_ms, minute: i64::MIN, prefix: [b' '; 17], suffix: [b'0'; 6] };
        times.suffix.copy_from_slice(&suffix);
        times
    }

    /// Appends `ms` as in `2026-01-01T08:00:00.123` and, where `offset`, `+08:00`.
    pub fn local(&mut self, out: &mut Vec<u8>, ms: i64, offset: bool) {
        let minute = ms.div_euclid(60_000);
        if minute != self.minute {
            self.minute = minute;
            let civil = civil(ms, self.offset_ms);
            let (year, month, day) = civil.date;
            let mut prefix = Vec::with_capacity(17);
            padded(&mut prefix, year.unsigned_abs(), 4);
            for (mark, value) in [(b'-', month), (b'-', day), (b'T', civil.hour), (b':', civil.minute)] {
                prefix.push(mark);
                padded(&mut prefix, u64::from(value), 2);
            }
            prefix.push(b':');
            self.prefix.copy_from_slice(&prefix);
        }
        out.extend_from_slice(&self.prefix);
        let of_minute = ms.rem_euclid(60_000) as u64;
        padded(out, of_minute / 1_000, 2);
        out.push(b'.');
        padded(out, of_minute % 1_000, 3);
        if offset {
            out.extend_from_slice(&self.suffix);
        }
    }

    /// The zone as in `+08:00`.
    pub fn zone(&self) -> &[u8] {
        &self.suffix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn fixed_numbers_keep_their_sign_and_zeros() {
        assert_eq!(text(|out| fixed(out, 1_005, 3)), "1.005");
        assert_eq!(text(|out| fixed(out, -40, 3)), "-0.040");
        assert_eq!(text(|out| fixed(out, 0, 1)), "0.0");
        assert_eq!(text(|out| int(out, -7)), "-7");
    }

    #[test]
    fn times_carry_their_zone() {
        let mut east = Times::new(8 * 3_600_000);
        assert_eq!(text(|out| east.local(out, 1_767_196_800_123, true)), "2026-01-01T00:00:00.123+08:00");
        assert_eq!(text(|out| east.local(out, 1_767_196_859_999, true)), "2026-01-01T00:00:59.999+08:00");
        assert_eq!(text(|out| east.local(out, 1_767_196_860_000, false)), "2026-01-01T00:01:00.000");
        let mut west = Times::new(-(3 * 60 + 30) * 60_000);
        assert_eq!(text(|out| west.local(out, 0, true)), "1969-12-31T20:30:00.000-03:30");
    }
}
