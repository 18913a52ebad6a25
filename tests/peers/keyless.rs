//! Signing without a key, with a real Fulcio, Rekor and timestamp authority:
//! what is signed here cosign verifies, and the other way round; and whatever is
//! wrong, nothing is pushed.

use super::{sigstore::*, *};
use sluicegate::{
    edge::registry::{DockerConfigSource, Options, Registries},
    flow::verify::{self, Judged},
    model::{
        evidence::{
            identity::{Identity, Signer},
            root::TrustRoot,
        },
        policy::{
            Kind as Verdict, Policy,
            signers::{Matcher, SignerEntry, Who},
        },
    },
};

const ALICE: &str = "alice@example.com";
const WORKFLOW: &str = "https://github.com/acme/shop/.github/workflows/release.yml@refs/heads/main";
const RUN: &str = "https://github.com/acme/shop/actions/runs/7/attempts/1";
const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

on_registries! {
    a_person_publishes_and_cosign_verifies
    a_workflow_publishes_and_cosign_verifies
    what_others_pushed_is_signed_and_attested
    what_cosign_signed_is_verified
    publishing_again_by_the_same_identity_writes_nothing =>
    olareg: Olareg Http,
    distribution: Distribution Http,
}

/// Flags to sign with the private Sigstore.
fn services() -> Vec<String> {
    let mut flags = vec!["--keyless".to_owned()];
    for (flag, file) in
        [("--signing-config", "signing_config.json"), ("--trusted-root", "trusted_root.json")]
    {
        flags.extend([flag.to_owned(), sigstore().file(file)]);
    }
    flags
}

/// The program with a token in its environment.
fn with_token(world: &World, token: &str, arguments: &[&str]) -> Command {
    let mut command = world.ours_command(arguments);
    command.args(services()).env("SIGSTORE_ID_TOKEN", token);
    command
}

fn publish(place: &str) -> [&str; 7] {
    ["publish", "work/shop", place, "--lock", "off", "-o", "json"]
}

fn alice() -> String {
    sigstore().token("issuer", &format!("email={ALICE}"))
}

/// The environment of a GitHub Actions run for the commit that is checked out.
fn github(world: &World) -> (String, Vec<(&'static str, String)>) {
    let mut command = world.command(Path::new("git"));
    command.current_dir(world.path("work")).args(["rev-parse", "HEAD"]);
    let commit = Run::of(command, None).ok().trim().to_owned();
    let token = sigstore().token("github", &format!("sha={commit}"));
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_REF", "refs/heads/main"),
        ("GITHUB_SHA", &commit),
        ("GITHUB_RUN_ID", "7"),
        ("GITHUB_RUN_ATTEMPT", "1"),
    ];
    (token, variables.map(|(name, value)| (name, value.to_owned())).into())
}

/// What cosign 3 says of an identity's signature, or of its statements.
fn cosign(world: &World, verb: &[&str], issuer: &str, subject: &str, name: &str) -> Run {
    let (root, place) = (sigstore().file("trusted_root.json"), world.at(name));
    let issuer = sigstore().url(issuer);
    let flags = [
        "--trusted-root",
        &root,
        "--certificate-identity",
        subject,
        "--certificate-oidc-issuer",
        issuer,
        "--insecure-ignore-sct",
        "--use-signed-timestamps",
        "--allow-http-registry",
        &place,
    ];
    world.cosign3(&[verb, &flags].concat())
}

/// What this program says of an identity, by its library.
fn judged(world: &World, issuer: &str, subject: &str, name: &str, provenance: bool) -> Judged {
    let root = fs::read(sigstore().file("trusted_root.json")).unwrap();
    let who = Who::Identity {
        issuer: Matcher::Exact(sigstore().url(issuer).into()),
        subject: Matcher::Exact(subject.into()),
    };
    let mut policy = Policy::by(vec![SignerEntry::always(who)], provenance);
    policy.root = Some(TrustRoot::parse(&root).unwrap());
    let docker_config = DockerConfigSource::of_environment(|_| None);
    let registries = Registries::new(Options { docker_config, ..Options::default() }).unwrap();
    let reference = world.oci(name).parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(verify::verify(&registries, &reference, verify::Request::new(policy))).unwrap()
}

