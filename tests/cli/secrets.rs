//! Nothing secret is ever printed: not in results, errors, warnings or what
//! `--verbose` tells, and not into what is published either.

use std::fs;

use base64::Engine as _;

use super::{ARTIFACT, PASSWORD, Run, Shop, piped};
use crate::support::{
    echo::{Echo, Way},
    registry::{Auth, Config, Registry},
};

const REGISTRY_PASSWORD: &str = "registry-secret-5522";
const VALUE: &str = "hunter2-secret-value";
const ENCODED: &str = "aHVudGVyMi1zZWNyZXQtdmFsdWU=";

/// Everything that was said must be free of all that is secret.
struct Watch {
    secrets: Vec<String>,
}

impl Watch {
    fn new(shop: &Shop) -> Self {
        let mut secrets: Vec<String> =
            [PASSWORD, REGISTRY_PASSWORD, VALUE, ENCODED].map(str::to_owned).into();
        for key in ["a.key", "b.key"] {
            let pem = fs::read_to_string(shop.path(key)).unwrap();
            secrets.extend(pem.lines().filter(|line| !line.starts_with("--")).map(str::to_owned));
        }
        secrets.retain(|secret| secret.len() > 8);
        secrets.push("Basic ".into());
        secrets.push("Bearer ".into());
        Self { secrets }
    }

    #[track_caller]
    fn see(&self, run: &Run) {
        for secret in &self.secrets {
            assert!(!run.out.contains(secret), "`{secret}` on stdout: {}", run.out);
            assert!(!run.err.contains(secret), "`{secret}` on stderr: {}", run.err);
        }
    }
}

#[test]
fn of_a_registry() {
    let shop = Shop::new();
    let watch = Watch::new(&shop);
    let auth = Auth::basic("ci", REGISTRY_PASSWORD);
    let registry = Registry::start(Config { auth, ..Config::default() });
    let reference = format!("{}:1.0.0", registry.place("shop/config"));
    let login =
        ["--registry-username", "ci", "--registry-password-stdin", "-vv", "--timeout", "5s"];
    let publish = ["publish", "config", &reference, "--key", "a.key", "--lock", "off"];
    for format in ["text", "json"] {
        for stdin in [REGISTRY_PASSWORD, "wrong-password-77"] {
            let run = shop.run_with(&[&publish[..], &login, &["-o", format]].concat(), stdin);
            assert_eq!(run.code, if stdin == REGISTRY_PASSWORD { 0 } else { 3 }, "{}", run.err);
            watch.see(&run);
            assert!(!(run.out + &run.err).contains("wrong-password-77"));
        }
    }
    for (_, _, manifest) in registry.manifests("shop/config") {
        let text = String::from_utf8_lossy(&manifest).into_owned();
        watch.see(&Run { code: 0, out: text, err: String::new() });
    }
}

#[test]
fn of_keys() {
    let shop = Shop::published();
    let watch = Watch::new(&shop);
    let pem = fs::read_to_string(shop.path("b.key")).unwrap();
    let torn = pem.replacen("eyJ", "eyJ%", 1).replace("-----END", "-----EMD");
    shop.write("torn.key", &torn);
    for format in ["text", "json"] {
        for key in ["a.key", "a.pub", "torn.key", "env://KEY", "env://TORN", &pem] {
            for password in [PASSWORD, "wrong-password-77"] {
                let sign = ["sign", ARTIFACT, "--key", key, "-vv", "-o", format];
                let mut command = shop.command(&sign);
                command.env("KEY", &pem).env("TORN", &torn).env("COSIGN_PASSWORD", password);
                let run = Run::of(command.output().unwrap());
                watch.see(&run);
                assert!(!(run.out + &run.err).contains("wrong-password-77"));
            }
        }
        let keygen = ["keygen", "--output-key-prefix", format, "-o", format, "-v"];
        watch.see(&shop.run(&keygen).ok());
        watch.see(&shop.run(&keygen));
        let mut piped_in =
            shop.command(&["sign", ARTIFACT, "--key", "b.key", "--key-password-stdin"]);
        piped_in.env_remove("COSIGN_PASSWORD");
        watch.see(&piped(piped_in, PASSWORD).ok());
        for verb in [["verify", ARTIFACT], ["inspect", ARTIFACT]] {
            watch.see(&shop.run(&[&verb[..], &["--key", "b.key", "-o", format]].concat()));
            watch.see(&shop.run(&[&verb[..], &["--key", &pem, "-o", format]].concat()));
        }
    }
}

