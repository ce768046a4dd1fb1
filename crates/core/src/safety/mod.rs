//! Safety now: what telemetry says about the health of charger and battery, and which alarms are open. A
//! [`ConnectorMonitor`] turns the samples of one connector into findings; the [`AlarmBook`] holds the alarms that
//! stations give and those found here, each once, and says what to publish at once and what to count. No clock is
//! read here: an alarm ends by what is observed, or by the event time that it is shown.

mod book;
mod change;
mod episode;
mod indicator;
mod monitor;
mod thresholds;

pub(crate) use book::StationAlarms;
pub use book::{AlarmBook, BookLimits, Standing};
pub use change::{AlarmChange, AlarmKey, AlarmSink, Origins};
pub use indicator::Grade;
pub use monitor::{ConnectorMonitor, DerivedAlarm, Finding, Situation};
pub use thresholds::{Pair, Thresholds};
