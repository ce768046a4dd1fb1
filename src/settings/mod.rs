//! Settings: what is written becomes what is meant; nothing behind this module sees text where a type exists.

pub mod reference;
