//! Adding statements to an artifact that is there: signatures of what another
//! tool pushed, and attestations of any kind.

use bytes::Bytes;
use serde_json::Value;

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
    error::{Error, Result},
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

/// Attaches a statement with any predicate.
///
/// Refused with a key that made this artifact's signature, unless `same_key`:
/// Flux counts any statement by a key that it trusts as a signature. Refused
/// where only a legacy signature exists: the bundle would hide it from Flux and
/// cosign 3. What could not be read might be either, and then nothing is added.
///
/// # Errors
/// [`Error::Usage`] for the refusals; registry errors.
pub async fn attest(
    registries: &Registries,
    reference: &Reference,
    key: &SigningKey,
    predicate_type: &str,
    predicate: &Value,
    same_key: bool,
) -> Result<Outcome> {
    let artifact = verify::resolve(registries, reference).await?;
    let gathered = gather(registries, &artifact, std::slice::from_ref(key)).await?;
    refuse_hidden_signature(&artifact, &gathered)?;
    let own = gathered.findings().any(|finding| signed_by(finding, key));
    if own && !same_key {
        return Err(Error::usage(
            format!("the key `{}` made this artifact's signature", key.fingerprint()),
            "sign other statements with another key: Flux takes any statement by a key that it \
             trusts for a signature; `--same-key` does it all the same",
        ));
    }
    if !same_key {
        gathered.refuse_unread()?;
    }
    let created = created();
    let name = reference.place.name();
    let about = About { subject: &artifact.manifest.descriptor, name: &name, created: &created };
    let mut parcel = Parcel::default();
    parcel.attest(about, key, predicate_type, predicate)?;
    store(&artifact, &gathered, &mut parcel).await?;
    let added = parcel.bundles.iter().map(|made| Added {
        predicate_type: predicate_type.to_owned(),
        manifest: made.descriptor.digest,
        signer: SignerId::Key(key.fingerprint()),
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

fn signed_by(finding: &Finding, key: &SigningKey) -> bool {
    let signer = SignerId::Key(key.fingerprint());
    finding.evidence().is_some_and(|e| e.signer().id() == signer && *e.claim() == Claim::Signature)
}

async fn gather(
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
