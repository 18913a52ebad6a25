//! Checking what a trust root vouches for: certificates, log entries and
//! timestamps (Sigstore client specification).
//!
//! The `sigstore-verify` crate does the cryptography: the chain at every verified
//! time, the SCT, timestamps, the log's promise, proof and checkpoint, the
//! signature, and that every entry is about this signature, payload and signer.
//! What is demanded follows from the root alone: an SCT exactly when it lists CT
//! logs, an entry in a log exactly when it lists logs. A certificate always
//! needs a verified time, and its chain is always checked: the crate's
//! `skip_certificate_chain` is used nowhere.
//!
//! Where that crate leaves a gap, it is closed here or in [`super::root`]:
//!
//! - Anchors have no dates there: each authority's window is narrowed to the
//!   validity of its certificates (cosign CVE-2026-24122).
//! - One entry with a proof suffices there: here each must have one, or a promise
//!   in what cosign 2 stored.
//! - A checkpoint may be signed there by any listed log: here by the one that the
//!   entry names, within its window (sigstore-go #633).
//! - An entry, a log or a timestamp that comes twice is refused, and more than
//!   anybody needs are (sigstore-go GHSA-cq38-jh5f-37mq).
//! - A certificate with several names would be whoever comes first: refused.
//!
//! The crate asks the system's clock for one thing: whether a time that a log
//! signed lies in the future. Nothing here trusts it further. A timestamp from
//! the future is not refused: whoever judges ages knows the time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sigstore_types::{
    Artifact, Bundle, DerPublicKey, KindVersion, MediaType, Sha256Hash, TransparencyLogEntry,
};
use sigstore_verify::{
    CertificateError, Error, PublicKeyVerificationPolicy, TransparencyLogError, VerificationPolicy,
    VerificationResult,
};
use x509_cert::{Certificate, der::Decode, ext::pkix::SubjectAltName};

use super::{
    Outcome, Signing,
    identity::{Identity, Signer},
    key::PublicKey,
    root::TrustRoot,
};
use crate::model::digest::Digest;

/// The most log entries, and the most timestamps, of one bundle.
const MAX_ENTRIES: usize = 32;

/// What a bundle must be about.
#[derive(Clone, Copy)]
pub(super) enum Signed<'a> {
    /// A digest, signed itself or the subject of a statement.
    About(&'a Digest),
    /// These bytes.
    Bytes(&'a [u8]),
}

impl<'a> From<Signed<'a>> for Artifact<'a> {
    fn from(signed: Signed<'a>) -> Self {
        match signed {
            Signed::About(digest) => Sha256Hash::new(*digest.as_bytes()).into(),
            Signed::Bytes(bytes) => bytes.into(),
        }
    }
}

/// Who signed a bundle with a certificate, and when.
pub(super) fn by_identity(
    root: &TrustRoot,
    signed: Signed<'_>,
    bundle: &Bundle,
) -> Result<Signing, Outcome> {
    bounded(bundle)?;
    one_name(bundle)?;
    if !(root.has_logs() || root.has_timestamps()) {
        let why = "the trust root lists neither logs nor timestamp authorities: nobody vouches for when it was signed";
        return Err(Outcome::Untrusted(why.into()));
    }
    proven(root, bundle)?;
    let mut policy = VerificationPolicy::any_identity();
    if !root.has_ct_logs() {
        policy = policy.skip_sct();
    }
    if !root.has_logs() {
        policy = policy.skip_tlog_unsafe();
    }
    let result = root.verifier().verify(signed, bundle, &policy).map_err(refusal)?;
    // The library's promises, checked where they matter most.
    let held = result.certificate_verified()
        && !result.verified_timestamps().is_empty()
        && result.sct_verified() == root.has_ct_logs()
        && result.tlog_verified() == root.has_logs();
    if !held {
        return Err(Outcome::Invalid("its certificate could not be verified".into()));
    }
    let identity = result
        .certificate()
        .and_then(Identity::of)
        .ok_or_else(|| Outcome::Invalid("its certificate names no identity or no issuer".into()))?;
    let times = times_of(&result);
    timely(root, bundle, &times)?;
    Ok((Signer::Identity(Box::new(identity)), times))
}

/// That `key` signed a bundle, which was checked, and when, as far as the root
/// vouches for it.
///
/// A log or a timestamp authority that the root does not list says nothing: the
/// signature is the key's all the same, and anybody could leave it out. A
/// listed log that is misquoted makes the bundle bad.
pub(super) fn by_key(
    root: &TrustRoot,
    key: &PublicKey,
    signed: Signed<'_>,
    bundle: &Bundle,
) -> Result<Signing, Outcome> {
    bounded(bundle)?;
    let policy = PublicKeyVerificationPolicy::new(DerPublicKey::new(key.to_der().to_vec()));
    let mut times = BTreeSet::new();
    let mut logged = bundle.clone();
    let stamps = std::mem::take(&mut logged.verification_material.timestamp_verification_data)
        .rfc3161_timestamps;
    logged
        .verification_material
        .tlog_entries
        .retain(|entry| root.log(&entry.log_id.key_id).is_some());
    if !logged.verification_material.tlog_entries.is_empty() {
        proven(root, &logged)?;
        match root.verifier().verify(signed, &logged, &policy) {
            Ok(result) => {
                timely(root, &logged, result.verified_timestamps())?;
                times.extend(times_of(&result));
            }
            // Our clock may be wrong; that is no fault of the signer's.
            Err(Error::TransparencyLog(TransparencyLogError::IntegratedTime(_))) => {}
            Err(error) => return Err(refusal(error)),
        }
    }
    let policy = policy.skip_tlog_unsafe();
    let mut stamped = logged;
    stamped.media_type = MediaType::Bundle0_3;
    stamped.verification_material.tlog_entries.clear();
    for stamp in stamps {
        stamped.verification_material.timestamp_verification_data.rfc3161_timestamps = vec![stamp];
        if let Ok(result) = root.verifier().verify(signed, &stamped, &policy) {
            times.extend(times_of(&result));
        }
    }
    Ok((Signer::Key(key.fingerprint()), times.into_iter().collect()))
}

