//! What is read from repositories of every shape.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

#[tokio::test]
async fn a_branch_its_remote_and_a_directory_within() {
    let repo = Repo::new();
    let commit = repo.git(&["rev-parse", "HEAD"]);
    repo.git(&["remote", "add", "fork", "https://host/fork"]);
    repo.git(&["remote", "add", "origin", "https://u:s3cret@host/acme/shop.git"]);
    repo.git(&["config", "--add", "remote.origin.url", "https://host/second"]);
    repo.git(&["config", "branch.main.remote", "origin"]);
    repo.git(&["config", "branch.other.remote", "fork"]);
    repo.git(&["tag", "--annotate", "--message=m", "v1"]);
    let dir = repo.path().join("deploy/prod");
    let facts = git::facts(&dir, TIME_LIMIT).await.unwrap();
    assert_eq!(facts.commit, commit);
    assert_eq!(facts.format, ObjectFormat::Sha1);
    assert_eq!(facts.path, "deploy/prod");
    assert_eq!(facts.root, repo.path().canonicalize().unwrap());
    assert_eq!(facts.committed.unwrap().as_second(), 1_700_000_000);
    assert_eq!(facts.branch.as_deref(), Some("refs/heads/main"));
    assert_eq!(facts.refs, ["refs/heads/main", "refs/tags/v1"]);
    assert_eq!(facts.upstream.as_deref(), Some("origin"));
    assert_eq!(facts.remotes.len(), 2);
    assert!(!facts.shallow);
    let source = from_git(&facts, &Ci::local()).unwrap();
    assert_eq!(source.repository, "https://host/acme/shop");
    assert_eq!(source.revision, format!("main@sha1:{commit}"));

    let tree = git::tree(&facts, TIME_LIMIT).await.unwrap();
    let paths: Vec<_> = tree.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["app.yaml"]);
    assert_eq!(repo.facts().await.path, ".");
}

#[tokio::test]
async fn detached_without_remote_and_a_renamed_branch() {
    let repo = Repo::new();
    repo.git(&["branch", "--move", "release/ünï"]);
    let facts = repo.facts().await;
    assert_eq!(facts.branch.as_deref(), Some("refs/heads/release/ünï"));
    assert_eq!((facts.remotes.len(), facts.upstream.clone()), (0, None));
    assert!(from_git(&facts, &Ci::local()).is_err());

    repo.git(&["remote", "add", "only", "git@host:acme/shop.git"]);
    repo.git(&["checkout", "--quiet", "--detach"]);
    let facts = repo.facts().await;
    assert_eq!(facts.branch, None);
    let source = from_git(&facts, &Ci::local()).unwrap();
    assert_eq!(source.revision, format!("sha1:{}", facts.commit));
    assert_eq!(source.repository, "https://host/acme/shop");
    repo.git(&["tag", "v1"]);
    let source = from_git(&repo.facts().await, &Ci::local()).unwrap();
    assert_eq!(source.reference.as_deref(), Some("refs/tags/v1"));
}

#[tokio::test]
async fn a_sha256_repository() {
    let repo = Repo::init(&["--object-format=sha256"]);
    let facts = repo.facts().await;
    assert_eq!(facts.format, ObjectFormat::Sha256);
    assert_eq!(facts.commit.len(), 64);
    assert_eq!(differences(repo.path()).await, [""; 0]);
}

#[tokio::test]
async fn a_worktree_also_of_a_bare_repository() {
    let repo = Repo::new();
    let out = tempfile::tempdir().unwrap();
    let (linked, bare) = (out.path().join("linked"), out.path().join("bare.git"));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    repo.git(&["worktree", "add", "--quiet", "-b", "side", &text(&linked)]);
    let facts = git::facts(&linked, TIME_LIMIT).await.unwrap();
    assert_eq!(facts.branch.as_deref(), Some("refs/heads/side"));
    assert_eq!(facts.root, linked.canonicalize().unwrap());

    repo.git(&["clone", "--quiet", "--bare", ".", &text(&bare)]);
    let of_bare = out.path().join("of bare");
    run_git(&bare, &["worktree", "add", "--quiet", &text(&of_bare), "main"]);
    assert_eq!(differences(&of_bare).await, [""; 0]);
}

#[tokio::test]
async fn a_shallow_clone_has_a_whole_tree() {
    let repo = Repo::new();
    repo.commit();
    let out = tempfile::tempdir().unwrap();
    let url = format!("file://{}", repo.path().display());
    run_git(out.path(), &["clone", "--quiet", "--depth=1", &url, "clone"]);
    let clone = out.path().join("clone");
    let facts = git::facts(&clone, TIME_LIMIT).await.unwrap();
    assert!(facts.shallow);
    assert_eq!(differences(&clone).await, [""; 0]);
    assert!(from_git(&facts, &Ci::local()).is_err(), "a path is no source");
}

