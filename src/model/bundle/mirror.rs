//! `--mirror HOST=HOST[/PREFIX]`: where a host's contents are read instead.
//!
//! Only reading is redirected. What is recorded is always the original
//! reference, and since the place read from is another host, the original's
//! credentials are never sent to it.

use std::{fmt, str::FromStr};

use url::Url;

use crate::model::{
    reference::{Repository, is_loopback_host},
    text::brief,
};

/// One host and where to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    from: String,
    to: String,
    prefix: String,
}

impl Mirror {
    /// Where to read the repository `path` of `host`; `None` when this mirror
    /// is for another host.
    pub fn repository(&self, host: &str, path: &str) -> Option<(String, String)> {
        (self.from.eq_ignore_ascii_case(host)).then(|| (self.to.clone(), self.prefixed(path)))
    }

    /// Where to read `url`; `None` when this mirror is for another host. The
    /// scheme stays, except that a loopback mirror is read over HTTP, as its
    /// registry would be. The query does not go along: in a presigned URL it is
    /// the credential of the original.
    pub fn url(&self, url: &Url) -> Option<Url> {
        if !self.from.eq_ignore_ascii_case(&authority(url)?) {
            return None;
        }
        let scheme = match is_loopback_host(&self.to) {
            true => "http",
            false => url.scheme(),
        };
        let path = self.prefixed(url.path().trim_start_matches('/'));
        let mut read = Url::parse(&format!("{scheme}://{}", self.to)).ok()?;
        read.set_path(&path);
        Some(read)
    }

    /// Whether this mirror is at `host[:port]`, in lower case.
    fn is_at(&self, host: &str) -> bool {
        self.to == host
    }

    fn prefixed(&self, path: &str) -> String {
        match self.prefix.is_empty() {
            true => path.to_owned(),
            false => format!("{}/{path}", self.prefix),
        }
    }
}

/// Whether `host[:port]` is one that the user named as a mirror of another.
pub fn is_mirror(mirrors: &[Mirror], host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    mirrors.iter().any(|mirror| mirror.is_at(&host))
}

/// The same for the host of `url`.
pub fn is_mirror_url(mirrors: &[Mirror], url: &Url) -> bool {
    authority(url).is_some_and(|host| is_mirror(mirrors, &host))
}

/// `host[:port]`, the port when it is not the scheme's own.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Where to read the repository `path` of `host`: at the last mirror named for
/// the host, else at the host itself.
pub fn repository(mirrors: &[Mirror], host: &str, path: &str) -> (String, String) {
    let mirrored = mirrors.iter().rev().find_map(|mirror| mirror.repository(host, path));
    mirrored.unwrap_or_else(|| (host.to_owned(), path.to_owned()))
}

/// Where to read `url`, likewise.
pub fn url(mirrors: &[Mirror], url: &Url) -> Url {
    mirrors.iter().rev().find_map(|mirror| mirror.url(url)).unwrap_or_else(|| url.clone())
}

impl FromStr for Mirror {
    type Err = MirrorError;

