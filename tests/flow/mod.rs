//! Whole flows against the registry of [`crate::support`] and against layouts:
//! what is guaranteed however a registry behaves. A test of an advisory is named
//! after it; the table is in `docs/security.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]
#![allow(clippy::print_stdout, reason = "counts are shown")]

// `sign` and `attest`: what is refused, what is repaired.
mod attaching;
// The table of advisories in the documentation.
mod advisories;
// A publish that ends at any request.
mod crash;
// What a registry does to make an artifact look signed, or unsigned.
mod hostile;
// Any stored document, changed at random.
mod mutation;
// Publishing again: what is found, what is added.
mod again;
// What is read below an index.
mod deep;
// Publishers that get in each other's way.
mod races;
// Round trips, counted.
mod round_trips;
// A cap on everything, and what it comes to.
mod bounds;
// What a registry can do wrong.
mod faults;
// Scenarios times faults, times pairs of faults.
mod monotone;
// Every way of storing statements, mixed freely, among anything else.
mod mixing;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Arc, LazyLock},
    time::Duration,
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use futures::FutureExt;
use serde_json::{Value, json};
use sluicegate::{
    edge::{
        registry::{DockerConfigSource, Options, Registries},
        signer::{self, SigningKey},
    },
    flow::{
        attach::{About, Parcel},
        error::{Class, Error},
        pack::{self, Input},
        progress::Watch,
        publish::{self, LockMode, LockRequest, Outcome, Request},
        seal::{self, Draft},
        verify::{self, Judged},
    },
    model::{
        artifact::{
            manifest::{Annotations, Descriptor},
            media,
        },
        digest::Digest,
        evidence::{identity::SignerId, key::PublicKey, root::TrustRoot},
        policy::{
            Kind, Policy,
            signers::{Matcher, SignerEntry, Who},
        },
        reference::{Place, Reference, Tag},
        statement::{attachment, intoto, simple_signing},
        uris,
    },
};
use tempfile::TempDir;

use crate::support::{
    registry::{Config, Registry},
    sigstore::{self, Plan, Sigstore, log},
};

/// The repository that is published to.
const REPOSITORY: &str = "shop/config";
const SOURCE: &str = "https://git.example/acme/shop";
const REVISION: &str = "main@sha1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The Sigstore that vouches for identities here.
static INSTANCE: LazyLock<Sigstore> = LazyLock::new(Sigstore::new);

/// How the release workflow signs.
fn plan() -> Plan {
    Plan::of(log::Kind::HashedRekord2)
}

/// What a signature says.
fn said(digest: &Digest) -> Vec<u8> {
    intoto::write(digest, None, uris::SIGNATURE, &json!({})).unwrap()
}

/// A signature by the release workflow.
fn by_identity() -> Policy {
    let exactly = |text: &str| Matcher::Exact(text.to_owned());
    let who =
        Who::Identity { issuer: exactly(sigstore::ISSUER), subject: exactly(sigstore::SUBJECT) };
    let root = TrustRoot::parse(INSTANCE.trusted_root().to_string().as_bytes()).unwrap();
    Policy { root: Some(root), ..Policy::by(vec![SignerEntry::always(who)], false) }
}

/// Somebody with a key pair on disk.
struct Signer {
    file: PathBuf,
    public: PublicKey,
}

impl Signer {
    fn new(dir: &Path, name: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let pem = pem::Pem::new("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
        let file = dir.join(format!("{name}.key"));
        fs::write(&file, pem::encode(&pem)).unwrap();
        let signer = Self { public: load(&file).public().clone(), file };
        fs::write(dir.join(format!("{name}.pub")), signer.public.to_pem()).unwrap();
        signer
    }

    fn key(&self) -> SigningKey {
        load(&self.file)
    }

    fn public_file(&self) -> PathBuf {
        self.file.with_extension("pub")
    }
}

/// What `--key` demands, and with `provenance` `--require-provenance`.
fn by(keys: &[PublicKey], provenance: bool) -> verify::Request {
    verify::Request::new(Policy::by_keys(keys.to_vec(), provenance))
}

fn load(file: &Path) -> SigningKey {
    signer::load(file.to_str().unwrap(), &mut |_| unreachable!("not encrypted")).unwrap().key
}

/// A bundle, two signers, and somewhere to publish to.
struct World {
    registry: Registry,
    dir: TempDir,
    alice: Signer,
    bob: Signer,
    /// How long an operation may take.
    patience: Duration,
}

impl World {
    fn new(config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (alice, bob) = (Signer::new(dir.path(), "alice"), Signer::new(dir.path(), "bob"));
        let world = Self {
            registry: Registry::start(config),
            dir,
            alice,
            bob,
            patience: Duration::from_secs(60),
        };
        world.write("one");
        world
    }

    /// Both kinds of registries.
    fn both() -> [Self; 2] {
        [Self::new(Config::default()), Self::new(Config::old())]
    }

