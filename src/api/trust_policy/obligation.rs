//! Reading obligations: what is demanded of a statement of each kind.

use url::Url;

use crate::model::{
    policy::{
        Demand, Obligation, StatementDemand, duration,
        expression::{Condition, Expression},
        rule::{
            Rule,
            predicate::Predicate,
            provenance::{LockDemand, Provenance, Source},
            test_result::TestResult,
            verification_summary::{Level, VerificationSummary},
        },
    },
    source::repository,
    uris,
};

use super::{
    MAX_CONDITIONS, MAX_OBLIGATIONS, code,
    fields::{Desk, Field, Fields, nearest},
    read::is_name,
    signer,
};

/// How deep `any` and `all` may nest.
const LEVELS: usize = 2;
/// The fields of every statement.
const COMMON: [&str; 6] = ["name", "statement", "signers", "threshold", "maxAge", "where"];
/// The fields of each kind of statement besides.
const KINDS: [(&str, &[&str]); 5] = [
    ("signature", &[]),
    ("provenance", &["builder", "buildType", "source", "lock", "tag"]),
    ("test-result", &["configurations"]),
    ("verification-summary", &["verifier", "resource", "level"]),
    ("promotion", &["application", "environment"]),
];
/// Predicate types that have a word, which checks more than their type.
const WORDS: [(&str, &str); 6] = [
    (uris::SIGNATURE, "signature"),
    (uris::PROVENANCE, "provenance"),
    (uris::PROVENANCE_V02, "provenance"),
    (uris::TEST_RESULT, "test-result"),
    (uris::VERIFICATION_SUMMARY, "verification-summary"),
    ("https://sluicegate.dev/promotion/v1", "promotion"),
];

/// The obligations of a list; `above` of them are around it.
pub(super) fn obligations(desk: &mut Desk<'_>, list: &Field<'_>, above: usize) -> Vec<Obligation> {
    let items = list.items(desk);
    desk.obligations = desk.obligations.saturating_add(items.len());
    if desk.obligations > MAX_OBLIGATIONS {
        let message = format!("more than {MAX_OBLIGATIONS} obligations");
        desk.report(code::LIMIT, list, message, "demand less, or split the policy");
        return Vec::new();
    }
    let mut names: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for item in items {
        let name = item.node.get("name").and_then(|name| name.as_str());
        if let Some(name) = name {
            if names.contains(&name) {
                let message =
                    format!("two obligations are named `{}`", crate::model::text::shown(name));
                desk.report(code::VALUE, &item, message, "give each a name of its own");
            }
            names.push(name);
        }
        found.extend(obligation(desk, &item, above));
    }
    found
}

fn obligation(desk: &mut Desk<'_>, field: &Field<'_>, above: usize) -> Option<Obligation> {
    let fields = field.mapping(desk, &["name", "statement", "signers"])?;
    let names = ["statement", "any", "all"];
    let Some(chosen) = fields.one_of(desk, &names) else {
        named(desk, &fields);
        known_anywhere(desk, field);
        return None;
    };
    match chosen.path.rsplit('.').next() {
        Some("statement") => {
            let name = named(desk, &fields);
            let demand = statement(desk, field, &fields, &chosen);
            let demand = Demand::Statement(Box::new(demand?));
            Some(Obligation { name: name?.to_owned(), demand })
        }
        word => {
            let any = word == Some("any");
            only(desk, field, &["name", if any { "any" } else { "all" }]);
            let name = named(desk, &fields);
            if above >= LEVELS {
                let message = "`any` and `all` nest deeper than two levels".to_owned();
                desk.report(code::LIMIT, &chosen, message, "demand it further out");
                return None;
            }
            let inner = obligations(desk, &chosen, above + 1);
            let demand = if any { Demand::Any(inner) } else { Demand::All(inner) };
            Some(Obligation { name: name?.to_owned(), demand })
        }
    }
}

fn named<'d>(desk: &mut Desk<'_>, fields: &Fields<'d>) -> Option<&'d str> {
    let name = fields.needed(desk, "name", "give it a name, such as `name: signed-by-ci`")?;
    if !is_name(name)
        && let Some(field) = fields.get("name")
    {
        let message = "the name of an obligation has letters that a name has not".to_owned();
        desk.report(code::VALUE, &field, message, "use letters, digits, `-`, `_` and `.`");
    }
    Some(name)
}

/// Every field that an obligation of some kind has.
fn every() -> Vec<&'static str> {
    let kinds = KINDS.iter().flat_map(|(_, fields)| fields.iter().copied());
    COMMON.into_iter().chain(kinds).chain(["any", "all"]).collect()
}

fn known_anywhere(desk: &mut Desk<'_>, field: &Field<'_>) {
    field.fields(desk, &every());
}

