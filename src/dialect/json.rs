//! Reads JSON objects member by member out of a borrowed text. Values are cut out unread and then taken by the strict
//! rules of the wire: `null` is absent, a number is a JSON number, and decimals become the nearest float (the plain
//! float reader of `serde_json` may be off by a last digit, which rounding to integers would show). What is not
//! asked for is skipped without recursion, so that no input can exhaust the stack.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use chargetally_core::time::{ArrivalTime, EventTime};
use chargetally_core::unit::rounded;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{Limits, Reason, Reject, quick};
use crate::rfc3339;

/// Times that can be meant: the years 2000 to 2100, ms since the Unix epoch. Seconds taken for ms fall outside.
pub(crate) const TIME_MS: RangeInclusive<i64> = 946_684_800_000..=4_133_980_799_999;

/// What the members of an object are gathered in. Of a member that comes twice the last one counts, as with most
/// readers of JSON.
pub(crate) trait Record<'a>: Default {
    /// How deep its object may lie in the message; 1 is the message itself.
    const DEPTH: usize;

    /// Takes one member; `Ok(false)` where its key says nothing here.
    fn member(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<bool, Reject>;

    /// The record that takes the members of an object which stands under this key, so that it is read once, on the way.
    /// Must be what [`Self::member`] makes of the same object; `None` where it is to be given to that, cut out.
    fn enter(&mut self, _key: &str) -> Option<&mut dyn Members<'a>> {
        None
    }
}

/// A [`Record`] of whatever type.
pub(crate) trait Members<'a> {
    /// See [`Record::member`]; of what it does not know, the nesting is bounded.
    fn take(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<(), Reject>;

    /// See [`Record::enter`].
    fn open(&mut self, key: &str) -> Option<&mut dyn Members<'a>>;
}

impl<'a, R: Record<'a>> Members<'a> for R {
    #[inline]
    fn take(&mut self, key: &str, value: Value<'a>, limits: &Limits) -> Result<(), Reject> {
        if self.member(key, value, limits)? || value.depth() + R::DEPTH <= limits.depth_max {
            Ok(())
        } else {
            Err(Reject::whole(Reason::TooDeep))
        }
    }

    #[inline]
    fn open(&mut self, key: &str) -> Option<&mut dyn Members<'a>> {
        self.enter(key)
    }
}

/// The well-formed JSON text of one value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a>(&'a str);

/// The JSON number of a field: its name, the range that can be, and what turns it into our integer unit.
pub(crate) struct Quantity {
    pub name: &'static str,
    pub min: f64,
    pub max: f64,
    pub scale: f64,
}

/// The object that is all of `text`.
pub(crate) fn object<'a, R: Record<'a>>(text: &'a str, limits: &Limits) -> Result<R, Reject> {
    let mut record = R::default();
    object_into(&mut record, text, limits)?;
    Ok(record)
}

/// The same, into a record that holds nothing yet: large ones are not moved.
pub(crate) fn object_into<'a, R: Record<'a>>(record: &mut R, text: &'a str, limits: &Limits) -> Result<(), Reject> {
    if let Some(read) = plain_object(record, text, limits) {
        return read;
    }
    let failure = Cell::new(None);
    *record = whole(text, Object { limits, failure: &failure, record: PhantomData }, &failure)?;
    Ok(())
}

/// The same, for text without escapes that is an object beyond doubt, as nearly all messages are; `None` where it is left
/// to the full reader.
fn plain_object<'a, R: Record<'a>>(record: &mut R, text: &'a str, limits: &Limits) -> Option<Result<(), Reject>> {
    let bytes = text.as_bytes();
    match plain_members(record, text, quick::space_end(bytes, 0), limits)? {
        Ok(end) => (quick::space_end(bytes, end) == bytes.len()).then_some(Ok(())),
        Err(reject) => Some(Err(reject)),
    }
}

/// Gives a record the members of the plain object that begins here; where it ends.
fn plain_members<'a, M: Members<'a> + ?Sized>(
    record: &mut M,
    text: &'a str,
    begin: usize,
    limits: &Limits,
) -> Option<Result<usize, Reject>> {
    let bytes = text.as_bytes();
    if *bytes.get(begin)? != b'{' {
        return None;
    }
    let mut at = quick::space_end(bytes, begin + 1);
    while *bytes.get(at)? != b'}' {
        let key_end = quick::text_end(bytes, at)?;
        let key = text.get(at + 1..key_end - 1)?;
        let begin = quick::value_begin(bytes, key_end)?;
        let end = match plain_member(record, key, text, begin, limits)? {
            Ok(end) => end,
            Err(reject) => return Some(Err(reject)),
        };
        at = quick::space_end(bytes, end);
        if *bytes.get(at)? == b',' {
            at = quick::space_end(bytes, at + 1);
            if bytes.get(at) != Some(&b'"') {
                return None;
            }
        } else if bytes[at] != b'}' {
            return None;
        }
    }
    Some(Ok(at + 1))
}

