//! Verifying: resolve once, gather every statement, judge.
//!
//! The tag is resolved by the one request that reads the manifest; after it
//! only the digest travels (Kyverno CVE-2022-47633: a tag that flips between
//! two look-ups). At most four sequential round trips: the manifest, the
//! listings, the manifests of the statements, the statements; and one more for
//! the layer where a policy compares the lock with what the manifests name.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    edge::{
        clock,
        registry::{Fault, Fetched, Key, Registries, RegistryError, Store},
    },
    model::{
        artifact::manifest::{Annotations, Descriptor},
        bundle::{lock::Lock, need::Need},
        digest::Digest,
        evidence,
        policy::{
            self, Decision, Gap, Kind, Policy, Reading, Ruling, Verdict,
            rule::{
                Context,
                provenance::{Contents, LockDemand},
            },
        },
        reference::{Place, Reference, Tag},
    },
};

use super::{
    content, deep,
    discover::{self, Examine, Gathered, Kept},
    error::{Error, Result},
    lock::{self, LockOptions},
};

/// The largest layer that is kept with a decision, in bytes.
const MAX_LAYER: u64 = 64 << 20;

/// An artifact that was read: its manifest, at a digest that does not change
/// any more.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Where it was read.
    pub store: Store,
    /// Its manifest or index.
    pub manifest: Fetched,
    /// What the manifest says.
    pub content: Content,
}

/// What a manifest says, as far as this program reads it. Unverified until a
/// verdict says otherwise.
///
/// Read leniently: a signature is about the bytes, whatever they say, so an odd
/// field keeps nobody from judging it. Who needs the content asks
/// [`Content::intact`] first.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// The annotations that are texts.
    pub annotations: Annotations,
    /// The config; `None` for an index.
    pub config: Option<Descriptor>,
    /// The layers; none for an index.
    pub layers: Vec<Descriptor>,
    /// The first thing that could not be read.
    flaw: Option<String>,
}

impl Content {
    /// Reads a manifest.
    pub fn read(manifest: &[u8]) -> Self {
        #[derive(Deserialize, Default)]
        struct Parts<'a> {
            #[serde(borrow, default)]
            annotations: Option<&'a RawValue>,
            #[serde(borrow, default)]
            config: Option<&'a RawValue>,
            #[serde(borrow, default)]
            layers: Option<&'a RawValue>,
        }
        fn part<T: for<'de> Deserialize<'de> + Default>(
            name: &str,
            raw: Option<&RawValue>,
            flaw: &mut Option<String>,
        ) -> T {
            let Some(raw) = raw else { return T::default() };
            serde_json::from_str(raw.get()).unwrap_or_else(|error| {
                flaw.get_or_insert(format!("its `{name}` cannot be read: {error}"));
                T::default()
            })
        }
        let mut flaw = None;
        let parts: Parts<'_> = serde_json::from_slice(manifest).unwrap_or_else(|error| {
            flaw = Some(format!("it is not a manifest: {error}"));
            Parts::default()
        });
        Self {
            annotations: part("annotations", parts.annotations, &mut flaw),
            config: part("config", parts.config, &mut flaw),
            layers: part("layers", parts.layers, &mut flaw),
            flaw,
        }
    }

    /// Refuses a manifest of which something could not be read.
    ///
    /// # Errors
    /// [`Fault::Malformed`] naming it.
    pub fn intact(&self) -> Result<(), RegistryError> {
        match &self.flaw {
            Some(flaw) => {
                Err(RegistryError::new("read the manifest", Fault::Malformed(flaw.clone())))
            }
            None => Ok(()),
        }
    }
}

impl Artifact {
    /// The digest.
    pub fn digest(&self) -> &Digest {
        &self.manifest.descriptor.digest
    }
}

/// What is demanded, and how closely the bytes are looked at.
#[derive(Debug, Clone)]
pub struct Request {
    /// What must be known.
    pub policy: Policy,
    /// Whether the bytes of the layers are read and checked as well; on a layout
    /// they always are.
    pub deep: bool,
    /// How charts and images are resolved again, for `lock: current`.
    pub lock: LockOptions,
    /// Whether every byte that the decision rests on is kept.
    pub keep: bool,
}

impl Request {
    /// A policy, nothing else.
    pub fn new(policy: Policy) -> Self {
        Self { policy, deep: false, lock: LockOptions::default(), keep: false }
    }
}

