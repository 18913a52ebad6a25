//! Publishing: validate → pack → lock → sign and check → push blobs → push manifests by digest →
//! read back and verify → move the tags last.
//!
//! A failure or a kill at any step leaves the tags where they were, and running
//! again completes it: everything before the last step is content-addressed or
//! appended. What has to be written is decided in [`plan`] from what is there,
//! so that publishing twice writes nothing.
//!
//! Sequential round trips of a cold publish without authentication: what is
//! there (1), uploads (2, 3), manifests by digest (4), the shared tags and what
//! was written read back (5, 6, 7), the tags (8).

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use crate::{
    edge::{
        clock,
        registry::{Blob, Content, Expect, Fault, Key, Pointed, Registries, RegistryError, Store},
    },
    model::{
        artifact::{
            config,
            manifest::{Annotations, Descriptor},
            media,
        },
        bundle::{
            lock::Lock,
            problem::{Problem, Severity},
        },
        digest::Digest,
        evidence::{self, Finding, Format, Found, Trust, identity::SignerId},
        policy::{
            self, Admitted, Exhibit, Policy, Reading, Verdict, rule::Context, signers::SignerEntry,
        },
        reference::{Place, Tag},
        source::{self, Source, ci::Ci},
        statement::{
            attachment::Legacy,
            provenance::{self, Provenance},
        },
        uris,
    },
};

use super::{
    attach::{self, About, Parcel},
    discover::{self, Gathered},
    error::{Error, Result},
    lock::LockOptions,
    pack::{self, Packed},
    progress::{Event, Progress, Watch},
    seal::{self, Draft, Signers},
};

pub mod plan;
pub mod prepare;

use plan::{Missing, Plan, Present, TagState};

/// How many uploads run at a time: all that one signer needs, so that they cost
/// two round trips and not four.
const UPLOADS: usize = 16;

/// What a statement may have around the provenance: its envelope, its subject and
/// its signature.
const STATEMENT_FRAME: u64 = 4 << 10;
/// How often a tag that others keep moving is tried to be moved.
const MAX_MOVES: usize = 10;

/// What to publish, and how.
pub struct Request {
    /// The directory, file or standard input.
    pub input: pack::Input,
    /// How it is packed and judged.
    pub pack: pack::Options,
    /// Where to.
    pub place: Place,
    /// The tags to move, at least one.
    pub tags: Vec<Tag>,
    /// Those who are there already; every one signs.
    pub signers: Signers,
    /// Further annotations.
    pub annotations: Annotations,
    /// Source and revision when asserted rather than read from git.
    pub asserted: Option<(String, String)>,
    /// Whether bytes that differ from the commit's may be published.
    pub allow_dirty: bool,
    /// `SOURCE_DATE_EPOCH`, when set.
    pub epoch: Option<String>,
    /// The CI system's variables.
    pub environment: BTreeMap<String, String>,
    /// Whether warnings stop.
    pub strict: bool,
    /// How charts and images are resolved.
    pub lock: LockRequest,
    /// Whether legacy signatures are written as well.
    pub legacy: bool,
    /// Whether the keep tag is written.
    pub keep_tag: bool,
    /// Whether release tags may move.
    pub force_tag: bool,
    /// Whether to stop before the first write.
    pub dry_run: bool,
    /// Whether the keys are waited for only when the input was judged: somebody
    /// will be asked for a password, and should not be in vain.
    pub signers_last: bool,
}

/// How charts and images are resolved.
#[derive(Debug, Clone, Default)]
pub struct LockRequest {
    /// Which demands.
    pub mode: LockMode,
    /// Whether every reference must carry its digest in the manifests.
    pub require_pinned: bool,
    /// Mirrors, limits.
    pub options: LockOptions,
}

/// What is demanded of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LockMode {
    /// Resolve what can be resolved, list the rest.
    #[default]
    Resolve,
    /// Everything must resolve.
    Require,
    /// Nothing is resolved.
    Off,
}

