//! Two publishers in one repository, one of them stopped at any of its requests
//! until the other is done.

use std::{pin::pin, sync::Mutex};

use futures::future::{self, Either};
use tokio::sync::oneshot;

use super::*;
use crate::support::registry::{Act, Entry, Referrers};

/// A publish makes no more requests than this.
const ENOUGH: usize = 100;

/// Runs `first` until its request `n` arrives, then `second` while that request
/// waits. Gives the request and what both came to; nothing when `first` was done
/// before.
async fn held<A, B>(
    world: &World,
    n: usize,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> Option<(String, A, B)> {
    let (tell, told) = oneshot::channel();
    let (mut tell, mut count) = (Some(tell), 0);
    world.registry.before_each(move |request| {
        count += 1;
        if count - 1 != n {
            return Act::Continue;
        }
        let _gone = tell.take().unwrap().send(format!("{} {}", request.method, request.path));
        Act::Hold
    });
    let (first, told) = (pin!(first), pin!(told));
    let (request, first) = match future::select(told, first).await {
        Either::Left((request, first)) => (request.unwrap(), first),
        Either::Right(_) => return None,
    };
    let then = async {
        let second = second.await;
        world.registry.release();
        second
    };
    let (first, second) = future::join(first, then).await;
    Some((request, first, second))
}

fn by_bob(world: &World) -> impl FnOnce(&mut Request) {
    let key = world.bob.key();
    |request| request.signers = vec![key].into()
}

async fn verdict_by(world: &World, signer: &Signer, digest: &Digest) -> &'static str {
    let keys = std::slice::from_ref(&signer.public);
    let demands = true;
    let reference = world.at_digest(digest);
    let judged = verify::verify(&world.registries(), &reference, by(keys, demands)).await;
    kind(&judged.unwrap())
}

/// Both publish the same commit, each with a key of their own.
async fn one_artifact(config: Config, step: usize) {
    let safe = config.referrers == Referrers::Listed;
    for n in (0..ENOUGH).step_by(step) {
        let world = World::new(config.clone());
        let bob = world.publish_with(by_bob(&world));
        let Some((request, alice, bob)) = held(&world, n, world.publish_with(|_| {}), bob).await
        else {
            assert!(n > 30, "only {n} requests");
            return;
        };
        let (alice, bob) = (alice.expect(&request), bob.expect(&request));
        assert_eq!(alice.digest, bob.digest);
        assert_eq!(world.tag("1.4.0"), Some(alice.digest));
        if safe {
            for signer in [&world.alice, &world.bob] {
                let verdict = verdict_by(&world, signer, &alice.digest).await;
                assert_eq!(verdict, "accepted", "{request}");
            }
        }
        world.publish().await;
        world.publish_with(by_bob(&world)).await.unwrap();
        for signer in [&world.alice, &world.bob] {
            assert_eq!(verdict_by(&world, signer, &alice.digest).await, "accepted", "{request}");
        }
        // Not each time: it takes long.
        if n.is_multiple_of(8) {
            assert!(world.publish().await.unchanged, "{request}");
            assert!(world.publish_with(by_bob(&world)).await.unwrap().unchanged, "{request}");
        }
    }
}

#[tokio::test]
async fn hostile_registry_two_publishers_of_one_artifact() {
    one_artifact(Config::default(), 1).await;
}

#[tokio::test]
async fn hostile_registry_two_publishers_of_one_artifact_without_conditions() {
    one_artifact(Config { conditional: false, ..Config::default() }, 4).await;
}

#[tokio::test]
async fn hostile_registry_two_publishers_of_one_artifact_without_referrers() {
    one_artifact(Config::old(), 1).await;
}

/// With one key both make all statements: too many, none wrong.
#[tokio::test]
async fn hostile_registry_two_publishers_with_one_key() {
    for config in [Config::default(), Config::old()] {
        for n in (0..ENOUGH).step_by(3) {
            let world = World::new(config.clone());
            let (first, second) = (world.publish_with(|_| {}), world.publish_with(|_| {}));
            let Some((request, first, second)) = held(&world, n, first, second).await else {
                break;
            };
            let digest = first.expect(&request).digest;
            assert_eq!(second.expect(&request).digest, digest);
            world.publish().await;
            assert_eq!(world.verdict(&world.at(":1.4.0")).await, "accepted", "{request}");
            assert!(world.publish().await.unchanged, "{request}");
        }
    }
}

