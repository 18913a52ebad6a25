//! Torn, foreign and hostile layouts: a clear error, or the right answer, and
//! never a wait.

use std::os::unix::fs::symlink;

use super::*;

/// A layout with one artifact, `v1`, and one statement.
async fn sound(dir: &Path) -> (Store, Bytes, Bytes) {
    let store = store(dir);
    let bytes = artifact("a");
    put_tag(&store, "v1", &bytes).await;
    let statement = statement(&bytes, "s");
    put(&store, &statement).await;
    (store, bytes, statement)
}

#[tokio::test]
async fn a_torn_or_foreign_directory_is_named_and_left_alone() {
    type Break = fn(&Path);
    let cases: [(&str, Break); 9] = [
        ("index.json` is missing", |dir| fs::remove_file(dir.join("index.json")).unwrap()),
        ("index.json` is no OCI image index (EOF", |dir| {
            let whole = fs::read(dir.join("index.json")).unwrap();
            fs::write(dir.join("index.json"), &whole[..whole.len() / 2]).unwrap();
        }),
        ("index.json` is no OCI image index (EOF", |dir| {
            fs::write(dir.join("index.json"), "").unwrap();
        }),
        ("index.json` is not a regular file", |dir| {
            fs::rename(dir.join("index.json"), dir.join("other.json")).unwrap();
            symlink("other.json", dir.join("index.json")).unwrap();
        }),
        ("oci-layout` is not `{\"imageLayoutVersion\"", |dir| {
            fs::write(dir.join("oci-layout"), "").unwrap();
        }),
        ("image layout version `2.0.0`; only `1.0.0`", |dir| {
            fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
        }),
        ("is not an OCI image layout: it has no file `oci-layout`", |dir| {
            fs::remove_file(dir.join("oci-layout")).unwrap();
        }),
        ("is not an OCI image layout: it has no file `oci-layout`, but `precious", |dir| {
            fs::remove_dir_all(dir).unwrap();
            fs::create_dir(dir).unwrap();
            fs::write(dir.join("precious.txt"), "mine").unwrap();
        }),
        ("oci-layout` is not a regular file", |dir| {
            fs::remove_file(dir.join("oci-layout")).unwrap();
            fs::create_dir(dir.join("oci-layout")).unwrap();
        }),
    ];
    for (expected, break_it) in cases {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("l");
        let (store, bytes, _) = sound(&root).await;
        break_it(&root);
        let before = listing(&root);
        let key = Key::Digest(Digest::of(&bytes));
        let errors = [
            store.resolve(&tag("v1")).await.unwrap_err(),
            store.manifest(&key).await.unwrap_err(),
            store.referrers(&Digest::of(&bytes), 10).await.unwrap_err(),
            store
                .put_manifest(&key, media::OCI_MANIFEST, bytes.clone(), &Expect::Anything)
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert!(is_malformed(&error.fault), "{expected}: {error:?}");
            assert!(chain(&error).contains(expected), "{expected}: {}", chain(&error));
        }
        assert_eq!(listing(&root), before, "{expected}");
    }
}

fn listing(dir: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "index.json.lock")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn something_else_than_a_directory_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Layout::open(&file, 4 << 20).unwrap_err();
    assert!(chain(&error).contains("file` is not a directory"), "{}", chain(&error));
}

#[tokio::test]
async fn notation_cve_2023_33959_other_bytes_than_the_digest_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, bytes, statement) = sound(dir.path()).await;
    let flip = |content: &[u8]| {
        let mut changed = content.to_vec();
        changed[5] ^= 1;
        fs::write(blob_path(dir.path(), content), changed).unwrap();
    };
    for content in [&bytes[..], &statement[..], b"{}\0\0\0\0"] {
        if content.len() == 6 {
            fs::write(blob_path(dir.path(), content), content).unwrap();
        }
        flip(content);
        let digest = Digest::of(content);
        let descriptor = Descriptor::of("m", content);
        let by_digest = store.manifest(&Key::Digest(digest)).await.unwrap_err();
        assert!(chain(&by_digest).contains(&digest.to_string()));
        assert!(by_digest.is_wrong_bytes());
        assert!(store.blob(&descriptor, 9999).await.unwrap_err().is_wrong_bytes());
        let mut reader = store.open_blob(&descriptor).await.unwrap();
        assert!(reader.chunk().await.is_ok());
        assert!(reader.chunk().await.unwrap_err().is_wrong_bytes());
        assert!(reader.chunk().await.is_err(), "an error is never the end");
        assert!(!store.has_blob(&digest).await.unwrap());
        assert!(!store.has_manifest(&digest).await.unwrap());
    }
    let by_tag = store.manifest(&Key::Tag(tag("v1"))).await.unwrap_err();
    assert!(by_tag.is_wrong_bytes());
    // Writing it again repairs it.
    put_tag(&store, "v1", &bytes).await;
    assert!(store.manifest(&Key::Tag(tag("v1"))).await.unwrap().is_some());
}

