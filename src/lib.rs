//! The daemon around the pure core of `chargetally-core`.

pub mod cli;
pub mod publish;
