//! `sluicegate verify --export` and `--evidence`: the evidence file.

use std::{io, path::Path, process::ExitCode};

use crate::{
    api::evidence_file::{Document, EvidenceFile},
    flow::{
        error::{Error, Result},
        evidence_file::{self, Documents},
        policy::{self, Besides},
        verify::Judged,
    },
    model::{digest::Digest, evidence::root::TrustRoot, reference::Reference},
};

use super::{
    args::Verify,
    demands::{self, Demanded},
    output::Printer,
    verify::{ReplayView, View},
};

/// Refuses to write over a file, before anything is asked of a registry.
///
/// # Errors
/// [`Error::Usage`].
pub fn refuse_existing(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        _ => Err(taken(path)),
    }
}

fn taken(path: &Path) -> Error {
    Error::usage(
        format!("`{}` exists; expected a file to make", path.display()),
        "name another file: evidence is never written over",
    )
}

/// Writes the evidence file of a decision: whole, or not at all.
///
/// # Errors
/// [`Error::Usage`] when it cannot be written.
pub fn export(
    path: &Path,
    reference: &Reference,
    judged: &Judged,
    demanded: &Demanded,
) -> Result<()> {
    let documents = Documents {
        policy: demanded.bytes.as_deref(),
        root: demanded.policy.root.as_ref().map(TrustRoot::as_bytes),
    };
    let file = evidence_file::export(reference, judged, documents)?;
    let bytes = serde_json::to_vec_pretty(&file)?;
    let failed = |error: io::Error| {
        Error::usage(
            format!("cannot write `{}`: {error}", path.display()),
            "name a file in a directory that exists and has room",
        )
    };
    evidence_file::write(path, &bytes).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(path),
        _ => failed(error),
    })
}

/// Decides again from a file.
///
/// # Errors
/// [`Error::Usage`] when nobody says what to judge by, and for a file that is
/// none or was changed.
pub async fn replay(args: &Verify, path: &Path, printer: &Printer) -> Result<ExitCode> {
    let file = evidence_file::read(path)?;
    let demanded = demanded(args, &file, printer)?;
    let judged = evidence_file::replay(&file, demanded.policy.clone()).await?;
    let reference: Reference = file.reference.parse()?;
    let now = judged.verdict.kind().word();
    if now != file.verdict {
        let then = crate::model::text::brief(&file.verdict);
        printer.warn(&format!("the file says that it was {then}; judged now it is {now}"));
    }
    let replay = ReplayView { verified: !args.self_contained, claimed: file.verdict.clone() };
    View::replayed(&reference, &judged, &demanded, replay).show(true, printer)
}

/// What to judge by: what the flags name, or what the file holds where they name
/// its digest, or where nothing is to be verified.
fn demanded(args: &Verify, file: &EvidenceFile, printer: &Printer) -> Result<Demanded> {
    let flags = &args.demands;
    let named = flags.policy.is_some() || !flags.key.is_empty();
    let own_root = match (args.self_contained, args.trusted_root_digest) {
        (true, _) => file.trust_root.as_ref().map(root).transpose()?,
        (false, Some(wanted)) => Some(root(held("trust root", &file.trust_root, Some(wanted))?)?),
        (false, None) => None,
    };
    if named || flags.certificate_identity.is_some() {
        let mut demanded = demands::demanded(flags, printer)?;
        demanded.policy.root = own_root.or(demanded.policy.root);
        return Ok(demanded);
    }
    if !args.self_contained && args.policy_digest.is_none() {
        return Err(Error::usage(
            "nobody says what to judge by; whoever wrote the file wrote the policy in it",
            "give `--policy FILE`, or `--policy-digest DIGEST` of a policy that you know; \
             `--self-contained` replays without verifying",
        ));
    }
    let document = held("policy", &file.policy, args.policy_digest)?;
    let root = match &flags.trusted_root {
        Some(path) => Some(policy::trust_root(path)?),
        None => own_root,
    };
    let besides = Besides { secrets: demands::secrets(&flags.secret)?, root };
    let loaded = policy::read(&document.content.0, Path::new(""), None, &besides)
        .inspect_err(|error| demands::show(error, "", printer))?;
    Ok(Demanded::of(loaded, printer))
}

/// A document of the file, when it has the digest that is wanted.
fn held<'a>(
    what: &str,
    document: &'a Option<Document>,
    wanted: Option<Digest>,
) -> Result<&'a Document> {
    let hint = format!("give the {what} itself as a file");
    let Some(document) = document else {
        return Err(Error::usage(format!("the evidence file holds no {what}"), hint));
    };
    match wanted {
        Some(wanted) if wanted != document.digest => Err(Error::usage(
            format!("the {what} in the file is `{}`; expected `{wanted}`", document.digest),
            hint,
        )),
        _ => Ok(document),
    }
}

fn root(document: &Document) -> Result<TrustRoot> {
    TrustRoot::parse(&document.content.0).map_err(|error| {
        Error::usage(
            format!("the trust root in the evidence file: {error}"),
            "give one by `--trusted-root`",
        )
    })
}
