//! Secrets: whether one carries data in clear, and how its lines may be shown.
//!
//! What is pushed cannot be taken back, so a plain Secret stops a publish. The
//! values never reach a report: of a document with a Secret only keys, the
//! names in `metadata`, `apiVersion`, `kind` and `type` are shown, whatever the
//! problem is about.

use super::{
    problem::{Problem, code},
    scope::Scope,
    yaml::{self, Kind, Node},
};

/// What stands for a hidden value.
const MASK: &str = "***";

/// Whether `node` is a Secret, or holds one in `items`, whatever its kind: what
/// is taken for a list by kustomize or by Flux has no rule that matters here.
pub fn is_in(node: Node<'_>) -> bool {
    let is_secret = |node: Node<'_>| node.str_at(&["kind"]) == Some("Secret");
    is_secret(node) || node.get("items").is_some_and(|items| items.items().any(is_in))
}

/// Checks a Secret for data in clear.
///
/// SOPS writes a `sops` mapping with a `mac` beside the data and replaces each
/// value by `ENC[…]`; both are asked for, since a value added later by hand is
/// still in clear. A value that is nothing but `${VARIABLE}` is filled in by
/// Flux and is no data.
pub fn check(scope: &Scope<'_>, object: Node<'_>, path: &str) -> Option<Problem> {
    let clear = |field: &'static str| {
        let entries = object.get(field).into_iter().flat_map(Node::entries);
        entries.filter(|(_, value)| is_clear(*value)).map(move |(key, _)| (field, key))
    };
    let sops = object.str_at(&["sops", "mac"]).is_some_and(|mac| !mac.is_empty());
    let encrypted = ["data", "stringData"]
        .into_iter()
        .filter_map(|field| object.get(field))
        .flat_map(Node::entries)
        .any(|(_, value)| value.as_str().is_some_and(is_encrypted));
    let mut found = clear("data").chain(clear("stringData"));
    let (field, key, message) = match found.next() {
        Some((field, key)) => {
            let more = found.count();
            let others = if more > 0 { format!(" and {more} more") } else { String::new() };
            let name = shown_name(&key.key());
            (field, key, format!("a Secret carries `{name}`{others} in clear"))
        }
        None if encrypted && !sops => {
            let field = if object.get("data").is_some() { "data" } else { "stringData" };
            let message = "a Secret looks encrypted, but has no `sops` mapping with a `mac`";
            (field, object.get(field)?, message.to_owned())
        }
        None => return None,
    };
    let path = format!("{path}{}{field}", if path.is_empty() { "" } else { "." });
    Some(scope.error(code::SECRET_CLEAR, key, &path, message).hint(HINT))
}

/// What to do about data in clear.
pub const HINT: &str =
    "encrypt it with SOPS, or allow it with `--allow-secrets`; what is pushed cannot be taken back";

/// The name of a key for a message.
pub fn shown_name(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// Whether a value is data in clear.
pub fn is_clear(value: Node<'_>) -> bool {
    match value.kind() {
        Kind::Null => false,
        Kind::Str => value.as_str().is_some_and(is_clear_text),
        _ => true,
    }
}

/// Whether a text is data in clear: not empty, not encrypted, not filled in.
pub fn is_clear_text(text: &str) -> bool {
    let variable = text
        .trim()
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    !text.is_empty() && !is_encrypted(text) && !variable
}

fn is_encrypted(text: &str) -> bool {
    text.starts_with("ENC[") && text.ends_with(']')
}

/// Whether a document is encrypted by SOPS as a whole: it has a `sops` mapping
/// with a `mac`, and beside it nothing but what is encrypted in part at least.
/// The binary format is JSON of this shape.
pub fn is_sealed(root: Node<'_>) -> bool {
    let mac = root.str_at(&["sops", "mac"]).is_some_and(|mac| !mac.is_empty());
    let mut beside = root.entries().filter(|(key, _)| key.key() != "sops");
    mac && beside.any(|(_, value)| has_encrypted(value))
}

fn has_encrypted(node: Node<'_>) -> bool {
    node.as_str().is_some_and(is_encrypted)
        || node.items().any(has_encrypted)
        || node.entries().any(|(_, value)| has_encrypted(value))
}

/// Whether the bytes of a file that is no manifest have nothing in clear: they
/// are empty, or SOPS wrote them as JSON (its form for binary files), as dotenv
/// with `sops_` keys, or as INI with a section `sops`.
pub fn is_sealed_file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match text.trim_start().as_bytes().first() {
        None => true,
        Some(_) if !text.contains("sops") => false,
        Some(b'{') => {
            let mut documents = yaml::documents(text);
            matches!(documents.next(), Some(Ok(document)) if is_sealed(document.root()))
        }
        Some(_) => is_sealed_lines(text),
    }
}

