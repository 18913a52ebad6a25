//! What can be typed. Turning it into requests is each verb's own business.

use std::{path::PathBuf, time::Duration};

use clap::{
    ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::model::{
    digest::Digest,
    reference::{Reference, Tag},
};

pub mod demands;

use super::keys::IdentityToken;
use demands::{Demands, PolicyVerb};

/// Makes an OCI registry a source of truth a cluster can trust.
#[derive(Debug, Parser)]
#[command(
    name = "sluicegate",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_long_help = AFTER
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Settings of every verb.
    #[command(flatten)]
    pub global: Global,
}

/// The name of the argument that says how results are printed.
const OUTPUT: &str = "output";

/// The program's command line. SARIF and annotations are reports about input:
/// the verbs without one do not offer them.
pub fn command() -> clap::Command {
    Cli::command().mut_subcommands(|verb| match verb.get_name() {
        "policy" => verb.mut_subcommands(offer),
        _ => offer(verb),
    })
}

/// A verb with the formats it can print.
fn offer(verb: clap::Command) -> clap::Command {
    match ["check", "publish"].contains(&verb.get_name()) {
        true => verb.arg(output(&["text", "json", "yaml", "sarif", "github"])),
        false => verb.arg(output(&["text", "json", "yaml"])),
    }
}

/// `-o` with these formats.
fn output(formats: &'static [&'static str]) -> clap::Arg {
    let (last, others) = formats.split_last().unwrap_or((&"text", &[]));
    clap::Arg::new(OUTPUT)
        .short('o')
        .long(OUTPUT)
        .global(true)
        .help(format!("Print results as `{}` or `{last}`", others.join("`, `")))
        .help_heading("Global options")
        .value_name("FORMAT")
        .value_parser(
            PossibleValuesParser::new(formats).try_map(|name| Output::from_str(&name, false)),
        )
        .hide_possible_values(true)
        .default_value("text")
}

/// The headings of the help, under which what is seldom needed stands.
const INPUT: &str = "Input";
const SOURCE: &str = "Source";
const LOCK: &str = "Lock";
const ARTIFACT: &str = "Artifact";
const EVIDENCE: &str = "Evidence files";
const LIMITS: &str = "Limits";

const AFTER: &str = "\
A reference is `oci://HOST/REPOSITORY[:TAG][@DIGEST]` or `oci-layout:DIR[:TAG][@DIGEST]`, the OCI
image layout on disk. Without tag and digest, `latest` is read.

Exit codes: 0 done; 1 rejected; 2 wrong usage or bad input; 3 unknown (not found, no access, no
answer).

Examples:
  sluicegate keygen
  sluicegate publish ./config oci://registry.example/shop/config:1.4.0 --key cosign.key
  sluicegate verify oci://registry.example/shop/config:1.4.0 --key cosign.pub";

