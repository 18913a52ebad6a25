//! What of a directory goes into the bundle, and what is wrong with the rest.
//!
//! The edge walks the directory and tells what it found, in the order of the
//! layer; this decides: left out by a pattern, packed, or a problem. A
//! directory itself is never packed for its own sake, only for a file in it:
//! git keeps no empty ones, and the same commit must give the same bytes.

use super::{
    bounds::{self, Bounds},
    check,
    ignore::Rules,
    names::{Clash, Names},
    path::RelPath,
    problem::{
        Problem,
        code::{
            BUNDLE_TOO_LARGE, EMPTY, FILE_NAME, FILE_TOO_LARGE, FILE_TYPE, NAME_COLLISION, SYMLINK,
            UNREADABLE,
        },
    },
    unpack::Limits,
};

/// The directory of git itself. Never packed, whatever the patterns say: it
/// can hold credentials, and no commit can contain it.
pub const GIT: &[u8] = b".git";

/// Something found in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path in the directory, `/` between components.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
}

/// What something found is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file, or a link to one that was followed.
    File(File),
    /// A directory, or a link to one that was followed.
    Directory,
    /// A symbolic link that was not followed.
    Link(Link),
    /// Something else: a device, a socket, a named pipe.
    Other(&'static str),
    /// It could not be read, and why.
    Unreadable(String),
}

/// A file as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// How many bytes it has.
    pub size: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Device and inode: that it is still the same when it is opened.
    pub identity: (u64, u64),
}

/// Why a symbolic link was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It was not asked for.
    NotAsked,
    /// It leads out of the directory, or into `.git`.
    Outside,
    /// It leads nowhere.
    Broken,
    /// It leads to a directory that it is in.
    Cycle,
}

/// A file to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its path in the bundle.
    pub path: RelPath,
    /// As it was found.
    pub file: File,
}

/// What is packed, in the order of the layer, and what is wrong.
#[derive(Debug, Default)]
pub struct Selection {
    /// The files to pack.
    pub files: Vec<Chosen>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// How many files the patterns left out.
    pub ignored: u64,
}

/// Decides about one thing after the other.
pub struct Selector<'a> {
    rules: &'a Rules,
    /// How large a file that is parsed may be.
    max_parsed: u64,
    limits: Limits,
    names: Names,
    total: u64,
    selection: Selection,
}

impl<'a> Selector<'a> {
    /// Begins with nothing. What no reader would accept is not packed: the
    /// limits are those of unpacking.
    pub fn new(rules: &'a Rules, max_parsed: u64, limits: Limits) -> Self {
        Self {
            rules,
            max_parsed,
            limits,
            names: Names::default(),
            total: 0,
            selection: Selection::default(),
        }
    }

    /// Decides about `found`; whether it is a directory to look into.
    pub fn offer(&mut self, found: Found) -> bool {
        let Found { path: name, kind } = found;
        let components: Vec<&[u8]> = name.split(|b| *b == b'/').collect();
        if components.last() == Some(&GIT) || self.is_full() {
            return false;
        }
        let is_directory = matches!(kind, Kind::Directory | Kind::Unreadable(_));
        let ignored = self.rules.ignores(&components, is_directory);
        let path = match std::str::from_utf8(&name) {
            Ok(text) => RelPath::new(text).map_err(|error| error.to_string()),
            Err(_) => {
                let shown = String::from_utf8_lossy(&name).escape_debug().to_string();
                Err(format!("path `{shown}` is not UTF-8"))
            }
        };
        match path {
            // Even an ignored directory can hold files that a pattern brings
            // back, but none below a name that no file could keep.
            _ if ignored && kind != Kind::Directory => self.selection.ignored += 1,
            Err(_) if ignored => {}
            Err(fault) => {
                let problem = Problem::error(FILE_NAME, fault)
                    .hint("rename it, or leave it out with `--ignore` or `.sourceignore`");
                // Where it is can be said, where its own name cannot.
                let dir = components.split_last().map(|(_, dir)| dir.join(&b'/'));
                let dir = dir.and_then(|dir| String::from_utf8(dir).ok());
                self.problem(match dir.and_then(|dir| RelPath::new(&dir).ok()) {
                    Some(dir) => problem.in_file(&dir),
                    None => problem,
                });
            }
            Ok(path) => return self.offer_named(path, kind),
        }
        false
    }

