//! Gathering every statement about a digest, from wherever one may hang.
//!
//! Three sequential round trips: the listings (referrers API, referrers tag,
//! cosign's `.sig` and `.att`), the manifests they name, the statements in
//! those. Each statement is checked as it arrives and its bytes are dropped, so
//! that a thousand of them need no more memory than a few. No more statements
//! are read than the limit says, in the order in which they promise most.
//!
//! Nothing here fails as a whole: what cannot be read becomes a [`Gap`] or an
//! unread finding, which lets the verdict be *unknown* rather than *unsigned*.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use crate::{
    edge::registry::{Fault, Fetched, Key, Limits, Referrers, RegistryError, Store},
    model::{
        artifact::manifest::{self, Descriptor},
        digest::Digest,
        evidence::{self, Finding, Format, Found, Outcome, Trust},
        policy::{Exhibit, Gap},
        reference::Tag,
        statement::attachment::{self, Holder, Legacy},
    },
};

use super::error::{self, Error};

/// How many requests are in flight at most.
const CONCURRENCY: usize = 24;
/// How many referrers are listed for each statement that may be read: those
/// that claim to be bundles are chosen from among them.
const LISTED: usize = 16;

/// What a referrer's manifest may take whatever its listing announces, in bytes.
const SMALL: u64 = 16 << 10;
/// The most text of legacy statements in referrers that is kept until it is
/// known which of them are read, in bytes.
const LEGACY_TEXT: usize = 16 << 20;

/// Who looks at a statement while its bytes are there, and who keeps them. It
/// runs on a worker of its own, under the deadline of the gathering: what it is
/// shown, anybody may have written.
#[derive(Clone)]
pub struct Examine {
    look: Arc<dyn Fn(&Found) -> Exhibit + Send + Sync>,
    kept: Option<Arc<Mutex<Kept>>>,
}

impl Examine {
    /// Looks, and keeps nothing.
    pub fn by(look: impl Fn(&Found) -> Exhibit + Send + Sync + 'static) -> Self {
        Self { look: Arc::new(look), kept: None }
    }

    /// Also keeps every byte that is read.
    pub fn keeping(self, kept: Arc<Mutex<Kept>>) -> Self {
        Self { kept: Some(kept), ..self }
    }

    /// Looks at one statement.
    pub fn look(&self, found: &Found) -> Exhibit {
        (self.look)(found)
    }

    fn keep(&self, fetched: &Fetched) {
        self.keeper(|kept| kept.manifest(fetched));
    }

