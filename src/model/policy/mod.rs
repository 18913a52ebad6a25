//! What must be known about a digest, and the verdict about it.
//!
//! A [`Policy`] is a list of obligations, every one of which must be met. An
//! obligation demands a statement: of a kind ([`rule`]), by signers
//! ([`signers`]), no older than an age, meeting conditions ([`expression`]); or
//! it is any or all of others.
//!
//! Judging takes two steps, because statements are many and large and are read
//! one by one. [`Policy::exhibit`] looks at one statement while its bytes are
//! there and keeps how it stands for each demand; [`judge()`] puts these together
//! and decides.
//!
//! A verdict is accepted, rejected or unknown. It is monotone: no further
//! statement turns accepted into rejected, since a registry could withhold it;
//! and no fault turns rejected or unknown into accepted. Only
//! [`Verdict::admit`] makes an [`Admitted`], and whatever moves a tag or a ref
//! takes one.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::model::evidence::{
    Checked, Evidence, Finding, Trust, identity::Signer, key::PublicKey, root::TrustRoot,
};

pub mod duration;
pub mod expression;
mod judge;
pub mod pattern;
pub mod rule;
pub mod signers;
mod verdict;
pub mod words;

use expression::{Condition, Input};
pub use judge::{Decision, MetBy, Reading, Ruling, Standing, judge, standing};
use rule::{Context, Rule, Seen, Shortfall, provenance::LockDemand};
use signers::{SignerEntry, Who};
pub use verdict::{Admitted, Gap, Kind, Reason, Verdict};

/// How far a claimed time may lie ahead of the clock that judges it.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What must be known about a digest.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name, when it has one.
    pub name: Option<String>,
    /// The obligations; every one must be met.
    pub require: Vec<Obligation>,
    /// Who vouches for identities and times.
    pub root: Option<TrustRoot>,
}

/// Something that must be known.
#[derive(Debug, Clone)]
pub struct Obligation {
    /// Its name.
    pub name: String,
    /// What is demanded.
    pub demand: Demand,
}

/// What an obligation demands.
#[derive(Debug, Clone)]
pub enum Demand {
    /// A statement.
    Statement(Box<StatementDemand>),
    /// One of these.
    Any(Vec<Obligation>),
    /// Each of these.
    All(Vec<Obligation>),
}

/// A statement that is demanded. All of it must hold for the same statement.
#[derive(Debug, Clone)]
pub struct StatementDemand {
    /// What it must be and say.
    pub rule: Rule,
    /// Who may sign it.
    pub signers: Vec<SignerEntry>,
    /// How many of them must have, each by a signer of its own.
    pub threshold: usize,
    /// How old it may be.
    pub max_age: Option<SignedDuration>,
    /// What else it must say.
    pub conditions: Vec<Condition>,
}

impl Policy {
    /// A signature by any of these keys, and with `provenance` also provenance by
    /// the same: what `--key` means.
    pub fn by_keys(keys: Vec<PublicKey>, provenance: bool) -> Self {
        if !provenance || keys.len() == 1 {
            return Self::by(vec![SignerEntry::always(Who::Keys(keys))], provenance);
        }
        let of = |key: PublicKey| Obligation {
            name: key.fingerprint().to_string(),
            demand: Demand::All(
                Self::by(vec![SignerEntry::always(Who::Keys(vec![key]))], true).require,
            ),
        };
        let any = Demand::Any(keys.into_iter().map(of).collect());
        let obligation = Obligation { name: "signed-and-attested".into(), demand: any };
        Self { name: None, require: vec![obligation], root: None }
    }

    /// A signature by one of these signers, and with `provenance` also
    /// provenance by one of them.
    pub fn by(signers: Vec<SignerEntry>, provenance: bool) -> Self {
        let demand = |name: &str, rule| Obligation {
            name: name.to_owned(),
            demand: Demand::Statement(Box::new(StatementDemand {
                rule,
                signers: signers.clone(),
                threshold: 1,
                max_age: None,
                conditions: Vec::new(),
            })),
        };
        let mut require = vec![demand("signature", Rule::Signature)];
        if provenance {
            require.push(demand("provenance", Rule::Provenance(Box::default())));
        }
        Self { name: None, require, root: None }
    }

