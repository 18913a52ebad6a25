//! kyverno #16815: no field is accepted and ignored. Each is shown to turn a
//! verdict round.

use serde_json::json;

use super::*;

/// Each pair differs in one field; the first is accepted, the second rejected
/// for this reason.
#[test]
fn kyverno_16815_each_field_of_a_provenance_has_an_effect() {
    let shop = Shop::published();
    let builder = "https://sluicegate.dev/builders/local/v1";
    let build_type = "https://sluicegate.dev/buildtypes/config-bundle/v1";
    for (good, bad, code) in [
        (format!("builder: {builder}"), format!("builder: {builder}x"), "wrong-builder"),
        (format!("buildType: {build_type}"), "buildType: https://x.example".into(), "wrong-build-type"),
        (
            format!("source: {{repository: '{SOURCE}.git'}}"),
            format!("source: {{repository: {SOURCE}2}}"),
            "wrong-source",
        ),
        (
            "source: {refs: ['refs/heads/*']}".into(),
            "source: {refs: [refs/heads/main2, 'refs/tags/*']}".into(),
            "wrong-source",
        ),
        ("source: {path: ./config/}".into(), "source: {path: deploy}".into(), "wrong-source"),
        (
            "where: [{expression: \"predicate.buildDefinition.externalParameters.dirty == false\"}]".into(),
            "where: [{expression: \"predicate.buildDefinition.externalParameters.dirty\"}]".into(),
            "condition",
        ),
        (
            "where: [{expression: \"statement.subject.size() == 1 && artifact.tag == '1.0.0'\"}]".into(),
            "where: [{expression: \"true\"}, {expression: \"artifact.tag == '2.0.0'\"}]".into(),
            "condition",
        ),
    ] {
        let of = |line: &str| format!("statement: provenance\n{BY_A}\n{line}");
        let run = shop.one(&of(&good)).code(0);
        assert_eq!(run.json()["obligations"][0]["met"], true, "{good}");
        let view = shop.one(&of(&bad)).code(1).json();
        assert_eq!(view["reasons"][0]["code"], code, "{bad}: {view:#}");
        assert_eq!(view["reasons"][0]["obligation"], "o");
        assert_eq!(view["obligations"][0]["shortfalls"][0]["code"], code);
    }
}

#[test]
fn kyverno_16815_asserted_and_dirty_sources_are_let_through_only_when_said() {
    let shop = Shop::asserted();
    let of = |more: &str| {
        format!("statement: provenance\n{BY_A}\nsource: {{repository: {SOURCE}{more}}}")
    };
    let view = shop.one(&of("")).code(1).json();
    assert_eq!(view["reasons"][0]["code"], "wrong-source");
    assert!(view["reasons"][0]["found"].as_str().unwrap().contains("asserted"));
    shop.one(&of(", allowAsserted: false")).code(1);
    shop.one(&of(", allowAsserted: true")).code(0);

    let shop = Shop::published();
    shop.write("config/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n");
    let dirty =
        ["publish", "config", "oci-layout:registry:2.0.0", "--key", "a.key", "--allow-dirty"];
    shop.run(&dirty).code(0);
    let judge = |more: &str| shop.judge_at("oci-layout:registry:2.0.0", &obligation(&of(more)), "");
    let view = judge("").code(1).json();
    assert!(view["reasons"][0]["found"].as_str().unwrap().contains("differ"), "{view:#}");
    judge(", allowDirty: true").code(0);
}

#[test]
fn kyverno_16815_a_tag_must_be_one_that_was_moved() {
    let shop = Shop::published();
    let built = format!("statement: provenance\n{BY_A}");
    let bound = obligation(&format!("{built}\ntag: match"));
    let digest = shop.one(&built).code(0).json()["digest"].as_str().unwrap().to_owned();
    // Somebody with push rights moves another tag to it.
    let index = shop.path("registry/index.json");
    let text = fs::read_to_string(&index).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let entries = value["manifests"].as_array_mut().unwrap();
    let name = "org.opencontainers.image.ref.name";
    let mut entry =
        entries.iter().find(|entry| entry["annotations"][name] == "1.0.0").unwrap().clone();
    entry["annotations"][name] = json!("production");
    entries.push(entry);
    fs::write(&index, value.to_string()).unwrap();
    shop.judge_at(ARTIFACT, &bound, "").code(0);
    shop.judge_at("oci-layout:registry:production", &obligation(&built), "").code(0);
    let view = shop.judge_at("oci-layout:registry:production", &bound, "").code(1).json();
    assert_eq!(view["reasons"][0]["code"], "wrong-tag");
    let by_digest = format!("oci-layout:registry@{digest}");
    shop.judge_at(&by_digest, &bound, "").code(1);
    shop.judge_at(&format!("oci-layout:registry:1.0.0@{digest}"), &bound, "").code(0);
}

