//! Scenarios, by key and by identity, times faults, times pairs of faults: nothing
//! that is not accepted becomes so by adding a fault, and what a fault does to an
//! accepted one is told right.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};

use super::{
    faults::{self, Fault},
    *,
};
use crate::support::{
    registry::Referrers,
    sigstore::{Broken, By},
};

/// Puts something under `1.4.0`; gives its digest.
type Scenario = fn(&World) -> Descriptor;

/// Who must have signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demand {
    /// Alice, by her key.
    Key,
    /// The release workflow.
    Identity,
}

fn bare(world: &World) -> Descriptor {
    world.unsigned("x", Some("1.4.0"))
}

fn with(world: &World, parcel: impl FnOnce(&Descriptor) -> Parcel) -> Descriptor {
    let subject = bare(world);
    world.store(&subject, &parcel(&subject));
    subject
}

/// A statement by an identity, as a plan says.
fn by(world: &World, plan: Plan) -> Descriptor {
    let subject = bare(world);
    let made = INSTANCE.bundle(&plan, &By::Identity, &said(&subject.digest));
    world.store_by(&subject, &made);
    subject
}

/// What must be accepted.
const SIGNED: [(&str, Demand, Scenario); 5] = [
    ("a bundle", Demand::Key, |w| with(w, |s| signature(s, &w.alice))),
    ("a legacy signature", Demand::Key, |w| with(w, |s| legacy(s, &w.alice))),
    ("a bundle by an identity", Demand::Identity, |w| by(w, plan())),
    ("a legacy signature by an identity", Demand::Identity, |w| {
        let subject = bare(w);
        w.store_legacy(&subject, &subject.digest);
        subject
    }),
    ("among those of others", Demand::Identity, |w| {
        let subject = by(w, plan().broken(Broken::NoSct));
        w.store(&subject, &signature(&subject, &w.alice));
        w.store_by(&subject, &INSTANCE.bundle(&plan(), &By::Identity, &said(&subject.digest)));
        subject
    }),
];

/// What must be rejected.
const UNSIGNED: [(&str, Demand, Scenario); 13] = [
    ("nothing", Demand::Key, bare),
    ("by somebody else", Demand::Key, |w| with(w, |s| signature(s, &w.bob))),
    ("legacy by somebody else", Demand::Key, |w| with(w, |s| legacy(s, &w.bob))),
    ("an SBOM", Demand::Key, |w| {
        with(w, |s| statement(s, &w.alice, "https://spdx.dev/Document", &json!({})))
    }),
    ("of something else", Demand::Key, |w| {
        let other = w.unsigned("other", None);
        with(w, |s| moved(&other, s, w))
    }),
    ("legacy of something else", Demand::Key, |w| {
        let other = w.unsigned("other", None);
        with(w, |_| legacy(&other, &w.alice))
    }),
    ("no provenance but one", Demand::Key, |w| {
        with(w, |s| statement(s, &w.alice, uris::PROVENANCE, &json!({"buildDefinition": {}})))
    }),
    ("by an identity, not the key", Demand::Key, |w| by(w, plan())),
    ("by the key, not an identity", Demand::Identity, |w| with(w, |s| signature(s, &w.alice))),
    ("by another identity", Demand::Identity, |w| {
        by(w, Plan { names: vec!["https://github.com/eve/x".into()], ..plan() })
    }),
    ("without an SCT", Demand::Identity, |w| by(w, plan().broken(Broken::NoSct))),
    ("with an entry of another", Demand::Identity, |w| {
        by(w, plan().broken(Broken::EntryOfAnotherSignature))
    }),
    ("legacy by an identity of something else", Demand::Identity, |w| {
        let (subject, other) = (bare(w), w.unsigned("other", None));
        w.store_legacy(&subject, &other.digest);
        subject
    }),
];