/// Like [`by_key`], but as Sigstore's clients demand it of a bundle file: an
/// entry in a log exactly when the root lists logs, and every timestamp must be
/// an authority's that it lists.
pub(super) fn by_key_strictly(
    root: &TrustRoot,
    key: &PublicKey,
    signed: Signed<'_>,
    bundle: &Bundle,
) -> Result<Signing, Outcome> {
    bounded(bundle)?;
    proven(root, bundle)?;
    let mut policy = PublicKeyVerificationPolicy::new(DerPublicKey::new(key.to_der().to_vec()));
    if !root.has_logs() {
        policy = policy.skip_tlog_unsafe();
    }
    let result = root.verifier().verify(signed, bundle, &policy).map_err(refusal)?;
    let times = times_of(&result);
    timely(root, bundle, &times)?;
    Ok((Signer::Key(key.fingerprint()), times))
}

fn times_of(result: &VerificationResult) -> Vec<Timestamp> {
    let times: BTreeSet<Timestamp> = result.verified_timestamps().iter().copied().collect();
    times.into_iter().collect()
}

/// Refuses a bundle with more entries or timestamps than anybody needs, and one
/// with an entry, or a timestamp, that comes twice.
fn bounded(bundle: &Bundle) -> Result<(), Outcome> {
    let material = &bundle.verification_material;
    let (entries, stamps) =
        (&material.tlog_entries, &material.timestamp_verification_data.rfc3161_timestamps);
    if entries.len() > MAX_ENTRIES || stamps.len() > MAX_ENTRIES {
        let why = format!("it has more than {MAX_ENTRIES} log entries or timestamps");
        return Err(Outcome::Invalid(why));
    }
    let mut seen = BTreeSet::new();
    let once = entries.iter().all(|entry| {
        seen.insert((entry.log_id.key_id.as_bytes(), entry.canonicalized_body.as_bytes()))
    });
    if !once {
        return Err(Outcome::Invalid("it has the same log entry twice".into()));
    }
    let mut seen = BTreeSet::new();
    match stamps.iter().all(|stamp| seen.insert(stamp.signed_timestamp.as_bytes())) {
        true => Ok(()),
        false => Err(Outcome::Invalid("it has the same timestamp twice".into())),
    }
}

/// Refuses a certificate that names several: which one it is would depend on who
/// looks.
fn one_name(bundle: &Bundle) -> Result<(), Outcome> {
    let names = bundle
        .signing_certificate()
        .and_then(|der| Certificate::from_der(der.as_bytes()).ok())
        .and_then(|certificate| certificate.tbs_certificate.get::<SubjectAltName>().ok())
        .flatten();
    match names {
        Some((_, SubjectAltName(names))) if names.len() == 1 => Ok(()),
        _ => Err(Outcome::Invalid("its certificate does not name exactly one identity".into())),
    }
}

/// Each entry must be in a log that the root lists, and prove it: by a checkpoint
/// that this very log signed, or in a bundle of version 0.1, which only we
/// make of what cosign 2 stored, by its promise. That the proofs hold is the
/// library's work.
fn proven(root: &TrustRoot, bundle: &Bundle) -> Result<(), Outcome> {
    let promises = bundle.media_type == MediaType::Bundle0_1;
    for entry in &bundle.verification_material.tlog_entries {
        let Some(log) = root.log(&entry.log_id.key_id) else {
            let why = format!("the trust root does not list its log `{}`", entry.log_id.key_id);
            return Err(Outcome::Untrusted(why));
        };
        match (&entry.inclusion_proof, is_v2(entry)) {
            (None, false) if promises && entry.inclusion_promise.is_some() => {}
            (None, _) => {
                return Err(Outcome::Invalid("a log entry has no proof of inclusion".into()));
            }
            (Some(proof), _) => {
                if !proof.checkpoint.checkpoint().is_some_and(|point| log.signed(point)) {
                    let why = "the log that an entry names did not sign its checkpoint";
                    return Err(Outcome::Invalid(why.into()));
                }
            }
        }
    }
    Ok(())
}

/// The key of each log must have counted at every verified time.
fn timely(root: &TrustRoot, bundle: &Bundle, times: &[Timestamp]) -> Result<(), Outcome> {
    let mut logs = bundle
        .verification_material
        .tlog_entries
        .iter()
        .filter_map(|entry| root.log(&entry.log_id.key_id));
    match logs.all(|log| times.iter().all(|time| log.counted_at(*time))) {
        true => Ok(()),
        false => {
            Err(Outcome::Invalid("the key of its log did not count when it was signed".into()))
        }
    }
}

fn is_v2(entry: &TransparencyLogEntry) -> bool {
    entry.kind_version == KindVersion::HashedRekordV002
}

/// An authority or a log that the root does not list makes a statement foreign;
/// anything else that does not verify makes it bad.
fn refusal(error: Error) -> Outcome {
    let why = error.to_string();
    match error {
        Error::Certificate(
            CertificateError::ChainInvalid(_) | CertificateError::NoValidAuthority { .. },
        ) => Outcome::Untrusted(format!("no authority of the trust root vouches for it: {why}")),
        _ => Outcome::Invalid(why),
    }
}
