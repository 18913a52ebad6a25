//! Verifying: resolve once, gather every statement, judge.
//!
//! The tag is resolved by the one request that reads the manifest; after it
//! only the digest travels (Kyverno CVE-2022-47633: a tag that flips between
//! two look-ups). At most four sequential round trips: the manifest, the
//! listings, the manifests of the statements, the statements; and one more for
//! the layer where a policy compares the lock with what the manifests name.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    edge::{
        clock,
        registry::{BlobReader, Fault, Fetched, Key, Registries, RegistryError, Store},
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
    content,
    discover::{self, Examine, Gathered},
    error::{Error, Result},
    lock::{self, LockOptions},
};

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
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Content {
    /// The annotations.
    #[serde(default)]
    pub annotations: Option<Annotations>,
    /// The config; `None` for an index.
    #[serde(default)]
    pub config: Option<Descriptor>,
    /// The layers; none for an index.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
}

impl Content {
    /// The annotations, empty when there are none.
    pub fn annotations(&self) -> Annotations {
        self.annotations.clone().unwrap_or_default()
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
}

impl Request {
    /// A policy, nothing else.
    pub fn new(policy: Policy) -> Self {
        Self { policy, deep: false, lock: LockOptions::default() }
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
    /// The artifact; `None` when its bytes are not what the digest names.
    pub artifact: Option<Artifact>,
    /// When it was judged.
    pub at: Timestamp,
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
    fn new(policy: Policy, reference: &Reference, artifact: &Artifact) -> Self {
        // What is read without tag and digest is `latest`: that was asked for.
        let asked = match (&reference.tag, &reference.digest) {
            (None, None) => Some(Tag::latest()),
            (tag, _) => tag.clone(),
        };
        Self {
            policy,
            subject: *artifact.digest(),
            annotations: artifact.content.annotations(),
            tag: asked,
            resource: Reference { place: reference.place.clone(), tag: None, digest: None }
                .to_string(),
            now: clock::now(),
        }
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
        Arc::new(Self::new(policy, reference, artifact)).examine()
    }

    /// Looks at statements by the policy.
    fn examine(self: &Arc<Self>) -> Examine {
        let (case, trust) = (Arc::clone(self), self.policy.trust());
        Arc::new(move |found| {
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
        (None, Some(tag)) => Key::Tag(tag.clone()),
        (None, None) => Key::Tag(Tag::latest()),
    };
    let Some(manifest) = store.manifest(&key).await? else {
        return Err(Error::NotFound { what: named(reference) });
    };
    let content = serde_json::from_slice(&manifest.bytes).map_err(|error| {
        let fault = Fault::Malformed(format!("it is not a manifest: {error}"));
        RegistryError::new(format!("read the manifest `{}`", manifest.descriptor.digest), fault)
    })?;
    Ok(Artifact { store, manifest, content })
}

/// The reference as it was looked up.
fn named(reference: &Reference) -> String {
    match (&reference.tag, &reference.digest) {
        (None, None) => format!("{reference}:latest"),
        _ => reference.to_string(),
    }
}

/// Verifies by a policy.
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
    let Request { policy, deep, lock } = request;
    let case = Arc::new(Case::new(policy, reference, &artifact));
    let examine = case.examine();
    let gathered =
        discover::gather(&artifact.store, artifact.digest(), &examine, registries.limits()).await;
    let read = read_contents(registries, &artifact, &case.policy, &lock).await;
    let Decision { verdict, rulings } = case.judge(&gathered, read.reading());
    let deep = deep || matches!(reference.place, Place::Layout(_));
    let verdict = match verdict.kind() {
        Kind::Accepted if deep => read_layers(&artifact, verdict).await,
        _ => verdict,
    };
    Ok(Judged { verdict, rulings, gathered, artifact: Some(artifact), at: case.now })
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
            return Inside::Unread(Gap { what, why: error.to_string(), cap: false });
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
            at: clock::now(),
        }),
        _ => Err(Error::Registry(Box::new(cause))),
    }
}

/// Reads the config and every layer to the end.
async fn read_layers(artifact: &Artifact, verdict: Verdict) -> Verdict {
    let digest = *artifact.digest();
    for blob in artifact.content.config.iter().chain(&artifact.content.layers) {
        match read_through(&artifact.store, blob).await {
            Ok(()) => {}
            Err(error) if error.is_wrong_bytes() => {
                let found = format!("the blob `{}`: {}", blob.digest, error.fault);
                return Verdict::wrong_bytes(digest, found);
            }
            Err(error) => {
                let gap = Gap {
                    what: format!("the blob `{}`", blob.digest),
                    why: error.fault.to_string(),
                    cap: false,
                };
                return Verdict::unread(digest, &gap);
            }
        }
    }
    verdict
}

async fn read_through(store: &Store, blob: &Descriptor) -> Result<(), RegistryError> {
    let mut reader: BlobReader = store.open_blob(blob).await?;
    while reader.chunk().await?.is_some() {}
    Ok(())
}
