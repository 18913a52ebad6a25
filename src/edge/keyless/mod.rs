//! Keyless signing: one key that lives as long as a run, one certificate for it
//! from Fulcio, and for each statement an entry in Rekor and a timestamp.
//!
//! The clients of the `sigstore-*` crates are not used, only their types: they
//! read bodies without a bound and put a service's words, which may hold the
//! token, into their errors (docs/decisions/0008-keyless.md). Nothing that comes
//! back is believed here; [`crate::model::evidence::check`] does that before
//! anything leaves.
//!
//! Who signs is decided by [`identity`]; how services are asked is in [`http`].

use std::{borrow::Cow, collections::HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::future::try_join_all;
use serde::Deserialize;
use sigstore_crypto::KeyPair;
use sigstore_rekor::{DsseEntry, HashedRekord, HashedRekordV2, LogEntry, RekorV2KeyDetails};
use sigstore_types::{
    DerCertificate, DsseEnvelope, KindVersion, Sha256Hash, SignatureBytes, TransparencyLogEntry,
};
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use crate::model::{
    digest::Digest,
    evidence::{
        identity::Identity,
        services::{Log, LogVersion, Services},
        timestamp::Query,
    },
    statement::{
        assemble::{self, By},
        bundle,
    },
};

pub mod error;
pub mod http;
pub mod identity;

use error::{KeylessError, Result, Service};
use http::Http;
use identity::Token;

/// A key, a certificate for it, and the services that vouch for when it signed.
///
/// The key is never stored; what the cryptographic library keeps of it is
/// overwritten when this is dropped.
pub struct Session {
    key: KeyPair,
    certificate: DerCertificate,
    identity: Identity,
    services: Services,
    http: Http,
}

impl Session {
    /// Makes a key and asks for a certificate.
    ///
    /// # Errors
    /// [`KeylessError`].
    pub async fn open(http: Http, services: Services, token: Token) -> Result<Self> {
        let key = KeyPair::generate_ecdsa_p256().map_err(|_| KeylessError::Crypto)?;
        let certificate = certificate(&http, &services.authority, &key, &token).await?;
        let lie = |why: &str| KeylessError::answer(Service::Authority, &services.authority, why);
        let info = sigstore_crypto::parse_certificate_info(&certificate)
            .map_err(|error| lie(&error.to_string()))?;
        let identity =
            Identity::of(&info).ok_or_else(|| lie("a certificate without identity or issuer"))?;
        let own = key.public_key_der().map_err(|_| KeylessError::Crypto)?;
        if info.public_key != own {
            return Err(lie("a certificate for another key"));
        }
        Ok(Self { key, certificate, identity, services, http })
    }

    /// Who signs, as the certificate says; believed only once a bundle was
    /// checked.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Signs a statement or bytes: the bundle, JSON. Every service is asked at the same
    /// time. When a log gives no answer, a new signature is made for the next
    /// attempt: the entry for the old one may be there all the same, and is taken
    /// only once.
    ///
    /// # Errors
    /// [`KeylessError`].
    pub async fn sign(&self, what: What<'_>) -> Result<Vec<u8>> {
        let (started, mut pauses) = (Instant::now(), http::PAUSES.iter());
        loop {
            let result = self.attempt(what).await;
            let again = matches!(result, Err(KeylessError::Down { service: Service::Log, .. }));
            match pauses.next() {
                Some(pause) if again && started.elapsed() < self.http.deadline() => {
                    tokio::time::sleep(*pause).await;
                }
                _ => return result,
            }
        }
    }

    async fn attempt(&self, what: What<'_>) -> Result<Vec<u8>> {
        let message = match what {
            What::Statement(payload) => Cow::Owned(bundle::message(payload)),
            What::Bytes(bytes) => Cow::Borrowed(bytes),
        };
        let signature = self.key.sign(&message).map_err(|_| KeylessError::Crypto)?;
        let envelope = match what {
            What::Statement(payload) => Some(assemble::envelope(payload, signature.as_bytes())),
            What::Bytes(_) => None,
        };
        let digest = Digest::of(&message);
        let signed = Signed { envelope: envelope.as_ref(), digest: &digest, signature: &signature };
        let entries = try_join_all(self.services.logs.iter().map(|log| self.log(log, signed)));
        let stamps = self.services.timestamps.iter();
        let stamps = try_join_all(stamps.map(|url| stamp(&self.http, url, signature.as_bytes())));
        let (entries, stamps) = futures::try_join!(entries, stamps)?;
        let by = By::Certificate(&self.certificate);
        let bundle = match envelope {
            Some(envelope) => assemble::assemble(envelope, by, entries, stamps),
            None => assemble::assemble_message(&digest, signature.as_bytes(), by, entries, stamps),
        };
        bundle.map_err(|_| KeylessError::Crypto)
    }

    async fn log(&self, log: &Log, signed: Signed<'_>) -> Result<TransparencyLogEntry> {
        match log.version {
            LogVersion::V1 => self.log_v1(&log.url, signed).await,
            LogVersion::V2 => self.log_v2(&log.url, signed).await,
        }
    }

    async fn log_v1(&self, url: &Url, signed: Signed<'_>) -> Result<TransparencyLogEntry> {
        const PATH: &str = "/api/v1/log/entries";
        let lie = |why: String| KeylessError::answer(Service::Log, url, &why);
        let (kind, answer) = match signed.envelope {
            Some(envelope) => {
                let request = DsseEntry::new(envelope, &self.certificate)
                    .map_err(|_| KeylessError::Crypto)?;
                (KindVersion::DsseV001, self.post(Service::Log, url, PATH, &request).await?)
            }
            None => {
                let request =
                    HashedRekord::new(&signed.hash(), signed.signature, &self.certificate);
                (KindVersion::HashedRekordV001, self.post(Service::Log, url, PATH, &request).await?)
            }
        };
        let entries: HashMap<String, LogEntry> =
            serde_json::from_slice(&answer).map_err(|error| lie(error.to_string()))?;
        let entry = entries.into_values().next().ok_or_else(|| lie("no entry".into()))?;
        entry.to_bundle_entry(kind).map_err(|error| lie(error.to_string()))
    }

    async fn log_v2(&self, url: &Url, signed: Signed<'_>) -> Result<TransparencyLogEntry> {
        let request = HashedRekordV2::new_with_certificate(
            &signed.hash(),
            signed.signature,
            &self.certificate,
            RekorV2KeyDetails::PkixEcdsaP256Sha256,
        );
        let answer = self.post(Service::Log, url, "/api/v2/log/entries", &request).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| KeylessError::answer(Service::Log, url, &error.to_string()))
    }

    async fn post(
        &self,
        service: Service,
        url: &Url,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<Bytes> {
        let body = serde_json::to_vec(body).map_err(|_| KeylessError::Crypto)?;
        self.http.post(service, &below(url, path), http::JSON, body.into()).await
    }
}

/// What is to be signed.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// An in-toto statement, in an envelope (DSSE).
    Statement(&'a [u8]),
    /// Any bytes, as they are.
    Bytes(&'a [u8]),
}

/// What is being signed: the envelope of a statement, and in any case the digest
/// that the signature is over.
#[derive(Clone, Copy)]
struct Signed<'a> {
    envelope: Option<&'a DsseEnvelope>,
    digest: &'a Digest,
    signature: &'a SignatureBytes,
}

impl Signed<'_> {
    fn hash(&self) -> Sha256Hash {
        Sha256Hash::new(*self.digest.as_bytes())
    }
}