#[track_caller]
fn accepted(judged: &Judged) {
    assert!(matches!(judged.verdict.kind(), Verdict::Accepted), "{:?}", judged.verdict);
}

/// The identities of what was verified.
fn identities(judged: &Judged) -> Vec<Identity> {
    let evidence = judged.gathered.findings().filter_map(|finding| finding.evidence());
    let identity = |signer: &Signer| signer.identity().cloned();
    evidence.filter_map(|evidence| identity(evidence.signer())).collect()
}

/// Nothing came as far as the registry: no repository, and on disk no blob.
#[track_caller]
fn nothing_pushed(world: &World, repository: &str) {
    let listed = world.crane(&["ls", &world.at(repository)]);
    assert!(!listed.succeeded() || listed.ok().trim().is_empty(), "something was pushed");
    if world.registry.kind == Kind::Distribution {
        let data = fs::read_dir(world.dir.path()).unwrap().flatten().find(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("registry-") && !name.contains('.')
        });
        let left = data.map(|data| files(&data.path())).unwrap_or_default();
        assert!(left.is_empty(), "{:?}", left.keys());
    }
}

fn a_person_publishes_and_cosign_verifies(world: &World) {
    world.shop();
    let name = "shop/config:1.4.0";
    let published = Run::of(with_token(world, &alice(), &publish(&world.oci(name))), None).json();
    let digest = text(&published["digest"]);
    let kinds = texts(&published["statements"], "type");
    assert_eq!(kinds, [SIGNATURE, PROVENANCE], "{published}");
    assert_eq!(texts(&published["statements"], "format"), ["bundle", "bundle"]);
    for signer in texts(&published["statements"], "signer") {
        assert_eq!(signer, format!("{ALICE} ({})", sigstore().url("issuer")));
    }
    let said = cosign(world, &["verify"], "issuer", ALICE, name).ok();
    assert!(said.contains(&digest), "{said}");
    let verb = ["verify-attestation", "--type", "slsaprovenance1"];
    let provenance = statement(cosign(world, &verb, "issuer", ALICE, name).ok().trim());
    // No CI system here: the builder is this machine.
    let builder = &provenance["predicate"]["runDetails"]["builder"]["id"];
    assert_eq!(builder, sluicegate::model::uris::BUILDER_LOCAL);
    cosign(world, &["verify"], "issuer", "bob@example.com", name).ends(1);
    cosign(world, &["verify"], "github", ALICE, name).ends(1);
    accepted(&judged(world, "issuer", ALICE, name, true));
    let other = judged(world, "issuer", "bob@example.com", name, true);
    assert!(matches!(other.verdict.kind(), Verdict::Rejected(_)), "{:?}", other.verdict);
}

fn a_workflow_publishes_and_cosign_verifies(world: &World) {
    world.shop();
    let name = "shop/config:1.4.0";
    let (token, variables) = github(world);
    let mut command = with_token(world, &token, &publish(&world.oci(name)));
    command.envs(variables);
    let published = Run::of(command, None).json();
    assert_eq!(published["statements"].as_array().unwrap().len(), 2, "{published}");
    cosign(world, &["verify"], "github", WORKFLOW, name).ok();
    let judged = judged(world, "github", WORKFLOW, name, true);
    accepted(&judged);
    let [first, second] = identities(&judged).try_into().unwrap();
    assert_eq!(first, second, "everything shares one certificate");
    assert_eq!(first.claims.repository.as_deref(), Some("https://github.com/acme/shop"));
    assert_eq!(first.claims.run.as_deref(), Some(RUN));
    let verb = ["verify-attestation", "--type", "slsaprovenance1"];
    let provenance = statement(cosign(world, &verb, "github", WORKFLOW, name).ok().trim());
    let details = &provenance["predicate"]["runDetails"];
    assert_eq!(details["builder"]["id"], sluicegate::model::uris::BUILDER_GITHUB);
    assert_eq!(details["metadata"]["invocationId"], RUN);
}

/// The registry's certificate authority is trusted for the services too; both
/// are reached in one run.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn behind_a_certificate_authority_of_its_own() {
    let world = World::new(Kind::Olareg, Access::Tls);
    world.shop();
    let place = world.oci("shop/config:1.4.0");
    Run::of(with_token(&world, &alice(), &publish(&place)), None).ok();
    cosign(&world, &["verify"], "issuer", ALICE, "shop/config:1.4.0").ok();
}

