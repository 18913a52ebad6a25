//! Statements beside signatures: neither hides the other from anybody.

use super::*;

on_registries! {
    an_attestation_by_a_second_key_hides_nothing
    a_statement_that_would_hide_a_signature_is_refused =>
    olareg: Olareg Http,
    distribution: Distribution Http,
}

const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

fn attest<'a>(place: &'a str, key: &'a str) -> Vec<&'a str> {
    vec!["attest", place, "--type", TEST_RESULT, "--predicate", "result.json", "--key", key]
}

fn an_attestation_by_a_second_key_hides_nothing(world: &World) {
    world.shop();
    world.keygen("ci");
    world.keygen("tests");
    world.write("result.json", r#"{"result": "PASSED", "configuration": []}"#);
    let (name, place) = ("shop/config:1.4.0", world.oci("shop/config:1.4.0"));
    world.publish(&place, &["--key", "ci.key"]);

    world.ours(&attest(&place, "ci.key")).ends(2).says("--same-key");
    assert_eq!(discovered(world, name).len(), 2, "a refused statement was written");
    world.ours(&attest(&place, "tests.key")).ok();
    assert_eq!(discovered(world, name).len(), 3);
    world.cosign_verify("cosign2", "ci.pub", name).ok();
    world.cosign_verify("cosign3", "ci.pub", name).ok();
    world.verify("ci.pub", &place).ok();
    // To cosign 3 any statement is a signature; not to us.
    world.cosign_verify("cosign3", "tests.pub", name).ok();
    world.cosign_verify("cosign2", "tests.pub", name).ends(12);
    world.verify("tests.pub", &place).ends(1);

    let found = world.cosign_statements("tests.pub", TEST_RESULT, name);
    let [statement] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(statement["predicate"]["result"], "PASSED");
    let mut same_key = attest(&place, "ci.key");
    same_key.push("--same-key");
    world.ours(&same_key).ok();
    assert_eq!(world.cosign_statements("ci.pub", TEST_RESULT, name).len(), 1);
}

fn a_statement_that_would_hide_a_signature_is_refused(world: &World) {
    world.keygen("ci");
    world.keygen("tests");
    world.write("result.json", "{}");
    let digest = world.flux_push("team/app");
    let (subject, place) = (world.at(&format!("team/app@{digest}")), world.oci("team/app:v1"));
    // Without any signature there is nothing to hide.
    world.cosign2(&[&["sign", "--key", "ci.key", &subject][..], &COSIGN2].concat()).ok();
    world.cosign_verify("cosign3", "ci.pub", "team/app:v1").ok();
    world.ours(&attest(&place, "tests.key")).ends(2).says("sluicegate sign");
    assert_eq!(discovered(world, "team/app:v1"), Vec::<String>::new());
    world.cosign_verify("cosign3", "ci.pub", "team/app:v1").ok();

    world.ours(&["sign", &place, "--key", "ci.key"]).ok();
    world.ours(&attest(&place, "tests.key")).ok();
    world.cosign_verify("cosign3", "ci.pub", "team/app:v1").ok();
    world.cosign_verify("cosign2", "ci.pub", "team/app:v1").ok();
    world.verify("ci.pub", &place).ok();
}
