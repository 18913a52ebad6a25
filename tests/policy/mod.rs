//! Policies from end to end: every field of a policy file has an effect on the
//! verdict (kyverno #16815), what is printed about it, and the verbs about
//! policies; on layouts and on the registry of [`crate::support`].
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

// No condition keeps a worker busy.
mod expressions;
// Each field of a policy flips a verdict.
mod fields;
// The examples, and the page that is made of the code.
mod pages;
// `policy check`, `init` and `test`.
mod verbs;
// `verify --policy` and `pull --policy`.
mod verify;

use std::{fs, ops::Deref, process::Command};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use sluicegate::edge::signer;

use crate::support::folder::{Folder, Run, keeps_to, root};

const SOURCE: &str = "https://git.example/acme/shop";
const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// The published artifact of a shop.
const ARTIFACT: &str = "oci-layout:registry:1.0.0";
/// A signer entry with the key that published.
const BY_A: &str = "signers: [{key: {file: a.pub}}]";

/// A published artifact on a layout, three key pairs, and room for policies.
struct Shop(Folder);

impl Deref for Shop {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

impl Shop {
    /// Keys, nothing published.
    fn empty() -> Self {
        let shop = Self(Folder::new());
        for name in ["a", "b", "c"] {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
            let pem = pem::Pem::new("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
            shop.write(&format!("{name}.key"), &pem::encode(&pem));
            let file = shop.path(&format!("{name}.key"));
            let key = signer::load(file.to_str().unwrap(), &mut |_| unreachable!()).unwrap().key;
            shop.write(&format!("{name}.pub"), &key.public().to_pem());
        }
        shop.write(
            "config/shop.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop, namespace: shop}\n",
        );
        shop
    }

    /// Published from a git work tree.
    fn published() -> Self {
        let shop = Self::empty();
        shop.init(&format!("{SOURCE}.git"));
        shop.commit();
        shop.run(&["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "resolve"]).code(0);
        shop
    }

    /// Published by flags, without git.
    fn asserted() -> Self {
        let shop = Self::empty();
        let revision = format!("main@sha1:{COMMIT}");
        let from = ["--source", SOURCE, "--revision", &revision];
        shop.run(&[&["publish", "config", ARTIFACT, "--key", "a.key"][..], &from].concat()).code(0);
        shop
    }

    fn attest(&self, kind: &str, predicate: &Value, key: &str) {
        self.write("predicate.json", &predicate.to_string());
        let key = format!("{key}.key");
        let attest = ["attest", ARTIFACT, "--type", kind, "--predicate", "predicate.json"];
        self.run(&[&attest[..], &["--key", &key, "--same-key"]].concat()).code(0);
    }

    /// Writes a policy with these obligations and judges `reference` by it.
    fn judge_at(&self, reference: &str, require: &str, rest: &str) -> Run {
        self.write("policy.yaml", &policy(require, rest));
        self.run(&["verify", reference, "--policy", "policy.yaml", "-o", "json"])
    }

    fn judge(&self, require: &str) -> Run {
        self.judge_at(ARTIFACT, require, "")
    }

    /// A policy of one obligation.
    fn one(&self, lines: &str) -> Run {
        self.judge(&obligation(lines))
    }
}

/// A policy's file.
fn policy(require: &str, rest: &str) -> String {
    format!(
        "apiVersion: sluicegate.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: p}}\nspec:\n  \
         require:\n{require}{rest}"
    )
}

/// An obligation `o` with these lines.
fn obligation(lines: &str) -> String {
    format!("    - name: o\n      {}\n", lines.replace('\n', "\n      "))
}
