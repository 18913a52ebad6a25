//! Policies from files: loading one, trying several on several artifacts, and
//! proposing a first one.

use std::{collections::BTreeMap, io, path::Path, path::PathBuf};

use crate::{
    api::trust_policy::{self, Given},
    edge::{
        clock, files,
        policy_files::{self, Files},
    },
    model::{
        bundle::{path::RelPath, problem::Problem},
        digest::Digest,
        evidence::root::{EMBEDDED_AT, TrustRoot},
        policy::Policy,
    },
};

use super::error::{Error, Result};

pub mod expect;
pub mod propose;

/// What is given besides a policy's file.
#[derive(Debug, Clone, Default)]
pub struct Besides {
    /// Directories that stand for Secrets, by name.
    pub secrets: BTreeMap<String, PathBuf>,
    /// A trust root that outweighs the policy's.
    pub root: Option<TrustRoot>,
}

/// A policy that was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// The SHA-256 of the file's bytes.
    pub digest: Digest,
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// A problem about the policy as a whole, to be worded.
    pub about: Problem,
}

/// Loads a policy's file; `name` is what problems call it.
///
/// # Errors
/// [`Error::Problems`] with every problem of it; [`Error::Usage`] when it cannot
/// be read.
pub fn load(path: &Path, name: Option<&RelPath>, besides: &Besides) -> Result<Loaded> {
    let bytes = policy_files::policy(path).map_err(|error| unreadable("policy", path, &error))?;
    read(&bytes, path.parent().unwrap_or(Path::new("")), name, besides)
}

/// Reads a policy whose file is in `base`.
///
/// # Errors
/// As [`load`].
pub fn read(
    bytes: &[u8],
    base: &Path,
    name: Option<&RelPath>,
    besides: &Besides,
) -> Result<Loaded> {
    let files = Files { base: base.to_path_buf(), secrets: besides.secrets.clone() };
    let given = Given { bytes, file: name, root: besides.root.clone() };
    let read = trust_policy::read(given, &mut |ask| files.load(ask)).map_err(Error::Problems)?;
    Ok(Loaded {
        policy: read.policy,
        digest: Digest::of(bytes),
        bytes: bytes.to_vec(),
        about: read.about,
    })
}

/// Reads a trust root.
///
/// # Errors
/// [`Error::Usage`] when it cannot be read or is none.
pub fn trust_root(path: &Path) -> Result<TrustRoot> {
    let bytes = files::read_bounded(path, policy_files::MAX_ROOT)
        .map_err(|error| unreadable("trust root", path, &error))?;
    TrustRoot::parse(&bytes).map_err(|error| {
        Error::usage(
            format!("cannot use the trust root `{}`: {error}", path.display()),
            "give the `trusted_root.json` of the Sigstore that is meant",
        )
    })
}

fn unreadable(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::usage(format!("cannot read the {what} `{}`: {error}", path.display()), "check the path")
}

/// That a trust root may be out of date.
pub fn stale(root: &TrustRoot) -> Option<String> {
    root.is_stale(clock::now()).then(|| {
        format!(
            "the trust root that this program carries was taken on {EMBEDDED_AT}, more than six \
             months ago; give a current one with `--trusted-root`"
        )
    })
}
