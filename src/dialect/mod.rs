//! From messages to observations: one file per payload dialect. A dialect yields what a whole message says, or a
//! [`Reject`] and nothing at all. It must never panic, do IO, read a clock, or know of the aggregator.

pub mod cec102;
pub mod describe;
pub(crate) mod json;
pub mod lenient;
pub mod mapping;
pub mod meter;
pub mod native;
pub mod ocpp;
pub mod privacy;
mod quick;
mod remembered;
pub mod sparkplug;
pub mod stations;
pub mod ykc;

use std::fmt;

use chargetally_core::config::SourceIndex;
use chargetally_core::observation::{Observation, StationKey};
use chargetally_core::pack::Damaged;
use chargetally_core::time::ArrivalTime;

use crate::topic::ID_BYTES_MAX;

/// A dialect that stations speak. A closed set: what is decoded for each message is known at compile time.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// The project's own topics and JSON.
    Native(native::Native),
    /// What a mapping describes.
    Mapping(mapping::Mapping),
    /// Sparkplug B.
    Sparkplug(sparkplug::Sparkplug),
    /// OCPP as gateways relay it.
    Ocpp(ocpp::Ocpp),
    /// T/CEC 102.
    Cec102(cec102::Cec102),
    /// YKC.
    Ykc(ykc::Ykc),
}

impl Dialect {
    /// Gives everything that one message says to `sink`, in the message's order; or nothing at all, and why.
    ///
    /// `arrival` stands in where the payload carries no time; `retained` is whether the broker replayed the message
    /// from its retained store.
    ///
    /// # Errors
    /// [`Reject`] where the message cannot be read whole; it is to be counted, and is no reason to stop.
    pub fn decode(
        &mut self,
        topic: &str,
        payload: &[u8],
        arrival: ArrivalTime,
        retained: bool,
        limits: &Limits,
        sink: &mut impl FnMut(StationKey<'_>, Observation<'_>),
    ) -> Result<(), Reject> {
        match self {
            Self::Native(native) => native.decode(topic, payload, retained, limits, sink),
            Self::Mapping(mapping) => mapping.decode(topic, payload, arrival, retained, limits, sink),
            Self::Sparkplug(sparkplug) => sparkplug.decode(topic, payload, arrival, retained, limits, sink),
            Self::Ocpp(ocpp) => ocpp.decode(topic, payload, arrival, retained, limits, sink),
            Self::Cec102(cec102) => cec102.decode(topic, payload, arrival, retained, limits, sink),
            Self::Ykc(ykc) => ykc.decode(topic, payload, arrival, retained, limits, sink),
        }
    }

