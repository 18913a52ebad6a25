//! The lock as it is shown: nothing here asks a registry.

use serde_json::json;

use super::{ARTIFACT, Run, Shop};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A shop with an image that is pinned and one that nobody can resolve.
fn shop() -> Shop {
    let shop = Shop::new();
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n  - image: \
         nginx@{DIGEST}\n  - image: redis:${{TAG}}\n"
    );
    shop.write("config/pod.yaml", &pod);
    shop.commit();
    shop
}

fn publish(shop: &Shop, more: &[&str]) -> Run {
    shop.run(&[&["publish", "config", ARTIFACT, "--key", "a.key"], more].concat())
}

#[test]
fn the_table_and_the_warning_say_what_is_locked() {
    let run = publish(&shop(), &[]).ok();
    let table: Vec<Vec<&str>> = run
        .out
        .lines()
        .skip_while(|line| !line.contains("LOCKED"))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let pinned = format!("nginx@{DIGEST}");
    assert_eq!(table[0], ["LOCKED", "DIGEST", "PINNED", "WHERE"], "{}", run.out);
    let row = [&pinned, "sha256:e3b0c44298fc…", "yes", "Pod", "web", "spec.containers[0].image"];
    assert_eq!(table[1], row);
    assert_eq!(&table[2][..3], ["redis:${TAG}", "unresolved", "no"], "{}", run.out);
    assert!(run.out.contains("Pod web: `redis:${TAG}` is filled in by Flux"), "{}", run.out);
    for part in [
        "warning[lock-unresolved]: `redis:${TAG}` at `spec.containers[1].image` is not resolved",
        "--> config/pod.yaml:7:12",
        "`--lock require` makes this an error, `--lock off` resolves nothing",
    ] {
        assert!(run.err.contains(part), "{part}: {}", run.err);
    }
}

#[test]
fn reports_name_the_line_of_what_is_not_resolved() {
    let annotated = publish(&shop(), &["--strict", "-o", "github"]);
    assert_eq!(annotated.code, 2, "{}", annotated.err);
    assert!(annotated.out.contains("file=config/pod.yaml,line=7,"), "{}", annotated.out);
    let sarif = publish(&shop(), &["--strict", "-o", "sarif"]).json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let found = results.iter().find(|result| result["ruleId"] == "lock-unresolved").unwrap();
    let region = &found["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&json!(7), &json!(12)));
}

#[test]
fn what_does_not_meet_the_demands_is_listed() {
    for (flags, message, hint) in [
        (["--lock", "require"].as_slice(), "1 chart or image is not resolved", "--lock resolve"),
        (&["--require-pinned"], "1 chart or image is not pinned by digest", "@sha256:"),
    ] {
        let run = publish(&shop(), flags);
        assert_eq!(run.code, 2, "{}", run.err);
        assert!(run.err.contains(message) && run.err.contains(hint), "{}", run.err);
        let place = "`redis:${TAG}` (config/pod.yaml:7, Pod web, `spec.containers[1].image`): ";
        assert!(run.err.contains(place), "{}", run.err);
        let view = publish(&shop(), &[flags, &["-o", "json"]].concat()).json();
        assert!(view["hint"].as_str().unwrap().contains(hint), "{view:#}");
        let entry = &view["unresolved"][0];
        for (field, wanted) in [
            ("kind", json!("image")),
            ("file", json!("pod.yaml")),
            ("line", json!(7)),
            ("object", json!("Pod web")),
            ("path", json!("spec.containers[1].image")),
            ("reference", json!("redis:${TAG}")),
            ("certain", json!(true)),
        ] {
            assert_eq!(entry[field], wanted, "{field}: {view:#}");
        }
        assert!(!entry["reason"].as_str().unwrap().is_empty(), "{view:#}");
    }
}

#[test]
fn the_mode_is_in_the_provenance() {
    let shop = Shop::new();
    publish(&shop, &["--lock", "require"]).ok();
    let blobs = std::fs::read_dir(shop.path("registry/blobs/sha256")).unwrap();
    let modes: Vec<String> = blobs
        .filter_map(|blob| std::fs::read_to_string(blob.unwrap().path()).ok())
        .filter_map(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
        .filter_map(|bundle| Some(bundle.pointer("/dsseEnvelope/payload")?.as_str()?.to_owned()))
        .collect();
    use base64::Engine as _;
    let decode = |text: &String| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let texts: Vec<_> = modes.iter().map(|text| String::from_utf8(decode(text)).unwrap()).collect();
    assert!(texts.iter().any(|text| text.contains(r#""mode":"require""#)), "{texts:?}");
}
