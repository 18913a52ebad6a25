//! The lock: what every chart and image that the manifests name resolved to.
//!
//! Extraction (what the manifests name) is pure and lives beside this file in
//! [`super::need`]; resolving is `flow::lock`; the result goes into the
//! provenance as `resolvedDependencies`.

use crate::model::digest::Digest;

use super::need::Need;

/// Something that was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// What the manifests name.
    pub need: Need,
    /// The digest: of the manifest for OCI (the index's when multi-arch), of
    /// the chart archive for an HTTP Helm repository.
    pub digest: Digest,
    /// Where the digest can be fetched, in the terms of the original reference:
    /// `oci://host/repo@sha256:…` or the URL of the chart archive. Never the
    /// mirror it was read through.
    pub uri: String,
    /// The concrete version or tag that a range resolved to, when it differs
    /// from what is written.
    pub version: Option<String>,
}

/// Something that was not resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// What the manifests name.
    pub need: Need,
    /// Why it was not resolved; one sentence.
    pub reason: String,
    /// Whether it certainly does not exist (rather than could not be reached).
    pub absent: bool,
}

/// The lock of one bundle, each list in the order of the manifests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// What was resolved.
    pub locked: Vec<Locked>,
    /// What was not.
    pub unresolved: Vec<Unresolved>,
}