/// Gives a record one member, whose value begins here; where that ends.
#[inline]
fn plain_member<'a, M: Members<'a> + ?Sized>(
    record: &mut M,
    key: &str,
    text: &'a str,
    begin: usize,
    limits: &Limits,
) -> Option<Result<usize, Reject>> {
    let bytes = text.as_bytes();
    if *bytes.get(begin)? == b'{'
        && let Some(inner) = record.open(key)
    {
        return match plain_members(inner, text, begin, limits)? {
            // What is no JSON is refused as such, whatever else is wrong with it.
            Err(reject) => quick::value_end(bytes, begin).map(|_| Err(reject)),
            read => Some(read),
        };
    }
    let end = quick::value_end(bytes, begin)?;
    Some(record.take(key, Value(text.get(begin..end)?), limits).map(|()| end))
}

/// Every object of the array that is all of `text`, which has at most `len_max` elements.
///
/// # Errors
/// `too_long` where it has more.
pub(crate) fn objects<'a, R: Record<'a>>(
    text: &'a str,
    limits: &Limits,
    (len_max, too_long): (usize, Reason),
) -> Result<Vec<R>, Reject> {
    let failure = Cell::new(None);
    whole(text, Array { limits, failure: &failure, len_max, too_long, record: PhantomData }, &failure)
}

/// What `seed` makes of all of `text`; `failure` is where it says why it refuses.
pub(crate) fn whole<'a, S: DeserializeSeed<'a>>(
    text: &'a str,
    seed: S,
    failure: &Cell<Option<Reject>>,
) -> Result<S::Value, Reject> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = seed.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| {
        failure.take().unwrap_or_else(|| {
            Reject::whole(match error.classify() {
                Category::Data => Reason::WrongType,
                Category::Io | Category::Syntax | Category::Eof => Reason::NotJson,
            })
        })
    })
}

struct Object<'f, R> {
    limits: &'f Limits,
    /// Why our own rules refused; `serde`'s errors cannot carry it.
    failure: &'f Cell<Option<Reject>>,
    record: PhantomData<R>,
}

