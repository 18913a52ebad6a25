//! The normal form of a repository's URL: `https://host/path`.
//!
//! Git writes one repository in many ways, and remotes carry credentials. What
//! is recorded and signed is one form, without credentials, query, fragment
//! and `.git`. Nothing of a URL that is refused is in the error, since it may
//! be a secret or a path of this machine.

use url::Url;

/// The longest URL that is read, in bytes.
const MAX_LENGTH: usize = 2048;

/// Writes the URL of a remote in normal form.
///
/// `git@host:acme/shop.git`, `ssh://git@host:22/acme/shop` and
/// `http://host/acme/shop/` are all `https://host/acme/shop`. A port that is
/// not its scheme's keeps the scheme, because HTTPS at that port would be
/// something else: `ssh://host:2222/acme/shop`.
///
/// # Errors
/// [`RepositoryError`] for a path of this machine, for a transport that names
/// no host, and for what is no URL.
pub fn normal(text: &str) -> Result<String, RepositoryError> {
    let parts = Parts::of(text)?;
    if parts.host.is_empty() || [parts.host, parts.path].iter().any(|part| part.contains('\\')) {
        return Err(RepositoryError::Malformed);
    }
    let https = match parts.port {
        Some(port) => format!("https://{}:{port}/{}", parts.host, parts.path),
        None => format!("https://{}/{}", parts.host, parts.path),
    };
    let url = Url::parse(&https).map_err(|_| RepositoryError::Malformed)?;
    let path = trim(url.path());
    let host = url.host_str().ok_or(RepositoryError::Malformed)?;
    if path.is_empty() {
        return Err(RepositoryError::Malformed);
    }
    Ok(match parts.port {
        Some(port) => format!("{}://{host}:{port}{path}", parts.scheme),
        None => format!("https://{host}{path}"),
    })
}

/// A URL for people, such as that of a run: `http` or `https`, without
/// credentials; `None` for anything else.
pub(super) fn page(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok().filter(|url| text.len() <= MAX_LENGTH && url.has_host())?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.into())
}

/// A remote's URL, taken apart.
struct Parts<'a> {
    scheme: &'static str,
    host: &'a str,
    /// The port, unless it is the scheme's own.
    port: Option<u16>,
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, RepositoryError> {
        if text.len() > MAX_LENGTH || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(RepositoryError::Malformed);
        }
        match text.split_once("://") {
            Some((scheme, rest)) => Self::of_url(scheme, rest),
            None => Self::of_scp(text),
        }
    }

    fn of_url(scheme: &str, rest: &'a str) -> Result<Self, RepositoryError> {
        let scheme = scheme.to_ascii_lowercase();
        let (scheme, own_port) = match scheme.strip_prefix("git+").unwrap_or(&scheme) {
            "https" => ("https", 443),
            "http" => ("http", 80),
            "ssh" => ("ssh", 22),
            "git" => ("git", 9418),
            "file" => return Err(RepositoryError::Local),
            _ => return Err(RepositoryError::Scheme),
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').ok_or(RepositoryError::Malformed)?;
        let (user, place) = match authority.rsplit_once('@') {
            Some((_, place)) => (true, place),
            None => (false, authority),
        };
        let (host, port) = split_port(place)?;
        // A password with a `/` in it makes the user the host.
        if !user && port.is_some() && path.contains('@') {
            return Err(RepositoryError::Malformed);
        }
        Ok(Self { scheme, host, port: port.filter(|port| *port != own_port), path })
    }

    /// `[user@]host:path`, as scp writes it.
    fn of_scp(text: &'a str) -> Result<Self, RepositoryError> {
        let after = text.rfind(']').unwrap_or(0);
        let colon = text.get(after..).and_then(|rest| rest.find(':')).map(|at| after + at);
        let Some((place, path)) = colon.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))
        else {
            return Err(RepositoryError::Local);
        };
        // `./a:b` is a path, and so is `C:\shop`.
        if place.contains('/') || place.len() < 2 {
            return Err(RepositoryError::Local);
        }
        if path.starts_with(':') {
            return Err(RepositoryError::Scheme);
        }
        // `user:token@host/…` is no scp form, whatever it was meant to be.
        if path.contains('@') {
            return Err(RepositoryError::Malformed);
        }
        let path = path.split(['?', '#']).next().unwrap_or_default();
        // `[git@host:2222]:path` gives ssh a port; `git@[::1]:path` is an address.
        let bracketed = place.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']'));
        let place = bracketed.filter(|inner| inner.matches(':').count() < 2).unwrap_or(place);
        let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
        let (host, port) = split_port(host)?;
        Ok(Self { scheme: "ssh", host, port: port.filter(|port| *port != 22), path })
    }
}

