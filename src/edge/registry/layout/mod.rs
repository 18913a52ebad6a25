//! The OCI image layout on disk: a repository without a server.
//!
//! Follows the OCI image specification, "image-layout.md". `blobs/sha256/` has
//! manifests and blobs alike, `index.json` lists the manifests, and a tag is
//! the annotation `org.opencontainers.image.ref.name` of an entry there.
//! Statements are manifests with a `subject`, listed without a tag.
//!
//! What is written is complete or absent: a temporary file, fsync, rename,
//! fsync of the directory (`disk`). Writers take turns at `index.json` by a
//! lock on a file beside it; readers need none, because the file is only ever
//! replaced. Entries and fields of others are kept (`index`). What is read
//! is bounded, checked against its digest, and a regular file: a layout may
//! come from a stranger, so links and special files in it are refused.
//!
//! A directory that does not exist yet, or is empty, is a layout in which
//! nothing was found; the first write makes it one.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use self::{disk::LOCK_LIMIT, index::IndexFile};
use super::{
    Blob, BlobReader, Content, Expect, Fault, Fetched, Key, OnBytes, Pointed, Referrers,
    RegistryError, Result, Written,
};
use crate::model::{
    artifact::manifest::Descriptor,
    digest::Digest,
    reference::{Place, Tag},
};

mod disk;
mod index;
mod reader;
mod walk;

pub use reader::LayoutBlobReader;

/// The largest manifest that is written, or looked into while listing, in bytes.
const MAX_MANIFEST: u64 = 4 << 20;

/// One OCI image layout: a directory.
#[derive(Debug, Clone)]
pub struct Layout {
    root: Arc<Path>,
    /// The largest manifest that is read, in bytes.
    max_manifest: u64,
}

impl Layout {
    /// The layout in the directory `path`, which need not exist yet; what is
    /// in it is looked at when it is used. `max_manifest` is the size of the
    /// largest manifest that is read by name, in bytes.
    ///
    /// # Errors
    /// [`Fault::Layout`] when `path` is something else than a directory.
    pub fn open(path: &Path, max_manifest: u64) -> Result<Layout> {
        let layout = Layout { root: path.into(), max_manifest };
        match std::fs::metadata(path) {
            Ok(found) if !found.is_dir() => {
                let fault = Fault::Layout(format!("`{}` is not a directory", path.display()));
                Err(RegistryError::new(format!("open `{}`", layout.place()), fault))
            }
            _ => Ok(layout),
        }
    }

    /// Where this layout is.
    pub fn place(&self) -> Place {
        Place::Layout(self.root.to_path_buf())
    }

    /// Whether the directory is there.
    pub async fn exists(&self) -> bool {
        tokio::fs::metadata(&self.root).await.is_ok()
    }

    /// Checks that there is a layout, or that one can be made here.
    ///
    /// # Errors
    /// [`Fault::Layout`].
    pub async fn check_place(&self) -> Result<()> {
        self.blocking(format!("use `{}`", self.place()), disk::check_place).await
    }

    /// The digest that `tag` points at, `None` when there is no such tag. Its
    /// entity tag is the digest itself.
    ///
    /// # Errors
    /// A torn or foreign layout; a tag that names two digests.
    pub async fn look_up(&self, tag: &Tag) -> Result<Option<Pointed>> {
        let wanted = tag.clone();
        self.blocking(format!("resolve the tag `{tag}`"), move |root| {
            let digest = match disk::read_index(root)? {
                Some(index) => index.resolve(&wanted)?,
                None => None,
            };
            Ok(digest.map(|digest| Pointed { digest, etag: Some(digest.to_string()) }))
        })
        .await
    }

    /// Reads a manifest or an index, 4 MiB at most; `None` when there is none.
    ///
    /// # Errors
    /// [`Fault::WrongDigest`] when the file holds other bytes, [`Fault::Malformed`]
    /// when a tag points at a manifest that is missing.
    pub async fn manifest(&self, key: &Key, limit: u64) -> Result<Option<Fetched>> {
        let wanted = key.clone();
        let limit = limit.min(self.max_manifest);
        self.blocking(format!("read the manifest {}", name(key)), move |root| {
            manifest(root, &wanted, limit)
        })
        .await
    }

    /// Whether a manifest is there and listed, so that it and the statements
    /// about it can be found.
    ///
    /// # Errors
    /// A torn or foreign layout.
    pub async fn has_manifest(&self, digest: &Digest) -> Result<bool> {
        let wanted = *digest;
        self.blocking(format!("look for the manifest `{digest}`"), move |root| {
            match disk::read_index(root)? {
                Some(index) => {
                    Ok(walk::lists(root, &index, &wanted)? && intact(root, &wanted)?.is_some())
                }
                None => Ok(false),
            }
        })
        .await
    }

