//! What a flow fails with, and which exit code that is.

use std::{fmt, io, path::PathBuf};

use crate::{
    edge::{
        keyless::error::{KeylessError, Service},
        registry::{Fault, RegistryError, Zone},
        signer::SignerError,
    },
    model::{
        bundle::{lock::LockFailure, need::Need, problem::Problem, unpack::UnpackError},
        evidence::origin::Mismatch,
        policy::Verdict,
        reference::ReferenceError,
        statement::attachment::AppendError,
    },
};

use super::extract::ExtractError;

/// The result of a flow.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A flow that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong usage or bad input that has no variant of its own.
    #[error("{message}")]
    Usage {
        /// What was found and what was expected.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// The bundle has problems; they are shown by the door.
    #[error("the input has {}", many(.0.len(), "problem"))]
    Problems(Vec<Problem>),
    /// The input cannot be packed.
    #[error("cannot pack the input")]
    Pack(#[from] super::pack::PackError),
    /// An archive cannot be extracted.
    #[error("cannot extract the artifact")]
    Extract(#[source] ExtractError),
    /// The git work tree cannot be read.
    #[error("cannot read the git work tree")]
    Git(#[from] crate::edge::git::GitError),
    /// The source cannot be told.
    #[error(transparent)]
    Source(#[from] crate::model::source::SourceError),
    /// A key cannot be used.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Signing without a key did not come about.
    #[error(transparent)]
    Keyless(#[from] KeylessError),
    /// The certificate is for another run than this.
    #[error("`{subject}` is not the identity of this run")]
    Origin {
        /// The certificate's subject.
        subject: String,
        /// What differs.
        source: Mismatch,
    },
    /// What was signed does not verify.
    #[error("what was signed does not verify, so nothing was pushed or written: {why}")]
    Unproven {
        /// Why.
        why: String,
        /// The trust root's digest, when there is one.
        root: Option<String>,
    },
    /// A reference is malformed.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A registry operation failed.
    #[error("cannot {}", .0.action)]
    Registry(#[source] Box<RegistryCause>),
    /// A reference, tag or digest is not there.
    #[error("`{what}` not found")]
    NotFound {
        /// The reference.
        what: String,
        /// Whether the tag was not named but is what no tag means.
        implied: bool,
        /// Whether the directory that should be the layout is not there either.
        nowhere: bool,
    },
    /// Something that decides what to write could not be read.
    #[error("{message}")]
    Unread {
        /// What could not be read, and why.
        message: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// What stands at a shared tag cannot be added to.
    #[error("cannot add to the tag `{tag}`")]
    SharedTag {
        /// The tag.
        tag: String,
        /// Why.
        source: AppendError,
    },
    /// Other writers kept removing our entries.
    #[error("other writers keep replacing the tag `{tag}`")]
    Contended {
        /// The tag.
        tag: String,
    },
    /// The digest was not accepted.
    #[error("`{}` was not accepted", .0.subject())]
    Verdict(Box<Verdict>),
    /// Charts or images did not meet the demands on the lock.
    #[error("{} {demand}", counted(failures.len()))]
    Lock {
        /// What was demanded.
        demand: Demand,
        /// What does not meet it.
        failures: Vec<LockFailure>,
        /// The directory that the files are in, as it was typed.
        below: PathBuf,
    },
    /// The user pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// A defect of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

/// What can be demanded of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// `--lock require`: everything resolves.
    Resolved,
    /// `--require-pinned`: the manifests carry every digest.
    Pinned,
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Demand::Resolved => "not resolved, as `--lock require` demands",
            Demand::Pinned => "not pinned by digest, as `--require-pinned` demands",
        })
    }
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 chart or image is".to_owned(),
        count => format!("{count} charts and images are"),
    }
}

/// A registry error whose action is said by [`Error`] and whose fault is the
/// cause.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct RegistryCause {
    /// What was being done.
    pub action: String,
    /// Why it failed.
    pub fault: Fault,
}

/// The classes of failure that callers act on; the exit codes of design.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Rejected: exit code 1.
    Rejected,
    /// Wrong usage or bad input: exit code 2.
    Usage,
    /// Unknown: exit code 3.
    Unknown,
}

/// Such as `1 problem` and `2 problems`.
fn many(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

impl Error {
    /// Wrong usage with a hint.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// Which class it is in.
    pub fn class(&self) -> Class {
        match self {
            Error::Registry(cause) => fault_class(&cause.fault),
            Error::NotFound { .. }
            | Error::Unread { .. }
            | Error::Contended { .. }
            | Error::Interrupted
            | Error::Internal(_) => Class::Unknown,
            Error::Verdict(verdict) => match verdict.kind() {
                crate::model::policy::Kind::Unknown(_) => Class::Unknown,
                _ => Class::Rejected,
            },
            Error::Extract(error) => match error {
                // The limit is the user's, and says nothing about the artifact.
                ExtractError::TooLarge { .. }
                | ExtractError::Unpack(UnpackError::TooLarge { .. }) => Class::Usage,
                ExtractError::Unpack(_) => Class::Rejected,
                ExtractError::Registry(error) => fault_class(&error.fault),
                ExtractError::Target { .. }
                | ExtractError::NoParent { .. }
                | ExtractError::Unwritable { .. }
                | ExtractError::Write { .. } => Class::Usage,
            },
            Error::Lock { failures, .. } => match failures.iter().all(|failure| failure.certain) {
                true => Class::Usage,
                false => Class::Unknown,
            },
            Error::Keyless(error) => keyless_class(error),
            Error::Unproven { .. } => Class::Rejected,
            Error::Usage { .. }
            | Error::Origin { .. }
            | Error::Problems(_)
            | Error::Pack(_)
            | Error::Git(_)
            | Error::Source(_)
            | Error::Signer(_)
            | Error::Reference(_)
            | Error::SharedTag { .. } => Class::Usage,
        }
    }

    /// A stable name of what kept an artifact from being judged.
    pub fn code(&self) -> &'static str {
        match self {
            Error::NotFound { .. } => "not-found",
            Error::Registry(cause) => match cause.fault {
                Fault::Unauthorized { .. } | Fault::Forbidden { .. } => "no-access",
                Fault::TimedOut(_) => "timed-out",
                _ => "unread",
            },
            _ => "unread",
        }
    }

    /// Each failure, when the error is several.
    pub fn details(&self) -> Vec<String> {
        let Error::Lock { failures, below, .. } = self else { return Vec::new() };
        let line = |LockFailure { need, reason, .. }: &LockFailure| {
            let file = below.join(need.file.as_str());
            let line = match need.at.line {
                0 => String::new(),
                line => format!(":{line}"),
            };
            let Need { reference, object, path, .. } = need;
            format!("`{reference}` ({}{line}, {object}, `{path}`): {reason}", file.display())
        };
        failures.iter().map(line).collect()
    }

    /// What to do next, when there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Usage { hint, .. } | Error::Unread { hint, .. } => hint.clone(),
            // Only who writes may make a layout.
            Error::Registry(cause) => match &cause.fault {
                Fault::Layout(_) if !cause.action.starts_with("use ") => Some(
                    "name the directory of an OCI image layout; a torn one is restored from a copy"
                        .into(),
                ),
                fault => registry_hint(fault),
            },
            Error::SharedTag { tag, source: AppendError::NotAnIndex } => Some(format!(
                "`cosign copy` writes an artifact to this tag; delete `{tag}` or move that artifact"
            )),
            Error::Contended { .. } => Some("run it again; what was written stays".into()),
            Error::NotFound { nowhere: true, .. } => {
                Some("there is no such directory; check its path".into())
            }
            Error::NotFound { implied: true, .. } => {
                Some("no tag was named, so `latest` was looked for; name one".into())
            }
            Error::NotFound { .. } => {
                Some("check the spelling, and that it was published here".into())
            }
            Error::Signer(error) => signer_hint(error).map(Into::into),
            Error::Lock { demand: Demand::Resolved, .. } => Some(
                "mend what the manifests name, or what keeps it from being read; `--lock resolve` \
                 publishes all the same and lists what is not resolved"
                    .into(),
            ),
            Error::Lock { demand: Demand::Pinned, .. } => Some(
                "write the digest beside each, such as `nginx:1.27@sha256:…`; without \
                 `--require-pinned` the table of the lock shows what each resolves to"
                    .into(),
            ),
            Error::Keyless(error) => Some(keyless_hint(error).into()),
            Error::Origin { .. } => Some(
                "sign with the token of this run; a provenance names the CI system, and its \
                 identity must say the same"
                    .into(),
            ),
            Error::Unproven { root, .. } => Some(match root {
                Some(root) => format!(
                    "check that the trust root (`{root}`) and the signing services belong \
                     together: `--trusted-root`, `--signing-config`, `--timestamp-url`"
                ),
                None => "this is a defect of sluicegate; please report it".into(),
            }),
            Error::Pack(super::pack::PackError::Unreadable { .. }) => {
                Some("give a directory, a file, or `-` for standard input".into())
            }
            Error::Pack(
                super::pack::PackError::Temporary(_) | super::pack::PackError::Layer(_),
            ) => Some(
                "make room where temporary files go, or name another directory in `TMPDIR`".into(),
            ),
            Error::Extract(ExtractError::Target { .. }) => {
                Some("name another directory; nothing is ever extracted over something else".into())
            }
            Error::Extract(
                ExtractError::Unwritable { source, .. } | ExtractError::Write { source, .. },
            ) => local_hint(source.kind()).map(Into::into),
            Error::Extract(
                ExtractError::TooLarge { .. } | ExtractError::Unpack(UnpackError::TooLarge { .. }),
            ) => Some("if it is meant to be so large, pull it with a larger `--max-size`".into()),
            Error::Extract(ExtractError::Unpack(_)) => Some(
                "nothing of it was kept; publish it again from its source, or ask who made it"
                    .into(),
            ),
            Error::Extract(ExtractError::NoParent { parent, .. }) => {
                Some(format!("make it first, with `mkdir -p {}`", parent.display()))
            }
            Error::Extract(ExtractError::Registry(error)) => registry_hint(&error.fault),
            Error::Reference(ReferenceError::NeedsTag { text }) => {
                Some(format!("name one, such as `{text}:1.0.0`"))
            }
            Error::Git(error) => Some(error.hint()),
            Error::Source(error) => Some(error.hint().into()),
            Error::Internal(_) => Some("this is a defect of sluicegate; please report it".into()),
            _ => None,
        }
    }
}