/// `host[:port]`, the host possibly an address in brackets.
fn split_port(place: &str) -> Result<(&str, Option<u16>), RepositoryError> {
    let after = place.rfind(']').unwrap_or(0);
    match place.get(after..).and_then(|rest| rest.find(':')) {
        None => Ok((place, None)),
        Some(at) => {
            let (host, port) =
                place.split_at_checked(after + at).ok_or(RepositoryError::Malformed)?;
            match port.trim_start_matches(':') {
                "" => Ok((host, None)),
                port => {
                    port.parse().map_or(Err(RepositoryError::Malformed), |p| Ok((host, Some(p))))
                }
            }
        }
    }
}

/// The path with one `/` in front, without slashes and one `.git` at the end.
fn trim(path: &str) -> String {
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    if path.is_empty() { String::new() } else { format!("/{path}") }
}

/// A URL that names no repository for others. It is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// A path of this machine, which means nothing elsewhere.
    #[error("it is a path of this machine; expected a URL such as `https://host/acme/shop`")]
    Local,
    /// A transport that is not known to name a host.
    #[error("its transport is not `https`, `http`, `ssh` or `git`")]
    Scheme,
    /// Anything else.
    #[error("it is not a URL with a host and a path, such as `https://host/acme/shop`")]
    Malformed,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_one_name() {
        for text in [
            "https://host.example/acme/shop",
            "https://host.example/acme/shop.git",
            "https://host.example/acme/shop.git/",
            "https://HOST.example:443/acme/shop/",
            "https://user@host.example/acme/shop.git",
            "https://oauth2:glpat-s3cret@host.example/acme/shop.git",
            "https://user:p@ss@host.example/acme/shop",
            "https://host.example/acme/shop.git?private_token=s3cret#frag",
            "http://host.example:80/acme/shop",
            "git://host.example/acme/shop.git",
            "git+ssh://git@host.example/acme/shop.git",
            "ssh://git@host.example:22/acme/shop.git",
            "ssh://git@host.example/acme/shop.git",
            "SSH://git@Host.Example/acme/shop",
            "git@host.example:acme/shop.git",
            "git@host.example:/acme/shop.git",
            "host.example:acme/shop",
            "[host.example:22]:acme/shop.git",
            "git@[host.example]:acme/shop.git",
        ] {
            assert_eq!(normal(text).as_deref(), Ok("https://host.example/acme/shop"), "{text}");
        }
    }

    #[test]
    fn what_differs_stays_different() {
        for (text, expected) in [
            ("ssh://git@host:2222/acme/shop.git", "ssh://host:2222/acme/shop"),
            ("[git@host:2222]:acme/shop", "ssh://host:2222/acme/shop"),
            ("http://host:3000/acme/shop", "http://host:3000/acme/shop"),
            ("https://host:8443/acme/shop.git", "https://host:8443/acme/shop"),
            ("https://host/Acme/Shop", "https://host/Acme/Shop"),
            ("https://host/~a/b", "https://host/~a/b"),
            ("https://host/acme/.git", "https://host/acme"),
            ("https://host/acme/shop.git.git", "https://host/acme/shop.git"),
            ("https://[2001:DB8::1]/a", "https://[2001:db8::1]/a"),
            ("git@[2001:db8::1]:a/b", "https://[2001:db8::1]/a/b"),
            ("https://dev.azure.com/o/p/_git/r", "https://dev.azure.com/o/p/_git/r"),
        ] {
            assert_eq!(normal(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_names_no_repository_is_refused_and_not_shown() {
        for (text, error) in [
            ("/srv/git/s3cret.git", RepositoryError::Local),
            ("../s3cret", RepositoryError::Local),
            ("./a:b", RepositoryError::Local),
            ("C:\\s3cret", RepositoryError::Local),
            ("C:/s3cret", RepositoryError::Local),
            (".", RepositoryError::Local),
            ("file:///s3cret", RepositoryError::Local),
            ("ext::sh -c s3cret", RepositoryError::Malformed),
            ("ext::s3cret", RepositoryError::Scheme),
            ("codecommit://s3cret/x", RepositoryError::Scheme),
            ("https://host", RepositoryError::Malformed),
            ("https://host/", RepositoryError::Malformed),
            ("https:///acme/shop", RepositoryError::Malformed),
            ("https://user:s3/cret@host/x", RepositoryError::Malformed),
            ("https://user:12/s3cret@host/x", RepositoryError::Malformed),
            ("oauth2:s3cret@host/acme/shop", RepositoryError::Malformed),
            ("https://host\\s3cret/x", RepositoryError::Malformed),
            ("https://ho st/s3cret", RepositoryError::Malformed),
            ("https://host/s3cret\n", RepositoryError::Malformed),
            ("", RepositoryError::Local),
        ] {
            let got = normal(text);
            assert_eq!(got, Err(error), "{text}");
            assert!(!format!("{got:?} {error}").contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn the_page_of_a_run_has_no_credentials() {
        assert_eq!(page("https://u:p@ci/job/1?x=y").as_deref(), Some("https://ci/job/1?x=y"));
        for bad in ["ftp://ci/1", "javascript:x", "/tmp", ""] {
            assert_eq!(page(bad), None, "{bad}");
        }
    }
}
