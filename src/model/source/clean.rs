//! Whether what is packed is what the commit has.
//!
//! Clean means that the bytes of every packed file hash to the blob at that
//! path in the commit's tree, and that nothing is missing that would be
//! packed. So it is bytes that count, not what `git status` says: the index
//! can be told to look away, filters rewrite, and ignored files are packed
//! all the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::git::{EntryKind, ObjectId, TreeEntry};

/// How many differences a message names.
const SHOWN: usize = 10;

/// A file as it is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFile {
    /// The path relative to the directory.
    pub path: String,
    /// Whether it is packed with the executable bit.
    pub executable: bool,
    /// What git would call its bytes; see [`super::git::BlobHasher`].
    pub blob: ObjectId,
}

/// A path at which what is packed differs from the commit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The path relative to the directory.
    pub path: String,
    /// How it differs.
    pub how: How,
}

/// How a path differs from the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// The bytes are others.
    Changed,
    /// The executable bit was set or cleared.
    Mode,
    /// It is packed, but not in the commit.
    Untracked,
    /// It is in the commit, but not there to be packed.
    Missing,
    /// The commit has a symbolic link, and its target was packed.
    Symlink,
    /// It is a submodule: its files are in another repository.
    Submodule,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Changed => "changed",
            How::Mode => "executable bit changed",
            How::Untracked => "not in the commit",
            How::Missing => "missing",
            How::Symlink => "a symbolic link in the commit",
            How::Submodule => "a submodule",
        };
        write!(f, "`{}` ({how})", self.path.escape_debug())
    }
}

/// Compares what is packed with the commit's tree, sorted by path; empty when
/// clean. `would_pack` says of an entry of the tree whether the filters would
/// let it through.
pub fn cleanliness(
    files: &[PackedFile],
    tree: &[TreeEntry],
    would_pack: impl Fn(&TreeEntry) -> bool,
) -> Vec<Difference> {
    let committed: BTreeMap<&str, &TreeEntry> =
        tree.iter().map(|entry| (entry.path.as_str(), entry)).collect();
    let mut packed = BTreeSet::new();
    let mut differences = BTreeSet::new();
    for file in files {
        packed.insert(file.path.as_str());
        differences.extend(compare(file, &committed));
    }
    for entry in tree {
        if !packed.contains(entry.path.as_str()) && would_pack(entry) {
            let how = match entry.kind {
                EntryKind::Submodule => How::Submodule,
                _ => How::Missing,
            };
            differences.insert(Difference { path: entry.path.clone(), how });
        }
    }
    differences.into_iter().collect()
}

fn compare(file: &PackedFile, committed: &BTreeMap<&str, &TreeEntry>) -> Option<Difference> {
    let differs = |how| Some(Difference { path: file.path.clone(), how });
    let Some(entry) = committed.get(file.path.as_str()) else {
        return match submodule_of(&file.path, committed) {
            Some(path) => Some(Difference { path: path.to_owned(), how: How::Submodule }),
            None => differs(How::Untracked),
        };
    };
    match entry.kind {
        EntryKind::Symlink => differs(How::Symlink),
        EntryKind::Submodule => differs(How::Submodule),
        _ if entry.id != file.blob => differs(How::Changed),
        kind if (kind == EntryKind::Executable) != file.executable => differs(How::Mode),
        _ => None,
    }
}

/// The submodule that the path is in.
fn submodule_of<'a>(path: &'a str, committed: &BTreeMap<&str, &TreeEntry>) -> Option<&'a str> {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at)).find(|parent| {
        committed.get(parent).is_some_and(|entry| entry.kind == EntryKind::Submodule)
    })
}

/// The differences for a message: the first ten, and how many more there are.
pub(super) fn list(differences: &[Difference]) -> String {
    let shown: Vec<_> = differences.iter().take(SHOWN).map(Difference::to_string).collect();
    match differences.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::super::git::{BlobHasher, ObjectFormat};
    use super::*;

    fn id(content: &str) -> ObjectId {
        let mut hasher = BlobHasher::new(ObjectFormat::Sha1, content.len() as u64);
        hasher.update(content.as_bytes());
        hasher.finish()
    }

    fn packed(path: &str, content: &str) -> PackedFile {
        PackedFile { path: path.into(), executable: false, blob: id(content) }
    }

    fn entry(path: &str, kind: EntryKind, content: &str) -> TreeEntry {
        TreeEntry { path: path.into(), kind, id: id(content) }
    }

    fn texts(files: &[PackedFile], tree: &[TreeEntry]) -> Vec<String> {
        let ignored = |entry: &TreeEntry| !entry.path.ends_with(".md");
        cleanliness(files, tree, ignored).iter().map(Difference::to_string).collect()
    }

    #[test]
    fn equal_bytes_are_clean() {
        let tree = [
            entry("a.yaml", EntryKind::File, "a"),
            entry("bin/run", EntryKind::Executable, "r"),
            entry("README.md", EntryKind::File, "ignored, so never packed"),
            entry("docs/x.md", EntryKind::Submodule, ""),
        ];
        let mut files = [packed("a.yaml", "a"), packed("bin/run", "r")];
        files[1].executable = true;
        assert_eq!(texts(&files, &tree), [""; 0]);
    }

    #[test]
    fn every_difference_is_named() {
        let tree = [
            entry("changed", EntryKind::File, "a"),
            entry("gone", EntryKind::File, "a"),
            entry("link", EntryKind::Symlink, "target"),
            entry("mode", EntryKind::Executable, "a"),
            entry("mode2", EntryKind::File, "a"),
            entry("sub", EntryKind::Submodule, ""),
            entry("vendor/empty", EntryKind::Submodule, ""),
        ];
        let files = [
            packed("changed", "b"),
            packed("link", "target"),
            packed("mode", "a"),
            PackedFile { executable: true, ..packed("mode2", "a") },
            packed("new\u{1b}", "n"),
            packed("sub/a", "a"),
            packed("sub/b/c", "c"),
        ];
        assert_eq!(
            texts(&files, &tree),
            [
                "`changed` (changed)",
                "`gone` (missing)",
                "`link` (a symbolic link in the commit)",
                "`mode` (executable bit changed)",
                "`mode2` (executable bit changed)",
                "`new\\u{1b}` (not in the commit)",
                "`sub` (a submodule)",
                "`vendor/empty` (a submodule)",
            ]
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let files: Vec<_> = (0..13).map(|n| packed(&format!("f{n:02}"), "")).collect();
        let text = list(&cleanliness(&files, &[], |_| true));
        assert!(text.contains("`f09`") && !text.contains("`f10`"), "{text}");
        assert!(text.ends_with(" and 3 more"), "{text}");
    }
}
