//! What single settings mean: types that can hold no wrong value, each with the one function that reads it.
//!
//! The error of such a function completes the sentence "KEY ..", says what would be right, and never repeats a
//! value that could be a secret. A [`Secret`] is never printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Bytes of a file with a secret that are read at most.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of the root of a topic tree at most.
const ROOT_BYTES_MAX: usize = 200;
/// Minutes of a day.
const DAY_MIN: u16 = 24 * 60;

/// A span of time in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(u64);

impl Millis {
    /// A span of `ms` milliseconds.
    #[must_use]
    pub const fn new(ms: u64) -> Self {
        Self(ms)
    }

    /// Its milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// The same span for the runtime's timers.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

/// Declares an enum of names as they stand in the settings and on the command line.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$item_doc:meta])* $item:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$item_doc])* $item),+ }

        impl $type {
            /// All of them, in their order.
            pub const ALL: &[Self] = &[$(Self::$item),+];

            /// The name that it is written with.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$item => $name),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().copied().find(|item| item.name() == text);
                found.ok_or_else(|| format!("is {text:?} and must be one of {}", [$($name),+].join(" ")))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

named! {
    /// Which MQTT is spoken.
    Protocol {
        /// 5, and 3.1.1 where the broker refuses that.
        Auto = "auto",
        /// Only MQTT 5.
        V5 = "5",
        /// Only MQTT 3.1.1.
        V311 = "3.1.1",
    }
}

named! {
    /// How a source writes its payloads.
    DialectName {
        /// The project's own, as the schemas describe it.
        Native = "native",
    }
}

named! {
    /// What a summary is about.
    Level {
        /// All stations.
        Nation = "nation",
        /// Those of a province: the first 2 digits of the area code.
        Province = "province",
        /// Those of a city: 4 digits.
        City = "city",
        /// Those of a county: 6 digits.
        County = "county",
        /// Those of an operator.
        Operator = "operator",
        /// One station.
        Station = "station",
    }
}

named! {
    /// How long a time a summary covers.
    WindowName {
        /// A minute, the base bucket.
        Minute = "1m",
        /// A quarter of an hour, the grid's settlement interval.
        Quarter = "15m",
        /// An hour.
        Hour = "1h",
        /// A civil day in the configured time zone.
        Day = "1d",
        /// A civil month in the configured time zone.
        Month = "1mo",
    }
}

named! {
    /// How log lines are written.
    LogFormat {
        /// For people.
        Text = "text",
        /// An object a line, for machines.
        Json = "json",
    }
}

/// Where the broker is: `mqtt://HOST[:PORT]`, or `mqtts://` for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port; 1883, or 8883 with TLS, where the URL names none.
    pub port: u16,
}

impl BrokerUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, to follow the key's name. The URL is not repeated, for it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]";
        let (tls, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (false, rest),
            Some(("mqtts", rest)) => (true, rest),
            _ => return Err(FORM.to_owned()),
        };
        if rest.contains('@') {
            return Err("must not hold a user or password: there are username and password_file".to_owned());
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').ok_or(FORM)?,
            None => rest.find(':').map_or((rest, ""), |colon| rest.split_at(colon)),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if host.is_empty() || !host.chars().all(plain) {
            return Err(FORM.to_owned());
        }
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => {
                if tls {
                    8883
                } else {
                    1883
                }
            }
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return Err("names a port that is not from 1 to 65535".to_owned()),
            },
            None => return Err(FORM.to_owned()),
        };
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "mqtts" } else { "mqtt" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// The root of a topic tree: one or more levels, without wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicRoot(String);

impl TopicRoot {
    /// Reads a root.
    ///
    /// # Errors
    /// What is wrong with it, to follow the key's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let levels_empty = text.split('/').any(str::is_empty);
        let wrong = |c: char| matches!(c, '+' | '#') || c.is_control();
        if levels_empty || text.starts_with('$') || text.contains(wrong) {
            let rule = "must be topic levels like \"ev/v1\", without wildcards, empty levels or $ at the start";
            return Err(format!("is {text:?} and {rule}"));
        }
        if text.len() > ROOT_BYTES_MAX {
            return Err(format!("must not be longer than {ROOT_BYTES_MAX} bytes"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The root as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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

/// A file that the settings name: an absolute path, or `credential:NAME` for a credential of systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileRef {
    /// An absolute path.
    Path(PathBuf),
    /// A file in the directory that `$CREDENTIALS_DIRECTORY` names.
    Credential(String),
}

impl FileRef {
    /// Reads a file's name; the empty string is no file.
    ///
    /// # Errors
    /// What is wrong with it, to follow the key's name. The name is not repeated: somebody may have written
    /// the password itself where its file was asked for.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        if let Some(name) = text.strip_prefix("credential:") {
            let plain = !name.is_empty() && !name.contains('/') && name != "." && name != "..";
            return if plain {
                Ok(Some(Self::Credential(name.to_owned())))
            } else {
                Err("must name a credential as credential:NAME, without a slash".to_owned())
            };
        }
        let refusal = "must be an absolute path, credential:NAME for a credential of systemd, or empty";
        absolute(text).map(|path| path.map(Self::Path)).map_err(|_| refusal.to_owned())
    }

    /// Where the file is, given what `$CREDENTIALS_DIRECTORY` holds.
    ///
    /// # Errors
    /// `NotFound` for a credential where there is no such directory.
    pub fn locate(&self, credentials: Option<&Path>) -> io::Result<PathBuf> {
        match (self, credentials) {
            (Self::Path(path), _) => Ok(path.clone()),
            (Self::Credential(name), Some(directory)) => Ok(directory.join(name)),
            (Self::Credential(name), None) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("credential {name}: $CREDENTIALS_DIRECTORY is not set; is there a LoadCredential=?"),
            )),
        }
    }

    /// Reads the file as a secret, without the line break at its end.
    ///
    /// # Errors
    /// Those of the file; `InvalidData` where it is empty, too long, or no text.
    pub fn read_secret(&self, credentials: Option<&Path>) -> io::Result<Secret> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut bytes = Vec::new();
        File::open(self.locate(credentials)?)?.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > SECRET_BYTES_MAX {
            return Err(invalid("the file is too long for a secret"));
        }
        let text = String::from_utf8(bytes).map_err(|_| invalid("the secret is not UTF-8"))?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        match line.strip_suffix('\r').unwrap_or(line) {
            "" => Err(invalid("the file is empty")),
            secret => Ok(Secret(secret.to_owned())),
        }
    }
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
        }
    }
}

