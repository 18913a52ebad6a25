//! `statement: verification-summary`: somebody else verified it.
//!
//! Met by a SLSA verification summary (`https://slsa.dev/verification_summary/v1`)
//! by the named `verifier`, with `verificationResult: PASSED`, for this
//! `resource` (`resourceUri`), and with at least the SLSA `level` of its track
//! among `verifiedLevels`.
//!
//! Without `resource` the summary must be for the reference that is judged, as
//! it was asked for, without tag and digest.

use serde_json::Value;

use super::{Context, Seen, Shortfall};
use crate::model::{text::brief, uris};

/// The predicate types.
pub(super) const TYPES: &[&str] = &[uris::VERIFICATION_SUMMARY];
/// Where it says when it was made.
pub(super) const TIMES: &[&str] = &["/timeVerified"];

/// What a verification summary must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationSummary {
    /// The `verifier.id`.
    pub verifier: String,
    /// The `resourceUri`; `None` for the reference that is judged.
    pub resource: Option<String>,
    /// The least level; `None` demands none.
    pub level: Option<Level>,
}

/// A SLSA level, such as `SLSA_BUILD_LEVEL_2` (SLSA v1.2, "verification
/// summary", "SlsaResult").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// Such as `BUILD`.
    pub track: String,
    /// Such as 2.
    pub number: u8,
}

impl Level {
    /// Reads `SLSA_<TRACK>_LEVEL_<N>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (track, number) = text.strip_prefix("SLSA_")?.split_once("_LEVEL_")?;
        let known = |c: char| c.is_ascii_uppercase() || c == '_';
        match number.as_bytes() {
            [digit @ b'0'..=b'9'] if !track.is_empty() && track.chars().all(known) => {
                Some(Self { track: track.to_owned(), number: digit - b'0' })
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SLSA_{}_LEVEL_{}", self.track, self.number)
    }
}

impl VerificationSummary {
    /// Whether a summary says so.
    pub(super) fn meets(&self, seen: Seen<'_>, context: Context<'_>) -> Result<(), Shortfall> {
        let text =
            |path: &str| seen.predicate().pointer(path).and_then(Value::as_str).unwrap_or("(none)");
        let resource = self.resource.as_deref().unwrap_or(context.resource);
        for (what, path, wanted) in [
            ("verifier", "/verifier/id", self.verifier.as_str()),
            ("result", "/verificationResult", "PASSED"),
            ("resource", "/resourceUri", resource),
        ] {
            let found = text(path);
            if found != wanted {
                return Err(short(
                    format!("the {what} `{}`", brief(found)),
                    format!("the {what} `{wanted}`"),
                ));
            }
        }
        match &self.level {
            Some(level) if !reaches(seen.predicate(), level) => {
                Err(short("no such level".into(), format!("at least `{level}`")))
            }
            _ => Ok(()),
        }
    }
}

fn reaches(predicate: &Value, wanted: &Level) -> bool {
    let levels = predicate.get("verifiedLevels").and_then(Value::as_array);
    levels
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter_map(Level::parse)
        .any(|level| level.track == wanted.track && level.number >= wanted.number)
}

fn short(found: String, wanted: String) -> Shortfall {
    Shortfall {
        code: "verification-summary",
        found,
        wanted,
        hint: "look at what the verifier found, and at which reference it looked",
    }
}