    /// Reads a small blob whole, at most `limit` bytes.
    ///
    /// # Errors
    /// Absence is [`Fault::NotFound`].
    pub async fn blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Bytes> {
        let wanted = descriptor.clone();
        self.blocking(format!("read the blob `{}`", descriptor.digest), move |root| {
            disk::require_layout(root)?;
            if wanted.size > limit {
                return Err(Fault::TooLarge { limit });
            }
            // A byte more than announced is enough to know that it is wrong.
            let read = disk::read_prefix(root, &wanted.digest, wanted.size.saturating_add(1))?;
            let bytes = read.ok_or(Fault::NotFound)?;
            reader::check(Digest::of(&bytes), bytes.len() as u64, &wanted)?;
            Ok(bytes)
        })
        .await
    }

    /// Reads a blob in chunks, never more than the descriptor's size.
    ///
    /// # Errors
    /// Absence is [`Fault::NotFound`].
    pub async fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let action = self.action(&format!("read the blob `{}`", descriptor.digest));
        let wanted = descriptor.clone();
        let file = self
            .blocking(format!("open the blob `{}`", descriptor.digest), move |root| {
                disk::require_layout(root)?;
                disk::open_blob(root, &wanted.digest)?.ok_or(Fault::NotFound)
            })
            .await?;
        Ok(BlobReader::Layout(LayoutBlobReader::new(file, descriptor.clone(), action)))
    }

    /// Whether a blob is there: a file whose bytes have the digest, so that
    /// what another tool left half-written is written again.
    ///
    /// # Errors
    /// A torn or foreign layout, a link or special file in the blob's place.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let wanted = *digest;
        self.blocking(format!("look for the blob `{digest}`"), move |root| {
            disk::require_layout(root)?;
            Ok(intact(root, &wanted)?.is_some())
        })
        .await
    }

    /// Writes a blob, unless its bytes are there already.
    ///
    /// # Errors
    /// [`Fault::WrongDigest`], [`Fault::Truncated`] or [`Fault::TooLarge`] when
    /// the content is not what the descriptor says.
    pub async fn put_blob(&self, blob: &Blob, progress: Option<OnBytes>) -> Result<()> {
        let blob = blob.clone();
        self.blocking(format!("write the blob `{}`", blob.descriptor.digest), move |root| {
            disk::make_layout(root)?;
            put_blob(root, &blob, progress.as_deref())
        })
        .await
    }

    /// Writes a manifest and lists it: by digest without a tag, by tag by
    /// moving the tag. The manifest that had the tag stays listed, since
    /// statements about it stay valid.
    ///
    /// # Errors
    /// [`Fault::PreconditionFailed`], [`Fault::WrongDigest`] when the key is
    /// the digest of other bytes, [`Fault::Local`] when the lock stays taken.
    pub async fn put_manifest(
        &self,
        key: &Key,
        media_type: &str,
        bytes: Bytes,
        expect: &Expect,
    ) -> Result<Written> {
        let put = Put {
            key: key.clone(),
            media_type: media_type.to_owned(),
            bytes,
            expect: expect.clone(),
        };
        self.blocking(format!("write the manifest {}", name(key)), move |root| {
            put_manifest(root, &put)
        })
        .await
    }

    /// The manifests whose subject is `digest`, at most `limit`, each with the
    /// artifact type and the annotations that the manifest itself has. Every
    /// listed manifest is opened for its subject. One listed without a tag
    /// whose bytes are missing or wrong is returned as `index.json` describes
    /// it: it may be a statement, and only its reader can say so.
    ///
    /// # Errors
    /// A torn or foreign layout.
    pub async fn referrers(&self, digest: &Digest, limit: usize) -> Result<Referrers> {
        let subject = *digest;
        self.blocking(format!("list the referrers of `{digest}`"), move |root| {
            match disk::read_index(root)? {
                Some(index) => walk::referrers(root, &index, &subject, limit),
                None => Ok(Referrers::Listed { descriptors: Vec::new(), truncated: false }),
            }
        })
        .await
    }

    /// The tags, sorted. Names of other tools that are no tags, such as whole
    /// references, are left out.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] when there are more than `limit`.
    pub async fn tags(&self, limit: usize) -> Result<Vec<String>> {
        self.blocking("list the tags".to_owned(), move |root| {
            let tags = disk::read_index(root)?.map(|index| index.tags()).unwrap_or_default();
            match tags.len() > limit {
                true => Err(Fault::TooLarge { limit: limit as u64 }),
                false => Ok(tags.into_iter().collect()),
            }
        })
        .await
    }

    /// Runs work on the disk where it blocks no other task.
    async fn blocking<T: Send + 'static>(
        &self,
        action: String,
        work: impl FnOnce(&Path) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let root = Arc::clone(&self.root);
        let done = tokio::task::spawn_blocking(move || work(&root)).await;
        done.unwrap_or_else(|ended| Err(Fault::Local(std::io::Error::other(ended))))
            .map_err(|fault| RegistryError::new(self.action(&action), fault))
    }

    fn action(&self, what: &str) -> String {
        format!("{what} of `{}`", self.place())
    }
}