/// What a publish came to.
#[derive(Debug)]
pub struct Outcome {
    /// Where.
    pub place: Place,
    /// The artifact.
    pub digest: Digest,
    /// The tags that point at it now, those of the user first; on a dry run
    /// those that did before.
    pub tags: Vec<Tag>,
    /// The annotations of the manifest.
    pub annotations: Annotations,
    /// Where it comes from.
    pub source: Source,
    /// The statements that stand for it, those found and those made.
    pub statements: Vec<StatementLine>,
    /// The lock; `None` when off.
    pub lock: Option<Lock>,
    /// Warnings about the input.
    pub warnings: Vec<Problem>,
    /// What was uploaded.
    pub uploaded: Uploaded,
    /// The size of the layer in bytes.
    pub layer: u64,
    /// How many files it holds.
    pub files: usize,
    /// Whether everything was there before.
    pub unchanged: bool,
    /// What would have been written; only on a dry run.
    pub planned: Option<Planned>,
}

/// What a dry run would have written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Planned {
    /// Whether the artifact's manifest is among it.
    pub artifact: bool,
    /// The statements.
    pub statements: Vec<PlannedStatement>,
    /// The tags that would move.
    pub tags: Vec<Tag>,
    /// How many blobs.
    pub blobs: u64,
    /// How many bytes these have.
    pub bytes: u64,
}

/// A statement that would be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStatement {
    /// The predicate type.
    pub predicate_type: &'static str,
    /// Who would sign it.
    pub signer: SignerId,
    /// How it would be stored.
    pub format: Format,
}

/// One statement that stands for the artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// The predicate type.
    pub predicate_type: String,
    /// The manifest that holds it.
    pub manifest: Digest,
    /// Who signed it.
    pub signer: SignerId,
    /// How it is stored.
    pub format: Format,
    /// Whether this run made it.
    pub made: bool,
}

/// What was uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uploaded {
    /// Blobs.
    pub blobs: u64,
    /// Manifests, tags included.
    pub manifests: u64,
    /// Bytes of the blobs.
    pub bytes: u64,
}

/// Publishes.
///
/// # Errors
/// [`Error`]; the tags have not moved then.
pub async fn publish(registries: &Registries, request: Request, watch: &Watch) -> Result<Outcome> {
    publish_with(registries, request, async { Ok(Signers::default()) }, &|_| Ok(()), watch).await
}

/// Who is told the warnings about the input, before anything is uploaded.
pub type Told<'a> = &'a (dyn Fn(&[Problem]) -> Result<()> + Sync);

/// Publishes by further signers, whose keys are still being decrypted: that takes
/// longer than git's answers, so both happen at once. Packing waits for them:
/// either alone may take most of the memory there is. A certificate is asked for
/// meanwhile, and waited for before it is decided what to write. `told` is told
/// what the input is warned of once it is accepted.
///
/// # Errors
/// [`Error`]; the tags have not moved then.
pub async fn publish_with(
    registries: &Registries,
    mut request: Request,
    signers: impl Future<Output = Result<Signers>>,
    told: Told<'_>,
    watch: &Watch,
) -> Result<Outcome> {
    let started = clock::now();
    let store = registries.open(&request.place)?;
    store.check_place().await?;
    let prepared = prepare::prepare(registries, &mut request, signers, watch).await?;
    let artifact = Artifact::new(&request, prepared)?;
    let keep = plan::keep_tag(artifact.source.commit.as_deref(), &artifact.subject.digest)?;
    let tags: Vec<Tag> =
        request.tags.iter().cloned().chain(request.keep_tag.then_some(keep)).collect();
    let provenance = artifact.provenance(&request, (started, clock::now()));
    told(&artifact.warnings)?;
    refuse_large_lock(&provenance, artifact.lock.as_ref(), registries.limits().statement)?;
    watch(Event::Step("looking at what is there"));
    let before = look(&store, registries, &artifact, &tags, request.signers.trust()).await?;
    refuse_moved_release(&request, &artifact.subject.digest, &before.tags)?;
    // A rehearsal asks nobody for a certificate: that would be logged for ever.
    if !request.dry_run {
        request.signers.complete().await?;
    }
    let signers = request.signers.ids();
    let findings: Vec<&Finding> = before.gathered.findings().collect();
    let present = Present {
        digest: &artifact.subject.digest,
        artifact: before.artifact,
        findings: &findings,
        shelf: &before.gathered.shelf,
        tags: &before.tags,
        annotations: &artifact.annotations,
    };
    let plan = plan::plan(present, &signers, &provenance.claims(), request.legacy);
    let run = Run { store: &store, artifact: &artifact, request: &request, plan: &plan, watch };
    if request.dry_run {
        let there = |tag: &Tag| !plan.tags.contains(tag);
        let tags = tags.into_iter().filter(there).collect();
        let done = run.rehearse(&before, &provenance).await?;
        return Ok(artifact.outcome(&request, tags, done));
    }
    if plan.is_empty() {
        let statements = lines(before.gathered.findings(), &signers, false);
        let done = Done { statements, unchanged: true, ..Done::default() };
        return Ok(artifact.outcome(&request, tags, done));
    }
    let done = run.write(&before, &provenance).await?;
    Ok(artifact.outcome(&request, tags, done))
}

