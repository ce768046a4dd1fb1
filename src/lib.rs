//! The daemon around the pure core of `chargetally-core`.

#[cfg(feature = "demo-broker")]
pub mod broker;
pub mod ingest;
pub mod mqtt;
pub mod publish;
