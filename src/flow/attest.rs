//! Attaching statements of any kind to an artifact that is there.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    edge::{registry::Registries, signer::SigningKey},
    model::{
        evidence::{Format, identity::SignerId},
        reference::Reference,
        statement::json,
        uris,
    },
};

use super::{
    attach::{About, Parcel},
    discover::Gathered,
    error::{Error, Result},
    sign::{self, Added, Outcome},
    verify::{self, Artifact},
};

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
    let gathered = sign::gather(registries, &artifact, std::slice::from_ref(key)).await?;
    refuse_hidden_signature(&artifact, &gathered)?;
    let own = gathered.findings().any(|finding| sign::signed_by(finding, key));
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
    let created = sign::created();
    let name = reference.place.name();
    let about = About { subject: &artifact.manifest.descriptor, name: &name, created: &created };
    let mut parcel = Parcel::default();
    parcel.attest(about, key, predicate_type, predicate)?;
    sign::store(&artifact, &gathered, &mut parcel).await?;
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