/// A statement that nobody may read is not worth a publish. It is written in
/// Base64, with a little around it.
fn refuse_large_lock(provenance: &Provenance, lock: Option<&Lock>, limit: u64) -> Result<()> {
    let Some(lock) = lock else { return Ok(()) };
    let written = serde_json::to_vec(provenance).map_or(0, |bytes| bytes.len() as u64);
    let size = written.div_ceil(3).saturating_mul(4).saturating_add(STATEMENT_FRAME);
    if size <= limit {
        return Ok(());
    }
    let count = lock.locked.len() + lock.unresolved.len();
    Err(Error::usage(
        format!(
            "the provenance with {count} locked charts and images has about {size} bytes; a \
             statement may have {limit}"
        ),
        "publish the bundle in parts or with `--lock off`, or raise `--max-statement` here and \
         wherever it is verified",
    ))
}

/// The artifact, complete but nowhere yet.
struct Artifact {
    packed: Packed,
    layer: pack::Layer,
    source: Source,
    ci: Ci,
    lock: Option<Lock>,
    annotations: Annotations,
    manifest: Bytes,
    subject: Descriptor,
    warnings: Vec<Problem>,
}

impl Artifact {
    fn new(request: &Request, prepared: prepare::Prepared) -> Result<Self> {
        let prepare::Prepared { mut packed, source, ci, lock, warnings } = prepared;
        let layer =
            packed.layer.take().ok_or_else(|| Error::Internal("no layer was packed".into()))?;
        let annotations = annotations(request, &source)?;
        let descriptor = Descriptor::new(media::FLUX_CONTENT, layer.digest, layer.size);
        let manifest = Bytes::from(config::manifest(&descriptor, &annotations)?);
        let subject = Descriptor::of(media::OCI_MANIFEST, &manifest);
        Ok(Self { packed, layer, source, ci, lock, annotations, manifest, subject, warnings })
    }

    fn provenance(&self, request: &Request, time: (Timestamp, Timestamp)) -> Provenance {
        let tags: Vec<String> = request.tags.iter().map(Tag::to_string).collect();
        provenance::write(provenance::Build {
            source: &self.source,
            tags: &tags,
            builder: self.ci.builder_id,
            run_url: self.ci.run_url.as_deref(),
            diff_id: &self.layer.diff_id,
            lock: self.lock.as_ref(),
            time,
        })
    }

    fn blobs(&self) -> [Blob; 2] {
        [
            Blob {
                descriptor: Descriptor::new(
                    media::FLUX_CONTENT,
                    self.layer.digest,
                    self.layer.size,
                ),
                content: Content::File(self.layer.file.path().to_owned()),
            },
            Blob::of(media::FLUX_CONFIG, config::FLUX_CONFIG),
        ]
    }

    fn outcome(self, request: &Request, tags: Vec<Tag>, done: Done) -> Outcome {
        Outcome {
            place: request.place.clone(),
            digest: self.subject.digest,
            tags,
            annotations: self.annotations,
            source: self.source,
            statements: done.statements,
            lock: self.lock,
            warnings: self.warnings,
            uploaded: done.uploaded,
            layer: self.layer.size,
            files: self.packed.files.len(),
            unchanged: done.unchanged,
            planned: done.planned,
        }
    }
}

