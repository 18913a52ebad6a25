//! Manifests, indexes and descriptors as they stand on the wire.
//!
//! What is read keeps the fields that it does not know ([`Descriptor::other`]
//! and so on), because an index is rewritten with the entries of others in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::digest::Digest;

use super::media;

/// Annotations, sorted by key as Flux and cosign write them.
pub type Annotations = BTreeMap<String, String>;

/// A descriptor (OCI image specification, "descriptor.md").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the content.
    #[serde(default)]
    pub media_type: String,
    /// The size of the content in bytes.
    pub size: u64,
    /// The digest of the content.
    pub digest: Digest,
    /// Annotations; nothing authenticates those of a referrers answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// The artifact type of a referrer; nothing authenticates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Fields that are kept but not read, such as `platform` and `data`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Descriptor {
    /// A descriptor of `bytes`.
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor of content that was hashed elsewhere.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            size,
            digest,
            annotations: None,
            artifact_type: None,
            other: Map::new(),
        }
    }
}

/// An image manifest (OCI image specification, "manifest.md"). The field order
/// is Go's, so that what is written has the bytes that Flux would write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`media::OCI_MANIFEST`], or the Docker equivalent when read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The config blob.
    pub config: Descriptor,
    /// The layers.
    pub layers: Vec<Descriptor>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
    /// The manifest that this one refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// The type of artifact when the config does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// An image index (OCI image specification, "image-index.md").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// [`media::OCI_INDEX`], or the Docker equivalent when read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The entries.
    pub manifests: Vec<Descriptor>,
    /// Fields that are kept but not read.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Index {
    /// An empty index.
    pub fn empty() -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media::OCI_INDEX.into()),
            manifests: Vec::new(),
            other: Map::new(),
        }
    }
}
