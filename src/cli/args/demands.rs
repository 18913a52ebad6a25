//! What `verify` and `pull` demand, and the verbs about policies.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Registry;
use crate::model::reference::Reference;

/// What must be known about an artifact; exactly one of the three ways.
#[derive(Debug, Args)]
#[command(next_help_heading = "Whom to trust")]
pub struct Demands {
    /// A public key: a path or `env://VARIABLE`; repeatable, any of them suffices
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub key: Vec<String>,
    /// Judge by this TrustPolicy
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub policy: Option<PathBuf>,
    /// The directory that stands for a Secret of the policy: its keys are `*.pub`, its trust root
    /// `trusted_root.json`; repeatable
    #[arg(long, value_name = "NAME=DIR", requires = "policy")]
    pub secret: Vec<String>,
    /// The identity in the certificate, exactly
    #[arg(
        long,
        value_name = "ID",
        requires = "certificate_oidc_issuer",
        conflicts_with_all = ["key", "policy"]
    )]
    pub certificate_identity: Option<String>,
    /// The issuer of that identity, exactly
    #[arg(
        long,
        value_name = "URL",
        requires = "certificate_identity",
        conflicts_with_all = ["key", "policy"]
    )]
    pub certificate_oidc_issuer: Option<String>,
    /// Who vouches for identities and times: a Sigstore `trusted_root.json`, instead of the policy's
    /// or of the one that this program carries
    #[arg(long, value_name = "FILE")]
    pub trusted_root: Option<PathBuf>,
    /// Demand provenance by a named signer that agrees with the manifest
    #[arg(long, conflicts_with = "policy")]
    pub require_provenance: bool,
}

/// The verbs about policies.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Validate policies and say in plain sentences what they demand
    #[command(after_long_help = "Examples:
  sluicegate policy check policies/*.yaml
  sluicegate policy check policy.yaml -o github")]
    Check(PolicyCheck),
    /// Write a first strict policy, from what an artifact actually carries, to stdout
    #[command(after_long_help = "Examples:
  sluicegate policy init --from oci://registry.example/shop/config:1.4.0 --key cosign.pub > policy.yaml")]
    Init(PolicyInit),
    /// Try policies on artifacts, and compare with what was expected
    ///
    /// Exit code 0 when each verdict is as expected (accepted, unless the expectations say
    /// otherwise), 1 when one is not, 3 when one is unknown and should not be.
    #[command(after_long_help = "Examples:
  sluicegate policy test policy.yaml --against oci://registry.example/shop/config:1.4.0
  sluicegate policy test policy.yaml --expect expectations.yaml

Expectations are a list in YAML:
  - {reference: oci://registry.example/shop/config:1.4.0, verdict: accepted}
  - {reference: oci://registry.example/shop/config:0.1.0, verdict: rejected, reasons: [no-provenance]}")]
    Test(PolicyTest),
}

/// `policy check`.
#[derive(Debug, Args)]
pub struct PolicyCheck {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The directory that stands for a Secret of a policy; repeatable
    #[arg(long, value_name = "NAME=DIR")]
    pub secret: Vec<String>,
    /// Treat warnings as errors
    #[arg(long)]
    pub strict: bool,
}

/// `policy init`.
#[derive(Debug, Args)]
pub struct PolicyInit {
    /// The artifact that the policy is made for
    #[arg(long, value_name = "REFERENCE")]
    pub from: Reference,
    /// A public key whose statements count: a path or `env://VARIABLE`; repeatable
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub key: Vec<String>,
    /// Who vouches for identities, instead of the trust root that this program carries
    #[arg(long, value_name = "FILE")]
    pub trusted_root: Option<PathBuf>,
    /// The registry.
    #[command(flatten)]
    pub registry: Registry,
}

/// `policy test`.
#[derive(Debug, Args)]
pub struct PolicyTest {
    /// The policies
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// An artifact to try them on; repeatable
    #[arg(long, value_name = "REFERENCE", required_unless_present = "expect")]
    pub against: Vec<Reference>,
    /// What each artifact must come to; those it names are tried too
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// The directory that stands for a Secret of a policy; repeatable
    #[arg(long, value_name = "NAME=DIR")]
    pub secret: Vec<String>,
    /// Who vouches for identities and times, instead of the policies' trust roots
    #[arg(long, value_name = "FILE")]
    pub trusted_root: Option<PathBuf>,
    /// The registry.
    #[command(flatten)]
    pub registry: Registry,
}
