//! Patterns and globs that cannot match more than they look like.

use std::fmt;

use regex::Regex;

/// A regular expression that matches a whole text.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] saying what is refused and what to write instead.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let regex = Regex::new(&format!(r"\A(?:{text})\z"))
            .map_err(|error| PatternError(error.to_string()))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

/// A pattern that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

/// A text in which `*` stands for anything up to the next `/`, and `**` for
/// anything at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Takes a glob; every text is one.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The glob as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether all of `text` matches. Linear in each of the two: of a star that
    /// was passed only the last of its kind is ever taken up again.
    pub fn matches(&self, text: &str) -> bool {
        let mut states = vec![false; self.0.len() + 1];
        let glob = self.0.as_bytes();
        close(glob, &mut states, 0);
        for byte in text.bytes() {
            let mut next = vec![false; states.len()];
            for at in (0..states.len()).filter(|at| states.get(*at) == Some(&true)) {
                match token(glob, at) {
                    Token::End => {}
                    Token::Star if byte == b'/' => {}
                    Token::Star | Token::Stars => close(glob, &mut next, at),
                    Token::Byte(wanted) if wanted == byte => close(glob, &mut next, at + 1),
                    Token::Byte(_) => {}
                }
            }
            states = next;
        }
        states.last() == Some(&true)
    }
}

enum Token {
    End,
    Star,
    Stars,
    Byte(u8),
}

fn token(glob: &[u8], at: usize) -> Token {
    match (glob.get(at), glob.get(at + 1)) {
        (None, _) => Token::End,
        (Some(b'*'), Some(b'*')) => Token::Stars,
        (Some(b'*'), _) => Token::Star,
        (Some(byte), _) => Token::Byte(*byte),
    }
}

/// Marks `at` and every place that is reached without reading anything.
fn close(glob: &[u8], states: &mut [bool], mut at: usize) {
    loop {
        if let Some(state) = states.get_mut(at) {
            *state = true;
        }
        match token(glob, at) {
            Token::Star => at += 1,
            Token::Stars => at += 2,
            Token::End | Token::Byte(_) => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_star_stops_at_a_slash_and_two_do_not() {
        for (glob, text, wanted) in [
            ("refs/heads/main", "refs/heads/main", true),
            ("refs/heads/main", "refs/heads/main2", false),
            ("refs/heads/main", "xrefs/heads/main", false),
            ("refs/heads/*", "refs/heads/a", true),
            ("refs/heads/*", "refs/heads/", true),
            ("refs/heads/*", "refs/heads/a/b", false),
            ("refs/heads/**", "refs/heads/a/b", true),
            ("refs/tags/v*", "refs/tags/v1.2", true),
            ("refs/tags/v*", "refs/tags/x1", false),
            ("refs/*/main", "refs/heads/main", true),
            ("refs/*/main", "refs/a/b/main", false),
            ("**/main", "refs/heads/main", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(Glob::new(glob).matches(text), wanted, "{glob} {text}");
        }
    }

    #[test]
    fn a_glob_is_linear_in_its_text() {
        let glob = Glob::new(format!("{}b", "*a".repeat(50)));
        assert!(!glob.matches(&"a".repeat(20_000)));
    }
}
