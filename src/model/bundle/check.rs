//! Stub.
#![allow(missing_docs, reason = "stub")]

use std::collections::BTreeSet;

use super::{
    need::Need,
    object::ObjectId,
    path::RelPath,
    problem::{Code, Problem},
};

pub fn is_manifest(path: &RelPath) -> bool {
    let name = path.file_name();
    [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
}

#[derive(Debug)]
pub struct FileFacts {
    path: RelPath,
    bad: bool,
}

pub fn read_file(path: &RelPath, bytes: &[u8]) -> FileFacts {
    FileFacts { path: path.clone(), bad: bytes.starts_with(b"%bad") }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub allow_secrets: bool,
}

#[derive(Debug)]
pub struct Object {
    pub id: ObjectId,
}

#[derive(Debug, Default)]
pub struct Judgement {
    pub problems: Vec<Problem>,
    pub objects: Vec<Object>,
    pub needs: Vec<Need>,
}

pub fn judge(files: Vec<FileFacts>, _: &BTreeSet<RelPath>, _: &Options) -> Judgement {
    let problems = files
        .iter()
        .filter(|file| file.bad)
        .map(|file| Problem::error(Code("yaml"), "bad").in_file(&file.path))
        .collect();
    Judgement { problems, ..Judgement::default() }
}
