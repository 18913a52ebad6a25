//! A repository of a registry (OCI distribution specification 1.1).
//!
//! Never asks `GET /v2/` first: every round trip counts. Never trusts a digest
//! that a header claims for bytes it could hash.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION},
};
use tokio::sync::{AcquireError, SemaphorePermit};
use url::Url;

use super::{
    Blob, BlobReader, Expect, Fetched, Key, OnBytes, Pointed, Referrers, Result, Written,
    address::Reach,
    answer::Problem,
    auth::{Access, Auth, Subject},
    body::{self, HttpBlobReader},
    docker_config::is_hub,
    error::{Fault, RegistryError},
    listing,
    options::Options,
    registries::Shared,
    retry::{Deadline, Failure, Retry},
    transport::{Answer, Call, REDIRECTS, Route, Transport},
    upload::Payload,
};
use crate::model::{
    artifact::manifest::Descriptor,
    digest::Digest,
    reference::{Place, Repository, Tag},
};

/// What a manifest may be: the two media types of the OCI specification and
/// the two of Docker.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";
const CONTENT_DIGEST: &str = "docker-content-digest";
const OCI_SUBJECT: &str = "oci-subject";

/// A repository of a registry.
#[derive(Clone)]
pub struct Http {
    shared: Arc<Shared>,
    repository: Repository,
    path: String,
    route: Route,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Http").field(&self.repository).finish()
    }
}

impl Http {
    pub(super) fn open(shared: Arc<Shared>, repository: &Repository) -> Result<Self, Fault> {
        let options = &shared.options;
        let scheme = if options.is_plain(repository) { "http" } else { "https" };
        let hub = is_hub(repository.host());
        let host = if hub { "registry-1.docker.io" } else { repository.host() };
        let path = if hub && !repository.path().contains('/') {
            format!("library/{}", repository.path())
        } else {
            repository.path().to_owned()
        };
        let home = Url::parse(&format!("{scheme}://{host}/"))
            .map_err(|_| Fault::Malformed(format!("`{host}` is no host of a URL")))?;
        let identity = options.is_own(repository.host());
        let route = Route { home, reach: Reach::Named, identity, follow: REDIRECTS };
        Ok(Self { shared, repository: repository.clone(), path, route })
    }

    /// Keeps requests, and where they may be sent on to, within `reach`.
    pub(super) fn confine(&mut self, reach: Reach) {
        self.route.reach = reach;
    }

    /// The registry's own URL.
    pub(super) fn home(&self) -> &Url {
        &self.route.home
    }

    /// The same with the host as the repository names it, where that differs.
    pub(super) fn written_home(&self) -> Option<Url> {
        let host = self.repository.host();
        is_hub(host).then(|| Url::parse(&format!("https://{host}/")).ok()).flatten()
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    pub(super) fn options(&self) -> &Options {
        &self.shared.options
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.shared.transport
    }

    pub(super) fn auth(&self) -> &Auth {
        &self.shared.auth
    }

    pub(super) async fn room(&self, bytes: u64) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.shared.room(bytes).await
    }

    pub(super) fn subject(&self, access: Access) -> Subject {
        Subject {
            repository: self.repository.clone(),
            path: self.path.clone(),
            home: self.route.home.clone(),
            reach: self.route.reach,
            access,
        }
    }

    pub(super) fn blob_call(&self, digest: &Digest) -> Result<Call, Fault> {
        Ok(self.call(Method::GET, &format!("blobs/{digest}"))?.accept("*/*"))
    }

    fn doing<T>(&self, what: &str, result: Result<T, Fault>) -> Result<T> {
        result.map_err(|fault| {
            let fault = fault.redacted(&self.transport().sent);
            RegistryError::new(format!("{what} of `{}`", self.repository), fault)
        })
    }

    /// As [`Store::place`](super::Store::place).
    pub fn place(&self) -> Place {
        Place::Registry(self.repository.clone())
    }

