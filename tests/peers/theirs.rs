//! What others pushed and signed is judged here, and what is signed here
//! convinces them.

use super::*;

on_registries! {
    signatures_of_peers_are_judged
    an_attestation_is_no_signature
    peers_accept_signatures_of_what_they_pushed
    what_flux_pushed_is_pulled =>
    olareg_http: Olareg Http,
    olareg_tls: Olareg Tls,
    distribution_http: Distribution Http,
    distribution_tls: Distribution Tls,
    distribution_login: Distribution Login,
}

/// The ways in which peers sign: who, with what besides, and how it is stored.
const WAYS: [(&str, &[&str], &str); 3] = [
    ("cosign2", &COSIGN2, "legacy-sig"),
    ("cosign3", &COSIGN3, "bundle"),
    (
        "cosign3",
        &["--new-bundle-format=false", "--use-signing-config=false", "--tlog-upload=false", "-y"],
        "legacy-sig",
    ),
];

fn signatures_of_peers_are_judged(world: &World) {
    world.keygen_by("cosign2", "theirs");
    world.keygen("other");
    for (number, (cosign, flags, format)) in WAYS.into_iter().enumerate() {
        let name = format!("team/app{number}");
        let (digest, place) = (world.flux_push(&name), world.oci(&format!("{name}:v1")));
        let unsigned = world.verify("theirs.pub", &place).ends(1).printed();
        assert_eq!(unsigned["verdict"], "rejected");
        assert_eq!(texts(&unsigned["reasons"], "code"), ["no-signature"]);

        let subject = world.at(&format!("{name}@{digest}"));
        let sign = ["sign", "--key", "theirs.key", &subject];
        world.peer(cosign, &[&sign, flags].concat()).ok();
        let accepted = world.verify("theirs.pub", &place).json();
        assert_eq!(accepted["verdict"], "accepted");
        assert_eq!(accepted["digest"], digest.as_str());
        let evidence = &accepted["evidence"];
        assert_eq!(texts(evidence, "format"), [format], "{accepted}");
        assert_eq!(texts(evidence, "type"), [SIGNATURE], "{accepted}");
        assert_eq!(texts(evidence, "result"), ["verified"], "{accepted}");

        let rejected = world.verify("other.pub", &place).ends(1).printed();
        assert_eq!(texts(&rejected["evidence"], "result"), ["untrusted"], "{rejected}");
        // By digest, and with one of several keys.
        let by_digest = world.oci(&format!("{name}@{digest}"));
        let keys = ["--key", "other.pub", "--key", "theirs.pub"];
        world.ours(&[&["verify", &by_digest], &keys[..]].concat()).ok();
        let demands = ["verify", &place, "--key", "theirs.pub", "--require-provenance"];
        world.ours(&demands).ends(1);
    }
}

/// The predicate that peers attest: provenance of the commit that
/// [`World::flux_push`] names.
const PREDICATE: &str = r#"{
  "buildDefinition": {
    "buildType": "https://example.com/build/v1",
    "externalParameters": {"ref": "v1.0.0"},
    "resolvedDependencies": [{
      "uri": "git+https://example.com/team/app",
      "digest": {"gitCommit": "0123456789abcdef0123456789abcdef01234567"}
    }]
  },
  "runDetails": {"builder": {"id": "https://example.com/builder/v1"}}
}"#;

