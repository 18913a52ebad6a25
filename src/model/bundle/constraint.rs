//! Version ranges as Helm and Flux read them: the dialect of
//! `github.com/Masterminds/semver/v3`.
//!
//! The dialect is not that of Cargo: `1.2` means `~1.2`, a comma and a space
//! both mean *and*, and a pre-release matches only when the same group of *and*
//! names one. Its rules were never specified, so the behaviour of the library
//! is recorded in `tests/vectors/semver.jsonl` and every case is tested. Flux's
//! rule for what a version is ([`version`]) is stricter than the library's.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

use crate::model::text::brief;

/// The longest constraint, in bytes, and the most groups of `||`: the limits of
/// the library.
const MAX_LENGTH: usize = 512;
const MAX_GROUPS: usize = 32;

/// A range of versions: groups joined by `||`, each a list of comparisons that
/// all must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    groups: Vec<Vec<Comparison>>,
}

impl Constraint {
    /// Reads a range.
    ///
    /// # Errors
    /// [`ConstraintError`] for whatever the library refuses, the empty text
    /// included (Helm reads an absent version as `*`: [`Constraint::any`]).
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        let error = |fault| ConstraintError { text: brief(text), fault };
        if text.len() > MAX_LENGTH {
            return Err(error("is longer than 512 bytes"));
        }
        let rewritten = rewrite_hyphens(text);
        let groups: Vec<_> = rewritten.split("||").collect();
        if groups.len() > MAX_GROUPS {
            return Err(error("has more than 32 alternatives"));
        }
        let groups =
            groups.into_iter().map(parse_group).collect::<Option<Vec<_>>>().ok_or_else(|| {
                error("expected a version or a range such as `1.2.3`, `~1.2`, `>=1 <2`")
            })?;
        Ok(Self { groups })
    }

    /// `*`: every version that is no pre-release.
    pub fn any() -> Self {
        let comparison = Comparison {
            operator: Operator::Equal,
            bound: Version::new(0, 0, 0),
            wild: Wild::Major,
        };
        Self { groups: vec![vec![comparison]] }
    }

    /// Whether `version` is in the range.
    pub fn matches(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            let names_pre = group.iter().any(|comparison| !comparison.bound.pre.is_empty());
            (names_pre || version.pre.is_empty())
                && group.iter().all(|comparison| comparison.matches(version))
        })
    }

    /// Whether it names exactly one version (build metadata aside): `1.2.3`,
    /// `=1.2.3`, `v1.2.3`.
    pub fn is_exact(&self) -> bool {
        matches!(self.groups.as_slice(), [group] if matches!(
            group.as_slice(),
            [Comparison { operator: Operator::Equal, wild: Wild::None, .. }]
        ))
    }
}

/// The tag that Flux takes for a range: the highest version in it, where a tag
/// spells the `+` of build metadata `_`. Of equal ones, that with the greater
/// build metadata, then the one without `v`: Flux leaves that open, and a lock
/// must not depend on the order in which a registry lists tags.
pub fn pick_tag<'a>(range: &Constraint, tags: &'a [String]) -> Option<&'a str> {
    let candidates = tags.iter().filter_map(|tag| {
        let version = version(&tag.replace('_', "+")).filter(|v| range.matches(v))?;
        let plain = !tag.starts_with('v');
        Some(((version, plain), tag.as_str()))
    });
    candidates.max().map(|(_, tag)| tag)
}

/// Reads a version as Flux does: a complete semantic version, with or without a
/// `v` before it. `None` for anything else: such a tag is no candidate.
pub fn version(text: &str) -> Option<Version> {
    if text.len() > 256 {
        return None;
    }
    Version::parse(text.strip_prefix('v').unwrap_or(text)).ok()
}

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a version range: {fault}")]
pub struct ConstraintError {
    text: String,
    fault: &'static str,
}

