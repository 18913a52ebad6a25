//! `statement: provenance`: how, from what and by whom it was built.
//!
//! Met by SLSA provenance (`https://slsa.dev/provenance/v1`; `v0.2` is read too)
//! about this digest that agrees with the manifest's annotations and, when it is
//! signed with a certificate of a CI system, with what the certificate says:
//! repository, ref and commit. Each of these demands more:
//!
//! - `builder`: the `builder.id`, exactly.
//! - `buildType`: the build type, exactly.
//! - `source`: `repository` (compared in the form that `publish` writes), `refs`
//!   (globs: `*` stops at `/`, `**` does not) and `path` of the directory in it.
//!   Read where the build type has it: ours, GitHub's workflow type, and the
//!   `configSource` of v0.2; other build types never meet `source`. A source
//!   that was asserted by flags meets it only with `allowAsserted`, a dirty one
//!   only with `allowDirty`.
//! - `lock`: `required` (every chart and image that the manifests name is
//!   recorded with its digest), `pinned` (and the manifests carry those digests
//!   themselves), `current` (and they resolve to the same digests now).
//! - `tag: match`: the tag that was asked for is among those that were being
//!   moved when it was published.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Context, Seen, Shortfall};
use crate::model::{
    artifact::{manifest::Annotations, media},
    bundle::{
        lock::Lock,
        need::{ChartVersion, EXTRACTOR, Need, Target},
    },
    digest::Digest,
    evidence::{Claim, identity::Claims},
    policy::pattern::Glob,
    source::{self, repository},
    statement::provenance::{self, Generation, OriginText, ResourceDescriptor},
    text::brief,
    uris,
};

/// The predicate types.
pub(super) const TYPES: &[&str] = &[uris::PROVENANCE, uris::PROVENANCE_V02];
/// Where it says when it was made.
pub(super) const TIMES: &[&str] = &["/runDetails/metadata/finishedOn", "/metadata/buildFinishedOn"];

/// What a provenance must say.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    /// The builder's id.
    pub builder: Option<String>,
    /// The build type.
    pub build_type: Option<String>,
    /// Where it comes from.
    pub source: Option<Source>,
    /// What of its lock must hold.
    pub lock: Option<LockDemand>,
    /// Whether the tag that was asked for must be among those it moved.
    pub tag_match: bool,
}

/// Where it must come from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The repository in normal form.
    pub repository: Option<String>,
    /// Refs, any of them; empty allows every ref.
    pub refs: Vec<Glob>,
    /// The directory in the repository.
    pub path: Option<String>,
    /// Whether a source that flags asserted is enough.
    pub allow_asserted: bool,
    /// Whether files that differ from the commit are let through.
    pub allow_dirty: bool,
}

/// What of the lock must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockDemand {
    /// Everything that the manifests name is recorded.
    Required,
    /// And the manifests carry the digests.
    Pinned,
    /// And it resolves to the same digests now.
    Current,
}

/// What a provenance says of the source, where its build type has that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The repository in normal form.
    pub repository: String,
    /// The full ref.
    pub reference: Option<String>,
    /// The directory in the repository.
    pub path: Option<String>,
    /// The commit.
    pub commit: Option<String>,
    /// Whether flags asserted it.
    pub asserted: bool,
    /// Whether files differ from the commit.
    pub dirty: bool,
}

impl Provenance {
    /// Whether a provenance says so; the lock is looked at by [`lock`].
    pub(super) fn meets(&self, seen: Seen<'_>, context: Context<'_>) -> Result<(), Shortfall> {
        let Claim::Provenance(found) = seen.evidence.claim() else {
            return Err(short("provenance", "another statement".into(), "SLSA provenance".into()));
        };
        if let Some(why) = disagreement(found, context.annotations) {
            return Err(Shortfall {
                hint: "the manifest's annotations are not signed on their own; publish again",
                ..short("provenance-mismatch", why, "one that agrees with the manifest".into())
            });
        }
        let facts = facts(found);
        if let Some(identity) = seen.evidence.signer().identity() {
            match &facts {
                Ok(facts) => agrees_with_certificate(facts, &identity.claims)?,
                Err(why) => claims_nothing(why, &identity.claims)?,
            }
        }
        let id = &found.run_details.builder.id;
        equals("wrong-builder", "builder", id, self.builder.as_deref())?;
        let build_type = &found.build_definition.build_type;
        equals("wrong-build-type", "build type", build_type, self.build_type.as_deref())?;
        if let Some(source) = &self.source {
            let unread = |why| short("wrong-source", why, "a source that can be read".into());
            source.meets(&facts.map_err(unread)?)?;
        }
        if self.tag_match { tag_matches(found, context) } else { Ok(()) }
    }
}

