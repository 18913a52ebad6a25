use super::{kind as kind_of, *};
use sluicegate::model::policy::{
    Demand, Obligation, StatementDemand,
    rule::{Rule, test_result::TestResult},
};

/// Requests that are sent together must overlap, also on a busy machine.
const LATENCY: Duration = Duration::from_millis(120);

fn worlds() -> [World; 2] {
    let slow = |config: Config| World::new(Config { latency: LATENCY, ..config });
    [slow(Config::default()), slow(Config::old())]
}

fn counted(world: &World) -> String {
    let log = world.registry.log();
    let lines = log.lines().join("\n  ");
    format!("{} requests, {} one after the other\n  {lines}", log.count(), log.depth())
}

#[tokio::test]
async fn a_cold_publish_takes_at_most_eight() {
    for world in worlds() {
        let outcome = world.publish().await;
        assert!(world.registry.log().depth() <= 8, "{}", counted(&world));
        assert!(world.registry.log().count() <= 60, "{}", counted(&world));
        let formats: Vec<_> = outcome.statements.iter().map(|line| line.format).collect();
        assert_eq!(formats.len(), 3, "signature twice and provenance: {formats:?}");
        assert_eq!(world.verdict(&world.at(":1.4.0")).await, "accepted");
    }
}

#[tokio::test]
async fn publishing_again_takes_at_most_four_and_writes_nothing() {
    for world in worlds() {
        world.publish().await;
        world.registry.log().clear();
        assert!(world.publish().await.unchanged);
        assert!(world.registry.log().depth() <= 4, "{}", counted(&world));
        assert_eq!(world.writes(), [""; 0], "{}", counted(&world));
    }
}

#[tokio::test]
async fn verifying_takes_at_most_four() {
    for world in worlds() {
        let digest = world.publish().await.digest;
        for reference in [world.at(":1.4.0"), world.at_digest(&digest)] {
            world.registry.log().clear();
            assert_eq!(world.verdict(&reference).await, "accepted");
            assert!(world.registry.log().depth() <= 4, "{}", counted(&world));
            assert_eq!(world.writes(), [""; 0]);
        }
    }
}

/// More statements are read at the same time, not one after the other.
#[tokio::test]
async fn many_statements_take_no_more_round_trips_to_verify() {
    for world in worlds() {
        let digest = world.publish().await.digest;
        let manifest = world.registry.manifest(REPOSITORY, &digest).unwrap();
        let subject = Descriptor::of(media::OCI_MANIFEST, &manifest);
        for n in 0..12 {
            let kind = "https://in-toto.io/attestation/test-result/v0.1";
            let parcel = statement(&subject, &world.bob, kind, &json!({"n": n}));
            world.store(&subject, &parcel);
        }
        world.registry.log().clear();
        assert_eq!(world.verdict(&world.at(":1.4.0")).await, "accepted");
        assert!(world.registry.log().depth() <= 4, "{}", counted(&world));
    }
}

/// Three obligations, each met by another statement, take no more than a
/// signature does.
#[tokio::test]
async fn three_obligations_take_at_most_four() {
    for world in worlds() {
        let digest = world.publish().await.digest;
        let manifest = world.registry.manifest(REPOSITORY, &digest).unwrap();
        let subject = Descriptor::of(media::OCI_MANIFEST, &manifest);
        let kind = "https://in-toto.io/attestation/test-result/v0.1";
        let tested = statement(&subject, &world.bob, kind, &json!({"result": "PASSED"}));
        world.store(&subject, &tested);
        let mut policy = Policy::by_keys(vec![world.alice.public.clone()], true);
        let by_bob = SignerEntry::always(Who::Keys(vec![world.bob.public.clone()]));
        policy.require.push(Obligation {
            name: "tested".into(),
            demand: Demand::Statement(Box::new(StatementDemand {
                rule: Rule::TestResult(TestResult::default()),
                signers: vec![by_bob],
                threshold: 1,
                max_age: None,
                conditions: Vec::new(),
            })),
        });
        assert_eq!(policy.require.len(), 3);
        world.registry.log().clear();
        let judged = world.judged_by(policy).await.unwrap();
        assert_eq!(kind_of(&judged), "accepted", "{:?}", judged.verdict);
        assert!(judged.rulings.iter().all(|ruling| ruling.met));
        assert!(world.registry.log().depth() <= 4, "{}", counted(&world));
    }
}
