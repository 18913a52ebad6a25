//! All tests that need more than one module, one binary:
//!
//! - `docs`: what the documentation says is true.
//! - `layers`: who may import whom.
//! - `provenance`: what is signed keeps to its JSON Schema.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod docs;
mod layers;
mod provenance;
