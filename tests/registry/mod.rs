//! Registries over HTTP, against the registry of [`crate::support`]. A test of
//! an advisory is named after it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

// What is sent to whom: basic, bearer, refresh tokens, files, flags.
mod auth;
// Bodies that are too long, too short, too slow or other than asked for.
mod bodies;
// Round trips, counted.
mod counts;
// Registries that repeat the credentials they were sent.
mod echo;
// Referrers and tags: pages, circles, registries without the API.
mod listing;
// Redirects and realms on other hosts.
mod redirects;
// 429, 5xx and connections that break.
mod retries;
// Private authorities and client certificates.
mod tls;
// Each verb against a registry that behaves.
mod verbs;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use sluicegate::{
    edge::registry::{Blob, Expect, Fault, Key, NamedBy, Options, Registries, Result, Store, Zone},
    model::{
        artifact::{manifest::Descriptor, media},
        digest::Digest,
        reference::Tag,
    },
};

use crate::support::registry::Registry;

/// The repository that most tests use.
const REPOSITORY: &str = "shop/config";

/// Options with time limits for tests.
fn quick() -> Options {
    Options {
        deadline: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(10),
        ..Options::default()
    }
}

/// Options for tests that wait for a time limit.
fn hurried() -> Options {
    Options {
        deadline: Duration::from_millis(900),
        idle_timeout: Duration::from_millis(200),
        ..quick()
    }
}

/// The repository of a registry, opened with options.
fn open_with(registry: &Registry, options: Options) -> Store {
    Registries::new(options).unwrap().open(&registry.place(REPOSITORY)).unwrap()
}

fn open(registry: &Registry) -> Store {
    open_with(registry, quick())
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// The bytes of a manifest with the empty config, no layers and `note`.
fn manifest(note: &str) -> Bytes {
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "config": Descriptor::of(media::OCI_EMPTY, b"{}"),
        "layers": [],
        "annotations": BTreeMap::from([("note", note)]),
    });
    serde_json::to_vec(&manifest).unwrap().into()
}

/// The bytes of a manifest whose subject is `subject`.
fn referrer(subject: &Digest, note: &str) -> Bytes {
    let mut manifest: serde_json::Value = serde_json::from_slice(&manifest(note)).unwrap();
    manifest["subject"] =
        serde_json::to_value(Descriptor::new(media::OCI_MANIFEST, *subject, 2)).unwrap();
    manifest["artifactType"] = media::BUNDLE.into();
    serde_json::to_vec(&manifest).unwrap().into()
}

/// Stores a manifest under a tag without any request.
fn stored(registry: &Registry, at: &str, note: &str) -> Digest {
    registry.put_blob(REPOSITORY, "{}");
    registry.put_manifest(REPOSITORY, Some(at), media::OCI_MANIFEST, manifest(note))
}

/// The fault of a result that must be an error.
fn fault<T: std::fmt::Debug>(result: Result<T>) -> Fault {
    result.unwrap_err().fault
}

/// An error with all its causes, as a user sees it.
fn shown<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    format!("{error}: {}\n{error:?}", error.fault)
}

/// Writes the empty config and a manifest under a tag.
async fn push(store: &Store, at: &str, note: &str) -> Result<Digest> {
    store.put_blob(&Blob::of(media::OCI_EMPTY, "{}"), None).await?;
    let bytes = manifest(note);
    let digest = Digest::of(&bytes);
    let key = Key::Tag(tag(at));
    store.put_manifest(&key, media::OCI_MANIFEST, bytes, &Expect::Anything).await?;
    Ok(digest)
}