fn signer_hint(error: &SignerError) -> Option<&'static str> {
    match error {
        SignerError::Read { .. } => {
            Some("check the path; `sluicegate keygen` makes a new pair of keys")
        }
        SignerError::Write { .. } => Some("choose another place with `--output-key-prefix`"),
        SignerError::NoVariable { .. } => {
            Some("set it to the text of the key, or give the path of a key file")
        }
        SignerError::Password { .. } => {
            Some("check what is in `COSIGN_PASSWORD`, or what was piped in or typed")
        }
        SignerError::NoPassword { .. } => {
            Some("set `COSIGN_PASSWORD`, give `--key-password-stdin`, or run on a terminal")
        }
        SignerError::Malformed { .. } => {
            Some("signing takes the private key, such as `cosign.key`")
        }
        SignerError::Public { .. } => Some("verifying takes the public key, such as `cosign.pub`"),
        SignerError::Algorithm => Some("make one with `sluicegate keygen`"),
        SignerError::Inline => Some(
            "keep the key in an environment variable and name that; arguments are seen by everybody on the machine",
        ),
        SignerError::Scheme { .. } | SignerError::Crypto => None,
    }
}

/// A service that is down may be up next time; one that answers with something
/// else is not to be believed; a token that it refuses is a matter of usage.
fn keyless_class(error: &KeylessError) -> Class {
    match error {
        KeylessError::Down { .. } | KeylessError::Helper { .. } | KeylessError::Crypto => {
            Class::Unknown
        }
        KeylessError::Refused { service, .. } => match service {
            Service::Authority | Service::Issuer => Class::Usage,
            Service::Log | Service::Timestamp => Class::Unknown,
        },
        KeylessError::Answer { .. } => Class::Rejected,
        KeylessError::NoIdentity { .. }
        | KeylessError::Read { .. }
        | KeylessError::Token { .. }
        | KeylessError::Setup(_) => Class::Usage,
    }
}

