//! `sluicegate policy check`, `init` and `test`.

pub mod check;
pub mod init;
pub mod test;

use std::path::{Component, Path, PathBuf};

use crate::model::bundle::path::RelPath;

/// Files below the directory that they have in common: what problems call
/// them, and what stands in front of that.
struct Below {
    base: String,
    names: Vec<Option<RelPath>>,
}

impl Below {
    fn of(files: &[PathBuf]) -> Self {
        let parents: Vec<PathBuf> = files.iter().map(|file| clean(file.parent())).collect();
        let mut common = parents.first().cloned().unwrap_or_default();
        while !parents.iter().all(|parent| parent.starts_with(&common)) {
            if !common.pop() {
                break;
            }
        }
        let name = |file: &PathBuf| {
            let whole = clean(Some(file));
            let rest = whole.strip_prefix(&common).ok()?;
            RelPath::new(rest.to_str()?).ok()
        };
        Self { base: common.display().to_string(), names: files.iter().map(name).collect() }
    }
}

/// A path without `.` components.
fn clean(path: Option<&Path>) -> PathBuf {
    let parts = path.unwrap_or(Path::new("")).components();
    parts.filter(|part| !matches!(part, Component::CurDir)).collect()
}
