//! What is stored.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use sluicegate::model::{artifact::manifest::Descriptor, digest::Digest};

use super::Faults;

/// Everything that changes.
#[derive(Debug, Default)]
pub(super) struct State {
    repositories: BTreeMap<String, Stored>,
    pub(super) faults: Faults,
    /// Tokens given out: repository and actions.
    pub(super) tokens: BTreeMap<String, (String, Vec<String>)>,
    pub(super) counter: usize,
}

impl State {
    pub(super) fn repository(&mut self, name: &str) -> &mut Stored {
        self.repositories.entry(name.to_owned()).or_default()
    }
}

/// One repository.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) blobs: BTreeMap<Digest, Bytes>,
    pub(super) manifests: BTreeMap<Digest, (String, Bytes)>,
    pub(super) tags: BTreeMap<String, Digest>,
    /// The order in which manifests came, which is that of referrers.
    order: Vec<Digest>,
}

impl Stored {
    pub(super) fn put_blob(&mut self, bytes: Bytes) -> Digest {
        let digest = Digest::of(&bytes);
        self.blobs.insert(digest, bytes);
        digest
    }

    pub(super) fn put_manifest(
        &mut self,
        tag: Option<&str>,
        media_type: &str,
        bytes: Bytes,
    ) -> Digest {
        let digest = Digest::of(&bytes);
        if self.manifests.insert(digest, (media_type.to_owned(), bytes)).is_none() {
            self.order.push(digest);
        }
        if let Some(tag) = tag {
            self.tags.insert(tag.to_owned(), digest);
        }
        digest
    }

    /// The manifests whose subject is `subject`, as the API lists them.
    pub(super) fn referrers(&self, subject: &Digest) -> Vec<Descriptor> {
        let wanted = subject.to_string();
        self.order
            .iter()
            .filter_map(|digest| self.manifests.get(digest))
            .filter_map(|(media_type, bytes)| {
                let manifest: Value = serde_json::from_slice(bytes).ok()?;
                if manifest.get("subject")?.get("digest")?.as_str()? != wanted {
                    return None;
                }
                let mut descriptor = Descriptor::of(media_type, bytes);
                let own = manifest.get("artifactType");
                let config = || manifest.get("config")?.get("mediaType");
                let artifact_type = own.or_else(config).and_then(Value::as_str);
                descriptor.artifact_type = artifact_type.map(str::to_owned);
                descriptor.annotations = manifest
                    .get("annotations")
                    .and_then(|annotations| serde_json::from_value(annotations.clone()).ok());
                Some(descriptor)
            })
            .collect()
    }

    /// The first thing that a manifest names and that is not here.
    pub(super) fn missing(&self, manifest: &Value) -> Option<String> {
        let digest = |descriptor: &Value| descriptor.get("digest")?.as_str()?.parse().ok();
        let blobs = manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
        let blobs = blobs.chain(manifest.get("config"));
        let children = manifest.get("manifests").and_then(Value::as_array).into_iter().flatten();
        blobs
            .map(|blob| (blob, true))
            .chain(children.map(|child| (child, false)))
            .find(|(descriptor, is_blob)| {
                digest(descriptor).is_none_or(|digest: Digest| {
                    if *is_blob {
                        !self.blobs.contains_key(&digest)
                    } else {
                        !self.manifests.contains_key(&digest)
                    }
                })
            })
            .map(|(descriptor, _)| descriptor.to_string())
    }
}
