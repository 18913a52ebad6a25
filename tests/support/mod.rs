//! What tests of several areas share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "tests; each area uses its part"
)]

pub mod echo;
pub mod folder;
pub mod proxy;
pub mod registry;
pub mod sigstore;
pub mod tokens;
pub mod web;
