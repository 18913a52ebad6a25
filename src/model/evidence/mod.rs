//! Evidence: a statement that was checked.
//!
//! [`check`] is the only place that makes an [`Evidence`]: it ties a signature
//! to a key that was given or to an identity that the trust root vouches for,
//! and a signed claim to one digest. Everything that a registry says besides
//! (annotations, descriptors, hints) is shown at most.
//!
//! Whether a signer is the right one for a claim is not decided here but by a
//! policy.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use sigstore_types::Bundle;

use crate::model::{
    digest::Digest,
    statement::{
        attachment::Legacy,
        bundle::{self, Material, Signed},
        intoto::Statement,
        legacy,
        provenance::Provenance,
        simple_signing,
    },
    text::brief,
    uris,
};

pub mod file;
pub mod identity;
pub mod key;
pub mod origin;
pub mod root;
pub mod services;
pub mod timestamp;
pub mod token;

mod certificate;

use identity::Signer;
use key::PublicKey;
use root::TrustRoot;

/// Whom to believe that a signature is somebody's.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Keys whose signatures are recognised.
    pub keys: Vec<PublicKey>,
    /// Who vouches for identities and for times; without it neither is known.
    pub root: Option<TrustRoot>,
}

impl From<Vec<PublicKey>> for Trust {
    fn from(keys: Vec<PublicKey>) -> Self {
        Self { keys, root: None }
    }
}

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
    /// What cosign 2 keeps in annotations beside a payload or an envelope.
    pub legacy: Legacy,
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

