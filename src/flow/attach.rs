//! Hanging statements off a digest.
//!
//! [`Parcel`] holds what was made ([`super::seal`]). Storing follows the OCI distribution specification: the
//! manifest with `subject` is pushed, and the referrers tag is edited unless
//! the registry keeps track by itself. Tags that several writers share are
//! edited by `keep`, which reads again until its own entries stay.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    edge::registry::{Blob, Expect, Fault, Fetched, Key, Referrers, RegistryError, Store, Written},
    model::{
        artifact::{manifest::Descriptor, media},
        digest::Digest,
        evidence::Finding,
        reference::Tag,
        statement::attachment::{self, AppendError, Attachment},
    },
};

use super::error::{Error, Result};

/// How often a shared tag is rewritten before giving up on other writers.
const MAX_ROUNDS: usize = 30;
/// How many referrers are looked through for our own.
const MAX_LISTED: usize = 20_000;
/// How often the referrers API is asked for an entry that it acknowledged.
const MAX_LISTINGS: u32 = 6;

/// Statements that were made and not stored yet.
#[derive(Debug, Default)]
pub struct Parcel {
    /// Bundles, each with the manifest that refers to the artifact.
    pub bundles: Vec<Attachment>,
    /// Legacy signatures: the payload and its layer.
    pub legacy: Vec<(Vec<u8>, Descriptor)>,
    /// The bundles as they were checked before they leave.
    pub checked: Vec<Finding>,
    /// The config of the `.sig` manifest that [`Parcel::blobs`] planned.
    planned: Option<Digest>,
}

/// What a statement is about, and how it is stamped.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The artifact's manifest.
    pub subject: &'a Descriptor,
    /// The artifact's name, `host/repo`.
    pub name: &'a str,
    /// When the statements are made, RFC 3339.
    pub created: &'a str,
}

impl Parcel {
    /// Whether nothing was made.
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty() && self.legacy.is_empty()
    }

    /// Every blob that must be there before a manifest names it, each once.
    /// `signatures` is what stands at the `.sig` tag now.
    ///
    /// # Errors
    /// When what stands there cannot be added to.
    pub fn blobs(&mut self, subject: &Digest, signatures: Option<&Fetched>) -> Result<Vec<Blob>> {
        let mut blobs = Vec::new();
        if !self.bundles.is_empty() {
            blobs.push(Blob::of(media::OCI_EMPTY, attachment::EMPTY));
        }
        for made in &self.bundles {
            blobs.push(Blob::of(media::BUNDLE, made.bundle.clone()));
        }
        for (payload, _) in &self.legacy {
            blobs.push(Blob::of(media::SIMPLE_SIGNING, payload.clone()));
        }
        if let Some(edit) = self.edit_signatures(subject, signatures.map(|s| s.bytes.as_ref()))? {
            self.planned = edit.config.as_ref().map(|config| config.descriptor.digest);
            blobs.extend(edit.config);
        }
        let mut seen = BTreeSet::new();
        blobs.retain(|blob| seen.insert(blob.descriptor.digest));
        Ok(blobs)
    }

    fn edit_signatures(&self, subject: &Digest, existing: Option<&[u8]>) -> Result<Option<Edit>> {
        if self.legacy.is_empty() {
            return Ok(None);
        }
        let layers: Vec<_> = self.legacy.iter().map(|(_, layer)| layer.clone()).collect();
        let made = attachment::signatures_with(existing, &layers)
            .map_err(|source| Error::shared_tag(Tag::legacy_signatures(subject), source))?;
        Ok(made.map(|made| Edit {
            media_type: media::OCI_MANIFEST,
            manifest: made.manifest.into(),
            config: Some(Blob::of(media::OCI_CONFIG, made.config)),
        }))
    }

    fn edit_referrers(&self, subject: &Digest, existing: Option<&[u8]>) -> Result<Option<Edit>> {
        let entries: Vec<_> = self.bundles.iter().map(|made| made.descriptor.clone()).collect();
        let made = attachment::index_with(existing, &entries)
            .map_err(|source| Error::shared_tag(Tag::referrers(subject), source))?;
        Ok(made.map(|index| Edit {
            media_type: media::OCI_INDEX,
            manifest: index.into(),
            config: None,
        }))
    }

    /// Refuses what stands at the shared tags when it cannot be added to, before
    /// anything is written.
    ///
    /// # Errors
    /// [`Error::SharedTag`].
    pub fn preflight(
        &self,
        subject: &Digest,
        index: Option<&Fetched>,
        signatures: Option<&Fetched>,
    ) -> Result<()> {
        if !self.bundles.is_empty() {
            self.edit_referrers(subject, index.map(|f| f.bytes.as_ref()))?;
        }
        self.edit_signatures(subject, signatures.map(|f| f.bytes.as_ref())).map(|_| ())
    }
}