/// Settings of every verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Print results as `text`, `json` or `yaml`; `check`, `policy check` and `publish` also as `sarif` or `github`
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Output,
    /// Print nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Tell of every request to a registry on stderr
    #[arg(short, long, global = true, overrides_with = "verbose", conflicts_with = "quiet")]
    pub verbose: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// JSON, described by `schemas/`.
    Json,
    /// The same as YAML.
    Yaml,
    /// SARIF 2.1.0 (`check`, `publish` and `policy check`).
    Sarif,
    /// GitHub workflow annotations (`check`, `publish` and `policy check`).
    Github,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a key pair that cosign reads
    #[command(after_long_help = "Examples:
  sluicegate keygen
  COSIGN_PASSWORD=… sluicegate keygen --output-key-prefix ci/release")]
    Keygen(Keygen),
    /// Validate a directory as `publish` would; writes nothing, needs no key
    #[command(after_long_help = "Examples:
  sluicegate check ./config
  sluicegate check ./config -o github --strict
  helm template … | sluicegate check - --name rendered.yaml")]
    Check(Check),
    /// Publish a directory as one signed, attested, reproducible artifact
    #[command(after_long_help = "Examples:
  sluicegate publish ./config oci://registry.example/shop/config:1.4.0 --key cosign.key
  sluicegate publish ./config oci-layout:./out:1.4.0 --key cosign.key --lock off
  sluicegate publish ./config oci://registry.example/shop/config:1.4.0 --tag latest \\
      --key env://SIGNING_KEY -o json
  sluicegate publish ./config oci://registry.example/shop/config:1.4.0 --keyless")]
    Publish(Box<Publish>),
    /// Decide whether an artifact is what a policy, a key or an identity demands
    #[command(after_long_help = "Examples:
  sluicegate verify oci://registry.example/shop/config:1.4.0 --key cosign.pub
  sluicegate verify oci://registry.example/shop/config:1.4.0 --policy policy.yaml
  sluicegate verify oci-layout:./out:1.4.0 --key cosign.pub --require-provenance -o json
  sluicegate verify oci://registry.example/shop/config:1.4.0 --policy policy.yaml --export shop.evidence
  sluicegate verify --evidence shop.evidence --policy policy.yaml")]
    Verify(Box<Verify>),
    /// Show an artifact and everything attached to it as a tree
    #[command(after_long_help = "Examples:
  sluicegate inspect oci://registry.example/shop/config:1.4.0
  sluicegate inspect oci-layout:./out:1.4.0 --key cosign.pub")]
    Inspect(Inspect),
    /// Verify an artifact, then extract it
    #[command(after_long_help = "Examples:
  sluicegate pull oci://registry.example/shop/config:1.4.0 ./out --key cosign.pub")]
    Pull(Box<Pull>),
    /// Show what would change in the cluster between two artifacts or directories
    ///
    /// Nothing is verified: this shows, and does not tell whom to trust. `verify` and `pull` do.
    #[command(after_long_help = "Examples:
  sluicegate diff oci://registry.example/shop/config:1.3.0 oci://registry.example/shop/config:1.4.0
  sluicegate diff oci://registry.example/shop/config:production ./config --exit-code")]
    Diff(Diff),
    /// Sign an artifact that another tool pushed
    #[command(after_long_help = "Examples:
  sluicegate sign oci://registry.example/shop/config@sha256:… --key cosign.key
  sluicegate sign oci://registry.example/shop/config@sha256:… --keyless \\
      --signing-config signing_config.json --trusted-root trusted_root.json")]
    Sign(Sign),
    /// Attach a statement to an artifact
    #[command(after_long_help = "Examples:
  sluicegate attest oci://registry.example/shop/config:1.4.0 \\
      --type https://in-toto.io/attestation/test-result/v0.1 --predicate result.json --key test.key
  sluicegate attest oci://registry.example/shop/config:1.4.0 --type https://spdx.dev/Document \\
      --predicate sbom.json --keyless")]
    Attest(Attest),
    /// Check, write and test policies
    Policy {
        /// What to do with them
        #[command(subcommand)]
        verb: PolicyVerb,
    },
    /// Verify one Sigstore bundle that is a file, as other Sigstore clients do
    #[command(after_long_help = "Examples:
  sluicegate verify-bundle --bundle a.sigstore.json --key cosign.pub a.txt
  sluicegate verify-bundle --bundle a.sigstore.json --certificate-identity jane@example.com \\
      --certificate-oidc-issuer https://accounts.google.com sha256:…")]
    VerifyBundle(VerifyBundle),
    /// Sign one file as a Sigstore bundle with an identity token
    ///
    /// For conformance tests and CI only: others on the machine can see the token while this runs.
    /// `sign`, `attest` and `publish` take it from the environment or from a file. Nothing is
    /// written unless what was signed verifies.
    #[command(after_long_help = "Examples:
  sluicegate sign-bundle --identity-token \"$TOKEN\" --bundle a.sigstore.json a.txt
  sluicegate sign-bundle --in-toto --identity-token \"$TOKEN\" --bundle a.sigstore.json a.intoto.json")]
    SignBundle(SignBundle),
    /// Print a completion script
    #[command(after_long_help = "Examples:
  sluicegate completions bash > /etc/bash_completion.d/sluicegate")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory
    #[command(after_long_help = "Examples:
  sluicegate man /usr/local/share/man/man1")]
    Man {
        /// The directory; it must exist
        dir: PathBuf,
    },
}

/// `keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// Write `PREFIX.key` and `PREFIX.pub`; neither may exist
    #[arg(long, value_name = "PREFIX", default_value = "cosign")]
    pub output_key_prefix: PathBuf,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: Password,
}

