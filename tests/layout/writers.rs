//! Writers that race, as tasks and as processes, and writers that are killed.

use std::{
    env,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::*;

/// Tells a child process of this test binary which layout to write into, and
/// as whom.
const CHILD: &str = "SLUICEGATE_TEST_LAYOUT_WRITER";

/// Run as a child only: writes statements and moves a tag, `count` times.
#[tokio::test]
async fn child() {
    let Ok(task) = env::var(CHILD) else { return };
    let (name, rest) = task.split_once(' ').unwrap();
    let (count, dir) = rest.split_once(' ').unwrap();
    let store = store(Path::new(dir));
    let subject = artifact("subject");
    for round in 0..count.parse().unwrap() {
        let name = format!("{name}-{round}");
        put(&store, &statement(&subject, &name)).await;
        put_tag(&store, "moving", &artifact(&name)).await;
    }
}

fn spawn(dir: &Path, name: &str, count: u32) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "layout::writers::child"])
        .env(CHILD, format!("{name} {count} {}", dir.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_lose_nothing_of_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new");
    let subject = artifact("subject");
    let tasks: Vec<_> = (0..16)
        .map(|writer| {
            let (store, subject) = (store(&root), subject.clone());
            tokio::spawn(async move {
                put(&store, &statement(&subject, &format!("s{writer}"))).await;
                put_tag(&store, &format!("t{writer}"), &artifact(&format!("a{writer}"))).await;
                put_tag(&store, "shared", &subject).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let store = store(&root);
    assert_eq!(referrers(&store, &subject).await.len(), 16);
    assert_eq!(store.tags(100).await.unwrap().len(), 17);
    assert_eq!(index(&root)["manifests"].as_array().unwrap().len(), 33);
}

#[tokio::test]
async fn processes_lose_nothing_of_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new");
    let children: Vec<_> = ["x", "y", "z"].iter().map(|name| spawn(&root, name, 8)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let store = store(&root);
    assert_eq!(referrers(&store, &artifact("subject")).await.len(), 24);
    assert!(store.manifest(&Key::Tag(tag("moving"))).await.unwrap().is_some());
}

#[tokio::test]
async fn a_killed_writer_leaves_a_sound_layout() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new");
    for round in 0..12_u64 {
        let mut child = spawn(&root, &format!("k{round}"), 1000);
        // Killed in the middle of its work, wherever that is.
        let before = referrers(&store(&root), &artifact("subject")).await.len();
        while referrers(&store(&root), &artifact("subject")).await.len() <= before {
            assert!(child.try_wait().unwrap().is_none(), "it has work for long");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(700 * round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let store = store(&root);
        // Everything that is listed is there, whole.
        if let Some(digest) = store.resolve(&tag("moving")).await.unwrap() {
            assert!(store.has_manifest(&digest).await.unwrap());
        }
        for found in referrers(&store, &artifact("subject")).await {
            assert!(store.has_manifest(&found.digest).await.unwrap());
        }
    }
    let store = store(&root);
    put_tag(&store, "after", &artifact("after")).await;
    assert!(store.manifest(&Key::Tag(tag("after"))).await.unwrap().is_some());
}
