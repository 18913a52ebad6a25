//! Every field of valid fixtures is changed, removed, duplicated and retyped.
//! What is authenticated must reject; what nothing authenticates is listed, with
//! the reason, in `tests/vectors/unauthenticated.toml`, and leaves the evidence
//! as it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sluicegate::model::{
    artifact::manifest::Descriptor,
    evidence::identity::Signer,
    statement::attachment::{self, Holder},
};

use super::*;
use crate::support::sigstore::{
    authority::Key,
    der::{places, replaced, tlv},
};

/// A JSON document with one thing changed, as text: a key may come twice.
struct Mutant {
    /// Where, with `*` for places in lists.
    path: String,
    text: String,
}

/// Every mutant of a document.
fn mutants(document: &Value) -> Vec<Mutant> {
    let mut pointers = Vec::new();
    walk(document, String::new(), &mut pointers);
    let mut all = Vec::new();
    for pointer in pointers {
        let path = general(&pointer);
        let value = document.pointer(&pointer).unwrap();
        let mut push = |path: &str, text: String| all.push(Mutant { path: path.into(), text });
        for by in others(value) {
            push(&path, with(document, &pointer, |slot| *slot = by));
        }
        if let Value::Object(_) = value {
            let more = with(document, &pointer, |slot| slot["extra"] = json!(1));
            push(&format!("{path}/extra"), more);
        }
        let Some((above, key)) = pointer.rsplit_once('/') else { continue };
        let key = key.replace("~1", "/");
        match document.pointer(above).unwrap() {
            Value::Object(_) => {
                push(
                    &path,
                    with(document, above, |slot| {
                        slot.as_object_mut().unwrap().remove(&key);
                    }),
                );
                for by in [value.clone(), json!(null), json!("eA==")] {
                    let doubled = with(document, above, |slot| slot["\u{1}"] = by);
                    push(&path, doubled.replace("\\u0001", &key));
                }
            }
            _ => {
                let index: usize = key.parse().unwrap();
                push(
                    &path,
                    with(document, above, |slot| {
                        slot.as_array_mut().unwrap().remove(index);
                    }),
                );
                push(
                    &path,
                    with(document, above, |slot| {
                        slot.as_array_mut().unwrap().push(value.clone());
                    }),
                );
            }
        }
    }
    all
}

fn walk(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let name = |key: &str| key.replace('~', "~0").replace('/', "~1");
            fields.iter().for_each(|(key, v)| walk(v, format!("{pointer}/{}", name(key)), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| walk(v, format!("{pointer}/{i}"), found));
        }
        _ => {}
    }
    found.push(pointer);
}

fn general(pointer: &str) -> String {
    let part =
        |part: &str| if part.parse::<usize>().is_ok() { "*".into() } else { part.to_owned() };
    pointer.split('/').map(part).collect::<Vec<String>>().join("/")
}

fn with(document: &Value, pointer: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut changed = document.clone();
    change(changed.pointer_mut(pointer).unwrap());
    changed.to_string()
}

/// Other values in the place of one: retyped, and changed in its own type.
fn others(value: &Value) -> Vec<Value> {
    let mut all = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("eA=="),
        json!([]),
        json!({}),
        json!([value]),
        json!({"extra": value}),
    ];
    match value {
        Value::String(text) => {
            all.extend(["x", "\n", "\u{0}"].map(|more| json!(format!("{text}{more}"))));
            all.push(json!(text.to_uppercase()));
            all.push(json!(text.chars().skip(1).collect::<String>()));
            if let Ok(number) = text.parse::<i64>() {
                all.extend([json!(number), json!((number + 1).to_string())]);
            }
            if let Ok(bytes) = STANDARD.decode(text) {
                all.extend(flips(&bytes, 3).map(|bytes| json!(STANDARD.encode(bytes))));
                all.push(json!(STANDARD.encode([&bytes[..], b"\0"].concat())));
            }
        }
        Value::Number(number) => {
            all.extend([json!(number.to_string()), json!(number.as_i64().unwrap_or(0) + 1)]);
        }
        _ => {}
    }
    all.retain(|other| other != value);
    all
}

