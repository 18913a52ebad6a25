//! How statements hang off an artifact: the manifests, indexes and layers that
//! are written for them, and what is looked for when they are read.
//!
//! Two places are shared with other writers: the referrers tag (an index, OCI
//! distribution specification, "Referrers Tag Schema") and cosign's `.sig` tag
//! (a manifest with one layer a signature). Both are edited here by appending;
//! the entries of others keep their bytes.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
    ser::{SerializeMap, Serializer},
};
use serde_json::{json, value::RawValue};

use crate::model::{
    artifact::{
        manifest::{self, Annotations, Descriptor, Manifest},
        media,
    },
    digest::Digest,
};

/// The config of a referrer: the empty object.
pub const EMPTY: &[u8] = b"{}";

/// A statement as it is stored: the manifest that refers to the artifact, and
/// the blob it holds.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// The manifest's descriptor, with the artifact type and annotations that
    /// an entry of the referrers tag repeats.
    pub descriptor: Descriptor,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The bundle, its only layer.
    pub layer: Descriptor,
    /// The bundle's bytes.
    pub bundle: Vec<u8>,
}

/// The referrer that holds `bundle` about `subject`, as cosign 3 writes it
/// (interop §3.4). `created` is RFC 3339.
///
/// # Errors
/// Only when serialising fails, which it does not for these types.
pub fn referrer(
    subject: &Descriptor,
    bundle: Vec<u8>,
    predicate_type: &str,
    created: &str,
) -> Result<Attachment, serde_json::Error> {
    let layer = Descriptor::of(media::BUNDLE, &bundle);
    let annotations = Annotations::from([
        (media::BUNDLE_CONTENT.into(), "dsse-envelope".into()),
        (media::BUNDLE_PREDICATE.into(), predicate_type.into()),
        (media::CREATED.into(), created.into()),
    ]);
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.into()),
        config: Descriptor::of(media::OCI_EMPTY, EMPTY),
        layers: vec![layer.clone()],
        annotations: Some(annotations.clone()),
        subject: Some(Descriptor::new(&subject.media_type, subject.digest, subject.size)),
        artifact_type: Some(media::BUNDLE.into()),
    })?;
    let descriptor = Descriptor {
        annotations: Some(annotations),
        artifact_type: Some(media::BUNDLE.into()),
        ..Descriptor::of(media::OCI_MANIFEST, &manifest)
    };
    Ok(Attachment { descriptor, manifest, layer, bundle })
}

/// The layer of a legacy signature: the payload and, as an annotation, the
/// signature over it.
pub fn legacy_layer(payload: &[u8], signature_base64: &str) -> Descriptor {
    let annotations =
        Annotations::from([(media::COSIGN_SIGNATURE.into(), signature_base64.to_owned())]);
    Descriptor { annotations: Some(annotations), ..Descriptor::of(media::SIMPLE_SIGNING, payload) }
}

/// A place in a manifest where a statement may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A Sigstore bundle.
    Bundle(Descriptor),
    /// A legacy signature: the payload's layer and what stands beside it.
    Signature(Descriptor, Legacy),
    /// A legacy attestation: a DSSE envelope, and what stands beside it.
    Envelope(Descriptor, Legacy),
}

impl Holder {
    /// The layer that is to be read.
    pub fn layer(&self) -> &Descriptor {
        match self {
            Holder::Bundle(layer) | Holder::Signature(layer, _) | Holder::Envelope(layer, _) => {
                layer
            }
        }
    }

    /// What stands beside the layer; nothing for a bundle.
    pub fn legacy(&self) -> Option<&Legacy> {
        match self {
            Holder::Bundle(_) => None,
            Holder::Signature(_, legacy) | Holder::Envelope(_, legacy) => Some(legacy),
        }
    }
}

/// What cosign 2 keeps in a layer's annotations (interop §3.3). Nothing here is
/// authenticated.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Legacy {
    /// The signature over the layer, base64.
    pub signature: Option<String>,
    /// The certificate, PEM.
    pub certificate: Option<String>,
    /// The other certificates of its chain, PEM.
    pub chain: Option<String>,
    /// The entry in Rekor v1, JSON.
    pub bundle: Option<String>,
    /// The RFC 3161 timestamp, JSON.
    pub timestamp: Option<String>,
}

/// The longest annotation of a legacy statement that is read, in bytes: a chain
/// of certificates and a log entry have a few thousand.
const MAX_ANNOTATION: usize = 32 * 1024;

