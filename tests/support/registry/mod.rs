//! A registry inside the test process, with the faults that real ones do not
//! produce on demand (advisories.md, "The hostile registry").
//!
//! ```ignore
//! let registry = Registry::start(Config { referrers: Referrers::Absent(404), ..Config::default() });
//! let place = registry.place("shop/config");          // `oci://127.0.0.1:PORT/shop/config`
//! registry.faults(|faults| faults.no_location = true);
//! registry.before_each(|request| if request.index == 3 { Act::Abort } else { Act::Continue });
//! // … use it over HTTP …
//! assert!(registry.log().depth() <= 8);
//! assert_eq!(registry.tag("shop/config", "1.4.0"), None);
//! ```
//!
//! It keeps everything in memory, runs on a thread of its own and stops when
//! dropped. As real registries do, it refuses a manifest whose blobs (or, for
//! an index, manifests) are missing, but takes one whose subject is missing.

pub mod auth;
mod connection;
mod faults;
mod log;
mod routes;
mod state;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use sluicegate::model::{
    artifact::manifest::Descriptor,
    digest::Digest,
    reference::{Place, Repository},
};
use tokio::sync::oneshot;

use self::state::State;
#[allow(unused_imports, reason = "each area of tests uses its part")]
pub use self::{
    auth::Auth,
    faults::{BodyFault, ContentDigest, Faults, LinkFault, Redirect, Throttle},
    log::{Entry, Log, Route},
};

/// What kind of registry it is.
#[derive(Debug, Clone)]
pub struct Config {
    /// The referrers API.
    pub referrers: Referrers,
    /// Whether writing a manifest with a subject is answered with `OCI-Subject`.
    pub oci_subject: bool,
    /// Whether `ETag` is given and `If-Match` and `If-None-Match` are honoured.
    pub conditional: bool,
    /// Whether an existing tag may not move to another digest.
    pub immutable_tags: bool,
    /// Who gets in.
    pub auth: Auth,
    /// Added before each request is handled. Makes requests that are sent
    /// together overlap, which [`Log::depth`] needs to tell them from a
    /// sequence; 20 ms are enough.
    pub latency: Duration,
}

impl Default for Config {
    /// A modern registry without any fault.
    fn default() -> Self {
        Self {
            referrers: Referrers::Listed,
            oci_subject: true,
            conditional: true,
            immutable_tags: false,
            auth: Auth::Open,
            latency: Duration::ZERO,
        }
    }
}

impl Config {
    /// A registry like Debian's `docker-registry`: no referrers API, no
    /// `OCI-Subject`, no conditional writes.
    pub fn old() -> Self {
        Self {
            referrers: Referrers::Absent(404),
            oci_subject: false,
            conditional: false,
            ..Self::default()
        }
    }
}

/// How `GET /v2/NAME/referrers/DIGEST` is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referrers {
    /// All in one page.
    Listed,
    /// So many in each page, with `Link`.
    Paged(usize),
    /// With this status: 404, 400, 405 or 406, as registries without the API.
    Absent(u16),
    /// With 200 and a page for people.
    Html,
    /// With 303 to such a page, as GHCR does.
    SeeOther,
}

/// A request that is about to be handled.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Counts from 0, over the life of the registry.
    pub index: usize,
    /// `GET`, `PUT`, ….
    pub method: String,
    /// Path and query.
    pub path: String,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Handle it.
    Continue,
    /// Answer with this status and do nothing.
    Fail(u16),
    /// Close the connection and do nothing.
    Abort,
    /// Handle it, then close the connection instead of answering.
    AbortAfter,
    /// Handle it only after [`Registry::release`]; others pass meanwhile.
    Hold,
}

type Hook = Box<dyn FnMut(&Incoming) -> Act + Send>;

