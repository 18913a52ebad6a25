//! Gathering every statement about a digest, from wherever one may hang.
//!
//! Three sequential round trips: the listings (referrers API, referrers tag,
//! cosign's `.sig` and `.att`), the manifests they name, the statements in
//! those. Each statement is checked as it arrives and its bytes are dropped, so
//! that a thousand of them need no more memory than a few.
//!
//! Nothing here fails as a whole: what cannot be read becomes a [`Gap`] or an
//! unread finding, which lets the verdict be *unknown* rather than *unsigned*.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use tokio::sync::Semaphore;

use crate::{
    edge::registry::{Fault, Fetched, Key, Limits, Referrers, RegistryError, Store},
    model::{
        artifact::manifest::{Descriptor, Index, Manifest},
        digest::Digest,
        evidence::{self, Finding, Format, Found, Outcome, key::PublicKey},
        policy::Gap,
        reference::Tag,
        statement::attachment::{self, Holder},
    },
};

use super::error::Error;

/// How many requests are in flight at most.
const CONCURRENCY: usize = 24;
/// How many referrers are listed for each statement that may be read: those
/// that claim to be bundles are chosen from among them.
const LISTED: usize = 16;
/// How many layers of one manifest are looked at.
const MAX_LAYERS: usize = 1000;

/// Everything that was found about a digest.
#[derive(Debug, Default)]
pub struct Gathered {
    /// One entry a statement, in a stable order.
    pub findings: Vec<Finding>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Referrers that hold no statement, such as an SBOM attached bare.
    pub attachments: Vec<Descriptor>,
    /// How the registry keeps referrers, for a writer.
    pub shelf: Shelf,
}

/// What a writer must know about the places where statements are kept.
#[derive(Debug, Default, Clone)]
pub struct Shelf {
    /// Whether the referrers API answered.
    pub api: bool,
    /// What stands at the referrers tag.
    pub index: Option<Fetched>,
    /// What stands at cosign's `.sig` tag.
    pub signatures: Option<Fetched>,
}

/// Gathers and checks every statement about `subject`.
pub async fn gather(
    store: &Store,
    subject: &Digest,
    keys: &[PublicKey],
    limits: &Limits,
) -> Gathered {
    let (listed, fallback, signatures, attestations) = futures::join!(
        store.referrers(subject, limits.statements.saturating_mul(LISTED)),
        read_tag(store, Tag::referrers(subject)),
        read_tag(store, Tag::legacy_signatures(subject)),
        read_tag(store, Tag::legacy_attestations(subject)),
    );
    let mut gathered = Gathered::default();
    let mut descriptors = gathered.api(listed, limits);
    descriptors.extend(gathered.fallback(fallback));
    let descriptors = gathered.select(descriptors, subject, limits);
    if let Ok(found) = &signatures {
        gathered.shelf.signatures = found.clone();
    }

    let mut legacy = Vec::new();
    for (what, read) in [("signatures", signatures), ("attestations", attestations)] {
        match read {
            Ok(found) => legacy.extend(found),
            Err(error) => gathered.gap(format!("the legacy {what} of `{subject}`"), &error),
        }
    }
    let reader =
        Reader { store, subject, keys, limits, memory: Semaphore::new(kib(limits.in_flight)) };
    let mut answers: Vec<_> = stream::iter(
        descriptors.iter().map(Work::Referrer).chain(legacy.iter().map(Work::Legacy)).enumerate(),
    )
    .map(|(place, work)| {
        let reader = &reader;
        async move { (place, reader.look(work).await) }
    })
    .buffer_unordered(CONCURRENCY)
    .collect()
    .await;
    answers.sort_by_key(|(place, _)| *place);
    for (_, looked) in answers {
        gathered.findings.extend(looked.findings);
        gathered.attachments.extend(looked.attachment);
    }
    gathered.cap(limits);
    gathered
}

/// A manifest to be looked into.
enum Work<'a> {
    /// Named by a listing, not read yet.
    Referrer(&'a Descriptor),
    /// At a legacy tag, read already.
    Legacy(&'a Fetched),
}

/// What one manifest held.
#[derive(Default)]
struct Looked {
    findings: Vec<Finding>,
    attachment: Option<Descriptor>,
}

struct Reader<'a> {
    store: &'a Store,
    subject: &'a Digest,
    keys: &'a [PublicKey],
    limits: &'a Limits,
    memory: Semaphore,
}

