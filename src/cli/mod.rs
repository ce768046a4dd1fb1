//! The command line: what each command prints and how it ends.

pub mod indicators;
