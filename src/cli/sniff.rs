//! `chargetally sniff`: listens at a broker for a while and prints settings for what it recognised. It subscribes and
//! does nothing else: it publishes nothing, and leaves no session behind.

use std::time::Duration;

use chargetally_core::time::ArrivalTime;
use tokio::sync::mpsc::Receiver;

use super::connect::{endpoint, interruption, no_runtime, runtime, unavailable};
use super::{args, print, say};
use crate::clock;
use crate::dialect::Limits;
use crate::error::{Exit, Failure};
use crate::ingest::{self, IngestEvent, IngestHandle, IngestSettings};
use crate::mqtt::{Filter, Qos};
use crate::sniff::Sniffer;

/// Listens and prints.
///
/// # Errors
/// [`Exit::Unavailable`] where the broker cannot be used or nothing was recognised.
pub fn run(args: &args::Sniff) -> Result<(), Failure> {
    let endpoint = endpoint(&args.broker, &args.login, "sniff")?;
    let filters = args.topic.iter().map(|filter| Filter::new(filter, Qos::AtMostOnce)).collect();
    let mut sniffer = Sniffer::new(Limits::default());
    runtime()?.block_on(async {
        let stop = interruption().map_err(no_runtime)?;
        let (handle, mut events) = ingest::spawn(IngestSettings::new(endpoint, filters), clock::wall_ms);
        let listening = listen(args, &handle, &mut events, &mut sniffer);
        let listened = tokio::select! {
            listened = tokio::time::timeout(Duration::from_secs(args.seconds), listening) => listened.unwrap_or(Ok(())),
            () = stop => Ok(()),
        };
        events.close();
        handle.stopped().await;
        listened
    })?;
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| absolute(path));
    let (password, ca) = (path(&args.login.password_file), path(&args.login.ca_file));
    let login = [
        ("username", args.login.username.as_deref()),
        ("password_file", password.as_deref()),
        ("ca_file", ca.as_deref()),
    ];
    print(&sniffer.settings(&args.broker, login, args.seconds))?;
    if sniffer.has_recognised() {
        Ok(())
    } else {
        Err(Failure::new(Exit::Unavailable, "no charging station was recognised"))
    }
}

/// The settings name files by absolute paths.
fn absolute(path: &std::path::Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Takes in messages until the connection is over.
async fn listen(
    args: &args::Sniff,
    handle: &IngestHandle,
    events: &mut Receiver<IngestEvent>,
    sniffer: &mut Sniffer,
) -> Result<(), Failure> {
    let mut connected = false;
    while let Some(event) = events.recv().await {
        match event {
            IngestEvent::Batch(batch) => {
                for message in &batch.messages {
                    if let Some(topic) = message.topic() {
                        let arrival = ArrivalTime::from_ms(message.arrival_ms);
                        sniffer.take(topic, &message.payload, arrival, message.retain);
                    }
                }
                handle.acknowledge_through(batch.id);
            }
            IngestEvent::Connected { .. } => connected = true,
            IngestEvent::Subscribed(_) => say(&format!("listening at {} for {} s", args.broker, args.seconds)),
            IngestEvent::Refused(_) => {
                return Err(Failure::new(Exit::Unavailable, "the broker refuses the subscription"));
            }
            IngestEvent::Disconnected { why, retry_in_ms } => {
                if !connected && retry_in_ms > 0 {
                    return Err(unavailable(&args.broker, &why));
                }
            }
            IngestEvent::Stopped(Some(error)) => {
                return Err(Failure::new(Exit::Config, "cannot connect").because(error));
            }
            IngestEvent::Stopped(None) => break,
        }
    }
    Ok(())
}
