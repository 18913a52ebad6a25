//! What cosign 2 stores, as the bundle that it would be (interop §3.3).
//!
//! cosign 2 keeps a signature's certificate, its entry in Rekor v1 and its
//! timestamp in the annotations of a layer. [`of_signature`] and [`of_envelope`]
//! put them together as a bundle of version 0.1, which demands the log's signed
//! promise, so that one piece of code verifies both. Versions before 0.3 come
//! from a registry in no other way.
//!
//! Entries of kind hashedrekord 0.0.1, dsse 0.0.1 and intoto 0.0.2 are read;
//! intoto 0.0.1, which cosign wrote before 2.0, is not, nor rekord.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore_types::Bundle;
use x509_cert::{Certificate, der::Decode};

use super::{attachment::Legacy, bundle::BundleError, json};

/// The most certificates of a chain: nobody has more.
const MAX_CHAIN: usize = 8;
/// With a log's promise, but without its proof.
const PROMISED: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";
/// A chain of certificates without any log.
const UNLOGGED: &str = "application/vnd.dev.sigstore.bundle+json;version=0.2";

/// The bundle that a signature over `payload` would be.
///
/// # Errors
/// [`BundleError`] when what stands beside it is no signature, certificate, log
/// entry or timestamp.
pub fn of_signature(payload: &[u8], legacy: &Legacy) -> Result<Bundle, BundleError> {
    let content = json!({
        "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(Sha256::digest(payload))},
        "signature": legacy.signature.as_deref().unwrap_or_default(),
    });
    bundle("messageSignature", content, legacy)
}

/// The bundle that a bare DSSE envelope would be.
///
/// # Errors
/// As [`of_signature`].
pub fn of_envelope(envelope: &[u8], legacy: &Legacy) -> Result<Bundle, BundleError> {
    bundle("dsseEnvelope", json::parse(envelope)?, legacy)
}

fn bundle(kind: &str, content: Value, legacy: &Legacy) -> Result<Bundle, BundleError> {
    let signer = match &legacy.certificate {
        None => ("publicKey", json!({"hint": ""})),
        Some(leaf) => {
            let chain = chain(leaf, legacy.chain.as_deref().unwrap_or_default())?;
            ("x509CertificateChain", json!({"certificates": chain}))
        }
    };
    let entries: Vec<Value> =
        legacy.bundle.as_deref().map(entry).transpose()?.into_iter().collect();
    let stamps: Vec<Value> =
        legacy.timestamp.as_deref().map(timestamp).transpose()?.into_iter().collect();
    let bundle = json!({
        "mediaType": if entries.is_empty() { UNLOGGED } else { PROMISED },
        "verificationMaterial": {
            (signer.0): signer.1,
            "tlogEntries": entries,
            "timestampVerificationData": {"rfc3161Timestamps": stamps},
        },
        (kind): content,
    });
    Ok(Bundle::from_json(&bundle.to_string())?)
}

/// The certificate and those between it and the root; the root itself is nobody's
/// business to send.
fn chain(leaf: &str, others: &str) -> Result<Vec<Value>, BundleError> {
    const SHAPE: BundleError = BundleError::Shape("its certificates are not PEM");
    let mut blocks = pem::parse_many(leaf).map_err(|_| SHAPE)?;
    if blocks.len() != 1 {
        return Err(BundleError::Shape("it has no certificate, or more than one"));
    }
    blocks.extend(pem::parse_many(others).map_err(|_| SHAPE)?);
    if blocks.len() > MAX_CHAIN {
        return Err(BundleError::Shape("it has a chain of more than 8 certificates"));
    }
    let mut chain = Vec::new();
    for block in blocks {
        if block.tag() != "CERTIFICATE" {
            return Err(SHAPE);
        }
        let parsed = Certificate::from_der(block.contents()).map_err(|_| SHAPE)?;
        let itself = parsed.tbs_certificate.subject == parsed.tbs_certificate.issuer;
        if chain.is_empty() || !itself {
            chain.push(json!({"rawBytes": STANDARD.encode(block.contents())}));
        }
    }
    Ok(chain)
}

/// The entry in Rekor v1.
fn entry(text: &str) -> Result<Value, BundleError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entry {
        signed_entry_timestamp: String,
        payload: Payload,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload {
        body: String,
        integrated_time: i64,
        log_index: i64,
        #[serde(rename = "logID")]
        log_id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        kind: String,
        api_version: String,
    }
    let Entry { signed_entry_timestamp, payload } =
        serde_json::from_value(json::parse(text.as_bytes())?)?;
    let body = STANDARD
        .decode(&payload.body)
        .map_err(|_| BundleError::Shape("the body of its log entry is not base64"))?;
    let Body { kind, api_version } = serde_json::from_value(json::parse(&body)?)?;
    let log_id = hex::decode(&payload.log_id)
        .map_err(|_| BundleError::Shape("the log of its log entry is not hexadecimal"))?;
    Ok(json!({
        "logIndex": payload.log_index.to_string(),
        "logId": {"keyId": STANDARD.encode(log_id)},
        "kindVersion": {"kind": kind, "version": api_version},
        "integratedTime": payload.integrated_time.to_string(),
        "inclusionPromise": {"signedEntryTimestamp": signed_entry_timestamp},
        "canonicalizedBody": payload.body,
    }))
}

/// The RFC 3161 timestamp.
fn timestamp(text: &str) -> Result<Value, BundleError> {
    #[derive(Deserialize)]
    struct Stamp {
        #[serde(rename = "SignedRFC3161Timestamp")]
        signed: String,
    }
    let stamp: Stamp = serde_json::from_value(json::parse(text.as_bytes())?)?;
    Ok(json!({"signedTimestamp": stamp.signed}))
}
