//! Putting statements together: which obligations are met, and the verdict.

use super::{
    Demand, Exhibit, Gap, Kind, Made, Obligation, Policy, Reason, StatementDemand, Verdict, Vote,
    rule::{
        Context, Rule, Shortfall,
        provenance::{self, Contents, LockStanding},
    },
    signers::{self, Who},
};
use crate::model::{
    artifact::manifest::Annotations,
    digest::Digest,
    evidence::{Claim, Finding, Outcome, identity::SignerId},
};

/// How many statements that were not read, and how many that fall short, are
/// named as reasons.
const SHOWN: usize = 5;

/// What was decided, and what it rests on.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// How each obligation stands, in the order of the policy.
    pub rulings: Vec<Ruling>,
}

/// How one obligation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// Its name, below the names of those that it is part of: `scanned/sbom`.
    pub name: String,
    /// The kind of statement, or `any` or `all`.
    pub kind: String,
    /// Whether it is met.
    pub met: bool,
    /// By what it is met, one entry a signer that counted.
    pub by: Vec<MetBy>,
    /// Why not, when it is not; of an `any` and an `all` their parts say.
    pub shortfalls: Vec<Shortfall>,
    /// Those that it is made of.
    pub parts: Vec<Ruling>,
}

/// A statement by which an obligation is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetBy {
    /// Who signed it.
    pub signer: SignerId,
    /// The manifest that holds it.
    pub statement: Digest,
    /// When it was made.
    pub made: Option<Made>,
}

/// What is known of the artifact's own content, which demands on a lock need.
#[derive(Debug, Clone, Copy)]
pub enum Reading<'a> {
    /// Nobody looked; a demand on a lock is not met then, nor refuted.
    NotRead,
    /// It was read.
    Read(Contents<'a>),
    /// It could not be read.
    Unread(&'a Gap),
}

/// Judges `context.subject` by what was found.
///
/// Evidence about another digest is ignored.
pub fn judge(
    policy: &Policy,
    context: Context<'_>,
    exhibits: &[Exhibit],
    gaps: &[Gap],
    reading: Reading<'_>,
) -> Decision {
    let mut bench = Bench { context, exhibits, reading, next: 0, gaps: Vec::new() };
    let rulings: Vec<Ruling> =
        policy.require.iter().map(|obligation| bench.settle(obligation, "")).collect();
    let kind = match rulings.iter().all(|ruling| ruling.met) {
        // A policy without obligations demands nothing and admits nothing.
        true if !rulings.is_empty() => Kind::Accepted,
        _ => {
            let mut reasons: Vec<Reason> = rulings.iter().flat_map(Ruling::reasons).collect();
            let unread: Vec<Gap> = exhibits.iter().filter_map(|e| unread_gap(&e.finding)).collect();
            if gaps.is_empty() && unread.is_empty() && bench.gaps.is_empty() {
                Kind::Rejected(reasons)
            } else {
                let named = gaps.iter().chain(&bench.gaps).chain(unread.iter().take(SHOWN));
                reasons.extend(named.map(Gap::reason));
                Kind::Unknown(reasons)
            }
        }
    };
    Decision { verdict: Verdict::new(*context.subject, kind), rulings }
}

impl Ruling {
    /// Why it is not met, with the names of what it is made of.
    fn reasons(&self) -> Vec<Reason> {
        if self.met {
            return Vec::new();
        }
        let own = self.shortfalls.iter().map(|shortfall| Reason {
            code: shortfall.code,
            obligation: Some(self.name.clone()),
            found: shortfall.found.clone(),
            wanted: shortfall.wanted.clone(),
            hint: shortfall.hint.to_owned(),
        });
        own.chain(self.parts.iter().flat_map(Ruling::reasons)).collect()
    }
}

/// Where obligations are settled, in the order of [`Policy::demands`].
struct Bench<'a> {
    context: Context<'a>,
    exhibits: &'a [Exhibit],
    reading: Reading<'a>,
    /// The place of the next demand.
    next: usize,
    /// What a demand needed and could not be read.
    gaps: Vec<Gap>,
}

/// A statement that counts for a demand.
struct Voice<'a> {
    exhibit: &'a Exhibit,
    vote: &'a Vote,
    signer: SignerId,
}

