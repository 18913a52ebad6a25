//! Exit codes. Whoever runs `verify && deploy` must never see 0 for anything
//! but acceptance.

use serde_json::Value;

use super::{ARTIFACT, Shop, help::VERBS, tag_of};
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
            let said = run.err.strip_prefix("verifying …\n").unwrap_or(&run.err);
            assert!(said.starts_with("error: "), "{verb:?}: {}", run.err);
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

/// What is wrong with the command line, with a file on this machine or with a
/// directory that should be a layout is for the user to mend: 2. What is not
/// there or does not answer may be otherwise next time: 3. Whatever the verb,
/// one error is said, and with `-o json` it is a document too.
#[test]
fn typical_mistakes_of_each_verb() {
    let shop = Shop::published();
    shop.write("full/x", "x");
    shop.write("file", "x");
    shop.write("no.json", "{");
    shop.write("p.json", "{}");
    shop.write("torn/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    shop.write("torn/index.json", "{\"manifests\":[");
    shop.write("later/oci-layout", "{\"imageLayoutVersion\":\"9.0.0\"}");
    shop.write("marked/oci-layout", "not JSON");
    std::fs::create_dir(shop.path("empty")).unwrap();
    let key = "--key a.key --lock off";
    let attest = "--type https://x.example/t --predicate";
    let (absent, digest) = (format!("@sha256:{}", "a".repeat(64)), "@sha256:12");
    let mut table: Vec<(i32, String)> = Vec::new();
    let mut row = |code: i32, line: String| table.push((code, line));
    // Nothing and nonsense.
    for line in [
        "",
        "publsh",
        "--nope",
        "verify",
        "publish",
        "pull",
        "sign",
        "attest",
        "diff",
        "inspect",
        "check",
        "man",
        "completions",
        "completions nosuchshell",
        "verify --nope",
        "keygen extra",
        "check config -o nosuchformat",
        "keygen -o sarif",
        "inspect x -o github",
    ] {
        row(2, line.into());
    }
    // keygen, check, man.
    for line in [
        "keygen --output-key-prefix a",
        "keygen --output-key-prefix nowhere/k",
        "keygen --output-key-prefix file/k",
        "check nowhere",
        "check empty",
        "check -",
        "check config --name x",
        "check config --max-file many",
        "man nowhere",
        "man file",
    ] {
        row(2, line.into());
    }
    // References, wherever one is expected.
    for wrong in [
        "h.example/r:1",
        "http://h.example/r:1",
        "docker://h.example/r",
        "oci:/h.example/r",
        "oci:h.example/r",
        "oci-layout:",
        "oci://",
        "oci://h.example",
        "oci://h.example/Shop:1",
        "oci://h.example/r:1+2",
        "oci://h.example/r:a/b",
        "oci://u@h.example/r",
        &format!("oci://h.example/r:{}", "x".repeat(129)),
        &format!("oci://h.example/r{digest}"),
    ] {
        row(2, format!("verify {wrong} --key a.pub"));
        row(2, format!("inspect {wrong}"));
        row(2, format!("pull {wrong} out --key a.pub"));
        row(2, format!("publish config {wrong} {key}"));
        row(2, format!("sign {wrong} --key a.key"));
        row(2, format!("attest {wrong} {attest} p.json --key b.key"));
    }
    for line in [
        "diff http://h.example/r:1 config",
        "diff config oci:/h.example/r",
        "diff nowhere config",
        "diff empty config",
    ] {
        row(2, line.into());
    }
    // Directories that are no layout, and what is missing in one that is.
    for (code, reference) in [
        (2, "oci-layout:full:1"),
        (2, "oci-layout:torn:1"),
        (2, "oci-layout:later:1"),
        (2, "oci-layout:marked:1"),
        (2, "oci-layout:file:1"),
        (3, "oci-layout:nowhere:1"),
        (3, "oci-layout:empty:1"),
        (3, "oci-layout:registry:9"),
        (3, &format!("oci-layout:registry{absent}")),
    ] {
        row(code, format!("verify {reference} --key a.pub"));
        row(code, format!("inspect {reference}"));
        row(code, format!("diff {reference} config"));
        row(code, format!("pull {reference} out --key a.pub"));
        row(code, format!("sign {reference} --key a.key"));
        row(code, format!("attest {reference} {attest} p.json --key b.key"));
        if code == 2 {
            row(code, format!("publish config {reference} {key}"));
        }
    }
    // Keys.
    for wrong in
        ["nope", "config", "file", "a.key", "env://UNSET", "awskms://alias/x", "-----BEGIN"]
    {
        for verb in ["verify", "inspect"] {
            row(2, format!("{verb} {ARTIFACT} --key {wrong}"));
        }
        row(2, format!("pull {ARTIFACT} out --key {wrong}"));
        let wrong = if wrong == "a.key" { "a.pub" } else { wrong };
        row(2, format!("publish config {ARTIFACT} --lock off --key {wrong}"));
        row(2, format!("sign {ARTIFACT} --key {wrong}"));
        row(2, format!("attest {ARTIFACT} {attest} p.json --key {wrong}"));
    }
    // publish.
    for flags in [
        "--tag a/b",
        "--annotation nonsense",
        "--lock maybe",
        "--mirror nonsense",
        "--source https://x.example/y",
        "--timeout soon",
        "--timeout 0",
        "--key a.key",
        "--keep-tag=perhaps",
        "--client-cert file",
        "--ca-file nope",
        "--ca-file file",
        "--registry-username u",
        "--max-manifest -1",
    ] {
        row(2, format!("publish config oci-layout:other:1 {key} {flags}"));
    }
    for line in [
        "publish nowhere oci-layout:other:1",
        "publish empty oci-layout:other:1",
        "publish config oci-layout:other",
        "publish config oci-layout:no/parent:1",
    ] {
        row(2, format!("{line} {key}"));
    }
    // pull, attest, diff.
    for line in [
        format!("pull {ARTIFACT} full --key a.pub"),
        format!("pull {ARTIFACT} file --key a.pub"),
        format!("pull {ARTIFACT} no/parent --key a.pub"),
        format!("pull {ARTIFACT} out"),
        format!("pull {ARTIFACT} out --key a.pub --unsafe-skip-verification"),
        format!("attest {ARTIFACT} {attest} nope.json --key b.key"),
        format!("attest {ARTIFACT} {attest} no.json --key b.key"),
        format!("attest {ARTIFACT} {attest} config --key b.key"),
        format!("attest {ARTIFACT} {attest} p.json --key a.key"),
        format!("attest {ARTIFACT} --type nonsense --predicate p.json --key b.key"),
        format!("sign {ARTIFACT} --key a.key --key a.key"),
    ] {
        row(2, line);
    }
    // Accepted things stay 0, so that a table of only failures cannot be right
    // by accident.
    row(0, format!("verify {ARTIFACT} --key a.pub"));
    row(0, format!("inspect {ARTIFACT}"));
    row(1, format!("verify {ARTIFACT} --key b.pub"));
    row(1, format!("pull {ARTIFACT} out --key b.pub"));
    let faults: Vec<String> =
        table.iter().filter_map(|(code, line)| fault(&shop, *code, line)).collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), table.len(), faults.join("\n"));
    assert!(!shop.path("out").exists() && !shop.path("other").exists());
    assert_eq!(shop.run(&VERIFY).code, 0, "a mistake changed the artifact");
}

