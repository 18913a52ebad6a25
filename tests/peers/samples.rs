//! What real peers wrote once (`tests/vectors/peers`), judged without them.

use sluicegate::{
    edge::signer,
    model::{
        artifact::{
            config,
            manifest::{self, Descriptor, Manifest, Parts},
            media,
        },
        evidence::{
            self, Claim, Finding, Format, Found, Outcome, identity::SignerId, key::PublicKey,
        },
        statement::attachment::{self, Holder, Legacy},
    },
};
use zeroize::Zeroizing;

use super::*;

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/peers").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(name: &str) -> Manifest {
    serde_json::from_slice(&sample(&format!("{name}/manifest.json"))).expect(name)
}

fn public(name: &str) -> PublicKey {
    let keys = PublicKey::from_pem(&sample(&format!("keys/{name}.pub"))).unwrap();
    keys.into_iter().next().unwrap()
}

/// The artifact that every signature is about.
fn subject() -> Digest {
    Digest::of(&sample("flux-push/manifest.json"))
}

/// The statements of a sample, read as the program reads them: what the
/// manifest names, by digest, out of the sample's files.
fn statements(name: &str) -> Vec<Found> {
    let bytes = sample(&format!("{name}/manifest.json"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/peers").join(name);
    let blobs: BTreeMap<Digest, Vec<u8>> =
        files(&folder).into_values().map(|bytes| (Digest::of(&bytes), bytes)).collect();
    let found = |holder: Holder| {
        let format = match &holder {
            Holder::Bundle(_) => Format::Bundle,
            Holder::Signature(..) => Format::LegacySignature,
            Holder::Envelope(..) => Format::LegacyAttestation,
        };
        let legacy = holder.legacy().cloned().unwrap_or_default();
        let bytes = blobs.get(&holder.layer().digest).expect("the layer's file").clone();
        Found {
            format,
            manifest: Digest::of(&sample(&format!("{name}/manifest.json"))),
            bytes,
            legacy,
        }
    };
    attachment::holders(&bytes, 100).0.into_iter().map(found).collect()
}

/// Checks by keys alone.
fn check(subject: &Digest, keys: &[PublicKey], found: &Found) -> Finding {
    evidence::check(subject, &keys.to_vec().into(), found).finding
}

fn verified(finding: &Finding) -> (SignerId, Claim) {
    match &finding.outcome {
        Outcome::Verified(evidence) => (evidence.signer().id(), evidence.claim().clone()),
        other => panic!("{other:?}"),
    }
}

/// Every sample: its statements, each with its format and who signed it.
const SIGNED: [(&str, &[(Format, &str)]); 8] = [
    ("cosign2-sig", &[(Format::LegacySignature, "cosign2")]),
    ("cosign3-sig", &[(Format::LegacySignature, "cosign3")]),
    ("two-keys-sig", &[(Format::LegacySignature, "cosign2"), (Format::LegacySignature, "cosign3")]),
    ("cosign3-sign-bundle", &[(Format::Bundle, "cosign3")]),
    ("cosign3-sign-bundle-annotations", &[(Format::Bundle, "cosign3")]),
    ("cosign3-attest-bundle", &[(Format::Bundle, "cosign3")]),
    ("cosign2-att", &[(Format::LegacyAttestation, "cosign2")]),
    ("cosign3-att", &[(Format::LegacyAttestation, "cosign3")]),
];

#[test]
fn statements_of_peers_are_verified() {
    let both = [public("cosign2"), public("cosign3")];
    for (name, expected) in SIGNED {
        let found = statements(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, (format, key)) in found.iter().zip(expected) {
            assert_eq!(found.format, *format, "{name}");
            let (signer, claim) = verified(&check(&subject(), &both, found));
            assert_eq!(signer, SignerId::Key(public(key).fingerprint()), "{name}");
            match name.contains("att") {
                false => assert_eq!(claim, Claim::Signature, "{name}"),
                true => {
                    let Claim::Provenance(provenance) = claim else { panic!("{claim:?}") };
                    let commit = Some("0123456789abcdef0123456789abcdef01234567");
                    assert_eq!(provenance.commit(), commit, "{name}");
                }
            }
        }
    }
}

#[test]
fn statements_of_peers_count_for_their_key_and_subject_only() {
    for (name, expected) in SIGNED {
        for (found, (_, key)) in statements(name).iter().zip(expected) {
            let other = if *key == "cosign2" { "cosign3" } else { "cosign2" };
            let by_other = check(&subject(), &[public(other)], found);
            assert!(matches!(by_other.outcome, Outcome::Untrusted(_)), "{name}: {by_other:?}");
            let elsewhere = check(&Digest::of(b"another"), &[public(key)], found);
            assert!(matches!(elsewhere.outcome, Outcome::Invalid(_)), "{name}: {elsewhere:?}");
        }
    }
}

/// A changed byte anywhere in a payload or a signature is noticed.
#[test]
fn a_changed_statement_of_a_peer_is_not_verified() {
    let both = [public("cosign2"), public("cosign3")];
    for (name, _) in SIGNED {
        for found in statements(name) {
            for place in (0..found.bytes.len()).step_by(7) {
                let mut changed = found.clone();
                changed.bytes[place] ^= 1;
                let Outcome::Verified(_) = check(&subject(), &both, &changed).outcome else {
                    continue;
                };
                // Only what nobody signs may change: the envelope's other fields.
                assert_ne!(found.format, Format::LegacySignature, "{name}: byte {place}");
                let signed = |bytes: &[u8]| {
                    let value: Value = serde_json::from_slice(bytes).unwrap();
                    let envelope = value.get("dsseEnvelope").unwrap_or(&value).clone();
                    (envelope["payload"].clone(), envelope["payloadType"].clone())
                };
                assert_eq!(signed(&found.bytes), signed(&changed.bytes), "{name}: byte {place}");
            }
            let signed = found.legacy.signature.as_ref().filter(|signature| !signature.is_empty());
            let Some(signature) = signed else { continue };
            let signature = Some(signature.replacen('M', "N", 1));
            let broken = Found { legacy: Legacy { signature, ..found.legacy.clone() }, ..found };
            assert!(check(&subject(), &both, &broken).evidence().is_none(), "{name}");
        }
    }
}

#[test]
fn keys_of_peers_are_loaded() {
    let path = |name: &str| {
        let root = env!("CARGO_MANIFEST_DIR");
        format!("{root}/tests/vectors/peers/keys/{name}.key")
    };
    for (name, public_half) in [
        ("cosign2", "cosign2"),
        ("cosign3", "cosign3"),
        // The same key under cosign's old label, with the two other costs.
        ("n32768", "cosign2"),
        ("n131072", "cosign2"),
    ] {
        let load = |password: &'static str| {
            signer::load(&path(name), &mut |_| Ok(Zeroizing::new(password.to_owned())))
        };
        let loaded = load(PASSWORD).expect(name);
        assert!(!loaded.in_clear, "{name}");
        assert_eq!(loaded.key.fingerprint(), public(public_half).fingerprint(), "{name}");
        let signature = loaded.key.sign(b"message").unwrap();
        assert!(public(public_half).verifies(b"message", &signature), "{name}");
        assert!(load("hallo").unwrap_err().to_string().contains("password"), "{name}");
    }
}

#[test]
fn public_keys_are_written_as_peers_write_them() {
    for name in ["cosign2", "cosign3"] {
        let theirs = String::from_utf8(sample(&format!("keys/{name}.pub"))).unwrap();
        assert_eq!(public(name).to_pem().trim(), theirs.trim());
    }
}

#[test]
fn manifest_and_config_are_those_of_flux() {
    assert_eq!(config::FLUX_CONFIG, sample("flux-push/config.json"));
    let theirs = manifest("flux-push");
    let layer = sample("flux-push/layer.tgz");
    let layer = Descriptor::new(media::FLUX_CONTENT, Digest::of(&layer), layer.len() as u64);
    let annotations = theirs.annotations.clone().unwrap_or_default();
    let ours = config::manifest(&layer, &annotations).unwrap();
    assert_eq!(String::from_utf8(ours), String::from_utf8(sample("flux-push/manifest.json")));
}

/// A `.sig` that is made here has the config that cosign would make, and a
/// layer that is added keeps cosign's.
#[test]
fn legacy_signatures_are_stored_as_cosign_does() {
    for name in ["cosign2-sig", "cosign3-sig", "two-keys-sig"] {
        let theirs = sample(&format!("{name}/manifest.json"));
        let layers = manifest(name).layers;
        let ours = attachment::signatures_with(None, &layers).unwrap().unwrap();
        assert_eq!(ours.config, sample(&format!("{name}/config.json")), "{name}");
        let as_value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        assert_eq!(as_value(&ours.manifest), as_value(&theirs), "{name}");
        assert_eq!(attachment::signatures_with(Some(&theirs), &layers).unwrap(), None, "{name}");

        let more = attachment::legacy_layer(b"payload", "AAAA");
        let grown = attachment::signatures_with(Some(&theirs), &[more]).unwrap().unwrap();
        let grown: Manifest = serde_json::from_slice(&grown.manifest).unwrap();
        assert_eq!(grown.layers[..layers.len()], layers[..], "{name}");
        assert_eq!(grown.layers.len(), layers.len() + 1, "{name}");
    }
}

/// A bundle's manifest as cosign writes it, from the same bundle and time.
#[test]
fn referrers_have_the_parts_that_cosign_writes() {
    for (name, kind) in [("cosign3-sign-bundle", SIGNATURE), ("cosign3-attest-bundle", PROVENANCE)]
    {
        let bytes = sample("flux-push/manifest.json");
        let subject = Descriptor::of(media::OCI_MANIFEST, &bytes);
        let theirs: Value =
            serde_json::from_slice(&sample(&format!("{name}/manifest.json"))).unwrap();
        let created = text(&theirs["annotations"]["org.opencontainers.image.created"]);
        let bundle = sample(&format!("{name}/bundle.json"));
        let ours = attachment::referrer(&subject, bundle, kind, &created).unwrap();
        let ours: Value = serde_json::from_slice(&ours.manifest).unwrap();
        for part in
            ["schemaVersion", "mediaType", "artifactType", "layers", "subject", "annotations"]
        {
            assert_eq!(ours[part], theirs[part], "{name}: {part}");
        }
        assert_eq!(ours["config"]["digest"], theirs["config"]["digest"], "{name}");
    }
}

#[test]
fn lists_of_referrers_are_read_and_added_to() {
    for name in ["fallback/index.json", "fallback/index-by-oras-copy.json", "referrers-olareg.json"]
    {
        let bytes = sample(name);
        let entries = Parts::parse(&bytes).expect(name).manifests.expect(name);
        assert_eq!(entries.len(), 2, "{name}");
        assert!(entries.iter().all(attachment::claims_bundle), "{name}");
        assert_eq!(manifest::entries(&bytes).expect(name), entries, "{name}");
        assert_eq!(attachment::index_with(Some(&bytes), &entries).unwrap(), None, "{name}");
        let own = Descriptor::of(media::OCI_MANIFEST, b"own");
        let grown = attachment::index_with(Some(&bytes), &[own]).unwrap().unwrap();
        let (grown, theirs) =
            (String::from_utf8(grown).unwrap(), String::from_utf8(bytes).unwrap());
        let list = theirs.split_once(r#""manifests":["#).unwrap().1;
        let list = list.split_once("]").unwrap().0;
        assert!(grown.contains(list), "{name}: {grown}");
    }
}

/// helm leaves the media type to the registry.
#[test]
fn a_manifest_of_helm_is_read() {
    let chart = manifest("helm-push");
    assert_eq!(chart.media_type, None);
    assert_eq!(chart.layers.len(), 1);
    assert_eq!(Digest::of(&sample("helm-push/config.json")), chart.config.digest);
    assert_eq!(attachment::holders(&sample("helm-push/manifest.json"), 9), (vec![], false));
}
