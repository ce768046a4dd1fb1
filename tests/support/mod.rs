//! What the integration tests share. Nothing here may be used by the daemon itself.

pub mod mosquitto;