impl<'a> Bench<'a> {
    fn settle(&mut self, obligation: &Obligation, above: &str) -> Ruling {
        let name = format!("{above}{}", obligation.name);
        let ruling = |kind: &str, met: bool, parts: Vec<Ruling>| Ruling {
            name: name.clone(),
            kind: kind.to_owned(),
            met,
            by: Vec::new(),
            shortfalls: Vec::new(),
            parts,
        };
        let below = format!("{name}/");
        match &obligation.demand {
            Demand::Statement(demand) => Ruling { name: name.clone(), ..self.statement(demand) },
            Demand::Any(inner) => {
                let parts: Vec<_> = inner.iter().map(|part| self.settle(part, &below)).collect();
                ruling("any", parts.iter().any(|part| part.met), parts)
            }
            Demand::All(inner) => {
                let parts: Vec<_> = inner.iter().map(|part| self.settle(part, &below)).collect();
                let met = !parts.is_empty() && parts.iter().all(|part| part.met);
                ruling("all", met, parts)
            }
        }
    }

    fn statement(&mut self, demand: &StatementDemand) -> Ruling {
        let place = self.next;
        self.next += 1;
        let (mut voices, mut short) = (Vec::new(), Vec::new());
        for exhibit in self.exhibits {
            let Some(evidence) = exhibit.finding.evidence() else { continue };
            if evidence.subject() != self.context.subject {
                continue;
            }
            for vote in exhibit.votes.iter().filter(|vote| vote.demand == place) {
                let signer = evidence.signer().id();
                match vote.shortfall.clone().map_or_else(|| self.lock(demand, exhibit), Err) {
                    Ok(()) => voices.push(Voice { exhibit, vote, signer }),
                    Err(shortfall) => short.push(shortfall),
                }
            }
        }
        let by = met_by(demand, &voices);
        let met = demand.threshold > 0 && by.len() >= demand.threshold;
        let shortfalls = match met {
            true => Vec::new(),
            false => self.shortfalls(demand, &by, short),
        };
        Ruling {
            name: String::new(),
            kind: demand.rule.name().to_owned(),
            met,
            by,
            shortfalls,
            parts: Vec::new(),
        }
    }

    /// Whether the lock of a provenance holds, where the demand is about one.
    fn lock(&mut self, demand: &StatementDemand, exhibit: &Exhibit) -> Result<(), Shortfall> {
        let Rule::Provenance(rule) = &demand.rule else { return Ok(()) };
        let Some(wanted) = rule.lock else { return Ok(()) };
        let Some(Claim::Provenance(found)) = exhibit.finding.evidence().map(|e| e.claim()) else {
            return Ok(());
        };
        let unread = |found: String| Shortfall {
            code: "lock",
            found,
            wanted: "what the manifests name, compared with the lock".into(),
            hint: "try again; if it stays so, look at the registry",
        };
        let gap = match self.reading {
            Reading::Unread(gap) => gap.clone(),
            Reading::NotRead => Gap {
                what: "the artifact's layer".into(),
                why: "it was not asked for".into(),
                cap: None,
            },
            Reading::Read(contents) => match provenance::lock(wanted, found, contents) {
                LockStanding::Met => return Ok(()),
                LockStanding::Missed(shortfall) => return Err(shortfall),
                LockStanding::Unread(why) => {
                    Gap { what: "what the manifests name".into(), why, cap: None }
                }
            },
        };
        let shortfall = unread(format!("{} could not be read: {}", gap.what, gap.why));
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
        Err(shortfall)
    }

    /// Why a demand is not met: too few signers, or what each statement that a
    /// named signer made lacks, or that there is none.
    fn shortfalls(
        &self,
        demand: &StatementDemand,
        by: &[MetBy],
        short: Vec<Shortfall>,
    ) -> Vec<Shortfall> {
        if !by.is_empty() {
            let names: Vec<String> = by.iter().map(|met| met.signer.to_string()).collect();
            return vec![Shortfall {
                code: "threshold",
                found: format!("{} signer(s): {}", by.len(), names.join(", ")),
                wanted: format!("{} different ones, {}", demand.threshold, demand.signers_words()),
                hint: "let another of the named signers sign",
            }];
        }
        let (strangers, named): (Vec<_>, Vec<_>) =
            short.into_iter().partition(|shortfall| shortfall.code == "untrusted-signer");
        if named.is_empty() {
            return vec![self.none(demand, &strangers)];
        }
        let mut distinct: Vec<Shortfall> = Vec::new();
        for shortfall in named {
            if distinct.len() < SHOWN && !distinct.contains(&shortfall) {
                distinct.push(shortfall);
            }
        }
        distinct
    }

