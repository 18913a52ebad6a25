//! What the fuzz targets do with their bytes, one function for each parser of
//! what others wrote. `tests/fuzz_corpus.rs` includes this file and runs the
//! same functions on the corpora.
//!
//! A parser must not panic, hang or take much memory. Beyond that, each
//! function says what must hold of whatever is accepted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use serde_json::Value;
use sluicegate::{
    api::trust_policy::{self, Given, Missing},
    edge::{
        registry::parsers,
        signer::{self, SignerError},
    },
    model::{
        artifact::{
            manifest::{self, Descriptor, Manifest, Parts},
            media,
        },
        bundle::{
            bounds::{Bounds, Keep},
            chart_index::ChartIndex,
            check::{self, Options},
            constraint::{self, Constraint},
            ignore::Rules,
            path::RelPath,
            unpack::{Entry, Limits, Unpacker},
        },
        digest::Digest,
        evidence::{
            self, Format, Found, Trust, file, key::PublicKey, root::TrustRoot, services::Services,
            timestamp::Query, token::TokenClaims,
        },
        policy::{
            expression::{Expression, Input},
            words,
        },
        reference::{Reference, Repository, Tag},
        statement::{
            attachment::{self, Legacy},
            bundle as envelope,
            intoto::Statement,
            json, legacy as conversion, simple_signing,
        },
    },
};

/// A function that takes the bytes of one input.
pub type Target = fn(&[u8]);

/// Every target by name, which is also that of its file and of its corpus.
pub const TARGETS: [(&str, Target); 22] = [
    ("bundle", bundle),
    ("certificate", certificate),
    ("challenge", challenge),
    ("chart_index", chart_index),
    ("constraint", constraint),
    ("cosign2", cosign2),
    ("docker_config", docker_config),
    ("expression", expression),
    ("ignore", ignore),
    ("key", key),
    ("legacy", legacy),
    ("manifest", manifest),
    ("policy", policy),
    ("provenance", provenance),
    ("reference", reference),
    ("services", services),
    ("statement", statement),
    ("timestamp", timestamp),
    ("token", token),
    ("trust_root", trust_root),
    ("unpack", unpack),
    ("yaml", yaml),
];

/// Conditions: what is read is answered in bounded time, and alike each time.
pub fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(expression) = Expression::parse(text) else { return };
    let predicate = serde_json::json!({
        "a": [1, 2.5, "x", null, {"name": "x", "list": [1, 2, 3]}], "n": "aab", "x": -3,
        "packages": [{"name": "y", "list": [1, 2, 3]}], "y": {"z": true},
    });
    let statement = serde_json::json!({"subject": [], "predicateType": "p"});
    let artifact = serde_json::json!({"tag": "1", "annotations": {}});
    let input = Input { statement: &statement, predicate: &predicate, artifact: &artifact };
    assert_eq!(expression.evaluate(input), expression.evaluate(input));
}

/// Policies: whatever loads demands something of somebody, and can be said.
pub fn policy(data: &[u8]) {
    let given = Given { bytes: data, file: None, root: None };
    let read = trust_policy::read(given, &mut |_| {
        Err(Missing { message: "it is not there".into(), hint: "look".into() })
    });
    match read {
        Ok(read) => {
            let demands = read.policy.demands();
            assert!(!demands.is_empty());
            assert!(demands.iter().all(|d| (1..=d.signers.len()).contains(&d.threshold)));
            assert_eq!(words::sentences(&read.policy).len(), read.policy.require.len());
        }
        Err(problems) => assert!(!problems.is_empty() && problems.len() <= 100),
    }
}

/// Bundles and envelopes: nothing that a fuzzer makes up verifies.
pub fn bundle(data: &[u8]) {
    let read = [envelope::read(data), envelope::read_envelope(data, &Legacy::default())];
    for (signed, _) in read.into_iter().flatten() {
        assert_eq!(signed.message, envelope::message(&signed.payload));
    }
    let keys: Vec<PublicKey> = PublicKey::from_pem(PUBLIC).unwrap_or_default();
    assert_eq!(keys.len(), 1, "the key of this file");
    for format in [Format::Bundle, Format::LegacyAttestation, Format::LegacySignature] {
        let found = Found {
            format,
            manifest: Digest::of(b"manifest"),
            bytes: data.to_vec(),
            legacy: Legacy { signature: Some("MEUCIQ==".into()), ..Legacy::default() },
        };
        let trust = keys.clone().into();
        let finding = evidence::check(&Digest::of(b"subject"), &trust, &found).finding;
        assert!(finding.evidence().is_none(), "verified without the key");
    }
}

