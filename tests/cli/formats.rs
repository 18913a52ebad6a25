//! What programs read: each shape keeps to the schema of its verb, on success
//! and on every kind of failure.

use std::fs;

use serde_json::Value;

use super::{ARTIFACT, Run, Shop, keeps_to, root};

/// `SNAPSHOTS=overwrite` writes the schemas anew.
#[test]
fn schemas_equal_the_code() {
    for (name, schema) in sluicegate::cli::view::schemas() {
        let path = root().join(format!("schemas/{name}.schema.json"));
        let code = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var("SNAPSHOTS").is_ok_and(|action| action == "overwrite") {
            fs::write(&path, &code).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(written, code, "{} differs; SNAPSHOTS=overwrite writes it", path.display());
    }
}

/// Runs a command in JSON and in YAML, which say the same, and judges both.
#[track_caller]
fn both(shop: &Shop, command: &[&str], code: i32, name: &str) -> Value {
    let json: Run = shop.run(&[command, &["-o", "json"]].concat());
    assert_eq!(json.code, code, "{command:?}: {}{}", json.out, json.err);
    let value = json.json();
    keeps_to(name, &value);
    let yaml = shop.run(&[command, &["-o", "yaml"]].concat());
    let text = yaml.out.as_str();
    let parsed: Value = serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    keeps_to(name, &parsed);
    value
}

#[test]
fn what_each_verb_prints_keeps_to_its_schema() {
    let shop = Shop::published();
    let publish = ["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "off"];
    let view = both(&shop, &publish, 0, "publish");
    assert_eq!(view["unchanged"], true);
    assert_eq!(view["repository"], "registry");
    assert_eq!(view["url"], format!("oci-layout:registry@{}", view["digest"].as_str().unwrap()));
    both(&shop, &[&publish[..], &["--dry-run"]].concat(), 0, "publish");
    both(&shop, &["check", "config"], 0, "check");
    let view = both(&shop, &["verify", ARTIFACT, "--key", "a.pub"], 0, "verify");
    assert_eq!(view["verdict"], "accepted");
    assert_eq!(view["revision"], format!("main@sha1:{}", view["commit"].as_str().unwrap()));
    let view = both(&shop, &["inspect", ARTIFACT, "--key", "a.pub"], 0, "inspect");
    assert_eq!(view["objects"][0]["name"], "shop");
    both(&shop, &["diff", ARTIFACT, "config"], 0, "diff");
    both(&shop, &["sign", ARTIFACT, "--key", "b.key"], 0, "sign");
    shop.write("p.json", "{}");
    let attest = ["attest", ARTIFACT, "--type", "https://example.com/x", "--predicate", "p.json"];
    both(&shop, &[&attest[..], &["--key", "b.key", "--same-key"]].concat(), 0, "attest");
    let run = shop.run(&["keygen", "--output-key-prefix", "c", "-o", "json"]).ok();
    keeps_to("keygen", &run.json());
    let pulled = shop.run(&["pull", ARTIFACT, "out", "--key", "a.pub", "-o", "json"]).ok();
    keeps_to("pull", &pulled.json());
}

#[test]
fn failures_are_printed_too() {
    let shop = Shop::published();
    let view = both(&shop, &["verify", ARTIFACT, "--key", "b.pub"], 1, "verify");
    assert_eq!(view["verdict"], "rejected");
    assert_eq!(view["reasons"][0]["code"], "no-signature");
    let view = both(&shop, &["pull", ARTIFACT, "out", "--key", "b.pub"], 1, "error");
    assert_eq!((&view["verb"], &view["exitCode"]), (&"pull".into(), &1.into()));
    assert_eq!(view["reasons"][0]["code"], "no-signature");
    let view = both(&shop, &["sign", ARTIFACT, "--key", "nope.key"], 2, "error");
    assert_eq!(view["exitCode"], 2);
    assert!(view["hint"].as_str().unwrap().contains("keygen"));
    let view = both(&shop, &["verify", "oci-layout:registry:9", "--key", "a.pub"], 3, "verify");
    assert_eq!((&view["verdict"], &view["digest"]), (&"unknown".into(), &Value::Null));
    assert_eq!(view["reasons"][0]["code"], "not-found");
    let view = both(&shop, &["inspect", "oci-layout:registry:9"], 3, "error");
    assert_eq!(view["exitCode"], 3);
    for (line, verb, part) in [
        (&["verify"][..], Some("verify"), "required arguments"),
        (&["verify", "x", "--key", "a.pub"], Some("verify"), "`x` is not a reference"),
        (&["publish", "--timeout", "soon"], Some("publish"), "expected a number and a unit"),
        (&["publsh"], None, "unrecognized subcommand"),
        (&["check", "-", "--key-password-stdin"], Some("check"), "unexpected argument"),
    ] {
        let view = both(&shop, line, 2, "error");
        assert_eq!((view["verb"].as_str(), &view["exitCode"]), (verb, &2.into()));
        assert!(view["error"].as_str().unwrap().contains(part), "{view}");
        assert!(!view["error"].as_str().unwrap().contains('\n'), "{view}");
    }
    for line in [["--help"].as_slice(), &["verify", "--help"], &["--version"]] {
        let (plain, json) = (shop.run(line).ok(), shop.run(&[line, &["-o", "json"]].concat()).ok());
        assert_eq!(plain.out, json.out);
    }
    shop.write("config/bad.yaml", "kind: X\n  a: b\n");
    let view = both(&shop, &["check", "config"], 2, "check");
    assert_eq!((&view["valid"], &view["problems"][0]["line"]), (&false.into(), &2.into()));
    both(&shop, &["publish", "config", ARTIFACT, "--key", "a.key"], 2, "check");
}

#[test]
fn reports_are_for_check_and_publish() {
    let shop = Shop::published();
    shop.write("config/bad.yaml", "kind: X\n  a: b\n");
    for verb in [&["check", "config"][..], &["publish", "config", ARTIFACT, "--key", "a.key"]] {
        let sarif = shop.run(&[verb, &["-o", "sarif"]].concat());
        assert_eq!(sarif.code, 2, "{}", sarif.err);
        assert_eq!(sarif.json()["version"], "2.1.0");
        let github = shop.run(&[verb, &["-o", "github"]].concat());
        assert_eq!(github.code, 2, "{}", github.err);
        assert!(github.out.starts_with("::error file=config/bad.yaml,"), "{}", github.out);
    }
    for format in ["sarif", "github"] {
        let run = shop.run(&["inspect", ARTIFACT, "-o", format]);
        assert_eq!((run.code, run.out.as_str()), (2, ""));
        assert!(run.err.contains("[possible values: text, json, yaml]"), "{}", run.err);
        let run = shop.run(&["-o", format, "inspect", ARTIFACT]);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{}", run.err);
    }
}

/// No escape and no carriage return where there is no terminal; nothing but
/// the result on stdout.
#[test]
fn lines_are_plain_without_a_terminal() {
    let shop = Shop::new();
    let publish = ["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "off"];
    let run = shop.run(&publish).ok();
    assert!(run.err.contains("packing …\n"), "{}", run.err);
    for text in [&run.out, &run.err] {
        assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
    }
    let quiet = shop.run(&[&publish[..], &["--quiet"]].concat()).ok();
    assert_eq!(quiet.err, "");
    assert!(quiet.out.starts_with("unchanged  "), "{}", quiet.out);
    let mut command = shop.command(&["diff", ARTIFACT, "config"]);
    let plain = Run::of(command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1").output().unwrap());
    assert!(!plain.out.contains('\u{1b}'), "{:?}", plain.out);
}