/// Lines of `key=value`, all of whose values are encrypted.
fn is_sealed_lines(text: &str) -> bool {
    let (mut mac, mut sops_section) = (false, false);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sops_section = section == "sops";
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { return false };
        let (key, value) = (key.trim(), value.trim());
        if sops_section || key.starts_with("sops_") {
            mac |= matches!(key, "mac" | "sops_mac") && is_encrypted(value);
        } else if !value.is_empty() && !is_encrypted(value) {
            return false;
        }
    }
    mac
}

/// A key whose line may be shown up to its colon, and what else of that line.
#[derive(Debug, Clone, Copy)]
pub struct ShownKey {
    start: usize,
    end: usize,
    /// Where a value that may be shown ends.
    value_end: Option<usize>,
    /// Whether there is a value that must be masked.
    masks: bool,
}

/// Where in a document the walk of [`shown_keys`] is.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Object,
    Metadata,
    Rest,
}

/// The keys of a document that holds a Secret, in the order of the text.
pub fn shown_keys(root: Node<'_>) -> Vec<ShownKey> {
    let mut keys = Vec::new();
    collect(root, Part::Object, &mut keys);
    keys.sort_by_key(|key| key.start);
    keys
}

fn collect(node: Node<'_>, part: Part, keys: &mut Vec<ShownKey>) {
    for item in node.items() {
        collect(item, part, keys);
    }
    for (key, value) in node.entries() {
        let name = key.key();
        let (open, below) = match (part, name.as_ref()) {
            (Part::Object, "apiVersion" | "kind" | "type") => (true, Part::Rest),
            (Part::Object, "metadata") => (false, Part::Metadata),
            (Part::Object, "items") => (false, Part::Object),
            (Part::Metadata, "name" | "namespace") => (true, Part::Rest),
            _ => (false, Part::Rest),
        };
        let collection = matches!(value.kind(), Kind::Seq | Kind::Map { .. });
        let range = key.range();
        keys.push(ShownKey {
            start: range.start,
            end: range.end,
            value_end: (open && !collection).then(|| value.range().end),
            masks: !collection,
        });
        collect(value, below, keys);
    }
}

/// A line of a document that holds a Secret, as it may be shown: up to its
/// first key; everything else, comments and continued texts too, is masked.
pub fn shown(text: &str, keys: &[ShownKey], start: usize, line: &str) -> String {
    let end = start.saturating_add(line.len());
    let index = keys.partition_point(|key| key.start < start);
    let Some(key) = keys.get(index).filter(|key| key.end <= end) else { return masked(line) };
    let before = text.get(start..key.start).unwrap_or_default();
    if !before.bytes().all(|b| matches!(b, b' ' | b'-')) {
        return masked(line);
    }
    let name = text.get(start..key.end).unwrap_or_default();
    match key.value_end.filter(|&value_end| value_end <= end) {
        Some(value_end) => text.get(start..value_end).unwrap_or_default().to_owned(),
        None if key.masks => format!("{name}: {MASK}"),
        None => format!("{name}:"),
    }
}

