use std::collections::BTreeMap;

use sluicegate::{
    flow::sign,
    model::evidence::{Claim, Format},
};

use super::*;
use crate::support::registry::{Act, Referrers};

/// How many statements of each kind this run made.
fn made(outcome: &Outcome) -> BTreeMap<(&str, Format), usize> {
    let mut counts = BTreeMap::new();
    for line in outcome.statements.iter().filter(|line| line.made) {
        *counts.entry((line.predicate_type.as_str(), line.format)).or_default() += 1;
    }
    counts
}

const SIGNATURE: (&str, Format) = (uris::SIGNATURE, Format::Bundle);
const LEGACY: (&str, Format) = (uris::SIGNATURE, Format::LegacySignature);
const PROVENANCE: (&str, Format) = (uris::PROVENANCE, Format::Bundle);

fn kinds(of: &[(&'static str, Format)]) -> BTreeMap<(&'static str, Format), usize> {
    of.iter().map(|kind| (*kind, 1)).collect()
}

async fn unchanged(world: &World, change: impl FnOnce(&mut Request)) {
    world.registry.log().clear();
    let outcome = world.publish_with(change).await.unwrap();
    assert!(outcome.unchanged, "{:?}", world.writes());
    assert_eq!(world.writes(), [""; 0]);
    assert!(made(&outcome).is_empty() && outcome.statements.len() >= 3);
}

#[tokio::test]
async fn the_same_again_writes_nothing() {
    for world in World::both() {
        let first = world.publish().await;
        assert_eq!(made(&first), kinds(&[SIGNATURE, LEGACY, PROVENANCE]));
        assert!(!first.unchanged);
        unchanged(&world, |_| {}).await;
        // The order of tags says nothing, nor does naming one twice.
        unchanged(&world, |request| request.tags.push(tag("1.4.0"))).await;
    }
}

/// A later run of the same pipeline finds the statements of an earlier one.
#[tokio::test]
async fn another_run_of_the_same_builder_writes_nothing() {
    let run = |id: &str| {
        let of = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        BTreeMap::from(
            [
                ("GITHUB_ACTIONS", "true"),
                ("GITHUB_SERVER_URL", "https://github.com"),
                ("GITHUB_REPOSITORY", "acme/shop"),
                ("GITHUB_RUN_ID", id),
                ("GITHUB_RUN_ATTEMPT", "1"),
            ]
            .map(of),
        )
    };
    let world = World::new(Config::default());
    world.publish_with(|request| request.environment = run("1")).await.unwrap();
    unchanged(&world, |request| request.environment = run("2")).await;
    // Another builder says something else.
    let outcome = world.publish().await;
    assert_eq!(made(&outcome), kinds(&[PROVENANCE]));
    unchanged(&world, |request| request.environment = run("3")).await;
}

#[tokio::test]
async fn other_tags_add_one_provenance_for_each_signer() {
    for world in World::both() {
        let both = |request: &mut Request| {
            request.signers = vec![world.alice.key(), world.bob.key()].into()
        };
        let first = world.publish_with(both).await.unwrap();
        assert_eq!(made(&first).values().sum::<usize>(), 6);
        let outcome = world
            .publish_with(|request| {
                both(request);
                request.tags.push(tag("production"));
            })
            .await
            .unwrap();
        assert_eq!(made(&outcome), BTreeMap::from([(PROVENANCE, 2)]));
        assert_eq!(world.tag("production"), Some(first.digest));
        unchanged(&world, both).await;
    }
}

#[tokio::test]
async fn another_commit_is_another_artifact() {
    let world = World::new(Config::default());
    let first = world.publish().await;
    let commit = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    let second = world
        .publish_with(|request| {
            request.asserted = Some((SOURCE.into(), format!("main@sha1:{commit}")));
            request.tags = vec![tag("1.5.0")];
        })
        .await
        .unwrap();
    assert_ne!(first.digest, second.digest);
    assert_eq!(made(&second), kinds(&[SIGNATURE, LEGACY, PROVENANCE]));
    assert!(world.tag(&format!("git-bbbbbbbbbbbb-{}", second.digest.short(12))).is_some());
}

#[tokio::test]
async fn a_signer_who_joins_makes_only_their_own() {
    for world in World::both() {
        world.publish().await;
        let both = |request: &mut Request| {
            request.signers = vec![world.alice.key(), world.bob.key()].into()
        };
        let outcome = world.publish_with(both).await.unwrap();
        assert_eq!(made(&outcome), kinds(&[SIGNATURE, LEGACY, PROVENANCE]));
        let bob = world.bob.public.fingerprint();
        assert!(
            outcome.statements.iter().all(|line| !line.made || line.signer == SignerId::Key(bob))
        );
        unchanged(&world, both).await;
    }
}

#[tokio::test]
async fn a_lost_legacy_signature_is_made_again() {
    for world in World::both() {
        let digest = world.publish().await.digest;
        let at = world.tag(&Tag::legacy_signatures(&digest).to_string()).unwrap();
        world.registry.delete_manifest(REPOSITORY, &at);
        assert_eq!(made(&world.publish().await), kinds(&[LEGACY]));
        unchanged(&world, |_| {}).await;
    }
}

#[tokio::test]
async fn a_lost_fallback_entry_is_made_again() {
    let world = World::new(Config::old());
    let digest = world.publish().await.digest;
    let name = Tag::referrers(&digest);
    let index = world.registry.manifest(REPOSITORY, &world.tag(&name.to_string()).unwrap());
    let mut index: Value = serde_json::from_slice(&index.unwrap()).unwrap();
    let entries = index.get_mut("manifests").unwrap().as_array_mut().unwrap();
    assert_eq!(entries.len(), 2);
    let signature = |entry: &Value| {
        entry.pointer("/annotations/dev.sigstore.bundle.predicateType").unwrap() == uris::SIGNATURE
    };
    entries.retain(|entry| !signature(entry));
    world.put_tagged(&name, media::OCI_INDEX, index.to_string().into());
    assert_eq!(made(&world.publish().await), kinds(&[SIGNATURE]));
    assert_eq!(world.verdict(&world.at(":1.4.0")).await, "accepted");
    unchanged(&world, |_| {}).await;
}

#[tokio::test]
async fn a_lost_manifest_or_tag_is_written_again() {
    for world in World::both() {
        let digest = world.publish().await.digest;
        world.registry.delete_manifest(REPOSITORY, &digest);
        let outcome = world.publish().await;
        assert!(made(&outcome).is_empty(), "the statements are still there");
        assert_eq!((outcome.digest, world.tag("1.4.0")), (digest, Some(digest)));
        unchanged(&world, |_| {}).await;
    }
}

/// What somebody else stored under the artifact is no statement of ours.
#[tokio::test]
async fn statements_that_do_not_verify_are_not_taken_for_ours() {
    let world = World::new(Config::default());
    let digest = world.publish_with(|request| request.dry_run = true).await.unwrap().digest;
    let subject = Descriptor::new(media::OCI_MANIFEST, digest, 7);
    let other = world.unsigned("other", None);
    let mut swapped = signature(&other, &world.alice);
    // Alice's signature of something else, hung under this artifact.
    for made in &mut swapped.bundles {
        let bytes = made.bundle.clone();
        *made = attachment::referrer(&subject, bytes, uris::SIGNATURE, "").unwrap();
    }
    world.store(&subject, &swapped);
    world.store(&subject, &signature(&subject, &world.bob));
    assert_eq!(made(&world.publish().await), kinds(&[SIGNATURE, LEGACY, PROVENANCE]));
}

#[tokio::test]
async fn without_legacy_signature_and_keep_tag_neither_is_written() {
    for world in World::both() {
        let plain = |request: &mut Request| (request.legacy, request.keep_tag) = (false, false);
        let outcome = world.publish_with(plain).await.unwrap();
        assert_eq!(made(&outcome), kinds(&[SIGNATURE, PROVENANCE]));
        let tags = world.registry.tags(REPOSITORY);
        let names: Vec<_> = tags.iter().map(|(name, _)| name.as_str()).collect();
        let index = Tag::referrers(&outcome.digest).to_string();
        let old = world.tag(&index).is_some();
        assert_eq!(names, if old { vec!["1.4.0", &index] } else { vec!["1.4.0"] });
        assert_eq!(world.verdict(&world.at(":1.4.0")).await, "accepted");
        let again = world.publish_with(plain).await.unwrap();
        assert!(again.unchanged && again.statements.len() == 2);
    }
}

#[tokio::test]
async fn the_keep_tag_names_commit_and_digest() {
    let world = World::new(Config::default());
    let outcome = world.publish().await;
    let keep = format!("git-aaaaaaaaaaaa-{}", outcome.digest.short(12));
    assert_eq!(world.tag(&keep), Some(outcome.digest));
    assert!(outcome.tags.contains(&tag(&keep)));
}

#[tokio::test]
async fn a_dry_run_tells_the_digest_and_writes_nothing() {
    for world in World::both() {
        let dry = world.publish_with(|request| request.dry_run = true).await.unwrap();
        let planned = dry.planned.expect("a plan");
        assert!(!dry.unchanged && dry.tags.is_empty() && dry.statements.is_empty());
        assert!(planned.artifact && planned.blobs > 4 && planned.bytes > 100, "{planned:?}");
        let kinds: Vec<_> =
            planned.statements.iter().map(|s| (s.predicate_type, s.format)).collect();
        assert_eq!(
            kinds,
            [
                (uris::SIGNATURE, Format::Bundle),
                (uris::PROVENANCE, Format::Bundle),
                (uris::SIGNATURE, Format::LegacySignature),
            ]
        );
        assert!(planned.tags.contains(&tag("1.4.0")), "{planned:?}");
        assert_eq!(world.writes(), [""; 0]);
        assert!(world.registry.tags(REPOSITORY).is_empty());
        assert_eq!(world.publish().await.digest, dry.digest);
    }
}

#[tokio::test]
async fn a_release_moves_only_by_force() {
    for world in World::both() {
        let first = world.publish().await.digest;
        world.write("two");
        world.registry.log().clear();
        for dry_run in [true, false] {
            let error = world.publish_with(|request| request.dry_run = dry_run).await.unwrap_err();
            assert_eq!(error.class(), Class::Usage, "{error}");
            assert!(error.to_string().contains("1.4.0"), "{error}");
            assert_eq!(world.writes(), [""; 0]);
        }
        assert_eq!(world.tag("1.4.0"), Some(first));
        let forced = world.publish_with(|request| request.force_tag = true).await.unwrap();
        assert_eq!(world.tag("1.4.0"), Some(forced.digest));
        assert_ne!(forced.digest, first);
    }
}

/// Somebody publishes the release between the first look and the move.
#[tokio::test]
async fn a_release_that_appears_meanwhile_is_not_moved() {
    for config in [Config::default(), Config::old()] {
        let world = Arc::new(World::new(config));
        let other = world.unsigned("other", None).digest;
        let weak = Arc::downgrade(&world);
        world.registry.before_each(move |request| {
            if request.method == "POST" {
                weak.upgrade().unwrap().registry.set_tag(REPOSITORY, "1.4.0", other);
            }
            Act::Continue
        });
        let error = world.publish_with(|_| {}).await.unwrap_err();
        assert_eq!(error.class(), Class::Usage, "{error:?}");
        assert_eq!(world.tag("1.4.0"), Some(other));
        assert_eq!(
            world
                .registry
                .tags(REPOSITORY)
                .iter()
                .filter(|(_, d)| *d != other)
                .filter(|(name, _)| !name.starts_with("sha256-"))
                .count(),
            0,
            "no tag was moved"
        );
    }
}

/// As the registry says it: `latest` may be immutable as well.
#[tokio::test]
async fn immutable_tags_are_named() {
    let world = World::new(Config { immutable_tags: true, ..Config::old() });
    world.publish().await;
    unchanged(&world, |_| {}).await;
    let error = world.publish_with(|request| request.signers = vec![world.bob.key()].into()).await;
    let error = error.unwrap_err();
    assert_eq!(error.class(), Class::Usage, "{error:?}");
    assert!(error.hint().unwrap().contains("sha256-"), "{error:?}");
}

/// A registry that says `OCI-Subject` and does not list what it took.
#[tokio::test]
async fn a_registry_that_only_claims_to_list_referrers_gets_the_tag() {
    for (referrers, oci_subject) in
        [(Referrers::Absent(404), true), (Referrers::Html, true), (Referrers::Listed, false)]
    {
        let world = World::new(Config { referrers, oci_subject, ..Config::default() });
        let digest = world.publish().await.digest;
        assert!(world.tag(&Tag::referrers(&digest).to_string()).is_some(), "{referrers:?}");
        assert_eq!(world.verdict(&world.at(":1.4.0")).await, "accepted");
        unchanged(&world, |_| {}).await;
    }
    let world = World::new(Config::default());
    let digest = world.publish().await.digest;
    assert!(world.tag(&Tag::referrers(&digest).to_string()).is_none());
}

#[tokio::test]
async fn a_layout_is_published_to_twice_and_verified() {
    let world = World::new(Config::default());
    let dir = world.dir.path().join("layout");
    let into = |request: &mut Request| request.place = Place::Layout(dir.clone());
    let dry = world.publish_with(|request| {
        into(request);
        request.dry_run = true;
    });
    let dry = dry.await.unwrap();
    assert!(!dir.exists(), "a dry run writes nothing");
    let first = world.publish_with(into).await.unwrap();
    assert_eq!((first.digest, first.unchanged), (dry.digest, false));
    assert!(world.publish_with(into).await.unwrap().unchanged);
    let reference = format!("oci-layout:{}:1.4.0", dir.display()).parse().unwrap();
    let judged = world.judged(&reference, true).await.unwrap();
    assert_eq!(kind(&judged), "accepted");
    let commit = judged.gathered.findings().find_map(|finding| match finding.evidence()?.claim() {
        Claim::Provenance(provenance) => provenance.commit().map(str::to_owned),
        _ => None,
    });
    assert_eq!(commit.unwrap(), "a".repeat(40));
}

/// A manifest that refers to `subject` and holds `layer`.
fn referrer(world: &World, subject: &Descriptor, layer: &Descriptor) {
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "layers": [layer],
        "config": Descriptor::of(media::OCI_EMPTY, b"{}"), "subject": subject,
    });
    world.registry.put_manifest(REPOSITORY, None, media::OCI_MANIFEST, manifest.to_string());
}