    fn keeper(&self, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = &self.kept {
            change(&mut kept.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Looks at statements without a policy: whose they are.
pub fn recognise(subject: Digest, trust: Trust) -> Examine {
    Examine::by(move |found| Exhibit::recognised(evidence::check(&subject, &trust, found).finding))
}

/// How many statements are examined at once. That needs a processor, not time:
/// more would only need more memory.
const EXAMINED_AT_ONCE: usize = 4;

/// The most bytes that are kept of a decision.
const MAX_KEPT: usize = 256 << 20;

/// What a decision rests on, to be decided again from it.
#[derive(Debug, Default)]
pub struct Kept {
    /// Manifests and what they hold, by their digests.
    pub blobs: BTreeMap<Digest, Bytes>,
    /// The manifests that may hold statements, in the order they were read.
    pub manifests: Vec<Digest>,
    size: usize,
    /// Whether there was more than is kept.
    pub over: bool,
}

impl Kept {
    /// Keeps a manifest that may hold statements.
    fn manifest(&mut self, fetched: &Fetched) {
        let digest = fetched.descriptor.digest;
        if !self.manifests.contains(&digest) {
            self.manifests.push(digest);
        }
        self.blob(digest, fetched.bytes.clone());
    }

    /// Keeps bytes whose digest was checked.
    pub fn blob(&mut self, digest: Digest, bytes: Bytes) {
        if self.size.saturating_add(bytes.len()) > MAX_KEPT {
            self.over = true;
        } else if !self.blobs.contains_key(&digest) {
            self.size += bytes.len();
            self.blobs.insert(digest, bytes);
        }
    }
}

/// Everything that was found about a digest.
#[derive(Debug, Default)]
pub struct Gathered {
    /// One entry a statement, in a stable order.
    pub exhibits: Vec<Exhibit>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// What to do about the first of them.
    pub hint: Option<String>,
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

impl Shelf {
    /// Whether a statement is where readers look for one of its format: legacy
    /// signatures at the `.sig` tag only, and everything else anywhere but
    /// there. Others may hang the same layers elsewhere, where cosign and Flux
    /// do not find them.
    pub fn is_in_place(&self, finding: &Finding) -> bool {
        let at_tag = self
            .signatures
            .as_ref()
            .is_some_and(|fetched| fetched.descriptor.digest == finding.manifest);
        at_tag == (finding.format == Format::LegacySignature)
    }
}

/// Gathers and checks every statement about `subject`.
pub async fn gather(
    store: &Store,
    subject: &Digest,
    examine: &Examine,
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
    let until = Instant::now() + limits.gather;
    let memory = Semaphore::new(kib(limits.in_flight));
    let turns = Arc::new(Semaphore::new(EXAMINED_AT_ONCE));
    let reader = Reader { store, examine, limits, memory, turns, until };
    let (mut referrers, mut kept) = (Vec::new(), 0);
    let mut looks = stream::iter(&descriptors).map(|d| reader.look(d)).buffered(CONCURRENCY);
    while let Some((descriptor, looked)) = looks.next().await {
        match looked {
            Ok((found, more)) if found.is_empty() && !more => {
                gathered.attachments.push(descriptor.clone());
            }
            Ok((mut found, more)) => {
                let all = found.len();
                found.retain(|holder| {
                    kept += holder.legacy().map_or(0, Legacy::len);
                    holder.legacy().is_none() || kept <= LEGACY_TEXT
                });
                let more = more || found.len() < all;
                referrers.push((descriptor.digest, (found, more)));
            }
            Err(outcome) => {
                let finding = Finding::new(Format::Bundle, descriptor.digest, outcome);
                gathered.exhibits.push(finding.into());
                gathered.attachments.push(descriptor.clone());
            }
        }
    }
    let mut legacy = Vec::new();
    for (format, read) in
        [(Format::LegacySignature, signatures), (Format::LegacyAttestation, attestations)]
    {
        if let Some(fetched) = gathered.legacy(format, read) {
            examine.keep(&fetched);
            let found = attachment::holders(&fetched.bytes, limits.statements);
            legacy.push((fetched.descriptor.digest, found));
        }
    }
    let spots = gathered.choose(legacy, referrers, limits);
    let exhibits = reader.statements(&spots).await;
    gathered.exhibits.extend(exhibits);
    gathered.sort();
    gathered
}

/// Where a statement is: a layer, and the manifest that has it.
type Spot = (Holder, Digest);

struct Reader<'a> {
    store: &'a Store,
    examine: &'a Examine,
    limits: &'a Limits,
    memory: Semaphore,
    /// What is examined at once: parsed, a statement is many times its size.
    turns: Arc<Semaphore>,
    /// When no more is read.
    until: Instant,
}

impl Reader<'_> {
    /// Finds the statements in a manifest that a listing names.
    async fn look<'d>(
        &self,
        descriptor: &'d Descriptor,
    ) -> (&'d Descriptor, Result<(Vec<Holder>, bool), Outcome>) {
        // What a listing announces need not be true: a larger one is read again,
        // with the memory that it may take.
        let announced = descriptor.size.max(SMALL).min(self.limits.manifest);
        let looked = match self.holders(descriptor, announced).await {
            Err(RegistryError { fault: Fault::TooLarge { .. }, .. })
                if announced < self.limits.manifest =>
            {
                self.holders(descriptor, self.limits.manifest).await
            }
            looked => looked,
        };
        let looked = match looked {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(Outcome::Unread("it is listed but not there".into())),
            Err(error) => Err(outcome(&error)),
        };
        (descriptor, looked)
    }

    /// The statements in a manifest of at most `limit` bytes.
    async fn holders(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Option<(Vec<Holder>, bool)>, RegistryError> {
        // Held while the manifest is there: this is what bounds memory.
        let _held = self.hold(limit).await;
        let key = Key::Digest(descriptor.digest);
        let read = timeout_at(self.until, self.store.manifest_within(&key, limit)).await;
        let Ok(read) = read else {
            let fault = Fault::TimedOut(self.limits.gather);
            return Err(RegistryError::new("read a referrer", fault));
        };
        let found = |fetched: Fetched| {
            let found = attachment::holders(&fetched.bytes, self.limits.statements);
            if !found.0.is_empty() {
                self.examine.keep(&fetched);
            }
            found
        };
        Ok(read?.map(found))
    }

    /// Waits for room for so many bytes.
    async fn hold(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let weight = kib(bytes).min(kib(self.limits.in_flight));
        self.memory.acquire_many(u32::try_from(weight).unwrap_or(u32::MAX)).await.ok()
    }

    /// Reads and checks statements. What several manifests name in exactly the
    /// same words is read once; whoever names it in other words, with another
    /// size for one, is read on his own and spoils nothing for the others.
    async fn statements(&self, spots: &[Spot]) -> Vec<Exhibit> {
        let mut distinct: BTreeMap<(Digest, u64, Format, Option<&Legacy>), usize> = BTreeMap::new();
        let mut first = Vec::new();
        let places: Vec<usize> = spots
            .iter()
            .map(|spot| {
                let (layer, format) = (spot.0.layer(), format(&spot.0));
                let words = (layer.digest, layer.size, format, spot.0.legacy());
                *distinct.entry(words).or_insert_with(|| {
                    first.push(spot);
                    first.len() - 1
                })
            })
            .collect();
        let found: Vec<Exhibit> = stream::iter(first)
            .map(|(holder, manifest)| self.statement(holder, *manifest))
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let of = |(spot, place): (&Spot, usize)| {
            let mut exhibit = found.get(place)?.clone();
            exhibit.finding.manifest = spot.1;
            Some(exhibit)
        };
        spots.iter().zip(places).filter_map(of).collect()
    }

    /// What is not read because the time is up.
    fn late(&self) -> Outcome {
        Outcome::Unread(format!("not read within {:?}", self.limits.gather))
    }

    async fn statement(&self, holder: &Holder, manifest: Digest) -> Exhibit {
        let format = format(holder);
        let layer = holder.layer();
        let failed = |outcome| Finding::new(format, manifest, outcome).into();
        if layer.size > self.limits.statement {
            let limit = self.limits.statement;
            let why = format!("it is larger than the {limit} bytes of `--max-statement`");
            return failed(Outcome::Unread(why));
        }
        // Held until the statement was checked: this is what bounds memory.
        let _held = self.hold(layer.size).await;
        let read = self.store.blob(layer, self.limits.statement);
        let bytes = match timeout_at(self.until, read).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return failed(outcome(&error)),
            Err(_) => return failed(self.late()),
        };
        self.examine.keeper(|kept| kept.blob(layer.digest, bytes.clone()));
        let legacy = holder.legacy().cloned().unwrap_or_default();
        let found = Found { format, manifest, bytes: bytes.to_vec(), legacy };
        let examine = self.examine.clone();
        let turn = timeout_at(self.until, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return failed(self.late()) };
        let examined = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            examine.look(&found)
        });
        match timeout_at(self.until, examined).await {
            Ok(Ok(exhibit)) => exhibit,
            Ok(Err(_)) => failed(Outcome::Invalid("it could not be examined".into())),
            Err(_) => failed(self.late()),
        }
    }
}

