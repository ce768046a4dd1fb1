//! What the journal is sent, read from a socket in its place. Nothing here talks to the machine's own journal.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use super::*;

/// What the journal gets of what is logged meanwhile, one text an entry.
fn entries(log: impl FnOnce()) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("journal");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_nonblocking(true).expect("non-blocking");
    let journal = Journal::connect(&path).expect("it listens");
    tracing::subscriber::with_default(registry().with(journal), log);
    let mut buffer = vec![0; 1 << 18];
    let next = || socket.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned());
    std::iter::from_fn(next).collect()
}

#[test]
fn a_line_has_its_values_to_read_and_as_fields_and_the_priority_of_its_level() {
    let why = io::Error::other("refused");
    let all = entries(|| {
        tracing::warn!(%why, retry_in_ms = 500, "the connection is down");
        tracing::error!(name = "市", "e");
        tracing::info!("i");
        tracing::debug!("d");
    });
    assert_eq!(all.len(), 4, "{all:?}");
    let expected = "CHARGETALLY_WHY=refused\nCHARGETALLY_RETRY_IN_MS=500\n\
        MESSAGE=the connection is down why=refused retry_in_ms=500\nPRIORITY=4\nSYSLOG_IDENTIFIER=chargetally\n\
        TARGET=chargetally::logging::journal::tests\nCODE_FILE=src/logging/journal/tests.rs\nCODE_LINE=";
    assert!(all[0].starts_with(expected), "{}", all[0]);
    assert!(all[1].starts_with("CHARGETALLY_NAME=市\nMESSAGE=e name=市\nPRIORITY=3\n"), "{}", all[1]);
    assert!(all[2].starts_with("MESSAGE=i\nPRIORITY=6\n"), "{}", all[2]);
    assert!(all[3].starts_with("MESSAGE=d\nPRIORITY=7\n"), "{}", all[3]);
}

#[test]
fn no_value_starts_a_field_of_its_own_or_grows_without_bound() {
    let all = entries(|| {
        tracing::info!(topic = "a\nPRIORITY=0", "m");
        tracing::info!(topic = "x".repeat(1 << 20), "long");
    });
    let length = String::from_utf8_lossy(&12_u64.to_le_bytes()).into_owned();
    assert!(all[0].starts_with(&format!("CHARGETALLY_TOPIC\n{length}a\nPRIORITY=0\n")), "{}", all[0]);
    assert!(all[1].len() < 3 * VALUE_BYTES_MAX, "{}", all[1].len());
}

#[test]
fn standard_error_is_the_journals_only_where_the_stream_is_the_same_file() {
    assert!(!is_standard_error(None));
    assert!(!is_standard_error(Some(OsStr::new("0:0"))));
    let descriptor = io::stderr().as_fd().try_clone_to_owned().expect("a descriptor");
    let metadata = File::from(descriptor).metadata().expect("its file");
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    assert!(is_standard_error(Some(OsStr::new(&stream))));
}