    /// As [`Store::look_up`](super::Store::look_up).
    ///
    /// # Errors
    /// As there.
    pub async fn look_up(&self, tag: &Tag) -> Result<Option<Pointed>> {
        self.doing(&format!("resolve the tag `{tag}`"), self.resolve_tag(tag).await)
    }

    async fn resolve_tag(&self, tag: &Tag) -> Result<Option<Pointed>, Fault> {
        let deadline = self.deadline();
        let call = self.call(Method::HEAD, &format!("manifests/{tag}"))?.accept(MANIFESTS);
        let answer = self.answer(&call, Access::Pull, deadline).await?;
        if answer.status() == 404 {
            return Ok(None);
        }
        if answer.response.status().is_success() {
            let headers = answer.response.headers();
            if let Some(digest) = claimed(headers) {
                return Ok(Some(Pointed { digest, etag: etag(headers) }));
            }
        } else if !is_head_unknown(&answer) {
            return Err(self.problem(answer, deadline).await.into_failure().fault);
        }
        let read = self.read_manifest(&Key::Tag(tag.clone()), u64::MAX, deadline).await?;
        Ok(read.map(|Fetched { descriptor, etag, .. }| Pointed { digest: descriptor.digest, etag }))
    }

    /// As [`Store::manifest`](super::Store::manifest).
    ///
    /// # Errors
    /// As there.
    pub async fn manifest(&self, key: &Key, limit: u64) -> Result<Option<Fetched>> {
        let what = format!("read the manifest `{}`", name(key));
        self.doing(&what, self.read_manifest(key, limit, self.deadline()).await)
    }

    async fn read_manifest(
        &self,
        key: &Key,
        limit: u64,
        deadline: Deadline,
    ) -> Result<Option<Fetched>, Fault> {
        let call = self.call(Method::GET, &format!("manifests/{}", name(key)))?.accept(MANIFESTS);
        let limit = limit.min(self.options().limits.manifest);
        let (headers, bytes) = match self.fetch(&call, limit, deadline).await? {
            Ok(read) => read,
            Err(problem) if problem.status == 404 => return Ok(None),
            Err(problem) => return Err(problem.into_failure().fault),
        };
        let got = Digest::of(&bytes);
        match key {
            Key::Digest(wanted) => body::check(wanted, got)?,
            Key::Tag(_) => claimed(&headers).map_or(Ok(()), |wanted| body::check(&wanted, got))?,
        }
        let media_type = text(&headers, CONTENT_TYPE.as_str())
            .map_or("", |value| value.split(';').next().unwrap_or("").trim());
        let media_type = match self.transport().sent.is_in(media_type) {
            true => "",
            false => media_type,
        };
        let descriptor = Descriptor::new(media_type, got, bytes.len() as u64);
        Ok(Some(Fetched { descriptor, bytes, etag: etag(&headers) }))
    }

    /// As [`Store::has_manifest`](super::Store::has_manifest).
    ///
    /// # Errors
    /// As there.
    pub async fn has_manifest(&self, digest: &Digest) -> Result<bool> {
        let present = self.has(&format!("manifests/{digest}"), MANIFESTS).await;
        self.doing(&format!("look for the manifest `{digest}`"), present)
    }

