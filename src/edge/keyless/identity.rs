//! Where an identity token comes from: a file, the environment, or the CI system
//! that this is.
//!
//! In this order: the file that was named, `SIGSTORE_ID_TOKEN` (which GitLab sets
//! by `id_tokens:`), and what GitHub Actions, Buildkite and CircleCI hand out on
//! request. The token never leaves a [`Secret`].

use std::{
    env, fmt, fs,
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::Deserialize;
use tokio::{io::AsyncReadExt, process::Command};
use url::Url;
use zeroize::Zeroize;

use super::{
    error::{KeylessError, Result, Service},
    http::Http,
};
use crate::{
    edge::{clock, secret::Secret},
    model::evidence::{
        services::is_loopback,
        token::{AUDIENCE, TokenClaims},
    },
};

/// The variable that holds a token.
pub const VARIABLE: &str = "SIGSTORE_ID_TOKEN";
/// The largest token that is read, in bytes.
const MAX_TOKEN: u64 = 64 * 1024;
/// How long a CI system's program may take.
const HELPER: Duration = Duration::from_secs(20);

/// A token that can work, as far as it can be seen here.
pub struct Token {
    secret: Secret,
    claims: TokenClaims,
}

impl Token {
    fn read(text: Secret, from: &Source) -> Result<Self> {
        let secret = Secret::new(text.expose().trim());
        let claims = TokenClaims::read(secret.expose(), clock::now())
            .map_err(|source| KeylessError::Token { from: from.to_string(), source })?;
        Ok(Self { secret, claims })
    }

    /// What it says; unverified.
    pub fn claims(&self) -> &TokenClaims {
        &self.claims
    }

    pub(super) fn expose(&self) -> &str {
        self.secret.expose()
    }

    /// Whether a text holds any part of it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.secret.expose().split('.').any(|part| {
            let head = part.get(..part.len().min(24)).unwrap_or(part);
            !head.is_empty() && text.contains(head)
        })
    }
}

/// Where a token is.
#[derive(Debug, Clone)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// In [`VARIABLE`].
    Variable,
    /// On the command line.
    Given(Secret),
    /// GitHub Actions gives one to whoever has this bearer token.
    GitHub {
        /// Where to ask.
        url: Url,
        /// With what.
        bearer: Secret,
    },
    /// Buildkite's agent gives one.
    Buildkite,
    /// CircleCI's command gives one.
    CircleCi,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Variable => write!(f, "`{VARIABLE}`"),
            Self::Given(_) => f.write_str("`--identity-token`"),
            Self::GitHub { .. } => f.write_str("this GitHub Actions run"),
            Self::Buildkite => f.write_str("this Buildkite job"),
            Self::CircleCi => f.write_str("this CircleCI job"),
        }
    }
}

impl Source {
    /// Finds out where a token is; asks nobody.
    ///
    /// # Errors
    /// [`KeylessError::NoIdentity`] with what is missing.
    pub fn find(file: Option<&Path>) -> Result<Self> {
        if let Some(file) = file {
            return Ok(Self::File(file.to_owned()));
        }
        if set(VARIABLE).is_some() {
            return Ok(Self::Variable);
        }
        let runs =
            |name: &str| set(name).is_some_and(|value| value.expose().eq_ignore_ascii_case("true"));
        let none = |why: &str| Err(KeylessError::NoIdentity { why: why.into() });
        if runs("GITHUB_ACTIONS") {
            let url = set("ACTIONS_ID_TOKEN_REQUEST_URL");
            return match (url, set("ACTIONS_ID_TOKEN_REQUEST_TOKEN")) {
                (Some(url), Some(bearer)) => Self::github(url.expose(), bearer),
                _ => none("this GitHub Actions job lacks `permissions: id-token: write`"),
            };
        }
        if runs("GITLAB_CI") {
            return none("this GitLab job lacks `id_tokens: SIGSTORE_ID_TOKEN: aud: sigstore`");
        }
        if runs("BUILDKITE") {
            return Ok(Self::Buildkite);
        }
        if runs("CIRCLECI") {
            return Ok(Self::CircleCi);
        }
        none(
            "neither `--identity-token-file` nor `SIGSTORE_ID_TOKEN` is given, and this is no CI \
             system that hands out tokens",
        )
    }

