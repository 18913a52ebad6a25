//! What a tired person types, and what is said: the thing, what was expected,
//! and what to do. Word by word, because the words are the product.

use std::fs;

use super::{ARTIFACT, Shop};
use crate::support::registry::{Config, Registry};

/// Runs it and compares all of stderr; stdout must be empty and the code 2.
#[track_caller]
fn said(shop: &Shop, arguments: &[&str], expected: &str) {
    let run = shop.run(arguments);
    assert_eq!((run.code, run.out.as_str()), (2, ""), "{arguments:?}: {}", run.err);
    let words = run.err.split("\n\nFor more information").next().unwrap_or_default();
    assert_eq!(words.trim_end(), expected, "{arguments:?}");
}

fn publish<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["publish", "config", "oci-layout:registry:2", "--lock", "off", "--quiet"], more].concat()
}

#[test]
fn about_keys() {
    let shop = Shop::published();
    let verify = |key| ["verify", ARTIFACT, "--key", key];
    said(
        &shop,
        &verify("nope.pub"),
        "error: cannot read the key `nope.pub`: No such file or directory (os error 2)\n\
         hint: check the path; `sluicegate keygen` makes a new pair of keys",
    );
    said(
        &shop,
        &verify("a.key"),
        "error: `a.key` is not a usable public key: this is a private key; expected the public half, such as `cosign.pub`\n\
         hint: verifying takes the public key, such as `cosign.pub`",
    );
    said(
        &shop,
        &publish(&["--key", "a.pub"]),
        "error: `a.pub` is not a usable private key: it is a public key; signing needs the private half\n\
         hint: signing takes the private key, such as `cosign.key`",
    );
    said(
        &shop,
        &publish(&["--key", "awskms://alias/release"]),
        "error: key references of the kind `awskms` are not supported; expected the path of a key file or `env://VARIABLE`",
    );
    let inline = fs::read_to_string(shop.path("a.key")).unwrap();
    said(
        &shop,
        &publish(&["--key", &inline]),
        "error: the text of a key was given; expected the path of a key file or `env://VARIABLE`\n\
         hint: keep the key in an environment variable and name that; arguments are seen by everybody on the machine",
    );
    said(
        &shop,
        &publish(&["--key", "env://UNSET"]),
        "error: the environment variable `UNSET` that should hold the key is not set\n\
         hint: set it to the text of the key, or give the path of a key file",
    );
    said(
        &shop,
        &publish(&["--key", "a.key", "--key", "a.key"]),
        "error: the key `a.key` is given twice\nhint: name each signer's key once",
    );
    said(
        &shop,
        &["keygen", "--output-key-prefix", "a"],
        "error: `a.key` exists, and keys are never overwritten\n\
         hint: choose another name with `--output-key-prefix`",
    );
}

#[test]
fn about_passwords() {
    let shop = Shop::new();
    let arguments = publish(&["--key", "a.key"]);
    let with = |password: Option<&str>| {
        let mut command = shop.command(&arguments);
        match password {
            Some(password) => command.env("COSIGN_PASSWORD", password),
            None => command.env_remove("COSIGN_PASSWORD"),
        };
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        with(Some("wrong")),
        "error: the password does not open `a.key`\n\
         hint: check what is in `COSIGN_PASSWORD`, or what was piped in or typed\n"
    );
    assert_eq!(
        with(None),
        "error: `a.key` is encrypted and there is no password\n\
         hint: set `COSIGN_PASSWORD`, give `--key-password-stdin`, or run on a terminal\n"
    );
}