    /// As one that turns requests away needs it: nobody waits for it for long.
    fn hurried(mut self) -> Self {
        self.patience = Duration::from_millis(1500);
        self
    }

    fn bundle(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    /// Changes the bundle, and with it the digest.
    fn write(&self, content: &str) {
        fs::create_dir_all(self.bundle()).unwrap();
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "shop", "namespace": "shop"}, "data": {"content": content},
        });
        fs::write(self.bundle().join("shop.yaml"), object.to_string()).unwrap();
    }

    fn registries(&self) -> Registries {
        self.registries_with(|_| {})
    }

    fn registries_with(&self, change: impl FnOnce(&mut Options)) -> Registries {
        let mut options = Options {
            deadline: self.patience,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: self.patience,
            docker_config: DockerConfigSource::default(),
            ..Options::default()
        };
        change(&mut options);
        Registries::new(options).unwrap()
    }

    fn place(&self) -> Place {
        self.registry.place(REPOSITORY)
    }

    /// A request to publish with Alice's key under `1.4.0`.
    fn request(&self) -> Request {
        Request {
            input: Input::Directory(self.bundle()),
            pack: pack::Options::default(),
            place: self.place(),
            tags: vec![tag("1.4.0")],
            signers: vec![self.alice.key()].into(),
            annotations: Annotations::new(),
            asserted: Some((SOURCE.into(), REVISION.into())),
            allow_dirty: false,
            epoch: Some("1700000000".into()),
            environment: Default::default(),
            strict: false,
            lock: LockRequest { mode: LockMode::Off, ..LockRequest::default() },
            legacy: true,
            keep_tag: true,
            force_tag: false,
            dry_run: false,
            signers_last: false,
        }
    }

    async fn publish(&self) -> Outcome {
        self.publish_with(|_| {}).await.unwrap()
    }

    async fn publish_with(&self, change: impl FnOnce(&mut Request)) -> Result<Outcome, Error> {
        let mut request = self.request();
        change(&mut request);
        // On the heap: two of them are too much for the stack of a test.
        Box::pin(publish::publish(&self.registries(), request, &silent())).await
    }

    fn at(&self, what: &str) -> Reference {
        format!("oci://{}/{REPOSITORY}{what}", self.registry.host()).parse().unwrap()
    }

    fn at_digest(&self, digest: &Digest) -> Reference {
        self.at(&format!("@{digest}"))
    }

    /// What verifying by Alice's key and her provenance comes to.
    async fn verdict(&self, what: &Reference) -> &'static str {
        self.judged(what, true).await.map_or_else(failed, |j| kind(&j))
    }

    /// What verifying by Alice's key comes to.
    async fn signed(&self, what: &Reference) -> &'static str {
        self.judged(what, false).await.map_or_else(failed, |j| kind(&j))
    }

    async fn judged(&self, what: &Reference, provenance: bool) -> Result<Judged, Error> {
        let keys = std::slice::from_ref(&self.alice.public);
        verify::verify(&self.registries(), what, by(keys, provenance)).await
    }

    /// What a policy makes of what is at `1.4.0`.
    async fn judged_by(&self, policy: Policy) -> Result<Judged, Error> {
        let request = verify::Request::new(policy);
        verify::verify(&self.registries(), &self.at(":1.4.0"), request).await
    }

    fn tag(&self, name: &str) -> Option<Digest> {
        self.registry.tag(REPOSITORY, name)
    }

    /// The requests that change something.
    fn writes(&self) -> Vec<String> {
        let lines = self.registry.log().lines();
        lines.into_iter().filter(|l| !l.starts_with("GET ") && !l.starts_with("HEAD ")).collect()
    }

    /// Stores a layer and an artifact manifest without any statement.
    fn unsigned(&self, note: &str, at: Option<&str>) -> Descriptor {
        let config = Descriptor::of(media::OCI_EMPTY, b"{}");
        let layer = Descriptor::of(media::FLUX_CONTENT, note.as_bytes());
        self.registry.put_blob(REPOSITORY, "{}");
        self.registry.put_blob(REPOSITORY, note.to_owned());
        let annotations = json!({media::SOURCE: SOURCE, media::REVISION: REVISION});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config,
            "layers": [layer], "annotations": annotations,
        });
        let bytes = manifest.to_string();
        self.registry.put_manifest(REPOSITORY, at, media::OCI_MANIFEST, bytes.clone());
        Descriptor::of(media::OCI_MANIFEST, bytes.as_bytes())
    }

    /// Stores every statement of a parcel as the registry would hold it: bundles
    /// as referrers, named by the referrers tag too where there is no API.
    fn store(&self, subject: &Descriptor, parcel: &Parcel) {
        self.registry.put_blob(REPOSITORY, "{}");
        for made in &parcel.bundles {
            self.registry.put_blob(REPOSITORY, made.bundle.clone());
            self.registry.put_manifest(
                REPOSITORY,
                None,
                media::OCI_MANIFEST,
                made.manifest.clone(),
            );
        }
        for (payload, _) in &parcel.legacy {
            self.registry.put_blob(REPOSITORY, payload.clone());
        }
        let tagged = |tag: Tag| {
            let digest = self.tag(&tag.to_string())?;
            self.registry.manifest(REPOSITORY, &digest)
        };
        let entries: Vec<_> = parcel.bundles.iter().map(|made| made.descriptor.clone()).collect();
        let tag = Tag::referrers(&subject.digest);
        if let Some(index) =
            attachment::index_with(tagged(tag.clone()).as_deref(), &entries).unwrap()
        {
            self.put_tagged(&tag, media::OCI_INDEX, index);
        }
        let layers: Vec<_> = parcel.legacy.iter().map(|(_, layer)| layer.clone()).collect();
        let tag = Tag::legacy_signatures(&subject.digest);
        if !layers.is_empty()
            && let Some(made) =
                attachment::signatures_with(tagged(tag.clone()).as_deref(), &layers).unwrap()
        {
            self.registry.put_blob(REPOSITORY, made.config);
            self.put_tagged(&tag, media::OCI_MANIFEST, made.manifest);
        }
    }

    /// Stores a bundle as a referrer.
    fn store_by(&self, subject: &Descriptor, bundle: &Value) {
        let bytes = bundle.to_string().into_bytes();
        let made = attachment::referrer(subject, bytes, uris::SIGNATURE, "").unwrap();
        self.store(subject, &bundles(vec![made]));
    }

    /// Stores at `.sig` what cosign 2 writes for the release workflow that signs
    /// `digest`.
    fn store_legacy(&self, subject: &Descriptor, digest: &Digest) {
        let payload = simple_signing::write(digest, "registry.example/shop");
        let plan = Plan::of(log::Kind::HashedRekord1);
        let found = INSTANCE.legacy_signature(&plan, &sigstore::By::Identity, &payload);
        let layer = sigstore::layer(&found);
        let mut parcel = Parcel::default();
        parcel.legacy.push((payload, layer));
        self.store(subject, &parcel);
    }

    fn put_tagged(&self, tag: &Tag, media_type: &str, bytes: Vec<u8>) -> Digest {
        self.registry.put_manifest(REPOSITORY, Some(&tag.to_string()), media_type, bytes)
    }
}

