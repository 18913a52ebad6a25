//! What is read from git, and what a bundle's files are called there.
//!
//! Values only; `edge::git` reads them.

use std::{fmt, path::PathBuf};

use jiff::Timestamp;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// What git says about a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitFacts {
    /// The root of the work tree. Of this machine; never recorded.
    pub root: PathBuf,
    /// The directory's path in the repository, `.` for its root.
    pub path: String,
    /// Which hash names the objects.
    pub format: ObjectFormat,
    /// HEAD's commit, in hexadecimal digits.
    pub commit: String,
    /// When it was committed; `None` when the commit has no usable time.
    pub committed: Option<Timestamp>,
    /// The branch that HEAD is on, in full (`refs/heads/main`); `None` when
    /// detached.
    pub branch: Option<String>,
    /// Every ref at HEAD's commit, in full.
    pub refs: Vec<String>,
    /// The remote of the branch's upstream, by name (or, as some tools
    /// configure it, by URL).
    pub upstream: Option<String>,
    /// The remotes with a URL, in the order of the configuration.
    pub remotes: Vec<Remote>,
    /// Whether history is cut off; HEAD's tree is whole all the same.
    pub shallow: bool,
}

/// A remote as configured. Its URL may carry credentials, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Remote {
    /// The name, such as `origin`.
    pub name: String,
    /// The URL to fetch from, as configured.
    pub url: String,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Which hash names the objects of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectFormat {
    /// 40 digits; the default of git.
    Sha1,
    /// 64 digits.
    Sha256,
}

impl ObjectFormat {
    /// The format by git's name for it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            _ => None,
        }
    }

    /// Git's name, which is also the algorithm of a revision.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// How many hexadecimal digits an object's name has.
    pub fn digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
        }
    }
}

/// The name of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    format: ObjectFormat,
    /// The hash, zeroes after it when it is short.
    bytes: [u8; 32],
}

impl ObjectId {
    /// Reads an object's name in hexadecimal digits.
    pub fn from_hex(format: ObjectFormat, hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if hex.len() != format.digits() {
            return None;
        }
        hex::decode_to_slice(hex, bytes.get_mut(..hex.len() / 2)?).ok()?;
        Some(Self { format, bytes })
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes.get(..self.format.digits() / 2).unwrap_or_default();
        f.write_str(&hex::encode(bytes))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes the name that git gives to a file's bytes, without filters: the
/// hash of `blob`, the size, a zero byte and the bytes.
#[derive(Clone)]
pub struct BlobHasher(State);

#[derive(Clone)]
enum State {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl BlobHasher {
    /// A hasher for a file of `size` bytes.
    pub fn new(format: ObjectFormat, size: u64) -> Self {
        let mut hasher = Self(match format {
            ObjectFormat::Sha1 => State::Sha1(Sha1::new()),
            ObjectFormat::Sha256 => State::Sha256(Sha256::new()),
        });
        hasher.update(format!("blob {size}\0").as_bytes());
        hasher
    }

    /// Takes in the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
        }
    }

    /// The name.
    pub fn finish(self) -> ObjectId {
        match self.0 {
            State::Sha1(state) => {
                let mut bytes = [0; 32];
                let (short, _) = bytes.split_at_mut(20);
                short.copy_from_slice(&state.finalize());
                ObjectId { format: ObjectFormat::Sha1, bytes }
            }
            State::Sha256(state) => {
                ObjectId { format: ObjectFormat::Sha256, bytes: state.finalize().into() }
            }
        }
    }
}

/// An entry of a commit's tree below the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// The path relative to the directory. What is not UTF-8 is replaced: no
    /// packed file has such a name.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// The blob, or for a submodule the commit.
    pub id: ObjectId,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file with the executable bit.
    Executable,
    /// A symbolic link; the blob is its target.
    Symlink,
    /// A commit of another repository, whose files are not in this one.
    Submodule,
}

impl EntryKind {
    /// The kind by the mode that git prints; `None` for a tree.
    pub fn of_mode(mode: &str) -> Option<Self> {
        match mode {
            "120000" => Some(Self::Symlink),
            "160000" => Some(Self::Submodule),
            "100755" => Some(Self::Executable),
            // Old repositories also have 100664.
            mode if mode.starts_with("100") => Some(Self::File),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_named_as_git_names_it() {
        // `printf hello | git hash-object --stdin`, in a repository of each kind.
        for (format, name) in [
            (ObjectFormat::Sha1, "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"),
            (
                ObjectFormat::Sha256,
                "8aec4e4876f854f688d0ebfc8f37598f38e5fd6903cccc850ca36591175aeb60",
            ),
        ] {
            let mut hasher = BlobHasher::new(format, 5);
            hasher.update(b"hel");
            hasher.update(b"lo");
            let id = hasher.finish();
            assert_eq!(id.to_string(), name);
            assert_eq!(ObjectId::from_hex(format, name), Some(id));
        }
        assert_eq!(ObjectId::from_hex(ObjectFormat::Sha1, "b6fc"), None);
        assert_eq!(ObjectId::from_hex(ObjectFormat::Sha1, &"x".repeat(40)), None);
    }

    #[test]
    fn a_remote_does_not_show_its_url() {
        let remote = Remote { name: "origin".into(), url: "https://u:s3cret@host/x".into() };
        assert!(!format!("{remote:?}").contains("s3cret"));
    }
}
