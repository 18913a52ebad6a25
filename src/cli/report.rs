//! Problems as people, code scanning and GitHub's log read them.
//!
//! Renders the model's [`Problem`]s; decides nothing and prints nothing. Files
//! are named as the user would name them, below the directory given on the
//! command line, so that terminals, editors and CI systems can open them.
//! [`sarif`] follows SARIF 2.1.0 (OASIS), [`github`] the workflow commands of
//! GitHub Actions.

use std::{borrow::Cow, collections::BTreeMap};

use annotate_snippets::{
    AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str,
};
use serde_json::{Value, json};

use crate::{
    api::trust_policy,
    model::{
        bundle::problem::{Code, Place, Position, Problem, Severity, code},
        text::{inert, is_hidden},
    },
};

use super::document;

/// How text is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether with terminal colours.
    pub colours: bool,
    /// The width to fit source lines into.
    pub width: usize,
}

impl Default for Look {
    /// As without a terminal.
    fn default() -> Self {
        Self { colours: false, width: 140 }
    }
}

/// The problems in order: by file and place, those of the whole bundle last.
fn sorted(problems: &[Problem]) -> Vec<&Problem> {
    let mut sorted: Vec<_> = problems.iter().collect();
    sorted.sort_by_key(|p| {
        let start = p.place.as_ref().map(|place| place.start);
        (p.file.is_none(), &p.file, start, std::cmp::Reverse(p.severity), p.code, &p.message)
    });
    sorted
}

/// The problems as text, each with its source and a caret, then a summary line.
/// Empty when there are none.
pub fn text(problems: &[Problem], base: &str, look: Look) -> String {
    let renderer = if look.colours { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(look.width).hyperlink(false);
    let mut out = String::new();
    for problem in sorted(problems) {
        out.push_str(&renderer.render(&[group(problem, base)]));
        out.push_str("\n\n");
    }
    if !problems.is_empty() {
        out.push_str(&summary(problems));
        out.push('\n');
    }
    out
}

/// `2 errors, 1 warning`; `no problems` when there are none.
pub fn summary(problems: &[Problem]) -> String {
    let count = |severity| problems.iter().filter(|p| p.severity == severity).count();
    let part = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {one}s")),
    };
    let parts = [part(count(Severity::Error), "error"), part(count(Severity::Warning), "warning")];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if text.is_empty() { "no problems".into() } else { text }
}

/// One problem for the renderer.
fn group<'a>(problem: &'a Problem, base: &str) -> Group<'a> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(&problem.message).id(problem.code.0));
    if let Some(file) = &problem.file {
        let path = join(base, file.as_str());
        group = match problem.place.as_ref().map(|place| (place, caret(place))) {
            Some((place, Some((source, span)))) => group.element(
                Snippet::source(source)
                    .line_start(place.first_line as usize)
                    .path(path)
                    .annotation(AnnotationKind::Primary.span(span)),
            ),
            Some((place, None)) => group.element(
                Origin::path(path)
                    .line(place.start.line as usize)
                    .char_column(place.start.column as usize),
            ),
            None => group.element(Origin::path(path)),
        };
    } else if !base.is_empty() {
        group = group.element(Origin::path(base.to_owned()));
    }
    if let Some(hint) = &problem.hint {
        let hint = normalize_untrusted_str(hint);
        group = group.element(Level::HELP.with_name("hint").message(hint));
    }
    group
}

/// The lines shown and the bytes of them to point at: from the start to the
/// end of the place, but never past the first line, because a caret under a
/// whole mapping points at nothing. `None` when the start is not shown.
fn caret(place: &Place) -> Option<(String, std::ops::Range<usize>)> {
    let index = place.start.line.checked_sub(place.first_line)? as usize;
    let line = place.lines.get(index)?;
    let before: usize = place.lines.iter().take(index).map(|line| line.len() + 1).sum();
    let byte = |column: u32| {
        let characters = column.saturating_sub(1) as usize;
        line.char_indices().nth(characters).map_or(line.len(), |(byte, _)| byte)
    };
    let start = byte(place.start.column);
    let end = match place.end.line == place.start.line {
        true => byte(place.end.column),
        false => line.trim_end().len(),
    };
    Some((place.lines.join("\n"), before + start..before + end.max(start)))
}