/// A parcel of these.
fn bundles(made: Vec<attachment::Attachment>) -> Parcel {
    let mut parcel = Parcel::default();
    parcel.bundles = made;
    parcel
}

/// What statements are made about.
fn about(subject: &Descriptor) -> About<'_> {
    About { subject, name: "registry.example/shop/config", created: "2026-01-01T00:00:00Z" }
}

/// A signature bundle by `signer`.
fn signature(subject: &Descriptor, signer: &Signer) -> Parcel {
    let signer = seal::Signer::Key(signer.key(), None);
    sealed(subject, &[Draft::signature(about(subject), &signer).unwrap()], &[])
}

/// A legacy signature by `signer`.
fn legacy(subject: &Descriptor, signer: &Signer) -> Parcel {
    sealed(subject, &[], &[&signer.key()])
}

/// Another statement by `signer`.
fn statement(subject: &Descriptor, signer: &Signer, kind: &str, predicate: &Value) -> Parcel {
    let signer = seal::Signer::Key(signer.key(), None);
    sealed(subject, &[Draft::statement(about(subject), &signer, kind, predicate).unwrap()], &[])
}

/// All of it in one parcel.
fn together(parcels: impl IntoIterator<Item = Parcel>) -> Parcel {
    parcels.into_iter().fold(Parcel::default(), |mut all, parcel| {
        all.bundles.extend(parcel.bundles);
        all.legacy.extend(parcel.legacy);
        all
    })
}

/// What signing by keys comes to: nobody is waited for.
fn sealed(subject: &Descriptor, drafts: &[Draft<'_>], legacy: &[&SigningKey]) -> Parcel {
    let keys: Vec<_> = drafts.iter().filter_map(|d| d.signer().key()).collect();
    let trust = keys.iter().map(|key| key.public().clone()).collect::<Vec<_>>().into();
    let made = seal::seal(about(subject), &trust, drafts, legacy).now_or_never();
    made.expect("no service is asked").unwrap()
}

fn silent() -> Watch {
    Arc::new(|_| {})
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn kind(judged: &Judged) -> &'static str {
    match judged.verdict.kind() {
        Kind::Accepted => "accepted",
        Kind::Rejected(_) => "rejected",
        Kind::Unknown(_) => "unknown",
    }
}

fn failed(error: Error) -> &'static str {
    match error.class() {
        Class::Rejected => "rejected",
        Class::Usage => "usage",
        Class::Unknown => "unknown",
    }
}

/// The program, deaf to the machine it runs on.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", "/nonexistent").env("SOURCE_DATE_EPOCH", "1700000000");
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
