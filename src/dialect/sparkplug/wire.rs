//! The Protocol Buffers form of Sparkplug B payloads, as much of it as is used: read field by field out of borrowed
//! bytes, without recursion and without allocating for what is skipped. Must never trust a length.

use crate::dialect::{Limits, Reason, Reject};

const BROKEN: Reject = Reject::whole(Reason::NotProtobuf);

/// Bytes of a variable-length integer at most.
const VARINT_BYTES_MAX: usize = 10;

/// Room for so many metrics is made at first.
const METRICS_USUAL: usize = 8;

/// What a payload holds.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub struct Payload<'a> {
    pub timestamp: Option<u64>,
    pub seq: Option<u64>,
    pub metrics: Vec<Metric<'a>>,
}

/// One metric.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub struct Metric<'a> {
    pub name: Option<&'a str>,
    pub alias: Option<u64>,
    pub timestamp: Option<u64>,
    pub datatype: u32,
    pub is_null: bool,
    /// The property `engUnit`.
    pub unit: Option<&'a str>,
    pub value: Value<'a>,
}

/// A metric's value as it lies on the wire; the data type says what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Value<'a> {
    #[default]
    None,
    Int(u32),
    Long(u64),
    Float(f32),
    Double(f64),
    Boolean(bool),
    Text(&'a str),
    /// A data set, a template or bytes.
    Composite,
}

enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Wire<'a>)>, Reject> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| BROKEN)?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| BROKEN)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| BROKEN)?)),
            _ => return Err(BROKEN),
        };
        Ok(Some((key >> 3, wire)))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Reject> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(BROKEN)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Keys and most values have one byte.
    #[inline]
    fn varint(&mut self) -> Result<u64, Reject> {
        match self.0 {
            [byte, rest @ ..] if byte & 0x80 == 0 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Reject> {
        let mut value = 0_u64;
        for (place, &byte) in self.0.iter().enumerate().take(VARINT_BYTES_MAX) {
            if place == VARINT_BYTES_MAX - 1 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.0 = self.0.get(place + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(BROKEN)
    }
}

impl<'a> Payload<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Reject`] where it is none, or holds more than the limits allow.
    pub fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, Reject> {
        let mut payload = Self::default();
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Wire::Varint(timestamp)) => payload.timestamp = Some(timestamp),
                (2, Wire::Bytes(metric)) => {
                    if payload.metrics.len() >= limits.array_len_max {
                        return Err(Reject::field(Reason::TooLongArray, "metrics"));
                    }
                    if payload.metrics.is_empty() {
                        payload.metrics.reserve(METRICS_USUAL);
                    }
                    payload.metrics.push(Metric::read(metric, limits)?);
                }
                (3, Wire::Varint(seq)) => payload.seq = Some(seq),
                (1..=3, _) => return Err(BROKEN),
                _ => {}
            }
        }
        Ok(payload)
    }
}

impl<'a> Metric<'a> {
    fn read(bytes: &'a [u8], limits: &Limits) -> Result<Self, Reject> {
        let mut metric = Self::default();
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Wire::Bytes(name)) => metric.name = Some(text(name, "name", limits)?),
                (2, Wire::Varint(alias)) => metric.alias = Some(alias),
                (3, Wire::Varint(timestamp)) => metric.timestamp = Some(timestamp),
                (4, Wire::Varint(datatype)) => metric.datatype = u32::try_from(datatype).map_err(|_| BROKEN)?,
                (7, Wire::Varint(is_null)) => metric.is_null = is_null != 0,
                (9, Wire::Bytes(properties)) => metric.unit = unit(properties, limits)?,
                (10, Wire::Varint(value)) => metric.value = Value::Int(value as u32),
                (11, Wire::Varint(value)) => metric.value = Value::Long(value),
                (12, Wire::Fixed32(bits)) => metric.value = Value::Float(f32::from_bits(bits)),
                (13, Wire::Fixed64(bits)) => metric.value = Value::Double(f64::from_bits(bits)),
                (14, Wire::Varint(value)) => metric.value = Value::Boolean(value != 0),
                (15, Wire::Bytes(value)) => metric.value = Value::Text(text(value, "string_value", limits)?),
                (16..=18, Wire::Bytes(_)) => metric.value = Value::Composite,
                (1..=4 | 7 | 9..=18, _) => return Err(BROKEN),
                _ => {}
            }
        }
        Ok(metric)
    }

    /// Its value as a number; `None` where it has none.
    ///
    /// # Errors
    /// [`Reason::WrongType`] where it is no number.
    pub fn number(&self, name: &'static str) -> Result<Option<f64>, Reject> {
        if self.is_null {
            return Ok(None);
        }
        #[expect(clippy::cast_precision_loss, reason = "what is beyond 2^53 is out of every quantity's range")]
        Ok(Some(match (self.value, self.datatype) {
            (Value::Int(bits), 1) => f64::from(bits as u8 as i8),
            (Value::Int(bits), 2) => f64::from(bits as u16 as i16),
            (Value::Int(bits), 3) => f64::from(bits as i32),
            (Value::Int(value), _) => f64::from(value),
            (Value::Long(bits), 4) => bits as i64 as f64,
            (Value::Long(value), _) => value as f64,
            (Value::Float(value), _) => f64::from(value),
            (Value::Double(value), _) => value,
            _ => return Err(Reject::field(Reason::WrongType, name)),
        }))
    }
}

/// The value of the property `engUnit` in a set of properties: keys and values stand in two lists of the same order.
fn unit<'a>(properties: &'a [u8], limits: &Limits) -> Result<Option<&'a str>, Reject> {
    let (mut place, mut keys, mut values) = (None, 0, 0);
    let mut fields = Fields(properties);
    while let Some(field) = fields.next()? {
        if let (1, Wire::Bytes(key)) = field {
            if key == b"engUnit" {
                place = Some(keys);
            }
            keys += 1;
        }
    }
    let mut fields = Fields(properties);
    while let Some(field) = fields.next()? {
        if let (2, Wire::Bytes(value)) = field {
            if Some(values) == place {
                return property_text(value, limits);
            }
            values += 1;
        }
    }
    Ok(None)
}

fn property_text<'a>(value: &'a [u8], limits: &Limits) -> Result<Option<&'a str>, Reject> {
    let mut fields = Fields(value);
    let mut found = None;
    while let Some(field) = fields.next()? {
        if let (8, Wire::Bytes(bytes)) = field {
            found = Some(text(bytes, "engUnit", limits)?);
        }
    }
    Ok(found)
}

fn text<'a>(bytes: &'a [u8], name: &'static str, limits: &Limits) -> Result<&'a str, Reject> {
    if bytes.len() > limits.text_bytes_max {
        return Err(Reject::field(Reason::TooLongText, name));
    }
    std::str::from_utf8(bytes).map_err(|_| Reject::field(Reason::NotUtf8, name))
}

/// A payload that asks an edge node to say everything anew.
#[must_use]
pub fn rebirth_request(timestamp_ms: u64) -> Vec<u8> {
    const NAME: &[u8] = b"Node Control/Rebirth";
    const BOOLEAN: u8 = 11;
    let mut metric = vec![1 << 3 | 2, NAME.len() as u8];
    metric.extend_from_slice(NAME);
    metric.extend_from_slice(&[4 << 3, BOOLEAN, 14 << 3, 1]);
    let mut payload = vec![1 << 3];
    let mut rest = timestamp_ms;
    while rest >= 0x80 {
        payload.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    payload.push(rest as u8);
    payload.extend_from_slice(&[2 << 3 | 2, metric.len() as u8]);
    payload.extend_from_slice(&metric);
    payload
}