fn an_attestation_is_no_signature(world: &World) {
    world.keygen_by("cosign3", "theirs");
    world.write("predicate.json", PREDICATE);
    let attested = |name: &str, cosign: &str, flags: &[&str], format: &str| {
        let digest = world.flux_push(name);
        let (subject, place) =
            (world.at(&format!("{name}@{digest}")), world.oci(&format!("{name}:v1")));
        let kind = ["--type", "slsaprovenance1", "--predicate", "predicate.json"];
        let attest = ["attest", "--key", "theirs.key", &subject];
        world.peer(cosign, &[&attest, &kind, flags].concat()).ok();
        let judged = world.verify("theirs.pub", &place).ends(1).printed();
        assert_eq!(texts(&judged["reasons"], "code"), ["no-signature"], "{judged}");
        let evidence = &judged["evidence"];
        assert_eq!(texts(evidence, "type"), [PROVENANCE], "{judged}");
        assert_eq!(texts(evidence, "format"), [format], "{judged}");
        assert_eq!(texts(evidence, "result"), ["verified"], "{judged}");
        (subject, place)
    };
    let legacy = attested("team/two", "cosign2", &COSIGN2, "legacy-att");
    let bundle = attested("team/three", "cosign3", &COSIGN3, "bundle");

    // With a signature beside it, it is provenance.
    for (subject, place) in [legacy, bundle] {
        let sign = ["sign", "--key", "theirs.key", &subject];
        world.cosign3(&[&sign[..], &COSIGN3].concat()).ok();
        let demand = ["verify", &place, "--key", "theirs.pub", "--require-provenance"];
        world.ours(&demand).ok();
    }
}

fn peers_accept_signatures_of_what_they_pushed(world: &World) {
    world.keygen("ci");
    world.flux_push("team/flux");
    world.write("file", "content");
    let kind = "application/vnd.example.app";
    let oras = world.at("team/oras:v1");
    world.oras(&["push", &oras, "--artifact-type", kind, "file:application/yaml"]).ok();
    for name in ["team/flux:v1", "team/oras:v1"] {
        let before = world.digest(name);
        let signed =
            world.ours(&["sign", &world.oci(name), "--key", "ci.key", "-o", "json"]).json();
        let mut formats = texts(&signed["added"], "format");
        formats.sort();
        assert_eq!(formats, ["bundle", "legacy-sig"], "{signed}");
        assert_eq!(world.digest(name), before);
        world.cosign_verify("cosign2", "ci.pub", name).ok();
        world.cosign_verify("cosign3", "ci.pub", name).ok();
        world.verify("ci.pub", &world.oci(name)).ok();
        let again = world.ours(&["sign", &world.oci(name), "--key", "ci.key", "-o", "json"]).json();
        assert_eq!(again["added"], serde_json::json!([]), "{again}");
        assert_eq!(discovered(world, name).len(), 1);
    }
}

fn what_flux_pushed_is_pulled(world: &World) {
    let digest = world.flux_push("team/app");
    world.keygen_by("cosign3", "theirs");
    let (subject, place) = (world.at(&format!("team/app@{digest}")), world.oci("team/app:v1"));
    let pull = ["pull", &place, "out", "--key", "theirs.pub"];
    world.ours(&pull).ends(1);
    assert!(!world.path("out").exists(), "an unverified artifact was extracted");
    let sign = ["sign", "--key", "theirs.key", &subject];
    world.cosign3(&[&sign[..], &COSIGN3].concat()).ok();
    world.ours(&pull).ok();
    assert_eq!(files(&world.path("out")), files(&world.path("app")));
    world.ours(&["pull", &place, "again", "--unsafe-skip-verification"]).ok();
    assert_eq!(files(&world.path("again")), files(&world.path("app")));
    let inspected = world.ours(&["inspect", &place, "--key", "theirs.pub", "-o", "json"]).json();
    assert_eq!(inspected["digest"], digest.as_str());
}

/// Two signers with a peer each: both count, and a signature added here keeps
/// the peer's layer in the `.sig`.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn signatures_of_several_signers_live_together() {
    for kind in [Kind::Olareg, Kind::Distribution] {
        let world = World::new(kind, Access::Http);
        let digest = world.flux_push("team/app");
        let (subject, place) = (world.at(&format!("team/app@{digest}")), world.oci("team/app:v1"));
        for name in ["two", "three", "ours"] {
            world.keygen(name);
        }
        world.cosign2(&[&["sign", "--key", "two.key", &subject][..], &COSIGN2].concat()).ok();
        world.cosign3(&[&["sign", "--key", "three.key", &subject][..], &COSIGN3].concat()).ok();
        world.ours(&["sign", &place, "--key", "ours.key"]).ok();
        for key in ["two.pub", "three.pub", "ours.pub"] {
            world.verify(key, &place).ok();
        }
        for key in ["two.pub", "ours.pub"] {
            world.cosign_verify("cosign2", key, "team/app:v1").ok();
        }
        for key in ["three.pub", "ours.pub"] {
            world.cosign_verify("cosign3", key, "team/app:v1").ok();
        }
        // And a peer adds to what stands there now.
        world.keygen("late");
        world.cosign2(&[&["sign", "--key", "late.key", &subject][..], &COSIGN2].concat()).ok();
        for key in ["two.pub", "ours.pub", "late.pub"] {
            world.cosign_verify("cosign2", key, "team/app:v1").ok();
            world.verify(key, &place).ok();
        }
    }
}