/// Someone who says when a signature was there.
#[derive(Clone)]
pub struct TimestampAuthority {
    http: Http,
    url: Url,
}

impl TimestampAuthority {
    /// The authority at a URL.
    pub fn new(http: Http, url: Url) -> Self {
        Self { http, url }
    }

    /// A timestamp over a signature: the response, DER.
    ///
    /// # Errors
    /// [`KeylessError`]; among them a response that does not answer.
    pub async fn stamp(&self, signature: &[u8]) -> Result<Vec<u8>> {
        stamp(&self.http, &self.url, signature).await
    }
}

async fn stamp(http: &Http, url: &Url, signature: &[u8]) -> Result<Vec<u8>> {
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| KeylessError::Crypto)?;
    let query = Query::new(signature, random);
    let (service, body) = (Service::Timestamp, query.to_der().into());
    let answer = http.post(service, url, http::TIMESTAMP_QUERY, body).await?;
    query.check(&answer).map_err(|error| KeylessError::answer(service, url, &error.to_string()))?;
    Ok(answer.to_vec())
}

/// Fulcio's answer (`/api/v2/signingCert`), with the SCT in the certificate or
/// beside it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SigningCertificate {
    #[serde(default)]
    signed_certificate_embedded_sct: Option<Chained>,
    #[serde(default)]
    signed_certificate_detached_sct: Option<Chained>,
}

#[derive(Deserialize)]
struct Chained {
    chain: Chain,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<String>,
}

async fn certificate(
    http: &Http,
    authority: &Url,
    key: &KeyPair,
    token: &Token,
) -> Result<DerCertificate> {
    let body = request(key, token)?;
    let url = below(authority, "/api/v2/signingCert");
    let answer = http
        .post(Service::Authority, &url, http::JSON, Bytes::from_owner(body))
        .await
        .map_err(|error| error.without(token))?;
    // What a parser says could quote the token, sent back.
    let lie = |why: &str| KeylessError::answer(Service::Authority, authority, why);
    let answer: SigningCertificate =
        serde_json::from_slice(&answer).map_err(|_| lie("it is no answer with a certificate"))?;
    let SigningCertificate {
        signed_certificate_embedded_sct: embedded,
        signed_certificate_detached_sct: detached,
    } = answer;
    let chain = embedded.or(detached).map(|found| found.chain.certificates).unwrap_or_default();
    let first = chain.first().ok_or_else(|| lie("no certificate"))?;
    DerCertificate::from_pem(first).map_err(|_| lie("its certificate is no PEM"))
}

/// The request, which holds the token, in memory that is overwritten.
fn request(key: &KeyPair, token: &Token) -> Result<Zeroizing<Vec<u8>>> {
    let crypto = |_| KeylessError::Crypto;
    let public = key.public_key_der().map_err(crypto)?.to_pem();
    let proof = key.sign(token.claims().challenge.as_bytes()).map_err(crypto)?;
    let text = |text: &str| serde_json::to_string(text).map_err(|_| KeylessError::Crypto);
    let token = Zeroizing::new(text(token.expose())?);
    let mut body = Zeroizing::new(Vec::with_capacity(token.len() + 2048));
    for part in [
        r#"{"credentials":{"oidcIdentityToken":"#,
        &token,
        r#"},"publicKeyRequest":{"publicKey":{"content":"#,
        &text(&public)?,
        r#"},"proofOfPossession":"#,
        &text(&STANDARD.encode(proof.as_bytes()))?,
        "}}",
    ] {
        body.extend_from_slice(part.as_bytes());
    }
    Ok(body)
}

/// A path of a service below its base URL.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}
