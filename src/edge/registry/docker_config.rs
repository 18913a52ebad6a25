//! Finds credentials where docker and podman keep them.
//!
//! The format is docker's `config.json`, with the path-scoped keys of
//! `containers-auth.json(5)`: the longest key that covers the repository wins.
//! Contents never appear in an error. Which credential may be sent where is
//! decided in `auth`, not here.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use base64::Engine as _;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use super::{credential_helper, error::Fault, options::DockerConfigSource};
use crate::{edge::secret::Secret, model::reference::Repository};

/// The largest file that is read.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// The key under which docker keeps Docker Hub's credentials.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// A credential and where it was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) credential: Credential,
    /// For messages: the flag, the file and key, or the helper.
    pub(super) origin: String,
}

/// What proves who we are.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// A user name and a password.
    Password {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, exchanged at the token service (`identitytoken`).
    Identity(Secret),
    /// A bearer token for the registry itself (`registrytoken`).
    Bearer(Secret),
}

/// The credential for `repository`; `None` when no file has one.
pub(super) async fn find(
    source: &DockerConfigSource,
    repository: &Repository,
) -> Result<Option<Found>, Fault> {
    for file in source.files() {
        let Some(bytes) = read(&file).await? else { continue };
        let config = parse(&file, &bytes)?;
        if let Some(found) = look_up(&file, &config, repository).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The hosts that the files have an entry for, be it an empty one, as docker
/// leaves it for what a credential store keeps. A file that cannot be read
/// names nobody: that is an error when its credentials are wanted.
pub(super) async fn hosts(source: &DockerConfigSource) -> Vec<String> {
    let mut hosts = Vec::new();
    for file in source.files() {
        let Ok(Some(bytes)) = read(&file).await else { continue };
        let Ok(config) = parse(&file, &bytes) else { continue };
        let keys = config.auths.iter().flat_map(BTreeMap::keys);
        let keys = keys.chain(config.helpers.iter().flat_map(BTreeMap::keys));
        let host = |key: &String| bare(key).split('/').next().unwrap_or_default().to_owned();
        hosts.extend(keys.map(host));
    }
    hosts
}

async fn read(file: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    let fault = |error: io::Error| {
        Fault::Malformed(format!("cannot read the credentials file `{}`: {error}", file.display()))
    };
    let opened = match tokio::fs::File::open(file).await {
        Ok(opened) => opened,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    opened.take(MAX_FILE + 1).read_to_end(&mut bytes).await.map_err(fault)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Fault::TooLarge { limit: MAX_FILE });
    }
    Ok(Some(bytes))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default, rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Entry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

/// Parses a file. The parser's own message may quote what it found, so only
/// the place is told.
pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<Config, Fault> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Config::default());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Fault::Malformed(format!(
            "`{}` line {} column {} is not what a docker config file holds there; \
             expected JSON with `auths`, `credHelpers` or `credsStore`",
            file.display(),
            error.line(),
            error.column(),
        ))
    })
}

async fn look_up(
    file: &Path,
    config: &Config,
    repository: &Repository,
) -> Result<Option<Found>, Fault> {
    let server = server_of(repository);
    if let Some((key, name)) = best(config.helpers.as_ref(), repository) {
        let server = if is_hub(repository.host()) { server } else { bare(key) };
        if let Some(found) = credential_helper::get(file, name, server).await? {
            return Ok(Some(found));
        }
    }
    if let Some(found) = stored(file, config, repository)? {
        return Ok(Some(found));
    }
    match config.store.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => credential_helper::get(file, name, server).await,
        None => Ok(None),
    }
}

/// The credential that the file itself holds.
pub(super) fn stored(
    file: &Path,
    config: &Config,
    repository: &Repository,
) -> Result<Option<Found>, Fault> {
    let Some((key, Some(entry))) = best(config.auths.as_ref(), repository) else {
        return Ok(None);
    };
    let origin = format!("the entry `{key}` of `{}`", file.display());
    Ok(credential_of(file, key, entry)?.map(|credential| Found { credential, origin }))
}

/// The name under which a store keeps the credentials of a registry.
fn server_of(repository: &Repository) -> &str {
    if is_hub(repository.host()) { HUB_KEY } else { repository.host() }
}

/// Whether a host is one of Docker Hub's names.
pub(super) fn is_hub(host: &str) -> bool {
    matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

/// The entry with the longest key that covers the repository.
fn best<'a, V>(
    entries: Option<&'a BTreeMap<String, V>>,
    repository: &Repository,
) -> Option<(&'a String, &'a V)> {
    entries?
        .iter()
        .filter(|(key, _)| covers(key, repository))
        .max_by_key(|(key, _)| bare(key).len())
}

/// A key without scheme, version path and trailing slash.
fn bare(key: &str) -> &str {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let bare = bare.trim_end_matches('/');
    match bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")) {
        Some(host) if !host.contains('/') => host,
        _ => bare,
    }
}

/// Whether a key is the repository's host, or a path that contains it.
fn covers(key: &str, repository: &Repository) -> bool {
    let (host, path) = match bare(key).split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (bare(key), None),
    };
    let host = host.to_ascii_lowercase();
    let same_host = host == repository.host() || (is_hub(&host) && is_hub(repository.host()));
    same_host
        && path.is_none_or(|path| {
            repository
                .path()
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

fn credential_of(file: &Path, key: &str, entry: &Entry) -> Result<Option<Credential>, Fault> {
    let set = |secret: &Option<Secret>| secret.clone().filter(|s| !s.expose().is_empty());
    if let Some(token) = set(&entry.identitytoken) {
        return Ok(Some(Credential::Identity(token)));
    }
    if let Some(token) = set(&entry.registrytoken) {
        return Ok(Some(Credential::Bearer(token)));
    }
    if let Some(auth) = set(&entry.auth) {
        return decode(&auth).map(Some).ok_or_else(|| {
            Fault::Malformed(format!(
                "`auth` of `{key}` in `{}` is malformed; expected base64 of `USERNAME:PASSWORD`",
                file.display()
            ))
        });
    }
    match (&entry.username, set(&entry.password)) {
        (Some(username), Some(password)) if !username.is_empty() => {
            Ok(Some(password_or_token(username.clone(), password)))
        }
        _ => Ok(None),
    }
}

fn decode(auth: &Secret) -> Option<Credential> {
    let text = auth.expose().trim().trim_end_matches('=');
    let bytes = Zeroizing::new(base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).ok()?);
    let text = std::str::from_utf8(&bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    let password = password.trim_end_matches('\0');
    Some(password_or_token(username.to_owned(), Secret::new(password)))
}

/// `<token>` for a user name marks a refresh token, as docker's credential
/// helpers store it.
pub(super) fn password_or_token(username: String, password: Secret) -> Credential {
    if username == "<token>" {
        Credential::Identity(password)
    } else {
        Credential::Password { username, password }
    }
}

/// The places that were searched, for a message.
pub(super) fn searched(source: &DockerConfigSource) -> String {
    let files: Vec<String> =
        source.files().iter().map(|file: &PathBuf| format!("`{}`", file.display())).collect();
    if files.is_empty() { "no credentials file".into() } else { files.join(", ") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests;
