//! What each verb does on a sound layout.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sluicegate::edge::registry::Content;

use super::*;

#[tokio::test]
async fn a_directory_that_does_not_exist_holds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for root in [dir.path().join("new"), dir.path().to_path_buf()] {
        let store = store(&root);
        let digest = Digest::of(b"x");
        assert_eq!(store.resolve(&tag("v1")).await.unwrap(), None);
        assert!(store.manifest(&Key::Digest(digest)).await.unwrap().is_none());
        assert!(!store.has_manifest(&digest).await.unwrap());
        assert!(!store.has_blob(&digest).await.unwrap());
        assert!(store.tags(10).await.unwrap().is_empty());
        assert!(referrers(&store, &Bytes::from("x")).await.is_empty());
        let descriptor = Descriptor::of("m", b"x");
        assert!(store.blob(&descriptor, 10).await.unwrap_err().is_not_found());
        assert!(store.open_blob(&descriptor).await.err().unwrap().is_not_found());
    }
    assert!(!dir.path().join("new").exists(), "reading creates nothing");
}

#[tokio::test]
async fn the_first_write_makes_a_layout_but_not_its_parents() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("a:b");
    put_tag(&store(&root), "v1", &artifact("a")).await;
    let marker = fs::read_to_string(root.join("oci-layout")).unwrap();
    assert_eq!(marker, r#"{"imageLayoutVersion":"1.0.0"}"#);
    let error = store(&dir.path().join("x/y")).put_blob(&empty(), None).await.unwrap_err();
    assert!(chain(&error).contains("x` does not exist; create it first"), "{}", chain(&error));
    assert!(!dir.path().join("x").exists());
}

/// The lock is held from the look to the write: a tag moves from what was seen
/// there, or not at all.
#[tokio::test]
async fn a_tag_that_somebody_moved_is_not_moved_by_what_was_seen_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    put_tag(&store, "moving", &artifact("a")).await;
    let seen = store.look_up(&tag("moving")).await.unwrap().unwrap();
    assert_eq!(seen.digest, Digest::of(&artifact("a")));
    put_tag(&store, "moving", &artifact("b")).await;
    let put = async |seen: Pointed, name: &str| {
        let expect = Expect::Unchanged { etag: seen.etag.unwrap() };
        let key = Key::Tag(tag("moving"));
        store.put_manifest(&key, media::OCI_MANIFEST, artifact(name), &expect).await
    };
    let error = put(seen, "c").await.unwrap_err();
    assert!(matches!(error.fault, Fault::PreconditionFailed), "{error:?}");
    let now = store.look_up(&tag("moving")).await.unwrap().unwrap();
    assert_eq!(now.digest, Digest::of(&artifact("b")));
    put(now, "c").await.unwrap();
    assert_eq!(store.resolve(&tag("moving")).await.unwrap(), Some(Digest::of(&artifact("c"))));
}

#[tokio::test]
async fn a_manifest_comes_back_by_tag_and_by_digest() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let bytes = artifact("a");
    let digest = Digest::of(&bytes);
    assert!(!put(&store, &bytes).await.oci_subject);
    assert_eq!(store.resolve(&tag("v1")).await.unwrap(), None);
    put_tag(&store, "v1", &bytes).await;
    assert_eq!(store.resolve(&tag("v1")).await.unwrap(), Some(digest));
    for key in [Key::Digest(digest), Key::Tag(tag("v1"))] {
        let fetched = store.manifest(&key).await.unwrap().unwrap();
        assert_eq!(fetched.bytes, bytes);
        assert_eq!(fetched.descriptor, Descriptor::of(media::OCI_MANIFEST, &bytes));
        assert_eq!(fetched.etag, Some(digest.to_string()));
    }
    assert!(store.has_manifest(&digest).await.unwrap());
    assert_eq!(store.tags(10).await.unwrap(), ["v1"]);
    put_tag(&store, "a0", &bytes).await;
    assert_eq!(store.tags(10).await.unwrap(), ["a0", "v1"]);
    assert!(matches!(store.tags(1).await.unwrap_err().fault, Fault::TooLarge { limit: 1 }));
    let (key, expect) = (Key::Digest(digest), Expect::Anything);
    let error = store.put_manifest(&key, media::OCI_MANIFEST, artifact("b"), &expect);
    assert!(error.await.unwrap_err().is_wrong_bytes());
}