/// Signing configurations: whatever is chosen has a time and keeps the token
/// from travelling in clear.
pub fn services(data: &[u8]) {
    let Ok(services) = Services::choose(data, now()) else { return };
    let authority = &services.authority;
    assert!(authority.scheme() == "https" || evidence::services::is_loopback(authority));
    assert!(!services.logs.is_empty() || !services.timestamps.is_empty());
}

/// Responses of timestamp authorities: one that answers repeats what was asked.
pub fn timestamp(data: &[u8]) {
    let nonce = [0x41, 1, 2, 3, 4, 5, 6, 7];
    if Query::new(b"signature", nonce).check(data).is_ok() {
        let imprint = Digest::of(b"signature");
        assert!(data.windows(32).any(|part| part == imprint.as_bytes()));
        assert!(data.windows(8).any(|part| part == nonce));
    }
}

/// Identity tokens: one that is taken counts now, and no error quotes one.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match TokenClaims::read(text, now()) {
        Ok(claims) => assert!(claims.expires > now() && !claims.challenge.is_empty()),
        Err(error) => assert!(text.len() < 12 || !error.to_string().contains(text)),
    }
}

/// The time of every run.
fn now() -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_795_000_000).unwrap_or_default()
}

/// Whom the targets trust: nobody that signed anything in the corpora.
static TRUST: LazyLock<Trust> = LazyLock::new(|| Trust {
    keys: PublicKey::from_pem(PUBLIC).unwrap_or_default(),
    root: TrustRoot::public_good().ok(),
});

/// Bundles with certificates, log entries and timestamps, of every version:
/// nothing that a fuzzer makes up verifies.
pub fn certificate(data: &[u8]) {
    let subject = Digest::of(b"subject");
    if let Some(root) = &TRUST.root {
        for key in [None, TRUST.keys.first()] {
            for artifact in [file::Artifact::Digest(&subject), file::Artifact::Bytes(b"subject")] {
                assert!(file::check(root, key, data, artifact).is_err(), "verified");
            }
        }
    }
    if let Ok(bundle) = envelope::parse(data) {
        assert!(json::check(data).is_ok());
        let _ = bundle.to_json();
    }
}

/// `WWW-Authenticate`: no header holds more challenges than letters.
pub fn challenge(data: &[u8]) {
    assert!(parsers::challenges(data) <= data.len());
}

/// The index of a Helm repository: what it picks, it lists.
pub fn chart_index(data: &[u8]) {
    let wanted = BTreeSet::from(["podinfo".to_owned(), "a".to_owned()]);
    let Ok(index) = ChartIndex::parse(data, &wanted) else { return };
    let Ok(base) = "https://charts.example/stable?token=x".parse() else { return };
    for chart in &wanted {
        for range in [None, Some("1.x"), Some(">=0.1-0 <7 || ~9")] {
            if let Ok(entry) = index.pick(chart, range) {
                assert!(constraint::version(&entry.version).is_some());
                let _ = entry.url(&base);
            }
        }
    }
}

/// Version ranges: the tag that is picked is in the range. The first line is
/// the range, the others are tags.
pub fn constraint(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let Ok(range) = Constraint::parse(lines.next().unwrap_or_default()) else { return };
    let tags: Vec<String> = lines.map(str::to_owned).collect();
    if let Some(picked) = constraint::pick_tag(&range, &tags) {
        let version = constraint::version(&picked.replace('_', "+"));
        assert!(version.is_some_and(|version| range.matches(&version)));
    }
    let _ = range.is_exact();
}

