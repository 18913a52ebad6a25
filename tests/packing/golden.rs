//! The same files give the same bytes: on every machine, and in every version
//! of the format.
//!
//! `tests/vectors/bundles.json` holds bundles with the digests they have.
//! `SNAPSHOTS=overwrite` writes what is computed instead of comparing it; when
//! that changes a digest, the version of the format has to grow.

use std::{collections::BTreeMap, time::SystemTime};

use serde::{Deserialize, Serialize};
use sluicegate::model::digest::Digest;

use super::*;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/bundles.json");

/// One bundle and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Bundle {
    /// What it shows.
    name: String,
    /// Its files; a name that ends in `*` is executable.
    files: BTreeMap<String, Content>,
    /// What is packed.
    packed: Vec<String>,
    /// The digest of the tar stream.
    diff_id: String,
    /// The digest of the layer.
    layer: String,
    /// The size of the layer.
    size: u64,
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    /// HelmReleases made up from a range of numbers.
    Releases {
        releases: [u32; 2],
    },
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Releases { releases: [from, to] } => (*from..*to).map(release).collect(),
        }
    }
}

/// A document that compresses about as real ones do.
fn release(number: u32) -> String {
    let noise = Digest::of(&number.to_le_bytes());
    format!(
        "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: app-{number}\n  \
         namespace: team-{}\nspec:\n  interval: 10m\n  chart:\n    spec:\n      chart: podinfo\n      \
         version: 6.{}.{}\n      sourceRef: {{kind: HelmRepository, name: podinfo}}\n  values:\n    image: {{repository: ghcr.io/acme/app-{number}, digest: \"{noise}\"}}\n",
        number % 17,
        number % 9,
        number % 23,
    )
}

fn bundles() -> Vec<Bundle> {
    let text = fs::read_to_string(VECTORS).expect("vectors");
    serde_json::from_str(&text).expect("vectors")
}

/// Packs a bundle in a directory of its own, whose modes and times are `odd`.
fn compute(bundle: &Bundle, odd: bool) -> Bundle {
    let files: Vec<_> = bundle.files.iter().map(|(n, c)| (n.as_str(), c.text())).collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let root = directory(&files);
    if odd {
        make_odd(root.path(), &files);
    }
    let packed = packed(root.path(), &Options::default());
    let problems = codes(&packed.judgement.problems);
    let Some(layer) = &packed.layer else {
        panic!("`{}` has problems: {:?}", bundle.name, problems.first());
    };
    Bundle {
        packed: names(&packed).into_iter().map(str::to_owned).collect(),
        diff_id: layer.diff_id.to_string(),
        layer: layer.digest.to_string(),
        size: layer.size,
        ..bundle.clone()
    }
}

/// What another umask, another checkout and another day leave behind.
fn make_odd(root: &Path, files: &[(&str, &str)]) {
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
    };
    for (name, _) in files {
        let path = root.join(name.trim_end_matches('*'));
        let file = fs::File::options().write(true).open(&path).expect("file");
        file.set_modified(SystemTime::UNIX_EPOCH).expect("time");
        mode(&path, if name.ends_with('*') { 0o700 } else { 0o666 });
        mode(path.parent().expect("parent"), 0o700);
    }
    fs::create_dir(root.join("left-behind")).expect("empty directory");
}

#[test]
fn digests_are_those_recorded() {
    let computed: Vec<_> = bundles().iter().map(|bundle| compute(bundle, false)).collect();
    if std::env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite") {
        let text = serde_json::to_string_pretty(&computed).expect("json") + "\n";
        fs::write(VECTORS, text).expect("write");
    }
    assert_eq!(computed, bundles());
}

#[test]
fn digests_do_not_depend_on_modes_times_and_paths() {
    for bundle in bundles() {
        assert_eq!(compute(&bundle, true), bundle);
    }
}

/// The umask of the process that packs has no effect, nor have its locale, time
/// zone and directory for temporary files.
#[test]
fn digests_do_not_depend_on_the_environment() {
    let test = "packing::golden::digests_are_those_recorded";
    let elsewhere = tempfile::tempdir().expect("temporary directory");
    for umask in ["000", "077"] {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$0\" --exact {test}")])
            .arg(std::env::current_exe().expect("this test"))
            .env("TMPDIR", elsewhere.path())
            .env("LC_ALL", "tr_TR.UTF-8")
            .env("TZ", "Asia/Kathmandu")
            .env_remove("SNAPSHOTS")
            .output()
            .expect("sh");
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && shown.contains("1 passed"), "{umask}: {shown}");
    }
}