impl Source {
    fn meets(&self, facts: &Facts) -> Result<(), Shortfall> {
        let wrong = |found: String, wanted: String| short("wrong-source", found, wanted);
        equals("wrong-source", "repository", &facts.repository, self.repository.as_deref())?;
        let reference = facts.reference.as_deref().unwrap_or("(none)");
        if !self.refs.is_empty() && !self.refs.iter().any(|glob| glob.matches(reference)) {
            let globs: Vec<&str> = self.refs.iter().map(Glob::as_str).collect();
            let wanted = format!("one of the refs `{}`", globs.join("`, `"));
            return Err(wrong(format!("the ref `{}`", brief(reference)), wanted));
        }
        if let Some(wanted) = &self.path {
            let found = facts.path.as_deref().unwrap_or("(none)");
            equals("wrong-source", "path", found, Some(wanted))?;
        }
        if facts.asserted && !self.allow_asserted {
            return Err(wrong(
                "a source that was asserted by flags".into(),
                "one that was read from git (or `allowAsserted: true`)".into(),
            ));
        }
        if facts.dirty && !self.allow_dirty {
            return Err(wrong(
                "files that differ from the commit".into(),
                "the files of the commit (or `allowDirty: true`)".into(),
            ));
        }
        Ok(())
    }
}

/// What a provenance says of its source; one place per build type.
///
/// # Errors
/// Why it cannot be read: another build type, or two places that disagree.
pub fn facts(found: &provenance::Provenance) -> Result<Facts, String> {
    let definition = &found.build_definition;
    match (found.generation, definition.build_type.as_str()) {
        (Generation::V1, uris::BUILD_TYPE) => ours(found),
        (Generation::V1, uris::BUILD_TYPE_GITHUB) => github(found),
        (Generation::V02, _) => config_source(found),
        (Generation::V1, other) => {
            Err(format!("the build type `{}`, whose source is not known", brief(other)))
        }
    }
}

fn ours(found: &provenance::Provenance) -> Result<Facts, String> {
    let parameters = found.parameters().ok_or("parameters that are not those of the build type")?;
    let source = parameters.source;
    let at = source.reference.as_ref().map(|text| format!("@{text}")).unwrap_or_default();
    let wanted = format!("git+{}{at}", source.repository);
    match found.build_definition.resolved_dependencies.first() {
        Some(first) if first.uri.as_deref() == Some(&wanted) => {}
        _ => return Err("parameters that its first dependency contradicts".into()),
    }
    Ok(Facts {
        repository: normal(&source.repository)?,
        reference: source.reference,
        path: source.path,
        commit: found.commit().map(str::to_owned),
        asserted: parameters.origin == OriginText::Flag,
        dirty: parameters.dirty,
    })
}

/// <https://actions.github.io/buildtypes/workflow/v1>: the workflow, and the
/// dependency that is its repository at its ref.
fn github(found: &provenance::Provenance) -> Result<Facts, String> {
    let definition = &found.build_definition;
    let field = |name: &str| {
        let path = format!("/workflow/{name}");
        definition.external_parameters.pointer(&path).and_then(Value::as_str)
    };
    let (Some(url), Some(reference)) = (field("repository"), field("ref")) else {
        return Err("a workflow without repository or ref".into());
    };
    let wanted = format!("git+{url}@{reference}");
    let dependency = definition
        .resolved_dependencies
        .iter()
        .find(|dependency| dependency.uri.as_deref() == Some(&wanted))
        .ok_or("no dependency that is the workflow's repository at its ref")?;
    Ok(Facts {
        repository: normal(url)?,
        reference: Some(reference.to_owned()),
        // The workflow's file is not the directory that was published.
        path: None,
        commit: commit(dependency),
        asserted: false,
        dirty: false,
    })
}

/// SLSA v0.2: `invocation.configSource`, kept as the first dependency.
fn config_source(found: &provenance::Provenance) -> Result<Facts, String> {
    let first = found.build_definition.resolved_dependencies.first();
    let uri = first.and_then(|first| first.uri.as_deref()).ok_or("no `configSource`")?;
    let rest = uri.strip_prefix("git+").ok_or("a `configSource` that is not git's")?;
    let (url, reference) = match rest.rsplit_once('@') {
        Some((url, reference)) if reference.starts_with("refs/") => (url, Some(reference)),
        _ => (rest, None),
    };
    Ok(Facts {
        repository: normal(url)?,
        reference: reference.map(str::to_owned),
        path: None,
        commit: first.and_then(commit),
        asserted: false,
        dirty: false,
    })
}

fn commit(dependency: &ResourceDescriptor) -> Option<String> {
    ["gitCommit", "sha1"].iter().find_map(|key| dependency.digest.get(*key)).cloned()
}

