//! Each binding of a statement is broken in turn.

use serde_json::{Value, json};
use sigstore_crypto::KeyPair;

use super::{identity::SignerId, *};
use crate::model::statement::intoto;

struct Signer {
    pair: KeyPair,
    public: PublicKey,
}

fn signer_new() -> Signer {
    let pair = KeyPair::generate_ecdsa_p256().unwrap();
    let public = PublicKey::from_spki(pair.public_key_der().unwrap().as_bytes().to_vec()).unwrap();
    Signer { pair, public }
}

impl Signer {
    fn bundle(&self, payload: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&bundle::message(payload)).unwrap();
        bundle::write(payload, signature.as_bytes(), self.public.fingerprint().as_bytes()).unwrap()
    }
}

fn found(format: Format, bytes: Vec<u8>) -> Found {
    Found { format, manifest: Digest::of(&bytes), bytes, legacy: Legacy::default() }
}

fn signature_payload(digest: &Digest) -> Vec<u8> {
    intoto::write(digest, None, uris::SIGNATURE, &json!({})).unwrap()
}

/// Checks by keys alone.
fn check(subject: &Digest, keys: &[PublicKey], found: &Found) -> Finding {
    super::check(subject, &keys.to_vec().into(), found).finding
}

#[test]
fn a_signature_by_a_given_key_about_the_digest_is_evidence() {
    let (signer, digest) = (signer_new(), Digest::of(b"artifact"));
    let found = found(Format::Bundle, signer.bundle(&signature_payload(&digest)));
    let fingerprint = signer.public.fingerprint();
    let finding = check(&digest, &[signer_new().public, signer.public], &found);
    let evidence = finding.evidence().expect("verified");
    assert_eq!(*evidence.claim(), Claim::Signature);
    assert_eq!(evidence.signer().id(), SignerId::Key(fingerprint));
    assert_eq!(*evidence.subject(), digest);
}

#[test]
fn another_key_is_untrusted_and_another_digest_invalid() {
    let (signer, digest) = (signer_new(), Digest::of(b"artifact"));
    let found = found(Format::Bundle, signer.bundle(&signature_payload(&digest)));
    let other = check(&digest, &[signer_new().public], &found);
    assert!(matches!(other.outcome, Outcome::Untrusted(_)), "{other:?}");
    let none = check(&digest, &[], &found);
    assert!(matches!(none.outcome, Outcome::Untrusted(_)), "{none:?}");
    let elsewhere = check(&Digest::of(b"other"), &[signer.public], &found);
    assert!(matches!(elsewhere.outcome, Outcome::Invalid(_)), "{elsewhere:?}");
}

/// cosign CVE-2022-36056: payload, signature and key are tied to each other.
#[test]
fn cve_2022_36056_each_binding_broken_in_turn() {
    let (signer, digest) = (signer_new(), Digest::of(b"artifact"));
    let payload = signature_payload(&digest);
    let good: Value = serde_json::from_slice(&signer.bundle(&payload)).unwrap();
    let other_payload = signature_payload(&Digest::of(b"other"));
    let other_signature = signer.pair.sign(&bundle::message(&other_payload)).unwrap();
    for (pointer, value) in [
        ("/dsseEnvelope/payload", STANDARD.encode(&other_payload)),
        ("/dsseEnvelope/signatures/0/sig", other_signature.to_base64()),
        ("/dsseEnvelope/signatures/0/sig", String::new()),
        ("/dsseEnvelope/payloadType", "application/json".into()),
    ] {
        let mut mutant = good.clone();
        *mutant.pointer_mut(pointer).unwrap() = value.into();
        let bytes = serde_json::to_vec(&mutant).unwrap();
        let finding =
            check(&digest, std::slice::from_ref(&signer.public), &found(Format::Bundle, bytes));
        assert!(finding.evidence().is_none(), "{pointer}: {finding:?}");
    }
}

/// A statement of another type is evidence, but no signature.
#[test]
fn cve_2022_35929_another_type_is_not_a_signature() {
    let (signer, digest) = (signer_new(), Digest::of(b"artifact"));
    let sbom = intoto::write(&digest, None, "https://spdx.dev/Document", &json!({})).unwrap();
    let finding = check(
        &digest,
        std::slice::from_ref(&signer.public),
        &found(Format::Bundle, signer.bundle(&sbom)),
    );
    let claim = finding.evidence().unwrap().claim().clone();
    assert!(matches!(claim, Claim::Other { .. }), "{claim:?}");
    let bad = intoto::write(&digest, None, uris::PROVENANCE, &json!({"x": 1})).unwrap();
    let finding = check(
        &digest,
        std::slice::from_ref(&signer.public),
        &found(Format::Bundle, signer.bundle(&bad)),
    );
    assert!(matches!(finding.outcome, Outcome::Invalid(_)), "{finding:?}");
}

#[test]
fn legacy_signatures_are_read_and_bound() {
    let (signer, digest) = (signer_new(), Digest::of(b"artifact"));
    let payload = simple_signing::write(&digest, "registry.example/shop");
    let sign = |bytes: &[u8]| Some(signer.pair.sign(bytes).unwrap().to_base64());
    let legacy = |bytes: &[u8], signature| Found {
        format: Format::LegacySignature,
        manifest: Digest::of(bytes),
        bytes: bytes.to_vec(),
        legacy: Legacy { signature, ..Legacy::default() },
    };
    let keys = std::slice::from_ref(&signer.public);
    assert!(check(&digest, keys, &legacy(&payload, sign(&payload))).evidence().is_some());
    let other = simple_signing::write(&Digest::of(b"other"), "registry.example/shop");
    for bad in [
        legacy(&other, sign(&other)),
        legacy(&other, sign(&payload)),
        legacy(&payload, sign(&other)),
        legacy(&payload, Some("!".into())),
        legacy(&payload, None),
        legacy(b"{}", sign(b"{}")),
    ] {
        assert!(check(&digest, keys, &bad).evidence().is_none(), "{bad:?}");
    }
}

#[test]
fn legacy_attestations_are_read() {
    let (signer, digest) = (signer_new(), Digest::of(b"artifact"));
    let bundle: Value =
        serde_json::from_slice(&signer.bundle(&signature_payload(&digest))).unwrap();
    let envelope = serde_json::to_vec(bundle.get("dsseEnvelope").unwrap()).unwrap();
    let finding = check(&digest, &[signer.public], &found(Format::LegacyAttestation, envelope));
    assert!(finding.evidence().is_some(), "{finding:?}");
}