#[test]
fn of_kubernetes() {
    let shop = Shop::new();
    let watch = Watch::new(&shop);
    let secret =
        |rest: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n{rest}\n");
    let inputs = [
        secret(&format!("stringData: {{p: {VALUE}}}")),
        secret(&format!("data:\n  p: {ENCODED}")),
        secret(&format!("data: {{p: {ENCODED}, p: {ENCODED}}}")),
        secret(&format!("stringData: {{p: {VALUE}")),
        secret(&format!("data: {{p: {ENCODED}}}\n  bad: {VALUE}")),
    ];
    for (at, input) in inputs.iter().enumerate() {
        shop.write("config/secret.yaml", input);
        shop.commit();
        for format in ["text", "json", "yaml", "sarif", "github"] {
            let run = shop.run(&["check", "config", "-o", format]);
            assert_eq!(run.code, 2, "{at}");
            watch.see(&run);
            let publish = ["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "off", "-v"];
            let run = shop.run(&[&publish[..], &["-o", format]].concat());
            assert_eq!(run.code, 2, "{at}");
            watch.see(&run);
        }
        let allowed = ["check", "config", "--allow-secrets"];
        watch.see(&shop.run(&allowed));
    }
}

/// Credentials in the references of manifests: in no warning, finding, entry of
/// a lock or statement. They are in the layer, which is what was published.
#[test]
fn of_references() {
    let shop = Shop::new();
    let password = "hunter2-of-references";
    let user = format!("ci:{password}");
    shop.write(
        "config/images.yaml",
        &format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: shop}}\nspec:\n  containers:\n  \
             - {{name: a, image: '{user}@registry.example/app:1'}}\n  \
             - {{name: b, image: 'ci:hun/ter2@registry.example/app:1'}}\n  \
             - name: c\n    image: {user}@registry.example/app@sha256:{}\n",
            "0".repeat(64)
        ),
    );
    let release = |name: &str, kind: &str, source: &str| {
        format!(
            "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: \
             {{name: {name}, namespace: shop}}\nspec:\n  interval: 5m\n  chart: {{spec: {{chart: c, \
             version: 1.x, sourceRef: {{kind: {kind}, name: {source}}}}}}}\n  values:\n    image: \
             {{registry: '{user}@registry.example', repository: app, tag: '1'}}\n"
        )
    };
    let repository = |kind: &str, name: &str, url: &str| {
        let api = "source.toolkit.fluxcd.io/v1";
        format!(
            "---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{interval: 5m, url: '{url}'}}\n"
        )
    };
    let charts = [
        repository("HelmRepository", "http", &format!("https://{user}@127.0.0.1:1/charts")),
        release("http", "HelmRepository", "http"),
        repository("HelmRepository", "oci", &format!("oci://{user}@127.0.0.1:1/charts")),
        release("oci", "HelmRepository", "oci"),
        repository("HelmRepository", "odd", &format!("https://ci:hun/ter2-{user}@127.0.0.1:1/c")),
        release("odd", "HelmRepository", "odd"),
        "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: ref, \
         namespace: shop}\nspec: {interval: 5m, chartRef: {kind: OCIRepository, name: ref}}\n"
            .into(),
        "---\napiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata: {name: ref, \
         namespace: shop}\nspec: {interval: 5m, url: 'oci://ghcr.io/a/b', ref: {tag: '1'}}\n"
            .into(),
    ];
    shop.write("config/charts.yaml", &charts.concat());
    shop.write(
        "config/kustomization.yaml",
        &format!(
            "resources: [images.yaml, charts.yaml, shop.yaml, 'https://{user}@git.example/x?ref=1']\n\
             images: [{{name: x, newName: '{user}@registry.example/y', newTag: '2'}}]\n"
        ),
    );
    shop.commit();
    let see = |text: &str| {
        assert!(!text.contains(password) && !text.contains("ter2"), "{text}");
    };
    for format in ["text", "json", "yaml", "sarif", "github"] {
        let run = shop.run(&["check", "config", "-o", format]);
        see(&(run.out.clone() + &run.err));
        assert!(run.out.contains("git.example") || run.err.contains("git.example"), "{run:?}");
    }
    // This one is no source that can be published.
    let odd = repository("OCIRepository", "odd", &format!("oci://{user}@ghcr.io/a/b"));
    shop.write("odd/odd.yaml", &odd);
    for format in ["text", "json", "sarif"] {
        let run = shop.run(&["check", "odd", "-o", format]);
        assert_eq!(run.code, 2, "{}", run.err);
        see(&(run.out + &run.err));
    }
    for (format, lock) in [("text", "resolve"), ("json", "resolve"), ("text", "require")] {
        let publish = ["publish", "config", ARTIFACT, "--key", "a.key", "-v", "-o", format];
        let run = shop.run(&[&publish[..], &["--lock", lock, "--timeout", "2s"]].concat());
        see(&(run.out.clone() + &run.err));
        let all = run.out + &run.err;
        assert!(all.contains("registry.example/app:1"), "{all}");
        assert_eq!(run.code, if lock == "require" { 3 } else { 0 }, "{all}");
    }
    for format in ["text", "json"] {
        let run = shop.run(&["inspect", ARTIFACT, "-o", format]).ok();
        see(&run.out);
        assert!(run.out.contains("registry.example/app:1"), "{}", run.out);
    }
    let mut statements = 0;
    for entry in fs::read_dir(shop.path("registry/blobs/sha256")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        see(&String::from_utf8_lossy(&bytes));
        let Ok(bundle) = serde_json::from_slice::<serde_json::Value>(&bytes) else { continue };
        if let Some(payload) = bundle["dsseEnvelope"]["payload"].as_str() {
            let payload = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
            see(&String::from_utf8(payload).unwrap());
            statements += 1;
        }
    }
    assert!(statements >= 2);
}