impl Legacy {
    fn of(annotations: LayerAnnotations) -> Self {
        let short = |text: &String| text.len() <= MAX_ANNOTATION;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty() && short(text));
        Self {
            signature: annotations.signature.filter(short),
            certificate: filled(annotations.certificate),
            chain: filled(annotations.chain),
            bundle: filled(annotations.bundle),
            timestamp: filled(annotations.timestamp),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much text it is, in bytes.
    pub fn len(&self) -> usize {
        let texts =
            [&self.signature, &self.certificate, &self.chain, &self.bundle, &self.timestamp];
        texts.into_iter().flatten().map(String::len).sum()
    }
}

/// Where statements may be in a manifest: the first `limit` layers of a type
/// that holds one, and whether there are more. A layer that is malformed hides
/// no other; what is no manifest holds nothing. Of a layer only what is needed is
/// kept: anybody may have written megabytes into the rest.
pub fn holders(bytes: &[u8], limit: usize) -> (Vec<Holder>, bool) {
    #[derive(Deserialize, Default)]
    struct Layers<'a> {
        #[serde(borrow, default)]
        layers: Option<&'a RawValue>,
    }
    let layers = serde_json::from_slice::<Layers<'_>>(bytes).unwrap_or_default().layers;
    let (mut count, mut more) = (0, false);
    let holder = |layer: &str| {
        let holder = Layer::read(layer)?.holder()?;
        more |= count == limit;
        count += usize::from(count < limit && !more);
        (!more).then_some(holder)
    };
    let list = serde_json::Deserializer::from_str(layers.map_or("[]", RawValue::get));
    let holders = manifest::each(&mut { list }, holder).unwrap_or_default();
    (holders, more)
}

/// What is read of a layer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    #[serde(default)]
    media_type: String,
    size: u64,
    digest: Digest,
    #[serde(default)]
    annotations: Option<LayerAnnotations>,
}

/// The annotations that are read.
#[derive(Deserialize, Default)]
struct LayerAnnotations {
    #[serde(rename = "dev.cosignproject.cosign/signature", default)]
    signature: Option<String>,
    #[serde(rename = "dev.sigstore.cosign/certificate", default)]
    certificate: Option<String>,
    #[serde(rename = "dev.sigstore.cosign/chain", default)]
    chain: Option<String>,
    #[serde(rename = "dev.sigstore.cosign/bundle", default)]
    bundle: Option<String>,
    #[serde(rename = "dev.sigstore.cosign/rfc3161timestamp", default)]
    timestamp: Option<String>,
}

impl Layer {
    fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    fn holder(self) -> Option<Holder> {
        let descriptor = Descriptor::new(&self.media_type, self.digest, self.size);
        if self.media_type.starts_with(media::BUNDLE_PREFIX) {
            return Some(Holder::Bundle(descriptor));
        }
        let legacy = Legacy::of(self.annotations.unwrap_or_default());
        match self.media_type.as_str() {
            media::SIMPLE_SIGNING => {
                legacy.signature.is_some().then_some(Holder::Signature(descriptor, legacy))
            }
            media::DSSE => Some(Holder::Envelope(descriptor, legacy)),
            _ => None,
        }
    }
}

/// Whether a descriptor claims to be a bundle; a claim that decides only the
/// order of reading.
pub fn claims_bundle(descriptor: &Descriptor) -> bool {
    descriptor.artifact_type.as_deref().is_some_and(|t| t.starts_with(media::BUNDLE_PREFIX))
}

/// The index of the referrers tag with `own` entries in it; `None` when all
/// are there already.
///
/// # Errors
/// [`AppendError`] when something else than an index is there.
pub fn index_with(
    existing: Option<&[u8]>,
    own: &[Descriptor],
) -> Result<Option<Vec<u8>>, AppendError> {
    let mut index = match existing {
        Some(bytes) => Object::parse(bytes)?,
        None => Object::parse(
            json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": []})
                .to_string()
                .as_bytes(),
        )?,
    };
    let mut entries = index.list("manifests").ok_or(AppendError::NotAnIndex)?;
    if !append(&mut entries, own)? {
        return Ok(None);
    }
    index.set("manifests", &entries)?;
    Ok(Some(serde_json::to_vec(&index)?))
}

/// A `.sig` manifest and its config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    /// The manifest.
    pub manifest: Vec<u8>,
    /// The config blob that it names.
    pub config: Vec<u8>,
}

