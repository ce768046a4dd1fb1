//! A simulated fleet of charging stations: what physically happens, the messages of the native dialect that tell of it, and
//! the truth to hold a daemon's figures against.
//!
//! `Fleet::new` builds a fleet from a `FleetPlan`; `Fleet::next_message` gives its messages in the order in which they arrive
//! at the broker, as many as the span holds; `Fleet::truth` says what happened. Memory grows with the number of
//! connectors, not with the span. Everything follows from the plan, the seed included: time is an argument, draws come from
//! one generator, and there is no floating point. It must never read a clock, a file or a socket.
//!
//! Time runs on the broker's side: whatever a station does at event time e, its message arrives at e + the station's own
//! latency, so that one queue by arrival time orders everything.

pub mod areas;
mod calendar;
mod fleet;
mod incidents;
mod life;
mod make_up;
mod model;
mod payload;
mod plan;
pub mod record;
pub(crate) mod rng;
mod text;
mod transmit;
mod truth;

pub use fleet::{Fleet, SimMessage};
pub use make_up::{Access, Built, Connector, Equipment, Station};
pub use model::{Episode, State};
pub use payload::operator_id;
pub use plan::{Behaviour, FleetPlan, MakeUp, PlanError, Transmission};
pub use truth::{Count, Figures, Truth};

#[cfg(test)]
mod tests;
