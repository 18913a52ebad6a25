//! The problems of a policy by name, for SARIF and for people who suppress one.

use crate::model::bundle::problem::{Code, code::codes};

codes! {
    #[doc = "It is not YAML, or too large."]
    SYNTAX = "policy-syntax";
    #[doc = "It is no TrustPolicy, or not exactly one."]
    KIND = "policy-kind";
    #[doc = "A field that does not exist, or not for this kind of statement."]
    FIELD = "policy-field";
    #[doc = "A field that must be there is not."]
    MISSING = "policy-missing";
    #[doc = "A value of the wrong type."]
    TYPE = "policy-type";
    #[doc = "A value that is not one of those that are possible."]
    VALUE = "policy-value";
    #[doc = "Obligations or signers that are nobody's, or somebody's twice."]
    SIGNERS = "policy-signers";
    #[doc = "A key or a trust root that cannot be read."]
    KEY = "policy-key";
    #[doc = "A pattern or a glob that is refused."]
    PATTERN = "policy-pattern";
    #[doc = "An expression that is refused."]
    EXPRESSION = "policy-expression";
    #[doc = "More than there may be."]
    LIMIT = "policy-limit";
    #[doc = "A kind of statement that a later release brings."]
    FUTURE = "policy-future";
    #[doc = "A tag selects the version, and nothing ties the tag to what was published."]
    TAG = "policy-tag";
}
