//! Integers in as few bytes as they need: seven bits a byte, the lowest first, each byte but the last one marked.

/// Bytes of an integer at most.
pub(crate) const BYTES_MAX: usize = 10;
/// Another byte of the same integer follows.
pub(crate) const MORE: u8 = 0x80;
const SECOND_MS: u64 = 1_000;

/// The bytes of a number.
pub(crate) fn split(mut number: u64, bytes: &mut [u8; BYTES_MAX]) -> &[u8] {
    let mut len = 0;
    loop {
        let more = number > u64::from(!MORE);
        bytes[len] = (number as u8 & !MORE) | if more { MORE } else { 0 };
        len += 1;
        number >>= 7;
        if !more {
            return &bytes[..len];
        }
    }
}

/// The number whose bytes come next, of bytes that [`split`] made.
pub(crate) fn join(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let mut number = 0;
    for (shift, byte) in (0..u64::BITS).step_by(7).zip(bytes) {
        number |= u64::from(byte & !MORE) << shift;
        if byte & MORE == 0 {
            break;
        }
    }
    number
}

/// A signed number as one that is small where it is near nought.
pub(crate) const fn fold(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// The number that was [folded](fold).
pub(crate) const fn unfold(folded: u64) -> i64 {
    (folded >> 1) as i64 ^ -((folded & 1) as i64)
}

/// A span below 2^63 ms as a number that is small where it is one of whole seconds, as most stations tell time: those are
/// marked by the lowest bit, so that up to a minute takes one byte.
pub(crate) const fn coded(span_ms: u64) -> u64 {
    if span_ms.is_multiple_of(SECOND_MS) { ((span_ms / SECOND_MS) << 1) | 1 } else { span_ms << 1 }
}

/// The span, ms, that was [`coded`].
pub(crate) const fn decoded(code: u64) -> u64 {
    if code & 1 == 1 { (code >> 1).wrapping_mul(SECOND_MS) } else { code >> 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(numbers in prop::collection::vec(any::<u64>(), 0..20), shift in 0_u32..64) {
            let mut written = Vec::new();
            for &number in &numbers {
                written.extend_from_slice(split(number >> shift, &mut [0; BYTES_MAX]));
            }
            let mut bytes = written.into_iter();
            for &number in &numbers {
                prop_assert_eq!(join(&mut bytes), number >> shift);
                prop_assert_eq!(fold(unfold(number)), number);
                prop_assert_eq!(decoded(coded(number >> 1)), number >> 1);
            }
            prop_assert_eq!(bytes.next(), None);
        }
    }

    #[test]
    fn what_is_small_takes_a_byte() {
        for number in [fold(63), fold(-64), coded(63_000), coded(63)] {
            assert_eq!(split(number, &mut [0; BYTES_MAX]).len(), 1, "{number}");
        }
        assert_eq!(split(u64::MAX, &mut [0; BYTES_MAX]).len(), BYTES_MAX);
    }
}