    fn github(url: &str, bearer: Secret) -> Result<Self> {
        let odd = || KeylessError::NoIdentity {
            why: "`ACTIONS_ID_TOKEN_REQUEST_URL` is not an HTTPS URL".into(),
        };
        let mut url = Url::parse(url).map_err(|_| odd())?;
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(odd());
        }
        url.query_pairs_mut().append_pair("audience", AUDIENCE);
        Ok(Self::GitHub { url, bearer })
    }

    /// Gets the token.
    ///
    /// # Errors
    /// [`KeylessError`].
    pub async fn token(&self, http: &Http) -> Result<Token> {
        let text = match self {
            Self::File(path) => file(path)?,
            Self::Variable => set(VARIABLE).unwrap_or_default(),
            Self::Given(token) => token.clone(),
            Self::GitHub { url, bearer } => github(http, url, bearer).await?,
            Self::Buildkite => {
                let words = ["oidc", "request-token", "--audience", AUDIENCE];
                helper("buildkite-agent", &words).await?
            }
            Self::CircleCi => {
                let claims = format!(r#"{{"aud":"{AUDIENCE}"}}"#);
                let words = ["run", "oidc", "get", "--root-issuer", "--claims", &claims];
                helper("circleci", &words).await?
            }
        };
        Token::read(text, self)
    }

    /// Whether getting the token asks nobody.
    pub fn is_here(&self) -> bool {
        matches!(self, Self::File(_) | Self::Variable | Self::Given(_))
    }
}

fn set(name: &str) -> Option<Secret> {
    env::var(name).ok().map(Secret::new).filter(|value| !value.expose().trim().is_empty())
}

fn file(path: &Path) -> Result<Secret> {
    let failed = |source| KeylessError::Read { path: path.to_owned(), source };
    // Room for all of it: a text that grew would leave copies behind.
    let mut text = zeroize::Zeroizing::new(String::with_capacity(MAX_TOKEN as usize + 1));
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MAX_TOKEN + 1).read_to_string(&mut text).map_err(failed)?;
    Ok(Secret::new(text.as_str()))
}

#[derive(Deserialize)]
struct Answer {
    value: Secret,
}

async fn github(http: &Http, url: &Url, bearer: &Secret) -> Result<Secret> {
    let answer = http.get(Service::Issuer, url, bearer).await?;
    // serde's message could quote the token.
    let token = serde_json::from_slice(&answer)
        .map(|Answer { value }| value)
        .map_err(|_| KeylessError::answer(Service::Issuer, url, "it is not JSON with a `value`"));
    if let Ok(mut answer) = answer.try_into_mut() {
        answer.zeroize();
    }
    token
}

/// What a CI system's program prints. What it says about a failure is not shown:
/// it may hold what is secret.
async fn helper(program: &'static str, words: &[&str]) -> Result<Secret> {
    let failed = |why: String| KeylessError::Helper { program, why };
    let run = async {
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let mut text = zeroize::Zeroizing::new(String::with_capacity(MAX_TOKEN as usize + 1));
        if let Some(stdout) = child.stdout.take() {
            let read = stdout.take(MAX_TOKEN + 1).read_to_string(&mut text).await;
            read.map_err(|error| failed(error.to_string()))?;
        }
        let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
        match status.success() {
            true => Ok(Secret::new(text.as_str())),
            false => Err(failed(format!("it ended with {status}"))),
        }
    };
    let late = || Err(failed(format!("nothing came within {} s", HELPER.as_secs())));
    tokio::time::timeout(HELPER, run).await.unwrap_or_else(|_| late())
}