/// What nobody can tell.
const UNKNOWN: [(&str, Demand, Scenario); 3] = [
    ("a statement that cannot be read", Demand::Key, |w| unread(w)),
    ("a statement by an identity that cannot be read", Demand::Identity, |w| unread(w)),
    ("a statement that is too large", Demand::Key, |w| {
        let subject = bare(w);
        let mut made =
            attachment::referrer(&subject, b"lost".to_vec(), uris::SIGNATURE, "").unwrap();
        let manifest = String::from_utf8(made.manifest).unwrap();
        made.manifest = manifest.replace("\"size\":4,", "\"size\":6000000,").into_bytes();
        made.descriptor = Descriptor::of(media::OCI_MANIFEST, &made.manifest);
        hang(w, &subject, made);
        subject
    }),
];

/// Alice's signature of `from`, hung under `to`.
fn moved(from: &Descriptor, to: &Descriptor, world: &World) -> Parcel {
    let mut parcel = signature(from, &world.alice);
    for made in &mut parcel.bundles {
        let bytes = made.bundle.clone();
        *made = attachment::referrer(to, bytes, uris::SIGNATURE, "").unwrap();
    }
    parcel
}

/// A referrer whose statement was never uploaded.
fn unread(world: &World) -> Descriptor {
    let subject = bare(world);
    let made = attachment::referrer(&subject, b"lost".to_vec(), uris::SIGNATURE, "").unwrap();
    hang(world, &subject, made);
    subject
}

/// Stores a referrer without its statement.
fn hang(world: &World, subject: &Descriptor, made: attachment::Attachment) {
    world.registry.put_manifest(REPOSITORY, None, media::OCI_MANIFEST, made.manifest);
    let index = attachment::index_with(None, &[made.descriptor]).unwrap().unwrap();
    world.put_tagged(&Tag::referrers(&subject.digest), media::OCI_INDEX, index);
}

async fn verdict(world: &World, demand: Demand) -> &'static str {
    let policy = match demand {
        Demand::Key => Policy::by_keys(vec![world.alice.public.clone()], false),
        Demand::Identity => by_identity(),
    };
    world.judged_by(policy).await.map_or_else(failed, |judged| kind(&judged))
}

/// What a scenario comes to under these faults.
async fn under(
    (demand, scenario): (Demand, Scenario),
    config: &Config,
    patience: Duration,
    faults: &[&Fault],
) -> &'static str {
    let mut world = World::new(config.clone());
    world.patience = patience;
    let subject = scenario(&world);
    faults.iter().for_each(|fault| fault(&world, &subject));
    verdict(&world, demand).await
}

/// How many run at a time.
const AT_A_TIME: usize = 12;

/// How long something may take: long enough on a busy machine, unless only time
/// ends it.
fn patience(faults: &str) -> Duration {
    Duration::from_millis(if faults::is_slow(faults) { 400 } else { 5_000 })
}

async fn with_each_fault(
    scenario: (Demand, Scenario),
    config: &Config,
) -> Vec<(String, &'static str)> {
    let run = async |(name, fault): &(String, Fault)| {
        (name.clone(), under(scenario, config, patience(name), &[fault]).await)
    };
    stream::iter(&faults::all()).map(run).buffered(AT_A_TIME).collect().await
}

