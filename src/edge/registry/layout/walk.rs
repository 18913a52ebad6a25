//! Which manifests a layout lists, and which of them refer to a subject.
//!
//! A layout has no referrers API; the subject of a statement is in its
//! manifest. So every manifest that `index.json` lists, itself or through an
//! index, is opened, within bounds: a layout from a stranger may list a
//! hundred thousand.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    path::Path,
};

use bytes::Bytes;
use serde_json::Value;

use super::{
    super::{Fault, Referrers, Result},
    MAX_MANIFEST, disk,
    index::IndexFile,
};
use crate::model::{
    artifact::{
        manifest::{self, Annotations, Descriptor},
        media,
    },
    digest::Digest,
};

/// How many manifests are opened for one answer.
const MAX_OPENED: usize = 50_000;
/// How many bytes of manifests are read for one answer.
const MAX_READ: u64 = 256 << 20;

/// What of a manifest says where it belongs.
pub(super) struct Head {
    media_type: Option<String>,
    /// `artifactType`, as the manifest says it.
    pub(super) artifact_type: Option<String>,
    config_type: Option<String>,
    annotations: Option<Annotations>,
    /// The digest of the subject, as the manifest says it.
    pub(super) subject: Option<String>,
    manifests: Vec<Descriptor>,
}

impl Head {
    /// Reads a manifest or an index; `None` when it is neither. Lenient: what
    /// is odd in a foreign manifest does not matter here.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let fields = value.as_object()?;
        let text = |value: Option<&Value>| Some(value?.as_str()?.to_owned());
        let list = fields.get("manifests").and_then(|list| manifest::lenient(list).ok());
        Some(Self {
            media_type: text(fields.get("mediaType")),
            artifact_type: text(fields.get("artifactType")).filter(|text| !text.is_empty()),
            config_type: text(fields.get("config").and_then(|config| config.get("mediaType"))),
            annotations: fields
                .get("annotations")
                .and_then(|value| serde_json::from_value(value.clone()).ok()),
            subject: text(fields.get("subject").and_then(|subject| subject.get("digest"))),
            manifests: list.unwrap_or_default(),
        })
    }

    /// The entry of a referrers answer (OCI distribution specification,
    /// "Listing Referrers"): what the manifest itself says of its type.
    fn describe(self, entry: &Descriptor, size: u64) -> Descriptor {
        let media_type = self.media_type.as_deref().unwrap_or(&entry.media_type);
        let mut descriptor = Descriptor::new(media_type, entry.digest, size);
        descriptor.artifact_type = self.artifact_type.or(self.config_type);
        descriptor.annotations = self.annotations;
        descriptor
    }
}

/// The media type of a manifest: what its own bytes say, which the digest
/// covers, else what its entry says, else what it looks like.
pub(super) fn media_type(bytes: &[u8], entry: Option<&Value>) -> String {
    let head = Head::parse(bytes);
    let said = head.as_ref().and_then(|head| head.media_type.clone());
    let listed = || Some(entry?.get("mediaType")?.as_str()?.to_owned());
    let index = head.is_some_and(|head| head.config_type.is_none() && !head.manifests.is_empty());
    let looks = if index { media::OCI_INDEX } else { media::OCI_MANIFEST };
    said.or_else(listed).unwrap_or_else(|| looks.to_owned())
}

/// The manifests whose subject is `subject`.
pub(super) fn referrers(
    root: &Path,
    index: &IndexFile,
    subject: &Digest,
    limit: usize,
) -> Result<Referrers, Fault> {
    let tagged = index.tagged();
    let wanted = subject.to_string();
    let mut descriptors = Vec::new();
    let mut walk = Walk::of(root, index);
    while let Some((listed, read)) = walk.next(is_manifest) {
        if listed.entry.digest == *subject {
            continue;
        }
        let found = match read {
            Ok(bytes) => Head::parse(&bytes)
                .filter(|head| head.subject.as_deref() == Some(&wanted))
                .map(|head| head.describe(&listed.entry, bytes.len() as u64)),
            Err(_) => listed.may_be_statement(&tagged).then_some(listed.entry),
        };
        if let Some(descriptor) = found {
            if descriptors.len() == limit {
                return Ok(Referrers::Listed { descriptors, truncated: true });
            }
            descriptors.push(descriptor);
        }
    }
    Ok(Referrers::Listed { descriptors, truncated: walk.exhausted })
}