/// Different artifacts under one tag: whoever wins, the tag points at something
/// that verifies, and a release that is there is not moved.
async fn one_tag(config: Config, name: &str) {
    let release = tag(name).is_semver();
    for n in (0..ENOUGH).step_by(2) {
        let world = World::new(config.clone());
        let under = |request: &mut Request| request.tags = vec![tag(name)];
        let other = tempfile::tempdir().unwrap();
        let file = fs::read_to_string(world.bundle().join("shop.yaml")).unwrap();
        fs::write(other.path().join("shop.yaml"), file.replace("one", "two")).unwrap();
        let second = world.publish_with(|request| {
            under(request);
            request.input = Input::Directory(other.path().into());
        });
        let Some((request, first, second)) =
            held(&world, n, world.publish_with(under), second).await
        else {
            return;
        };
        let now = world.tag(name).unwrap();
        assert_eq!(world.verdict(&world.at_digest(&now)).await, "accepted", "{request}");
        match (first, second) {
            // What is asked for in one request and done in another can only be
            // kept apart by a registry that takes conditions. Elsewhere what is
            // left is the move itself, and the last look, where shared tags and
            // all that are to move are looked at together.
            (Ok(_), Ok(_)) => {
                let last = request.ends_with(&format!("manifests/{name}"))
                    || request.starts_with("GET") && request.contains("manifests/sha256-")
                    || request.contains("manifests/git-");
                assert!(!release || (!config.conditional && last), "{request}: the release moved");
            }
            (Ok(won), Err(error)) | (Err(error), Ok(won)) if release => {
                assert_eq!(error.class(), Class::Usage, "{request}: {error:?}");
                assert_eq!(now, won.digest, "{request}");
            }
            (first, second) => panic!("{request}: {first:?} and {second:?}"),
        }
    }
}

#[tokio::test]
async fn hostile_registry_two_publishers_of_one_release() {
    one_tag(Config::default(), "1.4.0").await;
    one_tag(Config::old(), "1.4.0").await;
}

#[tokio::test]
async fn hostile_registry_two_publishers_of_one_tag() {
    one_tag(Config::default(), "production").await;
    one_tag(Config::old(), "production").await;
}

/// The conditions of the requests that move a tag, in order, with the answer.
fn moves(world: &World, name: &str) -> Vec<(String, Option<u16>)> {
    let of = |entry: &Entry| {
        let condition = |name| Some(format!("{name} {}", entry.header(name)?));
        condition("if-match").or(condition("if-none-match")).unwrap_or_default()
    };
    let path = format!("manifests/{name}");
    let entries = world.registry.log().entries();
    let puts = entries.iter().filter(|e| e.method == "PUT" && e.path.ends_with(&path));
    puts.map(|entry| (of(entry), entry.status)).collect()
}

/// Moves a tag to `to` just before the first request that writes it.
fn moved_between(world: &World, name: &'static str, to: Digest) {
    let registry = world.registry.handle();
    let mut once = Some(to);
    world.registry.before_each(move |request| {
        if request.method == "PUT"
            && request.path.ends_with(&format!("manifests/{name}"))
            && let Some(to) = once.take()
        {
            registry.set_tag(REPOSITORY, name, to);
        }
        Act::Continue
    });
}

/// A tag that somebody moves between the last look and the move is looked at
/// again, and moved from there.
#[tokio::test]
async fn hostile_registry_a_tag_that_is_moved_between_look_and_move() {
    let production = |request: &mut Request| request.tags = vec![tag("production")];
    for there in [false, true] {
        let world = World::new(Config::default());
        let (old, theirs) = (world.unsigned("old", None), world.unsigned("theirs", None));
        if there {
            world.registry.set_tag(REPOSITORY, "production", old.digest);
        }
        moved_between(&world, "production", theirs.digest);
        let outcome = world.publish_with(production).await.unwrap();
        assert_eq!(world.tag("production"), Some(outcome.digest));
        let first = match there {
            true => format!("if-match \"{}\"", old.digest),
            false => "if-none-match *".to_owned(),
        };
        let second = format!("if-match \"{}\"", theirs.digest);
        let wanted = [(first, Some(412)), (second, Some(201))];
        assert_eq!(moves(&world, "production"), wanted);
    }
}

/// A release that somebody published meanwhile is moved by force only.
#[tokio::test]
async fn hostile_registry_a_release_that_is_moved_between_look_and_move() {
    for force in [false, true] {
        let world = World::new(Config::default());
        let (old, theirs) = (world.unsigned("old", None), world.unsigned("theirs", None));
        if force {
            world.registry.set_tag(REPOSITORY, "1.4.0", old.digest);
        }
        moved_between(&world, "1.4.0", theirs.digest);
        let result = world.publish_with(|request| request.force_tag = force).await;
        let moved = moves(&world, "1.4.0");
        assert_eq!(moved[0].1, Some(412), "{moved:?}");
        match result {
            Ok(outcome) => {
                assert!(force);
                assert_eq!(world.tag("1.4.0"), Some(outcome.digest));
            }
            Err(error) => {
                assert!(!force && error.class() == Class::Usage, "{error:?}");
                assert!(error.to_string().contains(&theirs.digest.to_string()), "{error}");
                assert_eq!(world.tag("1.4.0"), Some(theirs.digest));
                assert_eq!(moved.len(), 1, "{moved:?}");
            }
        }
    }
}