/// Where the password of a key comes from.
#[derive(Debug, Clone, Copy, Args)]
pub struct Password {
    /// Read the password of the key from standard input; else `COSIGN_PASSWORD`, else a prompt
    #[arg(long)]
    pub key_password_stdin: bool,
}

/// The input of `check` and `publish`.
#[derive(Debug, Args)]
pub struct Input {
    /// A directory, one file, or `-` for standard input with `--name`
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// The file name that standard input gets
    #[arg(long, value_name = "FILE", help_heading = INPUT)]
    pub name: Option<String>,
    /// What of a directory is read.
    #[command(flatten)]
    pub tree: Tree,
    /// Let Secrets with data in clear through; a push cannot be undone
    #[arg(long, help_heading = INPUT)]
    pub allow_secrets: bool,
    /// Treat warnings as errors
    #[arg(long, help_heading = INPUT)]
    pub strict: bool,
}

/// What of a directory is read.
#[derive(Debug, Args)]
pub struct Tree {
    /// Leave out what matches, in the syntax of `.sourceignore`; repeatable
    #[arg(long, value_name = "PATTERN", help_heading = INPUT)]
    pub ignore: Vec<String>,
    /// Follow symbolic links that stay inside the directory
    #[arg(long, help_heading = INPUT)]
    pub resolve_symlinks: bool,
    /// The largest manifest that is parsed, in bytes
    #[arg(long, value_name = "BYTES", default_value = "8MiB", value_parser = bytes, help_heading = INPUT, hide_short_help = true)]
    pub max_file: u64,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// What to check.
    #[command(flatten)]
    pub input: Input,
}

/// Who signs: keys, or the identity of this run.
#[derive(Debug, Args)]
pub struct Keys {
    /// Sign with this private key: a path or `env://VARIABLE`; repeatable, every key signs
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub key: Vec<String>,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: Password,
    /// Without a key.
    #[command(flatten)]
    pub keyless: Keyless,
}

/// Signing with an identity instead of a key, and the services for it.
#[derive(Debug, Clone, Args)]
pub struct Keyless {
    /// Sign with the identity of this CI run or of a token instead of a key
    #[arg(long, conflicts_with_all = ["key", "key_password_stdin", "timestamp_url"])]
    pub keyless: bool,
    /// The OIDC token to sign with; else `SIGSTORE_ID_TOKEN`, else the CI system's
    #[arg(long, value_name = "FILE", requires = "keyless", hide_short_help = true)]
    pub identity_token_file: Option<PathBuf>,
    /// The services to sign with (Sigstore's `signing_config.json`); else the public good ones
    #[arg(long, value_name = "FILE", requires = "keyless", hide_short_help = true)]
    pub signing_config: Option<PathBuf>,
    /// Who must vouch for what is signed (`trusted_root.json`); else the public good root
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub trusted_root: Option<PathBuf>,
    /// Have this authority say when a key signed (RFC 3161); checked with `--trusted-root`
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub timestamp_url: Option<String>,
}

/// `publish`.
#[derive(Debug, Args)]
pub struct Publish {
    /// What to publish.
    #[command(flatten)]
    pub input: Input,
    /// Where to, with the first tag
    #[arg(value_name = "REFERENCE")]
    pub reference: Reference,
    /// The keys.
    #[command(flatten)]
    pub keys: Keys,
    /// Another tag to move; repeatable
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<Tag>,
    /// Another annotation of the manifest; repeatable
    #[arg(long, value_name = "KEY=VALUE", help_heading = ARTIFACT)]
    pub annotation: Vec<String>,
    /// The source URL when there is no git work tree
    #[arg(long, value_name = "URL", requires = "revision", help_heading = SOURCE)]
    pub source: Option<String>,
    /// The revision when there is no git work tree, such as `main@sha1:…`
    #[arg(long, value_name = "REVISION", requires = "source", help_heading = SOURCE)]
    pub revision: Option<String>,
    /// Publish files that differ from the commit, and say so in the revision
    #[arg(long, help_heading = SOURCE)]
    pub allow_dirty: bool,
    /// Resolve charts and images: what can be, everything, or nothing
    #[arg(long, value_enum, default_value_t = LockArg::Resolve, value_name = "MODE", help_heading = LOCK)]
    pub lock: LockArg,
    /// Refuse charts and images that the manifests do not name by digest
    #[arg(long, help_heading = LOCK)]
    pub require_pinned: bool,
    /// Read from a mirror while resolving; repeatable
    #[arg(long, value_name = "HOST=HOST[/PREFIX]", help_heading = LOCK)]
    pub mirror: Vec<String>,
    /// Leave out the signature that cosign 2 and Flux before 2.8 read
    #[arg(long, help_heading = ARTIFACT)]
    pub no_legacy_signature: bool,
    /// Also write a tag that keeps the artifact from retention rules
    ///
    /// `git-COMMIT-DIGEST`, or `keep-DIGEST` where no commit is known; `--keep-tag=false` leaves it
    /// out.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL", help_heading = ARTIFACT)]
    pub keep_tag: bool,
    /// Move a release tag (a semantic version) that points at something else
    #[arg(long)]
    pub force_tag: bool,
    /// Do everything but write; print the digest
    #[arg(long)]
    pub dry_run: bool,
    /// The registry.
    #[command(flatten)]
    pub registry: Registry,
}