/// A line of which only the indentation is shown.
pub fn masked(line: &str) -> String {
    let content = line.trim_start();
    let indentation = line.get(..line.len() - content.len()).unwrap_or_default();
    match content {
        "" | "---" => line.to_owned(),
        _ => format!("{indentation}{MASK}"),
    }
}

/// Whether a text that cannot be parsed may hold a Secret: then its lines are
/// masked. It asks for little, since there is no tree to be exact with.
pub fn is_suspected(text: &str) -> bool {
    let names_secret =
        |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "Secret");
    let is_kind = |line: &str| {
        line.trim_start_matches(['"', '\'', '{']).starts_with("kind") && names_secret(line)
    };
    let is_patch = text.contains("stringData") || text.contains("/data/");
    is_patch || (names_secret(text) && (has_data(text) || text.lines().any(is_kind)))
}

/// Whether `data` or `stringData`, but not only `metadata`, is in `text`.
pub fn has_data(text: &str) -> bool {
    let own = |at: usize| !text.get(..at).is_some_and(|before| before.ends_with("meta"));
    text.contains("Data") || text.match_indices("data").any(|(at, _)| own(at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use std::sync::Arc;

    use super::*;
    use crate::model::bundle::{
        path::RelPath,
        scope::Hidden,
        yaml::{self, source::Source},
    };

    fn judged(text: &str) -> Option<Problem> {
        let source = Source::new(text);
        let document = yaml::documents(text).next().unwrap().unwrap();
        let file = Arc::new(RelPath::new("s.yaml").unwrap());
        let scope = Scope::new(&file, &source, &document, Hidden::Values);
        check(&scope, document.root(), "")
    }

    #[test]
    fn clear_data_is_found() {
        for (text, found) in [
            ("kind: Secret\ndata: {a: aHVudGVyMg==}\n", Some("carries `a` in clear")),
            ("kind: Secret\nstringData: {a: x, b: y, c: ''}\n", Some("`a` and 1 more in clear")),
            ("kind: Secret\nstringData: {a: 5}\n", Some("carries `a` in clear")),
            ("kind: Secret\nstringData: {a: ''}\ndata: {}\n", None),
            ("kind: Secret\ntype: x\n", None),
            ("kind: Secret\nstringData: {a: '${PASSWORD}'}\n", None),
            ("kind: Secret\nstringData: {a: '${PASSWORD:=hunter2}'}\n", Some("in clear")),
            ("kind: Secret\nstringData: {a: 'ENC[AES,x]'}\n", Some("no `sops` mapping")),
            ("kind: Secret\nstringData: {a: 'ENC[AES,x]'}\nsops: {mac: ''}\n", Some("no `sops`")),
            ("kind: Secret\nstringData: {a: 'ENC[AES,x]'}\nsops: {mac: 'ENC[m]'}\n", None),
            (
                "kind: Secret\nstringData: {a: 'ENC[AES,x]', b: y}\nsops: {mac: 'ENC[m]'}\n",
                Some("carries `b` in clear"),
            ),
        ] {
            let message = judged(text).map(|problem| problem.message);
            match (found, &message) {
                (None, None) => {}
                (Some(part), Some(message)) => assert!(message.contains(part), "{text}: {message}"),
                _ => panic!("{text}: {message:?}"),
            }
        }
    }

    #[test]
    fn values_never_reach_a_report() {
        for text in [
            "kind: Secret\nmetadata:\n  name: db # hunter2\nstringData:\n  a: hunter2\n",
            "kind: Secret\nstringData:\n  a: |\n    hunter2: hunter2\n    hunter2\n",
            "kind: Secret\n# hunter2\nstringData:\n  a: x # hunter2\n",
            "{\"kind\": \"Secret\", \"data\": {\"a\": \"hunter2\"}}",
            "kind: Secret\nmetadata:\n  annotations:\n    last: hunter2\ndata:\n  a: aaaa\n",
            "kind: Secret\nstringData:\n  a: 'hunter2\n\n    hunter2'\n",
            "kind: Secret\nx: &p hunter2\nstringData: {a: *p}\n",
            "kind: Secret\nstringData:\n  type: hunter2\n  name: hunter2\n",
            "kind: Secret\nstringData:\n  metadata: {name: hunter2}\n",
            "kind: SecretList\nitems:\n- kind: Secret\n  data:\n    name: hunter2\n",
            "kind: Bundle\nmetadata: {name: b}\nitems:\n- kind: Secret\n  data:\n    a: hunter2\n",
        ] {
            let source = Source::new(text);
            let document = yaml::documents(text).next().unwrap().unwrap();
            let file = Arc::new(RelPath::new("s.yaml").unwrap());
            assert!(is_in(document.root()), "{text}");
            let scope = Scope::new(&file, &source, &document, Hidden::Values);
            for at in 0..text.len() {
                let place = scope.place(at..text.len(), "");
                assert!(!place.lines.join("\n").contains("hunter2"), "{text}: {:?}", place.lines);
            }
        }
    }

    #[test]
    fn keys_and_names_are_shown() {
        let text = "kind: Secret\nmetadata:\n  name: db\nstringData:\n  a: x\n";
        let problem = judged(text).unwrap();
        let place = problem.place.unwrap();
        assert_eq!(place.lines, ["  name: db", "stringData:", "  a: ***"]);
        assert_eq!((place.path.as_str(), place.start.line), ("stringData", 5));
    }

    #[test]
    fn sealed_documents() {
        for (text, sealed) in [
            ("a: ENC[x]\nsops:\n  mac: ENC[m]\n", true),
            ("a:\n- b: ENC[x]\nc: open\nsops: {mac: 'ENC[m]'}\n", true),
            ("{\"data\": \"ENC[x]\", \"sops\": {\"mac\": \"ENC[m]\"}}", true),
            ("a: ENC[x]\n", false),
            ("a: ENC[x]\nsops: {mac: ''}\n", false),
            ("a: open\nsops: {mac: 'ENC[m]'}\n", false),
            ("sops: {mac: 'ENC[m]'}\n", false),
            ("[a]", false),
        ] {
            let document = yaml::documents(text).next().unwrap().unwrap();
            assert_eq!(is_sealed(document.root()), sealed, "{text}");
        }
    }

    #[test]
    fn sealed_files() {
        for (text, sealed) in [
            ("", true),
            (" \n", true),
            ("A=ENC[x]\nsops_mac=ENC[m]\nsops_version=3.9\n", true),
            ("#ENC[c]\nA=\nB=ENC[x]\nsops_mac=ENC[m]\n", true),
            ("{\"data\": \"ENC[x]\", \"sops\": {\"mac\": \"ENC[m]\"}}", true),
            ("[a]\nb = ENC[x]\n[sops]\nmac = ENC[m]\nversion = 3.9\n", true),
            ("A=hunter2\n", false),
            ("A=hunter2\nB=ENC[x]\nsops_mac=ENC[m]\n", false),
            ("A=ENC[x]\nsops_version=3.9\n", false),
            ("A=ENC[x]\nsops_mac=\n", false),
            ("a\nsops_mac=ENC[m]\n", false),
            ("{\"sops\": \"ENC[x]\"}", false),
            ("{ sops", false),
            ("[sops]\nmac = ENC[m]\n[a]\nb = hunter2\n", false),
        ] {
            assert_eq!(is_sealed_file(text.as_bytes()), sealed, "{text}");
        }
        assert!(!is_sealed_file(b"\xffsops"));
    }

    #[test]
    fn broken_secrets_are_suspected() {
        for yes in [
            "kind: Secret\ndata: [",
            "{\"kind\":\"Secret\",\"data\":",
            "kind: Secret\nstringData:",
            "- op: add\n  path: /data/p\n  value: [",
            "kind: any\nstringData: [",
        ] {
            assert!(is_suspected(yes), "{yes}");
        }
        for no in ["kind: SecretStore\ndata: [", "x: [\n  kind: Secret\nmetadata: [", "a: ["] {
            assert!(!is_suspected(no), "{no}");
        }
    }
}
