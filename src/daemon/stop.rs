//! Asking the daemon to stop, from a signal or from another thread.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A request to stop that can be made from anywhere, and once made stands; or to begin again with other settings.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<Asked>>);

/// What somebody has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Again,
    End,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Asked::Nothing)))
    }

    /// Asks for an orderly end.
    pub fn ask(&self) {
        self.0.send_replace(Asked::End);
    }

    /// Asks for an orderly end after which the daemon begins again. An end that was asked for stands.
    pub fn ask_again(&self) {
        self.0.send_if_modified(|asked| {
            let is_new = *asked == Asked::Nothing;
            if is_new {
                *asked = Asked::Again;
            }
            is_new
        });
    }

    /// Whether the daemon is to begin again after this end.
    #[must_use]
    pub fn is_again(&self) -> bool {
        *self.0.borrow() == Asked::Again
    }

    /// Takes the request to begin again back, as it is being met. False where there was none, or an end was asked for.
    #[must_use]
    pub fn begin_again(&self) -> bool {
        self.0.send_if_modified(|asked| {
            let is_again = *asked == Asked::Again;
            if is_again {
                *asked = Asked::Nothing;
            }
            is_again
        })
    }

    /// Has SIGTERM and SIGINT ask, from a thread of its own.
    ///
    /// # Errors
    /// Where the system gives no thread or no signal handler.
    pub fn on_signals(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut terminate, mut interrupt) = {
            let _entered = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let stop = self.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            stop.ask();
        })?;
        Ok(())
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow() != Asked::Nothing
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        let mut asked = self.0.subscribe();
        // The sender lives as long as this does, so waiting can only end by the request.
        let _sender_lives = asked.wait_for(|&asked| asked != Asked::Nothing).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_was_asked_for_stands_and_beginning_again_is_met_once() {
        let stop = Stop::new();
        assert!(!stop.is_asked() && !stop.begin_again());
        stop.ask_again();
        assert!(stop.is_asked() && stop.is_again());
        assert!(stop.begin_again() && !stop.is_asked() && !stop.begin_again());
        stop.ask_again();
        stop.ask();
        assert!(stop.is_asked() && !stop.is_again() && !stop.begin_again());
        stop.ask_again();
        assert!(!stop.is_again());
    }
}
