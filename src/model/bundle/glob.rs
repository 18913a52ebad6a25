//! Go's `filepath.Match` for one path component.
//!
//! Flux's ignore patterns are matched by this function, so its corners are part
//! of the format: `*` and `?` are bytes or UTF-8 characters depending on where
//! they stand, `[^…]` negates and `[!…]` does not, `\` escapes, and a malformed
//! pattern matches nothing. Neither side ever contains `/` here, so the
//! separator rules of the original have no counterpart.

/// A pattern that is malformed: an open class, an empty range, a `\` at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadPattern;

/// Whether `name` as a whole matches `pattern`.
pub(super) fn matches(mut pattern: &[u8], mut name: &[u8]) -> Result<bool, BadPattern> {
    while !pattern.is_empty() {
        let (star, chunk, rest) = next_chunk(pattern);
        if star && chunk.is_empty() {
            return Ok(true);
        }
        let last = rest.is_empty();
        match find_chunk(chunk, name, star, last)? {
            Some(after) => name = after,
            None => return Ok(false),
        }
        pattern = rest;
    }
    Ok(name.is_empty())
}

/// Finds `chunk` at the start of `name`, or after any number of bytes when a
/// star precedes it. The last chunk must use the name up, unless no star lets
/// it move.
fn find_chunk<'n>(
    chunk: &[u8],
    name: &'n [u8],
    star: bool,
    last: bool,
) -> Result<Option<&'n [u8]>, BadPattern> {
    let skips = if star { name.len() } else { 0 };
    for skip in 0..=skips {
        let from = name.get(skip..).unwrap_or_default();
        match match_chunk(chunk, from)? {
            Some(after) if after.is_empty() || !last => return Ok(Some(after)),
            _ => {}
        }
    }
    Ok(None)
}

/// The next run of the pattern without a star, whether stars precede it, and
/// what follows.
fn next_chunk(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|b| **b == b'*').count();
    let body = pattern.get(stars..).unwrap_or_default();
    let (mut escaped, mut in_class) = (false, false);
    let mut end = body.len();
    for (at, byte) in body.iter().enumerate() {
        match byte {
            _ if escaped => {
                escaped = false;
                continue;
            }
            b'\\' => escaped = true,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    let (chunk, rest) = body.split_at_checked(end).unwrap_or((body, &[]));
    (stars > 0, chunk, rest)
}

/// Matches `chunk` at the start of `name`; what follows the match. The chunk is
/// read to its end even after a mismatch, because a malformed chunk is an error
/// whatever the name.
fn match_chunk<'n>(mut chunk: &[u8], name: &'n [u8]) -> Result<Option<&'n [u8]>, BadPattern> {
    let mut rest = Some(name);
    while let Some((first, tail)) = chunk.split_first() {
        rest = rest.filter(|r| !r.is_empty());
        match first {
            b'[' => {
                let character = rest.map(decode);
                let (hit, after) = match_class(tail, character.map(|(c, _)| c))?;
                rest = character.filter(|_| hit).map(|(_, after)| after);
                chunk = after;
                continue;
            }
            b'?' => rest = rest.map(|r| decode(r).1),
            b'\\' => {
                let (literal, after) = tail.split_first().ok_or(BadPattern)?;
                rest = rest.and_then(|r| r.strip_prefix(&[*literal]));
                chunk = after;
                continue;
            }
            literal => rest = rest.and_then(|r| r.strip_prefix(&[*literal])),
        }
        chunk = tail;
    }
    Ok(rest)
}

/// Matches a class from behind its `[`; whether `character` is in it, and what
/// follows the class.
fn match_class(mut class: &[u8], character: Option<u32>) -> Result<(bool, &[u8]), BadPattern> {
    let negated = class.first() == Some(&b'^');
    if negated {
        class = class.get(1..).unwrap_or_default();
    }
    let (mut found, mut ranges) = (false, 0_usize);
    loop {
        if ranges > 0
            && let Some(after) = class.strip_prefix(b"]")
        {
            return Ok((found != negated, after));
        }
        let (low, after) = class_character(class)?;
        let (high, after) = match after.strip_prefix(b"-") {
            Some(after) => class_character(after)?,
            None => (low, after),
        };
        found |= character.is_some_and(|c| low <= c && c <= high);
        ranges += 1;
        class = after;
    }
}

/// One end of a range in a class. Something must follow it: at least the `]`.
fn class_character(class: &[u8]) -> Result<(u32, &[u8]), BadPattern> {
    let class = match class.first() {
        None | Some(b'-' | b']') => return Err(BadPattern),
        Some(b'\\') => class.get(1..).filter(|c| !c.is_empty()).ok_or(BadPattern)?,
        Some(_) => class,
    };
    let (character, after) = decode(class);
    let malformed = character == REPLACEMENT && class.len() == after.len() + 1;
    match malformed || after.is_empty() {
        true => Err(BadPattern),
        false => Ok((character, after)),
    }
}

/// What Go decodes a malformed byte as.
const REPLACEMENT: u32 = 0xFFFD;

/// The first character, and what follows it. A malformed byte counts as one
/// replacement character.
fn decode(bytes: &[u8]) -> (u32, &[u8]) {
    for length in 1..=4 {
        if let Some((head, tail)) = bytes.split_at_checked(length)
            && let Ok(text) = std::str::from_utf8(head)
            && let Some(character) = text.chars().next()
        {
            return (u32::from(character), tail);
        }
    }
    (REPLACEMENT, bytes.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_like_go() {
        for (pattern, name, expected) in [
            ("abc", "abc", Ok(true)),
            ("*", "", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "ab", Ok(true)),
            ("a*b*c*d*e*f", "axbxcxdxexxxf", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Ok(false)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[^b-d]", "abc", Ok(false)),
            ("ab[^e-g]", "abc", Ok(true)),
            ("a\\*b", "a*b", Ok(true)),
            ("a\\*b", "ab", Ok(false)),
            ("a?b", "a☺b", Ok(true)),
            ("a???b", "a☺b", Ok(false)),
            ("a[^a][^a][^a]b", "a☺b", Ok(false)),
            ("[a-ζ]*", "α", Ok(true)),
            ("*[a-ζ]", "A", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("[\\-x]", "-", Ok(true)),
            ("[x\\-]", "z", Ok(false)),
            ("[!a]", "!", Ok(true)),
            ("[]a]", "]", Err(BadPattern)),
            ("[-]", "-", Err(BadPattern)),
            ("[x-]", "x", Err(BadPattern)),
            ("[a-b-c]", "a", Err(BadPattern)),
            ("[", "a", Err(BadPattern)),
            ("[^bc", "a", Err(BadPattern)),
            ("a[", "a", Err(BadPattern)),
            ("a[", "x", Err(BadPattern)),
            ("a\\", "a", Err(BadPattern)),
            ("a*[", "x", Ok(false)),
            ("*x", "xxx", Ok(true)),
            ("", "", Ok(true)),
            ("", "a", Ok(false)),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "`{pattern}` against `{name}`"
            );
        }
    }

    #[test]
    fn malformed_names_are_matched_by_the_byte() {
        assert_eq!(matches(b"a?b", b"a\xffb"), Ok(true));
        assert_eq!(matches(b"[\xff]", b"\xff"), Err(BadPattern));
        assert_eq!(matches("[\u{FFFD}]".as_bytes(), b"\xff"), Ok(true));
    }

    #[test]
    fn long_hostile_patterns_end() {
        let pattern = "*a".repeat(500);
        let name = "a".repeat(499) + "b";
        assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), Ok(false));
    }
}
