//! A simulated fleet over a real connection: message after message, paced by the simulated clock, with a bounded number
//! under way. Where the connection ends early the command fails: what arrived is then not known, so no truth is written.

use std::pin::Pin;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::{sleep_until, timeout};

use super::{PROGRESS_EVERY, SimulateError, bar, failure, write_truth};
use crate::cli::connect::{endpoint, interruption, no_runtime, runtime, unavailable};
use crate::cli::{args, say};
use crate::clock::{self, Monotonic};
use crate::error::{Exit, Failure};
use crate::mqtt::{Dialer, Event, Filter, Link, Outgoing, PublishResult, Qos, SendError, Why};
use crate::settings::BrokerUrl;
use crate::simulate::{Fleet, FleetPlan, SimMessage};

/// Messages that may be under way before the broker is asked whether it has seen them.
const UNDER_WAY_MAX: u32 = 512;
/// Nobody publishes to it: the answer to its subscription says that the broker has seen all that was sent before.
const MARK_FILTER: &str = "chargetally/none";
/// How long the broker may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How long an orderly end may take, after everything was answered.
const END_LIMIT: Duration = Duration::from_secs(5);
/// Messages after which the connection gets a turn, where nothing has to be waited for.
const TURN_EVERY: u64 = 32;
/// The longest wait for a message, s: ten years.
const WAIT_S_MAX: f64 = 3e8;

/// Publishes what the fleet of the plan sends.
///
/// # Errors
/// [`Exit::Unavailable`] where the broker cannot be used or refuses messages, [`Exit::CannotCreate`] for the truth.
pub fn publish(plan: FleetPlan, url: &BrokerUrl, args: &args::Simulate) -> Result<(), Failure> {
    let dialer = Dialer::new(endpoint(url, &args.login, "simulate")?, None, clock::wall_ms);
    let duration_ms = plan.duration_ms.and_then(|ms| u64::try_from(ms).ok());
    let fleet = Fleet::new(plan).map_err(|error| failure(SimulateError::Plan(error)))?;
    let bar = bar(duration_ms.unwrap_or(0), duration_ms.is_some());
    let mut sender = Sender { fleet, url, bar, sent: 0, under_way: 0, unanswered: 0, refused: 0, marked: true };
    runtime()?.block_on(async {
        let mut stop = Box::pin(interruption().map_err(no_runtime)?);
        let mut link = sender.connect(dialer).await?;
        say(&format!("publishing to {url}"));
        sender.play(&mut link, args.speed, stop.as_mut()).await?;
        sender.end(link).await
    })?;
    sender.bar.finish_and_clear();
    if let Some(path) = &args.truth {
        write_truth(&sender.fleet, path)?;
    }
    say(&format!("{} messages of {} connectors", sender.sent, sender.fleet.plan().connectors));
    if sender.refused > 0 {
        let what = format!("the broker refused {} messages", sender.refused);
        return Err(Failure::new(Exit::Unavailable, what));
    }
    Ok(())
}

struct Sender<'a> {
    fleet: Fleet,
    url: &'a BrokerUrl,
    bar: ProgressBar,
    sent: u64,
    /// Messages since the last answer to a mark.
    under_way: u32,
    /// QoS 1 messages that the broker has not answered.
    unanswered: u64,
    /// Messages that the broker refused.
    refused: u64,
    /// Whether the last mark was answered.
    marked: bool,
}

