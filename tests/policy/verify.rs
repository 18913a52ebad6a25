//! `verify --policy`, `pull --policy`, and the other ways to name whom to trust.

use super::*;
use crate::support::registry::{Config, Registry};

#[test]
fn the_table_says_who_when_and_where() {
    let shop = Shop::published();
    let require = format!(
        "    - {{name: signed, statement: signature, {BY_A}}}\n    - {{name: tested, statement: \
         test-result, {BY_A}}}\n"
    );
    shop.write("policy.yaml", &policy(&require, ""));
    let run = shop.run(&["verify", ARTIFACT, "--policy", "policy.yaml"]).code(1);
    let lines: Vec<&str> = run.out.lines().collect();
    let at = lines.iter().position(|line| *line == "obligations").unwrap();
    assert_eq!(lines[at + 1], "  met      signed  signature");
    assert!(lines[at + 2].starts_with("           by key:sha256:"), "{}", run.out);
    assert!(lines[at + 3].contains("in sha256:"), "{}", run.out);
    assert_eq!(lines[at + 4], "  MISSING  tested  test-result");
    assert!(run.out.contains("hint    attach it with `sluicegate attest`"), "{}", run.out);
    assert!(run.out.contains("  policy    p  sha256:"), "{}", run.out);
}

#[test]
fn json_carries_the_whole_decision() {
    let shop = Shop::published();
    let run = shop.one(&format!("statement: provenance\n{BY_A}\ntag: match")).code(0);
    let view = run.json();
    keeps_to("verify", &view);
    let file = fs::read(shop.path("policy.yaml")).unwrap();
    let digest = sluicegate::model::digest::Digest::of(&file).to_string();
    assert_eq!(view["policy"], json!({"name": "p", "digest": digest}));
    assert_eq!(view["trustRoot"], Value::Null, "nobody was asked");
    assert!(view["decidedAt"].as_str().unwrap().ends_with('Z'));
    let by = &view["obligations"][0]["by"][0];
    let statement = by["statement"].as_str().unwrap();
    let known = |evidence: &Value| evidence["digest"] == statement;
    assert!(view["evidence"].as_array().unwrap().iter().any(known), "{view:#}");
    let by_key = shop.run(&["verify", ARTIFACT, "--key", "a.pub", "-o", "json"]).code(0).json();
    keeps_to("verify", &by_key);
    assert_eq!(by_key["policy"], Value::Null);
    assert_eq!(by_key["obligations"][0]["name"], "signature");
    let missing = ["verify", "oci-layout:registry:9", "--policy", "policy.yaml", "-o", "json"];
    keeps_to("verify", &shop.run(&missing).code(3).json());
}

#[test]
fn exactly_one_way_to_trust() {
    let shop = Shop::published();
    shop.write("policy.yaml", &policy(&obligation(&format!("statement: signature\n{BY_A}")), ""));
    let identity =
        ["--certificate-identity", "s", "--certificate-oidc-issuer", "https://i.example"];
    for (flags, said) in [
        (&[][..], "nobody is named whom to trust"),
        (&["--key", "a.pub", "--policy", "policy.yaml"], "cannot be used with"),
        (&[&["--key", "a.pub"][..], &identity].concat(), "cannot be used with"),
        (&[&["--policy", "policy.yaml"][..], &identity].concat(), "cannot be used with"),
        (&["--certificate-identity", "s"], "--certificate-oidc-issuer"),
        (&["--certificate-oidc-issuer", "s"], "--certificate-identity"),
        (&["--policy", "policy.yaml", "--require-provenance"], "cannot be used with"),
        (&["--policy", "policy.yaml", "--certificate-oidc-issuer", "s"], "cannot be used with"),
        (&["--key", "a.pub", "--certificate-oidc-issuer", "s"], "cannot be used with"),
        (&["--key", "a.pub", "--secret", "a=b"], "--policy"),
        (&["--policy", "policy.yaml", "--secret", "a"], "is not `NAME=DIR`"),
        (&["--policy", "policy.yaml", "--secret", "a=b", "--secret", "a=c"], "given twice"),
        (&["--policy", "none.yaml"], "cannot read the policy `none.yaml`"),
        (&["--policy", "policy.yaml", "--trusted-root", "none"], "cannot read the trust root"),
        (
            &["--policy", "policy.yaml", "--trusted-root", "policy.yaml"],
            "not a Sigstore trusted root",
        ),
    ] {
        for verb in [&["verify", ARTIFACT][..], &["pull", ARTIFACT, "out"]] {
            let run = shop.run(&[verb, flags].concat()).code(2);
            assert!(run.err.contains(said), "{flags:?}: {}", run.err);
        }
    }
    let run = shop.run(&[&["verify", ARTIFACT, "-o", "json"][..], &identity].concat()).code(1);
    assert_eq!(run.json()["trustRoot"]["origin"], "embedded");
    assert_eq!(run.json()["reasons"][0]["code"], "no-signature");
    let key = ["verify", ARTIFACT, "--key", "a.pub"];
    shop.run(&key).code(0);
}

