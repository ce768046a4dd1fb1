//! Cuts values out of JSON text without a general reader of it: plain texts, numbers and nested values that are well-formed
//! beyond doubt. Whatever else it meets (escapes, very deep nesting, anything broken) it leaves to the full reader, so that
//! it never has to say what is wrong. Must never take for JSON what the full reader would refuse.

use crate::scan;

/// Objects and arrays within each other at most: one bit of a word for each.
const OPEN_MAX: u32 = u64::BITS;

/// Where the first byte that is no white space stands, from a place on.
#[inline]
pub(super) fn space_end(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}

/// Where the value that begins here ends; `None` where that is left to the full reader.
#[inline]
pub(super) fn value_end(bytes: &[u8], at: usize) -> Option<usize> {
    value_end_within(bytes, at, OPEN_MAX as usize)
}

/// The same; `None` also where objects and arrays are nested deeper than this.
#[inline]
pub(super) fn value_end_within(bytes: &[u8], at: usize, depth_max: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'{' | b'[' => nested_end(bytes, at, depth_max.min(OPEN_MAX as usize) as u32),
        _ => scalar_end(bytes, at),
    }
}

/// Where the text ends whose opening quote stands here.
#[inline]
pub(super) fn text_end(bytes: &[u8], at: usize) -> Option<usize> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let end = text_stop(bytes, at + 1)?;
    (bytes[end] == b'"').then_some(end + 1)
}

/// Where the first byte stands that is a quote, a backslash or a control character.
#[inline]
fn text_stop(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(word) = scan::word(bytes, at) {
        let stops = scan::equal(word, b'"') | scan::equal(word, b'\\') | scan::below(word, b' ');
        match scan::first(stops) {
            Some(length) => return Some(at + length),
            None => at += size_of_val(&word),
        }
    }
    let length = bytes.get(at..)?.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
    Some(at + length)
}

/// Where the value begins whose key ends here.
#[inline]
pub(super) fn value_begin(bytes: &[u8], at: usize) -> Option<usize> {
    let colon = space_end(bytes, at);
    (*bytes.get(colon)? == b':').then(|| space_end(bytes, colon + 1))
}

fn past_key(bytes: &[u8], at: usize) -> Option<usize> {
    value_begin(bytes, text_end(bytes, at)?)
}

#[inline]
fn scalar_end(bytes: &[u8], at: usize) -> Option<usize> {
    let word_end = |word: &[u8]| bytes[at..].starts_with(word).then_some(at + word.len());
    match bytes.get(at)? {
        b'"' => text_end(bytes, at),
        b'-' | b'0'..=b'9' => number_end(bytes, at),
        b't' => word_end(b"true"),
        b'f' => word_end(b"false"),
        b'n' => word_end(b"null"),
        _ => None,
    }
}

#[inline]
fn number_end(bytes: &[u8], at: usize) -> Option<usize> {
    let at = at + usize::from(bytes[at] == b'-');
    let mut at = match bytes.get(at)? {
        b'0' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => return None,
        _ => digits_end(bytes, at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits_end(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits_end(bytes, at + 1 + sign)?;
    }
    Some(at)
}

/// Where digits end, of which there is at least one.
#[inline]
fn digits_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > from).then_some(at)
}

