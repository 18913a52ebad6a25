//! Which credentials go where (distribution's "Token Authentication
//! Specification", docker's OAuth2 refresh-token grant).
//!
//! Nothing is looked up or sent before a registry asks. Its credentials then
//! go to itself and to the token realm that it names in a 401 to a request
//! that was not redirected. A realm on another host must be HTTPS and must not
//! be an address literal or lie in private space, unless the user names it.
//! What was learned is used unasked from then on. A failure to get a token is
//! an error: a request never goes out anonymous instead.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::Engine as _;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use super::{
    address::Reach,
    challenge::Challenge,
    docker_config::{self, Credential, Found},
    error::Fault,
    options::Options,
    retry::{Deadline, Failure},
    token,
    transport::{Transport, origin},
};
use crate::model::reference::Repository;

/// What a request does to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Pull,
    Push,
}

/// Whom a request is for.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) repository: Repository,
    /// The repository's path at the registry, which on Docker Hub may differ.
    pub(super) path: String,
    /// The registry's own URL.
    pub(super) home: Url,
    /// How far into the network the registry may lie.
    pub(super) reach: Reach,
    pub(super) access: Access,
}

/// Something to send as `Authorization`.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    pub(super) header: HeaderValue,
    /// Where the credential behind it was found.
    origin: String,
    /// Counts up with each renewal, to tell a refused one from its successor.
    generation: u64,
    expires: Option<Instant>,
}

/// What is known about the registries spoken to.
#[derive(Default)]
pub(super) struct Auth {
    /// How each registry, by its origin, wants to be spoken to.
    schemes: Mutex<HashMap<String, Scheme>>,
    grants: Mutex<HashMap<GrantKey, Cell>>,
}

type Cell = Arc<tokio::sync::Mutex<Option<Granted>>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Scheme {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct GrantKey {
    home: String,
    path: String,
    access: Access,
    scheme: Scheme,
}

impl Auth {
    /// What to send unasked: nothing before the registry has asked once.
    pub(super) async fn known(
        &self,
        subject: &Subject,
        options: &Options,
        transport: &Transport,
        deadline: Deadline,
    ) -> Result<Option<Granted>, Failure> {
        let Some(scheme) = self.scheme(&subject.home) else { return Ok(None) };
        let cell = self.cell(subject, &scheme);
        let mut grant = cell.lock().await;
        if let Some(current) = grant.as_ref().filter(|grant| grant.is_fresh()) {
            return Ok(Some(current.clone()));
        }
        let found = find(subject, options).await?;
        if scheme == Scheme::Basic && found.is_none() {
            // Another repository of this registry may be open to everybody.
            return Ok(None);
        }
        let wish = Wish { subject, scheme: &scheme, scope: None };
        let next = obtain(&wish, found, options, transport, deadline).await?;
        Ok(Some(keep(&mut grant, next)))
    }

    /// What to send after a 401 with `challenges` to a request that carried
    /// `refused`. `said` is what the registry said.
    pub(super) async fn answer(
        &self,
        request: Request<'_>,
        options: &Options,
        transport: &Transport,
        deadline: Deadline,
    ) -> Result<Granted, Failure> {
        let Request { subject, challenges, refused, fresh, said } = request;
        let (scheme, scope) = self.choose(subject, challenges)?;
        let cell = self.cell(subject, &scheme);
        let mut grant = cell.lock().await;
        if let Some(current) = grant.as_ref().filter(|grant| grant.is_fresh())
            && refused.is_none_or(|refused| refused.generation < current.generation)
        {
            return Ok(current.clone());
        }
        if let Some(refused) = refused.filter(|_| fresh) {
            return Err(unauthorized(said, &refused.origin).into());
        }
        let found = find(subject, options).await?;
        let wish = Wish { subject, scheme: &scheme, scope };
        let next = obtain(&wish, found, options, transport, deadline).await?;
        if let Some(refused) = refused.filter(|refused| refused.header == next.header) {
            return Err(unauthorized(said, &refused.origin).into());
        }
        Ok(keep(&mut grant, next))
    }

    /// The best challenge, remembered for the registry.
    fn choose(
        &self,
        subject: &Subject,
        challenges: &[Challenge],
    ) -> Result<(Scheme, Option<String>), Fault> {
        let (scheme, scope) = match challenges.first() {
            Some(Challenge::Basic) => (Scheme::Basic, None),
            Some(Challenge::Bearer { realm, service, scope, .. }) => {
                let url = subject.home.join(realm).map_err(|_| {
                    Fault::Malformed("the registry names a token realm that is no URL".into())
                })?;
                (Scheme::Bearer { realm: url, service: service.clone() }, scope.clone())
            }
            None => {
                return Err(Fault::Unauthorized {
                    detail: "the registry offers neither `Basic` nor `Bearer` authentication"
                        .into(),
                });
            }
        };
        let mut schemes = self.schemes.lock().unwrap_or_else(PoisonError::into_inner);
        schemes.insert(origin(&subject.home), scheme.clone());
        Ok((scheme, scope))
    }

    fn scheme(&self, home: &Url) -> Option<Scheme> {
        let schemes = self.schemes.lock().unwrap_or_else(PoisonError::into_inner);
        schemes.get(&origin(home)).cloned()
    }

    fn cell(&self, subject: &Subject, scheme: &Scheme) -> Cell {
        let key = GrantKey {
            home: origin(&subject.home),
            path: subject.path.clone(),
            access: subject.access,
            scheme: scheme.clone(),
        };
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(grants.entry(key).or_default())
    }
}

/// A 401 to be answered.
pub(super) struct Request<'a> {
    pub(super) subject: &'a Subject,
    pub(super) challenges: &'a [Challenge],
    /// What was sent and refused.
    pub(super) refused: Option<&'a Granted>,
    /// Whether what was refused had been made for this very request.
    pub(super) fresh: bool,
    /// What the registry said.
    pub(super) said: &'a str,
}

