//! The program as a user sees it: exit codes, what goes to stdout and what to
//! stderr, and what is said about mistakes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

// Exit codes: every way to be rejected, to be wrong and not to know.
mod codes;
// `diff`.
mod diff;
// That each flag has an effect.
mod flags;
// Decisions in files.
mod evidence;
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

use std::{fs, ops::Deref, process::Command, sync::OnceLock};

use serde_json::Value;

use crate::support::folder::{Folder, PASSWORD, Run, keeps_to, piped, root};

/// A small bundle.
const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: shop\n  namespace: shop\n\
                        data:\n  colour: red\n";
/// The published artifact of [`Shop::published`].
const ARTIFACT: &str = "oci-layout:registry:1.0.0";

/// A git repository with a bundle in `config`, and two pairs of keys.
struct Shop(Folder);

impl Deref for Shop {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

impl Shop {
    fn new() -> Self {
        let shop = Self(Folder::new());
        for (name, text) in keys() {
            shop.write(name, text);
        }
        shop.write("config/shop.yaml", MANIFEST);
        shop.init("https://github.com/acme/shop.git");
        shop.commit();
        shop
    }

    /// One whose bundle is published as [`ARTIFACT`].
    fn published() -> Self {
        let shop = Self::new();
        shop.run(&["publish", "config", ARTIFACT, "--key", "a.key", "--lock", "off"]).ok();
        shop
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