#[tokio::test]
async fn a_blob_of_another_length_is_wrong_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, ..) = sound(dir.path()).await;
    let content = b"0123456789";
    for other in [&b"01234"[..], b"0123456789ab", b""] {
        fs::write(blob_path(dir.path(), content), other).unwrap();
        let mut reader = store.open_blob(&Descriptor::of("m", content)).await.unwrap();
        let mut handed_out = 0;
        let error = loop {
            match reader.chunk().await {
                Ok(chunk) => handed_out += chunk.expect("an error, not the end").len(),
                Err(error) => break error,
            }
        };
        assert!(error.is_wrong_bytes() && handed_out <= content.len(), "{error:?}");
    }
    // The right bytes under a descriptor that lies about their number.
    fs::write(blob_path(dir.path(), content), content).unwrap();
    for size in [9, 11] {
        let lie = Descriptor::new("m", Digest::of(content), size);
        assert!(is_malformed(&store.blob(&lie, 100).await.unwrap_err().fault));
        let mut reader = store.open_blob(&lie).await.unwrap();
        assert!(reader.chunk().await.is_ok());
        assert!(is_malformed(&reader.chunk().await.unwrap_err().fault));
    }
}

#[tokio::test]
async fn links_pipes_and_directories_in_place_of_blobs_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, bytes, _) = sound(dir.path()).await;
    let path = blob_path(dir.path(), &bytes);
    let copy = dir.path().join("copy");
    fs::rename(&path, &copy).unwrap();
    let kinds: [fn(&Path, &Path); 3] = [
        |path, copy| symlink(copy, path).unwrap(),
        |path, _| {
            let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(made.success());
        },
        |path, _| fs::create_dir(path).unwrap(),
    ];
    for make in kinds {
        make(&path, &copy);
        let digest = Digest::of(&bytes);
        let descriptor = Descriptor::of("m", &bytes);
        let errors = [
            store.manifest(&Key::Digest(digest)).await.unwrap_err(),
            store.blob(&descriptor, 9999).await.unwrap_err(),
            store.open_blob(&descriptor).await.err().unwrap(),
            store.has_blob(&digest).await.unwrap_err(),
        ];
        for error in errors {
            let text = chain(&error);
            assert!(text.contains("is not a regular file: links and special files"), "{text}");
        }
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
    }
}

#[tokio::test]
async fn a_blob_directory_elsewhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, bytes, _) = sound(&dir.path().join("l")).await;
    fs::rename(dir.path().join("l/blobs"), dir.path().join("elsewhere")).unwrap();
    symlink(dir.path().join("elsewhere"), dir.path().join("l/blobs")).unwrap();
    let read = store.manifest(&Key::Digest(Digest::of(&bytes))).await.unwrap_err();
    let write = store.put_blob(&Blob::of("m", &b"new"[..]), None).await.unwrap_err();
    for error in [read, write] {
        assert!(chain(&error).contains("blobs` is not a directory"), "{}", chain(&error));
    }
    assert_eq!(fs::read_dir(dir.path().join("elsewhere/sha256")).unwrap().count(), 3);
}

#[tokio::test]
async fn a_lock_that_is_a_link_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, bytes, _) = sound(&dir.path().join("l")).await;
    fs::remove_file(dir.path().join("l/index.json.lock")).unwrap();
    symlink(dir.path().join("outside"), dir.path().join("l/index.json.lock")).unwrap();
    let key = Key::Tag(tag("v2"));
    let write = store.put_manifest(&key, media::OCI_MANIFEST, bytes, &Expect::Anything).await;
    assert!(is_malformed(&write.unwrap_err().fault));
    assert!(!dir.path().join("outside").exists());
}

