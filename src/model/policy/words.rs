//! What a policy demands, in plain sentences.

use jiff::SignedDuration;

use super::{
    Demand, Obligation, Policy, StatementDemand,
    pattern::Glob,
    rule::{
        Rule,
        provenance::{LockDemand, Provenance, Source},
        test_result::TestResult,
        verification_summary::VerificationSummary,
    },
    signers::{SignerEntry, Who},
};

/// One sentence an obligation; those inside it on lines of their own.
pub fn sentences(policy: &Policy) -> Vec<String> {
    policy.require.iter().map(sentence).collect()
}

/// Whether any obligation ties the tag that is asked for to what was published.
pub fn binds_tags(policy: &Policy) -> bool {
    let binds = |demand: &&StatementDemand| match &demand.rule {
        Rule::Provenance(rule) => rule.tag_match,
        _ => false,
    };
    policy.demands().iter().any(binds)
}

fn sentence(obligation: &Obligation) -> String {
    let name = &obligation.name;
    let (word, inner) = match &obligation.demand {
        Demand::Statement(demand) => return format!("{name}: {}", statement(demand)),
        Demand::Any(inner) => ("at least one of these holds", inner),
        Demand::All(inner) => ("each of these holds", inner),
    };
    let lines = inner.iter().map(|part| format!("\n- {}", sentence(part).replace('\n', "\n  ")));
    format!("{name}: {word}:{}", lines.collect::<String>())
}

fn statement(demand: &StatementDemand) -> String {
    let mut parts = vec![format!("{} signed by {}", kind(&demand.rule), by(demand))];
    parts.extend(says(&demand.rule));
    if let Some(age) = demand.max_age {
        parts.push(format!(
            "it was made at most {} ago, by a log or a timestamp, else as it claims itself",
            hours(age)
        ));
    }
    parts.extend(demand.conditions.iter().map(|condition| condition.message.clone()));
    let mut text = format!("there is {}", parts.join("; "));
    text.push('.');
    text
}

fn kind(rule: &Rule) -> String {
    match rule {
        Rule::Signature => "a signature".into(),
        Rule::Provenance(_) => "a provenance that agrees with the manifest,".into(),
        Rule::TestResult(_) => "a test result that says PASSED,".into(),
        Rule::VerificationSummary(_) => "a verification summary that says PASSED,".into(),
        Rule::Predicate(rule) => format!("a statement of the type `{}`,", rule.predicate_type),
    }
}

fn by(demand: &StatementDemand) -> String {
    let signers: Vec<String> = demand.signers.iter().map(entry).collect();
    match (signers.len(), demand.threshold) {
        (1, _) => signers.concat(),
        (all, count) if all == count => format!("each of these {all}: {}", signers.join(", ")),
        (all, 1) => format!("any of these {all}: {}", signers.join(", ")),
        (all, count) => format!("at least {count} of these {all}: {}", signers.join(", ")),
    }
}

fn entry(entry: &SignerEntry) -> String {
    let mut text = entry.who.words();
    if let Who::GitHub(github) = &entry.who {
        if let Some(builder) = &github.builder {
            text.push_str(&format!(" through `{builder}`"));
        }
        if let Some(id) = &github.repository_id {
            text.push_str(&format!(" (repository number {id})"));
        }
        match github.events.as_slice() {
            [] => text.push_str(", whatever started it but `pull_request_target`"),
            events => text.push_str(&format!(", started by `{}`", events.join("` or `"))),
        }
    }
    if let Some(from) = entry.valid_from {
        text.push_str(&format!(" from {from}"));
    }
    if let Some(until) = entry.valid_until {
        text.push_str(&format!(" until {until}"));
    }
    text
}

fn says(rule: &Rule) -> Vec<String> {
    match rule {
        Rule::Signature | Rule::Predicate(_) => Vec::new(),
        Rule::Provenance(rule) => provenance(rule),
        Rule::TestResult(TestResult { configurations }) => match configurations.as_slice() {
            [] => Vec::new(),
            names => vec![format!("it tested `{}`", names.join("` and `"))],
        },
        Rule::VerificationSummary(VerificationSummary { verifier, resource, level }) => {
            let about = match resource {
                Some(resource) => format!("about `{resource}`"),
                None => "about the reference that is asked for".to_owned(),
            };
            let mut parts = vec![format!("it is by the verifier `{verifier}`, {about}")];
            parts.extend(level.as_ref().map(|level| format!("it attests at least `{level}`")));
            parts
        }
    }
}

fn provenance(rule: &Provenance) -> Vec<String> {
    let mut parts = Vec::new();
    parts.extend(rule.builder.as_ref().map(|id| format!("the builder is `{id}`")));
    parts.extend(rule.build_type.as_ref().map(|uri| format!("the build type is `{uri}`")));
    parts.extend(rule.source.as_ref().map(source));
    parts.extend(rule.lock.map(|lock| {
        match lock {
            LockDemand::Required => "it records a digest for every chart and image that is named",
            LockDemand::Pinned => {
                "it records a digest for every chart and image that is named, and the manifests \
                 carry these digests"
            }
            LockDemand::Current => {
                "it records a digest for every chart and image that is named, and each still \
                 resolves to it"
            }
        }
        .to_owned()
    }));
    if rule.tag_match {
        parts.push("the tag that is asked for is one that it moved".into());
    }
    parts
}

fn source(source: &Source) -> String {
    let mut text = match &source.repository {
        Some(repository) => format!("it was built from `{repository}`"),
        None => "it was built from any repository".to_owned(),
    };
    let refs: Vec<&str> = source.refs.iter().map(Glob::as_str).collect();
    match refs.as_slice() {
        [] => text.push_str(" at any ref"),
        refs => text.push_str(&format!(" at `{}`", refs.join("` or `"))),
    }
    if let Some(path) = &source.path {
        text.push_str(&format!(", the directory `{path}`"));
    }
    match (source.allow_asserted, source.allow_dirty) {
        (false, false) => text.push_str(", read from git without changes"),
        (true, false) => text.push_str(", also where only flags say so"),
        (false, true) => text.push_str(", also with changed files"),
        (true, true) => text.push_str(", also with changed files and where only flags say so"),
    }
    text
}

fn hours(age: SignedDuration) -> String {
    let seconds = age.as_secs();
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (hours, 0, 0) if hours % 24 == 0 => format!("{} day(s)", hours / 24),
        (hours, 0, 0) => format!("{hours} hour(s)"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}
