//! A small Sigstore of our own: an authority with an intermediate, a CT log, a
//! timestamp authority and two transparency logs, which make valid statements of
//! every kind for any identity, and broken ones of every kind on demand.

pub mod authority;
pub mod der;
pub mod log;

use authority::{CODE_SIGNING, Issuer, Key, Request, TIME_STAMPING, Tsa, issue, years};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{Span, Timestamp};
use log::{Entry, Kind, Log, Shown};
use serde_json::{Value, json};
use sluicegate::model::{
    artifact::manifest::Descriptor,
    digest::Digest,
    evidence::{Format, Found, key::PublicKey},
    statement::{attachment::Legacy, bundle},
};

pub const ISSUER: &str = "https://token.actions.githubusercontent.com";
pub const SUBJECT: &str =
    "https://github.com/acme/shop/.github/workflows/release.yml@refs/heads/main";

/// What GitHub Actions tells about a run, as Fulcio's extensions.
pub fn claims() -> Vec<(u8, String)> {
    let repository = "https://github.com/acme/shop";
    [
        (1, ISSUER),
        (2, "push"),
        (3, &"a".repeat(40)),
        (4, "release"),
        (5, "acme/shop"),
        (6, "refs/heads/main"),
        (8, ISSUER),
        (9, SUBJECT),
        (10, &"a".repeat(40)),
        (11, "github-hosted"),
        (12, repository),
        (13, &"a".repeat(40)),
        (14, "refs/heads/main"),
        (15, "4711"),
        (16, "https://github.com/acme"),
        (17, "42"),
        (18, SUBJECT),
        (19, &"a".repeat(40)),
        (20, "push"),
        (21, "https://github.com/acme/shop/actions/runs/1/attempts/1"),
        (22, "public"),
        (23, "production"),
        (24, "repo:acme/shop:environment:production"),
    ]
    .map(|(number, value)| (number, value.to_owned()))
    .to_vec()
}

/// When everything is signed.
pub fn noon() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn after(minutes: i64) -> Timestamp {
    noon().checked_add(Span::new().minutes(minutes)).unwrap()
}

/// What is wrong, each in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    // The certificate and its chain.
    UnlistedAuthority,
    ForTimestamps,
    SignedBeforeItWasValid,
    SignedAfterItExpired,
    TwoNames,
    NoName,
    NoIssuer,
    // The SCT.
    NoSct,
    SctTwice,
    SctByAnotherLog,
    SctOfAnotherCertificate,
    // The log entry.
    NoEntry,
    NoProofNorPromise,
    OneOfTwoEntriesUnproven,
    EntryTwice,
    ManyEntries,
    EntryInUnlistedLog,
    EntryOfAnotherSignature,
    EntryOfAnotherPayload,
    EntryOfAnotherSigner,
    PromiseByAnotherLog,
    PromiseOfAnotherTime,
    TimeFromTheFuture,
    ProofOfAnotherEntry,
    CheckpointByAnotherListedLog,
    CheckpointOfAnotherTree,
    // The timestamp.
    NoTime,
    StampOfAnotherSignature,
    StampByAnotherAuthority,
    StampTwice,
    ManyStamps,
    // The signature.
    SignatureByAnotherKey,
    SignatureOverAnotherPayload,
}

/// What is to be made.
#[derive(Clone)]
pub struct Plan {
    pub kind: Kind,
    pub shown: Shown,
    pub stamped: bool,
    pub names: Vec<String>,
    pub claims: Vec<(u8, String)>,
    pub at: Timestamp,
    pub broken: Option<Broken>,
    /// Which byte of the SCT is wrong, before the certificate is signed.
    pub sct_flip: Option<usize>,
}

impl Plan {
    /// All of it: a promise and a proof where there are some, and a timestamp.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            shown: Shown { promise: true, proof: true },
            stamped: true,
            names: vec![SUBJECT.into()],
            claims: claims(),
            at: noon(),
            broken: None,
            sct_flip: None,
        }
    }

    pub fn broken(self, broken: Broken) -> Self {
        Self { broken: Some(broken), ..self }
    }

    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }
}