/// The part of an [`Outcome`] that the registry decided.
#[derive(Default)]
struct Done {
    statements: Vec<StatementLine>,
    uploaded: Uploaded,
    unchanged: bool,
    planned: Option<Planned>,
}

fn annotations(request: &Request, source: &Source) -> Result<Annotations> {
    let created = source::created(request.epoch.as_deref(), source.committed)?;
    let mut annotations = request.annotations.clone();
    annotations.insert(media::CREATED.into(), created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    annotations.insert(media::SOURCE.into(), source.repository.clone());
    annotations.insert(media::REVISION.into(), source.revision.clone());
    Ok(annotations)
}

/// What is there before anything is written.
struct Before {
    artifact: bool,
    blobs: Vec<Digest>,
    tags: Vec<TagState>,
    gathered: Gathered,
}

async fn look(
    store: &Store,
    registries: &Registries,
    artifact: &Artifact,
    tags: &[Tag],
    trust: Trust,
) -> Result<Before> {
    let digest = &artifact.subject.digest;
    let examine = discover::recognise(*digest, trust);
    let wanted = [artifact.layer.digest, Digest::of(config::FLUX_CONFIG), Digest::of(b"{}")];
    let blobs = future::try_join_all(wanted.map(|digest| async move {
        Ok::<_, RegistryError>(store.has_blob(&digest).await?.then_some(digest))
    }));
    let (there, blobs, tags, gathered) = futures::join!(
        store.has_manifest(digest),
        blobs,
        tag_states(store, tags),
        discover::gather(store, digest, &examine, registries.limits()),
    );
    let (there, blobs, tags) = (there?, blobs?, tags?);
    gathered.refuse_gaps()?;
    let blobs: Vec<Digest> = blobs.into_iter().flatten().collect();
    // A manifest whose blobs were collected is not there: push it again.
    let whole = artifact.blobs().iter().all(|blob| blobs.contains(&blob.descriptor.digest));
    Ok(Before { artifact: there && whole, blobs, tags, gathered })
}

async fn tag_states(store: &Store, tags: &[Tag]) -> Result<Vec<TagState>> {
    future::try_join_all(tags.iter().map(|tag| tag_state(store, tag))).await
}

async fn tag_state(store: &Store, tag: &Tag) -> Result<TagState> {
    let (digest, etag) = match store.look_up(tag).await? {
        Some(Pointed { digest, etag }) => (Some(digest), etag),
        None => (None, None),
    };
    Ok(TagState { tag: tag.clone(), digest, etag })
}

fn refuse_moved_release(request: &Request, digest: &Digest, tags: &[TagState]) -> Result<()> {
    match plan::moved_release(digest, tags) {
        Some((tag, other)) if !request.force_tag => Err(Error::usage(
            format!("the release tag `{tag}` points at `{other}`, not at `{digest}`"),
            "publish under a new version, or move the release with `--force-tag`",
        )),
        _ => Ok(()),
    }
}

/// The writing half of a publish.
struct Run<'a> {
    store: &'a Store,
    artifact: &'a Artifact,
    request: &'a Request,
    plan: &'a Plan,
    watch: &'a Watch,
}