/// One comparison, such as `>=1.2`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    /// The version compared with; what is not written is zero.
    bound: Version,
    /// The first part that is not written or is `x`.
    wild: Wild,
}

/// What a comparison demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterOrEqual,
    LessOrEqual,
    Tilde,
    Caret,
}

/// The operators as written, the longer before those they begin with. The empty
/// operator comes last: it always matches.
const OPERATORS: [(&str, Operator); 12] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("=", Operator::Equal),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::Equal),
];

/// The first part of a version that is open, in the order of how much is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wild {
    None,
    Patch,
    Minor,
    Major,
}

impl Comparison {
    fn matches(&self, version: &Version) -> bool {
        let (bound, wild) = (&self.bound, self.wild);
        let order = version.cmp_precedence(bound);
        match self.operator {
            Operator::Equal if wild == Wild::None => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => order != Ordering::Less && self.tilde(version),
            Operator::NotEqual => self.differs(version),
            Operator::Greater => self.greater(version),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::LessOrEqual if wild == Wild::None => order != Ordering::Greater,
            Operator::LessOrEqual => match version.major.cmp(&bound.major) {
                Ordering::Less => true,
                Ordering::Equal => wild == Wild::Minor || version.minor <= bound.minor,
                Ordering::Greater => false,
            },
            Operator::Caret => order != Ordering::Less && self.caret(version),
        }
    }

    /// `~1.2.3` stays within `1.2`, `~1` within `1`; `~0.0.0` and `~*` are open.
    fn tilde(&self, version: &Version) -> bool {
        let bound = &self.bound;
        let open = (bound.major, bound.minor, bound.patch) == (0, 0, 0)
            && !matches!(self.wild, Wild::Minor | Wild::Patch);
        open || (version.major == bound.major
            && (self.wild == Wild::Minor || version.minor == bound.minor))
    }

    /// `^1.2.3` stays within `1`, `^0.2.3` within `0.2`, `^0.0.3` at `0.0.3`.
    fn caret(&self, version: &Version) -> bool {
        let bound = &self.bound;
        if bound.major > 0 || self.wild == Wild::Minor {
            return version.major == bound.major;
        }
        if version.major > 0 {
            return false;
        }
        if bound.minor > 0 || self.wild == Wild::Patch {
            return version.minor == bound.minor;
        }
        version.minor == 0 && version.patch == bound.patch
    }

    /// `>1.2` begins at `1.3`, `>1` at `2`.
    fn greater(&self, version: &Version) -> bool {
        let bound = &self.bound;
        match (self.wild, version.major.cmp(&bound.major)) {
            (Wild::None, _) | (Wild::Major, Ordering::Equal) => {
                version.cmp_precedence(bound) == Ordering::Greater
            }
            (_, Ordering::Greater) => true,
            (_, Ordering::Less) | (Wild::Minor, Ordering::Equal) => false,
            (Wild::Patch, Ordering::Equal) => version.minor > bound.minor,
        }
    }

    /// `!=1.2` excludes all of `1.2`. Where a part is open the pre-releases are
    /// compared by themselves, as the library does.
    fn differs(&self, version: &Version) -> bool {
        let bound = &self.bound;
        if matches!(self.wild, Wild::Minor | Wild::Patch) {
            if version.major != bound.major {
                return true;
            }
            if self.wild == Wild::Minor {
                return false;
            }
            return version.minor != bound.minor || version.pre != bound.pre;
        }
        version.cmp_precedence(bound) != Ordering::Equal
    }
}

/// Reads `comparison ((spaces | ',' spaces) comparison)*`.
fn parse_group(text: &str) -> Option<Vec<Comparison>> {
    let mut rest = text.trim_start_matches(is_space);
    let mut comparisons = Vec::new();
    loop {
        let (operator, after) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| rest.strip_prefix(sign).map(|after| (*operator, after)))?;
        let (parts, after) = scan_version(after.trim_start_matches(is_space))?;
        comparisons.push(comparison(operator, &parts)?);
        let trimmed = after.trim_start_matches(is_space);
        rest = match trimmed.strip_prefix(',') {
            Some(next) => next.trim_start_matches(is_space),
            None if trimmed.is_empty() => return Some(comparisons),
            None if trimmed.len() < after.len() => trimmed,
            None => return None,
        };
    }
}