    /// As [`Store::has_blob`](super::Store::has_blob).
    ///
    /// # Errors
    /// As there.
    pub async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let present = self.has(&format!("blobs/{digest}"), "*/*").await;
        self.doing(&format!("look for the blob `{digest}`"), present)
    }

    async fn has(&self, tail: &str, accept: &'static str) -> Result<bool, Fault> {
        let deadline = self.deadline();
        for method in [Method::HEAD, Method::GET] {
            let call = self.call(method.clone(), tail)?.accept(accept);
            let answer = self.answer(&call, Access::Pull, deadline).await?;
            if answer.response.status().is_success() {
                return Ok(true);
            }
            if answer.status() == 404 {
                return Ok(false);
            }
            if method == Method::GET || !is_head_unknown(&answer) {
                return Err(self.problem(answer, deadline).await.into_failure().fault);
            }
        }
        Ok(false)
    }

    /// As [`Store::blob`](super::Store::blob).
    ///
    /// # Errors
    /// As there.
    pub async fn blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Bytes> {
        let what = format!("read the blob `{}`", descriptor.digest);
        self.doing(&what, self.read_blob(descriptor, limit).await)
    }

    async fn read_blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Bytes, Fault> {
        let size = descriptor.size;
        if size > limit {
            return Err(Fault::TooLarge { limit });
        }
        let call = self.blob_call(&descriptor.digest)?;
        let (_, bytes) = match self.fetch(&call, size, self.deadline()).await? {
            Ok(read) => read,
            Err(problem) => return Err(problem.into_failure().fault),
        };
        let got = bytes.len() as u64;
        if got < size {
            return Err(Fault::Truncated { wanted: size, got });
        }
        body::check(&descriptor.digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// As [`Store::open_blob`](super::Store::open_blob).
    ///
    /// # Errors
    /// As there.
    pub async fn open_blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let deadline = Deadline::for_transfer(self.options().deadline, descriptor.size);
        let opened = async {
            let call = self.blob_call(&descriptor.digest)?;
            let answer = self.success(&call, deadline).await?;
            let announced = answer.response.content_length();
            if announced.is_some_and(|length| length > descriptor.size) {
                return Err(Fault::TooLarge { limit: descriptor.size });
            }
            Ok(answer.response)
        };
        let what = format!("read the blob `{}`", descriptor.digest);
        let response = self.doing(&what, opened.await)?;
        let reader = HttpBlobReader::new(self.clone(), descriptor.clone(), response, deadline);
        Ok(BlobReader::Http(Box::new(reader)))
    }

    /// As [`Store::put_blob`](super::Store::put_blob).
    ///
    /// # Errors
    /// As there.
    pub async fn put_blob(&self, blob: &Blob, progress: Option<OnBytes>) -> Result<()> {
        let deadline = Deadline::for_transfer(self.options().deadline, blob.descriptor.size);
        let uploaded = deadline.retry(|| self.upload(blob, progress.clone(), deadline)).await;
        self.doing(&format!("upload the blob `{}`", blob.descriptor.digest), uploaded)
    }

    /// POST for a place to upload to, PUT the whole there.
    async fn upload(
        &self,
        blob: &Blob,
        progress: Option<OnBytes>,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let start = self.call(Method::POST, "blobs/uploads/")?;
        let answer = self.attempt(&start, Access::Push, deadline).await?;
        if answer.response.status() == StatusCode::CREATED {
            return Ok(());
        }
        if !answer.response.status().is_success() {
            return Err(self.problem(answer, deadline).await.into_failure());
        }
        let mut put = Call::new(Method::PUT, upload_url(&start.url, &answer, blob)?, &self.route);
        put.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        put.payload = Payload::Blob(Box::new(blob.clone()), progress);
        let answer = self.attempt(&put, Access::Push, deadline).await?;
        if answer.response.status().is_success() {
            return agree(&answer, &blob.descriptor.digest).map_err(Failure::from);
        }
        let problem = self.problem(answer, deadline).await;
        let lost = matches!(problem.status, 404 | 416);
        let failure = problem.into_failure();
        // The registry forgot the upload: start another.
        Err(if lost { Failure { retry: Retry::Soon, ..failure } } else { failure })
    }

    /// As [`Store::put_manifest`](super::Store::put_manifest).
    ///
    /// # Errors
    /// As there.
    pub async fn put_manifest(
        &self,
        key: &Key,
        media_type: &str,
        bytes: Bytes,
        expect: &Expect,
    ) -> Result<Written> {
        let what = format!("write the manifest `{}`", name(key));
        self.doing(&what, self.write_manifest(key, media_type, bytes, expect).await)
    }

    async fn write_manifest(
        &self,
        key: &Key,
        media_type: &str,
        bytes: Bytes,
        expect: &Expect,
    ) -> Result<Written, Fault> {
        let deadline = self.deadline();
        let digest = Digest::of(&bytes);
        if let Key::Digest(wanted) = key {
            body::check(wanted, digest)?;
        }
        let mut call = self.call(Method::PUT, &format!("manifests/{}", name(key)))?;
        call.headers.insert(CONTENT_TYPE, value(media_type)?);
        match expect {
            Expect::Anything => None,
            Expect::Absent => call.headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*")),
            Expect::Unchanged { etag } => call.headers.insert(IF_MATCH, value(etag)?),
        };
        call.payload = Payload::Bytes(bytes);
        let answer = self.answer(&call, Access::Push, deadline).await?;
        if answer.response.status().is_success() {
            agree(&answer, &digest)?;
            return Ok(Written { oci_subject: answer.header(OCI_SUBJECT).is_some() });
        }
        let problem = self.problem(answer, deadline).await;
        if let Key::Tag(tag) = key
            && let Some(fault) = problem.immutable(tag)
        {
            return Err(fault);
        }
        match (problem.status, expect) {
            (412, Expect::Absent | Expect::Unchanged { .. }) => Err(Fault::PreconditionFailed),
            _ => Err(problem.into_failure().fault),
        }
    }

    /// As [`Store::referrers`](super::Store::referrers).
    ///
    /// # Errors
    /// As there.
    pub async fn referrers(&self, digest: &Digest, limit: usize) -> Result<Referrers> {
        let listed = listing::referrers(self, digest, limit).await;
        self.doing(&format!("list the referrers of `{digest}`"), listed)
    }

    /// As [`Store::tags`](super::Store::tags).
    ///
    /// # Errors
    /// As there.
    pub async fn tags(&self, limit: usize) -> Result<Vec<String>> {
        self.doing("list the tags", listing::tags(self, limit).await)
    }

    async fn problem(&self, answer: Answer, deadline: Deadline) -> Problem {
        Problem::of(answer, self.transport(), deadline).await
    }
}