#[tokio::test]
async fn every_scenario_has_its_verdict() {
    for config in [Config::default(), Config::old()] {
        for (all, wanted) in
            [(&SIGNED[..], "accepted"), (&UNSIGNED, "rejected"), (&UNKNOWN, "unknown")]
        {
            for (name, demand, scenario) in all {
                let patience = Duration::from_secs(60);
                let found = under((*demand, *scenario), &config, patience, &[]).await;
                assert_eq!(found, wanted, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn policy_controller_1648_no_fault_makes_anything_accepted() {
    let mut count = BTreeMap::<&str, usize>::new();
    for (config, every) in [(Config::default(), 1), (Config::old(), 5)] {
        for (name, demand, scenario) in UNSIGNED.iter().chain(&UNKNOWN).step_by(every) {
            for (fault, verdict) in with_each_fault((*demand, *scenario), &config).await {
                assert_ne!(verdict, "accepted", "{name}, {fault}");
                *count.entry(verdict).or_default() += 1;
            }
        }
    }
    println!("scenarios × faults: {count:?}");
    assert!(count.values().sum::<usize>() > 1200 && count["rejected"] > 150, "{count:?}");
}

/// Every pair of faults, on scenarios in turn: all scenarios meet all kinds.
#[tokio::test]
async fn policy_controller_1648_no_pair_of_faults_makes_anything_accepted() {
    pairs(|scenario, pair| pair % 16 == scenario).await;
}

/// Every scenario, every pair.
#[tokio::test]
#[ignore = "takes minutes"]
async fn policy_controller_1648_no_pair_of_faults_on_any_scenario() {
    pairs(|_, _| true).await;
}

async fn pairs(chosen: impl Fn(usize, usize) -> bool) {
    let faults = faults::one_of_each();
    let all: Vec<(usize, usize)> =
        (0..faults.len()).flat_map(|a| (a + 1..faults.len()).map(move |b| (a, b))).collect();
    let mut count = BTreeMap::<&str, usize>::new();
    let config = Config::default();
    for (at, (name, demand, scenario)) in UNSIGNED.iter().chain(&UNKNOWN).enumerate() {
        let run = async |(a, b): (usize, usize)| {
            let (first, second) = (&faults[a], &faults[b]);
            let pair = format!("{} and {}", first.0, second.0);
            let scenario = (*demand, *scenario);
            let faults = [&first.1, &second.1];
            let verdict = under(scenario, &config, patience(&pair), &faults).await;
            (pair, verdict)
        };
        let mine = all.iter().enumerate().filter(|(n, _)| chosen(at, *n)).map(|(_, pair)| *pair);
        let mut runs = stream::iter(mine).map(run).buffered(AT_A_TIME);
        while let Some((pair, verdict)) = runs.next().await {
            assert_ne!(verdict, "accepted", "{name}, {pair}");
            *count.entry(verdict).or_default() += 1;
        }
    }
    println!("scenarios × pairs of {} faults: {count:?}", faults.len());
    assert!(count.values().sum::<usize>() > 600 && count["rejected"] > 50, "{count:?}");
}

/// What is signed is never called unsigned because of a fault of the transport.
#[tokio::test]
async fn policy_controller_1648_a_fault_of_transport_is_unknown() {
    let (mut all, mut accepted) = (0, 0);
    for (config, every) in [(Config::default(), 1), (Config::old(), 3)] {
        for (name, demand, scenario) in SIGNED.into_iter().step_by(every) {
            for (fault, verdict) in with_each_fault((demand, scenario), &config).await {
                (all, accepted) = (all + 1, accepted + usize::from(verdict == "accepted"));
                // What is other than it should be is a lie, or is not there. A body
                // that ends where its (too small) length says is complete for
                // HTTP: wrong bytes, unless the connection breaks first.
                let lies = [
                    "for every statement",
                    "digest header: Wrong",
                    "404 on",
                    "Gzip",
                    "Announced(3)",
                    "played back",
                    "other bytes",
                    "removed",
                    "fallback index should be",
                    "no fallback index",
                ];
                if !lies.iter().any(|lie| fault.contains(lie)) {
                    assert_ne!(verdict, "rejected", "{name}, {fault}");
                }
            }
        }
    }
    println!("what is signed × faults: {all}, {accepted} accepted all the same");
    assert!(accepted > all / 10, "{accepted} of {all}");
}

/// A list of other bytes than its digest header says is no list; it is not empty.
#[tokio::test]
async fn notation_cve_2023_33959_a_lie_about_the_fallback_index_is_unknown() {
    let config = Config { oci_subject: false, referrers: Referrers::Absent(404), ..Config::old() };
    for (demand, scenario, wanted) in
        [(Demand::Key, SIGNED[0].2, "accepted"), (Demand::Identity, SIGNED[2].2, "accepted")]
    {
        let world = World::new(config.clone());
        let subject = scenario(&world);
        assert_eq!(verdict(&world, demand).await, wanted);
        let index = world.tag(&Tag::referrers(&subject.digest).to_string()).unwrap();
        world.registry.faults(|f| f.other_bytes = [(index, "{}".into())].into());
        assert_eq!(verdict(&world, demand).await, "unknown");
    }
}