/// The token service of GitHub's runner, asked as a job would.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_job_gets_its_token_itself() {
    let world = World::new(Kind::Olareg, Access::Http);
    world.shop();
    let place = world.oci("shop/config:1.4.0");
    let (_, variables) = github(&world);
    let commit = &variables.iter().find(|(name, _)| *name == "GITHUB_SHA").unwrap().1;
    let url = format!("{}/github/token?sha={commit}", sigstore().url("github"));
    let mut command = world.ours_command(&publish(&place));
    command.args(services()).envs(variables.clone());
    command.env("ACTIONS_ID_TOKEN_REQUEST_URL", url);
    command.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer");
    Run::of(command, None).ok();
    accepted(&judged(&world, "github", WORKFLOW, "shop/config:1.4.0", true));
}

fn what_others_pushed_is_signed_and_attested(world: &World) {
    world.flux_push("team/app");
    let name = "team/app:v1";
    let place = world.oci(name);
    let before = world.digest(name);
    let sign = ["sign", &place, "-o", "json"];
    let signed = Run::of(with_token(world, &alice(), &sign), None).json();
    assert_eq!(texts(&signed["added"], "format"), ["bundle"], "{signed}");
    assert_eq!(world.digest(name), before);
    cosign(world, &["verify"], "issuer", ALICE, name).ok();
    accepted(&judged(world, "issuer", ALICE, name, false));
    let again = Run::of(with_token(world, &alice(), &sign), None).json();
    assert_eq!(again["added"], serde_json::json!([]), "{again}");

    world.write("result.json", r#"{"result": "PASSED"}"#);
    let attest =
        ["attest", &place, "--type", TEST_RESULT, "--predicate", "result.json", "-o", "json"];
    let same = Run::of(with_token(world, &alice(), &attest), None);
    same.ends(2).says(&format!("the identity `{ALICE}"));
    let tester = sigstore().token("issuer", "email=tester@example.com");
    Run::of(with_token(world, &tester, &attest), None).ok();
    let verb = ["verify-attestation", "--type", TEST_RESULT];
    cosign(world, &verb, "issuer", "tester@example.com", name).ok();
    cosign(world, &verb, "issuer", ALICE, name).ends(1);
    assert_eq!(discovered(world, name).len(), 2);
}

fn what_cosign_signed_is_verified(world: &World) {
    let digest = world.flux_push("team/app");
    let (config, root) =
        (sigstore().file("signing_config.json"), sigstore().file("trusted_root.json"));
    let (token, subject) = (alice(), world.at(&format!("team/app@{digest}")));
    let flags = ["--signing-config", &config, "--trusted-root", &root, "--identity-token", &token];
    let end = ["--allow-http-registry", "-y", &subject];
    world.cosign3(&[&["sign"][..], &flags, &end].concat()).ok();
    let signed = judged(world, "issuer", ALICE, "team/app:v1", false);
    accepted(&signed);
    assert_eq!(identities(&signed).len(), 1);
    let bob = judged(world, "issuer", "bob@example.com", "team/app:v1", false);
    assert!(matches!(bob.verdict.kind(), Verdict::Rejected(_)), "{:?}", bob.verdict);
    // Signed by this identity already: nothing to add.
    let sign = ["sign", &world.oci("team/app:v1"), "-o", "json"];
    let added = Run::of(with_token(world, &alice(), &sign), None).json();
    assert_eq!(added["added"], serde_json::json!([]), "{added}");

    world.write("result.json", r#"{"result": "PASSED"}"#);
    let predicate = ["attest", "--type", TEST_RESULT, "--predicate", "result.json"];
    world.cosign3(&[&predicate[..], &flags, &end].concat()).ok();
    let all = judged(world, "issuer", ALICE, "team/app:v1", false);
    assert_eq!(identities(&all).len(), 2);
}

fn publishing_again_by_the_same_identity_writes_nothing(world: &World) {
    world.shop();
    let place = world.oci("shop/config:1.4.0");
    let (token, variables) = github(world);
    let run = || {
        let mut command = with_token(world, &token, &publish(&place));
        command.envs(variables.clone());
        Run::of(command, None).json()
    };
    let first = run();
    let attached = discovered(world, "shop/config:1.4.0");
    let second = run();
    assert_eq!(second["unchanged"], true, "{second}");
    assert_eq!(second["digest"], first["digest"]);
    assert_eq!(second["uploaded"], serde_json::json!({"blobs": 0, "manifests": 0, "bytes": 0}));
    assert_eq!(discovered(world, "shop/config:1.4.0"), attached);
    // Somebody else is somebody else, and says so.
    let bob = sigstore().token("issuer", "email=bob@example.com");
    let third = Run::of(with_token(world, &bob, &publish(&place)), None).json();
    assert_eq!(third["unchanged"], false);
    assert_eq!(discovered(world, "shop/config:1.4.0").len(), attached.len() + 2);
}

/// Each of the four that the run and the certificate must agree on, and a person
/// in a CI system.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn an_identity_of_another_run_is_refused_before_anything_is_pushed() {
    let world = World::new(Kind::Distribution, Access::Http);
    world.shop();
    let place = world.oci("shop/config:1.4.0");
    let (token, variables) = github(&world);
    let refused = |token: &str, change: (&str, &str), part: &str| {
        let mut command = with_token(&world, token, &publish(&place));
        command.envs(variables.clone()).env(change.0, change.1);
        Run::of(command, None).ends(2).says("is not the identity of this run").says(part);
        nothing_pushed(&world, "shop/config");
    };
    refused(&token, ("GITHUB_REPOSITORY", "acme/other"), "the repository");
    refused(&token, ("GITHUB_REF", "refs/heads/other"), "the ref");
    refused(&token, ("GITHUB_SHA", &"b".repeat(40)), "the commit");
    refused(&token, ("GITHUB_RUN_ID", "8"), "the run");
    refused(&alice(), ("GITHUB_RUN_ID", "7"), "the certificate says nothing");
    // The other way round: a run's identity for what is no commit of its.
    let other = sigstore().token("github", &format!("sha={}", "c".repeat(40)));
    let run = Run::of(with_token(&world, &other, &publish(&place)), None);
    run.ends(1).says("signed by a run for");
    nothing_pushed(&world, "shop/config");
}

#[test]
#[ignore = "needs real peers: run tests/run"]
fn without_a_token_that_counts_nothing_is_pushed() {
    let world = World::new(Kind::Distribution, Access::Http);
    world.shop();
    let place = world.oci("shop/config:1.4.0");
    let token = |query: &str| sigstore().token("issuer", &format!("email={ALICE}&{query}"));
    let good = token("seconds=600");
    for (token, part) in [
        (token("seconds=-1"), "it expired at"),
        (token("aud=other"), "its audience is `other`"),
        // Good for us; Fulcio checks who signed it.
        (format!("{}AAAA", &good[..good.len() - 4]), "refused"),
    ] {
        Run::of(with_token(&world, &token, &publish(&place)), None).ends(2).says(part);
        nothing_pushed(&world, "shop/config");
    }
}

#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_service_that_is_down_or_lies_keeps_everything_from_being_pushed() {
    let world = World::new(Kind::Distribution, Access::Http);
    world.shop();
    let place = world.oci("shop/config:1.4.0");
    let nobody = "http://127.0.0.1:9";
    let fulcio = sigstore().url("fulcio").to_owned();
    for (part, url, code, says) in [
        ("caUrls", nobody, 3, "the certificate authority (Fulcio)"),
        ("rekorTlogUrls", nobody, 3, "the transparency log (Rekor)"),
        ("tsaUrls", nobody, 3, "the timestamp authority"),
        // Somebody else answers there.
        ("rekorTlogUrls", fulcio.as_str(), 3, "the transparency log (Rekor)"),
    ] {
        world.write("services.json", &sigstore().config_with(part, url).to_string());
        let mut command = world.ours_command(&publish(&place));
        command.args(["--keyless", "--signing-config", "services.json", "--trusted-root"]);
        command.arg(sigstore().file("trusted_root.json")).env("SIGSTORE_ID_TOKEN", alice());
        Run::of(command, None).ends(code).says(says).says("nothing was pushed");
        nothing_pushed(&world, "shop/config");
    }
    // Real services that this trust root does not know.
    for (list, part) in [
        ("certificateAuthorities", "no authority of the trust root"),
        ("tlogs", ""),
        ("timestampAuthorities", ""),
    ] {
        let (mut root, stranger) = (sigstore().root(), root_of_another());
        root[list] = stranger[list].clone();
        world.write("root.json", &root.to_string());
        let mut command = world.ours_command(&publish(&place));
        command.args(["--keyless", "--trusted-root", "root.json", "--signing-config"]);
        command.arg(sigstore().file("signing_config.json")).env("SIGSTORE_ID_TOKEN", alice());
        Run::of(command, None).ends(1).says("does not verify, so nothing was pushed").says(part);
        nothing_pushed(&world, "shop/config");
    }
}