impl<'a, R: Record<'a>> DeserializeSeed<'a> for Object<'_, R> {
    type Value = R;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<R, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'a, R: Record<'a>> Visitor<'a> for Object<'_, R> {
    type Value = R;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<R, A::Error> {
        let mut record = R::default();
        while let Some(key) = members.next_key_seed(Key)? {
            let value = Value(members.next_value::<&'a RawValue>()?.get());
            if let Err(reject) = record.take(&key, value, self.limits) {
                self.failure.set(Some(reject));
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(record)
    }
}

struct Array<'f, R> {
    limits: &'f Limits,
    failure: &'f Cell<Option<Reject>>,
    len_max: usize,
    too_long: Reason,
    record: PhantomData<R>,
}

impl<'a, R: Record<'a>> DeserializeSeed<'a> for Array<'_, R> {
    type Value = Vec<R>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Vec<R>, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'a, R: Record<'a>> Visitor<'a> for Array<'_, R> {
    type Value = Vec<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<Vec<R>, A::Error> {
        let mut records = Vec::new();
        let element = || Object { limits: self.limits, failure: self.failure, record: PhantomData };
        while let Some(record) = elements.next_element_seed(element())? {
            if records.len() == self.len_max {
                self.failure.set(Some(Reject::whole(self.too_long)));
                return Err(A::Error::custom("refused"));
            }
            records.push(record);
        }
        Ok(records)
    }
}

/// A member's key, borrowed unless it is written with escapes.
pub(crate) struct Key;

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Cow<'a, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

impl<'a> Value<'a> {
    /// The value that was cut out.
    pub(crate) fn of(raw: &'a RawValue) -> Self {
        Self(raw.get())
    }

    /// Its JSON text.
    pub(crate) const fn json(self) -> &'a str {
        self.0
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self.0.as_bytes().first(), Some(b'-' | b'0'..=b'9'))
    }

    /// A number within its range, in our unit.
    pub(crate) fn quantity(self, quantity: &Quantity) -> Result<Option<i64>, Reject> {
        let number = self.number(quantity.name, quantity.min, quantity.max)?;
        Ok(number.and_then(|number| rounded(number * quantity.scale)))
    }

    /// A number within a range.
    pub(crate) fn number(self, name: &'static str, min: f64, max: f64) -> Result<Option<f64>, Reject> {
        if self.is_null() {
            return Ok(None);
        }
        if !self.is_number() {
            return Err(Reject::field(Reason::WrongType, name));
        }
        match self.0.parse::<f64>() {
            Ok(number) if number >= min && number <= max => Ok(Some(number)),
            _ => Err(Reject::field(Reason::OutOfRange, name)),
        }
    }

    /// A number, or a text that holds one.
    pub(crate) fn decimal(self, name: &'static str) -> Result<f64, Reject> {
        let number = if self.is_number() {
            self.0.parse::<f64>().ok()
        } else {
            self.text(name)?.and_then(|text| text.trim_ascii().parse::<f64>().ok())
        };
        number.ok_or(Reject::field(Reason::WrongType, name))
    }

    /// A number without a fraction that is not negative, as ids are.
    pub(crate) fn count(self, name: &'static str) -> Result<Option<u32>, Reject> {
        if self.is_null() {
            return Ok(None);
        }
        if !self.is_number() {
            return Err(Reject::field(Reason::WrongType, name));
        }
        u32::try_from(self.integer(name)?).map(Some).map_err(|_| Reject::field(Reason::OutOfRange, name))
    }

    /// A time: RFC 3339, or an integer in ms since the Unix epoch.
    pub(crate) fn time(self, name: &'static str) -> Result<Option<EventTime>, Reject> {
        Ok(self.time_ms(name, rfc3339::parse_ms, |ms| ms)?.map(EventTime::from_ms))
    }

    /// The time of a recording: as [`Self::time`], or in the forms that `mosquitto_sub` writes, which was an integer in
    /// seconds before its version 2.
    pub(crate) fn arrival_time(self, name: &'static str) -> Result<Option<ArrivalTime>, Reject> {
        let from_seconds = |number: i64| if number < *TIME_MS.start() { number.saturating_mul(1000) } else { number };
        Ok(self.time_ms(name, rfc3339::parse_recorded_ms, from_seconds)?.map(ArrivalTime::from_ms))
    }

    fn time_ms(
        self,
        name: &'static str,
        ms_from_text: fn(&str) -> Option<i64>,
        ms_from_integer: fn(i64) -> i64,
    ) -> Result<Option<i64>, Reject> {
        let ms = if self.is_number() {
            ms_from_integer(self.integer(name)?)
        } else {
            let Some(text) = self.text(name)? else { return Ok(None) };
            ms_from_text(&text).ok_or(Reject::field(Reason::BadTime, name))?
        };
        if TIME_MS.contains(&ms) { Ok(Some(ms)) } else { Err(Reject::field(Reason::OutOfRange, name)) }
    }

    /// A number without a fraction, however it is written: JSON knows no other integers.
    fn integer(self, name: &'static str) -> Result<i64, Reject> {
        if let Ok(integer) = self.0.parse::<i64>() {
            return Ok(integer);
        }
        let number = self.0.parse::<f64>().unwrap_or(f64::NAN);
        if number.fract() == 0.0 {
            rounded(number).ok_or(Reject::field(Reason::OutOfRange, name))
        } else if number.is_finite() {
            Err(Reject::field(Reason::WrongType, name))
        } else {
            Err(Reject::field(Reason::OutOfRange, name))
        }
    }

    /// A text of any length, which may be empty.
    pub(crate) fn text(self, name: &'static str) -> Result<Option<Cow<'a, str>>, Reject> {
        if self.is_null() {
            return Ok(None);
        }
        let [b'"', .., b'"'] = self.0.as_bytes() else {
            return Err(Reject::field(Reason::WrongType, name));
        };
        let inner = &self.0[1..self.0.len() - 1];
        if quick::text_end(self.0.as_bytes(), 0) == Some(self.0.len()) {
            return Ok(Some(Cow::Borrowed(inner)));
        }
        // Half of a surrogate pair passes as JSON but is no text.
        let text = serde_json::from_str(self.0).map_err(|_| Reject::field(Reason::NotJson, name))?;
        Ok(Some(Cow::Owned(text)))
    }

    /// A text of at most so many bytes, which may be empty.
    pub(crate) fn short(self, name: &'static str, bytes_max: usize) -> Result<Option<Cow<'a, str>>, Reject> {
        match self.text(name)? {
            Some(text) if text.len() > bytes_max => Err(Reject::field(Reason::TooLongText, name)),
            text => Ok(text),
        }
    }

    /// One of a closed set of names.
    pub(crate) fn one_of<T>(
        self,
        name: &'static str,
        from_name: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Reject> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        from_name(&text).map(Some).ok_or(Reject::field(Reason::UnknownValue, name))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(self, name: &'static str) -> Result<Option<bool>, Reject> {
        match self.0 {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            "null" => Ok(None),
            _ => Err(Reject::field(Reason::WrongType, name)),
        }
    }

    /// The text of an array.
    pub(crate) fn array(self, name: &'static str) -> Result<Option<&'a str>, Reject> {
        match self.0.as_bytes().first() {
            Some(b'[') => Ok(Some(self.0)),
            _ if self.is_null() => Ok(None),
            _ => Err(Reject::field(Reason::WrongType, name)),
        }
    }

    /// How deep objects and arrays are nested in it; 0 for anything else.
    pub(crate) fn depth(self) -> usize {
        if !matches!(self.0.as_bytes().first(), Some(b'{' | b'[')) {
            return 0;
        }
        let (mut depth, mut depth_max, mut in_text, mut escaped) = (0_usize, 0, false, false);
        for byte in self.0.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                b'{' | b'[' if !in_text => {
                    depth += 1;
                    depth_max = depth_max.max(depth);
                }
                b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        depth_max
    }
}
