//! Statements: signed claims about a digest, as bytes and before they count.
//!
//! A *statement* is an in-toto statement v1 ([`intoto`]) in a DSSE envelope in a
//! Sigstore bundle v0.3 ([`bundle`]), attached to an artifact as a referrer.
//! cosign 2 stores a signature as a bare payload ([`simple_signing`]) instead.
//! What a statement says is its predicate: [`provenance`] is ours to write.
//!
//! Nothing here verifies anything; a statement that was checked is
//! [`super::evidence`].

pub mod assemble;
pub mod attachment;
pub mod bundle;
pub mod intoto;
pub mod json;
pub mod legacy;
pub mod provenance;
pub mod simple_signing;
