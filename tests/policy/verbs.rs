//! `policy check`, `policy init` and `policy test`.

use super::*;

fn good() -> String {
    policy(&obligation(&format!("statement: provenance\n{BY_A}\ntag: match")), "")
}

#[test]
fn check_says_what_a_policy_demands() {
    let shop = Shop::empty();
    shop.write("good.yaml", &good());
    let run = shop.run(&["policy", "check", "good.yaml"]).code(0);
    assert!(run.out.contains("valid  good.yaml"), "{}", run.out);
    let sentence =
        "- o: there is a provenance that agrees with the manifest, signed by `key:sha256:";
    assert!(run.out.contains(sentence), "{}", run.out);
    assert!(run.out.contains("the tag that is asked for is one that it moved."), "{}", run.out);
    assert_eq!(run.err, "");
    let view = shop.run(&["policy", "check", "good.yaml", "-o", "json"]).code(0).json();
    keeps_to("policy-check", &view);
    assert_eq!(view["policies"][0]["name"], "p");
}

#[test]
fn check_warns_where_a_tag_is_bound_to_nothing() {
    let shop = Shop::empty();
    shop.write("loose.yaml", &good().replace("\n      tag: match", ""));
    let run = shop.run(&["policy", "check", "loose.yaml"]).code(0);
    assert!(run.err.contains("policy-tag") && run.err.contains("tag: match"), "{}", run.err);
    shop.run(&["policy", "check", "loose.yaml", "--strict"]).code(2);
}

#[test]
fn check_reports_every_problem_of_every_file() {
    let shop = Shop::empty();
    shop.write("p/good.yaml", &good().replace("a.pub", "../a.pub"));
    shop.write("p/bad.yaml", &good().replace("tag: match", "tga: match\n      treshold: 2"));
    let check = ["policy", "check", "p/good.yaml", "p/bad.yaml"];
    let run = shop.run(&check).code(2);
    for part in ["p/bad.yaml:9:7", "did you mean `tag`?", "did you mean `threshold`?"] {
        assert!(run.err.contains(part), "{part}: {}", run.err);
    }
    assert!(run.out.contains("valid  p/good.yaml") && run.out.contains("invalid  p/bad.yaml"));
    let json = shop.run(&[&check[..], &["-o", "json"]].concat()).code(2).json();
    keeps_to("policy-check", &json);
    assert_eq!(json["valid"], false);
    let github = shop.run(&[&check[..], &["-o", "github"]].concat()).code(2);
    assert!(github.out.starts_with("::error file=p/bad.yaml,line="), "{}", github.out);
    let sarif = shop.run(&[&check[..], &["-o", "sarif"]].concat()).code(2).json();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "policy-key", "{sarif}");
    for rule in sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap() {
        assert!(rule["helpUri"].as_str().unwrap().contains("docs/policy.md#policy-"), "{rule}");
        assert_ne!(rule["shortDescription"]["text"], rule["id"], "it says what it means");
    }
}

#[test]
fn init_writes_a_policy_that_accepts_what_it_was_made_for() {
    let shop = Shop::published();
    let kind = "https://in-toto.io/attestation/test-result/v0.1";
    shop.attest(kind, &json!({"result": "PASSED", "configuration": []}), "b");
    shop.attest("https://spdx.dev/Document", &json!({}), "b");
    let init = ["policy", "init", "--from", ARTIFACT, "--key", "a.pub", "--key", "b.pub"];
    let run = shop.run(&init).code(0);
    for part in [
        "statement: signature",
        "builder: https://sluicegate.dev/builders/local/v1",
        "buildType: https://sluicegate.dev/buildtypes/config-bundle/v1",
        "repository: https://git.example/acme/shop",
        "- refs/heads/main",
        "path: config",
        "lock: pinned",
        "tag: match",
        "statement: test-result",
        "statement: https://spdx.dev/Document",
        "# REVIEW",
    ] {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    shop.write("first.yaml", &run.out);
    shop.run(&["policy", "check", "first.yaml"]).code(0);
    shop.run(&["verify", ARTIFACT, "--policy", "first.yaml"]).code(0);
    let view = shop.run(&[&init[..], &["-o", "json"]].concat()).code(0).json();
    keeps_to("policy-init", &view);
    assert_eq!((&view["accepted"], &view["policy"]), (&json!(true), &json!(run.out)));
    // Another build of the same is turned away where it differs.
    shop.write("config/shop.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n");
    shop.git(&["checkout", "--quiet", "-b", "feature"]);
    shop.git(&["commit", "--quiet", "--all", "--message=n"]);
    let other = "oci-layout:registry:2.0.0";
    shop.run(&["publish", "config", other, "--key", "a.key"]).code(0);
    let run = shop.run(&["verify", other, "--policy", "first.yaml"]).code(1);
    assert!(run.out.contains("wrong-source"), "{}", run.out);
}

#[test]
fn init_needs_somebody_who_signed() {
    let shop = Shop::published();
    let run = shop.run(&["policy", "init", "--from", ARTIFACT, "--key", "c.pub"]).code(2);
    assert!(run.err.contains("is signed by anybody who was given"), "{}", run.err);
    shop.run(&["policy", "init", "--from", "oci-layout:registry:9", "--key", "a.pub"]).code(3);
}

#[test]
fn test_compares_with_what_was_expected() {
    let shop = Shop::published();
    shop.write("good.yaml", &good());
    shop.write("bad.yaml", &good().replace("a.pub", "b.pub").replace("name: p", "name: q"));
    let run = shop.run(&["policy", "test", "good.yaml", "--against", ARTIFACT]).code(0);
    assert!(run.out.starts_with("ok      accepted  p  oci-layout:registry:1.0.0\n"), "{}", run.out);
    let run = shop.run(&["policy", "test", "bad.yaml", "--against", ARTIFACT]).code(1);
    assert!(
        run.out.contains("expected accepted") && run.out.contains("no-provenance: o:"),
        "{}",
        run.out
    );
    let missing = "oci-layout:registry:9";
    shop.run(&["policy", "test", "good.yaml", "--against", missing]).code(3);
    let both = ["policy", "test", "good.yaml", "bad.yaml"];
    // What is wrong outweighs what is not known.
    let all = [&both[..], &["--against", ARTIFACT, "--against", missing]].concat();
    let view = shop.run(&[&all[..], &["-o", "json"]].concat()).code(1).json();
    keeps_to("policy-test", &view);
    assert_eq!(view["results"].as_array().unwrap().len(), 4);
    let entry = |reference: &str, verdict: &str, more: &str| {
        format!("- {{reference: '{reference}', verdict: {verdict}{more}}}\n")
    };
    let expect = |text: &str| {
        shop.write("expect.yaml", text);
        shop.run(&[&both[..], &["--expect", "expect.yaml"]].concat())
    };
    let fits = [
        entry(ARTIFACT, "accepted", ", policy: p"),
        entry(ARTIFACT, "rejected", ", policy: q, reasons: [no-provenance]"),
        entry(missing, "unknown", ", reasons: [not-found]"),
    ]
    .concat();
    expect(&fits).code(0);
    expect(&fits.replace("no-provenance", "wrong-tag")).code(1);
    expect(&fits.replace("accepted", "rejected")).code(1);
    expect(&fits.replace("policy: q", "policy: r")).code(2);
    expect(&fits.replace("reasons", "reason")).code(2);
    expect("x").code(2);
    let run = expect(&fits.replace("unknown", "accepted").replace(", reasons: [not-found]", ""));
    run.code(3);
}
