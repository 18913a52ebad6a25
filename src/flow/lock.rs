//! Lock: asks registries and Helm repositories what the references of a bundle
//! resolve to now.
//!
//! Every distinct question is asked once, however many manifests name it, and
//! each repository's index is read once for all its charts. Questions run
//! concurrently, each under its own time limit; one that fails makes its needs
//! unresolved and stops nothing. Whether an incomplete lock is acceptable is
//! the caller's decision ([`Lock::require`]). A reference that carries its
//! digest is taken at its word: nothing is asked.
//!
//! Whoever can change a manifest chooses the hosts. So only a mirror counts as
//! named by the user here; what else the user named, the edge knows
//! ([`NamedBy::Content`]). Nobody makes a CI job ask machines of its network.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, Shared},
    stream,
};
use tokio::sync::Semaphore;
use url::Url;

use crate::{
    edge::registry::{Fault, NamedBy, Registries, RegistryError, Store},
    model::{
        bundle::{
            chart_index::{self, ChartIndex, Entry, IndexError, MAX_INDEX, PickError},
            constraint::{Constraint, pick_tag},
            lock::{Lock, Locked, Unresolved},
            mirror::{self, Mirror},
            need::{ChartVersion, Need, Target},
        },
        digest::Digest,
        reference::{Place, Reference, Repository, Tag},
        text::chain,
    },
};

use super::{error, progress::Progress};

/// The most tags that are listed to find a version in a range.
const MAX_TAGS: usize = 100_000;

/// An index up to this size is read beside others; a larger one is read again,
/// alone, so that memory stays bounded by one large index.
const SMALL_INDEX: u64 = 2 << 20;

/// How many small indexes are in memory at once.
const SMALL_INDEXES: u32 = 8;

/// How to resolve.
#[derive(Debug, Clone)]
pub struct LockOptions {
    /// Where to read hosts instead; of several for one host the last holds.
    pub mirrors: Vec<Mirror>,
    /// How many questions are under way at once.
    pub parallel: usize,
    /// The largest chart archive that is downloaded to be hashed, in bytes.
    pub max_chart: u64,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self { mirrors: Vec::new(), parallel: 8, max_chart: 100 << 20 }
    }
}

/// Resolves `needs`; both lists of the result are in their order. `on_item` is
/// told how many questions are answered, with or without success: fewer than
/// needs where several name the same.
pub async fn resolve(
    needs: &[Need],
    registries: &Registries,
    options: &LockOptions,
    mut on_item: impl FnMut(Progress),
) -> Lock {
    let questions: BTreeSet<Question> =
        needs.iter().filter_map(|need| Question::of(&need.target)).collect();
    let desk = Desk::new(registries, options, &questions);
    let total = questions.len();
    let mut answers = HashMap::with_capacity(total);
    on_item(Progress { done: 0, total: total as u64 });
    let mut asked = stream::iter(questions)
        .map(|question| desk.ask(question))
        .buffer_unordered(options.parallel.max(1));
    while let Some((question, answer)) = asked.next().await {
        answers.insert(question, answer);
        on_item(Progress { done: answers.len() as u64, total: total as u64 });
    }
    drop(asked);
    assemble(needs, &answers)
}

/// Puts the answers beside the needs.
fn assemble(needs: &[Need], answers: &HashMap<Question, Answer>) -> Lock {
    let mut lock = Lock::default();
    for need in needs {
        let answer = match Question::of(&need.target) {
            Some(question) => answers.get(&question).cloned().unwrap_or_else(|| {
                Err(Failure { reason: "it was not asked for".into(), absent: false })
            }),
            None => without_question(&need.target),
        };
        let need = need.clone();
        match answer {
            Ok(found) => lock.locked.push(Locked {
                need,
                digest: found.digest,
                uri: found.uri,
                version: found.version,
            }),
            Err(failure) => lock.unresolved.push(Unresolved {
                need,
                reason: failure.reason,
                absent: failure.absent,
            }),
        }
    }
    lock
}

/// What can be answered without asking anybody.
fn without_question(target: &Target) -> Answer {
    match target {
        Target::Image { host, path, digest: Some(digest), .. }
        | Target::OciChart { host, path, version: ChartVersion::Digest(digest) } => {
            Ok(Found::oci(host, path, *digest, None))
        }
        Target::Unknown { reason } => Err(Failure { reason: reason.clone(), absent: false }),
        _ => Err(Failure { reason: "it was not asked for".into(), absent: false }),
    }
}

/// Something to ask a registry or a repository, in the terms of the original
/// reference. Equal questions are asked once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Question {
    Tag { host: String, path: String, tag: String },
    Range { host: String, path: String, range: String },
    Chart { repository: String, chart: String, version: Option<String> },
}

