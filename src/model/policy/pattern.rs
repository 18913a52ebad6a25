//! Patterns and globs that cannot match more than they look like.
//!
//! Most escapes from an identity check are patterns that match more than their
//! author thought: not anchored, an alternation that takes the anchors apart, a
//! dot that is any character, a flag. So a pattern matches the whole string,
//! has neither a top-level alternation nor inline flags, and its dots are
//! escaped unless they are `.*` or `.+`; any other is refused, with the
//! corrected pattern in the hint. What is refused is decided on the syntax tree
//! of the engine that will run it.

use std::fmt;

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{
    self, Ast, ErrorKind, GroupKind, LiteralKind, RepetitionKind, Span, parse::ParserBuilder,
};

/// The longest pattern and the longest glob, in bytes.
const MAX_LENGTH: usize = 1024;
/// How deep groups may nest.
const MAX_NESTING: u32 = 32;
/// What a compiled pattern may take, in bytes.
const MAX_COMPILED: usize = 1 << 20;

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
        if text.is_empty() || text.len() > MAX_LENGTH {
            let why = format!("a pattern has 1 to {MAX_LENGTH} bytes, this one {}", text.len());
            return Err(PatternError::new(why, "write a shorter one, or the exact text"));
        }
        let tree = ParserBuilder::new().nest_limit(MAX_NESTING).build().parse(text);
        inspect(text, &tree.map_err(|error| syntax(text, &error))?)?;
        let regex = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build()
            .map_err(|error| {
                let last = error.to_string();
                let last = last.lines().last().unwrap_or_default().to_owned();
                PatternError::new(last, "write a simpler pattern, or the exact text")
            })?;
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

/// A pattern or a glob that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct PatternError {
    /// What is refused.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