    /// Whom a check must recognise so that this policy can be judged.
    pub fn trust(&self) -> Trust {
        let mut keys: Vec<PublicKey> = Vec::new();
        for demand in self.demands() {
            for entry in &demand.signers {
                let Who::Keys(more) = &entry.who else { continue };
                for key in more {
                    if keys.iter().all(|known| known.fingerprint() != key.fingerprint()) {
                        keys.push(key.clone());
                    }
                }
            }
        }
        Trust { keys, root: self.root.clone() }
    }

    /// The statements that are demanded, in the order of the policy. A
    /// [`Vote`] names one by its place here.
    pub fn demands(&self) -> Vec<&StatementDemand> {
        fn collect<'a>(obligations: &'a [Obligation], into: &mut Vec<&'a StatementDemand>) {
            for obligation in obligations {
                match &obligation.demand {
                    Demand::Statement(demand) => into.push(demand),
                    Demand::Any(inner) | Demand::All(inner) => collect(inner, into),
                }
            }
        }
        let mut demands = Vec::new();
        collect(&self.require, &mut demands);
        demands
    }

    /// How much of a lock any obligation wants; `None` when none does.
    pub fn lock_demands(&self) -> Vec<LockDemand> {
        let lock = |demand: &StatementDemand| match &demand.rule {
            Rule::Provenance(rule) => rule.lock,
            _ => None,
        };
        self.demands().into_iter().filter_map(lock).collect()
    }

    /// How a statement stands for each demand, while what it says is there.
    pub fn exhibit(&self, context: Context<'_>, checked: Checked) -> Exhibit {
        let Checked { finding, statement } = checked;
        let Some(evidence) = finding.evidence() else { return Exhibit::from(finding) };
        let mut votes = Vec::new();
        let named = self.names(evidence);
        if evidence.subject() == context.subject {
            let seen = Seen { evidence, statement: statement.as_ref() };
            let predicate_type = finding.predicate_type.as_deref().unwrap_or_default();
            for (place, demand) in self.demands().into_iter().enumerate() {
                if demand.rule.is_about(predicate_type) {
                    votes.push(demand.vote(place, seen, context));
                }
            }
        }
        Exhibit { finding, votes, named }
    }

    /// Whether any demand names the signer.
    fn names(&self, evidence: &Evidence) -> bool {
        let mut entries = self.demands().into_iter().flat_map(|demand| &demand.signers);
        entries.any(|entry| entry.who.is(evidence.signer()))
    }
}

/// A statement that was checked, and how it stands for each demand of a policy.
#[derive(Debug, Clone)]
pub struct Exhibit {
    /// What checking it came to.
    pub finding: Finding,
    /// How it stands for each demand that is about its type.
    pub votes: Vec<Vote>,
    /// Whether any demand names its signer.
    pub named: bool,
}

impl Exhibit {
    /// One of somebody who was looked for, without a policy.
    pub fn recognised(finding: Finding) -> Self {
        Self { finding, votes: Vec::new(), named: true }
    }
}

impl From<Finding> for Exhibit {
    /// One that stands for nothing.
    fn from(finding: Finding) -> Self {
        Self { finding, votes: Vec::new(), named: false }
    }
}

/// How a statement stands for one demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// The place of the demand in [`Policy::demands`].
    pub demand: usize,
    /// The signer entries that its signer meets.
    pub entries: Vec<usize>,
    /// Why it does not count, when it does not.
    pub shortfall: Option<Shortfall>,
    /// When it was made, by `maxAge`'s measure, and who says so.
    pub made: Option<Made>,
}

/// When a statement was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// A log or a timestamp authority says so.
    Verified(Timestamp),
    /// The signer says so.
    Claimed(Timestamp),
}

impl Made {
    /// The time.
    pub fn time(self) -> Timestamp {
        match self {
            Self::Verified(time) | Self::Claimed(time) => time,
        }
    }
}

