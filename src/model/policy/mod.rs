//! What must be known about a digest, and the verdict about it.
//!
//! A verdict is accepted, rejected or unknown. It is monotone: no further
//! statement turns accepted into rejected, since a registry could withhold it;
//! and no fault turns rejected or unknown into accepted. Only
//! [`Verdict::admit`] makes an [`Admitted`], and whatever moves a tag or a ref
//! takes one.

use crate::model::{
    artifact::{manifest::Annotations, media},
    digest::Digest,
    evidence::{Claim, Evidence, Finding, Outcome},
    source,
    statement::provenance::Provenance,
    uris,
};

/// What is demanded of an artifact that is judged by keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demands {
    /// Whether verified provenance that agrees with the annotations is needed
    /// as well.
    pub provenance: bool,
}

/// The outcome of judging a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    subject: Digest,
    kind: Kind,
}

/// The three verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Everything demanded is known.
    Accepted,
    /// Something demanded is missing, and nothing unread could supply it.
    Rejected(Vec<Reason>),
    /// Something demanded is missing, and something could not be read.
    Unknown(Vec<Reason>),
}

/// Why a digest was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable name, such as `no-signature`.
    pub code: &'static str,
    /// What was found.
    pub found: String,
    /// What was wanted.
    pub wanted: String,
    /// What to do.
    pub hint: String,
}

/// A digest that was accepted. Only [`Verdict::admit`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted(Digest);

impl Admitted {
    /// The digest.
    pub fn digest(&self) -> &Digest {
        &self.0
    }
}

impl Verdict {
    /// The digest that was judged.
    pub fn subject(&self) -> &Digest {
        &self.subject
    }

    /// Which of the three.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The token that lets a tag or a ref move; only for accepted.
    pub fn admit(&self) -> Option<Admitted> {
        match self.kind {
            Kind::Accepted => Some(Admitted(self.subject)),
            Kind::Rejected(_) | Kind::Unknown(_) => None,
        }
    }

    /// The reasons; none when accepted.
    pub fn reasons(&self) -> &[Reason] {
        match &self.kind {
            Kind::Accepted => &[],
            Kind::Rejected(reasons) | Kind::Unknown(reasons) => reasons,
        }
    }

    /// Unknown, because something that is demanded could not be read.
    pub fn unread(subject: Digest, gap: &Gap) -> Self {
        Self { subject, kind: Kind::Unknown(vec![unread_reason(gap)]) }
    }

    /// A rejection because bytes are not what a digest names.
    pub fn wrong_bytes(subject: Digest, found: String) -> Self {
        let reason = Reason {
            code: "wrong-bytes",
            found,
            wanted: "content that hashes to the digest it is stored under".into(),
            hint: "do not use this copy; publish again or copy from an intact registry".into(),
        };
        Self { subject, kind: Kind::Rejected(vec![reason]) }
    }
}

/// Something that could not be read and might have held evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// What it is, such as "the referrers of `sha256:…`".
    pub what: String,
    /// Why it could not be read.
    pub why: String,
    /// Whether it was left out because of a cap rather than a fault.
    pub cap: bool,
}

/// How one finding stands after judging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts for what it says.
    Verified,
    /// A verified provenance that contradicts the manifest's annotations.
    Mismatch,
    /// Nobody known signed it.
    Untrusted,
    /// It can never count.
    Invalid,
    /// It could not be read.
    Unread,
}

/// Judges `subject` by what was found.
///
/// `findings` must all come from checks against `subject`; evidence about
/// another digest is ignored.
pub fn judge(
    subject: Digest,
    annotations: &Annotations,
    findings: &[Finding],
    gaps: &[Gap],
    demands: Demands,
) -> Verdict {
    let evidence: Vec<&Evidence> = findings
        .iter()
        .filter_map(Finding::evidence)
        .filter(|evidence| *evidence.subject() == subject)
        .collect();
    let mut reasons = Vec::new();
    if !evidence.iter().any(|e| *e.claim() == Claim::Signature) {
        reasons.push(no_signature(findings));
    }
    if demands.provenance && !evidence.iter().any(|e| provenance_agrees(e, annotations)) {
        reasons.push(no_provenance(&evidence, annotations));
    }
    let unread: Vec<Gap> = findings.iter().filter_map(unread_gap).collect();
    let kind = match (reasons.is_empty(), gaps.is_empty() && unread.is_empty()) {
        (true, _) => Kind::Accepted,
        (false, true) => Kind::Rejected(reasons),
        (false, false) => {
            reasons.extend(gaps.iter().chain(unread.iter().take(SHOWN)).map(unread_reason));
            Kind::Unknown(reasons)
        }
    };
    Verdict { subject, kind }
}