/// The values of `--lock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LockArg {
    /// Resolve what can be resolved; warn about the rest.
    Resolve,
    /// Fail on anything that does not resolve.
    Require,
    /// Resolve nothing.
    Off,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// What to verify
    #[arg(value_name = "REFERENCE", required_unless_present = "evidence")]
    pub reference: Option<Reference>,
    /// Write the decision and every byte it rests on into a new file
    #[arg(long, value_name = "FILE", help_heading = EVIDENCE, conflicts_with = "evidence")]
    pub export: Option<PathBuf>,
    /// Decide again from a file that `--export` wrote, without a network
    #[arg(long, value_name = "FILE", help_heading = EVIDENCE, conflicts_with_all = ["reference", "deep"])]
    pub evidence: Option<PathBuf>,
    /// Judge by the policy in that file, provided that it has this SHA-256
    #[arg(
        long,
        value_name = "DIGEST",
        help_heading = EVIDENCE,
        requires = "evidence",
        conflicts_with_all = [
            "policy",
            "key",
            "certificate_identity",
            "certificate_oidc_issuer",
            "require_provenance"
        ]
    )]
    pub policy_digest: Option<Digest>,
    /// Trust the root in that file, provided that it has this SHA-256
    #[arg(
        long,
        value_name = "DIGEST",
        help_heading = EVIDENCE,
        requires = "evidence",
        conflicts_with = "trusted_root"
    )]
    pub trusted_root_digest: Option<Digest>,
    /// Judge by the policy and the root in that file, whatever they are: this verifies nothing
    #[arg(
        long,
        help_heading = EVIDENCE,
        requires = "evidence",
        conflicts_with_all = [
            "policy",
            "policy_digest",
            "key",
            "certificate_identity",
            "certificate_oidc_issuer",
            "trusted_root",
            "trusted_root_digest",
            "require_provenance"
        ]
    )]
    pub self_contained: bool,
    /// Read config and layers as well, and all below an index, and check their bytes (always done
    /// on a layout)
    #[arg(long)]
    pub deep: bool,
    /// What must be known.
    #[command(flatten)]
    pub demands: Demands,
    /// The registry.
    #[command(flatten)]
    pub registry: Registry,
}

/// `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// What to show
    #[arg(value_name = "REFERENCE")]
    pub reference: Reference,
    /// Tell which statements these public keys made; repeatable
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub key: Vec<String>,
    /// Tell which statements are by those whom this TrustPolicy names, and which count for it
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub policy: Option<PathBuf>,
    /// The directory that stands for a Secret of the policy; repeatable
    #[arg(long, value_name = "NAME=DIR", requires = "policy", conflicts_with = "key")]
    pub secret: Vec<String>,
    /// Who vouches for identities, instead of the policy's trust root
    #[arg(long, value_name = "FILE", requires = "policy", conflicts_with = "key")]
    pub trusted_root: Option<PathBuf>,
    /// The registry.
    #[command(flatten)]
    pub registry: Registry,
}

