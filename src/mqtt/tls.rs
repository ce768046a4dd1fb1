//! Turns PEM files into the client crates' TLS configuration.
//!
//! It reads the files and nothing else; it must never log what is in them.

use super::{ConfigError, TlsFiles};
use rumqttc_v5::TlsConfiguration;
use std::path::Path;

/// Reads the files anew. Without an authority of its own the system's trust store is taken.
///
/// # Errors
/// Where a file cannot be read, or a client certificate is given without an authority.
pub(super) fn read(files: &TlsFiles) -> Result<TlsConfiguration, ConfigError> {
    let client_auth = match &files.client {
        Some((chain, key)) => Some((read_file(chain)?, read_file(key)?)),
        None => None,
    };
    match &files.ca {
        Some(ca) => Ok(TlsConfiguration::Simple { ca: read_file(ca)?, alpn: None, client_auth }),
        None if client_auth.is_some() => {
            Err(ConfigError::Invalid("a client certificate needs the file of the broker's authority beside it".into()))
        }
        None => TlsConfiguration::try_default_rustls()
            .map_err(|error| ConfigError::Invalid(format!("the system's trust store cannot be used: {error}"))),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|source| ConfigError::TlsFile { path: path.to_owned(), source })
}
