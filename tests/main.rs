//! All tests that need more than one module, one binary:
//!
//! - `layers`: who may import whom.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod layers;
