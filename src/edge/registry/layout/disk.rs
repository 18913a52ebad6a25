//! The files of a layout: opened without following links, read within bounds,
//! written so that a crash leaves the old file or the new one.
//!
//! Temporary files lie in the layout's root, never under `blobs/sha256`: what
//! has no digest for a name must not be there, and a rename never leaves the
//! layout's file system. A crash may leave one behind; it is safe to delete.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::Value;

use super::{
    super::{Fault, Result},
    Progress,
    index::IndexFile,
    reader::CHUNK,
    report,
};
use crate::model::{
    artifact::manifest::Descriptor,
    digest::{Digest, Hasher},
    text::brief,
};

/// The list of manifests.
pub(super) const INDEX: &str = "index.json";
/// The marker that makes a directory a layout.
const MARKER: &str = "oci-layout";
/// The file whose advisory lock writers of [`INDEX`] take turns by.
const LOCK: &str = "index.json.lock";
/// What the names of temporary files start with.
const TEMP: &str = ".sluicegate-";
/// The version of the image layout that is read and written.
const VERSION: &str = "1.0.0";
/// The largest `index.json`, in bytes.
const MAX_INDEX: u64 = 16 << 20;
/// The largest `oci-layout`, in bytes.
const MAX_MARKER: u64 = 4096;
/// How long a writer waits for others.
pub(super) const LOCK_LIMIT: Duration = Duration::from_secs(30);

/// An error of the file system with the path it is about.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Fault {
    move |error| {
        let text = format!("`{}`: {error}", path.display());
        Fault::Local(io::Error::new(error.kind(), text))
    }
}

/// Where a blob is.
pub(super) fn blob_path(root: &Path, digest: &Digest) -> PathBuf {
    blob_dir(root).join(digest.hex())
}

fn blob_dir(root: &Path) -> PathBuf {
    root.join("blobs").join("sha256")
}

/// Opens a blob; `None` when there is no such file.
pub(super) fn open_blob(root: &Path, digest: &Digest) -> Result<Option<File>, Fault> {
    for dir in [root.join("blobs"), blob_dir(root)] {
        match fs::symlink_metadata(&dir) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(not_a(&dir, "directory")),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&dir)(error)),
        }
    }
    open_regular(&blob_path(root, digest))
}

/// Reads a blob of at most `limit` bytes; `None` when there is no such file.
/// The caller checks the digest.
pub(super) fn read_blob(root: &Path, digest: &Digest, limit: u64) -> Result<Option<Bytes>, Fault> {
    let Some(file) = open_blob(root, digest)? else { return Ok(None) };
    read_bounded(file, &blob_path(root, digest), limit).map(|bytes| Some(bytes.into()))
}

/// Reads the first `most` bytes of a blob, all of them when it has no more.
pub(super) fn read_prefix(root: &Path, digest: &Digest, most: u64) -> Result<Option<Bytes>, Fault> {
    let Some(file) = open_blob(root, digest)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(at(&blob_path(root, digest)))?;
    Ok(Some(bytes.into()))
}

/// `index.json`, or `None` when the directory is absent or fresh.
pub(super) fn read_index(root: &Path) -> Result<Option<IndexFile>, Fault> {
    match has_marker(root)? {
        true => require_index(root).map(Some),
        false => Ok(None),
    }
}

/// Checks that what is there, if anything is, is a layout.
pub(super) fn require_layout(root: &Path) -> Result<(), Fault> {
    has_marker(root).map(|_| ())
}

/// `index.json` of a directory that is known to be a layout.
pub(super) fn require_index(root: &Path) -> Result<IndexFile, Fault> {
    let path = root.join(INDEX);
    let Some(file) = open_regular(&path)? else {
        return Err(Fault::Layout(format!("`{}` is missing: the layout is torn", path.display())));
    };
    let bytes = read_bounded(file, &path, MAX_INDEX)?;
    IndexFile::parse(&bytes).map_err(|why| {
        Fault::Layout(format!(
            "`{}` is no OCI image index ({why}): the layout is torn or not a layout",
            path.display()
        ))
    })
}

/// Replaces `index.json`; the lock is held.
pub(super) fn write_index(root: &Path, index: &IndexFile) -> Result<(), Fault> {
    let bytes = index.to_bytes();
    if bytes.len() as u64 > MAX_INDEX {
        return Err(Fault::TooLarge { limit: MAX_INDEX });
    }
    replace(root, &root.join(INDEX), |file| file.write_all(&bytes).map_err(at(&root.join(INDEX))))
}

