//! Where a broker is and how to speak to it: the validated meaning of the settings' broker table.
//!
//! Secrets are held in [`Secret`], which must never print what it holds.

use bytes::Bytes;
use std::fmt;
use std::path::PathBuf;

/// Which protocol version to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// MQTT 5 where the broker has it, else 3.1.1.
    #[default]
    Auto,
    /// MQTT 5 only.
    V5,
    /// MQTT 3.1.1 only.
    V311,
}

/// The protocol version of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// MQTT 5.
    V5,
    /// MQTT 3.1.1.
    V311,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that sends it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

/// A user name and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name, which may be printed.
    pub user: String,
    /// The password, which may not.
    pub password: Secret,
}

/// The PEM files for TLS, read anew at each connection so that renewed certificates are taken up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsFiles {
    /// The authorities to trust; the system's where there is none.
    pub ca: Option<PathBuf>,
    /// Our own certificate chain and its key, where the broker asks for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// One broker and our way to connect to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS, where the broker is reached over it.
    pub tls: Option<TlsFiles>,
    /// Unique per broker; the session hangs on it.
    pub client_id: String,
    /// User name and password, where the broker asks for them.
    pub credentials: Option<Credentials>,
    /// After how many seconds of silence we ping; 0 never.
    pub keep_alive_s: u16,
    /// Which protocol version to speak.
    pub protocol: Protocol,
    /// Whether to begin without what an earlier connection left at the broker.
    pub clean_start: bool,
    /// How long the broker keeps our session while we are away, in seconds; 3.1.1 knows only "for ever" (not 0).
    pub session_expiry_s: u32,
    /// The most QoS 1 messages that may be with us unacknowledged (MQTT 5; at least 1).
    pub receive_maximum: u16,
    /// The most QoS 1 messages of ours that may be unanswered, whatever the broker allows (at least 1). The clients look
    /// through a table of this size at each read and flush (docs/decisions/0001): 1 for who publishes nothing.
    pub publishes_in_flight_max: u16,
    /// The largest packet we want, in bytes. On MQTT 5 the broker withholds larger ones; a 3.1.1 broker cannot be
    /// told, so there the larger of this and 16 MiB is taken, lest one message end the connection again and again.
    pub packet_bytes_max: u32,
}

impl Endpoint {
    /// An endpoint with everything but host, port and client id at its default: no TLS, a kept session of one hour.
    pub fn new(host: impl Into<String>, port: u16, client_id: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port,
            tls: None,
            client_id: client_id.into(),
            credentials: None,
            keep_alive_s: 30,
            protocol: Protocol::Auto,
            clean_start: false,
            session_expiry_s: 3600,
            receive_maximum: 1024,
            publishes_in_flight_max: 128,
            packet_bytes_max: 1024 * 1024,
        }
    }
}

/// What the broker publishes for us when we vanish without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// A topic name without wildcards.
    pub topic: String,
    /// The payload.
    pub payload: Bytes,
    /// Whether the broker keeps it for later subscribers. It is always sent at QoS 1.
    pub retain: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows_in_debug_output() {
        let mut endpoint = Endpoint::new("broker.example", 1883, "chargetally");
        let password = Secret::new("hunter2");
        endpoint.credentials = Some(Credentials { user: "meter".into(), password });
        let printed = format!("{endpoint:?} {endpoint:#?}");
        assert!(printed.contains("meter"), "the user name may be printed: {printed}");
        assert!(!printed.contains("hunter2"), "the password must not be: {printed}");
    }
}
