//! State as bytes and back, for checkpoints: small integers take few bytes, fields stand in the order in which they are
//! listed, and every block begins with the version of its form. Reading never panics and never allocates more than the
//! bytes at hand justify, whatever they are; whether they are the bytes that were written is for a checksum to say,
//! which is the store's business. Nothing here does IO.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::alarm::{AlarmClass, Level};
use crate::observation::{SessionStop, StopReason};
use crate::region::{Area, Setting};
use crate::registration::{Access, Current, Scene, StationState};
use crate::scope::{Named, PowerClass};
use crate::state::State;
use crate::time::{Bucket, EventTime};
use crate::varint::{BYTES_MAX, MORE, fold, split, unfold};

/// What can be written as bytes and read back.
pub trait Pack: Sized {
    /// Appends this as bytes.
    fn pack(&self, out: &mut Vec<u8>);

    /// Reads what [`pack`](Self::pack) wrote.
    ///
    /// # Errors
    /// The bytes are none that `pack` writes, or end too early.
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged>;
}

/// Bytes that are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// What was to be read.
    pub what: &'static str,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "packed state is damaged: {}", self.what)
    }
}

impl std::error::Error for Damaged {}

/// Reads packed bytes from the front.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// The greatest magnitude of the signed integers read so far.
    greatest: u64,
}

impl<'a> Reader<'a> {
    /// A reader of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, greatest: 0 }
    }

    /// A reader of a block of this version.
    ///
    /// # Errors
    /// The block is empty, or of another version.
    pub fn of_version(bytes: &'a [u8], version: u8) -> Result<Self, Damaged> {
        let mut reader = Self::new(bytes);
        if reader.byte()? == version { Ok(reader) } else { Err(Damaged { what: "version" }) }
    }

    /// Bytes left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The greatest magnitude of the signed integers read so far.
    #[must_use]
    pub const fn greatest(&self) -> u64 {
        self.greatest
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Bytes are left over.
    pub const fn finish(self) -> Result<(), Damaged> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Damaged { what: "bytes left over" }) }
    }

    /// The next byte.
    ///
    /// # Errors
    /// None is left.
    pub fn byte(&mut self) -> Result<u8, Damaged> {
        let (&first, rest) = self.bytes.split_first().ok_or(Damaged { what: "end of bytes" })?;
        self.bytes = rest;
        Ok(first)
    }

    /// The next so many bytes.
    ///
    /// # Errors
    /// So many are not left.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(Damaged { what: "end of bytes" })?;
        self.bytes = rest;
        Ok(taken)
    }

    /// The next text, borrowed.
    ///
    /// # Errors
    /// It is cut off, or not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, Damaged> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Damaged { what: "text" })
    }

    /// A number of elements, each of which takes a byte at least.
    fn length(&mut self) -> Result<usize, Damaged> {
        let length = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
        if length <= self.bytes.len() { Ok(length) } else { Err(Damaged { what: "length" }) }
    }

    /// Nearly all integers are of one byte.
    #[inline]
    fn unsigned(&mut self) -> Result<u64, Damaged> {
        match self.bytes.split_first() {
            Some((&byte, rest)) if byte & MORE == 0 => {
                self.bytes = rest;
                Ok(u64::from(byte))
            }
            _ => self.long_unsigned(),
        }
    }

    fn long_unsigned(&mut self) -> Result<u64, Damaged> {
        let mut value = 0_u64;
        for place in 0..BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & !MORE);
            if place == BYTES_MAX - 1 && bits > 1 {
                break;
            }
            value |= bits << (7 * place);
            if byte & MORE == 0 {
                return Ok(value);
            }
        }
        Err(Damaged { what: "integer" })
    }

    fn signed(&mut self) -> Result<i64, Damaged> {
        let value = unfold(self.unsigned()?);
        self.greatest = self.greatest.max(value.unsigned_abs());
        Ok(value)
    }

    /// Room for so many elements, as far as the bytes left justify it.
    fn room<T>(&self, count: usize) -> usize {
        count.min(self.bytes.len() / size_of::<T>().max(1))
    }
}

