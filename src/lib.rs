//! The daemon around the pure core of `chargetally-core`.

pub mod cli;
pub mod clock;
pub mod error;
pub mod logging;
pub mod notify;
pub mod settings;
pub mod simulate;
pub mod store;