fn keyless_hint(error: &KeylessError) -> &'static str {
    match error {
        KeylessError::NoIdentity { .. } => {
            "give a token with `--identity-token-file` or `SIGSTORE_ID_TOKEN`, or sign with `--key`"
        }
        KeylessError::Read { .. } => "give a file that holds nothing but the token",
        KeylessError::Token { .. } => {
            "get a new token for the audience `sigstore` right before signing"
        }
        KeylessError::Helper { .. } => "look at that program's own log",
        KeylessError::Setup(_) => "check `--ca-file` and the proxy variables",
        KeylessError::Down { .. } => "nothing was pushed or written; try again later",
        KeylessError::Refused { service: Service::Authority, .. } => {
            "nothing was pushed or written; check that this Fulcio knows the token's issuer"
        }
        KeylessError::Refused { .. } | KeylessError::Answer { .. } => {
            "nothing was pushed or written; check the URLs of `--signing-config` or \
             `--timestamp-url`"
        }
        KeylessError::Crypto => "this is a defect of sluicegate; please report it",
    }
}

/// Wrong bytes are a rejection; what a registry does not allow and what is
/// wrong with this machine or with a directory on it is for the user to mend;
/// anything else may be otherwise next time.
fn fault_class(fault: &Fault) -> Class {
    match fault {
        Fault::WrongDigest { .. } => Class::Rejected,
        Fault::ImmutableTag { .. } | Fault::Layout(_) => Class::Usage,
        Fault::Local(error) if local_hint(error.kind()).is_some() => Class::Usage,
        _ => Class::Unknown,
    }
}

