//! What JSON of careless senders means: numbers that come as texts, texts that come as numbers, empty texts for nothing,
//! and civil times without an offset. What is wrong beyond that is refused as everywhere; nothing is guessed.

use std::borrow::Cow;

use chargetally_core::time::EventTime;
use chargetally_core::unit::rounded;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::json::{Quantity, TIME_MS, Value};
use super::{Limits, Reason, Reject};
use crate::rfc3339;
use crate::topic::{TopicError, check_id};

/// A text, or the digits of a number, without white space around it; `None` where it is null or empty.
pub(crate) fn text<'a>(value: Value<'a>, name: &'static str) -> Result<Option<Cow<'a, str>>, Reject> {
    let json = value.json();
    let text = match json.as_bytes().first() {
        Some(b'"') => value.text(name)?,
        Some(b'{' | b'[') => return Err(Reject::field(Reason::WrongType, name)),
        _ if value.is_null() => None,
        _ => Some(Cow::Borrowed(json)),
    };
    Ok(text.map(trimmed).filter(|text| !text.is_empty()))
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
    }
}

/// A text of at most so many bytes.
pub(crate) fn short<'a>(
    value: Value<'a>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Option<Cow<'a, str>>, Reject> {
    match text(value, name)? {
        Some(text) if text.len() > bytes_max => Err(Reject::field(Reason::TooLongText, name)),
        text => Ok(text),
    }
}

/// An id that can stand in a topic.
pub(crate) fn id<'a>(value: Value<'a>, name: &'static str, limits: &Limits) -> Result<Option<Cow<'a, str>>, Reject> {
    let Some(id) = text(value, name)? else { return Ok(None) };
    match check_id(&id, limits.id_bytes_max) {
        Ok(_) => Ok(Some(id)),
        Err(TopicError::IdTooLong) => Err(Reject::field(Reason::IdTooLong, name)),
        Err(TopicError::Form) => Err(Reject::field(Reason::BadId, name)),
    }
}

/// A number within a range.
pub(crate) fn number(value: Value<'_>, name: &'static str, min: f64, max: f64) -> Result<Option<f64>, Reject> {
    if value.is_number() {
        return value.number(name, min, max);
    }
    let Some(digits) = text(value, name)? else { return Ok(None) };
    // Rust's own reader knows words for numbers that JSON does not.
    if !digits.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'))
        || digits.bytes().any(|byte| matches!(byte, b'n' | b'N' | b'i' | b'I'))
    {
        return Err(Reject::field(Reason::WrongType, name));
    }
    match digits.parse::<f64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
        Ok(_) => Err(Reject::field(Reason::OutOfRange, name)),
        Err(_) => Err(Reject::field(Reason::WrongType, name)),
    }
}

/// A number within its range, in our unit.
pub(crate) fn quantity(value: Value<'_>, quantity: &Quantity) -> Result<Option<i64>, Reject> {
    let number = number(value, quantity.name, quantity.min, quantity.max)?;
    Ok(number.and_then(|number| rounded(number * quantity.scale)))
}

/// A whole number, as codes are.
pub(crate) fn whole(value: Value<'_>, name: &'static str) -> Result<Option<i64>, Reject> {
    if let Ok(whole) = value.json().parse::<i64>() {
        return Ok(Some(whole));
    }
    match number(value, name, -9e15, 9e15)? {
        Some(number) if number.fract() == 0.0 => Ok(rounded(number)),
        Some(_) => Err(Reject::field(Reason::WrongType, name)),
        None => Ok(None),
    }
}

/// The zone of civil times, quick where its offset has not changed since the year 2000 and is not going to.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    zone: TimeZone,
    fixed_ms: Option<i64>,
}

impl Zone {
    /// A time zone.
    #[must_use]
    pub fn new(zone: TimeZone) -> Self {
        let from = Timestamp::from_millisecond(*TIME_MS.start()).unwrap_or(Timestamp::UNIX_EPOCH);
        let ends = |change: &Timestamp| change.as_millisecond() > *TIME_MS.end();
        let first = zone.following(from).next().map(|change| change.timestamp());
        let is_fixed = first.as_ref().is_none_or(ends);
        let fixed_ms = is_fixed.then(|| i64::from(zone.to_offset(from).seconds()) * 1000);
        Self { zone, fixed_ms }
    }