/// `pull`.
#[derive(Debug, Args)]
pub struct Pull {
    /// What to pull
    #[arg(value_name = "REFERENCE")]
    pub reference: Reference,
    /// Where to: a directory that does not exist yet, or is empty
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Extract without verifying anything
    #[arg(
        long,
        conflicts_with_all = [
            "key",
            "policy",
            "secret",
            "certificate_identity",
            "certificate_oidc_issuer",
            "trusted_root",
            "require_provenance"
        ]
    )]
    pub unsafe_skip_verification: bool,
    /// The most bytes that are extracted
    #[arg(long, value_name = "BYTES", default_value = "4GiB", value_parser = bytes)]
    pub max_size: u64,
    /// What must be known.
    #[command(flatten)]
    pub demands: Demands,
    /// The registry.
    #[command(flatten)]
    pub registry: Registry,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// What is there: a reference or a directory
    #[arg(value_name = "FROM")]
    pub from: String,
    /// What would be there: a reference or a directory
    #[arg(value_name = "TO")]
    pub to: String,
    /// Exit 1 when there is a difference
    #[arg(long)]
    pub exit_code: bool,
    /// What of directories is read.
    #[command(flatten)]
    pub tree: Tree,
    /// The registry.
    #[command(flatten)]
    pub registry: Registry,
}

/// `sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// What to sign
    #[arg(value_name = "REFERENCE")]
    pub reference: Reference,
    /// The keys.
    #[command(flatten)]
    pub keys: Keys,
    /// Leave out the signature that cosign 2 and Flux before 2.8 read
    #[arg(long)]
    pub no_legacy_signature: bool,
    /// The registry.
    #[command(flatten)]
    pub registry: Registry,
}

/// `attest`.
#[derive(Debug, Args)]
pub struct Attest {
    /// What the statement is about
    #[arg(value_name = "REFERENCE")]
    pub reference: Reference,
    /// The predicate type, a URI
    #[arg(long = "type", value_name = "URI")]
    pub predicate_type: String,
    /// The predicate: a JSON file, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    pub predicate: PathBuf,
    /// The private key: a path or `env://VARIABLE`
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub key: Option<String>,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: Password,
    /// Without a key.
    #[command(flatten)]
    pub keyless: Keyless,
    /// Use the key or identity that made the artifact's signature all the same
    #[arg(long)]
    pub same_key: bool,
    /// The registry.
    #[command(flatten)]
    pub registry: Registry,
}

/// `verify-bundle`.
#[derive(Debug, Args)]
pub struct VerifyBundle {
    /// Trust Sigstore's staging instance instead of its public good one
    #[arg(long)]
    pub staging: bool,
    /// The bundle, of any version
    #[arg(long, value_name = "FILE")]
    pub bundle: PathBuf,
    /// The identity that the certificate must name
    #[arg(
        long,
        value_name = "IDENTITY",
        requires = "certificate_oidc_issuer",
        required_unless_present = "key"
    )]
    pub certificate_identity: Option<String>,
    /// The issuer that must have vouched for it
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    pub certificate_oidc_issuer: Option<String>,
    /// The public key that must have signed: a path or `env://VARIABLE`
    #[arg(
        long,
        value_name = "KEY",
        allow_hyphen_values = true,
        conflicts_with_all = ["certificate_identity", "certificate_oidc_issuer"]
    )]
    pub key: Option<String>,
    /// Whose certificates, logs and timestamps count: a `trusted_root.json`
    #[arg(long, value_name = "FILE")]
    pub trusted_root: Option<PathBuf>,
    /// What was signed, or the subject of the statement: a file or its digest, `sha256:…`
    #[arg(value_name = "FILE_OR_DIGEST")]
    pub artifact: String,
}

/// `sign-bundle`.
#[derive(Debug, Args)]
pub struct SignBundle {
    /// Use Sigstore's staging instance instead of its public good one
    #[arg(long)]
    pub staging: bool,
    /// The file is an in-toto statement: sign it in an envelope (DSSE)
    #[arg(long)]
    pub in_toto: bool,
    /// The OIDC token to sign with; for conformance tests and CI only, since others on the machine
    /// can see it
    #[arg(long, value_name = "TOKEN")]
    pub identity_token: IdentityToken,
    /// Where to write the bundle; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub bundle: PathBuf,
    /// Who must vouch for what is signed: a `trusted_root.json`
    #[arg(long, value_name = "FILE")]
    pub trusted_root: Option<PathBuf>,
    /// The services to sign with: a `signing_config.json`
    #[arg(long, value_name = "FILE")]
    pub signing_config: Option<PathBuf>,
    /// How long one request may take, with its retries
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// What to sign
    #[arg(value_name = "FILE")]
    pub artifact: PathBuf,
}

