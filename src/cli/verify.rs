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
        policy::{self, Exhibit, Reason, Standing, rule::provenance},
        reference::Reference,
        text::{brief, chain, cut, shown},
    },
};

use super::{
    args::Verify,
    context,
    demands::{self, Demanded},
    evidence,
    obligations::{self, ObligationView, PolicyView, RootView},
    output::Printer,
    view,
};

/// How many characters of a predicate type are shown that nobody vouches for.
const MAX_UNVERIFIED: usize = 120;

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
    /// The policy that was judged by; `null` for `--key` and for an identity.
    policy: Option<PolicyView>,
    /// Who vouched for identities and times; `null` when nobody was asked.
    #[serde(rename = "trustRoot")]
    trust_root: Option<RootView>,
    /// When it was judged (RFC 3339); `null` when it could not be resolved.
    #[serde(rename = "decidedAt")]
    decided_at: Option<String>,
    /// What to know of a decision that was made again from a file; `null` for one
    /// that was made now.
    replay: Option<ReplayView>,
    /// How each obligation stands; none when the artifact itself was not read.
    obligations: Vec<ObligationView>,
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

/// A decision that was made again from an evidence file, at the time that the
/// file claims.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplayView {
    /// Whether policy and trust root are those that were asked for; else they are
    /// the file's own, and nothing is verified.
    pub verified: bool,
    /// What the file says was decided.
    pub claimed: String,
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

    /// The statement for a tree or a list: what it is, the manifest that holds
    /// it, who signed it, and why it does not count; each in a line.
    pub fn lines(&self) -> Vec<String> {
        let signer = match (&self.signer, &self.claimed) {
            (Some(signer), _) => Some(format!("by {}", shown(signer))),
            (None, Some(claimed)) => Some(format!("claims to be by {}", brief(claimed))),
            (None, None) => None,
        };
        let name = self.docker_reference.as_ref();
        let head = format!("{:<9}  {}  ({})", self.result, self.kind(), self.format);
        [Some(head), Some(self.digest.to_string()), signer, self.reason.as_deref().map(shown)]
            .into_iter()
            .flatten()
            .chain(name.map(|name| format!("signed as `{}` (not checked)", brief(name))))
            .collect()
    }

    /// The predicate type for people. What nobody vouches for is quoted and cut
    /// short, so that its words are not taken for ours.
    fn kind(&self) -> String {
        match (&self.predicate_type, &self.signer) {
            (None, _) => "(unreadable)".to_owned(),
            (Some(kind), Some(_)) => shown(kind),
            (Some(kind), None) => {
                format!("`{}`", shown(&cut(kind, MAX_UNVERIFIED)).replace('`', "'"))
            }
        }
    }
}

pub(super) async fn run(args: Verify, printer: &Printer) -> Result<ExitCode> {
    if let Some(path) = &args.evidence {
        return evidence::replay(&args, path, printer).await;
    }
    let Some(reference) = &args.reference else {
        return Err(Error::usage(
            "nothing is named",
            "name a reference, or a file by `--evidence`",
        ));
    };
    if let Some(path) = &args.export {
        evidence::refuse_existing(path)?;
    }
    let demanded = demands::demanded(&args.demands, printer)?;
    let registries = context::registries(&args.registry, &[reference], printer).await?;
    let request = verify::Request {
        deep: args.deep,
        keep: args.export.is_some(),
        ..verify::Request::new(demanded.policy.clone())
    };
    printer.glance()(Event::Step("verifying"));
    let judged = match verify::verify(&registries, reference, request).await {
        // Nothing was asked that a verdict could answer.
        Err(error) if error.class() == Class::Usage => return Err(error),
        judged => judged,
    };
    if let (Some(path), Ok(judged)) = (&args.export, &judged) {
        evidence::export(path, reference, judged, &demanded)?;
    }
    let view = match &judged {
        Ok(judged) => judged_view(reference, judged),
        Err(error) => unresolved_view(reference, error),
    };
    if let Err(error) = &judged {
        printer.error(error, error.hint().as_deref());
    }
    view.by(&demanded).show(judged.is_ok(), printer)
}

impl View {
    /// The view of a decision that was made again from a file.
    pub fn replayed(
        reference: &Reference,
        judged: &Judged,
        demanded: &Demanded,
        replay: ReplayView,
    ) -> Self {
        Self { replay: Some(replay), ..judged_view(reference, judged).by(demanded) }
    }

