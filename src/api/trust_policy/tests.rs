//! What a policy file may say, and every way in which it may not.

use super::*;
use crate::model::{
    bundle::{path::RelPath, problem::Problem},
    evidence::identity::{Claims, Identity, Signer},
    policy::{
        Demand,
        rule::{Rule, provenance::LockDemand},
        signers::Who,
    },
};

const PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMIkQE66r14rkjOjHyX3B6WSg3NZv
JQx0qjTYbPWb7C5WHVH2hqJlStVdBpsKVFBzGdP8YMGtkOqTl2GSC1SK8A==
-----END PUBLIC KEY-----
";

fn pem() -> String {
    use sigstore_crypto::KeyPair;
    let pair = KeyPair::generate_ecdsa_p256().unwrap();
    let der = pair.public_key_der().unwrap().as_bytes().to_vec();
    crate::model::evidence::key::PublicKey::from_spki(der).unwrap().to_pem()
}

fn read_text(text: &str) -> Result<Read, Vec<Problem>> {
    let file = RelPath::new("policy.yaml").unwrap();
    let given = Given { bytes: text.as_bytes(), file: Some(&file), root: None };
    let key = pem();
    read(given, &mut |ask| match ask {
        Ask::KeyFile("ci.pub") => Ok(key.clone().into_bytes()),
        Ask::KeyFile("two.pub") => Ok(format!("{}{}", pem(), pem()).into_bytes()),
        Ask::KeyFile("bad.pub") => Ok(b"x".to_vec()),
        Ask::RootFile("bad.json") => Ok(b"{}".to_vec()),
        other => Err(Missing { message: format!("{other:?} is not there"), hint: "look".into() }),
    })
}

fn policy(require: &str) -> String {
    format!(
        "apiVersion: sluicegate.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {{name: p}}\nspec:\n  \
         require:\n{require}"
    )
}

/// An obligation with the lines in it.
fn one(lines: &str) -> String {
    policy(&format!("    - name: a\n      {}\n", lines.replace('\n', "\n      ")))
}

const SIGNED: &str = "signers: [{key: {file: ci.pub}}]";

