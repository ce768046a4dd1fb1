//! The pure core: what goes in is an [`observation`], what comes out are tallies, censuses and alarms. No clock, no
//! IO, no thread, no lock and no log may enter here; time is an argument, and every sum is one of integers.

pub mod alarm;
pub mod book;
pub mod census;
pub mod config;
pub mod histogram;
pub mod indicator;
pub mod observation;
pub mod pack;
mod rare;
pub mod region;
pub mod registration;
pub mod reliability;
pub mod rollup;
pub mod safety;
pub mod scope;
pub mod sessions;
pub mod shard;
mod slim;
pub mod state;
pub mod tally;
pub mod time;
pub mod timeline;
pub mod unit;
mod varint;
pub mod window;
