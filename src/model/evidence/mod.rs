//! Evidence: a statement that was checked.
//!
//! [`check`] is the only place that makes an [`Evidence`]: it ties a signature
//! to a key that was given, and a signed claim to one digest. Everything that a
//! registry says besides (annotations, descriptors, hints) is shown at most.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::model::{
    digest::Digest,
    statement::{
        bundle::{self, Material, Signed},
        intoto::Statement,
        provenance::Provenance,
        simple_signing,
    },
    text::brief,
    uris,
};

pub mod key;

use key::{Fingerprint, PublicKey};

/// How a statement is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// A Sigstore bundle, a referrer.
    Bundle,
    /// A layer at cosign's `.sig` tag.
    LegacySignature,
    /// A layer at cosign's `.att` tag.
    LegacyAttestation,
}

/// A statement's bytes as they were read, their digest checked, nothing else.
#[derive(Debug, Clone)]
pub struct Found {
    /// How it is stored.
    pub format: Format,
    /// The manifest that holds it.
    pub manifest: Digest,
    /// The bundle, the payload or the envelope.
    pub bytes: Vec<u8>,
    /// The signature of a legacy signature, base64, from an annotation.
    pub signature: Option<String>,
}

/// What looking at one statement came to.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How it is stored.
    pub format: Format,
    /// The manifest that holds it.
    pub manifest: Digest,
    /// The predicate type as the payload says; trusted only when verified.
    pub predicate_type: Option<String>,
    /// Who the bundle says signed it, a key's fingerprint or `certificate`;
    /// nothing authenticates it.
    pub claimed: Option<String>,
    /// The name that a legacy payload gives the artifact; nobody checks it.
    pub docker_reference: Option<String>,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a statement came to.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A given key signed it, and it is about the digest.
    Verified(Box<Evidence>),
    /// It may be fine, but no given key signed it.
    Untrusted(String),
    /// It can never count for this digest.
    Invalid(String),
    /// It could not be read; a transport fault, not a verdict.
    Unread(String),
}

/// A claim about a digest, signed by a known key. Only [`check`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    subject: Digest,
    signer: Fingerprint,
    claim: Claim,
}

/// What is claimed.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The artifact is the signer's.
    Signature,
    /// How it was built.
    Provenance(Box<Provenance>),
    /// Anything else. What it says is not kept: nobody asks for it, and a
    /// thousand of them would fill the memory.
    Other {
        /// The predicate type.
        predicate_type: String,
    },
}

impl Evidence {
    /// The digest that the claim is about.
    pub fn subject(&self) -> &Digest {
        &self.subject
    }

    /// Who signed it.
    pub fn signer(&self) -> &Fingerprint {
        &self.signer
    }

    /// What is claimed.
    pub fn claim(&self) -> &Claim {
        &self.claim
    }
}

impl Finding {
    /// A finding about the statement in `manifest`.
    pub fn new(format: Format, manifest: Digest, outcome: Outcome) -> Self {
        Self {
            format,
            manifest,
            predicate_type: None,
            claimed: None,
            docker_reference: None,
            outcome,
        }
    }

    /// The evidence, when the statement was verified.
    pub fn evidence(&self) -> Option<&Evidence> {
        match &self.outcome {
            Outcome::Verified(evidence) => Some(evidence),
            _ => None,
        }
    }
}

/// Checks one statement against the digest and the keys.
///
/// Never fails: a bad statement is a finding, and never hides a good one.
pub fn check(subject: &Digest, keys: &[PublicKey], found: &Found) -> Finding {
    if found.format == Format::LegacySignature {
        return legacy_signature(subject, keys, found);
    }
    let read = match found.format {
        Format::Bundle => bundle::read(&found.bytes),
        Format::LegacyAttestation | Format::LegacySignature => bundle::read_envelope(&found.bytes),
    };
    let finding = |outcome| Finding::new(found.format, found.manifest, outcome);
    match read {
        Ok(signed) => {
            let (predicate_type, outcome) = statement(subject, keys, &signed);
            Finding { predicate_type, claimed: claimed(&signed.material), ..finding(outcome) }
        }
        Err(error) => finding(Outcome::Invalid(error.to_string())),
    }
}

