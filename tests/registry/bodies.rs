use super::*;
use crate::support::registry::{BodyFault, Config, ContentDigest, Route};

fn with_body(route: Route, fault: BodyFault) -> Registry {
    let registry = Registry::start(Config::default());
    registry.faults(|faults| faults.bodies = vec![(route, fault)]);
    registry
}

#[tokio::test]
async fn notation_cve_2023_33959_other_bytes_for_a_digest() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let digest = stored(&registry, "1.0.0", "a");
    let blob = Descriptor::of("x", b"right");
    registry.put_blob(REPOSITORY, "right");
    registry.faults(|faults| {
        faults.other_bytes = [(digest, manifest("b")), (blob.digest, "wrong".into())].into();
    });
    let error = store.manifest(&Key::Digest(digest)).await.unwrap_err();
    assert!(error.is_wrong_bytes(), "{error:?}");
    let by_tag = store.manifest(&Key::Tag(tag("1.0.0"))).await.unwrap_err();
    assert!(by_tag.is_wrong_bytes(), "the header contradicts the bytes: {by_tag:?}");
    assert!(store.blob(&blob, 100).await.unwrap_err().is_wrong_bytes());
    let mut reader = store.open_blob(&blob).await.unwrap();
    let error = loop {
        match reader.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("wrong bytes were taken for right"),
            Err(error) => break error,
        }
    };
    assert!(error.is_wrong_bytes(), "{error:?}");
    assert!(reader.chunk().await.is_err(), "after an error never the end");
}

#[tokio::test]
async fn notation_cve_2023_33959_a_lying_digest_header() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let digest = stored(&registry, "1.0.0", "a");
    registry.faults(|faults| faults.content_digest = ContentDigest::Wrong);
    // What a HEAD claims is found out when the bytes are read.
    let claimed = store.resolve(&tag("1.0.0")).await.unwrap().unwrap();
    assert_ne!(claimed, digest);
    assert!(store.manifest(&Key::Digest(claimed)).await.unwrap().is_none());
    let by_tag = store.manifest(&Key::Tag(tag("1.0.0"))).await.unwrap_err();
    assert!(by_tag.is_wrong_bytes(), "{by_tag:?}");
    let by_digest = store.manifest(&Key::Digest(digest)).await.unwrap().unwrap();
    assert_eq!(by_digest.bytes, manifest("a"), "the bytes are right, whatever the header says");
}

#[tokio::test]
async fn kyverno_cve_2022_47633_a_flipping_tag_gives_one_digest_at_a_time() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let (a, b) = (stored(&registry, "a", "a"), stored(&registry, "b", "b"));
    registry.faults(|faults| faults.flipping_tags = [("1.0.0".to_owned(), vec![a, b])].into());
    let resolved = store.resolve(&tag("1.0.0")).await.unwrap().unwrap();
    let read = store.manifest(&Key::Digest(resolved)).await.unwrap().unwrap();
    assert_eq!(read.descriptor.digest, resolved);
    assert_ne!(store.resolve(&tag("1.0.0")).await.unwrap(), Some(resolved));
}

#[tokio::test]
async fn cosign_cve_2023_46737_bodies_without_end() {
    let registry = with_body(Route::Manifest, BodyFault::Endless);
    let store = open(&registry);
    stored(&registry, "1.0.0", "a");
    let read = store.manifest(&Key::Tag(tag("1.0.0"))).await;
    assert!(matches!(fault(read), Fault::TooLarge { limit: 4_194_304 }));

    let registry = with_body(Route::Blob, BodyFault::Endless);
    let store = open(&registry);
    registry.put_blob(REPOSITORY, "right");
    let descriptor = Descriptor::of("x", b"right");
    assert!(matches!(fault(store.blob(&descriptor, 100).await), Fault::TooLarge { limit: 5 }));
    let mut reader = store.open_blob(&descriptor).await.unwrap();
    let fault = loop {
        if let Err(error) = reader.chunk().await {
            break error.fault;
        }
    };
    assert!(matches!(fault, Fault::TooLarge { limit: 5 }), "{fault}");
}

#[tokio::test]
async fn cosign_cve_2023_46737_a_length_of_five_gigabytes() {
    for route in [Route::Manifest, Route::Blob] {
        let registry = with_body(route, BodyFault::Announced(5_000_000_000));
        let store = open(&registry);
        stored(&registry, "1.0.0", "a");
        let found = match route {
            Route::Manifest => fault(store.manifest(&Key::Tag(tag("1.0.0"))).await),
            _ => fault(store.blob(&Descriptor::of("x", b"{}"), 100).await),
        };
        assert!(matches!(found, Fault::TooLarge { .. }), "{found}");
    }
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let huge = Descriptor::new("x", Digest::of(b"x"), 5_000_000_000);
    assert!(matches!(fault(store.blob(&huge, 4_194_304).await), Fault::TooLarge { .. }));
    assert_eq!(registry.log().count(), 0, "a descriptor that is too large is not even asked for");
}