    /// Gives what is remembered of every station whose memory changed since this was last asked, packed. A dialect
    /// without memory has nothing to give; empty bytes say that the station is forgotten.
    pub fn changed_memory(&mut self, sink: &mut impl FnMut(StationKey<'_>, &[u8])) {
        match self {
            Self::Native(_) => {}
            Self::Mapping(mapping) => mapping.changed_memory(sink),
            Self::Sparkplug(sparkplug) => sparkplug.changed_memory(sink),
            Self::Ocpp(ocpp) => ocpp.changed_memory(sink),
            Self::Cec102(cec102) => cec102.changed_memory(sink),
            Self::Ykc(ykc) => ykc.changed_memory(sink),
        }
    }

    /// Gives the messages that the dialect wants sent to stations, each with its topic: requests to say anew what its
    /// memory lacks. Who decodes without publishing may drop them; they are made again when they are needed.
    pub fn take_requests(&mut self) -> Vec<Request> {
        match self {
            Self::Native(_) | Self::Mapping(_) | Self::Ocpp(_) | Self::Cec102(_) | Self::Ykc(_) => Vec::new(),
            Self::Sparkplug(sparkplug) => sparkplug.take_requests(),
        }
    }

    /// Takes back what [`Self::changed_memory`] gave of one station.
    ///
    /// # Errors
    /// [`Damaged`] where the bytes are none that it gives; nothing is taken then.
    pub fn restore_memory(&mut self, key: StationKey<'_>, packed: &[u8]) -> Result<(), Damaged> {
        match self {
            Self::Native(_) => Ok(()),
            Self::Mapping(mapping) => mapping.restore_memory(key, packed),
            Self::Sparkplug(sparkplug) => sparkplug.restore_memory(key, packed),
            Self::Ocpp(ocpp) => ocpp.restore_memory(key, packed),
            Self::Cec102(cec102) => cec102.restore_memory(key, packed),
            Self::Ykc(ykc) => ykc.restore_memory(key, packed),
        }
    }

    /// Whether a topic belongs to this dialect's tree.
    #[must_use]
    pub fn owns(&self, topic: &str) -> bool {
        match self {
            Self::Native(native) => native.root().holds(topic),
            Self::Mapping(mapping) => mapping.owns(topic),
            Self::Sparkplug(sparkplug) => sparkplug.owns(topic),
            Self::Ocpp(ocpp) => ocpp.owns(topic),
            Self::Cec102(cec102) => cec102.owns(topic),
            Self::Ykc(ykc) => ykc.owns(topic),
        }
    }

    /// Whether some topics name an operator and no station: what is remembered of an operator's connectors is needed for
    /// any of them, so that messages are to be spread over workers by operator.
    #[must_use]
    pub fn speaks_of_operators(&self) -> bool {
        match self {
            Self::Native(_) | Self::Mapping(_) | Self::Sparkplug(_) | Self::Ocpp(_) => false,
            Self::Cec102(cec102) => cec102.speaks_of_operators(),
            Self::Ykc(ykc) => ykc.speaks_of_operators(),
        }
    }

    /// What of a refused payload people may see, at most so many bytes: families that name drivers show only what is known
    /// to hold nothing about a person.
    #[must_use]
    pub fn shown(&self, payload: &[u8], bytes_max: usize) -> Vec<u8> {
        match self {
            Self::Native(_) | Self::Mapping(_) | Self::Sparkplug(_) | Self::Ocpp(_) => {
                payload[..payload.len().min(bytes_max)].to_vec()
            }
            Self::Cec102(_) => cec102::Cec102::shown(payload, bytes_max),
            Self::Ykc(_) => ykc::Ykc::shown(payload, bytes_max),
        }
    }

    /// The station that a topic names, or its source where the topic does not: what the message is spread over workers by.
    /// The station is empty where the topic names an operator alone.
    #[must_use]
    pub fn station_of<'a>(&'a self, topic: &'a str, limits: &Limits) -> Option<StationKey<'a>> {
        match self {
            Self::Native(native) => {
                let topic = native.root().parse_in(topic, limits.id_bytes_max).ok()?;
                Some(StationKey { operator: topic.operator, station: topic.station })
            }
            Self::Mapping(mapping) => mapping.station_of(topic, limits),
            Self::Sparkplug(sparkplug) => sparkplug.station_of(topic, limits),
            Self::Ocpp(ocpp) => ocpp.station_of(topic, limits),
            Self::Cec102(cec102) => cec102.station_of(topic, limits),
            Self::Ykc(ykc) => ykc.station_of(topic, limits),
        }
    }

    /// The topic filters to subscribe to, in the given provinces, or in all where none is given; `share` names the
    /// group of a shared subscription.
    #[must_use]
    pub fn filters(&self, provinces: &[u8], share: Option<&str>) -> Vec<String> {
        match self {
            Self::Native(native) => native.root().in_filters(provinces, share),
            // Most of these topics are retained, and a broker sends no retained message to a shared subscription.
            Self::Mapping(mapping) => mapping.filters(),
            // Nothing of it is retained, but a birth has to reach the same worker as the data after it.
            Self::Sparkplug(sparkplug) => sparkplug.filters(),
            // An answer has to reach the same worker as its call.
            Self::Ocpp(ocpp) => ocpp.filters(),
            // Master data are retained, and all of an operator has to reach the same worker.
            Self::Cec102(cec102) => cec102.filters(),
            Self::Ykc(ykc) => ykc.filters(),
        }
    }
}

/// A message that a dialect wants sent to a station.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub topic: String,
    /// What; not to be retained.
    pub payload: Vec<u8>,
}

/// The source whose topics a topic belongs to: the first whose dialect owns it.
#[must_use]
pub fn source_of(dialects: &[Dialect], topic: &str) -> Option<SourceIndex> {
    let place = dialects.iter().position(|dialect| dialect.owns(topic))?;
    u8::try_from(place).ok().map(SourceIndex)
}

