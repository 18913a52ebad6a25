//! The evidence file: a decision and every byte that it rests on, so that it can
//! be decided again without a network.
//!
//! Nothing in it is trusted. Bytes stand under their digests and are checked
//! against them; what policy and trust root are, whoever replays it says. Two
//! things are only claimed: when it was decided, and what could not be read, or
//! was resolved, at that time.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;

/// The value of `schema`.
pub const SCHEMA: &str = "sluicegate.dev/evidence/v1";
/// The largest file that is read, in bytes.
pub const MAX_FILE: u64 = 512 << 20;

/// A decision and what it rests on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvidenceFile {
    /// Always `sluicegate.dev/evidence/v1`.
    pub schema: String,
    /// The reference that was asked for.
    pub reference: String,
    /// The digest that was judged.
    pub digest: Digest,
    /// When it was decided (RFC 3339); claimed.
    pub decided_at: String,
    /// What was decided: `accepted`, `rejected` or `unknown`.
    pub verdict: String,
    /// The policy, when it was a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Document>,
    /// The trust root, when one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_root: Option<Document>,
    /// The manifests that hold statements, by digest, in the order read.
    pub manifests: Vec<Digest>,
    /// The layer that the policy looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<Digest>,
    /// What charts and images resolved to then; claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Vec<Resolved>>,
    /// What could not be read then; claimed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<GapEntry>,
    /// Every manifest, statement and layer, by digest, base64.
    pub blobs: BTreeMap<String, Bytes64>,
}

/// A document and its digest.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// Its bytes, base64.
    pub content: Bytes64,
}

/// What one chart or image resolved to, in the order in which the manifests
/// name them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resolved {
    /// Its digest, when it resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it certainly did not exist.
    #[serde(default)]
    pub absent: bool,
}

/// Something that could not be read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GapEntry {
    /// What it was.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Bytes, written as base64.
#[derive(Clone, PartialEq, Eq, JsonSchema)]
#[schemars(transparent)]
pub struct Bytes64(#[schemars(with = "String")] pub Vec<u8>);

impl std::fmt::Debug for Bytes64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Bytes64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

impl Document {
    /// A document.
    pub fn of(bytes: &[u8]) -> Self {
        Self { digest: Digest::of(bytes), content: Bytes64(bytes.to_vec()) }
    }
}

impl EvidenceFile {
    /// Reads a file, and checks every byte in it against the digest that it
    /// stands under.
    ///
    /// # Errors
    /// [`EvidenceFileError`] naming what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceFileError> {
        let file: Self = serde_json::from_slice(bytes)?;
        if file.schema != SCHEMA {
            return Err(EvidenceFileError::Schema { found: file.schema });
        }
        let documents = [("policy", &file.policy), ("trustRoot", &file.trust_root)];
        for (name, document) in documents {
            if let Some(document) = document {
                check(name, &document.digest.to_string(), &document.content)?;
            }
        }
        for (digest, content) in &file.blobs {
            check("blobs", digest, content)?;
        }
        Ok(file)
    }

    /// The bytes under a digest.
    pub fn blob(&self, digest: &Digest) -> Option<&[u8]> {
        self.blobs.get(&digest.to_string()).map(|bytes| bytes.0.as_slice())
    }
}

fn check(place: &'static str, written: &str, content: &Bytes64) -> Result<(), EvidenceFileError> {
    let got = Digest::of(&content.0);
    match got.to_string() == written {
        true => Ok(()),
        false => Err(EvidenceFileError::WrongBytes {
            place,
            written: crate::model::text::brief(written),
            got,
        }),
    }
}

/// A file that is no evidence file, or was changed.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceFileError {
    /// Not JSON of that shape.
    #[error("not an evidence file: {0}")]
    Json(#[from] serde_json::Error),
    /// Of another kind, or of a later version.
    #[error("its schema is `{found}`; expected `{SCHEMA}`")]
    Schema {
        /// What it says.
        found: String,
    },
    /// Bytes under a digest that is not theirs.
    #[error("the bytes under `{written}` in `{place}` have the digest `{got}`")]
    WrongBytes {
        /// The field.
        place: &'static str,
        /// The digest as written.
        written: String,
        /// The digest of the bytes.
        got: Digest,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn file() -> EvidenceFile {
        EvidenceFile {
            schema: SCHEMA.into(),
            reference: "oci://registry.example/shop:1".into(),
            digest: Digest::of(b"manifest"),
            decided_at: "2026-11-25T10:00:00Z".into(),
            verdict: "accepted".into(),
            policy: Some(Document::of(b"policy")),
            trust_root: None,
            manifests: vec![Digest::of(b"referrer")],
            layer: None,
            resolved: None,
            gaps: Vec::new(),
            blobs: BTreeMap::from([(Digest::of(b"x").to_string(), Bytes64(b"x".to_vec()))]),
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        let bytes = serde_json::to_vec(&file()).unwrap();
        let read = EvidenceFile::parse(&bytes).unwrap();
        assert_eq!(read.blob(&Digest::of(b"x")), Some(&b"x"[..]));
        assert_eq!(read.blob(&Digest::of(b"y")), None);
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let text = String::from_utf8(serde_json::to_vec(&file()).unwrap()).unwrap();
        for (from, to, part) in [
            ("eA==", "eQ==", "in `blobs`"),
            ("cG9saWN5", "cG9saWN6", "in `policy`"),
            ("evidence/v1", "evidence/v2", "its schema"),
            ("\"verdict\"", "\"verdikt\"", "not an evidence file"),
        ] {
            assert!(text.contains(from), "{from}");
            let error = EvidenceFile::parse(text.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(part), "{from}: {error}");
        }
    }
}
