//! `TrustPolicy`: what must be known about a digest, as users write it.
//!
//! The types here are its shape, for the JSON Schema and for writing one;
//! [`read()`] reads one from a file, with every problem at once and where it
//! stands. The words are those of the design: a field that is not here does
//! not exist, and every field that is here has an effect.

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

pub mod code;
mod fields;
pub mod first;
mod obligation;
mod read;
mod signer;

pub use read::{Ask, Given, Missing, Read, read};

/// The group and version of what is written here.
pub const API_VERSION: &str = "sluicegate.dev/v1alpha1";
/// The kind.
pub const KIND: &str = "TrustPolicy";
/// The largest file that is read, in bytes.
pub const MAX_FILE: usize = 1 << 20;
/// The most obligations of a policy, those inside `any` and `all` included.
pub const MAX_OBLIGATIONS: usize = 100;
/// The most signers of an obligation.
pub const MAX_SIGNERS: usize = 100;
/// The most conditions of a policy.
pub const MAX_CONDITIONS: usize = 100;

/// What must be known about a digest before it may run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustPolicy {
    /// Always `sluicegate.dev/v1alpha1`.
    pub api_version: String,
    /// Always `TrustPolicy`.
    pub kind: String,
    /// Its name.
    pub metadata: Metadata,
    /// What is demanded.
    pub spec: Spec,
}

/// What names a policy.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// The namespace; for the cluster only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels; for the cluster only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<std::collections::BTreeMap<String, String>>,
    /// Annotations; for the cluster only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<std::collections::BTreeMap<String, String>>,
}

/// What is demanded.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// The obligations; every one must be met.
    #[schemars(length(min = 1, max = 100))]
    pub require: Vec<Obligation>,
    /// Who vouches for identities and times: a Sigstore `trusted_root.json`.
    /// Without it identities are judged by the public-good root that the program
    /// carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<TrustedRoot>,
}

/// Declares an obligation with what it nests, since a custom resource cannot
/// nest without end.
macro_rules! obligation {
    ($(#[$doc:meta])* $name:ident $(, $part:ty)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Serialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Its name, unlike those of its neighbours.
            pub name: String,
            /// The kind of statement that is demanded: `signature`, `provenance`,
            /// `test-result`, `verification-summary`, or a predicate type (a URI).
            #[serde(skip_serializing_if = "Option::is_none")]
            pub statement: Option<String>,
            /// Who may sign it; each entry is one signer for the threshold.
            #[serde(skip_serializing_if = "Vec::is_empty")]
           #[schemars(default)]
            pub signers: Vec<Signer>,
            /// How many of the signers must have signed, each with a key or an
            /// identity of its own; 1 unless said otherwise.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(range(min = 1, max = 100))]
            pub threshold: Option<u32>,
            /// How old the statement may be, such as `720h`.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub max_age: Option<String>,
            /// What else it must say; every condition must hold.
            #[serde(skip_serializing_if = "Vec::is_empty", rename = "where")]
            #[schemars(default)]
            pub conditions: Vec<Condition>,
            /// `provenance`: the builder's id, exactly.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub builder: Option<String>,
            /// `provenance`: the build type, exactly.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub build_type: Option<String>,
            /// `provenance`: where it comes from.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub source: Option<Source>,
            /// `provenance`: what of its lock must hold.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub lock: Option<Lock>,
            /// `provenance`: whether the tag that is asked for must be among those
            /// that were moved when it was published.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub tag: Option<Tag>,
            /// `test-result`: the configurations that must have been tested.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            #[schemars(default)]
            pub configurations: Vec<String>,
            /// `verification-summary`: the verifier's id.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub verifier: Option<String>,
            /// `verification-summary`: what it must be about; without it the
            /// reference that is judged.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub resource: Option<String>,
            /// `verification-summary`: the least SLSA level, such as
            /// `SLSA_BUILD_LEVEL_2`.
            #[serde(skip_serializing_if = "Option::is_none")]
            #[schemars(regex(pattern = "^SLSA_[A-Z_]+_LEVEL_[0-9]$"))]
            pub level: Option<String>,
            $(
                /// Instead of a statement: one of these must be met.
                #[serde(skip_serializing_if = "Vec::is_empty")]
                #[schemars(default)]
                pub any: Vec<$part>,
                /// Instead of a statement: each of these must be met.
                #[serde(skip_serializing_if = "Vec::is_empty")]
                #[schemars(default)]
                pub all: Vec<$part>,
            )?
        }
    };
}