/// Where the entity tags are not the registry's own, as behind a cache, and
/// where there are none, tags move all the same.
#[tokio::test]
async fn entity_tags_that_never_match_keep_nobody_from_publishing() {
    let foreign = Config { conditional: true, ..Config::old() };
    for (config, requests) in [(foreign, 2), (Config::old(), 1)] {
        let world = World::new(config);
        world.registry.faults(|faults| faults.foreign_etags = true);
        let old = world.unsigned("old", Some("production"));
        let production = |request: &mut Request| request.tags = vec![tag("production")];
        let outcome = world.publish_with(production).await.unwrap();
        assert_ne!(outcome.digest, old.digest);
        assert_eq!(world.tag("production"), Some(outcome.digest));
        let moved = moves(&world, "production");
        assert_eq!(moved.len(), requests, "{moved:?}");
        assert_eq!(moved.last().unwrap().0, "");
        // A second signer has to extend what is there.
        world
            .publish_with(|request| {
                production(request);
                request.signers = vec![world.bob.key()].into();
            })
            .await
            .unwrap();
        assert_eq!(verdict_by(&world, &world.bob, &outcome.digest).await, "accepted");
    }
}

/// The digest that would be published.
async fn planned(world: &World) -> Digest {
    let outcome = world.publish_with(|request| request.dry_run = true).await.unwrap();
    assert_eq!(world.writes(), [""; 0]);
    outcome.digest
}

const FOREIGN: &str = r#"{ "size":2,"mediaType":"application/vnd.oci.image.manifest.v1+json" , "digest":"DIGEST","weird":[1, 2.50],"platform":{"os":"plan9"}}"#;

#[tokio::test]
async fn entries_of_others_keep_their_bytes() {
    let world = World::new(Config::old());
    let digest = planned(&world).await;
    let foreign = FOREIGN.replace("DIGEST", &world.unsigned("foreign", None).digest.to_string());
    let index = format!(r#"{{"manifests":[{foreign}],"schemaVersion":2,"mine": 1.0}}"#);
    world.put_tagged(&Tag::referrers(&digest), media::OCI_INDEX, index.into());
    let payload = b"not a payload";
    world.registry.put_blob(REPOSITORY, &payload[..]);
    let config = world.registry.put_blob(REPOSITORY, "{}");
    let layer = FOREIGN.replace("DIGEST", &Digest::of(payload).to_string());
    let signatures = format!(
        r#"{{"layers":[{layer}],"config":{{"digest":"{config}","size":2}},"schemaVersion":2,"mediaType":"{}"}}"#,
        media::OCI_MANIFEST
    );
    world.put_tagged(&Tag::legacy_signatures(&digest), media::OCI_MANIFEST, signatures.into());

    world.publish().await;
    world.publish_with(by_bob(&world)).await.unwrap();
    for (tag, entry, count) in
        [(Tag::referrers(&digest), &foreign, 5), (Tag::legacy_signatures(&digest), &layer, 3)]
    {
        let now = world.registry.manifest(REPOSITORY, &world.tag(&tag.to_string()).unwrap());
        let now = String::from_utf8(now.unwrap().to_vec()).unwrap();
        assert!(now.contains(entry.as_str()), "{now}");
        let parsed: Value = serde_json::from_str(&now).unwrap();
        let entries = parsed.get("manifests").or(parsed.get("layers")).unwrap();
        assert_eq!(entries.as_array().unwrap().len(), count, "{now}");
    }
}

/// Somebody adds an entry between the look and the write.
#[tokio::test]
async fn an_entry_that_comes_between_is_kept() {
    let config = Config { conditional: true, ..Config::old() };
    let world = Arc::new(World::new(config));
    let digest = planned(&world).await;
    let name = Tag::referrers(&digest).to_string();
    let foreign = FOREIGN.replace("DIGEST", &world.unsigned("foreign", None).digest.to_string());
    let index = format!(r#"{{"manifests":[{foreign}],"schemaVersion":2}}"#);
    let (other, path) = (Arc::downgrade(&world), format!("manifests/{name}"));
    let once = Mutex::new(Some((name.clone(), index)));
    world.registry.before_each(move |request| {
        if request.method == "PUT"
            && request.path.ends_with(&path)
            && let Some((name, index)) = once.lock().unwrap().take()
        {
            let world = other.upgrade().unwrap();
            world.registry.put_manifest(REPOSITORY, Some(&name), media::OCI_INDEX, index);
        }
        Act::Continue
    });
    world.publish().await;
    let now = world.registry.manifest(REPOSITORY, &world.tag(&name).unwrap()).unwrap();
    assert!(String::from_utf8(now.to_vec()).unwrap().contains(&foreign));
    assert_eq!(world.verdict(&world.at(":1.4.0")).await, "accepted");
}

/// `cosign copy` writes the artifact itself to the referrers tag.
#[tokio::test]
async fn what_is_no_index_is_refused_before_anything_is_written() {
    for world in World::both() {
        let digest = planned(&world).await;
        for other in [r#"{"schemaVersion":2,"config":{},"layers":[]}"#, "[]", r#"{"manifests":1}"#]
        {
            let at = world.put_tagged(&Tag::referrers(&digest), media::OCI_MANIFEST, other.into());
            let error = world.publish_with(|_| {}).await.unwrap_err();
            assert_eq!(error.class(), Class::Usage, "{error:?}");
            assert_eq!(world.writes(), [""; 0], "{other}");
            assert_eq!(world.tag(&Tag::referrers(&digest).to_string()), Some(at));
        }
    }
}