    /// The point at which clocks of the zone show a civil time, given as if it were UTC. Of two the earlier one; where
    /// none does, the one that would if the clocks had not been put forward.
    fn point_ms(&self, civil_ms: i64) -> Option<i64> {
        if let Some(fixed_ms) = self.fixed_ms {
            return Some(civil_ms - fixed_ms);
        }
        let civil = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(civil_ms).ok()?);
        Some(self.zone.to_timestamp(civil).ok()?.as_millisecond())
    }

    /// A time: RFC 3339, a civil time of this zone, or a number in s or ms since the Unix epoch.
    pub(crate) fn time(&self, value: Value<'_>, name: &'static str) -> Result<Option<EventTime>, Reject> {
        let Some(text) = text(value, name)? else { return Ok(None) };
        let bad = Reject::field(Reason::BadTime, name);
        let ms = match rfc3339::parse_civil_ms(&text) {
            Some(civil_ms) => self.point_ms(civil_ms).ok_or(bad)?,
            None if text.len() <= 13 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                let number = text.parse::<i64>().map_err(|_| bad)?;
                if number < *TIME_MS.start() { number.saturating_mul(1000) } else { number }
            }
            None => rfc3339::parse_ms(&text).ok_or(bad)?,
        };
        if TIME_MS.contains(&ms) {
            Ok(Some(EventTime::from_ms(ms)))
        } else {
            Err(Reject::field(Reason::OutOfRange, name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::json::{Record, object};

    #[derive(Default)]
    struct Read {
        number: Option<f64>,
        whole: Option<i64>,
        text: Option<String>,
    }

    impl<'a> Record<'a> for Read {
        const DEPTH: usize = 1;

        fn member(&mut self, key: &str, value: Value<'a>, _limits: &Limits) -> Result<bool, Reject> {
            match key {
                "number" => self.number = number(value, "number", -10.0, 10.0)?,
                "whole" => self.whole = whole(value, "whole")?,
                "text" => self.text = text(value, "text")?.map(Cow::into_owned),
                _ => return Ok(false),
            }
            Ok(true)
        }
    }

    fn read(text: &str) -> Result<Read, Reject> {
        object(text, &Limits::default())
    }

    #[test]
    fn numbers_come_as_numbers_or_as_texts() {
        for text in [r#"{"number":1.5}"#, r#"{"number":"1.5"}"#, r#"{"number":" +1.50 "}"#, r#"{"number":"15e-1"}"#] {
            assert_eq!(read(text).map(|read| read.number), Ok(Some(1.5)), "{text}");
        }
        for text in [r#"{"number":""}"#, r#"{"number":null}"#, "{}"] {
            assert_eq!(read(text).map(|read| read.number), Ok(None), "{text}");
        }
        for text in [
            r#"{"number":"nan"}"#,
            r#"{"number":"inf"}"#,
            r#"{"number":"-inf"}"#,
            r#"{"number":true}"#,
            r#"{"number":[1]}"#,
        ] {
            assert_eq!(read(text).err(), Some(Reject::field(Reason::WrongType, "number")), "{text}");
        }
        assert_eq!(read(r#"{"number":"11"}"#).err(), Some(Reject::field(Reason::OutOfRange, "number")));
    }

    #[test]
    fn codes_are_whole_and_texts_may_be_numbers() {
        for text in [r#"{"whole":3}"#, r#"{"whole":3.0}"#, r#"{"whole":"3"}"#, r#"{"whole":"03"}"#] {
            assert_eq!(read(text).map(|read| read.whole), Ok(Some(3)), "{text}");
        }
        assert_eq!(read(r#"{"whole":3.5}"#).err(), Some(Reject::field(Reason::WrongType, "whole")));
        assert_eq!(read(r#"{"text":9003431022}"#).map(|read| read.text), Ok(Some("9003431022".to_owned())));
        assert_eq!(read(r#"{"text":{}}"#).err(), Some(Reject::field(Reason::WrongType, "text")));
    }

    #[test]
    fn clocks_without_an_offset_show_the_time_of_their_zone() {
        let shanghai = Zone::new(TimeZone::get("Asia/Shanghai").expect("a zone"));
        assert!(shanghai.fixed_ms.is_some());
        let berlin = Zone::new(TimeZone::get("Europe/Berlin").expect("a zone"));
        assert!(berlin.fixed_ms.is_none());
        let civil_ms = rfc3339::parse_civil_ms("2026-07-01 12:00:00").expect("a time");
        assert_eq!(shanghai.point_ms(civil_ms), rfc3339::parse_ms("2026-07-01T12:00:00+08:00"));
        assert_eq!(berlin.point_ms(civil_ms), rfc3339::parse_ms("2026-07-01T12:00:00+02:00"));
    }
}