/// Appends an unsigned integer.
fn write_unsigned(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(split(value, &mut [0; BYTES_MAX]));
}

/// Appends a text as its length and its bytes.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    write_unsigned(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Packs a struct by its fields, in this order; that none is left out is for the compiler to see.
macro_rules! pack_fields {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::pack::Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                $($crate::pack::Pack::pack(&self.$field, out);)*
            }
            fn unpack(reader: &mut $crate::pack::Reader<'_>) -> Result<Self, $crate::pack::Damaged> {
                Ok(Self { $($field: $crate::pack::Pack::unpack(reader)?),* })
            }
        }
    };
}
pub(crate) use pack_fields;

/// Packs an enum without content by the places of its variants in this list.
macro_rules! pack_enum {
    ($name:ident { $($variant:ident),* $(,)? }) => {
        impl $crate::pack::Pack for $name {
            fn pack(&self, out: &mut Vec<u8>) {
                out.push(match self { $(Self::$variant => Self::$variant as u8,)* });
            }
            fn unpack(reader: &mut $crate::pack::Reader<'_>) -> Result<Self, $crate::pack::Damaged> {
                let place = reader.byte()?;
                [$(Self::$variant),*]
                    .into_iter()
                    .find(|variant| *variant as u8 == place)
                    .ok_or($crate::pack::Damaged { what: stringify!($name) })
            }
        }
    };
}
pub(crate) use pack_enum;

macro_rules! pack_unsigned {
    ($($int:ty),*) => {$(
        impl Pack for $int {
            fn pack(&self, out: &mut Vec<u8>) {
                write_unsigned(u64::from(*self), out);
            }
            fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
                Self::try_from(reader.unsigned()?).map_err(|_| Damaged { what: stringify!($int) })
            }
        }
    )*};
}
pack_unsigned!(u8, u16, u32, u64);

macro_rules! pack_signed {
    ($($int:ty),*) => {$(
        impl Pack for $int {
            fn pack(&self, out: &mut Vec<u8>) {
                write_unsigned(fold(i64::from(*self)), out);
            }
            fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
                Self::try_from(reader.signed()?).map_err(|_| Damaged { what: stringify!($int) })
            }
        }
    )*};
}
pack_signed!(i32, i64);

impl Pack for bool {
    fn pack(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged { what: "bool" }),
        }
    }
}

impl Pack for f64 {
    fn pack(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bits().to_le_bytes());
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let bytes: [u8; 8] = reader.take(8)?.try_into().map_err(|_| Damaged { what: "f64" })?;
        Ok(Self::from_bits(u64::from_le_bytes(bytes)))
    }
}

impl Pack for Box<str> {
    fn pack(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        reader.text().map(Into::into)
    }
}

impl Pack for String {
    fn pack(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        reader.text().map(Into::into)
    }
}

impl<T: Pack> Pack for Box<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        T::pack(self, out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        T::unpack(reader).map(Self::new)
    }
}

impl<T: Pack> Pack for Option<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.is_some().pack(out);
        if let Some(value) = self {
            value.pack(out);
        }
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(if bool::unpack(reader)? { Some(T::unpack(reader)?) } else { None })
    }
}

impl<T: Pack> Pack for Vec<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        write_unsigned(self.len() as u64, out);
        for element in self {
            element.pack(out);
        }
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let count = reader.length()?;
        let mut elements = Self::with_capacity(reader.room::<T>(count));
        for _ in 0..count {
            elements.push(T::unpack(reader)?);
        }
        Ok(elements)
    }
}

impl<T: Pack> Pack for VecDeque<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        write_unsigned(self.len() as u64, out);
        for element in self {
            element.pack(out);
        }
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Vec::unpack(reader).map(Into::into)
    }
}

