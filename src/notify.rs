//! What the daemon tells the service manager: READY, STATUS, WATCHDOG, RELOADING, STOPPING.
//!
//! Outside systemd every call does nothing. A message that cannot be sent is logged once and never ends or
//! delays the daemon. The watchdog must be fed by the task whose stall is to be noticed, never by a timer of
//! its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Bytes of a status line that are sent at most.
const STATUS_BYTES_MAX: usize = 400;

/// Whether this process has said READY: only then is there anything to reload.
static SAID_READY: AtomicBool = AtomicBool::new(false);

/// Whether the daemon of this process has said that it is ready.
#[must_use]
pub fn has_said_ready() -> bool {
    SAID_READY.load(Ordering::Relaxed)
}

/// The line to the service manager, with the watchdog's interval as it was at the start.
#[derive(Debug)]
pub struct Notifier {
    watchdog: Option<Duration>,
    complained: AtomicBool,
}

impl Notifier {
    /// Reads `WATCHDOG_USEC` and `WATCHDOG_PID`, as systemd sets them for the unit's main process.
    #[must_use]
    pub fn from_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled(), complained: AtomicBool::new(false) }
    }

    /// How often [`Notifier::watchdog`] has to be called: half of what the service manager allows, and
    /// `None` where it does not watch.
    #[must_use]
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|allowed| allowed / 2)
    }

    /// The daemon does its work now: subscribed, and its state restored. Also ends a reload.
    pub fn ready(&self, status: &str) {
        SAID_READY.store(true, Ordering::Relaxed);
        self.send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
    }

    /// Ends a reload that changed nothing. A daemon that was not ready before is not made so.
    pub fn ready_as_before(&self, status: &str) {
        if has_said_ready() {
            self.ready(status);
        }
    }

    /// The line that `systemctl status` shows.
    pub fn status(&self, status: &str) {
        self.send(&[NotifyState::Status(&one_line(status))]);
    }

    /// The daemon is alive.
    pub fn watchdog(&self) {
        if self.watchdog.is_some() {
            self.send(&[NotifyState::Watchdog]);
        }
    }

    /// The settings are being read again; [`Notifier::ready`] has to follow. Says nothing before the first READY.
    pub fn reloading(&self) {
        if !SAID_READY.load(Ordering::Relaxed) {
            return;
        }
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(_) => self.send(&[NotifyState::Reloading]),
        }
    }

    /// The daemon is on its way out.
    pub fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    fn send(&self, state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(state)
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            warn!(%error, "the service manager cannot be notified");
        }
    }
}

/// A line break would start another assignment, so a status has none.
fn one_line(status: &str) -> String {
    let mut line: String = status.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.truncate(line.floor_char_boundary(STATUS_BYTES_MAX));
    line
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::process::{Command, Stdio};

    use super::*;

    /// Says everything once. Run by itself this is a test that nothing happens outside systemd; run as a child
    /// process by the test below, with a socket in its environment, it is the daemon's side.
    #[test]
    fn says_everything_once() {
        let notifier = Notifier::from_environment();
        notifier.ready("12 stations\nSTOPPING=1");
        notifier.status(&"站".repeat(200));
        notifier.watchdog();
        notifier.reloading();
        notifier.stopping();
        let under_watch = std::env::var_os("WATCHDOG_USEC").is_some();
        assert_eq!(notifier.watchdog_interval(), under_watch.then_some(Duration::from_secs(15)));
        assert!(!notifier.complained.load(Ordering::Relaxed));
    }

    fn messages_of_a_child(watchdog_usec: Option<&str>) -> Vec<String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("non-blocking");
        let mut child = Command::new(std::env::current_exe().expect("this test's binary"));
        child
            .args(["--exact", "notify::tests::says_everything_once"])
            .env("NOTIFY_SOCKET", &path)
            .env_remove("WATCHDOG_PID")
            .env_remove("WATCHDOG_USEC")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some(usec) = watchdog_usec {
            child.env("WATCHDOG_USEC", usec);
        }
        assert!(child.status().expect("the child runs").success());
        let mut buffer = [0; 2048];
        let mut messages = Vec::new();
        while let Ok(length) = socket.recv(&mut buffer) {
            messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        messages
    }

    #[test]
    fn the_service_manager_hears_each_state_in_order() {
        let messages = messages_of_a_child(Some("30000000"));
        assert_eq!(messages.len(), 5, "{messages:?}");
        assert_eq!(messages[0], "READY=1\nSTATUS=12 stations STOPPING=1\n");
        assert_eq!(messages[1], format!("STATUS={}\n", "站".repeat(STATUS_BYTES_MAX / 3)));
        assert_eq!(messages[2], "WATCHDOG=1\n");
        let monotonic_usec = messages[3].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("a reload says when");
        assert!(monotonic_usec.trim_end().parse::<u64>().is_ok_and(|usec| usec > 0));
        assert_eq!(messages[4], "STOPPING=1\n");
    }

    #[test]
    fn without_a_watchdog_none_is_fed() {
        let messages = messages_of_a_child(None);
        assert_eq!(messages.len(), 4, "{messages:?}");
        assert!(messages.iter().all(|message| !message.contains("WATCHDOG")));
    }
}