#[test]
fn kyverno_16815_the_lock() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let workload = |image: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n    - \
             {{name: c, image: '{image}'}}\n"
        )
    };
    let of = |level: &str| format!("statement: provenance\n{BY_A}\nlock: {level}");
    let publish = |image: &str, lock: &str| {
        let shop = Shop::empty();
        shop.write("config/pod.yaml", &workload(image));
        shop.init(SOURCE);
        shop.commit();
        shop.run(&["publish", "config", ARTIFACT, "--key", "a.key", "--lock", lock]).code(0);
        shop
    };
    // Nothing is asked of a registry for what is pinned.
    let pinned = publish(&format!("127.0.0.1:1/shop@{digest}"), "resolve");
    let unlocked = publish(&format!("127.0.0.1:1/shop@{digest}"), "off");
    for level in ["required", "pinned"] {
        pinned.one(&of(level)).code(0);
        let view = unlocked.one(&of(level)).code(1).json();
        assert_eq!(view["reasons"][0]["code"], "lock");
    }
    // Whether it still resolves to that, a registry that is down does not say.
    let view = pinned.one(&of("current"));
    assert!(matches!(view.code, 0 | 3), "{view:?}");
    unlocked.one(&of("current")).code(1);
    let loose = publish("127.0.0.1:1/shop:1", "resolve");
    loose.one(&format!("statement: provenance\n{BY_A}")).code(0);
    loose.one(&of("required")).code(1);
    loose.one(&of("pinned")).code(1);
}

#[test]
fn kyverno_16815_each_field_of_a_signer_has_an_effect() {
    let shop = Shop::published();
    let pem = fs::read_to_string(shop.path("a.pub")).unwrap();
    let pem = serde_json::to_string(&pem).unwrap();
    shop.write(
        "two.pub",
        &(fs::read_to_string(shop.path("b.pub")).unwrap()
            + &fs::read_to_string(shop.path("a.pub")).unwrap()),
    );
    let signature = |signers: &str| format!("statement: signature\nsigners: [{signers}]");
    for (signers, code, reason) in [
        ("{key: {file: a.pub}}".to_owned(), 0, ""),
        (format!("{{key: {{pem: {pem}}}}}"), 0, ""),
        ("{key: {file: two.pub}}".into(), 0, ""),
        ("{key: {file: b.pub}}".into(), 1, "no-signature"),
        ("{key: {file: b.pub}}, {key: {file: a.pub}}".into(), 0, ""),
        ("{key: {file: a.pub}, validFrom: 2020-01-01T00:00:00Z}".into(), 0, ""),
        ("{key: {file: a.pub}, validFrom: 2990-01-01T00:00:00Z}".into(), 1, "signer-expired"),
        ("{key: {file: a.pub}, validUntil: 2990-01-01T00:00:00Z}".into(), 0, ""),
        ("{key: {file: a.pub}, validUntil: 2020-01-01T00:00:00Z}".into(), 1, "signer-expired"),
        ("{identity: {issuer: https://i.example, subject: s}}".into(), 1, "no-signature"),
        (
            "{githubActions: {repository: a/b, workflow: a.yml, ref: refs/heads/main}}".into(),
            1,
            "no-signature",
        ),
    ] {
        let run = shop.one(&signature(&signers)).code(code);
        if code == 1 {
            assert_eq!(run.json()["reasons"][0]["code"], reason, "{signers}");
        }
    }
}

#[test]
fn a_threshold_counts_different_signers() {
    let shop = Shop::published();
    let of = |threshold: usize| {
        format!(
            "statement: signature\nsigners: [{{key: {{file: a.pub}}}}, {{key: {{file: b.pub}}}}, \
             {{key: {{file: c.pub}}}}]\nthreshold: {threshold}"
        )
    };
    shop.one(&of(1)).code(0);
    let view = shop.one(&of(2)).code(1).json();
    assert_eq!(view["reasons"][0]["code"], "threshold");
    shop.run(&["sign", ARTIFACT, "--key", "b.key"]).code(0);
    let view = shop.one(&of(2)).code(0).json();
    assert_eq!(view["obligations"][0]["by"].as_array().unwrap().len(), 2, "{view:#}");
    shop.one(&of(3)).code(1);
}

