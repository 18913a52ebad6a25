//! What is published here is read there.

use super::*;

on_registries! {
    peers_accept_what_is_published
    peers_read_the_same_files
    without_the_legacy_signature_only_cosign3_finds_one =>
    olareg_http: Olareg Http,
    olareg_tls: Olareg Tls,
    distribution_http: Distribution Http,
    distribution_tls: Distribution Tls,
    distribution_login: Distribution Login,
}

fn peers_accept_what_is_published(world: &World) {
    world.shop();
    world.keygen("ci");
    world.keygen("other");
    let published = world.publish(&world.oci("shop/config:1.4.0"), &["--key", "ci.key"]);
    let digest = text(&published["digest"]);
    for cosign in ["cosign2", "cosign3"] {
        let said = world.cosign_verify(cosign, "ci.pub", "shop/config:1.4.0").ok();
        assert!(said.contains(&digest), "{said}");
    }
    world.cosign_verify("cosign2", "other.pub", "shop/config:1.4.0").ends(12);
    world.cosign_verify("cosign3", "other.pub", "shop/config:1.4.0").ends(1);

    let provenance = world.cosign_statements("ci.pub", "slsaprovenance1", "shop/config:1.4.0");
    let [provenance] = provenance.as_slice() else { panic!("{provenance:?}") };
    assert_eq!(provenance["predicateType"], PROVENANCE);
    assert_eq!(provenance["subject"][0]["digest"]["sha256"], digest["sha256:".len()..]);
    assert_eq!(provenance["subject"][0]["name"], world.at("shop/config"));
    let parameters = &provenance["predicate"]["buildDefinition"]["externalParameters"];
    assert_eq!(parameters["source"]["repository"], "https://github.com/acme/shop");

    let accepted = world.verify("ci.pub", &world.oci("shop/config:1.4.0")).json();
    assert_eq!(accepted["verdict"], "accepted");
    let rejected = world.verify("other.pub", &world.oci("shop/config:1.4.0")).ends(1).printed();
    assert_eq!(rejected["verdict"], "rejected");
}

fn peers_read_the_same_files(world: &World) {
    world.shop();
    world.keygen("ci");
    let (name, place) = ("shop/config:1.4.0", world.oci("shop/config:1.4.0"));
    let published = world.publish(&place, &["--key", "ci.key"]);
    let digest = text(&published["digest"]);

    fs::create_dir(world.path("out")).unwrap();
    world.flux(&["pull", "artifact", &place, "--output", "out"]).ok();
    assert_eq!(files(&world.path("out")), packed_shop(world));
    world.ours(&["pull", &place, "ours", "--key", "ci.pub"]).ok();
    assert_eq!(files(&world.path("ours")), packed_shop(world));

    let listed = world.flux(&["list", "artifacts", &world.oci("shop/config")]).ok();
    assert!(listed.contains(&text(&published["revision"])), "{listed}");
    let mut attached = discovered(world, name);
    attached.sort();
    let mut bundles: Vec<_> = published["statements"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|statement| statement["format"] == "bundle")
        .map(|statement| text(&statement["digest"]))
        .collect();
    bundles.sort();
    assert_eq!(attached, bundles);

    let manifest = world.crane(&["manifest", &world.at(name)]).ok();
    assert_eq!(Digest::of(manifest.as_bytes()).to_string(), digest);
    assert_eq!(world.digest(name), digest);
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let inspected = world.ours(&["inspect", &place, "-o", "json"]).json();
    assert_eq!(inspected["digest"], digest.as_str());
    assert_eq!(inspected["annotations"], manifest["annotations"]);
}

fn without_the_legacy_signature_only_cosign3_finds_one(world: &World) {
    world.shop();
    world.keygen("ci");
    let place = world.oci("shop/config:1.4.0");
    world.publish(&place, &["--key", "ci.key", "--no-legacy-signature"]);
    world.cosign_verify("cosign2", "ci.pub", "shop/config:1.4.0").ends(10);
    world.cosign_verify("cosign3", "ci.pub", "shop/config:1.4.0").ok();
    world.verify("ci.pub", &place).ok();
}

/// A login by flags goes to the reference's registry alone, and no login or a
/// wrong one is no answer.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn logins_by_flags_reach_a_registry_with_users() {
    let world = World::new(Kind::Distribution, Access::Login);
    world.shop();
    world.keygen("ci");
    let place = world.oci("shop/config:1.4.0");
    let nobody = |arguments: &[&str], password: Option<&str>| {
        let mut command = world.ours_command(arguments);
        command.env("DOCKER_CONFIG", world.path("nobody"));
        if password.is_some() {
            command.args(["--registry-username", LOGIN.0, "--registry-password-stdin"]);
        }
        Run::of(command, password)
    };
    let publish = ["publish", "work/shop", &place, "--key", "ci.key", "--lock", "off"];
    nobody(&publish, None).ends(3);
    nobody(&publish, Some("wrong")).ends(3);
    nobody(&publish, Some("s3cret\n")).ok();
    let verify = ["verify", &place, "--key", "ci.pub"];
    nobody(&verify, Some(LOGIN.1)).ok();
    nobody(&verify, None).ends(3);
    world.verify("ci.pub", &place).ok();
    world.cosign_verify("cosign2", "ci.pub", "shop/config:1.4.0").ok();
}

/// A private certificate authority has to be named.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let world = World::new(Kind::Olareg, Access::Tls);
    world.flux_push("team/app");
    world.keygen("ci");
    let place = world.oci("team/app:v1");
    let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_sluicegate")));
    command.args(["verify", &place, "--key", "ci.pub", "--plain-http=false"]);
    Run::of(command, None).ends(3).says("certificate");
    world.verify("ci.pub", &place).ends(1);
}
