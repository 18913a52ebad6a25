//! Exit codes. Whoever runs `verify && deploy` must never see 0 for anything
//! but acceptance.

use super::{ARTIFACT, Shop, tag_of};
use crate::support::registry::{Auth, Config, Registry};

const VERIFY: [&str; 4] = ["verify", ARTIFACT, "--key", "a.pub"];
const PULL: [&str; 5] = ["pull", ARTIFACT, "out", "--key", "a.pub"];

/// `gh attestation verify` exited with 0 when there was no attestation at all:
/// every way to reject is tried, in every format.
#[track_caller]
fn rejected(shop: &Shop, verify: &[&str], code: &str) {
    for format in ["text", "json", "yaml"] {
        let run = shop.run(&[verify, &["-o", format]].concat());
        assert_eq!(run.code, 1, "{format}: {}{}", run.out, run.err);
        assert!(run.out.contains("rejected"), "{format}: {}", run.out);
        assert!(run.out.contains(code), "{format}: {}", run.out);
    }
    assert_eq!(shop.run(&[verify, &["--quiet"]].concat()).code, 1);
}

/// `pull` rejects what `verify` rejects, says why, and leaves nothing.
#[track_caller]
fn not_pulled(shop: &Shop, pull: &[&str], code: &str) {
    let run = shop.run(pull);
    assert_eq!((run.code, run.out.as_str()), (1, ""), "{}", run.err);
    assert!(run.err.contains(code), "{}", run.err);
    assert!(!shop.path("out").exists());
}

#[test]
fn gh_cve_2025_25204_no_statement_at_all_exits_1() {
    let shop = Shop::published();
    shop.forget_statements();
    rejected(&shop, &VERIFY, "no-signature");
    not_pulled(&shop, &PULL, "no-signature");
}

#[test]
fn gh_cve_2025_25204_another_key_exits_1() {
    let shop = Shop::published();
    rejected(&shop, &["verify", ARTIFACT, "--key", "b.pub"], "no-signature");
    not_pulled(&shop, &["pull", ARTIFACT, "out", "--key", "b.pub"], "no-signature");
}

#[test]
fn gh_cve_2025_25204_a_statement_that_is_no_signature_exits_1() {
    let shop = Shop::published();
    shop.forget_statements();
    shop.write("result.json", r#"{"result": "PASSED", "configuration": []}"#);
    let kind = "https://in-toto.io/attestation/test-result/v0.1";
    let attest = ["attest", ARTIFACT, "--predicate", "result.json", "--key", "a.key"];
    shop.run(&[&attest[..], &["--type", kind]].concat()).ok();
    rejected(&shop, &VERIFY, "no-signature");
    not_pulled(&shop, &PULL, "no-signature");
}

#[test]
fn gh_cve_2025_25204_no_provenance_where_it_is_required_exits_1() {
    let shop = Shop::published();
    shop.forget_statements();
    shop.run(&["sign", ARTIFACT, "--key", "a.key"]).ok();
    assert_eq!(shop.run(&VERIFY).code, 0);
    rejected(&shop, &[&VERIFY[..], &["--require-provenance"]].concat(), "provenance");
    not_pulled(&shop, &[&PULL[..], &["--require-provenance"]].concat(), "provenance");
}

#[test]
fn gh_cve_2025_25204_wrong_bytes_exit_1() {
    let shop = Shop::published();
    let (_, layer) = shop.digests();
    shop.change(&layer);
    rejected(&shop, &VERIFY, &layer);
    let pulled = shop.run(&PULL);
    assert_eq!(pulled.code, 1, "{}", pulled.err);
    assert!(!shop.path("out").exists());

    let shop = Shop::published();
    let (manifest, _) = shop.digests();
    shop.change(&manifest);
    rejected(&shop, &VERIFY, &manifest);
    not_pulled(&shop, &PULL, &manifest);
}

#[test]
fn gh_cve_2025_25204_a_signature_of_another_artifact_exits_1() {
    let shop = Shop::published();
    shop.write("config/shop.yaml", &super::MANIFEST.replace("red", "blue"));
    shop.commit();
    let second = ["publish", "config", "oci-layout:registry:2.0.0", "--key", "b.key"];
    shop.run(&[&second[..], &["--lock", "off"]].concat()).ok();
    rejected(&shop, &["verify", "oci-layout:registry:2.0.0", "--key", "a.pub"], "no-signature");
}

#[test]
fn what_cannot_be_known_exits_3() {
    let shop = Shop::published();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("oci://{}/shop:1", listener.local_addr().unwrap())
    };
    let private = Registry::start(Config { auth: Auth::basic("u", "p"), ..Config::default() });
    let private = format!("oci://{}/shop:1", private.host());
    let open = Registry::start(Config::default());
    let missing = format!("{}:1", open.place("shop/config"));
    for reference in
        ["oci-layout:registry:9.9.9", "oci-layout:nowhere:1", &missing, &private, &closed]
    {
        let key = ["--key", "a.pub"];
        let quick: &[&str] =
            if reference.starts_with("oci://") { &["--timeout", "2s"] } else { &[] };
        for verb in [&["verify", reference][..], &["pull", reference, "out"]] {
            let run = shop.run(&[verb, &key, quick].concat());
            assert_eq!(run.code, 3, "{verb:?}: {}{}", run.out, run.err);
            assert!(run.err.starts_with("error: "), "{verb:?}: {}", run.err);
        }
        for verb in [&["inspect", reference][..], &["diff", reference, "config", "--exit-code"]] {
            let run = shop.run(&[verb, quick].concat());
            assert_eq!((run.code, run.out.as_str()), (3, ""), "{verb:?}: {}", run.err);
        }
    }
    assert!(!shop.path("out").exists());
}

/// A statement that cannot be read might have been the signature.
#[test]
fn a_signature_that_cannot_be_read_exits_3() {
    let shop = Shop::published();
    let run = shop.run(&["verify", ARTIFACT, "--key", "b.pub", "--max-statements", "1"]);
    assert_eq!(run.code, 3, "{}{}", run.out, run.err);
    assert!(run.out.contains("unknown"), "{}", run.out);
}

#[test]
fn a_release_tag_that_would_move_exits_2() {
    let shop = Shop::published();
    let (before, _) = shop.digests();
    shop.write("config/shop.yaml", &super::MANIFEST.replace("red", "blue"));
    shop.commit();
    let publish = ["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "off"];
    let run = shop.run(&publish);
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("1.0.0") && run.err.contains("--force-tag"), "{}", run.err);
    assert_eq!(shop.digests().0, before);
    shop.run(&[&publish[..], &["--force-tag"]].concat()).ok();
    assert_ne!(shop.digests().0, before);
}

#[test]
fn difference_is_told_only_when_asked() {
    let shop = Shop::published();
    assert_eq!(shop.run(&["diff", ARTIFACT, "config", "--exit-code"]).code, 0);
    shop.write("config/shop.yaml", &super::MANIFEST.replace("red", "blue"));
    assert_eq!(shop.run(&["diff", ARTIFACT, "config"]).code, 0);
    assert_eq!(shop.run(&["diff", ARTIFACT, "config", "--exit-code"]).code, 1);
}

#[test]
fn entries_are_kept_by_tag() {
    let shop = Shop::published();
    shop.keep_entries(|entry| tag_of(entry).is_none_or(|tag| tag == "1.0.0"));
    assert_eq!(shop.run(&VERIFY).code, 0, "the bundle alone suffices");
}