    /// Shows it, and says the exit code. What was not judged has no text.
    pub fn show(&self, judged: bool, printer: &Printer) -> Result<ExitCode> {
        for evidence in self.evidence.iter().filter(|evidence| evidence.result == "mismatch") {
            let (digest, why) = (&evidence.digest, evidence.reason.as_deref().unwrap_or_default());
            printer.warn(&shown(&format!("the provenance `{digest}` does not count: {why}")));
        }
        let text = || if judged { text(self) } else { String::new() };
        printer.result(self, text).map_err(super::stdout)?;
        Ok(ExitCode::from(match self.verdict {
            "accepted" => 0,
            "rejected" => 1,
            _ => 3,
        }))
    }

    /// The view with what it was judged by.
    fn by(self, demanded: &Demanded) -> Self {
        let Demanded { policy, digest, .. } = demanded;
        Self {
            policy: digest.map(|digest| PolicyView::new(policy, digest)),
            trust_root: policy.root.as_ref().map(RootView::new),
            ..self
        }
    }
}

fn judged_view(reference: &Reference, judged: &Judged) -> View {
    let annotations = judged.annotations.clone();
    let exhibits = &judged.gathered.exhibits;
    View {
        schema: "sluicegate.dev/verify/v1",
        reference: reference.to_string(),
        digest: Some(*judged.verdict.subject()),
        verdict: judged.verdict.kind().word(),
        policy: None,
        trust_root: None,
        decided_at: Some(judged.at.to_string()),
        replay: None,
        obligations: judged.rulings.iter().map(ObligationView::new).collect(),
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

    /// Why nothing was judged.
    pub fn unresolved(error: &Error) -> Self {
        Self {
            code: error.code().into(),
            obligation: None,
            found: chain(error),
            wanted: "the artifact's manifest".into(),
            hint: error.hint().unwrap_or_default(),
        }
    }

    /// The stable name.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let about = self.obligation.as_ref().map(|name| format!(" {name}:")).unwrap_or_default();
        format!("{}:{about} found {}, wanted {}", self.code, shown(&self.found), self.wanted)
    }

    /// Four lines for people, or more where one is long.
    pub fn text(&self) -> String {
        let Self { code, found, wanted, hint, .. } = self;
        let mut text = format!("  {code}\n");
        for (name, value) in [("found", found), ("wanted", wanted), ("hint", hint)] {
            let value = view::wrapped(&shown(value), "            ");
            text.push_str(&format!("    {name:<6}  {value}\n"));
        }
        text
    }
}

/// What could not be resolved is unknown.
fn unresolved_view(reference: &Reference, error: &Error) -> View {
    View {
        schema: "sluicegate.dev/verify/v1",
        reference: reference.to_string(),
        digest: reference.digest,
        verdict: "unknown",
        policy: None,
        trust_root: None,
        decided_at: None,
        replay: None,
        obligations: Vec::new(),
        reasons: vec![ReasonView::unresolved(error)],
        evidence: Vec::new(),
        gaps: Vec::new(),
        source: None,
        revision: None,
        commit: None,
    }
}

fn text(view: &View) -> String {
    let replayed = view.replay.as_ref().is_some_and(|replay| !replay.verified);
    let heading = if replayed { "replayed, not verified: " } else { "" };
    let digest = view.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let mut text = format!("{heading}{}  {}\n  digest    {digest}\n", view.verdict, view.reference);
    let mut field = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("  {name:<9} {}\n", shown(value)));
        }
    };
    field("source", &view.source);
    field("revision", &view.revision);
    field("commit", &view.commit);
    if view.replay.is_some() {
        let at = view.decided_at.as_ref().map(|at| format!("{at}, as the file claims"));
        field("decided", &at);
    }
    if let Some(policy) = &view.policy {
        text.push_str(&format!("  {:<9} {}\n", "policy", policy.line()));
        if let Some(root) = &view.trust_root {
            text.push_str(&format!("  {:<9} {}\n", "root", root.line()));
        }
        text.push_str(&obligations::table(&view.obligations));
    }
    for reason in &view.reasons {
        text.push_str(&format!("\n{}", reason.text()));
    }
    if !view.evidence.is_empty() {
        text.push_str("\nstatements\n");
    }
    for evidence in &view.evidence {
        text.push_str(&format!("  {}\n", evidence.lines().join("\n             ")));
    }
    for gap in &view.gaps {
        let gap = view::wrapped(&shown(gap), "             ");
        text.push_str(&format!("  unread     {gap}\n"));
    }
    text
}