/// What verifying came to.
#[derive(Debug)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// How each obligation of the policy stands; none when the artifact's own
    /// bytes are wrong.
    pub rulings: Vec<Ruling>,
    /// Everything that was found.
    pub gathered: Gathered,
    /// The artifact; `None` when its bytes are not what the digest names, and when
    /// an earlier decision was replayed.
    pub artifact: Option<Artifact>,
    /// The annotations of its manifest; none when its bytes are wrong.
    pub annotations: Annotations,
    /// When it was judged.
    pub at: Timestamp,
    /// What it rests on, when that was to be kept.
    pub basis: Option<Basis>,
}

/// What a decision rests on.
#[derive(Debug, Default)]
pub struct Basis {
    /// Every byte.
    pub kept: Kept,
    /// The artifact's layer, when a policy looked into it.
    pub layer: Option<Digest>,
    /// What charts and images resolved to, when a policy asked.
    pub resolved: Option<Lock>,
}

/// Something that is judged: everything that a policy is told besides
/// statements.
#[derive(Debug)]
pub struct Case {
    /// What must be known.
    pub policy: Policy,
    /// The digest.
    pub subject: Digest,
    /// The annotations of its manifest.
    pub annotations: Annotations,
    /// The tag that was asked for.
    pub tag: Option<Tag>,
    /// Where it was asked for.
    pub resource: String,
    /// When.
    pub now: Timestamp,
}

impl Case {
    /// What must be known about `subject`, which `reference` asked for.
    pub fn new(
        policy: Policy,
        reference: &Reference,
        subject: Digest,
        annotations: Annotations,
        now: Timestamp,
    ) -> Self {
        let (tag, resource) = (reference.asked(), reference.resource());
        Self { policy, subject, annotations, tag, resource, now }
    }

    fn of(policy: Policy, reference: &Reference, artifact: &Artifact) -> Self {
        let annotations = artifact.content.annotations.clone();
        Self::new(policy, reference, *artifact.digest(), annotations, clock::now())
    }

    /// As rules see it.
    pub fn context(&self) -> Context<'_> {
        Context {
            subject: &self.subject,
            annotations: &self.annotations,
            tag: self.tag.as_ref(),
            resource: &self.resource,
            now: self.now,
        }
    }

    /// Looks at statements by a policy, without judging them.
    pub fn examiner(policy: Policy, reference: &Reference, artifact: &Artifact) -> Examine {
        Arc::new(Self::of(policy, reference, artifact)).examine()
    }

    /// Looks at statements by the policy.
    pub fn examine(self: &Arc<Self>) -> Examine {
        let (case, trust) = (Arc::clone(self), self.policy.trust());
        Examine::by(move |found| {
            case.policy.exhibit(case.context(), evidence::check(&case.subject, &trust, found))
        })
    }

    /// Judges what was found.
    pub fn judge(&self, gathered: &Gathered, reading: Reading<'_>) -> Decision {
        policy::judge(&self.policy, self.context(), &gathered.exhibits, &gathered.gaps, reading)
    }
}

/// Reads what a reference names: the digest when one is written, else the tag,
/// else `latest`.
///
/// # Errors
/// [`Error::NotFound`] and registry errors; [`Fault::WrongDigest`] among them.
pub async fn resolve(registries: &Registries, reference: &Reference) -> Result<Artifact> {
    let store = registries.open(&reference.place)?;
    let key = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => Key::Digest(*digest),
        (None, tag) => Key::Tag(tag.clone().unwrap_or_else(Tag::latest)),
    };
    let Some(manifest) = store.manifest(&key).await? else {
        let implied = reference.tag.is_none() && reference.digest.is_none();
        let nowhere = !store.exists().await;
        return Err(Error::NotFound { what: named(reference), implied, nowhere });
    };
    let content = Content::read(&manifest.bytes);
    Ok(Artifact { store, manifest, content })
}

/// The reference as it was looked up.
fn named(reference: &Reference) -> String {
    match (&reference.tag, &reference.digest) {
        (None, None) => format!("{reference}:latest"),
        _ => reference.to_string(),
    }
}

