//! Statements: signed claims about a digest.
pub mod uris;
