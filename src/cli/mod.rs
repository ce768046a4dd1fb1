//! The commands: what each does, without the parsing of its arguments.

pub mod simulate;