/// The manifest of the `.sig` tag with `own` layers in it; `None` when all are
/// there already.
///
/// # Errors
/// [`AppendError`] when something else than an image manifest is there.
pub fn signatures_with(
    existing: Option<&[u8]>,
    own: &[Descriptor],
) -> Result<Option<Signatures>, AppendError> {
    let mut manifest = match existing {
        Some(bytes) => Object::parse(bytes)?,
        None => Object::parse(
            json!({"schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": {}, "layers": []})
                .to_string()
                .as_bytes(),
        )?,
    };
    let mut layers = manifest.list("layers").ok_or(AppendError::NotAManifest)?;
    if !append(&mut layers, own)? {
        return Ok(None);
    }
    let config = signatures_config(&layers)?;
    manifest.set("config", &Descriptor::of(media::OCI_CONFIG, &config))?;
    manifest.set("layers", &layers)?;
    Ok(Some(Signatures { manifest: serde_json::to_vec(&manifest)?, config }))
}

/// The image config that cosign would write: a history entry and a diff id for
/// each layer.
fn signatures_config(layers: &[Box<RawValue>]) -> Result<Vec<u8>, AppendError> {
    const NEVER: &str = "0001-01-01T00:00:00Z";
    // Whatever digest a foreign layer has, it stays: the text is enough here.
    #[derive(Deserialize)]
    struct Named {
        digest: String,
    }
    let mut diff_ids = Vec::new();
    for layer in layers {
        diff_ids.push(serde_json::from_str::<Named>(layer.get())?.digest);
    }
    let history = vec![json!({"created": NEVER}); diff_ids.len()];
    Ok(serde_json::to_vec(&json!({
        "architecture": "", "created": NEVER, "history": history, "os": "",
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "config": {},
    }))?)
}

/// Appends what is missing; whether anything was.
fn append(entries: &mut Vec<Box<RawValue>>, own: &[Descriptor]) -> Result<bool, AppendError> {
    let mut changed = false;
    for descriptor in own {
        if entries.iter().any(|entry| is_entry(entry, descriptor)) {
            continue;
        }
        entries.push(serde_json::value::to_raw_value(descriptor)?);
        changed = true;
    }
    Ok(changed)
}

/// Whether an entry is the same content with the same signature: two signatures
/// over one payload are two layers with one digest.
fn is_entry(entry: &RawValue, descriptor: &Descriptor) -> bool {
    let signature = |annotations: &Option<Annotations>| {
        annotations.as_ref().and_then(|a| a.get(media::COSIGN_SIGNATURE).cloned())
    };
    serde_json::from_str::<Digested>(entry.get()).is_ok_and(|found| {
        found.digest == descriptor.digest
            && signature(&found.annotations) == signature(&descriptor.annotations)
    })
}

/// As much of a descriptor as an edit looks at.
#[derive(Deserialize)]
struct Digested {
    digest: Digest,
    #[serde(default)]
    annotations: Option<Annotations>,
}

/// A JSON object whose fields keep their order and their bytes.
struct Object(Vec<(String, Box<RawValue>)>);

impl Object {
    fn parse(bytes: &[u8]) -> Result<Self, AppendError> {
        Ok(serde_json::from_slice(bytes)?)
    }

    fn list(&self, key: &str) -> Option<Vec<Box<RawValue>>> {
        let (_, raw) = self.0.iter().find(|(name, _)| name == key)?;
        serde_json::from_str(raw.get()).ok()
    }

