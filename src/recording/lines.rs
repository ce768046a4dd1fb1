//! Cuts an input into lines that are lent out from where they were read to, so that no line is moved twice. Holds one
//! piece of the input and never more of a line than the limit; says nothing about what stands in a line.

use std::io::{self, Read};

/// Bytes asked of the input at once.
const READ_BYTES: usize = 256 * 1024;

/// Lines of an input.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    /// Longest line that is lent out, bytes.
    bytes_max: usize,
    held: Vec<u8>,
    /// Where in `held` the next line begins, and where what was read ends.
    begin: usize,
    end: usize,
    /// How much of the next line is known to hold no line break, bytes.
    searched: usize,
    lines: u64,
    blank: u64,
    bytes: u64,
    over: bool,
}

/// What comes next in an input.
pub(super) enum Next<'a> {
    /// The line of this number, counted from 1, without its break; never a blank one.
    Line(u64, &'a [u8]),
    /// The line of this number is beyond the limit and was passed over.
    TooLong(u64),
    /// Nothing.
    End,
}

impl<R: Read> Lines<R> {
    /// Lines of at most so many bytes.
    pub(super) const fn new(input: R, bytes_max: usize) -> Self {
        Self {
            input,
            bytes_max,
            held: Vec::new(),
            begin: 0,
            end: 0,
            searched: 0,
            lines: 0,
            blank: 0,
            bytes: 0,
            over: false,
        }
    }

    /// Lines so far, with blank ones.
    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    /// Lines so far that hold nothing but white space.
    pub(super) const fn blank(&self) -> u64 {
        self.blank
    }

    /// Bytes of the lines so far, with their breaks.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next line that is not blank.
    ///
    /// # Errors
    /// Those of the input.
    pub(super) fn next(&mut self) -> io::Result<Next<'_>> {
        let mut passed_over = false;
        loop {
            let from = self.begin + self.searched;
            let found = memchr::memchr(b'\n', &self.held[from..self.end]);
            let line_end = found.map_or(self.end, |length| from + length);
            passed_over |= line_end - self.begin > self.bytes_max;
            if found.is_some() || (self.over && (passed_over || line_end > self.begin)) {
                let begin = self.begin;
                self.begin = line_end + usize::from(found.is_some());
                self.searched = 0;
                self.bytes += (self.begin - begin) as u64;
                self.lines += 1;
                if passed_over {
                    return Ok(Next::TooLong(self.lines));
                }
                if self.held[begin..line_end].trim_ascii().is_empty() {
                    self.blank += 1;
                    continue;
                }
                return Ok(Next::Line(self.lines, &self.held[begin..line_end]));
            }
            if self.over {
                return Ok(Next::End);
            }
            self.searched = self.end - self.begin;
            if passed_over {
                self.bytes += self.searched as u64;
                (self.begin, self.searched) = (self.end, 0);
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        self.held.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        self.held.resize(self.end + READ_BYTES, 0);
        let read = loop {
            match self.input.read(&mut self.held[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        self.over = read == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives out as little at once as it is told to.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(out.len());
            out[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_they_come(text in "[a \n]{0,60}", at_once in 1_usize..20, bytes_max in 1_usize..12) {
            let mut lines = Lines::new(Dribble(text.as_bytes(), at_once), bytes_max);
            let mut found = Vec::new();
            loop {
                match lines.next().expect("no error") {
                    Next::Line(number, line) => found.push((number, String::from_utf8_lossy(line).into_owned())),
                    Next::TooLong(number) => found.push((number, "too long".to_owned())),
                    Next::End => break,
                }
            }
            let line_at = |(number, line): (u64, &str)| match line.len() <= bytes_max {
                true if line.trim().is_empty() => None,
                true => Some((number, line.to_owned())),
                false => Some((number, "too long".to_owned())),
            };
            let expected: Vec<_> = (1..).zip(text.lines()).filter_map(line_at).collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(lines.bytes(), text.len() as u64);
            prop_assert_eq!(lines.lines(), text.lines().count() as u64);
        }
    }

    #[test]
    fn of_a_line_without_end_no_more_is_held_than_the_limit() {
        let text = vec![b'x'; 10 * READ_BYTES];
        let mut lines = Lines::new(&text[..], 1000);
        assert!(matches!(lines.next(), Ok(Next::TooLong(1))));
        assert!(lines.held.capacity() <= 2 * READ_BYTES + 1000);
        assert!(matches!(lines.next(), Ok(Next::End)));
    }
}