    /// The decision, complete.
    pub fn finish(mut self) -> Selection {
        let is_content = |file: &Chosen| file.path.file_name() != super::ignore::FILE_NAME;
        if self.selection.problems.is_empty() && !self.selection.files.iter().any(is_content) {
            let (message, hint) = match self.selection.ignored {
                0 => (
                    "the directory has no file".to_owned(),
                    "name the directory of the manifests, or write some there",
                ),
                ignored => (
                    format!("nothing is left to pack; files ignored: {ignored}"),
                    "Flux's default exclusions apply as long as no `.sourceignore` has a pattern",
                ),
            };
            self.problem(Problem::error(EMPTY, message).hint(hint));
        }
        self.selection
    }

    fn offer_named(&mut self, path: RelPath, kind: Kind) -> bool {
        let problem = match kind {
            Kind::Directory => return true,
            Kind::File(file) => return self.offer_file(path, file),
            Kind::Link(link) => unfollowed(&path, link),
            Kind::Other(what) => Problem::error(
                FILE_TYPE,
                format!("`{path}` is {what}; expected files and directories only"),
            )
            .hint("remove it, or leave it out with `--ignore` or `.sourceignore`"),
            Kind::Unreadable(reason) => unreadable(&path, &reason),
        };
        self.problem(problem.in_file(&path));
        false
    }

    /// Takes a file in, or finds what is wrong with it. Never a directory to
    /// look into.
    fn offer_file(&mut self, path: RelPath, file: File) -> bool {
        if let Err(clash) = self.names.file(&path) {
            self.problem(collision(&clash).in_file(&path));
            return false;
        }
        let parsed = check::is_manifest(&path);
        let limit = if parsed { self.max_parsed } else { self.limits.file };
        if file.size > limit {
            self.problem(too_large(&path, file.size, limit, parsed));
        }
        self.total = self.total.saturating_add(file.size);
        self.selection.files.push(Chosen { path, file });
        if self.is_full() {
            let Limits { entries, total, .. } = self.limits;
            self.problem(
                Problem::error(
                    BUNDLE_TOO_LARGE,
                    format!("there is more to pack than {entries} entries or {total} bytes"),
                )
                .hint("leave out what the cluster does not need with `.sourceignore`"),
            );
        }
        false
    }

    /// Whether a limit was passed; then the rest is not looked at.
    fn is_full(&self) -> bool {
        self.names.len() as u64 > self.limits.entries || self.total > self.limits.total
    }

    fn problem(&mut self, problem: Problem) {
        bounds::push(&mut self.selection.problems, problem, Bounds::default().problems);
    }
}

/// A file or directory that cannot be read.
pub fn unreadable(path: &RelPath, reason: &str) -> Problem {
    Problem::error(UNREADABLE, format!("`{path}` cannot be read: {reason}"))
        .in_file(path)
        .hint("check who may read it, or leave it out with `--ignore` or `.sourceignore`")
}

/// A file that is larger than the limit for its kind.
pub fn too_large(path: &RelPath, size: u64, limit: u64, parsed: bool) -> Problem {
    let what = if parsed { "a file that is parsed" } else { "a file" };
    let problem = Problem::error(
        FILE_TOO_LARGE,
        format!("`{path}` has {size} bytes; expected at most {limit} for {what}"),
    )
    .in_file(path);
    match parsed {
        true => problem.hint("split it, or raise the limit with `--max-file`"),
        false => problem.hint("leave it out with `--ignore` or `.sourceignore`"),
    }
}

fn unfollowed(path: &RelPath, link: Link) -> Problem {
    let (what, hint) = match link {
        Link::NotAsked => (
            "is a symbolic link; expected files and directories only",
            "copy what it points at, leave it out with `.sourceignore`, or follow it with \
             `--resolve-symlinks`",
        ),
        Link::Outside => (
            "is a symbolic link that leads out of the directory or into `.git`",
            "copy what it points at into the directory; links are never followed out of it",
        ),
        Link::Broken => {
            ("is a symbolic link that leads nowhere", "remove it, or create its target")
        }
        Link::Cycle => (
            "is a symbolic link to a directory that it is in",
            "remove it: what it contains would never end",
        ),
    };
    Problem::error(SYMLINK, format!("`{path}` {what}")).hint(hint)
}

