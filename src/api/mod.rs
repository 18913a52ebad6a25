//! What users write, and its conversion into the model: files and, later, the
//! custom resources of the cluster.
//!
//! Pure like the model: text and values in, values out. What a file refers to
//! (keys, trust roots) is read by whoever calls, through a function that is
//! passed in.

#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod evidence_file;
pub mod trust_policy;
