//! Keys made by either side work on the other.

use super::*;

#[test]
#[ignore = "needs real peers: run tests/run"]
fn peers_sign_with_keys_that_are_made_here() {
    let world = World::new(Kind::Olareg, Access::Http);
    world.keygen("ours");
    for (cosign, flags) in [("cosign2", &COSIGN2[..]), ("cosign3", &COSIGN3[..])] {
        let name = format!("team/{cosign}");
        let digest = world.flux_push(&name);
        let subject = world.at(&format!("{name}@{digest}"));
        world.peer(cosign, &[&["sign", "--key", "ours.key", &subject], flags].concat()).ok();
        world.cosign_verify(cosign, "ours.pub", &format!("{name}:v1")).ok();
        world.verify("ours.pub", &world.oci(&format!("{name}:v1"))).ok();
        // The public half that cosign computes is the file that was written.
        let public = world.peer(cosign, &["public-key", "--key", "ours.key"]).ok();
        assert_eq!(public.trim(), fs::read_to_string(world.path("ours.pub")).unwrap().trim());
    }
}

#[test]
#[ignore = "needs real peers: run tests/run"]
fn keys_of_peers_sign_here() {
    let world = World::new(Kind::Olareg, Access::Http);
    for cosign in ["cosign2", "cosign3"] {
        world.keygen_by(cosign, cosign);
        let name = format!("team/{cosign}:v1");
        world.flux_push(&format!("team/{cosign}"));
        let (key, public) = (format!("{cosign}.key"), format!("{cosign}.pub"));
        world.ours(&["sign", &world.oci(&name), "--key", &key]).ok();
        for verifier in ["cosign2", "cosign3"] {
            world.cosign_verify(verifier, &public, &name).ok();
        }
        world.verify(&public, &world.oci(&name)).ok();
        let mut wrong = world.ours_command(&["sign", &world.oci(&name), "--key", &key]);
        wrong.env("COSIGN_PASSWORD", "wrong");
        Run::of(wrong, None).ends(2).says("password");
    }
}

/// A key of openssl, as it is and as cosign imports it.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn keys_of_openssl_sign_here() {
    let world = World::new(Kind::Olareg, Access::Http);
    let openssl = |line: &str| {
        let mut command = world.command(Path::new("openssl"));
        command.args(line.split_whitespace());
        Run::of(command, None).ok()
    };
    openssl("ecparam -name prime256v1 -genkey -out sec1.pem");
    openssl("pkcs8 -topk8 -nocrypt -in sec1.pem -out pkcs8.pem");
    openssl("ec -in sec1.pem -pubout -out plain.pub");
    let import = ["import-key-pair", "--key", "pkcs8.pem", "--output-key-prefix", "imported"];
    world.cosign3(&import).ok();
    for (number, key) in ["sec1.pem", "pkcs8.pem", "imported.key"].iter().enumerate() {
        let name = format!("team/app{number}");
        world.flux_push(&name);
        let name = format!("{name}:v1");
        let signed = world.ours(&["sign", &world.oci(&name), "--key", key]).ends(0);
        if key.ends_with(".pem") {
            signed.says("warning");
        }
        world.cosign_verify("cosign3", "plain.pub", &name).ok();
        world.cosign_verify("cosign2", "plain.pub", &name).ok();
    }
}

/// Keys out of the environment, and the password from standard input.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_key_in_the_environment_signs() {
    let world = World::new(Kind::Olareg, Access::Http);
    world.keygen_by("cosign3", "ci");
    world.flux_push("team/app");
    let place = world.oci("team/app:v1");
    let arguments = ["sign", &place, "--key", "env://SIGNING_KEY", "--key-password-stdin"];
    let mut command = world.ours_command(&arguments);
    command.env_remove("COSIGN_PASSWORD");
    command.env("SIGNING_KEY", fs::read_to_string(world.path("ci.key")).unwrap());
    Run::of(command, Some("hello\n")).ok();
    world.cosign_verify("cosign2", "ci.pub", "team/app:v1").ok();
    let mut command = world.ours_command(&["verify", &place, "--key", "env://PUBLIC_KEY"]);
    command.env("PUBLIC_KEY", fs::read_to_string(world.path("ci.pub")).unwrap());
    Run::of(command, None).ok();
}
