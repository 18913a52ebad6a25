//! Foreign text for people: names, annotations and messages that anybody may
//! have written, made safe to stand in a line of a terminal or a CI log; and
//! errors with their causes.

use std::{error::Error, iter};

/// How many characters of a foreign text are shown.
const MAX_SHOWN: usize = 1000;
/// How many characters of a value are shown in the message about it.
const MAX_BRIEF: usize = 200;

/// `text` in one line without anything that moves a cursor, starts a command in
/// a CI log or changes how the text around it is read; cut when it is long.
pub fn shown(text: &str) -> String {
    safe(text, MAX_SHOWN)
}

/// [`shown`] for a value in the message about it, which it must not drown.
pub fn brief(text: &str) -> String {
    safe(text, MAX_BRIEF)
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
    out
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
    fn nothing_acts_on_a_terminal_or_a_log() {
        assert_eq!(shown("main@sha1:00 ünïcode"), "main@sha1:00 ünïcode");
        let hostile = "a\u{1b}[2K\r\n::error::x\u{202e}y\u{2028}";
        let safe = shown(hostile);
        assert!(!safe.chars().any(is_hidden), "{safe}");
        assert!(safe.starts_with("a\\u{1b}[2K\\u{d}\\u{a}::error::x"), "{safe}");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), MAX_SHOWN + 1);
        assert_eq!(brief(&"x".repeat(5000)).chars().count(), MAX_BRIEF + 1);
        assert_eq!((cut("äöü", 3), cut("äöü", 2)), ("äöü".into(), "äö…".into()));
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
