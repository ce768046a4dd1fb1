//! The only place that knows how a topic is spelled: each topic is a type whose text and parse are inverses. Parsing
//! borrows from the text and allocates nothing, for it happens once per message. No other file may hold a topic
//! literal.

use std::fmt;

use chargetally_core::alarm::AlarmClass;
use chargetally_core::window::WindowKind;

use crate::scan;

/// Where the native dialect's topics begin, unless the settings say otherwise.
pub const IN_ROOT: &str = "ev/v1";
/// Where the daemon's own topics begin, unless the settings say otherwise.
pub const OUT_ROOT: &str = "chargetally/v1";
/// Longest id of an operator, station or connector, bytes, unless the settings say otherwise.
pub const ID_BYTES_MAX: usize = 64;
/// Longest root, bytes: with the longest ids a topic stays far below MQTT's 65 535.
pub const ROOT_BYTES_MAX: usize = 255;

/// How the region of stations that were never registered is spelled.
const UNKNOWN: &str = "unknown";

/// Why a text is no topic of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicError {
    /// It does not have the form of any topic under this root.
    Form,
    /// One of its ids is longer than the limit.
    IdTooLong,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "the topic has no known form",
            Self::IdTooLong => "an id in the topic is longer than the limit",
        })
    }
}

impl std::error::Error for TopicError {}

/// A topic that stations send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InTopic<'a> {
    /// 2-digit GB/T 2260 code.
    pub province: u8,
    /// Who runs the station.
    pub operator: &'a str,
    /// Unique within the operator.
    pub station: &'a str,
    /// What is sent there.
    pub kind: InKind<'a>,
}