/// A claim about a digest, and who signed it. Only [`check`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    subject: Digest,
    signer: Signer,
    times: Vec<Timestamp>,
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
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// When it was signed at the latest, by each log and timestamp authority of
    /// the trust root that says so, in order; none when nobody does.
    pub fn times(&self) -> &[Timestamp] {
        &self.times
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

/// What checking came to, with what the statement says when it was verified:
/// for whoever judges it. A finding does not keep that, because a thousand of
/// them would fill the memory.
#[derive(Debug)]
pub struct Checked {
    /// What it came to.
    pub finding: Finding,
    /// The statement; `None` when it was not verified, and for a legacy
    /// signature, which says nothing but that it is one.
    pub statement: Option<Statement>,
}

impl From<Finding> for Checked {
    fn from(finding: Finding) -> Self {
        Self { finding, statement: None }
    }
}

/// Checks one statement against the digest and whom to trust.
///
/// Never fails: a bad statement is a finding, and never hides a good one.
pub fn check(subject: &Digest, trust: &Trust, found: &Found) -> Checked {
    if found.format == Format::LegacySignature {
        return legacy_signature(subject, trust, found).into();
    }
    let read = match found.format {
        Format::Bundle => bundle::read(&found.bytes),
        Format::LegacyAttestation | Format::LegacySignature => {
            bundle::read_envelope(&found.bytes, &found.legacy)
        }
    };
    let finding = |outcome| Finding::new(found.format, found.manifest, outcome);
    match read {
        Ok((signed, bundle)) => {
            let legacy = found.format == Format::LegacyAttestation;
            let bundle = bundle.as_ref();
            let attempt = Attempt { subject, trust, signed: &signed, bundle, legacy };
            let (predicate_type, outcome, statement) = attempt.statement();
            let claimed = claimed(&signed.material);
            Checked { finding: Finding { predicate_type, claimed, ..finding(outcome) }, statement }
        }
        Err(error) => finding(Outcome::Invalid(error.to_string())).into(),
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

/// One signed statement that is being checked.
struct Attempt<'a> {
    subject: &'a Digest,
    trust: &'a Trust,
    signed: &'a Signed,
    bundle: Option<&'a Bundle>,
    /// A certificate beside an envelope says nothing about who signed it.
    legacy: bool,
}

/// Who signed, and when by whose word.
type Signing = (Signer, Vec<Timestamp>);

impl Attempt<'_> {
    fn statement(&self) -> (Option<String>, Outcome, Option<Statement>) {
        let statement = match Statement::parse(&self.signed.payload) {
            Ok(statement) => statement,
            Err(error) => return (None, Outcome::Invalid(error.to_string()), None),
        };
        let predicate_type = Some(statement.predicate_type.clone());
        if !statement.is_about(self.subject) {
            return (predicate_type, self.about_another(), None);
        }
        let (signer, times) = match self.signing() {
            Ok(signing) => signing,
            Err(outcome) => return (predicate_type, outcome, None),
        };
        match claim(&statement) {
            Ok(claim) => {
                let evidence = Evidence { subject: *self.subject, signer, times, claim };
                (predicate_type, Outcome::Verified(Box::new(evidence)), Some(statement))
            }
            Err(reason) => (predicate_type, Outcome::Invalid(reason), None),
        }
    }

    fn signing(&self) -> Result<Signing, Outcome> {
        let Signed { message, signature, material, .. } = self.signed;
        let key = || key_of(&self.trust.keys, message, signature);
        let key = match material {
            // A key's statement names a key; Flux does not count another.
            Material::Key { hint } => {
                Some(key().ok_or_else(|| unknown_signer(&self.trust.keys, hint))?)
            }
            Material::Certificate if self.legacy => key(),
            Material::Certificate => None,
        };
        let (root, bundle) = (self.trust.root.as_ref(), self.bundle);
        let signed = certificate::Signed::About(self.subject);
        match (key, root, bundle) {
            (Some(key), Some(root), Some(bundle)) => certificate::by_key(root, key, signed, bundle),
            (Some(key), ..) => Ok((Signer::Key(key.fingerprint()), Vec::new())),
            (None, Some(root), Some(bundle)) => certificate::by_identity(root, signed, bundle),
            (None, ..) => Err(no_root()),
        }
    }

    /// A statement about something else can never count here. That a key which
    /// is trusted signed it is worth knowing.
    fn about_another(&self) -> Outcome {
        let by_known = matches!(self.signed.material, Material::Key { .. })
            && key_of(&self.trust.keys, &self.signed.message, &self.signed.signature).is_some();
        Outcome::Invalid(match by_known {
            true => "it is about another digest, though a given key signed it".into(),
            false => "it is about another digest".into(),
        })
    }
}

fn claim(statement: &Statement) -> Result<Claim, String> {
    match statement.predicate_type.as_str() {
        uris::SIGNATURE => Ok(Claim::Signature),
        uris::PROVENANCE => Provenance::read(&statement.predicate)
            .map(|provenance| Claim::Provenance(Box::new(provenance)))
            .map_err(|error| format!("its predicate is not SLSA provenance v1: {error}")),
        uris::PROVENANCE_V02 => Provenance::read_v02(&statement.predicate)
            .map(|provenance| Claim::Provenance(Box::new(provenance)))
            .map_err(|error| format!("its predicate is not SLSA provenance v0.2: {error}")),
        _ => Ok(Claim::Other { predicate_type: statement.predicate_type.clone() }),
    }
}

fn legacy_signature(subject: &Digest, trust: &Trust, found: &Found) -> Finding {
    let payload = simple_signing::parse(&found.bytes);
    let docker_reference = payload.as_ref().ok().map(|payload| brief(&payload.docker_reference));
    let outcome = match payload {
        Ok(payload) if payload.digest != *subject => {
            Outcome::Invalid("it is about another digest".into())
        }
        Ok(_) => legacy_outcome(subject, trust, found).unwrap_or_else(|outcome| outcome),
        Err(error) => Outcome::Invalid(error.to_string()),
    };
    Finding {
        predicate_type: Some(uris::SIGNATURE.to_owned()),
        docker_reference,
        ..Finding::new(found.format, found.manifest, outcome)
    }
}

fn legacy_outcome(subject: &Digest, trust: &Trust, found: &Found) -> Result<Outcome, Outcome> {
    let signature = found.legacy.signature.as_deref().and_then(|text| STANDARD.decode(text).ok());
    let Some(signature) = signature else {
        return Err(Outcome::Invalid("its signature is missing or not base64".into()));
    };
    let signed = certificate::Signed::Bytes(&found.bytes);
    let bundle = legacy::of_signature(&found.bytes, &found.legacy);
    let key = key_of(&trust.keys, &found.bytes, &signature);
    let (signer, times) = match (key, &trust.root, bundle) {
        (Some(key), Some(root), Ok(bundle)) => certificate::by_key(root, key, signed, &bundle)?,
        (Some(key), ..) => (Signer::Key(key.fingerprint()), Vec::new()),
        (None, ..) if found.legacy.certificate.is_none() => {
            return Err(unknown_signer(&trust.keys, ""));
        }
        (None, None, _) => return Err(no_root()),
        (None, Some(root), Ok(bundle)) => certificate::by_identity(root, signed, &bundle)?,
        (None, Some(_), Err(error)) => return Err(Outcome::Invalid(error.to_string())),
    };
    let evidence = Evidence { subject: *subject, signer, times, claim: Claim::Signature };
    Ok(Outcome::Verified(Box::new(evidence)))
}

fn key_of<'a>(keys: &'a [PublicKey], message: &[u8], signature: &[u8]) -> Option<&'a PublicKey> {
    keys.iter().find(|key| key.verifies(message, signature))
}

fn no_root() -> Outcome {
    Outcome::Untrusted("signed with a certificate; no trust root was given".into())
}

/// Why nobody known signed it. A hint that names a given key only sharpens the
/// words: hints are not authenticated.
fn unknown_signer(keys: &[PublicKey], hint: &str) -> Outcome {
    if keys.is_empty() {
        return Outcome::Untrusted("signed with a key; no key was given".into());
    }
    match keys.iter().find(|key| bundle::hint(key.fingerprint().as_bytes()) == hint) {
        Some(key) => Outcome::Invalid(format!(
            "it claims `{}`, whose signature this is not",
            key.fingerprint()
        )),
        None => Outcome::Untrusted("no given key made this signature".into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