/// Reports the fields that an obligation of this kind has not, and those that
/// none has.
fn only(desk: &mut Desk<'_>, field: &Field<'_>, allowed: &[&str]) {
    let every = every();
    field.fields(desk, &every);
    for (key, _) in field.node.entries() {
        let name = key.key();
        if allowed.contains(&name.as_ref()) || !every.contains(&name.as_ref()) {
            continue;
        }
        let owner = KINDS.iter().find(|(_, fields)| fields.contains(&name.as_ref()));
        let hint = match owner {
            Some((kind, _)) => format!("it belongs to `statement: {kind}`"),
            None => "it belongs to a statement".to_owned(),
        };
        let message = format!("`{name}` does not belong here");
        let place = Field { node: key, path: format!("{}.{name}", field.path) };
        desk.report(code::FIELD, &place, message, &hint);
    }
}

fn statement(
    desk: &mut Desk<'_>,
    field: &Field<'_>,
    fields: &Fields<'_>,
    kind: &Field<'_>,
) -> Option<StatementDemand> {
    let word = kind.text(desk)?;
    let own = KINDS.iter().find(|(known, _)| *known == word);
    let own: &[&str] = own.map_or(&[], |(_, fields)| fields);
    only(desk, field, &[&COMMON, own].concat());
    let rule = match word {
        "signature" => Some(Rule::Signature),
        "provenance" => Some(Rule::Provenance(Box::new(provenance(desk, fields)))),
        "test-result" => Some(Rule::TestResult(test_result(desk, fields))),
        "verification-summary" => summary(desk, fields).map(Rule::VerificationSummary),
        "promotion" => {
            let message = "`statement: promotion` is not supported yet".to_owned();
            let hint = "a later release brings it; leave the obligation out until then";
            desk.report(code::FUTURE, kind, message, hint);
            None
        }
        uri => predicate_type(desk, kind, uri).map(Rule::Predicate),
    };
    let signers = match fields.get("signers") {
        Some(list) => signer::signers(desk, &list),
        None => {
            let hint = "say who may sign it: a statement by anybody proves nothing";
            fields.missing(desk, "signers", hint);
            Vec::new()
        }
    };
    let threshold = threshold(desk, fields);
    let max_age = max_age(desk, fields);
    let conditions = conditions(desk, fields);
    Some(StatementDemand { rule: rule?, signers, threshold, max_age, conditions })
}

/// Any other predicate type: an absolute URI.
fn predicate_type(desk: &mut Desk<'_>, field: &Field<'_>, text: &str) -> Option<Predicate> {
    let words: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
    let url = Url::parse(text).ok().filter(|_| text.chars().all(|c| !c.is_whitespace()));
    let Some(url) = url else {
        let hint = match nearest(text, &words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `{}`, or a predicate type, which is a URI", words.join("`, `")),
        };
        let message = "this is no kind of statement, and no absolute URI".to_owned();
        desk.report(code::VALUE, field, message, &hint);
        return None;
    };
    // Schemes are compared in any case (conforma EC-2014): a predicate type in
    // other letters would pass for another one.
    let scheme = text.get(..url.scheme().len()).unwrap_or_default();
    let lower = text.replacen(scheme, url.scheme(), 1);
    if let Some((_, word)) = WORDS.iter().find(|(uri, _)| *uri == lower) {
        let message = "this predicate type has a word, which checks more than the type".to_owned();
        desk.report(code::VALUE, field, message, &format!("write `statement: {word}`"));
        return None;
    }
    if lower != text {
        let message = "the scheme of a predicate type is written in lower case".to_owned();
        desk.report(code::VALUE, field, message, &format!("write `{lower}`"));
        return None;
    }
    Some(Predicate { predicate_type: text.to_owned() })
}

/// How many signers; there must be so many entries.
fn threshold(desk: &mut Desk<'_>, fields: &Fields<'_>) -> usize {
    let Some(field) = fields.get("threshold") else { return 1 };
    let Some(number) = field.integer(desk) else { return 1 };
    let entries = fields.get("signers").map_or(0, |list| list.node.items().count());
    match usize::try_from(number) {
        Ok(number) if (1..=entries).contains(&number) => number,
        Ok(number) if number > entries => {
            let message = format!("a threshold of {number} with {entries} signer(s) is never met");
            let hint = "name more signers, or lower the threshold; several keys of one entry are \
                        one signer";
            desk.report(code::SIGNERS, &field, message, hint);
            1
        }
        _ => {
            let message = format!("a threshold of {number} would be met by nobody");
            desk.report(code::SIGNERS, &field, message, "demand at least one signer");
            1
        }
    }
}

fn max_age(desk: &mut Desk<'_>, fields: &Fields<'_>) -> Option<jiff::SignedDuration> {
    let field = fields.get("maxAge")?;
    let text = field.text(desk)?;
    let found = duration::parse(text).filter(|age| age.is_positive());
    if found.is_none() {
        let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
        let hint = match days {
            Some(days) => format!("write `{}h`", u64::from(days) * 24),
            None => "write hours, minutes and seconds, such as `720h` or `1h30m`".to_owned(),
        };
        desk.report(code::VALUE, &field, "`maxAge` is no duration".into(), &hint);
    }
    found
}