/// A registry that repeats what it was sent, wherever it can.
#[test]
fn of_a_registry_that_repeats_them() {
    let shop = Shop::new();
    let encoded =
        base64::engine::general_purpose::STANDARD.encode(format!("ci:{REGISTRY_PASSWORD}"));
    for way in [Way::Text(400), Way::Json(401), Way::Redirect, Way::Link, Way::Location] {
        let echo = Echo::start(way, false);
        let reference = format!("oci://{}/shop/config:1.0.0", echo.host());
        for words in [
            &["verify", &reference, "--key", "a.pub"][..],
            &["publish", "config", &reference, "--key", "a.key", "--lock", "off"],
        ] {
            for format in ["text", "json"] {
                let login = ["--registry-username", "ci", "--registry-password-stdin"];
                let more = ["-v", "--timeout", "2s", "-o", format];
                let run = shop.run_with(&[words, &login, &more].concat(), REGISTRY_PASSWORD);
                assert_ne!(run.code, 0, "{way:?}: {}", run.out);
                let all = run.out + &run.err;
                for secret in [REGISTRY_PASSWORD, encoded.trim_end_matches('=')] {
                    assert!(!all.contains(secret), "{way:?}: {all}");
                }
            }
        }
        assert!(echo.was_told());
    }
}