#[test]
fn every_field_is_read() {
    let text = policy(
        r#"
    - name: signed
      statement: signature
      signers:
        - key: {file: ci.pub}
          validFrom: 2026-01-01T00:00:00Z
          validUntil: "2027-01-01T00:00:00Z"
        - key: {file: two.pub}
        - identity: {issuer: https://i.example, subjectPattern: 'https://h\.example/acme/.+'}
        - githubActions: {repository: acme/shop, workflow: release.yml, ref: refs/heads/main,
                          repositoryId: "12", events: [push]}
        - gitlab: {project: acme/shop, ref: refs/tags/*, server: HTTPS://GitLab.Example/}
      threshold: 2
      maxAge: 720h
    - name: built
      statement: provenance
      signers: [{key: {file: ci.pub}}]
      builder: https://b.example
      buildType: https://t.example
      source: {repository: git@github.com:acme/shop.git, refs: [refs/heads/main, "refs/tags/v*"],
               path: ./deploy/, allowAsserted: true, allowDirty: true}
      lock: pinned
      tag: match
      where: [{expression: "predicate.x == 1", message: x is one}, {expression: "true"}]
    - name: any
      any:
        - name: all
          all:
            - {name: tested, statement: test-result, signers: [{key: {file: ci.pub}}],
               configurations: [e2e]}
            - name: vsa
              statement: verification-summary
              signers: [{key: {file: ci.pub}}]
              verifier: https://v.example
              resource: oci://r.example/shop
              level: SLSA_BUILD_LEVEL_2
        - {name: sbom, statement: "https://spdx.dev/Document", signers: [{key: {file: ci.pub}}]}
"#,
    );
    let read = read_text(&text).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let policy = read.policy;
    assert_eq!(policy.name.as_deref(), Some("p"));
    assert!(policy.root.is_some(), "identities have the root that is carried");
    let demands = policy.demands();
    assert_eq!(demands.len(), 5);
    assert_eq!((demands[0].signers.len(), demands[0].threshold), (5, 2));
    assert_eq!(demands[0].max_age.unwrap().as_hours(), 720);
    let Who::Keys(keys) = &demands[0].signers[1].who else { panic!("keys") };
    assert_eq!(keys.len(), 2, "several blocks are one signer's");
    let Who::GitLab(gitlab) = &demands[0].signers[4].who else { panic!("GitLab") };
    assert_eq!(gitlab.server, "https://gitlab.example", "compared in lower case");
    let Rule::Provenance(rule) = &demands[1].rule else { panic!("provenance") };
    let source = rule.source.as_ref().unwrap();
    assert_eq!(source.repository.as_deref(), Some("https://github.com/acme/shop"));
    assert_eq!((source.path.as_deref(), source.refs.len()), (Some("deploy"), 2));
    assert!(source.allow_asserted && source.allow_dirty && rule.tag_match);
    assert_eq!(rule.lock, Some(LockDemand::Pinned));
    assert_eq!(demands[1].conditions[1].message, "`true`");
    let Demand::Any(inner) = &policy.require[2].demand else { panic!("any") };
    assert!(matches!(inner[0].demand, Demand::All(_)));
}

#[test]
fn keys_alone_need_no_root() {
    let read = read_text(&one(&format!("statement: signature\n{SIGNED}"))).unwrap();
    assert!(read.policy.root.is_none());
}

/// What is wrong, a part of what is said, and a part of the hint.
#[test]
fn everything_that_is_wrong_is_refused() {
    let bad = |lines: &str| one(&format!("statement: signature\n{lines}"));
    let signer = |text: &str| bad(&format!("signers:\n  - {text}"));
    let signed = |lines: &str| bad(&format!("{SIGNED}\n{lines}"));
    let built = |lines: &str| one(&format!("statement: provenance\n{SIGNED}\n{lines}"));
    let many = |count: usize| {
        let one = |at| format!("    - {{name: n{at}, statement: signature, {SIGNED}}}\n");
        policy(&(0..count).map(one).collect::<String>())
    };
    let nested = "any: [{name: b, all: [{name: c, any: [{name: d, statement: signature, \
                  signers: [{key: {file: ci.pub}}]}]}]}]";
    let signers: Vec<&str> = vec!["{key: {file: ci.pub}}"; MAX_SIGNERS + 1];
    for (text, said, hint) in [
        (String::new(), "holds no TrustPolicy", "policy init"),
        ("a: [".into(), "not valid YAML", "correct"),
        ("[]".into(), "a sequence", "apiVersion"),
        ("kind: Gate\napiVersion: sluicegate.dev/v1alpha1".into(), "`Gate`", "kind: TrustPolicy"),
        (one("statement: signature").replace("v1alpha1", "v1"), "`sluicegate.dev/v1`", "v1alpha1"),
        (format!("{}---\n{}", one(SIGNED), one(SIGNED)), "second document", "of its own"),
        (one(SIGNED).replace("metadata: {name: p}\n", ""), "`metadata` is missing", "name:"),
        (one(SIGNED).replace("{name: p}", "{nam: p}"), "no field `nam`", "did you mean `name`?"),
        (one(SIGNED).replace("spec:", "spek:"), "no field `spek`", "did you mean `spec`?"),
        (policy("    []\n"), "empty list", "at least one"),
        (policy("    x: y\n"), "a mapping; expected a list", "- "),
        (one(SIGNED), "none of `statement`, `any`, `all`", "exactly one"),
        (one("statement: signature\nall: [{name: x}]"), "more than one", "exactly one"),
        (one("statement: signature"), "`signers` is missing", "anybody"),
        (bad("signers: []"), "empty list", "at least one"),
        (bad("signers: x"), "a string; expected a list", "- "),
        (signed("treshold: 1"), "no field `treshold`", "did you mean `threshold`?"),
        (signed("builder: x"), "`builder` does not belong here", "statement: provenance"),
        (signed("configurations: [x]"), "does not belong", "statement: test-result"),
        (signed("level: SLSA_BUILD_LEVEL_1"), "does not belong", "verification-summary"),
        (signed("environment: production"), "does not belong", "statement: promotion"),
        (signed("threshold: 2"), "never met", "more signers"),
        (signed("threshold: 0"), "by nobody", "at least one"),
        (signed("threshold: -1"), "by nobody", "at least one"),
        (signed("threshold: '1'"), "a string; expected an integer", "without quotes"),
        (signed("maxAge: 30d"), "no duration", "write `720h`"),
        (signed("maxAge: 0h"), "no duration", "720h"),
        (signed("maxAge: 5"), "a number; expected a string", "quotes"),
        (signed("where: [{expression: 'a =='}]"), "the expression is refused", "policy.md"),
        (signed("where: [{message: x}]"), "`expression` is missing", "CEL"),
        (signed("where: [{expression: 'true', mesage: x}]"), "no field `mesage`", "`message`"),
        (signer("{}"), "none of `key`, `identity`", "exactly one"),
        (signer("{key: {file: ci.pub}, gitlab: {}}"), "more than one", "exactly one"),
        (signer("{key: {}}"), "none of `pem`, `file`", "exactly one"),
        (signer("{key: {file: ci.pub, pem: x}}"), "more than one", "exactly one"),
        (signer("{key: {pem: x}}"), "not a public key", "cosign.pub"),
        (signer("{key: {pem: ''}}"), "`pem` is empty", "leave"),
        (signer("{key: {file: bad.pub}}"), "not a public key", "cosign.pub"),
        (signer("{key: {file: no.pub}}"), "KeyFile(\"no.pub\") is not there", "look"),
        (signer("{key: {secretRef: {name: s}}}"), "KeySecret(\"s\")", "look"),
        (signer("{key: {secretRef: s}}"), "a string; expected a mapping", "`name`"),
        (signer("{key: {file: ci.pub}, validFrom: tomorrow}"), "no time", "2026-01-31"),
        (
            signer(
                "{key: {file: ci.pub}, validFrom: 2027-01-01T00:00:00Z, \
                 validUntil: 2026-01-01T00:00:00Z}",
            ),
            "not after",
            "exchange",
        ),
        (signer("{identity: {issuer: i}}"), "none of `subject`", "exactly one"),
        (
            signer("{identity: {issuer: i, issuerPattern: i, subject: s}}"),
            "more than one of `issuer`",
            "exactly one",
        ),
        (signer("{identity: {issuer: i, subjectPattern: 'a|b'}}"), "`|`", "`(a|b)`"),
        (signer("{identity: {issuer: i, subjectPattern: 'a.b'}}"), "a dot", r"`a\.b`"),
        (
            signer("{githubActions: {repository: acme/shop, ref: refs/heads/main}}"),
            "`workflow` is missing",
            "release.yml",
        ),
        (
            signer("{githubActions: {repository: shop, workflow: a.yml, ref: refs/heads/main}}"),
            "path of one repository",
            "acme/shop",
        ),
        (
            signer("{githubActions: {repository: acme/*, workflow: a.yml, ref: refs/heads/main}}"),
            "path of one repository",
            "acme/shop",
        ),
        (
            signer(
                "{githubActions: {repository: a/b, workflow: .github/workflows/a.yml, ref: refs/heads/main}}",
            ),
            "name of a file",
            "write `a.yml`",
        ),
        (
            signer("{githubActions: {repository: a/b, workflow: a.yml, ref: main}}"),
            "not a full ref",
            "refs/heads/main",
        ),
        (
            signer("{githubActions: {repository: a/b, workflow: a.yml, ref: 'refs/heads/?'}}"),
            "no meaning in a glob",
            "`*`",
        ),
        (
            signer(
                "{githubActions: {repository: a/b, workflow: a.yml, ref: refs/heads/main, repositoryId: 12}}",
            ),
            "a number; expected a string",
            "quotes",
        ),
        (
            signer(
                "{githubActions: {repository: a/b, workflow: a.yml, ref: refs/heads/main, builder: x}}",
            ),
            "reusable workflow",
            "refs/tags",
        ),
        (
            signer(
                "{githubActions: {repository: a/b, workflow: a.yml, ref: refs/heads/main, server: 'HTTP://h'}}",
            ),
            "`https` URL",
            "https://github.com",
        ),
        (
            signer("{gitlab: {project: a/b, ref: refs/heads/main, server: 'https://h/x'}}"),
            "`https` URL",
            "https://gitlab.com",
        ),
        (
            bad("signers: [{key: {file: ci.pub}}, {key: {file: ci.pub}}]"),
            "in two entries",
            "different signers",
        ),
        (bad(&format!("signers: [{}]", signers.join(", "))), "101 signers", "fewer"),
        (built("lock: require"), "none of `required`", "did you mean `required`?"),
        (built("lock: true"), "a boolean; expected a string", "quotes"),
        (built("tag: same"), "none of `match`", "write `tag: match`"),
        (built("source: {}"), "`source` is empty", "`repository`"),
        (built("source: {repository: /srv/x}"), "the repository is refused", "https://host"),
        (built("source: {refs: [main]}"), "not a full ref", "refs/heads/main"),
        (built("source: {refs: []}"), "empty list", "at least one"),
        (built("source: {path: ../x}"), "not a directory", "root"),
        (built("source: {allowDirty: 'yes'}"), "expected a boolean", "without quotes"),
        (one(&format!("statement: verification-summary\n{SIGNED}")), "`verifier` is missing", "id"),
        (
            one(&format!("statement: verification-summary\n{SIGNED}\nverifier: v\nlevel: SLSA_3")),
            "no SLSA level",
            "SLSA_BUILD_LEVEL_2",
        ),
        (
            one(&format!("statement: test-result\n{SIGNED}\nconfigurations: [a, a]")),
            "twice",
            "leave it out",
        ),
        (
            one(&format!("statement: promotion\n{SIGNED}\nenvironment: p")),
            "not supported yet",
            "later release",
        ),
        (
            one(&format!("statement: provenence\n{SIGNED}")),
            "no kind of statement",
            "did you mean `provenance`?",
        ),
        (one(&format!("statement: sbom\n{SIGNED}")), "no kind of statement", "URI"),
        (
            one(&format!("statement: https://slsa.dev/provenance/v1\n{SIGNED}")),
            "has a word",
            "statement: provenance",
        ),
        (one(nested), "deeper than two levels", "further out"),
        (one("any: []"), "empty list", "at least one"),
        (one("any: [{name: b, statement: signature}]"), "`signers` is missing", "anybody"),
        (
            one(&format!("any: [{{name: b, statement: signature, {SIGNED}}}]\nthreshold: 1")),
            "does not belong",
            "a statement",
        ),
        (many(MAX_OBLIGATIONS + 1), "more than 100 obligations", "less"),
        (many(2).replace("n1", "n0"), "two obligations are named `n0`", "its own"),
        (many(1).replace("n0", "a/b"), "letters", "digits"),
        (format!("{}  trustedRoot: {{file: no.json}}\n", many(1)), "RootFile", "look"),
        (
            format!("{}  trustedRoot: {{file: bad.json}}\n", many(1)),
            "trusted root",
            "trusted_root.json",
        ),
        (
            format!("{}  trustedRoot: {{secretRef: {{name: s}}}}\n", many(1)),
            "RootSecret(\"s\")",
            "look",
        ),
        (format!("{}#{}", many(1), " ".repeat(MAX_FILE)), "larger than 1 MiB", "smaller"),
    ] {
        let problems = match read_text(&text) {
            Ok(_) => panic!("{text}\nis read"),
            Err(problems) => problems,
        };
        let fits = |p: &Problem| {
            p.message.contains(said) && p.hint.as_deref().is_some_and(|h| h.contains(hint))
        };
        assert!(problems.iter().any(fits), "{text}\n{said}, {hint}: {problems:#?}");
        let placed = problems.iter().all(|p| p.place.is_some() || text.len() > MAX_FILE);
        assert!(placed, "{text}\n{problems:#?}");
    }
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let text = "apiVersion: sluicegate.dev/v1alpha1\nkind: TrustPolicy\nmetadata: {name: p}\nspec:\n  \
                require:\n    - name: a\n      statement: provenance\n      bilder: x\n      signers:\n        \
                - identity: {issuer: i, subjectPattern: a.b}\n      lock: all\n    - name: a\n      \
                statement: signature\n      signers: [{key: {pem: x}}]\n      threshold: 3\n";
    let problems = read_text(text).unwrap_err();
    let places: Vec<(u32, u32)> = problems
        .iter()
        .map(|p| p.place.as_ref().map(|place| (place.start.line, place.start.column)).unwrap())
        .collect();
    assert_eq!(places, [(8, 7), (10, 49), (11, 13), (12, 7), (14, 29), (15, 18)], "{problems:#?}");
    let paths: Vec<&str> =
        problems.iter().map(|p| p.place.as_ref().unwrap().path.as_str()).collect();
    assert_eq!(paths[1], "spec.require[0].signers[0].identity.subjectPattern");
}

#[test]
fn a_private_key_is_never_shown() {
    let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    let lines = key.lines().map(|line| format!("            {line}\n")).collect::<String>();
    let text =
        one(&format!("statement: signature\nsigners:\n  - key:\n      pem: |\n{lines}      x: y"));
    let problems = read_text(&text).unwrap_err();
    assert!(problems.iter().any(|p| p.message.contains("private key")), "{problems:#?}");
    assert!(problems.len() > 1);
    assert!(!format!("{problems:?}").contains("c2VjcmV0"), "{problems:#?}");
}

/// conforma EC-2014: a scheme in other letters is the same scheme.
#[test]
fn conforma_ec_2014_schemes_are_compared_in_any_case() {
    for (statement, hint) in [
        ("HTTPS://slsa.dev/provenance/v1", "statement: provenance"),
        ("Https://spdx.dev/Document", "write `https://spdx.dev/Document`"),
    ] {
        let problems = read_text(&one(&format!("statement: {statement}\n{SIGNED}"))).unwrap_err();
        assert!(problems[0].hint.as_deref().unwrap().contains(hint), "{problems:#?}");
    }
    let repository = "source: {repository: HTTPS://GitHub.com/acme/shop}";
    let read = read_text(&one(&format!("statement: provenance\n{SIGNED}\n{repository}"))).unwrap();
    let Rule::Provenance(rule) = &read.policy.demands()[0].rule else { panic!("provenance") };
    let found = rule.source.as_ref().unwrap().repository.as_deref();
    assert_eq!(found, Some("https://github.com/acme/shop"));
}

#[test]
fn an_unusable_key_is_refused() {
    let lines = PEM.lines().map(|line| format!("            {line}\n")).collect::<String>();
    let text = one(&format!("statement: signature\nsigners:\n  - key:\n      pem: |\n{lines}"));
    // A point that is on no curve, or one that is: it is never passed over.
    match read_text(&text) {
        Ok(read) => assert_eq!(read.policy.demands()[0].signers.len(), 1),
        Err(problems) => assert!(problems[0].message.contains("not supported"), "{problems:#?}"),
    }
}

fn identity(issuer: &str, subject: &str, claims: Claims) -> Signer {
    Signer::Identity(Box::new(Identity { issuer: issuer.into(), subject: subject.into(), claims }))
}

/// What is written is read back as the same, whatever a certificate says.
#[test]
fn a_first_policy_is_read_back() {
    let workflow = "https://github.com/acme/shop/.github/workflows/release.yml@refs/heads/main";
    let claims = Claims {
        repository: Some("https://github.com/acme/shop".into()),
        reference: Some("refs/heads/main".into()),
        repository_id: Some("1234".into()),
        build_config: Some(workflow.into()),
        trigger: Some("push".into()),
        ..Claims::default()
    };
    let github = identity("https://token.actions.githubusercontent.com", workflow, claims);
    let keys = crate::model::evidence::key::PublicKey::from_pem(pem().as_bytes()).unwrap();
    let hostile = "x: y # \"'\n- {a}\u{202e}\u{1}";
    let signers = vec![
        github,
        Signer::Key(keys[0].fingerprint()),
        identity("https://i.example", "ada@acme.example", Claims::default()),
        identity(hostile, hostile, Claims::default()),
        identity("true", "0x10", Claims::default()),
    ];
    let draft = first::Draft {
        name: "shop".into(),
        from: format!("oci://h/{hostile}"),
        digest: "sha256:0".into(),
        keys,
        signatures: signers.clone(),
        provenance: vec![first::Built {
            signers: signers.clone(),
            builder: hostile.into(),
            build_type: "null".into(),
            facts: None,
            lock: Some(LockDemand::Required),
            tag: false,
        }],
        others: vec![first::Stated { statement: "https://x.example/p".into(), signers }],
    };
    let text = first::write(&draft);
    let read = read_text(&text).unwrap_or_else(|problems| panic!("{text}\n{problems:#?}"));
    let demands = read.policy.demands();
    assert_eq!(demands.len(), 3);
    for demand in &demands {
        let named = |signer: &Signer| demand.signers.iter().any(|entry| entry.who.is(signer));
        assert!(draft.signatures.iter().all(named), "{text}");
    }
    let Rule::Provenance(rule) = &demands[1].rule else { panic!("provenance") };
    assert_eq!((rule.builder.as_deref(), rule.lock), (Some(hostile), Some(LockDemand::Required)));
    assert!(text.contains("repositoryId: \"1234\"") && !text.contains('\u{202e}'));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let given = Given { bytes: &bytes, file: None, root: None };
        let refused = Missing { message: String::new(), hint: String::new() };
        let _ = read(given, &mut |_| Err(refused.clone()));
    }
}
