//! `statement: <URI>`: any statement of that predicate type.
//!
//! Met by a statement of exactly this type about this digest. What it must say
//! is the business of `where`: without a condition it only says that the signer
//! attached one, such as an SBOM.

/// Where such a statement may say when it was made.
pub(super) const TIMES: &[&str] =
    &["/timestamp", "/createdAt", "/metadata/timestamp", "/metadata/createdAt", "/timeVerified"];

/// Any other statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    /// The predicate type, a URI.
    pub predicate_type: String,
}
