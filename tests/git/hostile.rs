//! A work tree whose configuration wants to run programs, hide or wait.

use std::{os::unix::fs::PermissionsExt, process::Output, time::Duration};

use super::*;

/// A repository that runs a program wherever git lets it, and the file that
/// the program leaves behind.
fn trapped() -> (Repo, PathBuf) {
    let repo = Repo::new();
    let trap = repo.path().join(".git/trap");
    let sprung = repo.path().join(".git/sprung");
    fs::write(&trap, format!("#!/bin/sh\necho \"$0 $@\" >> {}\n", sprung.display())).unwrap();
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&trap, executable.clone()).unwrap();
    let hooks = repo.path().join(".git/evil-hooks");
    fs::create_dir(&hooks).unwrap();
    for hook in ["post-index-change", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc"]
    {
        fs::copy(&trap, hooks.join(hook)).unwrap();
        fs::set_permissions(hooks.join(hook), executable.clone()).unwrap();
    }
    repo.write(".gitattributes", "* filter=evil diff=evil merge=evil");
    let (program, shell) = (trap.display().to_string(), format!("!{}", trap.display()));
    let ext = format!("ext::{program}");
    for (key, value) in [
        ("core.fsmonitor", &program),
        ("core.hooksPath", &hooks.display().to_string()),
        ("core.pager", &program),
        ("core.editor", &program),
        ("core.askPass", &program),
        ("core.sshCommand", &program),
        ("core.gitProxy", &program),
        ("core.alternateRefsCommand", &program),
        ("pager.config", &program),
        ("pager.for-each-ref", &program),
        ("diff.external", &program),
        ("diff.evil.textconv", &program),
        ("diff.evil.command", &program),
        ("filter.evil.clean", &program),
        ("filter.evil.smudge", &program),
        ("filter.evil.process", &program),
        ("filter.evil.required", &"true".to_owned()),
        ("gpg.program", &program),
        ("log.showSignature", &"true".to_owned()),
        ("credential.helper", &shell),
        ("alias.rev-parse", &shell),
        ("alias.config", &shell),
        ("alias.ls-tree", &shell),
        ("protocol.allow", &"always".to_owned()),
        ("protocol.ext.allow", &"always".to_owned()),
        ("remote.origin.url", &ext),
        ("remote.origin.uploadpack", &program),
        ("remote.origin.promisor", &"true".to_owned()),
        ("remote.origin.partialCloneFilter", &"blob:none".to_owned()),
        ("core.repositoryFormatVersion", &"1".to_owned()),
        ("extensions.partialClone", &"origin".to_owned()),
    ] {
        repo.git(&["config", key, value]);
    }
    (repo, sprung)
}

/// Git as a user would run it, with all its traps: it may well fail.
fn unprotected(repo: &Repo, arguments: &[&str]) -> Output {
    Command::new("git").current_dir(repo.path()).args(arguments).output().unwrap()
}

#[tokio::test]
async fn a_work_tree_runs_nothing() {
    let (repo, sprung) = trapped();
    unprotected(&repo, &["status"]);
    assert!(sprung.exists(), "the trap works");
    fs::remove_file(&sprung).unwrap();
    let facts = git::facts(&repo.path().join("deploy"), TIME_LIMIT).await.unwrap();
    git::tree(&facts, TIME_LIMIT).await.unwrap();
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
    assert!(from_git(&facts, &Ci::local()).is_err(), "`ext::…` is no source");
}

#[tokio::test]
async fn what_a_partial_clone_lacks_is_not_fetched() {
    let (repo, sprung) = trapped();
    let facts = repo.facts().await;
    let tree = repo.git(&["rev-parse", "HEAD:deploy"]);
    let (start, rest) = tree.split_at(2);
    fs::remove_file(repo.path().join(".git/objects").join(start).join(rest)).unwrap();
    unprotected(&repo, &["ls-tree", "-r", "HEAD"]);
    assert!(sprung.exists(), "the trap works");
    fs::remove_file(&sprung).unwrap();
    let error = git::tree(&facts, TIME_LIMIT).await.unwrap_err();
    assert!(matches!(error, GitError::Refused { .. }), "{error:?}");
    assert!(!sprung.exists(), "{}", fs::read_to_string(&sprung).unwrap());
}

#[tokio::test]
async fn a_bare_repository_inside_a_directory_is_not_believed() {
    let repo = Repo::new();
    let evil = repo.path().join("deploy/prod");
    run_git(&evil, &["init", "--quiet", "--bare", "."]);
    fs::write(evil.join("config"), "[core]\nbare = false\nworktree = /\n").unwrap();
    let error = git::facts(&evil, TIME_LIMIT).await.unwrap_err();
    assert!(matches!(error, GitError::NoWorkTree { .. }), "{error:?}");
}

#[tokio::test]
async fn a_configuration_that_never_ends_is_given_up() {
    let repo = Repo::new();
    fs::remove_file(repo.path().join(".git/config")).unwrap();
    let made = Command::new("mkfifo").arg(repo.path().join(".git/config")).status().unwrap();
    assert!(made.success());
    let error = git::facts(repo.path(), Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, GitError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_replaced_commit_is_not_the_commit() {
    let repo = Repo::new();
    let commit = repo.git(&["rev-parse", "HEAD"]);
    repo.write("README.md", "other content");
    let other = repo.commit();
    repo.git(&["reset", "--quiet", "--soft", &commit]);
    repo.git(&["replace", &commit, &other]);
    assert_eq!(repo.facts().await.commit, commit);
    // What lies there is what the replacement has, not what the commit has.
    assert_eq!(differences(repo.path()).await, ["`README.md` (changed)"]);
}

#[tokio::test]
async fn a_broken_repository_is_an_error() {
    for (file, content) in
        [("config", "[core\n"), ("HEAD", "ref: ../../etc/passwd\n"), ("HEAD", "not a ref\n")]
    {
        let repo = Repo::new();
        fs::write(repo.path().join(".git").join(file), content).unwrap();
        assert!(git::facts(repo.path(), TIME_LIMIT).await.is_err(), "{file}");
    }
}

/// Tells a child process of this test binary which directory to read.
const CHILD: &str = "SLUICEGATE_TEST_GIT_DIRECTORY";

/// Run as a child only: reads the directory and prints the commit.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let facts = git::facts(Path::new(&dir), TIME_LIMIT).await.unwrap();
    git::tree(&facts, TIME_LIMIT).await.unwrap();
    fs::write(Path::new(&dir).join("commit"), facts.commit).unwrap();
}

#[test]
fn the_environment_does_not_lead_elsewhere() {
    let (repo, other) = (Repo::new(), Repo::new());
    other.write("README.md", "other");
    let elsewhere = other.commit();
    let trace = other.path().join("trace");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "git::hostile::child"])
        .env(CHILD, repo.path())
        .env("GIT_DIR", other.path().join(".git"))
        .env("GIT_WORK_TREE", other.path())
        .env("GIT_OBJECT_DIRECTORY", other.path().join(".git/objects"))
        .env("GIT_TRACE", &trace)
        .env("GIT_EXTERNAL_DIFF", "false")
        .env("GIT_ALLOW_PROTOCOL", "ext")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let read = fs::read_to_string(repo.path().join("commit")).unwrap();
    assert_eq!(read, repo.git(&["rev-parse", "HEAD"]));
    assert!(read != elsewhere && !trace.exists());
}