/// The directory of systemd's credentials, as the environment names it.
#[must_use]
pub fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// A password. It prints as `[secret]`, whatever prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The password itself, for the connection alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A part of the day, in minutes after midnight; one that ends before it starts goes on past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayPeriod {
    /// First minute of it, 0 to 1439.
    pub start_min: u16,
    /// The minute after its last one, 1 to 1440.
    pub end_min: u16,
}

impl DayPeriod {
    /// Reads `HH:MM-HH:MM`.
    ///
    /// # Errors
    /// What is wrong with it, to follow the key's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refusal = || format!("is {text:?} and must be like \"23:00-07:00\", from 00:00 to 24:00");
        let (start, end) = text.split_once('-').ok_or_else(refusal)?;
        let start_min = minute_of_day(start).filter(|&minute| minute < DAY_MIN).ok_or_else(refusal)?;
        let end_min = minute_of_day(end).ok_or_else(refusal)?;
        let end_min = if end_min == 0 { DAY_MIN } else { end_min };
        if start_min == end_min {
            return Err(format!("is {text:?} and covers nothing"));
        }
        Ok(Self { start_min, end_min })
    }

    /// Whether a minute after midnight lies in it.
    #[must_use]
    pub const fn contains(self, minute: u16) -> bool {
        if self.start_min < self.end_min {
            self.start_min <= minute && minute < self.end_min
        } else {
            self.start_min <= minute || minute < self.end_min
        }
    }
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes) = (hours.parse::<u16>().ok()?, minutes.parse::<u16>().ok()?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MIN).then_some(minute)
}

/// An absolute path; the empty string is none.
pub(super) fn absolute(text: &str) -> Result<Option<PathBuf>, String> {
    match Path::new(text) {
        _ if text.is_empty() => Ok(None),
        path if path.is_absolute() => Ok(Some(path.to_owned())),
        _ => Err("must be an absolute path, or empty".to_owned()),
    }
}

/// A civil date, `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Result<Date, String> {
    let plain = text.len() == 10;
    let parsed = text.parse::<Date>().ok().filter(|_| plain);
    parsed.ok_or_else(|| format!("is {text:?} and must be a date like \"2027-12-31\""))
}

/// A time zone by its IANA name.
pub(super) fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text)
        .map_err(|_| format!("is {text:?} and must be the IANA name of a time zone like \"Asia/Shanghai\""))
}

/// A string that must not be empty, hold a control character, or be longer than `bytes_max`.
pub(super) fn name(text: &str, bytes_max: usize) -> Result<String, String> {
    if text.is_empty() || text.len() > bytes_max || text.contains(char::is_control) {
        return Err(format!("must be from 1 to {bytes_max} bytes without control characters"));
    }
    Ok(text.to_owned())
}

/// Like [`name`], where the empty string stands for none.
pub(super) fn optional_name(text: &str, bytes_max: usize) -> Result<Option<String>, String> {
    if text.is_empty() { Ok(None) } else { name(text, bytes_max).map(Some) }
}
