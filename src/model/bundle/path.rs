//! Paths inside a bundle.

use std::{borrow::Borrow, fmt};

/// A path inside a bundle: relative, `/` between components, UTF-8, without
/// empty components, `.`, `..`, `\` or control characters.
///
/// The order is byte-wise by component, which is the order of a pre-order walk
/// that sorts every directory by name (interop §1.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelPath(String);

/// The longest path, in bytes; longer names do not unpack on common systems.
const MAX_LENGTH: usize = 1024;

impl RelPath {
    /// Checks a path.
    ///
    /// # Errors
    /// [`PathError`] naming what the path breaks.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let fault = |fault: &'static str| PathError {
            path: text.escape_debug().take(200).collect(),
            fault,
        };
        if text.is_empty() {
            return Err(fault("is empty"));
        }
        if text.len() > MAX_LENGTH {
            return Err(fault("is longer than 1024 bytes"));
        }
        if text.starts_with('/') {
            return Err(fault("is absolute"));
        }
        if text.contains('\\') {
            return Err(fault("contains a backslash"));
        }
        if text.chars().any(char::is_control) {
            return Err(fault("contains a control character"));
        }
        match text.split('/').find(|part| matches!(*part, "" | "." | "..")) {
            Some(".." | ".") => Err(fault("contains a `.` or `..` component")),
            Some(_) => Err(fault("contains an empty component")),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The directory the path is in; `None` at the root of the bundle.
    pub fn parent(&self) -> Option<RelPath> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Resolves `target`, written relative to the directory `dir` (`None` is
    /// the root), the way kustomize resolves a local resource. `None` when it
    /// leaves the bundle; `Some(None)` when it names the root itself.
    pub fn resolve(dir: Option<&RelPath>, target: &str) -> Option<Option<RelPath>> {
        let mut parts: Vec<&str> = dir.map(|d| d.components().collect()).unwrap_or_default();
        if target.starts_with('/') {
            return None;
        }
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                name => parts.push(name),
            }
        }
        match parts.is_empty() {
            true => Some(None),
            false => Self::new(&parts.join("/")).ok().map(Some),
        }
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.components().cmp(other.components())
    }
}

impl Borrow<str> for RelPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path that cannot be in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path `{path}` {fault}")]
pub struct PathError {
    path: String,
    fault: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_leaves_the_bundle() {
        for bad in ["", "/etc/passwd", "../a", "a/../b", "a//b", "./a", "a\\b", "a\nb", "a/", "\0"]
        {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn order_is_that_of_a_sorted_walk() {
        let mut paths: Vec<_> =
            ["a.b", "a/c", "a", "b"].iter().map(|p| RelPath::new(p).expect("valid")).collect();
        paths.sort();
        let texts: Vec<_> = paths.iter().map(RelPath::as_str).collect();
        assert_eq!(texts, ["a", "a/c", "a.b", "b"]);
    }

    #[test]
    fn resolves_like_kustomize() {
        let dir = RelPath::new("apps/shop").expect("valid");
        let text = |target| RelPath::resolve(Some(&dir), target).map(|p| p.map(|p| p.to_string()));
        assert_eq!(text("./cm.yaml"), Some(Some("apps/shop/cm.yaml".into())));
        assert_eq!(text("../base"), Some(Some("apps/base".into())));
        assert_eq!(text("../.."), Some(None));
        assert_eq!(text("../../.."), None);
        assert_eq!(text("/etc"), None);
    }
}