#[tokio::test]
async fn no_repository_no_work_tree_and_no_commit_are_different_answers() {
    let dir = tempfile::tempdir().unwrap();
    let facts = async |path: &Path| git::facts(path, TIME_LIMIT).await.unwrap_err();
    let error = facts(dir.path()).await;
    assert!(matches!(error, GitError::NoRepository { .. }), "{error:?}");
    assert!(error.hint().contains("--source"));

    run_git(dir.path(), &["init", "--quiet"]);
    let error = facts(dir.path()).await;
    assert!(matches!(error, GitError::NoCommit), "{error:?}");
    let error = facts(&dir.path().join(".git")).await;
    assert!(matches!(error, GitError::NoWorkTree { .. }), "{error:?}");

    run_git(dir.path(), &["init", "--quiet", "--bare", "bare"]);
    let error = facts(&dir.path().join("bare")).await;
    assert!(matches!(error, GitError::NoWorkTree { .. }), "{error:?}");
    let error = facts(&dir.path().join("absent")).await;
    assert!(matches!(error, GitError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn somebody_elses_repository_is_refused_with_the_way_to_trust_it() {
    let repo = Repo::new();
    if std::os::unix::fs::chown(repo.path(), Some(12345), None).is_err() {
        return; // Only root can give a directory away.
    }
    let error = git::facts(repo.path(), TIME_LIMIT).await.unwrap_err();
    assert!(matches!(error, GitError::Ownership { .. }), "{error:?}");
    assert!(error.hint().contains("safe.directory"), "{}", error.hint());
}

#[tokio::test]
async fn clean_means_bytes_and_not_what_git_believes() {
    let repo = Repo::new();
    repo.write("deploy/other/x.yaml", "x");
    repo.write("deploy/prod/run.sh", "#!/bin/sh");
    let script = repo.path().join("deploy/prod/run.sh");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    repo.commit();
    let dir = repo.path().join("deploy/prod");
    // Outside the directory nothing counts.
    repo.write("deploy/other/x.yaml", "changed");
    repo.write("untracked", "x");
    assert_eq!(differences(&dir).await, [""; 0]);

    // The index may be told to look away; ignored files are packed all the same.
    repo.git(&["update-index", "--assume-unchanged", "deploy/prod/app.yaml"]);
    repo.write("deploy/prod/app.yaml", "kind: Secret");
    repo.write("deploy/prod/.gitignore", "ignored.yaml");
    repo.write("deploy/prod/ignored.yaml", "x");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(
        differences(&dir).await,
        [
            "`.gitignore` (not in the commit)",
            "`app.yaml` (changed)",
            "`ignored.yaml` (not in the commit)",
            "`run.sh` (executable bit changed)",
        ]
    );
    // Staged is not committed.
    repo.git(&["add", "--all"]);
    assert_eq!(differences(&dir).await.len(), 4);
    fs::remove_file(&script).unwrap();
    assert!(differences(&dir).await.contains(&"`run.sh` (missing)".into()));
}

#[tokio::test]
async fn line_endings_that_git_converts_are_a_difference() {
    let repo = Repo::new();
    repo.write(".gitattributes", "*.yaml text eol=crlf");
    repo.write("a.yaml", "a\r\n");
    repo.commit();
    assert_eq!(repo.git(&["status", "--porcelain"]), "");
    assert_eq!(differences(repo.path()).await, ["`a.yaml` (changed)"]);
}

#[tokio::test]
async fn names_links_and_submodules() {
    let repo = Repo::new();
    for name in ["tab\there", "line\nbreak", "quote\"", ":(glob)**", "ünï", "-x"] {
        repo.write(&format!("odd dir[1]/{name}"), name);
    }
    symlink("ünï", repo.path().join("odd dir[1]/link")).unwrap();
    let sub = Repo::new();
    let url = sub.path().to_str().unwrap();
    let add = ["-c", "protocol.file.allow=always", "submodule", "add", "--quiet", url];
    repo.git(&[&add[..], &["odd dir[1]/sub"]].concat());
    repo.commit();
    let dir = repo.path().join("odd dir[1]");
    let facts = git::facts(&dir, TIME_LIMIT).await.unwrap();
    let tree = git::tree(&facts, TIME_LIMIT).await.unwrap();
    assert_eq!(tree.len(), 8);
    let kind = |path: &str| tree.iter().find(|entry| entry.path == path).unwrap().kind;
    assert_eq!(kind("line\nbreak"), EntryKind::File);
    assert_eq!(kind("link"), EntryKind::Symlink);
    assert_eq!(kind("sub"), EntryKind::Submodule);
    assert_eq!(differences(&dir).await, ["`link` (missing)", "`sub` (a submodule)"]);
    // The submodule is a repository of its own.
    assert_eq!(differences(&dir.join("sub")).await, [""; 0]);
}

#[tokio::test]
async fn a_directory_that_was_never_committed_has_an_empty_tree() {
    let repo = Repo::new();
    repo.write("new/a.yaml", "a");
    assert_eq!(differences(&repo.path().join("new")).await, ["`a.yaml` (not in the commit)"]);
    // A file of the commit where the directory is now.
    fs::remove_file(repo.path().join("README.md")).unwrap();
    repo.write("README.md/b", "b");
    assert_eq!(differences(&repo.path().join("README.md")).await, ["`b` (not in the commit)"]);
}