fn format(holder: &Holder) -> Format {
    match holder {
        Holder::Bundle(_) => Format::Bundle,
        Holder::Signature(..) => Format::LegacySignature,
        Holder::Envelope(..) => Format::LegacyAttestation,
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
    /// Puts the statements into an order that does not depend on how digests
    /// happen to fall.
    pub fn sort(&mut self) {
        self.exhibits.sort_by(|Exhibit { finding: a, .. }, Exhibit { finding: b, .. }| {
            let key = |f: &Finding| (f.format, f.predicate_type.clone(), f.manifest);
            key(a).cmp(&key(b))
        });
    }

    /// What checking each statement came to.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.exhibits.iter().map(|exhibit| &exhibit.finding)
    }

    /// Refuses to decide what to write from an incomplete picture.
    ///
    /// # Errors
    /// [`Error::Unread`] naming the first part that could not be read.
    pub fn refuse_gaps(&self) -> Result<(), Error> {
        match self.gaps.iter().find(|gap| gap.cap.is_none()) {
            Some(gap) => {
                let message = format!("cannot read {}: {}", gap.what, gap.why);
                Err(Error::Unread { message, hint: self.hint.clone() })
            }
            None => Ok(()),
        }
    }

    /// Refuses to go on as if what was not read did not exist, statements and
    /// what is over a cap included.
    ///
    /// # Errors
    /// [`Error::Unread`] naming the first of it.
    pub fn refuse_unread(&self) -> Result<(), Error> {
        self.refuse_gaps()?;
        let over = self.gaps.first().map(|gap| (gap.what.clone(), &gap.why));
        let unread = self.findings().find_map(|finding| match &finding.outcome {
            Outcome::Unread(why) => Some((format!("the statement `{}`", finding.manifest), why)),
            _ => None,
        });
        match over.or(unread) {
            Some((what, why)) => {
                let message = format!("cannot read {what}: {why}");
                Err(Error::Unread { message, hint: self.hint.clone() })
            }
            None => Ok(()),
        }
    }

    fn gap(&mut self, what: String, error: &RegistryError) {
        self.hint = self.hint.take().or_else(|| error::registry_hint(&error.fault));
        self.gaps.push(Gap { what, why: error.fault.to_string(), cap: None });
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
                let entries = manifest::entries(&fetched.bytes).unwrap_or_default();
                self.shelf.index = Some(fetched);
                entries
            }
            Ok(None) => Vec::new(),
            // A list of other bytes than announced is no list; it is not empty.
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

    /// What stands at a legacy tag. Wrong bytes there are a bad statement like
    /// any other.
    fn legacy(
        &mut self,
        format: Format,
        read: Result<Option<Fetched>, RegistryError>,
    ) -> Option<Fetched> {
        match read {
            Ok(found) => found,
            Err(RegistryError { fault: fault @ Fault::WrongDigest { wanted, .. }, .. }) => {
                let outcome = Outcome::Invalid(fault.to_string());
                self.exhibits.push(Finding::new(format, wanted, outcome).into());
                None
            }
            Err(error) => {
                let what = if format == Format::LegacySignature { ".sig" } else { ".att" };
                self.gap(format!("the legacy tag `{what}`"), &error);
                None
            }
        }
    }

    /// The statements that will be read, no more than the limit in all. Nobody
    /// can crowd out the others: a quarter is kept for the legacy tags, and of
    /// each referrer the first statement comes before any second.
    fn choose(
        &mut self,
        legacy: Vec<(Digest, (Vec<Holder>, bool))>,
        referrers: Vec<(Digest, (Vec<Holder>, bool))>,
        limits: &Limits,
    ) -> Vec<Spot> {
        if legacy.iter().chain(&referrers).any(|(_, (_, more))| *more) {
            self.over_cap(limits);
        }
        let (legacy, referrers) = (in_turn(legacy), in_turn(referrers));
        let total = legacy.len() + referrers.len();
        let kept = legacy.len().min((limits.statements / 4).max(1));
        let room = limits.statements.saturating_sub(kept);
        let mut spots: Vec<Spot> = Vec::new();
        let (early, late) = legacy.split_at(kept);
        spots.extend(referrers.into_iter().take(room));
        spots.extend(early.iter().chain(late).take(limits.statements - spots.len()).cloned());
        if spots.len() < total {
            self.over_cap(limits);
        }
        spots
    }

    fn over_cap(&mut self, limits: &Limits) {
        let gap = Gap {
            what: "statements beyond the cap (`--max-statements`)".to_owned(),
            why: format!("there are more than {}", limits.statements),
            cap: Some("--max-statements"),
        };
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }
}

/// The statements of several manifests: the first of each, the second of each,
/// and so on.
fn in_turn(manifests: Vec<(Digest, (Vec<Holder>, bool))>) -> Vec<Spot> {
    let ranked = manifests.into_iter().flat_map(|(manifest, (holders, _))| {
        holders.into_iter().enumerate().map(move |(rank, holder)| (rank, (holder, manifest)))
    });
    let mut ranked: Vec<(usize, Spot)> = ranked.collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, spot)| spot).collect()
}

/// Memory is counted in KiB, since a semaphore counts in 32 bits.
fn kib(bytes: u64) -> usize {
    usize::try_from(bytes / 1024 + 1).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}
