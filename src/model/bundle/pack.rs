//! Writing the layer: a tar stream that depends on nothing but paths, bytes
//! and executable bits.
//!
//! The entries are those of `flux push artifact` (interop §1.4): `.` first,
//! then a pre-order walk sorted by name, without `./` and without `/` at the
//! end of directories, USTAR with PAX records only for names that need them,
//! all ids and times zero. Modes are normalised (0755 and 0644) where Flux
//! copies those of the disk, because a umask is no content. The compressor is
//! fed in blocks of one size, so that how the input arrived leaves no trace.
//!
//! Nothing here reads files: paths and bytes come in, in order.

use std::{
    cmp::Ordering,
    io::{self, Write},
};

use flate2::{Compression, GzBuilder, write::GzEncoder};
use tar::{EntryType, Header};

use crate::model::digest::{Digest, Hasher};

use super::path::RelPath;

/// The version of the format of the layer. Grows when the same files give
/// other bytes: the order, the headers or the compressor changed.
pub const FORMAT: u32 = 1;

/// The mode of directories and executable files.
const EXECUTABLE: u32 = 0o755;
/// The mode of other files.
const PLAIN: u32 = 0o644;
/// The unit of a tar stream.
const BLOCK: usize = 512;
/// The unit in which the compressor is fed.
const CHUNK: usize = 64 * 1024;
/// The level of the compressor. Part of the format.
const LEVEL: u32 = 6;
/// The longest name a header holds in one piece.
const NAME: usize = 100;
/// The longest directory part a USTAR header holds beside a name.
const PREFIX: usize = 155;
/// The largest file a USTAR header can describe: eleven octal digits.
const MAX_SIZE: u64 = (1 << 33) - 1;
/// The operating system in the gzip header: unknown, as Go writes it.
const UNKNOWN_OS: u8 = 255;

/// Writes a layer to `W`, which needs no buffer of its own.
pub struct LayerWriter<W: Write> {
    stream: Stream<W>,
    /// The path written last; the next one must sort behind it.
    last: Option<RelPath>,
    /// How many bytes of the current file are still to come.
    missing: u64,
    /// How long the current file is.
    size: u64,
}

/// What a finished layer is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The digest of the compressed bytes: that of the layer.
    pub digest: Digest,
    /// How many compressed bytes there are.
    pub size: u64,
    /// The digest of the tar stream, whatever the compressor did.
    pub diff_id: Digest,
}

/// A layer that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// Paths must come sorted, each once.
    #[error("`{path}` does not sort behind the path before it")]
    Order {
        /// The path out of order.
        path: RelPath,
    },
    /// The bytes of a file are not as many as its header says.
    #[error("`{path}` was to have {wanted} bytes and does not")]
    Length {
        /// The file.
        path: RelPath,
        /// What the header says.
        wanted: u64,
    },
    /// A tar header has no room for the size.
    #[error("`{path}` is too large for a layer; expected less than 8 GiB")]
    TooLarge {
        /// The file.
        path: RelPath,
    },
    /// The output failed.
    #[error("the layer cannot be written")]
    Output(#[from] io::Error),
}

impl<W: Write> LayerWriter<W> {
    /// Begins a layer with the entry of its root.
    ///
    /// # Errors
    /// [`LayerError::Output`].
    pub fn new(output: W) -> Result<Self, LayerError> {
        let mut stream = Stream::new(output);
        stream.header(".", EntryType::Directory, EXECUTABLE, 0)?;
        Ok(Self { stream, last: None, missing: 0, size: 0 })
    }

    /// Begins the next file, which has `size` bytes. The directories it is in
    /// are written when it is the first file in them: an empty directory, which
    /// git does not know, is no content.
    ///
    /// # Errors
    /// [`LayerError`]; the file before must be complete.
    pub fn file(&mut self, path: &RelPath, executable: bool, size: u64) -> Result<(), LayerError> {
        self.end_file()?;
        if self.last.as_ref().is_some_and(|last| last.cmp(path) != Ordering::Less) {
            return Err(LayerError::Order { path: path.clone() });
        }
        if size > MAX_SIZE {
            return Err(LayerError::TooLarge { path: path.clone() });
        }
        self.directories(path)?;
        let mode = if executable { EXECUTABLE } else { PLAIN };
        self.stream.header(path.as_str(), EntryType::Regular, mode, size)?;
        self.last = Some(path.clone());
        self.size = size;
        self.missing = size;
        Ok(())
    }

    /// Writes the next bytes of the current file.
    ///
    /// # Errors
    /// [`LayerError::Length`] when there are more than its header says.
    pub fn data(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        let Some(missing) = self.missing.checked_sub(bytes.len() as u64) else {
            return Err(self.wrong_length());
        };
        self.missing = missing;
        Ok(self.stream.write(bytes)?)
    }

    /// Ends the layer and gives the output back.
    ///
    /// # Errors
    /// [`LayerError::Length`] when the last file is incomplete.
    pub fn finish(mut self) -> Result<(Written, W), LayerError> {
        self.end_file()?;
        self.stream.write(&[0; 2 * BLOCK])?;
        Ok(self.stream.finish()?)
    }

    fn end_file(&mut self) -> Result<(), LayerError> {
        if self.missing > 0 {
            return Err(self.wrong_length());
        }
        self.stream.pad(std::mem::take(&mut self.size))?;
        Ok(())
    }

