//! A daemon as a process, and what it keeps.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chargetally::store::{FILE_NAME, Figures, Range, Reader};

use super::{CLOCK_SINCE, PATIENCE, SETTINGS};

/// A daemon's settings and store, in a directory of its own, and its process where it runs.
pub struct Daemon {
    directory: tempfile::TempDir,
    since_ms: i64,
    process: Option<Child>,
    /// Where in the log this process begins.
    log_from: usize,
    /// The store is on a disk of its own that is so small, MiB, in a namespace of the process's own.
    pub disk_mb: Option<u32>,
    /// Its disk can be made slow, or read-only.
    pub may_fail: bool,
}

impl Daemon {
    pub fn new(port: u16, client: &str, since_ms: i64) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let text = format!(
            "[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\nclient_id = \"{client}\"\nkeep_alive_s = 5\n\
             [publish]\nroot = \"{client}/v1\"\nlevels = [\"nation\", \"province\"]\n[state]\ndirectory = \"{}\"\n[run]\nshards = 2\nlog = \"info\"\n",
            directory.path().join("state").display()
        );
        std::fs::write(directory.path().join("test.toml"), text).expect("written");
        Self { directory, since_ms, process: None, log_from: 0, disk_mb: None, may_fail: false }
    }

    pub fn start(&mut self) {
        self.log_from = self.log().len();
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let program = std::env::current_exe().expect("this program");
        let mut command = match self.disk_mb {
            None => Command::new(program),
            Some(mb) => {
                let mut command = Command::new("unshare");
                let state = self.directory.path().join("state");
                std::fs::create_dir_all(&state).expect("a directory");
                let script = format!("mount -t tmpfs -o size={mb}m tmpfs \"$1\" && shift && exec \"$@\"");
                command
                    .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"])
                    .arg(state)
                    .arg(program);
                command
            }
        };
        if self.may_fail {
            command.env("LD_PRELOAD", self.disk_library());
            command.env("SLOW_DISK", self.slow_disk()).env("READ_ONLY_DISK", self.read_only_disk());
        }
        let process = command
            .args(["--ignored", "--exact", "daemon_process", "--nocapture"])
            .env(CLOCK_SINCE, self.since_ms.to_string())
            .env(SETTINGS, self.directory.path().join("test.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(process.expect("it starts"));
    }

    /// While this file is there, the disk is slow; it has a byte for each time that the daemon waited for the disk.
    pub fn slow_disk(&self) -> PathBuf {
        self.directory.path().join("slow")
    }

    /// While this file is there, the store's files cannot be changed; it has a byte for each time that it was tried.
    pub fn read_only_disk(&self) -> PathBuf {
        self.directory.path().join("read_only")
    }

    fn disk_library(&self) -> PathBuf {
        let library = self.directory.path().join("disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durability/disk.c");
        let status = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status();
        assert!(status.expect("the C compiler that links Rust programs").success());
        library
    }

    /// What is awaited in the log comes after this point.
    pub fn mark_log(&mut self) {
        self.log_from = self.log().len();
    }

    /// Waits until this process says that it is ready.
    pub fn await_ready(&mut self) {
        self.await_log(" ready");
    }

    /// Waits until this process has logged something.
    pub fn await_log(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log()[self.log_from..].contains(words) {
            assert!(self.runs() && Instant::now() < deadline, "it does not say {words:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ended_already = process.kill();
            let _reaped = process.wait();
        }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.try_wait().expect("a child").is_none())
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let mut process = self.process.take().expect("running");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.try_wait().expect("a child") {
                assert!(status.success(), "{status}: {}", self.log());
                return;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its store's directory, as the test sees it.
    pub fn state(&self) -> PathBuf {
        let state = self.directory.path().join("state");
        match (&self.process, self.disk_mb) {
            (Some(process), Some(_)) => {
                let within = state.strip_prefix("/").expect("an absolute path");
                Path::new("/proc").join(process.id().to_string()).join("root").join(within)
            }
            _ => state,
        }
    }

    /// What it keeps. A disk in another namespace is read by a process there: SQLite resolves a path on its own.
    pub fn history(&self, span_ms: (i64, i64)) -> History {
        let (Some(process), Some(_)) = (&self.process, self.disk_mb) else { return history(&self.state(), span_ms) };
        let copy = tempfile::tempdir_in(self.directory.path()).expect("a directory");
        let target = copy.path().join(FILE_NAME);
        let status = Command::new("nsenter")
            .args(["--target", &process.id().to_string(), "--user", "--mount", "--preserve-credentials", "sqlite3"])
            .args(["-readonly", "-cmd", ".timeout 5000"])
            .arg(self.directory.path().join("state").join(FILE_NAME))
            .arg(format!("VACUUM INTO '{}'", target.display()))
            .status();
        assert!(status.expect("nsenter").success(), "{}", self.log());
        history(copy.path(), span_ms)
    }

    pub fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("running").id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill").success());
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

pub type History = BTreeMap<(String, i64, String, String), Figures>;

/// Simulated time after which all registrations have arrived, ms.
pub const REGISTERED_MS: i64 = 300_000;

/// All records of windows within a span. What a registration brings counts from its arrival, which is not the same for
/// any two daemons: the span begins after that.
pub fn history(state: &Path, (from_ms, until_ms): (i64, i64)) -> History {
    let reader = Reader::open(state).expect("a store");
    let mut records = History::new();
    for (window, length_s) in [("1m", 60), ("15m", 900), ("1h", 3_600)] {
        let range = Range { window, from_s: from_ms / 1_000, to_s: until_ms / 1_000 - length_s, level: None };
        reader
            .query(&range, |row| {
                // That a connector went silent is heard only by who listens: a daemon that was away raises fewer alarms.
                let figures = Figures { alarms_personal: 0, alarms_equipment: 0, alarms_notice: 0, ..row.figures };
                records.insert((row.window, row.start_s, row.level, row.code), figures);
                ControlFlow::Continue(())
            })
            .expect("sound records");
    }
    records
}

/// Where two records differ.
pub fn told(key: &(String, i64, String, String), one: Option<&Figures>, other: Option<&Figures>) -> String {
    let (Some(one), Some(other)) = (one, other) else {
        return format!("{key:?}: steady {}, killed {}", one.is_some(), other.is_some());
    };
    let figures = Figures::COLUMNS.iter().zip(one.to_array().into_iter().zip(other.to_array()));
    let unequal = figures.filter(|(_, (one, other))| one != other);
    format!("{key:?}: {}", unequal.map(|(name, pair)| format!("{name} {pair:?} ")).collect::<String>())
}
