//! `sluicegate policy test`.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cli::{args::demands::PolicyTest, context, demands, output::Printer, verify::ReasonView},
    flow::{
        error::{Error, Result},
        policy::{
            self, Besides, Loaded,
            expect::{self, Expectation, Expected},
        },
        verify::{self, Judged},
    },
    model::{digest::Digest, reference::Reference, text::shown},
};

use super::Below;

/// The JSON of `policy test`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct View {
    /// Always `sluicegate.dev/policy-test/v1`.
    schema: &'static str,
    /// Whether every verdict is as expected.
    passed: bool,
    /// Each policy on each artifact.
    results: Vec<ResultView>,
}

/// One policy on one artifact.
#[derive(Debug, Serialize, JsonSchema)]
struct ResultView {
    /// The policy's name.
    policy: String,
    /// The SHA-256 of its file.
    #[serde(rename = "policyDigest")]
    policy_digest: Digest,
    /// The reference.
    reference: String,
    /// What it resolved to; `null` when it could not be resolved.
    digest: Option<Digest>,
    /// `accepted`, `rejected` or `unknown`.
    verdict: &'static str,
    /// What was expected.
    expected: &'static str,
    /// Whether the two agree, and the reasons too where some are expected.
    passed: bool,
    /// Why it was not accepted.
    reasons: Vec<ReasonView>,
}

/// An artifact, and what it must come to.
struct Trial {
    reference: Reference,
    expected: Option<Expectation>,
}

pub(in crate::cli) async fn run(args: PolicyTest, printer: &Printer) -> Result<ExitCode> {
    let root = args.trusted_root.as_deref().map(policy::trust_root).transpose()?;
    let besides = Besides { secrets: demands::secrets(&args.secret)?, root };
    let below = Below::of(&args.files);
    let mut policies: Vec<Loaded> = Vec::new();
    for (file, name) in args.files.iter().zip(&below.names) {
        let loaded = policy::load(file, name.as_ref(), &besides)
            .inspect_err(|error| demands::show(error, &below.base, printer))?;
        if let Some(warning) = loaded.policy.root.as_ref().and_then(policy::stale) {
            printer.warn(&warning);
        }
        policies.push(loaded);
    }
    let trials = trials(&args, &policies)?;
    let references: Vec<&Reference> = trials.iter().map(|trial| &trial.reference).collect();
    let registries = context::registries(&args.registry, &references, printer).await?;
    let mut results = Vec::new();
    for loaded in &policies {
        for trial in trials.iter().filter(|trial| trial.is_for(loaded)) {
            let request = verify::Request::new(loaded.policy.clone());
            let judged = verify::verify(&registries, &trial.reference, request).await;
            results.push(result(loaded, trial, &judged));
        }
    }
    let view = View {
        schema: "sluicegate.dev/policy-test/v1",
        passed: results.iter().all(|result| result.passed),
        results,
    };
    printer.result(&view, || text(&view)).map_err(crate::cli::stdout)?;
    let failed = view.results.iter().filter(|result| !result.passed);
    let codes = failed.map(|result| if result.verdict == "unknown" { 3 } else { 1 });
    // What is certainly wrong outweighs what is not known.
    Ok(ExitCode::from(codes.min().unwrap_or(0)))
}

impl Trial {
    fn is_for(&self, loaded: &Loaded) -> bool {
        let wanted = self.expected.as_ref().and_then(|expected| expected.policy.as_ref());
        wanted.is_none() || wanted == loaded.policy.name.as_ref()
    }
}

/// What is tried: everything that is expected, and what nothing is expected of.
fn trials(args: &PolicyTest, policies: &[Loaded]) -> Result<Vec<Trial>> {
    let expectations = args.expect.as_deref().map(expect::load).transpose()?.unwrap_or_default();
    let names: Vec<&str> = policies.iter().filter_map(|p| p.policy.name.as_deref()).collect();
    for (_, expectation) in &expectations {
        if let Some(policy) = expectation.policy.as_deref()
            && !names.contains(&policy)
        {
            return Err(Error::usage(
                format!("the expectations name the policy `{policy}`, which is not tested"),
                format!("those that are: `{}`", names.join("`, `")),
            ));
        }
    }
    let known: Vec<String> = expectations.iter().map(|(of, _)| of.to_string()).collect();
    let expected = expectations
        .into_iter()
        .map(|(reference, expectation)| Trial { reference, expected: Some(expectation) });
    let others = args
        .against
        .iter()
        .filter(|reference| !known.contains(&reference.to_string()))
        .map(|reference| Trial { reference: reference.clone(), expected: None });
    Ok(expected.chain(others).collect())
}

fn result(loaded: &Loaded, trial: &Trial, judged: &Result<Judged>) -> ResultView {
    let (verdict, digest, reasons) = match judged {
        Ok(judged) => (
            Expected::of(judged.verdict.kind()),
            Some(*judged.verdict.subject()),
            judged.verdict.reasons().iter().map(ReasonView::new).collect(),
        ),
        Err(error) => (Expected::Unknown, None, vec![ReasonView::unresolved(error)]),
    };
    let expected = trial.expected.as_ref().map_or(Expected::Accepted, |expected| expected.verdict);
    let wanted = trial.expected.as_ref().map(|expected| expected.reasons.as_slice());
    let given = |code: &String| reasons.iter().any(|reason: &ReasonView| reason.code() == code);
    ResultView {
        policy: loaded.policy.name.clone().unwrap_or_default(),
        policy_digest: loaded.digest,
        reference: trial.reference.to_string(),
        digest,
        verdict: verdict.word(),
        expected: expected.word(),
        passed: verdict == expected && wanted.unwrap_or_default().iter().all(given),
        reasons,
    }
}

fn text(view: &View) -> String {
    let mut text = String::new();
    for result in &view.results {
        let mark = if result.passed { "ok    " } else { "FAILED" };
        let ResultView { policy, verdict, expected, .. } = result;
        text.push_str(&format!("{mark}  {verdict:<8}  {policy}  {}\n", shown(&result.reference)));
        if !result.passed {
            text.push_str(&format!("        expected {expected}\n"));
        }
        for reason in &result.reasons {
            text.push_str(&format!("        {}\n", reason.line()));
        }
    }
    let failed = view.results.iter().filter(|result| !result.passed).count();
    text.push_str(&format!("{} verdict(s), {failed} not as expected\n", view.results.len()));
    text
}
