//! The only place that knows how a topic is spelled: each topic is a type whose text and parse are inverses. Parsing
//! borrows from the text and allocates nothing, for it happens once per message. No other file may hold a topic
//! literal.

use std::fmt;

use chargetally_core::alarm::AlarmClass;
use chargetally_core::window::WindowKind;

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

    /// The topic under this root that stations send to; its ids have 1 to `id_bytes_max` bytes.
    ///
    /// # Errors
    /// [`TopicError`] where it is none.
    pub fn parse_in<'a>(&self, topic: &'a str, id_bytes_max: usize) -> Result<InTopic<'a>, TopicError> {
        let mut levels = self.below(topic)?.split('/');
        let mut next = || levels.next().ok_or(TopicError::Form);
        let (province, operator, station, fourth) = (two_digits(next()?)?, next()?, next()?, next()?);
        let (fifth, rest) = (levels.next(), levels.next());
        let kind = match (fifth, rest) {
            (None, _) => match fourth {
                "info" => InKind::Info,
                "status" => InKind::Status,
                "alarm" => InKind::StationAlarm,
                _ => return Err(TopicError::Form),
            },
            (Some(last), None) => {
                let connector = fourth;
                check_id(connector, id_bytes_max)?;
                match last {
                    "telemetry" => InKind::Telemetry { connector },
                    "session" => InKind::Session { connector },
                    "alarm" => InKind::ConnectorAlarm { connector },
                    _ => return Err(TopicError::Form),
                }
            }
            (Some(_), Some(_)) => return Err(TopicError::Form),
        };
        check_id(operator, id_bytes_max)?;
        check_id(station, id_bytes_max)?;
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
    if id.is_empty() {
        return Err(TopicError::Form);
    }
    if id.len() > bytes_max {
        return Err(TopicError::IdTooLong);
    }
    let mut ascii = true;
    for byte in id.bytes() {
        if matches!(byte, b'/' | b'+' | b'#' | 0x7F) || byte < b' ' {
            return Err(TopicError::Form);
        }
        ascii &= byte.is_ascii();
    }
    if !ascii && id.chars().any(char::is_control) {
        return Err(TopicError::Form);
    }
    Ok(id)
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check_in(topic: &str, expected: Result<(u8, &str, &str, InKind<'_>), TopicError>) {
        let expected =
            expected.map(|(province, operator, station, kind)| InTopic { province, operator, station, kind });
        assert_eq!(Root::default_in().parse_in(topic, ID_BYTES_MAX), expected, "{topic}");
    }

    #[test]
    fn the_topics_of_the_wire_page_are_read() {
        check_in("ev/v1/53/op/st/info", Ok((53, "op", "st", InKind::Info)));
        check_in("ev/v1/53/op/st/status", Ok((53, "op", "st", InKind::Status)));
        check_in("ev/v1/53/op/st/alarm", Ok((53, "op", "st", InKind::StationAlarm)));
        check_in("ev/v1/05/op/st/c1/telemetry", Ok((5, "op", "st", InKind::Telemetry { connector: "c1" })));
        check_in("ev/v1/53/op/st/alarm/alarm", Ok((53, "op", "st", InKind::ConnectorAlarm { connector: "alarm" })));
        check_in("ev/v1/53/运营 商/st/c1/session", Ok((53, "运营 商", "st", InKind::Session { connector: "c1" })));
    }

    #[test]
    fn other_topics_are_refused() {
        for topic in [
            "",
            "ev/v1",
            "ev/v1/",
            "ev/v10/53/op/st/info",
            "ev/v1/53/op/info",
            "ev/v1/5/op/st/info",
            "ev/v1/530/op/st/info",
            "ev/v1/+3/op/st/info",
            "ev/v1/53//st/info",
            "ev/v1/53/op/st//telemetry",
            "ev/v1/53/op/st/c1/info",
            "ev/v1/53/op/st/telemetry",
            "ev/v1/53/op/st/c1/telemetry/",
            "ev/v1/53/op/st/c1/telemetry/x",
            "ev/v1/53/op/s+t/info",
            "ev/v1/53/op/#/info",
            "ev/v1/53/o\0p/st/info",
            "ev/v1/53/o\u{85}p/st/info",
            "/ev/v1/53/op/st/info",
        ] {
            check_in(topic, Err(TopicError::Form));
        }
        let long = "x".repeat(ID_BYTES_MAX + 1);
        check_in(&format!("ev/v1/53/{long}/st/info"), Err(TopicError::IdTooLong));
        check_in(&format!("ev/v1/53/op/st/{long}/telemetry"), Err(TopicError::IdTooLong));
    }

    #[test]
    fn the_daemons_topics_are_spelled_as_on_the_wire_page() {
        let root = Root::default_out();
        let summary = |window, scope| root.format_out(&OutTopic::Summary { window, scope });
        assert_eq!(summary(WindowKind::Quarter, ScopeName::Nation), "chargetally/v1/summary/15m/nation");
        assert_eq!(summary(WindowKind::Month, ScopeName::Province(53)), "chargetally/v1/summary/1mo/province/53");
        assert_eq!(summary(WindowKind::Hour, ScopeName::County(0)), "chargetally/v1/summary/1h/county/unknown");
        let station = ScopeName::Station { operator: "op", station: "st" };
        assert_eq!(summary(WindowKind::Day, station), "chargetally/v1/summary/1d/station/op/st");
        assert_eq!(root.format_out(&OutTopic::Rejected), "chargetally/v1/rejected");
        assert_eq!(root.format_out(&OutTopic::Status), "chargetally/v1/status");
        let alarm = |connector| OutTopic::Alarm {
            province: 53,
            operator: "op",
            station: "st",
            connector,
            class: AlarmClass::SmokeFire,
        };
        assert_eq!(root.format_out(&alarm(Some("c1"))), "chargetally/v1/alarm/53/op/st/c1/smoke_fire");
        assert_eq!(root.format_out(&alarm(None)), "chargetally/v1/alarm/53/op/st//smoke_fire");
        for topic in ["chargetally/v1/summary/15m", "chargetally/v1/summary/2h/nation", "chargetally/v1/x"] {
            assert_eq!(root.parse_out(topic, ID_BYTES_MAX), Err(TopicError::Form), "{topic}");
        }
        for topic in ["city/530", "city/0000", "province/+3", "nation/53", "station/op", "county/5301020"] {
            let topic = format!("chargetally/v1/summary/1h/{topic}");
            assert_eq!(root.parse_out(&topic, ID_BYTES_MAX), Err(TopicError::Form), "{topic}");
        }
    }

    #[test]
    fn retained_topics_are_never_shared() {
        let root = Root::parse("a/b").expect("a root");
        let all = ["a/b/+/+/+/info", "a/b/+/+/+/status", "a/b/+/+/+/alarm", "a/b/+/+/+/+/telemetry"];
        assert_eq!(root.in_filters(&[], None)[..4], all);
        let some = root.in_filters(&[5, 53], Some("g"));
        assert_eq!(some.len(), 12);
        assert_eq!(some[0], "a/b/05/+/+/info");
        assert_eq!(some[11], "$share/g/a/b/53/+/+/+/alarm");
        assert!(some.iter().all(|filter| !(filter.starts_with("$share") && filter.ends_with("info"))));
    }

    #[test]
    fn roots_that_no_topic_can_begin_with_are_refused() {
        for text in ["", "/", "a/", "/a", "a//b", "a/+", "#", "$SYS/a", "a\n"] {
            assert_eq!(Root::parse(text), Err(TopicError::Form), "{text}");
        }
        assert_eq!(Root::parse(&"a/".repeat(200).trim_end_matches('/')), Err(TopicError::IdTooLong));
        assert_eq!(Root::parse("ev/v1").as_ref().map(Root::as_str), Ok("ev/v1"));
    }

    const ID: &str = "[^/+#\\p{Cc}]{1,16}";

    proptest! {
        #[test]
        fn in_topics_are_read_as_they_are_written(
            root in "[a-z]{1,3}(/[a-z0-9]{1,3}){0,2}", province in 0_u8..100,
            operator in ID, station in ID, connector in ID, kind in 0..6,
        ) {
            let connector = connector.as_str();
            let kind = [
                InKind::Info, InKind::Status, InKind::StationAlarm, InKind::Telemetry { connector },
                InKind::Session { connector }, InKind::ConnectorAlarm { connector },
            ][kind as usize];
            let root = Root::parse(&root).expect("a root");
            let topic = InTopic { province, operator: &operator, station: &station, kind };
            let text = root.format_in(&topic);
            prop_assert_eq!(root.parse_in(&text, ID_BYTES_MAX), Ok(topic));
        }

        #[test]
        fn out_topics_are_read_as_they_are_written(
            province in 0_u8..100, city in 0_u16..10_000, county in 0_u32..1_000_000, window in 0_usize..5,
            class in 0..AlarmClass::ALL.len(), operator in ID, station in ID, connector in proptest::option::of(ID),
        ) {
            let (operator, station) = (operator.as_str(), station.as_str());
            let scopes = [
                ScopeName::Nation, ScopeName::Province(province), ScopeName::City(city), ScopeName::County(county),
                ScopeName::Operator(operator), ScopeName::Station { operator, station },
            ];
            let summaries = scopes.map(|scope| OutTopic::Summary { window: WindowKind::ALL[window], scope });
            let (class, connector) = (AlarmClass::ALL[class], connector.as_deref());
            let alarm = OutTopic::Alarm { province, operator, station, connector, class };
            let root = Root::default_out();
            for topic in summaries.into_iter().chain([alarm, OutTopic::Rejected, OutTopic::Status]) {
                let text = root.format_out(&topic);
                prop_assert_eq!(root.parse_out(&text, ID_BYTES_MAX), Ok(topic), "{}", text);
            }
        }

        #[test]
        fn whatever_is_read_is_written_the_same(tail in "[0-9]{2}(/[a-z0-9+]{0,3}){2,3}/(info|status|alarm|telemetry)") {
            let (root, text) = (Root::default_in(), format!("ev/v1/{tail}"));
            if let Ok(topic) = root.parse_in(&text, ID_BYTES_MAX) {
                prop_assert_eq!(root.format_in(&topic), text);
            }
        }
    }
}
