use sluicegate::{
    flow::sign,
    model::evidence::{Format, Outcome as Came},
};

use super::*;
use crate::support::registry::Route;

const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

async fn attest(world: &World, signer: &Signer, same_key: bool) -> Result<sign::Outcome, Error> {
    let (reference, predicate) = (world.at(":1.4.0"), json!({"result": "PASSED"}));
    let signers = vec![signer.key()].into();
    let what = (TEST_RESULT, &predicate);
    let registries = world.registries();
    sluicegate::flow::attest::attest(&registries, &reference, signers, what, same_key).await
}

async fn sign_by(world: &World, signers: &[&Signer], legacy: bool) -> Result<sign::Outcome, Error> {
    let keys: Vec<_> = signers.iter().map(|signer| signer.key()).collect();
    sign::sign(&world.registries(), &world.at(":1.4.0"), keys.into(), legacy).await
}

#[tokio::test]
async fn what_another_tool_pushed_is_signed_once() {
    for world in World::both() {
        let subject = world.unsigned("foreign", Some("1.4.0"));
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "rejected");
        let outcome = sign_by(&world, &[&world.alice, &world.bob], true).await.unwrap();
        assert_eq!((outcome.digest, outcome.added.len()), (subject.digest, 4));
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted");
        assert_eq!(world.verdict(&world.at(":1.4.0")).await, "rejected", "no provenance");
        world.registry.log().clear();
        let again = sign_by(&world, &[&world.alice, &world.bob], true).await.unwrap();
        assert!(again.added.is_empty());
        assert_eq!(world.writes(), [""; 0]);
        assert_eq!(world.tag("1.4.0"), Some(subject.digest), "signing moves no tag");
    }
}

#[tokio::test]
async fn signing_adds_what_is_missing() {
    for world in World::both() {
        let subject = world.unsigned("foreign", Some("1.4.0"));
        world.store(&subject, &legacy(&subject, &world.alice));
        let added = sign_by(&world, &[&world.alice], true).await.unwrap().added;
        assert_eq!(added.iter().map(|a| a.format).collect::<Vec<_>>(), [Format::Bundle]);
        let at = world.tag(&Tag::legacy_signatures(&subject.digest).to_string()).unwrap();
        world.registry.delete_manifest(REPOSITORY, &at);
        assert!(sign_by(&world, &[&world.alice], false).await.unwrap().added.is_empty());
        let added = sign_by(&world, &[&world.alice], true).await.unwrap().added;
        assert_eq!(added.iter().map(|a| a.format).collect::<Vec<_>>(), [Format::LegacySignature]);
        let at = world.tag(&Tag::legacy_signatures(&subject.digest).to_string()).unwrap();
        assert_eq!(added[0].manifest, at);
    }
}

#[tokio::test]
async fn a_statement_by_another_key_is_attached_and_is_no_signature() {
    for world in World::both() {
        world.publish().await;
        let outcome = attest(&world, &world.bob, false).await.unwrap();
        assert_eq!(outcome.added.len(), 1);
        let judged = world.judged(&world.at(":1.4.0"), false).await.unwrap();
        assert_eq!(kind(&judged), "accepted");
        let finding = judged.gathered.findings().find(|f| f.manifest == outcome.added[0].manifest);
        let finding = finding.expect("it is found");
        assert_eq!(finding.predicate_type.as_deref(), Some(TEST_RESULT));
        assert!(matches!(finding.outcome, Came::Untrusted(_)), "{finding:?}");
    }
}

#[tokio::test]
async fn the_key_of_the_signature_attests_nothing_else() {
    for world in World::both() {
        world.publish().await;
        world.registry.log().clear();
        let error = attest(&world, &world.alice, false).await.unwrap_err();
        assert_eq!(error.class(), Class::Usage, "{error}");
        assert!(error.hint().unwrap().contains("--same-key"));
        assert_eq!(world.writes(), [""; 0]);
        assert_eq!(attest(&world, &world.alice, true).await.unwrap().added.len(), 1);
    }
}

/// A bundle would hide the only signature from Flux and cosign 3.
#[tokio::test]
async fn where_there_is_only_a_legacy_signature_nothing_is_attached() {
    for world in World::both() {
        let subject = world.unsigned("foreign", Some("1.4.0"));
        world.store(&subject, &legacy(&subject, &world.alice));
        for (signer, same_key) in [(&world.bob, false), (&world.bob, true), (&world.alice, true)] {
            world.registry.log().clear();
            let error = attest(&world, signer, same_key).await.unwrap_err();
            assert_eq!(error.class(), Class::Usage, "{error}");
            assert!(error.hint().unwrap().contains("sluicegate sign"));
            assert_eq!(world.writes(), [""; 0]);
        }
        sign_by(&world, &[&world.alice], true).await.unwrap();
        assert_eq!(attest(&world, &world.bob, false).await.unwrap().added.len(), 1);
    }
}

/// What cannot be read may be the signature that a rule is about.
#[tokio::test]
async fn what_cannot_be_read_is_no_leave_to_attest() {
    for world in World::both().map(World::hurried) {
        let subject = world.unsigned("foreign", Some("1.4.0"));
        world.store(&subject, &legacy(&subject, &world.alice));
        world.registry.faults(|faults| faults.throttle(Route::Blob, 503, 1000, None));
        world.registry.log().clear();
        let error = attest(&world, &world.bob, false).await.unwrap_err();
        assert_eq!(error.class(), Class::Unknown, "{error:?}");
        assert_eq!(world.writes(), [""; 0]);
    }
    let world = World::new(Config::default());
    world.publish().await;
    world.registry.faults(|faults| faults.throttle(Route::Blob, 503, 1000, None));
    let error = attest(&world.hurried(), &World::new(Config::default()).bob, false).await;
    assert_eq!(error.unwrap_err().class(), Class::Unknown);
}

#[tokio::test]
async fn nothing_is_signed_while_the_statements_cannot_be_listed() {
    for route in [Route::Referrers, Route::Manifest] {
        let world = World::new(Config::default()).hurried();
        world.unsigned("foreign", Some("1.4.0"));
        world.registry.faults(|faults| faults.throttle(route, 503, 1000, None));
        let error = sign_by(&world, &[&world.alice], true).await.unwrap_err();
        assert_eq!(error.class(), Class::Unknown, "{error:?}");
        assert_eq!(world.writes(), [""; 0]);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_signed() {
    let world = World::new(Config::default());
    let error = sign_by(&world, &[&world.alice], true).await.unwrap_err();
    assert_eq!(error.class(), Class::Unknown, "{error:?}");
    assert_eq!(world.writes(), [""; 0]);
}
