//! Packing directories and unpacking layers, on a real file system.
#![allow(clippy::expect_used, reason = "tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use sluicegate::{
    flow::pack::{Input, Options, Packed, pack},
    model::bundle::problem::Problem,
};
use tempfile::TempDir;

mod golden;
mod inputs;
mod unpacking;

/// A directory with files in it; a name that ends in `*` is executable.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().expect("temporary directory");
    for (name, text) in files {
        let path = root.path().join(name.trim_end_matches('*'));
        fs::create_dir_all(path.parent().expect("parent")).expect("directories");
        fs::write(&path, text).expect("file");
        if name.ends_with('*') {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
        }
    }
    root
}

fn input(path: &Path) -> Input {
    Input::at(path).expect("input")
}

fn packed(path: &Path, options: &Options) -> Packed {
    pack(&input(path), options, None).expect("pack")
}

/// The names that are packed.
fn names(packed: &Packed) -> Vec<&str> {
    packed.files.iter().map(|file| file.path.as_str()).collect()
}

fn codes(problems: &[Problem]) -> Vec<(&str, String)> {
    problems
        .iter()
        .map(|p| (p.code.0, p.file.as_ref().map(ToString::to_string).unwrap_or_default()))
        .collect()
}

/// The compressed layer.
fn layer(packed: &Packed) -> Vec<u8> {
    fs::read(packed.layer.as_ref().expect("layer").file.path()).expect("read")
}

/// Everything below a directory: paths, with the text of files and a `*` for
/// executable ones.
fn tree(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("directory") {
            let path = entry.expect("entry").path();
            let name = path.strip_prefix(root).expect("below").display().to_string();
            let metadata = fs::symlink_metadata(&path).expect("metadata");
            if metadata.is_dir() {
                open.push(path);
                continue;
            }
            let mark = if metadata.permissions().mode() & 0o100 != 0 { "*" } else { "" };
            found.push((format!("{name}{mark}"), fs::read_to_string(&path).expect("text")));
        }
    }
    found.sort();
    found
}