#[tokio::test]
async fn too_large_is_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let (store, bytes, _) = sound(dir.path()).await;
    let large = vec![b' '; (4 << 20) + 1];
    let path = blob_path(dir.path(), &large);
    fs::write(path, &large).unwrap();
    let read = store.manifest(&Key::Digest(Digest::of(&large))).await.unwrap_err();
    let key = Key::Tag(tag("big"));
    let written = store.put_manifest(&key, media::OCI_MANIFEST, large.into(), &Expect::Anything);
    for error in [read, written.await.unwrap_err()] {
        assert!(matches!(error.fault, Fault::TooLarge { .. }), "{error:?}");
    }
    let file = fs::OpenOptions::new().write(true).open(dir.path().join("index.json")).unwrap();
    file.set_len((16 << 20) + 1).unwrap();
    let error = store.referrers(&Digest::of(&bytes), 10).await.unwrap_err();
    assert!(matches!(error.fault, Fault::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_tag_whose_manifest_is_missing_is_torn_and_not_absent() {
    let dir = tempfile::tempdir().unwrap();
    let (store, bytes, _) = sound(dir.path()).await;
    fs::remove_file(blob_path(dir.path(), &bytes)).unwrap();
    let error = store.manifest(&Key::Tag(tag("v1"))).await.unwrap_err();
    assert!(chain(&error).contains("the layout is torn"), "{}", chain(&error));
    assert!(!store.has_manifest(&Digest::of(&bytes)).await.unwrap());
    assert!(store.manifest(&Key::Digest(Digest::of(&bytes))).await.unwrap().is_none());
}

#[tokio::test]
async fn an_unreadable_statement_hides_no_other_and_is_not_hidden() {
    let dir = tempfile::tempdir().unwrap();
    let (store, bytes, missing) = sound(dir.path()).await;
    let changed = statement(&bytes, "changed");
    let good = statement(&bytes, "good");
    put(&store, &changed).await;
    put(&store, &good).await;
    fs::remove_file(blob_path(dir.path(), &missing)).unwrap();
    fs::write(blob_path(dir.path(), &changed), "{}").unwrap();
    let found = referrers(&store, &bytes).await;
    let digests: Vec<_> = found.iter().map(|descriptor| descriptor.digest).collect();
    assert_eq!(digests, [&missing, &changed, &good].map(|b| Digest::of(b)));
    assert!(found.iter().all(|descriptor| descriptor.artifact_type.as_deref() == Some(TYPE)));
    // What has a tag is an artifact; that it is torn says nothing about others.
    fs::remove_file(blob_path(dir.path(), &bytes)).unwrap();
    assert_eq!(referrers(&store, &artifact("b")).await.len(), 2);
}

#[tokio::test]
async fn layouts_of_other_tools_are_read_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = dir.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let write = |bytes: &[u8]| fs::write(blob_path(dir.path(), bytes), bytes).unwrap();
    let image = artifact("linux/amd64");
    let absent = artifact("linux/s390x");
    let nested = statement(&image, "in an index");
    let list = json!({
        "schemaVersion": 2,
        "manifests": [
            Descriptor::of(media::OCI_MANIFEST, &image),
            Descriptor::of(media::OCI_MANIFEST, &absent),
            Descriptor::of(media::OCI_MANIFEST, &nested),
        ],
    });
    let list = Bytes::from(list.to_string());
    for bytes in [&image, &nested, &list] {
        write(bytes);
    }
    // As docker buildx writes it; skopeo leaves the media type out.
    let mut buildx = serde_json::to_value(Descriptor::of(media::OCI_INDEX, &list)).unwrap();
    buildx["annotations"] = json!({
        "io.containerd.image.name": "docker.io/library/shop:v1",
        media::REF_NAME: "v1",
    });
    let foreign = json!({
        "manifests": [
            buildx,
            {"mediaType": "application/x", "digest": "sha512:beef", "size": 3, "urls": ["x:y"]},
        ],
        "schemaVersion": 2,
    });
    fs::write(dir.path().join("index.json"), foreign.to_string()).unwrap();
    fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();

    let store = store(dir.path());
    let fetched = store.manifest(&Key::Tag(tag("v1"))).await.unwrap().unwrap();
    assert_eq!(fetched.descriptor.media_type, media::OCI_INDEX);
    assert!(store.has_manifest(&Digest::of(&image)).await.unwrap());
    let found: Vec<_> = referrers(&store, &image).await.iter().map(|d| d.digest).collect();
    assert_eq!(found, [Digest::of(&nested)]);
    assert_eq!(store.tags(10).await.unwrap(), ["v1"]);

    put(&store, &statement(&list, "ours")).await;
    let mut now = index(dir.path());
    assert_eq!(now["manifests"].as_array_mut().unwrap().pop().unwrap()["artifactType"], TYPE);
    assert_eq!(now, foreign);
    assert_eq!(referrers(&store, &list).await.len(), 1);
}
