//! Publishing again, under other tags, and over a release.

use super::*;

on_registries! {
    publishing_again_changes_nothing
    a_release_moves_only_by_force =>
    olareg: Olareg Http,
    distribution: Distribution Http,
}

fn publishing_again_changes_nothing(world: &World) {
    world.shop();
    world.keygen("ci");
    let (place, key) = (world.oci("shop/config:1.4.0"), ["--key", "ci.key"]);
    let first = world.publish(&place, &key);
    assert_eq!(first["unchanged"], false);
    let tags = |world: &World| {
        let listed = world.oras(&["repo", "tags", &world.at("shop/config")]).ok();
        let mut tags: Vec<_> = listed.lines().map(str::to_owned).collect();
        tags.sort();
        tags
    };
    let (tags_then, attached_then) = (tags(world), discovered(world, "shop/config:1.4.0"));
    let second = world.publish(&place, &key);
    assert_eq!(second["unchanged"], true);
    assert_eq!(second["digest"], first["digest"]);
    assert_eq!(second["uploaded"], serde_json::json!({"blobs": 0, "manifests": 0, "bytes": 0}));
    assert_eq!(tags(world), tags_then);
    assert_eq!(discovered(world, "shop/config:1.4.0"), attached_then);

    // Another tag is another claim: one provenance more, nothing else.
    let third = world.publish(&place, &["--key", "ci.key", "--tag", "production"]);
    assert_eq!(third["unchanged"], false);
    assert_eq!(third["digest"], first["digest"]);
    let attached = discovered(world, "shop/config:production");
    assert_eq!(attached.len(), attached_then.len() + 1);
    for tag in ["1.4.0", "production"] {
        let name = format!("shop/config:{tag}");
        assert_eq!(world.digest(&name), text(&first["digest"]));
        world.cosign_verify("cosign2", "ci.pub", &name).ok();
        world.cosign_verify("cosign3", "ci.pub", &name).ok();
    }
    let keep = tags(world).into_iter().find(|tag| tag.starts_with("git-")).expect("a keep tag");
    assert_eq!(world.digest(&format!("shop/config:{keep}")), text(&first["digest"]));
}

fn a_release_moves_only_by_force(world: &World) {
    world.shop();
    world.keygen("ci");
    let place = world.oci("shop/config:1.4.0");
    let key = ["--key", "ci.key", "--tag", "production"];
    let first = world.publish(&place, &key);
    world.change_shop("Another welcome");
    let publish = ["publish", "work/shop", &place, "--lock", "off"];
    world.ours(&[&publish[..], &key].concat()).ends(2).says("--force-tag");
    for tag in ["1.4.0", "production"] {
        assert_eq!(world.digest(&format!("shop/config:{tag}")), text(&first["digest"]));
    }
    // A dry run says what would be, and writes nothing.
    let dry = world.publish(&world.oci("shop/config:1.5.0"), &["--key", "ci.key", "--dry-run"]);
    assert_eq!(dry["dryRun"], true);
    world.crane(&["digest", &world.at("shop/config:1.5.0")]).ends(1);

    let moved = world.publish(&place, &[&key[..], &["--force-tag"]].concat());
    assert_ne!(moved["digest"], first["digest"]);
    assert_eq!(moved["digest"], dry["digest"]);
    for tag in ["1.4.0", "production"] {
        assert_eq!(world.digest(&format!("shop/config:{tag}")), text(&moved["digest"]));
    }
    // What was there before is there still, by its digest and its keep tag.
    let old = format!("shop/config@{}", text(&first["digest"]));
    world.cosign_verify("cosign3", "ci.pub", &old).ok();
    world.verify("ci.pub", &world.oci(&old)).ok();
}
