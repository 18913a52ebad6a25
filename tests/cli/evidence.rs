//! `verify --export` and `--evidence`: a decision that is made again from a file.

use std::fs;

use serde_json::Value;

use super::{ARTIFACT, Shop};

/// A policy that names the key of the shop.
fn policy(shop: &Shop) -> String {
    let pem = fs::read_to_string(shop.path("a.pub")).unwrap();
    let pem: String = pem.lines().map(|line| format!("              {line}\n")).collect();
    let text = format!(
        "apiVersion: sluicegate.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: shop}}\nspec:\n  \
         require:\n    - name: signed\n      statement: signature\n      signers:\n        - key:\n            \
         pem: |\n{pem}"
    );
    shop.write("policy.yaml", &text);
    sluicegate::model::digest::Digest::of(text.as_bytes()).to_string()
}

/// A published shop, its decision exported, its registry gone.
fn exported() -> (Shop, String) {
    let shop = Shop::published();
    let digest = policy(&shop);
    let export = ["verify", ARTIFACT, "--policy", "policy.yaml", "--export", "shop.evidence"];
    shop.run(&export).ok();
    let file = fs::read(shop.path("shop.evidence")).unwrap();
    super::keeps_to("evidence", &serde_json::from_slice(&file).unwrap());
    fs::remove_dir_all(shop.path("registry")).unwrap();
    (shop, digest)
}

fn replay(shop: &Shop, more: &[&str]) -> super::Run {
    shop.run(&[&["verify", "--evidence", "shop.evidence"], more].concat())
}

#[test]
fn a_decision_is_made_again_without_the_registry() {
    let (shop, digest) = exported();
    for by in [
        &["--policy", "policy.yaml"][..],
        &["--policy-digest", &digest],
        &["--key", "a.pub"],
        &["--key", "a.pub", "--require-provenance"],
    ] {
        let run = replay(&shop, by).ok();
        assert!(run.out.starts_with("accepted"), "{by:?}: {}", run.out);
        assert!(run.out.contains("as the file claims"), "{by:?}: {}", run.out);
        let view = replay(&shop, &[by, &["-o", "json"]].concat()).ok().json();
        assert_eq!(view["replay"]["verified"], true, "{view:#}");
        assert_eq!(view["replay"]["claimed"], "accepted", "{view:#}");
    }
    let run = replay(&shop, &["--key", "b.pub"]);
    assert_eq!(run.code, 1, "{}", run.out);
    assert!(run.err.contains("the file says that it was accepted"), "{}", run.err);
}

#[test]
fn a_file_alone_proves_nothing() {
    let (shop, _) = exported();
    let run = replay(&shop, &[]);
    assert_eq!(run.code, 2, "{}", run.out);
    assert!(run.err.contains("--policy-digest"), "{}", run.err);
    let run = replay(&shop, &["--self-contained"]).ok();
    assert!(run.out.starts_with("replayed, not verified: accepted"), "{}", run.out);
    let other = format!("sha256:{}", "0".repeat(64));
    // Nothing is accepted and then not looked at.
    for flags in [&["--self-contained"][..], &["--policy-digest", &other]] {
        for more in [&["--require-provenance"][..], &["--certificate-oidc-issuer", "https://i"]] {
            let run = replay(&shop, &[flags, more].concat());
            assert_eq!(run.code, 2, "{}", run.out);
            assert!(run.err.contains("cannot be used with"), "{flags:?} {more:?}: {}", run.err);
        }
    }
    for flag in ["--policy-digest", "--trusted-root-digest"] {
        let with = [flag, &other];
        let key: &[&str] = if flag == "--policy-digest" { &[] } else { &["--key", "a.pub"] };
        assert_eq!(replay(&shop, &[&with[..], key].concat()).code, 2, "{flag}");
    }
}

#[test]
fn one_bundle_is_verified_as_other_clients_do() {
    let shop = Shop::published();
    shop.write("bundle.json", "{}");
    let verify = ["verify-bundle", "--bundle", "bundle.json", "config/shop.yaml"];
    let by =
        ["--certificate-identity", "jane@example.com", "--certificate-oidc-issuer", "https://i"];
    for flags in [&by[..], &[&by[..], &["--staging"]].concat(), &["--key", "a.pub"]] {
        let run = shop.run(&[&verify[..], flags].concat());
        assert!([1, 2].contains(&run.code), "{flags:?}: {}", run.err);
        assert!(!(run.out + &run.err).is_empty(), "{flags:?} says nothing");
    }
    let root = shop.run(&[&verify[..], &by, &["--trusted-root", "bundle.json"]].concat());
    assert_eq!(root.code, 2, "{}", root.err);
}

