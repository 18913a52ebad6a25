//! Statements by identities, by keys with logs and timestamps, and what cosign 2
//! stored: every kind that is valid verifies, every way to break one is rejected
//! and says why. A small Sigstore of our own makes them all; see
//! [`crate::support::sigstore`].
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]
#![allow(clippy::print_stdout, reason = "counts are shown")]

// Every broken kind, named after the advisory.
mod broken;
// Every field of every fixture, changed.
mod mutation;
// One bundle that is a file.
mod file;
// Every valid kind.
mod valid;

use serde_json::{Value, json};
use sluicegate::model::{
    digest::Digest,
    evidence::{self, Evidence, Finding, Format, Found, Outcome, Trust, root::TrustRoot},
    statement::{attachment::Legacy, intoto, simple_signing},
    uris,
};

use crate::support::sigstore::{Broken, By, Plan, Sigstore, found, log::Kind, log::Shown, public};

/// What every statement here is about.
fn subject() -> Digest {
    Digest::of(b"artifact")
}

fn payload() -> Vec<u8> {
    intoto::write(&subject(), None, uris::SIGNATURE, &json!({})).unwrap()
}

fn simple() -> Vec<u8> {
    simple_signing::write(&subject(), "registry.example/shop")
}

fn root(value: &Value) -> TrustRoot {
    TrustRoot::parse(value.to_string().as_bytes()).unwrap()
}

fn trust(sigstore: &Sigstore) -> Trust {
    Trust { keys: Vec::new(), root: Some(root(&sigstore.trusted_root())) }
}

fn bundle(value: &Value) -> Found {
    found(Format::Bundle, value.to_string().into_bytes(), Legacy::default())
}

fn check(trust: &Trust, found: &Found) -> Finding {
    evidence::check(&subject(), trust, found).finding
}

fn verified(trust: &Trust, found: &Found) -> Evidence {
    let finding = check(trust, found);
    match finding.outcome {
        Outcome::Verified(evidence) => *evidence,
        other => panic!("not verified: {other:?}"),
    }
}

/// Why it is not verified.
fn refused(trust: &Trust, found: &Found) -> String {
    match check(trust, found).outcome {
        Outcome::Invalid(why) => format!("invalid: {why}"),
        Outcome::Untrusted(why) => format!("untrusted: {why}"),
        other => panic!("{other:?}"),
    }
}
