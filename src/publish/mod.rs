//! What goes out: the records of the wire and their schemas. Domain types do not derive `Serialize`; the records here
//! say how each is written, and nothing else does.

pub mod assemble;
pub mod record;
pub mod schema;
pub mod stamp;
pub mod summary;
