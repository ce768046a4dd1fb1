//! The fuzzer `mapping`: its body is in `bodies.rs`.
#![no_main]

#[path = "../bodies.rs"]
#[expect(dead_code, reason = "each fuzzer runs one body of all")]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::mapping(bytes));
