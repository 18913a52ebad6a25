//! Reading a layer that may come from anybody.
//!
//! An [`Unpacker`] goes through a tar stream, compressed or not, and gives out
//! files and directories whose names are safe to create below a fresh
//! directory, each once. Everything else is refused with the name of what was
//! found: links, devices, names that leave the directory or clash, sparse and
//! GNU extensions, records that contradict their header, and more than the
//! [`Limits`]. It is stricter than Flux's own reader (interop §1.8), and takes
//! everything that Flux writes. It writes nothing itself and holds no file in
//! memory.

use std::io::{self, BufRead, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use tar::Header;

use super::{
    names::{Clash, Names},
    path::{PathError, RelPath},
};

/// What an archive may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many files and directories it may have.
    pub entries: u64,
    /// How many bytes one file may have.
    pub file: u64,
    /// How many bytes the whole archive may have, uncompressed and with its
    /// headers. This, and no ratio, is what stops a decompression bomb.
    pub total: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 100_000, file: 512 << 20, total: 4 << 30 }
    }
}

/// The next thing in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory; parents may come without an entry of their own.
    Directory {
        /// Its path.
        path: RelPath,
    },
    /// A file; [`Unpacker::read`] gives its bytes.
    File {
        /// Its path.
        path: RelPath,
        /// Whether its owner may execute it.
        executable: bool,
        /// How many bytes it has.
        size: u64,
    },
}

