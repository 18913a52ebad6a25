//! The program as a user sees it: exit codes, what goes to stdout and what to
//! stderr, and what is said about mistakes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

// Exit codes: every way to be rejected, to be wrong and not to know.
mod codes;
// `diff`.
mod diff;
// That each flag has an effect.
mod flags;
// JSON, YAML, SARIF and annotations; their schemas.
mod formats;
// Help, completions, man pages.
mod help;
// Ctrl-C.
mod interrupt;
// Signing without a key, where it cannot come about.
mod keyless;
// The lock: its table, what is not resolved, and what is demanded of it.
mod lock;
// Mistakes, and what is said about them, word by word.
mod mistakes;
// Proxies, and hosts of the network that nobody named.
mod network;
// That no secret is ever printed.
mod secrets;
// What a terminal shows, and how it is left.
mod terminal;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;

/// The password of every test key.
const PASSWORD: &str = "correct-horse-8271";
/// A small bundle.
const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shop\n  namespace: shop\n\
                        data:\n  colour: red\n";
/// The published artifact of [`Shop::published`].
const ARTIFACT: &str = "oci-layout:registry:1.0.0";

/// A git repository with a bundle in `config`, and two pairs of keys.
struct Shop {
    dir: TempDir,
}

/// What a run came to.
#[derive(Debug)]
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self {
            code: output.status.code().expect("an exit code"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }
}

impl Shop {
    fn new() -> Self {
        let shop = Self { dir: tempfile::tempdir().unwrap() };
        for (name, text) in keys() {
            shop.write(name, text);
        }
        shop.write("config/shop.yaml", MANIFEST);
        shop.git(&["init", "--quiet", "--initial-branch=main"]);
        shop.git(&["remote", "add", "origin", "https://github.com/acme/shop.git"]);
        shop.commit();
        shop
    }

    /// One whose bundle is published as [`ARTIFACT`].
    fn published() -> Self {
        let shop = Self::new();
        shop.run(&["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "off"]).ok();
        shop
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn commit(&self) {
        self.git(&["add", "config"]);
        self.git(&["commit", "--quiet", "--message=m"]);
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.args(arguments);
        assert!(self.set(&mut command).status().unwrap().success(), "git {arguments:?}");
    }

    /// The same surroundings everywhere: nothing of the user's.
    fn set<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.dir.path())
            .env("COSIGN_PASSWORD", PASSWORD)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.com")])
            .envs([("GIT_COMMITTER_NAME", "c"), ("GIT_COMMITTER_EMAIL", "c@example.com")])
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .stdin(Stdio::null())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        self.set(command.args(arguments));
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    fn run_with(&self, arguments: &[&str], stdin: &str) -> Run {
        piped(self.command(arguments), stdin)
    }

    /// Keeps only the entries of the layout's index that `keep` wants.
    fn keep_entries(&self, keep: impl Fn(&Value) -> bool) {
        let path = self.path("registry/index.json");
        let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        index["manifests"].as_array_mut().unwrap().retain(keep);
        fs::write(path, index.to_string()).unwrap();
    }

    /// Leaves the artifact without any statement.
    fn forget_statements(&self) {
        self.keep_entries(|entry| tag_of(entry) == Some("1.0.0"));
    }

    /// Changes one byte of a blob of the layout.
    fn change(&self, digest: &str) {
        let path = self.path("registry/blobs/sha256").join(digest.trim_start_matches("sha256:"));
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The artifact's digest and its layer's.
    fn digests(&self) -> (String, String) {
        let view = self.run(&["inspect", ARTIFACT, "-o", "json"]).ok().json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&view["digest"]), text(&view["layers"][0]["digest"]))
    }
}

fn piped(mut command: Command, stdin: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    Run::of(child.wait_with_output().unwrap())
}

fn tag_of(entry: &Value) -> Option<&str> {
    entry["annotations"]["org.opencontainers.image.ref.name"].as_str()
}

/// Two pairs of keys, made once: scrypt takes its time.
fn keys() -> &'static [(&'static str, String)] {
    static KEYS: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        for prefix in ["a", "b"] {
            let made = Command::new(env!("CARGO_BIN_EXE_sluicegate"))
                .current_dir(dir.path())
                .env("COSIGN_PASSWORD", PASSWORD)
                .args(["keygen", "--output-key-prefix", prefix])
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        ["a.key", "a.pub", "b.key", "b.pub"]
            .into_iter()
            .map(|name| (name, fs::read_to_string(dir.path().join(name)).unwrap()))
            .collect()
    })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
