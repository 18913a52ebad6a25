//! Reading everything that an artifact is made of: config and layers, and for
//! an index every manifest below it.
//!
//! Whoever pulls an index by its digest takes what its entries name. So what
//! they name is read to the end, each digest once, and what is too much or too
//! deep to be read is said and not passed over. Nothing is kept.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt, stream};

use crate::{
    edge::registry::{BlobReader, Fault, Key, RegistryError, Store},
    model::{
        artifact::{
            manifest::{Descriptor, Parts},
            media,
        },
        digest::Digest,
        policy::{Gap, Verdict},
    },
};

use super::verify::Artifact;

/// How deep indexes may be nested below an artifact.
const MAX_DEPTH: usize = 4;
/// How many manifests are read below an artifact.
const MAX_MANIFESTS: usize = 1000;
/// How many configs and layers are read of an artifact.
const MAX_BLOBS: usize = 10_000;
/// How many reads are under way at once.
const CONCURRENCY: usize = 8;

/// Turns an acceptance into a rejection when anything below the artifact has
/// other bytes than its digest says, or into unknown when anything cannot be
/// read.
pub async fn read(artifact: &Artifact, verdict: Verdict) -> Verdict {
    let digest = *artifact.digest();
    let mut tree = Tree { store: &artifact.store, named: BTreeSet::new(), gap: None };
    let read = async {
        let blobs = tree.manifests(digest, artifact.manifest.bytes.clone()).await?;
        tree.blobs(blobs).await
    };
    match (read.await, tree.gap) {
        (Err(Wrong(found)), _) => Verdict::wrong_bytes(digest, found),
        (Ok(()), Some(gap)) => Verdict::unread(digest, &gap),
        (Ok(()), None) => verdict,
    }
}

/// Bytes are not what a digest names: what was found.
struct Wrong(String);

/// What is read below an artifact.
struct Tree<'a> {
    store: &'a Store,
    /// What is named so far, each with its size: a size that lies is found out
    /// only when the content is read as such.
    named: BTreeSet<(Digest, u64)>,
    /// The first that could not be read.
    gap: Option<Gap>,
}

impl Tree<'_> {
    /// Reads every manifest at and below `root`, one level after the other;
    /// what else they name.
    async fn manifests(&mut self, digest: Digest, root: Bytes) -> Result<Vec<Descriptor>, Wrong> {
        let (mut level, mut blobs, mut count) = (vec![(digest, root)], Vec::new(), 0);
        for depth in 0..=MAX_DEPTH {
            let mut below = Vec::new();
            for (digest, bytes) in &level {
                self.sort(digest, bytes, &mut below, &mut blobs);
            }
            if depth == MAX_DEPTH && !below.is_empty() {
                self.cap("manifests", format!("indexes are nested deeper than {MAX_DEPTH} levels"));
                break;
            }
            count += below.len();
            if count > MAX_MANIFESTS {
                self.cap("manifests", format!("there are more than {MAX_MANIFESTS}"));
                below.clear();
            }
            level = self.level(&below).await?;
        }
        Ok(blobs)
    }

    /// Sorts what a manifest names, as far as nobody named it before.
    fn sort(
        &mut self,
        digest: &Digest,
        bytes: &[u8],
        below: &mut Vec<Descriptor>,
        blobs: &mut Vec<Descriptor>,
    ) {
        let parts = match Parts::parse(bytes) {
            Ok(parts) => parts,
            Err(error) => {
                let why = format!("it is no manifest that names all its parts: {error}");
                return self.missed(format!("the manifest `{digest}`"), why);
            }
        };
        let listed = parts.manifests.into_iter().flatten();
        let held = parts.config.into_iter().chain(parts.layers.into_iter().flatten());
        let all = listed.map(|entry| (is_manifest(&entry), entry));
        for (is_manifest, entry) in all.chain(held.map(|blob| (false, blob))) {
            if self.named.insert((entry.digest, entry.size)) {
                if is_manifest { &mut *below } else { &mut *blobs }.push(entry);
            }
        }
    }

    async fn level(&mut self, entries: &[Descriptor]) -> Result<Vec<(Digest, Bytes)>, Wrong> {
        let store = self.store;
        let mut reads = stream::iter(entries)
            .map(async |entry| (entry, store.manifest(&Key::Digest(entry.digest)).await))
            .buffered(CONCURRENCY);
        let mut level = Vec::new();
        while let Some((entry, read)) = reads.next().await {
            let (digest, size) = (entry.digest, entry.size);
            let what = format!("the manifest `{digest}`");
            match read {
                Ok(Some(found)) if found.descriptor.size == size => {
                    level.push((digest, found.bytes));
                }
                Ok(Some(found)) => {
                    let got = found.descriptor.size;
                    return Err(Wrong(format!("{what} has {got} bytes, its index says {size}")));
                }
                Ok(None) => self.missed(what, Fault::NotFound.to_string()),
                Err(error) => self.failed(what, &error)?,
            }
        }
        Ok(level)
    }

    /// Reads every blob to its end.
    async fn blobs(&mut self, mut blobs: Vec<Descriptor>) -> Result<(), Wrong> {
        if blobs.len() > MAX_BLOBS {
            self.cap("configs and layers", format!("there are more than {MAX_BLOBS}"));
            blobs.truncate(MAX_BLOBS);
        }
        let store = self.store;
        let mut reads = stream::iter(&blobs)
            .map(async |blob| (blob.digest, read_through(store, blob).await))
            .buffered(CONCURRENCY);
        while let Some((digest, read)) = reads.next().await {
            if let Err(error) = read {
                self.failed(format!("the blob `{digest}`"), &error)?;
            }
        }
        Ok(())
    }

    fn failed(&mut self, what: String, error: &RegistryError) -> Result<(), Wrong> {
        match error.is_wrong_bytes() {
            true => Err(Wrong(format!("{what}: {}", error.fault))),
            false => {
                self.missed(what, error.fault.to_string());
                Ok(())
            }
        }
    }

    fn missed(&mut self, what: String, why: String) {
        self.gap.get_or_insert(Gap { what, why, cap: None });
    }

    fn cap(&mut self, what: &str, why: String) {
        let what = format!("the {what} of the artifact");
        self.gap.get_or_insert(Gap { what, why, cap: None });
    }
}

/// An index may name content of any type; one without a type is a manifest.
fn is_manifest(entry: &Descriptor) -> bool {
    matches!(
        entry.media_type.as_str(),
        "" | media::OCI_MANIFEST | media::OCI_INDEX | media::DOCKER_MANIFEST | media::DOCKER_LIST
    )
}

async fn read_through(store: &Store, blob: &Descriptor) -> Result<(), RegistryError> {
    let mut reader: BlobReader = store.open_blob(blob).await?;
    while reader.chunk().await?.is_some() {}
    Ok(())
}
