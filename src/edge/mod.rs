//! The outside world: thin and concrete, without decisions; every read is
//! bounded. Edges do not know each other.

pub mod registry;
pub mod signer;