impl Granted {
    fn is_fresh(&self) -> bool {
        self.expires.is_none_or(|expires| Instant::now() < expires)
    }
}

fn keep(cell: &mut Option<Granted>, mut next: Granted) -> Granted {
    next.generation = cell.as_ref().map_or(1, |last| last.generation.saturating_add(1));
    cell.insert(next).clone()
}

fn unauthorized(said: &str, origin: &str) -> Fault {
    Fault::Unauthorized { detail: format!("{said} (used {origin})") }
}

/// The credential for a repository: the one given by hand when it is for this
/// host, else what the credential files say.
async fn find(subject: &Subject, options: &Options) -> Result<Option<Found>, Fault> {
    let host = subject.repository.host();
    if let Some(login) = &options.login {
        let hub = docker_config::is_hub(host) && docker_config::is_hub(&login.host);
        if hub || login.host.eq_ignore_ascii_case(host) {
            let credential =
                docker_config::password_or_token(login.username.clone(), login.password.clone());
            let origin = format!("the user name and password given for `{host}`");
            return Ok(Some(Found { credential, origin }));
        }
    }
    docker_config::find(&options.docker_config, &subject.repository).await
}

/// What is to be obtained.
struct Wish<'a> {
    subject: &'a Subject,
    scheme: &'a Scheme,
    scope: Option<String>,
}

async fn obtain(
    wish: &Wish<'_>,
    found: Option<Found>,
    options: &Options,
    transport: &Transport,
    deadline: Deadline,
) -> Result<Granted, Failure> {
    let searched = || docker_config::searched(&options.docker_config);
    let host = wish.subject.repository.host();
    let origin = match &found {
        Some(found) => found.origin.clone(),
        None => format!("no credentials: none for `{host}` in {}", searched()),
    };
    let granted = |header: HeaderValue, expires| Granted {
        header,
        origin: origin.clone(),
        generation: 0,
        expires,
    };
    if let Some(found) = &found {
        transport.sent.note(&found.credential);
    }
    if let Some(Found { credential: Credential::Bearer(token), .. }) = &found {
        return Ok(granted(header("Bearer", token.expose())?, None));
    }
    match wish.scheme {
        Scheme::Basic => match found.map(|found| found.credential) {
            Some(Credential::Password { username, password }) => {
                Ok(granted(basic(&username, password.expose())?, None))
            }
            Some(_) => Err(Fault::Unauthorized {
                detail: format!(
                    "the registry wants a user name and a password, not a token ({origin})"
                ),
            }
            .into()),
            None => Err(Fault::Unauthorized {
                detail: format!("no credentials for `{host}` in {}", searched()),
            }
            .into()),
        },
        Scheme::Bearer { realm, service } => {
            let request = token::Request {
                home: &wish.subject.home,
                reach: wish.subject.reach,
                realm,
                service: service.as_deref(),
                scope: scope(wish.subject, wish.scope.as_deref()),
                credential: found.as_ref().map(|found| &found.credential),
                origin: &origin,
            };
            let (token, lifetime) = token::fetch(&request, options, transport, deadline).await?;
            let expires = Instant::now().checked_add(lifetime);
            Ok(granted(header("Bearer", token.expose())?, expires))
        }
    }
}