/// Who a bundle says signed it. A hint that is no fingerprint says nothing.
fn claimed(material: &Material) -> Option<String> {
    match material {
        Material::Certificate => Some("certificate".into()),
        Material::Key { hint } => match STANDARD.decode(hint) {
            Ok(bytes) if bytes.len() == 32 => Some(format!("key:sha256:{}", hex::encode(bytes))),
            _ => None,
        },
    }
}

fn statement(subject: &Digest, keys: &[PublicKey], signed: &Signed) -> (Option<String>, Outcome) {
    let statement = match Statement::parse(&signed.payload) {
        Ok(statement) => statement,
        Err(error) => return (None, Outcome::Invalid(error.to_string())),
    };
    let predicate_type = Some(statement.predicate_type.clone());
    // A key's statement names a key; Flux does not count another.
    let keys_only = matches!(signed.material, Material::Key { .. });
    let signer = keys_only.then(|| signer(keys, &signed.message, &signed.signature)).flatten();
    let Some(signer) = signer else {
        return (predicate_type, unknown_signer(keys, &signed.material));
    };
    if !statement.is_about(subject) {
        return (predicate_type, Outcome::Invalid("it is about another digest".into()));
    }
    let outcome = match claim(statement) {
        Ok(claim) => Outcome::Verified(Box::new(Evidence { subject: *subject, signer, claim })),
        Err(reason) => Outcome::Invalid(reason),
    };
    (predicate_type, outcome)
}

fn claim(statement: Statement) -> Result<Claim, String> {
    match statement.predicate_type.as_str() {
        uris::SIGNATURE => Ok(Claim::Signature),
        uris::PROVENANCE => Provenance::read(&statement.predicate)
            .map(|provenance| Claim::Provenance(Box::new(provenance)))
            .map_err(|error| format!("its predicate is not SLSA provenance v1: {error}")),
        _ => Ok(Claim::Other { predicate_type: statement.predicate_type }),
    }
}

fn legacy_signature(subject: &Digest, keys: &[PublicKey], found: &Found) -> Finding {
    let payload = simple_signing::parse(&found.bytes);
    let docker_reference = payload.as_ref().ok().map(|payload| brief(&payload.docker_reference));
    let outcome = match payload {
        Ok(payload) => legacy_outcome(subject, keys, found, &payload.digest),
        Err(error) => Outcome::Invalid(error.to_string()),
    };
    Finding {
        predicate_type: Some(uris::SIGNATURE.to_owned()),
        docker_reference,
        ..Finding::new(found.format, found.manifest, outcome)
    }
}

fn legacy_outcome(subject: &Digest, keys: &[PublicKey], found: &Found, signed: &Digest) -> Outcome {
    let signature = found.signature.as_deref().and_then(|text| STANDARD.decode(text).ok());
    let Some(signature) = signature else {
        return Outcome::Invalid("its signature is missing or not base64".into());
    };
    let Some(signer) = signer(keys, &found.bytes, &signature) else {
        return unknown_signer(keys, &Material::Key { hint: String::new() });
    };
    if signed != subject {
        return Outcome::Invalid("it is about another digest".into());
    }
    let evidence = Evidence { subject: *subject, signer, claim: Claim::Signature };
    Outcome::Verified(Box::new(evidence))
}

fn signer(keys: &[PublicKey], message: &[u8], signature: &[u8]) -> Option<Fingerprint> {
    keys.iter().find(|key| key.verifies(message, signature)).map(PublicKey::fingerprint)
}

/// Why nobody known signed it. A hint that names a given key only sharpens the
/// words: hints are not authenticated.
fn unknown_signer(keys: &[PublicKey], material: &Material) -> Outcome {
    match material {
        Material::Certificate => {
            Outcome::Untrusted("signed with a certificate; only keys were given".into())
        }
        Material::Key { .. } if keys.is_empty() => Outcome::Untrusted("no key was given".into()),
        Material::Key { hint } => {
            let named = keys.iter().find(|key| bundle::hint(key.fingerprint().as_bytes()) == *hint);
            match named {
                Some(key) => Outcome::Invalid(format!(
                    "it claims `{}`, whose signature this is not",
                    key.fingerprint()
                )),
                None => Outcome::Untrusted("no given key made this signature".into()),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
