//! Results as JSON and YAML that are safe to look at.
//!
//! What is in them was often written by somebody else, and ends up on terminals
//! and in CI logs. Both forms are pure ASCII where a character acts without being
//! seen, and hold nothing that a CI system takes for a command; who parses them
//! reads what was there.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::model::text::is_hidden;

/// `view` as JSON, with a line for each value.
///
/// # Errors
/// When `view` cannot be written as JSON.
pub fn json(view: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(view)?;
    Ok(escaped(&text) + "\n")
}

/// `view` as YAML 1.2: blocks, and strings in double quotes where plain ones
/// could be taken for something else.
///
/// # Errors
/// When `view` cannot be written as JSON.
pub fn yaml(view: &impl Serialize) -> serde_json::Result<String> {
    let mut out = String::new();
    match serde_json::to_value(view)? {
        Value::Object(fields) if !fields.is_empty() => mapping(&mut out, &fields, 0),
        Value::Array(items) if !items.is_empty() => sequence(&mut out, &items, 0),
        scalar => out.push_str(&(self::scalar(&scalar) + "\n")),
    }
    Ok(out)
}

/// JSON with the characters escaped that are hidden, and those that would start
/// a command: both stand only in strings. Its own line ends stay.
pub fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut hashes = 0;
    for c in json.chars() {
        match c {
            '\n' => out.push(c),
            '[' if hashes >= 2 => escape(&mut out, c),
            c if is_hidden(c) => escape(&mut out, c),
            c => out.push(c),
        }
        hashes = if c == '#' { hashes + 1 } else { 0 };
    }
    out.replace("##vso[", "##vso\\u005b")
}

fn escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}

fn mapping(out: &mut String, fields: &serde_json::Map<String, Value>, depth: usize) {
    for (at, (key, value)) in fields.iter().enumerate() {
        // The first key of an item stands behind its dash.
        if at > 0 || !out.ends_with("- ") {
            indent(out, depth);
        }
        out.push_str(&string(key));
        out.push(':');
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                out.push('\n');
                mapping(out, fields, depth + 1);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                sequence(out, items, depth + 1);
            }
            value => _ = writeln!(out, " {}", scalar(value)),
        }
    }
}

fn sequence(out: &mut String, items: &[Value], depth: usize) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 || !out.ends_with("- ") {
            indent(out, depth);
        }
        out.push_str("- ");
        match item {
            Value::Object(fields) if !fields.is_empty() => mapping(out, fields, depth + 1),
            Value::Array(items) if !items.is_empty() => sequence(out, items, depth + 1),
            item => _ = writeln!(out, "{}", scalar(item)),
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        // Empty collections, numbers, booleans and null are JSON, which is YAML.
        value => value.to_string(),
    }
}

/// A string: plain when nobody could take it for anything else, otherwise as
/// JSON writes it, which is YAML as well.
fn string(text: &str) -> String {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./@+".contains(&b));
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "inf" | "nan"
    );
    match first && rest && !word {
        true => text.to_owned(),
        false => escaped(&Value::from(text).to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    /// One of each that acts without being seen, and commands.
    const HOSTILE: &str = "\u{7f}\u{85}\u{9b}31m\u{200e}\u{202e}\u{2028}\u{2066}\u{feff}\n\
                           ::add-mask::x\n##[add-mask]y ###[a] ##vso[b]\r\u{1b}[2K\"\\ é 日";

    #[test]
    fn hostile_text_is_escaped_and_comes_back() {
        let view = json!({
            "text": HOSTILE, HOSTILE: [HOSTILE, {"in": [[HOSTILE, 1], {}, []]}], "é": "日",
        });
        let (json, yaml) = (json(&view).unwrap(), yaml(&view).unwrap());
        for text in [&json, &yaml] {
            assert!(!text.chars().any(|c| c != '\n' && is_hidden(c)), "{text}");
            assert_eq!(crate::model::text::inert(text), text.as_str());
            assert!(text.contains("é") && text.contains("日"), "{text}");
        }
        assert!(json.contains(r"\u007f\u0085\u009b31m\u200e\u202e\u2028\u2066\ufeff\n"), "{json}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), view);
        assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), view);
    }

    #[test]
    fn yaml_is_what_people_write() {
        let view = json!({
            "schema": "sluicegate.dev/x/v1", "tags": ["a", "1.0"], "none": null, "empty": [],
            "of": {"in": 1, "yes": true}, "items": [{"a": "b c", "d": []}, {"a": "x: y"}],
            "lines": "a\nb",
        });
        assert_eq!(
            yaml(&view).unwrap(),
            "schema: sluicegate.dev/x/v1\ntags:\n  - a\n  - \"1.0\"\nnone: null\nempty: []\nof:\n  \
             in: 1\n  \"yes\": true\nitems:\n  - a: \"b c\"\n    d: []\n  - a: \"x: y\"\nlines: \"a\\nb\"\n"
        );
        for text in ["", "true", "No", "~", "1e3", "0x1", "2020-01-01", "-", "- a", "a: b", ".nan"]
        {
            let view = json!({ "a": text });
            let read: Value = serde_saphyr::from_str(&yaml(&view).unwrap()).unwrap();
            assert_eq!(read, view);
        }
        assert_eq!(yaml(&json!([])).unwrap(), "[]\n");
    }
}
