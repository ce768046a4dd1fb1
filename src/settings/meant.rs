//! What single settings mean: types that can hold no wrong value, each with the one function that reads it.
//!
//! The error of such a function completes the sentence "KEY ..", says what would be right, and never repeats a
//! value that could be a secret. A [`Secret`] is never printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chargetally_core::rollup::ValleyPeriod;
use chargetally_core::scope::Level;
use chargetally_core::window::{CivilDay, WindowKind};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::topic::{ROOT_BYTES_MAX, Root, TopicError};

/// Bytes of a file with a secret that are read at most.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
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
        /// As `[[source.mapping.field]]` describes them.
        Mapping = "mapping",
        /// evcc.
        Evcc = "evcc",
        /// openWB 2.
        Openwb = "openwb",
        /// go-eCharger, API version 2.
        GoE = "go-e",
        /// OpenEVSE.
        Openevse = "openevse",
        /// SmartEVSE 3.
        Smartevse = "smartevse",
        /// Tinkerforge WARP.
        Warp = "warp",
        /// Homie 5.
        Homie = "homie",
        /// Sparkplug B.
        Sparkplug = "sparkplug",
        /// OCPP 1.6, 2.0.1 and 2.1, relayed by a gateway.
        Ocpp = "ocpp",
        /// T/CEC 102.
        Cec102 = "cec102",
        /// YKC (云快充), as proxies write it.
        Ykc = "ykc",
        /// The EVerest API.
        Everest = "everest",
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

/// The root of a topic tree, by its levels.
pub(super) fn root(text: &str) -> Result<Root, String> {
    Root::parse(text).map_err(|error| match error {
        TopicError::Form => {
            let rule = "must be topic levels like \"ev/v1\", without wildcards, empty levels or $ at the start";
            format!("is {text:?} and {rule}")
        }
        TopicError::IdTooLong => format!("must not be longer than {ROOT_BYTES_MAX} bytes"),
    })
}

/// A level of summaries, by its name on the wire.
///
/// # Errors
/// What is wrong with it, to follow the key's name.
pub fn level(text: &str) -> Result<Level, String> {
    Level::from_name(text).ok_or_else(|| none_of(text, &Level::ALL.map(Level::name)))
}

/// A kind of window, by its name on the wire.
///
/// # Errors
/// What is wrong with it, to follow the key's name.
pub fn window(text: &str) -> Result<WindowKind, String> {
    WindowKind::from_name(text).ok_or_else(|| none_of(text, &WindowKind::ALL.map(WindowKind::name)))
}

fn none_of(text: &str, names: &[&str]) -> String {
    format!("is {text:?} and must be one of {}", names.join(" "))
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

/// A valley period that holds everywhere and all year, from `HH:MM-HH:MM`; one that ends before it starts goes on
/// past midnight.
pub(super) fn valley_period(text: &str) -> Result<ValleyPeriod, String> {
    let refusal = || format!("is {text:?} and must be like \"23:00-07:00\", from 00:00 to 24:00");
    let (from, to) = text.split_once('-').ok_or_else(refusal)?;
    let from_minute = minute_of_day(from).filter(|&minute| minute < DAY_MIN).ok_or_else(refusal)?;
    let to_minute = minute_of_day(to).ok_or_else(refusal)?;
    let to_minute = if to_minute == 0 { DAY_MIN } else { to_minute };
    if from_minute == to_minute {
        return Err(format!("is {text:?} and covers nothing"));
    }
    Ok(ValleyPeriod { province: None, months: Vec::new(), from_minute, to_minute })
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
pub(super) fn date(text: &str) -> Result<CivilDay, String> {
    let plain = text.len() == 10;
    let parsed = text.parse::<Date>().ok().filter(|_| plain);
    let day = |date: Date| CivilDay {
        year: i32::from(date.year()),
        month: date.month().unsigned_abs(),
        day: date.day().unsigned_abs(),
    };
    parsed.map(day).ok_or_else(|| format!("is {text:?} and must be a date like \"2027-12-31\""))
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