/// How much one message may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest payload, bytes.
    pub payload_bytes_max: usize,
    /// Longest array of samples, elements.
    pub array_len_max: usize,
    /// Deepest nesting of objects and arrays; the message's own object counts.
    pub depth_max: usize,
    /// Longest id of an operator, station, equipment, connector or session, bytes.
    pub id_bytes_max: usize,
    /// Longest other text, bytes.
    pub text_bytes_max: usize,
    /// Most pieces of equipment in one station.
    pub equipment_max: usize,
    /// Most connectors in one station.
    pub connectors_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 262_144,
            array_len_max: 2_000,
            depth_max: 16,
            id_bytes_max: ID_BYTES_MAX,
            text_bytes_max: 1_024,
            equipment_max: 512,
            connectors_max: 1_000,
        }
    }
}

/// Why a message was refused, and for which field of it where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reject {
    /// Why.
    pub reason: Reason,
    /// The field's name on the wire.
    pub field: Option<&'static str>,
}

impl Reject {
    /// A refusal that speaks of the message as a whole.
    #[must_use]
    pub const fn whole(reason: Reason) -> Self {
        Self { reason, field: None }
    }

    /// A refusal for one field.
    #[must_use]
    pub const fn field(reason: Reason, field: &'static str) -> Self {
        Self { reason, field: Some(field) }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.name())?;
        self.field.map_or(Ok(()), |field| write!(f, ": {field}"))
    }
}

impl std::error::Error for Reject {}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// Why a message was refused. The names are stable: they label counters.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// All reasons; each stands at its own index.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in counters, logs and the topic of refused input.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// The topic has no form that the dialect knows.
    BadTopic "bad_topic",
    /// An id in the topic or the payload is longer than the limit.
    IdTooLong "id_too_long",
    /// An id holds characters that no topic may hold.
    BadId "bad_id",
    /// The payload has more bytes than the limit.
    TooLarge "too_large",
    /// The payload is not UTF-8.
    NotUtf8 "not_utf8",
    /// The payload is not well-formed JSON.
    NotJson "not_json",
    /// Objects and arrays are nested deeper than the limit.
    TooDeep "too_deep",
    /// An array of samples has more elements than the limit.
    TooLongArray "too_long_array",
    /// A text has more bytes than the limit.
    TooLongText "too_long_text",
    /// A text that must say something is empty.
    Empty "empty",
    /// The message has no time.
    MissingTs "missing_ts",
    /// Another required field is absent.
    MissingField "missing_field",
    /// A field, or the message, has another JSON type than it must have.
    WrongType "wrong_type",
    /// A number or a time lies outside of what can be.
    OutOfRange "out_of_range",
    /// A text is not the time or date that it must be.
    BadTime "bad_time",
    /// A text is none of the values that the field can have.
    UnknownValue "unknown_value",
    /// A text is no area code.
    BadArea "bad_area",
    /// Topic and payload disagree about where the station stands.
    IdentityMismatch "identity_mismatch",
    /// Two connectors, or two pieces of equipment, of a station have the same id.
    DuplicateId "duplicate_id",
    /// The station has more equipment or connectors than the limit.
    TooManyParts "too_many_parts",
    /// There are more stations than the source may have, or the dialect can remember.
    TooManyStations "too_many_stations",
    /// The source sends more messages a second than it may.
    TooManyMessages "too_many_messages",
    /// The payload is no Protocol Buffers message of the dialect.
    NotProtobuf "not_protobuf",
    /// A metric is named by an alias that no birth certificate gave.
    UnknownAlias "unknown_alias",
    /// A message ends or goes on with a transaction of which nothing is known, not even at which connector.
    UnknownTransaction "unknown_transaction",
    /// Neither topic nor payload names a station, and the connector's is not known yet.
    UnknownStation "unknown_station",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_distinct_snake_case_names_and_stand_at_their_index() {
        for (index, &reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert!(reason.name().bytes().all(|byte| byte.is_ascii_lowercase() || b"_8".contains(&byte)), "{reason}");
            assert!(Reason::ALL[..index].iter().all(|other| other.name() != reason.name()), "{reason}");
        }
    }

    #[test]
    fn a_refusal_names_its_field() {
        assert_eq!(Reject::field(Reason::WrongType, "soc_pct").to_string(), "wrong_type: soc_pct");
        assert_eq!(Reject::whole(Reason::NotJson).to_string(), "not_json");
    }
}