/// What a shared tag is to hold next.
struct Edit {
    media_type: &'static str,
    manifest: Bytes,
    config: Option<Blob>,
}

/// A parcel whose manifests are there, but that no shared tag names yet.
#[derive(Debug)]
pub struct Pushed {
    acknowledged: bool,
    index: Option<Fetched>,
    signatures: Option<Fetched>,
}

/// What storing a parcel came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Stored {
    /// Manifests written, shared tags included.
    pub manifests: u64,
    /// The manifest that holds the legacy signatures, when any were made.
    pub signatures: Option<Digest>,
}

/// Pushes the manifests of a parcel whose blobs are there, and looks at the
/// shared tags meanwhile: one sequential round trip.
///
/// # Errors
/// Registry errors.
pub async fn push(store: &Store, subject: &Digest, parcel: &Parcel) -> Result<Pushed> {
    let pushes =
        futures::future::try_join_all(parcel.bundles.iter().map(|made| refer(store, made)));
    let (index_tag, signatures_tag) = (Tag::referrers(subject), Tag::legacy_signatures(subject));
    let (written, index, signatures) = futures::join!(
        pushes,
        look(store, &index_tag, !parcel.bundles.is_empty()),
        look(store, &signatures_tag, !parcel.legacy.is_empty()),
    );
    let acknowledged = written?.iter().all(|written| written.oci_subject);
    Ok(Pushed { acknowledged, index: index?, signatures: signatures? })
}

/// Pushes one manifest that refers to the artifact.
async fn refer(store: &Store, made: &Attachment) -> Result<Written, RegistryError> {
    let key = Key::Digest(made.descriptor.digest);
    let bytes = Bytes::from(made.manifest.clone());
    store.put_manifest(&key, media::OCI_MANIFEST, bytes, &Expect::Anything).await
}

/// Makes sure that readers will find a parcel: the referrers API lists it, or
/// the referrers tag names it; and the `.sig` tag holds its legacy signatures.
/// `api` tells whether the referrers API answered before.
///
/// Own entries must be seen twice running. `last` runs beside the second look,
/// and again whenever that has to be repeated: it is what should know the latest
/// state before the caller goes on. Three sequential round trips where nobody
/// interferes: an edit, and the two looks.
///
/// # Errors
/// Registry errors; [`Error::SharedTag`]; [`Error::Contended`] when other
/// writers keep removing the entries.
pub async fn shelve<T>(
    store: &Store,
    subject: &Digest,
    parcel: &Parcel,
    pushed: Pushed,
    api: bool,
    last: impl AsyncFn() -> Result<T>,
) -> Result<(Stored, T)> {
    let (index_tag, signatures_tag) = (Tag::referrers(subject), Tag::legacy_signatures(subject));
    let mut manifests = parcel.bundles.len() as u64;
    let Pushed { acknowledged, mut index, mut signatures } = pushed;
    for _ in 0..MAX_ROUNDS {
        let shelve_index = async {
            let by_api = parcel.bundles.is_empty()
                || (acknowledged && listed(store, subject, parcel, api).await?);
            let edits = match by_api {
                true => 0,
                false => {
                    let edit = |now: Option<&[u8]>| parcel.edit_referrers(subject, now);
                    keep(store, &index_tag, index, None, edit).await?
                }
            };
            Ok((by_api, edits))
        };
        let edit = |now: Option<&[u8]>| parcel.edit_signatures(subject, now);
        let shelve_signatures = keep(store, &signatures_tag, signatures, parcel.planned, edit);
        let ((by_api, edits), legacy_edits) = futures::try_join!(shelve_index, shelve_signatures)?;
        manifests += edits + legacy_edits;
        let (index_now, signatures_now, told) = futures::try_join!(
            look(store, &index_tag, !by_api),
            look(store, &signatures_tag, !parcel.legacy.is_empty()),
            last(),
        )?;
        let bytes = |found: &Option<Fetched>| found.as_ref().map(|found| found.bytes.clone());
        let lost = (!by_api
            && parcel.edit_referrers(subject, bytes(&index_now).as_deref())?.is_some())
            || parcel.edit_signatures(subject, bytes(&signatures_now).as_deref())?.is_some();
        if !lost {
            let signatures = signatures_now.map(|found| found.descriptor.digest);
            return Ok((Stored { manifests, signatures }, told));
        }
        (index, signatures) = (index_now, signatures_now);
    }
    Err(Error::Contended { tag: index_tag.to_string() })
}

