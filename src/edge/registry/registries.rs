//! All registries that one process speaks to: one pool of connections, one
//! memory of what they wanted for credentials.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use reqwest::Method;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use url::Url;

use super::{
    Result, Store,
    address::Reach,
    answer::Problem,
    auth::Auth,
    body,
    error::{Fault, RegistryError},
    http::Http,
    layout::Layout,
    options::{Limits, Options},
    retry::{Deadline, Failure, Retries},
    transport::{Answer, Call, REDIRECTS, Route, Transport, origin},
};
use crate::model::{digest::Digest, reference::Place, text::brief};

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
}

impl Shared {
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
        let shared = Shared { options, transport, auth: Auth::default(), in_flight };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How much is read at most.
    pub fn limits(&self) -> &Limits {
        &self.shared.options.limits
    }

    /// Opens a repository or a layout; no network.
    ///
    /// # Errors
    /// A host that makes no URL; a directory that is no layout.
    pub fn open(&self, place: &Place) -> Result<Store> {
        match place {
            Place::Registry(repository) => {
                let http = Http::open(Arc::clone(&self.shared), repository);
                let action = || format!("open the repository `{repository}`");
                Ok(Store::Http(http.map_err(|fault| RegistryError::new(action(), fault))?))
            }
            Place::Layout(dir) => Ok(Store::Layout(Layout::open(dir, self.limits().manifest)?)),
        }
    }

    /// Reads a file from a web server, such as the index of an HTTP Helm
    /// repository; no credentials of any registry go there.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] beyond `limit` bytes, and transport errors.
    pub async fn get(&self, url: &Url, limit: u64) -> Result<Bytes> {
        let deadline = Deadline::for_transfer(self.shared.options.deadline, limit);
        let mut retries = Retries::new(deadline);
        loop {
            let read = async {
                let answer = self.ask(url, url, deadline).await?;
                body::whole(answer.response, limit, &self.shared.transport, deadline).await
            };
            match read.await {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => named(url, retries.wait(failure).await)?,
            }
        }
    }

    /// Hashes a file of a web server without keeping it: its digest and size.
    /// `named_by` is where the URL was read, which the user did name: it cannot
    /// send us deeper into the network than it lies itself.
    ///
    /// # Errors
    /// As [`Registries::get`]; [`Fault::Refused`] for a host out of reach.
    pub async fn hash(&self, url: &Url, named_by: &Url, limit: u64) -> Result<(Digest, u64)> {
        let deadline = Deadline::for_transfer(self.shared.options.deadline, limit);
        let mut retries = Retries::new(deadline);
        loop {
            let read = async {
                let answer = self.ask(url, named_by, deadline).await?;
                body::hash(answer.response, limit, &self.shared.transport, deadline).await
            };
            match read.await {
                Ok(hashed) => return Ok(hashed),
                Err(failure) => named(url, retries.wait(failure).await)?,
            }
        }
    }

    async fn ask(&self, url: &Url, home: &Url, deadline: Deadline) -> Result<Answer, Failure> {
        let home = home.clone();
        let route = Route { home, reach: Reach::Named, identity: false, follow: REDIRECTS };
        let call = Call::new(Method::GET, url.clone(), &route).accept("*/*");
        let transport = &self.shared.transport;
        let answer = transport.send(&call, None, deadline).await?;
        if answer.response.status().is_success() {
            return Ok(answer);
        }
        Err(Problem::of(answer, transport, deadline).await.into_failure())
    }
}

fn named<T>(url: &Url, result: Result<T, Fault>) -> Result<T> {
    result.map_err(|fault| {
        RegistryError::new(format!("read `{}{}`", origin(url), brief(url.path())), fault)
    })
}
