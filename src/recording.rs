//! Recordings: NDJSON, a message a line, as `mosquitto_sub -F '%J'` and our own `record` write them. Reading borrows
//! from one line at a time and holds no more than that; a line that cannot be read is an error of its own, after which
//! the next one can be read. Says what stands in the file and must not mend it.

mod lines;
mod plain;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chargetally_core::time::ArrivalTime;
use serde::de::IgnoredAny;

use crate::dialect::json::{Record, Value, object};
use crate::dialect::{Limits, Reason, Reject};
use crate::rfc3339;
use lines::{Lines, Next};

/// Longest line, bytes, unless the settings say otherwise: the largest payload, escaped byte by byte, and its topic.
pub const LINE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// One message of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedMessage<'a> {
    /// When it arrived; `None` where the recording does not say, so that the message's own event time stands in.
    pub arrival: Option<ArrivalTime>,
    /// Its topic.
    pub topic: Cow<'a, str>,
    /// MQTT quality of service, 0 to 2.
    pub qos: u8,
    /// Whether the broker replayed it from its retained store.
    pub retained: bool,
    /// What was sent.
    pub payload: Cow<'a, [u8]>,
}

/// Why a recording could not be read on. After anything but `Io` the next line can be.
#[derive(Debug)]
pub enum RecordingError {
    /// The file could not be read.
    Io(io::Error),
    /// A line is longer than the limit.
    LineTooLong {
        /// Counted from 1.
        line: u64,
    },
    /// A line is no message.
    Malformed {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reject: Reject,
    },
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("the recording cannot be read"),
            Self::LineTooLong { line } => write!(f, "line {line} is longer than the limit"),
            Self::Malformed { line, reject } => write!(f, "line {line} is no recorded message ({reject})"),
        }
    }
}

impl std::error::Error for RecordingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::LineTooLong { .. } | Self::Malformed { .. } => None,
        }
    }
}

/// Reads a recording line by line.
#[derive(Debug)]
pub struct RecordingReader<R> {
    lines: Lines<R>,
    limits: Limits,
}

impl<R: Read> RecordingReader<R> {
    /// A reader whose lines have at most `line_bytes_max` bytes. It asks the input for large pieces.
    #[must_use]
    pub fn new(input: R, line_bytes_max: usize) -> Self {
        Self { lines: Lines::new(input, line_bytes_max), limits: Limits::default() }
    }

    /// The next message; `None` at the end.
    ///
    /// # Errors
    /// [`RecordingError`], which names the line. All but `Io` are over with that line.
    pub fn read_message(&mut self) -> Result<Option<RecordedMessage<'_>>, RecordingError> {
        match self.lines.next().map_err(RecordingError::Io)? {
            Next::End => Ok(None),
            Next::TooLong(line) => Err(RecordingError::LineTooLong { line }),
            Next::Line(line, bytes) => match plain::message(bytes).map_or_else(|| message(bytes, &self.limits), Ok) {
                Ok(message) => Ok(Some(message)),
                Err(reject) => Err(RecordingError::Malformed { line, reject }),
            },
        }
    }

    /// Lines read so far, with those that were refused or blank.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines.lines()
    }

    /// Blank lines so far. `mosquitto_sub -F '%J'` leaves one for each message whose payload is not JSON.
    #[must_use]
    pub const fn blank_lines(&self) -> u64 {
        self.lines.blank()
    }

    /// Bytes read so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.lines.bytes()
    }
}

#[derive(Default)]
struct Line<'a> {
    arrival: Option<ArrivalTime>,
    topic: Option<Cow<'a, str>>,
    qos: Option<f64>,
    retained: Option<bool>,
    payload_bytes: Option<f64>,
    payload: Option<Value<'a>>,
    payload_base64: Option<Cow<'a, str>>,
}

