//! The daemon around the pure core of `chargetally-core`.

pub mod dialect;
pub mod recording;
pub mod rfc3339;
pub mod topic;
