//! SLSA provenance v1 of a bundle: which commit, built how, naming what.
//!
//! The build type is [`uris::BUILD_TYPE`]; its parameters are documented in
//! `docs/uris.md` and their JSON Schema is
//! `schemas/config-bundle-provenance.schema.json`. Reading accepts any SLSA v1
//! provenance and keeps what it knows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::model::{
    bundle::{
        lock::{Lock, Locked, Unresolved},
        need::{EXTRACTOR, Need},
    },
    digest::Digest,
    source::{Origin, Source},
    uris,
};

/// The predicate (SLSA v1.2, "build-provenance").
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Which version of the specification it was written by.
    #[serde(skip)]
    pub generation: Generation,
    /// What was built, from what, how.
    pub build_definition: BuildDefinition,
    /// Who built it, when.
    pub run_details: RunDetails,
}

/// The versions of SLSA provenance that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Generation {
    /// `https://slsa.dev/provenance/v1`.
    #[default]
    V1,
    /// `https://slsa.dev/provenance/v0.2`, translated into the terms of v1.
    V02,
}

/// The inputs of a build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// How the rest is to be read.
    pub build_type: String,
    /// What a user controls; for [`uris::BUILD_TYPE`] see [`Parameters`].
    pub external_parameters: Value,
    /// What the builder controls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_parameters: Option<Value>,
    /// The commit first, then the lock.
    #[serde(default)]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// The external parameters of [`uris::BUILD_TYPE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Where the directory is.
    pub source: SourceParameters,
    /// The tags being moved, sorted.
    pub tags: Vec<String>,
    /// Whether the source was read from git or asserted by flags.
    pub origin: OriginText,
    /// Whether the bytes differ from the commit's.
    pub dirty: bool,
}

/// The source in [`Parameters`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceParameters {
    /// The repository's URL in normal form.
    pub repository: String,
    /// The full ref, when known.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The directory's path in the repository, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The revision as the manifest's annotation has it.
    pub revision: String,
}

/// The spelling of [`Origin`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OriginText {
    /// Read from git.
    Git,
    /// Asserted by flags.
    Flag,
}

/// Who ran the build, and what came of it besides the artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// The builder.
    pub builder: Builder,
    /// The run.
    #[serde(default)]
    pub metadata: Metadata,
    /// The uncompressed tar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<ResourceDescriptor>,
}

/// The builder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Builder {
    /// Its identity; decides how far the provenance can be trusted.
    pub id: String,
    /// Versions of its parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}

/// The run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The URL of the CI run. cosign spells it `invocationID`.
    #[serde(default, alias = "invocationID", skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<String>,
    /// When it finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<String>,
}

/// A resource descriptor (in-toto, "spec/v1/resource_descriptor.md").
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Digests by algorithm.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
}

/// What a build is described by, before it is written down.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    /// Where the bundle comes from.
    pub source: &'a Source,
    /// The tags being moved.
    pub tags: &'a [String],
    /// The builder's id.
    pub builder: &'a str,
    /// The URL of the CI run.
    pub run_url: Option<&'a str>,
    /// The digest of the uncompressed tar.
    pub diff_id: &'a Digest,
    /// The lock; `None` with `--lock off`.
    pub lock: Option<&'a Lock>,
    /// When the run started and finished.
    pub time: (Timestamp, Timestamp),
}

/// The provenance of a build.
pub fn write(build: Build<'_>) -> Provenance {
    let Build { source, builder, run_url, diff_id, lock, time, .. } = build;
    let mut resolved_dependencies = vec![commit(source)];
    resolved_dependencies.extend(lock.iter().flat_map(|lock| lock.locked.iter().map(dependency)));
    let parameters = parameters(source, build.tags);
    Provenance {
        generation: Generation::V1,
        build_definition: BuildDefinition {
            build_type: uris::BUILD_TYPE.into(),
            external_parameters: serde_json::to_value(parameters).unwrap_or(Value::Null),
            internal_parameters: Some(internal(lock)),
            resolved_dependencies,
        },
        run_details: RunDetails {
            builder: Builder {
                id: builder.into(),
                version: BTreeMap::from([("sluicegate".into(), env!("CARGO_PKG_VERSION").into())]),
            },
            metadata: Metadata {
                invocation_id: run_url.map(str::to_owned),
                started_on: Some(seconds(time.0)),
                finished_on: Some(seconds(time.1)),
            },
            byproducts: vec![ResourceDescriptor {
                name: Some("layer.tar".into()),
                digest: BTreeMap::from([("sha256".into(), diff_id.hex())]),
                ..ResourceDescriptor::default()
            }],
        },
    }
}