/// The parts of a version as written in a range.
struct Parts<'a> {
    whole: &'a str,
    major: &'a str,
    minor: &'a str,
    patch: &'a str,
    pre: &'a str,
}

/// Reads `v?N(.N)?(.N)?(-pre)?(+build)?` from the start of `text`, where `N` may
/// contain wildcards, and returns what follows.
fn scan_version(text: &str) -> Option<(Parts<'_>, &str)> {
    let rest = text.strip_prefix('v').unwrap_or(text);
    let (major, rest) = scan_number(rest)?;
    let (minor, rest) = scan_dotted_number(rest);
    let (patch, rest) = scan_dotted_number(rest);
    let (pre, rest) = scan_suffix(rest, '-');
    let (_, rest) = scan_suffix(rest, '+');
    let whole = text.get(..text.len() - rest.len())?;
    Some((Parts { whole, major, minor, patch, pre }, rest))
}

/// The library's character class is `[0-9|x|X|\*]`: the bar is in it.
fn scan_number(text: &str) -> Option<(&str, &str)> {
    let end =
        text.find(|c: char| !matches!(c, '0'..='9' | 'x' | 'X' | '*' | '|')).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn scan_dotted_number(text: &str) -> (&str, &str) {
    text.strip_prefix('.').and_then(scan_number).unwrap_or(("", text))
}

/// Identifiers joined by dots after `sign`; empty when there are none.
fn scan_suffix(text: &str, sign: char) -> (&str, &str) {
    let word = |text: &str| {
        text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len())
    };
    let Some(body) = text.strip_prefix(sign) else { return ("", text) };
    let mut end = word(body);
    if end == 0 {
        return ("", text);
    }
    while let Some(next) = body.get(end..).and_then(|rest| rest.strip_prefix('.')) {
        match word(next) {
            0 => break,
            length => end += 1 + length,
        }
    }
    body.split_at(end)
}

fn comparison(operator: Operator, parts: &Parts<'_>) -> Option<Comparison> {
    let open = |part: &str| matches!(part, "" | "x" | "X" | "*");
    let wild = match parts {
        p if open(p.major) => Wild::Major,
        p if open(p.minor) => Wild::Minor,
        p if open(p.patch) => Wild::Patch,
        _ => Wild::None,
    };
    let number = |part: &str, from: Wild| match wild >= from {
        true => Some(0),
        false => part.parse::<u64>().ok(),
    };
    let bound = Version {
        major: number(parts.major, Wild::Major)?,
        minor: number(parts.minor, Wild::Minor)?,
        patch: number(parts.patch, Wild::Patch)?,
        pre: Prerelease::new(parts.pre).ok()?,
        build: BuildMetadata::EMPTY,
    };
    // Only a version without wildcards is read whole, so only there its length
    // counts (the library's limit).
    (wild != Wild::None || parts.whole.len() <= 256).then_some(Comparison { operator, bound, wild })
}