/// How many statements that were not read are named as reasons.
const SHOWN: usize = 5;

fn unread_gap(finding: &Finding) -> Option<Gap> {
    match &finding.outcome {
        Outcome::Unread(why) => {
            let what = format!("the statement `{}`", finding.manifest);
            Some(Gap { what, why: why.clone(), cap: false })
        }
        _ => None,
    }
}

/// How a finding stands, for showing it.
pub fn standing(finding: &Finding, annotations: &Annotations) -> (Standing, Option<String>) {
    match &finding.outcome {
        Outcome::Untrusted(why) => (Standing::Untrusted, Some(why.clone())),
        Outcome::Invalid(why) => (Standing::Invalid, Some(why.clone())),
        Outcome::Unread(why) => (Standing::Unread, Some(why.clone())),
        Outcome::Verified(evidence) => match evidence.claim() {
            Claim::Provenance(provenance) => match disagreement(provenance, annotations) {
                Some(why) => (Standing::Mismatch, Some(why)),
                None => (Standing::Verified, None),
            },
            Claim::Signature | Claim::Other { .. } => (Standing::Verified, None),
        },
    }
}

fn provenance_agrees(evidence: &Evidence, annotations: &Annotations) -> bool {
    matches!(evidence.claim(), Claim::Provenance(p) if disagreement(p, annotations).is_none())
}

/// How a provenance contradicts the manifest's annotations, if it does.
///
/// Ours must say exactly what the annotations say. Another builder's must name
/// the commit that the revision names, where both name one.
pub fn disagreement(provenance: &Provenance, annotations: &Annotations) -> Option<String> {
    let annotation = |key: &str| annotations.get(key).map_or("", String::as_str);
    let (url, revision) = (annotation(media::SOURCE), annotation(media::REVISION));
    let differs = |what: &str, signed: &str, written: &str| {
        (signed != written).then(|| {
            format!("the provenance says {what} `{signed}`, the manifest says `{written}`")
        })
    };
    if provenance.build_definition.build_type == uris::BUILD_TYPE {
        let Some(parameters) = provenance.parameters() else {
            return Some("the provenance's parameters are not those of its build type".into());
        };
        let commit = source::commit_of(revision).unwrap_or("(none)");
        return differs("source", &parameters.source.repository, url)
            .or_else(|| differs("revision", &parameters.source.revision, revision))
            .or_else(|| differs("commit", provenance.commit().unwrap_or("(none)"), commit));
    }
    // Without a commit in the revision there is nothing to compare; with one, a
    // provenance that names none proves nothing about it.
    let written = source::commit_of(revision)?;
    differs("commit", provenance.commit().unwrap_or("(none)"), written)
}

fn no_signature(findings: &[Finding]) -> Reason {
    let verified = findings.iter().filter(|f| f.evidence().is_some()).count();
    let found = match (findings.len(), verified) {
        (0, _) => "no statement at all".to_owned(),
        (all, 0) => format!("{all} statement(s), none by a given key"),
        (all, some) => {
            format!("{all} statement(s), {some} by a given key, none of them a signature")
        }
    };
    Reason {
        code: "no-signature",
        found,
        wanted: "a cosign signature of this digest by a given key".into(),
        hint: "check that the key is the publisher's; `sluicegate inspect` shows who signed what"
            .into(),
    }
}

fn no_provenance(evidence: &[&Evidence], annotations: &Annotations) -> Reason {
    let contradiction = evidence.iter().find_map(|e| match e.claim() {
        Claim::Provenance(provenance) => disagreement(provenance, annotations),
        Claim::Signature | Claim::Other { .. } => None,
    });
    let (code, found) = match contradiction {
        Some(why) => ("provenance-mismatch", why),
        None => ("no-provenance", "no provenance by a given key".into()),
    };
    Reason {
        code,
        found,
        wanted: "SLSA provenance by a given key that agrees with the manifest's annotations".into(),
        hint: "publish with `sluicegate publish`, which writes it".into(),
    }
}

fn unread_reason(gap: &Gap) -> Reason {
    Reason {
        code: "unread",
        found: format!("{} could not be read: {}", gap.what, gap.why),
        wanted: "everything that might hold a statement, read".into(),
        hint: "try again; if it stays so, look at the registry".into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