#[test]
fn about_references() {
    let shop = Shop::new();
    let key = ["--key", "a.key"];
    let to = |reference| [&["publish", "config", reference][..], &key].concat();
    said(
        &shop,
        &to("oci-layout:registry"),
        "error: `oci-layout:registry` names no tag, and publishing moves one\n\
         hint: name one, such as `oci-layout:registry:1.0.0`",
    );
    let digest = format!("oci://h.example/r:1@sha256:{}", "a".repeat(64));
    said(
        &shop,
        &to(&digest),
        &format!(
            "error: `{digest}` names a digest, which publishing computes\nhint: give a tag only"
        ),
    );
    for wrong in ["docker://h.example/r:1", "https://h.example/r:1", "h.example/r:1"] {
        said(
            &shop,
            &to(wrong),
            &format!(
                "error: invalid value '{wrong}' for '<REFERENCE>': `{wrong}` is not a reference; expected \
                 `oci://HOST/REPOSITORY[:TAG][@DIGEST]` or `oci-layout:DIR[:TAG][@DIGEST]`; did you mean \
                 `oci://h.example/r:1`?"
            ),
        );
    }
    let run = shop.run(&to("oci://h.example/r:feature/x"));
    assert_eq!(run.code, 2);
    assert!(run.err.contains("feature/x"), "{}", run.err);
    let reserved = format!("sha256-{}", "a".repeat(64));
    said(
        &shop,
        &publish(&["--key", "a.key", "--tag", &reserved]),
        &format!(
            "error: the tag `{reserved}` is reserved for statements about a digest\nhint: choose another name"
        ),
    );
    said(
        &shop,
        &["diff", "docker://x", "config"],
        "error: `docker://x` is neither a reference nor a directory\n\
         hint: write `oci://HOST/REPOSITORY[:TAG]`, `oci-layout:DIR[:TAG]` or the path of a directory",
    );
}

#[test]
fn about_annotations() {
    let shop = Shop::new();
    fn with(text: &str) -> Vec<&str> {
        publish(&["--key", "a.key", "--annotation", text])
    }
    for text in ["team", "=a"] {
        said(
            &shop,
            &with(text),
            &format!(
                "error: the annotation `{text}` has no key or no `=`\nhint: write `--annotation key=value`"
            ),
        );
    }
    for key in ["created", "source", "revision"] {
        let key = format!("org.opencontainers.image.{key}");
        let derived = format!("{key}=x");
        said(
            &shop,
            &with(&derived),
            &format!(
                "error: the annotation `{key}` is derived from the source\n\
                 hint: leave it out; outside git, give `--source` and `--revision`"
            ),
        );
    }
}

#[test]
fn about_the_input() {
    let shop = Shop::new();
    said(
        &shop,
        &["check", "nowhere"],
        "error: cannot pack the input: `nowhere` cannot be read: No such file or directory (os error 2)\n\
         hint: give a directory, a file, or `-` for standard input",
    );
    said(
        &shop,
        &["check", "-"],
        "error: standard input has no name\nhint: give the file a name with `--name rendered.yaml`",
    );
    said(
        &shop,
        &["check", "config", "--name", "x.yaml"],
        "error: `--name` is for standard input only\nhint: leave it out",
    );
    fs::create_dir(shop.path("empty")).unwrap();
    let run = shop.run(&["check", "empty"]);
    assert_eq!(run.code, 2);
    assert!(run.err.starts_with("error[empty]: the directory has no file"), "{}", run.err);
    let run = shop.run(&publish(&["--key", "a.key", "--source", "https://x.example/y"]));
    assert_eq!(run.code, 2);
    assert!(run.err.contains("--revision"), "{}", run.err);
}

#[test]
fn about_git() {
    let shop = Shop::new();
    let publish = publish(&["--key", "a.key"]);
    shop.write("config/new.yaml", "a: 1\n");
    let run = shop.run(&publish);
    assert_eq!(run.code, 2);
    assert!(
        run.err.starts_with("error: what would be packed differs from commit `"),
        "{}",
        run.err
    );
    assert!(run.err.contains("`new.yaml` (not in the commit)"), "{}", run.err);
    assert!(run.err.contains("hint: commit or remove them, or use `--allow-dirty`"), "{}", run.err);
    fs::remove_file(shop.path("config/new.yaml")).unwrap();
    shop.git(&["remote", "remove", "origin"]);
    said(
        &shop,
        &publish,
        "error: the git repository has no remote to name as the source\n\
         hint: give the repository with `--source URL` and what was built with `--revision`",
    );
    fs::remove_dir_all(shop.path(".git")).unwrap();
    let run = shop.run(&publish);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("`config` is not in a git repository"), "{}", run.err);
}

