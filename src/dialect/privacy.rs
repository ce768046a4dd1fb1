//! What of a refused payload people may see, where payloads of the family name drivers: only members that are known to
//! hold nothing about a person keep their value, whatever else stands there is blanked. It reads bytes, not JSON, for
//! what was refused may be none. Must never let a value through whose key it does not know.

/// What stands for a value that is not shown.
const BLANK: &[u8] = b"\"-\"";

/// A payload, of at most `bytes_max` bytes of it, with every value blanked whose key is not in `shown`.
#[must_use]
pub fn blanked(payload: &[u8], shown: &[&str], bytes_max: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len().min(bytes_max));
    // Whether the value that comes belongs to a key that is shown.
    let mut is_shown = false;
    let mut rest = payload;
    while let Some(&first) = rest.first() {
        let length = match first {
            b'"' => text_length(rest),
            b'{' | b'}' | b'[' | b']' | b':' | b',' => 1,
            byte if byte.is_ascii_whitespace() => 1,
            _ => rest.iter().position(|byte| is_end(*byte)).unwrap_or(rest.len()).max(1),
        };
        let (token, after) = rest.split_at(length);
        let is_key = first == b'"' && after.trim_ascii_start().first() == Some(&b':');
        let is_plain = is_key || !is_value(first);
        if is_key {
            is_shown = shown.iter().any(|key| token == [b"\"", key.as_bytes(), b"\""].concat());
        }
        let is_known_key =
            is_key && token.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'"' | b'_'));
        match is_plain {
            true if is_key && !is_known_key => out.extend_from_slice(BLANK),
            true => out.extend_from_slice(token),
            // One value for each key: where quotes are missing, nobody knows what the next one is.
            false if std::mem::replace(&mut is_shown, false) => out.extend_from_slice(token),
            false => out.extend_from_slice(BLANK),
        }
        if out.len() >= bytes_max {
            out.truncate(bytes_max);
            break;
        }
        rest = after;
    }
    out
}

fn is_value(first: u8) -> bool {
    !matches!(first, b'{' | b'}' | b'[' | b']' | b':' | b',') && !first.is_ascii_whitespace()
}

fn is_end(byte: u8) -> bool {
    !is_value(byte) || byte == b'"'
}

/// The length of the text in quotes that these bytes begin with; all of them where it does not end.
fn text_length(bytes: &[u8]) -> usize {
    let mut is_escaped = false;
    for (index, &byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(payload: &str, expected: &str) {
        let blanked = blanked(payload.as_bytes(), &["ConnectorID", "Status"], 512);
        assert_eq!(String::from_utf8_lossy(&blanked), expected);
    }

    #[test]
    fn values_are_shown_only_under_known_keys() {
        check(
            r#"{"ConnectorID":"7","Vin":"LSV","Status": 3, "Phone":13800000000,"a":["x",{"Status":"y"}]}"#,
            r#"{"ConnectorID":"7","Vin":"-","Status": 3, "Phone":"-","a":["-",{"Status":"y"}]}"#,
        );
    }

    #[test]
    fn what_is_no_json_is_blanked_too() {
        check("LSVAA4182E2184847", "\"-\"");
        check(r#"{"Vin":"LSV"#, r#"{"Vin":"-""#);
        check(r#"{"ConnectorID":"1" LSV}"#, r#"{"ConnectorID":"1" "-"}"#);
        check(r#"{"Status":1,LSV:1}"#, r#"{"Status":1,"-":"-"}"#);
        check(r#"{"\u0056in":"LSV"}"#, r#"{"-":"-"}"#);
        check(r#""LSV AA":1"#, r#""-":"-""#);
    }

    proptest! {
        #[test]
        fn a_value_under_another_key_is_never_seen(before in "\\PC{0,20}", between in "[ \\n:]{0,3}") {
            let payload = format!("{before}\"Vin\"{between}:\"LSVAA4182E2184847\"");
            let seen = blanked(payload.as_bytes(), &["Status"], 512);
            prop_assert!(!String::from_utf8_lossy(&seen).contains("LSVAA"), "{payload}");
        }
    }
}
