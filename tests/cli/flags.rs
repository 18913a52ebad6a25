//! Each flag has an effect that can be seen.

use std::fs;

use super::{ARTIFACT, MANIFEST, PASSWORD, Run, Shop, piped, root};
use crate::support::registry::{Auth, Config, Registry, auth::Bearer};

const PUBLISH: [&str; 7] = ["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "off"];

/// A flag that no test of the program names is one that nobody knows to work.
#[test]
fn every_flag_is_named_by_a_test() {
    let folders = ["tests/cli", "tests/policy"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let tests: String =
        files.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    let program = sluicegate::cli::args::command();
    let verbs = program.get_subcommands();
    for verb in verbs.flat_map(|verb| std::iter::once(verb).chain(verb.get_subcommands())) {
        for flag in verb.get_arguments().chain(program.get_arguments()) {
            let Some(long) = flag.get_long().filter(|long| !matches!(*long, "help" | "version"))
            else {
                continue;
            };
            assert!(
                tests.contains(&format!("\"--{long}\"")) || tests.contains(&format!("\"--{long}=")),
                "no test names `--{long}` of `{}`",
                verb.get_name()
            );
        }
    }
}

fn publish(shop: &Shop, more: &[&str]) -> Run {
    shop.run(&[&PUBLISH[..], &["-o", "json"], more].concat())
}

#[test]
fn input_flags() {
    let shop = Shop::new();
    let check = |path: &str, more: &[&str]| shop.run(&[&["check", path], more].concat());
    let files = |run: Run| run.ok().json()["files"].clone();

    let piped_in = shop.run_with(&["check", "-", "--name", "x.yaml"], "a: b: c\n");
    assert!(piped_in.err.contains("x.yaml:1"), "{}", piped_in.err);

    shop.write("config/extra.txt", "x");
    assert_eq!(files(check("config", &["--output", "json"])), 2);
    assert_eq!(files(check("config", &["-o", "json", "--ignore", "*.txt"])), 1);

    assert_eq!(check("config", &["--max-file", "20"]).code, 2);

    std::os::unix::fs::symlink("extra.txt", shop.path("config/link.txt")).unwrap();
    let refused = check("config", &[]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("link.txt"), "{}", refused.err);
    assert_eq!(files(check("config", &["-o", "json", "--resolve-symlinks"])), 3);

    shop.write(
        "secret/s.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n",
    );
    assert_eq!(check("secret", &[]).code, 2);
    check("secret", &["--allow-secrets"]).ok();

    let old = "apiVersion: helm.toolkit.fluxcd.io/v2beta2\nkind: HelmRelease\nmetadata: {name: a}\n\
               spec: {interval: 5m, chart: {spec: {chart: c, version: 1.0.0, sourceRef: \
               {kind: HelmRepository, name: r}}}}\n";
    shop.write("old/r.yaml", old);
    assert!(check("old", &[]).ok().err.contains("v2beta2"));
    assert_eq!(check("old", &["--quiet"]).ok().err, "");
    assert_eq!(check("old", &["--strict"]).code, 2);
    // Said to be what it is, whoever reads it.
    let strict = |format| check("old", &["--strict", "-o", format]);
    let text = strict("text").err;
    assert!(
        text.starts_with("error[helmrelease-api-removed]") && text.contains("`--strict`"),
        "{text}"
    );
    assert!(text.ends_with("\n1 error\n"), "{text}");
    let json = strict("json").json();
    assert_eq!(json["problems"][0]["severity"], "error");
    let sarif = strict("sarif").json();
    assert_eq!(sarif["runs"][0]["results"][0]["level"], "error");
    assert!(strict("github").out.starts_with("::error file=old/r.yaml,"));
    // Whoever wants to hear errors only does not hear warnings beside them.
    shop.write("old/bad.yaml", "kind: X\n  a: b\n");
    let (loud, quiet) = (check("old", &[]), check("old", &["--quiet"]));
    assert!(loud.err.contains("warning["), "{}", loud.err);
    assert!(quiet.err.starts_with("error[") && !quiet.err.contains("warning"), "{}", quiet.err);
}

/// Warnings come before anything is uploaded, and where reports are asked for
/// they are on stdout.
#[test]
fn warnings_of_a_publish() {
    let shop = Shop::new();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  \
               - {name: c, image: '127.0.0.1:1/web:1.2.3'}\n";
    shop.write("config/pod.yaml", pod);
    shop.commit();
    let publish = |more: &[&str]| {
        let publish = ["publish", "config", ARTIFACT, "--key", "a.key", "--timeout", "1s"];
        shop.run(&[&publish[..], more].concat())
    };
    let told = publish(&[]).ok();
    let at = |part: &str| told.err.find(part).unwrap_or_else(|| panic!("{part}: {}", told.err));
    assert!(at("warning[lock-unresolved]") < at("looking at what is there"), "{}", told.err);
    let sarif = publish(&["-o", "sarif"]).ok();
    let result = &sarif.json()["runs"][0]["results"][0];
    assert_eq!(
        (&result["ruleId"], &result["level"]),
        (&"lock-unresolved".into(), &"warning".into())
    );
    assert!(sarif.err.contains("unchanged  ") && !sarif.err.contains("warning["), "{}", sarif.err);
    let github = publish(&["-o", "github"]).ok();
    assert!(github.out.starts_with("::warning file=config/pod.yaml,"), "{}", github.out);
    assert_eq!(github.out.lines().count(), 1, "{}", github.out);
    let none = shop.run(&[&PUBLISH[..], &["-o", "sarif"]].concat()).ok();
    assert_eq!(none.json()["runs"][0]["results"], serde_json::json!([]));
    for (flags, code, rule) in [
        (&["--lock", "require"][..], 3, "lock-unresolved"),
        (&["--require-pinned"], 2, "lock-unpinned"),
    ] {
        let sarif = publish(&[flags, &["-o", "sarif"]].concat());
        assert_eq!(sarif.code, code, "{}", sarif.err);
        let result = &sarif.json()["runs"][0]["results"][0];
        assert_eq!((&result["ruleId"], &result["level"]), (&rule.into(), &"error".into()));
        let github = publish(&[flags, &["-o", "github"]].concat());
        let start = format!("::error file=config/pod.yaml,title={rule}::");
        assert!(github.out.starts_with(&start), "{}", github.out);
    }
}

#[test]
fn a_dry_run_says_what_it_would_write() {
    let shop = Shop::new();
    let text = shop.run(&[&PUBLISH[..], &["--dry-run"]].concat()).ok().out;
    for part in ["would publish  ", "to sign by key:sha256:", "slsa.dev/provenance/v1  (bundle)"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("  to move    1.0.0, git-") && !text.contains("  tags "), "{text}");
    let dry = publish(&shop, &["--dry-run"]).ok().json();
    assert_eq!((&dry["tags"], &dry["dryRun"]), (&serde_json::json!([]), &true.into()));
    let real = publish(&shop, &[]).ok().json();
    assert_eq!(real["planned"], serde_json::Value::Null);
    assert_eq!(dry["planned"]["blobs"], real["uploaded"]["blobs"]);
    assert_eq!(dry["planned"]["tags"], real["tags"]);
    let made = |view: &serde_json::Value| view["statements"].as_array().unwrap().len();
    assert_eq!(made(&dry["planned"]), made(&real));
    let again = publish(&shop, &["--dry-run"]).ok().json();
    assert_eq!((&again["unchanged"], &again["tags"]), (&true.into(), &real["tags"]));
    assert_eq!(made(&again["planned"]), 0);
    let text = shop.run(&[&PUBLISH[..], &["--dry-run"]].concat()).ok().out;
    assert!(text.starts_with("unchanged  ") && !text.contains("to move"), "{text}");
}

/// Whoever verifies reads no larger statement, and the tags would not move.
#[test]
fn a_lock_that_nobody_could_read_is_refused_before_anything_is_written() {
    let shop = Shop::new();
    let image = format!("a.example/b@sha256:{}", "a".repeat(64));
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{image: '{image}'}}]}}\n"
    );
    shop.write("config/pod.yaml", &pod);
    shop.commit();
    let publish = ["publish", "config", ARTIFACT, "--key", "a.key", "--max-statement", "5000"];
    let refused = shop.run(&publish);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("a statement may have 5000"), "{}", refused.err);
    assert!(refused.err.contains("--lock off"), "{}", refused.err);
    assert!(!shop.path("registry").exists());
    shop.run(&[&publish[..6], &["9000"]].concat()).ok();
}

