//! The artifact: a bundle as an OCI image manifest that Flux understands.
//!
//! A *manifest* is a small JSON document that names a *config* blob and
//! *layers* by digest; its own digest is the artifact's identity. A *referrer*
//! is another manifest whose `subject` is that digest: every statement about
//! the artifact is one. [`manifest`] holds the wire types, [`media`] the media
//! types and annotation keys.

pub mod config;
pub mod manifest;
pub mod media;