    fn from_str(text: &str) -> Result<Self, MirrorError> {
        let error = |fault| MirrorError { text: clip(text), fault };
        let (from, to) = text.split_once('=').ok_or_else(|| error(Fault::NoEquals))?;
        if from.contains("://") || to.contains("://") {
            return Err(error(Fault::Scheme));
        }
        let (to, prefix) = to.split_once('/').unwrap_or((to, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_host = |host| Repository::new(host, "x").is_ok();
        if !is_host(from) {
            return Err(error(Fault::From));
        }
        if !is_host(to) {
            return Err(error(Fault::To));
        }
        if !prefix.is_empty() && Repository::new(to, prefix).is_err() {
            return Err(error(Fault::Prefix));
        }
        Ok(Self {
            from: from.to_ascii_lowercase(),
            to: to.to_ascii_lowercase(),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix.is_empty() {
            true => write!(f, "{}={}", self.from, self.to),
            false => write!(f, "{}={}/{}", self.from, self.to, self.prefix),
        }
    }
}

/// A text that names no mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no mirror: {fault}; expected `HOST=HOST[/PREFIX]`")]
pub struct MirrorError {
    text: String,
    fault: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("there is no `=`")]
    NoEquals,
    #[error("a mirror is named without a scheme")]
    Scheme,
    #[error("the part before `=` is not a host")]
    From,
    #[error("the part after `=` does not begin with a host")]
    To,
    #[error("the prefix is not a repository path")]
    Prefix,
}

/// A user may have written a password before the host: such text is not shown.
fn clip(text: &str) -> String {
    match text.contains('@') {
        true => "…".into(),
        false => brief(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn mirrors(texts: &[&str]) -> Vec<Mirror> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn repositories_move_below_the_prefix() {
        let all = mirrors(&["docker.io=localhost:5000/hub", "ghcr.io=mirror.example"]);
        let read = |host, path| {
            let (host, path) = repository(&all, host, path);
            format!("{host}/{path}")
        };
        assert_eq!(read("docker.io", "library/redis"), "localhost:5000/hub/library/redis");
        assert_eq!(read("GHCR.io", "a/b"), "mirror.example/a/b");
        assert_eq!(read("quay.io", "a/b"), "quay.io/a/b");
    }

    #[test]
    fn the_last_mirror_of_a_host_wins() {
        let all = mirrors(&["a.example=one.example", "a.example=two.example"]);
        assert_eq!(repository(&all, "a.example", "x").0, "two.example");
    }

    #[test]
    fn urls_keep_their_path_and_no_credentials() {
        let all = mirrors(&[
            "charts.example=127.0.0.1:8080/charts/example",
            "other.example:8443=mirror.example",
            "six.example=[::1]:5000",
        ]);
        for (from, to) in [
            (
                "https://charts.example/stable/index.yaml?x=1",
                "http://127.0.0.1:8080/charts/example/stable/index.yaml",
            ),
            ("https://other.example:8443/index.yaml", "https://mirror.example/index.yaml"),
            ("http://other.example:8443/index.yaml", "http://mirror.example/index.yaml"),
            ("https://other.example/index.yaml", "https://other.example/index.yaml"),
            ("https://six.example/a%20b/c.tgz", "http://[::1]:5000/a%20b/c.tgz"),
            ("https://user:secret@charts.example/", "http://127.0.0.1:8080/charts/example/"),
        ] {
            assert_eq!(url(&all, &Url::parse(from).unwrap()).as_str(), to, "{from}");
        }
    }

    #[test]
    fn a_mirror_is_a_host_that_the_user_named() {
        let all = mirrors(&["a.example=Mirror.example:5000/x", "b.example=c.example"]);
        assert!(is_mirror(&all, "MIRROR.example:5000"));
        assert!(!is_mirror(&all, "mirror.example"));
        assert!(!is_mirror(&all, "a.example"));
        let is = |url: &str| is_mirror_url(&all, &Url::parse(url).unwrap());
        assert!(is("http://mirror.example:5000/y") && is("https://c.example:443/"));
        assert!(!is("http://mirror.example:5001/y") && !is("https://b.example/"));
    }

    #[test]
    fn reads_back_what_it_writes() {
        for text in ["docker.io=localhost:5000/hub/x", "a.example:80=b.example"] {
            assert_eq!(text.parse::<Mirror>().unwrap().to_string(), text);
        }
        assert_eq!("A.io=B.io/x/".parse::<Mirror>().unwrap().to_string(), "a.io=b.io/x");
    }

    #[test]
    fn refuses_with_the_part_named() {
        for (text, part) in [
            ("", "no `=`"),
            ("docker.io", "no `=`"),
            ("=b", "before `=`"),
            ("a/x=b", "before `=`"),
            ("a=", "after `=`"),
            ("a=/x", "after `=`"),
            ("a=b/UPPER", "prefix"),
            ("a=b/../c", "prefix"),
            ("https://a=b", "without a scheme"),
            ("a=https://b", "without a scheme"),
        ] {
            let error = text.parse::<Mirror>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = "a=user:hunter2@b".parse::<Mirror>().unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
