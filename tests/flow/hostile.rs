use std::collections::BTreeMap;

use sluicegate::model::{evidence::Outcome as Came, policy};

use super::*;
use crate::support::registry::{BodyFault, ContentDigest, Referrers, Route};

/// Runs a verb of the program against Alice's public key.
fn run(world: &World, verb: &str, reference: &Reference, more: &[&str]) -> Output {
    let mut command = program();
    command.args([verb, &reference.to_string()]).args(more);
    command.arg("--key").arg(world.alice.public_file()).args(["--timeout", "2s"]);
    command.output().unwrap()
}

fn pull(world: &World, reference: &Reference, to: &str) -> Output {
    let to = world.dir.path().join(to);
    run(world, "pull", reference, &[to.to_str().unwrap()])
}

/// The manifests and blobs that hold the statements of an artifact.
async fn statements(world: &World) -> Vec<Digest> {
    let judged = world.judged(&world.at(":1.4.0"), false).await.unwrap();
    judged.gathered.findings().map(|finding| finding.manifest).collect()
}

fn layers(world: &World, manifest: &Digest) -> Vec<Digest> {
    let bytes = world.registry.manifest(REPOSITORY, manifest).unwrap();
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    let layers = manifest.get("layers").unwrap().as_array().unwrap();
    layers.iter().map(|layer| layer["digest"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn kyverno_cve_2022_47633_the_tag_is_resolved_once() {
    for world in World::both() {
        let signed = world.publish().await.digest;
        let evil = world.unsigned("evil", None).digest;
        for (order, verdict) in [([signed, evil], "accepted"), ([evil, signed], "rejected")] {
            let flips = BTreeMap::from([("1.4.0".to_owned(), order.to_vec())]);
            world.registry.faults(|faults| faults.flipping_tags = flips);
            world.registry.log().clear();
            let judged = world.judged(&world.at(":1.4.0"), false).await.unwrap();
            assert_eq!((kind(&judged), judged.verdict.subject()), (verdict, &order[0]));
            let lines = world.registry.log().lines();
            let tag = lines.iter().filter(|line| line.ends_with("manifests/1.4.0")).count();
            assert_eq!(tag, 1, "{lines:?}");
        }
    }
}

#[tokio::test]
async fn source_controller_2075_what_was_verified_is_what_is_pulled() {
    let world = World::new(Config::default());
    let signed = world.publish().await.digest;
    let evil = world.unsigned("evil", None).digest;
    let flips = BTreeMap::from([("1.4.0".to_owned(), vec![signed, evil])]);
    world.registry.faults(|faults| faults.flipping_tags = flips);
    let output = pull(&world, &world.at(":1.4.0"), "out");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let pulled = fs::read(world.dir.path().join("out/shop.yaml")).unwrap();
    assert_eq!(pulled, fs::read(world.bundle().join("shop.yaml")).unwrap());
}

#[tokio::test]
async fn notation_cve_2023_33959_other_bytes_for_the_artifact_are_rejected() {
    let world = World::new(Config::default());
    let digest = world.publish().await.digest;
    let other = world.registry.manifest(REPOSITORY, &world.unsigned("other", None).digest).unwrap();
    world.registry.faults(|faults| faults.other_bytes = [(digest, other)].into());
    for reference in [world.at(":1.4.0"), world.at_digest(&digest)] {
        assert_eq!(world.signed(&reference).await, "rejected");
        let output = run(&world, "verify", &reference, &["-o", "json"]);
        assert_eq!(code(&output), 1, "{}", stderr(&output));
        let view: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(view["reasons"][0]["code"], "wrong-bytes", "{view}");
        assert_eq!(code(&pull(&world, &reference, "out")), 1);
        assert!(!world.dir.path().join("out").exists());
    }
}

#[tokio::test]
async fn notation_cve_2023_33959_other_bytes_for_a_statement_count_for_nothing() {
    for world in World::both() {
        world.publish().await;
        for manifest in statements(&world).await {
            for digest in layers(&world, &manifest).into_iter().chain([manifest]) {
                world.registry.faults(|faults| {
                    faults.other_bytes = [(digest, "{}".into())].into();
                });
                // The other form of the signature is still there.
                assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted");
            }
        }
        let all = statements(&world).await;
        let broken = all.iter().map(|manifest| (*manifest, "{}".into())).collect();
        world.registry.faults(|faults| faults.other_bytes = broken);
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "rejected");
    }
}

#[tokio::test]
async fn notation_cve_2023_33959_other_bytes_for_a_layer() {
    let world = World::new(Config::default());
    let digest = world.publish().await.digest;
    let layer = layers(&world, &digest)[0];
    let size = world.registry.blob(REPOSITORY, &layer).unwrap().len();
    world.registry.faults(|f| f.other_bytes = [(layer, vec![b'x'; size].into())].into());
    let reference = world.at(":1.4.0");
    assert_eq!(code(&run(&world, "verify", &reference, &[])), 0, "layers are not read");
    assert_eq!(code(&run(&world, "verify", &reference, &["--deep"])), 1);
    let output = pull(&world, &reference, "out");
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert!(!world.dir.path().join("out").exists());
    let left: Vec<_> = fs::read_dir(world.dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left.len(), 5, "bundle and keys: {left:?}");
}

#[tokio::test]
async fn notation_cve_2023_33959_a_digest_header_that_lies() {
    let world = World::new(Config::default());
    let digest = world.publish().await.digest;
    world.registry.faults(|faults| faults.content_digest = ContentDigest::Wrong);
    assert_eq!(world.signed(&world.at(":1.4.0")).await, "rejected");
    assert_eq!(world.signed(&world.at_digest(&digest)).await, "accepted", "the bytes are right");
    for fine in [ContentDigest::Missing, ContentDigest::OtherAlgorithm] {
        world.registry.faults(|faults| faults.content_digest = fine);
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted");
    }
}

/// Nobody can tell whether it is signed; unless a signature is found elsewhere.
#[tokio::test]
async fn hostile_registry_referrers_that_cannot_be_listed() {
    for status in [401, 403, 429, 500, 503] {
        let world = World::new(Config::default()).hurried();
        let subject = world.unsigned("x", Some("1.4.0"));
        world.store(&subject, &signature(&subject, &world.alice));
        world.registry.delete_manifest(
            REPOSITORY,
            &world.tag(&Tag::referrers(&subject.digest).to_string()).unwrap(),
        );
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted", "{status}");
        world.registry.faults(|f| f.throttle(Route::Referrers, status, 1000, None));
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "unknown", "{status}");
        assert_eq!(code(&run(&world, "verify", &world.at(":1.4.0"), &[])), 3, "{status}");
        world.store(&subject, &legacy(&subject, &world.alice));
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted", "{status}");
    }
}

#[tokio::test]
async fn hostile_registry_no_referrers_api_with_and_without_fallback() {
    let config = Config { referrers: Referrers::Absent(404), ..Config::old() };
    let world = World::new(config);
    let subject = world.unsigned("x", Some("1.4.0"));
    assert_eq!(world.signed(&world.at(":1.4.0")).await, "rejected");
    world.store(&subject, &signature(&subject, &world.alice));
    assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted");
}

#[tokio::test]
async fn hostile_registry_fallback_index_without_artifact_type() {
    let world = World::new(Config::old());
    let subject = world.unsigned("x", Some("1.4.0"));
    let parcel = signature(&subject, &world.alice);
    world.store(&subject, &parcel);
    let entries: Vec<_> = parcel.bundles.iter().map(|made| made.descriptor.clone()).collect();
    world.registry.put_bare_fallback_index(REPOSITORY, &subject.digest, &entries);
    assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted");
    // Nor does a malformed neighbour hide it.
    let index = format!(
        r#"{{"manifests":[1,{{"digest":"sha512:00","size":-1}},{}]}}"#,
        serde_json::to_string(&entries[0]).unwrap()
    );
    world.put_tagged(&Tag::referrers(&subject.digest), media::OCI_INDEX, index.into());
    assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted");
}

#[tokio::test]
async fn oras_ghsa_298f_872v_2rcx_an_artifact_among_its_own_referrers() {
    let world = World::new(Config::old());
    let subject = world.unsigned("x", Some("1.4.0"));
    let other = world.unsigned("y", None);
    // The artifact, an index that names itself, and one that names the artifact.
    let inner = Tag::referrers(&other.digest);
    let nested = json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX,
        "subject": subject, "manifests": [subject, other]});
    let nested = nested.to_string();
    world.put_tagged(&inner, media::OCI_INDEX, nested.clone().into());
    let nested = Descriptor::of(media::OCI_INDEX, nested.as_bytes());
    world.registry.put_bare_fallback_index(
        REPOSITORY,
        &subject.digest,
        &[subject.clone(), nested.clone(), nested, other],
    );
    let judged = world.judged(&world.at(":1.4.0"), false).await.unwrap();
    assert_eq!((kind(&judged), judged.gathered.exhibits.len()), ("rejected", 0));
    assert!(world.registry.log().count() < 12, "{:?}", world.registry.log().lines());
}