impl StatementDemand {
    fn vote(&self, place: usize, seen: Seen<'_>, context: Context<'_>) -> Vote {
        let named: Vec<usize> = (0..self.signers.len())
            .filter(|at| {
                self.signers.get(*at).is_some_and(|entry| entry.who.is(seen.evidence.signer()))
            })
            .collect();
        let valid = |at: &usize| {
            self.signers.get(*at).is_some_and(|entry| entry.is_valid(seen.evidence, context.now))
        };
        let entries: Vec<usize> = named.iter().copied().filter(valid).collect();
        let claimed = self.rule.claimed_time(seen);
        let made = made(seen, claimed);
        // Anybody can have a key's old signature stamped again: the time of the
        // stamp alone says nothing about its age.
        let dated = match (seen.evidence.signer(), claimed) {
            (Signer::Key(_), None) => None,
            _ => made,
        };
        let shortfall = match (named.is_empty(), entries.is_empty()) {
            (true, _) => Some(self.unknown_signer(seen.evidence)),
            (false, true) => Some(outside_window(seen.evidence)),
            (false, false) => self
                .rule
                .meets(seen, context)
                .and_then(|()| self.fresh(dated, context.now))
                .and_then(|()| self.conditions(seen, context))
                .err(),
        };
        Vote { demand: place, entries, shortfall, made }
    }

    fn unknown_signer(&self, evidence: &Evidence) -> Shortfall {
        Shortfall {
            code: "untrusted-signer",
            found: format!("signed by {}", evidence.signer()),
            wanted: self.signers_words(),
            hint: "check that the signer is the one that the policy names",
        }
    }

    fn signers_words(&self) -> String {
        let names: Vec<String> = self.signers.iter().map(|entry| entry.who.words()).collect();
        format!("signed by {}", names.join(", or "))
    }

    /// Whether it is young enough. Its age counts from the earliest verified
    /// time, else from what it claims; without either nobody knows.
    fn fresh(&self, made: Option<Made>, now: Timestamp) -> Result<(), Shortfall> {
        let Some(max_age) = self.max_age else { return Ok(()) };
        let old = |found: String| Shortfall {
            code: "too-old",
            found,
            wanted: format!("made at most {max_age:#} ago"),
            hint: "make the statement again",
        };
        let Some(made) = made else {
            return Err(old("a statement that does not say when it was made".into()));
        };
        let age = now.duration_since(made.time());
        if age < -SKEW {
            return Err(old(format!("made at {}, which is to come", made.time())));
        }
        match age > max_age {
            true => Err(old(format!("made at {}", made.time()))),
            false => Ok(()),
        }
    }

    fn conditions(&self, seen: Seen<'_>, context: Context<'_>) -> Result<(), Shortfall> {
        if self.conditions.is_empty() {
            return Ok(());
        }
        let statement = seen.statement.map_or(&Value::Null, |statement| &statement.outline);
        let artifact = json!({
            "digest": context.subject.to_string(),
            "annotations": context.annotations,
            "reference": context.resource,
            "tag": context.tag.map(ToString::to_string),
        });
        let predicate = seen.predicate();
        for Condition { expression, message } in &self.conditions {
            let input = Input { statement, predicate, artifact: &artifact };
            let found = match expression.evaluate(input) {
                Ok(true) => continue,
                Ok(false) => format!("`{}` is false", expression.as_str()),
                Err(error) => format!("`{}`: {error}", expression.as_str()),
            };
            return Err(Shortfall {
                code: "condition",
                found,
                wanted: message.clone(),
                hint: "`sluicegate inspect` shows what the statement says",
            });
        }
        Ok(())
    }
}

/// When a statement was made. Whoever has a key's old signature can have it logged
/// or stamped again, and leave the first time out; so what the signer claims
/// counts where it is earlier. A certificate is valid for minutes only.
fn made(seen: Seen<'_>, claimed: Option<Timestamp>) -> Option<Made> {
    let verified = seen.evidence.times().first().copied();
    match (verified, claimed, seen.evidence.signer()) {
        (Some(verified), Some(claimed), Signer::Key(_)) if claimed < verified => {
            Some(Made::Claimed(claimed))
        }
        (Some(verified), _, _) => Some(Made::Verified(verified)),
        (None, claimed, _) => claimed.map(Made::Claimed),
    }
}

fn outside_window(evidence: &Evidence) -> Shortfall {
    let found = match evidence.times() {
        [] => "a signer who is not valid now, and no verified time of signing".to_owned(),
        times => {
            let times: Vec<String> = times.iter().map(Timestamp::to_string).collect();
            format!("signed at {}", times.join(" and "))
        }
    };
    Shortfall {
        code: "signer-expired",
        found,
        wanted: "signed while the signer was valid (`validFrom`, `validUntil`)".into(),
        hint: "sign with a current key; a timestamp (`--timestamp-url`) lets old signatures count",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
