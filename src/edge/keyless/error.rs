//! What keyless signing fails with. No token and no key is in any of it.

use std::{fmt, io, path::PathBuf};

use url::Url;

use super::identity::Token;
use crate::model::{evidence::token::TokenError, text::brief};

/// The result of asking a service.
pub type Result<T, E = KeylessError> = std::result::Result<T, E>;

/// Which service was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Fulcio.
    Authority,
    /// Rekor.
    Log,
    /// RFC 3161.
    Timestamp,
    /// Whoever gives a CI run its identity token.
    Issuer,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authority => "the certificate authority (Fulcio)",
            Self::Log => "the transparency log (Rekor)",
            Self::Timestamp => "the timestamp authority",
            Self::Issuer => "the CI system's token service",
        })
    }
}

/// Keyless signing that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum KeylessError {
    /// There is no identity to sign with.
    #[error("there is no identity to sign with: {why}")]
    NoIdentity {
        /// What was looked for and not found.
        why: String,
    },
    /// A file cannot be read.
    #[error("cannot read the identity token `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A token that cannot work.
    #[error("the identity token of {from} cannot be used")]
    Token {
        /// Where it comes from.
        from: String,
        /// Why.
        source: TokenError,
    },
    /// A CI system's program gave no token.
    #[error("`{program}` gave no identity token: {why}")]
    Helper {
        /// The program.
        program: &'static str,
        /// Why.
        why: String,
    },
    /// A client cannot be made.
    #[error("cannot set up HTTP for the signing services: {0}")]
    Setup(String),
    /// A service gave no answer, or one that promises another next time.
    #[error("{service} at `{url}` gave no answer: {why}")]
    Down {
        /// Which.
        service: Service,
        /// Where, without path and query.
        url: String,
        /// Why.
        why: String,
    },
    /// A service refused.
    #[error("{service} at `{url}` refused: {why}")]
    Refused {
        /// Which.
        service: Service,
        /// Where, without path and query.
        url: String,
        /// The status and what it said.
        why: String,
    },
    /// A service's answer is not what was asked for.
    #[error("the answer of {service} at `{url}` cannot be used: {why}")]
    Answer {
        /// Which.
        service: Service,
        /// Where, without path and query.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The cryptographic library failed.
    #[error("the cryptographic library failed")]
    Crypto,
}

impl KeylessError {
    /// An answer that cannot be used.
    pub(super) fn answer(service: Service, url: &Url, why: &str) -> Self {
        Self::Answer { service, url: origin(url), why: brief(why) }
    }

    /// The same, with what a service said left out where it may hold the token.
    pub(super) fn without(self, token: &Token) -> Self {
        match self {
            Self::Refused { service, url, why } if token.is_in(&why) => {
                Self::Refused { service, url, why: "it repeated the token; not shown".into() }
            }
            other => other,
        }
    }
}

/// A URL for messages: no path, no query.
pub(super) fn origin(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        (Some(host), None) => format!("{}://{host}", url.scheme()),
        (None, _) => url.scheme().to_owned(),
    }
}
