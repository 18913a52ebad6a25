//! `sluicegate policy check`.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::trust_policy::code,
    cli::{
        args::{Output, demands::PolicyCheck},
        demands,
        output::Printer,
        report,
        view::ProblemView,
    },
    flow::{
        error::{Error, Result},
        policy::{self, Besides, Loaded},
    },
    model::{
        bundle::problem::{Problem, Severity},
        digest::Digest,
        policy::words,
    },
};

use super::Below;

/// The JSON of `policy check`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct View {
    /// Always `sluicegate.dev/policy-check/v1`.
    schema: &'static str,
    /// Whether every policy can be used.
    valid: bool,
    /// Each file.
    policies: Vec<PolicyView>,
}

/// One file.
#[derive(Debug, Serialize, JsonSchema)]
struct PolicyView {
    /// The file as given.
    file: String,
    /// The policy's name; `null` when it does not load.
    name: Option<String>,
    /// The SHA-256 of the file; `null` when it does not load.
    digest: Option<Digest>,
    /// What it demands, in sentences.
    demands: Vec<String>,
    /// What is wrong.
    problems: Vec<ProblemView>,
}

pub(in crate::cli) fn run(args: &PolicyCheck, printer: &Printer) -> Result<ExitCode> {
    let besides = Besides { secrets: demands::secrets(&args.secret)?, root: None };
    let below = Below::of(&args.files);
    let mut problems: Vec<Problem> = Vec::new();
    let mut policies = Vec::new();
    for (file, name) in args.files.iter().zip(&below.names) {
        let (loaded, found) = match policy::load(file, name.as_ref(), &besides) {
            Ok(loaded) => {
                let found = warnings(&loaded);
                (Some(loaded), found)
            }
            Err(Error::Problems(found)) => (None, found),
            Err(error) => return Err(error),
        };
        policies.push(PolicyView {
            file: file.display().to_string(),
            name: loaded.as_ref().and_then(|loaded| loaded.policy.name.clone()),
            digest: loaded.as_ref().map(|loaded| loaded.digest),
            demands: loaded.map(|loaded| words::sentences(&loaded.policy)).unwrap_or_default(),
            problems: found.iter().map(ProblemView::new).collect(),
        });
        problems.extend(found);
    }
    let stops = |problem: &Problem| args.strict || problem.severity == Severity::Error;
    let view = View {
        schema: "sluicegate.dev/policy-check/v1",
        valid: !problems.iter().any(stops),
        policies,
    };
    print(&view, &problems, &below.base, printer)?;
    Ok(ExitCode::from(if view.valid { 0 } else { 2 }))
}

fn print(view: &View, problems: &[Problem], base: &str, printer: &Printer) -> Result<()> {
    let report = match printer.format() {
        Output::Sarif => Some(report::sarif(problems, base, env!("CARGO_PKG_VERSION"))),
        Output::Github => Some(report::github(problems, base)),
        Output::Text | Output::Json | Output::Yaml => None,
    };
    if let Some(report) = report {
        return printer.data(&report).map_err(crate::cli::stdout);
    }
    let shown = demands::text(problems, base, printer);
    match view.valid {
        true if !problems.is_empty() => printer.say(shown.trim_end()),
        true => {}
        false => printer.say_always(&shown),
    }
    printer.result(view, || text(view)).map_err(crate::cli::stdout)
}

/// What may be meant, and is worth a thought.
fn warnings(loaded: &Loaded) -> Vec<Problem> {
    let mut found = Vec::new();
    if !words::binds_tags(&loaded.policy) {
        found.push(Problem {
            message:
                "no obligation has `tag: match`: whoever can push can move a tag to any build \
                      that was ever signed"
                    .into(),
            hint: Some("add `tag: match` to a `provenance`, or verify digests only".into()),
            ..loaded.about.clone()
        });
    }
    if let Some(message) = loaded.policy.root.as_ref().and_then(policy::stale) {
        let problem = Problem { message, code: code::KEY, ..loaded.about.clone() };
        found.push(problem.hint("name a `trustedRoot` in the policy"));
    }
    found
}

fn text(view: &View) -> String {
    let mut text = String::new();
    for policy in &view.policies {
        let Some(name) = &policy.name else {
            text.push_str(&format!("invalid  {}\n", policy.file));
            continue;
        };
        let digest = policy.digest.map(|digest| digest.to_string()).unwrap_or_default();
        text.push_str(&format!("valid  {}\n  name    {name}\n  digest  {digest}\n", policy.file));
        text.push_str("  an artifact is accepted when\n");
        for sentence in &policy.demands {
            text.push_str(&format!("  - {}\n", sentence.replace('\n', "\n    ")));
        }
    }
    text
}
