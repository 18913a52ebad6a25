//! Signing without a key, where it cannot come about: tokens that cannot work,
//! services that are down, slow, too talkative or somewhere else. Nothing is
//! pushed, and the token is never shown. Real services are in `peers::keyless`.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{ARTIFACT, Run, Shop};

const SECRET: &str = "c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0";

/// A token that looks good and that nobody signed.
fn token(change: impl FnOnce(&mut Value)) -> String {
    let mut payload = json!({
        "iss": "https://issuer.example", "sub": "alice", "aud": "sigstore",
        "exp": 4_000_000_000_i64, "email": "alice@example.com",
    });
    change(&mut payload);
    format!("eyJhbGciOiJub25lIn0.{}.{SECRET}", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

/// A service that answers every request with `answer` (all of HTTP) and counts.
fn service(
    answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static,
) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    // Ends with the process: a test has no use for it after.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, mut text) = (stream, String::new());
            let mut buffer = [0; 16 * 1024];
            while !complete(&text) {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => text.push_str(&String::from_utf8_lossy(&buffer[..read])),
                }
            }
            counted.fetch_add(1, Ordering::SeqCst);
            match answer(&text) {
                Some(bytes) => drop(stream.write_all(&bytes)),
                None => thread::sleep(Duration::from_secs(20)),
            }
        }
    });
    (url, count)
}

fn complete(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap_or(0))
    });
    body.len() >= length.unwrap_or(0_usize)
}

fn answer(status: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n{body}"
    )
    .into_bytes()
}

/// A shop whose signing configuration names this authority, and nothing else
/// that answers.
fn shop(authority: &str) -> Shop {
    let shop = Shop::new();
    let at = |url: &str, version: u32| {
        json!([{"url": url, "majorApiVersion": version, "operator": "x",
                "validFor": {"start": "2026-01-01T00:00:00Z"}}])
    };
    let config = json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": at(authority, 1), "rekorTlogUrls": at("http://127.0.0.1:9", 2),
        "tsaUrls": at("http://127.0.0.1:9/api/v1/timestamp", 1),
        "rekorTlogConfig": {"selector": "ANY"}, "tsaConfig": {"selector": "ANY"},
    });
    shop.write("services.json", &config.to_string());
    shop
}

const PUBLISH: [&str; 10] = [
    "publish",
    "config",
    ARTIFACT,
    "--lock",
    "off",
    "--keyless",
    "--signing-config",
    "services.json",
    "--timeout",
    "3s",
];

#[track_caller]
fn fails(shop: &Shop, command: &mut Command, code: i32, parts: &[&str]) {
    let run = Run::of(command.output().unwrap());
    assert_eq!(run.code, code, "{}", run.err);
    for part in parts {
        assert!(run.err.contains(part), "expected `{part}`: {}", run.err);
    }
    for text in [&run.out, &run.err] {
        assert!(!text.contains(SECRET) && !text.contains("eyJhbGci"), "the token is shown: {text}");
    }
    assert!(!shop.path("registry").exists(), "something was pushed");
}

#[test]
fn a_token_that_cannot_work_goes_nowhere() {
    let (url, asked) = service(|_| Some(answer("500 Oops", "", "")));
    let shop = shop(&url);
    for (token, part) in [
        (token(|t| t["exp"] = json!(1_700_000_000)), "it expired at 2023-11-14T22:13:20Z"),
        (token(|t| t["aud"] = json!("sts.amazonaws.com")), "its audience is `sts.amazonaws.com`"),
        (token(|t| t["nbf"] = json!(3_900_000_000_i64)), "it counts from"),
        (format!("nonsense{SECRET}"), "it is not an OIDC identity token"),
        (token(|t| drop(t.as_object_mut().unwrap().remove("sub"))), "without `iss`, `sub`"),
    ] {
        let said = ["the identity token of `SIGSTORE_ID_TOKEN` cannot be used", part, "hint: get"];
        fails(&shop, shop.command(&PUBLISH).env("SIGSTORE_ID_TOKEN", &token), 2, &said);
        shop.write("token", &format!("{token}\n"));
        let by_file = [&PUBLISH[..], &["--identity-token-file", "token"]].concat();
        fails(&shop, &mut shop.command(&by_file), 2, &["the file `token`", part]);
    }
    let missing = [&PUBLISH[..], &["--identity-token-file", "nope"]].concat();
    fails(&shop, &mut shop.command(&missing), 2, &["cannot read the identity token `nope`"]);
    assert_eq!(asked.load(Ordering::SeqCst), 0, "it was sent all the same");
}

