//! A bundle that is a file, and what it is about (Sigstore client conformance
//! protocol, `verify-bundle`).
//!
//! Every version of bundles is read here, with a message signature too: whoever
//! gives the file vouches for which one it is, which a registry does not. The
//! demands are those of Sigstore's clients; see [`check`].

use sigstore_types::bundle::VerificationMaterialContent;

use super::{Outcome, certificate, identity::Signer, key::PublicKey, root::TrustRoot};
use crate::model::{digest::Digest, statement::bundle};

/// What a bundle must be about: what was signed, or the subject of a statement.
#[derive(Debug, Clone, Copy)]
pub enum Artifact<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// Bytes of this digest. A signature that is not over a SHA-256 cannot be
    /// checked without the bytes.
    Digest(&'a Digest),
}

/// Who made a bundle about `artifact`: the identity that `root` vouches for, or
/// the holder of `key` when one is given.
///
/// An entry in a log is demanded exactly when the root lists logs.
///
/// # Errors
/// [`Outcome::Invalid`] or [`Outcome::Untrusted`]: why it does not count.
pub fn check(
    root: &TrustRoot,
    key: Option<&PublicKey>,
    bundle: &[u8],
    artifact: Artifact<'_>,
) -> Result<Signer, Outcome> {
    let bundle = bundle::parse(bundle).map_err(|error| Outcome::Invalid(error.to_string()))?;
    let signed = match artifact {
        Artifact::Bytes(bytes) => certificate::Signed::Bytes(bytes),
        Artifact::Digest(digest) => certificate::Signed::About(digest),
    };
    let by_key =
        matches!(bundle.verification_material.content, VerificationMaterialContent::PublicKey(_));
    let (signer, _) = match (key, by_key) {
        (Some(key), true) => certificate::by_key_strictly(root, key, signed, &bundle)?,
        (None, false) => certificate::by_identity(root, signed, &bundle)?,
        (Some(_), false) => {
            return Err(Outcome::Untrusted("it is signed with a certificate, not a key".into()));
        }
        (None, true) => {
            return Err(Outcome::Untrusted("it is signed with a key; no key was given".into()));
        }
    };
    Ok(signer)
}