/// Whether `digest` is listed in `index.json`, itself or through an index.
pub(super) fn lists(root: &Path, index: &IndexFile, digest: &Digest) -> Result<bool, Fault> {
    if index.find(digest).is_some() {
        return Ok(true);
    }
    let mut walk = Walk::of(root, index);
    while let Some((listed, _)) = walk.next(is_index) {
        if listed.entry.digest == *digest {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_index(media_type: &str) -> bool {
    matches!(media_type, media::OCI_INDEX | media::DOCKER_LIST)
}

fn is_manifest(media_type: &str) -> bool {
    is_index(media_type) || matches!(media_type, "" | media::OCI_MANIFEST | media::DOCKER_MANIFEST)
}

/// A manifest that is listed.
struct Listed {
    entry: Descriptor,
    /// Listed by an index rather than by `index.json`.
    nested: bool,
}

impl Listed {
    /// Whether a manifest that cannot be read may be a statement: what has a
    /// tag or belongs to an index is an image, and a copy of only some
    /// platforms of an image lacks the others.
    fn may_be_statement(&self, tagged: &BTreeSet<&str>) -> bool {
        !self.nested && !tagged.contains(self.entry.digest.to_string().as_str())
    }
}

/// Goes through what is listed, each digest once, wide rather than deep.
struct Walk<'a> {
    root: &'a Path,
    queue: VecDeque<Listed>,
    seen: HashSet<Digest>,
    opened: usize,
    read: u64,
    /// Whether it ended at a limit.
    exhausted: bool,
}

impl<'a> Walk<'a> {
    fn of(root: &'a Path, index: &IndexFile) -> Self {
        let queue = index.descriptors().map(|entry| Listed { entry, nested: false }).collect();
        Self { root, queue, seen: HashSet::new(), opened: 0, read: 0, exhausted: false }
    }

    /// The next manifest. It is read when `open` says so of its media type,
    /// else it is returned without bytes.
    fn next(&mut self, open: fn(&str) -> bool) -> Option<(Listed, Result<Bytes, Fault>)> {
        let listed = loop {
            let listed = self.queue.pop_front()?;
            if self.seen.insert(listed.entry.digest) {
                break listed;
            }
        };
        if !open(&listed.entry.media_type) {
            return Some((listed, Ok(Bytes::new())));
        }
        if self.opened >= MAX_OPENED || self.read >= MAX_READ {
            self.exhausted = true;
            return None;
        }
        let read = self.read(&listed.entry.digest);
        if let Ok(bytes) = &read
            && let Some(head) = Head::parse(bytes)
        {
            let room = MAX_OPENED.saturating_sub(self.queue.len());
            self.exhausted |= head.manifests.len() > room;
            let nested = head.manifests.into_iter().map(|entry| Listed { entry, nested: true });
            self.queue.extend(nested.take(room));
        }
        Some((listed, read))
    }

    fn read(&mut self, digest: &Digest) -> Result<Bytes, Fault> {
        self.opened += 1;
        let bytes = disk::read_blob(self.root, digest, MAX_MANIFEST)?.ok_or(Fault::NotFound)?;
        self.read = self.read.saturating_add(bytes.len() as u64);
        match Digest::of(&bytes) {
            got if got == *digest => Ok(bytes),
            got => Err(Fault::WrongDigest { wanted: *digest, got }),
        }
    }
}