/// The public good root: real, and of somebody else.
fn root_of_another() -> Value {
    let carried = sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT;
    serde_json::from_str(carried).unwrap()
}

#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_key_signs_with_a_time_that_somebody_vouches_for() {
    let world = World::new(Kind::Olareg, Access::Http);
    world.shop();
    world.keygen("ci");
    let (name, root) = ("shop/config:1.4.0", sigstore().file("trusted_root.json"));
    let stamp = ["--key", "ci.key", "--timestamp-url", sigstore().url("tsa")];
    world.publish(&world.oci(name), &[&stamp[..], &["--trusted-root", &root]].concat());
    world.verify("ci.pub", &world.oci(name)).ok();
    world.cosign_verify("cosign2", "ci.pub", name).ok();
    let place = world.at(name);
    let flags = ["verify", "--key", "ci.pub", "--trusted-root", &root, "--insecure-ignore-tlog"];
    world.cosign3(&[&flags[..], &["--use-signed-timestamps", &place]].concat()).ok();
    let pem = fs::read(world.path("ci.pub")).unwrap();
    let keys = sluicegate::model::evidence::key::PublicKey::from_pem(&pem);
    let mut policy = Policy::by_keys(keys.unwrap(), true);
    policy.root = Some(TrustRoot::parse(&fs::read(&root).unwrap()).unwrap());
    let docker_config = DockerConfigSource::of_environment(|_| None);
    let registries = Registries::new(Options { docker_config, ..Options::default() }).unwrap();
    let reference = world.oci(name).parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let request = verify::Request::new(policy);
    let judged = runtime.block_on(verify::verify(&registries, &reference, request)).unwrap();
    accepted(&judged);
    let times: Vec<usize> = judged
        .gathered
        .findings()
        .filter_map(|finding| finding.evidence())
        .map(|evidence| evidence.times().len())
        .collect();
    assert_eq!(times, [1, 1, 0], "both bundles, and not the legacy signature");

    // One that the root does not know, and without a root one that is believed.
    world.write("root.json", &root_of_another().to_string());
    let place = world.oci("shop/other:1.4.0");
    let foreign = [&publish(&place)[..], &stamp, &["--trusted-root", "root.json"]].concat();
    world.ours(&foreign).ends(1).says("its timestamp does not verify");
    nothing_pushed(&world, "shop/other");
    world.ours(&[&publish(&place)[..], &stamp].concat()).ok();
}

