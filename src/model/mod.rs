//! What things are and what follows from them.
//!
//! Pure: bytes and values in, values out. No IO, clock, environment or `async`
//! (`tests/layers.rs` and `clippy::disallowed_methods` keep it so). The import
//! order is the data flow: each module imports only those before it.
//!
//! [`text`] < [`digest`] < [`mod@reference`] < [`uris`] < [`source`] < [`bundle`] < [`artifact`] <
//! [`statement`] < [`evidence`] < [`policy`]

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod artifact;
pub mod bundle;
pub mod digest;
pub mod evidence;
pub mod policy;
pub mod reference;
pub mod source;
pub mod statement;
pub mod text;
pub mod uris;