impl Run<'_> {
    async fn write(&self, before: &Before, provenance: &Provenance) -> Result<Done> {
        let digest = self.artifact.subject.digest;
        let (parcel, blobs) = self.prepare(before, provenance).await?;
        self.admit(&before.gathered.findings().chain(&parcel.checked).collect::<Vec<_>>())?;
        (self.watch)(Event::Step("uploading"));
        let mut uploaded = self.upload(blobs).await?;
        (self.watch)(Event::Step("writing manifests"));
        let (pushed, artifact) =
            futures::join!(attach::push(self.store, &digest, &parcel), self.push_artifact());
        let pushed = pushed?;
        uploaded.manifests += artifact?;
        (self.watch)(Event::Step("verifying what was written"));
        let tags: Vec<Tag> = before.tags.iter().map(|state| state.tag.clone()).collect();
        let proof = OnceCell::new();
        let prove = || proof.get_or_try_init(|| self.prove(before, &parcel));
        // Beside the last look at the shared tags and after everything else, so
        // as close to the move as one request to another.
        let last = async || {
            prove().await?;
            tag_states(self.store, &tags).await
        };
        let api = before.gathered.shelf.api;
        let shelve = attach::shelve(self.store, &digest, &parcel, pushed, api, last);
        let ((stored, tags), (admitted, statements)) = futures::try_join!(shelve, prove())?;
        let mut statements = statements.clone();
        for line in
            statements.iter_mut().filter(|line| line.format == Format::LegacySignature && line.made)
        {
            line.manifest = stored.signatures.unwrap_or(line.manifest);
        }
        uploaded.manifests += stored.manifests;
        refuse_moved_release(self.request, &digest, &tags)?;
        (self.watch)(Event::Step("moving the tags"));
        uploaded.manifests += self.move_tags(admitted, &tags).await?;
        Ok(Done { statements, uploaded, ..Done::default() })
    }

    /// What [`Run::write`] would do, as far as it can be done without writing.
    async fn rehearse(&self, before: &Before, provenance: &Provenance) -> Result<Done> {
        let (_, blobs) = self.prepare(before, provenance).await?;
        let signers = self.request.signers.ids();
        let mut statements = Vec::new();
        for (signer, missing) in signers.iter().zip(&self.plan.signers) {
            for (made, predicate_type, format) in [
                (missing.signature, uris::SIGNATURE, Format::Bundle),
                (missing.provenance, uris::PROVENANCE, Format::Bundle),
                (missing.legacy, uris::SIGNATURE, Format::LegacySignature),
            ] {
                let signer = signer.clone();
                statements.extend(made.then_some(PlannedStatement {
                    predicate_type,
                    signer,
                    format,
                }));
            }
        }
        let planned = Planned {
            artifact: self.plan.artifact,
            statements,
            tags: self.plan.tags.clone(),
            blobs: blobs.len() as u64,
            bytes: blobs.iter().map(|blob| blob.descriptor.size).sum(),
        };
        Ok(Done {
            statements: lines(before.gathered.findings(), &signers, false),
            unchanged: self.plan.is_empty(),
            planned: Some(planned),
            ..Done::default()
        })
    }

    /// Signs what is missing, and says which blobs are; nothing is written yet.
    async fn prepare(
        &self,
        before: &Before,
        provenance: &Provenance,
    ) -> Result<(Parcel, Vec<Blob>)> {
        let digest = self.artifact.subject.digest;
        (self.watch)(Event::Step("signing"));
        let mut parcel = self.parcel(provenance).await?;
        let (index, signatures) =
            (before.gathered.shelf.index.as_ref(), before.gathered.shelf.signatures.as_ref());
        parcel.preflight(&digest, index, signatures)?;
        let mut blobs = parcel.blobs(&digest, signatures)?;
        if self.plan.artifact {
            blobs.extend(self.artifact.blobs());
        }
        blobs.retain(|blob| !before.blobs.contains(&blob.descriptor.digest));
        Ok((parcel, blobs))
    }

    /// Signs what the plan misses.
    async fn parcel(&self, provenance: &Provenance) -> Result<Parcel> {
        let created = clock::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let name = self.request.place.name();
        let about = About { subject: &self.artifact.subject, name: &name, created: &created };
        let (mut drafts, mut keys) = (Vec::new(), Vec::new());
        for (signer, missing) in self.request.signers.all().iter().zip(&self.plan.signers) {
            let Missing { signature, legacy, provenance: wanted } = *missing;
            if signature {
                drafts.push(Draft::signature(about, signer)?);
            }
            if wanted {
                drafts.push(Draft::statement(about, signer, uris::PROVENANCE, provenance)?);
            }
            keys.extend(signer.key().filter(|_| legacy));
        }
        seal::seal(about, &self.request.signers.trust(), &drafts, &keys).await
    }

    async fn upload(&self, blobs: Vec<Blob>) -> Result<Uploaded> {
        let uploaded = Uploaded {
            blobs: blobs.len() as u64,
            bytes: blobs.iter().map(|blob| blob.descriptor.size).sum(),
            manifests: 0,
        };
        stream::iter(blobs.into_iter().map(Ok::<_, Error>))
            .try_for_each_concurrent(UPLOADS, |blob| async move {
                let progress = self.progress(&blob);
                Ok(self.store.put_blob(&blob, progress).await?)
            })
            .await?;
        Ok(uploaded)
    }

    /// Only the layer is worth a bar.
    fn progress(&self, blob: &Blob) -> Option<crate::edge::registry::OnBytes> {
        if blob.descriptor.digest != self.artifact.layer.digest {
            return None;
        }
        let (watch, total) = (self.watch.clone(), blob.descriptor.size);
        Some(std::sync::Arc::new(move |done| {
            watch(Event::Bytes(Progress { done, total }));
        }))
    }

    async fn push_artifact(&self) -> Result<u64> {
        if !self.plan.artifact {
            return Ok(0);
        }
        let key = Key::Digest(self.artifact.subject.digest);
        let bytes = self.artifact.manifest.clone();
        self.store.put_manifest(&key, media::OCI_MANIFEST, bytes, &Expect::Anything).await?;
        Ok(1)
    }

    /// Reads back what was written and judges it by a policy that names exactly
    /// those who signed, together with what was there before. The tags move only with what
    /// this returns.
    async fn prove(
        &self,
        before: &Before,
        parcel: &Parcel,
    ) -> Result<(Admitted, Vec<StatementLine>)> {
        let digest = self.artifact.subject.digest;
        let key = Key::Digest(digest);
        let (artifact, own) = futures::join!(self.store.manifest(&key), self.read_back(parcel),);
        if artifact?.is_none() {
            return Err(Error::NotFound {
                what: self.request.place.name() + "@" + &digest.to_string(),
                implied: false,
                nowhere: false,
            });
        }
        let own = own?;
        if let Some(finding) = own.iter().find(|finding| finding.evidence().is_none()) {
            let found = format!("the statement `{}` that was just written", finding.manifest);
            return Err(Error::Verdict(Box::new(Verdict::wrong_bytes(digest, found))));
        }
        let admitted = self.admit(&before.gathered.findings().chain(&own).collect::<Vec<_>>())?;
        let signers = self.request.signers.ids();
        let mut statements = lines(before.gathered.findings(), &signers, false);
        statements.extend(lines(own.iter(), &signers, true));
        Ok((admitted, statements))
    }

    /// Judges findings by a policy that names each signer and nobody else.
    fn admit(&self, findings: &[&Finding]) -> Result<Admitted> {
        let digest = self.artifact.subject.digest;
        let mut admitted = None;
        for signer in self.request.signers.all() {
            let policy = Policy::by(vec![SignerEntry::always(signer.who())], true);
            let context = Context {
                subject: &digest,
                annotations: &self.artifact.annotations,
                tag: self.request.tags.first(),
                resource: &self.request.place.name(),
                now: clock::now(),
            };
            let exhibit = |finding: &&Finding| policy.exhibit(context, (*finding).clone().into());
            let exhibits: Vec<Exhibit> = findings.iter().map(exhibit).collect();
            let decided = policy::judge(&policy, context, &exhibits, &[], Reading::NotRead);
            match decided.verdict.admit() {
                Some(token) => admitted = Some(token),
                None => return Err(Error::Verdict(Box::new(decided.verdict))),
            }
        }
        admitted.ok_or_else(|| Error::Internal("publish was called without a signer".into()))
    }

    async fn read_back(&self, parcel: &Parcel) -> Result<Vec<Finding>> {
        let digest = self.artifact.subject.digest;
        let trust = &self.request.signers.trust();
        let bundles = parcel.bundles.iter().map(|made| async move {
            let key = Key::Digest(made.descriptor.digest);
            let (manifest, bytes) = futures::try_join!(
                self.store.manifest(&key),
                self.store.blob(&made.layer, made.layer.size),
            )?;
            if manifest.is_none() {
                let action = format!("read back the statement `{}`", made.descriptor.digest);
                return Err(RegistryError::new(action, Fault::NotFound));
            }
            let found = Found {
                format: Format::Bundle,
                manifest: made.descriptor.digest,
                bytes: bytes.to_vec(),
                legacy: Legacy::default(),
            };
            Ok(evidence::check(&digest, trust, &found).finding)
        });
        let legacy = parcel.legacy.iter().map(|(_, layer)| async move {
            let bytes = self.store.blob(layer, layer.size).await?;
            let annotations = layer.annotations.as_ref();
            let signature = annotations.and_then(|a| a.get(media::COSIGN_SIGNATURE)).cloned();
            let found = Found {
                format: Format::LegacySignature,
                manifest: layer.digest,
                bytes: bytes.to_vec(),
                legacy: Legacy { signature, ..Legacy::default() },
            };
            Ok::<_, RegistryError>(evidence::check(&digest, trust, &found).finding)
        });
        let (mut bundles, legacy) =
            futures::try_join!(future::try_join_all(bundles), future::try_join_all(legacy))?;
        bundles.extend(legacy);
        Ok(bundles)
    }

    /// Moves the tags to what was admitted; how many were written.
    async fn move_tags(&self, admitted: &Admitted, now: &[TagState]) -> Result<u64> {
        let todo = now.iter().filter(|state| state.digest != Some(*admitted.digest()));
        let moves: Vec<_> = todo.map(|state| self.move_tag(admitted, state)).collect();
        let count = moves.len() as u64;
        stream::iter(moves).buffer_unordered(UPLOADS).try_collect::<Vec<()>>().await?;
        Ok(count)
    }

    /// Points a tag at what was admitted, provided that nobody moved it since
    /// it was looked at. Whoever did may have been faster with the same commit,
    /// or with another, and then this is a move like any other.
    async fn move_tag(&self, admitted: &Admitted, now: &TagState) -> Result<()> {
        let (mut now, mut expect) = (now.clone(), unmoved(now));
        for _ in 0..MAX_MOVES {
            match self.put_tag(&now.tag, &expect).await {
                Err(error) if matches!(error.fault, Fault::PreconditionFailed) => {}
                done => return Ok(done?),
            }
            let next = tag_state(self.store, &now.tag).await?;
            if next.digest == Some(*admitted.digest()) {
                return Ok(());
            }
            refuse_moved_release(self.request, admitted.digest(), std::slice::from_ref(&next))?;
            // Nobody moved it: what the registry, or a cache before it, gives
            // as an entity tag is not what it compares with.
            expect = if next == now { Expect::Anything } else { unmoved(&next) };
            now = next;
        }
        Err(Error::Contended { tag: now.tag.to_string() })
    }

    async fn put_tag(&self, tag: &Tag, expect: &Expect) -> Result<(), RegistryError> {
        let (key, manifest) = (Key::Tag(tag.clone()), self.artifact.manifest.clone());
        self.store.put_manifest(&key, media::OCI_MANIFEST, manifest, expect).await.map(|_| ())
    }
}

