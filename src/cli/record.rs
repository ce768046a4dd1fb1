//! `chargetally record`: what stations send, as a recording that `replay` reads. A message is acknowledged once it was
//! handed to the file; nothing is decoded, and an existing file is written over only when asked to.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use chargetally_core::time::ArrivalTime;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc::Receiver;

use super::connect::{endpoint, interruption, no_runtime, runtime, unavailable};
use super::output::cannot_write;
use super::{args, say};
use crate::clock;
use crate::error::{Exit, Failure};
use crate::ingest::{self, Batch, IngestEvent, IngestHandle, IngestSettings};
use crate::mqtt::{Filter, Qos};
use crate::recording::{RecordedMessage, RecordingWriter};

/// How long a message may stand in the buffer before it goes to the file.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Size of the buffer, bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// Records until interrupted.
///
/// # Errors
/// [`Exit::CannotCreate`] where the file cannot be written or exists already, [`Exit::Unavailable`] where the broker
/// cannot be used.
pub fn run(args: &args::Record) -> Result<(), Failure> {
    let endpoint = endpoint(&args.broker, &args.login, "record")?;
    let filters = args.topic.iter().map(|filter| Filter::new(filter, Qos::AtLeastOnce)).collect();
    let out: Box<dyn Write> =
        if args.file.as_os_str() == "-" { Box::new(io::stdout()) } else { Box::new(create(&args.file, args.force)?) };
    let mut recording = Recording {
        out: RecordingWriter::new(BufWriter::with_capacity(BUFFER_BYTES, out)),
        bar: bar(),
        messages: 0,
        bytes: 0,
        unreadable: 0,
        interruptions: 0,
    };
    let begin = clock::monotonic();
    let ended = runtime()?.block_on(async {
        let stop = interruption().map_err(no_runtime)?;
        let (handle, mut events) = ingest::spawn(IngestSettings::new(endpoint, filters), clock::wall_ms);
        let ended = recording.take_all(args, &handle, &mut events, stop).await;
        // What was read before the end is part of the recording too.
        handle.stop();
        if ended.is_ok() {
            recording.take_rest(args, &mut events).await?;
        }
        events.close();
        handle.stopped().await;
        ended
    });
    recording.bar.finish_and_clear();
    let flushed = recording.out.flush().map_err(|error| cannot_record(&args.file, error));
    let took_ms = clock::monotonic().since_ms(begin);
    recording.tell(took_ms);
    ended.and(flushed)
}

fn create(path: &Path, force: bool) -> Result<File, Failure> {
    let mut options = File::options();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let what = format!("{} exists; --force writes over it", path.display());
            Failure::new(Exit::CannotCreate, what)
        }
        _ => cannot_write(path, error),
    })
}

fn cannot_record(path: &Path, error: io::Error) -> Failure {
    if path.as_os_str() == "-" { Failure::stdout(error) } else { cannot_write(path, error) }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template("recording {spinner} {human_pos} messages, {per_sec}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

struct Recording {
    out: RecordingWriter<BufWriter<Box<dyn Write>>>,
    bar: ProgressBar,
    messages: u64,
    bytes: u64,
    /// Messages whose topic is no text, which no recording can hold.
    unreadable: u64,
    /// How often the connection was lost.
    interruptions: u64,
}

impl Recording {
    /// Takes messages until `stop` asks to end.
    async fn take_all(
        &mut self,
        args: &args::Record,
        handle: &IngestHandle,
        events: &mut Receiver<IngestEvent>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        let mut flush = tokio::time::interval(FLUSH_EVERY);
        let mut connected = false;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                _ = flush.tick() => self.out.flush().map_err(|error| cannot_record(&args.file, error))?,
                event = events.recv() => match event {
                    Some(IngestEvent::Batch(batch)) => {
                        self.write(&batch).map_err(|error| cannot_record(&args.file, error))?;
                        handle.acknowledge_through(batch.id);
                    }
                    Some(IngestEvent::Connected { .. }) => connected = true,
                    Some(IngestEvent::Subscribed(_)) => self.note(&format!("recording from {}", args.broker)),
                    Some(IngestEvent::Refused(results)) => return Err(refused(&results)),
                    Some(IngestEvent::Disconnected { why, retry_in_ms }) => {
                        if !connected && retry_in_ms > 0 {
                            return Err(unavailable(&args.broker, &why));
                        }
                        if connected {
                            self.interruptions += 1;
                            self.note(&format!("{why}; what is sent meanwhile is not recorded"));
                        }
                    }
                    Some(IngestEvent::Stopped(Some(error))) => {
                        return Err(Failure::new(Exit::Config, "cannot connect").because(error));
                    }
                    Some(IngestEvent::Stopped(None)) | None => return Ok(()),
                },
            }
        }
    }

    /// Takes what the connection still hands over after it was told to stop.
    async fn take_rest(&mut self, args: &args::Record, events: &mut Receiver<IngestEvent>) -> Result<(), Failure> {
        while let Some(event) = events.recv().await {
            match event {
                IngestEvent::Batch(batch) => {
                    self.write(&batch).map_err(|error| cannot_record(&args.file, error))?;
                }
                IngestEvent::Stopped(_) => break,
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        for message in &batch.messages {
            let Some(topic) = message.topic() else {
                self.unreadable += 1;
                continue;
            };
            self.out.write_message(&RecordedMessage {
                arrival: Some(ArrivalTime::from_ms(message.arrival_ms)),
                topic: Cow::Borrowed(topic),
                qos: u8::from(message.qos == Qos::AtLeastOnce),
                retained: message.retain,
                payload: Cow::Borrowed(&message.payload),
            })?;
            self.messages += 1;
            self.bytes += message.size_bytes() as u64;
        }
        self.bar.set_position(self.messages);
        Ok(())
    }

    fn note(&self, line: &str) {
        self.bar.suspend(|| say(line));
    }

    fn tell(&self, took_ms: u64) {
        let rate = u128::from(self.messages) * 1_000 / u128::from(took_ms.max(1));
        let mut line = format!(
            "{} messages with {} bytes recorded in {} s, {rate} messages/s",
            self.messages,
            self.bytes,
            took_ms / 1_000
        );
        for (count, what) in
            [(self.interruptions, "times without a connection"), (self.unreadable, "messages whose topic is no text")]
        {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        say(&line);
    }
}

fn refused(results: &[crate::mqtt::FilterResult]) -> Failure {
    let reasons: Vec<String> = results
        .iter()
        .filter_map(|result| result.outcome.as_ref().err().map(|why| format!("{}: {why}", result.filter)))
        .collect();
    Failure::new(Exit::Unavailable, "the broker refuses the subscription").because(reasons.join("\n"))
}
