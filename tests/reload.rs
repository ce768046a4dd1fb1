//! The daemon against a real Mosquitto and a service manager that is a socket: at SIGHUP good settings are taken up without
//! the process ending, wrong ones leave the old ones running and say why; the status line follows the broker.
#![expect(clippy::disallowed_methods, reason = "a test that waits for a process bounds its own waiting")]

mod support;

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::mosquitto::Mosquitto;

const PATIENCE: Duration = Duration::from_secs(20);

struct Service {
    directory: tempfile::TempDir,
    manager: UnixDatagram,
    child: Child,
    told: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

impl Service {
    fn start(settings: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("notify");
        let manager = UnixDatagram::bind(&socket).expect("a socket");
        manager.set_read_timeout(Some(Duration::from_millis(50))).expect("a limit");
        fs::write(directory.path().join("site.toml"), settings).expect("written");
        let child = Command::new(env!("CARGO_BIN_EXE_chargetally"))
            .args(["run", "--config"])
            .arg(directory.path().join("site.toml"))
            .env("NOTIFY_SOCKET", &socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.path().join("log")).expect("a log"))
            .spawn()
            .expect("the binary runs");
        Self { directory, manager, child, told: String::new() }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).expect("the log")
    }

    /// Waits until the service manager was told this, and gives what it was told from the last call on.
    fn until_told(&mut self, what: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 2048];
        while !self.told.contains(what) {
            assert!(Instant::now() < deadline, "not told {what}: {}\n{}", self.told, self.log());
            if let Ok(length) = self.manager.recv(&mut buffer) {
                self.told.push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        }
        std::mem::take(&mut self.told)
    }

    fn reload_with(&self, settings: &str) {
        fs::write(self.directory.path().join("site.toml"), settings).expect("written");
        self.signal("-HUP");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill can be run");
        assert!(status.success());
    }
}

fn settings(port: u16, more: &str) -> String {
    format!("[mqtt]\nurl = \"mqtt://127.0.0.1:{port}\"\n{more}\n[state]\ndirectory = \"\"\n[run]\nshards = 1\n")
}

#[test]
fn good_settings_are_taken_up_and_wrong_ones_leave_the_old_ones_running() {
    let (first, second) = (Mosquitto::start(), Mosquitto::start());
    let mut service = Service::start(&settings(first.port(), ""));
    service.until_told("READY=1");

    service.reload_with(&settings(second.port(), "keep_alive_s = 0"));
    let told = service.until_told("the new settings are refused");
    assert!(told.contains("RELOADING=1\nMONOTONIC_USEC=") && told.contains("READY=1"), "{told}");
    let log = service.log();
    assert!(log.contains("ERROR") && log.contains("mqtt.keep_alive_s: is 0 and must be from 1 to 3600"), "{log}");
    assert!(!second.log().contains("as chargetally"), "{}", second.log());

    service.reload_with(&settings(second.port(), "client_id = \"moved\""));
    service.until_told("RELOADING=1");
    let told = service.until_told("READY=1");
    assert!(!told.contains("STOPPING"), "{told}");
    assert!(second.log().contains("as moved"), "{}", second.log());
    assert!(service.child.try_wait().expect("its state").is_none(), "{}", service.log());

    service.signal("-TERM");
    service.until_told("STOPPING=1");
    assert_eq!(service.child.wait().expect("it ends").code(), Some(0), "{}", service.log());
}

#[test]
fn a_reload_does_not_make_ready_who_was_not() {
    let port = support::mosquitto::free_port();
    let mut service = Service::start(&settings(port, ""));
    let deadline = Instant::now() + PATIENCE;
    while !service.log().contains("connection is down") {
        assert!(Instant::now() < deadline, "{}", service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    service.reload_with("[mqtt]\nkeep_alive_s = 0\n");
    while !service.log().contains("the new settings are refused") {
        assert!(Instant::now() < deadline, "{}", service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    service.signal("-TERM");
    let told = service.until_told("STOPPING=1");
    assert!(!told.contains("READY") && !told.contains("RELOADING"), "{told}");
}

#[test]
fn a_rival_for_the_client_id_is_named_and_the_status_says_when_the_old_session_is_held_again() {
    let broker = Mosquitto::start();
    let mut service = Service::start(&settings(broker.port(), ""));
    service.until_told("STATUS=subscribed; ");
    let deadline = Instant::now() + PATIENCE;
    for held in 1..=3 {
        // Another client comes with the same id, takes the session that is there, and goes.
        let rival = Command::new("mosquitto_sub")
            .args(["-V", "5", "-h", "127.0.0.1", "-p", &broker.port().to_string()])
            .args(["-i", "chargetally", "-c", "-x", "600", "-t", "other", "-E"])
            .status();
        assert!(rival.expect("mosquitto_sub is needed: apt-get install mosquitto-clients").success());
        while service.log().matches("session_present=true").count() < held {
            assert!(Instant::now() < deadline, "{}", service.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let log = service.log();
    let line = "soon after each connection: another client may have our client id client_id=\"chargetally\"";
    assert!(log.contains(line), "{log}");
    assert_eq!(log.matches("subscribed filters=").count(), 1, "{log}");
    service.until_told("STATUS=subscribed; ");
}
