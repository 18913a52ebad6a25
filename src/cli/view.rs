//! Shapes of JSON output that several verbs share, and the list of all of them.
//!
//! `schemas/` is generated from these types; a test keeps the two equal and
//! validates real output against them.

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

use crate::{
    flow::error::Error,
    model::{
        bundle::{
            lock::{LockFailure, Locked, Unresolved},
            need::Need,
            problem::{Problem, Severity},
        },
        digest::Digest,
        evidence::Format,
        text::causes,
    },
};

use super::verify::ReasonView;

/// What is printed when a verb fails before it has a result.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Always `sluicegate.dev/error/v1`.
    schema: &'static str,
    /// The verb; `null` when none was understood.
    verb: Option<String>,
    /// What failed.
    error: String,
    /// Why, outermost first.
    causes: Vec<String>,
    /// What to do next.
    hint: Option<String>,
    /// Each failure, when the error is several.
    details: Vec<String>,
    /// The charts and images that did not meet the demands on the lock.
    unresolved: Vec<LockFailureView>,
    /// The problems of the input, when those are the error.
    problems: Vec<ProblemView>,
    /// Why it was not accepted, when that is the error.
    reasons: Vec<ReasonView>,
    /// The exit code.
    exit_code: u8,
}

impl Failure {
    /// The view of an error.
    pub fn new(verb: Option<String>, error: &Error, exit_code: u8) -> Self {
        let causes = causes(error).map(ToString::to_string).collect();
        let problems = match error {
            Error::Problems(problems) => problems.iter().map(ProblemView::new).collect(),
            _ => Vec::new(),
        };
        Self {
            schema: "sluicegate.dev/error/v1",
            verb,
            error: error.to_string(),
            causes,
            hint: error.hint(),
            details: error.details(),
            unresolved: match error {
                Error::Lock { failures, .. } => failures.iter().map(LockFailureView::new).collect(),
                _ => Vec::new(),
            },
            problems,
            reasons: reasons(error),
            exit_code,
        }
    }
}

/// Why an error says that something was not accepted; nothing for others.
pub fn reasons(error: &Error) -> Vec<ReasonView> {
    match error {
        Error::Verdict(verdict) => verdict.reasons().iter().map(ReasonView::new).collect(),
        _ => Vec::new(),
    }
}

/// One problem of the input.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProblemView {
    /// The rule.
    code: &'static str,
    /// `error` or `warning`.
    severity: &'static str,
    /// What was found and what was expected.
    message: String,
    /// What to do.
    hint: Option<String>,
    /// The file, relative to the bundle.
    file: Option<String>,
    /// The line, from 1.
    line: Option<u32>,
    /// The column, from 1.
    column: Option<u32>,
    /// The YAML path.
    path: Option<String>,
    /// The object.
    object: Option<String>,
}

impl ProblemView {
    /// The view of a problem.
    pub fn new(problem: &Problem) -> Self {
        let place = problem.place.as_ref();
        Self {
            code: problem.code.0,
            severity: match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: problem.message.clone(),
            hint: problem.hint.clone(),
            file: problem.file.as_ref().map(ToString::to_string),
            line: place.map(|place| place.start.line),
            column: place.map(|place| place.start.column),
            path: place.map(|place| place.path.clone()).filter(|path| !path.is_empty()),
            object: problem.object.as_ref().map(ToString::to_string),
        }
    }
}

/// One chart or image of the lock.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LockedView {
    /// Where the manifests name it.
    #[serde(flatten)]
    need: NeedView,
    /// What it resolved to.
    digest: Digest,
    /// Where the digest can be fetched.
    uri: String,
    /// The version a range resolved to.
    version: Option<String>,
    /// Whether the manifests carry the digest.
    pinned: bool,
}

impl LockedView {
    /// The view of a lock entry.
    pub fn new(locked: &Locked) -> Self {
        Self {
            need: NeedView::new(&locked.need),
            digest: locked.digest,
            uri: locked.uri.clone(),
            version: locked.version.clone(),
            pinned: locked.need.pinned,
        }
    }
}

/// One chart or image that was not resolved.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UnresolvedView {
    /// Where the manifests name it.
    #[serde(flatten)]
    need: NeedView,
    /// Why not.
    reason: String,
}

