//! Layouts on disk, carried to registries and back by oras.

use super::*;

on_registries! {
    a_layout_is_carried_to_a_registry_and_back =>
    olareg: Olareg Http,
    distribution: Distribution Http,
    distribution_tls: Distribution Tls,
}

fn copy(world: &World, flags: &[&str], from: &str, to: &str) {
    world.peer("oras", &[&["copy", "-r"], flags, &[from, to]].concat()).ok();
}

fn a_layout_is_carried_to_a_registry_and_back(world: &World) {
    world.shop();
    world.keygen("ci");
    let published = world.publish("oci-layout:layout:1.4.0", &["--key", "ci.key"]);
    let digest = text(&published["digest"]);
    world.verify("ci.pub", "oci-layout:layout:1.4.0").ok();

    let to = world.plain("to-");
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let name = "moved/config:1.4.0";
    copy(world, &[&["--from-oci-layout"], &to[..]].concat(), "layout:1.4.0", &world.at(name));
    assert_eq!(world.digest(name), digest);
    let judged = world.verify("ci.pub", &world.oci(name)).json();
    let mut types = texts(&judged["evidence"], "type");
    types.sort();
    assert_eq!(types, [SIGNATURE, PROVENANCE], "{judged}");
    world.cosign_verify("cosign3", "ci.pub", name).ok();
    assert_eq!(world.cosign_statements("ci.pub", "slsaprovenance1", name).len(), 1);
    // The `.sig` tag is no referrer: it is carried by its name.
    world.cosign_verify("cosign2", "ci.pub", name).ends(10);
    let sig = format!("{}.sig", digest.replace(':', "-"));
    let there = world.at(&format!("moved/config:{sig}"));
    copy(world, &[&["--from-oci-layout"], &to[..]].concat(), &format!("layout:{sig}"), &there);
    world.cosign_verify("cosign2", "ci.pub", name).ok();

    let from = world.plain("from-");
    let from: Vec<&str> = from.iter().map(String::as_str).collect();
    copy(world, &[&["--to-oci-layout"], &from[..]].concat(), &world.at(name), "back:1.4.0");
    let judged = world.verify("ci.pub", "oci-layout:back:1.4.0").json();
    assert_eq!(judged["digest"], digest.as_str());
    assert_eq!(judged["evidence"].as_array().unwrap().len(), 2, "{judged}");
    world.ours(&["pull", "oci-layout:back:1.4.0", "out", "--key", "ci.pub"]).ok();
    assert_eq!(files(&world.path("out")), packed_shop(world));
    // What came back is added to as if it were ours.
    let again = world.publish("oci-layout:back:1.4.0", &["--key", "ci.key"]);
    assert_eq!(again["digest"], digest.as_str());
    world.verify("ci.pub", "oci-layout:back:1.4.0").ok();
}

/// What is in a layout equals what is in a registry, byte for byte.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn the_same_artifact_is_in_every_store() {
    let world = World::new(Kind::Olareg, Access::Http);
    world.shop();
    world.keygen("ci");
    let layout = world.publish("oci-layout:layout:1.4.0", &["--key", "ci.key"]);
    let registry = world.publish(&world.oci("shop/config:1.4.0"), &["--key", "ci.key"]);
    assert_eq!(layout["digest"], registry["digest"]);
    let tree = ["discover", "--oci-layout", "--format", "json", "layout:1.4.0"];
    let tree = world.peer("oras", &tree).json();
    assert_eq!(tree["referrers"].as_array().expect("referrers").len(), 2, "{tree}");
}
