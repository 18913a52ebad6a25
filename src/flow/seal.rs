//! Signing statements, by key or without one, and checking what came of it
//! before anything of it leaves.
//!
//! A [`Draft`] is a statement with who is to sign it. [`seal`] signs all of them
//! at the same time, since each may need answers from a log and a timestamp
//! authority, and then looks at every bundle as a verifier would: services may
//! be wrong, and what they gave is pushed only when it verifies.

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::{BoxFuture, FutureExt, try_join_all};
use serde::Serialize;

use crate::{
    edge::{
        keyless::{Session, TimestampAuthority, What, http::Http, identity},
        signer::SigningKey,
    },
    model::{
        digest::Digest,
        evidence::{
            self, Finding, Format, Found, Outcome, Trust, identity::SignerId, origin,
            root::TrustRoot, services::Services,
        },
        policy::signers::{Matcher, Who},
        source::ci::Ci,
        statement::{
            assemble::{self, By},
            attachment::{self, Attachment, Legacy},
            bundle, intoto, simple_signing,
        },
        uris,
    },
};

use super::{
    attach::{About, Parcel},
    error::{Error, Result},
};

/// Somebody who signs.
pub enum Signer {
    /// Whoever holds a key, and who says when it signed.
    Key(SigningKey, Option<TimestampAuthority>),
    /// The identity of this run.
    Keyless(Box<Session>),
}

impl Signer {
    /// What distinguishes it.
    pub fn id(&self) -> SignerId {
        match self {
            Self::Key(key, _) => SignerId::Key(key.fingerprint()),
            Self::Keyless(session) => SignerId::Identity {
                issuer: session.identity().issuer.clone(),
                subject: session.identity().subject.clone(),
            },
        }
    }

    /// As a policy names exactly this one.
    pub fn who(&self) -> Who {
        match self {
            Self::Key(key, _) => Who::Keys(vec![key.public().clone()]),
            Self::Keyless(session) => Who::Identity {
                issuer: Matcher::Exact(session.identity().issuer.clone()),
                subject: Matcher::Exact(session.identity().subject.clone()),
            },
        }
    }

    /// The key, when it is one.
    pub fn key(&self) -> Option<&SigningKey> {
        match self {
            Self::Key(key, _) => Some(key),
            Self::Keyless(_) => None,
        }
    }

    async fn sign(&self, payload: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::Key(key, authority) => {
                let signature = key.sign(&bundle::message(payload))?;
                let stamps = match authority {
                    Some(authority) => vec![authority.stamp(&signature).await?],
                    None => Vec::new(),
                };
                let envelope = assemble::envelope(payload, &signature);
                let fingerprint = key.fingerprint();
                let by = By::Key(fingerprint.as_bytes());
                assemble::assemble(envelope, by, Vec::new(), stamps)
                    .map_err(|error| Error::Internal(error.to_string()))
            }
            Self::Keyless(session) => Ok(session.sign(What::Statement(payload)).await?),
        }
    }
}

/// Everybody who signs in a run, and who vouches for them.
#[derive(Default)]
pub struct Signers {
    ready: Vec<Signer>,
    root: Option<TrustRoot>,
    opening: Option<BoxFuture<'static, Result<Session>>>,
}

impl From<Vec<SigningKey>> for Signers {
    fn from(keys: Vec<SigningKey>) -> Self {
        let ready = keys.into_iter().map(|key| Signer::Key(key, None)).collect();
        Self { ready, ..Self::default() }
    }
}

impl Signers {
    /// Keys whose bundles get a timestamp, which must verify against `root` when
    /// there is one.
    pub fn stamped(
        keys: Vec<SigningKey>,
        authority: &TimestampAuthority,
        root: Option<TrustRoot>,
    ) -> Self {
        let stamped = |key| Signer::Key(key, Some(authority.clone()));
        Self { ready: keys.into_iter().map(stamped).collect(), root, opening: None }
    }

    /// The identity of this run. Nothing is asked of anybody before
    /// [`Signers::start`] or [`Signers::complete`].
    pub fn keyless(keyless: Keyless) -> Self {
        let root = Some(keyless.root.clone());
        Self { ready: Vec::new(), root, opening: Some(open(keyless).boxed()) }
    }

    /// Takes others in.
    pub fn absorb(&mut self, others: Self) {
        self.ready.extend(others.ready);
        self.root = self.root.take().or(others.root);
        self.opening = self.opening.take().or(others.opening);
    }

    /// Asks for the certificate while something else goes on.
    pub fn start(&mut self) {
        if let Some(opening) = self.opening.take() {
            let task = tokio::spawn(opening);
            let opened = async {
                task.await.map_err(|error| Error::Internal(format!("signing stopped: {error}")))?
            };
            self.opening = Some(opened.boxed());
        }
    }

    /// Waits until everybody can sign.
    ///
    /// # Errors
    /// When there is no certificate, or one for another run.
    pub async fn complete(&mut self) -> Result<()> {
        if let Some(opening) = self.opening.take() {
            self.ready.push(Signer::Keyless(Box::new(opening.await?)));
        }
        Ok(())
    }