#[test]
fn without_key_and_identity_both_are_shown_with_what_is_here() {
    let shop = Shop::new();
    let publish = ["publish", "config", ARTIFACT, "--lock", "off"];
    let sign = ["sign", "oci-layout:nowhere:1"];
    let attest =
        ["attest", "oci-layout:nowhere:1", "--type", "https://x.example", "--predicate", "p"];
    for verb in [&publish[..], &sign, &attest] {
        let both =
            ["neither `--key` nor `--keyless`", "`--key cosign.key`", "or `--keyless` (here"];
        fails(&shop, &mut shop.command(verb), 2, &[&both[..], &["no identity"]].concat());
        for (variables, part) in [
            (&[("SIGSTORE_ID_TOKEN", "x")][..], "the identity of `SIGSTORE_ID_TOKEN`"),
            (&[("GITHUB_ACTIONS", "true")], "lacks `permissions: id-token: write`"),
            (
                &[
                    ("GITHUB_ACTIONS", "true"),
                    ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://x.example/t?a=b"),
                    ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", SECRET),
                ],
                "the identity of this GitHub Actions run",
            ),
            (&[("GITLAB_CI", "true")], "lacks `id_tokens: SIGSTORE_ID_TOKEN"),
            (&[("BUILDKITE", "true")], "the identity of this Buildkite job"),
            (&[("CIRCLECI", "true")], "the identity of this CircleCI job"),
        ] {
            let mut command = shop.command(verb);
            fails(
                &shop,
                command.envs(variables.iter().copied()),
                2,
                &[&both[..], &[part]].concat(),
            );
        }
    }
    let none = [&publish[..], &["--keyless"]].concat();
    fails(&shop, &mut shop.command(&none), 2, &["there is no identity to sign with", "--key"]);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let shop = Shop::new();
    let publish = ["publish", "config", ARTIFACT, "--lock", "off"];
    for (flags, part) in [
        (&["--key", "a.key", "--keyless"][..], "cannot be used with"),
        (&["--keyless", "--timestamp-url", "http://x.example"], "cannot be used with"),
        (&["--keyless", "--key-password-stdin"], "cannot be used with"),
        (&["--key", "a.key", "--signing-config", "x"], "--keyless"),
        (&["--key", "a.key", "--identity-token-file", "x"], "--keyless"),
        (&["--key", "a.key", "--trusted-root", "x"], "has nothing to check"),
        (&["--key", "a.key", "--timestamp-url", "ftp://x"], "neither HTTP nor HTTPS"),
    ] {
        fails(&shop, &mut shop.command(&[&publish[..], flags].concat()), 2, &[part]);
    }
    for (flag, what) in [("--trusted-root", "trust root"), ("--signing-config", "configuration")] {
        for (file, part) in [("nope", "cannot read"), ("config/shop.yaml", "cannot use")] {
            let flags = [&publish[..], &["--keyless", flag, file]].concat();
            let mut command = shop.command(&flags);
            let command = command.env("SIGSTORE_ID_TOKEN", token(|_| {}));
            fails(&shop, command, 2, &[part, what, file]);
        }
    }
}

