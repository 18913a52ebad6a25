//! Every URI that is signed: predicate types, build types, builder ids.
//!
//! Versioned and never reused: a published statement means for ever what the
//! URI meant when it was signed. `docs/uris.md` lists them, and a test keeps
//! the two equal.

/// A cosign signature as an in-toto statement.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// SLSA provenance, version 1.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// SLSA provenance, version 0.2; read only.
pub const PROVENANCE_V02: &str = "https://slsa.dev/provenance/v0.2";
/// SLSA verification summary.
pub const VERIFICATION_SUMMARY: &str = "https://slsa.dev/verification_summary/v1";
/// in-toto test result.
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// How `publish` builds an artifact from a directory.
pub const BUILD_TYPE: &str = "https://sluicegate.dev/buildtypes/config-bundle/v1";
/// GitHub's workflows, whose provenance `actions/attest-build-provenance` writes;
/// read only.
pub const BUILD_TYPE_GITHUB: &str = "https://actions.github.io/buildtypes/workflow/v1";
/// The builder ids; see [`crate::model::source::ci`] for how a system is
/// recognised.
pub const BUILDER_GITHUB: &str = "https://sluicegate.dev/builders/github-actions/v1";
/// GitLab CI.
pub const BUILDER_GITLAB: &str = "https://sluicegate.dev/builders/gitlab-ci/v1";
/// Azure Pipelines.
pub const BUILDER_AZURE: &str = "https://sluicegate.dev/builders/azure-pipelines/v1";
/// Jenkins.
pub const BUILDER_JENKINS: &str = "https://sluicegate.dev/builders/jenkins/v1";
/// Tekton.
pub const BUILDER_TEKTON: &str = "https://sluicegate.dev/builders/tekton/v1";
/// Buildkite.
pub const BUILDER_BUILDKITE: &str = "https://sluicegate.dev/builders/buildkite/v1";
/// CircleCI.
pub const BUILDER_CIRCLECI: &str = "https://sluicegate.dev/builders/circleci/v1";
/// A machine that is no known CI system.
pub const BUILDER_LOCAL: &str = "https://sluicegate.dev/builders/local/v1";