impl Question {
    /// The question that `target` raises; `None` when it carries its own
    /// answer or says too little.
    fn of(target: &Target) -> Option<Self> {
        Some(match target.clone() {
            Target::Image { host, path, tag, digest: None } => {
                Self::Tag { host, path, tag: tag.unwrap_or_else(|| "latest".into()) }
            }
            Target::OciChart { host, path, version: ChartVersion::Tag(tag) } => {
                Self::Tag { host, path, tag: tag.replace('+', "_") }
            }
            Target::OciChart { host, path, version: ChartVersion::Range(range) } => {
                Self::Range { host, path, range }
            }
            Target::HttpChart { repository, chart, version } => {
                Self::Chart { repository, chart, version }
            }
            Target::Image { digest: Some(_), .. }
            | Target::OciChart { version: ChartVersion::Digest(_), .. }
            | Target::Unknown { .. } => return None,
        })
    }
}

/// What a question was answered with.
type Answer = Result<Found, Failure>;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    digest: Digest,
    uri: String,
    version: Option<String>,
}

impl Found {
    fn oci(host: &str, path: &str, digest: Digest, version: Option<String>) -> Self {
        Self { digest, uri: format!("oci://{host}/{path}@{digest}"), version }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    reason: String,
    absent: bool,
}

impl Failure {
    fn absent(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), absent: true }
    }

    fn unknown(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), absent: false }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let absent = error.is_not_found();
        let mut reason = format!("could not {}", chain(&error));
        if let Some(hint) = error::private_hint(&error.fault) {
            reason.push_str(&format!("; {hint}"));
        }
        Self { reason, absent }
    }
}

impl From<PickError> for Failure {
    fn from(error: PickError) -> Self {
        Self::absent(error)
    }
}

/// An index that is being read, shared by the questions that need it.
type SharedIndex<'a> = Shared<BoxFuture<'a, Result<Arc<ChartIndex>, Failure>>>;

/// What the questions of one run share.
struct Desk<'a> {
    registries: &'a Registries,
    options: &'a LockOptions,
    indexes: BTreeMap<String, SharedIndex<'a>>,
}

impl<'a> Desk<'a> {
    fn new(
        registries: &'a Registries,
        options: &'a LockOptions,
        questions: &BTreeSet<Question>,
    ) -> Self {
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for question in questions {
            if let Question::Chart { repository, chart, .. } = question {
                wanted.entry(repository.clone()).or_default().insert(chart.clone());
            }
        }
        let memory = Arc::new(Semaphore::new(SMALL_INDEXES as usize));
        let indexes = wanted
            .into_iter()
            .map(|(repository, charts)| {
                let memory = Arc::clone(&memory);
                let text = repository.clone();
                let read = async move {
                    read_index(registries, options, &memory, &text, charts).await.map(Arc::new)
                };
                (repository, read.boxed().shared())
            })
            .collect();
        Self { registries, options, indexes }
    }

    async fn ask(&self, question: Question) -> (Question, Answer) {
        let answer = match &question {
            Question::Tag { host, path, tag } => self
                .limited(self.tag(host, path, tag))
                .await
                .and_then(|digest| Ok(Found::oci(host, path, digest?, None))),
            Question::Range { host, path, range } => {
                self.limited(self.range(host, path, range)).await.and_then(|found| found)
            }
            Question::Chart { repository, chart, version } => {
                self.chart(repository, chart, version.as_deref()).await
            }
        };
        (question, answer)
    }

    /// The repository to read for `path` of `host`.
    async fn store(&self, host: &str, path: &str) -> Result<Store, Failure> {
        let mirrors = &self.options.mirrors;
        let (host, path) = mirror::repository(mirrors, host, path);
        let repository = Repository::new(&host, &path).map_err(Failure::absent)?;
        let by = named_by(mirror::is_mirror(mirrors, repository.host()));
        Ok(self.registries.open_as(&repository, by).await?)
    }

    async fn tag(&self, host: &str, path: &str, tag: &str) -> Result<Digest, Failure> {
        let name: Tag = tag.parse().map_err(Failure::absent)?;
        let digest = self.store(host, path).await?.resolve(&name).await?;
        digest.ok_or_else(|| Failure::absent(format!("`{host}/{path}` has no tag `{tag}`")))
    }

    async fn range(&self, host: &str, path: &str, range: &str) -> Answer {
        let constraint = Constraint::parse(range).map_err(Failure::absent)?;
        let tags = self.store(host, path).await?.tags(MAX_TAGS).await?;
        let tag = pick_tag(&constraint, &tags).ok_or_else(|| {
            Failure::absent(format!("no tag of `{host}/{path}` matches `{range}`"))
        })?;
        let digest = self.tag(host, path, tag).await?;
        Ok(Found::oci(host, path, digest, Some(tag.replace('_', "+"))))
    }

