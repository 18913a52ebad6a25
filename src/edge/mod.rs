//! The outside world: thin and concrete, without decisions; every read is
//! bounded. Edges do not know each other.

pub mod ci;
pub mod git;
pub mod registry;