/// What the token shall allow: never more than the request needs. A registry
/// that knows the repository by another name says so in its challenge.
fn scope(subject: &Subject, wanted: Option<&str>) -> String {
    let named = wanted.and_then(|wanted| {
        let (name, _actions) = wanted.strip_prefix("repository:")?.rsplit_once(':')?;
        (!name.is_empty() && !name.contains(char::is_whitespace)).then_some(name)
    });
    let name = named.unwrap_or(&subject.path);
    match subject.access {
        Access::Pull => format!("repository:{name}:pull"),
        Access::Push => format!("repository:{name}:pull,push"),
    }
}

/// `Authorization: Basic`.
pub(super) fn basic(username: &str, password: &str) -> Result<HeaderValue, Fault> {
    let both = Zeroizing::new(format!("{username}:{password}"));
    let encoded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(both.as_bytes()));
    header("Basic", &encoded)
}

fn header(scheme: &str, secret: &str) -> Result<HeaderValue, Fault> {
    let text = Zeroizing::new(format!("{scheme} {secret}"));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| Fault::Malformed("a token holds characters that no header can".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a token service answers.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    #[serde(default)]
    pub(super) token: Option<crate::edge::secret::Secret>,
    #[serde(default)]
    pub(super) access_token: Option<crate::edge::secret::Secret>,
    #[serde(default)]
    pub(super) expires_in: Option<u64>,
}

impl TokenAnswer {
    /// How long the token is used: a minute when nothing is said, and a little
    /// less than what is said, for the way there.
    pub(super) fn lifetime(&self) -> Duration {
        let seconds = self.expires_in.filter(|seconds| *seconds > 0).unwrap_or(60);
        Duration::from_secs(seconds.saturating_sub((seconds / 10).clamp(1, 30)).min(86_400))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_never_wider_than_the_request() {
        let subject = Subject {
            repository: Repository::new("registry.example", "shop/config").unwrap(),
            path: "shop/config".into(),
            home: "https://registry.example/".parse().unwrap(),
            reach: Reach::Named,
            access: Access::Pull,
        };
        assert_eq!(scope(&subject, None), "repository:shop/config:pull");
        let push = Subject { access: Access::Push, ..subject.clone() };
        assert_eq!(scope(&push, None), "repository:shop/config:pull,push");
        for (wanted, scoped) in [
            ("repository:shop/config:pull,push,delete", "repository:shop/config:pull"),
            ("repository:proxy/shop/config:*", "repository:proxy/shop/config:pull"),
            ("registry:catalog:*", "repository:shop/config:pull"),
            ("repository:a:pull repository:b:push", "repository:shop/config:pull"),
        ] {
            assert_eq!(scope(&subject, Some(wanted)), scoped, "{wanted}");
        }
    }

    #[test]
    fn lifetimes_are_honoured() {
        let lifetime = |expires_in| {
            TokenAnswer { token: None, access_token: None, expires_in }.lifetime().as_secs()
        };
        assert_eq!(
            (lifetime(None), lifetime(Some(0)), lifetime(Some(300)), lifetime(Some(1))),
            (54, 54, 270, 0)
        );
    }

    #[test]
    fn oras_debug_log_redaction() {
        let header = basic("user", "hunter2").unwrap();
        let grant = Granted { header, origin: "a file".into(), generation: 1, expires: None };
        let shown = format!("{grant:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("dXNlcjpodW50ZXIy"), "{shown}");
    }
}
