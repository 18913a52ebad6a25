//! What a user may set about registries. Nothing here is read from the
//! environment: the doors pass in what they found there.

use std::{ffi::OsString, fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use url::Url;

use super::address::Lookup;
use crate::{edge::secret::Secret, model::reference::Repository};

/// How long one operation may take, unless asked otherwise.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Everything that governs how registries are spoken to.
#[derive(Debug, Clone)]
pub struct Options {
    /// `Some(true)`: HTTP instead of HTTPS. `None`: HTTP for loopback hosts
    /// unless a TLS option is set.
    pub plain_http: Option<bool>,
    /// Certificates (PEM) that are trusted beside those of the platform.
    pub ca_file: Option<PathBuf>,
    /// A client certificate (PEM).
    pub client_cert: Option<PathBuf>,
    /// The unencrypted key of the client certificate (PEM).
    pub client_key: Option<PathBuf>,
    /// The hosts that `plain_http` and the client certificate are meant for;
    /// empty means every registry. A publisher that also reads charts from
    /// elsewhere names its own registry here.
    pub own_hosts: Vec<String>,
    /// A user name and a password, for one host only.
    pub login: Option<Login>,
    /// Hosts (or `host:port`) that may be token realms although they are not
    /// the registry's and are address literals, private or plain HTTP.
    pub token_realms: Vec<String>,
    /// Hosts that may be asked wherever they lie, although only content or a
    /// redirect names them.
    pub private_hosts: Vec<Host>,
    /// How names become addresses.
    pub lookup: Lookup,
    /// How long one operation may take, its retries included. Transfers of
    /// large blobs get more, by their size.
    pub deadline: Duration,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long a peer may stay silent.
    pub idle_timeout: Duration,
    /// How much is read at most.
    pub limits: Limits,
    /// Where docker's and podman's credentials are.
    pub docker_config: DockerConfigSource,
    /// Who is told of every request.
    pub trace: Trace,
}

/// Who is told of every request: a line with its method, its URL and how it
/// was answered. A URL is told without its user and query, and no header or
/// body is, because those carry credentials.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Listener>>);

/// What a [`Trace`] tells lines to.
type Listener = dyn Fn(&str) + Send + Sync;

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.0.is_some()).finish()
    }
}

impl Trace {
    /// Tells `listener`.
    pub fn to(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Tells a line, which is made only when somebody listens.
    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(listener) = &self.0 {
            listener(&line());
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            plain_http: None,
            ca_file: None,
            client_cert: None,
            client_key: None,
            own_hosts: Vec::new(),
            login: None,
            token_realms: Vec::new(),
            private_hosts: Vec::new(),
            lookup: Lookup::default(),
            deadline: DEADLINE,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            limits: Limits::default(),
            docker_config: DockerConfigSource::default(),
            trace: Trace::default(),
        }
    }
}

impl Options {
    /// Whether `host` is one that the TLS options are meant for.
    pub(super) fn is_own(&self, host: &str) -> bool {
        self.own_hosts.is_empty() || self.own_hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    /// Whether `url` is at a host that the user named for what content names.
    pub(super) fn is_private_host(&self, url: &Url) -> bool {
        self.private_hosts.iter().any(|host| host.is_of(url))
    }

    /// Whether `url` is at the host of a reference that the user gave, or at
    /// one that the user allowed.
    pub(super) fn is_named(&self, url: &Url) -> bool {
        self.is_private_host(url) || self.own_hosts.iter().any(|own| is_at(own, url))
    }

    /// Whether `repository` is spoken to without TLS.
    pub(super) fn is_plain(&self, repository: &Repository) -> bool {
        let tls = self.ca_file.is_some() || self.client_cert.is_some();
        match self.plain_http {
            Some(plain) if self.is_own(repository.host()) => plain,
            _ => repository.is_loopback() && !tls,
        }
    }
}

/// Whether `url` is at `host[:port]`; without a port, at its scheme's own.
pub(super) fn is_at(host: &str, url: &Url) -> bool {
    Url::parse(&format!("{}://{host}/", url.scheme())).is_ok_and(|named| {
        named.host_str() == url.host_str()
            && named.port_or_known_default() == url.port_or_known_default()
    })
}

/// A host that the user names, with one port or for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// Whether `url` is there.
    pub(super) fn is_of(&self, url: &Url) -> bool {
        let port = self.port.is_none_or(|port| url.port_or_known_default() == Some(port));
        port && url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(&self.name))
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        // A user may have written a password before the host.
        let shown = text.rsplit('@').next().unwrap_or_default();
        let error = || HostError { text: shown.chars().take(200).collect() };
        Repository::new(text, "x").map_err(|_| error())?;
        let url = |scheme: &str| Url::parse(&format!("{scheme}://{text}/")).map_err(|_| error());
        // The port that is a scheme's own would be dropped: `host` has none.
        let port = url("host")?.port();
        let name = url("http")?.host_str().ok_or_else(error)?.to_owned();
        Ok(Self { name, port })
    }
}

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no host; expected `HOST[:PORT]`")]
pub struct HostError {
    text: String,
}

/// A user name and a password given by hand.
#[derive(Debug, Clone)]
pub struct Login {
    /// The registry host (with port) that they are for; they go nowhere else.
    pub host: String,
    /// The user name.
    pub username: String,
    /// The password or token.
    pub password: Secret,
}