#[test]
fn a_changed_file_is_refused_and_none_is_written_over() {
    let (shop, _) = exported();
    let text = fs::read_to_string(shop.path("shop.evidence")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    for digest in file["blobs"].as_object().unwrap().keys() {
        let mut changed = file.clone();
        changed["blobs"][digest] = "AAAA".into();
        shop.write("shop.evidence", &changed.to_string());
        let run = replay(&shop, &["--policy", "policy.yaml"]);
        assert_eq!(run.code, 2, "{digest}: {}", run.out);
        assert!(run.err.contains(digest), "{}", run.err);
        // Without a statement nothing is accepted that was not before.
        changed["blobs"].as_object_mut().unwrap().remove(digest);
        shop.write("shop.evidence", &changed.to_string());
        assert!([0, 2, 3].contains(&replay(&shop, &["--policy", "policy.yaml"]).code), "{digest}");
    }
    for (field, value, part) in [
        ("reference", format!("{ARTIFACT}@sha256:{}", "a".repeat(64)), "its reference about"),
        ("decidedAt", "2990-01-01T00:00:00Z".into(), "yet to come"),
    ] {
        let mut changed = file.clone();
        changed[field] = value.into();
        shop.write("shop.evidence", &changed.to_string());
        let run = replay(&shop, &["--policy", "policy.yaml"]);
        assert_eq!(run.code, 2, "{field}: {}", run.out);
        assert!(run.err.contains(part), "{}", run.err);
    }
    // Named twice it is still one statement, and what was not read is still unknown.
    let mut doubled = file.clone();
    let manifests = doubled["manifests"].as_array_mut().unwrap();
    manifests.extend(manifests.clone());
    shop.write("shop.evidence", &doubled.to_string());
    let view = replay(&shop, &["--policy", "policy.yaml", "-o", "json"]).ok().json();
    assert_eq!(view["evidence"].as_array().unwrap().len(), 3, "{view:#}");
    let mut unread = file.clone();
    unread["manifests"] = Value::Array(Vec::new());
    unread["gaps"] = serde_json::json!([{"what": "a statement", "why": "it was not there"}]);
    shop.write("shop.evidence", &unread.to_string());
    assert_eq!(replay(&shop, &["--policy", "policy.yaml"]).code, 3);
    let mut empty = file.clone();
    empty["manifests"] = Value::Array(Vec::new());
    shop.write("shop.evidence", &empty.to_string());
    assert_eq!(replay(&shop, &["--policy", "policy.yaml"]).code, 1);
    let again = shop.run(&["verify", ARTIFACT, "--key", "a.pub", "--export", "shop.evidence"]);
    assert_eq!(again.code, 2, "{}", again.err);
    assert!(again.err.contains("`shop.evidence` exists"), "{}", again.err);
}

/// What the registry kept back when it was decided is unknown in the file too,
/// and not absent.
#[test]
fn what_could_not_be_read_stays_unread() {
    let shop = Shop::published();
    policy(&shop);
    // Every statement is in the index; none can be read.
    let artifact = shop.digests().0;
    let index = fs::read_to_string(shop.path("registry/index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    for entry in index["manifests"].as_array().unwrap() {
        let digest = entry["digest"].as_str().unwrap();
        if digest != artifact {
            let blob = shop.path("registry/blobs/sha256").join(&digest["sha256:".len()..]);
            let _ = fs::remove_file(blob);
        }
    }
    let live = shop.run(&["verify", ARTIFACT, "--policy", "policy.yaml", "--export", "e"]);
    let again = shop.run(&["verify", "--evidence", "e", "--policy", "policy.yaml"]);
    assert_eq!((live.code, again.code), (3, 3), "{}\n{}", live.out, again.out);
}

/// A verdict about bytes below the manifest is in no file.
#[test]
fn what_a_file_cannot_show_is_not_exported() {
    let shop = Shop::published();
    policy(&shop);
    let layer = shop.digests().1;
    shop.change(&layer);
    let run = shop.run(&["verify", ARTIFACT, "--policy", "policy.yaml", "--export", "e"]);
    assert_eq!(run.code, 2, "{}", run.out);
    assert!(run.err.contains("it is rejected, for bytes that"), "{}", run.err);
    assert!(!shop.path("e").exists());
}

/// The reference in the file is judged as the one that was asked for: what
/// another tag was published as does not count.
#[test]
fn the_name_in_the_file_is_judged() {
    let shop = Shop::published();
    policy(&shop);
    let text = fs::read_to_string(shop.path("policy.yaml")).unwrap();
    let signers = &text[text.find("      signers:").unwrap()..];
    let built = format!(
        "{text}    - name: built\n      statement: provenance\n      tag: match\n{signers}"
    );
    shop.write("policy.yaml", &built);
    let export = ["verify", ARTIFACT, "--policy", "policy.yaml", "--export", "shop.evidence"];
    shop.run(&export).ok();
    replay(&shop, &["--policy", "policy.yaml"]).ok();
    let file = fs::read_to_string(shop.path("shop.evidence")).unwrap();
    shop.write("shop.evidence", &file.replace(ARTIFACT, "oci-layout:registry:2.0.0"));
    let view = replay(&shop, &["--policy", "policy.yaml", "-o", "json"]);
    assert_eq!(view.code, 1, "{}", view.out);
    assert_eq!(view.json()["reasons"][0]["code"], "wrong-tag");
}