#[tokio::test]
async fn hostile_registry_signature_of_a_attached_to_b() {
    for world in World::both() {
        let (a, b) = (world.unsigned("a", None), world.unsigned("b", Some("1.4.0")));
        let mut parcel = together([signature(&a, &world.alice), legacy(&a, &world.alice)]);
        for made in &mut parcel.bundles {
            let bytes = made.bundle.clone();
            *made = attachment::referrer(&b, bytes, uris::SIGNATURE, "").unwrap();
        }
        world.store(&b, &parcel);
        let judged = world.judged(&world.at(":1.4.0"), false).await.unwrap();
        assert_eq!(kind(&judged), "rejected");
        let invalid = judged.gathered.findings().filter(|f| matches!(f.outcome, Came::Invalid(_)));
        assert_eq!(invalid.count(), 2, "{:?}", judged.gathered.exhibits);
    }
}

/// The signature is about the digest, wherever it is stored.
#[tokio::test]
async fn hostile_registry_same_digest_in_another_repository() {
    let (here, mut there) = (World::new(Config::default()), World::new(Config::old()));
    std::mem::swap(&mut there.alice, &mut World::new(Config::default()).alice);
    let subject = here.unsigned("x", Some("1.4.0"));
    assert_eq!(there.unsigned("x", Some("1.4.0")), subject);
    there.store(&subject, &signature(&subject, &here.alice));
    let keys = std::slice::from_ref(&here.alice.public);
    let (registries, reference) = (there.registries(), there.at(":1.4.0"));
    let judged = verify::verify(&registries, &reference, by(keys, false)).await;
    assert_eq!(kind(&judged.unwrap()), "accepted");
    assert_eq!(there.signed(&there.at(":1.4.0")).await, "rejected");
}