obligation!(
    /// Something that must be known: a statement, or any or all of others.
    Obligation, Part
);
obligation!(
    /// An obligation inside an `any` or an `all`.
    Part, InnerPart
);
obligation!(
    /// An obligation inside an `any` or an `all` that is inside one itself.
    InnerPart
);

/// One signer. Exactly one of `key`, `identity`, `githubActions` and `gitlab`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signer {
    /// Whoever holds a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// An identity that a certificate names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// A workflow of GitHub Actions, by the claims of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github_actions: Option<GithubActions>,
    /// A pipeline of GitLab CI, by the claims of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gitlab: Option<Gitlab>,
    /// From when its statements count (RFC 3339), judged at the verified time of
    /// signing, else now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// Until when its statements count (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
}

/// A signer's public keys. Exactly one of the three.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Key {
    /// Public keys in PEM; several blocks are one signer's, old and new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pem: Option<String>,
    /// A file with such, relative to the policy's; in files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A Secret with such; a file needs `--secret NAME=DIR` for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// A Secret, by name.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretRef {
    /// Its name.
    pub name: String,
}

/// An identity. One of `issuer` and `issuerPattern`, and one of `subject` and
/// `subjectPattern`. A pattern matches the whole text.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// The OIDC issuer, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// A pattern of the OIDC issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_pattern: Option<String>,
    /// The certificate's subject alternative name, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// A pattern of the certificate's subject alternative name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_pattern: Option<String>,
}

/// A workflow of GitHub Actions.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GithubActions {
    /// Such as `acme/shop`.
    pub repository: String,
    /// The file below `.github/workflows`, such as `release.yml`.
    pub workflow: String,
    /// The ref that it ran for, a glob, such as `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The reusable workflow that signed, such as
    /// `acme/builders/.github/workflows/build.yml@refs/tags/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// The repository's immutable identifier, a number in quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_id: Option<String>,
    /// The server, `https://github.com` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The issuer of its tokens, the server's own unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The events that may start it; without any, every one but
    /// `pull_request_target`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub events: Vec<String>,
}

/// A pipeline of GitLab CI.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gitlab {
    /// Such as `acme/shop`.
    pub project: String,
    /// The ref that it ran for, a glob, such as `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The server, which issues the tokens too; `https://gitlab.com` unless said
    /// otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The file of the pipeline, `.gitlab-ci.yml` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

/// Where something must come from.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// The repository's URL, compared in the form that `publish` writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Refs, any of them; globs: `*` stops at `/`, `**` does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub refs: Vec<String>,
    /// The directory in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether a source that flags asserted is enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_asserted: Option<bool>,
    /// Whether files that differ from the commit are let through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_dirty: Option<bool>,
}

/// What of a lock must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Lock {
    /// Every chart and image that the manifests name is recorded.
    Required,
    /// And the manifests carry the digests.
    Pinned,
    /// And they resolve to the same digests now.
    Current,
}

/// What must hold of the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Tag {
    /// It is among those that were moved.
    Match,
}

/// A condition in CEL.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// The expression over `statement`, `predicate` and `artifact`.
    #[schemars(length(min = 1, max = 4096))]
    pub expression: String,
    /// What it demands, in words; the expression unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A trust root. Exactly one of the two.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedRoot {
    /// A file, relative to the policy's; in files only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A Secret with a `trusted_root.json`; a file needs `--secret NAME=DIR` for
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// The JSON Schema of the file.
pub fn schema() -> Schema {
    let mut schema = schema_for!(TrustPolicy);
    for (field, value) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let path = format!("/properties/{field}");
        if let Some(serde_json::Value::Object(property)) = schema.pointer_mut(&path) {
            property.insert("const".into(), value.into());
        }
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.values_mut().for_each(without_null);
    }
    schema
}

/// A field that may be left out may not be `null` all the same: that would look
/// like a demand and be none.
fn without_null(value: &mut serde_json::Value) {
    use serde_json::Value;
    let null = |value: &Value| *value == "null" || value.get("type").is_some_and(|t| t == "null");
    let mut only = None;
    match value {
        Value::Object(fields) => {
            fields.remove("default");
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| !null(name));
                if let [name] = types.as_slice() {
                    let name = name.clone();
                    fields.insert("type".into(), name);
                }
            }
            if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
                choices.retain(|choice| !null(choice));
                if let [choice] = choices.as_slice() {
                    only = choice.as_object().cloned();
                }
            }
            if let Some(choice) = only {
                fields.remove("anyOf");
                fields.extend(choice);
            }
            fields.values_mut().for_each(without_null);
        }
        Value::Array(values) => values.iter_mut().for_each(without_null),
        _ => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
