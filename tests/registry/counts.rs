use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::support::registry::{Config, Route};

#[tokio::test]
async fn no_verb_makes_a_needless_request() {
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let digest = push(&store, "1.0.0", "a").await.unwrap();
    let empty = Descriptor::of(media::OCI_EMPTY, b"{}");
    store.resolve(&tag("1.0.0")).await.unwrap();
    store.manifest(&Key::Digest(digest)).await.unwrap();
    store.blob(&empty, 2).await.unwrap();
    store.referrers(&digest, 10).await.unwrap();
    let digest = digest.to_string();
    let lines: Vec<_> = registry
        .log()
        .lines()
        .iter()
        .map(|line| line.split('?').next().unwrap().replace(&digest, "DIGEST"))
        .collect();
    assert_eq!(
        lines,
        [
            "POST /v2/shop/config/blobs/uploads/",
            "PUT /v2/shop/config/blobs/uploads/1",
            "PUT /v2/shop/config/manifests/1.0.0",
            "HEAD /v2/shop/config/manifests/1.0.0",
            "GET /v2/shop/config/manifests/DIGEST",
            &format!("GET /v2/shop/config/blobs/{}", empty.digest),
            "GET /v2/shop/config/referrers/DIGEST",
        ]
    );
}

#[tokio::test]
async fn depth_counts_what_waits_for_another() {
    let latency = Duration::from_millis(25);
    let registry = Registry::start(Config { latency, ..Config::default() });
    let store = open(&registry);
    let blobs: Vec<_> = (0..6).map(|n| Blob::of("x", format!("blob {n}"))).collect();
    let uploads = blobs.iter().map(|blob| store.put_blob(blob, None));
    for upload in futures::future::join_all(uploads).await {
        upload.unwrap();
    }
    assert_eq!((registry.log().count(), registry.log().depth()), (12, 2));
    push(&store, "1.0.0", "a").await.unwrap();
    assert_eq!(registry.log().depth(), 5);
    registry.log().clear();
    assert_eq!((registry.log().count(), registry.log().depth()), (0, 0));
}

#[tokio::test]
async fn the_hook_sees_every_request_and_connections_are_kept() {
    let registry = Registry::start(Config::default());
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    registry.before_each(move |request| {
        assert_eq!(request.index, counter.fetch_add(1, Ordering::SeqCst));
        crate::support::registry::Act::Continue
    });
    push(&open(&registry), "1.0.0", "a").await.unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 3);
    assert_eq!(registry.log().of(Route::Upload).len(), 2);
}

#[test]
fn stores_can_be_used_from_any_task() {
    fn is_send<T: Send>(_: T) {}
    let registry = Registry::start(Config::default());
    let store = open(&registry);
    let key = Key::Tag(tag("x"));
    let blob = Blob::of("x", "a");
    is_send(store.put_blob(&blob, None));
    is_send(store.put_manifest(&key, "x", Bytes::new(), &Expect::Anything));
    is_send(store.referrers(&blob.descriptor.digest, 1));
    is_send(store.tags(1));
    is_send(store.open_blob(&blob.descriptor));
    is_send(store.resolve(&Tag::latest()));
}