/// Verifies by a policy. With `deep`, and always on a layout, the bytes of the
/// config, the layers and, below an index, of everything are read and checked
/// as well.
///
/// # Errors
/// Only what keeps the manifest from being read; everything after is a verdict.
pub async fn verify(
    registries: &Registries,
    reference: &Reference,
    request: Request,
) -> Result<Judged> {
    let artifact = match resolve(registries, reference).await {
        Ok(artifact) => artifact,
        Err(Error::Registry(cause)) => return wrong_bytes(reference, *cause),
        Err(error) => return Err(error),
    };
    let Request { policy, deep, lock, keep } = request;
    let case = Arc::new(Case::of(policy, reference, &artifact));
    let kept = keep.then(|| Arc::new(Mutex::new(Kept::default())));
    let examine = match &kept {
        Some(kept) => case.examine().keeping(Arc::clone(kept)),
        None => case.examine(),
    };
    let gathered =
        discover::gather(&artifact.store, artifact.digest(), &examine, registries.limits()).await;
    let read = read_contents(registries, &artifact, &case.policy, &lock).await;
    let Decision { verdict, rulings } = case.judge(&gathered, read.reading());
    let deep = deep || matches!(reference.place, Place::Layout(_));
    let (verdict, intact) = match verdict.kind() {
        Kind::Accepted if deep => {
            let verdict = deep::read(&artifact, verdict).await;
            let intact = matches!(verdict.kind(), Kind::Accepted);
            (verdict, intact)
        }
        _ => (verdict, true),
    };
    let basis = match kept.filter(|_| intact) {
        Some(kept) => Some(basis(&artifact, &kept, read).await?),
        None => None,
    };
    let annotations = case.annotations.clone();
    Ok(Judged {
        verdict,
        rulings,
        gathered,
        artifact: Some(artifact),
        annotations,
        at: case.now,
        basis,
    })
}

/// Puts together what a decision rests on: the statements that were kept, the
/// manifest, and what the policy read of the artifact itself.
async fn basis(artifact: &Artifact, kept: &Mutex<Kept>, read: Inside) -> Result<Basis> {
    let mut kept = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
    kept.blob(*artifact.digest(), artifact.manifest.bytes.clone());
    let Inside::Read { current, .. } = read else {
        return Ok(Basis { kept, ..Basis::default() });
    };
    let layer = content::layer(artifact, MAX_LAYER)?;
    let bytes = artifact.store.blob(layer, MAX_LAYER).await?;
    kept.blob(layer.digest, bytes);
    Ok(Basis { kept, layer: Some(layer.digest), resolved: current })
}

/// What the artifact's own content says, as far as the policy wants to know.
enum Inside {
    NotRead,
    Read { needs: Vec<Need>, current: Option<Lock> },
    Unread(Gap),
}

impl Inside {
    fn reading(&self) -> Reading<'_> {
        match self {
            Self::NotRead => Reading::NotRead,
            Self::Read { needs, current } => {
                Reading::Read(Contents { needs, current: current.as_ref() })
            }
            Self::Unread(gap) => Reading::Unread(gap),
        }
    }
}

async fn read_contents(
    registries: &Registries,
    artifact: &Artifact,
    policy: &Policy,
    options: &LockOptions,
) -> Inside {
    let demands = policy.lock_demands();
    if demands.is_empty() {
        return Inside::NotRead;
    }
    let needs = match content::inside(artifact).await {
        Ok(inside) => inside.needs,
        Err(error) => {
            let what = "the artifact's layer".to_owned();
            return Inside::Unread(Gap { what, why: error.to_string(), cap: None });
        }
    };
    let current = match demands.contains(&LockDemand::Current) {
        true => Some(lock::resolve(&needs, registries, options, |_| {}).await),
        false => None,
    };
    Inside::Read { needs, current }
}

/// Wrong bytes for the artifact's own manifest are a verdict; any other fault
/// is unknown.
fn wrong_bytes(reference: &Reference, cause: super::error::RegistryCause) -> Result<Judged> {
    match (&cause.fault, reference.digest) {
        (Fault::WrongDigest { wanted, got }, _) => Ok(Judged {
            verdict: Verdict::wrong_bytes(
                *wanted,
                format!("the manifest stored as `{wanted}` has the digest `{got}`"),
            ),
            rulings: Vec::new(),
            gathered: Gathered::default(),
            artifact: None,
            annotations: Annotations::new(),
            at: clock::now(),
            basis: None,
        }),
        _ => Err(Error::Registry(Box::new(cause))),
    }
}