/// The instance.
pub struct Sigstore {
    root: Issuer,
    intermediate: Issuer,
    ct: Key,
    pub tsa: Tsa,
    rekor: Log,
    tiles: Log,
    /// A whole other instance, which the root does not list.
    stranger: Option<Box<Sigstore>>,
}

/// A signed message with all that stands beside it.
pub struct Signed {
    pub message: Vec<u8>,
    pub signature: Vec<u8>,
    pub certificate: Option<Vec<u8>>,
    pub entries: Vec<Value>,
    pub stamps: Vec<Vec<u8>>,
}

/// Who signs.
pub enum By<'a> {
    /// Whoever an ephemeral certificate names.
    Identity,
    /// The holder of a key.
    Key(&'a Key),
}

impl Sigstore {
    pub fn new() -> Self {
        let window = years(noon());
        Self { stranger: Some(Box::new(Self::with(window, window))), ..Self::with(window, window) }
    }

    /// One whose root and intermediate are valid in these windows.
    pub fn with(root: authority::Window, intermediate: authority::Window) -> Self {
        let root = Issuer::root("fulcio root", root);
        Self {
            intermediate: root.below("fulcio intermediate", intermediate),
            root,
            ct: Key::new(),
            tsa: Tsa::new(years(noon())),
            rekor: Log::new("rekor.test"),
            tiles: Log::new("tiles.test"),
            stranger: None,
        }
    }