async fn look(store: &Store, tag: &Tag, wanted: bool) -> Result<Option<Fetched>> {
    match wanted {
        true => Ok(store.manifest(&Key::Tag(tag.clone())).await?),
        false => Ok(None),
    }
}

/// Whether the referrers API lists every bundle of the parcel. A registry may
/// lose all but one of those that are pushed at once, as olareg 0.1.2 does: what
/// is missing is pushed again, one after the other. One that acknowledged them
/// may need a moment; one that has no API after all needs the referrers tag.
async fn listed(store: &Store, subject: &Digest, parcel: &Parcel, api: bool) -> Result<bool> {
    for attempt in 0..MAX_LISTINGS {
        match store.referrers(subject, MAX_LISTED).await? {
            Referrers::Unsupported if !api => return Ok(false),
            Referrers::Unsupported => {}
            Referrers::Listed { descriptors, .. } => {
                let listed: BTreeSet<Digest> =
                    descriptors.iter().map(|entry| entry.digest).collect();
                let missing = || {
                    parcel.bundles.iter().filter(|made| !listed.contains(&made.descriptor.digest))
                };
                if missing().next().is_none() {
                    return Ok(true);
                }
                for made in missing() {
                    refer(store, made).await?;
                }
                if attempt == 0 {
                    continue;
                }
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(100 << attempt)).await;
    }
    // It said that it keeps track, and does not: the tag is the only way left.
    Ok(false)
}

/// Edits a tag that others write too, until its own entries are there. Returns
/// how often it wrote.
///
/// Conditional requests make this exact where a registry honours them. Where it
/// does not, another writer that read before our write and writes after our
/// last look still removes our entries: that window remains, and is closed by
/// the next publish or sign, which finds them missing.
async fn keep(
    store: &Store,
    tag: &Tag,
    first: Option<Fetched>,
    planned: Option<Digest>,
    edit: impl Fn(Option<&[u8]>) -> Result<Option<Edit>>,
) -> Result<u64> {
    let (mut now, mut writes, mut conditional) = (first, 0, true);
    let mut uploaded: BTreeSet<Digest> = planned.into_iter().collect();
    for _ in 0..MAX_ROUNDS {
        let Some(next) = edit(now.as_ref().map(|fetched| fetched.bytes.as_ref()))? else {
            return Ok(writes);
        };
        if let Some(config) = &next.config
            && uploaded.insert(config.descriptor.digest)
        {
            store.put_blob(config, None).await?;
        }
        let expect = match &now {
            _ if !conditional => Expect::Anything,
            None => Expect::Absent,
            Some(Fetched { etag: Some(etag), .. }) => Expect::Unchanged { etag: etag.clone() },
            Some(_) => Expect::Anything,
        };
        let mut refused = false;
        let key = Key::Tag(tag.clone());
        match store.put_manifest(&key, next.media_type, next.manifest, &expect).await {
            Ok(_) => writes += 1,
            Err(RegistryError { fault: Fault::PreconditionFailed, .. }) => refused = true,
            Err(error) if needs_config(&error, &next.config) => {
                if let Some(config) = &next.config {
                    store.put_blob(config, None).await?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        let next = store.manifest(&Key::Tag(tag.clone())).await?;
        let seen = |found: &Option<Fetched>| found.as_ref().map(|found| found.descriptor.digest);
        // Refused although nobody wrote: its conditions cannot be relied on.
        conditional &= !(refused && seen(&next) == seen(&now));
        now = next;
    }
    Err(Error::Contended { tag: tag.to_string() })
}

/// Whether a refusal is because the config that was planned is not the one that
/// is needed now: somebody signed between the look and the write.
fn needs_config(error: &RegistryError, config: &Option<Blob>) -> bool {
    config.is_some()
        && matches!(error.fault, Fault::Status { status: 400 | 404, .. } | Fault::NotFound)
}

impl Error {
    fn shared_tag(tag: Tag, source: AppendError) -> Self {
        Error::SharedTag { tag: tag.to_string(), source }
    }
}
