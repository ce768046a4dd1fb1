//! What leaves the daemon: a bounded outbox and the MQTT connection that drains it.
//!
//! Nothing here may ever make a caller wait for a broker, nor touch the subscribing connection.

pub mod egress;
pub mod outbox;