/// Whether the layout's marker is there, and right. Without it the directory
/// must be absent, or hold nothing but the beginnings of a layout.
fn has_marker(root: &Path) -> Result<bool, Fault> {
    let path = root.join(MARKER);
    let Some(file) = open_regular(&path)? else {
        return match fresh(root) {
            // Another writer made it a layout since the marker was looked for.
            Err(_) if path.exists() => has_marker(root),
            fresh => fresh.map(|()| false),
        };
    };
    let bytes = read_bounded(file, &path, MAX_MARKER)?;
    let version = serde_json::from_slice::<Value>(&bytes)
        .ok()
        .and_then(|marker| marker.get("imageLayoutVersion")?.as_str().map(str::to_owned));
    match version.as_deref() {
        Some(VERSION) => Ok(true),
        Some(other) => Err(Fault::Layout(format!(
            "`{}` says image layout version `{}`; only `{VERSION}` is known",
            path.display(),
            brief(other)
        ))),
        None => Err(Fault::Layout(format!(
            "`{}` is not `{{\"imageLayoutVersion\":\"{VERSION}\"}}`: the layout is torn or not a \
             layout",
            path.display()
        ))),
    }
}

/// Checks that a directory without marker is absent, empty, or a layout whose
/// first write was interrupted.
fn fresh(root: &Path) -> Result<(), Fault> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at(root)(error)),
    };
    for entry in entries {
        let name = entry.map_err(at(root))?.file_name();
        let ours = match name.to_str() {
            Some(LOCK) => true,
            Some(INDEX) => require_index(root)?.is_empty(),
            Some(name) => name.starts_with(TEMP),
            None => false,
        };
        if !ours {
            return Err(Fault::Layout(format!(
                "`{}` is not an OCI image layout: it has no file `{MARKER}`, but `{}`",
                root.display(),
                brief(&name.to_string_lossy())
            )));
        }
    }
    Ok(())
}

/// Makes the directory a layout unless it is one. Only the last component is
/// created: a layout far from where it was meant is worse than an error.
pub(super) fn make_layout(root: &Path) -> Result<(), Fault> {
    if has_marker(root)? {
        return Ok(());
    }
    match fs::create_dir(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_parent(root)),
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(at(root)(error)),
        _ => {}
    }
    let _lock = lock(root, LOCK_LIMIT)?;
    if !has_marker(root)? {
        // The marker comes last: with it the layout is whole.
        write_index(root, &IndexFile::empty())?;
        let path = root.join(MARKER);
        let text = format!("{{\"imageLayoutVersion\":\"{VERSION}\"}}");
        replace(root, &path, |file| file.write_all(text.as_bytes()).map_err(at(&path)))?;
    }
    Ok(())
}

/// Checks that the directory is a layout or could be made one.
pub(super) fn check_place(root: &Path) -> Result<(), Fault> {
    let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty());
    match read_index(root)?.is_some() || root.exists() || parent.is_none_or(Path::is_dir) {
        true => Ok(()),
        false => Err(no_parent(root)),
    }
}

fn no_parent(root: &Path) -> Fault {
    let parent = root.parent().unwrap_or(root).display();
    Fault::Layout(format!("the directory `{parent}` does not exist; create it first"))
}

/// Makes `blobs/sha256` unless it is there.
pub(super) fn make_blob_dir(root: &Path) -> Result<(), Fault> {
    for (dir, parent) in
        [(root.join("blobs"), root.to_path_buf()), (blob_dir(root), root.join("blobs"))]
    {
        match fs::create_dir(&dir) {
            Ok(()) => sync_dir(&parent)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !fs::symlink_metadata(&dir).map_err(at(&dir))?.is_dir() {
                    return Err(not_a(&dir, "directory"));
                }
            }
            Err(error) => return Err(at(&dir)(error)),
        }
    }
    Ok(())
}

