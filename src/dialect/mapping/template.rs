//! Topic templates: levels of text in which `{operator}`, `{station}`, `{connector}` and `{any}` stand for what a topic
//! names there. Matching borrows from the topic and allocates nothing. Knows nothing of payloads.

use std::fmt;

use crate::scan;
use crate::topic::check_id;

/// Levels of a template at most.
pub const LEVELS_MAX: usize = 32;
/// Longest template, bytes.
pub const BYTES_MAX: usize = 512;

/// What a part of a topic names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Who runs the station.
    Operator,
    /// The station.
    Station,
    /// The connector.
    Connector,
    /// Something that is of no concern here.
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Literal(Box<str>),
    Named { before: Box<str>, part: Part, after: Box<str> },
}

/// A topic with named parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    levels: Vec<Level>,
    /// What every topic of this form begins with: whole levels of text, each with the slash after it.
    head: Box<str>,
    /// How many levels that are.
    head_levels: usize,
    /// What every topic ends with, from its last named part on.
    tail: Box<str>,
}

/// What a topic names, where its template has a part for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Parts<'t> {
    pub operator: Option<&'t str>,
    pub station: Option<&'t str>,
    pub connector: Option<&'t str>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, to follow the key's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > BYTES_MAX {
            return Err(format!("must be a topic of 1 to {BYTES_MAX} bytes"));
        }
        let levels = text.split('/').map(level).collect::<Result<Vec<_>, _>>()?;
        if levels.len() > LEVELS_MAX {
            return Err(format!("has {} levels; at most {LEVELS_MAX} are allowed", levels.len()));
        }
        let template = Self::of(levels);
        for part in [Part::Operator, Part::Station, Part::Connector] {
            if template.parts().filter(|&found| found == part).count() > 1 {
                return Err(format!("is {text:?} and names a part twice"));
            }
        }
        Ok(template)
    }

    fn of(levels: Vec<Level>) -> Self {
        let text = |level: &Level| match level {
            Level::Literal(text) => Some(format!("{text}/")),
            Level::Named { .. } => None,
        };
        // The last level has no slash after it.
        let head: Vec<String> = levels[..levels.len() - 1].iter().map_while(text).collect();
        let mut tail = String::new();
        if let Some(last) = levels.iter().rposition(|level| matches!(level, Level::Named { .. })) {
            for level in &levels[last..] {
                match level {
                    Level::Named { after, .. } => tail += after,
                    Level::Literal(text) => tail = tail + "/" + text,
                }
            }
        }
        Self { head_levels: head.len(), head: head.concat().into(), tail: tail.into(), levels }
    }

    /// The parts that it names, in order.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        self.levels.iter().filter_map(|level| match level {
            Level::Named { part, .. } => Some(*part),
            Level::Literal(_) => None,
        })
    }

    /// What a topic names; `None` where it does not have this form.
    #[must_use]
    pub fn matches<'t>(&self, topic: &'t str) -> Option<Parts<'t>> {
        let mut parts = Parts::default();
        let (head, tail) = (self.head.as_bytes(), self.tail.as_bytes());
        let bytes = topic.as_bytes();
        if !scan::same(&bytes[bytes.len().checked_sub(tail.len())?..], tail)
            || !scan::same(bytes.get(..head.len())?, head)
        {
            return None;
        }
        let mut rest = Some(topic.get(head.len()..)?);
        for level in &self.levels[self.head_levels..] {
            let all = rest?;
            let text = match scan::find(all.as_bytes(), b'/') {
                Some(slash) => {
                    rest = Some(&all[slash + 1..]);
                    &all[..slash]
                }
                None => {
                    rest = None;
                    all
                }
            };
            match level {
                Level::Literal(literal) if scan::same(literal.as_bytes(), text.as_bytes()) => {}
                Level::Literal(_) => return None,
                Level::Named { before, part, after } => {
                    let name = between(text, before, after)?;
                    if name.is_empty() {
                        return None;
                    }
                    match part {
                        Part::Operator => parts.operator = Some(name),
                        Part::Station => parts.station = Some(name),
                        Part::Connector => parts.connector = Some(name),
                        Part::Any => {}
                    }
                }
            }
        }
        rest.is_none().then_some(parts)
    }

    /// The filter that matches all its topics, and others where a name is only a part of a level.
    #[must_use]
    pub fn filter(&self) -> String {
        let levels = self.levels.iter().map(|level| match level {
            Level::Literal(literal) => &**literal,
            Level::Named { .. } => "+",
        });
        levels.collect::<Vec<_>>().join("/")
    }

    /// Whether a topic could have both forms.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.levels.len() == other.levels.len()
            && self.levels.iter().zip(&other.levels).all(|(one, other)| one.overlaps(other))
    }

    /// Whether a topic of this form could lie under this literal root.
    #[must_use]
    pub fn may_lie_under(&self, root: &str) -> bool {
        let mut levels = self.levels.iter();
        root.split('/').all(|text| levels.next().is_some_and(|level| level.overlaps(&Level::Literal(text.into()))))
            && levels.next().is_some()
    }
}

/// What stands between two texts, most of which are empty.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let text = if before.is_empty() { text } else { text.strip_prefix(before)? };
    if after.is_empty() { Some(text) } else { text.strip_suffix(after) }
}

