//! Manifests, indexes and descriptors as they stand on the wire.
//!
//! There are two ways to read the lists of others: [`Parts`], which is strict,
//! and [`lenient`]. An index that is rewritten is neither: the entries of others
//! keep their bytes there (`statement::attachment`).

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::model::digest::Digest;

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
    /// [`super::media::OCI_MANIFEST`], or the Docker equivalent when read.
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

/// Everything that a manifest or an index (OCI image specification,
/// "image-index.md") is made of. The strict way to read one, for whoever
/// answers for all of it: one descriptor that is malformed makes it unreadable.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Parts {
    /// The config blob; an index has none.
    #[serde(default)]
    pub config: Option<Descriptor>,
    /// The layers; an index has none.
    #[serde(default)]
    pub layers: Option<Vec<Descriptor>>,
    /// The entries of an index.
    #[serde(default)]
    pub manifests: Option<Vec<Descriptor>>,
}

impl Parts {
    /// Reads a manifest or an index.
    ///
    /// # Errors
    /// When it is neither, or when any of its descriptors is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        object(bytes)
    }
}

/// The entries of an index, the lenient way, for whoever looks for something
/// among what many wrote: an entry that is malformed hides no other. None when
/// there is no list, which Go also writes as `null`.
///
/// # Errors
/// When it is no JSON object, or `manifests` is something else than a list.
pub fn entries(index: &[u8]) -> Result<Vec<Descriptor>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Listing {
        #[serde(default, deserialize_with = "lenient")]
        manifests: Vec<Descriptor>,
    }
    object::<Listing>(index).map(|listing| listing.manifests)
}

/// Reads a JSON object; serde would take a list for one whose keys are unsaid.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    match bytes.trim_ascii_start().first() {
        Some(b'[') => Err(serde_json::Error::custom("a list where an object was expected")),
        _ => serde_json::from_slice(bytes),
    }
}

/// Reads a list of descriptors and drops what is none.
///
/// One at a time, so that nothing of what is dropped is kept: anybody may have
/// written megabytes into it.
///
/// # Errors
/// When it is neither a list nor `null`.
pub fn lenient<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<Descriptor>, D::Error> {
    each(list, |raw| serde_json::from_str(raw).ok())
}

/// Reads a list, and keeps of each element what `read` makes of its JSON.
///
/// # Errors
/// When it is neither a list nor `null`.
pub fn each<'de, D: Deserializer<'de>, T>(
    list: D,
    read: impl FnMut(&str) -> Option<T>,
) -> Result<Vec<T>, D::Error> {
    struct Each<F>(F);
    impl<'de, T, F: FnMut(&str) -> Option<T>> Visitor<'de> for Each<F> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut kept = Vec::new();
            while let Some(element) = list.next_element::<&RawValue>()? {
                kept.extend((self.0)(element.get()));
            }
            Ok(kept)
        }
    }
    list.deserialize_any(Each(read))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_malformed_entry_hides_no_other_unless_all_count() {
        let digest = Digest::of(b"x");
        let good = format!(r#"{{"digest": "{digest}", "size": 1, "artifactType": "t"}}"#);
        for bad in ["1", "null", "{}", r#"{"digest": "sha512:00", "size": 1}"#, r#"{"size": -1}"#] {
            let index = format!(r#"{{"manifests": [{bad}, {good}]}}"#);
            let found = entries(index.as_bytes()).unwrap();
            assert_eq!((found.len(), found[0].digest), (1, digest), "{bad}");
            assert!(Parts::parse(index.as_bytes()).is_err(), "{bad}");
        }
        for none in ["{}", r#"{"manifests": null}"#, r#"{"manifests": []}"#] {
            assert!(entries(none.as_bytes()).unwrap().is_empty(), "{none}");
            assert!(Parts::parse(none.as_bytes()).is_ok(), "{none}");
        }
        for bad in ["", "[]", "1", r#"{"manifests": {}}"#, r#"{"manifests": 1}"#] {
            assert!(entries(bad.as_bytes()).is_err(), "{bad}");
            assert!(Parts::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