    /// Its `trusted_root.json`.
    pub fn trusted_root(&self) -> Value {
        let start = json!({"start": years(noon()).0.to_string()});
        let log = |key: &Key, url: &str| {
            json!({
                "baseUrl": url, "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(key.spki()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": start,
                },
                "logId": {"keyId": STANDARD.encode(key.id())},
            })
        };
        let chain = |certificates: &[&[u8]]| {
            let list: Vec<_> =
                certificates.iter().map(|c| json!({"rawBytes": STANDARD.encode(c)})).collect();
            json!({"certificates": list})
        };
        let authority = |certificates: &[&[u8]]| {
            json!({
                "subject": {"organization": "test", "commonName": "test"}, "uri": "https://test",
                "certChain": chain(certificates), "validFor": start,
            })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.rekor.key, "https://rekor.test"), log(&self.tiles.key, "https://tiles.test")],
            "certificateAuthorities":
                [authority(&[&self.intermediate.certificate, &self.root.certificate])],
            "ctlogs": [log(&self.ct, "https://ct.test")],
            "timestampAuthorities": [authority(&[&self.tsa.certificate, &self.tsa.root.certificate])],
        })
    }

    fn log(&self, kind: Kind) -> &Log {
        if kind == Kind::HashedRekord2 { &self.tiles } else { &self.rekor }
    }

    fn other(&self) -> &Self {
        self.stranger.as_deref().unwrap()
    }

    /// Signs `message`; `payload` is what is in it, for statements.
    pub fn sign(&self, plan: &Plan, by: &By<'_>, message: &[u8], payload: &[u8]) -> Signed {
        let ephemeral = Key::new();
        let (key, certificate) = match by {
            By::Identity => (&ephemeral, Some(self.certificate(plan, &ephemeral))),
            By::Key(key) => (*key, None),
        };
        let over = if plan.is(Broken::SignatureOverAnotherPayload) { b"another" } else { message };
        let signature = match plan.is(Broken::SignatureByAnotherKey) {
            true => Key::new().sign(over),
            false => key.sign(over),
        };
        let verifier = certificate.clone().unwrap_or_else(|| key.spki());
        let entry = Entry {
            kind: plan.kind,
            message,
            payload,
            signature: &signature,
            verifier: &verifier,
            certificate: certificate.is_some(),
        };
        let entries = self.entries(plan, &entry);
        let stamps = self.stamps(plan, &signature);
        Signed { message: message.to_vec(), signature, certificate, entries, stamps }
    }

    fn certificate(&self, plan: &Plan, key: &Key) -> Vec<u8> {
        let (from, until) = match plan.broken {
            Some(Broken::SignedBeforeItWasValid) => (1, 11),
            Some(Broken::SignedAfterItExpired) => (-12, -2),
            _ => (-2, 8),
        };
        let mut request = Request {
            names: plan.names.clone(),
            claims: plan.claims.clone(),
            window: (after(from), after(until)),
            usage: if plan.is(Broken::ForTimestamps) { TIME_STAMPING } else { CODE_SIGNING },
            scts: 1,
            sct_flip: plan.sct_flip,
        };
        match plan.broken {
            Some(Broken::TwoNames) => request.names.push("eve@example.com".into()),
            Some(Broken::NoName) => request.names.clear(),
            Some(Broken::NoIssuer) => request.claims.retain(|(number, _)| !matches!(number, 1 | 8)),
            Some(Broken::NoSct) => request.scts = 0,
            Some(Broken::SctTwice) => request.scts = 2,
            _ => {}
        }
        let other = plan.is(Broken::UnlistedAuthority);
        let issuer = if other { &self.other().intermediate } else { &self.intermediate };
        let ct = if plan.is(Broken::SctByAnotherLog) { &self.other().ct } else { &self.ct };
        issue(issuer, &request, key, ct, |mut tbs| {
            if plan.is(Broken::SctOfAnotherCertificate) {
                *tbs.last_mut().unwrap() ^= 1;
            }
            tbs
        })
    }

    fn entries(&self, plan: &Plan, entry: &Entry<'_>) -> Vec<Value> {
        let log = self.log(plan.kind);
        let made = |log: &Log, body: &Value| log.entry(body, plan.at, plan.shown);
        let good = || made(log, &entry.body());
        let stranger = Key::new();
        let another = |entry: Entry<'_>| vec![made(log, &entry.body())];
        match plan.broken {
            Some(Broken::NoEntry) => Vec::new(),
            Some(Broken::EntryTwice) => vec![good(), good()],
            Some(Broken::ManyEntries) => vec![good(); 33],
            Some(Broken::EntryInUnlistedLog) => {
                vec![made(self.other().log(plan.kind), &entry.body())]
            }
            Some(Broken::EntryOfAnotherSignature) => {
                another(Entry { signature: &stranger.sign(b"x"), ..*entry })
            }
            Some(Broken::EntryOfAnotherPayload) => {
                another(Entry { message: b"another", payload: b"another", ..*entry })
            }
            Some(Broken::EntryOfAnotherSigner) => match entry.certificate {
                true => {
                    let certificate = self.certificate(&Plan::of(plan.kind), &stranger);
                    another(Entry { verifier: &certificate, ..*entry })
                }
                false => another(Entry { verifier: &stranger.spki(), ..*entry }),
            },
            broken => {
                let mut entry = good();
                let many = self.spoil(broken, plan, &mut entry);
                many.into_iter().chain([entry]).collect()
            }
        }
    }

    /// Breaks an entry; what more comes with it.
    fn spoil(&self, broken: Option<Broken>, plan: &Plan, entry: &mut Value) -> Option<Value> {
        let (log, body) = (self.log(plan.kind), json!({"apiVersion": "0.0.1", "kind": "dsse"}));
        let other = |log: &Log, body: &Value| {
            log.entry(body, plan.at, Shown { promise: true, proof: true })
        };
        match broken? {
            Broken::NoProofNorPromise => {
                entry.as_object_mut().unwrap().retain(|key, _| !key.starts_with("inclusionP"));
            }
            Broken::OneOfTwoEntriesUnproven => {
                let mut bare = entry.clone();
                bare.as_object_mut().unwrap().retain(|key, _| !key.starts_with("inclusionP"));
                // Another entry of the same: the body has a space more.
                let body = STANDARD.decode(bare["canonicalizedBody"].as_str().unwrap()).unwrap();
                bare["canonicalizedBody"] = STANDARD.encode([&body[..], b" "].concat()).into();
                return Some(bare);
            }
            Broken::PromiseByAnotherLog => {
                let key = entry["logId"].clone();
                let foreign = other(&self.other().rekor, &body);
                entry["inclusionPromise"] = foreign["inclusionPromise"].clone();
                assert_eq!(entry["logId"], key);
            }
            Broken::PromiseOfAnotherTime => {
                entry["integratedTime"] = (plan.at.as_second() + 1).to_string().into();
            }
            Broken::TimeFromTheFuture => {
                let body = STANDARD.decode(entry["canonicalizedBody"].as_str().unwrap()).unwrap();
                let body = serde_json::from_slice(&body).unwrap();
                *entry = log.entry(&body, "2999-01-01T00:00:00Z".parse().unwrap(), plan.shown);
            }
            Broken::ProofOfAnotherEntry => {
                entry["inclusionProof"] = other(log, &body)["inclusionProof"].clone();
            }
            Broken::CheckpointByAnotherListedLog => {
                let listed =
                    if plan.kind == Kind::HashedRekord2 { &self.rekor } else { &self.tiles };
                let body = STANDARD.decode(entry["canonicalizedBody"].as_str().unwrap()).unwrap();
                let foreign = other(listed, &serde_json::from_slice(&body).unwrap());
                entry["inclusionProof"]["checkpoint"] =
                    foreign["inclusionProof"]["checkpoint"].clone();
            }
            Broken::CheckpointOfAnotherTree => {
                entry["inclusionProof"]["checkpoint"] =
                    other(log, &body)["inclusionProof"]["checkpoint"].clone();
            }
            Broken::NoTime => {
                entry.as_object_mut().unwrap().remove("inclusionPromise");
            }
            _ => {}
        }
        None
    }

    /// The bundle with its entry logged anew with another body.
    pub fn logged(&self, bundle: &mut Value, plan: &Plan, body: &Value) {
        let entry = self.log(plan.kind).entry(body, plan.at, plan.shown);
        bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
    }

    fn stamps(&self, plan: &Plan, signature: &[u8]) -> Vec<Vec<u8>> {
        // A minute before it is logged.
        let at = plan.at.checked_sub(Span::new().minutes(1)).unwrap();
        let stamp = || self.tsa.stamp(signature, at);
        match plan.broken {
            _ if !plan.stamped => Vec::new(),
            Some(Broken::NoTime) => Vec::new(),
            Some(Broken::StampOfAnotherSignature) => vec![self.tsa.stamp(b"another", at)],
            Some(Broken::StampByAnotherAuthority) => {
                vec![self.other().tsa.stamp(signature, at)]
            }
            Some(Broken::StampTwice) => vec![stamp(); 2],
            Some(Broken::ManyStamps) => (0..33).map(|_| stamp()).collect(),
            _ => vec![stamp()],
        }
    }
}

