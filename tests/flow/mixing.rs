//! Every way of storing statements is read, mixed freely, and nothing that is
//! added hides what is there: not a wrong size, not another media type, not junk.

use std::process::Stdio;

use sluicegate::edge::registry::{Blob, Expect, Key, Store, layout::Layout};

use super::*;
use crate::support::{
    registry::Referrers,
    sigstore::{By, log::Kind},
};

fn by_alice(world: &World) -> Policy {
    Policy::by_keys(vec![world.alice.public.clone()], false)
}

async fn accepts(world: &World, policy: Policy) -> bool {
    kind(&world.judged_by(policy).await.unwrap()) == "accepted"
}

/// A referrer of `subject` with these layers.
fn referrer(subject: &Descriptor, layers: &[Value]) -> Vec<u8> {
    json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "artifactType": media::BUNDLE,
        "config": Descriptor::of(media::OCI_EMPTY, b"{}"), "layers": layers,
        "subject": Descriptor::new(&subject.media_type, subject.digest, subject.size),
    })
    .to_string()
    .into_bytes()
}

/// What anybody could add to an artifact that has the statement `good`.
fn additions(world: &World, subject: &Descriptor, good: &[u8]) -> Vec<(String, Vec<u8>)> {
    let layer = |kind: &str, size: usize| json!({"mediaType": kind, "digest": Digest::of(good), "size": size});
    let right = good.len();
    let junk = json!(0);
    let lost = json!({"mediaType": media::BUNDLE, "digest": Digest::of(b"lost"), "size": 4});
    let failed = json!({
        "result": "FAILED", "failedTests": ["e2e"],
        "configuration": [{"name": "e2e", "digest": {"sha256": "0".repeat(64)}}],
    });
    let failed = statement(subject, &world.alice, uris::TEST_RESULT, &failed);
    let bobs = signature(subject, &world.bob);
    let itself =
        json!({"mediaType": media::BUNDLE, "digest": subject.digest, "size": subject.size});
    let mut all: Vec<(String, Vec<u8>)> = [
        ("a size too small", vec![layer(media::BUNDLE, 1)]),
        ("a size too large", vec![layer(media::BUNDLE, right + 1)]),
        ("a size of none", vec![layer(media::BUNDLE, 0)]),
        ("a huge size", vec![layer(media::BUNDLE, 5_000_000_000)]),
        ("a signature by its type", vec![layer(media::SIMPLE_SIGNING, right)]),
        ("an envelope by its type", vec![layer(media::DSSE, right)]),
        (
            "an older bundle by its type",
            vec![layer("application/vnd.dev.sigstore.bundle+json;version=0.1", right)],
        ),
        ("nothing by its type", vec![layer("application/x", right)]),
        (
            "all of them",
            vec![
                layer(media::BUNDLE, 1),
                layer(media::DSSE, right),
                layer(media::BUNDLE, right),
                junk.clone(),
            ],
        ),
        ("junk", vec![junk; 100]),
        ("a lost statement", vec![lost]),
        ("the artifact as a bundle", vec![itself]),
        ("no layer", vec![]),
    ]
    .map(|(name, layers)| (name.to_owned(), referrer(subject, &layers)))
    .to_vec();
    for parcel in [failed, bobs] {
        for made in parcel.bundles {
            world.registry.put_blob(REPOSITORY, made.bundle.clone());
            all.push(("another statement".into(), made.manifest));
        }
    }
    all.push(("no JSON".into(), b"{".to_vec()));
    all.push(("an index".into(), br#"{"schemaVersion":2,"manifests":[]}"#.to_vec()));
    all
}

/// Discovery once read each layer once, by its digest, and one bad descriptor hid
/// the good ones.
#[tokio::test]
async fn further_referrers_hide_nothing() {
    let mut count = 0;
    for config in [
        Config::default(),
        Config::old(),
        Config { referrers: Referrers::Paged(2), ..Config::default() },
    ] {
        for identity in [false, true] {
            let world = World::new(config.clone());
            let subject = world.unsigned("x", Some("1.4.0"));
            let (policy, good) = match identity {
                false => {
                    let parcel = signature(&subject, &world.alice);
                    world.store(&subject, &parcel);
                    (by_alice(&world), parcel.bundles[0].bundle.clone())
                }
                true => {
                    let bundle = INSTANCE.bundle(&plan(), &By::Identity, &said(&subject.digest));
                    world.store_by(&subject, &bundle);
                    (by_identity(), bundle.to_string().into_bytes())
                }
            };
            assert!(accepts(&world, policy.clone()).await);
            // One by one and all together, since nothing is taken away again.
            for (name, bytes) in additions(&world, &subject, &good) {
                let entry = Descriptor::of(media::OCI_MANIFEST, &bytes);
                world.registry.put_manifest(REPOSITORY, None, media::OCI_MANIFEST, bytes);
                let tag = Tag::referrers(&subject.digest);
                let index = world.tag(&tag.to_string()).unwrap();
                let index = world.registry.manifest(REPOSITORY, &index).unwrap();
                let index = attachment::index_with(Some(&index), &[entry]).unwrap().unwrap();
                world.put_tagged(&tag, media::OCI_INDEX, index);
                assert!(accepts(&world, policy.clone()).await, "{name}, {identity}");
                count += 1;
            }
        }
    }
    println!("{count} additions, each accepted");
}

/// The same on a layout, where a referrer is whatever says so.
#[tokio::test]
async fn further_referrers_hide_nothing_on_a_layout() {
    let world = World::new(Config::default());
    let dir = world.dir.path().join("layout");
    let store = Store::Layout(Layout::open(&dir, 4 << 20).unwrap());
    let subject = world.unsigned("x", None);
    let manifest = world.registry.manifest(REPOSITORY, &subject.digest).unwrap();
    let put = async |bytes: Vec<u8>| {
        store.put_blob(&Blob::of("application/octet-stream", bytes), None).await.unwrap();
    };
    put(b"{}".to_vec()).await;
    put(b"x".to_vec()).await;
    let expect = Expect::Anything;
    let key = Key::Tag(tag("1.4.0"));
    store.put_manifest(&key, media::OCI_MANIFEST, manifest, &expect).await.unwrap();
    let reference: Reference = format!("oci-layout:{}:1.4.0", dir.display()).parse().unwrap();
    let parcel = signature(&subject, &world.alice);
    let good = parcel.bundles[0].clone();
    put(good.bundle.clone()).await;
    let mut all = vec![("the good one".to_owned(), good.manifest.clone())];
    all.extend(additions(&world, &subject, &good.bundle));
    for (name, bytes) in all {
        let key = Key::Digest(Digest::of(&bytes));
        // A layout refuses to write what is no manifest; a hostile one has it.
        if store
            .put_manifest(&key, media::OCI_MANIFEST, bytes.clone().into(), &expect)
            .await
            .is_err()
        {
            let blob = dir.join("blobs/sha256").join(Digest::of(&bytes).hex());
            fs::write(blob, &bytes).unwrap();
            let path = dir.join("index.json");
            let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let entry = Descriptor::of(media::OCI_MANIFEST, &bytes);
            let list = index["manifests"].as_array_mut().unwrap();
            list.push(serde_json::to_value(entry).unwrap());
            fs::write(&path, index.to_string()).unwrap();
        }
        let request = verify::Request::new(by_alice(&world));
        let judged = verify::verify(&world.registries(), &reference, request).await.unwrap();
        assert_eq!(kind(&judged), "accepted", "{name}");
    }
}

/// Several statements in one manifest, each of every kind, and the same layer
/// once more with another size.
#[tokio::test]
async fn several_statements_in_one_manifest() {
    for config in [Config::default(), Config::old()] {
        let world = World::new(config);
        let subject = world.unsigned("x", Some("1.4.0"));
        let mut layers = Vec::new();
        let mut put = |descriptor: Descriptor, bytes: Vec<u8>| {
            world.registry.put_blob(REPOSITORY, bytes);
            let mut wrong = descriptor.clone();
            wrong.size += 1;
            layers.push(serde_json::to_value(wrong).unwrap());
            layers.push(serde_json::to_value(descriptor).unwrap());
        };
        let bundle = INSTANCE.bundle(&plan(), &By::Identity, &said(&subject.digest));
        let bundle = bundle.to_string().into_bytes();
        put(Descriptor::of(media::BUNDLE, &bundle), bundle);
        let made = signature(&subject, &world.alice).bundles.remove(0);
        put(made.layer, made.bundle);
        // `.sig` and `.att` layers in a referrer.
        let payload = simple_signing::write(&subject.digest, "registry.example/shop");
        let plan = Plan::of(Kind::HashedRekord1);
        let sig = INSTANCE.legacy_signature(&plan, &By::Identity, &payload);
        put(sigstore::layer(&sig), payload);
        let plan = Plan::of(Kind::Dsse1);
        let att = INSTANCE.legacy_attestation(&plan, &By::Identity, &said(&subject.digest));
        put(sigstore::layer(&att), att.bytes);
        let bytes = referrer(&subject, &layers);
        let entry = Descriptor::of(media::OCI_MANIFEST, &bytes);
        world.registry.put_manifest(REPOSITORY, None, media::OCI_MANIFEST, bytes);
        let index = attachment::index_with(None, &[entry]).unwrap().unwrap();
        world.put_tagged(&Tag::referrers(&subject.digest), media::OCI_INDEX, index);
        let policy = by_identity();
        let judged = world.judged_by(policy).await.unwrap();
        let verified = judged.gathered.findings().filter(|f| f.evidence().is_some()).count();
        assert_eq!((kind(&judged), verified), ("accepted", 3));
        assert!(accepts(&world, by_alice(&world)).await);
    }
}

/// cosign 2 at both tags, cosign 3 and GitHub as referrers, an index that says
/// the wrong types: whichever is there alone suffices, and together they do.
#[tokio::test]
async fn every_way_of_storing_is_read_and_mixed() {
    type Put = fn(&World, &Descriptor);
    let ways: [(&str, Put); 5] = [
        (".sig", |world, subject| world.store_legacy(subject, &subject.digest)),
        (".att", |world, subject| {
            let plan = Plan::of(Kind::Intoto2);
            let found = INSTANCE.legacy_attestation(&plan, &By::Identity, &said(&subject.digest));
            world.registry.put_blob(REPOSITORY, found.bytes.clone());
            let manifest = json!({
                "schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
                "config": Descriptor::of(media::OCI_CONFIG, b"{}"), "layers": [sigstore::layer(&found)],
            });
            let tag = Tag::legacy_attestations(&subject.digest);
            world.put_tagged(&tag, media::OCI_MANIFEST, manifest.to_string().into_bytes());
        }),
        ("cosign 3", |world, subject| {
            let bundle = INSTANCE.bundle(&plan(), &By::Identity, &said(&subject.digest));
            world.store_by(subject, &bundle);
        }),
        ("GitHub", |world, subject| {
            // With `.0Z`, its own predicate type in the annotation, dsse 0.0.1.
            let plan = Plan::of(Kind::Dsse1);
            let bundle = INSTANCE.bundle(&plan, &By::Identity, &said(&subject.digest));
            let bytes = bundle.to_string().into_bytes();
            let at = "2026-01-01T12:00:00.123Z";
            let made = attachment::referrer(subject, bytes, uris::PROVENANCE, at).unwrap();
            world.store(subject, &bundles(vec![made]));
        }),
        ("an index of wrong types", |world, subject| {
            let bundle = INSTANCE.bundle(&plan(), &By::Identity, &said(&subject.digest));
            world.store_by(subject, &bundle);
            let tag = Tag::referrers(&subject.digest);
            let index = world.registry.manifest(REPOSITORY, &world.tag(&tag.to_string()).unwrap());
            let mut index: Value = serde_json::from_slice(&index.unwrap()).unwrap();
            for entry in index["manifests"].as_array_mut().unwrap() {
                entry["artifactType"] = media::OCI_EMPTY.into();
                entry["annotations"] = json!({});
                entry["mediaType"] = "".into();
            }
            world.put_tagged(&tag, media::OCI_INDEX, index.to_string().into_bytes());
        }),
    ];
    let (mut mixes, all) = (0, 1 << ways.len());
    for config in [Config::default(), Config::old()] {
        for mix in 0..all {
            let world = World::new(config.clone());
            let subject = world.unsigned("x", Some("1.4.0"));
            let chosen = ways.iter().enumerate().filter(|(at, _)| mix >> at & 1 == 1);
            let names: Vec<&str> = chosen
                .map(|(_, (name, put))| {
                    put(&world, &subject);
                    *name
                })
                .collect();
            let judged = world.judged_by(by_identity()).await.unwrap();
            let verified = judged.gathered.findings().filter(|f| f.evidence().is_some()).count();
            assert_eq!(kind(&judged) == "accepted", mix > 0, "{names:?}");
            assert_eq!(verified, names.len(), "{names:?}");
            mixes += 1;
        }
    }
    println!("{mixes} mixes");
}

/// Sixteen manifests of 4 MiB that are nothing but junk.
#[test]
fn cosign_cve_2023_46737_manifests_of_junk_need_little_memory() {
    let world = World::new(Config::default());
    let subject = world.unsigned("x", Some("1.4.0"));
    world.store(&subject, &signature(&subject, &world.alice));
    for n in 0..16 {
        let head = String::from_utf8(referrer(&subject, &[json!(n)])).unwrap();
        let zeros = vec!["0"; (4 << 20) / 2 - 600].join(",");
        let bytes = head.replace(&format!("\"layers\":[{n}]"), &format!("\"layers\":[{zeros}]"));
        assert!((4_000_000..=4 << 20).contains(&bytes.len()), "{}", bytes.len());
        world.registry.put_manifest(REPOSITORY, None, media::OCI_MANIFEST, bytes);
    }
    let mut command = program();
    command.args(["verify", &world.at(":1.4.0").to_string(), "--key"]);
    command.arg(world.alice.public_file()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut most = 0;
    let status = loop {
        most = most.max(bounds::peak(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert_eq!(status.code(), Some(0));
    println!("VmHWM {most} KiB");
    assert!(most > 0 && most < 64 << 10, "{most} KiB");
}
