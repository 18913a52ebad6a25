//! The words of an expression (cel-spec, "Lexis").

use super::ExpressionError;

/// A word of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name, also one with a meaning, such as `in`.
    Name(String),
    /// An integer without sign; one that only its negative fits is kept.
    Int(u64),
    /// A number with a point or an exponent.
    Double(f64),
    /// A string.
    Text(String),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// The operators and brackets, longer ones first.
const SIGNS: [&str; 26] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}", "=", ";",
];

/// Splits a text into words, each with the byte where it starts.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize)>, ExpressionError> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']);
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after);
            continue;
        }
        let Some(first) = rest.chars().next() else { return Ok(found) };
        let at = text.len() - rest.len();
        let (token, after) = match first {
            '0'..='9' => number(rest, at)?,
            '"' | '\'' => string(rest, false, at)?,
            'r' | 'R' if rest.get(1..).is_some_and(|r| r.starts_with(['"', '\''])) => {
                string(rest.get(1..).unwrap_or_default(), true, at)?
            }
            'b' | 'B' if rest.get(1..).is_some_and(|r| r.starts_with(['"', '\''])) => {
                return Err(error(at, "bytes are not supported; write a string"));
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let name = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
                let (name, after) = rest.split_at(rest.find(name).unwrap_or(rest.len()));
                (Token::Name(name.to_owned()), after)
            }
            _ => match SIGNS.iter().find_map(|sign| Some((*sign, rest.strip_prefix(*sign)?))) {
                Some((sign, after)) => (Token::Sign(sign), after),
                None => {
                    let what = format!("`{}` has no meaning here", first.escape_default());
                    return Err(error(at, &what));
                }
            },
        };
        found.push((token, at));
        rest = after;
    }
}

/// An error at a byte of the text.
pub(super) fn error(at: usize, what: &str) -> ExpressionError {
    ExpressionError(format!("{what} (character {})", at + 1))
}

fn number(text: &str, at: usize) -> Result<(Token, &str), ExpressionError> {
    let wrong = || error(at, "the number is too large or malformed");
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
        let (digits, after) = digits.split_at(end);
        let value = u64::from_str_radix(digits, 16).map_err(|_| wrong())?;
        return whole(Token::Int(value), after, at);
    }
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut end = digits(text);
    let mut double = false;
    let behind = |end: usize| text.get(end..).unwrap_or_default();
    if let Some(after) = behind(end).strip_prefix('.')
        && after.starts_with(|c: char| c.is_ascii_digit())
    {
        double = true;
        end += 1 + digits(after);
    }
    if let Some(after) = behind(end).strip_prefix(['e', 'E']) {
        let unsigned = after.strip_prefix(['+', '-']).unwrap_or(after);
        if unsigned.starts_with(|c: char| c.is_ascii_digit()) {
            double = true;
            end += 1 + (after.len() - unsigned.len()) + digits(unsigned);
        }
    }
    let (digits, after) = text.split_at(end);
    let token = match double {
        true => Token::Double(digits.parse().map_err(|_| wrong())?),
        false => Token::Int(digits.parse().map_err(|_| wrong())?),
    };
    whole(token, after, at)
}

/// A number ends where no letter follows.
fn whole(token: Token, after: &str, at: usize) -> Result<(Token, &str), ExpressionError> {
    match after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        true if after.starts_with(['u', 'U']) => {
            Err(error(at, "unsigned literals are not supported; leave the `u` out"))
        }
        true => Err(error(at, "a number runs into a name")),
        false => Ok((token, after)),
    }
}

fn string(text: &str, raw: bool, at: usize) -> Result<(Token, &str), ExpressionError> {
    let open = || error(at, "the string does not end");
    let quote = if text.starts_with('"') { "\"" } else { "'" };
    let triple = quote.repeat(3);
    let (quote, long) = match text.starts_with(&triple) {
        true => (triple.as_str(), true),
        false => (quote, false),
    };
    let mut rest = text.get(quote.len()..).ok_or_else(open)?;
    let mut value = String::new();
    loop {
        if let Some(after) = rest.strip_prefix(quote) {
            return Ok((Token::Text(value), after));
        }
        let mut chars = rest.chars();
        match chars.next() {
            None => return Err(open()),
            Some('\n' | '\r') if !long => return Err(open()),
            Some('\\') if !raw => rest = escape(chars.as_str(), &mut value, at)?,
            Some(c) => {
                value.push(c);
                rest = chars.as_str();
            }
        }
    }
}

/// What follows a backslash; returns what follows the escape.
fn escape<'a>(text: &'a str, into: &mut String, at: usize) -> Result<&'a str, ExpressionError> {
    let wrong = || error(at, "an escape in the string is malformed");
    let mut chars = text.chars();
    let first = chars.next().ok_or_else(wrong)?;
    let (digits, radix, skip) = match first {
        'x' | 'X' => (2, 16, 1),
        'u' => (4, 16, 1),
        'U' => (8, 16, 1),
        '0'..='3' => (3, 8, 0),
        _ => {
            into.push(match first {
                '\\' | '?' | '"' | '\'' | '`' => first,
                'a' => '\u{7}',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                _ => return Err(wrong()),
            });
            return Ok(chars.as_str());
        }
    };
    let number = text.get(skip..skip + digits).ok_or_else(wrong)?;
    if !number.chars().all(|c| c.is_digit(radix)) {
        return Err(wrong());
    }
    let code = u32::from_str_radix(number, radix).map_err(|_| wrong())?;
    into.push(char::from_u32(code).ok_or_else(wrong)?);
    text.get(skip + digits..).ok_or_else(wrong)
}
