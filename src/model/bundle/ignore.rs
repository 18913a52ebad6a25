//! Which files are left out of a bundle: `.sourceignore` as Flux reads it.
//!
//! The rules are those of `fluxcd/pkg/sourceignore` (interop §1.5 and §2.5),
//! not those of git: excluded directories are still walked, so that a later `!`
//! brings back what is below them; `**` glued to other text matches nothing;
//! and one pattern anywhere in the tree replaces Flux's default exclusions,
//! except those of version control. Recorded answers of the original are in
//! `tests/vectors/ignore.jsonl`. Nothing here reads files: their bytes come in,
//! and whether a path is ignored comes out.

use super::{glob, path::RelPath};

/// The name of the files that hold patterns.
pub const FILE_NAME: &str = ".sourceignore";

/// What version control needs and a cluster does not; always excluded, unless a
/// later pattern includes it.
const VCS: [&str; 4] = [".git/", ".gitignore", ".gitmodules", ".gitattributes"];

/// What is excluded as long as the tree has no pattern of its own: large
/// binaries, the configuration of CI systems, and that of tools.
const DEFAULTS: [&str; 20] = [
    "*.jpg",
    "*.jpeg",
    "*.gif",
    "*.png",
    "*.wmv",
    "*.flv",
    "*.tar.gz",
    "*.zip",
    ".github/",
    ".circleci/",
    ".travis.yml",
    ".gitlab-ci.yml",
    "appveyor.yml",
    ".drone.yml",
    "cloudbuild.yaml",
    "codeship-services.yml",
    "codeship-steps.yml",
    "**/.goreleaser.yml",
    "**/.sops.yaml",
    "**/.flux.yaml",
];

/// A longer line ends a file of patterns, as it does for Flux.
const MAX_LINE: usize = 64 * 1024 - 1;

/// The patterns of a tree, complete: what is ignored depends on all of them.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What source-controller applies, in its order; the last match decides.
    stored: Vec<Pattern>,
    /// What was asked for on top, after everything else.
    asked: Vec<Pattern>,
}

impl Rules {
    /// The rules of a tree whose `.sourceignore` files are `files` (the
    /// directory each is in, `None` for the root, and its bytes), and of
    /// patterns asked for on top, which are read as lines at the root. Those
    /// on top do not switch the defaults off.
    pub fn new<'a>(
        files: impl IntoIterator<Item = (Option<&'a RelPath>, &'a [u8])>,
        asked: &[String],
    ) -> Self {
        let mut files: Vec<_> = files.into_iter().collect();
        // A directory's patterns come before those of the directories in it.
        files.sort_by_key(|(directory, _)| *directory);
        let own: Vec<Pattern> =
            files.into_iter().flat_map(|(directory, text)| read(text, directory)).collect();
        let defaults: &[&str] = if own.is_empty() { &DEFAULTS } else { &[] };
        let mut stored: Vec<Pattern> =
            VCS.iter().chain(defaults).map(|p| Pattern::parse(p.as_bytes(), None)).collect();
        stored.extend(own);
        let asked = asked.iter().flat_map(|text| read(text.as_bytes(), None)).collect();
        Self { stored, asked }
    }

    /// Whether the entry at `path` (its components) is left out.
    ///
    /// A `.sourceignore` file is left out only when a pattern on top says so:
    /// source-controller reads the files again from what is stored, and must
    /// find the same patterns there.
    pub fn ignores(&self, path: &[&[u8]], is_directory: bool) -> bool {
        let is_patterns = !is_directory && path.last() == Some(&FILE_NAME.as_bytes());
        verdict(&self.asked, path, is_directory)
            .or_else(|| verdict(&self.stored, path, is_directory).filter(|_| !is_patterns))
            .unwrap_or(false)
    }
}

/// What the last pattern that matches says: `true` for excluded.
fn verdict(patterns: &[Pattern], path: &[&[u8]], is_directory: bool) -> Option<bool> {
    patterns.iter().rev().find(|p| p.matches(path, is_directory)).map(|p| !p.include)
}

/// The patterns of one file.
fn read<'a>(text: &'a [u8], directory: Option<&'a RelPath>) -> impl Iterator<Item = Pattern> + 'a {
    text.split(|b| *b == b'\n')
        .take_while(|line| line.len() <= MAX_LINE)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.starts_with(b"#"))
        .filter(|line| !String::from_utf8_lossy(line).trim().is_empty())
        .map(move |line| Pattern::parse(line, directory))
}

/// One line of a `.sourceignore` file.
#[derive(Debug, Clone)]
struct Pattern {
    /// The components of the directory that the pattern is about.
    domain: Vec<Vec<u8>>,
    /// The components of the pattern; one when it is no path.
    parts: Vec<Vec<u8>>,
    /// `!`: what matches is brought back.
    include: bool,
    /// A `/` at the end: a file is matched only inside such a directory.
    directory_only: bool,
}

impl Pattern {
    fn parse(line: &[u8], directory: Option<&RelPath>) -> Self {
        let (include, line) = match line.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let line = if line.ends_with(b"\\ ") { line } else { trim_spaces(line) };
        let (directory_only, line) = match line.strip_suffix(b"/") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let domain = directory
            .map(|d| d.components().map(|c| c.as_bytes().to_vec()).collect())
            .unwrap_or_default();
        let parts = line.split(|b| *b == b'/').map(<[u8]>::to_vec).collect();
        Self { domain, parts, include, directory_only }
    }

    /// Whether the pattern is about `path` or a directory above it.
    fn matches(&self, path: &[&[u8]], is_directory: bool) -> bool {
        let Some((domain, below)) = path.split_at_checked(self.domain.len()) else {
            return false;
        };
        if below.is_empty() || domain.iter().zip(&self.domain).any(|(a, b)| a != b) {
            return false;
        }
        match self.parts.as_slice() {
            [name] => self.matches_name(name, below, is_directory),
            _ => self.matches_path(below, is_directory),
        }
    }

