//! Real git in temporary directories: what is read, and that reading runs
//! nothing that a work tree brings along.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sluicegate::{
    edge::git::{self, GitError, TIME_LIMIT},
    model::source::{
        ci::Ci,
        clean::{PackedFile, cleanliness},
        from_git,
        git::{BlobHasher, EntryKind, GitFacts, ObjectFormat, TreeEntry},
    },
};
use tempfile::TempDir;

mod facts;
mod hostile;

/// A repository in a temporary directory.
struct Repo {
    dir: TempDir,
}

impl Repo {
    /// A repository with one commit on `main`, of two files.
    fn new() -> Self {
        Self::init(&["--initial-branch=main"])
    }

    fn init(options: &[&str]) -> Self {
        let repo = Self { dir: tempfile::tempdir().unwrap() };
        repo.git(&[&["init", "--quiet"], options].concat());
        repo.write("README.md", "read me");
        repo.write("deploy/prod/app.yaml", "kind: ConfigMap");
        repo.commit();
        repo
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=m", "--allow-empty"]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn git(&self, arguments: &[&str]) -> String {
        run_git(self.path(), arguments)
    }

    async fn facts(&self) -> GitFacts {
        git::facts(self.path(), TIME_LIMIT).await.unwrap()
    }
}

/// Runs git for a test, away from the user's own configuration.
fn run_git(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(dir)
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@example.com")])
        .envs([("GIT_COMMITTER_NAME", "c"), ("GIT_COMMITTER_EMAIL", "c@example.com")])
        .env("GIT_COMMITTER_DATE", "1700000000 +0530")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// The files below `dir`, as the packer would name them.
fn packed(dir: &Path, format: ObjectFormat) -> Vec<PackedFile> {
    use std::os::unix::fs::PermissionsExt;
    let mut files = Vec::new();
    let mut open: Vec<PathBuf> = vec![dir.into()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let found = entry.metadata().unwrap();
            if found.is_dir() && entry.file_name() != ".git" {
                open.push(entry.path());
            } else if found.is_file() && entry.file_name() != ".git" {
                let content = fs::read(entry.path()).unwrap();
                let mut hasher = BlobHasher::new(format, content.len() as u64);
                hasher.update(&content);
                let path = entry.path().strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                let executable = found.permissions().mode() & 0o111 != 0;
                files.push(PackedFile { path, executable, blob: hasher.finish() });
            }
        }
    }
    files
}

/// The differences between the directory and HEAD, as text.
async fn differences(dir: &Path) -> Vec<String> {
    let facts = git::facts(dir, TIME_LIMIT).await.unwrap();
    let tree = git::tree(&facts, TIME_LIMIT).await.unwrap();
    let found = cleanliness(&packed(dir, facts.format), &tree, |_: &TreeEntry| true);
    found.iter().map(ToString::to_string).collect()
}