    fn set(&mut self, key: &str, value: &impl Serialize) -> Result<(), serde_json::Error> {
        let raw = serde_json::value::to_raw_value(value)?;
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, slot)) => *slot = raw,
            None => self.0.push((key.to_owned(), raw)),
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if fields.iter().any(|(name, _)| *name == key) {
                        return Err(de::Error::custom("duplicate key"));
                    }
                    fields.push((key, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// What stands at a shared tag cannot be added to.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// `sha256-<hex>` is no index; `cosign copy` writes the artifact itself
    /// there.
    #[error("the referrers tag holds something that is not an image index")]
    NotAnIndex,
    /// `sha256-<hex>.sig` is no image manifest.
    #[error("the signatures tag holds something that is not an image manifest")]
    NotAManifest,
    /// It is no JSON object, or an entry is malformed.
    #[error("what the tag holds is malformed: {0}")]
    Json(#[from] serde_json::Error),
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn entry(content: &[u8]) -> Descriptor {
        Descriptor::of(media::OCI_MANIFEST, content)
    }

    #[test]
    fn a_referrer_has_the_shape_that_cosign_writes() {
        let subject = entry(b"artifact");
        let made = referrer(&subject, b"{}".to_vec(), "https://p.example", "2026-01-01T00:00:00Z")
            .unwrap();
        let manifest: Manifest = serde_json::from_slice(&made.manifest).unwrap();
        assert_eq!(manifest.subject.as_ref().unwrap().digest, subject.digest);
        assert_eq!(manifest.artifact_type.as_deref(), Some(media::BUNDLE));
        assert_eq!(manifest.config.digest, Digest::of(b"{}"));
        assert_eq!(holders(&made.manifest, 9), (vec![Holder::Bundle(made.layer.clone())], false));
        assert_eq!(made.descriptor.digest, Digest::of(&made.manifest));
        assert!(claims_bundle(&made.descriptor));
    }

    #[test]
    fn entries_of_others_keep_their_bytes() {
        let foreign = format!(
            r#"{{ "digest":"{}", "size":3 ,"mediaType":"x","platform":{{"os":"linux"}},"weird":[1, 2]}}"#,
            Digest::of(b"foreign")
        );
        let existing =
            format!(r#"{{"manifests":[{foreign}],"extra":{{"a": 1}},"schemaVersion":2}}"#);
        let own = entry(b"own");
        let bytes =
            index_with(Some(existing.as_bytes()), std::slice::from_ref(&own)).unwrap().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(&foreign), "{text}");
        assert!(text.contains(r#""extra":{"a": 1}"#), "{text}");
        assert!(text.contains(&own.digest.to_string()), "{text}");
        assert_eq!(index_with(Some(&bytes), &[own]).unwrap(), None, "a second time adds nothing");
    }

    #[test]
    fn one_malformed_layer_hides_no_other() {
        let digest = Digest::of(b"x");
        let good =
            format!(r#"{{"digest": "{digest}", "size": 1, "mediaType": "{}"}}"#, media::BUNDLE);
        for bad in ["1", "null", "{}", r#"{"digest": "sha512:00", "size": 1}"#, r#"{"size": -1}"#] {
            let manifest = format!(r#"{{"layers": [{bad}, {good}]}}"#);
            assert_eq!(holders(manifest.as_bytes(), 9).0.len(), 1, "{bad}");
        }
        for bad in ["", "[]", "{}", r#"{"layers": 1}"#] {
            assert!(holders(bad.as_bytes(), 9).0.is_empty(), "{bad}");
        }
    }

    #[test]
    fn a_new_index_is_written_in_full() {
        let bytes = index_with(None, &[entry(b"own")]).unwrap().unwrap();
        let index: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            (&index["schemaVersion"], &index["mediaType"]),
            (&2.into(), &media::OCI_INDEX.into())
        );
        assert_eq!(manifest::entries(&bytes).unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        let manifest = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
        assert!(matches!(
            index_with(Some(manifest.as_bytes()), &[entry(b"x")]),
            Err(AppendError::NotAnIndex)
        ));
        assert!(index_with(Some(b"[]"), &[entry(b"x")]).is_err());
        assert!(signatures_with(Some(br#"{"manifests":[]}"#), &[entry(b"x")]).is_err());
    }

    #[test]
    fn a_foreign_layer_with_another_digest_does_not_keep_anybody_from_signing() {
        let foreign =
            format!(r#"{{"mediaType":"x","size":1,"digest":"sha512:{}"}}"#, "0".repeat(128));
        let existing = format!(r#"{{"schemaVersion":2,"config":{{}},"layers":[{foreign}]}}"#);
        let own = legacy_layer(b"payload", "AAAA");
        let made = signatures_with(Some(existing.as_bytes()), &[own]).unwrap().unwrap();
        assert!(String::from_utf8(made.manifest).unwrap().contains(&foreign));
    }

    #[test]
    fn two_signatures_over_one_payload_are_two_layers() {
        let first = signatures_with(None, &[legacy_layer(b"payload", "AAAA")]).unwrap().unwrap();
        let second = signatures_with(Some(&first.manifest), &[legacy_layer(b"payload", "BBBB")])
            .unwrap()
            .unwrap();
        let manifest: Manifest = serde_json::from_slice(&second.manifest).unwrap();
        assert_eq!(manifest.layers.len(), 2);
        assert_eq!(manifest.config.digest, Digest::of(&second.config));
        assert_eq!(holders(&second.manifest, 2).0.len(), 2);
        assert!(holders(&second.manifest, 1).1, "there are more");
        let again = signatures_with(Some(&second.manifest), &[legacy_layer(b"payload", "AAAA")]);
        assert_eq!(again.unwrap(), None);
    }
}