impl UnresolvedView {
    /// The view of an unresolved entry.
    pub fn new(unresolved: &Unresolved) -> Self {
        Self { need: NeedView::new(&unresolved.need), reason: unresolved.reason.clone() }
    }
}

/// One chart or image that did not meet the demands on the lock.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LockFailureView {
    /// Where the manifests name it.
    #[serde(flatten)]
    need: NeedView,
    /// What is wrong with it.
    reason: String,
    /// Whether trying again cannot help.
    certain: bool,
}

impl LockFailureView {
    fn new(failure: &LockFailure) -> Self {
        Self {
            need: NeedView::new(&failure.need),
            reason: failure.reason.clone(),
            certain: failure.certain,
        }
    }
}

/// Where the manifests name a chart or an image.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NeedView {
    /// `chart` or `image`.
    kind: &'static str,
    /// The reference as written.
    reference: String,
    /// The file, relative to the bundle.
    file: String,
    /// The line, from 1.
    line: Option<u32>,
    /// The object.
    object: String,
    /// The YAML path.
    path: String,
}

impl NeedView {
    fn new(need: &Need) -> Self {
        Self {
            kind: need.kind.name(),
            reference: need.reference.clone(),
            file: need.file.to_string(),
            line: Some(need.at.line).filter(|line| *line > 0),
            object: need.object.to_string(),
            path: need.path.clone(),
        }
    }
}

/// The spelling of a [`Format`].
pub fn format(format: Format) -> &'static str {
    match format {
        Format::Bundle => "bundle",
        Format::LegacySignature => "legacy-sig",
        Format::LegacyAttestation => "legacy-att",
    }
}

/// Every shape of JSON output by the name of its schema file.
pub fn schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("error", schema_for!(Failure)),
        ("keygen", schema_for!(super::keygen::View)),
        ("check", schema_for!(super::check::View)),
        ("publish", schema_for!(super::publish::View)),
        ("verify", schema_for!(super::verify::View)),
        ("verify-bundle", schema_for!(super::verify_bundle::View)),
        ("sign-bundle", schema_for!(super::sign_bundle::View)),
        ("inspect", schema_for!(super::inspect::View)),
        ("policy-check", schema_for!(super::policy::check::View)),
        ("policy-init", schema_for!(super::policy::init::View)),
        ("policy-test", schema_for!(super::policy::test::View)),
        ("pull", schema_for!(super::pull::View)),
        ("diff", schema_for!(super::diff_report::View)),
        ("sign", schema_for!(super::sign::View)),
        ("attest", schema_for!(super::sign::View)),
        ("man", schema_for!(super::man::View)),
        ("evidence", schema_for!(crate::api::evidence_file::EvidenceFile)),
    ]
}

/// How wide a line of text is where words can be wrapped.
const WIDTH: usize = 100;

/// Words in lines of at most a hundred characters, as far as they are not longer
/// themselves; each line but the first begins with `indent`, as the text before
/// the first is as wide.
pub fn wrapped(text: &str, indent: &str) -> String {
    let mut out = String::new();
    let mut column = indent.len();
    for (at, word) in text.split(' ').enumerate() {
        let width = word.chars().count();
        match at {
            0 => column += width,
            _ if column + 1 + width > WIDTH => {
                out.push('\n');
                out.push_str(indent);
                column = indent.len() + width;
            }
            _ => {
                out.push(' ');
                column += 1 + width;
            }
        }
        out.push_str(word);
    }
    out
}

/// How many things, such as `1 blob` and `2 blobs`.
pub fn count(count: impl Into<u64>, one: &str) -> String {
    match count.into() {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// How many bytes, for people.
pub fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_at_words() {
        let digest = "x".repeat(71);
        let text = wrapped(&format!("asked for {digest}, got {digest}  y"), "    ");
        assert_eq!(text, format!("asked for {digest}, got\n    {digest}  y"));
        assert_eq!(wrapped("short", "  "), "short");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(
            (count(0_u64, "blob"), count(1_u64, "blob")),
            ("0 blobs".into(), "1 blob".into())
        );
    }
}
