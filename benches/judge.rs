//! Judging alone: `cargo bench --bench judge`.
//!
//! Ten statements about one artifact are there already; each is parsed, its
//! signature checked, and how it stands for a policy of three obligations kept;
//! then the verdict is given. Nothing is read or asked. The target is 2 ms.
#![allow(clippy::expect_used, reason = "a benchmark has nobody to report to")]

use std::sync::LazyLock;

use divan::{Bencher, black_box};
use jiff::Timestamp;
use serde_json::{Value, json};
use sluicegate::model::{
    artifact::manifest::Annotations,
    digest::Digest,
    evidence::{self, Format, Found, key::PublicKey, root::TrustRoot},
    policy::{
        Demand, Exhibit, Kind, Obligation, Policy, Reading, StatementDemand, judge,
        rule::{
            Context, Rule,
            provenance::{Provenance, Source},
            test_result::TestResult,
        },
        signers::{Matcher, SignerEntry, Who},
    },
    statement::{attachment::Legacy, intoto},
    uris,
};

/// The small Sigstore of the tests.
#[allow(dead_code, missing_docs, clippy::unwrap_used, reason = "test code")]
#[path = "../tests/support/sigstore/mod.rs"]
mod sigstore;

use sigstore::{By, Plan, Sigstore, authority::Key, log};

const SOURCE: &str = "https://github.com/acme/shop";
const BUILDER: &str = "https://github.com/actions/runner/github-hosted";
const WORKFLOW: &str = "https://actions.github.io/buildtypes/workflow/v1";
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
const SBOM: &str = "https://spdx.dev/Document";

fn main() {
    divan::main();
}

/// The artifact.
static SUBJECT: LazyLock<Digest> = LazyLock::new(|| Digest::of(b"the artifact"));
/// Who vouches for identities.
static INSTANCE: LazyLock<Sigstore> = LazyLock::new(Sigstore::new);
/// Somebody's key.
static KEY: LazyLock<Key> = LazyLock::new(Key::new);

/// A signature, a provenance, a test result, and seven SBOMs of 16 KB.
fn payloads() -> Vec<Vec<u8>> {
    let commit = "a".repeat(40);
    let provenance = json!({
        "buildDefinition": {
            "buildType": WORKFLOW,
            "externalParameters": {"workflow": {
                "ref": "refs/heads/main", "repository": SOURCE,
                "path": ".github/workflows/release.yml",
            }},
            "resolvedDependencies": [{
                "uri": format!("git+{SOURCE}@refs/heads/main"), "digest": {"gitCommit": commit},
            }],
        },
        "runDetails": {"builder": {"id": BUILDER}},
    });
    let packages = |n: usize| {
        (0..100).map(|at| json!({
        "SPDXID": format!("SPDXRef-Package-{n}-{at}"), "name": format!("package-{at}"),
        "versionInfo": format!("1.{n}.{at}"), "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
    })).collect::<Vec<_>>()
    };
    let mut all = vec![
        (uris::SIGNATURE, json!({})),
        ("https://slsa.dev/provenance/v1", provenance),
        (TEST_RESULT, json!({"result": "PASSED", "configuration": [{"name": "ci"}]})),
    ];
    all.extend((0..7).map(|n| (SBOM, json!({"packages": packages(n)}))));
    let write = |(kind, predicate): (&str, Value)| {
        intoto::write(&SUBJECT, None, kind, &predicate).expect("statement")
    };
    all.into_iter().map(write).collect()
}

/// The statements as a registry holds them.
fn statements(by: &By<'_>) -> Vec<Found> {
    let plan = match by {
        By::Identity => Plan::of(log::Kind::HashedRekord2),
        By::Key(_) => Plan::of(log::Kind::HashedRekord1),
    };
    let found = |payload: Vec<u8>| {
        let mut bundle = INSTANCE.bundle(&plan, by, &payload);
        if matches!(by, By::Key(_)) {
            let material = bundle["verificationMaterial"].as_object_mut().expect("an object");
            material.remove("tlogEntries");
            material.remove("timestampVerificationData");
        }
        let bytes = bundle.to_string().into_bytes();
        let manifest = Digest::of(&bytes);
        Found { format: Format::Bundle, manifest, bytes, legacy: Legacy::default() }
    };
    payloads().into_iter().map(found).collect()
}

/// Signature, provenance and test result by one signer.
fn policy(who: &Who) -> Policy {
    let source = Source { repository: Some(SOURCE.into()), ..Source::default() };
    let provenance =
        Provenance { builder: Some(BUILDER.into()), source: Some(source), ..Provenance::default() };
    let obligation = |(name, rule): (&str, Rule)| Obligation {
        name: name.into(),
        demand: Demand::Statement(Box::new(StatementDemand {
            rule,
            signers: vec![SignerEntry::always(who.clone())],
            threshold: 1,
            max_age: None,
            conditions: Vec::new(),
        })),
    };
    let rules = [
        ("signed", Rule::Signature),
        ("built", Rule::Provenance(Box::new(provenance))),
        ("tested", Rule::TestResult(TestResult { configurations: vec!["ci".into()] })),
    ];
    let root = TrustRoot::parse(INSTANCE.trusted_root().to_string().as_bytes()).expect("root");
    Policy { name: None, require: rules.map(obligation).into(), root: Some(root) }
}

fn judged(policy: &Policy, statements: &[Found]) -> bool {
    let annotations = Annotations::new();
    let now: Timestamp = sigstore::noon();
    let resource = "oci://registry.example/shop";
    let context =
        Context { subject: &SUBJECT, annotations: &annotations, tag: None, resource, now };
    let trust = policy.trust();
    let exhibits: Vec<Exhibit> = statements
        .iter()
        .map(|found| policy.exhibit(context, evidence::check(&SUBJECT, &trust, found)))
        .collect();
    let decision = judge(policy, context, &exhibits, &[], Reading::NotRead);
    matches!(decision.verdict.kind(), Kind::Accepted)
}

/// Ten statements by a key.
#[divan::bench(sample_count = 100)]
fn ten_statements_by_a_key(bencher: Bencher<'_, '_>) {
    let keys = PublicKey::from_pem(pem(&KEY).as_bytes()).expect("key");
    let (policy, statements) = (policy(&Who::Keys(keys)), statements(&By::Key(&KEY)));
    assert!(judged(&policy, &statements), "they meet the policy");
    bencher.bench(|| judged(black_box(&policy), black_box(&statements)));
}

/// Ten statements by an identity: each with a certificate, an SCT, an entry of a
/// log and a timestamp.
#[divan::bench(sample_count = 100)]
fn ten_statements_by_an_identity(bencher: Bencher<'_, '_>) {
    let who = Who::Identity {
        issuer: Matcher::Exact(sigstore::ISSUER.into()),
        subject: Matcher::Exact(sigstore::SUBJECT.into()),
    };
    let (policy, statements) = (policy(&who), statements(&By::Identity));
    assert!(judged(&policy, &statements), "they meet the policy");
    bencher.bench(|| judged(black_box(&policy), black_box(&statements)));
}

fn pem(key: &Key) -> String {
    pem::encode(&pem::Pem::new("PUBLIC KEY", key.spki()))
}