#[tokio::test]
async fn cosign_cve_2022_36056_swapped_payloads() {
    let world = World::new(Config::default());
    let (a, b) = (world.unsigned("a", Some("1.4.0")), world.unsigned("b", None));
    let of = |subject, key| signature(subject, key).bundles.remove(0).bundle;
    let (ours, theirs) = (of(&b, &world.alice), of(&a, &world.bob));
    let (mut ours, theirs): (Value, Value) =
        (serde_json::from_slice(&ours).unwrap(), serde_json::from_slice(&theirs).unwrap());
    for field in ["payload", "signatures"] {
        let mut mixed = theirs.clone();
        std::mem::swap(&mut mixed["dsseEnvelope"][field], &mut ours["dsseEnvelope"][field]);
        let bytes = mixed.to_string().into_bytes();
        let made = attachment::referrer(&a, bytes, uris::SIGNATURE, "").unwrap();
        world.store(&a, &parcel_of(made));
    }
    assert_eq!(world.signed(&world.at(":1.4.0")).await, "rejected");
}

#[tokio::test]
async fn cosign_cve_2022_35929_an_sbom_is_no_signature_and_no_provenance() {
    for world in World::both() {
        let subject = world.unsigned("x", Some("1.4.0"));
        let sbom = statement(&subject, &world.alice, "https://spdx.dev/Document", &json!({}));
        world.store(&subject, &sbom);
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "rejected");
        world.store(&subject, &signature(&subject, &world.alice));
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted");
        assert_eq!(world.verdict(&world.at(":1.4.0")).await, "rejected", "no provenance");
    }
}