/// What is wrong with how a command line is answered.
fn fault(shop: &Shop, code: i32, line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let run = shop.run(&words);
    let fault =
        |what: &str| Some(format!("`{line}`: {what}: {}: {}{}", run.code, run.out, run.err));
    if run.code != code {
        return fault(&format!("not {code}"));
    }
    if run.err.contains("panicked") || run.err.contains("internal error") {
        return fault("a defect");
    }
    if code < 2 {
        return None;
    }
    let helps = ["hint: ", "expected", "Usage:", "possible values"];
    if !helps.iter().any(|help| run.err.contains(help)) {
        return fault("says nothing of what to do");
    }
    let said = run.err.lines().filter(|line| line.starts_with("error")).count();
    if said != 1 && !line.is_empty() || run.out.contains("accepted") {
        return fault("not one error");
    }
    if words.contains(&"-o") {
        return None;
    }
    let json = shop.run(&[&words[..], &["-o", "json"]].concat());
    let view: Value = serde_json::from_str(&json.out).unwrap_or_default();
    let verb = words.first().copied().filter(|word| VERBS.contains(word));
    match view["schema"].as_str() {
        _ if json.code != code => fault("another code with `-o json`"),
        Some("sluicegate.dev/error/v1") if view["exitCode"] != code => fault("another exitCode"),
        Some("sluicegate.dev/error/v1") if view["verb"].as_str() != verb => fault("another verb"),
        Some(schema) if schema.starts_with("sluicegate.dev/") => None,
        _ => fault(&format!("no document: {}", json.out)),
    }
}

#[test]
fn entries_are_kept_by_tag() {
    let shop = Shop::published();
    shop.keep_entries(|entry| tag_of(entry).is_none_or(|tag| tag == "1.0.0"));
    assert_eq!(shop.run(&VERIFY).code, 0, "the bundle alone suffices");
}
