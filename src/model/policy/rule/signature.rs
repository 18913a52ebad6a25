//! `statement: signature`: somebody says "this digest is mine".
//!
//! Met by a cosign signature of this digest: an in-toto statement of type
//! `https://sigstore.dev/cosign/sign/v1` in a Sigstore bundle, or the payload
//! that cosign 2 writes at the `.sig` tag. Nothing else is a signature: a
//! provenance, an SBOM or a test result by the same signer does not meet it.
//!
//! It says who vouches for the digest, not what was built, from what, or for
//! which environment: every build of a repository is signed.

use super::{Seen, Shortfall};
use crate::model::{evidence::Claim, uris};

/// The predicate types that are signatures.
pub(super) const TYPES: &[&str] = &[uris::SIGNATURE];

/// Whether a statement is a signature.
pub(super) fn meets(seen: Seen<'_>) -> Result<(), Shortfall> {
    match seen.evidence.claim() {
        Claim::Signature => Ok(()),
        Claim::Provenance(_) | Claim::Other { .. } => Err(Shortfall {
            code: "no-signature",
            found: "another statement".into(),
            wanted: "a cosign signature".into(),
            hint: "publish with `sluicegate publish`, or sign with `sluicegate sign`",
        }),
    }
}