fn text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn certificate_pem(der: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", der))
}

impl Sigstore {
    /// A statement as a bundle of version 0.3.
    pub fn bundle(&self, plan: &Plan, by: &By<'_>, payload: &[u8]) -> Value {
        let signed = self.sign(plan, by, &bundle::message(payload), payload);
        let envelope = envelope(payload, &signed.signature);
        signed.bundle(by, "dsseEnvelope", envelope)
    }

    /// A signature of bytes as a bundle of version 0.3; no registry holds such.
    pub fn blob(&self, plan: &Plan, by: &By<'_>, bytes: &[u8]) -> Value {
        let signed = self.sign(plan, by, bytes, bytes);
        let digest = json!({"algorithm": "SHA2_256", "digest": text(&authority::sha256(bytes))});
        let content = json!({"messageDigest": digest, "signature": text(&signed.signature)});
        signed.bundle(by, "messageSignature", content)
    }

    /// What cosign 2 keeps at `.sig`.
    pub fn legacy_signature(&self, plan: &Plan, by: &By<'_>, payload: &[u8]) -> Found {
        let signed = self.sign(plan, by, payload, payload);
        let legacy = Legacy { signature: Some(text(&signed.signature)), ..self.beside(&signed) };
        found(Format::LegacySignature, payload.to_vec(), legacy)
    }

