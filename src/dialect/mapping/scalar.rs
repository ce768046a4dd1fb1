//! Cuts single values out of a payload: all of it, or what a JSON pointer (RFC 6901) leads to. Numbers keep their digits,
//! so that they are read exactly; what the pointer passes by is skipped without recursion.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::dialect::{Limits, Reason, Reject};

/// Steps of a pointer at most.
pub const STEPS_MAX: usize = 16;

/// Where in a payload a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    steps: Vec<Step>,
}

/// One step of a pointer: the name of a member, and which element it is where it leads into an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub name: Box<str>,
    pub index: Option<usize>,
}

/// A single value.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// An empty payload, or `null`.
    Absent,
    /// Text, or a payload that is no JSON value.
    Text(Cow<'a, str>),
    /// A number by its digits, or `true` or `false`.
    Bare(&'a str),
    /// An object or an array.
    Composite,
}

impl Pointer {
    /// Reads a pointer: `/` before each step, `~1` for a slash within one and `~0` for a tilde.
    ///
    /// # Errors
    /// What is wrong with it, to follow the key's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("is {text:?} and must be a JSON pointer like \"/meter/power\""));
        };
        let step = |name: String| Step { index: name.parse().ok(), name: name.into() };
        let steps: Vec<Step> = rest.split('/').map(|name| step(name.replace("~1", "/").replace("~0", "~"))).collect();
        if steps.len() > STEPS_MAX {
            return Err(format!("has {} steps; at most {STEPS_MAX} are allowed", steps.len()));
        }
        Ok(Self { steps })
    }

    /// Its steps; there is at least one.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter()
    }

    /// What stands there in a JSON text; `None` where the text has no such place.
    ///
    /// # Errors
    /// [`Reject`] where the text is no JSON, or is nested too deep.
    pub fn find<'a>(&self, text: &'a str, limits: &Limits) -> Result<Option<Scalar<'a>>, Reject> {
        let mut text = text.trim_ascii();
        if depth(text) > limits.depth_max {
            return Err(Reject::whole(Reason::TooDeep));
        }
        if !text.starts_with(['{', '[']) {
            let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
            return match text {
                "null" => Ok(Some(Scalar::Absent)),
                _ if is_json => Err(Reject::whole(Reason::WrongType)),
                _ => Err(Reject::whole(Reason::NotJson)),
            };
        }
        for step in &self.steps {
            let mut reader = serde_json::Deserializer::from_str(text);
            let found = step.deserialize(&mut reader).and_then(|found| reader.end().map(|()| found));
            match found {
                Ok(Some(value)) => text = value.get(),
                Ok(None) => return Ok(None),
                Err(error) if error.classify() == Category::Data => return Ok(None),
                Err(_) => return Err(Reject::whole(Reason::NotJson)),
            }
        }
        Ok(Some(of_json(text)))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| write!(f, "/{}", step.name.replace('~', "~0").replace('/', "~1")))
    }
}

/// The value that is all of a payload: JSON, or else bare text.
#[must_use]
pub fn whole(text: &str) -> Scalar<'_> {
    let text = text.trim_ascii();
    match text.as_bytes().first() {
        None => Scalar::Absent,
        Some(b'"') if serde_json::from_str::<IgnoredAny>(text).is_err() => Scalar::Text(Cow::Borrowed(text)),
        Some(b'0'..=b'9' | b'-' | b'+' | b'.') => Scalar::Bare(text),
        Some(b'"' | b'{' | b'[') => of_json(text),
        _ => match text {
            "true" | "false" => Scalar::Bare(text),
            "null" => Scalar::Absent,
            _ => Scalar::Text(Cow::Borrowed(text)),
        },
    }
}

impl Scalar<'_> {
    /// Its text, by which values are looked up; `None` where it has none.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bare(text) => Some(text),
            Self::Absent | Self::Composite => None,
        }
    }
}

pub(super) fn of_json(text: &str) -> Scalar<'_> {
    match text.as_bytes().first() {
        None => Scalar::Absent,
        Some(b'n') => Scalar::Absent,
        Some(b'{' | b'[') => Scalar::Composite,
        Some(b'"') => match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) if !inner.contains('\\') => Scalar::Text(Cow::Borrowed(inner)),
            // Half of a surrogate pair passes as JSON but is no text.
            _ => serde_json::from_str(text).map_or(Scalar::Composite, |text| Scalar::Text(Cow::Owned(text))),
        },
        Some(_) => Scalar::Bare(text),
    }
}