/// What holds as long as nobody moves a tag; registries that do not know
/// conditions ignore it.
fn unmoved(state: &TagState) -> Expect {
    match (&state.digest, &state.etag) {
        (None, _) => Expect::Absent,
        (Some(_), Some(etag)) => Expect::Unchanged { etag: etag.clone() },
        (Some(_), None) => Expect::Anything,
    }
}

/// The verified statements of the signers, for the report.
fn lines<'a>(
    findings: impl Iterator<Item = &'a Finding>,
    signers: &[SignerId],
    made: bool,
) -> Vec<StatementLine> {
    findings
        .filter_map(|finding| {
            let signer = finding.evidence()?.signer().id();
            signers.contains(&signer).then(|| StatementLine {
                predicate_type: finding.predicate_type.clone().unwrap_or_default(),
                manifest: finding.manifest,
                signer,
                format: finding.format,
                made,
            })
        })
        .collect()
}

/// The warnings of a judgement, or its problems when they stop the publish.
///
/// # Errors
/// [`Error::Problems`] with errors; with `strict` every problem is one.
pub fn refuse_problems(problems: Vec<Problem>, strict: bool) -> Result<Vec<Problem>> {
    let problems: Vec<Problem> = match strict {
        true => problems.into_iter().map(Problem::into_error).collect(),
        false => problems,
    };
    match problems.iter().any(|problem| problem.severity == Severity::Error) {
        true => Err(Error::Problems(problems)),
        false => Ok(problems),
    }
}
