//! Assembling a bundle from what was made for it: the statement or the digest of
//! a file, its signature, and what the services of Sigstore gave for that.
//!
//! Version 0.3, whoever signed: a certificate alone and no chain, or the hint of
//! a key.

use sigstore_types::{
    Bundle, CertificateContent, DerCertificate, DigestBytes, DsseEnvelope, DsseSignature,
    HashAlgorithm, KeyId, MediaType, MessageDigest, MessageSignature, PayloadBytes,
    PublicKeyIdentifier, Rfc3161Timestamp, SignatureBytes, SignatureContent, TimestampToken,
    TimestampVerificationData, TransparencyLogEntry, VerificationMaterial,
    bundle::VerificationMaterialContent,
};

use super::bundle::{self, BundleError};
use crate::model::{artifact::media, digest::Digest};

/// How the signer presents itself.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// By the fingerprint of a key.
    Key(&'a [u8; 32]),
    /// By a certificate.
    Certificate(&'a DerCertificate),
}

/// The envelope of a statement and the signature over its
/// [`message`](bundle::message).
pub fn envelope(payload: &[u8], signature: &[u8]) -> DsseEnvelope {
    DsseEnvelope::new(
        media::IN_TOTO,
        PayloadBytes::from_bytes(payload),
        DsseSignature::new(SignatureBytes::from_bytes(signature), KeyId::default()),
    )
}

/// The bundle of a statement, JSON.
///
/// # Errors
/// Only when serialising fails, which it does not for these types.
pub fn assemble(
    envelope: DsseEnvelope,
    by: By<'_>,
    entries: Vec<TransparencyLogEntry>,
    timestamps: Vec<Vec<u8>>,
) -> Result<Vec<u8>, BundleError> {
    bundle(SignatureContent::DsseEnvelope(envelope), by, entries, timestamps)
}

/// The bundle of a signature over bytes with this digest, JSON.
///
/// # Errors
/// As [`assemble`].
pub fn assemble_message(
    digest: &Digest,
    signature: &[u8],
    by: By<'_>,
    entries: Vec<TransparencyLogEntry>,
    timestamps: Vec<Vec<u8>>,
) -> Result<Vec<u8>, BundleError> {
    let digest = DigestBytes::new(digest.as_bytes().to_vec());
    let message = MessageSignature::new(SignatureBytes::from_bytes(signature))
        .with_message_digest(MessageDigest::new(HashAlgorithm::Sha2256, digest));
    bundle(SignatureContent::MessageSignature(message), by, entries, timestamps)
}

fn bundle(
    signed: SignatureContent,
    by: By<'_>,
    entries: Vec<TransparencyLogEntry>,
    timestamps: Vec<Vec<u8>>,
) -> Result<Vec<u8>, BundleError> {
    let content = match by {
        By::Key(fingerprint) => VerificationMaterialContent::PublicKey(PublicKeyIdentifier::new(
            bundle::hint(fingerprint),
        )),
        By::Certificate(certificate) => {
            VerificationMaterialContent::Certificate(CertificateContent::new(certificate.clone()))
        }
    };
    let mut material = VerificationMaterial::new(content).with_tlog_entries(entries);
    if !timestamps.is_empty() {
        let stamp = |der: Vec<u8>| Rfc3161Timestamp::new(TimestampToken::new(der));
        let stamps = timestamps.into_iter().map(stamp).collect();
        material =
            material.with_timestamp_verification_data(TimestampVerificationData::new(stamps));
    }
    Ok(Bundle::new(MediaType::Bundle0_3, material, signed).to_json()?.into_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn without_anything_else_it_is_what_a_key_alone_makes() {
        let made = assemble(envelope(b"{}", b"sig"), By::Key(&[7; 32]), vec![], vec![]).unwrap();
        assert_eq!(made, bundle::write(b"{}", b"sig", &[7; 32]).unwrap());
    }

    #[test]
    fn timestamps_are_kept() {
        let by = By::Key(&[7; 32]);
        let made = assemble(envelope(b"{}", b"sig"), by, vec![], vec![b"stamp".to_vec()]).unwrap();
        let (_, read) = bundle::read(&made).unwrap();
        let stamps = read.unwrap().verification_material.timestamp_verification_data;
        assert_eq!(stamps.rfc3161_timestamps.len(), 1);
    }
}
