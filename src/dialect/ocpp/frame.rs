//! The frame around a message: the arrays of OCPP-J, `[2,"id","Action",{..}]` and its answers, or an object with the same
//! parts as gateways write it (MaEVe and its like). What the action is stands before the payload in both as they are
//! written, so that the payload is read where it stands; an object whose members come in another order is read too.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::members::{Context, Members, Object};
use super::message::{Answer, Message, Unread};
use super::words;
use crate::dialect::json::{self, Key, Value};
use crate::dialect::{Limits, Reason, Reject};

/// A frame.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// What ties an answer to its call.
    pub id: Cow<'a, str>,
    pub message: Message<'a>,
    /// The station that the frame itself names beside its payload, where it does.
    pub station: Option<Cow<'a, str>>,
}

/// What kind of frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Call,
    Answer,
    Failure,
}

/// Reads a frame.
///
/// # Errors
/// [`Reject`] where it is none, or its payload cannot be read whole.
pub(super) fn read<'a>(text: &'a str, limits: &Limits) -> Result<Frame<'a>, Reject> {
    let failure = Cell::new(None);
    json::whole(text, Whole { context: Context::new(limits, &failure) }, &failure)
}

fn kind(value: Value<'_>) -> Result<Kind, Reject> {
    Ok(match value.count("type")? {
        // A call without an answer (2.1) is a call all the same.
        Some(2 | 6) => Kind::Call,
        Some(3) => Kind::Answer,
        Some(4 | 5) => Kind::Failure,
        Some(_) => return Err(Reject::field(Reason::UnknownValue, "type")),
        None => return Err(Reject::field(Reason::MissingField, "type")),
    })
}

struct Whole<'f> {
    context: Context<'f>,
}

impl<'a> DeserializeSeed<'a> for Whole<'_> {
    type Value = Frame<'a>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Frame<'a>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Whole<'_> {
    type Value = Frame<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame of OCPP")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut parts: A) -> Result<Frame<'a>, A::Error> {
        let context = self.context;
        let mut leaf = |name| match parts.next_element::<&'a RawValue>()? {
            Some(raw) => Ok(Value::of(raw)),
            None => Err(context.refuse(Reject::field(Reason::MissingField, name))),
        };
        let kind = context.judged(kind(leaf("type")?))?;
        let id = context.judged(leaf("id")?.text("id"))?.unwrap_or_default();
        let action = if kind == Kind::Call {
            context.judged(leaf("action")?.text("action"))?.unwrap_or_default()
        } else {
            Cow::Borrowed("")
        };
        let message = if kind == Kind::Failure {
            while let Some(raw) = parts.next_element::<&'a RawValue>()? {
                context.pass::<A::Error>(Value::of(raw))?;
            }
            Message::Failure
        } else {
            let payload = Payload { kind, action: &action, context: context.below(1) };
            let message = parts.next_element_seed(payload)?;
            message.ok_or_else(|| context.refuse(Reject::field(Reason::MissingField, "payload")))?
        };
        if parts.next_element::<IgnoredAny>()?.is_some() {
            return Err(context.refuse(Reject::whole(Reason::WrongType)));
        }
        Ok(Frame { id, message, station: None })
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Frame<'a>, A::Error> {
        let context = self.context;
        let mut parts = Envelope::default();
        while let Some(key) = map.next_key_seed(Key)? {
            match (&*key, parts.kind, &parts.action) {
                ("request" | "payload", Some(Kind::Call), Some(action)) => {
                    let payload = Payload { kind: Kind::Call, action, context: context.below(1) };
                    parts.message = Some(map.next_value_seed(payload)?);
                }
                ("response" | "payload", Some(Kind::Answer), _) => {
                    let payload = Payload { kind: Kind::Answer, action: "", context: context.below(1) };
                    parts.message = Some(map.next_value_seed(payload)?);
                }
                (key, ..) => {
                    let value = Value::of(map.next_value::<&'a RawValue>()?);
                    context.judged(parts.take(key, value, &context))?;
                }
            }
        }
        context.judged(parts.frame(&context))
    }
}

/// The parts of a frame that is an object.
#[derive(Default)]
struct Envelope<'a> {
    kind: Option<Kind>,
    id: Option<Cow<'a, str>>,
    action: Option<Cow<'a, str>>,
    message: Option<Message<'a>>,
    /// A payload that came before it was known of which action it is.
    early: Option<Value<'a>>,
    station: Option<Cow<'a, str>>,
}

impl<'a> Envelope<'a> {
    fn take(&mut self, key: &str, value: Value<'a>, context: &Context<'_>) -> Result<(), Reject> {
        match key {
            "type" | "messageTypeId" | "messageType" => self.kind = Some(kind(value)?),
            "id" | "messageId" | "uniqueId" => self.id = value.text("id")?,
            "action" => self.action = value.text("action")?,
            "request" | "response" | "payload" if !value.is_null() => self.early = Some(value),
            "chargePointId"
            | "chargingStationId"
            | "stationId"
            | "charge_point_id"
            | "charging_station_id"
            | "station_id" => self.station = value.short("station", context.limits.id_bytes_max)?,
            _ if context.depth + value.depth() > context.limits.depth_max => {
                return Err(Reject::whole(Reason::TooDeep));
            }
            _ => {}
        }
        Ok(())
    }

    fn frame(self, context: &Context<'_>) -> Result<Frame<'a>, Reject> {
        let missing = |name| Reject::field(Reason::MissingField, name);
        let kind = self.kind.ok_or(missing("type"))?;
        let message = match (kind, self.message, self.early) {
            (Kind::Failure, ..) => Message::Failure,
            (_, Some(message), _) => message,
            (Kind::Call, None, _) if self.action.is_none() => return Err(missing("action")),
            (_, None, Some(value)) => {
                let action = self.action.as_deref().unwrap_or_default();
                let failure = Cell::new(None);
                let inner = Context { failure: &failure, ..context.below(1) };
                json::whole(value.json(), Payload { kind, action, context: inner }, &failure)?
            }
            (Kind::Call, None, None) => return Err(missing("request")),
            (Kind::Answer, None, None) => Message::Answer(Answer::default()),
        };
        Ok(Frame { id: self.id.unwrap_or_default(), message, station: self.station })
    }
}

/// What a frame carries.
struct Payload<'p, 'f> {
    kind: Kind,
    action: &'p str,
    context: Context<'f>,
}

impl<'a> DeserializeSeed<'a> for Payload<'_, '_> {
    type Value = Message<'a>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Message<'a>, D::Error> {
        let context = self.context;
        fn object<'a, D: Deserializer<'a>, R: Members<'a>>(reader: D, context: Context<'_>) -> Result<R, D::Error> {
            Object::<R>::new(context).deserialize(reader).map(Option::unwrap_or_default)
        }
        if self.kind == Kind::Answer {
            return object(reader, context).map(Message::Answer);
        }
        match self.action {
            "StatusNotification" => object(reader, context).map(Message::Status),
            "MeterValues" => object(reader, context).map(Message::Meter),
            "StartTransaction" => object(reader, context).map(Message::Start),
            "StopTransaction" => object(reader, context).map(Message::Stop),
            "TransactionEvent" => object(reader, context).map(Message::Event),
            "NotifyEvent" => object(reader, context).map(Message::Notify),
            other => {
                let _unread: Unread = object(reader, context)?;
                Ok(if words::is_of_station(other) { Message::Alive } else { Message::Nothing })
            }
        }
    }
}