/// An archive that is refused.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The input failed, or is no gzip stream although it starts as one.
    #[error("the archive cannot be read")]
    Read(#[source] io::Error),
    /// It ends too early.
    #[error("the archive ends early; expected two zero blocks at its end")]
    Truncated,
    /// Something follows its end.
    #[error("the archive goes on after its end; expected nothing but zeros there")]
    Trailing,
    /// A header that no tar writer makes.
    #[error("entry {entry} of the archive has {fault}")]
    Header {
        /// Which entry, from 1.
        entry: u64,
        /// What is wrong with its header.
        fault: &'static str,
    },
    /// A name that cannot be in a bundle.
    #[error("entry {entry} of the archive has an unsafe name")]
    Name {
        /// Which entry, from 1.
        entry: u64,
        /// What is wrong with its name.
        #[source]
        source: PathError,
    },
    /// Neither a file nor a directory.
    #[error("`{path}` in the archive is {kind}; expected files and directories only")]
    Kind {
        /// The name, made printable.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A PAX record that would change what the entry is.
    #[error("entry {entry} of the archive has the PAX record `{key}`, which is not supported")]
    Record {
        /// Which entry, from 1.
        entry: u64,
        /// The key, made printable.
        key: String,
    },
    /// Two names that cannot both be created.
    #[error("the archive has names that clash")]
    Clash(#[from] Clash),
    /// More entries than allowed.
    #[error("the archive has more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// A file larger than allowed.
    #[error("`{path}` in the archive has more than {limit} bytes")]
    FileTooLarge {
        /// The file.
        path: RelPath,
        /// The limit.
        limit: u64,
    },
    /// More bytes than allowed.
    #[error("the archive has more than {limit} bytes when uncompressed")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
}

/// The unit of a tar stream.
const BLOCK: usize = 512;
/// The longest PAX header; a path has at most 1024 bytes.
const MAX_RECORDS: u64 = 64 * 1024;
/// What a gzip stream starts with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The bit of the mode that makes a file executable.
const OWNER_EXECUTES: u64 = 0o100;

/// Goes through an archive.
pub struct Unpacker<R: BufRead> {
    input: Input<R>,
    limits: Limits,
    names: Names,
    /// How many headers were read, to name the one at fault.
    headers: u64,
    /// How many uncompressed bytes were read.
    total: u64,
    /// How many bytes of the current file are still unread.
    unread: u64,
    /// How many bytes fill the last block of the current file.
    padding: u64,
    /// Whether the end was reached.
    ended: bool,
}

/// The uncompressed bytes.
enum Input<R: BufRead> {
    Plain(Started<R>),
    Gzip(Box<MultiGzDecoder<Started<R>>>),
}

/// A reader whose first bytes were looked at.
type Started<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// What PAX records say about the entry behind them.
#[derive(Default)]
struct Records {
    path: Option<String>,
    size: Option<u64>,
}

impl<R: BufRead> Unpacker<R> {
    /// Begins to read an archive.
    ///
    /// # Errors
    /// [`UnpackError::Read`].
    pub fn new(mut reader: R, limits: Limits) -> Result<Self, UnpackError> {
        let mut start = Vec::with_capacity(GZIP.len());
        let wanted = GZIP.len() as u64;
        reader.by_ref().take(wanted).read_to_end(&mut start).map_err(UnpackError::Read)?;
        let compressed = start == GZIP;
        let started = Cursor::new(start).chain(reader);
        let input = match compressed {
            true => Input::Gzip(Box::new(MultiGzDecoder::new(started))),
            false => Input::Plain(started),
        };
        Ok(Self {
            input,
            limits,
            names: Names::default(),
            headers: 0,
            total: 0,
            unread: 0,
            padding: 0,
            ended: false,
        })
    }

    /// The next file or directory, or `None` when the archive ended as it
    /// should. What was not read of the file before is passed over.
    ///
    /// # Errors
    /// [`UnpackError`]; nothing that was given out before may then be kept.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, UnpackError> {
        let mut records = None;
        while !self.ended {
            self.pass_over()?;
            let Some(block) = self.block()? else {
                self.ended = true;
                return match records {
                    None => Ok(None),
                    Some(_) => Err(self.header("a PAX header and nothing behind it")),
                };
            };
            let header = Header::from_byte_slice(&block);
            let size = self.check(header)?;
            match header.entry_type().as_byte() {
                b'x' if records.is_none() => records = Some(self.records(size, true)?),
                b'x' => return Err(self.header("two PAX headers")),
                b'g' if records.is_none() => {
                    self.records(size, false)?;
                }
                kind => {
                    let records = records.take().unwrap_or_default();
                    if let Some(entry) = self.entry(kind, header, size, records)? {
                        return Ok(Some(entry));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Reads bytes of the current file; 0 at its end.
    ///
    /// # Errors
    /// [`UnpackError`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        let wanted = usize::try_from(self.unread).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.input(buffer.get_mut(..wanted).unwrap_or_default())?;
        if read == 0 {
            return Err(UnpackError::Truncated);
        }
        self.unread -= read as u64;
        Ok(read)
    }

    /// Reads up to the end of the current entry.
    fn pass_over(&mut self) -> Result<(), UnpackError> {
        self.unread += std::mem::take(&mut self.padding);
        let mut sink = [0; 8 * BLOCK];
        while self.read(&mut sink)? > 0 {}
        Ok(())
    }

    /// The next header, or `None` at the end, when nothing but zeros follows.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, UnpackError> {
        let mut block = [0; BLOCK];
        if self.fill(&mut block)? < BLOCK {
            return Err(UnpackError::Truncated);
        }
        if block.iter().any(|b| *b != 0) {
            return Ok(Some(block));
        }
        let mut rest = [0; 8 * BLOCK];
        let mut zeros = 0;
        loop {
            match self.fill(&mut rest)? {
                0 if zeros < BLOCK => return Err(UnpackError::Truncated),
                0 => return Ok(None),
                read if rest.iter().take(read).all(|b| *b == 0) => zeros += read,
                _ => return Err(UnpackError::Trailing),
            }
        }
    }

    /// Checks what every header must have; the size it says.
    fn check(&mut self, header: &Header) -> Result<u64, UnpackError> {
        self.headers += 1;
        let fields = header.as_old();
        let sum = |bytes: &[u8]| bytes.iter().map(|b| u64::from(*b)).sum::<u64>();
        let blank = u64::from(b' ') * fields.cksum.len() as u64;
        let expected = sum(header.as_bytes()) - sum(&fields.cksum) + blank;
        if octal(&fields.cksum) != Some(expected) {
            return Err(self.header("a wrong checksum; expected that of a tar header"));
        }
        if header.as_ustar().is_none() && header.as_gnu().is_none() {
            return Err(self.header("an unknown format; expected USTAR, PAX or GNU"));
        }
        octal(&fields.size).ok_or_else(|| self.header("a malformed size"))
    }

    /// The file or directory of a header; `None` for the root.
    fn entry(
        &mut self,
        kind: u8,
        header: &Header,
        size: u64,
        records: Records,
    ) -> Result<Option<Entry>, UnpackError> {
        let name = match records.path {
            Some(path) => path.into_bytes(),
            None => header.path_bytes().into_owned(),
        };
        let is_directory = match kind {
            b'0' | 0 => false,
            b'5' => true,
            other => return Err(UnpackError::Kind { path: printable(&name), kind: named(other) }),
        };
        if records.size.is_some_and(|said| said != size) {
            return Err(self.header("a PAX record that contradicts its size"));
        }
        let Some(path) = self.path(&name, is_directory)? else { return Ok(None) };
        if is_directory {
            if size > 0 {
                return Err(self.header("bytes, although it is a directory"));
            }
            self.names.directory(&path)?;
            self.check_count()?;
            return Ok(Some(Entry::Directory { path }));
        }
        if size > self.limits.file {
            return Err(UnpackError::FileTooLarge { path, limit: self.limits.file });
        }
        let mode = octal(&header.as_old().mode).ok_or_else(|| self.header("a malformed mode"))?;
        self.names.file(&path)?;
        self.check_count()?;
        self.expect(size);
        Ok(Some(Entry::File { path, executable: mode & OWNER_EXECUTES != 0, size }))
    }

    /// The name of an entry; `None` for the root of the archive. A `./` at the
    /// start and a `/` at the end of a directory are how GNU tar writes names.
    fn path(&self, name: &[u8], is_directory: bool) -> Result<Option<RelPath>, UnpackError> {
        let Ok(text) = std::str::from_utf8(name) else {
            return Err(self.header("a name that is not UTF-8"));
        };
        let text = match is_directory {
            true if matches!(text, "." | "./") => return Ok(None),
            true => text.strip_suffix('/').unwrap_or(text),
            false => text,
        };
        let text = text.strip_prefix("./").unwrap_or(text);
        let path = RelPath::new(text)
            .map_err(|source| UnpackError::Name { entry: self.headers, source })?;
        Ok(Some(path))
    }

    /// Counts directories without an entry of their own too: they cost as much.
    fn check_count(&self) -> Result<(), UnpackError> {
        let limit = self.limits.entries;
        match self.names.len() as u64 > limit {
            true => Err(UnpackError::TooManyEntries { limit }),
            false => Ok(()),
        }
    }

    /// Reads PAX records. Only a path may come from them; what is no content is
    /// passed over; all else is refused, lest another reader sees another file.
    fn records(&mut self, size: u64, about_next: bool) -> Result<Records, UnpackError> {
        if size > MAX_RECORDS {
            return Err(self.header("a PAX header that is too long"));
        }
        self.expect(size);
        let mut data = vec![0; usize::try_from(size).unwrap_or(0)];
        let mut filled = 0;
        while let Some(rest) = data.get_mut(filled..).filter(|r| !r.is_empty()) {
            filled += self.read(rest)?;
        }
        let mut found = Records::default();
        let mut rest = data.as_slice();
        while !rest.is_empty() {
            let (key, value, after) =
                record(rest).ok_or_else(|| self.header("a malformed PAX record"))?;
            rest = after;
            match key {
                "comment" => {}
                "path" if about_next && found.path.is_none() => found.path = Some(value.to_owned()),
                "size" if about_next && found.size.is_none() => {
                    let size = decimal(value);
                    found.size = Some(size.ok_or_else(|| self.header("a malformed PAX size"))?);
                }
                key if about_next && is_no_content(key) => {}
                key => {
                    let key = printable(key.as_bytes());
                    return Err(UnpackError::Record { entry: self.headers, key });
                }
            }
        }
        Ok(found)
    }

    /// Notes that `size` bytes and what fills their last block come next.
    fn expect(&mut self, size: u64) {
        self.unread = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
    }

    /// Fills `buffer` as far as the input goes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|r| !r.is_empty()) {
            match self.input(rest)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    /// Reads uncompressed bytes, never more than the limit allows.
    fn input(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        loop {
            let read = match &mut self.input {
                Input::Plain(reader) => reader.read(buffer),
                Input::Gzip(reader) => reader.read(buffer),
            };
            match read {
                Ok(read) => {
                    self.total += read as u64;
                    let limit = self.limits.total;
                    return match self.total > limit {
                        true => Err(UnpackError::TooLarge { limit }),
                        false => Ok(read),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(UnpackError::Truncated);
                }
                Err(error) => return Err(UnpackError::Read(error)),
            }
        }
    }

    fn header(&self, fault: &'static str) -> UnpackError {
        UnpackError::Header { entry: self.headers, fault }
    }
}

/// What a kind of entry that is refused is called.
fn named(kind: u8) -> &'static str {
    match kind {
        b'1' => "a hard link",
        b'2' => "a symbolic link",
        b'3' | b'4' => "a device",
        b'6' => "a named pipe",
        b'S' => "a sparse file",
        b'L' | b'K' => "a GNU long name",
        _ => "of an unknown kind",
    }
}

/// Whether a PAX record says nothing about a file's name and bytes.
fn is_no_content(key: &str) -> bool {
    matches!(key, "mtime" | "atime" | "ctime" | "uid" | "gid" | "uname" | "gname")
        || key.starts_with("LIBARCHIVE.")
        || key.starts_with("SCHILY.xattr.")
}

/// The first of some PAX records: `<length> <key>=<value>\n`.
fn record(bytes: &[u8]) -> Option<(&str, &str, &[u8])> {
    let digits = bytes.iter().take(8).position(|b| *b == b' ')?;
    let length = decimal(std::str::from_utf8(bytes.get(..digits)?).ok()?)?;
    let (record, after) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    let text = std::str::from_utf8(record.get(digits + 1..)?).ok()?.strip_suffix('\n')?;
    let (key, value) = text.split_once('=')?;
    (!key.is_empty() && !text.contains('\0')).then_some((key, value, after))
}

/// A decimal number without sign or leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// A numeric field: octal digits, spaces before, spaces and NULs behind. The
/// binary form of GNU tar is for sizes beyond every limit.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_start_matches(' ');
    let digits = text.trim_end_matches([' ', '\0']);
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    u64::from_str_radix(digits, 8).ok().filter(|_| plain)
}

/// A hostile text for a message.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().take(200).collect()
}

#[cfg(test)]
mod tests;
