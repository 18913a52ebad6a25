//! A transparency log: Rekor v1 with promises, proofs and checkpoints, and Rekor
//! v2 with its tiles' checkpoint.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::authority::{Key, sha256};

/// What kind of entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `hashedrekord` 0.0.1 of Rekor v1, for message signatures.
    HashedRekord1,
    /// `dsse` 0.0.1 of Rekor v1.
    Dsse1,
    /// `intoto` 0.0.2 of Rekor v1.
    Intoto2,
    /// `hashedrekord` 0.0.2 of Rekor v2.
    HashedRekord2,
}

/// What an entry is about.
pub struct Entry<'a> {
    pub kind: Kind,
    /// What was signed, and for statements the payload in it.
    pub message: &'a [u8],
    pub payload: &'a [u8],
    pub signature: &'a [u8],
    /// A certificate, or a public key, in DER.
    pub verifier: &'a [u8],
    pub certificate: bool,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

impl Entry<'_> {
    fn pem(&self) -> String {
        let tag = if self.certificate { "CERTIFICATE" } else { "PUBLIC KEY" };
        let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        b64(pem::encode_config(&pem::Pem::new(tag, self.verifier), config))
    }

    /// The body that the log keeps.
    pub fn body(&self) -> Value {
        let hash =
            |bytes: &[u8]| json!({"algorithm": "sha256", "value": hex::encode(sha256(bytes))});
        let (version, kind, spec) = match self.kind {
            Kind::HashedRekord1 => (
                "0.0.1",
                "hashedrekord",
                json!({
                    "data": {"hash": hash(self.message)},
                    "signature": {"content": b64(self.signature), "publicKey": {"content": self.pem()}},
                }),
            ),
            Kind::Dsse1 => (
                "0.0.1",
                "dsse",
                json!({
                    "envelopeHash": hash(b"as it was submitted"),
                    "payloadHash": hash(self.payload),
                    "signatures": [{"signature": b64(self.signature), "verifier": self.pem()}],
                }),
            ),
            Kind::Intoto2 => (
                "0.0.2",
                "intoto",
                json!({"content": {
                    "envelope": {
                        "payloadType": "application/vnd.in-toto+json",
                        "signatures": [{"publicKey": self.pem(), "sig": b64(b64(self.signature))}],
                    },
                    "hash": hash(b"as it was submitted"),
                    "payloadHash": hash(self.payload),
                }}),
            ),
            Kind::HashedRekord2 => {
                let name = if self.certificate { "x509Certificate" } else { "publicKey" };
                let raw = json!({"rawBytes": b64(self.verifier)});
                let verifier = json!({"keyDetails": "PKIX_ECDSA_P256_SHA_256", (name): raw});
                let data = json!({"algorithm": "SHA2_256", "digest": b64(sha256(self.message))});
                let signature = json!({"content": b64(self.signature), "verifier": verifier});
                let record = json!({"data": data, "signature": signature});
                ("0.0.2", "hashedrekord", json!({"hashedRekordV002": record}))
            }
        };
        json!({"apiVersion": version, "kind": kind, "spec": spec})
    }
}

/// A log and what it adds to its entries.
pub struct Log {
    pub name: &'static str,
    pub key: Key,
}

/// What of an entry is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub promise: bool,
    pub proof: bool,
}

impl Log {
    pub fn new(name: &'static str) -> Self {
        Self { name, key: Key::new() }
    }

    /// The entry as a bundle has it.
    pub fn entry(&self, body: &Value, at: Timestamp, shown: Shown) -> Value {
        let v2 = body["apiVersion"] == "0.0.2" && body["kind"] == "hashedrekord";
        let leaf = body.to_string().into_bytes();
        // The fourth of six in this shard, of many before.
        let leaves: Vec<Vec<u8>> =
            (0..6).map(|i| if i == 3 { leaf.clone() } else { vec![i] }).collect();
        let (index, size) = if v2 { (3, 6) } else { (1003, 6) };
        let root = root(&leaves);
        let mut entry = json!({
            "logIndex": index.to_string(),
            "logId": {"keyId": b64(self.key.id())},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "canonicalizedBody": b64(&leaf),
        });
        if !v2 {
            entry["integratedTime"] = at.as_second().to_string().into();
        }
        if shown.promise && !v2 {
            let promise = self.promise(&leaf, at, index);
            entry["inclusionPromise"] = json!({"signedEntryTimestamp": promise});
        }
        if shown.proof || v2 {
            entry["inclusionProof"] = json!({
                "logIndex": "3", "treeSize": size.to_string(), "rootHash": b64(&root),
                "hashes": path(&leaves, 3).iter().map(b64).collect::<Vec<_>>(),
                "checkpoint": {"envelope": self.checkpoint(size, &root)},
            });
        }
        entry
    }

    /// What signs an entry's time: the signed entry timestamp.
    fn promise(&self, leaf: &[u8], at: Timestamp, index: i32) -> String {
        let signed = format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{index}}}"#,
            b64(leaf),
            at.as_second(),
            hex::encode(self.key.id()),
        );
        b64(self.key.sign(signed.as_bytes()))
    }

    fn checkpoint(&self, size: i32, root: &[u8]) -> String {
        let note = format!("{} - 42\n{size}\n{}\n", self.name, b64(root));
        let signature = [&self.key.id()[..4], &self.key.sign(note.as_bytes())].concat();
        format!("{note}\n— {} {}\n", self.name, b64(signature))
    }
}

/// The Merkle tree of RFC 6962.
fn root(leaves: &[Vec<u8>]) -> Vec<u8> {
    match leaves {
        [leaf] => sha256(&[&[0], &leaf[..]].concat()),
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            sha256(&[&[1], &root(left)[..], &root(right)].concat())
        }
    }
}

fn path(leaves: &[Vec<u8>], index: usize) -> Vec<Vec<u8>> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut below, other) = match index < left.len() {
        true => (path(left, index), root(right)),
        false => (path(right, index - left.len()), root(left)),
    };
    below.push(other);
    below
}

/// The largest power of two below `count`.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}