/// Rewrites every `A - B` as `>= A, <= B`, wherever it stands, before the text
/// is split: the library does the same, with the same odd results.
fn rewrite_hyphens(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((from, to, after)) = scan_hyphen(rest) {
            out.push_str(">= ");
            out.push_str(from);
            out.push_str(", <= ");
            out.push_str(to);
            out.push(' ');
            rest = after;
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

fn scan_hyphen(text: &str) -> Option<(&str, &str, &str)> {
    let (from, rest) = scan_version(text.trim_start_matches(is_space))?;
    let spaced = rest.trim_start_matches(is_space);
    let dash = spaced.strip_prefix('-').filter(|_| spaced.len() < rest.len())?;
    let after = dash.trim_start_matches(is_space);
    let (to, rest) = scan_version(after).filter(|_| after.len() < dash.len())?;
    Some((from.whole, to.whole, rest.trim_start_matches(is_space)))
}

/// What `\s` means in Go's regular expressions.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0c' | '\r')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    /// Every constraint of the recording against every version of it.
    #[test]
    fn agrees_with_the_library_on_every_recorded_case() {
        let mut lines = include_str!("../../../tests/vectors/semver.jsonl").lines();
        let head: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let versions: Vec<Version> = head["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|text| version(text.as_str().unwrap()).unwrap())
            .collect();
        let mut wrong = Vec::new();
        let mut count = 0;
        for line in lines {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = case["c"].as_str().unwrap();
            let ours = Constraint::parse(text).ok();
            let mask = ours.map(|constraint| {
                let bits = |four: &[Version]| {
                    let bit = |i: usize| {
                        u8::from(four.get(i).is_some_and(|v| constraint.matches(v))) << (3 - i)
                    };
                    format!("{:x}", bit(0) | bit(1) | bit(2) | bit(3))
                };
                versions.chunks(4).map(bits).collect::<String>()
            });
            if mask.as_deref() != case["m"].as_str() {
                wrong.push(format!("{text:?}: {mask:?}, recorded {}", case["m"]));
            }
            count += 1;
        }
        assert!(count >= 500, "{count}");
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn only_one_version_is_exact() {
        for yes in ["1.2.3", "=1.2.3", "v1.2.3", " 1.2.3-rc.1 ", "1.2.3+b"] {
            assert!(Constraint::parse(yes).unwrap().is_exact(), "{yes}");
        }
        for no in ["1.2", "1.2.x", "*", ">=1.2.3", "~1.2.3", "1.2.3 || 1.2.4", "1.2.3 1.2.3"] {
            assert!(!Constraint::parse(no).unwrap().is_exact(), "{no}");
        }
        assert!(!Constraint::any().is_exact());
    }

    #[test]
    fn any_is_the_star() {
        assert_eq!(Constraint::any(), Constraint::parse("*").unwrap());
    }

    #[test]
    fn a_version_is_complete() {
        assert!(version("1.2.3").is_some() && version("v1.2.3-rc.1+b").is_some());
        for no in ["1.2", "1", "V1.2.3", "latest", "01.2.3", "sha256-aa", ""] {
            assert!(version(no).is_none(), "{no}");
        }
    }

    #[test]
    fn the_highest_tag_in_the_range_is_picked() {
        let tags: Vec<String> = [
            "1.2.3",
            "1.10.0",
            "v1.10.0",
            "1.9.9",
            "2.0.0-rc.1",
            "latest",
            "1.11",
            "1.10.0_2",
            "1.10.0_10",
            "sha256-aa.sig",
        ]
        .map(str::to_owned)
        .into();
        let pick = |range| pick_tag(&Constraint::parse(range).unwrap(), &tags);
        assert_eq!(pick("*"), Some("1.10.0_10"));
        assert_eq!(pick("<1.10"), Some("1.9.9"));
        assert_eq!(pick(">=1-0"), Some("2.0.0-rc.1"));
        assert_eq!(pick("~1.2"), Some("1.2.3"));
        assert_eq!(pick("^3"), None);
        let mut turned = tags.clone();
        turned.reverse();
        assert_eq!(pick_tag(&Constraint::any(), &turned), Some("1.10.0_10"));
        let twice = ["v1.0.0".to_owned(), "1.0.0".to_owned()];
        assert_eq!(pick_tag(&Constraint::any(), &twice), Some("1.0.0"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9xX*|. ,v<>=!~^+a\u{e9}-]{0,40}") {
            let _ = Constraint::parse(&text).map(|c| c.matches(&Version::new(1, 2, 3)));
        }
    }
}