#[tokio::test]
async fn sigstore_go_609_a_statement_about_nothing() {
    use sluicegate::model::statement::bundle;
    let world = World::new(Config::default());
    let subject = world.unsigned("x", Some("1.4.0"));
    let key = world.alice.key();
    for subjects in [json!([]), json!([{}]), json!([{"digest": {}}]), json!(null), json!([null])] {
        let payload = json!({
            "_type": "https://in-toto.io/Statement/v1", "subject": subjects,
            "predicateType": uris::SIGNATURE, "predicate": {},
        });
        let payload = payload.to_string();
        let signed = key.sign(&bundle::message(payload.as_bytes())).unwrap();
        let bytes = bundle::write(payload.as_bytes(), &signed, key.fingerprint().as_bytes());
        let made = attachment::referrer(&subject, bytes.unwrap(), uris::SIGNATURE, "").unwrap();
        world.store(&subject, &parcel_of(made));
    }
    assert_eq!(world.signed(&world.at(":1.4.0")).await, "rejected");
}

/// Provenance that says another commit than the manifest does not count.
#[tokio::test]
async fn provenance_that_contradicts_the_manifest() {
    for world in World::both() {
        let digest = world.publish().await.digest;
        // The same statements under a manifest with another revision.
        let bytes = world.registry.manifest(REPOSITORY, &digest).unwrap();
        let edited = String::from_utf8(bytes.to_vec()).unwrap();
        let edited = edited.replace(&"a".repeat(40), &"b".repeat(40));
        let subject = Descriptor::of(media::OCI_MANIFEST, edited.as_bytes());
        world.registry.put_manifest(REPOSITORY, Some("2.0.0"), media::OCI_MANIFEST, edited);
        world.store(&subject, &signature(&subject, &world.alice));
        let original = Descriptor::of(media::OCI_MANIFEST, &bytes);
        let predicate = provenance(&world, &original).await;
        world.store(&subject, &statement(&subject, &world.alice, uris::PROVENANCE, &predicate));
        let reference = world.at(":2.0.0");
        let judged = world.judged(&reference, false).await.unwrap();
        assert_eq!(kind(&judged), "accepted");
        let annotations = judged.artifact.as_ref().unwrap().content.annotations.clone();
        let standings: Vec<_> = judged
            .gathered
            .exhibits
            .iter()
            .map(|exhibit| policy::standing(exhibit, &annotations).0)
            .collect();
        assert!(standings.contains(&policy::Standing::Mismatch), "{standings:?}");
        assert_eq!(world.verdict(&reference).await, "rejected");
        let output = run(&world, "verify", &reference, &["--require-provenance", "-o", "json"]);
        assert_eq!(code(&output), 1, "{}", stderr(&output));
        let view: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(view["reasons"][0]["code"], "provenance-mismatch", "{view}");
        assert_eq!(view["commit"], Value::Null, "{view}");
    }
}

/// The provenance of a published artifact, as its predicate.
async fn provenance(world: &World, subject: &Descriptor) -> Value {
    use sluicegate::model::evidence::Claim;
    let judged = world.judged(&world.at_digest(&subject.digest), false).await.unwrap();
    let found = judged.gathered.findings().find_map(|f| match f.evidence()?.claim() {
        Claim::Provenance(provenance) => Some(serde_json::to_value(provenance).unwrap()),
        _ => None,
    });
    found.expect("provenance")
}

/// A registry can withhold what it has: then it is not accepted any more.
#[tokio::test]
async fn hostile_registry_statement_removed() {
    for world in World::both() {
        let digest = world.publish().await.digest;
        for manifest in statements(&world).await {
            world.registry.delete_manifest(REPOSITORY, &manifest);
        }
        assert_ne!(world.signed(&world.at_digest(&digest)).await, "accepted");
    }
}

