//! Sigstore bundles: a signed statement with what is needed to verify it.
//!
//! Written: version 0.3, a DSSE envelope with one signature and the hint of a
//! public key (interop §3.4). Read: version 0.3 from a registry; the parsing is
//! the `sigstore-types` crate's. Older versions are refused here, because the
//! media type is not signed and they demand less.

use base64::{Engine, engine::general_purpose::STANDARD};
use sigstore_types::{
    Bundle, DsseEnvelope, DsseSignature, KeyId, MediaType, PayloadBytes, PublicKeyIdentifier,
    SignatureBytes, SignatureContent, VerificationMaterial, bundle::VerificationMaterialContent,
};

use super::{attachment::Legacy, json, legacy};
use crate::model::artifact::media;

/// What is read of a bundle or an envelope: an unverified signature over an
/// unverified payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The payload: an in-toto statement, hopefully.
    pub payload: Vec<u8>,
    /// The bytes that the signature is over: the payload in DSSE's
    /// pre-authentication encoding.
    pub message: Vec<u8>,
    /// The signature, ASN.1 DER for ECDSA.
    pub signature: Vec<u8>,
    /// How the signer presents itself.
    pub material: Material,
}

/// How the signer of a bundle presents itself; nothing here is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// By the hint of a public key that the verifier must already have.
    Key {
        /// The hint as written; empty when absent.
        hint: String,
    },
    /// By a certificate.
    Certificate,
}

/// The message that is signed for a statement's bytes.
pub fn message(payload: &[u8]) -> Vec<u8> {
    sigstore_types::pae(media::IN_TOTO, payload)
}

/// The hint that cosign writes for a key: the SHA-256 of its PKIX DER, base64.
pub fn hint(fingerprint: &[u8; 32]) -> String {
    STANDARD.encode(fingerprint)
}

/// A bundle of `payload` and the signature over its [`message`].
///
/// # Errors
/// Only when serialising fails, which it does not for these types.
pub fn write(
    payload: &[u8],
    signature: &[u8],
    fingerprint: &[u8; 32],
) -> Result<Vec<u8>, BundleError> {
    let envelope = DsseEnvelope::new(
        media::IN_TOTO,
        PayloadBytes::from_bytes(payload),
        DsseSignature::new(SignatureBytes::from_bytes(signature), KeyId::default()),
    );
    let key = VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(hint(fingerprint)));
    let bundle = Bundle::new(
        MediaType::Bundle0_3,
        VerificationMaterial::new(key),
        SignatureContent::DsseEnvelope(envelope),
    );
    Ok(bundle.to_json()?.into_bytes())
}

/// Reads a bundle.
///
/// # Errors
/// [`BundleError`] when it is no bundle of version 0.3 with a DSSE envelope.
pub fn read(bytes: &[u8]) -> Result<(Signed, Option<Bundle>), BundleError> {
    let bundle = parse(bytes)?;
    if bundle.media_type != MediaType::Bundle0_3 {
        return Err(BundleError::Shape("its version is older than 0.3"));
    }
    let material = match &bundle.verification_material.content {
        VerificationMaterialContent::PublicKey(key) => Material::Key { hint: key.hint.clone() },
        VerificationMaterialContent::Certificate(_) => Material::Certificate,
        _ => {
            return Err(BundleError::Shape(
                "it holds a certificate chain, which version 0.3 does not allow",
            ));
        }
    };
    let signed = match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => signed(envelope.clone(), material)?,
        _ => return Err(BundleError::Shape("it holds a message signature, not a DSSE envelope")),
    };
    Ok((signed, Some(bundle)))
}

/// Parses a bundle of any version; what is in it is not looked at. One with a
/// duplicate key, which two readers may read differently, is refused.
///
/// # Errors
/// [`BundleError`] when it is no bundle.
pub fn parse(bytes: &[u8]) -> Result<Bundle, BundleError> {
    let text = std::str::from_utf8(bytes).map_err(|_| BundleError::Shape("it is not UTF-8"))?;
    json::check(bytes)?;
    Ok(Bundle::from_json(text)?)
}

/// Reads a bare DSSE envelope, as cosign 2 stores attestations, and makes the
/// bundle that it would be of what stands beside it.
///
/// What stands beside an envelope without a certificate tells the time at most:
/// when it cannot be read, it tells nothing.
///
/// # Errors
/// As [`read`].
pub fn read_envelope(
    bytes: &[u8],
    legacy: &Legacy,
) -> Result<(Signed, Option<Bundle>), BundleError> {
    let bundle = match legacy::of_envelope(bytes, legacy) {
        Err(_) if legacy.certificate.is_none() => legacy::of_envelope(bytes, &Legacy::default()),
        bundle => bundle,
    }?;
    let material = match legacy.certificate {
        Some(_) => Material::Certificate,
        None => Material::Key { hint: String::new() },
    };
    let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
        return Err(BundleError::Shape("it is no DSSE envelope"));
    };
    Ok((signed(envelope.clone(), material)?, Some(bundle)))
}

fn signed(envelope: DsseEnvelope, material: Material) -> Result<Signed, BundleError> {
    if envelope.payload_type != media::IN_TOTO {
        return Err(BundleError::Shape("its payload type is not `application/vnd.in-toto+json`"));
    }
    let message = envelope.pae();
    Ok(Signed {
        payload: envelope.payload.into_bytes(),
        message,
        signature: envelope.signature.sig.into_bytes(),
        material,
    })
}

/// Bytes that are no bundle this program reads.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The `sigstore-types` crate refuses it.
    #[error("not a Sigstore bundle: {0}")]
    Sigstore(#[from] sigstore_types::Error),
    /// Not JSON of that shape.
    #[error("not a bundle, envelope or log entry: {0}")]
    Json(#[from] serde_json::Error),
    /// A bundle of another kind.
    #[error("not a bundle that counts: {0}")]
    Shape(&'static str),
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let bytes = write(b"{}", b"sig", &[7; 32]).unwrap();
        let (signed, _) = read(&bytes).unwrap();
        assert_eq!(signed.payload, b"{}");
        assert_eq!(signed.signature, b"sig");
        assert_eq!(signed.message, b"DSSEv1 28 application/vnd.in-toto+json 2 {}");
        assert_eq!(signed.material, Material::Key { hint: hint(&[7; 32]) });
    }

    #[test]
    fn refuses_older_versions_message_signatures_and_other_payload_types() {
        let text = String::from_utf8(write(b"{}", b"sig", &[7; 32]).unwrap()).unwrap();
        for (from, to) in [
            ("bundle.v0.3+json", "bundle+json;version=0.1"),
            ("bundle.v0.3+json", "bundle+json;version=0.2"),
            ("vnd.in-toto+json", "vnd.other+json"),
            (r#""signatures":[{"sig":"c2ln"}]"#, r#""signatures":[]"#),
            (r#""signatures":[{"sig":"c2ln"}]"#, r#""signatures":[{"sig":"c2ln"},{"sig":"c2ln"}]"#),
            ("verificationMaterial", "other"),
        ] {
            assert!(text.contains(from), "{from} not in {text}");
            assert!(read(text.replace(from, to).as_bytes()).is_err(), "{from} → {to}");
        }
    }
}
