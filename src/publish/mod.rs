//! What leaves the daemon: the records of the wire and their schemas, a bounded outbox, and the MQTT connection that
//! drains it. Domain types do not derive `Serialize`; the records here say how each is written. Nothing here may ever
//! make a caller wait for a broker, nor touch the subscribing connection.

pub mod assemble;
pub mod egress;
pub mod outbox;
pub mod payload;
pub mod record;
pub mod schema;
pub mod stamp;
pub mod summary;
