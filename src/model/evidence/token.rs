//! Identity tokens: what an OIDC token says about its bearer (RFC 7519).
//!
//! Nobody is believed here. Who checks a token is the certificate authority;
//! this reads what it says, so that one that cannot work is refused before it
//! goes anywhere, and with a reason. The token itself is in no error.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::model::text::brief;

/// For whom a token must be meant: the client id that Fulcio expects of every
/// issuer unless it is told otherwise.
pub const AUDIENCE: &str = "sigstore";

/// The longest token that is read, in bytes.
const MAX_TOKEN: usize = 64 * 1024;
/// How far the clocks of an issuer and of this machine may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClaims {
    /// Who issued it.
    pub issuer: String,
    /// What its bearer signs to prove that the key is theirs: the e-mail
    /// address where there is one, else the subject.
    pub challenge: String,
    /// Until when it counts.
    pub expires: Timestamp,
}

#[derive(Deserialize)]
struct Payload {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    email: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

impl TokenClaims {
    /// Reads a token and refuses one that cannot work at `now`.
    ///
    /// # Errors
    /// [`TokenError`]; nothing of the token but names and times is in it.
    pub fn read(token: &str, now: Timestamp) -> Result<Self, TokenError> {
        let payload = payload(token)?;
        let time = |seconds: f64| {
            // JSON numbers; the fraction and what no calendar holds are cut.
            Timestamp::from_second(seconds as i64).map_err(|_| TokenError::Malformed("a time"))
        };
        let expires = time(payload.exp)?;
        if expires <= now {
            return Err(TokenError::Expired { at: expires });
        }
        if let Some(from) = payload.nbf.map(time).transpose()?
            && from.duration_since(now) > SKEW
        {
            return Err(TokenError::Early { from });
        }
        let audience = payload.aud.names();
        if !audience.iter().any(|name| name == AUDIENCE) {
            return Err(TokenError::Audience { found: brief(&audience.join("`, `")) });
        }
        let challenge = payload.email.filter(|email| !email.is_empty()).unwrap_or(payload.sub);
        if challenge.is_empty() || payload.iss.is_empty() {
            return Err(TokenError::Malformed("an empty issuer or subject"));
        }
        Ok(Self { issuer: payload.iss, challenge, expires })
    }
}

fn payload(token: &str) -> Result<Payload, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Malformed("more than 64 KiB"));
    }
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(TokenError::Malformed("something without three parts"));
    };
    let json = URL_SAFE_NO_PAD
        .decode(payload.trim_end_matches('='))
        .map_err(|_| TokenError::Malformed("a payload that is not base64url"))?;
    // serde's message could quote what is secret.
    serde_json::from_slice(&json)
        .map_err(|_| TokenError::Malformed("a payload without `iss`, `sub`, `aud` and `exp`"))
}

/// A token that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token.
    #[error("it is not an OIDC identity token (a JWT): found {0}")]
    Malformed(&'static str),
    /// Its time is over.
    #[error("it expired at {at}")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// Its time is to come.
    #[error("it counts from {from} only")]
    Early {
        /// From when.
        from: Timestamp,
    },
    /// Meant for somebody else.
    #[error("its audience is `{found}`, not `{AUDIENCE}`")]
    Audience {
        /// Its audience.
        found: String,
    },
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn read(payload: &str) -> Result<TokenClaims, TokenError> {
        TokenClaims::read(&format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)), now())
    }

    #[test]
    fn a_token_says_who_it_is_for() {
        let ci = r#"{"iss":"https://i","sub":"repo:a/b","aud":"sigstore","exp":1800000600}"#;
        assert_eq!(read(ci).unwrap().challenge, "repo:a/b");
        let mail = r#"{"iss":"https://i","sub":"x","email":"a@b","aud":["y","sigstore"],"exp":1800000600.5,"nbf":1800000030}"#;
        assert_eq!(read(mail).unwrap().challenge, "a@b");
    }

    #[test]
    fn what_cannot_work_is_refused_and_not_quoted() {
        let says = |payload: &str, part: &str| {
            let error = read(payload).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        says(r#"{"iss":"i","sub":"s","aud":"sigstore","exp":1799999999}"#, "expired");
        says(r#"{"iss":"i","sub":"s","aud":"sigstore","exp":1800000000}"#, "expired");
        says(r#"{"iss":"i","sub":"s","aud":"sts.example","exp":1800000600}"#, "`sts.example`");
        says(r#"{"iss":"i","sub":"s","aud":[],"exp":1800000600}"#, "audience");
        says(r#"{"iss":"i","sub":"s","aud":"sigstore","exp":1800000600,"nbf":1800000100}"#, "only");
        says(r#"{"iss":"i","sub":"","aud":"sigstore","exp":1800000600}"#, "empty");
        says(r#"{"iss":"i","sub":"s","aud":"sigstore","exp":1e300}"#, "a time");
        for bad in ["", "secret", "a.b", "a.b.c.d", "a.!secret!.c", "a.c2VjcmV0.c"] {
            let error = TokenClaims::read(bad, now()).unwrap_err();
            assert!(matches!(error, TokenError::Malformed(_)), "{bad}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(TokenClaims::read(&"a".repeat(MAX_TOKEN + 1), now()).is_err());
    }
}