    /// No statement of that kind by anybody who is named.
    fn none(&self, demand: &StatementDemand, strangers: &[Shortfall]) -> Shortfall {
        let about = |exhibit: &&Exhibit| {
            exhibit.finding.predicate_type.as_deref().is_some_and(|t| demand.rule.is_about(t))
        };
        let kind = demand.rule.name();
        let all = self.exhibits.len();
        let of_kind = self.exhibits.iter().filter(about).count();
        let only_keys = demand.signers.iter().all(|entry| matches!(entry.who, Who::Keys(_)));
        let somebody = if only_keys { "a given key" } else { "anybody who is named" };
        let unread = self.exhibits.iter().filter(|e| unread_gap(&e.finding).is_some()).count();
        let found = match (all, of_kind, strangers.first()) {
            (0, _, _) => "no statement at all".to_owned(),
            (all, 0, _) if unread > 0 => {
                format!("{all} statement(s), {unread} of which could not be read")
            }
            (all, 0, _) => format!("{all} statement(s), none of them a {kind}"),
            (_, some, None) => format!("{some} {kind} statement(s), none by {somebody}"),
            (_, some, Some(first)) => {
                format!("{some} {kind} statement(s), none by {somebody}; one {}", first.found)
            }
        };
        let (code, hint) = match &demand.rule {
            Rule::Signature => (
                "no-signature",
                "check that the signer is the publisher; `sluicegate inspect` shows who signed \
                 what",
            ),
            Rule::Provenance(_) => {
                ("no-provenance", "publish with `sluicegate publish`, which writes it")
            }
            _ => ("no-statement", "attach it with `sluicegate attest`"),
        };
        Shortfall { code, found, wanted: format!("a {kind} {}", demand.signers_words()), hint }
    }
}

/// Which signer entries are met, each by a signer of its own, and by which
/// statement: of several by one signer that of the smallest digest, so that the
/// same is said every time.
fn met_by(demand: &StatementDemand, voices: &[Voice<'_>]) -> Vec<MetBy> {
    let pairs: Vec<(usize, SignerId)> = voices
        .iter()
        .flat_map(|voice| voice.vote.entries.iter().map(|entry| (*entry, voice.signer.clone())))
        .collect();
    let matched = signers::matching(demand.signers.len(), &pairs);
    let statement = |signer: &SignerId| {
        let own = voices.iter().filter(|voice| voice.signer == *signer);
        own.min_by_key(|voice| (voice.exhibit.finding.format, voice.exhibit.finding.manifest))
    };
    matched
        .into_iter()
        .flatten()
        .filter_map(|signer| {
            let voice = statement(&signer)?;
            let (statement, made) = (voice.exhibit.finding.manifest, voice.vote.made);
            Some(MetBy { signer, statement, made })
        })
        .collect()
}

fn unread_gap(finding: &Finding) -> Option<Gap> {
    match &finding.outcome {
        Outcome::Unread(why) => {
            let what = format!("the statement `{}`", finding.manifest);
            Some(Gap { what, why: why.clone(), cap: None })
        }
        _ => None,
    }
}

/// How a statement stands after judging, for showing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its signature is that of somebody who is named.
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

/// How a statement stands, and why it does not count where it does not.
pub fn standing(exhibit: &Exhibit, annotations: &Annotations) -> (Standing, Option<String>) {
    let evidence = match &exhibit.finding.outcome {
        Outcome::Untrusted(why) => return (Standing::Untrusted, Some(why.clone())),
        Outcome::Invalid(why) => return (Standing::Invalid, Some(why.clone())),
        Outcome::Unread(why) => return (Standing::Unread, Some(why.clone())),
        Outcome::Verified(evidence) => evidence,
    };
    if !exhibit.named {
        return (
            Standing::Untrusted,
            Some(format!("signed by {}, who is not named", evidence.signer())),
        );
    }
    if let Claim::Provenance(found) = evidence.claim()
        && let Some(why) = provenance::disagreement(found, annotations)
    {
        return (Standing::Mismatch, Some(why));
    }
    let counts = exhibit.votes.iter().any(|vote| vote.shortfall.is_none());
    let why = exhibit.votes.iter().find_map(|vote| vote.shortfall.as_ref());
    match (counts, why) {
        (false, Some(why)) => (Standing::Verified, Some(format!("does not count: {}", why.found))),
        _ => (Standing::Verified, None),
    }
}
