//! Every document that a registry can hold, changed at random: nothing panics,
//! and nothing that Alice did not sign is accepted.

use sluicegate::model::{
    artifact::manifest::{self, Manifest},
    evidence::{self, Format, Found},
    statement::{attachment::Legacy, bundle, intoto, provenance::Provenance, simple_signing},
};

use super::*;
use crate::support::registry::Referrers;

/// Random enough, and the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (most.max(1) as u64)).unwrap()
    }

    fn mutate(&mut self, document: &[u8]) -> Vec<u8> {
        let mut bytes = document.to_vec();
        for _ in 0..=self.below(3) {
            bytes = match self.below(3) {
                0 => self.structure(&bytes),
                _ => self.bytes(bytes),
            };
        }
        bytes
    }

    fn bytes(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        const TOKENS: [&[u8]; 10] = [
            b"null",
            b"-1",
            b"1e999",
            b"[[[[",
            b"\"\\ud800\"",
            b"{}",
            b"[]",
            b"\0",
            b"\xff\xfe",
            b"18446744073709551616",
        ];
        let at = self.below(bytes.len());
        let to = at.saturating_add(self.below(12)).min(bytes.len());
        match self.below(5) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..to)),
            3 => drop(bytes.splice(at..to, TOKENS[self.below(10)].iter().copied())),
            _ => {
                let copied: Vec<u8> = bytes[at..to].to_vec();
                drop(bytes.splice(at..at, copied));
            }
        }
        bytes
    }

    /// Changes a value somewhere in a JSON document.
    fn structure(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(mut root) = serde_json::from_slice::<Value>(bytes) else { return bytes.to_vec() };
        let mut value = &mut root;
        for _ in 0..self.below(6) {
            let inner = match value {
                Value::Object(map) => map.len(),
                Value::Array(list) => list.len(),
                _ => 0,
            };
            if inner == 0 {
                break;
            }
            let at = self.below(inner);
            value = match value {
                Value::Object(map) => map.values_mut().nth(at).unwrap(),
                Value::Array(list) => &mut list[at],
                _ => unreachable!("it has nothing inside"),
            };
        }
        *value = match self.below(8) {
            0 => Value::Null,
            1 => json!(-1),
            2 => json!(1e300),
            3 => json!({}),
            4 => json!([value.clone(), value.clone()]),
            5 => json!("x"),
            6 => json!({"a": value.clone()}),
            _ => json!(true),
        };
        root.to_string().into_bytes()
    }
}

/// cosign #5016: a null subject, a body that is no string, and so on.
#[test]
fn cosign_5016_no_document_makes_a_parser_panic() {
    let world = World::new(Config::default());
    let subject = world.unsigned("x", None);
    let made = signature(&subject, &world.alice).bundles.remove(0);
    let payload = simple_signing::write(&subject.digest, "registry.example/shop");
    let envelope: Value = serde_json::from_slice(&made.bundle).unwrap();
    let envelope = envelope["dsseEnvelope"].to_string().into_bytes();
    let statement = intoto::write(&subject.digest, None, uris::SIGNATURE, &json!({})).unwrap();
    let index = attachment::index_with(None, std::slice::from_ref(&made.descriptor)).unwrap();
    let signatures =
        attachment::signatures_with(None, &[attachment::legacy_layer(&payload, "AAAA")]);
    let signatures = signatures.unwrap().unwrap().manifest;
    let own = std::slice::from_ref(&made.descriptor);
    let trust = vec![world.alice.public.clone()].into();
    let mut dice = Dice(0x5016);
    let mut verified = 0;
    for _ in 0..3000 {
        for (document, format) in [
            (&made.bundle, Format::Bundle),
            (&envelope, Format::LegacyAttestation),
            (&payload, Format::LegacySignature),
        ] {
            let (bytes, signature) = (dice.mutate(document), Some("AAAA".to_owned()));
            let legacy = Legacy { signature, ..Legacy::default() };
            let found = Found { format, manifest: subject.digest, bytes, legacy };
            let finding = evidence::check(&subject.digest, &trust, &found).finding;
            // Changing what is not signed may leave what is.
            verified += usize::from(finding.evidence().is_some());
            let elsewhere = evidence::check(&Digest::of(b"y"), &trust, &found).finding;
            assert!(elsewhere.evidence().is_none(), "{elsewhere:?}");
        }
        let changed = dice.mutate(&statement);
        let _any = intoto::Statement::parse(&changed);
        let _any = bundle::read(&changed);
        if let Ok(value) = serde_json::from_slice::<Value>(&changed) {
            let _any = Provenance::read(&value);
        }
        for document in [&made.manifest, index.as_ref().unwrap(), &signatures] {
            let changed = dice.mutate(document);
            let _any = serde_json::from_slice::<Manifest>(&changed);
            let _any = attachment::holders(&changed, 9);
            let _any = manifest::entries(&changed);
            let _any = attachment::index_with(Some(&changed), own);
            let _any = attachment::signatures_with(Some(&changed), own);
        }
    }
    assert!(verified > 0, "some changes are harmless");
}

/// Everything around an artifact that Alice did not sign, although she signed
/// another and Bob signed this one: whatever is changed, it is not accepted.
#[tokio::test]
async fn cosign_5016_no_change_of_what_is_stored_makes_anything_accepted() {
    for (seed, config) in [
        (7, Config::default()),
        (8, Config::old()),
        (9, Config { referrers: Referrers::Paged(1), ..Config::default() }),
    ] {
        let mut dice = Dice(seed);
        let world = World::new(config);
        let other = world.unsigned("other", None);
        for round in 0..60 {
            let subject = world.unsigned(&format!("artifact {round}"), Some("1.4.0"));
            let mut parcel = together([
                signature(&other, &world.alice),
                signature(&subject, &world.bob),
                statement(&subject, &world.alice, "https://x.example", &json!({})),
                legacy(&other, &world.alice),
            ]);
            for made in &mut parcel.bundles {
                let bytes = match dice.below(2) {
                    0 => dice.mutate(&made.bundle),
                    _ => made.bundle.clone(),
                };
                *made = attachment::referrer(&subject, bytes, uris::SIGNATURE, "").unwrap();
            }
            world.store(&subject, &parcel);
            for tag in [Tag::referrers(&subject.digest), Tag::legacy_signatures(&subject.digest)] {
                let Some(digest) = world.tag(&tag.to_string()) else { continue };
                let bytes = world.registry.manifest(REPOSITORY, &digest).unwrap();
                if dice.below(2) == 0 {
                    world.put_tagged(&tag, media::OCI_MANIFEST, dice.mutate(&bytes));
                }
            }
            let reference = world.at_digest(&subject.digest);
            assert_ne!(world.signed(&reference).await, "accepted", "seed {seed}, round {round}");
        }
    }
}
