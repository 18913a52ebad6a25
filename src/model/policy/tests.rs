//! Verdicts by key: what counts, what does not, and that no fault helps.

use std::sync::OnceLock;

use serde_json::{Value, json};
use sigstore_crypto::KeyPair;

use super::*;
use crate::model::{
    artifact::{manifest::Annotations, media},
    digest::Digest,
    evidence::{self, Format, Found, Outcome, key::PublicKey},
    statement::{attachment::Legacy, bundle, intoto},
    uris,
};

const REPOSITORY: &str = "https://github.com/acme/shop";

fn revision() -> String {
    format!("main@sha1:{}", "a".repeat(40))
}

fn annotations() -> Annotations {
    Annotations::from([
        (media::SOURCE.to_owned(), REPOSITORY.to_owned()),
        (media::REVISION.to_owned(), revision()),
    ])
}

fn subject() -> Digest {
    Digest::of(b"artifact")
}

/// The key that every statement here is signed with.
fn pair() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| KeyPair::generate_ecdsa_p256().unwrap())
}

fn key() -> PublicKey {
    PublicKey::from_spki(pair().public_key_der().unwrap().as_bytes().to_vec()).unwrap()
}

/// A statement about `about`, signed by the key that is given.
fn signed(about: &Digest, predicate_type: &str, predicate: &Value) -> Finding {
    let payload = intoto::write(about, None, predicate_type, predicate).unwrap();
    let signature = pair().sign(&bundle::message(&payload)).unwrap();
    let fingerprint = key().fingerprint();
    let bytes = bundle::write(&payload, signature.as_bytes(), fingerprint.as_bytes()).unwrap();
    let manifest = Digest::of(&bytes);
    let found = Found { format: Format::Bundle, manifest, bytes, legacy: Legacy::default() };
    evidence::check(about, &vec![key()].into(), &found).finding
}

fn signature() -> Finding {
    signed(&subject(), uris::SIGNATURE, &json!({}))
}

fn provenance(repository: &str, revision: &str) -> Finding {
    let parameters = json!({
        "source": {"repository": repository, "revision": revision},
        "tags": ["1.0.0"], "origin": "git", "dirty": false,
    });
    let commit = crate::model::source::commit_of(revision).unwrap();
    let dependencies = json!([{"uri": "git+https://x", "digest": {"gitCommit": commit}}]);
    foreign(uris::BUILD_TYPE, &parameters, &dependencies)
}

fn foreign(build_type: &str, parameters: &Value, dependencies: &Value) -> Finding {
    let predicate = json!({
        "buildDefinition": {"buildType": build_type, "externalParameters": parameters,
                            "resolvedDependencies": dependencies},
        "runDetails": {"builder": {"id": "https://builder.example"}},
    });
    signed(&subject(), uris::PROVENANCE, &predicate)
}

fn unread() -> Finding {
    Finding::new(Format::Bundle, Digest::of(b"s"), Outcome::Unread("503".into()))
}

fn gap() -> Gap {
    Gap { what: "the referrers".into(), why: "503".into(), cap: None }
}

fn verdict(findings: &[Finding], gaps: &[Gap], provenance: bool) -> &'static str {
    let policy = Policy::by_keys(vec![key()], provenance);
    let (subject, annotations) = (subject(), annotations());
    let context = Context {
        subject: &subject,
        annotations: &annotations,
        tag: None,
        resource: "oci://registry.example/shop",
        now: Timestamp::UNIX_EPOCH,
    };
    let exhibits: Vec<Exhibit> =
        findings.iter().map(|finding| policy.exhibit(context, finding.clone().into())).collect();
    let Decision { verdict, .. } = judge(&policy, context, &exhibits, gaps, Reading::NotRead);
    assert_eq!(verdict.admit().is_some(), matches!(verdict.kind(), Kind::Accepted));
    assert_eq!(verdict.reasons().is_empty(), matches!(verdict.kind(), Kind::Accepted));
    match verdict.kind() {
        Kind::Accepted => "accepted",
        Kind::Rejected(_) => "rejected",
        Kind::Unknown(_) => "unknown",
    }
}

#[test]
fn only_a_signature_is_a_signature() {
    let good = provenance(REPOSITORY, &revision());
    let sbom = signed(&subject(), "https://spdx.dev/Document", &json!({}));
    assert_eq!(verdict(&[], &[], false), "rejected");
    assert_eq!(verdict(&[good.clone(), sbom], &[], false), "rejected");
    assert_eq!(verdict(&[signature()], &[], false), "accepted");
    assert_eq!(verdict(&[signature()], &[], true), "rejected");
    assert_eq!(verdict(&[signature(), good], &[], true), "accepted");
}

#[test]
fn evidence_about_another_digest_is_ignored() {
    let other = signed(&Digest::of(b"other"), uris::SIGNATURE, &json!({}));
    assert!(other.evidence().is_some());
    assert_eq!(verdict(&[other], &[], false), "rejected");
}

#[test]
fn what_could_not_be_read_makes_unknown_and_never_accepted() {
    assert_eq!(verdict(&[], &[gap()], false), "unknown");
    assert_eq!(verdict(&[unread()], &[], false), "unknown");
    assert_eq!(verdict(&[signature(), unread()], &[gap()], false), "accepted");
    assert_eq!(verdict(&[signature(), unread()], &[], true), "unknown");
}

#[test]
fn provenance_that_contradicts_the_annotations_does_not_count() {
    for (repository, revision) in [
        ("https://github.com/acme/other", revision()),
        (REPOSITORY, format!("main@sha1:{}", "b".repeat(40))),
        (REPOSITORY, format!("other@sha1:{}", "a".repeat(40))),
    ] {
        let bad = provenance(repository, &revision);
        assert_eq!(
            standing(&Exhibit::recognised(bad.clone()), &annotations()).0,
            Standing::Mismatch
        );
        assert_eq!(verdict(&[signature(), bad.clone()], &[], true), "rejected");
        let good = provenance(REPOSITORY, &super::tests::revision());
        assert_eq!(verdict(&[signature(), bad, good], &[], true), "accepted", "monotone");
    }
}

#[test]
fn provenance_of_other_builders_must_name_the_commit() {
    let depends = |digest: Value| json!([{"uri": "git+https://x", "digest": digest}]);
    let build = "https://actions.github.io/buildtypes/workflow/v1";
    let commit = "a".repeat(40);
    for (dependencies, wanted) in [
        (depends(json!({"gitCommit": commit})), "accepted"),
        (depends(json!({"sha1": commit})), "accepted"),
        (depends(json!({"gitCommit": "b".repeat(40)})), "rejected"),
        (json!([]), "rejected"),
    ] {
        let found = foreign(build, &json!({}), &dependencies);
        assert_eq!(verdict(&[signature(), found], &[], true), wanted, "{dependencies}");
    }
    let parameters = json!({
        "source": {"repository": REPOSITORY, "revision": revision()},
        "tags": [], "origin": "git", "dirty": false,
    });
    let other =
        foreign(uris::BUILD_TYPE, &parameters, &depends(json!({"gitCommit": "b".repeat(40)})));
    assert_eq!(verdict(&[signature(), other], &[], true), "rejected", "the commit is compared too");
    let ours = foreign(uris::BUILD_TYPE, &json!({}), &depends(json!({"gitCommit": commit})));
    assert_eq!(verdict(&[signature(), ours], &[], true), "rejected");
}