#[tokio::test]
async fn cosign_cve_2023_46737_limits_can_be_set() {
    let registry = Registry::start(Config::default());
    stored(&registry, "1.0.0", "a");
    let mut options = quick();
    options.limits.manifest = 10;
    let read = open_with(&registry, options).manifest(&Key::Tag(tag("1.0.0"))).await;
    assert!(matches!(fault(read), Fault::TooLarge { limit: 10 }));
}

#[tokio::test]
async fn hostile_registry_lying_length() {
    // Fewer bytes announced than there are: what comes is not what was asked for.
    let registry = with_body(Route::Blob, BodyFault::Announced(3));
    registry.put_blob(REPOSITORY, "right");
    let read = open(&registry).blob(&Descriptor::of("x", b"right"), 100).await;
    assert!(matches!(fault(read), Fault::Truncated { wanted: 5, got: 3 }));
    // More announced than come.
    let registry = with_body(Route::Manifest, BodyFault::Announced(1000));
    stored(&registry, "1.0.0", "a");
    let read = open_with(&registry, hurried()).manifest(&Key::Tag(tag("1.0.0"))).await;
    assert!(matches!(fault(read), Fault::TimedOut(_)));
}

#[tokio::test]
async fn hostile_registry_truncated() {
    let registry = with_body(Route::Manifest, BodyFault::Truncated(10));
    stored(&registry, "1.0.0", "a");
    let read = open_with(&registry, hurried()).manifest(&Key::Tag(tag("1.0.0"))).await;
    let wanted = manifest("a").len() as u64;
    let found = fault(read);
    assert!(matches!(found, Fault::Truncated { wanted: w, got: 10 } if w == wanted), "{found:?}");
    assert!(registry.log().count() > 1, "asked again");

    registry.faults(|faults| faults.bodies = vec![(Route::Manifest, BodyFault::TruncatedOnce(10))]);
    let read = open(&registry).manifest(&Key::Tag(tag("1.0.0"))).await.unwrap().unwrap();
    assert_eq!(read.bytes, manifest("a"));
}

#[tokio::test]
async fn hostile_registry_a_blob_that_breaks_off_is_taken_up_again() {
    let registry = with_body(Route::Blob, BodyFault::TruncatedOnce(70_000));
    let bytes = vec![b'x'; 200_000];
    registry.put_blob(REPOSITORY, bytes.clone());
    let store = open(&registry);
    let mut reader = store.open_blob(&Descriptor::of("x", &bytes)).await.unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = reader.chunk().await.unwrap() {
        read.extend_from_slice(&chunk);
    }
    assert_eq!(read, bytes);
    let asked = registry.log().of(Route::Blob);
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].header("range"), Some("bytes=70000-"));
}

#[tokio::test]
async fn hostile_registry_slow_loris() {
    for slow in [BodyFault::Stalled(5), BodyFault::Dripping] {
        let registry = with_body(Route::Manifest, slow);
        stored(&registry, "1.0.0", "a");
        let read = open_with(&registry, hurried()).manifest(&Key::Tag(tag("1.0.0"))).await;
        assert!(matches!(fault(read), Fault::TimedOut(_)), "{slow:?}");
    }
}

#[tokio::test]
async fn hostile_registry_gzip_bomb() {
    let registry = with_body(Route::Manifest, BodyFault::GzipBomb(10_000_000));
    let digest = stored(&registry, "1.0.0", "a");
    let store = open(&registry);
    // Never unpacked: the packed bytes are not what the digest names.
    assert!(store.manifest(&Key::Digest(digest)).await.unwrap_err().is_wrong_bytes());
    assert!(store.manifest(&Key::Tag(tag("1.0.0"))).await.unwrap_err().is_wrong_bytes());
}

#[tokio::test]
async fn a_manifest_that_the_registry_rewrites_is_an_error() {
    let registry = Registry::start(Config::default());
    registry.faults(|faults| faults.rewrites_manifests = true);
    assert!(push(&open(&registry), "1.0.0", "a").await.unwrap_err().is_wrong_bytes());
}

#[tokio::test]
async fn what_is_in_flight_is_bounded_and_still_all_arrives() {
    let registry = Registry::start(Config::default());
    let blobs: Vec<Vec<u8>> = (0..40u8).map(|n| vec![n; 10_000]).collect();
    for blob in &blobs {
        registry.put_blob(REPOSITORY, blob.clone());
    }
    let mut options = quick();
    options.limits.in_flight = 20_000;
    let store = open_with(&registry, options);
    let descriptors: Vec<_> = blobs.iter().map(|blob| Descriptor::of("x", blob)).collect();
    let all = descriptors.iter().map(|descriptor| store.blob(descriptor, 10_000));
    for (read, blob) in futures::future::join_all(all).await.into_iter().zip(&blobs) {
        assert_eq!(read.unwrap(), *blob);
    }
}
