//! Verifying: resolve once, gather every statement, judge.
//!
//! The tag is resolved by the one request that reads the manifest; after it
//! only the digest travels (Kyverno CVE-2022-47633: a tag that flips between
//! two look-ups). At most four sequential round trips: the manifest, the
//! listings, the manifests of the statements, the statements.

use serde::Deserialize;

use crate::{
    edge::registry::{Fault, Fetched, Key, Registries, RegistryError, Store},
    model::{
        artifact::manifest::{Annotations, Descriptor},
        digest::Digest,
        evidence::key::PublicKey,
        policy::{self, Demands, Kind, Verdict},
        reference::{Place, Reference, Tag},
    },
};

use super::{
    deep,
    discover::{self, Gathered},
    error::{Error, Result},
};

/// An artifact that was read: its manifest, at a digest that does not change
/// any more.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Where it was read.
    pub store: Store,
    /// Its manifest or index.
    pub manifest: Fetched,
    /// What the manifest says.
    pub content: Content,
}

/// What a manifest says, as far as this program reads it. Unverified until a
/// verdict says otherwise.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Content {
    /// The annotations.
    #[serde(default)]
    pub annotations: Option<Annotations>,
    /// The config; `None` for an index.
    #[serde(default)]
    pub config: Option<Descriptor>,
    /// The layers; none for an index.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
}

impl Content {
    /// The annotations, empty when there are none.
    pub fn annotations(&self) -> Annotations {
        self.annotations.clone().unwrap_or_default()
    }
}

impl Artifact {
    /// The digest.
    pub fn digest(&self) -> &Digest {
        &self.manifest.descriptor.digest
    }
}

/// What verifying came to.
#[derive(Debug)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// Everything that was found.
    pub gathered: Gathered,
    /// The artifact; `None` when its bytes are not what the digest names.
    pub artifact: Option<Artifact>,
}

/// Reads what a reference names: the digest when one is written, else the tag,
/// else `latest`.
///
/// # Errors
/// [`Error::NotFound`] and registry errors; [`Fault::WrongDigest`] among them.
pub async fn resolve(registries: &Registries, reference: &Reference) -> Result<Artifact> {
    let store = registries.open(&reference.place)?;
    let key = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => Key::Digest(*digest),
        (None, Some(tag)) => Key::Tag(tag.clone()),
        (None, None) => Key::Tag(Tag::latest()),
    };
    let Some(manifest) = store.manifest(&key).await? else {
        return Err(Error::NotFound { what: named(reference) });
    };
    let content = serde_json::from_slice(&manifest.bytes).map_err(|error| {
        let fault = Fault::Malformed(format!("it is not a manifest: {error}"));
        RegistryError::new(format!("read the manifest `{}`", manifest.descriptor.digest), fault)
    })?;
    Ok(Artifact { store, manifest, content })
}

/// The reference as it was looked up.
fn named(reference: &Reference) -> String {
    match (&reference.tag, &reference.digest) {
        (None, None) => format!("{reference}:latest"),
        _ => reference.to_string(),
    }
}

/// Verifies by keys. With `deep`, and always on a layout, the bytes of the
/// config, the layers and, below an index, of everything are read and checked
/// as well.
///
/// # Errors
/// Only what keeps the manifest from being read; everything after is a verdict.
pub async fn verify(
    registries: &Registries,
    reference: &Reference,
    keys: &[PublicKey],
    demands: Demands,
    deep: bool,
) -> Result<Judged> {
    let artifact = match resolve(registries, reference).await {
        Ok(artifact) => artifact,
        Err(Error::Registry(cause)) => return wrong_bytes(reference, *cause),
        Err(error) => return Err(error),
    };
    let digest = *artifact.digest();
    let gathered = discover::gather(&artifact.store, &digest, keys, registries.limits()).await;
    let annotations = artifact.content.annotations();
    let verdict = policy::judge(digest, &annotations, &gathered.findings, &gathered.gaps, demands);
    let deep = deep || matches!(reference.place, Place::Layout(_));
    let verdict = match verdict.kind() {
        Kind::Accepted if deep => deep::read(&artifact, verdict).await,
        _ => verdict,
    };
    Ok(Judged { verdict, gathered, artifact: Some(artifact) })
}

/// Wrong bytes for the artifact's own manifest are a verdict; any other fault
/// is unknown.
fn wrong_bytes(reference: &Reference, cause: super::error::RegistryCause) -> Result<Judged> {
    match (&cause.fault, reference.digest) {
        (Fault::WrongDigest { wanted, got }, _) => Ok(Judged {
            verdict: Verdict::wrong_bytes(
                *wanted,
                format!("the manifest stored as `{wanted}` has the digest `{got}`"),
            ),
            gathered: Gathered::default(),
            artifact: None,
        }),
        _ => Err(Error::Registry(Box::new(cause))),
    }
}