/// What cosign 2 keeps beside a layer: an object with the layer and its
/// annotations. What becomes a bundle is one that can be written, and verifies
/// for nobody.
pub fn cosign2(data: &[u8]) {
    let Ok(Value::Object(fields)) = json::parse(data) else { return };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
    let bytes = text("layer").unwrap_or_default().into_bytes();
    let legacy = Legacy {
        signature: text("signature"),
        certificate: text("certificate"),
        chain: text("chain"),
        bundle: text("bundle"),
        timestamp: text("timestamp"),
    };
    let made =
        [conversion::of_signature(&bytes, &legacy), conversion::of_envelope(&bytes, &legacy)];
    for bundle in made.into_iter().flatten() {
        assert!(bundle.to_json().is_ok());
        assert!(bundle.verification_material.tlog_entries.len() <= 1);
    }
    for format in [Format::LegacyAttestation, Format::LegacySignature] {
        let manifest = Digest::of(b"manifest");
        let found = Found { format, manifest, bytes: bytes.clone(), legacy: legacy.clone() };
        let finding = evidence::check(&Digest::of(b"artifact"), &TRUST, &found).finding;
        assert!(finding.evidence().is_none(), "verified");
    }
}

/// Docker's `config.json`.
pub fn docker_config(data: &[u8]) {
    if let Ok(repository) = Repository::new("registry.example:5000", "team/app") {
        let _ = parsers::docker_config(data, &repository);
    }
}

/// `.sourceignore`: the patterns, an empty line, and a path. The same question
/// has the same answer.
pub fn ignore(data: &[u8]) {
    let at = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let (patterns, path) = data.split_at(at);
    let path: Vec<&[u8]> = path.split(|b| *b == b'/' || *b == b'\n').collect();
    let path: Vec<&[u8]> = path.into_iter().filter(|part| !part.is_empty()).collect();
    let directory = RelPath::new("a/b").ok();
    let files = [(None, patterns), (directory.as_ref(), patterns)];
    let asked = [String::from_utf8_lossy(patterns).into_owned()];
    let rules = Rules::new(files, &asked);
    for is_directory in [false, true] {
        let answer = rules.ignores(&path, is_directory);
        assert_eq!(answer, Rules::new(files, &asked).ignores(&path, is_directory));
    }
}

/// Key files, private and public; the password is never reached for, so that no
/// time is spent on scrypt.
pub fn key(data: &[u8]) {
    let mut asked = |_: &str| Err(SignerError::Crypto);
    if let Ok(loaded) = signer::parse(data, "fuzz", &mut asked) {
        assert!(loaded.in_clear);
        assert!(loaded.key.sign(b"message").is_ok());
    }
    let _ = signer::Sealed::parse(data, "fuzz");
    if let Ok(keys) = PublicKey::from_pem(data) {
        for key in keys {
            assert!(!key.verifies(b"message", b"signature"));
            assert_eq!(
                PublicKey::from_pem(key.to_pem().as_bytes()).map(|keys| keys.len()).ok(),
                Some(1)
            );
        }
    }
}

/// Legacy payloads and strict JSON: whatever is accepted reads the same to a
/// lenient parser, and a payload that is written again keeps its digest.
pub fn legacy(data: &[u8]) {
    let strict = json::parse(data);
    assert_eq!(strict.is_ok(), json::check(data).is_ok());
    if let Ok(value) = &strict {
        assert_eq!(serde_json::from_slice::<Value>(data).ok().as_ref(), Some(value));
    }
    if let Ok(payload) = simple_signing::parse(data) {
        assert!(strict.is_ok());
        let again = simple_signing::write(&payload.digest, &payload.docker_reference);
        assert_eq!(
            simple_signing::parse(&again).map(|again| again.digest).ok(),
            Some(payload.digest)
        );
    }
}

/// Manifests, indexes, and the edits of those that others share: adding the same
/// entry twice changes nothing.
pub fn manifest(data: &[u8]) {
    let _ = serde_json::from_slice::<Manifest>(data);
    if let (Ok(parts), Ok(entries)) = (Parts::parse(data), manifest::entries(data)) {
        assert_eq!(parts.manifests.unwrap_or_default(), entries);
    }
    let (holders, _) = attachment::holders(data, 9);
    assert!(holders.len() <= 9);
    for holder in holders {
        let _ = attachment::claims_bundle(holder.layer());
    }
    let own = [Descriptor::of(media::OCI_MANIFEST, b"own")];
    if let Ok(Some(index)) = attachment::index_with(Some(data), &own) {
        assert!(matches!(attachment::index_with(Some(&index), &own), Ok(None)));
    }
    let own = [attachment::legacy_layer(b"payload", "MEUCIQ==")];
    if let Ok(Some(signatures)) = attachment::signatures_with(Some(data), &own) {
        assert!(matches!(attachment::signatures_with(Some(&signatures.manifest), &own), Ok(None)));
        assert!(serde_json::from_slice::<Value>(&signatures.config).is_ok());
    }
}

