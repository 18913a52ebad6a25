use std::sync::{Arc, Mutex};

use sluicegate::edge::registry::{Content, Written};

use super::*;
use crate::support::registry::{BodyFault, Config, ContentDigest, Route};

#[tokio::test]
async fn what_is_written_is_read_back() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    assert_eq!(store.place(), registry.place(REPOSITORY));
    assert_eq!(store.resolve(&tag("1.0.0")).await.unwrap(), None);
    let digest = push(&store, "1.0.0", "a").await.unwrap();
    assert_eq!(store.resolve(&tag("1.0.0")).await.unwrap(), Some(digest));
    for key in [Key::Tag(tag("1.0.0")), Key::Digest(digest)] {
        let read = store.manifest(&key).await.unwrap().unwrap();
        assert_eq!(read.bytes, manifest("a"));
        assert_eq!(read.descriptor, Descriptor::of(media::OCI_MANIFEST, &manifest("a")));
        assert_eq!(read.etag, Some(format!("\"{digest}\"")));
    }
    assert!(store.has_manifest(&digest).await.unwrap());
    assert!(!store.has_manifest(&Digest::of(b"no")).await.unwrap());
    assert!(store.manifest(&Key::Digest(Digest::of(b"no"))).await.unwrap().is_none());
    assert_eq!(store.tags(10).await.unwrap(), ["1.0.0"]);
}

#[tokio::test]
async fn crates_2_a_manifest_goes_by_digest_without_location() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    registry.put_blob(REPOSITORY, "{}");
    let bytes = manifest("a");
    let digest = Digest::of(&bytes);
    let key = Key::Digest(digest);
    let put = store.put_manifest(&key, media::OCI_MANIFEST, bytes, &Expect::Anything);
    assert_eq!(put.await.unwrap(), Written { oci_subject: false });
    assert_eq!(registry.tags(REPOSITORY), []);
    assert!(registry.manifest(REPOSITORY, &digest).is_some());
    let put = store.put_manifest(&key, media::OCI_MANIFEST, manifest("b"), &Expect::Anything);
    assert!(matches!(fault(put.await), Fault::WrongDigest { .. }), "never sent");
}

#[tokio::test]
async fn crates_2_oci_subject_is_told() {
    for (config, oci_subject) in [(Config::default(), true), (Config::old(), false)] {
        let registry = Registry::start(config);
        let store = open(&registry);
        registry.put_blob(REPOSITORY, "{}");
        let bytes = referrer(&Digest::of(b"not there yet"), "a");
        let key = Key::Digest(Digest::of(&bytes));
        let put = store.put_manifest(&key, media::OCI_MANIFEST, bytes, &Expect::Anything);
        assert_eq!(put.await.unwrap(), Written { oci_subject });
    }
}

#[tokio::test]
async fn blobs_go_in_and_out_streamed() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let descriptor = Descriptor::of(media::FLUX_CONTENT, &bytes);
    let blob =
        Blob { descriptor: descriptor.clone(), content: Content::File(file.path().to_owned()) };
    assert!(!store.has_blob(&descriptor.digest).await.unwrap());
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = Arc::clone(&told);
    let progress = move |sent| telling.lock().unwrap().push(sent);
    store.put_blob(&blob, Some(Arc::new(progress))).await.unwrap();
    let told = told.lock().unwrap().clone();
    assert_eq!(told.last(), Some(&3_000_000));
    assert!(told.is_sorted() && told.len() > 2, "{told:?}");
    assert!(store.has_blob(&descriptor.digest).await.unwrap());
    assert_eq!(registry.blob(REPOSITORY, &descriptor.digest).unwrap(), bytes);

    let uploads = registry.log().of(Route::Upload);
    assert_eq!(uploads.len(), 2, "POST and PUT");
    assert_eq!(uploads[1].header("content-length"), Some("3000000"));
    assert_eq!(uploads[1].header("transfer-encoding"), None);
    assert!(uploads[1].path.contains("?_state=a%2Fb&digest=sha256"), "{}", uploads[1].path);

    let mut reader = store.open_blob(&descriptor).await.unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = reader.chunk().await.unwrap() {
        read.extend_from_slice(&chunk);
    }
    assert!(reader.chunk().await.unwrap().is_none());
    assert_eq!(read, bytes);
    assert_eq!(store.blob(&descriptor, 3_000_000).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_file_that_changes_is_not_uploaded() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let file = tempfile::NamedTempFile::new().unwrap();
    let descriptor = Descriptor::of("x", b"right");
    let content = Content::File(file.path().to_owned());
    let blob = Blob { descriptor: descriptor.clone(), content };
    for changed in ["wrong", "rightly", "rig", ""] {
        std::fs::write(file.path(), changed).unwrap();
        let put = store.put_blob(&blob, None).await;
        assert!(matches!(fault(put), Fault::WrongDigest { .. }), "{changed}");
    }
    assert!(registry.blob(REPOSITORY, &descriptor.digest).is_none());
    std::fs::remove_file(file.path()).unwrap();
    assert!(shown(store.put_blob(&blob, None).await).contains("to upload it"));
}

