//! Signing an artifact that is there because another tool pushed it.

use crate::{
    edge::{
        clock,
        registry::{Registries, Store},
    },
    model::{
        digest::Digest,
        evidence::{Claim, Finding, Format, identity::SignerId},
        reference::Reference,
        uris,
    },
};

use super::{
    attach::{self, About, Parcel},
    discover::{self, Gathered},
    error::Result,
    seal::{self, Draft, Signers},
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

/// Signs what a reference names by every signer, as a bundle and, with `legacy`,
/// by every key for cosign 2. What is there already is not made again.
///
/// # Errors
/// Registry errors, those of signing services, and what stands at a shared tag.
pub async fn sign(
    registries: &Registries,
    reference: &Reference,
    mut signers: Signers,
    legacy: bool,
) -> Result<Outcome> {
    signers.start();
    let (artifact, gathered) = gather(registries, reference, &signers).await?;
    signers.complete().await?;
    let signed = |signer: &SignerId, format| {
        gathered.findings().any(|finding| {
            finding.format == format
                && gathered.shelf.is_in_place(finding)
                && signed_by(finding, signer)
        })
    };
    let created = created();
    let name = reference.place.name();
    let about = About { subject: &artifact.manifest.descriptor, name: &name, created: &created };
    let (mut drafts, mut keys, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for signer in signers.all() {
        let id = signer.id();
        if !signed(&id, Format::Bundle) {
            drafts.push(Draft::signature(about, signer)?);
            added.push((id.clone(), Format::Bundle));
        }
        if let Some(key) = signer.key().filter(|_| legacy)
            && !signed(&id, Format::LegacySignature)
        {
            keys.push(key);
            added.push((id, Format::LegacySignature));
        }
    }
    let mut parcel = seal::seal(about, &signers.trust(), &drafts, &keys).await?;
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

/// Whether it is a signature by `signer`.
pub(super) fn signed_by(finding: &Finding, signer: &SignerId) -> bool {
    finding.evidence().is_some_and(|e| e.signer().id() == *signer && *e.claim() == Claim::Signature)
}

/// What is attached, with whose signatures the keys recognise as their own.
pub(super) async fn gather(
    registries: &Registries,
    reference: &Reference,
    signers: &Signers,
) -> Result<(Artifact, Gathered)> {
    let artifact = verify::resolve(registries, reference).await?;
    let examine = discover::recognise(*artifact.digest(), signers.trust());
    let gathered =
        discover::gather(&artifact.store, artifact.digest(), &examine, registries.limits()).await;
    gathered.refuse_gaps()?;
    Ok((artifact, gathered))
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
