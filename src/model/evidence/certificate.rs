//! Checking what a trust root vouches for: certificates, log entries and
//! timestamps (Sigstore client specification; the `sigstore-verify` crate does
//! the work).
//!
//! Chain, SCT, signed times, log entries and their agreement with the bundle are
//! that crate's; what is demanded of each follows from the root alone: an SCT
//! exactly when it lists CT logs, an entry in a log exactly when it lists logs.
//! The crate asks the system's clock for one thing: whether a time that a log or
//! an authority signed lies in the future. Nothing here trusts it further.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sigstore_types::{Artifact, Bundle, DerPublicKey, Sha256Hash};
use sigstore_verify::{
    CertificateError, Error, PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult,
};

use super::{
    Outcome, Signing,
    identity::{Identity, Signer},
    key::PublicKey,
    root::TrustRoot,
};
use crate::model::digest::Digest;

/// The most log entries, and the most timestamps, of one bundle: nobody needs
/// more (sigstore-go GHSA-cq38-jh5f-37mq).
const MAX_ENTRIES: usize = 32;

/// Who signed a bundle about `subject` with a certificate.
pub(super) fn check(
    root: &TrustRoot,
    subject: &Digest,
    bundle: &Bundle,
) -> Result<Signing, Outcome> {
    identity(root, Sha256Hash::new(*subject.as_bytes()).into(), bundle)
}

/// Who signed these bytes with a certificate.
pub(super) fn check_blob(
    root: &TrustRoot,
    bytes: &[u8],
    bundle: &Bundle,
) -> Result<Signing, Outcome> {
    identity(root, bytes.into(), bundle)
}

fn identity(root: &TrustRoot, artifact: Artifact<'_>, bundle: &Bundle) -> Result<Signing, Outcome> {
    bounded(bundle).map_err(Outcome::Invalid)?;
    let mut policy = VerificationPolicy::any_identity();
    if !root.has_ct_logs() {
        policy = policy.skip_sct();
    }
    if !root.has_logs() {
        policy = policy.skip_tlog_unsafe();
    }
    let result = root.verifier().verify(artifact, bundle, &policy).map_err(refusal)?;
    let identity = result
        .certificate()
        .and_then(Identity::of)
        .ok_or_else(|| Outcome::Invalid("its certificate names no identity or no issuer".into()))?;
    // The library's promise, checked where it matters most.
    if !result.certificate_verified() || result.verified_timestamps().is_empty() {
        return Err(Outcome::Invalid("its certificate could not be verified".into()));
    }
    Ok((Signer::Identity(Box::new(identity)), times_of(&result)))
}

/// When a key signed a bundle about `subject`, as far as the root vouches for
/// it. What does not verify says nothing; the signature itself was checked.
pub(super) fn times(
    root: &TrustRoot,
    key: &PublicKey,
    subject: &Digest,
    bundle: &Bundle,
) -> Vec<Timestamp> {
    key_times(root, key, Sha256Hash::new(*subject.as_bytes()).into(), bundle)
}

/// When a key signed these bytes, likewise.
pub(super) fn times_of_blob(
    root: &TrustRoot,
    key: &PublicKey,
    bytes: &[u8],
    bundle: &Bundle,
) -> Vec<Timestamp> {
    key_times(root, key, bytes.into(), bundle)
}

fn key_times(
    root: &TrustRoot,
    key: &PublicKey,
    artifact: Artifact<'_>,
    bundle: &Bundle,
) -> Vec<Timestamp> {
    let material = &bundle.verification_material;
    let logged = !material.tlog_entries.is_empty();
    let stamped = !material.timestamp_verification_data.rfc3161_timestamps.is_empty();
    if !(logged || stamped) || bounded(bundle).is_err() {
        return Vec::new();
    }
    let mut policy = PublicKeyVerificationPolicy::new(DerPublicKey::new(key.to_der().to_vec()));
    if !(logged && root.has_logs()) {
        policy = policy.skip_tlog_unsafe();
    }
    root.verifier().verify(artifact, bundle, &policy).map_or(Vec::new(), |result| times_of(&result))
}

fn times_of(result: &VerificationResult) -> Vec<Timestamp> {
    let times: BTreeSet<Timestamp> = result.verified_timestamps().iter().copied().collect();
    times.into_iter().collect()
}

/// Refuses a bundle with more entries or timestamps than anybody needs, and one
/// that names a log twice.
fn bounded(bundle: &Bundle) -> Result<(), String> {
    let material = &bundle.verification_material;
    let stamps = &material.timestamp_verification_data.rfc3161_timestamps;
    if material.tlog_entries.len() > MAX_ENTRIES || stamps.len() > MAX_ENTRIES {
        return Err(format!("it has more than {MAX_ENTRIES} log entries or timestamps"));
    }
    let mut seen = BTreeSet::new();
    for entry in &material.tlog_entries {
        if !seen.insert((entry.log_id.key_id.to_string(), entry.log_index.get())) {
            return Err("it has the same log entry twice".into());
        }
    }
    Ok(())
}

/// An authority that the root does not list makes a statement foreign; anything
/// else that does not verify makes it bad.
fn refusal(error: Error) -> Outcome {
    let why = error.to_string();
    match error {
        Error::Certificate(
            CertificateError::ChainInvalid(_) | CertificateError::NoValidAuthority { .. },
        ) => Outcome::Untrusted(format!("no authority of the trust root vouches for it: {why}")),
        _ => Outcome::Invalid(why),
    }
}