/// What the handlers and the handle share.
struct Shared {
    config: Config,
    state: Mutex<State>,
    hook: Mutex<Option<Hook>>,
    held: tokio::sync::Notify,
    log: Log,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running registry; stops when dropped.
pub struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Registry {
    /// Starts a registry on a free port of 127.0.0.1.
    pub fn start(config: Config) -> Self {
        let shared = Arc::new(Shared {
            config,
            state: Mutex::default(),
            hook: Mutex::default(),
            held: tokio::sync::Notify::new(),
            log: Log::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let (address, thread) = connection::serve(Arc::clone(&shared), stopped);
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The place of a repository here.
    pub fn place(&self, repository: &str) -> Place {
        Place::Registry(Repository::new(&self.host(), repository).unwrap())
    }

    /// The requests so far. A live view: later requests show up in it.
    pub fn log(&self) -> Log {
        self.shared.log.clone()
    }

    /// A handle for use inside [`Registry::before_each`].
    pub fn handle(&self) -> Handle {
        Handle(Arc::downgrade(&self.shared))
    }

    /// Changes the faults.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.shared.state().faults);
    }

    /// Sets what is asked before each request. It runs on the registry's
    /// thread: nothing else happens there until it returns.
    pub fn before_each(&self, hook: impl FnMut(&Incoming) -> Act + Send + 'static) {
        *self.shared.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(hook));
    }

    /// Lets a request go on that was held, or the next one that will be.
    pub fn release(&self) {
        self.shared.held.notify_one();
    }

    /// Stores a blob without asking anybody.
    pub fn put_blob(&self, repository: &str, bytes: impl Into<Bytes>) -> Digest {
        self.shared.state().repository(repository).put_blob(bytes.into())
    }

    /// Stores a manifest without asking anybody, under a tag when one is given.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Digest {
        self.shared.state().repository(repository).put_manifest(tag, media_type, bytes.into())
    }

    /// Stores an image index under the referrers tag of `subject`, whose
    /// entries lack `artifactType` and annotations, as old writers leave them.
    pub fn put_bare_fallback_index(
        &self,
        repository: &str,
        subject: &Digest,
        entries: &[Descriptor],
    ) {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| Descriptor::new(&entry.media_type, entry.digest, entry.size))
            .collect();
        let index = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        });
        let tag = format!("sha256-{}", subject.hex());
        let bytes = serde_json::to_vec(&index).unwrap();
        let media_type = "application/vnd.oci.image.index.v1+json";
        self.put_manifest(repository, Some(&tag), media_type, bytes);
    }

    /// Removes a manifest and the tags that point at it.
    pub fn delete_manifest(&self, repository: &str, digest: &Digest) {
        let mut state = self.shared.state();
        let repository = state.repository(repository);
        repository.manifests.remove(digest);
        repository.tags.retain(|_, target| target != digest);
    }

    /// Points a tag at a digest without asking anybody.
    pub fn set_tag(&self, repository: &str, tag: &str, digest: Digest) {
        self.shared.state().repository(repository).tags.insert(tag.to_owned(), digest);
    }

    /// Where a tag points.
    pub fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        self.shared.state().repository(repository).tags.get(tag).copied()
    }

    /// All tags, sorted, and where they point.
    pub fn tags(&self, repository: &str) -> Vec<(String, Digest)> {
        let mut state = self.shared.state();
        let tags = &state.repository(repository).tags;
        tags.iter().map(|(tag, digest)| (tag.clone(), *digest)).collect()
    }

    /// All manifests, by digest, with their media types.
    pub fn manifests(&self, repository: &str) -> Vec<(Digest, String, Bytes)> {
        let mut state = self.shared.state();
        let manifests = &state.repository(repository).manifests;
        manifests
            .iter()
            .map(|(digest, (kind, bytes))| (*digest, kind.clone(), bytes.clone()))
            .collect()
    }

    /// One manifest.
    pub fn manifest(&self, repository: &str, digest: &Digest) -> Option<Bytes> {
        let mut state = self.shared.state();
        state.repository(repository).manifests.get(digest).map(|(_, bytes)| bytes.clone())
    }

    /// One blob.
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Bytes> {
        self.shared.state().repository(repository).blobs.get(digest).cloned()
    }

    /// Forgets every token that was given out.
    pub fn revoke_tokens(&self) {
        self.shared.state().tokens.clear();
    }
}

/// A registry that may be gone.
pub struct Handle(std::sync::Weak<Shared>);

impl Handle {
    /// As [`Registry::set_tag`].
    pub fn set_tag(&self, repository: &str, tag: &str, digest: Digest) {
        let shared = self.0.upgrade().unwrap();
        shared.state().repository(repository).tags.insert(tag.to_owned(), digest);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            let _ended = thread.join();
        }
    }
}