/// helm writes manifests without a media type inside; they can be signed.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_chart_that_helm_pushed_is_signed() {
    let world = World::new(Kind::Olareg, Access::Http);
    world.keygen("ci");
    world.write("chart/Chart.yaml", "apiVersion: v2\nname: demo\nversion: 0.1.0\n");
    world.peer("helm", &["package", "chart"]).ok();
    let place = world.oci("charts");
    world.peer("helm", &["push", "--plain-http", "demo-0.1.0.tgz", &place]).ok();
    world.ours(&["sign", &world.oci("charts/demo:0.1.0"), "--key", "ci.key"]).ok();
    world.cosign_verify("cosign2", "ci.pub", "charts/demo:0.1.0").ok();
    world.cosign_verify("cosign3", "ci.pub", "charts/demo:0.1.0").ok();
}

/// Docker's manifests and indexes of several are signed like any other.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn images_and_indexes_are_signed() {
    for kind in [Kind::Olareg, Kind::Distribution] {
        let world = World::new(kind, Access::Http);
        world.keygen("ci");
        world.write("file", "content");
        let mut tar = world.command(Path::new("tar"));
        tar.args(["-cf", "layer.tar", "file"]);
        Run::of(tar, None).ok();
        let image = world.at("team/image:v1");
        world.crane(&["append", "-f", "layer.tar", "-t", &image]).ok();
        let manifest = world.crane(&["manifest", &image]).ok();
        assert!(manifest.contains("vnd.docker.distribution.manifest.v2+json"), "{manifest}");
        let index = world.at("team/image:all");
        let create = ["manifest", "index", "create", "--plain-http", &index, "v1"];
        world.peer("oras", &create).ok();
        for name in ["team/image:v1", "team/image:all"] {
            world.ours(&["sign", &world.oci(name), "--key", "ci.key"]).ok();
            world.verify("ci.pub", &world.oci(name)).ok();
            world.cosign_verify("cosign2", "ci.pub", name).ok();
            world.cosign_verify("cosign3", "ci.pub", name).ok();
        }
    }
}

/// `cosign copy` carries the `.sig` but no referrer, and puts the artifact
/// itself where a registry without the referrers API keeps its list of them.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn what_cosign_copied_is_verified_and_not_overwritten() {
    let (from, to) =
        (World::new(Kind::Olareg, Access::Http), World::new(Kind::Distribution, Access::Http));
    from.shop();
    from.keygen("ci");
    let published = from.publish(&from.oci("shop/config:1.4.0"), &["--key", "ci.key"]);
    let name = "shop/config:1.4.0";
    for cosign in ["cosign2", "cosign3"] {
        let copied = format!("{cosign}/config:1.4.0");
        from.peer(cosign, &["copy", &from.at(name), &to.at(&copied)]).ok();
        let place = to.oci(&copied);
        let judged = from.verify("ci.pub", &place).json();
        assert_eq!(texts(&judged["evidence"], "format"), ["legacy-sig"], "{judged}");
        assert_eq!(judged["digest"], published["digest"]);
        let occupied = text(&published["digest"]).replace(':', "-");
        let sign = ["sign", &place, "--key", "ci.key"];
        from.ours(&sign).ends(2).says("cosign copy").says(&occupied);
        let there = to.digest(&format!("{cosign}/config:{occupied}"));
        assert_eq!(there, text(&published["digest"]));
    }
}