impl Sender<'_> {
    async fn connect(&self, mut dialer: Dialer) -> Result<Link, Failure> {
        loop {
            let mut link =
                dialer.dial().map_err(|error| Failure::new(Exit::Config, "cannot connect").because(error))?;
            match timeout(ANSWER_LIMIT, link.next()).await {
                Ok(Event::Connected { .. }) => return Ok(link),
                Ok(Event::Disconnected(why)) if dialer.ended(&why) => {}
                Ok(Event::Disconnected(why)) => return Err(unavailable(self.url, &why)),
                Ok(_) => return Err(unavailable(self.url, &Why::Protocol("no connection, but an answer".into()))),
                Err(_) => return Err(self.silent()),
            }
        }
    }

    fn silent(&self) -> Failure {
        unavailable(self.url, &Why::Network("no answer".into()))
    }

    /// Sends everything, each message when its time has come, until `stop`. Everything that the fleet counts as arrived
    /// by then is sent, so that the truth holds.
    async fn play(
        &mut self,
        link: &mut Link,
        speed: f64,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), Failure> {
        let (begin, start_ms) = (clock::monotonic(), self.fleet.plan().start_ms);
        let mut message = SimMessage::default();
        while self.fleet.next_into(&mut message) {
            let after_ms = message.arrival_ms - start_ms;
            let due = (speed > 0.0).then(|| {
                begin.after(Duration::from_secs_f64((after_ms as f64 / 1_000.0 / speed).clamp(0.0, WAIT_S_MAX)))
            });
            let stopped = self.wait(link, due, stop.as_mut()).await?;
            self.send(link, &mut message).await?;
            if self.sent.is_multiple_of(PROGRESS_EVERY) || due.is_some() {
                self.bar.set_position(u64::try_from(after_ms).unwrap_or(0));
                self.bar.set_message(format!("{} messages", self.sent));
            }
            if stopped {
                while self.fleet.ready() > 0 && self.fleet.next_into(&mut message) {
                    self.send(link, &mut message).await?;
                }
                break;
            }
        }
        Ok(())
    }

    /// Waits until a message is due, and takes in meanwhile what the broker says. True: `stop` came first.
    async fn wait(
        &mut self,
        link: &mut Link,
        due: Option<Monotonic>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<bool, Failure> {
        match due {
            Some(due) => loop {
                tokio::select! {
                    biased;
                    () = &mut stop => return Ok(true),
                    event = link.next() => self.take(event)?,
                    () = sleep_until(due.instant()) => return Ok(false),
                }
            },
            None if self.sent.is_multiple_of(TURN_EVERY) => tokio::select! {
                biased;
                () = &mut stop => Ok(true),
                () = tokio::task::yield_now() => Ok(false),
            },
            None => Ok(false),
        }
    }

    async fn send(&mut self, link: &mut Link, message: &mut SimMessage) -> Result<(), Failure> {
        let qos = if message.qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        let outgoing = Outgoing {
            topic: std::mem::take(&mut message.topic),
            payload: std::mem::take(&mut message.payload).into(),
            qos,
            retain: message.retain,
            expiry_s: None,
            content_type: None,
            user_properties: Vec::new(),
        };
        loop {
            match link.publish(self.sent, &outgoing) {
                Ok(()) => break,
                Err(SendError::Full | SendError::Closed) => self.next(link).await?,
                Err(SendError::Invalid | SendError::TooLarge) => {
                    self.refused += 1;
                    return Ok(());
                }
            }
        }
        self.sent += 1;
        self.under_way += 1;
        self.unanswered += u64::from(qos == Qos::AtLeastOnce);
        while let Some(event) = link.try_next() {
            self.take(event)?;
        }
        if self.under_way >= UNDER_WAY_MAX { self.mark(link).await } else { Ok(()) }
    }

    /// Waits until the broker has seen everything that was sent.
    async fn mark(&mut self, link: &mut Link) -> Result<(), Failure> {
        while let Err(error) = link.subscribe(&[Filter::new(MARK_FILTER, Qos::AtMostOnce)]) {
            match error {
                SendError::Full | SendError::Closed => self.next(link).await?,
                SendError::Invalid | SendError::TooLarge => {
                    return Err(unavailable(self.url, &Why::Protocol("it cannot be asked for an answer".into())));
                }
            }
        }
        self.marked = false;
        while !self.marked {
            self.next(link).await?;
        }
        self.under_way = 0;
        Ok(())
    }

    /// Waits for the next thing that the broker says.
    async fn next(&mut self, link: &mut Link) -> Result<(), Failure> {
        match timeout(ANSWER_LIMIT, link.next()).await {
            Ok(event) => self.take(event),
            Err(_) => Err(self.silent()),
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Published { result, .. } => {
                self.unanswered = self.unanswered.saturating_sub(1);
                self.refused += u64::from(result != PublishResult::Accepted);
            }
            // Whether it was granted does not matter: an answer is an answer.
            Event::Subscribed(_) => self.marked = true,
            Event::Disconnected(why) => return Err(unavailable(self.url, &why)),
            Event::Connected { .. } | Event::Message(_) => {}
        }
        Ok(())
    }

    /// Waits until everything was answered, and ends the connection in order.
    async fn end(&mut self, mut link: Link) -> Result<(), Failure> {
        while self.unanswered > 0 {
            self.next(&mut link).await?;
        }
        self.mark(&mut link).await?;
        if link.disconnect().is_ok() {
            let over = async { while !matches!(link.next().await, Event::Disconnected(_)) {} };
            // Everything was answered before; an end that is not in order changes nothing.
            let _in_order = timeout(END_LIMIT, over).await;
        }
        Ok(())
    }
}