fn conditions(desk: &mut Desk<'_>, fields: &Fields<'_>) -> Vec<Condition> {
    let Some(list) = fields.get("where") else { return Vec::new() };
    let mut found = Vec::new();
    for item in list.items(desk) {
        desk.conditions += 1;
        if desk.conditions > MAX_CONDITIONS {
            let message = format!("more than {MAX_CONDITIONS} conditions");
            desk.report(code::LIMIT, &item, message, "join some of them with `&&`");
            break;
        }
        found.extend(condition(desk, &item));
    }
    found
}

fn condition(desk: &mut Desk<'_>, item: &Field<'_>) -> Option<Condition> {
    let fields = item.fields(desk, &["expression", "message"])?;
    let message = fields.text(desk, "message");
    let text = fields.needed(desk, "expression", "write a CEL expression")?;
    match Expression::parse(text) {
        Ok(expression) => {
            let message = message.map_or_else(|| format!("`{text}`"), str::to_owned);
            Some(Condition { expression, message })
        }
        Err(error) => {
            let message = format!("the expression is refused: {error}");
            if let Some(field) = fields.get("expression") {
                let hint = "docs/policy.md says what expressions can say";
                desk.report(code::EXPRESSION, &field, message, hint);
            }
            None
        }
    }
}

fn provenance(desk: &mut Desk<'_>, fields: &Fields<'_>) -> Provenance {
    let mut text = |name| fields.text(desk, name).map(str::to_owned);
    let (builder, build_type) = (text("builder"), text("buildType"));
    let source = fields.get("source").and_then(|field| source(desk, &field));
    let levels = [
        ("required", LockDemand::Required),
        ("pinned", LockDemand::Pinned),
        ("current", LockDemand::Current),
    ];
    let lock = word(desk, fields, "lock", &levels);
    let tag_match = word(desk, fields, "tag", &[("match", true)]).unwrap_or_default();
    Provenance { builder, build_type, source, lock, tag_match }
}

/// One of several words.
fn word<T: Copy>(
    desk: &mut Desk<'_>,
    fields: &Fields<'_>,
    name: &str,
    words: &[(&str, T)],
) -> Option<T> {
    let field = fields.get(name)?;
    let text = field.text(desk)?;
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("`{name}` is none of `{}`", known.join("`, `"));
        let hint = match nearest(text, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `{name}: {}`", known.first().unwrap_or(&"")),
        };
        desk.report(code::VALUE, &field, message, &hint);
    }
    found
}

fn source(desk: &mut Desk<'_>, field: &Field<'_>) -> Option<Source> {
    let known = ["repository", "refs", "path", "allowAsserted", "allowDirty"];
    let fields = field.fields(desk, &known)?;
    if field.node.entries().next().is_none() {
        let message = "`source` is empty and would demand little".to_owned();
        desk.report(code::VALUE, field, message, "name the `repository` and the `refs`");
    }
    let repository = fields.get("repository").and_then(|field| {
        let text = field.text(desk)?;
        let normal = repository::normal(text);
        if let Err(error) = &normal {
            let message = format!("the repository is refused: {error}");
            desk.report(code::VALUE, &field, message, "write `https://host/owner/name`");
        }
        normal.ok()
    });
    let refs = fields.get("refs").map(|list| list.texts(desk)).unwrap_or_default();
    let refs = refs.iter().filter_map(|(item, text)| signer::ref_glob(desk, item, text)).collect();
    let path = fields.get("path").and_then(|field| path(desk, &field));
    let mut flag = |name| fields.get(name).and_then(|field| field.boolean(desk));
    let allow_asserted = flag("allowAsserted").unwrap_or_default();
    let allow_dirty = flag("allowDirty").unwrap_or_default();
    Some(Source { repository, refs, path, allow_asserted, allow_dirty })
}

/// A directory in a repository, as `publish` writes it.
fn path(desk: &mut Desk<'_>, field: &Field<'_>) -> Option<String> {
    let text = field.text(desk)?;
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if text.starts_with('/') || parts.contains(&"..") || text.contains(['*', '\\']) {
        let message = "`path` is not a directory in the repository".to_owned();
        let hint = "write it from the repository's root, such as `deploy/production`";
        desk.report(code::VALUE, field, message, hint);
        return None;
    }
    Some(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
}

fn test_result(desk: &mut Desk<'_>, fields: &Fields<'_>) -> TestResult {
    let list = fields.get("configurations").map(|list| list.texts(desk)).unwrap_or_default();
    TestResult { configurations: list.into_iter().map(|(_, text)| text.to_owned()).collect() }
}

fn summary(desk: &mut Desk<'_>, fields: &Fields<'_>) -> Option<VerificationSummary> {
    let verifier = fields.needed(desk, "verifier", "name the verifier's id, a URI");
    let resource = fields.text(desk, "resource").map(str::to_owned);
    let level = fields.get("level").and_then(|field| {
        let level = Level::parse(field.text(desk)?);
        if level.is_none() {
            let message = "`level` is no SLSA level".to_owned();
            desk.report(code::VALUE, &field, message, "write it as `SLSA_BUILD_LEVEL_2`");
        }
        level
    });
    Some(VerificationSummary { verifier: verifier?.to_owned(), resource, level })
}
