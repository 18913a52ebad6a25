//! Unpacking a layer into a directory that is there whole or not at all.
//!
//! The bytes come from the registry edge, which tells whether their digest is
//! right only after the last of them. Until then everything is staged beside
//! the target; then the staged directory takes the target's place in one step.
//! An empty directory that is there stays, since somebody may be in it: things
//! are staged in it and moved up at the end, one after the other.
//! On every other way out nothing is left behind. That a layer may be unpacked
//! at all is decided before this is called.

use std::{
    io::{self, BufRead, Read, Write as _},
    path::{Path, PathBuf},
};

use bytes::{Buf as _, Bytes};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    edge::{
        files::{self, Place, Staging},
        registry::RegistryError,
    },
    model::{
        bundle::{
            path::RelPath,
            unpack::{Entry, Limits, UnpackError, Unpacker},
        },
        digest::Digest,
    },
};

/// How many chunks of the download wait to be unpacked.
const IN_FLIGHT: usize = 16;
/// In what pieces files are written.
const PIECE: usize = 64 << 10;

/// A path where a directory may be put: there is nothing, or an empty
/// directory.
#[derive(Debug, Clone)]
pub struct Target(PathBuf);

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extracted {
    /// How many files.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// A layer that was not unpacked. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The target cannot take it.
    #[error("`{path}` {fault}; expected nothing there, or an empty directory")]
    Target {
        /// The target.
        path: PathBuf,
        /// What is there.
        fault: &'static str,
    },
    /// What the target would be in is not there.
    #[error("`{path}` would be in a directory that does not exist")]
    NoParent {
        /// The target.
        path: PathBuf,
        /// The directory.
        parent: PathBuf,
    },
    /// The target, or what it is in, cannot be read or written.
    #[error("nothing can be unpacked to `{path}`")]
    Unwritable {
        /// The target.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file or directory of the layer cannot be written.
    #[error("`{path}` of the layer cannot be written")]
    Write {
        /// The file or directory.
        path: RelPath,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The layer announces more than is allowed.
    #[error("the layer `{digest}` has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The layer.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The layer is refused.
    #[error("the layer cannot be unpacked")]
    Unpack(#[from] UnpackError),
    /// The layer did not arrive, or not as it should be.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Target {
    /// Checks where a directory is to be put. To be asked before anything is
    /// downloaded.
    ///
    /// # Errors
    /// [`ExtractError::Target`], [`ExtractError::NoParent`] and
    /// [`ExtractError::Unwritable`].
    pub fn check(path: &Path) -> Result<Self, ExtractError> {
        let (place, real) = files::place(path).map_err(unwritable(path))?;
        let fault = match place {
            Place::Free | Place::Empty => return Ok(Self(real)),
            Place::Occupied => "is a directory that is not empty",
            Place::NotADirectory => "is not a directory",
            Place::NoParent => {
                let parent = path.parent().unwrap_or(path).to_owned();
                return Err(ExtractError::NoParent { path: path.to_owned(), parent });
            }
        };
        Err(ExtractError::Target { path: path.to_owned(), fault })
    }

    /// The path, without links.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Unpacks a layer to `target`. `chunk` gives its bytes one piece after the
/// other, and `None` only when their digest and length are right.
///
/// When the layer is refused, the rest is still read: that the bytes are not
/// those of the digest says more than what is wrong with them.
///
/// # Errors
/// [`ExtractError`]; the target is then as it was.
pub async fn extract(
    target: Target,
    limits: Limits,
    mut chunk: impl AsyncFnMut() -> Result<Option<Bytes>, RegistryError>,
) -> Result<Extracted, ExtractError> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let path = target.0.clone();
    let staging = tokio::task::spawn_blocking(move || stage(&path, receiver, limits));
    loop {
        match chunk().await {
            // The other end is gone only when the layer is refused.
            Ok(Some(bytes)) => _ = sender.send(Some(bytes)).await,
            Ok(None) => break,
            Err(error) => {
                drop(sender);
                let _ = finished(&target, staging).await;
                return Err(error.into());
            }
        }
    }
    let _ = sender.send(None).await;
    let (staging, extracted) = finished(&target, staging).await?;
    let path = target.0.clone();
    let placing =
        tokio::task::spawn_blocking(move || staging.put_in_place().map_err(unwritable(&path)));
    finished(&target, placing).await?;
    Ok(extracted)
}

/// The result of a blocking task; its panic is one of this task.
async fn finished<T>(
    target: &Target,
    task: JoinHandle<Result<T, ExtractError>>,
) -> Result<T, ExtractError> {
    let error = match task.await {
        Ok(result) => return result,
        Err(error) => error,
    };
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime is going down.
        Err(cancelled) => Err(unwritable(target.path())(io::Error::other(cancelled))),
    }
}

/// Unpacks what arrives beside `target`.
fn stage(
    target: &Path,
    receiver: mpsc::Receiver<Option<Bytes>>,
    limits: Limits,
) -> Result<(Staging, Extracted), ExtractError> {
    let staging = Staging::create(target).map_err(unwritable(target))?;
    let arriving = Arriving { receiver, chunk: Bytes::new(), ended: false };
    let mut unpacker = Unpacker::new(arriving, limits)?;
    let mut extracted = Extracted::default();
    let mut buffer = vec![0; PIECE];
    while let Some(entry) = unpacker.next_entry()? {
        match entry {
            Entry::Directory { path } => {
                staging.directory(&path).map_err(|source| ExtractError::Write { path, source })?
            }
            Entry::File { path, executable, size } => {
                write_file(&staging, &mut unpacker, &path, executable, &mut buffer)?;
                extracted.files += 1;
                extracted.bytes += size;
            }
        }
    }
    Ok((staging, extracted))
}

fn write_file(
    staging: &Staging,
    unpacker: &mut Unpacker<Arriving>,
    path: &RelPath,
    executable: bool,
    buffer: &mut [u8],
) -> Result<(), ExtractError> {
    let write = |source| ExtractError::Write { path: path.clone(), source };
    let mut file = staging.file(path, executable).map_err(write)?;
    loop {
        match unpacker.read(buffer)? {
            0 => return Ok(()),
            read => file.write_all(buffer.get(..read).unwrap_or_default()).map_err(write)?,
        }
    }
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> ExtractError {
    let path = path.to_owned();
    move |source| ExtractError::Unwritable { path, source }
}

/// The bytes as they arrive. Their end is told: a download that was given up
/// is an error, and never looks like a layer that ended.
struct Arriving {
    receiver: mpsc::Receiver<Option<Bytes>>,
    chunk: Bytes,
    ended: bool,
}

impl BufRead for Arriving {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Some(chunk)) => self.chunk = chunk,
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        self.chunk.advance(amount.min(self.chunk.len()));
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