#[test]
fn pull_extracts_only_what_the_policy_accepts() {
    let shop = Shop::published();
    let of = |key: &str| {
        let line = format!("statement: provenance\nsigners: [{{key: {{file: {key}.pub}}}}]");
        policy(&obligation(&line), "")
    };
    shop.write("bad.yaml", &of("b"));
    shop.write("good.yaml", &of("a"));
    let run = shop.run(&["pull", ARTIFACT, "out", "--policy", "bad.yaml"]).code(1);
    assert!(run.err.contains("no-provenance"), "{}", run.err);
    assert!(!shop.path("out").exists());
    shop.run(&["pull", ARTIFACT, "out", "--policy", "good.yaml"]).code(0);
    assert!(shop.path("out/shop.yaml").exists());
}

/// Every problem at once, with line and column, also as JSON.
#[test]
fn a_policy_that_does_not_load_is_shown() {
    let shop = Shop::published();
    shop.write(
        "policies/p.yaml",
        &policy(
            &obligation(
                "statement: signature\nsigner: x\nsigners: [{key: {file: a.pub}}]\nthreshold: 2",
            ),
            "",
        ),
    );
    let verify = ["verify", ARTIFACT, "--policy", "policies/p.yaml"];
    let run = shop.run(&verify).code(2);
    for part in ["policies/p.yaml:8:7", "did you mean `signers`?", "cannot read `policies/a.pub`"] {
        assert!(run.err.contains(part), "{part}: {}", run.err);
    }
    let json = shop.run(&[&verify[..], &["-o", "json"]].concat()).code(2).json();
    keeps_to("error", &json);
    assert_eq!(json["problems"][0]["line"], 8);
    assert_eq!(json["problems"].as_array().unwrap().len(), 3, "{json:#}");
}

#[test]
fn secrets_are_directories() {
    let shop = Shop::published();
    let line = "statement: signature\nsigners: [{key: {secretRef: {name: ci}}}]";
    shop.write("policy.yaml", &policy(&obligation(line), ""));
    let verify = ["verify", ARTIFACT, "--policy", "policy.yaml"];
    let run = shop.run(&verify).code(2);
    assert!(run.err.contains("--secret ci=DIR"), "{}", run.err);
    fs::create_dir(shop.path("ci")).unwrap();
    let with = [&verify[..], &["--secret", "ci=ci"]].concat();
    let run = shop.run(&with).code(2);
    assert!(run.err.contains("holds 0 files `*.pub`"), "{}", run.err);
    for name in ["a.pub", "b.pub"] {
        fs::copy(shop.path(name), shop.path("ci").join(name)).unwrap();
    }
    shop.run(&with).code(0);
}

/// The same over a registry, and unknown when it does not answer.
#[test]
fn a_registry_is_judged_like_a_layout() {
    let registry = Registry::start(Config::default());
    let shop = Shop::empty();
    let reference = format!("oci://{}/shop/config:1.0.0", registry.host());
    let revision = format!("main@sha1:{COMMIT}");
    let publish = ["publish", "config", &reference, "--key", "a.key", "--plain-http"];
    let source = ["--source", SOURCE, "--revision", &revision];
    shop.run(&[&publish[..], &source].concat()).code(0);
    let require = obligation(&format!(
        "statement: provenance\n{BY_A}\ntag: match\nsource: {{repository: {SOURCE}, allowAsserted: \
         true}}"
    ));
    shop.judge_at(&reference, &require, "").code(0);
    let other = require.replace("a.pub", "b.pub");
    shop.judge_at(&reference, &other, "").code(1);
    let view = shop.judge_at(&reference.replace("1.0.0", "2.0.0"), &require, "").code(3).json();
    assert_eq!(view["reasons"][0]["code"], "not-found");
}

/// conforma EC-1993: rules with a time are judged at the time that it is, whoever
/// says it is another.
#[test]
fn conforma_ec_1993_nobody_sets_the_time() {
    let shop = Shop::published();
    let line =
        "statement: signature\nsigners: [{key: {file: a.pub}, validUntil: 2020-01-01T00:00:00Z}]";
    shop.write("policy.yaml", &policy(&obligation(line), ""));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.args(["verify", ARTIFACT, "--policy", "policy.yaml"]);
    let output = shop.set(&mut command).env("SOURCE_DATE_EPOCH", "1500000000").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let help = shop.run(&["verify", "--help"]).code(0).out;
    for flag in ["--time", "--now", "--effective-time", "--at"] {
        let known = help.split_whitespace().any(|word| word == flag);
        assert!(!known, "`{flag}` would set the time");
    }
}

#[test]
fn inspect_tells_who_is_named_and_what_counts() {
    let shop = Shop::published();
    shop.run(&["sign", ARTIFACT, "--key", "b.key"]).code(0);
    let line = format!("statement: provenance\n{BY_A}\nbuilder: https://other.example");
    shop.write("policy.yaml", &policy(&obligation(&line), ""));
    let inspect = ["inspect", ARTIFACT, "--policy", "policy.yaml", "-o", "json"];
    let view = shop.run(&inspect).code(0).json();
    let reason = |kind: &str| {
        let statements = view["statements"].as_array().unwrap();
        let found = statements.iter().find(|s| s["type"].as_str().unwrap().contains(kind));
        found.unwrap()["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert!(reason("provenance").contains("does not count: the builder"), "{view:#}");
    let results: Vec<&str> = view["statements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| statement["result"].as_str().unwrap())
        .collect();
    assert!(results.contains(&"verified") && results.contains(&"untrusted"), "{view:#}");
    shop.run(&[&inspect[..], &["--key", "a.pub"]].concat()).code(2);
}