#[tokio::test]
async fn statements_are_listed_untagged_and_found_by_their_subject() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let (one, other) = (artifact("one"), artifact("other"));
    // A statement may be there before its subject.
    let early = statement(&one, "early");
    assert!(put(&store, &early).await.oci_subject);
    put_tag(&store, "v1", &one).await;
    put(&store, &statement(&one, "late")).await;
    put(&store, &statement(&other, "of another")).await;
    // A tag does not hide a statement.
    put_tag(&store, "sig", &statement(&one, "tagged")).await;

    let found = referrers(&store, &one).await;
    let names: Vec<_> = found.iter().map(|d| &d.annotations.as_ref().unwrap()["name"]).collect();
    assert_eq!(names, ["early", "late", "tagged"]);
    assert!(found.iter().all(|d| d.artifact_type.as_deref() == Some(TYPE)));
    assert_eq!(found[0].digest, Digest::of(&early));
    assert_eq!(referrers(&store, &other).await.len(), 1);

    match store.referrers(&Digest::of(&one), 2).await.unwrap() {
        Referrers::Listed { descriptors, truncated } => {
            assert_eq!((descriptors.len(), truncated), (2, true));
        }
        Referrers::Unsupported => panic!("a layout lists referrers"),
    }
    let untagged = index(dir.path())["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry.get("annotations").is_none())
        .count();
    assert_eq!(untagged, 3);
}

#[tokio::test]
async fn moving_a_tag_keeps_the_statements_of_its_former_holder() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let (old, new) = (artifact("old"), artifact("new"));
    put_tag(&store, "v1", &old).await;
    put(&store, &statement(&old, "s")).await;
    put_tag(&store, "v1", &new).await;
    assert_eq!(store.resolve(&tag("v1")).await.unwrap(), Some(Digest::of(&new)));
    assert!(store.has_manifest(&Digest::of(&old)).await.unwrap());
    assert_eq!(referrers(&store, &old).await.len(), 1);
}

#[tokio::test]
async fn preconditions_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let key = Key::Tag(tag("v1"));
    let write = async |bytes: Bytes, expect: Expect| {
        store.put_manifest(&key, media::OCI_MANIFEST, bytes, &expect).await.map_err(|e| e.fault)
    };
    let unchanged = |bytes: &Bytes| Expect::Unchanged { etag: Digest::of(bytes).to_string() };
    let (a, b, c) = (artifact("a"), artifact("b"), artifact("c"));
    assert!(matches!(
        write(a.clone(), unchanged(&a)).await.unwrap_err(),
        Fault::PreconditionFailed
    ));
    write(a.clone(), Expect::Absent).await.unwrap();
    assert!(matches!(
        write(b.clone(), Expect::Absent).await.unwrap_err(),
        Fault::PreconditionFailed
    ));
    write(b.clone(), unchanged(&a)).await.unwrap();
    assert!(matches!(
        write(c.clone(), unchanged(&a)).await.unwrap_err(),
        Fault::PreconditionFailed
    ));
    assert_eq!(store.resolve(&tag("v1")).await.unwrap(), Some(Digest::of(&b)));
}

#[tokio::test]
async fn a_big_blob_streams_in_and_out() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("layout");
    let content: Vec<u8> = (0..9_000_001_u32).map(|i| (i ^ (i >> 7)) as u8).collect();
    let file = dir.path().join("content");
    fs::write(&file, &content).unwrap();
    let descriptor = Descriptor::of("m", &content);
    let blob = Blob { descriptor: descriptor.clone(), content: Content::File(file.clone()) };
    let store = store(&root);
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let progress = Arc::new(move |bytes| counter.store(bytes, Ordering::SeqCst));
    store.put_blob(&blob, Some(progress)).await.unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), content.len() as u64);
    assert!(store.has_blob(&descriptor.digest).await.unwrap());
    // Already there: the file is not read again.
    fs::remove_file(&file).unwrap();
    store.put_blob(&blob, None).await.unwrap();

    let mut reader = store.open_blob(&descriptor).await.unwrap();
    let mut read = Vec::new();
    let mut largest = 0;
    while let Some(chunk) = reader.chunk().await.unwrap() {
        largest = largest.max(chunk.len());
        read.extend_from_slice(&chunk);
    }
    assert!(read == content && largest <= 1 << 20);
    assert!(reader.chunk().await.unwrap().is_none());
    assert!(matches!(
        store.blob(&descriptor, 1000).await.unwrap_err().fault,
        Fault::TooLarge { limit: 1000 }
    ));
}

#[tokio::test]
async fn content_that_is_not_what_it_claims_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("layout");
    let store = store(&root);
    let file = dir.path().join("content");
    fs::write(&file, "actual").unwrap();
    for (claim, wrong) in [("claime", "wrong bytes"), ("claim", "larger"), ("claimed", "ended")] {
        let descriptor = Descriptor::of("m", claim.as_bytes());
        let blob = Blob { descriptor, content: Content::File(file.clone()) };
        let error = store.put_blob(&blob, None).await.unwrap_err();
        assert!(chain(&error).contains(wrong), "{}", chain(&error));
        assert!(!blob_path(&root, claim.as_bytes()).exists());
    }
    let names: Vec<_> = fs::read_dir(&root).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "no temporary file is left: {names:?}");
}

#[tokio::test]
async fn what_others_may_read_has_the_usual_mode() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let bytes = artifact("a");
    put_tag(&store(dir.path()), "v1", &bytes).await;
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    for file in [dir.path().join("index.json"), blob_path(dir.path(), &bytes)] {
        assert_eq!(mode(&file), mode(&plain), "{}", file.display());
    }
}
