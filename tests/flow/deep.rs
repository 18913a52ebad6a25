//! `verify --deep`, and every verification on a layout: what an index names is
//! part of it.

use sluicegate::{
    edge::registry::{Blob, Expect, Key},
    flow::sign,
};

use super::*;
use crate::support::registry::Route;

/// Everything below an index of two images, one of them in an index of its own
/// together with content that is no manifest.
struct Image {
    world: World,
    index: Descriptor,
    manifests: Vec<Descriptor>,
    blobs: Vec<Descriptor>,
}

impl Image {
    fn new() -> Self {
        let world = World::new(Config::default());
        let (mut manifests, mut blobs) = (Vec::new(), Vec::new());
        let mut blob = |content: &str| {
            world.registry.put_blob(REPOSITORY, content.to_owned());
            blobs.push(Descriptor::of("application/octet-stream", content.as_bytes()));
            blobs.last().unwrap().clone()
        };
        let mut images = Vec::new();
        for name in ["amd64", "arm64"] {
            let config = blob(&format!("config of {name}"));
            let layers = [blob(&format!("first of {name}")), blob(&format!("second of {name}"))];
            let image = json!({"schemaVersion": 2, "config": config, "layers": layers});
            images.push(put(&world, media::OCI_MANIFEST, &image, None));
        }
        let loose = blob("no manifest");
        let inner = json!({"schemaVersion": 2, "manifests": [images[1], loose]});
        let inner = put(&world, media::OCI_INDEX, &inner, None);
        let index = json!({"schemaVersion": 2, "manifests": [images[0], inner, images[1]]});
        let index = put(&world, media::OCI_INDEX, &index, Some("1.4.0"));
        world.store(&index, &signature(&index, &world.alice));
        manifests.extend(images);
        manifests.push(inner);
        Self { world, index, manifests, blobs }
    }

    async fn deep(&self) -> (&'static str, String) {
        deep(&self.world, &self.index.digest).await
    }
}

fn put(world: &World, media_type: &str, manifest: &Value, at: Option<&str>) -> Descriptor {
    let bytes = manifest.to_string();
    world.registry.put_manifest(REPOSITORY, at, media_type, bytes.clone());
    Descriptor::of(media_type, bytes.as_bytes())
}

/// What verifying in depth comes to, and why.
async fn deep(world: &World, digest: &Digest) -> (&'static str, String) {
    let keys = std::slice::from_ref(&world.alice.public);
    let request = verify::Request { deep: true, ..by(keys, false) };
    let reference = world.at_digest(digest);
    let judged = verify::verify(&world.registries(), &reference, request).await;
    let judged = judged.unwrap();
    (kind(&judged), judged.verdict.reasons().iter().map(|r| r.found.as_str()).collect())
}

#[tokio::test]
async fn everything_below_an_index_is_read_once() {
    let image = Image::new();
    assert_eq!(image.deep().await, ("accepted", String::new()));
    let log = image.world.registry.log();
    for named in image.manifests.iter().chain(&image.blobs) {
        let digest = named.digest.to_string();
        let asked = log.entries().iter().filter(|entry| entry.path.ends_with(&digest)).count();
        assert_eq!(asked, 1, "{digest}: {:?}", log.lines());
    }
    log.clear();
    assert_eq!(image.world.signed(&image.world.at_digest(&image.index.digest)).await, "accepted");
    let below = |entry: &crate::support::registry::Entry| {
        image.blobs.iter().any(|blob| entry.path.ends_with(&blob.digest.to_string()))
    };
    assert!(!log.entries().iter().any(below), "only when asked to");
}

#[tokio::test]
async fn notation_cve_2023_33959_other_bytes_below_an_index() {
    let image = Image::new();
    for named in image.manifests.iter().chain(&image.blobs) {
        let mut bytes = match image.world.registry.blob(REPOSITORY, &named.digest) {
            Some(bytes) => bytes.to_vec(),
            None => image.world.registry.manifest(REPOSITORY, &named.digest).unwrap().to_vec(),
        };
        bytes[1] ^= 1;
        image.world.registry.faults(|f| f.other_bytes = [(named.digest, bytes.into())].into());
        let (verdict, why) = image.deep().await;
        assert_eq!(verdict, "rejected", "{why}");
        assert!(why.contains(&format!("`{}`: wrong bytes", named.digest)), "{why}");
        let shallow = image.world.signed(&image.world.at_digest(&image.index.digest)).await;
        assert_eq!(shallow, "accepted");
    }
}

#[tokio::test]
async fn what_is_missing_below_an_index_is_unknown() {
    for at in 0..3 {
        let image = Image::new();
        let digest = image.manifests[at].digest;
        image.world.registry.delete_manifest(REPOSITORY, &digest);
        let (verdict, why) = image.deep().await;
        assert_eq!(verdict, "unknown", "{why}");
        assert!(why.contains(&format!("the manifest `{digest}` could not be read")), "{why}");
        // A wrong byte elsewhere is certain all the same.
        let wrong = &image.blobs[if at == 0 { 3 } else { 0 }];
        let other = vec![b'x'; usize::try_from(wrong.size).unwrap()];
        image.world.registry.faults(|f| f.other_bytes = [(wrong.digest, other.into())].into());
        assert_eq!(image.deep().await.0, "rejected", "{at}");
    }
}