/// The bytes with one bit changed, at so many places.
fn flips(bytes: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> {
    let step = bytes.len().div_ceil(count).max(1);
    let bytes = bytes.to_vec();
    (0..bytes.len()).step_by(step).map(move |at| {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        changed
    })
}

/// Every mutant of a document in DER: each bit of a byte that the step meets, and
/// each value changed, removed, doubled, emptied, retyped.
fn der_mutants(document: &[u8], step: usize) -> Vec<(String, Vec<u8>)> {
    let places = places(document);
    let mut all = Vec::new();
    for at in (0..document.len()).step_by(step) {
        let inner = places.iter().rev().find(|p| (p.start..p.end).contains(&at));
        let path = inner.map_or_else(|| "/".to_owned(), |place| place.path.clone());
        for bit in if at % 4 == 0 { 0..8 } else { 0..1 } {
            let mut changed = document.to_vec();
            changed[at] ^= 1 << bit;
            all.push((path.clone(), changed));
        }
    }
    for place in &places {
        let (whole, content) =
            (&document[place.start..place.end], &document[place.content..place.end]);
        let tag = document[place.start];
        for by in [
            Vec::new(),
            whole.repeat(2),
            tlv(tag, &[]),
            tlv(tag ^ 0x20, content),
            tlv(tag ^ 1, content),
            tlv(0x30, whole),
            tlv(tag, &[content, b"\0"].concat()),
            tlv(5, &[]),
        ] {
            if by != whole {
                all.push((place.path.clone(), replaced(document, place, &by)));
            }
        }
    }
    all
}

/// What nothing authenticates: section → path → reason.
fn list() -> BTreeMap<String, BTreeMap<String, String>> {
    let text = include_str!("../vectors/unauthenticated.toml");
    let (mut all, mut section) = (BTreeMap::<String, BTreeMap<String, String>>::new(), "");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            continue;
        }
        let quoted: Vec<&str> = line.split('"').collect();
        let [_, path, _, reason, _] = quoted[..] else { panic!("`\"path\" = \"reason\"`: {line}") };
        assert!(reason.len() > 10, "{line}: why?");
        all.entry(section.to_owned()).or_default().insert(path.into(), reason.into());
    }
    all
}

/// How a mutation run keeps its books.
struct Books {
    section: &'static str,
    trust: Trust,
    good: Evidence,
    mutants: usize,
    harmless: BTreeMap<String, usize>,
    wrong: BTreeSet<String>,
}

static UNLISTED: Mutex<BTreeSet<(&str, String)>> = Mutex::new(BTreeSet::new());
static COUNTS: Mutex<(usize, usize)> = Mutex::new((0, 0));

impl Books {
    fn new(section: &'static str, trust: &Trust, good: &Found) -> Self {
        Self {
            section,
            trust: trust.clone(),
            good: verified(trust, good),
            mutants: 0,
            harmless: BTreeMap::new(),
            wrong: BTreeSet::new(),
        }
    }

    fn judge(&mut self, path: &str, found: &Found) {
        self.mutants += 1;
        let finding = check(&self.trust, found);
        if let Some(evidence) = finding.evidence() {
            // Whoever can change it could have left it out: that must be said.
            let fewer = if evidence.times() == self.good.times() { "" } else { " (a time less)" };
            *self.harmless.entry(format!("{path}{fewer}")).or_default() += 1;
            let same = evidence.signer() == self.good.signer()
                && evidence.subject() == self.good.subject()
                && evidence.claim() == self.good.claim();
            let known = evidence.times().iter().all(|time| self.good.times().contains(time));
            if !(same && known) {
                self.wrong.insert(format!("{path}: {evidence:?}"));
            }
        }
    }

    /// Nothing was wrongly accepted, and what was accepted is listed; gives what
    /// of the list was met.
    fn close(self) -> BTreeSet<String> {
        assert!(self.wrong.is_empty(), "{}: {:#?}", self.section, self.wrong);
        let listed = list().remove(self.section).unwrap_or_default();
        let entry = |path: &String| {
            let extra = path.ends_with("/extra") && listed.contains_key("**/extra");
            let name = if extra { "**/extra".to_owned() } else { path.clone() };
            listed.contains_key(&name).then_some(name)
        };
        let unlisted: Vec<_> = self.harmless.keys().filter(|path| entry(path).is_none()).collect();
        let harmless: usize = self.harmless.values().sum();
        println!("{}: {} mutants, {harmless} harmless", self.section, self.mutants);
        for path in unlisted {
            UNLISTED.lock().unwrap().insert((self.section, path.clone()));
        }
        let mut counts = COUNTS.lock().unwrap();
        (counts.0, counts.1) = (counts.0 + self.mutants, counts.1 + harmless);
        self.harmless.keys().filter_map(entry).collect()
    }
}