    /// A pattern without `/` is matched with every component; the first that
    /// matches decides.
    fn matches_name(&self, name: &[u8], path: &[&[u8]], is_directory: bool) -> bool {
        for (at, component) in path.iter().enumerate() {
            match glob::matches(name, component) {
                Err(glob::BadPattern) => return false,
                Ok(false) => {}
                Ok(true) => {
                    let is_last = at + 1 == path.len();
                    return !(self.directory_only && is_last && !is_directory);
                }
            }
        }
        false
    }

    /// A pattern with `/` is matched component by component from its domain;
    /// what is left of the path is below what matched.
    fn matches_path(&self, mut path: &[&[u8]], is_directory: bool) -> bool {
        let (mut matched, mut skipping) = (false, false);
        for (at, part) in self.parts.iter().enumerate() {
            match part.as_slice() {
                b"" => skipping = false,
                b"**" if at + 1 == self.parts.len() => break,
                b"**" => skipping = true,
                part if part.windows(2).any(|pair| pair == b"**") => return false,
                _ if path.is_empty() => return false,
                part if skipping => {
                    skipping = false;
                    let Ok(found) = find(part, path) else { return false };
                    matched = found.is_some();
                    path = found.unwrap_or_default();
                }
                part => {
                    let Some((first, rest)) = path.split_first() else { return false };
                    if glob::matches(part, first) != Ok(true) {
                        return false;
                    }
                    matched = true;
                    path = rest;
                }
            }
        }
        matched && !(self.directory_only && !is_directory && path.is_empty())
    }
}

/// What follows the first component that matches `part`.
fn find<'p, 'c>(
    part: &[u8],
    path: &'p [&'c [u8]],
) -> Result<Option<&'p [&'c [u8]]>, glob::BadPattern> {
    for (at, component) in path.iter().enumerate() {
        if glob::matches(part, component)? {
            return Ok(path.get(at + 1..));
        }
    }
    Ok(None)
}

/// Without the spaces at the end; other white space stays.
fn trim_spaces(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| *b != b' ').map_or(0, |last| last + 1);
    line.get(..end).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What Flux itself answered for one tree.
    #[derive(serde::Deserialize)]
    struct Recorded {
        files: BTreeMap<String, String>,
        ignored: Vec<String>,
        kept: Vec<String>,
    }

    fn rules(files: &BTreeMap<String, String>, asked: &[&str]) -> Rules {
        // The walk enters no `.git`, as that of Flux does not.
        let files: Vec<_> = files
            .iter()
            .filter(|(dir, _)| !dir.split('/').any(|c| c == ".git"))
            .map(|(dir, text)| (RelPath::new(dir).ok(), text.as_bytes()))
            .collect();
        let asked: Vec<String> = asked.iter().map(|p| (*p).to_owned()).collect();
        Rules::new(files.iter().map(|(dir, text)| (dir.as_ref(), *text)), &asked)
    }

    fn split(path: &str) -> (Vec<&[u8]>, bool) {
        let trimmed = path.strip_suffix('/').unwrap_or(path);
        (trimmed.split('/').map(str::as_bytes).collect(), trimmed.len() < path.len())
    }

    fn ignores(rules: &Rules, path: &str) -> bool {
        let (components, is_directory) = split(path);
        rules.ignores(&components, is_directory)
    }

    #[test]
    fn answers_as_flux_does() {
        let recorded = include_str!("../../../tests/vectors/ignore.jsonl");
        let mut cases = 0;
        for line in recorded.lines() {
            let tree: Recorded = serde_json::from_str(line).expect("fixture");
            let rules = rules(&tree.files, &[]);
            let expected = tree.ignored.iter().map(|p| (p, true));
            for (path, expected) in expected.chain(tree.kept.iter().map(|p| (p, false))) {
                // Recorded is the matcher alone, without the exception for the
                // pattern files themselves.
                let (components, is_directory) = split(path);
                let answer = verdict(&rules.stored, &components, is_directory) == Some(true);
                assert_eq!(answer, expected, "`{path}` with {:?}", tree.files);
                cases += 1;
            }
        }
        assert!(cases > 10_000, "only {cases} cases");
    }

    #[test]
    fn pattern_files_are_kept_unless_asked() {
        let files = BTreeMap::from([(String::new(), "*\n".to_owned())]);
        let own = rules(&files, &[]);
        assert!(ignores(&own, "a.yaml"));
        assert!(!ignores(&own, ".sourceignore"));
        assert!(!ignores(&own, "a/.sourceignore"));
        assert!(ignores(&own, "a/.sourceignore/"));
        let asked = rules(&files, &["a/"]);
        assert!(ignores(&asked, "a/.sourceignore"));
    }

    #[test]
    fn patterns_on_top_come_last_and_keep_the_defaults() {
        let none = BTreeMap::new();
        let on_top = rules(&none, &["*.md\n!keep.md", "!logo.png"]);
        assert!(ignores(&on_top, "README.md"));
        assert!(!ignores(&on_top, "keep.md"));
        assert!(!ignores(&on_top, "logo.png"));
        assert!(ignores(&on_top, "other.png"));
        assert!(ignores(&on_top, ".git/"));
    }

    #[test]
    fn a_line_beyond_the_limit_ends_the_file() {
        let long = format!("a\n{}\nb\n", "x".repeat(MAX_LINE + 1));
        let files = BTreeMap::from([(String::new(), long)]);
        let rules = rules(&files, &[]);
        assert!(ignores(&rules, "a"));
        assert!(!ignores(&rules, "b"));
    }
}