fn parameters(source: &Source, tags: &[String]) -> Parameters {
    let mut tags = tags.to_vec();
    tags.sort();
    tags.dedup();
    Parameters {
        source: SourceParameters {
            repository: source.repository.clone(),
            reference: source.reference.clone(),
            path: source.path.clone(),
            revision: source.revision.clone(),
        },
        tags,
        origin: match source.origin {
            Origin::Git => OriginText::Git,
            Origin::Flag => OriginText::Flag,
        },
        dirty: source.dirty,
    }
}

/// `git+<repository>@<ref>` and the commit's digest.
fn commit(source: &Source) -> ResourceDescriptor {
    let at = source.reference.as_ref().map(|reference| format!("@{reference}")).unwrap_or_default();
    let digest = source.commit.iter().map(|commit| ("gitCommit".to_owned(), commit.clone()));
    ResourceDescriptor {
        uri: Some(format!("git+{}{at}", source.repository)),
        digest: digest.collect(),
        ..ResourceDescriptor::default()
    }
}

fn dependency(locked: &Locked) -> ResourceDescriptor {
    let mut annotations = place(&locked.need);
    annotations.insert("pinned".into(), locked.need.pinned.into());
    if let Some(version) = &locked.version {
        annotations.insert("version".into(), version.as_str().into());
    }
    ResourceDescriptor {
        name: Some(locked.need.reference.clone()),
        uri: Some(locked.uri.clone()),
        digest: BTreeMap::from([("sha256".into(), locked.digest.hex())]),
        annotations,
    }
}

/// Where a reference stands in the manifests.
fn place(need: &Need) -> Map<String, Value> {
    Map::from_iter([
        ("kind".to_owned(), Value::from(need.kind.name())),
        ("file".to_owned(), need.file.as_str().into()),
        ("object".to_owned(), need.object.to_string().into()),
        ("path".to_owned(), need.path.as_str().into()),
        ("reference".to_owned(), need.reference.as_str().into()),
    ])
}

/// How the lock was made, and what it lacks: a policy that demands a complete
/// lock reads it here.
fn internal(lock: Option<&Lock>) -> Value {
    let unresolved = |entry: &Unresolved| {
        let mut fields = place(&entry.need);
        fields.insert("reason".into(), entry.reason.as_str().into());
        Value::Object(fields)
    };
    match lock {
        Some(lock) => json!({"lock": {
            "extractor": EXTRACTOR,
            "mode": if lock.required { "require" } else { "resolve" },
            "unresolved": lock.unresolved.iter().map(unresolved).collect::<Vec<_>>(),
        }}),
        None => json!({"lock": {"extractor": EXTRACTOR, "mode": "off"}}),
    }
}

/// RFC 3339 in UTC, to the second.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Provenance {
    /// Reads a predicate.
    ///
    /// # Errors
    /// The parser's message.
    pub fn read(predicate: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(predicate)
    }

    /// Reads a predicate of SLSA v0.2 in the terms of v1: `configSource` becomes
    /// the first dependency and the materials follow it.
    ///
    /// # Errors
    /// The parser's message.
    pub fn read_v02(predicate: &Value) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct V02 {
            builder: Builder,
            build_type: String,
            #[serde(default)]
            invocation: Invocation,
            #[serde(default)]
            metadata: Times,
            #[serde(default)]
            materials: Vec<ResourceDescriptor>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Invocation {
            config_source: ResourceDescriptor,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Times {
            build_invocation_id: Option<String>,
            build_started_on: Option<String>,
            build_finished_on: Option<String>,
        }
        let V02 { builder, build_type, invocation, metadata, materials } =
            V02::deserialize(predicate)?;
        let mut resolved_dependencies = vec![invocation.config_source];
        resolved_dependencies.extend(materials);
        Ok(Self {
            generation: Generation::V02,
            build_definition: BuildDefinition {
                build_type,
                external_parameters: Value::Null,
                internal_parameters: None,
                resolved_dependencies,
            },
            run_details: RunDetails {
                builder,
                metadata: Metadata {
                    invocation_id: metadata.build_invocation_id,
                    started_on: metadata.build_started_on,
                    finished_on: metadata.build_finished_on,
                },
                byproducts: Vec::new(),
            },
        })
    }

    /// The parameters, when the build type is ours.
    pub fn parameters(&self) -> Option<Parameters> {
        let ours = self.build_definition.build_type == uris::BUILD_TYPE;
        if self.generation != Generation::V1 || !ours {
            return None;
        }
        Parameters::deserialize(&self.build_definition.external_parameters).ok()
    }

    /// The commit of the first dependency.
    pub fn commit(&self) -> Option<&str> {
        let digest = &self.build_definition.resolved_dependencies.first()?.digest;
        digest.get("gitCommit").or_else(|| digest.get("sha1")).map(String::as_str)
    }

    /// What makes two provenances equal for a publisher: everything but the
    /// run, the times and the version of this program.
    pub fn claims(&self) -> Claims {
        let mut lock: Vec<String> = self
            .build_definition
            .resolved_dependencies
            .iter()
            .skip(1)
            .map(|dependency| serde_json::to_string(dependency).unwrap_or_default())
            .collect();
        lock.sort();
        Claims {
            build_type: self.build_definition.build_type.clone(),
            builder: self.run_details.builder.id.clone(),
            parameters: self.build_definition.external_parameters.to_string(),
            commit: self.commit().map(str::to_owned),
            internal: self.build_definition.internal_parameters.as_ref().map(without_reasons),
            lock,
        }
    }
}