/// What is listed but was never harmless is listed wrongly.
fn nothing_listed_in_vain(section: &str, met: &BTreeSet<String>) {
    let unlisted = UNLISTED.lock().unwrap().clone();
    let unlisted: Vec<_> = unlisted.iter().filter(|(name, _)| *name == section).collect();
    assert!(unlisted.is_empty(), "not listed: {unlisted:#?}");
    let listed: BTreeSet<String> = list().remove(section).unwrap_or_default().into_keys().collect();
    let vain: Vec<_> = listed.difference(met).collect();
    assert!(vain.is_empty(), "[{section}] lists in vain {vain:#?}");
}

fn above(count: usize, floor: usize) {
    assert!(count > floor, "only {count} mutants, the floor is {floor}");
    let (mutants, harmless) = *COUNTS.lock().unwrap();
    println!(
        "so far: {mutants} mutants, {harmless} of them harmless and listed, 0 wrongly accepted"
    );
}

const KINDS: [Kind; 3] = [Kind::Dsse1, Kind::Intoto2, Kind::HashedRekord2];

/// Every field of every bundle.
fn bundles(section: &'static str, trust: &Trust, made: impl Fn(&Plan) -> Value) -> usize {
    let (mut met, mut count) = (BTreeSet::new(), 0);
    let proof = Shown { promise: false, proof: true };
    let unpromised = Plan { shown: proof, ..Plan::of(Kind::Dsse1) };
    for plan in KINDS.map(Plan::of).into_iter().chain([unpromised]) {
        let good = made(&plan);
        let mut books = Books::new(section, trust, &bundle(&good));
        for mutant in mutants(&good) {
            let found = found(Format::Bundle, mutant.text.into_bytes(), Legacy::default());
            books.judge(&mutant.path, &found);
        }
        count += books.mutants;
        met.extend(books.close());
    }
    nothing_listed_in_vain(section, &met);
    count
}

#[test]
fn mutation_bundles_by_identities() {
    let sigstore = Sigstore::new();
    let count = bundles("bundle", &trust(&sigstore), |plan| {
        sigstore.bundle(plan, &By::Identity, &payload())
    });
    above(count, 1500);
}

#[test]
fn mutation_bundles_by_keys() {
    let (sigstore, key) = (Sigstore::new(), Key::new());
    let trust = Trust { keys: vec![public(&key)], ..trust(&sigstore) };
    let count = bundles("bundle by a key", &trust, |plan| {
        sigstore.bundle(plan, &By::Key(&key), &payload())
    });
    above(count, 1500);
}

/// What is inside of a bundle: the statement, the body of the log entry, the
/// certificate and the timestamp.
#[test]
fn mutation_what_is_inside_of_bundles() {
    let sigstore = Sigstore::new();
    let (trust, mut count, mut met) = (trust(&sigstore), 0, BTreeMap::new());
    let decode = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let material = "/verificationMaterial";
    let inside = |pointer: &str, good: &Value, bytes: &[u8]| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = STANDARD.encode(bytes).into();
        bundle(&changed)
    };
    for kind in KINDS {
        let good = sigstore.bundle(&Plan::of(kind), &By::Identity, &payload());
        let body = format!("{material}/tlogEntries/0/canonicalizedBody");
        for (section, pointer) in [("statement", "/dsseEnvelope/payload"), ("entry body", &body)] {
            let document = serde_json::from_slice(&decode(good.pointer(pointer).unwrap())).unwrap();
            let mut books = Books::new(section, &trust, &bundle(&good));
            for mutant in mutants(&document) {
                books.judge(&mutant.path, &inside(pointer, &good, mutant.text.as_bytes()));
            }
            count += books.mutants;
            met.entry(section).or_insert_with(BTreeSet::new).extend(books.close());
        }
        let certificate = format!("{material}/certificate/rawBytes");
        let stamp =
            format!("{material}/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp");
        // All bytes once; of the others, every seventh.
        let step = if kind == Kind::HashedRekord2 { 1 } else { 7 };
        for (section, pointer) in [("certificate", &certificate), ("timestamp", &stamp)] {
            let document = decode(good.pointer(pointer).unwrap());
            let mut books = Books::new(section, &trust, &bundle(&good));
            for (path, bytes) in der_mutants(&document, step) {
                books.judge(&path, &inside(pointer, &good, &bytes));
            }
            count += books.mutants;
            met.entry(section).or_insert_with(BTreeSet::new).extend(books.close());
        }
    }
    met.iter().for_each(|(section, met)| nothing_listed_in_vain(section, met));
    above(count, 9000);
}