/// How much is read at most, whatever a registry says.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one manifest, index or page of a list.
    pub manifest: u64,
    /// Bytes of one statement.
    pub statement: u64,
    /// Bytes of small content being read at the same time.
    pub in_flight: u64,
    /// Statements of one artifact.
    pub statements: usize,
    /// How long all statements of one artifact may take to be read.
    pub gather: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            manifest: 4 * MIB,
            statement: 4 * MIB,
            in_flight: 32 * MIB,
            statements: 1000,
            gather: DEADLINE.saturating_mul(4),
        }
    }
}

/// Where docker's and podman's credential files are. Empty means: nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerConfigSource {
    /// `REGISTRY_AUTH_FILE`: a file, read first.
    pub registry_auth_file: Option<PathBuf>,
    /// `DOCKER_CONFIG`: the directory of docker's `config.json`.
    pub docker_config: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: podman keeps `containers/auth.json` there.
    pub runtime_dir: Option<PathBuf>,
    /// `HOME`: docker keeps `.docker/config.json` there, podman
    /// `.config/containers/auth.json`.
    pub home: Option<PathBuf>,
}

impl DockerConfigSource {
    /// The places that `variable` (an environment) names.
    pub fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            registry_auth_file: path("REGISTRY_AUTH_FILE"),
            docker_config: path("DOCKER_CONFIG"),
            runtime_dir: path("XDG_RUNTIME_DIR"),
            home: path("HOME"),
        }
    }

    /// The files in the order in which they are asked.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let docker = match (&self.docker_config, &self.home) {
            (Some(dir), _) => Some(dir.join("config.json")),
            (None, Some(home)) => Some(home.join(".docker/config.json")),
            (None, None) => None,
        };
        [
            self.registry_auth_file.clone(),
            docker,
            self.runtime_dir.as_ref().map(|dir| dir.join("containers/auth.json")),
            self.home.as_ref().map(|home| home.join(".config/containers/auth.json")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;

    fn repository(host: &str) -> Repository {
        Repository::new(host, "shop").unwrap()
    }

    #[test]
    fn plain_http_is_implied_for_loopback_only() {
        let mut options = Options::default();
        assert!(options.is_plain(&repository("localhost:5000")));
        assert!(!options.is_plain(&repository("registry.example")));
        options.ca_file = Some("ca.pem".into());
        assert!(!options.is_plain(&repository("localhost:5000")));
        options.plain_http = Some(false);
        options.ca_file = None;
        assert!(!options.is_plain(&repository("localhost:5000")));
        options.plain_http = Some(true);
        assert!(options.is_plain(&repository("registry.example")));
        options.own_hosts = vec!["Registry.example".into()];
        assert!(options.is_plain(&repository("registry.example")));
        assert!(!options.is_plain(&repository("docker.io")));
    }

    #[test]
    fn a_host_is_named_with_one_port_or_with_all() {
        let is_of =
            |host: &str, url: &str| host.parse::<Host>().unwrap().is_of(&Url::parse(url).unwrap());
        for (host, url) in [
            ("Charts.corp", "http://charts.corp:8080/x"),
            ("charts.corp:443", "https://charts.CORP/x"),
            ("charts.corp:8080", "http://charts.corp:8080/x"),
            ("127.0.0.1", "http://127.0.0.1:5000/"),
            ("[::1]:80", "http://[::1]/"),
        ] {
            assert!(is_of(host, url), "{host} {url}");
        }
        for (host, url) in [
            ("charts.corp:443", "http://charts.corp/"),
            ("charts.corp:8080", "http://charts.corp/"),
            ("corp", "http://charts.corp/"),
            ("charts.corp", "http://charts.corp.evil/"),
        ] {
            assert!(!is_of(host, url), "{host} {url}");
        }
        for bad in ["", "https://charts.corp", "charts.corp/x", "charts.corp:x", "u:hunter2@h"] {
            let error = bad.parse::<Host>().expect_err(bad).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_reference_names_its_port_only() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(is_at("Registry.corp", &url("https://registry.corp/v2/")));
        assert!(is_at("registry.corp:443", &url("https://registry.corp/v2/")));
        assert!(is_at("10.0.0.1:5000", &url("http://10.0.0.1:5000/v2/")));
        assert!(!is_at("10.0.0.1:5000", &url("http://10.0.0.1:22/")));
        assert!(!is_at("registry.corp", &url("https://registry.corp:8443/")));
    }

    #[test]
    fn credential_files_in_order() {
        let source = DockerConfigSource::of_environment(|name| match name {
            "REGISTRY_AUTH_FILE" => Some("/auth.json".into()),
            "DOCKER_CONFIG" => Some("".into()),
            "XDG_RUNTIME_DIR" => Some("/run/user/1".into()),
            "HOME" => Some("/home/ci".into()),
            _ => None,
        });
        let files: Vec<_> =
            source.files().iter().map(|file| file.to_string_lossy().into_owned()).collect();
        assert_eq!(
            files,
            [
                "/auth.json",
                "/home/ci/.docker/config.json",
                "/run/user/1/containers/auth.json",
                "/home/ci/.config/containers/auth.json",
            ]
        );
        assert!(DockerConfigSource::default().files().is_empty());
    }
}