#[test]
fn about_places() {
    let shop = Shop::published();
    shop.write("full/x", "x");
    said(
        &shop,
        &["pull", ARTIFACT, "full", "--key", "a.pub"],
        "error: cannot extract the artifact: `full` is a directory that is not empty; expected nothing there, or an empty directory\n\
         hint: name another directory; nothing is ever extracted over something else",
    );
    let run = shop.run(&["inspect", "oci-layout:full:1"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("`full` is not an OCI image layout"), "{}", run.err);
    assert_eq!(run.err.matches("full").count(), 2, "said more than needed: {}", run.err);
}

/// Each says what is not there, and what to do about just that.
#[test]
fn about_what_is_not_there() {
    let shop = Shop::published();
    shop.write("full/x", "x");
    let error = |arguments: &[&str], code: i32| {
        let run = shop.run(arguments);
        assert_eq!(run.code, code, "{arguments:?}: {}{}", run.out, run.err);
        run.err
    };
    said(
        &shop,
        &["pull", ARTIFACT, "a/b/c", "--key", "a.pub"],
        "error: cannot extract the artifact: `a/b/c` would be in a directory that does not exist\n\
         hint: make it first, with `mkdir -p a/b`",
    );
    let text = error(&["verify", "oci-layout:nope:1", "--key", "a.pub"], 3);
    assert!(text.contains("hint: there is no such directory"), "{text}");
    let text = error(&["inspect", "oci-layout:registry:9"], 3);
    assert!(text.contains("hint: check the spelling, and that it was published"), "{text}");
    let text = error(&["verify", "oci-layout:full:1", "--key", "a.pub"], 2);
    assert!(text.contains("hint: name the directory of an OCI image layout;"), "{text}");
    let text =
        error(&["publish", "config", "oci-layout:full:1", "--key", "a.key", "--lock", "off"], 2);
    assert!(text.contains("or a directory that is empty or new"), "{text}");
}

/// A layer whose bytes are others, and a connection that fails.
#[test]
fn about_what_does_not_arrive() {
    let shop = Shop::published();
    let (_, layer) = shop.digests();
    shop.change(&layer);
    let run = shop.run(&["pull", ARTIFACT, "out", "--unsafe-skip-verification", "-q"]);
    assert_eq!(run.code, 1, "{}", run.err);
    let start =
        format!("error: cannot read the blob `{layer}` of `oci-layout:registry`: wrong bytes");
    assert!(run.err.starts_with(&start), "{}", run.err);
    assert!(run.err.contains("hint: do not use this copy"), "{}", run.err);
    let registry = Registry::start(Config::default());
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    for (host, flags, hint) in [
        (registry.host(), &["--plain-http=false"][..], "does not speak TLS on this port"),
        ("no-such-host.invalid".into(), &[], "check the spelling of the host"),
        (closed, &[], "nothing listens there"),
    ] {
        let reference = format!("oci://{host}/shop/config:1");
        let run = shop.run(&[&["inspect", &reference, "--timeout", "1s"], flags].concat());
        assert_eq!(run.code, 3, "{}", run.err);
        assert!(run.err.contains(&format!("`{host}/shop/config`")), "{}", run.err);
        assert!(run.err.contains("hint: ") && run.err.contains(hint), "{}", run.err);
    }
}

#[test]
fn about_flags() {
    let shop = Shop::published();
    let run = shop.run(&["check", "config", "--max-file", "8 MB"]);
    assert!(run.err.contains("expected bytes, such as"), "{}", run.err);
    shop.run(&["check", "config", "--max-file", "8MiB"]).ok();
    let login = ["--registry-username", "u", "--registry-password-stdin"];
    let attest = [
        "attest",
        "oci://127.0.0.1:1/x:1",
        "--type",
        "https://x.example",
        "--predicate",
        "-",
        "--key",
        "a.key",
    ];
    let run = shop.run(&[&attest[..], &login].concat());
    let both = "error: both `-` and `--registry-password-stdin` read standard input";
    assert!(run.err.starts_with(both), "{}", run.err);
    let run = shop.run(&[&attest[..], &login, &["--key-password-stdin"]].concat());
    let all = "error: all of `-`, `--key-password-stdin` and `--registry-password-stdin` read";
    assert!(run.err.starts_with(all), "{}", run.err);
    let run = shop.run(&publish(&["--key", "a.key", "--keep-tag", "false"]));
    assert_eq!(run.code, 2);
    assert!(run.err.contains("--keep-tag=false"), "{}", run.err);
    let plain = shop.run(&["inspect", ARTIFACT, "--plain-http", "true"]);
    assert!(plain.err.contains("--plain-http=true"), "{}", plain.err);
}

/// Where a person is not asked, nothing hangs and nothing is written.
#[test]
fn about_machines() {
    let shop = Shop::published();
    let temp = |dir: &str| {
        let mut command = shop.command(&publish(&["--key", "a.key"]));
        super::Run::of(command.env("TMPDIR", shop.path(dir)).output().unwrap())
    };
    let run = temp("nowhere");
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("nowhere/sluicegate-") && run.err.contains("`TMPDIR`"), "{}", run.err);
    said(
        &shop,
        &["pull", ARTIFACT, "a.key/x", "--key", "a.pub"],
        "error: cannot extract the artifact: nothing can be unpacked to `a.key/x`: Not a directory (os error 20)\n\
         hint: check the path",
    );
    let run = shop.run(&["inspect", "oci-layout:registry"]);
    assert_eq!(
        run.err,
        "error: `oci-layout:registry:latest` not found\n\
         hint: no tag was named, so `latest` was looked for; name one\n"
    );
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let to = format!("oci://{closed}/shop/config:1");
    let run =
        shop.run(&["publish", "config", &to, "--key", "a.key", "--lock", "off", "--timeout", "1s"]);
    assert_eq!(run.code, 3, "{}", run.err);
    let error = run.err.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.contains(&closed), "it does not say where: {error}");
}

