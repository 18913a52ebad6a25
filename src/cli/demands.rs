//! What `verify` and `pull` demand, from the command line: a policy's file, keys
//! or an identity.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    flow::{
        error::{Error, Result},
        policy::{self, Besides, Loaded},
    },
    model::{
        bundle::{path::RelPath, problem::Problem},
        digest::Digest,
        evidence::root::{RootError, TrustRoot},
        policy::{
            Policy,
            signers::{Matcher, SignerEntry, Who},
        },
    },
};

use super::{
    args::demands::Demands,
    keys,
    output::Printer,
    report::{self, Look},
};

/// What is demanded.
pub struct Demanded {
    /// As a policy.
    pub policy: Policy,
    /// The SHA-256 of the policy's file, when there is one.
    pub digest: Option<Digest>,
    /// The policy's file, when there is one.
    pub bytes: Option<Vec<u8>>,
}

/// Reads what is demanded; says so when the trust root may be out of date.
///
/// # Errors
/// [`Error::Usage`] for none and for more than one of the ways, and what keeps
/// keys, policies and trust roots from being read.
pub fn demanded(args: &Demands, printer: &Printer) -> Result<Demanded> {
    // clap does not ask for what an exclusive flag excludes.
    if args.policy.is_none() && !args.secret.is_empty() {
        return Err(Error::usage("`--secret` is for `--policy`", "leave it out"));
    }
    if let Some(path) = &args.policy {
        return by_file(path, &args.secret, args.trusted_root.as_deref(), printer);
    }
    let root = args.trusted_root.as_deref().map(policy::trust_root).transpose()?;
    let demanded = match &args.certificate_identity {
        Some(subject) => {
            let issuer = args.certificate_oidc_issuer.clone().unwrap_or_default();
            let who = Who::Identity {
                issuer: Matcher::Exact(issuer),
                subject: Matcher::Exact(subject.clone()),
            };
            let root = root.map_or_else(TrustRoot::public_good, Ok).map_err(carried)?;
            let policy = Policy::by(vec![SignerEntry::always(who)], args.require_provenance);
            Demanded { policy: Policy { root: Some(root), ..policy }, digest: None, bytes: None }
        }
        None if args.key.is_empty() => return Err(nobody()),
        None => {
            let policy = Policy::by_keys(keys::public(&args.key)?, args.require_provenance);
            Demanded { policy: Policy { root, ..policy }, digest: None, bytes: None }
        }
    };
    if let Some(warning) = demanded.policy.root.as_ref().and_then(policy::stale) {
        printer.warn(&warning);
    }
    Ok(demanded)
}

/// Reads a policy's file; shows every problem of it.
///
/// # Errors
/// As [`policy::load`] and [`policy::trust_root`].
pub fn by_file(
    path: &Path,
    secret: &[String],
    root: Option<&Path>,
    printer: &Printer,
) -> Result<Demanded> {
    let root = root.map(policy::trust_root).transpose()?;
    let besides = Besides { secrets: secrets(secret)?, root };
    let name = path.file_name().and_then(|name| RelPath::new(name.to_str()?).ok());
    let base = path.parent().map(|dir| dir.display().to_string()).unwrap_or_default();
    let loaded = policy::load(path, name.as_ref(), &besides)
        .inspect_err(|error| show(error, &base, printer))?;
    Ok(Demanded::of(loaded, printer))
}

impl Demanded {
    /// What a policy demands; says so when its trust root may be out of date.
    pub fn of(loaded: Loaded, printer: &Printer) -> Self {
        if let Some(warning) = loaded.policy.root.as_ref().and_then(policy::stale) {
            printer.warn(&warning);
        }
        let Loaded { policy, digest, bytes, .. } = loaded;
        Self { policy, digest: Some(digest), bytes: Some(bytes) }
    }
}

fn nobody() -> Error {
    Error::usage(
        "nobody is named whom to trust",
        "give `--policy FILE`, `--key FILE`, or `--certificate-identity ID` with \
         `--certificate-oidc-issuer URL`",
    )
}

/// A root that is carried and cannot be read is a defect.
pub fn carried(error: RootError) -> Error {
    Error::Internal(format!("the trust root that is carried: {error}"))
}

/// `NAME=DIR`, each name once.
///
/// # Errors
/// [`Error::Usage`].
pub fn secrets(flags: &[String]) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for flag in flags {
        let wrong = |why: &str| {
            let hint = "write `--secret NAME=DIR`, once for each Secret";
            Err(Error::usage(format!("`--secret {flag}` {why}"), hint))
        };
        match flag.split_once('=') {
            Some((name, dir)) if !name.is_empty() && !dir.is_empty() => {
                if found.insert(name.to_owned(), PathBuf::from(dir)).is_some() {
                    return wrong("is given twice");
                }
            }
            _ => return wrong("is not `NAME=DIR`"),
        }
    }
    Ok(found)
}

/// Shows the problems of a policy, when those are the error.
pub fn show(error: &Error, base: &str, printer: &Printer) {
    if let Error::Problems(problems) = error {
        printer.say_always(&text(problems, base, printer));
    }
}

/// Problems as text.
pub fn text(problems: &[Problem], base: &str, printer: &Printer) -> String {
    report::text(problems, base, Look { colours: printer.colour(), ..Look::default() })
}