/// The problems as one SARIF 2.1.0 log, of this program's `version`.
pub fn sarif(problems: &[Problem], base: &str, version: &str) -> String {
    let problems = sorted(problems);
    let mut rules: BTreeMap<&str, &Problem> = BTreeMap::new();
    for problem in &problems {
        let known = rules.entry(problem.code.0).or_insert(problem);
        if known.hint.is_none() {
            *known = problem;
        }
    }
    let index: BTreeMap<&str, usize> =
        rules.keys().enumerate().map(|(index, code)| (*code, index)).collect();
    let results: Vec<_> = problems
        .iter()
        .map(|problem| result(problem, base, index.get(problem.code.0).copied()))
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "sluicegate",
                "version": version,
                "semanticVersion": version,
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.values().map(|problem| rule(problem)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    document::escaped(&format!("{log:#}\n"))
}

/// A rule, described by the problem of it that says most.
fn rule(problem: &Problem) -> Value {
    let name = problem.code.0;
    let meaning = |codes: &[(Code, &'static str)]| {
        codes.iter().find(|(code, _)| *code == problem.code).map(|(_, meaning)| *meaning)
    };
    let (page, meaning) = match meaning(trust_policy::code::ALL) {
        Some(meaning) => ("policy", meaning),
        None => ("check", meaning(code::ALL).unwrap_or(name)),
    };
    let uri = format!("{}/blob/main/docs/{page}.md#{name}", env!("CARGO_PKG_REPOSITORY"));
    let hint = problem.hint.clone().unwrap_or_else(|| format!("See {uri}"));
    json!({
        "id": name,
        "shortDescription": {"text": meaning},
        "help": {"text": hint},
        "helpUri": uri,
        "defaultConfiguration": {"level": level(problem.severity)},
    })
}

fn result(problem: &Problem, base: &str, rule: Option<usize>) -> Value {
    let mut location = json!({"physicalLocation": physical(problem, base)});
    let path = problem.place.as_ref().map(|place| place.path.as_str()).unwrap_or_default();
    if let Some(object) = &problem.object {
        let name = [object.to_string().as_str(), path].join(" ");
        location["logicalLocations"] =
            json!([{"fullyQualifiedName": name.trim_end(), "kind": "object"}]);
    }
    let message = match &problem.hint {
        Some(hint) => format!("{}\n\nhint: {hint}", problem.message),
        None => problem.message.clone(),
    };
    let mut result = json!({
        "ruleId": problem.code.0,
        "level": level(problem.severity),
        "message": {"text": message},
        // Code scanning wants a location always: the directory, where there is
        // no file.
        "locations": [location],
    });
    if let Some(rule) = rule {
        result["ruleIndex"] = rule.into();
    }
    result
}

fn physical(problem: &Problem, base: &str) -> Value {
    let path = match &problem.file {
        Some(file) => join(base, file.as_str()),
        None => base.to_owned(),
    };
    let mut physical = json!({"artifactLocation": {"uri": uri(&path)}});
    if let Some(place) = &problem.place {
        let (start, end) = (one_based(place.start), one_based(place.end.max(place.start)));
        physical["region"] = json!({
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        });
    }
    physical
}

fn one_based(position: Position) -> Position {
    Position { line: position.line.max(1), column: position.column.max(1) }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The problems as workflow commands that GitHub shows beside the code.
pub fn github(problems: &[Problem], base: &str) -> String {
    sorted(problems).into_iter().map(|problem| annotation(problem, base)).collect()
}

fn annotation(problem: &Problem, base: &str) -> String {
    let mut properties = Vec::new();
    let mut add = |key: &str, value: &str| {
        properties.push(format!("{key}={}", escape_property(value)));
    };
    if let Some(file) = &problem.file {
        add("file", &normal(&join(base, file.as_str())));
        if let Some(place) = &problem.place {
            let (start, end) = (one_based(place.start), one_based(place.end.max(place.start)));
            add("line", &start.line.to_string());
            add("endLine", &end.line.to_string());
            add("col", &start.column.to_string());
            if start.line == end.line {
                add("endColumn", &end.column.to_string());
            }
        }
    }
    add("title", problem.code.0);
    let hint = problem.hint.as_deref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    let message = escape_data(&format!("{}{hint}", problem.message));
    format!("::{} {}::{message}\n", level(problem.severity), properties.join(","))
}

/// As `@actions/core` escapes a message; what acts without being seen stays out.
fn escape_data(text: &str) -> String {
    let hidden = |c: char| is_hidden(c) && !matches!(c, '\r' | '\n');
    let seen = match text.contains(hidden) {
        true => text
            .chars()
            .flat_map(|c| match hidden(c) {
                true => c.escape_unicode().collect::<Vec<_>>(),
                false => vec![c],
            })
            .collect(),
        false => text.to_owned(),
    };
    inert(&seen).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As `@actions/core` escapes a property.
fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// `file` below `base`, as the user would write it.
fn join(base: &str, file: &str) -> String {
    match base.trim_end_matches('/') {
        "" if base.starts_with('/') => format!("/{file}"),
        "" => file.to_owned(),
        base => format!("{base}/{file}"),
    }
}

/// A path without `.` components and doubled slashes, as GitHub compares it.
fn normal(path: &str) -> Cow<'_, str> {
    let absolute = if path.starts_with('/') { "/" } else { "" };
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Cow::Owned(format!("{absolute}{}", parts.join("/")))
}

/// A path as a URI reference (RFC 3986); an absolute one gets a scheme.
fn uri(path: &str) -> String {
    let path = normal(path);
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    if out.is_empty() { ".".into() } else { out }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