fn normal(url: &str) -> Result<String, String> {
    repository::normal(url).map_err(|error| format!("a repository that is refused: {error}"))
}

/// Where the source cannot be read it cannot be compared with what the
/// certificate says of it.
fn claims_nothing(why: &str, claims: &Claims) -> Result<(), Shortfall> {
    let certified = [&claims.repository, &claims.reference, &claims.commit];
    match certified.into_iter().find_map(Option::as_ref) {
        None => Ok(()),
        Some(certified) => Err(short(
            "certificate-mismatch",
            format!("{}, signed by a run for `{}`", brief(why), brief(certified)),
            "a source that agrees with the certificate".into(),
        )),
    }
}

/// An organisation's identity cannot claim any repository it likes: what the
/// certificate says is what it is held to.
fn agrees_with_certificate(facts: &Facts, claims: &Claims) -> Result<(), Shortfall> {
    let certified = claims.repository.as_deref().map(|url| normal(url).unwrap_or_default());
    let none = || "(none)".to_owned();
    for (what, said, certified) in [
        ("repository", Some(&facts.repository), certified.as_ref()),
        ("ref", facts.reference.as_ref(), claims.reference.as_ref()),
        ("commit", facts.commit.as_ref(), claims.commit.as_ref()),
    ] {
        let Some(certified) = certified else { continue };
        if said != Some(certified) {
            let said = said.cloned().unwrap_or_else(none);
            return Err(Shortfall {
                hint: "whoever signed it ran for something else than it says; do not trust it",
                ..short(
                    "certificate-mismatch",
                    format!(
                        "the {what} `{}`, signed by a run for `{}`",
                        brief(&said),
                        brief(certified)
                    ),
                    format!("the {what} that the certificate names"),
                )
            });
        }
    }
    Ok(())
}

fn tag_matches(found: &provenance::Provenance, context: Context<'_>) -> Result<(), Shortfall> {
    let wrong = |found: String, wanted: String| short("wrong-tag", found, wanted);
    let Some(tag) = context.tag else {
        return Err(Shortfall {
            hint: "name the tag that was meant, `…:TAG`, with or without the digest",
            ..wrong("a reference without a tag".into(), "a tag to compare".into())
        });
    };
    let parameters = found.parameters().ok_or_else(|| {
        wrong("a provenance that names no tags".into(), format!("the tag `{tag}`"))
    })?;
    match parameters.tags.iter().any(|moved| moved == tag.as_str()) {
        true => Ok(()),
        false => {
            let moved = brief(&parameters.tags.join("`, `"));
            Err(Shortfall {
                hint: "the tag was moved by somebody, not by a publish; look who can push",
                ..wrong(format!("the tags `{moved}`"), format!("`{tag}` among them"))
            })
        }
    }
}

/// How a provenance contradicts the manifest's annotations, if it does.
///
/// Ours must say exactly what the annotations say. Another builder's must name
/// the commit that the revision names, where both name one.
pub fn disagreement(found: &provenance::Provenance, annotations: &Annotations) -> Option<String> {
    let annotation = |key: &str| annotations.get(key).map_or("", String::as_str);
    let (url, revision) = (annotation(media::SOURCE), annotation(media::REVISION));
    let differs = |what: &str, signed: &str, written: &str| {
        (signed != written).then(|| {
            format!("the provenance says {what} `{signed}`, the manifest says `{written}`")
        })
    };
    if found.build_definition.build_type == uris::BUILD_TYPE {
        let Some(parameters) = found.parameters() else {
            return Some("the provenance's parameters are not those of its build type".into());
        };
        let commit = source::commit_of(revision).unwrap_or("(none)");
        return differs("source", &parameters.source.repository, url)
            .or_else(|| differs("revision", &parameters.source.revision, revision))
            .or_else(|| differs("commit", found.commit().unwrap_or("(none)"), commit));
    }
    // Without a commit in the revision there is nothing to compare; with one, a
    // provenance that names none proves nothing about it.
    let written = source::commit_of(revision)?;
    differs("commit", found.commit().unwrap_or("(none)"), written)
}

/// What the artifact's manifests name, read from the artifact itself.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// Every chart and image.
    pub needs: &'a [Need],
    /// What they resolve to now; for [`LockDemand::Current`].
    pub current: Option<&'a Lock>,
}

/// What became of a demand on a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockStanding {
    /// It holds.
    Met,
    /// It does not.
    Missed(Shortfall),
    /// Something that it needs could not be read.
    Unread(String),
}

