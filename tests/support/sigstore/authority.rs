//! A certificate authority like Fulcio, with a CT log, and a timestamp authority.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use jiff::{Span, Timestamp};
use sha2::{Digest as _, Sha256};

use super::der::{bits, context, int, octets, oid, seq, set, time, tlv, utf8};

const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
pub const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
pub const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";
/// The arc of Fulcio's extensions.
const FULCIO: &str = "1.3.6.1.4.1.57264.1";

pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// A P-256 key pair.
pub struct Key(EcdsaKeyPair);

impl Key {
    pub fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    pub fn spki(&self) -> Vec<u8> {
        let algorithm = seq(&[oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")]);
        seq(&[algorithm, bits(self.0.public_key().as_ref())])
    }

    /// What a log with this key is called.
    pub fn id(&self) -> Vec<u8> {
        sha256(&self.spki())
    }
}

/// From when until when.
pub type Window = (Timestamp, Timestamp);

/// The years around a moment.
pub fn years(around: Timestamp) -> Window {
    let (before, after) = (Span::new().hours(24 * 365), Span::new().hours(24 * 365 * 5));
    (around.checked_sub(before).unwrap(), around.checked_add(after).unwrap())
}

/// Whoever signs certificates.
pub struct Issuer {
    pub name: &'static str,
    pub key: Key,
    pub certificate: Vec<u8>,
}

impl Issuer {
    /// A root.
    pub fn root(name: &'static str, window: Window) -> Self {
        let key = Key::new();
        let tbs = tbs(name, named(name), &key.spki(), window, &authority());
        let certificate = certificate(&tbs, &key);
        Self { name, key, certificate }
    }

    /// One below this one.
    pub fn below(&self, name: &'static str, window: Window) -> Self {
        let key = Key::new();
        let mut extensions = authority();
        extensions.push(extension("2.5.29.37", false, &seq(&[oid(CODE_SIGNING)])));
        let tbs = tbs(self.name, named(name), &key.spki(), window, &extensions);
        Self { name, certificate: certificate(&tbs, &self.key), key }
    }
}

/// A certificate for an identity, as it is asked for.
#[derive(Clone)]
pub struct Request {
    /// Subject alternative names; an address with `@` is a mailbox.
    pub names: Vec<String>,
    /// Fulcio's extensions by number; the issuer is 8.
    pub claims: Vec<(u8, String)>,
    pub window: Window,
    pub usage: &'static str,
    /// How many SCTs it gets.
    pub scts: usize,
    /// Which byte of their list is wrong.
    pub sct_flip: Option<usize>,
}

/// What a leaf says besides: usage, names, claims.
fn profile(request: &Request) -> Vec<Vec<u8>> {
    let names = request.names.iter().map(|name| {
        tlv(if name.contains('@') && !name.contains(':') { 0x81 } else { 0x86 }, name.as_bytes())
    });
    let mut extensions = vec![
        extension("2.5.29.15", true, &tlv(3, &[7, 0x80])),
        extension("2.5.29.37", false, &seq(&[oid(request.usage)])),
    ];
    if !request.names.is_empty() {
        extensions.push(extension("2.5.29.17", true, &seq(&names.collect::<Vec<_>>())));
    }
    for (number, value) in &request.claims {
        let raw = matches!(number, 1..=6);
        let value = if raw { value.as_bytes().to_vec() } else { utf8(value) };
        extensions.push(extension(&format!("{FULCIO}.{number}"), false, &value));
    }
    extensions
}

/// Issues a certificate for `key`, with an SCT by `log` over what `logged` makes
/// of it.
pub fn issue(
    issuer: &Issuer,
    request: &Request,
    key: &Key,
    log: &Key,
    logged: impl Fn(Vec<u8>) -> Vec<u8>,
) -> Vec<u8> {
    let mut extensions = profile(request);
    let bare = tbs(issuer.name, seq(&[]), &key.spki(), request.window, &extensions);
    if request.scts > 0 {
        let sct = sct(log, &issuer.key.spki(), &logged(bare), request.window.0);
        let mut list = long(&long(&sct).repeat(request.scts));
        if let Some(at) = request.sct_flip {
            let length = list.len();
            list[at % length] ^= 1;
        }
        extensions.push(extension("1.3.6.1.4.1.11129.2.4.2", false, &octets(&list)));
    }
    let full = tbs(issuer.name, seq(&[]), &key.spki(), request.window, &extensions);
    certificate(&full, &issuer.key)
}

/// A signed certificate timestamp (RFC 6962).
fn sct(log: &Key, issuer: &[u8], tbs: &[u8], at: Timestamp) -> Vec<u8> {
    let millis = u64::try_from(at.as_millisecond()).unwrap().to_be_bytes();
    let length = u32::try_from(tbs.len()).unwrap().to_be_bytes();
    let entry = [&[0, 1][..], &sha256(issuer), &length[1..], tbs].concat();
    let signed = [&[0, 0][..], &millis, &entry, &[0, 0]].concat();
    [&[0][..], &log.id(), &millis, &[0, 0], &[4, 3], &long(&log.sign(&signed))].concat()
}

/// With its length in two bytes before it.
fn long(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn named(name: &str) -> Vec<u8> {
    seq(&[set(vec![seq(&[oid("2.5.4.3"), utf8(name)])])])
}

/// The extensions of an authority's certificate.
fn authority() -> Vec<Vec<u8>> {
    vec![
        extension("2.5.29.19", true, &seq(&[tlv(1, &[0xff])])),
        extension("2.5.29.15", true, &tlv(3, &[2, 4])),
    ]
}

fn extension(id: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tlv(1, &[0xff]) } else { Vec::new() };
    seq(&[oid(id), critical, octets(value)])
}

/// What is signed of a certificate.
fn tbs(
    issuer: &str,
    subject: Vec<u8>,
    spki: &[u8],
    window: Window,
    extensions: &[Vec<u8>],
) -> Vec<u8> {
    seq(&[
        context(0, &int(2)),
        tlv(2, &[&[0x10][..], &sha256(spki)[..8]].concat()),
        seq(&[oid(ECDSA_SHA256)]),
        named(issuer),
        seq(&[time(window.0), time(window.1)]),
        subject,
        spki.to_vec(),
        context(3, &seq(extensions)),
    ])
}

fn certificate(tbs: &[u8], key: &Key) -> Vec<u8> {
    seq(&[tbs.to_vec(), seq(&[oid(ECDSA_SHA256)]), bits(&key.sign(tbs))])
}

/// A timestamp authority (RFC 3161).
pub struct Tsa {
    pub root: Issuer,
    key: Key,
    pub certificate: Vec<u8>,
}

impl Tsa {
    pub fn new(window: Window) -> Self {
        let (root, key) = (Issuer::root("tsa root", window), Key::new());
        let usage = extension("2.5.29.37", true, &seq(&[oid(TIME_STAMPING)]));
        let tbs = tbs(root.name, named("tsa"), &key.spki(), window, &[usage]);
        Self { certificate: certificate(&tbs, &root.key), root, key }
    }

    /// A response that says that `signature` existed at `at`.
    pub fn stamp(&self, signature: &[u8], at: Timestamp) -> Vec<u8> {
        let algorithm = || seq(&[oid(SHA256)]);
        let imprint = seq(&[algorithm(), octets(&sha256(signature))]);
        let info = seq(&[int(1), oid("1.2.3.4"), imprint, int(7), time(at)]);
        let tst_info = oid("1.2.840.113549.1.9.16.1.4");
        let attribute = |id: &str, value: Vec<u8>| seq(&[oid(id), set(vec![value])]);
        let attributes = set(vec![
            attribute("1.2.840.113549.1.9.3", tst_info.clone()),
            attribute("1.2.840.113549.1.9.4", octets(&sha256(&info))),
        ]);
        let serial = tlv(2, &[&[0x10][..], &sha256(&self.key.spki())[..8]].concat());
        let signer = seq(&[
            int(1),
            seq(&[named(self.root.name), serial]),
            algorithm(),
            [&[0xa0], &attributes[1..]].concat(),
            seq(&[oid(ECDSA_SHA256)]),
            octets(&self.key.sign(&attributes)),
        ]);
        let content = seq(&[tst_info, context(0, &octets(&info))]);
        let data = seq(&[int(3), set(vec![algorithm()]), content, set(vec![signer])]);
        let token = seq(&[oid("1.2.840.113549.1.7.2"), context(0, &data)]);
        seq(&[seq(&[int(0)]), token])
    }
}