impl Level {
    fn overlaps(&self, other: &Self) -> bool {
        let ends = |level: &Self| match level {
            Self::Literal(text) => (text.clone(), text.clone()),
            Self::Named { before, after, .. } => (before.clone(), after.clone()),
        };
        match (self, other) {
            (Self::Literal(one), Self::Literal(other)) => one == other,
            (Self::Literal(text), Self::Named { before, after, .. })
            | (Self::Named { before, after, .. }, Self::Literal(text)) => {
                text.len() > before.len() + after.len() && text.starts_with(&**before) && text.ends_with(&**after)
            }
            _ => {
                let ((start, end), (other_start, other_end)) = (ends(self), ends(other));
                (start.starts_with(&*other_start) || other_start.starts_with(&*start))
                    && (end.ends_with(&*other_end) || other_end.ends_with(&*end))
            }
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, level) in self.levels.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            match level {
                Level::Literal(literal) => f.write_str(literal)?,
                Level::Named { before, part, after } => write!(f, "{before}{{{}}}{after}", part.name())?,
            }
        }
        Ok(())
    }
}

impl Part {
    const ALL: [Self; 4] = [Self::Operator, Self::Station, Self::Connector, Self::Any];

    const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Station => "station",
            Self::Connector => "connector",
            Self::Any => "any",
        }
    }
}

fn level(text: &str) -> Result<Level, String> {
    let Some((before, rest)) = text.split_once('{') else {
        // An empty level is a level all the same: some chargers begin their topics with a slash.
        let plain = text.is_empty() || check_id(text, BYTES_MAX).is_ok();
        return if plain && !text.contains('}') {
            Ok(Level::Literal(text.into()))
        } else {
            Err(format!("has the level {text:?}; levels hold no wildcards, lone braces or control characters"))
        };
    };
    let refusal =
        || format!("has the level {text:?}; a level names one of {{operator}} {{station}} {{connector}} {{any}}");
    let (name, after) = rest.split_once('}').ok_or_else(refusal)?;
    let part = Part::ALL.into_iter().find(|part| part.name() == name).ok_or_else(refusal)?;
    let plain = |end: &str| end.is_empty() || (check_id(end, BYTES_MAX).is_ok() && !end.contains(['{', '}']));
    if plain(before) && plain(after) {
        Ok(Level::Named { before: before.into(), part, after: after.into() })
    } else {
        Err(refusal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, topic: &str, expected: Option<(Option<&str>, Option<&str>, Option<&str>)>) {
        let found = Template::parse(template).expect(template).matches(topic);
        assert_eq!(found.map(|parts| (parts.operator, parts.station, parts.connector)), expected, "{template} {topic}");
    }

    #[test]
    fn a_topic_names_the_parts_of_its_template() {
        check("a/{connector}/x", "a/1/x", Some((None, None, Some("1"))));
        check("{operator}/{station}", "op/st", Some((Some("op"), Some("st"), None)));
        check("box-{station}/state", "box-55ad/state", Some((None, Some("55ad"), None)));
        check("/c/{station}/car", "/c/000001/car", Some((None, Some("000001"), None)));
        check("a/{any}/{station}", "a/b/c", Some((None, Some("c"), None)));
        check("a/{station}", "a/", None);
        check("a/{station}", "a/b/c", None);
        check("a/{station}/c", "a/b", None);
        check("box-{station}/state", "box-/state", None);
        check("a/b/c", "a/b/c", Some((None, None, None)));
        check("a/b/c", "a/b", None);
        check("a/b", "a/b/c", None);
        check("a/{station}/x/y", "a/b/x/y", Some((None, Some("b"), None)));
        check("a/{station}/x/y", "a/x/y", None);
        check("a/{station}.v2", "a/.v2", None);
        check("a/b/{station}", "a/b/", None);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for wrong in ["", "a/+/b", "a/#", "a/{place}", "a/{station", "a/}b", "{station}/{station}", "a/{}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Template::parse(&"a/".repeat(LEVELS_MAX)).is_err());
    }

    #[test]
    fn its_text_leads_back_to_it() {
        for text in ["a/{connector}/x", "/c/{station}/car", "box-{station}.v2/{any}/state"] {
            let template = Template::parse(text).expect(text);
            assert_eq!(template.to_string(), text);
            assert_eq!(Template::parse(&template.to_string()), Ok(template));
        }
    }

    #[test]
    fn templates_overlap_where_one_topic_could_have_both_forms() {
        let overlap = |one: &str, other: &str| {
            let (one, other) = (Template::parse(one).expect(one), Template::parse(other).expect(other));
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
            one.overlaps(&other)
        };
        assert!(overlap("a/{station}", "a/b"));
        assert!(overlap("box-{station}/x", "{station}-y/x"));
        assert!(!overlap("box-{station}/x", "car-{station}/x"));
        assert!(!overlap("a/{station}", "a/{station}/c"));
        assert!(!overlap("box-{station}", "box-"));
        let under = |text: &str, root: &str| Template::parse(text).expect(text).may_lie_under(root);
        assert!(under("ev/{any}/x", "ev/v1"));
        assert!(!under("ev/{any}", "ev/v1"));
        assert!(!under("eve/{any}/x", "ev"));
    }
}
