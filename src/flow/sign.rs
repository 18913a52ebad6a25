//! Adding statements to an artifact that is there: signatures of what another
//! tool pushed, and attestations of any kind.

use bytes::Bytes;
use serde_json::Value;

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
    error::{Error, Result},
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

/// Attaches a statement with any predicate.
///
/// Refused by whoever made this artifact's signature, unless `same_key`: Flux
/// counts any statement by a key or an identity that it trusts as a signature. Refused
/// where only a legacy signature exists: the bundle would hide it from Flux and
/// cosign 3. What could not be read might be either, and then nothing is added.
///
/// # Errors
/// [`Error::Usage`] for the refusals; registry errors.
pub async fn attest(
    registries: &Registries,
    reference: &Reference,
    mut signers: Signers,
    (predicate_type, predicate): (&str, &Value),
    same_key: bool,
) -> Result<Outcome> {
    signers.start();
    let (artifact, gathered) = gather(registries, reference, &signers).await?;
    refuse_hidden_signature(&artifact, &gathered)?;
    signers.complete().await?;
    let ids = signers.ids();
    let own = ids.iter().find(|id| gathered.findings().any(|finding| signed_by(finding, id)));
    if let Some(own) = own.filter(|_| !same_key) {
        let kind = if matches!(own, SignerId::Key(_)) { "key" } else { "identity" };
        return Err(Error::usage(
            format!("the {kind} `{own}` made this artifact's signature"),
            format!(
                "sign other statements with another {kind}: Flux takes any statement by a {kind} \
                 that it trusts for a signature; `--same-key` does it all the same"
            ),
        ));
    }
    if !same_key {
        gathered.refuse_unread()?;
    }
    let created = created();
    let name = reference.place.name();
    let about = About { subject: &artifact.manifest.descriptor, name: &name, created: &created };
    let draft = |signer| Draft::statement(about, signer, predicate_type, predicate);
    let drafts: Vec<_> = signers.all().iter().map(draft).collect::<Result<_>>()?;
    let mut parcel = seal::seal(about, &signers.trust(), &drafts, &[]).await?;
    store(&artifact, &gathered, &mut parcel).await?;
    let added = parcel.bundles.iter().zip(ids).map(|(made, signer)| Added {
        predicate_type: predicate_type.to_owned(),
        manifest: made.descriptor.digest,
        signer,
        format: Format::Bundle,
    });
    Ok(Outcome { digest: *artifact.digest(), added: added.collect() })
}

/// A digest with a `.sig` and no signature bundle: whoever signed it, a bundle
/// of another kind would make it look unsigned.
fn refuse_hidden_signature(artifact: &Artifact, gathered: &Gathered) -> Result<()> {
    let of_type = |format: Format| {
        gathered.findings().any(|finding| {
            finding.format == format
                && gathered.shelf.is_in_place(finding)
                && finding.predicate_type.as_deref() == Some(uris::SIGNATURE)
        })
    };
    if of_type(Format::Bundle) {
        return Ok(());
    }
    if of_type(Format::LegacySignature) {
        return Err(Error::usage(
            format!(
                "`{}` has a legacy signature (`.sig`) and no signature bundle",
                artifact.digest()
            ),
            "an attestation would hide that signature from Flux and cosign 3; first run \
             `sluicegate sign` with the signing key, which adds the bundle",
        ));
    }
    gathered.refuse_unread()
}

fn signed_by(finding: &Finding, signer: &SignerId) -> bool {
    finding.evidence().is_some_and(|e| e.signer().id() == *signer && *e.claim() == Claim::Signature)
}

async fn gather(
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
async fn store(
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

fn created() -> String {
    clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Parses a predicate: any JSON value but `null`.
///
/// # Errors
/// [`Error::Usage`] with line and column.
pub fn predicate(name: &str, bytes: &Bytes) -> Result<Value> {
    let value = crate::model::statement::json::parse(bytes).map_err(|error| {
        Error::usage(
            format!("the predicate `{name}` is not valid JSON: {error}"),
            "give a JSON object",
        )
    })?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(Error::usage(
            format!("the predicate `{name}` is not a JSON object"),
            "in-toto predicates are JSON objects",
        )),
    }
}