    /// Writes the directories of `path` that the path before was not in.
    fn directories(&mut self, path: &RelPath) -> Result<(), LayerError> {
        let text = path.as_str();
        for (end, _) in text.match_indices('/') {
            let directory = text.get(..end).unwrap_or_default();
            let known = self.last.as_ref().is_some_and(|last| {
                last.as_str().strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
            });
            if !known {
                self.stream.header(directory, EntryType::Directory, EXECUTABLE, 0)?;
            }
        }
        Ok(())
    }

    fn wrong_length(&self) -> LayerError {
        match &self.last {
            Some(path) => LayerError::Length { path: path.clone(), wanted: self.size },
            None => LayerError::Output(io::ErrorKind::InvalidInput.into()),
        }
    }
}

/// The way of the bytes: collected into chunks, hashed, compressed, hashed.
struct Stream<W: Write> {
    chunk: Vec<u8>,
    diff: Hasher,
    gzip: GzEncoder<Hashed<W>>,
}

impl<W: Write> Stream<W> {
    fn new(output: W) -> Self {
        let output = Hashed { hasher: Hasher::default(), output };
        let gzip = GzBuilder::new()
            .mtime(0)
            .operating_system(UNKNOWN_OS)
            .write(output, Compression::new(LEVEL));
        Self { chunk: Vec::with_capacity(CHUNK), diff: Hasher::default(), gzip }
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = (CHUNK - self.chunk.len()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.chunk.extend_from_slice(now);
            bytes = later;
            if self.chunk.len() == CHUNK {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.diff.update(&self.chunk);
        self.gzip.write_all(&self.chunk)?;
        self.chunk.clear();
        Ok(())
    }

    /// Fills the last block of `size` bytes.
    fn pad(&mut self, size: u64) -> io::Result<()> {
        let used = usize::try_from(size % BLOCK as u64).unwrap_or(0);
        self.write([0; BLOCK].get(used..).filter(|_| used > 0).unwrap_or_default())
    }

    fn finish(mut self) -> io::Result<(Written, W)> {
        self.flush()?;
        let Hashed { hasher, output } = self.gzip.finish()?;
        let size = hasher.length();
        let written = Written { digest: hasher.finish(), size, diff_id: self.diff.finish() };
        Ok((written, output))
    }

    /// Writes the header of one entry; before it the PAX record of a name that
    /// no USTAR header can hold.
    fn header(&mut self, path: &str, kind: EntryType, mode: u32, size: u64) -> io::Result<()> {
        if let Some((prefix, name)) = split(path) {
            return self.block(prefix, name.as_bytes(), kind, mode, size);
        }
        let record = record("path", path);
        let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
        let slash = if directory.is_empty() { "" } else { "/" };
        let mut name = ascii(&format!("{directory}{slash}PaxHeaders.0/{file}"));
        name.truncate(NAME);
        let name = trim_slashes(&name);
        self.block("", name, EntryType::XHeader, 0, record.len() as u64)?;
        self.write(record.as_bytes())?;
        self.pad(record.len() as u64)?;
        self.block("", &short_name(path), kind, mode, size)
    }

    /// Writes one header block.
    fn block(
        &mut self,
        prefix: &str,
        name: &[u8],
        kind: EntryType,
        mode: u32,
        size: u64,
    ) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        if let Some(ustar) = header.as_ustar_mut() {
            fill(&mut ustar.name, name);
            fill(&mut ustar.prefix, prefix.as_bytes());
            // Go leaves the device numbers of a PAX record's own header empty.
            if kind != EntryType::XHeader {
                ustar.set_device_major(0);
                ustar.set_device_minor(0);
            }
        }
        set_checksum(&mut header);
        self.write(header.as_bytes())
    }
}

/// Hashes and counts what it passes on.
struct Hashed<W> {
    hasher: Hasher,
    output: W,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Splits a path into the prefix and the name of a USTAR header, where Go
/// would; `None` when it does not fit or is not ASCII.
fn split(path: &str) -> Option<(&str, &str)> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= NAME {
        return Some(("", path));
    }
    let head = path.get(..path.len().min(PREFIX + 1))?;
    let (prefix, _) = head.rsplit_once('/')?;
    let name = path.get(prefix.len() + 1..)?;
    (!prefix.is_empty() && !name.is_empty() && name.len() <= NAME).then_some((prefix, name))
}

/// What stands in the name field when the name is in a PAX record. A slash at
/// the end would make a directory of it for some readers.
fn short_name(path: &str) -> Vec<u8> {
    let full = ascii(path);
    let mut name = full.clone();
    name.truncate(NAME);
    if full.len() > NAME && name.last() == Some(&b'/') {
        let end = trim_slashes(name.get(..NAME - 1).unwrap_or_default()).len();
        if let Some(byte) = name.get_mut(end) {
            *byte = 0;
        }
    }
    name
}

/// A record of a PAX header: its own length in decimal, a key and a value.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    if rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

/// The ASCII characters of `text`.
fn ascii(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii).collect()
}

/// Without slashes at the end.
fn trim_slashes(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| *b != b'/').map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// Copies `bytes` into the start of `field`.
fn fill(field: &mut [u8], bytes: &[u8]) {
    for (to, from) in field.iter_mut().zip(bytes) {
        *to = *from;
    }
}

/// Writes the checksum as Go does: six digits, NUL, space.
fn set_checksum(header: &mut Header) {
    header.as_old_mut().cksum = *b"        ";
    let sum: u32 = header.as_bytes().iter().copied().map(u32::from).sum();
    fill(&mut header.as_old_mut().cksum, format!("{sum:06o}\0 ").as_bytes());
}

#[cfg(test)]
mod tests;
