//! Log lines as entries of the system's journal: the line with its values to read, and each value as a field of its own
//! to select by, with the priority that the level means.
//!
//! It speaks the journal's datagram protocol and must never end or hold up the daemon: a line that the journal does not
//! take goes to standard error, as all lines do where no journal listens there.

use std::ffi::OsStr;
use std::fmt::{self, Debug, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Where the journal takes entries.
pub const SOCKET: &str = "/run/systemd/journal/socket";
/// What the names of our own fields begin with: `retry_in_ms` is `CHARGETALLY_RETRY_IN_MS`.
const PREFIX: &str = "CHARGETALLY_";
/// Bytes of a value at most; a call has at most 32 of them, so that an entry fits a datagram.
const VALUE_BYTES_MAX: usize = 4_096;
/// Bytes of a field's name at most, as the journal has it.
const NAME_BYTES_MAX: usize = 64;
/// How long a journal that takes nothing may hold up one line.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whether standard error is the journal's, by what systemd put into `JOURNAL_STREAM`: `device:inode`.
pub fn is_standard_error(stream: Option<&OsStr>) -> bool {
    let Ok(descriptor) = io::stderr().as_fd().try_clone_to_owned() else { return false };
    let Ok(metadata) = File::from(descriptor).metadata() else { return false };
    stream.is_some_and(|stream| *stream == *format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// The way to the journal.
#[derive(Debug)]
pub struct Journal(UnixDatagram);

impl Journal {
    /// Connects to the journal's socket.
    ///
    /// # Errors
    /// Where nothing listens there.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(socket))
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        let (line, bytes) = entry.finish(event.metadata());
        if self.0.send(&bytes).is_err() {
            // Nobody is left to be told where this fails too.
            let _ = writeln!(io::stderr(), "{} {}: {line}", event.metadata().level(), event.metadata().target());
        }
    }
}

/// What an event says, as it is gathered.
#[derive(Default)]
struct Entry {
    message: String,
    /// ` name=value` of each field, as they follow the message.
    values: String,
    fields: Vec<u8>,
}

impl Entry {
    fn take(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let mut text = value.to_string();
        text.truncate(text.floor_char_boundary(VALUE_BYTES_MAX));
        if name == "message" {
            self.message = text;
            return;
        }
        // Writing into a text cannot fail.
        let _ = write!(self.values, " {name}={text}");
        append(&mut self.fields, &field_name(name), &text);
    }

    /// The line to read, and the entry as the journal takes it.
    fn finish(self, metadata: &Metadata<'_>) -> (String, Vec<u8>) {
        let line = self.message + &self.values;
        let mut bytes = self.fields;
        append(&mut bytes, "MESSAGE", &line);
        append(&mut bytes, "PRIORITY", priority(*metadata.level()));
        append(&mut bytes, "SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
        append(&mut bytes, "TARGET", metadata.target());
        if let (Some(file), Some(number)) = (metadata.file(), metadata.line()) {
            append(&mut bytes, "CODE_FILE", file);
            append(&mut bytes, "CODE_LINE", &number.to_string());
        }
        (line, bytes)
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field.name(), format_args!("{value:?}"));
    }
}

/// The syslog priority of a level: a person must act, degraded, life cycle, and what is asked for by name only.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// A field's name in the only letters that the journal takes.
fn field_name(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    PREFIX.chars().chain(letters).take(NAME_BYTES_MAX).collect()
}

/// `NAME=value`, or where a value has line breaks `NAME`, its length in 8 bytes, and the value.
fn append(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        bytes.push(b'\n');
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

#[cfg(test)]
mod tests;