/// How registries are reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registry")]
pub struct Registry {
    /// Log in as this user at the reference's host
    #[arg(long, value_name = "USER", requires = "registry_password_stdin")]
    pub registry_username: Option<String>,
    /// Read the password of `--registry-username` from standard input
    #[arg(long, requires = "registry_username")]
    pub registry_password_stdin: bool,
    /// Trust these certificate authorities (PEM) as well
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Present this certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "client_key", hide_short_help = true)]
    pub client_cert: Option<PathBuf>,
    /// The key of `--client-cert` (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert", hide_short_help = true)]
    pub client_key: Option<PathBuf>,
    /// Speak HTTP; implied for loopback hosts unless a TLS flag is given
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub plain_http: Option<bool>,
    /// Send credentials to a token server on this other host; repeatable
    #[arg(long, value_name = "HOST", hide_short_help = true)]
    pub token_realm: Vec<String>,
    /// Also ask this host, though it is private and only content names it; repeatable
    ///
    /// Content is a manifest of the bundle, the index of a chart repository, or a redirect.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub private_host: Vec<String>,
    /// How long one operation may take, with its retries
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub timeout: Duration,
    /// The largest manifest that is read, in bytes
    #[arg(long, value_name = "BYTES", default_value = "4MiB", value_parser = bytes, help_heading = LIMITS, hide_short_help = true)]
    pub max_manifest: u64,
    /// The largest statement that is read, in bytes
    #[arg(long, value_name = "BYTES", default_value = "4MiB", value_parser = bytes, help_heading = LIMITS, hide_short_help = true)]
    pub max_statement: u64,
    /// The most bytes of statements that are held at a time
    #[arg(long, value_name = "BYTES", default_value = "32MiB", value_parser = bytes, help_heading = LIMITS, hide_short_help = true)]
    pub max_in_flight: u64,
    /// The most statements of one artifact that are read
    #[arg(long, value_name = "COUNT", default_value_t = 1000, help_heading = LIMITS, hide_short_help = true)]
    pub max_statements: usize,
}

/// A number of bytes: `4194304`, `8MiB`, `4GiB`.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let expected = || "expected bytes, such as `8388608`, `512KiB`, `8MiB` or `4GiB`".to_owned();
    let count: u64 = digits.parse().map_err(|_| expected())?;
    let unit: u64 = match text.get(digits.len()..) {
        Some("" | "B") => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some("GiB") => 1 << 30,
        _ => return Err(expected()),
    };
    count.checked_mul(unit).ok_or_else(expected)
}

/// `90`, `90s`, `2m`, `1h`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 =
        digits.parse().map_err(|_| "expected a number and a unit, such as `30s`".to_owned())?;
    let millis: u64 = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("" | "s") => 1000,
        Some("m") => 60_000,
        Some("h") => 3_600_000,
        _ => return Err("expected a unit among `ms`, `s`, `m` and `h`".into()),
    };
    match count.checked_mul(millis) {
        Some(total) if total > 0 && total <= 24 * 3_600_000 => Ok(Duration::from_millis(total)),
        _ => Err("expected more than zero and at most 24h".into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("20"), Ok(20));
        assert_eq!(bytes("8MiB"), Ok(8 << 20));
        assert_eq!((bytes("1KiB"), bytes("4GiB")), (Ok(1024), Ok(4 << 30)));
        for bad in ["", "many", "8MB", "-1", "1.5MiB", "99999999999GiB", "MiB", "8 MiB"] {
            assert!(bytes(bad).is_err_and(|said| said.contains("`8MiB`")), "{bad}");
        }
    }

    /// Where a report cannot be had it is not offered, in completions neither.
    #[test]
    fn reports_are_offered_where_there_is_input() {
        let command = command();
        let policy = command.find_subcommand("policy").unwrap();
        let verbs = command.get_subcommands().filter(|verb| verb.get_name() != "policy");
        for verb in verbs.chain(policy.get_subcommands()) {
            let output = verb.get_arguments().find(|arg| arg.get_id() == OUTPUT).unwrap();
            let offered = output.get_possible_values().iter().any(|v| v.get_name() == "sarif");
            assert_eq!(offered, ["check", "publish"].contains(&verb.get_name()), "{verb}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "1d", "-1s", "0", "99999999999999999999h", "25h", "1.5s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