    async fn chart(&self, repository: &str, chart: &str, range: Option<&str>) -> Answer {
        let index = self.indexes.get(repository).cloned();
        let index = index.ok_or_else(|| Failure::unknown("its repository was not read"))?.await?;
        let entry = index.pick(chart, range)?;
        let base = Url::parse(repository).map_err(|_| not_a_url())?;
        let url = entry.url(&base).map_err(Failure::unknown)?;
        let version = (range != Some(&entry.version)).then(|| entry.version.clone());
        if let Some(digest) = entry.digest {
            return Ok(Found { digest, uri: recorded(&url), version });
        }
        match url.scheme() {
            "http" | "https" => {
                let read = mirror::url(&self.options.mirrors, &url);
                let by = named_by(mirror::is_mirror_url(&self.options.mirrors, &read));
                let hashed = self.registries.hash(&read, by, self.options.max_chart);
                let (digest, _) = self.limited(hashed).await??;
                Ok(Found { digest, uri: recorded(&url), version })
            }
            "oci" => self.chart_in_registry(&url, entry, version).await,
            scheme => Err(Failure::unknown(format!(
                "the index names an archive by `{scheme}`; expected http, https or oci"
            ))),
        }
    }

    /// A chart that an index lists without digest and keeps in a registry.
    async fn chart_in_registry(&self, url: &Url, entry: &Entry, version: Option<String>) -> Answer {
        let reference: Reference = url.as_str().parse().map_err(Failure::unknown)?;
        let Place::Registry(repository) = &reference.place else {
            return Err(Failure::unknown("the index names an archive that is in no registry"));
        };
        let (host, path) = (repository.host(), repository.path());
        let digest = match (reference.digest, &reference.tag) {
            (Some(digest), _) => digest,
            (None, Some(tag)) => self.limited(self.tag(host, path, tag.as_str())).await??,
            (None, None) => {
                let tag = entry.version.replace('+', "_");
                self.limited(self.tag(host, path, &tag)).await??
            }
        };
        Ok(Found::oci(host, path, digest, version))
    }

    async fn limited<T>(&self, read: impl Future<Output = T>) -> Result<T, Failure> {
        limited(self.registries, read).await
    }
}

/// Who named the host that is read.
fn named_by(is_mirror: bool) -> NamedBy {
    if is_mirror { NamedBy::User } else { NamedBy::Content }
}

/// Reads under the time limit of one read (a digest, a list of tags and the
/// digest of the tag picked, an index, an archive): a little longer than one
/// operation may take, so that the reason is the registry's and not the clock's.
async fn limited<T>(registries: &Registries, read: impl Future<Output = T>) -> Result<T, Failure> {
    let limit = registries.deadline() + Duration::from_secs(2);
    tokio::time::timeout(limit, read).await.map_err(|_| {
        Failure::unknown(format!("no answer within the {} s of one item", limit.as_secs_f32()))
    })
}

/// Reads the index of `repository`: small ones side by side, a large one alone.
async fn read_index(
    registries: &Registries,
    options: &LockOptions,
    memory: &Semaphore,
    repository: &str,
    charts: BTreeSet<String>,
) -> Result<ChartIndex, Failure> {
    let url = Url::parse(repository)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .and_then(|url| chart_index::index_url(&url))
        .ok_or_else(not_a_url)?;
    let read = mirror::url(&options.mirrors, &url);
    let by = named_by(mirror::is_mirror_url(&options.mirrors, &read));
    let mut size = (SMALL_INDEX, 1);
    loop {
        let (limit, permits) = size;
        // The semaphore is never closed; a missing permit would only mean more
        // memory.
        let _permit = memory.acquire_many(permits).await.ok();
        match limited(registries, registries.get(&read, by, limit)).await? {
            Ok(bytes) => return parse_index(bytes, charts).await,
            Err(RegistryError { fault: Fault::TooLarge { .. }, .. }) if limit < MAX_INDEX => {
                size = (MAX_INDEX, SMALL_INDEXES);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Parsing a large index takes seconds, which other transfers must not wait for.
async fn parse_index(bytes: Bytes, charts: BTreeSet<String>) -> Result<ChartIndex, Failure> {
    let parsed = tokio::task::spawn_blocking(move || ChartIndex::parse(&bytes, &charts)).await;
    let parsed = parsed.map_err(|_| Failure::unknown("reading the index was cancelled"))?;
    parsed.map_err(|error: IndexError| Failure::unknown(error))
}

/// The text itself is left out: what is no URL may hold anything.
fn not_a_url() -> Failure {
    Failure::absent("the URL of its repository is not an http or https URL")
}

/// The URL as it may be recorded: credentials and query (which can hold a
/// signature) stay out of statements.
fn recorded(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for URLs that cannot have credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
