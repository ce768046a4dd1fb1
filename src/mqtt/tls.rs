//! Turns PEM files into the client crates' TLS configuration.
//!
//! It reads the files and nothing else; it must never log what is in them.

use super::{ConfigError, TlsFiles};
use rumqttc_v5::TlsConfiguration;
use rumqttc_v5::tokio_rustls::rustls::pki_types::pem::PemObject;
use rumqttc_v5::tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// Where systems keep the authorities that they trust, all in one file: Debian and Alpine, Fedora, the BSDs.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Reads the files anew. Without an authority of its own the system's trust store is taken.
///
/// # Errors
/// Where a file cannot be read, or nothing says whom to trust.
pub(super) fn read(files: &TlsFiles) -> Result<TlsConfiguration, ConfigError> {
    let client_auth = match &files.client {
        Some((chain, key)) => Some((certificates(chain)?, private_key(key)?)),
        None => None,
    };
    match &files.ca {
        Some(ca) => Ok(TlsConfiguration::Simple { ca: certificates(ca)?, alpn: None, client_auth }),
        None if client_auth.is_some() => {
            let bundle = SYSTEM_BUNDLES.iter().map(Path::new).find(|path| path.exists()).ok_or_else(|| {
                ConfigError::Invalid("the system has no bundle of authorities; install ca-certificates".into())
            })?;
            Ok(TlsConfiguration::Simple { ca: certificates(bundle)?, alpn: None, client_auth })
        }
        None => TlsConfiguration::try_default_rustls()
            .map_err(|error| ConfigError::Invalid(format!("the system's trust store cannot be used: {error}"))),
    }
}

/// A file of certificates: at least one, and none that cannot be read, so that a wrong file is known before a broker is
/// there to be connected to.
fn certificates(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let pem = read_file(path)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate.map_err(|_| not(path, "a file of certificates"))?;
        count += 1;
    }
    if count == 0 {
        return Err(ConfigError::Invalid(format!("{} holds no certificate", path.display())));
    }
    Ok(pem)
}

/// A file with a private key.
fn private_key(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let pem = read_file(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| not(path, "a file with a private key"))?;
    Ok(pem)
}

/// The parser's own error may show what is in the file, so it is left out.
fn not(path: &Path, what: &str) -> ConfigError {
    ConfigError::Invalid(format!("{} is not {what} in PEM", path.display()))
}

fn read_file(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|source| ConfigError::TlsFile { path: path.to_owned(), source })
}
