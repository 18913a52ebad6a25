//! Attaching statements of any kind to an artifact that is there.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    edge::registry::Registries,
    model::{
        evidence::{Format, identity::SignerId},
        reference::Reference,
        statement::json,
        uris,
    },
};

use super::{
    attach::About,
    discover::Gathered,
    error::{Error, Result},
    seal::{self, Draft, Signers},
    sign::{self, Added, Outcome},
    verify::Artifact,
};

/// Attaches a statement with any predicate.
///
/// Refused by whoever made this artifact's signature, unless `same_key`: Flux
/// counts any statement by a key or an identity that it trusts as one. Refused
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
    let (artifact, gathered) = sign::gather(registries, reference, &signers).await?;
    refuse_hidden_signature(&artifact, &gathered)?;
    signers.complete().await?;
    let ids = signers.ids();
    let own = ids.iter().find(|id| gathered.findings().any(|f| sign::signed_by(f, id)));
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
    let created = sign::created();
    let name = reference.place.name();
    let about = About { subject: &artifact.manifest.descriptor, name: &name, created: &created };
    let draft = |signer| Draft::statement(about, signer, predicate_type, predicate);
    let drafts: Vec<_> = signers.all().iter().map(draft).collect::<Result<_>>()?;
    let mut parcel = seal::seal(about, &signers.trust(), &drafts, &[]).await?;
    sign::store(&artifact, &gathered, &mut parcel).await?;
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

/// Parses a predicate: a JSON object without duplicate keys.
///
/// # Errors
/// [`Error::Usage`] with line and column.
pub fn predicate(name: &str, bytes: &Bytes) -> Result<Value> {
    let value = json::parse(bytes).map_err(|error| {
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
