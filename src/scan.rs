//! Looks at eight bytes of a text at once: finds bytes, and compares short texts, for which the C library's way costs more
//! than all the rest of a look-up. What marks bytes gives a word in which the high bit of the first byte that is meant is
//! set, and that of none before it; bytes after the first one, and other bits, mean nothing. Knows no format.

use std::cmp::Ordering;

/// A one in each byte.
const EACH: u64 = u64::MAX / 0xFF;
/// The high bits of all bytes.
pub(crate) const HIGH: u64 = EACH << 7;

/// The eight bytes that begin here; `None` where there are fewer.
#[inline]
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight))
}

/// Marks bytes that are this one.
#[inline]
pub(crate) const fn equal(word: u64, byte: u8) -> u64 {
    let differing = word ^ (EACH * byte as u64);
    differing.wrapping_sub(EACH) & !differing
}

/// Marks bytes below this one, which is at most 0x80.
#[inline]
pub(crate) const fn below(word: u64, byte: u8) -> u64 {
    word.wrapping_sub(EACH * byte as u64) & !word
}

/// How many bytes stand before the first that is marked; `None` where none is.
#[inline]
pub(crate) const fn first(marks: u64) -> Option<usize> {
    match marks & HIGH {
        0 => None,
        marks => Some((marks.trailing_zeros() / u8::BITS) as usize),
    }
}

/// Where this byte stands first.
#[inline]
pub(crate) fn find(bytes: &[u8], byte: u8) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = word(bytes, at) {
        match first(equal(word, byte)) {
            Some(length) => return Some(at + length),
            None => at += size_of_val(&word),
        }
    }
    bytes[at..].iter().position(|&other| other == byte).map(|length| at + length)
}

/// Whether two texts are the same.
#[inline]
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && compare_equally_long(one, other).is_eq()
}

/// The order of two texts, as that of their bytes.
#[inline]
pub(crate) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    if one.len() == other.len() { compare_equally_long(one, other) } else { one.cmp(other) }
}

#[inline]
fn compare_equally_long(one: &[u8], other: &[u8]) -> Ordering {
    let Some(last) = one.len().checked_sub(size_of::<u64>()) else {
        let packed = |bytes: &[u8]| bytes.iter().fold(0_u64, |word, &byte| word << u8::BITS | u64::from(byte));
        return packed(one).cmp(&packed(other));
    };
    let mut at = 0;
    loop {
        // Where bytes are looked at twice they were the same.
        let at_now = at.min(last);
        let (one, other) = (word(one, at_now), word(other, at_now));
        if one != other {
            return one.map(u64::swap_bytes).cmp(&other.map(u64::swap_bytes));
        }
        at += size_of::<u64>();
        if at_now == last {
            return Ordering::Equal;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_byte_that_is_meant_is_found(bytes in any::<[u8; 8]>(), byte in 0..=0x80_u8, near in 0..8_usize) {
            let mut bytes = bytes;
            bytes[near] = byte.wrapping_add(bytes[(near + 1) % 8] % 3).wrapping_sub(1);
            let word = word(&bytes, 0).expect("eight bytes");
            prop_assert_eq!(first(equal(word, byte)), bytes.iter().position(|&other| other == byte));
            prop_assert_eq!(first(below(word, byte)), bytes.iter().position(|&other| other < byte));
            let either = equal(word, byte) | below(word, b' ');
            prop_assert_eq!(first(either), bytes.iter().position(|&other| other == byte || other < b' '));
        }
    }

    proptest! {
        #[test]
        fn texts_are_compared_by_their_bytes(
            one in proptest::collection::vec(0x7E..=0x81_u8, 0..30), other in proptest::collection::vec(0x7E..=0x81_u8, 0..30),
            at in 0..30_usize, byte in any::<u8>(),
        ) {
            prop_assert_eq!(find(&one, byte), one.iter().position(|&other| other == byte));
            prop_assert_eq!(find(&one, 0x80), one.iter().position(|&other| other == 0x80));
            prop_assert_eq!(compare(&one, &other), one.cmp(&other));
            prop_assert_eq!(same(&one, &other), one == other);
            let mut near = one.clone();
            if let Some(changed) = near.get_mut(at) {
                *changed = byte;
            }
            prop_assert_eq!(compare(&one, &near), one.cmp(&near));
            prop_assert_eq!(same(&one, &near), one == near);
        }
    }

    #[test]
    fn a_word_has_eight_bytes() {
        assert_eq!(word(b"01234567", 1), None);
        assert_eq!(word(b"01234567", 9), None);
        assert_eq!(word(b"a1234567z", 1).and_then(|word| first(equal(word, b'z'))), Some(7));
    }
}
