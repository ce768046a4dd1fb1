//! Reads nested JSON in one pass: members and elements are handed over as they are met, and only leaves are cut out of
//! the text and read by the wire's own rules. A frame of OCPP holds readings four levels deep, and cutting each level out
//! before it is read would scan it four times. Must never recurse by what the input holds.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialect::json::{Key, Value};
use crate::dialect::{Limits, Reason, Reject};

/// What the members of an object are gathered in. Of a member that comes twice the last one counts.
pub(super) trait Members<'a>: Default {
    /// Takes one member, by exactly one call of what `from` offers.
    fn member<A: MapAccess<'a>>(&mut self, key: &str, from: From<'_, '_, A>) -> Result<(), A::Error>;
}

/// What every part of the reading knows.
#[derive(Clone, Copy)]
pub(super) struct Context<'f> {
    pub limits: &'f Limits,
    /// Why our own rules refused; `serde`'s errors cannot carry it.
    pub failure: &'f Cell<Option<Reject>>,
    /// How deep the object lies that is being read; 1 is the message itself.
    pub depth: usize,
}

impl<'f> Context<'f> {
    pub(super) const fn new(limits: &'f Limits, failure: &'f Cell<Option<Reject>>) -> Self {
        Self { limits, failure, depth: 1 }
    }

    /// The same, so many levels further down.
    pub(super) const fn below(self, levels: usize) -> Self {
        Self { depth: self.depth + levels, ..self }
    }

    /// Our refusal as an error of `serde`.
    pub(super) fn refuse<E: serde::de::Error>(&self, reject: Reject) -> E {
        self.failure.set(Some(reject));
        E::custom("refused")
    }

    /// What one of our own rules says of a value.
    pub(super) fn judged<T, E: serde::de::Error>(&self, read: Result<T, Reject>) -> Result<T, E> {
        read.map_err(|reject| self.refuse(reject))
    }

    /// Checks what is not read further.
    pub(super) fn pass<E: serde::de::Error>(&self, value: Value<'_>) -> Result<(), E> {
        if self.depth + value.depth() > self.limits.depth_max {
            return Err(self.refuse(Reject::whole(Reason::TooDeep)));
        }
        Ok(())
    }
}

/// The value of a member that is still to be read.
pub(super) struct From<'m, 'f, A> {
    map: &'m mut A,
    context: Context<'f>,
}

impl<'f, A> From<'_, 'f, A> {
    /// How much a message may hold.
    pub(super) const fn limits(&self) -> &'f Limits {
        self.context.limits
    }
}

impl<'a, A: MapAccess<'a>> From<'_, '_, A> {
    /// Reads it as a leaf.
    pub(super) fn leaf<T>(self, read: impl FnOnce(Value<'a>) -> Result<T, Reject>) -> Result<T, A::Error> {
        let value = Value::of(self.map.next_value::<&'a RawValue>()?);
        self.context.judged(read(value))
    }

    /// Passes over it.
    pub(super) fn skip(self) -> Result<(), A::Error> {
        let value = Value::of(self.map.next_value::<&'a RawValue>()?);
        self.context.pass(value)
    }

    /// Reads it as an object; `None` where it is null.
    pub(super) fn object<R: Members<'a>>(self) -> Result<Option<R>, A::Error> {
        self.map.next_value_seed(Object { context: self.context.below(1), record: PhantomData })
    }

    /// Reads it as an array of objects, each of which is given to `take`. Null is an empty one.
    pub(super) fn each<R: Members<'a>>(self, take: impl FnMut(R) -> Result<(), Reject>) -> Result<(), A::Error> {
        self.map.next_value_seed(Each { context: self.context.below(1), take, record: PhantomData })
    }
}

/// An object, or null.
pub(super) struct Object<'f, R> {
    context: Context<'f>,
    record: PhantomData<R>,
}

impl<'f, R> Object<'f, R> {
    /// An object that lies as deep as the context says.
    pub(super) const fn new(context: Context<'f>) -> Self {
        Self { context, record: PhantomData }
    }
}

impl<'a, R: Members<'a>> DeserializeSeed<'a> for Object<'_, R> {
    type Value = Option<R>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Option<R>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a, R: Members<'a>> Visitor<'a> for Object<'_, R> {
    type Value = Option<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Option<R>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Option<R>, A::Error> {
        members(map, self.context, R::default()).map(Some)
    }
}

/// Gathers all members of an object.
pub(super) fn members<'a, A: MapAccess<'a>, R: Members<'a>>(
    mut map: A,
    context: Context<'_>,
    mut record: R,
) -> Result<R, A::Error> {
    if context.depth > context.limits.depth_max {
        return Err(context.refuse(Reject::whole(Reason::TooDeep)));
    }
    while let Some(key) = map.next_key_seed(Key)? {
        record.member(&key, From { map: &mut map, context })?;
    }
    Ok(record)
}

struct Each<'f, F, R> {
    context: Context<'f>,
    take: F,
    record: PhantomData<R>,
}

impl<'a, R: Members<'a>, F: FnMut(R) -> Result<(), Reject>> DeserializeSeed<'a> for Each<'_, F, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a, R: Members<'a>, F: FnMut(R) -> Result<(), Reject>> Visitor<'a> for Each<'_, F, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let context = self.context;
        let mut count = 0;
        while let Some(record) = elements.next_element_seed(Object::<R>::new(context.below(1)))? {
            count += 1;
            if count > context.limits.array_len_max {
                return Err(context.refuse(Reject::whole(Reason::TooLongArray)));
            }
            let record = record.ok_or(Reject::whole(Reason::WrongType));
            context.judged(record.and_then(&mut self.take))?;
        }
        Ok(())
    }
}
