//! `chargetally demo` as a person starts and ends it, without a terminal.
#![cfg(feature = "demo-broker")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long the first quarter of an hour may take: 3 s, on a machine with nothing else to do.
const QUARTER_LIMIT: Duration = Duration::from_secs(60);

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
#[expect(clippy::disallowed_methods, reason = "a test measures how long a process takes")]
fn an_interrupt_ends_the_demo_within_two_seconds() {
    let mut demo = demo(&["--stations", "5", "--speed", "300"]);
    let mut lines = BufReader::new(demo.0.stdout.take().expect("a pipe"));
    let (saw, seen) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut line = String::new();
        // A quarter of an hour has been published: everything runs.
        while !line.contains(" 07:") {
            line.clear();
            assert!(lines.read_line(&mut line).expect("text") > 0, "the demo has ended by itself");
        }
        saw.send(()).expect("the test waits");
        let mut rest = String::new();
        lines.read_to_string(&mut rest).expect("text");
        rest
    });
    seen.recv_timeout(QUARTER_LIMIT).expect("a quarter of an hour of figures");
    let since = Instant::now();
    let id = demo.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    let rest = reader.join().expect("the lines are read");
    let status = demo.0.wait().expect("it ends");
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(status.code(), Some(0));
    assert!(rest.contains("The demo was interrupted"), "{rest}");
}

#[test]
fn a_demo_of_a_minute_is_equal_to_the_truth() {
    let mut demo = demo(&["--stations", "5", "--minutes", "1"]);
    let mut text = String::new();
    demo.0.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
    assert_eq!(demo.0.wait().expect("it ends").code(), Some(0), "{text}");
    assert!(text.contains("mosquitto_sub -h 127.0.0.1 -p "), "{text}");
    assert_eq!(text.matches("  equal\n").count(), 5, "{text}");
}