/// A log that takes anything: the body is changed before it is logged.
#[test]
fn mutation_what_a_log_was_told() {
    let sigstore = Sigstore::new();
    let (trust, mut count, mut met) = (trust(&sigstore), 0, BTreeSet::new());
    for kind in KINDS {
        let plan = Plan::of(kind);
        let good = sigstore.bundle(&plan, &By::Identity, &payload());
        let body = good.pointer("/verificationMaterial/tlogEntries/0/canonicalizedBody").unwrap();
        let body: Value =
            serde_json::from_slice(&STANDARD.decode(body.as_str().unwrap()).unwrap()).unwrap();
        let original = body.clone();
        let mut books = Books::new("what was logged", &trust, &bundle(&good));
        for mutant in mutants(&body) {
            // Only what is still an object with its kind can be logged at all.
            let Ok(body) = serde_json::from_str::<Value>(&mutant.text) else { continue };
            if !body.is_object() || body == original {
                continue;
            }
            let mut changed = good.clone();
            sigstore.logged(&mut changed, &plan, &body);
            books.judge(&format!("{kind:?}{}", mutant.path), &bundle(&changed));
        }
        count += books.mutants;
        met.extend(books.close());
    }
    nothing_listed_in_vain("what was logged", &met);
    above(count, 700);
}

/// Every bit of the SCT, in certificates that are otherwise right.
#[test]
fn mutation_every_byte_of_an_sct() {
    let sigstore = Sigstore::new();
    let trust = trust(&sigstore);
    let plan = Plan::of(Kind::HashedRekord2);
    let good = bundle(&sigstore.bundle(&plan, &By::Identity, &payload()));
    let mut books = Books::new("sct", &trust, &good);
    for at in 0..125 {
        let plan = Plan { sct_flip: Some(at), ..plan.clone() };
        books.judge(&at.to_string(), &bundle(&sigstore.bundle(&plan, &By::Identity, &payload())));
    }
    let count = books.mutants;
    nothing_listed_in_vain("sct", &books.close());
    above(count, 120);
}

/// The annotations of cosign 2, and the payload or envelope beside them.
fn legacy(section: &'static str, trust: &Trust, by: &By<'_>, sigstore: &Sigstore) -> usize {
    let (mut met, mut count) = (BTreeSet::new(), 0);
    let fixtures = [
        sigstore.legacy_signature(&Plan::of(Kind::HashedRekord1), by, &simple()),
        sigstore.legacy_attestation(&Plan::of(Kind::Dsse1), by, &payload()),
        sigstore.legacy_attestation(&Plan::of(Kind::Intoto2), by, &payload()),
    ];
    for good in &fixtures {
        let name = if good.format == Format::LegacySignature { "sig" } else { "att" };
        let mut books = Books::new(section, trust, good);
        let document: Value = serde_json::from_slice(&good.bytes).unwrap();
        for mutant in mutants(&document) {
            let bytes = mutant.text.into_bytes();
            books.judge(&format!("{name}{}", mutant.path), &Found { bytes, ..good.clone() });
        }
        for (path, legacy) in annotations(&good.legacy) {
            books.judge(&format!("{name}: {path}"), &Found { legacy, ..good.clone() });
        }
        count += books.mutants;
        met.extend(books.close());
    }
    nothing_listed_in_vain(section, &met);
    count
}