/// What is sent to a topic, and for which connector where it is not for the station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum InKind<'a> {
    Info,
    Status,
    StationAlarm,
    Telemetry { connector: &'a str },
    Session { connector: &'a str },
    ConnectorAlarm { connector: &'a str },
}

/// A topic that the daemon publishes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutTopic<'a> {
    /// Summaries of one window kind and scope; retained.
    Summary {
        /// Which windows.
        window: WindowKind,
        /// Whom they speak of.
        scope: ScopeName<'a>,
    },
    /// One alarm, retained while it is raised.
    Alarm {
        /// 2-digit GB/T 2260 code.
        province: u8,
        /// Who runs the station.
        operator: &'a str,
        /// Unique within the operator.
        station: &'a str,
        /// `None` for the station as a whole: its level of the topic is empty, so that no connector can be meant.
        connector: Option<&'a str>,
        /// What it is about.
        class: AlarmClass,
    },
    /// A sample of refused input.
    Rejected,
    /// What became of all input since the daemon's start; retained.
    Counters,
    /// Whether the daemon runs; retained, and its last will.
    Status,
}

/// A scope by its code on the wire. Code 0 is the region of stations that were never registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the wire's own words")]
pub enum ScopeName<'a> {
    Nation,
    Province(u8),
    City(u16),
    County(u32),
    Operator(&'a str),
    Station { operator: &'a str, station: &'a str },
}

/// The levels that all topics of one side begin with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Root(Box<str>);

impl Root {
    /// A root of one or several levels, none of them empty, without wildcards or control characters and not beginning
    /// with `$`.
    ///
    /// # Errors
    /// [`TopicError`] where the text is none, or is longer than [`ROOT_BYTES_MAX`].
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        if text.starts_with('$') {
            return Err(TopicError::Form);
        }
        for level in text.split('/') {
            check_id(level, ROOT_BYTES_MAX)?;
        }
        if text.len() > ROOT_BYTES_MAX { Err(TopicError::IdTooLong) } else { Ok(Self(text.into())) }
    }

    /// The default root of what comes in.
    #[must_use]
    pub fn default_in() -> Self {
        Self(IN_ROOT.into())
    }

    /// The default root of what goes out.
    #[must_use]
    pub fn default_out() -> Self {
        Self(OUT_ROOT.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a topic lies under this root.
    #[must_use]
    pub fn holds(&self, topic: &str) -> bool {
        self.below(topic).is_ok()
    }

    /// The topic under this root that stations send to; its ids have 1 to `id_bytes_max` bytes.
    ///
    /// # Errors
    /// [`TopicError`] where it is none.
    pub fn parse_in<'a>(&self, topic: &'a str, id_bytes_max: usize) -> Result<InTopic<'a>, TopicError> {
        let below = self.below(topic)?;
        let (mut levels, mut count, mut start) = ([""; 5], 0, 0);
        for (at, byte) in below.bytes().enumerate() {
            if byte == b'/' {
                *levels.get_mut(count).ok_or(TopicError::Form)? = &below[start..at];
                (count, start) = (count + 1, at + 1);
            }
        }
        let (last, [province, operator, station, connector, _]) = (&below[start..], levels);
        let kind = match (count, last) {
            (3, "info") => InKind::Info,
            (3, "status") => InKind::Status,
            (3, "alarm") => InKind::StationAlarm,
            (4, "telemetry") => InKind::Telemetry { connector },
            (4, "session") => InKind::Session { connector },
            (4, "alarm") => InKind::ConnectorAlarm { connector },
            _ => return Err(TopicError::Form),
        };
        if !is_plain(below) {
            return Err(TopicError::Form);
        }
        let province = two_digits(province)?;
        for id in &levels[1..count] {
            check_length(id, id_bytes_max)?;
        }
        Ok(InTopic { province, operator, station, kind })
    }

    /// The text of a topic that stations send to.
    #[must_use]
    pub fn format_in(&self, topic: &InTopic<'_>) -> String {
        let InTopic { province, operator, station, kind } = *topic;
        let head = format_args!("{}/{province:02}/{operator}/{station}", self.0).to_string();
        match kind {
            InKind::Info => head + "/info",
            InKind::Status => head + "/status",
            InKind::StationAlarm => head + "/alarm",
            InKind::Telemetry { connector } => format!("{head}/{connector}/telemetry"),
            InKind::Session { connector } => format!("{head}/{connector}/session"),
            InKind::ConnectorAlarm { connector } => format!("{head}/{connector}/alarm"),
        }
    }

    /// The topic under this root that the daemon publishes to.
    ///
    /// # Errors
    /// [`TopicError`] where it is none.
    pub fn parse_out<'a>(&self, topic: &'a str, id_bytes_max: usize) -> Result<OutTopic<'a>, TopicError> {
        let mut levels = [""; 6];
        let mut count = 0;
        for level in self.below(topic)?.split('/') {
            *levels.get_mut(count).ok_or(TopicError::Form)? = level;
            count += 1;
        }
        match levels[..count] {
            ["status"] => Ok(OutTopic::Status),
            ["rejected"] => Ok(OutTopic::Rejected),
            ["counters"] => Ok(OutTopic::Counters),
            ["summary", window, ref scope @ ..] => {
                let window = WindowKind::from_name(window).ok_or(TopicError::Form)?;
                Ok(OutTopic::Summary { window, scope: ScopeName::parse(scope, id_bytes_max)? })
            }
            ["alarm", province, operator, station, connector, class] => {
                check_id(operator, id_bytes_max)?;
                check_id(station, id_bytes_max)?;
                if !connector.is_empty() {
                    check_id(connector, id_bytes_max)?;
                }
                Ok(OutTopic::Alarm {
                    province: two_digits(province)?,
                    operator,
                    station,
                    connector: Some(connector).filter(|connector| !connector.is_empty()),
                    class: AlarmClass::from_name(class).ok_or(TopicError::Form)?,
                })
            }
            _ => Err(TopicError::Form),
        }
    }

    /// The text of a topic that the daemon publishes to.
    #[must_use]
    pub fn format_out(&self, topic: &OutTopic<'_>) -> String {
        let root = &self.0;
        match *topic {
            OutTopic::Summary { window, scope } => format!("{root}/summary/{}/{scope}", window.name()),
            OutTopic::Alarm { province, operator, station, connector, class } => {
                let connector = connector.unwrap_or_default();
                format!("{root}/alarm/{province:02}/{operator}/{station}/{connector}/{class}")
            }
            OutTopic::Rejected => format!("{root}/rejected"),
            OutTopic::Counters => format!("{root}/counters"),
            OutTopic::Status => format!("{root}/status"),
        }
    }

    /// The filters that match all topics that stations send to, in the given provinces, or in all where none is given.
    ///
    /// Where `share` names a group, what changes often is subscribed to through it. Master data and station status
    /// never are: a broker sends no retained message to a shared subscription (MQTT 5.0, 4.8.2).
    #[must_use]
    pub fn in_filters(&self, provinces: &[u8], share: Option<&str>) -> Vec<String> {
        let retained = ["+/+/info", "+/+/status"];
        let flowing = ["+/+/alarm", "+/+/+/telemetry", "+/+/+/session", "+/+/+/alarm"];
        let share = share.map_or_else(String::new, |group| format!("$share/{group}/"));
        let root = &self.0;
        let mut filters = Vec::new();
        let mut add = |province: &str| {
            filters.extend(retained.map(|tail| format!("{root}/{province}/{tail}")));
            filters.extend(flowing.map(|tail| format!("{share}{root}/{province}/{tail}")));
        };
        if provinces.is_empty() {
            add("+");
        }
        for province in provinces {
            add(&format!("{province:02}"));
        }
        filters
    }

    /// The part of a topic below this root.
    fn below<'a>(&self, topic: &'a str) -> Result<&'a str, TopicError> {
        topic.strip_prefix(&*self.0).and_then(|rest| rest.strip_prefix('/')).ok_or(TopicError::Form)
    }

    /// Whether one of the two trees holds the other, so that a message could belong to both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let holds = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        holds(&self.0, &other.0) || holds(&other.0, &self.0)
    }
}

