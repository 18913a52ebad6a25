//! Registries over HTTP and the OCI image layout on disk, behind one set of
//! verbs.
//!
//! A [`Store`] is one repository. It checks every byte against the digest it
//! was asked for, bounds every read, retries what is worth retrying and knows
//! nothing about signatures. Which requests are made, and what their answers
//! mean, is decided by its callers in `flow`.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;

use crate::model::{
    artifact::manifest::Descriptor,
    digest::Digest,
    reference::{Place, Tag},
};

mod address;
mod answer;
mod auth;
mod body;
mod challenge;
mod credential_helper;
mod docker_config;
pub mod error;
mod exchange;
pub mod http;
pub mod layout;
mod listing;
mod options;
#[doc(hidden)]
pub mod parsers;
mod registries;
mod retry;
mod sent;
mod tls;
mod token;
mod transport;
mod upload;

pub use address::{Lookup, Zone};
pub use error::{Fault, RegistryError};
pub use options::{DEADLINE, DockerConfigSource, Host, Limits, Login, Options, Trace};
pub use registries::{NamedBy, Registries};

/// The result of a registry operation.
pub type Result<T, E = RegistryError> = std::result::Result<T, E>;

/// One repository: a registry's, or a layout's.
#[derive(Debug, Clone)]
pub enum Store {
    /// A repository of a registry, over the OCI distribution API.
    Http(http::Http),
    /// An OCI image layout on disk.
    Layout(layout::Layout),
}

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// By tag: whatever it points at now.
    Tag(Tag),
    /// By digest: exactly these bytes.
    Digest(Digest),
}

/// A manifest that was read. Its bytes hash to the descriptor's digest, and to
/// the digest asked for when it was asked for by digest.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Media type as the registry says, size and digest as computed.
    pub descriptor: Descriptor,
    /// The bytes, exactly as stored.
    pub bytes: Bytes,
    /// The entity tag, when the registry gave one: for [`Expect::Unchanged`].
    pub etag: Option<String>,
}

/// What a tag points at, and by what to tell whether it still does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointed {
    /// The digest.
    pub digest: Digest,
    /// The entity tag, when the registry gave one: for [`Expect::Unchanged`].
    pub etag: Option<String>,
}

/// What must hold for a manifest to be written. Registries that do not offer
/// conditional requests ignore it; the caller reads again to make sure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Anything,
    /// That nothing is there yet (`If-None-Match: *`).
    Absent,
    /// That what was read is still there (`If-Match`).
    Unchanged {
        /// The entity tag that the read gave.
        etag: String,
    },
}

/// What a registry said when a manifest was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Whether the answer carried `OCI-Subject`: the registry lists the
    /// manifest as a referrer of its subject by itself.
    pub oci_subject: bool,
}

/// The answer to a question for referrers.
#[derive(Debug, Clone)]
pub enum Referrers {
    /// The registry (or the layout) lists them.
    Listed {
        /// The entries, at most the limit asked for, in the registry's order.
        descriptors: Vec<Descriptor>,
        /// Whether there were more than the limit.
        truncated: bool,
    },
    /// The registry has no referrers API (404, 400, 405, 406, or 200 with
    /// something that is no index): the referrers tag is the only source.
    Unsupported,
}

/// Something to upload; it can be read again when an attempt failed.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Media type, digest and size.
    pub descriptor: Descriptor,
    /// Where the bytes are.
    pub content: Content,
}

/// Where the bytes of a [`Blob`] are.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Bytes),
    /// In a file, streamed, never held whole.
    File(PathBuf),
}

impl Blob {
    /// A blob of bytes in memory.
    pub fn of(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { descriptor: Descriptor::of(media_type, &bytes), content: Content::Bytes(bytes) }
    }
}

/// Told how many bytes of a transfer have gone so far (absolute, so that a
/// retry starts again at zero).
pub type OnBytes = Arc<dyn Fn(u64) + Send + Sync>;

/// A blob being read in chunks. The digest and the length are checked when the
/// last chunk was read: until [`BlobReader::chunk`] returned `None`, nothing
/// that was read may be trusted.
pub enum BlobReader {
    /// From a registry.
    Http(Box<body::HttpBlobReader>),
    /// From a layout.
    Layout(layout::LayoutBlobReader),
}

impl BlobReader {
    /// The next chunk, or `None` after the last when digest and length are
    /// right.
    ///
    /// # Errors
    /// [`Fault::WrongDigest`], [`Fault::Truncated`], [`Fault::TooLarge`] and
    /// transport errors.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match self {
            BlobReader::Http(reader) => reader.chunk().await,
            BlobReader::Layout(reader) => reader.chunk().await,
        }
    }
}

