//! Signing a file without a key: a Sigstore bundle that is a file too (Sigstore
//! client conformance protocol, `sign-bundle`).
//!
//! Unlike what is pushed, nothing here is compared with the CI run that this is:
//! the token may be anybody's, and the artifact is any file. What came back is
//! looked at as a verifier would before it is written.

use std::path::Path;

use crate::{
    edge::{
        files::Replacement,
        keyless::{Session, What, http::Http, identity},
    },
    model::{
        digest::Digest,
        evidence::{
            Outcome,
            file::{self, Artifact},
            identity::Signer,
            root::TrustRoot,
            services::Services,
        },
        statement::intoto,
    },
};

use super::error::{Error, Result};

/// What is signed, and with whose help.
pub struct Request<'a> {
    /// The bytes of the file.
    pub bytes: &'a [u8],
    /// Whether they are an in-toto statement, which is signed in an envelope.
    pub in_toto: bool,
    /// How services are reached.
    pub http: Http,
    /// Which.
    pub services: Services,
    /// Who must vouch for what they give.
    pub root: &'a TrustRoot,
    /// Where the token is.
    pub identity: identity::Source,
    /// Where the bundle goes.
    pub target: &'a Path,
}

/// Signs, verifies, and writes the bundle; who signed. The target stays as it was
/// unless all of that went well.
///
/// # Errors
/// [`Error::Usage`] for a statement that is none and a target that cannot be
/// written, before anybody is asked; [`Error::Keyless`]; [`Error::Unproven`].
pub async fn sign_bundle(request: Request<'_>) -> Result<Signer> {
    let Request { bytes, in_toto, http, services, root, identity, target } = request;
    let subject = in_toto.then(|| subject(bytes)).transpose()?;
    let place = Replacement::create(target).map_err(|error| unwritable(target, &error))?;
    let token = identity.token(&http).await?;
    let session = Session::open(http, services, token).await?;
    let (what, artifact) = match &subject {
        Some(subject) => (What::Statement(bytes), Artifact::Digest(subject)),
        None => (What::Bytes(bytes), Artifact::Bytes(bytes)),
    };
    let bundle = session.sign(what).await?;
    let signer = proven(root, &session, &bundle, artifact)?;
    place.commit(&bundle).map_err(|error| unwritable(target, &error))?;
    Ok(signer)
}

/// A digest that a statement is about: a verifier will ask for one.
fn subject(statement: &[u8]) -> Result<Digest> {
    let refuse = |why: String| {
        Error::usage(
            why,
            "give an in-toto statement (v1) that names a subject by its `sha256`, or leave out \
             `--in-toto` to sign any file",
        )
    };
    let parsed = intoto::Statement::parse(statement)
        .map_err(|error| refuse(format!("the file cannot be signed as a statement: {error}")))?;
    parsed.subjects.first().copied().ok_or_else(|| {
        refuse("the file cannot be signed as a statement: no subject has a `sha256`".into())
    })
}

/// Looks at the bundle as a verifier would.
fn proven(
    root: &TrustRoot,
    session: &Session,
    bundle: &[u8],
    artifact: Artifact<'_>,
) -> Result<Signer> {
    let refuse = |why| Error::Unproven { why, root: Some(root.digest().to_string()) };
    let signer = file::check(root, None, bundle, artifact).map_err(|outcome| match outcome {
        Outcome::Untrusted(why) | Outcome::Invalid(why) | Outcome::Unread(why) => refuse(why),
        Outcome::Verified(_) => refuse("it is about something else".into()),
    })?;
    match signer.identity() {
        Some(identity) if identity == session.identity() => Ok(signer),
        _ => Err(refuse(format!("it verifies as signed by {signer}"))),
    }
}

fn unwritable(target: &Path, error: &std::io::Error) -> Error {
    Error::usage(
        format!("cannot write the bundle `{}`: {error}", target.display()),
        "give a file in a directory that exists and can be written",
    )
}
