//! The kinds of statements that an obligation can demand, one file each: what it
//! checks, in the header, for users; how, below.
//!
//! A rule looks at one verified statement and says whether it meets the demand.
//! It never decides who may sign, how many must, or how old it may be: that is
//! the same for all and lives in [`super`].
//!
//! # Adding one
//!
//! 1. `rule/<kind>.rs`: a header that says what it demands and of what; a struct
//!    with a field for each setting; `meets`, which returns the first
//!    [`Shortfall`]; a table test with a statement that meets it and one for each
//!    field that does not.
//! 2. A variant in [`Rule`], and its arms here.
//! 3. The fields in `api::trust_policy`, the sentence in `words`, the schema.
//! 4. The generated page: `docs/policy.md` is made of the headers.

use jiff::Timestamp;
use serde_json::Value;

use crate::model::{
    artifact::manifest::Annotations, digest::Digest, evidence::Evidence, reference::Tag,
    statement::intoto::Statement,
};

pub mod predicate;
pub mod provenance;
pub mod signature;
pub mod test_result;
pub mod verification_summary;

/// What a statement must be and say.
#[derive(Debug, Clone)]
pub enum Rule {
    /// A signature.
    Signature,
    /// SLSA provenance.
    Provenance(Box<provenance::Provenance>),
    /// An in-toto test result.
    TestResult(test_result::TestResult),
    /// A SLSA verification summary.
    VerificationSummary(verification_summary::VerificationSummary),
    /// Any other predicate type.
    Predicate(predicate::Predicate),
}

/// What is judged, and when.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The digest that is judged.
    pub subject: &'a Digest,
    /// The annotations of its manifest.
    pub annotations: &'a Annotations,
    /// The tag that was asked for, when one was.
    pub tag: Option<&'a Tag>,
    /// Where it was asked for: `oci://host/repository`, without tag and digest.
    pub resource: &'a str,
    /// When it is judged.
    pub now: Timestamp,
}

/// A verified statement, as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What was verified.
    pub evidence: &'a Evidence,
    /// What it says; `None` for a legacy signature.
    pub statement: Option<&'a Statement>,
}

impl<'a> Seen<'a> {
    /// The predicate; `null` when there is none.
    pub fn predicate(&self) -> &'a Value {
        self.statement.map_or(&Value::Null, |statement| &statement.predicate)
    }
}

/// Why a statement does not meet a demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// A stable name, such as `wrong-builder`.
    pub code: &'static str,
    /// What was found.
    pub found: String,
    /// What was wanted.
    pub wanted: String,
    /// What to do.
    pub hint: &'static str,
}

impl Rule {
    /// The word of the policy for it, or the predicate type.
    pub fn name(&self) -> &str {
        match self {
            Self::Signature => "signature",
            Self::Provenance(_) => "provenance",
            Self::TestResult(_) => "test-result",
            Self::VerificationSummary(_) => "verification-summary",
            Self::Predicate(rule) => &rule.predicate_type,
        }
    }

    /// Whether it is about statements of this type at all.
    pub fn is_about(&self, predicate_type: &str) -> bool {
        match self {
            Self::Signature => signature::TYPES.contains(&predicate_type),
            Self::Provenance(_) => provenance::TYPES.contains(&predicate_type),
            Self::TestResult(_) => test_result::TYPES.contains(&predicate_type),
            Self::VerificationSummary(_) => verification_summary::TYPES.contains(&predicate_type),
            Self::Predicate(rule) => rule.predicate_type == predicate_type,
        }
    }

    /// Whether a statement says what is demanded.
    ///
    /// # Errors
    /// The first [`Shortfall`].
    pub fn meets(&self, seen: Seen<'_>, context: Context<'_>) -> Result<(), Shortfall> {
        match self {
            Self::Signature => signature::meets(seen),
            Self::Provenance(rule) => rule.meets(seen, context),
            Self::TestResult(rule) => rule.meets(seen),
            Self::VerificationSummary(rule) => rule.meets(seen, context),
            Self::Predicate(_) => Ok(()),
        }
    }

    /// A time that the signed predicate claims, for `maxAge` when no log and no
    /// timestamp authority says when it was signed.
    pub fn claimed_time(&self, seen: Seen<'_>) -> Option<Timestamp> {
        let paths: &[&str] = match self {
            Self::Signature => &[],
            Self::Provenance(_) => provenance::TIMES,
            Self::TestResult(_) => test_result::TIMES,
            Self::VerificationSummary(_) => verification_summary::TIMES,
            Self::Predicate(_) => predicate::TIMES,
        };
        let time = |path: &&str| seen.predicate().pointer(path)?.as_str()?.parse().ok();
        paths.iter().find_map(time)
    }
}
