//! The OCI image layout on disk, through the verbs of `Store`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::{fs, path::Path};

use bytes::Bytes;
use serde_json::{Value, json};
use sluicegate::{
    edge::registry::{
        Blob, Expect, Fault, Key, Pointed, Referrers, Store, Written, layout::Layout,
    },
    model::{
        artifact::{manifest::Descriptor, media},
        digest::Digest,
        reference::Tag,
        text::chain,
    },
};

mod broken;
mod oras;
mod verbs;
mod writers;

/// What an artifact's statement has for an artifact type in these tests.
const TYPE: &str = "application/vnd.example.statement.v1+json";

fn store(dir: &Path) -> Store {
    Store::Layout(Layout::open(dir, 4 << 20).unwrap())
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// The empty JSON object, the config of the manifests here.
fn empty() -> Blob {
    Blob::of(media::OCI_EMPTY, &b"{}"[..])
}

/// A manifest that differs by `name`.
fn artifact(name: &str) -> Bytes {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "config": empty().descriptor,
        "layers": [empty().descriptor],
        "annotations": {"name": name},
    });
    manifest.to_string().into()
}

/// A statement about `subject` that differs by `name`.
fn statement(subject: &Bytes, name: &str) -> Bytes {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "config": empty().descriptor,
        "layers": [empty().descriptor],
        "annotations": {"name": name},
        "subject": Descriptor::of(media::OCI_MANIFEST, subject),
        "artifactType": TYPE,
    });
    manifest.to_string().into()
}

async fn put_tag(store: &Store, name: &str, bytes: &Bytes) {
    store.put_blob(&empty(), None).await.unwrap();
    let key = Key::Tag(tag(name));
    store.put_manifest(&key, media::OCI_MANIFEST, bytes.clone(), &Expect::Anything).await.unwrap();
}

async fn put(store: &Store, bytes: &Bytes) -> Written {
    store.put_blob(&empty(), None).await.unwrap();
    let key = Key::Digest(Digest::of(bytes));
    let expect = Expect::Anything;
    store.put_manifest(&key, media::OCI_MANIFEST, bytes.clone(), &expect).await.unwrap()
}

/// The referrers' digests in order, and whether the list was cut.
async fn referrers(store: &Store, subject: &Bytes) -> Vec<Descriptor> {
    match store.referrers(&Digest::of(subject), 1000).await.unwrap() {
        Referrers::Listed { descriptors, truncated: false } => descriptors,
        other => panic!("{other:?}"),
    }
}

fn index(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("index.json")).unwrap()).unwrap()
}

fn blob_path(dir: &Path, bytes: &[u8]) -> std::path::PathBuf {
    dir.join("blobs/sha256").join(Digest::of(bytes).hex())
}

fn is_malformed(fault: &Fault) -> bool {
    matches!(fault, Fault::Malformed(_) | Fault::Layout(_))
}
