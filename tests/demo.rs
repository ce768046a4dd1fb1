//! `chargetally demo` as a person starts and ends it, without a terminal.
#![cfg(feature = "demo-broker")]

use std::io::Read;
use std::process::{Child, Command, Stdio};

struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        // Both fail only where it is over already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn demo(arguments: &[&str]) -> Demo {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chargetally"));
    command.arg("demo").args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    Demo(command.spawn().expect("the binary starts"))
}

#[test]
fn a_demo_of_a_minute_is_equal_to_the_truth() {
    let mut demo = demo(&["--stations", "5", "--minutes", "1"]);
    let mut text = String::new();
    demo.0.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
    assert_eq!(demo.0.wait().expect("it ends").code(), Some(0), "{text}");
    assert_eq!(text.matches("  equal\n").count(), 5, "{text}");
}
