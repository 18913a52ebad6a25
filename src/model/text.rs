//! Foreign text for people: names, annotations and messages that anybody may
//! have written, made safe to stand in a line of a terminal or a CI log; and
//! errors with their causes.
//!
//! A CI log is read by a machine. GitHub's runner takes a line for a command
//! when it starts with `::`, blanks left aside, and by its older syntax when
//! `##[` stands anywhere in it (`ActionCommand.TryParseV2` and `TryParse`, which
//! Azure's agent has as well for `##vso[`).

use std::{borrow::Cow, error::Error, iter, ops::Range};

/// How many characters of a foreign text are shown.
const MAX_SHOWN: usize = 1000;
/// How many characters of a value are shown in the message about it.
const MAX_BRIEF: usize = 200;

/// `text` in one line without anything that moves a cursor, starts a command in
/// a CI log or changes how the text around it is read; cut when it is long.
pub fn shown(text: &str) -> String {
    safe(text, MAX_SHOWN)
}

/// [`shown`] for a value in the message about it, which it must not drown: cut
/// early, and without credentials should it be a reference that has some.
pub fn brief(text: &str) -> String {
    safe(&hidden_credentials(text), MAX_BRIEF)
}

fn safe(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for (count, c) in text.chars().enumerate() {
        if count == max {
            out.push('…');
            break;
        }
        match is_hidden(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    match inert(&out) {
        Cow::Owned(inert) => inert,
        Cow::Borrowed(_) => out,
    }
}

/// `text`, of any number of lines, without a line that a CI system takes for a
/// command; what would be one has a character escaped, as [`shown`] does it.
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.contains(COMMAND) && !text.contains(OLD_COMMAND) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    // A carriage return may end a line as well.
    for line in text.split_inclusive(['\n', '\r']) {
        let rest = line.trim_start();
        match rest.strip_prefix(COMMAND) {
            Some(rest) => {
                out.push_str(line.get(..line.len() - rest.len() - COMMAND.len()).unwrap_or(""));
                out.push_str("\\u{3a}:");
                out.push_str(&without_old_commands(rest));
            }
            None => out.push_str(&without_old_commands(line)),
        }
    }
    Cow::Owned(out)
}

/// The start of a line that is a command.
const COMMAND: &str = "::";
/// What makes a line a command wherever it stands.
const OLD_COMMAND: &str = "##";

/// Breaks `##[` and `##vso[`; other uses of `##` stay readable.
fn without_old_commands(line: &str) -> Cow<'_, str> {
    if !line.contains(OLD_COMMAND) {
        return Cow::Borrowed(line);
    }
    Cow::Owned(line.replace("##[", "##\\u{5b}").replace("##vso[", "##vso\\u{5b}"))
}

/// The first `max` characters; more are an ellipsis.
pub fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// Why an error happened, outermost first; without the error itself.
pub fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| (*cause).source())
}

/// An error and its causes in one line.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Where a user and a password stand in a URL or an image reference, up to the
/// `@` behind them. A user alone is none before `ssh` and without a scheme,
/// where it is often `git`; elsewhere it may be a token.
pub fn credentials(text: &str) -> Option<Range<usize>> {
    let start = text.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = text.split_at_checked(start)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A `/` in a password ends the authority at something that is no port.
    let torn = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.bytes().all(|b| b.is_ascii_digit()));
    let mut ats = rest.match_indices('@').map(|(at, _)| at);
    let last = ats.rfind(|at| !is_digest_or_filled(rest.get(at + 1..).unwrap_or_default()))?;
    let first = rest.find('@').unwrap_or(last);
    let user = rest.get(..last).unwrap_or_default();
    let open = matches!(scheme, "" | "ssh://" | "git+ssh://") && !user.contains(':');
    ((first < authority.len() || torn) && !open).then(|| start..start + last + 1)
}