impl<'a> Record<'a> for Line<'a> {
    const DEPTH: usize = 1;

    fn member(&mut self, key: &str, value: Value<'a>, _limits: &Limits) -> Result<bool, Reject> {
        match key {
            "tst" => self.arrival = value.arrival_time("tst")?,
            "topic" => self.topic = value.text("topic")?,
            "qos" => self.qos = value.number("qos", 0.0, 2.0)?,
            "retain" => {
                self.retained = match value.boolean("retain") {
                    Ok(retained) => retained,
                    Err(_) => value.number("retain", 0.0, 1.0)?.map(|number| number != 0.0),
                };
            }
            "payloadlen" => self.payload_bytes = value.number("payloadlen", 0.0, 4e9)?,
            "payload" => self.payload = Some(value),
            "payload_base64" => self.payload_base64 = value.text("payload_base64")?,
            // Whatever else a recorder adds, at whatever depth, is its own.
            _ => {}
        }
        Ok(true)
    }
}

fn message<'a>(line: &'a [u8], limits: &Limits) -> Result<RecordedMessage<'a>, Reject> {
    let text = std::str::from_utf8(line).map_err(|_| Reject::whole(Reason::NotUtf8))?;
    let line: Line<'a> = object(text, limits)?;
    let payload = match (line.payload, line.payload_base64) {
        (_, Some(encoded)) => {
            let bad = Reject::field(Reason::UnknownValue, "payload_base64");
            Cow::Owned(STANDARD.decode(encoded.as_bytes()).map_err(|_| bad)?)
        }
        // An empty payload is recorded as null with length 0, and the text `null` as null with length 4.
        (Some(value), None) if value.is_null() => match line.payload_bytes {
            Some(bytes) if bytes > 0.0 => Cow::Borrowed(value.json().as_bytes()),
            _ => Cow::Borrowed(&[][..]),
        },
        (Some(value), None) if value.json().starts_with('"') => match value.text("payload")? {
            Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
            Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
            None => Cow::Borrowed(&[][..]),
        },
        (Some(value), None) => Cow::Borrowed(value.json().as_bytes()),
        (None, None) if line.payload_bytes == Some(0.0) => Cow::Borrowed(&[][..]),
        (None, None) => return Err(Reject::field(Reason::MissingField, "payload")),
    };
    Ok(RecordedMessage {
        arrival: line.arrival,
        topic: line.topic.ok_or(Reject::field(Reason::MissingField, "topic"))?,
        qos: line.qos.unwrap_or_default() as u8,
        retained: line.retained.unwrap_or_default(),
        payload,
    })
}

/// Writes a recording that reads back byte for byte.
#[derive(Debug)]
pub struct RecordingWriter<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> RecordingWriter<W> {
    /// A writer; each message becomes one write of one line.
    pub const fn new(out: W) -> Self {
        Self { out, line: Vec::new() }
    }

    /// Writes one message.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write_message(&mut self, message: &RecordedMessage<'_>) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        line.push(b'{');
        if let Some(arrival) = message.arrival {
            line.extend_from_slice(b"\"tst\":\"");
            rfc3339::write_ms(line, arrival.ms());
            line.extend_from_slice(b"\",");
        }
        line.extend_from_slice(b"\"topic\":");
        serde_json::to_writer(&mut *line, &*message.topic)?;
        let (qos, retain, length) = (message.qos, u8::from(message.retained), message.payload.len());
        write!(line, ",\"qos\":{qos},\"retain\":{retain},\"payloadlen\":{length},")?;
        write_payload(line, &message.payload)?;
        line.extend_from_slice(b"}\n");
        self.out.write_all(line)
    }

    /// Passes everything on to the output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// The output.
    pub fn into_inner(self) -> W {
        self.out
    }
}

fn write_payload(line: &mut Vec<u8>, payload: &[u8]) -> io::Result<()> {
    match std::str::from_utf8(payload) {
        Ok(text) if stands_as_it_is(text) => {
            line.extend_from_slice(b"\"payload\":");
            line.extend_from_slice(payload);
            Ok(())
        }
        Ok(text) => {
            line.extend_from_slice(b"\"payload\":");
            Ok(serde_json::to_writer(line, text)?)
        }
        Err(_) => write!(line, "\"payload_base64\":\"{}\"", STANDARD.encode(payload)),
    }
}

/// Whether the text is a JSON object or array that keeps every byte when it is put into a line.
fn stands_as_it_is(text: &str) -> bool {
    matches!(text.as_bytes(), [b'{', .., b'}'] | [b'[', .., b']'])
        && !text.contains(['\n', '\r'])
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests;