/// A registry may lie about sizes; what is announced is what is paid for.
#[tokio::test]
async fn a_manifest_of_another_size_than_its_index_says() {
    let image = Image::new();
    let world = &image.world;
    let mut child = image.manifests[0].clone();
    child.size += 1;
    let index = json!({"schemaVersion": 2, "manifests": [child]});
    let index = put(world, media::OCI_INDEX, &index, None);
    world.store(&index, &signature(&index, &world.alice));
    let (verdict, why) = deep(world, &index.digest).await;
    assert_eq!(verdict, "rejected", "{why}");
    assert!(why.contains("its index says"), "{why}");
}

/// oras GHSA-298f-872v-2rcx: what refers to each other is followed to an end.
#[tokio::test]
async fn oras_ghsa_298f_872v_2rcx_indexes_that_are_too_deep_or_too_wide() {
    let image = Image::new();
    let world = &image.world;
    let mut index = image.index.clone();
    for _ in 0..50 {
        let outer = json!({"schemaVersion": 2, "manifests": [index]});
        index = put(world, media::OCI_INDEX, &outer, None);
    }
    world.store(&index, &signature(&index, &world.alice));
    let (verdict, why) = deep(world, &index.digest).await;
    assert_eq!(verdict, "unknown", "{why}");
    assert!(why.contains("nested deeper than 4 levels"), "{why}");
    assert!(world.registry.log().count() < 20, "{:?}", world.registry.log().lines());

    let entries: Vec<_> = (0..1001)
        .map(|at| put(world, media::OCI_MANIFEST, &json!({"schemaVersion": 2, "at": at}), None))
        .collect();
    let index = json!({"schemaVersion": 2, "manifests": entries});
    let index = put(world, media::OCI_INDEX, &index, None);
    world.store(&index, &signature(&index, &world.alice));
    world.registry.log().clear();
    let (verdict, why) = deep(world, &index.digest).await;
    assert_eq!(verdict, "unknown", "{why}");
    assert!(why.contains("more than 1000"), "{why}");
    assert!(world.registry.log().of(Route::Manifest).len() < 20);
}

#[tokio::test]
async fn a_part_that_nobody_can_name_is_not_passed_over() {
    let world = World::new(Config::default());
    let foreign = json!({"digest": format!("sha512:{}", "0".repeat(128)), "size": 1});
    let index = json!({"schemaVersion": 2, "manifests": [foreign]});
    let index = put(&world, media::OCI_INDEX, &index, None);
    world.store(&index, &signature(&index, &world.alice));
    let (verdict, why) = deep(&world, &index.digest).await;
    assert_eq!(verdict, "unknown", "{why}");
    assert!(why.contains("no manifest that names all its parts"), "{why}");
    assert_eq!(world.signed(&world.at_digest(&index.digest)).await, "accepted");
}

/// On a layout this is done unasked, and `pull` says what to pull instead.
#[tokio::test]
async fn an_index_of_a_layout_is_always_read_in_depth() {
    let image = Image::new();
    let (world, dir) = (&image.world, tempfile::tempdir().unwrap());
    let place = Place::Layout(dir.path().join("layout"));
    let registries = world.registries();
    let store = registries.open(&place).unwrap();
    for blob in &image.blobs {
        let bytes = world.registry.blob(REPOSITORY, &blob.digest).unwrap();
        store.put_blob(&Blob::of("x", bytes), None).await.unwrap();
    }
    for (at, named) in image.manifests.iter().chain([&image.index]).enumerate() {
        let bytes = world.registry.manifest(REPOSITORY, &named.digest).unwrap();
        let key = match at {
            3 => Key::Tag(tag("1.4.0")),
            _ => Key::Digest(named.digest),
        };
        store.put_manifest(&key, &named.media_type, bytes, &Expect::Anything).await.unwrap();
    }
    let reference: Reference = format!("{place}:1.4.0").parse().unwrap();
    let keys = vec![world.alice.key()];
    sign::sign(&registries, &reference, keys.into(), false).await.unwrap();
    let verdict = async || {
        let keys = std::slice::from_ref(&world.alice.public);
        let judged = verify::verify(&registries, &reference, by(keys, false)).await;
        kind(&judged.unwrap())
    };
    assert_eq!(verdict().await, "accepted");
    let pulled = program()
        .args(["pull", &reference.to_string()])
        .arg(dir.path().join("out"))
        .arg("--key")
        .arg(world.alice.public_file())
        .output()
        .unwrap();
    assert_eq!(code(&pulled), 2, "{}", stderr(&pulled));
    assert!(stderr(&pulled).contains("is an index of 3 manifest(s)"), "{}", stderr(&pulled));
    assert!(stderr(&pulled).contains(&image.manifests[0].digest.to_string()));

    let blobs = dir.path().join("layout/blobs/sha256");
    let last = blobs.join(image.blobs.last().unwrap().digest.hex());
    fs::remove_file(&last).unwrap();
    assert_eq!(verdict().await, "unknown");
    fs::write(&last, "other bytes").unwrap();
    assert_eq!(verdict().await, "rejected");
}
