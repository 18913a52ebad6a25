//! All registries that one process speaks to: one pool of connections, one
//! memory of what they wanted for credentials.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use reqwest::Method;
use tokio::sync::{AcquireError, OnceCell, Semaphore, SemaphorePermit};
use url::Url;

use super::{
    Result, Store,
    address::Reach,
    answer::Problem,
    auth::Auth,
    body, docker_config,
    error::{Fault, RegistryError},
    http::Http,
    layout::Layout,
    options::{Limits, Options, is_at},
    retry::{Deadline, Failure},
    transport::{Answer, Call, REDIRECTS, Route, Transport, origin},
};
use crate::model::{
    digest::Digest,
    reference::{Place, Repository},
    text::brief,
};

/// The unit in which bytes in flight are counted.
const UNIT: u64 = 1024;

/// Registries over HTTP and layouts on disk, opened by reference. Cheap to
/// clone; all clones share connections and tokens.
#[derive(Clone)]
pub struct Registries {
    shared: Arc<Shared>,
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registries").finish_non_exhaustive()
    }
}

/// What the repositories of one [`Registries`] have in common.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) transport: Transport,
    pub(super) auth: Auth,
    in_flight: Semaphore,
    /// The hosts that the user has credentials for, once they were read.
    logged_in: OnceCell<Vec<String>>,
}

/// Who named a host: this decides where it may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// The user, who may mean any machine but those of link-local space.
    User,
    /// Content that others write, such as a manifest of the bundle or the index
    /// of a chart repository. It may name public machines, and those others
    /// that the user named too: as the host of a reference, among
    /// [`Options::private_hosts`], or in a credentials file.
    Content,
}

impl Shared {
    /// How far into the network `url` may lie.
    async fn reach(&self, url: &Url, by: NamedBy) -> Reach {
        if by == NamedBy::User || self.options.is_named(url) {
            return Reach::Named;
        }
        let source = &self.options.docker_config;
        let hosts = self.logged_in.get_or_init(|| docker_config::hosts(source)).await;
        match hosts.iter().any(|host| is_at(host, url)) {
            true => Reach::Named,
            false => Reach::Public,
        }
    }

    /// Room for `bytes` of small content, waited for when there is none.
    pub(super) async fn room(&self, bytes: u64) -> Result<SemaphorePermit<'_>, AcquireError> {
        let all = units(self.options.limits.in_flight);
        self.in_flight.acquire_many(units(bytes).min(all)).await
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, 1 << 28)
}

impl Registries {
    /// Reads and checks the certificates that the options name; no network.
    ///
    /// # Errors
    /// [`Fault::Local`] and [`Fault::Malformed`] for a file that cannot be used.
    pub fn new(options: Options) -> Result<Self> {
        let transport = Transport::new(&options)?;
        let in_flight = Semaphore::new(units(options.limits.in_flight) as usize);
        let (auth, logged_in) = (Auth::default(), OnceCell::new());
        let shared = Shared { options, transport, auth, in_flight, logged_in };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How long one operation may take.
    pub fn deadline(&self) -> std::time::Duration {
        self.shared.options.deadline
    }

    /// How much is read at most.
    pub fn limits(&self) -> &Limits {
        &self.shared.options.limits
    }

    /// Opens a repository or a layout that the user named; no network.
    ///
    /// # Errors
    /// A host that makes no URL; a directory that is no layout.
    pub fn open(&self, place: &Place) -> Result<Store> {
        match place {
            Place::Registry(repository) => Ok(Store::Http(self.http(repository)?)),
            Place::Layout(dir) => Ok(Store::Layout(Layout::open(dir, self.limits().manifest)?)),
        }
    }

    /// Opens a repository of a registry for reading; no network.
    ///
    /// # Errors
    /// A host that makes no URL.
    pub async fn open_as(&self, repository: &Repository, by: NamedBy) -> Result<Store> {
        let mut http = self.http(repository)?;
        let mut reach = self.shared.reach(http.home(), by).await;
        // Docker Hub's registry has another name than its references.
        if let Some(written) = http.written_home() {
            reach = reach.max(self.shared.reach(&written, by).await);
        }
        http.confine(reach);
        Ok(Store::Http(http))
    }

    fn http(&self, repository: &Repository) -> Result<Http> {
        let http = Http::open(Arc::clone(&self.shared), repository);
        let action = || format!("open the repository `{repository}`");
        http.map_err(|fault| RegistryError::new(action(), fault))
    }

    /// Reads a file from a web server, such as the index of an HTTP Helm
    /// repository; no credentials of any registry go there.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] beyond `limit` bytes, [`Fault::OutOfReach`], and
    /// transport errors.
    pub async fn get(&self, url: &Url, by: NamedBy, limit: u64) -> Result<Bytes> {
        let deadline = Deadline::for_transfer(self.shared.options.deadline, limit);
        let read = async || {
            let answer = self.ask(url, by, deadline).await?;
            body::whole(answer.response, limit, &self.shared.transport, deadline).await
        };
        self.named(url, deadline.retry(read).await)
    }

    /// Hashes a file of a web server without keeping it: its digest and size.
    ///
    /// # Errors
    /// As [`Registries::get`].
    pub async fn hash(&self, url: &Url, by: NamedBy, limit: u64) -> Result<(Digest, u64)> {
        let deadline = Deadline::for_transfer(self.shared.options.deadline, limit);
        let read = async || {
            let answer = self.ask(url, by, deadline).await?;
            body::hash(answer.response, limit, &self.shared.transport, deadline).await
        };
        self.named(url, deadline.retry(read).await)
    }

    async fn ask(&self, url: &Url, by: NamedBy, deadline: Deadline) -> Result<Answer, Failure> {
        let (home, reach) = (url.clone(), self.shared.reach(url, by).await);
        let route = Route { home, reach, identity: false, follow: REDIRECTS };
        let call = Call::new(Method::GET, url.clone(), &route).accept("*/*");
        let transport = &self.shared.transport;
        let answer = transport.send(&call, None, deadline).await?;
        if answer.response.status().is_success() {
            return Ok(answer);
        }
        Err(Problem::of(answer, transport, deadline).await.into_failure())
    }

    /// An error that says which file was read. Whoever named it may know what
    /// was sent to a registry.
    fn named<T>(&self, url: &Url, result: Result<T, Fault>) -> Result<T> {
        result.map_err(|fault| {
            let sent = &self.shared.transport.sent;
            let path = brief(&sent.redact(url.path()));
            let action = format!("read `{}{path}`", sent.redact(&origin(url)));
            RegistryError::new(action, fault.redacted(sent))
        })
    }
}
