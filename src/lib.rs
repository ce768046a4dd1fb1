//! The daemon around the pure core of `chargetally-core`.

pub mod batch;
pub mod bench;
#[cfg(feature = "demo-broker")]
pub mod broker;
pub mod cli;
pub mod clock;
pub mod daemon;
#[cfg(feature = "demo-broker")]
pub mod demo;
pub mod dialect;
pub mod engine;
pub mod error;
pub mod ingest;
pub mod logging;
pub mod mqtt;
pub mod notify;
pub mod publish;
pub mod recording;
pub mod replay;
pub mod rfc3339;
mod scan;
pub mod settings;
pub mod setup;
pub mod simulate;
pub mod sniff;
pub mod store;
pub mod topic;
