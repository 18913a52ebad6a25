//! Who signed with a certificate: an identity that an OIDC issuer vouched for,
//! and what it told about the CI run (Fulcio's certificate extensions,
//! `1.3.6.1.4.1.57264.1.*`; interop §4.1).

use std::fmt;

use sigstore_crypto::CertificateInfo;

use super::key::Fingerprint;

/// Who made a signature that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// Whoever holds a key.
    Key(Fingerprint),
    /// Whoever an issuer says it was.
    Identity(Box<Identity>),
}

/// What distinguishes two signers: the key, or issuer and subject. Two
/// certificates of one identity are one signer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignerId {
    /// A key.
    Key(Fingerprint),
    /// An identity.
    Identity {
        /// The OIDC issuer.
        issuer: String,
        /// The subject alternative name.
        subject: String,
    },
}

impl Signer {
    /// What distinguishes it.
    pub fn id(&self) -> SignerId {
        match self {
            Self::Key(fingerprint) => SignerId::Key(*fingerprint),
            Self::Identity(identity) => SignerId::Identity {
                issuer: identity.issuer.clone(),
                subject: identity.subject.clone(),
            },
        }
    }

    /// The key, when it is one.
    pub fn key(&self) -> Option<&Fingerprint> {
        match self {
            Self::Key(fingerprint) => Some(fingerprint),
            Self::Identity(_) => None,
        }
    }

    /// The identity, when it is one.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Key(_) => None,
            Self::Identity(identity) => Some(identity),
        }
    }
}

impl fmt::Display for Signer {
    /// `key:sha256:…`, or the subject and its issuer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(fingerprint) => fingerprint.fmt(f),
            Self::Identity { issuer, subject } => write!(f, "{subject} ({issuer})"),
        }
    }
}

/// An identity from a certificate whose chain was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The OIDC issuer (extension 8, else 1).
    pub issuer: String,
    /// The subject alternative name: a URI for CI systems, else an e-mail
    /// address.
    pub subject: String,
    /// What the issuer told about a CI run; all empty for people.
    pub claims: Claims,
}

/// What a certificate tells about a CI run. Each is `None` when absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// 9: the workflow that asked for the signature, with its ref. With a
    /// reusable workflow it is that one's, not the caller's.
    pub build_signer: Option<String>,
    /// 11: the kind of runner.
    pub runner: Option<String>,
    /// 12: the repository, a URL.
    pub repository: Option<String>,
    /// 13: the commit.
    pub commit: Option<String>,
    /// 14: the ref.
    pub reference: Option<String>,
    /// 15: the repository's immutable identifier.
    pub repository_id: Option<String>,
    /// 18: the top-level workflow, with its ref.
    pub build_config: Option<String>,
    /// 20: the event that started the run.
    pub trigger: Option<String>,
    /// 21: the run's URL.
    pub run: Option<String>,
    /// 23: the deployment environment.
    pub environment: Option<String>,
}

impl Identity {
    /// The identity of a certificate; `None` when it names no issuer or no
    /// subject: nobody can be matched against half an identity.
    pub fn of(certificate: &CertificateInfo) -> Option<Self> {
        let subject = certificate.identity.as_ref()?.as_str();
        let issuer = certificate.issuer.as_deref()?;
        if subject.is_empty() || issuer.is_empty() {
            return None;
        }
        let claims = &certificate.ci_claims;
        Some(Self {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            claims: Claims {
                build_signer: claims.build_signer_uri.clone(),
                runner: claims.runner_environment.clone(),
                repository: claims.source_repository_uri.clone(),
                commit: claims.source_repository_digest.clone(),
                reference: claims.source_repository_ref.clone(),
                repository_id: claims.source_repository_identifier.clone(),
                build_config: claims.build_config_uri.clone(),
                trigger: claims.build_trigger.clone(),
                run: claims.run_invocation_uri.clone(),
                environment: claims.deployment_environment.clone(),
            },
        })
    }
}
