//! Where a bundle comes from: repository, ref and commit.

use jiff::Timestamp;

/// The source of a bundle, from git or asserted by flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The repository's URL in normal form: `https://host/path`, without
    /// credentials and `.git`.
    pub repository: String,
    /// The ref, in full: `refs/heads/main`, `refs/tags/v1`; `None` for a
    /// detached commit that no ref names.
    pub reference: Option<String>,
    /// `main@sha1:<commit>`, `sha1:<commit>`, or with `-dirty` after the ref.
    /// As given with `--revision` when asserted.
    pub revision: String,
    /// The commit, 40 or 64 hexadecimal digits; `None` when asserted without
    /// one.
    pub commit: Option<String>,
    /// The directory's path in the repository, `.` for its root; `None` when
    /// asserted.
    pub path: Option<String>,
    /// When the commit was made.
    pub committed: Option<Timestamp>,
    /// Whether it was read from git or asserted.
    pub origin: Origin,
    /// Whether the packed bytes differ from the commit's.
    pub dirty: bool,
}

/// How a [`Source`] is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Read from the git work tree.
    Git,
    /// Asserted with `--source` and `--revision`.
    Flag,
}

/// The commit that a revision names: what follows `sha1:` or `sha256:` at its
/// end.
pub fn commit_of(revision: &str) -> Option<&str> {
    let (before, hex) = revision.rsplit_once(':')?;
    let named = before.ends_with("sha1") || before.ends_with("sha256");
    let digits = matches!(hex.len(), 40 | 64) && hex.bytes().all(|b| b.is_ascii_hexdigit());
    (named && digits).then_some(hex)
}
