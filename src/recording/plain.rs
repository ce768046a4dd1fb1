//! Reads the lines of a recording that are written as our own recorder and `mosquitto_sub -F '%J'` write them, without
//! looking at what the payload holds: where the line ends and how long the payload is tells where it stands. Leaves
//! every other line to the general reader and must never take one for a message that this one reads differently.

use std::borrow::Cow;

use chargetally_core::time::ArrivalTime;

use super::RecordedMessage;
use crate::dialect::json::TIME_MS;
use crate::rfc3339;

/// The message of a line whose members stand in the usual order and whose payload is an object as long as it says.
pub(super) fn message(line: &[u8]) -> Option<RecordedMessage<'_>> {
    let (tst, rest) = text(line.trim_ascii_end().strip_prefix(b"{\"tst\":")?)?;
    let (topic, rest) = text(rest.strip_prefix(b",\"topic\":")?)?;
    let (qos, rest) = digit(rest.strip_prefix(b",\"qos\":")?, b'2')?;
    let (retain, rest) = digit(rest.strip_prefix(b",\"retain\":")?, b'1')?;
    let (payload_bytes, rest) = length(rest.strip_prefix(b",\"payloadlen\":")?)?;
    let payload = rest.strip_prefix(b",\"payload\":")?.strip_suffix(b"}")?;
    let is_object = payload.len() == payload_bytes && matches!(payload, [b'{', .., b'}']);
    let arrival_ms = rfc3339::parse_recorded_ms(tst).filter(|ms| TIME_MS.contains(ms))?;
    is_object.then_some(RecordedMessage {
        arrival: Some(ArrivalTime::from_ms(arrival_ms)),
        topic: Cow::Borrowed(topic),
        qos,
        retained: retain == 1,
        payload: Cow::Borrowed(payload),
    })
}

/// A text without escapes, and what follows it.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let bytes = bytes.strip_prefix(b"\"")?;
    let end = bytes.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
    let rest = bytes[end..].strip_prefix(b"\"")?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, rest))
}

/// A number of one digit, at most this one.
const fn digit(bytes: &[u8], max: u8) -> Option<(u8, &[u8])> {
    match bytes {
        [digit, rest @ ..] if *digit >= b'0' && *digit <= max => Some((*digit - b'0', rest)),
        _ => None,
    }
}

/// A length as long as a line may have, and what follows it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 8 || bytes[0] == b'0' {
        return None;
    }
    let length = bytes[..digits].iter().fold(0, |length, digit| 10 * length + usize::from(digit - b'0'));
    Some((length, &bytes[digits..]))
}