/// Where the object or array ends that begins here, nested in itself at most so deep, which is at most [`OPEN_MAX`].
fn nested_end(bytes: &[u8], mut at: usize, depth_max: u32) -> Option<usize> {
    // What is open, the innermost last: 1 for an object.
    let (mut open, mut depth) = (0_u64, 0);
    let closing = |open: u64| if open & 1 == 1 { b'}' } else { b']' };
    loop {
        // A value begins here.
        let first = *bytes.get(at)?;
        if matches!(first, b'{' | b'[') {
            if depth == depth_max {
                return None;
            }
            open = open << 1 | u64::from(first == b'{');
            depth += 1;
            at = space_end(bytes, at + 1);
            if *bytes.get(at)? != closing(open) {
                if first == b'{' {
                    at = past_key(bytes, at)?;
                }
                continue;
            }
        } else {
            at = space_end(bytes, scalar_end(bytes, at)?);
        }
        // It has ended: as many as close here are closed, then comes the next one.
        loop {
            match *bytes.get(at)? {
                b',' => {
                    at = space_end(bytes, at + 1);
                    if open & 1 == 1 {
                        at = past_key(bytes, at)?;
                    }
                    break;
                }
                byte if byte == closing(open) => {
                    (open, depth, at) = (open >> 1, depth - 1, at + 1);
                    if depth == 0 {
                        return Some(at);
                    }
                    at = space_end(bytes, at);
                }
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;
    use serde_json::value::RawValue;

    use super::*;

    /// What the full reader makes of a text that begins with a value: how long that is.
    fn full_length(text: &str) -> Option<usize> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
        values.next()?.ok().map(|value| value.get().len())
    }

    fn check(text: &str) {
        let is_whole = serde_json::from_str::<IgnoredAny>(text).is_ok();
        if let Some(end) = value_end(text.as_bytes(), 0) {
            let rest_is_space = space_end(text.as_bytes(), end) == text.len();
            assert_eq!(rest_is_space, is_whole, "{text}");
            if is_whole {
                assert_eq!(full_length(text), Some(end), "{text}");
            }
        }
    }

    #[test]
    fn plain_json_is_cut_out_and_the_rest_left_to_the_full_reader() {
        for text in ["{}", "[]", r#"{"a":[1,-0.5e+3,{"b":null}],"c":"电"}"#, "[ true , [ ] , { } ]", "0", "-12.25E2"] {
            assert_eq!(value_end(text.as_bytes(), 0), Some(text.len()), "{text}");
        }
        for text in [
            "",
            "{",
            "[1,]",
            "[,1]",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            "{1:2}",
            "[1 2]",
            "[1}",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "tru",
            "nul",
            r#""a\n""#,
            "\"a\nb\"",
            "\"a",
            "[1",
            r#"{"a":[}"#,
        ] {
            assert_eq!(value_end(text.as_bytes(), 0), None, "{text}");
        }
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(value_end(deep(64).as_bytes(), 0), Some(128));
        assert_eq!(value_end(deep(65).as_bytes(), 0), None);
    }

    #[test]
    fn a_text_ends_at_its_quote_wherever_that_stands_and_whatever_is_around() {
        for length in 0..20 {
            for stop in 0..=0xFF_u8 {
                for filler in [b'a', b'!', b'#', b'[', b']', 0x7F, 0x80, 0xFF] {
                    let text = [&[b'"'][..], &vec![filler; length], &[stop], &[filler; 9], b"\""].concat();
                    let expected = match stop {
                        b'"' => Some(length + 2),
                        b'\\' | 0..b' ' => None,
                        _ => Some(length + 12),
                    };
                    assert_eq!(text_end(&text, 0), expected, "{length} {stop} {filler}");
                }
            }
        }
        assert_eq!(text_end(b"\"aaaaaaaaaaaa", 0), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn nothing_is_taken_that_the_full_reader_refuses(
            parts in proptest::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"a\"", "\"\"", "1", "-1.5e3", "0", "01", "true", "null", " ", "\n", "\"",
                    "\\", "e", ".", "电", "\u{1}", "{\"k\":", "[1,",
                ]),
                0..14,
            ),
        ) {
            check(&parts.concat());
        }

        #[test]
        fn what_is_well_formed_is_cut_out_whole(cut in 0_usize..60, noise in "[\\[\\]{}:,\"0-9a-z .-]{0,3}") {
            let mut text = r#"{"a":[1,{"b":"c"},[]],"d":-0.5,"e":{"f":null}}"#.to_owned();
            text.insert_str(cut.min(text.len()), &noise);
            check(&text);
        }
    }
}
