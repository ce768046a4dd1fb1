//! A real Mosquitto per test, on a free loopback port, with its files in a directory of its own.
//!
//! It must end only the process that it started, and never skip a test: where Mosquitto is missing, the test fails
//! with the command that installs it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the broker may take until it accepts connections.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How often another port is tried where somebody else was quicker.
const START_TRIES: usize = 5;
/// What to do where the program is missing.
const INSTALL: &str = "mosquitto is not installed; run: sudo apt-get install -y mosquitto mosquitto-clients";

/// One broker, ended when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    directory: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Mosquitto {
    /// Starts a broker that lets anybody in and forgets everything when it ends.
    pub fn start() -> Self {
        Self::start_with("allow_anonymous true\n")
    }

    /// Starts a broker that lets anybody in and keeps sessions and retained messages on disk. It writes at its orderly
    /// end and every second.
    pub fn start_persistent() -> Self {
        Self::start_with("allow_anonymous true\npersistence true\nautosave_interval 1\n")
    }

    /// Starts a broker with these configuration lines; `{dir}` in them stands for the broker's directory.
    pub fn start_with(lines: &str) -> Self {
        Self::start_with_files(lines, &[])
    }

    /// Starts a broker with these configuration lines, after writing the files (name and content) to its directory.
    pub fn start_with_files(lines: &str, files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        for (name, content) in files {
            fs::write(directory.path().join(name), content).expect("a file can be written");
        }
        let mut broker = Self { directory, port: 0, child: None };
        for _ in 0..START_TRIES {
            broker.port = free_port();
            broker.write_config(lines);
            if broker.spawn() {
                return broker;
            }
        }
        panic!("mosquitto did not start:\n{}", broker.log());
    }

    /// Makes a Mosquitto password file with one user.
    pub fn password_file(user: &str, password: &str) -> String {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let path = directory.path().join("passwords");
        let status = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&path).args([user, password]).status();
        let status = status.unwrap_or_else(|error| panic!("{INSTALL} ({error})"));
        assert!(status.success(), "mosquitto_passwd failed: {status}");
        fs::read_to_string(path).expect("the password file can be read")
    }

    /// The port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The broker's directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What the broker logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("mosquitto.log")).unwrap_or_default()
    }

    /// Ends the broker as `kill -9` does. Does nothing where it does not run.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; then there is nothing to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends the broker in order (SIGTERM), so that it writes what it persists.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let status = Command::new("kill").arg(child.id().to_string()).status().expect("kill can be run");
        assert!(status.success(), "kill failed: {status}");
        let deadline = Instant::now() + START_LIMIT;
        while child.try_wait().expect("the child can be waited for").is_none() {
            assert!(Instant::now() < deadline, "mosquitto did not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts the broker again, on the same port and directory.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.spawn(), "mosquitto did not start again:\n{}", self.log());
    }

    fn config_path(&self) -> PathBuf {
        self.directory.path().join("mosquitto.conf")
    }

    fn write_config(&self, lines: &str) {
        let directory = self.directory.path().display().to_string();
        let lines = lines.replace("{dir}", &directory);
        // A broker started as root would give its rights up, and then could not write to the directory.
        let config = format!(
            "user root\nlistener {} 127.0.0.1\npersistence_location {directory}/\n\
             log_dest file {directory}/mosquitto.log\n{lines}\n",
            self.port
        );
        fs::write(self.config_path(), config).expect("the configuration can be written");
    }

    fn spawn(&mut self) -> bool {
        let child = ["mosquitto", "/usr/sbin/mosquitto"].into_iter().find_map(|program| {
            Command::new(program)
                .arg("-c")
                .arg(self.config_path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        });
        let mut child = child.unwrap_or_else(|| panic!("{INSTALL}"));
        let deadline = Instant::now() + START_LIMIT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        while Instant::now() < deadline {
            if child.try_wait().expect("the child can be waited for").is_some() {
                return false;
            }
            if TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok() {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port can be bound");
    listener.local_addr().expect("a bound socket has an address").port()
}
