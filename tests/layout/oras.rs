//! oras reads what is written here, and the other way round. Needs the real
//! `oras` (`tests/peers/install oras`), hence ignored unless asked for.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use super::*;

/// The path of `oras`, as `tests/peers/install` prints it.
fn oras() -> PathBuf {
    let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/install");
    let printed = Command::new(install).arg("oras").output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    text.trim().strip_prefix("oras=").expect("oras=PATH").into()
}

fn run(dir: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } =
        Command::new(oras()).args(arguments).current_dir(dir).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[tokio::test]
#[ignore = "needs oras"]
async fn what_is_written_here_is_discovered_and_copied_by_oras() {
    let dir = tempfile::tempdir().unwrap();
    let ours = store(&dir.path().join("ours"));
    let bytes = artifact("a");
    let statements = [statement(&bytes, "s1"), statement(&bytes, "s2")];
    put(&ours, &statements[0]).await;
    put_tag(&ours, "v1", &bytes).await;
    put_tag(&ours, "v2", &bytes).await;
    put(&ours, &statements[1]).await;

    let tree = run(dir.path(), &["discover", "--oci-layout", "ours:v1"]);
    for statement in &statements {
        assert!(tree.contains(&Digest::of(statement).to_string()), "{tree}");
    }
    assert!(tree.contains(TYPE), "{tree}");
    let copy = ["copy", "-r", "--from-oci-layout", "--to-oci-layout", "ours:v1", "theirs:v9"];
    run(dir.path(), &copy);
    let theirs = store(&dir.path().join("theirs"));
    let fetched = theirs.manifest(&Key::Tag(tag("v9"))).await.unwrap().unwrap();
    assert_eq!(fetched.bytes, bytes);
    let mut found: Vec<_> = referrers(&theirs, &bytes).await.iter().map(|d| d.digest).collect();
    let mut expected: Vec<_> = statements.iter().map(|bytes| Digest::of(bytes)).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
#[ignore = "needs oras"]
async fn what_oras_writes_is_read_and_added_to() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "content").unwrap();
    run(dir.path(), &["push", "--oci-layout", "theirs:v1", "file"]);
    let attach =
        ["attach", "--oci-layout", "theirs:v1", "--artifact-type", "application/x", "file"];
    run(dir.path(), &attach);
    let theirs = store(&dir.path().join("theirs"));
    let fetched = theirs.manifest(&Key::Tag(tag("v1"))).await.unwrap().unwrap();
    let attached = referrers(&theirs, &fetched.bytes).await;
    assert_eq!(attached.len(), 1);
    assert_eq!(attached[0].artifact_type.as_deref(), Some("application/x"));

    put(&theirs, &statement(&fetched.bytes, "ours")).await;
    put_tag(&theirs, "v2", &fetched.bytes).await;
    let tree = run(dir.path(), &["discover", "--oci-layout", "theirs:v2"]);
    assert!(tree.contains("application/x") && tree.contains(TYPE), "{tree}");
    // oras copies into a layout of ours, and its tags and ours live together.
    let ours = store(&dir.path().join("ours"));
    put_tag(&ours, "mine", &artifact("mine")).await;
    run(
        dir.path(),
        &["copy", "-r", "--from-oci-layout", "--to-oci-layout", "theirs:v2", "ours:theirs"],
    );
    assert_eq!(ours.tags(10).await.unwrap(), ["mine", "theirs"]);
    assert_eq!(referrers(&ours, &fetched.bytes).await.len(), 2);
}