#[test]
fn kyverno_16815_the_age_of_a_statement() {
    let shop = Shop::published();
    let at = |time: &str| json!({"result": "PASSED", "configuration": [{"name": "e2e"}], "timestamp": time});
    let kind = "https://in-toto.io/attestation/test-result/v0.1";
    shop.attest(kind, &at("2020-01-01T00:00:00Z"), "b");
    let of = |age: &str| {
        format!("statement: test-result\nsigners: [{{key: {{file: b.pub}}}}]\nmaxAge: {age}")
    };
    let view = shop.one(&of("1000000h")).code(0).json();
    let by = &view["obligations"][0]["by"][0];
    assert_eq!((&by["made"], &by["madeBy"]), (&json!("2020-01-01T00:00:00Z"), &json!("claimed")));
    let view = shop.one(&of("24h")).code(1).json();
    assert_eq!(view["reasons"][0]["code"], "too-old");
    // What is to come would be young for ever.
    shop.attest(kind, &at("2990-01-01T00:00:00Z"), "b");
    let view = shop.one(&of("24h")).code(1).json();
    assert!(view["reasons"].as_array().unwrap().iter().all(|r| r["code"] == "too-old"), "{view:#}");
    let undated = json!({"result": "PASSED", "configuration": []});
    shop.attest(kind, &undated, "c");
    let view = shop
        .one("statement: test-result\nsigners: [{key: {file: c.pub}}]\nmaxAge: 1000000h")
        .code(1)
        .json();
    assert_eq!(view["reasons"][0]["code"], "too-old", "it does not say when it was made");
}

#[test]
fn kyverno_16815_the_fields_of_a_test_result() {
    let shop = Shop::published();
    let kind = "https://in-toto.io/attestation/test-result/v0.1";
    let of =
        |more: &str| format!("statement: test-result\nsigners: [{{key: {{file: b.pub}}}}]{more}");
    let view = shop.one(&of("")).code(1).json();
    assert_eq!(view["reasons"][0]["code"], "no-statement");
    shop.attest(kind, &json!({"result": "WARNED", "configuration": [{"name": "e2e"}]}), "b");
    shop.one(&of("")).code(1);
    shop.attest(kind, &json!({"result": "PASSED", "configuration": [{"name": "e2e"}]}), "b");
    shop.one(&of("")).code(0);
    shop.one(&of("\nconfigurations: [e2e]")).code(0);
    let view = shop.one(&of("\nconfigurations: [e2e, load]")).code(1).json();
    assert_eq!(view["reasons"][0]["code"], "test-result");
    // A failed one never outweighs it: a registry could withhold that.
    shop.attest(kind, &json!({"result": "FAILED", "failedTests": ["x"], "configuration": []}), "b");
    shop.one(&of("\nconfigurations: [e2e]")).code(0);
}

#[test]
fn kyverno_16815_the_fields_of_a_verification_summary() {
    let shop = Shop::published();
    let summary = json!({
        "verifier": {"id": "https://verifier.example"}, "timeVerified": "2026-01-01T00:00:00Z",
        "resourceUri": "oci://registry.example/shop", "policy": {"uri": "https://policy.example"},
        "verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_2"],
    });
    shop.attest("https://slsa.dev/verification_summary/v1", &summary, "b");
    let fields = [
        ("verifier", "https://verifier.example", "https://other.example"),
        ("resource", "oci://registry.example/shop", "oci://registry.example/other"),
        ("level", "SLSA_BUILD_LEVEL_2", "SLSA_BUILD_LEVEL_3"),
    ];
    let of = |wrong: Option<usize>| {
        let lines = fields.iter().enumerate().map(|(at, (name, good, bad))| {
            format!("\n{name}: {}", if wrong == Some(at) { bad } else { good })
        });
        let lines: String = lines.collect();
        format!("statement: verification-summary\nsigners: [{{key: {{file: b.pub}}}}]{lines}")
    };
    shop.one(&of(None)).code(0);
    for (at, field) in fields.iter().enumerate() {
        let view = shop.one(&of(Some(at))).code(1).json();
        assert_eq!(view["reasons"][0]["code"], "verification-summary", "{field:?}");
    }
    let without = "statement: verification-summary\nsigners: [{key: {file: b.pub}}]\n\
                   verifier: https://verifier.example";
    shop.one(without).code(1); // It is about another reference than the one judged.
}

