//! What the engine holds of a worker: the queue of its jobs, and the batch that is being filled for it.
//!
//! Few messages at a time are worked off where they arrive, as long as the worker has nothing to do: waking its thread
//! takes longer than they do (docs/performance.md). The order of a worker's jobs is the same either way, since only the
//! engine gives them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::EngineError;
use super::worker::{Job, Worker};
use crate::batch::Batch;

/// So many batches wait for a worker at most; then the engine waits for it.
const JOBS_MAX: usize = 8;
/// So many messages are few.
const FEW_MESSAGES: usize = 64;
/// As long as they hold no more than this, bytes.
const FEW_BYTES: usize = 32 * 1024;
/// A piece of a close is the work of about so many connectors: a millisecond or two.
const PIECE_CONNECTORS: usize = 5_000;

pub(super) struct Handle {
    jobs: SyncSender<Job>,
    pub open: Batch,
    /// Jobs given to the thread and not done yet.
    under_way: Arc<AtomicUsize>,
    /// Held for the length of a job by whoever does it. Nobody ever waits for it: the engine takes it only while the thread
    /// has no job.
    worker: Arc<Mutex<Worker>>,
    thread: JoinHandle<()>,
}

impl Handle {
    pub(super) fn start(worker: Worker, spent: Sender<Batch>) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel(JOBS_MAX);
        let name = format!("shard-{}", worker.index);
        let under_way = Arc::new(AtomicUsize::new(0));
        let worker = Arc::new(Mutex::new(worker));
        let thread = {
            let (worker, under_way) = (Arc::clone(&worker), Arc::clone(&under_way));
            std::thread::Builder::new().name(name).spawn(move || work(&worker, &queue, &spent, &under_way))?
        };
        Ok(Self { jobs, open: Batch::default(), under_way, worker, thread })
    }

    pub(super) fn tell(&self, job: Job) -> Result<(), EngineError> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).map_err(|_| EngineError::WorkerGone)
    }

    /// Has the messages of the open batch taken in: at once where they are few and the worker is idle, else by its thread.
    /// `fresh` gives a batch to go on with in that case.
    pub(super) fn send_open(&mut self, fresh: impl FnOnce() -> Batch) -> Result<(), EngineError> {
        let few = self.open.len() <= FEW_MESSAGES && self.open.bytes() <= FEW_BYTES;
        if few && self.under_way.load(Ordering::Acquire) == 0 {
            self.worker.lock().map_err(|_| EngineError::WorkerGone)?.take_all(&mut self.open);
            return Ok(());
        }
        let full = std::mem::replace(&mut self.open, fresh());
        self.tell(Job::Messages(full))
    }

    /// Waits until the worker has done what it was given, and ends it.
    pub(super) fn end(self) {
        let Self { jobs, thread, .. } = self;
        drop(jobs);
        // A worker that panicked has said so already.
        let _panicked = thread.join();
    }
}

/// Works until nobody can give a job any more. While a close has something left to do, a piece of it follows on every job, and
/// on every other piece where no job waits; that close counts as a job under way as long.
fn work(worker: &Mutex<Worker>, jobs: &Receiver<Job>, spent: &Sender<Batch>, under_way: &AtomicUsize) {
    let mut closes = false;
    loop {
        let job = match if closes { jobs.try_recv() } else { jobs.recv().map_err(|_| TryRecvError::Disconnected) } {
            Ok(job) => Some(job),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => return,
        };
        // It is poisoned by a panic alone, of the engine's thread then, with which everything ends.
        let Ok(mut worker) = worker.lock() else { return };
        let mut done = usize::from(job.is_some());
        if let Some(job) = job {
            worker.work(job, spent);
        }
        let closed = std::mem::replace(&mut closes, worker.shard.go_on_closing(PIECE_CONNECTORS));
        drop(worker);
        match (closed, closes) {
            (false, true) => drop(under_way.fetch_add(1, Ordering::Relaxed)),
            (true, false) => done += 1,
            _ => {}
        }
        under_way.fetch_sub(done, Ordering::Release);
    }
}