fn name(key: &Key) -> String {
    match key {
        Key::Tag(tag) => tag.to_string(),
        Key::Digest(digest) => digest.to_string(),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn value(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text)
        .map_err(|_| Fault::Malformed("characters that no header can hold".into()))
}

/// The digest that a header claims, when it is one of ours.
fn claimed(headers: &HeaderMap) -> Option<Digest> {
    text(headers, CONTENT_DIGEST)?.parse().ok()
}

/// The entity tag, when it is one that `If-Match` can hold with: a weak one
/// never matches (RFC 9110, section 13.1.1).
fn etag(headers: &HeaderMap) -> Option<String> {
    text(headers, ETAG.as_str()).filter(|tag| !tag.starts_with("W/")).map(str::to_owned)
}

/// Whether a registry turned down HEAD as such.
fn is_head_unknown(answer: &Answer) -> bool {
    matches!(answer.status(), 400 | 405 | 406 | 501)
}

/// A registry that stored something else than was sent must not pass.
fn agree(answer: &Answer, sent: &Digest) -> Result<(), Fault> {
    match claimed(answer.response.headers()) {
        Some(stored) if stored != *sent => Err(Fault::WrongDigest { wanted: *sent, got: stored }),
        _ => Ok(()),
    }
}

/// Where the registry wants the bytes; its query is kept as it is.
fn upload_url(asked: &Url, answer: &Answer, blob: &Blob) -> Result<Url, Fault> {
    let location = answer.header(LOCATION.as_str()).ok_or_else(|| {
        Fault::Malformed("the registry began an upload without saying where (`Location`)".into())
    })?;
    let mut url = asked.join(location).map_err(|_| {
        Fault::Malformed("the registry began an upload at a `Location` that is no URL".into())
    })?;
    url.query_pairs_mut().append_pair("digest", &blob.descriptor.digest.to_string());
    Ok(url)
}