/// Every annotation changed, removed, exchanged for another, and what is in it
/// changed.
fn annotations(good: &Legacy) -> Vec<(String, Legacy)> {
    type Slot = fn(&mut Legacy) -> &mut Option<String>;
    let slots: [(&str, Slot); 5] = [
        ("signature", |l| &mut l.signature),
        ("certificate", |l| &mut l.certificate),
        ("chain", |l| &mut l.chain),
        ("bundle", |l| &mut l.bundle),
        ("timestamp", |l| &mut l.timestamp),
    ];
    let mut all = Vec::new();
    for (name, slot) in slots {
        let mut push = |path: String, value: Option<String>| {
            let mut changed = good.clone();
            *slot(&mut changed) = value;
            if changed != *good {
                all.push((path, changed));
            }
        };
        push(name.into(), None);
        for other in ["", "x", "null", "{}", "[]", "eA=="] {
            push(name.into(), Some(other.into()));
        }
        for (_, other) in slots {
            push(name.into(), other(&mut good.clone()).clone());
        }
        let Some(text) = slot(&mut good.clone()).clone() else { continue };
        push(name.into(), Some(text.repeat(2)));
        push(name.into(), Some(format!("{text}\n")));
        match serde_json::from_str::<Value>(&text) {
            Ok(document @ Value::Object(_)) => {
                for mutant in mutants(&document) {
                    push(format!("{name}{}", mutant.path), Some(mutant.text));
                }
            }
            _ => flips(text.as_bytes(), 40)
                .filter_map(|bytes| String::from_utf8(bytes).ok())
                .for_each(|text| push(name.into(), Some(text))),
        }
    }
    all
}

#[test]
fn mutation_what_cosign_2_stored_by_identities() {
    let sigstore = Sigstore::new();
    above(legacy("legacy", &trust(&sigstore), &By::Identity, &sigstore), 1000);
}

#[test]
fn mutation_what_cosign_2_stored_by_keys() {
    let (sigstore, key) = (Sigstore::new(), Key::new());
    let trust = Trust { keys: vec![public(&key)], ..trust(&sigstore) };
    above(legacy("legacy by a key", &trust, &By::Key(&key), &sigstore), 900);
}

/// Manifests are not signed: whatever one says, what is found in it is what was
/// signed, or nothing.
#[test]
fn mutation_manifests() {
    let sigstore = Sigstore::new();
    let trust = trust(&sigstore);
    let plan = Plan::of(Kind::HashedRekord2);
    let bytes = sigstore.bundle(&plan, &By::Identity, &payload()).to_string().into_bytes();
    let artifact = Descriptor::of("application/vnd.oci.image.manifest.v1+json", b"artifact");
    let referrer =
        attachment::referrer(&artifact, bytes.clone(), uris::SIGNATURE, "2026-01-01T00:00:00Z");
    let signature =
        sigstore.legacy_signature(&Plan::of(Kind::HashedRekord1), &By::Identity, &simple());
    let mut layer = serde_json::to_value(attachment::legacy_layer(&simple(), "x")).unwrap();
    let legacy = &signature.legacy;
    layer["annotations"] = json!({
        "dev.cosignproject.cosign/signature": legacy.signature,
        "dev.sigstore.cosign/certificate": legacy.certificate,
        "dev.sigstore.cosign/chain": legacy.chain,
        "dev.sigstore.cosign/bundle": legacy.bundle,
        "dev.sigstore.cosign/rfc3161timestamp": legacy.timestamp,
    });
    let signatures = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": Digest::of(b"{}")},
        "layers": [layer],
    });
    let manifest = serde_json::from_slice(&referrer.unwrap().manifest).unwrap();
    let mut count = 0;
    for (section, manifest, blob, good) in [
        ("referrer manifest", manifest, bytes, bundle(&json!(0))),
        ("sig manifest", signatures, simple(), signature.clone()),
    ] {
        let good = Found { bytes: blob.clone(), ..good };
        let mut books = Books::new(section, &trust, &good);
        for mutant in mutants(&manifest) {
            let (holders, _) = attachment::holders(mutant.text.as_bytes(), 9);
            if holders.is_empty() {
                books.mutants += 1;
            }
            for holder in holders {
                // As a registry is read: by digest, and no other size.
                let layer = holder.layer();
                if (layer.digest, layer.size) != (Digest::of(&blob), blob.len() as u64) {
                    books.mutants += 1;
                    continue;
                }
                let legacy = holder.legacy().cloned().unwrap_or_default();
                let format = match holder {
                    Holder::Bundle(_) => Format::Bundle,
                    Holder::Signature(..) => Format::LegacySignature,
                    Holder::Envelope(..) => Format::LegacyAttestation,
                };
                books.judge(&mutant.path, &found(format, blob.clone(), legacy));
            }
        }
        assert!(matches!(books.good.signer(), Signer::Identity(_)));
        count += books.mutants;
        nothing_listed_in_vain(section, &books.close());
    }
    above(count, 500);
}
