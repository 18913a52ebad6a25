//! Nothing secret is ever printed: not in results, errors, warnings or what
//! `--verbose` tells, and not into what is published either.

use std::fs;

use super::{ARTIFACT, PASSWORD, Run, Shop, piped};
use crate::support::registry::{Auth, Config, Registry};

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