/// `sign-bundle`, as the conformance protocol types it.
fn sign_bundle(world: &World, token: &str, more: &[&str], file: &str) -> Run {
    let (config, root) =
        (sigstore().file("signing_config.json"), sigstore().file("trusted_root.json"));
    let flags = ["--trusted-root", &root, "--signing-config", &config, "--bundle", "b.json"];
    let command = [&["sign-bundle", "--identity-token", token][..], &flags, more, &[file]].concat();
    token.split('.').fold(world.ours(&command), Run::hides)
}

/// What we say of the bundle, and what cosign says.
fn verified_bundle(world: &World, verb: &[&str], subject: &str, file: &str) -> [Run; 2] {
    let root = sigstore().file("trusted_root.json");
    let issuer = sigstore().url("issuer");
    let flags = [
        "--bundle",
        "b.json",
        "--trusted-root",
        &root,
        "--certificate-identity",
        subject,
        "--certificate-oidc-issuer",
        issuer,
    ];
    let ours = world.ours(&[&["verify-bundle"][..], &flags, &[file]].concat());
    let theirs = ["--insecure-ignore-sct", "--use-signed-timestamps", file];
    [ours, world.cosign3(&[verb, &flags, &theirs].concat())]
}

#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_file_is_signed_as_a_bundle_and_cosign_verifies() {
    let world = World::new(Kind::Olareg, Access::Http);
    world.write("a.txt", "what is signed");
    let signed = sign_bundle(&world, &alice(), &["-o", "json"], "a.txt").json();
    assert_eq!(signed["schema"], "sluicegate.dev/sign-bundle/v1");
    assert_eq!(signed["signer"], format!("{ALICE} ({})", sigstore().url("issuer")));
    let bundle: Value = serde_json::from_slice(&fs::read(world.path("b.json")).unwrap()).unwrap();
    assert!(bundle["messageSignature"]["messageDigest"].is_object(), "{bundle}");
    for run in verified_bundle(&world, &["verify-blob"], ALICE, "a.txt") {
        run.ok();
    }
    for run in verified_bundle(&world, &["verify-blob"], "bob@example.com", "a.txt") {
        run.ends(1);
    }
    world.write("a.txt", "what is not");
    for run in verified_bundle(&world, &["verify-blob"], ALICE, "a.txt") {
        run.ends(1);
    }
    // Another is written in the place of the first.
    sign_bundle(&world, &alice(), &[], "a.txt").ok();
    for run in verified_bundle(&world, &["verify-blob"], ALICE, "a.txt") {
        run.ok();
    }
}