#[tokio::test]
async fn crates_2_an_upload_without_location_is_an_error() {
    let registry = Registry::start(Config::default());
    registry.faults(|faults| faults.no_location = true);
    let put = open(&registry).put_blob(&Blob::of("x", "a"), None).await;
    assert!(matches!(fault(put), Fault::Malformed(why) if why.contains("`Location`")));
}

#[tokio::test]
async fn an_upload_may_be_told_to_go_elsewhere_and_a_lost_one_begins_again() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let absolute = format!("http://{}/v2/{REPOSITORY}/blobs/uploads/7", registry.host());
    registry.faults(|faults| {
        faults.location = Some(absolute);
        faults.lost_uploads = 1;
    });
    store.put_blob(&Blob::of("x", "a"), None).await.unwrap();
    assert!(registry.blob(REPOSITORY, &Digest::of(b"a")).is_some());
    assert_eq!(registry.log().of(Route::Upload).len(), 4);
}

#[tokio::test]
async fn conditional_writes() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    registry.put_blob(REPOSITORY, "{}");
    let key = Key::Tag(tag("index"));
    let put = async |note, expect: &Expect| {
        store.put_manifest(&key, media::OCI_MANIFEST, manifest(note), expect).await
    };
    put("a", &Expect::Absent).await.unwrap();
    assert!(matches!(fault(put("b", &Expect::Absent).await), Fault::PreconditionFailed));
    let etag = store.manifest(&key).await.unwrap().unwrap().etag.unwrap();
    let unchanged = Expect::Unchanged { etag };
    put("b", &unchanged).await.unwrap();
    assert!(matches!(fault(put("c", &unchanged).await), Fault::PreconditionFailed));
    assert_eq!(registry.tag(REPOSITORY, "index"), Some(Digest::of(&manifest("b"))));
}

#[tokio::test]
async fn an_immutable_tag_is_named() {
    let registry = Registry::start(Config { immutable_tags: true, ..Config::default() });
    let store = open(&registry);
    push(&store, "1.0.0", "a").await.unwrap();
    push(&store, "1.0.0", "a").await.unwrap();
    let moved = fault(push(&store, "1.0.0", "b").await);
    assert!(
        matches!(&moved, Fault::ImmutableTag { tag, detail } if tag == "1.0.0" && detail.contains("TAG_IMMUTABLE")),
        "{moved}"
    );
}

#[tokio::test]
async fn resolving_needs_a_digest_that_can_be_used() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let digest = stored(&registry, "1.0.0", "a");
    for (said, requests) in [
        (ContentDigest::Right, "HEAD"),
        (ContentDigest::Missing, "HEAD GET"),
        (ContentDigest::OtherAlgorithm, "HEAD GET"),
    ] {
        registry.faults(|faults| faults.content_digest = said);
        registry.log().clear();
        assert_eq!(store.resolve(&tag("1.0.0")).await.unwrap(), Some(digest));
        let methods: Vec<_> = registry.log().entries().iter().map(|e| e.method.clone()).collect();
        assert_eq!(methods.join(" "), requests, "{said:?}");
    }
    registry.faults(|faults| faults.no_head = true);
    assert_eq!(store.resolve(&tag("1.0.0")).await.unwrap(), Some(digest));
    assert!(store.has_manifest(&digest).await.unwrap());
    let asked = registry.log().of(Route::Manifest);
    let accept = asked[0].header("accept").unwrap();
    for media_type in
        [media::OCI_MANIFEST, media::OCI_INDEX, media::DOCKER_MANIFEST, media::DOCKER_LIST]
    {
        assert!(accept.contains(media_type), "{accept}");
    }
    let agent = asked[0].header("user-agent").unwrap();
    assert!(agent.starts_with("sluicegate/"), "{agent}");
    assert_eq!(asked[0].header("accept-encoding"), None, "bodies are never decompressed");
}

#[tokio::test]
async fn files_of_web_servers_are_read_and_hashed() {
    let registry = Registry::start(Config::default());
    registry.put_blob("", "apiVersion: v1");
    let registries = Registries::new(quick()).unwrap();
    let url: url::Url = format!("http://{}/charts/index.yaml", registry.host()).parse().unwrap();
    assert_eq!(registries.get(&url, NamedBy::User, 100).await.unwrap(), "apiVersion: v1");
    let hashed = registries.hash(&url, NamedBy::User, 100).await.unwrap();
    assert_eq!(hashed, (Digest::of(b"apiVersion: v1"), 14));
    assert!(matches!(
        fault(registries.get(&url, NamedBy::User, 13).await),
        Fault::TooLarge { limit: 13 }
    ));
    assert!(matches!(
        fault(registries.hash(&url, NamedBy::User, 13).await),
        Fault::TooLarge { limit: 13 }
    ));
    registry.faults(|faults| faults.bodies = vec![(Route::Other, BodyFault::Endless)]);
    assert!(matches!(
        fault(registries.get(&url, NamedBy::User, 1 << 20).await),
        Fault::TooLarge { .. }
    ));
    assert!(matches!(
        fault(registries.hash(&url, NamedBy::User, 1 << 20).await),
        Fault::TooLarge { .. }
    ));
    let url = format!("http://user:hunter2@{}/x", registry.host()).parse().unwrap();
    let refused = shown(registries.get(&url, NamedBy::User, 100).await);
    assert!(refused.contains("carries credentials") && !refused.contains("hunter2"), "{refused}");
}
