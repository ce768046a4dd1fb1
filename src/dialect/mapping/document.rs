//! A payload in which several values are looked up: what it holds is found once, and pointers start from there. Payloads
//! that are not plain (escapes, very many members, anything broken) are left to [`Pointer::find`], value by value. Must
//! never find what that would not.

use super::scalar::{Pointer, Scalar, Step, of_json};
use crate::dialect::{Limits, Reject, quick};
use crate::scan;

/// Members of a payload that are found once at most; one with more is not plain.
const MEMBERS_MAX: usize = 48;

/// Room for what is found in a payload.
pub type Room = [Member; MEMBERS_MAX];

/// A JSON payload.
pub struct Document<'a, 'r> {
    text: &'a str,
    plain: Option<Plain<'a, 'r>>,
}

/// The members of a well-formed object, or the elements of an array, in order.
struct Plain<'a, 'r> {
    text: &'a str,
    members: &'r [Member],
}

/// Where a member's key stands, nowhere for an element, and where its value.
#[derive(Clone, Copy, Default)]
pub struct Member {
    key: (u32, u32),
    value: (u32, u32),
}

impl<'a, 'r> Document<'a, 'r> {
    /// No payload, in which nothing is found.
    #[must_use]
    pub const fn none() -> Self {
        Self { text: "", plain: Some(Plain { text: "", members: &[] }) }
    }

    /// Room for one.
    #[must_use]
    pub fn room() -> Room {
        [Member::default(); MEMBERS_MAX]
    }

    /// A payload of at most `limits.payload_bytes_max` bytes.
    #[must_use]
    pub fn of(text: &'a str, room: &'r mut Room, limits: &Limits) -> Self {
        let trimmed = text.trim_ascii();
        let count = read(trimmed, room, limits.depth_max);
        Self { text, plain: count.map(|count| Plain { text: trimmed, members: &room[..count] }) }
    }

    /// What stands where a pointer leads; `None` where the payload has no such place.
    ///
    /// # Errors
    /// As [`Pointer::find`].
    pub fn find(&self, pointer: &Pointer, limits: &Limits) -> Result<Option<Scalar<'a>>, Reject> {
        match &self.plain {
            Some(plain) => Ok(plain.find(pointer)),
            None => pointer.find(self.text, limits),
        }
    }
}

/// Finds all members, and how many they are; `None` where the text is not plain beyond doubt.
fn read(text: &str, members: &mut Room, depth_max: usize) -> Option<usize> {
    let mut count = 0;
    let end = each_member(text, depth_max, |member| {
        *members.get_mut(count)? = member;
        count += 1;
        Some(())
    })?;
    (end == text.len()).then_some(count)
}

impl<'a> Plain<'a, '_> {
    fn find(&self, pointer: &Pointer) -> Option<Scalar<'a>> {
        let mut steps = pointer.steps();
        let step = steps.next()?;
        let found = if self.text.starts_with('[') {
            self.members.get(step.index?)
        } else {
            // Of a member that comes twice the last one counts.
            self.members.iter().rev().find(|member| is_named(self.text, member, step))
        };
        let mut text = part(self.text, found?.value)?;
        for step in steps {
            let (is_array, mut index, mut found) = (text.starts_with('['), 0, None);
            // It was found to be plain as a part of the whole.
            each_member(text, usize::MAX, |member| {
                if if is_array { step.index == Some(index) } else { is_named(text, &member, step) } {
                    found = Some(member);
                }
                index += 1;
                Some(())
            })?;
            text = part(text, found?.value)?;
        }
        Some(of_json(text))
    }
}

fn is_named(text: &str, member: &Member, step: &Step) -> bool {
    let (begin, end) = member.key;
    text.as_bytes().get(begin as usize..end as usize).is_some_and(|key| scan::same(key, step.name.as_bytes()))
}

fn part(text: &str, (begin, end): (u32, u32)) -> Option<&str> {
    text.get(begin as usize..end as usize)
}