#[test]
#[ignore = "needs real peers: run tests/run"]
fn a_statement_is_signed_as_a_bundle_and_cosign_verifies() {
    let world = World::new(Kind::Olareg, Access::Http);
    world.write("a.txt", "the subject");
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": "a.txt",
            "digest": {"sha256": sluicegate::model::digest::Digest::of(b"the subject").hex()},
        }],
        "predicateType": TEST_RESULT,
        "predicate": {"result": "PASSED"},
    });
    world.write("a.json", &statement.to_string());
    sign_bundle(&world, &alice(), &["--in-toto"], "a.json").ok();
    let bundle: Value = serde_json::from_slice(&fs::read(world.path("b.json")).unwrap()).unwrap();
    assert_eq!(bundle["dsseEnvelope"]["payloadType"], "application/vnd.in-toto+json");
    let verb = ["verify-blob-attestation", "--type", TEST_RESULT];
    for run in verified_bundle(&world, &verb, ALICE, "a.txt") {
        run.ok();
    }
    world.write("a.txt", "something else");
    for run in verified_bundle(&world, &verb, ALICE, "a.txt") {
        run.ends(1);
    }
}

/// No bundle is there afterwards, or the one that was there, and nothing beside it.
#[test]
#[ignore = "needs real peers: run tests/run"]
fn what_goes_wrong_writes_no_bundle() {
    let world = World::new(Kind::Olareg, Access::Http);
    world.write("a.txt", "what is signed");
    let before = files(world.dir.path());
    let expired = sigstore().token("issuer", &format!("email={ALICE}&seconds=-1"));
    sign_bundle(&world, &expired, &[], "a.txt").ends(2).says("`--identity-token`").says("expired");
    sign_bundle(&world, "not-a-token", &[], "a.txt").ends(2).says("`--identity-token`");
    sign_bundle(&world, &alice(), &[], "nowhere").ends(2).says("cannot read the artifact");
    sign_bundle(&world, &alice(), &["--in-toto"], "a.txt").ends(2).says("as a statement");
    let token = alice();
    let (config, root) =
        (sigstore().file("signing_config.json"), sigstore().file("trusted_root.json"));
    let sign = |config: &str, root: &str, bundle: &str| {
        world.ours(&[
            "sign-bundle",
            "--identity-token",
            &token,
            "--bundle",
            bundle,
            "--trusted-root",
            root,
            "--signing-config",
            config,
            "a.txt",
        ])
    };
    sign(&config, &root, "no/b.json").ends(2).says("cannot write the bundle");
    sign(&config, &root, ".").ends(2).says("it exists and is no file");
    let elsewhere = tempfile::tempdir().unwrap();
    let path = |name: &str| elsewhere.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("root"), root_of_another().to_string()).unwrap();
    sign(&config, &path("root"), "b.json").ends(1).says("nothing was pushed or written");
    let down = sigstore().config_with("rekorTlogUrls", "http://127.0.0.1:9");
    fs::write(path("down"), down.to_string()).unwrap();
    sign(&path("down"), &root, "b.json").ends(3).says("the transparency log (Rekor)");
    assert_eq!(files(world.dir.path()), before);
}
