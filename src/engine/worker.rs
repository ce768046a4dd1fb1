//! One worker: it owns one shard and the decoders of its stations' messages, and does what the engine tells it, in
//! order. It decodes, it aggregates, it counts; it never waits for anything but its next job.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryIter};

use chargetally_core::observation::{Observation, StationKey};
use chargetally_core::shard::{AlarmEvent, Closed, Count, Shard};
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::Window;

use super::resume::{self, Packed};
use super::stats::Stats;
use crate::batch::{Batch, Message};
use crate::dialect::{Dialect, Limits, Reject, Request};

/// What a worker is told to do.
pub(super) enum Job {
    /// Decode and take in messages.
    Messages(Batch),
    /// Begin to close base buckets, and to count windows; say how many connectors there are.
    BeginClose { until: Bucket, windows: Arc<[Window]>, reply: SyncSender<(usize, usize)> },
    /// Do what is left of a close, and hand over what changed and what was counted.
    FinishClose { reply: SyncSender<(usize, Closed)> },
    /// Take the census of a window, with its snapshot where it has just closed.
    Count { window: Window, with_snapshot: bool, reply: SyncSender<(usize, Count)> },
    /// Find what has come to pass without any message.
    Tick(ArrivalTime),
    /// From when on messages are heard, or that they are not.
    Listen(Option<ArrivalTime>),
    /// Give out all alarms that stand once more.
    RepeatAlarms,
    /// Pack what changed, piece by piece.
    Pack { pieces: SyncSender<Packed> },
    /// What was packed is safe.
    Saved,
    /// Hand over the counters.
    Stats { reply: SyncSender<(usize, Stats)> },
}

/// What a worker says without being asked.
#[derive(Debug)]
pub enum Notice {
    /// An alarm was raised, changed or cleared.
    Alarm(Box<AlarmEvent>),
    /// A message was refused: a sample of those, at most so many a second.
    Rejected(Box<RejectedSample>),
    /// A dialect wants something sent to a station.
    Request(Request),
}

/// The receiving end of what workers say. It counts what has not been said yet, so that nothing is taken for said that
/// is only under way.
#[derive(Debug)]
pub struct Notices {
    receiver: Receiver<Notice>,
    unsaid: Arc<AtomicUsize>,
}

impl Notices {
    /// Says everything that comes, until the engine ends.
    pub fn say(&self, mut say: impl FnMut(Notice)) {
        while let Ok(notice) = self.receiver.recv() {
            say(notice);
            self.said();
        }
    }

    /// What has come up to now; each is to be followed by [`said`](Self::said).
    pub fn try_iter(&self) -> TryIter<'_, Notice> {
        self.receiver.try_iter()
    }

    /// One that was taken has been said.
    pub fn said(&self) {
        self.unsaid.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The workers' end of the same.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    sender: Sender<Notice>,
    unsaid: Arc<AtomicUsize>,
}

impl Voice {
    /// Both ends.
    pub(super) fn new() -> (Self, Notices) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let unsaid = Arc::new(AtomicUsize::new(0));
        (Self { sender, unsaid: Arc::clone(&unsaid) }, Notices { receiver, unsaid })
    }

    /// How much has not been said yet.
    pub(super) fn unsaid(&self) -> usize {
        self.unsaid.load(Ordering::Acquire)
    }

    /// Where nobody listens any more, nothing is left unsaid.
    pub(super) fn say(&self, notice: Notice) {
        self.unsaid.fetch_add(1, Ordering::AcqRel);
        if self.sender.send(notice).is_err() {
            self.unsaid.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// A refused message, for people to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct RejectedSample {
    pub arrival: ArrivalTime,
    pub reject: Reject,
    pub topic: Box<str>,
    /// The beginning of the payload, as far as it may be shown.
    pub payload: Box<[u8]>,
    /// Length of the whole payload.
    pub payload_bytes: usize,
    /// How many messages were refused since the last sample, this one included.
    pub count: u64,
}

/// How much of a refused payload is kept for its sample, bytes.
const SAMPLE_BYTES_MAX: usize = 512;
/// How much of a refused topic is kept for its sample, bytes.
const SAMPLE_TOPIC_BYTES_MAX: usize = 256;

impl RejectedSample {
    /// What may be shown of a message, which stands for so many.
    pub(super) fn of(message: &Message<'_>, reject: Reject, dialect: &Dialect, count: u64) -> Self {
        let Message { arrival, topic, payload, .. } = *message;
        Self {
            arrival,
            reject,
            topic: topic[..topic.floor_char_boundary(SAMPLE_TOPIC_BYTES_MAX)].into(),
            payload: dialect.shown(payload, SAMPLE_BYTES_MAX).into(),
            payload_bytes: payload.len(),
            count,
        }
    }
}

/// What a worker works with.
pub(super) struct Worker {
    pub index: usize,
    pub shard: Shard,
    /// By source.
    pub dialects: Vec<Dialect>,
    pub limits: Limits,
    pub voice: Voice,
    pub rejected_samples_per_s: u32,
    pub stats: Stats,
    pub sampler: Sampler,
}

/// Lets through at most so many samples a second, by arrival time.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    second: i64,
    given: u32,
    held_back: u64,
}

