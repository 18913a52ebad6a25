//! What is inside an artifact: its files, read for showing and comparing.
//!
//! The layer is fetched into a temporary file and nothing of it is looked at
//! before its digest was right.

use std::{
    collections::BTreeSet,
    io::{BufReader, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::{
    edge::files,
    model::{
        artifact::manifest::{self, Descriptor},
        bundle::{
            bounds::{Bounds, Tally},
            check,
            need::Need,
            object::Object,
            path::RelPath,
            unpack::{Entry, Limits, Unpacker},
        },
        digest::{Digest, Hasher},
    },
};

use super::{
    error::{Error, Result},
    extract::ExtractError,
    verify::Artifact,
};

/// The largest layer that is fetched to be looked at, in bytes: what it holds
/// is not verified, and a descriptor may announce anything.
const MAX_LAYER: u64 = 1 << 30;
/// The largest file that is held to be looked at, in bytes; of a larger one
/// only the digest is known.
pub const MAX_FILE: u64 = 8 << 20;

/// One file of a bundle.
#[derive(Debug)]
pub struct File<'a> {
    /// Its path.
    pub path: &'a RelPath,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its bytes, when `wanted` and small enough.
    pub bytes: Option<&'a [u8]>,
}

/// The layer that holds the bundle: the first, as Flux takes it, whatever others
/// there are. What is shown, compared and extracted is what the cluster gets. It
/// announces at most `limit` bytes.
///
/// # Errors
/// [`Error::Usage`] when there is none to choose; [`ExtractError::TooLarge`].
pub fn layer(artifact: &Artifact, limit: u64) -> Result<&Descriptor> {
    artifact.content.intact()?;
    let layer = artifact.content.layers.first().ok_or_else(|| no_layer(artifact))?;
    match layer.size > limit {
        true => {
            let (digest, size) = (layer.digest, layer.size);
            Err(ExtractError::TooLarge { digest, size, limit }.into())
        }
        false => Ok(layer),
    }
}

fn no_layer(artifact: &Artifact) -> Error {
    let entries = manifest::entries(&artifact.manifest.bytes).unwrap_or_default();
    let digest = artifact.digest();
    if entries.is_empty() {
        let hint = "an empty artifact holds no bundle; name one that was published";
        return Error::usage(format!("`{digest}` has no layer"), hint);
    }
    let some: Vec<_> = entries.iter().take(3).map(|entry| format!("`@{}`", entry.digest)).collect();
    Error::usage(
        format!("`{digest}` is an index of {} manifest(s) and holds no bundle", entries.len()),
        format!("name one of them by its digest, such as {}", some.join(", ")),
    )
}

/// Fetches the layer of an artifact; its digest is right when this returns.
///
/// # Errors
/// Registry errors, and no room for a temporary file.
pub async fn fetch(artifact: &Artifact) -> Result<NamedTempFile> {
    let layer = layer(artifact, MAX_LAYER)?;
    let failed = |error: std::io::Error| Error::Usage {
        message: format!("cannot write a temporary file: {error}"),
        hint: Some("make room in `TMPDIR`".into()),
    };
    let mut file = files::temporary().map_err(failed)?;
    let mut reader = artifact.store.open_blob(layer).await?;
    while let Some(chunk) = reader.chunk().await? {
        file.write_all(&chunk).map_err(failed)?;
    }
    file.flush().map_err(failed)?;
    Ok(file)
}

/// Shows every file of a layer on disk to `visit`, with its bytes where
/// `wanted` says so. Blocks.
///
/// # Errors
/// [`Error::Extract`] for a layer that nobody should unpack.
pub fn visit(
    layer: &Path,
    wanted: impl Fn(&RelPath) -> bool,
    mut visit: impl FnMut(File<'_>),
) -> Result<()> {
    let open = std::fs::File::open(layer).map_err(|error| Error::Internal(error.to_string()))?;
    let failed = |error| Error::Extract(ExtractError::Unpack(error));
    let mut unpacker = Unpacker::new(BufReader::new(open), Limits::default()).map_err(failed)?;
    let mut piece = vec![0; 64 << 10];
    while let Some(entry) = unpacker.next_entry().map_err(failed)? {
        let Entry::File { path, size, .. } = entry else { continue };
        let keep = size <= MAX_FILE && wanted(&path);
        let (mut hasher, mut bytes) = (Hasher::default(), Vec::new());
        loop {
            let read = unpacker.read(&mut piece).map_err(failed)?;
            let part = piece.get(..read).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            hasher.update(part);
            if keep {
                bytes.extend_from_slice(part);
            }
        }
        visit(File { path: &path, digest: hasher.finish(), size, bytes: keep.then_some(&bytes) });
    }
    Ok(())
}

/// The files of a layer that are read as manifests: by their names, and because a
/// kustomization names them. Blocks.
///
/// # Errors
/// As [`visit`].
pub fn manifests(layer: &Path) -> Result<impl Fn(&RelPath) -> bool> {
    let mut named = BTreeSet::new();
    let limit = Bounds::default().references;
    visit(layer, check::is_kustomization, |file| {
        // So many that the judgement ends with their number.
        if let Some(bytes) = file.bytes.filter(|_| named.len() <= limit) {
            named.extend(check::named_manifests(file.path, bytes));
        }
    })?;
    Ok(move |path: &RelPath| check::is_manifest(path) || named.contains(path))
}

/// What is inside an artifact.
#[derive(Debug)]
pub struct Inside {
    /// The Kubernetes objects.
    pub objects: Vec<Object>,
    /// The charts and images that they name.
    pub needs: Vec<Need>,
}

/// Reads the layer and what its manifests hold and name, within the bounds of a
/// bundle that could be published: anybody may have made it.
///
/// # Errors
/// As [`fetch`] and [`visit`], and when it holds more than a bundle may.
pub async fn inside(artifact: &Artifact) -> Result<Inside> {
    look_inside(fetch(artifact).await?).await
}

/// [`inside`] of a layer that was fetched.
///
/// # Errors
/// As [`inside`].
pub async fn look_inside(layer: NamedTempFile) -> Result<Inside> {
    let judged = tokio::task::spawn_blocking(move || {
        let options =
            check::Options { allow_secrets: true, needs: true, bounds: Bounds::default() };
        let (mut facts, mut paths, mut tally) = (Vec::new(), BTreeSet::new(), Tally::default());
        visit(layer.path(), manifests(layer.path())?, |file| {
            paths.insert(file.path.clone());
            if let Some(bytes) = file.bytes {
                let found = check::read_file(file.path, bytes, tally.keep(&options));
                tally.add(&found);
                facts.push(found);
            }
        })?;
        match tally.problems(&options).into_iter().next() {
            Some(problem) => {
                Err(Error::usage(problem.message, "look at the files: `sluicegate pull`"))
            }
            None => Ok(check::judge(facts, &paths.iter().collect(), &options)),
        }
    });
    let judged = judged.await.map_err(|error| Error::Internal(error.to_string()))??;
    Ok(Inside { objects: judged.objects, needs: judged.needs })
}