impl Reader<'_> {
    async fn look(&self, work: Work<'_>) -> Looked {
        match work {
            Work::Legacy(fetched) => self.holders(&fetched.bytes, fetched.descriptor.digest).await,
            Work::Referrer(descriptor) => {
                let read = self.store.manifest(&Key::Digest(descriptor.digest)).await;
                let mut looked = match read {
                    Ok(Some(fetched)) => self.holders(&fetched.bytes, descriptor.digest).await,
                    Ok(None) => self.unread(descriptor.digest, "it is listed but not there"),
                    Err(error) => self.failed(descriptor.digest, &error),
                };
                if looked.findings.is_empty() {
                    looked.attachment = Some(descriptor.clone());
                }
                looked
            }
        }
    }

    /// Reads and checks every statement in a manifest.
    async fn holders(&self, bytes: &[u8], manifest: Digest) -> Looked {
        let Ok(parsed) = serde_json::from_slice::<Manifest>(bytes) else {
            return Looked::default();
        };
        let holders = attachment::holders(&parsed);
        let findings = stream::iter(holders.into_iter().take(MAX_LAYERS))
            .map(|holder| self.statement(holder, manifest))
            .buffered(CONCURRENCY)
            .collect()
            .await;
        Looked { findings, attachment: None }
    }

    async fn statement(&self, holder: Holder, manifest: Digest) -> Finding {
        let format = match &holder {
            Holder::Bundle(_) => Format::Bundle,
            Holder::Signature(..) => Format::LegacySignature,
            Holder::Envelope(_) => Format::LegacyAttestation,
        };
        let layer = holder.layer();
        let failed = |outcome| Finding::new(format, manifest, outcome);
        if layer.size > self.limits.statement {
            let why = format!("it is larger than the limit of {} bytes", self.limits.statement);
            return failed(Outcome::Unread(why));
        }
        // Held until the statement was checked: this is what bounds memory.
        let weight = kib(layer.size).min(kib(self.limits.in_flight));
        let _held = self.memory.acquire_many(u32::try_from(weight).unwrap_or(u32::MAX)).await;
        let bytes = match self.store.blob(layer, self.limits.statement).await {
            Ok(bytes) => bytes,
            Err(error) => return failed(outcome(&error)),
        };
        let signature = match &holder {
            Holder::Signature(_, signature) => Some(signature.clone()),
            Holder::Bundle(_) | Holder::Envelope(_) => None,
        };
        let found = Found { format, manifest, bytes: bytes.to_vec(), signature };
        evidence::check(self.subject, self.keys, &found)
    }

    fn failed(&self, manifest: Digest, error: &RegistryError) -> Looked {
        let finding = Finding::new(Format::Bundle, manifest, outcome(error));
        Looked { findings: vec![finding], attachment: None }
    }

    fn unread(&self, manifest: Digest, why: &str) -> Looked {
        let finding = Finding::new(Format::Bundle, manifest, Outcome::Unread(why.to_owned()));
        Looked { findings: vec![finding], attachment: None }
    }
}

/// Wrong bytes are a bad statement; anything else was not read.
fn outcome(error: &RegistryError) -> Outcome {
    match error.is_wrong_bytes() {
        true => Outcome::Invalid(error.fault.to_string()),
        false => Outcome::Unread(error.fault.to_string()),
    }
}

async fn read_tag(store: &Store, tag: Tag) -> Result<Option<Fetched>, RegistryError> {
    store.manifest(&Key::Tag(tag)).await
}

impl Gathered {
    /// Refuses to decide what to write from an incomplete picture.
    ///
    /// # Errors
    /// [`Error::Unread`] naming the first part that could not be read.
    pub fn refuse_gaps(&self) -> Result<(), Error> {
        match self.gaps.iter().find(|gap| !gap.cap) {
            Some(gap) => {
                Err(Error::Unread { message: format!("cannot read {}: {}", gap.what, gap.why) })
            }
            None => Ok(()),
        }
    }

    fn gap(&mut self, what: String, error: &RegistryError) {
        self.gaps.push(Gap { what, why: error.fault.to_string(), cap: false });
    }

    fn api(
        &mut self,
        listed: Result<Referrers, RegistryError>,
        limits: &Limits,
    ) -> Vec<Descriptor> {
        match listed {
            Ok(Referrers::Listed { descriptors, truncated }) => {
                self.shelf.api = true;
                if truncated {
                    self.over_cap(limits);
                }
                descriptors
            }
            Ok(Referrers::Unsupported) => Vec::new(),
            Err(error) => {
                self.gap("the list of referrers".into(), &error);
                Vec::new()
            }
        }
    }

    fn fallback(&mut self, read: Result<Option<Fetched>, RegistryError>) -> Vec<Descriptor> {
        match read {
            // What is no index there is somebody's artifact, not a list.
            Ok(Some(fetched)) => {
                let entries = serde_json::from_slice::<Index>(&fetched.bytes)
                    .map(|index| index.manifests)
                    .unwrap_or_default();
                self.shelf.index = Some(fetched);
                entries
            }
            Ok(None) => Vec::new(),
            Err(error) if error.is_wrong_bytes() => Vec::new(),
            Err(error) => {
                self.gap("the referrers tag".into(), &error);
                Vec::new()
            }
        }
    }

    /// Each manifest once, those that claim to be bundles first, never more
    /// than the limit, never the artifact itself.
    fn select(
        &mut self,
        descriptors: Vec<Descriptor>,
        subject: &Digest,
        limits: &Limits,
    ) -> Vec<Descriptor> {
        let mut distinct: BTreeMap<Digest, Descriptor> = BTreeMap::new();
        for descriptor in descriptors {
            let claims = attachment::claims_bundle(&descriptor);
            match distinct.get(&descriptor.digest) {
                Some(known) if attachment::claims_bundle(known) || !claims => {}
                _ => drop(distinct.insert(descriptor.digest, descriptor)),
            }
        }
        distinct.remove(subject);
        let mut chosen: Vec<_> = distinct.into_values().collect();
        chosen.sort_by_key(|descriptor| !attachment::claims_bundle(descriptor));
        if chosen.len() > limits.statements {
            chosen.truncate(limits.statements);
            self.over_cap(limits);
        }
        chosen
    }

    fn cap(&mut self, limits: &Limits) {
        if self.findings.len() > limits.statements {
            self.findings.truncate(limits.statements);
            self.over_cap(limits);
        }
    }

    fn over_cap(&mut self, limits: &Limits) {
        let fault = Fault::TooLarge { limit: limits.statements as u64 };
        let what = "statements beyond the cap (`--max-statements`)".to_owned();
        if self.gaps.iter().all(|gap| gap.what != what) {
            self.gaps.push(Gap { what, why: fault.to_string(), cap: true });
        }
    }
}

/// Memory is counted in KiB, since a semaphore counts in 32 bits.
fn kib(bytes: u64) -> usize {
    usize::try_from(bytes / 1024 + 1).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}