impl Sampler {
    /// Whether one more sample may be given at this time, and for how many refusals it stands.
    pub(super) fn admit(&mut self, arrival: ArrivalTime, per_s_max: u32) -> Option<u64> {
        let second = arrival.ms().div_euclid(1000);
        if second != self.second {
            (self.second, self.given) = (second, 0);
        }
        self.held_back += 1;
        if self.given >= per_s_max {
            return None;
        }
        self.given += 1;
        Some(std::mem::take(&mut self.held_back))
    }
}

impl Worker {
    /// Does one job.
    pub(super) fn work(&mut self, job: Job, spent: &Sender<Batch>) {
        match job {
            Job::Messages(mut batch) => {
                self.take_all(&mut batch);
                // Where nobody collects spent batches any more, this one's memory is just given back.
                let _uncollected = spent.send(batch);
            }
            Job::BeginClose { until, windows, reply } => {
                self.shard.begin_close(until, &windows);
                self.answer(&reply, self.shard.connectors());
            }
            Job::FinishClose { reply } => {
                let closed = self.shard.finish_close();
                self.answer(&reply, closed);
                self.give_alarms();
            }
            Job::Count { window, with_snapshot, reply } => {
                let count = self.shard.take_census(window, with_snapshot);
                self.answer(&reply, count);
            }
            Job::Tick(now) => {
                self.shard.tick(now);
                self.give_alarms();
            }
            Job::Listen(since) => self.shard.listen(since),
            Job::RepeatAlarms => {
                let standing = self.shard.open_alarms();
                self.give(standing);
            }
            Job::Pack { pieces } => resume::pack(self.index, &self.shard, &mut self.dialects, &pieces),
            Job::Saved => self.shard.clear_dirty(),
            Job::Stats { reply } => {
                self.stats.alarms_refused = self.shard.alarms_refused();
                let stats = self.stats.clone();
                self.answer(&reply, stats);
            }
        }
    }

    /// Takes in the messages of a batch, and empties it.
    pub(super) fn take_all(&mut self, batch: &mut Batch) {
        for message in batch.iter() {
            self.take(&message);
        }
        batch.clear();
        self.give_alarms();
        self.give_requests();
    }

    /// Answers the engine; where it has gone, there is nobody left to tell.
    fn answer<T>(&self, reply: &SyncSender<(usize, T)>, answer: T) {
        let _gone = reply.send((self.index, answer));
    }

    fn give_alarms(&mut self) {
        let alarms = self.shard.take_alarms();
        self.give(alarms);
    }

    fn give_requests(&mut self) {
        for request in self.dialects.iter_mut().flat_map(Dialect::take_requests) {
            self.voice.say(Notice::Request(request));
        }
    }

    fn give(&self, alarms: Vec<AlarmEvent>) {
        for alarm in alarms {
            self.voice.say(Notice::Alarm(Box::new(alarm)));
        }
    }

    fn take(&mut self, message: &Message<'_>) {
        let Message { arrival, source, topic, payload, retained } = *message;
        let (shard, stats) = (&mut self.shard, &mut self.stats);
        stats.messages += 1;
        let decoded = self.dialects[usize::from(source.0)].decode(
            topic,
            payload,
            arrival,
            retained,
            &self.limits,
            &mut |key: StationKey<'_>, observation: Observation<'_>| {
                stats.count(shard.handle(arrival, source, key, observation));
            },
        );
        if let Err(reject) = decoded {
            self.refuse(message, reject);
        }
    }

    fn refuse(&mut self, message: &Message<'_>, reject: Reject) {
        let Message { arrival, source, topic, .. } = *message;
        self.stats.reject(reject.reason);
        let key = self.dialects[usize::from(source.0)].station_of(topic, &self.limits);
        self.shard.reject(arrival, key);
        if let Some(count) = self.sampler.admit(arrival, self.rejected_samples_per_s) {
            let dialect = &self.dialects[usize::from(source.0)];
            self.voice.say(Notice::Rejected(Box::new(RejectedSample::of(message, reject, dialect, count))));
        }
    }
}
