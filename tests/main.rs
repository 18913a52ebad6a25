//! All tests that need more than one module, one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

// What the documentation says is true.
mod docs;
// Who may import whom.
mod layers;
// What is signed keeps to its JSON Schema.
mod provenance;