#[test]
fn an_sbom_is_what_its_conditions_say() {
    let shop = Shop::published();
    let sbom = json!({
        "spdxVersion": "SPDX-2.3",
        "packages": [{"name": "zlib", "licenseConcluded": "Zlib"},
                     {"name": "openssl", "licenseConcluded": "Apache-2.0"}],
    });
    shop.attest("https://spdx.dev/Document", &sbom, "b");
    let of = |expression: &str| {
        format!(
            "statement: https://spdx.dev/Document\nsigners: [{{key: {{file: b.pub}}}}]\nwhere:\n  \
             - expression: \"{expression}\"\n    message: no copyleft"
        )
    };
    let good = "predicate.packages.all(p, !p.licenseConcluded.startsWith('GPL'))";
    shop.one(&of(good)).code(0);
    let bad = "predicate.packages.all(p, p.licenseConcluded == 'Zlib')";
    let view = shop.one(&of(bad)).code(1).json();
    assert_eq!(
        (&view["reasons"][0]["code"], &view["reasons"][0]["wanted"]),
        (&json!("condition"), &json!("no copyleft"))
    );
    // An absent field is no answer, and no answer is not met.
    shop.one(&of("predicate.absent.all(p, true)")).code(1);
    shop.one(&of("predicate.spdxVersion")).code(1);
    // cosign CVE-2022-35929: a statement of another type does not stand in.
    let other = of(good).replace("spdx.dev/Document", "cyclonedx.org/bom");
    let view = shop.one(&other).code(1).json();
    assert_eq!(view["reasons"][0]["code"], "no-statement");
}

#[test]
fn any_and_all_nest() {
    let shop = Shop::published();
    let by = |name: &str, key: &str| {
        format!("{{name: {name}, statement: signature, signers: [{{key: {{file: {key}.pub}}}}]}}")
    };
    let (good, bad) = (by("good", "a"), by("bad", "b"));
    for (lines, code) in [
        (format!("any: [{bad}, {good}]"), 0),
        (format!("any: [{bad}]"), 1),
        (format!("all: [{good}]"), 0),
        (format!("all: [{good}, {bad}]"), 1),
        (format!("any: [{{name: both, all: [{good}, {bad}]}}, {good}]"), 0),
        (format!("all: [{{name: one, any: [{good}, {bad}]}}, {bad}]"), 1),
    ] {
        let view = shop.one(&lines).code(code).json();
        keeps_to("verify", &view);
        if code == 1 {
            assert!(view["reasons"][0]["obligation"].as_str().unwrap().starts_with("o/"));
        }
    }
}

#[test]
fn every_obligation_must_be_met() {
    let shop = Shop::published();
    let (good, bad) = (
        "    - {name: good, statement: signature, signers: [{key: {file: a.pub}}]}\n",
        "    - {name: bad, statement: signature, signers: [{key: {file: b.pub}}]}\n",
    );
    shop.judge(good).code(0);
    let view = shop.judge(&format!("{good}{bad}")).code(1).json();
    assert_eq!(view["obligations"][0]["met"], true);
    assert_eq!(
        (&view["obligations"][1]["met"], &view["reasons"][0]["obligation"]),
        (&json!(false), &json!("bad"))
    );
}

#[test]
fn kyverno_16815_the_trust_root() {
    let shop = Shop::published();
    let identity = obligation(
        "statement: signature\nsigners: [{identity: {issuer: https://i.example, subject: s}}]",
    );
    let view = shop.judge(&identity).code(1).json();
    assert_eq!(view["trustRoot"]["origin"], "embedded");
    assert_eq!(view["trustRoot"]["date"], "2026-10-23");
    shop.write("root.json", sigstore_staging());
    let given = shop.judge_at(ARTIFACT, &identity, "  trustedRoot: {file: root.json}\n").code(1);
    let given = given.json();
    assert_eq!(given["trustRoot"]["origin"], "given");
    assert_ne!(given["trustRoot"]["digest"], view["trustRoot"]["digest"]);
    shop.write("roots/trusted_root.json", sigstore_staging());
    let secret = policy(&identity, "  trustedRoot: {secretRef: {name: sigstore}}\n");
    shop.write("policy.yaml", &secret);
    let verify = ["verify", ARTIFACT, "--policy", "policy.yaml", "-o", "json"];
    let run = shop.run(&verify).code(2);
    assert!(run.err.contains("--secret sigstore=DIR"), "{}", run.err);
    let with = [&verify[..], &["--secret", "sigstore=roots"]].concat();
    assert_eq!(shop.run(&with).code(1).json()["trustRoot"], given["trustRoot"]);
    // The flag outweighs what the file says.
    let with = [&verify[..], &["--trusted-root", "root.json"]].concat();
    assert_eq!(shop.run(&with).code(1).json()["trustRoot"], given["trustRoot"]);
}

fn sigstore_staging() -> &'static str {
    sigstore_trust_root::SIGSTORE_STAGING_TRUSTED_ROOT
}