/// Delegates a verb to the store that it is.
macro_rules! each {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Store::Http($store) => $call,
            Store::Layout($store) => $call,
        }
    };
}

impl Store {
    /// Where this store is.
    pub fn place(&self) -> Place {
        each!(self, store => store.place())
    }

    /// Checks what can be known without a request: that the directory of a
    /// layout is one, or could be.
    ///
    /// # Errors
    /// [`Fault::Layout`].
    pub async fn check_place(&self) -> Result<()> {
        match self {
            Store::Http(_) => Ok(()),
            Store::Layout(layout) => layout.check_place().await,
        }
    }

    /// Whether the directory of a layout is there; of a registry it is not known.
    pub async fn exists(&self) -> bool {
        match self {
            Store::Http(_) => true,
            Store::Layout(layout) => layout.exists().await,
        }
    }

    /// The digest a tag points at now, `None` when there is no such tag. One
    /// request (HEAD; GET when the answer carries no usable digest).
    ///
    /// # Errors
    /// Anything but "not found".
    pub async fn resolve(&self, tag: &Tag) -> Result<Option<Digest>> {
        Ok(self.look_up(tag).await?.map(|found| found.digest))
    }

    /// As [`Store::resolve`], with what a conditional write of the tag needs.
    ///
    /// # Errors
    /// As there.
    pub async fn look_up(&self, tag: &Tag) -> Result<Option<Pointed>> {
        each!(self, store => store.look_up(tag).await)
    }

    /// Reads a manifest or an index; `None` when there is none.
    ///
    /// # Errors
    /// [`Fault::WrongDigest`] when the bytes are not what was asked for,
    /// [`Fault::TooLarge`], and transport errors.
    pub async fn manifest(&self, key: &Key) -> Result<Option<Fetched>> {
        each!(self, store => store.manifest(key, u64::MAX).await)
    }

    /// [`Store::manifest`], but of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Store::manifest`].
    pub async fn manifest_within(&self, key: &Key, limit: u64) -> Result<Option<Fetched>> {
        each!(self, store => store.manifest(key, limit).await)
    }

    /// Whether a manifest is there, by digest. One request (HEAD).
    ///
    /// # Errors
    /// Anything but "not found".
    pub async fn has_manifest(&self, digest: &Digest) -> Result<bool> {
        each!(self, store => store.has_manifest(digest).await)
    }

    /// Reads a small blob whole, at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Store::manifest`]; absence is [`Fault::NotFound`].
    pub async fn blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Bytes> {
        each!(self, store => store.blob(descriptor, limit).await)
    }

    /// Reads a blob in chunks, never more than the descriptor's size.
    ///
    /// # Errors
    /// Absence is [`Fault::NotFound`].
    pub async fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        each!(self, store => store.open_blob(descriptor).await)
    }

    /// Whether a blob is there. One request (HEAD).
    ///
    /// # Errors
    /// Anything but "not found".
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        each!(self, store => store.has_blob(digest).await)
    }

    /// Uploads a blob (POST, PUT) without asking whether it is there.
    ///
    /// # Errors
    /// Refusals and transport errors; [`Fault::WrongDigest`] when the file
    /// changed under the upload.
    pub async fn put_blob(&self, blob: &Blob, progress: Option<OnBytes>) -> Result<()> {
        each!(self, store => store.put_blob(blob, progress).await)
    }

    /// Writes a manifest under a tag or by its digest.
    ///
    /// # Errors
    /// [`Fault::ImmutableTag`], [`Fault::PreconditionFailed`], refusals and
    /// transport errors.
    pub async fn put_manifest(
        &self,
        key: &Key,
        media_type: &str,
        bytes: Bytes,
        expect: &Expect,
    ) -> Result<Written> {
        each!(self, store => store.put_manifest(key, media_type, bytes, expect).await)
    }

    /// The manifests whose subject is `digest`, as the registry lists them:
    /// all pages, at most `limit` entries. The referrers tag is not read here.
    ///
    /// # Errors
    /// 401, 403, 429, 5xx and transport errors: never "none".
    pub async fn referrers(&self, digest: &Digest, limit: usize) -> Result<Referrers> {
        each!(self, store => store.referrers(digest, limit).await)
    }

    /// The tags of the repository, at most `limit`; a layout lists its own.
    ///
    /// # Errors
    /// Transport errors; [`Fault::TooLarge`] when there are more.
    pub async fn tags(&self, limit: usize) -> Result<Vec<String>> {
        each!(self, store => store.tags(limit).await)
    }
}