/// Writes a blob whose bytes come from `source`, and only if they are what the
/// descriptor says.
pub(super) fn write_blob(
    root: &Path,
    wanted: &Descriptor,
    source: &mut dyn Read,
    progress: Option<&Progress>,
) -> Result<(), Fault> {
    let path = blob_path(root, &wanted.digest);
    replace(root, &path, |file| {
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = read_some(source, &mut buffer).map_err(at(&path))?;
            if read.is_empty() {
                break;
            }
            hasher.update(read);
            if hasher.length() > wanted.size {
                return Err(Fault::TooLarge { limit: wanted.size });
            }
            file.write_all(read).map_err(at(&path))?;
            report(progress, hasher.length());
        }
        if hasher.length() < wanted.size {
            return Err(Fault::Truncated { wanted: wanted.size, got: hasher.length() });
        }
        match hasher.finish() {
            got if got == wanted.digest => Ok(()),
            got => Err(Fault::WrongDigest { wanted: wanted.digest, got }),
        }
    })
}

/// The next bytes, none at the end.
pub(super) fn read_some<'a>(source: &mut dyn Read, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    loop {
        match source.read(buffer) {
            Ok(count) => return Ok(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Takes the writers' lock of the layout, released when the file is dropped or
/// the process ends, however it ends.
pub(super) fn lock(root: &Path, limit: Duration) -> Result<File, Fault> {
    let path = root.join(LOCK);
    if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
        return Err(not_a(&path, "regular file"));
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(at(&path))?;
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(at(&path)(error)),
            Err(TryLockError::WouldBlock) if start.elapsed() >= limit => {
                let text = format!(
                    "`{}` is still locked by another writer after {limit:?}; wait for it or end \
                     it, then run this again",
                    path.display()
                );
                return Err(Fault::Local(io::Error::new(ErrorKind::TimedOut, text)));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Puts a file in the place of `target`, complete or not at all.
fn replace(
    root: &Path,
    target: &Path,
    fill: impl FnOnce(&mut File) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut temp = tempfile::Builder::new()
        .prefix(TEMP)
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(root)
        .map_err(at(root))?;
    fill(temp.as_file_mut())?;
    temp.as_file().sync_all().map_err(at(target))?;
    temp.persist(target).map_err(|error| at(target)(error.error))?;
    sync_dir(target.parent().unwrap_or(root))
}

/// Makes a rename in `dir` survive a power cut.
fn sync_dir(dir: &Path) -> Result<(), Fault> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))
}

/// Opens a regular file, and nothing else: a link could lead out of the
/// layout, and a pipe would wait for ever. `None` when there is nothing.
fn open_regular(path: &Path) -> Result<Option<File>, Fault> {
    // Another writer may rename a new file into place between the look and
    // the opening; then they differ, and a second look decides.
    for _ in 0..100 {
        let seen = match fs::symlink_metadata(path) {
            Ok(seen) if seen.is_file() => seen,
            Ok(_) => return Err(not_a(path, "regular file")),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(path)(error)),
        };
        let file = File::open(path).map_err(at(path))?;
        let opened = file.metadata().map_err(at(path))?;
        if (seen.dev(), seen.ino()) == (opened.dev(), opened.ino()) {
            return Ok(Some(file));
        }
    }
    Err(Fault::Malformed(format!("`{}` changes faster than it can be opened", path.display())))
}

fn read_bounded(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(at(path))?;
    match bytes.len() as u64 > limit {
        true => Err(Fault::TooLarge { limit }),
        false => Ok(bytes),
    }
}

fn not_a(path: &Path, wanted: &str) -> Fault {
    Fault::Layout(format!(
        "`{}` is not a {wanted}: links and special files in a layout are refused",
        path.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_stays_taken_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path(), Duration::ZERO).unwrap();
        let error = lock(dir.path(), Duration::from_millis(5)).unwrap_err().to_string();
        assert!(error.contains("index.json.lock` is still locked"), "{error}");
        drop(held);
        lock(dir.path(), Duration::ZERO).unwrap();
    }

    #[test]
    fn a_layout_that_is_being_made_is_not_taken_for_something_else() {
        for _ in 0..300 {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("new");
            std::thread::scope(|scope| {
                let looking = scope.spawn(|| while read_index(&root).unwrap().is_none() {});
                make_layout(&root).unwrap();
                make_blob_dir(&root).unwrap();
                looking.join().unwrap();
            });
        }
    }

    #[test]
    fn a_first_write_that_was_interrupted_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(LOCK), "").unwrap();
        fs::write(dir.path().join(".sluicegate-x"), "half").unwrap();
        fs::write(dir.path().join(INDEX), IndexFile::empty().to_bytes()).unwrap();
        assert!(read_index(dir.path()).unwrap().is_none());
        make_layout(dir.path()).unwrap();
        assert!(read_index(dir.path()).unwrap().is_some_and(|index| index.is_empty()));
    }
}