    /// Those who can sign; all of them once [`Signers::complete`] is done.
    pub fn all(&self) -> &[Signer] {
        &self.ready
    }

    /// What distinguishes them.
    pub fn ids(&self) -> Vec<SignerId> {
        self.ready.iter().map(Signer::id).collect()
    }

    /// What a check needs to recognise them.
    pub fn trust(&self) -> Trust {
        let keys = self.ready.iter().filter_map(Signer::key).map(|key| key.public().clone());
        Trust { keys: keys.collect(), root: self.root.clone() }
    }
}

/// How a run signs without a key.
pub struct Keyless {
    /// How services are reached.
    pub http: Http,
    /// Which.
    pub services: Services,
    /// Who must vouch for what they give.
    pub root: TrustRoot,
    /// Where the token is.
    pub identity: identity::Source,
    /// The CI run that this is; the certificate must be for the same.
    pub ci: Ci,
}

async fn open(keyless: Keyless) -> Result<Session> {
    let Keyless { http, services, identity, ci, .. } = keyless;
    let token = identity.token(&http).await?;
    let session = Session::open(http, services, token).await?;
    origin::compare(&ci, session.identity())
        .map_err(|source| Error::Origin { subject: session.identity().subject.clone(), source })?;
    Ok(session)
}

/// A statement that is to be signed.
pub struct Draft<'a> {
    signer: &'a Signer,
    predicate_type: &'a str,
    payload: Vec<u8>,
}

impl<'a> Draft<'a> {
    /// Who is to sign it.
    pub fn signer(&self) -> &'a Signer {
        self.signer
    }

    /// A cosign signature.
    ///
    /// # Errors
    /// Only when serialising fails.
    pub fn signature(about: About<'_>, signer: &'a Signer) -> Result<Self> {
        let digest = &about.subject.digest;
        let payload = intoto::write(digest, None, uris::SIGNATURE, &serde_json::Map::new())?;
        Ok(Self { signer, predicate_type: uris::SIGNATURE, payload })
    }

    /// Any other statement.
    ///
    /// # Errors
    /// Only when serialising fails.
    pub fn statement(
        about: About<'_>,
        signer: &'a Signer,
        predicate_type: &'a str,
        predicate: &impl Serialize,
    ) -> Result<Self> {
        let digest = &about.subject.digest;
        let payload = intoto::write(digest, Some(about.name), predicate_type, predicate)?;
        Ok(Self { signer, predicate_type, payload })
    }
}

/// Signs all drafts, checks what came of them, and makes legacy signatures by
/// the keys of `legacy`.
///
/// # Errors
/// Of keys and services; [`Error::Unproven`] when a bundle does not verify.
pub async fn seal(
    about: About<'_>,
    trust: &Trust,
    drafts: &[Draft<'_>],
    legacy: &[&SigningKey],
) -> Result<Parcel> {
    let sealed = drafts.iter().map(|draft| async move {
        let bytes = draft.signer.sign(&draft.payload).await?;
        let made = attachment::referrer(about.subject, bytes, draft.predicate_type, about.created)?;
        let finding = proven(&about.subject.digest, trust, draft.signer, &made)?;
        Ok::<_, Error>((made, finding))
    });
    let mut parcel = Parcel::default();
    for (made, finding) in try_join_all(sealed).await? {
        parcel.bundles.push(made);
        parcel.checked.push(finding);
    }
    for key in legacy {
        let payload = simple_signing::write(&about.subject.digest, about.name);
        let signature = STANDARD.encode(key.sign(&payload)?);
        let layer = attachment::legacy_layer(&payload, &signature);
        parcel.legacy.push((payload, layer));
    }
    Ok(parcel)
}

/// Looks at a bundle as a verifier would; refuses what services gave and does not
/// verify.
fn proven(subject: &Digest, trust: &Trust, signer: &Signer, made: &Attachment) -> Result<Finding> {
    let found = Found {
        format: Format::Bundle,
        manifest: made.descriptor.digest,
        bytes: made.bundle.clone(),
        legacy: Legacy::default(),
    };
    let finding = evidence::check(subject, trust, &found).finding;
    let stamped = match signer {
        Signer::Key(_, None) => return Ok(finding),
        Signer::Key(_, Some(_)) => true,
        Signer::Keyless(_) => false,
    };
    let why = match &finding.outcome {
        Outcome::Verified(evidence) if evidence.signer().id() != signer.id() => {
            Some(format!("it verifies as signed by {}", evidence.signer()))
        }
        Outcome::Verified(evidence) => {
            let unseen = stamped && trust.root.is_some() && evidence.times().is_empty();
            unseen.then(|| "its timestamp does not verify".to_owned())
        }
        Outcome::Untrusted(why) | Outcome::Invalid(why) | Outcome::Unread(why) => Some(why.clone()),
    };
    match why {
        None => Ok(finding),
        Some(why) => {
            let root = trust.root.as_ref().map(|root| root.digest().to_string());
            Err(Error::Unproven { why, root })
        }
    }
}