#[tokio::test]
async fn ggcr_2259_urls_of_a_layer_are_never_followed() {
    let (world, elsewhere) = (World::new(Config::default()), World::new(Config::default()));
    let digest = world.publish().await.digest;
    let mut manifest: Value =
        serde_json::from_slice(&world.registry.manifest(REPOSITORY, &digest).unwrap()).unwrap();
    let url = format!("http://{}/v2/{REPOSITORY}/layer", elsewhere.registry.host());
    let layer = &mut manifest["layers"][0];
    layer["urls"] = json!([url]);
    layer["digest"] = json!(Digest::of(b"only elsewhere"));
    let bytes = manifest.to_string();
    let subject = Descriptor::of(media::OCI_MANIFEST, bytes.as_bytes());
    world.registry.put_manifest(REPOSITORY, Some("2.0.0"), media::OCI_MANIFEST, bytes);
    world.store(&subject, &signature(&subject, &world.alice));
    assert_eq!(code(&run(&world, "verify", &world.at(":2.0.0"), &["--deep"])), 3);
    assert_eq!(code(&pull(&world, &world.at(":2.0.0"), "out")), 3);
    assert_eq!(elsewhere.registry.log().count(), 0);
}

/// Every way of not being accepted is told by the exit code.
#[tokio::test]
async fn gh_cve_2025_25204_every_rejection_has_an_exit_code() {
    let world = World::new(Config::default());
    let digest = world.publish().await.digest;
    let reference = world.at(":1.4.0");
    assert_eq!(code(&run(&world, "verify", &reference, &["--require-provenance"])), 0);
    let unsigned = world.unsigned("x", Some("2.0.0"));
    let sbom = statement(&unsigned, &world.alice, "https://spdx.dev/Document", &json!({}));
    for parcel in [None, Some(signature(&unsigned, &world.bob)), Some(sbom)] {
        if let Some(parcel) = parcel {
            world.store(&unsigned, &parcel);
        }
        for verb in ["verify", "pull"] {
            let to = world.dir.path().join("out");
            let more = if verb == "pull" { vec![to.to_str().unwrap()] } else { Vec::new() };
            let output = run(&world, verb, &world.at(":2.0.0"), &more);
            assert_eq!(code(&output), 1, "{verb}: {}", stderr(&output));
            assert!(!to.exists());
        }
    }
    world.store(&unsigned, &signature(&unsigned, &world.alice));
    assert_eq!(code(&run(&world, "verify", &world.at(":2.0.0"), &[])), 0);
    assert_eq!(code(&run(&world, "verify", &world.at(":2.0.0"), &["--require-provenance"])), 1);
    assert_eq!(code(&run(&world, "verify", &world.at(":9.9.9"), &[])), 3);
    assert_eq!(code(&run(&world, "verify", &world.at(&format!("@{}", Digest::of(b""))), &[])), 3);
    assert_eq!(code(&run(&world, "verify", &reference, &["--no-such-flag"])), 2);
    world.registry.faults(|f| f.bodies = vec![(Route::Manifest, BodyFault::Truncated(10))]);
    assert_eq!(code(&run(&world, "verify", &world.at_digest(&digest), &[])), 3);
    world.registry.faults(|f| (f.bodies, f.always_unauthorized) = (Vec::new(), true));
    assert_eq!(code(&run(&world, "verify", &reference, &[])), 3);
}

