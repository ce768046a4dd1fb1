//! The `chargetally` binary.

fn main() {}