#[test]
fn services_that_do_not_help_are_named_and_the_token_is_not() {
    let sent = |request: &str| {
        let sent = request.split("oidcIdentityToken\":\"").nth(1).unwrap_or_default();
        sent.split('"').next().unwrap_or_default().to_owned()
    };
    let echo = move |request: &str| {
        let body = json!({"code": 3, "message": format!("bad token {}", sent(request))});
        Some(answer("400 Bad Request", "", &body.to_string()))
    };
    let echo_as_certificate = move |request: &str| {
        let body = json!({"signedCertificateEmbeddedSct": sent(request)});
        Some(answer("200 OK", "", &body.to_string()))
    };
    let (elsewhere, asked_elsewhere) = service(|_| Some(answer("200 OK", "", "{}")));
    let redirect = format!("location: {elsewhere}/x\r\n");
    type Answer = Box<dyn Fn(&str) -> Option<Vec<u8>> + Send>;
    let cases: [(Answer, i32, &str); 8] = [
        (Box::new(echo), 2, "it repeated the token; not shown"),
        (Box::new(echo_as_certificate), 1, "it is no answer with a certificate"),
        (Box::new(move |_| Some(answer("307 Go", &redirect, ""))), 2, "status 307"),
        (Box::new(|_| Some(answer("503 Busy", "", "x"))), 3, "status 503"),
        (Box::new(|_| None), 3, "nothing came within 3 s"),
        (Box::new(|_| Some(answer("200 OK", "", "<html>"))), 1, "cannot be used"),
        (Box::new(|_| Some(answer("200 OK", "", &"x".repeat(2 << 20)))), 1, "larger than 1 MiB"),
        (
            Box::new(|_| {
                let chain = json!({"chain": {"certificates": ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]}});
                let body = json!({"signedCertificateEmbeddedSct": chain}).to_string();
                Some(answer("200 OK", "", &body))
            }),
            1,
            "cannot be used",
        ),
    ];
    for (answer, code, part) in cases {
        let (url, asked) = service(answer);
        let shop = shop(&url);
        let parts = ["the certificate authority (Fulcio)", &url, part];
        let mut command = shop.command(&PUBLISH);
        fails(&shop, command.env("SIGSTORE_ID_TOKEN", token(|_| {})), code, &parts);
        assert!(asked.load(Ordering::SeqCst) > 0);
    }
    assert_eq!(asked_elsewhere.load(Ordering::SeqCst), 0, "the token went where it was sent on to");
    let shop = shop("http://fulcio.example");
    let mut command = shop.command(&PUBLISH);
    let parts = ["the identity token would travel in clear"];
    fails(&shop, command.env("SIGSTORE_ID_TOKEN", token(|_| {})), 2, &parts);
}

#[test]
fn a_ci_system_is_asked_for_a_token_for_sigstore() {
    let (url, asked) = service(|request| {
        let good = request.contains("audience=sigstore") && request.contains("Bearer the-bearer");
        let body = json!({"value": token(|t| t["exp"] = json!(1_700_000_000))}).to_string();
        Some(if good { answer("200 OK", "", &body) } else { answer("401 No", "", "") })
    });
    let shop = shop("http://127.0.0.1:9");
    let mut command = shop.command(&PUBLISH);
    command.env("GITHUB_ACTIONS", "true");
    command.env("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{url}/token?api-version=2.0"));
    command.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-bearer");
    let parts = ["the identity token of this GitHub Actions run cannot be used", "expired"];
    fails(&shop, &mut command, 2, &parts);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    command.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "another");
    fails(&shop, &mut command, 2, &["the CI system's token service", "status 401"]);
    command.env("ACTIONS_ID_TOKEN_REQUEST_URL", "http://x.example/token");
    fails(&shop, &mut command, 2, &["is not an HTTPS URL"]);
}

#[test]
fn a_dry_run_asks_nobody() {
    let (url, asked) = service(|_| Some(answer("500 Oops", "", "")));
    let shop = shop(&url);
    let dry = [&PUBLISH[..], &["--dry-run"]].concat();
    let run = Run::of(shop.command(&dry).env("SIGSTORE_ID_TOKEN", token(|_| {})).output().unwrap());
    assert_eq!(run.ok().out.lines().next().unwrap().split("  ").next(), Some("would publish"));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    fails(&shop, &mut shop.command(&dry), 2, &["there is no identity to sign with"]);
}

