//! Signing an artifact that is there because another tool pushed it.

use crate::{
    edge::{
        clock,
        registry::{Registries, Store},
        signer::SigningKey,
    },
    model::{
        digest::Digest,
        evidence::{Claim, Finding, Format, identity::SignerId, key::PublicKey},
        reference::Reference,
        uris,
    },
};

use super::{
    attach::{self, About, Parcel},
    discover::{self, Gathered},
    error::Result,
    verify::{self, Artifact},
};

/// A statement that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The predicate type.
    pub predicate_type: String,
    /// The manifest that holds it.
    pub manifest: Digest,
    /// Who signed it.
    pub signer: SignerId,
    /// How it is stored.
    pub format: Format,
}

/// What signing or attesting came to.
#[derive(Debug)]
pub struct Outcome {
    /// The digest that the statements are about.
    pub digest: Digest,
    /// What was added; nothing when it was there already.
    pub added: Vec<Added>,
}

/// Signs what a reference names with every key, as a bundle and, with `legacy`,
/// for cosign 2. What is there already is not made again.
///
/// # Errors
/// Registry errors, and what stands at a shared tag.
pub async fn sign(
    registries: &Registries,
    reference: &Reference,
    keys: &[SigningKey],
    legacy: bool,
) -> Result<Outcome> {
    let artifact = verify::resolve(registries, reference).await?;
    let gathered = gather(registries, &artifact, keys).await?;
    let signed = |key: &SigningKey, format| {
        gathered.findings().any(|finding| {
            finding.format == format
                && gathered.shelf.is_in_place(finding)
                && signed_by(finding, key)
        })
    };
    let created = created();
    let name = reference.place.name();
    let about = About { subject: &artifact.manifest.descriptor, name: &name, created: &created };
    let mut parcel = Parcel::default();
    let mut added = Vec::new();
    for key in keys {
        if !signed(key, Format::Bundle) {
            parcel.sign(about, key)?;
            added.push((SignerId::Key(key.fingerprint()), Format::Bundle));
        }
        if legacy && !signed(key, Format::LegacySignature) {
            parcel.sign_legacy(about, key)?;
            added.push((SignerId::Key(key.fingerprint()), Format::LegacySignature));
        }
    }
    let stored = store(&artifact, &gathered, &mut parcel).await?;
    let mut bundles = parcel.bundles.iter().map(|made| made.descriptor.digest);
    let added = added
        .into_iter()
        .filter_map(|(signer, format)| {
            let manifest = match format {
                Format::Bundle => bundles.next(),
                Format::LegacySignature | Format::LegacyAttestation => stored.signatures,
            };
            let predicate_type = uris::SIGNATURE.to_owned();
            manifest.map(|manifest| Added { predicate_type, manifest, signer, format })
        })
        .collect();
    Ok(Outcome { digest: *artifact.digest(), added })
}

/// Whether it is a signature by `key`.
pub(super) fn signed_by(finding: &Finding, key: &SigningKey) -> bool {
    let signer = SignerId::Key(key.fingerprint());
    finding.evidence().is_some_and(|e| e.signer().id() == signer && *e.claim() == Claim::Signature)
}

/// What is attached, with whose signatures the keys recognise as their own.
pub(super) async fn gather(
    registries: &Registries,
    artifact: &Artifact,
    keys: &[SigningKey],
) -> Result<Gathered> {
    let publics: Vec<PublicKey> = keys.iter().map(|key| key.public().clone()).collect();
    let examine = discover::recognise(*artifact.digest(), publics.into());
    let gathered =
        discover::gather(&artifact.store, artifact.digest(), &examine, registries.limits()).await;
    gathered.refuse_gaps()?;
    Ok(gathered)
}

/// Uploads, pushes and shelves a parcel.
pub(super) async fn store(
    artifact: &Artifact,
    gathered: &Gathered,
    parcel: &mut Parcel,
) -> Result<attach::Stored> {
    if parcel.is_empty() {
        return Ok(attach::Stored::default());
    }
    let (store, digest): (&Store, &Digest) = (&artifact.store, artifact.digest());
    let (index, signatures) = (gathered.shelf.index.as_ref(), gathered.shelf.signatures.as_ref());
    parcel.preflight(digest, index, signatures)?;
    let blobs = parcel.blobs(digest, signatures)?;
    futures::future::try_join_all(blobs.iter().map(|blob| store.put_blob(blob, None))).await?;
    let pushed = attach::push(store, digest, parcel).await?;
    let nothing = async || Ok(());
    let (stored, ()) =
        attach::shelve(store, digest, parcel, pushed, gathered.shelf.api, nothing).await?;
    Ok(stored)
}

/// The time that is written beside a statement.
pub(super) fn created() -> String {
    clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
