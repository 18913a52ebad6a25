//! `sluicegate verify-bundle`: one Sigstore bundle that is a file, and what it
//! is about (Sigstore client conformance protocol).

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    process::ExitCode,
};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    flow::{
        error::{Error, Result},
        policy,
    },
    model::{
        digest::Digest,
        evidence::{
            Outcome,
            file::{self, Artifact},
            identity::Signer,
            key::PublicKey,
            root::TrustRoot,
        },
        text::shown,
    },
};

use super::{args::VerifyBundle, demands, keys, output::Printer};

/// The largest bundle or trust root that is read, in bytes.
const MAX_DOCUMENT: u64 = 8 * 1024 * 1024;
/// The largest artifact that is read, in bytes; of a larger one give the digest.
const MAX_ARTIFACT: u64 = 1024 * 1024 * 1024;

/// The JSON of `verify-bundle`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct View {
    /// Always `sluicegate.dev/verify-bundle/v1`.
    schema: &'static str,
    /// `accepted` or `rejected`.
    verdict: &'static str,
    /// Who signed it, when accepted.
    signer: Option<String>,
    /// Why it was rejected.
    reason: Option<String>,
}

pub(super) fn run(args: &VerifyBundle, printer: &Printer) -> Result<ExitCode> {
    let bundle = read(&args.bundle, "the bundle", MAX_DOCUMENT)?;
    let root = root(args.trusted_root.as_deref(), args.staging)?;
    let key = args.key.as_deref().map(key).transpose()?;
    let checked = match digest(&args.artifact) {
        Some(digest) => file::check(&root, key.as_ref(), &bundle, Artifact::Digest(&digest)),
        None => {
            let bytes = artifact(Path::new(&args.artifact))?;
            file::check(&root, key.as_ref(), &bundle, Artifact::Bytes(&bytes))
        }
    };
    let judged = checked.map_err(why).and_then(|signer| wanted(args, signer));
    let view = View {
        schema: "sluicegate.dev/verify-bundle/v1",
        verdict: if judged.is_ok() { "accepted" } else { "rejected" },
        signer: judged.as_ref().ok().map(Signer::to_string),
        reason: judged.as_ref().err().cloned(),
    };
    let text = || match &judged {
        Ok(signer) => format!("accepted: {}\n", shown(&signer.to_string())),
        Err(why) => format!("rejected: {}\n", shown(why)),
    };
    printer.result(&view, text).map_err(super::stdout)?;
    Ok(if judged.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Whether it is the identity that was asked for; a key was asked for already.
fn wanted(args: &VerifyBundle, signer: Signer) -> Result<Signer, String> {
    let Some(identity) = signer.identity() else { return Ok(signer) };
    let pairs = [
        (&identity.subject, &args.certificate_identity, "identity"),
        (&identity.issuer, &args.certificate_oidc_issuer, "issuer"),
    ];
    for (found, wanted, what) in pairs {
        if Some(found) != wanted.as_ref() {
            let wanted = wanted.as_deref().unwrap_or_default();
            return Err(format!("its {what} is `{found}`, not `{wanted}`"));
        }
    }
    Ok(signer)
}

fn why(outcome: Outcome) -> String {
    match outcome {
        Outcome::Untrusted(why) | Outcome::Invalid(why) | Outcome::Unread(why) => why,
        Outcome::Verified(_) => "it is about something else".into(),
    }
}

/// A digest is one by its form, unless a file has that name.
fn digest(artifact: &str) -> Option<Digest> {
    artifact.parse().ok().filter(|_| !Path::new(artifact).exists())
}

fn key(reference: &str) -> Result<PublicKey> {
    let mut keys = keys::public(&[reference.to_owned()])?;
    match (keys.pop(), keys.is_empty()) {
        (Some(key), true) => Ok(key),
        _ => Err(Error::usage(
            format!("`{reference}` holds more than one key"),
            "give the file of one public key",
        )),
    }
}

/// The artifact, which is a file.
pub(super) fn artifact(path: &Path) -> Result<Vec<u8>> {
    read(path, "the artifact", MAX_ARTIFACT)
}

/// The trust root of a file, or else an embedded one.
pub(super) fn root(trusted_root: Option<&Path>, staging: bool) -> Result<TrustRoot> {
    match (trusted_root, staging) {
        (Some(path), _) => policy::trust_root(path),
        (None, true) => TrustRoot::staging().map_err(demands::carried),
        (None, false) => TrustRoot::public_good().map_err(demands::carried),
    }
}

fn read(path: &Path, what: &str, limit: u64) -> Result<Vec<u8>> {
    let failed = |error: io::Error| {
        Error::usage(
            format!("cannot read {what} `{}`: {error}", path.display()),
            "give a file that can be read; of an artifact that is too large give the digest, \
             `sha256:…`",
        )
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    match bytes.len() as u64 > limit {
        true => Err(failed(io::Error::other(format!("it is larger than {limit} bytes")))),
        false => Ok(bytes),
    }
}
