//! Expectations of a policy, kept in a file: what each artifact must come to.

use std::path::Path;

use serde::Deserialize;

use crate::{
    edge::files,
    flow::error::{Error, Result},
    model::{policy::Kind, reference::Reference},
};

/// The largest file of expectations that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The most expectations.
const MAX_COUNT: usize = 1000;

/// What an artifact must come to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The artifact.
    pub reference: String,
    /// The verdict.
    pub verdict: Expected,
    /// Codes of reasons, each of which must be among those that are given.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The name of the policy that is meant, when several are tested.
    #[serde(default)]
    pub policy: Option<String>,
}

/// A verdict that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// Everything demanded is known.
    Accepted,
    /// Something demanded is missing.
    Rejected,
    /// Something demanded could not be read.
    Unknown,
}

impl Expected {
    /// The expectation that a verdict meets.
    pub fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Accepted => Self::Accepted,
            Kind::Rejected(_) => Self::Rejected,
            Kind::Unknown(_) => Self::Unknown,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }
}

/// Reads a file of expectations.
///
/// # Errors
/// [`Error::Usage`] when it cannot be read, or is no list of expectations.
pub fn load(path: &Path) -> Result<Vec<(Reference, Expectation)>> {
    let what = path.display();
    let hint = "write `- {reference: oci://…, verdict: rejected, reasons: [no-signature]}` lines";
    let wrong = |why: String| Error::usage(format!("the expectations `{what}`: {why}"), hint);
    let bytes = files::read_bounded(path, MAX_FILE).map_err(|error| wrong(error.to_string()))?;
    let found: Vec<Expectation> =
        serde_saphyr::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() || found.len() > MAX_COUNT {
        return Err(wrong(format!("expected 1 to {MAX_COUNT} entries, found {}", found.len())));
    }
    let read = |expectation: Expectation| match expectation.reference.parse() {
        Ok(reference) => Ok((reference, expectation)),
        Err(error) => Err(wrong(format!("`{}`: {error}", expectation.reference))),
    };
    found.into_iter().map(read).collect()
}