/// What to do about files that cannot be read or written; nothing for what may
/// be otherwise next time, such as a lock that another writer holds.
fn local_hint(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    match kind {
        Kind::PermissionDenied => Some("check who may read and write there"),
        Kind::ReadOnlyFilesystem => Some("choose a place that can be written"),
        Kind::StorageFull | Kind::QuotaExceeded => Some("make room there, or choose another place"),
        Kind::NotFound | Kind::NotADirectory | Kind::IsADirectory | Kind::InvalidFilename => {
            Some("check the path")
        }
        _ => None,
    }
}

/// What to do about a fault of a registry.
pub(super) fn registry_hint(fault: &Fault) -> Option<String> {
    Some(match fault {
        Fault::Unauthorized { .. } => {
            "log in with `docker login`, or give `--registry-username` and `--registry-password-stdin`".into()
        }
        Fault::Forbidden { .. } => "check that the account may do this in this repository".into(),
        Fault::ImmutableTag { .. } => {
            "exempt the tags `sha256-*` (signatures and referrers) from the registry's \
             immutability rule, and move other tags only where it allows that"
                .into()
        }
        Fault::OutOfReach { .. } => return private_hint(fault),
        Fault::Refused(_) => {
            "if a token server on another host is meant, name it with `--token-realm HOST`".into()
        }
        Fault::TooLarge { .. } => {
            "if it is meant to be so large, raise `--max-manifest`, `--max-statement` or \
             `--max-size`"
                .into()
        }
        Fault::Network(why) => network_hint(why).into(),
        Fault::WrongDigest { .. } => {
            "do not use this copy; publish again or copy from an intact registry".into()
        }
        Fault::Throttled | Fault::TimedOut(_) => "try again later, or raise `--timeout`".into(),
        Fault::Layout(_) => {
            "name a layout, or a directory that is empty or new; a torn one is restored from a copy"
                .into()
        }
        Fault::Local(error) => local_hint(error.kind())?.into(),
        _ => return None,
    })
}

/// What to do about a host that nobody named who may name it. Nothing helps
/// against link-local space.
pub(super) fn private_hint(fault: &Fault) -> Option<String> {
    match fault {
        Fault::OutOfReach { host, zone, .. } if *zone != Zone::LinkLocal => {
            Some(format!("if it is to be asked all the same, give `--private-host {host}`"))
        }
        _ => None,
    }
}

/// What to do about a connection that failed; the libraries say why in words only.
fn network_hint(why: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if says(&["InvalidContentType", "corrupt message"]) {
        "the server does not speak TLS on this port; check the port, or give `--plain-http`"
    } else if says(&["invalid HTTP", "invalid header section"]) {
        "the server does not speak HTTP on this port; check the port, or leave `--plain-http` out"
    } else if says(&["lookup address", "No such host", "resolve"]) {
        "check the spelling of the host; it has no address here"
    } else if says(&["certificate"]) {
        "if the registry's certificate is of a private authority, name that with `--ca-file`"
    } else if says(&["refused"]) {
        "check host and port: nothing listens there; if a registry should, try again later"
    } else {
        "check the host, the port and the network; else try again later"
    }
}

impl From<ExtractError> for Error {
    /// What does not arrive is no fault of extracting.
    fn from(error: ExtractError) -> Self {
        match error {
            ExtractError::Registry(error) => error.into(),
            error => Error::Extract(error),
        }
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        let RegistryError { action, fault } = error;
        Error::Registry(Box::new(RegistryCause { action, fault }))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error::Internal(error.to_string())
    }
}
