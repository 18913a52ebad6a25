use std::{fs::File, io::Read as _, process::Stdio};

use super::*;
use crate::support::registry::Referrers;

async fn judged_with(world: &World, cap: usize) -> Judged {
    let registries = world.registries_with(|options| options.limits.statements = cap);
    let keys = std::slice::from_ref(&world.alice.public);
    let (reference, demands) = (world.at(":1.4.0"), false);
    verify::verify(&registries, &reference, by(keys, demands)).await.unwrap()
}

fn names_the_cap(judged: &Judged) -> bool {
    judged.verdict.reasons().iter().any(|reason| reason.found.contains("--max-statements"))
}

/// A hundred thousand referrers: those that claim to be bundles are read first.
#[tokio::test]
async fn cosign_cve_2023_46737_endless_referrers() {
    let config = Config { referrers: Referrers::Paged(1000), ..Config::default() };
    let world = World::new(config);
    let subject = world.unsigned("x", Some("1.4.0"));
    world.registry.faults(|faults| faults.invented_referrers = 100_000);
    let unsigned = judged_with(&world, 50).await;
    assert_eq!(kind(&unsigned), "unknown");
    assert!(names_the_cap(&unsigned), "{:?}", unsigned.verdict);
    assert!(world.registry.log().count() < 80, "{}", world.registry.log().count());
    world.store(&subject, &signature(&subject, &world.alice));
    assert_eq!(kind(&judged_with(&world, 50).await), "accepted");
}

/// Bundles of others before and behind the one that counts.
#[tokio::test]
async fn cosign_cve_2023_46737_more_statements_than_the_cap() {
    for world in World::both() {
        let subject = world.unsigned("x", Some("1.4.0"));
        for _ in 0..8 {
            world.store(&subject, &signature(&subject, &world.bob));
        }
        world.store(&subject, &signature(&subject, &world.alice));
        assert_eq!(kind(&judged_with(&world, 9).await), "accepted");
        // In what order they are listed is the registry's business: with the one
        // that counts among those that were read it is accepted, else unknown.
        let few = judged_with(&world, 3).await;
        assert_eq!(few.gathered.exhibits.len(), 3);
        let read = few.gathered.findings().any(|finding| finding.evidence().is_some());
        assert_eq!(kind(&few), if read { "accepted" } else { "unknown" }, "{:?}", few.verdict);
        assert!(read || names_the_cap(&few), "{:?}", few.verdict);
        let none = judged_with(&world, 0).await;
        assert_eq!(kind(&none), "unknown");
    }
}

/// Thousands of layers at the `.sig` tag.
#[tokio::test]
async fn cosign_cve_2023_46737_endless_signatures() {
    let world = World::new(Config::old());
    let subject = world.unsigned("x", Some("1.4.0"));
    let junk = world.registry.put_blob(REPOSITORY, "junk");
    let layer = |n: usize| {
        let mut layer = Descriptor::new(media::SIMPLE_SIGNING, junk, 4);
        let signature = (media::COSIGN_SIGNATURE.to_owned(), format!("{n}"));
        layer.annotations = Some(Annotations::from([signature]));
        layer
    };
    let (payload, good) = legacy(&subject, &world.alice).legacy.remove(0);
    world.registry.put_blob(REPOSITORY, payload);
    let mut layers: Vec<_> = (0..5000).map(layer).collect();
    for (at, verdict) in [(5000, "unknown"), (0, "accepted"), (999, "accepted")] {
        layers.insert(at, good.clone());
        let manifest = json!({"schemaVersion": 2, "config": good, "layers": layers}).to_string();
        let tag = Tag::legacy_signatures(&subject.digest);
        world.put_tagged(&tag, media::OCI_MANIFEST, manifest.into());
        world.registry.log().clear();
        let judged = judged_with(&world, 1000).await;
        assert_eq!(kind(&judged), verdict, "{at}: {:?}", judged.verdict);
        assert!(verdict == "accepted" || names_the_cap(&judged));
        assert!(world.registry.log().count() <= 1005);
        layers.remove(at);
    }
}

#[tokio::test]
async fn notation_cve_2023_33957_a_huge_statement_is_not_read() {
    for world in World::both() {
        let subject = world.unsigned("x", Some("1.4.0"));
        let big = json!({"filler": "x".repeat(5 << 20)});
        world.store(&subject, &statement(&subject, &world.alice, "https://x.example", &big));
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "unknown");
        world.store(&subject, &signature(&subject, &world.alice));
        assert_eq!(world.signed(&world.at(":1.4.0")).await, "accepted");
        let registries = world.registries_with(|options| options.limits.statement = 8 << 20);
        let keys = std::slice::from_ref(&world.alice.public);
        let (reference, demands) = (world.at(":1.4.0"), false);
        let judged = verify::verify(&registries, &reference, by(keys, demands)).await.unwrap();
        assert_eq!(judged.gathered.exhibits.len(), 2);
        assert!(judged.gathered.findings().all(|finding| finding.evidence().is_some()));
    }
}

/// The most memory that the program had, in KiB.
pub fn peak(pid: u32) -> Option<u64> {
    let mut status = String::new();
    File::open(format!("/proc/{pid}/status")).ok()?.read_to_string(&mut status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// A thousand statements of 100 kB, all by the given key: 96 MiB suffice.
#[test]
#[ignore = "takes a minute"]
fn cosign_cve_2023_46737_a_thousand_statements_need_little_memory() {
    for big in
        [json!({"filler": "x".repeat(72_000)}), json!({"many": vec![json!({"a": 1}); 9_000]})]
    {
        let world = World::new(Config::default());
        let subject = world.unsigned("x", Some("1.4.0"));
        let kinds = (0..1000).map(|n| format!("https://x.example/{n}"));
        let parcel = together(kinds.map(|kind| statement(&subject, &world.alice, &kind, &big)));
        let size = parcel.bundles[0].bundle.len();
        assert!((90_000..130_000).contains(&size), "{size}");
        for made in &parcel.bundles {
            world.registry.put_blob(REPOSITORY, made.bundle.clone());
            world.registry.put_manifest(
                REPOSITORY,
                None,
                media::OCI_MANIFEST,
                made.manifest.clone(),
            );
        }
        let mut command = program();
        command.args(["verify", &world.at(":1.4.0").to_string(), "--key"]);
        command.arg(world.alice.public_file()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut most = 0;
        let status = loop {
            most = most.max(peak(child.id()).unwrap_or(0));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        assert_eq!(status.code(), Some(1), "no signature among them");
        assert!(most > 0 && most <= 96 * 1024, "{most} KiB");
    }
}
