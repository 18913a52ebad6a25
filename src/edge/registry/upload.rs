//! Bodies that are sent: streamed, hashed on the way out, made again for every
//! attempt.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use tokio::{fs::File, io::AsyncReadExt as _, time::Instant};

use super::{Blob, Content, OnBytes, error::Fault};
use crate::model::digest::{Digest, Hasher};

/// How much of a file is read at a time.
const CHUNK: usize = 256 * 1024;

/// The body of a request.
#[derive(Clone)]
pub(super) enum Payload {
    /// None.
    Nothing,
    /// A small one.
    Bytes(Bytes),
    /// A blob, whose bytes must still be those of its descriptor.
    Blob(Box<Blob>, Option<OnBytes>),
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Payload::Nothing => "Nothing",
            Payload::Bytes(_) => "Bytes",
            Payload::Blob(..) => "Blob",
        })
    }
}

impl Payload {
    /// A fresh body and its length.
    pub(super) async fn body(
        &self,
        progress: &Progress,
    ) -> Result<Option<(u64, reqwest::Body)>, Fault> {
        match self {
            Payload::Nothing => Ok(None),
            Payload::Bytes(bytes) => Ok(Some((bytes.len() as u64, bytes.clone().into()))),
            Payload::Blob(blob, on_bytes) => {
                let source = Source::open(blob).await?;
                let outgoing = Outgoing {
                    source,
                    held: None,
                    hasher: Hasher::default(),
                    wanted: blob.descriptor.digest,
                    left: blob.descriptor.size,
                    told: 0,
                    on_bytes: on_bytes.clone(),
                    progress: progress.clone(),
                };
                let body = reqwest::Body::wrap_stream(outgoing.stream());
                Ok(Some((blob.descriptor.size, body)))
            }
        }
    }
}

/// Tells the sender that its body still moves, and why it stopped.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<(Instant, Option<Fault>)>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), None))))
    }
}

impl Progress {
    /// When the body moved last.
    pub(super) fn last(&self) -> Instant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Why the body stopped, when it was the body's own fault.
    pub(super) fn take_fault(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.take()
    }

    fn moved(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = Instant::now();
    }

    /// Notes the fault; what goes through reqwest only has to be an error.
    fn stop(&self, fault: Fault) -> std::io::Error {
        let text = fault.to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(fault);
        std::io::Error::other(text)
    }
}

enum Source {
    Bytes(Bytes),
    File(PathBuf, File),
}

impl Source {
    async fn open(blob: &Blob) -> Result<Self, Fault> {
        match &blob.content {
            Content::Bytes(bytes) => Ok(Source::Bytes(bytes.clone())),
            Content::File(path) => {
                let file = File::open(path).await.map_err(|error| unreadable(path, &error))?;
                Ok(Source::File(path.clone(), file))
            }
        }
    }

    /// The next bytes, none at the end.
    async fn next(&mut self) -> Result<Bytes, Fault> {
        match self {
            Source::Bytes(bytes) => Ok(bytes.split_to(bytes.len().min(CHUNK))),
            Source::File(path, file) => {
                let mut buffer = BytesMut::with_capacity(CHUNK);
                file.read_buf(&mut buffer).await.map_err(|error| unreadable(path, &error))?;
                Ok(buffer.freeze())
            }
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::Malformed(format!("cannot read `{}` to upload it: {error}", path.display()))
}

/// A blob on its way out. The last chunk is held back until the digest of all
/// is known to be right, so that changed bytes are never complete on the wire.
struct Outgoing {
    source: Source,
    held: Option<Bytes>,
    hasher: Hasher,
    wanted: Digest,
    left: u64,
    told: u64,
    on_bytes: Option<OnBytes>,
    progress: Progress,
}

impl Outgoing {
    fn stream(self) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
        futures::stream::try_unfold(self, async |mut outgoing| match outgoing.next().await {
            Ok(Some(bytes)) => Ok(Some((bytes, outgoing))),
            Ok(None) => Ok(None),
            Err(fault) => Err(outgoing.progress.stop(fault)),
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Fault> {
        loop {
            let read = self.source.next().await?;
            self.progress.moved();
            if read.is_empty() {
                self.check()?;
                return Ok(self.held.take().inspect(|bytes| self.tell(bytes)));
            }
            self.hasher.update(&read);
            match self.left.checked_sub(read.len() as u64) {
                Some(left) => self.left = left,
                None => return Err(self.changed()),
            }
            if let Some(bytes) = self.held.replace(read) {
                self.tell(&bytes);
                return Ok(Some(bytes));
            }
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let got = self.hasher.clone().finish();
        if self.left == 0 && got == self.wanted { Ok(()) } else { Err(self.changed()) }
    }

    fn changed(&self) -> Fault {
        Fault::WrongDigest { wanted: self.wanted, got: self.hasher.clone().finish() }
    }

    fn tell(&mut self, bytes: &Bytes) {
        self.told = self.told.saturating_add(bytes.len() as u64);
        if let Some(on_bytes) = &self.on_bytes {
            on_bytes(self.told);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;
    use crate::model::artifact::manifest::Descriptor;

    async fn sent(blob: &Blob) -> (Result<Vec<u8>, std::io::Error>, Option<Fault>) {
        let progress = Progress::default();
        let outgoing = Outgoing {
            source: Source::open(blob).await.unwrap(),
            held: None,
            hasher: Hasher::default(),
            wanted: blob.descriptor.digest,
            left: blob.descriptor.size,
            told: 0,
            on_bytes: None,
            progress: progress.clone(),
        };
        let stream = outgoing.stream();
        tokio::pin!(stream);
        let mut all = Vec::new();
        loop {
            match stream.try_next().await {
                Ok(Some(bytes)) => all.extend_from_slice(&bytes),
                Ok(None) => return (Ok(all), progress.take_fault()),
                Err(error) => {
                    assert!(all.len() as u64 <= blob.descriptor.size);
                    return (Err(error), progress.take_fault());
                }
            }
        }
    }

    #[tokio::test]
    async fn a_file_goes_out_whole_and_a_changed_one_never_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layer");
        let bytes = vec![7u8; CHUNK * 2 + 5];
        std::fs::write(&path, &bytes).unwrap();
        let descriptor = Descriptor::of("x", &bytes);
        let blob = Blob { descriptor, content: Content::File(path.clone()) };
        assert_eq!(sent(&blob).await.0.unwrap(), bytes);

        let mut other = bytes.clone();
        other[CHUNK] = 8;
        for changed in [other, bytes[..CHUNK].to_vec(), [bytes.clone(), vec![7]].concat()] {
            std::fs::write(&path, changed).unwrap();
            let (result, fault) = sent(&blob).await;
            assert!(result.is_err());
            assert!(matches!(fault, Some(Fault::WrongDigest { .. })));
        }
    }

    #[tokio::test]
    async fn an_empty_blob_has_no_chunks() {
        assert_eq!(sent(&Blob::of("x", Bytes::new())).await.0.unwrap(), b"");
    }
}