fn collision(clash: &Clash) -> Problem {
    Problem::error(NAME_COLLISION, clash.to_string())
        .hint("rename one of them: where case does not count, only one would be unpacked")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { entries: 10, file: 100, total: 1000 };

    fn file(path: &str, size: u64) -> Found {
        let file = File { size, executable: false, identity: (0, 0) };
        Found { path: path.into(), kind: Kind::File(file) }
    }

    fn found(path: &[u8], kind: Kind) -> Found {
        Found { path: path.to_vec(), kind }
    }

    fn select(all: impl IntoIterator<Item = Found>) -> Selection {
        let rules = Rules::new([(None, &b"*.tmp\nout/\n"[..])], &[]);
        let mut selector = Selector::new(&rules, 20, LIMITS);
        for found in all {
            selector.offer(found);
        }
        selector.finish()
    }

    fn shown(selection: &Selection) -> Vec<(&str, &str)> {
        selection.problems.iter().map(|p| (p.code.0, p.message.as_str())).collect()
    }

    #[test]
    fn files_are_packed_and_patterns_leave_out() {
        let selection = select([
            file(".sourceignore", 1),
            file("a.tmp", 1),
            found(b"dir", Kind::Directory),
            file("dir/x.yaml", 20),
            file("dir/y.bin", 100),
            found(b"link.tmp", Kind::Link(Link::NotAsked)),
            found(b"out", Kind::Unreadable("denied".into())),
            found(b"bad\xff.tmp", Kind::Other("a socket")),
        ]);
        let packed: Vec<_> = selection.files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(packed, [".sourceignore", "dir/x.yaml", "dir/y.bin"]);
        assert_eq!((selection.ignored, shown(&selection)), (4, vec![]));
    }

    #[test]
    fn directories_are_looked_into_unless_they_are_gits() {
        let rules = Rules::new([(None, &b"out/\n!.git/\n"[..])], &[]);
        let mut selector = Selector::new(&rules, 20, LIMITS);
        let mut descends = |path: &[u8]| selector.offer(found(path, Kind::Directory));
        assert!(descends(b"a"));
        assert!(descends(b"out"));
        assert!(!descends(b".git"));
        assert!(!descends(b"a/.git"));
        assert!(!descends(b"bad\xff"));
        // In a work tree of git's, `.git` is a file that names a path.
        assert!(!selector.offer(file("sub/.git", 1)));
        assert!(selector.finish().files.is_empty());
    }

    #[test]
    fn what_is_no_file_is_refused_by_name() {
        let selection = select([
            file("ok.yaml", 1),
            found(b"a", Kind::Link(Link::NotAsked)),
            found(b"b", Kind::Link(Link::Outside)),
            found(b"c", Kind::Link(Link::Broken)),
            found(b"d", Kind::Link(Link::Cycle)),
            found(b"e", Kind::Other("a named pipe")),
            found(b"f", Kind::Unreadable("permission denied".into())),
            found(b"g\xff", Kind::Directory),
            file("h\nh", 1),
            file("i\\i", 1),
        ]);
        let expected = [
            ("symlink", "`a` is a symbolic link; expected files and directories only"),
            ("symlink", "`b` is a symbolic link that leads out of the directory or into `.git`"),
            ("symlink", "`c` is a symbolic link that leads nowhere"),
            ("symlink", "`d` is a symbolic link to a directory that it is in"),
            ("file-type", "`e` is a named pipe; expected files and directories only"),
            ("unreadable", "`f` cannot be read: permission denied"),
            ("file-name", "path `g\u{fffd}` is not UTF-8"),
            ("file-name", "path `h\\nh` contains a control character"),
            ("file-name", "path `i\\\\i` contains a backslash"),
        ];
        assert_eq!(shown(&selection), expected);
    }

    #[test]
    fn names_that_differ_in_case_are_refused() {
        let selection = select([file("A/x.yaml", 1), file("a/y.yaml", 1), file("a/z.yaml", 1)]);
        let clash = ("name-collision", "`a` and `A` differ only in case");
        assert_eq!(shown(&selection), [clash, clash]);
    }

    #[test]
    fn limits_hold() {
        let selection = select([file("a.yaml", 21), file("b.bin", 101), file("c.bin", 21)]);
        assert_eq!(
            shown(&selection),
            [
                (
                    "file-too-large",
                    "`a.yaml` has 21 bytes; expected at most 20 for a file that is parsed"
                ),
                ("file-too-large", "`b.bin` has 101 bytes; expected at most 100 for a file"),
            ]
        );
        let many = select((0..30).map(|n| file(&n.to_string(), 1)));
        let message = "there is more to pack than 10 entries or 1000 bytes";
        assert_eq!(shown(&many), [("bundle-too-large", message)]);
        assert_eq!(many.files.len(), 11);
        let large = select((0..30).map(|n| file(&n.to_string(), 100)));
        assert_eq!(shown(&large), [("bundle-too-large", message)]);
    }

    #[test]
    fn a_bundle_without_content_is_refused() {
        let none = select([found(b"dir", Kind::Directory)]);
        assert_eq!(shown(&none), [("empty", "the directory has no file")]);
        let patterns = select([file(".sourceignore", 3), file("a.tmp", 1)]);
        let message = "nothing is left to pack; files ignored: 1";
        assert_eq!(shown(&patterns), [("empty", message)]);
    }
}