/// An error and its causes are said once: no part repeats another.
#[test]
fn causes_are_not_repeated() {
    let shop = Shop::published();
    for arguments in [
        &["check", "nowhere"][..],
        &["verify", ARTIFACT, "--key", "nope.pub"],
        &["verify", "oci://127.0.0.1:1/shop:1", "--key", "a.pub", "--timeout", "1s"],
        &["pull", ARTIFACT, "config", "--key", "a.pub"],
        &["inspect", "oci-layout:config:1"],
        &["attest", ARTIFACT, "--type", "https://x.example", "--predicate", "no", "--key", "a.key"],
    ] {
        let run = shop.run(arguments);
        let line = run.err.lines().next().unwrap_or_default();
        let parts: Vec<&str> = line.split(": ").collect();
        for (at, part) in parts.iter().enumerate() {
            assert!(!parts[at + 1..].contains(part), "{arguments:?}: {line}");
        }
        assert_eq!(
            run.err.lines().filter(|line| line.starts_with("error: ")).count(),
            1,
            "{arguments:?}: {}",
            run.err
        );
    }
}

#[test]
fn an_input_that_says_nothing_is_told() {
    let shop = Shop::new();
    shop.write("notes/passwd", "root:x:0:0:root:/root:/bin/bash\n");
    std::fs::create_dir(shop.path("bare")).unwrap();
    for input in ["notes", "notes/passwd"] {
        let run = shop.run(&["check", input]).ok();
        assert!(run.err.contains("warning[no-object]: nothing was recognised"), "{}", run.err);
    }
    assert!(!shop.run(&["check", "config"]).ok().err.contains("no-object"));
    let run = shop.run(&["check", "bare"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("--> bare"), "{}", run.err);
    assert!(!run.err.contains("sourceignore"), "{}", run.err);
    shop.write("bad/dir/a\\b.yaml", "x: 1\n");
    let run = shop.run(&["check", "bad"]);
    assert!(run.err.contains("error[file-name]") && run.err.contains("--> bad/dir"), "{}", run.err);
}
