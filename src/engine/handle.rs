//! What the engine holds of a worker: the queue of its jobs, and the batch that is being filled for it.

use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread::JoinHandle;

use super::EngineError;
use super::worker::{Job, Worker};
use crate::batch::Batch;

/// So many batches wait for a worker at most; then the engine waits for it.
const JOBS_MAX: usize = 8;

pub(super) struct Handle {
    jobs: SyncSender<Job>,
    pub open: Batch,
    thread: JoinHandle<()>,
}

impl Handle {
    pub(super) fn start(worker: Worker, spent: Sender<Batch>) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel(JOBS_MAX);
        let name = format!("shard-{}", worker.index);
        let thread = std::thread::Builder::new().name(name).spawn(move || worker.run(&queue, &spent))?;
        Ok(Self { jobs, open: Batch::default(), thread })
    }

    pub(super) fn tell(&self, job: Job) -> Result<(), EngineError> {
        self.jobs.send(job).map_err(|_| EngineError::WorkerGone)
    }

    /// Gives the batch to the worker, and goes on with a fresh one.
    pub(super) fn send_open(&mut self, fresh: Batch) -> Result<(), EngineError> {
        let full = std::mem::replace(&mut self.open, fresh);
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
