//! `sluicegate verify`.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    flow::{
        error::{Class, Error, Result},
        progress::Event,
        verify::{self, Judged},
    },
    model::{
        artifact::{manifest::Annotations, media},
        digest::Digest,
        evidence::{Claim, Finding},
        policy::{self, Exhibit, Kind, Policy, Reason, Standing, rule::provenance},
        reference::Reference,
        text::{chain, shown},
    },
};

use super::{args::Verify, context, keys, output::Printer, view};

/// The JSON of `verify`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct View {
    /// Always `sluicegate.dev/verify/v1`.
    schema: &'static str,
    /// The reference as given.
    reference: String,
    /// What it resolved to; `null` when it could not be resolved.
    digest: Option<Digest>,
    /// `accepted`, `rejected` or `unknown`.
    verdict: &'static str,
    /// Why it was not accepted.
    reasons: Vec<ReasonView>,
    /// Every statement that was found.
    evidence: Vec<EvidenceView>,
    /// What could not be read.
    gaps: Vec<String>,
    /// The manifest's source annotation.
    source: Option<String>,
    /// The manifest's revision annotation.
    revision: Option<String>,
    /// The commit that a verified provenance names.
    commit: Option<String>,
}

/// One reason.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReasonView {
    /// A stable name.
    code: String,
    /// The obligation of a policy, when one was judged.
    obligation: Option<String>,
    /// What was found.
    found: String,
    /// What was wanted.
    wanted: String,
    /// What to do.
    hint: String,
}

/// One statement.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EvidenceView {
    /// The predicate type.
    #[serde(rename = "type")]
    predicate_type: Option<String>,
    /// `bundle`, `legacy-sig` or `legacy-att`.
    format: &'static str,
    /// The manifest that holds it.
    digest: Digest,
    /// Who signed it, when verified.
    signer: Option<String>,
    /// `verified`, `mismatch`, `untrusted`, `invalid` or `unread`.
    result: &'static str,
    /// Who it says signed it, when not verified; nothing authenticates that.
    claimed: Option<String>,
    /// Why, when it is not verified.
    reason: Option<String>,
    /// The name in a legacy payload, which nobody checks.
    #[serde(rename = "dockerReference", skip_serializing_if = "Option::is_none")]
    docker_reference: Option<String>,
}

impl EvidenceView {
    /// The view of a statement about an artifact with these annotations.
    pub fn new(exhibit: &Exhibit, annotations: &Annotations) -> Self {
        let (standing, reason) = policy::standing(exhibit, annotations);
        let finding = &exhibit.finding;
        Self {
            predicate_type: finding.predicate_type.clone(),
            format: view::format(finding.format),
            digest: finding.manifest,
            signer: finding.evidence().map(|evidence| evidence.signer().to_string()),
            result: match standing {
                Standing::Verified => "verified",
                Standing::Mismatch => "mismatch",
                Standing::Untrusted => "untrusted",
                Standing::Invalid => "invalid",
                Standing::Unread => "unread",
            },
            claimed: finding.claimed.clone().filter(|_| finding.evidence().is_none()),
            reason,
            docker_reference: finding.docker_reference.clone(),
        }
    }

    /// One line for a tree or a table.
    pub fn line(&self) -> String {
        let kind = self.predicate_type.as_deref().unwrap_or("(unreadable)");
        let signer = match (&self.signer, &self.claimed) {
            (Some(signer), _) => signer.clone(),
            (None, Some(claimed)) => format!("claims {claimed}"),
            (None, None) => "-".to_owned(),
        };
        let why = self.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{:<9} {kind}  {}  {}  {signer}{why}", self.result, self.format, self.digest)
    }
}

