//! The outside world: thin and concrete, without decisions; every read is
//! bounded. Edges do not know each other, except that any may use [`clock`],
//! [`scratch`] and [`secret`].

pub mod ci;
pub mod clock;
pub mod files;
pub mod git;
pub mod keyless;
pub mod policy_files;
pub mod registry;
pub mod scratch;
pub mod secret;
pub mod signer;
pub mod terminal;
