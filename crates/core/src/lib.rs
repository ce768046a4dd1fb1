//! placeholder
pub mod region;