#[test]
fn source_flags() {
    let shop = Shop::new();
    shop.write("config/new.yaml", &MANIFEST.replace("name: shop", "name: new"));
    assert_eq!(publish(&shop, &["--dry-run"]).code, 2);
    let dirty = publish(&shop, &["--allow-dirty", "--dry-run"]).ok().json();
    assert!(dirty["revision"].as_str().unwrap().starts_with("main-dirty@sha1:"));
    assert!(!shop.path("registry").exists(), "a dry run wrote");

    fs::remove_dir_all(shop.path(".git")).unwrap();
    let without = publish(&shop, &[]);
    assert_eq!(without.code, 2);
    assert!(without.err.contains("--source") && without.err.contains("--revision"));
    let revision = format!("main@sha1:{}", "a".repeat(40));
    let asserted = ["--source", "https://example.com/shop", "--revision", &revision];
    let view = publish(&shop, &asserted).ok().json();
    assert_eq!(view["source"], "https://example.com/shop");
    assert_eq!(view["revision"], revision);
    // Where no commit is known, the tag that keeps it is named after the digest alone.
    let asserted = ["--source", "https://example.com/shop", "--revision", "2026-11"];
    let view = publish(&shop, &[&asserted[..], &["--force-tag"]].concat()).ok().json();
    let digest = view["digest"].as_str().unwrap().trim_start_matches("sha256:");
    assert_eq!(view["tags"], serde_json::json!(["1.0.0", format!("keep-{}", &digest[..12])]));
}