/// The programs of Buildkite and CircleCI, as far as they are called.
#[test]
fn the_programs_of_ci_systems_are_asked() {
    let shop = shop("http://127.0.0.1:9");
    let expired = token(|t| t["exp"] = json!(1_700_000_000));
    for (variable, program, words) in [
        ("BUILDKITE", "buildkite-agent", "oidc request-token --audience sigstore"),
        ("CIRCLECI", "circleci", r#"run oidc get --root-issuer --claims {"aud":"sigstore"}"#),
    ] {
        let script = format!("#!/bin/sh\n[ \"$*\" = '{words}' ] && echo '{expired}'\n");
        shop.write(&format!("bin/{program}"), &script);
        let path = shop.path(&format!("bin/{program}"));
        let mut mode = fs::metadata(&path).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o755);
        fs::set_permissions(&path, mode).unwrap();
        let mut command = shop.command(&PUBLISH);
        let search = format!("{}:{}", shop.path("bin").display(), env!("PATH"));
        fails(&shop, command.env(variable, "true").env("PATH", search), 2, &["job", "expired"]);
        fs::write(&path, "#!/bin/sh\necho secret >&2\nexit 3\n").unwrap();
        let gave_none = format!("`{program}` gave no identity token");
        fails(&shop, &mut command, 3, &[&gave_none]);
    }
}

/// A timestamp is asked for with a key too, and what comes is looked at.
#[test]
fn a_timestamp_that_answers_nothing_is_refused() {
    for (status, body, code, part) in [
        ("200 OK", "nonsense", 1, "it is not a timestamp response"),
        ("503 Busy", "", 3, "status 503"),
        ("404 Not Found", "", 3, "status 404"),
    ] {
        let (url, _) = service(move |_| Some(answer(status, "", body)));
        let shop = Shop::new();
        let publish = ["publish", "config", ARTIFACT, "--lock", "off", "--key", "a.key"];
        let command = [&publish[..], &["--timestamp-url", &url]].concat();
        fails(&shop, &mut shop.command(&command), code, &["the timestamp authority", part]);
    }
}

/// `sign-bundle` as the conformance protocol types it, where it cannot come
/// about: the token is not shown, and no bundle is there afterwards.
#[test]
fn no_bundle_is_written_and_its_token_is_not_shown() {
    let shop = Shop::new();
    shop.write("a.txt", "what is signed");
    // It repeats what it was sent, the token among it.
    let (url, asked) = service(|text| Some(answer("400 Bad Request", "", text)));
    let forever = json!({"start": "2020-01-01T00:00:00Z"});
    let part = |url: &str, version: u32| json!([{"url": url, "majorApiVersion": version, "validFor": forever, "operator": "x"}]);
    let config = json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": part(&url, 1), "rekorTlogUrls": part(&url, 1),
        "rekorTlogConfig": {"selector": "ANY"}, "tsaUrls": part(&url, 1),
        "tsaConfig": {"selector": "ANY"},
    });
    shop.write("services.json", &config.to_string());
    let sign = |token: &str, more: &[&str]| {
        let flags = ["sign-bundle", "--identity-token", token, "--bundle", "b.json"];
        let services = ["--signing-config", "services.json", "-o", "json"];
        let run = shop.run(&[&flags[..], &services, more].concat());
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!run.out.contains(part) && !run.err.contains(part), "{}{}", run.out, run.err);
        }
        assert!(!shop.path("b.json").exists());
        run
    };
    let good = token(|_| {});
    let expired = token(|payload| payload["exp"] = 1_000_000_000.into());
    for (token, more, said) in [
        (&expired, &["a.txt"][..], "it expired"),
        (&"nothing-like-it".to_owned(), &["a.txt"], "`--identity-token`"),
        (&good, &["nowhere.txt"], "cannot read the artifact"),
        (&good, &["--in-toto", "a.txt"], "cannot be signed as a statement"),
        (&good, &["--trusted-root", "a.txt", "a.txt"], "the trust root `a.txt`"),
        (&good, &["--bundle", "b.json", "a.txt"], "cannot be used multiple times"),
        (&good, &[], "required arguments"),
    ] {
        let run = sign(token, more);
        assert!(run.code == 2 && run.err.contains(said), "{more:?}: {} {}", run.code, run.err);
        assert_eq!(run.json()["verb"], "sign-bundle");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody was asked");
    let refused = sign(&good, &["--staging", "--timeout", "5s", "a.txt"]);
    assert!(refused.err.contains("the certificate authority (Fulcio)"), "{}", refused.err);
    assert!(refused.err.contains("nothing was pushed or written"), "{}", refused.err);
    assert_eq!((refused.code, asked.load(Ordering::SeqCst)), (2, 1));
    let help = shop.run(&["sign-bundle", "--help"]).ok().out;
    assert!(help.contains("For conformance tests and CI only"), "{help}");
}