    /// What cosign 2 keeps at `.att`.
    pub fn legacy_attestation(&self, plan: &Plan, by: &By<'_>, payload: &[u8]) -> Found {
        let signed = self.sign(plan, by, &bundle::message(payload), payload);
        let bytes = envelope(payload, &signed.signature).to_string().into_bytes();
        let legacy = Legacy { signature: Some(String::new()), ..self.beside(&signed) };
        found(Format::LegacyAttestation, bytes, legacy)
    }

    /// The annotations beside a layer of cosign 2.
    fn beside(&self, signed: &Signed) -> Legacy {
        let chain = [&self.intermediate.certificate, &self.root.certificate];
        let chain = chain.map(|der| certificate_pem(der)).concat();
        let stamp = |stamp: &Vec<u8>| json!({"SignedRFC3161Timestamp": text(stamp)}).to_string();
        Legacy {
            signature: None,
            certificate: signed.certificate.as_deref().map(certificate_pem),
            chain: signed.certificate.as_ref().map(|_| chain),
            bundle: signed.entries.first().map(legacy_entry),
            timestamp: signed.stamps.first().map(stamp),
        }
    }
}

/// An entry of Rekor v1 as cosign 2 writes it.
fn legacy_entry(entry: &Value) -> String {
    let number = |key: &str| entry[key].as_str().unwrap_or("0").parse::<i64>().unwrap();
    let id = STANDARD.decode(entry["logId"]["keyId"].as_str().unwrap()).unwrap();
    json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"], "integratedTime": number("integratedTime"),
            "logIndex": number("logIndex"), "logID": hex::encode(id),
        },
    })
    .to_string()
}

fn envelope(payload: &[u8], signature: &[u8]) -> Value {
    json!({
        "payload": text(payload), "payloadType": "application/vnd.in-toto+json",
        "signatures": [{"sig": text(signature)}],
    })
}

pub fn found(format: Format, bytes: Vec<u8>, legacy: Legacy) -> Found {
    Found { format, manifest: Digest::of(&bytes), bytes, legacy }
}

/// The layer that cosign 2 writes for it.
pub fn layer(found: &Found) -> Descriptor {
    let legacy = &found.legacy;
    let kind = match found.format {
        Format::LegacySignature => "application/vnd.dev.cosign.simplesigning.v1+json",
        _ => "application/vnd.dsse.envelope.v1+json",
    };
    let annotations = [
        ("dev.cosignproject.cosign/signature", &legacy.signature),
        ("dev.sigstore.cosign/certificate", &legacy.certificate),
        ("dev.sigstore.cosign/chain", &legacy.chain),
        ("dev.sigstore.cosign/bundle", &legacy.bundle),
        ("dev.sigstore.cosign/rfc3161timestamp", &legacy.timestamp),
    ];
    let annotations = annotations
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value.clone()?)))
        .collect();
    Descriptor { annotations: Some(annotations), ..Descriptor::of(kind, &found.bytes) }
}

impl Signed {
    fn bundle(&self, by: &By<'_>, kind: &str, content: Value) -> Value {
        let signer = match (by, &self.certificate) {
            (By::Key(key), _) => ("publicKey", json!({"hint": text(&key.id())})),
            (By::Identity, certificate) => {
                ("certificate", json!({"rawBytes": text(certificate.as_ref().unwrap())}))
            }
        };
        let stamps: Vec<_> =
            self.stamps.iter().map(|stamp| json!({"signedTimestamp": text(stamp)})).collect();
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                (signer.0): signer.1,
                "tlogEntries": self.entries,
                "timestampVerificationData": {"rfc3161Timestamps": stamps},
            },
            (kind): content,
        })
    }
}

/// The public half of a key, as it is given to be trusted.
pub fn public(key: &Key) -> PublicKey {
    PublicKey::from_spki(key.spki()).unwrap()
}