/// A manifest to be written.
struct Put {
    key: Key,
    media_type: String,
    bytes: Bytes,
    expect: Expect,
}

/// The key for a message.
fn name(key: &Key) -> String {
    match key {
        Key::Tag(tag) => format!("`{tag}`"),
        Key::Digest(digest) => format!("`{digest}`"),
    }
}

fn manifest(root: &Path, key: &Key, limit: u64) -> Result<Option<Fetched>, Fault> {
    let Some(index) = disk::read_index(root)? else { return Ok(None) };
    let digest = match key {
        Key::Digest(digest) => *digest,
        Key::Tag(tag) => match index.resolve(tag)? {
            Some(digest) => digest,
            None => return Ok(None),
        },
    };
    let Some(bytes) = disk::read_blob(root, &digest, limit)? else {
        return match key {
            Key::Digest(_) => Ok(None),
            Key::Tag(tag) => Err(torn_tag(root, tag, &digest)),
        };
    };
    let got = Digest::of(&bytes);
    if got != digest {
        return Err(Fault::WrongDigest { wanted: digest, got });
    }
    let media_type = walk::media_type(&bytes, index.find(&digest));
    let descriptor = Descriptor::new(&media_type, digest, bytes.len() as u64);
    Ok(Some(Fetched { descriptor, bytes, etag: Some(digest.to_string()) }))
}

fn torn_tag(root: &Path, tag: &Tag, digest: &Digest) -> Fault {
    Fault::Malformed(format!(
        "`{}` says that `{tag}` is `{digest}`, but `{}` is missing: the layout is torn; copy or \
         publish that artifact into it again",
        root.join(disk::INDEX).display(),
        disk::blob_path(root, digest).display()
    ))
}

fn put_manifest(root: &Path, put: &Put) -> Result<Written, Fault> {
    if put.bytes.len() as u64 > MAX_MANIFEST {
        return Err(Fault::TooLarge { limit: MAX_MANIFEST });
    }
    let blob = Blob::of(&put.media_type, put.bytes.clone());
    let digest = blob.descriptor.digest;
    if let Key::Digest(wanted) = put.key
        && wanted != digest
    {
        return Err(Fault::WrongDigest { wanted, got: digest });
    }
    disk::make_layout(root)?;
    let lock = disk::lock(root, LOCK_LIMIT)?;
    let mut index = disk::require_index(root)?;
    require(&put.expect, &put.key, &index)?;
    put_blob(root, &blob, None)?;
    let head = walk::Head::parse(&put.bytes);
    let mut entry = blob.descriptor;
    entry.artifact_type = head.as_ref().and_then(|head| head.artifact_type.clone());
    let changed = match &put.key {
        Key::Digest(_) => index.list(&entry)?,
        Key::Tag(tag) => index.tag(&entry, tag)?,
    };
    if changed {
        disk::write_index(root, &index)?;
    }
    drop(lock);
    Ok(Written { oci_subject: head.is_some_and(|head| head.subject.is_some()) })
}

/// Checks the precondition of a write; the lock is held.
fn require(expect: &Expect, key: &Key, index: &IndexFile) -> Result<(), Fault> {
    let now = match key {
        Key::Tag(tag) => index.resolve(tag)?,
        Key::Digest(digest) => index.find(digest).map(|_| *digest),
    };
    let holds = match expect {
        Expect::Anything => true,
        Expect::Absent => now.is_none(),
        Expect::Unchanged { etag } => now.is_some_and(|digest| digest.to_string() == *etag),
    };
    if holds { Ok(()) } else { Err(Fault::PreconditionFailed) }
}

fn put_blob(root: &Path, blob: &Blob, progress: Option<&Progress>) -> Result<(), Fault> {
    let wanted = &blob.descriptor;
    disk::make_blob_dir(root)?;
    if matches!(intact(root, &wanted.digest), Ok(Some(size)) if size == wanted.size) {
        report(progress, wanted.size);
        return Ok(());
    }
    match &blob.content {
        Content::Bytes(bytes) => disk::write_blob(root, wanted, &mut bytes.as_ref(), progress),
        Content::File(path) => {
            let mut file = open_content(path)?;
            disk::write_blob(root, wanted, &mut file, progress)
        }
    }
}

/// What a transfer reports to; see [`OnBytes`].
type Progress = dyn Fn(u64) + Send + Sync;

fn report(progress: Option<&Progress>, bytes: u64) {
    if let Some(progress) = progress {
        progress(bytes);
    }
}

fn open_content(path: &PathBuf) -> Result<File, Fault> {
    File::open(path).map_err(disk::at(path))
}

/// The size of the blob when its file is there and has the right bytes.
fn intact(root: &Path, digest: &Digest) -> Result<Option<u64>, Fault> {
    let Some(mut file) = disk::open_blob(root, digest)? else { return Ok(None) };
    let path = disk::blob_path(root, digest);
    let (got, size) = reader::hash(&mut file as &mut dyn Read).map_err(disk::at(&path))?;
    Ok((got == *digest).then_some(size))
}