/// Whether the lock of a provenance holds for what the manifests name.
pub fn lock(
    demand: LockDemand,
    found: &provenance::Provenance,
    contents: Contents<'_>,
) -> LockStanding {
    match recorded(found, contents.needs) {
        Err(shortfall) => LockStanding::Missed(shortfall),
        Ok(recorded) => {
            let pairs = || contents.needs.iter().zip(&recorded);
            match demand {
                LockDemand::Required => LockStanding::Met,
                LockDemand::Pinned => match pairs().find(|(need, digest)| !carries(need, digest)) {
                    None => LockStanding::Met,
                    Some((need, _)) => missed(need, "not by that digest", "pinned by its digest"),
                },
                LockDemand::Current => current(pairs(), contents.current),
            }
        }
    }
}

fn missed(need: &Need, found: &str, wanted: &str) -> LockStanding {
    LockStanding::Missed(unlocked(need, found, wanted))
}

fn unlocked(need: &Need, found: &str, wanted: &str) -> Shortfall {
    let what = format!("`{}` in `{}`", brief(&need.reference), brief(need.file.as_str()));
    Shortfall {
        hint: "publish again with `--lock require`, or pin the digest in the manifest",
        ..short("lock", format!("{what}: {found}"), format!("each chart and image {wanted}"))
    }
}

/// The digest that is recorded for each need, in order.
fn recorded(found: &provenance::Provenance, needs: &[Need]) -> Result<Vec<Digest>, Shortfall> {
    if needs.is_empty() {
        return Ok(Vec::new());
    }
    let internal = found.build_definition.internal_parameters.as_ref();
    let extractor = internal.and_then(|fields| fields.pointer("/lock/extractor")?.as_u64());
    if extractor != Some(u64::from(EXTRACTOR)) {
        let found = extractor.map_or("no lock".into(), |v| format!("a lock by the rules {v}"));
        let wanted = format!("a lock by the rules {EXTRACTOR}");
        return Err(Shortfall {
            hint: "publish again with this version of `sluicegate` and without `--lock off`",
            ..short("lock", found, wanted)
        });
    }
    let mut entries = BTreeMap::new();
    for dependency in found.build_definition.resolved_dependencies.iter().skip(1) {
        let field = |name: &str| dependency.annotations.get(name).and_then(Value::as_str);
        let digest = dependency.digest.get("sha256").and_then(|hex| Digest::from_hex(hex).ok());
        if let (Some(file), Some(object), Some(path), Some(reference), Some(digest)) =
            (field("file"), field("object"), field("path"), field("reference"), digest)
        {
            entries.insert((file, object.to_owned(), path, reference), digest);
        }
    }
    let digest = |need: &Need| {
        let key = (
            need.file.as_str(),
            need.object.to_string(),
            need.path.as_str(),
            need.reference.as_str(),
        );
        entries
            .get(&key)
            .copied()
            .ok_or_else(|| unlocked(need, "not recorded", "recorded with its digest"))
    };
    needs.iter().map(digest).collect()
}

/// Whether the manifest itself carries the digest that is recorded.
fn carries(need: &Need, recorded: &Digest) -> bool {
    let written = match &need.target {
        Target::Image { digest, .. } => *digest,
        Target::OciChart { version: ChartVersion::Digest(digest), .. } => Some(*digest),
        Target::OciChart { .. } | Target::HttpChart { .. } | Target::Unknown { .. } => None,
    };
    need.pinned && written == Some(*recorded)
}

fn current<'a>(
    pairs: impl Iterator<Item = (&'a Need, &'a Digest)>,
    now: Option<&Lock>,
) -> LockStanding {
    let Some(now) = now else { return LockStanding::Unread("nothing was resolved".into()) };
    for (need, recorded) in pairs {
        let found = now.locked.iter().find(|locked| locked.need == *need);
        match found {
            Some(locked) if locked.digest == *recorded => {}
            Some(locked) => {
                let found = format!("`{}` now, `{recorded}` when published", locked.digest);
                return missed(need, &found, "as it was when published");
            }
            None => match now.unresolved.iter().find(|unresolved| unresolved.need == *need) {
                Some(unresolved) if unresolved.absent => {
                    return missed(need, "it is gone", "as it was when published");
                }
                other => {
                    let why = other.map_or("not resolved", |unresolved| &unresolved.reason);
                    return LockStanding::Unread(format!("`{}`: {why}", brief(&need.reference)));
                }
            },
        }
    }
    LockStanding::Met
}

fn equals(
    code: &'static str,
    what: &str,
    found: &str,
    wanted: Option<&str>,
) -> Result<(), Shortfall> {
    match wanted {
        Some(wanted) if wanted != found => Err(short(
            code,
            format!("the {what} `{}`", brief(found)),
            format!("the {what} `{wanted}`"),
        )),
        _ => Ok(()),
    }
}

fn short(code: &'static str, found: String, wanted: String) -> Shortfall {
    Shortfall {
        code,
        found,
        wanted,
        hint: "`sluicegate inspect` shows what each statement says; publish from where the policy \
               expects it",
    }
}