/// Gives every member of the object, or element of the array, that this text begins with, until one is not taken; where
/// it ends. `None` where it is neither, or not plain beyond doubt.
fn each_member(text: &str, depth_max: usize, mut take: impl FnMut(Member) -> Option<()>) -> Option<usize> {
    let bytes = text.as_bytes();
    let place = |at: usize| u32::try_from(at).ok();
    let (is_object, close) = match *bytes.first()? {
        b'{' => (true, b'}'),
        b'[' => (false, b']'),
        _ => return None,
    };
    let mut at = quick::space_end(bytes, 1);
    if *bytes.get(at)? == close {
        return (depth_max > 0).then_some(at + 1);
    }
    loop {
        let mut key = (0, 0);
        if is_object {
            let key_end = quick::text_end(bytes, at)?;
            key = (place(at + 1)?, place(key_end - 1)?);
            at = quick::value_begin(bytes, key_end)?;
        }
        let end = quick::value_end_within(bytes, at, depth_max.checked_sub(1)?)?;
        take(Member { key, value: (place(at)?, place(end)?) })?;
        at = quick::space_end(bytes, end);
        match *bytes.get(at)? {
            b',' => at = quick::space_end(bytes, at + 1),
            byte if byte == close => return Some(at + 1),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POINTERS: [&str; 12] =
        ["/a", "/b", "/a/b", "/a/0", "/0", "/1", "/2/a", "/+1", "/b/a/1", "/", "/a~1b", "/a/b/a/b"];

    /// Whatever is read, pointer and document find the same.
    fn check(text: &str, limits: &Limits) -> bool {
        let mut room = Document::room();
        let document = Document::of(text, &mut room, limits);
        for pointer in POINTERS {
            let pointer = Pointer::parse(pointer).expect(pointer);
            assert_eq!(document.find(&pointer, limits), pointer.find(text, limits), "{text} {pointer}");
        }
        document.plain.is_some()
    }

    #[test]
    fn plain_payloads_are_read_once_and_others_as_before() {
        let limits = Limits::default();
        for text in [
            r#"{"a":{"b":1.50},"b":[1,2],"a/b":true,"":7}"#,
            r#" {"a":1,"b":2,"a":3} "#,
            r#"[1,[2],{"a":null}]"#,
            r#"{"a":{"b":1,"b":2}}"#,
            "{}",
            "[ ]",
            r#"{"a":"x","b":{}}"#,
        ] {
            assert!(check(text, &limits), "{text}");
        }
        for text in ["", "5", "null", "\"a\"", "{", r#"{"a":1,}"#, r#"{"a\n":1}"#, r#"{"a":"\u0041"}"#, r#"{"a":1} x"#]
        {
            assert!(!check(text, &limits), "{text}");
        }
        let many = |count: usize| format!("[{}1]", "0,".repeat(count - 1));
        assert!(check(&many(MEMBERS_MAX), &limits));
        assert!(!check(&many(MEMBERS_MAX + 1), &limits));
    }

    #[test]
    fn what_is_nested_too_deep_is_refused_as_before() {
        let limits = Limits { depth_max: 3, ..Limits::default() };
        assert!(check(r#"{"a":[[1]]}"#, &limits) && check("[[[]]]", &limits));
        assert!(!check(r#"{"a":[[{}]]}"#, &limits));
        assert!(!check("[[[[]]]]", &limits));
        assert!(!check("{}", &Limits { depth_max: 0, ..limits }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn any_text_gives_what_pointers_alone_give(
            parts in proptest::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\":", "\"a\":{", "\"\"", "1", "-1.5e3", "01", "true", "null", " ",
                    "\n", "\u{c}", "\"", "\\", "电", "[1,", "{\"b\":[2,{\"a\":[3,4]}],",
                ]),
                0..14,
            ),
            depth_max in 0..5_usize,
        ) {
            check(&parts.concat(), &Limits { depth_max, ..Limits::default() });
        }

        #[test]
        fn what_is_nearly_well_formed_gives_what_pointers_alone_give(cut in 0_usize..60, noise in "[\\[\\]{}:,\"0-9ab .-]{0,3}") {
            let mut text = r#"{"a":[1,{"b":"c"},[]],"b":{"a":[0,-0.5]},"a":{"b":{"a":{"b":2}}}}"#.to_owned();
            text.insert_str(cut.min(text.len()), &noise);
            check(&text, &Limits::default());
        }
    }
}