/// A failed pull leaves nothing; a hostile layer is refused although it is signed.
#[tokio::test]
async fn oras_ghsa_g5v4_5x39_vwhx_a_signed_layer_that_escapes() {
    let world = World::new(Config::default());
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), Default::default()));
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..9].copy_from_slice(b"../escape");
    header.set_size(1);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, &b"x"[..]).unwrap();
    let layer = builder.into_inner().unwrap().finish().unwrap();
    let digest = world.registry.put_blob(REPOSITORY, layer.clone());
    let manifest = json!({"schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
        "config": Descriptor::of(media::OCI_EMPTY, b"{}"),
        "layers": [Descriptor::new(media::FLUX_CONTENT, digest, layer.len() as u64)]});
    let bytes = manifest.to_string();
    let subject = Descriptor::of(media::OCI_MANIFEST, bytes.as_bytes());
    world.registry.put_manifest(REPOSITORY, Some("2.0.0"), media::OCI_MANIFEST, bytes);
    world.store(&subject, &signature(&subject, &world.alice));
    fs::create_dir(world.dir.path().join("in")).unwrap();
    let output = pull(&world, &world.at(":2.0.0"), "in/out");
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    assert_eq!(fs::read_dir(world.dir.path().join("in")).unwrap().count(), 0);
    assert!(!world.dir.path().join("escape").exists());
}

fn parcel_of(made: attachment::Attachment) -> Parcel {
    let mut parcel = Parcel::default();
    parcel.bundles.push(made);
    parcel
}

/// The workflow of another repository of the same organisation says that it
/// built this one: it is held to what its certificate says.
#[tokio::test]
async fn a_provenance_is_held_to_the_certificate_that_signed_it() {
    let exactly = |text: &str| Matcher::Exact(text.to_owned());
    let who =
        Who::Identity { issuer: exactly(sigstore::ISSUER), subject: exactly(sigstore::SUBJECT) };
    let policy =
        Policy { root: by_identity().root, ..Policy::by(vec![SignerEntry::always(who)], true) };
    let commit = "a".repeat(40);
    let github = "https://actions.github.io/buildtypes/workflow/v1";
    let unknown = "https://other.example/v1";
    let provenance = |build_type: &str| {
        json!({
            "buildDefinition": {
                "buildType": build_type,
                "externalParameters": {"workflow": {
                    "ref": "refs/heads/main", "repository": SOURCE, "path": "release.yml",
                }},
                "resolvedDependencies": [{
                    "uri": format!("git+{SOURCE}@refs/heads/main"), "digest": {"gitCommit": commit},
                }],
            },
            "runDetails": {"builder": {"id": "https://github.com/actions/runner/github-hosted"}},
        })
    };
    for (build_type, number, value, wanted) in [
        (github, 12, SOURCE.to_owned(), "accepted"),
        (github, 12, "https://git.example/acme/other".to_owned(), "rejected"),
        (github, 13, "b".repeat(40), "rejected"),
        (github, 14, "refs/heads/other".to_owned(), "rejected"),
        // What cannot be read cannot agree.
        (unknown, 12, SOURCE.to_owned(), "rejected"),
        (unknown, 0, String::new(), "accepted"),
    ] {
        let world = World::new(Config::default());
        let subject = world.unsigned("x", Some("1.4.0"));
        world.store_by(
            &subject,
            &INSTANCE.bundle(&plan(), &sigstore::By::Identity, &said(&subject.digest)),
        );
        let mut plan = plan();
        if number == 0 {
            plan.claims.retain(|claim| !(12..=14).contains(&claim.0));
        }
        for claim in &mut plan.claims {
            match claim.0 {
                same if same == number => claim.1.clone_from(&value),
                12 => claim.1 = SOURCE.into(),
                _ => {}
            }
        }
        let kind_of = "https://slsa.dev/provenance/v1";
        let payload =
            intoto::write(&subject.digest, None, kind_of, &provenance(build_type)).unwrap();
        let bundle = INSTANCE.bundle(&plan, &sigstore::By::Identity, &payload);
        let made = attachment::referrer(&subject, bundle.to_string().into_bytes(), kind_of, "");
        world.store(&subject, &bundles(vec![made.unwrap()]));
        let judged = world.judged_by(policy.clone()).await.unwrap();
        assert_eq!(kind(&judged), wanted, "{build_type}, {number}: {:?}", judged.verdict);
        if let Kind::Rejected(reasons) = judged.verdict.kind() {
            assert_eq!(reasons[0].code, "certificate-mismatch", "{number}: {reasons:?}");
        }
    }
}