/// cosign 2 and older Flux look at the `.sig` tag only: the same layer in a
/// manifest that refers to the artifact is no `.sig`.
#[tokio::test]
async fn a_legacy_signature_that_hangs_elsewhere_is_made_again() {
    let world = World::new(Config::default());
    let first = world.publish_with(|request| request.legacy = false).await.unwrap();
    let bytes = world.registry.manifest(REPOSITORY, &first.digest).unwrap();
    let subject = Descriptor::of(media::OCI_MANIFEST, &bytes);
    for (payload, layer) in legacy(&subject, &world.alice).legacy {
        world.registry.put_blob(REPOSITORY, payload);
        referrer(&world, &subject, &layer);
    }
    let judged = world.judged(&world.at(":1.4.0"), false).await.unwrap();
    let formats: Vec<_> = judged.gathered.findings().map(|finding| finding.format).collect();
    assert!(formats.contains(&Format::LegacySignature), "{formats:?}");

    let second = world.publish().await;
    assert_eq!(made(&second), kinds(&[LEGACY]));
    assert!(world.tag(&Tag::legacy_signatures(&first.digest).to_string()).is_some());
    unchanged(&world, |_| {}).await;
}

/// The same of `sign`, and of a bundle among the layers of the `.sig` tag,
/// where cosign 3 does not look for it.
#[tokio::test]
async fn sign_makes_what_only_hangs_elsewhere() {
    let world = World::new(Config::default());
    let subject = world.unsigned("theirs", Some("theirs"));
    for (payload, layer) in legacy(&subject, &world.alice).legacy {
        world.registry.put_blob(REPOSITORY, payload);
        referrer(&world, &subject, &layer);
    }
    let bundle = signature(&subject, &world.alice).bundles.remove(0);
    world.registry.put_blob(REPOSITORY, bundle.bundle);
    let made = attachment::signatures_with(None, &[bundle.layer]).unwrap().unwrap();
    world.registry.put_blob(REPOSITORY, made.config);
    world.put_tagged(&Tag::legacy_signatures(&subject.digest), media::OCI_MANIFEST, made.manifest);
    let signed = async || {
        let keys = vec![world.alice.key()];
        let reference = world.at(":theirs");
        let outcome = sign::sign(&world.registries(), &reference, keys.into(), true).await.unwrap();
        outcome.added.iter().map(|added| added.format).collect::<Vec<_>>()
    };
    assert_eq!(signed().await, [Format::Bundle, Format::LegacySignature]);
    assert_eq!(signed().await, []);
}
