//! Where log lines go: to standard error, filtered and written as the settings say; under systemd to the journal as
//! entries with fields, unless the settings ask for JSON.
//!
//! The journal stamps lines itself, so they carry no time and no colour there. Standard output belongs to a command's
//! results and never gets a log line.

mod journal;

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use self::journal::Journal;
use crate::settings::LogFormat;

/// Whether a log filter is one.
///
/// # Errors
/// What is wrong with it, to follow its name.
pub fn check_filter(filter: &str) -> Result<(), String> {
    let rule = "must be a log filter like \"info\" or \"warn,chargetally=debug\"";
    if filter.trim().is_empty() {
        return Err(format!("is empty and {rule}"));
    }
    filter.parse::<Targets>().map(drop).map_err(|_| format!("is {filter:?} and {rule}"))
}

/// Starts logging; a second call changes nothing. Of a filter that [`check_filter`] refuses, `info` is logged.
pub fn init(filter: &str, format: LogFormat) {
    let filter = filter.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let is_journal = journal::is_standard_error(std::env::var_os("JOURNAL_STREAM").as_deref());
    let journal =
        if is_journal && format == LogFormat::Text { Journal::connect(journal::SOCKET.as_ref()).ok() } else { None };
    let lines = Subscriber::builder()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(io::stderr)
        .with_ansi(!is_journal && io::stderr().is_terminal());
    // An error here says that a subscriber is there already, and then that one is meant.
    let _already = match (format, journal) {
        (LogFormat::Text, Some(journal)) => {
            tracing::subscriber::set_global_default(registry().with(filter).with(journal))
        }
        (LogFormat::Json, _) => {
            tracing::subscriber::set_global_default(lines.json().flatten_event(true).finish().with(filter))
        }
        (LogFormat::Text, None) if is_journal => {
            tracing::subscriber::set_global_default(lines.without_time().finish().with(filter))
        }
        (LogFormat::Text, None) => tracing::subscriber::set_global_default(lines.finish().with(filter)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_directives() {
        assert_eq!(check_filter("info"), Ok(()));
        assert_eq!(check_filter("warn,chargetally=debug"), Ok(()));
        assert!(check_filter(" ").is_err_and(|what| what.starts_with("is empty")));
        assert!(check_filter("chargetally=loud").is_err_and(|what| what.contains("must be a log filter")));
    }
}