impl<'a> ScopeName<'a> {
    fn parse(levels: &[&'a str], id_bytes_max: usize) -> Result<Self, TopicError> {
        Ok(match *levels {
            ["nation"] => Self::Nation,
            ["province", code] => Self::Province(region(code, 2)? as u8),
            ["city", code] => Self::City(region(code, 4)? as u16),
            ["county", code] => Self::County(region(code, 6)?),
            ["operator", operator] => Self::Operator(check_id(operator, id_bytes_max)?),
            ["station", operator, station] => {
                Self::Station { operator: check_id(operator, id_bytes_max)?, station: check_id(station, id_bytes_max)? }
            }
            _ => return Err(TopicError::Form),
        })
    }
}

/// The level, and the code where it has one, as a topic spells them.
impl fmt::Display for ScopeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nation => f.write_str("nation"),
            Self::Province(0) => write!(f, "province/{UNKNOWN}"),
            Self::Province(code) => write!(f, "province/{code:02}"),
            Self::City(0) => write!(f, "city/{UNKNOWN}"),
            Self::City(code) => write!(f, "city/{code:04}"),
            Self::County(0) => write!(f, "county/{UNKNOWN}"),
            Self::County(code) => write!(f, "county/{code:06}"),
            Self::Operator(operator) => write!(f, "operator/{operator}"),
            Self::Station { operator, station } => write!(f, "station/{operator}/{station}"),
        }
    }
}

/// An id that can stand as one level of a topic: 1 to `bytes_max` bytes without `/`, `+`, `#` or control characters.
///
/// # Errors
/// [`TopicError`] where it cannot.
pub fn check_id(id: &str, bytes_max: usize) -> Result<&str, TopicError> {
    check_length(id, bytes_max)?;
    if is_plain_id(id.as_bytes()) || (!id.as_bytes().contains(&b'/') && is_plain(id)) {
        Ok(id)
    } else {
        Err(TopicError::Form)
    }
}

/// Whether an id is of plain characters of ASCII beyond doubt, as nearly all are: eight bytes are looked at at once.
fn is_plain_id(id: &[u8]) -> bool {
    let is_good = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'+' | b'#' | b'/');
    let Some(last) = id.len().checked_sub(size_of::<u64>()) else {
        return id.iter().all(|&byte| is_good(byte));
    };
    let is_good = |at: usize| {
        scan::word(id, at).is_some_and(|word| {
            let bad = scan::equal(word, b'+') | scan::equal(word, b'#') | scan::equal(word, b'/');
            (bad | scan::equal(word, 0x7F) | scan::below(word, b' ') | word) & scan::HIGH == 0
        })
    };
    (0..last).step_by(size_of::<u64>()).all(is_good) && is_good(last)
}

/// Whether a text holds neither wildcards nor control characters.
fn is_plain(text: &str) -> bool {
    // Without a way out of the loop, the compiler looks at many bytes at once.
    let (mut bad, mut ascii) = (false, true);
    for byte in text.bytes() {
        bad |= (byte == b'+') | (byte == b'#') | (byte < b' ') | (byte == 0x7F);
        ascii &= byte.is_ascii();
    }
    !bad && (ascii || !text.chars().any(char::is_control))
}

/// Whether an id has 1 to `bytes_max` bytes.
const fn check_length(level: &str, bytes_max: usize) -> Result<(), TopicError> {
    match level.len() {
        0 => Err(TopicError::Form),
        bytes if bytes > bytes_max => Err(TopicError::IdTooLong),
        _ => Ok(()),
    }
}

fn two_digits(text: &str) -> Result<u8, TopicError> {
    match *text.as_bytes() {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Ok((tens - b'0') * 10 + (ones - b'0')),
        _ => Err(TopicError::Form),
    }
}

/// A region code of exactly `digits` digits, or 0 for the unknown one.
fn region(text: &str, digits: usize) -> Result<u32, TopicError> {
    if text == UNKNOWN {
        return Ok(0);
    }
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TopicError::Form);
    }
    text.parse().ok().filter(|&code| code != 0).ok_or(TopicError::Form)
}

#[cfg(test)]
mod tests;
