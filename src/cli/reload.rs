//! SIGHUP: the settings are read and checked again. Where they are good the daemon ends in order and begins again with
//! them in the same process; where they are not, the old ones go on and every problem is logged. It must never end the
//! daemon for a mistake in a file.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::args::SettingsFiles;
use crate::daemon::Stop;
use crate::notify::Notifier;
use crate::settings::{self, Settings};

/// Settings that were taken and wait for the daemon's end.
#[derive(Debug)]
pub struct Reload(Arc<Mutex<Option<Settings>>>);

impl Reload {
    /// Has SIGHUP read the settings again, on a thread of its own.
    ///
    /// # Errors
    /// Where the system gives no thread or no signal handler.
    pub fn on_hangup(files: &SettingsFiles, stop: &Stop) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut hangup = {
            let _entered = runtime.enter();
            signal(SignalKind::hangup())?
        };
        let waiting = Arc::new(Mutex::new(None));
        let (shared, files, stop) = (Arc::clone(&waiting), files.clone(), stop.clone());
        std::thread::Builder::new().name("reload".to_owned()).spawn(move || {
            let notifier = Notifier::from_environment();
            runtime.block_on(async {
                while hangup.recv().await.is_some() {
                    notifier.reloading();
                    let Some(next) = read(&files, &notifier) else { continue };
                    // A later file counts; the daemon has not begun with the earlier one.
                    *shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
                    stop.ask_again();
                }
            });
        })?;
        Ok(Self(waiting))
    }

    /// What to begin again with; nothing where an end was asked for.
    pub fn next(&self, stop: &Stop) -> Option<Settings> {
        // Settings that come between these two lines ask again, and are found at the next end.
        let is_again = stop.begin_again();
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if is_again { next } else { None }
    }
}

fn read(files: &SettingsFiles, notifier: &Notifier) -> Option<Settings> {
    let loaded = settings::load(&files.config)
        .and_then(|loaded| loaded.settings.check_files(&loaded.entries).map(|()| loaded.settings));
    match loaded {
        Ok(settings) => {
            if settings.state.directory.is_none() {
                warn!("nothing is kept on disk (state.directory): what is in memory begins anew");
            }
            info!("new settings are taken up");
            Some(settings)
        }
        Err(refused) => {
            for problem in &refused.problems {
                error!(%problem, "the new settings are refused, the old ones go on");
            }
            notifier.ready_as_before("the new settings are refused, the old ones go on");
            None
        }
    }
}
