//! A blob of a layout, read in chunks.
//!
//! Hashes what it hands out; says at the end whether it was right.

use std::{
    fs::File,
    io::{self, Read},
};

use bytes::Bytes;

use super::{
    super::{Fault, RegistryError, Result},
    disk,
};
use crate::model::{
    artifact::manifest::Descriptor,
    digest::{Digest, Hasher},
};

/// How much is read at a time, in bytes.
pub(super) const CHUNK: usize = 256 << 10;

/// How far past the announced size a file is hashed, so that the error can say
/// which digest it has.
const SLACK: u64 = 64 << 20;

/// A blob being read; see [`super::super::BlobReader`].
pub struct LayoutBlobReader {
    action: String,
    state: State,
}

enum State {
    Reading(Box<Reading>),
    /// Everything was handed out and was right.
    Done,
    /// An error was returned, or a read was abandoned half-way.
    Failed,
}

struct Reading {
    file: File,
    hasher: Hasher,
    wanted: Descriptor,
}

impl LayoutBlobReader {
    pub(super) fn new(file: File, wanted: Descriptor, action: String) -> Self {
        let reading = Reading { file, hasher: Hasher::default(), wanted };
        Self { action, state: State::Reading(Box::new(reading)) }
    }

    /// The next chunk, or `None` after the last when digest and length are
    /// right.
    ///
    /// # Errors
    /// [`Fault::WrongDigest`] when the file has other bytes, fewer or more;
    /// errors of the file system.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let mut reading = match std::mem::replace(&mut self.state, State::Failed) {
            State::Reading(reading) => reading,
            State::Done => {
                self.state = State::Done;
                return Ok(None);
            }
            State::Failed => {
                let fault = Fault::Malformed("an earlier read of it failed".into());
                return Err(RegistryError::new(self.action.clone(), fault));
            }
        };
        let step = tokio::task::spawn_blocking(move || (reading.step(), reading)).await;
        let (chunk, reading) = match step {
            Ok((chunk, reading)) => (chunk, Some(reading)),
            Err(ended) => (Err(Fault::Local(io::Error::other(ended))), None),
        };
        match (&chunk, reading) {
            (Ok(Some(_)), Some(reading)) => self.state = State::Reading(reading),
            (Ok(None), _) => self.state = State::Done,
            _ => {}
        }
        chunk.map_err(|fault| RegistryError::new(self.action.clone(), fault))
    }
}

impl Reading {
    fn step(&mut self) -> Result<Option<Bytes>, Fault> {
        let left = self.wanted.size.saturating_sub(self.hasher.length());
        let mut chunk = Vec::new();
        let most = left.min(CHUNK as u64);
        (&mut self.file).take(most).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            return self.finish().map(|()| None);
        }
        self.hasher.update(&chunk);
        Ok(Some(chunk.into()))
    }

    fn finish(&mut self) -> Result<(), Fault> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = disk::read_some(&mut self.file, &mut buffer)?;
            if read.is_empty() {
                break;
            }
            self.hasher.update(read);
            if self.hasher.length() > self.wanted.size.saturating_add(SLACK) {
                return Err(Fault::TooLarge { limit: self.wanted.size });
            }
        }
        let length = self.hasher.length();
        check(std::mem::take(&mut self.hasher).finish(), length, &self.wanted)
    }
}

/// Checks that what was read is what the descriptor says.
pub(super) fn check(got: Digest, length: u64, wanted: &Descriptor) -> Result<(), Fault> {
    if got != wanted.digest {
        return Err(Fault::WrongDigest { wanted: wanted.digest, got });
    }
    match length == wanted.size {
        true => Ok(()),
        false => Err(Fault::Malformed(format!(
            "`{got}` has {length} bytes, but is described as having {}",
            wanted.size
        ))),
    }
}

/// The digest and the length of everything that is left to read.
pub(super) fn hash(source: &mut dyn Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = disk::read_some(source, &mut buffer)?;
        if read.is_empty() {
            let length = hasher.length();
            return Ok((hasher.finish(), length));
        }
        hasher.update(read);
    }
}
