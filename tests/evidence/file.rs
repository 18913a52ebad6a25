use sluicegate::model::evidence::file::{self, Artifact};

use super::*;
use crate::support::sigstore::{ISSUER, SUBJECT, authority::Key};

const BYTES: &[u8] = b"what was signed";

fn json(sigstore: &Sigstore, kind: Kind, by: &By<'_>) -> Vec<u8> {
    let statement = intoto::write(&Digest::of(BYTES), None, "https://x", &json!({})).unwrap();
    match kind {
        Kind::HashedRekord1 => sigstore.blob(&Plan::of(kind), by, BYTES),
        _ => sigstore.bundle(&Plan::of(kind), by, &statement),
    }
    .to_string()
    .into_bytes()
}

#[test]
fn a_bundle_file_is_about_bytes_or_a_digest() {
    let (sigstore, key) = (Sigstore::new(), Key::new());
    let (root, public) = (root(&sigstore.trusted_root()), public(&key));
    let (digest, other) = (Digest::of(BYTES), Digest::of(b"other"));
    for kind in [Kind::HashedRekord1, Kind::Dsse1, Kind::Intoto2, Kind::HashedRekord2] {
        for (by, given) in [(By::Identity, None), (By::Key(&key), Some(&public))] {
            let bundle = json(&sigstore, kind, &by);
            let check = |key, artifact| file::check(&root, key, &bundle, artifact);
            for artifact in [Artifact::Bytes(BYTES), Artifact::Digest(&digest)] {
                let signer = check(given, artifact).unwrap();
                assert_eq!(signer.key().is_some(), given.is_some());
            }
            for artifact in [Artifact::Bytes(b"other"), Artifact::Digest(&other)] {
                assert!(matches!(check(given, artifact), Err(Outcome::Invalid(_))));
            }
            // A key where an identity is wanted, and the other way round.
            let crossed = given.is_none().then_some(&public);
            assert!(matches!(
                check(crossed, Artifact::Digest(&digest)),
                Err(Outcome::Untrusted(_))
            ));
        }
    }
    for broken in ["", "{}", "\u{fffd}", "null"] {
        let checked = file::check(&root, None, broken.as_bytes(), Artifact::Digest(&digest));
        assert!(matches!(checked, Err(Outcome::Invalid(_))), "{broken}");
    }
}

#[test]
fn verify_bundle_says_who_and_exits() {
    let (sigstore, key, dir) = (Sigstore::new(), Key::new(), tempfile::tempdir().unwrap());
    let path = |name: &str| dir.path().join(name).display().to_string();
    let write = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    write("root", sigstore.trusted_root().to_string().as_bytes());
    write("empty", br#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#);
    write("artifact", BYTES);
    write("other", b"other");
    write("cosign.pub", public(&key).to_pem().as_bytes());
    write("by-identity", &json(&sigstore, Kind::HashedRekord2, &By::Identity));
    write("by-key", &json(&sigstore, Kind::HashedRekord1, &By::Key(&key)));
    let run = |bundle: &str, artifact: &str, root: &str, more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sluicegate"));
        command.args(["verify-bundle", "--bundle", &path(bundle), "--trusted-root", &path(root)]);
        let output = command.args(more).arg(artifact).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    };
    let identity = ["--certificate-identity", SUBJECT, "--certificate-oidc-issuer", ISSUER];
    let public = path("cosign.pub");
    let by_key = ["--key", &public[..]];
    let (artifact, digest) = (path("artifact"), Digest::of(BYTES).to_string());
    for what in [&artifact, &digest] {
        let (code, text) = run("by-identity", what, "root", &identity);
        assert!(code == 0 && text.contains(SUBJECT) && text.contains("accepted"), "{code} {text}");
        let (code, text) = run("by-key", what, "root", &by_key);
        assert!(code == 0 && text.contains("key:sha256:"), "{code} {text}");
    }
    let other = ["--certificate-identity", "x", "--certificate-oidc-issuer", ISSUER];
    let elsewhere = ["--certificate-identity", SUBJECT, "--certificate-oidc-issuer", "https://x"];
    for (bundle, artifact, root, more, wanted, part) in [
        ("by-identity", &artifact, "root", &other[..], 1, "its identity is"),
        ("by-identity", &artifact, "root", &elsewhere, 1, "its issuer is"),
        ("by-identity", &artifact, "empty", &identity, 1, "nobody vouches"),
        ("by-identity", &artifact, "root", &by_key, 1, "with a certificate, not a key"),
        ("by-identity", &path("other"), "root", &identity, 1, "match"),
        ("by-key", &artifact, "root", &identity, 1, "with a key"),
        ("by-key", &path("other"), "root", &by_key, 1, "match"),
        ("by-identity", &path("nowhere"), "root", &identity, 2, "cannot read the artifact"),
        ("nowhere", &artifact, "root", &identity, 2, "cannot read the bundle"),
        ("by-identity", &artifact, "artifact", &identity, 2, "the trust root"),
        ("by-identity", &artifact, "root", &[], 2, "--certificate-identity"),
        ("by-identity", &artifact, "root", &identity[..2], 2, "--certificate-oidc-issuer"),
    ] {
        let (code, text) = run(bundle, artifact, root, more);
        assert!(code == wanted && text.contains(part), "{more:?}: {code} {text}");
    }
    let (_, text) = run("by-key", &digest, "root", &["--key", &public, "-o", "json"]);
    let view: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(view["verdict"], "accepted");
}
