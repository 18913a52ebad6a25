//! The names of a tree: each once, on every file system.
//!
//! A bundle is unpacked where case may not count, so two names that are equal
//! once case is folded cannot both be in it, be they files or directories.

use std::collections::HashMap;

use super::path::RelPath;

/// The names seen so far.
#[derive(Debug, Default)]
pub struct Names {
    /// By folded path: the path itself, and what it is.
    seen: HashMap<Box<str>, (Option<Box<str>>, Kind)>,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    /// A directory that was named itself.
    Directory,
    /// A directory because something is in it.
    Implied,
}

/// Why a name cannot be there beside another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// The same name twice.
    #[error("`{path}` is there twice")]
    Duplicate {
        /// The name.
        path: RelPath,
    },
    /// Two names that differ only in case.
    #[error("`{path}` and `{other}` differ only in case")]
    Case {
        /// The second of the names.
        path: RelPath,
        /// The first of the names.
        other: String,
    },
    /// A file where a directory is, or the other way round.
    #[error("`{path}` is a file and a directory")]
    Kind {
        /// The name.
        path: RelPath,
    },
}

impl Names {
    /// Takes in a file and the directories it is in.
    ///
    /// # Errors
    /// [`Clash`].
    pub fn file(&mut self, path: &RelPath) -> Result<(), Clash> {
        self.parents(path)?;
        self.insert(path, Kind::File)
    }

    /// Takes in a directory and those it is in.
    ///
    /// # Errors
    /// [`Clash`].
    pub fn directory(&mut self, path: &RelPath) -> Result<(), Clash> {
        self.parents(path)?;
        self.insert(path, Kind::Directory)
    }

    /// How many names there are, directories that are only implied included.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn parents(&mut self, path: &RelPath) -> Result<(), Clash> {
        let Some(parent) = path.parent() else { return Ok(()) };
        if self.is_directory(&parent) {
            return Ok(());
        }
        self.parents(&parent)?;
        self.insert(&parent, Kind::Implied)
    }

    /// Whether exactly this directory is known: what most calls end with.
    fn is_directory(&self, path: &RelPath) -> bool {
        let folded = fold(path.as_str());
        self.seen.get(folded.as_str()).is_some_and(|(name, kind)| {
            *kind != Kind::File && name.as_deref().unwrap_or(&folded) == path.as_str()
        })
    }

    fn insert(&mut self, path: &RelPath, kind: Kind) -> Result<(), Clash> {
        let folded = fold(path.as_str());
        let Some((name, known)) = self.seen.get_mut(folded.as_str()) else {
            let name = (folded != path.as_str()).then(|| path.as_str().into());
            self.seen.insert(folded.into(), (name, kind));
            return Ok(());
        };
        let name = name.as_deref().unwrap_or(&folded);
        if name != path.as_str() {
            return Err(Clash::Case { path: path.clone(), other: name.to_owned() });
        }
        match (*known, kind) {
            (Kind::Implied, Kind::Directory) => {
                *known = Kind::Directory;
                Ok(())
            }
            (Kind::Directory | Kind::Implied, Kind::Implied) => Ok(()),
            (Kind::File, Kind::File) | (Kind::Directory, Kind::Directory) => {
                Err(Clash::Duplicate { path: path.clone() })
            }
            _ => Err(Clash::Kind { path: path.clone() }),
        }
    }
}

/// The text with its case folded: up first, so that letters with several
/// lower-case forms (`ſ`, `ς`, `ß`) meet.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).expect("valid")
    }

    /// Takes in names; those that end in `/` are directories.
    fn clash(names: &[&str]) -> Option<Clash> {
        let mut seen = Names::default();
        names.iter().find_map(|name| {
            match name.strip_suffix('/') {
                Some(directory) => seen.directory(&path(directory)),
                None => seen.file(&path(name)),
            }
            .err()
        })
    }

    #[test]
    fn names_are_there_once() {
        assert_eq!(clash(&["a/", "a/b", "a/c", "b/c/d", "b/", "b/c/"]), None);
        let case = |a: &str, b: &str| Some(Clash::Case { path: path(a), other: b.to_owned() });
        let kind = |a| Some(Clash::Kind { path: path(a) });
        let twice = |a| Some(Clash::Duplicate { path: path(a) });
        for (names, expected) in [
            (&["a", "a"][..], twice("a")),
            (&["a/", "a/"], twice("a")),
            (&["a", "A"], case("A", "a")),
            (&["README.md", "Readme.md"], case("Readme.md", "README.md")),
            (&["Dir/a", "dir/b"], case("dir", "Dir")),
            (&["x/Dir/a", "x/dir/"], case("x/dir", "x/Dir")),
            (&["straße", "STRASSE"], case("STRASSE", "straße")),
            (&["É", "é"], case("é", "É")),
            (&["Σ", "ς"], case("ς", "Σ")),
            (&["a", "a/b"], kind("a")),
            (&["a/b", "a"], kind("a")),
            (&["a", "a/"], kind("a")),
        ] {
            assert_eq!(clash(names), expected, "{names:?}");
        }
    }
}
