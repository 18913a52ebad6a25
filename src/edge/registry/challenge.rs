//! Reads `WWW-Authenticate` (RFC 9110, section 11.6.1; distribution's "Token
//! Authentication Specification").
//!
//! One header may hold several challenges, several headers may come, schemes
//! and names are case-insensitive, values quoted or not.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// One way in that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user name and a password.
    Basic,
    /// A token that a token service gives out.
    Bearer {
        /// The URL of the token service, as the server says.
        realm: String,
        /// The name of the service the token is for.
        service: Option<String>,
        /// What the server wants the token to allow.
        scope: Option<String>,
        /// Why the last token was refused.
        error: Option<String>,
    },
}

/// The challenges of an answer that are understood, `Bearer` first.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(parse)
        .filter_map(understand)
        .collect();
    found.sort_by_key(|challenge| matches!(challenge, Challenge::Basic));
    found
}

struct Raw<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, String)>,
}

fn understand(raw: Raw<'_>) -> Option<Challenge> {
    let parameter = |name: &str| {
        raw.parameters
            .iter()
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty())
            .map(|(_, value)| value.clone())
    };
    if raw.scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !raw.scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    Some(Challenge::Bearer {
        realm: parameter("realm")?,
        service: parameter("service"),
        scope: parameter("scope"),
        error: parameter("error"),
    })
}

fn parse(header: &str) -> Vec<Raw<'_>> {
    let mut found: Vec<Raw<'_>> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([',', ' ', '\t', '=']);
        let (word, after) = split_token(rest);
        if word.is_empty() {
            // Nothing, or a stray character: step over it.
            match rest.chars().next() {
                Some(stray) => rest = rest.get(stray.len_utf8()..).unwrap_or(""),
                None => return found,
            }
            continue;
        }
        match (after.trim_start().strip_prefix('='), found.last_mut()) {
            (Some(value), Some(challenge)) => {
                let (value, after) = split_value(value.trim_start());
                challenge.parameters.push((word, value));
                rest = after;
            }
            _ => {
                found.push(Raw { scheme: word, parameters: Vec::new() });
                rest = after;
            }
        }
    }
}

fn split_token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// A quoted string with its escapes undone, or a token.
fn split_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, after) = split_token(text);
        return (token.to_owned(), after);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, quoted.get(at + 1..).unwrap_or("")),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Vec<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        challenges(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer {
            realm: realm.into(),
            service: text(service),
            scope: text(scope),
            error: None,
        }
    }

    #[test]
    fn reads_what_registries_send() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull,push""#;
        assert_eq!(
            of(&[hub]),
            [bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                Some("repository:library/nginx:pull,push")
            )]
        );
        assert_eq!(of(&["basic"]), [Challenge::Basic]);
        assert_eq!(of(&[r#"Basic realm="a, Bearer realm=\"x\"""#]), [Challenge::Basic]);
        assert_eq!(
            of(&[r#"BASIC realm="x", bEaReR REALM = "https://a/t" , service=s"#]),
            [bearer("https://a/t", Some("s"), None), Challenge::Basic]
        );
        assert_eq!(
            of(&["Negotiate abc==", "Bearer realm=https://a/t", "Basic"]),
            [bearer("https://a/t", None, None), Challenge::Basic]
        );
        assert_eq!(
            of(&[r#"Negotiate YII=, Bearer service="s",realm="https://a/t""#]),
            [bearer("https://a/t", Some("s"), None)]
        );
    }

    #[test]
    fn survives_nonsense() {
        for nonsense in ["", ",,,", "=", "Bearer", "Bearer realm=\"\"", "\"", "Bearer realm=\"\\"] {
            assert!(of(&[nonsense]).is_empty(), "{nonsense}");
        }
        assert_eq!(of(&["Bearer realm=\"unclosed"]), [bearer("unclosed", None, None)]);
    }
}