#[test]
fn artifact_flags() {
    let shop = Shop::new();
    let plain = publish(&shop, &["--keep-tag=false"]).ok().json();
    assert_eq!(plain["tags"], serde_json::json!(["1.0.0"]));
    let formats = |view: &serde_json::Value| view["statements"].to_string().contains("legacy-sig");
    assert!(formats(&plain));

    let other = Shop::new();
    let more = ["--tag", "latest", "--annotation", "team=a=b", "--no-legacy-signature"];
    let view = publish(&other, &more).ok().json();
    assert!(!formats(&view));
    assert_ne!(view["digest"], plain["digest"]);
    let tags: Vec<&str> =
        view["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    assert_eq!(tags[..2], ["1.0.0", "latest"]);
    assert!(tags[2].starts_with("git-"), "{tags:?}");
    let shown = other.run(&["inspect", ARTIFACT, "-o", "json"]).ok().json();
    assert_eq!(shown["annotations"]["team"], "a=b");
}

#[test]
fn lock_flags() {
    let registry = Registry::start(Config::default());
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","layers":[]}}"#);
    let digest = registry.put_manifest("acme/web", Some("1.2.3"), media_type, manifest);
    let shop = Shop::new();
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  \
               - {name: c, image: 'web.invalid/acme/web:1.2.3'}\n";
    shop.write("config/pod.yaml", pod);
    shop.commit();
    let run = |more: &[&str]| {
        let publish = ["publish", "config", ARTIFACT, "--key", "a.key", "--dry-run", "-o", "json"];
        shop.run(&[&publish[..], more].concat())
    };
    let mirror = format!("web.invalid={}", registry.host());
    let view = run(&["--mirror", &mirror]).ok().json();
    assert_eq!(view["locked"][0]["digest"], digest.to_string());
    assert_eq!(view["locked"][0]["reference"], "web.invalid/acme/web:1.2.3");
    assert_eq!(run(&["--lock", "off"]).ok().json()["locked"], serde_json::json!([]));
    let unpinned = run(&["--lock", "off", "--require-pinned"]);
    assert_eq!(unpinned.code, 2, "{}", unpinned.err);
    assert!(unpinned.err.contains("web.invalid/acme/web:1.2.3"), "{}", unpinned.err);
    shop.write("config/pod.yaml", &pod.replace("1.2.3", "9.9.9"));
    shop.commit();
    let missing = run(&["--lock", "require", "--mirror", &mirror]);
    assert_eq!(missing.code, 2, "{}", missing.err);
    assert!(missing.err.contains("web.invalid/acme/web:9.9.9"), "{}", missing.err);
}

#[test]
fn key_flags() {
    let shop = Shop::new();
    let without_password = |arguments: &[&str], stdin: &str| {
        let mut command = shop.command(arguments);
        command.env_remove("COSIGN_PASSWORD");
        piped(command, stdin)
    };
    let publish = [&PUBLISH[..], &["--key-password-stdin"]].concat();
    without_password(&publish, PASSWORD).ok();
    assert_eq!(without_password(&publish, "wrong").code, 2);
    without_password(&["keygen", "--output-key-prefix", "c", "--key-password-stdin"], "x").ok();
    assert!(shop.path("c.key").exists() && shop.path("c.pub").exists());

    shop.write("p.json", "{}");
    let attest = ["attest", ARTIFACT, "--type", "https://example.com/x", "--predicate", "p.json"];
    let attest = [&attest[..], &["--key", "a.key"]].concat();
    let same = shop.run(&attest);
    assert_eq!(same.code, 2, "{}", same.err);
    assert!(same.err.contains("--same-key"), "{}", same.err);
    let done = shop.run(&[&attest[..], &["--same-key"]].concat()).ok();
    assert!(done.out.starts_with("attested  "), "{}", done.out);
}

#[test]
fn pull_flags() {
    let shop = Shop::published();
    let pull = |more: &[&str]| shop.run(&[&["pull", ARTIFACT, "out"], more].concat());
    assert_eq!(pull(&[]).code, 2);
    // The limit is the user's and says nothing about the artifact: before the
    // layer is read, and while it is.
    for limit in ["10", "700"] {
        let run = pull(&["--key", "a.pub", "--max-size", limit]);
        assert_eq!(run.code, 2, "{limit}: {}", run.err);
        assert!(run.err.contains("hint: ") && run.err.contains("`--max-size`"), "{}", run.err);
    }
    assert!(!shop.path("out").exists());
    shop.forget_statements();
    let unsafely = pull(&["--unsafe-skip-verification"]).ok();
    assert!(unsafely.err.starts_with("warning: nothing is verified"), "{}", unsafely.err);
    assert!(unsafely.out.contains("UNVERIFIED"), "{}", unsafely.out);
    assert_eq!(fs::read_to_string(shop.path("out/shop.yaml")).unwrap(), MANIFEST);
    assert_eq!(pull(&["--unsafe-skip-verification", "--key", "a.pub"]).code, 2);
}

/// Publishes to a registry; the reference.
fn published(shop: &Shop, registry: &Registry, more: &[&str]) -> (String, Run) {
    let reference = format!("{}:1.0.0", registry.place("shop/config"));
    let publish = ["publish", "config", &reference, "--key", "a.key", "--lock", "off"];
    let run = shop.run(&[&publish[..], more].concat());
    (reference, run)
}

#[test]
fn requests_are_told_when_asked() {
    let (shop, registry) = (Shop::new(), Registry::start(Config::default()));
    let (reference, run) = published(&shop, &registry, &["--verbose"]);
    let run = run.ok();
    let told = run.err.lines().filter(|line| line.contains(" → ")).count();
    assert_eq!(told, registry.log().count(), "{}", run.err);
    assert!(
        run.err.contains(&format!(
            "PUT http://{}/v2/shop/config/manifests/1.0.0 → 201 (",
            registry.host()
        )),
        "{}",
        run.err
    );
    let verify = ["verify", &reference, "--key", "a.pub"];
    let silent = shop.run(&verify).ok();
    assert!(!silent.err.contains(" → "), "{}", silent.err);
    shop.run(&[&verify[..], &["-vv"]].concat()).ok();
    assert_eq!(shop.run(&[&verify[..], &["-v", "-q"]].concat()).code, 2);
}

#[test]
fn layers_are_read_when_asked() {
    let (shop, registry) = (Shop::new(), Registry::start(Config::default()));
    let (reference, run) = published(&shop, &registry, &[]);
    run.ok();
    let view = shop.run(&["inspect", &reference, "-o", "json"]).ok().json();
    let layer = view["layers"][0]["digest"].as_str().unwrap().to_owned();
    let read = |more: &[&str]| {
        registry.log().clear();
        shop.run(&[&["verify", &reference, "--key", "a.pub"], more].concat()).ok();
        registry.log().lines().iter().any(|line| line.contains(&layer))
    };
    assert!(!read(&[]));
    assert!(read(&["--deep"]));
}

#[test]
fn limits() {
    let (shop, registry) = (Shop::new(), Registry::start(Config::default()));
    let (reference, run) = published(&shop, &registry, &[]);
    run.ok();
    let verify = |more: &[&str]| {
        shop.run(&[&["verify", &reference, "--key", "a.pub", "--timeout", "5s"], more].concat())
    };
    for (flags, part) in [
        (&["--max-manifest", "100"][..], "100"),
        (&["--max-statement", "100", "--key", "b.pub"], "100"),
    ] {
        let run = verify(flags);
        assert_eq!(run.code, 3, "{flags:?}: {}{}", run.out, run.err);
        assert!((run.out + &run.err).contains(part), "{flags:?}");
    }
    let capped = shop.run(&["verify", &reference, "--key", "b.pub", "--max-statements", "1"]);
    assert_eq!(capped.code, 3, "{}{}", capped.out, capped.err);
    // One statement after the other, but all of them.
    verify(&["--max-in-flight", "1"]).ok();
}

#[test]
fn login_flags() {
    let auth = Auth::basic("ci", "registry-password");
    let registry = Registry::start(Config { auth, ..Config::default() });
    let shop = Shop::new();
    let (reference, run) = published(&shop, &registry, &["--timeout", "5s"]);
    assert_eq!(run.code, 3, "{}", run.err);
    assert!(run.err.contains("--registry-password-stdin"), "{}", run.err);
    let sign = ["publish", "config", &reference, "--key", "a.key", "--lock", "off"];
    let login = ["--registry-username", "ci", "--registry-password-stdin"];
    shop.run_with(&[&sign[..], &login].concat(), "registry-password\n").ok();
    assert_eq!(
        shop.run(&[&["inspect", &reference][..], &["--registry-username", "ci"]].concat()).code,
        2
    );
    let layout = shop.run_with(&[&["inspect", "oci-layout:x:1"][..], &login].concat(), "p");
    assert_eq!(layout.code, 2);
    assert!(layout.err.contains("leave it out for a layout"), "{}", layout.err);
}

#[test]
fn transport_flags() {
    let (shop, registry) = (Shop::new(), Registry::start(Config::default()));
    let (reference, run) = published(&shop, &registry, &["--plain-http"]);
    run.ok();
    let inspect =
        |more: &[&str]| shop.run(&[&["inspect", &reference, "--timeout", "2s"], more].concat());
    inspect(&[]).ok();
    assert_eq!(inspect(&["--plain-http=false"]).code, 3);
    shop.write("bad.pem", "no certificate");
    for flags in [
        &["--ca-file", "bad.pem"][..],
        &["--ca-file", "missing.pem"],
        &["--client-cert", "bad.pem", "--client-key", "bad.pem"],
    ] {
        let run = inspect(flags);
        assert_eq!(run.code, 2, "{flags:?}: {}", run.err);
        assert!(run.err.contains(flags[1]) && run.err.contains("hint: "), "{flags:?}: {}", run.err);
    }
}

#[test]
fn token_realms() {
    let realm = Some("http://10.255.255.1:9/token".to_owned());
    let auth = Auth::Bearer(Bearer { realm, ..Bearer::default() });
    let registry = Registry::start(Config { auth, ..Config::default() });
    let reference = format!("{}:1.0.0", registry.place("shop/config"));
    let shop = Shop::new();
    let inspect =
        |more: &[&str]| shop.run(&[&["inspect", &reference, "--timeout", "1s"], more].concat());
    let refused = inspect(&[]);
    assert!(refused.code == 3 && refused.err.contains("10.255.255.1"), "{}", refused.err);
    let named = inspect(&["--token-realm", "10.255.255.1:9"]);
    assert_eq!(named.code, 3);
    assert_ne!(named.err, refused.err);
}
