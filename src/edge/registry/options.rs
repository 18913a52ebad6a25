//! What a user may set about registries. Nothing here is read from the
//! environment: the doors pass in what they found there.

use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc, time::Duration};

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

    /// Whether `repository` is spoken to without TLS.
    pub(super) fn is_plain(&self, repository: &Repository) -> bool {
        let tls = self.ca_file.is_some() || self.client_cert.is_some();
        match self.plain_http {
            Some(plain) if self.is_own(repository.host()) => plain,
            _ => repository.is_loopback() && !tls,
        }
    }
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