pub(super) async fn run(args: Verify, printer: &Printer) -> Result<ExitCode> {
    let keys = keys::public(&args.key)?;
    let registries = context::registries(&args.registry, &[&args.reference], printer)?;
    let policy = Policy::by_keys(keys, args.require_provenance);
    let request = verify::Request { deep: args.deep, ..verify::Request::new(policy) };
    printer.glance()(Event::Step("verifying"));
    let judged = match verify::verify(&registries, &args.reference, request).await {
        // Nothing was asked that a verdict could answer.
        Err(error) if error.class() == Class::Usage => return Err(error),
        judged => judged,
    };
    let view = match &judged {
        Ok(judged) => judged_view(&args.reference, judged),
        Err(error) => unresolved_view(&args.reference, error),
    };
    for evidence in view.evidence.iter().filter(|evidence| evidence.result == "mismatch") {
        let why = evidence.reason.as_deref().unwrap_or_default();
        printer
            .warn(&shown(&format!("the provenance `{}` does not count: {why}", evidence.digest)));
    }
    if let Err(error) = &judged {
        printer.error(error, error.hint().as_deref());
    }
    printer
        .result(&view, || if judged.is_ok() { text(&view) } else { String::new() })
        .map_err(super::stdout)?;
    Ok(ExitCode::from(match view.verdict {
        "accepted" => 0,
        "rejected" => 1,
        _ => 3,
    }))
}

fn judged_view(reference: &Reference, judged: &Judged) -> View {
    let annotations = judged.annotations.clone();
    let exhibits = &judged.gathered.exhibits;
    View {
        schema: "sluicegate.dev/verify/v1",
        reference: reference.to_string(),
        digest: Some(*judged.verdict.subject()),
        verdict: match judged.verdict.kind() {
            Kind::Accepted => "accepted",
            Kind::Rejected(_) => "rejected",
            Kind::Unknown(_) => "unknown",
        },
        reasons: judged.verdict.reasons().iter().map(ReasonView::new).collect(),
        evidence: exhibits.iter().map(|e| EvidenceView::new(e, &annotations)).collect(),
        gaps: judged.gathered.gaps.iter().map(|gap| format!("{}: {}", gap.what, gap.why)).collect(),
        source: annotations.get(media::SOURCE).cloned(),
        revision: annotations.get(media::REVISION).cloned(),
        commit: judged.gathered.findings().find_map(|finding| commit(finding, &annotations)),
    }
}

/// The commit that a verified provenance names.
fn commit(finding: &Finding, annotations: &Annotations) -> Option<String> {
    let Claim::Provenance(found) = finding.evidence()?.claim() else { return None };
    match provenance::disagreement(found, annotations) {
        None => found.commit().map(str::to_owned),
        Some(_) => None,
    }
}

impl ReasonView {
    /// The view of a reason.
    pub fn new(reason: &Reason) -> Self {
        Self {
            code: reason.code.into(),
            obligation: reason.obligation.clone(),
            found: reason.found.clone(),
            wanted: reason.wanted.clone(),
            hint: reason.hint.clone(),
        }
    }

    /// Four lines for people.
    pub fn text(&self) -> String {
        let Self { code, wanted, hint, .. } = self;
        let found = shown(&self.found);
        format!("  {code}\n    found   {found}\n    wanted  {wanted}\n    hint    {hint}\n")
    }
}

/// What could not be resolved is unknown.
fn unresolved_view(reference: &Reference, error: &Error) -> View {
    View {
        schema: "sluicegate.dev/verify/v1",
        reference: reference.to_string(),
        digest: reference.digest,
        verdict: "unknown",
        reasons: vec![ReasonView {
            code: error.code().into(),
            obligation: None,
            found: chain(error),
            wanted: "the artifact's manifest".into(),
            hint: error.hint().unwrap_or_default(),
        }],
        evidence: Vec::new(),
        gaps: Vec::new(),
        source: None,
        revision: None,
        commit: None,
    }
}

fn text(view: &View) -> String {
    let digest = view.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let mut text = format!("{}  {}\n  digest    {digest}\n", view.verdict, view.reference);
    let mut field = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("  {name:<9} {}\n", shown(value)));
        }
    };
    field("source", &view.source);
    field("revision", &view.revision);
    field("commit", &view.commit);
    for reason in &view.reasons {
        text.push_str(&format!("\n{}", reason.text()));
    }
    if !view.evidence.is_empty() {
        text.push_str("\nstatements\n");
    }
    for evidence in &view.evidence {
        text.push_str(&format!("  {}\n", shown(&evidence.line())));
        if let Some(name) = &evidence.docker_reference {
            text.push_str(&format!("            signed as `{}` (not checked)\n", shown(name)));
        }
    }
    for gap in &view.gaps {
        text.push_str(&format!("  unread    {}\n", shown(gap)));
    }
    text
}