/// The predicate of provenance: writing what was read and reading it again
/// changes nothing.
pub fn provenance(data: &[u8]) {
    use sluicegate::model::statement::provenance::Provenance;
    let Ok(value) = json::parse(data) else { return };
    let Ok(provenance) = Provenance::read(&value) else { return };
    let _ = (provenance.parameters(), provenance.commit(), provenance.claims());
    let again = serde_json::to_value(&provenance).ok();
    assert_eq!(again.and_then(|again| Provenance::read(&again).ok()).as_ref(), Some(&provenance));
}

/// References, tags and digests: what is printed reads as the same.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse().as_ref(), Ok(&reference));
        let _ = reference.place.name();
    }
    if let Ok(tag) = text.parse::<Tag>() {
        assert_eq!(tag.as_str(), text);
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
}

/// Statements: what is accepted names its subject by digest.
pub fn statement(data: &[u8]) {
    if let Ok(statement) = Statement::parse(data) {
        assert!(statement.subjects.iter().all(|digest| statement.is_about(digest)));
    }
}

/// Trust roots: what is accepted is accepted again, and names its file.
pub fn trust_root(data: &[u8]) {
    let Ok(root) = TrustRoot::parse(data) else { return };
    assert_eq!(*root.digest(), Digest::of(data));
    assert!(TrustRoot::parse(data).is_ok());
    let subject = Digest::of(b"subject");
    let nothing = file::check(&root, None, b"{}", file::Artifact::Digest(&subject));
    assert!(nothing.is_err());
}

/// Layers, compressed or not: no name leaves the directory or comes twice, and
/// the limits hold.
pub fn unpack(data: &[u8]) {
    let limits = Limits { entries: 100, file: 1 << 20, total: 2 << 20 };
    let Ok(mut unpacker) = Unpacker::new(data, limits) else { return };
    let (mut seen, mut bytes) = (BTreeMap::new(), 0);
    while let Ok(Some(entry)) = unpacker.next_entry() {
        let (path, is_file) = match entry {
            Entry::Directory { path } => (path, false),
            Entry::File { path, .. } => (path, true),
        };
        assert!(RelPath::new(path.as_str()).is_ok());
        assert!(!path.as_str().split('/').any(|part| part == ".."));
        let before = seen.insert(path.as_str().to_owned(), is_file);
        assert!(before.is_none(), "a name comes twice");
        let mut buffer = [0; 1000];
        loop {
            match unpacker.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => bytes += read as u64,
                Err(_) => return,
            }
        }
        assert!(bytes <= limits.total && seen.len() as u64 <= limits.entries);
    }
}

/// Manifests: reading and judging gives the same whatever the order of files.
pub fn yaml(data: &[u8]) {
    let options = Options { allow_secrets: false, needs: true, bounds: Bounds::default() };
    let paths: BTreeSet<RelPath> = ["a.yaml", "kustomization.yaml"]
        .iter()
        .filter_map(|path| RelPath::new(path).ok())
        .collect();
    let judged = |backwards: bool| {
        let mut facts: Vec<_> =
            paths.iter().map(|path| check::read_file(path, data, Keep::All)).collect();
        if backwards {
            facts.reverse();
        }
        check::judge(facts, &paths.iter().collect(), &options).problems
    };
    assert_eq!(judged(false), judged(true));
}

/// A key that nothing in the corpora is signed by.
const PUBLIC: &[u8] = b"-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEIAR80XmGNq9lORKCD+Uu27h/GRIC
+xnRE+6gtEQX9VgscppsWLSnz7Paduie6qxsxVIBZ3vC8Yp5lwazRcgOag==
-----END PUBLIC KEY-----
";
