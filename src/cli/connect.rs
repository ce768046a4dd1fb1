//! What `record` and `simulate` share: a connection of their own to a broker, a runtime, and the request to stop. A
//! session is never kept, and a password never comes from the command line.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::args::Login;
use crate::error::{Exit, Failure};
use crate::mqtt::{Credentials, Endpoint, Secret, TlsFiles, Why};
use crate::settings::{BrokerUrl, FileRef};

/// The endpoint of a command that leaves nothing behind at the broker, with a client id of its own.
///
/// # Errors
/// [`Exit::Usage`] where the options do not fit, [`Exit::NoInput`] where the password cannot be read.
pub fn endpoint(url: &BrokerUrl, login: &Login, command: &str) -> Result<Endpoint, Failure> {
    if login.ca_file.is_some() && !url.tls {
        return Err(Failure::new(Exit::Usage, "--ca-file is given, and the broker is not mqtts://"));
    }
    let password = match &login.password_file {
        Some(path) => FileRef::Path(path.clone()).read_secret(None).map_err(|error| {
            Failure::new(Exit::NoInput, format!("cannot read the password from {}", path.display())).because(error)
        })?,
        None => return Ok(with_user(url, login, command, "")),
    };
    Ok(with_user(url, login, command, password.expose()))
}

fn with_user(url: &BrokerUrl, login: &Login, command: &str, password: &str) -> Endpoint {
    let user = login.username.clone();
    Endpoint {
        tls: url.tls.then(|| TlsFiles { ca: login.ca_file.clone(), client: None }),
        credentials: user.map(|user| Credentials { user, password: Secret::new(password) }),
        clean_start: true,
        session_expiry_s: 0,
        ..Endpoint::new(url.host.clone(), url.port, format!("chargetally-{command}-{:08x}", random()))
    }
}

/// A number that no other process has.
fn random() -> u32 {
    // The keys of the standard library's hasher are the randomness that every process is given.
    (RandomState::new().build_hasher().finish() >> 32) as u32
}

/// A runtime on this thread.
///
/// # Errors
/// [`Exit::Unavailable`].
pub fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(no_runtime)
}

/// Failed to get from the system what a connection needs.
pub fn no_runtime(error: io::Error) -> Failure {
    Failure::new(Exit::Unavailable, "the system does not give what a connection needs").because(error)
}

/// The broker cannot be used.
pub fn unavailable(url: &BrokerUrl, why: &Why) -> Failure {
    Failure::new(Exit::Unavailable, format!("the broker at {url} cannot be used")).because(why.to_string())
}

/// Resolves once SIGINT or SIGTERM asks to stop. The handlers stand from the call on.
///
/// # Errors
/// Where the system gives no handler.
pub fn interruption() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