/// What stands behind the `@` of an image that is named by its digest, or will
/// be once somebody filled it in.
fn is_digest_or_filled(text: &str) -> bool {
    let digest = text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+')
            && (algorithm.starts_with("sha")
                || hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    digest || text.starts_with("${") || text.starts_with("{{")
}

/// A URL or an image reference without [`credentials`].
pub fn without_credentials(text: &str) -> String {
    replaced(text, |_| String::new())
}

/// The same for a message about a reference, where one sees that they were
/// there.
pub fn hidden_credentials(text: &str) -> String {
    replaced(text, |_| "…@".to_owned())
}

/// A line of a file with [`credentials`] in any of its words masked, so that
/// everything behind them stays in its column.
pub fn masked_credentials(line: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "\"'`,;<>()[]".contains(c);
    let masked = |hidden: &str| hidden.chars().map(|_| '*').collect();
    line.split_inclusive(ends).map(|word| replaced(word, masked)).collect()
}

fn replaced(text: &str, with: impl Fn(&str) -> String) -> String {
    let Some(found) = credentials(text) else { return text.to_owned() };
    let (before, hidden) = (text.get(..found.start), text.get(found.clone()));
    let after = text.get(found.end..).unwrap_or_default();
    format!("{}{}{after}", before.unwrap_or_default(), with(hidden.unwrap_or_default()))
}

/// Characters that are not seen but act: controls, line and paragraph
/// separators, and those that turn the direction of text or join it.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_in_urls_and_references() {
        let hex = "a".repeat(64);
        for (text, bare) in [
            ("https://user:hunter2@charts.example/stable", "https://charts.example/stable"),
            (
                "https://ghp_token@github.com/acme/shop?ref=v1",
                "https://github.com/acme/shop?ref=v1",
            ),
            ("oci://user:hunter2@ghcr.io/a:1", "oci://ghcr.io/a:1"),
            ("user:hunter2@ghcr.io/a:1", "ghcr.io/a:1"),
            ("user:hun/ter2@ghcr.io/a:1", "ghcr.io/a:1"),
            ("user:hun@ter2@ghcr.io/a:1", "ghcr.io/a:1"),
            ("https://user:hun/ter2@charts.example/x", "https://charts.example/x"),
            ("user:hunter2@ghcr.io", "ghcr.io"),
            ("user:hunter2@sha.example:5000/a", "sha.example:5000/a"),
            (&format!("u:hunter2@ghcr.io/a@sha256:{hex}"), &format!("ghcr.io/a@sha256:{hex}")),
            ("ssh://git:hunter2@github.com/a", "ssh://github.com/a"),
        ] {
            assert_eq!(without_credentials(text), bare, "{text}");
            let masked = masked_credentials(&format!("  url: '{text}' # why"));
            assert!(!masked.contains("hun") && !masked.contains("token"), "{masked}");
            assert_eq!(masked.chars().count(), text.chars().count() + 15, "{masked}");
        }
        for plain in [
            "https://charts.example/stable",
            "https://charts.example:8443/@scope/x",
            "ghcr.io/a/b:1",
            "registry:5000/a@b",
            &format!("nginx:1.27@sha256:{hex}"),
            &format!("a@sha256:{}", "b".repeat(12)),
            &format!("q.io/a@blake3:{hex}"),
            "nginx:1.27@${DIGEST}",
            "{{ .Values.image }}:1@{{ .Values.digest }}",
            "git@github.com:acme/shop.git",
            "ssh://git@github.com/acme/shop.git",
            "",
            "@",
        ] {
            assert_eq!(hidden_credentials(plain), plain);
        }
        assert_eq!(hidden_credentials("user:hunter2@h/a"), "…@h/a");
        assert_eq!(masked_credentials("a: [x, 'u:p@h/ä', y]"), "a: [x, '****h/ä', y]");
    }

    #[test]
    fn nothing_acts_on_a_terminal_or_a_log() {
        assert_eq!(shown("main@sha1:00 ünïcode"), "main@sha1:00 ünïcode");
        let hostile = "a\u{1b}[2K\r\n::error::x\u{202e}y\u{2028}";
        let safe = shown(hostile);
        assert!(!safe.chars().any(is_hidden), "{safe}");
        // In the middle of a line `::` is no command.
        assert!(safe.starts_with("a\\u{1b}[2K\\u{d}\\u{a}::error::x"), "{safe}");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), MAX_SHOWN + 1);
        assert_eq!(brief(&"x".repeat(5000)).chars().count(), MAX_BRIEF + 1);
        assert_eq!((cut("äöü", 3), cut("äöü", 2)), ("äöü".into(), "äö…".into()));
    }

    /// As the runner reads a line: trimmed, then `::`, else `##[` anywhere.
    fn is_command(line: &str) -> bool {
        line.trim().starts_with("::") || line.contains("##[") || line.contains("##vso[")
    }

    #[test]
    fn no_line_is_a_command_of_a_ci_system() {
        for (text, expected) in [
            ("::add-mask::true", "\\u{3a}:add-mask::true"),
            (" \t ::stop-commands::tok", " \t \\u{3a}:stop-commands::tok"),
            ("\u{3000}::error::x", "\u{3000}\\u{3a}:error::x"),
            ("a\n  ::error::x\nb", "a\n  \\u{3a}:error::x\nb"),
            ("a\r::error::x", "a\r\\u{3a}:error::x"),
            ("x ##[add-mask]true", "x ##\\u{5b}add-mask]true"),
            ("###[group]", "###\\u{5b}group]"),
            ("::x ##[y]z", "\\u{3a}:x ##\\u{5b}y]z"),
            ("##vso[task.setvariable]", "##vso\\u{5b}task.setvariable]"),
        ] {
            assert!(text.split(['\n', '\r']).any(is_command), "{text:?}");
            assert_eq!(inert(text), expected);
            assert!(!inert(text).split(['\n', '\r']).any(is_command), "{text:?}");
            assert!(!is_command(&shown(text)), "{text:?}");
            assert!(!is_command(&brief(text)), "{text:?}");
        }
        for plain in ["", "a::b", "# a [b]", "## heading", "std::fs\n\n", "a ## b"] {
            assert_eq!(inert(plain), plain);
        }
    }

    #[test]
    fn causes_follow_the_error() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::num::ParseIntError);
        let error = Outer("x".parse::<u8>().expect_err("no number"));
        assert_eq!(chain(&error), "outer: invalid digit found in string");
        assert_eq!(causes(&error).count(), 1);
    }
}