impl<K: Pack + Ord, V: Pack> Pack for BTreeMap<K, V> {
    fn pack(&self, out: &mut Vec<u8>) {
        write_unsigned(self.len() as u64, out);
        for (key, value) in self {
            key.pack(out);
            value.pack(out);
        }
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let mut map = Self::new();
        for _ in 0..reader.length()? {
            let (key, value) = <(K, V)>::unpack(reader)?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(Damaged { what: "order of keys" });
            }
            map.insert(key, value);
        }
        Ok(map)
    }
}

impl<T: Pack + Copy + Default, const N: usize> Pack for [T; N] {
    fn pack(&self, out: &mut Vec<u8>) {
        for element in self {
            element.pack(out);
        }
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let mut array = [T::default(); N];
        for element in &mut array {
            *element = T::unpack(reader)?;
        }
        Ok(array)
    }
}

impl<A: Pack, B: Pack> Pack for (A, B) {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
        self.1.pack(out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok((A::unpack(reader)?, B::unpack(reader)?))
    }
}

impl<A: Pack, B: Pack, C: Pack> Pack for (A, B, C) {
    fn pack(&self, out: &mut Vec<u8>) {
        self.0.pack(out);
        self.1.pack(out);
        self.2.pack(out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok((A::unpack(reader)?, B::unpack(reader)?, C::unpack(reader)?))
    }
}

impl Pack for EventTime {
    fn pack(&self, out: &mut Vec<u8>) {
        self.ms().pack(out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        i64::unpack(reader).map(Self::from_ms)
    }
}

impl Pack for Bucket {
    fn pack(&self, out: &mut Vec<u8>) {
        self.number().pack(out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        i32::unpack(reader).map(Self::from_number)
    }
}

/// By its digits, so that a county retired meanwhile is read as the one in force.
impl Pack for Area {
    fn pack(&self, out: &mut Vec<u8>) {
        self.to_string().pack(out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Self::parse(reader.text()?).map_err(|_| Damaged { what: "area" })
    }
}

/// By its name, so that the list of classes may grow anywhere.
impl Pack for AlarmClass {
    fn pack(&self, out: &mut Vec<u8>) {
        write_text(self.name(), out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Self::from_name(reader.text()?).ok_or(Damaged { what: "alarm class" })
    }
}

/// By its name, as alarm classes are.
impl Pack for StopReason {
    fn pack(&self, out: &mut Vec<u8>) {
        write_text(self.name(), out);
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Self::from_name(reader.text()?).ok_or(Damaged { what: "stop reason" })
    }
}

impl<T: Pack> Pack for Named<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Known(value) => {
                out.push(0);
                value.pack(out);
            }
            Self::Unknown => out.push(1),
            Self::Unregistered => out.push(2),
        }
    }
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(match reader.byte()? {
            0 => Self::Known(T::unpack(reader)?),
            1 => Self::Unknown,
            2 => Self::Unregistered,
            _ => return Err(Damaged { what: "property" }),
        })
    }
}

pack_enum!(State { Charging, Discharging, Occupied, Reserved, Available, Faulted, Unavailable, Offline, Unobserved });
pack_enum!(Level { Personal, Equipment, Notice });
pack_enum!(Access { Public, Dedicated, Private });
pack_enum!(Setting { Urban, Rural });
pack_enum!(Current { Ac, Dc });
pack_enum!(StationState { Operating, Maintenance, UnderConstruction, Closed });
pack_enum!(PowerClass { UpTo7Kw, UpTo30Kw, UpTo60Kw, UpTo120Kw, UpTo250Kw, UpTo480Kw, Above480Kw });
pack_enum!(Scene {
    Residential,
    PublicInstitution,
    Enterprise,
    Office,
    IndustrialPark,
    TransportHub,
    CultureSports,
    UrbanGreen,
    LargeBuilding,
    Roadside,
    HighwayServiceArea,
    Rural,
    Other
});
pack_fields!(SessionStop { reason, energy_j, billed_j, energy_fee_fen, service_fee_fen, disputed });

#[cfg(test)]
mod tests;