/// The internal parameters without the reasons why something was not resolved:
/// those are words about a network, not claims about the bundle.
fn without_reasons(internal: &Value) -> String {
    let mut internal = internal.clone();
    let unresolved = internal.pointer_mut("/lock/unresolved").and_then(Value::as_array_mut);
    for entry in unresolved.into_iter().flatten() {
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("reason");
        }
    }
    internal.to_string()
}

/// See [`Provenance::claims`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    build_type: String,
    builder: String,
    parameters: String,
    commit: Option<String>,
    internal: Option<String>,
    lock: Vec<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn source() -> Source {
        Source {
            repository: "https://github.com/acme/shop".into(),
            reference: Some("refs/heads/main".into()),
            revision: format!("main@sha1:{}", "a".repeat(40)),
            commit: Some("a".repeat(40)),
            path: Some("deploy".into()),
            committed: None,
            origin: Origin::Git,
            dirty: false,
        }
    }

    fn build<'a>(source: &'a Source, tags: &'a [String], diff_id: &'a Digest) -> Build<'a> {
        Build {
            source,
            tags,
            builder: uris::BUILDER_LOCAL,
            run_url: None,
            diff_id,
            lock: None,
            time: (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn reads_back_what_it_writes() {
        let (source, diff_id) = (source(), Digest::of(b"tar"));
        let tags = ["1.4.0".to_owned(), "1.4.0".to_owned(), "a".to_owned()];
        let written = write(build(&source, &tags, &diff_id));
        let read = Provenance::read(&serde_json::to_value(&written).unwrap()).unwrap();
        assert_eq!(read, written);
        assert_eq!(read.commit(), source.commit.as_deref());
        let parameters = read.parameters().unwrap();
        assert_eq!(parameters.tags, ["1.4.0", "a"]);
        assert_eq!(parameters.source.reference.as_deref(), Some("refs/heads/main"));
    }

    #[test]
    fn claims_ignore_the_run_and_see_everything_else() {
        let (source, diff_id) = (source(), Digest::of(b"tar"));
        let tags = ["1.4.0".to_owned()];
        let first = write(build(&source, &tags, &diff_id)).claims();
        let later = Build {
            run_url: Some("https://ci.example/1"),
            time: (Timestamp::MAX, Timestamp::MAX),
            ..build(&source, &tags, &diff_id)
        };
        assert_eq!(write(later).claims(), first);
        let other_tags = ["1.5.0".to_owned()];
        assert_ne!(write(build(&source, &other_tags, &diff_id)).claims(), first);
        let other = Build { builder: uris::BUILDER_GITHUB, ..build(&source, &tags, &diff_id) };
        assert_ne!(write(other).claims(), first);
        let mut moved = source.clone();
        moved.commit = Some("b".repeat(40));
        assert_ne!(write(build(&moved, &tags, &diff_id)).claims(), first);
    }

    #[test]
    fn foreign_provenance_is_read_as_far_as_it_goes() {
        let foreign = json!({
            "buildDefinition": {"buildType": "https://other.example/v1", "externalParameters": {},
                "resolvedDependencies": [{"uri": "git+https://x", "digest": {"sha1": "c".repeat(40)}}]},
            "runDetails": {"builder": {"id": "https://other.example"}, "metadata": {"invocationID": "x"}}});
        let read = Provenance::read(&foreign).unwrap();
        assert_eq!(read.parameters(), None);
        assert_eq!(read.commit(), Some("c".repeat(40)).as_deref());
        assert_eq!(read.run_details.metadata.invocation_id.as_deref(), Some("x"));
    }
}
