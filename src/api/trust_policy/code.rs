//! The problems of a policy by name, for SARIF and for people who suppress one.

use crate::model::bundle::problem::Code;

/// It is not YAML, or too large.
pub const SYNTAX: Code = Code("policy-syntax");
/// It is no TrustPolicy, or not exactly one.
pub const KIND: Code = Code("policy-kind");
/// A field that does not exist, or not for this kind of statement.
pub const FIELD: Code = Code("policy-field");
/// A field that must be there is not.
pub const MISSING: Code = Code("policy-missing");
/// A value of the wrong type.
pub const TYPE: Code = Code("policy-type");
/// A value that is not one of those that are possible.
pub const VALUE: Code = Code("policy-value");
/// Obligations or signers that are nobody's, or somebody's twice.
pub const SIGNERS: Code = Code("policy-signers");
/// A key or a trust root that cannot be read.
pub const KEY: Code = Code("policy-key");
/// A pattern or a glob that is refused.
pub const PATTERN: Code = Code("policy-pattern");
/// An expression that is refused.
pub const EXPRESSION: Code = Code("policy-expression");
/// More than there may be.
pub const LIMIT: Code = Code("policy-limit");
/// A kind of statement that a later release brings.
pub const FUTURE: Code = Code("policy-future");
/// A tag selects the version, and nothing ties the tag to what was published.
pub const TAG: Code = Code("policy-tag");