/// How deep objects and arrays are nested in a text.
fn depth(text: &str) -> usize {
    let (mut depth, mut depth_max, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
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

/// Takes one step into an object or an array; of a member that comes twice the last one counts.
impl<'a> DeserializeSeed<'a> for &Step {
    type Value = Option<&'a RawValue>;

    fn deserialize<D: Deserializer<'a>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for &Step {
    type Value = Option<&'a RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = members.next_key::<Cow<'a, str>>()? {
            let value = members.next_value::<&'a RawValue>()?;
            if *key == *self.name {
                found = Some(value);
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut index) = (None, 0);
        while let Some(value) = elements.next_element::<&'a RawValue>()? {
            if Some(index) == self.index {
                found = Some(value);
            }
            index += 1;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(pointer: &str, text: &'a str) -> Result<Option<Scalar<'a>>, Reject> {
        Pointer::parse(pointer).expect(pointer).find(text, &Limits::default())
    }

    #[test]
    fn a_pointer_leads_to_members_and_elements() {
        assert_eq!(find("/a/b", r#"{"a":{"b":1.50}}"#), Ok(Some(Scalar::Bare("1.50"))));
        assert_eq!(find("/2", "[1, 2, 3]"), Ok(Some(Scalar::Bare("3"))));
        assert_eq!(find("/a/1/x", r#"{"a":[0,{"x":"y"}]}"#), Ok(Some(Scalar::Text("y".into()))));
        assert_eq!(find("/a~1b/c~0d", r#"{"a/b":{"c~d":true}}"#), Ok(Some(Scalar::Bare("true"))));
        assert_eq!(find("/a", r#"{"a":"x\ny"}"#), Ok(Some(Scalar::Text("x\ny".into()))));
        assert_eq!(find("/a", r#"{"a":1,"a":2}"#), Ok(Some(Scalar::Bare("2"))));
    }

    #[test]
    fn what_a_pointer_does_not_find_is_not_null() {
        for text in ["{}", "[]", r#"{"a":null}"#, r#"{"a":{}}"#] {
            assert_eq!(find("/a/b", text), Ok(None), "{text}");
        }
        assert_eq!(find("/a", r#"{"a":null}"#), Ok(Some(Scalar::Absent)));
        assert_eq!(find("/a", r#"{"a":[1]}"#), Ok(Some(Scalar::Composite)));
        assert_eq!(find("/a", "null"), Ok(Some(Scalar::Absent)));
        assert_eq!(find("/a", "5"), Err(Reject::whole(Reason::WrongType)));
        assert_eq!(find("/a", "five"), Err(Reject::whole(Reason::NotJson)));
        assert_eq!(find("/a", r#"{"a":1"#), Err(Reject::whole(Reason::NotJson)));
        assert_eq!(find("/a", r#"{"a":1} x"#), Err(Reject::whole(Reason::NotJson)));
        assert_eq!(find("/a", &"[".repeat(100_000)), Err(Reject::whole(Reason::TooDeep)));
    }

    #[test]
    fn a_whole_payload_is_json_or_bare_text() {
        assert_eq!(whole(" 10807.645 "), Scalar::Bare("10807.645"));
        assert_eq!(whole("true"), Scalar::Bare("true"));
        assert_eq!(whole("\"Charging\""), Scalar::Text("Charging".into()));
        assert_eq!(whole("Charging Stopped"), Scalar::Text("Charging Stopped".into()));
        assert_eq!(whole("\"half"), Scalar::Text("\"half".into()));
        assert_eq!(whole(""), Scalar::Absent);
        assert_eq!(whole("null"), Scalar::Absent);
        assert_eq!(whole("[1]"), Scalar::Composite);
    }

    #[test]
    fn pointers_read_back_as_written() {
        for text in ["/a/b", "/11", "/a~1b/c~0d", "/"] {
            assert_eq!(Pointer::parse(text).expect(text).to_string(), text);
        }
        assert!(Pointer::parse("a").is_err());
        assert!(Pointer::parse(&"/a".repeat(STEPS_MAX + 1)).is_err());
    }
}