impl PatternError {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// What the parser refuses, and what may have been meant.
fn syntax(text: &str, error: &ast::Error) -> PatternError {
    let what = format!("not a regular expression: {}", error.kind());
    match error.kind() {
        ErrorKind::UnsupportedLookAround => PatternError::new(
            "look-around matches what is not shown; it is not supported",
            "write what the whole text is, without `(?=`, `(?!`, `(?<=` and `(?<!`",
        ),
        ErrorKind::UnsupportedBackreference => PatternError::new(
            "back-references are not supported",
            "write the text that is meant instead of `\\1`",
        ),
        ErrorKind::NestLimitExceeded(_) => {
            PatternError::new(what, "write a simpler pattern, or the exact text")
        }
        _ => PatternError::new(
            what,
            format!("a text without special meaning is `{}`", regex::escape(text)),
        ),
    }
}

/// What a walk over a pattern finds.
#[derive(Default)]
struct Finds {
    /// Dots that are neither `.*` nor `.+`.
    dots: Vec<Span>,
    /// Inline flags.
    flags: Vec<Span>,
    /// Assertions other than `^` in front and `$` at the end.
    assertions: Vec<Span>,
    /// Whether any character stands for itself.
    literal: bool,
}

fn inspect(text: &str, tree: &Ast) -> Result<(), PatternError> {
    if matches!(tree, Ast::Alternation(_)) {
        return Err(PatternError::new(
            "`|` outside a group splits the whole pattern, which is easily overlooked",
            format!("if all of them are meant, write `({text})`"),
        ));
    }
    let mut finds = Finds::default();
    finds.walk(tree, false, text);
    if let Some(fixed) = without(text, &finds.flags) {
        return Err(PatternError::new(
            "inline flags change what the rest of the pattern means",
            format!("write `{fixed}`"),
        ));
    }
    if !finds.dots.is_empty() {
        let mut fixed = text.to_owned();
        for span in finds.dots.iter().rev() {
            fixed.replace_range(span.start.offset..span.end.offset, r"\.");
        }
        return Err(PatternError::new(
            "a dot that is neither `.*` nor `.+` is any character, also one that was not meant",
            format!("write `{fixed}`"),
        ));
    }
    if let Some(fixed) = without(text, &finds.assertions) {
        return Err(PatternError::new(
            "a pattern matches the whole text; anchors inside it and word boundaries are refused",
            format!("write `{fixed}`"),
        ));
    }
    match finds.literal {
        true => Ok(()),
        false => Err(PatternError::new(
            "it names nobody: no character of it stands for itself",
            "name at least the host and the owner, such as `https://github\\.com/acme/.+`",
        )),
    }
}

/// `text` without the spans; `None` when there are none.
fn without(text: &str, spans: &[Span]) -> Option<String> {
    let mut fixed = text.to_owned();
    for span in spans.iter().rev() {
        fixed.replace_range(span.start.offset..span.end.offset, "");
    }
    (!spans.is_empty()).then_some(fixed)
}

impl Finds {
    /// `repeated`: whether `*` or `+` stands behind. The parser bounds how deep
    /// this goes.
    fn walk(&mut self, tree: &Ast, repeated: bool, text: &str) {
        match tree {
            Ast::Dot(span) if !repeated => self.dots.push(**span),
            Ast::Flags(flags) => self.flags.push(flags.span),
            Ast::Literal(literal) => {
                self.literal |=
                    literal.kind != LiteralKind::Special(ast::SpecialLiteralKind::Space);
            }
            Ast::Assertion(found) => {
                let first =
                    found.kind == ast::AssertionKind::StartLine && found.span.start.offset == 0;
                let last = found.kind == ast::AssertionKind::EndLine
                    && found.span.end.offset == text.len();
                if !first && !last {
                    self.assertions.push(found.span);
                }
            }
            Ast::Repetition(found) => {
                let kind = &found.op.kind;
                let any = matches!(kind, RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore);
                self.walk(&found.ast, any, text);
            }
            Ast::Group(found) => {
                if let GroupKind::NonCapturing(flags) = &found.kind
                    && !flags.items.is_empty()
                {
                    self.flags.push(flags.span);
                }
                self.walk(&found.ast, false, text);
            }
            Ast::Alternation(found) => found.asts.iter().for_each(|t| self.walk(t, false, text)),
            Ast::Concat(found) => found.asts.iter().for_each(|t| self.walk(t, false, text)),
            Ast::Empty(_)
            | Ast::Dot(_)
            | Ast::ClassUnicode(_)
            | Ast::ClassPerl(_)
            | Ast::ClassBracketed(_) => {}
        }
    }
}

/// A text in which `*` stands for anything up to the next `/`, and `**` for
/// anything at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Reads a glob.
    ///
    /// # Errors
    /// [`PatternError`] for what looks like more than `*` and `**`: nothing but
    /// the two has a meaning, so that nothing has one by accident.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() || text.len() > MAX_LENGTH {
            let what = format!("a glob has 1 to {MAX_LENGTH} bytes, this one {}", text.len());
            return Err(PatternError::new(what, "write the text, such as `refs/heads/main`"));
        }
        let strange = |c: &char| "?[]{}\\!^".contains(*c) || c.is_control() || c.is_whitespace();
        if let Some(strange) = text.chars().find(strange) {
            let what = format!("`{}` has no meaning in a glob", strange.escape_default());
            return Err(PatternError::new(
                what,
                "`*` is anything up to the next `/`, `**` anything at all; list several globs to \
                 allow several texts",
            ));
        }
        match text.contains("***") {
            true => Err(PatternError::new("`***` means no more than `**`", "write `**`")),
            false => Ok(Self(text.to_owned())),
        }
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
            ("*", "", true),
        ] {
            assert_eq!(Glob::parse(glob).unwrap().matches(text), wanted, "{glob} {text}");
        }
    }

    #[test]
    fn a_glob_is_linear_in_its_text() {
        let glob = Glob::parse(&format!("{}b", "*a".repeat(50))).unwrap();
        assert!(!glob.matches(&"a".repeat(20_000)));
    }

    #[test]
    fn globs_that_look_like_more_are_refused() {
        for bad in ["", "a?", "[ab]", "{a,b}", "!a", "a b", "a\\*", "***", "a\nb"] {
            assert!(Glob::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Glob::parse(&"a".repeat(MAX_LENGTH + 1)).is_err());
    }

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let workflow = r"https://github\.com/acme/.+/\.github/workflows/release\.yml@refs/tags/v.*";
        let good = "https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1";
        let pattern = Pattern::parse(workflow).unwrap();
        assert!(pattern.matches(good));
        for bad in [
            format!("x{good}"),
            format!("{good}\n"),
            format!("{good}\nx"),
            good.replace("github.com", "githubXcom"),
            good.replace("https", "HTTPS"),
            good.replace("/acme/", "/acme-evil/"),
            String::new(),
        ] {
            assert!(!pattern.matches(&bad), "{bad:?}");
        }
        for (text, matched) in [("(a|b)c", "bc"), ("^abc$", "abc"), (r"a\d{2}", "a12")] {
            assert!(Pattern::parse(text).unwrap().matches(matched), "{text}");
        }
        assert!(!Pattern::parse("(a|b)c").unwrap().matches("a"), "the group holds the anchors");
    }

    /// What is refused, and the corrected pattern in the hint.
    #[test]
    fn patterns_that_match_more_than_they_look_like_are_refused() {
        for (bad, corrected) in [
            ("a|b", "`(a|b)`"),
            ("acme|acme/.*", "`(acme|acme/.*)`"),
            ("(?i)acme", "`acme`"),
            ("(?i:acme)x", "`(?:acme)x`"),
            ("(?s).*acme", "`.*acme`"),
            ("github.com/acme", r"`github\.com/acme`"),
            ("a.b.*c.d", r"`a\.b.*c\.d`"),
            ("a.?", r"`a\.?`"),
            ("a.{3}", r"`a\.{3}`"),
            ("a(.)*", r"`a(\.)*`"),
            (r"a\bc", "`ac`"),
            ("a$b", "`ab`"),
            ("a(^b)", "`a(b)`"),
            (r"acme\z", "`acme`"),
            ("a(?=b)", "(?="),
            ("a(?!b)", "(?!"),
            (r"(a)\1", r"`\1`"),
            ("a(", r"`a\(`"),
            ("*", r"`\*`"),
            (".*", "host"),
            (".+", "host"),
            ("[a-z]*", "host"),
            ("", "shorter"),
            (&"a".repeat(MAX_LENGTH + 1), "shorter"),
            (&format!("{}a{}", "(".repeat(40), ")".repeat(40)), "simpler"),
            ("(a{1000}){1000}", "simpler"),
        ] {
            let error = Pattern::parse(bad).unwrap_err();
            assert!(error.hint.contains(corrected), "{bad}: {error} {}", error.hint);
        }
    }
}
